// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a virtual HDM block should do, told a second time: see hdm_oracle.h
 *
 * Nothing here may come from hdm.c or regs.h. A reset is oracle_init() again,
 * so that it has no history by construction.
 */
#include "hdm_oracle.h"

/* Where the parts of the structure start, in bytes. */
enum {
	AT_CAPABILITY	= 0,
	AT_GLOBAL	= 4,
	AT_DECODERS	= 16,
	DECODER_BYTES	= 32,
};

/* Where the parts of a decoder start, in bytes. */
enum {
	AT_BASE		= 0,
	AT_SIZE		= 8,
	AT_CONTROL	= 16,
	AT_SKIP		= 20,
	AT_REST		= 28,
};

/**
 * oracle_count - number of decoders that a capability register announces
 * @cap: the register
 *
 * Return: the number, or 0 if no device may have it.
 */
unsigned int oracle_count(u32 cap)
{
	switch (cap % 16) {
	case 0:
		return 1;
	case 1:
		return 2;
	case 2:
		return 4;
	case 3:
		return 6;
	case 4:
		return 8;
	case 5:
		return 10;
	default:
		return 0;
	}
}

/**
 * oracle_init - make a fresh block
 * @o: the oracle
 * @cap: HDM Decoder Capability of the hardware
 * @global: HDM Decoder Global Control of the hardware
 * @ctrl: Control of the hardware's decoder 0
 * @size: SIZE of the hardware's decoder 0
 *
 * Return: false if there is no such block.
 */
bool oracle_init(struct oracle *o, u32 cap, u32 global, u32 ctrl, u64 size)
{
	static const struct oracle zero;

	if (oracle_count(cap) == 0 || size == 0 || size % ORACLE_UNIT != 0)
		return false;

	*o = zero;
	o->count = oracle_count(cap);
	o->capacity = size;
	o->hw[0] = cap;
	o->hw[1] = global;
	o->hw[2] = ctrl;
	o->capability[0] = cap % 256;
	o->capability[1] = cap / 256 % 64;	/* 15:14 are reserved */
	o->capability[2] = cap / 65536 % 128;	/* 31:23 are reserved */
	o->can_poison = cap / 1024 % 2 == 1;
	o->enable = global / 2 % 2 == 1;
	o->decoder[0].size = size;
	o->decoder[0].type = ctrl / 4096 % 2 == 1;
	o->decoder[0].back_invalidate = ctrl / 8192 % 2 == 1;
	return true;
}

/**
 * oracle_length - number of bytes in the structure
 * @o: the oracle
 */
u64 oracle_length(const struct oracle *o)
{
	return AT_DECODERS + (u64)o->count * DECODER_BYTES;
}

/**
 * oracle_used - device memory that the decoders before one take
 * @o: the oracle
 * @n: that decoder
 *
 * Return: the sum of SKIP and SIZE of all committed decoders before @n.
 */
u64 oracle_used(const struct oracle *o, unsigned int n)
{
	u64 used = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		if (o->decoder[i].committed)
			used += o->decoder[i].skip + o->decoder[i].size;
	return used;
}

static unsigned int byte_of(u64 number, unsigned int n)
{
	while (n-- > 0)
		number /= 256;
	return number % 256;
}

static void set_byte(u64 *number, unsigned int n, u8 val)
{
	u64 place = 1;
	unsigned int i;

	for (i = 0; i < n; i++)
		place *= 256;
	*number -= byte_of(*number, n) * place;
	*number += val * place;
	*number -= *number % ORACLE_UNIT;
}

static u8 decoder_read(const struct oracle_decoder *d, unsigned int at)
{
	if (at < AT_SIZE)
		return byte_of(d->base, at - AT_BASE);
	if (at < AT_CONTROL)
		return byte_of(d->size, at - AT_SIZE);
	if (at == AT_CONTROL)
		return d->granularity + d->ways * 16;
	if (at == AT_CONTROL + 1)
		return d->lock * 1 + d->commit * 2 + d->committed * 4 +
		       d->error * 8 + d->type * 16 + d->back_invalidate * 32;
	if (at < AT_SKIP)
		return 0;
	if (at < AT_REST)
		return byte_of(d->skip, at - AT_SKIP);
	return 0;
}

/**
 * oracle_read - what a guest reads
 * @o: the oracle
 * @off: which byte
 */
u8 oracle_read(const struct oracle *o, u64 off)
{
	if (off >= oracle_length(o))
		return 0;
	if (off < AT_GLOBAL)
		return o->capability[off];
	if (off == AT_GLOBAL)
		return o->poison * 1 + o->enable * 2;
	if (off < AT_DECODERS)
		return 0;
	off -= AT_DECODERS;
	return decoder_read(&o->decoder[off / DECODER_BYTES],
			    off % DECODER_BYTES);
}

/* Everything that forbids decoder @n to be committed. */
static unsigned int why_not(const struct oracle *o, unsigned int n)
{
	const struct oracle_decoder *d = &o->decoder[n];
	__uint128_t start = d->base, end = start + d->size;
	unsigned int i, reasons = 0;

	if (d->size == 0)
		reasons |= ORACLE_NO_SIZE;
	if (end >= (__uint128_t)1 << 64)
		reasons |= ORACLE_WRAPS;
	if ((__uint128_t)oracle_used(o, o->count) + d->skip + d->size >
	    o->capacity)
		reasons |= ORACLE_NO_ROOM;
	if (d->ways != 0)
		reasons |= ORACLE_INTERLEAVE;

	for (i = 0; i < o->count; i++) {
		const struct oracle_decoder *e = &o->decoder[i];
		__uint128_t e_start = e->base, e_end = e_start + e->size;

		if (i == n || (i > n && !e->committed))
			continue;
		if (!e->committed)
			reasons |= ORACLE_NOT_NEXT;
		else if (start < e_end && e_start < end)
			reasons |= ORACLE_OVERLAP;
		else if (i < n ? start < e_end : end > e_start)
			reasons |= ORACLE_DESCENDING;
	}
	return reasons;
}

/* The byte with LOCK and COMMIT. */
static void control_write(struct oracle *o, unsigned int n, u8 val,
			  struct oracle_event *e)
{
	struct oracle_decoder *d = &o->decoder[n];
	bool lock = val % 2 == 1, commit = val / 2 % 2 == 1;

	if (d->committed && d->lock) {
		if (!lock || !commit)
			e->kept_by_lock = true;
		return;
	}
	if (d->committed && commit) {
		if (lock)
			e->kept_by_commit = true;
		return;
	}
	if (d->committed) {
		if (n + 1 < o->count && o->decoder[n + 1].committed) {
			e->kept_by_order = true;
			return;
		}
		d->commit = false;
		d->committed = false;
		e->unmap |= 1 << n;
		return;
	}

	d->lock = lock;
	if (commit && !d->commit) {
		unsigned int reasons = why_not(o, n);

		d->commit = true;
		d->committed = reasons == 0;
		d->error = reasons != 0;
		if (reasons == 0)
			e->map |= 1 << n;
		else
			e->failed |= 1 << n;
		e->reasons |= reasons;
	} else if (!commit) {
		d->commit = false;
		d->error = false;
	}
}

static void decoder_write(struct oracle *o, unsigned int n, unsigned int at,
			  u8 val, struct oracle_event *e)
{
	struct oracle_decoder *d = &o->decoder[n], new = *d;

	if (at < AT_SIZE) {
		set_byte(&new.base, at - AT_BASE, val);
	} else if (at < AT_CONTROL) {
		set_byte(&new.size, at - AT_SIZE, val);
	} else if (at == AT_CONTROL) {
		new.granularity = val % 16;
		new.ways = val / 16;
	} else if (at == AT_CONTROL + 1) {
		control_write(o, n, val, e);
		return;
	} else if (at >= AT_SKIP && at < AT_REST) {
		set_byte(&new.skip, at - AT_SKIP, val);
	}

	if (!d->committed)
		*d = new;
	else if (decoder_read(&new, at) == decoder_read(d, at))
		return;
	else if (d->lock)
		e->kept_by_lock = true;
	else
		e->kept_by_commit = true;
}

/**
 * oracle_write - a guest writes one byte
 * @o: the oracle
 * @off: which byte
 * @val: its new value
 * @e: what it does is added here
 */
void oracle_write(struct oracle *o, u64 off, u8 val, struct oracle_event *e)
{
	if (off >= oracle_length(o))
		return;
	if (off == AT_GLOBAL) {
		bool poison = val % 2 == 1;

		if (poison && o->can_poison)
			e->poison_set = true;
		if (poison && !o->can_poison)
			e->poison_refused = true;
		o->poison = poison && o->can_poison;
		o->enable = val / 2 % 2 == 1;
	}
	if (off < AT_DECODERS)
		return;
	off -= AT_DECODERS;
	decoder_write(o, off / DECODER_BYTES, off % DECODER_BYTES, val, e);
}

/**
 * oracle_cxl_reset - a CXL Reset
 * @o: the oracle
 * @e: what it does is added here
 *
 * A new block takes over the decoders that were locked.
 */
void oracle_cxl_reset(struct oracle *o, struct oracle_event *e)
{
	const struct oracle was = *o;
	unsigned int n;

	oracle_init(o, was.hw[0], was.hw[1], was.hw[2], was.capacity);
	o->enable = false;
	for (n = 0; n < o->count; n++) {
		const struct oracle_decoder *d = &was.decoder[n];

		if (d->committed && d->lock)
			o->decoder[n] = *d;
		else if (d->committed)
			e->unmap |= 1 << n;
	}
}

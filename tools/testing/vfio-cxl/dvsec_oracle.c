// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a virtual Device DVSEC should do, told a second time: see dvsec_oracle.h
 *
 * Nothing here may come from dvsec.c or regs.h.
 */
#include "dvsec_oracle.h"

/* Where the registers are, in bytes. */
enum {
	AT_ID		= 8,
	AT_CAPABILITY	= 10,
	AT_CONTROL	= 12,
	AT_STATUS	= 14,
	AT_CONTROL2	= 16,
	AT_STATUS2	= 18,
	AT_LOCK		= 20,
	AT_CAPABILITY2	= 22,
	AT_SIZE_HIGH	= 24,
	AT_SIZE_LOW	= 28,
	AT_BASE_HIGH	= 32,
	AT_BASE_LOW	= 36,
	AT_RANGE2	= 40,
	AT_CAPABILITY3	= 56,
};

static u8 hw_byte(const u32 *hw, unsigned int off)
{
	unsigned int i = off % 4;
	u32 val = hw[off / 4];

	while (i-- > 0)
		val /= 256;
	return val % 256;
}

static bool bit(u8 val, unsigned int n)
{
	while (n-- > 0)
		val /= 2;
	return val % 2 == 1;
}

/* Two ranges at most can be announced, by bits 5:4, and there is one. */
static u8 one_range(u8 capability)
{
	bool many = bit(capability, 5), one = bit(capability, 4);

	if (many)
		capability -= 32;
	if (many && !one)
		capability += 16;
	return capability;
}

static void control_init(struct oracle *o, u8 val)
{
	o->cache_enable = bit(val, 0);
	o->mem_enable = bit(val, 2);
	o->sf_coverage = val / 8;
}

static void control_high_init(struct oracle *o, u8 val)
{
	o->sf_granularity = val % 8;
	o->clean_eviction = bit(val, 3);
}

/**
 * oracle_init - make a fresh one
 * @o: the oracle
 * @hw: the registers of the hardware
 * @len: how many bytes it has of them; a dword cut by the end is not there
 */
void oracle_init(struct oracle *o, const u32 *hw, u32 len)
{
	static const struct oracle zero;
	unsigned int i;

	*o = zero;
	o->length = len > ORACLE_BYTES ? ORACLE_BYTES : len - len % 4;

	for (i = AT_ID; i < o->length; i++) {
		u8 val = hw_byte(hw, i);

		if (i < AT_CAPABILITY)
			o->id[i - AT_ID] = val;
		else if (i == AT_CAPABILITY)
			o->capability[0] = one_range(val);
		else if (i == AT_CAPABILITY + 1)
			o->capability[1] = val;
		else if (i == AT_CONTROL)
			control_init(o, val);
		else if (i == AT_CONTROL + 1)
			control_high_init(o, val);
		else if (i == AT_STATUS2 + 1)
			o->pm_init_complete = bit(val, 7);
		else if (i == AT_CAPABILITY2 || i == AT_CAPABILITY2 + 1)
			o->capability2[i - AT_CAPABILITY2] = val;
		else if (i >= AT_SIZE_HIGH && i < AT_SIZE_LOW)
			o->size_high[i - AT_SIZE_HIGH] = val;
		else if (i >= AT_SIZE_LOW && i < AT_BASE_HIGH)
			o->size_low[i - AT_SIZE_LOW] = val;
		else if (i >= AT_CAPABILITY3)
			o->capability3[i - AT_CAPABILITY3] = val;
	}
	o->info_valid = bit(o->size_low[0], 0);
	o->active = bit(o->size_low[0], 1);
	o->size_low[0] -= o->size_low[0] % 4;
	o->can_cache = bit(o->capability[0], 0);
	o->can_write_back = o->can_cache && bit(o->capability[0], 6);
	o->can_reset = bit(o->capability[0], 7);
	o->can_clear = bit(o->capability[1], 3);
}

/**
 * oracle_read - what a guest reads
 * @o: the oracle
 * @off: which byte
 */
u8 oracle_read(const struct oracle *o, u64 off)
{
	if (off < AT_ID || off >= o->length)
		return 0;
	if (off < AT_CAPABILITY)
		return o->id[off - AT_ID];
	if (off < AT_CONTROL)
		return o->capability[off - AT_CAPABILITY];
	if (off == AT_CONTROL)	/* IO_Enable is always set */
		return o->cache_enable * 1 + 2 + o->mem_enable * 4 +
		       o->sf_coverage * 8;
	if (off == AT_CONTROL + 1)
		return o->sf_granularity + o->clean_eviction * 8 +
		       o->viral_enable * 64;
	if (off == AT_STATUS + 1)
		return o->viral * 64;
	if (off == AT_CONTROL2)	/* the doorbells, 2 and 4, read as zero */
		return o->no_caching * 1 + o->clear_enable * 8;
	if (off == AT_STATUS2)
		return o->cache_invalid * 1 + o->reset_complete * 2 +
		       o->reset_error * 4;
	if (off == AT_STATUS2 + 1)
		return o->pm_init_complete * 128;
	if (off == AT_LOCK)
		return o->locked;
	if (off == AT_CAPABILITY2 || off == AT_CAPABILITY2 + 1)
		return o->capability2[off - AT_CAPABILITY2];
	if (off >= AT_SIZE_HIGH && off < AT_SIZE_LOW)
		return o->size_high[off - AT_SIZE_HIGH];
	if (off == AT_SIZE_LOW)
		return o->info_valid * 1 + o->active * 2 + o->size_low[0];
	if (off > AT_SIZE_LOW && off < AT_BASE_HIGH)
		return o->size_low[off - AT_SIZE_LOW];
	if (off >= AT_BASE_HIGH && off < AT_BASE_LOW)
		return o->base_high[off - AT_BASE_HIGH];
	if (off == AT_BASE_LOW + 3)
		return o->base_low * 16;
	if (off >= AT_CAPABILITY3)
		return o->capability3[off - AT_CAPABILITY3];
	return 0;
}

/* Bring the configuration that CONFIG_LOCK is about from @new. */
static void configure(struct oracle *o, const struct oracle *new, u64 off,
		      bool *kept)
{
	if (!o->locked)
		*o = *new;
	else if (oracle_read(new, off) != oracle_read(o, off))
		*kept = true;
}

static void control2_write(struct oracle *o, u8 val, struct oracle_event *e)
{
	bool was = o->no_caching;

	o->no_caching = bit(val, 0) && o->can_cache;
	o->clear_enable = bit(val, 3) && o->can_clear;
	if (bit(val, 0) && !o->can_cache)
		e->refused_no_caching = true;
	if (bit(val, 3) && !o->can_clear)
		e->refused_clear = true;
	if (!o->no_caching && o->cache_invalid) {
		e->valid_by_caching = true;
		o->cache_invalid = false;
	}

	if (o->reset_pending) {
		e->dropped_caching |= was != o->no_caching;
		e->dropped_write_back |= bit(val, 1) && o->can_write_back;
		e->dropped_reset |= bit(val, 2);
		return;
	}
	if (was != o->no_caching)
		e->deeds |= ORACLE_CACHING;

	if (bit(val, 1) && !o->can_write_back)
		e->refused_write_back = true;
	if (bit(val, 1) && o->can_write_back) {
		e->deeds |= ORACLE_WRITE_BACK;
		if (o->cache_invalid)
			e->valid_by_doorbell = true;
		o->cache_invalid = false;
	}

	if (bit(val, 2) && !o->can_reset)
		e->refused_reset = true;
	if (bit(val, 2) && o->can_reset) {
		e->deeds |= ORACLE_RESET;
		if (o->clear_enable)
			e->deeds |= ORACLE_CLEAR;
		if (o->reset_complete)
			e->complete_by_doorbell = true;
		if (o->reset_error)
			e->error_by_doorbell = true;
		o->reset_complete = false;
		o->reset_error = false;
		o->reset_pending = true;
	}
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
	struct oracle new = *o;

	if (off >= o->length)
		return;
	if (off == AT_CONTROL) {
		new.mem_enable = bit(val, 2);
		configure(o, &new, off, &e->kept_control);
	} else if (off == AT_CONTROL + 1) {
		new.viral_enable = bit(val, 6);
		configure(o, &new, off, &e->kept_control);
	} else if (off == AT_STATUS + 1) {
		if (o->viral && bit(val, 6))
			e->viral_cleared = true;
		if (bit(val, 6))
			o->viral = false;
	} else if (off == AT_CONTROL2) {
		control2_write(o, val, e);
	} else if (off == AT_LOCK) {
		if (bit(val, 0) && !o->locked)
			e->locked = true;
		if (bit(val, 0))
			o->locked = true;
	} else if (off >= AT_BASE_HIGH && off < AT_BASE_LOW) {
		new.base_high[off - AT_BASE_HIGH] = val;
		configure(o, &new, off, &e->kept_base);
	} else if (off == AT_BASE_LOW + 3) {
		new.base_low = val / 16;
		configure(o, &new, off, &e->kept_base);
	}
}

/**
 * oracle_live - the hardware's state of the memory
 * @o: the oracle
 * @size_low: its Range 1 Size Low
 */
void oracle_live(struct oracle *o, u32 size_low)
{
	o->info_valid = bit(size_low % 256, 0);
	o->active = bit(size_low % 256, 1);
}

/**
 * oracle_done - what the guest asked for has come to an end
 * @o: the oracle
 * @deeds: what it was
 * @ok: whether it succeeded
 */
void oracle_done(struct oracle *o, unsigned int deeds, bool ok)
{
	if (deeds & ORACLE_WRITE_BACK && ok && o->no_caching)
		o->cache_invalid = true;
	if (deeds & ORACLE_RESET && o->reset_pending) {
		o->reset_complete = ok;
		o->reset_error = !ok;
		o->reset_pending = false;
	}
}

/**
 * oracle_cxl_reset - the device has gone through a CXL Reset
 * @o: the oracle
 */
void oracle_cxl_reset(struct oracle *o)
{
	if (!o->locked)
		o->mem_enable = false;
	o->no_caching = false;
	o->clear_enable = false;
	o->cache_invalid = false;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes operations on the HDM decoder model: see session.h
 *
 * A few bytes from the source are one action: "program decoder 3", "write to
 * one field", "write anything anywhere". The oracle's state is used to aim, so
 * that the values next to a limit (the end of the decoder before, the capacity
 * that is left, 2^64) come up all the time, and commits, locks and every kind
 * of error are ordinary.
 */
#include <stdlib.h>

#include <linux/array_size.h>

#include "gen.h"
#include "hdm_check.h"

enum field {
	FIELD_BASE	= 0x00,
	FIELD_SIZE	= 0x08,
	FIELD_CTRL	= 0x10,
	FIELD_SKIP	= 0x14,
};

enum {
	CTRL_LOCK	= 0x100,
	CTRL_COMMIT	= 0x200,
};

static u32 field_off(unsigned int n, enum field f)
{
	return 0x10 + 0x20 * n + f;
}

/* Write a field in one of the ways in which drivers do it. */
static void emit_field(struct gen *g, unsigned int n, enum field f, u64 val)
{
	unsigned int len = f == FIELD_CTRL ? 4 : 8, half = len / 2, i;
	u32 off = field_off(n, f);

	switch (pick(g, 8)) {
	case 0:
	case 1:
		emit(g, OP_WRITE, off, half, val);
		emit(g, OP_WRITE, off + half, half, val >> 8 * half);
		break;
	case 2:
		emit(g, OP_WRITE, off + half, half, val >> 8 * half);
		emit(g, OP_WRITE, off, half, val);
		break;
	case 3:
		for (i = 0; i < len; i++)
			emit(g, OP_WRITE, off + i, 1, val >> 8 * i);
		break;
	case 4:
		/* Control together with the SKIP that follows */
		if (f == FIELD_CTRL)
			val |= g->w->oracle.decoder[n].skip << 32;
		emit(g, OP_WRITE, off, 8, val);
		break;
	default:
		emit(g, OP_WRITE, off, len, val);
	}
}

/* The first decoder that is not committed, or the number of decoders. */
static unsigned int next_free(const struct oracle *o)
{
	unsigned int n = 0;

	while (n < o->count && o->decoder[n].committed)
		n++;
	return n;
}

static unsigned int pick_decoder(struct gen *g)
{
	unsigned int free = next_free(&g->w->oracle), r = pick(g, 32);

	if (r < 20)
		return free < g->w->oracle.count ? free : free - 1;
	if (r < 24)
		return free ? free - 1 : 0;
	if (r < 26)
		return 0;
	return pick(g, g->w->oracle.count);
}

static u64 pick_base(struct gen *g, unsigned int n)
{
	const struct oracle_decoder *d = &g->w->oracle.decoder[n];
	const struct oracle_decoder *prev = n ? d - 1 : NULL;
	u64 end = prev ? prev->base + prev->size : 0;

	switch (pick(g, 24)) {
	case 0:
		return end + ORACLE_UNIT;
	case 1:
		return end - ORACLE_UNIT;
	case 2:
		return prev ? prev->base : 0;
	case 3:
		return 0;
	case 4:
		return -ORACLE_UNIT;
	case 5:
		return -d->size;
	case 6:
		return -d->size - ORACLE_UNIT;
	case 7:
		return source_u64(g->src);
	case 8:
		return pick(g, 32) * ORACLE_UNIT;
	case 9:
		return end + pick(g, 32) * ORACLE_UNIT;
	case 10:
		return prev ? prev->base - d->size : ORACLE_UNIT;
	default:
		return end;
	}
}

static u64 pick_size(struct gen *g, unsigned int n)
{
	const struct oracle_decoder *d = &g->w->oracle.decoder[n];
	u64 left = g->w->oracle.capacity - oracle_used(&g->w->oracle, n);

	switch (pick(g, 24)) {
	case 0:
		return left;
	case 1:
		return left + ORACLE_UNIT;
	case 2:
		return left - ORACLE_UNIT;
	case 3:
		return left - d->skip;
	case 4:
		return 0;
	case 5:
		return ORACLE_UNIT - 1;
	case 6:
		return -ORACLE_UNIT;
	case 7:
		return -d->base;
	case 8:
		return source_u64(g->src);
	case 9:
		return left / 2;
	case 10:
	case 11:
		return 2 * ORACLE_UNIT;
	default:
		return ORACLE_UNIT;
	}
}

static u64 pick_skip(struct gen *g, unsigned int n)
{
	const struct oracle_decoder *d = &g->w->oracle.decoder[n];
	u64 left = g->w->oracle.capacity - oracle_used(&g->w->oracle, n);

	switch (pick(g, 16)) {
	case 0:
	case 1:
		return ORACLE_UNIT;
	case 2:
		return left - d->size;
	case 3:
		return left - d->size + ORACLE_UNIT;
	case 4:
		return -d->size;
	case 5:
		return -ORACLE_UNIT;
	case 6:
		return source_u64(g->src);
	default:
		return 0;
	}
}

static u32 pick_ctrl(struct gen *g)
{
	switch (pick(g, 24)) {
	case 0:
	case 1:
		return CTRL_COMMIT | CTRL_LOCK;
	case 2:
	case 3:
	case 4:
		return 0;
	case 5:
		return CTRL_LOCK;
	case 6:
		return CTRL_COMMIT | (1 + pick(g, 15)) << 4;
	case 7:
		return CTRL_COMMIT | pick(g, 16);
	case 8:
		return source_u64(g->src);
	case 9:
		return 0xffffffff;
	case 10:
		return 0xfffffdff;
	case 11:
		return CTRL_COMMIT | 0xfffffc00;
	default:
		return CTRL_COMMIT;
	}
}

/* What the VMM or a guest's driver does to bring a decoder up. */
static void program(struct gen *g)
{
	unsigned int n = pick_decoder(g), what = pick(g, 64);

	if (g->w->oracle.decoder[n].commit && what >= 8)
		emit_field(g, n, FIELD_CTRL, 0);
	if (what & 3)
		emit_field(g, n, FIELD_SIZE, pick_size(g, n));
	if (what & 4)
		emit_field(g, n, FIELD_SKIP, pick_skip(g, n));
	emit_field(g, n, FIELD_BASE, pick_base(g, n));
	emit_field(g, n, FIELD_CTRL, pick_ctrl(g));
}

/* Commit some more decoders, one after the other, as nobody can object to. */
static void ascend(struct gen *g)
{
	const struct oracle *o = &g->w->oracle;
	unsigned int n = next_free(o), last = n + pick(g, ORACLE_DECODERS);
	u64 base = n ? o->decoder[n - 1].base + o->decoder[n - 1].size : 0;

	for (; n <= last && n < o->count; n++, base += ORACLE_UNIT) {
		emit(g, OP_WRITE, field_off(n, FIELD_BASE), 8, base);
		emit(g, OP_WRITE, field_off(n, FIELD_SIZE), 8, ORACLE_UNIT);
		emit(g, OP_WRITE, field_off(n, FIELD_SKIP), 8, 0);
		emit(g, OP_WRITE, field_off(n, FIELD_CTRL), 4, 0);
		emit(g, OP_WRITE, field_off(n, FIELD_CTRL), 4, CTRL_COMMIT);
	}
}

static void one_field(struct gen *g)
{
	unsigned int n = pick_decoder(g);

	switch (pick(g, 8)) {
	case 0:
		emit_field(g, n, FIELD_BASE, pick_base(g, n));
		break;
	case 1:
		emit_field(g, n, FIELD_SIZE, pick_size(g, n));
		break;
	case 2:
		emit_field(g, n, FIELD_SKIP, pick_skip(g, n));
		break;
	case 3:
		emit(g, OP_WRITE, 0x04, 4, source_u8(g->src));
		break;
	default:
		emit_field(g, n, FIELD_CTRL, pick_ctrl(g));
	}
}

/* Any offset and length; values close to what is there now. */
static void raw_write(struct gen *g)
{
	unsigned int len = 1 + pick(g, 8), i;
	u64 val = 0;
	u32 off, ctrl;

	if (pick(g, 4)) {
		/* at or around the Control register of some decoder */
		ctrl = field_off(pick_decoder(g), FIELD_CTRL);
		off = ctrl + 1 - pick(g, len < 6 ? 6 : len);
	} else {
		off = (source_u8(g->src) | source_u8(g->src) << 8) %
		      (oracle_length(&g->w->oracle) + 8);
		ctrl = off;
	}

	for (i = 0; i < len; i++)
		val |= (u64)oracle_read(&g->w->oracle, (u64)off + i) << 8 * i;

	switch (pick(g, 8)) {
	case 0:
		val = 0;
		break;
	case 1:
		val = -1;
		break;
	case 2:
		val = source_u64(g->src);
		break;
	case 3:
		val ^= 1ULL << pick(g, 64);
		break;
	default:
		/* turn COMMIT round, if it is within, and maybe one more */
		if (ctrl + 1 >= off && ctrl + 1 - off < len)
			val ^= 2ULL << 8 * (ctrl + 1 - off);
		if (pick(g, 2))
			val ^= 1ULL << pick(g, 64);
	}
	emit(g, OP_WRITE, off, len, val);
}

/* Nothing is too silly. */
static void anything(struct gen *g)
{
	static const u32 offs[] = {
		0, 0x04, 0x08, 0x10, 0x2c, 0x30, 0x14c, 0x150, 0xfff, 0x1000,
		0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffffc, 0xffffffff,
	};
	static const unsigned int lens[] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 255, 0x7fffffff, 0x80000000,
		0xffffffff,
	};
	u32 off = offs[pick(g, ARRAY_SIZE(offs))] + pick(g, 16) - 8;
	unsigned int len = lens[pick(g, ARRAY_SIZE(lens))];

	switch (pick(g, 8)) {
	case 0:
		off = source_u64(g->src);
		break;
	case 1:
		len = source_u64(g->src);
		break;
	default:
		if (pick(g, 2))
			off = (source_u8(g->src) | source_u8(g->src) << 8) %
			      (oracle_length(&g->w->oracle) + 8);
	}

	switch (pick(g, 8)) {
	case 0:
		emit(g, HDM_OP_RANGE, off, 0, 0);
		break;
	case 1:
	case 2:
		emit(g, OP_READ, off, len, 0);
		break;
	case 3:
		emit(g, OP_WRITE, off, len, pick(g, 2) ? -1 : 0);
		break;
	default:
		emit(g, OP_WRITE, off, len, source_u64(g->src));
	}
}

unsigned int gen_ops(struct source *src, const struct world *w, bool wild,
		     struct op *op)
{
	const struct oracle *o = &w->oracle;
	struct gen g = { .src = src, .w = w, .op = op };
	unsigned int free = next_free(o), action = pick(&g, 64);

	if (wild && pick(&g, 2))
		action = 63;

	if (action < 1) {
		ascend(&g);
	} else if (action < 18) {
		program(&g);
	} else if (action < 32) {
		one_field(&g);
	} else if (action < 48) {
		raw_write(&g);
	} else if (action < 54) {
		u32 off = source_u8(src) | source_u8(src) << 8;

		emit(&g, OP_READ, off % (oracle_length(o) + 8),
		     pick(&g, 10), 0);
	} else if (action < 57) {
		emit(&g, HDM_OP_RANGE, pick(&g, 12), 0, 0);
	} else if (action < 61) {
		emit_field(&g, free ? free - 1 : 0, FIELD_CTRL, 0);
	} else if (action < 62) {
		emit(&g, pick(&g, 4) ? HDM_OP_CXL_RESET : HDM_OP_RESET, 0, 0, 0);
	} else {
		anything(&g);
	}
	return g.n;
}

/* Some cannot be. */
struct hw *gen_hw(struct source *src)
{
	struct vfio_cxl_hdm_hw *hw;
	struct hw *all = malloc(sizeof(*all));
	unsigned int shape = source_u8(src);

	if (!all)
		abort();
	hw = &all->hdm;
	hw->cap = (source_u64(src) & ~0xfU) | shape % 6;
	hw->global = source_u64(src);
	hw->ctrl = source_u64(src);
	switch (shape / 6 % 16) {
	case 0:
		hw->size = -ORACLE_UNIT;
		break;
	case 1:
		hw->size = source_u64(src) & -ORACLE_UNIT;
		break;
	case 2:
		hw->size = source_u64(src);
		break;
	case 3:
		hw->cap = source_u64(src);
		hw->size = ORACLE_UNIT;
		break;
	case 4:
	case 5:
		hw->size = 12 * ORACLE_UNIT;
		break;
	default:
		hw->size = source_u8(src) % 24 * ORACLE_UNIT;
	}
	return all;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes operations on the Device DVSEC model: see session.h
 *
 * A few bytes from the source are one action: "configure", "ring a doorbell",
 * "write anything anywhere". What was rung is mostly reported as done soon
 * after. Fresh starts are frequent enough for a locked state and one that is
 * not to be equally ordinary.
 */
#include <stdlib.h>

#include <linux/array_size.h>

#include "gen.h"
#include "dvsec_check.h"

enum {
	CONTROL		= 0x0c,
	STATUS		= 0x0e,
	CONTROL2	= 0x10,
	STATUS2		= 0x12,
	LOCK		= 0x14,
	BASE		= 0x20,
	END		= 0x3c,
};

/* What is there now, so that a write can leave it as it is. */
static u64 current(struct gen *g, u32 off)
{
	u64 val = 0;
	int i;

	for (i = 7; i >= 0; i--)
		val = val << 8 | oracle_read(&g->w->oracle, (u64)off + i);
	return val;
}

/*
 * Write @len bytes of a register in one of the ways in which drivers do it;
 * what comes with them in a wider access is left as it is.
 */
static void emit_field(struct gen *g, u32 off, unsigned int len, u64 val)
{
	u64 mask = len < 8 ? (1ULL << 8 * len) - 1 : -1ULL;
	unsigned int before = 1 + pick(g, 4), i;

	switch (pick(g, 8)) {
	case 0:
		for (i = 0; i < len; i++)
			emit(g, OP_WRITE, off + i, 1, val >> 8 * i);
		break;
	case 1:
		emit(g, OP_WRITE, off, 8, (current(g, off) & ~mask) | val);
		break;
	case 2:
		emit(g, OP_WRITE, off, 4, (current(g, off) & ~mask) | val);
		break;
	case 3:
		off -= before;
		mask <<= 8 * before;
		emit(g, OP_WRITE, off, 8, (current(g, off) & ~mask) |
		     (val << 8 * before & mask));
		break;
	default:
		emit(g, OP_WRITE, off, len, val);
	}
}

static void configure(struct gen *g)
{
	u64 val = source_u64(g->src);

	switch (pick(g, 8)) {
	case 0:
	case 1:
		emit_field(g, CONTROL, 2, val & 0xffff);
		break;
	case 2:
		emit_field(g, BASE, 8, val);
		break;
	case 3:
		/* the base as drivers know it, high half first */
		emit(g, OP_WRITE, BASE, 4, val >> 32);
		emit(g, OP_WRITE, BASE + 4, 4, val & 0xf0000000);
		break;
	default:
		/* Disable_Caching and Mem_Clr, no doorbell */
		emit_field(g, CONTROL2, 2, val & 0x9);
	}
}

/* Mostly as the model's contract demands: only what was asked for, and once. */
static void report(struct gen *g, bool wild)
{
	unsigned int deeds = g->w->asked;

	if (wild && pick(g, 2))
		deeds = source_u64(g->src);
	else if (!pick(g, 8))
		deeds |= ORACLE_RESET;	/* of one that was forgotten */
	/* the device has been through what is reported now */
	if (deeds & ORACLE_RESET && pick(g, 2))
		emit(g, DVSEC_OP_CXL_RESET, 0, 0, 0);
	switch (pick(g, 4)) {
	case 0:
		emit(g, DVSEC_OP_DONE, 0, 0, deeds);
		break;
	case 1:
		/* one after the other, and not with the same result */
		emit(g, DVSEC_OP_DONE, 0, 0, deeds & ORACLE_WRITE_BACK);
		emit(g, DVSEC_OP_DONE, 0, 1, deeds & ~ORACLE_WRITE_BACK);
		break;
	default:
		emit(g, DVSEC_OP_DONE, 0, 1, deeds);
	}
}

static void ring(struct gen *g)
{
	u64 val = (current(g, CONTROL2) & 0x9) ^ (pick(g, 4) ? 0 : pick(g, 16));

	emit_field(g, CONTROL2, 2, val | (1 + pick(g, 3)) << 1);
}

static void lock(struct gen *g)
{
	if (pick(g, 2))
		emit_field(g, LOCK, 2, pick(g, 4) ? 1 : 0xffff);
	else
		/* together with Control2 */
		emit(g, OP_WRITE, CONTROL2, 8, source_u64(g->src) | 1ULL << 32);
}

static void status(struct gen *g)
{
	if (pick(g, 2))
		emit(g, DVSEC_OP_VIRAL, 0, 0, 0);
	if (pick(g, 2))
		emit_field(g, STATUS, 2, pick(g, 4) ? 0x4000 : 0xbfff);
	if (pick(g, 2))
		emit_field(g, STATUS2, 2, pick(g, 2) ? 0xffff : 0);
}

/* Any offset and length; values close to what is there now. */
static void raw_write(struct gen *g)
{
	static const u32 offs[] = { CONTROL, CONTROL2, LOCK, BASE };
	unsigned int len = 1 + pick(g, 8);
	u32 off;
	u64 val;

	if (pick(g, 4))
		off = offs[pick(g, ARRAY_SIZE(offs))] + 3 - pick(g, 8);
	else
		off = pick(g, END + 8);
	val = current(g, off);
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
	default:
		val ^= 1ULL << pick(g, 64);
		if (pick(g, 2))
			val ^= 1ULL << pick(g, 64);
	}
	emit(g, OP_WRITE, off, len, val);
}

/* Nothing is too silly. */
static void anything(struct gen *g)
{
	static const unsigned int lens[] = { 0, 1, 3, 4, 8, 9, 255, -1 };
	static const u32 offs[] = {
		0, CONTROL, CONTROL2, LOCK, BASE, END, 0x80, 0x1000, 0x7fffffff,
		0x80000000, 0xfffffff0, 0xffffffff,
	};
	u32 off = offs[pick(g, ARRAY_SIZE(offs))] + pick(g, 16) - 8;
	unsigned int len = lens[pick(g, ARRAY_SIZE(lens))];

	switch (pick(g, 8)) {
	case 0:
	case 1:
	case 2:
		emit(g, OP_READ, off, len, 0);
		break;
	case 3:
		emit(g, OP_WRITE, off, len, pick(g, 2) ? -1 : 0);
		break;
	case 4:
		report(g, true);
		break;
	default:
		emit(g, OP_WRITE, off, len, source_u64(g->src));
	}
}

unsigned int gen_ops(struct source *src, const struct world *w, bool wild,
		     struct op *op)
{
	struct gen g = { .src = src, .w = w, .op = op };
	unsigned int action = pick(&g, 64);

	if (wild && pick(&g, 2))
		action = 63;

	if (action < 12)
		configure(&g);
	else if (action < 22)
		ring(&g);
	else if (action < 32)
		report(&g, wild);
	else if (action < 33)
		lock(&g);
	else if (action < 37)
		status(&g);
	else if (action < 49)
		raw_write(&g);
	else if (action < 55)
		emit(&g, OP_READ, pick(&g, END + 8), pick(&g, 10), 0);
	else if (action < 58)
		emit(&g, DVSEC_OP_LIVE, 0, 0, source_u64(src));
	else if (action < 60)
		emit(&g, DVSEC_OP_FRESH, 0, 0, 0);
	else if (action < 61)
		emit(&g, DVSEC_OP_CXL_RESET, 0, 0, 0);
	else
		anything(&g);
	return g.n;
}

struct hw *gen_hw(struct source *src)
{
	struct hw *hw = malloc(sizeof(*hw));
	unsigned int shape = source_u8(src), i;

	if (!hw)
		abort();
	for (i = 0; i < ARRAY_SIZE(hw->reg); i++)
		hw->reg[i] = source_u64(src);
	/* what there are doorbells for is announced more often than not */
	if (shape % 2)
		hw->reg[2] |= 0x08c10000;
	switch (shape / 2 % 8) {
	case 0:
		hw->len = source_u8(src) % (END + 1);
		break;
	case 1:
		hw->len = source_u64(src);
		break;
	case 2:
		hw->len = END - 4;	/* before Capability3 came */
		break;
	default:
		hw->len = END;
	}
	return hw;
}

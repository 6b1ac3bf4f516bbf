// SPDX-License-Identifier: GPL-2.0-only
/*
 * The HDM decoder model under observation: see session.h
 *
 * Each property looks at the model from outside: through what a guest can
 * read (a "view", taken after each write), what the calls return, and, only to
 * see that a call did not change it, the bytes of the state. Numbers are
 * written out here as well; regs.h is under test too.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/array_size.h>

#include "hdm_check.h"

#define UNTOUCHED	0x0123456789abcdefULL

/*
 * P9: looks like a host address that a decoder could hold. Everything that the
 * model must not pass on is filled with it.
 */
#define SENTINEL	0x5ca1ab1ed0000000ULL

const char *const cover_name[COVER_MAX] = {
	[COVER_WRITES]			= "writes",
	[COVER_READS]			= "reads",
	[COVER_RANGES]			= "ranges asked for",
	[COVER_RESETS]			= "resets",
	[COVER_COMMITS]			= "commits",
	[COVER_LOCKED]			= "commits with lock",
	[COVER_UNCOMMITS]		= "uncommits",
	[COVER_ERRORS]			= "errors",
	[COVER_ERROR_BY]		= "errors only by no size",
	[COVER_ERROR_BY + 1]		= "errors only by passing 2^64",
	[COVER_ERROR_BY + 2]		= "errors only by capacity",
	[COVER_ERROR_BY + 3]		= "errors only by overlap",
	[COVER_ERROR_BY + 4]		= "errors only by descending base",
	[COVER_ERROR_BY + 5]		= "errors only by order",
	[COVER_ERROR_BY + 6]		= "errors only by interleave",
	[COVER_RETRIES]			= "errors cleared for a retry",
	[COVER_COMMIT_SKIP]		= "commits with SKIP",
	[COVER_COMMIT_FULL]		= "commits of the last capacity",
	[COVER_COMMIT_TENTH]		= "commits of the tenth decoder",
	[COVER_COMMIT_WIDE]		= "commits by 8 aligned bytes",
	[COVER_COMMIT_STRADDLE]		= "commits by straddling writes",
	[COVER_UNCOMMIT_STRADDLE]	= "uncommits by straddling writes",
	[COVER_STRADDLES]		= "straddling writes",
	[COVER_KEPT_LOCK]		= "writes kept out by lock",
	[COVER_KEPT_COMMIT]		= "writes kept out by commit",
	[COVER_KEPT_ORDER]		= "uncommits kept out by order",
	[COVER_POISON_SET]		= "Poison enabled",
	[COVER_POISON_REFUSED]		= "Poison without capability",
	[COVER_RESET_COMMITTED]		= "resets of committed decoders",
	[COVER_RESET_LOCKED]		= "resets of locked decoders",
	[COVER_CXL_RESETS]		= "CXL Resets",
	[COVER_CXL_RESET_COMMITTED]	= "CXL Resets of committed decoders",
	[COVER_CXL_RESET_LOCKED]	= "CXL Resets of locked decoders",
	[COVER_CXL_RESET_BOTH]		= "CXL Resets of both kinds",
	[COVER_COMMIT_BELOW]		= "commits below a locked decoder",
	[COVER_OUTSIDE]			= "accesses outside",
	[COVER_LONG]			= "accesses longer than 8",
	[COVER_HW_REFUSED]		= "blocks refused",
	[COVER_COUNT]			= "blocks of 1 decoder",
	[COVER_COUNT + 1]		= "blocks of 2 decoders",
	[COVER_COUNT + 2]		= "blocks of 4 decoders",
	[COVER_COUNT + 3]		= "blocks of 6 decoders",
	[COVER_COUNT + 4]		= "blocks of 8 decoders",
	[COVER_COUNT + 5]		= "blocks of 10 decoders",
};

u64 covered[COVER_MAX];
const unsigned int nr_cover = COVER_MAX;

static void view_read(const struct vfio_cxl_hdm *s, unsigned int len, u8 *view)
{
	unsigned int off, i;

	for (off = 0; off < HDM_VIEW_SIZE; off += len) {
		u64 val = vfio_cxl_hdm_read(s, off, len);

		for (i = 0; i < len; i++)
			view[off + i] = val >> 8 * i;
	}
}

/* Does a guest see the same in @s as in the model? Asked byte by byte. */
static bool view_same(const struct world *w, const struct vfio_cxl_hdm *s)
{
	u8 view[HDM_VIEW_SIZE];

	view_read(s, 1, view);
	return !memcmp(view, w->after, sizeof(view));
}

enum {
	LOCK		= 0x100,
	COMMIT		= 0x200,
	COMMITTED	= 0x400,
	ERROR		= 0x800,
	TYPE_BI		= 0x3000,
};

static unsigned int dec_off(unsigned int n)
{
	return 0x10 + 0x20 * n;
}

static u32 dec_ctrl(const u8 *view, unsigned int n)
{
	return view_u32(view, dec_off(n) + 0x10);
}

static u64 dec_base(const u8 *view, unsigned int n)
{
	return view_u64(view, dec_off(n));
}

static u64 dec_size(const u8 *view, unsigned int n)
{
	return view_u64(view, dec_off(n) + 8);
}

static u64 dec_skip(const u8 *view, unsigned int n)
{
	return view_u64(view, dec_off(n) + 0x14);
}

static unsigned int dec_count(const u8 *view)
{
	return oracle_count(view[0]);
}

static bool same_effect(struct vfio_cxl_hdm_effect a,
			struct vfio_cxl_hdm_effect b)
{
	return a.map == b.map && a.unmap == b.unmap;
}

/* A second model must be where the first is, and do what it does. */
static const char *twin_step(struct world *w, const struct op *op)
{
	struct vfio_cxl_hdm_effect effect;

	switch (op->kind) {
	case OP_WRITE:
		effect = vfio_cxl_hdm_write(w->twin, op->off, op->len, op->val);
		if (!same_effect(effect, w->effect))
			return "the effects differ";
		break;
	case OP_READ:
		if (vfio_cxl_hdm_read(w->twin, op->off, op->len) != w->value)
			return "the values read differ";
		return NULL;
	case HDM_OP_RANGE:
		return NULL;
	case HDM_OP_RESET:
		vfio_cxl_hdm_reset(w->twin);
		break;
	case HDM_OP_CXL_RESET:
		effect = vfio_cxl_hdm_cxl_reset(w->twin);
		if (!same_effect(effect, w->effect))
			return "the effects differ";
		break;
	}
	return view_same(w, w->twin) ? NULL : "the views differ";
}

/* All that can be seen is what the oracle says. */
static const char *oracle_step(struct world *w, const struct op *op)
{
	const struct oracle_decoder *d;
	unsigned int i, len = op_len(op);
	u64 val = 0;

	switch (op->kind) {
	case OP_READ:
		for (i = 0; i < len; i++)
			val |= (u64)oracle_read(&w->oracle, (u64)op->off + i) <<
			       8 * i;
		return val == w->value ? NULL : "the value read is wrong";
	case HDM_OP_RANGE:
		d = &w->oracle.decoder[op->off % ORACLE_DECODERS];
		if (op->off >= w->oracle.count || !d->committed)
			return w->in_range ? "a range that is not" : NULL;
		if (!w->in_range || w->base != d->base || w->size != d->size)
			return "the range is wrong";
		return NULL;
	default:
		break;
	}

	if (w->effect.map != w->event.map || w->effect.unmap != w->event.unmap)
		return "the effect is wrong";
	if (vfio_cxl_hdm_size(w->model) != oracle_length(&w->oracle))
		return "the length is wrong";
	for (i = 0; i < HDM_VIEW_SIZE; i++)
		if (w->after[i] != oracle_read(&w->oracle, i))
			return "a register is wrong";
	return NULL;
}

static const char *p1_step(struct world *w, const struct op *op)
{
	static const u32 defined[8] = {
		0xf0000000, 0xffffffff, 0xf0000000, 0xffffffff,
		0x00003fff, 0xf0000000, 0xffffffff, 0,
	};
	unsigned int nr = dec_count(w->after), n, i;

	(void)op;
	if (view_u32(w->after, 0) & ~0x007f3fffU)
		return "reserved bits in Capability";
	if (view_u32(w->after, 4) & ~3U)
		return "reserved bits in Global Control";
	if (view_u64(w->after, 8))
		return "something between Global Control and decoder 0";
	for (n = 0; n < nr; n++)
		for (i = 0; i < 8; i++)
			if (view_u32(w->after, dec_off(n) + 4 * i) &
			    ~defined[i])
				return "reserved bits in a decoder";
	for (i = dec_off(nr); i < HDM_VIEW_SIZE; i++)
		if (w->after[i])
			return "something after the last decoder";
	return NULL;
}

static void p2_start(struct world *w)
{
	vfio_cxl_hdm_init(w->twin, &w->hw);
}

/* The twin gets every access in pieces; views are compared in bytes as well. */
static const char *p2_step(struct world *w, const struct op *op)
{
	struct vfio_cxl_hdm_effect effect = {}, one;
	unsigned int len = op_len(op), i, run;
	u64 val = 0, piece;

	if (op->kind != OP_WRITE && op->kind != OP_READ)
		return twin_step(w, op);

	for (i = 0; i < len; i += run) {
		run = 1;
		while (i + run < len && !(op->cut >> (i + run) & 1))
			run++;
		if ((u64)op->off + i > 0xffffffff)
			break;
		if (op->kind == OP_READ) {
			piece = vfio_cxl_hdm_read(w->twin, op->off + i, run);
			val |= piece << 8 * i;
			continue;
		}
		one = vfio_cxl_hdm_write(w->twin, op->off + i, run,
					 op->val >> 8 * i);
		effect.map |= one.map;
		effect.unmap |= one.unmap;
	}
	if (op->kind == OP_READ)
		return val == w->value ? NULL : "pieces read differ";
	if (!same_effect(effect, w->effect))
		return "pieces written have another effect";
	return view_same(w, w->twin) ? NULL : "pieces written do otherwise";
}

static const char *p3_step(struct world *w, const struct op *op)
{
	unsigned int n, nr = dec_count(w->after), i;
	u32 old, new;

	if (view_u32(w->after, 0) != (w->hw.cap & 0x007f3fff))
		return "Capability changed";
	for (n = 0; n < nr; n++) {
		old = dec_ctrl(w->before, n);
		new = dec_ctrl(w->after, n);
		if ((new & TYPE_BI) != (n ? 0 : w->hw.ctrl & TYPE_BI))
			return "Type or BI changed";
		if (op->kind != HDM_OP_RESET && !((old ^ new) & COMMIT) &&
		    (old ^ new) & (COMMITTED | ERROR))
			return "COMMITTED or ERR changed without COMMIT";
	}
	if (op->kind == HDM_OP_RESET || op->kind == HDM_OP_CXL_RESET)
		return NULL;
	for (i = 0; i < HDM_VIEW_SIZE; i++) {
		bool within = op->kind == OP_WRITE && i >= op->off &&
			      i - op->off < op_len(op);

		if (!within && w->before[i] != w->after[i])
			return "a byte changed that was not written";
	}
	return NULL;
}

static const char *p4_step(struct world *w, const struct op *op)
{
	unsigned int n;

	if (op->kind == HDM_OP_RESET)
		return NULL;
	for (n = 0; n < dec_count(w->before); n++) {
		if (~dec_ctrl(w->before, n) & (LOCK | COMMITTED))
			continue;
		if (memcmp(w->before + dec_off(n), w->after + dec_off(n), 0x20))
			return "a locked decoder changed";
		if ((w->effect.map | w->effect.unmap) >> n & 1)
			return "an effect on a locked decoder";
	}
	return NULL;
}

static const char *p5_step(struct world *w, const struct op *op)
{
	const u8 *v = w->after;
	unsigned int nr = dec_count(v), n, i;
	__uint128_t used = 0;

	(void)op;
	for (n = 0; n < nr; n++) {
		__uint128_t base = dec_base(v, n), end = base + dec_size(v, n);
		u32 ctrl = dec_ctrl(v, n);

		if (ctrl & COMMITTED && ctrl & ERROR)
			return "COMMITTED and ERR";
		if (ctrl & (COMMITTED | ERROR) && !(ctrl & COMMIT))
			return "COMMITTED or ERR without COMMIT";
		if (ctrl & COMMIT && !(ctrl & (COMMITTED | ERROR)))
			return "COMMIT without COMMITTED or ERR";
		if (!(ctrl & COMMITTED))
			continue;
		if (base == end)
			return "COMMITTED with no size";
		if (base % 0x10000000 || end % 0x10000000)
			return "COMMITTED unaligned";
		if (end > 0xffffffffffffffff)
			return "COMMITTED beyond 2^64";
		if (ctrl & 0xf0)
			return "COMMITTED with interleave";
		used += (__uint128_t)dec_skip(v, n) + dec_size(v, n);
		if (used > w->hw.size)
			return "COMMITTED beyond the capacity";
		for (i = 0; i < n; i++)
			if (dec_ctrl(v, i) & COMMITTED &&
			    base < (__uint128_t)dec_base(v, i) + dec_size(v, i) &&
			    dec_base(v, i) < end)
				return "COMMITTED over another";
	}
	return NULL;
}

static const char *p6_step(struct world *w, const struct op *op)
{
	unsigned int nr = dec_count(w->after), n, was = 0, is = 0, came, went;
	u64 base = 0;

	for (n = 0; n < nr; n++) {
		u32 ctrl = dec_ctrl(w->after, n);

		if (dec_ctrl(w->before, n) & COMMITTED)
			was |= 1 << n;
		if (!(ctrl & COMMITTED))
			continue;
		is |= 1 << n;
		if (dec_base(w->after, n) < base)
			return "bases descend";
		base = dec_base(w->after, n);
		/* Only a CXL Reset can take its predecessor away. */
		if (n && !(is >> (n - 1) & 1) && !(ctrl & LOCK))
			return "committed out of order";
	}
	came = is & ~was;
	went = was & ~is;
	if (op->kind == HDM_OP_RESET)
		return is ? "committed after reset" : NULL;
	if (op->kind == HDM_OP_CXL_RESET)
		return came ? "committed by CXL Reset" : NULL;
	if (came & (came - 1) || went & (went - 1) || (came && went))
		return "more than one decoder came or went";
	if (came && (came - 1) & ~is)
		return "a decoder came before its predecessors";
	if (went << 1 & is)
		return "a decoder went before its successor";
	return NULL;
}

static const char *p7_step(struct world *w, const struct op *op)
{
	struct vfio_cxl_hdm_effect e = w->effect;
	unsigned int n;

	if (op->kind == HDM_OP_RESET)
		w->mapped = 0;
	if (e.map & e.unmap)
		return "in both map and unmap";
	if (e.map & w->mapped || e.unmap & ~w->mapped)
		return "mapped twice, or unmapped while not mapped";
	w->mapped = (w->mapped & ~e.unmap) | e.map;

	for (n = 0; n < 16; n++) {
		u64 base = UNTOUCHED, size = UNTOUCHED;
		bool is = vfio_cxl_hdm_range(w->model, n, &base, &size);

		if (is != (w->mapped >> n & 1))
			return "the replay has other decoders";
		if (!is && (base != UNTOUCHED || size != UNTOUCHED))
			return "no range, but a result";
		if (!is)
			continue;
		if (base != dec_base(w->after, n) ||
		    size != dec_size(w->after, n))
			return "the range is not what the registers say";
		if (e.map >> n & 1) {
			w->mapped_base[n] = base;
			w->mapped_size[n] = size;
		}
		if (base != w->mapped_base[n] || size != w->mapped_size[n])
			return "a range moved without an effect";
	}
	return NULL;
}

/* The twin goes through each CXL Reset twice. */
static const char *p11_step(struct world *w, const struct op *op)
{
	struct vfio_cxl_hdm_effect none = {};
	unsigned int n;

	if (op->kind != HDM_OP_CXL_RESET)
		return twin_step(w, op);
	if (view_u32(w->after, 4))
		return "Global Control after CXL Reset";
	for (n = 0; n < dec_count(w->after); n++)
		if (dec_ctrl(w->after, n) & (LOCK | COMMIT) &&
		    (~dec_ctrl(w->after, n) & (LOCK | COMMITTED) ||
		     ~dec_ctrl(w->before, n) & (LOCK | COMMITTED)))
			return "a decoder that was not locked is there";
	if (!same_effect(vfio_cxl_hdm_cxl_reset(w->twin), w->effect))
		return "the effects differ";
	if (!same_effect(vfio_cxl_hdm_cxl_reset(w->twin), none))
		return "an effect of the second CXL Reset";
	return view_same(w, w->twin) ? NULL : "the second CXL Reset did more";
}

static void p8_start(struct world *w)
{
	memset(w->twin, 0xa5, sizeof(*w->twin));
	vfio_cxl_hdm_init(w->twin, &w->hw);
}

/* The twin never sees a reset: it is made anew, and has only the present. */
static const char *p8_step(struct world *w, const struct op *op)
{
	if (op->kind != HDM_OP_RESET)
		return twin_step(w, op);
	p8_start(w);
	return view_same(w, w->twin) ? NULL : "not as fresh after reset";
}

/* The twin differs in everything that must not matter. */
static void p9_start(struct world *w)
{
	const u32 secret = SENTINEL >> 32;
	struct vfio_cxl_hdm_hw hw = {
		.cap = (w->hw.cap & 0x007f3fff) | (secret & ~0x007f3fffU),
		.global = (w->hw.global & 2) | (secret & ~2U),
		.ctrl = (w->hw.ctrl & TYPE_BI) | (secret & ~TYPE_BI),
		.size = w->hw.size,
	};
	u64 fill = SENTINEL;
	size_t i;

	/* A new member has to be looked at here, and may not be an address. */
	static_assert(sizeof(hw) == 24, "P9 knows four members");

	for (i = 0; i < sizeof(*w->twin); i++)
		((u8 *)w->twin)[i] = fill >> 8 * (i % 8);
	vfio_cxl_hdm_init(w->twin, &hw);
}

static const char *p9_step(struct world *w, const struct op *op)
{
	u8 view[HDM_VIEW_SIZE];
	unsigned int i;

	view_read(w->twin, 8, view);
	for (i = 0; i + 8 <= HDM_VIEW_SIZE; i++)
		if (view_u64(view, i) == SENTINEL)
			return "the sentinel can be read";
	return twin_step(w, op);
}

static const char *p10_step(struct world *w, const struct op *op)
{
	if (w->looking_changed)
		return "the state changed by looking";
	if (op->kind == OP_READ || op->kind == HDM_OP_RANGE) {
		if (w->state_changed)
			return "the state changed by looking";
		if (op->len < 8 && w->value >> 8 * op->len)
			return "more bytes than asked for";
		if (!w->in_range &&
		    (w->base != UNTOUCHED || w->size != UNTOUCHED))
			return "no range, but a result";
	}
	if (op->kind == OP_WRITE && w->state_changed &&
	    (op->off >= vfio_cxl_hdm_size(w->model) || !op->len))
		return "the state changed by a write of nothing";
	return NULL;
}

const struct property properties[] = {
	{
		.name = "P0 everything is as the oracle says",
		.step = oracle_step,
	}, {
		.name = "P1 reserved bits are zero",
		.step = p1_step,
	}, {
		.name = "P2 any split of an access does the same",
		.start = p2_start,
		.step = p2_step,
	}, {
		.name = "P3 read-only fields and bytes not written stay",
		.step = p3_step,
	}, {
		.name = "P4 a locked decoder stays until reset",
		.step = p4_step,
	}, {
		.name = "P5 COMMITTED or ERR, and COMMITTED means fit",
		.step = p5_step,
	}, {
		.name = "P6 decoders come in order and go in reverse",
		.step = p6_step,
	}, {
		.name = "P7 the effects replayed are the committed ranges",
		.step = p7_step,
	}, {
		.name = "P8 reset is as fresh, also in what follows",
		.start = p8_start,
		.step = p8_step,
	}, {
		.name = "P9 nothing of the host can be read",
		.start = p9_start,
		.step = p9_step,
	}, {
		.name = "P10 total: any offset, length and value",
		.wild = true,
		.step = p10_step,
	}, {
		.name = "P11 CXL Reset takes what is not locked, twice is once",
		.start = p2_start,
		.step = p11_step,
	},
};

const unsigned int nr_properties = ARRAY_SIZE(properties);

static void cover_write(const struct world *w, const struct op *op,
			bool had_error)
{
	const struct oracle *o = &w->oracle;
	const struct oracle_event *e = &w->event;
	bool straddles = op_straddles(op);
	bool error = false, below = false;
	unsigned int n = 0, i;

	while (n < o->count && !((e->map | e->failed) >> n & 1))
		n++;
	for (i = 0; i < o->count; i++)
		error |= o->decoder[i].error;

	cover(COVER_WRITES, true);
	cover(COVER_COMMITS, e->map);
	cover(COVER_LOCKED, e->map && o->decoder[n].lock);
	cover(COVER_UNCOMMITS, e->unmap);
	cover(COVER_ERRORS, e->failed);
	for (i = 0; i < ORACLE_REASONS; i++)
		cover(COVER_ERROR_BY + i, e->reasons == 1U << i);
	cover(COVER_RETRIES, had_error && !error);
	cover(COVER_COMMIT_SKIP, e->map && o->decoder[n].skip);
	cover(COVER_COMMIT_FULL, e->map &&
	      oracle_used(o, n + 1) == o->capacity);
	cover(COVER_COMMIT_TENTH, e->map && n == 9);
	cover(COVER_COMMIT_WIDE, e->map && op->len == 8 && op->off % 8 == 0);
	cover(COVER_COMMIT_STRADDLE, e->map && straddles);
	for (i = n + 1; e->map && i < o->count; i++)
		below |= o->decoder[i].committed;
	cover(COVER_COMMIT_BELOW, below);
	cover(COVER_UNCOMMIT_STRADDLE, e->unmap && straddles);
	cover(COVER_STRADDLES, straddles);
	cover(COVER_KEPT_LOCK, e->kept_by_lock);
	cover(COVER_KEPT_COMMIT, e->kept_by_commit);
	cover(COVER_KEPT_ORDER, e->kept_by_order);
	cover(COVER_POISON_SET, e->poison_set);
	cover(COVER_POISON_REFUSED, e->poison_refused);
}

static void cover_reset(const struct oracle *o, bool cxl)
{
	bool committed = false, locked = false, open = false;
	unsigned int n;

	for (n = 0; n < o->count; n++) {
		committed |= o->decoder[n].committed;
		locked |= o->decoder[n].committed && o->decoder[n].lock;
		open |= o->decoder[n].committed && !o->decoder[n].lock;
	}
	if (cxl) {
		cover(COVER_CXL_RESETS, true);
		cover(COVER_CXL_RESET_COMMITTED, open);
		cover(COVER_CXL_RESET_LOCKED, locked);
		cover(COVER_CXL_RESET_BOTH, locked && open);
		return;
	}
	cover(COVER_RESETS, true);
	cover(COVER_RESET_COMMITTED, committed);
	cover(COVER_RESET_LOCKED, locked);
}

static bool oracle_fresh(struct world *w)
{
	return oracle_init(&w->oracle, w->hw.cap, w->hw.global, w->hw.ctrl,
			   w->hw.size);
}

static void oracle_take(struct world *w, const struct op *op)
{
	unsigned int i, len = op_len(op);
	bool had_error = false;

	for (i = 0; i < w->oracle.count; i++)
		had_error |= w->oracle.decoder[i].error;
	for (i = 0; i < len; i++)
		oracle_write(&w->oracle, (u64)op->off + i, op->val >> 8 * i,
			     &w->event);
	cover_write(w, op, had_error);
}

/* One operation: the model, the oracle, and then the property. */
const char *world_step(struct world *w, const struct property *p,
		       const struct op *op)
{
	struct vfio_cxl_hdm state;

	memcpy(&state, w->model, sizeof(state));
	memcpy(w->before, w->after, sizeof(w->before));
	w->effect = (struct vfio_cxl_hdm_effect) {};
	w->event = (struct oracle_event) {};
	w->value = 0;
	w->base = UNTOUCHED;
	w->size = UNTOUCHED;
	w->in_range = false;
	w->looking_changed = false;

	switch (op->kind) {
	case OP_WRITE:
		w->effect = vfio_cxl_hdm_write(w->model, op->off, op->len,
					       op->val);
		oracle_take(w, op);
		break;
	case OP_READ:
		w->value = vfio_cxl_hdm_read(w->model, op->off, op->len);
		cover(COVER_READS, true);
		break;
	case HDM_OP_RANGE:
		w->in_range = vfio_cxl_hdm_range(w->model, op->off, &w->base,
						 &w->size);
		cover(COVER_RANGES, true);
		break;
	case HDM_OP_RESET:
		cover_reset(&w->oracle, false);
		vfio_cxl_hdm_reset(w->model);
		oracle_fresh(w);
		break;
	case HDM_OP_CXL_RESET:
		cover_reset(&w->oracle, true);
		w->effect = vfio_cxl_hdm_cxl_reset(w->model);
		oracle_cxl_reset(&w->oracle, &w->event);
		break;
	}

	w->state_changed = memcmp(&state, w->model, sizeof(state));
	if (w->state_changed) {
		memcpy(&state, w->model, sizeof(state));
		view_read(w->model, 8, w->after);
		w->looking_changed = memcmp(&state, w->model, sizeof(state));
	}
	if (op->kind != HDM_OP_RANGE) {
		cover(COVER_OUTSIDE, op->off >= oracle_length(&w->oracle));
		cover(COVER_LONG, op->len > 8);
	}
	return p->step(w, op);
}

struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	/* Each in its own memory, so that ASAN sees a step past its end. */
	w->model = malloc(sizeof(*w->model));
	w->twin = malloc(sizeof(*w->twin));
	if (!w->model || !w->twin)
		abort();
	return w;
}

void world_free(struct world *w)
{
	free(w->model);
	free(w->twin);
	free(w);
}

const char *world_start(struct world *w, const struct property *p,
			const struct hw *hw, bool *ok)
{
	size_t i;

	w->hw = hw->hdm;
	memset(w->model, 0x5a, sizeof(*w->model));
	*ok = vfio_cxl_hdm_init(w->model, &w->hw);
	if (*ok != oracle_fresh(w))
		return "init is wrong";

	if (!*ok) {
		cover(COVER_HW_REFUSED, true);
		for (i = 0; i < sizeof(*w->model); i++)
			if (((u8 *)w->model)[i] != 0x5a)
				return "refused, but the state is touched";
		return NULL;
	}
	cover(COVER_COUNT + w->hw.cap % 16, true);
	view_read(w->model, 8, w->after);
	if (p->start)
		p->start(w);
	return NULL;
}

void hw_print(const struct hw *hw)
{
	printf("hw = { .cap = 0x%x, .global = 0x%x, .ctrl = 0x%x, .size = 0x%llx }\n",
	       hw->hdm.cap, hw->hdm.global, hw->hdm.ctrl, hw->hdm.size);
}

void op_print(const struct op *op)
{
	if (op->kind == HDM_OP_RANGE)
		printf("range(%u)\n", op->off);
	else if (op->kind == HDM_OP_CXL_RESET)
		printf("cxl_reset()\n");
	else
		printf("reset()\n");
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Device DVSEC model under observation: see session.h
 *
 * As for the other model, each property looks at it from outside, and numbers
 * are written out.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/array_size.h>

#include "dvsec_check.h"

/*
 * P9: looks like a host address that a range could have. Everything that the
 * model must not pass on is filled with it.
 */
#define SENTINEL	0x5ca1ab1ed0000000ULL

const char *const cover_name[COVER_MAX] = {
	[COVER_WRITES]			= "writes",
	[COVER_READS]			= "reads",
	[COVER_DONES]			= "reports that something is done",
	[COVER_LIVES]			= "updates of the memory's state",
	[COVER_VIRALS]			= "times that the device went viral",
	[COVER_FRESH]			= "fresh starts",
	[COVER_FRESH_LOCKED]		= "fresh starts of a locked one",
	[COVER_RESET]			= "resets asked for",
	[COVER_RESET_CLEAR]		= "resets asked for with Mem_Clr",
	[COVER_WRITE_BACK]		= "write-backs asked for",
	[COVER_BOTH]			= "both at once",
	[COVER_RING_LOCKED]		= "doorbells while locked",
	[COVER_RING_WIDE]		= "doorbells by 8 aligned bytes",
	[COVER_RING_STRADDLE]		= "doorbells by straddling writes",
	[COVER_RING_CLEAR_ENABLE]	= "resets by the write of Mem_Clr",
	[COVER_REFUSED_RESET]		= "resets not announced",
	[COVER_REFUSED_CLEAR]		= "Mem_Clr not announced",
	[COVER_REFUSED_WRITE_BACK]	= "write-backs not announced",
	[COVER_REFUSED_NO_CACHING]	= "Disable_Caching without a cache",
	[COVER_CACHING_OFF]		= "caching disabled",
	[COVER_CACHING_ON]		= "caching enabled",
	[COVER_DROPPED_RESET]		= "resets while one is pending",
	[COVER_DROPPED_WRITE_BACK]	= "write-backs while one is pending",
	[COVER_DROPPED_CACHING]		= "Disable_Caching while one is pending",
	[COVER_LATE_REPORT]		= "reports of resets not pending",
	[COVER_CXL_RESET]		= "CXL Resets",
	[COVER_CXL_RESET_LOCKED]	= "CXL Resets of a locked one, enabled",
	[COVER_CXL_RESET_INVALID]	= "CXL Resets while Cache_Invalid",
	[COVER_RESET_OK]		= "resets complete",
	[COVER_RESET_FAILED]		= "resets failed",
	[COVER_WRITE_BACK_OK]		= "write-backs, the cache is invalid",
	[COVER_WRITE_BACK_CACHING]	= "write-backs while caching is on",
	[COVER_WRITE_BACK_FAILED]	= "write-backs failed",
	[COVER_VALID_BY_CACHING]	= "Cache_Invalid ended by caching",
	[COVER_VALID_BY_DOORBELL]	= "Cache_Invalid ended by a doorbell",
	[COVER_COMPLETE_ENDED]		= "Reset_Complete ended by a doorbell",
	[COVER_ERROR_ENDED]		= "Reset_Error ended by a doorbell",
	[COVER_LOCKED]			= "locks",
	[COVER_LOCKED_WIDE]		= "locks in one write with Control2",
	[COVER_KEPT_CONTROL]		= "writes to Control kept out by lock",
	[COVER_CONTROL2_LOCKED]		= "writes to Control2 in spite of lock",
	[COVER_KEPT_BASE]		= "writes to the base kept out by lock",
	[COVER_VIRAL_CLEARED]		= "Viral_Status cleared",
	[COVER_STRADDLES]		= "straddling writes",
	[COVER_OUTSIDE]			= "accesses outside",
	[COVER_LONG]			= "accesses longer than 8",
	[COVER_LEN_NONE]		= "DVSECs with headers at most",
	[COVER_LEN_CUT]			= "DVSECs that end within a dword",
	[COVER_LEN_SHORT]		= "DVSECs of whole dwords, but short",
	[COVER_LEN_FULL]		= "DVSECs of the right length",
	[COVER_LEN_MORE]		= "DVSECs that are longer",
	[COVER_COUNT]			= "DVSECs with HDM_Count 0",
	[COVER_COUNT + 1]		= "DVSECs with HDM_Count 1",
	[COVER_COUNT + 2]		= "DVSECs with HDM_Count 2",
	[COVER_COUNT + 3]		= "DVSECs with HDM_Count 3",
};

u64 covered[COVER_MAX];
const unsigned int nr_cover = COVER_MAX;

static void view_read(const struct vfio_cxl_dvsec *s, unsigned int len,
		      u8 *view)
{
	unsigned int off, i;

	for (off = 0; off < DVSEC_VIEW_SIZE; off += len) {
		u64 val = vfio_cxl_dvsec_read(s, off, len);

		for (i = 0; i < len; i++)
			view[off + i] = val >> 8 * i;
	}
}

/* Does a guest see the same in @s as in the model? Asked byte by byte. */
static bool view_same(const struct world *w, const struct vfio_cxl_dvsec *s)
{
	u8 view[DVSEC_VIEW_SIZE];

	view_read(s, 1, view);
	return !memcmp(view, w->after, sizeof(view));
}

/* Bytes with fields that change; all others are constant. */
enum {
	CONTROL		= 0x0c,
	STATUS		= 0x0e,
	CONTROL2	= 0x10,
	STATUS2		= 0x12,
	CONFIG_LOCK	= 0x14,
	SIZE_LOW	= 0x1c,
	BASE		= 0x20,
};

enum {
	NO_CACHING	= 1,
	WRITE_BACK	= 2,
	INITIATE_RESET	= 4,
	CLEAR_ENABLE	= 8,

	CACHE_INVALID	= 1,
	RESET_COMPLETE	= 2,
	RESET_ERROR	= 4,
};

/* How many bytes are modelled */
static unsigned int length(const struct world *w)
{
	return w->hw.len > 0x3c ? 0x3c : w->hw.len & ~3U;
}

/* Was the byte at @off written, and with what? */
static bool written(const struct world *w, const struct op *op,
		    unsigned int off, u8 *val)
{
	if (op->kind != OP_WRITE || off < op->off ||
	    off - op->off >= op_len(op) || off >= length(w))
		return false;
	*val = op->val >> 8 * (off - op->off);
	return true;
}

static void go_viral(struct vfio_cxl_dvsec *s)
{
	/*
	 * Nothing in the model sets Viral_Status, so that this has to be done
	 * in its state. What clears it is the model's own.
	 */
	s->reg[0x0c / 4] |= 0x40000000;
}

/* What the sessions do to the model, and to its twin. */
static unsigned int act(struct vfio_cxl_dvsec *s, const u32 *phys, u32 len,
			const struct op *op)
{
	switch (op->kind) {
	case OP_WRITE:
		return vfio_cxl_dvsec_write(s, op->off, op->len, op->val);
	case DVSEC_OP_DONE:
		vfio_cxl_dvsec_done(s, op->val, op->len);
		break;
	case DVSEC_OP_LIVE:
		vfio_cxl_dvsec_set_mem_status(s, op->val);
		break;
	case DVSEC_OP_VIRAL:
		go_viral(s);
		break;
	case DVSEC_OP_CXL_RESET:
		vfio_cxl_dvsec_cxl_reset(s);
		break;
	case DVSEC_OP_FRESH:
		vfio_cxl_dvsec_init(s, phys, len);
		break;
	}
	return 0;
}

/* A second model must be where the first is, and do what it does. */
static const char *twin_step(struct world *w, const struct op *op)
{
	if (op->kind == OP_READ)
		return vfio_cxl_dvsec_read(w->twin, op->off, op->len) ==
		       w->value ? NULL : "the values read differ";
	if (act(w->twin, w->twin_phys, w->hw.len, op) != w->effect)
		return "the effects differ";
	return view_same(w, w->twin) ? NULL : "the views differ";
}

/* All that can be seen is what the oracle says. */
static const char *oracle_step(struct world *w, const struct op *op)
{
	unsigned int i, len = op_len(op);
	u64 val = 0;

	if (op->kind == OP_READ) {
		for (i = 0; i < len; i++)
			val |= (u64)oracle_read(&w->oracle, (u64)op->off + i) <<
			       8 * i;
		return val == w->value ? NULL : "the value read is wrong";
	}
	if (w->effect != w->event.deeds)
		return "the effect is wrong";
	if (vfio_cxl_dvsec_reset_pending(w->model) != w->oracle.reset_pending)
		return "pending is wrong";
	if (vfio_cxl_dvsec_caching_disabled(w->model) != w->oracle.no_caching)
		return "caching is wrong";
	for (i = 0; i < DVSEC_VIEW_SIZE; i++)
		if (w->after[i] != oracle_read(&w->oracle, i))
			return "a register is wrong";
	return NULL;
}

static const char *p1_step(struct world *w, const struct op *op)
{
	/* of Control to Lock, and of the ranges */
	static const u32 defined[] = {
		[0x0c / 4] = 0x40004fff,
		[0x10 / 4] = 0x80070009,
		[0x14 / 4] = 0xffff0001,
		[0x20 / 4] = 0xffffffff,
		[0x24 / 4] = 0xf0000000,
		[0x28 / 4] = 0,
		[0x2c / 4] = 0,
		[0x30 / 4] = 0,
		[0x34 / 4] = 0,
	};
	unsigned int i;

	(void)op;
	if (view_u64(w->after, 0))
		return "something in the headers";
	for (i = 0x0c; i < 0x38; i += 4)
		if (i != 0x18 && i != 0x1c &&
		    view_u32(w->after, i) & ~defined[i / 4])
			return i < 0x28 ? "reserved bits" :
					  "something in the second range";
	for (i = length(w); i < DVSEC_VIEW_SIZE; i++)
		if (w->after[i])
			return "something after the end";
	return NULL;
}

static void twin_start(struct world *w)
{
	memcpy(w->twin_phys, w->phys, w->hw.len < 0x3c ? w->hw.len : 0x3c);
	vfio_cxl_dvsec_init(w->twin, w->twin_phys, w->hw.len);
}

/* The twin gets every access in pieces; views are compared in bytes as well. */
static const char *p2_step(struct world *w, const struct op *op)
{
	unsigned int len = op_len(op), effect = 0, i, run;
	u64 val = 0;

	if (op->kind != OP_WRITE && op->kind != OP_READ)
		return twin_step(w, op);

	for (i = 0; i < len; i += run) {
		run = 1;
		while (i + run < len && !(op->cut >> (i + run) & 1))
			run++;
		if ((u64)op->off + i > 0xffffffff)
			break;
		if (op->kind == OP_READ)
			val |= vfio_cxl_dvsec_read(w->twin, op->off + i, run) <<
			       8 * i;
		else
			effect |= vfio_cxl_dvsec_write(w->twin, op->off + i,
						       run, op->val >> 8 * i);
	}
	if (op->kind == OP_READ)
		return val == w->value ? NULL : "pieces read differ";
	if (effect != w->effect)
		return "pieces written have another effect";
	return view_same(w, w->twin) ? NULL : "pieces written do otherwise";
}

/* The bits of the byte at @off that @op may change */
static u8 may_change(const struct world *w, const struct op *op,
		     unsigned int off)
{
	u8 val;

	switch (op->kind) {
	case OP_WRITE:
		if (off == STATUS2)
			return written(w, op, CONTROL2, &val) ? 0x07 : 0;
		return written(w, op, off, &val) ? 0xff : 0;
	case DVSEC_OP_DONE:
		return off == STATUS2 ? 0x07 : 0;
	case DVSEC_OP_LIVE:
		return off == SIZE_LOW ? 0x03 : 0;
	case DVSEC_OP_VIRAL:
		return off == STATUS + 1 ? 0x40 : 0;
	case DVSEC_OP_CXL_RESET:
		return off == CONTROL ? 0x04 : off == CONTROL2 ? 0x09 :
		       off == STATUS2 ? 0x01 : 0;
	case DVSEC_OP_FRESH:
		return 0xff;
	default:
		return 0;
	}
}

/* What is from hardware and for good; and HDM_Count is 1 if there is any. */
static const char *constants(const struct world *w)
{
	static const struct {
		unsigned int off;
		u32 mask;
	} fixed[] = {
		{ 0x08, 0xffcfffff }, { 0x0c, 0x00000ff9 },
		{ 0x10, 0x80000000 },
		{ 0x14, 0xffff0000 }, { 0x18, 0xffffffff },
		{ 0x1c, 0xfffffffc }, { 0x38, 0xffffffff },
	};
	unsigned int i, count;

	for (i = 0; i < ARRAY_SIZE(fixed); i++)
		if (fixed[i].off < length(w) &&
		    (view_u32(w->after, fixed[i].off) ^
		     w->hw.reg[fixed[i].off / 4]) & fixed[i].mask)
			return "something is not as in hardware";
	count = w->after[0x0a] >> 4 & 3;
	if (length(w) > 8 && count != !!(w->hw.reg[2] >> 20 & 3))
		return "HDM_Count is wrong";
	if (length(w) > CONTROL && !(w->after[CONTROL] & 2))
		return "IO_Enable is off";
	return NULL;
}

static const char *p3_step(struct world *w, const struct op *op)
{
	unsigned int i;

	for (i = 0; i < DVSEC_VIEW_SIZE; i++)
		if ((w->before[i] ^ w->after[i]) & ~may_change(w, op, i))
			return "something changed that was not written";
	return constants(w);
}

static const char *p4_step(struct world *w, const struct op *op)
{
	bool was = w->before[CONFIG_LOCK] & 1, is = w->after[CONFIG_LOCK] & 1;
	u8 val;

	if (op->kind == DVSEC_OP_FRESH)
		return is ? "locked when fresh" : NULL;
	if (was && !is)
		return "the lock is gone";
	if (!was && is && !(written(w, op, CONFIG_LOCK, &val) && val & 1))
		return "locked by itself";
	if (!was && written(w, op, CONFIG_LOCK, &val) && val & 1 && !is)
		return "not locked";
	if (op->kind == DVSEC_OP_CXL_RESET)
		return NULL;
	if (was && (memcmp(w->before + CONTROL, w->after + CONTROL, 2) ||
		    memcmp(w->before + BASE, w->after + BASE, 8)))
		return "what is locked changed";
	return NULL;
}

/* By what was returned and reported: is a reset pending? */
static void replay_pending(struct world *w, const struct op *op)
{
	w->was_pending = w->pending;
	if (op->kind == DVSEC_OP_FRESH ||
	    (op->kind == DVSEC_OP_DONE && op->val & 2))
		w->pending = false;
	if (w->effect & 2)
		w->pending = true;
}

static const char *p5_step(struct world *w, const struct op *op)
{
	unsigned int expect = 0;
	u8 val;

	if (w->after[CONTROL2] & (WRITE_BACK | INITIATE_RESET))
		return "a doorbell can be read";
	if (vfio_cxl_dvsec_reset_pending(w->model) != w->pending)
		return "pending is not what was returned and reported";
	if (w->was_pending && w->effect)
		return "an effect while a reset is pending";
	if (w->pending && w->after[STATUS2] & (RESET_COMPLETE | RESET_ERROR))
		return "a result while a reset is pending";
	if (written(w, op, CONTROL2, &val) && !w->was_pending) {
		if ((w->before[CONTROL2] ^ w->after[CONTROL2]) & NO_CACHING)
			expect |= 8;
		if (val & WRITE_BACK && (w->before[0x0a] & 0x41) == 0x41)
			expect |= 1;
		if (val & INITIATE_RESET && w->before[0x0a] & 0x80)
			expect |= 2;
		if (expect & 2 && w->after[CONTROL2] & CLEAR_ENABLE)
			expect |= 4;
	}
	if (w->effect & 4 && !(w->before[0x0b] & 0x08))
		return "Mem_Clr is not announced";
	if (w->effect & 8 && !(w->before[0x0a] & 0x01))
		return "caching without a cache";
	return w->effect == expect ? NULL : "the effect is not what was rung";
}

static const char *p6_step(struct world *w, const struct op *op)
{
	u8 status = w->after[STATUS2], old = w->before[STATUS2];

	if (status & CACHE_INVALID && !(w->after[CONTROL2] & NO_CACHING))
		return "Cache_Invalid, but caching is on";
	if (status & RESET_COMPLETE && status & RESET_ERROR)
		return "a reset that is complete and failed";
	if (status & ~old & 7 && op->kind != DVSEC_OP_DONE)
		return "something is done that was not reported";
	if (op->kind == DVSEC_OP_FRESH && status & 7)
		return "something is done when fresh";
	return NULL;
}

static void p7_reported(struct world *w, unsigned int deeds, bool ok)
{
	if (deeds & 1 && ok && w->after[CONTROL2] & NO_CACHING)
		w->invalid = true;
	if (deeds & 2 && w->was_pending) {
		w->complete = ok;
		w->error = !ok;
	}
}

static const char *p7_step(struct world *w, const struct op *op)
{
	u8 status = 0;

	if (op->kind == DVSEC_OP_FRESH || w->effect & 2) {
		w->complete = false;
		w->error = false;
	}
	if (op->kind == DVSEC_OP_FRESH || w->effect & 1 ||
	    !(w->after[CONTROL2] & NO_CACHING))
		w->invalid = false;
	if (op->kind == DVSEC_OP_DONE)
		p7_reported(w, op->val, op->len);
	status |= w->invalid ? CACHE_INVALID : 0;
	status |= w->complete ? RESET_COMPLETE : 0;
	status |= w->error ? RESET_ERROR : 0;
	if (length(w) > STATUS2 && (w->after[STATUS2] & 7) != status)
		return "Status2 is not what was returned and reported";
	return NULL;
}

/* What a CXL Reset ends; and the twin goes through each one twice. */
static const char *p11_step(struct world *w, const struct op *op)
{
	if (op->kind != DVSEC_OP_CXL_RESET)
		return twin_step(w, op);
	if (w->after[CONTROL] & 4 && !(w->after[CONFIG_LOCK] & 1))
		return "Mem_Enable after CXL Reset";
	if (w->after[CONFIG_LOCK] & 1 && w->after[CONTROL] != w->before[CONTROL])
		return "a CXL Reset changed what is locked";
	if (w->after[CONTROL2] || w->after[STATUS2] & CACHE_INVALID)
		return "something of Control2 after CXL Reset";
	if (vfio_cxl_dvsec_caching_disabled(w->model))
		return "caching is disabled after CXL Reset";
	vfio_cxl_dvsec_cxl_reset(w->twin);
	vfio_cxl_dvsec_cxl_reset(w->twin);
	return view_same(w, w->twin) ? NULL : "the second CXL Reset did more";
}

static void p8_start(struct world *w)
{
	memset(w->twin, 0xa5, sizeof(*w->twin));
	twin_start(w);
}

/* The twin is always made out of other memory, and has only the present. */
static const char *p8_step(struct world *w, const struct op *op)
{
	if (op->kind != DVSEC_OP_FRESH)
		return twin_step(w, op);
	p8_start(w);
	return view_same(w, w->twin) ? NULL : "not as fresh as new";
}

/* The twin's hardware differs in everything that must not matter. */
static void p9_start(struct world *w)
{
	/* what may be seen */
	static const u32 show[ORACLE_BYTES / 4] = {
		0, 0, 0xffffffff, 0x00000ffd, 0x80000000, 0xffff0000,
		0xffffffff, 0xffffffff, 0, 0, 0, 0, 0, 0, 0xffffffff,
	};
	unsigned int i;

	/* A new register has to be looked at here. */
	static_assert(sizeof(((struct vfio_cxl_dvsec *)0)->reg) == ORACLE_BYTES,
		      "P9 knows 15 dwords");

	for (i = 0; i < length(w) / 4; i++) {
		/* a range has its high half first */
		u32 secret = i % 2 ? (u32)SENTINEL : SENTINEL >> 32;

		w->twin_phys[i] = (w->hw.reg[i] & show[i]) |
				  (secret & ~show[i]);
	}
	for (i = 0; i < sizeof(*w->twin); i++)
		((u8 *)w->twin)[i] = SENTINEL >> 8 * (i % 8);
	vfio_cxl_dvsec_init(w->twin, w->twin_phys, w->hw.len);
}

static const char *p9_step(struct world *w, const struct op *op)
{
	const u64 swapped = SENTINEL >> 32 | SENTINEL << 32;
	const char *why = twin_step(w, op);
	u8 view[DVSEC_VIEW_SIZE];
	unsigned int i;

	view_read(w->twin, 8, view);
	for (i = 0; i + 8 <= DVSEC_VIEW_SIZE; i++)
		if (view_u64(view, i) == SENTINEL ||
		    view_u64(view, i) == swapped)
			return "the sentinel can be read";
	return why;
}

static const char *p10_step(struct world *w, const struct op *op)
{
	if (w->looking_changed)
		return "the state changed by looking";
	if (op->kind == OP_READ) {
		if (w->state_changed)
			return "the state changed by looking";
		if (op->len < 8 && w->value >> 8 * op->len)
			return "more bytes than asked for";
		if (op->off >= length(w) && w->value)
			return "something outside";
	}
	if (op->kind == OP_WRITE && (op->off >= length(w) || !op->len)) {
		if (w->state_changed)
			return "the state changed by a write of nothing";
		if (w->effect)
			return "an effect of a write of nothing";
	}
	if (op->kind == DVSEC_OP_DONE && !(op->val & 3) && w->state_changed)
		return "the state changed, but nothing was done";
	return NULL;
}

const struct property properties[] = {
	{
		.name = "P0 everything is as the oracle says",
		.step = oracle_step,
	}, {
		.name = "P1 reserved bits and the second range are zero",
		.step = p1_step,
	}, {
		.name = "P2 any split of an access does the same",
		.start = twin_start,
		.step = p2_step,
	}, {
		.name = "P3 read-only fields and bytes not written stay",
		.step = p3_step,
	}, {
		.name = "P4 what CONFIG_LOCK freezes stays until fresh",
		.step = p4_step,
	}, {
		.name = "P5 doorbells ring when announced and none is pending",
		.step = p5_step,
	}, {
		.name = "P6 Status2 does not contradict itself",
		.step = p6_step,
	}, {
		.name = "P7 Status2 is the replay of effects and reports",
		.step = p7_step,
	}, {
		.name = "P8 fresh has no history, also in what follows",
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
		.name = "P11 CXL Reset ends what it should, twice is once",
		.start = twin_start,
		.step = p11_step,
	},
};

const unsigned int nr_properties = ARRAY_SIZE(properties);

static void cover_write(const struct world *w, const struct op *op,
			const struct oracle *was)
{
	const struct oracle_event *e = &w->event;
	bool reset = e->deeds & ORACLE_RESET;

	cover(COVER_WRITES, true);
	cover(COVER_RESET, reset);
	cover(COVER_RESET_CLEAR, e->deeds & ORACLE_CLEAR);
	cover(COVER_WRITE_BACK, e->deeds & ORACLE_WRITE_BACK);
	cover(COVER_BOTH, reset && e->deeds & ORACLE_WRITE_BACK);
	cover(COVER_RING_LOCKED, e->deeds && was->locked);
	cover(COVER_RING_WIDE, e->deeds && op->len == 8 && op->off % 8 == 0);
	cover(COVER_RING_STRADDLE, e->deeds && op_straddles(op));
	cover(COVER_RING_CLEAR_ENABLE, e->deeds & ORACLE_CLEAR &&
	      !was->clear_enable);
	cover(COVER_REFUSED_RESET, e->refused_reset);
	cover(COVER_REFUSED_CLEAR, e->refused_clear);
	cover(COVER_REFUSED_WRITE_BACK, e->refused_write_back);
	cover(COVER_VALID_BY_CACHING, e->valid_by_caching);
	cover(COVER_VALID_BY_DOORBELL, e->valid_by_doorbell);
	cover(COVER_COMPLETE_ENDED, e->complete_by_doorbell);
	cover(COVER_ERROR_ENDED, e->error_by_doorbell);
	cover(COVER_LOCKED, e->locked);
	cover(COVER_LOCKED_WIDE, e->locked && op->off <= CONTROL2);
	cover(COVER_KEPT_CONTROL, e->kept_control);
	cover(COVER_CONTROL2_LOCKED, was->locked &&
	      (was->no_caching != w->oracle.no_caching ||
	       was->clear_enable != w->oracle.clear_enable));
	cover(COVER_REFUSED_NO_CACHING, e->refused_no_caching);
	cover(COVER_CACHING_OFF, e->deeds & ORACLE_CACHING && !was->no_caching);
	cover(COVER_CACHING_ON, e->deeds & ORACLE_CACHING && was->no_caching);
	cover(COVER_DROPPED_RESET, e->dropped_reset);
	cover(COVER_DROPPED_WRITE_BACK, e->dropped_write_back);
	cover(COVER_DROPPED_CACHING, e->dropped_caching);
	cover(COVER_KEPT_BASE, e->kept_base);
	cover(COVER_VIRAL_CLEARED, e->viral_cleared);
	cover(COVER_STRADDLES, op_straddles(op));
}

static void cover_done(const struct world *w, const struct op *op, bool pending)
{
	bool ok = op->len, caching = !w->oracle.no_caching;

	cover(COVER_DONES, true);
	cover(COVER_LATE_REPORT, op->val & ORACLE_RESET && !pending);
	if (op->val & ORACLE_RESET && pending)
		cover(ok ? COVER_RESET_OK : COVER_RESET_FAILED, true);
	if (op->val & ORACLE_WRITE_BACK)
		cover(!ok ? COVER_WRITE_BACK_FAILED :
		      caching ? COVER_WRITE_BACK_CACHING : COVER_WRITE_BACK_OK,
		      true);
}

static void cover_hw(const struct hw *hw)
{
	cover(COVER_LEN_NONE, hw->len <= 8);
	cover(COVER_LEN_CUT, hw->len < 0x3c && hw->len % 4);
	cover(COVER_LEN_SHORT, hw->len > 8 && hw->len < 0x3c && !(hw->len % 4));
	cover(COVER_LEN_FULL, hw->len == 0x3c);
	cover(COVER_LEN_MORE, hw->len > 0x3c);
	cover(COVER_COUNT + (hw->reg[2] >> 20 & 3), hw->len > 8);
}

static void oracle_take(struct world *w, const struct op *op)
{
	const struct oracle was = w->oracle;
	unsigned int i, len = op_len(op);

	switch (op->kind) {
	case OP_WRITE:
		for (i = 0; i < len; i++)
			oracle_write(&w->oracle, (u64)op->off + i,
				     op->val >> 8 * i, &w->event);
		w->asked |= w->event.deeds;
		cover_write(w, op, &was);
		break;
	case OP_READ:
		cover(COVER_READS, true);
		break;
	case DVSEC_OP_DONE:
		oracle_done(&w->oracle, op->val, op->len);
		w->asked &= ~op->val;
		cover_done(w, op, was.reset_pending);
		break;
	case DVSEC_OP_LIVE:
		oracle_live(&w->oracle, op->val);
		cover(COVER_LIVES, true);
		break;
	case DVSEC_OP_VIRAL:
		w->oracle.viral = true;
		cover(COVER_VIRALS, true);
		break;
	case DVSEC_OP_CXL_RESET:
		oracle_cxl_reset(&w->oracle);
		cover(COVER_CXL_RESET, true);
		cover(COVER_CXL_RESET_LOCKED, was.locked && was.mem_enable);
		cover(COVER_CXL_RESET_INVALID, was.cache_invalid);
		break;
	case DVSEC_OP_FRESH:
		oracle_init(&w->oracle, w->hw.reg, w->hw.len);
		cover(COVER_FRESH, true);
		cover(COVER_FRESH_LOCKED, was.locked);
		break;
	}
	if (op->kind == OP_WRITE || op->kind == OP_READ) {
		cover(COVER_OUTSIDE, op->off >= length(w));
		cover(COVER_LONG, op->len > 8);
	}
}

/* One operation: the model, the oracle, and then the property. */
const char *world_step(struct world *w, const struct property *p,
		       const struct op *op)
{
	struct vfio_cxl_dvsec state;

	memcpy(&state, w->model, sizeof(state));
	memcpy(w->before, w->after, sizeof(w->before));
	w->event = (struct oracle_event) {};
	w->value = 0;
	w->effect = 0;
	w->looking_changed = false;

	if (op->kind == OP_READ)
		w->value = vfio_cxl_dvsec_read(w->model, op->off, op->len);
	else
		w->effect = act(w->model, w->phys, w->hw.len, op);
	oracle_take(w, op);
	replay_pending(w, op);

	w->state_changed = memcmp(&state, w->model, sizeof(state));
	if (w->state_changed) {
		memcpy(&state, w->model, sizeof(state));
		view_read(w->model, 8, w->after);
		w->looking_changed = memcmp(&state, w->model, sizeof(state));
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
	free(w->phys);
	free(w->twin_phys);
	free(w->model);
	free(w->twin);
	free(w);
}

const char *world_start(struct world *w, const struct property *p,
			const struct hw *hw, bool *ok)
{
	unsigned int len = hw->len < 0x3c ? hw->len : 0x3c;

	w->hw = *hw;
	w->phys = malloc(len);
	w->twin_phys = malloc(len);
	if (!w->phys || !w->twin_phys)
		abort();
	memcpy(w->phys, hw->reg, len);
	memset(w->model, 0x5a, sizeof(*w->model));
	vfio_cxl_dvsec_init(w->model, w->phys, hw->len);
	oracle_init(&w->oracle, hw->reg, hw->len);
	cover_hw(hw);
	view_read(w->model, 8, w->after);
	if (p->start)
		p->start(w);
	*ok = true;
	/* Nothing happened to it yet, and all has to be so already. */
	return p->step(w, &(struct op) { .kind = DVSEC_OP_FRESH });
}

void hw_print(const struct hw *hw)
{
	unsigned int i;

	printf("len = %u, hw =", hw->len);
	for (i = 0; i < ARRAY_SIZE(hw->reg); i++)
		printf(" 0x%x", hw->reg[i]);
	printf("\n");
}

void op_print(const struct op *op)
{
	switch (op->kind) {
	case DVSEC_OP_DONE:
		printf("done(0x%llx, %s)\n", op->val, op->len ? "ok" : "failed");
		break;
	case DVSEC_OP_LIVE:
		printf("set_mem_status(0x%llx)\n", op->val);
		break;
	case DVSEC_OP_VIRAL:
		printf("viral\n");
		break;
	case DVSEC_OP_CXL_RESET:
		printf("cxl_reset()\n");
		break;
	default:
		printf("init()\n");
	}
}

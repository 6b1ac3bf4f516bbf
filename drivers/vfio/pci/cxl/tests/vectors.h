/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Directed tests of the pure models, for KUnit and for user space
 *
 * A vector is a physical block and a list of steps. hdm_vector_run() and
 * dvsec_vector_run() take it through the model; both kinds of test only report
 * what they return. Numbers are written out, not taken from regs.h: a wrong
 * mask there has to show here.
 *
 * HDM decoders: D(n) is where decoder n starts. Control bits: 0x00f granularity, 0x0f0 ways,
 * 0x100 LOCK, 0x200 COMMIT, 0x400 COMMITTED, 0x800 ERR_NOT_COMMITTED,
 * 0x1000 Type, 0x2000 BI.
 *
 * Device DVSEC: the dwords from offset 0 are headers (2), DVSEC ID and
 * Capability at 0x08, Control and Status, Control2 and Status2 at 0x10, Lock
 * and Capability2, Range 1 Size (high, low) at 0x18 and Base (high, low) at
 * 0x20, the same of Range 2 at 0x28, and Capability3 at 0x38. Bits of
 * Capability: 0x30 HDM_Count, 0x40 write-back, 0x80 CXL Reset, 0x800 Mem_Clr.
 * Of Control: 1 Cache_Enable, 2 IO_Enable, 4 Mem_Enable, 0x7f8 snoop filter,
 * 0x800 Cache_Clean_Eviction, 0x4000 Viral_Enable. Of Capability also: 1
 * Cache_Capable.
 * Of Control2: 1 Disable_Caching, 2 and 4 initiate write-back and CXL Reset,
 * 8 Mem_Clr. Of Status2: 1 Cache_Invalid, 2 Reset_Complete, 4 Reset_Error,
 * 0x8000 PM_Init_Complete.
 */
#ifndef VFIO_CXL_TESTS_VECTORS_H
#define VFIO_CXL_TESTS_VECTORS_H

#include <linux/types.h>

#include "../dvsec.h"
#include "../hdm.h"

enum hdm_step_kind {
	HDM_STEP_END,
	HDM_STEP_READ,
	HDM_STEP_WRITE,
	HDM_STEP_RANGE,
	HDM_STEP_NO_RANGE,
	HDM_STEP_RESET,
	HDM_STEP_CXL_RESET,
};

/**
 * struct hdm_step - one call and what it must return
 * @kind: which call
 * @off: offset, or the decoder for a range
 * @len: length in bytes
 * @val: value to write, or to be read, or base of the range
 * @size: size of the range
 * @map: decoders that a write must report as committed
 * @unmap: decoders that a write, or a CXL Reset, must report as uncommitted
 */
struct hdm_step {
	enum hdm_step_kind kind;
	u32 off;
	unsigned int len;
	u64 val;
	u64 size;
	u16 map;
	u16 unmap;
};

/**
 * struct hdm_vector - a test
 * @name: what it shows
 * @hw: the physical block
 * @refused: vfio_cxl_hdm_init() must refuse @hw; there are no steps
 * @steps: what to do, up to %HDM_STEP_END
 */
struct hdm_vector {
	const char *name;
	struct vfio_cxl_hdm_hw hw;
	bool refused;
	struct hdm_step steps[40];
};

#define D(n)		(0x10 + 0x20 * (n))
#define BASE(n)		(D(n) + 0x00)
#define SIZE(n)		(D(n) + 0x08)
#define CTRL(n)		(D(n) + 0x10)
#define SKIP(n)		(D(n) + 0x14)

#define RD(o, l, v)	{ .kind = HDM_STEP_READ, .off = o, .len = l, .val = v }
#define WR(o, l, v)	{ .kind = HDM_STEP_WRITE, .off = o, .len = l, .val = v }
#define WR_MAP(o, l, v, n)						\
	{ .kind = HDM_STEP_WRITE, .off = o, .len = l, .val = v,		\
	  .map = 1 << (n) }
#define WR_UNMAP(o, l, v, n)						\
	{ .kind = HDM_STEP_WRITE, .off = o, .len = l, .val = v,		\
	  .unmap = 1 << (n) }
#define RANGE(n, b, s)							\
	{ .kind = HDM_STEP_RANGE, .off = n, .val = b, .size = s }
#define NO_RANGE(n)	{ .kind = HDM_STEP_NO_RANGE, .off = n }
#define RESET		{ .kind = HDM_STEP_RESET }
#define CXL_RESET(u)	{ .kind = HDM_STEP_CXL_RESET, .unmap = u }

/* Four decoders and 1 GiB. */
#define HW_4		{ .cap = 2, .size = 0x40000000 }

static const struct hdm_vector hdm_vectors[] = {
	{
		.name = "fresh: only what the hardware fixes",
		.hw = {
			.cap = 0xfffffff5,
			.global = 0xffffffff,
			.ctrl = 0xffffffff,
			.size = 0x140000000,
		},
		.steps = {
			RD(0x00, 4, 0x007f3ff5),
			RD(0x04, 4, 2),
			RD(0x08, 8, 0),
			RD(BASE(0), 8, 0),
			RD(SIZE(0), 8, 0x140000000),
			RD(CTRL(0), 4, 0x3000),
			RD(SKIP(0), 8, 0),
			RD(D(0) + 0x1c, 4, 0),
			RD(BASE(1), 8, 0),
			RD(SIZE(1), 8, 0),
			RD(CTRL(1), 4, 0),
			RD(SKIP(1), 8, 0),
			RD(CTRL(9), 4, 0),
			RD(D(10), 8, 0),
			NO_RANGE(0),
			NO_RANGE(9),
			NO_RANGE(10),
		},
	}, {
		.name = "fresh: memory decoding off stays off",
		.hw = { .cap = 0x400, .global = 1, .size = 0x10000000 },
		.steps = {
			RD(0x04, 4, 0),
			RD(CTRL(0), 4, 0),
		},
	}, {
		.name = "commit",
		.hw = HW_4,
		.steps = {
			WR(BASE(0), 8, 0x1234567890000000),
			RD(BASE(0), 8, 0x1234567890000000),
			NO_RANGE(0),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			RD(CTRL(0), 4, 0x600),
			RANGE(0, 0x1234567890000000, 0x40000000),
			NO_RANGE(1),
		},
	}, {
		.name = "commit: BASE 0 and a smaller SIZE will do",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0), 4, 0x10000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			RANGE(0, 0, 0x10000000),
		},
	}, {
		.name = "commit and lock",
		.hw = HW_4,
		.steps = {
			WR(BASE(0), 4, 0x80000000),
			WR(BASE(0) + 4, 4, 0x1),
			WR_MAP(CTRL(0), 4, 0x300, 0),
			RD(CTRL(0), 4, 0x700),
			RANGE(0, 0x180000000, 0x40000000),
		},
	}, {
		.name = "lock: freezes everything, COMMIT too, until reset",
		.hw = HW_4,
		.steps = {
			WR(BASE(0), 8, 0x180000000),
			WR_MAP(CTRL(0), 4, 0x300, 0),
			WR(CTRL(0), 4, 0),
			WR(CTRL(0), 4, 0x100),
			WR(CTRL(0), 4, 0x200),
			WR(CTRL(0), 1, 0xff),
			WR(CTRL(0) + 1, 1, 0),
			WR(CTRL(0) + 1, 1, 0x0d),
			WR(CTRL(0), 8, 0),
			WR(CTRL(0), 4, 0xffffffff),
			RD(CTRL(0), 4, 0x700),
			WR(BASE(0), 8, 0),
			WR(BASE(0), 8, 0xfffffffff0000000),
			RD(BASE(0), 8, 0x180000000),
			WR(SIZE(0), 8, 0x10000000),
			WR(SIZE(0) + 3, 2, 0xffff),
			RD(SIZE(0), 8, 0x40000000),
			WR(SKIP(0), 8, 0xfffffffff0000000),
			RD(SKIP(0), 8, 0),
			RANGE(0, 0x180000000, 0x40000000),
			RESET,
			RD(CTRL(0), 4, 0),
			RD(BASE(0), 8, 0),
			RD(SIZE(0), 8, 0x40000000),
			NO_RANGE(0),
			WR_MAP(CTRL(0), 4, 0x200, 0),
		},
	}, {
		.name = "lock: of one decoder leaves the others alone",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0), 8, 0x10000000),
			WR_MAP(CTRL(0), 4, 0x300, 0),
			WR(BASE(1), 8, 0x10000000),
			WR(SIZE(1), 8, 0x10000000),
			WR_MAP(CTRL(1), 4, 0x200, 1),
			WR_UNMAP(CTRL(1), 4, 0, 1),
			WR_MAP(CTRL(1), 4, 0x300, 1),
			WR(CTRL(1), 4, 0),
			RD(CTRL(0), 4, 0x700),
			RD(CTRL(1), 4, 0x700),
		},
	}, {
		.name = "lock: LOCK without COMMIT freezes nothing",
		.hw = HW_4,
		.steps = {
			WR(CTRL(0), 4, 0x100),
			RD(CTRL(0), 4, 0x100),
			WR(BASE(0), 4, 0x20000000),
			RD(BASE(0), 4, 0x20000000),
			WR(CTRL(0), 4, 0),
			RD(CTRL(0), 4, 0),
			WR(CTRL(0), 4, 0x100),
			WR_MAP(CTRL(0), 4, 0x300, 0),
			WR(CTRL(0), 4, 0),
			RD(CTRL(0), 4, 0x700),
		},
	}, {
		.name = "lock: is not added to a committed decoder",
		.hw = HW_4,
		.steps = {
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(CTRL(0), 4, 0x300),
			RD(CTRL(0), 4, 0x600),
			WR_UNMAP(CTRL(0), 4, 0, 0),
		},
	}, {
		.name = "lock: a failed commit does not lock",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0), 8, 0),
			WR(CTRL(0), 4, 0x300),
			RD(CTRL(0), 4, 0xb00),
			WR(SIZE(0), 8, 0x20000000),
			WR(CTRL(0), 4, 0x100),
			RD(CTRL(0), 4, 0x100),
			WR_MAP(CTRL(0), 4, 0x300, 0),
			RD(CTRL(0), 4, 0x700),
			RANGE(0, 0, 0x20000000),
		},
	}, {
		.name = "committed: takes no write but COMMIT=0",
		.hw = HW_4,
		.steps = {
			WR(BASE(0), 8, 0x100000000),
			WR_MAP(CTRL(0), 4, 0x205, 0),
			WR(BASE(0), 8, 0x200000000),
			WR(SIZE(0), 8, 0x10000000),
			WR(SKIP(0), 8, 0x10000000),
			WR(CTRL(0), 4, 0x2fa),
			WR(CTRL(0), 1, 0),
			RD(BASE(0), 8, 0x100000000),
			RD(SIZE(0), 8, 0x40000000),
			RD(SKIP(0), 8, 0),
			RD(CTRL(0), 4, 0x605),
			WR(CTRL(0), 4, 0xfffffeff),
			RD(CTRL(0), 4, 0x605),
		},
	}, {
		.name = "uncommit: and commit elsewhere",
		.hw = HW_4,
		.steps = {
			WR(BASE(0), 8, 0x100000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR_UNMAP(CTRL(0), 4, 0, 0),
			RD(CTRL(0), 4, 0),
			NO_RANGE(0),
			RD(BASE(0), 8, 0x100000000),
			WR(CTRL(0), 4, 0),
			WR(BASE(0), 8, 0x200000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			RANGE(0, 0x200000000, 0x40000000),
		},
	}, {
		.name = "uncommit: changes no other bit of Control",
		.hw = HW_4,
		.steps = {
			WR_MAP(CTRL(0), 4, 0x203, 0),
			WR_UNMAP(CTRL(0), 4, 0xfffffdff, 0),
			RD(CTRL(0), 4, 0x003),
		},
	}, {
		.name = "uncommit: last in, first out",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0), 8, 0x10000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(BASE(1), 8, 0x10000000),
			WR(SIZE(1), 8, 0x10000000),
			WR_MAP(CTRL(1), 4, 0x200, 1),
			WR(BASE(2), 8, 0x20000000),
			WR(SIZE(2), 8, 0x10000000),
			WR_MAP(CTRL(2), 4, 0x200, 2),
			WR(CTRL(0), 4, 0),
			WR(CTRL(1), 4, 0),
			RD(CTRL(0), 4, 0x600),
			RD(CTRL(1), 4, 0x600),
			RANGE(1, 0x10000000, 0x10000000),
			WR_UNMAP(CTRL(2), 4, 0, 2),
			WR(CTRL(0), 4, 0),
			WR_UNMAP(CTRL(1), 4, 0, 1),
			WR_UNMAP(CTRL(0), 4, 0, 0),
			RD(CTRL(0), 4, 0),
		},
	}, {
		.name = "uncommit: not below a locked one",
		.hw = { .cap = 1, .size = 0x40000000 },
		.steps = {
			WR(SIZE(0), 8, 0x10000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(BASE(1), 8, 0x10000000),
			WR(SIZE(1), 8, 0x10000000),
			WR_MAP(CTRL(1), 4, 0x300, 1),
			WR(CTRL(1), 4, 0),
			WR(CTRL(0), 4, 0),
			RD(CTRL(0), 4, 0x600),
			RD(CTRL(1), 4, 0x700),
		},
	}, {
		.name = "error: SIZE is zero",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0), 8, 0x0fffffff),
			RD(SIZE(0), 8, 0),
			WR(CTRL(0), 4, 0x200),
			RD(CTRL(0), 4, 0xa00),
			NO_RANGE(0),
		},
	}, {
		.name = "error: the range passes 2^64",
		.hw = HW_4,
		.steps = {
			WR(BASE(0), 8, 0xfffffffff0000000),
			WR(SIZE(0), 8, 0x20000000),
			WR(CTRL(0), 4, 0x200),
			RD(CTRL(0), 4, 0xa00),
			NO_RANGE(0),
		},
	}, {
		.name = "error: the range ends at 2^64, which is one too far",
		.hw = HW_4,
		.steps = {
			WR(BASE(0), 8, 0xfffffffff0000000),
			WR(SIZE(0), 8, 0x10000000),
			WR(CTRL(0), 4, 0x200),
			RD(CTRL(0), 4, 0xa00),
			WR(CTRL(0), 4, 0),
			WR(BASE(0), 8, 0xffffffffe0000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			RANGE(0, 0xffffffffe0000000, 0x10000000),
		},
	}, {
		.name = "error: more than the capacity",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0), 8, 0x50000000),
			WR(CTRL(0), 4, 0x200),
			RD(CTRL(0), 4, 0xa00),
			WR(CTRL(0), 4, 0),
			WR(SIZE(0), 8, 0x8000000000000000),
			WR(CTRL(0), 4, 0x200),
			RD(CTRL(0), 4, 0xa00),
			NO_RANGE(0),
			WR(CTRL(0), 4, 0),
			WR(SIZE(0), 8, 0x40000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(BASE(1), 8, 0x40000000),
			WR(SIZE(1), 8, 0x10000000),
			WR(CTRL(1), 4, 0x200),
			RD(CTRL(1), 4, 0xa00),
			NO_RANGE(1),
		},
	}, {
		.name = "error: overlap with the decoder before",
		.hw = HW_4,
		.steps = {
			WR(BASE(0), 8, 0x140000000),
			WR(SIZE(0), 8, 0x20000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(SIZE(1), 8, 0x20000000),
			WR(BASE(1), 8, 0x150000000),
			WR(CTRL(1), 4, 0x200),
			RD(CTRL(1), 4, 0xa00),
			WR(CTRL(1), 4, 0),
			WR(BASE(1), 8, 0x140000000),
			WR(CTRL(1), 4, 0x200),
			RD(CTRL(1), 4, 0xa00),
			WR(CTRL(1), 4, 0),
			WR(BASE(1), 8, 0x130000000),
			WR(CTRL(1), 4, 0x200),
			RD(CTRL(1), 4, 0xa00),
			NO_RANGE(1),
			WR(CTRL(1), 4, 0),
			WR(BASE(1), 8, 0x160000000),
			WR_MAP(CTRL(1), 4, 0x200, 1),
			RANGE(0, 0x140000000, 0x20000000),
			RANGE(1, 0x160000000, 0x20000000),
		},
	}, {
		.name = "error: overlap with the last of two before",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0), 8, 0x10000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(BASE(1), 8, 0x20000000),
			WR(SIZE(1), 8, 0x20000000),
			WR_MAP(CTRL(1), 4, 0x200, 1),
			WR(BASE(2), 8, 0x30000000),
			WR(SIZE(2), 8, 0x10000000),
			WR(CTRL(2), 4, 0x200),
			RD(CTRL(2), 4, 0xa00),
			WR(CTRL(2), 4, 0),
			WR(BASE(2), 8, 0x10000000),
			WR(CTRL(2), 4, 0x200),
			RD(CTRL(2), 4, 0xa00),
			WR(CTRL(2), 4, 0),
			WR(BASE(2), 8, 0x40000000),
			WR_MAP(CTRL(2), 4, 0x200, 2),
		},
	}, {
		.name = "error: below the decoder before",
		.hw = HW_4,
		.steps = {
			WR(BASE(0), 8, 0x140000000),
			WR(SIZE(0), 8, 0x20000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(SIZE(1), 8, 0x20000000),
			WR(BASE(1), 8, 0x120000000),
			WR(CTRL(1), 4, 0x200),
			RD(CTRL(1), 4, 0xa00),
			WR(CTRL(1), 4, 0),
			WR(BASE(1), 8, 0),
			WR(CTRL(1), 4, 0x200),
			RD(CTRL(1), 4, 0xa00),
		},
	}, {
		.name = "error: before its predecessor",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0), 8, 0x10000000),
			WR(BASE(1), 8, 0x10000000),
			WR(SIZE(1), 8, 0x10000000),
			WR(CTRL(1), 4, 0x200),
			RD(CTRL(1), 4, 0xa00),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(CTRL(1), 4, 0x200),
			RD(CTRL(1), 4, 0xa00),
			NO_RANGE(1),
			WR(CTRL(1), 4, 0),
			WR_MAP(CTRL(1), 4, 0x200, 1),
			RD(CTRL(1), 4, 0x600),
		},
	}, {
		.name = "error: one left out",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0), 8, 0x10000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(BASE(2), 8, 0x10000000),
			WR(SIZE(2), 8, 0x10000000),
			WR(CTRL(2), 4, 0x200),
			RD(CTRL(2), 4, 0xa00),
			NO_RANGE(2),
		},
	}, {
		.name = "error: a predecessor that failed does not count",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0), 8, 0),
			WR(CTRL(0), 4, 0x200),
			WR(BASE(1), 8, 0x10000000),
			WR(SIZE(1), 8, 0x10000000),
			WR(CTRL(1), 4, 0x200),
			RD(CTRL(0), 4, 0xa00),
			RD(CTRL(1), 4, 0xa00),
		},
	}, {
		.name = "error: interleave, by ways and not by granularity",
		.hw = { .cap = 0x1b02, .size = 0x40000000 },
		.steps = {
			WR(CTRL(0), 4, 0x210),
			RD(CTRL(0), 4, 0xa10),
			WR(CTRL(0), 4, 0),
			WR(CTRL(0), 4, 0x280),
			RD(CTRL(0), 4, 0xa80),
			WR(CTRL(0), 4, 0),
			WR_MAP(CTRL(0), 4, 0x20f, 0),
			RD(CTRL(0), 4, 0x60f),
		},
	}, {
		.name = "error: retry takes COMMIT 1->0->1",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0), 8, 0),
			WR(CTRL(0), 4, 0x200),
			WR(SIZE(0), 8, 0x40000000),
			WR(BASE(0), 8, 0x80000000),
			WR(SKIP(0), 8, 0x10000000),
			RD(CTRL(0), 4, 0xa00),
			RD(SIZE(0), 8, 0x40000000),
			RD(BASE(0), 8, 0x80000000),
			RD(SKIP(0), 8, 0x10000000),
			WR(SKIP(0), 8, 0),
			WR(CTRL(0), 4, 0x200),
			RD(CTRL(0), 4, 0xa00),
			WR(CTRL(0), 4, 0x307),
			RD(CTRL(0), 4, 0xb07),
			NO_RANGE(0),
			WR(CTRL(0), 4, 0),
			RD(CTRL(0), 4, 0),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			RD(CTRL(0), 4, 0x600),
		},
	}, {
		.name = "SKIP: is taken from the capacity",
		.hw = HW_4,
		.steps = {
			WR(SKIP(0), 8, 0x10000000),
			WR(CTRL(0), 4, 0x200),
			RD(CTRL(0), 4, 0xa00),
			WR(CTRL(0), 4, 0),
			WR(SIZE(0), 8, 0x10000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(BASE(1), 8, 0x10000000),
			WR(SIZE(1), 8, 0x20000000),
			WR(SKIP(1), 8, 0x10000000),
			WR(CTRL(1), 4, 0x200),
			RD(CTRL(1), 4, 0xa00),
			WR(CTRL(1), 4, 0),
			WR(SIZE(1), 8, 0x10000000),
			WR_MAP(CTRL(1), 4, 0x200, 1),
			WR(BASE(2), 8, 0x20000000),
			WR(SIZE(2), 8, 0x10000000),
			WR(CTRL(2), 4, 0x200),
			RD(CTRL(2), 4, 0xa00),
			RANGE(1, 0x10000000, 0x10000000),
		},
	}, {
		.name = "SKIP: is not taken from the host address",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0), 8, 0x10000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(BASE(1), 8, 0x10000000),
			WR(SIZE(1), 8, 0x20000000),
			WR(SKIP(1), 8, 0x10000000),
			WR_MAP(CTRL(1), 4, 0x200, 1),
			RANGE(1, 0x10000000, 0x20000000),
		},
	}, {
		.name = "SKIP: does not wrap",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0), 8, 0x10000000),
			WR(SKIP(0), 8, 0xfffffffff0000000),
			WR(CTRL(0), 4, 0x200),
			RD(CTRL(0), 4, 0xa00),
			WR(CTRL(0), 4, 0),
			WR(SKIP(0), 8, 0x50000000),
			WR(CTRL(0), 4, 0x200),
			RD(CTRL(0), 4, 0xa00),
			WR(CTRL(0), 4, 0),
			WR(SKIP(0), 8, 0x30000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
		},
	}, {
		.name = "global: Poison needs the capability",
		.hw = { .cap = 0x3bf0, .size = 0x10000000 },
		.steps = {
			WR(0x04, 4, 0xffffffff),
			RD(0x04, 4, 2),
			WR(0x04, 4, 1),
			RD(0x04, 4, 0),
			WR(0x04, 1, 0xff),
			RD(0x04, 8, 2),
		},
	}, {
		.name = "global: Poison where the capability allows",
		.hw = { .cap = 0x400, .size = 0x10000000 },
		.steps = {
			WR(0x04, 4, 0xffffffff),
			RD(0x04, 4, 3),
			WR(0x05, 1, 0),
			WR(0x06, 2, 0),
			RD(0x04, 4, 3),
			WR(0x04, 4, 1),
			RD(0x04, 4, 1),
			WR(0x04, 8, 2),
			RD(0x04, 4, 2),
			WR(0x03, 2, 0x0100),
			RD(0x04, 4, 1),
			RESET,
			RD(0x04, 4, 0),
		},
	}, {
		.name = "capability: takes no write",
		.hw = { .cap = 0x00550f51, .size = 0x10000000 },
		.steps = {
			WR(0x00, 4, 0),
			WR(0x00, 4, 0xffffffff),
			WR(0x00, 8, 0xffffffff),
			WR(0x01, 1, 0xff),
			RD(0x00, 4, 0x00550f51),
			RD(0x04, 4, 0),
		},
	}, {
		.name = "reserved bits: read as zero",
		.hw = HW_4,
		.steps = {
			WR(BASE(0), 8, 0xffffffffffffffff),
			RD(BASE(0), 8, 0xfffffffff0000000),
			WR(SIZE(0), 8, 0xffffffffffffffff),
			RD(SIZE(0), 8, 0xfffffffff0000000),
			WR(SKIP(0), 8, 0xffffffffffffffff),
			RD(SKIP(0), 8, 0xfffffffff0000000),
			WR(D(0) + 0x1c, 4, 0xffffffff),
			RD(D(0) + 0x1c, 4, 0),
			WR(0x08, 8, 0xffffffffffffffff),
			RD(0x08, 8, 0),
			WR(CTRL(0), 4, 0xfffffdff),
			RD(CTRL(0), 4, 0x1ff),
		},
	}, {
		.name = "COMMITTED and ERR are not written",
		.hw = HW_4,
		.steps = {
			WR(CTRL(0), 4, 0xc00),
			RD(CTRL(0), 4, 0),
			NO_RANGE(0),
			WR(CTRL(0), 4, 0xffffffff),
			RD(CTRL(0), 4, 0xbff),
			WR(CTRL(0), 4, 0x600),
			RD(CTRL(0), 4, 0xa00),
			WR(CTRL(0), 4, 0xc00),
			RD(CTRL(0), 4, 0),
		},
	}, {
		.name = "Type and BI are the hardware's: Type",
		.hw = { .cap = 1, .ctrl = 0xffffdfff, .size = 0x10000000 },
		.steps = {
			WR(CTRL(0), 4, 0x2000),
			RD(CTRL(0), 4, 0x1000),
			WR(CTRL(1), 4, 0x3000),
			RD(CTRL(1), 4, 0),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			RD(CTRL(0), 4, 0x1600),
			WR_UNMAP(CTRL(0), 4, 0x2000, 0),
			RESET,
			RD(CTRL(0), 4, 0x1000),
		},
	}, {
		.name = "Type and BI are the hardware's: BI",
		.hw = { .cap = 1, .ctrl = 0xffffefff, .size = 0x10000000 },
		.steps = {
			WR(CTRL(0), 4, 0x1000),
			RD(CTRL(0), 4, 0x2000),
			RESET,
			RD(CTRL(0), 4, 0x2000),
		},
	}, {
		.name = "1 decoder",
		.hw = { .cap = 0, .size = 0x10000000 },
		.steps = {
			WR(BASE(0), 8, 0xffffffff10000000),
			RD(BASE(0), 8, 0xffffffff10000000),
			WR(BASE(1), 8, 0xffffffff10000000),
			RD(BASE(1), 8, 0),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(CTRL(1), 4, 0x200),
			NO_RANGE(1),
			NO_RANGE(0xffffffff),
			WR_UNMAP(CTRL(0), 4, 0, 0),
		},
	}, {
		.name = "2 decoders",
		.hw = { .cap = 1, .size = 0x10000000 },
		.steps = {
			WR(BASE(1), 8, 0xffffffff10000000),
			RD(BASE(1), 8, 0xffffffff10000000),
			WR(BASE(2), 8, 0xffffffff10000000),
			RD(BASE(2), 8, 0),
		},
	}, {
		.name = "4 decoders",
		.hw = { .cap = 2, .size = 0x10000000 },
		.steps = {
			WR(SIZE(3), 8, 0xffffffff10000000),
			RD(SIZE(3), 8, 0xffffffff10000000),
			WR(SIZE(4), 8, 0xffffffff10000000),
			RD(SIZE(4), 8, 0),
		},
	}, {
		.name = "6 decoders",
		.hw = { .cap = 3, .size = 0x10000000 },
		.steps = {
			WR(BASE(5), 8, 0xffffffff10000000),
			RD(BASE(5), 8, 0xffffffff10000000),
			WR(BASE(6), 8, 0xffffffff10000000),
			RD(BASE(6), 8, 0),
		},
	}, {
		.name = "8 decoders",
		.hw = { .cap = 4, .size = 0x10000000 },
		.steps = {
			WR(BASE(7), 8, 0xffffffff10000000),
			RD(BASE(7), 8, 0xffffffff10000000),
			WR(BASE(8), 8, 0xffffffff10000000),
			RD(BASE(8), 8, 0),
		},
	}, {
		.name = "10 decoders, all committed, all the capacity",
		.hw = { .cap = 5, .size = 0xa0000000 },
		.steps = {
			WR(SIZE(0), 8, 0x10000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(BASE(1), 8, 0x10000000),
			WR(SIZE(1), 8, 0x10000000),
			WR_MAP(CTRL(1), 4, 0x200, 1),
			WR(BASE(2), 8, 0x20000000),
			WR(SIZE(2), 8, 0x10000000),
			WR_MAP(CTRL(2), 4, 0x200, 2),
			WR(BASE(3), 8, 0x30000000),
			WR(SIZE(3), 8, 0x10000000),
			WR_MAP(CTRL(3), 4, 0x200, 3),
			WR(BASE(4), 8, 0x40000000),
			WR(SIZE(4), 8, 0x10000000),
			WR_MAP(CTRL(4), 4, 0x200, 4),
			WR(BASE(5), 8, 0x50000000),
			WR(SIZE(5), 8, 0x10000000),
			WR_MAP(CTRL(5), 4, 0x200, 5),
			WR(BASE(6), 8, 0x60000000),
			WR(SIZE(6), 8, 0x10000000),
			WR_MAP(CTRL(6), 4, 0x200, 6),
			WR(BASE(7), 8, 0x70000000),
			WR(SIZE(7), 8, 0x10000000),
			WR_MAP(CTRL(7), 4, 0x200, 7),
			WR(BASE(8), 8, 0x80000000),
			WR(SIZE(8), 8, 0x10000000),
			WR_MAP(CTRL(8), 4, 0x200, 8),
			WR(BASE(9), 8, 0x90000000),
			WR(SIZE(9), 8, 0x10000000),
			WR_MAP(CTRL(9), 4, 0x200, 9),
			WR_UNMAP(CTRL(9), 4, 0, 9),
			WR_MAP(CTRL(9), 4, 0x300, 9),
			RANGE(9, 0x90000000, 0x10000000),
			NO_RANGE(10),
			WR(D(10) - 4, 8, 0xffffffffffffffff),
			RD(D(10) - 4, 8, 0),
			RD(D(10), 8, 0),
			RD(CTRL(9), 4, 0x700),
		},
	}, {
		.name = "refused: 12 decoders",
		.hw = { .cap = 6, .size = 0x10000000 },
		.refused = true,
	}, {
		.name = "refused: 20 decoders",
		.hw = { .cap = 10, .size = 0x10000000 },
		.refused = true,
	}, {
		.name = "refused: 32 decoders",
		.hw = { .cap = 12, .size = 0x10000000 },
		.refused = true,
	}, {
		.name = "refused: a reserved number of decoders",
		.hw = { .cap = 15, .size = 0x10000000 },
		.refused = true,
	}, {
		.name = "refused: no memory",
		.hw = { .cap = 0, .size = 0 },
		.refused = true,
	}, {
		.name = "refused: SIZE not in units of 256 MiB",
		.hw = { .cap = 0, .size = 0x108000000 },
		.refused = true,
	}, {
		.name = "refused: SIZE of one byte",
		.hw = { .cap = 0, .size = 1 },
		.refused = true,
	}, {
		.name = "as much memory as there can be",
		.hw = { .cap = 0, .size = 0xfffffffff0000000 },
		.steps = {
			WR(BASE(0), 8, 0x10000000),
			WR(CTRL(0), 4, 0x200),
			RD(CTRL(0), 4, 0xa00),
			WR(CTRL(0), 4, 0),
			WR(BASE(0), 8, 0),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			RANGE(0, 0, 0xfffffffff0000000),
		},
	}, {
		.name = "8 bytes: Control first, then SKIP, which comes too late",
		.hw = HW_4,
		.steps = {
			WR_MAP(CTRL(0), 8, 0x1000000000000200, 0),
			RD(CTRL(0), 8, 0x600),
		},
	}, {
		.name = "8 bytes: SIZE first, then Control",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0) + 4, 8, 0x20000000001),
			RD(SIZE(0) + 4, 8, 0xa0000000001),
			WR(SIZE(0) + 4, 8, 0),
			WR_MAP(SIZE(0) + 4, 8, 0x20000000000, 0),
			RD(SIZE(0) + 4, 8, 0x60000000000),
			RD(BASE(0) + 4, 8, 0x4000000000000000),
		},
	}, {
		.name = "8 bytes: uncommit opens what follows it, not what precedes",
		.hw = HW_4,
		.steps = {
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR_UNMAP(SIZE(0) + 4, 8, 0xff00000001, 0),
			RD(SIZE(0) + 4, 8, 0),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR_UNMAP(CTRL(0), 8, 0x1000000000000000, 0),
			RD(SKIP(0), 8, 0x10000000),
		},
	}, {
		.name = "straddling: one register to the next",
		.hw = HW_4,
		.steps = {
			WR_MAP(SIZE(0) + 6, 4, 0x02030000, 0),
			RD(CTRL(0), 4, 0x603),
			WR(SIZE(0) + 6, 4, 0x0201ffff),
			RD(SIZE(0) + 6, 4, 0x06030000),
			WR_UNMAP(SIZE(0) + 7, 3, 0x0000ff, 0),
			RD(SIZE(0), 8, 0x40000000),
			RD(CTRL(0), 4, 0x003),
			WR(BASE(0), 8, 0x1133557750000000),
			WR(BASE(0) + 3, 2, 0x2212),
			RD(BASE(0), 8, 0x1133552210000000),
			RD(BASE(0) + 3, 2, 0x2210),
		},
	}, {
		.name = "straddling: three registers in eight bytes",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0) + 7, 8, 0xffffff0000000300),
			RD(CTRL(0), 4, 0x003),
			WR(CTRL(0), 4, 0),
			WR_MAP(SIZE(0) + 5, 8, 0xff00000205000000, 0),
			RD(CTRL(0), 4, 0x605),
			RD(SIZE(0), 8, 0x40000000),
			RD(SIZE(0) + 5, 8, 0x0000000605000000),
			WR(CTRL(0) + 3, 8, 0xffffffffffffffff),
			RD(CTRL(0), 4, 0x605),
			RD(SKIP(0), 8, 0),
		},
	}, {
		.name = "straddling: one decoder to the next, and the end",
		.hw = { .cap = 1, .size = 0x10000000 },
		.steps = {
			WR(SKIP(0) + 6, 8, 0x9876543210abcdef),
			RD(SKIP(0), 8, 0xcdef000000000000),
			RD(BASE(1), 8, 0),
			WR(D(1) - 4, 8, 0xa5a5a5a5ffffffff),
			RD(D(1) - 4, 8, 0xa000000000000000),
			WR(SKIP(1) + 7, 8, 0xffffffffffffffff),
			RD(SKIP(1) + 7, 8, 0xff),
			RD(D(2) - 1, 8, 0),
			WR(D(2) - 1, 8, 0xffffffffffffffff),
			RD(0x00, 8, 1),
			WR(0x02, 8, 0xffffffffff02ffff),
			RD(0x00, 8, 0x200000001),
		},
	}, {
		.name = "bytes: only the second of Control commits",
		.hw = HW_4,
		.steps = {
			WR(CTRL(0), 1, 0x04),
			WR(CTRL(0) + 2, 2, 0xffff),
			RD(CTRL(0), 4, 0x004),
			WR_MAP(CTRL(0) + 1, 1, 0x02, 0),
			RD(CTRL(0) + 1, 1, 0x06),
			WR_UNMAP(CTRL(0) + 1, 1, 0x00, 0),
			RD(CTRL(0), 3, 0x004),
		},
	}, {
		.name = "offsets: beyond the end, and near 2^32",
		.hw = { .cap = 0x405, .size = 0x10000000 },
		.steps = {
			WR(0xfffffffc, 8, 0xffffffffffffffff),
			WR(0xfffffffe, 8, 0xffffffffffffffff),
			WR(0xffffffff, 8, 0xffffffffffffffff),
			WR(0xffffffff, 1, 0xff),
			WR(0x80000004, 4, 0x3),
			RD(0x04, 4, 0),
			RD(0xfffffffc, 8, 0),
			RD(0xfffffffe, 8, 0),
			RD(0xffffffff, 1, 0),
			RD(0x80000000, 4, 0),
			WR(CTRL(0) + 0x1000, 4, 0x200),
			RD(CTRL(0) + 0x1000, 4, 0),
			RD(CTRL(0), 4, 0),
			RD(0x150, 8, 0),
			NO_RANGE(0),
		},
	}, {
		.name = "lengths: none, odd, and too many",
		.hw = HW_4,
		.steps = {
			WR(BASE(0), 0, 0xffffffffffffffff),
			RD(BASE(0), 8, 0),
			WR(BASE(0), 5, 0xffffffff90000000),
			RD(BASE(0), 8, 0xff90000000),
			RD(BASE(0), 0, 0),
			RD(BASE(0), 3, 0),
			RD(BASE(0), 5, 0xff90000000),
			RD(BASE(0), 9, 0xff90000000),
			RD(BASE(0), 0xffffffff, 0xff90000000),
			WR(BASE(0), 9, 0x1234567820000000),
			RD(BASE(0), 8, 0x1234567820000000),
			RD(SIZE(0), 8, 0x40000000),
			WR(BASE(0), 0xffffffff, 0xf0000000),
			RD(BASE(0), 8, 0xf0000000),
			RD(SIZE(0), 8, 0x40000000),
			RD(CTRL(0), 8, 0),
			WR(BASE(0) + 3, 9, 0x10),
			RD(BASE(0), 8, 0x10000000),
			RD(SIZE(0), 8, 0x40000000),
		},
	}, {
		.name = "reset: leaves nothing of the past",
		.hw = {
			.cap = 0x402,
			.global = 2,
			.ctrl = 0x1000,
			.size = 0x40000000,
		},
		.steps = {
			WR(0x04, 4, 1),
			WR(BASE(0), 8, 0x90000000),
			WR(SIZE(0), 8, 0x10000000),
			WR(SKIP(0), 8, 0x10000000),
			WR_MAP(CTRL(0), 4, 0x303, 0),
			WR(BASE(1), 8, 0xa0000000),
			WR(SIZE(1), 8, 0x10000000),
			WR(SKIP(1), 8, 0x10000000),
			WR_MAP(CTRL(1), 4, 0x20f, 1),
			WR(SIZE(3), 8, 0x20000000),
			WR(CTRL(3), 4, 0x3ff),
			RD(CTRL(3), 4, 0xbff),
			RESET,
			RD(0x00, 8, 0x200000402),
			RD(BASE(0), 8, 0),
			RD(SIZE(0), 8, 0x40000000),
			RD(CTRL(0), 8, 0x1000),
			RD(SKIP(0), 8, 0),
			RD(BASE(1), 8, 0),
			RD(SIZE(1), 8, 0),
			RD(CTRL(1), 8, 0),
			RD(SKIP(1), 8, 0),
			RD(SIZE(3), 8, 0),
			RD(CTRL(3), 4, 0),
			NO_RANGE(0),
			NO_RANGE(1),
		},
	}, {
		.name = "CXL Reset: takes decoders that are not locked",
		.hw = {
			.cap = 0x402,
			.global = 2,
			.ctrl = 0x3000,
			.size = 0x40000000,
		},
		.steps = {
			WR(0x04, 4, 3),
			WR(BASE(0), 8, 0x90000000),
			WR(SIZE(0), 8, 0x10000000),
			WR_MAP(CTRL(0), 4, 0x203, 0),
			WR(BASE(1), 8, 0xa0000000),
			WR(SIZE(1), 8, 0x10000000),
			WR(SKIP(1), 8, 0x10000000),
			WR_MAP(CTRL(1), 4, 0x200, 1),
			WR(SIZE(2), 8, 0x80000000),
			WR(CTRL(2), 4, 0x300),
			WR(CTRL(3), 4, 0x100),
			CXL_RESET(3),
			RD(0x00, 8, 0x402),
			RD(BASE(0), 8, 0),
			RD(SIZE(0), 8, 0x40000000),
			RD(CTRL(0), 8, 0x3000),
			RD(BASE(1), 8, 0),
			RD(SIZE(1), 8, 0),
			RD(CTRL(1), 8, 0),
			RD(SKIP(1), 8, 0),
			RD(SIZE(2), 8, 0),
			RD(CTRL(2), 4, 0),
			RD(CTRL(3), 4, 0),
			NO_RANGE(0),
			NO_RANGE(1),
			CXL_RESET(0),
			WR_MAP(CTRL(0), 4, 0x300, 0),
			CXL_RESET(0),
		},
	}, {
		.name = "CXL Reset: leaves the locked ones, until reset",
		.hw = { .cap = 2, .global = 2, .ctrl = 0x1000,
			.size = 0x40000000 },
		.steps = {
			WR(BASE(0), 8, 0x180000000),
			WR(SIZE(0), 8, 0x20000000),
			WR(SKIP(0), 8, 0x10000000),
			WR_MAP(CTRL(0), 4, 0x30f, 0),
			CXL_RESET(0),
			RD(0x04, 4, 0),
			RD(BASE(0), 8, 0x180000000),
			RD(SIZE(0), 8, 0x20000000),
			RD(SKIP(0), 8, 0x10000000),
			RD(CTRL(0), 4, 0x170f),
			RANGE(0, 0x180000000, 0x20000000),
			WR(CTRL(0), 4, 0),
			WR(0x04, 4, 2),
			RD(0x04, 4, 2),
			RESET,
			RD(0x04, 4, 2),
			NO_RANGE(0),
		},
	}, {
		.name = "CXL Reset: a locked one may lose its predecessor",
		.hw = HW_4,
		.steps = {
			WR(SIZE(0), 8, 0x10000000),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(BASE(1), 8, 0x20000000),
			WR(SIZE(1), 8, 0x20000000),
			WR_MAP(CTRL(1), 4, 0x300, 1),
			CXL_RESET(1),
			NO_RANGE(0),
			RANGE(1, 0x20000000, 0x20000000),
			/* all there is, but the locked one has half of it */
			WR(BASE(0), 8, 0x40000000),
			WR(CTRL(0), 4, 0x200),
			RD(CTRL(0), 4, 0xa00),
			WR(CTRL(0), 4, 0),
			/* overlap, then above it */
			WR(SIZE(0), 8, 0x20000000),
			WR(BASE(0), 8, 0x10000000),
			WR(CTRL(0), 4, 0x200),
			RD(CTRL(0), 4, 0xa00),
			WR(CTRL(0), 4, 0),
			WR(BASE(0), 8, 0x40000000),
			WR(CTRL(0), 4, 0x200),
			RD(CTRL(0), 4, 0xa00),
			WR(CTRL(0), 4, 0),
			WR(BASE(0), 8, 0),
			WR_MAP(CTRL(0), 4, 0x200, 0),
			WR(CTRL(0), 4, 0),
			RD(CTRL(0), 4, 0x600),
		},
	},
};

#undef D
#undef BASE
#undef SIZE
#undef CTRL
#undef SKIP
#undef RD
#undef WR
#undef WR_MAP
#undef WR_UNMAP
#undef RANGE
#undef NO_RANGE
#undef RESET
#undef CXL_RESET
#undef HW_4

static inline bool hdm_vector_step(struct vfio_cxl_hdm *s,
				   const struct hdm_step *step)
{
	const u64 untouched = 0x0123456789abcdef;
	struct vfio_cxl_hdm_effect effect;
	u64 base = untouched, size = untouched;

	switch (step->kind) {
	case HDM_STEP_READ:
		return vfio_cxl_hdm_read(s, step->off, step->len) == step->val;
	case HDM_STEP_WRITE:
		effect = vfio_cxl_hdm_write(s, step->off, step->len, step->val);
		return effect.map == step->map && effect.unmap == step->unmap;
	case HDM_STEP_RANGE:
		return vfio_cxl_hdm_range(s, step->off, &base, &size) &&
		       base == step->val && size == step->size;
	case HDM_STEP_NO_RANGE:
		return !vfio_cxl_hdm_range(s, step->off, &base, &size) &&
		       base == untouched && size == untouched;
	case HDM_STEP_RESET:
		vfio_cxl_hdm_reset(s);
		return true;
	case HDM_STEP_CXL_RESET:
		effect = vfio_cxl_hdm_cxl_reset(s);
		return !effect.map && effect.unmap == step->unmap;
	default:
		return false;
	}
}

/**
 * hdm_vector_run - take a vector through the model
 * @v: the vector
 * @s: memory for the state
 *
 * Return: 0 if all is as it should be, else 1 + the index of the step that was
 * not, or -1 when already vfio_cxl_hdm_init() did not do as @v says.
 */
static inline int hdm_vector_run(const struct hdm_vector *v,
				 struct vfio_cxl_hdm *s)
{
	const int max = sizeof(v->steps) / sizeof(*v->steps);
	int i;

	if (vfio_cxl_hdm_init(s, &v->hw) == v->refused)
		return -1;
	for (i = 0; i < max && v->steps[i].kind != HDM_STEP_END; i++)
		if (!hdm_vector_step(s, &v->steps[i]))
			return i + 1;
	return 0;
}

enum dvsec_step_kind {
	DVSEC_STEP_END,
	DVSEC_STEP_READ,
	DVSEC_STEP_WRITE,
	DVSEC_STEP_DONE,
	DVSEC_STEP_LIVE,
	DVSEC_STEP_VIRAL,
	DVSEC_STEP_CXL_RESET,
	DVSEC_STEP_PENDING,
	DVSEC_STEP_NO_CACHING,
	DVSEC_STEP_FRESH,
};

/**
 * struct dvsec_step - one call and what it must return
 * @kind: which call
 * @off: offset
 * @len: length in bytes
 * @val: value to write, or to be read, or Size Low of the hardware
 * @effect: what a write must return, or what is reported as done
 * @ok: whether that succeeded, or what a question must be answered with
 */
struct dvsec_step {
	enum dvsec_step_kind kind;
	u32 off;
	unsigned int len;
	u64 val;
	unsigned int effect;
	bool ok;
};

/**
 * struct dvsec_vector - a test
 * @name: what it shows
 * @hw: the physical registers, from offset 0
 * @len: length of the physical capability
 * @steps: what to do, up to %DVSEC_STEP_END
 */
struct dvsec_vector {
	const char *name;
	u32 hw[15];
	unsigned int len;
	struct dvsec_step steps[40];
};

#define RD(o, l, v)	{ .kind = DVSEC_STEP_READ, .off = o, .len = l, .val = v }
#define WR(o, l, v)	{ .kind = DVSEC_STEP_WRITE, .off = o, .len = l, .val = v }
#define WR_ASK(o, l, v, e)						\
	{ .kind = DVSEC_STEP_WRITE, .off = o, .len = l, .val = v, .effect = e }
#define DONE(e)		{ .kind = DVSEC_STEP_DONE, .effect = e, .ok = true }
#define FAILED(e)	{ .kind = DVSEC_STEP_DONE, .effect = e }
#define LIVE(v)		{ .kind = DVSEC_STEP_LIVE, .val = v }
#define VIRAL		{ .kind = DVSEC_STEP_VIRAL }
#define CXL_RESET	{ .kind = DVSEC_STEP_CXL_RESET }
#define PENDING(yes)	{ .kind = DVSEC_STEP_PENDING, .ok = yes }
#define NO_CACHING(yes)	{ .kind = DVSEC_STEP_NO_CACHING, .ok = yes }
#define FRESH		{ .kind = DVSEC_STEP_FRESH }

/* Effects: write-back, CXL Reset, the same with Mem_Clr, Disable_Caching */
#define WBI		1
#define RST		2
#define RST_CLR		6
#define CCH		8

/* An accelerator as there may be, of 1 GiB at 0x1080000000, and all bits set */
#define HW_ACCEL	.len = 0x3c, .hw = {				\
	0x00010023, 0x03c11e98, 0x8ad70000, 0x00000006,			\
	0x80000000, 0x00120000, 0x00000000, 0x40000003,			\
	0x00000010, 0x80000000, 0x00000000, 0x00000000,			\
	0x00000000, 0x00000000, 0x00000001 }
#define HW_ONES		.len = 0x3c, .hw = {				\
	0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,			\
	0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,			\
	0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,			\
	0xffffffff, 0xffffffff, 0xffffffff }
#define HW_CAP(cap)	.len = 0x3c, .hw = { [2] = (u32)(cap) << 16 }

static const struct dvsec_vector dvsec_vectors[] = {
	{
		.name = "fresh: what is the hardware's, and what is not",
		HW_ONES,
		.steps = {
			RD(0x00, 8, 0),
			RD(0x08, 4, 0xffdfffff),
			RD(0x0c, 4, 0x00000fff),
			RD(0x10, 4, 0x80000000),
			RD(0x14, 4, 0xffff0000),
			RD(0x18, 8, 0xffffffffffffffff),
			RD(0x20, 8, 0),
			RD(0x28, 8, 0),
			RD(0x30, 8, 0),
			RD(0x38, 4, 0xffffffff),
			RD(0x3c, 4, 0),
		},
	}, {
		.name = "fresh: what is always set",
		HW_CAP(0),
		.steps = {
			RD(0x08, 4, 0),
			RD(0x0c, 4, 0x00000002),
			RD(0x10, 8, 0),
			RD(0x18, 8, 0),
			RD(0x20, 8, 0),
			RD(0x38, 8, 0),
		},
	}, {
		.name = "fresh: an accelerator",
		HW_ACCEL,
		.steps = {
			RD(0x0a, 2, 0x8ad7),
			RD(0x0c, 2, 0x0006),
			RD(0x0e, 2, 0),
			RD(0x10, 2, 0),
			RD(0x12, 2, 0x8000),
			RD(0x14, 2, 0),
			RD(0x16, 2, 0x0012),
			RD(0x18, 4, 0),
			RD(0x1c, 4, 0x40000003),
			RD(0x20, 4, 0),
			RD(0x24, 4, 0),
			RD(0x38, 4, 1),
		},
	}, {
		.name = "HDM_Count: no range",
		HW_CAP(0xffcf),
		.steps = { RD(0x0a, 2, 0xffcf) },
	}, {
		.name = "HDM_Count: one range",
		HW_CAP(0x0010),
		.steps = { RD(0x0a, 2, 0x0010) },
	}, {
		.name = "HDM_Count: two ranges are one",
		HW_CAP(0x0020),
		.steps = { RD(0x0a, 2, 0x0010) },
	}, {
		.name = "HDM_Count: a reserved number is one",
		HW_CAP(0x0030),
		.steps = { RD(0x0a, 2, 0x0010) },
	}, {
		.name = "read-only: all that is the hardware's",
		HW_ACCEL,
		.steps = {
			WR(0x00, 8, 0xffffffffffffffff),
			WR(0x08, 4, 0xffffffff),
			WR(0x08, 4, 0),
			WR(0x12, 2, 0xffff),
			WR(0x12, 2, 0),
			WR(0x16, 2, 0xffff),
			WR(0x16, 2, 0),
			WR(0x18, 8, 0xffffffffffffffff),
			WR(0x18, 8, 0),
			WR(0x28, 8, 0xffffffffffffffff),
			WR(0x30, 8, 0xffffffffffffffff),
			WR(0x38, 8, 0xffffffffffffffff),
			WR(0x38, 8, 0),
			RD(0x00, 8, 0),
			RD(0x08, 8, 0x000000068ad70000),
			RD(0x10, 8, 0x0012000080000000),
			RD(0x18, 8, 0x4000000300000000),
			RD(0x20, 8, 0),
			RD(0x28, 8, 0),
			RD(0x30, 8, 0),
			RD(0x38, 8, 1),
		},
	}, {
		.name = "Control: what can be written",
		HW_ACCEL,
		.steps = {
			WR(0x0c, 2, 0xffff),
			RD(0x0c, 4, 0x4006),
			WR(0x0c, 2, 0),
			RD(0x0c, 4, 0x0002),
			WR(0x0c, 4, 0x4001),
			RD(0x0c, 4, 0x4002),
			WR(0x0d, 1, 0x08),
			RD(0x0c, 4, 0x0002),
			WR(0x0c, 1, 0xfc),
			RD(0x0c, 4, 0x0006),
			WR(0x0d, 1, 0x47),
			RD(0x0c, 4, 0x4006),
			RD(0x10, 4, 0x80000000),
		},
	}, {
		.name = "Control: what it says of the cache is the hardware's",
		HW_ONES,
		.steps = {
			WR(0x0c, 2, 0),
			RD(0x0c, 4, 0x0ffb),
			WR(0x0c, 2, 0xffff),
			RD(0x0c, 4, 0x4fff),
			WR(0x0c, 8, 0),
			RD(0x0c, 4, 0x0ffb),
		},
	}, {
		.name = "Control: the hardware's Viral_Enable is not the guest's",
		.len = 0x3c,
		.hw = { [3] = 0xffff4528 },
		.steps = {
			RD(0x0c, 4, 0x052a),
			WR(0x0c, 2, 0x4000),
			RD(0x0c, 4, 0x452a),
			WR(0x0c, 2, 0x0004),
			RD(0x0c, 4, 0x052e),
		},
	}, {
		.name = "Status: Viral_Status is cleared by a one",
		HW_ACCEL,
		.steps = {
			WR(0x0e, 2, 0xffff),
			RD(0x0c, 4, 0x00000006),
			VIRAL,
			RD(0x0e, 2, 0x4000),
			WR(0x0e, 2, 0xbfff),
			WR(0x0c, 2, 0x4006),
			WR(0x0e, 1, 0xff),
			WR(0x0c, 4, 0xbfff4006),
			RD(0x0c, 4, 0x40004006),
			WR(0x0c, 4, 0x40000006),
			RD(0x0c, 4, 0x00000006),
			VIRAL,
			WR(0x0f, 1, 0x40),
			RD(0x0c, 4, 0x00000006),
		},
	}, {
		.name = "Status: Viral_Status is not locked",
		HW_ACCEL,
		.steps = {
			VIRAL,
			WR(0x14, 2, 1),
			RD(0x0e, 2, 0x4000),
			WR(0x0c, 4, 0x40000000),
			RD(0x0c, 4, 0x00000006),
		},
	}, {
		.name = "Control2: what can be written",
		HW_ACCEL,
		.steps = {
			WR_ASK(0x10, 2, 0xfff9, CCH),
			RD(0x10, 4, 0x80000009),
			WR(0x10, 2, 0x0001),
			RD(0x10, 4, 0x80000001),
			WR_ASK(0x10, 1, 0x08, CCH),
			WR(0x11, 1, 0xff),
			RD(0x10, 4, 0x80000008),
			WR(0x11, 3, 0),
			RD(0x10, 4, 0x80000008),
			WR(0x10, 4, 0),
			RD(0x10, 4, 0x80000000),
		},
	}, {
		.name = "Disable_Caching: each change is for the caller to do",
		HW_ACCEL,
		.steps = {
			NO_CACHING(false),
			WR_ASK(0x10, 1, 0x01, CCH),
			NO_CACHING(true),
			WR(0x10, 2, 0x0001),
			WR(0x10, 2, 0x0009),
			WR(0x11, 1, 0x01),
			NO_CACHING(true),
			WR_ASK(0x10, 4, 0, CCH),
			NO_CACHING(false),
			WR(0x10, 4, 0xfffffff8),
			WR_ASK(0x10, 1, 0x07, CCH | WBI | RST),
			RD(0x10, 4, 0x80000001),
		},
	}, {
		.name = "Disable_Caching: not without a cache",
		HW_CAP(0x8ad6),
		.steps = {
			WR(0x10, 1, 0x01),
			NO_CACHING(false),
			RD(0x10, 4, 0),
			WR(0x10, 1, 0x03),
			RD(0x10, 4, 0),
			DONE(WBI),
			RD(0x10, 4, 0),
			WR_ASK(0x10, 1, 0x0f, RST_CLR),
			RD(0x10, 4, 0x00000008),
		},
	}, {
		.name = "Control: the same without any capability",
		HW_CAP(0),
		.steps = {
			WR(0x0c, 2, 0xffff),
			RD(0x0c, 4, 0x4006),
			WR(0x0c, 2, 0),
			RD(0x0c, 4, 0x0002),
		},
	}, {
		.name = "Control2: without any capability",
		HW_CAP(0x173e),
		.steps = {
			WR(0x10, 2, 0xffff),
			RD(0x10, 4, 0),
			WR(0x10, 2, 0x0006),
			RD(0x10, 4, 0),
		},
	}, {
		.name = "write-back: only with its capability",
		HW_CAP(0x0041),
		.steps = {
			WR_ASK(0x10, 2, 0xffff, CCH | WBI),
			RD(0x10, 4, 0x00000001),
			WR_ASK(0x10, 1, 0x02, CCH | WBI),
			RD(0x10, 4, 0),
			WR_ASK(0x10, 2, 0xfffd, CCH),
			RD(0x10, 4, 0x00000001),
		},
	}, {
		.name = "write-back: only with a cache",
		HW_CAP(0x0040),
		.steps = {
			WR(0x10, 2, 0xffff),
			RD(0x10, 4, 0),
		},
	}, {
		.name = "write-back: a cache alone does not announce it",
		HW_CAP(0x08bf),
		.steps = {
			WR_ASK(0x10, 2, 0x0003, CCH),
			RD(0x10, 4, 0x00000001),
		},
	}, {
		.name = "CXL Reset: only with its capability",
		HW_CAP(0x0080),
		.steps = {
			WR_ASK(0x10, 2, 0xffff, RST),
			RD(0x10, 4, 0),
			PENDING(true),
			DONE(RST),
			WR_ASK(0x10, 1, 0x04, RST),
			DONE(RST),
			WR(0x10, 2, 0xfffb),
			RD(0x10, 4, 0x00020000),
			PENDING(false),
		},
	}, {
		.name = "Mem_Clr: alone it asks for nothing",
		HW_CAP(0x0800),
		.steps = {
			WR(0x10, 2, 0xffff),
			RD(0x10, 4, 0x00000008),
			WR(0x10, 2, 0),
			RD(0x10, 4, 0),
		},
	}, {
		.name = "CXL Reset: asked for and complete",
		HW_ACCEL,
		.steps = {
			WR_ASK(0x10, 2, 0x0004, RST),
			RD(0x10, 4, 0x80000000),
			DONE(RST),
			RD(0x10, 4, 0x80020000),
			WR(0x12, 2, 0xffff),
			WR(0x10, 2, 0),
			RD(0x12, 2, 0x8002),
			WR_ASK(0x10, 2, 0x0004, RST),
			RD(0x12, 2, 0x8000),
			DONE(RST),
			RD(0x12, 2, 0x8002),
		},
	}, {
		.name = "CXL Reset: failed, and asked for again",
		HW_ACCEL,
		.steps = {
			WR_ASK(0x10, 2, 0x0004, RST),
			FAILED(RST),
			RD(0x10, 4, 0x80040000),
			WR(0x10, 4, 0xffff0000),
			RD(0x12, 2, 0x8004),
			WR_ASK(0x10, 2, 0x0004, RST),
			RD(0x12, 2, 0x8000),
			DONE(RST),
			RD(0x12, 2, 0x8002),
			WR_ASK(0x10, 2, 0x0004, RST),
			FAILED(RST),
			RD(0x12, 2, 0x8004),
		},
	}, {
		.name = "CXL Reset: while it is pending nothing else starts",
		HW_ACCEL,
		.steps = {
			PENDING(false),
			WR_ASK(0x10, 2, 0x0001, CCH),
			WR_ASK(0x10, 2, 0x0003, WBI),
			PENDING(false),
			DONE(WBI),
			WR_ASK(0x10, 2, 0x0005, RST),
			PENDING(true),
			WR(0x10, 2, 0x0005),
			WR(0x10, 2, 0x0003),
			WR(0x10, 2, 0x000f),
			RD(0x10, 4, 0x80010009),
			WR(0x10, 2, 0x0000),
			RD(0x10, 4, 0x80000000),
			WR(0x10, 2, 0x0001),
			NO_CACHING(true),
			DONE(WBI),
			PENDING(true),
			RD(0x12, 2, 0x8001),
			FAILED(RST),
			PENDING(false),
			RD(0x10, 4, 0x80050001),
			WR_ASK(0x10, 2, 0x0003, WBI),
			WR_ASK(0x10, 2, 0x0004, CCH | RST),
			DONE(RST),
			WR_ASK(0x10, 2, 0x0004, RST),
			PENDING(true),
		},
	}, {
		.name = "CXL Reset: one that is not pending does not end",
		HW_ACCEL,
		.steps = {
			DONE(RST),
			FAILED(RST),
			RD(0x10, 4, 0x80000000),
			WR_ASK(0x10, 2, 0x0004, RST),
			FRESH,
			PENDING(false),
			DONE(RST),
			RD(0x10, 4, 0x80000000),
			WR_ASK(0x10, 2, 0x0004, RST),
			DONE(RST),
			FAILED(RST),
			RD(0x10, 4, 0x80020000),
		},
	}, {
		.name = "CXL Reset: what it does to the registers",
		HW_ONES,
		.steps = {
			WR(0x0c, 2, 0x4004),
			VIRAL,
			WR(0x20, 8, 0x5000000000000004),
			WR_ASK(0x10, 2, 0x000b, CCH | WBI),
			DONE(WBI),
			WR_ASK(0x10, 2, 0x000d, RST_CLR),
			RD(0x10, 4, 0x80010009),
			CXL_RESET,
			PENDING(true),
			NO_CACHING(false),
			RD(0x0c, 4, 0x40004ffb),
			RD(0x10, 8, 0xffff000080000000),
			DONE(RST_CLR),
			RD(0x10, 8, 0xffff000080020000),
			RD(0x08, 4, 0xffdfffff),
			RD(0x18, 8, 0xffffffffffffffff),
			RD(0x20, 8, 0x5000000000000004),
			RD(0x38, 4, 0xffffffff),
			WR_ASK(0x10, 2, 0x0004, RST),
			DONE(RST),
			WR(0x0c, 2, 0x0004),
			RD(0x0c, 4, 0x40000fff),
		},
	}, {
		.name = "CXL Reset: Mem_Enable stays when locked",
		HW_ACCEL,
		.steps = {
			WR(0x0c, 2, 0x4004),
			WR(0x20, 8, 0x5000000000000004),
			WR(0x14, 1, 0x01),
			WR_ASK(0x10, 2, 0x000d, CCH | RST_CLR),
			CXL_RESET,
			FAILED(RST),
			RD(0x0c, 4, 0x00004006),
			RD(0x10, 8, 0x0012000180040000),
			RD(0x20, 8, 0x5000000000000004),
			WR(0x0c, 2, 0x0000),
			RD(0x0c, 4, 0x00004006),
			CXL_RESET,
			RD(0x10, 8, 0x0012000180040000),
			FRESH,
			RD(0x0c, 4, 0x00000006),
		},
	}, {
		.name = "CXL Reset: with Mem_Clr, set before",
		HW_ACCEL,
		.steps = {
			WR(0x10, 2, 0x0008),
			WR_ASK(0x10, 2, 0x000c, RST_CLR),
			RD(0x10, 4, 0x80000008),
			CXL_RESET,
			DONE(RST_CLR),
			RD(0x10, 4, 0x80020000),
			WR_ASK(0x10, 2, 0x0004, RST),
			RD(0x10, 4, 0x80000000),
		},
	}, {
		.name = "CXL Reset: with Mem_Clr, set and cleared by the same write",
		HW_ACCEL,
		.steps = {
			WR_ASK(0x10, 1, 0x0c, RST_CLR),
			FAILED(RST_CLR),
			WR_ASK(0x10, 1, 0x04, RST),
			FAILED(RST),
			WR_ASK(0x10, 4, 0xffff000c, RST_CLR),
			FAILED(RST_CLR),
			RD(0x10, 4, 0x80040008),
		},
	}, {
		.name = "write-back: the cache is invalid while caching is off",
		HW_ACCEL,
		.steps = {
			WR_ASK(0x10, 2, 0x0001, CCH),
			RD(0x12, 2, 0x8000),
			WR_ASK(0x10, 2, 0x0003, WBI),
			RD(0x10, 4, 0x80000001),
			DONE(WBI),
			RD(0x10, 4, 0x80010001),
			WR(0x12, 2, 0),
			WR(0x10, 2, 0x0001),
			RD(0x10, 4, 0x80010001),
			WR_ASK(0x10, 2, 0x0008, CCH),
			RD(0x10, 4, 0x80000008),
			WR_ASK(0x10, 2, 0x0001, CCH),
			RD(0x10, 4, 0x80000001),
		},
	}, {
		.name = "write-back: while caching is on it makes nothing invalid",
		HW_ACCEL,
		.steps = {
			WR_ASK(0x10, 2, 0x0002, WBI),
			DONE(WBI),
			RD(0x10, 4, 0x80000000),
			WR_ASK(0x10, 2, 0x0001, CCH),
			RD(0x10, 4, 0x80000001),
		},
	}, {
		.name = "write-back: in one write with Disable_Caching",
		HW_ACCEL,
		.steps = {
			WR_ASK(0x10, 2, 0x0003, CCH | WBI),
			DONE(WBI),
			RD(0x10, 4, 0x80010001),
			WR_ASK(0x10, 2, 0x0002, CCH | WBI),
			RD(0x10, 4, 0x80000000),
			DONE(WBI),
			RD(0x10, 4, 0x80000000),
		},
	}, {
		.name = "write-back: the next one starts afresh, and may fail",
		HW_ACCEL,
		.steps = {
			WR_ASK(0x10, 2, 0x0003, CCH | WBI),
			DONE(WBI),
			WR_ASK(0x10, 2, 0x0003, WBI),
			RD(0x10, 4, 0x80000001),
			FAILED(WBI),
			RD(0x10, 4, 0x80000001),
		},
	}, {
		.name = "both doorbells: each has its own status",
		HW_ACCEL,
		.steps = {
			WR_ASK(0x10, 2, 0x000f, CCH | WBI | RST_CLR),
			RD(0x10, 4, 0x80000009),
			DONE(WBI | RST_CLR),
			RD(0x10, 4, 0x80030009),
			WR_ASK(0x10, 2, 0x0005, RST),
			RD(0x10, 4, 0x80010001),
			FAILED(RST),
			RD(0x10, 4, 0x80050001),
			WR_ASK(0x10, 2, 0x0003, WBI),
			RD(0x10, 4, 0x80040001),
			DONE(WBI),
			RD(0x10, 4, 0x80050001),
			WR_ASK(0x10, 2, 0x0007, WBI | RST),
			FAILED(WBI | RST),
			RD(0x10, 4, 0x80040001),
		},
	}, {
		.name = "reports: of nothing",
		HW_ACCEL,
		.steps = {
			WR_ASK(0x10, 2, 0x0005, CCH | RST),
			DONE(0),
			FAILED(0),
			DONE(4),
			FAILED(4),
			DONE(CCH),
			FAILED(CCH),
			RD(0x10, 4, 0x80000001),
			PENDING(true),
		},
	}, {
		.name = "lock: can be set, and not cleared",
		HW_ACCEL,
		.steps = {
			WR(0x14, 2, 0xfffe),
			RD(0x14, 4, 0x00120000),
			WR(0x15, 1, 0x01),
			RD(0x14, 4, 0x00120000),
			WR(0x14, 2, 0xffff),
			RD(0x14, 4, 0x00120001),
			WR(0x14, 4, 0),
			WR(0x14, 1, 0),
			RD(0x14, 4, 0x00120001),
		},
	}, {
		.name = "lock: freezes Control and the base, but not Control2",
		HW_ACCEL,
		.steps = {
			WR(0x0c, 2, 0x4000),
			WR(0x10, 2, 0x0008),
			WR(0x20, 4, 0x00000011),
			WR(0x24, 4, 0x20000000),
			WR(0x14, 1, 0x01),
			WR(0x0c, 2, 0xbfff),
			WR(0x0c, 4, 0),
			WR(0x0d, 1, 0xff),
			WR_ASK(0x10, 1, 0x01, CCH),
			WR(0x20, 8, 0),
			WR(0x20, 8, 0xffffffffffffffff),
			RD(0x0c, 4, 0x4002),
			RD(0x10, 4, 0x80000001),
			RD(0x20, 8, 0x2000000000000011),
			WR_ASK(0x10, 1, 0x08, CCH),
			RD(0x10, 4, 0x80000008),
		},
	}, {
		.name = "lock: the doorbells ring all the same",
		HW_ACCEL,
		.steps = {
			WR(0x10, 2, 0x0008),
			WR(0x14, 1, 0x01),
			WR_ASK(0x10, 2, 0x000c, RST_CLR),
			RD(0x10, 4, 0x80000008),
			DONE(RST_CLR),
			RD(0x10, 4, 0x80020008),
			WR_ASK(0x10, 2, 0x0003, CCH | WBI),
			DONE(WBI),
			RD(0x10, 4, 0x80030001),
			WR_ASK(0x10, 2, 0x0005, RST),
			FAILED(RST),
			RD(0x10, 4, 0x80050001),
		},
	}, {
		.name = "lock: Mem_Clr that was off can be set",
		HW_ACCEL,
		.steps = {
			WR_ASK(0x10, 2, 0x0001, CCH),
			WR(0x14, 1, 0x01),
			WR_ASK(0x10, 2, 0x000f, WBI | RST_CLR),
			RD(0x10, 4, 0x80000009),
			DONE(WBI | RST),
			RD(0x10, 4, 0x80030009),
			WR_ASK(0x10, 2, 0, CCH),
			RD(0x10, 4, 0x80020000),
		},
	}, {
		.name = "lock: in one write, what precedes it is taken",
		HW_ACCEL,
		.steps = {
			WR_ASK(0x0d, 8, 0x010000000d000040, CCH | RST_CLR),
			RD(0x0c, 8, 0x8000000900004006),
			RD(0x14, 4, 0x00120001),
			WR(0x0c, 2, 0),
			RD(0x0c, 4, 0x00004006),
		},
	}, {
		.name = "base: the guest's own, in units of 256 MiB",
		HW_ACCEL,
		.steps = {
			WR(0x20, 8, 0xffffffffffffffff),
			RD(0x20, 8, 0xf0000000ffffffff),
			WR(0x20, 4, 0x00000004),
			WR(0x24, 4, 0x50000000),
			RD(0x20, 8, 0x5000000000000004),
			RD(0x18, 8, 0x4000000300000000),
			WR(0x24, 3, 0xffffff),
			RD(0x24, 4, 0x50000000),
			WR(0x27, 1, 0x9f),
			RD(0x24, 4, 0x90000000),
			WR(0x21, 1, 0x12),
			RD(0x20, 8, 0x9000000000001204),
		},
	}, {
		.name = "memory: valid and active as they are now",
		HW_ACCEL,
		.steps = {
			LIVE(0xfffffffc),
			RD(0x1c, 4, 0x40000000),
			LIVE(0x00000001),
			RD(0x1c, 4, 0x40000001),
			LIVE(0x00000002),
			RD(0x1c, 4, 0x40000002),
			WR(0x1c, 4, 0xffffffff),
			RD(0x1c, 4, 0x40000002),
			LIVE(0xffffffff),
			RD(0x18, 8, 0x4000000300000000),
			RD(0x20, 8, 0),
		},
	}, {
		.name = "straddling: Control, Status and Control2",
		HW_ACCEL,
		.steps = {
			VIRAL,
			WR_ASK(0x0d, 4, 0x0c40004f, RST_CLR),
			RD(0x0c, 8, 0x8000000800004006),
			RD(0x0d, 4, 0x08000040),
			DONE(RST_CLR),
			WR_ASK(0x0f, 2, 0x0100, CCH),
			RD(0x0f, 2, 0x0100),
			WR_ASK(0x09, 8, 0x00000000000000ff, CCH),
			RD(0x08, 8, 0x000000028ad70000),
			WR_ASK(0x0b, 8, 0xffff0affff0004ff, WBI),
			RD(0x0c, 8, 0x8002000800000006),
		},
	}, {
		.name = "straddling: Control2, Lock and what follows",
		HW_ACCEL,
		.steps = {
			WR(0x11, 4, 0xfeffffff),
			RD(0x10, 8, 0x0012000080000000),
			WR_ASK(0x0e, 8, 0xffff000100070000, CCH | WBI | RST),
			RD(0x10, 8, 0x0012000180000001),
			RD(0x13, 3, 0x000180),
			WR(0x1d, 8, 0xffffffffffffffff),
			RD(0x1c, 8, 0x40000003),
		},
	}, {
		.name = "straddling: base and second range",
		HW_ACCEL,
		.steps = {
			WR(0x1e, 8, 0x9876543210abcdef),
			RD(0x1e, 8, 0x0000543210ab4000),
			WR(0x23, 8, 0xffffffa9876543ba),
			RD(0x20, 8, 0xa0000000ba3210ab),
		},
	}, {
		.name = "the end: beyond it, and near 2^32",
		HW_ONES,
		.steps = {
			WR(0x3b, 8, 0),
			RD(0x3b, 8, 0xff),
			RD(0x36, 8, 0x0000ffffffff0000),
			RD(0x3c, 8, 0),
			WR(0x3c, 8, 0xffffffffffffffff),
			RD(0x3c, 8, 0),
			WR(0xfffffffc, 8, 0xffffffffffffffff),
			WR(0xffffffff, 8, 0xffffffffffffffff),
			WR(0x80000010, 4, 0xf),
			WR(0x1010, 4, 0xf),
			RD(0xfffffffc, 8, 0),
			RD(0xffffffff, 8, 0),
			RD(0x80000008, 8, 0),
			RD(0x1008, 8, 0),
			RD(0x10, 4, 0x80000000),
		},
	}, {
		.name = "lengths: none, odd, and too many",
		HW_ACCEL,
		.steps = {
			WR(0x0c, 0, 0xffffffffffffffff),
			WR(0x10, 0, 0xffffffffffffffff),
			RD(0x0c, 8, 0x8000000000000006),
			RD(0x0c, 0, 0),
			RD(0x0c, 1, 0x06),
			RD(0x0a, 3, 0x068ad7),
			RD(0x08, 7, 0x000000068ad70000),
			WR(0x20, 5, 0xffffffff12345678),
			RD(0x20, 8, 0x12345678),
			RD(0x20, 9, 0x12345678),
			RD(0x1c, 0xffffffff, 0x1234567840000003),
			WR(0x20, 9, 0xa00000000000001f),
			RD(0x20, 8, 0xa00000000000001f),
			RD(0x28, 4, 0),
			WR(0x0c, 0xffffffff, 0),
			RD(0x0c, 8, 0x8000000000000002),
			RD(0x14, 4, 0x00120000),
		},
	}, {
		.name = "short: without Capability3",
		.len = 0x38,
		.hw = { [2] = 0x08c00000, [14] = 0xffffffff },
		.steps = {
			RD(0x38, 4, 0),
			RD(0x34, 8, 0),
			WR_ASK(0x10, 2, 0x0004, RST),
		},
	}, {
		.name = "short: a dword that is cut off is not there",
		.len = 0x13,
		.hw = { [2] = 0xffc00000, [3] = 0xffffffff, [4] = 0xffffffff },
		.steps = {
			RD(0x08, 8, 0x00000fffffc00000),
			RD(0x10, 4, 0),
			WR(0x10, 4, 0x0000ffff),
			RD(0x10, 4, 0),
			DONE(WBI | RST),
			FAILED(WBI | RST),
			LIVE(3),
			RD(0x10, 8, 0),
			RD(0x1c, 4, 0),
			WR(0x14, 4, 1),
			WR(0x0c, 2, 0),
			CXL_RESET,
			RD(0x0c, 8, 0x0ffb),
			NO_CACHING(false),
		},
	}, {
		.name = "short: without Lock nothing is locked",
		.len = 0x14,
		.hw = { [2] = 0x08800000, [5] = 0xffffffff },
		.steps = {
			WR(0x14, 4, 1),
			RD(0x14, 4, 0),
			WR(0x0c, 2, 0x0004),
			RD(0x0c, 4, 0x0006),
			WR_ASK(0x10, 8, 0x00000001ffff000c, RST_CLR),
			RD(0x0c, 8, 0x0000000800000006),
			WR(0x0c, 2, 0),
			RD(0x0c, 4, 0x0002),
		},
	}, {
		.name = "short: headers only",
		.len = 9,
		.hw = { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
		.steps = {
			RD(0x00, 8, 0),
			RD(0x08, 8, 0),
			WR(0x08, 8, 0xffffffffffffffff),
			WR(0x0c, 8, 0xffffffffffffffff),
			LIVE(3),
			RD(0x08, 8, 0),
			RD(0x18, 8, 0),
		},
	}, {
		.name = "short: nothing at all",
		.hw = { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
		.steps = {
			RD(0x00, 8, 0),
			WR(0x00, 8, 0xffffffffffffffff),
			WR(0x0c, 8, 0xffffffffffffffff),
			RD(0x0c, 8, 0),
		},
	}, {
		.name = "longer than what is modelled",
		.len = 0xffffffff,
		.hw = { [2] = 0x0010ffff, [14] = 0x12345678 },
		.steps = {
			RD(0x08, 8, 0x000000020010ffff),
			RD(0x38, 8, 0x12345678),
			RD(0x3c, 8, 0),
			WR(0x3c, 8, 0xffffffffffffffff),
			RD(0x3c, 8, 0),
		},
	}, {
		.name = "fresh again: leaves nothing of the past",
		HW_ACCEL,
		.steps = {
			WR(0x0c, 2, 0xffff),
			WR_ASK(0x10, 2, 0x000f, CCH | WBI | RST_CLR),
			DONE(WBI | RST_CLR),
			WR(0x20, 8, 0xffffffffffffffff),
			LIVE(0),
			VIRAL,
			WR(0x14, 2, 1),
			RD(0x0c, 4, 0x40004006),
			RD(0x10, 8, 0x0012000180030009),
			WR_ASK(0x10, 1, 0x04, CCH | RST),
			FRESH,
			PENDING(false),
			NO_CACHING(false),
			RD(0x08, 8, 0x000000068ad70000),
			RD(0x10, 8, 0x0012000080000000),
			RD(0x18, 8, 0x4000000300000000),
			RD(0x20, 8, 0),
			WR(0x0c, 2, 0x4000),
			RD(0x0c, 4, 0x4002),
		},
	},
};

#undef RD
#undef WR
#undef WR_ASK
#undef DONE
#undef FAILED
#undef LIVE
#undef VIRAL
#undef CXL_RESET
#undef PENDING
#undef NO_CACHING
#undef FRESH
#undef WBI
#undef RST
#undef RST_CLR
#undef CCH
#undef HW_ACCEL
#undef HW_ONES
#undef HW_CAP

static inline bool dvsec_vector_step(struct vfio_cxl_dvsec *s,
				     const struct dvsec_vector *v,
				     const struct dvsec_step *step)
{
	switch (step->kind) {
	case DVSEC_STEP_READ:
		return vfio_cxl_dvsec_read(s, step->off, step->len) ==
		       step->val;
	case DVSEC_STEP_WRITE:
		return vfio_cxl_dvsec_write(s, step->off, step->len,
					    step->val) == step->effect;
	case DVSEC_STEP_DONE:
		vfio_cxl_dvsec_done(s, step->effect, step->ok);
		return true;
	case DVSEC_STEP_LIVE:
		vfio_cxl_dvsec_set_mem_status(s, step->val);
		return true;
	case DVSEC_STEP_VIRAL:
		/* The model clears the bit, and nothing sets it but this. */
		s->reg[3] |= 0x40000000;
		return true;
	case DVSEC_STEP_CXL_RESET:
		vfio_cxl_dvsec_cxl_reset(s);
		return true;
	case DVSEC_STEP_PENDING:
		return vfio_cxl_dvsec_reset_pending(s) == step->ok;
	case DVSEC_STEP_NO_CACHING:
		return vfio_cxl_dvsec_caching_disabled(s) == step->ok;
	case DVSEC_STEP_FRESH:
		vfio_cxl_dvsec_init(s, v->hw, v->len);
		return true;
	default:
		return false;
	}
}

/**
 * dvsec_vector_run - take a vector through the model
 * @v: the vector
 * @s: memory for the state
 *
 * Return: 0 if all is as it should be, else 1 + the index of the step that was
 * not.
 */
static inline int dvsec_vector_run(const struct dvsec_vector *v,
				   struct vfio_cxl_dvsec *s)
{
	const int max = sizeof(v->steps) / sizeof(*v->steps);
	unsigned int n;
	int i;

	/* What was in that memory must not matter. */
	for (n = 0; n < sizeof(*s); n++)
		((u8 *)s)[n] = 0xff;
	vfio_cxl_dvsec_init(s, v->hw, v->len);
	for (i = 0; i < max && v->steps[i].kind != DVSEC_STEP_END; i++)
		if (!dvsec_vector_step(s, v, &v->steps[i]))
			return i + 1;
	return 0;
}

#endif /* VFIO_CXL_TESTS_VECTORS_H */

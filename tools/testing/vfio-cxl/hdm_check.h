/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The HDM decoder model under observation: operations, properties, coverage
 *
 * A session is one virtual HDM block (struct hdm_world), taken through
 * operations that hdm_gen.c makes, with the oracle beside it and one property
 * checked after each operation. All operations are logged, so a session that
 * failed can be replayed, shrunk and printed. hdm_test.c runs sessions with
 * random numbers, hdm_fuzz.c with the fuzzer's bytes.
 */
#ifndef VFIO_CXL_HDM_CHECK_H
#define VFIO_CXL_HDM_CHECK_H

#include <linux/types.h>

#include "../../../drivers/vfio/pci/cxl/hdm.h"
#include "hdm_oracle.h"
#include "source.h"

enum hdm_op_kind {
	HDM_OP_WRITE,
	HDM_OP_READ,
	HDM_OP_RANGE,
	HDM_OP_RESET,
};

/**
 * struct hdm_op - one call of the model
 * @kind: which
 * @off: offset, or the decoder for a range
 * @len: number of bytes
 * @val: value to write
 * @cut: bit i: the split access that P2 compares with has a cut before byte i
 */
struct hdm_op {
	enum hdm_op_kind kind;
	u32 off;
	unsigned int len;
	u64 val;
	u8 cut;
};

#define HDM_OPS_PER_ACTION	50
#define HDM_LOG_MAX		2048

struct hdm_log {
	struct vfio_cxl_hdm_hw hw;
	unsigned int n;
	struct hdm_op op[HDM_LOG_MAX];
};

/* What happened, as the oracle sees it. All must happen in a test run. */
enum hdm_cover {
	COVER_WRITES,
	COVER_READS,
	COVER_RANGES,
	COVER_RESETS,
	COVER_COMMITS,
	COVER_LOCKED,
	COVER_UNCOMMITS,
	COVER_ERRORS,
	COVER_ERROR_BY,		/* one for each reason, when it is alone */
	COVER_RETRIES = COVER_ERROR_BY + ORACLE_REASONS,
	COVER_COMMIT_SKIP,
	COVER_COMMIT_FULL,
	COVER_COMMIT_TENTH,
	COVER_COMMIT_WIDE,
	COVER_COMMIT_STRADDLE,
	COVER_UNCOMMIT_STRADDLE,
	COVER_STRADDLES,
	COVER_KEPT_LOCK,
	COVER_KEPT_COMMIT,
	COVER_KEPT_ORDER,
	COVER_POISON_SET,
	COVER_POISON_REFUSED,
	COVER_RESET_COMMITTED,
	COVER_RESET_LOCKED,
	COVER_OUTSIDE,
	COVER_LONG,
	COVER_HW_REFUSED,
	COVER_COUNT,		/* one for each encoding, 0 to 5 */
	COVER_MAX = COVER_COUNT + 6,
};

extern const char *const hdm_cover_name[COVER_MAX];
extern u64 hdm_covered[COVER_MAX];

#define HDM_VIEW_SIZE		0x160	/* past the end of the largest */

/* The model, the oracle, and what the last operation did. */
struct hdm_world {
	struct vfio_cxl_hdm_hw hw;
	struct vfio_cxl_hdm *model;
	struct vfio_cxl_hdm *twin;	/* a second model, for the property */
	struct oracle oracle;

	struct vfio_cxl_hdm_effect effect;
	struct oracle_event event;
	u64 value;
	bool state_changed;
	bool looking_changed;		/* by what the view was read with */
	bool in_range;
	u64 base;
	u64 size;
	u8 before[HDM_VIEW_SIZE];
	u8 after[HDM_VIEW_SIZE];

	u16 mapped;			/* P7: the replay of the effects */
	u64 mapped_base[16];
	u64 mapped_size[16];
};

/**
 * struct hdm_property - something that always holds
 * @name: what
 * @wild: not only sensible operations
 * @start: prepare, after the model was made
 * @step: look, after an operation; return NULL or what is wrong
 */
struct hdm_property {
	const char *name;
	bool wild;
	void (*start)(struct hdm_world *w);
	const char *(*step)(struct hdm_world *w, const struct hdm_op *op);
};

#define HDM_PROPERTIES		11

extern const struct hdm_property hdm_properties[HDM_PROPERTIES];

/* hdm_gen.c */
void hdm_gen_hw(struct source *src, struct vfio_cxl_hdm_hw *hw);
unsigned int hdm_gen_ops(struct source *src, const struct oracle *o, bool wild,
			 struct hdm_op *op);

/* hdm_check.c */
const char *hdm_session(const struct hdm_property *p, struct source *src,
			unsigned int actions, struct hdm_log *log);
void hdm_shrink(const struct hdm_property *p, struct hdm_log *log);
void hdm_print(const struct hdm_log *log, const char *prefix);
void hdm_print_on_death(void);

#endif /* VFIO_CXL_HDM_CHECK_H */

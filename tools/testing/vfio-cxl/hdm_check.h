/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The HDM decoder model under observation: see session.h
 */
#ifndef VFIO_CXL_HDM_CHECK_H
#define VFIO_CXL_HDM_CHECK_H

#include <linux/types.h>

#include "../../../drivers/vfio/pci/cxl/hdm.h"
#include "hdm_oracle.h"
#include "session.h"

enum hdm_op_kind {
	HDM_OP_RANGE = OP_OF_MODEL,	/* @off: the decoder */
	HDM_OP_RESET,
	HDM_OP_CXL_RESET,
};

struct hw {
	struct vfio_cxl_hdm_hw hdm;
};

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
	COVER_CXL_RESETS,
	COVER_CXL_RESET_COMMITTED,
	COVER_CXL_RESET_LOCKED,
	COVER_CXL_RESET_BOTH,
	COVER_COMMIT_BELOW,
	COVER_OUTSIDE,
	COVER_LONG,
	COVER_HW_REFUSED,
	COVER_COUNT,		/* one for each encoding, 0 to 5 */
	COVER_MAX = COVER_COUNT + 6,
};

#define HDM_VIEW_SIZE		0x160	/* past the end of the largest */

/* The model, the oracle, and what the last operation did. */
struct world {
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

#endif /* VFIO_CXL_HDM_CHECK_H */

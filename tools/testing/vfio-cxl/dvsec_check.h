/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Device DVSEC model under observation: see session.h
 */
#ifndef VFIO_CXL_DVSEC_CHECK_H
#define VFIO_CXL_DVSEC_CHECK_H

#include <linux/types.h>

#include "../../../drivers/vfio/pci/cxl/dvsec.h"
#include "dvsec_oracle.h"
#include "session.h"

enum dvsec_op_kind {
	DVSEC_OP_DONE = OP_OF_MODEL,	/* @val: deeds, @len: whether ok */
	DVSEC_OP_LIVE,			/* @val: the hardware's Size Low */
	DVSEC_OP_VIRAL,			/* the device has gone viral */
	DVSEC_OP_CXL_RESET,
	DVSEC_OP_FRESH,
};

struct hw {
	u32 len;
	u32 reg[ORACLE_BYTES / 4];
};

enum dvsec_cover {
	COVER_WRITES,
	COVER_READS,
	COVER_DONES,
	COVER_LIVES,
	COVER_VIRALS,
	COVER_FRESH,
	COVER_FRESH_LOCKED,
	COVER_RESET,
	COVER_RESET_CLEAR,
	COVER_WRITE_BACK,
	COVER_BOTH,
	COVER_RING_LOCKED,
	COVER_RING_WIDE,
	COVER_RING_STRADDLE,
	COVER_RING_CLEAR_ENABLE,
	COVER_REFUSED_RESET,
	COVER_REFUSED_CLEAR,
	COVER_REFUSED_WRITE_BACK,
	COVER_REFUSED_NO_CACHING,
	COVER_CACHING_OFF,
	COVER_CACHING_ON,
	COVER_DROPPED_RESET,
	COVER_DROPPED_WRITE_BACK,
	COVER_DROPPED_CACHING,
	COVER_LATE_REPORT,
	COVER_CXL_RESET,
	COVER_CXL_RESET_LOCKED,
	COVER_CXL_RESET_INVALID,
	COVER_RESET_OK,
	COVER_RESET_FAILED,
	COVER_WRITE_BACK_OK,
	COVER_WRITE_BACK_CACHING,
	COVER_WRITE_BACK_FAILED,
	COVER_VALID_BY_CACHING,
	COVER_VALID_BY_DOORBELL,
	COVER_COMPLETE_ENDED,
	COVER_ERROR_ENDED,
	COVER_LOCKED,
	COVER_LOCKED_WIDE,
	COVER_KEPT_CONTROL,
	COVER_CONTROL2_LOCKED,
	COVER_KEPT_BASE,
	COVER_VIRAL_CLEARED,
	COVER_STRADDLES,
	COVER_OUTSIDE,
	COVER_LONG,
	COVER_LEN_NONE,
	COVER_LEN_CUT,
	COVER_LEN_SHORT,
	COVER_LEN_FULL,
	COVER_LEN_MORE,
	COVER_COUNT,		/* one for each HDM_Count, 0 to 3 */
	COVER_MAX = COVER_COUNT + 4,
};

#define DVSEC_VIEW_SIZE		0x50	/* past the end */

/* The model, the oracle, and what the last operation did. */
struct world {
	struct hw hw;
	u32 *phys;			/* of @hw, just as much as there is */
	struct vfio_cxl_dvsec *model;
	struct vfio_cxl_dvsec *twin;	/* a second model, for the property */
	u32 *twin_phys;
	struct oracle oracle;
	unsigned int asked;		/* deeds not yet reported as done */

	unsigned int effect;
	struct oracle_event event;
	u64 value;
	bool state_changed;
	bool looking_changed;		/* by what the view was read with */
	u8 before[DVSEC_VIEW_SIZE];
	u8 after[DVSEC_VIEW_SIZE];

	/* P7: Status2, by what was returned and reported */
	bool complete;
	bool error;
	bool invalid;
	bool pending;
	bool was_pending;		/* before the last operation */
};

#endif /* VFIO_CXL_DVSEC_CHECK_H */

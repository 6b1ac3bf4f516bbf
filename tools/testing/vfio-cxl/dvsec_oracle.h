/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a virtual Device DVSEC should do, told a second time
 *
 * Like the other oracle it is made from the text (CXL r4.0 sec 8.1.3, the
 * contract of the driver, the DOC block of dvsec.c), not from the code, and
 * shares nothing with it: state is named fields, each in the byte where the
 * specification has it, and every access is a sequence of single bytes.
 *
 * It also tells why something happened, for the coverage counters of the tests.
 */
#ifndef VFIO_CXL_DVSEC_ORACLE_H
#define VFIO_CXL_DVSEC_ORACLE_H

#include <linux/types.h>

#define ORACLE_BYTES		60

/* What a guest can ask for */
enum oracle_deed {
	ORACLE_WRITE_BACK	= 1,
	ORACLE_RESET		= 2,
	ORACLE_CLEAR		= 4,	/* only together with a reset */
	ORACLE_CACHING		= 8,	/* Disable_Caching is another one */
};

struct oracle {
	unsigned int length;		/* whole dwords only */

	/* from the hardware, for good */
	u8 id[2];
	u8 capability[2];
	u8 capability2[2];
	u8 capability3[4];
	u8 size_high[4];
	u8 size_low[4];			/* without the two bits that are live */
	bool pm_init_complete;
	bool cache_enable;
	u8 sf_coverage;
	u8 sf_granularity;
	bool clean_eviction;
	bool can_cache;
	bool can_write_back;
	bool can_reset;
	bool can_clear;

	/* from the hardware, live */
	bool info_valid;
	bool active;

	/* the guest's */
	bool mem_enable;
	bool viral_enable;
	bool no_caching;
	bool clear_enable;
	bool locked;
	u8 base_high[4];
	u8 base_low;			/* 31:28, as four bits */

	/* what became of it */
	bool viral;
	bool cache_invalid;
	bool reset_complete;
	bool reset_error;
	bool reset_pending;
};

/* What one write did. */
struct oracle_event {
	unsigned int deeds;
	bool refused_write_back;	/* asked for, but not announced */
	bool refused_reset;
	bool refused_clear;
	bool refused_no_caching;
	bool dropped_write_back;	/* asked for while a reset is pending */
	bool dropped_reset;
	bool dropped_caching;
	bool kept_control;		/* would have changed, but is locked */
	bool kept_base;
	bool locked;
	bool viral_cleared;
	bool valid_by_caching;		/* Cache_Invalid ended: caching is on */
	bool valid_by_doorbell;
	bool complete_by_doorbell;	/* ended by the next reset */
	bool error_by_doorbell;
};

void oracle_init(struct oracle *o, const u32 *hw, u32 len);
u8 oracle_read(const struct oracle *o, u64 off);
void oracle_write(struct oracle *o, u64 off, u8 val, struct oracle_event *e);
void oracle_live(struct oracle *o, u32 size_low);
void oracle_done(struct oracle *o, unsigned int deeds, bool ok);
void oracle_cxl_reset(struct oracle *o);

#endif /* VFIO_CXL_DVSEC_ORACLE_H */

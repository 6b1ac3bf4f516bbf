/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a virtual HDM block should do, told a second time
 *
 * The oracle is made from the text (CXL r4.0 sec 8.2.4.20, the contract of the
 * driver, the DOC block of hdm.c), not from the code, and shares nothing with
 * it: state is named fields instead of registers, every access is a sequence
 * of single bytes, and all sums are done in 128 bits. It is slow, and meant to
 * be obvious.
 *
 * It also tells why something happened, for the generator and for the coverage
 * counters of the tests.
 */
#ifndef VFIO_CXL_HDM_ORACLE_H
#define VFIO_CXL_HDM_ORACLE_H

#include <linux/types.h>

#define ORACLE_DECODERS		10
#define ORACLE_UNIT		0x10000000ULL	/* 256 MiB */

/* Why a decoder was not committed; more than one may be true. */
enum oracle_reason {
	ORACLE_NO_SIZE		= 1,	/* SIZE is zero */
	ORACLE_WRAPS		= 2,	/* the end is not below 2^64 */
	ORACLE_NO_ROOM		= 4,	/* DPA beyond the capacity */
	ORACLE_OVERLAP		= 8,	/* HPA shared with another decoder */
	ORACLE_DESCENDING	= 16,	/* HPA below an earlier one, or above a later */
	ORACLE_NOT_NEXT		= 32,	/* an earlier decoder is not committed */
	ORACLE_INTERLEAVE	= 64,	/* more than one way */
};

#define ORACLE_REASONS		7

struct oracle_decoder {
	u64 base;
	u64 size;
	u64 skip;
	u8 granularity;
	u8 ways;
	bool lock;
	bool commit;
	bool committed;
	bool error;
	bool type;
	bool back_invalidate;
};

struct oracle {
	u64 capacity;
	u32 hw[3];			/* Capability, Global and decoder Control */
	u8 capability[4];
	bool can_poison;
	bool poison;
	bool enable;
	unsigned int count;
	struct oracle_decoder decoder[ORACLE_DECODERS];
};

/* What one write did. */
struct oracle_event {
	unsigned int map;		/* one bit for each decoder */
	unsigned int unmap;
	unsigned int failed;
	unsigned int reasons;		/* of the one in @failed */
	bool kept_by_lock;		/* a bit would have changed, but ... */
	bool kept_by_commit;
	bool kept_by_order;		/* COMMIT 1->0 below a committed one */
	bool poison_set;
	bool poison_refused;
};

unsigned int oracle_count(u32 cap);
bool oracle_init(struct oracle *o, u32 cap, u32 global, u32 ctrl, u64 size);
u64 oracle_length(const struct oracle *o);
u8 oracle_read(const struct oracle *o, u64 off);
void oracle_write(struct oracle *o, u64 off, u8 val, struct oracle_event *e);
void oracle_cxl_reset(struct oracle *o, struct oracle_event *e);
u64 oracle_used(const struct oracle *o, unsigned int n);

#endif /* VFIO_CXL_HDM_ORACLE_H */

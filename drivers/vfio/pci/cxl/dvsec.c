// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual CXL Device DVSEC
 */

/**
 * DOC: Device DVSEC model
 *
 * Decides what a guest sees in the Device DVSEC (CXL r4.0 sec 8.1.3). Like
 * hdm.c it knows no device, lock or errno, every function is total, and a wide
 * access does what the same bytes do one by one, lowest address first.
 *
 * Writes never reach hardware, and the ranges never show a host address: the
 * base of range 1 is the guest's own. Range 2 is zero and not counted in the
 * capability. The two bits that start something (Initiate CXL Reset, Initiate
 * Cache Write Back and Invalidation) are doorbells: they read as zero, and what
 * vfio_cxl_dvsec_write() returns is for the caller to do. It reports with
 * vfio_cxl_dvsec_done() before the guest reads Status2 again.
 *
 * CONFIG_LOCK freezes what Control and Control2 hold, until the model is made
 * anew. The doorbells hold nothing, and ring all the same: firmware that locks
 * the configuration does not take resets from the operating system.
 */
#include <linux/bits.h>
#include <linux/types.h>

#include "dvsec.h"

#define REG(off)	((off) / 4)
#define NR_REGS		REG(CXL_DVSEC_DEVICE_SIZE)

/**
 * struct dvsec_reg - how one dword behaves
 * @show: bits taken from hardware when the model is made
 * @rw: bits that a write sets to what was written
 * @rw1c: bits that writing a one clears
 * @set: bits that a write can set but not clear
 * @lockable: @rw is read-only once CONFIG_LOCK is set
 */
struct dvsec_reg {
	u32 show;
	u32 rw;
	u32 rw1c;
	u32 set;
	bool lockable;
};

static const struct dvsec_reg dvsec_regs[NR_REGS] = {
	[REG(CXL_DVSEC_CAP)] = { .show = GENMASK(31, 0) },
	[REG(CXL_DVSEC_CTRL_STATUS)] = {
		.rw = CXL_DVSEC_CTRL_CACHE_ENABLE | CXL_DVSEC_CTRL_MEM_ENABLE |
		      CXL_DVSEC_CTRL_SF | CXL_DVSEC_CTRL_CLEAN_EVICT |
		      CXL_DVSEC_CTRL_VIRAL,
		.rw1c = CXL_DVSEC_STATUS_VIRAL,
		.lockable = true,
	},
	[REG(CXL_DVSEC_CTRL2_STATUS2)] = {
		.show = CXL_DVSEC_STATUS2_PM_INIT,
		.rw = CXL_DVSEC_CTRL2_NO_CACHING | CXL_DVSEC_CTRL2_MEM_CLR,
		.lockable = true,
	},
	[REG(CXL_DVSEC_LOCK_CAP2)] = {
		.show = GENMASK(31, 16),
		.set = CXL_DVSEC_LOCK,
	},
	[REG(CXL_DVSEC_RANGE1_SIZE_HI)] = { .show = GENMASK(31, 0) },
	[REG(CXL_DVSEC_RANGE1_SIZE_LO)] = { .show = GENMASK(31, 0) },
	[REG(CXL_DVSEC_RANGE1_BASE_HI)] = {
		.rw = GENMASK(31, 0),
		.lockable = true,
	},
	[REG(CXL_DVSEC_RANGE1_BASE_LO)] = {
		.rw = CXL_HDM_LO_MASK,
		.lockable = true,
	},
	[REG(CXL_DVSEC_CAP3)] = { .show = GENMASK(31, 0) },
};

static bool dvsec_locked(const struct vfio_cxl_dvsec *s)
{
	return s->reg[REG(CXL_DVSEC_LOCK_CAP2)] & CXL_DVSEC_LOCK;
}

static bool dvsec_can(const struct vfio_cxl_dvsec *s, u32 cap)
{
	return s->reg[REG(CXL_DVSEC_CAP)] & cap;
}

/**
 * vfio_cxl_dvsec_init - make a fresh virtual Device DVSEC
 * @s: state to fill in
 * @hw: the physical registers, from the start of the capability
 * @len: length of the physical capability in bytes; registers past it, and
 *	past %CXL_DVSEC_DEVICE_SIZE, are not modelled
 *
 * Control starts with IO_Enable set, as the specification demands of it, and
 * Mem_Enable as in hardware; RANGE1 base is 0; nothing is locked. To hide a
 * capability clear it in @hw.
 */
void vfio_cxl_dvsec_init(struct vfio_cxl_dvsec *s, const u32 *hw,
			 unsigned int len)
{
	unsigned int i;

	if (len > CXL_DVSEC_DEVICE_SIZE)
		len = CXL_DVSEC_DEVICE_SIZE;
	*s = (struct vfio_cxl_dvsec) { .len = len & ~3 };

	for (i = REG(CXL_DVSEC_BODY); i < REG(s->len); i++)
		s->reg[i] = hw[i] & dvsec_regs[i].show;
	/* There is no second range, and Linux would wait for it. */
	if (dvsec_can(s, CXL_DVSEC_CAP_HDM_COUNT)) {
		s->reg[REG(CXL_DVSEC_CAP)] &= ~CXL_DVSEC_CAP_HDM_COUNT;
		s->reg[REG(CXL_DVSEC_CAP)] |= CXL_DVSEC_CAP_HDM_COUNT_1;
	}
	if (s->len > CXL_DVSEC_CTRL_STATUS)
		s->reg[REG(CXL_DVSEC_CTRL_STATUS)] =
			CXL_DVSEC_CTRL_IO_ENABLE |
			(hw[REG(CXL_DVSEC_CTRL_STATUS)] &
			 CXL_DVSEC_CTRL_MEM_ENABLE);
}

/**
 * vfio_cxl_dvsec_set_mem_status - take over Mem_Info_Valid and Mem_Active
 * @s: state
 * @size_lo: the physical Range 1 Size Low register
 */
void vfio_cxl_dvsec_set_mem_status(struct vfio_cxl_dvsec *s, u32 size_lo)
{
	const u32 mask = CXL_DVSEC_MEM_INFO_VALID | CXL_DVSEC_MEM_ACTIVE;
	u32 *reg = &s->reg[REG(CXL_DVSEC_RANGE1_SIZE_LO)];

	if (s->len > CXL_DVSEC_RANGE1_SIZE_LO)
		*reg = (*reg & ~mask) | (size_lo & mask);
}

/* Doorbells, and the status that goes with them; @val is masked. */
static unsigned int dvsec_ring(struct vfio_cxl_dvsec *s, u32 val)
{
	u32 *reg = &s->reg[REG(CXL_DVSEC_CTRL2_STATUS2)];
	unsigned int effect = 0;

	if (val & CXL_DVSEC_CTRL2_WBI && dvsec_can(s, CXL_DVSEC_CAP_WBI)) {
		*reg &= ~CXL_DVSEC_STATUS2_CACHE_INV;
		effect |= VFIO_CXL_DVSEC_WBI;
	}
	if (val & CXL_DVSEC_CTRL2_RESET && dvsec_can(s, CXL_DVSEC_CAP_RESET)) {
		*reg &= ~(CXL_DVSEC_STATUS2_RESET_DONE |
			  CXL_DVSEC_STATUS2_RESET_ERR);
		effect |= VFIO_CXL_DVSEC_RESET;
		if (*reg & CXL_DVSEC_CTRL2_MEM_CLR)
			effect |= VFIO_CXL_DVSEC_MEM_CLR;
	}
	/* With caching enabled the cache does not stay invalid. */
	if (!(*reg & CXL_DVSEC_CTRL2_NO_CACHING))
		*reg &= ~CXL_DVSEC_STATUS2_CACHE_INV;
	return effect;
}

static unsigned int dvsec_write_dword(struct vfio_cxl_dvsec *s, unsigned int i,
				      u32 val, u32 mask)
{
	const struct dvsec_reg *r = &dvsec_regs[i];
	u32 rw = r->lockable && dvsec_locked(s) ? 0 : r->rw & mask;

	if (i == REG(CXL_DVSEC_CTRL2_STATUS2) &&
	    !dvsec_can(s, CXL_DVSEC_CAP_RESET_MEM_CLR))
		rw &= ~CXL_DVSEC_CTRL2_MEM_CLR;

	s->reg[i] = (s->reg[i] & ~rw) | (val & rw);
	s->reg[i] &= ~(val & r->rw1c & mask);
	s->reg[i] |= val & r->set & mask;
	return i == REG(CXL_DVSEC_CTRL2_STATUS2) ? dvsec_ring(s, val & mask) : 0;
}

/**
 * vfio_cxl_dvsec_read - read from the virtual DVSEC
 * @s: state
 * @off: offset of the first byte from the start of the capability; what is not
 *	modelled reads as zero
 * @len: number of bytes, 0 to 8; more are taken as 8
 *
 * Return: the bytes, the first in bits 7:0.
 */
u64 vfio_cxl_dvsec_read(const struct vfio_cxl_dvsec *s, u32 off,
			unsigned int len)
{
	u64 val = 0;
	unsigned int i;

	for (i = 0; i < len && i < 8; i++) {
		if (off >= s->len || off + i >= s->len)
			break;
		val |= (u64)(s->reg[REG(off + i)] >> 8 * ((off + i) & 3) & 0xff)
		       << 8 * i;
	}
	return val;
}

/**
 * vfio_cxl_dvsec_write - write to the virtual DVSEC
 * @s: state
 * @off: offset of the first byte from the start of the capability; writes to
 *	what is not modelled are dropped
 * @len: number of bytes, 0 to 8; more are taken as 8
 * @val: the bytes, the first in bits 7:0
 *
 * Return: what the guest wants done, %VFIO_CXL_DVSEC_WBI and so on. Only what
 * the capability announces is ever returned.
 */
unsigned int vfio_cxl_dvsec_write(struct vfio_cxl_dvsec *s, u32 off,
				  unsigned int len, u64 val)
{
	unsigned int effect = 0, i;

	for (i = 0; i < len && i < 8; i++) {
		unsigned int shift = 8 * ((off + i) & 3);

		if (off >= s->len || off + i >= s->len)
			break;
		if (off + i < CXL_DVSEC_BODY)
			continue;
		effect |= dvsec_write_dword(s, REG(off + i),
					    (u32)(val >> 8 * i & 0xff) << shift,
					    0xffU << shift);
	}
	return effect;
}

/**
 * vfio_cxl_dvsec_done - report in Status2 what came of a doorbell
 * @s: state
 * @effect: what was done, as vfio_cxl_dvsec_write() returned it
 * @ok: whether it succeeded; a cache that could not be written back is not
 *	reported as invalid, a reset that failed is reported as an error
 */
void vfio_cxl_dvsec_done(struct vfio_cxl_dvsec *s, unsigned int effect, bool ok)
{
	u32 *reg = &s->reg[REG(CXL_DVSEC_CTRL2_STATUS2)];

	if (effect & VFIO_CXL_DVSEC_WBI && ok &&
	    *reg & CXL_DVSEC_CTRL2_NO_CACHING)
		*reg |= CXL_DVSEC_STATUS2_CACHE_INV;
	if (effect & VFIO_CXL_DVSEC_RESET)
		*reg |= ok ? CXL_DVSEC_STATUS2_RESET_DONE :
			     CXL_DVSEC_STATUS2_RESET_ERR;
}

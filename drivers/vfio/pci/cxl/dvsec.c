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
 * vfio_cxl_dvsec_write() returns is for the caller to do, who reports the
 * result with vfio_cxl_dvsec_done().
 *
 * A CXL Reset is pending from its doorbell to that report. Until then Status2
 * has neither result, nothing more is asked of the caller, and another doorbell
 * is dropped. Disable_Caching can change meanwhile; since a reset of the device
 * changes the physical bit as well, the caller sets it afterwards to what
 * vfio_cxl_dvsec_caching_disabled() says.
 *
 * What Control says of the device's cache is true of it, so it is read-only:
 * Cache_Enable, the snoop filter and Cache_Clean_Eviction are the host's.
 * Without Cache_Capable neither Disable_Caching nor the write-back exists.
 *
 * CONFIG_LOCK freezes Control and the base of range 1 until the model is made
 * anew. Control2 is never locked (sec 8.1.3.4).
 */
#include <linux/bits.h>
#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/pci_regs.h>
#endif

#include "dvsec.h"

#ifdef __KERNEL__
static_assert(PCI_DVSEC_CXL_CAP - 2 == CXL_DVSEC_CAP);
static_assert(PCI_DVSEC_CXL_CACHE_CAPABLE << 16 == CXL_DVSEC_CAP_CACHE);
static_assert(PCI_DVSEC_CXL_HDM_COUNT << 16 == CXL_DVSEC_CAP_HDM_COUNT);
static_assert(PCI_DVSEC_CXL_CTRL == CXL_DVSEC_CTRL_STATUS);
static_assert(PCI_DVSEC_CXL_MEM_ENABLE == CXL_DVSEC_CTRL_MEM_ENABLE);
static_assert(PCI_DVSEC_CXL_RANGE_SIZE_HIGH(0) == CXL_DVSEC_RANGE1_SIZE_HI);
static_assert(PCI_DVSEC_CXL_RANGE_SIZE_LOW(0) == CXL_DVSEC_RANGE1_SIZE_LO);
static_assert(PCI_DVSEC_CXL_MEM_INFO_VALID == CXL_DVSEC_MEM_INFO_VALID);
static_assert(PCI_DVSEC_CXL_MEM_ACTIVE == CXL_DVSEC_MEM_ACTIVE);
static_assert(PCI_DVSEC_CXL_RANGE_BASE_HIGH(0) == CXL_DVSEC_RANGE1_BASE_HI);
static_assert(PCI_DVSEC_CXL_RANGE_BASE_LOW(0) == CXL_DVSEC_RANGE1_BASE_LO);
static_assert(PCI_DVSEC_CXL_MEM_BASE_LOW == CXL_HDM_LO_MASK);
static_assert(PCI_DVSEC_CXL_RANGE_SIZE_HIGH(1) == CXL_DVSEC_RANGE2);
#endif

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
		.show = CXL_DVSEC_CTRL_CACHE_ENABLE |
			CXL_DVSEC_CTRL_MEM_ENABLE | CXL_DVSEC_CTRL_SF |
			CXL_DVSEC_CTRL_CLEAN_EVICT,
		.rw = CXL_DVSEC_CTRL_MEM_ENABLE | CXL_DVSEC_CTRL_VIRAL,
		.rw1c = CXL_DVSEC_STATUS_VIRAL,
		.lockable = true,
	},
	[REG(CXL_DVSEC_CTRL2_STATUS2)] = {
		.show = CXL_DVSEC_STATUS2_PM_INIT,
		.rw = CXL_DVSEC_CTRL2_NO_CACHING | CXL_DVSEC_CTRL2_MEM_CLR,
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
 * Control starts with IO_Enable set, as the specification demands of it,
 * Viral_Enable clear and the rest as in hardware; RANGE1 base is 0; nothing is
 * locked or pending. To hide a capability clear it in @hw.
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
	s->reg[REG(CXL_DVSEC_CTRL_STATUS)] |= CXL_DVSEC_CTRL_IO_ENABLE;
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

/*
 * What a write to Control2, of @val as masked, asks for, and the status that
 * goes with it; @old is the register before.
 */
static unsigned int dvsec_ring(struct vfio_cxl_dvsec *s, u32 old, u32 val)
{
	u32 *reg = &s->reg[REG(CXL_DVSEC_CTRL2_STATUS2)];
	unsigned int effect = 0;

	/* With caching enabled the cache does not stay invalid. */
	if (!(*reg & CXL_DVSEC_CTRL2_NO_CACHING))
		*reg &= ~CXL_DVSEC_STATUS2_CACHE_INV;
	if (s->reset_pending)
		return 0;

	if ((old ^ *reg) & CXL_DVSEC_CTRL2_NO_CACHING)
		effect |= VFIO_CXL_DVSEC_CACHING;
	if (val & CXL_DVSEC_CTRL2_WBI && dvsec_can(s, CXL_DVSEC_CAP_WBI) &&
	    dvsec_can(s, CXL_DVSEC_CAP_CACHE)) {
		*reg &= ~CXL_DVSEC_STATUS2_CACHE_INV;
		effect |= VFIO_CXL_DVSEC_WBI;
	}
	if (val & CXL_DVSEC_CTRL2_RESET && dvsec_can(s, CXL_DVSEC_CAP_RESET)) {
		*reg &= ~(CXL_DVSEC_STATUS2_RESET_DONE |
			  CXL_DVSEC_STATUS2_RESET_ERR);
		s->reset_pending = true;
		effect |= VFIO_CXL_DVSEC_RESET;
		if (*reg & CXL_DVSEC_CTRL2_MEM_CLR)
			effect |= VFIO_CXL_DVSEC_MEM_CLR;
	}
	return effect;
}

/* The bits of register @i that a write may change now */
static u32 dvsec_writable(const struct vfio_cxl_dvsec *s, unsigned int i)
{
	u32 rw = dvsec_regs[i].rw;

	if (dvsec_regs[i].lockable && dvsec_locked(s))
		return 0;
	if (i != REG(CXL_DVSEC_CTRL2_STATUS2))
		return rw;
	if (!dvsec_can(s, CXL_DVSEC_CAP_CACHE))
		rw &= ~CXL_DVSEC_CTRL2_NO_CACHING;
	if (!dvsec_can(s, CXL_DVSEC_CAP_RESET_MEM_CLR))
		rw &= ~CXL_DVSEC_CTRL2_MEM_CLR;
	return rw;
}

static unsigned int dvsec_write_dword(struct vfio_cxl_dvsec *s, unsigned int i,
				      u32 val, u32 mask)
{
	const struct dvsec_reg *r = &dvsec_regs[i];
	u32 rw = dvsec_writable(s, i) & mask, old = s->reg[i];

	s->reg[i] = (old & ~rw) | (val & rw);
	s->reg[i] &= ~(val & r->rw1c & mask);
	s->reg[i] |= val & r->set & mask;
	return i == REG(CXL_DVSEC_CTRL2_STATUS2) ?
	       dvsec_ring(s, old, val & mask) : 0;
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
 * Return: what the guest wants done, in this order: %VFIO_CXL_DVSEC_CACHING,
 * %VFIO_CXL_DVSEC_WBI, %VFIO_CXL_DVSEC_RESET. Only what the capability announces
 * is ever returned, and nothing while a CXL Reset is pending.
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
 *
 * The end of a reset that is not pending is not the guest's to know: the model
 * was made anew meanwhile.
 */
void vfio_cxl_dvsec_done(struct vfio_cxl_dvsec *s, unsigned int effect, bool ok)
{
	u32 *reg = &s->reg[REG(CXL_DVSEC_CTRL2_STATUS2)];

	if (effect & VFIO_CXL_DVSEC_WBI && ok &&
	    *reg & CXL_DVSEC_CTRL2_NO_CACHING)
		*reg |= CXL_DVSEC_STATUS2_CACHE_INV;
	if (effect & VFIO_CXL_DVSEC_RESET && s->reset_pending) {
		s->reset_pending = false;
		*reg |= ok ? CXL_DVSEC_STATUS2_RESET_DONE :
			     CXL_DVSEC_STATUS2_RESET_ERR;
	}
}

/**
 * vfio_cxl_dvsec_cxl_reset - do to the registers what a CXL Reset does
 * @s: state
 *
 * Disable_Caching, Mem_Clr and Cache_Invalid become 0, and Mem_Enable does
 * unless CONFIG_LOCK is set: what that locks a CXL Reset leaves alone (CXL r4.0
 * sec 8.1.3.6). All else stays. The result of the reset, and that it is over,
 * is for vfio_cxl_dvsec_done() to tell.
 */
void vfio_cxl_dvsec_cxl_reset(struct vfio_cxl_dvsec *s)
{
	if (!dvsec_locked(s))
		s->reg[REG(CXL_DVSEC_CTRL_STATUS)] &= ~CXL_DVSEC_CTRL_MEM_ENABLE;
	s->reg[REG(CXL_DVSEC_CTRL2_STATUS2)] &= ~(CXL_DVSEC_CTRL2_NO_CACHING |
						  CXL_DVSEC_CTRL2_MEM_CLR |
						  CXL_DVSEC_STATUS2_CACHE_INV);
}

/**
 * vfio_cxl_dvsec_caching_disabled - whether the guest wants no caching
 * @s: state
 *
 * Return: the Disable_Caching bit of Control2.
 */
bool vfio_cxl_dvsec_caching_disabled(const struct vfio_cxl_dvsec *s)
{
	return s->reg[REG(CXL_DVSEC_CTRL2_STATUS2)] &
	       CXL_DVSEC_CTRL2_NO_CACHING;
}

/**
 * vfio_cxl_dvsec_reset_pending - whether the guest waits for a CXL Reset
 * @s: state
 *
 * Return: true from the doorbell to the report of its end.
 */
bool vfio_cxl_dvsec_reset_pending(const struct vfio_cxl_dvsec *s)
{
	return s->reset_pending;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual CXL HDM decoder capability structure
 */

/**
 * DOC: HDM decoder model
 *
 * Decides what a guest sees when it reads and writes the HDM decoders of an
 * endpoint (CXL r4.0 sec 8.2.4.20). It knows no device, lock, allocation or
 * errno, and builds unchanged in the kernel, in user space tests and fuzzers.
 *
 * Values are in CPU byte order, offsets in bytes from the start of the
 * structure. Every function is total: any offset, length and value is taken.
 *
 * An access of any width is turned into writes of single bytes, lowest address
 * first, so that it does what the same bytes do in any split. The driver has
 * one decoder, as it masks the count in the capability; the model has up to
 * ten, for tests of order and overlap.
 *
 * The life of a decoder:
 *
 *	             COMMIT 0->1, fits              COMMIT 0->1, LOCK, fits
 *	committed <------------------- idle ----------------------> locked
 *	          ------------------->   ^ |                          |
 *	             COMMIT 1->0         | | COMMIT 0->1, no fit      | reset
 *	                      COMMIT 1->0| v                          v
 *	                              error (ERR_NOT_COMMITTED)     idle
 *
 * A committed decoder takes no write but COMMIT 1->0, and this only while the
 * next decoder is not committed; a locked one takes none at all. "Fits" is
 * decided by hdm_fits(). A CXL Reset takes all but the locked ones to idle,
 * even below a locked one. The physical decoder is never written.
 */
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/types.h>

#include "hdm.h"

#define REG(off)	((off) / 4)
#define NR_DEC_REGS	(CXL_HDM_DECODER_STRIDE / 4)

/* Bits that a write may change while the decoder is not committed. */
static const u32 dec_writable[NR_DEC_REGS] = {
	[REG(CXL_HDM_BASE_LO)]	= CXL_HDM_LO_MASK,
	[REG(CXL_HDM_BASE_HI)]	= GENMASK(31, 0),
	[REG(CXL_HDM_SIZE_LO)]	= CXL_HDM_LO_MASK,
	[REG(CXL_HDM_SIZE_HI)]	= GENMASK(31, 0),
	[REG(CXL_HDM_CTRL)]	= CXL_HDM_CTRL_IG | CXL_HDM_CTRL_IW |
				  CXL_HDM_CTRL_LOCK | CXL_HDM_CTRL_COMMIT,
	[REG(CXL_HDM_SKIP_LO)]	= CXL_HDM_LO_MASK,
	[REG(CXL_HDM_SKIP_HI)]	= GENMASK(31, 0),
};

static u64 dec_u64(const u32 *dec, unsigned int lo)
{
	return dec[REG(lo)] | (u64)dec[REG(lo) + 1] << 32;
}

static bool dec_committed(const u32 *dec)
{
	return dec[REG(CXL_HDM_CTRL)] & CXL_HDM_CTRL_COMMITTED;
}

/**
 * vfio_cxl_hdm_count - number of decoders that a capability register announces
 * @cap: HDM Decoder Capability register (CXL r4.0 sec 8.2.4.20.1)
 *
 * Return: 1 to %CXL_HDM_DECODER_MAX, or 0 when the encoding is reserved or is
 * one that only switches and host bridges may have.
 */
unsigned int vfio_cxl_hdm_count(u32 cap)
{
	unsigned int enc = FIELD_GET(CXL_HDM_CAP_COUNT, cap);

	if (!enc)
		return 1;
	return enc * 2 <= CXL_HDM_DECODER_MAX ? enc * 2 : 0;
}

/**
 * vfio_cxl_hdm_init - make a fresh virtual HDM block for one physical one
 * @s: state to fill in
 * @hw: facts of the physical block
 *
 * Return: false, with @s untouched, when @hw cannot be modelled: a decoder
 * count that no device may have, or a size that is zero or not a multiple of
 * 256 MiB.
 */
bool vfio_cxl_hdm_init(struct vfio_cxl_hdm *s,
		       const struct vfio_cxl_hdm_hw *hw)
{
	if (!vfio_cxl_hdm_count(hw->cap) || !hw->size ||
	    (u32)hw->size & ~CXL_HDM_LO_MASK)
		return false;

	s->hw = *hw;
	vfio_cxl_hdm_reset(s);
	return true;
}

/**
 * vfio_cxl_hdm_reset - bring a virtual HDM block back to its first state
 * @s: state made by vfio_cxl_hdm_init()
 *
 * Decoder 0 has the SIZE of the physical one, BASE 0, and is neither committed
 * nor locked; all others are zero. Nothing of the past remains.
 */
void vfio_cxl_hdm_reset(struct vfio_cxl_hdm *s)
{
	const struct vfio_cxl_hdm_hw hw = s->hw;

	*s = (struct vfio_cxl_hdm) {
		.hw = hw,
		.nr = vfio_cxl_hdm_count(hw.cap),
		.cap = hw.cap & CXL_HDM_CAP_DEFINED,
		.global = hw.global & CXL_HDM_GLOBAL_ENABLE,
		.dec[0] = {
			[REG(CXL_HDM_SIZE_LO)] = (u32)hw.size,
			[REG(CXL_HDM_SIZE_HI)] = hw.size >> 32,
			[REG(CXL_HDM_CTRL)] = hw.ctrl & (CXL_HDM_CTRL_TYPE |
							 CXL_HDM_CTRL_BI),
		},
	};
}

/**
 * vfio_cxl_hdm_cxl_reset - do to the registers what a CXL Reset does
 * @s: state
 *
 * Decoders that are committed and locked stay as they are, all others are as
 * after vfio_cxl_hdm_reset(). Global Control becomes 0.
 *
 * Return: which decoders became uncommitted.
 */
struct vfio_cxl_hdm_effect vfio_cxl_hdm_cxl_reset(struct vfio_cxl_hdm *s)
{
	const struct vfio_cxl_hdm old = *s;
	struct vfio_cxl_hdm_effect effect = {};
	unsigned int n, i;

	vfio_cxl_hdm_reset(s);
	s->global = 0;
	for (n = 0; n < s->nr; n++) {
		if (!dec_committed(old.dec[n]))
			continue;
		if (!(old.dec[n][REG(CXL_HDM_CTRL)] & CXL_HDM_CTRL_LOCK)) {
			effect.unmap |= BIT(n);
			continue;
		}
		for (i = 0; i < NR_DEC_REGS; i++)
			s->dec[n][i] = old.dec[n][i];
	}
	return effect;
}

/**
 * vfio_cxl_hdm_size - length of the structure
 * @s: state
 *
 * Return: bytes from the capability register to the end of the last decoder.
 */
u32 vfio_cxl_hdm_size(const struct vfio_cxl_hdm *s)
{
	return CXL_HDM_DECODER(s->nr);
}

/*
 * Whether decoder @n may be committed as it stands: CXL r4.0 sec 8.2.4.20.12
 * (order, no overlap, DPA within the device) plus what this model does not do
 * (interleave).
 */
static bool hdm_fits(const struct vfio_cxl_hdm *s, unsigned int n)
{
	const u32 *dec = s->dec[n];
	u64 base = dec_u64(dec, CXL_HDM_BASE_LO);
	u64 size = dec_u64(dec, CXL_HDM_SIZE_LO);
	u64 left = s->hw.size;
	unsigned int i;

	if (FIELD_GET(CXL_HDM_CTRL_IW, dec[REG(CXL_HDM_CTRL)]))
		return false;
	if (!size || base + size < base)
		return false;

	for (i = 0; i < s->nr; i++) {
		u64 start = dec_u64(s->dec[i], CXL_HDM_BASE_LO);
		u64 skip = dec_u64(s->dec[i], CXL_HDM_SKIP_LO);
		u64 len = dec_u64(s->dec[i], CXL_HDM_SIZE_LO);

		if (i < n && !dec_committed(s->dec[i]))
			return false;
		if (i > n && !dec_committed(s->dec[i]))
			continue;
		if (skip > left || len > left - skip)
			return false;
		left -= skip + len;
		if (i < n && base < start + len)
			return false;
		if (i > n && base + size > start)
			return false;
	}
	return true;
}

static struct vfio_cxl_hdm_effect hdm_write_dec(struct vfio_cxl_hdm *s,
						unsigned int n,
						unsigned int reg,
						u32 val, u32 mask)
{
	struct vfio_cxl_hdm_effect effect = {};
	u32 *dec = s->dec[n];
	u32 *ctrl = &dec[REG(CXL_HDM_CTRL)];
	u32 old = *ctrl;

	mask &= dec_writable[reg];
	if (dec_committed(dec)) {
		bool last = n + 1 == s->nr || !dec_committed(s->dec[n + 1]);

		/* Decoders go in the reverse of the order in which they came. */
		if (old & CXL_HDM_CTRL_LOCK || reg != REG(CXL_HDM_CTRL) ||
		    !last)
			return effect;
		mask &= CXL_HDM_CTRL_COMMIT;
	}
	dec[reg] = (dec[reg] & ~mask) | (val & mask);

	if (!((old ^ *ctrl) & CXL_HDM_CTRL_COMMIT))
		return effect;

	*ctrl &= ~(CXL_HDM_CTRL_COMMITTED | CXL_HDM_CTRL_ERR);
	if (!(*ctrl & CXL_HDM_CTRL_COMMIT)) {
		if (old & CXL_HDM_CTRL_COMMITTED)
			effect.unmap = BIT(n);
	} else if (hdm_fits(s, n)) {
		*ctrl |= CXL_HDM_CTRL_COMMITTED;
		effect.map = BIT(n);
	} else {
		*ctrl |= CXL_HDM_CTRL_ERR;
	}
	return effect;
}

static void hdm_write_global(struct vfio_cxl_hdm *s, u32 val, u32 mask)
{
	mask &= CXL_HDM_GLOBAL_ENABLE |
		(s->cap & CXL_HDM_CAP_POISON_ON_ERR ?
		 CXL_HDM_GLOBAL_POISON_ON_ERR : 0);
	s->global = (s->global & ~mask) | (val & mask);
}

static u32 hdm_read_dword(const struct vfio_cxl_hdm *s, u32 off)
{
	u32 reg = off - CXL_HDM_DECODER(0);

	if (off >= CXL_HDM_DECODER(0) && off < vfio_cxl_hdm_size(s))
		return s->dec[reg / CXL_HDM_DECODER_STRIDE]
			     [REG(reg % CXL_HDM_DECODER_STRIDE)];
	return off == CXL_HDM_CAP ? s->cap :
	       off == CXL_HDM_GLOBAL ? s->global : 0;
}

static struct vfio_cxl_hdm_effect hdm_write_dword(struct vfio_cxl_hdm *s,
						  u32 off, u32 val, u32 mask)
{
	if (off == CXL_HDM_GLOBAL)
		hdm_write_global(s, val, mask);
	if (off < CXL_HDM_DECODER(0) || off >= vfio_cxl_hdm_size(s))
		return (struct vfio_cxl_hdm_effect) {};
	off -= CXL_HDM_DECODER(0);
	return hdm_write_dec(s, off / CXL_HDM_DECODER_STRIDE,
			     REG(off % CXL_HDM_DECODER_STRIDE), val, mask);
}

/**
 * vfio_cxl_hdm_read - read from the virtual HDM block
 * @s: state
 * @off: offset of the first byte; anything outside the structure reads as zero
 * @len: number of bytes, 0 to 8; more are taken as 8
 *
 * Return: the bytes, the first in bits 7:0.
 */
u64 vfio_cxl_hdm_read(const struct vfio_cxl_hdm *s, u32 off, unsigned int len)
{
	unsigned int i, skip;
	u64 val = 0;

	if (len == 4 && !(off & 3))	/* nearly always */
		return hdm_read_dword(s, off);
	/* What is left of a dword at a time */
	for (i = 0; i < len && i < 8 && off < vfio_cxl_hdm_size(s); i += 4 - skip) {
		skip = (off + i) & 3;
		val |= (u64)(hdm_read_dword(s, off + i - skip) >> 8 * skip) <<
		       8 * i;
	}
	return len < 8 ? val & ((1ULL << 8 * len) - 1) : val;
}

/**
 * vfio_cxl_hdm_write - write to the virtual HDM block
 * @s: state
 * @off: offset of the first byte; writes outside the structure are dropped
 * @len: number of bytes, 0 to 8; more are taken as 8
 * @val: the bytes, the first in bits 7:0
 *
 * Return: which decoders became committed or uncommitted.
 */
struct vfio_cxl_hdm_effect vfio_cxl_hdm_write(struct vfio_cxl_hdm *s, u32 off,
					      unsigned int len, u64 val)
{
	struct vfio_cxl_hdm_effect effect = {}, one;
	unsigned int i;

	if (off >= vfio_cxl_hdm_size(s))
		return effect;
	for (i = 0; i < len && i < 8; i++) {
		unsigned int shift = 8 * ((off + i) & 3);

		one = hdm_write_dword(s, (off + i) & ~3,
				      (u32)(val >> 8 * i & 0xff) << shift,
				      0xffU << shift);
		effect.map |= one.map;
		effect.unmap |= one.unmap;
	}
	return effect;
}

/**
 * vfio_cxl_hdm_range - the range of a committed decoder
 * @s: state
 * @n: decoder, from 0
 * @base: set to the first guest physical address
 * @size: set to the number of bytes
 *
 * Return: false, with @base and @size untouched, when decoder @n does not
 * exist or is not committed.
 */
bool vfio_cxl_hdm_range(const struct vfio_cxl_hdm *s, unsigned int n,
			u64 *base, u64 *size)
{
	if (n >= s->nr || !dec_committed(s->dec[n]))
		return false;

	*base = dec_u64(s->dec[n], CXL_HDM_BASE_LO);
	*size = dec_u64(s->dec[n], CXL_HDM_SIZE_LO);
	return true;
}

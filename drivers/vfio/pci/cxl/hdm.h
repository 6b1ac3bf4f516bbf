/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFIO_CXL_HDM_H
#define VFIO_CXL_HDM_H

#include <linux/types.h>
#include "regs.h"

/**
 * struct vfio_cxl_hdm_hw - what a virtual HDM block takes from the physical one
 * @cap: HDM Decoder Capability register
 * @global: HDM Decoder Global Control register
 * @ctrl: Control register of decoder 0; only Type and BI are used
 * @size: size of decoder 0 in bytes, which is also the whole DPA capacity that
 *	the virtual decoders may divide
 *
 * There is deliberately no field for an address.
 */
struct vfio_cxl_hdm_hw {
	u32 cap;
	u32 global;
	u32 ctrl;
	u64 size;
};

/**
 * struct vfio_cxl_hdm - a virtual HDM decoder capability structure
 * @hw: the facts it was made from, for vfio_cxl_hdm_reset()
 * @nr: number of decoders, 1 to %CXL_HDM_DECODER_MAX
 * @cap: HDM Decoder Capability register
 * @global: HDM Decoder Global Control register
 * @dec: the registers of each decoder, in units of 32 bit, as offsets
 *	%CXL_HDM_BASE_LO to %CXL_HDM_SKIP_HI divided by 4
 *
 * Private to hdm.c, save for the allocation. The caller serializes.
 */
struct vfio_cxl_hdm {
	struct vfio_cxl_hdm_hw hw;
	unsigned int nr;
	u32 cap;
	u32 global;
	u32 dec[CXL_HDM_DECODER_MAX][CXL_HDM_DECODER_STRIDE / 4];
};

/**
 * struct vfio_cxl_hdm_effect - what a call changed, one bit for each decoder
 * @map: decoders that became committed
 * @unmap: decoders that are no longer committed
 *
 * A decoder is never in both: one write cannot take a commit back.
 */
struct vfio_cxl_hdm_effect {
	u16 map;
	u16 unmap;
};

unsigned int vfio_cxl_hdm_count(u32 cap);
bool vfio_cxl_hdm_init(struct vfio_cxl_hdm *s,
		       const struct vfio_cxl_hdm_hw *hw);
void vfio_cxl_hdm_reset(struct vfio_cxl_hdm *s);
struct vfio_cxl_hdm_effect vfio_cxl_hdm_cxl_reset(struct vfio_cxl_hdm *s);
u32 vfio_cxl_hdm_size(const struct vfio_cxl_hdm *s);
u64 vfio_cxl_hdm_read(const struct vfio_cxl_hdm *s, u32 off, unsigned int len);
struct vfio_cxl_hdm_effect vfio_cxl_hdm_write(struct vfio_cxl_hdm *s, u32 off,
					      unsigned int len, u64 val);
bool vfio_cxl_hdm_range(const struct vfio_cxl_hdm *s, unsigned int n,
			u64 *base, u64 *size);

#endif /* VFIO_CXL_HDM_H */

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFIO_CXL_DVSEC_H
#define VFIO_CXL_DVSEC_H

#include <linux/types.h>
#include "regs.h"

/* What a write asks of the hardware, see vfio_cxl_dvsec_write() */
#define VFIO_CXL_DVSEC_WBI	BIT(0)	/* write the device's cache back */
#define VFIO_CXL_DVSEC_RESET	BIT(1)	/* CXL Reset */
#define VFIO_CXL_DVSEC_MEM_CLR	BIT(2)	/* with RESET: also clear the memory */
#define VFIO_CXL_DVSEC_CACHING	BIT(3)	/* Disable_Caching has changed */

/**
 * struct vfio_cxl_dvsec - a virtual Device DVSEC
 * @len: bytes modelled, from the start of the capability
 * @reg: its registers in units of 32 bit; the first two dwords are the
 *	capability headers and not modelled
 * @reset_pending: a CXL Reset was asked for and not yet reported as done
 *
 * Private to dvsec.c, save for the allocation. The caller serializes.
 */
struct vfio_cxl_dvsec {
	unsigned int len;
	u32 reg[CXL_DVSEC_DEVICE_SIZE / 4];
	bool reset_pending;
};

void vfio_cxl_dvsec_init(struct vfio_cxl_dvsec *s, const u32 *hw,
			 unsigned int len);
void vfio_cxl_dvsec_set_mem_status(struct vfio_cxl_dvsec *s, u32 size_lo);
u64 vfio_cxl_dvsec_read(const struct vfio_cxl_dvsec *s, u32 off,
			unsigned int len);
unsigned int vfio_cxl_dvsec_write(struct vfio_cxl_dvsec *s, u32 off,
				  unsigned int len, u64 val);
void vfio_cxl_dvsec_done(struct vfio_cxl_dvsec *s, unsigned int effect,
			 bool ok);
void vfio_cxl_dvsec_cxl_reset(struct vfio_cxl_dvsec *s);
bool vfio_cxl_dvsec_caching_disabled(const struct vfio_cxl_dvsec *s);
bool vfio_cxl_dvsec_reset_pending(const struct vfio_cxl_dvsec *s);

#endif /* VFIO_CXL_DVSEC_H */

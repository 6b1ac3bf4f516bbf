/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CXL register offsets and fields that the virtual models need, and no more.
 *
 * CXL specification revision 4.0. The CXL core keeps its own definitions
 * private to drivers/cxl; the fields of the DVSECs that linux/pci_regs.h has
 * are used from there. All offsets are in bytes.
 */
#ifndef VFIO_CXL_REGS_H
#define VFIO_CXL_REGS_H

#include <linux/bits.h>

/* sec 8.2.3: CXL.cache and CXL.mem registers within the component block */
#define CXL_CM_PAGE_OFFSET		0x1000
#define CXL_CM_PAGE_SIZE		0x1000

/* sec 8.2.4.1, 8.2.4.2: the capability array at the start of that page */
#define CXL_CM_CAP_ID			GENMASK(15, 0)
#define  CXL_CM_CAP_ID_CM		1
#define  CXL_CM_CAP_ID_RAS		2
#define  CXL_CM_CAP_ID_HDM		5
#define CXL_CM_CAP_ARRAY_SIZE		GENMASK(31, 24)
#define CXL_CM_CAP_PTR			GENMASK(31, 20)

/* sec 8.2.4.17: RAS capability structure, header log included */
#define CXL_RAS_SIZE			0x58

/* sec 8.2.4.20: HDM decoder capability structure */
#define CXL_HDM_CAP			0x00
#define  CXL_HDM_CAP_COUNT		GENMASK(3, 0)
#define  CXL_HDM_CAP_POISON_ON_ERR	BIT(10)
#define  CXL_HDM_CAP_DEFINED		(GENMASK(13, 0) | GENMASK(22, 16))
#define CXL_HDM_GLOBAL			0x04
#define  CXL_HDM_GLOBAL_POISON_ON_ERR	BIT(0)
#define  CXL_HDM_GLOBAL_ENABLE		BIT(1)
#define CXL_HDM_DECODER(n)		(0x10 + 0x20 * (n))
#define CXL_HDM_DECODER_STRIDE		0x20

/* The registers of one decoder, from CXL_HDM_DECODER(n) */
#define CXL_HDM_BASE_LO			0x00
#define CXL_HDM_BASE_HI			0x04
#define CXL_HDM_SIZE_LO			0x08
#define CXL_HDM_SIZE_HI			0x0c
#define CXL_HDM_CTRL			0x10
#define  CXL_HDM_CTRL_IG		GENMASK(3, 0)
#define  CXL_HDM_CTRL_IW		GENMASK(7, 4)
#define  CXL_HDM_CTRL_LOCK		BIT(8)
#define  CXL_HDM_CTRL_COMMIT		BIT(9)
#define  CXL_HDM_CTRL_COMMITTED		BIT(10)
#define  CXL_HDM_CTRL_ERR		BIT(11)
#define  CXL_HDM_CTRL_TYPE		BIT(12)
#define  CXL_HDM_CTRL_BI		BIT(13)
#define CXL_HDM_SKIP_LO			0x14
#define CXL_HDM_SKIP_HI			0x18

/* Bits 27:0 of BASE, SIZE and DPA_SKIP are reserved: 256 MiB units */
#define CXL_HDM_LO_MASK			GENMASK(31, 28)

/*
 * A device has at most ten decoders; larger counts belong to switches and
 * host bridges (sec 8.2.4.20.1).
 */
#define CXL_HDM_DECODER_MAX		10

#endif /* VFIO_CXL_REGS_H */

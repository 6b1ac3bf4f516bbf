/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CXL register offsets and fields that the virtual models need, and no more.
 *
 * CXL specification revision 4.0. The CXL core keeps its own definitions
 * private to drivers/cxl. What linux/pci_regs.h has of the Device DVSEC is here
 * once more, by dword and for builds in user space; dvsec.c asserts that both
 * agree. All offsets are in bytes.
 */
#ifndef VFIO_CXL_REGS_H
#define VFIO_CXL_REGS_H

#include <linux/bits.h>

/* sec 8.2.3: CXL.cache and CXL.mem registers within the component block */
#define CXL_CM_PAGE_OFFSET		0x1000
#define CXL_CM_PAGE_SIZE		0x1000

/* sec 8.2.4.1, 8.2.4.2: the capability array at the start of that page */
#define CXL_CM_CAP_ARRAY_SIZE		GENMASK(31, 24)
/* Array Size has eight bits; the header itself comes on top */
#define CXL_CM_CAP_ARRAY_MAX		256

/* sec 8.2.4.17: RAS capability structure, header log included */
#define CXL_RAS_SIZE			0x58
#define CXL_RAS_UNC_STATUS		0x00
#define CXL_RAS_UNC_MASK		0x04
#define CXL_RAS_UNC_SEVERITY		0x08
#define CXL_RAS_COR_STATUS		0x0c
#define CXL_RAS_COR_MASK		0x10
/* 16 dwords, to the end of the structure */
#define CXL_RAS_HEADER_LOG		0x18
/* What software sets in it: two masks and the severity */
#define CXL_RAS_NR_POLICY		3

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

/*
 * sec 8.1.3: Device DVSEC. Offsets are of the dword that a register lies in,
 * fields are positions in that dword: the registers are 16 bits wide, but two
 * of them may be accessed at once.
 */
#define CXL_DVSEC_DEVICE_SIZE		0x3c
#define CXL_DVSEC_BODY			0x08
#define CXL_DVSEC_CAP			0x08	/* bits 31:16, at 0x0a */
#define  CXL_DVSEC_CAP_CACHE		BIT(16 + 0)
#define  CXL_DVSEC_CAP_HDM_COUNT	GENMASK(16 + 5, 16 + 4)
#define  CXL_DVSEC_CAP_HDM_COUNT_1	BIT(16 + 4)
#define  CXL_DVSEC_CAP_WBI		BIT(16 + 6)
#define  CXL_DVSEC_CAP_RESET		BIT(16 + 7)
#define  CXL_DVSEC_CAP_RESET_TMO	GENMASK(16 + 10, 16 + 8)
#define  CXL_DVSEC_CAP_RESET_MEM_CLR	BIT(16 + 11)
/* All that tells of CXL Reset */
#define  CXL_DVSEC_CAP_RESET_ANY	(CXL_DVSEC_CAP_RESET | \
					 CXL_DVSEC_CAP_RESET_TMO | \
					 CXL_DVSEC_CAP_RESET_MEM_CLR)
#define CXL_DVSEC_CTRL_STATUS		0x0c	/* Control, Status */
#define  CXL_DVSEC_CTRL_CACHE_ENABLE	BIT(0)
#define  CXL_DVSEC_CTRL_IO_ENABLE	BIT(1)
#define  CXL_DVSEC_CTRL_MEM_ENABLE	BIT(2)
#define  CXL_DVSEC_CTRL_SF		GENMASK(10, 3)
#define  CXL_DVSEC_CTRL_CLEAN_EVICT	BIT(11)
#define  CXL_DVSEC_CTRL_VIRAL		BIT(14)
#define  CXL_DVSEC_STATUS_VIRAL		BIT(16 + 14)
#define CXL_DVSEC_CTRL2_STATUS2		0x10	/* Control2, Status2 */
#define  CXL_DVSEC_CTRL2_NO_CACHING	BIT(0)
#define  CXL_DVSEC_CTRL2_WBI		BIT(1)
#define  CXL_DVSEC_CTRL2_RESET		BIT(2)
#define  CXL_DVSEC_CTRL2_MEM_CLR	BIT(3)
#define  CXL_DVSEC_STATUS2_CACHE_INV	BIT(16 + 0)
#define  CXL_DVSEC_STATUS2_RESET_DONE	BIT(16 + 1)
#define  CXL_DVSEC_STATUS2_RESET_ERR	BIT(16 + 2)
#define  CXL_DVSEC_STATUS2_PM_INIT	BIT(16 + 15)
#define CXL_DVSEC_LOCK_CAP2		0x14	/* Lock, Capability2 */
#define  CXL_DVSEC_LOCK			BIT(0)
#define CXL_DVSEC_RANGE1_SIZE_HI	0x18
#define CXL_DVSEC_RANGE1_SIZE_LO	0x1c
#define  CXL_DVSEC_MEM_INFO_VALID	BIT(0)
#define  CXL_DVSEC_MEM_ACTIVE		BIT(1)
#define  CXL_DVSEC_MEDIA_TYPE		GENMASK(4, 2)
#define   CXL_DVSEC_MEDIA_VOLATILE	0
#define CXL_DVSEC_RANGE1_BASE_HI	0x20
#define CXL_DVSEC_RANGE1_BASE_LO	0x24
#define CXL_DVSEC_RANGE2		0x28
#define CXL_DVSEC_CAP3			0x38

#endif /* VFIO_CXL_REGS_H */

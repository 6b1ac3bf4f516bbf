/*
 * CDAT of the emulated CXL Type-2 accelerator
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_MEM_CXL_TYPE2_CDAT_H
#define HW_MEM_CXL_TYPE2_CDAT_H

#include "hw/cxl/cxl.h"
#include "hw/pci/pcie_doe.h"

/**
 * CXLType2CDAT:
 * @doe: the mailbox that tells it, for pcie_doe_read_config() and
 *       pcie_doe_write_config()
 * @cxl: where the table is
 * @size: of the memory that it describes
 */
typedef struct CXLType2CDAT {
    DOECap doe;
    CXLComponentState *cxl;
    uint64_t size;
} CXLType2CDAT;

/**
 * cxl_type2_cdat_init: build the table, and add the mailbox
 * @c: zero
 * @pdev: the owner
 * @cxl: of the owner
 * @offset: of the DOE capability, PCI_DOE_SIZEOF bytes
 * @size: of the memory, all of it from device physical address 0 on
 * @errp: pointer to a NULL-initialized error object
 *
 * Returns: false, with @errp set and nothing to be undone, if it cannot.
 */
bool cxl_type2_cdat_init(CXLType2CDAT *c, PCIDevice *pdev,
                         CXLComponentState *cxl, uint16_t offset,
                         uint64_t size, Error **errp);

/** cxl_type2_cdat_reset: forget what was asked for, and its answer */
void cxl_type2_cdat_reset(CXLType2CDAT *c);

void cxl_type2_cdat_exit(CXLType2CDAT *c);

#endif /* HW_MEM_CXL_TYPE2_CDAT_H */

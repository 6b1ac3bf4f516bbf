/*
 * Emulated CXL Type-2 accelerator
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_MEM_CXL_TYPE2_H
#define HW_MEM_CXL_TYPE2_H

#include "hw/cxl/cxl.h"
#include "hw/cxl/cxl_path.h"
#include "hw/pci/pci_device.h"
#include "system/hostmem.h"

#define TYPE_CXL_TYPE2 "cxl-type2"
OBJECT_DECLARE_SIMPLE_TYPE(CXLType2Dev, CXL_TYPE2)

#define CXL_TYPE2_DVSEC_SIZE (PCIE_CXL_DEVICE_DVSEC_LENGTH +       \
                              REG_LOC_DVSEC_LENGTH +               \
                              GPF_DEVICE_DVSEC_LENGTH +            \
                              PCIE_CXL3_FLEXBUS_PORT_DVSEC_LENGTH)

/**
 * CXLType2Dev:
 * @special_ops: called for writes to component registers
 * @bar: BAR 0, @scratch with the component registers above it
 * @dvsecs: what the DVSECs read after reset
 * @path: zero unless @firmware_committed
 * @dpa: all memory, mapped by @path
 * @direct: memory behind a decoder that the guest committed; mapped in
 *          @direct_fw, which is NULL while it is not
 *
 * The rest are properties, but for @capacity, the size of @memdev.
 */
struct CXLType2Dev {
    PCIDevice parent_obj;

    CXLComponentState cxl_cstate;
    MemoryRegionOps special_ops;
    MemoryRegion bar;
    MemoryRegion scratch;
    uint8_t dvsecs[CXL_TYPE2_DVSEC_SIZE];

    CXLPath path;
    MemoryRegion dpa;
    MemoryRegion direct[CXL_HDM_DECODER_COUNT];
    CXLFixedWindow *direct_fw[CXL_HDM_DECODER_COUNT];

    HostMemoryBackend *memdev;
    uint64_t capacity;
    uint64_t sn;
    uint64_t bar_size;
    uint64_t component_offset;
    uint64_t fmws_base;
    uint8_t decoders;
    uint8_t commit_decoders;
    bool firmware_committed;
    bool interleave;
};

/** cxl_type2_regs_init: set up what is behind the component registers */
void cxl_type2_regs_init(CXLType2Dev *s);

/** cxl_type2_regs_reset: conventional reset; what the guest mapped is gone */
void cxl_type2_regs_reset(CXLType2Dev *s);

/** cxl_type2_regs_commit: commit and lock decoders for firmware, at @base */
void cxl_type2_regs_commit(CXLType2Dev *s, hwaddr base);

/** cxl_type2_regs_update: map what the guest's decoders say, and only that */
void cxl_type2_regs_update(PCIDevice *d);

#endif /* HW_MEM_CXL_TYPE2_H */

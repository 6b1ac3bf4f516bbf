/*
 * VFIO passthrough of CXL accelerators: the register page
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_CXL_REGS_H
#define HW_VFIO_CXL_REGS_H

#include "hw/cxl/cxl.h"
#include "hw/vfio/vfio-device.h"
#include "system/memory.h"

/** CXL_REGS_SIZE: bytes of the page (CXL r4.0 sec 8.2.3) */
#define CXL_REGS_SIZE 0x1000

/**
 * struct VFIOCXLRegs - the page of CXL.cache and CXL.mem registers
 * @vbasedev: device that has it
 * @nr: index of its VFIO region
 * @hdm: offset in it of the HDM decoder capability structure
 * @dvsec: offset in config space of the CXL Device DVSEC, 0 if there is none
 * @decoder_written: called after the guest wrote what decoder 0 depends on
 */
typedef struct VFIOCXLRegs VFIOCXLRegs;
struct VFIOCXLRegs {
    VFIODevice *vbasedev;
    uint8_t nr;
    uint32_t hdm;
    uint16_t dvsec;
    void (*decoder_written)(VFIOCXLRegs *regs);
};

/** vfio_cxl_regs_ops: the guest's view; the opaque is a VFIOCXLRegs */
extern const MemoryRegionOps vfio_cxl_regs_ops;

/**
 * vfio_cxl_regs_check: check that the page is what it is said to be
 * @regs: the page
 * @size: bytes that decoder 0 must map
 * @errp: pointer to a NULL-initialized error object
 *
 * Returns: true if the capability array has the HDM decoders at @regs->hdm,
 * their structure fits the page, and decoder 0 has @size.
 */
bool vfio_cxl_regs_check(VFIOCXLRegs *regs, uint64_t size, Error **errp);

/**
 * vfio_cxl_regs_verify: whether decoder 0 is committed and locked to a range
 * @regs: the page
 * @base: first guest physical address
 * @size: bytes
 * @errp: pointer to a NULL-initialized error object
 *
 * Returns: false with @errp naming the register that says otherwise.
 */
bool vfio_cxl_regs_verify(VFIOCXLRegs *regs, uint64_t base, uint64_t size,
                          Error **errp);

/**
 * vfio_cxl_regs_commit: commit and lock decoder 0, and set range 1, to a range
 * @regs: the page
 * @base: first guest physical address
 * @size: bytes, which the decoder must have already
 * @errp: pointer to a NULL-initialized error object
 *
 * That decoder 0 is locked to the range already is a success.
 *
 * Returns: false, with the decoder uncommitted, unless it is locked, perhaps
 * even to the range, and cannot be read any more.
 */
bool vfio_cxl_regs_commit(VFIOCXLRegs *regs, uint64_t base, uint64_t size,
                          Error **errp);

/**
 * vfio_cxl_regs_decoder: read decoder 0 as the guest has it
 * @regs: the page
 * @d: set to the decoder, uncommitted if decoding is not enabled
 *
 * Returns: false, with @d left alone, if the page cannot be read.
 */
bool vfio_cxl_regs_decoder(VFIOCXLRegs *regs, CXLHDMDecoder *d);

#endif /* HW_VFIO_CXL_REGS_H */

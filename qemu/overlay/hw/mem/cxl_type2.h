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
#include "qemu/timer.h"
#include "system/hostmem.h"
#include "cxl_type2_cdat.h"
#include "cxl_type2_engine.h"

#define TYPE_CXL_TYPE2 "cxl-type2"
OBJECT_DECLARE_SIMPLE_TYPE(CXLType2Dev, CXL_TYPE2)

#define CXL_TYPE2_AER_OFFSET    0x100
#define CXL_TYPE2_DSN_OFFSET    (CXL_TYPE2_AER_OFFSET + PCI_ERR_SIZEOF)
#define CXL_TYPE2_DOE_OFFSET    (CXL_TYPE2_DSN_OFFSET + PCI_EXT_CAP_DSN_SIZEOF)
#define CXL_TYPE2_DVSEC_OFFSET  (CXL_TYPE2_DOE_OFFSET + PCI_DOE_SIZEOF)
#define CXL_TYPE2_DVSEC_SIZE    (PCIE_CXL_DEVICE_DVSEC_LENGTH +       \
                                 REG_LOC_DVSEC_LENGTH +               \
                                 GPF_DEVICE_DVSEC_LENGTH +            \
                                 PCIE_CXL3_FLEXBUS_PORT_DVSEC_LENGTH)
#define CXL_TYPE2_ATS_OFFSET    (CXL_TYPE2_DVSEC_OFFSET + CXL_TYPE2_DVSEC_SIZE)

/* CXL r4.0 8.1.3: PCIe DVSEC for CXL Devices */
#define CXL_TYPE2_CTRL_MEM          (1 << 2)
#define CXL_TYPE2_STATUS2_INVALID   (1 << 0)
#define CXL_TYPE2_STATUS2_COMPLETE  (1 << 1)
#define CXL_TYPE2_STATUS2_ERROR     (1 << 2)
#define CXL_TYPE2_RANGE_VALID       (1 << 0)
#define CXL_TYPE2_RANGE_ACTIVE      (1 << 1)
#define CXL_TYPE2_RANGE_MEDIA       2

/* CXL Reset Timeout: 10 ms, 100 ms, 1 s, 10 s, 100 s */
#define CXL_TYPE2_RESET_TIMEOUT_MAX 4

/**
 * CXLType2ResetFail: how a CXL Reset ends
 * @CXL_TYPE2_RESET_OK: with CXL Reset Complete
 * @CXL_TYPE2_RESET_ERROR: with CXL Reset Error, and nothing cleared
 * @CXL_TYPE2_RESET_STUCK: not at all; what ends it is another reset
 */
typedef enum CXLType2ResetFail {
    CXL_TYPE2_RESET_OK,
    CXL_TYPE2_RESET_ERROR,
    CXL_TYPE2_RESET_STUCK,
} CXLType2ResetFail;

/**
 * CXLType2Media: Media_Type of Range 1
 * @CXL_TYPE2_MEDIA_VOLATILE: volatile memory
 * @CXL_TYPE2_MEDIA_NONVOLATILE: non-volatile memory
 * @CXL_TYPE2_MEDIA_CDAT: CDAT has it
 */
typedef enum CXLType2Media {
    CXL_TYPE2_MEDIA_VOLATILE,
    CXL_TYPE2_MEDIA_NONVOLATILE,
    CXL_TYPE2_MEDIA_CDAT,
} CXLType2Media;

/**
 * CXLType2Dev:
 * @special_ops: called for writes to component registers
 * @bar: BAR 0, @scratch with the component registers above it
 * @dvsecs: what the DVSECs read after reset, once the memory is ready
 * @dvsec_wmask: which bits of the first are writable while it is not locked
 * @path: zero unless @firmware_committed
 * @dpa: all memory, mapped by @path
 * @direct: memory behind a decoder that the guest committed; mapped in
 *          @direct_fw, which is NULL while it is not
 * @errors: uncorrectable errors whose headers are recorded, oldest first
 * @cdat: describes the memory
 * @engine: works on it, by itself
 * @reset_timer: ends a CXL Reset
 * @in_handler: it is a CXL Reset that calls the reset handler
 * @clear: the CXL Reset is to clear the memory
 * @ready_timer: sets Mem_Info_Valid at @info_at and Mem_Active at @active_at,
 *               both in ms of the virtual clock
 * @mem_active: what Mem_Active reads
 *
 * The rest are properties, except @capacity, the size of @memdev. Those after
 * @interleave can be changed at any time.
 */
struct CXLType2Dev {
    PCIDevice parent_obj;

    CXLComponentState cxl_cstate;
    MemoryRegionOps special_ops;
    MemoryRegion bar;
    MemoryRegion scratch;
    uint8_t dvsecs[CXL_TYPE2_DVSEC_SIZE];
    uint8_t dvsec_wmask[PCIE_CXL_DEVICE_DVSEC_LENGTH];

    CXLPath path;
    MemoryRegion dpa;
    MemoryRegion direct[CXL_HDM_DECODER_COUNT];
    CXLFixedWindow *direct_fw[CXL_HDM_DECODER_COUNT];
    CXLErrorList errors;
    CXLType2CDAT cdat;
    CXLType2Engine engine;

    QEMUTimer reset_timer;
    bool in_handler;
    bool clear;

    QEMUTimer ready_timer;
    int64_t info_at;
    int64_t active_at;
    bool mem_active;

    HostMemoryBackend *memdev;
    uint64_t capacity;
    uint64_t sn;
    uint64_t bar_size;
    uint64_t component_offset;
    uint64_t fmws_base;
    uint64_t commit_size;
    uint64_t commit_skip;
    uint8_t decoders;
    uint8_t commit_decoders;
    uint8_t reset_timeout;
    bool firmware_committed;
    bool cxl_reset;
    bool mem_clr;
    bool flr;
    bool ats;
    bool config_lock;
    bool interleave;

    bool lose_decoder;
    bool keep_locked;
    CXLType2Media media;
    CXLType2ResetFail reset_fail;
    uint32_t reset_delay;
    uint32_t mem_info_delay;
    uint32_t mem_active_delay;
};

/* ---- cxl_type2_dvsec.c: the CXL part of configuration space ---- */

/** cxl_type2_dvsec_init: add the DVSECs */
void cxl_type2_dvsec_init(CXLType2Dev *s);

/** cxl_type2_dvsec_write: act on what was written to configuration space */
void cxl_type2_dvsec_write(CXLType2Dev *s, uint32_t addr, uint32_t val,
                           int len);

/** cxl_type2_dvsec_commit: firmware's part, for memory at @base */
void cxl_type2_dvsec_commit(CXLType2Dev *s, hwaddr base);

/**
 * cxl_type2_dvsec_reset: reset the DVSECs
 * @s: the device
 * @cxl: this is a CXL Reset, which leaves alone what is locked
 */
void cxl_type2_dvsec_reset(CXLType2Dev *s, bool cxl);

/** cxl_type2_dvsec_ready: set or clear Mem_Info_Valid and Mem_Active */
void cxl_type2_dvsec_ready(CXLType2Dev *s, bool info, bool active);

/* ---- cxl_type2_props.c: what the user asks for ---- */

/** cxl_type2_check: whether the device can be as its properties say */
bool cxl_type2_check(CXLType2Dev *s, Error **errp);

/** cxl_type2_props_class_init: add the properties that can always be set */
void cxl_type2_props_class_init(ObjectClass *oc);
void cxl_type2_props_instance_init(Object *obj);

/* ---- cxl_type2_reset.c: resets, and when the memory answers ---- */

void cxl_type2_reset_init(CXLType2Dev *s);
void cxl_type2_reset_exit(CXLType2Dev *s);

/** cxl_type2_reset: the handler of every kind of reset */
void cxl_type2_reset(DeviceState *dev);

/**
 * cxl_type2_cxl_reset: start a CXL Reset, CXL r4.0 9.7
 * @s: a device that is capable of it
 * @clear: also clear the memory
 */
void cxl_type2_cxl_reset(CXLType2Dev *s, bool clear);

/** cxl_type2_memory_update: let the memory answer, if it should, or stop it */
void cxl_type2_memory_update(CXLType2Dev *s);

/* ---- cxl_type2_regs.c: component registers ---- */

/** cxl_type2_regs_init: set up what is behind the component registers */
void cxl_type2_regs_init(CXLType2Dev *s);

/**
 * cxl_type2_regs_reset: reset them; what the guest mapped is gone
 * @s: the device
 * @cold: also reset RAS registers, which are sticky
 * @keep_locked: but not decoders that are locked
 */
void cxl_type2_regs_reset(CXLType2Dev *s, bool cold, bool keep_locked);

/** cxl_type2_regs_enabled: whether HDM Decoder Enable is set */
bool cxl_type2_regs_enabled(CXLType2Dev *s);

/** cxl_type2_regs_commit: commit and lock decoders for firmware, at @base */
void cxl_type2_regs_commit(CXLType2Dev *s, hwaddr base);

/** cxl_type2_regs_decode: see CXLType2Decode */
uint64_t cxl_type2_regs_decode(PCIDevice *d, hwaddr hpa);

/** cxl_type2_regs_update: map what the guest's decoders say, and only that */
void cxl_type2_regs_update(PCIDevice *d);

/* ---- cxl_type2_ras.c: errors ---- */

/** cxl_type2_ras_clear: @bits of Uncorrectable Error Status were cleared */
void cxl_type2_ras_clear(CXLType2Dev *s, uint32_t bits);

/** cxl_type2_ras_forget: drop all records; the registers are the caller's */
void cxl_type2_ras_forget(CXLType2Dev *s);

/* See struct CXLMemEndpointClass */
void cxl_type2_inject_uncorrectable(PCIDevice *d,
                                    const CXLUncorErrorRecordList *errors,
                                    Error **errp);
void cxl_type2_inject_correctable(PCIDevice *d, CxlCorErrorType type,
                                  Error **errp);

#endif /* HW_MEM_CXL_TYPE2_H */

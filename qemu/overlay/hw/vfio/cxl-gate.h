/*
 * VFIO passthrough of CXL accelerators: whether the memory can be reached
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_CXL_GATE_H
#define HW_VFIO_CXL_GATE_H

#include "pci.h"
#include "qemu/event_notifier.h"
#include "qemu/notify.h"

/**
 * struct VFIOCXLGate - shows the device memory only while it can be reached
 * @vdev: the device
 * @dpa: its memory
 * @dvsec: offset in config space of the CXL Device DVSEC, 0 if there is none
 * @has_feature: the host answers VFIO_DEVICE_FEATURE_CXL_MEM
 * @notified: and signals @changed when its answer changes
 * @held: a reset is under way: closed whatever the answer
 * @closures: as VFIO_DEVICE_FEATURE_CXL_MEM had it in the last answer
 * @reopened: called before the memory is shown again, if the host may have
 *            reset the device
 * @fresh: @reopened is to be called when the memory can be reached
 * @dma_warned: said that devices cannot reach @dpa
 * @fault: asked when a vCPU cannot reach guest memory
 * @faults: how often, since the memory last appeared or disappeared
 *
 * Open is when @dpa->mem is enabled. Protected by the BQL.
 */
typedef struct VFIOCXLGate {
    VFIOPCIDevice *vdev;
    VFIORegion *dpa;
    uint16_t dvsec;
    bool has_feature;
    bool notified;
    bool held;
    uint64_t closures;
    void (*reopened)(struct VFIOCXLGate *gate);
    bool fresh;
    bool dma_warned;
    EventNotifier changed;
    NotifierWithReturn fault;
    unsigned faults;
} VFIOCXLGate;

/**
 * vfio_cxl_find_dvsec: find the CXL Device DVSEC
 * @pdev: a device whose config space was read
 *
 * Returns: its offset in config space, or 0 if there is none.
 */
uint16_t vfio_cxl_find_dvsec(PCIDevice *pdev);

/**
 * vfio_cxl_gate_init: find out how to ask, and ask
 * @gate: zeroed
 * @vdev: a device whose capabilities were added
 * @dpa: its memory, disabled
 */
void vfio_cxl_gate_init(VFIOCXLGate *gate, VFIOPCIDevice *vdev,
                        VFIORegion *dpa);

/**
 * vfio_cxl_gate_exit: close for good
 * @gate: any, a zeroed one is left alone
 */
void vfio_cxl_gate_exit(VFIOCXLGate *gate);

/**
 * vfio_cxl_gate_config_write: close if a write to config space may
 * @gate: the gate
 * @addr: where the guest is about to write
 * @val: what
 * @len: how many bytes
 *
 * Returns: whether vfio_cxl_gate_update() is to be called after the write.
 */
bool vfio_cxl_gate_config_write(VFIOCXLGate *gate, uint32_t addr, uint32_t val,
                                int len);

/**
 * vfio_cxl_gate_hold: close, until vfio_cxl_gate_release()
 * @gate: the gate
 */
void vfio_cxl_gate_hold(VFIOCXLGate *gate);

/**
 * vfio_cxl_gate_release: undo vfio_cxl_gate_hold(), and ask
 * @gate: the gate
 */
void vfio_cxl_gate_release(VFIOCXLGate *gate);

/**
 * vfio_cxl_gate_update: ask whether the memory can be reached, and act on it
 * @gate: the gate
 */
void vfio_cxl_gate_update(VFIOCXLGate *gate);

/**
 * vfio_cxl_gate_unavailable: whether only the state of the device keeps the
 *                            memory from the guest
 * @gate: the gate
 */
bool vfio_cxl_gate_unavailable(const VFIOCXLGate *gate);

/**
 * vfio_cxl_gate_dma_failed: say once that devices cannot reach the memory
 * @gate: the gate
 * @mr: a memory region of the device that could not be mapped for DMA
 * @err: why
 *
 * Returns: whether @mr is the memory.
 */
bool vfio_cxl_gate_dma_failed(VFIOCXLGate *gate, const MemoryRegion *mr,
                              const Error *err);

#endif /* HW_VFIO_CXL_GATE_H */

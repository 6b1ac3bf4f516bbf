/*
 * VFIO passthrough of CXL accelerators
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_CXL_H
#define HW_VFIO_CXL_H

#include "pci.h"

/**
 * vfio_cxl_realize: use a device as a CXL device, if that is possible
 * @vdev: a device whose BARs are registered
 * @errp: pointer to a NULL-initialized error object
 *
 * With cxl=auto, a device that is not offered as a CXL device, which
 * platform firmware did not commit, or which is not below a CXL port stays
 * plain PCI, and @vdev->cxl stays NULL.
 *
 * Returns: false with @errp set when the above happens with cxl=on, or when
 * what is said about the device cannot be true. vfio_cxl_exit() and
 * vfio_cxl_finalize() then undo what was done.
 */
bool vfio_cxl_realize(VFIOPCIDevice *vdev, Error **errp);

/**
 * vfio_cxl_exit: hide memory and registers from the guest
 * @vdev: any device; must be called before its BARs are taken down
 */
void vfio_cxl_exit(VFIOPCIDevice *vdev);

/**
 * vfio_cxl_finalize: free what vfio_cxl_realize() allocated
 * @vdev: any device, after its memory regions were unparented
 */
void vfio_cxl_finalize(VFIOPCIDevice *vdev);

/**
 * vfio_cxl_config_write: take the memory out before a write that may close it
 * @vdev: any device, before the guest's write goes to the host
 * @addr: where in config space
 * @val: what
 * @len: how many bytes
 *
 * Returns: whether vfio_cxl_config_written() is to be called after it.
 */
bool vfio_cxl_config_write(VFIOPCIDevice *vdev, uint32_t addr, uint32_t val,
                           int len);

/**
 * vfio_cxl_config_written: put the memory back, if it can be reached
 * @vdev: a device for which vfio_cxl_config_write() returned true
 */
void vfio_cxl_config_written(VFIOPCIDevice *vdev);

/**
 * vfio_cxl_pre_reset: take the memory out before a reset
 * @vdev: any device; vfio_cxl_post_reset() must follow
 */
void vfio_cxl_pre_reset(VFIOPCIDevice *vdev);

/**
 * vfio_cxl_post_reset: follow a reset of the device
 * @vdev: any device, after it was reset
 */
void vfio_cxl_post_reset(VFIOPCIDevice *vdev);

/**
 * vfio_cxl_dma_failed: say that devices cannot reach the CXL memory
 * @vdev: any device
 * @mr: a memory region of @vdev that could not be mapped for DMA
 * @err: why
 *
 * Returns: whether @mr is the CXL memory, so that the warning is given: once
 * for a device, as it is mapped again and again.
 */
bool vfio_cxl_dma_failed(VFIOPCIDevice *vdev, MemoryRegion *mr,
                         const Error *err);

/**
 * vfio_cxl_class_init: have fixed memory windows lead to devices of a class
 * @klass: a class that implements TYPE_CXL_MEM_ENDPOINT
 */
void vfio_cxl_class_init(ObjectClass *klass);

#endif /* HW_VFIO_CXL_H */

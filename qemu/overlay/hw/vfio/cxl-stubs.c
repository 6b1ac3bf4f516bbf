/*
 * VFIO passthrough of CXL accelerators: stubs
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "cxl.h"

bool vfio_cxl_realize(VFIOPCIDevice *vdev, Error **errp)
{
    if (vdev->cxl_mode == ON_OFF_AUTO_ON) {
        error_setg(errp, "cxl=on, but this QEMU is built without VFIO_CXL");
        return false;
    }
    return true;
}

void vfio_cxl_exit(VFIOPCIDevice *vdev)
{
}

void vfio_cxl_finalize(VFIOPCIDevice *vdev)
{
}

bool vfio_cxl_config_write(VFIOPCIDevice *vdev, uint32_t addr, uint32_t val,
                           int len)
{
    return false;
}

void vfio_cxl_config_written(VFIOPCIDevice *vdev)
{
}

void vfio_cxl_pre_reset(VFIOPCIDevice *vdev)
{
}

void vfio_cxl_post_reset(VFIOPCIDevice *vdev)
{
}

bool vfio_cxl_dma_failed(VFIOPCIDevice *vdev, MemoryRegion *mr,
                         const Error *err)
{
    return false;
}

void vfio_cxl_class_init(ObjectClass *klass)
{
}

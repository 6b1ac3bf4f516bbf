/*
 * VFIO passthrough of CXL accelerators: those that are only PCI devices
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/vfio_cxl.h>

#include "cxl-gate.h"
#include "cxl-plain.h"
#include "hw/cxl/cxl_pci.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "qemu/error-report.h"
#include "trace.h"

#define DVSEC_CAP               0x0a
#define DVSEC_CAP_MEM_CAPABLE   (1 << 2)

/*
 * Linux' own interface, as posted, has a memory region of the same type and
 * subtype. Its register region means something else, and it has no capability
 * in the device info, nor the flag.
 */
static bool vfio_cxl_is_other_interface(VFIODevice *vbasedev)
{
    struct vfio_region_info *info;

    return !vfio_device_get_region_info_type(vbasedev, VFIO_REGION_TYPE_CXL,
                                             VFIO_REGION_SUBTYPE_CXL, &info);
}

static bool vfio_cxl_below_port(PCIDevice *pdev)
{
    PCIBus *bus = pci_get_bus(pdev);
    PCIDevice *port;

    if (pci_bus_is_root(bus)) {
        return false;
    }
    port = pci_bridge_get_device(bus);
    return object_dynamic_cast(OBJECT(port), INTERFACE_CXL_DEVICE) &&
           pci_is_express_downstream_port(port);
}

const char *vfio_cxl_why_plain(VFIOPCIDevice *vdev)
{
    if (vdev->cxl_mode == ON_OFF_AUTO_OFF) {
        return "cxl=off";
    }
    if (!(vdev->vbasedev.flags & VFIO_DEVICE_FLAGS_CXL)) {
        return vfio_cxl_is_other_interface(&vdev->vbasedev) ?
               "the host offers its CXL memory by the interface of vfio-pci, "
               "which is not supported; bind the device to vfio-cxl-pci" :
               "the device is not offered as a CXL device";
    }
    if (!vfio_cxl_below_port(PCI_DEVICE(vdev))) {
        return "the device is not below a cxl-rp or cxl-downstream port";
    }
    return NULL;
}

void vfio_cxl_is_plain(VFIOPCIDevice *vdev, const char *why)
{
    PCIDevice *pdev = PCI_DEVICE(vdev);
    uint16_t dvsec = vfio_cxl_find_dvsec(pdev);

    trace_vfio_cxl_plain_pci(vdev->vbasedev.name, why);
    if (vdev->cxl_mode == ON_OFF_AUTO_AUTO && dvsec &&
        pci_get_word(pdev->config + dvsec + DVSEC_CAP) &
        DVSEC_CAP_MEM_CAPABLE) {
        warn_report("%s: the guest gets the device without its CXL memory: %s",
                    vdev->vbasedev.name, why);
    }
}

/*
 * VFIO passthrough of CXL accelerators: those that are only PCI devices
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_CXL_PLAIN_H
#define HW_VFIO_CXL_PLAIN_H

#include "pci.h"

/**
 * vfio_cxl_why_plain: why a device cannot be used as a CXL device
 * @vdev: a device whose BARs are registered
 *
 * As far as can be told without its capability.
 *
 * Returns: text for the user, or NULL if it can.
 */
const char *vfio_cxl_why_plain(VFIOPCIDevice *vdev);

/**
 * vfio_cxl_is_plain: warn if a device is a PCI device and has CXL memory
 * @vdev: a device whose capabilities were added
 * @why: text for the user
 *
 * Only with cxl=auto: cxl=off says that the memory is not wanted.
 */
void vfio_cxl_is_plain(VFIOPCIDevice *vdev, const char *why);

#endif /* HW_VFIO_CXL_PLAIN_H */

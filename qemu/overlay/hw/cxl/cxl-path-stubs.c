/*
 * CXL paths, for builds without CXL
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/cxl/cxl_path.h"

bool cxl_path_register(CXLPath *path, Error **errp)
{
    error_setg(errp, "CXL is not supported in this build");
    return false;
}

void cxl_path_unregister(CXLPath *path)
{
}

void cxl_path_lost(CXLPath *path)
{
}

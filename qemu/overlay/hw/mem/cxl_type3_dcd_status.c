/*
 * CXL Type 3 devices: what became of dynamic capacity extents
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/uuid.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-cxl.h"
#include "system/hostmem.h"
#include "hw/cxl/cxl_dcd.h"
#include "hw/cxl/cxl_tagged.h"

static CxlDynamicCapacityStatus *get_status(CXLType3Dev *dcd,
                                            const CXLDCExtent *ent,
                                            bool accepted)
{
    CxlDynamicCapacityStatus *s = g_new0(CxlDynamicCapacityStatus, 1);
    CXLDCRegion *region = cxl_find_dc_region(dcd, ent->start_dpa, ent->len);
    CXLTaggedStatus tagged;
    QemuUUID tag;

    memcpy(tag.data, ent->tag, sizeof(tag.data));
    if (!qemu_uuid_is_null(&tag)) {
        s->tag = qemu_uuid_unparse_strdup(&tag);
    }
    s->region = region - dcd->dc.regions;
    s->dpa = ent->start_dpa;
    s->len = ent->len;
    s->state = accepted ? CXL_DYNAMIC_CAPACITY_STATE_ACCEPTED
                        : CXL_DYNAMIC_CAPACITY_STATE_OFFERED;
    s->has_access = accepted;
    s->access = CXL_DYNAMIC_CAPACITY_ACCESS_TRAPPED;
    if (cxl_tagged_status(dcd, ent->start_dpa, &tagged)) {
        s->backend = host_memory_backend_get_name(tagged.backend);
        if (tagged.releasing) {
            s->state = CXL_DYNAMIC_CAPACITY_STATE_RELEASING;
        }
        if (tagged.direct) {
            s->access = CXL_DYNAMIC_CAPACITY_ACCESS_DIRECT;
        }
    } else if (dcd->dc.host_dc) {
        s->backend = host_memory_backend_get_name(dcd->dc.host_dc);
    }
    return s;
}

CxlDynamicCapacityStatusList *qmp_query_cxl_dynamic_capacity(const char *path,
                                                             Error **errp)
{
    CXLType3Dev *dcd = cxl_dcd_find(path, errp);
    CxlDynamicCapacityStatusList *list = NULL, **tail = &list;
    CXLDCExtentGroup *group;
    CXLDCExtent *ent;

    if (!dcd) {
        return NULL;
    }
    QTAILQ_FOREACH(ent, &dcd->dc.extents, node) {
        QAPI_LIST_APPEND(tail, get_status(dcd, ent, true));
    }
    QTAILQ_FOREACH(group, &dcd->dc.extents_pending, node) {
        QTAILQ_FOREACH(ent, &group->list, node) {
            if (!ent->withdrawn) {
                QAPI_LIST_APPEND(tail, get_status(dcd, ent, false));
            }
        }
    }
    return list;
}

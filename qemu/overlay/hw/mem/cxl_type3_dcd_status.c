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
#include "qapi/qapi-events-cxl.h"
#include "system/hostmem.h"
#include "hw/cxl/cxl_dcd.h"
#include "hw/cxl/cxl_tagged.h"

struct CXLDCNotice {
    char *path;
    char *tag;
    uint8_t region;
    uint64_t offset;
    uint64_t dpa;
    uint64_t len;
};

static char *tag_to_str(const uint8_t *data)
{
    QemuUUID tag;

    memcpy(tag.data, data, sizeof(tag.data));
    return qemu_uuid_is_null(&tag) ? NULL : qemu_uuid_unparse_strdup(&tag);
}

CXLDCNotice *cxl_dc_notice_new(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len,
                               const uint8_t *tag)
{
    const CXLDCRegion *region = cxl_find_dc_region(ct3d, dpa, 0);
    CXLDCNotice *n = g_new0(CXLDCNotice, 1);

    n->path = object_get_canonical_path(OBJECT(ct3d));
    n->tag = tag_to_str(tag);
    n->region = region - ct3d->dc.regions;
    n->offset = dpa - region->base;
    n->dpa = dpa;
    n->len = len;
    return n;
}

void cxl_dc_notice_send(CXLDCNotice *n, CxlDynamicCapacityChange change)
{
    qapi_event_send_cxl_dynamic_capacity(n->path ?: "", change, n->region,
                                         n->offset, n->dpa, n->len, n->tag);
    g_free(n->path);
    g_free(n->tag);
    g_free(n);
}

void cxl_dc_notify(CXLType3Dev *ct3d, const CXLDCExtentList *list,
                   uint64_t dpa, uint64_t len,
                   CxlDynamicCapacityChange change)
{
    CXLDCExtent *ent;

    QTAILQ_FOREACH(ent, list, node) {
        uint64_t begin = MAX(ent->start_dpa, dpa);
        uint64_t end = MIN(ent->start_dpa + ent->len, dpa + len);

        if (!ent->withdrawn && begin < end) {
            cxl_dc_notice_send(cxl_dc_notice_new(ct3d, begin, end - begin,
                                                 ent->tag), change);
        }
    }
}

static CxlDynamicCapacityStatus *get_status(CXLType3Dev *dcd,
                                            const CXLDCExtent *ent,
                                            bool accepted)
{
    CxlDynamicCapacityStatus *s = g_new0(CxlDynamicCapacityStatus, 1);
    CXLDCRegion *region = cxl_find_dc_region(dcd, ent->start_dpa, ent->len);
    CXLTaggedStatus tagged;

    s->tag = tag_to_str(ent->tag);
    s->region = region - dcd->dc.regions;
    s->offset = ent->start_dpa - region->base;
    s->dpa = ent->start_dpa;
    s->len = ent->len;
    s->state = ent->releasing ? CXL_DYNAMIC_CAPACITY_STATE_RELEASING :
               accepted ? CXL_DYNAMIC_CAPACITY_STATE_ACCEPTED :
                          CXL_DYNAMIC_CAPACITY_STATE_OFFERED;
    s->has_access = accepted;
    s->access = ct3_is_reachable(dcd, ent->start_dpa, ent->len) ?
        CXL_DYNAMIC_CAPACITY_ACCESS_TRAPPED : CXL_DYNAMIC_CAPACITY_ACCESS_NONE;
    if (cxl_tagged_status(dcd, ent->start_dpa, &tagged)) {
        s->backend = host_memory_backend_get_name(tagged.backend);
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

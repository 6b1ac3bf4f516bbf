/*
 * CXL Type 3 devices: requests to add and release dynamic capacity
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/range.h"
#include "qemu/uuid.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-cxl.h"
#include "migration/blocker.h"
#include "hw/cxl/cxl_dcd.h"
#include "hw/cxl/cxl_tagged.h"

#define TAG_SIZE sizeof_field(CXLDCExtentRaw, tag)

G_GNUC_PRINTF(5, 6)
static CXLRetCode fail(Error **errp, CXLRetCode ret, CXLType3Dev *ct3d,
                       const CXLDCExtentRaw *e, const char *fmt, ...)
{
    g_autofree char *what = NULL, *why = NULL;
    va_list ap;

    what = cxl_dc_describe(ct3d, e->start_dpa, e->len,
                           buffer_is_zero(e->tag, TAG_SIZE) ? NULL : e->tag);
    va_start(ap, fmt);
    why = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_setg(errp, "%s: %s", what, why);
    return ret;
}

/* The offered extent that overlaps a range and begins first, and its group */
static CXLDCExtent *find_pending(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len,
                                 CXLDCExtentGroup **group)
{
    CXLDCExtent *ent, *found = NULL;
    CXLDCExtentGroup *g;

    QTAILQ_FOREACH(g, &ct3d->dc.extents_pending, node) {
        QTAILQ_FOREACH(ent, &g->list, node) {
            if (!ent->withdrawn &&
                ranges_overlap(ent->start_dpa, ent->len, dpa, len) &&
                (!found || ent->start_dpa < found->start_dpa)) {
                found = ent;
                *group = g;
            }
        }
    }
    return found;
}

static CXLRetCode check_list(CXLType3Dev *ct3d, const CXLDCExtentRaw *extents,
                             uint32_t count, Error **errp)
{
    if (!count) {
        error_setg(errp, "cxl-type3 '%s': no extents are given",
                   DEVICE(ct3d)->id ?: "(no id)");
        return CXL_MBOX_INVALID_INPUT;
    }
    for (uint32_t i = 0; i < count; i++) {
        const CXLDCExtentRaw *e = &extents[i];
        CXLDCRegion *region;

        if (!e->len) {
            return fail(errp, CXL_MBOX_INVALID_EXTENT_LIST, ct3d, e,
                        "extent with 0 length is not allowed");
        }
        region = cxl_find_dc_region(ct3d, e->start_dpa, e->len);
        if (!region) {
            return fail(errp, CXL_MBOX_INVALID_PA, ct3d, e,
                        "extent range is beyond the region end");
        }
        if ((e->start_dpa - region->base) % region->block_size ||
            e->len % region->block_size) {
            return fail(errp, CXL_MBOX_INVALID_EXTENT_LIST, ct3d, e,
                        "dpa or len is not aligned to region block size, 0x%"
                        PRIx64, region->block_size);
        }
        for (uint32_t j = 0; j < i; j++) {
            if (ranges_overlap(e->start_dpa, e->len, extents[j].start_dpa,
                               extents[j].len)) {
                return fail(errp, CXL_MBOX_INVALID_EXTENT_LIST, ct3d, e,
                            "duplicate or overlapped extents are detected");
            }
        }
    }
    return CXL_MBOX_SUCCESS;
}

static CXLRetCode check_log(CXLType3Dev *ct3d, const CXLDCExtentRaw *extents,
                            uint32_t count, Error **errp)
{
    unsigned room = cxl_event_log_room(&ct3d->cxl_dstate,
                                       CXL_EVENT_TYPE_DYNAMIC_CAP);

    if (count > room) {
        return fail(errp, CXL_MBOX_RETRY_REQUIRED, ct3d, &extents[0],
                    "the host has to clear events first: its log has room for "
                    "%u, not %u", room, count);
    }
    return CXL_MBOX_SUCCESS;
}

static bool cxl_dc_block_migration(CXLType3Dev *ct3d, Error **errp)
{
    if (ct3d->dc.migration_blocker) {
        return true;
    }
    error_setg(&ct3d->dc.migration_blocker,
               "cxl-type3 '%s' has dynamic capacity extents",
               DEVICE(ct3d)->id ?: "(no id)");
    return migrate_add_blocker(&ct3d->dc.migration_blocker, errp) == 0;
}

void cxl_dc_allow_migration(CXLType3Dev *ct3d)
{
    if (!ct3d->dc.total_extent_count) {
        migrate_del_blocker(&ct3d->dc.migration_blocker);
    }
}

CXLRetCode cxl_dcd_add(CXLType3Dev *ct3d, const CXLDCExtentRaw *extents,
                       uint32_t count, Error **errp)
{
    g_autofree CXLDCExtentRaw *records = NULL;
    CXLDCExtentGroup *group = NULL;
    CXLRetCode ret;

    ret = check_list(ct3d, extents, count, errp);
    if (ret != CXL_MBOX_SUCCESS) {
        return ret;
    }
    for (uint32_t i = 0; i < count; i++) {
        const CXLDCExtentRaw *e = &extents[i];

        if (cxl_extents_overlaps_dpa_range(&ct3d->dc.extents, e->start_dpa,
                                           e->len)) {
            return fail(errp, CXL_MBOX_INVALID_EXTENT_LIST, ct3d, e,
                        "cannot add DPA already accessible to the same LD");
        }
        if (cxl_extent_groups_overlaps_dpa_range(&ct3d->dc.extents_pending,
                                                 e->start_dpa, e->len)) {
            return fail(errp, CXL_MBOX_INVALID_EXTENT_LIST, ct3d, e,
                        "cannot add DPA again while still pending");
        }
    }
    if (count > CXL_NUM_EXTENTS_SUPPORTED - ct3d->dc.total_extent_count) {
        return fail(errp, CXL_MBOX_RESOURCES_EXHAUSTED, ct3d, &extents[0],
                    "the device has %u of at most %u extents",
                    ct3d->dc.total_extent_count, CXL_NUM_EXTENTS_SUPPORTED);
    }
    ret = check_log(ct3d, extents, count, errp);
    if (ret == CXL_MBOX_SUCCESS && !cxl_dc_block_migration(ct3d, errp)) {
        ret = CXL_MBOX_INTERNAL_ERROR;
    }
    if (ret == CXL_MBOX_SUCCESS && cxl_tagged(ct3d)) {
        ret = cxl_tagged_claim(ct3d, extents, count, errp);
    }
    if (ret != CXL_MBOX_SUCCESS) {
        cxl_dc_allow_migration(ct3d);
        return ret;
    }

    records = g_memdup2(extents, count * sizeof(*extents));
    for (uint32_t i = 0; i < count; i++) {
        group = cxl_insert_extent_to_extent_group(group, records[i].start_dpa,
                                                  records[i].len,
                                                  records[i].tag,
                                                  records[i].shared_seq);
    }
    cxl_extent_group_list_insert_tail(&ct3d->dc.extents_pending, group);
    ct3d->dc.total_extent_count += count;
    cxl_create_dc_event_records_for_extents(ct3d, DC_EVENT_ADD_CAPACITY,
                                            records, count);
    return CXL_MBOX_SUCCESS;
}

/* Whether a range consists of whole extents that are offered */
static bool all_pending(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len)
{
    while (len) {
        CXLDCExtentGroup *group;
        CXLDCExtent *ent = find_pending(ct3d, dpa, len, &group);

        if (!ent || ent->start_dpa != dpa || ent->len > len) {
            return false;
        }
        dpa += ent->len;
        len -= ent->len;
    }
    return true;
}

/*
 * Take back what is offered. The host may yet respond to it, and that must not
 * be taken for a response to the next offer.
 */
static void withdraw(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len)
{
    CXLDCExtentGroup *group;
    CXLDCExtent *ent;

    while ((ent = find_pending(ct3d, dpa, len, &group))) {
        ent->withdrawn = true;
        ct3d->dc.total_extent_count--;
    }
    if (cxl_tagged(ct3d)) {
        cxl_tagged_drop(ct3d, dpa, len);
    }
    cxl_dc_allow_migration(ct3d);
}

static bool tag_differs(const CXLDCExtentRaw *e, const CXLDCExtentList *list)
{
    CXLDCExtent *ent;

    QTAILQ_FOREACH(ent, list, node) {
        if (!ent->withdrawn &&
            ranges_overlap(e->start_dpa, e->len, ent->start_dpa, ent->len) &&
            memcmp(e->tag, ent->tag, TAG_SIZE)) {
            return true;
        }
    }
    return false;
}

static CXLRetCode check_tag(CXLType3Dev *ct3d, const CXLDCExtentRaw *e,
                            Error **errp)
{
    bool differs = tag_differs(e, &ct3d->dc.extents);
    CXLDCExtentGroup *group;

    if (buffer_is_zero(e->tag, TAG_SIZE)) {
        return CXL_MBOX_SUCCESS;
    }
    QTAILQ_FOREACH(group, &ct3d->dc.extents_pending, node) {
        differs = differs || tag_differs(e, &group->list);
    }
    return differs ? fail(errp, CXL_MBOX_INVALID_INPUT, ct3d, e,
                          "the extent has another tag") : CXL_MBOX_SUCCESS;
}

static CXLRetCode check_release(CXLType3Dev *ct3d, const CXLDCExtentRaw *e,
                                const CXLDCDRelease *how, bool *pending,
                                Error **errp)
{
    CXLDCExtentGroup *group;
    CXLDCExtent *ent;

    ent = find_pending(ct3d, e->start_dpa, e->len, &group);
    *pending = ent;
    if (ent && !how->forced) {
        return fail(errp, CXL_MBOX_INVALID_PA, ct3d, e,
                    "cannot release extent with pending DPA range");
    }
    if (ent && !all_pending(ct3d, e->start_dpa, e->len)) {
        return fail(errp, CXL_MBOX_INVALID_PA, ct3d, e,
                    "cannot withdraw a part of an extent");
    }
    if (!ent && !ct3_test_region_block_backed(ct3d, e->start_dpa, e->len)) {
        return fail(errp, CXL_MBOX_INVALID_PA, ct3d, e,
                    "cannot release extent with non-existing DPA range");
    }
    if (cxl_tagged(ct3d) && !cxl_tagged_whole(ct3d, e->start_dpa, e->len)) {
        return fail(errp, CXL_MBOX_RESOURCES_EXHAUSTED, ct3d, e,
                    "an extent cannot be released in part");
    }
    if (how->sanitize && !cxl_tagged(ct3d)) {
        return fail(errp, CXL_MBOX_UNSUPPORTED, ct3d, e,
                    "sanitize-on-release needs memory chosen by tag");
    }
    return check_tag(ct3d, e, errp);
}

static void add_record(GArray *records, const CXLDCExtent *ent,
                       const CXLDCExtentRaw *range)
{
    uint64_t begin = MAX(ent->start_dpa, range->start_dpa);
    uint64_t end = MIN(ent->start_dpa + ent->len,
                       range->start_dpa + range->len);
    CXLDCExtentRaw e = {
        .start_dpa = begin,
        .len = end - begin,
        .shared_seq = ent->shared_seq,
    };

    memcpy(e.tag, ent->tag, TAG_SIZE);
    g_array_append_val(records, e);
}

static int compare_records(const void *a, const void *b)
{
    uint64_t dpa_a = ((const CXLDCExtentRaw *)a)->start_dpa;
    uint64_t dpa_b = ((const CXLDCExtentRaw *)b)->start_dpa;

    return dpa_a < dpa_b ? -1 : dpa_a > dpa_b;
}

/*
 * Hosts compare tags, and keep one for each extent: whatever was asked for, the
 * host is told of each extent, or part of one, by itself.
 */
static GArray *get_records(CXLType3Dev *ct3d, const CXLDCExtentRaw *extents,
                           uint32_t count)
{
    GArray *records = g_array_new(false, true, sizeof(CXLDCExtentRaw));

    for (uint32_t i = 0; i < count; i++) {
        const CXLDCExtentRaw *e = &extents[i];
        CXLDCExtentGroup *group;
        unsigned first = records->len;
        CXLDCExtent *ent;

        QTAILQ_FOREACH(ent, &ct3d->dc.extents, node) {
            if (ranges_overlap(ent->start_dpa, ent->len, e->start_dpa,
                               e->len)) {
                add_record(records, ent, e);
            }
        }
        QTAILQ_FOREACH(group, &ct3d->dc.extents_pending, node) {
            QTAILQ_FOREACH(ent, &group->list, node) {
                if (!ent->withdrawn &&
                    ranges_overlap(ent->start_dpa, ent->len, e->start_dpa,
                                   e->len)) {
                    add_record(records, ent, e);
                }
            }
        }
        qsort(&g_array_index(records, CXLDCExtentRaw, first),
              records->len - first, sizeof(CXLDCExtentRaw), compare_records);
    }
    return records;
}

CXLRetCode cxl_dcd_release(CXLType3Dev *ct3d, const CXLDCExtentRaw *extents,
                           uint32_t count, const CXLDCDRelease *how,
                           Error **errp)
{
    g_autofree CXLUpdateDCExtentListInPl *accepted = NULL;
    g_autoptr(GArray) records = NULL;
    CXLRetCode ret;

    ret = check_list(ct3d, extents, count, errp);
    if (ret != CXL_MBOX_SUCCESS) {
        return ret;
    }

    accepted = g_malloc0(sizeof(*accepted) +
                         count * sizeof(*accepted->updated_entries));
    for (uint32_t i = 0; i < count; i++) {
        bool pending;

        ret = check_release(ct3d, &extents[i], how, &pending, errp);
        if (ret != CXL_MBOX_SUCCESS) {
            return ret;
        }
        if (!pending) {
            uint32_t n = accepted->num_entries_updated++;

            accepted->updated_entries[n].start_dpa = extents[i].start_dpa;
            accepted->updated_entries[n].len = extents[i].len;
        }
    }
    ret = cxl_dc_release(ct3d, accepted, true);
    if (ret != CXL_MBOX_SUCCESS) {
        return fail(errp, ret, ct3d, &extents[0],
                    "the extents that would remain are too many");
    }
    records = get_records(ct3d, extents, count);
    if (!how->forced) {
        ret = check_log(ct3d, extents, records->len, errp);
        if (ret != CXL_MBOX_SUCCESS) {
            return ret;
        }
    }

    for (uint32_t i = 0; i < count; i++) {
        const CXLDCExtentRaw *e = &extents[i];
        CXLDCExtentGroup *group;
        CXLDCExtent *ent;

        QTAILQ_FOREACH(ent, &ct3d->dc.extents, node) {
            ent->releasing |= ranges_overlap(ent->start_dpa, ent->len,
                                             e->start_dpa, e->len);
        }
        if (cxl_tagged(ct3d)) {
            cxl_tagged_set_sanitize(ct3d, e->start_dpa, e->len, how->sanitize);
        }
        if (find_pending(ct3d, e->start_dpa, e->len, &group)) {
            withdraw(ct3d, e->start_dpa, e->len);
        }
    }
    if (how->forced && accepted->num_entries_updated) {
        cxl_dc_release(ct3d, accepted, false);
    }
    cxl_create_dc_event_records_for_extents(ct3d, how->forced ?
                                            DC_EVENT_FORCED_RELEASE_CAPACITY :
                                            DC_EVENT_RELEASE_CAPACITY,
                                            (CXLDCExtentRaw *)records->data,
                                            records->len);
    return CXL_MBOX_SUCCESS;
}

static void collect(CXLType3Dev *ct3d, GArray *found, const CXLDCExtent *ent,
                    uint8_t rid, const uint8_t *tag)
{
    if (!ent->withdrawn && !memcmp(ent->tag, tag, TAG_SIZE) &&
        cxl_find_dc_region(ct3d, ent->start_dpa, ent->len) ==
        &ct3d->dc.regions[rid]) {
        CXLDCExtentRaw e = { .start_dpa = ent->start_dpa, .len = ent->len };

        g_array_append_val(found, e);
    }
}

CXLRetCode cxl_dcd_release_tag(CXLType3Dev *ct3d, uint8_t rid,
                               const uint8_t *tag, const CXLDCDRelease *how,
                               Error **errp)
{
    g_autoptr(GArray) found = g_array_new(false, true, sizeof(CXLDCExtentRaw));
    CXLDCExtentRaw region = {};
    CXLDCExtentGroup *group;
    CXLDCExtent *ent;

    if (rid >= ct3d->dc.num_regions) {
        error_setg(errp, "cxl-type3 '%s': region id %u is too large",
                   DEVICE(ct3d)->id ?: "(no id)", rid);
        return CXL_MBOX_INVALID_INPUT;
    }
    region.start_dpa = ct3d->dc.regions[rid].base;
    region.len = ct3d->dc.regions[rid].len;
    memcpy(region.tag, tag, TAG_SIZE);
    if (buffer_is_zero(tag, TAG_SIZE)) {
        g_autofree char *what = cxl_dc_describe(ct3d, region.start_dpa,
                                                region.len, tag);

        error_setg(errp, "%s: tag-based removal needs one", what);
        return CXL_MBOX_INVALID_INPUT;
    }
    QTAILQ_FOREACH(ent, &ct3d->dc.extents, node) {
        collect(ct3d, found, ent, rid, tag);
    }
    QTAILQ_FOREACH(group, &ct3d->dc.extents_pending, node) {
        QTAILQ_FOREACH(ent, &group->list, node) {
            collect(ct3d, found, ent, rid, tag);
        }
    }
    if (!found->len) {
        return fail(errp, CXL_MBOX_INVALID_INPUT, ct3d, &region,
                    "no extent in this region has the tag");
    }
    return cxl_dcd_release(ct3d, (CXLDCExtentRaw *)found->data, found->len, how,
                           errp);
}

/* ---- QMP ---- */

CXLType3Dev *cxl_dcd_find(const char *path, Error **errp)
{
    Object *obj = object_resolve_path_type(path, TYPE_CXL_TYPE3, NULL);

    if (!obj) {
        error_setg(errp, "Unable to resolve CXL type 3 device '%s'", path);
        return NULL;
    }
    if (!CXL_TYPE3(obj)->dc.num_regions) {
        error_setg(errp, "No dynamic capacity support from the device '%s'",
                   path);
        return NULL;
    }
    return CXL_TYPE3(obj);
}

CXLRetCode cxl_dcd_check_host(CXLType3Dev *ct3d, uint16_t host_id, Error **errp)
{
    if (host_id) {
        error_setg(errp, "cxl-type3 '%s': there is no host %u, only host 0",
                   DEVICE(ct3d)->id ?: "(no id)", host_id);
        return CXL_MBOX_INVALID_INPUT;
    }
    return CXL_MBOX_SUCCESS;
}

static bool parse_tag(CXLType3Dev *dcd, uint8_t rid, const char *str,
                      QemuUUID *tag, Error **errp)
{
    *tag = (QemuUUID) {};
    if (str && *str && qemu_uuid_parse(str, tag)) {
        error_setg(errp, "cxl-type3 '%s', region %u: tag '%s' is not a UUID",
                   DEVICE(dcd)->id ?: "(no id)", rid, str);
        return false;
    }
    return true;
}

static GArray *parse_extents(CXLType3Dev *dcd, uint8_t rid, const QemuUUID *tag,
                             const CxlDynamicCapacityExtentList *list,
                             Error **errp)
{
    g_autoptr(GArray) extents = g_array_new(false, true,
                                            sizeof(CXLDCExtentRaw));
    const CXLDCRegion *region;

    if (rid >= dcd->dc.num_regions) {
        error_setg(errp, "cxl-type3 '%s': region id %u is too large",
                   DEVICE(dcd)->id ?: "(no id)", rid);
        return NULL;
    }
    region = &dcd->dc.regions[rid];
    for (; list; list = list->next) {
        CXLDCExtentRaw e = { .len = list->value->len };

        memcpy(e.tag, tag->data, TAG_SIZE);
        e.start_dpa = region->base + list->value->offset;
        if (list->value->offset > region->len ||
            e.len > region->len - list->value->offset) {
            fail(errp, CXL_MBOX_INVALID_PA, dcd, &e,
                 "extent range is beyond the end of region %u", rid);
            return NULL;
        }
        g_array_append_val(extents, e);
    }
    return g_steal_pointer(&extents);
}

void qmp_cxl_add_dynamic_capacity(const char *path, uint16_t host_id,
                                  CxlExtentSelectionPolicy sel_policy,
                                  uint8_t rid, const char *tag_str,
                                  CxlDynamicCapacityExtentList *list,
                                  Error **errp)
{
    g_autoptr(GArray) extents = NULL;
    CXLType3Dev *dcd = cxl_dcd_find(path, errp);
    QemuUUID tag;

    if (!dcd || cxl_dcd_check_host(dcd, host_id, errp) ||
        !parse_tag(dcd, rid, tag_str, &tag, errp)) {
        return;
    }
    if (sel_policy != CXL_EXTENT_SELECTION_POLICY_PRESCRIPTIVE) {
        error_setg(errp, "cxl-type3 '%s', region %u: selection policy '%s' is "
                   "not supported", DEVICE(dcd)->id ?: "(no id)", rid,
                   CxlExtentSelectionPolicy_str(sel_policy));
        return;
    }
    extents = parse_extents(dcd, rid, &tag, list, errp);
    if (extents) {
        cxl_dcd_add(dcd, (CXLDCExtentRaw *)extents->data, extents->len, errp);
    }
}

/* Whether a range is in an extent that has its tag */
static bool has_tag(CXLType3Dev *dcd, const CXLDCExtentRaw *e)
{
    CXLDCExtentGroup *group;
    CXLDCExtent *ent = cxl_find_extent(&dcd->dc.extents, e->start_dpa);

    QTAILQ_FOREACH(group, &dcd->dc.extents_pending, node) {
        ent = ent ?: cxl_find_extent(&group->list, e->start_dpa);
    }
    return ent && !memcmp(ent->tag, e->tag, TAG_SIZE) &&
           e->start_dpa - ent->start_dpa + e->len <= ent->len;
}

void qmp_cxl_release_dynamic_capacity(const char *path, uint16_t host_id,
                                      CxlExtentRemovalPolicy removal_policy,
                                      bool has_forced, bool forced,
                                      bool has_sanitize, bool sanitize,
                                      uint8_t rid, const char *tag_str,
                                      bool has_list,
                                      CxlDynamicCapacityExtentList *list,
                                      Error **errp)
{
    const CXLDCDRelease how = { .forced = forced, .sanitize = sanitize };
    g_autoptr(GArray) extents = NULL;
    CXLType3Dev *dcd = cxl_dcd_find(path, errp);
    QemuUUID tag;

    if (!dcd || cxl_dcd_check_host(dcd, host_id, errp) ||
        !parse_tag(dcd, rid, tag_str, &tag, errp)) {
        return;
    }
    if (removal_policy == CXL_EXTENT_REMOVAL_POLICY_TAG_BASED) {
        extents = parse_extents(dcd, rid, &tag, list, errp);
        if (!extents) {
            return;
        }
        for (guint i = 0; i < extents->len; i++) {
            const CXLDCExtentRaw *e = &g_array_index(extents, CXLDCExtentRaw,
                                                     i);

            if (!has_tag(dcd, e)) {
                fail(errp, CXL_MBOX_INVALID_INPUT, dcd, e,
                     "no extent with this tag is there");
                return;
            }
        }
        cxl_dcd_release_tag(dcd, rid, tag.data, &how, errp);
        return;
    }
    extents = parse_extents(dcd, rid, &tag, list, errp);
    if (extents) {
        cxl_dcd_release(dcd, (CXLDCExtentRaw *)extents->data, extents->len,
                        &how, errp);
    }
}

/*
 * CXL Type 3 devices: dynamic capacity whose memory tags choose
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qemu/uuid.h"
#include "qapi/error.h"
#include "migration/blocker.h"
#include "system/hostmem.h"
#include "hw/cxl/cxl_tagged.h"

typedef struct {
    uint64_t dpa;               /* the key in CXLType3Dev.dc.tagged */
    uint64_t len;
    HostMemoryBackend *backend;
    uint64_t offset;            /* in the backend */
    bool accepted;
    bool releasing;
    bool sanitize;

    /* Where the CPU reaches it directly, or NULL */
    MemoryRegion *alias;
    CXLFixedWindow *fw;
    hwaddr hpa;
} CXLTagged;

/* ---- finding extents ---- */

static int compare_dpa(const void *a, const void *b, void *opaque)
{
    uint64_t dpa_a = *(const uint64_t *)a, dpa_b = *(const uint64_t *)b;

    return dpa_a < dpa_b ? -1 : dpa_a > dpa_b;
}

/* Which way in the tree a DPA is from an extent */
static int look_for_dpa(const void *key, const void *opaque)
{
    const CXLTagged *t = container_of(key, CXLTagged, dpa);
    uint64_t dpa = *(const uint64_t *)opaque;

    return dpa < t->dpa ? -1 : dpa - t->dpa >= t->len;
}

static CXLTagged *find(CXLType3Dev *ct3d, uint64_t dpa)
{
    return ct3d->dc.tagged ?
           g_tree_search(ct3d->dc.tagged, look_for_dpa, &dpa) : NULL;
}

static MemoryRegion *memory(const CXLTagged *t)
{
    return host_memory_backend_get_memory(t->backend);
}

char *cxl_dc_describe(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len,
                      const uint8_t *tag)
{
    const CXLDCRegion *region = cxl_find_dc_region(ct3d, dpa, 0);
    g_autofree char *tag_str = NULL, *region_str = NULL;
    CXLDCExtentGroup *group;
    CXLDCExtent *ent = NULL;

    if (!tag) {
        ent = cxl_find_extent(&ct3d->dc.extents, dpa);
        QTAILQ_FOREACH(group, &ct3d->dc.extents_pending, node) {
            ent = ent ?: cxl_find_extent(&group->list, dpa);
        }
        tag = ent ? ent->tag : NULL;
    }
    if (tag) {
        QemuUUID uuid;

        memcpy(uuid.data, tag, sizeof(uuid.data));
        tag_str = qemu_uuid_is_null(&uuid) ? NULL
                                           : qemu_uuid_unparse_strdup(&uuid);
    }
    if (region) {
        region_str = g_strdup_printf("region %d",
                                     (int)(region - ct3d->dc.regions));
    }
    return g_strdup_printf("cxl-type3 '%s', %s, DPA 0x%" PRIx64
                           ", length 0x%" PRIx64 ", %s%s",
                           DEVICE(ct3d)->id ?: "(no id)",
                           region_str ?: "no region", dpa, len,
                           tag_str ? "tag " : "no tag", tag_str ?: "");
}

/* ---- direct access ---- */

static void unmap(CXLTagged *t)
{
    if (t->alias) {
        memory_region_del_subregion(&t->fw->mr, t->alias);
        object_unparent(OBJECT(t->alias));
        g_clear_pointer(&t->alias, g_free);
    }
}

static void map(CXLType3Dev *ct3d, CXLTagged *t, CXLFixedWindow *fw, hwaddr hpa)
{
    g_autofree char *name = g_strdup_printf("cxl-dc-extent-0x%" PRIx64,
                                            t->dpa);

    t->alias = g_new0(MemoryRegion, 1);
    t->fw = fw;
    t->hpa = hpa;
    memory_region_init_alias(t->alias, OBJECT(ct3d), name, memory(t),
                             t->offset, t->len);
    memory_region_add_subregion(&fw->mr, hpa - fw->base, t->alias);
}

/* What a decoder maps without interleave */
typedef struct {
    uint64_t dpa;
    uint64_t size;
    hwaddr hpa;
    CXLFixedWindow *fw;         /* if all of it can be reached directly */
} Decoder;

static unsigned get_decoders(CXLType3Dev *ct3d, Decoder *out)
{
    const uint32_t *cache_mem = ct3d->cxl_cstate.crb.cache_mem_registers;
    uint64_t dpa = 0;
    unsigned n = 0;

    for (unsigned i = 0; i < CXL_HDM_DECODER_COUNT; i++) {
        CXLHDMDecoder d = cxl_hdm_decoder_get(cache_mem, i);
        int ways = cxl_interleave_ways_dec(FIELD_EX32(d.ctrl,
                                                      CXL_HDM_DECODER0_CTRL,
                                                      IW), NULL);

        /* Decoders are committed in order, and each begins where one ends */
        if (!cxl_hdm_decoder_committed(&d) || !ways) {
            break;
        }
        dpa += QEMU_ALIGN_DOWN(d.targets, 256 * MiB);
        if (ways == 1) {
            out[n++] = (Decoder) {
                .dpa = dpa,
                .size = d.size,
                .hpa = d.base,
                .fw = cxl_fmws_find_direct(PCI_DEVICE(ct3d), d.base, d.size),
            };
        }
        dpa += d.size / ways;
    }
    return n;
}

static CXLFixedWindow *find_window(CXLType3Dev *ct3d, const CXLTagged *t,
                                   const Decoder *d, unsigned n, hwaddr *hpa)
{
    for (unsigned i = 0; i < n; i++, d++) {
        if (t->dpa >= d->dpa && t->len <= d->size &&
            t->dpa - d->dpa <= d->size - t->len) {
            *hpa = d->hpa + (t->dpa - d->dpa);
            /* Decoders on the way can be smaller than the one here */
            return d->fw ?: cxl_fmws_find_direct(PCI_DEVICE(ct3d), *hpa,
                                                 t->len);
        }
    }
    return NULL;
}

typedef struct {
    CXLType3Dev *ct3d;
    Decoder decoders[CXL_HDM_DECODER_COUNT];
    unsigned n;
} Update;

static gboolean update_one(void *key, void *value, void *opaque)
{
    Update *u = opaque;
    CXLTagged *t = value;
    CXLFixedWindow *fw;
    hwaddr hpa = 0;

    if (!t->accepted) {
        return FALSE;
    }
    fw = find_window(u->ct3d, t, u->decoders, u->n, &hpa);
    if (t->alias && (fw != t->fw || hpa != t->hpa)) {
        unmap(t);
    }
    if (fw && !t->alias) {
        map(u->ct3d, t, fw, hpa);
    }
    return FALSE;
}

void cxl_tagged_update(PCIDevice *d)
{
    Update u = { .ct3d = CXL_TYPE3(d) };

    if (!u.ct3d->dc.tagged || !g_tree_nnodes(u.ct3d->dc.tagged)) {
        return;
    }
    u.n = get_decoders(u.ct3d, u.decoders);
    memory_region_transaction_begin();
    g_tree_foreach(u.ct3d->dc.tagged, update_one, &u);
    memory_region_transaction_commit();
}

/* ---- access by functions ---- */

/* The next part of a range that is in one extent, or NULL */
static uint8_t *next_part(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len,
                          CXLTagged **t, uint64_t *part)
{
    *t = find(ct3d, dpa);
    if (!*t || !(*t)->accepted) {
        return NULL;
    }
    *part = MIN(len, (*t)->len - (dpa - (*t)->dpa));
    return (uint8_t *)memory_region_get_ram_ptr(memory(*t)) + (*t)->offset +
           (dpa - (*t)->dpa);
}

static void set_dirty(const CXLTagged *t, uint64_t dpa, uint64_t len)
{
    memory_region_set_dirty(memory(t), t->offset + (dpa - t->dpa), len);
}

static bool reachable(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len)
{
    CXLTagged *t;
    uint64_t part;

    for (; len; dpa += part, len -= part) {
        if (!next_part(ct3d, dpa, len, &t, &part)) {
            return false;
        }
    }
    return true;
}

MemTxResult cxl_tagged_rw(CXLType3Dev *ct3d, uint64_t dpa, void *buf,
                          uint64_t len, bool write)
{
    uint8_t *p = buf;
    CXLTagged *t;
    uint64_t part;

    if (!reachable(ct3d, dpa, len)) {
        return MEMTX_ERROR;
    }
    for (; len; dpa += part, p += part, len -= part) {
        uint8_t *mem = next_part(ct3d, dpa, len, &t, &part);

        if (write) {
            memcpy(mem, p, part);
            set_dirty(t, dpa, part);
        } else {
            memcpy(p, mem, part);
        }
    }
    return MEMTX_OK;
}

MemTxResult cxl_tagged_fill(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len,
                            uint8_t value)
{
    CXLTagged *t;
    uint64_t part;

    if (!reachable(ct3d, dpa, len)) {
        return MEMTX_ERROR;
    }
    for (; len; dpa += part, len -= part) {
        uint8_t *mem = next_part(ct3d, dpa, len, &t, &part);

        memset(mem, value, part);
        set_dirty(t, dpa, part);
    }
    return MEMTX_OK;
}

/* ---- from offer to release ---- */

static const uint8_t *tag_of(const CXLDCExtentRaw *e, QemuUUID *uuid)
{
    memcpy(uuid->data, e->tag, sizeof(uuid->data));
    return uuid->data;
}

static CXLRetCode check_claim(CXLType3Dev *ct3d, const CXLDCExtentRaw *extents,
                              uint32_t count, uint32_t i, uint64_t *offset,
                              Error **errp)
{
    const CXLDCExtentRaw *e = &extents[i];
    g_autofree char *what = cxl_dc_describe(ct3d, e->start_dpa, e->len, e->tag);
    g_autofree char *name = NULL;
    HostMemoryBackend *backend;
    MemoryRegion *mr;
    QemuUUID uuid;
    bool last = true;

    *offset = 0;
    tag_of(e, &uuid);
    if (qemu_uuid_is_null(&uuid)) {
        error_setg(errp, "%s: a tag is needed to choose memory", what);
        return CXL_MBOX_INVALID_INPUT;
    }
    backend = host_memory_backend_find_tag(&uuid);
    mr = backend ? host_memory_backend_get_memory(backend) : NULL;
    if (!mr) {
        error_setg(errp, "%s: no memory backend has this tag", what);
        return CXL_MBOX_INVALID_INPUT;
    }
    name = host_memory_backend_get_name(backend);
    if (host_memory_backend_is_mapped(backend)) {
        error_setg(errp, "%s: memory backend '%s' is in use", what, name);
        return CXL_MBOX_INVALID_INPUT;
    }
    if (memory_region_is_rom(mr)) {
        error_setg(errp, "%s: memory backend '%s' is read-only", what, name);
        return CXL_MBOX_INVALID_INPUT;
    }
    for (uint32_t j = 0; j < count; j++) {
        if (j != i && !memcmp(extents[j].tag, e->tag, sizeof(e->tag))) {
            *offset += j < i ? extents[j].len : 0;
            last = last && j < i;
        }
    }
    if (e->len > memory_region_size(mr) - *offset ||
        (last && e->len < memory_region_size(mr) - *offset)) {
        error_setg(errp, "%s: the extents with this tag must add up to the "
                   "size of memory backend '%s', 0x%" PRIx64, what, name,
                   memory_region_size(mr));
        return CXL_MBOX_INVALID_INPUT;
    }
    return CXL_MBOX_SUCCESS;
}

static bool block_migration(CXLType3Dev *ct3d, Error **errp)
{
    if (ct3d->dc.migration_blocker) {
        return true;
    }
    error_setg(&ct3d->dc.migration_blocker, "cxl-type3 '%s' has dynamic "
               "capacity extents whose memory was chosen by tag",
               DEVICE(ct3d)->id ?: "(no id)");
    return migrate_add_blocker(&ct3d->dc.migration_blocker, errp) == 0;
}

CXLRetCode cxl_tagged_claim(CXLType3Dev *ct3d, const CXLDCExtentRaw *extents,
                            uint32_t count, Error **errp)
{
    g_autofree uint64_t *offset = g_new(uint64_t, count);
    CXLRetCode ret;

    for (uint32_t i = 0; i < count; i++) {
        ret = check_claim(ct3d, extents, count, i, &offset[i], errp);
        if (ret != CXL_MBOX_SUCCESS) {
            return ret;
        }
    }
    if (!block_migration(ct3d, errp)) {
        return CXL_MBOX_INTERNAL_ERROR;
    }
    for (uint32_t i = 0; i < count; i++) {
        CXLTagged *t = g_new0(CXLTagged, 1);
        QemuUUID uuid;

        tag_of(&extents[i], &uuid);
        t->dpa = extents[i].start_dpa;
        t->len = extents[i].len;
        t->offset = offset[i];
        t->backend = host_memory_backend_find_tag(&uuid);
        object_ref(OBJECT(t->backend));
        host_memory_backend_set_mapped(t->backend, true);
        g_tree_insert(ct3d->dc.tagged, &t->dpa, t);
    }
    return CXL_MBOX_SUCCESS;
}

bool cxl_tagged_offered(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len)
{
    CXLTagged *t = find(ct3d, dpa);

    return t && !t->accepted && t->dpa == dpa && t->len == len;
}

void cxl_tagged_accept(CXLType3Dev *ct3d, uint64_t dpa)
{
    CXLTagged *t = find(ct3d, dpa);
    Update u = { .ct3d = ct3d };

    if (t) {
        t->accepted = true;
        memory_region_set_nonvolatile(memory(t), false);
        u.n = get_decoders(ct3d, u.decoders);
        update_one(&t->dpa, t, &u);
    }
}

static gboolean uses_backend(void *key, void *value, void *opaque)
{
    HostMemoryBackend **backend = opaque;

    if (((CXLTagged *)value)->backend == *backend) {
        *backend = NULL;
        return TRUE;
    }
    return FALSE;
}

static void drop(CXLType3Dev *ct3d, CXLTagged *t)
{
    HostMemoryBackend *backend = t->backend, *left = backend;

    unmap(t);
    if (t->sanitize) {
        memset((uint8_t *)memory_region_get_ram_ptr(memory(t)) + t->offset, 0,
               t->len);
        set_dirty(t, t->dpa, t->len);
    }
    g_tree_remove(ct3d->dc.tagged, &t->dpa);
    g_tree_foreach(ct3d->dc.tagged, uses_backend, &left);
    if (left) {
        host_memory_backend_set_mapped(backend, false);
    }
    object_unref(OBJECT(backend));
    if (!g_tree_nnodes(ct3d->dc.tagged)) {
        migrate_del_blocker(&ct3d->dc.migration_blocker);
    }
}

void cxl_tagged_reject(CXLType3Dev *ct3d, const CXLDCExtentList *offered)
{
    CXLDCExtent *ent;

    QTAILQ_FOREACH(ent, offered, node) {
        CXLTagged *t = find(ct3d, ent->start_dpa);

        if (t && !t->accepted && !ent->withdrawn) {
            drop(ct3d, t);
        }
    }
}

bool cxl_tagged_whole(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len)
{
    while (len) {
        CXLTagged *t = find(ct3d, dpa);

        if (!t || t->dpa != dpa || t->len > len) {
            return false;
        }
        dpa += t->len;
        len -= t->len;
    }
    return true;
}

void cxl_tagged_releasing(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len,
                          bool sanitize)
{
    for (uint64_t end = dpa + len; dpa < end;) {
        CXLTagged *t = find(ct3d, dpa);

        t->releasing = true;
        t->sanitize = sanitize;
        dpa += t->len;
    }
}

void cxl_tagged_drop(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len)
{
    memory_region_transaction_begin();
    for (uint64_t end = dpa + len; dpa < end;) {
        CXLTagged *t = find(ct3d, dpa);

        dpa += t->len;
        drop(ct3d, t);
    }
    memory_region_transaction_commit();
}

bool cxl_tagged_status(CXLType3Dev *ct3d, uint64_t dpa, CXLTaggedStatus *status)
{
    CXLTagged *t = find(ct3d, dpa);

    if (!t) {
        return false;
    }
    *status = (CXLTaggedStatus) {
        .backend = t->backend,
        .releasing = t->releasing,
        .direct = t->alias,
    };
    return true;
}

/* ---- start and stop ---- */

bool cxl_tagged_check(CXLType3Dev *ct3d, Error **errp)
{
    if (ct3d->dc.num_regions > DCD_MAX_NUM_REGION) {
        error_setg(errp, "num-dc-regions, %u, is above %u",
                   ct3d->dc.num_regions, DCD_MAX_NUM_REGION);
        return false;
    }
    if (!cxl_tagged(ct3d)) {
        if (ct3d->dc.num_regions && !ct3d->dc.host_dc) {
            error_setg(errp, "num-dc-regions needs either volatile-dc-memdev, "
                       "memory for all regions, or dc-regions-total-size, "
                       "for memory to be chosen by tags");
            return false;
        }
        return true;
    }
    if (ct3d->dc.host_dc) {
        error_setg(errp, "dc-regions-total-size and volatile-dc-memdev exclude "
                   "each other");
        return false;
    }
    if (!ct3d->dc.num_regions) {
        error_setg(errp, "dc-regions-total-size needs num-dc-regions");
        return false;
    }
    if (ct3d->dc.tagged_size % (ct3d->dc.num_regions * 256 * MiB)) {
        error_setg(errp, "dc-regions-total-size, 0x%" PRIx64 ", is not a "
                   "multiple of 256 MiB for each of %u regions",
                   ct3d->dc.tagged_size, ct3d->dc.num_regions);
        return false;
    }
    return true;
}

void cxl_tagged_init(CXLType3Dev *ct3d)
{
    ct3d->dc.tagged = g_tree_new_full(compare_dpa, NULL, NULL, g_free);
}

static gboolean first(void *key, void *value, void *opaque)
{
    *(CXLTagged **)opaque = value;
    return TRUE;
}

void cxl_tagged_cleanup(CXLType3Dev *ct3d)
{
    if (!ct3d->dc.tagged) {
        return;
    }
    memory_region_transaction_begin();
    while (g_tree_nnodes(ct3d->dc.tagged)) {
        CXLTagged *t = NULL;

        g_tree_foreach(ct3d->dc.tagged, first, &t);
        drop(ct3d, t);
    }
    memory_region_transaction_commit();
    g_clear_pointer(&ct3d->dc.tagged, g_tree_unref);
}

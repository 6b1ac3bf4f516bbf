/*
 * CXL Type 3 devices: dynamic capacity backed by tagged memory
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qemu/uuid.h"
#include "qapi/error.h"
#include "hw/virtio/vhost.h"
#include "system/hostmem.h"
#include "system/kvm.h"
#include "hw/cxl/cxl_clear.h"
#include "hw/cxl/cxl_dcd.h"
#include "hw/cxl/cxl_tagged.h"

/* A memory backend, for as long as an extent or a clearing uses it */
typedef struct {
    HostMemoryBackend *backend;
    uint8_t tag[sizeof_field(CXLDCExtentRaw, tag)];
    unsigned users;
} CXLTaggedMemory;

typedef struct {
    uint64_t dpa;               /* the key in CXLType3Dev.dc.tagged */
    uint64_t len;
    CXLTaggedMemory *memory;
    uint64_t offset;            /* in the backend */
    MemoryRegion *alias;        /* in the DPA space, once it is accepted */
    bool sanitize;
    bool direct;
} CXLTagged;

/* A part of the DPA space that is in a window */
typedef struct {
    uint64_t dpa;
    uint64_t len;
    CXLFixedWindow *fw;
    hwaddr hpa;
    MemoryRegion *alias;
} CXLShown;

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

static MemoryRegion *cxl_tagged_mr(const CXLTagged *t)
{
    return host_memory_backend_get_memory(t->memory->backend);
}

static void cxl_tagged_memory_unref(CXLTaggedMemory *m)
{
    if (--m->users == 0) {
        host_memory_backend_set_mapped(m->backend, false);
        object_unref(OBJECT(m->backend));
        g_free(m);
    }
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

/* ---- the DPA space, and where the windows show it ---- */

static MemoryRegion *cxl_alias_new(CXLType3Dev *ct3d, const char *what,
                                   uint64_t dpa, MemoryRegion *mr,
                                   uint64_t offset, uint64_t len)
{
    g_autofree char *name = g_strdup_printf("%s-0x%" PRIx64, what, dpa);
    MemoryRegion *alias = g_new0(MemoryRegion, 1);

    memory_region_init_alias(alias, OBJECT(ct3d), name, mr, offset, len);
    return alias;
}

static void cxl_alias_free(MemoryRegion *container, MemoryRegion *alias)
{
    memory_region_del_subregion(container, alias);
    object_unparent(OBJECT(alias));
    g_free(alias);
}

static uint64_t cxl_dc_base(const CXLType3Dev *ct3d)
{
    return ct3d->dc.regions[0].base;
}

/* What a decoder maps without interleave */
typedef struct {
    uint64_t dpa;
    uint64_t size;
    hwaddr hpa;
} CXLDirectDecoder;

/* How the windows would show all that is accepted */
typedef struct {
    CXLType3Dev *ct3d;
    CXLDirectDecoder decoders[CXL_HDM_DECODER_COUNT];
    unsigned n;
    GArray *shown;

    /* What the last look at the way told, which is true of all around it */
    hwaddr unit;
    CXLFixedWindow *fw;

    /* Memory slots: how many there are, and how many this takes */
    bool keep;                  /* look only at what is direct already */
    unsigned slots;
    unsigned kept;
    unsigned more;
    unsigned used;
    const CXLTagged *last;      /* the extent that the last of them is for */
    hwaddr last_end;
} CXLPlan;

/*
 * Others, such as BARs, need some, and take them without asking. A quarter of
 * them where there are few: a vhost-user backend may have 8.
 */
#define CXL_SPARE_SLOTS 8

static unsigned cxl_plan_slots(const CXLType3Dev *ct3d)
{
    unsigned max = vhost_get_max_memslots();
    unsigned free = vhost_get_free_memslots();
    unsigned spare;

    if (kvm_enabled()) {
        max = MIN(max, kvm_get_max_memslots());
        free = MIN(free, kvm_get_free_memslots());
    }
    spare = MIN(CXL_SPARE_SLOTS, max / 4);
    free = free > spare ? free - spare : 0;
    /* Those of this device are not free, but to be had */
    if (free < UINT_MAX - ct3d->dc.slots) {
        free += ct3d->dc.slots;
    }
    return MIN(free, ct3d->dc.max_slots);
}

/* Whether an extent goes on where the one before it ends, in one slot */
static bool cxl_plan_continues(const CXLPlan *plan, const CXLTagged *t,
                               hwaddr hpa)
{
    return plan->last && plan->last->memory == t->memory &&
           plan->last->dpa + plan->last->len == t->dpa &&
           plan->last->offset + plan->last->len == t->offset &&
           plan->last_end == hpa;
}

static void cxl_plan_decoders(CXLPlan *plan)
{
    const uint32_t *cache_mem =
        plan->ct3d->cxl_cstate.crb.cache_mem_registers;
    uint64_t dpa = 0;

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
            plan->decoders[plan->n++] = (CXLDirectDecoder) {
                .dpa = dpa,
                .size = d.size,
                .hpa = d.base,
            };
        }
        dpa += d.size / ways;
    }
}

static CXLFixedWindow *cxl_plan_route(CXLPlan *plan, hwaddr hpa, uint64_t len)
{
    CXLFixedWindow *fw = NULL;

    for (hwaddr unit = QEMU_ALIGN_DOWN(hpa, CXL_ROUTE_UNIT);
         unit < hpa + len; unit += CXL_ROUTE_UNIT) {
        if (unit != plan->unit) {
            plan->unit = unit;
            plan->fw = cxl_fmws_find_route(PCI_DEVICE(plan->ct3d), unit);
        }
        if (!plan->fw || (fw && fw != plan->fw)) {
            return NULL;
        }
        fw = plan->fw;
    }
    return fw;
}

static void cxl_plan_show(CXLPlan *plan, const CXLShown *part)
{
    CXLShown *last = plan->shown->len ?
        &g_array_index(plan->shown, CXLShown, plan->shown->len - 1) : NULL;

    if (last && last->dpa + last->len == part->dpa &&
        last->hpa + last->len == part->hpa && last->fw == part->fw) {
        last->len += part->len;
    } else {
        g_array_append_vals(plan->shown, part, 1);
    }
}

/* Returns: how many parts of the windows an extent is in, or 0 */
static unsigned cxl_plan_locate(CXLPlan *plan, const CXLTagged *t,
                                CXLShown *parts)
{
    uint64_t dpa = t->dpa, end = t->dpa + t->len;
    unsigned n = 0;

    for (unsigned i = 0; i < plan->n && dpa < end; i++) {
        const CXLDirectDecoder *d = &plan->decoders[i];
        CXLShown *part = &parts[n];

        if (dpa < d->dpa || dpa - d->dpa >= d->size) {
            continue;
        }
        *part = (CXLShown) {
            .dpa = dpa,
            .len = MIN(end - dpa, d->size - (dpa - d->dpa)),
            .hpa = d->hpa + (dpa - d->dpa),
        };
        part->fw = cxl_plan_route(plan, part->hpa, part->len);
        if (!part->fw) {
            return 0;
        }
        dpa += part->len;
        n++;
    }
    return dpa < end ? 0 : n;
}

/* An extent is direct if each byte of it is, and there are slots for it */
static gboolean cxl_plan_extent(void *key, void *value, void *opaque)
{
    CXLPlan *plan = opaque;
    CXLTagged *t = value;
    CXLShown parts[CXL_HDM_DECODER_COUNT];
    unsigned n, slots;

    if (!t->alias || (plan->keep && !t->direct)) {
        return FALSE;
    }
    n = cxl_plan_locate(plan, t, parts);
    if (!n) {
        t->direct = false;
        return FALSE;
    }
    slots = n - cxl_plan_continues(plan, t, parts[0].hpa);
    if (plan->keep) {
        plan->kept += slots;
    } else {
        if (!t->direct) {
            if (slots && plan->kept + plan->more + slots > plan->slots) {
                return FALSE;
            }
            plan->more += slots;
        }
        for (unsigned i = 0; i < n; i++) {
            cxl_plan_show(plan, &parts[i]);
        }
        plan->used += slots;
        t->direct = true;
    }
    plan->last = t;
    plan->last_end = parts[n - 1].hpa + parts[n - 1].len;
    return FALSE;
}

static bool cxl_shown_equal(const CXLShown *a, const CXLShown *b)
{
    return a->dpa == b->dpa && a->len == b->len && a->fw == b->fw &&
           a->hpa == b->hpa;
}

/* Both lists are in the order of DPA: what stays is left alone */
static void cxl_plan_apply(CXLPlan *plan)
{
    CXLType3Dev *ct3d = plan->ct3d;
    GArray *old = ct3d->dc.shown;
    unsigned i = 0, j = 0;

    memory_region_transaction_begin();
    while (i < old->len || j < plan->shown->len) {
        CXLShown *was = i < old->len ? &g_array_index(old, CXLShown, i) : NULL;
        CXLShown *is = j < plan->shown->len ?
            &g_array_index(plan->shown, CXLShown, j) : NULL;

        if (was && is && cxl_shown_equal(was, is)) {
            is->alias = was->alias;
            i++;
            j++;
        } else if (was && (!is || was->dpa <= is->dpa)) {
            cxl_alias_free(&was->fw->mr, was->alias);
            i++;
        } else {
            is->alias = cxl_alias_new(ct3d, "cxl-dc-window", is->dpa,
                                      &ct3d->dc.space,
                                      is->dpa - cxl_dc_base(ct3d), is->len);
            memory_region_add_subregion(&is->fw->mr, is->hpa - is->fw->base,
                                        is->alias);
            j++;
        }
    }
    memory_region_transaction_commit();
    g_array_unref(old);
    ct3d->dc.shown = plan->shown;
}

void cxl_tagged_update(PCIDevice *d)
{
    CXLPlan plan = { .ct3d = CXL_TYPE3(d), .unit = HWADDR_MAX };

    if (!plan.ct3d->dc.tagged ||
        (!g_tree_nnodes(plan.ct3d->dc.tagged) && !plan.ct3d->dc.shown->len)) {
        return;
    }
    plan.shown = g_array_new(false, true, sizeof(CXLShown));
    if (!cxl_dev_media_disabled(&plan.ct3d->cxl_dstate)) {
        cxl_plan_decoders(&plan);
    }
    /* What is direct stays so, and others get what slots are left */
    plan.slots = cxl_plan_slots(plan.ct3d);
    plan.keep = true;
    g_tree_foreach(plan.ct3d->dc.tagged, cxl_plan_extent, &plan);
    plan.keep = false;
    plan.last = NULL;
    g_tree_foreach(plan.ct3d->dc.tagged, cxl_plan_extent, &plan);
    cxl_plan_apply(&plan);
    plan.ct3d->dc.slots = plan.used;
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

/* That of an extent before with the same tag, or else claimed here */
static CXLTaggedMemory *cxl_tagged_memory_of(CXLType3Dev *ct3d,
                                             const CXLDCExtentRaw *extents,
                                             uint32_t i)
{
    CXLTaggedMemory *m;
    QemuUUID uuid;

    for (uint32_t j = 0; j < i; j++) {
        if (!memcmp(extents[j].tag, extents[i].tag, sizeof(extents[i].tag))) {
            return find(ct3d, extents[j].start_dpa)->memory;
        }
    }
    m = g_new0(CXLTaggedMemory, 1);
    tag_of(&extents[i], &uuid);
    memcpy(m->tag, extents[i].tag, sizeof(m->tag));
    m->backend = host_memory_backend_find_tag(&uuid);
    object_ref(OBJECT(m->backend));
    host_memory_backend_set_mapped(m->backend, true);
    return m;
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
    for (uint32_t i = 0; i < count; i++) {
        CXLTagged *t = g_new0(CXLTagged, 1);

        t->dpa = extents[i].start_dpa;
        t->len = extents[i].len;
        t->offset = offset[i];
        t->memory = cxl_tagged_memory_of(ct3d, extents, i);
        t->memory->users++;
        g_tree_insert(ct3d->dc.tagged, &t->dpa, t);
    }
    return CXL_MBOX_SUCCESS;
}

bool cxl_tagged_offered(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len)
{
    CXLTagged *t = find(ct3d, dpa);

    return t && !t->alias && t->dpa == dpa && t->len == len;
}

void cxl_tagged_accept(CXLType3Dev *ct3d, uint64_t dpa)
{
    CXLTagged *t = find(ct3d, dpa);

    if (t) {
        t->alias = cxl_alias_new(ct3d, "cxl-dc-extent", t->dpa,
                                 cxl_tagged_mr(t), t->offset, t->len);
        memory_region_add_subregion(&ct3d->dc.space,
                                    t->dpa - cxl_dc_base(ct3d), t->alias);
    }
}

typedef struct {
    CXLTaggedMemory *memory;
    CXLDCNotice *notice;
} CXLTaggedClear;

static void cxl_tagged_cleared(void *opaque)
{
    CXLTaggedClear *clear = opaque;

    cxl_tagged_memory_unref(clear->memory);
    cxl_dc_notice_send(clear->notice, CXL_DYNAMIC_CAPACITY_CHANGE_SANITIZED);
    g_free(clear);
}

/* Until it is clear the memory is in use, and whatever becomes of the device */
static void cxl_tagged_sanitize(CXLType3Dev *ct3d, CXLTagged *t)
{
    CXLTaggedClear *clear = g_new0(CXLTaggedClear, 1);
    CXLClear *c = cxl_clear_new(cxl_tagged_cleared, clear);

    clear->memory = t->memory;
    clear->notice = cxl_dc_notice_new(ct3d, t->dpa, t->len, t->memory->tag);
    t->memory->users++;
    cxl_clear_add_ram(c, cxl_tagged_mr(t), t->offset, t->len);
    cxl_clear_start(c);
}

static void drop(CXLType3Dev *ct3d, CXLTagged *t)
{
    CXLTaggedMemory *m = t->memory;

    if (t->alias) {
        cxl_alias_free(&ct3d->dc.space, t->alias);
    }
    if (t->sanitize) {
        cxl_tagged_sanitize(ct3d, t);
    }
    g_tree_remove(ct3d->dc.tagged, &t->dpa);
    cxl_tagged_memory_unref(m);
}

void cxl_tagged_reject(CXLType3Dev *ct3d, const CXLDCExtentList *offered)
{
    CXLDCExtent *ent;

    QTAILQ_FOREACH(ent, offered, node) {
        CXLTagged *t = find(ct3d, ent->start_dpa);

        if (t && !t->alias && !ent->withdrawn) {
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

void cxl_tagged_set_sanitize(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len,
                             bool sanitize)
{
    for (uint64_t end = dpa + len; dpa < end;) {
        CXLTagged *t = find(ct3d, dpa);

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
    cxl_tagged_update(PCI_DEVICE(ct3d));
    memory_region_transaction_commit();
}

bool cxl_tagged_status(CXLType3Dev *ct3d, uint64_t dpa, CXLTaggedStatus *status)
{
    CXLTagged *t = find(ct3d, dpa);

    if (!t) {
        return false;
    }
    *status = (CXLTaggedStatus) {
        .backend = t->memory->backend,
        .direct = t->direct,
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
    g_autofree char *name = g_strdup_printf("cxl-dcd-dpa-dc-space:%s",
                                            DEVICE(ct3d)->id ?: "");

    ct3d->dc.tagged = g_tree_new_full(compare_dpa, NULL, NULL, g_free);
    ct3d->dc.shown = g_array_new(false, true, sizeof(CXLShown));
    memory_region_init(&ct3d->dc.space, OBJECT(ct3d), "cxl-dc-space",
                       ct3d->dc.tagged_size);
    address_space_init(&ct3d->dc.host_dc_as, &ct3d->dc.space, name);
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
        t->sanitize = false;    /* an unplug is no release */
        drop(ct3d, t);
    }
    cxl_tagged_update(PCI_DEVICE(ct3d));
    memory_region_transaction_commit();
    address_space_destroy(&ct3d->dc.host_dc_as);
    object_unparent(OBJECT(&ct3d->dc.space));
    g_clear_pointer(&ct3d->dc.shown, g_array_unref);
    g_clear_pointer(&ct3d->dc.tagged, g_tree_unref);
}

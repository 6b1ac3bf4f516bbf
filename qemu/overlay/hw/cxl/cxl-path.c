/*
 * CXL: place an endpoint's memory and commit the decoders that lead to it
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/**
 * DOC: how a path lives
 *
 * Paths are registered at realize, and placed for good when the machine is
 * complete, when all windows, bridges and devices are known. System reset,
 * which follows, clears all decoders in its hold phase. A resettable object
 * outside the device tree therefore takes the memory out of the windows in the
 * enter phase, and commits all paths in the exit phase, after every hold phase.
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/range.h"
#include "qapi/error.h"
#include "hw/core/resettable.h"
#include "hw/cxl/cxl.h"
#include "hw/cxl/cxl_host.h"
#include "hw/cxl/cxl_path.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie_port.h"
#include "system/reset.h"
#include "system/system.h"
#include "trace.h"

static QTAILQ_HEAD(, CXLPath) cxl_paths = QTAILQ_HEAD_INITIALIZER(cxl_paths);

/*
 * Returns the decoder that is committed to @path, or else the one after the
 * last that is committed; *floor is where the one before it ends.
 */
static unsigned cxl_hop_decoder(const CXLHop *hop, const CXLPath *path,
                                hwaddr *floor)
{
    unsigned next = 0;

    *floor = 0;
    for (unsigned i = 0; i < CXL_HDM_DECODER_COUNT; i++) {
        CXLHDMDecoder d = cxl_hdm_decoder_get(hop->cache_mem, i);

        if (!cxl_hdm_decoder_committed(&d)) {
            continue;
        }
        if (path->fw && d.base == path->base && d.size == path->size) {
            return i;
        }
        *floor = d.base + d.size;
        next = i + 1;
    }
    return next;
}

/* How many placed paths lead through @hop */
static unsigned cxl_hop_users(const CXLHop *hop)
{
    unsigned users = 0;
    CXLPath *path;

    QTAILQ_FOREACH(path, &cxl_paths, next) {
        CXLRoute route;

        if (path->fw) {
            cxl_route_find(path->dev, &route, &error_abort);
            for (unsigned i = 0; i < route.nr_hops; i++) {
                users += route.hop[i].dev == hop->dev;
            }
        }
    }
    return users;
}

/*
 * Find a decoder at every hop. Decoders must ascend: *floor is the end of all
 * that are committed and come before. (Before the first reset none is.)
 */
static bool cxl_path_decoders(const CXLPath *path, const CXLRoute *route,
                              unsigned *which, hwaddr *floor, Error **errp)
{
    *floor = 0;
    if (route->pxb->cxl_host_bridge->passthrough) {
        error_setg(errp, "host bridge '%s' started without HDM decoders; it "
                   "needs hdm_for_passthrough=on", route->hop[0].name);
        return false;
    }

    for (unsigned i = 0; i < route->nr_hops; i++) {
        const CXLHop *hop = &route->hop[i];
        hwaddr end;

        which[i] = cxl_hop_decoder(hop, path, &end);
        if (which[i] >= CXL_HDM_DECODER_COUNT ||
            (!path->fw && cxl_hop_users(hop) >= CXL_HDM_DECODER_COUNT)) {
            error_setg(errp, "all %u HDM decoders of %s '%s' are taken",
                       CXL_HDM_DECODER_COUNT,
                       object_get_typename(OBJECT(hop->dev)), hop->name);
            return false;
        }
        *floor = MAX(*floor, end);
    }
    return true;
}

/*
 * First fit at or above @from, beside the ranges of other paths. When there is
 * none *base is where it would be if the window went on.
 */
static bool cxl_path_fit(const CXLPath *path, const CXLFixedWindow *fw,
                         hwaddr from, hwaddr *base)
{
    const CXLPath *other;

    *base = ROUND_UP(MAX(from, fw->base), CXL_PATH_ALIGN);
    do {
        if (*base - fw->base > fw->size ||
            path->size > fw->size - (*base - fw->base)) {
            return false;
        }
        QTAILQ_FOREACH(other, &cxl_paths, next) {
            if (other->fw && ranges_overlap(*base, path->size,
                                            other->base, other->size)) {
                *base = other->base + other->size;
                break;
            }
        }
    } while (other);

    return true;
}

/* Choose window and base, for good */
static bool cxl_path_place(CXLPath *path, Error **errp)
{
    g_autoptr(GSList) windows = cxl_fmws_get_all_sorted();
    g_autoptr(GString) tried = g_string_new(NULL);
    bool any = path->wanted == CXL_PATH_ANY;
    unsigned which[CXL_ROUTE_MAX_HOPS], n = g_slist_length(windows);
    uint64_t enough = 0;
    hwaddr floor, from, base;
    CXLRoute route;

    if (!cxl_route_find(path->dev, &route, errp) ||
        !cxl_path_decoders(path, &route, which, &floor, errp)) {
        return false;
    }

    from = any ? floor : path->wanted;
    for (GSList *l = windows; l; l = l->next) {
        CXLFixedWindow *fw = CXL_FMW(l->data);

        if (!fw->base || fw->num_targets != 1 ||
            fw->target_hbs[0] != route.pxb) {
            continue;
        }
        if (cxl_path_fit(path, fw, from, &base) && base >= floor &&
            (any || base == from)) {
            trace_cxl_path_place(path->dev->name, fw->index, base, path->size);
            path->fw = fw;
            path->base = base;
            return true;
        }
        n = fw->index;
        enough = base - fw->base + path->size;
        g_string_append_printf(tried, " cxl-fmw.%u [0x%" HWADDR_PRIx "-0x%"
                               HWADDR_PRIx "],", n, fw->base,
                               fw->base + fw->size - 1);
    }

    if (!enough) {
        error_setg(errp, "no CXL fixed memory window targets host bridge '%s' "
                   "alone; add cxl-fmw.%u.targets.0=%s,cxl-fmw.%u.size=%" PRIu64
                   "M to -machine", route.hop[0].name, n, route.hop[0].name, n,
                   path->size / MiB);
    } else if (any) {
        error_setg(errp, "no %" PRIu64 " MiB free%s in the windows of host "
                   "bridge '%s':%s cxl-fmw.%u.size=%" PRIu64 "M would do",
                   path->size / MiB, floor ? " above committed decoders" : "",
                   route.hop[0].name, tried->str, n, enough / MiB);
    } else {
        error_setg(errp, "no %" PRIu64 " MiB free at 0x%" HWADDR_PRIx "%s in "
                   "the windows of host bridge '%s':%s try another address",
                   path->size / MiB, from,
                   from < floor ? ", below committed decoders," : "",
                   route.hop[0].name, tried->str);
    }
    return false;
}

/* Into a window, or, with NULL, out of the one that it is in */
static void cxl_path_map(CXLPath *path, CXLFixedWindow *fw, hwaddr base)
{
    if (path->mapped_fw == fw && (!fw || path->mapped_base == base)) {
        return;
    }
    memory_region_transaction_begin();
    if (path->mapped_fw) {
        trace_cxl_path_unmap(path->dev->name, path->mapped_base, path->size);
        memory_region_del_subregion(&path->mapped_fw->mr, path->mr);
    }
    if (fw) {
        trace_cxl_path_map(path->dev->name, fw->index, base, path->size);
        memory_region_add_subregion(&fw->mr, base - fw->base, path->mr);
    }
    memory_region_transaction_commit();
    path->mapped_fw = fw;
    path->mapped_base = base;
}

void cxl_path_withdraw(CXLPath *path)
{
    path->committed = false;
    cxl_path_map(path, NULL, 0);
}

void cxl_path_follow(CXLPath *path, const CXLHDMDecoder *d)
{
    CXLFixedWindow *fw = NULL;

    if (path->committed) {
        return;
    }
    if (cxl_hdm_decoder_committed(d) && !cxl_hdm_decoder_interleaved(d) &&
        d->size == path->size && d->base % CXL_PATH_ALIGN == 0) {
        fw = cxl_fmws_find_direct(path->dev, d->base, d->size);
        trace_cxl_path_follow(path->dev->name, d->base, d->size, !!fw);
    }
    cxl_path_map(path, fw, d->base);
}

/* All or nothing: whatever can fail comes before the first change */
static bool cxl_path_commit(CXLPath *path, Error **errp)
{
    CXLHDMDecoder d = {
        .base = path->base, .size = path->size, .ctrl = CXL_HDM_CTRL_LOCKED
    };
    unsigned which[CXL_ROUTE_MAX_HOPS];
    CXLRoute route;
    hwaddr floor;

    if (!cxl_route_find(path->dev, &route, errp) ||
        !cxl_path_decoders(path, &route, which, &floor, errp)) {
        return false;
    }
    if (path->base < floor) {
        error_setg(errp, "0x%" HWADDR_PRIx " is below the last committed "
                   "decoder, which ends at 0x%" HWADDR_PRIx, path->base, floor);
        return false;
    }
    if (!path->commit(path, errp)) {
        return false;
    }

    for (unsigned i = 0; i < route.nr_hops; i++) {
        d.targets = route.hop[i].port;
        cxl_hdm_decoder_set(route.hop[i].cache_mem, which[i], &d);
        cxl_hdm_enable(route.hop[i].cache_mem);
    }
    trace_cxl_path_commit(path->dev->name, path->base, path->size);
    cxl_path_map(path, path->fw, path->base);
    path->committed = true;
    return true;
}

/* Place or commit where no caller can be told of a failure */
static bool cxl_path_try(bool (*step)(CXLPath *, Error **), CXLPath *path)
{
    g_autofree char *name = NULL;
    Error *err = NULL;

    if (step(path, &err)) {
        return true;
    }
    name = qdev_get_human_name(DEVICE(path->dev));
    error_reportf_err(err, "%s '%s': ", object_get_typename(OBJECT(path->dev)),
                      name);
    return false;
}

/* The only object of this type commits the paths when the machine is reset. */
#define TYPE_CXL_FIRMWARE "cxl-firmware"
OBJECT_DECLARE_SIMPLE_TYPE(CXLFirmware, CXL_FIRMWARE)

struct CXLFirmware {
    Object parent_obj;

    ResettableState reset_state;
};

static ResettableState *cxl_firmware_get_state(Object *obj)
{
    return &CXL_FIRMWARE(obj)->reset_state;
}

static void cxl_firmware_reset_enter(Object *obj, ResetType type)
{
    CXLPath *path;

    QTAILQ_FOREACH(path, &cxl_paths, next) {
        cxl_path_withdraw(path);
    }
}

static gint cxl_path_cmp_base(gconstpointer a, gconstpointer b)
{
    const CXLPath *pa = a, *pb = b;

    return pa->base < pb->base ? -1 : pa->base > pb->base;
}

static void cxl_firmware_reset_exit(Object *obj, ResetType type)
{
    g_autoptr(GSList) ascending = NULL;
    CXLPath *path;

    QTAILQ_FOREACH(path, &cxl_paths, next) {
        if (path->fw) {
            ascending = g_slist_insert_sorted(ascending, path,
                                              cxl_path_cmp_base);
        }
    }
    for (GSList *l = ascending; l; l = l->next) {
        cxl_path_try(cxl_path_commit, l->data);
    }
}

static void cxl_firmware_class_init(ObjectClass *klass, const void *data)
{
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    rc->get_state = cxl_firmware_get_state;
    rc->phases.enter = cxl_firmware_reset_enter;
    rc->phases.exit = cxl_firmware_reset_exit;
}

static const TypeInfo cxl_firmware_types[] = {
    {
        .name = TYPE_CXL_FIRMWARE,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(CXLFirmware),
        .class_init = cxl_firmware_class_init,
        .interfaces = (const InterfaceInfo[]) {
            { TYPE_RESETTABLE_INTERFACE }, { }
        },
    },
};
DEFINE_TYPES(cxl_firmware_types)

/* Once the system bus is registered, so that its exit phases precede ours */
static void cxl_firmware_start(void)
{
    static Object *firmware;

    if (!firmware) {
        firmware = object_new(TYPE_CXL_FIRMWARE);
        qemu_register_resettable(firmware);
    }
}

static void cxl_path_machine_done(Notifier *notifier, void *data)
{
    CXLPath *path;

    /*
     * Notifiers run latest first: the machine's, which resolves the windows'
     * targets, is yet to come. Doing that twice is harmless.
     */
    cxl_fmws_link_targets(&error_fatal);

    QTAILQ_FOREACH(path, &cxl_paths, next) {
        if (!cxl_path_try(cxl_path_place, path)) {
            exit(EXIT_FAILURE);
        }
    }

    cxl_firmware_start();
}

bool cxl_path_register(CXLPath *path, Error **errp)
{
    static Notifier machine_done;
    CXLRoute route;

    assert(memory_region_size(path->mr) == path->size);
    path->fw = NULL;
    path->committed = false;
    path->mapped_fw = NULL;

    if (!path->size || !QEMU_IS_ALIGNED(path->size, CXL_PATH_ALIGN)) {
        error_setg(errp, "CXL memory size 0x%" PRIx64 " is not a multiple of "
                   "256 MiB", path->size);
        return false;
    }
    if (path->wanted != CXL_PATH_ANY &&
        !QEMU_IS_ALIGNED(path->wanted, CXL_PATH_ALIGN)) {
        error_setg(errp, "CXL memory address 0x%" HWADDR_PRIx " is not a "
                   "multiple of 256 MiB", path->wanted);
        return false;
    }
    if (!cxl_route_find(path->dev, &route, errp)) {
        return false;
    }
    if (route.pxb->hdm_for_passthrough == ON_OFF_AUTO_OFF) {
        error_setg(errp, "a firmware-committed endpoint needs the HDM decoders "
                   "of its host bridge '%s', which has hdm_for_passthrough=off",
                   route.hop[0].name);
        return false;
    }

    trace_cxl_path_register(path->dev->name, path->size, path->wanted);
    QTAILQ_INSERT_TAIL(&cxl_paths, path, next);
    if (!phase_check(PHASE_MACHINE_READY)) {
        if (!machine_done.notify) {
            machine_done.notify = cxl_path_machine_done;
            qemu_add_machine_init_done_notifier(&machine_done);
        }
        return true;
    }

    if (!cxl_path_place(path, errp) || !cxl_path_commit(path, errp)) {
        cxl_path_unregister(path);
        return false;
    }
    cxl_firmware_start();
    return true;
}

void cxl_path_unregister(CXLPath *path)
{
    const CXLHDMDecoder unused = {};
    CXLRoute route;

    cxl_path_withdraw(path);
    if (!QTAILQ_IN_USE(path, next)) {
        return;
    }

    if (path->fw && cxl_route_find(path->dev, &route, NULL)) {
        for (unsigned i = 0; i < route.nr_hops; i++) {
            uint32_t *cache_mem = route.hop[i].cache_mem;
            hwaddr floor;
            unsigned n = cxl_hop_decoder(&route.hop[i], path, &floor);

            /* Unless it is the path's, the decoder is not committed anyway */
            if (n < CXL_HDM_DECODER_COUNT) {
                cxl_hdm_decoder_set(cache_mem, n, &unused);
            }
        }
    }
    path->fw = NULL;
    QTAILQ_REMOVE(&cxl_paths, path, next);
}

void cxl_path_lost(CXLPath *path)
{
    cxl_path_withdraw(path);
    if (path->fw && path->dev->enabled &&
        !resettable_is_in_reset(OBJECT(pci_get_bus(path->dev)))) {
        cxl_path_try(cxl_path_commit, path);
    }
}

bool cxl_path_below(PCIHostState *hb)
{
    CXLPath *path;

    QTAILQ_FOREACH(path, &cxl_paths, next) {
        if (pci_device_root_bus(path->dev) == hb->bus) {
            return true;
        }
    }
    return false;
}

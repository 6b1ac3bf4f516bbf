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
 *
 * An OS reads the decoders of a host bridge once, at the first endpoint below.
 * What is committed later it does not see, and a decoder that it knows to be
 * committed, and that no longer is, it takes for an error. So what is committed
 * stays so until the next reset, whether or not the endpoint is still there,
 * and an endpoint that is plugged in takes over what was left or reserved.
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/range.h"
#include "qapi/error.h"
#include "hw/core/boards.h"
#include "hw/core/resettable.h"
#include "hw/cxl/cxl.h"
#include "hw/cxl/cxl_host.h"
#include "hw/cxl/cxl_path.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie_port.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/system.h"
#include "trace.h"

static QTAILQ_HEAD(, CXLPath) cxl_paths = QTAILQ_HEAD_INITIALIZER(cxl_paths);

/**
 * struct CXLPlace - a range to which the decoders above an endpoint lead
 * @pxb: the host bridge
 * @nr_hops: see CXLRoute
 * @port: the numbers of the ports on the way, from the host bridge on
 * @size: bytes
 * @fw: the window; NULL only while a reservation waits for the machine to be
 *      complete
 * @base: first address
 * @path: the endpoint's, or NULL if the place is free
 * @reserved: exists whether or not an endpoint takes it
 * @committed: decoders have been committed to it since the last reset
 * @next: list of all places
 */
typedef struct CXLPlace {
    PXBCXLDev *pxb;
    unsigned nr_hops;
    uint8_t port[CXL_ROUTE_MAX_HOPS];
    uint64_t size;
    CXLFixedWindow *fw;
    hwaddr base;
    CXLPath *path;
    bool reserved;
    bool committed;
    QTAILQ_ENTRY(CXLPlace) next;
} CXLPlace;

static QTAILQ_HEAD(, CXLPlace) cxl_places =
    QTAILQ_HEAD_INITIALIZER(cxl_places);

static CXLPlace *cxl_place_new(const CXLRoute *route, uint64_t size)
{
    CXLPlace *place = g_new0(CXLPlace, 1);

    place->pxb = route->pxb;
    place->size = size;
    place->nr_hops = route->nr_hops;
    for (unsigned i = 0; i < route->nr_hops; i++) {
        place->port[i] = route->hop[i].port;
    }
    QTAILQ_INSERT_TAIL(&cxl_places, place, next);
    return place;
}

static void cxl_place_free(CXLPlace *place)
{
    QTAILQ_REMOVE(&cxl_places, place, next);
    g_free(place);
}

static CXLPlace *cxl_place_of(const CXLPath *path)
{
    CXLPlace *place;

    QTAILQ_FOREACH(place, &cxl_places, next) {
        if (place->path == path) {
            return place;
        }
    }
    return NULL;
}

/* Whether the first @nr_hops of @route are those to @place */
static bool cxl_place_below(const CXLPlace *place, const CXLRoute *route,
                            unsigned nr_hops)
{
    if (place->pxb != route->pxb || place->nr_hops < nr_hops) {
        return false;
    }
    for (unsigned i = 0; i + 1 < nr_hops; i++) {
        if (place->port[i] != route->hop[i].port) {
            return false;
        }
    }
    return true;
}

/* The free place at the end of @route */
static CXLPlace *cxl_place_find(const CXLRoute *route)
{
    unsigned last = route->nr_hops - 1;
    CXLPlace *place;

    QTAILQ_FOREACH(place, &cxl_places, next) {
        if (!place->path && place->nr_hops == route->nr_hops &&
            cxl_place_below(place, route, route->nr_hops) &&
            place->port[last] == route->hop[last].port) {
            return place;
        }
    }
    return NULL;
}

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

/* How many places there are below hop @i of @route */
static unsigned cxl_hop_users(const CXLRoute *route, unsigned i)
{
    unsigned users = 0;
    CXLPlace *place;

    QTAILQ_FOREACH(place, &cxl_places, next) {
        users += place->fw && cxl_place_below(place, route, i + 1);
    }
    return users;
}

/*
 * Find a decoder at every hop. Decoders must ascend: *floor is the end of all
 * that are committed and come before. (None is before the first reset.)
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
            (!path->fw && cxl_hop_users(route, i) >= CXL_HDM_DECODER_COUNT)) {
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
 * First fit at or above @from, beside other places. If there is none, *base is
 * where it would be in a larger window.
 */
static bool cxl_window_fit(const CXLFixedWindow *fw, uint64_t size, hwaddr from,
                           uint64_t align, hwaddr *base)
{
    const CXLPlace *other;

    *base = ROUND_UP(MAX(from, fw->base), align);
    do {
        if (*base - fw->base > fw->size ||
            size > fw->size - (*base - fw->base)) {
            return false;
        }
        QTAILQ_FOREACH(other, &cxl_places, next) {
            if (other->fw &&
                ranges_overlap(*base, size, other->base, other->size)) {
                *base = ROUND_UP(other->base + other->size, align);
                break;
            }
        }
    } while (other);

    return true;
}

/* What to add to the command line, if no window leads to @route alone */
static void cxl_window_missing(const CXLRoute *route, uint64_t size,
                               Error **errp)
{
    g_autoptr(GSList) windows = cxl_fmws_get_all_sorted();
    const char *name = route->hop[0].name;
    unsigned n = g_slist_length(windows);

    if (!object_property_get_bool(OBJECT(qdev_get_machine()), "cxl", NULL)) {
        error_setg(errp, "host bridge '%s' is of no use with a machine that "
                   "has CXL disabled; add cxl=on to -machine", name);
        return;
    }
    for (GSList *l = windows; l; l = l->next) {
        CXLFixedWindow *fw = CXL_FMW(l->data);

        if (fw->num_targets == 1 && fw->target_hbs[0] == route->pxb) {
            error_setg(errp, "cxl-fmw.%u of host bridge '%s' has no place "
                       "below the highest address of the CPU or the machine; "
                       "make the windows smaller, or give the CPU more "
                       "physical address bits", fw->index, name);
            return;
        }
    }
    if (!DEVICE(route->pxb)->id) {
        error_setg(errp, "no CXL fixed memory window targets the host bridge "
                   "alone; give the pxb-cxl an id, and add cxl-fmw.%u.targets."
                   "0=<id>,cxl-fmw.%u.size=%" PRIu64 "M to -machine", n, n,
                   size / MiB);
        return;
    }
    error_setg(errp, "no CXL fixed memory window targets host bridge '%s' "
               "alone; add cxl-fmw.%u.targets.0=%s,cxl-fmw.%u.size=%" PRIu64
               "M to -machine", name, n, name, n, size / MiB);
}

/* Choose window and base, for good */
static bool cxl_place_choose(CXLPlace *place, const CXLRoute *route,
                             hwaddr wanted, hwaddr floor, Error **errp)
{
    /* Then KVM and the IOMMU can map 1 GiB at once. */
    const uint64_t aligns[] = { 1 * GiB, CXL_PATH_ALIGN };
    g_autoptr(GSList) windows = cxl_fmws_get_all_sorted();
    g_autoptr(GString) tried = g_string_new(NULL);
    bool any = wanted == CXL_PATH_ANY;
    hwaddr base, from = any ? floor : wanted;
    uint64_t enough = 0;
    unsigned n = 0;

    for (unsigned i = any && place->size >= aligns[0] ? 0 : 1;
         i < ARRAY_SIZE(aligns); i++) {
        g_string_truncate(tried, 0);
        for (GSList *l = windows; l; l = l->next) {
            CXLFixedWindow *fw = CXL_FMW(l->data);

            if (!fw->base || fw->num_targets != 1 ||
                fw->target_hbs[0] != place->pxb) {
                continue;
            }
            if (cxl_window_fit(fw, place->size, from, aligns[i], &base) &&
                base >= floor && (any || base == from)) {
                place->fw = fw;
                place->base = base;
                return true;
            }
            n = fw->index;
            enough = base - fw->base + place->size;
            g_string_append_printf(tried, " cxl-fmw.%u [0x%" HWADDR_PRIx "-0x%"
                                   HWADDR_PRIx "],", n, fw->base,
                                   fw->base + fw->size - 1);
        }
    }

    if (!enough) {
        cxl_window_missing(route, place->size, errp);
    } else if (any) {
        error_setg(errp, "no %" PRIu64 " MiB free%s in the windows of host "
                   "bridge '%s':%s cxl-fmw.%u.size=%" PRIu64 "M would do",
                   place->size / MiB, floor ? " above committed decoders" : "",
                   route->hop[0].name, tried->str, n, enough / MiB);
    } else {
        error_setg(errp, "no %" PRIu64 " MiB free at 0x%" HWADDR_PRIx "%s in "
                   "the windows of host bridge '%s':%s try another address",
                   place->size / MiB, from,
                   from < floor ? ", below committed decoders," : "",
                   route->hop[0].name, tried->str);
    }
    return false;
}

static void cxl_endpoint_find(PCIBus *bus, PCIDevice *d, void *opaque)
{
    PCIDevice **found = opaque;

    if (object_dynamic_cast(OBJECT(d), TYPE_CXL_MEM_ENDPOINT) &&
        object_dynamic_cast(OBJECT(d), INTERFACE_CXL_DEVICE) &&
        d->enabled && DEVICE(d)->realized) {
        *found = d;
    }
}

static void cxl_endpoints_find(PCIBus *bus, void *opaque)
{
    pci_for_each_device_under_bus(bus, cxl_endpoint_find, opaque);
}

/*
 * A running OS has read the decoders below @route if there was anything to
 * find: an endpoint, or a decoder that is committed.
 */
static bool cxl_bridge_is_read(const CXLRoute *route)
{
    PCIDevice *found = NULL;

    if (runstate_check(RUN_STATE_PRELAUNCH)) {
        return false;
    }
    for (unsigned i = 0; i < CXL_HDM_DECODER_COUNT; i++) {
        CXLHDMDecoder d = cxl_hdm_decoder_get(route->hop[0].cache_mem, i);

        if (cxl_hdm_decoder_committed(&d)) {
            return true;
        }
    }
    pci_for_each_bus(PCI_HOST_BRIDGE(route->pxb->cxl_host_bridge)->bus,
                     cxl_endpoints_find, &found);
    return found;
}

/* Take over a place, or choose one, for good */
static bool cxl_path_place(CXLPath *path, Error **errp)
{
    unsigned which[CXL_ROUTE_MAX_HOPS];
    CXLPlace *place;
    CXLRoute route;
    hwaddr floor;

    if (!cxl_route_find(path->dev, &route, errp)) {
        return false;
    }
    place = cxl_place_find(&route);
    if (place && (place->size != path->size ||
                  (path->wanted != CXL_PATH_ANY &&
                   path->wanted != place->base))) {
        error_setg(errp, "%s %u of host bridge '%s' is for %" PRIu64 " MiB at "
                   "0x%" HWADDR_PRIx " %s, and not for %" PRIu64 " MiB%s",
                   route.nr_hops > 1 ? "switch port" : "root port",
                   route.hop[route.nr_hops - 1].port, route.hop[0].name,
                   place->size / MiB, place->base,
                   place->reserved ? "(hdm-reserve)" : "until the next reset",
                   path->size / MiB,
                   place->size == path->size ? " elsewhere" : "");
        return false;
    }
    if (!place) {
        if (!cxl_path_decoders(path, &route, which, &floor, errp)) {
            return false;
        }
        if (phase_check(PHASE_MACHINE_READY) && cxl_bridge_is_read(&route)) {
            error_setg(errp, "the guest has read the decoders of host bridge "
                       "'%s', which are set at reset; start QEMU with the "
                       "device, or with hdm-reserve=%" PRIu64 "M at its cxl-rp",
                       route.hop[0].name, path->size / MiB);
            return false;
        }
        place = cxl_place_new(&route, path->size);
        if (!cxl_place_choose(place, &route, path->wanted, floor, errp)) {
            cxl_place_free(place);
            return false;
        }
    }

    place->path = path;
    path->fw = place->fw;
    path->base = place->base;
    trace_cxl_path_place(path->dev->name, path->fw->index, path->base,
                         path->size);
    return true;
}

/* At the end of a reset, for an endpoint that may come */
static void cxl_place_commit(CXLPlace *place)
{
    CXLHDMDecoder d = {
        .base = place->base, .size = place->size, .targets = place->port[0],
        .ctrl = CXL_HDM_CTRL_LOCKED
    };
    CXLHost *host = place->pxb->cxl_host_bridge;
    uint32_t *cache_mem = host->cxl_cstate.crb.cache_mem_registers;
    unsigned n = 0;

    while (n < CXL_HDM_DECODER_COUNT) {
        CXLHDMDecoder other = cxl_hdm_decoder_get(cache_mem, n);

        if (!cxl_hdm_decoder_committed(&other)) {
            cxl_hdm_decoder_set(cache_mem, n, &d);
            place->committed = true;
            return;
        }
        n++;
    }
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
    }
    trace_cxl_path_commit(path->dev->name, path->base, path->size);
    cxl_path_map(path, path->fw, path->base);
    path->committed = true;
    cxl_place_of(path)->committed = true;
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
    CXLPlace *place;
    CXLPath *path;

    QTAILQ_FOREACH(path, &cxl_paths, next) {
        cxl_path_withdraw(path);
    }
    QTAILQ_FOREACH(place, &cxl_places, next) {
        place->committed = false;
    }
}

static gint cxl_place_cmp_base(gconstpointer a, gconstpointer b)
{
    const CXLPlace *pa = a, *pb = b;

    return pa->base < pb->base ? -1 : pa->base > pb->base;
}

static bool cxl_bridge_in_use(const PXBCXLDev *pxb)
{
    CXLPlace *place;

    QTAILQ_FOREACH(place, &cxl_places, next) {
        if (place->pxb == pxb && place->path) {
            return true;
        }
    }
    return false;
}

static void cxl_firmware_reset_exit(Object *obj, ResetType type)
{
    g_autoptr(GSList) ascending = NULL;
    CXLPlace *place, *next;

    QTAILQ_FOREACH_SAFE(place, &cxl_places, next, next) {
        /* The OS starts anew: what a bridge or a switch has is up to us. */
        if (!place->path && !place->reserved &&
            (place->nr_hops > 1 || !cxl_bridge_in_use(place->pxb))) {
            cxl_place_free(place);
        } else if (place->fw) {
            ascending = g_slist_insert_sorted(ascending, place,
                                              cxl_place_cmp_base);
        }
    }
    for (GSList *l = ascending; l; l = l->next) {
        place = l->data;
        if (place->path) {
            cxl_path_try(cxl_path_commit, place->path);
        } else {
            cxl_place_commit(place);
        }
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

static void cxl_place_reserved(CXLPlace *place)
{
    CXLHost *host = place->pxb->cxl_host_bridge;
    PCIDevice *rp = pcie_find_port_by_pn(PCI_HOST_BRIDGE(host)->bus,
                                         place->port[0]);
    CXLRoute route = { .pxb = place->pxb, .nr_hops = 1 };
    Error *err = NULL;

    route.hop[0].name = DEVICE(place->pxb)->id ?: "(no id)";
    if (!cxl_place_choose(place, &route, CXL_PATH_ANY, 0, &err)) {
        g_autofree char *name = qdev_get_human_name(DEVICE(rp));

        error_reportf_err(err, "cxl-rp '%s': hdm-reserve: ", name);
        exit(EXIT_FAILURE);
    }
}

static void cxl_path_machine_done(Notifier *notifier, void *data)
{
    CXLPlace *place;
    CXLPath *path;

    /*
     * Notifiers run latest first: the machine's, which resolves the windows'
     * targets, is yet to come. Doing that twice is harmless.
     */
    cxl_fmws_link_targets(&error_fatal);

    QTAILQ_FOREACH(place, &cxl_places, next) {
        cxl_place_reserved(place);
    }
    QTAILQ_FOREACH(path, &cxl_paths, next) {
        if (!cxl_path_try(cxl_path_place, path)) {
            exit(EXIT_FAILURE);
        }
    }

    cxl_firmware_start();
}

static void cxl_path_await_machine(void)
{
    static Notifier machine_done;

    if (!machine_done.notify) {
        machine_done.notify = cxl_path_machine_done;
        qemu_add_machine_init_done_notifier(&machine_done);
    }
}

/* Which of two ports an OS takes for the other, if both have one number */
static bool cxl_route_check_ports(PCIDevice *d, Error **errp)
{
    PCIDevice *port = pci_bridge_get_device(pci_get_bus(d));

    while (object_dynamic_cast(OBJECT(port), TYPE_PCIE_PORT) &&
           object_dynamic_cast(OBJECT(port), INTERFACE_CXL_DEVICE)) {
        uint8_t number = PCIE_PORT(port)->port;
        PCIDevice *first = pcie_find_port_by_pn(pci_get_bus(port), number);

        if (first != port && !object_dynamic_cast(OBJECT(port), TYPE_CXL_USP)) {
            g_autofree char *a = qdev_get_human_name(DEVICE(first));
            g_autofree char *b = qdev_get_human_name(DEVICE(port));

            error_setg(errp, "port number %u of '%s' is also that of '%s'; "
                       "give each a port= of its own", number, b, a);
            return false;
        }
        port = pci_bridge_get_device(pci_get_bus(port));
    }
    return true;
}

bool cxl_path_reserve(PCIDevice *rp, uint64_t size, Error **errp)
{
    PCIDevice *pxb = pci_bridge_get_device(pci_get_bus(rp));
    CXLRoute route = { .nr_hops = 1 };

    if (!QEMU_IS_ALIGNED(size, CXL_PATH_ALIGN)) {
        error_setg(errp, "hdm-reserve=0x%" PRIx64 " is not a multiple of "
                   "256 MiB", size);
        return false;
    }
    if (!object_dynamic_cast(OBJECT(pxb), TYPE_PXB_CXL_DEV)) {
        error_setg(errp, "hdm-reserve needs a root port below a CXL host "
                   "bridge (pxb-cxl)");
        return false;
    }
    if (PXB_CXL_DEV(pxb)->hdm_for_passthrough == ON_OFF_AUTO_OFF) {
        error_setg(errp, "hdm-reserve needs the HDM decoders of the host "
                   "bridge, which has hdm_for_passthrough=off");
        return false;
    }
    route.pxb = PXB_CXL_DEV(pxb);
    route.hop[0].port = PCIE_PORT(rp)->port;
    if (cxl_place_find(&route)) {
        error_setg(errp, "hdm-reserve is set for two root ports of number %u; "
                   "give each a port= of its own", route.hop[0].port);
        return false;
    }
    route.pxb->hdm_needed = true;
    cxl_place_new(&route, size)->reserved = true;
    cxl_path_await_machine();
    return true;
}

bool cxl_path_register(CXLPath *path, Error **errp)
{
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
    if (!cxl_route_find(path->dev, &route, errp) ||
        !cxl_route_check_ports(path->dev, errp)) {
        return false;
    }
    if (route.pxb->hdm_for_passthrough == ON_OFF_AUTO_OFF) {
        error_setg(errp, "a firmware-committed endpoint needs the HDM decoders "
                   "of its host bridge '%s', which has hdm_for_passthrough=off",
                   route.hop[0].name);
        return false;
    }

    trace_cxl_path_register(path->dev->name, path->size, path->wanted);
    route.pxb->hdm_needed = true;
    QTAILQ_INSERT_TAIL(&cxl_paths, path, next);
    if (!phase_check(PHASE_MACHINE_READY)) {
        cxl_path_await_machine();
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
    CXLPlace *place;

    cxl_path_withdraw(path);
    if (!QTAILQ_IN_USE(path, next)) {
        return;
    }

    /* The decoders on the way stay as they are, and the place with them. */
    place = cxl_place_of(path);
    if (place) {
        place->path = NULL;
        if (!place->reserved && !place->committed) {
            cxl_place_free(place);
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

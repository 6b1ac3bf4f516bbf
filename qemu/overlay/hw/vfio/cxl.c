/*
 * VFIO passthrough of CXL accelerators
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A device bound to vfio-cxl-pci, or offered in the same terms by a vfio-user
 * server, is a PCI device with two more VFIO regions:
 * the memory that its HDM decoder 0 maps, and a virtualized page of registers
 * (cxl-regs.c). At realize both are found and checked, the page is laid over
 * its place in the BAR, and the memory is handed to hw/cxl/cxl-path.c. That
 * acts as the guest's platform firmware: after each system reset it has
 * decoder 0 committed and locked to an address in a fixed memory window, and
 * maps the memory there. When that is lost, or was not wanted, the memory is
 * where the guest commits decoder 0 to.
 */

#include "qemu/osdep.h"
#include <linux/vfio_cxl.h>

#include "cxl.h"
#include "cxl-gate.h"
#include "cxl-plain.h"
#include "cxl-regs.h"
#include "hw/cxl/cxl_path.h"
#include "migration/blocker.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/units.h"
#include "trace.h"
#include "vfio-helpers.h"

/*
 * @dpa: the device memory
 * @gate: enables it
 * @regs: the register page
 * @regs_mr: what the guest sees of it, mapped in @bar from setup to exit
 * @path: registered while @path.dev is set
 */
struct VFIOCXL {
    VFIOPCIDevice *vdev;
    VFIORegion dpa;
    VFIOCXLGate gate;
    VFIOCXLRegs regs;
    MemoryRegion regs_mr;
    VFIOBAR *bar;
    CXLPath path;
    Error *migration_blocker;
};

static bool vfio_cxl_check_cap(const char *what, const void *info,
                               uint32_t argsz,
                               const struct vfio_info_cap_header *hdr,
                               size_t size, Error **errp)
{
    if (!hdr) {
        error_setg(errp, "%s lacks the CXL capability", what);
    } else if (hdr->version != 1) {
        error_setg(errp, "%s has version %u of the CXL capability, expected 1",
                   what, hdr->version);
    } else if (((const void *)hdr - info) % sizeof(uint64_t)) {
        error_setg(errp, "%s has the CXL capability at 0x%tx, unaligned",
                   what, (const void *)hdr - info);
    } else if ((const void *)hdr - info + size > argsz) {
        error_setg(errp, "%s has less of the CXL capability than its %zu bytes",
                   what, size);
    } else {
        return true;
    }
    return false;
}

static bool vfio_cxl_get_flags(VFIODevice *vbasedev, uint32_t *flags,
                               Error **errp)
{
    g_autofree struct vfio_device_info *info =
        vbasedev->io_ops->get_device_info(vbasedev);
    struct vfio_device_info_cap_cxl *cap;

    if (!info) {
        error_setg_errno(errp, errno, "cannot get device info");
        return false;
    }
    cap = (void *)vfio_get_device_info_cap(info, VFIO_DEVICE_INFO_CAP_CXL);
    if (!vfio_cxl_check_cap("device info", info, info->argsz, (void *)cap,
                            sizeof(*cap), errp)) {
        return false;
    }
    *flags = cap->flags;
    trace_vfio_cxl_device(vbasedev->name, cap->flags);
    return true;
}

/* The result is borrowed: VFIODevice owns it. */
static struct vfio_region_info *
vfio_cxl_find_region(VFIODevice *vbasedev, const char *what, uint32_t subtype,
                     bool mapped, Error **errp)
{
    /* READ and WRITE are the protection of a mapping, too. */
    const uint32_t need = VFIO_REGION_INFO_FLAG_READ |
                          VFIO_REGION_INFO_FLAG_WRITE |
                          (mapped ? VFIO_REGION_INFO_FLAG_MMAP : 0);
    struct vfio_region_info *info, *same;

    if (vfio_device_get_region_info_type(vbasedev, VFIO_REGION_TYPE_CXL,
                                         subtype, &info)) {
        error_setg(errp, "%s (type 0x%08x subtype %u) is missing", what,
                   VFIO_REGION_TYPE_CXL, subtype);
    } else if (info->index < VFIO_PCI_NUM_REGIONS || info->index > UINT8_MAX ||
               info->index >= vbasedev->num_initial_regions ||
               vfio_device_get_region_info(vbasedev, info->index, &same) ||
               same != info) {
        error_setg(errp, "%s has index %u of %u", what, info->index,
                   vbasedev->num_initial_regions);
    } else if ((info->flags & need) != need) {
        error_setg(errp, "%s has flags 0x%x, expected at least 0x%x", what,
                   info->flags, need);
    } else {
        return info;
    }
    return NULL;
}

static bool vfio_cxl_setup_dpa(VFIOCXL *cxl, Error **errp)
{
    static const char what[] = "CXL memory region";
    VFIODevice *vbasedev = &cxl->vdev->vbasedev;
    VFIORegion *dpa = &cxl->dpa;
    struct vfio_region_info *info;
    g_autofree char *name = NULL;
    int ret;

    info = vfio_cxl_find_region(vbasedev, what, VFIO_REGION_SUBTYPE_CXL,
                                !vbasedev->no_mmap, errp);
    if (!info) {
        return false;
    }
    if (!info->size || info->size % CXL_PATH_ALIGN) {
        error_setg(errp, "%s has 0x%" PRIx64 " bytes, not a multiple of "
                   "256 MiB", what, (uint64_t)info->size);
        return false;
    }

    name = g_strdup_printf("%s CXL memory", vbasedev->name);
    if (vfio_region_setup(OBJECT(cxl->vdev), vbasedev, dpa, info->index, name,
                          errp)) {
        return false;
    }
    trace_vfio_cxl_dpa(vbasedev->name, dpa->nr, dpa->size);
    memory_region_set_enabled(dpa->mem, false);
    if (vbasedev->no_mmap) {
        return true;
    }
    if (dpa->nr_mmaps != 1 || dpa->mmaps[0].offset ||
        dpa->mmaps[0].size != dpa->size) {
        error_setg(errp, "%s cannot be mapped as a whole", what);
        return false;
    }
    ret = vfio_region_mmap(dpa);
    if (ret) {
        error_setg_errno(errp, -ret, "%s: cannot map its 0x%zx bytes", what,
                         dpa->size);
        return false;
    }
    return true;
}

/*
 * Decoders changed, here or on the way here. Firmware's commitment lasts until
 * a reset takes it; from then on the memory is where the guest's own commitment
 * has it. That registers cannot be read does not mean that the decoder is lost.
 */
static void vfio_cxl_follow(VFIOCXL *cxl)
{
    CXLPath *path = &cxl->path;
    CXLHDMDecoder d = {};
    bool known;

    if (!path->dev) {
        return;
    }
    known = vfio_cxl_regs_decoder(&cxl->regs, &d);
    if (path->committed) {
        if (!known || ((d.ctrl & CXL_HDM_CTRL_LOCKED) == CXL_HDM_CTRL_LOCKED &&
                       d.base == path->base && d.size == path->size)) {
            return;
        }
        cxl_path_withdraw(path);
    }
    cxl_path_follow(path, &d);
}

/* VFIOCXLRegs.decoder_written */
static void vfio_cxl_decoder_written(VFIOCXLRegs *regs)
{
    vfio_cxl_follow(container_of(regs, VFIOCXL, regs));
}

/* CXLMemEndpointClass.update */
static void vfio_cxl_update(PCIDevice *pdev)
{
    VFIOCXL *cxl = VFIO_PCI_DEVICE(pdev)->cxl;

    if (cxl) {
        vfio_cxl_follow(cxl);
    }
}

/*
 * CXLMemEndpointClass.read: decoders lead here, but the memory cannot be
 * reached. To the guest that is as if the device were gone, and no error: on
 * Arm it would have an abort for that.
 */
static MemTxResult vfio_cxl_read(PCIDevice *pdev, hwaddr hpa, uint64_t *data,
                                 unsigned size, MemTxAttrs attrs)
{
    *data = MAKE_64BIT_MASK(0, size * 8);
    return MEMTX_OK;
}

bool vfio_cxl_dma_failed(VFIOPCIDevice *vdev, MemoryRegion *mr,
                         const Error *err)
{
    return vdev->cxl && vfio_cxl_gate_dma_failed(&vdev->cxl->gate, mr, err);
}

void vfio_cxl_class_init(ObjectClass *klass)
{
    CXL_MEM_ENDPOINT_CLASS(klass)->read = vfio_cxl_read;
    CXL_MEM_ENDPOINT_CLASS(klass)->update = vfio_cxl_update;
}

static bool vfio_cxl_setup_regs(VFIOCXL *cxl, Error **errp)
{
    static const char what[] = "CXL register region";
    VFIOPCIDevice *vdev = cxl->vdev;
    struct vfio_region_info_cap_cxl_comp_regs *cap;
    struct vfio_region_info *info;
    VFIOBAR *bar;

    info = vfio_cxl_find_region(&vdev->vbasedev, what,
                                VFIO_REGION_SUBTYPE_CXL_COMP_REGS, false,
                                errp);
    if (!info) {
        return false;
    }
    if (info->size != CXL_REGS_SIZE) {
        error_setg(errp, "%s has 0x%" PRIx64 " bytes, expected 0x%x", what,
                   (uint64_t)info->size, CXL_REGS_SIZE);
        return false;
    }
    cap = (void *)vfio_get_region_info_cap(info,
                                           VFIO_REGION_INFO_CAP_CXL_COMP_REGS);
    if (!vfio_cxl_check_cap(what, info, info->argsz, (void *)cap, sizeof(*cap),
                            errp)) {
        return false;
    }
    bar = cap->bar < PCI_ROM_SLOT ? &vdev->bars[cap->bar] : NULL;
    if (!bar || !bar->size || bar->ioport) {
        error_setg(errp, "%s is in BAR %u, which is not a memory BAR", what,
                   cap->bar);
        return false;
    }
    if (cap->offset % CXL_REGS_SIZE || cap->offset >= bar->region.size ||
        bar->region.size - cap->offset < CXL_REGS_SIZE) {
        error_setg(errp, "%s is at 0x%" PRIx64 ", unaligned or beyond the "
                   "0x%zx bytes of BAR %u", what, (uint64_t)cap->offset,
                   bar->region.size, cap->bar);
        return false;
    }

    cxl->regs = (VFIOCXLRegs) {
        .vbasedev = &vdev->vbasedev,
        .nr = info->index,
        .hdm = cap->hdm_offset,
        .decoder_written = vfio_cxl_decoder_written,
    };
    trace_vfio_cxl_regs(vdev->vbasedev.name, info->index, cap->bar, cap->offset,
                        cap->hdm_offset);
    if (!vfio_cxl_regs_check(&cxl->regs, cxl->dpa.size, errp)) {
        return false;
    }
    memory_region_init_io(&cxl->regs_mr, OBJECT(vdev), &vfio_cxl_regs_ops,
                          &cxl->regs, "vfio-cxl-registers", CXL_REGS_SIZE);
    memory_region_add_subregion_overlap(bar->region.mem, cap->offset,
                                        &cxl->regs_mr, 1);
    cxl->bar = bar;
    return true;
}

/* CXLPath.commit */
static bool vfio_cxl_commit(CXLPath *path, Error **errp)
{
    VFIOCXL *cxl = container_of(path, VFIOCXL, path);

    return vfio_cxl_regs_commit(&cxl->regs, path->base, path->size, errp);
}

static char *vfio_cxl_get_window(Object *obj, Error **errp)
{
    const CXLPath *path = &VFIO_PCI_DEVICE(obj)->cxl->path;
    const CXLFixedWindow *fw = path->mapped_fw ?: path->fw;

    return fw ? g_strdup_printf("cxl-fmw.%d", fw->index) : g_strdup("none");
}

static void vfio_cxl_get_base(Object *obj, Visitor *v, const char *name,
                              void *opaque, Error **errp)
{
    const CXLPath *path = &VFIO_PCI_DEVICE(obj)->cxl->path;
    uint64_t base = path->mapped_fw ? path->mapped_base : path->base;

    visit_type_uint64(v, name, &base, errp);
}

static char *vfio_cxl_get_state(Object *obj, Error **errp)
{
    const VFIOCXL *cxl = VFIO_PCI_DEVICE(obj)->cxl;
    const CXLPath *path = &cxl->path;

    return g_strdup(!path->mapped_fw ? "uncommitted" :
                    vfio_cxl_gate_unavailable(&cxl->gate) ? "unavailable" :
                    path->committed ? "firmware-committed" : "guest-committed");
}

/*
 * VFIOCXLGate.reopened: after a reset by the host the kernel shows a fresh
 * decoder. The guest was not told: its memory is to be where it was.
 */
static void vfio_cxl_reopened(VFIOCXLGate *gate)
{
    VFIOCXL *cxl = container_of(gate, VFIOCXL, gate);
    CXLPath *path = &cxl->path;

    if (path->committed &&
        !vfio_cxl_regs_verify(&cxl->regs, path->base, path->size, NULL)) {
        trace_vfio_cxl_reset(cxl->vdev->vbasedev.name, false);
        cxl_path_lost(path);
    }
}

static bool vfio_cxl_setup_path(VFIOCXL *cxl, Error **errp)
{
    PCIDevice *pdev = PCI_DEVICE(cxl->vdev);
    Object *obj = OBJECT(pdev);

    /*
     * Neither the memory nor the decoders are in the migration stream, and CPR
     * does not know them. A failover primary is unplugged before migration.
     */
    if (!pdev->failover_pair_id) {
        error_setg(&cxl->migration_blocker, "%s: the memory of a CXL device "
                   "cannot be migrated", cxl->vdev->vbasedev.name);
        if (migrate_add_blocker(&cxl->migration_blocker, errp)) {
            return false;
        }
    }

    cxl->gate.reopened = vfio_cxl_reopened;
    vfio_cxl_gate_init(&cxl->gate, cxl->vdev, &cxl->dpa);
    cxl->regs.dvsec = cxl->gate.dvsec;
    cxl->path = (CXLPath) {
        .dev = pdev,
        .mr = cxl->dpa.mem,
        .size = cxl->dpa.size,
        .wanted = cxl->vdev->cxl_fmws_base,
        .commit = vfio_cxl_commit,
    };
    if (cxl->vdev->cxl_firmware_commit &&
        !cxl_path_register(&cxl->path, errp)) {
        cxl->path = (CXLPath) { };
        return false;
    }

    object_property_add_str(obj, "cxl-window", vfio_cxl_get_window, NULL);
    object_property_add(obj, "cxl-base", "uint64", vfio_cxl_get_base, NULL,
                        NULL, NULL);
    object_property_add_uint64_ptr(obj, "cxl-size", &cxl->path.size,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_str(obj, "cxl-state", vfio_cxl_get_state, NULL);
    return true;
}

bool vfio_cxl_realize(VFIOPCIDevice *vdev, Error **errp)
{
    const char *why = vfio_cxl_why_plain(vdev);
    uint32_t flags;

    if (!why) {
        if (!vfio_cxl_get_flags(&vdev->vbasedev, &flags, errp)) {
            return false;
        }
        if (!(flags & VFIO_CXL_CAP_FIRMWARE_COMMITTED)) {
            why = "firmware did not commit the device's HDM decoder";
        }
    }
    if (why) {
        vfio_cxl_is_plain(vdev, why);
        if (vdev->cxl_mode == ON_OFF_AUTO_ON) {
            error_setg(errp, "cxl=on, but %s", why);
            return false;
        }
        return true;
    }

    vdev->cxl = g_new0(VFIOCXL, 1);
    vdev->cxl->vdev = vdev;
    if (!vfio_cxl_setup_dpa(vdev->cxl, errp) ||
        !vfio_cxl_setup_regs(vdev->cxl, errp)) {
        return false;
    }
    return vfio_cxl_setup_path(vdev->cxl, errp);
}

bool vfio_cxl_config_write(VFIOPCIDevice *vdev, uint32_t addr, uint32_t val,
                           int len)
{
    VFIOCXL *cxl = vdev->cxl;

    return cxl && cxl->gate.vdev &&
           vfio_cxl_gate_config_write(&cxl->gate, addr, val, len);
}

void vfio_cxl_config_written(VFIOPCIDevice *vdev)
{
    vfio_cxl_gate_update(&vdev->cxl->gate);
}

void vfio_cxl_pre_reset(VFIOPCIDevice *vdev)
{
    VFIOCXL *cxl = vdev->cxl;

    if (cxl && cxl->gate.vdev) {
        vfio_cxl_gate_hold(&cxl->gate);
    }
}

/*
 * The kernel makes decoder 0 fresh, as in any endpoint that is reset through
 * the bus, and cxl-path.c decides whether firmware would commit it again. So it
 * does after a system reset and when the device is plugged in. After a
 * secondary bus reset it would not: the memory is gone, as the guest can read
 * in decoder 0, until the guest commits that itself or boots again.
 *
 * A function level reset and a CXL Reset do not come here. The guest writes
 * them to config space, and the kernel leaves the decoders alone.
 */
void vfio_cxl_post_reset(VFIOPCIDevice *vdev)
{
    VFIOCXL *cxl = vdev->cxl;
    CXLPath *path;
    bool kept;

    if (!cxl || !cxl->gate.vdev) {
        return;
    }
    path = &cxl->path;
    kept = path->committed &&
           vfio_cxl_regs_verify(&cxl->regs, path->base, path->size, NULL);
    trace_vfio_cxl_reset(vdev->vbasedev.name, kept);
    vfio_cxl_gate_release(&cxl->gate);
    if (!kept) {
        cxl_path_lost(path);
    }
}

void vfio_cxl_exit(VFIOPCIDevice *vdev)
{
    VFIOCXL *cxl = vdev->cxl;

    if (!cxl) {
        return;
    }
    if (cxl->path.dev) {
        object_property_del(OBJECT(vdev), "cxl-window");
        object_property_del(OBJECT(vdev), "cxl-base");
        object_property_del(OBJECT(vdev), "cxl-size");
        object_property_del(OBJECT(vdev), "cxl-state");
        cxl_path_unregister(&cxl->path);
        cxl->path = (CXLPath) { };
    }
    vfio_cxl_gate_exit(&cxl->gate);
    migrate_del_blocker(&cxl->migration_blocker);
    if (cxl->bar) {
        memory_region_del_subregion(cxl->bar->region.mem, &cxl->regs_mr);
    }
    vfio_region_exit(&cxl->dpa);
    trace_vfio_cxl_exit(vdev->vbasedev.name);
}

void vfio_cxl_finalize(VFIOPCIDevice *vdev)
{
    if (!vdev->cxl) {
        return;
    }
    vfio_region_finalize(&vdev->cxl->dpa);
    g_clear_pointer(&vdev->cxl, g_free);
}

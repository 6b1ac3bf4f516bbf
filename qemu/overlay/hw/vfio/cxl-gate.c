/*
 * VFIO passthrough of CXL accelerators: whether the memory can be reached
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The host takes the memory away while the device is in a reset, in D3, or has
 * no decoder. Whoever touches it then gets SIGBUS, and a vCPU ends its VM. So
 * the guest loses it first: before a write to config space that may have that
 * effect goes to the host. Afterwards the host is asked, and it says when it
 * changes its mind. Meanwhile an IOMMU is given nothing that it could not map.
 *
 * When the host itself resets the device, a vCPU may learn of it first, by an
 * access that fails. It asks, and tries again.
 *
 * A host that cannot be asked is probed by an access. It takes the memory away
 * while Memory Space Enable is off as well, as older drivers did.
 */

#include "qemu/osdep.h"
#include <linux/vfio_cxl.h>

#include "cxl-gate.h"
#include "hw/cxl/cxl_pci.h"
#include "hw/pci/pci.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "system/kvm.h"
#include "trace.h"
#include "vfio-helpers.h"

/* CXL r4.0 sec 8.1.3.4 */
#define CTRL2                   offsetof(CXLDVSECDevice, ctrl2)
#define CTRL2_INITIATE_RESET    (1 << 2)

/*
 * How many accesses that failed may be due to one change. Each vCPU has one, or
 * a few if the memory goes again at once.
 */
#define FAULTS_MAX              10000

static int gate_feature(VFIOCXLGate *gate, uint32_t op,
                        struct vfio_device_feature_cxl_mem *mem)
{
    union {
        struct vfio_device_feature feature;
        uint8_t bytes[sizeof(struct vfio_device_feature) + sizeof(*mem)];
    } buf = {
        .feature.argsz = sizeof(buf.bytes),
        .feature.flags = op | VFIO_DEVICE_FEATURE_CXL_MEM,
    };
    int ret;

    memcpy(buf.feature.data, mem, sizeof(*mem));
    ret = vfio_device_get_feature(&gate->vdev->vbasedev, &buf.feature);
    memcpy(mem, buf.feature.data, sizeof(*mem));
    return ret;
}

/* The byte that is written at @pos, 0 if none is */
static uint8_t written(uint32_t addr, uint32_t val, int len, uint32_t pos)
{
    return range_covers_byte(addr, len, pos) ? val >> (pos - addr) * 8 : 0;
}

static bool memory_space(PCIDevice *pdev)
{
    return pci_get_word(pdev->config + PCI_COMMAND) & PCI_COMMAND_MEMORY;
}

static bool may_close(const VFIOCXLGate *gate, uint32_t addr, uint32_t val,
                      int len)
{
    PCIDevice *pdev = PCI_DEVICE(gate->vdev);
    uint8_t af = pci_find_capability(pdev, PCI_CAP_ID_AF);
    struct {
        bool present;
        uint32_t pos;
        uint8_t mask;
    } triggers[] = {
        { pdev->pm_cap, pdev->pm_cap + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK },
        { pci_is_express(pdev), pdev->exp.exp_cap + PCI_EXP_DEVCTL + 1,
          PCI_EXP_DEVCTL_BCR_FLR >> 8 },
        { af, af + PCI_AF_CTRL, PCI_AF_CTRL_FLR },
        { gate->dvsec, gate->dvsec + CTRL2, CTRL2_INITIATE_RESET },
    };

    for (int i = 0; i < ARRAY_SIZE(triggers); i++) {
        if (triggers[i].present &&
            written(addr, val, len, triggers[i].pos) & triggers[i].mask) {
            return true;
        }
    }
    return !gate->has_feature && range_covers_byte(addr, len, PCI_COMMAND) &&
           !(written(addr, val, len, PCI_COMMAND) & PCI_COMMAND_MEMORY);
}

static void gate_set(VFIOCXLGate *gate, bool open)
{
    MemoryRegion *mem = gate->dpa->mem;

    if (open != mem->enabled) {
        trace_vfio_cxl_gate(gate->vdev->vbasedev.name, open);
        gate->faults = 0;
        memory_region_set_enabled(mem, open);
    }
}

struct remap {
    const MemoryRegion *mr;
    FlatView *fv;
    MemoryListener *listener;
};

static bool gate_remap_range(Int128 start, Int128 len, const MemoryRegion *mr,
                             hwaddr offset, void *opaque)
{
    const struct remap *remap = opaque;
    MemoryRegionSection section = {
        .mr = (MemoryRegion *)mr,
        .fv = remap->fv,
        .offset_within_region = offset,
        .size = len,
        .offset_within_address_space = int128_get64(start),
    };

    if (mr == remap->mr) {
        remap->listener->region_del(remap->listener, &section);
        remap->listener->region_add(remap->listener, &section);
    }
    return false;
}

/*
 * The host revoked what IOMMUs map of the memory, while CPUs can reach it.
 * Through the memory region CPUs would lose it for a moment as well.
 */
static void gate_remap_dma(VFIOCXLGate *gate)
{
    VFIODevice *vbasedev;

    RCU_READ_LOCK_GUARD();
    QLIST_FOREACH(vbasedev, &vfio_device_list, global_next) {
        VFIOContainer *bcontainer = vbasedev->bcontainer;
        struct remap remap = {
            .mr = &gate->dpa->mmaps[0].mem,
        };

        if (!gate->dpa->nr_mmaps || !bcontainer ||
            vbasedev != QLIST_FIRST(&bcontainer->device_list)) {
            continue;
        }
        remap.fv = address_space_to_flatview(bcontainer->space->as);
        remap.listener = &bcontainer->listener;
        remap.listener->begin(remap.listener);
        flatview_for_each_range(remap.fv, gate_remap_range, &remap);
        remap.listener->commit(remap.listener);
    }
}

/* Whether the memory can be reached, when the host does not say so */
static bool gate_try(VFIOCXLGate *gate)
{
    PCIDevice *pdev = PCI_DEVICE(gate->vdev);
    VFIODevice *vbasedev = &gate->vdev->vbasedev;
    uint8_t byte;

    if (!memory_space(pdev) ||
        (pdev->pm_cap && pci_get_word(pdev->config + pdev->pm_cap +
                                      PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK)) {
        return false;
    }
    return vbasedev->io_ops->region_read(vbasedev, gate->dpa->nr, 0, 1,
                                         &byte) == 1;
}

void vfio_cxl_gate_update(VFIOCXLGate *gate)
{
    struct vfio_device_feature_cxl_mem mem = { .reasons = UINT32_MAX };

    if (!gate->vdev || gate->held) {
        return;
    }
    if (!gate->has_feature) {
        gate_set(gate, gate_try(gate));
        return;
    }

    if (gate_feature(gate, VFIO_DEVICE_FEATURE_GET, &mem) < 0) {
        mem = (typeof(mem)) {
            .reasons = UINT32_MAX, .closures = gate->closures
        };
    }
    trace_vfio_cxl_gate_state(gate->vdev->vbasedev.name, mem.reasons,
                              mem.closures);
    if (gate->closures != mem.closures) {
        gate->closures = mem.closures;
        gate->faults = 0;
        if (!mem.reasons && gate->dpa->mem->enabled) {
            gate_remap_dma(gate);
        }
        gate->fresh = true;
    }
    if (!mem.reasons && gate->fresh) {
        gate->fresh = false;
        gate->reopened(gate);
    }
    gate_set(gate, !mem.reasons);
}

static void gate_changed(void *opaque)
{
    VFIOCXLGate *gate = opaque;

    if (event_notifier_test_and_clear(&gate->changed)) {
        vfio_cxl_gate_update(gate);
    }
}

/* Whether the access may succeed now, or is one to memory that is not there */
static int gate_fault(NotifierWithReturn *n, void *data, Error **errp)
{
    VFIOCXLGate *gate = container_of(n, VFIOCXLGate, fault);

    vfio_cxl_gate_update(gate);
    trace_vfio_cxl_gate_fault(gate->vdev->vbasedev.name,
                              gate->dpa->mem->enabled, gate->faults);
    return gate->faults++ < FAULTS_MAX;
}

static void gate_notify(VFIOCXLGate *gate)
{
    const char *name = gate->vdev->vbasedev.name;
    struct vfio_device_feature_cxl_mem mem = {};
    int ret;

    ret = event_notifier_init(&gate->changed, 0);
    if (!ret) {
        mem.eventfd = event_notifier_get_fd(&gate->changed);
        qemu_set_fd_handler(mem.eventfd, gate_changed, NULL, gate);
        ret = gate_feature(gate, VFIO_DEVICE_FEATURE_SET, &mem);
        gate->notified = ret >= 0;
        if (!gate->notified) {
            qemu_set_fd_handler(event_notifier_get_fd(&gate->changed), NULL,
                                NULL, NULL);
            event_notifier_cleanup(&gate->changed);
        }
    }
    if (!gate->notified) {
        warn_report("%s: the host cannot tell when the CXL memory becomes "
                    "unreachable: %s", name, strerror(-ret));
    }
}

uint16_t vfio_cxl_find_dvsec(PCIDevice *pdev)
{
    uint32_t pos = PCI_CONFIG_SPACE_SIZE, header;

    if (!pci_is_express(pdev)) {
        return 0;
    }
    for (unsigned left = PCIE_CONFIG_SPACE_SIZE / 8;
         left && pos >= PCI_CONFIG_SPACE_SIZE &&
         pos <= PCIE_CONFIG_SPACE_SIZE - sizeof(CXLDVSECDevice); left--) {
        const uint8_t *cap = pdev->config + pos;

        header = pci_get_long(cap);
        if (PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_DVSEC &&
            pci_get_word(cap + PCIE_DVSEC_HEADER1_OFFSET) == CXL_VENDOR_ID &&
            pci_get_word(cap + PCIE_DVSEC_ID_OFFSET) == PCIE_CXL_DEVICE_DVSEC) {
            return pos;
        }
        pos = PCI_EXT_CAP_NEXT(header);
    }
    return 0;
}

void vfio_cxl_gate_init(VFIOCXLGate *gate, VFIOPCIDevice *vdev, VFIORegion *dpa)
{
    struct vfio_device_feature_cxl_mem mem = {};

    gate->vdev = vdev;
    gate->dpa = dpa;
    gate->dvsec = vfio_cxl_find_dvsec(PCI_DEVICE(vdev));
    gate->has_feature = gate_feature(gate, VFIO_DEVICE_FEATURE_GET, &mem) >= 0;
    if (gate->has_feature) {
        gate->closures = mem.closures;
        gate_notify(gate);
    }
    vfio_cxl_gate_update(gate);
    if (kvm_enabled()) {
        gate->fault.notify = gate_fault;
        kvm_add_fault_notifier(&gate->fault);
    }
}

void vfio_cxl_gate_exit(VFIOCXLGate *gate)
{
    struct vfio_device_feature_cxl_mem mem = { .eventfd = -1 };

    if (!gate->vdev) {
        return;
    }
    if (gate->notified) {
        gate_feature(gate, VFIO_DEVICE_FEATURE_SET, &mem);
        qemu_set_fd_handler(event_notifier_get_fd(&gate->changed), NULL, NULL,
                            NULL);
        event_notifier_cleanup(&gate->changed);
    }
    if (kvm_enabled()) {
        notifier_with_return_remove(&gate->fault);
    }
    gate_set(gate, false);
    gate->vdev = NULL;
}

bool vfio_cxl_gate_config_write(VFIOCXLGate *gate, uint32_t addr, uint32_t val,
                                int len)
{
    if (may_close(gate, addr, val, len)) {
        gate_set(gate, false);
    }
    return !gate->dpa->mem->enabled;
}

void vfio_cxl_gate_hold(VFIOCXLGate *gate)
{
    gate->held = true;
    gate_set(gate, false);
}

void vfio_cxl_gate_release(VFIOCXLGate *gate)
{
    gate->held = false;
    vfio_cxl_gate_update(gate);
}

bool vfio_cxl_gate_unavailable(const VFIOCXLGate *gate)
{
    return !gate->dpa->mem->enabled &&
           (gate->has_feature || memory_space(PCI_DEVICE(gate->vdev)));
}

bool vfio_cxl_gate_dma_failed(VFIOCXLGate *gate, const MemoryRegion *mr,
                              const Error *err)
{
    if (!gate->dpa || !gate->dpa->nr_mmaps || mr != &gate->dpa->mmaps[0].mem) {
        return false;
    }
    if (!gate->dma_warned) {
        gate->dma_warned = true;
        warn_report("%s: CXL memory is not mapped for DMA: neither address "
                    "translation by the device nor other devices can reach it "
                    "(%s)", gate->vdev->vbasedev.name, error_get_pretty(err));
    }
    return true;
}

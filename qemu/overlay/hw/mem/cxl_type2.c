/*
 * Emulated CXL Type-2 accelerator
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/**
 * DOC: cxl-type2
 *
 * A PCI Express accelerator that speaks CXL.cache and CXL.mem: no Type-3
 * memory class, no mailbox, but host-managed device memory behind its own HDM
 * decoders. It exists so that drivers for such devices can be tested without
 * any.
 *
 * BAR 0 holds the component registers, 64 KiB at component-offset. Everything
 * else in that BAR is scratch, plain memory that stands for the device's own
 * registers. (So is the part of the 64 KiB that CXL leaves to the device.)
 * BAR 4 holds MSI-X.
 *
 * The memory is a memory backend. With firmware-committed=on QEMU plays
 * platform firmware: see hw/cxl/cxl_path.h. With off, or once a bus reset has
 * taken firmware's decoders, the guest commits decoders, and the memory appears
 * where it says, provided that all decoders on the way say the same.
 *
 * Three kinds of state are reset at different times: scratch at every reset;
 * component registers and DVSECs, and with them where the memory appears, at
 * every reset but FLR, which must not disturb CXL.cache and CXL.mem; and the
 * content of the memory, never.
 */

#include "qemu/osdep.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hw/core/qdev-properties.h"
#include "hw/cxl/cxl.h"
#include "hw/cxl/cxl_path.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci.h"
#include "hw/pci/pcie.h"
#include "migration/vmstate.h"
#include "system/hostmem.h"
#include "cxl_type2.h"
#include "trace.h"

/* Chosen by this project, not registered in docs/specs/pci-ids.rst */
#define CT2_DEVICE_ID       0x0c12
#define CT2_CLASS           0x1200  /* processing accelerator */

#define CT2_COMPONENT_BAR   CXL_COMPONENT_REG_BAR_IDX
#define CT2_MSIX_BAR        4
#define CT2_MSIX_VECTORS    1

#define CT2_PCIE_OFFSET     0x80
#define CT2_AER_OFFSET      0x100
#define CT2_DSN_OFFSET      (CT2_AER_OFFSET + PCI_ERR_SIZEOF)
#define CT2_DVSEC_OFFSET    (CT2_DSN_OFFSET + PCI_EXT_CAP_DSN_SIZEOF)

/* CXL r4.0 8.1.3: DVSEC CXL Capability, CXL Control and CXL Range 1 Size Low */
#define CT2_CAP_CACHE       (1 << 0)
#define CT2_CAP_IO          (1 << 1)
#define CT2_CAP_MEM         (1 << 2)
#define CT2_CAP_MEM_HWINIT  (1 << 3)
#define CT2_CAP_HDM_COUNT_1 (1 << 4)
#define CT2_CTRL_IO         (1 << 1)
#define CT2_CTRL_MEM        (1 << 2)
#define CT2_CTRL2_NO_CACHE  (1 << 0)
#define CT2_RANGE_VALID     (1 << 0)
#define CT2_RANGE_ACTIVE    (1 << 1)

#define CT2_SN_NONE         UINT64_MAX

/* Firmware's part: see struct CXLPath */
static bool ct2_path_commit(CXLPath *path, Error **errp)
{
    CXLType2Dev *s = container_of(path, CXLType2Dev, path);

    cxl_type2_regs_commit(s, path->base);
    pci_word_test_and_set_mask(PCI_DEVICE(s)->config + CT2_DVSEC_OFFSET +
                               offsetof(CXLDVSECDevice, ctrl), CT2_CTRL_MEM);
    return true;
}

static void ct2_reset(DeviceState *dev)
{
    CXLType2Dev *s = CXL_TYPE2(dev);
    PCIDevice *d = PCI_DEVICE(dev);
    bool flr = pci_get_word(d->config + d->exp.exp_cap + PCI_EXP_DEVCTL) &
               PCI_EXP_DEVCTL_BCR_FLR;

    trace_cxl_type2_reset(d->name, flr);
    pcie_cap_deverr_reset(d);
    memset(memory_region_get_ram_ptr(&s->scratch), 0, s->bar_size);
    memory_region_set_dirty(&s->scratch, 0, s->bar_size);
    if (flr) {
        return;
    }

    cxl_type2_regs_reset(s);
    memcpy(d->config + CT2_DVSEC_OFFSET, s->dvsecs, sizeof(s->dvsecs));
    cxl_path_lost(&s->path);
}

static void ct2_write_config(PCIDevice *d, uint32_t addr, uint32_t val, int len)
{
    pci_default_write_config(d, addr, val, len);
    pcie_cap_flr_write_config(d, addr, val, len);
    pcie_aer_write_config(d, addr, val, len);
}

static void ct2_build_dvsecs(CXLType2Dev *s)
{
    CXLComponentState *cxl = &s->cxl_cstate;
    uint8_t *wmask = PCI_DEVICE(s)->wmask;

    cxl->pdev = PCI_DEVICE(s);
    cxl->dvsec_offset = CT2_DVSEC_OFFSET;

    cxl_component_create_dvsec(cxl, CXL2_DEVICE, PCIE_CXL_DEVICE_DVSEC_LENGTH,
        PCIE_CXL_DEVICE_DVSEC, PCIE_CXL31_DEVICE_DVSEC_REVID,
        (uint8_t *)&(CXLDVSECDevice) {
            .cap = CT2_CAP_CACHE | CT2_CAP_IO | CT2_CAP_MEM |
                   CT2_CAP_MEM_HWINIT | CT2_CAP_HDM_COUNT_1,
            .ctrl = CT2_CTRL_IO,
            .range1_size_hi = s->capacity >> 32,
            .range1_size_lo = (uint32_t)s->capacity | CT2_RANGE_VALID |
                              CT2_RANGE_ACTIVE,
        });
    /* Nothing in Control2 but Disable Caching has a capability behind it */
    wmask[CT2_DVSEC_OFFSET + offsetof(CXLDVSECDevice, ctrl2)] =
        CT2_CTRL2_NO_CACHE;

    cxl_component_create_dvsec(cxl, CXL2_DEVICE, REG_LOC_DVSEC_LENGTH,
        REG_LOC_DVSEC, REG_LOC_DVSEC_REVID,
        (uint8_t *)&(CXLDVSECRegisterLocator) {
            .reg0_base_lo = (uint32_t)s->component_offset | RBI_COMPONENT_REG |
                            CT2_COMPONENT_BAR,
            .reg0_base_hi = s->component_offset >> 32,
        });

    cxl_component_create_dvsec(cxl, CXL2_DEVICE, GPF_DEVICE_DVSEC_LENGTH,
        GPF_DEVICE_DVSEC, GPF_DEVICE_DVSEC_REVID,
        (uint8_t *)&(CXLDVSECDeviceGPF) {
            .phase2_duration = 0x603, /* 3 seconds */
            .phase2_power = 0x33, /* 0x33 milliwatts */
        });

    /*
     * Cache, IO, Mem and 68-byte flits are there, but training with a root port
     * of QEMU's, which has no CXL.cache, ends without Cache.
     */
    cxl_component_create_dvsec(cxl, CXL2_DEVICE,
        PCIE_CXL3_FLEXBUS_PORT_DVSEC_LENGTH, PCIE_FLEXBUS_PORT_DVSEC,
        PCIE_CXL3_FLEXBUS_PORT_DVSEC_REVID,
        (uint8_t *)&(CXLDVSECPortFlexBus) {
            .cap = 0x27,
            .ctrl = 0x02,
            .status = 0x26,
            .rcvd_mod_ts_data_phase1 = 0xef,
        });

    assert(cxl->dvsec_offset == CT2_DVSEC_OFFSET + CXL_TYPE2_DVSEC_SIZE);
}

static bool ct2_check(CXLType2Dev *s, Error **errp)
{
    uint64_t unit = CXL_PATH_ALIGN;

    if (!s->memdev) {
        error_setg(errp, "memdev must be set");
        return false;
    }
    if (host_memory_backend_is_mapped(s->memdev)) {
        error_setg(errp, "memdev is used by another device");
        return false;
    }
    s->capacity =
        memory_region_size(host_memory_backend_get_memory(s->memdev));
    if (s->capacity % unit) {
        error_setg(errp, "size of memdev, 0x%" PRIx64 ", is not a multiple of "
                   "256 MiB", s->capacity);
        return false;
    }
    if (s->decoders != 1 && s->decoders != 2 && s->decoders != 4) {
        error_setg(errp, "hdm-decoders is not 1, 2 or 4");
        return false;
    }
    if (!s->commit_decoders || s->commit_decoders > s->decoders ||
        s->capacity % (s->commit_decoders * unit)) {
        error_setg(errp, "x-commit-decoders: %u of %u decoders cannot share "
                   "0x%" PRIx64 " bytes in units of 256 MiB",
                   s->commit_decoders, s->decoders, s->capacity);
        return false;
    }
    if (!is_power_of_2(s->bar_size) ||
        s->bar_size < 2 * CXL2_COMPONENT_BLOCK_SIZE) {
        error_setg(errp, "component-bar-size is not a power of two, at least "
                   "128 KiB");
        return false;
    }
    if (s->component_offset % CXL2_COMPONENT_BLOCK_SIZE ||
        s->component_offset > s->bar_size - CXL2_COMPONENT_BLOCK_SIZE) {
        error_setg(errp, "component-offset is not a multiple of 64 KiB inside "
                   "the BAR");
        return false;
    }
    return true;
}

static bool ct2_init_memory(CXLType2Dev *s, Error **errp)
{
    MemoryRegion *block = &s->cxl_cstate.crb.component_registers;
    MemoryRegion *mr = host_memory_backend_get_memory(s->memdev);

    if (!memory_region_init_ram(&s->scratch, OBJECT(s), "cxl-type2-scratch",
                                s->bar_size, errp)) {
        return false;
    }
    memory_region_init(&s->bar, OBJECT(s), "cxl-type2-bar", s->bar_size);
    memory_region_add_subregion(&s->bar, 0, &s->scratch);
    cxl_component_register_block_init(OBJECT(s), &s->cxl_cstate,
                                      TYPE_CXL_TYPE2);
    memory_region_add_subregion_overlap(&s->bar, s->component_offset, block, 1);
    pci_register_bar(PCI_DEVICE(s), CT2_COMPONENT_BAR,
                     PCI_BASE_ADDRESS_SPACE_MEMORY |
                     PCI_BASE_ADDRESS_MEM_TYPE_64, &s->bar);

    memory_region_init_alias(&s->dpa, OBJECT(s), "cxl-type2-dpa", mr, 0,
                             s->capacity);
    host_memory_backend_set_mapped(s->memdev, true);
    return true;
}

static void ct2_realize(PCIDevice *d, Error **errp)
{
    CXLType2Dev *s = CXL_TYPE2(d);

    if (!ct2_check(s, errp)) {
        return;
    }

    if (pcie_endpoint_cap_init(d, CT2_PCIE_OFFSET) < 0) {
        error_setg(errp, "no room for the PCI Express capability");
        return;
    }
    pcie_cap_fill_link_ep_usp(d, QEMU_PCI_EXP_LNK_X16, QEMU_PCI_EXP_LNK_32GT,
                              false);
    pcie_cap_flr_init(d);
    pcie_cap_deverr_init(d);
    if (pcie_aer_init(d, PCI_ERR_VER, CT2_AER_OFFSET, PCI_ERR_SIZEOF,
                      errp) < 0) {
        goto err_cap;
    }
    if (s->sn != CT2_SN_NONE) {
        pcie_dev_ser_num_init(d, CT2_DSN_OFFSET, s->sn);
    }
    ct2_build_dvsecs(s);

    if (msix_init_exclusive_bar(d, CT2_MSIX_VECTORS, CT2_MSIX_BAR, errp)) {
        goto err_aer;
    }
    msix_vector_use(d, 0);

    if (!ct2_init_memory(s, errp)) {
        goto err_msix;
    }
    memcpy(s->dvsecs, d->config + CT2_DVSEC_OFFSET, sizeof(s->dvsecs));
    cxl_type2_regs_init(s);

    if (s->firmware_committed) {
        s->path = (CXLPath) {
            .dev = d,
            .mr = &s->dpa,
            .size = s->capacity,
            .wanted = s->fmws_base,
            .commit = ct2_path_commit,
        };
        if (!cxl_path_register(&s->path, errp)) {
            goto err_memory;
        }
    }
    return;

err_memory:
    host_memory_backend_set_mapped(s->memdev, false);
err_msix:
    msix_uninit_exclusive_bar(d);
err_aer:
    pcie_aer_exit(d);
err_cap:
    pcie_cap_exit(d);
}

static void ct2_exit(PCIDevice *d)
{
    CXLType2Dev *s = CXL_TYPE2(d);

    cxl_type2_regs_reset(s);
    cxl_path_unregister(&s->path);
    host_memory_backend_set_mapped(s->memdev, false);
    msix_uninit_exclusive_bar(d);
    pcie_aer_exit(d);
    pcie_cap_exit(d);
}

static const VMStateDescription vmstate_ct2 = {
    .name = TYPE_CXL_TYPE2,
    /* The decoders on the way here, those of the host bridge, do not migrate */
    .unmigratable = 1,
};

static const Property ct2_props[] = {
    DEFINE_PROP_LINK("memdev", CXLType2Dev, memdev, TYPE_MEMORY_BACKEND,
                     HostMemoryBackend *),
    DEFINE_PROP_UINT64("sn", CXLType2Dev, sn, CT2_SN_NONE),
    DEFINE_PROP_BOOL("firmware-committed", CXLType2Dev, firmware_committed,
                     true),
    DEFINE_PROP_UINT64("cxl-fmws-base", CXLType2Dev, fmws_base, CXL_PATH_ANY),
    DEFINE_PROP_UINT8("hdm-decoders", CXLType2Dev, decoders, 1),
    DEFINE_PROP_SIZE("component-bar-size", CXLType2Dev, bar_size, 256 * KiB),
    DEFINE_PROP_SIZE("component-offset", CXLType2Dev, component_offset, 0),
    /* What firmware should not do, to see that drivers refuse it */
    DEFINE_PROP_UINT8("x-commit-decoders", CXLType2Dev, commit_decoders, 1),
    DEFINE_PROP_BOOL("x-interleave", CXLType2Dev, interleave, false),
};

static void ct2_class_init(ObjectClass *oc, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);
    CXLMemEndpointClass *mec = CXL_MEM_ENDPOINT_CLASS(oc);

    pc->realize = ct2_realize;
    pc->exit = ct2_exit;
    pc->config_write = ct2_write_config;
    pc->vendor_id = PCI_VENDOR_ID_REDHAT;
    pc->device_id = CT2_DEVICE_ID;
    pc->class_id = CT2_CLASS;
    pc->revision = 1;

    mec->update = cxl_type2_regs_update;

    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    dc->desc = "CXL Type-2 accelerator";
    dc->vmsd = &vmstate_ct2;
    device_class_set_legacy_reset(dc, ct2_reset);
    device_class_set_props(dc, ct2_props);
    object_class_property_set_description(oc, "memdev",
        "Memory backend that is the device's memory");
    object_class_property_set_description(oc, "sn", "PCI serial number");
    object_class_property_set_description(oc, "firmware-committed",
        "Whether QEMU commits and locks the HDM decoders, as platform firmware "
        "does, or leaves that to the guest");
    object_class_property_set_description(oc, "cxl-fmws-base",
        "Where in a CXL fixed memory window firmware puts the memory; by "
        "default at the first range that is free");
    object_class_property_set_description(oc, "hdm-decoders",
        "Number of HDM decoders: 1, 2 or 4");
    object_class_property_set_description(oc, "component-bar-size",
        "Size of BAR 0, which the component registers are in");
    object_class_property_set_description(oc, "component-offset",
        "Where in BAR 0 the 64 KiB of component registers are");
}

static const TypeInfo ct2_info = {
    .name = TYPE_CXL_TYPE2,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(CXLType2Dev),
    .class_init = ct2_class_init,
    .interfaces = (const InterfaceInfo[]) {
        { INTERFACE_CXL_DEVICE },
        { INTERFACE_PCIE_DEVICE },
        { TYPE_CXL_MEM_ENDPOINT },
        { }
    },
};

static void ct2_register_types(void)
{
    type_register_static(&ct2_info);
}
type_init(ct2_register_types)

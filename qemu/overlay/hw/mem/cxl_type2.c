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
 * BAR 2 holds the registers of the engine (see cxl_type2_engine.c), which
 * copies, fills and sums up memory. BAR 4 holds MSI-X.
 *
 * The memory is a memory backend. With firmware-committed=on QEMU plays
 * platform firmware: see hw/cxl/cxl_path.h. With off, or once a bus reset has
 * taken firmware's decoders, the guest commits decoders, and the memory appears
 * where it says, provided that all decoders on the way say the same.
 *
 * What a reset takes is in cxl_type2_reset.c.
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

/* Chosen by this project, not registered in docs/specs/pci-ids.rst */
#define CT2_DEVICE_ID       0x0c12
#define CT2_CLASS           0x1200  /* processing accelerator */

#define CT2_COMPONENT_BAR   CXL_COMPONENT_REG_BAR_IDX
#define CT2_ENGINE_BAR      2
#define CT2_MSIX_BAR        4
#define CT2_MSIX_VECTORS    1

#define CT2_PM_OFFSET       0x40
#define CT2_PCIE_OFFSET     0x80

#define CT2_SN_NONE         UINT64_MAX

/* Firmware's part: see struct CXLPath */
static bool ct2_path_commit(CXLPath *path, Error **errp)
{
    CXLType2Dev *s = container_of(path, CXLType2Dev, path);

    cxl_type2_regs_commit(s, path->base);
    cxl_type2_dvsec_commit(s, path->base);
    cxl_type2_memory_update(s);
    return true;
}

static uint32_t ct2_read_config(PCIDevice *d, uint32_t addr, int len)
{
    uint32_t val;

    if (pcie_doe_read_config(&CXL_TYPE2(d)->cdat.doe, addr, len, &val)) {
        return val;
    }
    return pci_default_read_config(d, addr, len);
}

static void ct2_write_config(PCIDevice *d, uint32_t addr, uint32_t val, int len)
{
    pcie_doe_write_config(&CXL_TYPE2(d)->cdat.doe, addr, val, len);
    pci_default_write_config(d, addr, val, len);
    pcie_cap_flr_write_config(d, addr, val, len);
    pcie_aer_write_config(d, addr, val, len);
    /* To D3 or back, or Mem_Enable */
    cxl_type2_memory_update(CXL_TYPE2(d));
    cxl_type2_dvsec_write(CXL_TYPE2(d), addr, val, len);
}

static bool ct2_init_memory(CXLType2Dev *s, Error **errp)
{
    MemoryRegion *block = &s->cxl_cstate.crb.component_registers;
    MemoryRegion *mr = host_memory_backend_get_memory(s->memdev);

    /*
     * With no name to migrate by: the block outlives the device by an RCU grace
     * period, and the next device in this slot would have the same name.
     */
    if (!memory_region_init_ram_flags_nomigrate(&s->scratch, OBJECT(s),
                                                "cxl-type2-scratch",
                                                s->bar_size, 0, errp)) {
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

    cxl_type2_engine_init(&s->engine, PCI_DEVICE(s), mr,
                          cxl_type2_regs_decode);
    pci_register_bar(PCI_DEVICE(s), CT2_ENGINE_BAR,
                     PCI_BASE_ADDRESS_SPACE_MEMORY, &s->engine.bar);
    return true;
}

static void ct2_realize(PCIDevice *d, Error **errp)
{
    CXLType2Dev *s = CXL_TYPE2(d);

    if (!cxl_type2_check(s, errp)) {
        return;
    }

    if (pci_pm_init(d, CT2_PM_OFFSET, errp) < 0) {
        return;
    }
    pci_set_word(d->config + CT2_PM_OFFSET + PCI_PM_PMC, PCI_PM_CAP_VER_1_2);
    pci_set_word(d->config + CT2_PM_OFFSET + PCI_PM_CTRL,
                 PCI_PM_CTRL_NO_SOFT_RESET);
    pci_set_word(d->wmask + CT2_PM_OFFSET + PCI_PM_CTRL,
                 PCI_PM_CTRL_STATE_MASK);

    if (pcie_endpoint_cap_init(d, CT2_PCIE_OFFSET) < 0) {
        error_setg(errp, "no room for the PCI Express capability");
        return;
    }
    pcie_cap_fill_link_ep_usp(d, QEMU_PCI_EXP_LNK_X16, QEMU_PCI_EXP_LNK_32GT,
                              false);
    if (s->flr) {
        pcie_cap_flr_init(d);
    }
    pcie_cap_deverr_init(d);
    if (pcie_aer_init(d, PCI_ERR_VER, CXL_TYPE2_AER_OFFSET, PCI_ERR_SIZEOF,
                      errp) < 0) {
        goto err_cap;
    }
    if (s->sn != CT2_SN_NONE) {
        pcie_dev_ser_num_init(d, CXL_TYPE2_DSN_OFFSET, s->sn);
    }
    if (!cxl_type2_cdat_init(&s->cdat, d, &s->cxl_cstate, CXL_TYPE2_DOE_OFFSET,
                             s->capacity, errp)) {
        goto err_aer;
    }
    if (s->ats) {
        pcie_ats_init(d, CXL_TYPE2_ATS_OFFSET, true);
    }
    /* The last capability: resets restore its header as well */
    cxl_type2_dvsec_init(s);

    if (msix_init_exclusive_bar(d, CT2_MSIX_VECTORS, CT2_MSIX_BAR, errp)) {
        goto err_cdat;
    }
    msix_vector_use(d, 0);

    if (!ct2_init_memory(s, errp)) {
        goto err_msix;
    }
    cxl_type2_regs_init(s);
    cxl_type2_reset_init(s);

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
    cxl_type2_reset_exit(s);
    cxl_type2_engine_exit(&s->engine);
    host_memory_backend_set_mapped(s->memdev, false);
err_msix:
    msix_uninit_exclusive_bar(d);
err_cdat:
    cxl_type2_cdat_exit(&s->cdat);
err_aer:
    pcie_aer_exit(d);
err_cap:
    pcie_cap_exit(d);
}

static void ct2_exit(PCIDevice *d)
{
    CXLType2Dev *s = CXL_TYPE2(d);

    cxl_type2_reset_exit(s);
    cxl_type2_engine_exit(&s->engine);
    cxl_type2_regs_reset(s, true, false);
    cxl_path_unregister(&s->path);
    host_memory_backend_set_mapped(s->memdev, false);
    msix_uninit_exclusive_bar(d);
    cxl_type2_cdat_exit(&s->cdat);
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
    DEFINE_PROP_BOOL("cxl-reset", CXLType2Dev, cxl_reset, true),
    DEFINE_PROP_BOOL("cxl-reset-mem-clr", CXLType2Dev, mem_clr, true),
    DEFINE_PROP_BOOL("ats", CXLType2Dev, ats, false),
    DEFINE_PROP_BOOL("x-flr", CXLType2Dev, flr, true),
    DEFINE_PROP_BOOL("x-config-lock", CXLType2Dev, config_lock, false),
    DEFINE_PROP_UINT8("x-cxl-reset-timeout", CXLType2Dev, reset_timeout, 1),
    /* What firmware should not do, to see that drivers refuse it */
    DEFINE_PROP_UINT8("x-commit-decoders", CXLType2Dev, commit_decoders, 1),
    DEFINE_PROP_BOOL("x-interleave", CXLType2Dev, interleave, false),
    DEFINE_PROP_SIZE("x-commit-size", CXLType2Dev, commit_size, 0),
    DEFINE_PROP_SIZE("x-commit-skip", CXLType2Dev, commit_skip, 0),
};

static void ct2_class_init(ObjectClass *oc, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);
    CXLMemEndpointClass *mec = CXL_MEM_ENDPOINT_CLASS(oc);

    pc->realize = ct2_realize;
    pc->exit = ct2_exit;
    pc->config_read = ct2_read_config;
    pc->config_write = ct2_write_config;
    pc->vendor_id = PCI_VENDOR_ID_REDHAT;
    pc->device_id = CT2_DEVICE_ID;
    pc->class_id = CT2_CLASS;
    pc->revision = 1;

    mec->update = cxl_type2_regs_update;
    mec->inject_uncorrectable = cxl_type2_inject_uncorrectable;
    mec->inject_correctable = cxl_type2_inject_correctable;

    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    dc->desc = "CXL Type-2 accelerator";
    dc->vmsd = &vmstate_ct2;
    device_class_set_legacy_reset(dc, cxl_type2_reset);
    device_class_set_props(dc, ct2_props);
    cxl_type2_props_class_init(oc);
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
        "Number of HDM decoders: 1, 2, 4, 6, 8 or 10");
    object_class_property_set_description(oc, "component-bar-size",
        "Size of BAR 0, which the component registers are in");
    object_class_property_set_description(oc, "component-offset",
        "Where in BAR 0 the 64 KiB of component registers are");
    object_class_property_set_description(oc, "cxl-reset",
        "Whether the device is capable of CXL Reset");
    object_class_property_set_description(oc, "cxl-reset-mem-clr",
        "Whether CXL Reset can clear the memory");
    object_class_property_set_description(oc, "ats",
        "Whether there is an ATS capability");
}

static const TypeInfo ct2_info = {
    .name = TYPE_CXL_TYPE2,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(CXLType2Dev),
    .instance_init = cxl_type2_props_instance_init,
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

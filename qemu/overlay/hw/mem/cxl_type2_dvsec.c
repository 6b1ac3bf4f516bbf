/*
 * Emulated CXL Type-2 accelerator: the CXL part of configuration space
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/range.h"
#include "hw/cxl/cxl.h"
#include "hw/pci/pcie.h"
#include "cxl_type2.h"
#include "trace.h"

/* CXL r4.0 8.1.3: DVSEC CXL Capability, CXL Control and CXL Control2 */
#define CT2_CAP_CACHE           (1 << 0)
#define CT2_CAP_IO              (1 << 1)
#define CT2_CAP_MEM             (1 << 2)
#define CT2_CAP_MEM_HWINIT      (1 << 3)
#define CT2_CAP_HDM_COUNT_1     (1 << 4)
#define CT2_CAP_CACHE_WBI       (1 << 6)
#define CT2_CAP_RESET           (1 << 7)
#define CT2_CAP_RESET_TIMEOUT   8
#define CT2_CAP_RESET_MEM_CLR   (1 << 11)
#define CT2_CTRL_IO             (1 << 1)
#define CT2_CTRL2_NO_CACHE      (1 << 0)
#define CT2_CTRL2_CACHE_WBI     (1 << 1)
#define CT2_CTRL2_RESET         (1 << 2)
#define CT2_CTRL2_MEM_CLR       (1 << 3)

#define CT2_LOCK_CONFIG         (1 << 0)

#define CT2_CTRL2       (CXL_TYPE2_DVSEC_OFFSET + \
                         offsetof(CXLDVSECDevice, ctrl2))
#define CT2_STATUS2     (CXL_TYPE2_DVSEC_OFFSET + \
                         offsetof(CXLDVSECDevice, status2))
#define CT2_RANGE1_HI   (CXL_TYPE2_DVSEC_OFFSET + \
                         offsetof(CXLDVSECDevice, range1_size_hi))
#define CT2_RANGE1_LO   (CXL_TYPE2_DVSEC_OFFSET + \
                         offsetof(CXLDVSECDevice, range1_size_lo))

#define CT2_RANGE1_BASE (CXL_TYPE2_DVSEC_OFFSET + \
                         offsetof(CXLDVSECDevice, range1_base_hi))
#define CT2_CTRL        (CXL_TYPE2_DVSEC_OFFSET + \
                         offsetof(CXLDVSECDevice, ctrl))
#define CT2_LOCK        (CXL_TYPE2_DVSEC_OFFSET + \
                         offsetof(CXLDVSECDevice, lock))

/* What CONFIG_LOCK locks, itself included. Control2 is not among it. */
static const struct {
    uint8_t offset, len;
} ct2_lockable[] = {
    { offsetof(CXLDVSECDevice, ctrl), 2 },
    { offsetof(CXLDVSECDevice, lock), 2 },
    { offsetof(CXLDVSECDevice, range1_base_hi), 8 },
    { offsetof(CXLDVSECDevice, range2_base_hi), 8 },
};

static uint16_t ct2_reset_caps(CXLType2Dev *s)
{
    if (!s->cxl_reset) {
        return 0;
    }
    return CT2_CAP_RESET | s->reset_timeout << CT2_CAP_RESET_TIMEOUT |
           (s->mem_clr ? CT2_CAP_RESET_MEM_CLR : 0);
}

void cxl_type2_dvsec_init(CXLType2Dev *s)
{
    CXLComponentState *cxl = &s->cxl_cstate;
    PCIDevice *d = PCI_DEVICE(s);

    cxl->pdev = d;
    cxl->dvsec_offset = CXL_TYPE2_DVSEC_OFFSET;

    cxl_component_create_dvsec(cxl, CXL2_DEVICE, PCIE_CXL_DEVICE_DVSEC_LENGTH,
        PCIE_CXL_DEVICE_DVSEC, PCIE_CXL31_DEVICE_DVSEC_REVID,
        (uint8_t *)&(CXLDVSECDevice) {
            .cap = CT2_CAP_CACHE | CT2_CAP_IO | CT2_CAP_MEM |
                   CT2_CAP_MEM_HWINIT | CT2_CAP_HDM_COUNT_1 |
                   CT2_CAP_CACHE_WBI | ct2_reset_caps(s),
            .ctrl = CT2_CTRL_IO,
        });
    cxl_type2_dvsec_ready(s, true, true);
    /* The bits that start something read as zero */
    d->wmask[CT2_CTRL2] = CT2_CTRL2_NO_CACHE;
    if (s->cxl_reset && s->mem_clr) {
        d->wmask[CT2_CTRL2] |= CT2_CTRL2_MEM_CLR;
    }

    cxl_component_create_dvsec(cxl, CXL2_DEVICE, REG_LOC_DVSEC_LENGTH,
        REG_LOC_DVSEC, REG_LOC_DVSEC_REVID,
        (uint8_t *)&(CXLDVSECRegisterLocator) {
            .reg0_base_lo = (uint32_t)s->component_offset | RBI_COMPONENT_REG |
                            CXL_COMPONENT_REG_BAR_IDX,
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

    assert(cxl->dvsec_offset == CXL_TYPE2_DVSEC_OFFSET + CXL_TYPE2_DVSEC_SIZE);
    memcpy(s->dvsecs, d->config + CXL_TYPE2_DVSEC_OFFSET, sizeof(s->dvsecs));
    memcpy(s->dvsec_wmask, d->wmask + CXL_TYPE2_DVSEC_OFFSET,
           sizeof(s->dvsec_wmask));
}

static bool ct2_locked(CXLType2Dev *s)
{
    return s->config_lock &&
           pci_get_word(PCI_DEVICE(s)->config + CT2_LOCK) & CT2_LOCK_CONFIG;
}

/* After each change of CONFIG_LOCK */
static void ct2_update_lock(CXLType2Dev *s)
{
    uint8_t *wmask = PCI_DEVICE(s)->wmask + CXL_TYPE2_DVSEC_OFFSET;

    for (unsigned i = 0; i < ARRAY_SIZE(ct2_lockable); i++) {
        unsigned offset = ct2_lockable[i].offset;

        if (ct2_locked(s)) {
            memset(wmask + offset, 0, ct2_lockable[i].len);
        } else {
            memcpy(wmask + offset, s->dvsec_wmask + offset,
                   ct2_lockable[i].len);
        }
    }
}

void cxl_type2_dvsec_commit(CXLType2Dev *s, hwaddr base)
{
    uint8_t *config = PCI_DEVICE(s)->config;

    pci_word_test_and_set_mask(config + CT2_CTRL, CXL_TYPE2_CTRL_MEM);
    if (s->config_lock) {
        pci_set_long(config + CT2_RANGE1_BASE, base >> 32);
        pci_set_long(config + CT2_RANGE1_BASE + 4, base);
        pci_word_test_and_set_mask(config + CT2_LOCK, CT2_LOCK_CONFIG);
        ct2_update_lock(s);
    }
}

/*
 * CXL r4.0 8.1.3: CONFIG_LOCK, and with it what it locks, goes in a
 * conventional reset, and is not affected by CXL Reset.
 */
void cxl_type2_dvsec_reset(CXLType2Dev *s, bool cxl)
{
    uint8_t *config = PCI_DEVICE(s)->config + CXL_TYPE2_DVSEC_OFFSET;
    uint8_t kept[PCIE_CXL_DEVICE_DVSEC_LENGTH];
    bool keep = cxl && ct2_locked(s);

    memcpy(kept, config, sizeof(kept));
    memcpy(config, s->dvsecs, sizeof(s->dvsecs));
    for (unsigned i = 0; keep && i < ARRAY_SIZE(ct2_lockable); i++) {
        memcpy(config + ct2_lockable[i].offset, kept + ct2_lockable[i].offset,
               ct2_lockable[i].len);
    }
    ct2_update_lock(s);
}

/* Without Mem_Info_Valid size and media are not to be relied on: zero. */
void cxl_type2_dvsec_ready(CXLType2Dev *s, bool info, bool active)
{
    uint8_t *config = PCI_DEVICE(s)->config;

    pci_set_long(config + CT2_RANGE1_HI, info ? s->capacity >> 32 : 0);
    pci_set_long(config + CT2_RANGE1_LO,
                 (info ? (uint32_t)s->capacity | CXL_TYPE2_RANGE_VALID |
                         s->media << CXL_TYPE2_RANGE_MEDIA : 0) |
                 (active ? CXL_TYPE2_RANGE_ACTIVE : 0));
}

void cxl_type2_dvsec_write(CXLType2Dev *s, uint32_t addr, uint32_t val, int len)
{
    PCIDevice *d = PCI_DEVICE(s);
    uint8_t *status2 = d->config + CT2_STATUS2;
    uint8_t ctrl2 = d->config[CT2_CTRL2];
    uint8_t written = val;

    ct2_update_lock(s);
    /* It is the first byte of a double word, and so of any write to it */
    QEMU_BUILD_BUG_ON(CT2_CTRL2 % 4);
    if (!range_covers_byte(addr, len, CT2_CTRL2)) {
        return;
    }
    trace_cxl_type2_ctrl2(d->name, written);

    /* There is no cache, hence nothing to be written back. */
    if (!(ctrl2 & CT2_CTRL2_NO_CACHE)) {
        pci_word_test_and_clear_mask(status2, CXL_TYPE2_STATUS2_INVALID);
    } else if (written & CT2_CTRL2_CACHE_WBI) {
        pci_word_test_and_set_mask(status2, CXL_TYPE2_STATUS2_INVALID);
    }
    if (s->cxl_reset && written & CT2_CTRL2_RESET) {
        cxl_type2_cxl_reset(s, ctrl2 & CT2_CTRL2_MEM_CLR);
    }
}

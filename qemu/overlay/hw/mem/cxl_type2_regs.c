/*
 * Emulated CXL Type-2 accelerator: component registers
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "hw/cxl/cxl.h"
#include "cxl_type2.h"
#include "trace.h"

/*
 * CXL r4.0 8.2.4.19: Link Layer Ack Timer Control Register, of the CXL Link
 * Capability. Nothing comes of it, but it takes what is written: Ack Force
 * Threshold, and Ack or CRD Flush Retimer. They start as recommended.
 */
#define CT2_ACK_TIMER       ((CXL_LINK_REGISTERS_OFFSET + 0x28) / 4)
#define CT2_ACK_TIMER_MASK  0x7ffff
#define CT2_ACK_TIMER_RESET (0x10 | 0x1e << 9)

#define HDM_STRIDE (A_CXL_HDM_DECODER1_BASE_LO - A_CXL_HDM_DECODER0_BASE_LO)

static uint32_t *ct2_cache_mem(CXLType2Dev *s)
{
    return s->cxl_cstate.crb.cache_mem_registers;
}

static void ct2_unmap_direct(CXLType2Dev *s, unsigned n)
{
    if (s->direct_fw[n]) {
        trace_cxl_type2_unmap(PCI_DEVICE(s)->name, n);
        memory_region_del_subregion(&s->direct_fw[n]->mr, &s->direct[n]);
        s->direct_fw[n] = NULL;
    }
}

static void ct2_map_direct(CXLType2Dev *s, unsigned n, CXLFixedWindow *fw,
                           const CXLHDMDecoder *d, uint64_t dpa)
{
    trace_cxl_type2_map(PCI_DEVICE(s)->name, n, d->base, d->size, dpa);
    memory_region_set_size(&s->direct[n], d->size);
    memory_region_set_alias_offset(&s->direct[n], dpa);
    memory_region_add_subregion(&fw->mr, d->base - fw->base, &s->direct[n]);
    s->direct_fw[n] = fw;
}

/*
 * Decoders changed, here or on the way here: map what the guest committed. The
 * memory that firmware committed is the path's. A committed decoder does not
 * change, so what is mapped is either right or to be taken out.
 */
void cxl_type2_regs_update(PCIDevice *pci_dev)
{
    CXLType2Dev *s = CXL_TYPE2(pci_dev);
    bool live = !s->path.committed;
    uint64_t dpa = 0;

    memory_region_transaction_begin();
    for (unsigned i = 0; i < s->decoders; i++) {
        CXLHDMDecoder d = cxl_hdm_decoder_get(ct2_cache_mem(s), i);
        CXLFixedWindow *fw = NULL;

        dpa += d.targets;
        live = live && cxl_hdm_decoder_committed(&d);
        if (live && !cxl_hdm_decoder_interleaved(&d) &&
            dpa <= s->capacity && d.size <= s->capacity - dpa) {
            fw = cxl_fmws_find_direct(pci_dev, d.base, d.size);
        }
        if (!fw) {
            ct2_unmap_direct(s, i);
        } else if (!s->direct_fw[i]) {
            ct2_map_direct(s, i, fw, &d, dpa);
        }
        dpa += d.size;
    }
    memory_region_transaction_commit();
}

/* NULL, or what is wrong with decoder @n, which is about to be committed */
static const char *ct2_refuse(CXLType2Dev *s, unsigned n)
{
    CXLHDMDecoder d, prev = {};
    uint64_t dpa = 0;

    for (unsigned i = 0; ; i++) {
        d = cxl_hdm_decoder_get(ct2_cache_mem(s), i);
        if (d.targets > s->capacity - dpa ||
            d.size > s->capacity - dpa - d.targets) {
            return "exceeds the capacity";
        }
        if (i == n) {
            break;
        }
        if (!cxl_hdm_decoder_committed(&d)) {
            return "comes after one that is not committed";
        }
        dpa += d.targets + d.size;
        prev = d;
    }

    if (!d.size) {
        return "has no size";
    }
    if (d.base + d.size < d.base) {
        return "exceeds the address space";
    }
    if (d.base < prev.base + prev.size) {
        return "is below the one before";
    }
    return NULL;
}

/* Decoders are uncommitted from the last to the first */
static bool ct2_holds_next(CXLType2Dev *s, unsigned n)
{
    CXLHDMDecoder next;

    if (n + 1 == s->decoders) {
        return false;
    }
    next = cxl_hdm_decoder_get(ct2_cache_mem(s), n + 1);
    return cxl_hdm_decoder_committed(&next);
}

static void ct2_write_hdm_ctrl(CXLType2Dev *s, unsigned n, uint32_t value)
{
    CXLHDMDecoder d = cxl_hdm_decoder_get(ct2_cache_mem(s), n);
    bool commit = FIELD_EX32(value, CXL_HDM_DECODER0_CTRL, COMMIT);
    bool committed = cxl_hdm_decoder_committed(&d);
    const char *why = NULL;

    if (commit && committed) {
        /* What else is in the register belongs to the commit that was. */
        d.ctrl |= value & R_CXL_HDM_DECODER0_CTRL_LOCK_ON_COMMIT_MASK;
    } else if (committed && ct2_holds_next(s, n)) {
        why = "stays committed, as the next one is";
    } else {
        if (commit) {
            why = FIELD_EX32(value, CXL_HDM_DECODER0_CTRL, IW) ?
                  "interleaves, which this device cannot" : ct2_refuse(s, n);
        }
        value = FIELD_DP32(value, CXL_HDM_DECODER0_CTRL, ERR, !!why);
        value = FIELD_DP32(value, CXL_HDM_DECODER0_CTRL, COMMITTED,
                           commit && !why);
        d.ctrl = value;
    }
    if (why) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: HDM decoder %u %s\n",
                      PCI_DEVICE(s)->name, n, why);
    }

    trace_cxl_type2_hdm_ctrl(PCI_DEVICE(s)->name, n, d.base, d.size, d.ctrl);
    cxl_hdm_decoder_set(ct2_cache_mem(s), n, &d);
    cxl_type2_regs_update(PCI_DEVICE(s));
}

/*
 * Only read-write bits of @value are the guest's, the others are the old ones.
 * Locked decoders do not get here.
 */
static void ct2_write_reg(void *opaque, hwaddr offset, uint64_t value,
                          unsigned size)
{
    CXLType2Dev *s = container_of(opaque, CXLType2Dev, cxl_cstate);
    uint32_t *reg = ct2_cache_mem(s) + offset / sizeof(*reg);
    uint32_t mask =
        s->cxl_cstate.crb.cache_mem_regs_write_mask[offset / sizeof(*reg)];
    hwaddr n = (offset - A_CXL_HDM_DECODER0_BASE_LO) / HDM_STRIDE;

    if (offset == A_CXL_RAS_UNC_ERR_STATUS) {
        cxl_type2_ras_clear(s, value & mask);
    } else if (offset == A_CXL_RAS_COR_ERR_STATUS) {
        stl_le_p(reg, ldl_le_p(reg) & ~(value & mask));
    } else if (offset < A_CXL_HDM_DECODER0_BASE_LO || n >= s->decoders) {
        stl_le_p(reg, value);
        if (offset == A_CXL_HDM_DECODER_GLOBAL_CONTROL) {
            cxl_type2_memory_update(s);
        }
    } else if (offset == A_CXL_HDM_DECODER0_CTRL + n * HDM_STRIDE) {
        ct2_write_hdm_ctrl(s, n, value);
    } else {
        CXLHDMDecoder d = cxl_hdm_decoder_get(ct2_cache_mem(s), n);

        if (cxl_hdm_decoder_committed(&d)) {
            qemu_log_mask(LOG_GUEST_ERROR, "%s: write to committed HDM decoder "
                          "%" HWADDR_PRIu "\n", PCI_DEVICE(s)->name, n);
            return;
        }
        stl_le_p(reg, value);
    }
}

bool cxl_type2_regs_enabled(CXLType2Dev *s)
{
    return FIELD_EX32(ldl_le_p(ct2_cache_mem(s) +
                               R_CXL_HDM_DECODER_GLOBAL_CONTROL),
                      CXL_HDM_DECODER_GLOBAL_CONTROL, HDM_DECODER_ENABLE);
}

uint64_t cxl_type2_regs_decode(PCIDevice *pci_dev, hwaddr hpa)
{
    CXLType2Dev *s = CXL_TYPE2(pci_dev);
    uint64_t dpa = 0;

    for (unsigned i = 0; cxl_type2_regs_enabled(s) && i < s->decoders; i++) {
        CXLHDMDecoder d = cxl_hdm_decoder_get(ct2_cache_mem(s), i);

        dpa += d.targets;
        if (!cxl_hdm_decoder_committed(&d)) {
            break;
        }
        if (!cxl_hdm_decoder_interleaved(&d) && hpa - d.base < d.size) {
            return dpa + (hpa - d.base);
        }
        dpa += d.size;
    }
    return UINT64_MAX;
}

void cxl_type2_regs_reset(CXLType2Dev *s, bool cold, bool keep_locked)
{
    const unsigned stride = HDM_STRIDE / sizeof(uint32_t);
    uint32_t *reg = ct2_cache_mem(s);
    uint32_t *mask = s->cxl_cstate.crb.cache_mem_regs_write_mask;
    uint8_t ras[CXL_RAS_REGISTERS_SIZE];
    CXLHDMDecoder kept[CXL_HDM_DECODER_COUNT] = {};

    for (unsigned i = 0; i < s->decoders; i++) {
        CXLHDMDecoder d = cxl_hdm_decoder_get(reg, i);

        ct2_unmap_direct(s, i);
        if (keep_locked && cxl_hdm_decoder_committed(&d) &&
            FIELD_EX32(d.ctrl, CXL_HDM_DECODER0_CTRL, LOCK_ON_COMMIT)) {
            kept[i] = d;
        }
    }

    memcpy(ras, reg + R_CXL_RAS_UNC_ERR_STATUS, sizeof(ras));
    /* Type 3 is the layout of a device that has HDM decoders */
    cxl_component_register_init_common(reg, mask, CXL2_TYPE3_DEVICE, false);
    for (unsigned i = 0; i < s->decoders; i++) {
        cxl_hdm_decoder_set(reg, i, &kept[i]);
    }
    if (cold) {
        cxl_type2_ras_forget(s);
    } else {
        memcpy(reg + R_CXL_RAS_UNC_ERR_STATUS, ras, sizeof(ras));
    }

    stl_le_p(reg + CT2_ACK_TIMER, CT2_ACK_TIMER_RESET);
    stl_le_p(mask + CT2_ACK_TIMER, CT2_ACK_TIMER_MASK);
    ARRAY_FIELD_DP32(reg, CXL_HDM_DECODER_CAPABILITY, DECODER_COUNT,
                     cxl_decoder_count_enc(s->decoders));
    ARRAY_FIELD_DP32(reg, CXL_HDM_DECODER_CAPABILITY, TARGET_COUNT, 0);
    ARRAY_FIELD_DP32(reg, CXL_HDM_DECODER_CAPABILITY, INTERLEAVE_256B, 0);
    ARRAY_FIELD_DP32(reg, CXL_HDM_DECODER_CAPABILITY, INTERLEAVE_4K, 0);
    ARRAY_FIELD_DP32(reg, CXL_HDM_DECODER_CAPABILITY, 3_6_12_WAY, 0);
    ARRAY_FIELD_DP32(reg, CXL_HDM_DECODER_CAPABILITY, 16_WAY, 0);
    /* All of it is accelerator memory: target type 0 */
    for (unsigned i = 0; i < CXL_HDM_DECODER_COUNT; i++) {
        mask[R_CXL_HDM_DECODER0_CTRL + i * stride] &=
            ~R_CXL_HDM_DECODER0_CTRL_TYPE_MASK;
    }
    /* and registers of decoders that are not there read as zero */
    for (unsigned i = s->decoders; i < CXL_HDM_DECODER_COUNT; i++) {
        memset(mask + R_CXL_HDM_DECODER0_BASE_LO + i * stride, 0,
               stride * sizeof(*mask));
    }
}

void cxl_type2_regs_init(CXLType2Dev *s)
{
    for (unsigned i = 0; i < s->decoders; i++) {
        memory_region_init_alias(&s->direct[i], OBJECT(s), "cxl-type2-direct",
                                 host_memory_backend_get_memory(s->memdev),
                                 0, s->capacity);
    }
    s->special_ops.write = ct2_write_reg;
    s->cxl_cstate.crb.special_ops = &s->special_ops;
    QTAILQ_INIT(&s->errors);
    cxl_type2_regs_reset(s, true, false);
}

void cxl_type2_regs_commit(CXLType2Dev *s, hwaddr base)
{
    uint64_t size = s->capacity / s->commit_decoders;

    for (unsigned i = 0; i < s->commit_decoders; i++) {
        CXLHDMDecoder d = {
            .base = base + i * size,
            .size = !i && s->commit_size ? s->commit_size : size,
            .targets = i ? 0 : s->commit_skip,
            .ctrl = CXL_HDM_CTRL_LOCKED,
        };

        d.ctrl = FIELD_DP32(d.ctrl, CXL_HDM_DECODER0_CTRL, IW,
                            !i && s->interleave);
        cxl_hdm_decoder_set(ct2_cache_mem(s), i, &d);
    }
    cxl_hdm_enable(ct2_cache_mem(s));
}

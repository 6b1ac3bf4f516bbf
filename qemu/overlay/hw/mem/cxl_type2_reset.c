/*
 * Emulated CXL Type-2 accelerator: resets, and when the memory answers
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/**
 * DOC: what a reset takes
 *
 * PCI configuration, D3, scratch and what the engine does go in every reset.
 * FLR ends there, for it must not disturb CXL.cache and CXL.mem (unless
 * x-lose-decoder=on, which makes a device that takes FLR for a reason to lose
 * its decoders). All others also reset the component registers and the DVSECs,
 * and with them the place where the memory appears:
 *
 *   start       system reset, hot plug, slot power. Nothing is sticky, and
 *               firmware waits for the memory and commits it again.
 *   bus reset   RAS registers are sticky. The memory takes its time to become
 *               active, and nobody commits it, firmware having no part in this.
 *   CXL Reset   As a bus reset, except that CONFIG_LOCK holds (with
 *               x-config-lock=on) and so do locked decoders (with
 *               x-keep-locked=on); and it has a beginning and an end: what the
 *               guest writes in between is lost, except to RAS registers, and
 *               the memory does not answer. It ends at once unless
 *               x-cxl-reset-delay is set, and may end in an error, or never.
 *
 * The content of the memory survives all of them, unless a CXL Reset is asked
 * to clear it.
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "hw/core/resettable.h"
#include "hw/core/sysbus.h"
#include "hw/cxl/cxl.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie.h"
#include "system/hostmem.h"
#include "system/ramblock.h"
#include "cxl_type2.h"
#include "trace.h"

/* ---- readiness ---- */

static bool ct2_in_d0(PCIDevice *d)
{
    return !(pci_get_word(d->config + d->pm_cap + PCI_PM_CTRL) &
             PCI_PM_CTRL_STATE_MASK);
}

static bool ct2_enabled(CXLType2Dev *s)
{
    return pci_get_word(PCI_DEVICE(s)->config + CXL_TYPE2_DVSEC_OFFSET +
                        offsetof(CXLDVSECDevice, ctrl)) & CXL_TYPE2_CTRL_MEM &&
           cxl_type2_regs_enabled(s);
}

void cxl_type2_memory_update(CXLType2Dev *s)
{
    bool in_d0 = ct2_in_d0(PCI_DEVICE(s));
    bool answers = s->mem_active && in_d0 &&
                   (!s->keep_locked || ct2_enabled(s));

    s->engine.active = s->mem_active && (in_d0 || s->engine.survives_flr);
    if (answers == s->dpa.enabled) {
        return;
    }

    trace_cxl_type2_memory(PCI_DEVICE(s)->name, answers);
    memory_region_transaction_begin();
    memory_region_set_enabled(&s->dpa, answers);
    for (unsigned i = 0; i < s->decoders; i++) {
        memory_region_set_enabled(&s->direct[i], answers);
    }
    memory_region_transaction_commit();
}

static void ct2_set_ready(CXLType2Dev *s, bool info, bool active)
{
    trace_cxl_type2_ready(PCI_DEVICE(s)->name, info, active);
    s->mem_active = active;
    cxl_type2_dvsec_ready(s, info, active);
    cxl_type2_memory_update(s);
}

static void ct2_ready_tick(void *opaque)
{
    CXLType2Dev *s = opaque;
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL);
    bool info = now >= s->info_at;
    bool active = info && now >= s->active_at;

    ct2_set_ready(s, info, active);
    if (!active) {
        timer_mod(&s->ready_timer, info ? s->active_at : s->info_at);
    }
}

static void ct2_wake_memory(CXLType2Dev *s, bool at_once)
{
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL);

    timer_del(&s->ready_timer);
    s->info_at = now + (at_once ? 0 : s->mem_info_delay);
    s->active_at = now + (at_once ? 0 : s->mem_active_delay);
    ct2_ready_tick(s);
}

static void ct2_stop_memory(CXLType2Dev *s)
{
    timer_del(&s->ready_timer);
    ct2_set_ready(s, false, false);
}

/* ---- every reset ---- */

typedef enum CT2Reset {
    CT2_RESET_START,
    CT2_RESET_BUS,
    CT2_RESET_CXL,
    CT2_RESET_FLR,
} CT2Reset;

static const char *const ct2_reset_name[] = {
    [CT2_RESET_START] = "start",
    [CT2_RESET_BUS] = "bus",
    [CT2_RESET_CXL] = "cxl",
    [CT2_RESET_FLR] = "flr",
};

static CT2Reset ct2_reset_kind(CXLType2Dev *s)
{
    PCIDevice *d = PCI_DEVICE(s);

    if (s->in_handler) {
        return CT2_RESET_CXL;
    }
    if (pci_get_word(d->config + d->exp.exp_cap + PCI_EXP_DEVCTL) &
        PCI_EXP_DEVCTL_BCR_FLR) {
        return CT2_RESET_FLR;
    }
    /* Alone it is reset when it is plugged in, or its slot is powered */
    if (!resettable_is_in_reset(OBJECT(pci_get_bus(d))) ||
        resettable_is_in_reset(OBJECT(sysbus_get_default()))) {
        return CT2_RESET_START;
    }
    return CT2_RESET_BUS;
}

void cxl_type2_reset(DeviceState *dev)
{
    CXLType2Dev *s = CXL_TYPE2(dev);
    PCIDevice *d = PCI_DEVICE(dev);
    CT2Reset kind = ct2_reset_kind(s);

    trace_cxl_type2_reset(d->name, ct2_reset_name[kind]);
    if (kind == CT2_RESET_FLR) {
        cxl_type2_engine_flr(&s->engine);
    } else {
        cxl_type2_engine_reset(&s->engine);
    }
    cxl_type2_cdat_reset(&s->cdat);
    pcie_cap_deverr_reset(d);
    if (s->ats) {
        pci_set_word(d->config + CXL_TYPE2_ATS_OFFSET + PCI_ATS_CTRL, 0);
    }
    pci_word_test_and_clear_mask(d->config + d->pm_cap + PCI_PM_CTRL,
                                 PCI_PM_CTRL_STATE_MASK);
    memset(memory_region_get_ram_ptr(&s->scratch), 0, s->bar_size);
    memory_region_set_dirty(&s->scratch, 0, s->bar_size);

    if (kind == CT2_RESET_FLR) {
        if (s->lose_decoder) {
            cxl_type2_regs_reset(s, false, false);
            cxl_path_withdraw(&s->path);
        }
        return;
    }

    cxl_type2_regs_reset(s, kind == CT2_RESET_START,
                         kind == CT2_RESET_CXL && s->keep_locked);
    cxl_type2_dvsec_reset(s, kind == CT2_RESET_CXL);
    if (kind == CT2_RESET_CXL) {
        if (!s->keep_locked) {
            cxl_path_withdraw(&s->path);
        }
        cxl_type2_regs_update(d);
        return;
    }

    timer_del(&s->reset_timer);
    ct2_wake_memory(s, kind == CT2_RESET_START);
    cxl_path_lost(&s->path);
}

/* ---- CXL Reset ---- */

/*
 * Large backends are mostly holes, and should be so again: unless something has
 * pinned pages (see ram_block_discard_disable()), or others have mapped a file
 * that is private here.
 */
static bool ct2_punch_memory(MemoryRegion *mr, uint64_t size)
{
    RAMBlock *block = mr->ram_block;

    return !ram_block_discard_is_disabled() &&
           (block->fd < 0 || qemu_ram_is_shared(block)) &&
           !ram_block_discard_range(block, 0, size);
}

static void ct2_clear_memory(CXLType2Dev *s)
{
    MemoryRegion *mr = host_memory_backend_get_memory(s->memdev);
    bool punched = ct2_punch_memory(mr, s->capacity);

    if (!punched) {
        memset(memory_region_get_ram_ptr(mr), 0, s->capacity);
    }
    trace_cxl_type2_clear(PCI_DEVICE(s)->name, s->capacity, punched);
}

/* The function, as FLR does, and what is CXL of it */
static void ct2_reset_function(CXLType2Dev *s)
{
    s->in_handler = true;
    pci_device_reset(PCI_DEVICE(s));
    s->in_handler = false;
}

static void ct2_cxl_reset_end(void *opaque)
{
    CXLType2Dev *s = opaque;
    PCIDevice *d = PCI_DEVICE(s);
    bool failed = s->reset_fail == CXL_TYPE2_RESET_ERROR;

    trace_cxl_type2_cxl_reset_end(d->name, s->reset_fail);
    if (s->reset_fail == CXL_TYPE2_RESET_STUCK) {
        return;
    }
    if (s->clear && !failed) {
        ct2_clear_memory(s);
    }
    ct2_reset_function(s);
    ct2_wake_memory(s, false);
    pci_word_test_and_set_mask(d->config + CXL_TYPE2_DVSEC_OFFSET +
                               offsetof(CXLDVSECDevice, status2),
                               failed ? CXL_TYPE2_STATUS2_ERROR :
                                        CXL_TYPE2_STATUS2_COMPLETE);
}

void cxl_type2_cxl_reset(CXLType2Dev *s, bool clear)
{
    PCIDevice *d = PCI_DEVICE(s);

    if (timer_pending(&s->reset_timer)) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: CXL Reset during CXL Reset\n",
                      d->name);
        return;
    }

    trace_cxl_type2_cxl_reset(d->name, clear, s->reset_delay);
    s->clear = clear;
    ct2_reset_function(s);
    ct2_stop_memory(s);
    if (s->reset_delay) {
        timer_mod(&s->reset_timer,
                  qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + s->reset_delay);
    } else {
        ct2_cxl_reset_end(s);
    }
}

/* ---- start and stop ---- */

void cxl_type2_reset_init(CXLType2Dev *s)
{
    timer_init_ms(&s->reset_timer, QEMU_CLOCK_VIRTUAL, ct2_cxl_reset_end, s);
    timer_init_ms(&s->ready_timer, QEMU_CLOCK_VIRTUAL, ct2_ready_tick, s);
    ct2_set_ready(s, true, true);
}

void cxl_type2_reset_exit(CXLType2Dev *s)
{
    timer_del(&s->reset_timer);
    timer_del(&s->ready_timer);
}

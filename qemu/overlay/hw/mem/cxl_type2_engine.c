/*
 * Engine of the emulated CXL Type-2 accelerator
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/**
 * DOC: engine
 *
 * One command at a time, which the guest starts with a write to COMMAND, and
 * which ends with an interrupt. Its work is to bring bytes from one end to
 * another: device memory, the bus, which is DMA, through an IOMMU if there is
 * one, or a register. With ATS it asks the IOMMU first, and what turns out to
 * be device memory does not take the bus. See
 * docs/system/devices/cxl-type2.rst.
 *
 * It goes on in turns, between which the rest of QEMU runs, and in pieces that
 * cross no page at either end, so that DONE is exact to the page. What it needs
 * is looked at before every access, for the guest may take it away meanwhile:
 * by DMA to configuration space even the command itself.
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/crc32c.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_bus.h"
#include "system/runstate.h"
#include "cxl_type2_engine.h"
#include "trace.h"

#define ENGINE_TURN         (1 * MiB)
#define ENGINE_PIECE        (4 * KiB)

#define ENGINE_ID           0x454c5843
#define ENGINE_VERSION      0x00010000
#define ENGINE_BUSY         (1 << 0)
#define ENGINE_ENDED        (1 << 1)
#define ENGINE_ERROR        (1 << 2)
#define ENGINE_REASON       8
#define ENGINE_INT_ENDED    (1 << 0)

#define REG(e, name)        ((e)->reg[CXL_TYPE2_ENGINE_ ## name])
#define REASON(name)        (CXL_TYPE2_ENGINE_REASON_ ## name)

typedef enum EngineEnd {
    END_REG,
    END_DPA,
    END_BUS,
} EngineEnd;

static const struct {
    EngineEnd src, dst;
} engine_ends[CXL_TYPE2_ENGINE_COMMANDS] = {
    [CXL_TYPE2_ENGINE_FILL] = { END_REG, END_DPA },
    [CXL_TYPE2_ENGINE_COPY_OUT] = { END_DPA, END_BUS },
    [CXL_TYPE2_ENGINE_COPY_IN] = { END_BUS, END_DPA },
    [CXL_TYPE2_ENGINE_COPY] = { END_DPA, END_DPA },
    [CXL_TYPE2_ENGINE_CHECKSUM] = { END_DPA, END_REG },
};

/* No message leaves a function in D3 */
static void engine_notify(CXLType2Engine *e)
{
    PCIDevice *d = e->pdev;
    uint16_t pm = pci_get_word(d->config + d->pm_cap + PCI_PM_CTRL);

    if (REG(e, INT_STATUS) & REG(e, INT_ENABLE) && msix_enabled(d) &&
        !(pm & PCI_PM_CTRL_STATE_MASK)) {
        msix_notify(d, 0);
    }
}

static void engine_schedule(CXLType2Engine *e)
{
    timer_mod(&e->timer, qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + e->delay);
}

static void engine_end(CXLType2Engine *e, unsigned reason)
{
    trace_cxl_type2_engine_end(e->pdev->name, reason, REG(e, DONE));
    timer_del(&e->timer);
    qemu_bh_cancel(e->bh);
    REG(e, STATUS) = ENGINE_ENDED |
                     (reason ? ENGINE_ERROR | reason << ENGINE_REASON : 0);
    REG(e, INT_STATUS) |= ENGINE_INT_ENDED;
    engine_notify(e);
}

/* @last is its last byte, for a range may end where addresses do */
static bool engine_in_range(CXLType2Engine *e, EngineEnd end, uint64_t addr,
                            uint64_t last)
{
    return end == END_REG ||
           (last >= addr && (end == END_BUS || last < e->size));
}

static unsigned engine_check(CXLType2Engine *e)
{
    uint64_t last = REG(e, LENGTH) - 1;
    EngineEnd src, dst;

    if (REG(e, COMMAND) >= CXL_TYPE2_ENGINE_COMMANDS || !REG(e, LENGTH)) {
        return REG(e, LENGTH) ? REASON(COMMAND) : REASON(LENGTH);
    }
    src = engine_ends[REG(e, COMMAND)].src;
    dst = engine_ends[REG(e, COMMAND)].dst;
    if (!engine_in_range(e, src, REG(e, SRC), REG(e, SRC) + last) ||
        !engine_in_range(e, dst, REG(e, DST), REG(e, DST) + last)) {
        return REASON(RANGE);
    }
    if (src == dst && REG(e, SRC) <= REG(e, DST) + last &&
        REG(e, DST) <= REG(e, SRC) + last) {
        return REASON(OVERLAP);
    }
    /* No command goes without */
    if (!e->active) {
        return REASON(MEMORY);
    }
    return (src == END_BUS || dst == END_BUS) &&
           !(pci_get_word(e->pdev->config + PCI_COMMAND) & PCI_COMMAND_MASTER) ?
           REASON(MASTER) : REASON(NONE);
}

static void engine_reg_rw(CXLType2Engine *e, uint8_t *buf, unsigned len,
                          bool write)
{
    uint64_t value = ror64(REG(e, VALUE), REG(e, DONE) % 8 * 8);

    for (unsigned i = 0; !write && i < len; i += sizeof(value)) {
        stq_le_p(buf + i, value);
    }
    if (write) {
        REG(e, RESULT) = crc32c(~(uint32_t)REG(e, RESULT), buf, len);
    }
}

static MemTxResult engine_bus_rw(CXLType2Engine *e, uint64_t addr, uint8_t *buf,
                                 unsigned len, bool write)
{
    uint64_t page = QEMU_ALIGN_DOWN(addr, ENGINE_PIECE);
    IOMMUTLBEntry entry = {};
    uint32_t refused;
    uint64_t hpa, dpa;

    /* Without ATS, or without an IOMMU that has it, there is no answer */
    if (pci_ats_request_translation(e->pdev, PCI_NO_PASID, false, false, page,
                                    ENGINE_PIECE, !write, &entry, 1,
                                    &refused) != 1 ||
        entry.perm & IOMMU_UNTRANSLATED_ONLY) {
        return pci_dma_rw(e->pdev, addr, buf, len,
                          write ? DMA_DIRECTION_FROM_DEVICE :
                                  DMA_DIRECTION_TO_DEVICE,
                          MEMTXATTRS_UNSPECIFIED);
    }
    if (!(entry.perm & (write ? IOMMU_WO : IOMMU_RO))) {
        return MEMTX_DECODE_ERROR;
    }
    hpa = (entry.translated_addr & ~entry.addr_mask) | (addr & entry.addr_mask);
    dpa = e->decode(e->pdev, hpa);
    trace_cxl_type2_engine_translated(e->pdev->name, addr, hpa, dpa);
    if (dpa < e->size) {
        return address_space_rw(&e->memory, dpa, MEMTXATTRS_UNSPECIFIED, buf,
                                len, write);
    }
    return address_space_rw(entry.target_as, hpa, MEMTXATTRS_UNSPECIFIED, buf,
                            len, write);
}

/* Also stops what was reset: there is no length any more */
static unsigned engine_rw(CXLType2Engine *e, uint8_t *buf, unsigned len,
                          bool write)
{
    uint64_t addr = REG(e, DONE) + (write ? REG(e, DST) : REG(e, SRC));
    unsigned reason = engine_check(e);
    MemTxResult result = MEMTX_OK;
    EngineEnd end;

    if (reason) {
        return reason;
    }
    end = write ? engine_ends[REG(e, COMMAND)].dst :
                  engine_ends[REG(e, COMMAND)].src;
    if (end == END_REG) {
        engine_reg_rw(e, buf, len, write);
    } else if (end == END_DPA) {
        result = address_space_rw(&e->memory, addr, MEMTXATTRS_UNSPECIFIED,
                                  buf, len, write);
    } else {
        result = engine_bus_rw(e, addr, buf, len, write);
    }
    return result == MEMTX_OK ? REASON(NONE) : REASON(BUS);
}

static unsigned engine_piece(CXLType2Engine *e)
{
    uint8_t buf[ENGINE_PIECE];
    uint64_t src = (REG(e, SRC) + REG(e, DONE)) % ENGINE_PIECE;
    uint64_t dst = (REG(e, DST) + REG(e, DONE)) % ENGINE_PIECE;
    uint64_t len = MIN(REG(e, LENGTH) - REG(e, DONE),
                       ENGINE_PIECE - MAX(src, dst));
    unsigned reason = engine_rw(e, buf, len, false) ?:
                      engine_rw(e, buf, len, true);

    if (!reason && REG(e, STATUS) & ENGINE_BUSY) {
        REG(e, DONE) += len;
    }
    return reason;
}

static void engine_turn(void *opaque)
{
    CXLType2Engine *e = opaque;
    uint64_t stop = REG(e, DONE) + ENGINE_TURN;
    unsigned reason;

    /* Stopped after the timer: when it runs again */
    if (!runstate_is_running()) {
        engine_schedule(e);
        return;
    }

    do {
        reason = engine_piece(e);
        if (!(REG(e, STATUS) & ENGINE_BUSY)) {
            return;
        }
    } while (!reason && REG(e, DONE) < MIN(stop, REG(e, LENGTH)));

    if (!reason && REG(e, DONE) < REG(e, LENGTH)) {
        engine_schedule(e);
    } else {
        engine_end(e, reason);
    }
}

static void engine_tick(void *opaque)
{
    qemu_bh_schedule(((CXLType2Engine *)opaque)->bh);
}

static void engine_command(CXLType2Engine *e, uint32_t command)
{
    bool busy = REG(e, STATUS) & ENGINE_BUSY;

    trace_cxl_type2_engine_command(e->pdev->name, command, busy, REG(e, SRC),
                                   REG(e, DST), REG(e, LENGTH));
    if (command == CXL_TYPE2_ENGINE_STOP && busy) {
        engine_end(e, REASON(STOPPED));
    } else if (command != CXL_TYPE2_ENGINE_STOP && !busy) {
        REG(e, COMMAND) = command;
        REG(e, STATUS) = ENGINE_BUSY;
        REG(e, DONE) = REG(e, RESULT) = 0;
        engine_schedule(e);
    }
}

/* The registers, by their halves */
static uint64_t engine_read(void *opaque, hwaddr offset, unsigned size)
{
    CXLType2Engine *e = opaque;

    return offset < sizeof(e->reg) ?
           extract64(e->reg[offset / 8], offset % 8 * 8, 32) : 0;
}

static void engine_write(void *opaque, hwaddr offset, uint64_t value,
                         unsigned size)
{
    CXLType2Engine *e = opaque;
    unsigned n = offset / 8;

    if (n >= CXL_TYPE2_ENGINE_SRC && n <= CXL_TYPE2_ENGINE_VALUE) {
        if (!(REG(e, STATUS) & ENGINE_BUSY)) {
            e->reg[n] = deposit64(e->reg[n], offset % 8 * 8, 32, value);
        }
    } else if (offset == CXL_TYPE2_ENGINE_COMMAND * 8) {
        engine_command(e, value);
    } else if (offset == CXL_TYPE2_ENGINE_INT_STATUS * 8) {
        REG(e, INT_STATUS) &= ~value;
    } else if (offset == CXL_TYPE2_ENGINE_INT_ENABLE * 8) {
        REG(e, INT_ENABLE) = value & ENGINE_INT_ENDED;
        engine_notify(e);
    }
}

static const MemoryRegionOps engine_ops = {
    .read = engine_read,
    .write = engine_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

void cxl_type2_engine_reset(CXLType2Engine *e)
{
    trace_cxl_type2_engine_reset(e->pdev->name, REG(e, STATUS), REG(e, DONE));
    timer_del(&e->timer);
    qemu_bh_cancel(e->bh);
    memset(e->reg, 0, sizeof(e->reg));
    REG(e, ID) = ENGINE_ID;
    REG(e, VERSION) = ENGINE_VERSION;
    REG(e, CAP) = MAKE_64BIT_MASK(0, CXL_TYPE2_ENGINE_COMMANDS);
    REG(e, MEMORY) = e->size;
}

void cxl_type2_engine_flr(CXLType2Engine *e)
{
    if (!e->survives_flr || !(REG(e, STATUS) & ENGINE_BUSY)) {
        cxl_type2_engine_reset(e);
    }
}

void cxl_type2_engine_init(CXLType2Engine *e, PCIDevice *pdev,
                           MemoryRegion *memory, CXLType2Decode *decode)
{
    e->pdev = pdev;
    e->decode = decode;
    e->size = memory_region_size(memory);
    address_space_init(&e->memory, memory, "cxl-type2-engine");
    memory_region_init_io(&e->bar, OBJECT(pdev), &engine_ops, e,
                          "cxl-type2-engine", CXL_TYPE2_ENGINE_SIZE);
    timer_init_ms(&e->timer, QEMU_CLOCK_VIRTUAL, engine_tick, e);
    e->bh = aio_bh_new_guarded(qemu_get_aio_context(), engine_turn, e,
                               &DEVICE(pdev)->mem_reentrancy_guard);
    cxl_type2_engine_reset(e);
}

void cxl_type2_engine_exit(CXLType2Engine *e)
{
    cxl_type2_engine_reset(e);
    qemu_bh_delete(e->bh);
    address_space_destroy(&e->memory);
}

/*
 * Clearing the memory of CXL devices
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qemu/rcu.h"
#include "exec/cpu-common.h"
#include "hw/core/cpu.h"
#include "system/hostmem.h"
#include "system/ramblock.h"
#include "hw/cxl/cxl_clear.h"

/* How long the main loop does without, in ms, and how much at once */
#define SLICE       10
#define SET_PIECE   (4 * MiB)
#define HOLE_PIECE  (64 * MiB)

typedef struct {
    AddressSpace *as;
    bool own_as;
    bool no_holes;
    hwaddr addr;
    uint64_t len;
    uint8_t value;
} CXLClearPart;

struct CXLClear {
    GArray *parts;
    unsigned current;
    QEMUTimer *timer;
    bool cpus_seen;             /* that they see what is mapped */
    bool busy;
    bool cancelled;
    void (*done)(void *opaque);
    void *opaque;
};

/*
 * Whether zeroes come of discarding. A private mapping of a file would show
 * the file again, and what was allocated in advance is meant to stay so.
 */
static bool cxl_clear_by_holes(MemoryRegion *mr)
{
    Object *owner = memory_region_owner(mr);
    RAMBlock *rb = mr->ram_block;

    if (owner && object_dynamic_cast(owner, TYPE_MEMORY_BACKEND) &&
        MEMORY_BACKEND(owner)->prealloc) {
        return false;
    }
    return rb && (qemu_ram_get_fd(rb) < 0 || qemu_ram_is_shared(rb));
}

/* Returns: how far it came */
static uint64_t cxl_clear_piece(CXLClearPart *part)
{
    MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;
    hwaddr len = part->len, offset;
    bool hole = false;
    MemoryRegion *mr;
    RAMBlock *rb;
    void *p;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(part->as, part->addr, &offset, &len, true,
                                 attrs);
    if (!memory_region_is_ram(mr) || memory_region_is_rom(mr)) {
        return len;
    }
    rb = mr->ram_block;
    if (!part->value && !part->no_holes && cxl_clear_by_holes(mr)) {
        size_t page = qemu_ram_pagesize(rb);

        hole = QEMU_IS_ALIGNED(offset, page) && len >= page;
        len = hole ? MIN(QEMU_ALIGN_DOWN(len, page), MAX(HOLE_PIECE, page))
                   : MIN(len, page - offset % page);
    }
    len = hole ? len : MIN(len, SET_PIECE);
    p = address_space_map(part->as, part->addr, &len, true, attrs);
    if (hole && ram_block_discard_range(rb, offset, len)) {
        part->no_holes = true;
        address_space_unmap(part->as, p, len, false, 0);
        return 0;
    }
    if (!hole) {
        memset(p, part->value, len);
    }
    /* This is what tells migration, and TCG, that other contents are there */
    address_space_unmap(part->as, p, len, true, len);
    return len;
}

static void cxl_clear_free(CXLClear *c)
{
    for (unsigned i = 0; i < c->parts->len; i++) {
        CXLClearPart *part = &g_array_index(c->parts, CXLClearPart, i);

        if (part->own_as) {
            address_space_destroy_free(part->as);
        }
    }
    g_array_unref(c->parts);
    timer_free(c->timer);
    g_free(c);
}

static void cxl_clear_nop(CPUState *cpu, run_on_cpu_data data)
{
}

/* TCG's CPUs look at their work, unmapping included, when they get to it */
static void cxl_clear_wait_for_cpus(void)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        run_on_cpu(cpu, cxl_clear_nop, RUN_ON_CPU_NULL);
    }
}

static void cxl_clear_step(void *opaque)
{
    CXLClear *c = opaque;
    int64_t end;

    if (!c->cpus_seen) {
        c->cpus_seen = true;
        c->busy = true;
        cxl_clear_wait_for_cpus();      /* without the BQL */
        c->busy = false;
        if (c->cancelled) {
            cxl_clear_free(c);
            return;
        }
    }
    end = qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + SLICE;
    while (c->current < c->parts->len) {
        CXLClearPart *part = &g_array_index(c->parts, CXLClearPart,
                                            c->current);
        uint64_t n = cxl_clear_piece(part);

        part->addr += n;
        part->len -= n;
        c->current += !part->len;
        if (qemu_clock_get_ms(QEMU_CLOCK_REALTIME) >= end) {
            timer_mod(c->timer, end + 1);
            return;
        }
    }
    c->done(c->opaque);
    cxl_clear_free(c);
}

CXLClear *cxl_clear_new(void (*done)(void *opaque), void *opaque)
{
    CXLClear *c = g_new0(CXLClear, 1);

    c->parts = g_array_new(false, true, sizeof(CXLClearPart));
    c->timer = timer_new_ms(QEMU_CLOCK_REALTIME, cxl_clear_step, c);
    c->done = done;
    c->opaque = opaque;
    return c;
}

static void cxl_clear_add_part(CXLClear *c, const CXLClearPart *part)
{
    if (part->len) {
        g_array_append_vals(c->parts, part, 1);
    }
}

void cxl_clear_add(CXLClear *c, AddressSpace *as, hwaddr addr, uint64_t len,
                   uint8_t value)
{
    cxl_clear_add_part(c, &(CXLClearPart) {
        .as = as, .addr = addr, .len = len, .value = value,
    });
}

void cxl_clear_add_ram(CXLClear *c, MemoryRegion *mr, uint64_t offset,
                       uint64_t len)
{
    AddressSpace *as = g_new0(AddressSpace, 1);

    address_space_init(as, mr, "cxl-clear");
    cxl_clear_add_part(c, &(CXLClearPart) {
        .as = as, .own_as = true, .addr = offset, .len = len,
    });
}

void cxl_clear_start(CXLClear *c)
{
    timer_mod(c->timer, 0);
}

void cxl_clear_cancel(CXLClear *c)
{
    if (c->busy) {
        c->cancelled = true;
    } else {
        cxl_clear_free(c);
    }
}

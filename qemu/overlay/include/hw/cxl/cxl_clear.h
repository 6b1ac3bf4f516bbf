/*
 * Clearing the memory of CXL devices
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef CXL_CLEAR_H
#define CXL_CLEAR_H

#include "system/memory.h"

/*
 * Much memory is cleared in pieces, from a timer of the main loop, so that
 * neither the monitor nor the guest waits for it. Where zeroes are wanted the
 * memory is given back to the host if that is possible: nothing is allocated
 * for what was never touched.
 */
typedef struct CXLClear CXLClear;

/**
 * cxl_clear_new: prepare to clear memory
 * @done: called from the main loop, with the BQL held, when all is cleared
 */
CXLClear *cxl_clear_new(void (*done)(void *opaque), void *opaque);

/* Add a range; where @as has no RAM when its turn comes it is passed over */
void cxl_clear_add(CXLClear *c, AddressSpace *as, hwaddr addr, uint64_t len,
                   uint8_t value);

/* Add a part of RAM, which need not be mapped anywhere, to be zeroed */
void cxl_clear_add_ram(CXLClear *c, MemoryRegion *mr, uint64_t offset,
                       uint64_t len);

/**
 * cxl_clear_start: begin
 *
 * All of the CPUs have by then seen what was unmapped before this is called,
 * if that is outside of a memory transaction.
 */
void cxl_clear_start(CXLClear *c);

/* Stop where it is, and free; @done is not called */
void cxl_clear_cancel(CXLClear *c);

#endif

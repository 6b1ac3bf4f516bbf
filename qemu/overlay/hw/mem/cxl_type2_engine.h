/*
 * Engine of the emulated CXL Type-2 accelerator
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_MEM_CXL_TYPE2_ENGINE_H
#define HW_MEM_CXL_TYPE2_ENGINE_H

#include "hw/pci/pci_device.h"
#include "qemu/timer.h"
#include "system/memory.h"

/** CXL_TYPE2_ENGINE_SIZE: what the registers take of the owner's BAR */
#define CXL_TYPE2_ENGINE_SIZE 0x1000

/**
 * CXLType2EngineReg: the registers, of 8 bytes each, at 8 times their number
 * @CXL_TYPE2_ENGINE_ID: read-only, "CXLE"
 * @CXL_TYPE2_ENGINE_VERSION: read-only
 * @CXL_TYPE2_ENGINE_CAP: read-only, the commands there are
 * @CXL_TYPE2_ENGINE_MEMORY: read-only, the size of the memory
 * @CXL_TYPE2_ENGINE_SRC: where a command takes bytes from
 * @CXL_TYPE2_ENGINE_DST: where it puts them
 * @CXL_TYPE2_ENGINE_LENGTH: how many
 * @CXL_TYPE2_ENGINE_VALUE: what to fill memory with
 * @CXL_TYPE2_ENGINE_COMMAND: a write starts it
 * @CXL_TYPE2_ENGINE_STATUS: read-only, whether and how it ended
 * @CXL_TYPE2_ENGINE_DONE: read-only, how many bytes are done
 * @CXL_TYPE2_ENGINE_RESULT: read-only, the checksum
 * @CXL_TYPE2_ENGINE_INT_STATUS: write 1 to clear: a command has ended
 * @CXL_TYPE2_ENGINE_INT_ENABLE: send a message when one does
 */
typedef enum CXLType2EngineReg {
    CXL_TYPE2_ENGINE_ID,
    CXL_TYPE2_ENGINE_VERSION,
    CXL_TYPE2_ENGINE_CAP,
    CXL_TYPE2_ENGINE_MEMORY,
    CXL_TYPE2_ENGINE_SRC,
    CXL_TYPE2_ENGINE_DST,
    CXL_TYPE2_ENGINE_LENGTH,
    CXL_TYPE2_ENGINE_VALUE,
    CXL_TYPE2_ENGINE_COMMAND,
    CXL_TYPE2_ENGINE_STATUS,
    CXL_TYPE2_ENGINE_DONE,
    CXL_TYPE2_ENGINE_RESULT,
    CXL_TYPE2_ENGINE_INT_STATUS,
    CXL_TYPE2_ENGINE_INT_ENABLE,
    CXL_TYPE2_ENGINE_REGS,
} CXLType2EngineReg;

/**
 * CXLType2EngineCommand: what it can do
 * @CXL_TYPE2_ENGINE_STOP: end the command that is under way
 * @CXL_TYPE2_ENGINE_FILL: VALUE, again and again, to device memory
 * @CXL_TYPE2_ENGINE_COPY_OUT: device memory to the bus
 * @CXL_TYPE2_ENGINE_COPY_IN: the bus to device memory
 * @CXL_TYPE2_ENGINE_COPY: device memory to device memory
 * @CXL_TYPE2_ENGINE_CHECKSUM: CRC32C of device memory
 */
typedef enum CXLType2EngineCommand {
    CXL_TYPE2_ENGINE_STOP,
    CXL_TYPE2_ENGINE_FILL,
    CXL_TYPE2_ENGINE_COPY_OUT,
    CXL_TYPE2_ENGINE_COPY_IN,
    CXL_TYPE2_ENGINE_COPY,
    CXL_TYPE2_ENGINE_CHECKSUM,
    CXL_TYPE2_ENGINE_COMMANDS,
} CXLType2EngineCommand;

/**
 * CXLType2EngineReason: why it did not do it, in STATUS
 * @CXL_TYPE2_ENGINE_REASON_NONE: it did
 * @CXL_TYPE2_ENGINE_REASON_COMMAND: there is no such command
 * @CXL_TYPE2_ENGINE_REASON_LENGTH: LENGTH is zero
 * @CXL_TYPE2_ENGINE_REASON_RANGE: not all of it is in the memory, or in the
 *                                 64 bits of a bus address
 * @CXL_TYPE2_ENGINE_REASON_OVERLAP: source and destination do
 * @CXL_TYPE2_ENGINE_REASON_MEMORY: the memory does not answer
 * @CXL_TYPE2_ENGINE_REASON_MASTER: Bus Master Enable is off
 * @CXL_TYPE2_ENGINE_REASON_BUS: DMA failed
 * @CXL_TYPE2_ENGINE_REASON_STOPPED: it was told to stop
 */
typedef enum CXLType2EngineReason {
    CXL_TYPE2_ENGINE_REASON_NONE,
    CXL_TYPE2_ENGINE_REASON_COMMAND,
    CXL_TYPE2_ENGINE_REASON_LENGTH,
    CXL_TYPE2_ENGINE_REASON_RANGE,
    CXL_TYPE2_ENGINE_REASON_OVERLAP,
    CXL_TYPE2_ENGINE_REASON_MEMORY,
    CXL_TYPE2_ENGINE_REASON_MASTER,
    CXL_TYPE2_ENGINE_REASON_BUS,
    CXL_TYPE2_ENGINE_REASON_STOPPED,
} CXLType2EngineReason;

/**
 * CXLType2Decode: find the device physical address behind @hpa, a host
 * physical address; UINT64_MAX if none of the HDM decoders of @d leads to it
 */
typedef uint64_t CXLType2Decode(PCIDevice *d, hwaddr hpa);

/**
 * CXLType2Engine:
 * @bar: the registers, for a BAR of 4 KiB
 * @delay: milliseconds of the virtual clock that each turn takes; may be
 *         changed at any time, as may the next two
 * @survives_flr: FLR does not end the command
 * @active: there is memory to work on
 * @pdev: does the DMA, and has the MSI-X vector
 * @decode: finds what is device memory among translated addresses
 * @memory: device physical addresses
 * @size: of the memory
 * @bh: a turn, which is some of the command's work
 * @timer: schedules @bh, and does not run while the machine is stopped
 * @reg: what the registers read, in CPU order
 *
 * The owner uses @bar, and sets those up to @active. All of it is protected by
 * the BQL.
 */
typedef struct CXLType2Engine {
    MemoryRegion bar;
    uint32_t delay;
    bool survives_flr;
    bool active;

    PCIDevice *pdev;
    CXLType2Decode *decode;
    AddressSpace memory;
    uint64_t size;
    QEMUBH *bh;
    QEMUTimer timer;
    uint64_t reg[CXL_TYPE2_ENGINE_REGS];
} CXLType2Engine;

/**
 * cxl_type2_engine_init: from the owner's realize
 * @e: the engine, zeroed except for @delay and @survives_flr
 * @pdev: the owner, which registers @e->bar and has used MSI-X vector 0
 * @memory: what the engine works on, from device physical address 0 on
 * @decode: what the owner's HDM decoders say
 */
void cxl_type2_engine_init(CXLType2Engine *e, PCIDevice *pdev,
                           MemoryRegion *memory, CXLType2Decode *decode);

/** cxl_type2_engine_exit: stop it; @e is not used any more */
void cxl_type2_engine_exit(CXLType2Engine *e);

/** cxl_type2_engine_reset: stop it, and reset the registers */
void cxl_type2_engine_reset(CXLType2Engine *e);

/** cxl_type2_engine_flr: as a reset, unless what is under way survives it */
void cxl_type2_engine_flr(CXLType2Engine *e);

#endif /* HW_MEM_CXL_TYPE2_ENGINE_H */

/*
 * What the tests of cxl-type2 share
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_CXL_TYPE2_UTIL_H
#define TESTS_CXL_TYPE2_UTIL_H

#include "qemu/units.h"
#include "libqtest.h"
#include "libqos/libqos.h"

#define ECAM            0xb0000000u
#define MMIO            0xc0000000u
#define HB_BUS          12
#define CHUNK           (256 * MiB)
#define BAR_SIZE        (256 * KiB)

#define MACHINE \
    "-nodefaults -m 128 -machine q35,cxl=on," \
    "cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=1G "
#define PXB     "-device pxb-cxl,id=cxl.0,bus=pcie.0,bus_nr=12"
#define RP(n) \
    " -device cxl-rp,id=rp" #n ",bus=cxl.0,addr=" #n ",port=" #n \
    ",chassis=0,slot=" #n
#define FILEMEM(n, size) \
    " -object memory-backend-file,id=mem" #n ",mem-path=%s,share=on,size=" size
#define RAMMEM(n, size) \
    " -object memory-backend-ram,id=mem" #n ",size=" size " "
#define TYPE2(n, bus) \
    " -device cxl-type2,id=acc" #n ",memdev=mem" #n ",bus=" bus

/* Ids of component register capabilities */
#define CAP_RAS         2
#define CAP_LINK        4
#define CAP_HDM         5

/* CXL r4.0 Link Layer Ack Timer Control, in the Link Capability */
#define LINK_ACK_TIMER  0x28

/* CXL r4.0 HDM Decoder Capability Structure, byte offsets */
#define HDM_GLOBAL      0x04
#define HDM_BASE(n)     (0x10 + 0x20 * (n))
#define HDM_SIZE(n)     (0x18 + 0x20 * (n))
#define HDM_CTRL(n)     (0x20 + 0x20 * (n))
#define HDM_TARGETS(n)  (0x24 + 0x20 * (n))
#define CTRL_LOCK       (1u << 8)
#define CTRL_COMMIT     (1u << 9)
#define CTRL_COMMITTED  (1u << 10)
#define CTRL_ERR        (1u << 11)
#define CTRL_LOCKED     (CTRL_LOCK | CTRL_COMMIT | CTRL_COMMITTED)

/* CXL r4.0 PCIe DVSEC for CXL Devices, byte offsets */
#define DVSEC_CAP       0x0a
#define DVSEC_CTRL      0x0c
#define DVSEC_CTRL2     0x10
#define DVSEC_STATUS2   0x12
#define DVSEC_LOCK      0x14
#define DVSEC_SIZE_HI   0x18
#define DVSEC_SIZE_LO   0x1c
#define DVSEC_BASE_HI   0x20
#define CTRL2_NO_CACHE  (1u << 0)
#define CTRL2_CACHE_WBI (1u << 1)
#define CTRL2_RESET     (1u << 2)
#define CTRL2_MEM_CLR   (1u << 3)
#define STATUS2_INVALID     (1u << 0)
#define STATUS2_COMPLETE    (1u << 1)
#define STATUS2_ERROR       (1u << 2)
#define INFO_VALID      (1u << 0)
#define MEM_ACTIVE      (1u << 1)

#define DVSEC_CXL_DEVICE        0
#define DVSEC_GPF_DEVICE        5
#define DVSEC_FLEX_BUS          7
#define DVSEC_REG_LOCATOR       8

typedef struct {
    QOSState *qs;
    QTestState *qts;
    uint64_t hb;            /* host bridge: component registers */
    uint64_t window;        /* first fixed memory window */
    unsigned windows;       /* how many ACPI tells of */
    char *path;             /* of the file behind mem0 */
} CXLTest;

/* Where holes cannot be punched, all of the memory is written to clear it. */
bool can_punch_holes(void);

/* ---- configuration space ---- */

/* Puts configuration space at ECAM; what start() and reset() end with */
void enable_ecam(CXLTest *t);
/* Where register @reg of function 0 is in memory */
uint64_t cfg(uint8_t bus, uint8_t slot, uint16_t reg);
uint16_t find_dvsec(CXLTest *t, uint8_t bus, uint16_t id);
uint16_t find_cap(CXLTest *t, uint8_t bus, uint8_t slot, uint8_t id);
/* The first of that kind, or 0 */
uint16_t find_ext_cap(CXLTest *t, uint8_t bus, uint16_t id);
void setup_bridge(CXLTest *t, uint8_t bus, uint8_t slot, uint8_t sec,
                  uint8_t sub, uint32_t base, uint32_t size);
void setup_bar(CXLTest *t, uint8_t bus, uint32_t base);
/* Root port @n leads to bus 13 + @n, and 16 MiB of MMIO; returns BAR 0 */
uint64_t setup_endpoint(CXLTest *t, unsigned n);
/* Secondary bus reset of what is below root port @n */
void bus_reset(CXLTest *t, unsigned n);
void flr(CXLTest *t, uint8_t bus);

/* ---- component registers ---- */

/* @block: 64 KiB of component registers; returns 0 without such a capability */
uint64_t find_component(CXLTest *t, uint64_t block, uint16_t id);
uint64_t find_hdm(CXLTest *t, uint64_t block);
void assert_decoder(CXLTest *t, uint64_t hdm, unsigned n, uint64_t base,
                    uint64_t size, uint32_t ctrl);
/* Returns the control register */
uint32_t commit(CXLTest *t, uint64_t hdm, unsigned n, uint64_t base,
                uint64_t size);
/* Firmware committed all of mem0, 256 MiB, and it is there */
void assert_committed(CXLTest *t);

/* ---- memory ---- */

/* Whether memory is behind @addr; what it holds changes */
bool is_memory(CXLTest *t, uint64_t addr);
/* That @addr is @offset of the file @fd, both ways */
void assert_in_fd(CXLTest *t, int fd, uint64_t offset, uint64_t addr);
/* That @addr is @offset of the file behind mem0 */
void assert_in_file(CXLTest *t, uint64_t offset, uint64_t addr);

/* ---- start and stop ---- */

/* @args may have one %s, for the path of a file */
void start(CXLTest *t, const char *args) G_GNUC_PRINTF(2, 0);
void stop(CXLTest *t);
/* System reset */
void reset(CXLTest *t);

/* ---- resets, of acc0 at root port 0 with 256 MiB ---- */

/* Where register @reg of the CXL Device DVSEC is in memory */
uint64_t dvsec(CXLTest *t, uint16_t reg);
void set_ctrl2(CXLTest *t, uint16_t value);
void assert_ctrl2(CXLTest *t, uint16_t ctrl2, uint16_t status2);
/* @ready: INFO_VALID and MEM_ACTIVE, which say whether the memory is there */
void assert_ready(CXLTest *t, uint32_t ready);
/* @fmt: 'property' and 'value' */
void qom_set(CXLTest *t, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* That the decoder is lost and CXL.mem off; returns the capability */
uint64_t assert_lost(CXLTest *t);
/* Commit decoder 0 again, as whoever saved it does */
void restore(CXLTest *t, uint64_t hdm);

#endif /* TESTS_CXL_TYPE2_UTIL_H */

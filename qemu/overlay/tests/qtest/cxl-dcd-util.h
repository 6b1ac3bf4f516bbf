/*
 * What the tests of dynamic capacity share
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef CXL_DCD_UTIL_H
#define CXL_DCD_UTIL_H

#include "libqtest.h"
#include "cxl-type2-util.h"

#define BLOCK       (2 * MiB)
#define PXB_HDM     PXB ",hdm_for_passthrough=on"
#define DCD(n, bus, props) \
    " -device cxl-type3,id=dcd" #n ",bus=" bus ",num-dc-regions=" props " "
#define ONE_REGION  "1,dc-regions-total-size=2G"
#define TWO_REGIONS "2,dc-regions-total-size=512M"

/* Command opcodes and return codes of CXL r3.1, Tables 8-37 and 8-34 */
#define GET_EVENTS      0x0100
#define CLEAR_EVENTS    0x0101
#define GET_PARTITION   0x4100
#define CLEAR_POISON    0x4302
#define SANITIZE_ALL    0x4400
#define MEDIA_OPERATION 0x4402
#define GET_DC_CONFIG   0x4800
#define GET_DC_LIST     0x4801
#define ADD_DC_RESPONSE 0x4802
#define RELEASE_DC      0x4803
#define TUNNEL          0x5300
#define FM_DC_ADD       0x5604
#define FM_DC_RELEASE   0x5605
#define SUCCESS         0x00
#define BG_STARTED      0x01
#define INVALID_INPUT   0x02
#define INTERNAL_ERROR  0x04
#define MEDIA_DISABLED  0x07
#define INVALID_PA      0x0f
#define INVALID_LENGTH  0x16
#define EXHAUSTED       0x1d
#define INVALID_LIST    0x1e
#define EVENT_ADD           0
#define EVENT_RELEASE       1
#define EVENT_FORCED        2

typedef struct {
    const char *id;
    uint64_t hdm;
    uint64_t mbox;
} Dcd;

typedef struct {
    uint64_t dpa;
    uint64_t len;
} Extent;

#define MORE 1
#define TAG "5be13bce-ae34-4a77-b6c3-16df975f%04x"

/* Blocks as bytes, in JSON */
#define B0 "0"
#define B1 "2097152"
#define B2 "4194304"
#define B4 "8388608"
#define B5 "10485760"
#define B8 "16777216"
#define EXTENT(offset, len) "{'offset': " offset ", 'len': " len "}"
#define LIST(...) "'extents': [" __VA_ARGS__ "]"
#define FORCED "'forced-removal': true, "
#define SANITIZE "'sanitize-on-release': true, "
#define ONE     MACHINE PXB_HDM RP(0) DCD(0, "rp0", TWO_REGIONS)

/* Where the files behind memory backends are */
extern char *dir;

/* ---- the device's registers ---- */

uint64_t find_mailbox(CXLTest *t, uint64_t bar);
uint64_t setup_device_bar(CXLTest *t, uint8_t bus, uint16_t bar,
                          uint32_t base);
Dcd setup_dcd(CXLTest *t, unsigned n);
uint16_t run_command(CXLTest *t, uint64_t mbox, uint16_t opcode,
                     const void *in, size_t len, void *out,
                     size_t out_size);
uint16_t send_part(CXLTest *t, const Dcd *d, uint16_t opcode,
                   const Extent *e, unsigned n, uint8_t flags);
uint16_t send_list(CXLTest *t, const Dcd *d, uint16_t opcode,
                   const Extent *e, unsigned n);
uint16_t send_chain(CXLTest *t, const Dcd *d, uint16_t opcode,
                    const Extent *e, unsigned n);
uint16_t accept_one(CXLTest *t, const Dcd *d, uint64_t dpa, uint64_t len);
uint16_t release_one(CXLTest *t, const Dcd *d, uint64_t dpa,
                     uint64_t len);
void assert_long_payload(CXLTest *t, const Dcd *d, uint16_t opcode);
uint16_t assert_event(CXLTest *t, const Dcd *d, uint8_t type,
                      uint8_t region, uint64_t dpa, uint64_t len,
                      bool more);
void assert_tagged_event(CXLTest *t, const Dcd *d, uint8_t type,
                         uint64_t dpa, uint64_t len, uint16_t tag,
                         bool more);
void clear_events(CXLTest *t, const Dcd *d);
void assert_no_event(CXLTest *t, const Dcd *d);
uint32_t list_size(CXLTest *t, const Dcd *d);
void commit_all(CXLTest *t, const Dcd *d, uint64_t size);

/* ---- QMP ---- */

G_GNUC_PRINTF(2, 3)
char *qmp(CXLTest *t, const char *fmt, ...);
void assert_ok(char *desc);
G_GNUC_NULL_TERMINATED
void assert_fails(char *desc, ...);
char *backend_add_sized(CXLTest *t, unsigned n, uint64_t size,
                        const char *props);
void backend_add(CXLTest *t, unsigned n, uint64_t size);
char *backend_del(CXLTest *t, unsigned n);
char *add_extents(CXLTest *t, const char *id, unsigned region,
                  unsigned tag, const char *extents);
char *add_extent(CXLTest *t, const char *id, unsigned region,
                 unsigned tag, uint64_t offset, uint64_t len);
char *release(CXLTest *t, const char *id, const char *policy,
              unsigned region, const char *how);
char *status(CXLTest *t, const char *id);
void assert_status(CXLTest *t, const char *id, const char *expected);
bool runs_kvm(CXLTest *t);
bool is_direct(CXLTest *t, uint64_t addr, uint64_t len,
               unsigned backend, uint64_t offset);

/* ---- memory ---- */

int open_file(unsigned n);
uint64_t read_file(unsigned n, uint64_t offset);
void wait_clear(unsigned n, uint64_t offset);
void assert_memory(CXLTest *t, unsigned n, uint64_t offset,
                   uint64_t addr);
void assert_whole(CXLTest *t, unsigned n, uint64_t addr, uint64_t len);
G_GNUC_PRINTF(2, 0)
void boot(CXLTest *t, const char *args);
void shut(CXLTest *t);
G_GNUC_PRINTF(2, 0)
Dcd boot_one(CXLTest *t, const char *args);
void give_at(CXLTest *t, const Dcd *d, unsigned n, uint64_t base,
             uint64_t offset, uint64_t len);
void give(CXLTest *t, const Dcd *d, unsigned n, uint64_t offset,
          uint64_t len);

#endif

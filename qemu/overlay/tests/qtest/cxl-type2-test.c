/*
 * QTest testcase for cxl-type2, and for QEMU in the role of CXL firmware
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/wait.h>
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "libqtest.h"
#include "libqos/fw_cfg.h"
#include "libqos/libqos-pc.h"
#include "hw/pci/pci_regs.h"
#include "qobject/qdict.h"

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
    ",chassis=0,slot=" #n " "
#define FILEMEM(n, size) \
    " -object memory-backend-file,id=mem" #n ",mem-path=%s,share=on,size=" size
#define RAMMEM(n, size) \
    " -object memory-backend-ram,id=mem" #n ",size=" size " "
#define TYPE2(n, bus) \
    " -device cxl-type2,id=acc" #n ",memdev=mem" #n ",bus=" bus

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

#define DVSEC_CXL_DEVICE        0
#define DVSEC_GPF_DEVICE        5
#define DVSEC_FLEX_BUS          7
#define DVSEC_REG_LOCATOR       8

typedef struct {
    QOSState *qs;
    QTestState *qts;
    uint64_t hb;            /* host bridge: component registers */
    uint64_t window;        /* first fixed memory window */
    char *path;             /* of the file behind mem0 */
} CXLTest;

/* ---- configuration space ---- */

static uint64_t cfg(uint8_t bus, uint8_t slot, uint16_t reg)
{
    return ECAM + (bus << 20) + (slot << 15) + reg;
}

static uint16_t find_dvsec(CXLTest *t, uint8_t bus, uint16_t id)
{
    uint16_t pos = PCI_CFG_SPACE_SIZE;

    while (pos) {
        uint32_t header = qtest_readl(t->qts, cfg(bus, 0, pos));

        if (PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_DVSEC &&
            qtest_readw(t->qts, cfg(bus, 0, pos + 4)) == 0x1e98 &&
            qtest_readw(t->qts, cfg(bus, 0, pos + 8)) == id) {
            return pos;
        }
        pos = PCI_EXT_CAP_NEXT(header);
    }
    g_assert_not_reached();
}

static uint16_t find_cap(CXLTest *t, uint8_t bus, uint8_t slot, uint8_t id)
{
    uint8_t pos = qtest_readb(t->qts, cfg(bus, slot, PCI_CAPABILITY_LIST));

    while (pos && qtest_readb(t->qts, cfg(bus, slot, pos)) != id) {
        pos = qtest_readb(t->qts, cfg(bus, slot, pos + PCI_CAP_LIST_NEXT));
    }
    g_assert_cmpint(pos, !=, 0);
    return pos;
}

static void setup_bridge(CXLTest *t, uint8_t bus, uint8_t slot, uint8_t sec,
                         uint8_t sub, uint32_t base, uint32_t size)
{
    qtest_writeb(t->qts, cfg(bus, slot, PCI_PRIMARY_BUS), bus);
    qtest_writeb(t->qts, cfg(bus, slot, PCI_SECONDARY_BUS), sec);
    qtest_writeb(t->qts, cfg(bus, slot, PCI_SUBORDINATE_BUS), sub);
    qtest_writew(t->qts, cfg(bus, slot, PCI_MEMORY_BASE), base >> 16);
    qtest_writew(t->qts, cfg(bus, slot, PCI_MEMORY_LIMIT),
                 (base + size - 1) >> 16);
    qtest_writew(t->qts, cfg(bus, slot, PCI_COMMAND),
                 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void setup_bar(CXLTest *t, uint8_t bus, uint32_t base)
{
    qtest_writel(t->qts, cfg(bus, 0, PCI_BASE_ADDRESS_0), base);
    qtest_writel(t->qts, cfg(bus, 0, PCI_BASE_ADDRESS_1), 0);
    qtest_writew(t->qts, cfg(bus, 0, PCI_COMMAND),
                 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* Root port @n leads to bus 13 + @n, and 16 MiB of MMIO */
static uint64_t setup_endpoint(CXLTest *t, unsigned n)
{
    uint32_t base = MMIO + n * 16 * MiB;

    setup_bridge(t, HB_BUS, n, HB_BUS + 1 + n, HB_BUS + 1 + n, base, 16 * MiB);
    setup_bar(t, HB_BUS + 1 + n, base);
    return base;
}

/* ---- component registers ---- */

/* @block: 64 KiB of component registers; returns the HDM decoder capability */
static uint64_t find_hdm(CXLTest *t, uint64_t block)
{
    uint64_t cm = block + 0x1000;
    uint32_t header = qtest_readl(t->qts, cm);

    g_assert_cmphex(header & 0xffff, ==, 1);
    for (unsigned i = 1; i <= header >> 24; i++) {
        uint32_t cap = qtest_readl(t->qts, cm + 4 * i);

        if ((cap & 0xffff) == 5) {
            return cm + (cap >> 20);
        }
    }
    return 0;
}

static void assert_decoder(CXLTest *t, uint64_t hdm, unsigned n, uint64_t base,
                           uint64_t size, uint32_t ctrl)
{
    g_assert_cmphex(qtest_readl(t->qts, hdm + HDM_CTRL(n)), ==, ctrl);
    g_assert_cmphex(qtest_readq(t->qts, hdm + HDM_BASE(n)), ==, base);
    g_assert_cmphex(qtest_readq(t->qts, hdm + HDM_SIZE(n)), ==, size);
    if (ctrl & CTRL_COMMITTED) {
        g_assert_cmphex(qtest_readl(t->qts, hdm + HDM_GLOBAL) & 2, ==, 2);
    }
}

static uint32_t commit(CXLTest *t, uint64_t hdm, unsigned n, uint64_t base,
                       uint64_t size)
{
    qtest_writel(t->qts, hdm + HDM_CTRL(n), 0);
    qtest_writeq(t->qts, hdm + HDM_BASE(n), base);
    qtest_writeq(t->qts, hdm + HDM_SIZE(n), size);
    qtest_writel(t->qts, hdm + HDM_GLOBAL, 2);
    qtest_writel(t->qts, hdm + HDM_CTRL(n), CTRL_COMMIT);
    return qtest_readl(t->qts, hdm + HDM_CTRL(n));
}

/* ---- memory ---- */

/* Whether memory is behind @addr; what it holds changes */
static bool is_memory(CXLTest *t, uint64_t addr)
{
    static uint64_t token = 0x5a5a0000;

    qtest_writeq(t->qts, addr, ++token);
    return qtest_readq(t->qts, addr) == token;
}

static void assert_in_file(CXLTest *t, uint64_t offset, uint64_t addr)
{
    static uint64_t token = 0x1234567800000000;
    uint64_t seen = 0;
    int fd = open(t->path, O_RDWR);

    g_assert_cmpint(fd, >=, 0);
    qtest_memwrite(t->qts, addr, &(uint64_t){ ++token }, sizeof(token));
    g_assert_cmpint(pread(fd, &seen, sizeof(seen), offset), ==, sizeof(seen));
    g_assert_cmphex(seen, ==, token);

    seen = ++token;
    g_assert_cmpint(pwrite(fd, &seen, sizeof(seen), offset), ==, sizeof(seen));
    qtest_memread(t->qts, addr, &seen, sizeof(seen));
    g_assert_cmphex(seen, ==, token);
    close(fd);
}

/* ---- start and stop ---- */

/* Where the machine put things is in ACPI's CXL Early Discovery Table */
static void read_cedt(CXLTest *t)
{
    QFWCFG *fw_cfg = pc_fw_cfg_init(t->qts);
    g_autofree uint8_t *tables = g_malloc0(512 * KiB);
    size_t size = qfw_cfg_read_file(fw_cfg, t->qs, "etc/acpi/tables", tables,
                                    512 * KiB);
    uint8_t *cedt = memmem(tables, size, "CEDT", 4);
    uint8_t *p, *end;

    g_assert_nonnull(cedt);
    end = cedt + ldl_le_p(cedt + 4);
    for (p = cedt + 36; p < end; p += lduw_le_p(p + 2)) {
        if (p[0] == 0) {
            t->hb = ldq_le_p(p + 16);
        } else if (p[0] == 1 && !t->window) {
            t->window = ldq_le_p(p + 8);
        }
    }
    g_assert(t->hb && t->window);
    pc_fw_cfg_uninit(fw_cfg);
}

static void enable_ecam(CXLTest *t)
{
    /* PCIEXBAR of the q35 host bridge */
    qtest_outl(t->qts, 0xcf8, 0x80000064);
    qtest_outl(t->qts, 0xcfc, 0);
    qtest_outl(t->qts, 0xcf8, 0x80000060);
    qtest_outl(t->qts, 0xcfc, ECAM | 1);
}

/* @args may have one %s, for the path of a file */
G_GNUC_PRINTF(2, 0)
static void start(CXLTest *t, const char *args)
{
    g_autofree char *cmdline = NULL;
    int fd = g_file_open_tmp("cxl-type2-XXXXXX", &t->path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    cmdline = g_strdup_printf(args, t->path);
    t->qs = qtest_pc_boot("%s", cmdline);
    t->qts = t->qs->qts;
    read_cedt(t);
    enable_ecam(t);
}

static void stop(CXLTest *t)
{
    qtest_shutdown(t->qs);
    unlink(t->path);
    g_free(t->path);
}

static void reset(CXLTest *t)
{
    qtest_system_reset(t->qts);
    enable_ecam(t);
}

/* ---- tests ---- */

static void test_config(void)
{
    CXLTest t = {};
    uint64_t bar;
    uint16_t pos;

    start(&t, MACHINE PXB RP(0) FILEMEM(0, "512M")
          TYPE2(0, "rp0") ",sn=0x1122334455667788,component-offset=128K");
    bar = setup_endpoint(&t, 0);

    g_assert_cmphex(qtest_readl(t.qts, cfg(13, 0, 0)), ==, 0x0c121b36);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, PCI_CLASS_DEVICE)), ==,
                    0x1200);
    pos = find_cap(&t, 13, 0, PCI_CAP_ID_EXP);
    g_assert(qtest_readl(t.qts, cfg(13, 0, pos + PCI_EXP_DEVCAP)) &
             PCI_EXP_DEVCAP_FLR);
    find_cap(&t, 13, 0, PCI_CAP_ID_MSIX);

    /* Cache, IO and Mem capable, HwInit, one range; no CXL Reset */
    pos = find_dvsec(&t, 13, DVSEC_CXL_DEVICE);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, pos + 0xa)), ==, 0x001f);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, pos + 0xc)), ==, 0x0006);
    g_assert_cmphex(qtest_readl(t.qts, cfg(13, 0, pos + 0x18)), ==, 0);
    g_assert_cmphex(qtest_readl(t.qts, cfg(13, 0, pos + 0x1c)), ==,
                    0x20000003);
    find_dvsec(&t, 13, DVSEC_GPF_DEVICE);
    pos = find_dvsec(&t, 13, DVSEC_FLEX_BUS);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, pos + 0xa)) & 7, ==, 7);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, pos + 0xe)) & 6, ==, 6);
    pos = find_dvsec(&t, 13, DVSEC_REG_LOCATOR);
    g_assert_cmphex(qtest_readl(t.qts, cfg(13, 0, pos + 0xc)), ==, 0x20100);

    /* the block is where the locator says, scratch is all around it */
    g_assert_cmphex(find_hdm(&t, bar + 128 * KiB), !=, 0);
    g_assert(is_memory(&t, bar));
    g_assert(is_memory(&t, bar + 128 * KiB - 8));
    g_assert(!is_memory(&t, bar + 128 * KiB + 0x1000));
    g_assert(is_memory(&t, bar + 192 * KiB));
    g_assert(is_memory(&t, bar + BAR_SIZE - 8));

    /* 8 bytes are two registers */
    g_assert_cmphex(qtest_readq(t.qts, bar + 128 * KiB + 0x1000), ==,
                    qtest_readl(t.qts, bar + 128 * KiB + 0x1000) |
                    (uint64_t)qtest_readl(t.qts, bar + 128 * KiB + 0x1004)
                    << 32);
    stop(&t);
}

static void assert_committed(CXLTest *t)
{
    uint64_t ep = find_hdm(t, setup_endpoint(t, 0));
    uint64_t hb = find_hdm(t, t->hb);

    assert_decoder(t, ep, 0, t->window, CHUNK, CTRL_LOCKED);
    assert_decoder(t, hb, 0, t->window, CHUNK, CTRL_LOCKED);
    g_assert_cmphex(qtest_readl(t->qts, hb + HDM_TARGETS(0)), ==, 0);
    assert_in_file(t, 0, t->window);
    assert_in_file(t, CHUNK - 8, t->window + CHUNK - 8);
    g_assert(!is_memory(t, t->window + CHUNK));
}

static void test_firmware(void)
{
    CXLTest t = {};

    start(&t, MACHINE PXB RP(0) FILEMEM(0, "256M") TYPE2(0, "rp0"));
    assert_committed(&t);

    /* a system reset takes nothing but what the guest did */
    qtest_writeq(t.qts, t.window + 0x1000, 0xfeedface);
    reset(&t);
    g_assert_cmphex(qtest_readq(t.qts, t.window + 0x1000), ==, 0xfeedface);
    assert_committed(&t);
    reset(&t);
    assert_committed(&t);
    stop(&t);
}

static void test_lock(void)
{
    CXLTest t = {};
    uint64_t hdm[2];

    start(&t, MACHINE PXB RP(0) FILEMEM(0, "256M") TYPE2(0, "rp0"));
    hdm[0] = find_hdm(&t, setup_endpoint(&t, 0));
    hdm[1] = find_hdm(&t, t.hb);

    for (unsigned i = 0; i < ARRAY_SIZE(hdm); i++) {
        qtest_writel(t.qts, hdm[i] + HDM_CTRL(0), 0);
        qtest_writel(t.qts, hdm[i] + HDM_BASE(0), 0);
        qtest_writeq(t.qts, hdm[i] + HDM_BASE(0), t.window + CHUNK);
        qtest_writeq(t.qts, hdm[i] + HDM_SIZE(0), 2 * CHUNK);
        qtest_writeq(t.qts, hdm[i] + HDM_TARGETS(0), 0x0101010101010101);
        assert_decoder(&t, hdm[i], 0, t.window, CHUNK, CTRL_LOCKED);
        g_assert_cmphex(qtest_readq(t.qts, hdm[i] + HDM_TARGETS(0)), ==, 0);
    }
    assert_committed(&t);

    /* the next decoder of the host bridge is not locked */
    g_assert_cmphex(commit(&t, hdm[1], 1, t.window + CHUNK, CHUNK), ==,
                    CTRL_COMMIT | CTRL_COMMITTED);
    stop(&t);
}

static void test_flr(void)
{
    CXLTest t = {};
    uint16_t pos;
    uint64_t bar;

    start(&t, MACHINE PXB RP(0) FILEMEM(0, "256M") TYPE2(0, "rp0")
          ",component-offset=64K");
    bar = setup_endpoint(&t, 0);
    qtest_writeq(t.qts, bar, 0x1234);
    qtest_writeq(t.qts, t.window, 0x5678);

    pos = find_cap(&t, 13, 0, PCI_CAP_ID_EXP);
    qtest_writew(t.qts, cfg(13, 0, pos + PCI_EXP_DEVCTL),
                 PCI_EXP_DEVCTL_BCR_FLR);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, PCI_COMMAND)), ==, 0);
    g_assert_cmphex(qtest_readq(t.qts, t.window), ==, 0x5678);
    pos = find_dvsec(&t, 13, DVSEC_CXL_DEVICE);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, pos + 0xc)), ==, 0x0006);

    bar = setup_endpoint(&t, 0);
    g_assert_cmphex(qtest_readq(t.qts, bar), ==, 0);
    assert_decoder(&t, find_hdm(&t, bar + 64 * KiB), 0, t.window, CHUNK,
                   CTRL_LOCKED);
    stop(&t);
}

static void test_bus_reset(void)
{
    CXLTest t = {};
    uint64_t hdm;
    uint16_t pos;

    start(&t, MACHINE PXB RP(0) FILEMEM(0, "256M") TYPE2(0, "rp0"));
    setup_endpoint(&t, 0);
    qtest_writeq(t.qts, t.window, 0x5678);
    pos = find_dvsec(&t, 13, DVSEC_CXL_DEVICE);

    qtest_writew(t.qts, cfg(HB_BUS, 0, PCI_BRIDGE_CONTROL),
                 PCI_BRIDGE_CTL_BUS_RESET);
    qtest_writew(t.qts, cfg(HB_BUS, 0, PCI_BRIDGE_CONTROL), 0);
    hdm = find_hdm(&t, setup_endpoint(&t, 0));
    assert_decoder(&t, hdm, 0, 0, 0, 0);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, pos + 0xc)), ==, 0x0002);
    g_assert(!is_memory(&t, t.window));
    /* the host bridge was not reset */
    assert_decoder(&t, find_hdm(&t, t.hb), 0, t.window, CHUNK, CTRL_LOCKED);

    /* whoever saved the decoder can restore it */
    g_assert_cmphex(commit(&t, hdm, 0, t.window, CHUNK), ==,
                    CTRL_COMMIT | CTRL_COMMITTED);
    g_assert_cmphex(qtest_readq(t.qts, t.window), ==, 0x5678);
    assert_in_file(&t, 0, t.window);

    reset(&t);
    assert_committed(&t);
    stop(&t);
}

static void test_guest_commit(void)
{
    CXLTest t = {};
    const uint32_t ok = CTRL_COMMIT | CTRL_COMMITTED;
    const uint32_t refused = CTRL_COMMIT | CTRL_ERR;
    uint64_t ep, hb;

    start(&t, MACHINE PXB ",hdm_for_passthrough=on" RP(0) FILEMEM(0, "512M")
          TYPE2(0, "rp0") ",firmware-committed=off,hdm-decoders=2");
    ep = find_hdm(&t, setup_endpoint(&t, 0));
    hb = find_hdm(&t, t.hb);
    assert_decoder(&t, ep, 0, 0, 0, 0);
    assert_decoder(&t, hb, 0, 0, 0, 0);
    g_assert(!is_memory(&t, t.window));

    /* what the device refuses */
    g_assert_cmphex(commit(&t, ep, 0, t.window, 0), ==, refused);
    g_assert_cmphex(commit(&t, ep, 0, t.window, 3 * CHUNK), ==, refused);
    g_assert_cmphex(commit(&t, ep, 0, -CHUNK, CHUNK), ==, refused);
    g_assert_cmphex(commit(&t, ep, 1, t.window, CHUNK), ==, refused);
    qtest_writel(t.qts, ep + HDM_CTRL(0), 0);
    assert_decoder(&t, ep, 0, -CHUNK, CHUNK, 0);
    /* there are but two */
    g_assert_cmphex(commit(&t, ep, 2, t.window, CHUNK), ==, 0);

    /* memory is there once all of the path is */
    g_assert_cmphex(commit(&t, ep, 0, t.window + CHUNK, CHUNK), ==, ok);
    g_assert(!is_memory(&t, t.window + CHUNK));
    g_assert_cmphex(commit(&t, hb, 0, t.window + CHUNK, 2 * CHUNK), ==, ok);
    assert_in_file(&t, 0, t.window + CHUNK);
    g_assert(!is_memory(&t, t.window));
    g_assert(!is_memory(&t, t.window + 2 * CHUNK));

    /* the second decoder goes on where the first one ends */
    g_assert_cmphex(commit(&t, ep, 1, t.window, CHUNK), ==, refused);
    g_assert_cmphex(commit(&t, ep, 1, t.window + 2 * CHUNK, CHUNK), ==, ok);
    assert_in_file(&t, CHUNK, t.window + 2 * CHUNK);

    /* a committed decoder does not move */
    qtest_writeq(t.qts, ep + HDM_BASE(0), t.window);
    assert_decoder(&t, ep, 0, t.window + CHUNK, CHUNK, ok);

    /* and goes when any part of the path goes */
    qtest_writel(t.qts, ep + HDM_CTRL(1), 0);
    g_assert(!is_memory(&t, t.window + 2 * CHUNK));
    assert_in_file(&t, 0, t.window + CHUNK);
    qtest_writel(t.qts, hb + HDM_CTRL(0), 0);
    g_assert(!is_memory(&t, t.window + CHUNK));
    qtest_writel(t.qts, hb + HDM_CTRL(0), CTRL_COMMIT);
    assert_in_file(&t, 0, t.window + CHUNK);

    reset(&t);
    ep = find_hdm(&t, setup_endpoint(&t, 0));
    assert_decoder(&t, ep, 0, 0, 0, 0);
    g_assert(!is_memory(&t, t.window + CHUNK));
    stop(&t);

    /* a host bridge with one root port needs no decoders for this */
    start(&t, MACHINE PXB RP(0) FILEMEM(0, "256M")
          TYPE2(0, "rp0") ",firmware-committed=off");
    g_assert_cmphex(find_hdm(&t, t.hb), ==, 0);
    ep = find_hdm(&t, setup_endpoint(&t, 0));
    g_assert_cmphex(commit(&t, ep, 0, t.window, CHUNK), ==, ok);
    assert_in_file(&t, 0, t.window);
    stop(&t);
}

/* First fit in device order beside what was asked for; decoders by address */
static void test_placement(void)
{
    CXLTest t = {};
    uint64_t hb;

    start(&t, MACHINE PXB RP(0) RP(1) RP(2) FILEMEM(0, "256M")
          RAMMEM(1, "256M") RAMMEM(2, "512M")
          TYPE2(2, "rp2") TYPE2(0, "rp0") TYPE2(1, "rp1"));
    assert_decoder(&t, find_hdm(&t, setup_endpoint(&t, 2)), 0, t.window,
                   2 * CHUNK, CTRL_LOCKED);
    assert_decoder(&t, find_hdm(&t, setup_endpoint(&t, 0)), 0,
                   t.window + 2 * CHUNK, CHUNK, CTRL_LOCKED);
    assert_decoder(&t, find_hdm(&t, setup_endpoint(&t, 1)), 0,
                   t.window + 3 * CHUNK, CHUNK, CTRL_LOCKED);
    hb = find_hdm(&t, t.hb);
    assert_decoder(&t, hb, 0, t.window, 2 * CHUNK, CTRL_LOCKED);
    g_assert_cmphex(qtest_readl(t.qts, hb + HDM_TARGETS(0)), ==, 2);
    assert_decoder(&t, hb, 1, t.window + 2 * CHUNK, CHUNK, CTRL_LOCKED);
    g_assert_cmphex(qtest_readl(t.qts, hb + HDM_TARGETS(1)), ==, 0);
    assert_decoder(&t, hb, 2, t.window + 3 * CHUNK, CHUNK, CTRL_LOCKED);
    g_assert_cmphex(qtest_readl(t.qts, hb + HDM_TARGETS(2)), ==, 1);
    assert_in_file(&t, 0, t.window + 2 * CHUNK);
    stop(&t);
}

static void test_wanted(void)
{
    CXLTest t = {};
    g_autofree char *args = NULL;
    uint64_t window;
    uint64_t hb;

    start(&t, MACHINE PXB);
    window = t.window;
    stop(&t);

    args = g_strdup_printf(MACHINE PXB RP(0) RP(1) " -object "
                           "memory-backend-file,id=mem0,mem-path=%%s,share=on,"
                           "size=256M" RAMMEM(1, "512M") TYPE2(0, "rp0")
                           ",cxl-fmws-base=0x%" PRIx64 TYPE2(1, "rp1"),
                           window + 3 * CHUNK);
    t = (CXLTest) {};
    start(&t, args);
    hb = find_hdm(&t, t.hb);
    assert_decoder(&t, hb, 0, t.window, 2 * CHUNK, CTRL_LOCKED);
    assert_decoder(&t, hb, 1, t.window + 3 * CHUNK, CHUNK, CTRL_LOCKED);
    assert_in_file(&t, 0, t.window + 3 * CHUNK);
    stop(&t);
}

static void test_switch(void)
{
    CXLTest t = {};
    uint64_t usp;

    start(&t, MACHINE PXB RP(0)
          " -device cxl-upstream,id=us0,bus=rp0"
          " -device cxl-downstream,id=ds0,bus=us0,port=3,chassis=1,slot=0"
          " -device cxl-downstream,id=ds1,bus=us0,port=5,chassis=1,slot=1"
          FILEMEM(0, "256M") RAMMEM(1, "256M")
          TYPE2(0, "ds0") TYPE2(1, "ds1"));
    setup_bridge(&t, 12, 0, 13, 16, MMIO, 16 * MiB);
    setup_bridge(&t, 13, 0, 14, 16, MMIO, 8 * MiB);
    setup_bar(&t, 13, MMIO + 8 * MiB);
    setup_bridge(&t, 14, 0, 15, 15, MMIO, 1 * MiB);
    setup_bridge(&t, 14, 1, 16, 16, MMIO + 1 * MiB, 1 * MiB);
    setup_bar(&t, 15, MMIO);
    setup_bar(&t, 16, MMIO + 1 * MiB);

    usp = find_hdm(&t, MMIO + 8 * MiB);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t hdm[] = {
            find_hdm(&t, t.hb), usp, find_hdm(&t, MMIO + i * MiB)
        };

        assert_decoder(&t, hdm[0], i, t.window + i * CHUNK, CHUNK,
                       CTRL_LOCKED);
        assert_decoder(&t, hdm[1], i, t.window + i * CHUNK, CHUNK,
                       CTRL_LOCKED);
        assert_decoder(&t, hdm[2], 0, t.window + i * CHUNK, CHUNK,
                       CTRL_LOCKED);
        g_assert_cmphex(qtest_readl(t.qts, hdm[0] + HDM_TARGETS(i)), ==, 0);
        g_assert_cmphex(qtest_readl(t.qts, hdm[1] + HDM_TARGETS(i)), ==,
                        3 + 2 * i);
    }
    assert_in_file(&t, 0, t.window);
    g_assert(is_memory(&t, t.window + CHUNK));
    stop(&t);
}

/* Firmware does what it should not, so that drivers can be seen to refuse */
static void test_odd_firmware(void)
{
    CXLTest t = {};
    uint64_t ep;

    start(&t, MACHINE PXB RP(0) FILEMEM(0, "512M") TYPE2(0, "rp0")
          ",hdm-decoders=4,x-commit-decoders=2,x-interleave=on");
    ep = find_hdm(&t, setup_endpoint(&t, 0));
    assert_decoder(&t, ep, 0, t.window, CHUNK, CTRL_LOCKED | 1 << 4);
    assert_decoder(&t, ep, 1, t.window + CHUNK, CHUNK, CTRL_LOCKED);
    assert_decoder(&t, ep, 2, 0, 0, 0);
    assert_decoder(&t, find_hdm(&t, t.hb), 0, t.window, 2 * CHUNK, CTRL_LOCKED);
    stop(&t);
}

G_GNUC_PRINTF(2, 0)
static void assert_add_fails(CXLTest *t, const char *args, uint64_t base,
                             const char *message)
{
    g_autofree char *cmd = g_strdup_printf("{'execute': 'device_add',"
                                           " 'arguments': %s}", args);
    QDict *rsp = qtest_qmp(t->qts, cmd, base);
    QDict *error = qdict_get_qdict(rsp, "error");

    g_assert_nonnull(error);
    g_test_message("%s", qdict_get_str(error, "desc"));
    g_assert_nonnull(strstr(qdict_get_str(error, "desc"), message));
    qobject_unref(rsp);
}

static void test_hotplug(void)
{
    CXLTest t = {};
    uint64_t hb;
    uint16_t pos;

    start(&t, MACHINE PXB ",hdm_for_passthrough=on" RP(0) RP(1)
          FILEMEM(0, "256M") RAMMEM(1, "256M"));
    hb = find_hdm(&t, t.hb);
    assert_decoder(&t, hb, 0, 0, 0, 0);

    /* an endpoint that firmware commits at once */
    qtest_qmp_device_add(t.qts, "cxl-type2", "acc0",
                         "{'bus': 'rp0', 'memdev': 'mem0'}");
    assert_decoder(&t, hb, 0, t.window, CHUNK, CTRL_LOCKED);
    assert_in_file(&t, 0, t.window);

    /* which powering up the slot does not spoil */
    pos = find_cap(&t, 12, 0, PCI_CAP_ID_EXP) + PCI_EXP_SLTCTL;
    qtest_writew(t.qts, cfg(12, 0, pos), PCI_EXP_SLTCTL_PWR_IND_ON);
    assert_committed(&t);

    /* the next one has to go above it */
    qtest_qmp_device_add(t.qts, "cxl-type2", "acc1",
                         "{'bus': 'rp1', 'memdev': 'mem1'}");
    assert_decoder(&t, hb, 1, t.window + CHUNK, CHUNK, CTRL_LOCKED);
    g_assert(is_memory(&t, t.window + CHUNK));
    qtest_qmp_device_del(t.qts, "acc1");
    assert_decoder(&t, hb, 1, 0, 0, 0);
    g_assert(!is_memory(&t, t.window + CHUNK));

    assert_add_fails(&t, "{'driver': 'cxl-type2', 'id': 'acc1', 'bus': 'rp1',"
                     " 'memdev': 'mem1', 'cxl-fmws-base': %" PRIu64 "}",
                     t.window, "below committed decoders");
    qtest_qmp_device_add(t.qts, "cxl-type2", "acc1",
                         "{'bus': 'rp1', 'memdev': 'mem1'}");

    reset(&t);
    assert_decoder(&t, hb, 0, t.window, CHUNK, CTRL_LOCKED);
    assert_decoder(&t, hb, 1, t.window + CHUNK, CHUNK, CTRL_LOCKED);
    assert_in_file(&t, 0, t.window);
    g_assert(is_memory(&t, t.window + CHUNK));
    stop(&t);

    /* a host bridge that started without decoders cannot lead anywhere */
    t = (CXLTest) {};
    start(&t, MACHINE PXB RP(0) FILEMEM(0, "256M"));
    assert_add_fails(&t, "{'driver': 'cxl-type2', 'id': 'acc0', 'bus': 'rp0',"
                     " 'memdev': 'mem0', 'cxl-fmws-base': %" PRIu64 "}",
                     t.window, "started without HDM decoders");
    stop(&t);
}

/* Neither realize nor completion of the machine may let these pass */
static const struct {
    const char *name;
    const char *args;
    const char *message;
} bad[] = {
    { "no-window",
      "-nodefaults -m 128 -machine q35,cxl=on " PXB RP(0) RAMMEM(0, "256M")
      TYPE2(0, "rp0"),
      "no CXL fixed memory window targets host bridge 'cxl.0' alone; "
      "add cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=256M" },
    { "interleaved-window",
      "-nodefaults -m 128 -machine q35,cxl=on,cxl-fmw.0.targets.0=cxl.0,"
      "cxl-fmw.0.targets.1=cxl.1,cxl-fmw.0.size=1G " PXB
      " -device pxb-cxl,id=cxl.1,bus=pcie.0,bus_nr=52" RP(0) RAMMEM(0, "256M")
      TYPE2(0, "rp0"),
      "add cxl-fmw.1.targets.0=cxl.0,cxl-fmw.1.size=256M" },
    { "no-room",
      MACHINE PXB RP(0) RP(1) RAMMEM(0, "768M") RAMMEM(1, "512M")
      TYPE2(0, "rp0") TYPE2(1, "rp1"),
      "cxl-type2 'acc1': no 512 MiB free in the windows of host bridge "
      "'cxl.0': cxl-fmw.0 [" },
    { "no-room-but",
      MACHINE PXB RP(0) RP(1) RAMMEM(0, "768M") RAMMEM(1, "512M")
      TYPE2(0, "rp0") TYPE2(1, "rp1"),
      "cxl-fmw.0.size=1280M would do" },
    { "wanted",
      MACHINE PXB RP(0) RAMMEM(0, "256M")
      TYPE2(0, "rp0") ",cxl-fmws-base=0x10000000",
      "no 256 MiB free at 0x10000000" },
    { "wanted-unaligned",
      MACHINE PXB RP(0) RAMMEM(0, "256M")
      TYPE2(0, "rp0") ",cxl-fmws-base=0x1000",
      "0x1000 is not a multiple of 256 MiB" },
    { "no-decoders",
      MACHINE PXB ",hdm_for_passthrough=off" RP(0) RAMMEM(0, "256M")
      TYPE2(0, "rp0"),
      "which has hdm_for_passthrough=off" },
    { "too-many",
      "-nodefaults -m 128 -machine q35,cxl=on,cxl-fmw.0.targets.0=cxl.0,"
      "cxl-fmw.0.size=4G " PXB RP(0) RP(1) RP(2) RP(3) RP(4)
      RAMMEM(0, "256M") RAMMEM(1, "256M") RAMMEM(2, "256M") RAMMEM(3, "256M")
      RAMMEM(4, "256M") TYPE2(0, "rp0") TYPE2(1, "rp1") TYPE2(2, "rp2")
      TYPE2(3, "rp3") TYPE2(4, "rp4"),
      "cxl-type2 'acc4': all 4 HDM decoders of pxb-cxl 'cxl.0' are taken" },
    { "not-cxl",
      MACHINE PXB RP(0) " -device pcie-root-port,id=p0,bus=pcie.0,chassis=9"
      RAMMEM(0, "256M") TYPE2(0, "p0"),
      "not below a CXL host bridge" },
    { "memdev",
      MACHINE PXB RP(0) " -device cxl-type2,bus=rp0", "memdev must be set" },
    { "memdev-size",
      MACHINE PXB RP(0) RAMMEM(0, "100M") TYPE2(0, "rp0"),
      "size of memdev, 0x6400000, is not a multiple of 256 MiB" },
    { "memdev-twice",
      MACHINE PXB RP(0) RP(1) RAMMEM(0, "256M") TYPE2(0, "rp0")
      " -device cxl-type2,memdev=mem0,bus=rp1", "memdev is used" },
    { "component-offset",
      MACHINE PXB RP(0) RAMMEM(0, "256M") TYPE2(0, "rp0")
      ",component-offset=256K", "component-offset" },
    { "component-bar-size",
      MACHINE PXB RP(0) RAMMEM(0, "256M") TYPE2(0, "rp0")
      ",component-bar-size=64K", "component-bar-size" },
    { "hdm-decoders",
      MACHINE PXB RP(0) RAMMEM(0, "256M") TYPE2(0, "rp0")
      ",hdm-decoders=3", "hdm-decoders" },
};

/* If QEMU does not exit, a signal ends it */
static void set_alarm(gpointer data)
{
    alarm(60);
}

static void test_bad(const void *data)
{
    unsigned i = GPOINTER_TO_UINT(data);
    g_autofree char *args = g_strdup_printf("%s -display none -accel qtest %s",
                                            qtest_qemu_binary(NULL),
                                            bad[i].args);
    g_autofree char *err = NULL;
    g_auto(GStrv) argv = g_strsplit_set(args, " ", -1);
    GPtrArray *words = g_ptr_array_new();
    int status;

    for (char **word = argv; *word; word++) {
        if (**word) {
            g_ptr_array_add(words, *word);
        }
    }
    g_ptr_array_add(words, NULL);
    g_assert(g_spawn_sync(NULL, (char **)words->pdata, NULL,
                          G_SPAWN_STDOUT_TO_DEV_NULL, set_alarm, NULL, NULL,
                          &err, &status, NULL));
    g_ptr_array_free(words, true);
    g_test_message("%s", err);
    g_assert(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    g_assert_nonnull(strstr(err, bad[i].message));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_device("cxl-type2")) {
        g_test_skip("no cxl-type2");
        return 0;
    }

    qtest_add_func("/cxl-type2/config", test_config);
    qtest_add_func("/cxl-type2/firmware", test_firmware);
    qtest_add_func("/cxl-type2/lock", test_lock);
    qtest_add_func("/cxl-type2/flr", test_flr);
    qtest_add_func("/cxl-type2/bus-reset", test_bus_reset);
    qtest_add_func("/cxl-type2/guest-commit", test_guest_commit);
    qtest_add_func("/cxl-type2/placement", test_placement);
    qtest_add_func("/cxl-type2/wanted", test_wanted);
    qtest_add_func("/cxl-type2/switch", test_switch);
    qtest_add_func("/cxl-type2/odd-firmware", test_odd_firmware);
    qtest_add_func("/cxl-type2/hotplug", test_hotplug);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autofree char *name = g_strdup_printf("/cxl-type2/bad/%s",
                                                bad[i].name);

        qtest_add_data_func(name, GUINT_TO_POINTER(i), test_bad);
    }

    return g_test_run();
}

/*
 * QTest testcase for cxl-type2
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "hw/pci/pci_regs.h"
#include "qemu/bswap.h"
#include "cxl-type2-util.h"

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

    /*
     * Cache, IO and Mem capable, HwInit, one range; cache write back, and CXL
     * Reset within 100 ms, with Mem Clr
     */
    pos = find_dvsec(&t, 13, DVSEC_CXL_DEVICE);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, pos + DVSEC_CAP)), ==,
                    0x09df);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, pos + DVSEC_CTRL)), ==,
                    0x0006);
    g_assert_cmphex(qtest_readl(t.qts, cfg(13, 0, pos + DVSEC_SIZE_HI)), ==, 0);
    g_assert_cmphex(qtest_readl(t.qts, cfg(13, 0, pos + DVSEC_SIZE_LO)), ==,
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

/* Reads entry @handle of CDAT to @entry, and returns the next one's handle */
static uint16_t read_cdat(CXLTest *t, uint64_t doe, uint16_t handle,
                          uint32_t *entry, unsigned *dwords)
{
    uint32_t rsp;

    qtest_writel(t->qts, doe + 0x10, 0x00021e98);
    qtest_writel(t->qts, doe + 0x10, 3);
    qtest_writel(t->qts, doe + 0x10, (uint32_t)handle << 16);
    qtest_writel(t->qts, doe + 0x08, 1u << 31);
    g_assert_cmphex(qtest_readl(t->qts, doe + 0x0c), ==, 1u << 31);
    for (unsigned i = 0; ; i++) {
        uint32_t val = qtest_readl(t->qts, doe + 0x14);

        qtest_writel(t->qts, doe + 0x14, 0);
        if (i == 0) {
            g_assert_cmphex(val, ==, 0x00021e98);
        } else if (i == 1) {
            *dwords = val - 3;
        } else if (i == 2) {
            rsp = val;
            g_assert_cmphex(rsp & 0xffff, ==, 0);
        } else {
            g_assert_cmpint(i - 3, <, 8);
            entry[i - 3] = val;
        }
        if (i >= 2 && i == *dwords + 2) {
            g_assert_cmphex(qtest_readl(t->qts, doe + 0x0c), ==, 0);
            return rsp >> 16;
        }
    }
}

static void test_cdat(void)
{
    CXLTest t = {};
    uint64_t doe;
    uint16_t handle = 0;
    uint32_t total = 0, length = 0;
    uint8_t sum = 0;
    unsigned types[8] = {};

    start(&t, MACHINE PXB RP(0) FILEMEM(0, "512M") TYPE2(0, "rp0"));
    setup_endpoint(&t, 0);
    doe = find_ext_cap(&t, 13, PCI_EXT_CAP_ID_DOE);
    g_assert_cmphex(doe, !=, 0);
    doe = cfg(13, 0, doe);
    g_assert_cmphex(qtest_readl(t.qts, doe + 4), ==, 0);

    do {
        uint32_t entry[8];
        unsigned dwords;
        uint16_t was = handle;

        handle = read_cdat(&t, doe, handle, entry, &dwords);
        total += dwords * 4;
        for (unsigned i = 0; i < dwords * 4; i++) {
            sum += ((uint8_t *)entry)[i];
        }
        if (!was) {
            length = le32_to_cpu(entry[0]);
            continue;
        }
        g_assert_cmpint(entry[0] >> 16, ==, dwords * 4);
        types[entry[0] & 7]++;
        if ((entry[0] & 0xff) == 0) {
            /* the one range: base and length */
            g_assert_cmphex(entry[2], ==, 0);
            g_assert_cmphex(entry[3], ==, 0);
            g_assert_cmphex(entry[4], ==, 2 * CHUNK);
            g_assert_cmphex(entry[5], ==, 0);
        }
    } while (handle != 0xffff);
    g_assert_cmpint(total, ==, length);
    g_assert_cmpint(sum, ==, 0);
    g_assert_cmpint(types[0], ==, 1);
    g_assert_cmpint(types[1], ==, 4);
    g_assert_cmpint(types[4], ==, 1);

    /* a request that is begun does not survive a reset */
    qtest_writel(t.qts, doe + 0x10, 0x00021e98);
    flr(&t, 13);
    read_cdat(&t, doe, 1, (uint32_t[8]) {}, &(unsigned) { 0 });
    stop(&t);
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

    flr(&t, 13);
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

    bus_reset(&t, 0);
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

    /* nor is it uncommitted before the next one */
    qtest_writel(t.qts, ep + HDM_CTRL(0), 0);
    assert_decoder(&t, ep, 0, t.window + CHUNK, CHUNK, ok);
    assert_in_file(&t, 0, t.window + CHUNK);
    assert_in_file(&t, CHUNK, t.window + 2 * CHUNK);

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

/* A register that is writable, and neither of a decoder nor of RAS */
static void test_link(void)
{
    CXLTest t = {};
    uint64_t link, ack;

    start(&t, MACHINE PXB RP(0) FILEMEM(0, "256M") TYPE2(0, "rp0"));
    link = find_component(&t, setup_endpoint(&t, 0), CAP_LINK);
    ack = link + LINK_ACK_TIMER;
    g_assert_cmphex(qtest_readl(t.qts, ack), ==, 0x3c10);
    qtest_writel(t.qts, ack, UINT32_MAX);
    g_assert_cmphex(qtest_readl(t.qts, ack), ==, 0x7ffff);
    qtest_writel(t.qts, link, UINT32_MAX);
    g_assert_cmphex(qtest_readl(t.qts, link), ==, 0);

    /* it is reset with the decoders */
    flr(&t, 13);
    setup_endpoint(&t, 0);
    g_assert_cmphex(qtest_readl(t.qts, ack), ==, 0x7ffff);
    bus_reset(&t, 0);
    setup_endpoint(&t, 0);
    g_assert_cmphex(qtest_readl(t.qts, ack), ==, 0x3c10);
    stop(&t);
}

static void set_power(CXLTest *t, uint16_t state)
{
    uint64_t pmcsr = cfg(13, 0, find_cap(t, 13, 0, PCI_CAP_ID_PM) +
                         PCI_PM_CTRL);

    qtest_writew(t->qts, pmcsr, state);
    g_assert_cmphex(qtest_readw(t->qts, pmcsr), ==,
                    state | PCI_PM_CTRL_NO_SOFT_RESET);
}

/* What is in D3 neither answers nor forgets */
static void test_d3(void)
{
    CXLTest t = {};
    uint64_t bar, ep;

    start(&t, MACHINE PXB RP(0) FILEMEM(0, "256M") TYPE2(0, "rp0")
          ",component-offset=64K");
    bar = setup_endpoint(&t, 0);
    ep = find_hdm(&t, bar + 64 * KiB);

    /* mapped by firmware, and then by the guest */
    for (unsigned guest = 0; guest < 2; guest++) {
        qtest_writeq(t.qts, bar, 0x1234);
        qtest_writeq(t.qts, t.window + 0x1000, 0x5678);
        set_power(&t, 3);
        g_assert(!is_memory(&t, bar));
        g_assert(!is_memory(&t, t.window));
        set_power(&t, 0);
        g_assert_cmphex(qtest_readq(t.qts, bar), ==, 0x1234);
        g_assert_cmphex(qtest_readq(t.qts, t.window + 0x1000), ==, 0x5678);
        assert_decoder(&t, ep, 0, t.window, CHUNK,
                       guest ? CTRL_COMMIT | CTRL_COMMITTED : CTRL_LOCKED);
        assert_in_file(&t, 0, t.window);

        bus_reset(&t, 0);
        setup_endpoint(&t, 0);
        g_assert_cmphex(commit(&t, ep, 0, t.window, CHUNK), ==,
                        CTRL_COMMIT | CTRL_COMMITTED);
    }

    /* every reset ends in D0 */
    set_power(&t, 3);
    flr(&t, 13);
    set_power(&t, 0);
    g_assert(is_memory(&t, t.window));
    set_power(&t, 3);
    flr(&t, 13);
    g_assert(is_memory(&t, t.window));
    set_power(&t, 3);
    reset(&t);
    g_assert(is_memory(&t, t.window));
    setup_endpoint(&t, 0);
    /* D1 is not there */
    qtest_writew(t.qts, cfg(13, 0, find_cap(&t, 13, 0, PCI_CAP_ID_PM) +
                            PCI_PM_CTRL), 1);
    g_assert(is_memory(&t, t.window));
    stop(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_device("cxl-type2")) {
        g_test_skip("no cxl-type2");
        return 0;
    }

    qtest_add_func("/cxl-type2/config", test_config);
    qtest_add_func("/cxl-type2/cdat", test_cdat);
    qtest_add_func("/cxl-type2/firmware", test_firmware);
    qtest_add_func("/cxl-type2/lock", test_lock);
    qtest_add_func("/cxl-type2/flr", test_flr);
    qtest_add_func("/cxl-type2/bus-reset", test_bus_reset);
    qtest_add_func("/cxl-type2/guest-commit", test_guest_commit);
    qtest_add_func("/cxl-type2/odd-firmware", test_odd_firmware);
    qtest_add_func("/cxl-type2/link", test_link);
    qtest_add_func("/cxl-type2/d3", test_d3);

    return g_test_run();
}

/*
 * QTest testcase for the resets of cxl-type2, and what its memory does then
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "hw/pci/pci_regs.h"
#include "cxl-type2-util.h"

#define ONE         MACHINE PXB RP(0) FILEMEM(0, "256M") TYPE2(0, "rp0")
#define MS          (1000 * 1000)

static void set_number(CXLTest *t, const char *property, unsigned value)
{
    qom_set(t, "'property': '%s', 'value': %u", property, value);
}

static void set_fail(CXLTest *t, const char *value)
{
    qom_set(t, "'property': 'x-cxl-reset-fail', 'value': '%s'", value);
}

static void test_cache(void)
{
    CXLTest t = {};

    start(&t, ONE);
    setup_endpoint(&t, 0);
    assert_ctrl2(&t, 0, 0);
    set_ctrl2(&t, CTRL2_CACHE_WBI);
    assert_ctrl2(&t, 0, 0);
    set_ctrl2(&t, CTRL2_NO_CACHE);
    assert_ctrl2(&t, CTRL2_NO_CACHE, 0);
    set_ctrl2(&t, CTRL2_NO_CACHE | CTRL2_CACHE_WBI);
    assert_ctrl2(&t, CTRL2_NO_CACHE, STATUS2_INVALID);
    /* a write of both registers, which is one of Control2 */
    qtest_writel(t.qts, dvsec(&t, DVSEC_CTRL2), 0xffff0000);
    assert_ctrl2(&t, 0, 0);
    stop(&t);
}

static void test_cxl_reset(void)
{
    CXLTest t = {};
    uint64_t bar, hdm;

    start(&t, ONE ",component-offset=64K");
    bar = setup_endpoint(&t, 0);
    qtest_writeq(t.qts, bar, 0x1234);
    qtest_writeq(t.qts, t.window + 0x1000, 0x5678);

    set_ctrl2(&t, CTRL2_NO_CACHE | CTRL2_CACHE_WBI);
    set_ctrl2(&t, CTRL2_NO_CACHE | CTRL2_RESET);
    assert_ctrl2(&t, 0, STATUS2_COMPLETE);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, PCI_COMMAND)), ==, 0);
    g_assert_cmphex(qtest_readw(t.qts, dvsec(&t, DVSEC_CTRL)), ==, 0x0002);
    g_assert(!is_memory(&t, t.window));
    bar = setup_endpoint(&t, 0);
    g_assert_cmphex(qtest_readq(t.qts, bar), ==, 0);
    hdm = find_hdm(&t, bar + 64 * KiB);
    assert_decoder(&t, hdm, 0, 0, 0, 0);
    g_assert_cmphex(qtest_readl(t.qts, hdm + HDM_GLOBAL), ==, 0);
    /* nobody else was reset */
    assert_decoder(&t, find_hdm(&t, t.hb), 0, t.window, CHUNK, CTRL_LOCKED);

    /* the way is still there */
    restore(&t, hdm);
    g_assert_cmphex(qtest_readq(t.qts, t.window + 0x1000), ==, 0x5678);
    assert_in_file(&t, CHUNK - 8, t.window + CHUNK - 8);

    /* for another time, and that the lock holds until then */
    qtest_writel(t.qts, hdm + HDM_CTRL(0), 0);
    assert_decoder(&t, hdm, 0, t.window, CHUNK, CTRL_LOCKED);
    set_ctrl2(&t, CTRL2_RESET);
    setup_endpoint(&t, 0);
    assert_decoder(&t, hdm, 0, 0, 0, 0);
    g_assert(!is_memory(&t, t.window));

    reset(&t);
    setup_endpoint(&t, 0);
    assert_ctrl2(&t, 0, 0);
    g_assert_cmphex(qtest_readw(t.qts, dvsec(&t, DVSEC_CTRL)), ==, 0x0006);
    assert_in_file(&t, 0, t.window);
    stop(&t);
}

G_GNUC_PRINTF(1, 0)
static void mem_clr(const char *args, uint64_t size)
{
    CXLTest t = {};
    struct stat st;

    start(&t, args);
    /* What is that large is placed on a multiple of it */
    t.window = ROUND_UP(t.window, size >= GiB ? GiB : CHUNK);
    setup_endpoint(&t, 0);
    qtest_writeq(t.qts, t.window, 0x1234);
    qtest_writeq(t.qts, t.window + size / 2, 0x5678);
    qtest_writeq(t.qts, t.window + size - 8, 0x9abc);

    set_ctrl2(&t, CTRL2_MEM_CLR);
    assert_ctrl2(&t, CTRL2_MEM_CLR, 0);
    g_assert_cmphex(qtest_readq(t.qts, t.window), ==, 0x1234);
    set_ctrl2(&t, CTRL2_MEM_CLR | CTRL2_RESET);
    assert_ctrl2(&t, 0, STATUS2_COMPLETE);
    g_assert_cmpint(stat(t.path, &st), ==, 0);

    reset(&t);
    g_assert_cmphex(qtest_readq(t.qts, t.window), ==, 0);
    g_assert_cmphex(qtest_readq(t.qts, t.window + size / 2), ==, 0);
    g_assert_cmphex(qtest_readq(t.qts, t.window + size - 8), ==, 0);
    g_assert(is_memory(&t, t.window));
    /* nothing was filled with zeros */
    if (can_punch_holes()) {
        g_assert_cmpint(st.st_blocks, <, MiB / 512);
    }
    stop(&t);
}

static void test_mem_clr(void)
{
    mem_clr(ONE, CHUNK);
    mem_clr(MACHINE PXB RP(0) RAMMEM(0, "512M") TYPE2(0, "rp0"), 2 * CHUNK);
    mem_clr(MACHINE PXB RP(0) RAMMEM(0, "256M,share=on") TYPE2(0, "rp0"),
            CHUNK);
}

/* A private mapping: the device's copy is cleared, the file is left alone. */
static void test_mem_clr_private(void)
{
    CXLTest t = {};
    uint64_t seen = 0x1234;
    int fd;

    start(&t, MACHINE PXB RP(0) " -object memory-backend-file,id=mem0,"
          "size=256M,share=off,mem-path=%s" TYPE2(0, "rp0"));
    setup_endpoint(&t, 0);
    fd = open(t.path, O_RDWR);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, &seen, sizeof(seen), 0), ==, sizeof(seen));
    g_assert_cmphex(qtest_readq(t.qts, t.window), ==, 0x1234);
    set_ctrl2(&t, CTRL2_MEM_CLR | CTRL2_RESET);
    reset(&t);
    g_assert_cmphex(qtest_readq(t.qts, t.window), ==, 0);
    seen = 0;
    g_assert_cmpint(pread(fd, &seen, sizeof(seen), 0), ==, sizeof(seen));
    g_assert_cmphex(seen, ==, 0x1234);
    close(fd);
    stop(&t);
}

/* If anything looks at all of it, it does not end in time. */
static void test_big(void)
{
    if (!can_punch_holes()) {
        g_test_skip("holes cannot be punched here");
        return;
    }
    alarm(60);
    mem_clr("-nodefaults -m 128 -cpu max,phys-bits=46 -machine q35,cxl=on,"
            "cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=8T " PXB RP(0)
            FILEMEM(0, "4T") TYPE2(0, "rp0"), 4 * TiB);
    mem_clr("-nodefaults -m 128 -cpu max,phys-bits=46 -machine q35,cxl=on,"
            "cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=8T " PXB RP(0)
            RAMMEM(0, "4T,reserve=off") TYPE2(0, "rp0"), 4 * TiB);
    alarm(0);
}

static void test_incapable(void)
{
    CXLTest t = {};

    start(&t, ONE ",cxl-reset=off");
    setup_endpoint(&t, 0);
    g_assert_cmphex(qtest_readw(t.qts, dvsec(&t, DVSEC_CAP)), ==, 0x005f);
    set_ctrl2(&t, CTRL2_MEM_CLR | CTRL2_RESET);
    assert_ctrl2(&t, 0, 0);
    assert_committed(&t);
    stop(&t);

    t = (CXLTest) {};
    start(&t, ONE ",cxl-reset-mem-clr=off,x-cxl-reset-timeout=4");
    setup_endpoint(&t, 0);
    g_assert_cmphex(qtest_readw(t.qts, dvsec(&t, DVSEC_CAP)), ==, 0x04df);
    qtest_writeq(t.qts, t.window, 0x1234);
    set_ctrl2(&t, CTRL2_MEM_CLR | CTRL2_RESET);
    assert_ctrl2(&t, 0, STATUS2_COMPLETE);
    restore(&t, assert_lost(&t));
    g_assert(is_memory(&t, t.window));
    stop(&t);
}

static void test_delay(void)
{
    CXLTest t = {};
    uint64_t hdm;

    start(&t, ONE ",x-cxl-reset-delay=50");
    setup_endpoint(&t, 0);
    qtest_writeq(t.qts, t.window + 0x1000, 0x5678);
    set_ctrl2(&t, CTRL2_RESET);
    assert_ctrl2(&t, 0, 0);
    assert_ready(&t, 0);

    /* what is written before the end is lost, and a second start ignored */
    hdm = assert_lost(&t);
    restore(&t, hdm);
    assert_ready(&t, 0);
    qtest_clock_step(t.qts, 49 * MS);
    set_ctrl2(&t, CTRL2_MEM_CLR | CTRL2_RESET);
    assert_ctrl2(&t, CTRL2_MEM_CLR, 0);
    qtest_clock_step(t.qts, 1 * MS);
    assert_ctrl2(&t, 0, STATUS2_COMPLETE);
    g_assert_cmphex(assert_lost(&t), ==, hdm);
    restore(&t, hdm);
    g_assert_cmphex(qtest_readq(t.qts, t.window + 0x1000), ==, 0x5678);

    /* a greater reset ends it for good */
    set_number(&t, "x-cxl-reset-delay", 20);
    set_ctrl2(&t, CTRL2_MEM_CLR | CTRL2_RESET);
    reset(&t);
    assert_committed(&t);
    qtest_clock_step(t.qts, 100 * MS);
    assert_ctrl2(&t, 0, 0);
    assert_committed(&t);
    g_assert_cmphex(qtest_readq(t.qts, t.window + 0x1000), ==, 0x5678);
    stop(&t);
}

static void test_fail(void)
{
    CXLTest t = {};

    start(&t, ONE);
    setup_endpoint(&t, 0);
    qtest_writeq(t.qts, t.window + 0x1000, 0x5678);

    /* an error takes the decoder, and clears nothing */
    set_fail(&t, "error");
    set_ctrl2(&t, CTRL2_MEM_CLR | CTRL2_RESET);
    assert_ctrl2(&t, 0, STATUS2_ERROR);
    restore(&t, assert_lost(&t));
    assert_ready(&t, INFO_VALID | MEM_ACTIVE);
    g_assert_cmphex(qtest_readq(t.qts, t.window + 0x1000), ==, 0x5678);
    set_fail(&t, "off");
    set_ctrl2(&t, CTRL2_RESET);
    assert_ctrl2(&t, 0, STATUS2_COMPLETE);

    /* no end comes of time, nor of FLR */
    set_fail(&t, "stuck");
    set_ctrl2(&t, CTRL2_RESET);
    assert_ctrl2(&t, 0, 0);
    set_fail(&t, "off");
    qtest_clock_step(t.qts, 1000 * MS);
    assert_ctrl2(&t, 0, 0);
    restore(&t, assert_lost(&t));
    flr(&t, 13);
    assert_ctrl2(&t, 0, 0);
    assert_ready(&t, 0);

    /* but of another CXL Reset */
    set_ctrl2(&t, CTRL2_RESET);
    assert_ctrl2(&t, 0, STATUS2_COMPLETE);
    restore(&t, assert_lost(&t));
    assert_ready(&t, INFO_VALID | MEM_ACTIVE);
    g_assert_cmphex(qtest_readq(t.qts, t.window + 0x1000), ==, 0x5678);

    /* and of a bus reset */
    set_fail(&t, "stuck");
    set_ctrl2(&t, CTRL2_RESET);
    bus_reset(&t, 0);
    assert_ctrl2(&t, 0, 0);
    restore(&t, assert_lost(&t));
    assert_ready(&t, INFO_VALID | MEM_ACTIVE);
    stop(&t);
}

static void test_lose_decoder(void)
{
    CXLTest t = {};
    uint64_t hdm;

    start(&t, ONE);
    setup_endpoint(&t, 0);
    flr(&t, 13);
    assert_committed(&t);

    qtest_writeq(t.qts, t.window + 0x1000, 0x5678);
    qom_set(&t, "'property': 'x-lose-decoder', 'value': true");
    flr(&t, 13);
    g_assert(!is_memory(&t, t.window));
    hdm = find_hdm(&t, setup_endpoint(&t, 0));
    assert_decoder(&t, hdm, 0, 0, 0, 0);
    restore(&t, hdm);
    g_assert_cmphex(qtest_readq(t.qts, t.window + 0x1000), ==, 0x5678);
    reset(&t);
    assert_committed(&t);
    stop(&t);
}

static void test_mem_active(void)
{
    CXLTest t = {};

    start(&t, ONE ",x-mem-active-delay=300");
    setup_endpoint(&t, 0);
    set_number(&t, "x-mem-info-delay", 100);
    assert_ready(&t, INFO_VALID | MEM_ACTIVE);

    for (unsigned cxl = 0; cxl < 2; cxl++) {
        if (cxl) {
            set_ctrl2(&t, CTRL2_RESET);
        } else {
            bus_reset(&t, 0);
        }
        restore(&t, assert_lost(&t));
        assert_ready(&t, 0);
        qtest_clock_step(t.qts, 99 * MS);
        assert_ready(&t, 0);
        qtest_clock_step(t.qts, 1 * MS);
        assert_ready(&t, INFO_VALID);
        /* which an FLR does not change */
        flr(&t, 13);
        assert_ready(&t, INFO_VALID);
        qtest_clock_step(t.qts, 199 * MS);
        assert_ready(&t, INFO_VALID);
        qtest_clock_step(t.qts, 1 * MS);
        assert_ready(&t, INFO_VALID | MEM_ACTIVE);
        flr(&t, 13);
        assert_ready(&t, INFO_VALID | MEM_ACTIVE);
    }

    /* firmware waits */
    bus_reset(&t, 0);
    reset(&t);
    setup_endpoint(&t, 0);
    assert_ready(&t, INFO_VALID | MEM_ACTIVE);
    assert_committed(&t);
    stop(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_device("cxl-type2")) {
        g_test_skip("no cxl-type2");
        return 0;
    }

    qtest_add_func("/cxl-type2-reset/cache", test_cache);
    qtest_add_func("/cxl-type2-reset/cxl-reset", test_cxl_reset);
    qtest_add_func("/cxl-type2-reset/mem-clr", test_mem_clr);
    qtest_add_func("/cxl-type2-reset/mem-clr-private", test_mem_clr_private);
    qtest_add_func("/cxl-type2-reset/big", test_big);
    qtest_add_func("/cxl-type2-reset/incapable", test_incapable);
    qtest_add_func("/cxl-type2-reset/delay", test_delay);
    qtest_add_func("/cxl-type2-reset/fail", test_fail);
    qtest_add_func("/cxl-type2-reset/lose-decoder", test_lose_decoder);
    qtest_add_func("/cxl-type2-reset/mem-active", test_mem_active);

    return g_test_run();
}

/*
 * QTest testcase for the engine of cxl-type2
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/crc32c.h"
#include "libqtest.h"
#include "hw/pci/pci_regs.h"
#include "cxl-type2-util.h"

#define ONE         MACHINE PXB RP(0) FILEMEM(0, "256M") TYPE2(0, "rp0")
#define MS          (1000 * 1000)
#define ENGINE      (MMIO + 1 * MiB)
#define MSIX        (MMIO + 2 * MiB)
#define PAGE        4096

/* RAM, of 128 MiB, for the engine and for messages */
#define RAM_END     (128 * MiB)
#define RAM         (32 * MiB)
#define RAM2        (64 * MiB)
#define MESSAGE     (16 * MiB)
#define TABLES      (24 * MiB)

/* Registers */
#define ID          0x00
#define VERSION     0x08
#define CAP         0x10
#define MEMORY      0x18
#define SRC         0x20
#define DST         0x28
#define LENGTH      0x30
#define VALUE       0x38
#define COMMAND     0x40
#define STATUS      0x48
#define DONE        0x50
#define RESULT      0x58
#define INT_STATUS  0x60
#define INT_ENABLE  0x68

/* Commands */
#define STOP        0
#define FILL        1
#define COPY_OUT    2
#define COPY_IN     3
#define COPY        4
#define CHECKSUM    5

/* Status */
#define BUSY        1
#define OK          2
#define ERROR(n)    (6 | (n) << 8)
#define NO_COMMAND  ERROR(1)
#define NO_LENGTH   ERROR(2)
#define NO_RANGE    ERROR(3)
#define OVERLAP     ERROR(4)
#define NO_MEMORY   ERROR(5)
#define NO_MASTER   ERROR(6)
#define BUS_ERROR   ERROR(7)
#define STOPPED     ERROR(8)

static uint64_t get(CXLTest *t, unsigned reg)
{
    return qtest_readq(t->qts, ENGINE + reg);
}

static void set(CXLTest *t, unsigned reg, uint64_t value)
{
    qtest_writeq(t->qts, ENGINE + reg, value);
}

static void setup(CXLTest *t)
{
    setup_endpoint(t, 0);
    qtest_writel(t->qts, cfg(13, 0, PCI_BASE_ADDRESS_2), ENGINE);
    qtest_writel(t->qts, cfg(13, 0, PCI_BASE_ADDRESS_4), MSIX);
}

static void command(CXLTest *t, uint32_t nr, uint64_t src, uint64_t dst,
                    uint64_t len)
{
    set(t, SRC, src);
    set(t, DST, dst);
    set(t, LENGTH, len);
    qtest_writel(t->qts, ENGINE + COMMAND, nr);
}

/* Work goes on between what is asked for here. A minute is enough for all. */
static void wait_for_end(CXLTest *t)
{
    int64_t end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;

    while (get(t, STATUS) & BUSY) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

/* Whatever time has started is over after the next command, or the one after */
static void step(CXLTest *t, int64_t ms)
{
    if (ms) {
        qtest_clock_step(t->qts, ms * MS);
    }
    for (unsigned i = 0; i < 10; i++) {
        qtest_readl(t->qts, cfg(HB_BUS, 0, 0));
    }
}

static void assert_run(CXLTest *t, uint32_t nr, uint64_t src, uint64_t dst,
                       uint64_t len, uint64_t status, uint64_t done)
{
    command(t, nr, src, dst, len);
    wait_for_end(t);
    g_assert_cmphex(get(t, STATUS), ==, status);
    g_assert_cmphex(get(t, DONE), ==, done);
}

static void assert_ok(CXLTest *t, uint32_t nr, uint64_t src, uint64_t dst,
                      uint64_t len)
{
    assert_run(t, nr, src, dst, len, OK, len);
}

static uint8_t *make_pattern(size_t len)
{
    uint8_t *p = g_malloc(len);

    for (size_t i = 0; i < len; i++) {
        p[i] = i * 31 + (i >> 8) * 7 + (i >> 16);
    }
    return p;
}

static void assert_bytes(CXLTest *t, uint64_t addr, const uint8_t *expected,
                         size_t len)
{
    g_autofree uint8_t *seen = g_malloc(len);

    qtest_memread(t->qts, addr, seen, len);
    g_assert(!memcmp(seen, expected, len));
}

static void assert_reset(CXLTest *t)
{
    g_assert_cmphex(get(t, ID), ==, 0x454c5843);
    g_assert_cmphex(get(t, VERSION), ==, 0x10000);
    g_assert_cmphex(get(t, CAP), ==, 0x3f);
    g_assert_cmphex(get(t, MEMORY), ==, CHUNK);
    for (unsigned reg = SRC; reg <= INT_ENABLE; reg += 8) {
        g_assert_cmphex(get(t, reg), ==, 0);
    }
}

static void test_registers(void)
{
    CXLTest t = {};

    start(&t, ONE);
    setup(&t);
    assert_reset(&t);
    g_assert_cmphex(get(&t, INT_ENABLE + 8), ==, 0);
    g_assert_cmphex(get(&t, PAGE - 8), ==, 0);

    /* what is written to the others is lost */
    for (unsigned reg = 0; reg < PAGE; reg += 8) {
        if ((reg < SRC || reg > COMMAND) && reg != INT_ENABLE) {
            set(&t, reg, UINT64_MAX);
        }
    }
    set(&t, COMMAND, STOP);
    assert_reset(&t);

    for (unsigned reg = SRC; reg <= VALUE; reg += 8) {
        set(&t, reg, 0x1122334455667788);
        g_assert_cmphex(get(&t, reg), ==, 0x1122334455667788);
        qtest_writel(t.qts, ENGINE + reg, 0x99aabbcc);
        qtest_writel(t.qts, ENGINE + reg + 4, 0xddeeff00);
        g_assert_cmphex(qtest_readl(t.qts, ENGINE + reg), ==, 0x99aabbcc);
        g_assert_cmphex(qtest_readl(t.qts, ENGINE + reg + 4), ==, 0xddeeff00);
    }
    set(&t, INT_ENABLE, UINT64_MAX);
    g_assert_cmphex(get(&t, INT_ENABLE), ==, 1);
    flr(&t, 13);
    setup(&t);
    assert_reset(&t);
    stop(&t);
}

static void test_fill(void)
{
    const uint8_t value[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    const uint64_t len = 3 * MiB + 5;
    CXLTest t = {};
    g_autofree uint8_t *expected = g_malloc0(len + 2);

    start(&t, ONE);
    setup(&t);
    set(&t, VALUE, 0x0807060504030201);
    assert_ok(&t, FILL, UINT64_MAX, 13, len);
    for (uint64_t i = 0; i < len; i++) {
        expected[i + 1] = value[i % 8];
    }
    assert_bytes(&t, t.window + 12, expected, len + 2);
    assert_in_file(&t, 13, t.window + 13);
    g_assert_cmphex(get(&t, RESULT), ==, 0);

    /* to the last byte, and one */
    assert_ok(&t, FILL, 0, CHUNK - 9, 9);
    assert_bytes(&t, t.window + CHUNK - 10, (uint8_t *)"\0\1\2\3\4\5\6\7\10\1",
                 10);
    assert_ok(&t, FILL, 0, 0, 1);
    assert_bytes(&t, t.window, (uint8_t *)"\1\0", 2);
    stop(&t);
}

static void test_copy(void)
{
    const uint64_t len = 2 * MiB + 4097;
    g_autofree uint8_t *pattern = make_pattern(len);
    g_autofree uint8_t *zero = g_malloc0(2 * PAGE);
    CXLTest t = {};

    start(&t, ONE);
    setup(&t);
    qtest_memwrite(t.qts, RAM + 3, pattern, len);
    assert_ok(&t, COPY_IN, RAM + 3, 8 * MiB - 100, len);
    assert_bytes(&t, t.window + 8 * MiB - 100, pattern, len);
    assert_bytes(&t, t.window + 8 * MiB - 100 - PAGE, zero, PAGE);
    assert_bytes(&t, t.window + 8 * MiB - 100 + len, zero, PAGE);

    assert_ok(&t, COPY, 8 * MiB - 100, 100 * MiB + 1, len);
    assert_bytes(&t, t.window + 100 * MiB + 1, pattern, len);
    assert_bytes(&t, t.window + 100 * MiB + 1 + len, zero, PAGE);

    assert_ok(&t, COPY_OUT, 100 * MiB + 1, RAM2 + 7, len);
    assert_bytes(&t, RAM2 + 7, pattern, len);
    assert_bytes(&t, RAM2 + 7 + len, zero, PAGE);

    /* next to each other is not over each other */
    assert_ok(&t, COPY, 100 * MiB + 1, 100 * MiB + 1 + len, len);
    assert_bytes(&t, t.window + 100 * MiB + 1 + len, pattern, len);
    stop(&t);
}

static void test_checksum(void)
{
    const uint64_t len = 2 * MiB + 77;
    g_autofree uint8_t *pattern = make_pattern(len);
    CXLTest t = {};

    start(&t, ONE);
    setup(&t);
    qtest_memwrite(t.qts, t.window + 4091, "123456789", 9);
    assert_ok(&t, CHECKSUM, 4091, UINT64_MAX, 9);
    g_assert_cmphex(get(&t, RESULT), ==, 0xe3069283);

    qtest_memwrite(t.qts, t.window + 12345, pattern, len);
    assert_ok(&t, CHECKSUM, 12345, 0, len);
    g_assert_cmphex(get(&t, RESULT), ==, crc32c(UINT32_MAX, pattern, len));

    /* gone with the next command */
    assert_run(&t, CHECKSUM, 0, 0, 0, NO_LENGTH, 0);
    g_assert_cmphex(get(&t, RESULT), ==, 0);
    stop(&t);
}

static void test_refused(void)
{
    CXLTest t = {};

    start(&t, ONE);
    setup(&t);
    qtest_writeq(t.qts, t.window, 0x1234);
    qtest_writeq(t.qts, t.window + CHUNK - 8, 0x5678);
    assert_run(&t, 6, 0, 0, 8, NO_COMMAND, 0);
    assert_run(&t, UINT32_MAX, 0, 0, 8, NO_COMMAND, 0);
    for (unsigned nr = FILL; nr <= CHECKSUM; nr++) {
        assert_run(&t, nr, RAM, 0, 0, NO_LENGTH, 0);
    }

    assert_run(&t, FILL, 0, CHUNK, 1, NO_RANGE, 0);
    assert_run(&t, FILL, 0, CHUNK - 8, 9, NO_RANGE, 0);
    assert_run(&t, FILL, 0, 0, CHUNK + 1, NO_RANGE, 0);
    assert_run(&t, FILL, 0, UINT64_MAX, 2, NO_RANGE, 0);
    assert_run(&t, FILL, 0, 8, UINT64_MAX, NO_RANGE, 0);
    assert_run(&t, COPY_OUT, CHUNK - 8, RAM, 9, NO_RANGE, 0);
    assert_run(&t, COPY_OUT, 0, UINT64_MAX, 2, NO_RANGE, 0);
    assert_run(&t, COPY_IN, RAM, CHUNK - 8, 9, NO_RANGE, 0);
    assert_run(&t, COPY_IN, UINT64_MAX - 7, 0, 9, NO_RANGE, 0);
    assert_run(&t, COPY, 0, CHUNK - 8, 9, NO_RANGE, 0);
    assert_run(&t, COPY, CHUNK - 8, 0, 9, NO_RANGE, 0);
    assert_run(&t, CHECKSUM, CHUNK - 8, 0, 9, NO_RANGE, 0);

    assert_run(&t, COPY, 100, 100, 1, OVERLAP, 0);
    assert_run(&t, COPY, 100, 107, 8, OVERLAP, 0);
    assert_run(&t, COPY, 107, 100, 8, OVERLAP, 0);

    g_assert_cmphex(qtest_readq(t.qts, t.window), ==, 0x1234);
    g_assert_cmphex(qtest_readq(t.qts, t.window + CHUNK - 8), ==, 0x5678);
    stop(&t);
}

static void test_bus_error(void)
{
    g_autofree uint8_t *pattern = make_pattern(4 * PAGE);
    CXLTest t = {};

    start(&t, ONE);
    setup(&t);

    /* over the end of RAM: all of it that there is */
    qtest_memwrite(t.qts, RAM_END - 2 * PAGE, pattern, 2 * PAGE);
    assert_run(&t, COPY_IN, RAM_END - 2 * PAGE, 0, 3 * PAGE, BUS_ERROR,
               2 * PAGE);
    assert_bytes(&t, t.window, pattern, 2 * PAGE);
    g_assert_cmphex(qtest_readq(t.qts, t.window + 2 * PAGE), ==, 0);
    qtest_memwrite(t.qts, t.window, pattern, 4 * PAGE);
    assert_run(&t, COPY_OUT, 0, RAM_END - PAGE - 1, 4 * PAGE, BUS_ERROR,
               PAGE + 1);
    assert_bytes(&t, RAM_END - PAGE - 1, pattern, PAGE + 1);

    /* its own registers are not for it */
    assert_run(&t, COPY_OUT, 0, ENGINE, PAGE, BUS_ERROR, 0);
    assert_run(&t, COPY_IN, ENGINE, 0, PAGE, BUS_ERROR, 0);
    g_assert_cmphex(get(&t, SRC), ==, ENGINE);

    /* but its memory is, when it comes by way of the bus */
    assert_ok(&t, COPY_OUT, 0, t.window + MiB, 4 * PAGE);
    assert_bytes(&t, t.window + MiB, pattern, 4 * PAGE);
    stop(&t);
}

/* DMA to configuration space, whatever that is good for */
static void test_config_space(void)
{
    CXLTest t = {};
    uint64_t devctl;

    start(&t, ONE);
    setup(&t);
    devctl = cfg(13, 0, find_cap(&t, 13, 0, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL);
    qtest_writew(t.qts, t.window, PCI_EXP_DEVCTL_BCR_FLR);
    command(&t, COPY_OUT, 0, devctl, 2);
    step(&t, 0);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, PCI_COMMAND)), ==, 0);
    setup(&t);
    assert_reset(&t);

    qtest_writew(t.qts, t.window, 0);
    command(&t, COPY_OUT, 0, cfg(13, 0, PCI_COMMAND), 2);
    step(&t, 0);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, PCI_COMMAND)), ==, 0);
    setup(&t);
    g_assert_cmphex(get(&t, STATUS), ==, OK);
    stop(&t);
}

static void test_gate(void)
{
    CXLTest t = {};
    uint64_t pm, hdm;

    start(&t, ONE);
    setup(&t);

    qtest_writew(t.qts, cfg(13, 0, PCI_COMMAND), PCI_COMMAND_MEMORY);
    assert_run(&t, COPY_IN, RAM, 0, 8, NO_MASTER, 0);
    assert_run(&t, COPY_OUT, 0, RAM, 8, NO_MASTER, 0);
    assert_ok(&t, COPY, 0, 8, 8);
    assert_ok(&t, FILL, 0, 0, 8);
    assert_ok(&t, CHECKSUM, 0, 0, 8);
    setup(&t);

    /* to D3 in the middle; it ends there */
    qom_set(&t, "'property': 'x-engine-delay', 'value': 10");
    pm = cfg(13, 0, find_cap(&t, 13, 0, PCI_CAP_ID_PM) + PCI_PM_CTRL);
    command(&t, FILL, 0, 0, 10 * MiB);
    step(&t, 10);
    g_assert_cmphex(get(&t, DONE), ==, MiB);
    qtest_writew(t.qts, pm, 3);
    step(&t, 10);
    qtest_writew(t.qts, pm, 0);
    g_assert_cmphex(get(&t, STATUS), ==, NO_MEMORY);
    g_assert_cmphex(get(&t, DONE), ==, MiB);
    qom_set(&t, "'property': 'x-engine-delay', 'value': 0");

    /* while CXL Reset is under way, and until the memory is active */
    qom_set(&t, "'property': 'x-cxl-reset-delay', 'value': 50");
    qom_set(&t, "'property': 'x-mem-active-delay', 'value': 50");
    set_ctrl2(&t, CTRL2_RESET);
    setup(&t);
    assert_reset(&t);
    assert_run(&t, FILL, 0, 0, 8, NO_MEMORY, 0);
    step(&t, 50);
    setup(&t);
    assert_reset(&t);
    assert_run(&t, CHECKSUM, 0, 0, 8, NO_MEMORY, 0);
    step(&t, 50);
    assert_ok(&t, CHECKSUM, 0, 0, 8);

    /* which is when the engine has it, and the CPU has not */
    g_assert(!is_memory(&t, t.window));
    set(&t, VALUE, 0x1122334455667788);
    assert_ok(&t, FILL, 0, 0, 8);
    hdm = find_hdm(&t, setup_endpoint(&t, 0));
    restore(&t, hdm);
    g_assert_cmphex(qtest_readq(t.qts, t.window), ==, 0x1122334455667788);
    stop(&t);
}

static void start_slow(CXLTest *t)
{
    start(t, ONE ",x-engine-delay=10");
    setup(t);
    set(t, VALUE, 0x0101010101010101);
    command(t, FILL, 0, 0, 10 * MiB);
    g_assert_cmphex(get(t, STATUS), ==, BUSY);
    g_assert_cmphex(get(t, DONE), ==, 0);
    step(t, 9);
    g_assert_cmphex(get(t, DONE), ==, 0);
    step(t, 1);
    g_assert_cmphex(get(t, DONE), ==, MiB);
    g_assert_cmphex(get(t, STATUS), ==, BUSY);
}

/* That the work ended with the first MiB */
static void assert_stopped(CXLTest *t)
{
    step(t, 1000);
    g_assert_cmphex(get(t, INT_STATUS), ==, 0);
    g_assert_cmphex(qtest_readb(t->qts, t->window + MiB - 1), ==, 1);
    g_assert_cmphex(qtest_readq(t->qts, t->window + MiB), ==, 0);
}

static void test_busy(void)
{
    CXLTest t = {};

    start_slow(&t);
    for (unsigned reg = 0; reg <= STATUS; reg += 8) {
        if (reg != COMMAND) {
            set(&t, reg, 0x1234);
        }
    }
    set(&t, COMMAND, CHECKSUM);
    g_assert_cmphex(get(&t, DST), ==, 0);
    g_assert_cmphex(get(&t, LENGTH), ==, 10 * MiB);
    g_assert_cmphex(get(&t, VALUE), ==, 0x0101010101010101);
    g_assert_cmphex(get(&t, COMMAND), ==, FILL);
    g_assert_cmphex(get(&t, STATUS), ==, BUSY);

    /* a machine that is stopped has no time, and the engine does nothing */
    qtest_qmp_assert_success(t.qts, "{'execute': 'stop'}");
    step(&t, 10);
    g_assert_cmphex(get(&t, DONE), ==, MiB);
    qtest_qmp_assert_success(t.qts, "{'execute': 'cont'}");
    step(&t, 0);
    g_assert_cmphex(get(&t, DONE), ==, 2 * MiB);

    set(&t, COMMAND, STOP);
    g_assert_cmphex(get(&t, STATUS), ==, STOPPED);
    g_assert_cmphex(get(&t, INT_STATUS), ==, 1);
    g_assert_cmphex(get(&t, DONE), ==, 2 * MiB);
    step(&t, 1000);
    g_assert_cmphex(get(&t, DONE), ==, 2 * MiB);
    g_assert_cmphex(qtest_readb(t.qts, t.window + 2 * MiB - 1), ==, 1);
    g_assert_cmphex(qtest_readb(t.qts, t.window + 2 * MiB), ==, 0);

    /* and when it is not slow it is not stopped by those who look at it */
    qom_set(&t, "'property': 'x-engine-delay', 'value': 0");
    assert_ok(&t, FILL, 0, 0, CHUNK);
    g_assert_cmphex(qtest_readb(t.qts, t.window + CHUNK - 1), ==, 1);
    stop(&t);
}

static void test_reset_busy(void)
{
    CXLTest t = {};

    start_slow(&t);
    flr(&t, 13);
    setup(&t);
    assert_reset(&t);
    assert_stopped(&t);
    stop(&t);

    t = (CXLTest) {};
    start_slow(&t);
    set_ctrl2(&t, CTRL2_RESET);
    setup(&t);
    assert_reset(&t);
    restore(&t, find_hdm(&t, MMIO));
    assert_stopped(&t);
    stop(&t);

    t = (CXLTest) {};
    start_slow(&t);
    bus_reset(&t, 0);
    setup(&t);
    assert_reset(&t);
    restore(&t, find_hdm(&t, MMIO));
    assert_stopped(&t);
    stop(&t);

    t = (CXLTest) {};
    start_slow(&t);
    reset(&t);
    setup(&t);
    assert_reset(&t);
    assert_stopped(&t);
    stop(&t);
}

/* That the work goes on, and that it has done @mib MiB 10 ms later */
static void assert_goes_on(CXLTest *t, unsigned mib)
{
    step(t, 10);
    setup(t);
    g_assert_cmphex(get(t, DONE), ==, mib * MiB);
    g_assert_cmphex(get(t, STATUS), ==, BUSY);
    g_assert_cmphex(qtest_readb(t->qts, t->window + mib * MiB - 1), ==, 1);
    g_assert_cmphex(qtest_readb(t->qts, t->window + mib * MiB), ==, 0);
}

/* What leaves device memory to itself does not need what DMA needs */
static void test_no_master(void)
{
    CXLTest t = {};

    start_slow(&t);
    qtest_writew(t.qts, cfg(13, 0, PCI_COMMAND), PCI_COMMAND_MEMORY);
    assert_goes_on(&t, 2);
    /* nor BARs */
    qtest_writew(t.qts, cfg(13, 0, PCI_COMMAND), 0);
    assert_goes_on(&t, 3);
    set(&t, COMMAND, STOP);

    command(&t, COPY, 0, 16 * MiB, 3 * MiB);
    step(&t, 10);
    qtest_writew(t.qts, cfg(13, 0, PCI_COMMAND), 0);
    step(&t, 10);
    step(&t, 10);
    setup(&t);
    g_assert_cmphex(get(&t, STATUS), ==, OK);
    g_assert_cmphex(qtest_readb(t.qts, t.window + 19 * MiB - 1), ==, 1);

    /* which is not for DMA */
    command(&t, COPY_OUT, 0, RAM, 3 * MiB);
    step(&t, 10);
    qtest_writew(t.qts, cfg(13, 0, PCI_COMMAND), PCI_COMMAND_MEMORY);
    step(&t, 10);
    g_assert_cmphex(get(&t, STATUS), ==, NO_MASTER);
    g_assert_cmphex(get(&t, DONE), ==, MiB);
    stop(&t);
}

static void test_survives_flr(void)
{
    CXLTest t = {};
    uint64_t pm;

    start_slow(&t);
    qom_set(&t, "'property': 'x-engine-survives-flr', 'value': true");
    flr(&t, 13);
    assert_goes_on(&t, 2);
    pm = cfg(13, 0, find_cap(&t, 13, 0, PCI_CAP_ID_PM) + PCI_PM_CTRL);
    qtest_writew(t.qts, pm, 3);
    step(&t, 10);
    qtest_writew(t.qts, pm, 0);
    assert_goes_on(&t, 4);

    /* and when it has ended, FLR resets it */
    set(&t, COMMAND, STOP);
    flr(&t, 13);
    setup(&t);
    assert_reset(&t);

    /* it ends with CXL Reset */
    set(&t, VALUE, 0x0202020202020202);
    command(&t, FILL, 0, 0, 10 * MiB);
    step(&t, 10);
    set_ctrl2(&t, CTRL2_RESET);
    setup(&t);
    assert_reset(&t);
    restore(&t, find_hdm(&t, MMIO));
    step(&t, 1000);
    g_assert_cmphex(qtest_readb(t.qts, t.window + MiB - 1), ==, 2);
    g_assert_cmphex(qtest_readb(t.qts, t.window + MiB), ==, 1);

    /* with bus reset, */
    command(&t, FILL, 0, 0, 10 * MiB);
    step(&t, 10);
    bus_reset(&t, 0);
    setup(&t);
    assert_reset(&t);
    restore(&t, find_hdm(&t, MMIO));
    step(&t, 1000);
    g_assert_cmphex(qtest_readb(t.qts, t.window + MiB - 1), ==, 0);
    g_assert_cmphex(qtest_readb(t.qts, t.window + MiB), ==, 1);

    /* with system reset, */
    command(&t, FILL, 0, 0, 10 * MiB);
    step(&t, 10);
    reset(&t);
    setup(&t);
    assert_reset(&t);
    step(&t, 1000);
    g_assert_cmphex(qtest_readb(t.qts, t.window + MiB), ==, 1);

    /* and with FLR as ever, when the property is off again */
    qom_set(&t, "'property': 'x-engine-survives-flr', 'value': false");
    command(&t, FILL, 0, 0, 10 * MiB);
    step(&t, 10);
    flr(&t, 13);
    setup(&t);
    assert_reset(&t);
    step(&t, 1000);
    g_assert_cmphex(qtest_readb(t.qts, t.window + MiB), ==, 1);
    stop(&t);
}

static void test_unplug_busy(void)
{
    CXLTest t = {};
    uint64_t seen[2];
    uint16_t pos;
    int fd;

    /* the guest is asked for it, and powers off the slot */
    start_slow(&t);
    pos = find_cap(&t, HB_BUS, 0, PCI_CAP_ID_EXP) + PCI_EXP_SLTCTL;
    qtest_qmp_device_del_send(t.qts, "acc0");
    qtest_writew(t.qts, cfg(HB_BUS, 0, pos),
                 PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PCC);
    qtest_qmp_eventwait(t.qts, "DEVICE_DELETED");
    step(&t, 1000);
    fd = open(t.path, O_RDONLY);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pread(fd, seen, 16, MiB - 8), ==, 16);
    g_assert_cmphex(seen[0], ==, 0x0101010101010101);
    g_assert_cmphex(seen[1], ==, 0);
    close(fd);
    stop(&t);

    /* nor does it keep QEMU from going */
    t = (CXLTest) {};
    start_slow(&t);
    stop(&t);
}

static bool signalled(CXLTest *t)
{
    uint32_t seen = qtest_readl(t->qts, MESSAGE);

    qtest_writel(t->qts, MESSAGE, 0);
    g_assert(!seen || seen == 0xcafe);
    return seen;
}

static void test_interrupt(void)
{
    CXLTest t = {};
    uint64_t msix, table;

    start(&t, ONE);
    setup(&t);
    msix = cfg(13, 0, find_cap(&t, 13, 0, PCI_CAP_ID_MSIX));
    table = qtest_readl(t.qts, msix + PCI_MSIX_TABLE);
    g_assert_cmphex(table & PCI_MSIX_TABLE_BIR, ==, 4);
    table = MSIX + (table & ~PCI_MSIX_TABLE_BIR);
    qtest_writeq(t.qts, table, MESSAGE);
    qtest_writel(t.qts, table + 8, 0xcafe);
    qtest_writel(t.qts, table + 12, 0);
    qtest_writew(t.qts, msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);

    /* only if enabled, which may be too late */
    assert_ok(&t, FILL, 0, 0, 8);
    g_assert_cmphex(get(&t, INT_STATUS), ==, 1);
    g_assert(!signalled(&t));
    set(&t, INT_ENABLE, 1);
    g_assert(signalled(&t));
    set(&t, INT_STATUS, 0);
    g_assert_cmphex(get(&t, INT_STATUS), ==, 1);
    set(&t, INT_STATUS, 1);
    g_assert_cmphex(get(&t, INT_STATUS), ==, 0);
    g_assert(!signalled(&t));

    /* one for each, also when it fails or is stopped, or none was cleared */
    assert_ok(&t, FILL, 0, 0, 8);
    g_assert(signalled(&t));
    g_assert(!signalled(&t));
    assert_run(&t, FILL, 0, 0, 0, NO_LENGTH, 0);
    g_assert(signalled(&t));
    set(&t, INT_STATUS, 1);
    qom_set(&t, "'property': 'x-engine-delay', 'value': 10");
    command(&t, FILL, 0, 0, 8);
    set(&t, COMMAND, STOP);
    g_assert(signalled(&t));
    qom_set(&t, "'property': 'x-engine-delay', 'value': 0");

    /* masked is pending */
    qtest_writel(t.qts, table + 12, 1);
    assert_ok(&t, FILL, 0, 0, 8);
    g_assert(!signalled(&t));
    qtest_writel(t.qts, table + 12, 0);
    g_assert(signalled(&t));

    /* a message is DMA */
    qtest_writew(t.qts, cfg(13, 0, PCI_COMMAND), PCI_COMMAND_MEMORY);
    assert_ok(&t, FILL, 0, 0, 8);
    g_assert(!signalled(&t));
    setup(&t);

    flr(&t, 13);
    setup(&t);
    assert_reset(&t);
    assert_ok(&t, FILL, 0, 0, 8);
    g_assert(!signalled(&t));
    stop(&t);
}

/* I/O virtual addresses, at 1 GiB: a page of RAM, and one that @second is */
#define IOVA        (1 * GiB)

static void set_up_iommu(CXLTest *t, bool ats, uint64_t second)
{
    const uint64_t iommu = 0xfed90000;
    uint64_t table = TABLES;

    qtest_memset(t->qts, TABLES, 0, 6 * PAGE);
    qtest_writeq(t->qts, table + 13 * 16, (table + PAGE) | 1);
    table += PAGE;
    /* Translation Type 1 lets the device ask */
    qtest_writeq(t->qts, table, (table + PAGE) | (ats ? 1 << 2 : 0) | 1);
    qtest_writeq(t->qts, table + 8, 2 | 1 << 8);
    for (int shift = 39; shift > 12; shift -= 9) {
        table += PAGE;
        qtest_writeq(t->qts, table + (IOVA >> shift & 511) * 8,
                     (table + PAGE) | 3);
    }
    table += PAGE;
    qtest_writeq(t->qts, table, RAM | 3);
    qtest_writeq(t->qts, table + 8, second ? second | 3 : 0);
    qtest_writeq(t->qts, iommu + 0x20, TABLES);
    qtest_writel(t->qts, iommu + 0x18, 1u << 30);
    qtest_writel(t->qts, iommu + 0x18, 1u << 31);
    g_assert(qtest_readl(t->qts, iommu + 0x1c) & 1u << 31);
}

static void enable_ats(CXLTest *t)
{
    uint16_t ats = find_ext_cap(t, 13, PCI_EXT_CAP_ID_ATS);

    g_assert_cmphex(ats, !=, 0);
    qtest_writew(t->qts, cfg(13, 0, ats + PCI_ATS_CTRL), PCI_ATS_CTRL_ENABLE);
}

G_GNUC_PRINTF(1, 0)
static void run_iommu(const char *args, bool ats)
{
    g_autofree uint8_t *pattern = make_pattern(2 * PAGE);
    CXLTest t = {};

    start(&t, args);
    setup(&t);
    set_up_iommu(&t, ats, 0);
    if (ats) {
        enable_ats(&t);
    }

    qtest_memwrite(t.qts, RAM, pattern, 2 * PAGE);
    assert_run(&t, COPY_IN, IOVA, 0, 2 * PAGE, BUS_ERROR, PAGE);
    assert_bytes(&t, t.window, pattern, PAGE);
    g_assert_cmphex(qtest_readq(t.qts, t.window + PAGE), ==, 0);
    assert_run(&t, COPY_IN, RAM, 0, 8, BUS_ERROR, 0);

    qtest_memset(t.qts, RAM, 0, 2 * PAGE);
    assert_run(&t, COPY_OUT, 0, IOVA + 1, PAGE, BUS_ERROR, PAGE - 1);
    assert_bytes(&t, RAM + 1, pattern, PAGE - 1);
    g_assert_cmphex(qtest_readq(t.qts, RAM + PAGE), ==, 0);
    stop(&t);
}

static void test_iommu(void)
{
    run_iommu("-device intel-iommu,aw-bits=48 " ONE, false);
}

#define IOMMU_ATS   "-device intel-iommu,aw-bits=48,device-iotlb=on "

static void test_ats(void)
{
    run_iommu(IOMMU_ATS ONE ",ats=on", true);
}

/* Without a route to it on the bus, only ATS leads the engine to its memory */
static void test_ats_own_memory(void)
{
    g_autofree uint8_t *pattern = make_pattern(PAGE);
    CXLTest t = {};
    uint64_t ep;

    start(&t, IOMMU_ATS MACHINE PXB ",hdm_for_passthrough=on" RP(0)
          FILEMEM(0, "256M") TYPE2(0, "rp0") ",ats=on,firmware-committed=off");
    ep = find_hdm(&t, setup_endpoint(&t, 0));
    setup(&t);
    g_assert_cmphex(commit(&t, ep, 0, t.window + CHUNK, CHUNK), ==,
                    CTRL_COMMIT | CTRL_COMMITTED);
    g_assert(!is_memory(&t, t.window + CHUNK));
    set_up_iommu(&t, true, t.window + CHUNK + 2 * PAGE);

    qtest_memwrite(t.qts, RAM, pattern, PAGE);
    assert_ok(&t, COPY_IN, IOVA, 0, PAGE);

    /* untranslated, the bytes get lost */
    command(&t, COPY_OUT, 0, IOVA + PAGE, PAGE);
    wait_for_end(&t);
    qtest_memset(t.qts, RAM, 0, PAGE);
    assert_ok(&t, COPY_OUT, 2 * PAGE, IOVA, PAGE);
    g_assert_cmphex(qtest_readq(t.qts, RAM + 8), ==, 0);

    enable_ats(&t);
    assert_ok(&t, COPY_OUT, 0, IOVA + PAGE, PAGE);
    assert_ok(&t, COPY_OUT, 2 * PAGE, IOVA, PAGE);
    assert_bytes(&t, RAM, pattern, PAGE);
    stop(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_device("cxl-type2")) {
        g_test_skip("no cxl-type2");
        return 0;
    }

    qtest_add_func("/cxl-type2-engine/registers", test_registers);
    qtest_add_func("/cxl-type2-engine/fill", test_fill);
    qtest_add_func("/cxl-type2-engine/copy", test_copy);
    qtest_add_func("/cxl-type2-engine/checksum", test_checksum);
    qtest_add_func("/cxl-type2-engine/refused", test_refused);
    qtest_add_func("/cxl-type2-engine/bus_error", test_bus_error);
    qtest_add_func("/cxl-type2-engine/config_space", test_config_space);
    qtest_add_func("/cxl-type2-engine/gate", test_gate);
    qtest_add_func("/cxl-type2-engine/busy", test_busy);
    qtest_add_func("/cxl-type2-engine/reset_busy", test_reset_busy);
    qtest_add_func("/cxl-type2-engine/no_master", test_no_master);
    qtest_add_func("/cxl-type2-engine/survives_flr", test_survives_flr);
    qtest_add_func("/cxl-type2-engine/unplug_busy", test_unplug_busy);
    qtest_add_func("/cxl-type2-engine/interrupt", test_interrupt);
    if (qtest_has_device("intel-iommu")) {
        qtest_add_func("/cxl-type2-engine/iommu", test_iommu);
        qtest_add_func("/cxl-type2-engine/ats", test_ats);
        qtest_add_func("/cxl-type2-engine/ats_own_memory", test_ats_own_memory);
    }

    return g_test_run();
}

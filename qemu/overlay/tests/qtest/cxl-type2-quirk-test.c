/*
 * QTest testcase for what cxl-type2 does only when it is told to
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
#define CTRL_IO     0x0002
#define CTRL_MEM    0x0004

static void set_bool(CXLTest *t, const char *property, bool value)
{
    qom_set(t, "'property': '%s', 'value': %s", property,
            value ? "true" : "false");
}

static void set_ctrl(CXLTest *t, uint16_t value)
{
    qtest_writew(t->qts, dvsec(t, DVSEC_CTRL), value);
}

static void assert_ctrl(CXLTest *t, uint16_t value)
{
    g_assert_cmphex(qtest_readw(t->qts, dvsec(t, DVSEC_CTRL)), ==, value);
}

/* Both bits off, and that either alone does not bring the memory back */
static void assert_kept(CXLTest *t, uint64_t hdm)
{
    assert_ctrl2(t, 0, STATUS2_COMPLETE);
    assert_ctrl(t, CTRL_IO);
    setup_endpoint(t, 0);
    g_assert_cmphex(qtest_readl(t->qts, hdm + HDM_GLOBAL), ==, 0);
    g_assert_cmphex(qtest_readl(t->qts, hdm + HDM_CTRL(0)), ==, CTRL_LOCKED);
    g_assert(!is_memory(t, t->window));

    set_ctrl(t, CTRL_IO | CTRL_MEM);
    g_assert(!is_memory(t, t->window));
    set_ctrl(t, CTRL_IO);
    qtest_writel(t->qts, hdm + HDM_GLOBAL, 2);
    g_assert(!is_memory(t, t->window));
    set_ctrl(t, CTRL_IO | CTRL_MEM);
    assert_decoder(t, hdm, 0, t->window, CHUNK, CTRL_LOCKED);
    assert_in_file(t, 0, t->window);
}

static void test_keep_locked(void)
{
    CXLTest t = {};
    uint64_t hdm;

    start(&t, ONE ",x-keep-locked=on,hdm-decoders=2");
    assert_committed(&t);
    hdm = find_hdm(&t, setup_endpoint(&t, 0));
    qtest_writeq(t.qts, t.window + 0x1000, 0x5678);

    /* committed by firmware, and what is not locked goes */
    qtest_writeq(t.qts, hdm + HDM_BASE(1), t.window + CHUNK);
    set_ctrl2(&t, CTRL2_RESET);
    assert_kept(&t, hdm);
    assert_decoder(&t, hdm, 1, 0, 0, 0);
    g_assert_cmphex(qtest_readq(t.qts, t.window + 0x1000), ==, 0x5678);
    /* the lock holds, of course */
    qtest_writel(t.qts, hdm + HDM_CTRL(0), 0);
    qtest_writeq(t.qts, hdm + HDM_BASE(0), 0);
    assert_decoder(&t, hdm, 0, t.window, CHUNK, CTRL_LOCKED);
    g_assert(is_memory(&t, t.window));

    /* either bit alone takes it away, too */
    qtest_writel(t.qts, hdm + HDM_GLOBAL, 0);
    g_assert(!is_memory(&t, t.window));
    qtest_writel(t.qts, hdm + HDM_GLOBAL, 2);
    g_assert(is_memory(&t, t.window));
    set_ctrl(&t, CTRL_IO);
    g_assert(!is_memory(&t, t.window));

    /* which is looked at when the property is on, and not when it is off */
    set_bool(&t, "x-keep-locked", false);
    g_assert(is_memory(&t, t.window));
    set_bool(&t, "x-keep-locked", true);
    g_assert(!is_memory(&t, t.window));

    /* a bus reset takes it, and so does CXL Reset with the property off */
    bus_reset(&t, 0);
    setup_endpoint(&t, 0);
    assert_decoder(&t, hdm, 0, 0, 0, 0);
    restore(&t, hdm);
    g_assert(!is_memory(&t, t.window));
    set_ctrl(&t, CTRL_IO | CTRL_MEM);
    g_assert(is_memory(&t, t.window));
    /* committed by the guest */
    set_ctrl2(&t, CTRL2_MEM_CLR | CTRL2_RESET);
    assert_kept(&t, hdm);
    g_assert_cmphex(qtest_readq(t.qts, t.window + 0x1000), ==, 0);
    set_bool(&t, "x-keep-locked", false);
    set_ctrl2(&t, CTRL2_RESET);
    assert_lost(&t);

    set_bool(&t, "x-keep-locked", true);
    reset(&t);
    assert_committed(&t);
    stop(&t);
}

static void assert_locked(CXLTest *t)
{
    assert_ctrl(t, CTRL_IO | CTRL_MEM);
    set_ctrl(t, 0);
    assert_ctrl(t, CTRL_IO | CTRL_MEM);
    for (unsigned range = 0; range < 2; range++) {
        uint64_t base = dvsec(t, DVSEC_BASE_HI + 0x10 * range);
        uint64_t expected = range ? 0 : t->window;

        qtest_writel(t->qts, base, UINT32_MAX);
        qtest_writel(t->qts, base + 4, UINT32_MAX);
        g_assert_cmphex(qtest_readl(t->qts, base), ==, expected >> 32);
        g_assert_cmphex(qtest_readl(t->qts, base + 4), ==, (uint32_t)expected);
    }
    qtest_writew(t->qts, dvsec(t, DVSEC_LOCK), 0);
    g_assert_cmphex(qtest_readw(t->qts, dvsec(t, DVSEC_LOCK)), ==, 1);
}

static void test_config_lock(void)
{
    CXLTest t = {};
    uint64_t hdm;

    start(&t, ONE ",x-config-lock=on");
    assert_committed(&t);
    assert_locked(&t);

    /* Control2 is not locked, and does what it is for */
    set_ctrl2(&t, CTRL2_NO_CACHE | CTRL2_CACHE_WBI);
    assert_ctrl2(&t, CTRL2_NO_CACHE, STATUS2_INVALID);
    qtest_writeq(t.qts, t.window, 0x1234);
    set_ctrl2(&t, CTRL2_MEM_CLR);
    assert_ctrl2(&t, CTRL2_MEM_CLR, 0);
    set_ctrl2(&t, CTRL2_MEM_CLR | CTRL2_RESET);
    assert_ctrl2(&t, 0, STATUS2_COMPLETE);
    hdm = find_hdm(&t, setup_endpoint(&t, 0));
    assert_decoder(&t, hdm, 0, 0, 0, 0);

    /* CXL Reset does not unlock it, nor does FLR */
    assert_locked(&t);
    flr(&t, 13);
    assert_locked(&t);
    setup_endpoint(&t, 0);
    restore(&t, hdm);
    g_assert_cmphex(qtest_readq(t.qts, t.window), ==, 0);

    /* a conventional reset does, and then it can be locked again */
    bus_reset(&t, 0);
    setup_endpoint(&t, 0);
    assert_ctrl(&t, CTRL_IO);
    g_assert_cmphex(qtest_readw(t.qts, dvsec(&t, DVSEC_LOCK)), ==, 0);
    g_assert_cmphex(qtest_readl(t.qts, dvsec(&t, DVSEC_BASE_HI)), ==, 0);
    qtest_writel(t.qts, dvsec(&t, DVSEC_BASE_HI), t.window >> 32);
    qtest_writel(t.qts, dvsec(&t, DVSEC_BASE_HI + 4), t.window);
    set_ctrl(&t, CTRL_IO | CTRL_MEM);
    qtest_writew(t.qts, dvsec(&t, DVSEC_LOCK), 1);
    assert_locked(&t);
    reset(&t);
    assert_committed(&t);
    assert_locked(&t);

    /* as what is locked stays, this is all that a kept decoder needs */
    set_bool(&t, "x-keep-locked", true);
    set_ctrl2(&t, CTRL2_RESET);
    setup_endpoint(&t, 0);
    g_assert(!is_memory(&t, t.window));
    qtest_writel(t.qts, hdm + HDM_GLOBAL, 2);
    g_assert(is_memory(&t, t.window));
    stop(&t);

    /* and without the property, as ever */
    t = (CXLTest) {};
    start(&t, ONE);
    setup_endpoint(&t, 0);
    g_assert_cmphex(qtest_readw(t.qts, dvsec(&t, DVSEC_LOCK)), ==, 0);
    qtest_writew(t.qts, dvsec(&t, DVSEC_LOCK), 1);
    set_ctrl(&t, CTRL_IO);
    assert_ctrl(&t, CTRL_IO);
    stop(&t);
}

/* No function reset: none of FLR, CXL Reset, and D3hot */
static void test_no_reset(void)
{
    CXLTest t = {};
    uint16_t pos;

    start(&t, ONE ",x-flr=off,cxl-reset=off,component-offset=64K");
    setup_endpoint(&t, 0);
    qtest_writeq(t.qts, MMIO, 0x1234);
    pos = find_cap(&t, 13, 0, PCI_CAP_ID_EXP);
    g_assert_cmphex(qtest_readl(t.qts, cfg(13, 0, pos + PCI_EXP_DEVCAP)) &
                    PCI_EXP_DEVCAP_FLR, ==, 0);
    flr(&t, 13);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, pos + PCI_EXP_DEVCTL)) &
                    PCI_EXP_DEVCTL_BCR_FLR, ==, 0);
    g_assert_cmphex(qtest_readw(t.qts, cfg(13, 0, PCI_COMMAND)), ==,
                    PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    set_ctrl2(&t, CTRL2_RESET);
    pos = find_cap(&t, 13, 0, PCI_CAP_ID_PM) + PCI_PM_CTRL;
    g_assert(qtest_readw(t.qts, cfg(13, 0, pos)) & PCI_PM_CTRL_NO_SOFT_RESET);
    qtest_writew(t.qts, cfg(13, 0, pos), 3);
    qtest_writew(t.qts, cfg(13, 0, pos), 0);
    g_assert_cmphex(qtest_readq(t.qts, MMIO), ==, 0x1234);
    g_assert(is_memory(&t, t.window));

    bus_reset(&t, 0);
    setup_endpoint(&t, 0);
    g_assert_cmphex(qtest_readq(t.qts, MMIO), ==, 0);
    stop(&t);
}

static void test_second_function(void)
{
    CXLTest t = {};
    uint64_t second = cfg(13, 0, 0) + (1 << 12);

    start(&t, ONE ",multifunction=on,addr=0.0 "
          "-device pci-testdev,bus=rp0,addr=0.1");
    assert_committed(&t);
    g_assert_cmphex(qtest_readl(t.qts, cfg(13, 0, 0)), ==, 0x0c121b36);
    g_assert_cmphex(qtest_readb(t.qts, cfg(13, 0, PCI_HEADER_TYPE)), ==,
                    0x80);
    g_assert_cmphex(qtest_readl(t.qts, second), ==, 0x00051b36);

    /* a reset of the first function is none of the second */
    qtest_writew(t.qts, second + PCI_COMMAND, PCI_COMMAND_MEMORY);
    flr(&t, 13);
    set_ctrl2(&t, CTRL2_RESET);
    g_assert_cmphex(qtest_readw(t.qts, second + PCI_COMMAND), ==,
                    PCI_COMMAND_MEMORY);
    bus_reset(&t, 0);
    setup_endpoint(&t, 0);
    g_assert_cmphex(qtest_readw(t.qts, second + PCI_COMMAND), ==, 0);
    reset(&t);
    assert_committed(&t);
    stop(&t);
}

static void test_ats(void)
{
    CXLTest t = {};
    uint16_t pos;
    uint64_t ctrl;

    start(&t, ONE);
    setup_endpoint(&t, 0);
    g_assert_cmphex(find_ext_cap(&t, 13, PCI_EXT_CAP_ID_ATS), ==, 0);
    stop(&t);

    t = (CXLTest) {};
    start(&t, ONE ",ats=on");
    assert_committed(&t);
    pos = find_ext_cap(&t, 13, PCI_EXT_CAP_ID_ATS);
    g_assert_cmphex(pos, !=, 0);
    ctrl = cfg(13, 0, pos + PCI_ATS_CTRL);
    qtest_writew(t.qts, ctrl, PCI_ATS_CTRL_ENABLE);
    g_assert_cmphex(qtest_readw(t.qts, ctrl), ==, PCI_ATS_CTRL_ENABLE);
    flr(&t, 13);
    g_assert_cmphex(qtest_readw(t.qts, ctrl), ==, 0);
    /* the chain holds after a reset of what is beside it */
    set_ctrl2(&t, CTRL2_RESET);
    g_assert_cmphex(find_ext_cap(&t, 13, PCI_EXT_CAP_ID_ATS), ==, pos);
    stop(&t);
}

static void test_media(void)
{
    CXLTest t = {};
    uint64_t lo;

    start(&t, ONE ",x-media-type=nonvolatile");
    setup_endpoint(&t, 0);
    lo = dvsec(&t, DVSEC_SIZE_LO);
    g_assert_cmphex(qtest_readl(t.qts, lo), ==, CHUNK | 1 << 2 | 3);

    /* from the next reset on */
    qom_set(&t, "'property': 'x-media-type', 'value': 'cdat'");
    g_assert_cmphex(qtest_readl(t.qts, lo), ==, CHUNK | 1 << 2 | 3);
    setup_endpoint(&t, 0);
    set_ctrl2(&t, CTRL2_RESET);
    g_assert_cmphex(qtest_readl(t.qts, lo), ==, CHUNK | 2 << 2 | 3);
    qom_set(&t, "'property': 'x-media-type', 'value': 'volatile'");
    reset(&t);
    setup_endpoint(&t, 0);
    g_assert_cmphex(qtest_readl(t.qts, lo), ==, CHUNK | 3);
    stop(&t);
}

/* That QEMU neither starts with @args, nor without saying @message */
static void assert_refused(const char *args, const char *message)
{
    g_autofree char *cmdline =
        g_strdup_printf("echo quit | %s -display none -monitor stdio "
                        "-accel qtest %s 2>&1", qtest_qemu_binary(NULL), args);
    FILE *qemu = popen(cmdline, "r");
    char said[1024];
    size_t len;

    g_assert_nonnull(qemu);
    len = fread(said, 1, sizeof(said) - 1, qemu);
    said[len] = 0;
    g_assert_cmpint(pclose(qemu), ==, 1 << 8);
    if (!strstr(said, message)) {
        g_test_message("it says: %s", said);
        g_assert_not_reached();
    }
}

static void test_refused(void)
{
    g_autofree char *args = NULL;
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("cxl-type2-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, CHUNK), ==, 0);
    close(fd);
    args = g_strdup_printf(MACHINE PXB RP(0) " -object memory-backend-file,"
                           "id=mem0,mem-path=%s,readonly=on,size=256M"
                           TYPE2(0, "rp0"), path);
    assert_refused(args, "memdev 'mem0' is read-only");
    unlink(path);

    assert_refused(MACHINE PXB RP(0) RAMMEM(0, "256M") TYPE2(0, "rp0")
                   ",firmware-committed=off,x-config-lock=on",
                   "x-config-lock=on is for firmware to do, and needs "
                   "firmware-committed=on; found off");
}

/*
 * Plugged in again before the last reference to the block of the device that
 * was there goes, which RCU makes late
 */
static void test_replug(void)
{
    CXLTest t = {};
    uint64_t ctl;

    start(&t, MACHINE PXB ",hdm_for_passthrough=on" RP(0) FILEMEM(0, "256M")
          TYPE2(0, "rp0"));
    setup_endpoint(&t, 0);
    ctl = cfg(HB_BUS, 0, find_cap(&t, HB_BUS, 0, PCI_CAP_ID_EXP) +
              PCI_EXP_SLTCTL);
    for (unsigned i = 0; i < 5; i++) {
        qtest_qmp_device_del_send(t.qts, "acc0");
        qtest_writew(t.qts, ctl,
                     PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PCC);
        qtest_qmp_device_add(t.qts, "cxl-type2", "acc0",
                             "{'bus': 'rp0', 'memdev': 'mem0'}");
        qtest_writew(t.qts, ctl, PCI_EXP_SLTCTL_PWR_IND_ON);
    }
    assert_committed(&t);
    stop(&t);
}

/* More vectors than there are, in ports that look at the number at once */
static void test_many_vectors(void)
{
    CXLTest t = {};
    uint64_t flags;

    start(&t, MACHINE PXB RP(0) FILEMEM(0, "256M") TYPE2(0, "rp0"));
    flags = cfg(HB_BUS, 0, find_cap(&t, HB_BUS, 0, PCI_CAP_ID_MSI) +
                PCI_MSI_FLAGS);
    for (unsigned log = 0; log < 8; log++) {
        qtest_writew(t.qts, flags, log << 4);
        g_assert_cmpuint((qtest_readw(t.qts, flags) & PCI_MSI_FLAGS_QSIZE) >> 4,
                         ==, MIN(log, 1));
        qtest_writew(t.qts, flags, log << 4 | PCI_MSI_FLAGS_ENABLE);
        g_assert_cmpuint((qtest_readw(t.qts, flags) & PCI_MSI_FLAGS_QSIZE) >> 4,
                         ==, MIN(log, 1));
    }
    stop(&t);
}

/* The upstream port's mailbox has the second vector; only one is enabled. */
static void test_doe_vector(void)
{
    const uint8_t bus = HB_BUS + 1;
    CXLTest t = {};
    uint64_t doe = 0, msi;

    start(&t, MACHINE PXB RP(0) " -device cxl-upstream,id=us0,bus=rp0"
          " -device cxl-downstream,id=ds0,bus=us0,port=0,chassis=1,slot=0"
          FILEMEM(0, "256M") TYPE2(0, "ds0"));
    setup_bridge(&t, HB_BUS, 0, bus, bus + 2, MMIO, 16 * MiB);
    for (uint16_t pos = 0x100; pos && !doe;
         pos = qtest_readl(t.qts, cfg(bus, 0, pos)) >> 20) {
        if ((qtest_readl(t.qts, cfg(bus, 0, pos)) & 0xffff) ==
            PCI_EXT_CAP_ID_DOE) {
            doe = cfg(bus, 0, pos);
        }
    }
    g_assert_cmphex(doe, !=, 0);
    msi = cfg(bus, 0, find_cap(&t, bus, 0, PCI_CAP_ID_MSI));
    qtest_writew(t.qts, msi + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE);

    /* interrupts on, then DOE discovery */
    qtest_writel(t.qts, doe + 8, 1 << 1);
    qtest_writel(t.qts, doe + 0x10, 0x1);
    qtest_writel(t.qts, doe + 0x10, 3);
    qtest_writel(t.qts, doe + 0x10, 0);
    qtest_writel(t.qts, doe + 8, 1u << 31 | 1 << 1);
    g_assert_cmphex(qtest_readl(t.qts, doe + 0xc) & 1u << 31, !=, 0);
    stop(&t);
}

/* Device registers of a memory device, at every offset and of every width */
static void test_widths(void)
{
    const uint64_t bar2 = MMIO + MiB;
    CXLTest t = {};
    uint64_t caps;

    start(&t, MACHINE PXB RP(0)
          " -object memory-backend-ram,id=vmem,size=256M"
          " -device cxl-type3,bus=rp0,volatile-memdev=vmem");
    setup_endpoint(&t, 0);
    qtest_writel(t.qts, cfg(HB_BUS + 1, 0, PCI_BASE_ADDRESS_2), bar2);
    qtest_writel(t.qts, cfg(HB_BUS + 1, 0, PCI_BASE_ADDRESS_3), 0);
    caps = qtest_readq(t.qts, bar2);
    g_assert_cmphex(caps & 0xffff, ==, 0);
    g_assert_cmphex(caps, !=, 0);
    for (uint64_t at = bar2; at < bar2 + 0x400; at++) {
        for (unsigned ones = 0; ones < 2; ones++) {
            qtest_readb(t.qts, at);
            qtest_writeb(t.qts, at, ones ? UINT8_MAX : 0);
            if (at % 2 == 0) {
                qtest_readw(t.qts, at);
                qtest_writew(t.qts, at, ones ? UINT16_MAX : 0);
            }
            if (at % 4 == 0) {
                qtest_readl(t.qts, at);
                qtest_writel(t.qts, at, ones ? UINT32_MAX : 0);
            }
            if (at % 8 == 0) {
                qtest_readq(t.qts, at);
                qtest_writeq(t.qts, at, ones ? UINT64_MAX : 0);
            }
        }
    }
    g_assert_cmphex(qtest_readq(t.qts, bar2), ==, caps);
    stop(&t);
}

/* Encodings of interleave that are reserved, or not for this component */
static void test_interleave(void)
{
    CXLTest t = {};
    uint64_t hb;

    start(&t, MACHINE PXB RP(0) RP(1) FILEMEM(0, "256M") TYPE2(0, "rp0")
          " -object memory-backend-ram,id=vmem,size=256M"
          " -device cxl-type3,bus=rp1,volatile-memdev=vmem");
    hb = find_hdm(&t, t.hb);
    for (unsigned iw = 0; iw < 16; iw++) {
        uint64_t ep = find_hdm(&t, setup_endpoint(&t, 1));
        uint32_t ctrl = CTRL_COMMIT | iw << 4;

        for (unsigned i = 0; i < 2; i++) {
            uint64_t hdm = i ? ep : hb, n = i ? 0 : 1;

            qtest_writel(t.qts, hdm + HDM_CTRL(n), 0);
            qtest_writeq(t.qts, hdm + HDM_BASE(n), t.window + CHUNK);
            qtest_writeq(t.qts, hdm + HDM_SIZE(n), CHUNK);
            qtest_writel(t.qts, hdm + HDM_TARGETS(n), 0x01010101);
            qtest_writel(t.qts, hdm + HDM_CTRL(n), ctrl);
        }
        for (unsigned i = 0; i < 32; i++) {
            qtest_readq(t.qts, t.window + CHUNK + i * 256);
            qtest_writeq(t.qts, t.window + CHUNK + i * 256, i);
        }
        assert_in_file(&t, 0, t.window);
    }
    stop(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_device("cxl-type2")) {
        g_test_skip("no cxl-type2");
        return 0;
    }

    qtest_add_func("/cxl-type2-quirk/keep-locked", test_keep_locked);
    qtest_add_func("/cxl-type2-quirk/config-lock", test_config_lock);
    qtest_add_func("/cxl-type2-quirk/no-reset", test_no_reset);
    if (qtest_has_device("pci-testdev")) {
        qtest_add_func("/cxl-type2-quirk/second-function",
                       test_second_function);
    }
    qtest_add_func("/cxl-type2-quirk/ats", test_ats);
    qtest_add_func("/cxl-type2-quirk/media", test_media);
    qtest_add_func("/cxl-type2-quirk/refused", test_refused);
    qtest_add_func("/cxl-type2-quirk/replug", test_replug);
    qtest_add_func("/cxl-type2-quirk/many-vectors", test_many_vectors);
    qtest_add_func("/cxl-type2-quirk/doe-vector", test_doe_vector);
    qtest_add_func("/cxl-type2-quirk/widths", test_widths);
    qtest_add_func("/cxl-type2-quirk/interleave", test_interleave);

    return g_test_run();
}

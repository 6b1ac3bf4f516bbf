/*
 * QTest testcase for QEMU in the role of CXL firmware, with cxl-type2
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/wait.h>
#include "libqtest.h"
#include "hw/pci/pci_regs.h"
#include "qobject/qdict.h"
#include "cxl-type2-util.h"

/* First fit in device order beside what was asked for; decoders by address */
static void test_placement(void)
{
    CXLTest t = {};
    uint64_t hb, hdm;

    start(&t, MACHINE PXB RP(0) RP(1) RP(2) FILEMEM(0, "256M")
          RAMMEM(1, "256M") RAMMEM(2, "512M")
          TYPE2(2, "rp2") TYPE2(0, "rp0") TYPE2(1, "rp1"));
    hdm = find_hdm(&t, setup_endpoint(&t, 2));
    assert_decoder(&t, hdm, 0, t.window, 2 * CHUNK, CTRL_LOCKED);
    g_assert_cmphex(qtest_readl(t.qts, hdm + HDM_GLOBAL), ==, 2);
    assert_decoder(&t, find_hdm(&t, setup_endpoint(&t, 0)), 0,
                   t.window + 2 * CHUNK, CHUNK, CTRL_LOCKED);
    assert_decoder(&t, find_hdm(&t, setup_endpoint(&t, 1)), 0,
                   t.window + 3 * CHUNK, CHUNK, CTRL_LOCKED);
    hb = find_hdm(&t, t.hb);
    /* HDM Decoder Enable is for endpoints */
    g_assert_cmphex(qtest_readl(t.qts, hb + HDM_GLOBAL), ==, 0);
    assert_decoder(&t, hb, 0, t.window, 2 * CHUNK, CTRL_LOCKED);
    g_assert_cmphex(qtest_readl(t.qts, hb + HDM_TARGETS(0)), ==, 2);
    assert_decoder(&t, hb, 1, t.window + 2 * CHUNK, CHUNK, CTRL_LOCKED);
    g_assert_cmphex(qtest_readl(t.qts, hb + HDM_TARGETS(1)), ==, 0);
    assert_decoder(&t, hb, 2, t.window + 3 * CHUNK, CHUNK, CTRL_LOCKED);
    g_assert_cmphex(qtest_readl(t.qts, hb + HDM_TARGETS(2)), ==, 1);
    assert_in_file(&t, 0, t.window + 2 * CHUNK);
    stop(&t);
}

/* A window may end with the address space (of 36 bits), but not later. */
static void test_no_place(void)
{
    const struct {
        uint64_t size;
        unsigned windows;
    } cases[] = {
        { 64 * GiB - 0x120000000, 2 },
        { 64 * GiB - 0x120000000 + CHUNK, 1 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *args = g_strdup_printf(
            "-nodefaults -m 128 -cpu qemu32 -machine q35,cxl=on,"
            "cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=256M,"
            "cxl-fmw.1.targets.0=cxl.0,cxl-fmw.1.size=%" PRIu64 "M "
            PXB RP(0) FILEMEM(0, "256M") TYPE2(0, "rp0"),
            cases[i].size / MiB, "%s");
        CXLTest t = {};

        start(&t, args);
        g_assert_cmphex(t.window, ==, 0x110000000);
        g_assert_cmpint(t.windows, ==, cases[i].windows);
        assert_committed(&t);
        g_assert(is_memory(&t, 0));
        g_assert(is_memory(&t, 64 * MiB));
        stop(&t);
    }
}

/* Eight devices below one host bridge, the last of them in a second window */
static void test_many(void)
{
    CXLTest t = {};
    g_autoptr(GString) args = g_string_new(
        "-nodefaults -m 128 -machine q35,cxl=on,"
        "cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=1792M,"
        "cxl-fmw.1.targets.0=cxl.0,cxl-fmw.1.size=256M " PXB
        " -object memory-backend-file,id=mem0,mem-path=%s,share=on,size=256M");
    uint64_t hb;

    for (unsigned n = 0; n < 8; n++) {
        if (n) {
            g_string_append_printf(args, " -object memory-backend-ram,id=mem%u,"
                                   "size=256M", n);
        }
        g_string_append_printf(args, " -device cxl-rp,id=rp%u,bus=cxl.0,"
                               "addr=%u,port=%u,chassis=0,slot=%u"
                               " -device cxl-type2,id=acc%u,memdev=mem%u,"
                               "bus=rp%u", n, n, n, n, n, n, n);
    }
    start(&t, args->str);
    hb = find_hdm(&t, t.hb);
    for (unsigned n = 0; n < 8; n++) {
        assert_decoder(&t, hb, n, t.window + n * CHUNK, CHUNK, CTRL_LOCKED);
        g_assert_cmphex(qtest_readl(t.qts, hb + HDM_TARGETS(n)), ==, n);
        assert_decoder(&t, find_hdm(&t, setup_endpoint(&t, n)), 0,
                       t.window + n * CHUNK, CHUNK, CTRL_LOCKED);
        g_assert(is_memory(&t, t.window + n * CHUNK));
    }
    assert_in_file(&t, 0, t.window);
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

static void assert_refused(QDict *rsp, const char *message)
{
    QDict *error = qdict_get_qdict(rsp, "error");

    g_assert_nonnull(error);
    g_test_message("%s", qdict_get_str(error, "desc"));
    g_assert_nonnull(strstr(qdict_get_str(error, "desc"), message));
    qobject_unref(rsp);
}

static void assert_plug_fails(CXLTest *t, unsigned n, unsigned mem,
                              const char *message)
{
    g_autofree char *bus = g_strdup_printf("rp%u", n);
    g_autofree char *memdev = g_strdup_printf("mem%u", mem);

    assert_refused(qtest_qmp(t->qts, "{'execute': 'device_add', 'arguments': {"
                             "'driver': 'cxl-type2', 'id': 'new', 'bus': %s,"
                             " 'memdev': %s}}", bus, memdev), message);
}

static void power_slot(CXLTest *t, unsigned n, bool on)
{
    uint16_t pos = find_cap(t, HB_BUS, n, PCI_CAP_ID_EXP) + PCI_EXP_SLTCTL;

    qtest_writew(t->qts, cfg(HB_BUS, n, pos),
                 on ? PCI_EXP_SLTCTL_PWR_IND_ON :
                 PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PCC);
}

static void plug(CXLTest *t, unsigned n, unsigned mem)
{
    g_autofree char *id = g_strdup_printf("acc%u", n);
    g_autofree char *bus = g_strdup_printf("rp%u", n);
    g_autofree char *memdev = g_strdup_printf("mem%u", mem);

    qtest_qmp_device_add(t->qts, "cxl-type2", id, "{'bus': %s, 'memdev': %s}",
                         bus, memdev);
    power_slot(t, n, true);
}

/* As an OS that lets a device go */
static void unplug(CXLTest *t, unsigned n)
{
    g_autofree char *id = g_strdup_printf("acc%u", n);

    qtest_qmp_assert_success(t->qts, "{'execute': 'device_del',"
                             " 'arguments': {'id': %s}}", id);
    power_slot(t, n, false);
    qtest_qmp_eventwait(t->qts, "DEVICE_DELETED");
    power_slot(t, n, true);
}

/* An OS that saw nothing below the bridge reads its decoders afterwards. */
static void test_plug_first(void)
{
    CXLTest t = {};
    uint64_t hb;

    start(&t, MACHINE PXB ",hdm_for_passthrough=true" RP(0) RP(1)
          FILEMEM(0, "256M") RAMMEM(1, "256M"));
    hb = find_hdm(&t, t.hb);
    assert_decoder(&t, hb, 0, 0, 0, 0);

    /* firmware commits it at once, and powering up the slot does no harm */
    plug(&t, 0, 0);
    assert_decoder(&t, hb, 0, t.window, CHUNK, CTRL_LOCKED);
    assert_in_file(&t, 0, t.window);
    assert_committed(&t);

    /* these decoders are all that the OS knows of, until a reset */
    assert_plug_fails(&t, 1, 1, "with hdm-reserve=256M at its cxl-rp");
    assert_decoder(&t, hb, 1, 0, 0, 0);
    reset(&t);
    assert_committed(&t);
    assert_in_file(&t, 0, t.window);
    stop(&t);

    /* a host bridge that started without decoders cannot lead anywhere */
    t = (CXLTest) {};
    start(&t, MACHINE PXB RP(0) FILEMEM(0, "256M"));
    assert_plug_fails(&t, 0, 0, "started without HDM decoders");
    stop(&t);
}

/* The window holds two, of which the lower one goes. */
static void test_plug_again(void)
{
    CXLTest t = {};
    uint64_t hb;

    start(&t, "-nodefaults -m 128 -machine q35,cxl=on,"
          "cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=512M " PXB RP(0) RP(1)
          FILEMEM(0, "256M") RAMMEM(1, "256M") RAMMEM(2, "512M")
          TYPE2(0, "rp0") TYPE2(1, "rp1"));
    hb = find_hdm(&t, t.hb);

    unplug(&t, 0);
    g_assert(!is_memory(&t, t.window));
    g_assert(is_memory(&t, t.window + CHUNK));
    assert_decoder(&t, hb, 0, t.window, CHUNK, CTRL_LOCKED);
    assert_decoder(&t, hb, 1, t.window + CHUNK, CHUNK, CTRL_LOCKED);

    assert_plug_fails(&t, 0, 2, "root port 0 of host bridge 'cxl.0' is for 256 "
                      "MiB at 0x");
    assert_refused(qtest_qmp(t.qts, "{'execute': 'device_add', 'arguments': {"
                             "'driver': 'cxl-type2', 'id': 'acc0',"
                             " 'bus': 'rp0', 'memdev': 'mem0',"
                             " 'cxl-fmws-base': %" PRIu64 "}}",
                             t.window + CHUNK), "MiB elsewhere");
    plug(&t, 0, 0);
    assert_decoder(&t, find_hdm(&t, setup_endpoint(&t, 0)), 0, t.window, CHUNK,
                   CTRL_LOCKED);
    assert_in_file(&t, 0, t.window);

    /* nor does it move when the OS starts anew without it */
    unplug(&t, 0);
    reset(&t);
    g_assert(!is_memory(&t, t.window));
    assert_decoder(&t, hb, 0, t.window, CHUNK, CTRL_LOCKED);
    assert_decoder(&t, hb, 1, t.window + CHUNK, CHUNK, CTRL_LOCKED);
    plug(&t, 0, 0);
    assert_decoder(&t, find_hdm(&t, setup_endpoint(&t, 0)), 0, t.window, CHUNK,
                   CTRL_LOCKED);
    assert_in_file(&t, 0, t.window);
    stop(&t);
}

/* With one root port the bridge has decoders because of the device */
static void test_plug_after_reset(void)
{
    CXLTest t = {};
    uint64_t hb;

    start(&t, MACHINE PXB RP(0) FILEMEM(0, "256M") RAMMEM(1, "512M")
          TYPE2(0, "rp0"));
    unplug(&t, 0);
    reset(&t);
    hb = find_hdm(&t, t.hb);
    assert_decoder(&t, hb, 0, 0, 0, 0);
    plug(&t, 0, 0);
    assert_committed(&t);
    assert_in_file(&t, 0, t.window);

    unplug(&t, 0);
    assert_plug_fails(&t, 0, 1, "until the next reset");
    reset(&t);
    plug(&t, 0, 1);
    assert_decoder(&t, hb, 0, t.window, 2 * CHUNK, CTRL_LOCKED);
    g_assert(is_memory(&t, t.window + CHUNK));
    stop(&t);
}

static void test_reserve(void)
{
    CXLTest t = {};
    uint64_t hb;

    start(&t, MACHINE PXB RP(0) RP(1) ",hdm-reserve=256M" RP(2)
          FILEMEM(0, "256M") RAMMEM(1, "256M") RAMMEM(2, "256M")
          TYPE2(0, "rp0"));
    hb = find_hdm(&t, t.hb);
    for (unsigned i = 0; i < 2; i++) {
        assert_decoder(&t, hb, 0, t.window, CHUNK, CTRL_LOCKED);
        g_assert_cmphex(qtest_readl(t.qts, hb + HDM_TARGETS(0)), ==, 1);
        assert_decoder(&t, hb, 1, t.window + CHUNK, CHUNK, CTRL_LOCKED);
        g_assert_cmphex(qtest_readl(t.qts, hb + HDM_TARGETS(1)), ==, 0);
        g_assert(!is_memory(&t, t.window));
        assert_in_file(&t, 0, t.window + CHUNK);

        plug(&t, 1, 1);
        g_assert(is_memory(&t, t.window));
        assert_plug_fails(&t, 2, 2, "hdm-reserve=256M");
        unplug(&t, 1);
        reset(&t);
    }
    stop(&t);

    /* the device that is there from the start takes it */
    t = (CXLTest) {};
    start(&t, MACHINE PXB RP(0) ",hdm-reserve=256M" FILEMEM(0, "256M")
          TYPE2(0, "rp0"));
    assert_committed(&t);
    assert_decoder(&t, find_hdm(&t, t.hb), 1, 0, 0, 0);
    stop(&t);
}

#define JSON_PXB \
    "{\"driver\":\"pxb-cxl\",\"id\":\"cxl.0\",\"bus\":\"pcie.0\"," \
    "\"bus_nr\":12"
#define JSON_RP \
    " -device '{\"driver\":\"cxl-rp\",\"id\":\"rp0\",\"bus\":\"cxl.0\"}'"

/* As the property was spelled when it was a plain bool */
static void test_passthrough_property(void)
{
    static const struct {
        const char *device;
        bool decoders;
    } forms[] = {
        { PXB ",hdm_for_passthrough=on" RP(0), true },
        { PXB ",hdm_for_passthrough=yes" RP(0), true },
        { PXB ",hdm_for_passthrough=on" RP(0), true },
        { PXB ",hdm_for_passthrough=y" RP(0), true },
        { PXB ",hdm_for_passthrough=false" RP(0), false },
        { PXB ",hdm_for_passthrough=no" RP(0), false },
        { PXB ",hdm_for_passthrough=off" RP(0), false },
        { PXB RP(0), false },
        { "-device '" JSON_PXB ",\"hdm_for_passthrough\":true}'" JSON_RP,
          true },
        { "-device '" JSON_PXB ",\"hdm_for_passthrough\":false}'" JSON_RP,
          false },
        { PXB RP(0) " -global pxb-cxl.hdm_for_passthrough=on", true },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
        QTestState *qts = qtest_initf("-nodefaults -m 128 -machine q35,cxl=on,"
                                      "cxl-fmw.0.targets.0=cxl.0,"
                                      "cxl-fmw.0.size=1G %s",
                                      forms[i].device);
        /* The host bridges' registers are at the end of RAM above 4 GiB */
        uint64_t caps = 0x100000000 + 4 * KiB;
        unsigned n = qtest_readl(qts, caps) >> 24;
        bool found = false;

        g_assert_cmpuint(n, >, 0);
        for (unsigned cap = 1; cap <= n; cap++) {
            found |= (qtest_readl(qts, caps + 4 * cap) & 0xffff) == CAP_HDM;
        }
        g_test_message("%s", forms[i].device);
        g_assert_cmpint(found, ==, forms[i].decoders);
        qtest_quit(qts);
    }
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
      "cxl-fmw.0.size=4G " PXB RP(0) RP(1) RP(2) RP(3) RP(4) RP(5) RP(6) RP(7)
      RP(8) RP(9) RP(10)
      RAMMEM(0, "256M") RAMMEM(1, "256M") RAMMEM(2, "256M") RAMMEM(3, "256M")
      RAMMEM(4, "256M") RAMMEM(5, "256M") RAMMEM(6, "256M") RAMMEM(7, "256M")
      RAMMEM(8, "256M") RAMMEM(9, "256M") RAMMEM(10, "256M")
      TYPE2(0, "rp0") TYPE2(1, "rp1") TYPE2(2, "rp2") TYPE2(3, "rp3")
      TYPE2(4, "rp4") TYPE2(5, "rp5") TYPE2(6, "rp6") TYPE2(7, "rp7")
      TYPE2(8, "rp8") TYPE2(9, "rp9") TYPE2(10, "rp10"),
      "cxl-type2 'acc10': all 10 HDM decoders of pxb-cxl 'cxl.0' are taken" },
    { "cxl-off",
      "-nodefaults -m 128 -machine q35,cxl-fmw.0.targets.0=cxl.0,"
      "cxl-fmw.0.size=1G " PXB RP(0) RAMMEM(0, "256M") TYPE2(0, "rp0"),
      "add cxl=on to -machine" },
    { "port-number",
      MACHINE PXB " -device cxl-rp,id=rp0,bus=cxl.0,chassis=0,slot=0"
      " -device cxl-rp,id=rp1,bus=cxl.0,chassis=0,slot=1"
      RAMMEM(0, "256M") RAMMEM(1, "256M") TYPE2(0, "rp0") TYPE2(1, "rp1"),
      "port number 0 of 'rp1' is also that of 'rp0'" },
    { "reserve-unaligned",
      MACHINE PXB RP(0) ",hdm-reserve=100M",
      "hdm-reserve=0x6400000 is not a multiple of 256 MiB" },
    { "reserve-elsewhere",
      MACHINE " -device cxl-rp,id=rp0,bus=pcie.0,chassis=0,slot=0"
      ",hdm-reserve=256M", "needs a root port below a CXL host bridge" },
    { "reserve-no-room",
      MACHINE PXB RP(0) ",hdm-reserve=2G",
      "cxl-rp 'rp0': hdm-reserve: no 2048 MiB free" },
    { "reserve-no-decoders",
      MACHINE PXB ",hdm_for_passthrough=off" RP(0) ",hdm-reserve=256M",
      "which has hdm_for_passthrough=off" },
    { "reserve-port-number",
      MACHINE PXB " -device cxl-rp,id=rp0,bus=cxl.0,chassis=0,slot=0"
      ",hdm-reserve=256M -device cxl-rp,id=rp1,bus=cxl.0,chassis=0,slot=1"
      ",hdm-reserve=256M", "two root ports of number 0" },
    { "reserve-size",
      MACHINE PXB RP(0) ",hdm-reserve=512M" RAMMEM(0, "256M") TYPE2(0, "rp0"),
      "(hdm-reserve), and not for 256 MiB" },
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
    { "reset-timeout",
      MACHINE PXB RP(0) RAMMEM(0, "256M") TYPE2(0, "rp0")
      ",x-cxl-reset-timeout=5", "x-cxl-reset-timeout, 5, is above 4" },
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

    qtest_add_func("/cxl-path/placement", test_placement);
    qtest_add_func("/cxl-path/no-place", test_no_place);
    qtest_add_func("/cxl-path/many", test_many);
    qtest_add_func("/cxl-path/wanted", test_wanted);
    qtest_add_func("/cxl-path/switch", test_switch);
    qtest_add_func("/cxl-path/plug/first", test_plug_first);
    qtest_add_func("/cxl-path/plug/again", test_plug_again);
    qtest_add_func("/cxl-path/plug/after-reset", test_plug_after_reset);
    qtest_add_func("/cxl-path/plug/reserve", test_reserve);
    qtest_add_func("/cxl-path/hdm_for_passthrough", test_passthrough_property);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autofree char *name = g_strdup_printf("/cxl-path/bad/%s",
                                                bad[i].name);

        qtest_add_data_func(name, GUINT_TO_POINTER(i), test_bad);
    }

    return g_test_run();
}

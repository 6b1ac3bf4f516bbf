/*
 * QTest testcase for errors of cxl-type2, and for their injection
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "hw/pci/pci_regs.h"
#include "qobject/qdict.h"
#include "cxl-type2-util.h"

/* CXL r4.0 RAS Capability Structure, byte offsets */
#define UNC_STATUS      0x00
#define UNC_MASK        0x04
#define COR_STATUS      0x0c
#define COR_MASK        0x10
#define ERR_CTRL        0x14
#define HEADER(n)       (0x18 + 4 * (n))

#define FIRST_POINTER   0x3f
#define CACHE_BE        2
#define MEM_ECC         7
#define INTERNAL        14
#define IDE_RX          16
#define PHYSICAL        6

typedef struct {
    CXLTest t;
    uint64_t ras;
    uint64_t aer;           /* of the endpoint */
    uint64_t root;          /* AER of the root port */
} RASTest;

/* Unmask everything, on all of the way to the root port */
static void start_ras(RASTest *r)
{
    CXLTest *t = &r->t;
    uint64_t devctl;

    start(t, MACHINE PXB RP(0) FILEMEM(0, "256M") TYPE2(0, "rp0"));
    r->ras = find_component(t, setup_endpoint(t, 0), CAP_RAS);
    r->aer = cfg(13, 0, find_ext_cap(t, 13, PCI_EXT_CAP_ID_ERR));
    g_assert_cmphex(r->aer, !=, cfg(13, 0, 0));
    r->root = cfg(HB_BUS, 0, find_ext_cap(t, HB_BUS, PCI_EXT_CAP_ID_ERR));
    g_assert_cmphex(r->root, !=, cfg(HB_BUS, 0, 0));

    devctl = cfg(13, 0, find_cap(t, 13, 0, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL);
    qtest_writew(t->qts, devctl, PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
                 PCI_EXP_DEVCTL_FERE);
    devctl = cfg(HB_BUS, 0, find_cap(t, HB_BUS, 0, PCI_CAP_ID_EXP) +
                 PCI_EXP_DEVCTL);
    qtest_writew(t->qts, devctl, PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
                 PCI_EXP_DEVCTL_FERE);
    qtest_writew(t->qts, cfg(HB_BUS, 0, PCI_BRIDGE_CONTROL),
                 PCI_BRIDGE_CTL_SERR);
    qtest_writel(t->qts, r->aer + PCI_ERR_UNCOR_MASK, 0);
    qtest_writel(t->qts, r->aer + PCI_ERR_COR_MASK, 0);
    qtest_writel(t->qts, r->ras + UNC_MASK, 0);
    qtest_writel(t->qts, r->ras + COR_MASK, 0);
}

static void inject(RASTest *r, const char *errors)
{
    g_autofree char *cmd = g_strdup_printf(
        "{'execute': 'cxl-inject-uncorrectable-errors', 'arguments': {"
        "'path': '/machine/peripheral/acc0', 'errors': [%s]}}", errors);

    qtest_qmp_assert_success(r->t.qts, cmd, NULL);
}

static void inject_correctable(RASTest *r, const char *type)
{
    qtest_qmp_assert_success(r->t.qts,
        "{'execute': 'cxl-inject-correctable-error', 'arguments': {"
        "'path': '/machine/peripheral/acc0', 'type': %s}}", type);
}

static uint32_t ras(RASTest *r, unsigned offset)
{
    return qtest_readl(r->t.qts, r->ras + offset);
}

/* Whether something came to the root port since the last time */
static bool signalled(RASTest *r, uint32_t kind)
{
    uint32_t status = qtest_readl(r->t.qts, r->root + PCI_ERR_ROOT_STATUS);

    qtest_writel(r->t.qts, r->root + PCI_ERR_ROOT_STATUS, status);
    g_assert_cmphex(status & ~0xf8000000 & ~PCI_ERR_ROOT_FIRST_FATAL &
                    ~PCI_ERR_ROOT_FATAL_RCV & ~PCI_ERR_ROOT_NONFATAL_RCV &
                    ~kind, ==, 0);
    return status & kind;
}

static void test_uncorrectable(void)
{
    RASTest r = {};
    QTestState *qts;
    uint64_t link;

    start_ras(&r);
    qts = r.t.qts;
    link = find_component(&r.t, setup_endpoint(&r.t, 0), CAP_LINK);
    g_assert(!signalled(&r, PCI_ERR_ROOT_UNCOR_RCV));
    inject(&r, "{'type': 'mem-data-ecc', 'header': [1, 2, 3, 4, 5, 6, 7, 8, 9,"
           " 10, 11, 12, 13, 14, 15, 4294967295]},"
           "{'type': 'cxl-ide-rx', 'header': [17]},"
           "{'type': 'internal', 'header': [18, 19]}");
    g_assert_cmphex(ras(&r, UNC_STATUS), ==,
                    1 << MEM_ECC | 1 << IDE_RX | 1 << INTERNAL);
    g_assert_cmphex(ras(&r, ERR_CTRL) & FIRST_POINTER, ==, MEM_ECC);
    g_assert_cmphex(ras(&r, HEADER(0)), ==, 1);
    g_assert_cmphex(ras(&r, HEADER(14)), ==, 15);
    g_assert_cmphex(ras(&r, HEADER(15)), ==, UINT32_MAX);
    /* which is the last; what comes next is the link's */
    g_assert_cmphex(qtest_readl(qts, link + LINK_ACK_TIMER), ==, 0x3c10);
    g_assert(signalled(&r, PCI_ERR_ROOT_UNCOR_RCV));
    g_assert(!signalled(&r, PCI_ERR_ROOT_UNCOR_RCV));
    g_assert_cmphex(qtest_readl(qts, r.aer + PCI_ERR_UNCOR_STATUS), ==,
                    PCI_ERR_UNC_INTN);
    g_assert_cmphex(qtest_readw(qts, r.root + PCI_ERR_ROOT_ERR_SRC + 2), ==,
                    13 << 8);

    /* one after the other, in the order of their appearance */
    qtest_writel(qts, r.ras + UNC_STATUS, 1 << MEM_ECC);
    g_assert_cmphex(ras(&r, UNC_STATUS), ==, 1 << IDE_RX | 1 << INTERNAL);
    g_assert_cmphex(ras(&r, ERR_CTRL) & FIRST_POINTER, ==, IDE_RX);
    g_assert_cmphex(ras(&r, HEADER(0)), ==, 17);
    g_assert_cmphex(ras(&r, HEADER(15)), ==, 0);
    qtest_writel(qts, r.ras + UNC_STATUS, 1 << INTERNAL);
    g_assert_cmphex(ras(&r, ERR_CTRL) & FIRST_POINTER, ==, IDE_RX);
    qtest_writel(qts, r.ras + UNC_STATUS, UINT32_MAX);
    g_assert_cmphex(ras(&r, UNC_STATUS), ==, 0);
    g_assert_cmphex(ras(&r, ERR_CTRL) & FIRST_POINTER, ==, FIRST_POINTER);
    stop(&r.t);
}

static void test_masked(void)
{
    RASTest r = {};
    QTestState *qts;

    start_ras(&r);
    qts = r.t.qts;
    qtest_writel(qts, r.ras + UNC_MASK, 1 << CACHE_BE);
    qtest_writel(qts, r.ras + COR_MASK, 1 << PHYSICAL);
    inject(&r, "{'type': 'cache-be-parity', 'header': [1]}");
    inject_correctable(&r, "physical");
    g_assert_cmphex(ras(&r, UNC_STATUS), ==, 1 << CACHE_BE);
    g_assert_cmphex(ras(&r, ERR_CTRL) & FIRST_POINTER, ==, FIRST_POINTER);
    g_assert_cmphex(ras(&r, HEADER(0)), ==, 0);
    g_assert_cmphex(ras(&r, COR_STATUS), ==, 1 << PHYSICAL);
    g_assert(!signalled(&r, PCI_ERR_ROOT_UNCOR_RCV));
    g_assert_cmphex(qtest_readl(qts, r.aer + PCI_ERR_UNCOR_STATUS), ==, 0);

    /* AER has masks of its own */
    qtest_writel(qts, r.aer + PCI_ERR_UNCOR_MASK, PCI_ERR_UNC_INTN);
    qtest_writel(qts, r.ras + UNC_MASK, 0);
    inject(&r, "{'type': 'cache-be-parity', 'header': [1]}");
    g_assert_cmphex(ras(&r, ERR_CTRL) & FIRST_POINTER, ==, CACHE_BE);
    g_assert_cmphex(ras(&r, HEADER(0)), ==, 1);
    g_assert(!signalled(&r, PCI_ERR_ROOT_UNCOR_RCV));
    g_assert_cmphex(qtest_readl(qts, r.aer + PCI_ERR_UNCOR_STATUS), ==,
                    PCI_ERR_UNC_INTN);
    stop(&r.t);
}

static void test_correctable(void)
{
    RASTest r = {};

    start_ras(&r);
    inject_correctable(&r, "cache-data-ecc");
    g_assert(signalled(&r, PCI_ERR_ROOT_COR_RCV));
    inject_correctable(&r, "physical");
    g_assert(signalled(&r, PCI_ERR_ROOT_COR_RCV));
    g_assert_cmphex(ras(&r, COR_STATUS), ==, 1 | 1 << PHYSICAL);
    g_assert_cmphex(qtest_readl(r.t.qts, r.aer + PCI_ERR_COR_STATUS), ==,
                    PCI_ERR_COR_INTERNAL);
    g_assert_cmphex(ras(&r, UNC_STATUS), ==, 0);
    qtest_writel(r.t.qts, r.ras + COR_STATUS, 1);
    g_assert_cmphex(ras(&r, COR_STATUS), ==, 1 << PHYSICAL);
    stop(&r.t);
}

/* All of it survives every reset but that of the system */
static void test_sticky(void)
{
    RASTest r = {};
    uint64_t ctrl2;

    start_ras(&r);
    ctrl2 = cfg(13, 0, find_dvsec(&r.t, 13, DVSEC_CXL_DEVICE) + DVSEC_CTRL2);
    inject(&r, "{'type': 'mem-data-ecc', 'header': [1]},"
           "{'type': 'internal', 'header': [2]}");
    inject_correctable(&r, "physical");

    for (unsigned i = 0; i < 3; i++) {
        if (i == 0) {
            flr(&r.t, 13);
        } else if (i == 1) {
            qtest_writew(r.t.qts, ctrl2, CTRL2_RESET);
        } else {
            bus_reset(&r.t, 0);
        }
        setup_endpoint(&r.t, 0);
        g_assert_cmphex(ras(&r, UNC_STATUS), ==, 1 << MEM_ECC | 1 << INTERNAL);
        g_assert_cmphex(ras(&r, UNC_MASK), ==, 0);
        g_assert_cmphex(ras(&r, COR_STATUS), ==, 1 << PHYSICAL);
        g_assert_cmphex(ras(&r, COR_MASK), ==, 0);
        g_assert_cmphex(ras(&r, ERR_CTRL) & FIRST_POINTER, ==, MEM_ECC);
        g_assert_cmphex(ras(&r, HEADER(0)), ==, 1);
    }
    qtest_writel(r.t.qts, r.ras + UNC_STATUS, 1 << MEM_ECC);
    g_assert_cmphex(ras(&r, HEADER(0)), ==, 2);

    reset(&r.t);
    setup_endpoint(&r.t, 0);
    g_assert_cmphex(ras(&r, UNC_STATUS), ==, 0);
    g_assert_cmphex(ras(&r, UNC_MASK), ==, 0x1cfff);
    g_assert_cmphex(ras(&r, COR_STATUS), ==, 0);
    g_assert_cmphex(ras(&r, HEADER(0)), ==, 0);
    /* nor is there a record of it */
    qtest_writel(r.t.qts, r.ras + UNC_MASK, 0);
    inject(&r, "{'type': 'cxl-ide-rx', 'header': [3]}");
    g_assert_cmphex(ras(&r, ERR_CTRL) & FIRST_POINTER, ==, IDE_RX);
    g_assert_cmphex(ras(&r, HEADER(0)), ==, 3);
    stop(&r.t);
}

static void assert_refused(RASTest *r, const char *path, const char *header,
                           const char *message)
{
    g_autofree char *cmd = g_strdup_printf(
        "{'execute': 'cxl-inject-uncorrectable-errors', 'arguments': {"
        "'path': '%s', 'errors': [{'type': 'internal', 'header': [%s]}]}}",
        path, header);
    QDict *rsp = qtest_qmp(r->t.qts, cmd, NULL);
    QDict *error = qdict_get_qdict(rsp, "error");

    g_assert_nonnull(error);
    g_assert_nonnull(strstr(qdict_get_str(error, "desc"), message));
    qobject_unref(rsp);
    g_assert_cmphex(ras(r, UNC_STATUS), ==, 0);
}

static void test_refused(void)
{
    RASTest r = {};

    start_ras(&r);
    assert_refused(&r, "/machine/peripheral/acc0",
                   "1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7",
                   "header of internal has more than 16 double words");
    assert_refused(&r, "/machine/peripheral/rp0", "1",
                   "Path does not point to a CXL device that can have errors");
    stop(&r.t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_device("cxl-type2")) {
        g_test_skip("no cxl-type2");
        return 0;
    }

    qtest_add_func("/cxl-type2-ras/uncorrectable", test_uncorrectable);
    qtest_add_func("/cxl-type2-ras/masked", test_masked);
    qtest_add_func("/cxl-type2-ras/correctable", test_correctable);
    qtest_add_func("/cxl-type2-ras/sticky", test_sticky);
    qtest_add_func("/cxl-type2-ras/refused", test_refused);

    return g_test_run();
}

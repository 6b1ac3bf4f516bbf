/*
 * What the tests of cxl-type2 share
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "libqtest.h"
#include "libqos/fw_cfg.h"
#include "libqos/libqos-pc.h"
#include "hw/pci/pci_regs.h"
#include "cxl-type2-util.h"

bool can_punch_holes(void)
{
    bool can = false;
#ifdef CONFIG_FALLOCATE_PUNCH_HOLE
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("cxl-type2-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    can = !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, MiB);
    close(fd);
    unlink(path);
#endif
    return can;
}

/* ---- configuration space ---- */

uint64_t cfg(uint8_t bus, uint8_t slot, uint16_t reg)
{
    return ECAM + (bus << 20) + (slot << 15) + reg;
}

uint16_t find_dvsec(CXLTest *t, uint8_t bus, uint16_t id)
{
    uint16_t pos = PCI_CFG_SPACE_SIZE;

    while (pos) {
        uint32_t header = qtest_readl(t->qts, cfg(bus, 0, pos));

        g_assert_cmphex(header, !=, UINT32_MAX);
        if (PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_DVSEC &&
            qtest_readw(t->qts, cfg(bus, 0, pos + 4)) == 0x1e98 &&
            qtest_readw(t->qts, cfg(bus, 0, pos + 8)) == id) {
            return pos;
        }
        pos = PCI_EXT_CAP_NEXT(header);
    }
    g_assert_not_reached();
}

uint16_t find_ext_cap(CXLTest *t, uint8_t bus, uint16_t id)
{
    uint16_t pos = PCI_CFG_SPACE_SIZE;

    while (pos) {
        uint32_t header = qtest_readl(t->qts, cfg(bus, 0, pos));

        g_assert_cmphex(header, !=, UINT32_MAX);
        if (PCI_EXT_CAP_ID(header) == id) {
            break;
        }
        pos = PCI_EXT_CAP_NEXT(header);
    }
    return pos;
}

uint16_t find_cap(CXLTest *t, uint8_t bus, uint8_t slot, uint8_t id)
{
    uint8_t pos = qtest_readb(t->qts, cfg(bus, slot, PCI_CAPABILITY_LIST));

    while (pos && qtest_readb(t->qts, cfg(bus, slot, pos)) != id) {
        pos = qtest_readb(t->qts, cfg(bus, slot, pos + PCI_CAP_LIST_NEXT));
    }
    g_assert_cmpint(pos, !=, 0);
    return pos;
}

void setup_bridge(CXLTest *t, uint8_t bus, uint8_t slot, uint8_t sec,
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

void setup_bar(CXLTest *t, uint8_t bus, uint32_t base)
{
    qtest_writel(t->qts, cfg(bus, 0, PCI_BASE_ADDRESS_0), base);
    qtest_writel(t->qts, cfg(bus, 0, PCI_BASE_ADDRESS_1), 0);
    qtest_writew(t->qts, cfg(bus, 0, PCI_COMMAND),
                 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

uint64_t setup_endpoint(CXLTest *t, unsigned n)
{
    uint32_t base = MMIO + n * 16 * MiB;

    setup_bridge(t, HB_BUS, n, HB_BUS + 1 + n, HB_BUS + 1 + n, base, 16 * MiB);
    setup_bar(t, HB_BUS + 1 + n, base);
    return base;
}

void bus_reset(CXLTest *t, unsigned n)
{
    qtest_writew(t->qts, cfg(HB_BUS, n, PCI_BRIDGE_CONTROL),
                 PCI_BRIDGE_CTL_BUS_RESET);
    qtest_writew(t->qts, cfg(HB_BUS, n, PCI_BRIDGE_CONTROL), 0);
}

void flr(CXLTest *t, uint8_t bus)
{
    uint16_t pos = find_cap(t, bus, 0, PCI_CAP_ID_EXP);

    qtest_writew(t->qts, cfg(bus, 0, pos + PCI_EXP_DEVCTL),
                 PCI_EXP_DEVCTL_BCR_FLR);
}

/* ---- component registers ---- */

uint64_t find_component(CXLTest *t, uint64_t block, uint16_t id)
{
    uint64_t cm = block + 0x1000;
    uint32_t header = qtest_readl(t->qts, cm);

    g_assert_cmphex(header & 0xffff, ==, 1);
    for (unsigned i = 1; i <= header >> 24; i++) {
        uint32_t cap = qtest_readl(t->qts, cm + 4 * i);

        if ((cap & 0xffff) == id) {
            return cm + (cap >> 20);
        }
    }
    return 0;
}

uint64_t find_hdm(CXLTest *t, uint64_t block)
{
    return find_component(t, block, CAP_HDM);
}

void assert_decoder(CXLTest *t, uint64_t hdm, unsigned n, uint64_t base,
                    uint64_t size, uint32_t ctrl)
{
    g_assert_cmphex(qtest_readl(t->qts, hdm + HDM_CTRL(n)), ==, ctrl);
    g_assert_cmphex(qtest_readq(t->qts, hdm + HDM_BASE(n)), ==, base);
    g_assert_cmphex(qtest_readq(t->qts, hdm + HDM_SIZE(n)), ==, size);
}

uint32_t commit(CXLTest *t, uint64_t hdm, unsigned n, uint64_t base,
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

bool is_memory(CXLTest *t, uint64_t addr)
{
    static uint64_t token = 0x5a5a0000;

    qtest_writeq(t->qts, addr, ++token);
    return qtest_readq(t->qts, addr) == token;
}

void assert_in_fd(CXLTest *t, int fd, uint64_t offset, uint64_t addr)
{
    static uint64_t token = 0x1234567800000000;
    uint64_t seen = 0;

    qtest_memwrite(t->qts, addr, &(uint64_t){ ++token }, sizeof(token));
    g_assert_cmpint(pread(fd, &seen, sizeof(seen), offset), ==, sizeof(seen));
    g_assert_cmphex(seen, ==, token);

    seen = ++token;
    g_assert_cmpint(pwrite(fd, &seen, sizeof(seen), offset), ==, sizeof(seen));
    qtest_memread(t->qts, addr, &seen, sizeof(seen));
    g_assert_cmphex(seen, ==, token);
}

void assert_in_file(CXLTest *t, uint64_t offset, uint64_t addr)
{
    int fd = open(t->path, O_RDWR);

    g_assert_cmpint(fd, >=, 0);
    assert_in_fd(t, fd, offset, addr);
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
        } else if (p[0] == 1 && !t->windows++) {
            t->window = ldq_le_p(p + 8);
        }
    }
    g_assert(t->hb && t->window);
    pc_fw_cfg_uninit(fw_cfg);
}

void enable_ecam(CXLTest *t)
{
    /* PCIEXBAR of the q35 host bridge */
    qtest_outl(t->qts, 0xcf8, 0x80000064);
    qtest_outl(t->qts, 0xcfc, 0);
    qtest_outl(t->qts, 0xcf8, 0x80000060);
    qtest_outl(t->qts, 0xcfc, ECAM | 1);
}

void start(CXLTest *t, const char *args)
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

void stop(CXLTest *t)
{
    qtest_shutdown(t->qs);
    unlink(t->path);
    g_free(t->path);
}

void reset(CXLTest *t)
{
    qtest_system_reset(t->qts);
    enable_ecam(t);
}

/* ---- what firmware did ---- */

void assert_committed(CXLTest *t)
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

/* ---- resets, of acc0 ---- */

uint64_t dvsec(CXLTest *t, uint16_t reg)
{
    return cfg(13, 0, find_dvsec(t, 13, DVSEC_CXL_DEVICE) + reg);
}

void set_ctrl2(CXLTest *t, uint16_t value)
{
    qtest_writew(t->qts, dvsec(t, DVSEC_CTRL2), value);
}

void assert_ctrl2(CXLTest *t, uint16_t ctrl2, uint16_t status2)
{
    g_assert_cmphex(qtest_readw(t->qts, dvsec(t, DVSEC_CTRL2)), ==, ctrl2);
    g_assert_cmphex(qtest_readw(t->qts, dvsec(t, DVSEC_STATUS2)), ==, status2);
}

void assert_ready(CXLTest *t, uint32_t ready)
{
    uint32_t lo = qtest_readl(t->qts, dvsec(t, DVSEC_SIZE_LO));

    g_assert_cmphex(lo, ==, (ready & INFO_VALID ? CHUNK : 0) | ready);
    g_assert(is_memory(t, t->window) == !!(ready & MEM_ACTIVE));
}

void qom_set(CXLTest *t, const char *fmt, ...)
{
    g_autofree char *what = NULL;
    g_autofree char *cmd = NULL;
    va_list ap;

    va_start(ap, fmt);
    what = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    cmd = g_strdup_printf("{'execute': 'qom-set', 'arguments':"
                          " {'path': '/machine/peripheral/acc0', %s}}", what);
    qtest_qmp_assert_success(t->qts, cmd, NULL);
}

void restore(CXLTest *t, uint64_t hdm)
{
    qtest_writeq(t->qts, hdm + HDM_BASE(0), t->window);
    qtest_writeq(t->qts, hdm + HDM_SIZE(0), CHUNK);
    qtest_writel(t->qts, hdm + HDM_GLOBAL, 2);
    qtest_writel(t->qts, hdm + HDM_CTRL(0), CTRL_LOCK | CTRL_COMMIT);
    assert_decoder(t, hdm, 0, t->window, CHUNK, CTRL_LOCKED);
}

uint64_t assert_lost(CXLTest *t)
{
    uint64_t hdm;

    g_assert_cmphex(qtest_readw(t->qts, cfg(13, 0, PCI_COMMAND)), ==, 0);
    g_assert_cmphex(qtest_readw(t->qts, dvsec(t, DVSEC_CTRL)), ==, 0x0002);
    g_assert(!is_memory(t, t->window));
    hdm = find_hdm(t, setup_endpoint(t, 0));
    assert_decoder(t, hdm, 0, 0, 0, 0);
    g_assert_cmphex(qtest_readl(t->qts, hdm + HDM_GLOBAL), ==, 0);
    assert_decoder(t, find_hdm(t, t->hb), 0, t->window, CHUNK, CTRL_LOCKED);
    return hdm;
}

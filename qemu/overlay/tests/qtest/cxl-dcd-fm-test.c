/*
 * QTest testcase for dynamic capacity that a fabric manager gives
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/pci/pci_regs.h"
#include "cxl-dcd-util.h"

/* ---- the fabric manager, through a switch's mailbox ---- */

static uint16_t fm_command_for(CXLTest *t, uint64_t mbox, uint16_t host,
                               uint16_t opcode, uint8_t policy,
                               unsigned region, unsigned tag,
                               unsigned extent_tag, const Extent *e, unsigned n)
{
    static const uint8_t uuid[16] = {
        0x5b, 0xe1, 0x3b, 0xce, 0xae, 0x34, 0x4a, 0x77,
        0xb6, 0xc3, 0x16, 0xdf, 0x97, 0x5f,
    };
    size_t len = 32 + 40 * n;
    uint8_t in[512] = {}, out[64];
    uint8_t *msg = in + 4, *pl = msg + 12;

    in[0] = 0;                          /* port of the switch */
    stw_le_p(in + 2, 12 + len);
    msg[3] = opcode & 0xff;
    msg[4] = opcode >> 8;
    st24_le_p(msg + 5, len);
    stw_le_p(pl, host);
    pl[2] = policy;
    pl[3] = region;
    if (tag) {
        memcpy(pl + 12, uuid, 14);
        stw_be_p(pl + 26, tag);
    }
    stl_le_p(pl + 28, n);
    for (unsigned i = 0; i < n; i++) {
        stq_le_p(pl + 32 + 40 * i, e[i].dpa);
        stq_le_p(pl + 40 + 40 * i, e[i].len);
        if (extent_tag) {
            memcpy(pl + 48 + 40 * i, uuid, 14);
            stw_be_p(pl + 62 + 40 * i, extent_tag);
        }
    }
    g_assert_cmphex(run_command(t, mbox, TUNNEL, in, 16 + len, out,
                                sizeof(out)), ==, SUCCESS);
    return lduw_le_p(out + 4 + 8);
}

static uint16_t fm_command(CXLTest *t, uint64_t mbox, uint16_t opcode,
                           uint8_t policy, unsigned region, unsigned tag,
                           unsigned extent_tag, const Extent *e, unsigned n)
{
    return fm_command_for(t, mbox, 0, opcode, policy, region, tag, extent_tag,
                          e, n);
}

/*
 * Messages with more extents, and a longer payload, than the tunnel carries.
 * It claims @said extents, and carries @carried.
 */
static void assert_fm_length(CXLTest *t, uint64_t mbox, uint16_t opcode,
                             uint32_t said, unsigned carried,
                             uint32_t pl_length, uint16_t expected,
                             uint16_t inner)
{
    size_t len = 32 + 40 * carried;
    uint8_t in[512] = {}, out[64];
    uint8_t *msg = in + 4, *pl = msg + 12;

    stw_le_p(in + 2, 12 + len);
    msg[3] = opcode & 0xff;
    msg[4] = opcode >> 8;
    st24_le_p(msg + 5, pl_length);
    pl[2] = opcode == FM_DC_ADD ? 2 : 1;
    memset(pl + 12, 0xa5, 16);
    stl_le_p(pl + 28, said);
    for (unsigned i = 0; i < carried; i++) {
        stq_le_p(pl + 32 + 40 * i, 2 * i * BLOCK);
        stq_le_p(pl + 40 + 40 * i, BLOCK);
    }
    g_assert_cmphex(run_command(t, mbox, TUNNEL, in, 16 + len, out,
                                sizeof(out)), ==, expected);
    if (expected == SUCCESS) {
        g_assert_cmphex(lduw_le_p(out + 4 + 8), ==, inner);
    }
}

static void test_fm(void)
{
    const Extent one = { 0, BLOCK };
    const Extent two[] = { { CHUNK, BLOCK }, { CHUNK + 2 * BLOCK, BLOCK } };
    uint64_t usp, hb, fm;
    CXLTest t;
    Dcd d = { .id = "dcd0" };

    boot(&t, MACHINE PXB_HDM RP(0)
         " -device cxl-upstream,id=us0,bus=rp0,addr=0.0,multifunction=on"
         " -device cxl-switch-mailbox-cci,bus=rp0,addr=0.1,target=us0"
         " -device cxl-downstream,id=ds0,bus=us0,port=0,chassis=1,slot=0"
         DCD(0, "ds0", TWO_REGIONS));
    setup_bridge(&t, 12, 0, 13, 15, MMIO, 16 * MiB);
    setup_bridge(&t, 13, 0, 14, 15, MMIO, 8 * MiB);
    setup_bar(&t, 13, MMIO + 8 * MiB);
    setup_bridge(&t, 14, 0, 15, 15, MMIO, 4 * MiB);
    setup_bar(&t, 15, MMIO);
    d.hdm = find_hdm(&t, MMIO);
    d.mbox = setup_device_bar(&t, 15, PCI_BASE_ADDRESS_2, MMIO + MiB);
    qtest_writel(t.qts, cfg(13, 0, 0x1000 + PCI_BASE_ADDRESS_0),
                 MMIO + 9 * MiB);
    qtest_writew(t.qts, cfg(13, 0, 0x1000 + PCI_COMMAND),
                 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    fm = find_mailbox(&t, MMIO + 9 * MiB);
    usp = find_hdm(&t, MMIO + 8 * MiB);
    hb = find_hdm(&t, t.hb);
    qtest_writel(t.qts, usp + HDM_TARGETS(0), 0);
    qtest_writel(t.qts, hb + HDM_TARGETS(0), 0);
    commit(&t, hb, 0, t.window, 2 * CHUNK);
    commit(&t, usp, 0, t.window, 2 * CHUNK);
    commit(&t, d.hdm, 0, t.window, 2 * CHUNK);

    backend_add(&t, 1, BLOCK);
    backend_add(&t, 2, 2 * BLOCK);
    g_assert_cmphex(fm_command(&t, fm, FM_DC_ADD, 2, 0, 0, 0, &one, 1), ==,
                    INVALID_INPUT);
    g_assert_cmphex(fm_command(&t, fm, FM_DC_ADD, 2, 0, 9, 0, &one, 1), ==,
                    INVALID_INPUT);
    g_assert_cmphex(fm_command(&t, fm, FM_DC_ADD, 2, 0, 2, 0, &one, 1), ==,
                    INVALID_INPUT);
    g_assert_cmphex(fm_command(&t, fm, FM_DC_ADD, 2, 0, 1, 0, &one, 0), ==,
                    INVALID_INPUT);
    g_assert_cmphex(fm_command(&t, fm, FM_DC_ADD, 2, 0, 1, 0,
                               &(Extent){ 64, BLOCK }, 1), ==, INVALID_LIST);
    g_assert_cmphex(fm_command_for(&t, fm, 1, FM_DC_ADD, 2, 0, 1, 0, &one, 1),
                    ==, INVALID_INPUT);
    assert_status(&t, "dcd0", "");

    /* lengths and counts that promise more than there is */
    for (unsigned i = 0; i < 2; i++) {
        uint16_t opcode = i ? FM_DC_RELEASE : FM_DC_ADD;

        assert_fm_length(&t, fm, opcode, 400000, 1, 0xffffff, INVALID_LENGTH,
                         0);
        assert_fm_length(&t, fm, opcode, 2, 1, 112, INVALID_LENGTH, 0);
        assert_fm_length(&t, fm, opcode, 1, 1, 73, INVALID_LENGTH, 0);
        assert_fm_length(&t, fm, opcode, 2, 1, 72, SUCCESS, INVALID_LENGTH);
        assert_fm_length(&t, fm, opcode, UINT32_MAX, 1, 72, SUCCESS,
                         INVALID_LENGTH);
        assert_fm_length(&t, fm, opcode, 1, 1, 71, SUCCESS, INVALID_LENGTH);
        assert_fm_length(&t, fm, opcode, 0, 0, 31, SUCCESS, INVALID_LENGTH);
    }
    assert_status(&t, "dcd0", "");

    /* the tag of the request, or that of the extents */
    g_assert_cmphex(fm_command(&t, fm, FM_DC_ADD, 2, 0, 1, 0, &one, 1), ==,
                    SUCCESS);
    g_assert_cmphex(fm_command(&t, fm, FM_DC_ADD, 2, 0, 0, 2, two, 2), ==,
                    SUCCESS);
    assert_status(&t, "dcd0", "0:0+200000 offered m1 -; "
                  "1:10000000+200000 offered m2 -; "
                  "1:10400000+200000 offered m2 -; ");
    assert_event(&t, &d, EVENT_ADD, 0, 0, BLOCK, false);
    assert_event(&t, &d, EVENT_ADD, 1, CHUNK, BLOCK, true);
    assert_event(&t, &d, EVENT_ADD, 1, CHUNK + 2 * BLOCK, BLOCK, false);
    g_assert_cmphex(send_list(&t, &d, ADD_DC_RESPONSE, &one, 1), ==, SUCCESS);
    g_assert_cmphex(send_list(&t, &d, ADD_DC_RESPONSE, two, 2), ==, SUCCESS);
    assert_status(&t, "dcd0", "0:0+200000 accepted m1 direct; "
                  "1:10000000+200000 accepted m2 direct; "
                  "1:10400000+200000 accepted m2 direct; ");
    assert_whole(&t, 1, t.window, BLOCK);
    assert_memory(&t, 2, BLOCK, t.window + CHUNK + 2 * BLOCK);
    g_assert_cmphex(fm_command(&t, fm, FM_DC_ADD, 2, 0, 1, 0,
                               &(Extent){ BLOCK, BLOCK }, 1), ==,
                    INVALID_INPUT);

    /* release by list, and by tag with force */
    g_assert_cmphex(fm_command_for(&t, fm, 1, FM_DC_RELEASE, 1, 0, 0, 0, &one,
                                   1), ==, INVALID_INPUT);
    g_assert_cmphex(fm_command_for(&t, fm, 0x100, FM_DC_RELEASE, 0x31, 1, 2, 0,
                                   NULL, 0), ==, INVALID_INPUT);
    g_assert_cmphex(fm_command(&t, fm, FM_DC_RELEASE, 1, 0, 0, 0,
                               &(Extent){ BLOCK, BLOCK }, 1), ==, INVALID_PA);
    g_assert_cmphex(fm_command(&t, fm, FM_DC_RELEASE, 1, 0, 0, 0, &one, 1), ==,
                    SUCCESS);
    assert_event(&t, &d, EVENT_RELEASE, 0, 0, BLOCK, false);
    g_assert_cmphex(send_list(&t, &d, RELEASE_DC, &one, 1), ==, SUCCESS);
    g_assert_cmphex(fm_command(&t, fm, FM_DC_RELEASE, 0x30, 1, 2, 0, NULL, 0),
                    ==, SUCCESS);
    assert_event(&t, &d, EVENT_FORCED, 1, CHUNK, BLOCK, true);
    assert_event(&t, &d, EVENT_FORCED, 1, CHUNK + 2 * BLOCK, BLOCK, false);
    wait_clear(2, BLOCK);
    assert_status(&t, "dcd0", "");
    assert_ok(backend_del(&t, 1));
    assert_ok(backend_del(&t, 2));
    shut(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_device("cxl-type3")) {
        g_test_skip("no cxl-type3");
        return 0;
    }

    qtest_add_func("/cxl-dcd-fm/fm", test_fm);

    return g_test_run();
}

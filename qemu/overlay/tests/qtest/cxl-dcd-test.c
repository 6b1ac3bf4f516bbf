/*
 * QTest testcase for dynamic capacity backed by tagged memory
 *
 * The test is the host: it drives the mailbox and the HDM decoders by MMIO.
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/wait.h>
#include "qemu/bswap.h"
#include "hw/pci/pci_regs.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "cxl-dcd-util.h"

/* ---- the life of an extent ---- */

static void test_life(void)
{
    const uint64_t dpa = 3 * BLOCK, len = 2 * BLOCK;
    uint8_t in[8] = { 1 }, out[16 + 40];
    CXLTest t;
    Dcd d = boot_one(&t, ONE);
    uint64_t addr = t.window + dpa;

    /* offered: nothing is there, and whatever is written gets nowhere */
    backend_add(&t, 1, len);
    assert_ok(add_extent(&t, "dcd0", 0, 1, dpa, len));
    assert_status(&t, "dcd0", "0:600000+400000 offered m1 -; ");
    assert_event(&t, &d, EVENT_ADD, 0, dpa, len, false);
    assert_no_event(&t, &d);
    g_assert(!is_memory(&t, addr));
    g_assert_cmphex(read_file(1, 0), ==, 0);
    g_assert(!is_direct(&t, addr, len, 1, 0));
    g_assert_cmpint(list_size(&t, &d), ==, 0);

    /* accepted: all of it, and nothing else */
    g_assert_cmphex(accept_one(&t, &d, dpa, len), ==, SUCCESS);
    assert_status(&t, "dcd0", "0:600000+400000 accepted m1 direct; ");
    g_assert(is_direct(&t, addr, len, 1, 0));
    assert_whole(&t, 1, addr, len);
    g_assert(!is_memory(&t, addr - 8));
    g_assert(!is_memory(&t, addr + len));

    /* and the host knows the tag */
    g_assert_cmphex(run_command(&t, d.mbox, GET_DC_LIST, in, sizeof(in), out,
                                sizeof(out)), ==, SUCCESS);
    g_assert_cmpint(ldl_le_p(out), ==, 1);
    g_assert_cmphex(ldq_le_p(out + 16), ==, dpa);
    g_assert_cmphex(ldq_le_p(out + 24), ==, len);
    g_assert_cmphex((uint32_t)ldl_be_p(out + 32), ==, 0x5be13bce);
    g_assert_cmphex((uint32_t)ldl_be_p(out + 44), ==, 0x975f0001);

    /* in use */
    assert_fails(backend_del(&t, 1), "m1", "mapped", NULL);
    assert_fails(add_extent(&t, "dcd0", 0, 1, 16 * BLOCK, len),
                 "cxl-type3 'dcd0', region 0, DPA 0x2000000, length 0x400000, "
                 "tag 5be13bce-ae34-4a77-b6c3-16df975f0001: ",
                 "'m1' is in use", NULL);

    /* released */
    g_assert_cmphex(release_one(&t, &d, dpa, len), ==, SUCCESS);
    assert_status(&t, "dcd0", "");
    g_assert(!is_direct(&t, addr, len, 1, 0));
    g_assert(!is_memory(&t, addr));
    g_assert_cmpint(list_size(&t, &d), ==, 0);
    assert_ok(backend_del(&t, 1));
    shut(&t);
}

/* What a backend holds is still there when it is given away again */
static void test_reuse(void)
{
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    give(&t, &d, 1, 0, BLOCK);
    qtest_writeq(t.qts, t.window + 64, 0xc0ffee);
    g_assert_cmphex(release_one(&t, &d, 0, BLOCK), ==, SUCCESS);
    assert_ok(add_extent(&t, "dcd0", 1, 1, 5 * BLOCK, BLOCK));
    assert_event(&t, &d, EVENT_ADD, 1, CHUNK + 5 * BLOCK, BLOCK, false);
    g_assert_cmphex(accept_one(&t, &d, CHUNK + 5 * BLOCK, BLOCK), ==, SUCCESS);
    g_assert_cmphex(qtest_readq(t.qts, t.window + CHUNK + 5 * BLOCK + 64), ==,
                    0xc0ffee);
    g_assert(!is_memory(&t, t.window));

    /* rejected, it can be offered once more */
    g_assert_cmphex(release_one(&t, &d, CHUNK + 5 * BLOCK, BLOCK), ==, SUCCESS);
    assert_ok(add_extent(&t, "dcd0", 0, 1, 0, BLOCK));
    g_assert_cmphex(send_list(&t, &d, ADD_DC_RESPONSE, NULL, 0), ==, SUCCESS);
    assert_status(&t, "dcd0", "");
    assert_ok(add_extent(&t, "dcd0", 0, 1, 0, BLOCK));
    g_assert_cmphex(accept_one(&t, &d, 0, BLOCK), ==, SUCCESS);
    g_assert_cmphex(qtest_readq(t.qts, t.window + 64), ==, 0xc0ffee);
    shut(&t);
}

/* Extents of one command share the backend, in their order */
static void test_several(void)
{
    const Extent e[] = {
        { 8 * BLOCK, BLOCK }, { 0, 2 * BLOCK }, { 4 * BLOCK, BLOCK },
    };
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    backend_add(&t, 1, 4 * BLOCK);
    assert_ok(add_extents(&t, "dcd0", 0, 1, EXTENT(B8, B1) ","
                          EXTENT(B0, B2) "," EXTENT(B4, B1)));
    for (unsigned i = 0; i < 3; i++) {
        assert_event(&t, &d, EVENT_ADD, 0, e[i].dpa, e[i].len, i < 2);
    }
    g_assert_cmphex(send_list(&t, &d, ADD_DC_RESPONSE, e, 3), ==, SUCCESS);
    assert_memory(&t, 1, 0, t.window + 8 * BLOCK);
    assert_memory(&t, 1, BLOCK, t.window);
    assert_memory(&t, 1, 3 * BLOCK - 8, t.window + 2 * BLOCK - 8);
    assert_memory(&t, 1, 3 * BLOCK, t.window + 4 * BLOCK);
    g_assert(is_direct(&t, t.window + 4 * BLOCK, BLOCK, 1, 3 * BLOCK));

    /* It is free when the last of them is gone */
    g_assert_cmphex(send_list(&t, &d, RELEASE_DC, e + 1, 2), ==, SUCCESS);
    assert_status(&t, "dcd0", "0:1000000+200000 accepted m1 direct; ");
    assert_fails(backend_del(&t, 1), "m1", NULL);
    g_assert_cmphex(send_list(&t, &d, RELEASE_DC, e, 1), ==, SUCCESS);
    assert_status(&t, "dcd0", "");

    /* The host may take some of an offer */
    assert_ok(add_extents(&t, "dcd0", 0, 1, EXTENT(B8, B1) ","
                          EXTENT(B0, B2) "," EXTENT(B4, B1)));
    g_assert_cmphex(send_list(&t, &d, ADD_DC_RESPONSE, e + 1, 2), ==, SUCCESS);
    assert_status(&t, "dcd0", "0:0+400000 accepted m1 direct; "
                  "0:800000+200000 accepted m1 direct; ");
    assert_memory(&t, 1, BLOCK, t.window);
    g_assert(!is_memory(&t, t.window + 8 * BLOCK));
    g_assert_cmphex(send_list(&t, &d, RELEASE_DC, e + 1, 2), ==, SUCCESS);
    assert_ok(backend_del(&t, 1));
    shut(&t);
}

/* As many as the device says that it supports, and no more */
static void test_many(void)
{
    const unsigned n = 512;
    CXLTest t;
    Dcd d;
    int64_t begin, added = 0, accepted = 0, now;
    int64_t unmapped = INT64_MAX, mapped = INT64_MAX;
    uint8_t in[2] = { 1 }, out[80];

    boot(&t, MACHINE PXB_HDM RP(0) DCD(0, "rp0", ONE_REGION));
    d = setup_dcd(&t, 0);
    commit_all(&t, &d, 4 * CHUNK);
    for (unsigned i = 0; i <= n; i++) {
        assert_ok(qmp(&t, "{'execute': 'object-add', 'arguments': {'qom-type': "
                      "'memory-backend-ram', 'id': 'm%u', 'tag': '" TAG "', "
                      "'size': 2097152}}", i, i));
    }
    for (unsigned i = 0; i < n; i++) {
        begin = g_get_monotonic_time();
        assert_ok(add_extent(&t, "dcd0", 0, i, i * BLOCK, BLOCK));
        now = g_get_monotonic_time();
        added += now - begin;
        g_assert_cmphex(accept_one(&t, &d, i * BLOCK, BLOCK), ==, SUCCESS);
        accepted += g_get_monotonic_time() - now;
    }
    g_test_message("%u extents: %.3f s to add, %.3f s to accept", n,
                   added / 1e6, accepted / 1e6);
    for (unsigned i = 0; i < n; i++) {
        qtest_writeq(t.qts, t.window + i * BLOCK, 0xabc00000 + i);
        qtest_writeq(t.qts, t.window + (i + 1) * BLOCK - 8, 0xdef00000 + i);
    }
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmphex(qtest_readq(t.qts, t.window + i * BLOCK), ==,
                        0xabc00000 + i);
        g_assert_cmphex(qtest_readq(t.qts, t.window + (i + 1) * BLOCK - 8), ==,
                        0xdef00000 + i);
    }
    g_assert(is_direct(&t, t.window + 511 * BLOCK, BLOCK, 511, 0));
    for (unsigned i = 0; i < 5; i++) {
        begin = g_get_monotonic_time();
        qtest_writel(t.qts, d.hdm + HDM_CTRL(0), 0);
        now = g_get_monotonic_time();
        qtest_writel(t.qts, d.hdm + HDM_CTRL(0), CTRL_COMMIT);
        unmapped = MIN(unmapped, now - begin);
        mapped = MIN(mapped, g_get_monotonic_time() - now);
    }
    g_test_message("%.1f ms for a decoder to go, %.1f ms to come back",
                   unmapped / 1e3, mapped / 1e3);
    g_assert(is_direct(&t, t.window + 511 * BLOCK, BLOCK, 511, 0));
    g_assert_cmpint(list_size(&t, &d), ==, n);
    g_assert_cmphex(run_command(&t, d.mbox, GET_DC_CONFIG, in, 2, out,
                                sizeof(out)), ==, SUCCESS);
    g_assert_cmpint(ldl_le_p(out + 48), ==, n);
    g_assert_cmpint(ldl_le_p(out + 52), ==, 0);

    assert_fails(add_extent(&t, "dcd0", 0, n, n * BLOCK, BLOCK),
                 "region 0, DPA 0x40000000, length 0x200000, ",
                 "512 of at most 512 extents", NULL);

    /* In the place of one that was released goes another */
    assert_fails(add_extent(&t, "dcd0", 0, n, 0, BLOCK), "already accessible",
                 NULL);
    g_assert_cmphex(release_one(&t, &d, 100 * BLOCK, BLOCK), ==, SUCCESS);
    for (unsigned i = 0; i < n; i++) {
        assert_event(&t, &d, EVENT_ADD, 0, i * BLOCK, BLOCK, false);
    }
    assert_ok(add_extent(&t, "dcd0", 0, n, 100 * BLOCK, BLOCK));
    g_assert_cmphex(accept_one(&t, &d, 100 * BLOCK, BLOCK), ==, SUCCESS);
    g_assert(is_direct(&t, t.window + 100 * BLOCK, BLOCK, n, 0));
    g_assert_cmphex(qtest_readq(t.qts, t.window + 100 * BLOCK), ==, 0);

    begin = g_get_monotonic_time();
    g_assert_cmphex(release_one(&t, &d, 0, n * BLOCK), ==, SUCCESS);
    g_test_message("%.3f s to release them",
                   (g_get_monotonic_time() - begin) / 1e6);
    assert_status(&t, "dcd0", "");
    for (unsigned i = 0; i <= n; i++) {
        assert_ok(backend_del(&t, i));
    }
    shut(&t);
}

/* The log of the host takes an event for each extent, and is then full */
static void test_log(void)
{
    const unsigned n = 512;
    g_autoptr(GString) extents = g_string_new(NULL);
    CXLTest t;
    Dcd d;

    boot(&t, MACHINE PXB_HDM RP(0) DCD(0, "rp0", ONE_REGION));
    d = setup_dcd(&t, 0);
    backend_add(&t, 1, n / 2 * BLOCK);
    backend_add(&t, 2, n / 2 * BLOCK);
    backend_add(&t, 3, BLOCK);
    for (unsigned i = 0; i < n / 2; i++) {
        g_string_append_printf(extents, "%s{'offset': %u, 'len': %u}",
                               i ? "," : "", (unsigned)(2 * i * BLOCK),
                               (unsigned)BLOCK);
    }
    assert_ok(add_extents(&t, "dcd0", 0, 1, extents->str));
    g_string_truncate(extents, 0);
    for (unsigned i = 0; i < n / 2; i++) {
        g_string_append_printf(extents, "%s{'offset': %u, 'len': %u}",
                               i ? "," : "", (unsigned)((2 * i + 1) * BLOCK),
                               (unsigned)BLOCK);
    }
    assert_ok(add_extents(&t, "dcd0", 0, 2, extents->str));
    for (unsigned i = 0; i < n / 2; i++) {
        assert_event(&t, &d, EVENT_ADD, 0, 2 * i * BLOCK, BLOCK, i < n / 2 - 1);
    }
    g_assert_cmphex(send_list(&t, &d, ADD_DC_RESPONSE, NULL, 0), ==, SUCCESS);
    assert_ok(backend_del(&t, 1));

    /* 256 offered, 256 in the log */
    backend_add(&t, 1, BLOCK);
    for (unsigned i = 0; i < n / 4; i++) {
        assert_ok(add_extent(&t, "dcd0", 0, 1, 0, BLOCK));
        assert_ok(release(&t, "dcd0", "tag-based", 0, FORCED "'tag': "
                          "'5be13bce-ae34-4a77-b6c3-16df975f0001'"));
    }
    assert_fails(add_extent(&t, "dcd0", 0, 3, 0, BLOCK), "region 0, DPA 0x0",
                 "the host has to clear events first", NULL);
    shut(&t);
}

/* ---- what is refused ---- */

static void test_bad_responses(void)
{
    const char *before = "0:0+200000 accepted m1 direct; "
        "0:800000+400000 offered m2 -; 0:1000000+200000 offered m2 -; "
        "0:1800000+200000 offered m3 -; ";
    const struct {
        uint16_t opcode;
        uint16_t ret;
        unsigned n;
        Extent e[3];
    } bad[] = {
        /* not all of an extent, or more, or another address */
        { ADD_DC_RESPONSE, INVALID_PA, 1, { { 4 * BLOCK, BLOCK } } },
        { ADD_DC_RESPONSE, INVALID_PA, 1, { { 5 * BLOCK, BLOCK } } },
        { ADD_DC_RESPONSE, INVALID_PA, 1, { { 4 * BLOCK, 3 * BLOCK } } },
        { ADD_DC_RESPONSE, INVALID_PA, 1, { { 3 * BLOCK, 2 * BLOCK } } },
        { ADD_DC_RESPONSE, INVALID_PA, 1, { { 20 * BLOCK, BLOCK } } },
        { ADD_DC_RESPONSE, INVALID_PA, 1, { { 2 * CHUNK, BLOCK } } },
        { ADD_DC_RESPONSE, INVALID_PA, 1, { { 4 * BLOCK, -2 * BLOCK } } },
        { ADD_DC_RESPONSE, INVALID_PA, 1, { { CHUNK - BLOCK, 2 * BLOCK } } },
        /* malformed */
        { ADD_DC_RESPONSE, INVALID_LIST, 1, { { 4 * BLOCK, 0 } } },
        { ADD_DC_RESPONSE, INVALID_LIST, 1, { { 4 * BLOCK, BLOCK + 64 } } },
        { ADD_DC_RESPONSE, INVALID_LIST, 1, { { 4 * BLOCK + 64, BLOCK } } },
        { ADD_DC_RESPONSE, INVALID_LIST, 2, { { 4 * BLOCK, 2 * BLOCK },
                                              { 4 * BLOCK, 2 * BLOCK } } },
        /* accepted already */
        { ADD_DC_RESPONSE, INVALID_PA, 1, { { 0, BLOCK } } },
        /* offered, but not first */
        { ADD_DC_RESPONSE, INVALID_PA, 1, { { 12 * BLOCK, BLOCK } } },
        /* good ones do not help */
        { ADD_DC_RESPONSE, INVALID_PA, 3, { { 4 * BLOCK, 2 * BLOCK },
                                            { 8 * BLOCK, BLOCK },
                                            { 12 * BLOCK, BLOCK } } },
        { RELEASE_DC, INVALID_INPUT, 0 },
        { RELEASE_DC, INVALID_PA, 1, { { BLOCK, BLOCK } } },
        { RELEASE_DC, INVALID_PA, 1, { { 0, 2 * BLOCK } } },
        { RELEASE_DC, INVALID_PA, 1, { { 4 * BLOCK, 2 * BLOCK } } },
        { RELEASE_DC, INVALID_LIST, 1, { { 0, 0 } } },
        { RELEASE_DC, INVALID_LIST, 2, { { 0, BLOCK }, { 0, BLOCK } } },
        { RELEASE_DC, INVALID_PA, 2, { { 0, BLOCK }, { BLOCK, BLOCK } } },
    };
    uint8_t in[8] = { 1 };
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    /* with nothing offered */
    g_assert_cmphex(send_list(&t, &d, ADD_DC_RESPONSE, NULL, 0), ==,
                    INVALID_INPUT);
    g_assert_cmphex(accept_one(&t, &d, 0, BLOCK), ==, INVALID_PA);

    give(&t, &d, 1, 0, BLOCK);
    backend_add(&t, 2, 3 * BLOCK);
    backend_add(&t, 3, BLOCK);
    assert_ok(add_extents(&t, "dcd0", 0, 2, EXTENT(B4, B2) ","
                          EXTENT(B8, B1)));
    assert_ok(add_extent(&t, "dcd0", 0, 3, 12 * BLOCK, BLOCK));
    assert_event(&t, &d, EVENT_ADD, 0, 4 * BLOCK, 2 * BLOCK, true);
    assert_event(&t, &d, EVENT_ADD, 0, 8 * BLOCK, BLOCK, false);
    assert_event(&t, &d, EVENT_ADD, 0, 12 * BLOCK, BLOCK, false);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_test_message("%u", i);
        g_assert_cmphex(send_list(&t, &d, bad[i].opcode, bad[i].e, bad[i].n),
                        ==, bad[i].ret);
        assert_status(&t, "dcd0", before);
        g_assert_cmpint(list_size(&t, &d), ==, 1);
    }
    g_assert_cmphex(run_command(&t, d.mbox, ADD_DC_RESPONSE, in, 8, NULL, 0),
                    ==, INVALID_LENGTH);
    g_assert_cmphex(run_command(&t, d.mbox, ADD_DC_RESPONSE, in, 4, NULL, 0),
                    ==, INVALID_LENGTH);
    assert_long_payload(&t, &d, ADD_DC_RESPONSE);
    assert_long_payload(&t, &d, RELEASE_DC);
    assert_status(&t, "dcd0", before);
    assert_memory(&t, 1, 0, t.window);
    g_assert(!is_memory(&t, t.window + 4 * BLOCK));

    /* what was not taken is gone, and cannot be accepted any more */
    g_assert_cmphex(accept_one(&t, &d, 4 * BLOCK, 2 * BLOCK), ==, SUCCESS);
    g_assert_cmphex(accept_one(&t, &d, 8 * BLOCK, BLOCK), ==, INVALID_PA);
    g_assert_cmphex(accept_one(&t, &d, 4 * BLOCK, 2 * BLOCK), ==, INVALID_PA);
    g_assert_cmphex(accept_one(&t, &d, 12 * BLOCK, BLOCK), ==, SUCCESS);
    g_assert_cmphex(accept_one(&t, &d, 12 * BLOCK, BLOCK), ==, INVALID_PA);

    /* only whole extents are released, but several at once can be */
    give(&t, &d, 4, BLOCK, 2 * BLOCK);
    g_assert_cmphex(release_one(&t, &d, 4 * BLOCK, BLOCK), ==, EXHAUSTED);
    g_assert_cmphex(release_one(&t, &d, 5 * BLOCK, BLOCK), ==, EXHAUSTED);
    g_assert_cmphex(release_one(&t, &d, 0, 2 * BLOCK), ==, EXHAUSTED);
    assert_status(&t, "dcd0", "0:0+200000 accepted m1 direct; "
                  "0:800000+400000 accepted m2 direct; "
                  "0:1800000+200000 accepted m3 direct; "
                  "0:200000+400000 accepted m4 direct; ");
    assert_whole(&t, 4, t.window + BLOCK, 2 * BLOCK);
    g_assert_cmphex(release_one(&t, &d, 0, 3 * BLOCK), ==, SUCCESS);
    assert_status(&t, "dcd0", "0:800000+400000 accepted m2 direct; "
                  "0:1800000+200000 accepted m3 direct; ");
    shut(&t);
}

/* An offer that the user takes back before the host responds */
static void test_withdrawn(void)
{
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    backend_add(&t, 1, BLOCK);
    backend_add(&t, 2, BLOCK);
    backend_add(&t, 3, BLOCK);
    assert_ok(add_extent(&t, "dcd0", 0, 1, 0, BLOCK));
    assert_ok(add_extent(&t, "dcd0", 0, 2, BLOCK, BLOCK));
    assert_ok(add_extent(&t, "dcd0", 0, 3, 2 * BLOCK, BLOCK));
    assert_fails(release(&t, "dcd0", "prescriptive", 0,
                         LIST(EXTENT(B0, B1))), "DPA 0x0",
                 "pending", NULL);
    assert_ok(release(&t, "dcd0", "prescriptive", 0,
                      FORCED LIST(EXTENT(B0, B1))));
    assert_ok(backend_del(&t, 1));
    assert_status(&t, "dcd0", "0:200000+200000 offered m2 -; "
                  "0:400000+200000 offered m3 -; ");
    assert_event(&t, &d, EVENT_ADD, 0, 0, BLOCK, false);
    assert_event(&t, &d, EVENT_ADD, 0, BLOCK, BLOCK, false);
    assert_event(&t, &d, EVENT_ADD, 0, 2 * BLOCK, BLOCK, false);
    assert_event(&t, &d, EVENT_FORCED, 0, 0, BLOCK, false);

    /* The host is late, and accepts: that is its response */
    g_assert_cmphex(accept_one(&t, &d, 0, BLOCK), ==, INVALID_PA);
    assert_status(&t, "dcd0", "0:200000+200000 offered m2 -; "
                  "0:400000+200000 offered m3 -; ");
    assert_ok(release(&t, "dcd0", "tag-based", 0, FORCED
                      "'tag': '5be13bce-ae34-4a77-b6c3-16df975f0002'"));
    g_assert_cmphex(accept_one(&t, &d, BLOCK, BLOCK), ==, INVALID_PA);
    g_assert_cmphex(accept_one(&t, &d, 2 * BLOCK, BLOCK), ==, SUCCESS);
    assert_status(&t, "dcd0", "0:400000+200000 accepted m3 direct; ");
    g_assert_cmphex(send_list(&t, &d, ADD_DC_RESPONSE, NULL, 0), ==,
                    INVALID_INPUT);
    shut(&t);
}

/*
 * What a host does about an offer that is withdrawn, and about the next one,
 * before it accepts the third.
 */
static void test_late(void)
{
    enum { NOTHING, LATE_ACCEPT, REJECT, ACCEPT };
    static const uint8_t first[] = { NOTHING, LATE_ACCEPT, REJECT };
    static const uint8_t second[] = { REJECT, ACCEPT };
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    for (unsigned i = 1; i <= 3; i++) {
        backend_add(&t, i, BLOCK);
    }
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < 2; j++) {
            g_test_message("%u, %u", i, j);
            assert_ok(add_extent(&t, "dcd0", 0, 1, 0, BLOCK));
            assert_ok(release(&t, "dcd0", "prescriptive", 0,
                              FORCED LIST(EXTENT(B0, B1))));
            /* half of the time the second is where the first was */
            assert_ok(add_extent(&t, "dcd0", 0, 2, j * BLOCK, BLOCK));
            if (first[i] == LATE_ACCEPT) {
                g_assert_cmphex(accept_one(&t, &d, 0, BLOCK), ==, INVALID_PA);
            } else if (first[i] == REJECT) {
                g_assert_cmphex(send_list(&t, &d, ADD_DC_RESPONSE, NULL, 0),
                                ==, SUCCESS);
            }
            assert_ok(add_extent(&t, "dcd0", 0, 3, 2 * BLOCK, BLOCK));
            if (second[j] == REJECT) {
                g_assert_cmphex(send_list(&t, &d, ADD_DC_RESPONSE, NULL, 0),
                                ==, SUCCESS);
            } else {
                g_assert_cmphex(accept_one(&t, &d, j * BLOCK, BLOCK), ==,
                                SUCCESS);
            }
            g_assert_cmphex(accept_one(&t, &d, 2 * BLOCK, BLOCK), ==, SUCCESS);
            if (second[j] == ACCEPT) {
                assert_status(&t, "dcd0", "0:200000+200000 accepted m2 direct; "
                              "0:400000+200000 accepted m3 direct; ");
                g_assert_cmphex(release_one(&t, &d, BLOCK, 2 * BLOCK), ==,
                                SUCCESS);
            } else {
                assert_status(&t, "dcd0",
                              "0:400000+200000 accepted m3 direct; ");
                g_assert_cmphex(release_one(&t, &d, 2 * BLOCK, BLOCK), ==,
                                SUCCESS);
            }
            g_assert_cmphex(send_list(&t, &d, ADD_DC_RESPONSE, NULL, 0), ==,
                            INVALID_INPUT);
        }
    }

    /* one extent of an offer is withdrawn, and the host takes both, or one */
    backend_add(&t, 4, 2 * BLOCK);
    for (unsigned i = 0; i < 2; i++) {
        const Extent both[] = { { 0, BLOCK }, { 8 * BLOCK, BLOCK } };

        assert_ok(add_extents(&t, "dcd0", 0, 4, EXTENT(B0, B1) ","
                              EXTENT(B8, B1)));
        assert_ok(release(&t, "dcd0", "prescriptive", 0,
                          FORCED LIST(EXTENT(B0, B1))));
        assert_status(&t, "dcd0", "0:1000000+200000 offered m4 -; ");
        g_assert_cmphex(i ? accept_one(&t, &d, 8 * BLOCK, BLOCK)
                          : send_list(&t, &d, ADD_DC_RESPONSE, both, 2),
                        ==, i ? SUCCESS : INVALID_PA);
        assert_status(&t, "dcd0", i ? "0:1000000+200000 accepted m4 direct; "
                                    : "");
    }
    assert_ok(add_extent(&t, "dcd0", 0, 1, 0, BLOCK));
    g_assert_cmphex(accept_one(&t, &d, 0, BLOCK), ==, SUCCESS);
    shut(&t);
}

/* An offer, and its release, that take several commands each */
static void chain(CXLTest *t, const Dcd *d, unsigned m, unsigned n)
{
    g_autoptr(GString) json = g_string_new(NULL);
    g_autofree Extent *e = g_new(Extent, n + 1);
    uint8_t in[2] = { 1 }, out[80];
    int64_t begin, added, accepted, released;

    g_test_message("%u extents", n);
    backend_add(t, m, n * BLOCK);
    for (unsigned i = 0; i < n; i++) {
        /* the lower half of them last, and with holes */
        e[i] = (Extent) { 2 * ((i + n / 2) % n) * BLOCK, BLOCK };
        g_string_append_printf(json, "%s{'offset': %" PRIu64 ", 'len': %u}",
                               i ? "," : "", e[i].dpa, (unsigned)BLOCK);
    }
    begin = g_get_monotonic_time();
    assert_ok(add_extents(t, d->id, 0, m, json->str));
    added = g_get_monotonic_time();
    for (unsigned i = 0; i < n; i++) {
        assert_event(t, d, EVENT_ADD, 0, e[i].dpa, BLOCK, i < n - 1);
    }

    if (n > 1) {
        unsigned half = MIN(n / 2, 85);
        g_autofree char *before = status(t, d->id), *after = NULL;

        /* a part that fails takes those before it along; nothing is done */
        g_assert_cmphex(send_part(t, d, ADD_DC_RESPONSE, e, half, MORE), ==,
                        SUCCESS);
        g_assert_cmphex(send_part(t, d, ADD_DC_RESPONSE, e, half, 0), ==,
                        INVALID_LIST);
        g_assert_cmphex(send_part(t, d, ADD_DC_RESPONSE, e, half, MORE), ==,
                        SUCCESS);
        g_assert_cmphex(send_part(t, d, ADD_DC_RESPONSE,
                                  &(Extent){ BLOCK, BLOCK }, 1, MORE), ==,
                        INVALID_PA);
        g_assert_cmphex(send_part(t, d, ADD_DC_RESPONSE, e, half, MORE), ==,
                        SUCCESS);
        g_assert(!is_memory(t, t->window + e[0].dpa));
        after = status(t, d->id);
        g_assert_cmpstr(before, ==, after);
        /* and so does a reset */
        reset(t);
        setup_dcd(t, 0);
        commit_all(t, d, 8 * CHUNK);
    }
    begin += g_get_monotonic_time() - added;
    added = g_get_monotonic_time();
    g_assert_cmphex(send_chain(t, d, ADD_DC_RESPONSE, e, n), ==, SUCCESS);
    accepted = g_get_monotonic_time();
    g_assert_cmpint(list_size(t, d), ==, n);
    g_assert_cmphex(run_command(t, d->mbox, GET_DC_CONFIG, in, 2, out,
                                sizeof(out)), ==, SUCCESS);
    g_assert_cmpint(ldl_le_p(out + 48), ==, 512);
    g_assert_cmpint(ldl_le_p(out + 52), ==, 512 - n);
    g_assert_cmpint(ldl_le_p(out + 56), ==, 512);
    g_assert_cmpint(ldl_le_p(out + 60), ==, 511);
    for (unsigned i = 0; i < n; i++) {
        qtest_writeq(t->qts, t->window + e[i].dpa, 0xabc00000 + i);
    }
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmphex(read_file(m, i * BLOCK), ==, 0xabc00000 + i);
    }

    if (n > 1) {
        g_assert_cmphex(send_part(t, d, RELEASE_DC, e, 1, MORE), ==, SUCCESS);
        g_assert_cmphex(send_part(t, d, RELEASE_DC, &(Extent){ BLOCK, BLOCK },
                                  1, 0), ==, INVALID_PA);
        g_assert_cmphex(send_part(t, d, RELEASE_DC, e, 1, MORE), ==, SUCCESS);
        g_assert_cmphex(send_part(t, d, RELEASE_DC, e, 1, 0), ==, INVALID_LIST);
        g_assert_cmpint(list_size(t, d), ==, n);
        g_assert_cmphex(qtest_readq(t->qts, t->window + e[0].dpa), ==,
                        0xabc00000);
    }
    released = g_get_monotonic_time();
    g_assert_cmphex(send_chain(t, d, RELEASE_DC, e, n), ==, SUCCESS);
    g_test_message("%.3f s to add, %.3f s to accept, %.3f s to release",
                   (added - begin) / 1e6, (accepted - added) / 1e6,
                   (g_get_monotonic_time() - released) / 1e6);
    assert_status(t, d->id, "");
    assert_ok(backend_del(t, m));
}

static void test_chains(void)
{
    static const unsigned sizes[] = { 1, 85, 86, 100, 256, 512 };
    CXLTest t;
    Dcd d;

    boot(&t, "-nodefaults -m 128 -machine q35,cxl=on,"
         "cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=2G "
         PXB_HDM RP(0) DCD(0, "rp0", ONE_REGION));
    d = setup_dcd(&t, 0);
    commit_all(&t, &d, 8 * CHUNK);
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        chain(&t, &d, i, sizes[i]);
    }
    shut(&t);
}

/* The records of a release: one for each extent, with its own tag */
static void test_records(void)
{
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    give(&t, &d, 1, BLOCK, BLOCK);
    give(&t, &d, 2, 0, BLOCK);
    give(&t, &d, 3, 2 * BLOCK, BLOCK);
    assert_ok(release(&t, "dcd0", "prescriptive", 0, LIST(EXTENT(B0, B2))));
    assert_tagged_event(&t, &d, EVENT_RELEASE, 0, BLOCK, 2, true);
    assert_tagged_event(&t, &d, EVENT_RELEASE, BLOCK, BLOCK, 1, false);
    assert_no_event(&t, &d);
    shut(&t);
}

static void test_bad_adds(void)
{
    const char *where = "cxl-type3 'dcd0', region 0, DPA 0x0, length 0x200000";
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    backend_add(&t, 1, BLOCK);
    assert_fails(add_extent(&t, "dcd0", 0, 9, 0, BLOCK), where,
                 "tag 5be13bce-ae34-4a77-b6c3-16df975f0009: no memory backend",
                 NULL);
    assert_fails(qmp(&t, "{'execute': 'cxl-add-dynamic-capacity', 'arguments': "
                     "{'path': '/machine/peripheral/dcd0', 'host-id': 0, "
                     "'selection-policy': 'prescriptive', 'region': 0, "
                     "'extents': [" EXTENT(B0, B1) "]}}"), where,
                 "no tag: a tag is needed", NULL);
    assert_fails(qmp(&t, "{'execute': 'cxl-add-dynamic-capacity', 'arguments': "
                     "{'path': '/machine/peripheral/dcd0', 'host-id': 0, "
                     "'selection-policy': 'prescriptive', 'region': 0, "
                     "'tag': 'mine', 'extents': [" EXTENT(B0, B1) "]}}"),
                 "tag 'mine' is not a UUID", NULL);
    assert_fails(qmp(&t, "{'execute': 'cxl-add-dynamic-capacity', 'arguments': "
                     "{'path': '/machine/peripheral/dcd0', 'host-id': 3, "
                     "'selection-policy': 'prescriptive', 'region': 0, "
                     "'tag': '" TAG "', 'extents': [" EXTENT(B0, B1) "]}}", 1),
                 "'dcd0': there is no host 3, only host 0", NULL);
    assert_fails(qmp(&t, "{'execute': 'cxl-release-dynamic-capacity', "
                     "'arguments': {'path': '/machine/peripheral/dcd0', "
                     "'host-id': 1, 'removal-policy': 'prescriptive', "
                     "'region': 0, 'extents': [" EXTENT(B0, B1) "]}}"),
                 "'dcd0': there is no host 1, only host 0", NULL);
    assert_fails(add_extent(&t, "dcd0", 0, 1, 0, 2 * BLOCK), "length 0x400000",
                 "'m1', 0x200000", NULL);
    assert_fails(add_extents(&t, "dcd0", 0, 1, EXTENT(B0, B1) ","
                             EXTENT(B1, B1)), "DPA 0x200000",
                 "'m1', 0x200000", NULL);
    assert_fails(add_extents(&t, "dcd0", 0, 1, EXTENT(B0, B1) ","
                             EXTENT(B0, B1)), where, "overlapped", NULL);
    assert_fails(add_extent(&t, "dcd0", 0, 1, 64, BLOCK), "DPA 0x40",
                 "not aligned", NULL);
    assert_fails(add_extent(&t, "dcd0", 0, 1, 0, 0), "0 length", NULL);
    assert_fails(add_extents(&t, "dcd0", 0, 1, ""), "no extents", NULL);
    assert_fails(add_extent(&t, "dcd0", 0, 1, CHUNK, BLOCK), "beyond", NULL);
    assert_fails(add_extent(&t, "rp0", 0, 1, 0, BLOCK), "rp0", NULL);

    /* a backend that is too large, or must not be written */
    backend_add(&t, 2, 2 * BLOCK);
    assert_fails(add_extent(&t, "dcd0", 0, 2, 0, BLOCK), where,
                 "'m2', 0x400000", NULL);
    backend_add(&t, 3, BLOCK);
    assert_ok(backend_del(&t, 3));
    assert_ok(backend_add_sized(&t, 3, BLOCK, ", 'readonly': true"));
    assert_fails(add_extent(&t, "dcd0", 0, 3, 0, BLOCK), where,
                 "'m3' is read-only", NULL);

    /* one that is offered is as good as one that is accepted */
    assert_ok(add_extent(&t, "dcd0", 0, 1, 0, BLOCK));
    assert_fails(add_extent(&t, "dcd0", 0, 1, BLOCK, BLOCK), "'m1' is in use",
                 NULL);
    assert_fails(add_extent(&t, "dcd0", 0, 2, 0, 2 * BLOCK), "pending", NULL);
    assert_fails(backend_del(&t, 1), "m1", NULL);
    g_assert_cmphex(accept_one(&t, &d, 0, BLOCK), ==, SUCCESS);
    assert_fails(add_extent(&t, "dcd0", 0, 2, 0, 2 * BLOCK), "accessible",
                 NULL);
    assert_status(&t, "dcd0", "0:0+200000 accepted m1 direct; ");
    shut(&t);
}

static void test_tags(void)
{
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    give(&t, &d, 1, 0, BLOCK);
    backend_add(&t, 2, BLOCK);
    for (unsigned i = 1; i <= 2; i++) {
        g_autofree char *name = g_strdup_printf("'m%u' has tag", i);

        assert_fails(qmp(&t, "{'execute': 'object-add', 'arguments': "
                         "{'qom-type': 'memory-backend-ram', 'id': 'other', "
                         "'tag': '" TAG "', 'size': 2097152}}", i), name, NULL);
    }
    assert_fails(qmp(&t, "{'execute': 'object-add', 'arguments': {'qom-type': "
                     "'memory-backend-ram', 'id': 'other', 'tag': 'mine', "
                     "'size': 2097152}}"), "tag 'mine' is not a UUID", NULL);
    assert_fails(qmp(&t, "{'execute': 'object-add', 'arguments': {'qom-type': "
                     "'memory-backend-ram', 'id': 'other', 'size': 2097152, "
                     "'tag': '00000000-0000-0000-0000-000000000000'}}"),
                 "is not a UUID other than zero", NULL);
    assert_fails(qmp(&t, "{'execute': 'qom-set', 'arguments': {'path': "
                     "'/objects/m2', 'property': 'tag', 'value': '" TAG "'}}",
                     7), "cannot change", NULL);

    /* All kinds of backends have them */
    assert_ok(qmp(&t, "{'execute': 'object-add', 'arguments': {'qom-type': "
                  "'memory-backend-memfd', 'id': 'm7', 'tag': '" TAG "', "
                  "'size': 268435456}}", 7));
    assert_ok(add_extent(&t, "dcd0", 1, 7, 0, CHUNK));
    g_assert_cmphex(accept_one(&t, &d, CHUNK, CHUNK), ==, SUCCESS);
    g_assert(is_memory(&t, t.window + 2 * CHUNK - 8));
    shut(&t);
}

/* ---- release by the user ---- */

static void test_release(void)
{
    const char *tag1 = "'tag': '5be13bce-ae34-4a77-b6c3-16df975f0001'";
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    give(&t, &d, 1, 0, BLOCK);
    give(&t, &d, 2, 2 * BLOCK, 2 * BLOCK);
    backend_add(&t, 3, 2 * BLOCK);
    assert_ok(add_extents(&t, "dcd0", 1, 3, EXTENT(B0, B1) ","
                          EXTENT(B4, B1)));
    assert_event(&t, &d, EVENT_ADD, 1, CHUNK, BLOCK, true);
    assert_event(&t, &d, EVENT_ADD, 1, CHUNK + 4 * BLOCK, BLOCK, false);
    g_assert_cmphex(send_list(&t, &d, ADD_DC_RESPONSE,
                              (Extent[]){ { CHUNK, BLOCK },
                                          { CHUNK + 4 * BLOCK, BLOCK } }, 2),
                    ==, SUCCESS);

    /* what cannot be */
    assert_fails(release(&t, "dcd0", "prescriptive", 0,
                         LIST(EXTENT(B1, B1))), "DPA 0x200000",
                 "non-existing", NULL);
    assert_fails(release(&t, "dcd0", "prescriptive", 0,
                         FORCED LIST(EXTENT(B2, B1))),
                 "region 0, DPA 0x400000, length 0x200000, tag 5be13bce-ae34-"
                 "4a77-b6c3-16df975f0002: ", "in part", NULL);
    assert_fails(release(&t, "dcd0", "prescriptive", 0, FORCED
                         "'tag': '5be13bce-ae34-4a77-b6c3-16df975f0001', "
                         LIST(EXTENT(B2, B2))),
                 "another tag", NULL);
    assert_fails(release(&t, "dcd0", "tag-based", 1, tag1), "region 1",
                 "16df975f0001: no extent in this region", NULL);
    assert_fails(release(&t, "dcd0", "tag-based", 0, "'extents': []"),
                 "no tag: tag-based removal needs one", NULL);
    assert_fails(release(&t, "dcd0", "tag-based", 0, "'tag': '5be13bce-ae34-"
                         "4a77-b6c3-16df975f0001', "
                         LIST(EXTENT(B0, B1) "," EXTENT(B2, B1))),
                 "DPA 0x400000", "no extent with this tag is there", NULL);
    assert_fails(release(&t, "dcd0", "tag-based", 5, tag1), "region id 5",
                 NULL);
    assert_fails(release(&t, "dcd0", "prescriptive", 0, "'extents': []"),
                 "no extents", NULL);
    assert_no_event(&t, &d);

    /* by list: the host is asked, and may use it until it agrees */
    assert_ok(release(&t, "dcd0", "prescriptive", 0,
                      LIST(EXTENT(B0, B1))));
    assert_event(&t, &d, EVENT_RELEASE, 0, 0, BLOCK, false);
    assert_status(&t, "dcd0", "0:0+200000 releasing m1 direct; "
                  "0:400000+400000 accepted m2 direct; "
                  "1:10000000+200000 accepted m3 direct; "
                  "1:10800000+200000 accepted m3 direct; ");
    assert_whole(&t, 1, t.window, BLOCK);
    assert_fails(backend_del(&t, 1), "m1", NULL);
    g_assert_cmphex(release_one(&t, &d, 0, BLOCK), ==, SUCCESS);
    g_assert(!is_memory(&t, t.window));
    g_assert_cmphex(read_file(1, 0), !=, 0);
    assert_ok(backend_del(&t, 1));

    /* by tag, cleared when the host agrees */
    assert_ok(release(&t, "dcd0", "tag-based", 1, SANITIZE
                      "'tag': '5be13bce-ae34-4a77-b6c3-16df975f0003'"));
    assert_event(&t, &d, EVENT_RELEASE, 1, CHUNK, BLOCK, true);
    assert_event(&t, &d, EVENT_RELEASE, 1, CHUNK + 4 * BLOCK, BLOCK, false);
    qtest_writeq(t.qts, t.window + CHUNK + 4 * BLOCK, 0x5ec7e7);
    g_assert_cmphex(read_file(3, BLOCK), ==, 0x5ec7e7);
    g_assert_cmphex(release_one(&t, &d, CHUNK + 4 * BLOCK, BLOCK), ==, SUCCESS);
    wait_clear(3, BLOCK);
    assert_memory(&t, 3, 0, t.window + CHUNK);
    g_assert_cmphex(release_one(&t, &d, CHUNK, BLOCK), ==, SUCCESS);
    wait_clear(3, 0);

    /* forced: gone at once, and cleared */
    assert_whole(&t, 2, t.window + 2 * BLOCK, 2 * BLOCK);
    assert_ok(release(&t, "dcd0", "prescriptive", 0, FORCED SANITIZE
                      LIST(EXTENT(B2, B2))));
    assert_event(&t, &d, EVENT_FORCED, 0, 2 * BLOCK, 2 * BLOCK, false);
    wait_clear(2, 0);
    wait_clear(2, 2 * BLOCK - 8);
    g_assert(!is_memory(&t, t.window + 2 * BLOCK));
    g_assert(!is_direct(&t, 0, 0, 0, 0));
    g_assert_cmphex(release_one(&t, &d, 2 * BLOCK, 2 * BLOCK), ==, INVALID_PA);
    assert_status(&t, "dcd0", "");
    g_assert_cmpint(list_size(&t, &d), ==, 0);
    assert_ok(backend_del(&t, 2));

    /* forced by tag, without clearing */
    assert_ok(add_extent(&t, "dcd0", 0, 3, 0, 2 * BLOCK));
    g_assert_cmphex(accept_one(&t, &d, 0, 2 * BLOCK), ==, SUCCESS);
    qtest_writeq(t.qts, t.window, 0xc0ffee);
    assert_ok(release(&t, "dcd0", "tag-based", 0, FORCED
                      "'tag': '5be13bce-ae34-4a77-b6c3-16df975f0003', "
                      LIST(EXTENT(B0, B1))));
    g_assert_cmphex(read_file(3, 0), ==, 0xc0ffee);
    assert_ok(backend_del(&t, 3));
    shut(&t);
}

/* ---- what the user is told ---- */

/* The next event, without which this does not return; backend m@tag's extent */
static void assert_change(CXLTest *t, const char *change, unsigned region,
                          uint64_t offset, uint64_t dpa, uint64_t len,
                          unsigned tag)
{
    QDict *event = qtest_qmp_eventwait_ref(t->qts, "CXL_DYNAMIC_CAPACITY");
    QDict *data = qdict_get_qdict(event, "data");
    g_autofree char *uuid = g_strdup_printf(TAG, tag);

    g_assert_cmpstr(qdict_get_str(data, "path"), ==,
                    "/machine/peripheral/dcd0");
    g_assert_cmpstr(qdict_get_str(data, "change"), ==, change);
    g_assert_cmpint(qdict_get_int(data, "region"), ==, region);
    g_assert_cmphex(qdict_get_int(data, "offset"), ==, offset);
    g_assert_cmphex(qdict_get_int(data, "dpa"), ==, dpa);
    g_assert_cmphex(qdict_get_int(data, "len"), ==, len);
    g_assert_cmpstr(qdict_get_str(data, "tag"), ==, uuid);
    qobject_unref(event);
}

static void test_events(void)
{
    const Extent first = { CHUNK, BLOCK }, both = { CHUNK, 2 * BLOCK };
    CXLTest t;
    QDict *rsp;
    Dcd d = boot_one(&t, ONE);

    backend_add(&t, 1, 3 * BLOCK);
    assert_ok(add_extents(&t, "dcd0", 1, 1, EXTENT(B0, B1) "," EXTENT(B1, B1)
                          "," EXTENT(B4, B1)));
    rsp = qtest_qmp(t.qts, "{'execute': 'query-cxl-dynamic-capacity', "
                    "'arguments': {'path': '/machine/peripheral/dcd0'}}");
    g_assert_cmphex(qdict_get_int(qobject_to(QDict, qlist_entry_obj(
                    qlist_first(qdict_get_qlist(rsp, "return")))), "offset"),
                    ==, 0);
    qobject_unref(rsp);
    g_assert_cmphex(send_list(&t, &d, ADD_DC_RESPONSE, &first, 1), ==, SUCCESS);
    assert_change(&t, "accepted", 1, 0, CHUNK, BLOCK, 1);
    assert_change(&t, "rejected", 1, BLOCK, CHUNK + BLOCK, BLOCK, 1);
    assert_change(&t, "rejected", 1, 4 * BLOCK, CHUNK + 4 * BLOCK, BLOCK, 1);
    g_assert_cmphex(send_list(&t, &d, RELEASE_DC, &first, 1), ==, SUCCESS);
    assert_change(&t, "released", 1, 0, CHUNK, BLOCK, 1);

    /* by force, and one for each extent of a range */
    clear_events(&t, &d);
    give(&t, &d, 2, 0, BLOCK);
    assert_change(&t, "accepted", 0, 0, 0, BLOCK, 2);
    give(&t, &d, 3, BLOCK, BLOCK);
    assert_change(&t, "accepted", 0, BLOCK, BLOCK, BLOCK, 3);
    assert_ok(release(&t, "dcd0", "prescriptive", 0, FORCED SANITIZE
                      LIST(EXTENT(B0, B2))));
    assert_change(&t, "released", 0, 0, 0, BLOCK, 2);
    assert_change(&t, "released", 0, BLOCK, BLOCK, BLOCK, 3);
    assert_change(&t, "sanitized", 0, 0, 0, BLOCK, 2);
    assert_ok(backend_del(&t, 2));
    assert_change(&t, "sanitized", 0, BLOCK, BLOCK, BLOCK, 3);
    assert_ok(backend_del(&t, 3));
    g_assert_cmphex(send_list(&t, &d, RELEASE_DC, &both, 1), ==, INVALID_PA);
    shut(&t);
}

/* ---- reset, unplug, migration ---- */

static void test_reset(void)
{
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    give(&t, &d, 1, 0, BLOCK);
    backend_add(&t, 2, BLOCK);
    assert_ok(add_extent(&t, "dcd0", 0, 2, BLOCK, BLOCK));
    qtest_writeq(t.qts, t.window, 0xc0ffee);
    for (unsigned i = 0; i < 3; i++) {
        if (i == 1) {
            bus_reset(&t, 0);
        } else {
            reset(&t);
        }
        g_assert(!is_direct(&t, 0, 0, 0, 0));
        g_assert(!is_memory(&t, t.window));
        assert_status(&t, "dcd0", "0:0+200000 accepted m1 none; "
                      "0:200000+200000 offered m2 -; ");
        d = setup_dcd(&t, 0);
        g_assert_cmpint(list_size(&t, &d), ==, 1);
        commit_all(&t, &d, CHUNK);
        g_assert(is_direct(&t, t.window, BLOCK, 1, 0));
        g_assert_cmphex(qtest_readq(t.qts, t.window), ==, 0xc0ffee);
    }
    g_assert_cmphex(accept_one(&t, &d, BLOCK, BLOCK), ==, SUCCESS);
    assert_whole(&t, 2, t.window + BLOCK, BLOCK);
    shut(&t);
}

static void test_unplug(void)
{
    CXLTest t;
    Dcd d = boot_one(&t, ONE);
    uint16_t pos;

    give(&t, &d, 1, 0, BLOCK);
    give(&t, &d, 2, BLOCK, BLOCK);
    backend_add(&t, 3, BLOCK);
    assert_ok(add_extent(&t, "dcd0", 0, 3, 2 * BLOCK, BLOCK));
    /* The host takes part by turning the slot off */
    qtest_qmp_device_del_send(t.qts, "dcd0");
    pos = find_cap(&t, HB_BUS, 0, PCI_CAP_ID_EXP) + PCI_EXP_SLTCTL;
    qtest_writew(t.qts, cfg(HB_BUS, 0, pos),
                 PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PWR_OFF);
    qtest_qmp_eventwait(t.qts, "DEVICE_DELETED");
    g_assert(!is_direct(&t, 0, 0, 0, 0));
    assert_ok(backend_del(&t, 2));
    assert_ok(backend_del(&t, 3));

    qtest_qmp_device_add(t.qts, "cxl-type3", "dcd0",
                         "{'bus': 'rp0', 'num-dc-regions': 2, "
                         "'dc-regions-total-size': 536870912}");
    qtest_writew(t.qts, cfg(HB_BUS, 0, pos), PCI_EXP_SLTCTL_PWR_IND_ON);
    assert_status(&t, "dcd0", "");
    d = setup_dcd(&t, 0);
    commit_all(&t, &d, CHUNK);
    assert_ok(add_extent(&t, "dcd0", 0, 1, 0, BLOCK));
    assert_event(&t, &d, EVENT_ADD, 0, 0, BLOCK, false);
    g_assert_cmphex(accept_one(&t, &d, 0, BLOCK), ==, SUCCESS);
    assert_whole(&t, 1, t.window, BLOCK);
    shut(&t);
}

static char *start_migration(CXLTest *t)
{
    return qmp(t, "{'execute': 'migrate', 'arguments': {'uri': "
               "'file:%s/state'}}", dir);
}

static void test_migration(void)
{
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    backend_add(&t, 1, BLOCK);
    assert_ok(add_extent(&t, "dcd0", 0, 1, 0, BLOCK));
    assert_fails(start_migration(&t), "'dcd0' has dynamic capacity", NULL);
    g_assert_cmphex(accept_one(&t, &d, 0, BLOCK), ==, SUCCESS);
    assert_fails(start_migration(&t), "'dcd0' has dynamic capacity", NULL);
    g_assert_cmphex(release_one(&t, &d, 0, BLOCK), ==, SUCCESS);
    assert_fails(start_migration(&t), "'dcd0' has committed HDM decoders",
                 NULL);
    qtest_writel(t.qts, d.hdm + HDM_CTRL(0), 0);
    assert_ok(start_migration(&t));
    shut(&t);

    /* with memory for all of it, and a reset as the end of decoders */
    d = boot_one(&t, MACHINE PXB_HDM RP(0) FILEMEM(0, "512M")
                 DCD(0, "rp0", "2,volatile-dc-memdev=mem0"));
    assert_ok(add_extent(&t, "dcd0", 0, 1, 0, BLOCK));
    assert_fails(start_migration(&t), "'dcd0' has dynamic capacity", NULL);
    assert_ok(release(&t, "dcd0", "prescriptive", 0, FORCED
                      LIST(EXTENT(B0, B1))));
    assert_fails(start_migration(&t), "'dcd0' has committed HDM decoders",
                 NULL);
    reset(&t);
    assert_ok(start_migration(&t));
    shut(&t);

    /* with -only-migratable there is nothing to block it for */
    d = boot_one(&t, "-only-migratable " ONE);
    backend_add(&t, 1, BLOCK);
    assert_fails(add_extent(&t, "dcd0", 0, 1, 0, BLOCK), "only-migratable",
                 NULL);
    assert_status(&t, "dcd0", "");
    assert_ok(backend_del(&t, 1));
    shut(&t);
}

/* ---- with memory for all of the capacity, as before ---- */

static void test_memdev(void)
{
    const char *none = "cxl-type3 'dcd0', region 0, DPA 0x0, length 0x200000, "
        "no tag: ";
    CXLTest t;
    Dcd d = boot_one(&t, MACHINE PXB_HDM RP(0) FILEMEM(0, "512M")
                     DCD(0, "rp0", "2,volatile-dc-memdev=mem0"));

    /* a tag is a name, and nothing else */
    assert_ok(add_extent(&t, "dcd0", 0, 1, 0, 3 * BLOCK));
    assert_ok(add_extent(&t, "dcd0", 0, 1, 4 * BLOCK, BLOCK));
    g_assert_cmphex(accept_one(&t, &d, 0, 3 * BLOCK), ==, SUCCESS);
    g_assert_cmphex(accept_one(&t, &d, 4 * BLOCK, BLOCK), ==, SUCCESS);
    assert_in_file(&t, 0, t.window);
    assert_in_file(&t, 4 * BLOCK, t.window + 4 * BLOCK);
    g_assert(!is_memory(&t, t.window + 3 * BLOCK));
    assert_status(&t, "dcd0", "0:0+600000 accepted mem0 trapped; "
                  "0:800000+200000 accepted mem0 trapped; ");

    /* parts can be released, and keep the tag */
    g_assert_cmphex(release_one(&t, &d, BLOCK, BLOCK), ==, SUCCESS);
    assert_ok(release(&t, "dcd0", "tag-based", 0,
                      "'tag': '5be13bce-ae34-4a77-b6c3-16df975f0001'"));
    for (unsigned i = 0; i < 2; i++) {
        assert_event(&t, &d, EVENT_ADD, 0, i ? 4 * BLOCK : 0,
                     i ? BLOCK : 3 * BLOCK, false);
    }
    assert_event(&t, &d, EVENT_RELEASE, 0, 4 * BLOCK, BLOCK, true);
    assert_event(&t, &d, EVENT_RELEASE, 0, 0, BLOCK, true);
    assert_event(&t, &d, EVENT_RELEASE, 0, 2 * BLOCK, BLOCK, false);
    assert_ok(release(&t, "dcd0", "prescriptive", 0, FORCED
                      LIST(EXTENT(B0, B1))));
    g_assert(!is_memory(&t, t.window));
    assert_status(&t, "dcd0", "0:800000+200000 releasing mem0 trapped; "
                  "0:400000+200000 releasing mem0 trapped; ");
    assert_fails(release(&t, "dcd0", "prescriptive", 0, SANITIZE
                         LIST(EXTENT(B4, B1))),
                 "sanitize", NULL);
    assert_fails(release(&t, "dcd0", "prescriptive", 0,
                         LIST(EXTENT(B0, B1))), none, "non-existing",
                 NULL);
    reset(&t);
    shut(&t);
}

/* ---- properties ---- */

static const struct {
    const char *name;
    const char *args;
    const char *message;
} bad[] = {
    { "both", RAMMEM(0, "512M") DCD(0, "rp0", TWO_REGIONS
                                    ",volatile-dc-memdev=mem0"),
      "dc-regions-total-size and volatile-dc-memdev exclude each other" },
    { "neither", DCD(0, "rp0", "2"), "num-dc-regions needs either" },
    { "no-regions", DCD(0, "rp0", "0,dc-regions-total-size=1G"),
      "dc-regions-total-size needs num-dc-regions" },
    { "size", DCD(0, "rp0", "2,dc-regions-total-size=768M"),
      "dc-regions-total-size, 0x30000000, is not a multiple of 256 MiB for "
      "each of 2 regions" },
    { "too-many", DCD(0, "rp0", "9,dc-regions-total-size=2304M"),
      "num-dc-regions, 9, is above 8" },
};

static void test_bad(const void *data)
{
    unsigned i = GPOINTER_TO_UINT(data);
    g_autofree char *args = g_strdup_printf("%s -display none -accel qtest %s",
                                            qtest_qemu_binary(NULL),
                                            MACHINE PXB RP(0));
    g_autofree char *all = g_strconcat(args, bad[i].args, NULL);
    g_autofree char *err = NULL;
    g_auto(GStrv) argv = g_strsplit_set(all, " ", -1);
    GPtrArray *words = g_ptr_array_new();
    int wait_status;

    for (char **word = argv; *word; word++) {
        if (**word) {
            g_ptr_array_add(words, *word);
        }
    }
    g_ptr_array_add(words, NULL);
    g_assert(g_spawn_sync(NULL, (char **)words->pdata, NULL,
                          G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, &err,
                          &wait_status, NULL));
    g_ptr_array_free(words, true);
    g_test_message("%s", err);
    g_assert(WIFEXITED(wait_status));
    g_assert_cmpint(WEXITSTATUS(wait_status), ==, 1);
    g_assert_nonnull(strstr(err, bad[i].message));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_device("cxl-type3")) {
        g_test_skip("no cxl-type3");
        return 0;
    }

    qtest_add_func("/cxl-dcd/life", test_life);
    qtest_add_func("/cxl-dcd/reuse", test_reuse);
    qtest_add_func("/cxl-dcd/several", test_several);
    qtest_add_func("/cxl-dcd/many", test_many);
    qtest_add_func("/cxl-dcd/log", test_log);
    qtest_add_func("/cxl-dcd/bad-responses", test_bad_responses);
    qtest_add_func("/cxl-dcd/withdrawn", test_withdrawn);
    qtest_add_func("/cxl-dcd/late", test_late);
    qtest_add_func("/cxl-dcd/chains", test_chains);
    qtest_add_func("/cxl-dcd/records", test_records);
    qtest_add_func("/cxl-dcd/bad-adds", test_bad_adds);
    qtest_add_func("/cxl-dcd/tags", test_tags);
    qtest_add_func("/cxl-dcd/release", test_release);
    qtest_add_func("/cxl-dcd/events", test_events);
    qtest_add_func("/cxl-dcd/reset", test_reset);
    qtest_add_func("/cxl-dcd/unplug", test_unplug);
    qtest_add_func("/cxl-dcd/migration", test_migration);
    qtest_add_func("/cxl-dcd/memdev", test_memdev);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autofree char *name = g_strdup_printf("/cxl-dcd/bad/%s",
                                                bad[i].name);

        qtest_add_data_func(name, GUINT_TO_POINTER(i), test_bad);
    }

    return g_test_run();
}

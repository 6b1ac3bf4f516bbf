/*
 * QTest testcase for how CPUs reach dynamic capacity
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "cxl-dcd-util.h"

/* ---- decoders ---- */

static void test_decoders(void)
{
    CXLTest t;
    uint64_t hb;
    Dcd d;

    boot(&t, ONE);
    d = setup_dcd(&t, 0);
    hb = find_hdm(&t, t.hb);

    /* accepted first; the host bridge is committed last, and uncommitted */
    give(&t, &d, 1, 0, BLOCK);
    give(&t, &d, 2, 7 * BLOCK, BLOCK);
    assert_status(&t, "dcd0", "0:0+200000 accepted m1 none; "
                  "0:e00000+200000 accepted m2 none; ");
    commit(&t, d.hdm, 0, t.window + CHUNK, CHUNK);
    g_assert(!is_memory(&t, t.window + CHUNK));
    qtest_writel(t.qts, hb + HDM_TARGETS(0), 0);
    commit(&t, hb, 0, t.window + CHUNK, CHUNK);
    for (unsigned i = 0; i < 2; i++) {
        g_assert(is_direct(&t, t.window + CHUNK, BLOCK, 1, 0));
        g_assert(is_direct(&t, t.window + CHUNK + 7 * BLOCK, BLOCK, 2, 0));
        assert_whole(&t, 1, t.window + CHUNK, BLOCK);
        assert_whole(&t, 2, t.window + CHUNK + 7 * BLOCK, BLOCK);

        qtest_writel(t.qts, hb + HDM_CTRL(0), 0);
        g_assert(!is_direct(&t, 0, 0, 0, 0));
        g_assert(!is_memory(&t, t.window + CHUNK));
        commit(&t, hb, 0, t.window + CHUNK, CHUNK);
    }

    /* and so is the endpoint, which then goes elsewhere */
    qtest_writel(t.qts, d.hdm + HDM_CTRL(0), 0);
    assert_status(&t, "dcd0", "0:0+200000 accepted m1 none; "
                  "0:e00000+200000 accepted m2 none; ");
    g_assert(!is_memory(&t, t.window + CHUNK));
    qtest_writel(t.qts, hb + HDM_CTRL(0), 0);
    commit_all(&t, &d, CHUNK);
    g_assert(is_direct(&t, t.window, BLOCK, 1, 0));
    assert_whole(&t, 2, t.window + 7 * BLOCK, BLOCK);
    g_assert(!is_memory(&t, t.window + CHUNK));
    shut(&t);
}

/*
 * A decoder for each region, the second before the first in the window
 */
static void test_regions(void)
{
    CXLTest t;
    uint64_t hb;
    Dcd d;

    boot(&t, ONE);
    d = setup_dcd(&t, 0);
    hb = find_hdm(&t, t.hb);
    qtest_writel(t.qts, hb + HDM_TARGETS(0), 0);
    commit(&t, hb, 0, t.window, 2 * CHUNK);
    commit(&t, d.hdm, 0, t.window + CHUNK, CHUNK);
    commit(&t, d.hdm, 1, t.window, CHUNK);

    backend_add(&t, 1, 2 * BLOCK);
    backend_add(&t, 2, BLOCK);
    assert_ok(add_extent(&t, "dcd0", 0, 1, CHUNK - 2 * BLOCK, 2 * BLOCK));
    assert_ok(add_extent(&t, "dcd0", 1, 2, 0, BLOCK));
    assert_event(&t, &d, EVENT_ADD, 0, CHUNK - 2 * BLOCK, 2 * BLOCK, false);
    assert_event(&t, &d, EVENT_ADD, 1, CHUNK, BLOCK, false);
    g_assert_cmphex(accept_one(&t, &d, CHUNK - 2 * BLOCK, 2 * BLOCK), ==,
                    SUCCESS);
    g_assert_cmphex(accept_one(&t, &d, CHUNK, BLOCK), ==, SUCCESS);
    assert_status(&t, "dcd0", "0:fc00000+400000 accepted m1 direct; "
                  "1:10000000+200000 accepted m2 direct; ");
    assert_whole(&t, 1, t.window + 2 * CHUNK - 2 * BLOCK, 2 * BLOCK);
    assert_whole(&t, 2, t.window, BLOCK);

    /* With a skip, decoder 0 begins at region 1 */
    qtest_writel(t.qts, d.hdm + HDM_CTRL(1), 0);
    qtest_writel(t.qts, d.hdm + HDM_CTRL(0), 0);
    qtest_writeq(t.qts, d.hdm + HDM_TARGETS(0), CHUNK);
    commit(&t, d.hdm, 0, t.window + CHUNK, CHUNK);
    assert_status(&t, "dcd0", "0:fc00000+400000 accepted m1 none; "
                  "1:10000000+200000 accepted m2 direct; ");
    g_assert(is_direct(&t, t.window + CHUNK, BLOCK, 2, 0));
    assert_whole(&t, 2, t.window + CHUNK, BLOCK);
    g_assert(!is_memory(&t, t.window));

    /* An extent does not reach into the next region */
    backend_add(&t, 3, 2 * BLOCK);
    assert_fails(add_extent(&t, "dcd0", 0, 3, CHUNK - BLOCK, 2 * BLOCK),
                 "beyond the end of region 0", NULL);
    assert_fails(add_extent(&t, "dcd0", 2, 3, 0, 2 * BLOCK),
                 "'dcd0': region id 2 is too large", NULL);
    shut(&t);
}

/* One decoder for memory that is always there and for what comes and goes */
static void test_static(void)
{
    const uint64_t dpa = CHUNK + BLOCK;
    CXLTest t;
    Dcd d;

    boot(&t, MACHINE PXB_HDM RP(0) FILEMEM(0, "256M")
         DCD(0, "rp0", TWO_REGIONS ",volatile-memdev=mem0"));
    d = setup_dcd(&t, 0);
    backend_add(&t, 1, BLOCK);
    assert_ok(add_extent(&t, "dcd0", 0, 1, BLOCK, BLOCK));
    assert_event(&t, &d, EVENT_ADD, 0, dpa, BLOCK, false);
    for (unsigned i = 0; i < 2; i++) {
        if (i) {
            /* committed with the extent there */
            qtest_writel(t.qts, d.hdm + HDM_CTRL(0), 0);
            g_assert(!is_memory(&t, t.window));
        }
        commit_all(&t, &d, 3 * CHUNK);
        if (!i) {
            g_assert_cmphex(accept_one(&t, &d, dpa, BLOCK), ==, SUCCESS);
        }
        assert_in_file(&t, 0, t.window);
        assert_in_file(&t, CHUNK - 8, t.window + CHUNK - 8);
        g_assert(!is_memory(&t, t.window + CHUNK));
        g_assert(is_direct(&t, t.window + dpa, BLOCK, 1, 0));
        assert_whole(&t, 1, t.window + dpa, BLOCK);
        g_assert(!is_memory(&t, t.window + dpa + BLOCK));
    }
    g_assert_cmphex(release_one(&t, &d, dpa, BLOCK), ==, SUCCESS);
    g_assert(!is_memory(&t, t.window + dpa));
    assert_in_file(&t, 0, t.window);

    /* elsewhere after a reset */
    reset(&t);
    g_assert(!is_memory(&t, t.window));
    d = setup_dcd(&t, 0);
    t.window += CHUNK;
    commit_all(&t, &d, CHUNK);
    assert_in_file(&t, 0, t.window);
    g_assert(!is_memory(&t, t.window - CHUNK));
    shut(&t);
}

/* Two devices, interleaved by 256 bytes: trapped, and each has its own */
static void test_interleave(void)
{
    g_autofree uint8_t *data = g_malloc(64 * KiB), *back = g_malloc(64 * KiB);
    CXLTest t;
    uint64_t hb;
    Dcd d[2];

    boot(&t, MACHINE PXB RP(0) RP(1) DCD(0, "rp0", TWO_REGIONS)
         DCD(1, "rp1", TWO_REGIONS));
    hb = find_hdm(&t, t.hb);
    qtest_writel(t.qts, hb + HDM_TARGETS(0), 0x0100);
    qtest_writeq(t.qts, hb + HDM_BASE(0), t.window);
    qtest_writeq(t.qts, hb + HDM_SIZE(0), 2 * CHUNK);
    qtest_writel(t.qts, hb + HDM_CTRL(0), CTRL_COMMIT | 1 << 4);
    for (unsigned i = 0; i < 2; i++) {
        d[i] = setup_dcd(&t, i);
        qtest_writeq(t.qts, d[i].hdm + HDM_BASE(0), t.window);
        qtest_writeq(t.qts, d[i].hdm + HDM_SIZE(0), 2 * CHUNK);
        qtest_writel(t.qts, d[i].hdm + HDM_CTRL(0), CTRL_COMMIT | 1 << 4);
        give(&t, &d[i], 1 + i, 0, BLOCK);
        give(&t, &d[i], 3 + i, BLOCK, BLOCK);
    }
    assert_status(&t, "dcd0", "0:0+200000 accepted m1 trapped; "
                  "0:200000+200000 accepted m3 trapped; ");
    g_assert(!is_direct(&t, 0, 0, 0, 0));

    for (unsigned i = 0; i < 64 * KiB; i++) {
        data[i] = i * 7 + (i >> 8);
    }
    /* across the border between the extents */
    qtest_memwrite(t.qts, t.window + 2 * BLOCK - 32 * KiB, data, 64 * KiB);
    qtest_memread(t.qts, t.window + 2 * BLOCK - 32 * KiB, back, 64 * KiB);
    g_assert(!memcmp(data, back, 64 * KiB));
    for (unsigned i = 0; i < 64 * KiB; i += 256) {
        unsigned dev = i / 256 % 2, second = i >= 32 * KiB;
        uint64_t offset = second ? (i - 32 * KiB) / 512 * 256
                                 : BLOCK - 16 * KiB + i / 512 * 256;
        int fd = open_file(1 + dev + 2 * second);

        g_assert_cmpint(pread(fd, back, 256, offset), ==, 256);
        g_assert(!memcmp(data + i, back, 256));
        close(fd);
    }

    /* Without one of them there is nothing in its turns */
    g_assert_cmphex(release_one(&t, &d[1], 0, BLOCK), ==, SUCCESS);
    g_assert(is_memory(&t, t.window));
    g_assert(!is_memory(&t, t.window + 256));
    g_assert(is_memory(&t, t.window + 512));
    shut(&t);
}

/* Trapped accesses that begin in one extent and end in the next, or nowhere */
static void test_border(void)
{
    CXLTest t;
    uint64_t addr;
    Dcd d;

    boot(&t, MACHINE PXB RP(0) RP(1) DCD(0, "rp0", TWO_REGIONS));
    d = setup_dcd(&t, 0);
    /* two ways here, one on the way: whoever does this gets half of it */
    qtest_writeq(t.qts, d.hdm + HDM_BASE(0), t.window);
    qtest_writeq(t.qts, d.hdm + HDM_SIZE(0), 2 * CHUNK);
    qtest_writel(t.qts, d.hdm + HDM_CTRL(0), CTRL_COMMIT | 1 << 4 | 6);
    qtest_writel(t.qts, find_hdm(&t, t.hb) + HDM_TARGETS(0), 0);
    commit(&t, find_hdm(&t, t.hb), 0, t.window, 2 * CHUNK);
    give(&t, &d, 1, 0, BLOCK);
    give(&t, &d, 2, BLOCK, BLOCK);
    /* DPA 2 MiB - 4, by granules of 16 KiB */
    addr = t.window + 2 * BLOCK - 16 * KiB - 4;
    qtest_writeq(t.qts, addr, 0x1122334455667788);
    g_assert_cmphex(qtest_readq(t.qts, addr), ==, 0x1122334455667788);
    g_assert_cmphex(read_file(1, BLOCK - 8) >> 32, ==, 0x55667788);
    g_assert_cmphex(read_file(2, 0) & UINT32_MAX, ==, 0x11223344);

    g_assert_cmphex(release_one(&t, &d, BLOCK, BLOCK), ==, SUCCESS);
    qtest_writeq(t.qts, addr, UINT64_MAX);
    g_assert_cmphex(qtest_readq(t.qts, addr), !=, UINT64_MAX);
    g_assert_cmphex(read_file(1, BLOCK - 8) >> 32, ==, 0x55667788);
    shut(&t);
}

/* In the midst of what a decoder maps the way leads to another device */
static void test_detour(void)
{
    static const uint8_t ports[] = { 0, 1, 0 };
    CXLTest t;
    uint64_t hb;
    Dcd d[2];

    boot(&t, MACHINE PXB RP(0) RP(1)
         DCD(0, "rp0", "1,dc-regions-total-size=768M")
         DCD(1, "rp1", "1,dc-regions-total-size=768M"));
    hb = find_hdm(&t, t.hb);
    for (unsigned i = 0; i < 3; i++) {
        qtest_writel(t.qts, hb + HDM_TARGETS(i), ports[i]);
        commit(&t, hb, i, t.window + i * CHUNK, CHUNK);
    }
    for (unsigned i = 0; i < 2; i++) {
        d[i] = setup_dcd(&t, i);
        commit(&t, d[i].hdm, 0, t.window, 3 * CHUNK);
    }
    give(&t, &d[1], 1, CHUNK, BLOCK);
    give(&t, &d[0], 2, 0, BLOCK);
    give(&t, &d[0], 3, CHUNK, BLOCK);
    give(&t, &d[0], 4, 2 * CHUNK, BLOCK);
    give(&t, &d[1], 5, 0, BLOCK);
    g_assert(is_direct(&t, t.window + CHUNK, BLOCK, 1, 0));
    g_assert(is_direct(&t, t.window, BLOCK, 2, 0));
    g_assert(is_direct(&t, t.window + 2 * CHUNK, BLOCK, 4, 0));
    assert_whole(&t, 1, t.window + CHUNK, BLOCK);

    /* one extent across all of it is at both ends, and not in the midst */
    g_assert_cmphex(release_one(&t, &d[0], 0, BLOCK), ==, SUCCESS);
    g_assert_cmphex(release_one(&t, &d[0], CHUNK, BLOCK), ==, SUCCESS);
    g_assert_cmphex(release_one(&t, &d[0], 2 * CHUNK, BLOCK), ==, SUCCESS);
    give(&t, &d[0], 6, 0, 3 * CHUNK);
    g_assert(!is_direct(&t, t.window, BLOCK, 6, 0));
    assert_memory(&t, 6, 2 * CHUNK, t.window + 2 * CHUNK);
    assert_whole(&t, 1, t.window + CHUNK, BLOCK);
    shut(&t);
}

/* An extent in two decoders, side by side */
static void test_two_decoders(void)
{
    CXLTest t;
    uint64_t hb;
    Dcd d;

    boot(&t, MACHINE PXB_HDM RP(0) DCD(0, "rp0", "1,dc-regions-total-size="
                                       "512M"));
    d = setup_dcd(&t, 0);
    hb = find_hdm(&t, t.hb);
    qtest_writel(t.qts, hb + HDM_TARGETS(0), 0);
    commit(&t, hb, 0, t.window, 4 * CHUNK);
    commit(&t, d.hdm, 0, t.window + 2 * CHUNK, CHUNK);
    commit(&t, d.hdm, 1, t.window, CHUNK);
    give(&t, &d, 1, CHUNK - BLOCK, 2 * BLOCK);
    assert_status(&t, "dcd0", "0:fe00000+400000 accepted m1 direct; ");
    g_assert(is_direct(&t, t.window + 3 * CHUNK - BLOCK, BLOCK, 1, 0));
    g_assert(is_direct(&t, t.window, BLOCK, 1, BLOCK));
    assert_memory(&t, 1, 0, t.window + 3 * CHUNK - BLOCK);
    assert_memory(&t, 1, BLOCK, t.window);
    shut(&t);
}

static void test_two_devices(void)
{
    CXLTest t;
    uint64_t hb;
    Dcd d[2];

    boot(&t, MACHINE PXB RP(0) RP(1) DCD(0, "rp0", TWO_REGIONS)
         DCD(1, "rp1", TWO_REGIONS));
    hb = find_hdm(&t, t.hb);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t base = t.window + 2 * i * CHUNK;

        d[i] = setup_dcd(&t, i);
        commit(&t, d[i].hdm, 0, base, 2 * CHUNK);
        qtest_writel(t.qts, hb + HDM_TARGETS(i), i);
        commit(&t, hb, i, base, 2 * CHUNK);
        give(&t, &d[i], 1 + i, BLOCK, BLOCK);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_whole(&t, 1 + i, t.window + 2 * i * CHUNK + BLOCK, BLOCK);
    }
    assert_fails(add_extent(&t, "dcd1", 0, 1, 0, BLOCK), "'dcd1'",
                 "'m1' is in use", NULL);
    assert_fails(release(&t, "dcd0", "tag-based", 0,
                         "'tag': '5be13bce-ae34-4a77-b6c3-16df975f0002'"),
                 "'dcd0'", "no extent in this region has the tag", NULL);

    /* from one to the other */
    g_assert_cmphex(release_one(&t, &d[0], BLOCK, BLOCK), ==, SUCCESS);
    assert_ok(add_extent(&t, "dcd1", 0, 1, 0, BLOCK));
    g_assert_cmphex(accept_one(&t, &d[1], 0, BLOCK), ==, SUCCESS);
    assert_whole(&t, 1, t.window + 2 * CHUNK, BLOCK);
    assert_whole(&t, 2, t.window + 2 * CHUNK + BLOCK, BLOCK);
    assert_status(&t, "dcd0", "");
    shut(&t);
}

/* ---- commands of the mailbox that reach memory ---- */

static void test_media(void)
{
    uint8_t poison[8 + 64], media[8 + 16] = { 1, 1, [4] = 1 };
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    give(&t, &d, 1, BLOCK, BLOCK);
    memset(poison, 0xa5, sizeof(poison));
    stq_le_p(poison, BLOCK + 128);
    g_assert_cmphex(run_command(&t, d.mbox, CLEAR_POISON, poison,
                                sizeof(poison), NULL, 0), ==, SUCCESS);
    g_assert_cmphex(read_file(1, 128), ==, 0xa5a5a5a5a5a5a5a5);
    g_assert_cmphex(read_file(1, 128 + 56), ==, 0xa5a5a5a5a5a5a5a5);
    g_assert_cmphex(read_file(1, 128 + 64), ==, 0);
    stq_le_p(poison, 2 * BLOCK);
    g_assert_cmphex(run_command(&t, d.mbox, CLEAR_POISON, poison,
                                sizeof(poison), NULL, 0), ==, INTERNAL_ERROR);

    /* Media Operations: zero a range */
    stq_le_p(media + 8, BLOCK + 128);
    stq_le_p(media + 16, 64);
    g_assert_cmphex(run_command(&t, d.mbox, MEDIA_OPERATION, media,
                                sizeof(media), NULL, 0), ==, BG_STARTED);
    qtest_clock_step(t.qts, 10000000000);
    wait_clear(1, 128);
    stq_le_p(media + 8, 2 * BLOCK);
    g_assert_cmphex(run_command(&t, d.mbox, MEDIA_OPERATION, media,
                                sizeof(media), NULL, 0), ==, INVALID_INPUT);
    shut(&t);
}

/* A range that does not begin with a block may end in the next */
static void test_blocks(void)
{
    uint8_t media[8 + 16] = { 1, 1, [4] = 1 };
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    give(&t, &d, 1, 0, BLOCK);
    stq_le_p(media + 8, BLOCK - 64);
    stq_le_p(media + 16, 128);
    g_assert_cmphex(run_command(&t, d.mbox, MEDIA_OPERATION, media,
                                sizeof(media), NULL, 0), ==, INVALID_INPUT);
    /* and one of static memory goes on in what is dynamic */
    shut(&t);

    boot(&t, MACHINE PXB_HDM RP(0) FILEMEM(0, "256M")
         DCD(0, "rp0", TWO_REGIONS ",volatile-memdev=mem0"));
    d = setup_dcd(&t, 0);
    commit_all(&t, &d, 3 * CHUNK);
    stq_le_p(media + 8, CHUNK - 64);
    g_assert_cmphex(run_command(&t, d.mbox, MEDIA_OPERATION, media,
                                sizeof(media), NULL, 0), ==, INVALID_INPUT);
    give_at(&t, &d, 1, CHUNK, 0, BLOCK);
    qtest_writeq(t.qts, t.window + CHUNK - 8, 1);
    qtest_writeq(t.qts, t.window + CHUNK, 1);
    qtest_writeq(t.qts, t.window + CHUNK + 64, 1);
    g_assert_cmphex(run_command(&t, d.mbox, MEDIA_OPERATION, media,
                                sizeof(media), NULL, 0), ==, BG_STARTED);
    qtest_clock_step(t.qts, 10000000000);
    wait_clear(1, 0);
    g_assert_cmphex(qtest_readq(t.qts, t.window + CHUNK - 8), ==, 0);
    g_assert_cmphex(read_file(1, 64), ==, 1);
    shut(&t);
}

static bool media_disabled(CXLTest *t, const Dcd *d)
{
    return run_command(t, d->mbox, GET_PARTITION, NULL, 0, NULL, 0) ==
           MEDIA_DISABLED;
}

/* Sanitize: from the beginning to the end of it nothing can be reached */
static void test_sanitize(void)
{
    CXLTest t;
    uint64_t value;
    Dcd d;

    boot(&t, MACHINE PXB_HDM RP(0) FILEMEM(0, "256M")
         DCD(0, "rp0", TWO_REGIONS ",volatile-memdev=mem0"));
    for (unsigned i = 0; i < 2; i++) {
        d = setup_dcd(&t, 0);
        commit_all(&t, &d, 3 * CHUNK);
        if (!i) {
            give_at(&t, &d, 1, CHUNK, 0, BLOCK);
        }
        g_assert(!media_disabled(&t, &d));
        value = 0x5ec7e700 + i;
        qtest_writeq(t.qts, t.window, value);
        qtest_writeq(t.qts, t.window + CHUNK + BLOCK - 8, value);
        g_assert_cmphex(run_command(&t, d.mbox, SANITIZE_ALL, NULL, 0, NULL,
                                    0), ==, BG_STARTED);
        for (unsigned n = 0; n < 2; n++) {
            g_assert(media_disabled(&t, &d));
            g_assert(!is_direct(&t, 0, 0, 0, 0));
            g_assert_cmphex(qtest_readq(t.qts, t.window), !=, value);
            g_assert_cmphex(qtest_readq(t.qts, t.window + CHUNK + BLOCK - 8),
                            !=, value);
            qtest_writeq(t.qts, t.window + CHUNK, value);
            g_assert_cmphex(read_file(1, 0), !=, value);
            if (n) {
                break;
            }
            /* a reset ends the command, but not the state */
            reset(&t);
            d = setup_dcd(&t, 0);
            commit_all(&t, &d, 3 * CHUNK);
        }
        g_assert_cmphex(read_file(1, BLOCK - 8), ==, value);
        g_assert_cmphex(run_command(&t, d.mbox, SANITIZE_ALL, NULL, 0, NULL,
                                    0), ==, BG_STARTED);
        qtest_clock_step(t.qts, 10000000000);
        wait_clear(1, BLOCK - 8);
        for (unsigned n = 0; media_disabled(&t, &d); n++) {
            g_assert_cmpint(n, <, 5000);
            g_usleep(1000);
        }
        g_assert_cmphex(qtest_readq(t.qts, t.window), ==, 0);
        g_assert(is_direct(&t, t.window + CHUNK, BLOCK, 1, 0));
        assert_in_file(&t, 8, t.window + 8);
        assert_whole(&t, 1, t.window + CHUNK, BLOCK);
        reset(&t);
    }
    shut(&t);
}

/* 64 GiB that were never touched: at once, and no memory is allocated */
static void test_sanitize_much(void)
{
    const uint64_t len = 64ull * GiB;
    int64_t begin, worst = 0;
    struct stat st;
    CXLTest t;
    Dcd d;
    int fd;

    if (!can_punch_holes()) {
        g_test_skip("holes cannot be punched here");
        return;
    }
    boot(&t, "-nodefaults -m 128 -machine q35,cxl=on,"
         "cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=64G "
         PXB_HDM RP(0) DCD(0, "rp0", "1,dc-regions-total-size=64G"));
    d = setup_dcd(&t, 0);
    commit_all(&t, &d, len);
    give(&t, &d, 1, 0, len);
    qtest_writeq(t.qts, t.window + len - 8, 0x5ec7e7);
    begin = g_get_monotonic_time();
    assert_ok(release(&t, "dcd0", "prescriptive", 0, FORCED SANITIZE
                      LIST(EXTENT(B0, "68719476736"))));
    while (read_file(1, len - 8)) {
        int64_t now = g_get_monotonic_time();

        assert_status(&t, "dcd0", "");
        worst = MAX(worst, g_get_monotonic_time() - now);
        g_assert_cmpint(now - begin, <, 60 * G_USEC_PER_SEC);
    }
    g_test_message("64 GiB cleared in %.3f s, monitor answered in %.3f s",
                   (g_get_monotonic_time() - begin) / 1e6, worst / 1e6);
    g_assert_cmpint(worst, <, G_USEC_PER_SEC);
    fd = open_file(1);
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    g_assert_cmpint(st.st_blocks * 512, <, MiB);
    close(fd);
    assert_ok(backend_del(&t, 1));
    shut(&t);
}

/* ---- with a CPU that runs ---- */

/*
 * In place of the BIOS: to 64-bit mode, with the first 512 GiB mapped one to
 * one, and then to whatever address is at CALL.
 *
 *     cli; lgdtl %cs:gdtr; cr4 = PAE; cr3 = 0xf1000; EFER = LME
 *     cr0 = PG | PE; ljmpl $8, $0xf0000 + l64
 * l64: rsp = 0x6000; rsi = CALL
 * wait: rbx = *CALL; if (!rbx) goto wait; rax = (*rbx)()
 *     *RESULT = rax; *CALL = 0; ++*CALLS; goto wait
 * gdt: null, 64-bit code
 * gdtr: 15, gdt
 */
#define CALL    0x7000
#define CALLS   0x7010
#define RESULT  0x7018
#define LENGTH  0x7020
#define ADDRESS 0x7028
#define ROUNDS  0x7030
#define WRITER  0x8000

static const uint8_t rom[] = {
    0xfa, 0x2e, 0x66, 0x0f, 0x01, 0x16, 0x78, 0x00, 0x66, 0xb8, 0x20, 0x00,
    0x00, 0x00, 0x0f, 0x22, 0xe0, 0x66, 0xb8, 0x00, 0x10, 0x0f, 0x00, 0x0f,
    0x22, 0xd8, 0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0, 0x66, 0xb8, 0x00, 0x01,
    0x00, 0x00, 0x66, 0x31, 0xd2, 0x0f, 0x30, 0x66, 0xb8, 0x01, 0x00, 0x00,
    0x80, 0x0f, 0x22, 0xc0, 0x66, 0xea, 0x3c, 0x00, 0x0f, 0x00, 0x08, 0x00,
    0xbc, 0x00, 0x60, 0x00, 0x00, 0xbe, 0x00, 0x70, 0x00, 0x00, 0x48, 0x8b,
    0x1e, 0x48, 0x85, 0xdb, 0x74, 0xf8, 0xff, 0xd3, 0xbe, 0x00, 0x70, 0x00,
    0x00, 0x48, 0x89, 0x46, 0x18, 0x48, 0xc7, 0x06, 0x00, 0x00, 0x00, 0x00,
    0x48, 0xff, 0x46, 0x10, 0xeb, 0xe0, 0x66, 0x90, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9a, 0x20, 0x00,
    0x0f, 0x00, 0x68, 0x00, 0x0f, 0x00,
};

/* Write to each page from *ADDRESS for *LENGTH, ++*ROUNDS, and again */
static const uint8_t writer[] = {
    0x48, 0x8b, 0x3c, 0x25, 0x28, 0x70, 0x00, 0x00, 0x48, 0x8b, 0x14, 0x25,
    0x20, 0x70, 0x00, 0x00, 0x31, 0xc9, 0xc7, 0x04, 0x0f, 0xe7, 0xc7, 0x5e,
    0x00, 0x48, 0x81, 0xc1, 0x00, 0x10, 0x00, 0x00, 0x48, 0x39, 0xd1, 0x72,
    0xed, 0x48, 0xff, 0x04, 0x25, 0x30, 0x70, 0x00, 0x00, 0xeb, 0xd9,
};

/* One device with the path to it committed, and a CPU that waits for a call */
static Dcd boot_cpu(CXLTest *t)
{
    static const uint8_t jump[] = { 0xe9, 0x0d, 0x00 };    /* jmp 0 */
    g_autofree uint8_t *image = g_malloc0(64 * KiB);
    g_autofree char *bios = NULL, *args = NULL;
    int fd = g_file_open_tmp("cxl-dcd-bios-XXXXXX", &bios, NULL);
    Dcd d;

    memcpy(image, rom, sizeof(rom));
    memcpy(image + 0xfff0, jump, sizeof(jump));
    /* Accessed and dirty already: nobody has to write there */
    stq_le_p(image + 0x1000, 0xf2000 | 0x63);
    for (uint64_t i = 0; i < 512; i++) {
        stq_le_p(image + 0x2000 + 8 * i, i << 30 | 0xe3);
    }
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, image, 64 * KiB), ==, 64 * KiB);
    close(fd);
    args = g_strdup_printf("-accel tcg -cpu max -bios %s %s", bios, ONE);
    dir = NULL;
    *t = (CXLTest) {};
    start(t, args);
    dir = g_dir_make_tmp("cxl-dcd-XXXXXX", NULL);
    unlink(bios);
    d = setup_dcd(t, 0);
    commit_all(t, &d, 2 * CHUNK);
    return d;
}

static uint64_t call(CXLTest *t, uint64_t addr)
{
    uint64_t n = qtest_readq(t->qts, CALLS);

    qtest_writeq(t->qts, CALL, addr);
    for (unsigned i = 0; qtest_readq(t->qts, CALLS) == n; i++) {
        g_assert_cmpint(i, <, 10000);
        g_usleep(1000);
    }
    return qtest_readq(t->qts, RESULT);
}

/* What the CPU executes is what is in memory, whoever put it there */
static void test_code(void)
{
    /* mov $n,%eax; ret */
    static const uint8_t one[8] = { 0xb8, 1, 0, 0, 0, 0xc3 };
    static const uint8_t three[8] = { 0xb8, 3, 0, 0, 0, 0xc3 };
    uint8_t poison[8 + 64] = {};
    CXLTest t;
    Dcd d = boot_cpu(&t);
    int fd;

    give(&t, &d, 1, 0, BLOCK);
    qtest_memwrite(t.qts, t.window, one, sizeof(one));
    g_assert_cmpint(call(&t, t.window), ==, 1);

    /* by the device */
    memcpy(poison + 8, one, sizeof(one));
    poison[9] = 2;
    g_assert_cmphex(run_command(&t, d.mbox, CLEAR_POISON, poison,
                                sizeof(poison), NULL, 0), ==, SUCCESS);
    g_assert_cmpint(call(&t, t.window), ==, 2);

    /* by clearing it, after which what is in the file counts */
    assert_ok(release(&t, "dcd0", "tag-based", 0, FORCED SANITIZE
                      "'tag': '5be13bce-ae34-4a77-b6c3-16df975f0001'"));
    wait_clear(1, 0);
    assert_event(&t, &d, EVENT_FORCED, 0, 0, BLOCK, false);
    assert_ok(add_extent(&t, "dcd0", 0, 1, 0, BLOCK));
    assert_event(&t, &d, EVENT_ADD, 0, 0, BLOCK, false);
    g_assert_cmphex(accept_one(&t, &d, 0, BLOCK), ==, SUCCESS);
    g_assert_cmphex(qtest_readq(t.qts, t.window), ==, 0);
    fd = open_file(1);
    g_assert_cmpint(pwrite(fd, three, sizeof(three), 0), ==, sizeof(three));
    close(fd);
    g_assert_cmpint(call(&t, t.window), ==, 3);

    /* by another extent in its place */
    g_assert_cmphex(release_one(&t, &d, 0, BLOCK), ==, SUCCESS);
    give(&t, &d, 2, 0, BLOCK);
    qtest_memwrite(t.qts, t.window, one, sizeof(one));
    g_assert_cmpint(call(&t, t.window), ==, 1);
    g_assert_cmphex(release_one(&t, &d, 0, BLOCK), ==, SUCCESS);
    assert_ok(add_extent(&t, "dcd0", 0, 1, 0, BLOCK));
    g_assert_cmphex(accept_one(&t, &d, 0, BLOCK), ==, SUCCESS);
    g_assert_cmpint(call(&t, t.window), ==, 3);
    shut(&t);
}

/* A CPU writes all the time: what is cleared is clear, and stays so */
static void test_sanitize_cpu(void)
{
    const uint64_t len = 32 * BLOCK;
    CXLTest t;
    Dcd d = boot_cpu(&t);

    give(&t, &d, 1, 0, len);
    qtest_memwrite(t.qts, WRITER, writer, sizeof(writer));
    qtest_writeq(t.qts, ADDRESS, t.window);
    qtest_writeq(t.qts, LENGTH, len);
    qtest_writeq(t.qts, CALL, WRITER);
    while (qtest_readq(t.qts, ROUNDS) < 3) {
        g_usleep(1000);
    }
    for (unsigned i = 0; i < 10; i++) {
        uint64_t rounds;

        assert_ok(release(&t, "dcd0", "tag-based", 0, FORCED SANITIZE
                          "'tag': '5be13bce-ae34-4a77-b6c3-16df975f0001'"));
        assert_event(&t, &d, EVENT_FORCED, 0, 0, len, false);
        for (unsigned n = 0; ; n++) {
            g_autofree char *err = add_extent(&t, "dcd0", 0, 1, 0, len);

            if (!err) {
                break;
            }
            g_assert_nonnull(strstr(err, "in use"));
            g_assert_cmpint(n, <, 5000);
            g_usleep(1000);
        }
        for (uint64_t offset = 0; offset < len; offset += 4096) {
            g_assert_cmphex(read_file(1, offset), ==, 0);
        }
        assert_event(&t, &d, EVENT_ADD, 0, 0, len, false);
        g_assert_cmphex(accept_one(&t, &d, 0, len), ==, SUCCESS);
        rounds = qtest_readq(t.qts, ROUNDS);
        while (qtest_readq(t.qts, ROUNDS) < rounds + 3) {
            g_usleep(1000);
        }
        g_assert_cmphex(read_file(1, len - 4096), ==, 0x5ec7e7);
    }
    shut(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_device("cxl-type3")) {
        g_test_skip("no cxl-type3");
        return 0;
    }

    qtest_add_func("/cxl-dcd-memory/decoders", test_decoders);
    qtest_add_func("/cxl-dcd-memory/regions", test_regions);
    qtest_add_func("/cxl-dcd-memory/static", test_static);
    qtest_add_func("/cxl-dcd-memory/interleave", test_interleave);
    qtest_add_func("/cxl-dcd-memory/border", test_border);
    qtest_add_func("/cxl-dcd-memory/detour", test_detour);
    qtest_add_func("/cxl-dcd-memory/two-decoders", test_two_decoders);
    qtest_add_func("/cxl-dcd-memory/two-devices", test_two_devices);
    qtest_add_func("/cxl-dcd-memory/media", test_media);
    qtest_add_func("/cxl-dcd-memory/blocks", test_blocks);
    qtest_add_func("/cxl-dcd-memory/sanitize", test_sanitize);
    qtest_add_func("/cxl-dcd-memory/sanitize-much", test_sanitize_much);
    if (qtest_has_accel("tcg")) {
        qtest_add_func("/cxl-dcd-memory/code", test_code);
        qtest_add_func("/cxl-dcd-memory/sanitize-cpu", test_sanitize_cpu);
    }

    return g_test_run();
}

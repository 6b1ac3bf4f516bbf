/*
 * QTest testcase for the memory slots that dynamic capacity takes
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/sockets.h"
#include "cxl-dcd-util.h"

#define TWO_SLOTS \
    MACHINE PXB_HDM RP(0) DCD(0, "rp0", TWO_REGIONS ",x-dc-memslots=2")

/* Without a memory slot an extent is trapped, until there is one */
G_GNUC_PRINTF(1, 0)
static void run_limit(const char *args, bool kvm)
{
    const Extent pair[] = { { 4 * BLOCK, BLOCK }, { 5 * BLOCK, BLOCK } };
    CXLTest t;
    Dcd d = boot_one(&t, args);

    /* not another accelerator in its place */
    g_assert(runs_kvm(&t) == kvm);

    /* one for both halves of a backend, side by side */
    backend_add(&t, 1, 2 * BLOCK);
    assert_ok(add_extents(&t, "dcd0", 0, 1, EXTENT(B4, B1) "," EXTENT(B5, B1)));
    for (unsigned i = 0; i < 2; i++) {
        assert_event(&t, &d, EVENT_ADD, 0, pair[i].dpa, BLOCK, !i);
    }
    g_assert_cmphex(send_list(&t, &d, ADD_DC_RESPONSE, pair, 2), ==, SUCCESS);
    give(&t, &d, 2, 8 * BLOCK, BLOCK);
    /* the first by address, but the last to come */
    give(&t, &d, 3, 0, BLOCK);
    assert_status(&t, "dcd0", "0:800000+200000 accepted m1 direct; "
                  "0:a00000+200000 accepted m1 direct; "
                  "0:1000000+200000 accepted m2 direct; "
                  "0:0+200000 accepted m3 trapped; ");
    assert_whole(&t, 3, t.window, BLOCK);
    g_assert(is_direct(&t, t.window + 4 * BLOCK, 2 * BLOCK, 1, 0));
    g_assert(is_direct(&t, t.window + 8 * BLOCK, BLOCK, 2, 0));

    /* one half does not free a slot, the other does */
    g_assert_cmphex(release_one(&t, &d, 5 * BLOCK, BLOCK), ==, SUCCESS);
    g_assert(!is_direct(&t, t.window, BLOCK, 3, 0));
    g_assert(is_direct(&t, t.window + 4 * BLOCK, BLOCK, 1, 0));
    g_assert(!is_direct(&t, t.window + 4 * BLOCK, 2 * BLOCK, 1, 0));
    g_assert_cmphex(release_one(&t, &d, 4 * BLOCK, BLOCK), ==, SUCCESS);
    g_assert(is_direct(&t, t.window, BLOCK, 3, 0));
    assert_status(&t, "dcd0", "0:1000000+200000 accepted m2 direct; "
                  "0:0+200000 accepted m3 direct; ");
    assert_whole(&t, 3, t.window, BLOCK);
    shut(&t);
}

static void test_limit(void)
{
    run_limit(TWO_SLOTS, false);
}

/* As KVM has them. No CPU runs: not every /dev/kvm can run what starts here */
static void test_kvm(void)
{
    run_limit(TWO_SLOTS "-accel kvm -S", true);
}

/*
 * ---- vhost-user ----
 *
 * The other end of the socket is a thread that answers what QEMU asks before
 * the guest's driver is there.
 */

#ifdef CONFIG_VHOST_NET_USER

#define VHOST_GET_FEATURES          1
#define VHOST_GET_PROTOCOL_FEATURES 15
#define VHOST_GET_MAX_MEM_SLOTS     36
#define VHOST_VERSION               1
#define VHOST_REPLY                 (1 << 2)

/* Feature bits */
#define VHOST_PROTOCOL_FEATURES     30
#define VHOST_CONFIGURE_MEM_SLOTS   15

typedef struct {
    int listener;
    unsigned slots;             /* 0: it has 8, and does not say so */
} Vhost;

typedef struct QEMU_PACKED {
    uint32_t request;
    uint32_t flags;
    uint32_t size;
} VhostHeader;

static bool read_all(int fd, void *buf, size_t size)
{
    /* File descriptors that come along are not taken */
    return recv(fd, buf, size, MSG_WAITALL) == size;
}

static void reply(int fd, VhostHeader *header, uint64_t value)
{
    header->flags = VHOST_VERSION | VHOST_REPLY;
    header->size = sizeof(value);
    g_assert_cmpint(write(fd, header, sizeof(*header)), ==, sizeof(*header));
    g_assert_cmpint(write(fd, &value, sizeof(value)), ==, sizeof(value));
}

static gpointer serve(gpointer opaque)
{
    const Vhost *v = opaque;
    VhostHeader header;
    uint8_t payload[512];
    int fd = accept(v->listener, NULL, NULL);

    while (read_all(fd, &header, sizeof(header))) {
        g_assert_cmpint(header.size, <=, sizeof(payload));
        g_assert(!header.size || read_all(fd, payload, header.size));
        switch (header.request) {
        case VHOST_GET_FEATURES:
            reply(fd, &header, BIT_ULL(VHOST_PROTOCOL_FEATURES));
            break;
        case VHOST_GET_PROTOCOL_FEATURES:
            reply(fd, &header,
                  v->slots ? BIT_ULL(VHOST_CONFIGURE_MEM_SLOTS) : 0);
            break;
        case VHOST_GET_MAX_MEM_SLOTS:
            reply(fd, &header, v->slots);
            break;
        }
    }
    close(fd);
    return NULL;
}

/*
 * @slots: of vhost, or 0
 * @direct: how many extents get one
 */
static void run_vhost(unsigned slots, unsigned direct)
{
    g_autofree char *tmp = g_dir_make_tmp("cxl-dcd-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(tmp, "socket", NULL);
    g_autofree char *args = NULL;
    g_autoptr(GString) expected = g_string_new("");
    Vhost v = {
        .listener = unix_listen(path, &error_abort),
        .slots = slots,
    };
    GThread *thread = g_thread_new("vhost-user", serve, &v);
    CXLTest t;
    Dcd d;

    args = g_strdup_printf(ONE "-m slots=1,maxmem=1G"
                           " -chardev socket,id=v,path=%s"
                           " -netdev vhost-user,id=net,chardev=v", path);
    d = boot_one(&t, args);

    for (unsigned i = 0; i <= direct; i++) {
        give(&t, &d, i, 2 * i * BLOCK, BLOCK);
        g_assert(is_direct(&t, t.window + 2 * i * BLOCK, BLOCK, i, 0) ==
                 (i < direct));
        g_string_append_printf(expected, "0:%x+200000 accepted m%u %s; ",
                               (unsigned)(2 * i * BLOCK), i,
                               i < direct ? "direct" : "trapped");
    }
    assert_status(&t, "dcd0", expected->str);
    assert_whole(&t, direct, t.window + 2 * direct * BLOCK, BLOCK);

    /* Others get what was left to them */
    qtest_qmp_assert_success(t.qts, "{'execute': 'object-add', 'arguments': "
        "{'qom-type': 'memory-backend-memfd', 'id': 'dimm', 'size': %" PRIu64
        "}}", 128 * MiB);
    qtest_qmp_assert_success(t.qts, "{'execute': 'device_add', 'arguments': "
        "{'driver': 'pc-dimm', 'id': 'dimm0', 'memdev': 'dimm'}}");

    /* and the extent that was too many gets the slot of another */
    g_assert_cmphex(release_one(&t, &d, 0, BLOCK), ==, SUCCESS);
    g_assert(is_direct(&t, t.window + 2 * direct * BLOCK, BLOCK, direct, 0));
    assert_whole(&t, direct, t.window + 2 * direct * BLOCK, BLOCK);
    shut(&t);
    g_thread_join(thread);
    close(v.listener);
    unlink(path);
    rmdir(tmp);
}

/* As those have them that do not say how many */
static void test_vhost_few(void)
{
    run_vhost(0, 6);
}

/* As vhost in the kernel has them */
static void test_vhost(void)
{
    run_vhost(64, 56);
}

#endif /* CONFIG_VHOST_NET_USER */

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_device("cxl-type3")) {
        g_test_skip("no cxl-type3");
        return 0;
    }

    qtest_add_func("/cxl-dcd-slots/limit", test_limit);
    if (qtest_has_accel("kvm")) {
        qtest_add_func("/cxl-dcd-slots/kvm", test_kvm);
    }
#ifdef CONFIG_VHOST_NET_USER
    qtest_add_func("/cxl-dcd-slots/vhost", test_vhost);
    qtest_add_func("/cxl-dcd-slots/vhost-few", test_vhost_few);
#endif

    return g_test_run();
}

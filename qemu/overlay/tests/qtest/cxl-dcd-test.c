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
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "libqtest.h"
#include "hw/pci/pci_regs.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "cxl-type2-util.h"

#define BLOCK       (2 * MiB)
#define PXB_HDM     PXB ",hdm_for_passthrough=on"
#define DCD(n, bus, props) \
    " -device cxl-type3,id=dcd" #n ",bus=" bus ",num-dc-regions=" props " "
#define ONE_REGION  "1,dc-regions-total-size=2G"
#define TWO_REGIONS "2,dc-regions-total-size=512M"

/* Command opcodes and return codes of CXL r3.1, Tables 8-37 and 8-34 */
#define GET_EVENTS      0x0100
#define CLEAR_EVENTS    0x0101
#define GET_PARTITION   0x4100
#define CLEAR_POISON    0x4302
#define SANITIZE_ALL    0x4400
#define MEDIA_OPERATION 0x4402
#define GET_DC_CONFIG   0x4800
#define GET_DC_LIST     0x4801
#define ADD_DC_RESPONSE 0x4802
#define RELEASE_DC      0x4803
#define TUNNEL          0x5300
#define FM_DC_ADD       0x5604
#define FM_DC_RELEASE   0x5605
#define SUCCESS         0x00
#define BG_STARTED      0x01
#define INVALID_INPUT   0x02
#define INTERNAL_ERROR  0x04
#define MEDIA_DISABLED  0x07
#define INVALID_PA      0x0f
#define INVALID_LENGTH  0x16
#define EXHAUSTED       0x1d
#define INVALID_LIST    0x1e

#define EVENT_ADD           0
#define EVENT_RELEASE       1
#define EVENT_FORCED        2

typedef struct {
    const char *id;
    uint64_t hdm;
    uint64_t mbox;
} Dcd;

typedef struct {
    uint64_t dpa;
    uint64_t len;
} Extent;

static char *dir;

/* ---- the device's registers ---- */

static uint64_t find_mailbox(CXLTest *t, uint64_t bar)
{
    for (unsigned i = 1; i <= qtest_readw(t->qts, bar + 4); i++) {
        uint32_t id = qtest_readl(t->qts, bar + 0x10 * i);

        if ((id & 0xffff) == 2) {
            return bar + qtest_readl(t->qts, bar + 0x10 * i + 4);
        }
    }
    g_assert_not_reached();
}

static uint64_t setup_device_bar(CXLTest *t, uint8_t bus, uint16_t bar,
                                 uint32_t base)
{
    qtest_writel(t->qts, cfg(bus, 0, bar), base);
    qtest_writel(t->qts, cfg(bus, 0, bar + 4), 0);
    return find_mailbox(t, base);
}

static Dcd setup_dcd(CXLTest *t, unsigned n)
{
    static const char *const id[] = { "dcd0", "dcd1" };
    uint64_t base = setup_endpoint(t, n);

    return (Dcd) {
        .id = id[n],
        .hdm = find_hdm(t, base),
        .mbox = setup_device_bar(t, HB_BUS + 1 + n, PCI_BASE_ADDRESS_2,
                                 base + MiB),
    };
}

/* @out takes what comes back, but not more than @out_size */
static uint16_t run_command(CXLTest *t, uint64_t mbox, uint16_t opcode,
                            const void *in, size_t len, void *out,
                            size_t out_size)
{
    if (len) {
        qtest_memwrite(t->qts, mbox + 0x20, in, len);
    }
    qtest_writeq(t->qts, mbox + 0x08, (uint64_t)len << 16 | opcode);
    qtest_writel(t->qts, mbox + 0x04, 1);
    g_assert_cmphex(qtest_readl(t->qts, mbox + 0x04) & 1, ==, 0);
    if (out_size) {
        size_t n = extract64(qtest_readq(t->qts, mbox + 0x08), 16, 21);

        memset(out, 0, out_size);
        if (n) {
            qtest_memread(t->qts, mbox + 0x20, out, MIN(n, out_size));
        }
    }
    return extract64(qtest_readq(t->qts, mbox + 0x10), 32, 16);
}

#define MORE 1

/* Add Dynamic Capacity Response, or Release Dynamic Capacity */
static uint16_t send_part(CXLTest *t, const Dcd *d, uint16_t opcode,
                          const Extent *e, unsigned n, uint8_t flags)
{
    g_autofree uint8_t *in = g_malloc0(8 + 24 * n);

    stl_le_p(in, n);
    in[4] = flags;
    for (unsigned i = 0; i < n; i++) {
        stq_le_p(in + 8 + 24 * i, e[i].dpa);
        stq_le_p(in + 16 + 24 * i, e[i].len);
    }
    return run_command(t, d->mbox, opcode, in, 8 + 24 * n, NULL, 0);
}

static uint16_t send_list(CXLTest *t, const Dcd *d, uint16_t opcode,
                          const Extent *e, unsigned n)
{
    return send_part(t, d, opcode, e, n, 0);
}

/* As many commands as it takes, with 85 extents at most in each */
static uint16_t send_chain(CXLTest *t, const Dcd *d, uint16_t opcode,
                           const Extent *e, unsigned n)
{
    for (; n > 85; e += 85, n -= 85) {
        uint16_t ret = send_part(t, d, opcode, e, 85, MORE);

        if (ret != SUCCESS) {
            return ret;
        }
    }
    return send_part(t, d, opcode, e, n, 0);
}

static uint16_t accept_one(CXLTest *t, const Dcd *d, uint64_t dpa, uint64_t len)
{
    return send_list(t, d, ADD_DC_RESPONSE, &(Extent){ dpa, len }, 1);
}

static uint16_t release_one(CXLTest *t, const Dcd *d, uint64_t dpa,
                            uint64_t len)
{
    return send_list(t, d, RELEASE_DC, &(Extent){ dpa, len }, 1);
}

/* A mailbox takes 2 KiB, and not what comes after it for a payload */
static void assert_long_payload(CXLTest *t, const Dcd *d, uint16_t opcode)
{
    qtest_writel(t->qts, d->mbox + 0x20, 43000);
    qtest_writeq(t->qts, d->mbox + 0x08, (uint64_t)0xfffff << 16 | opcode);
    qtest_writel(t->qts, d->mbox + 0x04, 1);
    g_assert_cmphex(extract64(qtest_readq(t->qts, d->mbox + 0x10), 32, 16), ==,
                    INVALID_LENGTH);
}

/*
 * The next event of the dynamic capacity log, which it is then cleared from.
 * Returns: the end of the tag
 */
static uint16_t assert_event(CXLTest *t, const Dcd *d, uint8_t type,
                             uint8_t region, uint64_t dpa, uint64_t len,
                             bool more)
{
    uint8_t out[32 + 128], clear[8] = { 4, 0, 1 };
    uint8_t *record = out + 32;

    g_assert_cmphex(run_command(t, d->mbox, GET_EVENTS, &(uint8_t){ 4 }, 1, out,
                                sizeof(out)), ==, SUCCESS);
    g_assert_cmpint(lduw_le_p(out + 20), >=, 1);
    g_assert_cmpint(record[48], ==, type);
    g_assert_cmpint(record[52], ==, region);
    g_assert_cmpint(record[53] & 1, ==, more);
    g_assert_cmphex(ldq_le_p(record + 56), ==, dpa);
    g_assert_cmphex(ldq_le_p(record + 64), ==, len);
    memcpy(clear + 6, record + 20, 2);
    g_assert_cmphex(run_command(t, d->mbox, CLEAR_EVENTS, clear, sizeof(clear),
                                NULL, 0), ==, SUCCESS);
    return lduw_be_p(record + 72 + 14);
}

static void assert_tagged_event(CXLTest *t, const Dcd *d, uint8_t type,
                                uint64_t dpa, uint64_t len, uint16_t tag,
                                bool more)
{
    g_assert_cmphex(assert_event(t, d, type, 0, dpa, len, more), ==, tag);
}

/* Clear all of the dynamic capacity log */
static void clear_events(CXLTest *t, const Dcd *d)
{
    uint8_t out[32 + 128], clear[8] = { 4, 0, 1 };

    for (;;) {
        g_assert_cmphex(run_command(t, d->mbox, GET_EVENTS, &(uint8_t){ 4 }, 1,
                                    out, sizeof(out)), ==, SUCCESS);
        if (!lduw_le_p(out + 20)) {
            return;
        }
        memcpy(clear + 6, out + 32 + 20, 2);
        g_assert_cmphex(run_command(t, d->mbox, CLEAR_EVENTS, clear,
                                    sizeof(clear), NULL, 0), ==, SUCCESS);
    }
}

static void assert_no_event(CXLTest *t, const Dcd *d)
{
    uint8_t out[32];

    g_assert_cmphex(run_command(t, d->mbox, GET_EVENTS, &(uint8_t){ 4 }, 1, out,
                                sizeof(out)), ==, SUCCESS);
    g_assert_cmpint(lduw_le_p(out + 20), ==, 0);
}

/* How many extents the host has according to the device */
static uint32_t list_size(CXLTest *t, const Dcd *d)
{
    uint32_t in[2] = {}, out[4];

    g_assert_cmphex(run_command(t, d->mbox, GET_DC_LIST, in, sizeof(in), out,
                                sizeof(out)), ==, SUCCESS);
    return le32_to_cpu(out[1]);
}

static void commit_all(CXLTest *t, const Dcd *d, uint64_t size)
{
    uint64_t hb = find_hdm(t, t->hb);

    qtest_writel(t->qts, hb + HDM_TARGETS(0), 0);
    g_assert_cmphex(commit(t, d->hdm, 0, t->window, size) & CTRL_COMMITTED, !=,
                    0);
    g_assert_cmphex(commit(t, hb, 0, t->window, size) & CTRL_COMMITTED, !=, 0);
}

/* ---- QMP ---- */

/* Returns: NULL, or what went wrong */
G_GNUC_PRINTF(2, 3)
static char *qmp(CXLTest *t, const char *fmt, ...)
{
    g_autofree char *cmd = NULL;
    char *desc = NULL;
    QDict *rsp;
    va_list ap;

    va_start(ap, fmt);
    cmd = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    rsp = qtest_qmp(t->qts, cmd, NULL);
    if (qdict_haskey(rsp, "error")) {
        desc = g_strdup(qdict_get_str(qdict_get_qdict(rsp, "error"), "desc"));
    }
    qobject_unref(rsp);
    return desc;
}

static void assert_ok(char *desc)
{
    g_assert_cmpstr(desc, ==, NULL);
}

/* That the message has all of these, up to NULL, in it */
G_GNUC_NULL_TERMINATED
static void assert_fails(char *desc, ...)
{
    const char *part;
    va_list ap;

    g_assert_nonnull(desc);
    g_test_message("%s", desc);
    va_start(ap, desc);
    while ((part = va_arg(ap, const char *))) {
        if (!strstr(desc, part)) {
            g_error("'%s' is not in '%s'", part, desc);
        }
    }
    va_end(ap);
    g_free(desc);
}

#define TAG "5be13bce-ae34-4a77-b6c3-16df975f%04x"

/* A file of the same name is behind the backend m@n, with tag @n */
static char *backend_add_sized(CXLTest *t, unsigned n, uint64_t size,
                               const char *props)
{
    return qmp(t, "{'execute': 'object-add', 'arguments': {'qom-type': "
               "'memory-backend-file', 'id': 'm%u', 'tag': '" TAG "', "
               "'share': true, 'mem-path': '%s/m%u', 'size': %" PRIu64 " %s}}",
               n, n, dir, n, size, props);
}

static void backend_add(CXLTest *t, unsigned n, uint64_t size)
{
    assert_ok(backend_add_sized(t, n, size, ""));
}

static char *backend_del(CXLTest *t, unsigned n)
{
    return qmp(t, "{'execute': 'object-del', 'arguments': {'id': 'm%u'}}", n);
}

/* @extents: offset and length, for each, in JSON */
static char *add_extents(CXLTest *t, const char *id, unsigned region,
                         unsigned tag, const char *extents)
{
    return qmp(t, "{'execute': 'cxl-add-dynamic-capacity', 'arguments': "
               "{'path': '/machine/peripheral/%s', 'host-id': 0, "
               "'selection-policy': 'prescriptive', 'region': %u, "
               "'tag': '" TAG "', 'extents': [%s]}}", id, region, tag, extents);
}

static char *add_extent(CXLTest *t, const char *id, unsigned region,
                        unsigned tag, uint64_t offset, uint64_t len)
{
    g_autofree char *extent = g_strdup_printf("{'offset': %" PRIu64 ", 'len': "
                                              "%" PRIu64 "}", offset, len);

    return add_extents(t, id, region, tag, extent);
}

/* @how: further arguments, in JSON */
static char *release(CXLTest *t, const char *id, const char *policy,
                     unsigned region, const char *how)
{
    return qmp(t, "{'execute': 'cxl-release-dynamic-capacity', 'arguments': "
               "{'path': '/machine/peripheral/%s', 'host-id': 0, "
               "'removal-policy': '%s', 'region': %u, %s}}", id, policy, region,
               how);
}

/* Blocks as bytes, in JSON */
#define B0 "0"
#define B1 "2097152"
#define B2 "4194304"
#define B4 "8388608"
#define B5 "10485760"
#define B8 "16777216"
#define EXTENT(offset, len) "{'offset': " offset ", 'len': " len "}"
#define LIST(...) "'extents': [" __VA_ARGS__ "]"
#define FORCED "'forced-removal': true, "
#define SANITIZE "'sanitize-on-release': true, "

/* Extents as 'region:dpa+length state backend access', each and '; ' */
static char *status(CXLTest *t, const char *id)
{
    g_autofree char *cmd = g_strdup_printf(
        "{'execute': 'query-cxl-dynamic-capacity', 'arguments': {'path': "
        "'/machine/peripheral/%s'}}", id);
    QDict *rsp = qtest_qmp(t->qts, cmd, NULL);
    QListEntry *entry;
    GString *s = g_string_new(NULL);

    QLIST_FOREACH_ENTRY(qdict_get_qlist(rsp, "return"), entry) {
        QDict *e = qobject_to(QDict, qlist_entry_obj(entry));

        g_string_append_printf(s, "%" PRId64 ":%" PRIx64 "+%" PRIx64
                               " %s %s %s; ", qdict_get_int(e, "region"),
                               qdict_get_int(e, "dpa"), qdict_get_int(e, "len"),
                               qdict_get_str(e, "state"),
                               qdict_get_try_str(e, "backend") ?: "-",
                               qdict_get_try_str(e, "access") ?: "-");
    }
    qobject_unref(rsp);
    return g_string_free(s, false);
}

static void assert_status(CXLTest *t, const char *id, const char *expected)
{
    g_autofree char *s = status(t, id);

    g_assert_cmpstr(s, ==, expected);
}

/*
 * Whether the CPU finds @offset of m@backend at @addr, for @len bytes, as
 * memory. With @len 0, whether there is any backend where the CPU finds it.
 */
static bool is_direct(CXLTest *t, uint64_t addr, uint64_t len,
                      unsigned backend, uint64_t offset)
{
    g_autofree char *views = qtest_hmp(t->qts, "info mtree -f");
    char *view = strstr(views, "Root memory region: system");
    char *end, *line, *save;
    uint64_t first, last, at;
    unsigned n;

    g_assert_nonnull(view);
    end = strstr(view, "FlatView #");
    if (end) {
        *end = '\0';
    }
    for (line = strtok_r(view, "\r\n", &save); line;
         line = strtok_r(NULL, "\r\n", &save)) {
        at = 0;
        if (sscanf(line, " %" SCNx64 "-%" SCNx64 " (prio 0, ram): m%u @%"
                   SCNx64, &first, &last, &n, &at) < 3) {
            continue;
        }
        if (!len || (n == backend && addr >= first && addr + len - 1 <= last &&
                     at + (addr - first) == offset)) {
            return true;
        }
    }
    return false;
}

/* ---- memory ---- */

static int open_file(unsigned n)
{
    g_autofree char *path = g_strdup_printf("%s/m%u", dir, n);
    int fd = open(path, O_RDWR);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static uint64_t read_file(unsigned n, uint64_t offset)
{
    uint64_t value = 0;
    int fd = open_file(n);

    g_assert_cmpint(pread(fd, &value, 8, offset), ==, 8);
    close(fd);
    return value;
}

/* What is cleared is cleared some time after it is released */
static void wait_clear(unsigned n, uint64_t offset)
{
    for (unsigned i = 0; read_file(n, offset); i++) {
        g_assert_cmpint(i, <, 5000);
        g_usleep(1000);
    }
}

/* That @addr is @offset of the file behind m@n, when written and when read */
static void assert_memory(CXLTest *t, unsigned n, uint64_t offset,
                          uint64_t addr)
{
    static uint64_t token = 0xfeed00000000;
    uint64_t value = ++token;
    int fd = open_file(n);

    qtest_writeq(t->qts, addr, value);
    g_assert_cmphex(read_file(n, offset), ==, value);
    value = ++token;
    g_assert_cmpint(pwrite(fd, &value, 8, offset), ==, 8);
    g_assert_cmphex(qtest_readq(t->qts, addr), ==, value);
    close(fd);
}

static void assert_whole(CXLTest *t, unsigned n, uint64_t addr, uint64_t len)
{
    assert_memory(t, n, 0, addr);
    assert_memory(t, n, len - 8, addr + len - 8);
}

G_GNUC_PRINTF(2, 0)
static void boot(CXLTest *t, const char *args)
{
    *t = (CXLTest) {};
    start(t, args);
    dir = g_dir_make_tmp("cxl-dcd-XXXXXX", NULL);
    g_assert_nonnull(dir);
}

static void shut(CXLTest *t)
{
    GDir *d = g_dir_open(dir, 0, NULL);
    const char *name;

    stop(t);
    while ((name = g_dir_read_name(d))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);

        unlink(path);
    }
    g_dir_close(d);
    rmdir(dir);
    g_clear_pointer(&dir, g_free);
}

/* One device with the path to it committed */
G_GNUC_PRINTF(2, 0)
static Dcd boot_one(CXLTest *t, const char *args)
{
    Dcd d;

    boot(t, args);
    d = setup_dcd(t, 0);
    commit_all(t, &d, 2 * CHUNK);
    return d;
}

#define ONE     MACHINE PXB_HDM RP(0) DCD(0, "rp0", TWO_REGIONS)

/* m@n with one extent of region 0, at @base, that the host has accepted */
static void give_at(CXLTest *t, const Dcd *d, unsigned n, uint64_t base,
                    uint64_t offset, uint64_t len)
{
    backend_add(t, n, len);
    assert_ok(add_extent(t, d->id, 0, n, offset, len));
    assert_event(t, d, EVENT_ADD, 0, base + offset, len, false);
    g_assert_cmphex(accept_one(t, d, base + offset, len), ==, SUCCESS);
}

static void give(CXLTest *t, const Dcd *d, unsigned n, uint64_t offset,
                 uint64_t len)
{
    give_at(t, d, n, 0, offset, len);
}

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

/* Without a memory slot an extent is trapped, until there is one */
static void test_slots(void)
{
    const Extent pair[] = { { 4 * BLOCK, BLOCK }, { 5 * BLOCK, BLOCK } };
    CXLTest t;
    Dcd d = boot_one(&t, MACHINE PXB_HDM RP(0)
                     DCD(0, "rp0", TWO_REGIONS ",x-dc-memslots=2"));

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

    /* one half does not free a slot, the other does */
    g_assert_cmphex(release_one(&t, &d, 5 * BLOCK, BLOCK), ==, SUCCESS);
    g_assert(!is_direct(&t, t.window, BLOCK, 3, 0));
    g_assert_cmphex(release_one(&t, &d, 4 * BLOCK, BLOCK), ==, SUCCESS);
    g_assert(is_direct(&t, t.window, BLOCK, 3, 0));
    assert_status(&t, "dcd0", "0:1000000+200000 accepted m2 direct; "
                  "0:0+200000 accepted m3 direct; ");
    assert_whole(&t, 3, t.window, BLOCK);
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

/* ---- anything in any order ---- */

#define TAGS    16
#define PLACES  48
#define OFFERS  64

enum { FREE, OFFERED, ACCEPTED, RELEASING };

/* What the device has to say, after everything that was done to it */
typedef struct {
    struct {
        int state;
        unsigned tag;
        unsigned part;          /* of the backend, in blocks */
    } place[PLACES];
    struct {
        unsigned n;
        bool withdrawn;
        unsigned place[3];
    } offer[OFFERS];
    unsigned first, last;       /* offer[] that have no response */
    unsigned order[PLACES];     /* of acceptance */
    unsigned accepted;
    bool tag_used[TAGS];
    bool committed;
} Model;

/* How many blocks, and extents, a tag has */
static unsigned tag_size(unsigned tag)
{
    return tag % 3 + 1;
}

static void model_forget(Model *m, unsigned place)
{
    unsigned tag = m->place[place].tag, n = 0;

    m->place[place].state = FREE;
    for (unsigned i = 0; i < m->accepted; i++) {
        if (m->order[i] != place) {
            m->order[n++] = m->order[i];
        }
    }
    m->accepted = n;
    m->tag_used[tag] = false;
    for (unsigned i = 0; i < PLACES; i++) {
        m->tag_used[tag] |= m->place[i].state != FREE && m->place[i].tag == tag;
    }
}

static void model_print(const Model *m, GString *s, unsigned place)
{
    static const char *const state[] = { NULL, "offered", "accepted",
                                         "releasing" };
    int is = m->place[place].state;

    g_string_append_printf(s, "0:%" PRIx64 "+200000 %s m%u %s; ",
                           (uint64_t)place * BLOCK, state[is],
                           m->place[place].tag, is == OFFERED ? "-" :
                           m->committed ? "direct" : "none");
}

static void model_check(const Model *m, CXLTest *t)
{
    g_autoptr(GString) s = g_string_new(NULL);

    for (unsigned i = 0; i < m->accepted; i++) {
        model_print(m, s, m->order[i]);
    }
    for (unsigned i = m->first; i != m->last; i = (i + 1) % OFFERS) {
        for (unsigned n = 0; n < m->offer[i].n && !m->offer[i].withdrawn; n++) {
            model_print(m, s, m->offer[i].place[n]);
        }
    }
    assert_status(t, "dcd0", s->str);
}

static void random_add(Model *m, CXLTest *t)
{
    unsigned tag = g_test_rand_int_range(0, TAGS), n = tag_size(tag);
    unsigned next = (m->last + 1) % OFFERS;
    g_autoptr(GString) list = g_string_new(NULL);

    if (m->tag_used[tag] || next == m->first) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        unsigned p;

        do {
            p = g_test_rand_int_range(0, PLACES);
        } while (m->place[p].state != FREE);
        m->place[p].state = OFFERED;
        m->place[p].tag = tag;
        m->place[p].part = i;
        m->offer[m->last].place[i] = p;
        g_string_append_printf(list, "%s{'offset': %" PRIu64 ", 'len': %u}",
                               i ? "," : "", (uint64_t)p * BLOCK,
                               (unsigned)BLOCK);
    }
    m->offer[m->last].n = n;
    m->offer[m->last].withdrawn = false;
    m->last = next;
    m->tag_used[tag] = true;
    /* It may yet be cleared */
    for (unsigned i = 0; ; i++) {
        g_autofree char *err = add_extents(t, "dcd0", 0, tag, list->str);

        if (!err) {
            break;
        }
        g_assert_nonnull(strstr(err, "in use"));
        g_assert_cmpint(i, <, 5000);
        g_usleep(1000);
    }
}

static void random_respond(Model *m, CXLTest *t, const Dcd *d)
{
    Extent e[3];
    unsigned n = 0, offer = m->first;
    uint16_t ret;

    if (m->first == m->last) {
        g_assert_cmphex(send_list(t, d, ADD_DC_RESPONSE, NULL, 0), ==,
                        INVALID_INPUT);
        return;
    }
    if (!g_test_rand_int_range(0, 4)) {
        /* nobody offered that, and the offer stays */
        g_assert_cmphex(accept_one(t, d, PLACES * BLOCK, BLOCK), ==,
                        INVALID_PA);
        return;
    }
    for (unsigned i = 0; i < m->offer[offer].n; i++) {
        unsigned p = m->offer[offer].place[i];

        if (g_test_rand_int_range(0, 4)) {
            e[n++] = (Extent) { p * BLOCK, BLOCK };
            if (!m->offer[offer].withdrawn) {
                m->place[p].state = ACCEPTED;
                m->order[m->accepted++] = p;
            }
        } else if (!m->offer[offer].withdrawn) {
            model_forget(m, p);
        }
    }
    ret = send_list(t, d, ADD_DC_RESPONSE, e, n);
    g_assert_cmphex(ret, ==, n && m->offer[offer].withdrawn ? INVALID_PA
                                                            : SUCCESS);
    m->first = (m->first + 1) % OFFERS;
}

static void random_release(Model *m, CXLTest *t, const Dcd *d)
{
    unsigned p = g_test_rand_int_range(0, PLACES);

    if (m->place[p].state < ACCEPTED) {
        g_assert_cmphex(release_one(t, d, p * BLOCK, BLOCK), ==, INVALID_PA);
    } else {
        g_assert_cmphex(release_one(t, d, p * BLOCK, BLOCK), ==, SUCCESS);
        model_forget(m, p);
    }
}

/* By tag: all that has it */
static void random_ask(Model *m, CXLTest *t)
{
    unsigned tag = g_test_rand_int_range(0, TAGS);
    bool force = g_test_rand_bit(), sanitize = g_test_rand_bit(), any = false;
    g_autofree char *how = g_strdup_printf("%s%s'tag': '" TAG "'",
                                           force ? FORCED : "",
                                           sanitize ? SANITIZE : "", tag);
    g_autofree char *err = NULL;
    bool offered = false;

    for (unsigned p = 0; p < PLACES; p++) {
        any |= m->place[p].state != FREE && m->place[p].tag == tag;
        offered |= m->place[p].state == OFFERED && m->place[p].tag == tag;
    }
    err = release(t, "dcd0", "tag-based", 0, how);
    if (!any || (offered && !force)) {
        g_assert_nonnull(err);
        return;
    }
    g_assert_cmpstr(err, ==, NULL);
    for (unsigned i = m->first; i != m->last; i = (i + 1) % OFFERS) {
        if (!m->offer[i].withdrawn &&
            m->place[m->offer[i].place[0]].tag == tag) {
            m->offer[i].withdrawn = true;
        }
    }
    for (unsigned p = 0; p < PLACES; p++) {
        if (m->place[p].state != FREE && m->place[p].tag == tag) {
            if (force) {
                model_forget(m, p);
            } else {
                m->place[p].state = RELEASING;
            }
        }
    }
}

static void random_memory(const Model *m, CXLTest *t)
{
    unsigned p = g_test_rand_int_range(0, PLACES);
    uint64_t offset = g_test_rand_int_range(0, BLOCK / 8) * 8;

    if (m->committed && m->place[p].state >= ACCEPTED) {
        assert_memory(t, m->place[p].tag, m->place[p].part * BLOCK + offset,
                      t->window + p * BLOCK + offset);
    } else {
        g_assert(!is_memory(t, t->window + p * BLOCK + offset));
    }
}

static void test_random(void)
{
    unsigned steps = g_test_slow() ? 1000000 : 5000;
    g_autofree Model *m = g_new0(Model, 1);
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    m->committed = true;
    for (unsigned i = 0; i < TAGS; i++) {
        backend_add(&t, i, tag_size(i) * BLOCK);
    }
    for (unsigned i = 0; i < steps; i++) {
        switch (g_test_rand_int_range(0, 8)) {
        case 0:
        case 1:
            random_add(m, &t);
            break;
        case 2:
        case 3:
            random_respond(m, &t, &d);
            break;
        case 4:
            random_release(m, &t, &d);
            break;
        case 5:
            random_ask(m, &t);
            break;
        case 6:
            random_memory(m, &t);
            break;
        case 7:
            m->committed = !m->committed;
            qtest_writel(t.qts, d.hdm + HDM_CTRL(0),
                         m->committed ? CTRL_COMMIT : 0);
            break;
        }
        model_check(m, &t);
        if (i % 64 == 0) {
            clear_events(&t, &d);
        }
    }
    shut(&t);
}

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
    qtest_add_func("/cxl-dcd/decoders", test_decoders);
    qtest_add_func("/cxl-dcd/regions", test_regions);
    qtest_add_func("/cxl-dcd/static", test_static);
    qtest_add_func("/cxl-dcd/interleave", test_interleave);
    qtest_add_func("/cxl-dcd/border", test_border);
    qtest_add_func("/cxl-dcd/slots", test_slots);
    qtest_add_func("/cxl-dcd/detour", test_detour);
    qtest_add_func("/cxl-dcd/two-decoders", test_two_decoders);
    qtest_add_func("/cxl-dcd/two-devices", test_two_devices);
    qtest_add_func("/cxl-dcd/bad-responses", test_bad_responses);
    qtest_add_func("/cxl-dcd/withdrawn", test_withdrawn);
    qtest_add_func("/cxl-dcd/late", test_late);
    qtest_add_func("/cxl-dcd/chains", test_chains);
    qtest_add_func("/cxl-dcd/records", test_records);
    qtest_add_func("/cxl-dcd/bad-adds", test_bad_adds);
    qtest_add_func("/cxl-dcd/tags", test_tags);
    qtest_add_func("/cxl-dcd/release", test_release);
    qtest_add_func("/cxl-dcd/media", test_media);
    qtest_add_func("/cxl-dcd/blocks", test_blocks);
    qtest_add_func("/cxl-dcd/sanitize", test_sanitize);
    qtest_add_func("/cxl-dcd/sanitize-much", test_sanitize_much);
    if (qtest_has_accel("tcg")) {
        qtest_add_func("/cxl-dcd/code", test_code);
        qtest_add_func("/cxl-dcd/sanitize-cpu", test_sanitize_cpu);
    }
    qtest_add_func("/cxl-dcd/events", test_events);
    qtest_add_func("/cxl-dcd/reset", test_reset);
    qtest_add_func("/cxl-dcd/unplug", test_unplug);
    qtest_add_func("/cxl-dcd/migration", test_migration);
    qtest_add_func("/cxl-dcd/random", test_random);
    qtest_add_func("/cxl-dcd/fm", test_fm);
    qtest_add_func("/cxl-dcd/memdev", test_memdev);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autofree char *name = g_strdup_printf("/cxl-dcd/bad/%s",
                                                bad[i].name);

        qtest_add_data_func(name, GUINT_TO_POINTER(i), test_bad);
    }

    return g_test_run();
}

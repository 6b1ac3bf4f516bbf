/*
 * What the tests of dynamic capacity share
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "hw/pci/pci_regs.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "cxl-dcd-util.h"

char *dir;

/* ---- the device's registers ---- */

uint64_t find_mailbox(CXLTest *t, uint64_t bar)
{
    for (unsigned i = 1; i <= qtest_readw(t->qts, bar + 4); i++) {
        uint32_t id = qtest_readl(t->qts, bar + 0x10 * i);

        if ((id & 0xffff) == 2) {
            return bar + qtest_readl(t->qts, bar + 0x10 * i + 4);
        }
    }
    g_assert_not_reached();
}

uint64_t setup_device_bar(CXLTest *t, uint8_t bus, uint16_t bar,
                          uint32_t base)
{
    qtest_writel(t->qts, cfg(bus, 0, bar), base);
    qtest_writel(t->qts, cfg(bus, 0, bar + 4), 0);
    return find_mailbox(t, base);
}

Dcd setup_dcd(CXLTest *t, unsigned n)
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
uint16_t run_command(CXLTest *t, uint64_t mbox, uint16_t opcode,
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

/* Add Dynamic Capacity Response, or Release Dynamic Capacity */
uint16_t send_part(CXLTest *t, const Dcd *d, uint16_t opcode,
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

uint16_t send_list(CXLTest *t, const Dcd *d, uint16_t opcode,
                   const Extent *e, unsigned n)
{
    return send_part(t, d, opcode, e, n, 0);
}

/* As many commands as it takes, with 85 extents at most in each */
uint16_t send_chain(CXLTest *t, const Dcd *d, uint16_t opcode,
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

uint16_t accept_one(CXLTest *t, const Dcd *d, uint64_t dpa, uint64_t len)
{
    return send_list(t, d, ADD_DC_RESPONSE, &(Extent){ dpa, len }, 1);
}

uint16_t release_one(CXLTest *t, const Dcd *d, uint64_t dpa,
                     uint64_t len)
{
    return send_list(t, d, RELEASE_DC, &(Extent){ dpa, len }, 1);
}

/* A mailbox takes 2 KiB, and not what comes after it for a payload */
void assert_long_payload(CXLTest *t, const Dcd *d, uint16_t opcode)
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
uint16_t assert_event(CXLTest *t, const Dcd *d, uint8_t type,
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

void assert_tagged_event(CXLTest *t, const Dcd *d, uint8_t type,
                         uint64_t dpa, uint64_t len, uint16_t tag,
                         bool more)
{
    g_assert_cmphex(assert_event(t, d, type, 0, dpa, len, more), ==, tag);
}

/* Clear all of the dynamic capacity log */
void clear_events(CXLTest *t, const Dcd *d)
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

void assert_no_event(CXLTest *t, const Dcd *d)
{
    uint8_t out[32];

    g_assert_cmphex(run_command(t, d->mbox, GET_EVENTS, &(uint8_t){ 4 }, 1, out,
                                sizeof(out)), ==, SUCCESS);
    g_assert_cmpint(lduw_le_p(out + 20), ==, 0);
}

/* How many extents the host has according to the device */
uint32_t list_size(CXLTest *t, const Dcd *d)
{
    uint32_t in[2] = {}, out[4];

    g_assert_cmphex(run_command(t, d->mbox, GET_DC_LIST, in, sizeof(in), out,
                                sizeof(out)), ==, SUCCESS);
    return le32_to_cpu(out[1]);
}

void commit_all(CXLTest *t, const Dcd *d, uint64_t size)
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
char *qmp(CXLTest *t, const char *fmt, ...)
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

void assert_ok(char *desc)
{
    g_assert_cmpstr(desc, ==, NULL);
}

/* That the message has all of these, up to NULL, in it */
G_GNUC_NULL_TERMINATED
void assert_fails(char *desc, ...)
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

/* A file of the same name is behind the backend m@n, with tag @n */
char *backend_add_sized(CXLTest *t, unsigned n, uint64_t size,
                        const char *props)
{
    return qmp(t, "{'execute': 'object-add', 'arguments': {'qom-type': "
               "'memory-backend-file', 'id': 'm%u', 'tag': '" TAG "', "
               "'share': true, 'mem-path': '%s/m%u', 'size': %" PRIu64 " %s}}",
               n, n, dir, n, size, props);
}

void backend_add(CXLTest *t, unsigned n, uint64_t size)
{
    assert_ok(backend_add_sized(t, n, size, ""));
}

char *backend_del(CXLTest *t, unsigned n)
{
    return qmp(t, "{'execute': 'object-del', 'arguments': {'id': 'm%u'}}", n);
}

/* @extents: offset and length, for each, in JSON */
char *add_extents(CXLTest *t, const char *id, unsigned region,
                  unsigned tag, const char *extents)
{
    return qmp(t, "{'execute': 'cxl-add-dynamic-capacity', 'arguments': "
               "{'path': '/machine/peripheral/%s', 'host-id': 0, "
               "'selection-policy': 'prescriptive', 'region': %u, "
               "'tag': '" TAG "', 'extents': [%s]}}", id, region, tag, extents);
}

char *add_extent(CXLTest *t, const char *id, unsigned region,
                 unsigned tag, uint64_t offset, uint64_t len)
{
    g_autofree char *extent = g_strdup_printf("{'offset': %" PRIu64 ", 'len': "
                                              "%" PRIu64 "}", offset, len);

    return add_extents(t, id, region, tag, extent);
}

/* @how: further arguments, in JSON */
char *release(CXLTest *t, const char *id, const char *policy,
              unsigned region, const char *how)
{
    return qmp(t, "{'execute': 'cxl-release-dynamic-capacity', 'arguments': "
               "{'path': '/machine/peripheral/%s', 'host-id': 0, "
               "'removal-policy': '%s', 'region': %u, %s}}", id, policy, region,
               how);
}

/* Extents as 'region:dpa+length state backend access', each and '; ' */
char *status(CXLTest *t, const char *id)
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

void assert_status(CXLTest *t, const char *id, const char *expected)
{
    g_autofree char *s = status(t, id);

    g_assert_cmpstr(s, ==, expected);
}

bool runs_kvm(CXLTest *t)
{
    QDict *rsp = qtest_qmp(t->qts, "{'execute': 'query-kvm'}");
    bool enabled = qdict_get_bool(qdict_get_qdict(rsp, "return"), "enabled");

    qobject_unref(rsp);
    return enabled;
}

/*
 * Whether the CPU finds @offset of m@backend at @addr, for @len bytes, as
 * memory: in one slot of KVM, where that runs. With @len 0, whether there is
 * any backend where the CPU finds it.
 */
bool is_direct(CXLTest *t, uint64_t addr, uint64_t len,
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
            return !runs_kvm(t) || strstr(line, " KVM");
        }
    }
    return false;
}

/* ---- memory ---- */

int open_file(unsigned n)
{
    g_autofree char *path = g_strdup_printf("%s/m%u", dir, n);
    int fd = open(path, O_RDWR);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

uint64_t read_file(unsigned n, uint64_t offset)
{
    uint64_t value = 0;
    int fd = open_file(n);

    g_assert_cmpint(pread(fd, &value, 8, offset), ==, 8);
    close(fd);
    return value;
}

/* What is cleared is cleared some time after it is released */
void wait_clear(unsigned n, uint64_t offset)
{
    for (unsigned i = 0; read_file(n, offset); i++) {
        g_assert_cmpint(i, <, 5000);
        g_usleep(1000);
    }
}

/* That @addr is @offset of the file behind m@n, when written and when read */
void assert_memory(CXLTest *t, unsigned n, uint64_t offset,
                   uint64_t addr)
{
    int fd = open_file(n);

    assert_in_fd(t, fd, offset, addr);
    close(fd);
}

void assert_whole(CXLTest *t, unsigned n, uint64_t addr, uint64_t len)
{
    assert_memory(t, n, 0, addr);
    assert_memory(t, n, len - 8, addr + len - 8);
}

G_GNUC_PRINTF(2, 0)
void boot(CXLTest *t, const char *args)
{
    *t = (CXLTest) {};
    start(t, args);
    dir = g_dir_make_tmp("cxl-dcd-XXXXXX", NULL);
    g_assert_nonnull(dir);
}

void shut(CXLTest *t)
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
Dcd boot_one(CXLTest *t, const char *args)
{
    Dcd d;

    boot(t, args);
    d = setup_dcd(t, 0);
    commit_all(t, &d, 2 * CHUNK);
    return d;
}

/* m@n with one extent of region 0, at @base, that the host has accepted */
void give_at(CXLTest *t, const Dcd *d, unsigned n, uint64_t base,
             uint64_t offset, uint64_t len)
{
    backend_add(t, n, len);
    assert_ok(add_extent(t, d->id, 0, n, offset, len));
    assert_event(t, d, EVENT_ADD, 0, base + offset, len, false);
    g_assert_cmphex(accept_one(t, d, base + offset, len), ==, SUCCESS);
}

void give(CXLTest *t, const Dcd *d, unsigned n, uint64_t offset,
          uint64_t len)
{
    give_at(t, d, n, 0, offset, len);
}

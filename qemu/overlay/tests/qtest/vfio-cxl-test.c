/*
 * QTest testcase for CXL accelerators by VFIO
 *
 * The other side of VFIO, which says what it has and may be wrong, is a
 * vfio-user server in a thread of this program. Its device has
 *   BAR 0, 64-bit, 128 KiB: a block of component registers at 64 KiB
 *   REGS_REGION: the page of that block with the HDM decoder
 *   MEM_REGION: 256 MiB of memory, a memfd
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/vfio.h>
#include <linux/vfio_cxl.h>
#include "qemu/bswap.h"
#include "qemu/memfd.h"
#include "qemu/sockets.h"
#include "qapi/error.h"
#include "hw/pci/pci_regs.h"
#include "hw/vfio-user/protocol.h"
#include "libqtest.h"
#include "qobject/qdict.h"
#include "cxl-type2-util.h"

#define REGS_REGION     VFIO_PCI_NUM_REGIONS
#define MEM_REGION      (VFIO_PCI_NUM_REGIONS + 1)
#define REGIONS         (VFIO_PCI_NUM_REGIONS + 2)
#define BLOCK           (64 * KiB)      /* of BAR 0 */
#define PAGE            (BLOCK + 4 * KiB)
#define HDM             0x200           /* in the page */
#define PM_CAP          0x40
#define EXP_CAP         0x50
#define DEVICE_DVSEC    0x100
#define LOCATOR_DVSEC   0x13c
#define RANGE1_BASE     (DEVICE_DVSEC + 0x20)

typedef struct {
    GThread *thread;
    char *dir;
    char *path;                 /* of the socket */
    int listener;
    int memfd;

    /* What it says; the tests change that before QEMU connects */
    uint32_t flags;
    struct vfio_device_info_cap_cxl cxl;
    struct vfio_region_info_cap_cxl_comp_regs regs;
    uint32_t mem_flags;
    uint64_t mem_size;
    uint32_t ctrl_writable;     /* of the decoder's control register */

    unsigned resets;
    uint8_t config[PCI_CFG_SPACE_EXP_SIZE];
    uint8_t page[4 * KiB];
} Server;

/* ---- the device ---- */

static void device_reset(Server *s)
{
    stw_le_p(s->config + PCI_COMMAND, 0);
    memset(s->page, 0, sizeof(s->page));
    stl_le_p(s->page, 1 | 1 << 16 | 1 << 20 | 1 << 24);
    stl_le_p(s->page + 4, CAP_HDM | 1 << 16 | HDM << 20);
    stq_le_p(s->page + HDM + HDM_SIZE(0), CHUNK);
}

static void device_init(Server *s)
{
    uint8_t *c = s->config;

    stw_le_p(c + PCI_VENDOR_ID, 0x1e98);
    stw_le_p(c + PCI_DEVICE_ID, 0x0042);
    stw_le_p(c + PCI_STATUS, PCI_STATUS_CAP_LIST);
    stw_le_p(c + PCI_CLASS_DEVICE, 0x1200);
    stl_le_p(c + PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_MEM_TYPE_64);
    c[PCI_CAPABILITY_LIST] = PM_CAP;
    c[PM_CAP] = PCI_CAP_ID_PM;
    c[PM_CAP + PCI_CAP_LIST_NEXT] = EXP_CAP;
    stw_le_p(c + PM_CAP + PCI_PM_PMC, 3);
    c[EXP_CAP] = PCI_CAP_ID_EXP;
    stw_le_p(c + EXP_CAP + PCI_EXP_FLAGS, 2);
    stl_le_p(c + EXP_CAP + PCI_EXP_DEVCAP,
             PCI_EXP_DEVCAP_FLR | PCI_EXP_DEVCAP_RBER);
    stl_le_p(c + EXP_CAP + PCI_EXP_LNKCAP, 0x11);
    stw_le_p(c + EXP_CAP + PCI_EXP_LNKSTA, 0x11);

    /* CXL r4.0 8.1.3: Cache, IO and Mem capable, one range */
    stl_le_p(c + DEVICE_DVSEC, PCI_EXT_CAP_ID_DVSEC | 1 << 16 |
             LOCATOR_DVSEC << 20);
    stl_le_p(c + DEVICE_DVSEC + 4, 0x1e98 | 2 << 16 | 0x3c << 20);
    stw_le_p(c + DEVICE_DVSEC + 8, DVSEC_CXL_DEVICE);
    stw_le_p(c + DEVICE_DVSEC + DVSEC_CAP, 0x17);
    /* CXL r4.0 8.1.9: component registers in BAR 0 */
    stl_le_p(c + LOCATOR_DVSEC, PCI_EXT_CAP_ID_DVSEC | 1 << 16);
    stl_le_p(c + LOCATOR_DVSEC + 4, 0x1e98 | 0x14 << 20);
    stw_le_p(c + LOCATOR_DVSEC + 8, DVSEC_REG_LOCATOR);
    stl_le_p(c + LOCATOR_DVSEC + 0xc, 1 << 8 | BLOCK);

    s->flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI |
               VFIO_DEVICE_FLAGS_CXL | VFIO_DEVICE_FLAGS_CAPS;
    s->cxl = (struct vfio_device_info_cap_cxl) {
        .header = { .id = VFIO_DEVICE_INFO_CAP_CXL, .version = 1 },
        .flags = VFIO_CXL_CAP_FIRMWARE_COMMITTED,
    };
    s->regs = (struct vfio_region_info_cap_cxl_comp_regs) {
        .header = { .id = VFIO_REGION_INFO_CAP_CXL_COMP_REGS, .version = 1 },
        .hdm_offset = HDM,
        .offset = PAGE,
    };
    s->mem_flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
                   VFIO_REGION_INFO_FLAG_MMAP;
    s->mem_size = CHUNK;
    s->ctrl_writable = CTRL_LOCK | CTRL_COMMIT;
    device_reset(s);
}

static void page_write(Server *s, uint64_t offset, uint32_t value)
{
    uint8_t *ctrl_reg = s->page + HDM + HDM_CTRL(0);
    uint32_t ctrl = ldl_le_p(ctrl_reg);

    switch (offset) {
    case HDM + HDM_GLOBAL:
        stl_le_p(s->page + offset, value & 2);
        break;
    case HDM + HDM_BASE(0):
    case HDM + HDM_SIZE(0):
        value &= 0xf0000000;
        /* fall through */
    case HDM + HDM_BASE(0) + 4:
    case HDM + HDM_SIZE(0) + 4:
        if (!(ctrl & CTRL_COMMITTED)) {
            stl_le_p(s->page + offset, value);
        }
        break;
    case HDM + HDM_CTRL(0):
        if (ctrl & CTRL_COMMITTED) {
            break;
        }
        value &= s->ctrl_writable;
        if (value & CTRL_COMMIT) {
            value |= CTRL_COMMITTED;
        }
        stl_le_p(ctrl_reg, value);
        break;
    }
}

/* QEMU lays the page over the BAR, and has the memory mapped. */
static void assert_in_bar(const Server *s, uint32_t region, uint64_t offset)
{
    g_assert_cmpint(region, ==, VFIO_PCI_BAR0_REGION_INDEX);
    g_assert(offset < PAGE || offset >= PAGE + sizeof(s->page));
}

static void region_write(Server *s, uint32_t region, uint64_t offset,
                         const uint8_t *data, uint32_t count)
{
    if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
        for (uint64_t at = offset; at < offset + count; at++) {
            bool bar = at >= PCI_BASE_ADDRESS_0 && at < PCI_BASE_ADDRESS_2;

            /* The bits of a BAR that say what it is are not written */
            if (at == PCI_COMMAND || at == PM_CAP + PCI_PM_CTRL ||
                (bar && at != PCI_BASE_ADDRESS_0) ||
                (at >= RANGE1_BASE && at < RANGE1_BASE + 8)) {
                s->config[at] = data[at - offset];
            }
        }
    } else if (region == REGS_REGION) {
        for (uint32_t i = 0; i < count; i += 4) {
            page_write(s, offset + i, ldl_le_p(data + i));
        }
    } else {
        assert_in_bar(s, region, offset);
    }
}

static void region_read(Server *s, uint32_t region, uint64_t offset,
                        uint8_t *data, uint32_t count)
{
    memset(data, 0, count);
    if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
        g_assert_cmpint(offset + count, <=, sizeof(s->config));
        memcpy(data, s->config + offset, count);
    } else if (region == REGS_REGION) {
        g_assert_cmpint(offset + count, <=, sizeof(s->page));
        memcpy(data, s->page + offset, count);
    } else if (region == MEM_REGION) {
        /* Whether it can be reached, where the kernel does not tell */
        g_assert_cmpint(pread(s->memfd, data, count, offset), ==, count);
    } else {
        assert_in_bar(s, region, offset);
    }
}

/* ---- the protocol ---- */

static bool receive(int fd, void *buf, size_t size)
{
    /* File descriptors that come along are closed by the kernel. */
    for (size_t got = 0; got < size; ) {
        ssize_t n = RETRY_ON_EINTR(read(fd, (char *)buf + got, size - got));

        if (n <= 0) {
            return false;
        }
        got += n;
    }
    return true;
}

static void reply(int fd, const VFIOUserHdr *request, int error,
                  const void *body, size_t size, int passed)
{
    VFIOUserHdr hdr = {
        .id = request->id,
        .command = request->command,
        .size = sizeof(hdr) + size,
        .flags = VFIO_USER_REPLY | (error ? VFIO_USER_ERROR : 0),
        .error_reply = error,
    };
    struct iovec iov[] = {
        { &hdr, sizeof(hdr) }, { (void *)body, size },
    };
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {};
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov) };

    if (passed >= 0) {
        struct cmsghdr *cmsg;

        msg.msg_control = control.buf;
        msg.msg_controllen = sizeof(control.buf);
        cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &passed, sizeof(int));
    }
    /* What does not arrive whole, QEMU complains of */
    if (sendmsg(fd, &msg, MSG_NOSIGNAL) != hdr.size) {
        g_test_message("QEMU went away at command %d", hdr.command);
    }
}

/* Appends a capability, in the chain, to the info that begins @info */
static void append(GByteArray *info, uint32_t *first, const void *cap,
                   size_t size)
{
    uint32_t at = ROUND_UP(info->len, 8);

    while (info->len < at) {
        g_byte_array_append(info, (const uint8_t *)"", 1);
    }
    if (*first) {
        uint32_t last = *first, next;

        while ((next = ldl_he_p(info->data + last + 4))) {
            last = next;
        }
        stl_he_p(info->data + last + 4, at);
    } else {
        *first = at;
    }
    g_byte_array_append(info, cap, size);
}

static void device_info(Server *s, int fd, const VFIOUserHdr *hdr,
                        uint32_t argsz)
{
    struct vfio_device_info info = {
        .flags = s->flags,
        .num_regions = REGIONS,
        .num_irqs = VFIO_PCI_NUM_IRQS,
    };
    g_autoptr(GByteArray) all = g_byte_array_new();

    g_byte_array_append(all, (uint8_t *)&info, sizeof(info));
    if (s->flags & VFIO_DEVICE_FLAGS_CAPS) {
        append(all, &info.cap_offset, &s->cxl, sizeof(s->cxl));
    }
    info.argsz = all->len;
    memcpy(all->data, &info, sizeof(info));
    reply(fd, hdr, 0, all->data, MIN(argsz, all->len), -1);
}

static void region_info(Server *s, int fd, const VFIOUserHdr *hdr,
                        uint32_t argsz, uint32_t index)
{
    struct vfio_region_info info = {
        .index = index,
        .flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE,
    };
    struct vfio_region_info_cap_type type = {
        .header = { .id = VFIO_REGION_INFO_CAP_TYPE, .version = 1 },
        .type = VFIO_REGION_TYPE_CXL,
    };
    g_autoptr(GByteArray) all = g_byte_array_new();

    g_byte_array_append(all, (uint8_t *)&info, sizeof(info));
    switch (index) {
    case VFIO_PCI_BAR0_REGION_INDEX:
        info.size = 2 * BLOCK;
        break;
    case VFIO_PCI_CONFIG_REGION_INDEX:
        info.size = sizeof(s->config);
        break;
    case REGS_REGION:
        info.size = sizeof(s->page);
        type.subtype = VFIO_REGION_SUBTYPE_CXL_COMP_REGS;
        append(all, &info.cap_offset, &type, sizeof(type));
        append(all, &info.cap_offset, &s->regs, sizeof(s->regs));
        break;
    case MEM_REGION:
        info.size = s->mem_size;
        info.flags = s->mem_flags;
        type.subtype = VFIO_REGION_SUBTYPE_CXL;
        append(all, &info.cap_offset, &type, sizeof(type));
        break;
    default:
        info.flags = 0;
        break;
    }
    info.argsz = all->len;
    info.flags |= info.cap_offset ? VFIO_REGION_INFO_FLAG_CAPS : 0;
    memcpy(all->data, &info, sizeof(info));
    reply(fd, hdr, 0, all->data, MIN(argsz, all->len),
          index == MEM_REGION ? s->memfd : -1);
}

static void command(Server *s, int fd, const VFIOUserHdr *hdr, uint8_t *body)
{
    static const char version[] =
        "\0\0\0\0{\"capabilities\":{\"max_msg_fds\":8}}";
    size_t size = hdr->size - sizeof(*hdr);
    struct vfio_irq_info *irq = (void *)body;
    uint32_t count;

    switch (hdr->command) {
    case VFIO_USER_VERSION:
        reply(fd, hdr, 0, version, sizeof(version), -1);
        return;
    case VFIO_USER_DEVICE_GET_INFO:
        device_info(s, fd, hdr, ldl_he_p(body));
        return;
    case VFIO_USER_DEVICE_GET_REGION_INFO:
        region_info(s, fd, hdr, ldl_he_p(body), ldl_he_p(body + 8));
        return;
    case VFIO_USER_DEVICE_GET_IRQ_INFO:
        irq->argsz = sizeof(*irq);
        irq->flags = VFIO_IRQ_INFO_EVENTFD;
        irq->count = irq->index >= VFIO_PCI_ERR_IRQ_INDEX;
        reply(fd, hdr, 0, irq, sizeof(*irq), -1);
        return;
    case VFIO_USER_REGION_READ:
        count = ldl_he_p(body + 12);
        body = g_realloc(g_memdup2(body, 16), 16 + count);
        region_read(s, ldl_he_p(body + 8), ldq_he_p(body), body + 16, count);
        reply(fd, hdr, 0, body, 16 + count, -1);
        g_free(body);
        return;
    case VFIO_USER_REGION_WRITE:
        region_write(s, ldl_he_p(body + 8), ldq_he_p(body), body + 16,
                     ldl_he_p(body + 12));
        if (!(hdr->flags & VFIO_USER_NO_REPLY)) {
            reply(fd, hdr, 0, body, 16, -1);
        }
        return;
    case VFIO_USER_DEVICE_RESET:
        device_reset(s);
        qatomic_inc(&s->resets);
        reply(fd, hdr, 0, NULL, 0, -1);
        return;
    case VFIO_USER_DMA_MAP:
    case VFIO_USER_DEVICE_SET_IRQS:
        reply(fd, hdr, 0, NULL, 0, -1);
        return;
    case VFIO_USER_DMA_UNMAP:
        reply(fd, hdr, 0, body, size, -1);
        return;
    default:
        reply(fd, hdr, ENOTTY, NULL, 0, -1);
        return;
    }
}

static gpointer serve(gpointer opaque)
{
    Server *s = opaque;
    int fd;

    while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
        VFIOUserHdr hdr;

        while (receive(fd, &hdr, sizeof(hdr))) {
            size_t size = hdr.size - sizeof(hdr);
            g_autofree uint8_t *body = g_malloc(size);

            if (!receive(fd, body, size)) {
                break;
            }
            command(s, fd, &hdr, body);
        }
        close(fd);
    }
    return NULL;
}

static Server *server_new(void)
{
    Server *s = g_new0(Server, 1);

    device_init(s);
    s->memfd = qemu_memfd_create("vfio-cxl-test", CHUNK, false, 0, 0,
                                 &error_abort);
    s->dir = g_dir_make_tmp("vfio-cxl-XXXXXX", NULL);
    g_assert_nonnull(s->dir);
    s->path = g_build_filename(s->dir, "socket", NULL);
    s->listener = unix_listen(s->path, &error_abort);
    s->thread = g_thread_new("vfio-user", serve, s);
    return s;
}

static void server_free(Server *s)
{
    shutdown(s->listener, SHUT_RDWR);       /* ends accept() */
    g_thread_join(s->thread);
    close(s->listener);
    close(s->memfd);
    unlink(s->path);
    rmdir(s->dir);
    g_free(s->path);
    g_free(s->dir);
    g_free(s);
}

/* ---- QEMU ---- */

#define ACC0(path) \
    "{'driver': 'vfio-user-pci', 'id': 'acc0', 'bus': 'rp0', 'cxl': 'on'," \
    " 'socket': {'type': 'unix', 'path': " path "}, 'x-msg-timeout': 30000}"

static void boot(CXLTest *t, Server *s)
{
    g_autofree char *device = g_strdup_printf(ACC0("'%s'"), s->path);
    g_autofree char *args = NULL;

    g_strdelimit(device, "'", '"');         /* as JSON has it, for a shell */
    args = g_strconcat(MACHINE PXB RP(0) " -device '", device, "'", NULL);
    start(t, args);
}

static void assert_state(CXLTest *t, const char *state)
{
    g_autoptr(QDict) rsp = qtest_qmp(t->qts,
        "{'execute': 'qom-get', 'arguments':"
        " {'path': '/machine/peripheral/acc0', 'property': 'cxl-state'}}");

    g_assert_cmpstr(qdict_get_str(rsp, "return"), ==, state);
}

/* Firmware committed all of the memory, and it is there */
static void assert_works(CXLTest *t, Server *s)
{
    uint64_t bar = setup_endpoint(t, 0);
    uint16_t pos = find_dvsec(t, HB_BUS + 1, DVSEC_CXL_DEVICE);
    uint64_t base = cfg(HB_BUS + 1, 0, pos + DVSEC_BASE_HI);

    assert_state(t, "firmware-committed");
    assert_decoder(t, find_hdm(t, bar + BLOCK), 0, t->window, CHUNK,
                   CTRL_LOCKED);
    assert_decoder(t, find_hdm(t, t->hb), 0, t->window, CHUNK, CTRL_LOCKED);
    g_assert_cmphex(qtest_readl(t->qts, base), ==, t->window >> 32);
    g_assert_cmphex(qtest_readl(t->qts, base + 4), ==, (uint32_t)t->window);
    assert_in_fd(t, s->memfd, 0, t->window);
    assert_in_fd(t, s->memfd, CHUNK - 8, t->window + CHUNK - 8);
    g_assert(!is_memory(t, t->window + CHUNK));
}

static void test_works(void)
{
    Server *s = server_new();
    CXLTest t = {};

    boot(&t, s);
    assert_works(&t, s);
    for (unsigned i = 0; i < 2; i++) {
        unsigned resets = qatomic_read(&s->resets);

        reset(&t);
        g_assert_cmpint(qatomic_read(&s->resets), >, resets);
        assert_works(&t, s);
    }
    stop(&t);
    server_free(s);
}

/* The memory is there only with Memory Space on, and in D0. */
static void test_memory_space(void)
{
    Server *s = server_new();
    CXLTest t = {};
    static const struct {
        uint16_t reg, gone, there;
    } ways[] = {
        { PCI_COMMAND, PCI_COMMAND_MASTER,
          PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER },
        { PM_CAP + PCI_PM_CTRL, 3, 0 },
    };

    boot(&t, s);
    assert_works(&t, s);
    for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
        uint64_t reg = cfg(HB_BUS + 1, 0, ways[i].reg);

        qtest_writew(t.qts, reg, ways[i].gone);
        g_assert(!is_memory(&t, t.window));
        qtest_writew(t.qts, reg, ways[i].there);
        assert_in_fd(&t, s->memfd, 0, t.window);
    }
    stop(&t);
    server_free(s);
}

/* A decoder that does not lock: QEMU goes on, and there is nothing mapped. */
static void test_uncommitted(void)
{
    Server *s = server_new();
    CXLTest t = {};

    s->ctrl_writable = CTRL_LOCK;
    boot(&t, s);
    setup_endpoint(&t, 0);
    assert_state(&t, "uncommitted");
    g_assert(!is_memory(&t, t.window));
    stop(&t);
    server_free(s);
}

static void no_capability(Server *s)
{
    s->flags &= ~VFIO_DEVICE_FLAGS_CAPS;
}

static void other_version(Server *s)
{
    s->cxl.header.version = 2;
}

static void not_committed(Server *s)
{
    s->cxl.flags = 0;
}

static void no_mmap(Server *s)
{
    s->mem_flags &= ~VFIO_REGION_INFO_FLAG_MMAP;
}

static void no_access(Server *s)
{
    s->mem_flags = VFIO_REGION_INFO_FLAG_MMAP;
}

static void odd_size(Server *s)
{
    s->mem_size = CHUNK / 2;
}

static void no_place(Server *s)
{
    s->regs.header.id = 99;
}

static void place_in_no_bar(Server *s)
{
    s->regs.bar = 2;
}

static void place_outside(Server *s)
{
    s->regs.offset = 2 * BLOCK;
}

static void other_hdm(Server *s)
{
    s->regs.hdm_offset = HDM + 4;
}

static void other_size(Server *s)
{
    stl_le_p(s->page + HDM + HDM_SIZE(0), 2 * CHUNK);
}

/* By hotplug into one machine, each refused for its reason */
static void test_refused(void)
{
    static const struct {
        void (*change)(Server *s);
        const char *text;
    } cases[] = {
        { no_capability, "lacks the CXL capability" },
        { other_version, "version 2 of the CXL capability, expected 1" },
        { not_committed, "firmware did not commit" },
        { no_mmap, "flags 0xb, expected at least 0x7" },
        { no_access, "flags 0xc, expected at least 0x7" },
        { odd_size, "not a multiple of 256 MiB" },
        { no_place, "lacks the CXL capability" },
        { place_in_no_bar, "which is not a memory BAR" },
        { place_outside, "unaligned or beyond" },
        { other_hdm, "but at 0x204 in the region info" },
        { other_size, "HDM decoder 0 has 0x20000000 bytes" },
    };
    Server *s = server_new();
    CXLTest t = {};

    start(&t, MACHINE PXB RP(0));
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autoptr(QDict) rsp = NULL;
        const char *desc;

        device_init(s);
        cases[i].change(s);
        rsp = qtest_qmp(t.qts, "{'execute': 'device_add', 'arguments': "
                        ACC0("%s") "}", s->path);
        g_assert(qdict_haskey(rsp, "error"));
        desc = qdict_get_str(qdict_get_qdict(rsp, "error"), "desc");
        g_test_message("%s", desc);
        g_assert_nonnull(strstr(desc, cases[i].text));
        g_assert_cmphex(ldl_le_p(s->page + HDM + HDM_CTRL(0)), ==, 0);
    }
    g_assert(!is_memory(&t, t.window));
    stop(&t);
    server_free(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_device("vfio-user-pci") || !qtest_has_device("pxb-cxl")) {
        g_test_skip("no vfio-user-pci or no pxb-cxl");
        return 0;
    }

    qtest_add_func("/vfio-cxl/works", test_works);
    qtest_add_func("/vfio-cxl/memory-space", test_memory_space);
    qtest_add_func("/vfio-cxl/uncommitted", test_uncommitted);
    qtest_add_func("/vfio-cxl/refused", test_refused);

    return g_test_run();
}

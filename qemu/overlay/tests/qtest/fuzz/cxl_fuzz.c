/*
 * Fuzzer of CXL devices: an accelerator, and memory with dynamic capacity
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-cxl.h"
#include "qemu/bswap.h"
#include "hw/cxl/cxl.h"
#include "hw/cxl/cxl_host.h"
#include "hw/pci-bridge/pci_expander_bridge.h"
#include "hw/pci/pci_regs.h"
#include "tests/qtest/cxl-type2-util.h"
#include "fuzz.h"

/*
 * generic-fuzz has devices of the root bus alone, but CXL devices are below two
 * bridges, and their memory appears where the decoders of all three agree. So
 * this one sets the bridges up, as firmware would, and then does as it is told
 * to: a step is 16 bytes of the input.
 */
typedef struct QEMU_PACKED {
    uint8_t what;
    uint8_t where;
    uint16_t size;
    uint32_t offset;
    uint64_t value;
} Step;

enum {
    STEP_WRITE,
    STEP_READ,
    STEP_COMMAND,   /* @value bytes of what follows are its payload */
    STEP_CLOCK,
    STEP_ADD,       /* dynamic capacity, for the device to offer */
    STEP_RELEASE,
    NR_STEPS
};

#define PORT_SIZE       (16 * MiB)
#define DC_SIZE         (2 * CHUNK)

#define MAILBOX         CXL_MAILBOX_REGISTERS_OFFSET
#define MAILBOX_CTRL    (MAILBOX + 0x04)
#define MAILBOX_CMD     (MAILBOX + 0x08)
#define MAILBOX_PAYLOAD (MAILBOX + 0x20)

#define TAG     "5d5d5d5d-0000-4000-8000-00000000000"

/* What a guest can reach; the first two are set when the machine is there */
static struct {
    uint64_t base;
    uint32_t size;
} places[] = {
    { 0, 2 * CHUNK },                               /* memory: the window */
    { 0, 64 * KiB },                                /* the host bridge */
    { ECAM + ((HB_BUS + 1) << 20), 4 * KiB },       /* the accelerator */
    { MMIO, 8 * KiB },                              /*     components */
    { MMIO + MiB, 4 * KiB },                        /*     engine */
    { MMIO + 2 * MiB, 4 * KiB },                    /*     MSI-X */
    { ECAM + ((HB_BUS + 2) << 20), 4 * KiB },       /* the memory device */
    { MMIO + PORT_SIZE, 8 * KiB },                  /*     components */
    { MMIO + PORT_SIZE + MiB, 4 * KiB },            /*     mailbox */
    { ECAM + (HB_BUS << 20), 4 * KiB },             /* their ports */
    { ECAM + (HB_BUS << 20) + (1 << 15), 4 * KiB },
};

static uint64_t nr_steps;

static const uint64_t mailbox = MMIO + PORT_SIZE + MiB;

/* Root port @n and what is below it, to where places[] has them */
static void set_up_port(CXLTest *t, unsigned n)
{
    uint64_t base = setup_endpoint(t, n);
    uint8_t bus = HB_BUS + 1 + n;

    qtest_writel(t->qts, cfg(bus, 0, PCI_BASE_ADDRESS_2), base + MiB);
    qtest_writel(t->qts, cfg(bus, 0, PCI_BASE_ADDRESS_4), base + 2 * MiB);
}

static void access_place(QTestState *s, const Step *step, bool write)
{
    unsigned which = step->where % ARRAY_SIZE(places);
    unsigned size = 1 << step->size % 4;
    uint64_t at = places[which].base +
                  QEMU_ALIGN_DOWN(step->offset % places[which].size, size);

    switch (size | write << 4) {
    case 1:
        qtest_readb(s, at);
        break;
    case 2:
        qtest_readw(s, at);
        break;
    case 4:
        qtest_readl(s, at);
        break;
    case 8:
        qtest_readq(s, at);
        break;
    case 1 | 1 << 4:
        qtest_writeb(s, at, step->value);
        break;
    case 2 | 1 << 4:
        qtest_writew(s, at, step->value);
        break;
    case 4 | 1 << 4:
        qtest_writel(s, at, step->value);
        break;
    case 8 | 1 << 4:
        qtest_writeq(s, at, step->value);
        break;
    }
}

/* Returns how many of the @left bytes at @payload it took */
static size_t run_command(QTestState *s, const Step *step,
                          const unsigned char *payload, size_t left)
{
    size_t len = MIN(step->value % 256, left);

    if (len) {
        qtest_memwrite(s, mailbox + MAILBOX_PAYLOAD, payload, len);
    }
    /* The length may lie */
    qtest_writeq(s, mailbox + MAILBOX_CMD, step->offset % (1 << 16) |
                 (uint64_t)(step->where & 1 ? step->size : len) << 16);
    qtest_writel(s, mailbox + MAILBOX_CTRL, 1);
    return len;
}

static void change_capacity(const Step *step, bool add)
{
    CxlDynamicCapacityExtent extent = {
        .offset = QEMU_ALIGN_DOWN(step->offset, 2 * MiB) % (2 * DC_SIZE),
        .len = QEMU_ALIGN_DOWN(step->value, 2 * MiB) % (2 * DC_SIZE),
    };
    CxlDynamicCapacityExtentList list = { .value = &extent };
    g_autofree char *tag = g_strdup_printf(TAG "%u", step->where % 4);
    Error *err = NULL;

    if (add) {
        qmp_cxl_add_dynamic_capacity("/machine/peripheral/dcd0", 0,
                                     CXL_EXTENT_SELECTION_POLICY_PRESCRIPTIVE,
                                     step->size % 3, tag, &list, &err);
    } else {
        qmp_cxl_release_dynamic_capacity("/machine/peripheral/dcd0", 0,
            step->size & 4 ? CXL_EXTENT_REMOVAL_POLICY_TAG_BASED :
                             CXL_EXTENT_REMOVAL_POLICY_PRESCRIPTIVE,
            true, step->size & 8, true, step->size & 16, step->size % 3, tag,
            !(step->size & 4), &list, &err);
    }
    error_free(err);
}

static void cxl_fuzz(QTestState *s, const unsigned char *data, size_t size)
{
    CXLTest t = { .qts = s };
    Step step;

    enable_ecam(&t);
    set_up_port(&t, 0);
    set_up_port(&t, 1);
    while (size >= sizeof(step)) {
        memcpy(&step, data, sizeof(step));
        data += sizeof(step);
        size -= sizeof(step);
        nr_steps++;

        switch (step.what % NR_STEPS) {
        case STEP_WRITE:
        case STEP_READ:
            access_place(s, &step, step.what % NR_STEPS == STEP_WRITE);
            break;
        case STEP_COMMAND: {
            size_t taken = run_command(s, &step, data, size);

            data += taken;
            size -= taken;
            break;
        }
        case STEP_CLOCK:
            qtest_clock_step(s, 1 + step.value % (10 * NANOSECONDS_PER_SECOND));
            break;
        case STEP_ADD:
        case STEP_RELEASE:
            change_capacity(&step, step.what % NR_STEPS == STEP_ADD);
            break;
        }
        flush_events(s);
    }
    fuzz_reset(s);
}

static void print_steps(void)
{
    printf("%" PRIu64 " steps\n", nr_steps);
}

static void cxl_fuzz_find(QTestState *s)
{
    Object *host = object_resolve_path_type("", TYPE_PXB_CXL_HOST, NULL);
    MemoryRegion *mr =
        &PXB_CXL_HOST(host)->cxl_cstate.crb.component_registers;
    g_autoptr(GSList) windows = cxl_fmws_get_all_sorted();

    places[0].base = CXL_FMW(windows->data)->base;
    places[1].base = mr->container->addr + mr->addr;
    g_assert(places[0].base && places[1].base);
    atexit(print_steps);
}

static GString *cxl_fuzz_cmdline(FuzzTarget *t)
{
    GString *line = g_string_new(TARGET_NAME);

    g_string_append(line,
        " -display none -nodefaults -m 128"
        " -machine q35,accel=qtest,cxl=on,cxl-fmw.0.targets.0=cxl.0,"
        "cxl-fmw.0.size=2G"
        " -device pxb-cxl,id=cxl.0,bus=pcie.0,bus_nr=12,hdm_for_passthrough=on"
        " -device cxl-rp,id=rp0,bus=cxl.0,addr=0,port=0,chassis=0,slot=0"
        " -device cxl-rp,id=rp1,bus=cxl.0,addr=1,port=1,chassis=0,slot=1"
        " -object memory-backend-ram,id=mem0,size=256M"
        " -device cxl-type2,id=acc0,bus=rp0,memdev=mem0,hdm-decoders=2,ats=on,"
        "x-cxl-reset-delay=100"
        " -device cxl-type3,id=dcd0,bus=rp1,num-dc-regions=2,"
        "dc-regions-total-size=512M");
    for (unsigned n = 0; n < 3; n++) {
        g_string_append_printf(line, " -object memory-backend-ram,id=m%u,"
                               "size=%uM,tag=" TAG "%u", n, 64 << n, n);
    }
    return line;
}

static void register_cxl_fuzz(void)
{
    fuzz_add_target(&(FuzzTarget){
        .name = "cxl",
        .description = "Registers, decoders, mailbox, memory and dynamic "
                       "capacity of CXL devices",
        .get_init_cmdline = cxl_fuzz_cmdline,
        .pre_fuzz = cxl_fuzz_find,
        .fuzz = cxl_fuzz,
    });
}
fuzz_target_init(register_cxl_fuzz);

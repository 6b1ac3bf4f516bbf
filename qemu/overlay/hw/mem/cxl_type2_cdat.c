/*
 * CDAT of the emulated CXL Type-2 accelerator
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/**
 * DOC: CDAT
 *
 * The Coherent Device Attribute Table, which software reads through Table
 * Access of DOE, CXL r4.0 8.1.11: one range of memory (DSMAS), how fast it is
 * (DSLBIS), and what firmware is to make of it (DSEMTS). The numbers are those
 * of cxl-type3, and as good.
 */

#include "qemu/osdep.h"
#include "hw/cxl/cxl.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_doe.h"
#include "system/numa.h"
#include "cxl_type2_cdat.h"

#define CDAT_HANDLE         0
#define CDAT_ENTRIES        6
/* CDAT r1.03: EFI Memory Type and Attribute, EFI_MEMORY_SP */
#define CDAT_DSEMTS_SP      1

/* Units of picoseconds, or MB/s */
static const struct {
    uint8_t type;
    uint64_t unit;
    uint16_t value;
} cdat_speed[] = {
    { HMAT_LB_DATA_READ_LATENCY, 10000, 15 },
    { HMAT_LB_DATA_WRITE_LATENCY, 10000, 25 },
    { HMAT_LB_DATA_READ_BANDWIDTH, 1000, 16 },
    { HMAT_LB_DATA_WRITE_BANDWIDTH, 1000, 16 },
};
QEMU_BUILD_BUG_ON(ARRAY_SIZE(cdat_speed) + 2 != CDAT_ENTRIES);

/* An entry, zeroed except for its header */
static void *cdat_new(uint8_t type, size_t length)
{
    CDATSubHeader *header = g_malloc0(length);

    header->type = type;
    header->length = length;
    return header;
}

static CDATSubHeader *cdat_dsmas(uint64_t size)
{
    CDATDsmas *e = cdat_new(CDAT_TYPE_DSMAS, sizeof(*e));

    e->DSMADhandle = CDAT_HANDLE;
    e->DPA_length = size;
    return &e->header;
}

static CDATSubHeader *cdat_dslbis(unsigned n)
{
    CDATDslbis *e = cdat_new(CDAT_TYPE_DSLBIS, sizeof(*e));

    e->handle = CDAT_HANDLE;
    e->flags = HMAT_LB_MEM_MEMORY;
    e->data_type = cdat_speed[n].type;
    e->entry_base_unit = cdat_speed[n].unit;
    e->entry[0] = cdat_speed[n].value;
    return &e->header;
}

static CDATSubHeader *cdat_dsemts(uint64_t size)
{
    CDATDsemts *e = cdat_new(CDAT_TYPE_DSEMTS, sizeof(*e));

    e->DSMAS_handle = CDAT_HANDLE;
    e->EFI_memory_type_attr = CDAT_DSEMTS_SP;
    e->DPA_length = size;
    return &e->header;
}

static int cdat_build(CDATSubHeader ***table, void *opaque)
{
    CXLType2CDAT *c = opaque;
    unsigned n = 0;

    *table = g_new0(CDATSubHeader *, CDAT_ENTRIES);
    (*table)[n++] = cdat_dsmas(c->size);
    for (unsigned i = 0; i < ARRAY_SIZE(cdat_speed); i++) {
        (*table)[n++] = cdat_dslbis(i);
    }
    (*table)[n++] = cdat_dsemts(c->size);
    return n;
}

static void cdat_free(CDATSubHeader **table, int n, void *opaque)
{
    while (n--) {
        g_free(table[n]);
    }
    g_free(table);
}

static bool cdat_respond(DOECap *doe)
{
    return cxl_doe_cdat_respond(doe,
                                container_of(doe, CXLType2CDAT, doe)->cxl);
}

static DOEProtocol cdat_protocols[] = {
    { CXL_VENDOR_ID, CXL_DOE_TABLE_ACCESS, cdat_respond },
    { }
};

bool cxl_type2_cdat_init(CXLType2CDAT *c, PCIDevice *pdev,
                         CXLComponentState *cxl, uint16_t offset,
                         uint64_t size, Error **errp)
{
    c->cxl = cxl;
    c->size = size;
    cxl->cdat.build_cdat_table = cdat_build;
    cxl->cdat.free_cdat_table = cdat_free;
    cxl->cdat.private = c;
    if (!cxl_doe_cdat_init(cxl, errp)) {
        return false;
    }
    /* Software is to poll: the only MSI-X vector is the engine's */
    pcie_doe_init(pdev, &c->doe, offset, cdat_protocols, false, 0);
    return true;
}

void cxl_type2_cdat_reset(CXLType2CDAT *c)
{
    pcie_doe_write_config(&c->doe, c->doe.offset + PCI_EXP_DOE_CTRL,
                          R_PCI_DOE_CAP_CONTROL_DOE_ABORT_MASK, 4);
}

void cxl_type2_cdat_exit(CXLType2CDAT *c)
{
    /* Not pcie_doe_fini(), which would free the DOECap */
    g_free(c->doe.read_mbox);
    g_free(c->doe.write_mbox);
    cxl_doe_cdat_release(c->cxl);
}

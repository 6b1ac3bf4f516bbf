/*
 * Emulated CXL Type-2 accelerator: errors
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/**
 * DOC: errors
 *
 * Errors come from QMP. Status is set in any case; what is not masked is also
 * recorded and signalled, as an internal error of AER, which has masks of its
 * own. Headers of several errors are recorded. The oldest is in the log, and
 * First Error Pointer has its bit. When that bit is cleared in Uncorrectable
 * Error Status the next one takes its place.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/cxl/cxl.h"
#include "hw/pci/pcie.h"
#include "cxl_type2.h"
#include "trace.h"

/* CXL r4.0 8.2.4.17: the log is what is left of the capability */
#define CT2_HEADER_DWORDS \
    ((CXL_RAS_REGISTERS_OFFSET + CXL_RAS_REGISTERS_SIZE - \
      A_CXL_RAS_ERR_HEADER0) / sizeof(uint32_t))
QEMU_BUILD_BUG_ON(CT2_HEADER_DWORDS != 16);

/* QMP's errors are in the order of the bits; 12 and 13 are reserved. */
QEMU_BUILD_BUG_ON(CXL_UNCOR_ERROR_TYPE_RECEIVER_OVERFLOW !=
                  CXL_RAS_UNC_ERR_RECEIVER_OVERFLOW);
QEMU_BUILD_BUG_ON(CXL_UNCOR_ERROR_TYPE_INTERNAL + 2 !=
                  CXL_RAS_UNC_ERR_INTERNAL);
QEMU_BUILD_BUG_ON(CXL_UNCOR_ERROR_TYPE_CXL_IDE_RX + 2 !=
                  CXL_RAS_UNC_ERR_CXL_IDE_RX);
QEMU_BUILD_BUG_ON(CXL_COR_ERROR_TYPE_PHYSICAL != CXL_RAS_COR_ERR_PHYSICAL);

static unsigned ct2_uncorrectable_bit(CxlUncorErrorType type)
{
    return type < CXL_UNCOR_ERROR_TYPE_INTERNAL ? type : type + 2;
}

static uint32_t *ct2_ras_reg(CXLType2Dev *s, unsigned index)
{
    return s->cxl_cstate.crb.cache_mem_registers + index;
}

static void ct2_ras_signal(PCIDevice *d, uint32_t status, uint16_t flags)
{
    const PCIEAERErr err = {
        .status = status,
        .source_id = pci_requester_id(d),
        .flags = flags,
    };

    pcie_aer_inject_error(d, &err);
}

/* An old log stays, with a First Error Pointer to a bit that is never set. */
static void ct2_ras_show_first(CXLType2Dev *s)
{
    uint32_t *ctrl = ct2_ras_reg(s, R_CXL_RAS_ERR_CAP_CTRL);
    const CXLError *first = QTAILQ_FIRST(&s->errors);

    stl_le_p(ctrl, FIELD_DP32(ldl_le_p(ctrl), CXL_RAS_ERR_CAP_CTRL,
                              FIRST_ERROR_POINTER,
                              first ? first->type :
                              CXL_RAS_UNC_ERR_CXL_UNUSED));
    for (unsigned i = 0; first && i < CT2_HEADER_DWORDS; i++) {
        stl_le_p(ct2_ras_reg(s, R_CXL_RAS_ERR_HEADER0 + i), first->header[i]);
    }
}

/* Drop the records of errors in @bits */
static void ct2_ras_drop(CXLType2Dev *s, uint32_t bits)
{
    CXLError *err, *next;

    QTAILQ_FOREACH_SAFE(err, &s->errors, node, next) {
        if (bits & 1u << err->type) {
            QTAILQ_REMOVE(&s->errors, err, node);
            g_free(err);
        }
    }
}

void cxl_type2_ras_clear(CXLType2Dev *s, uint32_t bits)
{
    uint32_t *status = ct2_ras_reg(s, R_CXL_RAS_UNC_ERR_STATUS);

    stl_le_p(status, ldl_le_p(status) & ~bits);
    ct2_ras_drop(s, bits);
    ct2_ras_show_first(s);
}

void cxl_type2_ras_forget(CXLType2Dev *s)
{
    ct2_ras_drop(s, UINT32_MAX);
}

static void ct2_ras_record(CXLType2Dev *s, unsigned bit,
                           const uint32List *header)
{
    CXLError *err = g_new0(CXLError, 1);

    err->type = bit;
    for (unsigned i = 0; header; i++, header = header->next) {
        err->header[i] = header->value;
    }
    QTAILQ_INSERT_TAIL(&s->errors, err, node);
}

void cxl_type2_inject_uncorrectable(PCIDevice *d,
                                    const CXLUncorErrorRecordList *errors,
                                    Error **errp)
{
    CXLType2Dev *s = CXL_TYPE2(d);
    uint32_t *status = ct2_ras_reg(s, R_CXL_RAS_UNC_ERR_STATUS);
    uint32_t mask = ldl_le_p(ct2_ras_reg(s, R_CXL_RAS_UNC_ERR_MASK));
    bool signal = false;

    for (const CXLUncorErrorRecordList *e = errors; e; e = e->next) {
        if (QAPI_LIST_LENGTH(e->value->header) > CT2_HEADER_DWORDS) {
            error_setg(errp, "header of %s has more than %zu double words",
                       CxlUncorErrorType_str(e->value->type),
                       CT2_HEADER_DWORDS);
            return;
        }
    }

    for (; errors; errors = errors->next) {
        unsigned bit = ct2_uncorrectable_bit(errors->value->type);

        stl_le_p(status, ldl_le_p(status) | 1u << bit);
        if (!(mask & 1u << bit)) {
            ct2_ras_record(s, bit, errors->value->header);
            signal = true;
        }
    }
    ct2_ras_show_first(s);

    trace_cxl_type2_error(d->name, "uncorrectable", ldl_le_p(status), signal);
    if (signal) {
        ct2_ras_signal(d, PCI_ERR_UNC_INTN, 0);
    }
}

void cxl_type2_inject_correctable(PCIDevice *d, CxlCorErrorType type,
                                  Error **errp)
{
    CXLType2Dev *s = CXL_TYPE2(d);
    uint32_t *status = ct2_ras_reg(s, R_CXL_RAS_COR_ERR_STATUS);
    uint32_t mask = ldl_le_p(ct2_ras_reg(s, R_CXL_RAS_COR_ERR_MASK));
    bool signal = !(mask & 1u << type);

    stl_le_p(status, ldl_le_p(status) | 1u << type);
    trace_cxl_type2_error(d->name, "correctable", ldl_le_p(status), signal);
    if (signal) {
        ct2_ras_signal(d, PCI_ERR_COR_INTERNAL, PCIE_AER_ERR_IS_CORRECTABLE);
    }
}

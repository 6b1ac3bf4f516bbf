/*
 * VFIO passthrough of CXL accelerators: the register page
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The page of CXL.cache and CXL.mem registers (CXL r4.0 sec 8.2.4) as the host
 * kernel virtualizes it: an array of capabilities, one of which is the HDM
 * decoders. What is written here changes only the kernel's shadow of it; the
 * physical decoder stays as the host's firmware left it.
 *
 * Nothing that is read is trusted: the other end may be another driver, or
 * another transport.
 */

#include "qemu/osdep.h"
#include "cxl-regs.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "trace.h"

#define CAP_ID          0xffff
#define CAP_ID_CM       1
#define CAP_ID_HDM      5

/* Registers, from the start of the HDM decoder capability structure */
#define HDM(reg)        (A_CXL_HDM_##reg - A_CXL_HDM_DECODER_CAPABILITY)
#define HDM_STRIDE      (HDM(DECODER1_BASE_LO) - HDM(DECODER0_BASE_LO))
#define HDM_ENABLE \
    R_CXL_HDM_DECODER_GLOBAL_CONTROL_HDM_DECODER_ENABLE_MASK
#define HDM_CTRL(field) R_CXL_HDM_DECODER0_CTRL_##field##_MASK
#define HDM_LOCKED      (HDM_CTRL(LOCK_ON_COMMIT) | HDM_CTRL(COMMITTED))

/* A device has at most ten decoders (CXL r4.0 sec 8.2.4.20.1) */
#define HDM_COUNT_MAX   10

static bool regs_read(VFIOCXLRegs *regs, hwaddr offset, unsigned size,
                      uint64_t *val, Error **errp)
{
    VFIODevice *vbasedev = regs->vbasedev;
    uint64_t buf = UINT64_MAX;
    int ret;

    ret = vbasedev->io_ops->region_read(vbasedev, regs->nr, offset, size, &buf);
    *val = ret == size ? ldn_le_p(&buf, size) : MAKE_64BIT_MASK(0, size * 8);
    trace_vfio_cxl_regs_read(vbasedev->name, offset, size, *val, ret);
    if (ret != size) {
        error_setg(errp, "cannot read CXL register 0x%03" HWADDR_PRIx ": %s",
                   offset, strreaderror(ret));
        return false;
    }
    return true;
}

static bool regs_write(VFIOCXLRegs *regs, hwaddr offset, unsigned size,
                       uint64_t val, Error **errp)
{
    VFIODevice *vbasedev = regs->vbasedev;
    uint64_t buf;
    int ret;

    stn_le_p(&buf, size, val);
    ret = vbasedev->io_ops->region_write(vbasedev, regs->nr, offset, size, &buf,
                                         false);
    trace_vfio_cxl_regs_write(vbasedev->name, offset, size, val, ret);
    if (ret != size) {
        error_setg(errp, "cannot write 0x%" PRIx64 " to CXL register 0x%03"
                   HWADDR_PRIx ": %s", val, offset, strwriteerror(ret));
        return false;
    }
    return true;
}

/*
 * A guest may provoke failures (for one, after it put the device into D3), so
 * they are traced and not reported. It reads all ones, as from a PCI device
 * that is gone.
 */
static uint64_t guest_read(void *opaque, hwaddr addr, unsigned size)
{
    uint64_t val;

    regs_read(opaque, addr, size, &val, NULL);
    return val;
}

static void guest_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    VFIOCXLRegs *regs = opaque;

    regs_write(regs, addr, size, val, NULL);
    if (addr >= regs->hdm && addr - regs->hdm < HDM(DECODER1_BASE_LO)) {
        regs->decoder_written(regs);
    }
}

/*
 * Registers are 32 or 64 bits wide, and some of the latter take no partial
 * access (CXL r4.0 sec 8.2.2), so accesses are neither split nor merged. The
 * kernel would refuse all others; they end here.
 */
const MemoryRegionOps vfio_cxl_regs_ops = {
    .read = guest_read,
    .write = guest_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 4,
        .max_access_size = 8,
        .unaligned = false,
    },
    .impl = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
};

/* Where the capability array has the HDM decoders; *@nr is set to its length */
static bool find_hdm(VFIOCXLRegs *regs, uint32_t *nr, uint32_t *ptr,
                     Error **errp)
{
    uint64_t val;

    if (!regs_read(regs, 0, 4, &val, errp)) {
        return false;
    }
    if ((val & CAP_ID) != CAP_ID_CM) {
        error_setg(errp, "CXL register page starts with 0x%08" PRIx64
                   ", not with a capability array", val);
        return false;
    }
    *nr = FIELD_EX32(val, CXL_CAPABILITY_HEADER, ARRAY_SIZE);
    for (uint32_t i = 1; i <= *nr; i++) {
        if (!regs_read(regs, i * 4, 4, &val, errp)) {
            return false;
        }
        if ((val & CAP_ID) == CAP_ID_HDM) {
            *ptr = FIELD_EX32(val, CXL_HDM_CAPABILITY_HEADER, PTR);
            return true;
        }
    }
    error_setg(errp, "none of %u CXL capabilities is an HDM decoder capability",
               *nr);
    return false;
}

bool vfio_cxl_regs_check(VFIOCXLRegs *regs, uint64_t size, Error **errp)
{
    uint64_t cap, lo, hi;
    uint32_t nr, ptr;
    int count;

    if (!find_hdm(regs, &nr, &ptr, errp)) {
        return false;
    }
    if (ptr != regs->hdm) {
        error_setg(errp, "HDM decoders are at 0x%03x in the CXL capability "
                   "array, but at 0x%03x in the region info", ptr, regs->hdm);
        return false;
    }
    if (ptr % 4 || ptr < (nr + 1) * 4 ||
        ptr > CXL_REGS_SIZE - HDM(DECODER1_BASE_LO)) {
        error_setg(errp, "HDM decoders cannot be at 0x%03x in the CXL register "
                   "page, with %u capabilities", ptr, nr);
        return false;
    }

    if (!regs_read(regs, ptr, 4, &cap, errp)) {
        return false;
    }
    count = cxl_decoder_count_dec(FIELD_EX32(cap, CXL_HDM_DECODER_CAPABILITY,
                                             DECODER_COUNT));
    if (!count || count > HDM_COUNT_MAX ||
        ptr + HDM(DECODER0_BASE_LO) + count * HDM_STRIDE > CXL_REGS_SIZE) {
        error_setg(errp, "HDM decoder capability is 0x%08" PRIx64 ": a device "
                   "cannot have %d decoders at 0x%03x", cap, count, ptr);
        return false;
    }

    if (!regs_read(regs, ptr + HDM(DECODER0_SIZE_LO), 4, &lo, errp) ||
        !regs_read(regs, ptr + HDM(DECODER0_SIZE_HI), 4, &hi, errp)) {
        return false;
    }
    if ((hi << 32 | lo) != size) {
        error_setg(errp, "HDM decoder 0 has 0x%" PRIx64 " bytes, expected 0x%"
                   PRIx64, hi << 32 | lo, size);
        return false;
    }
    trace_vfio_cxl_regs_check(regs->vbasedev->name, nr, ptr, count);
    return true;
}

typedef struct Expect {
    uint32_t offset, mask, want;
} Expect;

static bool verify(VFIOCXLRegs *regs, const Expect *expect, unsigned nr,
                   Error **errp)
{
    uint64_t val;

    for (unsigned i = 0; i < nr; i++) {
        hwaddr offset = regs->hdm + expect[i].offset;

        if (!regs_read(regs, offset, 4, &val, errp)) {
            return false;
        }
        if ((val & expect[i].mask) != expect[i].want) {
            error_setg(errp, "CXL register 0x%03" HWADDR_PRIx " is 0x%08" PRIx64
                       ", expected 0x%08x in bits 0x%08x", offset, val,
                       expect[i].want, expect[i].mask);
            return false;
        }
    }
    return true;
}

static bool verify_range(VFIOCXLRegs *regs, uint64_t base, uint64_t size,
                         Error **errp)
{
    const Expect expect[] = {
        { HDM(DECODER_GLOBAL_CONTROL), HDM_ENABLE, HDM_ENABLE },
        { HDM(DECODER0_BASE_LO), UINT32_MAX, base },
        { HDM(DECODER0_BASE_HI), UINT32_MAX, base >> 32 },
        { HDM(DECODER0_SIZE_LO), UINT32_MAX, size },
        { HDM(DECODER0_SIZE_HI), UINT32_MAX, size >> 32 },
    };

    return verify(regs, expect, ARRAY_SIZE(expect), errp);
}

static bool verify_locked(VFIOCXLRegs *regs, Error **errp)
{
    const Expect expect = {
        HDM(DECODER0_CTRL), HDM_LOCKED | HDM_CTRL(ERR) | HDM_CTRL(IW),
        HDM_LOCKED
    };

    return verify(regs, &expect, 1, errp);
}

bool vfio_cxl_regs_verify(VFIOCXLRegs *regs, uint64_t base, uint64_t size,
                          Error **errp)
{
    return verify_range(regs, base, size, errp) && verify_locked(regs, errp);
}

bool vfio_cxl_regs_decoder(VFIOCXLRegs *regs, CXLHDMDecoder *d)
{
    static const uint32_t offset[] = {
        HDM(DECODER0_CTRL), HDM(DECODER_GLOBAL_CONTROL),
        HDM(DECODER0_BASE_LO), HDM(DECODER0_BASE_HI),
        HDM(DECODER0_SIZE_LO), HDM(DECODER0_SIZE_HI),
    };
    uint64_t val[ARRAY_SIZE(offset)];

    for (int i = 0; i < ARRAY_SIZE(offset); i++) {
        if (!regs_read(regs, regs->hdm + offset[i], 4, &val[i], NULL)) {
            return false;
        }
    }
    *d = (CXLHDMDecoder) { };
    if (val[1] & HDM_ENABLE) {
        d->ctrl = val[0];
        d->base = val[3] << 32 | val[2];
        d->size = val[5] << 32 | val[4];
    }
    return true;
}

/*
 * Nothing undoes a lock but a reset of the device, so all that can be known
 * before is read back before.
 */
static bool program(VFIOCXLRegs *regs, uint32_t ctrl, uint64_t base,
                    uint64_t size, Error **errp)
{
    const uint32_t idle = ctrl & (HDM_CTRL(TYPE) | HDM_CTRL(BI));
    const hwaddr ctrl_reg = regs->hdm + HDM(DECODER0_CTRL);

    /* If the device was not reset, a guest may have left its own attempt */
    return regs_write(regs, ctrl_reg, 4, idle, errp) &&
           regs_write(regs, regs->hdm + HDM(DECODER0_BASE_LO), 4,
                      (uint32_t)base, errp) &&
           regs_write(regs, regs->hdm + HDM(DECODER0_BASE_HI), 4, base >> 32,
                      errp) &&
           verify_range(regs, base, size, errp) &&
           regs_write(regs, ctrl_reg, 4, idle | HDM_CTRL(COMMIT) |
                      HDM_CTRL(LOCK_ON_COMMIT), errp);
}

/*
 * Range 1 of the Device DVSEC (CXL r4.0 sec 8.1.3.8) tells the address to an OS
 * that does not know decoders. All others do without, so it is no error when
 * the device does not take it.
 */
static void set_range(VFIOCXLRegs *regs, uint64_t base)
{
    VFIODevice *vbasedev = regs->vbasedev;
    const struct {
        uint32_t offset, val;
    } writes[] = {
        { offsetof(CXLDVSECDevice, range1_base_hi), base >> 32 },
        { offsetof(CXLDVSECDevice, range1_base_lo), base },
    };

    for (int i = 0; regs->dvsec && i < ARRAY_SIZE(writes); i++) {
        uint32_t val = cpu_to_le32(writes[i].val);

        vbasedev->io_ops->region_write(vbasedev, VFIO_PCI_CONFIG_REGION_INDEX,
                                       regs->dvsec + writes[i].offset,
                                       sizeof(val), &val, false);
    }
}

bool vfio_cxl_regs_commit(VFIOCXLRegs *regs, uint64_t base, uint64_t size,
                          Error **errp)
{
    const hwaddr global_reg = regs->hdm + HDM(DECODER_GLOBAL_CONTROL);
    const hwaddr ctrl_reg = regs->hdm + HDM(DECODER0_CTRL);
    uint64_t global, ctrl;
    bool locked;

    if (!regs_read(regs, global_reg, 4, &global, errp) ||
        !regs_read(regs, ctrl_reg, 4, &ctrl, errp)) {
        return false;
    }

    /*
     * A locked decoder takes no write. If the device could not be reset, but
     * has the range of the last boot still, that is as good.
     */
    locked = (ctrl & HDM_LOCKED) == HDM_LOCKED;
    trace_vfio_cxl_regs_commit(regs->vbasedev->name, base, size, locked);
    if ((global & HDM_ENABLE ||
         regs_write(regs, global_reg, 4, global | HDM_ENABLE, errp)) &&
        (locked ? verify_range(regs, base, size, errp) :
                  program(regs, ctrl, base, size, errp)) &&
        verify_locked(regs, errp)) {
        set_range(regs, base);
        return true;
    }

    /* Best effort; what went wrong is in @errp */
    regs_write(regs, ctrl_reg, 4,
               ctrl & ~(HDM_CTRL(COMMIT) | HDM_CTRL(LOCK_ON_COMMIT)), NULL);
    return false;
}

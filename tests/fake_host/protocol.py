# SPDX-License-Identifier: GPL-2.0-only
"""Numbers and capabilities of vfio-user, VFIO and the register page."""

import struct

# Commands and flags of vfio-user
VERSION, DMA_MAP, DMA_UNMAP, DEVICE_INFO, REGION_INFO, IO_FDS, IRQ_INFO, SET_IRQS, \
    REGION_READ, REGION_WRITE, DMA_READ, DMA_WRITE, RESET, DIRTY, WRITE_MULTI, FEATURE = range(1, 17)
HEADER = struct.Struct("<HHIII")
REPLY, NO_REPLY, ERROR = 0x1, 0x10, 0x20

# linux/vfio.h and linux/vfio_cxl.h
FLAG_RESET, FLAG_PCI, FLAG_CAPS, FLAG_CXL = 1 << 0, 1 << 1, 1 << 7, 1 << 9
FIRMWARE_COMMITTED = 1 << 0
READ, WRITE, MMAP, CAPS = 1 << 0, 1 << 1, 1 << 2, 1 << 3
CAP_SPARSE_MMAP, CAP_TYPE, CAP_CXL, CAP_COMP_REGS = 1, 2, 6, 6
TYPE_CXL = 1 << 31 | 0x1e98
SUBTYPE_DPA, SUBTYPE_COMP_REGS = 1, 2
FEATURE_GET, FEATURE_SET, FEATURE_CXL_MEM = 1 << 16, 1 << 17, 0x1e98
CXL_MEM = struct.Struct("<IiQ")
DEVICE_INFO_SIZE, REGION_INFO_SIZE = 24, 32
CONFIG, COMP_REGS, DPA, REGIONS = 7, 9, 10, 11
MSIX, ERR_IRQ, REQ_IRQ, IRQS = 2, 3, 4, 5
EVENTFD = 1 << 0

# The register page: an array of capabilities, and the HDM decoders at HDM
MIB = 1 << 20
SIZE = 256 * MIB
PAGE = 0x1000
PAGE_OFFSET = 0x11000           # in BAR 0
HDM = 0x200
GLOBAL, BASE_LO, BASE_HI, SIZE_LO, SIZE_HI, CTRL = (HDM + n for n in
                                                    (0x04, 0x10, 0x14, 0x18, 0x1c, 0x20))
LOCK, COMMIT, COMMITTED, ERR = 1 << 8, 1 << 9, 1 << 10, 1 << 11
ENABLE = 1 << 1


def cap(ident, version, body):
    """A capability; chain() fills in where the next one is."""
    return struct.pack("<HHI", ident, version, 0) + body


def cap_type(subtype, kind=TYPE_CXL):
    return cap(CAP_TYPE, 1, struct.pack("<II", kind, subtype))


def cap_comp_regs(bar=0, hdm=HDM, offset=PAGE_OFFSET, version=1):
    return cap(CAP_COMP_REGS, version, struct.pack("<IIQ", bar, hdm, offset))


def cap_sparse(*areas, count=None):
    body = struct.pack("<II", len(areas) if count is None else count, 0)
    return cap(CAP_SPARSE_MMAP, 1, body + b"".join(struct.pack("<QQ", *area) for area in areas))


def chain(start, caps):
    """Capabilities one after the other, from offset start, each aligned to 8."""
    out = bytearray()
    for number, one in enumerate(caps):
        one = bytearray(one.ljust(-(-len(one) // 8) * 8, b"\0"))
        if number + 1 < len(caps):
            struct.pack_into("<I", one, 4, start + len(out) + len(one))
        out += one
    return out

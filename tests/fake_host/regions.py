# SPDX-License-Identifier: GPL-2.0-only
"""Wrong regions: of the memory and of the register page."""

import os
import struct

import protocol as p
from changes import BOTH, comp, cut, dpa, grow, sparse, where
from fixture import NO_FILE, refused
from machine import WINDOW_SIZE
from protocol import SIZE

MEMORY = "CXL memory region"
REGISTERS = "CXL register region"
for number, text in ((0, "unexpected number of io regions 0"), (7, "unexpected number of io regions 7"),
                     (8, f"{MEMORY} (type 0x80001e98 subtype 1) is missing"),
                     (10, f"{MEMORY} (type 0x80001e98 subtype 1) is missing"),
                     (101, "invalid reply"), (0xffffffff, "invalid reply")):
    refused(f"{number} regions", text, lambda device, number=number: setattr(device, "nr_regions", number))
for region, subtype, what in ((p.DPA, 1, MEMORY), (p.COMP_REGS, 2, REGISTERS)):
    missing = f"{what} (type 0x80001e98 subtype {subtype}) is missing"
    other = p.REGIONS - 1 + p.COMP_REGS - region

    def of(**fields):
        return lambda device, region=region: vars(device.regions[region]).update(fields)

    refused(f"no {what}", missing, lambda device, region=region: device.regions.pop(region), modes=BOTH)
    refused(f"{what} without capabilities", missing, of(caps=[]))
    refused(f"{what} of another type", missing, of(caps=[p.cap_type(subtype, 1 << 31 | 0x8086)]))
    refused(f"{what} of another subtype", missing, of(caps=[p.cap_type(3)]))
    refused(f"{what} with its type cut off", missing,
            of(mangle=cut(p.REGION_INFO_SIZE + 8)))
    refused(f"{what} in a chain that is a loop", missing,
            of(mangle=lambda data: struct.pack_into("<HHI", data, 32, 99, 1, 32)))
    refused(f"{what} in a chain that leads outside", missing,
            of(mangle=lambda data: struct.pack_into("<HHI", data, 32, 99, 1, 0xfffffff8)))
    refused(f"{what} in a chain that starts outside", missing,
            of(mangle=lambda data: struct.pack_into("<I", data, 12, 0x8000)))
    for index in (0, other, 200, 0xffffffff):
        refused(f"{what} that says it has index {index:#x}",
                f"{what} has index {index} of 11", of(index=index))
    refused(f"{what} at a BAR's index", f"{what} has index 5 of 11",
            lambda device, region=region: device.regions.update({5: device.regions.pop(region)}))
    mappable = p.MMAP if what == MEMORY else 0
    refused(f"{what} that cannot be written", f"{what} has flags 0x", of(flags=p.READ | mappable))
    refused(f"{what} that cannot be read", f"{what} has flags 0x", of(flags=p.WRITE | mappable))

# ---- the memory


def read_only(device):
    # Open until the test ends
    device.regions[p.DPA].fd = os.open(f"/proc/self/fd/{device.memfd}", os.O_RDONLY)


refused("memory that cannot be mapped", f"{MEMORY} has flags 0xb, expected at least 0x7",
        dpa(flags=p.READ | p.WRITE), modes=BOTH)
for size in (0, 1, SIZE - 1, SIZE // 2, SIZE + 4096, 3 * SIZE // 2, (1 << 64) - 1):
    refused(f"{size:#x} bytes of memory", f"{MEMORY} has {size:#x} bytes, not a multiple of 256 MiB",
            dpa(size=size), modes=BOTH if not size else ("on",))
for size in (1 << 47, 1 << 63, (1 << 64) - SIZE):
    refused(f"{size:#x} bytes of memory",
            f"cannot map its {size:#x} bytes: Cannot allocate memory", grow(size))
refused("more memory than the window has", "MiB free in the windows of host bridge 'cxl.1'",
        grow(WINDOW_SIZE + SIZE), modes=BOTH)
refused("no file descriptor",
        "cannot map its 0x10000000 bytes: Bad file descriptor", dpa(fd=None), modes=BOTH)
refused("a file descriptor that cannot be mapped",
        "cannot map its 0x10000000 bytes: ", dpa(fd=NO_FILE.fileno()))
refused("a file that is read-only", "cannot map its 0x10000000 bytes: Permission denied", read_only)
refused("an unaligned offset in the file", "cannot map its 0x10000000 bytes: Invalid argument",
        dpa(mangle=lambda data: struct.pack_into("<Q", data, 24, 1)))

WHOLE = f"{MEMORY} cannot be mapped as a whole"
refused("a sparse mmap of the first half", WHOLE, sparse((0, SIZE // 2)), modes=BOTH)
refused("a sparse mmap of the second half", WHOLE, sparse((SIZE // 2, SIZE // 2)))
refused("a sparse mmap of two halves", WHOLE, sparse((0, SIZE // 2), (SIZE // 2, SIZE // 2)))
refused("a sparse mmap of no area", WHOLE, sparse())
refused("a sparse mmap of empty areas", WHOLE, sparse((0, 0), (4096, 0)))
refused("a sparse mmap of areas that overlap", "overlapping sparse mmap regions",
        sparse((0, SIZE), (4096, 4096)))
for area in ((0, SIZE + 4096), (SIZE, 4096), (4096, SIZE), (1 << 47, 4096), ((1 << 64) - 4096, 8192),
             ((1 << 64) - 4096, 4096), (4096, (1 << 64) - 4096)):
    refused(f"a sparse mmap of {area[0]:#x}+{area[1]:#x}", "is beyond its 0x10000000 bytes", sparse(area))
for count in (2, 0x10000000, 0xffffffff):
    refused(f"a sparse mmap with one of {count} areas", "sparse mmap areas exceed its info",
            sparse((0, SIZE), count=count))
refused("a sparse mmap cut off after its header", "sparse mmap areas exceed its info",
        lambda device: (sparse()(device), dpa(mangle=cut(56))(device)))

refused("a sparse mmap of BAR 0 that leaves it", "region 0: sparse mmap area 0x1f000+0x2000 is beyond",
        lambda device: vars(device.regions[0]).update(flags=p.READ | p.WRITE | p.MMAP, fd=device.memfd,
                                                      caps=[p.cap_sparse((0x1f000, 0x2000))]))

# ---- the register page

for size in (0, 0x800, 0xfff, 0x2000, 1 << 63):
    refused(f"a register page of {size:#x} bytes", f"{REGISTERS} has {size:#x} bytes, expected 0x1000",
            comp(size=size))
refused("a register page that does not say where it is", f"{REGISTERS} lacks the CXL capability",
        comp(caps=[p.cap_type(2)]), modes=BOTH)
refused("a register page of version 3", f"{REGISTERS} has version 3 of the CXL capability", where(version=3))
refused("a register page with its place cut off",
        f"{REGISTERS} has less of the CXL capability than its 24 bytes",
        comp(mangle=cut(64)))
for bar in (1, 2, 3, 5, 6, 7, 0xffffffff):
    refused(f"a register page in BAR {bar}", f"{REGISTERS} is in BAR {bar}, which is not a memory BAR",
            where(bar=bar, offset=0), modes=BOTH if bar == 2 else ("on",))
for offset in (1, 0x11800, 0x1f001, 0x1f800, 0x20000, 1 << 32, (1 << 64) - 0x1000):
    refused(f"a register page at {offset:#x}",
            f"{REGISTERS} is at {offset:#x}, unaligned or beyond", where(offset=offset))
for hdm in (0, 0x204, 0x100, 0xffffffff):
    refused(f"HDM decoders said to be at {hdm:#x}",
            f"at 0x200 in the CXL capability array, but at 0x{hdm:03x} in the region info", where(hdm=hdm))

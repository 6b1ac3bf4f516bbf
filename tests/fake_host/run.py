#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""What QEMU does when the kernel lies about a CXL device. TAP on stdout.

    run.py QEMU [WORD...]       only the cases whose name contains a WORD

server.py plays device and kernel, over vfio-user, to the passthrough code that
vfio-pci uses too. A good device must work. One that gives a wrong answer must
be refused, with one error that names what is wrong; or, where that shows only
when the machine is reset, must stay uncommitted, with nothing in the window.
Never may QEMU crash, leak, hang, or have a sanitizer complain. A case that takes
more than LIMIT seconds has failed.
"""

import errno
import os
import random
import re
import struct
import subprocess
import sys
import time
import traceback

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import gate
import guest
import pool
import server as s
from fixture import CASES, NO_FILE, Fixture, Failed, case, check, plain, refused, uncommitted, REFUSED
from machine import EP_BUS, PMCSR, WINDOW_SIZE
from server import SIZE, Device, Fault, Vanish
from tap import Writer

JOBS = int(os.environ.get("JOBS", "2"))
ROUNDS = int(os.environ.get("ROUNDS", "200"))
SEED = int(os.environ.get("SEED", "1"))
CASES_OF = (gate, guest)        # importing them has registered theirs
LIMIT = float(os.environ.get("LIMIT", "180"))

if len(sys.argv) < 2:
    sys.exit(__doc__)

# ---------------------------------------------------------------- good devices


def works(directory, change=lambda device: None, window=WINDOW_SIZE, warning=None, **more):
    fixture = Fixture(directory)
    try:
        change(fixture.device)
        machine = fixture.start(window=window, **more)
        machine.up()
        fixture.works(machine.window())
        for _ in range(2):
            resets = fixture.device.resets
            machine.system_reset()
            check(fixture.device.resets > resets, "the device was not reset")
            fixture.works(machine.window())
        said = machine.errors()
        check(len(said) == (warning is not None) and (not warning or warning in said[0]), machine.said())
        fixture.good_end()
    finally:
        fixture.close()


def good(name, change=lambda device: None, **more):
    case(f"works: {name}")(lambda directory: works(directory, change, **more))


def dpa(**fields):
    """A change of what is said about the memory"""
    return lambda device: vars(device.regions[s.DPA]).update(fields)


def comp(**fields):
    return lambda device: vars(device.regions[s.COMP_REGS]).update(fields)


def sparse(*areas, **more):
    return lambda device: device.regions[s.DPA].caps.append(s.cap_sparse(*areas, **more))


def where(**fields):
    """A change of where the page is said to be"""
    def change(device):
        device.regions[s.COMP_REGS].caps[1] = s.cap_comp_regs(**fields)
    return change


def page(offset, value):
    """A register that has another value whenever the page is fresh"""
    def change(device):
        device.changed = lambda: device.put(offset, value)
        device.changed()
    return change


def grow(size):
    """All agree on more memory; the file has it only where it is small enough to be made."""
    def change(device):
        if size <= 8 << 30:
            os.ftruncate(device.memfd, size)
        device.size = device.regions[s.DPA].size = size
        device.reset()
    return change


def many_regions(device):
    device.nr_regions = 60
    device.page_index = 59
    device.regions[59] = device.regions.pop(s.COMP_REGS)
    device.regions[20] = device.regions.pop(s.DPA)


def many_caps(device):
    other = s.cap(99, 7, bytes(12))
    device.caps = [other, *device.caps, other]
    for index in (s.COMP_REGS, s.DPA):
        region = device.regions[index]
        region.caps = [region.caps[0], *region.caps[1:], other, other]


def keeps_decoder(device):
    """Its reset is without effect"""
    def reset():
        device.config[4:6] = b"\0\0"
    device.reset = reset


good("a device as vfio-cxl-pci offers it")
good("the same, cxl=auto", cxl="auto")
good("1 GiB of memory, in a window that it fills", grow(4 * SIZE), window=4 * SIZE)
good("page in another BAR", where(bar=4, offset=0))
good("page at the end of its BAR", where(offset=0x1f000))
good("a sparse mmap of one area, the whole", sparse((0, SIZE)))
good("a sparse mmap with empty areas beside it", sparse((SIZE, 0), (0, SIZE), (0, 0)))
good("other capabilities in all chains", many_caps)
good("60 regions", many_regions)
good("MSI-X", Device.add_msix)
good("ten decoders", page(s.HDM, 5))
good("a reset that keeps the decoder", keeps_decoder)


def unplug(directory, change):
    fixture = Fixture(directory)
    try:
        change(fixture.device)
        machine = fixture.start()
        machine.up()
        window = machine.window()
        fixture.works(window)
        machine.qmp("device_del", id="acc0")
        machine.power_slot(False)
        machine.qmp.wait_event("DEVICE_DELETED")
        fixture.absent(window, (window, SIZE))
        for base in (window, window + 3 * SIZE, None):
            fixture.device.reset()
            if base != window:          # the bridge keeps what it had until then
                machine.system_reset()
                fixture.absent(window)
            asked = {} if base is None else {"cxl-fmws-base": base}
            machine.qmp("device_add", **fixture.properties(**asked))
            machine.power_slot(True)
            fixture.works(base or window)
            machine.system_reset()
            fixture.works(base or window)
            machine.qmp("device_del", id="acc0")
            machine.power_slot(False)
            machine.qmp.wait_event("DEVICE_DELETED")
            fixture.absent(base or window, (base or window, SIZE))
        check(not machine.errors(), machine.said())
        fixture.good_end()
    finally:
        fixture.close()


case("works: unplug, and plug again, at an address asked for")(
    lambda directory: unplug(directory, lambda device: None))
case("works: the same with MSI-X")(lambda directory: unplug(directory, Device.add_msix))


@case("works: memory is there only with Memory Space on and in D0")
def terms(directory):
    fixture = Fixture(directory)
    try:
        machine = fixture.start()
        machine.up()
        base = machine.window()
        fixture.works(base)
        for off, on in ((lambda: machine.memory(False), machine.memory),
                        (lambda: machine.config(EP_BUS, PMCSR, 3, "w"),
                         lambda: machine.config(EP_BUS, PMCSR, 0, "w"))):
            token = os.urandom(8)
            machine.write(base, token)
            off()
            machine.write(base, bytes(8))
            check(machine.read(base, 8) != token, "it is in the window still")
            check(os.pread(fixture.device.memfd, 8, 0) == token, "it was written")
            on()
            check(machine.read(base, 8) == token, "it is not back in the window")
        fixture.good_end()
    finally:
        fixture.close()


# ---------------------------------------------------------------- device info

def info(position, fmt, *values, cut=None):
    """Overwrite a part of the device info, then cut it off at a length"""
    def change(device):
        def mangle(data):
            struct.pack_into("<" + fmt, data, position, *values)
            if cut is not None:
                del data[cut:]
                struct.pack_into("<I", data, 0, cut)
        device.mangle = mangle
    return change


def ever_more(device):
    """Asks for a larger buffer each time"""
    sizes = iter(range(4096, 1 << 30, 65536))
    device.mangle = lambda data: struct.pack_into("<I", data, 0, next(sizes))


def fails_later(command, count, fault):
    """The command is answered with a fault when it comes for that time"""
    def change(device):
        seen = iter(range(1 << 30))

        def hook(this):
            if this == command and next(seen) >= count:
                raise fault
        device.on_command = hook
    return change


def answers(command, function, count=0):
    """Another answer to the command, when it comes for that time"""
    def change(device):
        seen = iter(range(1 << 30))

        def hook(this, data):
            return function(data) if this == command and next(seen) >= count else data
        device.on_answer = hook
    return change


CXL_CAP = s.DEVICE_INFO_SIZE


def other_interface(device):
    """Neither flag nor capability, and regions of the same types"""
    device.flags = s.FLAG_RESET | s.FLAG_PCI


def pci(device):
    """As vfio-pci offers it"""
    other_interface(device)
    device.nr_regions = 9


def pci_without_memory(device):
    pci(device)
    device.config[0x10a] &= ~4


plain("no CXL flag", "the device is not offered as a CXL device", pci)
plain("no CXL flag, and no CXL memory", None, pci_without_memory)
plain("the kernel's own interface", "the host offers its CXL memory by the interface of vfio-pci",
      other_interface)
plain("not committed by firmware", "firmware did not commit the device's HDM decoder",
      info(CXL_CAP + 8, "I", 0))
plain("not below a CXL port", "the device is not below a cxl-rp or cxl-downstream port",
      lambda device: None, bus="pcie.0")
refused("no CXL flag", "cxl=on, but the device is not offered as a CXL device", pci)
refused("the kernel's own interface", "bind the device to vfio-cxl-pci", other_interface)
refused("not committed by firmware", "cxl=on, but firmware did not commit the device's HDM decoder",
        info(CXL_CAP + 8, "I", 0))
refused("not below a CXL port", "cxl=on, but the device is not below a cxl-rp or cxl-downstream port",
        lambda device: None, bus="pcie.0")

BOTH = ("on", "auto")
LACKS = "device info lacks the CXL capability"
refused("no capabilities", LACKS, lambda device: device.caps.clear(), modes=BOTH)
refused("no CXL capability", LACKS, info(CXL_CAP, "H", 7), modes=BOTH)
refused("capabilities, but no flag for them", LACKS,
        lambda device: info(4, "I", device.flags)(device), modes=BOTH)
refused("CXL capability of version 2", "version 2 of the CXL capability, expected 1",
        info(CXL_CAP + 2, "H", 2), modes=BOTH)
refused("CXL capability of version 0", "version 0 of the CXL capability, expected 1",
        info(CXL_CAP + 2, "H", 0))
refused("CXL capability cut off after its header", "less of the CXL capability than its 16 bytes",
        info(0, "I", 0, cut=CXL_CAP + 8), modes=BOTH)
refused("CXL capability cut off in its header", LACKS, info(0, "I", 0, cut=CXL_CAP + 4))
refused("info of 16 bytes", LACKS, info(0, "I", 0, cut=16))
refused("info that says it has no bytes", LACKS, info(0, "I", 0))
refused("a capability that is its own next", LACKS, info(CXL_CAP, "HHI", 99, 1, CXL_CAP))
refused("a chain that leads back", LACKS,
        lambda device: (setattr(device, "caps", [s.cap(98, 1, bytes(8)), s.cap(99, 1, bytes(8))]),
                        info(CXL_CAP + 16 + 4, "I", CXL_CAP)(device)), modes=BOTH)
refused("a chain that leads into the info", LACKS, info(CXL_CAP, "HHI", 99, 1, 4))
for at in (CXL_CAP + 16, 0x1000, 0x7fffffff, 0xfffffff8, 0xffffffff):
    refused(f"a chain that starts at {at:#x}", LACKS, info(16, "I", at))
    refused(f"a chain that leads to {at:#x}", LACKS, info(CXL_CAP, "HHI", 99, 1, at))
refused("a capability at an odd address", LACKS,
        lambda device: (device.caps.append(s.cap(99, 1, bytes(24))),
                        info(16, "I4xIHHIII", CXL_CAP + 17, 0, 6, 1, 0, 1, 0)(device)))
refused("a CXL capability at a multiple of 4", "the CXL capability at 0x1c, unaligned",
        lambda device: (device.caps.append(s.cap(99, 1, bytes(8))),
                        info(16, "I4xIHHIII", CXL_CAP + 4, 0, 6, 1, 0, 1, 0)(device)))
refused("info that needs 4 GiB", "cannot get device info: Argument list too long",
        info(0, "I", 0xffffffff), modes=BOTH)
refused("info that needs ever more", "cannot get device info: Argument list too long", ever_more)
refused("info that is longer than asked for", "cannot get device info: Invalid argument",
        answers(s.DEVICE_INFO, lambda data: data + bytes(64), 1), lines=None)
refused("info without content", LACKS, answers(s.DEVICE_INFO, lambda data: b"", 1))
refused("info of 4 bytes", LACKS, answers(s.DEVICE_INFO, lambda data: data[:4], 1))
refused("no info", "VFIO_USER_DEVICE_GET_INFO failed", fails_later(s.DEVICE_INFO, 0, Fault(errno.EIO)))
refused("no info with capabilities", "cannot get device info: Input/output error",
        fails_later(s.DEVICE_INFO, 1, Fault(errno.EIO)), modes=BOTH)
refused("no place for the page, with MSI-X", "CXL register region lacks the CXL capability",
        lambda device: (device.add_msix(), comp(caps=[s.cap_type(2)])(device)))
refused("no PCI device", "this isn't a PCI device",
        lambda device: setattr(device, "flags", s.FLAG_CXL))

# ---------------------------------------------------------------- config space


def capability_to_itself(device):
    at = device.config[0x34]
    device.config[at + 1] = at


def last_capability_to_first(device):
    at = device.config[0x34]
    while device.config[at + 1]:
        at = device.config[at + 1]
    device.config[at + 1] = device.config[0x34]


def extended_capability_to(target):
    def change(device):
        header, = struct.unpack_from("<I", device.config, 0x100)
        struct.pack_into("<I", device.config, 0x100, header & 0xfffff | target << 20)
    return change


def all_ones(device):
    device.config[:] = b"\xff" * len(device.config)


def config(offset, fmt, value, msix=False):
    def change(device):
        if msix:
            device.add_msix()
        struct.pack_into("<" + fmt, device.config, offset, value)
    return change


def bar_size(size):
    return lambda device: vars(device.regions[4]).update(size=size)


MSIX_CAP = 0x8c
for kind in (1, 2, 0x7f):
    refused(f"header type {kind}", f"config space has header type {kind}, expected 0",
            config(0x0e, "B", kind))
for pin in (5, 0x80, 0xff):
    refused(f"interrupt pin {pin}", f"config space has interrupt pin {pin}, expected at most 4",
            config(0x3d, "B", pin))
for size in (1, 0x30, 0x1800, (1 << 63) + 1, (1 << 64) - 1):
    if size & size - 1:
        refused(f"a BAR of {size:#x} bytes", f"BAR 4 has {size:#x} bytes, not a power of two", bar_size(size))
for bir in (6, 7):
    refused(f"MSI-X table in BAR {bir}", f"invalid MSI-X BIR, table_bar={bir} pba_bar=4",
            config(MSIX_CAP + 4, "I", bir, msix=True))
    refused(f"MSI-X PBA in BAR {bir}", f"invalid MSI-X BIR, table_bar=4 pba_bar={bir}",
            config(MSIX_CAP + 8, "I", bir, msix=True))
refused("MSI-X PBA beyond its BAR", "MSIX PBA outside of specified BAR",
        config(MSIX_CAP + 8, "I", 0x2004, msix=True))
good("a ROM BAR of a size that cannot be", config(0x30, "I", 0xffffff00 << 16 & 0xffffffff | 0x800),
     warning="not a power of two: no option ROM")

for how, which, problem in (
        ("a capability that leads to itself", capability_to_itself, "capability list has no end"),
        ("the last capability leads to the first", last_capability_to_first,
         "capability list has no end"),
        ("an extended capability that leads to itself", extended_capability_to(0x100),
         "extended capability list has no end"),
        ("an extended capability at the end of config space", extended_capability_to(0xffc),
         "extended capability at 0xffc is outside"),
        ("an extended capability in the first 256 bytes", extended_capability_to(0x40),
         "extended capability at 0x40 is outside"),
        ("config space that is all ones", all_ones, "config space reads all ones")):
    refused(how, problem, which, modes=("on", "auto"))

# ---------------------------------------------------------------- interrupts


def irq(index, position, *values):
    """Overwrite 32-bit words of the IRQ info, which are argsz, flags, index and count"""
    def change(device):
        def mangle(this, data):
            if this == index:
                struct.pack_into(f"<{len(values)}I", data, 4 * position, *values)
        device.mangle_irq = mangle
    return change


def no_irq(index, code):
    def change(device):
        def mangle(this, _data):
            if this == index:
                raise Vanish if code is None else Fault(code)
        device.mangle_irq = mangle
    return change


def short_irq(index, length):
    def change(device):
        def mangle(this, data):
            if this == index:
                del data[length:]
        device.mangle_irq = mangle
    return change


def with_msix(change):
    return lambda device: (device.add_msix(), change(device))


ARGSZ, FLAGS, INDEX, COUNT = range(4)
for number, text in ((0, "unexpected number of irqs 0"), (2, "unexpected number of irqs 2"),
                     (51, "invalid reply"), (0xffffffff, "invalid reply")):
    refused(f"{number} kinds of interrupts", text,
            lambda device, number=number: setattr(device, "nr_irqs", number))
for code in (errno.EINVAL, errno.EIO):
    refused(f"no info of MSI-X: {os.strerror(code)}",
            f"failed to get MSI-X irq info: {os.strerror(code)}", with_msix(no_irq(s.MSIX, code)),
            modes=BOTH if code == errno.EIO else ("on",))
refused("the server ends at the info of MSI-X", "vfio vfio-user:", lines=None,
        change=with_msix(no_irq(s.MSIX, None)), **{"x-msg-timeout": 500})
# The device works without one of these, and the user is told of the first.
NO_RECOVERY = "Could not enable error recovery for the device"
for index, what in ((s.MSIX, "MSI-X"), (s.ERR_IRQ, "errors"), (s.REQ_IRQ, "requests")):
    for field, word in ((COUNT, 0), (COUNT, 2), (COUNT, 0x7fffffff), (COUNT, 0xffffffff),
                        (INDEX, 0), (INDEX, 0xffffffff), (FLAGS, 0), (FLAGS, 0xffffffff),
                        (ARGSZ, 0), (ARGSZ, 8), (ARGSZ, 0xffffffff)):
        good(f"IRQ info of {what} with {('argsz', 'flags', 'index', 'count')[field]} {word:#x}",
             with_msix(irq(index, field, word)),
             warning=NO_RECOVERY if index == s.ERR_IRQ and field == COUNT else None)
    good(f"IRQ info of {what} that is all ones", with_msix(irq(index, ARGSZ, *[0xffffffff] * 4)),
         warning=NO_RECOVERY if index == s.ERR_IRQ else None)
for index, what in ((s.ERR_IRQ, "errors"), (s.REQ_IRQ, "requests")):
    for code in (0, errno.EINVAL, errno.EIO, 0xffffffff):
        good(f"IRQ info of {what} is answered with error {code:#x}", with_msix(no_irq(index, code)),
             warning=NO_RECOVERY if index == s.ERR_IRQ and not code else None)
    for length in (0, 8, 12):
        good(f"IRQ info of {what} of {length} bytes", with_msix(short_irq(index, length)),
             warning=NO_RECOVERY if index == s.ERR_IRQ else None)

# ---------------------------------------------------------------- regions


def cut(length):
    """Info of that length, and which says so"""
    def mangle(data):
        del data[length:]
        struct.pack_into("<I", data, 0, length)
    return mangle


MEMORY = "CXL memory region"
REGISTERS = "CXL register region"
for number, text in ((0, "unexpected number of io regions 0"), (7, "unexpected number of io regions 7"),
                     (8, f"{MEMORY} (type 0x80001e98 subtype 1) is missing"),
                     (10, f"{MEMORY} (type 0x80001e98 subtype 1) is missing"),
                     (101, "invalid reply"), (0xffffffff, "invalid reply")):
    refused(f"{number} regions", text, lambda device, number=number: setattr(device, "nr_regions", number))
for region, subtype, what in ((s.DPA, 1, MEMORY), (s.COMP_REGS, 2, REGISTERS)):
    missing = f"{what} (type 0x80001e98 subtype {subtype}) is missing"
    other = s.REGIONS - 1 + s.COMP_REGS - region

    def of(**fields):
        return lambda device, region=region: vars(device.regions[region]).update(fields)

    refused(f"no {what}", missing, lambda device, region=region: device.regions.pop(region), modes=BOTH)
    refused(f"{what} without capabilities", missing, of(caps=[]))
    refused(f"{what} of another type", missing, of(caps=[s.cap_type(subtype, 1 << 31 | 0x8086)]))
    refused(f"{what} of another subtype", missing, of(caps=[s.cap_type(3)]))
    refused(f"{what} with its type cut off", missing,
            of(mangle=cut(s.REGION_INFO_SIZE + 8)))
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
    # Memory that can be mapped need not be readable by file.
    mappable = s.MMAP if what != MEMORY else 0
    refused(f"{what} that cannot be written", f"{what} has flags 0x", of(flags=s.READ | mappable))
    refused(f"{what} that cannot be read", f"{what} has flags 0x", of(flags=s.WRITE | mappable))

# ---- the memory


def read_only(device):
    # Open until the test ends
    device.regions[s.DPA].fd = os.open(f"/proc/self/fd/{device.memfd}", os.O_RDONLY)


refused("memory that cannot be mapped", f"{MEMORY} has flags 0xb, expected at least 0x4",
        dpa(flags=s.READ | s.WRITE), modes=BOTH)
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
        lambda device: vars(device.regions[0]).update(flags=s.READ | s.WRITE | s.MMAP, fd=device.memfd,
                                                      caps=[s.cap_sparse((0x1f000, 0x2000))]))

# ---- the register page

for size in (0, 0x800, 0xfff, 0x2000, 1 << 63):
    refused(f"a register page of {size:#x} bytes", f"{REGISTERS} has {size:#x} bytes, expected 0x1000",
            comp(size=size))
refused("a register page that does not say where it is", f"{REGISTERS} lacks the CXL capability",
        comp(caps=[s.cap_type(2)]), modes=BOTH)
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

# ---------------------------------------------------------------- the page itself


def array(*ids):
    def change(device):
        device.array = [1, *ids]
        device.reset()
    return change


def moved(pointer, count=0):
    """Page and region info agree that the decoders are somewhere strange"""
    def change(device):
        def fresh():
            device.put(8, 5 | 1 << 16 | pointer << 20)
            if pointer % 4 == 0 and pointer >= 12 and pointer < s.PAGE:
                device.put(pointer, count)
        device.changed = fresh
        device.changed()
        where(hdm=pointer)(device)
    return change


for value in (0, 0x00010002, 0xffffffff):
    refused(f"a page that starts with {value:#x}",
            f"CXL register page starts with 0x{value:08x}", page(0, value),
            modes=BOTH if not value else ("on",))
for ids in ((), (2,), (2, 4, 6), (3,) * 127, (0,) * 120):
    refused(f"{len(ids)} capabilities without HDM decoders",
            f"none of {len(ids)} CXL capabilities is an HDM decoder capability", array(*ids))
for pointer in (0, 4, 8, 0x202, 0x201, 0xfd4, 0xffc, 0xfff):
    refused(f"HDM decoders at {pointer:#x}", f"HDM decoders cannot be at 0x{pointer:03x}", moved(pointer))
for enc, count in ((6, 12), (7, 14), (9, 20), (12, 32), (13, 0), (15, 0)):
    refused(f"decoder count of {enc}", f"a device cannot have {count} decoders at 0x200", page(s.HDM, enc))
refused("ten decoders, the last outside the page",
        "a device cannot have 10 decoders at 0xebc", moved(0xebc, 5))
for register, value, seen in ((s.SIZE_LO, 2 * SIZE, 2 * SIZE), (s.SIZE_LO, 0, 0),
                              (s.SIZE_HI, 1, SIZE + (1 << 32)), (s.SIZE_LO, SIZE + 1, SIZE + 1)):
    refused(f"decoder 0 of {seen:#x} bytes", f"HDM decoder 0 has {seen:#x} bytes, expected 0x10000000",
            page(register, value))

# ---------------------------------------------------------------- failing accesses

REALIZE_READS = (0, 4, 8, s.HDM, s.SIZE_LO, s.SIZE_HI)
COMMIT_READS = (s.GLOBAL, s.CTRL, s.GLOBAL, s.BASE_LO, s.BASE_HI, s.SIZE_LO, s.SIZE_HI, s.CTRL)
COMMIT_WRITES = (s.GLOBAL, s.CTRL, s.BASE_LO, s.BASE_HI, s.CTRL)


def bad_read(number, what):
    def change(device):
        def on_read(this, _offset, data):
            if this != number:
                return data
            if isinstance(what, Exception):
                raise what
            return what(data)
        device.on_read = on_read
    return change


def bad_write(number, what, done=False):
    def change(device):
        def on_write(this, offset, data):
            if this == number and done:
                device.write_page(offset, data)
            if this == number:
                raise what
            return True
        device.on_write = on_write
    return change


READ_FAULTS = (("fails", Fault(errno.EIO), 1), ("is short", lambda data: data[:2], 1),
               ("is empty", lambda data: b"", 1), ("is too long", lambda data: data * 2, None),
               ("ends the server", Vanish(), None))
for number, offset in enumerate(REALIZE_READS + COMMIT_READS):
    for how, what, lines in READ_FAULTS:
        name = f"read {number}, of 0x{offset:03x}, {how}"
        text = f"cannot read CXL register 0x{offset:03x}: "
        if number < len(REALIZE_READS):
            refused(name, text, bad_read(number, what), lines=lines)
        else:
            # Once it is locked, nothing but a reset undoes it
            uncommitted(name, text, bad_read(number, what), lines=lines,
                        locked=number == len(REALIZE_READS + COMMIT_READS) - 1 or lines is None)
for number, offset in enumerate(COMMIT_WRITES):
    last = number == len(COMMIT_WRITES) - 1
    for how, what, done, lines in (("fails", Fault(errno.EIO), False, 1),
                                   ("fails, but is done", Fault(errno.EIO), True, 1),
                                   ("ends the server", Vanish(), False, None)):
        uncommitted(f"write {number}, of 0x{offset:03x}, {how}", f" to CXL register 0x{offset:03x}: ",
                    bad_write(number, what, done), lines=lines, locked=last and done)
refused("reads answered without content", "CXL register page starts with 0x00000000",
        answers(s.REGION_READ, lambda data: b"" if data[8:12] == struct.pack("<I", s.COMP_REGS) else data))
refused("reads that say they are longer", "cannot read CXL register 0x000: ",
        answers(s.REGION_READ, lambda data: data[:12] + b"\xff" * 4 + data[16:]
                if data[8:12] == struct.pack("<I", s.COMP_REGS) else data))
refused("a read that is never answered", "cannot read CXL register 0x200: ",
        bad_read(3, lambda data: time.sleep(1) or data), lines=None, **{"x-msg-timeout": 500})
for command, name in ((s.VERSION, "VERSION"), (s.DEVICE_INFO, "DEVICE_GET_INFO"),
                      (s.REGION_INFO, "DEVICE_GET_REGION_INFO")):
    for count in range({s.VERSION: 1, s.DEVICE_INFO: 2, s.REGION_INFO: 11}[command]):
        refused(f"the server ends at {name} number {count}", "vfio vfio-user:", lines=None,
                change=fails_later(command, count, Vanish()), **{"x-msg-timeout": 500})

# ---------------------------------------------------------------- commits that are not


def control(function):
    """What becomes of a COMMIT, as a function of the value written"""
    def change(device):
        def on_write(_number, offset, data):
            value = struct.unpack("<I", data)[0]
            if offset != s.CTRL or not value & s.COMMIT:
                return True
            device.put(s.CTRL, function(value))
            return False
        device.on_write = on_write
    return change


def dropped(register):
    def change(device):
        device.on_write = lambda number, offset, data: offset != register
    return change


def turned(register, value):
    """The register takes another value with each write of it"""
    def change(device):
        def on_write(_number, offset, _data):
            if offset == register:
                device.put(register, value)
            return offset != register
        device.on_write = on_write
    return change


def committed_elsewhere(ctrl):
    """A reset leaves decoder 0 committed to another address"""
    def change(device):
        def changed():
            device.put(s.GLOBAL, s.ENABLE)
            device.put(s.BASE_LO, 0x70000000)
            device.put(s.CTRL, ctrl)
        device.changed = changed
        device.changed()
    return change


uncommitted("COMMITTED is not set", "CXL register 0x220 is 0x00000300", control(lambda value: value))
uncommitted("COMMITTED is not set, and ERR is", "CXL register 0x220 is 0x00000b00",
            control(lambda value: value | s.ERR))
uncommitted("both COMMITTED and ERR are set", "CXL register 0x220 is 0x00000f00",
            control(lambda value: value | s.ERR | s.COMMITTED), locked=True)
uncommitted("LOCK is not taken", "CXL register 0x220 is 0x00000600",
            control(lambda value: value & ~s.LOCK | s.COMMITTED))
uncommitted("COMMIT is ignored", "CXL register 0x220 is 0x00000000", control(lambda value: 0))
uncommitted("COMMIT turns interleave on", "CXL register 0x220 is 0x00000710",
            control(lambda value: value | s.COMMITTED | 0x10), locked=True)
uncommitted("control reads all ones", "is 0xffffffff", control(lambda value: 0xffffffff), locked=True)
uncommitted("decoders are not enabled", "CXL register 0x204 is 0x00000000", dropped(s.GLOBAL))
uncommitted("the high half of BASE is ignored", "CXL register 0x214 is 0x00000000", dropped(s.BASE_HI))
uncommitted("BASE has another value", "CXL register 0x210 is 0x70000000", turned(s.BASE_LO, 0x70000000))
uncommitted("SIZE changes with BASE", "CXL register 0x218 is 0x10000001",
            lambda device: setattr(device, "on_write", lambda number, offset, data: (
                device.put(s.SIZE_LO, SIZE + 1) if offset == s.BASE_LO else None) or True))
uncommitted("locked to another address", "CXL register 0x210 is 0x70000000",
            committed_elsewhere(s.LOCK | s.COMMIT | s.COMMITTED), locked=True)
good("committed to another address, but not locked", committed_elsewhere(s.COMMIT | s.COMMITTED))


# ---------------------------------------------------------------- later

def later(name, text, change, locked=False, lines=1):
    """A good device turns bad, and then there is a system reset"""

    @case(f"turns bad: {name}")
    def turn(directory):
        fixture = Fixture(directory)
        try:
            machine = fixture.start(**{"x-msg-timeout": 500})
            machine.up()
            base = machine.window()
            fixture.works(base)
            change(fixture.device)
            machine.system_reset()
            check(text in machine.said(), f"no '{text}' in:\n{machine.said()}")
            check(len(machine.errors()) == lines or lines is None,
                  f"{len(machine.errors())} lines of errors:\n{machine.said()}")
            fixture.uncommitted(locked or lines is None)
            fixture.good_end()
        finally:
            fixture.close()


def raises(fault, name="on_command"):
    def hook(*_):
        raise fault
    return lambda device: setattr(device, name, hook)


later("the reset leaves it committed elsewhere", "CXL register 0x210 is 0x70000000, expected ",
      committed_elsewhere(s.LOCK | s.COMMIT | s.COMMITTED), locked=True)
later("LOCK is not taken any more", "CXL register 0x220 is 0x00000600",
      control(lambda value: value & ~s.LOCK | s.COMMITTED))
later("SIZE changes", "CXL register 0x218 is 0x20000000", page(s.SIZE_LO, 2 * SIZE))
later("registers cannot be read", "cannot read CXL register 0x204: Input/output error",
      raises(Fault(errno.EIO), "on_read"))
later("registers cannot be written", "to CXL register 0x204: Input/output error",
      raises(Fault(errno.EIO), "on_write"))
later("the server ends", "cannot read CXL register 0x204: ", raises(Vanish()), lines=None)


# ---------------------------------------------------------------- by hotplug

@case("hotplug: each device that is refused, one after the other, then a good one")
def hotplug(directory):
    fixture = Fixture(directory)
    try:
        machine = fixture.start(cold=False)
        machine.up()
        window = machine.window()
        for name, text, change, more in REFUSED:
            if more.get("bus") == "pcie.0":
                continue            # takes no hotplug
            device = Device()
            change(device)
            fixture.server.serve(device)
            reply = machine.qmp.ask("device_add", **fixture.properties(**more))
            said = reply.get("error", {}).get("desc", "no error")
            check(text in said, f"{name}: no '{text}' in: {said}")
            check(not device.decoder()[2] & s.COMMIT, f"{name}: decoder 0 is left committed")
            device.close()
        fixture.server.serve(fixture.device)
        machine.qmp("device_add", **fixture.properties())
        machine.power_slot(True)
        fixture.works(window)
        fixture.good_end()
    finally:
        fixture.close()


@case(f"hotplug: {ROUNDS} devices with random bytes (SEED={SEED}), then a good one")
def random_bytes(directory):
    """Whatever the answers: plugged or refused, and nothing worse"""
    rng = random.Random(SEED)
    fixture = Fixture(directory)

    def spoil(data, end=None):
        for _ in range(rng.choice((1, 1, 2, 8))):
            data[rng.randrange(end or len(data))] = rng.choice((0, 1, 8, 0x7f, 0xff, rng.randrange(256)))

    try:
        machine = fixture.start(cold=False)
        machine.up()
        for _ in range(ROUNDS):
            device = Device()
            victim = rng.randrange(6)
            if victim == 0:
                device.mangle = spoil
            elif victim == 4:
                device.add_msix()
                device.mangle_irq = lambda index, info: spoil(info)
            elif victim == 5:
                device.add_msix()
                spoil(device.config, rng.choice((0x40, 0x100, 0x160)))
            elif victim == 1:
                device.regions[s.COMP_REGS].mangle = spoil
            elif victim == 2:
                device.regions[s.DPA].mangle = spoil
            else:
                device.changed = lambda device=device: spoil(device.page, s.HDM + 0x30)
                device.changed()
            fixture.server.serve(device)
            if "return" in machine.qmp.ask("device_add", **fixture.properties()):
                machine.qmp("device_del", id="acc0")
                machine.qmp.wait_event("DEVICE_DELETED")
            device.close()
        fixture.server.serve(fixture.device)
        machine.qmp("device_add", **fixture.properties())
        machine.power_slot(True)
        fixture.works(machine.window())
        fixture.good_end()
    finally:
        fixture.close()


# ---------------------------------------------------------------- run them

def explain(function, directory):
    """Run it: what is wrong, or None"""
    try:
        function(directory)
    except Failed as failed:
        return str(failed)
    except Exception:
        why = traceback.format_exc(limit=-3)
        path = os.path.join(directory, "stderr")
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                why += "QEMU said:\n" + file.read()
        return why
    return None


def runs_on():
    """The limit itself: of three cases the second hangs, with a process of its own."""
    def run(number, directory):
        if number != 1:
            return None
        child = subprocess.Popen(["sleep", "600"])
        with open(os.path.join(directory, "stderr"), "w", encoding="utf-8") as file:
            file.write(f"child {child.pid}\n")
        child.wait()
        return "it came back"

    results = sorted(pool.run_all(run, 3, 1, 1))
    whys = [why or "" for _, why, _ in results]
    child = re.search(r"^child (\d+)$", whys[1], re.MULTILINE)
    check(len(results) == 3 and not whys[0] and not whys[2], f"the others: {results}")
    check("no end in 1 s" in whys[1] and " in run\n" in whys[1] and child,
          f"no word of where it hung in:\n{whys[1]}")
    for _ in range(50):             # until init, or who stands in for it, has seen to it
        try:
            with open(f"/proc/{child[1]}/stat", encoding="ascii") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except FileNotFoundError:
            return
        time.sleep(0.1)
    raise Failed(f"process {child[1]} of the case was left")


def main():
    words = sys.argv[2:]
    cases = [(name, function) for name, function in CASES
             if not words or any(word in name for word in words)]
    tap = Writer(len(cases) + 1)

    def tell(name, why, took):
        tap.result(not why, f"{name} ({took:.1f} s)", "\n".join((why or "").splitlines()[:60]))

    began = time.monotonic()
    why = explain(lambda _: runs_on(), "")
    tell("a case that hangs is killed and named, and the next one runs", why, time.monotonic() - began)
    results, told = {}, 0
    for number, why, took in pool.run_all(lambda n, directory: explain(cases[n][1], directory),
                                          len(cases), JOBS, LIMIT):
        results[number] = why, took
        while told in results:
            tell(cases[told][0], *results.pop(told))
            told += 1
    sys.exit(tap.done())


if __name__ == "__main__":
    main()

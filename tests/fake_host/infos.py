# SPDX-License-Identifier: GPL-2.0-only
"""Wrong device info, config space and IRQ info."""

import errno
import os
import struct

import protocol as p
from accelerator import Fault, Vanish
from changes import BOTH, CXL_CAP, answers, comp, fails_later, info
from fixture import plain, refused
from working import good

# ---------------------------------------------------------------- device info


def ever_more(device):
    """Asks for a larger buffer each time"""
    sizes = iter(range(4096, 1 << 30, 65536))
    device.mangle = lambda data: struct.pack_into("<I", data, 0, next(sizes))


def other_interface(device):
    """Neither flag nor capability, and regions of the same types"""
    device.flags = p.FLAG_RESET | p.FLAG_PCI


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
        info(0, "I", 0, length=CXL_CAP + 8), modes=BOTH)
refused("CXL capability cut off in its header", LACKS, info(0, "I", 0, length=CXL_CAP + 4))
refused("info of 16 bytes", LACKS, info(0, "I", 0, length=16))
refused("info that says it has no bytes", LACKS, info(0, "I", 0))
refused("a capability that is its own next", LACKS, info(CXL_CAP, "HHI", 99, 1, CXL_CAP))
refused("a chain that leads back", LACKS,
        lambda device: (setattr(device, "caps", [p.cap(98, 1, bytes(8)), p.cap(99, 1, bytes(8))]),
                        info(CXL_CAP + 16 + 4, "I", CXL_CAP)(device)), modes=BOTH)
refused("a chain that leads into the info", LACKS, info(CXL_CAP, "HHI", 99, 1, 4))
for at in (CXL_CAP + 16, 0x1000, 0x7fffffff, 0xfffffff8, 0xffffffff):
    refused(f"a chain that starts at {at:#x}", LACKS, info(16, "I", at))
    refused(f"a chain that leads to {at:#x}", LACKS, info(CXL_CAP, "HHI", 99, 1, at))
refused("a capability at an odd address", LACKS,
        lambda device: (device.caps.append(p.cap(99, 1, bytes(24))),
                        info(16, "I4xIHHIII", CXL_CAP + 17, 0, 6, 1, 0, 1, 0)(device)))
refused("a CXL capability at a multiple of 4", "the CXL capability at 0x1c, unaligned",
        lambda device: (device.caps.append(p.cap(99, 1, bytes(8))),
                        info(16, "I4xIHHIII", CXL_CAP + 4, 0, 6, 1, 0, 1, 0)(device)))
refused("info that needs 4 GiB", "cannot get device info: Argument list too long",
        info(0, "I", 0xffffffff), modes=BOTH)
refused("info that needs ever more", "cannot get device info: Argument list too long", ever_more)
refused("info that is longer than asked for", "cannot get device info: Invalid argument",
        answers(p.DEVICE_INFO, lambda data: data + bytes(64), 1), lines=None)
refused("info without content", LACKS, answers(p.DEVICE_INFO, lambda data: b"", 1))
refused("info of 4 bytes", LACKS, answers(p.DEVICE_INFO, lambda data: data[:4], 1))
refused("no info", "VFIO_USER_DEVICE_GET_INFO failed", fails_later(p.DEVICE_INFO, 0, Fault(errno.EIO)))
refused("no info with capabilities", "cannot get device info: Input/output error",
        fails_later(p.DEVICE_INFO, 1, Fault(errno.EIO)), modes=BOTH)
refused("no place for the page, with MSI-X", "CXL register region lacks the CXL capability",
        lambda device: (device.add_msix(), comp(caps=[p.cap_type(2)])(device)))
refused("no PCI device", "this isn't a PCI device",
        lambda device: setattr(device, "flags", p.FLAG_CXL))

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
    refused(how, problem, which, modes=BOTH)

# ---------------------------------------------------------------- interrupts


def irq_info(index, mangle):
    """mangle(data) changes the info of one kind of interrupts"""
    def change(device):
        device.mangle_irq = lambda this, data: mangle(data) if this == index else None
    return change


def irq(index, position, *values):
    """Overwrite 32-bit words of the IRQ info, which are argsz, flags, index and count"""
    return irq_info(index, lambda data: struct.pack_into(f"<{len(values)}I", data, 4 * position, *values))


def no_irq(index, code):
    """An error instead of the info; without a code the server ends"""
    def fail(_data):
        raise Vanish if code is None else Fault(code)
    return irq_info(index, fail)


def short_irq(index, length):
    def shorten(data):
        del data[length:]
    return irq_info(index, shorten)


def with_msix(change):
    return lambda device: (device.add_msix(), change(device))


ARGSZ, FLAGS, INDEX, COUNT = range(4)
for number, text in ((0, "unexpected number of irqs 0"), (2, "unexpected number of irqs 2"),
                     (51, "invalid reply"), (0xffffffff, "invalid reply")):
    refused(f"{number} kinds of interrupts", text,
            lambda device, number=number: setattr(device, "nr_irqs", number))
for code in (errno.EINVAL, errno.EIO):
    refused(f"no info of MSI-X: {os.strerror(code)}",
            f"failed to get MSI-X irq info: {os.strerror(code)}", with_msix(no_irq(p.MSIX, code)),
            modes=BOTH if code == errno.EIO else ("on",))
refused("the server ends at the info of MSI-X", "vfio vfio-user:", lines=None,
        change=with_msix(no_irq(p.MSIX, None)), **{"x-msg-timeout": 500})
# The device works without one of these, and the user is told of the first.
NO_RECOVERY = "Could not enable error recovery for the device"
for index, what in ((p.MSIX, "MSI-X"), (p.ERR_IRQ, "errors"), (p.REQ_IRQ, "requests")):
    for field, word in ((COUNT, 0), (COUNT, 2), (COUNT, 0x7fffffff), (COUNT, 0xffffffff),
                        (INDEX, 0), (INDEX, 0xffffffff), (FLAGS, 0), (FLAGS, 0xffffffff),
                        (ARGSZ, 0), (ARGSZ, 8), (ARGSZ, 0xffffffff)):
        good(f"IRQ info of {what} with {('argsz', 'flags', 'index', 'count')[field]} {word:#x}",
             with_msix(irq(index, field, word)),
             warning=NO_RECOVERY if index == p.ERR_IRQ and field == COUNT else None)
    good(f"IRQ info of {what} that is all ones", with_msix(irq(index, ARGSZ, *[0xffffffff] * 4)),
         warning=NO_RECOVERY if index == p.ERR_IRQ else None)
for index, what in ((p.ERR_IRQ, "errors"), (p.REQ_IRQ, "requests")):
    for code in (0, errno.EINVAL, errno.EIO, 0xffffffff):
        good(f"IRQ info of {what} is answered with error {code:#x}", with_msix(no_irq(index, code)),
             warning=NO_RECOVERY if index == p.ERR_IRQ and not code else None)
    for length in (0, 8, 12):
        good(f"IRQ info of {what} of {length} bytes", with_msix(short_irq(index, length)),
             warning=NO_RECOVERY if index == p.ERR_IRQ else None)

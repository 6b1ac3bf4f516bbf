# SPDX-License-Identifier: GPL-2.0-only
"""Wrong registers: from the start, at a commit, and some time later."""

import errno
import struct
import time

import protocol as p
from accelerator import Fault, Vanish
from changes import BOTH, answers, fails_later, page, where
from fixture import Fixture, case, check, refused, uncommitted
from protocol import SIZE
from working import good

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
            if pointer % 4 == 0 and pointer >= 12 and pointer < p.PAGE:
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
    refused(f"decoder count of {enc}", f"a device cannot have {count} decoders at 0x200", page(p.HDM, enc))
refused("ten decoders, the last outside the page",
        "a device cannot have 10 decoders at 0xebc", moved(0xebc, 5))
for register, value, seen in ((p.SIZE_LO, 2 * SIZE, 2 * SIZE), (p.SIZE_LO, 0, 0),
                              (p.SIZE_HI, 1, SIZE + (1 << 32)), (p.SIZE_LO, SIZE + 1, SIZE + 1)):
    refused(f"decoder 0 of {seen:#x} bytes", f"HDM decoder 0 has {seen:#x} bytes, expected 0x10000000",
            page(register, value))

# ---------------------------------------------------------------- failing accesses

REALIZE_READS = (0, 4, 8, p.HDM, p.SIZE_LO, p.SIZE_HI)
COMMIT_READS = (p.GLOBAL, p.CTRL, p.GLOBAL, p.BASE_LO, p.BASE_HI, p.SIZE_LO, p.SIZE_HI, p.CTRL)
COMMIT_WRITES = (p.GLOBAL, p.CTRL, p.BASE_LO, p.BASE_HI, p.CTRL)


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
        answers(p.REGION_READ, lambda data: b"" if data[8:12] == struct.pack("<I", p.COMP_REGS) else data))
refused("reads that say they are longer", "cannot read CXL register 0x000: ",
        answers(p.REGION_READ, lambda data: data[:12] + b"\xff" * 4 + data[16:]
                if data[8:12] == struct.pack("<I", p.COMP_REGS) else data))
refused("a read that is never answered", "cannot read CXL register 0x200: ",
        bad_read(3, lambda data: time.sleep(1) or data), lines=None, **{"x-msg-timeout": 500})
for command, name in ((p.VERSION, "VERSION"), (p.DEVICE_INFO, "DEVICE_GET_INFO"),
                      (p.REGION_INFO, "DEVICE_GET_REGION_INFO")):
    for count in range({p.VERSION: 1, p.DEVICE_INFO: 2, p.REGION_INFO: 11}[command]):
        refused(f"the server ends at {name} number {count}", "vfio vfio-user:", lines=None,
                change=fails_later(command, count, Vanish()), **{"x-msg-timeout": 500})

# ---------------------------------------------------------------- commits that are not


def control(function):
    """What becomes of a COMMIT, as a function of the value written"""
    def change(device):
        def on_write(_number, offset, data):
            value = struct.unpack("<I", data)[0]
            if offset != p.CTRL or not value & p.COMMIT:
                return True
            device.put(p.CTRL, function(value))
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
            device.put(p.GLOBAL, p.ENABLE)
            device.put(p.BASE_LO, 0x70000000)
            device.put(p.CTRL, ctrl)
        device.changed = changed
        device.changed()
    return change


uncommitted("COMMITTED is not set", "CXL register 0x220 is 0x00000300", control(lambda value: value))
uncommitted("COMMITTED is not set, and ERR is", "CXL register 0x220 is 0x00000b00",
            control(lambda value: value | p.ERR))
uncommitted("both COMMITTED and ERR are set", "CXL register 0x220 is 0x00000f00",
            control(lambda value: value | p.ERR | p.COMMITTED), locked=True)
uncommitted("LOCK is not taken", "CXL register 0x220 is 0x00000600",
            control(lambda value: value & ~p.LOCK | p.COMMITTED))
uncommitted("COMMIT is ignored", "CXL register 0x220 is 0x00000000", control(lambda value: 0))
uncommitted("COMMIT turns interleave on", "CXL register 0x220 is 0x00000710",
            control(lambda value: value | p.COMMITTED | 0x10), locked=True)
uncommitted("control reads all ones", "is 0xffffffff", control(lambda value: 0xffffffff), locked=True)
uncommitted("decoders are not enabled", "CXL register 0x204 is 0x00000000", dropped(p.GLOBAL))
uncommitted("the high half of BASE is ignored", "CXL register 0x214 is 0x00000000", dropped(p.BASE_HI))
uncommitted("BASE has another value", "CXL register 0x210 is 0x70000000", turned(p.BASE_LO, 0x70000000))
uncommitted("SIZE changes with BASE", "CXL register 0x218 is 0x10000001",
            lambda device: setattr(device, "on_write", lambda number, offset, data: (
                device.put(p.SIZE_LO, SIZE + 1) if offset == p.BASE_LO else None) or True))
uncommitted("locked to another address", "CXL register 0x210 is 0x70000000",
            committed_elsewhere(p.LOCK | p.COMMIT | p.COMMITTED), locked=True)
good("committed to another address, but not locked", committed_elsewhere(p.COMMIT | p.COMMITTED))


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
      committed_elsewhere(p.LOCK | p.COMMIT | p.COMMITTED), locked=True)
later("LOCK is not taken any more", "CXL register 0x220 is 0x00000600",
      control(lambda value: value & ~p.LOCK | p.COMMITTED))
later("SIZE changes", "CXL register 0x218 is 0x20000000", page(p.SIZE_LO, 2 * SIZE))
later("registers cannot be read", "cannot read CXL register 0x204: Input/output error",
      raises(Fault(errno.EIO), "on_read"))
later("registers cannot be written", "to CXL register 0x204: Input/output error",
      raises(Fault(errno.EIO), "on_write"))
later("the server ends", "cannot read CXL register 0x204: ", raises(Vanish()), lines=None)

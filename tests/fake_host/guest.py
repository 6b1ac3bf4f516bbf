# SPDX-License-Identifier: GPL-2.0-only
"""Memory that the guest and not firmware commits, of a device that lies about it.

The guest's own COMMIT is answered by the device, and QEMU maps the memory where
the device then says that it is. What cannot be so must not be mapped, and does
no harm: when the device is honest again, so is what the guest commits.
"""

import errno
import os
import struct

import protocol as p
from accelerator import Fault, Vanish
from fixture import Fixture, case, check
from machine import MMIO, WINDOW_SIZE
from protocol import SIZE

OFFSET = 2 * SIZE               # in the window, of what the guest commits


class Guest(Fixture):
    """The guest's part: the bridge leads to the second half GiB of the window"""

    def plug(self):
        self.start(cold=False)
        self.machine.up()
        self.window = self.machine.window()
        self.base = self.window + OFFSET
        self.bridge = (self.base, 2 * SIZE)
        self.machine.qmp("device_add", **self.properties(**{"cxl-firmware-commit": False}))
        self.machine.power_slot(True)
        self.machine.enumerate()
        self.machine.commit_bridge(*self.bridge)

    def put(self, register, value):
        self.machine.writel(MMIO + p.PAGE_OFFSET + register, value)

    def commit(self, base):
        self.put(p.GLOBAL, p.ENABLE)
        self.put(p.BASE_LO, base & 0xffffffff)
        self.put(p.BASE_HI, base >> 32)
        self.put(p.CTRL, p.COMMIT)

    def present(self, base):
        machine = self.machine
        check(machine.get("cxl-state") == "guest-committed", "cxl-state is not guest-committed")
        check(machine.get("cxl-base") == base, "cxl-base is wrong")
        for offset in (0, SIZE - 16):
            token = struct.pack("<QQ", base, offset)
            machine.write(base + offset, token)
            check(os.pread(self.device.memfd, 16, offset) == token, f"not in the file at {offset:#x}")

    def gone(self):
        check(self.machine.get("cxl-state") == "uncommitted", "cxl-state is not uncommitted")
        self.absent(self.base, self.bridge)


def follows(name, lie, ends=False):
    """Cases: the device lies after a COMMIT, then is honest again, or has ended."""

    @case(f"guest commits: {name}")
    def commits(directory):
        fixture = Guest(directory)
        try:
            device = fixture.device
            fixture.plug()
            fixture.gone()
            honest = device.on_read, device.on_write
            lie(fixture)
            fixture.commit(fixture.base)
            fixture.gone()
            if not ends:
                device.on_read, device.on_write = honest
                device.put(p.CTRL, 0)
                device.put(p.SIZE_LO, SIZE)
                fixture.put(p.CTRL, 0)
                fixture.gone()
                fixture.commit(fixture.base + SIZE)
                fixture.present(fixture.base + SIZE)
                check(not fixture.machine.errors(), fixture.machine.said())
            fixture.good_end()
        finally:
            fixture.close()


@case("guest commits: a device that does not lie, here and there, and after a reset")
def good(directory):
    fixture = Guest(directory)
    try:
        fixture.plug()
        for base in (fixture.base, fixture.base + SIZE, fixture.base):
            fixture.commit(base)
            fixture.present(base)
            fixture.put(p.CTRL, 0)
            fixture.gone()
        fixture.commit(fixture.base)
        fixture.present(fixture.base)
        fixture.machine.system_reset()
        fixture.bridge = None
        fixture.gone()
        check(not fixture.machine.errors(), fixture.machine.said())
        fixture.good_end()
    finally:
        fixture.close()


def commits_as(**registers):
    """COMMIT sets COMMITTED, and these registers to these values"""
    def lie(fixture):
        device = fixture.device

        def on_write(_number, offset, data):
            if offset != p.CTRL or not struct.unpack("<I", data)[0] & p.COMMIT:
                return True
            device.put(p.CTRL, p.COMMIT | p.COMMITTED)
            for name, value in registers.items():
                device.put(getattr(p, name), value(fixture) if callable(value) else value)
            return False
        device.on_write = on_write
    return lie


def reads_as(register, answer):
    """After the COMMIT a register reads as that"""
    def lie(fixture):
        def on_read(_number, offset, data):
            if offset != register or not fixture.device.get(p.CTRL) & p.COMMITTED:
                return data
            if isinstance(answer, Exception):
                raise answer
            return answer(data)
        fixture.device.on_read = on_read
    return lie


follows("COMMITTED is not set", commits_as(CTRL=p.COMMIT))
follows("ERR is set instead", commits_as(CTRL=p.COMMIT | p.ERR))
follows("control reads all ones", reads_as(p.CTRL, lambda data: b"\xff" * len(data)))
follows("interleaved", commits_as(CTRL=p.COMMIT | p.COMMITTED | 0x10))
follows("decoders are not enabled", commits_as(GLOBAL=0))
follows("to below the window", commits_as(BASE_LO=0x10000000, BASE_HI=0))
follows("to RAM", commits_as(BASE_LO=0, BASE_HI=0))
follows("to where no decoder of the bridge leads",
        commits_as(BASE_LO=lambda fixture: fixture.window & 0xffffffff, BASE_HI=lambda fixture: fixture.window >> 32))
follows("to across the end of what the bridge decodes",
        commits_as(BASE_LO=lambda fixture: fixture.base + 2 * SIZE - SIZE // 2 & 0xffffffff))
follows("to the end of the window",
        commits_as(BASE_LO=lambda fixture: fixture.window + WINDOW_SIZE - SIZE // 2 & 0xffffffff,
                   BASE_HI=lambda fixture: fixture.window + WINDOW_SIZE - SIZE // 2 >> 32))
follows("to the end of the address space", commits_as(BASE_LO=0xf0000000, BASE_HI=0xffffffff))
follows("to the last byte of all", commits_as(BASE_LO=0xffffffff, BASE_HI=0xffffffff))
follows("to an odd address", commits_as(BASE_LO=lambda fixture: fixture.base + 1 & 0xffffffff))
for size in (0, 1, SIZE // 2, 2 * SIZE, SIZE + 1):
    follows(f"{size:#x} bytes", commits_as(SIZE_LO=size))
for register in (p.CTRL, p.GLOBAL, p.BASE_LO, p.BASE_HI, p.SIZE_LO, p.SIZE_HI):
    for how, answer in (("cannot be read", Fault(errno.EIO)), ("is answered short", lambda data: data[:2])):
        follows(f"0x{register:03x} {how}", reads_as(register, answer))
    follows(f"the server ends when 0x{register:03x} is read", reads_as(register, Vanish()), ends=True)

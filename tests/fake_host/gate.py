# SPDX-License-Identifier: GPL-2.0-only
"""Memory that the kernel takes away: the guest must lose it before that.

QEMU gives the memory to the IOMMU while the guest has it, so the server sees
by its DMA maps when it is there. It answers as the kernel does, or lies.
"""

import errno
import os
import struct
import time

import protocol as p
from accelerator import Fault, Gate
from fixture import Fixture, case, check
from machine import EP_BUS, PMCSR

DEVCTL, CONTROL2, RANGE1_BASE = 0x58, 0x110, 0x120
FLR, INITIATE_RESET = 0x8000, 0x4
RESET, FAILED, SUSPENDED = 1 << 0, 1 << 1, 1 << 2


class Gated(Fixture):
    """A device with the feature, and the part of its memory that the IOMMU maps"""

    def __init__(self, directory, feature=True):
        super().__init__(directory)
        self.maps = []              # addresses, each time when the memory was mapped
        self.mapped = False
        self.device.gate = Gate() if feature else None
        self.server.on_dma = self.dma

    def dma(self, command, address, size):
        if size == self.device.size:
            self.mapped = command == p.DMA_MAP
            if self.mapped:
                self.maps.append(address)

    def begin(self):
        self.start()
        self.machine.up()
        self.base = self.machine.window()
        self.works(self.base)
        self.there()

    def put(self, offset, value, size="w"):
        self.machine.config(EP_BUS, offset, value, size)

    def state(self):
        return self.machine.get("cxl-state")

    def wait(self, condition, text):
        """Wait until QEMU has read the eventfd"""
        end = time.monotonic() + 10
        while not condition():
            check(time.monotonic() < end, text)
            time.sleep(0.01)

    def there(self):
        check(self.state() == "firmware-committed", f"cxl-state is {self.state()}")
        check(self.mapped, "the IOMMU does not have it")
        token = os.urandom(8)
        self.machine.write(self.base, token)
        check(os.pread(self.device.memfd, 8, 0) == token, "it is not in the window")

    def away(self):
        check(self.state() == "unavailable", f"cxl-state is {self.state()}")
        check(not self.mapped, "the IOMMU has it")
        token = os.pread(self.device.memfd, 8, 0)
        for address in (self.base, self.base + self.device.size - 8):
            self.machine.write(address, bytes(8))
            check(self.machine.read(address, 8) == b"\xff" * 8, "it does not read all ones")
        check(os.pread(self.device.memfd, 8, 0) == token, "it was written")

    def shuts(self, offset, mask, reasons, opens=False):
        """The kernel shuts the gate for a write to config space of one of these bits."""
        self.seen = []

        def on_config(at, data):
            if at <= offset < at + len(data) and data[offset - at] & mask:
                self.seen.append(self.mapped)
                if self.device.gate:
                    self.device.gate.shut(reasons)
                    if opens:
                        self.device.gate.open()
        self.device.on_config = on_config

    def was_first(self):
        check(self.seen == [False], f"the memory was there when the write came: {self.seen}")


def gated(name, **more):
    """Cases: function(fixture), with a device that has the feature and works."""

    def add(function):
        @case(f"gate: {name}")
        def run(directory):
            fixture = Gated(directory, **more)
            try:
                fixture.begin()
                function(fixture)
                check(not fixture.machine.errors(), fixture.machine.said())
                fixture.good_end()
            finally:
                fixture.close()
        return function
    return add


@gated("Memory Space and a reset of the machine leave it open")
def stays(fixture):
    fixture.put(4, 0)
    fixture.there()
    fixture.machine.system_reset()
    fixture.machine.enumerate()
    fixture.there()


@gated("range 1 is where firmware committed the memory to")
def range1(fixture):
    check(fixture.device.config[RANGE1_BASE:RANGE1_BASE + 8] ==
          struct.pack("<II", fixture.base >> 32, fixture.base & 0xffffffff), "range 1 is elsewhere")


for width, where, value in (("w", PMCSR, 3), ("b", PMCSR, 1), ("l", PMCSR, 3)):
    @gated(f"D3hot, written as {width}")
    def suspend(fixture, width=width, where=where, value=value):
        fixture.shuts(PMCSR, 3, SUSPENDED)
        fixture.put(where, value, width)
        fixture.was_first()
        fixture.away()
        fixture.device.gate.open(tell=False)
        fixture.put(where, 0, width)
        fixture.there()

for width, where, value in (("w", DEVCTL, FLR), ("b", DEVCTL + 1, FLR >> 8), ("l", DEVCTL, FLR)):
    @gated(f"FLR, written as {width}")
    def flr(fixture, width=width, where=where, value=value):
        fixture.shuts(DEVCTL + 1, 0x80, RESET, opens=True)
        maps = len(fixture.maps)
        fixture.put(where, value, width)
        fixture.was_first()
        fixture.there()
        check(len(fixture.maps) > maps, "the IOMMU was not given it anew")


@gated("CXL Reset that takes its time, and one that fails")
def cxl_reset(fixture):
    fixture.shuts(CONTROL2, INITIATE_RESET, RESET)
    fixture.put(CONTROL2, INITIATE_RESET)
    fixture.was_first()
    fixture.away()
    fixture.device.gate.open()
    fixture.wait(lambda: fixture.state() != "unavailable", "it does not come back")
    fixture.there()
    fixture.put(CONTROL2, INITIATE_RESET)
    fixture.away()
    fixture.device.gate.shut(FAILED)
    fixture.away()
    fixture.put(4, 6)
    fixture.away()
    fixture.device.gate.open()
    fixture.wait(lambda: fixture.state() != "unavailable", "it does not come back")
    fixture.there()


@gated("the host resets the device")
def host_resets(fixture):
    fixture.device.gate.shut(RESET)
    fixture.wait(lambda: fixture.state() == "unavailable", "it does not go away")
    fixture.away()
    fixture.device.gate.open()
    fixture.wait(lambda: fixture.state() != "unavailable", "it does not come back")
    fixture.there()


@gated("a close that nobody saw: the IOMMU is given the memory anew")
def missed(fixture):
    maps = len(fixture.maps)
    fixture.device.gate.shut(RESET, tell=False)
    fixture.device.gate.open()
    fixture.wait(lambda: len(fixture.maps) > maps, "it is not given anew")
    fixture.there()
    maps = len(fixture.maps)
    fixture.device.gate._changed(True)
    fixture.there()
    check(len(fixture.maps) == maps, "it is given anew without need")


@gated("unplugged while shut, and plugged again")
def unplug(fixture):
    fixture.device.gate.shut(RESET)
    fixture.wait(lambda: fixture.state() == "unavailable", "it does not go away")
    machine = fixture.machine
    machine.qmp("device_del", id="acc0")
    machine.power_slot(False)
    machine.qmp.wait_event("DEVICE_DELETED")
    check(fixture.device.gate.eventfd is None, "the eventfd was left")
    fixture.device.reset()
    machine.qmp("device_add", **fixture.properties())
    machine.power_slot(True)
    machine.enumerate()
    fixture.away()
    fixture.device.gate.open()
    fixture.wait(lambda: fixture.state() != "unavailable", "it does not come")
    fixture.there()


@gated("a reason that nobody knows")
def unknown(fixture):
    fixture.device.gate.shut(1 << 31)
    fixture.wait(lambda: fixture.state() == "unavailable", "it does not go away")
    fixture.away()


for what, answer in (("fails", Fault(errno.EIO)), ("is short", lambda data: data[:2]),
                     ("is empty", lambda data: b""), ("is all ones", lambda data: b"\xff" * len(data)),
                     ("is random", lambda data: os.urandom(4) + b"\1" + os.urandom(len(data) - 5))):
    @gated(f"an answer that {what}")
    def bad_answer(fixture, answer=answer):
        honest = fixture.device.gate.on_get

        def lie(data):
            if isinstance(answer, Exception):
                raise answer
            return data[:8] + answer(data[8:])
        fixture.device.gate.on_get = lie
        fixture.device.gate._changed(True)
        fixture.wait(lambda: fixture.state() == "unavailable", "it does not go away")
        fixture.away()
        fixture.device.gate.on_get = honest
        fixture.device.gate._changed(True)
        fixture.wait(lambda: fixture.state() != "unavailable", "it does not come back")
        fixture.there()


@case("gate: the eventfd is refused")
def no_eventfd(directory):
    fixture = Gated(directory)
    try:
        def refuse():
            raise Fault(errno.EBADF)
        fixture.device.gate.on_set = refuse
        fixture.begin()
        check("warning: vfio-user" in fixture.machine.said() and
              "cannot tell when the CXL memory becomes unreachable" in fixture.machine.said(),
              "no warning in:\n" + fixture.machine.said())
        fixture.shuts(CONTROL2, INITIATE_RESET, RESET)
        fixture.put(CONTROL2, INITIATE_RESET)
        fixture.was_first()
        fixture.away()
        fixture.device.gate.open()
        fixture.put(4, 6)
        fixture.there()
        fixture.good_end()
    finally:
        fixture.close()


@gated("without the feature: the memory is tried", feature=False)
def tried(fixture):
    def fail():
        raise Fault(errno.EIO)
    honest = fixture.device.on_dpa
    fixture.shuts(DEVCTL + 1, 0x80, RESET)
    fixture.device.on_dpa = fail
    fixture.put(DEVCTL, FLR)
    fixture.was_first()
    fixture.away()
    fixture.put(DEVCTL, 0)
    fixture.away()
    fixture.device.on_dpa = honest
    fixture.put(DEVCTL, 0)
    fixture.there()
    for offset, mask, off, on in ((4, 2, 4, 6), (PMCSR, 3, 3, 0)):
        seen = []
        fixture.device.on_config = lambda at, data, seen=seen: seen.append(fixture.mapped)
        fixture.put(offset, off)
        check(seen == [False], "the memory was there when the write came")
        check(fixture.machine.read(fixture.base, 8) == b"\xff" * 8, "it does not read all ones")
        fixture.put(offset, on)
        fixture.there()

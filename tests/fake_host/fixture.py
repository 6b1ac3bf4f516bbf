# SPDX-License-Identifier: GPL-2.0-only
"""What cases are made of: a server and a machine, conditions to check, kinds of cases."""

import os
import socket
import struct
import sys

import protocol as p
from accelerator import Device
from machine import MMIO, SANITIZER, WINDOW_SIZE, Machine   # which finds tests/lib
from channels import Closed
from server import Server

QEMU = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
NO_FILE = socket.socket()       # a file descriptor that cannot be mapped


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


class Fixture:
    """A directory, a server and a machine, for one case."""

    def __init__(self, directory, device=None):
        self.directory = directory
        self.device = device or Device()
        self.server = Server(os.path.join(directory, "socket"))
        self.server.serve(self.device)
        self.machine = None

    def properties(self, **more):
        return {"driver": "vfio-user-pci", "id": "acc0", "bus": "rp0", "cxl": "on",
                "socket": {"type": "unix", "path": self.server.path},
                "x-msg-timeout": 2000} | more

    def start(self, cold=True, window=WINDOW_SIZE, **more):
        self.machine = Machine(QEMU, self.directory, self.properties(**more) if cold else None,
                               window=window)
        return self.machine

    def good_end(self):
        status, said = self.machine.quit()
        check(not SANITIZER.search(said), f"it said:\n{said}")
        check(status == 0, f"QEMU ended with status {status}:\n{said}")

    def close(self):
        if self.machine:
            self.machine.kill()
        self.server.close()
        self.device.close()

    # ---- conditions ----

    def works(self, base=None):
        """The window's content is the device's, and all agree on where it is."""
        machine, device = self.machine, self.device
        check(machine.get("cxl-state") == "firmware-committed", "cxl-state is not firmware-committed")
        check(machine.get("cxl-size") == device.size, "cxl-size is wrong")
        if base is None:
            base = machine.get("cxl-base")
        check(machine.get("cxl-base") == base, "cxl-base is wrong")
        check(device.decoder() == (base, device.size, p.LOCK | p.COMMIT | p.COMMITTED),
              f"decoder 0 is {device.decoder()}")
        check(device.get(p.GLOBAL) & p.ENABLE, "decoders are not enabled")
        check(machine.bridge_decoder() == (base, device.size), "the host bridge leads elsewhere")
        machine.enumerate()
        for offset in (0, 0x12345678 & device.size - 8, device.size - 16):
            token = os.urandom(16)
            machine.write(base + offset, token)
            check(os.pread(device.memfd, 16, offset) == token, f"not in the file at {offset:#x}")
            token = os.urandom(16)
            os.pwrite(device.memfd, token, offset)
            check(machine.read(base + offset, 16) == token, f"not in the window at {offset:#x}")
        self.page_shows(device.regions[device.page_index])
        check(self.server.problem is None, self.server.problem)

    def page_shows(self, region):
        """The page is where it is said to be, access by access."""
        bar, hdm, offset = struct.unpack("<IIQ", region.caps[1][8:24])
        at = MMIO + (0x100000 if bar == 4 else 0) + offset
        reads = self.device.reads
        check(self.machine.readl(at) == self.device.get(0), "no page in the BAR")
        check(int(self.machine.test(f"readq {at + hdm + 0x18:#x}"), 16) == self.device.size,
              "a read of 8 bytes is wrong")
        check(self.device.reads == reads + 2, "accesses were split or merged")

    def absent(self, base, bridge=None):
        """The memory is not in the window, and the bridge leads to this range"""
        self.machine.enumerate()
        check(self.machine.bridge_decoder() == bridge, "the host bridge leads elsewhere")
        token = os.urandom(16)
        self.machine.write(base, token)
        check(os.pread(self.device.memfd, 16, 0) != token, "the memory can be written")
        check(self.machine.read(base, 16) != token, "there is memory in the window")

    def uncommitted(self, locked=False):
        check(self.machine.get("cxl-state") == "uncommitted", "cxl-state is not uncommitted")
        ctrl = self.device.decoder()[2]
        check(locked or not ctrl & (p.COMMIT | p.COMMITTED | p.LOCK),
              f"decoder 0 is left with control {ctrl:#x}")
        self.absent(self.machine.get("cxl-base"))


CASES = []


def case(name):
    def add(function):
        CASES.append((name, function))
        return function
    return add


def refused(name, text, change, lines=1, modes=("on",), **more):
    """Cases: after change(device) QEMU must end with text in its error."""

    def cold(directory, mode):
        fixture = Fixture(directory)
        try:
            change(fixture.device)
            machine = fixture.start(**{"cxl": mode} | more)
            try:
                machine.up()
                raise Failed("QEMU started:\n" + machine.said())
            except Closed:
                pass
            status, said = machine.end()
            check(not SANITIZER.search(said), f"it said:\n{said}")
            check(status == 1, f"QEMU ended with status {status}:\n{said}")
            check(text in said, f"no '{text}' in:\n{said}")
            check(len(machine.errors()) == lines or lines is None,
                  f"{len(machine.errors())} lines of errors:\n{said}")
            check(fixture.device.writes == 0, "the page was written")
        finally:
            fixture.close()

    for mode in modes:
        case(f"refused, cxl={mode}: {name}")(lambda directory, mode=mode: cold(directory, mode))
    REFUSED.append((name, text, change, more))


REFUSED = []        # all of them again, by hotplug into one machine


def plain(name, warning, change, **more):
    """Case: with cxl=auto it is a plain PCI device; a warning gives this reason, if any."""

    @case(f"plain PCI, cxl=auto: {name}")
    def auto(directory):
        fixture = Fixture(directory)
        try:
            change(fixture.device)
            machine = fixture.start(**{"cxl": "auto"} | more)
            machine.up()
            check("error" in machine.qmp.ask("qom-get", path="/machine/peripheral/acc0",
                                             property="cxl-base"), "it has a cxl-base")
            check(fixture.device.writes == 0, "its decoders were written")
            said = machine.said()
            check(len(machine.errors()) == (warning is not None) and
                  (not warning or "without its CXL memory: " + warning in said), said)
            fixture.absent(machine.window())
            fixture.good_end()
        finally:
            fixture.close()


def uncommitted(name, text, change, locked=False, lines=1):
    """Cases: QEMU starts, says why it did not commit, and has nothing mapped."""

    @case(f"stays uncommitted: {name}")
    def cold(directory):
        fixture = Fixture(directory)
        try:
            change(fixture.device)
            machine = fixture.start()
            machine.up()
            check(text in machine.said(), f"no '{text}' in:\n{machine.said()}")
            check(len(machine.errors()) == lines or lines is None,
                  f"{len(machine.errors())} lines of errors:\n{machine.said()}")
            fixture.uncommitted(locked)
            fixture.good_end()
        finally:
            fixture.close()

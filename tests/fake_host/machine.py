# SPDX-License-Identifier: GPL-2.0-only
"""A QEMU without a guest: by qtest, the test does what a guest's kernel would do.

One CXL root port, rp0, on bus 12, and one fixed memory window of 4 GiB.
"""

import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from channels import LineReader
from qmp import QMP
from topology import bridge, port

HB_BUS, EP_BUS = 12, 13
MMIO = 0xe0000000               # where the test puts BARs: 2 MiB below rp0
MMCONFIG = 0xb0000000           # and config space beyond its first 256 bytes
WINDOW_SIZE = 4 << 30
PMCSR = 0x44                    # of the server's device
TIMEOUT = 60

SANITIZER = re.compile(r"Sanitizer|runtime error:|^\*\*\*|Assertion|stack smashing", re.MULTILINE)
ERROR_LINE = re.compile(r"^qemu[^ ]*: (?!warning: |info: ).*$", re.MULTILINE)


class Channel(LineReader):
    """Lines to and from QEMU. The other end is inherited as a file descriptor."""

    def __init__(self):
        sock, self.other = socket.socketpair()
        super().__init__(sock)

    def line(self):
        return self.read(time.monotonic() + TIMEOUT)


class Machine:
    """device: the properties of the vfio-user-pci that it starts with, or None."""

    def __init__(self, qemu, directory, device=None, window=WINDOW_SIZE):
        self.qtest, self.monitor = Channel(), Channel()
        self.qmp = QMP(self.monitor)
        bios = os.path.join(directory, "bios")
        if not os.path.exists(bios):
            with open(bios, "wb") as file:
                file.truncate(256 << 10)
        command = [
            qemu, "-nodefaults", "-display", "none", "-m", "64M", "-bios", bios,
            "-accel", "qtest", "-object", "qtest,id=qtest0,chardev=qtest,log=/dev/null",
            "-chardev", f"socket,id=qtest,fd={self.qtest.other.fileno()}",
            "-chardev", f"socket,id=qmp,fd={self.monitor.other.fileno()}",
            "-object", "monitor-qmp,id=qmp0,chardev=qmp", "-machine",
            f"q35,cxl=on,cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size={window >> 20}M",
            # Without a device below it at the start it would have no decoders
            *bridge(1, bus_nr=HB_BUS, **({} if device else {"hdm_for_passthrough": "on"})), *port(0)]
        if device:
            command += ["-device", json.dumps(device)]
        environment = dict(os.environ, LC_ALL="C")
        environment["ASAN_OPTIONS"] = "detect_leaks=1:exitcode=99"
        environment["UBSAN_OPTIONS"] = "print_stacktrace=1"
        suppressions = os.path.join(os.path.dirname(__file__), "leaks.supp")
        environment["LSAN_OPTIONS"] = f"exitcode=99:suppressions={suppressions}:print_suppressions=0"
        self.stderr = open(os.path.join(directory, "stderr"), "w+", encoding="utf-8",
                           errors="replace")
        libc = ctypes.CDLL(None)
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.stderr, stderr=self.stderr,
            env=environment, pass_fds=(self.qtest.other.fileno(), self.monitor.other.fileno()),
            # Die with this process, however that ends (1 is PR_SET_PDEATHSIG).
            preexec_fn=lambda: libc.prctl(1, signal.SIGKILL))
        self.qtest.other.close()
        self.monitor.other.close()

    # ---- life ----

    def up(self):
        """Wait until the machine runs; Closed: it ended instead."""
        self.qmp.greet(TIMEOUT)

    def end(self):
        """Wait for its end; return its exit status (negative: signal) and output."""
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise TimeoutError("QEMU does not end") from None
        finally:
            self.qtest.sock.close()
            self.monitor.sock.close()
        return self.process.returncode, self.said()

    def quit(self):
        self.qmp("quit")
        return self.end()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.stderr.close()

    def said(self):
        with open(self.stderr.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def errors(self):
        return ERROR_LINE.findall(self.said())

    # ---- QMP ----

    def get(self, name, device="acc0"):
        return self.qmp("qom-get", path=f"/machine/peripheral/{device}", property=name)

    def system_reset(self):
        self.qmp("system_reset")
        self.qmp.wait_event("RESET", TIMEOUT)

    def _address(self, region):
        tree = self.qmp("human-monitor-command", command_line="info mtree")
        return int(re.search(rf"([0-9a-f]{{16}})-.*{region}", tree)[1], 16)

    def window(self):
        """First address of the fixed memory window"""
        return self._address("cxl-fixed-memory-region")

    def _bridge_decoders(self):
        """Address of the host bridge's HDM decoders, or None"""
        page = self._address("cxl_host_reg") + 0x1000
        caps = (self.readl(page + 4 * n) for n in range(1, 20))
        return next((page + (cap >> 20) for cap in caps if cap & 0xffff == 5), None)

    def bridge_decoder(self):
        """Base and size of the host bridge's decoder 0; None: not committed, or none"""
        hdm = self._bridge_decoders()
        if hdm is None:
            return None
        base_lo, base_hi, size_lo, size_hi, control = (self.readl(hdm + 0x10 + 4 * n) for n in range(5))
        return (base_hi << 32 | base_lo, size_hi << 32 | size_lo) if control & 1 << 10 else None

    def commit_bridge(self, base, size):
        """Commit the host bridge's decoder 0 to rp0, as a guest's kernel does"""
        hdm = self._bridge_decoders()
        self.writel(hdm + 4, 2)
        for n, value in enumerate((base & 0xffffffff, base >> 32, size & 0xffffffff, size >> 32)):
            self.writel(hdm + 0x10 + 4 * n, value)
        self.writel(hdm + 0x24, 0)
        self.writel(hdm + 0x20, 1 << 9)

    # ---- qtest ----

    def test(self, command):
        self.qtest.send(command)
        while True:
            words = self.qtest.line().split()
            if words[0] != "IRQ":
                break
        if words[0] != "OK":
            raise RuntimeError(f"qtest: {command}: {' '.join(words)}")
        return words[1] if len(words) > 1 else None

    def config(self, bus, reg, value=None, size="l"):
        """Config space of the device 0 on a bus"""
        if reg > 0xff:
            self.config(0, 0x60, MMCONFIG | 1)          # PCIEXBAR
            address = MMCONFIG | bus << 20 | reg
            if value is None:
                return int(self.test(f"read{size} {address:#x}"), 16)
            self.test(f"write{size} {address:#x} {value:#x}")
            return None
        self.test(f"outl 0xcf8 {0x80000000 | bus << 16 | reg & ~3:#x}")
        port = 0xcfc + reg % 4
        if value is None:
            return int(self.test(f"in{size} {port:#x}"), 16)
        self.test(f"out{size} {port:#x} {value:#x}")
        return None

    def memory(self, on=True):
        """Memory Space Enable of the device"""
        self.config(EP_BUS, 4, 2 if on else 0, "w")

    def enumerate(self):
        """Do what a guest does before it uses the device."""
        self.config(HB_BUS, 0x18, EP_BUS << 16 | EP_BUS << 8 | HB_BUS)
        self.config(HB_BUS, 0x20, (MMIO + 0x100000 & 0xfff00000) | MMIO >> 16)
        self.config(HB_BUS, 4, 6, "w")
        for bar, value in ((0, MMIO), (1, 0), (4, MMIO + 0x100000)):
            self.config(EP_BUS, 0x10 + 4 * bar, value)
        self.memory()

    def readl(self, address):
        return int(self.test(f"readl {address:#x}"), 16)

    def writel(self, address, value):
        self.test(f"writel {address:#x} {value:#x}")

    def read(self, address, size):
        return bytes.fromhex(self.test(f"read {address:#x} {size:#x}")[2:])

    def write(self, address, data):
        self.test(f"write {address:#x} {len(data):#x} 0x{data.hex()}")

    def power_slot(self, on):
        """Power and power indicator, as the guest's hotplug driver sets them"""
        reg = 0x18 + self._express(HB_BUS)
        control = self.config(HB_BUS, reg, size="w") & ~0x0700
        self.config(HB_BUS, reg, control | (0x0100 if on else 0x0700), "w")

    def _express(self, bus):
        at = self.config(bus, 0x34, size="b")
        while self.config(bus, at, size="b") != 0x10:
            at = self.config(bus, at + 1, size="b")
        return at

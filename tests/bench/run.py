#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Figures against plain vfio-pci and against the limit: what "make bench" runs.

Of what is built: "make image" comes first, as part of "make bench".

    tests/bench/run.py [PART...]         measure, print a table; leave results.json and
                                         plots in build/bench
    tests/bench/run.py --tap --quick     TAP: whether any deterministic count is more than
                                         5 % worse than the baseline
    tests/bench/run.py --quick --record  make this the baseline

Most of it counts instructions: in a host VM in which one takes 1 ns of the
machine's time, whatever else this machine does. docs/benchmarks.rst has the
method, and what the numbers mean.
"""

import argparse
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import counted
import in_guest
import plots
from results import Results, compare
from platforms import ARCH, BUILD, TOP
from topology import accelerator, bridge, port
from vm import HostVM, VMError

BASELINE = os.path.join(TOP, "tests", "bench", "baseline.json")
OUT = os.path.join(BUILD, "bench")
GIB = 1 << 30
SMALL = 256 << 20

NOTES = """In "Bind, open, …" ours is the largest of all sizes, peer the smallest.
1 TiB is not among them: the emulated CPU has 40 bits of physical address, which is 1 TiB for everything."""


class Part:
    def __init__(self, function, title, takes, quick=False):
        self.function = function
        self.name = function.__name__
        self.title = title
        self.takes = takes
        self.quick = quick


COUNTED = [
    Part(counted.faults, "Faults", "15 s", quick=True),
    Part(counted.regs, "Register access by the device file", "1 s", quick=True),
    Part(counted.life, "Bind, open, map, reset, close", "10 s", quick=True),
    Part(counted.pages, "Memory with struct pages", "20 s"),
    Part(counted.scale, "Start of QEMU, devices", "1 min", quick=True),
    Part(counted.calls, "System calls of QEMU from start until the guest could run", "15 s", quick=True),
    Part(counted.boot, "Boot", "2 min"),
    Part(in_guest.use, "Guest that uses device memory, in instructions", "3 min"),
]
TIMED = [
    Part(in_guest.clear, "Clearing device memory, in time", "1 min"),
    Part(in_guest.bandwidth, "Guest that uses device memory, in time", "1 min"),
]


def accel(name, bus, slot, size):
    """An accelerator with memory that is allocated on demand, below a root port of its own"""
    return port(slot, of=bus, name=f"rp-{name}") + \
        accelerator(name, f"rp-{name}", size, **{"cxl-reset-mem-clr": "off"})


class BenchVM(HostVM):
    # Up to a multiple of 1 GiB, where the next window begins: leaves of 1 GiB
    # need memory with that alignment.
    window = "2816M"


class Bench:
    def __init__(self, quick, tap):
        self.quick = quick
        self.tap = tap
        self.results = Results()
        self.part = None
        self.vm = None
        self.turns = 100 if quick else 300
        self.rounds = 5
        self.fault_sizes = [SMALL, GIB, 4 * GIB, 16 * GIB, 64 * GIB]
        self.device_counts = [1, 2, 4, 8]
        if quick:
            self.fault_sizes = [SMALL, GIB, 16 * GIB]
            self.device_counts = [1, 2]

    def say(self, line):
        print(f"{'# ' if self.tap else ''}{line}", flush=True)

    def run(self, command, prefix):
        return self.results.take(prefix, self.vm.sh("cxl-bench " + command))

    def row(self, what, *args, **more):
        self.results.row(self.part.title, what, *args, **more)

    def do(self, parts):
        for self.part in parts:
            began = time.monotonic()
            self.say(f"{self.part.name}: {self.part.function.__doc__} (usually takes ~{self.part.takes})")
            self.part.function(self)
            self.say(f"    {time.monotonic() - began:.0f} s")

    def bind(self, driver, bdfs):
        self.vm.sh(f". /lib/vm.sh; for b in {' '.join(bdfs)}; do bind {driver} $b || exit; done")

    def counted(self, parts):
        """Host VM: nine accelerators of 256 MiB, three large ones, and a plain device with a BAR of 64 GiB"""
        # TCG's CPUs have 40 bits of physical address, 1 TiB, for all of this; and at
        # 768 GiB of it SeaBIOS puts PCI's window.
        large = {512 * GIB: "large0", 128 * GIB: "large1", 16 * GIB: "large2"}
        devices = ["-machine", f"cxl-fmw.1.targets.0=cxl.2,cxl-fmw.1.size={sum(large)}",
                   *bridge(2, bus_nr=64),
                   "-object", f"memory-backend-ram,id=bar,size={64 * GIB},share=on,reserve=off",
                   "-device", "ivshmem-plain,bus=pcie.0,memdev=bar"]
        for n in range(1, 9):
            devices += accel(f"small{n}", 1, n, SMALL)
        for n, (size, name) in enumerate(large.items()):
            devices += accel(name, 2, n, size)
        with BenchVM("bench", devices=devices, icount=True) as self.vm:
            self.vm.boot()
            version = self.vm.sh("cat /proc/version")
            self.results.meta["compiler"] = re.search(r"gcc \([^)]*\) ([\d.]+)", version)[1]
            self.run("clock", "clock")
            bdfs = self.vm.sh(". /lib/vm.sh; accels; modprobe -a vfio-pci kvm_amd; "
                              "modprobe vfio-cxl-pci clear_on_close=0").split()
            self.small, self.plain, bdfs = bdfs[:8], bdfs[8], bdfs[9:]
            self.life_sizes = {SMALL: self.small[0]} | dict(zip(large, bdfs))
            self.large = bdfs[0]
            self.bar = self.vm.sh("grep -lx 0x1110 /sys/bus/pci/devices/*/device").split("/")[-2]
            if self.quick:
                self.life_sizes = {size: self.life_sizes[size] for size in (SMALL, 512 * GIB)}
            self.bind("vfio-cxl-pci", [*self.small, *bdfs])
            self.bind("vfio-pci", [self.plain, self.bar])
            self.do(parts)
            self.no_complaints()

    def timed(self, parts):
        """Host VM: two accelerators besides the one that is always there"""
        with HostVM("bench-time", devices=[*accel("small1", 1, 1, SMALL),
                                           *accel("large0", 1, 2, GIB)]) as self.vm:
            self.vm.boot()
            bdfs = self.vm.sh(". /lib/vm.sh; accels").split()
            self.bind("vfio-cxl-pci", bdfs)
            # Their memory is no file, like ordinary memory.
            self.clear_sizes = {SMALL: bdfs[1], GIB: bdfs[2]}
            self.do(parts)
            self.no_complaints()

    def no_complaints(self):
        complaints = self.vm.complaints()
        if complaints:
            raise VMError("a kernel complained: " + "; ".join(complaints[:3]))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", help=" ".join(part.name for part in COUNTED + TIMED))
    parser.add_argument("--quick", action="store_true", help="only counts, and fewer of them")
    parser.add_argument("--tap", action="store_true", help="compare with the baseline, as TAP")
    parser.add_argument("--record", action="store_true", help="write the baseline")
    options = parser.parse_args()
    unknown = set(options.part) - {part.name for part in COUNTED + TIMED}
    if unknown:
        parser.error(f"there is no part {' or '.join(sorted(unknown))}")
    if (options.tap or options.record) and (not options.quick or options.part):
        parser.error("the baseline is of --quick, and of all its parts")
    return options


def main():
    options = arguments()
    if ARCH != "x86_64":
        sys.exit("bench: instructions are counted on x86-64 only")
    bench = Bench(options.quick, options.tap)

    def wanted(parts):
        return [part for part in parts if (not options.part or part.name in options.part) and
                (part.quick or not options.quick)]

    if wanted(COUNTED):
        bench.counted(wanted(COUNTED))
    if wanted(TIMED):
        bench.timed(wanted(TIMED))
    results = bench.results
    if options.tap:
        with open(BASELINE, encoding="utf-8") as file:
            return compare(results, json.load(file))
    if options.record:
        with open(BASELINE, "w", encoding="utf-8") as file:
            json.dump({"compiler": results.meta["compiler"], "counts": results.counts()}, file, indent=1)
            file.write("\n")
        bench.say(f"the baseline is {os.path.relpath(BASELINE)}")
    print(results.table(), NOTES, sep="\n\n")
    path = os.path.join(OUT, "results.json")
    results.save(path)
    print(f"\n{path}", *plots.draw(results.raw, OUT), sep="\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main() > 0)
    except VMError as error:
        sys.exit(f"bench: {error}")

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Guests with accelerators in every arrangement and at every time; TAP.

    tests/nested.py [SCENARIO...]

One host VM with five emulated accelerators, most with a file behind their memory;
in it one guest after the other, as tests/scenarios has them. What a scenario says
about memory is proved by content, as in tests/demo.py. RESETS=N resets the guest N
times instead of a few. PAGES=on has all scenarios run with the driver's parameter
struct_pages at that.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from platforms import RUN
from scenarios import dma, gate, lifetimes, operators, topologies
from scenarios.scenario import ATS, LARGE, LARGE_GIB, SIZE, Scenario
from tap import Writer
from topology import accelerator, port
from vm import HostVM, VMError

PAGES = os.environ.get("PAGES", "")

# The accelerators of the host VM besides the one that is always there: three with a
# file each, and a large one
OTHERS = [word for n in (1, 2, 3)
          for word in port(n) + accelerator(f"accel{n}", f"rp{n}", SIZE, f"{RUN}/dpa{n}.bin",
                                            **({"ats": "on"} if n == ATS else {}))]
OTHERS += port(LARGE) + accelerator(f"accel{LARGE}", f"rp{LARGE}", f"{LARGE_GIB}G")

SCENARIOS = [scenario for subject in (topologies, lifetimes, gate, dma, operators) for scenario in subject.SCENARIOS]


def run(scenario, t):
    """One subtest"""
    t.say(scenario.__doc__)
    try:
        scenario(t)
        t.end()
    except (VMError, ValueError, KeyError) as error:
        alive = t.vm.process.poll() is None
        if alive:
            t.vm.autopsy("this is how it is now")
        t.check(False, f"{scenario.__name__} ran to its end", f"{type(error).__name__}: {error}")
        if not alive:
            raise
        t.end()
    t.tap.done()


def main():
    names = [s.__name__ for s in SCENARIOS]
    unknown = set(sys.argv[1:]).difference(names)
    if unknown:
        sys.exit(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    wanted = [s for s in SCENARIOS if not sys.argv[1:] or s.__name__ in sys.argv[1:]]
    tap = Writer(len(wanted))
    os.makedirs(RUN, exist_ok=True)
    # An IOMMU of 39 bits, as smaller machines have: see narrow_iommu
    with HostVM("nested", devices=OTHERS, iommu=",aw-bits=39,device-iotlb=on") as vm:
        vm.boot()
        if PAGES:
            vm.sh(f"modprobe vfio-cxl-pci && echo {PAGES} >{dma.STRUCT_PAGES}")
        bdfs = vm.sh(". /lib/vm.sh; for b in $(accels); do bind vfio-cxl-pci $b || exit; done; accels").split()
        for scenario in wanted:
            t = Scenario(vm, bdfs, tap.subtest())
            run(scenario, t)
            tap.result(t.tap.count and not t.tap.failed, scenario.__name__)
        complaints = vm.complaints()
        if complaints:
            tap.comment("\n".join(complaints[:5]))
            tap.bail_out("a kernel complained")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The whole chain: host VM, vfio-cxl-pci, QEMU in it, guest; proved by content.

    tests/demo.py              tell it as it happens, and a verdict at the end
    tests/demo.py --tap        the same as TAP

A guest writes a random pattern all over the device memory, by the address at
which its own CXL core found it. The same bytes, and no others, must then be in
the file that backs the emulated device, and the reverse. The guest has the
device copy its RAM to device memory by DMA, with interrupts. Then the guest is
reset, everything must be in place again, and when it is killed the memory must
be zero.
"""

import argparse
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from tap import Writer
from platforms import PATTERN
from vm import ENGINE_STEPS, HostVM, VMError

# The number of checks, so that one that is not reached does not go unnoticed
PLANNED = 19
BYTES = 8 << 20
# How many bytes the self-test of the guest's driver has the device fetch
ENGINE_BYTES = (2 << 20) - 3

# All that the CXL core shows of its decoders, one line for each
DECODERS = r"""
cd /sys/bus/cxl/devices
for d in decoder*; do
	read -r start <$d/start && read -r size <$d/size && read -r locked <$d/locked
	target=-
	[ ! -e $d/target_type ] || read -r target <$d/target_type
	[ -e $d/mode ] && mode=endpoint || mode=-
	echo $d $start $size $locked $target $mode
done
"""


class Decoder:
    """One line of DECODERS."""

    def __init__(self, line):
        self.name, start, size, locked, self.target, mode = line.split()
        self.start, self.size = int(start, 0), int(size, 0)
        self.locked = locked == "1"
        self.endpoint = mode != "-"
        self.root = self.name.startswith("decoder0.")

    def __str__(self):
        return f"{self.name} {self.start:#x}+{self.size:#x}{' locked' if self.locked else ''}"


class Demo:
    """Does the steps; each check is counted, and a failed one does not end the run."""

    def __init__(self, tap):
        self.tap = Writer(PLANNED) if tap else None
        self.checks = []
        self.begin = time.monotonic()

    def say(self, text):
        if self.tap:
            self.tap.comment(text)
        else:
            print(text, flush=True)

    def check(self, ok, what, found=""):
        self.checks.append(bool(ok))
        if self.tap:
            self.tap.result(ok, what, f"found: {found}")
        else:
            print(f"  {'yes' if ok else 'NO '}  {what}{'' if ok else f' (found: {found})'}", flush=True)

    def decoders(self, machine, window_owner):
        """Check that window, bridge and endpoint decoder agree; return the endpoint's."""
        all_decoders = [Decoder(line) for line in machine.sh(DECODERS).splitlines()]
        found = "; ".join(map(str, all_decoders))
        endpoints = [d for d in all_decoders if d.endpoint and d.size]
        windows = [d for d in all_decoders if d.root]
        self.check(len(endpoints) == 1 and endpoints[0].locked and endpoints[0].target == "accelerator",
                   f"{window_owner}: the CXL core finds the endpoint decoder committed and locked", found)
        if len(endpoints) != 1:
            raise VMError(f"no committed endpoint decoder: {found}")
        endpoint = endpoints[0]
        bridges = [d for d in all_decoders if not d.root and not d.endpoint and d.size]
        self.check(len(bridges) == 1 and bridges[0].locked and bridges[0].start == endpoint.start and
                   bridges[0].size == endpoint.size,
                   f"{window_owner}: the host bridge's decoder is locked to the same range", found)
        self.check(any(w.start == endpoint.start for w in windows),
                   f"{window_owner}: the memory is at the base of the fixed window", found)
        return endpoint

    def content(self, vm, when):
        """The proof: both directions, while the guest runs."""
        wrong = vm.same_content(vm.dpa, size=BYTES, say=self.say)
        self.check(not wrong, f"{when}: {BYTES >> 20} MiB are the same in the guest and in the file, both ways",
                   wrong)

    def engine(self, vm):
        """The device does DMA to and from the guest's RAM, with interrupts; checked in the guest and outside."""
        good, report = vm.engine_selftest()
        for line in report.splitlines():
            self.say(f"    {line}")
        self.check(good, f"guest: the device does its {ENGINE_STEPS} commands, with an interrupt for each", report)
        # What the guest's driver puts into its RAM, and the device at the end of its memory
        sent = bytes(i * 31 + (i >> 8) * 7 + (i >> 16) & 0xff for i in range(ENGINE_BYTES))
        with open(vm.dpa, "rb") as dpa:
            dpa.seek(-ENGINE_BYTES, os.SEEK_END)
            found = dpa.read()
        wrong = sum(a != b for a, b in zip(found, sent))
        self.check(found == sent, f"outside: {ENGINE_BYTES} bytes of the guest's RAM are in the file, by DMA",
                   f"{wrong} bytes differ")

    def use_in_guest(self, vm):
        """Bind the accelerator's driver in the guest; return the address of its memory."""
        vm.guest.sh(". /lib/vm.sh; bind cxl_accel $(accels)")
        return int(vm.guest.sh("cat /sys/bus/pci/drivers/cxl_accel/*/hpa"), 0)

    def run(self):
        with HostVM("demo") as vm:
            self.say("Starting the host VM, with an emulated accelerator (about 5 s)")
            vm.boot()
            bdf = vm.sh(". /lib/vm.sh; accels").strip()
            self.say(f"Binding {bdf} to vfio-cxl-pci by driver_override")
            vm.sh(f". /lib/vm.sh; bind vfio-cxl-pci {bdf}")
            self.check(vm.sh(f". /lib/vm.sh; driver_of {bdf}").strip() == "vfio-cxl-pci",
                       "host VM: vfio-cxl-pci drives the device")
            host = self.decoders(vm, "host VM")

            self.say("Starting the guest in it, with the device passed through (about 15 s)")
            vm.start_guest(bdf, "-action", "reboot=reset")
            gpa = self.use_in_guest(vm)
            guest = self.decoders(vm.guest, "guest")
            self.check(gpa == guest.start, "guest: the accelerator's driver gets that very range",
                       f"{gpa:#x}")
            self.check(guest.start != host.start, "guest: its address is not the host's",
                       f"{guest.start:#x} both")
            self.say("")
            self.say(f"    guest   GPA {guest.start:#x}  the guest's fixed memory window")
            self.say(f"    host VM HPA {host.start:#x}  the host VM's, invisible to the guest")
            self.say(f"    device  DPA 0x0, {host.size >> 20} MiB")
            self.say(f"    file    {os.path.relpath(vm.dpa)}")
            self.say("")
            self.content(vm, "running")
            self.say("Making the device work, for the guest (about 5 s)")
            self.engine(vm)

            self.say("Resetting the guest (about 10 s)")
            vm.guest_qmp("system_reset")
            vm.wait_for_guest()
            self.use_in_guest(vm)
            again = self.decoders(vm.guest, "guest after reset")
            self.check(again.start == guest.start, "guest after reset: the memory is where it was",
                       f"{again.start:#x}")
            with open(vm.dpa, "r+b") as dpa:
                for _ in range(vm.dpa_size >> 20):
                    dpa.write(bytes(1 << 20))
            self.content(vm, "after reset")

            self.say("Killing the guest's QEMU")
            vm.end_guest()
            zero = subprocess.run([PATTERN, "zero", vm.dpa, str(vm.dpa_size)], stdout=subprocess.PIPE,
                                  text=True, check=False)
            self.check(zero.returncode == 0, "after kill -9: the device memory is zero for the next tenant",
                       zero.stdout.strip())
            complaints = vm.complaints()
            self.check(not complaints, "neither kernel complained", complaints[:3])

    def main(self):
        try:
            self.run()
        except VMError as error:
            self.check(False, "the chain ran to its end", error)
        good = len(self.checks) == PLANNED and all(self.checks)
        if not self.tap:
            print()
            print(f"{'PASSED' if good else 'FAILED'}: {sum(self.checks)} of {PLANNED} checks, "
                  f"in {time.monotonic() - self.begin:.0f} s")
        return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tap", action="store_true", help="print TAP")
    sys.exit(Demo(parser.parse_args().tap).main())

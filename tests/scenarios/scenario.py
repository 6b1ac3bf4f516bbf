# SPDX-License-Identifier: GPL-2.0-only
"""What the scenarios have in common."""

import hashlib
import json
import os
import time

from platforms import RUN
from topology import port
from vm import VMError

SIZE = 256 << 20
GIB = 1 << 30
BYTES = 2 << 20             # of the pattern that proves where memory is
LARGE, LARGE_GIB = 4, 4     # which accelerator of the host VM has more, and how much
ATS = 1                     # and which has ATS

# In a guest, beside root port rp0
PORT1 = port(1)

# Accelerators of the host VM, and the ports of the guest that they are below
ONE = {0: "rp0"}
BOTH = {0: "rp0", 1: "rp1"}


def quoted(json_object):
    """A dictionary as -device takes it"""
    return ["-device", json.dumps(json_object)]


class Scenario:
    """One subtest: counts and prints checks, and keeps going after a failed one."""

    def __init__(self, vm, bdfs, tap):
        self.vm = vm
        self.bdfs = bdfs
        self.tap = tap
        self.prefix = "accel"       # of the devices' names in QEMU

    def say(self, text):
        self.tap.comment(text)

    def check(self, ok, what, found=""):
        self.tap.result(ok, what, f"found: {found}")

    def device(self, n, bus):
        """The properties that accelerator n of the host VM has as a device of the guest"""
        return {"driver": "vfio-pci", "id": f"accel{n}", "host": self.bdfs[n], "bus": bus}

    def start(self, *args, at=None, iommufd=False, env="", **properties):
        """
        Start a guest. at: which accelerators of the host VM it has, by number, and
        below which port each; properties: of all of these.
        """
        self.end()
        if iommufd:
            self.vm.sh("modprobe iommufd")
            args = ("-object", "iommufd,id=iommufd0", *args)
            properties["iommufd"] = "iommufd0"
        devices = [word for n, bus in (at or {}).items() for word in quoted(self.device(n, bus) | properties)]
        self.vm.start_guest("none", "-action", "reboot=reset", *args, *devices, env=env)

    def reset(self):
        """Reset the system by the monitor, and wait until the guest is back"""
        self.vm.guest_qmp("system_reset")
        self.vm.wait_for_guest()

    def end(self):
        if self.vm.guest_runs:
            self.vm.end_guest()

    def wait_for(self, number):
        """Wait until the guest has that many accelerators"""
        self.vm.guest.sh(f". /lib/vm.sh; n=0; until set -- $(accels); [ $# = {number} ]; do "
                         "sleep 0.2; n=$((n + 1)); [ $n -lt 300 ] || exit 1; done")

    def plug(self, n, bus, of):
        self.vm.guest_qmp("device_add", **self.device(n, bus))
        self.wait_for(of)

    def unplug(self, n, left):
        name = f"accel{n}"
        for attempt in range(100):
            try:
                self.vm.guest_qmp("device_del", id=name)
                break
            except VMError as error:    # the guest's hotplug driver is not done with the slot
                if attempt and "not found" in str(error):
                    break               # that was a request all the same
                if attempt == 99 or "guest is busy" not in str(error):
                    raise
                time.sleep(0.1)
        self.wait_for(left)
        for _ in range(300):            # QEMU is done later than the guest is
            names = [d["name"] for d in self.vm.guest_qmp("qom-list", path="/machine/peripheral")]
            if name not in names:
                break
            time.sleep(0.1)
        self.check(name not in names, f"{name} is unplugged", names)

    def get(self, n, name):
        return self.vm.guest_qmp("qom-get", path=f"/machine/peripheral/{self.prefix}{n}", property=name)

    def committed(self, *numbers, when=""):
        """Check that firmware has committed the decoder of each"""
        states = [self.get(n, "cxl-state") for n in numbers]
        self.check(states == ["firmware-committed"] * len(numbers), f"{when}all are committed by firmware", states)

    def bind(self):
        """Bind all accelerators in the guest; {address of the memory: name in /dev}"""
        self.vm.guest.sh(". /lib/vm.sh; for b in $(accels); do bind cxl_accel $b || exit; done")
        found = self.vm.guest.sh("cd /sys/bus/pci/drivers/cxl_accel; for d in *:*; do "
                                 "echo $(cat $d/hpa) $(ls $d/misc); done")
        return {int(line.split()[0], 0): line.split()[1] for line in found.splitlines()}

    def happen(self, n, name, where, command):
        """Cause one of EVENTS on accelerator n, which the guest calls name, and wait until it is over"""
        bdf = f"cd /sys/bus/pci/drivers/cxl_accel; for b in *:*; do [ ! -d $b/misc/{name} ] || break; done"
        machine, bdf = (self.vm.guest, bdf) if where == "guest" else (self.vm, f"b={self.bdfs[n]}")
        machine.sh(f"{bdf}; {command}")
        for _ in range(100):
            if self.get(n, "cxl-state") == "firmware-committed":
                break
            time.sleep(0.1)

    def dpa(self, n):
        return os.path.join(RUN, f"dpa{n or ''}.bin")

    def digest(self, n):
        with open(self.dpa(n), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def use(self, *numbers):
        """
        The guest finds the memory of these accelerators, each at the address that
        QEMU says, and no other; and each is its own file. Returns the names.
        """
        devices = self.bind()
        names = {}
        bases = [self.get(n, "cxl-base") for n in numbers]
        self.check(set(devices) == set(bases) and len(devices) == len(numbers),
                   f"the guest finds {len(numbers)} accelerators at " +
                   " and ".join(f"{b:#x}" for b in bases), devices)
        for n, base in zip(numbers, bases):
            names[n] = devices.get(base)
            if not names[n]:
                continue
            others = {m: self.digest(m) for m in numbers if m != n}
            wrong = self.vm.same_content(self.dpa(n), f"/dev/{names[n]}", BYTES, self.say)
            self.check(not wrong, f"accel{n}: its memory is its file, both ways", wrong)
            for m, digest in others.items():
                self.check(self.digest(m) == digest, f"accel{m}: unchanged meanwhile")
        return names

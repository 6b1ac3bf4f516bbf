#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Guests with accelerators in every arrangement and at every time; TAP.

    tests/nested.py [SCENARIO...]

One host VM with five emulated accelerators, most with a file behind their memory;
in it one guest after the other. What a scenario says about memory is proved by
content, as in tests/demo.py. RESETS=N resets the guest N times instead of a
few. PAGES=on has all scenarios run with the driver's parameter struct_pages at that.
"""

import hashlib
import json
import os
import re
import sys
import time
from xml.etree import ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import iommu
from tap import Writer
from platforms import RUN
from topology import accelerator, bridge, device, port
from vm import HostVM, VMError

SIZE = 256 << 20
GIB = 1 << 30
BYTES = 2 << 20             # of the pattern that proves where memory is
RESETS = int(os.environ.get("RESETS", "4"))
PAGES = os.environ.get("PAGES", "")

# The accelerators of the host VM beside the one that there always is: three with a
# file each, and a large one
LARGE, LARGE_GIB = 4, 4
OTHERS = [word for n in (1, 2, 3)
          for word in port(n) + accelerator(f"accel{n}", f"rp{n}", SIZE, f"{RUN}/dpa{n}.bin")]
OTHERS += port(LARGE) + accelerator(f"accel{LARGE}", f"rp{LARGE}", f"{LARGE_GIB}G")

# In a guest, beside root port rp0
PORT1 = port(1)
SWITCH = device("cxl-upstream", bus="rp0", id="us0") + [
    word for n in (0, 1) for word in device("cxl-downstream", port=n, bus="us0", id=f"ds{n}", chassis=9, slot=n)]
BRIDGE2 = bridge(2, bus_nr=32) + port(0, of=2, name="rp2")
TWO_WINDOWS = "GUEST_MACHINE=cxl-fmw.1.targets.0=cxl.2,cxl-fmw.1.size=1G"

# Engine commands, docs/system/devices/cxl-type2.rst of QEMU
COPY_OUT, COPY_IN = 2, 3


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

    def device(self, n, bus, **more):
        """-device for accelerator n of the host VM"""
        return quoted({"driver": "vfio-pci", "id": f"accel{n}", "host": self.bdfs[n], "bus": bus} | more)

    def start(self, *args, env=""):
        self.end()
        self.vm.start_guest("none", "-action", "reboot=reset", *args, env=env)

    def end(self):
        if self.vm.guest_runs:
            self.vm.end_guest()

    def wait_for(self, number):
        """Until the guest has as many accelerators"""
        self.vm.guest.sh(f". /lib/vm.sh; n=0; until set -- $(accels); [ $# = {number} ]; do "
                         "sleep 0.2; n=$((n + 1)); [ $n -lt 300 ] || exit 1; done")

    def plug(self, n, bus, of):
        self.vm.guest_qmp("device_add", driver="vfio-pci", id=f"accel{n}", host=self.bdfs[n], bus=bus)
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

    def bind(self):
        """Bind all accelerators in the guest; {address of the memory: name in /dev}"""
        self.vm.guest.sh(". /lib/vm.sh; for b in $(accels); do bind cxl_accel $b || exit; done")
        found = self.vm.guest.sh("cd /sys/bus/pci/drivers/cxl_accel; for d in *:*; do "
                                 "echo $(cat $d/hpa) $(ls $d/misc); done")
        return {int(line.split()[0], 0): line.split()[1] for line in found.splitlines()}

    def happen(self, n, name, where, command):
        """One of EVENTS, to accelerator n, which the guest calls name; until it is over"""
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


def two_devices(t):
    """Two accelerators below one host bridge"""
    t.start(*PORT1, *t.device(0, "rp0"), *t.device(1, "rp1"))
    t.use(0, 1)
    states = [t.get(n, "cxl-state") for n in (0, 1)]
    t.check(states == ["firmware-committed"] * 2, "both are committed by firmware", states)


def four_devices(t):
    """Four accelerators, two below each of two host bridges"""
    t.start(*PORT1, *BRIDGE2, *port(1, of=2, name="rp3"),
            *(word for n in range(4) for word in t.device(n, f"rp{n}")), env=TWO_WINDOWS)
    t.use(0, 1, 2, 3)
    windows = [t.get(n, "cxl-window") for n in range(4)]
    t.check(windows == ["cxl-fmw.0"] * 2 + ["cxl-fmw.1"] * 2, "each is in its bridge's window", windows)


def below_a_switch(t):
    """Two accelerators below one switch"""
    t.start(*SWITCH, *t.device(0, "ds0"), *t.device(1, "ds1"))
    t.use(0, 1)


def two_bridges(t):
    """Two host bridges, with a window each, and an accelerator below each"""
    t.start(*BRIDGE2, *t.device(1, "rp2"), *t.device(0, "rp0"),
            env=TWO_WINDOWS)
    t.use(0, 1)
    windows = [t.get(n, "cxl-window") for n in (0, 1)]
    t.check(windows == ["cxl-fmw.0", "cxl-fmw.1"], "each is in its bridge's window", windows)


def resets(t):
    """System resets in a row, one of them by the guest itself"""
    t.start(*t.device(0, "rp0"))
    base = t.get(0, "cxl-base")
    t.use(0)
    good = 0
    for turn in range(RESETS):
        if turn:
            t.vm.guest_qmp("system_reset")
        else:
            t.vm.guest.tell("reboot -f")
        t.vm.wait_for_guest()
        good += t.get(0, "cxl-base") == base and base in t.bind()
    t.check(good == RESETS, f"{RESETS} resets, and each time the memory is found where it was", good)
    t.use(0)


# In the guest: all of CXL goes, with the ports and decoders that it has found. A module
# may be in use until the CXL core has detached what another one left.
UNLOAD = """
rmmod cxl_accel
n=0
while [ -d /sys/bus/cxl ] && [ $n -lt 50 ]; do
    for m in cxl_acpi cxl_pmem cxl_mem cxl_pci cxl_port cxl_core; do
        [ ! -d /sys/module/$m ] || rmmod $m 2>/dev/null
    done
    n=$((n + 1))
    sleep 0.2
done
if [ -d /sys/bus/cxl ]; then grep cxl /proc/modules; exit 1; fi
"""


def reloaded(t):
    """A guest that unloads its CXL modules, and finds the decoders anew"""
    t.start(*PORT1, *t.device(0, "rp0"), *t.device(1, "rp1"))
    t.use(0, 1)
    for _ in range(2):
        t.vm.guest.sh(UNLOAD)
        states = [t.get(n, "cxl-state") for n in (0, 1)]
        t.check(states == ["firmware-committed"] * 2, "with the modules gone the memory stays", states)
        t.use(0, 1)


def kexec(t):
    """A guest that starts another kernel itself: no firmware and no reset in between"""
    t.start(*PORT1, *t.device(0, "rp0"), *t.device(1, "rp1"),
            "-fsdev", "local,id=qemu,path=/qemu,security_model=none,readonly=on",
            "-device", "virtio-9p-pci,bus=pcie.0,fsdev=qemu,mount_tag=qemu")
    t.use(0, 1)
    boot = t.vm.guest.sh("cat /proc/sys/kernel/random/boot_id")
    t.vm.guest.sh("mkdir /qemu && mount -t 9p -o trans=virtio,ro qemu /qemu")
    t.vm.guest.tell("kexec /qemu/bzImage /qemu/guest.cpio 2>/dev/console")
    t.vm.wait_for_guest()
    now = t.vm.guest.sh("cat /proc/sys/kernel/random/boot_id")
    t.check(now != boot, "another kernel runs", now)
    t.use(0, 1)


def hotplug(t):
    """Plugged in while the guest runs, unplugged, and plugged in again"""
    t.start(*PORT1)
    for turn in ("plugged in", "plugged in again"):
        t.plug(0, "rp1", of=1)
        t.say(turn)
        t.use(0)
        t.unplug(0, left=0)
        tree = t.vm.guest_qmp("human-monitor-command", command_line="info mtree -f")
        t.check("CXL memory" not in tree, "its memory is gone from the window")


def hotplug_beside(t):
    """A second accelerator plugged in; then the first one, which is the lower, again"""
    t.start(*PORT1[:-1], PORT1[-1] + f",hdm-reserve={SIZE}", *t.device(0, "rp0"))
    t.use(0)
    t.plug(1, "rp1", of=2)
    t.use(0, 1)
    lower, upper = sorted((0, 1), key=lambda n: t.get(n, "cxl-base"))
    base = t.get(lower, "cxl-base")
    t.unplug(lower, left=1)
    t.use(upper)
    t.plug(lower, f"rp{lower}", of=2)
    t.check(t.get(lower, "cxl-base") == base, "plugged in again it is where it was")
    t.use(0, 1)
    t.unplug(lower, left=1)
    t.vm.guest_qmp("system_reset")
    t.vm.wait_for_guest()
    t.use(upper)
    t.plug(lower, f"rp{lower}", of=2)
    t.use(0, 1)


# hdm COMMAND: in the guest, of the only accelerator's decoder 0 (CXL r4.0 8.2.4.20)
HDM = r"""
. /lib/vm.sh
bdf=$(accels)
read -r bar _ </sys/bus/pci/devices/$bdf/resource
[ "$(cat /sys/bus/pci/devices/$bdf/enable)" != 0 ] || echo 1 >/sys/bus/pci/devices/$bdf/enable
page=$((bar + 0x1000))
n=1
while cap=$(devmem $((page + 4 * n))) && [ $((cap & 0xffff)) != 5 ]; do
	n=$((n + 1))
	[ $n -lt 16 ] || { echo "no HDM decoders in the page at $page, $cap"; exit 1; }
done
hdm=$((page + (cap >> 20)))
commit()
{
	devmem $((hdm + 0x4)) 32 2
	devmem $((hdm + 0x10)) 32 $(($1 & 0xffffffff))
	devmem $((hdm + 0x14)) 32 $(($1 >> 32))
	devmem $((hdm + 0x20)) 32 0x200
	echo $(($(devmem $((hdm + 0x20))) >> 10 & 3))
}
uncommit() { devmem $((hdm + 0x20)) 32 0; }
control() { devmem $((hdm + 0x20)); }
"""


# What takes the memory away, or sounds as if it did: by whom, in which machine ($b
# is the device there), and whether a CPU that is in the way may notice
EVENTS = [
    ("a function level reset by the guest", "guest",
     "cd /sys/bus/pci/devices/$b && echo flr >reset_method && echo 1 >reset", True),
    ("a CXL Reset by the guest", "guest",
     "setpci -s $b ECAP23+10.w=4; until [ $(($((0x$(setpci -s $b ECAP23+12.w))) & 6)) != 0 ]; do sleep 0.1; done",
     True),
    ("D3hot and back by the guest", "guest",
     "setpci -s $b CAP_PM+4.w=3; sleep 0.5; setpci -s $b CAP_PM+4.w=0; sleep 0.1", True),
    # Not often: where two CPUs are busy, nested KVM under TCG now and then halts one for
    # good when slots of memory change, 1 time of some 400, for a plain PCI device as well.
    ("Memory Space off and on by the guest, 3 times", "guest",
     "for i in $(seq 3); do setpci -s $b COMMAND=0:2; setpci -s $b COMMAND=2:2; done", False),
    ("a reset by the host, behind QEMU's back", "host", "echo 1 >/sys/bus/pci/devices/$b/reset", True),
]


def copies(t, works=True):
    """Have accelerator 0 copy from its own memory and to its peer's, by bus address"""
    names = t.use(0, 1)
    copy(t, names, "", works)
    return names


def copy(t, names, when, works=True):
    base = {n: t.get(n, "cxl-base") for n in (0, 1)}
    for n in (0, 1):
        t.vm.guest.sh(f"head -c 65536 /dev/urandom | dd of=/dev/{names[n]} bs=65536 seek={n + 1} iflag=fullblock")
    jobs = [
        ("its own memory", COPY_IN, base[0] + 0x10000, 0x300000, (0, 0x10000), (0, 0x300000)),
        ("its peer's memory", COPY_IN, base[1] + 0x20000, 0x400000, (1, 0x20000), (0, 0x400000)),
        ("its own to its peer's memory", COPY_OUT, 0x10000, base[1] + 0x500000, (0, 0x10000), (1, 0x500000)),
    ]
    for what, command, src, dst, source, target in jobs:
        status, said = t.vm.guest.run(f"echo {command:x} {src:x} {dst:x} 10000 "
                                      f">/sys/kernel/debug/{names[0]}/command")
        data = []
        for n, offset in (source, target):
            with open(t.dpa(n), "rb") as file:
                file.seek(offset)
                data.append(file.read(0x10000))
        if works:
            t.check(status == 0 and data[0] == data[1] and any(data[0]),
                    f"DMA by accel0{when}, {what}: the bytes are in the files", said)
        else:
            t.check(status != 0 and data[0] != data[1],
                    f"DMA by accel0{when}, {what}: refused, as documented", f"status {status}")


STRUCT_PAGES = "/sys/module/vfio_cxl_pci/parameters/struct_pages"
TYPE1 = "/sys/module/vfio_cxl_pci/parameters/unsafe_type1_dma"


def dma_type1(t):
    """Device DMA to device memory with VFIO's own IOMMU backend: an opt-in"""
    t.start(*PORT1, *t.device(0, "rp0"), *t.device(1, "rp1"))
    copies(t, works=False)
    t.vm.sh(f"echo 1 >{TYPE1}")
    try:
        t.start(*PORT1, *t.device(0, "rp0"), *t.device(1, "rp1"))
        copies(t)
    finally:
        t.vm.sh(f"echo 0 >{TYPE1}")


def dma_iommufd(t):
    """The same with iommufd, by dma-buf; and again after all that takes the memory away"""
    t.vm.sh("modprobe iommufd")
    t.start("-object", "iommufd,id=iommufd0", *PORT1, *t.device(0, "rp0", iommufd="iommufd0"),
            *t.device(1, "rp1", iommufd="iommufd0"))
    names = copies(t)
    for what, where, command, _ in EVENTS:
        for n in (0, 1):
            t.happen(n, names[n], where, command)
        t.vm.guest.sh(". /lib/vm.sh; for b in $(accels); do setpci -s $b COMMAND=6:6; done")
        copy(t, names, f" after {what}")
    good, report = t.vm.engine_selftest()
    t.check(good, "DMA to the guest's RAM works", report)
    t.vm.guest_qmp("system_reset")
    t.vm.wait_for_guest()
    copies(t)


def viommu(t, *backend, **more):
    """The guest has an IOMMU of its own, and its kernel uses it"""
    # No wider than the host's
    t.start("-device", "intel-iommu,intremap=off,caching-mode=on,aw-bits=39", *backend, *t.device(0, "rp0", **more))
    for turn in ("at first", "after a reset"):
        t.use(0)
        groups = t.vm.guest.sh("ls /sys/class/iommu; ls /sys/kernel/iommu_groups | wc -l").split()
        t.check(groups[0].startswith("dmar") and int(groups[-1]) > 0, f"{turn}: the guest uses its IOMMU", groups)
        good, report = t.vm.engine_selftest()
        t.check(good, f"{turn}: DMA to the guest's RAM works through it", report)
        if turn == "at first":
            t.vm.guest_qmp("system_reset")
            t.vm.wait_for_guest()


def viommu_type1(t):
    """A guest with an IOMMU of its own, over VFIO type1"""
    viommu(t)


def viommu_iommufd(t):
    """A guest with an IOMMU of its own, over iommufd"""
    t.vm.sh("modprobe iommufd")
    viommu(t, "-object", "iommufd,id=iommufd0", iommufd="iommufd0")


def uefi(t):
    """A PC with UEFI (OVMF) instead of a BIOS"""
    t.start("-bios", "OVMF.fd", "-kernel", "/qemu/bzImage", *PORT1, *t.device(0, "rp0"), *t.device(1, "rp1"))
    booted = t.vm.guest.sh("dmesg | grep -c 'efi: EFI v'").strip()
    t.check(booted == "1", "the kernel was started by UEFI", booted)
    t.use(0, 1)
    t.vm.guest_qmp("system_reset")
    t.vm.wait_for_guest()
    t.use(0, 1)


def unprivileged(t):
    """QEMU as an ordinary user, who gets open files and may lock the guest's RAM and 64 MiB"""
    ram = 512 << 10
    cdev = t.vm.sh(f"modprobe iommufd; ls /sys/bus/pci/devices/{t.bdfs[0]}/vfio-dev").strip()
    t.end()
    t.vm.sh("modprobe kvm_amd || modprobe kvm_intel; chmod 666 /dev/kvm /dev/vport*")
    files = f"8<>/dev/iommu 9<>/dev/vfio/devices/{cdev}"
    args = ["-object", "iommufd,id=iommufd0,fd=8",
            *quoted({"driver": "vfio-pci", "id": "accel0", "fd": "9", "bus": "rp0", "iommufd": "iommufd0"})]

    def start(kib):
        t.start(*args, env=f"ulimit -l {kib}; {files} GUEST_AS='/usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups'")

    start(ram + (64 << 10))
    t.check("1000" in t.vm.sh("stat -c %u /proc/$(pidof qemu-system-x86_64)"), "QEMU is no root")
    t.use(0)
    good, report = t.vm.engine_selftest()
    t.check(good, "DMA to the guest's RAM works", report)
    try:
        start(ram // 2)
        refused = ""
    except VMError as error:
        refused = str(error)
    t.check("Cannot allocate memory" in refused, "with half of it QEMU says what it cannot have", refused)
    t.say(refused)


def struct_pages(t):
    """Memory with struct pages, as KVM on Intel wants it: CPUs, DMA, and after a reset"""
    before = t.vm.sh(f"cat {STRUCT_PAGES}").strip()
    rebind = (". /lib/vm.sh; for b in $(accels); do unbind $b; done; "
              "for b in $(accels); do bind vfio-cxl-pci $b || exit; done")
    t.end()
    t.vm.sh(f"echo on >{STRUCT_PAGES}; {rebind}; modprobe iommufd")
    try:
        t.start("-object", "iommufd,id=iommufd0", *PORT1, *t.device(0, "rp0", iommufd="iommufd0"),
                *t.device(1, "rp1", iommufd="iommufd0"))
        said = t.vm.sh("cat /sys/kernel/debug/vfio-cxl-pci/*")
        t.check(said.count("struct pages: yes") == len(t.bdfs), "all have struct pages", said)
        t.use(0, 1)
        copies(t)
        t.vm.guest_qmp("system_reset")
        t.vm.wait_for_guest()
        t.use(0, 1)
    finally:
        t.end()
        t.vm.sh(f"echo {before} >{STRUCT_PAGES}; {rebind}")


def leaves(t):
    """Memory of several GiB beside an odd 256 MiB of RAM: leaves of 1 GiB in every table on the way"""
    t.vm.sh("modprobe iommufd")
    # The window has room for a multiple of a GiB, wherever it begins itself.
    t.start("-object", "iommufd,id=iommufd0", "-m", "1280M", *t.device(LARGE, "rp0", iommufd="iommufd0"),
            env=f"GUEST_MACHINE=cxl-fmw.0.size={LARGE_GIB + 1}G")
    name, = t.bind().values()
    base = t.get(LARGE, "cxl-base")
    t.check(base % GIB == 0, "it begins at a multiple of a GiB", hex(base))

    def counted():
        """Faults of the mapping by size, and what KVM maps in leaves of 1 GiB"""
        said = t.vm.sh(f"cat /sys/kernel/debug/vfio-cxl-pci/{t.bdfs[LARGE]} /sys/kernel/debug/kvm/pages_1g")
        faults = re.search(r"faults: 4K (\d+), PMD (\d+), PUD (\d+)", said)
        return [int(n) for n in (*faults.groups(), said.split()[-1])]

    before = counted()
    for gib in range(LARGE_GIB):
        t.vm.guest.sh(f"echo gib{gib} | dd of=/dev/{name} bs=1M seek={gib << 10} conv=notrunc 2>/dev/null")
    said = t.vm.guest.sh(f"for g in $(seq 0 {LARGE_GIB - 1}); do "
                         f"dd if=/dev/{name} bs=1M skip=$((g << 10)) count=1 2>/dev/null | head -n 1; done").split()
    t.check(said == [f"gib{gib}" for gib in range(LARGE_GIB)], "each GiB keeps what is written", said)
    small, medium, large, kvm = (b - a for a, b in zip(before, counted()))
    t.check((small, medium, large) == (0, 0, LARGE_GIB), f"{LARGE_GIB} faults, of 1 GiB each",
            f"{small} of 4 KiB, {medium} of 2 MiB, {large} of 1 GiB")
    t.check(kvm == LARGE_GIB, f"KVM maps it in {LARGE_GIB} leaves", kvm)
    found = iommu.leaves(t.vm.qmp, t.bdfs[LARGE], base, base + LARGE_GIB * GIB - 1)
    t.check(found == [(base + gib * GIB, GIB) for gib in range(LARGE_GIB)],
            f"the IOMMU maps it in {LARGE_GIB} leaves", [(hex(at), hex(size)) for at, size in found[:8]])


def narrow_iommu(t):
    """Device memory above what the IOMMU translates: CPUs use it, and the warning says who cannot"""
    t.vm.sh("modprobe iommufd")
    t.start("-object", "iommufd,id=iommufd0", "-m", "512M,slots=2,maxmem=600G", *t.device(0, "rp0", iommufd="iommufd0"))
    base = t.get(0, "cxl-base")
    t.check(base >= 1 << 39, "the memory is above 39 bits", hex(base))
    t.use(0)
    good, report = t.vm.engine_selftest()
    t.check(good, "DMA to the guest's RAM works", report)
    said = t.vm.sh("grep -i 'warning\\|error' /tmp/guest.log || true").splitlines()
    t.check(len(said) == 1 and f"{t.bdfs[0]}: CXL memory is not mapped for DMA" in said[0],
            "one warning says that it is not mapped for DMA", said)


def tools(t):
    """What cxl and lspci say in the guest"""
    t.start(*t.device(0, "rp0"))
    base = t.get(0, "cxl-base")
    t.bind()
    # It says that it cannot tell all of a memory device that has no mailbox.
    said = t.vm.guest.sh("cxl list -BEDR 2>/dev/null")
    t.say(said)
    listed = json.loads(said)
    text = json.dumps(listed)
    regions = []

    def walk(node):
        if isinstance(node, dict):
            if str(node.get("region", "")).startswith("region") and "resource" in node:
                regions.append(node)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(listed)
    t.check(any(r["resource"] == base and r["size"] == SIZE for r in regions),
            "cxl lists the region, at its address and with its size", text)
    said = t.vm.guest.sh(". /lib/vm.sh; lspci -vv -s $(accels)")
    t.say(said)
    for want in ("CXLCap:", "Cache+", "Mem+", "Kernel driver in use: cxl_accel"):
        t.check(want in said, f"lspci says '{want}'", said)


def as_printed(t):
    """A guest from nothing but what vfio-cxl qemu prints for two accelerators"""
    t.vm.sh("modprobe iommufd")
    said = t.vm.sh(f"vfio-cxl qemu {' '.join(t.bdfs[:2])}")
    t.say(said)
    t.start(*said.replace("\\\n", " ").split(), env="GUEST_BARE=1")
    t.use(0, 1)
    states = [t.get(n, "cxl-state") for n in (0, 1)]
    t.check(states == ["firmware-committed"] * 2, "both are committed by firmware", states)


def as_libvirt(t):
    """What vfio-cxl libvirt prints, as libvirt 11.3 gives it to QEMU"""
    said = t.vm.sh(f"vfio-cxl libvirt --index 1 {' '.join(t.bdfs[:2])}")
    t.say(said)
    domain = ElementTree.fromstring(said)
    qemu = "{http://libvirt.org/schemas/domain/qemu/1.0}"
    overrides = {device.get("alias"): {p.get("name"): p.get("value") for p in device.iter(f"{qemu}property")}
                 for device in domain.iter(f"{qemu}device")}
    args = ["-machine", "q35"]

    def add(element, alias, properties):
        address = element.find("address")
        if address is not None:
            properties |= {"bus": f"pci.{address.get('bus')}", "addr": hex(int(address.get("slot")))}
        args.extend(quoted({"id": alias} | properties | overrides.pop(alias, {})))

    for controller in domain.iter("controller"):
        target = controller.find("target")
        if controller.get("model") == "pcie-expander-bus":
            properties = {"driver": "pxb-pcie", "bus": "pcie.0", "bus_nr": int(target.get("busNr"))}
        else:
            properties = {"driver": "pcie-root-port", "port": int(target.get("port")),
                          "chassis": int(target.get("chassis"))}
        add(controller, f"pci.{controller.get('index')}", properties)
    for hostdev in domain.iter("hostdev"):
        source = hostdev.find("source/address")
        host = "{}:{}:{}.{}".format(*(source.get(key)[2:] for key in ("domain", "bus", "slot", "function")))
        alias = hostdev.find("alias").get("name")
        add(hostdev, alias, {"driver": "vfio-pci", "host": host})
    t.check(not overrides, "each override is of a device that there is", overrides)
    args += [arg.get("value") for arg in domain.iter(f"{qemu}arg")]
    t.start(*args, env="GUEST_BARE=1")
    t.prefix = "ua-accel"
    t.use(0, 1)
    states = [t.get(n, "cxl-state") for n in (0, 1)]
    t.check(states == ["firmware-committed"] * 2, "both are committed by firmware", states)


def guest_commits(t):
    """Memory that follows decoder 0 as the guest itself commits it"""
    t.start(*t.device(0, "rp0"))
    base = t.get(0, "cxl-base")

    def hdm(command):
        return t.vm.guest.sh(HDM + command).strip()

    def present(where):
        """Whether the first 4 bytes of the memory are there, both ways"""
        with open(t.dpa(0), "r+b", buffering=0) as file:
            file.write((0x11223344).to_bytes(4, "little"))
            if int(t.vm.guest.sh(f"devmem {where:#x}"), 0) != 0x11223344:
                return False
            t.vm.guest.sh(f"devmem {where:#x} 32 0x55667788")
            file.seek(0)
            return int.from_bytes(file.read(4), "little") == 0x55667788

    t.check(t.get(0, "cxl-state") == "firmware-committed" and present(base),
            "committed by firmware, the memory is there")
    t.vm.guest.sh(". /lib/vm.sh; b=$(accels); [ $(setpci -s $b ECAP23+8.w) = 0000 ] && "
                  "setpci -s $b ECAP23+10.w=4 && "
                  "while [ $(($((0x$(setpci -s $b ECAP23+12.w))) & 6)) = 0 ]; do sleep 0.1; done; sleep 1")
    t.check(t.get(0, "cxl-state") == "firmware-committed" and present(base),
            "after a CXL Reset by the guest it is still there", t.get(0, "cxl-state"))
    t.vm.guest.sh(". /lib/vm.sh; cd /sys/bus/pci/devices/$(accels) && echo cxl_bus >reset_method && echo 1 >reset")
    t.check(t.get(0, "cxl-state") == "uncommitted" and not present(base),
            "after a secondary bus reset by the guest it is gone", t.get(0, "cxl-state"))
    t.check(hdm(f"commit {base + SIZE}") == "1" and t.get(0, "cxl-state") == "uncommitted" and
            not present(base + SIZE) and not present(base),
            "committed by the guest where the bridge does not lead to it, it is nowhere",
            (t.get(0, "cxl-state"), hdm("control")))
    hdm("uncommit")
    t.check(hdm(f"commit {base}") == "1" and t.get(0, "cxl-state") == "guest-committed" and
            t.get(0, "cxl-base") == base and present(base),
            "committed by the guest where it does, it is there", (t.get(0, "cxl-state"), hdm("control")))
    hdm("uncommit")
    t.check(t.get(0, "cxl-state") == "uncommitted" and not present(base),
            "taken back, it is gone", t.get(0, "cxl-state"))
    t.vm.guest_qmp("system_reset")
    t.vm.wait_for_guest()
    t.check(t.get(0, "cxl-state") == "firmware-committed" and present(base),
            "after a system reset it is where it was", t.get(0, "cxl-state"))

    t.start(*t.device(0, "rp0", **{"cxl-firmware-commit": False}))
    t.check(t.get(0, "cxl-state") == "uncommitted" and t.get(0, "cxl-window") == "none" and
            not present(base), "with cxl-firmware-commit=off it is nowhere", t.get(0, "cxl-state"))
    t.check(hdm(f"commit {base}") == "1" and t.get(0, "cxl-state") == "guest-committed" and present(base),
            "until the guest commits it", (t.get(0, "cxl-state"), hdm("control")))
    hdm("uncommit")
    hdm(f"commit {base + (64 << 30)}")
    t.check(t.get(0, "cxl-state") == "uncommitted" and not present(base),
            "outside a window it is nowhere", t.get(0, "cxl-state"))
    t.vm.guest_qmp("system_reset")
    t.vm.wait_for_guest()
    t.check(t.get(0, "cxl-state") == "uncommitted" and not present(base),
            "after a system reset it is nowhere again", t.get(0, "cxl-state"))


def touched(t):
    """A second CPU reads and writes the memory all the while it goes and comes back"""
    t.start("-smp", "2", *t.device(0, "rp0"))
    base = t.get(0, "cxl-base")
    for what, where, command, notices in EVENTS:
        name = t.bind()[base]
        t.vm.guest.sh(f"taskset 2 toucher /dev/{name} /tmp/touched >/dev/null 2>&1 </dev/null & echo $! >/tmp/toucher; sleep 0.5")
        t.happen(0, name, where, command)
        status = t.vm.guest_qmp("query-status")["status"]
        t.check(status == "running", f"{what}: the guest goes on", status)
        if status != "running":
            break
        log = t.vm.guest.sh("sleep 0.5; kill $(cat /tmp/toucher); "
                            "while kill -0 $(cat /tmp/toucher) 2>/dev/null; do sleep 0.1; done; cat /tmp/touched")
        kinds = [line.split()[0] for line in log.splitlines()]
        t.check(set(kinds) <= ({"there", "old", "gone"} if notices else {"there"}) and kinds[-1] == "there",
                f"{what}: the CPU finds what it wrote{', or all ones meanwhile' if notices else ''}", log)
        t.say(log)
        control = int(t.vm.guest.sh(HDM + "control"), 0)
        t.check(control & 0x500 == 0x500, f"{what}: decoder 0 is committed and locked", f"{control:#x}")


SCENARIOS = [two_devices, four_devices, below_a_switch, two_bridges, resets, reloaded, kexec, hotplug,
             hotplug_beside, guest_commits, touched, dma_type1, dma_iommufd, viommu_type1, viommu_iommufd, uefi,
             unprivileged, struct_pages, leaves, narrow_iommu, tools, as_printed, as_libvirt]


def main():
    wanted = [s for s in SCENARIOS if not sys.argv[1:] or s.__name__ in sys.argv[1:]]
    tap = Writer(len(wanted))
    os.makedirs(RUN, exist_ok=True)
    # An IOMMU of 39 bits, as smaller machines have: see narrow_iommu
    with HostVM("nested", devices=OTHERS, iommu=",aw-bits=39") as vm:
        vm.boot()
        if PAGES:
            vm.sh(f"modprobe vfio-cxl-pci && echo {PAGES} >{STRUCT_PAGES}")
        bdfs = vm.sh(". /lib/vm.sh; for b in $(accels); do bind vfio-cxl-pci $b || exit; done; accels").split()
        for scenario in wanted:
            t = Scenario(vm, bdfs, tap.subtest())
            t.say(scenario.__doc__)
            try:
                scenario(t)
                t.end()
            except (VMError, ValueError, KeyError) as error:
                alive = vm.process.poll() is None
                if alive:
                    vm.autopsy("this is how it is now")
                t.check(False, f"{scenario.__name__} ran to its end", f"{type(error).__name__}: {error}")
                if not alive:
                    raise
                t.end()
            t.tap.done()
            tap.result(t.tap.count and not t.tap.failed, scenario.__name__)
        complaints = vm.complaints()
        if complaints:
            tap.comment("\n".join(complaints[:5]))
            tap.bail_out("a kernel complained")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())

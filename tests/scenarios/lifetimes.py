# SPDX-License-Identifier: GPL-2.0-only
"""Guests that start again in every way, and accelerators that come and go."""

import os

from .scenario import BOTH, ONE, PORT1, SIZE

RESETS = int(os.environ.get("RESETS", "4"))


def resets(t):
    """System resets in a row, one of them by the guest itself"""
    t.start(at=ONE)
    base = t.get(0, "cxl-base")
    t.use(0)
    good = 0
    for turn in range(RESETS):
        if turn:
            t.reset()
        else:
            t.vm.guest.tell("reboot -f")
            t.vm.wait_for_guest()
        good += t.get(0, "cxl-base") == base and base in t.bind()
    t.check(good == RESETS, f"{RESETS} resets, and each time the memory is found where it was", good)
    t.use(0)


# In the guest: unload all of CXL, and with it the ports and decoders that it has found.
# A module may be in use until the CXL core has detached what another one left.
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
    t.start(*PORT1, at=BOTH)
    t.use(0, 1)
    for _ in range(2):
        t.vm.guest.sh(UNLOAD)
        t.committed(0, 1, when="with the modules gone, ")
        t.use(0, 1)


def kexec(t):
    """A guest that starts another kernel itself: no firmware and no reset in between"""
    t.start(*PORT1, "-fsdev", "local,id=qemu,path=/qemu,security_model=none,readonly=on",
            "-device", "virtio-9p-pci,bus=pcie.0,fsdev=qemu,mount_tag=qemu", at=BOTH)
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
    t.start(*PORT1[:-1], PORT1[-1] + f",hdm-reserve={SIZE}", at=ONE)
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
    t.reset()
    t.use(upper)
    t.plug(lower, f"rp{lower}", of=2)
    t.use(0, 1)


SCENARIOS = [resets, reloaded, kexec, hotplug, hotplug_beside]

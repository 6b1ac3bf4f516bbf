#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Use our packages on a Debian 13 machine with libvirt, as their users do. Prints TAP.

tests/distro/image makes the machine. It boots once for each of PARTS; what one part
leaves on the disk, the next finds there.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from xml.etree import ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from channels import VMError
from platforms import BUILD, RUN
from tap import Writer
from topology import accelerator, port
from vm import HostVM

DISTRO = os.path.join(BUILD, "distro")
QEMU_NS = "http://libvirt.org/schemas/domain/qemu/1.0"
EMULATOR = "/usr/bin/qemu-system-x86_64-vfio-cxl"
DRIVER = "vfio-cxl-pci"
TURNS = 20
ACCEL = "0x1b36 0x0c12"
# The devices: the usual one, and one that firmware committed no memory of
OTHERS = port(1) + accelerator("accel1", "rp1", "256M", **{"firmware-committed": "off"})
# Where the memory of the first is: firmware's window behind 4 GiB of RAM
WINDOW = 0x190000000
SOFT_RESERVED = "memmap=256M%{:#x}+0xefffffff"

# Lines in the kernel's log that an administrator would take for a fault; and one of the
# PCI core at each open, which no driver can prevent (docs/troubleshooting.rst)
ALARMING = re.compile(r"error|fail|can't|cannot|lost|unsupported|warn", re.IGNORECASE)
UNAVOIDABLE = "BAR 0: can't reserve"


class Distro(HostVM):
    memory = "4G"
    kernel = os.path.join(DISTRO, "vmlinuz")
    initrd = os.path.join(DISTRO, "initrd.img")

    def __init__(self, name, append=""):
        disk = os.path.join(RUN, "root.img")
        super().__init__(name, append=f"root=/dev/vda rw systemd.show_status=0 quiet loglevel=4 {append}",
                         devices=[*OTHERS, "-drive", f"file={disk},format=raw,if=none,id=root,cache=unsafe",
                                  "-device", "virtio-blk-pci,drive=root,bus=pcie.0"])

    def power_off(self):
        """Shut down as an administrator does, so that all is on the disk."""
        self.tell("systemctl poweroff")
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            raise VMError("the machine does not power off") from None

    def accels(self):
        said = self.sh("cd /sys/bus/pci/devices && for d in *; do "
                       f"[ \"$(cat $d/vendor $d/device | xargs)\" != '{ACCEL}' ] || echo $d; done")
        return said.split()

    def driver(self, bdf):
        return self.sh(f"[ ! -e /sys/bus/pci/devices/{bdf}/driver ] || "
                       f"basename $(readlink /sys/bus/pci/devices/{bdf}/driver)").strip()

    def driver_log(self, bdf):
        return self.sh(f"dmesg | grep -F 'vfio-cxl-pci {bdf}' || true").splitlines()


class Test:
    def __init__(self, tap):
        self.tap = tap

    def check(self, ok, name, details=""):
        self.tap.result(ok, name, str(details))

    def red(self, vm, bdf, name, finding, remedy):
        """check reports that finding, names the remedy, and fails"""
        status, said = vm.run(f"vfio-cxl check {bdf}")
        lines = said.splitlines()
        at = [n for n, line in enumerate(lines) if re.match(rf"\s*no\s+{finding}\b", line)]
        told = bool(at) and any(remedy in line for line in lines[at[0]:at[0] + 3])
        self.check(status == 1 and told, f"{name}: check says no to {finding}, and what to do", said)


def no_iommu(t):
    """A host that was booted without IOMMU"""
    with Distro("distro", "intel_iommu=off") as vm:
        vm.boot(timeout=400)
        bdf, _ = vm.accels()
        t.red(vm, bdf, "without IOMMU", "iommu", "intel_iommu=on")
        status, said = vm.run(f"vfio-cxl bind {bdf}")
        t.check(status == 1 and "IOMMU" in said and not vm.driver(bdf), "bind refuses, names it, and binds nothing", said)
        vm.power_off()


def soft_reserved(t):
    """A host whose firmware left the memory to the kernel"""
    with Distro("distro", SOFT_RESERVED.format(WINDOW)) as vm:
        vm.boot(timeout=400)
        bdf, _ = vm.accels()
        owner = vm.sh(f"grep -i -A4 '^ *{WINDOW:x}-' /proc/iomem || true")
        status, said = vm.run(f"vfio-cxl bind {bdf}")
        t.check(status == 1 and "blocklist dax_hmem" in said and not vm.driver(bdf),
                "bind says that dax_hmem has the memory", f"{owner}\n{said}")
        vm.power_off()
    with Distro("distro", SOFT_RESERVED.format(WINDOW) + " module_blacklist=dax_hmem") as vm:
        vm.boot(timeout=400)
        bdf, _ = vm.accels()
        status, said = vm.run(f"vfio-cxl bind {bdf}")
        t.check(not status and vm.driver(bdf) == DRIVER, "with the module blocklisted it is bound", said)
        vm.power_off()


def complete(t):
    """All is in place; then one thing at a time is missing"""
    with Distro("distro") as vm:
        vm.boot(timeout=400)
        bdf, uncommitted = vm.accels()
        release = vm.sh("uname -r").strip()
        said = vm.sh("dkms status")
        t.check(re.search(rf"^vfio-cxl/.*, {re.escape(release)}, .*: installed", said, re.MULTILINE),
                f"DKMS has the driver for {release}", said)
        vm.sh(f"modprobe {DRIVER}")
        status, said = vm.run(f"vfio-cxl check {bdf}")
        t.check(not status, "check says that nothing is missing", said)

        # Not by modprobe -r, which takes the soft dependency cxl_acpi along
        vm.sh(f"rmmod {DRIVER} && cd /lib/modules/{release}/updates/dkms && "
              "for f in vfio-cxl-pci.ko*; do mv $f /root/; done && depmod -a")
        t.red(vm, bdf, "without the module", "module", "vfio-cxl-dkms")
        vm.sh(f"mv /root/vfio-cxl-pci.ko* /lib/modules/{release}/updates/dkms/ && depmod -a")

        # driverctl would add a new_id, and vfio-pci take both devices.
        vm.sh(f"modprobe vfio-pci && cd /sys/bus/pci && echo vfio-pci >devices/{bdf}/driver_override && "
              f"echo {bdf} >drivers_probe")
        t.red(vm, bdf, "bound to vfio-pci", "driver", "bind --replace")
        status, said = vm.run(f"vfio-cxl bind --replace {bdf}")
        t.check(not status and vm.driver(bdf) == DRIVER, "and bind --replace binds it", said)
        vm.sh(f"vfio-cxl unbind {bdf}")

        t.check(not vm.run(f"vfio-cxl bind {uncommitted}")[0], "a device without memory can be bound")
        t.red(vm, uncommitted, "memory that firmware did not map", "decoders", "firmware")
        vm.sh(f"vfio-cxl unbind {uncommitted}")

        vm.sh("modprobe -r cxl_acpi")
        t.red(vm, bdf, "without cxl_acpi", "cxl-core", "modprobe cxl_acpi")
        vm.sh("modprobe cxl_acpi && udevadm settle")

        status, said = vm.run(f"vfio-cxl bind --persist {bdf}")
        t.check(not status and vm.driver(bdf) == DRIVER, "bind --persist binds it", said)
        status, said = vm.run(f"vfio-cxl check {bdf}")
        t.check(not status, "check says again that nothing is missing", said)
        vm.power_off()


def written(path):
    """Size of a file's megabytes that are not all zero"""
    count = 0
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            count += len(data) if data.count(0) < len(data) else 0
    return count


# In the guest: all blocks that are offline are the accelerator's. Some of it stays free:
# short of memory of one node the kernel would kill somebody. What a file takes that must
# be in node 1 is printed at the end, in KiB, if it reads as written.
FILL_NODE = """
set -e
echo 1 >$(echo /sys/bus/pci/drivers/cxl_accel/0*/add_memory)
for m in /sys/devices/system/memory/memory*; do
    [ "$(cat $m/state)" != offline ] || echo online_movable >$m/state
done
grep -E 'MemTotal|MemFree' /sys/devices/system/node/node1/meminfo
size=$(awk '/MemFree/ { print int($4 / 1024) - 32 }' /sys/devices/system/node/node1/meminfo)
mkdir -p /tmp/node1
mount -t tmpfs -o size=${size}m,mpol=bind:1 none /tmp/node1
head -c $((size << 20)) /dev/urandom | tee /tmp/node1/data | md5sum >/tmp/sum
md5sum </tmp/node1/data | cmp - /tmp/sum
awk '/MemFree/ { print $4, "KiB of node 1 are free now" }' /sys/devices/system/node/node1/meminfo
du -k /tmp/node1/data | { read kib rest; echo $kib; }
"""


def domain_of(vm, bdf):
    """What vfio-cxl libvirt prints, as a whole domain"""
    ElementTree.register_namespace("qemu", QEMU_NS)
    domain = ElementTree.fromstring(vm.sh(f"vfio-cxl libvirt --index 8 {bdf}"))
    domain.set("type", "kvm")
    ours = ElementTree.fromstring(f"""
        <domain>
          <name>guest</name>
          <memory unit='MiB'>768</memory>
          <vcpu>1</vcpu>
          <os>
            <type arch='x86_64' machine='q35'>hvm</type>
            <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
            <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/>
            <kernel>/guest/vmlinuz</kernel>
            <initrd>/guest/initrd</initrd>
            <cmdline>console=ttyS0 no_timer_check tsc=nowatchdog loglevel=5 panic=-1</cmdline>
          </os>
          <features><acpi/><apic/></features>
          <cpu mode='host-passthrough'>
            <numa><cell id='0' cpus='0' memory='768' unit='MiB'/></numa>
          </cpu>
          <devices>
            <emulator>{EMULATOR}</emulator>
            <serial type='file'><source path='/var/log/libvirt/qemu/console'/></serial>
            <channel type='unix'>
              <source mode='bind' path='/run/libvirt/qemu/channel/cmd'/>
              <target type='virtio' name='cmd'/>
            </channel>
            <memballoon model='none'/>
          </devices>
        </domain>""")
    devices = domain.find("devices")
    devices.extend(ours.find("devices"))
    for element in reversed([e for e in ours if e.tag != "devices"]):
        domain.insert(0, element)
    return ElementTree.tostring(domain, encoding="unicode")


def guest_of_libvirt(t):
    """After a reboot: detached and attached again and again, and in a guest"""
    with Distro("distro") as vm:
        vm.boot(timeout=400)
        bdf, _ = vm.accels()
        vm.run(f"n=0; until [ -e /sys/bus/pci/drivers/{DRIVER}/{bdf} ]; do "
               "sleep 0.5; n=$((n + 1)); [ $n -lt 120 ] || exit; done")
        t.check(vm.driver(bdf) == DRIVER, "after a reboot it is bound", vm.run("systemctl status 'driverctl*'")[1])
        node = "pci_" + re.sub("[:.]", "_", bdf)
        status, said = vm.run(f"vfio-cxl unbind --persist {bdf}")
        kept = vm.sh("ls -A /etc/driverctl.d")
        t.check(not status and not kept and not vm.driver(bdf), "unbind --persist forgets it", said + kept)
        turns, said = 0, ""
        while turns < TURNS:
            status, said = vm.run(f"virsh nodedev-detach {node} --driver {DRIVER}")
            if status or vm.driver(bdf) != DRIVER:
                break
            status, said = vm.run(f"virsh nodedev-reattach {node}")
            if status or vm.driver(bdf) == DRIVER:
                break
            turns += 1
        t.check(turns == TURNS, f"libvirt detaches and attaches it {TURNS} times", f"{turns} turns; {said}")

        xml = domain_of(vm, bdf)
        vm.sh(f"printf %s {shlex.quote(xml)} >/tmp/guest.xml && virsh define /tmp/guest.xml")
        before = len(vm.driver_log(bdf))
        status, said = vm.run("virsh start guest")
        t.check(not status, "libvirt starts the guest", said + vm.run(
            "tail -n 5 /var/log/libvirt/qemu/guest.log; dmesg | grep -i apparmor | tail -n 5")[1])
        if status:
            return
        t.check(vm.driver(bdf) == DRIVER, "libvirt has bound the driver that the XML names")
        profile = vm.sh("cat /proc/$(cat /run/libvirt/qemu/guest.pid)/attr/current")
        t.check(profile.startswith("libvirt-") and "enforce" in profile, "its QEMU is confined by AppArmor", profile)
        vm.tell("exec socat UNIX-CONNECT:/run/libvirt/qemu/channel/cmd OPEN:/dev/virtio-ports/guest-cmd,rdwr "
                ">/dev/null 2>&1 &")
        try:
            vm.guest.wait_ready(600)
        except VMError:
            t.check(False, "the guest comes up", vm.run("tail -n 40 /var/log/libvirt/qemu/console")[1])
            raise
        uname = vm.guest.sh("uname -r; [ -d /sys/firmware/efi ] && echo efi")
        t.check("deb13" in uname and "efi" in uname, "the guest runs Debian's kernel, by UEFI", uname)
        vm.guest.sh("modprobe -a cxl_acpi cxl_port cxl_mem cxl_accel && "
                    "n=0; while [ ! -e /dev/cxl_accel0 ] && [ $n -lt 100 ]; do n=$((n + 1)); sleep 0.2; done")
        wrong = vm.same_content(vm.dpa, say=t.tap.comment)
        t.check(not wrong, "what the guest writes is in the device, and the other way round", wrong)

        said = vm.guest.sh(FILL_NODE, line=t.tap.comment)
        kib = int(said.split()[-1])
        t.check(kib > 200 << 10 and written(vm.dpa) > kib << 10,
                f"the guest puts the memory online as node 1, and {kib >> 10} MiB of it keep what is written", said)

        dirty = written(vm.dpa)
        status, said = vm.run("virsh destroy guest")
        left = written(vm.dpa)
        t.check(dirty and not status and not left, "virsh destroy leaves zeroes", f"{said}; {left} bytes are left")
        t.check(vm.driver(bdf) != DRIVER, "and gives the device back", vm.driver(bdf))
        lines = [line for line in vm.driver_log(bdf)[before:] if UNAVOIDABLE not in line]
        t.check(len(lines) <= 4 and not any(ALARMING.search(line) for line in lines),
                f"bind, open, run and close logged {len(lines)} lines, none of which alarms", "\n".join(lines))
        vm.power_off()


PARTS = [no_iommu, soft_reserved, complete, guest_of_libvirt]


def main():
    start = time.monotonic()
    os.makedirs(RUN, exist_ok=True)
    # The next run must not find what this one leaves on the disk.
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", os.path.join(DISTRO, "root.img"), RUN], check=True)
    parts = [part for part in PARTS if not sys.argv[1:] or part.__name__ in sys.argv[1:]]
    tap = Writer(len(parts))
    for part in parts:
        sub = tap.subtest()
        t = Test(sub)
        sub.comment(part.__doc__)
        try:
            part(t)
        except (VMError, ValueError) as error:
            t.check(False, f"{part.__name__} ran to its end", f"{type(error).__name__}: {error}")
        sub.done()
        tap.result(sub.count and not sub.failed, part.__name__)
    tap.comment(f"{time.monotonic() - start:.0f} s")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())

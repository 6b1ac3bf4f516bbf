# SPDX-License-Identifier: GPL-2.0-only
"""Guests as people start them: with UEFI, without privileges, by what vfio-cxl prints."""

import json
from xml.etree import ElementTree

from vm import VMError
from .scenario import BOTH, ONE, PORT1, SIZE, quoted


def uefi(t):
    """A PC with UEFI (OVMF) instead of a BIOS"""
    t.start("-bios", "OVMF.fd", "-kernel", "/qemu/bzImage", *PORT1, at=BOTH)
    booted = t.vm.guest.sh("dmesg | grep -c 'efi: EFI v'").strip()
    t.check(booted == "1", "the kernel was started by UEFI", booted)
    t.use(0, 1)
    t.reset()
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


def tools(t):
    """What cxl and lspci say in the guest"""
    t.start(at=ONE)
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
    """A guest started by nothing but what vfio-cxl qemu prints for two accelerators"""
    t.vm.sh("modprobe iommufd")
    said = t.vm.sh(f"vfio-cxl qemu {' '.join(t.bdfs[:2])}")
    t.say(said)
    t.start(*said.replace("\\\n", " ").split(), env="GUEST_BARE=1")
    t.use(0, 1)
    t.committed(0, 1)


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
    t.committed(0, 1)


SCENARIOS = [uefi, unprivileged, tools, as_printed, as_libvirt]

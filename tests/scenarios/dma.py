# SPDX-License-Identifier: GPL-2.0-only
"""DMA to device memory and to RAM, and how the page tables on the way map them."""

import os
import re

import iommu
from .gate import EVENTS
from .scenario import ATS, BOTH, GIB, LARGE, LARGE_GIB, ONE, PORT1

# Engine commands, docs/system/devices/cxl-type2.rst of QEMU
COPY_OUT, COPY_IN = 2, 3
COPIED = 0x10000            # bytes, of each copy
PAGE = 0x1000


def copies(t, works=True):
    """Have accelerator 0 copy from its own memory and to its peer's, by bus address"""
    names = t.use(0, 1)
    copy(t, names, "", works)
    return names


def copy(t, names, when, works=True, by=0):
    """The same of accelerators that the guest calls names, the engine being that of number by"""
    peer = 1 - by
    base = {n: t.get(n, "cxl-base") for n in (0, 1)}
    for n in (0, 1):
        t.vm.guest.sh(f"head -c {COPIED} /dev/urandom | dd of=/dev/{names[n]} bs={COPIED} seek={n + 1} iflag=fullblock")
    own, other = ((n + 1) * COPIED for n in (by, peer))
    jobs = [
        ("its own memory", COPY_IN, base[by] + own, 0x300000, (by, own), (by, 0x300000)),
        ("its peer's memory", COPY_IN, base[peer] + other, 0x400000, (peer, other), (by, 0x400000)),
        ("its own to its peer's memory", COPY_OUT, own, base[peer] + 0x500000, (by, own), (peer, 0x500000)),
    ]
    for what, command, src, dst, source, target in jobs:
        status, said = t.vm.guest.run(f"echo {command:x} {src:x} {dst:x} {COPIED:x} "
                                      f">/sys/kernel/debug/{names[by]}/command")
        data = []
        for n, offset in (source, target):
            with open(t.dpa(n), "rb") as file:
                file.seek(offset)
                data.append(file.read(COPIED))
        if works:
            t.check(status == 0 and data[0] == data[1] and any(data[0]),
                    f"DMA by accel{by}{when}, {what}: the bytes are in the files", said)
        else:
            t.check(status != 0 and data[0] != data[1],
                    f"DMA by accel{by}{when}, {what}: refused, as documented", f"status {status}")


def after(t, names, numbers, event):
    """Cause one of EVENTS on these accelerators, and enable their DMA again; " after" what that was"""
    what, where, command, _ = event
    for n in numbers:
        t.happen(n, names[n], where, command)
    t.vm.guest.sh(". /lib/vm.sh; for b in $(accels); do setpci -s $b COMMAND=6:6; done")
    return f" after {what}"


STRUCT_PAGES = "/sys/module/vfio_cxl_pci/parameters/struct_pages"
TYPE1 = "/sys/module/vfio_cxl_pci/parameters/unsafe_type1_dma"


def dma_type1(t):
    """Device DMA to device memory with VFIO's own IOMMU backend: an opt-in"""
    t.start(*PORT1, at=BOTH)
    copies(t, works=False)
    t.vm.sh(f"echo 1 >{TYPE1}")
    try:
        t.start(*PORT1, at=BOTH)
        copies(t)
    finally:
        t.vm.sh(f"echo 0 >{TYPE1}")


def dma_iommufd(t):
    """The same with iommufd, by dma-buf; again after each event that takes the memory away"""
    t.start(*PORT1, at=BOTH, iommufd=True)
    names = copies(t)
    for event in EVENTS:
        copy(t, names, after(t, names, (0, 1), event))
    good, report = t.vm.engine_selftest()
    t.check(good, "DMA to the guest's RAM works", report)
    t.reset()
    copies(t)


def ats(t):
    """An accelerator that asks the host's IOMMU for translations, and finds its own memory by them"""
    t.start(*PORT1, at=BOTH, iommufd=True)
    names = t.use(0, 1)
    asked_for_all(t, names, "")
    asked_for_all(t, names, after(t, names, (ATS,), EVENTS[0]))
    good, report = t.vm.engine_selftest()
    t.check(good, "DMA to the guest's RAM works", report)


def asked_for_all(t, names, when):
    """Copies by the accelerator with ATS, and what it asked meanwhile"""
    event = "cxl_type2_engine_translated"
    base = t.get(ATS, "cxl-base")
    with open(t.vm.qemu_log) as log:
        log.seek(0, os.SEEK_END)
        t.vm.qmp("trace-event-set-state", name=event, enable=True)
        try:
            copy(t, names, f" with ATS{when}", by=ATS)
        finally:
            t.vm.qmp("trace-event-set-state", name=event, enable=False)
        asked = re.findall(event + r" \S+ (0x\w+) hpa 0x\w+ dpa (0x\w+)", log.read())
    # Address in the guest; and in the device's memory, or all ones
    asked = [(int(address, 0), int(dpa, 0)) for address, dpa in asked]
    own = (ATS + 1) * COPIED
    t.check([(base + dpa, dpa) for dpa in range(own, own + COPIED, PAGE)] ==
            [(address, dpa) for address, dpa in asked if dpa != 2 ** 64 - 1],
            f"each page of its own memory it knew as that{when}", asked)
    t.check(len(asked) == 3 * COPIED // PAGE, f"it asked for each page of the three copies{when}", len(asked))


def viommu(t, iommufd):
    """The guest has an IOMMU of its own, and its kernel uses it"""
    # No wider than the host's
    t.start("-device", "intel-iommu,intremap=off,caching-mode=on,aw-bits=39", at=ONE, iommufd=iommufd)
    for turn in ("at first", "after a reset"):
        t.use(0)
        groups = t.vm.guest.sh("ls /sys/class/iommu; ls /sys/kernel/iommu_groups | wc -l").split()
        t.check(groups[0].startswith("dmar") and int(groups[-1]) > 0, f"{turn}: the guest uses its IOMMU", groups)
        good, report = t.vm.engine_selftest()
        t.check(good, f"{turn}: DMA to the guest's RAM works through it", report)
        if turn == "at first":
            t.reset()


def viommu_type1(t):
    """A guest with an IOMMU of its own, over VFIO type1"""
    viommu(t, iommufd=False)


def viommu_iommufd(t):
    """A guest with an IOMMU of its own, over iommufd"""
    viommu(t, iommufd=True)


def struct_pages(t):
    """Memory with struct pages, as KVM on Intel wants it: CPUs, DMA, and after a reset"""
    before = t.vm.sh(f"cat {STRUCT_PAGES}").strip()
    rebind = (". /lib/vm.sh; for b in $(accels); do unbind $b; done; "
              "for b in $(accels); do bind vfio-cxl-pci $b || exit; done")
    t.end()
    t.vm.sh(f"echo on >{STRUCT_PAGES}; {rebind}")
    try:
        t.start(*PORT1, at=BOTH, iommufd=True)
        said = t.vm.sh("cat /sys/kernel/debug/vfio-cxl-pci/*")
        t.check(said.count("struct pages: yes") == len(t.bdfs), "all have struct pages", said)
        t.use(0, 1)
        copies(t)
        t.reset()
        t.use(0, 1)
    finally:
        t.end()
        t.vm.sh(f"echo {before} >{STRUCT_PAGES}; {rebind}")


def leaves(t):
    """Memory of several GiB beside an odd 256 MiB of RAM: leaves of 1 GiB in every table on the way"""
    # The window has room for a multiple of a GiB, wherever it begins itself.
    t.start("-m", "1280M", at={LARGE: "rp0"}, iommufd=True,
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
    t.start("-m", "512M,slots=2,maxmem=600G", at=ONE, iommufd=True)
    base = t.get(0, "cxl-base")
    t.check(base >= 1 << 39, "the memory is above 39 bits", hex(base))
    t.use(0)
    good, report = t.vm.engine_selftest()
    t.check(good, "DMA to the guest's RAM works", report)
    said = t.vm.sh("grep -i 'warning\\|error' /tmp/guest.log || true").splitlines()
    t.check(len(said) == 1 and f"{t.bdfs[0]}: CXL memory is not mapped for DMA" in said[0],
            "one warning says that it is not mapped for DMA", said)


SCENARIOS = [dma_type1, dma_iommufd, ats, viommu_type1, viommu_iommufd, struct_pages, leaves, narrow_iommu]

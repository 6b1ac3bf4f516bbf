# SPDX-License-Identifier: GPL-2.0-only
"""Where things are, and what depends on the architecture of the machines.

With ARCH=arm64 both machines are Arm ones, and everything is in build/arm64.
"""

import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
ARCH = os.environ.get("ARCH") or "x86_64"
try:
    with open(os.path.join(TOP, "configs", f"arch.{ARCH}"), encoding="utf-8") as file:
        OF_ARCH = dict(line.strip().split("=", 1) for line in file if line.startswith("ARCH_"))
except FileNotFoundError:
    sys.exit(f"ARCH={ARCH}: only x86_64 and arm64 are known")
BUILD += OF_ARCH["ARCH_SUBDIR"]
QEMU = os.path.join(BUILD, "qemu", OF_ARCH["ARCH_QEMU"])
KERNEL = os.path.join(BUILD, "kernel", OF_ARCH["ARCH_KERNEL"])
LOGS = os.path.join(BUILD, "logs")
ROMS = os.path.join(BUILD, "rom")
RUN = os.path.join(BUILD, "run")
PATTERN = os.path.join(BUILD, "pattern")
IMAGES = os.path.join(BUILD, "images")

# no_timer_check: a PC's kernel panics at boot if the timer seems not to tick, as
# on a busy machine. tsc=nowatchdog: Linux 7.3's clocksource watchdog has one CPU
# wait for another with interrupts off, until a timeout by a clock that may still
# be jiffies. If the other CPU is in stop_machine(), for the first change of the
# clocksource, no CPU counts jiffies, and both wait for ever.
CONSOLE = "ttyAMA0" if ARCH == "arm64" else "ttyS0 no_timer_check tsc=nowatchdog"


def x86_platform(machine, icount, iommu):
    tcg = icount or os.environ.get("ACCEL") != "kvm" or not kvm_works()
    if icount:
        accel = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]
    else:
        accel = ["-accel", "tcg,thread=multi" if tcg else "kvm"]
    return [*accel, "-cpu", "max" if tcg else "host",
            "-machine", f"q35,{machine}{'' if tcg else ',kernel-irqchip=split'}",
            # Interrupt remapping, or VFIO calls the group unsafe.
            "-device", "intel-iommu,intremap=on,caching-mode=on" + iommu]


def arm64_platform(machine):
    # virtualization: EL2, for KVM in the host VM. The high PCI window is larger
    # than the guest's, so that the fixed memory windows are not where that has
    # its own: they follow it.
    return ["-accel", "tcg,thread=multi", "-cpu", "max,pauth-impdef=on",
            "-machine", f"virt,gic-version=3,virtualization=on,highmem-mmio-size=1T,{machine}",
            "-bios", "QEMU_EFI.fd"]


def kvm_works():
    """/dev/kvm may be there and not work: see whether a kernel comes up in 20 s."""
    args = [QEMU, "-L", ROMS, "-accel", "kvm", "-machine", "q35", "-m", "512M",
            "-cpu", "host", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
            "-kernel", KERNEL, "-append", "console=ttyS0 panic=-1"]
    try:
        output = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, timeout=20,
                                check=False).stdout
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout or b""
    if b"Linux version" in output:
        return True
    print("KVM does not work on this machine; using TCG", file=sys.stderr)
    return False


def platform(machine, icount, iommu):
    """QEMU's arguments for CPUs, board and IOMMU; machine, iommu: more properties of them"""
    return arm64_platform(machine) if ARCH == "arm64" else x86_platform(machine, icount, iommu)

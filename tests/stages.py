# SPDX-License-Identifier: GPL-2.0-only
"""The stages: what is built and tested, from what, by which command, how long it takes.

Everything that builds or tests asks for its stages here: make, the demo and the
benchmark. To add tests, write a program that prints TAP, and add it as a stage
here or, in the host VM, as a line of tests/vm/host/kselftest.
"""

import json
import os
import sys
from dataclasses import dataclass

from platforms import ARCH, LOGS

# Where the durations of the last runs on this machine are kept
TIMES = os.path.join(LOGS, "times.json")
KEPT = 3


@dataclass
class Stage:
    """One stage. A stage that tests prints TAP; any other one builds something."""

    name: str
    summary: str
    minutes: tuple          # usually: the first time, and when nothing has changed
    limit: int              # seconds, then it is killed
    command: str
    needs: tuple = ()
    is_test: bool = True
    default: bool = True    # part of "make check"; otherwise only by name
    watched: str = ""       # the command for a person who watches it: no TAP


STAGES = [
    Stage("setup", "install missing packages", (1, 0), 1200,
          "scripts/setup", is_test=False),
    Stage("unit", "test the register models and the tool vfio-cxl in user space", (1.5,), 900,
          'bad=0; make -s -C tools/testing/vfio-cxl check BUILD="$BUILD/unit" || bad=1; '
          'make -s -C tools/vfio-cxl check BUILD="$BUILD/tool" || bad=1; exit $bad', ("setup",)),
    Stage("series", "apply the QEMU patches, export them again, style", (2, 0.5), 600,
          "tests/meta/qemu-series", ("setup",)),
    Stage("kernel", "build the kernel of both machines", (8, 0), 3600,
          "scripts/build-kernel", ("setup",), is_test=False),
    Stage("kernel-series", "cut the driver into patches to mail, compile each, style", (1,), 900,
          "tests/meta/kernel-series", ("kernel",)),
    Stage("tree", "put the driver into a kernel tree, build it there", (3, 1), 1800,
          "tests/meta/kernel-tree", ("kernel",)),
    Stage("modules-install", "install the module by the headers of a distribution", (0.3,), 300,
          "tests/meta/modules-install", ("kernel",)),
    Stage("lint", "check style, types and warnings of driver and scripts", (1,), 900,
          "tests/meta/lint", ("kernel",)),
    Stage("qemu", "build QEMU with the patches", (6, 0), 3600,
          "scripts/build-qemu", ("setup",), is_test=False),
    Stage("qtest", "test the emulated device without a guest", (1,), 600,
          "tests/meta/qtest", ("qemu",)),
    Stage("hostile", "show QEMU a kernel that lies about the device", (1,), 1800,
          'tests/fake_host/run.py "$BUILD/qemu/qemu-system-x86_64"', ("qemu",)),
    Stage("image", "build driver and tests, pack the images", (0.5,), 600,
          "scripts/build-programs && scripts/build-images", ("kernel", "qemu"), is_test=False),
    Stage("kselftest", "test the driver in the host VM", (5,), 2700,
          "tests/vm-run test kselftest", ("image",)),
    Stage("tool", "use the tool vfio-cxl in the host VM", (0.7,), 600,
          "tests/vm-run test tool", ("image",)),
    Stage("metal", "how CPU caches are flushed without a sign of a hypervisor", (0.8,), 600,
          "tests/vm-run test metal", ("image",)),
    Stage("nested", "guests with devices in every arrangement, hotplug, DMA", (9,), 2700,
          "tests/nested.py", ("image",)),
    Stage("demo", "the whole chain: a guest in the host VM, proof by content", (0.7,), 2700,
          "tests/demo.py --tap", ("image",), watched="tests/demo.py"),
    Stage("bench", "count instructions, faults and system calls: none worse than the baseline", (1,), 1800,
          "tests/bench/run.py --tap --quick", ("image",), watched="tests/bench/run.py"),
    Stage("deb", "build the Debian packages", (10, 1), 3600,
          "packaging/build", ("setup",), is_test=False, default=False),
    Stage("distro-image", "a Debian 13 with its own kernel, libvirt and our packages", (7, 2), 2700,
          "tests/distro/image", ("deb", "image"), is_test=False, default=False),
    Stage("distro", "use the packages there: check, bind, a guest under libvirt", (8,), 2700,
          "tests/distro/run.py", ("distro-image",), default=False),
    Stage("asan-build", "QEMU with sanitizers", (8, 0), 3600,
          "scripts/build-qemu --asan", ("setup",), is_test=False, default=False),
    Stage("asan", "the same kernel that lies, to it", (2,), 3600,
          'tests/fake_host/run.py "$BUILD/qemu-asan/qemu-system-x86_64"',
          ("asan-build",), default=False),
    Stage("asan-qtest", "the qtests on it, with 10^6 random steps of dynamic capacity", (60,), 9000,
          "tests/meta/qtest --asan", ("asan-build", "qemu"), default=False),
    Stage("debug-build", "the kernel with sanitizers, lock checker and leak detector", (10, 1), 5400,
          "scripts/build-debug", ("kernel", "qemu"), is_test=False, default=False),
    Stage("debug", "the driver's tests on it, 10000 rounds of stress, every allocation failing",
          (60,), 9000, 'BUILD="$BUILD/debug" tests/vm-run test kselftest --timeout 8900 '
          "--set rounds=10000 --set timeout=5000", ("debug-build",), default=False),
]
BY_NAME = {stage.name: stage for stage in STAGES}
# What runs in the machines: all of "make check" where these are not x86 ones
IN_MACHINES = ["kselftest", "demo"]


def selected(names):
    """The stages asked for, and those that they need, in order."""
    wanted = set()
    todo = list(names) or [stage.name for stage in STAGES if stage.default]
    if not names and ARCH != "x86_64":
        todo = list(IN_MACHINES)
    while todo:
        name = todo.pop()
        if name not in BY_NAME:
            sys.exit(f"check: no stage '{name}'; there are: {' '.join(BY_NAME)}")
        wanted.add(name)
        todo += BY_NAME[name].needs
    return [stage for stage in STAGES if stage.name in wanted]


def last_times():
    """Seconds that the stages took in their last runs on this machine, by name."""
    try:
        with open(TIMES, encoding="utf-8") as file:
            return json.load(file)
    except (FileNotFoundError, ValueError):
        return {}


def record_time(name, seconds):
    """Keep the duration of a run that was not cut short."""
    times = last_times()
    times[name] = [*times.get(name, []), round(seconds)][-KEPT:]
    with open(TIMES + ".new", "w", encoding="utf-8") as file:
        json.dump(times, file, indent=1)
    os.replace(TIMES + ".new", TIMES)


def duration(seconds):
    """In the unit that a person would use."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{round(seconds / 60, 1):g} min"


def usual(stage):
    """How long it takes: in its last runs here or, without any, elsewhere."""
    here = last_times().get(stage.name)
    if here:
        return f"last here: {', '.join(duration(seconds) for seconds in here)}"
    return f"usually takes ~{' / '.join(duration(60 * minutes) for minutes in stage.minutes)}"

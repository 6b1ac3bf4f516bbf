# SPDX-License-Identifier: GPL-2.0-only
"""
The parts of make bench with a running guest, and those that are about time:
of these only ratios of what is measured by turns mean anything. Each takes a
Bench: see tests/bench/run.py.
"""

import time

from counted import count_calls, name_of

# KVM exits that depend on the memory that the guest uses
BY_MEMORY = ("pf_fixed", "pf_emulate", "pf_mmio_spte_created")
STATS = ("exits", "mmio_exits", "insn_emulation") + BY_MEMORY
LOADS = {"idle": "sleep", "ram": "-", "memory": "/dev/cxl_accel0"}
WINDOW = 0.25           # seconds of the host VM, of which each takes 20 outside


def start_guest(b, bdf):
    b.vm.start_guest(bdf)
    b.vm.guest.sh(". /lib/vm.sh; bind cxl_accel $(accels)")


def clear(b):
    """Clearing at the last close, and memset() of ordinary memory"""
    for size, bdf in b.clear_sizes.items():
        got = b.run(f"clear {bdf} {b.rounds}", f"clear.{size}")
        best = max(got["memset"], got["rep_stosb"])
        b.row(f"{name_of(size)} at close ÷ the best memset()", "B/s", got["clear"], best, best,
              ratio=got["ratio"])


def bandwidth(b):
    """Device memory in the guest, and the guest's RAM: time"""
    start_guest(b, b.clear_sizes[min(b.clear_sizes)])
    got = b.results.take("time", b.vm.guest.sh(f"cxl-bench memory /dev/cxl_accel0 {b.turns} {16 << 20}"))
    for what, name in (("copy", "copy"), ("random", "random reads")):
        peer = got[what + "_peer"]
        b.row(f"{name}: device memory ÷ RAM", "B/s", got[what + "_ours"], peer, peer,
              ratio=got[what + "_ratio"], at_least=0.98)


def use(b):
    """Device memory in the guest, and the guest's RAM: instructions, all levels included"""
    start_guest(b, b.small[0])
    got = b.results.take("use", b.vm.guest.sh(f"cxl-bench memory /dev/cxl_accel0 3 {8 << 20}"))
    for what, name, step in (("copy", "copy, each KiB", 1024), ("random", "random reads, each", 8)):
        ours, peer = (step * 1e9 / got[f"{what}_{kind}"] for kind in ("ours", "peer"))
        b.row(f"{name}: device memory ÷ RAM", "instructions", ours, peer, peer, at_most=1.02)
    exits(b)
    b.vm.end_guest()


def loaded(b, load, script):
    """Run a script in the host VM while the guest does nothing but this"""
    tag = b.vm.guest.tell(f"cxl-bench load {LOADS[load]} {int(WINDOW * 3000)}")
    deadline = time.monotonic() + b.vm.guest.patience
    while b.vm.guest.lines.read(deadline, b.vm.check_alive) != f"{tag}| running":
        pass
    output = b.vm.sh(script)
    b.vm.guest.sh("true")       # it is over
    return output


def exits(b):
    """Exits of KVM, and system calls of QEMU, while the guest uses memory"""
    stats = (f"cd /sys/kernel/debug/kvm; s() {{ for f in {' '.join(STATS)}; do read -r n <$f; echo $f $n; "
             f"done; }}; s; sleep {WINDOW}; s")
    trace = (f"strace -f -c -o /tmp/calls -p $(cat /tmp/guest.pid) 2>/dev/null & p=$!; sleep {WINDOW}; "
             "kill -INT $p; wait $p; cat /tmp/calls")
    got = {}
    for load in LOADS:
        lines = [line.split() for line in loaded(b, load, stats).splitlines()]
        half = len(lines) // 2
        got[load] = {old[0]: (int(new[1]) - int(old[1])) / WINDOW
                     for old, new in zip(lines[:half], lines[half:])}
        got[load]["calls"] = sum(count_calls(loaded(b, load, trace)).values()) / WINDOW
        for name, value in got[load].items():
            b.results.put(f"use.{load}.{name}", value, "1/s")
    ours, peer = got["memory"], got["ram"]
    b.row("exits for it: stage-2 faults, emulation", "1/s", sum(ours[s] for s in BY_MEMORY),
          sum(peer[s] for s in BY_MEMORY), 0, is_limit=True)
    b.row("all exits: device memory ÷ RAM", "1/s", ours["exits"], peer["exits"], at_most=1.05)
    b.row("system calls of QEMU: device memory ÷ RAM", "1/s", ours["calls"], peer["calls"], at_most=1.05)
    b.row("exits, guest idle", "1/s", got["idle"]["exits"])
    b.row("system calls of QEMU, guest idle", "1/s", got["idle"]["calls"])

# SPDX-License-Identifier: GPL-2.0-only
"""
The parts of make bench that count instructions, in a host VM in which that is
what time is. Each takes a Bench: see tests/bench/run.py.
"""

import re

from channels import VMError
from topology import device, port

GIB = 1 << 30
QMP = """'{"execute": "qmp_capabilities"}' '"return"'"""
CALLS = ("ioctl", "pread64", "pwrite64")


def name_of(size):
    return f"{size // GIB} GiB" if size >= GIB else f"{size >> 20} MiB"


def faults(b):
    """Page faults that it takes to map the memory, and a plain device's BAR"""
    for size in b.fault_sizes:
        name = name_of(size)
        bdf = b.large if size >= GIB else b.small[0]
        found = {}
        for kind, which in (("memory", bdf), ("bar", b.bar)):
            found[kind] = b.run(f"faults {which} {size} 0", f"faults.{kind}.{size}")
        ours, peer = found["memory"], found["bar"]
        leaves = size // GIB or size // (2 << 20)
        b.row(f"faults, {name}", "faults", ours["faults"], peer["faults"], leaves, is_limit=True)
        b.row(f"all of {name}, leaf by leaf", "instructions", ours["populate"], peer["populate"])
    size = b.fault_sizes[0]
    ours = b.run(f"faults {b.small[0]} {size} 4096", f"faults.forced.{size}")
    peer = b.run(f"faults {b.bar} {size} 4096", f"faults.forced_bar.{size}")
    b.row(f"{name_of(size)}, misaligned by 4 KiB", "faults", ours["faults"], peer["faults"], size // 4096)
    b.row("the same", "instructions", ours["populate"], peer["populate"])


def regs(b):
    """Registers and config space by the device file, and the same with vfio-pci"""
    got = b.run(f"regs {b.small[0]} {b.plain} {b.turns}", "regs")
    least = got["syscall"]
    bar = {"read": got["bar_read_peer"], "write": got["bar_write_peer"]}

    def row(what, ours, peer, **goal):
        b.row(what, "instructions", got[ours], peer, least, **goal)

    row("COMP_REGS, HDM decoder: read", "hdm_read", bar["read"], at_most=0.7)
    row("COMP_REGS, capability array: read", "array_read", bar["read"], at_most=0.7)
    row("COMP_REGS, RAS: read (hardware)", "ras_read", bar["read"])
    row("COMP_REGS, HDM decoder: write", "hdm_write", bar["write"])
    row("COMP_REGS, RAS: write (hardware)", "ras_write", bar["write"])
    row("HDM decoder in the BAR: read", "hdm_read_bar", bar["read"])
    for what in ("read", "write"):
        row(f"BAR, beside the registers: {what}", f"bar_{what}_ours", bar[what])
    for what, name in (("id", "vendor"), ("command", "Command"), ("bar", "BAR 0"), ("ext", "capability")):
        row(f"config read, {name}", f"config_{what}_ours", got[f"config_{what}_peer"], at_most=1.1)
    row("config write, Interrupt Line", "config_write_ours", got["config_write_peer"], at_most=1.15)
    row("config write, Command", "config_write_command_ours", got["config_write_command_peer"], at_most=1.15)
    row("DVSEC read ÷ ordinary config read", "dvsec_read_ours", got["config_id_peer"])
    row("DVSEC read ÷ the same, passed through", "dvsec_read_ours", got["dvsec_read_peer"])


def life(b):
    """Bind, open, map, reset and close, with clear_on_close=0"""
    sizes = sorted(b.life_sizes)
    got = {size: b.run(f"life {b.life_sizes[size]} {b.rounds}", f"life.{size}") for size in sizes}
    between = f"{name_of(sizes[0])} … {name_of(sizes[-1])}"

    def flat(what, name, unit, **goal):
        values = [got[size][name] for size in sizes]
        b.row(f"{what}, {between}", unit, max(values), min(values), **goal)

    for step in ("bind", "open", "reset", "close"):
        goal = {"at_most": 1.05} if step in ("open", "close") else {}
        flat(f"{step}: time, largest ÷ smallest", step + "_time", "ns", **goal)
        flat(f"{step}: work, largest ÷ smallest", step, "instructions", **goal)
    for step in ("bind", "open", "map"):
        grown = got[sizes[-1]][step + "_memory"] - got[sizes[0]][step + "_memory"]
        # Each is told apart by one page.
        per_gib = int(max(0, grown - 4096) / ((sizes[-1] - sizes[0]) / GIB))
        b.row(f"{step}: kernel memory per GiB", "bytes", per_gib, limit=0, is_limit=True)


def pages(b):
    """The same with struct pages, which the driver creates at bind"""
    sizes = sorted(b.life_sizes)
    mode = "/sys/module/vfio_cxl_pci/parameters/struct_pages"
    before = b.vm.sh(f"cat {mode}").strip()
    got = {}
    for turn in ("off", "on"):
        b.vm.sh(f"echo {turn} >{mode}")
        got[turn] = {size: b.run(f"life {b.life_sizes[size]} {b.rounds}", f"pages.{turn}.{size}")
                     for size in sizes}
    b.vm.sh(f"echo {before} >{mode}")
    large = sizes[-1]
    for step in ("bind", "open", "reset", "close"):
        goal = {} if step == "bind" else {"at_most": 1.05}
        b.row(f"{step}, {name_of(large)}: work, with struct pages ÷ without", "instructions",
              got["on"][large][step], got["off"][large][step], **goal)
    for step in ("bind", "open"):
        grown = got["on"][large][step + "_memory"] - got["off"][large][step + "_memory"]
        b.row(f"{step}, {name_of(large)}: kernel memory per GiB", "bytes", int(max(0, grown) / (large / GIB)))


def start_qemu(b, devices, prefix, before=""):
    """QEMU with these devices of the host VM, and no running guest, until it answers"""
    args = []
    for n, bdf in enumerate(devices):
        args += (port(n) if n else []) + device("vfio-pci", host=bdf, bus=f"rp{n}")
    return b.run(f"start {QMP} {before} start-guest none '' -S -m 64M -qmp stdio {' '.join(args)}", prefix)


def scale(b):
    """Start of QEMU with several devices"""
    work = {n: start_qemu(b, b.small[:n], f"scale.{n}")["work"] for n in (0, *b.device_counts)}
    pairs = list(zip(b.device_counts, b.device_counts[1:]))
    costs = [(work[n] - work[m]) / (n - m) for m, n in pairs]
    b.row("QEMU with no device, until it answers", "instructions", work[0])
    b.row("the first, for which all RAM is pinned", "instructions", work[1] - work[0])
    for (m, n), cost in zip(pairs, costs):
        b.row(f"each further one, {m} to {n} devices", "instructions", cost,
              costs[0] if len(costs) > 1 else None, at_most=1.1 if len(costs) > 1 and n > 2 else None)


def calls(b):
    """System calls of QEMU until the guest could start"""
    found = {}
    for kind, devices in (("none", []), ("ours", [b.small[0]]), ("plain", [b.plain])):
        start_qemu(b, devices, f"calls.{kind}.traced", "strace -D -f -c -o /tmp/calls")
        summary = b.vm.sh("n=0; until [ -s /tmp/calls ]; do sleep 0.1; n=$((n + 1)); "
                          "[ $n -lt 100 ] || exit 1; done; cat /tmp/calls; rm /tmp/calls")
        del b.results.raw[f"calls.{kind}.traced.work"]      # strace's work is in it
        found[kind] = count_calls(summary)
        for call in CALLS:
            b.results.put(f"calls.{kind}.{call}", found[kind].get(call, 0), "calls")
    for call in CALLS:
        none, ours, plain = (found[kind].get(call, 0) for kind in ("none", "ours", "plain"))
        b.row(f"{call} for the device, peer: the same as plain PCI", "calls", ours - none, plain - none)


def count_calls(summary):
    """{name: calls} of what strace -c says"""
    found = {}
    for line in summary.splitlines():
        match = re.match(r" *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", line)
        if match and match[2] != "total":
            found[match[2]] = int(match[1])
    if not found:
        raise VMError(f"strace counted nothing: {summary}")
    return found


def boot(b):
    """Boot of a guest, until its user space runs"""
    ram = "-m 256M -object memory-backend-ram,id=ram,size=256M,prealloc=on"
    got = {}
    for kind, bdf in (("none", "none"), ("ours", b.small[0]), ("plain", b.plain)):
        got[kind] = b.run("start '' 'guest: up' env GUEST_PORTS=/none GUEST_MACHINE=memory-backend=ram "
                          f"start-guest {bdf} '' {ram}", f"boot.{kind}")
    for unit, what in (("instructions", "work"), ("ns", "time")):
        ours, limit = got["ours"][what], got["none"][what]
        b.row(f"{what}: guest with the device ÷ without", unit, ours, limit, limit, at_most=1.03)
        b.row(f"{what}: guest with the device ÷ passed as plain PCI", unit, ours, got["plain"][what], limit)

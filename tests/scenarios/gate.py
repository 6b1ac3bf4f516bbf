# SPDX-License-Identifier: GPL-2.0-only
"""Memory that goes away and comes back: with decoder 0, on resets, when the device goes."""

from .scenario import ONE, SIZE

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


def toggles(times):
    """One of EVENTS"""
    return (f"Memory Space off and on by the guest, {times} times", "guest",
            f"for i in $(seq {times}); do setpci -s $b COMMAND=0:2; setpci -s $b COMMAND=2:2; done", False)


# What takes the memory away, or might be expected to: by whom, in which machine ($b
# is the device there), and whether a CPU that uses it meanwhile may notice
EVENTS = [
    ("a function level reset by the guest", "guest",
     "cd /sys/bus/pci/devices/$b && echo flr >reset_method && echo 1 >reset", True),
    ("a CXL Reset by the guest", "guest",
     "setpci -s $b ECAP23+10.w=4; until [ $(($((0x$(setpci -s $b ECAP23+12.w))) & 6)) != 0 ]; do sleep 0.1; done",
     True),
    ("D3hot and back by the guest", "guest",
     "setpci -s $b CAP_PM+4.w=3; sleep 0.5; setpci -s $b CAP_PM+4.w=0; sleep 0.1", True),
    toggles(3),
    ("a reset by the host, behind QEMU's back", "host", "echo 1 >/sys/bus/pci/devices/$b/reset", True),
]


def guest_commits(t):
    """Memory that follows decoder 0 as the guest itself commits it"""
    t.start(at=ONE)
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
    t.reset()
    t.check(t.get(0, "cxl-state") == "firmware-committed" and present(base),
            "after a system reset it is where it was", t.get(0, "cxl-state"))

    t.start(at=ONE, **{"cxl-firmware-commit": False})
    t.check(t.get(0, "cxl-state") == "uncommitted" and t.get(0, "cxl-window") == "none" and
            not present(base), "with cxl-firmware-commit=off it is nowhere", t.get(0, "cxl-state"))
    t.check(hdm(f"commit {base}") == "1" and t.get(0, "cxl-state") == "guest-committed" and present(base),
            "until the guest commits it", (t.get(0, "cxl-state"), hdm("control")))
    hdm("uncommit")
    hdm(f"commit {base + (64 << 30)}")
    t.check(t.get(0, "cxl-state") == "uncommitted" and not present(base),
            "outside a window it is nowhere", t.get(0, "cxl-state"))
    t.reset()
    t.check(t.get(0, "cxl-state") == "uncommitted" and not present(base),
            "after a system reset it is nowhere again", t.get(0, "cxl-state"))


def touched(t):
    """A second CPU reads and writes the memory while it goes away and comes back"""
    t.start("-smp", "2", at=ONE)
    base = t.get(0, "cxl-base")
    # Often, as a busy guest of two CPUs under emulated SVM is what two of QEMU's faults need.
    for what, where, command, notices in (*EVENTS, toggles(60)):
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


SCENARIOS = [guest_commits, touched]

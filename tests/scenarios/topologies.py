# SPDX-License-Identifier: GPL-2.0-only
"""Where accelerators are in a guest."""

from topology import bridge, device, port
from .scenario import BOTH, PORT1

SWITCH = device("cxl-upstream", bus="rp0", id="us0") + [
    word for n in (0, 1) for word in device("cxl-downstream", port=n, bus="us0", id=f"ds{n}", chassis=9, slot=n)]
BRIDGE2 = bridge(2, bus_nr=32) + port(0, of=2, name="rp2")
TWO_WINDOWS = "GUEST_MACHINE=cxl-fmw.1.targets.0=cxl.2,cxl-fmw.1.size=1G"


def two_devices(t):
    """Two accelerators below one host bridge"""
    t.start(*PORT1, at=BOTH)
    t.use(0, 1)
    t.committed(0, 1)


def four_devices(t):
    """Four accelerators, two below each of two host bridges"""
    t.start(*PORT1, *BRIDGE2, *port(1, of=2, name="rp3"),
            at={n: f"rp{n}" for n in range(4)}, env=TWO_WINDOWS)
    t.use(0, 1, 2, 3)
    windows = [t.get(n, "cxl-window") for n in range(4)]
    t.check(windows == ["cxl-fmw.0"] * 2 + ["cxl-fmw.1"] * 2, "each is in its bridge's window", windows)


def below_a_switch(t):
    """Two accelerators below one switch"""
    t.start(*SWITCH, at={0: "ds0", 1: "ds1"})
    t.use(0, 1)


def two_bridges(t):
    """Two host bridges, with a window each, and an accelerator below each"""
    t.start(*BRIDGE2, at={1: "rp2", 0: "rp0"}, env=TWO_WINDOWS)
    t.use(0, 1)
    windows = [t.get(n, "cxl-window") for n in (0, 1)]
    t.check(windows == ["cxl-fmw.0", "cxl-fmw.1"], "each is in its bridge's window", windows)


SCENARIOS = [two_devices, four_devices, below_a_switch, two_bridges]

# SPDX-License-Identifier: GPL-2.0-only
"""All refused devices, and random ones, hotplugged into one machine."""

import os
import random

import protocol as p
from accelerator import Device
from fixture import REFUSED, Fixture, case, check

ROUNDS = int(os.environ.get("ROUNDS", "200"))
SEED = int(os.environ.get("SEED", "1"))


@case("hotplug: each device that is refused, one after the other, then a good one")
def hotplug(directory):
    fixture = Fixture(directory)
    try:
        machine = fixture.start(cold=False)
        machine.up()
        window = machine.window()
        for name, text, change, more in REFUSED:
            if more.get("bus") == "pcie.0":
                continue            # takes no hotplug
            device = Device()
            change(device)
            fixture.server.serve(device)
            reply = machine.qmp.ask("device_add", **fixture.properties(**more))
            said = reply.get("error", {}).get("desc", "no error")
            check(text in said, f"{name}: no '{text}' in: {said}")
            check(not device.decoder()[2] & p.COMMIT, f"{name}: decoder 0 is left committed")
            device.close()
        fixture.server.serve(fixture.device)
        machine.qmp("device_add", **fixture.properties())
        machine.power_slot(True)
        fixture.works(window)
        fixture.good_end()
    finally:
        fixture.close()


@case(f"hotplug: {ROUNDS} devices with random bytes (SEED={SEED}), then a good one")
def random_bytes(directory):
    """Whatever the answers: plugged or refused, and nothing worse"""
    rng = random.Random(SEED)
    fixture = Fixture(directory)

    def spoil(data, end=None):
        for _ in range(rng.choice((1, 1, 2, 8))):
            data[rng.randrange(end or len(data))] = rng.choice((0, 1, 8, 0x7f, 0xff, rng.randrange(256)))

    try:
        machine = fixture.start(cold=False)
        machine.up()
        for _ in range(ROUNDS):
            device = Device()
            victim = rng.randrange(6)
            if victim == 0:
                device.mangle = spoil
            elif victim == 4:
                device.add_msix()
                device.mangle_irq = lambda index, info: spoil(info)
            elif victim == 5:
                device.add_msix()
                spoil(device.config, rng.choice((0x40, 0x100, 0x160)))
            elif victim == 1:
                device.regions[p.COMP_REGS].mangle = spoil
            elif victim == 2:
                device.regions[p.DPA].mangle = spoil
            else:
                device.changed = lambda device=device: spoil(device.page, p.HDM + 0x30)
                device.changed()
            fixture.server.serve(device)
            if "return" in machine.qmp.ask("device_add", **fixture.properties()):
                machine.qmp("device_del", id="acc0")
                machine.qmp.wait_event("DEVICE_DELETED")
            device.close()
        fixture.server.serve(fixture.device)
        machine.qmp("device_add", **fixture.properties())
        machine.power_slot(True)
        fixture.works(machine.window())
        fixture.good_end()
    finally:
        fixture.close()

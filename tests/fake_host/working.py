# SPDX-License-Identifier: GPL-2.0-only
"""Devices that are unusual, and must work."""

import os

import protocol as p
from accelerator import Device
from changes import grow, page, sparse, where
from fixture import Fixture, case, check
from machine import EP_BUS, PMCSR, WINDOW_SIZE
from protocol import SIZE


def works(directory, change=lambda device: None, window=WINDOW_SIZE, warning=None, **more):
    fixture = Fixture(directory)
    try:
        change(fixture.device)
        machine = fixture.start(window=window, **more)
        machine.up()
        fixture.works(machine.window())
        for _ in range(2):
            resets = fixture.device.resets
            machine.system_reset()
            check(fixture.device.resets > resets, "the device was not reset")
            fixture.works(machine.window())
        said = machine.errors()
        check(len(said) == (warning is not None) and (not warning or warning in said[0]), machine.said())
        fixture.good_end()
    finally:
        fixture.close()


def good(name, change=lambda device: None, **more):
    case(f"works: {name}")(lambda directory: works(directory, change, **more))


def many_regions(device):
    device.nr_regions = 60
    device.page_index = 59
    device.regions[59] = device.regions.pop(p.COMP_REGS)
    device.regions[20] = device.regions.pop(p.DPA)


def many_caps(device):
    other = p.cap(99, 7, bytes(12))
    device.caps = [other, *device.caps, other]
    for index in (p.COMP_REGS, p.DPA):
        region = device.regions[index]
        region.caps = [region.caps[0], *region.caps[1:], other, other]


def keeps_decoder(device):
    """A reset has no effect on it"""
    def reset():
        device.config[4:6] = b"\0\0"
    device.reset = reset


good("a device as vfio-cxl-pci offers it")
good("the same, cxl=auto", cxl="auto")
good("1 GiB of memory, in a window that it fills", grow(4 * SIZE), window=4 * SIZE)
good("page in another BAR", where(bar=4, offset=0))
good("page at the end of its BAR", where(offset=0x1f000))
good("a sparse mmap of one area, the whole", sparse((0, SIZE)))
good("a sparse mmap with empty areas beside it", sparse((SIZE, 0), (0, SIZE), (0, 0)))
good("other capabilities in all chains", many_caps)
good("60 regions", many_regions)
good("MSI-X", Device.add_msix)
good("ten decoders", page(p.HDM, 5))
good("a reset that keeps the decoder", keeps_decoder)


def unplug(directory, change):
    fixture = Fixture(directory)
    try:
        change(fixture.device)
        machine = fixture.start()
        machine.up()
        window = machine.window()
        fixture.works(window)
        machine.qmp("device_del", id="acc0")
        machine.power_slot(False)
        machine.qmp.wait_event("DEVICE_DELETED")
        fixture.absent(window, (window, SIZE))
        for base in (window, window + 3 * SIZE, None):
            fixture.device.reset()
            if base != window:          # the bridge keeps what it had until then
                machine.system_reset()
                fixture.absent(window)
            asked = {} if base is None else {"cxl-fmws-base": base}
            machine.qmp("device_add", **fixture.properties(**asked))
            machine.power_slot(True)
            fixture.works(base or window)
            machine.system_reset()
            fixture.works(base or window)
            machine.qmp("device_del", id="acc0")
            machine.power_slot(False)
            machine.qmp.wait_event("DEVICE_DELETED")
            fixture.absent(base or window, (base or window, SIZE))
        check(not machine.errors(), machine.said())
        fixture.good_end()
    finally:
        fixture.close()


case("works: unplug, and plug again, at an address asked for")(
    lambda directory: unplug(directory, lambda device: None))
case("works: the same with MSI-X")(lambda directory: unplug(directory, Device.add_msix))


@case("works: memory is there only with Memory Space on and in D0")
def terms(directory):
    fixture = Fixture(directory)
    try:
        machine = fixture.start()
        machine.up()
        base = machine.window()
        fixture.works(base)
        for off, on in ((lambda: machine.memory(False), machine.memory),
                        (lambda: machine.config(EP_BUS, PMCSR, 3, "w"),
                         lambda: machine.config(EP_BUS, PMCSR, 0, "w"))):
            token = os.urandom(8)
            machine.write(base, token)
            off()
            machine.write(base, bytes(8))
            check(machine.read(base, 8) != token, "it is in the window still")
            check(os.pread(fixture.device.memfd, 8, 0) == token, "it was written")
            on()
            check(machine.read(base, 8) == token, "it is not back in the window")
        fixture.good_end()
    finally:
        fixture.close()

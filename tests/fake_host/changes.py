# SPDX-License-Identifier: GPL-2.0-only
"""Functions that make a good device a wrong one."""

import os
import struct

import protocol as p

BOTH = ("on", "auto")           # values of the property cxl
CXL_CAP = p.DEVICE_INFO_SIZE    # where that capability is in the device info


def dpa(**fields):
    """A change of what is said about the memory"""
    return lambda device: vars(device.regions[p.DPA]).update(fields)


def comp(**fields):
    return lambda device: vars(device.regions[p.COMP_REGS]).update(fields)


def sparse(*areas, **more):
    return lambda device: device.regions[p.DPA].caps.append(p.cap_sparse(*areas, **more))


def where(**fields):
    """A change of where the page is said to be"""
    def change(device):
        device.regions[p.COMP_REGS].caps[1] = p.cap_comp_regs(**fields)
    return change


def page(offset, value):
    """A register that has another value whenever the page is fresh"""
    def change(device):
        device.changed = lambda: device.put(offset, value)
        device.changed()
    return change


def grow(size):
    """All agree on more memory; the file has it if it is small enough."""
    def change(device):
        if size <= 8 << 30:
            os.ftruncate(device.memfd, size)
        device.size = device.regions[p.DPA].size = size
        device.reset()
    return change


def cut(length):
    """Info that has, and states, that length"""
    def mangle(data):
        del data[length:]
        struct.pack_into("<I", data, 0, length)
    return mangle


def info(position, fmt, *values, length=None):
    """Overwrite a part of the device info, then cut it off at a length"""
    def change(device):
        def mangle(data):
            struct.pack_into("<" + fmt, data, position, *values)
            if length is not None:
                cut(length)(data)
        device.mangle = mangle
    return change


def fails_later(command, count, fault):
    """The n-th such command is answered with a fault"""
    def change(device):
        seen = iter(range(1 << 30))

        def hook(this):
            if this == command and next(seen) >= count:
                raise fault
        device.on_command = hook
    return change


def answers(command, function, count=0):
    """The n-th such command is answered by something else"""
    def change(device):
        seen = iter(range(1 << 30))

        def hook(this, data):
            return function(data) if this == command and next(seen) >= count else data
        device.on_answer = hook
    return change

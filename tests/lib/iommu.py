# SPDX-License-Identifier: GPL-2.0-only
"""The tables of a PC's emulated intel-iommu, read as the hardware reads them."""

REGISTERS = 0xfed90000
ROOT_TABLE = REGISTERS + 0x20       # Root Table Address Register
SCALABLE = 0xc00                    # its Translation Table Mode is not legacy
ADDRESS = 0x000ffffffffff000
PRESENT, LARGE = 3, 0x80            # of an entry: read or write; a leaf


def _words(qmp, address, count):
    said = qmp("human-monitor-command", command_line=f"xp /{count}gx {address:#x}")
    return [int(word, 0) for line in said.splitlines() for word in line.split(":", 1)[1].split()]


def _walk(qmp, table, level, start, first, last):
    shift = 12 + 9 * (level - 1)
    for n, entry in enumerate(_words(qmp, table, 512)):
        at = start + (n << shift)
        if not entry & PRESENT or at > last or at + (1 << shift) <= first:
            continue
        if level == 1 or entry & LARGE:
            yield at, 1 << shift
        else:
            yield from _walk(qmp, entry & ADDRESS, level - 1, at, first, last)


def leaves(qmp, bdf, first, last):
    """The leaves (address, size) that map [first, last] for the function bdf; qmp: the VM's monitor"""
    _, bus, function = bdf.split(":")
    slot, number = function.split(".")
    root, = _words(qmp, ROOT_TABLE, 1)
    assert not root & SCALABLE, f"intel-iommu is in scalable mode: {root:#x}"
    contexts, _ = _words(qmp, (root & ADDRESS) + 16 * int(bus, 16), 2)
    low, high = _words(qmp, (contexts & ADDRESS) + 16 * (int(slot, 16) << 3 | int(number)), 2)
    return list(_walk(qmp, low & ADDRESS, 2 + (high & 7), 0, first, last)) if low & 1 else []

# SPDX-License-Identifier: GPL-2.0-only
"""A CXL accelerator as data, with hooks: a good one, until a test changes it.

All that QEMU may not trust is here as plain data, or goes through a hook.

The good device has, as vfio-cxl-pci has them (Documentation/driver-api/
vfio-cxl.rst):
  BAR 0, 64-bit, 128 KiB     component block at 64 KiB, its page at +4 KiB
  BAR 2, I/O, 32 bytes
  BAR 4, 4 KiB               32-bit memory
  region 9                   the register page
  region 10                  the device memory, in a memfd
"""

import errno
import os
import struct

import protocol as p


class Fault(Exception):
    """Raised by a hook: the request is answered with this errno."""


class Vanish(Exception):
    """Raised by a hook: the server is gone."""


class Region:
    """What REGION_INFO says of one. mangle(info) may change the finished answer."""

    def __init__(self, size=0, flags=0, caps=(), fd=None):
        self.size = size
        self.flags = flags
        self.caps = list(caps)
        self.fd = fd
        self.index = None           # to say another in the end than was asked for
        self.mangle = lambda info: None

    def info(self, index, argsz):
        flags = self.flags | (p.CAPS if self.caps else 0)
        out = bytearray(struct.pack("<IIIIQQ", 0, flags, index,
                                    p.REGION_INFO_SIZE if self.caps else 0, self.size, 0))
        out += p.chain(p.REGION_INFO_SIZE, self.caps)
        struct.pack_into("<I", out, 0, len(out))
        if self.index is not None and argsz >= len(out):
            struct.pack_into("<I", out, 8, self.index)
        self.mangle(out)
        return out[:argsz]


class Device:
    """A good device. Change it before, or while, it is served."""

    def __init__(self, size=p.SIZE):
        self.memfd = os.memfd_create("dpa")
        os.ftruncate(self.memfd, size)
        self.size = size
        self.flags = p.FLAG_RESET | p.FLAG_PCI | p.FLAG_CXL
        self.nr_regions = p.REGIONS
        self.nr_irqs = p.IRQS
        self.caps = [p.cap(p.CAP_CXL, 1, struct.pack("<II", p.FIRMWARE_COMMITTED, 0))]
        self.mangle = lambda info: None
        rw = p.READ | p.WRITE
        self.regions = {
            0: Region(0x20000, rw),
            2: Region(0x20, rw),
            4: Region(0x1000, rw),
            p.CONFIG: Region(0x1000, rw),
            p.COMP_REGS: Region(p.PAGE, rw, [p.cap_type(p.SUBTYPE_COMP_REGS), p.cap_comp_regs()]),
            p.DPA: Region(size, rw | p.MMAP, [p.cap_type(p.SUBTYPE_DPA)], self.memfd),
        }
        self.config = self._config()
        # Interrupts: flags and count of each. Neither INTx nor MSI; ERR and REQ
        self.irqs = [(p.EVENTFD, 0), (p.EVENTFD, 0), (p.EVENTFD, 0), (p.EVENTFD, 1), (p.EVENTFD, 1)]
        self.mangle_irq = lambda index, info: None
        self.page_index = p.COMP_REGS

        # Hooks for the register page: number of the access from 0, offset,
        # and the bytes that are right. A read returns bytes, a write whether
        # it may take place.
        self.on_read = lambda number, offset, data: data
        self.on_write = lambda number, offset, data: True

        # Before a write to config space, and a read of the memory
        self.on_config = lambda offset, data: None
        self.on_dpa = lambda: None

        # For every command: before it is done, and for the answer to it
        self.on_command = lambda command: None
        self.on_answer = lambda command, data: data
        self.resets = 0

        # A Gate, if it has that
        self.gate = None
        self.array = [1, 2, 5]      # ids in the capability array
        self.reset()

    def close(self):
        os.close(self.memfd)
        if self.gate:
            self.gate.close()

    @staticmethod
    def _config():
        config = bytearray(0x1000)
        # A 64-bit memory BAR, an I/O BAR, a 32-bit memory BAR
        struct.pack_into("<HHHHI", config, 0, 0x1e98, 0x0042, 0, 0x10, 0x12000001)
        for number, value in ((0, 0x4), (2, 0x1), (4, 0x0)):
            struct.pack_into("<I", config, 0x10 + 4 * number, value)
        config[0x34] = 0x40
        # Power management, version 3; PCI Express endpoint with FLR
        struct.pack_into("<BBHHH", config, 0x40, 0x01, 0x50, 0x3, 0, 0)
        struct.pack_into("<BBHI", config, 0x50, 0x10, 0, 0x2, 1 << 28 | 1 << 15)
        struct.pack_into("<IHH", config, 0x5c, 0x11, 0, 0x11)   # 2.5 GT/s, x1
        # DVSECs: CXL device (Cache, IO, Mem, one HDM range), register locator
        struct.pack_into("<IIHH", config, 0x100, 0x13c << 20 | 1 << 16 | 0x23,
                         0x3c << 20 | 2 << 16 | 0x1e98, 0, 0x17)
        struct.pack_into("<IIHHII", config, 0x13c, 1 << 16 | 0x23,
                         0x14 << 20 | 0x1e98, 8, 0, 1 << 8 | 0x10000, 0)
        return config

    def add_msix(self):
        """Four vectors, in BAR 4"""
        vectors = 4
        self.irqs[p.MSIX] = p.EVENTFD, vectors
        self.config[0x51] = 0x8c
        struct.pack_into("<BBHII", self.config, 0x8c, 0x11, 0, vectors - 1, 4, 0x800 | 4)

    # ---- the register page ----

    def reset(self):
        """As the kernel's page is when the device is opened or reset."""
        self.page = bytearray(p.PAGE)
        where = {2: 0x100, 5: p.HDM}
        self.put(0, 1 | 1 << 16 | 1 << 20 | len(self.array) - 1 << 24)
        for number, ident in enumerate(self.array[1:], 1):
            self.put(4 * number, ident | 1 << 16 | where.get(ident, 0x180) << 20)
        self.put(p.HDM, 0)            # one decoder
        self.put(p.SIZE_LO, self.size & 0xffffffff)
        self.put(p.SIZE_HI, self.size >> 32)
        self.put(p.CTRL, 0)
        self.config[4:6] = b"\0\0"
        self.changed()

    def changed(self):
        """Called when the page is fresh; a test overrides it."""

    def get(self, offset):
        return struct.unpack_from("<I", self.page, offset)[0]

    def put(self, offset, value):
        struct.pack_into("<I", self.page, offset, value)

    def decoder(self):
        """Base, size, control of decoder 0"""
        return (self.get(p.BASE_HI) << 32 | self.get(p.BASE_LO),
                self.get(p.SIZE_HI) << 32 | self.get(p.SIZE_LO), self.get(p.CTRL))

    def write_page(self, offset, data):
        for at in range(0, len(data), 4):
            self._write_register(offset + at, struct.unpack_from("<I", data, at)[0])

    def _write_register(self, offset, value):
        ctrl = self.get(p.CTRL)
        if offset == p.GLOBAL:
            self.put(offset, value & p.ENABLE)
        elif offset in (p.BASE_LO, p.SIZE_LO, p.BASE_HI, p.SIZE_HI) and not ctrl & p.COMMITTED:
            self.put(offset, value & 0xf0000000 if offset in (p.BASE_LO, p.SIZE_LO) else value)
        elif offset == p.CTRL and ctrl & p.COMMITTED:
            if not ctrl & p.LOCK and not value & p.COMMIT:
                self.put(offset, ctrl & ~(p.COMMIT | p.COMMITTED))
        elif offset == p.CTRL:
            value &= p.LOCK | p.COMMIT
            self.put(offset, value | (p.COMMITTED if value & p.COMMIT else 0))


class Gate:
    """VFIO_DEVICE_FEATURE_CXL_MEM: shut() and open() are what the kernel does."""

    def __init__(self):
        self.reasons = 0
        self.closures = 0
        self.eventfd = None
        self.on_get = lambda answer: answer
        self.on_set = lambda: None

    def feature(self, body, fds):
        argsz, flags = struct.unpack_from("<II", body)
        reasons, eventfd, closures = p.CXL_MEM.unpack_from(body, 8)
        if flags == p.FEATURE_GET | p.FEATURE_CXL_MEM:
            return self.on_get(struct.pack("<II", argsz, flags) +
                               p.CXL_MEM.pack(self.reasons, -1, self.closures))
        if flags != p.FEATURE_SET | p.FEATURE_CXL_MEM or reasons or closures or \
           (eventfd >= 0) != (len(fds) == 1):
            raise Fault(errno.EINVAL)
        self.on_set()
        self.close()
        self.eventfd = fds.pop() if fds else None
        return body

    def shut(self, reasons, tell=True):
        self.closures += not self.reasons
        self.reasons = reasons
        self._changed(tell)

    def open(self, tell=True):
        self.reasons = 0
        self._changed(tell)

    def _changed(self, tell):
        if tell and self.eventfd is not None:
            os.eventfd_write(self.eventfd, 1)

    def close(self):
        if self.eventfd is not None:
            os.close(self.eventfd)
        self.eventfd = None

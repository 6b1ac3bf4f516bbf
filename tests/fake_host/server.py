# SPDX-License-Identifier: GPL-2.0-only
"""A CXL accelerator, and the kernel that offers it, over the vfio-user protocol.

QEMU's vfio-user-pci asks a server on a Unix socket what vfio-pci asks the
kernel, so a program can play the kernel, and lie. A test makes a Device, which
is a good one, changes what is to be wrong with it, and serves it. All that QEMU
may not trust is here as plain data, or goes through a hook.

libvfio-user is not used: it cannot send capabilities with the device info, and
it refuses to send answers that are wrong.

The good device has, as vfio-cxl-pci has them (Documentation/driver-api/
vfio-cxl.rst):
  BAR 0, 64-bit, 128 KiB     component block at 64 KiB, its page at +4 KiB
  BAR 2, I/O, 32 bytes
  BAR 4, 4 KiB               32-bit memory
  region 9                   the register page
  region 10                  the device memory, in a memfd
"""

import array
import errno
import json
import os
import socket
import struct
import threading

# Commands and flags of the protocol
VERSION, DMA_MAP, DMA_UNMAP, DEVICE_INFO, REGION_INFO, IO_FDS, IRQ_INFO, SET_IRQS, \
    REGION_READ, REGION_WRITE, DMA_READ, DMA_WRITE, RESET, DIRTY, WRITE_MULTI, FEATURE = range(1, 17)
HEADER = struct.Struct("<HHIII")
REPLY, NO_REPLY, ERROR = 0x1, 0x10, 0x20

# linux/vfio.h and linux/vfio_cxl.h
FLAG_RESET, FLAG_PCI, FLAG_CAPS, FLAG_CXL = 1 << 0, 1 << 1, 1 << 7, 1 << 9
FIRMWARE_COMMITTED = 1 << 0
READ, WRITE, MMAP, CAPS = 1 << 0, 1 << 1, 1 << 2, 1 << 3
CAP_SPARSE_MMAP, CAP_TYPE, CAP_CXL, CAP_COMP_REGS = 1, 2, 6, 6
TYPE_CXL = 1 << 31 | 0x1e98
SUBTYPE_DPA, SUBTYPE_COMP_REGS = 1, 2
FEATURE_GET, FEATURE_SET, FEATURE_CXL_MEM = 1 << 16, 1 << 17, 0x1e98
CXL_MEM = struct.Struct("<IiQ")
DEVICE_INFO_SIZE, REGION_INFO_SIZE = 24, 32
CONFIG, COMP_REGS, DPA, REGIONS = 7, 9, 10, 11
MSIX, ERR_IRQ, REQ_IRQ, IRQS = 2, 3, 4, 5
EVENTFD = 1 << 0

# The register page: an array of capabilities, and the HDM decoders at HDM
MIB = 1 << 20
SIZE = 256 * MIB
PAGE = 0x1000
PAGE_OFFSET = 0x11000           # in BAR 0
HDM = 0x200
GLOBAL, BASE_LO, BASE_HI, SIZE_LO, SIZE_HI, CTRL = (HDM + n for n in
                                                    (0x04, 0x10, 0x14, 0x18, 0x1c, 0x20))
LOCK, COMMIT, COMMITTED, ERR = 1 << 8, 1 << 9, 1 << 10, 1 << 11
ENABLE = 1 << 1


class Fault(Exception):
    """Raised by a hook: the request is answered with this errno."""


class Vanish(Exception):
    """Raised by a hook: the server is gone."""


def cap(ident, version, body):
    """A capability; chain() fills in where the next one is."""
    return struct.pack("<HHI", ident, version, 0) + body


def cap_type(subtype, kind=TYPE_CXL):
    return cap(CAP_TYPE, 1, struct.pack("<II", kind, subtype))


def cap_comp_regs(bar=0, hdm=HDM, offset=PAGE_OFFSET, version=1):
    return cap(CAP_COMP_REGS, version, struct.pack("<IIQ", bar, hdm, offset))


def cap_sparse(*areas, count=None):
    body = struct.pack("<II", len(areas) if count is None else count, 0)
    return cap(CAP_SPARSE_MMAP, 1, body + b"".join(struct.pack("<QQ", *area) for area in areas))


def chain(start, caps):
    """Capabilities one after the other, from offset start, each aligned to 8."""
    out = bytearray()
    for number, one in enumerate(caps):
        one = bytearray(one.ljust(-(-len(one) // 8) * 8, b"\0"))
        if number + 1 < len(caps):
            struct.pack_into("<I", one, 4, start + len(out) + len(one))
        out += one
    return out


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
        flags = self.flags | (CAPS if self.caps else 0)
        out = bytearray(struct.pack("<IIIIQQ", 0, flags, index,
                                    REGION_INFO_SIZE if self.caps else 0, self.size, 0))
        out += chain(REGION_INFO_SIZE, self.caps)
        struct.pack_into("<I", out, 0, len(out))
        if self.index is not None and argsz >= len(out):
            struct.pack_into("<I", out, 8, self.index)
        self.mangle(out)
        return out[:argsz]


class Device:
    """A good device. Change it before, or while, it is served."""

    def __init__(self, size=SIZE):
        self.memfd = os.memfd_create("dpa")
        os.ftruncate(self.memfd, size)
        self.size = size
        self.flags = FLAG_RESET | FLAG_PCI | FLAG_CXL
        self.nr_regions = REGIONS
        self.nr_irqs = IRQS
        self.caps = [cap(CAP_CXL, 1, struct.pack("<II", FIRMWARE_COMMITTED, 0))]
        self.mangle = lambda info: None
        rw = READ | WRITE
        self.regions = {
            0: Region(0x20000, rw),
            2: Region(0x20, rw),
            4: Region(0x1000, rw),
            CONFIG: Region(0x1000, rw),
            COMP_REGS: Region(PAGE, rw, [cap_type(SUBTYPE_COMP_REGS), cap_comp_regs()]),
            DPA: Region(size, rw | MMAP, [cap_type(SUBTYPE_DPA)], self.memfd),
        }
        self.config = self._config()
        # Interrupts: flags and count of each. Neither INTx nor MSI; ERR and REQ
        self.irqs = [(EVENTFD, 0), (EVENTFD, 0), (EVENTFD, 0), (EVENTFD, 1), (EVENTFD, 1)]
        self.mangle_irq = lambda index, info: None
        self.page_index = COMP_REGS

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
        self.irqs[MSIX] = EVENTFD, vectors
        self.config[0x51] = 0x8c
        struct.pack_into("<BBHII", self.config, 0x8c, 0x11, 0, vectors - 1, 4, 0x800 | 4)

    # ---- the register page ----

    def reset(self):
        """As the kernel's page is when the device is opened or reset."""
        self.page = bytearray(PAGE)
        where = {2: 0x100, 5: HDM}
        self.put(0, 1 | 1 << 16 | 1 << 20 | len(self.array) - 1 << 24)
        for number, ident in enumerate(self.array[1:], 1):
            self.put(4 * number, ident | 1 << 16 | where.get(ident, 0x180) << 20)
        self.put(HDM, 0)            # one decoder
        self.put(SIZE_LO, self.size & 0xffffffff)
        self.put(SIZE_HI, self.size >> 32)
        self.put(CTRL, 0)
        self.config[4:6] = b"\0\0"
        self.changed()

    def changed(self):
        """Overridden by a test: called when the page is fresh."""

    def get(self, offset):
        return struct.unpack_from("<I", self.page, offset)[0]

    def put(self, offset, value):
        struct.pack_into("<I", self.page, offset, value)

    def decoder(self):
        """Base, size, control of decoder 0"""
        return (self.get(BASE_HI) << 32 | self.get(BASE_LO),
                self.get(SIZE_HI) << 32 | self.get(SIZE_LO), self.get(CTRL))

    def write_page(self, offset, data):
        for at in range(0, len(data), 4):
            self._write_register(offset + at, struct.unpack_from("<I", data, at)[0])

    def _write_register(self, offset, value):
        ctrl = self.get(CTRL)
        if offset == GLOBAL:
            self.put(offset, value & ENABLE)
        elif offset in (BASE_LO, SIZE_LO, BASE_HI, SIZE_HI) and not ctrl & COMMITTED:
            self.put(offset, value & 0xf0000000 if offset in (BASE_LO, SIZE_LO) else value)
        elif offset == CTRL and ctrl & COMMITTED:
            if not ctrl & LOCK and not value & COMMIT:
                self.put(offset, ctrl & ~(COMMIT | COMMITTED))
        elif offset == CTRL:
            value &= LOCK | COMMIT
            self.put(offset, value | (COMMITTED if value & COMMIT else 0))


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
        reasons, eventfd, closures = CXL_MEM.unpack_from(body, 8)
        if flags == FEATURE_GET | FEATURE_CXL_MEM:
            return self.on_get(struct.pack("<II", argsz, flags) +
                               CXL_MEM.pack(self.reasons, -1, self.closures))
        if flags != FEATURE_SET | FEATURE_CXL_MEM or reasons or closures or \
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


class Server(threading.Thread):
    """Serves a device at a path, one connection after the other."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.path = path
        self.device = None
        self.on_dma = lambda command, address, size: None
        self.fds = []               # that came with the request
        self.problem = None         # what a good client would not have done
        self.start()

    def serve(self, device):
        """From the next connection on"""
        device.reads = device.writes = 0
        self.device = device

    def run(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            try:
                with connection:
                    self._connection(connection)
            except (Vanish, ConnectionError):
                pass

    def close(self):
        # close() alone does not end an accept() in another thread
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)
        self.join()

    def _receive(self, connection, size):
        data = b""
        while len(data) < size:
            part, fds, _, _ = socket.recv_fds(connection, size - len(data), 16)
            self.fds += fds
            if not part:
                raise ConnectionError
            data += part
        return data

    def _connection(self, connection):
        device = self.device
        handlers = {VERSION: self._version, DEVICE_INFO: self._device_info,
                    REGION_INFO: self._region_info, IRQ_INFO: self._irq_info,
                    REGION_READ: self._read, REGION_WRITE: self._write,
                    WRITE_MULTI: self._write_multi, RESET: self._reset,
                    FEATURE: self._feature, DMA_MAP: self._map, DMA_UNMAP: self._unmap, SET_IRQS: self._nothing}
        while True:
            ident, command, size, flags, _ = HEADER.unpack(self._receive(connection, HEADER.size))
            body = self._receive(connection, size - HEADER.size)
            fd = None
            try:
                device.on_command(command)
                if command not in handlers:
                    raise Fault(errno.ENOTTY)
                reply = handlers[command](device, body)
                if isinstance(reply, tuple):
                    reply, fd = reply
                reply = device.on_answer(command, bytes(reply))
                header = HEADER.pack(ident, command, HEADER.size + len(reply), REPLY, 0)
            except Fault as fault:
                reply = b""
                header = HEADER.pack(ident, command, HEADER.size, REPLY | ERROR, fault.args[0])
            finally:
                while self.fds:     # memory to map, interrupts: not for us
                    os.close(self.fds.pop())
            if not flags & NO_REPLY:
                fds = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                              array.array("i", [fd]))]
                connection.sendmsg([header, reply], fds)

    @staticmethod
    def _nothing(_device, _body):
        return b""

    def _map(self, _device, body):
        self.on_dma(DMA_MAP, *struct.unpack_from("<QQ", body, 16))
        return b""

    def _unmap(self, _device, body):
        self.on_dma(DMA_UNMAP, *struct.unpack_from("<QQ", body, 8))
        return body

    @staticmethod
    def _version(_device, _body):
        return struct.pack("<HH", 0, 0) + json.dumps({"capabilities": {"max_msg_fds": 8}}).encode() + b"\0"

    @staticmethod
    def _device_info(device, body):
        argsz = struct.unpack_from("<I", body)[0]
        info = bytearray(struct.pack("<IIIIII", 0, device.flags | (FLAG_CAPS if device.caps else 0),
                                     device.nr_regions, device.nr_irqs,
                                     DEVICE_INFO_SIZE if device.caps else 0, 0))
        info += chain(DEVICE_INFO_SIZE, device.caps)
        struct.pack_into("<I", info, 0, len(info))
        device.mangle(info)
        return info[:argsz]

    @staticmethod
    def _region_info(device, body):
        argsz, _, index = struct.unpack_from("<III", body)
        region = device.regions.get(index, Region())
        return region.info(index, argsz), region.fd

    @staticmethod
    def _irq_info(device, body):
        index = struct.unpack_from("<III", body)[2]
        info = bytearray(struct.pack("<IIII", 16, device.irqs[index][0], index, device.irqs[index][1]))
        device.mangle_irq(index, info)
        return info

    def _feature(self, device, body):
        if not device.gate:
            raise Fault(errno.ENOTTY)
        return device.gate.feature(body, self.fds)

    def _read(self, device, body):
        offset, index, count = struct.unpack("<QII", body)
        if index == CONFIG:
            data = bytes(device.config[offset:offset + count])
        elif index == device.page_index:
            number = device.reads
            device.reads += 1
            data = device.on_read(number, offset, bytes(device.page[offset:offset + count]))
        else:
            if index == 0 and PAGE_OFFSET <= offset < PAGE_OFFSET + PAGE:
                self.problem = "the page was read through the BAR"
            if index == DPA:
                device.on_dpa()
            data = bytes(count)
        return struct.pack("<QII", offset, index, len(data)) + data

    def _write(self, device, body):
        offset, index, count = struct.unpack_from("<QII", body)
        self._put(device, index, offset, body[16:16 + count])
        return body[:16]

    def _write_multi(self, device, body):
        for at in range(8, 8 + struct.unpack_from("<Q", body)[0] * 24, 24):
            offset, index, count = struct.unpack_from("<QII", body, at)
            self._put(device, index, offset, body[at + 16:at + 16 + count])
        return b""

    def _put(self, device, index, offset, data):
        if index == CONFIG:
            # Command register, BARs without their type bits, PM control, range 1
            device.on_config(offset, data)
            for at, byte in enumerate(data, offset):
                if at in (4, 5, 0x44) or 0x10 <= at < 0x28 and at % 4 or 0x120 <= at < 0x128:
                    device.config[at] = byte
        elif index == device.page_index:
            number = device.writes
            device.writes += 1
            if device.on_write(number, offset, data):
                device.write_page(offset, data)
        elif index == 0 and PAGE_OFFSET <= offset < PAGE_OFFSET + PAGE:
            self.problem = "the page was written through the BAR"

    @staticmethod
    def _reset(device, _body):
        device.resets += 1
        device.reset()
        return b""

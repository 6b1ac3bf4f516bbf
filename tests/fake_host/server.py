# SPDX-License-Identifier: GPL-2.0-only
"""A program that plays the kernel which offers a CXL accelerator, by vfio-user.

QEMU's vfio-user-pci asks a server on a Unix socket what vfio-pci asks the
kernel, so a program can play the kernel, and lie. A test makes a Device, which
is a good one, changes what is to be wrong with it, and serves it.

libvfio-user is not used: it cannot send capabilities with the device info, and
it refuses to send answers that are wrong.
"""

import array
import errno
import json
import os
import socket
import struct
import threading

import protocol as p
from accelerator import Fault, Region, Vanish


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
        handlers = {p.VERSION: self._version, p.DEVICE_INFO: self._device_info,
                    p.REGION_INFO: self._region_info, p.IRQ_INFO: self._irq_info,
                    p.REGION_READ: self._read, p.REGION_WRITE: self._write,
                    p.WRITE_MULTI: self._write_multi, p.RESET: self._reset,
                    p.FEATURE: self._feature, p.DMA_MAP: self._map, p.DMA_UNMAP: self._unmap,
                    p.SET_IRQS: self._nothing}
        while True:
            ident, command, size, flags, _ = p.HEADER.unpack(self._receive(connection, p.HEADER.size))
            body = self._receive(connection, size - p.HEADER.size)
            fd = None
            try:
                device.on_command(command)
                if command not in handlers:
                    raise Fault(errno.ENOTTY)
                reply = handlers[command](device, body)
                if isinstance(reply, tuple):
                    reply, fd = reply
                reply = device.on_answer(command, bytes(reply))
                header = p.HEADER.pack(ident, command, p.HEADER.size + len(reply), p.REPLY, 0)
            except Fault as fault:
                reply = b""
                header = p.HEADER.pack(ident, command, p.HEADER.size, p.REPLY | p.ERROR, fault.args[0])
            finally:
                while self.fds:     # memory to map, interrupts: not for us
                    os.close(self.fds.pop())
            if not flags & p.NO_REPLY:
                fds = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                              array.array("i", [fd]))]
                connection.sendmsg([header, reply], fds)

    @staticmethod
    def _nothing(_device, _body):
        return b""

    def _map(self, _device, body):
        self.on_dma(p.DMA_MAP, *struct.unpack_from("<QQ", body, 16))
        return b""

    def _unmap(self, _device, body):
        self.on_dma(p.DMA_UNMAP, *struct.unpack_from("<QQ", body, 8))
        return body

    @staticmethod
    def _version(_device, _body):
        return struct.pack("<HH", 0, 0) + json.dumps({"capabilities": {"max_msg_fds": 8}}).encode() + b"\0"

    @staticmethod
    def _device_info(device, body):
        argsz = struct.unpack_from("<I", body)[0]
        info = bytearray(struct.pack("<IIIIII", 0, device.flags | (p.FLAG_CAPS if device.caps else 0),
                                     device.nr_regions, device.nr_irqs,
                                     p.DEVICE_INFO_SIZE if device.caps else 0, 0))
        info += p.chain(p.DEVICE_INFO_SIZE, device.caps)
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
        if index == p.CONFIG:
            data = bytes(device.config[offset:offset + count])
        elif index == device.page_index:
            number = device.reads
            device.reads += 1
            data = device.on_read(number, offset, bytes(device.page[offset:offset + count]))
        else:
            if index == 0 and p.PAGE_OFFSET <= offset < p.PAGE_OFFSET + p.PAGE:
                self.problem = "the page was read through the BAR"
            if index == p.DPA:
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
        if index == p.CONFIG:
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
        elif index == 0 and p.PAGE_OFFSET <= offset < p.PAGE_OFFSET + p.PAGE:
            self.problem = "the page was written through the BAR"

    @staticmethod
    def _reset(device, _body):
        device.resets += 1
        device.reset()
        return b""

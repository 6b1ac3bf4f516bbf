# SPDX-License-Identifier: GPL-2.0-only
"""Talking to a machine: lines over a socket, and commands to its /init (see tests/vm/init)."""

import os
import socket
import time


class VMError(Exception):
    """A machine did not do what it was asked to."""


def connect(directory, name):
    """A connected unix socket; through /proc, as its path may be too long."""
    fd = os.open(directory, os.O_PATH)
    try:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(f"/proc/self/fd/{fd}/{name}")
        return sock
    finally:
        os.close(fd)


class Closed(VMError):
    """The other end has closed the connection."""


class LineReader:
    """Whole lines to and from a socket. waiting() is called while none comes; it may raise."""

    def __init__(self, sock, waiting=None):
        self.sock = sock
        self.waiting = waiting
        self.pending = b""

    def send(self, text, timeout=60):
        self.sock.settimeout(timeout)
        try:
            self.sock.sendall(text.encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            raise Closed("the machine closed the channel") from None

    def read(self, deadline):
        while b"\n" not in self.pending:
            if self.waiting:
                self.waiting()
            if time.monotonic() > deadline:
                raise VMError("no answer in time")
            self.sock.settimeout(0.5)
            try:
                data = self.sock.recv(65536)
            except socket.timeout:
                continue
            except ConnectionResetError:
                data = b""
            if not data:
                if self.waiting:
                    time.sleep(0.5)
                    self.waiting()          # which may know why
                raise Closed("the machine closed the channel")
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode(errors="replace").rstrip("\r")


class Shell:
    """Runs commands in the host VM or in the guest, over a channel."""

    def __init__(self, role, lines):
        self.role = role
        self.lines = lines
        self.serial = 0

    def wait_ready(self, timeout):
        deadline = time.monotonic() + timeout
        while self.lines.read(deadline) != "ready":
            pass

    # Long enough for a guest two levels of emulation down on a busy machine:
    # nothing is known to take a tenth of it.
    patience = 600

    def tell(self, script, timeout=patience):
        """Start a shell script without waiting for it, as it may never return."""
        self.serial += 1
        lines = script.splitlines()
        self.lines.send("\n".join([f"{self.serial} {len(lines)}", *lines]), timeout)
        return str(self.serial)

    def run(self, script, timeout=patience, line=None):
        """Run a shell script: (exit status, output). line(text) sees each line at once."""
        me = self.tell(script, timeout)
        deadline = time.monotonic() + timeout
        output = []
        while True:
            try:
                answer = self.lines.read(deadline)
            except VMError as error:
                raise VMError(f"{self.role}: {error}: {script}") from None
            tag, _, text = answer.partition(" ")
            if tag == me + "|":
                output.append(text)
                if line:
                    line(text)
            elif tag == me + "=":
                return int(text), "\n".join(output)

    def sh(self, script, timeout=patience, line=None):
        """Run a shell script and return its output; a failure is a VMError."""
        status, output = self.run(script, timeout, line)
        if status:
            raise VMError(f"{self.role}: status {status}: {script}\n{output}")
        return output

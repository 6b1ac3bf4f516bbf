# SPDX-License-Identifier: GPL-2.0-only
"""Talking to a machine: commands to its /init (see tests/vm/init), and QMP."""

import json
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


class Lines:
    """Whole lines from a socket."""

    def __init__(self, sock):
        self.sock = sock
        self.pending = b""

    def read(self, deadline, alive):
        while b"\n" not in self.pending:
            alive()
            if time.monotonic() > deadline:
                raise VMError("no answer in time")
            self.sock.settimeout(0.5)
            try:
                data = self.sock.recv(65536)
            except socket.timeout:
                continue
            if not data:
                time.sleep(0.5)
                alive()             # says why, if it ended
                raise VMError("the machine closed the channel")
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode(errors="replace").rstrip("\r")


class Machine:
    """What the host VM and the guest have in common: a command channel."""

    def __init__(self, vm, role, sock):
        self.vm = vm
        self.role = role
        self.lines = Lines(sock)
        self.serial = 0

    def wait_ready(self, timeout):
        deadline = time.monotonic() + timeout
        while self.lines.read(deadline, self.vm.check_alive) != "ready":
            pass

    # Of a guest two levels of emulation down, on a machine that does other things,
    # too: nothing is known to take a tenth of this.
    patience = 600

    def tell(self, script, timeout=patience):
        """Start a shell script, and do not wait: for one that does not come back."""
        self.serial += 1
        lines = script.splitlines()
        self.lines.sock.settimeout(timeout)
        self.lines.sock.sendall("\n".join([f"{self.serial} {len(lines)}", *lines, ""]).encode())
        return str(self.serial)

    def run(self, script, timeout=patience, line=None):
        """Run a shell script: (exit status, output). line(text) sees each line at once."""
        me = self.tell(script, timeout)
        deadline = time.monotonic() + timeout
        output = []
        while True:
            try:
                answer = self.lines.read(deadline, self.vm.check_alive)
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


class QMP:
    """QEMU's monitor. Events are collected in .events."""

    def __init__(self, vm, sock):
        self.vm = vm
        self.lines = Lines(sock)
        self.events = []
        self.serial = 0
        self.greeted = False

    def _answer(self, timeout, key, value):
        """The message with it; not that to a request for which nobody waits any more."""
        deadline = time.monotonic() + timeout
        while True:
            message = json.loads(self.lines.read(deadline, self.vm.check_alive))
            if "event" in message:
                self.events.append(message)
            if key in message and value in (None, message[key]):
                return message

    def __call__(self, command, timeout=300, **arguments):
        if not self.greeted:
            self._answer(timeout, "QMP", None)
            self.greeted = True
            self("qmp_capabilities", timeout)
        self.serial += 1
        request = {"execute": command, "id": self.serial}
        if arguments:
            request["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        self.lines.sock.sendall(json.dumps(request).encode() + b"\n")
        answer = self._answer(timeout, "id", self.serial)
        if "error" in answer:
            raise VMError(f"{command}: {answer['error']['desc']}")
        return answer["return"]

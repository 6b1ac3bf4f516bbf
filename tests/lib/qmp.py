# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's monitor protocol, for VMs and for a QEMU without a guest."""

import json
import time

from channels import VMError


class QMP:
    """Call it with a command and its arguments. Events are collected in .events."""

    def __init__(self, lines):
        self.lines = lines
        self.events = []
        self.serial = 0
        self.greeted = False

    def _answer(self, deadline, key, value):
        """The message with key == value; skips late replies to requests that timed out."""
        while True:
            message = json.loads(self.lines.read(deadline))
            if "event" in message:
                self.events.append(message)
            if key in message and value in (None, message[key]):
                return message

    def greet(self, timeout=300):
        """Wait until QEMU takes commands."""
        if not self.greeted:
            self._answer(time.monotonic() + timeout, "QMP", None)
            self.greeted = True
            self("qmp_capabilities", timeout)

    def ask(self, command, timeout=300, **arguments):
        """The whole reply, an error included."""
        self.greet(timeout)
        self.serial += 1
        request = {"execute": command, "id": self.serial}
        if arguments:
            request["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        self.lines.send(json.dumps(request))
        return self._answer(time.monotonic() + timeout, "id", self.serial)

    def __call__(self, command, timeout=300, **arguments):
        """What the command returns; an error is a VMError."""
        answer = self.ask(command, timeout, **arguments)
        if "error" in answer:
            raise VMError(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def wait_event(self, name, timeout=300):
        """Wait until it arrives, unless it has since the last wait."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event
            self._answer(deadline, "event", name)

# SPDX-License-Identifier: GPL-2.0-only
"""What kernels and QEMU left in logs."""

import os
import re
import sys

# What a kernel says when it finds a fault in itself.
COMPLAINT = re.compile(
    r"BUG:|WARNING:|Oops|general protection|Call [Tt]race|KASAN|UBSAN|INFO: task .* blocked|"
    r"Internal error:|Unable to handle kernel|"
    r"Kernel panic|possible recursive locking|inconsistent lock state|refcount_t:|"
    r"kmemleak: .* leaks|ODEBUG:|scheduling while atomic|self-detected stall|detected stalls")


def say_lines(text):
    """Print it as TAP comments, apart from the test's own output"""
    print(*(f"# {line}" for line in text.splitlines()), sep="\n", file=sys.stderr, flush=True)


def end_of(path, lines=20):
    with open(path, errors="replace") as log:
        return "\n".join(log.read().splitlines()[-lines:])


def show_end(path):
    if last := end_of(path):
        print(f"--- the end of {os.path.relpath(path)}:", last, sep="\n", file=sys.stderr)


def complaints(logs):
    """The lines of the logs in which a kernel reports a fault."""
    found = []
    for log in logs:
        if os.path.exists(log):
            with open(log, errors="replace") as file:
                found += [line.strip() for line in file if COMPLAINT.search(line)]
    return found

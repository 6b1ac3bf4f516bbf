#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""What QEMU does when the kernel lies about a CXL device. TAP on stdout.

    run.py QEMU [WORD...]       only the cases whose name contains a WORD

server.py plays device and kernel, over vfio-user, to the passthrough code that
vfio-pci uses too. A good device must work. One that gives a wrong answer must
be refused, with one error that names what is wrong; or, where that shows only
when the machine is reset, must stay uncommitted, with nothing in the window.
Never may QEMU crash, leak, hang, or have a sanitizer complain. A case that takes
more than LIMIT seconds has failed.
"""

import os
import re
import subprocess
import sys
import time
import traceback

if len(sys.argv) < 2:
    sys.exit(__doc__)

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import gate
import guest
import infos
import plugging
import pool
import regions
import registers
import working
from fixture import CASES, Failed, check
from tap import Writer

CASES_OF = (working, infos, regions, registers, plugging, gate, guest)  # importing them has registered theirs
JOBS = int(os.environ.get("JOBS", "2"))
LIMIT = float(os.environ.get("LIMIT", "180"))


def explain(function, directory):
    """Run it: what is wrong, or None"""
    try:
        function(directory)
    except Failed as failed:
        return str(failed)
    except Exception:
        why = traceback.format_exc(limit=-3)
        path = os.path.join(directory, "stderr")
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                why += "QEMU said:\n" + file.read()
        return why
    return None


def runs_on():
    """Test the limit itself: the second of three cases hangs, with a process of its own."""
    def run(number, directory):
        if number != 1:
            return None
        child = subprocess.Popen(["sleep", "600"])
        with open(os.path.join(directory, "stderr"), "w", encoding="utf-8") as file:
            file.write(f"child {child.pid}\n")
        child.wait()
        return "it came back"

    results = sorted(pool.run_all(run, 3, 1, 1))
    whys = [why or "" for _, why, _ in results]
    child = re.search(r"^child (\d+)$", whys[1], re.MULTILINE)
    check(len(results) == 3 and not whys[0] and not whys[2], f"the others: {results}")
    check("no end in 1 s" in whys[1] and " in run\n" in whys[1] and child,
          f"no word of where it hung in:\n{whys[1]}")
    for _ in range(50):             # until init, or who stands in for it, has seen to it
        try:
            with open(f"/proc/{child[1]}/stat", encoding="ascii") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except FileNotFoundError:
            return
        time.sleep(0.1)
    raise Failed(f"process {child[1]} of the case was left")


def main():
    words = sys.argv[2:]
    cases = [(name, function) for name, function in CASES
             if not words or any(word in name for word in words)]
    tap = Writer(len(cases) + 1)

    def tell(name, why, took):
        tap.result(not why, f"{name} ({took:.1f} s)", "\n".join((why or "").splitlines()[:60]))

    began = time.monotonic()
    why = explain(lambda _: runs_on(), "")
    tell("a case that hangs is killed and named, and the next one runs", why, time.monotonic() - began)
    results, told = {}, 0
    for number, why, took in pool.run_all(lambda n, directory: explain(cases[n][1], directory),
                                          len(cases), JOBS, LIMIT):
        results[number] = why, took
        while told in results:
            tell(cases[told][0], *results.pop(told))
            told += 1
    sys.exit(tap.done())


if __name__ == "__main__":
    main()

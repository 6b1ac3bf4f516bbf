# SPDX-License-Identifier: GPL-2.0-only
"""Runs cases in processes of their own, a few at a time, each within a limit.

A case may hang wherever it likes, with a QEMU that does not end and a server that
does not answer. So each worker is a process group of its own: it runs one case
after the other, and one that exceeds its time is killed with all that it started.
"""

import ctypes
import faulthandler
import json
import os
import select
import shutil
import signal
import tempfile
import time


class Worker:
    """run(number, directory) gives what is wrong with a case, or None."""

    def __init__(self, run):
        self.case = None
        self.directory = None
        self.began = 0
        down, self.down = os.pipe()
        self.up, up = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: ends with its parent
            try:
                self._work(run, os.fdopen(down), os.fdopen(up, "w"))
            finally:
                os._exit(0)
        os.setpgid(self.pid, self.pid)
        os.close(down)
        os.close(up)
        self.answers = os.fdopen(self.up)

    @staticmethod
    def _work(run, jobs, results):
        for line in jobs:
            number, directory = json.loads(line)
            with open(os.path.join(directory, "where"), "w", encoding="utf-8") as where:
                faulthandler.register(signal.SIGUSR1, where, all_threads=True)
                why = run(number, directory)
                faulthandler.unregister(signal.SIGUSR1)
            print(json.dumps(why), file=results, flush=True)

    def start(self, number):
        self.case = number
        self.directory = tempfile.mkdtemp(prefix="vfio-cxl-")
        self.began = time.monotonic()
        os.write(self.down, (json.dumps([number, self.directory]) + "\n").encode())

    def finish(self):
        """Its case is over; return its number, what is wrong, and the seconds it took."""
        answer = self.answers.readline()
        why = json.loads(answer) if answer else "its process has ended\n" + self._read("stderr")
        return self._over(why)

    def kill(self, limit):
        """Its case is not over in time. Returns the same; the worker cannot be used again."""
        os.kill(self.pid, signal.SIGUSR1)
        time.sleep(0.2)
        os.killpg(self.pid, signal.SIGKILL)
        result = self._over(f"no end in {limit} s, and killed; it was here:\n{self._read('where')}"
                            f"QEMU said:\n{self._read('stderr')}")
        self.close()
        return result

    def _read(self, name):
        path = os.path.join(self.directory, name)
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _over(self, why):
        result = self.case, why, time.monotonic() - self.began
        shutil.rmtree(self.directory, ignore_errors=True)
        self.case = None
        return result

    def close(self):
        os.killpg(self.pid, signal.SIGKILL)
        os.close(self.down)
        self.answers.close()
        os.waitpid(self.pid, 0)


def run_all(run, count, jobs, limit):
    """Run the cases 0..count-1; yields (number, what is wrong, seconds) as they end."""
    waiting = list(range(count))
    workers = []
    try:
        while waiting or any(w.case is not None for w in workers):
            while waiting and len(workers) < jobs:
                workers.append(Worker(run))
            for worker in workers:
                if worker.case is None and waiting:
                    worker.start(waiting.pop(0))
            busy = [w for w in workers if w.case is not None]
            first = min(w.began for w in busy) + limit
            ready = select.select([w.answers for w in busy], [], [], max(0, first - time.monotonic()))[0]
            for worker in busy:
                if worker.answers in ready:
                    yield worker.finish()
                elif time.monotonic() > worker.began + limit:
                    workers.remove(worker)
                    yield worker.kill(limit)
    finally:
        for worker in workers:
            worker.close()
            if worker.directory:
                shutil.rmtree(worker.directory, ignore_errors=True)

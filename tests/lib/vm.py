# SPDX-License-Identifier: GPL-2.0-only
"""The host VM: a machine with an emulated CXL accelerator, and the guest in it.

    with HostVM("demo") as vm:
        vm.boot()
        vm.sh("modprobe vfio-cxl-pci")          # in the host VM; output, or VMError
        vm.start_guest(bdf)                     # the guest in it
        vm.guest.sh("modprobe cxl_accel")       # in the guest, the same way
        vm.qmp("system_reset")                  # its QEMU; vm.guest_qmp(): the guest's
        vm.dpa                                  # the file behind the device memory

Everything has a timeout (for all of it: HostVM.limit seconds), and leaving the
"with" block, by whatever way, ends the machine. Consoles go to
build/logs/NAME.{host,guest}.log. One host VM runs at a time, in build/run.
"""

import ctypes
import fcntl
import os
import re
import secrets
import signal
import subprocess
import sys
import time

import diagnostics
from channels import LineReader, Shell, VMError, connect
from platforms import ARCH, CONSOLE, IMAGES, KERNEL, LOGS, PATTERN, QEMU, ROMS, RUN, platform
from qmp import QMP
from topology import accelerator, bridge, port

# What the self-test of the guest's driver, tests/programs/cxl_accel, does
ENGINE_STEPS = 6


class HostVM(Shell):
    limit = 2400        # seconds that a machine may live
    memory = "3G"
    dpa_size = 256 << 20
    window = "16G"      # of the host bridge cxl.1
    kernel = KERNEL
    initrd = os.path.join(IMAGES, "host.cpio")

    def __init__(self, name, run="", accel_options="", devices=(), append="", verbose=False,
                 console=False, icount=False, iommu=""):
        """
        name           of the logs
        run            vfio_cxl.run for the host VM; "" serves commands
        accel_options  more properties of -device cxl-type2; None: no such device
        devices        more arguments for QEMU; -machine adds to the one that there is
        console        connect the serial console to this terminal
        icount         one CPU, of which each instruction takes 1 ns of the VM's time
        iommu          more properties of a PC's intel-iommu, each after a comma
        """
        self.name = name
        self.append = append + (f" vfio_cxl.run={run}" if run else "")
        self.accel_options = accel_options
        self.devices = list(devices)
        self.verbose = verbose
        self.console = console
        self.icount = icount
        self.iommu = iommu
        self.process = None
        self.lock = None
        self.guest = None
        self.guest_runs = False
        self.dpa = os.path.join(RUN, "dpa.bin")
        self.log = os.path.join(LOGS, f"{name}.host.log")
        self.guest_log = os.path.join(LOGS, f"{name}.guest.log")
        self.qemu_log = os.path.join(LOGS, f"{name}.qemu.log")
        self.out = os.path.join(RUN, "out")
        self.seen = 0

    def arguments(self):
        # QEMU wants all windows in one -machine.
        machine = "".join("," + self.devices[n + 1] for n, word in enumerate(self.devices)
                          if word == "-machine")
        devices = [word for n, word in enumerate(self.devices)
                   if word != "-machine" and (not n or self.devices[n - 1] != "-machine")]
        machine = f"cxl=on,cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size={self.window}{machine}"
        args = [
            QEMU, "-L", ROMS, "-nodefaults", "-display", "none", "-no-reboot",
            *platform(machine, self.icount, self.iommu),
            "-smp", "1" if self.icount else "2", "-m", self.memory,
            "-kernel", self.kernel, "-initrd", self.initrd,
            "-append", f"console={CONSOLE} panic=-1 {self.append}",
            # hdm_for_passthrough is not set: a committed endpoint implies it.
            *bridge(1, bus_nr=12), *port(0),
            "-qmp", "unix:qmp,server=on,wait=off",
            "-device", "virtio-serial-pci,bus=pcie.0",
        ]
        ports = {
            "cmd": "socket,path=cmd,server=on,wait=off",
            "out": "file,path=out",
            "guest-cmd": "socket,path=guest-cmd,server=on,wait=off",
            "guest-qmp": "socket,path=guest-qmp,server=on,wait=off",
            "guest-console": f"file,path={self.guest_log}",
        }
        if self.console:
            ports = {}
            args += ["-chardev", f"stdio,id=con,signal=off,mux=on,logfile={self.log}",
                     "-object", "monitor-hmp,id=mon,chardev=con"]
        else:
            args += ["-chardev", f"file,id=con,path={self.log}"]
        args += ["-serial", "chardev:con"]
        # QEMU's monitor, for tests in the VM that have the device misbehave
        args += ["-chardev", "socket,id=monitor,path=monitor,server=on,wait=off",
                 "-object", "monitor-qmp,id=monitor,chardev=monitor"]
        ports["monitor"] = "socket,path=monitor"
        for name, backend in ports.items():
            kind, options = backend.split(",", 1)
            args += ["-chardev", f"{kind},id=port-{name},{options}",
                     "-device", f"virtserialport,chardev=port-{name},name={name}"]
        if self.accel_options is not None:
            args += accelerator("accel0", "rp0", self.dpa_size, self.dpa)
            args[-1] += self.accel_options and "," + self.accel_options
        args += devices
        if ARCH == "arm64":
            # An SMMU for each CXL host bridge, as hosts have it
            bridges = re.findall(r"\bpxb-cxl,\S*\bid=([^, ]+)", " ".join(args))
            args += [word for bridge in bridges for word in ("-device", f"arm-smmuv3,primary-bus={bridge}")]
        return args

    def start(self):
        os.makedirs(RUN, exist_ok=True)
        os.makedirs(LOGS, exist_ok=True)
        self.lock = open(os.path.join(RUN, "lock"), "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VMError(f"another host VM is running in {RUN}") from None
        for old in ("qmp", "cmd", "out", "guest-cmd", "guest-qmp", "monitor"):
            if os.path.exists(os.path.join(RUN, old)):
                os.unlink(os.path.join(RUN, old))
        for log in (self.log, self.guest_log, self.qemu_log):
            open(log, "w").close()
        with open(self.dpa, "wb") as file:
            file.truncate(self.dpa_size)
        args = self.arguments()
        libc = ctypes.CDLL(None)
        with open(self.qemu_log, "w") as log:
            log.write(" ".join(args) + "\n")
            log.flush()
            # Die with this process, however that ends (1 is PR_SET_PDEATHSIG).
            self.process = subprocess.Popen(
                args, cwd=RUN, stderr=None if self.console else log,
                stdin=None if self.console else subprocess.DEVNULL,
                preexec_fn=lambda: libc.prctl(1, signal.SIGKILL))
        self.end = time.monotonic() + self.limit
        if self.console:
            return
        # Before anything in the machine opens a port: a port without a peer
        # reads as closed.
        Shell.__init__(self, "host", self.connect("cmd"))
        self.qmp = QMP(self.connect("qmp"))
        self.guest = Shell("guest", self.connect("guest-cmd"))
        self.guest_qmp = QMP(self.connect("guest-qmp"))

    def connect(self, name):
        while True:
            try:
                return LineReader(connect(RUN, name), self.check_alive)
            except (FileNotFoundError, ConnectionRefusedError):
                self.check_alive()
                time.sleep(0.05)

    def boot(self, timeout=150, ready=None):
        """Start it and wait until it takes commands, or for ready(timeout)."""
        self.start()
        try:
            return (ready or self.wait_ready)(timeout)
        except VMError as error:
            if self.process.poll() is None:
                self.autopsy(f"the host VM has not come up: {error}")
            raise

    def autopsy(self, why):
        """Say what the machines are doing when one of them does not answer."""
        questions = [("host VM", self.qmp, "info registers -a")]
        if self.guest_runs:
            questions += [("guest", self.guest_qmp, command) for command in
                          ("info status", "info registers -a", "info lapic", "info pic")]
        for machine, monitor, command in questions:
            try:
                text = monitor("human-monitor-command", 30, command_line=command)
            except VMError as error:
                text = str(error)
            text = re.sub(r"^(FPR|XMM|YMM|ZMM|Opmask).*\n", "", text.replace("\r", ""), flags=re.MULTILINE)
            diagnostics.say_lines(f"{machine}: {command}\n{text}")
        if self.guest_runs:
            diagnostics.say_lines(f"the guest's console ends so:\n{diagnostics.end_of(self.guest_log, 12)}")
        diagnostics.say_lines(why)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.lock:
            self.lock.close()

    def start_guest(self, bdf, *qemu_args, env="", timeout=300):
        """
        Start the guest with one device of the host VM ("none": with what qemu_args
        say); wait until it takes commands.
        """
        words = " ".join("'" + a.replace("'", r"'\''") + "'" for a in (bdf, "") + qemu_args)
        self.sh(f"{env} start-guest {words} >/tmp/guest.log 2>&1 & echo $! >/tmp/guest.pid")
        self.guest_runs = True
        try:
            return self._wait_for_start(timeout)
        except VMError as error:
            if self.process.poll() is None and self.guest_runs:
                self.autopsy(f"the guest has not come up: {error}")
            raise

    def _wait_for_start(self, timeout):
        """Wait until it takes commands; fail at once if its QEMU has ended."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self.guest.wait_ready(2)
            except VMError:
                if self.run("kill -0 $(cat /tmp/guest.pid)")[0]:
                    self.guest_runs = False
                    raise VMError("the guest did not start: " +
                                  self.run("cat /tmp/guest.log")[1]) from None
                if time.monotonic() > deadline:
                    raise

    def wait_for_guest(self, timeout=300):
        """Wait until it takes commands again after a reset."""
        try:
            return self.guest.wait_ready(timeout)
        except VMError as error:
            if self.process.poll() is None:
                self.autopsy(f"the guest has not come up after a reset: {error}")
            raise

    def end_guest(self):
        """Kill it. Its last close of the device is over when the process is gone."""
        self.sh("pid=$(cat /tmp/guest.pid); kill -9 $pid; while kill -0 $pid; do sleep 0.1; done")
        self.guest_qmp.greeted = False
        self.guest_runs = False

    def same_content(self, dpa, device="/dev/cxl_accel0", size=8 << 20, say=print, timeout=300):
        """
        Whether a device's memory in the guest and the file dpa are the same bytes: in
        both directions, while the guest runs. Returns what is wrong, or nothing.
        """
        seeds = [str(secrets.randbits(64)) for _ in range(2)]
        words = [str(os.path.getsize(dpa)), str(size), *seeds, str(timeout)]
        outside = subprocess.Popen([PATTERN, "outside", dpa, *words], stdout=subprocess.PIPE, text=True)
        status, _ = self.guest.run(f"pattern guest {device} {' '.join(words)}", timeout * 3,
                                   line=lambda text: say(f"    {text}"))
        output, _ = outside.communicate(timeout=timeout * 3)
        for line in output.splitlines():
            say(f"    {line}")
        if outside.returncode or status:
            return f"status {status} in the guest, {outside.returncode} outside"
        return ""

    def engine_selftest(self):
        """Exercise the guest's first accelerator; return whether all went well, and its report."""
        status, report = self.guest.run("cat /sys/kernel/debug/cxl_accel0/selftest")
        return (status == 0 and report.count(": ok, status") == ENGINE_STEPS and
                f"interrupts: {ENGINE_STEPS}" in report), report

    def check_alive(self):
        if self.process.poll() is not None:
            raise VMError(f"the host VM ended (QEMU: status {self.process.returncode}); "
                          f"see {self.qemu_log}")
        self.check_time()

    def check_time(self):
        if time.monotonic() > self.end:
            raise VMError(f"the host VM took more than {self.limit} s")
        if self.verbose:
            self.echo()

    def echo(self):
        with open(self.log, errors="replace") as log:
            log.seek(self.seen)
            sys.stderr.write(log.read())
            self.seen = log.tell()

    def complaints(self):
        """Lines in which a kernel reports a fault."""
        return diagnostics.complaints((self.log, self.guest_log))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()
        if kind and issubclass(kind, VMError):
            for log in (self.qemu_log, self.guest_log, self.log):
                diagnostics.show_end(log)

# SPDX-License-Identifier: GPL-2.0-only
"""The CXL devices of a machine as arguments for QEMU: for host VM, guest and QEMU alone."""


def device(driver, **properties):
    """-device; names that are not Python's go in as **{"no-such-name": ...}."""
    return ["-device", ",".join([driver, *(f"{name}={value}" for name, value in properties.items())])]


def bridge(number, bus_nr, **more):
    """The CXL host bridge cxl.NUMBER"""
    return device("pxb-cxl", bus_nr=bus_nr, bus="pcie.0", id=f"cxl.{number}", **more)


def port(number, of=1, name=""):
    """Root port NUMBER of the host bridge cxl.OF; rpNUMBER unless it has another name"""
    return device("cxl-rp", port=number, bus=f"cxl.{of}", id=name or f"rp{number}",
                  chassis=of - 1, slot=number + 2)


def accelerator(name, bus, size, path="", **more):
    """An emulated accelerator whose memory is a file or, without a path, allocated on demand"""
    backend = f"memory-backend-file,id=m-{name},size={size},share=on,mem-path={path}" if path else \
        f"memory-backend-ram,id=m-{name},size={size},reserve=off"
    return ["-object", backend, *device("cxl-type2", id=name, bus=bus, memdev=f"m-{name}", **more)]

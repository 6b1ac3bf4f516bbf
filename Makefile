# SPDX-License-Identifier: GPL-2.0-only
#
# vfio-cxl: "make help" says what there is.

SHELL := /bin/bash
export BUILD ?= $(CURDIR)/build
override BUILD := $(abspath $(BUILD))
export SOURCES ACCEL V KERNEL_EXTRA

# The kernel to build modules for.
-include configs/arch.$(or $(ARCH),x86_64)
KDIR ?= $(BUILD)$(ARCH_SUBDIR)/kernel

help:
	@sed -n 's/^#: \?//p' $(firstword $(MAKEFILE_LIST))

#: The two that do everything, on Debian 12 or 13 (amd64), as root or with sudo:
#:
#:   make demo         a guest uses an emulated CXL accelerator; proof by content
#:   make check        all tests; the last line is the count
#:
demo bench: %:
	@$(have_python)
	@tests/run --watch $@

check:
	@$(have_python)
	@tests/run $(STAGES)

# The program that runs the stages is Python, which a fresh system does not have.
have_python := command -v python3 >/dev/null || scripts/setup

#: Parts of them:
#:
#:   make demo-shell   the host VM, and you at its prompt
#:   make unit         tests of the register models and of the tool, in user space
#:   make lint         style and static checks
#:   make tree         the driver in a kernel tree, built in several ways
#:   make kernel-series   the driver as patches to mail: scripts/kernel-export DIR
#:   make fuzz         fuzz the register models, FUZZ_TIME=seconds each; needs clang
#:   make fuzz-qemu    fuzz QEMU's CXL devices for FUZZ_TIME=seconds (600)
#:   make kselftest    the tests of the driver, in the host VM
#:   make tool         the tool vfio-cxl, in the host VM
#:   make metal        how CPU caches are flushed without a sign of a hypervisor
#:   make nested       guests with devices in every arrangement, hotplug, DMA
#:   make docs         docs/ and the driver's page, as HTML in build/docs
#:   make bench        figures against plain vfio-pci and against the limit
#:   make check-asan   QEMU with sanitizers: the hostile suite, and the qtests
#:   make check-debug  the tests and more, on a kernel that looks for faults
#:   make check-arm64  the demo and the driver's tests, on Arm machines
demo-shell: image
	@tests/vm-run shell

# tests/stages.py says what each of them needs.
unit lint kselftest tool metal nested tree kernel-series kernel qemu image: %:
	@$(have_python)
	@tests/run $@

fuzz:
	@$(MAKE) -s -C tools/testing/vfio-cxl fuzz BUILD=$(BUILD)/unit

fuzz-qemu:
	@FUZZ_TIME=$(FUZZ_TIME) tests/fuzz-qemu

docs:
	@[ -x /usr/bin/sphinx-build ] || scripts/setup --also python3-sphinx
	@/usr/bin/sphinx-build -q -E -W -b html docs $(BUILD)/docs
	@echo "docs: $(BUILD)/docs/index.html"

check-asan:
	@$(have_python)
	@tests/run asan asan-qtest

check-debug:
	@$(have_python)
	@tests/run debug

check-arm64:
	@$(have_python)
	@ARCH=arm64 tests/run

#:   make setup        install the Debian packages that the rest needs
#:   make kernel       build/kernel: the pinned Linux
#:   make qemu         build/qemu: the pinned QEMU with the patches in qemu/
#:   make series-build QEMU after each patch; FROM=patch is the first of them
#:   make image        what the machines boot
setup:
	@scripts/setup

series-build: setup
	@tests/meta/qemu-series-build $(if $(FROM),--from $(FROM))
#:
#: For a real host (KDIR: its kernel's build directory, Linux 7.3 or newer):
#:
#:   make modules KDIR=/lib/modules/$(uname -r)/build
#:   make modules_install KDIR=...
#:   make deb          build/deb: driver (DKMS), tool and QEMU as Debian packages
#:   make check-deb    install, upgrade and purge them in a fresh Debian 12 and 13
#:   make check-distro use them on a Debian 13 with its own kernel, under libvirt
modules:
	@scripts/build-modules $(KDIR) modules

modules_install: modules
	@scripts/build-modules $(KDIR) modules_install

deb:
	@packaging/build

check-deb: deb
	@$(have_python)
	@tests/meta/deb

check-distro:
	@$(have_python)
	@tests/run distro

#:
#:   make clean        remove build/, but not the sources unpacked in it
#:   make distclean    remove build/
#:
#: Variables:
#:
#:   SOURCES=dir       take the tarballs named in versions.mk from there
#:   STAGES="a b"      of make check: only these, and what they need
#:   ARCH=arm64        of the machines: demo, demo-shell, kernel, qemu, image
#:   ACCEL=kvm         use KVM for the host VM, if it works
#:   V=1               show the output of the builds
#:   BUILD=dir         instead of build/
#:   KERNEL_EXTRA=file one more configuration fragment (configs/debug.config)
clean:
	@[ ! -d $(BUILD) ] || find $(BUILD) -mindepth 1 -maxdepth 1 \
		! -name 'kernel-src*' ! -name 'qemu-patched' -exec rm -rf {} +

distclean:
	rm -rf $(BUILD)

.PHONY: help demo check docs bench check-arm64 check-asan check-debug demo-shell unit fuzz fuzz-qemu lint kselftest tool metal \
	nested tree kernel-series setup kernel qemu series-build image modules modules_install deb check-deb check-distro \
	clean distclean

# SPDX-License-Identifier: GPL-2.0-only
#
# What this project is built against. Everything that is downloaded is named
# here and nowhere else; moving to a newer release is one commit to this file
# (and, for QEMU, a rebase of the series: see qemu/README).
#
# make, shell and Python all read this file: NAME=value, no blanks, no quotes.
#
# For each download:
#   _FILE    the name of the file
#   _SIZE    its size in bytes
#   _SHA256  what decides whether a file is the right one
#   _SHA1    the key under which Debian's snapshot archive keeps it for good
#   _POOL    its directory below any Debian mirror
#   _URL     optional: one more place that serves exactly this file

# Of the packages. Between releases it is that of the next one and "~dev".
VFIO_CXL_VERSION=1.0

# The CXL specification that section numbers in this project refer to.
CXL_SPEC_REVISION=4.0

# Linux: Debian's source package, a .deb that holds one tarball. 7.3 is the
# first release that has all that an unpatched Type-2 driver needs.
KERNEL_VERSION=7.3.4
KERNEL_FILE=linux-source-7.3_7.3.4-1~bpo13+1_all.deb
KERNEL_SIZE=166780612
KERNEL_SHA256=703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3
KERNEL_SHA1=94589443b986be97e5c0a149375aad80b208c7d6
KERNEL_POOL=pool/main/l/linux
# The tarball in it; a copy of this in $SOURCES does as well as the .deb.
KERNEL_TARBALL_FILE=linux-source-7.3.tar.xz
KERNEL_TARBALL_SHA256=76df1affb19f24926949369be1d74b60071c963c598ce8780bddd4bbf0fc3bc4

# QEMU: Debian's repacked tarball (upstream's without the firmware blobs).
QEMU_VERSION=11.1.1
QEMU_FILE=qemu_11.1.1+ds.orig.tar.xz
QEMU_SIZE=39217980
QEMU_SHA256=0b1376e75dbe3e2fea4e408f8669f88a723f419f36a5b7d74cc6a4cfe07e4f5e
QEMU_SHA1=9633de273d1f490bace13017db2905d8e31e9795
QEMU_POOL=pool/main/q/qemu

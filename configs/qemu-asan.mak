# SPDX-License-Identifier: GPL-2.0-only
#
# What the tests of CXL passthrough need, and little more: scripts/build-qemu --asan.
CONFIG_Q35=y
CONFIG_CXL=y
CONFIG_CXL_MEM_DEVICE=y
CONFIG_CXL_TYPE2=y
CONFIG_PXB=y
CONFIG_PCIE_PORT=y
CONFIG_VFIO_PCI=y
CONFIG_VFIO_USER=y
CONFIG_VFIO_CXL=y
CONFIG_VTD=y

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# For scripts in a VM: ". /lib/vm.sh"

accel_id=0x1b360x0c12	# QEMU's emulated accelerator, -device cxl-type2

# param NAME: the value of vfio_cxl.NAME on the kernel's command line
param()
{
	read -r words </proc/cmdline
	for word in $words; do
		case $word in "vfio_cxl.$1="*) echo "${word#*=}" ;; esac
	done
}

# The PCI addresses of all emulated accelerators, in order.
accels()
{
	for d in /sys/bus/pci/devices/*; do
		read -r vendor <"$d/vendor"
		read -r device <"$d/device"
		[ "$vendor$device" != "$accel_id" ] || echo "${d##*/}"
	done
}

# bind DRIVER BDF: hand a device to a driver. The modules that find the CXL
# topology come first, as at boot on a real host, and so do soft dependencies,
# which busybox does not know. A device that was bound when the driver was loaded
# is left alone: what the CXL core queues at an unbind would undo the next bind of
# a driver that, unlike vfio-cxl-pci, does not wait for it (see
# drivers/vfio/pci/cxl/bind.c). That takes a moment.
bind()
{
	modprobe -a cxl_acpi cxl_port cxl_mem cxl_pci || return
	case $1 in vfio*) modprobe vfio_iommu_type1 || return ;; esac
	modprobe "$1" || return
	[ "$(driver_of "$2")" != "$1" ] || return 0
	unbind "$2"
	echo "$1" >"/sys/bus/pci/devices/$2/driver_override"
	echo "$2" >/sys/bus/pci/drivers_probe
	n=0
	while [ "$(driver_of "$2")" != "$1" ]; do
		n=$((n + 1))
		[ $n -lt 20 ] || return 1
		sleep 0.1
	done
}

unbind()
{
	[ ! -e "/sys/bus/pci/devices/$1/driver" ] || echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
}

# driver_of BDF: the name of its driver, or nothing
driver_of()
{
	[ ! -e "/sys/bus/pci/devices/$1/driver" ] || basename "$(readlink "/sys/bus/pci/devices/$1/driver")"
}

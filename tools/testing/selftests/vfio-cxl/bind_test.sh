#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Which devices vfio-cxl-pci takes, and that it leaves nothing behind when it
# refuses one or is unbound. For any POSIX shell, busybox's too. The device is
# given as for the other tests, in the first argument or in VFIO_CXL_BDF.
#
# VFIO_CXL_PLAIN_BDF and VFIO_CXL_TYPE3_BDF name the devices to be refused; by
# default the first PCI device without a driver that is no CXL device, and the
# first of the CXL memory class. VFIO_CXL_REFUSED is a list of BDF=REASON, more
# devices to be refused, and what the log is to say (as a regular expression
# without blanks). VFIO_CXL_NO_RESET_BDF names one without FLR and CXL Reset.
# Guards: probe.c vfio_cxl_probe_device(), main.c vfio_cxl_probe(), bind.c

bdf=${1:-$VFIO_CXL_BDF}
driver=vfio-cxl-pci
pci=/sys/bus/pci/devices
n=0
failed=0

if [ -z "$bdf" ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP no PCI address in argv[1] or VFIO_CXL_BDF"
	exit 4
fi

say() { echo "# $*"; }

# result OK NAME: print a test line, where OK is empty for a failure.
result()
{
	n=$((n + 1))
	if [ -n "$1" ]; then
		echo "ok $n $2"
	else
		echo "not ok $n $2"
		failed=1
	fi
}

skip()
{
	n=$((n + 1))
	echo "ok $n $1 # SKIP $2"
}

driver_of()
{
	[ -e "$pci/$1/driver" ] || return
	basename "$(readlink "$pci/$1/driver")"
}

# Everything that a bound device adds, and that must go with it
left_behind()
{
	for d in /sys/bus/cxl/devices/*; do
		case ${d##*/} in
		mem[0-9]*|region[0-9]*|endpoint[0-9]*) echo cxl ;;
		esac
	done | sort | uniq -c
	sed 's/^ *//' /proc/iomem | sort
	set -- /sys/class/vfio-dev/* /dev/vfio/devices/*
	echo $#
}

# Log lines about a device from the driver. What the driver core adds to every
# error but ENODEV has no reason in it, nor has what the PCI core says of a device
# that firmware left disabled, as it does on Arm. The log forgets old lines, so a
# line in it, MARK, is where to start, not the number of lines before.
log_of()	# BDF MARK
{
	dmesg | sed "1,/$2\$/d" | grep -F "$1" | grep -E "$driver|error|fail" |
		grep -vE "probe with driver|enabling device"
}

marks=0

# refuse BDF NAME REASON: it must not bind, and say why in one line.
refuse()
{
	old=$(driver_of "$1")
	[ -z "$old" ] || echo "$1" >"$pci/$1/driver/unbind"
	before=$(left_behind)
	marks=$((marks + 1))
	echo "bind_test $$ mark $marks" >/dev/kmsg

	echo $driver >"$pci/$1/driver_override"
	echo "$1" >/sys/bus/pci/drivers_probe 2>/dev/null
	sleep 1		# right after an unbind the probe may come later
	bound=$(driver_of "$1")
	new=$(log_of "$1" "bind_test $$ mark $marks")
	after=$(left_behind)
	[ -z "$bound" ] || echo "$1" >"$pci/$1/driver/unbind"
	echo >"$pci/$1/driver_override"
	[ -z "$old" ] || echo "$1" >"/sys/bus/pci/drivers/$old/bind"

	echo "$new" | while read -r line; do say "$line"; done
	result "$([ -z "$bound" ] && echo y)" "$2: not bound"
	result "$([ "$(echo "$new" | grep -c .)" = 1 ] &&
		  echo "$new" | grep -q "$3" && echo y)" \
	       "$2: one log line with the reason"
	result "$([ "$before" = "$after" ] && echo y)" "$2: nothing left"
}

# The first device for which "wanted CLASS DEVICE" is true
first()
{
	for d in "$pci"/*; do
		if "$1" "$(cat "$d/class")" "${d##*/}"; then
			echo "${d##*/}"
			return
		fi
	done
}

# A CXL device is below a root port, so one on the root bus is none.
# shellcheck disable=SC2317 # called by first()
is_plain()
{
	case $1 in 0x0604*|0x0502*|0x0600*) return 1 ;; esac
	case $2 in 0000:00:*) ;; *) return 1 ;; esac
	[ ! -e "$pci/$2/driver" ]
}

# shellcheck disable=SC2317 # called by first()
is_type3()
{
	case $1 in 0x0502*) return 0 ;; esac
	return 1
}

echo "TAP version 13"

result "$([ "$(driver_of "$bdf")" = $driver ] && echo y)" "$bdf: bound"

plain=${VFIO_CXL_PLAIN_BDF:-$(first is_plain)}
if [ -n "$plain" ]; then
	refuse "$plain" "plain PCI device" "not a CXL device"
else
	skip "plain PCI device" "there is none; VFIO_CXL_PLAIN_BDF names one"
fi

type3=${VFIO_CXL_TYPE3_BDF:-$(first is_type3)}
if [ -n "$type3" ]; then
	refuse "$type3" "CXL memory device" "Type 3"
else
	skip "CXL memory device" "there is none; VFIO_CXL_TYPE3_BDF names one"
fi

for spec in $VFIO_CXL_REFUSED; do
	refuse "${spec%%=*}" "${spec%%=*}" "${spec#*=}"
done
[ -n "$VFIO_CXL_REFUSED" ] || skip "out of scope" "VFIO_CXL_REFUSED names no device"

# Memory that somebody else owns, as dax_hmem does where firmware reserved it
claim=/sys/module/vfio_cxl_claim/parameters/range
range=$(dmesg | sed -n "s/.*$bdf: decoder 0 committed.*\[\(mem\|range\) \(0x[0-9a-f]*\)-\(0x[0-9a-f]*\).*/\2 \3/p" | tail -n 1)
if [ -e $claim ] && [ -n "$range" ]; then
	echo "$bdf" >/sys/bus/pci/drivers/$driver/unbind
	sleep 1
	echo "$range" >$claim
	refuse "$bdf" "memory with an owner" "is in use: probably by dax_hmem"
	echo >$claim
	echo $driver >"$pci/$bdf/driver_override"
	echo "$bdf" >/sys/bus/pci/drivers_probe
	sleep 1
	result "$([ "$(driver_of "$bdf")" = $driver ] && echo y)" "memory with an owner: bound when it is gone"
else
	skip "memory with an owner" "module vfio_cxl_claim is not loaded"
fi

# A device that no reset stops between two users; a parameter allows it.
none=$VFIO_CXL_NO_RESET_BDF
if [ -n "$none" ]; then
	allow=/sys/module/vfio_cxl_pci/parameters/allow_no_reset
	echo >"$pci/$none/reset_method"
	refuse "$none" "no reset" "no reset can stop the device"
	echo 1 >$allow
	echo $driver >"$pci/$none/driver_override"
	echo "$none" >/sys/bus/pci/drivers_probe
	sleep 1
	result "$([ "$(driver_of "$none")" = $driver ] && echo y)" "no reset: bound if allowed"
	echo "$none" >"$pci/$none/driver/unbind"
	echo 0 >$allow
	echo default >"$pci/$none/reset_method"
	echo >"$pci/$none/driver_override"
else
	skip "no reset" "VFIO_CXL_NO_RESET_BDF names no device"
fi

# Bind, at once after an unbind or not: it may take some milliseconds.
bind()
{
	tries=0
	echo $driver >"$pci/$bdf/driver_override"
	echo "$bdf" >/sys/bus/pci/drivers_probe
	while [ "$(driver_of "$bdf")" != $driver ]; do
		tries=$((tries + 1))
		[ $tries -lt 50 ] || return 1
		sleep 0.1
	done
}

# Unbind and bind again
bound=$(left_behind)
echo "$bdf" >/sys/bus/pci/drivers/$driver/unbind
unbound=$(left_behind)
result "$([ "$bound" != "$unbound" ] && echo y)" "unbind takes things away"
turns=0
while [ $turns -lt 5 ]; do
	bind || break
	[ "$(left_behind)" = "$bound" ] || break
	echo "$bdf" >/sys/bus/pci/drivers/$driver/unbind
	[ "$(left_behind)" = "$unbound" ] || break
	turns=$((turns + 1))
done
say "$turns of 5 turns"
if [ $turns -lt 5 ]; then
	left_behind | while read -r line; do say "$line"; done
fi
result "$([ $turns = 5 ] && echo y)" "bind and unbind 5 times"

# The work that the CXL core queues at an unbind does not undo the next bind.
turns=0
while [ $turns -lt 30 ]; do
	bind || break
	sleep 0.2
	[ "$(driver_of "$bdf")" = $driver ] || break
	echo "$bdf" >/sys/bus/pci/drivers/$driver/unbind
	turns=$((turns + 1))
done
say "$turns of 30 turns"
result "$([ $turns = 30 ] && echo y)" "bind right after unbind 30 times, and it stays"

result "$(bind && echo y)" "bound at the end"

echo "1..$n"
exit $failed

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Exit statuses, usage and JSON of vfio-cxl, on whatever host this is; as TAP
#
#   tests/command_line.sh PROGRAM
set -u
export LC_ALL=C
program=$1
here=$(dirname "$0")/..

# test_ NAME STATUS WANT ARGUMENT...: status, and a regular expression of the output
test_()
{
	local name=$1 want_status=$2 want=$3 output status

	shift 3
	output=$("$program" "$@" 2>&1)
	status=$?
	[ "$status" = "$want_status" ] && grep -qE -- "$want" <<<"$output"
	outcome $? "$name" "status $status: $output"
}

json_of() { "$program" "$@" | python3 -c 'import json, sys; json.load(sys.stdin)'; }

# The commands that the program has are those that the manual and bash know.
documented()
{
	local command

	for command in $("$program" --help | sed -n 's/^  \([a-z]\+\) .*/\1/p'); do
		grep -q "^\.B vfio-cxl $command\b\|^\.BR\? \"\?vfio-cxl $command\b" "$here/vfio-cxl.8" ||
			{ echo "vfio-cxl.8 lacks $command"; return 1; }
		grep -q "\b$command\b" "$here/completion" || { echo "completion lacks $command"; return 1; }
	done
	[ -n "${command-}" ]
}

completes()
{
	# shellcheck source=../completion
	. "$here/completion"
	COMP_WORDS=(vfio-cxl sta)
	COMP_CWORD=1
	_vfio_cxl
	[ "${COMPREPLY[*]}" = status ] || { echo "${COMPREPLY[*]}"; return 1; }
	COMP_WORDS=(vfio-cxl bind --per)
	COMP_CWORD=2
	_vfio_cxl
	[ "${COMPREPLY[*]}" = --persist ] || { echo "${COMPREPLY[*]}"; return 1; }
}

manual()
{
	local warnings

	warnings=$(man --warnings -l "$here/vfio-cxl.8" 2>&1 >/dev/null)
	[ -z "$warnings" ] || { echo "$warnings"; return 1; }
}

# shellcheck source=../../../tests/lib/tap.sh
. "$here/../../tests/lib/tap.sh"
test_ "no command is wrong usage" 2 "^usage:"
test_ "so is an unknown one" 2 "no command 'frob'" frob
test_ "--help is none" 0 "^usage:" --help
test_ "each command has --help" 0 "Usage:" bind --help
test_ "an unknown option" 2 "Unknown option --frob" list --frob
test_ "a device is wanted" 2 "usage: vfio-cxl status BDF" status
test_ "one too many" 2 "usage:" list 0000:00:00.0
test_ "a device that does not exist" 2 "ffff:ff:1f.7: no such PCI device" status ffff:ff:1f.7
test_ "a path is no device" 2 "no such PCI device" status ../../../..
test_ "only bind takes a device over" 2 "Unknown option --replace" check --replace
test_ "list works for everybody" 0 "" list
result "list --json is JSON" json_of list --json
result "check --json is JSON" json_of check --json
result "manual page and completion know all commands" documented
result "bash completes commands and options" completes
if command -v man >/dev/null; then
	result "the manual page has no warnings" manual
fi
done_testing

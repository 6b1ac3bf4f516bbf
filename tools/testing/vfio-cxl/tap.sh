#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs commands as one TAP document
#
# usage: $0 {name command}...
#
# Each command is one line of the result, after what it printed itself, which
# is indented: a TAP program becomes a subtest. Not zero if one failed.
set -u -o pipefail

echo "TAP version 14"
echo "1..$(($# / 2))"
failed=0
for ((n = 1; $#; n++)); do
	if bash -c "$2" 2>&1 | sed 's/^/    /'; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		failed=1
	fi
	shift 2
done
exit $failed

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Writing TAP. Source it, call result() for each test, and end with done_testing.

count=0
failed=0
echo "TAP version 14"

# result NAME COMMAND...: one test; what a command prints that fails is shown
result()
{
	local name=$1 output

	shift
	count=$((count + 1))
	if output=$("$@" 2>&1); then
		echo "ok $count - $name"
	else
		failed=1
		echo "# ${output//$'\n'/$'\n# '}"
		echo "not ok $count - $name"
	fi
}

done_testing()
{
	echo "1..$count"
	exit $failed
}

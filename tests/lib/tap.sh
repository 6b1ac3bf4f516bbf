# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Writing TAP, for bash and busybox's shell. Source it; call result(), outcome(),
# subtest() or skip() for each test; end with done_testing. plan(), at the
# start, says how many tests there are; without it done_testing does.

count=0
failed=0
tap_planned=
echo "TAP version 14"

plan()
{
	tap_planned=$1
	echo "1..$1"
}

# comment TEXT: lines that are no test
comment() { printf '%s\n' "$1" | sed 's/^/# /'; }

# outcome STATUS NAME [OUTPUT]: a test that has been run; why it failed
outcome()
{
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count - $2"
	else
		failed=1
		[ -z "${3-}" ] || comment "$3"
		echo "not ok $count - $2"
	fi
}

# result NAME COMMAND...: one test; what a command prints that fails is shown
result()
{
	tap_name=$1
	shift
	if tap_output=$("$@" 2>&1); then
		outcome 0 "$tap_name"
	else
		outcome 1 "$tap_name" "$tap_output"
	fi
}

# skip NAME REASON
skip()
{
	count=$((count + 1))
	echo "ok $count - $1 # SKIP${2:+ $2}"
}

# subtest NAME COMMAND...: one test; the TAP that the command prints becomes its
# subtest. Status 4 says, as in kselftests, that it was skipped.
subtest()
{
	tap_name=$1
	shift
	{
		tap_status=$({
			{
				"$@" 2>&1 </dev/null 3>&- 4>&- && echo 0 >&3 || echo $? >&3
			} | awk '{ print "    " $0; fflush() }' >&4
		} 3>&1)
	} 4>&1
	case $tap_status in
	0) outcome 0 "$tap_name" ;;
	4) skip "$tap_name" ;;
	*) outcome "$tap_status" "$tap_name # status $tap_status" ;;
	esac
}

done_testing()
{
	[ -n "$tap_planned" ] || echo "1..$count"
	exit $failed
}

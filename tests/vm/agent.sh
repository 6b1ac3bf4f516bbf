# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# For a machine that is talked to from outside, by tests/lib/channels.py:
# ". agent.sh; agent"

# A command is a line "ID COUNT" and COUNT lines of shell; each line that it
# writes comes back as "ID| LINE", and "ID= STATUS" is the end. A port can be
# opened only once.
agent()
{
	exec 3<>/dev/virtio-ports/cmd
	printf '\nready\n' >&3	# whatever the last one of us did not finish
	while read -r id count <&3; do
		code=
		while [ "${count:-0}" -gt 0 ] && IFS= read -r line <&3; do
			code="$code$line
"
			count=$((count - 1))
		done
		[ -n "$code" ] || continue
		{
			(eval "$code") </dev/null 2>&1 3>&-
			echo $? >/tmp/agent.status
		} | busybox awk -v id="$id" '{ print id "| " $0; fflush() }' >&3
		read -r status </tmp/agent.status
		echo "$id= $status" >&3
	done
}

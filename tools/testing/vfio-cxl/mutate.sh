#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Do the tests of a register model notice when the model is wrong?
#
# Breaks a copy of the model in one place at a time, and runs the vectors and
# the properties of its test on each. A mutant that passes all of them is a failure,
# and so are a mutation that no longer changes the source, and a property that
# finds no mutant. TAP: one line for each mutant, and what found it.
#
# usage: BUILD=dir CC=cc $0 MODEL (from make mutate, which builds the objects)
#
# A mutation is a line of mutants/MODEL.list: a file, a sed script and a name. Do
# not list one that cannot be seen from outside. The name of one that only a
# sanitizer sees starts with "asan:"; all others are built without, for speed.
set -u

here=$(dirname "$(readlink -f "$0")")
src=$here/../../../drivers/vfio/pci/cxl
model=${1:?usage: BUILD=dir CC=cc $0 MODEL}
BUILD=${BUILD:-$here/../../../build/unit}
CC=${CC:-cc}
work=$BUILD/mutants/$model
export BUILD CC

# The mutations of the model, one on each line
mutations() { grep -v '^#' "$here/mutants/$model.list"; }

# Builds $1/test, for the mutant named $2, from the model in $1 and the objects
# of the tests.
build() {
	local objects=$BUILD/plain flags=()

	if [[ $2 = asan:* ]]; then
		objects=$BUILD/san
		flags=("-fsanitize=address,undefined"
		       -fno-sanitize-recover=all)
	fi
	"$CC" -O1 -w "${flags[@]}" -I"$here/env" -o "$1/test" "$1/$model.c" \
		"$objects/$model"_{test,check,gen,oracle}.o \
		"$objects"/{session,test}.o
}

# Runs the tests in $1, either -V or -P, and prints the names of those that
# fail; all vectors have one name.
failures() {
	local out=$1/out$2

	SEED=1 OPS=10000 timeout 60 "$1/test" -q "$2" >"$out" 2>&1 && return
	if [ "$2" = -V ]; then
		echo vectors
	elif ! grep -q '^not ok' "$out"; then
		echo "end"	# of the program: a crash, or too long a time
	else
		sed -n 's/^not ok [0-9]* - \(P[0-9]*\) .*/\1/p' "$out"
	fi
}

copy() {
	mkdir -p "$1" && cp "$src/$model".[ch] "$src/regs.h" "$1"
}

# Mutant number $1: its name and what found it to stdout; 0 if it was found
mutant() {
	local dir=$work/$1 line file name found

	line=$(mutations | sed -n "$1p")
	file=${line%%|*}
	name=${line##*|}
	line=${line#*|}
	copy "$dir" && sed -i "${line%|*}" "$dir/$file" || return
	if cmp -s "$dir/$file" "$src/$file"; then
		echo "$name # the mutation changes nothing"
		return 1
	fi
	if ! build "$dir" "$name" 2>"$dir/errors"; then
		echo "$name # does not compile, see $dir/errors"
		return 1
	fi
	found=$(failures "$dir" -V; failures "$dir" -P)
	echo "$name # found by:" "${found//$'\n'/ }"
	[ "$found" ]
}

ulimit -c 0
if [ "${2-}" = --one ]; then
	line=$(mutant "$3")
	echo "$3 $? $line"
	exit 0
fi

rm -rf "$work"
if ! { copy "$work/0" && build "$work/0" ""; } ||
   [ "$(failures "$work/0" -V; failures "$work/0" -P)" ]; then
	echo "Bail out! The tests fail, or do not build, without any mutation."
	exit 1
fi

number=$(mutations | wc -l)
# shellcheck source=../../../tests/lib/tap.sh
. "$here/../../../tests/lib/tap.sh"
plan $((number + 1))
seq "$number" | xargs -P "$(nproc)" -I{} "$0" "$model" --one {} | sort -n >"$work/results"
while read -r _ status name; do
	outcome "$status" "$name"
done <"$work/results"

idle=0
comment "$(grep -c '^[0-9]* 0 ' "$work/results") of $number found"
for test in vectors P{0..11}; do
	n=$(grep -c "found by:.*\<$test\>" "$work/results")
	comment "$n by $test"
	[ "$n" -gt 0 ] || idle=1
done
outcome $idle "each property finds some"
done_testing

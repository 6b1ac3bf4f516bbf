#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Do the tests of the HDM decoder model notice when the model is wrong?
#
# Breaks a copy of the model in one place at a time, and runs the vectors and
# the properties of hdm_test on each. A mutant that all let pass is a failure,
# and so is a mutation that no longer changes the source, and a property that
# finds no mutant at all. TAP: one line for each mutant, and what found it.
#
# usage: BUILD=dir CC=cc $0 (from make mutate, which builds the objects)
#
# A mutation is a file, a sed script and a name. Do not list one that cannot be
# seen from outside. If it takes a sanitizer to see it, its name starts with
# "asan:"; all others are built without, for speed.
set -u

here=$(dirname "$(readlink -f "$0")")
model=$here/../../../drivers/vfio/pci/cxl
BUILD=${BUILD:-$here/../../../build/unit}
CC=${CC:-cc}
work=$BUILD/mutants
export BUILD CC

mutations() {
	cat <<'EOF'
hdm.c|s/return 1;/return 2;/|count: encoding 0 is two decoders
hdm.c|s/enc \* 2 <= CXL/enc * 2 < CXL/|count: ten are too many
hdm.c|s/? enc \* 2 : 0/? enc * 2 : 1/|count: too many are one
hdm.c|s/!vfio_cxl_hdm_count(hw->cap) || //|init: count not checked
hdm.c|s/ || !hw->size ||$/ ||/|init: size 0 taken
hdm.c|s/(u32)hw->size & ~CXL_HDM_LO_MASK/false/|init: size not aligned
hdm.c|/^bool vfio_cxl_hdm_init/,/^}/s/^\tif (!vfio/\ts->hw = *hw;\n&/|init: state touched in vain
hdm.c|s/hw\.cap & CXL_HDM_CAP_DEFINED/hw.cap/|fresh: reserved bits of Capability
hdm.c|s/hw\.global & CXL_HDM_GLOBAL_ENABLE/hw.global/|fresh: Global Control whole
hdm.c|s/hw\.global & CXL_HDM_GLOBAL_ENABLE/0/|fresh: Global Control zero
hdm.c|s/= (u32)hw\.size/= 0/|fresh: low half of SIZE lost
hdm.c|s/= hw\.size >> 32/= 0/|fresh: high half of SIZE lost
hdm.c|s/hw\.ctrl & (CXL_HDM_CTRL_TYPE |/& BIT(8) |/|fresh: LOCK of the hardware
hdm.c|s/hw\.ctrl & (CXL_HDM_CTRL_TYPE/hw.ctrl \& (BIT(10)/|fresh: COMMITTED, not Type
hdm.c|s/hw\.ctrl & (CXL_HDM_CTRL_TYPE |/hw.ctrl \& (CXL_HDM_CTRL_TYPE \&/|fresh: neither Type nor BI
hdm.c|s/\.global = hw/.global = s->global \| hw/|reset: Global Control survives
hdm.c|s/hw\.ctrl & (CXL_HDM_CTRL_TYPE |/(s->dec[0][4] \& BIT(8)) | &/|reset: LOCK survives
hdm.c|s/\.dec\[0\] = {/.dec[1] = { [4] = s->dec[1][4] }, &/|reset: Control of decoder 1 survives
hdm.c|s/DECODER(s->nr)/DECODER(s->nr - 1)/|size: one decoder less
hdm.c|s/DECODER(s->nr)/DECODER(s->nr + 1)/|size: one decoder more
hdm.c|s/DECODER(s->nr)/DECODER(s->nr) - 4/|size: one dword less
hdm.c|s/FIELD_GET(CXL_HDM_CTRL_IW/false \&\& &/|fits: interleave not checked
hdm.c|s/FIELD_GET(CXL_HDM_CTRL_IW/FIELD_GET(CXL_HDM_CTRL_IG/|fits: granularity checked for ways
hdm.c|s/!size || //|fits: size 0 taken
hdm.c|s/ || base + size < base/ /|fits: end not checked
hdm.c|s/base + size < base/base + size - 1 < base/|fits: end at 2^64 taken
hdm.c|s/u64 left = s->hw\.size/u64 left = dec_u64(s->dec[0], 8)/|fits: decoder 0 is the capacity
hdm.c|s/for (i = 0; i <= n; i++)/for (i = 1; i <= n; i++)/|fits: decoder 0 not counted
hdm.c|s/for (i = 0; i <= n; i++)/for (i = 0; i < n; i++)/|fits: own size not counted
hdm.c|s/for (i = 0; i <= n; i++)/for (i = n; i <= n; i++)/|fits: only own size counted
hdm.c|s/i < n && !dec_committed/false \&\& !dec_committed/|fits: any order
hdm.c|s/i < n && !dec_committed/i + 1 < n \&\& !dec_committed/|fits: the predecessor may be missing
hdm.c|s/i < n && !dec/i \&\& i + 1 == n \&\& !dec/|fits: decoder 0 may be missing
hdm.c|s/skip > left || len > left - skip/len > left/|fits: SKIP not compared
hdm.c|s/skip > left || len > left - skip/skip + len > left/|fits: SKIP + SIZE may wrap
hdm.c|s/skip > left || //|fits: SKIP may be more than is left
hdm.c|s/len > left - skip/len >= left - skip/|fits: the last unit not usable
hdm.c|s/left -= skip + len/left -= len/|fits: SKIP takes nothing
hdm.c|s/left -= skip + len/left -= skip/|fits: SIZE takes nothing
hdm.c|s/if (n) {/if (false) {/|fits: overlap not checked
hdm.c|s/if (n) {/if (n > 1) {/|fits: overlap with decoder 0 not checked
hdm.c|s/base < dec_u64(prev/base <= dec_u64(prev/|fits: adjacent refused
hdm.c|s/dec_u64(prev, CXL_HDM_SIZE_LO))/0)/|fits: only the bases compared
hdm.c|s/prev = s->dec\[n - 1\]/prev = s->dec[0]/|fits: always compared with decoder 0
hdm.c|s/old & CXL_HDM_CTRL_LOCK || //|lock: not checked
hdm.c|s/old & CXL_HDM_CTRL_LOCK/(old \& CXL_HDM_CTRL_LOCK \&\& n == 0)/|lock: only of decoder 0
hdm.c|s/(dec_committed(dec)) {/(dec_committed(dec) || old \& BIT(8)) {/|lock: also without commit
hdm.c|s/!last)/false)/|uncommit: in any order
hdm.c|s/last = n + 1 == s->nr/last = n + 2 >= s->nr/|uncommit: the last but one at any time
hdm.c|s/reg != REG(CXL_HDM_CTRL) ||/false ||/|committed: takes other registers
hdm.c|s/mask &= CXL_HDM_CTRL_COMMIT;/;/|committed: takes all of Control
hdm.c|s/mask &= CXL_HDM_CTRL_COMMIT;/mask \&= BIT(8) | BIT(9);/|committed: takes LOCK
hdm.c|s/mask &= dec_writable\[reg\];/;/|write: everything is writable
hdm.c|s/CXL_HDM_CTRL_LOCK | CXL_HDM_CTRL_COMMIT,/CXL_HDM_CTRL_TYPE | &/|write: Type is writable
hdm.c|s/= CXL_HDM_CTRL_IG | /= /|write: granularity is not writable
hdm.c|/\[REG(CXL_HDM_SKIP_HI)\]/d|write: high half of SKIP is not writable
hdm.c|/\[REG(CXL_HDM_SIZE_HI)\].*GENMASK/s/31, 0/30, 0/|write: top bit of SIZE is not writable
hdm.c|s/(dec\[reg\] & ~mask) | (val & mask)/val \& mask/|write: bytes not written are cleared
hdm.c|s/(dec\[reg\] & ~mask) | (val & mask)/dec[reg] | (val \& mask)/|write: bits are only set
hdm.c|s/if (!((old/if (!(old \& BIT(11)) \&\& !((old/|commit: retried by any write
hdm.c|s/~(CXL_HDM_CTRL_COMMITTED | CXL_HDM_CTRL_ERR)/~CXL_HDM_CTRL_COMMITTED/|commit: ERR stays
hdm.c|s/~(CXL_HDM_CTRL_COMMITTED | CXL_HDM_CTRL_ERR)/~CXL_HDM_CTRL_ERR/|uncommit: COMMITTED stays
hdm.c|s/if (old & CXL_HDM_CTRL_COMMITTED)/if (true)/|effect: unmap after an error
hdm.c|s/effect\.unmap = BIT(n)/effect.unmap = 0/|effect: no unmap
hdm.c|s/effect\.unmap = BIT(n)/effect.unmap = BIT(0)/|effect: unmap of decoder 0
hdm.c|s/effect\.map = BIT(n)/effect.map = BIT(n + 1)/|effect: map of the next decoder
hdm.c|s/\*ctrl |= CXL_HDM_CTRL_ERR;/;/|error: not shown
hdm.c|s/\*ctrl |= CXL_HDM_CTRL_COMMITTED;/*ctrl |= BIT(10) | BIT(11);/|commit: with ERR
hdm.c|s/s->cap & CXL_HDM_CAP_POISON_ON_ERR ?/true ?/|global: Poison always
hdm.c|s/s->cap & CXL_HDM_CAP_POISON_ON_ERR ?/false ?/|global: Poison never
hdm.c|s/mask &= CXL_HDM_GLOBAL_ENABLE |/mask \&= /|global: Enable is not writable
hdm.c|s/(s->global & ~mask) | (val & mask)/val \& mask/|global: bytes not written are cleared
hdm.c|/^u64 vfio_cxl_hdm_read/,/^}/s/off >= vfio_cxl_hdm_size(s)/false/|read: wraps at 2^32
hdm.c|/^struct.*vfio_cxl_hdm_write/,/^}/s/off >= vfio_cxl_hdm_size(s)/false/|write: wraps at 2^32
hdm.c|/^u64 vfio_cxl_hdm_read/,/^}/s/^\tif (off/((u32 *)s->dec[0])[4] \&= ~BIT(11);&/|read: no ERR
hdm.c|s/i < len && i < 8/i < len \&\& i < 7/|read: seven bytes at most
hdm.c|s/i < len && i < 8/i < 8/|read: always eight bytes
hdm.c|s/len = 8;/len = 9;/|write: nine bytes
hdm.c|s/len = 8;/len = 4;/|write: longer than eight is four
hdm.c|s/if (i + 1 < len && shift != 24)/if (i + 1 < len)/|write: one dword only
hdm.c|s/^\t\tmask = 0;/;/|write: mask carried to the next dword
hdm.c|s/^\t\tdword = 0;/;/|write: value carried to the next dword
hdm.c|s/shift = 8 \* ((off + i) & 3)/shift = 8 * (i \& 3)/|write: as if aligned
hdm.c|s/dword >> 8 \* ((off + i) & 3)/dword >> 8 * (i \& 3)/|read: as if aligned
hdm.c|s/effect\.map |= one\.map/effect.map = one.map/|effect: map of the last dword only
hdm.c|s/effect\.unmap |= one\.unmap/effect.unmap = one.unmap/|effect: unmap of the last dword only
hdm.c|s/n >= s->nr || !dec_committed(s->dec\[n\])/n >= s->nr/|range: of an idle decoder
hdm.c|/^bool vfio_cxl_hdm_range/,/^}/s/^\tif (n/\t*base = 0;\n&/|range: result touched in vain
hdm.c|s/\*base = dec_u64(s->dec\[n\]/*base = dec_u64(s->dec[0]/|range: base of decoder 0
hdm.c|s/\*size = dec_u64(s->dec\[n\]/*size = dec_u64(s->dec[0]/|range: size of decoder 0
hdm.c|s/ | (u64)dec\[REG(lo) + 1\] << 32/ /|dwords: high half ignored
hdm.c|/hdm_read_dword(const/,/^}/s/ || off >= .*)$/)/|asan: read past the last decoder
hdm.c|/hdm_write_dword(/,/^}/s/ || off >= .*)$/)/|asan: write past the last decoder
hdm.c|s/n >= s->nr || !dec/n > s->nr || !dec/|asan: range of one decoder too many
hdm.c|s/last = n + 1 == s->nr/last = n + 1 > s->nr/|asan: uncommit looks past the last decoder
regs.h|/CXL_HDM_LO_MASK/s/31, 28/31, 27/|masks: units of 128 MiB
regs.h|/CXL_HDM_LO_MASK/s/31, 28/31, 29/|masks: units of 512 MiB
regs.h|/CXL_HDM_CAP_COUNT/s/3, 0/2, 0/|masks: count of three bits
regs.h|/CXL_HDM_CAP_DEFINED/s/13, 0/15, 0/|masks: Capability 15:14
regs.h|/CXL_HDM_CAP_DEFINED/s/22, 16/23, 16/|masks: Capability 23
regs.h|/CXL_HDM_CAP_DEFINED/s/22, 16/21, 16/|masks: not Capability 22
regs.h|/CXL_HDM_CAP_POISON/s/10/9/|masks: Poison capability
regs.h|/CXL_HDM_CTRL_IW/s/7, 4/6, 4/|masks: ways of three bits
regs.h|/CXL_HDM_CTRL_IG/s/3, 0/2, 0/|masks: granularity of three bits
regs.h|/CXL_HDM_CTRL_LOCK/s/8/7/|masks: LOCK
regs.h|/CXL_HDM_CTRL_BI/s/13/14/|masks: BI
EOF
}

# Builds $1/test, for the mutant named $2, from the model in $1 and the objects
# of the tests.
build() {
	local objects=$BUILD/plain flags=()

	if [[ $2 = asan:* ]]; then
		objects=$BUILD/san
		flags=("-fsanitize=address,undefined"
		       -fno-sanitize-recover=all)
	fi
	"$CC" -O1 -w "${flags[@]}" -I"$here/env" -o "$1/test" "$1/hdm.c" \
		"$objects"/hdm_{test,check,gen,oracle}.o
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
	mkdir -p "$1" && cp "$model"/{hdm.c,hdm.h,regs.h} "$1"
}

# Mutant number $1: the rest of its TAP line to stdout; 0 if it was found
mutant() {
	local dir=$work/$1 line file name found

	line=$(mutations | sed -n "$1p")
	file=${line%%|*}
	name=${line##*|}
	line=${line#*|}
	copy "$dir" && sed -i "${line%|*}" "$dir/$file" || return
	if cmp -s "$dir/$file" "$model/$file"; then
		echo "$1 - $name # the mutation changes nothing"
		return 1
	fi
	if ! build "$dir" "$name" 2>"$dir/errors"; then
		echo "$1 - $name # does not compile, see $dir/errors"
		return 1
	fi
	found=$(failures "$dir" -V; failures "$dir" -P)
	echo "$1 - $name # found by:" "${found//$'\n'/ }"
	[ "$found" ]
}

ulimit -c 0
if [ "${1-}" = --one ]; then
	line=$(mutant "$2") && echo "ok $line" || echo "not ok $line"
	exit 0
fi

rm -rf "$work"
if ! { copy "$work/0" && build "$work/0" ""; } ||
   [ "$(failures "$work/0" -V; failures "$work/0" -P)" ]; then
	echo "Bail out! The tests fail, or do not build, without any mutation."
	exit 1
fi

count=$(mutations | wc -l)
echo "TAP version 14"
echo "1..$((count + 1))"
seq "$count" | xargs -P "$(nproc)" -I{} "$0" --one {} >"$work/results"
sed 's/^\(not \)\?ok \([0-9]*\)/\2 &/' "$work/results" | sort -n |
	cut -d' ' -f2-

found=$(grep -c '^ok ' "$work/results")
idle=
echo "# $found of $count found"
for test in vectors P{0..10}; do
	n=$(grep -c "found by:.*\<$test\>" "$work/results")
	echo "# $n by $test"
	[ "$n" -gt 0 ] || idle=yes
done
echo "${idle:+not }ok $((count + 1)) - each property finds some"
[ "$found" -eq "$count" ] && [ -z "$idle" ]

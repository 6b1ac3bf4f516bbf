#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Do the tests of a register model notice when the model is wrong?
#
# Breaks a copy of the model in one place at a time, and runs the vectors and
# the properties of its test on each. A mutant that all let pass is a failure,
# and so is a mutation that no longer changes the source, and a property that
# finds no mutant at all. TAP: one line for each mutant, and what found it.
#
# usage: BUILD=dir CC=cc $0 MODEL (from make mutate, which builds the objects)
#
# A mutation is a file, a sed script and a name. Do not list one that cannot be
# seen from outside. If it takes a sanitizer to see it, its name starts with
# "asan:"; all others are built without, for speed.
set -u

here=$(dirname "$(readlink -f "$0")")
src=$here/../../../drivers/vfio/pci/cxl
model=${1:?usage: BUILD=dir CC=cc $0 MODEL}
BUILD=${BUILD:-$here/../../../build/unit}
CC=${CC:-cc}
work=$BUILD/mutants/$model
export BUILD CC

mutations_hdm() {
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
hdm.c|s/skip > left || len > left - skip/len > left/|fits: SKIP not compared
hdm.c|s/skip > left || len > left - skip/skip + len > left/|fits: SKIP + SIZE may wrap
hdm.c|s/skip > left || //|fits: SKIP may be more than is left
hdm.c|s/len > left - skip/len >= left - skip/|fits: the last unit not usable
hdm.c|s/left -= skip + len/left -= len/|fits: SKIP takes nothing
hdm.c|s/left -= skip + len/left -= skip/|fits: SIZE takes nothing
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
hdm.c|s/return len < 8 ? val .*;/return val;/|read: always whole dwords
hdm.c|s/skip = (off + i) & 3/skip = i \& 3/|read: as if aligned
hdm.c|s/effect\.map |= one\.map/effect.map = one.map/|effect: map of the last dword only
hdm.c|s/effect\.unmap |= one\.unmap/effect.unmap = one.unmap/|effect: unmap of the last dword only
hdm.c|s/n >= s->nr || !dec_committed(s->dec\[n\])/n >= s->nr/|range: of an idle decoder
hdm.c|/^bool vfio_cxl_hdm_range/,/^}/s/^\tif (n/\t*base = 0;\n&/|range: result touched in vain
hdm.c|s/\*base = dec_u64(s->dec\[n\]/*base = dec_u64(s->dec[0]/|range: base of decoder 0
hdm.c|s/\*size = dec_u64(s->dec\[n\]/*size = dec_u64(s->dec[0]/|range: size of decoder 0
hdm.c|s/ | (u64)dec\[REG(lo) + 1\] << 32/ /|dwords: high half ignored
hdm.c|s/for (i = 0; i < s->nr; i++) {/for (i = 1; i < s->nr; i++) {/|fits: decoder 0 not counted
hdm.c|s/for (i = 0; i < s->nr; i++) {/for (i = 0; i < n; i++) {/|fits: own size not counted
hdm.c|s/for (i = 0; i < s->nr; i++) {/for (i = 0; i <= n; i++) {/|fits: nothing above is looked at
hdm.c|s/for (i = 0; i < s->nr; i++) {/for (i = n; i < s->nr; i++) {/|fits: nothing below is looked at
hdm.c|s/i < n && !dec_committed/false \&\& !dec_committed/|fits: any order
hdm.c|s/i < n && !dec_committed/i + 1 < n \&\& !dec_committed/|fits: the predecessor may be missing
hdm.c|s/i < n && !dec/i \&\& i + 1 == n \&\& !dec/|fits: decoder 0 may be missing
hdm.c|s/i > n && !dec_committed(s->dec\[i\])/false/|fits: idle decoders above count
hdm.c|s/i > n && !dec_committed(s->dec\[i\])/i > n/|fits: committed decoders above do not count
hdm.c|s/if (i < n && base < start + len)/if (false)/|fits: overlap not checked
hdm.c|s/if (i < n && base < start + len)/if (i \&\& i < n \&\& base < start + len)/|fits: overlap with decoder 0 not checked
hdm.c|s/base < start + len/base <= start + len/|fits: adjacent refused
hdm.c|s/base < start + len/base < start/|fits: only the bases compared
hdm.c|s/if (i > n && base + size > start)/if (false)/|fits: overlap above not checked
hdm.c|s/base + size > start/base + size >= start/|fits: adjacent to the one above refused
hdm.c|s/base + size > start/base > start/|fits: only compared with the base above
hdm.c|s/s->global = 0;/;/|CXL Reset: Global Control as fresh
hdm.c|s/s->global = 0;/s->global = old.global;/|CXL Reset: Global Control survives
hdm.c|s/s->global = 0;/s->global = old.global \& CXL_HDM_GLOBAL_POISON_ON_ERR;/|CXL Reset: Poison survives
hdm.c|/vfio_cxl_hdm_cxl_reset(struct/,/^}/s/^\tvfio_cxl_hdm_reset(s);/\t;/|CXL Reset: other decoders survive
hdm.c|s/if (!dec_committed(old\.dec\[n\]))/if (false)/|CXL Reset: LOCK alone keeps a decoder
hdm.c|s/if (!(old\.dec\[n\]\[REG(CXL_HDM_CTRL)\] & CXL_HDM_CTRL_LOCK))/if (false)/|CXL Reset: COMMITTED alone keeps a decoder
hdm.c|s/if (!(old\.dec\[n\]\[REG(CXL_HDM_CTRL)\] & CXL_HDM_CTRL_LOCK))/if (true)/|CXL Reset: LOCK keeps nothing
hdm.c|s/effect\.unmap |= BIT(n);/;/|CXL Reset: no effect
hdm.c|s/effect\.unmap |= BIT(n);/effect.unmap = BIT(n);/|CXL Reset: effect of the last decoder only
hdm.c|s/for (i = 0; i < NR_DEC_REGS; i++)/for (i = 1; i < NR_DEC_REGS; i++)/|CXL Reset: BASE of a locked decoder is lost
hdm.c|s/for (i = 0; i < NR_DEC_REGS; i++)/for (i = 0; i < NR_DEC_REGS - 3; i++)/|CXL Reset: SKIP of a locked decoder is lost
hdm.c|/^\tfor (n = 0; n < s->nr; n++) {/s/n = 0/n = 1/|CXL Reset: decoder 0 is never kept
hdm.c|/^u64 vfio_cxl_hdm_read/,/^}/s/i < len && i < 8/i < len \&\& i < 7/|read: seven bytes at most
hdm.c|/vfio_cxl_hdm_write(struct/,/^}/s/i < len && i < 8/i < len \&\& i < 7/|write: seven bytes at most
hdm.c|/vfio_cxl_hdm_write(struct/,/^}/s/i < len && i < 8/i < 4/|write: always four bytes
hdm.c|/vfio_cxl_hdm_write(struct/,/^}/s/i < len && i < 8/i <= len \&\& i < 8/|write: a byte too many
hdm.c|s/shift = 8 \* ((off + i) & 3)/shift = 8 * (i \& 3)/|write: as if aligned
hdm.c|s/(u32)(val >> 8 \* i & 0xff) << shift/(u32)(val \& 0xff) << shift/|write: each byte is the first
hdm.c|s/0xffU << shift/0xffffffff/|write: each byte is a dword
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

mutations_dvsec() {
	cat <<'EOF'
dvsec.c|/REG(CXL_DVSEC_CAP)\]/s/31, 0/31, 16/|fresh: DVSEC ID hidden
dvsec.c|/REG(CXL_DVSEC_CAP)\]/s/31, 0/15, 0/|fresh: Capability hidden
dvsec.c|/REG(CXL_DVSEC_CAP)\]/s/\.show/.rw = BIT(23), &/|Capability: takes a write
dvsec.c|s/CXL_DVSEC_CTRL_VIRAL,/0,/|Control: Viral_Enable is not writable
dvsec.c|s/\.rw1c = CXL_DVSEC_STATUS_VIRAL/.rw1c = 0/|Status: Viral_Status stays
dvsec.c|s/\.rw1c = CXL_DVSEC_STATUS_VIRAL/.set = BIT(30)/|Status: Viral_Status is set by a one
dvsec.c|/CTRL_STATUS)\] = {/,/},/s/\.lockable = true/.lockable = false/|lock: not of Control
dvsec.c|/BASE_HI)\] = {/,/},/s/\.lockable = true/.lockable = false/|lock: not of the high half of the base
dvsec.c|/BASE_LO)\] = {/,/},/s/\.lockable = true/.lockable = false/|lock: not of the low half of the base
dvsec.c|s/\.show = CXL_DVSEC_STATUS2_PM_INIT/.show = 0/|fresh: no PM_Init_Complete
dvsec.c|s/\.show = CXL_DVSEC_STATUS2_PM_INIT/.show = GENMASK(31, 16)/|fresh: Status2 of the hardware
dvsec.c|s/\.show = CXL_DVSEC_STATUS2_PM_INIT/& | CXL_DVSEC_CTRL2_MEM_CLR/|fresh: Mem_Clr of the hardware
dvsec.c|s/\.rw = CXL_DVSEC_CTRL2_NO_CACHING |/.rw =/|Control2: Disable_Caching is not writable
dvsec.c|s/CXL_DVSEC_CTRL2_NO_CACHING | CXL_DVSEC_CTRL2_MEM_CLR/CXL_DVSEC_CTRL2_NO_CACHING/|Control2: Mem_Clr is not writable
dvsec.c|s/\.rw = CXL_DVSEC_CTRL2_NO_CACHING/& | CXL_DVSEC_CTRL2_WBI/|Control2: write-back stays set
dvsec.c|s/\.rw = CXL_DVSEC_CTRL2_NO_CACHING/& | CXL_DVSEC_CTRL2_RESET/|Control2: CXL Reset stays set
dvsec.c|s/\.rw = CXL_DVSEC_CTRL2_NO_CACHING/& | CXL_DVSEC_STATUS2_RESET_DONE/|Status2: is writable
dvsec.c|/LOCK_CAP2)\] = {/,/},/s/31, 16/31, 0/|fresh: lock of the hardware
dvsec.c|/LOCK_CAP2)\] = {/,/},/s/31, 16/31, 17/|fresh: a bit of Capability2 is missing
dvsec.c|s/\.set = CXL_DVSEC_LOCK/.set = 0/|lock: cannot be set
dvsec.c|s/\.set = CXL_DVSEC_LOCK/.rw = CXL_DVSEC_LOCK/|lock: can be cleared
dvsec.c|s/\.set = CXL_DVSEC_LOCK/.set = GENMASK(15, 0)/|lock: reserved bits can be set
dvsec.c|/RANGE1_SIZE_HI)\]/s/31, 0/30, 0/|fresh: top bit of the size hidden
dvsec.c|/RANGE1_SIZE_LO)\]/s/31, 0/31, 28/|fresh: type and class of the memory hidden
dvsec.c|/RANGE1_SIZE_LO)\]/s/\.show/.rw = BIT(1), &/|Range 1 Size: Memory_Active is writable
dvsec.c|/BASE_HI)\] = {/s/$/ .show = GENMASK(31, 0),/|fresh: high half of the host's base
dvsec.c|/BASE_LO)\] = {/s/$/ .show = GENMASK(31, 28),/|fresh: low half of the host's base
dvsec.c|/BASE_HI)\] = {/,/},/s/31, 0/30, 0/|base: top bit is not writable
dvsec.c|/BASE_LO)\] = {/,/},/s/CXL_HDM_LO_MASK/GENMASK(31, 0)/|base: reserved bits are writable
dvsec.c|/BASE_LO)\] = {/,/},/s/CXL_HDM_LO_MASK/0/|base: low half is not writable
dvsec.c|s/^\t\[REG(CXL_DVSEC_CAP3)/\t[REG(CXL_DVSEC_RANGE2)] = { .show = GENMASK(31, 0) },\n&/|fresh: size of the second range
dvsec.c|s/^\t\[REG(CXL_DVSEC_CAP3)/\t[REG(CXL_DVSEC_RANGE2 + 8)] = { .show = GENMASK(31, 0) },\n&/|fresh: the host's second base
dvsec.c|s/^\t\[REG(CXL_DVSEC_CAP3)/\t[REG(CXL_DVSEC_RANGE2 + 12)] = { .rw = CXL_HDM_LO_MASK },\n&/|second range: the base is writable
dvsec.c|/REG(CXL_DVSEC_CAP3)\]/d|fresh: Capability3 hidden
dvsec.c|s/return s->reg\[REG(CXL_DVSEC_LOCK_CAP2)\] & CXL_DVSEC_LOCK/return false/|lock: freezes nothing
dvsec.c|s/return s->reg\[REG(CXL_DVSEC_LOCK_CAP2)\] & CXL_DVSEC_LOCK/return true/|lock: always set
dvsec.c|s/return s->reg\[REG(CXL_DVSEC_LOCK_CAP2)\] & CXL_DVSEC_LOCK/return s->reg[5]/|lock: also set by Capability2
dvsec.c|s/return s->reg\[REG(CXL_DVSEC_CAP)\] & cap/return true/|announced: everything
dvsec.c|s/return s->reg\[REG(CXL_DVSEC_CAP)\] & cap/return false/|announced: nothing
dvsec.c|s/len = CXL_DVSEC_DEVICE_SIZE;/len = 0;/|init: too long is nothing
dvsec.c|s/\.len = len & ~3/.len = len \& ~7/|init: the last dword is missing
dvsec.c|s/\.len = len & ~3/.len = len/|init: half a dword is there
dvsec.c|s/\*s = (struct vfio_cxl_dvsec) { \.len = len & ~3 };/s->len = len \& ~3;/|init: all of the past remains
dvsec.c|s/{ \.len = len & ~3 }/{ .len = len \& ~3, .reg[5] = s->reg[5] \& 1 }/|init: the lock remains
dvsec.c|s/hw\[i\] & dvsec_regs\[i\]\.show/hw[i]/|fresh: all of the hardware
dvsec.c|s/if (dvsec_can(s, CXL_DVSEC_CAP_HDM_COUNT))/if (true)/|HDM_Count: 0 is 1
dvsec.c|s/if (dvsec_can(s, CXL_DVSEC_CAP_HDM_COUNT))/if (false)/|HDM_Count: as in hardware
dvsec.c|s/&= ~CXL_DVSEC_CAP_HDM_COUNT;/\&= ~0;/|HDM_Count: 2 is 3
dvsec.c|s/|= CXL_DVSEC_CAP_HDM_COUNT_1;/|= 0;/|HDM_Count: always 0
dvsec.c|s/mask = CXL_DVSEC_MEM_INFO_VALID | CXL/mask = CXL/|live: Memory_Info_Valid stays
dvsec.c|s/MEM_INFO_VALID | CXL_DVSEC_MEM_ACTIVE;/MEM_INFO_VALID;/|live: Memory_Active stays
dvsec.c|s/(\*reg & ~mask) | (size_lo & mask)/(*reg \& ~mask) | size_lo/|live: all of the register
dvsec.c|s/(\*reg & ~mask) | (size_lo & mask)/*reg | (size_lo \& mask)/|live: is not taken back
dvsec.c|s/(\*reg & ~mask) | (size_lo & mask)/size_lo \& mask/|live: the rest is lost
dvsec.c|s/if (s->len > CXL_DVSEC_RANGE1_SIZE_LO)/if (false)/|live: never
dvsec.c|s/val & CXL_DVSEC_CTRL2_WBI && //|write-back: by any write
dvsec.c|s/val & CXL_DVSEC_CTRL2_WBI &&/& !dvsec_locked(s) \&\&/|write-back: not when locked
dvsec.c|s/val & CXL_DVSEC_CTRL2_RESET && dvsec_can(s, CXL_DVSEC_CAP_RESET)/val \& CXL_DVSEC_CTRL2_RESET/|CXL Reset: not announced
dvsec.c|s/dvsec_can(s, CXL_DVSEC_CAP_RESET))/dvsec_can(s, CXL_DVSEC_CAP_WBI))/|CXL Reset: announced by write-back
dvsec.c|s/val & CXL_DVSEC_CTRL2_RESET && //|CXL Reset: by any write
dvsec.c|s/val & CXL_DVSEC_CTRL2_RESET &&/& !dvsec_locked(s) \&\&/|CXL Reset: not when locked
dvsec.c|/CTRL2_WBI && dvsec_can/,/}/s/\*reg &= .*;/;/|write-back: Cache_Invalid stays meanwhile
dvsec.c|s/\*reg &= ~(CXL_DVSEC_STATUS2_RESET_DONE |/*reg \&= ~(/|CXL Reset: Reset_Complete stays meanwhile
dvsec.c|s/^\t\t\t  CXL_DVSEC_STATUS2_RESET_ERR);/0);/|CXL Reset: Reset_Error stays meanwhile
dvsec.c|s/\*reg &= ~(CXL_DVSEC_STATUS2_RESET_DONE |/& BIT(16) |/|CXL Reset: ends Cache_Invalid
dvsec.c|s/effect |= VFIO_CXL_DVSEC_WBI;/;/|effect: no write-back
dvsec.c|s/effect |= VFIO_CXL_DVSEC_WBI;/effect |= VFIO_CXL_DVSEC_RESET;/|effect: CXL Reset instead of write-back
dvsec.c|s/effect |= VFIO_CXL_DVSEC_RESET;/;/|effect: no CXL Reset
dvsec.c|s/effect |= VFIO_CXL_DVSEC_RESET;/effect = VFIO_CXL_DVSEC_RESET;/|effect: CXL Reset without the write-back
dvsec.c|s/effect |= VFIO_CXL_DVSEC_MEM_CLR;/;/|effect: no Mem_Clr
dvsec.c|s/if (\*reg & CXL_DVSEC_CTRL2_MEM_CLR)/if (true)/|effect: Mem_Clr always
dvsec.c|s/if (\*reg & CXL_DVSEC_CTRL2_MEM_CLR)/if (val \& CXL_DVSEC_CTRL2_MEM_CLR)/|effect: Mem_Clr as written, not as it is
dvsec.c|s/if (!(\*reg & CXL_DVSEC_CTRL2_NO_CACHING))/if (false)/|Cache_Invalid: stays with caching
dvsec.c|s/if (!(\*reg & CXL_DVSEC_CTRL2_NO_CACHING))/if (*reg \& CXL_DVSEC_CTRL2_NO_CACHING)/|Cache_Invalid: ends without caching
dvsec.c|s/rw &= ~CXL_DVSEC_CTRL2_MEM_CLR;/;/|Mem_Clr: writable when not announced
dvsec.c|s/~(val & r->rw1c & mask)/~(r->rw1c \& mask)/|Viral_Status: cleared by a zero
dvsec.c|s/~(val & r->rw1c & mask)/~(val ? r->rw1c : 0)/|Viral_Status: cleared by any one
dvsec.c|s/|= val & r->set & mask/|= r->set \& mask/|lock: set by a zero
dvsec.c|s/return i == REG(CXL_DVSEC_CTRL2_STATUS2) ?/return true ?/|doorbells: in each register
dvsec.c|s/return i == REG(CXL_DVSEC_CTRL2_STATUS2) ?/return false ?/|doorbells: in no register
dvsec.c|/^u64 vfio_cxl_dvsec_read/,/^}/s/i < len && i < 8/i < len \&\& i < 7/|read: seven bytes at most
dvsec.c|/^u64 vfio_cxl_dvsec_read/,/^}/s/i < len && i < 8/i < 8/|read: always eight bytes
dvsec.c|s/>> 8 \* ((off + i) & 3) & 0xff/>> 8 * (i \& 3) \& 0xff/|read: as if aligned
dvsec.c|s/^\t\t       << 8 \* i;/;/|read: bytes are not put in their place
dvsec.c|s/val |= (u64)(s->reg/val = (u64)(s->reg/|read: the last byte only
dvsec.c|/^u64 vfio_cxl_dvsec_read/,/^}/s/^\tu64 val = 0;/&\n\t((u32 *)s->reg)[4] \&= ~BIT(18);/|read: ends Reset_Error
dvsec.c|/vfio_cxl_dvsec_write(struct/,/^}/s/i < len && i < 8/i < len \&\& i < 7/|write: seven bytes at most
dvsec.c|/vfio_cxl_dvsec_write(struct/,/^}/s/i < len && i < 8/i < 4/|write: always four bytes
dvsec.c|/vfio_cxl_dvsec_write(struct/,/^}/s/i < len && i < 8/i <= len \&\& i < 8/|write: a byte too many
dvsec.c|s/shift = 8 \* ((off + i) & 3)/shift = 8 * (i \& 3)/|write: as if aligned
dvsec.c|s/(u32)(val >> 8 \* i & 0xff) << shift/(u32)(val \& 0xff) << shift/|write: each byte is the first
dvsec.c|s/0xffU << shift/0xffffffff/|write: each byte is a dword
dvsec.c|s/effect |= dvsec_write_dword/effect = dvsec_write_dword/|effect: of the last byte only
dvsec.c|/vfio_cxl_dvsec_write(struct/,/^}/{s/off >= s->len || off + i >= s->len/off % 0x1000 + i >= s->len/;s/off + i < CXL/off % 0x1000 + i < CXL/;s/REG(off + i),$/REG(off % 0x1000 + i),/}|write: 0x1000 is 0 again
dvsec.c|s/effect & VFIO_CXL_DVSEC_WBI && ok &&/effect \& VFIO_CXL_DVSEC_WBI \&\&/|done: a failed write-back makes the cache invalid
dvsec.c|s/effect & VFIO_CXL_DVSEC_WBI && ok &&/ok \&\&/|done: anything makes the cache invalid
dvsec.c|s/^\t    \*reg & CXL_DVSEC_CTRL2_NO_CACHING)/\t    true)/|done: invalid also with caching
dvsec.c|s/\*reg |= CXL_DVSEC_STATUS2_CACHE_INV;/;/|done: never invalid
dvsec.c|s/\*reg |= ok ?/*reg |= true ?/|done: a reset never fails
dvsec.c|s/\*reg |= ok ?/*reg |= !ok ?/|done: a reset fails when it is complete
dvsec.c|s/\.show = CXL_DVSEC_CTRL_CACHE_ENABLE |/.show = 0 |/|fresh: Cache_Enable is hidden
dvsec.c|s/^\t\t\tCXL_DVSEC_CTRL_MEM_ENABLE | CXL/\t\t\tCXL/|fresh: Mem_Enable is off
dvsec.c|s/CXL_DVSEC_CTRL_MEM_ENABLE | CXL_DVSEC_CTRL_SF |/CXL_DVSEC_CTRL_MEM_ENABLE |/|fresh: snoop filter is hidden
dvsec.c|s/^\t\t\tCXL_DVSEC_CTRL_CLEAN_EVICT,/\t\t\t0,/|fresh: Cache_Clean_Eviction is hidden
dvsec.c|s/^\t\t\tCXL_DVSEC_CTRL_CLEAN_EVICT,/\t\t\tCXL_DVSEC_CTRL_CLEAN_EVICT | CXL_DVSEC_CTRL_VIRAL,/|fresh: Viral_Enable of the hardware
dvsec.c|s/^\t\t\tCXL_DVSEC_CTRL_CLEAN_EVICT,/\t\t\t0xffff,/|fresh: all of Control
dvsec.c|s/|= CXL_DVSEC_CTRL_IO_ENABLE;/|= 0;/|fresh: IO_Enable is off
dvsec.c|s/\.rw = CXL_DVSEC_CTRL_MEM_ENABLE |/.rw =/|Control: Mem_Enable is not writable
dvsec.c|s/\.rw = CXL_DVSEC_CTRL_MEM_ENABLE/& | CXL_DVSEC_CTRL_CACHE_ENABLE/|Control: Cache_Enable is writable
dvsec.c|s/\.rw = CXL_DVSEC_CTRL_MEM_ENABLE/& | CXL_DVSEC_CTRL_SF/|Control: snoop filter is writable
dvsec.c|s/\.rw = CXL_DVSEC_CTRL_MEM_ENABLE/& | CXL_DVSEC_CTRL_CLEAN_EVICT/|Control: Cache_Clean_Eviction is writable
dvsec.c|s/\.rw = CXL_DVSEC_CTRL_MEM_ENABLE/& | CXL_DVSEC_CTRL_IO_ENABLE/|Control: IO_Enable is writable
dvsec.c|s/\.rw = CXL_DVSEC_CTRL_MEM_ENABLE/& | BIT(15)/|Control: bit 15 is writable
dvsec.c|/CTRL2_STATUS2)\] = {/,/},/s/\.rw = /.lockable = true, &/|lock: of Control2
dvsec.c|s/dvsec_regs\[i\]\.lockable && dvsec_locked(s)/false/|write: the lock is not looked at
dvsec.c|s/dvsec_regs\[i\]\.lockable && dvsec_locked(s)/dvsec_regs[i].lockable/|write: as if always locked
dvsec.c|s/dvsec_regs\[i\]\.lockable && dvsec_locked(s)/dvsec_locked(s)/|lock: freezes all that is writable
dvsec.c|s/if (i != REG(CXL_DVSEC_CTRL2_STATUS2))/if (false)/|Mem_Clr: other registers miss its bit, too
dvsec.c|s/if (!dvsec_can(s, CXL_DVSEC_CAP_CACHE))/if (false)/|Disable_Caching: writable without a cache
dvsec.c|s/if (!dvsec_can(s, CXL_DVSEC_CAP_CACHE))/if (!dvsec_can(s, CXL_DVSEC_CAP_WBI))/|Disable_Caching: announced by write-back
dvsec.c|s/rw &= ~CXL_DVSEC_CTRL2_NO_CACHING;/rw = 0;/|Control2: nothing is writable without a cache
dvsec.c|s/rw &= ~CXL_DVSEC_CTRL2_MEM_CLR;/rw = 0;/|Control2: nothing is writable without Mem_Clr
dvsec.c|s/!dvsec_can(s, CXL_DVSEC_CAP_RESET_MEM_CLR)/!dvsec_can(s, CXL_DVSEC_CAP_RESET)/|Mem_Clr: announced by CXL Reset
dvsec.c|s/dvsec_writable(s, i) & mask/dvsec_writable(s, i)/|write: bytes not written are cleared
dvsec.c|s/(old & ~rw) | (val & rw)/old | (val \& rw)/|write: bits are only set
dvsec.c|s/(old & ~rw) | (val & rw)/val \& rw/|write: the rest of the register is lost
dvsec.c|s/(old & ~rw) | (val & rw)/(old \& ~rw) | (val \& mask)/|write: all is writable
dvsec.c|s/if (s->reset_pending)/if (false)/|pending: a doorbell starts something
dvsec.c|s/if (s->reset_pending)/if (s->reset_pending \&\& val \& CXL_DVSEC_CTRL2_RESET)/|pending: a write-back starts
dvsec.c|s/if (s->reset_pending)/if (s->reset_pending \&\& !(val \& CXL_DVSEC_CTRL2_RESET))/|pending: a second CXL Reset starts
dvsec.c|s/s->reset_pending = true;/;/|pending: never
dvsec.c|s/s->reset_pending = false;/;/|pending: for ever
dvsec.c|s/s->reset_pending = false;/s->reset_pending = !ok;/|pending: stays after a failure
dvsec.c|s/effect & VFIO_CXL_DVSEC_RESET && s->reset_pending/effect \& VFIO_CXL_DVSEC_RESET/|done: a reset that is not pending
dvsec.c|s/effect & VFIO_CXL_DVSEC_RESET && s->reset_pending/s->reset_pending/|done: anything is a reset
dvsec.c|s/effect & VFIO_CXL_DVSEC_RESET && s/effect == VFIO_CXL_DVSEC_RESET \&\& s/|done: not with anything else
dvsec.c|s/{ \.len = len & ~3 }/{ .len = len \& ~3, .reset_pending = s->reset_pending }/|init: stays pending
dvsec.c|s/if ((old ^ \*reg) & CXL_DVSEC_CTRL2_NO_CACHING)/if (*reg \& CXL_DVSEC_CTRL2_NO_CACHING)/|effect: caching whenever it is off
dvsec.c|s/if ((old ^ \*reg) & CXL_DVSEC_CTRL2_NO_CACHING)/if (val \& ~old \& CXL_DVSEC_CTRL2_NO_CACHING)/|effect: caching by what is written
dvsec.c|s/if ((old ^ \*reg) & CXL_DVSEC_CTRL2_NO_CACHING)/if (old ^ *reg)/|effect: caching by any change
dvsec.c|s/effect |= VFIO_CXL_DVSEC_CACHING;/;/|effect: no caching
dvsec.c|s/ && dvsec_can(s, CXL_DVSEC_CAP_WBI) &&/ \&\&/|write-back: announced by the cache
dvsec.c|s/^\t    dvsec_can(s, CXL_DVSEC_CAP_CACHE))/\t    true)/|write-back: without a cache
dvsec.c|s/dvsec_can(s, CXL_DVSEC_CAP_WBI) &&/dvsec_can(s, CXL_DVSEC_CAP_RESET) \&\&/|write-back: announced by CXL Reset
dvsec.c|s/&= ~CXL_DVSEC_CTRL_MEM_ENABLE;/\&= ~0;/|CXL Reset: Mem_Enable stays
dvsec.c|/^void vfio_cxl_dvsec_cxl_reset/,/^}/s/if (!dvsec_locked(s))/if (s)/|CXL Reset: Mem_Enable ends when locked
dvsec.c|s/&= ~CXL_DVSEC_CTRL_MEM_ENABLE;/\&= ~(CXL_DVSEC_CTRL_MEM_ENABLE | CXL_DVSEC_CTRL_IO_ENABLE);/|CXL Reset: IO_Enable ends
dvsec.c|s/&= ~CXL_DVSEC_CTRL_MEM_ENABLE;/\&= ~(CXL_DVSEC_CTRL_MEM_ENABLE | CXL_DVSEC_STATUS_VIRAL);/|CXL Reset: Viral_Status ends
dvsec.c|s/&= ~CXL_DVSEC_CTRL_MEM_ENABLE;/^= CXL_DVSEC_CTRL_MEM_ENABLE;/|CXL Reset: Mem_Enable is turned over
dvsec.c|s/&= ~(CXL_DVSEC_CTRL2_NO_CACHING |/\&= ~(/|CXL Reset: Disable_Caching stays
dvsec.c|s/^\t\t\t\t\t\t  CXL_DVSEC_CTRL2_MEM_CLR |/0 |/|CXL Reset: Mem_Clr stays
dvsec.c|s/^\t\t\t\t\t\t  CXL_DVSEC_STATUS2_CACHE_INV);/0);/|CXL Reset: Cache_Invalid stays
dvsec.c|s/^\t\t\t\t\t\t  CXL_DVSEC_STATUS2_CACHE_INV);/& s->reset_pending = false;/|CXL Reset: is its own report
dvsec.c|s/^\t\t\t\t\t\t  CXL_DVSEC_STATUS2_CACHE_INV);/& s->reg[5] \&= ~1;/|CXL Reset: ends the lock
dvsec.c|s/^\t\t\t\t\t\t  CXL_DVSEC_STATUS2_CACHE_INV);/& s->reg[9] = 0;/|CXL Reset: ends the base
dvsec.c|s/^\t       CXL_DVSEC_CTRL2_NO_CACHING;/\t       CXL_DVSEC_CTRL2_MEM_CLR;/|caching: Mem_Clr is asked
dvsec.c|s/return s->reset_pending;/return false;/|pending: not told
dvsec.h|/define VFIO_CXL_DVSEC_CACHING/s/BIT(3)/BIT(4)/|effects: caching is another bit
regs.h|/CXL_DVSEC_CAP_CACHE/s/16 + 0/16 + 1/|masks: Cache_Capable
regs.h|/CXL_DVSEC_CTRL_SF/s/10, 3/10, 4/|masks: snoop filter from bit 4
dvsec.c|s/if (len > CXL_DVSEC_DEVICE_SIZE)/if (false)/|asan: init: too long is taken
dvsec.c|s/i < REG(s->len)/i < NR_REGS/|asan: init: looks past a short one
dvsec.c|/^u64 vfio_cxl_dvsec_read/,/^}/s/ || off + i >= s->len)/)/|asan: read past the end
dvsec.c|/vfio_cxl_dvsec_write(struct/,/^}/s/ || off + i >= s->len)/)/|asan: write past the end
dvsec.h|/define VFIO_CXL_DVSEC_MEM_CLR/s/BIT(2)/BIT(3)/|effects: Mem_Clr is another bit
regs.h|/CXL_HDM_LO_MASK/s/31, 28/31, 27/|masks: base in units of 128 MiB
regs.h|/define CXL_DVSEC_BODY/s/0x08/0x0c/|sizes: Capability is header
regs.h|/define CXL_DVSEC_CAP3/s/0x38/0x34/|offsets: Capability3
regs.h|/define CXL_DVSEC_RANGE1_SIZE_LO/s/0x1c/0x18/;/define CXL_DVSEC_RANGE1_SIZE_HI/s/0x18/0x1c/|offsets: halves of the size
regs.h|/define CXL_DVSEC_RANGE1_BASE_LO/s/0x24/0x20/;/define CXL_DVSEC_RANGE1_BASE_HI/s/0x20/0x24/|offsets: halves of the base
regs.h|/CXL_DVSEC_CAP_HDM_COUNT\t/s/16 + 5/16 + 4/|masks: HDM_Count of one bit
regs.h|/CXL_DVSEC_CAP_HDM_COUNT_1/s/16 + 4/16 + 5/|masks: HDM_Count 2 for 1
regs.h|/CXL_DVSEC_CAP_WBI/s/16 + 6/16 + 5/|masks: write-back capability
regs.h|/CXL_DVSEC_CAP_RESET\t/s/16 + 7/16 + 8/|masks: CXL Reset capability
regs.h|/CXL_DVSEC_CAP_RESET_MEM_CLR/s/16 + 11/16 + 10/|masks: Mem_Clr capability
regs.h|/CXL_DVSEC_CTRL_CACHE_ENABLE/s/BIT(0)/BIT(12)/|masks: Cache_Enable
regs.h|/CXL_DVSEC_CTRL_IO_ENABLE/s/BIT(1)/BIT(12)/|masks: IO_Enable
regs.h|/CXL_DVSEC_CTRL_MEM_ENABLE/s/BIT(2)/BIT(12)/|masks: Mem_Enable
regs.h|/CXL_DVSEC_CTRL_SF/s/10, 3/9, 3/|masks: snoop filter to bit 9
regs.h|/CXL_DVSEC_CTRL_CLEAN_EVICT/s/11/12/|masks: Cache_Clean_Eviction
regs.h|/CXL_DVSEC_CTRL_VIRAL/s/14/13/|masks: Viral_Enable
regs.h|/CXL_DVSEC_STATUS_VIRAL/s/16 + 14/16 + 15/|masks: Viral_Status
regs.h|/CXL_DVSEC_CTRL2_NO_CACHING/s/BIT(0)/BIT(4)/|masks: Disable_Caching
regs.h|/CXL_DVSEC_CTRL2_WBI/s/BIT(1)/BIT(4)/|masks: initiate write-back
regs.h|/CXL_DVSEC_CTRL2_RESET/s/BIT(2)/BIT(4)/|masks: initiate CXL Reset
regs.h|/CXL_DVSEC_CTRL2_MEM_CLR/s/BIT(3)/BIT(4)/|masks: Mem_Clr
regs.h|/CXL_DVSEC_STATUS2_CACHE_INV/s/16 + 0/16 + 3/|masks: Cache_Invalid
regs.h|/CXL_DVSEC_STATUS2_RESET_DONE/s/16 + 1/16 + 3/|masks: Reset_Complete
regs.h|/CXL_DVSEC_STATUS2_RESET_ERR/s/16 + 2/16 + 3/|masks: Reset_Error
regs.h|/CXL_DVSEC_STATUS2_PM_INIT/s/16 + 15/16 + 14/|masks: PM_Init_Complete
regs.h|/define  CXL_DVSEC_LOCK/s/BIT(0)/BIT(1)/|masks: CONFIG_LOCK
regs.h|/CXL_DVSEC_MEM_INFO_VALID/s/BIT(0)/BIT(2)/|masks: Memory_Info_Valid
regs.h|/CXL_DVSEC_MEM_ACTIVE/s/BIT(1)/BIT(2)/|masks: Memory_Active
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

# Mutant number $1: the rest of its TAP line to stdout; 0 if it was found
mutant() {
	local dir=$work/$1 line file name found

	line=$("mutations_$model" | sed -n "$1p")
	file=${line%%|*}
	name=${line##*|}
	line=${line#*|}
	copy "$dir" && sed -i "${line%|*}" "$dir/$file" || return
	if cmp -s "$dir/$file" "$src/$file"; then
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
if [ "${2-}" = --one ]; then
	line=$(mutant "$3") && echo "ok $line" || echo "not ok $line"
	exit 0
fi

rm -rf "$work"
if ! { copy "$work/0" && build "$work/0" ""; } ||
   [ "$(failures "$work/0" -V; failures "$work/0" -P)" ]; then
	echo "Bail out! The tests fail, or do not build, without any mutation."
	exit 1
fi

count=$("mutations_$model" | wc -l)
echo "TAP version 14"
echo "1..$((count + 1))"
seq "$count" | xargs -P "$(nproc)" -I{} "$0" "$model" --one {} >"$work/results"
sed 's/^\(not \)\?ok \([0-9]*\)/\2 &/' "$work/results" | sort -n |
	cut -d' ' -f2-

found=$(grep -c '^ok ' "$work/results")
idle=
echo "# $found of $count found"
for test in vectors P{0..11}; do
	n=$(grep -c "found by:.*\<$test\>" "$work/results")
	echo "# $n by $test"
	[ "$n" -gt 0 ] || idle=yes
done
echo "${idle:+not }ok $((count + 1)) - each property finds some"
[ "$found" -eq "$count" ] && [ -z "$idle" ]

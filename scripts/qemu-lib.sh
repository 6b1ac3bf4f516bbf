# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154 # lib.sh comes first
#
# What the scripts for qemu/ share. Its form is in qemu/README.

qemu=$top/qemu

# The one new file whose original is elsewhere in this repository. QEMU's copy
# is made as the kernel's headers_install would make it: without _UAPI.
uapi_in_qemu=linux-headers/linux/vfio_cxl.h
uapi_header() { sed 's,^\(#\(ifndef\|define\|endif /\*\) *\)_UAPI_,\1_,' "$top/include/uapi/linux/vfio_cxl.h"; }

# git without anybody's configuration, so that the same input gives the same
# commits and the same patches everywhere.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
tgit() { git -C "$tree" -c core.autocrlf=false -c core.fileMode=true -c gc.auto=0 "$@"; }

# The root commit is the pinned release.
base_of() { tgit rev-list --max-parents=0 HEAD; }

# The patches in order, FOLDER/NAME.patch; nothing if there is no series yet.
series() { [ ! -f "$qemu/series" ] || sed '/^#/d; /^$/d' "$qemu/series"; }

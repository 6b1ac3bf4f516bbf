# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # the variables are used by those who source this
#
# Common to the shell scripts: where things are, how to say what happens, and
# when a step is up to date. Source it first.

set -euo pipefail
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# ARCH is the architecture of the machines; the one that builds and runs them is
# amd64. Every other ARCH has a directory of its own and shares the sources, which
# are in $base. Its file in configs/ sets
#   ARCH_SUBDIR       where that directory is in $base
#   ARCH_CROSS        the prefix of the cross compiler; none where we build natively
#   ARCH_TRIPLE       the directory of libraries in Debian
#   ARCH_QEMU         the QEMU that runs here, in $build/qemu
#   ARCH_QEMU_IN_VM   the one that runs in the host VM, in $build
#   ARCH_KERNEL       the kernel that QEMU starts, in $build/kernel, and
#   ARCH_KERNEL_UEFI  the one that UEFI starts
#   ARCH_UEFI         Debian's firmware with UEFI, of the package ARCH_UEFI_PACKAGE
base=${BUILD:-$top/build}
arch=${ARCH:-x86_64}
if [ ! -f "$top/configs/arch.$arch" ]; then
	echo "error: ARCH=$arch: only x86_64 and arm64 are known" >&2
	exit 1
fi
# shellcheck source=../configs/arch.x86_64
. "$top/configs/arch.$arch"
build=$base$ARCH_SUBDIR
if [ "$ARCH_CROSS" ]; then
	cross=${CROSS_COMPILE-$ARCH_CROSS}
	export ARCH CROSS_COMPILE=$cross
else
	cross=
	unset ARCH CROSS_COMPILE	# "" would be an architecture to the kernel's make
fi

logs=$build/logs
jobs=${JOBS:-$(nproc)}
# shellcheck source=../versions.mk
. "$top/versions.mk"

# Kbuild and QEMU's configure both refuse such a path, each in its own words.
case $build in
*[[:space:]:]*)
	echo "error: '$build': a kernel cannot be built below a path with blanks or colons" >&2
	exit 1 ;;
esac

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "error: $*"; exit 1; }

# logged LOG COMMAND...: run a command with its output in build/logs/LOG.log.
# V=1 shows the output as well; a failure shows the end of it in any case.
logged()
{
	local log=$logs/$1.log rc=0

	shift
	mkdir -p "$logs"
	printf '\n$ %s\n' "$*" >>"$log"
	if [ "${V:-0}" != 0 ]; then
		"$@" 2>&1 | tee -a "$log" >&2 || rc=$?
	else
		"$@" >>"$log" 2>&1 </dev/null || rc=$?
	fi
	[ "$rc" = 0 ] && return
	[ "${V:-0}" != 0 ] || tail -n 30 "$log" >&2
	die "'$1' failed with status $rc; the whole log: $log"
}

# start_log LOG: forget what an earlier run wrote.
start_log() { mkdir -p "$logs"; : >"$logs/$1.log"; }

# A step is up to date when its stamp holds the key of its inputs.
key_of() { cat -- "$@" | sha256sum | cut -d' ' -f1; }
is_fresh() { [ -f "$1" ] && [ "$(<"$1")" = "$2" ]; }
stamp() { mkdir -p "$(dirname "$1")"; printf '%s\n' "$2" >"$1"; }

# list_files DIR...: every file below, in one order on every machine.
list_files() { find "$@" -type f -print | sort; }

# The compilers, for the machines and for this one, through ccache where there
# is one (CCACHE=0 to go without). Paths below the clone are hashed as relative
# ones: a second clone hits too.
cc=${cross}gcc
hostcc=gcc
if [ "${CCACHE:-1}" != 0 ] && command -v ccache >/dev/null; then
	cc="ccache $cc"
	hostcc='ccache gcc'
	export CCACHE_BASEDIR=$top CCACHE_NOHASHDIR=1
fi

# git in the tree at $tree, without anybody's configuration, so that the same input
# gives the same commits and the same patches everywhere
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
tgit()
{
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null git -C "${tree?}" \
		-c core.autocrlf=false -c core.fileMode=true -c gc.auto=0 "$@"
}

# ---- qemu/, whose form is in qemu/README ----

qemu=$top/qemu
# The patches in order, FOLDER/NAME.patch; nothing if there is no series yet.
series() { [ ! -f "$qemu/series" ] || sed '/^#/d; /^$/d' "$qemu/series"; }
# The root commit of a tree that is made of it is the pinned release.
base_of() { tgit rev-list --max-parents=0 HEAD; }

# The one new file whose original is elsewhere in this repository. QEMU's copy
# is made as the kernel's headers_install would make it: without _UAPI.
uapi_in_qemu=linux-headers/linux/vfio_cxl.h
uapi_header() { sed 's,^\(#\(ifndef\|define\|endif /\*\) *\)_UAPI_,\1_,' "$top/include/uapi/linux/vfio_cxl.h"; }

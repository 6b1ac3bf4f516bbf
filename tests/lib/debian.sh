# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # lib.sh comes first
#
# A Debian system of its own in a directory, $root, which whoever sources this sets:
# made by debootstrap, kept in ~/.cache. It takes root, and scripts/lib.sh first.

mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

# inside COMMAND...: run it in $root.
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
get() { inside apt-get -o Dpkg::Use-Pty=0 -y -q --no-install-recommends "$@"; }

mount_debian()
{
	mount -t proc proc "$root/proc"
	mount --bind /dev "$root/dev"
}
unmount_debian() { umount -q "$root/proc" "$root/dev" 2>/dev/null || true; }
trap unmount_debian EXIT

# Never into /dev, should that be busy.
remove_debian() { unmount_debian; rm -rf --one-file-system "$root"; }

# make_debian LOG RELEASE PACKAGE...: a new $root, mounted, in which no service starts.
make_debian()
{
	local log=$1 release=$2 dir=${XDG_CACHE_HOME:-$HOME/.cache}/vfio-cxl/debootstrap tar

	shift 2
	tar=$dir/$release-$(printf '%s ' "$@" | sha256sum | cut -c1-12).tar
	remove_debian
	mkdir -p "$root" "$dir"
	if [ -f "$tar" ]; then
		tar -C "$root" -xf "$tar"
	else
		say "making a Debian $release with ${*} (2 to 8 min, once)"
		logged "$log" debootstrap --variant=minbase "$release" "$root" "$mirror"
	fi
	printf "deb $mirror %s main\n" "$release" "$release-updates" "$release-backports" >"$root/etc/apt/sources.list"
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	mount_debian
	[ ! -f "$tar" ] || return 0
	logged "$log" get update
	logged "$log" get install "$@"
	logged "$log" get clean
	unmount_debian
	tar -C "$root" -cf "$tar.new" . && mv "$tar.new" "$tar"
	mount_debian
}

# install_packages: this project's, of build/deb; apt fetches what they depend on.
install_packages()
{
	mkdir -p "$root/packages"
	find "$build/deb" -maxdepth 1 -name '*.deb' ! -name '*dbgsym*' -exec cp -t "$root/packages" {} +
	inside sh -c 'apt-get update -q && apt-get install -y -q --no-install-recommends /packages/*.deb'
}

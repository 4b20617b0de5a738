#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# By hand: a 6.12 of Debian's sources with KASAN, lockdep and the like (debug.config), laid
# out as a cache of guests' kernels. What that kernel complains of fails a guest's test.
#
#	apt-get install linux-source-6.12 build-essential flex bison bc libelf-dev libssl-dev
#	kernel/debug-kernel.sh DIR
#	cd build && LIBSHRINK_GUEST_CACHE=DIR ../tests/guest/run.sh -k 6.12 module
#
# DIR must stay where it is: modules are built against it. A second run builds what has
# changed. ccache in the path is used.
set -eu -o pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
series=6.12
source=${LINUX_SOURCE:-/usr/src/linux-source-$series.tar.xz}

die() {
	echo "debug-kernel.sh: $*" >&2
	exit 1
}

# Options that others did not let be as debug.config has them.
refused() {
	local line

	grep '^CONFIG_' "$here/debug.config" | while read -r line; do
		grep -qxF "$line" "$1/.config" || echo "${line%=*}"
	done
}

unpack() {
	[ ! -e "$1/unpacked" ] || return 0
	[ -r "$source" ] || die "no $source: install linux-source-$series, or set LINUX_SOURCE"
	mkdir -p "$1"
	tar -xJf "$source" -C "$1" --strip-components=1
	touch "$1/unpacked"
}

configure() {
	local missing

	make -s -C "$1" KCONFIG_ALLCONFIG="$here/debug.config" allnoconfig >"$1/configure.log" 2>&1
	missing=$(refused "$1" | tr '\n' ' ')
	[ -z "$missing" ] || die "cannot be had: $missing"
}

# lay_out TREE DIR: as tests/guest/kernel.sh and headers.sh leave a kernel
lay_out() {
	rm -rf "$2"
	mkdir -p "$2/headers/usr/src" "$2/lib/modules/${2##*/}"
	cp "$1/vmlinux" "$1/System.map" "$2/"
	cp "$1/.config" "$2/config"
	ln -s "$1" "$2/headers/usr/src/linux-headers-${2##*/}"
	touch "$2/headers/complete"
}

[ $# = 1 ] || { sed -n '3,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd -P)
unpack "$out/linux"
configure "$out/linux"
make -s -C "$out/linux" -j"$(nproc)" vmlinux modules
lay_out "$out/linux" "$out/$(make -s -C "$out/linux" kernelrelease)"
echo "$out"

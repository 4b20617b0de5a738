# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# shellcheck shell=bash disable=SC2015,SC2034,SC2154
# What modules for a guest's kernel are built against: Debian's headers, unpacked beside
# the kernel in the cache. Sourced, after kernel.sh.
#
#   kernel_headers       for $kernel_dir; sets kernel_headers_dir, or 1 and kernel_reason
#   module_build SRC OUT builds the module in the folder SRC; OUT gets the .ko files
kernel_headers_dir=''

# The packages of one release: its own, the common ones and the build tools of it.
headers_packages() {
	local release=$1

	shift
	echo "linux-headers-$release"
	apt-cache "$@" depends --important "linux-headers-$release" 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-\(headers\|kbuild\)-[^ ]*\)$/\1/p'
}

# The makefile names its other half by an absolute path; and a vmlinux that has nothing
# but type information would have the build ask for pahole.
headers_fix() {
	local root=$1 release=$2 main=$1/usr/src/linux-headers-$2

	sed -i "s|/usr/src/|$root/usr/src/|g" "$main/Makefile" || return 1
	[ ! -e "$main/vmlinux" ] || mv "$main/vmlinux" "$main/vmlinux.btf"
	rm -rf "$root/usr/share"
}

headers_unpack() {
	local cache=$1 release=$2 dir=$1/.new.$$ packages apt_options

	rm -rf "$dir"
	mkdir -p "$dir/root"
	mapfile -t apt_options < <(kernel_apt_options "$cache")
	[ -d "$cache/apt/lists/partial" ] || kernel_apt_refresh "$cache"
	mapfile -t packages < <(headers_packages "$release" "${apt_options[@]}")
	kernel_download "$dir" "${packages[@]}" || {
		kernel_reason="headers of $release cannot be had: $(tail -n 1 "$dir/download.log")"
		rm -rf "$dir"
		return 1
	}
	# the path is written into a makefile: it has to be the last one
	mv "$dir/root" "$cache/$release/headers.new" && rm -rf "$dir" &&
		mv "$cache/$release/headers.new" "$cache/$release/headers" &&
		headers_fix "$cache/$release/headers" "$release" &&
		touch "$cache/$release/headers/complete"
}

kernel_headers() {
	local cache=${kernel_dir%/*} release=${kernel_dir##*/} lock

	exec {lock}>"$cache/lock"
	flock -w 900 "$lock"
	[ -e "$kernel_dir/headers/complete" ] || {
		rm -rf "$kernel_dir/headers"
		headers_unpack "$cache" "$release"
	}
	exec {lock}>&-
	kernel_headers_dir=$kernel_dir/headers/usr/src/linux-headers-$release
	[ -e "$kernel_dir/headers/complete" ]
}

# Built in a copy: the sources may be read-only, and two kernels' objects differ.
module_build() {
	local src=$1 out=$2 cc=gcc-12

	command -v $cc >/dev/null || cc=gcc
	mkdir -p "$out" && cp -R "$src"/. "$out/" &&
		make -s -C "$kernel_headers_dir" M="$out" CC=$cc modules >"$out/build.log" 2>&1
}

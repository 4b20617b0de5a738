# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# shellcheck shell=bash disable=SC2015,SC2034
# Debian's cloud kernels, unpacked beside each other in a cache, never installed.
# Sourced; works without root. What is there once needs no network again.
#
#   kernel_get SERIES [refresh]   sets kernel_dir: vmlinux and lib/modules/RELEASE
#
# Returns 1 where that cannot be had, with kernel_reason. With "refresh" it is asked
# for a newer one than there is.

# The metapackage of each series that tests may name.
declare -A kernel_packages=(
	[6.1]=linux-image-cloud-amd64
	[6.12]=linux-image-6.12-cloud-amd64
)
kernel_dir='' kernel_reason=''

# The first of these that can be made is the cache.
kernel_cache() {
	local dir

	for dir in "${LIBSHRINK_GUEST_CACHE:-}" "${XDG_CACHE_HOME:+$XDG_CACHE_HOME/libshrink/guest}" \
		"${HOME:+$HOME/.cache/libshrink/guest}" "${top_builddir:-.}/guest-cache"; do
		[ -n "$dir" ] && mkdir -p "$dir" 2>/dev/null && [ -w "$dir" ] || continue
		(cd "$dir" && pwd -P)
		return
	done
	return 1
}

# Our own package lists, where the machine's are old: the security suite drops
# versions, and only root may refresh the machine's.
kernel_apt_options() {
	printf '%s\n' -o "Dir::State::lists=$1/apt/lists" -o "Dir::Cache::archives=$1/apt/archives" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User= \
		-o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20
}

kernel_apt_refresh() {
	local options

	mkdir -p "$1/apt/lists/partial" "$1/apt/archives/partial"
	mapfile -t options < <(kernel_apt_options "$1")
	timeout 300 apt-get -q "${options[@]}" update >"$1/apt/update.log" 2>&1 </dev/null
}

# The release that package lists name as the newest of a metapackage.
kernel_newest() {
	local meta=$1

	shift
	apt-cache "$@" depends --important "$meta" 2>/dev/null |
		sed -n 's/^ *Depends: linux-image-\([^ ]*-cloud-amd64\)$/\1/p' | head -n 1
}

# kernel_download DIR package...: unpacked into DIR/root
kernel_download() {
	local dir=$1 deb

	shift
	(cd "$dir" && timeout 600 apt-get -q "${apt_options[@]}" download "$@") \
		>"$dir/download.log" 2>&1 </dev/null || return 1
	for deb in "$dir"/*.deb; do
		dpkg-deb -x "$deb" "$dir/root" || return 1
		rm -f "$deb"
	done
}

# A little-endian number of SIZE bytes at OFFSET.
kernel_field() {
	od -An -v -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '
}

# The boot header says where in the file the compressed ELF image lies. QEMU starts
# that through PVH, which skips decompression: half of the time to boot.
kernel_extract() {
	local image=$1 sectors offset length magic unpack

	sectors=$(kernel_field "$image" $((0x1f1)) 1)
	offset=$(($(kernel_field "$image" $((0x248)) 4) + (sectors ? sectors + 1 : 5) * 512))
	length=$(kernel_field "$image" $((0x24c)) 4)
	magic=$(od -An -v -t x1 -j "$offset" -N 4 "$image" | tr -d ' ')
	case $magic in
	02214c18) unpack='lz4 -dc' ;;
	28b52ffd) unpack='zstd -dc' ;;
	fd377a58) unpack='xz -dc --single-stream' ;;
	1f8b*) unpack='gzip -dc' ;;
	*) return 1 ;;
	esac
	# The last four bytes are the length before compression. What unpacks may
	# complain of them; whether it is an ELF image is looked at.
	tail -c +$((offset + 1)) "$image" | head -c $((length - 4)) | $unpack >"$2" 2>/dev/null
	[ "$(od -An -v -t x1 -N 4 "$2" | tr -d ' ')" = 7f454c46 ]
}

# Modules are loaded with busybox, by path: unpacked, and what they need first.
kernel_modules() {
	find "$1" -name '*.ko.xz' -exec xz -d {} +
	find "$1" -name '*.ko.zst' -exec zstd -q -d --rm {} +
}

# kernel_unpack CACHE RELEASE: all or nothing, so that an interrupted one is no cache
kernel_unpack() {
	local dir=$1/.new.$$ release=$2 rc=0

	rm -rf "$dir"
	mkdir -p "$dir/root"
	kernel_download "$dir" "linux-image-$release" &&
		kernel_extract "$dir/root/boot/vmlinuz-$release" "$dir/vmlinux" &&
		mv "$dir/root/boot/config-$release" "$dir/config" &&
		mv "$dir/root/lib" "$dir/lib" && kernel_modules "$dir/lib" &&
		rm -rf "$dir/root" && mv "$dir" "$1/$release" || rc=1
	[ $rc = 0 ] || {
		kernel_reason="linux-image-$release cannot be had: $(tail -n 1 "$dir/download.log")"
		rm -rf "$dir"
	}
	return $rc
}

# What there is of a series, newest first.
kernel_cached() {
	find "$1" -mindepth 2 -maxdepth 2 -name vmlinux -path "$1/$2[.+-]*" -printf '%h\n' | sort -rV
}

# Downloads the newest of a series unless it is there.
kernel_update() {
	local cache=$1 series=$2 release apt_options=()

	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || {
		kernel_reason="no apt-get"
		return 1
	}
	release=$(kernel_newest "${kernel_packages[$series]}")
	[ -n "$release" ] && [ -f "$cache/$release/vmlinux" ] && return
	mapfile -t apt_options < <(kernel_apt_options "$cache")
	kernel_apt_refresh "$cache"
	release=$(kernel_newest "${kernel_packages[$series]}" "${apt_options[@]}")
	[ -n "$release" ] || {
		kernel_reason="no ${kernel_packages[$series]} in the package lists"
		return 1
	}
	[ -f "$cache/$release/vmlinux" ] || kernel_unpack "$cache" "$release"
}

kernel_get() {
	local series=$1 cache lock

	kernel_reason='' kernel_dir=''
	[ -n "${kernel_packages[$series]:-}" ] || {
		kernel_reason="no such series of kernels: $series"
		return 1
	}
	cache=$(kernel_cache) || {
		kernel_reason="no folder for the cache"
		return 1
	}
	# two runs at once download once
	exec {lock}>"$cache/lock"
	flock -w 900 "$lock"
	[ -z "${2:-}" ] && [ -n "$(kernel_cached "$cache" "$series")" ] ||
		kernel_update "$cache" "$series"
	kernel_dir=$(kernel_cached "$cache" "$series" | head -n 1)
	exec {lock}>&-
	[ -n "$kernel_dir" ] && kernel_reason=''
}

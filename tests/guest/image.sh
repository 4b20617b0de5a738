# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
# The initial file system of a guest: busybox, our init, the modules for swap, and the
# programs of the tests with the libraries they are linked with, at /build. Sourced;
# wants $top_srcdir and $top_builddir. Works without root: devtmpfs has the devices.

# What tests may load; what these need comes along. 6.1 asks for the compressor by name.
image_modules="zram lzo-rle brd"

# image_program ROOT NAME: a built program or a script of the sources; with a leading
# slash one of the machine's, for what busybox does less well; or FOLDER/NAME.ko
image_program() {
	local root=$1 name=$2 file

	[ "${name%.ko}" = "$name" ] || {
		image_ours "$root" "$name"
		return
	}
	[ "${name#/}" = "$name" ] || {
		mkdir -p "$root${name%/*}" && cp "$name" "$root$name" &&
			image_libraries "$root" "$name"
		return
	}
	mkdir -p "$root/build/${name%/*}"
	file=$top_builddir/$name
	# what libtool links is behind a script of its own
	[ ! -x "$top_builddir/${name%/*}/.libs/${name##*/}" ] ||
		file=$top_builddir/${name%/*}/.libs/${name##*/}
	[ -e "$file" ] || file=$top_srcdir/$name
	[ -e "$file" ] || {
		echo "no $name, neither built nor in the sources" >&2
		return 1
	}
	cp -p "$file" "$root/build/$name" || return 1
	image_libraries "$root" "$file"
}

# image_ours ROOT FOLDER/NAME.ko: a module of ours, built for this kernel. Where its headers
# cannot be had, the reason lies in its place; a module that does not build is an error.
image_ours() {
	local root=$1 name=$2 work=$1.module

	mkdir -p "$root/build/${name%/*}"
	kernel_headers || {
		echo "$kernel_reason" >"$root/build/$name.reason"
		return 0
	}
	rm -rf "$work"
	mkdir -p "$work" && cp -R "$top_srcdir/include" "$work/" &&
		module_build "$top_srcdir/${name%/*}" "$work" || {
		tail -n 1 "$work/build.log" >&2
		return 1
	}
	cp "$work/${name##*/}" "$root/build/$name"
}

image_libraries() {
	local root=$1 file=$2 lib

	while read -r lib; do
		case $lib in
		*ld-linux*) mkdir -p "$root${lib%/*}" && cp -uL "$lib" "$root$lib" ;;
		*) cp -uL "$lib" "$root/lib/" ;;
		esac || return 1
	done < <(LD_LIBRARY_PATH="$top_builddir/.libs" ldd "$file" 2>/dev/null |
		sed -nE 's/^[[:blank:]]*([^ ]* => )?(\/[^ ]*) \(0x.*/\2/p')
}

# image_module ROOT KERNEL_DIR NAME: with what it depends on, and busybox's map of that
image_module() {
	local root=$1 dir=$2 file need

	file=$(find "$dir/lib/modules" -name "${3//[-_]/[-_]}.ko" | head -n 1)
	[ -n "$file" ] || return 0 # built in
	[ ! -e "$root/lib/modules/${file#"$dir"/lib/modules/}" ] || return 0
	mkdir -p "$root/lib/modules/$(dirname "${file#"$dir"/lib/modules/}")"
	cp "$file" "$root/lib/modules/${file#"$dir"/lib/modules/}"
	for need in $(modinfo -F depends "$file" | tr , ' '); do
		image_module "$root" "$dir" "$need"
	done
}

# image_make FILE KERNEL_DIR program...
image_make() {
	local out=$1 dir=$2 root=$1.root name release

	shift 2
	rm -rf "$root"
	mkdir -p "$root"/{bin,sbin,lib,proc,sys,dev,etc,build/tests/guest} || return 1
	cp "$(command -v busybox)" "$root/bin/busybox" &&
		cp "$top_srcdir/tests/guest/init" "$root/init" && chmod 755 "$root/init" || return 1
	for name in $("$root/bin/busybox" --list); do
		[ "$name" = busybox ] || ln -s busybox "$root/bin/$name"
	done
	ln -s ../bin/modprobe "$root/sbin/modprobe"
	printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
	for name in $image_modules; do
		image_module "$root" "$dir" "$name"
	done
	release=$(ls "$root/lib/modules") && depmod -b "$root" "$release" 2>/dev/null
	for name; do
		image_program "$root" "$name" || return 1
	done
	image_pack "$out"
}

# What the caller has put into FILE.root goes into FILE.
image_pack() {
	(cd "$1.root" && find . -print0 | cpio --null -o --quiet -H newc -R 0:0) >"$1"
}

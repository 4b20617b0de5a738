#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The module's sources as DKMS wants them: added and built for each series of kernels, in
# a tree of the test's own; nothing of the machine is touched.
# shellcheck disable=SC1091,SC2154
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/../tap.sh"
make_tmp
. "$here/kernel.sh"
. "$here/headers.sh"
PATH=$PATH:/usr/sbin:/sbin

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

command -v dkms >/dev/null || skip_all "no dkms"
[ "$(id -u)" = 0 ] || skip_all "dkms wants root"
mkdir -p "$tmp/src" "$tmp/tree"
make -s -C "$top_srcdir/kernel" dkms-source SOURCES="$tmp/src" >"$tmp/out" 2>&1
same "sources for DKMS" "$?" 0
source=$(echo "$tmp"/src/*)
name=$(sed -n 's/^PACKAGE_NAME="\(.*\)"/\1/p' "$top_srcdir/kernel/dkms.conf")
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top_srcdir/kernel/dkms.conf")

run_dkms() {
	local what=$1

	shift
	dkms "$what" -m "$name" -v "$version" --sourcetree "$tmp/src" --dkmstree "$tmp/tree" "$@" \
		>"$tmp/out" 2>&1
}

# built NAME SERIES: what modinfo says of the module that DKMS has built
built() {
	local file release=${kernel_dir##*/}

	run_dkms build -k "$release" --kernelsourcedir "$kernel_headers_dir" || {
		fail "$1: dkms build" "$(tail -n 20 "$tmp/out" "$tmp/tree/$name/$version/build/make.log")"
		return
	}
	pass "$1: dkms build"
	file=$(find "$tmp/tree/$name/$version/$release" -name 'shrink_bridge.ko*')
	same "$1: for that kernel" "$(modinfo -F vermagic "$file" | cut -d ' ' -f 1)" "$release"
}

if run_dkms add; then
	pass "dkms add"
else
	fail "dkms add" "$(cat "$tmp/out")"
fi
for series in 6.1 6.12; do
	if kernel_get $series && kernel_headers; then
		built $series
	else
		echo "# $series: $kernel_reason"
	fi
done
# the broken twin: without the interface's header it cannot be built
rm -rf "$source/include"
if [ -n "$kernel_dir" ]; then
	run_dkms remove --all
	if run_dkms add && ! run_dkms build -k "${kernel_dir##*/}" \
		--kernelsourcedir "$kernel_headers_dir"; then
		pass "a source without its header is noticed"
	else
		fail "a source without its header is noticed" "$(cat "$tmp/out")"
	fi
fi
done_testing

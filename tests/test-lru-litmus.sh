#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The set/clear protocol of groups' bits on this machine, and its broken twin: copies
# of the sources it lives in, compiled with and without the fences. What a machine
# may hide, tests/test-lru-protocol.c shows on a weaker one that is made up.
. "$(dirname "$0")/tap.sh"
make_tmp
. "$top_srcdir/tests/twins.sh"
. "$top_srcdir/tests/litmus.sh"
fence='atomic_thread_fence(memory_order_seq_cst);'
[ -z "$(make_var SHRINK_SANITIZER_FLAGS)" ] || skip_all "sanitizers order memory themselves"
[ "$(getconf _NPROCESSORS_ONLN)" -gt 1 ] || skip_all "one processor"

# copy FILE SED: a copy of the library's source, changed in exactly one line
copy()
{
	sed "$2" "$top_srcdir/libshrink/$1" >"$tmp/src/$(basename "$1")"
	[ "$(diff "$top_srcdir/libshrink/$1" "$tmp/src/$(basename "$1")" | grep -c '^>')" = 1 ]
}

# build NAME SED: with the fences as SED leaves them
build()
{
	rm -rf "$tmp/src" && mkdir "$tmp/src" || return 1
	copy lru/list_lru-item.c 's/^\(.*\)shrink_lru_link_tail(one, item);/\1extern void litmus_widen(void); litmus_widen(); &/' ||
		return 1
	copy core/memcg-map.c "$2" && copy core/walk.c "$2" || return 1
	# shellcheck disable=SC2086
	$CC $twin_flags -O2 -o "$tmp/$1" "$top_srcdir/tests/lru-litmus.c" "$tmp"/src/*.c \
		"$archive" $twin_libs
}

litmus "object's bit" 2 "s/^\(.*\)$fence/\1$fence \/* kept *\//" fences \
	"s/^\(.*\)$fence/\1atomic_signal_fence(memory_order_seq_cst);/"
done_testing

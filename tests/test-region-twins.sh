#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Broken twins of purgeable memory: the conditions of libshrink/bridge/region.h taken
# away one at a time. Each must lose data under test-region-stress, in ranges of 512
# pages while the kernel is made to take what it may; the untouched copy must not.
. "$(dirname "$0")/tap.sh"
make_tmp
. "$top_srcdir/tests/twins.sh"
source=$top_srcdir/libshrink/bridge/region-lazy.c
[ -f "$top_builddir/tests/test-region-stress.o" ] || skip_all "test programs are not built"
[ -z "$(make_var SHRINK_SANITIZER_FLAGS)" ] || skip_all "the plain build does it"

# build SED-SCRIPT: $tmp/twin; fails if the script changes nothing
build()
{
	twin_copy "$source" "$1" "$tmp/twin.c" >"$tmp/out" || return 1
	# shellcheck disable=SC2086 # lists of words
	$CC $twin_flags -O2 -c "$tmp/twin.c" -o "$tmp/twin.o" >"$tmp/out" 2>&1 &&
		$CC -pthread "$top_builddir/tests/test-region-stress.o" "$tmp/twin.o" \
			"$top_builddir/.libs/libharness.a" "$archive" \
			$(make_var CUNIT_LIBS) $twin_libs -o "$tmp/twin" >>"$tmp/out" 2>&1
}

# The twin stops at the first page it has lost; most do within a second.
run()
{
	REGION_PINS=$1 timeout -s KILL 100 "$tmp/twin" >"$tmp/out" 2>&1
}

broken()
{
	if ! build "$2"; then
		fail "$1" "$(cat "$tmp/out")"
		return
	fi
	run 3000000
	if grep -q 'world.torn is [1-9]' "$tmp/out"; then
		pass "$1: data is lost"
	else
		fail "$1: data is lost" "$(cat "$tmp/out")"
	fi
}

if build '' && run 20000; then
	pass "an untouched copy loses nothing"
else
	fail "an untouched copy loses nothing" "$(cat "$tmp/out")"
fi
broken "published before madvise has returned" \
	'/^\toffer(r, &b);$/{N;s/.*/\tpublish(r, \&b);\n\toffer(r, \&b);/;}'
broken "load, then store, in place of compare-and-swap" \
	'/__atomic_compare_exchange_n/{N;s/.*/\tif (__atomic_load_n(word(r, page), __ATOMIC_RELAXED) == seen \&\& (__atomic_store_n(word(r, page), r->saved[page], __ATOMIC_RELAXED), 1))/;}'
broken "only the first page is looked at" \
	's/if (!exchange(r, page))/if (page == begin ? !exchange(r, page) : (*word(r, page) = r->saved[page], 0))/'
broken "one page lost is not the object lost" \
	's/^\treturn page == end;/\treturn true;/'
done_testing

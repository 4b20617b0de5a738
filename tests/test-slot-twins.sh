#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Broken twins of the module's slot: an order or an exchange of kernel/slot.c and its
# header is taken away, and test-slot must notice; the untouched copy must pass.
. "$(dirname "$0")/tap.sh"
make_tmp
. "$top_srcdir/tests/twins.sh"
[ -f "$top_builddir/.libs/libharness.a" ] || skip_all "test programs are not built"
[ -z "$(make_var SHRINK_SANITIZER_FLAGS)" ] || skip_all "the plain build does it"

# build FILE SED-SCRIPT: $tmp/twin; fails if the script changes nothing
build()
{
	rm -rf "$tmp/kernel"
	mkdir "$tmp/kernel"
	cp "$top_srcdir/kernel/slot.c" "$top_srcdir/kernel/shrink_bridge.h" "$tmp/kernel/"
	twin_copy "$top_srcdir/kernel/$1" "$2" "$tmp/kernel/$1" >"$tmp/out" || return 1
	# shellcheck disable=SC2086 # lists of words
	$CC -I"$tmp" -I"$top_srcdir/tests/kernel" $twin_flags -O2 "$tmp/kernel/slot.c" \
		"$top_srcdir/tests/test-slot.c" "$top_builddir/.libs/libharness.a" \
		-pthread $(make_var CUNIT_LIBS) -o "$tmp/twin" >"$tmp/out" 2>&1
}

run()
{
	timeout -s KILL 60 "$tmp/twin" >"$tmp/out" 2>&1
}

# Which thread comes when is chance: several times.
broken()
{
	if ! build "$2" "$3"; then
		fail "$1: noticed" "$(cat "$tmp/out")"
		return
	fi
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		run || break
	done
	if grep -q '^not ok' "$tmp/out"; then
		pass "$1: noticed"
	else
		fail "$1: noticed" "$(cat "$tmp/out")"
	fi
}

if build slot.c '' && run; then
	pass "an untouched copy passes"
else
	fail "an untouched copy passes" "$(cat "$tmp/out")"
fi
broken "who answers does not look again" slot.c \
	'/^int bridge_slot_answer/,/^}/s/^\tmark(c, slot);$/\t(void)0;/'
broken "who scans looks before it adds" shrink_bridge.h \
	's/if (before == atomic64_read(&slot->seen))/if (before == seen)/
	 s/u64 before = atomic64_fetch_add/u64 seen = atomic64_read(\&slot->seen), before = atomic64_fetch_add/'
broken "what was freed is read, then cleared" shrink_bridge.h \
	's/atomic64_xchg(&slot->freed, 0)/({ u64 f = atomic64_read(\&slot->freed); atomic64_set(\&slot->freed, 0); f; })/'
done_testing

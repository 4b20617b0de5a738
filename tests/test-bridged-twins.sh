#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Broken twins of shrink-bridged: one that tells everybody of every group it follows, and
# one that never looks up again where a client is, must both be noticed by test-bridged.
. "$(dirname "$0")/tap.sh"
make_tmp

make_var()
{
	sed -n "s/^$1 = //p" "$top_builddir/Makefile" | head -n 1
}

skip_all()
{
	echo "1..0 # SKIP $1"
	exit 0
}

archive=$top_builddir/.libs/libshrink-all.a
source=$top_srcdir/tools/bridged
[ -f "$archive" ] || skip_all "no convenience archive"
[ -x "$top_builddir/tests/test-bridged" ] || skip_all "test programs are not built"
[ -z "$(make_var SHRINK_SANITIZER_FLAGS)" ] || skip_all "the plain build does it"
flags="-std=gnu11 -O2 -D_GNU_SOURCE -I$top_srcdir/include -I$top_builddir/include"
flags="$flags -I$top_srcdir -I$top_builddir -pthread"
deps="$(make_var URCU_LIBS) $(make_var NUMA_LIBS) $(make_var CGROUP_LIBS)"

# build SED-SCRIPT: $tmp/twin; fails if the script changes nothing
build()
{
	sed "$1" "$source/clients.c" >"$tmp/twin.c"
	if [ -n "$1" ] && cmp -s "$tmp/twin.c" "$source/clients.c"; then
		echo "the script changes nothing" >"$tmp/out"
		return 1
	fi
	# shellcheck disable=SC2086 # lists of words
	$CC $flags "$tmp/twin.c" "$source/bridged.c" "$source/whose.c" "$archive" $deps -ldl \
		-o "$tmp/twin" >"$tmp/out" 2>&1
}

run()
{
	BRIDGED=$tmp/twin timeout -s KILL 200 "$top_builddir/tests/test-bridged" 'own group' \
		>"$tmp/out" 2>&1
}

broken()
{
	if ! build "$2"; then
		fail "$1" "$(cat "$tmp/out")"
		return
	fi
	run
	if grep -q '^not ok' "$tmp/out"; then
		pass "$1: noticed"
	else
		fail "$1: noticed" "$(cat "$tmp/out")"
	fi
}

build '' || skip_all "$(cat "$tmp/out")"
run
! grep -q 'SKIP' "$tmp/out" || skip_all "$(sed -n 's/.*SKIP//p' "$tmp/out")"
if grep -q '^not ok' "$tmp/out"; then
	fail "an untouched copy passes" "$(cat "$tmp/out")"
else
	pass "an untouched copy passes"
fi
broken "everybody is told of every group" 's/c->group != event->group/0/g'
WAIT_MSEC=4000
export WAIT_MSEC
broken "where a client is, is looked up once" \
	's/ - c->looked > TRUST_NSEC/ < c->looked/; s/if (look_up(c) == -ESRCH ||/if (/'
done_testing

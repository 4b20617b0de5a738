#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Broken twins: proof that the stress and the contract tests can fail. A reference,
# a wait or an exchange is taken out of a copy of one source file of the core, the
# test program is linked with it, and must fail (or crash, or hang). The untouched
# copy, linked in the same way, must pass.
. "$(dirname "$0")/tap.sh"
make_tmp
. "$top_srcdir/tests/twins.sh"
[ -f "$top_builddir/tests/test-stress.o" ] || skip_all "test programs are not built"
[ -z "$(make_var SHRINK_SANITIZER_FLAGS)" ] || skip_all "the plain build does it"
libs="$top_builddir/.libs/libcache.a $top_builddir/.libs/libpoolcache.a"
libs="$libs $top_builddir/.libs/libfakes.a $top_builddir/.libs/libharness.a"

# Set to AddressSanitizer where the broken thing is a use of freed memory, which
# would mostly go unpunished otherwise.
sanitize=

# object PROGRAM: per-target flags put the target's name before it
object()
{
	ls "$top_builddir/tests/$1.o" "$top_builddir"/tests/*-"$1.o" 2>/dev/null | head -n 1
}

# build PROGRAM FILE SED-SCRIPT: $tmp/twin; fails if the script changes nothing
build()
{
	source=$top_srcdir/libshrink/core/$2
	[ -f "$source" ] || source=$(ls "$top_srcdir"/libshrink/*/"$2")
	twin_copy "$source" "$3" "$tmp/twin.c" >"$tmp/out" || return 1
	# shellcheck disable=SC2086 # lists of words
	$CC $twin_flags -O1 $sanitize -c "$tmp/twin.c" -o "$tmp/twin.o" >"$tmp/out" 2>&1 &&
		$CC -pthread $sanitize "$(object "$1")" "$tmp/twin.o" $libs "$archive" \
			$(make_var CUNIT_LIBS) $twin_libs -lm -o "$tmp/twin" >>"$tmp/out" 2>&1
}

# run SEEDS SECONDS [TEST]: the exit status of the twin. Which thread comes first is
# chance, and a busy machine leaves it little: several seeds.
run()
{
	seeds=$1
	limit=$2
	shift 2
	for seed in $(seq "$seeds"); do
		TEST_SEED=$seed STRESS_MSEC=1000 timeout -s KILL "$limit" "$tmp/twin" "$@" \
			>"$tmp/out" 2>&1 || return 1
	done
}

# healthy PROGRAM FILE [TEST]
healthy()
{
	if build "$1" "$2" "" && run 3 120 ${3:+"$3"}; then
		pass "$1 passes with an untouched copy of $2"
	else
		fail "$1 passes with an untouched copy of $2" "$(tail -n 20 "$tmp/out")"
	fi
}

# broken WHAT PROGRAM FILE SED-SCRIPT [TEST]
broken()
{
	if ! build "$2" "$3" "$4"; then
		fail "$1: $2 notices" "$(cat "$tmp/out")"
	elif run 30 20 ${5:+"$5"} 2>/dev/null; then
		fail "$1: $2 notices" "the twin passes"
	else
		pass "$1: $2 notices"
	fi
}

sanitize=-fsanitize=address
STRESS_NO_FORKS=1 # the program itself does not know of its sanitizer
export STRESS_NO_FORKS
sanitize=
unset STRESS_NO_FORKS
SIM_SEEDS=400 # a twin that is not noticed by then is not noticed
export SIM_SEEDS
unset SIM_SEEDS
SIM_SEEDS=150
export SIM_SEEDS
healthy test-faults renew.c
broken "no file is tried again" test-faults renew.c \
	's/return src->state == SHRINK_SOURCE_FAILED ||/return/'
broken "the group is looked for all the time" test-faults renew.c \
	's/look_at = now + LOOK_NSEC;/look_at = now;/'
broken "what was opened before stays open" test-faults sources.c \
	's/shrink_os_cgroup_close(good ? other : cgroup);/(void)good;/'
broken "stall frees though there is room" test-faults judge.c \
	's/else if (sig->stall \&\& !h->known \&\& !shrink_engine_busy() \&\&/else if (sig->stall \&\&/'
unset SIM_SEEDS
done_testing

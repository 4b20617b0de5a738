#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The release stage with each allocator a process may have: it is recognised by owning
# malloc, what it gives back comes back, and one that gives nothing is not asked again
# and again.
. "${top_srcdir:-$(dirname "$0")/..}/tests/tap.sh"
probe=$top_builddir/tests/allocator-probe

# field NAME FILE
field()
{
	sed -n "s/^$1=//p" "$2"
}

# at_least NAME A B PERCENT: A >= PERCENT of B
at_least()
{
	if [ "$2" -ge $(($3 * $4 / 100)) ]; then pass "$1"; else fail "$1" "$2 of $3"; fi
}

make_tmp
# try LIBRARY MODE: what the probe says, in $tmp/out
try()
{
	LD_PRELOAD=$1 "$probe" "$2" >"$tmp/out" 2>"$tmp/err" && ! grep -q 'ERROR: ld.so' "$tmp/err"
}

# known LIBRARY NAME RETURNED-PERCENT
known()
{
	if ! try "$1" fifo; then
		skip "$2 is recognised" "$1 is not installed"
		return
	fi
	same "$2 is recognised" "$(field allocator "$tmp/out")" "$2"
	at_least "$2: evicted in order, pages come back" "$(field returned "$tmp/out")" \
		"$(field freed "$tmp/out")" "$3"
	try "$1" random
	same "$2: scattered, still recognised" "$(field allocator "$tmp/out")" "$2"
	at_least "$2: scattered, stages are left out" "$(field left_out "$tmp/out")" 1 100
	at_least "$2: scattered, and some are tried" "$(field runs "$tmp/out")" 1 100
}

known "" glibc 80
known libjemalloc.so.2 jemalloc 80
known libtcmalloc_minimal.so.4 tcmalloc 60
# gives back whole segments only
known libmimalloc.so.2 mimalloc 0

try "$top_builddir/tests/.libs/own-malloc.so" fifo
same "an allocator nobody knows" "$(field allocator "$tmp/out")" unknown
same "where it is" "$(basename "$(field owner "$tmp/out")")" own-malloc.so
same "is left alone" "$(field runs "$tmp/out")" 0
# the probe exports a mallctl of its own, as a prefixed or plugged-in jemalloc might, that
# would abort
try "" fifo
same "who does not own malloc is not asked" "$(field allocator "$tmp/out")" glibc
done_testing

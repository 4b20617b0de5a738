#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The one-idea examples run, do what they say, and stay short enough to be read.
. "${top_srcdir:-$(dirname "$0")/..}/tests/tap.sh"

# run NAME PATTERN: ends with 0 and prints a line that matches
run()
{
	output=$(timeout 60 "$top_builddir/examples/$1" 2>&1)
	status=$?
	if [ $status -eq 0 ] && echo "$output" | grep -Eq "$2"; then
		pass "$1"
	else
		fail "$1" "status $status, expected /$2/" "$output"
	fi
}

short()
{
	lines=$(wc -l <"$top_srcdir/examples/$1")
	if [ "$lines" -lt 120 ]; then pass "$1 is short"; else fail "$1 is short" "$lines lines"; fi
}

run hello-shrinker '^freed [0-9]+ bytes, left 7[0-9][0-9]$'
run lru-cache '^freed [1-9][0-9]+, hot ones left 1000 of 1000$'
run owner-loop '^freed [0-9]+ on the loop.s own thread, left 4[0-9]+$'
run sharded-hash '^freed [1-9][0-9]*$'
run cxx-cache '^freed [0-9]+ bytes, left 1[0-9]+$'
run tenants '^pressed: small [0-9]+ KiB, gold 2800 KiB, guest [1-9][0-9]* KiB$'
run workingset '^a loop larger than the cache: [3-9][0-9]% hit'
run purgeable '^pressed:    192 of 256 tiles rendered again$'
run bridged '^bridge: '
run pool '^1000, [0-9]+, (8[5-9]|9[0-9]|1[0-9][0-9])$'

# with jemalloc where it can be had; without it says what is missing
run arena '^no jemalloc 5 here: '
if LD_PRELOAD=libjemalloc.so.2 true 2>&1 | grep -q ERROR; then
	skip "arena with jemalloc" "libjemalloc.so.2 is not installed"
else
	LD_PRELOAD=libjemalloc.so.2
	export LD_PRELOAD
	run arena '^of the  75 % coldest: +([89][0-9]|1[01][0-9]) % of what was evicted came back$'
	unset LD_PRELOAD
fi
short arena.c

# Loops of other libraries, where these are installed.
for loop in libevent libuv glib sd-event; do
	if [ -x "$top_builddir/examples/loop-$loop" ]; then
		run loop-$loop '^freed [5-9][0-9]{2} in the loop, left 4[0-9]+$'
	else
		skip loop-$loop "not built in: the library is not installed"
	fi
	short loop-$loop.c
done

for file in bridged.c purgeable.c tenants.c workingset.c hello-shrinker.c lru-cache.c owner-loop.c sharded-hash.c cxx-cache.cc; do
	short $file
done
done_testing

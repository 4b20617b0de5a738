#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# A program built with AddressSanitizer that misuses a pool is stopped at the very access,
# though the library is built without: what is in no use is poisoned.
. "${top_srcdir:-$(dirname "$0")/..}/tests/tap.sh"
make_tmp

lib=$top_builddir/.libs/libshrink.so
if [ ! -f "$lib" ]; then
	echo "1..0 # SKIP no shared library"
	exit 0
fi
if grep -q '^SHRINK_SANITIZER_FLAGS = .*thread' "$top_builddir/Makefile"; then
	echo "1..0 # SKIP ThreadSanitizer is in the library"
	exit 0
fi
# shellcheck disable=SC2086 # $CC is words
if ! $CC -std=gnu11 -g -fsanitize=address -I"$top_srcdir/include" -I"$top_builddir/include" \
	"$top_srcdir/tests/pool-asan.c" "$lib" -o "$tmp/pool-asan" 2>"$tmp/err"; then
	echo "1..0 # SKIP no AddressSanitizer: $(head -n 1 "$tmp/err")"
	exit 0
fi
ASAN_OPTIONS=detect_leaks=0:abort_on_error=0:exitcode=42
LD_LIBRARY_PATH=$top_builddir/.libs
export ASAN_OPTIONS LD_LIBRARY_PATH

run()
{
	"$tmp/pool-asan" "$1" >"$tmp/out" 2>&1
	echo $?
}

for right in nothing again; do
	same "nothing is said of: $right" "$(run $right) $(tail -n 1 "$tmp/out")" \
		"0 reached the end"
done
for wrong in freed evicted given-back beyond; do
	same "stopped: $wrong" "$(run $wrong) $(grep -o -m 1 'use-after-poison' "$tmp/out")" \
		"42 use-after-poison"
done
# the addresses are others' then: nothing stays poisoned
same "nothing is said of: destroyed" "$(run destroyed)" 0
done_testing

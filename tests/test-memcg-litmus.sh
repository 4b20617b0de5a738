#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The set and clear protocol of bits, and its broken twin, from which a fence is taken
# away: that must lose objects, or the test would prove nothing.
. "$(dirname "$0")/tap.sh"

sanitized=$(sed -n 's/^SHRINK_SANITIZER_FLAGS = *//p' "$top_builddir/Makefile")

out=$("$top_builddir/tests/litmus-memcg" 50000 10)
same "3.5: no object is lost ($out)" "${out% of *}" "lost 0"
if [ "$(nproc)" -lt 2 ]; then
	skip "broken twin: without the fence objects are lost" "one processor"
elif [ -n "$sanitized" ]; then
	skip "broken twin: without the fence objects are lost" "sanitizer build: every access is a fence"
else
	# On a busy machine the two threads seldom meet: up to a minute
	for try in 1 2 3 4; do
		out=$("$top_builddir/tests/litmus-memcg-twin" 50000 15)
		[ "${out% of *}" = "lost 0" ] || break
	done
	differs=$(echo "$out" | sed -n 's/^lost \([1-9][0-9]*\) of .*/\1/p')
	some "broken twin: without the fence objects are lost ($out)" "$differs"
fi
done_testing

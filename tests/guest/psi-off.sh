#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# A kernel that was booted with psi=0: that is said, and the others do without (G9).
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh

group off memory.high $((160 * mib))
ring_start "$group"
ask start
same "starts" "$answer" ok
ask source psi
echo "# $answer"
some "PSI is not live, and it is said why" "$(echo "$answer" |
	grep -E '^unsupported events=0 (no PSI here|switched off at boot)')"
ask source usage
some "usage is" "$(echo "$answer" | grep '^live')"
ask fill 120 400
inside "$group" /build/tests/eater anon $((64 * mib)) 300
same "the neighbour gets what it wants" $? 0
ask stats
at_least "the cache made room" "$(value freed_bytes)" $((20 * mib))
same "whole" "$(value intact)" 1
ring_end "ends well"
done_testing

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# One memory node runs short while the other has plenty: objects of that node go, and
# of no other. Two nodes of 512 MiB, a cache with memory bound to each.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh

free_of()
{
	sed -n "s/^Node $1 MemFree: *\([0-9]*\) kB/\1/p" /sys/devices/system/node/node"$1"/meminfo
}

# KiB of node 1 that are free beyond the mark where reclaim stops: two steps, high less
# low, above high
beyond()
{
	awk '/^Node/ { ours = $2 == "1," } ours && $1 == "pages" && $2 == "free" { free += $3 }
		ours && $1 == "low" { low += $2 } ours && $1 == "high" { high += $2 }
		END { print (free - high - 2 * (high - low)) * 4 }' /proc/zoneinfo
}

# Freed pages go to lists of the processors first, of up to a quarter of such a node, which
# the kernel empties when it likes: without them it is seen what the library has wanted.
fraction=/proc/sys/vm/percpu_pagelist_high_fraction
echo 100000 >$fraction
lists()
{
	awk '/^Node/ { ours = $2 == "1," } ours && $1 == "high:" { sum += $2 }
		END { print sum * 4 }' /proc/zoneinfo
}

group nodes
ring_start "$group"
ask start
same "starts" "$answer" ok
for task in /proc/"$ring_pid"/task/*; do
	echo "# $(cat "$task/comm") on $(sed -n 's/^Cpus_allowed_list:\t//p' "$task/status")"
done
ask fill 120 400 0
ask fill 120 400 1
ask stats
same "nothing is freed while both have enough" "$(value freed_bytes)" 0
echo "# free: $(free_of 0) and $(free_of 1) kB"

# a neighbour bound to node 1 takes what is free there, and some of what the cache has
take=$(($(free_of 1) / 1024 + 20))
exec_inside "$group" /build/tests/guest/bound-eater 1 $take 60000 >/tmp/eater 2>&1 &
hog=$!
until_true 60 stat_is freed1 -gt 0
same "objects of the node that is short go" $? 0
has_it()
{
	grep -q done /tmp/eater
}
until_true 60 has_it
same "the neighbour gets what it wants" $? 0
sleep 1
ask stats
echo "# $answer"
echo "# free: $(free_of 0) and $(free_of 1) kB"
kib=$(beyond)
echo "# beyond the mark: $kib kB, processors' lists of up to $(lists) kB"
at_most "no more than it takes: a tenth, a batch of a MiB, and processors' lists" "$kib" \
	$(($(value freed1) / 1024 / 10 + 1024 + $(lists)))
same "and of no other node" "$(value freed0)" 0
same "the other node's are all there" "$(value cache0)" $((120 * mib))
same "whole" "$(value intact)" 1
ask rounds
echo "# $answer"
kill -KILL $hog
ring_end "ends well"
echo 0 >$fraction
done_testing

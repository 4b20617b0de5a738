#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The swap source on real swap, and nothing else to tell of pressure: what goes out is a
# sign to shrink, the less room is left there the more so. With "later": there is none at
# first.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh

# swap_ring GROUP on|off: 80 MiB, told by swap only, or by nothing
swap_ring()
{
	ring_start "$1"
	for source in usage events psi memavailable zones; do
		ask conf $source off
	done
	ask conf node_workers off
	ask conf swap "$2"
	ask start
	same "$(basename "$1"): starts" "$answer" ok
	ask fill 80 400
}

# neighbour GROUP MIB MIB_PER_SEC: holds it for half a second
neighbour()
{
	exec_inside "$1" /build/tools/kvload/kvhog -b $(($2 * mib)) -H 500 -r $(($3 * mib)) \
		>/tmp/hog 2>&1 &
	hog=$!
}

# most_swapped GROUP: MiB that were out at once while the neighbour lived
most_swapped()
{
	most=0
	while kill -0 $hog 2>/dev/null; do
		now=$(($(cat "$1/memory.swap.current") / mib))
		[ $now -le $most ] || most=$now
		sleep 0.1
	done
}

# A neighbour that takes its time, and swap has room: a sign, and no more.
gently()
{
	group "$1" memory.high $((96 * mib))
	swap_ring "$group" "$2"
	neighbour "$group" 64 8
	most_swapped "$group"
	wait $hog
	same "$1: the neighbour gets what it wants" $? 0
	echo "# $1: $most MiB were out"
	ask stats
	echo "# $answer"
}

if [ "${1:-}" = later ]; then
	group before
	swap_ring "$group" on
	ask source swap
	same "later: no swap yet" "$answer" "live events=0 there is no swap now"
	ring_end "later: ends well"
	modprobe zram && echo 128M >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null ||
		exit 99
	group later memory.high $((96 * mib))
	swap_ring "$group" on
	swapon /dev/zram0
	neighbour "$group" 64 8
	wait $hog
	ask passes swap
	echo "# $answer"
	at_least "later: it is seen once it is there" "$(value n)" 1
	ring_end "later: ends well"
	swapoff /dev/zram0
	echo 1 >/sys/block/zram0/reset
	done_testing
	exit
fi

gently told on
at_least "told: the cache makes room, gently" "$(value freed_bytes)" $mib
same "told: whole, what was out as well" "$(value intact)" 1
ask source swap
some "told: swap is live" "$(echo "$answer" | grep '^live')"
at_least "told: and was told" "$(value events)" 1
ask passes swap
at_least "told: because of swap" "$(value n)" 1
ring_end "told: ends well"

# the broken twin: nobody tells
gently deaf off
same "deaf: nothing is freed" "$(value freed_bytes)" 0
same "deaf: whole" "$(value intact)" 1
ring_end "deaf: ends well"

# Little room: the group may have 24 MiB out, and what does not fit sleeps over memory.high.
group full memory.high $((96 * mib)) memory.swap.max $((24 * mib))
swap_ring "$group" on
neighbour "$group" 64 400
wait $hog
same "full: the neighbour gets what it wants" $? 0
ask passes swap
echo "# $answer"
at_least "full: it was grave" "$(value level)" 200 # SHRINK_LEVEL_MEDIUM
same "full: nobody was killed" "$(event "$group" oom_kill)" 0
ring_end "full: ends well"

# the broken twin: it sleeps
group full-deaf memory.high $((96 * mib)) memory.swap.max $((24 * mib))
swap_ring "$group" off
neighbour "$group" 64 400
until_true 30 event_is "$group" high -gt 0
sleep 4
some "full, deaf: the neighbour does not" "$(kill -0 $hog && echo waits)"
kill -KILL $hog
ring_end "full, deaf: ends well"

# G7: what strangers have out is no pressure on us
group stranger memory.high $((32 * mib))
stranger=$group
group bystander
swap_ring "$group" on
neighbour "$stranger" 64 100
wait $hog
at_least "stranger: was written out" "$(event "$stranger" high)" 1
sleep 2
ask stats
same "bystander: nothing is freed for strangers" "$(value freed_bytes)" 0
ring_end "bystander: ends well"
done_testing

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# memory.events wakes us: a neighbour goes over memory.high, of our group or one above,
# the kernel counts that, and it is answered. Usage is sampled at most once a second.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh

# run_ring NAME GROUP EVENTS: the limit is memory.high of the group or one above
run_ring()
{
	ring_start "$2"
	ask conf sample_min 1000000
	ask conf psi off
	ask conf events "$3"
	ask fill 80 400 # before it starts: growth that it saw would make it look often
	ask start
	same "$1: starts" "$answer" ok
	sleep 1
	exec_inside "$2" /build/tests/eater anon $((64 * mib)) 300 &
	hog=$!
}

answered()
{
	wait $hog
	same "$1: the neighbour gets what it wants" $? 0
	ask stats
	echo "# $answer"
	at_least "$1: the cache made room" "$(value freed_bytes)" $((20 * mib))
	at_least "$1: not for the price of all of it" "$(value cache_bytes)" $((16 * mib))
	ask source events
	echo "# $answer"
	at_least "$1: told by memory.events" "$(value events)" 1
	ring_end "$1: ends well"
}

group own memory.high $((120 * mib))
run_ring own "$group" on
answered own

# a limit of an ancestor is counted there, and not below
group above memory.high $((120 * mib))
group above/leaf
run_ring ancestor "$group" on
answered ancestor

# The twin: not told by events, the next source does (G9).
group twin memory.high $((120 * mib))
run_ring twin "$group" off
wait $hog
same "twin: the neighbour gets what it wants, later" $? 0
ask source events
same "twin: memory.events are off" "$(echo "$answer" | cut -d ' ' -f 1,2)" "off events=0"
ask stats
at_least "twin: the cache made room" "$(value freed_bytes)" $((20 * mib))
ring_end "twin: ends well"

# OOM in the group: the kernel has tried and failed, everything is asked.
group oom memory.max $((120 * mib)) memory.oom.group 0
ring_start "$group"
ask conf usage off
ask conf psi off
ask conf memavailable off
ask conf zones off
ask start
ask fill 60 400
echo 1000 >/tmp/score
exec_inside "$group" sh -c 'cat /tmp/score >/proc/self/oom_score_adj
	exec /build/tests/eater anon 83886080 300' &
wait $!
same "oom: the neighbour is killed" $? 137
at_least "oom: counted" "$(event "$group" oom_kill)" 1
until_true 20 stat_is freed_bytes -gt 0
at_least "oom: answered" "$(value freed_bytes)" 1
ring_end "oom: ends well"
done_testing

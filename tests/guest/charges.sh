#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# G6 under memory.high: the kernel puts a thread to sleep whose own charges go beyond it,
# for up to two seconds each time. So those who give memory back must not be charged: no
# allocation, no page touched first, nothing of the kernel's that is accounted (as are its
# buffers for /proc and cgroup files). All of it is counted by the kernel, but for calls
# to the allocator, and looked at from outside of the group:
#
#	memory.events high	charges beyond memory.high that no stock was left for
#	memory.pressure		what anybody in the group has waited for memory, usec
#	stat of each thread	its page faults
#	sched_switch		with its stack: what each thread has slept in
#
# The standby may be charged, for chores that reclaim does not wait for.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh
tracing=/sys/kernel/tracing
trigger=$tracing/events/sched/sched_switch/trigger
reclaimers="shrink-monitor shrink-worker shrink-node0 shrink-node1"

# Page faults of those who reclaim, and how many they are
faults()
{
	for dir in /proc/"$ring_pid"/task/*; do
		case " $reclaimers " in
		*" $(cat "$dir/comm") "*) sed 's/.*) //' "$dir/stat" ;;
		esac
	done | awk '{ sum += $8 + $10 } END { print sum + 0, "of", NR }'
}

stalled()
{
	sed -n 's/^some.* total=//p' "$group/memory.pressure"
}

# Allocations, mappings, openings by those who reclaim; and [reads]
trapped()
{
	od -A n -t u8 -w32 -N 32 /tmp/trap |
		awk -v reads="${1:-}" '{ print reads ? $4 : $1 + $2 + $3 }'
}

# slept_charged: how often those who reclaim went to sleep for what they were charged
slept_charged()
{
	awk -v names="$reclaimers" '
		BEGIN { split(names, name); for (i in name) ours[name[i]] = 1 }
		/<stack trace>/ {
			n += of_ours && charged
			comm = $1
			sub(/-[0-9]*$/, "", comm)
			seen += of_ours = comm in ours
			charged = 0
		}
		/=> .*over_high/ { charged = 1 }
		END { print n + (of_ours && charged), "of", seen + 0 }' $tracing/trace
}

# The kernel itself makes pages fault, to see from which node they are used: not ours
echo 0 >/proc/sys/kernel/numa_balancing 2>/dev/null

# begin NAME [VARIABLE=VALUE]: 96 MiB in a cache, and nothing to press
begin()
{
	what=$1
	shift
	group "$what"
	ring_start "$group" env GUEST_TRAP=/tmp/trap LD_PRELOAD=/build/tests/guest/trap.so "$@"
	ask conf peers off # a chore, and who has it is seen as one who waits for memory
	ask start
	ask fill 96 400
	sleep 1
	ask stats
	same "$what: nothing is freed without a limit" "$(value freed_bytes)" 0
	faults=$(faults) trapped=$(trapped) reads=$(trapped reads)
	stalled=$(stalled) charged=$(event "$group" high)
	echo >$tracing/trace
	echo 'stacktrace if prev_comm ~ "shrink-*"' >$trigger
}

look()
{
	echo '!stacktrace' >$trigger
	slept=$(slept_charged)
	stalled=$(($(stalled) - stalled)) charged=$(($(event "$group" high) - charged))
	trapped=$(($(trapped) - trapped)) reads=$(($(trapped reads) - reads))
	faults_now=$(faults)
	echo "# $what: $charged charges, $stalled usec; faults $faults, $faults_now;" \
		"$trapped trapped, $reads reads; slept $slept"
}

below()
{
	[ "$(cat "$group/memory.current")" -le "$1" ]
}

# From one moment to the next the cache is four times of what it may have, and nobody but
# the library does anything: whatever there is of charges is its own.
begin alone
echo $((24 * mib)) >"$group/memory.high"
until_true 60 below $((24 * mib))
same "G6: from four times memory.high to below it" $? 0
look
same "G6: nobody is charged beyond memory.high meanwhile" "$charged" 0
same "G6: nobody waits for memory" "$stalled" 0
same "G6: no page fault of those who reclaim" "$faults_now" "$faults"
same "G6: four threads are looked at" "${faults_now#* }" "of 4"
same "G6: no allocation, no mapping, no opening" "$trapped" 0
at_least "the trap sees them read" "$reads" 100
same "G6: none of them sleeps for its charges" "${slept% of*}" 0
at_least "the trace sees them sleep" "${slept#*of }" 10
ring_end "ends well"

# And beside somebody who is put to sleep, again and again
begin neighbour
echo $((100 * mib)) >"$group/memory.high"
inside "$group" /build/tests/eater anon $((64 * mib)) 100
same "neighbour: it gets what it wants" $? 0
look
# One in some boots, not known yet whose; none sleeps for its charges
at_most "neighbour: at most one page fault of those who reclaim" "${faults_now%% *}" \
	$((${faults%% *} + 1))
same "neighbour: no allocation, no mapping, no opening" "$trapped" 0
same "neighbour: none of them sleeps for its charges" "${slept% of*}" 0
ring_end "ends well beside it"

# The broken twin reads its files into fresh memory
begin twin GUEST_TRAP_TWIN=1
echo $((24 * mib)) >"$group/memory.high"
until_true 60 event_is "$group" high -gt "$charged"
sleep 3
look
at_least "the twin is charged" "$charged" 1
at_least "it waits for memory" "$stalled" 100000
at_least "it faults" "${faults_now%% *}" $((${faults%% *} + 1))
at_least "it allocates" "$trapped" 1
at_least "it sleeps for its charges" "${slept% of*}" 1
kill -KILL "$ring_pid"
wait "$ring_pid" 2>/dev/null
done_testing

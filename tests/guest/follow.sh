#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# bridge:trace under cgroup v2, and nothing else to tell of pressure: what the kernel's
# own reclaim does to our group is followed - memory.reclaim, memory.high, memory.max,
# kswapd at one node - and what it does to others is not; drop_caches if so configured.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh

# follower GROUP: a ring that only the bridge tells, so that all rounds are of its making
follower()
{
	ring_start "$1"
	for source in usage events psi memavailable zones swap; do
		ask conf $source off
	done
	ask conf node_workers off
	ask conf bridge trace
	ask start
	ask source bridge
	some "$(basename "$1"): the bridge is live" "$(echo "$answer" | grep '^live')"
}

passes()
{
	ask stats
	value rounds
}

# more_than NUMBER: passes by now
more_than()
{
	[ "$(passes)" -gt "$1" ]
}

# dentries GROUP: objects of the kernel's, charged to it
dentries()
{
	inside "$1" sh -c 'i=0; while [ $i -lt 300 ]; do
		[ -e '"$cgroot"'/none-$$-$i ]; i=$((i + 1)); done'
}

# stream MIB GROUP: page cache goes through it
stream()
{
	truncate -s 0 /mnt/file
	truncate -s "$1M" /mnt/file # holes are cached like data
	inside "$2" cat /mnt/file >/dev/null
}

# followed NAME command...: each of the kernel's ways to reclaim us is seen anew. With
# so many objects the mildest priority already asks for some, and there are always some
# left.
followed()
{
	followed=$1 before=$(passes)
	shift
	ask pretend 200000
	dentries "$ours"
	"$@"
	until_true 30 more_than "$before"
	at_least "$followed is followed" "$(passes)" $((before + 1))
	ask passes bridge
	echo "# $followed: $answer"
}

reclaim()
{
	echo 1M >"$1/memory.reclaim" 2>/dev/null # EAGAIN: there is less to be had
}

high()
{
	echo $((4 * mib)) >"$ours/memory.high"
	stream 16 "$ours"
	echo max >"$ours/memory.high"
}

max()
{
	echo $((16 * mib)) >"$ours/memory.max"
	stream 64 "$ours"
	echo max >"$ours/memory.max"
}

drop()
{
	echo 2 >/proc/sys/vm/drop_caches
}

modprobe brd rd_nr=1 rd_size=262144 && mke2fs /dev/ram0 >/dev/null 2>&1 &&
	mkdir -p /mnt && mount -t ext2 /dev/ram0 /mnt || exit 99
group beside
beside=$group
group above
above=$group
group above/follow
ours=$group
follower "$ours"
ask pretend 200000

# strangers', and drop_caches where nobody has asked for it
dentries "$beside"
reclaim "$beside"
drop
sleep 1
same "a group beside, and drop_caches, are none of our business" "$(passes)" 0

followed memory.reclaim reclaim "$ours"
followed "memory.reclaim above" reclaim "$above"
followed memory.high high
followed memory.max max
ask stats
echo "# $answer"
at_least "objects went for it" "$(value freed_bytes)" $mib
before=$(passes)
reclaim "$beside"
drop
sleep 1
same "and still not what is beside" "$(passes)" "$before"
ask conf bridge_drop_caches on
followed "drop_caches, where configured," drop
until_true 30 stat_is pretended -eq 0
same "drop_caches: asked for everything" "$(value pretended)" 0
same "nobody was killed" "$(event "$above" oom_kill)" 0
ring_end "ends well"
umount /mnt
modprobe -r brd

# A group that has no object of the kernel's but the baits is seen at each node. A processor
# puts objects where it has put some already, and that may be another node's page, from when
# its own was full: so each first fills those pages and begins new ones, and all of that goes
# again. Up to eight times, each with new baits, and both nodes in one of them.
group bait
follower "$group"
for try in 1 2 3 4 5 6 7 8; do
	ask stats
	was0=$(value freed0) was1=$(value freed1) cache1=$(value cache1)
	[ "$(value cache0)" -gt 0 ] || ask fill 120 400 0
	[ "$cache1" -gt 0 ] || ask fill 120 400 1
	for cpu in 0 1; do
		inside "$group" taskset -c $cpu sh -c 'i=0; while [ $i -lt 500 ]; do
			[ -e '"$cgroot"'/none-$$-$i ]; i=$((i + 1)); done'
	done
	drop
	sleep 3
	echo 256K >"$group/memory.reclaim" 2>/dev/null
	until_true 5 stat_is freed0 -gt "$was0"
	until_true 5 stat_is freed1 -gt "$was1"
	echo "# bait, $try: $answer"
	[ "$(value freed0)" -gt "$was0" ] && [ "$(value freed1)" -gt "$was1" ] && break
done
at_least "bait: seen at node 0" $(($(value freed0) - was0)) 1
at_least "bait: seen at node 1" $(($(value freed1) - was1)) 1
ring_end "bait: ends well"

# kswapd at one node: a neighbour bound to it takes what is free there, and some more
free_of()
{
	sed -n "s/^Node $1 MemFree: *\([0-9]*\) kB/\1/p" /sys/devices/system/node/node"$1"/meminfo
}

has_it()
{
	grep -q "done" /tmp/eater
}

: >/tmp/eater
group node
follower "$group"
ask fill 120 400 0
ask fill 120 400 1
exec_inside "$group" /build/tests/guest/bound-eater 1 $(($(free_of 1) / 1024 + 20)) 60000 \
	>/tmp/eater 2>&1 &
hog=$!
until_true 60 has_it
same "node: the neighbour gets what it wants" $? 0
ask passes bridge
at_least "node: kswapd is followed" "$(value n)" 1
echo "# node: $answer"
ask stats
echo "# $answer"
at_least "node: objects of that node go" "$(value freed1)" 1
same "node: and of no other" "$(value freed0)" 0
same "node: whole" "$(value intact)" 1
kill -KILL $hog
ring_end "node: ends well"
done_testing

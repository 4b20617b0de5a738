#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# memory.max without swap, where there is no second chance: a neighbour that takes its
# time, as much as the cache has, and nobody is killed. And page cache, which the
# kernel takes by itself, is nothing to give up objects for.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh

group max memory.max $((192 * mib)) memory.swap.max 0
ring_start "$group"
ask conf low_bytes 8M
ask start
ask fill 150 400
# slow enough for two threads to be scheduled on a machine that emulates this one
# beside nine others
inside "$group" /build/tools/kvload/kvhog -b $((100 * mib)) -H 300 -r $((25 * mib)) \
	>/tmp/hog 2>&1
same "the neighbour gets what it wants" $? 0
ask stats
echo "# $answer"
at_least "the cache made room" "$(value freed_bytes)" $((58 * mib))
at_least "not for the price of all of it" "$(value cache_bytes)" $((48 * mib))
same "nobody was killed" "$(event "$group" oom_kill)" 0
ring_end "ends well"

# the broken twin: without the library somebody dies
group deaf memory.max $((192 * mib)) memory.swap.max 0
ring_start "$group"
ask fill 150 400
inside "$group" /build/tools/kvload/kvhog -b $((100 * mib)) -H 300 -r $((25 * mib)) \
	>/tmp/hog 2>&1
same "without the library: killed" $? 137
ring_end "the deaf ring ends well"

# G7: a file four times the limit goes through the group
mount -t ext2 /dev/ram0 /mnt 2>/dev/null || {
	modprobe brd rd_nr=1 rd_size=262144 && mke2fs /dev/ram0 >/dev/null 2>&1 &&
		mkdir -p /mnt && mount -t ext2 /dev/ram0 /mnt
}
if grep -q ' /mnt ' /proc/mounts; then
	group stream memory.max $((128 * mib)) memory.swap.max 0
	truncate -s 400M /mnt/file # holes are cached like data
	ring_start "$group"
	ask start
	ask fill 90 400
	inside "$group" cat /mnt/file >/dev/null
	at_least "it went up to the limit" "$(event "$group" max)" 1
	sleep 0.5
	ask stats
	echo "# $answer"
	same "G7: page cache is nothing to free objects for" "$(value freed_bytes)" 0
	same "and the level stays normal" "$(value level)" 0
	ring_end "ends well beside a stream"
	umount /mnt
else
	skip "G7: page cache is nothing to free objects for" "no file system on brd"
fi
done_testing

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Limits that change while we run, in our own group and above, down and up.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh

# headroom_is FOLDER LIMIT -OPERATOR BYTES
headroom_is()
{
	[ $(($2 - $(cat "$1/memory.current"))) "$3" "$4" ]
}

limit_is()
{
	ask limits && [ "$(value limit)" = "$1" ]
}

group limits
top=$group
group limits/leaf
leaf=$group
ring_start "$leaf"
ask start
same "starts" "$answer" ok
ask fill 100 400
ask stats
same "no limit, nothing freed" "$(value freed_bytes)" 0

# a little above what is used: the kernel has nothing to do, we have
limit=$((($(cat "$top/memory.current") / 4096 + 256) * 4096))
echo $limit >"$top/memory.max"
until_true 30 headroom_is "$top" $limit -ge $((limit / 50))
same "memory.max of an ancestor is kept away from" $? 0
until_true 30 limit_is $limit
same "it is the limit" "$(value limit) $(value path)" "$limit $top"
ask stats
at_least "with most of the cache" "$(value cache_bytes)" $((80 * mib))
same "nobody was killed" "$(event "$top" oom_kill)" 0

# below what is used, and in our own group: memory.high never kills
echo $((60 * mib)) >"$leaf/memory.high"
until_true 30 headroom_is "$leaf" $((60 * mib)) -ge $((60 * mib / 50))
same "memory.high below what is used" $? 0
until_true 30 limit_is $((60 * mib))
same "is the tightest now" "$(value limit) $(value path)" "$((60 * mib)) $leaf"
ask stats
echo "# $answer"
at_least "with most that fits" "$(value cache_bytes)" $((36 * mib))

# and up again
echo max >"$leaf/memory.high"
echo max >"$top/memory.max"
until_true 30 stat_is level -eq 0
same "the level is normal again" "$(value level)" 0
freed=$(value freed_bytes)
ask fill 100 400
ask stats
same "limits gone: the cache may have all it wants" "$(value freed_bytes)" "$freed"
same "whole" "$(value intact)" 1

# memory.max below what is used is where the kernel would kill. It tries to reclaim
# first: that is the time we have, and we see the new limit by its events.
echo $((160 * mib)) >"$leaf/memory.max"
until_true 30 limit_is $((160 * mib))
until_true 30 headroom_is "$leaf" $((160 * mib)) -ge $((160 * mib / 50))
same "memory.max set at run time" $? 0
ring_end "ends well"
done_testing

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# memory.high without swap: whoever allocates over it is put to sleep, for ever unless
# somebody gives memory back. A cache that does lets its neighbour through.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh

# hog_over_cache: 96 MiB at full speed into a group of 160 where the cache has 120
hog_over_cache()
{
	ask fill 120 400
	exec_inside "$group" /build/tests/eater anon $((96 * mib)) 500 &
	hog=$!
}

group high memory.high $((160 * mib))
ring_start "$group"
ask start
same "starts" "$answer" ok
hog_over_cache
wait $hog
same "the neighbour gets what it wants" $? 0
ask stats
echo "# $answer"
at_least "the cache made room" "$(value freed_bytes)" $((50 * mib))
freed=$(value freed_bytes)
same "what it has is whole" "$(value intact)" 1
same "nobody was killed" "$(event "$group" oom_kill)" 0
ask limits
same "the limit is memory.high" "$(value limit) $(value path)" "$((160 * mib)) $group"
# 56 MiB had to go, and the high watermark is to be free; the ring itself is some MiB
at_most "and no more than it had to" "$freed" \
	$(((56 * mib + $(value high)) * 11 / 10 + 4 * mib))
at_most "the watermark is no larger for a neighbour that is slowed down anyway" \
	"$(value high)" $((13 * mib))
ask rounds
echo "# $answer"
ring_end "the ring ends well"

# The broken twin: without the library the neighbour sleeps.
group deaf memory.high $((160 * mib))
ring_start "$group"
hog_over_cache
until_true 20 event_is "$group" high -gt 0
sleep 3
some "without the library the neighbour does not get it" "$(kill -0 $hog && echo waits)"
at_least "memory.high is exceeded" "$(event "$group" high)" 1
kill -KILL $hog
ring_end "the deaf ring ends well"
done_testing

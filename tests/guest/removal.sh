#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The group goes while we run: moved elsewhere, and the folder removed. The new one is
# found, and its limit holds; at the top, which has none, the machine's does.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh

# source_is NAME PATTERN
source_is()
{
	ask source "$1" && echo "$answer" | grep -q "$2"
}

# limit_of PATTERN
limit_of()
{
	ask limits && echo "$answer" | grep -q "$1"
}

# moved_to GROUP FROM
moved_to()
{
	echo $ring_pid >"$1/cgroup.procs"
	until_true 20 rmdir "$2" 2>/dev/null
	same "the folder is gone" "$(find "$2" -maxdepth 0 2>/dev/null)" ""
}

# idle NAME: nobody runs in circles
idle()
{
	busy=$(awk '{ print $14 + $15 }' /proc/$ring_pid/stat)
	sleep 2
	at_most "$1: nobody runs in circles" \
		$(($(awk '{ print $14 + $15 }' /proc/$ring_pid/stat) - busy)) 40
}

group first memory.high $((160 * mib))
first=$group
group second memory.high $((200 * mib))
second=$group
ring_start "$first"
ask start
ask fill 60 400
until_true 20 limit_of " path=$first\$"
same "live in the first group" "$?" 0

moved_to "$second" "$first"
until_true 60 limit_of "^limit=$((200 * mib)) .* path=$second\$"
same "the second group's limit is found" "$?" 0
echo "# $answer"
for source in usage events psi; do
	until_true 60 source_is $source '^live'
	same "$source is live there" "$?" 0
	echo "# $answer"
done
ask stats
same "nothing was freed for the move" "$(value freed_bytes)" 0
ask fill 100 400 # charged here, what was before is not
inside "$second" /build/tests/eater anon $((128 * mib)) 300
same "the neighbour there gets what it wants" $? 0
ask stats
echo "# $answer"
at_least "the cache made room" "$(value freed_bytes)" $((20 * mib))
idle "moved"

moved_to $cgroot "$second"
until_true 60 limit_of '^limit=[1-9].* path=$'
same "at the top the limit is the machine's" "$?" 0
echo "# $answer"
ask source memavailable
some "of which another source tells (G9)" "$(echo "$answer" | grep '^live')"
ask stats
freed=$(value freed_bytes)
ask fill 20 400
ask stats
same "nothing was freed for it" "$(value freed_bytes)" "$freed"
idle "at the top"
ring_end "ends well"
done_testing

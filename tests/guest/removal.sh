#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The group goes while we run: moved elsewhere, and the folder removed.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh

# source_is NAME PATTERN
source_is()
{
	ask source "$1" && echo "$answer" | grep -q "$2"
}

group first memory.high $((160 * mib))
first=$group
group second memory.high $((200 * mib))
second=$group
ring_start "$first"
ask start
ask fill 60 400
until_true 20 source_is usage '^live'
same "live in the first group" "$?" 0
echo $ring_pid >"$second/cgroup.procs"
until_true 20 rmdir "$first" 2>/dev/null
same "the folder is gone" "$(find "$first" -maxdepth 0 2>/dev/null)" ""
for source in usage events psi; do
	until_true 30 source_is $source '^failed .*removed'
	same "$source has failed, and says why" "$?" 0
	echo "# $answer"
done
ask source memavailable
some "others go on (G9)" "$(echo "$answer" | grep '^live')"
ask limits
echo "# $answer"
some "the limit is the machine's" "$(echo "$answer" | grep '^limit=[1-9].* path=$')"
ask fill 20 400
ask stats
echo "# $answer"
same "nothing was freed for it" "$(value freed_bytes)" 0
busy=$(awk '{ print $14 + $15 }' /proc/$ring_pid/stat)
sleep 2
at_most "and nobody runs in circles" \
	$(($(awk '{ print $14 + $15 }' /proc/$ring_pid/stat) - busy)) 40
ring_end "ends well"
done_testing

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# bridge:trace under cgroup v2: memory.reclaim of our group and memory.high are followed,
# at priorities; a group beside ours is not; drop_caches is told apart from reclaim.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh

lines()
{
	grep -c '^priority' /tmp/bridged.out
}

more_than()
{
	[ "$(lines)" -gt "$1" ]
}

# dentries GROUP: objects of the kernel's, charged to it
dentries()
{
	inside "$1" sh -c 'i=0; while [ $i -lt 300 ]; do
		[ -e '"$cgroot"'/none-$$-$i ]; i=$((i + 1)); done'
}

group follow
ours=$group
group beside
beside=$group
exec_inside "$ours" /build/examples/bridged 90 >/tmp/bridged.out 2>&1 &
bridged=$!
until_true 30 grep -q '^bridge:' /tmp/bridged.out
same "the bridge is live" "$(sed -n 's/^bridge: //p' /tmp/bridged.out |
	sed 's/^module: [^;]*$/live/')" live

dentries "$beside"
echo 1M >"$beside/memory.reclaim" 2>/dev/null
echo 2 >/proc/sys/vm/drop_caches
sleep 2
same "a group beside, and drop_caches, are none of our business" "$(lines)" 0

dentries "$ours"
echo 1M >"$ours/memory.reclaim" 2>/dev/null
until_true 30 more_than 0
at_least "memory.reclaim of ours is followed" "$(lines)" 1
before=$(lines)
dentries "$ours"
echo $((1 << 20)) >"$ours/memory.high"
inside "$ours" /build/tests/eater anon $((2 << 20)) 200
until_true 30 more_than "$before"
at_least "so is memory.high" "$(lines)" $((before + 1))
sed 's/^/# /' /tmp/bridged.out | head -n 12
kill -KILL $bridged
done_testing

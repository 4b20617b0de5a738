#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The module shrink_bridge: what the kernel asks for, and what it puts up with.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh
module=/build/kernel/shrink_bridge.ko
ring=/build/tests/guest/bridge-client
trace=/sys/kernel/tracing

[ -e $module ] || {
	echo "1..0 # SKIP $(cat $module.reason)"
	exit 0
}

# The kernel asks every shrinker for everything, at priority 0.
drop()
{
	echo 2 >/proc/sys/vm/drop_caches
}

# client GROUP: a process with an open session
client()
{
	ring_start "$1"
	ask open
	[ "$answer" = ok ] || fail "opens /dev/shrink" "$answer"
}

end_client()
{
	exec 8>&-
	wait "$ring_pid" 2>/dev/null
	exec 9<&-
}

insmod $module
same "the module loads" $? 0
same "/dev/shrink is root's" "$(stat -c '%a %u' /dev/shrink)" "600 0"
group plain
plain=$group

# Counted from the page, asked for all of it, once.
client "$plain"
same "a name with a blank or a slash is refused" \
	"$(ask_for register a/b 1 2 0)" "error Invalid argument"
same "a batch that would keep the kernel busy is refused" \
	"$(ask_for register a 1 2 1)" "error Numerical result out of range"
same "unknown flags are refused" "$(ask_for register a 64 2 0)" "error Invalid argument"
same "registers" "$(ask_for register nodes 1 2 0)" index=0
drop
same "nothing there, nothing asked" "$(ask_for read)" none
ask count 0 0 1000
ask count 0 1 500
drop
ask read
same "node 0 is asked for what it has" "$(value objects) $(value nid)" "1000 0"
seq0=$(value seq)
ask read
same "node 1 is asked for what it has" "$(value objects) $(value nid)" "500 1"
seq1=$(value seq)
same "and that is all" "$(ask_for read)" none
drop
same "what is asked for is not asked for again" "$(ask_for read)" none

# Results: once, of what was asked, by its number.
same "a stale number" "$(ask_for answer 0 0 $((seq0 + 100)) 1)" "error Stale file handle"
same "no such cache" "$(ask_for answer 9 0 $seq0 1)" "error No such file or directory"
same "no such node" "$(ask_for answer 0 64 $seq0 1)" "error Invalid argument"
ask count 0 0 400
same "more than asked is not believed" "$(ask_for answer 0 0 $seq0 1000000)" ok
same "nor the same twice" "$(ask_for answer 0 0 $seq0 1000)" "error Stale file handle"
ask stats 0
same "the kernel is owed what was freed" "$(value owed) $(value freed)" "1000 0"
drop
ask stats 0
same "and hears of it when it asks next" "$(value owed) $(value freed)" "0 1000"
ask read
same "what is left is asked for" "$(value objects) $(value nid)" "400 0"
same "unregisters" "$(ask_for unregister 0)" ok
drop
same "gone: nothing to read" "$(ask_for read)" none
same "gone: nothing to answer" "$(ask_for answer 0 1 "$seq1" 500)" \
	"error No such file or directory"
end_client

# A cache that is its group's: asked for that group only, on nodes it is bound to.
group own
own=$group
group other
other=$group
client "$own"
same "registers for its group" "$(ask_for register mine 3 2 0)" index=0
ask count 0 0 100000
ask count 0 1 100000
echo 2M >"$own/memory.reclaim" 2>/dev/null
ask stats 0
same "not bound yet: not asked" "$(value scans)" 0
bound=$(ask_for bind 0 0)
some "bound to a node" "$(echo "$bound" | grep '^nid=[01]$')"
nid=${bound#nid=}
echo 2M >"$other/memory.reclaim" 2>/dev/null
ask stats 0
same "another group's reclaim is not ours" "$(value counts)" 0
echo 2M >"$own/memory.reclaim" 2>/dev/null
ask stats 0
at_least "our group's is" "$(value scans)" 1
echo "# $answer"
ask read
same "on the node it is bound to" "$(value nid)" "$nid"
at_least "for some" "$(value objects)" 128
same "and on no other" "$(ask_for read)" none
end_client

# The kernel's arithmetic, as it traces it: delta = (count >> priority) * 4 / seeks.
for seeks in 1 2 4 8; do
	client "$own"
	ask register arith 3 $seeks 0
	ask bind 0 0
	ask count 0 0 $((1 << 20))
	ask count 0 1 $((1 << 20))
	echo >$trace/trace
	echo 1 >$trace/events/vmscan/mm_shrink_slab_start/enable
	echo 2M >"$own/memory.reclaim" 2>/dev/null
	echo 0 >$trace/events/vmscan/mm_shrink_slab_start/enable
	grep shrink_bridge $trace/trace |
		sed 's/.*cache items \([0-9]*\) delta \([0-9]*\) .* priority \([0-9]*\)$/\1 \2 \3/' \
			>/tmp/slices
	good=0 bad=
	while read -r items delta priority; do
		if [ "$delta" = $(((items >> priority) * 4 / seeks)) ]; then
			good=$((good + 1))
		else
			bad="$bad [$items $delta $priority]"
		fi
	done </tmp/slices
	at_least "seeks $seeks: the kernel's delta" "$good" 5
	none "seeks $seeks: in every slice" "$bad"
	end_client
done

# Asked while it works: all that is freed is told, once.
client "$plain"
ask register works 1 2 0
ask count 0 0 50000
(for _ in 1 2 3 4 5 6 7 8 9 10; do drop; sleep 0.1; done) &
ask serve 3000
served=$answer
wait $!
answer=$served
same "all is asked for, and once" "$(value answered)" 50000
ask count 0 0 1
drop
ask stats 0
same "the kernel has heard of it all" "$(value freed) $(value owed)" "50000 0"
end_client

# kill -9 while it is asked, over and over.
for _ in 1 2 3 4 5 6 7 8; do
	client "$plain"
	ask register dies 1 2 0
	ask count 0 0 100000
	drop &
	kill -KILL "$ring_pid"
	wait
	exec 8>&- 9<&-
done
rmmod shrink_bridge
same "nothing is left of those that were killed" $? 0
insmod $module

# Stopped: it is asked once, and reclaim goes on.
client "$plain"
ask register stops 1 2 0
ask count 0 0 1000000
kill -STOP "$ring_pid"
for _ in 1 2 3 4 5; do drop; done
pass "reclaim goes on beside a stopped process"
kill -CONT "$ring_pid"
ask stats 0
same "which has been asked once" "$(value posted)" 1000000
end_client

# Anything in the page, and changing.
client "$plain"
ask register garbles 1 2 0
echo "garble 0 3000" >&8
for _ in 1 2 3 4 5 6 7 8 9 10; do drop; sleep 0.1; done
read -r -t 60 answer <&9
same "garbage in the page" "$answer" ok
ask stats 0
echo "# $answer"
at_most "no more is posted than was scanned" "$(value posted)" "$(value scanned)"
none "and the kernel is sane" "$(dmesg | grep -E 'BUG: |WARNING: ')"
end_client

# A forked child speaks for nobody.
client "$plain"
ask register forks 1 2 0
same "a child may do nothing and has no page" "$(ask_for fork)" "read=1 register=1 page=0"
end_client

# Limits: of a session, of a user over all.
client "$plain"
same "a session has so many" "$(ask_for many)" "registered=64 No space left on device"
end_client
echo 10 >/sys/module/shrink_bridge/parameters/caches_per_user
client "$plain"
same "and a user" "$(ask_for many)" "registered=10 Disk quota exceeded"
rmmod shrink_bridge 2>/dev/null
same "a module in use does not go" "$(grep -c '^shrink_bridge' /proc/modules)" 1
end_client
client "$plain"
same "all were given back" "$(ask_for many)" "registered=10 Disk quota exceeded"
end_client
rmmod shrink_bridge
same "and goes when it is not" $? 0
same "with its device" "$(find /dev/shrink 2>/dev/null)" ""
done_testing

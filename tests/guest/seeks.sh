#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# bridge:module with the kernel itself: caches of a library's program are its shrinkers,
# and give up what its formula has them give up, beside its own dentries. The table is in
# docs/kernel-bridge.md.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh
module=/build/kernel/shrink_bridge.ko
ring=/build/tests/guest/seeks
trace=/sys/kernel/tracing
size=65536 # objects of each cache, as in seeks.c
object=192

[ -e $module ] || {
	echo "1..0 # SKIP $(cat $module.reason)"
	exit 0
}

freed_is_stable()
{
	ask stats
	before=${answer% counted=*}
	sleep 0.5
	ask stats
	[ "${answer% counted=*}" = "$before" ]
}

# All caches have been counted twice: so the first count is where the kernel reads it.
counted()
{
	ask stats && [ "$(value counted)" -ge 2 ]
}

events()
{
	for event in start end; do
		echo "$1" >$trace/events/vmscan/mm_shrink_slab_$event/enable
	done
}

# row KEY COLUMN: of the table
row()
{
	awk -v key="$1" -v column="$2" '$1 == key { print $column }' /tmp/table
}

group seeks
ours=$group
ring_start "$ours"
for source in usage events psi memavailable zones swap node_workers; do
	ask conf $source off
done
ask conf bridge module
same "starts without a module" "$(ask_for start)" ok
same "and says what is not there" "$(ask_for source bridge)" \
	"unsupported module: no /dev/shrink: the module shrink_bridge is not loaded"
exec 8>&-
wait "$ring_pid"
exec 9<&-

insmod $module
ring_start "$ours" /usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups
ask conf bridge module
ask start
same "nor is it open to everybody" "$(ask_for source bridge)" \
	"unsupported module: /dev/shrink: Permission denied"
exec 8>&-
wait "$ring_pid"
exec 9<&-

ring_start "$ours"
for source in usage events psi memavailable zones swap node_workers; do
	ask conf $source off
done
ask conf bridge module
ask start
same "the bridge is live" "$(ask_for source bridge)" live
ask dentries $cgroot $size
echo 16384 >$trace/buffer_size_kb
until_true 60 counted
same "the caches are counted" $? 0
events 1
echo >$trace/trace
# So little that the kernel need not press hard: there is swap for the rest.
for _ in 1 2 3 4; do
	echo 512K >"$ours/memory.reclaim" 2>/dev/null
done
events 0
until_true 3 freed_is_stable
ask stats
echo "# $answer"
awk -v size=$size -f /build/tests/guest/seeks.awk $trace/trace >/tmp/table
sed 's/^/# trace: /' /tmp/table
none "every slice has the formula's delta" "$(grep bad /tmp/table | head -n 3)"
dentries=$(row dentries 5)
at_least "the kernel gave up dentries" "$dentries" 1000
same "as many were scanned as the formula has" "$(row dentries 4)" "$(row dentries 3)"
echo "# $release: seeks, slices, bytes that the formula has scanned, bytes given up"
for seeks in 1 2 4 8; do
	freed=$(value freed$seeks)
	at_least "seeks $seeks: the kernel asked" "$(row $seeks 2)" 5
	same "seeks $seeks: it scanned what the formula has" "$(row $seeks 4)" "$(row $seeks 3)"
	want=$(row $seeks 3) # but no more than there was
	[ "$want" -le $((size + seeks)) ] || want=$((size + seeks))
	same "seeks $seeks: and that much was given up" "$freed" "$want"
	echo "# | $seeks | $(row $seeks 2) | $(($(row $seeks 3) * object)) | $((freed * object)) |"
done
echo "# | dentries (0) | $(row dentries 2) | $(($(row dentries 3) * object)) |" \
	"$((dentries * object)) |"
same "no misuse" "$(value misuses)" 0

# In another group: its reclaim is ours, and that of the old one is not.
all_freed()
{
	ask stats
	echo $(($(value freed1) + $(value freed2) + $(value freed4) + $(value freed8)))
}

more_freed()
{
	[ "$(all_freed)" -gt "$1" ]
}

asked_in_new()
{
	echo 512K >"$moved/memory.reclaim" 2>/dev/null
	more_freed "$1"
}

group moved
moved=$group
echo "$ring_pid" >"$moved/cgroup.procs"
before=$(all_freed)
until_true 30 asked_in_new "$before"
same "moved: asked where it is now" $? 0
until_true 3 freed_is_stable
before=$(all_freed)
for _ in 1 2 3; do echo 512K >"$ours/memory.reclaim" 2>/dev/null; done
sleep 1
same "moved: and not where it was" "$(all_freed)" "$before"
exec 8>&-
wait "$ring_pid"
same "the program ends" $? 0
exec 9<&-
rmmod shrink_bridge
same "and with it all of its shrinkers" $? 0
done_testing

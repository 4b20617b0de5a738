#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# G2 with fresh slices: shrink-record writes down what this kernel does with its own
# shrinkers and with the module's - seeks 1, 2, 4 and 8, several batches - while a group
# and everything is reclaimed; the library's arithmetic comes to the same in each.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh
module=/build/kernel/shrink_bridge.ko
ring=/build/tests/guest/bridge-client
slices=/tmp/slices.tsv

[ -e $module ] || {
	echo "1..0 # SKIP $(cat $module.reason)"
	exit 0
}

scanning()
{
	awk -F'\t' '/^[0-9]/ && $6 > $7 { n++ } END { print n + 0 }' $slices
}

# size SEEKS BATCH: how large that cache is. What is outstanding is taken off it, whole
# batches, so the remainder by 4 says which seeks it has.
size()
{
	case $1 in 1) rest=0 ;; 2) rest=1 ;; 4) rest=2 ;; *) rest=3 ;; esac
	n=$((40000 + 1000 * $1 + $2 + rest))
}

fill()
{
	index=0
	for seeks in 1 2 4 8; do
		for batch in 0 64 100 1024; do
			size $seeks $batch
			ask count $index 0 $n
			ask count $index 1 $n
			index=$((index + 1))
		done
	done
}

insmod $module
group record
ours=$group
ring_start "$ours"
ask open
for seeks in 1 2 4 8; do
	for batch in 0 64 100 1024; do
		ask register r$seeks-$batch 3 $seeks $batch
		index=$(value index)
		ask bind "$index" 0
		ask bind "$index" 1
	done
done
same "sixteen shrinkers" "$index" 15
/build/tools/record/shrink-record >$slices 2>/tmp/record.err &
recorder=$!
until_true 60 grep -q '^# priority' $slices
tries=0
while [ "$(scanning)" -lt 1500 ] && [ $tries -lt 40 ]; do
	fill
	inside "$ours" sh -c 'i=0; while [ $i -lt 100 ]; do
		[ -e '"$cgroot"'/none-'$tries'-$i ]; i=$((i + 1)); done'
	echo 256K >"$ours/memory.reclaim" 2>/dev/null
	fill
	echo 2 >/proc/sys/vm/drop_caches
	ask serve 200
	sleep 0.2
	tries=$((tries + 1))
done
kill -INT $recorder
wait $recorder
same "shrink-record ends well" $? 0
sed 's/^/# /' /tmp/record.err
at_least "slices with scanning" "$(scanning)" 1000
for seeks in 1 2 4 8; do
	for batch in 0 64 100 1024; do
		size $seeks $batch
		found=$(awk -F'\t' -v n=$n '$4 == n { print $2 }' $slices | sort -u | tr '\n' ' ')
		same "seeks $seeks, batch $batch" "$found" "$seeks "
	done
done
/build/tests/run-slices $slices >/tmp/replay 2>&1
same "each slice is the library's, too" $? 0
tail -n 4 /tmp/replay | sed 's/^/# /'
# the check can fail: one delta more
awk -F'\t' -v OFS='\t' '/^[0-9]/ && $5 + 0 > 0 && !once { $5 = $5 + 1; once = 1 } { print $0 }' \
	$slices >/tmp/bad.tsv
/build/tests/run-slices /tmp/bad.tsv >/tmp/replay 2>&1
same "broken twin: one delta too much" "$? $(tail -n 1 /tmp/replay | grep -o '[0-9]* failed')" \
	"1 1 failed"
setpriv=/usr/bin/setpriv
$setpriv --reuid=65534 --regid=65534 --clear-groups /build/tools/record/shrink-record -s 1 \
	>/dev/null 2>/tmp/record.err
same "without privilege it says so" "$? $(grep -c 'CAP_PERFMON' /tmp/record.err)" "1 1"
exec 8>&-
wait "$ring_pid"
exec 9<&-
rmmod shrink_bridge
same "the module goes" $? 0
done_testing

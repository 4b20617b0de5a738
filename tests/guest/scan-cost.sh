#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# What a call of the module's scan_objects costs the kernel, beside one that does nothing.
# The guest's clock counts instructions, so what is measured is a count, and the same
# every time.
# shellcheck disable=SC1091,SC2015,SC2034,SC2154
. /build/tests/guest/guest.sh
ring=/build/tests/guest/bridge-client
files=/sys/kernel/debug/scan_cost

for module in kernel/shrink_bridge.ko kernel/scan-cost/scan_cost.ko; do
	[ -e /build/$module ] || {
		echo "1..0 # SKIP $(cat /build/$module.reason)"
		exit 0
	}
	insmod /build/$module
	same "$module loads" $? 0
done

# what looks for mistakes is in each load of a debugged kernel's: only reported there
at_most_thrice()
{
	if [ -e /proc/lockdep ]; then
		skip "$1" "this kernel has lockdep"
	else
		at_most "$1" "$2" 300
	fi
}

# percent OF TO
percent()
{
	echo $(($1 * 100 / ($2 > 0 ? $2 : 1)))
}

group cost
ring_start "$group"
ask open
ask register cost 3 2 0
ask bind 0 0
nid=$(value nid)
ask count 0 "$nid" 4194304
# Passes of the kernel's over both, all of it at priority 0. Clocks go on while others
# run, so the least of some is taken.
empty=0 bridge=0
for _ in 1 2 3 4 5; do
	cat $files/pass >/dev/null
	echo 2 >/proc/sys/vm/drop_caches
	answer=$(cat $files/pass)
	[ "$(value bridge_batches)" -ge 32768 ] && [ "$(value empty_batches)" -ge 32768 ] || break
	one=$(($(value empty_nsec) * 1000 / $(value empty_batches)))
	[ $empty != 0 ] && [ $empty -le $one ] || empty=$one
	one=$(($(value bridge_nsec) * 1000 / $(value bridge_batches)))
	[ $bridge != 0 ] && [ $bridge -le $one ] || bridge=$one
	ask read
	objects=$(value objects)
	ask answer 0 "$nid" "$(value seq)" 0
done
same "both were in the kernel's passes, and ours was asked for all" "$objects" 4194304
pass=$(percent $bridge $empty)
echo "# $release: a batch in a pass, picoseconds: empty $empty, bridge $bridge: $pass %"
at_most_thrice "in a pass a batch takes at most three times that of an empty one" "$pass"

answer=$(cat $files/bare)
echo "# $release: a call, picoseconds: $answer"
bare=$(percent "$(value bridge_median)" "$(value empty_median)")
echo "# $release: in the median $bare % of an empty call"
at_most_thrice "a call takes at most three times an empty one" "$bare"
ask read
same "each call was for a batch" "$(value objects)" $((63 * 256 * 128))
exec 8>&-
wait "$ring_pid"
exec 9<&-
rmmod scan_cost && rmmod shrink_bridge
same "both modules go" $? 0
done_testing

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Stall as the only sign of pressure: no usage, no events, no MemAvailable. A neighbour
# that sleeps over memory.high is such a stall, and goes on for ever unless answered.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh

# stall_ring GROUP [command...]
stall_ring()
{
	stall_group=$1
	ring_start "$@"
	for source in usage events memavailable zones; do
		ask conf $source off
	done
	ask conf psi_window 500000
	ask conf psi_stall 50000
	ask start
	same "$(basename "$1"): starts" "$answer" ok
	ask fill 50 400
	exec_inside "$1" /build/tests/eater anon $((40 * mib)) 300 &
	hog=$!
}

stall_answered()
{
	name=$(basename "$stall_group")
	wait $hog
	same "$name: the neighbour gets what it wants" $? 0
	ask stats
	echo "# $answer"
	at_least "$name: the cache made room" "$(value freed_bytes)" $((20 * mib))
	ask rounds
	echo "# $answer"
	at_least "$name: because of the stall" "$(value psi)" 1
}

group trigger memory.high $((64 * mib))
if echo "some 50000 500000" >"$group/memory.pressure"; then
	pass "root may have windows of 500 ms"
else
	fail "root may have windows of 500 ms"
fi
stall_ring "$group"
stall_answered
ask source psi
echo "# $answer"
same "trigger: PSI is live by triggers" "$answer" "live events=$(value events)"
at_least "trigger: and was told" "$(value events)" 1
ring_end "trigger: ends well"

# A file that may only be read: total= is sampled.
group sampled memory.high $((64 * mib))
stall_ring "$group" /usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups
stall_answered
ask source psi
echo "# $answer"
some "sampled: PSI is live without triggers" "$(echo "$answer" | grep '^live .*sampled')"
ring_end "sampled: ends well"

# A file that was handed over: windows of whole 2 s, where the kernel has these.
group delegated memory.high $((64 * mib))
chown 65534 "$group/memory.pressure"
stall_ring "$group" /usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups
stall_answered
ask source psi
echo "# $answer"
some "delegated: PSI is live" "$(echo "$answer" | grep '^live ')"
ring_end "delegated: ends well"

# Strangers' stall is not ours (G7).
group stranger memory.high $((64 * mib))
stranger=$group
group bystander
ring_start "$group"
for source in usage events memavailable zones; do
	ask conf $source off
done
ask conf psi_window 500000
ask conf psi_stall 50000
ask start
ask fill 50 400
exec_inside "$stranger" /build/tests/eater anon $((80 * mib)) 300 &
hog=$!
until_true 20 event_is "$stranger" high -gt 0
sleep 2
ask stats
same "bystander: nothing is freed for strangers" "$(value freed_bytes)" 0
kill -KILL $hog
ring_end "bystander: ends well"
done_testing

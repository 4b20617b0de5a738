#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The ways to follow the kernel under cgroup v2, one by one: programs, with drop_caches
# dropping ours too; records of tracepoints; and the helper, for a server without any
# privilege. Each is told of its own group's reclaim and not of a group's beside.
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

# bridged CONF [command...]: starts the example in our group, by way of a command
bridged()
{
	conf=$1
	shift
	rm -f /tmp/bridged.out # what the one before has said is not this one's
	LIBSHRINK_CONF=$conf exec_inside "$ours" "$@" /build/examples/bridged 120 \
		>/tmp/bridged.out 2>&1 &
	bridged=$!
	until_true 30 grep -q '^bridge:' /tmp/bridged.out
	same "$conf: live" "$(sed -n 's/^bridge: //p' /tmp/bridged.out)" live
}

# press GROUP: is reclaimed by a process of its own, which stays a while
press()
{
	inside "$1" sh -c 'i=0; while [ $i -lt 300 ]; do
		[ -e '"$cgroot"'/none-$$-$i ]; i=$((i + 1)); done
		echo 1M >'"$1"'/memory.reclaim; sleep 2' 2>/dev/null
}

left_alone()
{
	press "$beside"
	same "$1: a group beside" "$(lines)" 0
}

followed()
{
	before=$(lines)
	press "$ours"
	until_true 30 more_than "$before"
	at_least "$1: our group" "$(lines)" $((before + 1))
}

ended()
{
	sed "s/^/# $1: /" /tmp/bridged.out | head -n 8
	kill -KILL "$bridged"
	wait "$bridged" 2>/dev/null
}

group ways
ours=$group
group ways-beside
beside=$group

bridged bridge:bpf,bridge_drop_caches:on
left_alone bpf
echo 2 >/proc/sys/vm/drop_caches
until_true 30 grep -q '^priority  0: *[1-9]' /tmp/bridged.out
at_least "bpf: drop_caches drops ours too, at priority 0" \
	"$(grep -c '^priority  0: *[1-9]' /tmp/bridged.out)" 1
followed bpf
ended bpf

bridged bridge:perf
left_alone perf
followed perf
before=$(lines)
echo 2 >/proc/sys/vm/drop_caches
sleep 2
same "perf: drop_caches is told apart" "$(lines)" "$before"
ended perf

chmod 755 /build /build/examples /build/.libs 2>/dev/null
/build/tools/bridged/shrink-bridged -s /tmp/helper.sock >/tmp/helper.out 2>&1 &
helper=$!
until_true 30 grep -q listening /tmp/helper.out
sed 's/^/# /' /tmp/helper.out
bridged bridge:helper,bridge_socket:/tmp/helper.sock \
	/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups
left_alone helper
followed helper
ended helper
kill -TERM $helper
wait $helper
same "the helper ends when told to" $? 0
done_testing

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The same pressure, answered from wherever a container may have put us: without
# privileges, with a read-only cgroup file system, in cgroup namespaces.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh

# pressed NAME LIMITED START_IN [command...]: a ring that has come to where it is by way
# of the command, and a neighbour, under memory.high of the group LIMITED
pressed()
{
	name=$1 limited=$2
	shift 2
	ring_start "$@"
	ask start
	same "$name: starts" "$answer" ok
	ask source usage
	some "$name: usage is live" "$(echo "$answer" | grep '^live')"
	ask source events
	some "$name: memory.events are live" "$(echo "$answer" | grep '^live')"
	ask fill 120 400
	inside "$limited" /build/tests/eater anon $((64 * mib)) 300
	same "$name: the neighbour gets what it wants" $? 0
	ask stats
	at_least "$name: the cache made room" "$(value freed_bytes)" $((20 * mib))
	at_least "$name: not for the price of all of it" "$(value cache_bytes)" $((16 * mib))
	ask limits
	echo "# $answer"
	same "$name: by the limit that is there" "$(value limit)" $((160 * mib))
}

# in_place NAME GROUP [command...]: pressed, in a group of its own
in_place()
{
	in_name=$1
	group "$2" memory.high $((160 * mib))
	shift 2
	pressed "$in_name" "$group" "$group" "$@"
}

nobody="/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups"
cd /tmp || exit 99

# shellcheck disable=SC2086 # words
in_place unprivileged user $nobody
same "unprivileged: its own folder" "$(value path)" "$limited"
ring_end "unprivileged: ends well"

cat >/tmp/readonly <<'END'
mount --bind /sys/fs/cgroup /sys/fs/cgroup &&
	mount -o remount,bind,ro /sys/fs/cgroup && exec "$@"
END
in_place read-only ro unshare -m sh /tmp/readonly
ask source psi
echo "# psi: $answer"
some "read-only: PSI is live" "$(echo "$answer" | grep '^live')"
some "read-only: it is" "$(nsenter -t "$ring_pid" -m sh -c \
	"echo 1 >$limited/memory.high" 2>&1 | grep -i 'read-only')"
ring_end "read-only: ends well"

# the bind mount of the one group, as container engines without a namespace make it
cat >/tmp/bind <<END
mount --bind $cgroot/bound /sys/fs/cgroup && exec "\$@"
END
in_place bind-mounted bound unshare -m sh /tmp/bind
same "bind-mounted: found at the mount" "$(value path)" "$cgroot"
ring_end "bind-mounted: ends well"

# a namespace, and the hierarchy still mounted from outside it
in_place namespace ns /usr/bin/unshare -Cm
same "namespace: own folder behind the outer mount" "$(value path)" "$limited"
ring_end "namespace: ends well"

# ... mounted anew inside: all that is above is hidden
cat >/tmp/fresh <<'END'
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"
END
in_place fresh-mount fresh /usr/bin/unshare -Cm sh /tmp/fresh
same "fresh mount: own folder is the top" "$(value path)" "$cgroot"
ring_end "fresh mount: ends well"

# nested: a namespace in a namespace, the inner one with the outer one's mount ...
cat >/tmp/nested <<'END'
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup && mkdir /sys/fs/cgroup/middle &&
	echo 0 >/sys/fs/cgroup/middle/cgroup.procs &&
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control &&
	echo 160M >/sys/fs/cgroup/middle/memory.high && exec /usr/bin/unshare -Cm "$@"
END
group outer
pressed nested "$group/middle" "$group" /usr/bin/unshare -Cm sh /tmp/nested
same "nested: own folder behind the outer mount" "$(value path)" "$cgroot/middle"
ring_end "nested: ends well"

# ... and with its own
group outer2
pressed nested-fresh "$group/middle" "$group" /usr/bin/unshare -Cm sh /tmp/nested sh /tmp/fresh
same "nested, fresh: own folder is the top" "$(value path)" "$cgroot"
ring_end "nested, fresh: ends well"
done_testing

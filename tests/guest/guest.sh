# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# shellcheck shell=sh
# For tests in a guest: sourced by scripts that busybox runs. TAP as natively, and
# groups of cgroup2.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/tap.sh

cgroot=/sys/fs/cgroup
release=$(uname -r)

# group PATH [FILE VALUE]...: makes a group below the root, the groups above it handing
# all controllers down, and sets its files. Sets $group.
group()
{
	group=$cgroot
	for step in $(echo "$1" | tr / ' '); do
		[ "$group" = $cgroot ] || delegate "$group"
		group=$group/$step
		mkdir -p "$group"
	done
	shift
	while [ $# -gt 0 ]; do
		echo "$2" >"$group/$1" || echo "# $2 was refused by $group/$1"
		shift 2
	done
}

# delegate GROUP: its children have limits too
delegate()
{
	echo "+memory +cpu +io +pids" >"$1/cgroup.subtree_control"
}

# inside GROUP command...: runs it there
inside()
{
	sh -c 'echo 0 >"$1/cgroup.procs" && shift && exec "$@"' sh "$@"
}

# exec_inside GROUP command... &: the same where $! shall be the command itself
exec_inside()
{
	exec sh -c 'echo 0 >"$1/cgroup.procs" && shift && exec "$@"' sh "$@"
}

# event GROUP KEY [FILE]: a number of memory.events
event()
{
	sed -n "s/^$2 //p" "$1/${3:-memory.events}"
}

# event_is GROUP KEY -OPERATOR NUMBER: for until_true
event_is()
{
	[ "$(event "$1" "$2")" "$3" "$4" ]
}

# until_true SECONDS command...: tries it until it succeeds
until_true()
{
	tries=$(($1 * 20))
	shift
	while [ $tries -gt 0 ]; do
		"$@" && return
		sleep 0.05
		tries=$((tries - 1))
	done
	return 1
}

# What ring_start starts: anything that answers each line with one.
ring=/build/tests/guest/ring

# ring_start GROUP [command...]: starts $ring in the group, by way of a
# command (setpriv, unshare ...) that executes its arguments. One at a time.
ring_start()
{
	ring_group=$1
	shift
	rm -f /tmp/ring.in /tmp/ring.out
	mkfifo /tmp/ring.in /tmp/ring.out
	trap '' PIPE # a ring that has died is found out by its silence
	exec_inside "$ring_group" "$@" $ring </tmp/ring.in >/tmp/ring.out &
	ring_pid=$!
	exec 8>/tmp/ring.in 9</tmp/ring.out
}

# ask WORD...: the ring's answer is in $answer, empty if it has died
ask()
{
	answer=
	echo "$*" >&8 2>/dev/null
	read -r -t 60 answer <&9
	[ -n "$answer" ]
}

# value KEY: of the answer
value()
{
	echo " $answer" | sed -n "s/.* $1=\([^ ]*\).*/\1/p"
}

# stat_is KEY -OPERATOR NUMBER: asks for statistics; for until_true
stat_is()
{
	ask stats && [ "$(value "$1")" "$2" "$3" ]
}

# ask_for WORD... : prints the answer
ask_for()
{
	ask "$@"
	echo "$answer"
}

# ring_end NAME: the ring ends well when asked to, with all its objects whole
ring_end()
{
	exec 8>&-
	wait "$ring_pid"
	same "$1" $? 0
	exec 9<&-
}

# at_least NAME ACTUAL MINIMUM; at_most NAME ACTUAL MAXIMUM
at_least()
{
	if [ "${2:--1}" -ge "$3" ]; then pass "$1"; else fail "$1" "is '$2', at least $3"; fi
}

at_most()
{
	if [ -n "$2" ] && [ "$2" -le "$3" ]; then
		pass "$1"
	else
		fail "$1" "is '$2', at most $3"
	fi
}

mib=1048576

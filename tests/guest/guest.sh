# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# shellcheck shell=sh
# For tests in a guest: sourced by scripts that busybox runs. TAP as natively, and
# groups of cgroup2.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/tap.sh

cgroot=/sys/fs/cgroup
release=$(uname -r)

# group PATH [FILE VALUE]...: makes a group below the root, with all controllers for
# its children, and sets its files. Sets $group.
group()
{
	group=$cgroot/$1
	shift
	mkdir -p "$group"
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

# inside GROUP command...: runs it there, in place of a subshell
inside()
{
	sh -c 'echo 0 >"$1/cgroup.procs" && shift && exec "$@"' sh "$@"
}

# event GROUP KEY [FILE]: a number of memory.events
event()
{
	sed -n "s/^$2 //p" "$1/${3:-memory.events}"
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

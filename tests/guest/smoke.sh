#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The guest is what the tests take it for.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh

nodes=$(find /sys/devices/system/node -maxdepth 1 -name 'node[0-9]*' | wc -l)
same "two memory nodes" "$nodes" 2
same "a processor on each" "$(cat /sys/devices/system/node/node*/cpulist | tr '\n' ' ')" "0 1 "
group smoke memory.high 64M memory.max 128M
same "memory.high is there" "$(cat "$group/memory.high")" 67108864
some "PSI of a group" "$(grep total= "$group/memory.pressure")"
some "CAP_SYS_RESOURCE" "$(awk '/^CapEff/ { print }' /proc/self/status | grep 'f$')"
some "tracepoints" "$(cat /sys/kernel/tracing/events/vmscan/mm_shrink_slab_start/format)"
some "swap on zram" "$(grep zram /proc/swaps)"
inside "$group" sleep 60 &
until_true 10 grep -q . "$group/cgroup.procs"
some "a process inside" "$(cat "$group/cgroup.procs")"
done_testing

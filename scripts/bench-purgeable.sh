#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# What kvcached --purgeable costs and keeps beside the same server with its values in the
# pool: both under the same limit, one after the other, the same questions. Run in a build
# folder; wants a memory group of its own.
#
#	../scripts/bench-purgeable.sh [SECONDS [LIMIT_MIB [KEYS]]]
# shellcheck disable=SC2015,SC2154 # cgroup.sh sets them
set -eu -o pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/cgroup.sh
. "$here/cgroup.sh"
seconds=${1:-10} limit=$((${2:-192} << 20)) keys=${3:-20000}
work=$(mktemp -d)
server=

finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	group_remove || true
	rm -rf "$work"
}
trap finish EXIT

# one NAME argument...: a row of the table
one() {
	local name=$1 port ticks hits

	shift
	group_make "$limit" "libshrink-purgeable.$$" || { echo "no group: $group_reason" >&2; exit 77; }
	(group_enter 1000 && exec examples/kvcached/kvcached -p 0 -t 2 "$@") >"$work/server" 2>&1 &
	server=$!
	for _ in $(seq 100); do
		port=$(grep -oE '[0-9]+$' "$work/server" | head -n 1) && break
		sleep 0.1
	done
	tools/kvload/kvload -s "127.0.0.1:$port" -k "$keys" -m 4096 -M 65536 -S "$seconds" -x 1 \
		>"$work/load"
	ticks=$(awk '{ print $14 + $15 }' "/proc/$server/stat")
	hits=$(grep '"type":"total"' "$work/load")
	awk -v name="$name" -v ticks="$ticks" -v hz="$(getconf CLK_TCK)" -v line="$hits" 'BEGIN {
		match(line, /"gets":[0-9]+/); gets = substr(line, RSTART + 7, RLENGTH - 7)
		match(line, /"hit_rate":[0-9.]+/); rate = substr(line, RSTART + 11, RLENGTH - 11)
		printf "| %s | %d | %.4f | %.1f |\n", name, gets, rate, ticks / hz * 1e6 / gets
	}'
	kill "$server" && wait "$server" 2>/dev/null || true
	server=
	group_remove
}

echo "| values | reads | hit rate | CPU us of the server a read, filling included |"
echo "|---|---|---|---|"
one pool
one purgeable --purgeable

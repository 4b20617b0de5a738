#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Runs the benchmarks of a built tree: JSON lines into a file, a table to read.
# Nothing is asserted. What needs a memory group says so where none can be made.
set -u -o pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P) || exit 1
# shellcheck source=scripts/lib.sh
. "$top/scripts/lib.sh"
# shellcheck source=scripts/cgroup.sh
. "$top/scripts/cgroup.sh"
# shellcheck source=scripts/demo-run.sh
. "$top/scripts/demo-run.sh"

usage() {
	cat <<'END'
usage: scripts/bench.sh [--built DIR] [pass|pool|lru|region|bridge|register|notice|threads|pause ...]

Runs the named benchmarks, by default all (about a minute), of the tree built in
DIR (default build/; "make bench" builds it first). Figures: DIR/bench/bench.jsonl
END
}

# BENCH_SAMPLES: reads of each run of "pause", default 100000; 1000000 for the tail's sake
# BENCH_SECONDS: that "threads" looks at a full server, default 6; 600 for the average's
built=$top/build which=()
while [ $# -gt 0 ]; do
	case $1 in
	--built) built=${2:?}; shift ;;
	pass | pool | lru | region | bridge | register | notice | threads | pause) which+=("$1") ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
[ ${#which[@]} -gt 0 ] || which=(pass pool lru region bridge register notice threads pause)
out=$built/bench
tools=$built/tools
mkdir -p "$out" && rm -f "$out"/*
# what demo-run.sh wants to know
budget='' server=$built/examples/kvcached/kvcached

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	trap '' INT TERM
	run_abort
	group_remove
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# with_group MIB: or says why not
with_group() {
	limit=$(($1 << 20))
	group_make "$limit" "libshrink-bench.$$" || {
		say "left out: $group_reason" >&2
		return 1
	}
}

bench_pass() {
	"$tools/bench/bench-pass"
}

bench_pool() {
	"$tools/bench/bench-pool"
	"$tools/bench/bench-release"
	# jemalloc beside the others, loaded late: it wants room for thread-local data
	GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384 \
		"$tools/bench/bench-pool-caches" -n 1000000
}

bench_lru() {
	"$tools/bench/bench-lru"
}

bench_region() {
	"$tools/bench/bench-region"
}

# In a group that is made to be reclaimed; as root only.
bench_bridge() {
	local file=memory.reclaim text=1M way

	with_group 64 || return
	[ "$group_kind" = v2 ] || file=memory.force_empty text=0
	for way in bpf perf; do
		(
			group_enter 500 && LIBSHRINK_CONF=bridge:$way \
				exec "$tools/bench/bench-bridge" "$group_dir/$file" "$text"
		) || say "left out: see above" >&2
	done
	group_remove
}

bench_register() {
	"$tools/bench/bench-register"
}

# notice MODE AIM-USEC LIBSHRINK_CONF
notice() {
	(
		group_enter 500 && LIBSHRINK_CONF=$3 exec "$tools/bench/bench-notice" \
			"$tools/kvload/kvhog" 40 "$1" "$2"
	)
}

bench_notice() {
	with_group 256 || return
	[ "$group_kind" = v2 ] || notice "v1 thresholds" 1000 ""
	notice "sampling alone" 5000 "thresholds:off,events:off,psi:off"
	group_remove
}

# The server idle and empty; then full at the watermark, with misses that want room.
bench_threads() {
	local full=${BENCH_SECONDS:-6} line='' pid keys=240000 rate=12000 seed=1 port
	local seconds=$((full + 6)) reads=$(((full + 6) * 12000))

	[ -x "$server" ] || { say "left out: kvcached was not built" >&2; return; }
	with_group 512 || return
	start_server threads auto ""
	pid=$(<"$out/server.pid")
	sleep 1
	"$tools/bench/bench-threads" "$pid" 5 "kvcached idle" 0.1
	start_load threads
	while IFS= read -r -u "$ticks" line; do
		[[ $line == *'"phase":"read"'* ]] && break
	done
	sleep 2
	"$tools/bench/bench-threads" "$pid" "$full" "kvcached full, 12,000 reads/s, $full s" 1
	cat <&"$ticks" >/dev/null
	run_abort
	group_remove
}

# How long requests wait that are due whatever the server does, while a neighbour
# comes and goes that takes a third of the memory each time: in the server's group,
# and, for comparison, outside of it, where it takes only processor time.
pause_run() {
	local run=$1 place=$2 reads=${BENCH_SAMPLES:-100000} rate=8000 line key

	start_server "$run" auto ""
	"$tools/kvload/kvload" -s "127.0.0.1:$port" -t 1 -c 64 -k 30000 -M 32768 -z 0.9 -i 1000 \
		-o "$rate" -n "$reads" -S $((reads * 3 / rate + 10)) -H "$out/$run.hgrm" \
		>"$out/$run.load.jsonl" &
	load_pid=$!
	while kill -0 "$load_pid" 2>/dev/null; do
		if grep -q '"phase":"read"' "$out/$run.load.jsonl"; then
			(
				[ "$place" = outside ] || group_enter 1000
				exec "$tools/kvload/kvhog" -b $((limit / 3)) -H 500
			) >>"$out/$run.hog.jsonl" 2>&1
		fi
		sleep 0.5
	done
	wait "$load_pid"
	load_pid=''
	line=$(tail -n 1 "$out/$run.load.jsonl")
	for key in samples p999_usec max_usec; do
		value "$key"
		printf -v "$key" %s "$REPLY"
	done
	run_abort
}

bench_pause() {
	local samples p999_usec max_usec calm calm_max

	[ -x "$server" ] || { say "left out: kvcached was not built" >&2; return; }
	with_group 256 || return
	pause_run pause-calm outside
	calm=$p999_usec calm_max=$max_usec
	pause_run pause-pressed inside
	awk -v a="$p999_usec" -v b="$calm" -v n="$samples" -v m="$max_usec" -v k="$calm_max" 'BEGIN {
		line = "{\"bench\":\"pause\",\"what\":\"kvcached, %d requests: %s\",\"value\":%.1f," \
			"\"unit\":\"us\",\"aim\":%s,\"met\":%s,\"baseline\":%.1f,\"ratio\":%.2f}\n"
		printf line, n, "p99.9, pressed against calm", a, 2 * b, a <= 2 * b ? "true" : "false", b, a / b
		line = "{\"bench\":\"pause\",\"what\":\"kvcached, %d requests: %s\",\"value\":%.1f," \
			"\"unit\":\"us\",\"baseline\":%.1f,\"ratio\":%.2f}\n"
		printf line, n, "the longest, pressed against calm", m, k, m / k
	}'
	group_remove
}

for bench in "${which[@]}"; do
	say "$bench"
	"bench_$bench" >>"$out/bench.jsonl"
done
awk -f "$top/scripts/bench-table.awk" "$out/bench.jsonl"
say "figures: $out/bench.jsonl"

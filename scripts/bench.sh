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
usage: scripts/bench.sh [--built DIR] [pass|pool|lru|region|bridge|register|notice|threads ...]

Runs the named benchmarks, by default all (about a minute), of the tree built in
DIR (default build/; "make bench" builds it first). Figures: DIR/bench/bench.jsonl
END
}

built=$top/build which=()
while [ $# -gt 0 ]; do
	case $1 in
	--built) built=${2:?}; shift ;;
	pass | pool | lru | region | bridge | register | notice | threads) which+=("$1") ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
[ ${#which[@]} -gt 0 ] || which=(pass pool lru region bridge register notice threads)
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
	local file=memory.reclaim text=1M

	with_group 64 || return
	[ "$group_kind" = v2 ] || file=memory.force_empty text=0
	(
		group_enter 500 && exec "$tools/bench/bench-bridge" "$group_dir/$file" "$text"
	) || say "left out: see above" >&2
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
	local line='' pid keys=240000 seconds=12 rate=12000 reads=144000 seed=1 port

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
	"$tools/bench/bench-threads" "$pid" 6 "kvcached full, 12,000 reads/s" 1
	cat <&"$ticks" >/dev/null
	run_abort
	group_remove
}

for bench in "${which[@]}"; do
	say "$bench"
	"bench_$bench" >>"$out/bench.jsonl"
done
awk -f "$top/scripts/bench-table.awk" "$out/bench.jsonl"
say "figures: $out/bench.jsonl"

#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The main job, to watch: a cache server under a real memory limit gives memory
# back when a neighbour wants it, instead of being killed.
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
usage: scripts/demo.sh [options]

Runs the example server kvcached three times under the same memory limit and the
same load: with libshrink, without it, and with a small fixed size; then with
libshrink again, but values in the heap of malloc and of jemalloc. In the middle
a neighbour in the same memory group takes half of the limit at full speed and
gives it back. Prints a line a second, a verdict, and one for each allocator; leaves a plot and the
figures in build/demo/. Installs and builds what is missing.

  --limit MIB     of the group, default 512
  --seconds S     of reading in each run, default 13
  --rate N        reads a second, default 12000
  --seed N        of the load, default 1: same seed, same questions
  --allocators L  with these besides the pool, default "malloc jemalloc"; "" = none
  --quick         a small and short one, about 20 seconds
  --budget        no group: the process's own RSS budget (also where no group
                  can be made)
  --built DIR     use the programs built in DIR; install and build nothing
  --out DIR       default build/demo
  -h, --help      this text
END
}

limit_mib=512 seconds=13 rate=12000 seed=1 fills=4
built='' out='' budget='' allocators='malloc jemalloc'
while [ $# -gt 0 ]; do
	case $1 in
	--limit | --seconds | --rate | --seed | --built | --out | --allocators)
		[ $# -gt 1 ] || { usage >&2; exit 2; } ;;
	esac
	case $1 in
	--limit) limit_mib=$2; shift ;;
	--seconds) seconds=$2; shift ;;
	--rate) rate=$2; shift ;;
	--seed) seed=$2; shift ;;
	--built) built=$2; shift ;;
	--out) out=$2; shift ;;
	--allocators) allocators=$2; shift ;;
	--quick) limit_mib=192 seconds=3 fills=3 ;;
	--budget) budget=1 ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
for arg in "$limit_mib" "$seconds" "$rate" "$seed"; do
	[[ $arg =~ ^[0-9]{1,9}$ ]] || { usage >&2; exit 2; }
done
[ $((seconds * rate)) -gt 0 ] || { usage >&2; exit 2; }
[ "$limit_mib" -ge 96 ] || die "a limit below 96 MiB is less than the programs need"

for arg in $allocators; do
	[[ $arg =~ ^(malloc|jemalloc)$ ]] || die "--allocators: $arg: malloc or jemalloc"
done
# It is preloaded, since linked it would be everybody's malloc.
preload_jemalloc=libjemalloc.so.2
if LD_PRELOAD=$preload_jemalloc true 2>&1 | grep -q "$preload_jemalloc"; then
	[[ " $allocators " != *' jemalloc '* ]] || say "without jemalloc: no $preload_jemalloc here"
	allocators=${allocators//jemalloc/}
fi
runs=(libshrink off fixed)
for arg in $allocators; do
	runs+=("$arg")
done

limit=$((limit_mib << 20)) reads=$((seconds * rate))
# The mean value is 9.2 KiB: several times what the group can hold.
keys=$((limit_mib * 1024 * fills * 10 / 92))

check_machine() {
	local available name

	[ "$(cat /proc/sys/vm/panic_on_oom 2>/dev/null)" != 2 ] ||
		die "vm.panic_on_oom is 2: an OOM kill, which this demo causes, would take the machine down"
	while read -r name available _; do
		[ "$name" != MemAvailable: ] || break
	done </proc/meminfo
	[ "$available" -gt $((limit_mib * 1024 * 2)) ] ||
		die "the machine has only $((available / 1024)) MiB available, this needs $((limit_mib * 2))"
}

prepare() {
	if [ -z "$built" ]; then
		need_packages demo
		bootstrap
		configure_in "$top/build" --enable-werror
		build_in "$top/build" all
		built=$top/build
	fi
	server=$built/examples/kvcached/kvcached
	[ -x "$server" ] || die "$server was not built: is libevent-dev installed?"
	out=${out:-$built/demo}
	mkdir -p "$out" && rm -f "$out"/*.jsonl "$out"/*.log "$out"/*.tsv "$out"/verdict.* "$out"/*.svg
}

choose_mode() {
	if [ -z "$budget" ] && group_make "$limit" "libshrink-demo.$$"; then
		say "memory group ($group_kind), limit $limit_mib MiB: $group_dir"
		group_remove
		return
	fi
	budget=1
	say "no memory group here: ${group_reason:-asked for}"
	say "instead kvcached gets a budget of $limit_mib MiB for its own memory; without a group" \
		"there is no neighbour and nothing is killed"
}

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	trap '' INT TERM
	run_abort
	group_remove
}
check_machine
prepare
trap cleanup EXIT
trap 'printf "\n"; exit 130' INT
trap 'exit 143' TERM
choose_mode
table_head
run_one libshrink 0 auto "${budget:+rss_budget:$limit}"
run_one off 1 auto off
# what a careful operator sets today: it fits beside the neighbour, with air
run_one fixed 2 $((limit_mib * 3 / 8)) off
# evicted is not returned: the same with values in a heap
for arg in $allocators; do
	run_one "$arg" "${index:=3}" auto "${budget:+rss_budget:$limit}" "$arg"
	index=$((index + 1))
done
progress_end

(cd "$out" && awk -f "$top/scripts/demo-plot.awk" -v limit="$limit" -v budget="${budget:-0}" \
	"${runs[@]/%/.jsonl}") >"$out/demo.svg" || die "no plot"
awk -f "$top/scripts/demo-verdict.awk" -v json="$out/verdict.json" -v budget="${budget:-0}" \
	-v allocators="$allocators" \
	"$out/results.tsv"
rc=$?
printf '\nplot: %s\nfigures: %s\n' "$out/demo.svg" "$out/verdict.json"
exit $rc

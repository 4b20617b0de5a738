# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The demo, shortened: what it claims holds, and nothing of it stays behind. And that the
# benchmarks which use its parts run.
. "${top_srcdir:-$(dirname "$0")/..}/tests/tap.sh"
make_tmp
out=$tmp

# check NAME command...: passes if the command does
check()
{
	what=$1
	shift
	if "$@"; then pass "$what"; else fail "$what" "failed: $*"; fi
}

skip_all()
{
	echo "1..0 # SKIP $1"
	exit 0
}

command -v bash >/dev/null || skip_all "no bash"
[ -x "$top_builddir/examples/kvcached/kvcached" ] || skip_all "kvcached was not built (no libevent)"

demo()
{
	bash "$top_srcdir/scripts/demo.sh" --quick --built "$top_builddir" --out "$out" "$@"
}

refuses()
{
	! bash "$top_srcdir/scripts/demo.sh" --built "$top_builddir" --out "$out/none" "$@" 2>/dev/null
}

# figure RUN KEY, from the verdict
figure()
{
	sed -n "s/.*\"$1\":{[^}]*\"$2\":\([-0-9.]*\).*/\1/p" "$out/verdict.json"
}

is()
{
	test "$(figure "$1" "$2")" "$3" "$4"
}

# Has every run of the demo with this process id taken its groups and servers away?
nothing_left()
{
	[ -z "$(find /sys/fs/cgroup -maxdepth 6 -type d -name "libshrink-demo.$1" 2>/dev/null)" ] &&
		! kill -0 "$(cat "$out/server.pid")" 2>/dev/null
}

demo >"$out/log" 2>&1 </dev/null &
pid=$!
wait $pid
status=$?
sed 's/^/# /' "$out/log"
grep -q '^== memory group' "$out/log" || {
	reason=$(sed -n 's/^== no memory group here: //p' "$out/log")
	[ -n "$reason" ] && skip_all "$reason"
	reason=$(tail -n 1 "$out/log")
	case $reason in *available* | *panic_on_oom*) skip_all "$reason" ;; esac
}

check "the demo says that libshrink won" [ $status = 0 ]
check "with libshrink nothing is killed" is libshrink oom_kills -eq 0
check "without it the same load is killed" is off oom_kills -ge 1
check "the fixed size is safe" is fixed oom_kills -eq 0
# no verdict is asked of a heap, but that there is one, and that no value is harmed
others='malloc jemalloc'
grep -q '^== without jemalloc' "$out/log" && others=malloc
for run in $others; do
	check "with $run: a verdict of one line, with what came back" \
		[ "$(grep -cE "^with $run: .*( %|-) of what was evicted came back" "$out/log")" = 1 ]
done
for run in libshrink off fixed $others; do
	check "$run: every value passed its checksum" is $run bad -eq 0
	check "$run: no answer was garbled" is $run garbled -eq 0
	check "$run: values were read" is $run hits -ge 1000
done
check "libshrink gave memory back to the system" is libshrink returned -ge 1048576
check "an allocator that is none is refused" refuses --allocators tcmalloc
check "the plot is whole" grep -q '</svg>' "$out/demo.svg"
check "the verdict is one line" [ "$(grep -c '^verdict: libshrink won' "$out/log")" = 1 ]
check "no group and no server is left" nothing_left $pid

# Ctrl-C in the middle of a run. What a shell without job control starts in the
# background ignores SIGINT, hence one with it. Says "pid status".
interrupted()
{
	out=$out bash -c '
		set -m
		"$@" >"$out/log" 2>&1 </dev/null &
		for ((i = 0; i < 200; i++)); do
			grep -q " read " "$out/log" && break
			sleep 0.1
		done
		kill -INT $!
		wait $!
		echo $! $?
	' - bash "$top_srcdir/scripts/demo.sh" --quick --built "$top_builddir" --out "$out" \
		2>/dev/null
}
set -- $(interrupted)
check "SIGINT ends it as such" [ "$2" = 130 ]
check "after SIGINT no group and no server is left" nothing_left "$1"

# The benchmarks start the server as the demo does: one of them, hardly any samples.
BENCH_SAMPLES=1000 bash "$top_srcdir/scripts/bench.sh" --built "$top_builddir" pause \
	>"$out/bench" 2>&1 </dev/null
status=$?
check "a benchmark of the server runs" [ $status = 0 ]
check "and says what it measured" grep -q '^kvcached, 1000 requests: p99.9, .* us ' "$out/bench"
done_testing

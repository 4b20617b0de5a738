# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
# One run of the demo: server, load, neighbour, live table. Sourced by demo.sh,
# whose limit, budget, seconds, rate, reads, seed, keys, server, runs, built and out it uses.

serve_pid='' hog_pid='' load_pid='' ticks=''
tty=''
[ -t 1 ] && tty=1

# serve LOG arguments...: keeps the server up, as a supervisor would: one that was
# killed is started again at once. Runs in the background.
serve() {
	local log=$1 pid rc n

	shift
	trap 'kill "$pid" 2>/dev/null; wait "$pid"; exit 0' TERM
	for ((n = 0; n < 50; n++)); do
		(
			trap - TERM
			[ -z "$group_dir" ] || group_enter 500 || exit 126
			exec "$@"
		) >>"$log" 2>&1 &
		pid=$!
		printf '%s\n' "$pid" >"$out/server.pid"
		wait "$pid"
		rc=$?
		printf 'server ended with status %d\n' "$rc" >>"$log"
		[ $rc = 137 ] || exit 1
	done
}

answers() {
	{ : <"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null
}

# Sets port to one that nobody answers on.
pick_port() {
	local n

	for ((n = 0; n < 100; n++)); do
		port=$((20000 + RANDOM % 20000))
		answers "$port" || return 0
	done
	die "no free port"
}

# start_server RUN -m-VALUE LIBSHRINK_CONF [ALLOCATOR]: another port if this one was taken
start_server() {
	local run=$1 megabytes=$2 allocator=${4:-pool} environment=(LIBSHRINK_CONF="$3") n

	[ "$allocator" != jemalloc ] || environment+=(LD_PRELOAD="$preload_jemalloc")

	for _ in 1 2 3; do
		pick_port
		serve "$out/$run.server.log" env "${environment[@]}" \
			"$server" -l 127.0.0.1 -p "$port" -t 2 -m "$megabytes" \
			--allocator="$allocator" 2>/dev/null &
		serve_pid=$!
		for ((n = 0; n < 100; n++)); do
			answers "$port" && return
			kill -0 "$serve_pid" 2>/dev/null || break
			sleep 0.05
		done
		run_abort
	done
	tail -n 5 "$out/$run.server.log" >&2
	die "kvcached did not start, see $out/$run.server.log"
}

start_load() {
	local run=$1 where=()

	# a number of reads, so that a machine that stands still for a moment takes
	# none of them away; the time only bounds it

	if [ -n "$group_dir" ]; then
		where=(-g "$group_dir")
		[ ! -r "$group_psi_dir/memory.pressure" ] || where+=(-p "$group_psi_dir/memory.pressure")
	else
		where=(-P "$(<"$out/server.pid")" -B "$limit")
	fi
	exec {ticks}< <(exec "$built/tools/kvload/kvload" -s "127.0.0.1:$port" -t 1 -c 16 \
		-k "$keys" -F 30 -n "$reads" -S $((seconds * 3)) -r "$rate" -z 0.9 -x "$seed" -i 250 "${where[@]}" \
		2>"$out/$run.load.log")
	load_pid=$!
}

# The neighbour; its killing is told by status 9, not by a line of bash's.
start_hog() {
	(
		trap 'kill "$pid" 2>/dev/null; wait "$pid"; exit 0' TERM
		(
			trap - TERM
			group_enter 1000 || exit 126
			exec "$built/tools/kvload/kvhog" -b $((limit / 2)) -H "$hog_hold_msec" -g "$group_dir"
		) &
		pid=$!
		wait "$pid"
		[ $? != 137 ] || exit 9
	) >"$out/$1.hog.jsonl" 2>"$out/$1.hog.log" &
	hog_pid=$!
}

# Ends what this run started, however far it got.
run_abort() {
	local pid

	for pid in $hog_pid $load_pid $serve_pid; do
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in $hog_pid $load_pid $serve_pid; do
		wait "$pid" 2>/dev/null
	done
	hog_pid='' load_pid='' serve_pid=''
	[ -z "$ticks" ] || exec {ticks}<&-
	ticks=''
}

# value KEY: of the flat JSON object in $line; -1 = unknown
value() {
	[[ $line =~ \"$1\":\"?([^,\"}]*) ]] && REPLY=${BASH_REMATCH[1]} || REPLY=-1
}

mib() {
	value "$1"
	[[ $REPLY =~ ^- ]] && REPLY=- || REPLY=$((REPLY >> 20))
}

# 0.8312 -> 83.1
percent() {
	local n

	value "$1"
	n=$((10#${REPLY/./} / 10))
	printf -v REPLY '%d.%d' $((n / 10)) $((n % 10))
}

msec() {
	local n

	value "$1"
	n=$((${REPLY%.*} / 10))
	printf -v REPLY '%d.%02d' $((n / 100)) $((n % 100))
}

level_name() {
	value level
	case $REPLY in
	0) REPLY=normal ;;
	100) REPLY=low ;;
	200) REPLY=medium ;;
	300) REPLY=critical ;;
	*) REPLY=- ;;
	esac
}

table_head() {
	printf '\n%-9s %5s %-5s %9s %6s %7s %9s %7s %8s %6s %9s %-8s %s\n' \
		run s phase 'usage MiB' 'stall%' items 'cache MiB' freed returned 'hits%' 'pause ms' \
		level neighbour
}

# Stall is the part of the last quarter second in which some task waited for memory.
table_row() {
	local run=$1 row=() stall neighbour=''

	value t; row+=("${REPLY%??}")
	value phase; row+=("$REPLY")
	mib usage; row+=("$REPLY")
	value psi_usec; stall=-
	[ "$REPLY" -lt 0 ] || stall=$((REPLY / 2500))
	row+=("$stall")
	value items; [ "$REPLY" -ge 0 ] || REPLY=-
	row+=("$REPLY")
	mib bytes; row+=("$REPLY")
	mib freed; row+=("$REPLY")
	mib returned; row+=("$REPLY")
	percent hit_rate; row+=("$REPLY")
	msec max_usec; row+=("$REPLY")
	level_name; row+=("$REPLY")
	[ -z "$hog_pid" ] || ! kill -0 "$hog_pid" 2>/dev/null || neighbour="takes $((limit >> 21)) MiB"
	printf '%s%-9s %5s %-5s %9s %6s %7s %9s %7s %8s %6s %9s %-8s %s\n' \
		"${tty:+$'\r\e[K'}" "$run" "${row[@]}" "$neighbour"
}

# progress RUN-INDEX: a quarter of a run is its fill
progress() {
	local index=$1 done_ width=40 bar

	[ -n "$tty" ] || return 0
	value filled
	done_=$((250 * REPLY / (keys + 1) + 750 * gets / reads))
	[ "$done_" -le 1000 ] || done_=1000
	done_=$(((index * 1000 + done_) * width / (${#runs[@]} * 1000)))
	printf -v bar '%*s' "$done_" ''
	printf '\r\e[K[%s%*s] %d%%' "${bar// /#}" $((width - done_)) '' $((done_ * 100 / width))
}

progress_end() {
	[ -z "$tty" ] || printf '\r\e[K'
	printf '\n'
}

over_budget() {
	value usage
	[ "$REPLY" -le "$limit" ] || over=$((over + 1))
}

# Follows the load's lines until its last one, which stays in $line. After a
# quarter of the reads comes the neighbour.
follow() {
	local run=$1 index=$2 n=0 gets=0

	while IFS= read -r -u "$ticks" line; do
		printf '%s\n' "$line" >>"$out/$run.jsonl"
		value type
		[ "$REPLY" = tick ] || return 0
		value gets
		gets=$((gets + REPLY))
		[ -n "$hog_pid" ] || [ -z "$group_dir" ] || [ $gets -lt $((reads / 4)) ] ||
			start_hog "$run"
		[ -z "$budget" ] || over_budget
		[ $((n++ % 4)) != 0 ] || table_row "$run"
		progress "$index"
	done
	return 1
}

# result RUN KEY VALUE
result() {
	printf '%s\t%s\t%s\n' "$@" >>"$out/results.tsv"
}

results() {
	local run=$1 key restarts hog_killed=0

	[ -z "$hog_pid" ] || {
		wait "$hog_pid"
		[ $? != 9 ] || hog_killed=1
	}
	hog_pid=''
	for key in oom_kills limit_hits gets hits hit_rate bytes items max_usec p50_usec p99_usec bad \
		garbled lost refused unanswered freed returned usage; do
		value "$key"
		[ -z "$budget" ] || [ "$key" != limit_hits ] || REPLY=$over
		result "$run" "$key" "$REPLY"
	done
	restarts=$(grep -c 'status 137' "$out/$run.server.log")
	result "$run" server_kills "${restarts:-0}"
	result "$run" neighbour_kills "$hog_killed"
	cat "$out/$run.hog.jsonl" >>"$out/$run.jsonl" 2>/dev/null
}

# run_one NAME INDEX -m-VALUE LIBSHRINK_CONF [ALLOCATOR]
run_one() {
	local run=$1 index=$2 line='' hog_hold_msec=$((seconds * 250)) port over=0

	if [ -z "$budget" ]; then
		group_make "$limit" "libshrink-demo.$$" || die "the memory group went away: $group_reason"
	fi
	start_server "$run" "$3" "$4" "${5:-pool}"
	start_load "$run"
	follow "$run" "$index" || die "the load ended early, see $out/$run.load.log"
	wait "$load_pid"
	load_pid=''
	results "$run"
	run_abort
	group_remove
}

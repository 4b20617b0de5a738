#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Runs guest tests and prints TAP. Tests that want the same machine share a boot; the
# kernels run beside each other.
# shellcheck disable=SC2015,SC2030,SC2031,SC2034,SC2154 # sourced files, A && B || { }
set -u -o pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P) || exit 99
top_srcdir=${top_srcdir:-${here%/tests/guest}}
top_builddir=${top_builddir:-$PWD}
# shellcheck source=tests/guest/kernel.sh
. "$here/kernel.sh"
# shellcheck source=tests/guest/headers.sh
. "$here/headers.sh"
# shellcheck source=tests/guest/image.sh
. "$here/image.sh"
# shellcheck source=tests/guest/boot.sh
. "$here/boot.sh"

usage() {
	cat <<'END'
usage: tests/guest/run.sh [-k 6.1|6.12] [-l LIST] [NAME...]
       tests/guest/run.sh --shell 6.1|6.12 [PROGRAM...]
       tests/guest/run.sh --refresh

Run in a build folder. Runs the tests of LIST (default: tests/guest/list), or those
named, in guests, and prints TAP.

  -k SERIES   with this kernel only
  --shell     a shell in a guest, with the programs in /build; ctrl-a x ends QEMU
  --refresh   asks for newer kernels than those in the cache
END
}

list=$here/list
work=$top_builddir/tests/guest/run.$$
only=()
series_wanted=''

# What must be there to run a guest at all; prints what is not.
missing_tools() {
	local tool

	for tool in qemu-system-x86_64 busybox cpio modinfo depmod ldd lz4 xz; do
		PATH=$PATH:/sbin:/usr/sbin command -v "$tool" >/dev/null || printf '%s ' "$tool"
	done
}

# Every line of the list is one that can be run.
check_list() {
	local name kernels nodes memory swap seconds rest series

	while read -r name kernels nodes memory swap seconds rest; do
		case $name in '' | '#'*) continue ;; esac
		[[ $nodes =~ ^[1-8]$ && $memory =~ ^[0-9]+[MG](,[a-z0-9_.=]+)*$ && $swap =~ ^(none|[0-9]+[MG])$ &&
			$seconds =~ ^[0-9]+$ && -n $rest ]] || {
			echo "$list: not a test: $name" >&2
			return 1
		}
		for series in ${kernels//,/ }; do
			[ -n "${kernel_packages[$series]:-}" ] || {
				echo "$list: $name: no such series of kernels: $series" >&2
				return 1
			}
		done
	done <"$list"
}

# The list's lines for a kernel: nodes memory swap seconds name program [args] [: programs]
tests_of() {
	local series=$1 name kernels nodes memory swap seconds rest

	while read -r name kernels nodes memory swap seconds rest; do
		case $name in '' | '#'*) continue ;; esac
		[[ ",$kernels," == *",$series,"* ]] || continue
		[ ${#only[@]} = 0 ] || [[ " ${only[*]} " == *" $name "* ]] || continue
		printf '%s\n' "$nodes $memory $swap $seconds $name $rest"
	done <"$list"
}

wanted_series() {
	local name kernels

	while read -r name kernels _; do
		case $name in '' | '#'*) continue ;; esac
		tr , '\n' <<<"$kernels"
	done <"$list" | sort -uV | grep -xE "${series_wanted:-.*}"
}

# group_tests FILE: makes FILE.tests for the guest's init, and prints the programs
group_tests() {
	local swap seconds name rest command

	: >"$1.tests"
	while read -r _ _ swap seconds name rest; do
		command=${rest%% : *}
		printf '%s %s %s /build/%s\n' "$name" "$swap" "$seconds" "$command" >>"$1.tests"
		printf '%s\n' "${command%% *}"
		[ "$command" = "$rest" ] || tr -s ' ' '\n' <<<"${rest#* : }"
	done <"$1"
}

# What a failed guest's kernel has said, as comments.
show_console() {
	echo "# $boot_reason"
	tr -d '\r' <"$1" | grep -v '^ *$' | tail -n 40 | sed 's/^/# console: /'
	sed 's/^/# qemu: /' "$1.qemu" 2>/dev/null
}

report() {
	awk -v prefix="$1 $2" -v wanted="$2" -f "$here/tap.awk" "$3"
}

# fail_all SERIES TESTS REASON
fail_all() {
	local name

	while read -r _ _ _ _ name _; do
		echo "not ok - $1 $name: $3"
	done <"$2"
}

# Boots for the tests in FILE; a guest that dies takes one test with it, those behind
# it get another boot.
run_group() {
	local series=$1 file=$2 nodes memory programs name done_now

	read -r nodes memory _ <"$file"
	while read -r _ _ _ seconds name _; do
		boot_seconds[$name]=$seconds
	done <"$file"
	while [ -s "$file" ]; do
		mapfile -t programs < <(group_tests "$file" | sort -u)
		image_make "$file.image" "$kernel_dir" tests/guest/leave tests/tap.sh \
			tests/guest/guest.sh "${programs[@]}" 2>"$file.err" &&
			cp "$file.tests" "$file.image.root/tests" &&
			image_pack "$file.image" || {
			fail_all "$series" "$file" "no image: $(tail -n 1 "$file.err")"
			return
		}
		boot "$kernel_dir" "$file.image" "$nodes" "$memory" "$file.out" "$file.console" ||
			show_console "$file.console"
		done_now=0
		while read -r _ _ _ _ name _; do
			# not through a pipe: grep ends at the match, and pipefail would
			# make a failure of what writes on
			grep -qxF "@begin $name" <(tr -d '\r' <"$file.out") || break
			report "$series" "$name" "$file.out"
			done_now=$((done_now + 1))
		done <"$file"
		[ $done_now -gt 0 ] || {
			fail_all "$series" "$file" "${boot_reason:-no test was begun}"
			return
		}
		sed -i "1,${done_now}d" "$file"
	done
}

run_series() {
	local series=$1 dir=$work/$1 machine file

	mkdir -p "$dir"
	tests_of "$series" >"$dir/all"
	[ -s "$dir/all" ] || return
	kernel_get "$series" || {
		while read -r _ _ _ _ name _; do
			echo "ok - $series $name # SKIP $kernel_reason"
		done <"$dir/all"
		return
	}
	echo "# $series is ${kernel_dir##*/}"
	while read -r machine; do
		file=$dir/${machine// /-}
		grep -- "^$machine " "$dir/all" >"$file"
		run_group "$series" "$file"
	done < <(awk '{ print $1, $2 }' "$dir/all" | sort -u)
}

# shellcheck disable=SC2317 # called by the trap
finish() {
	[ -z "$boot_pid" ] || kill -KILL "$boot_pid" 2>/dev/null
	[ ${#running[@]} = 0 ] || kill "${running[@]}" 2>/dev/null
	[ -n "${LIBSHRINK_GUEST_KEEP:-}" ] || rm -rf "$work"
}

number() {
	awk '/^(not )?ok - / { sub(/ - /, " " ++n "&"); bad += /^not/ }
	     { print; fflush() }
	     END { print "1.." n + 0; exit n == 0 || bad != 0 }'
}

shell_in() {
	local series=$1

	shift
	kernel_get "$series" || { echo "$kernel_reason" >&2; exit 1; }
	boot_clock="-accel tcg,thread=multi" # as it is for who sits before it
	mkdir -p "$work"
	image_make "$work/image" "$kernel_dir" tests/guest/leave tests/tap.sh \
		tests/guest/guest.sh "$@" && : >"$work/image.root/interactive" &&
		image_pack "$work/image" || exit 1
	(boot_qemu "$kernel_dir" "$work/image" 2 1G -serial mon:stdio -serial "file:$work/out")
}

run_all() {
	local series

	for series in $(wanted_series); do
		(
			running=()
			trap finish EXIT
			trap 'exit 99' INT TERM HUP
			work=$work/job.$series
			run_series "$series" >"$work.tap"
		) &
		running+=($!)
	done
	wait
	cat "$work"/job.*.tap
}

running=()
trap finish EXIT
trap 'exit 99' INT TERM HUP
while [ $# -gt 0 ]; do
	case $1 in
	-k) series_wanted=${2:?}; shift ;;
	-l) list=${2:?}; shift ;;
	--shell) shift; shell_in "$@"; exit ;;
	--refresh)
		for series in "${!kernel_packages[@]}"; do
			kernel_get "$series" refresh || echo "$kernel_reason" >&2
			echo "$series: ${kernel_dir##*/}"
		done
		exit
		;;
	-h | --help) usage; exit 0 ;;
	-*) usage >&2; exit 2 ;;
	*) only+=("$1") ;;
	esac
	shift
done
missing=$(missing_tools)
[ -z "$missing" ] || {
	echo "1..0 # SKIP no guests without ${missing% }"
	exit 0
}
check_list || exit 99
mkdir -p "$work"
run_all | number

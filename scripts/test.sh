#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Builds libshrink and runs its tests; installs what is missing when root.
set -u -o pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P) || exit 1
# shellcheck source=scripts/lib.sh
. "$top/scripts/lib.sh"

usage() {
	cat <<'END'
usage: scripts/test.sh [--quick] [--guest | --no-guest] [-h]

Installs what is missing (as root; otherwise says what to type), bootstraps,
configures, builds in build/ and runs the whole suite; then the tests under other
kernels, in QEMU (tests/guest/README.md), which are skipped, and say why, where
that or the kernels cannot be had; then chosen test programs again in builds with
ThreadSanitizer (build/tsan) and with AddressSanitizer and UBSan (build/asan). The
last line is "N passed, N failed, N skipped".

  --quick      without guests and sanitizer builds
  --guest      with guests, also with --quick
  --no-guest   without guests
  -h           this text
END
}

quick= guest='unless quick'
for arg; do
	case $arg in
	--quick) quick=1 ;;
	--guest) guest=yes ;;
	--no-guest) guest= ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
done

tty=
[ -t 1 ] && tty=1
passed=0 failed=0 skipped=0
failures=()

# collect LABEL DIR: adds up what automake's TAP driver left in DIR's .trs files,
# and takes the names of what failed from the output
collect() {
	local label=$1 dir=$2 trs result

	while IFS= read -r trs; do
		while read -r _ result; do
			case $result in
			PASS | XFAIL) passed=$((passed + 1)) ;;
			SKIP) skipped=$((skipped + 1)) ;;
			*) failed=$((failed + 1)) ;;
			esac
		done < <(grep '^:test-result: ' "$trs")
	done < <(results "$dir" "$dir/check.began")
	while IFS= read -r result; do
		failures+=("$label$result")
	done < <(grep -E '^(FAIL|ERROR|XPASS): ' "$dir/check.log")
}

# What a program that failed has said last, which nobody who sees but this output
# (as in CI) could ask for again.
tell_failures() {
	local dir=$1 trs

	while IFS= read -r trs; do
		grep -qE '^:test-result: (FAIL|ERROR|XPASS)' "$trs" || continue
		printf -- '-- %s\n' "${trs%.trs}.log"
		grep -nE -B 3 -A 12 '^not ok|ERROR:|WARNING: ThreadSanitizer|runtime error:' \
			"${trs%.trs}.log" | head -n 60
		printf -- '-- its end\n'
		tail -n 12 "${trs%.trs}.log"
	done < <(results "$dir" "$dir/check.began")
}

# results DIR [FILE]: those that are newer. Other builds lie inside build/: each counts
# its own only.
results() {
	find "$1" -mindepth 1 -type d -exec test -e '{}/config.status' \; -prune -o \
		-name '*.trs' ${2:+-newer "$2"} -print | sort
}

# forget DIR: results of an earlier run go, so that a test which has gone away is not
# counted
forget() {
	local trs

	results "$1" | while IFS= read -r trs; do rm -f "$trs" "${trs%.trs}.log"; done
}

# What failed, as it fails, and on a terminal how far it is.
watch_tests() {
	local line n=0

	while IFS= read -r line; do
		case $line in
		FAIL:* | ERROR:* | XPASS:*) printf '%s%s\n' "${tty:+$'\r\e[K'}" "$line" ;;
		PASS:* | SKIP:* | XFAIL:*) ;;
		*) continue ;;
		esac
		n=$((n + 1))
		[ -z "$tty" ] || printf '\r\e[K%d tests' "$n"
	done
	[ -z "$tty" ] || printf '\r\e[K'
}

# run_tests LABEL DIR make-arguments...
run_tests() {
	local label=$1 dir=$2 before=$((passed + failed + skipped)) rc=0

	shift 2
	touch "$dir/check.began"
	say "tests of ${dir#"$top"/}${label:+ (${label%: })}"
	make -C "$dir" "$@" </dev/null 2>&1 | tee "$dir/check.log" | watch_tests || rc=$?
	collect "$label" "$dir"
	tell_failures "$dir"
	[ $rc = 0 ] || [ ${#failures[@]} -gt 0 ] || {
		tail -n 40 "$dir/check.log"
		failed=$((failed + 1))
		failures+=("${label}make failed, see $dir/check.log")
	}
	[ $((passed + failed + skipped)) -gt "$before" ] || {
		failed=$((failed + 1))
		failures+=("${label}no test ran in $dir")
	}
}

# list_of NAME: the tests that Makefile.am has for it
list_of() {
	make -s -C "$top/build" "print-$1-tests" </dev/null || die "no tests for $1"
}

# sanitized NAME LIST: builds and runs the test programs that Makefile.am has for it
sanitized() {
	local dir=$top/build/$1 tests

	configure_in "$dir" --disable-shared --enable-sanitizer="$2"
	tests=$(list_of "$1") || exit 1
	# shellcheck disable=SC2086 # a list of words
	build_in "$dir" $tests
	forget "$dir"
	run_tests "$1: " "$dir" -j"$(jobs)" check-TESTS TESTS="$tests"
}

need_packages test
bootstrap
configure_in "$top/build" --enable-werror
build_in "$top/build" all
build_in "$top/build" check TESTS= # the test programs, by all processors
forget "$top/build"
run_tests "" "$top/build" -j"$(jobs)" check-TESTS TESTS="$(list_of together)"
run_tests "alone: " "$top/build" check-TESTS TESTS="$(list_of alone)"
if [ "$guest" = yes ] || [ -z "$quick" ] && [ -n "$guest" ]; then
	want_packages guest
	run_tests "guest: " "$top/build" check-guest
fi
if [ -z "$quick" ]; then
	export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}"
	export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
	sanitized tsan thread
	sanitized asan address,undefined
fi

if [ ${#failures[@]} -gt 0 ]; then
	printf '\nfailed:\n'
	printf '  %s\n' "${failures[@]}"
fi
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]

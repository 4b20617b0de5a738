#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Lets the fuzzers loose: each FUZZ_SECONDS long (default 5), from its corpus. FUZZ names
# those to run, all by default. What they find is left in build/fuzz: inputs that fail as
# NAME-crash-*, inputs that reach new code in NAME/.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/tap.sh"
clang=${CLANG:-clang}
seconds=${FUZZ_SECONDS:-5}
dir=$top_builddir/fuzz
flags="-std=gnu11 -g -O1 -D_GNU_SOURCE -pthread -fno-sanitize-recover=all"
flags="$flags -I$top_srcdir/include -I$top_builddir/include -I$top_srcdir -I$top_builddir"

skip_all()
{
	echo "1..0 # SKIP $1"
	exit 0
}

# What a fuzzer is linked with: the words behind "with:" in its first comment, below
# libshrink/ where there is such a file.
parts()
{
	sed -n 's/^ \* with: \(.*\)$/\1/p' "$1" | sed 's| \*/$||' | tr ' ' '\n' |
		while read -r file; do
			if [ -f "$top_srcdir/libshrink/$file" ]; then
				echo "libshrink/$file"
			else
				echo "$file"
			fi
		done
}

# compile FILE: once for all fuzzers, into an object whose name is echoed
compile()
{
	object=$dir/obj/$(echo "$1" | tr '/' '_').o
	if [ ! -f "$object" ] || [ -n "$(find "$top_srcdir/$1" -newer "$object")" ]; then
		# shellcheck disable=SC2086
		"$clang" $flags -fsanitize=fuzzer-no-link,address,undefined \
			-c "$top_srcdir/$1" -o "$object" || return 1
	fi
	echo "$object"
}

build()
{
	objects=
	for file in $(parts "$top_srcdir/tests/fuzz/fuzz-$1.c"); do
		object=$(compile "$file") || return 1
		objects="$objects $object"
	done
	# shellcheck disable=SC2086
	"$clang" $flags -fsanitize=fuzzer,address,undefined -o "$dir/fuzz-$1" \
		"$top_srcdir/tests/fuzz/fuzz-$1.c" $objects
}

run()
{
	mkdir -p "$dir/$1"
	"$dir/fuzz-$1" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=1024 \
		-verbosity=0 -print_final_stats=1 -artifact_prefix="$dir/$1-" \
		"$dir/$1" "$top_srcdir/tests/data/fuzz/$1" >"$dir/$1.log" 2>&1
}

command -v "$clang" >/dev/null || skip_all "no clang, which brings libFuzzer"
mkdir -p "$dir/obj" || exit 99
echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n > 9; }' >"$dir/obj/try.c"
"$clang" -fsanitize=fuzzer,address,undefined -o "$dir/obj/try" "$dir/obj/try.c" 2>/dev/null ||
	skip_all "this clang has no libFuzzer"

for file in "$top_srcdir"/tests/fuzz/fuzz-*.c; do
	name=$(basename "$file" .c)
	name=${name#fuzz-}
	[ -z "$FUZZ" ] || case " $FUZZ " in *" $name "*) ;; *) continue ;; esac
	if ! build "$name" >"$dir/$name.log" 2>&1; then
		fail "$name: builds" "$(tail -n 20 "$dir/$name.log")"
	elif run "$name"; then
		pass "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$dir/$name.log")\
 inputs, $(find "$dir/$name" -type f | wc -l) of them kept"
	else
		fail "$name" "$(tail -n 30 "$dir/$name.log")"
	fi
done
done_testing

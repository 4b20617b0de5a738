#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# G2: the vectors of both variants and the slices recorded from a live kernel,
# through the real core; and the two runners themselves: they take any file of
# the format, and a wrong number anywhere is a failure.
. "$(dirname "$0")/tap.sh"
make_tmp
data=$top_srcdir/tests/data

# run RUNNER FILE: its last line and exit status; $tmp/out has all of it
run()
{
	"$top_builddir/tests/$1" "$2" >"$tmp/out" 2>&1
	status=$?
	echo "$(tail -n 1 "$tmp/out"), exit $status"
}

# rows_of FILE: how many it holds
rows_of()
{
	grep -vc '^#' "$1"
}

# whole NAME RUNNER FILE: every row passes
whole()
{
	same "$1" "$(run "$2" "$3")" "$(rows_of "$3") passed, 0 failed, exit 0"
	sed -n 's/^[0-9]* rows with a concurrent add$/# &/p' "$tmp/out"
}

# broken NAME RUNNER ROW: a file of this single row fails
broken()
{
	printf '%b\n' "$3" | tr ' ' '\t' >"$tmp/row.tsv"
	same "$1" "$(run "$2" "$tmp/row.tsv")" "0 passed, 1 failed, exit 1"
	grep -q "row.tsv:1: " "$tmp/out" || fail "$1: its line is named" "$(cat "$tmp/out")"
}

# good NAME RUNNER ROW
good()
{
	printf '%b\n' "$3" | tr ' ' '\t' >"$tmp/row.tsv"
	same "$1" "$(run "$2" "$tmp/row.tsv")" "1 passed, 0 failed, exit 0"
}

whole "G2: vectors of both variants" run-vectors "$data/vectors.tsv"
whole "G2: slices recorded from a live kernel" run-slices "$data/kernel-slices.tsv"

# the format
for f in vectors kernel-slices; do
	{
		printf '\r\n# a comment\r\n\r\n'
		sed 's/$/\r/' "$data/$f.tsv"
		printf '\n   \n'
	} >"$tmp/$f.tsv"
done
whole_crlf()
{
	same "$1" "$(run "$2" "$tmp/$3.tsv")" "$(rows_of "$data/$3.tsv") passed, 0 failed, exit 0"
}
whole_crlf "vectors with CRLF and blank lines" run-vectors vectors
whole_crlf "slices with CRLF and blank lines" run-slices kernel-slices

# numbers that our files do not hold
v=run-vectors
good "negative backlog" $v "N1 1000000 12 2 0 -5000 all linux-5.13 488 486 3x128 384 384 0"
good "negative backlog, old" $v "N2 1000000 12 2 0 -400 all linux-5.0 488 88 - 0 0 88"
good "a count of 2^62 - 1" $v \
	"H1 4611686018427387903 12 2 1125899906842624 0 all linux-5.13 2251799813685246 \
2251799813685246 1125899906842624 1125899906842624 1125899906842624 1125899906842622"
good "batch 2^31, seeks 2^31-1" $v \
	"H2 4398046511104 0 1 2147483648 0 none linux-5.13 17592186044416 8796093022208 \
4096x2147483648 0 8796093022208 8796093022208"
good "seeks 2^31-1" $v "H3 4398046511104 0 2147483647 0 7 all linux-5.13 8192 8199 64x128 8192 8192 7"
good "calls not in runs" $v "C1 1000000 12 2 0 0 all linux-5.13 488 488 128,2x128 384 384 104"
good "hexadecimal" $v "C2 0xf4240 12 2 0 0 all linux-5.13 0x1e8 488 3x128 384 384 104"

s=run-slices
good "slice: negative backlog" $s "12 2 -5000 1000000 488 486 102 0 0"
good "slice: batch of 1024" $s "4 2 30556 20009 2500 4409 313 28960 4100"
good "slice: refused at once" $s "0 2 224092 112046 224092 224092 224092 224092 0"
good "slice: refused in between" $s "0 2 0 10000 20000 20000 19744 19744 256"
good "slice: a last call that looks at more" $s "12 2 0 1000000 488 488 -24 0 300"
good "slice: looked at less than a batch" $s "12 2 0 1000000 488 488 477 477 1"
good "slice: huge" $s "12 2 0 4611686018427387903 2251799813685246 2251799813685246 \
2251799813685246 2251799813685246 0"
good "slice: somebody defers meanwhile" $s "12 2 0 1000000 488 488 104 1104 384"
same "slice: and it is said" "$(grep -c '^1 rows with a concurrent add$' "$tmp/out")" 1
good "slice: somebody defers, nothing is scanned" $s "12 2 0 1000 0 0 0 17 0"

# every column is looked at
broken "vector: delta" $v "T06 1000000 12 2 0 0 all linux-5.13 489 488 3x128 384 384 104"
broken "vector: total_scan" $v "T06 1000000 12 2 0 0 all linux-5.13 488 487 3x128 384 384 104"
broken "vector: calls" $v "T06 1000000 12 2 0 0 all linux-5.13 488 488 2x128 384 384 104"
broken "vector: longer calls" $v "T06 1000000 12 2 0 0 all linux-5.13 488 488 3x128,1 384 384 104"
broken "vector: no calls" $v "T06 1000000 12 2 0 0 all linux-5.13 488 488 - 384 384 104"
broken "vector: freed" $v "T06 1000000 12 2 0 0 all linux-5.13 488 488 3x128 385 384 104"
broken "vector: scanned" $v "T06 1000000 12 2 0 0 all linux-5.13 488 488 3x128 384 383 104"
broken "vector: deferred_after" $v "T06 1000000 12 2 0 0 all linux-5.13 488 488 3x128 384 384 105"
broken "vector: the other variant" $v "T19 1000000 12 2 0 1000 all linux-5.0 488 488 3x128 384 384 1104"
broken "vector: computed though count ended it" $v "T01 0 12 2 0 777 all linux-5.13 0 0 - 0 0 777"
broken "vector: EMPTY is not 0" $v "T02 EMPTY 12 2 0 777 all linux-5.13 - - - 0 0 777"
broken "slice: delta" $s "12 2 22622 160326 79 83 83 22700 0"
broken "slice: total_scan" $s "12 2 22622 160326 78 84 84 22700 0"
broken "slice: deferred_after too low" $s "12 2 22622 160326 78 83 83 22699 0"
broken "slice: freed without a call" $s "12 2 0 1000 0 0 0 0 5"
broken "slice: work given back" $s "12 2 22622 160326 78 83 84 22700 0"

# rows that cannot be read
broken "vector: too few columns" $v "T06 1000000 12 2 0 0 all linux-5.13 488 488 3x128 384 384"
broken "vector: too many columns" $v "T06 1000000 12 2 0 0 all linux-5.13 488 488 3x128 384 384 104 1"
broken "vector: priority 13" $v "T06 1000000 13 2 0 0 all linux-5.13 488 488 3x128 384 384 104"
broken "vector: priority -1" $v "T06 1000000 -1 2 0 0 all linux-5.13 488 488 3x128 384 384 104"
broken "vector: negative seeks" $v "T06 1000000 12 -2 0 0 all linux-5.13 488 488 3x128 384 384 104"
broken "vector: no number" $v "T06 1e6 12 2 0 0 all linux-5.13 488 488 3x128 384 384 104"
broken "vector: a number of 65 bits" $v "T06 18446744073709551616 12 2 0 0 all linux-5.13 0 0 - 0 0 0"
broken "vector: unknown scan" $v "T06 1000000 12 2 0 0 some linux-5.13 488 488 3x128 384 384 104"
broken "vector: unknown variant" $v "T06 1000000 12 2 0 0 all linux-4.15 488 488 3x128 384 384 104"
broken "vector: calls of nothing" $v "T06 1000000 12 2 0 0 all linux-5.13 488 488 3x 384 384 104"
broken "slice: too few columns" $s "12 2 22622 160326 78 83 83 22700"
broken "slice: priority 13" $s "13 2 22622 160326 78 83 83 22700 0"
broken "slice: nothing freeable" $s "12 2 22622 0 78 83 83 22700 0"
broken "slice: no number" $s "12 2 22622 160326 78 83 x 22700 0"

: >"$tmp/empty.tsv"
same "a file without rows proves nothing" "$(run $v "$tmp/empty.tsv")" "0 passed, 0 failed, exit 1"
"$top_builddir/tests/$s" "$tmp/none.tsv" >"$tmp/out" 2>&1
same "no such file" "$?" 2
done_testing

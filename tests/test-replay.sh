#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The replay tool: its input and output, and what it says of the policies: an lruvec
# with working set serves no generated trace worse than exact LRU, and scans and loops
# clearly better.
. "${top_srcdir:-$(dirname "$0")/..}/tests/tap.sh"
make_tmp
replay=$top_builddir/tools/replay/shrink-replay
gen=$top_builddir/tests/gen-trace

printf '0,a,10\n1,b,10\n2,a,10\nno line\n3,,10\n1,a,10\n4,a,0\n5,c,10,t\n6,c,10\n7,c,10,t\n' \
	>"$tmp/small.csv"
out=$("$replay" -s 100 "$tmp/small.csv" 2>"$tmp/err")
same "a small trace" "$(echo "$out" | head -n 1)" \
	"6 requests, 4 keys, footprint 40 bytes, 4 bad lines"
same "hits by hand" "$(echo "$out" | awk '$3 == "lru" { print $4 }')" 0.3333
same "bad lines are named" "$(sed -n 's/^shrink-replay: .*small.csv:\([0-9]*\): .*/\1/p' \
	"$tmp/err" | tr '\n' ' ')" "4 5 6 7 "
same "standard input" "$("$replay" -s 100 - <"$tmp/small.csv" 2>/dev/null)" "$out"
same "one byte too small for any object" \
	"$("$replay" -s 9 "$tmp/small.csv" 2>/dev/null | awk 'NR > 2 { n += $4 } END { print n }')" 0
if [ -n "$PYTHON3" ]; then
	same "JSON" "$("$replay" -j -s 50%,100 "$tmp/small.csv" 2>/dev/null | "$PYTHON3" -c '
import json, sys
d = json.load(sys.stdin)
print(d["requests"], d["bad_lines"], len(d["results"]), d["results"][7]["policy"],
      round(d["results"][7]["hit_ratio"], 4))')" "6 4 14 lru 0.3333"
else
	skip "JSON" "no python"
fi
for wrong in "-s 10x $tmp/small.csv" "-s 0 $tmp/small.csv" "-p 0 $tmp/small.csv" "" "-x f" \
	"-o lru,fifo $tmp/small.csv"; do
	# shellcheck disable=SC2086
	"$replay" $wrong >/dev/null 2>&1
	same "refused: ${wrong%%/*}" $? 2
done
"$replay" "$tmp/missing" >/dev/null 2>&1
same "no such file" $? 1
: >"$tmp/empty"
"$replay" "$tmp/empty" >/dev/null 2>&1
same "no requests" $? 1

printf '0,a,10\r\n1,b,10\r\n2,a,10\r\n' >"$tmp/crlf.csv"
same "lines of other systems" "$("$replay" -s 100 "$tmp/crlf.csv" | head -n 1)" \
	"3 requests, 2 keys, footprint 20 bytes, 0 bad lines"
{
	echo time,key,size
	echo 0,a,-5
	echo 1,b,99999999999
	printf '2,%s,5\n' "$(head -c 70000 /dev/zero | tr '\0' k)"
	echo 3,x
	echo 4,x,5,t,more
} >"$tmp/bad.csv"
same "a header, sizes out of range, too few and too many fields; and a long key" \
	"$("$replay" -s 100 "$tmp/bad.csv" 2>/dev/null | head -n 1)" \
	"1 requests, 1 keys, footprint 5 bytes, 5 bad lines"
printf '\037\213\010' >"$tmp/trace.gz"
same "a compressed file" "$("$replay" "$tmp/trace.gz" 2>&1 | grep -c 'is compressed.*zcat')" 1
"$replay" "$tmp" >/dev/null 2>&1
same "a directory" $? 1

# Tenants are groups: each has its own lists, and the size is all theirs together.
awk 'BEGIN { for (i = 0; i < 20000; i++)
	printf "%d,k%d,10,%s\n", i, i % 7 ? i % 50 : i, i % 3 ? "big" : "small" }' >"$tmp/tenants.csv"
"$replay" -j -s 10% "$tmp/tenants.csv" >"$tmp/tenants.out"
same "tenants are counted" "$(sed -n 's/.*"tenants": \([0-9]*\),.*/\1/p' "$tmp/tenants.out")" 2
same "tenants share a cache of one size" "$(sed -n \
	's/.*"size": \([0-9]*\),.*"lruvec+ws",.*"used_mean": \([0-9]*\).*/\1 \2/p' \
	"$tmp/tenants.out" | awk '{ print ($2 <= $1 && $2 > $1 * 0.9) }')" 1

# at_least NAME A B TOLERANCE: A >= B - TOLERANCE
at_least()
{
	if awk -v a="$2" -v b="$3" -v t="$4" 'BEGIN { exit !(a != "" && b != "" && a >= b - t) }'
	then pass "$1 ($2, $3)"; else fail "$1" "$2 is not at least $3 less $4"; fi
}

# compare KIND SIZES TOLERANCE: no worse than LRU at each size
compare()
{
	[ -f "$tmp/$1.csv" ] || "$gen" "$1" 60000 >"$tmp/$1.csv"
	"$replay" -o lru,lruvec+ws -s "$2" "$tmp/$1.csv" >"$tmp/$1.out"
	for size in $(echo "$2" | tr ',' ' '); do
		want=$(printf '%.2f%%' "${size%\%}")
		at_least "$1 at $size: lruvec+ws against lru" \
			"$(score "$1" "$want" lruvec+ws)" "$(score "$1" "$want" lru)" "$3"
	done
}

score()
{
	awk -v size="$2" -v policy="$3" '$2 == size && $3 == policy { print $4 }' "$tmp/$1.out"
}

better()
{
	at_least "$1 at $2: clearly better" "$(score "$1" "$2" lruvec+ws)" \
		"$(awk -v a="$(score "$1" "$2" lru)" -v b="$3" 'BEGIN { print a + b }')" 0
}

ladder=1%,2%,5%,10%,20%,50%,80%
compare zipf $ladder 0
compare sizes $ladder 0
compare scan $ladder 0
compare loop $ladder 0
# When what is popular changes: six traces, LRU and lruvec on each. The lower end of the
# 95 % confidence interval of the mean difference must not be below 0. Only where LRU
# misses nothing but first requests, so that no policy can be better, does the lruvec
# have a tolerance: 5 hits in 10,000.
for seed in 1 2 3 4 5 6; do
	TEST_SEED=$seed "$gen" phase 60000 >"$tmp/phase.csv"
	"$replay" -o lru,lruvec,lruvec+ws -s 1%,2%,5%,10%,15%,20%,50% "$tmp/phase.csv" \
		>"$tmp/last.out"
	awk '
		NR == 1 { bound = 1 - $3 / $1 }
		$3 == "lru" { lru[$2] = $4 }
		$3 == "lruvec+ws" { print $2, lru[$2], $4, bound }' "$tmp/last.out"
done >"$tmp/phases.out"
awk '{ d = $3 - $2; n[$1]++; s[$1] += d; q[$1] += d * d; if ($2 < $4 - 0.0001) room[$1] = 1 }
	END { for (k in n) {
		mean = s[k] / n[k]; var = (q[k] - n[k] * mean * mean) / (n[k] - 1)
		half = 2.571 * sqrt(var > 0 ? var / n[k] : 0)
		tolerance = room[k] ? 0 : 0.0005
		good = (mean - half >= -tolerance - 1e-9)
		printf "%s %d %+.4f %.4f %.4f %d\n", k, n[k], mean, half, tolerance, good
	} }' "$tmp/phases.out" | sort -n >"$tmp/phases.sum"
same "phase: seven sizes" "$(wc -l <"$tmp/phases.sum" | tr -d ' ')" 7
while read -r size n mean half tolerance good; do
	same "phase at $size: $mean +- $half hits over LRU, $n traces, tolerance $tolerance" \
		"$good" 1
done <"$tmp/phases.sum"
# what finds the change is the working set's: without it the same lists are worse
same "phase: and it is the scouts that do it" "$(awk '
	$3 == "lru" && $2 == "20.00%" { lru = $4 } $3 == "lruvec" && $2 == "20.00%" { plain = $4 }
	END { print (plain < lru - 0.01) }' "$tmp/last.out")" 1
# a pool has rounding, holes and tables in its size, LRU has nothing but objects
"$gen" sizes 60000 >"$tmp/pool.csv"
"$replay" -o lru,pool,pool+move -s 40M "$tmp/pool.csv" >"$tmp/pool.out"
pool_score()
{
	awk -v policy="$1" '$3 == policy { print $4 }' "$tmp/pool.out"
}
at_least "a pool of equal resident memory against lru" "$(pool_score pool+move)" \
	"$(pool_score lru)" 0.01
at_least "a pool that gives up whole slabs" "$(pool_score pool)" "$(pool_score lru)" 0.05
same "a pool keeps to its size" "$(awk '$3 ~ /^pool/ && $6 > $1 { n++ } END { print n + 0 }' \
	"$tmp/pool.out")" 0
if "$replay" -o pool -s 100000G "$tmp/small.csv" 2>&1 | grep -q 'left out at'; then
	pass "a pool larger than the machine is left out"
else
	fail "a pool larger than the machine is left out"
fi
better scan 1.00% 0.025
better scan 5.00% 0.05
better loop 50.00% 0.15
better loop 80.00% 0.25
# ageing gives the memory of finished phases back and loses hardly a hit for it
"$gen" idle 20000 >"$tmp/idle.csv"
"$replay" -p 600 -s 50% "$tmp/idle.csv" >"$tmp/idle.out"
at_least "idle: ageing loses nothing" "$(score idle 50.00% lruvec+ws+age)" \
	"$(score idle 50.00% lruvec+ws)" 0.005
same "idle: ageing gives memory back" "$(awk '$3 ~ /^lruvec\+ws/ { used[$3] = $6 }
	END { print used["lruvec+ws+age"] < used["lruvec+ws"] / 2 }' "$tmp/idle.out")" 1
done_testing

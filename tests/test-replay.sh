#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The replay tool: its input and output, and what it says of the policies: an lruvec
# with working set serves no generated trace worse than exact LRU but by the tolerance
# stated here, and scans and loops clearly better.
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
print(d["requests"], d["bad_lines"], len(d["results"]), d["results"][5]["policy"],
      round(d["results"][5]["hit_ratio"], 4))')" "6 4 10 lru 0.3333"
else
	skip "JSON" "no python"
fi
for wrong in "-s 10x $tmp/small.csv" "-s 0 $tmp/small.csv" "-p 0 $tmp/small.csv" "" "-x f"; do
	# shellcheck disable=SC2086
	"$replay" $wrong >/dev/null 2>&1
	same "refused: ${wrong%%/*}" $? 2
done
"$replay" "$tmp/missing" >/dev/null 2>&1
same "no such file" $? 1
: >"$tmp/empty"
"$replay" "$tmp/empty" >/dev/null 2>&1
same "no requests" $? 1

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
	"$replay" -s "$2" "$tmp/$1.csv" >"$tmp/$1.out"
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
# Where a whole phase fits, LRU has nothing but the phase soon after it begins; two
# lists part with the old one's active half more slowly: up to 2.5 points of hits.
compare phase 1%,2%,5% 0
compare phase 10%,20%,50%,80% 0.025
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

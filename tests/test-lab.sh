#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The pressure laboratory works: the same neighbour kills beside a cache that gives
# nothing back and is met by libshrink, at a pace and headroom at which no machine is too
# slow. Figures are `make bench-lab`'s.
. "${top_srcdir:-$(dirname "$0")/..}/tests/tap.sh"
make_tmp
lab=$top_builddir/tests/lab/lab
hog=$top_builddir/tools/kvload/kvhog

# field NAME: of the JSON object on standard input
field()
{
	sed -n "s/.*\"$1\":\"\\{0,1\\}\\([^,\"}]*\\).*/\\1/p"
}

"$lab" >/dev/null 2>&1
same "no plan" $? 2
"$lab" nonsense >/dev/null 2>&1
same "no such plan" $? 2
"$lab" --one none malloc fifo 1024 x 1 1 >/dev/null 2>&1
same "no number" $? 2
for wrong in "-p saw:0" "-p steps:x" "-p churn:relative" "-p what"; do
	# shellcheck disable=SC2086
	"$hog" -b 65536 $wrong >/dev/null 2>&1
	same "kvhog refuses $wrong" $? 2
done
out=$("$hog" -b 1048576 -H 0 -p saw:10 | grep -c '"full"')
same "kvhog saws" "$out" 1
"$hog" -b 4194304 -H 50 -p "churn:$tmp/churn" | grep -q '"churned"'
same "kvhog churns" $? 0
[ ! -e "$tmp/churn" ]
same "and leaves no file" $? 0

"$lab" smoke >"$tmp/runs.jsonl" 2>"$tmp/err"
status=$?
if [ $status = 77 ]; then
	skip "runs in a group" "$(cat "$tmp/err")"
	done_testing
	exit
fi
same "runs in a group" $status 0
none=$(grep '"policy":"none"' "$tmp/runs.jsonl")
ours=$(grep '"policy":"libshrink"' "$tmp/runs.jsonl")
same "without an answer the kernel kills" "$(echo "$none" | field oom_kills)" 1
same "with libshrink it does not" "$(echo "$ours" | field oom_kills)" 0
same "and both live" "$(echo "$ours" | field cache_died) $(echo "$ours" | field hog_died)" \
	"false false"
same "no object was damaged" "$(echo "$none$ours" | grep -c '"torn":[1-9]')" 0
awk -v need="$(echo "$ours" | field need_mib)" -v freed="$(echo "$ours" | field freed_mib)" \
	'BEGIN { exit !(need > 64 && freed > need / 4 && freed < need * 2) }'
same "what went is what was needed, within a factor" $? 0

if [ -n "$PYTHON3" ]; then
	sed 's/"plan":"smoke"/"plan":"policies"/' "$tmp/runs.jsonl" >"$tmp/map.jsonl"
	out=$("$PYTHON3" "$top_srcdir/tests/lab/report.py" "$tmp/map.jsonl" "$tmp")
	same "the report names both" \
		"$(echo "$out" | grep -c -e '^| none .* | 0 of 1 |' -e '^| libshrink .* | 1 of 1 |')" 2
	"$PYTHON3" -c 'import sys, xml.dom.minidom as x
svg = x.parse(sys.argv[1])
colours = [r.getAttribute("fill") for r in svg.getElementsByTagName("rect")]
assert colours.count("#b3261e") == 1 and colours.count("#2a7f62") == 1, colours' \
		"$tmp/survival-policies.svg"
	same "the map is SVG, one killed, one alive" $? 0
	# 1000 MB/s go back, 2000 come: of 100 MiB the half, and 1 ms at 2 MB a ms
	run='"policy":"libshrink","alloc":"malloc","order":"fifo","pattern":"ramp","object":1024'
	live='"oom_kills":0,"cache_died":false,"hog_died":false'
	pressed="{\"plan\":\"policies\",$run,\"burst\":100,\"ramp\":0"
	{
		echo "{\"plan\":\"release\",$run,\"burst\":0,\"ramp\":0,$live,\"released_mib\":100," \
			'"evicted_mib":100,"release_usec":104857.6}'
		echo "$pressed,\"headroom\":64,$live,\"notice_usec\":1000,\"hog_rate\":2000}"
		echo "$pressed,\"headroom\":52,\"oom_kills\":1,\"cache_died\":false,\"hog_died\":true}"
		echo "$pressed,\"headroom\":51,\"oom_kills\":1,\"cache_died\":false,\"hog_died\":true}"
		echo "$pressed,\"headroom\":32,$live,\"notice_usec\":1000,\"hog_rate\":2000}"
	} >"$tmp/aim.jsonl"
	"$PYTHON3" "$top_srcdir/tests/lab/report.py" "$tmp/aim.jsonl" >"$tmp/aim"
	grep -q '^It asks for survival of 2 of 4 runs; 1 lived. 1 lived that' "$tmp/aim"
	same "the aim is held against every run" $? 0
	same "and names the run that breaks it" "$(grep '^Killed against' "$tmp/aim")" \
		"Killed against the aim: malloc fifo 1024 B, headroom 52, burst 100, ramp 0"
	: >"$tmp/empty"
	"$PYTHON3" "$top_srcdir/tests/lab/report.py" "$tmp/empty" >/dev/null 2>&1
	same "an empty file is refused" $? 1
else
	skip "the report" "no python"
fi
done_testing

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# kvcached, filled under memory.max without swap, and a neighbour that wants half.
# shellcheck disable=SC1091,SC2034,SC2154
. /build/tests/guest/guest.sh
kv=/build/examples/kvcached/kvcached
port=11300

stats()
{
	printf '%s\r\nquit\r\n' "$1" | nc 127.0.0.1 $port | tr -d '\r'
}

up()
{
	stats version | grep -q VERSION
}

# An emulated machine on a busy one frees slowly: the edge is kept further away, and the
# neighbour takes its time. Speed is measured natively.
export LIBSHRINK_CONF=low_bytes:8M
group kv memory.max $((96 * mib)) memory.swap.max 0
exec_inside "$group" $kv -l 127.0.0.1 -p $port -t 2 -m auto &
server=$!
until_true 30 up
same "kvcached answers" $? 0
# more than the limit goes in; every value that comes out is looked at
/build/tools/kvload/kvload -s 127.0.0.1:$port -t 1 -c 4 -k 1000 -m 100000 -M 200000 -F 60 \
	-S 60 -n 1000 \
	>/tmp/load 2>&1 &
load=$!
filled()
{
	[ "$(cat "$group/memory.current")" -gt $((72 * mib)) ]
}
until_true 90 filled
same "it takes what there is" $? 0
before=$(stats stats | sed -n 's/^STAT bytes //p')
inside "$group" /build/tools/kvload/kvhog -b $((40 * mib)) -H 500 -r $((4 * mib)) \
	>/tmp/hog 2>&1
same "the neighbour gets what it wants" $? 0
wait $load
same "no wrong byte was read" $? 0
tail -n 2 /tmp/load | sed 's/^/# /'
same "nobody was killed" "$(event "$group" oom_kill)" 0
kill -0 $server
same "kvcached is alive" $? 0
stats 'stats shrink' | grep -E 'freed|round|level|source' | head -n 30 | sed 's/^/# /'
at_least "it had something" "$before" $((50 * mib))
at_least "and has something left" "$(stats stats | sed -n 's/^STAT bytes //p')" $((16 * mib))
kill -TERM $server
wait $server
same "kvcached ends well" $? 0

# the broken twin: a size that somebody has guessed, and nobody who knows better
group deaf memory.max $((96 * mib)) memory.swap.max 0
LIBSHRINK_CONF=off exec_inside "$group" $kv -l 127.0.0.1 -p $port -t 2 -m 1024 &
server=$!
until_true 30 up
same "deaf: kvcached answers" $? 0
timeout 100 /build/tools/kvload/kvload -s 127.0.0.1:$port -t 1 -c 4 -k 1000 -m 100000 \
	-M 200000 -F 60 -S 60 -n 1000 >/tmp/load 2>&1
wait $server
same "deaf: it is killed for its memory" "$? $(event "$group" oom_kill)" "137 1"
done_testing

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# That each fuzzer can fail: a bug is planted in a copy of the parser, tests/test-fuzz is
# linked with it, and the corpus alone must find it.
. "$(dirname "$0")/tap.sh"
make_tmp

. "$top_srcdir/tests/twins.sh"
fuzzers=$top_builddir/.libs/libfuzzers.a
program=$(ls "$top_builddir"/tests/*test_fuzz-test-fuzz.o "$top_builddir"/tests/test-fuzz.o \
	2>/dev/null | head -n 1)
[ -f "$fuzzers" ] && [ -n "$program" ] || skip_all "test programs are not built"
[ -z "$(make_var SHRINK_SANITIZER_FLAGS)" ] || skip_all "the plain build does it"
# link OBJECT...: what the test program is linked of, with these in front of all others
link()
{
	# shellcheck disable=SC2086
	$CC -pthread "$program" "$@" "$fuzzers" "$top_builddir/.libs/libharness.a" "$archive" \
		$(make_var CUNIT_LIBS) $twin_libs -o "$tmp/twin" >"$tmp/out" 2>&1
}

tried=
# twin FUZZER FILE SED-SCRIPT WHAT
twin()
{
	tried="$tried $1"
	if ! twin_copy "$top_srcdir/$2" "$3" "$tmp/twin.c" >"$tmp/out"; then
		fail "$1: $4" "$(cat "$tmp/out")"
		return
	fi
	# shellcheck disable=SC2086
	if ! $CC $twin_flags -O1 -c "$tmp/twin.c" -o "$tmp/twin.o" >"$tmp/out" 2>&1 ||
		! link "$tmp/twin.o"; then
		fail "$1: $4" "$(tail -n 20 "$tmp/out")"
	elif (cd "$tmp" && timeout 60 ./twin "corpus: $(echo "$1" | tr '-' '_')" >out 2>&1); then
		fail "$1: $4" "the corpus does not find it"
	else
		pass "$1: $4"
	fi
}

if link && (cd "$tmp" && timeout 100 ./twin corpus >out 2>&1); then
	pass "the parsers as they are pass"
else
	fail "the parsers as they are pass" "$(grep -v '^ok' "$tmp/out" | head -n 20)"
fi
twin base64 libshrink/base/base64.c 's/ || (digits < 4 \&\& .*$/)/' \
	"bits behind the last byte are let pass"
twin cgroup libshrink/os/cgroup-find.c "s/ \&\& (!p\[len\] || p\[len\] == ','))/)/" \
	"a controller whose name begins alike"
twin cgroup-below libshrink/os/cgroup-find.c \
	"s/ ||\$/ \&\& 1 ||/; s/(path_names\[len\] \&\& path_names\[len\] != '\/')/0/" \
	"a name that begins alike is taken for the group below"
twin conf libshrink/base/conf-parse.c 's/while (!token->cut \&\& token->len/while (0 \&\& token->len/' \
	"blanks behind a value stay"
twin events libshrink/source/events.c 's/shrink_parse_field(text, "oom_kill", &kill);//' \
	"kills are not counted"
twin field libshrink/base/parse.c "s/\t\telse if (\*p != ' ' \&\& \*p != '\\\\t')/\t\telse if (0)/" \
	"a key that begins alike"
twin lines libshrink/base/lines.c 's/l->skipping = true;/;/' \
	"the end of a line that was too long is a line"
twin meminfo libshrink/os/mem.c 's/"MemAvailable"/"MemFree"/' "free memory for available"
twin mountinfo libshrink/os/cgroup-find.c 's/\*text++ = (char)(.*$/*text++ = in[3];/' \
	"escapes are undone wrongly"
twin node-list libshrink/os/nodeinfo.c 's/ \&\& n < SHRINK_NODES_MAX; n++/ \&\& n < 63; n++/' \
	"the last node is forgotten"
twin node-meminfo libshrink/os/nodeinfo.c 's/"Node %d %s", nid/"Node %.1d %s", nid % 10/' \
	"nodes of two digits"
twin number libshrink/base/parse.c 's/if (shift \&\& v > UINT64_MAX >> shift)/if (0)/' \
	"sizes of over 64 bits wrap"
twin psi libshrink/source/stall.c 's/ || (end \&\& p > end)//' "a total of the next line"
twin replay tools/replay/trace.c 's/ret->hash ^= ret->tenant \* 3;//' \
	"keys of two tenants are one"
twin stat libshrink/os/cgroup-read.c 's/"total_dirty"/"dirty"/' "the group's own for that of all"
twin trace-format libshrink/bridge/trace-format.c 's/return !is_word(.*$/return true;/' \
	"a field whose name ends alike"
twin triggers libshrink/source/trigger.c 's/if (n == SHRINK_TRIGGERS_MAX)/if (0)/; s/list\[SHRINK_TRIGGERS_MAX\], t;/list[64], t;/' \
	"more than there may be"
twin tsv tests/tsv.c "s/ || value < lo || value > hi//" "a number out of range"
twin watch libshrink/source/systemd.c 's/!strstr(path, "\/..\/") \&\& //' "a step that leads up"
twin zoneinfo libshrink/os/zoneinfo.c 's/most = shrink_max_u64(most, pages);/most = pages;/' \
	"the last protection for the largest"

for file in "$top_srcdir"/tests/fuzz/fuzz-*.c; do
	name=$(basename "$file" .c)
	echo "${name#fuzz-}"
done | sort >"$tmp/all"
same "each fuzzer has a twin" "$(echo "$tried" | tr ' ' '\n' | sed '/^$/d' | sort -u)" \
	"$(cat "$tmp/all")"
same "and a corpus" "$(cd "$top_srcdir/tests/data/fuzz" && ls | sort)" "$(cat "$tmp/all")"
done_testing

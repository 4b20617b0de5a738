#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The release stage with each allocator a process may have: it is recognised by owning
# malloc, what it gives back comes back, and one that gives nothing is not asked again
# and again.
. "${top_srcdir:-$(dirname "$0")/..}/tests/tap.sh"
probe=$top_builddir/tests/allocator-probe

# field NAME FILE
field()
{
	sed -n "s/^$1=//p" "$2"
}

# at_least NAME A B PERCENT: A >= PERCENT of B
at_least()
{
	if [ "$2" -ge $(($3 * $4 / 100)) ]; then pass "$1"; else fail "$1" "$2 of $3"; fi
}

make_tmp
# try LIBRARY MODE: what the probe says, in $tmp/out
try()
{
	LD_PRELOAD=$1 "$probe" "$2" >"$tmp/out" 2>"$tmp/err" && ! grep -q 'ERROR: ld.so' "$tmp/err"
}

# known LIBRARY NAME RETURNED-PERCENT
known()
{
	if ! try "$1" fifo; then
		skip "$2 is recognised" "$1 is not installed"
		return
	fi
	same "$2 is recognised" "$(field allocator "$tmp/out")" "$2"
	at_least "$2: evicted in order, pages come back" "$(field returned "$tmp/out")" \
		"$(field freed "$tmp/out")" "$3"
	try "$1" random
	same "$2: scattered, still recognised" "$(field allocator "$tmp/out")" "$2"
	at_least "$2: scattered, stages are left out" "$(field left_out "$tmp/out")" 1 100
	at_least "$2: scattered, and some are tried" "$(field runs "$tmp/out")" 1 100
}

known "" glibc 80
known libjemalloc.so.2 jemalloc 80
known libtcmalloc_minimal.so.4 tcmalloc 60
# gives back whole segments only
known libmimalloc.so.2 mimalloc 0

try "$top_builddir/tests/.libs/own-malloc.so" fifo
same "an allocator nobody knows" "$(field allocator "$tmp/out")" unknown
same "where it is" "$(basename "$(field owner "$tmp/out")")" own-malloc.so
same "is left alone" "$(field runs "$tmp/out")" 0
# the probe exports a mallctl of its own, as a prefixed or plugged-in jemalloc might, that
# would abort
try "" fifo
same "who does not own malloc is not asked" "$(field allocator "$tmp/out")" glibc

# An allocator linked into the program as an archive: known where its symbols are exported
# (-rdynamic), and by the registration call where they are not, or where they are prefixed.
# link_probe PROGRAM NAME CC-WORDS...: skips as NAME, and fails, where it cannot be linked
link_probe()
{
	program=$1 what=$2
	shift 2
	if [ ! -f "$top_builddir/.libs/libshrink.so" ]; then
		echo "no shared library was built" >"$tmp/err"
	elif $CC -std=gnu11 -O1 -D_GNU_SOURCE -I"$top_srcdir/include" -I"$top_builddir/include" \
		"$top_srcdir/tests/allocator-probe.c" "$top_builddir/.libs/libshrink.so" "$@" \
		-lstdc++ -lm -pthread -o "$program" 2>"$tmp/err"; then
		return 0
	fi
	skip "$what" "$(grep -m 1 . "$tmp/err")"
	return 1
}

# run_probe PROGRAM WORDS...
run_probe()
{
	LD_LIBRARY_PATH=$top_builddir/.libs "$@" >"$tmp/out" 2>&1
}

# registered NAME PROGRAM RETURNED-PERCENT
registered()
{
	run_probe "$2" fifo register
	at_least "$1, registered: asked" "$(field asked "$tmp/out")" 1 100
	at_least "$1, registered: pages come back" "$(field returned "$tmp/out")" \
		"$(field freed "$tmp/out")" "$3"
}

# linked ARCHIVE NAME DEFINE RETURNED-PERCENT
linked()
{
	link_probe "$tmp/exported" "$2, an archive, exported" "-D$3" -rdynamic "-l:$1" || return
	run_probe "$tmp/exported" fifo
	same "$2, an archive, exported" "$(field allocator "$tmp/out")" "$2"
	same "$2, an archive, exported: the program owns malloc" \
		"$(basename "$(field owner "$tmp/out")")" exported
	link_probe "$tmp/hidden" "$2, an archive, hidden" "-D$3" "-l:$1" || return
	run_probe "$tmp/hidden" fifo
	same "$2, an archive, hidden" "$(field allocator "$tmp/out")" unknown
	registered "$2, an archive, hidden" "$tmp/hidden" "$4"
}

# prefix ARCHIVE: each name that it defines gets je_ in front, in $tmp/prefixed.a, as
# --with-jemalloc-prefix has it; what it wants of others stays
prefix()
{
	archive=$($CC -print-file-name="$1")
	[ -f "$archive" ] || { echo "no $1" && return 1; }
	nm -g --defined-only "$archive" 2>/dev/null |
		awk 'NF == 3 && !seen[$3]++ { print $3, "je_" $3 }' >"$tmp/names"
	objcopy --redefine-syms="$tmp/names" "$archive" "$tmp/prefixed.a" 2>&1
}

# A jemalloc beside malloc: what the program frees there is no matter of malloc's owner, so
# that one is not taken for it, exported or not, and only the registration call helps.
prefixed()
{
	if ! why=$(prefix libjemalloc_pic.a); then
		skip "jemalloc, prefixed" "$why"
		return
	fi
	for export in '' -rdynamic; do
		name="jemalloc, prefixed${export:+, exported}"
		# shellcheck disable=SC2086 # none, or one word
		link_probe "$tmp/prefixed" "$name" -DWITH_JEMALLOC -DPREFIXED $export \
			"$tmp/prefixed.a" || return
		same "$name: it is there" \
			"$(nm "$tmp/prefixed" | grep -c ' [TW] \(je_mallctl\|mallctl\)$')" 1
		run_probe "$tmp/prefixed" fifo
		same "$name: malloc is glibc's" "$(field allocator "$tmp/out")" glibc
		same "$name: nobody asks it" "$(field asked "$tmp/out")" 0
		registered "$name" "$tmp/prefixed" 60
	done
}

# Arenas with jemalloc linked, as a library, or as an archive that is exported or not.
# arena NAME EXPECTED FLAGS...
arena()
{
	name=$1 expected=$2
	shift 2
	if ! $CC -std=gnu11 -O1 -D_GNU_SOURCE -I"$top_srcdir/include" -I"$top_builddir/include" \
		"$top_srcdir/examples/arena.c" "$top_builddir/.libs/libshrink.so" "$@" -pthread \
		-o "$tmp/arena" 2>"$tmp/err"; then
		skip "arena, $name" "$(grep -m 1 . "$tmp/err")"
		return
	fi
	LD_LIBRARY_PATH=$top_builddir/.libs "$tmp/arena" >"$tmp/out" 2>&1
	same "arena, $name" "$? $(grep -c "$expected" "$tmp/out")" "0 1"
}

if grep -q '^SHRINK_SANITIZER_FLAGS = .*-f' "$top_builddir/Makefile"; then
	skip "archives" "a sanitizer brings its own malloc"
else
	linked libjemalloc.a jemalloc WITH_JEMALLOC 60
	linked libtcmalloc_minimal.a tcmalloc WITH_TCMALLOC 40
	prefixed
	# shown: most of what was evicted came back
	most='of the  75 % coldest: *\([89][0-9]\|1[01][0-9]\) % of what'
	arena "jemalloc linked" "$most" \
		-Wl,--no-as-needed -l:libjemalloc.so.2
	arena "jemalloc an archive, exported" "$most" \
		-rdynamic -Wl,--whole-archive -l:libjemalloc.a -Wl,--no-whole-archive -lstdc++ -lm
	arena "jemalloc an archive, hidden: says so" '^no jemalloc 5 here' -l:libjemalloc.a \
		-lstdc++ -lm
fi
done_testing

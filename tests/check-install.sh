#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The library as a stranger gets it: make install into a folder, programs in C and C++
# built against that copy through pkg-config, shared and static, run; make uninstall
# leaves nothing.
. "$(dirname "$0")/tap.sh"
make_tmp
dest=$tmp/root

# A make of its own, not a child of the one that runs the tests.
run_make()
{
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -C "$top_builddir" "$@" \
		DESTDIR="$dest" >"$tmp/make.log" 2>&1 || tail -n 20 "$tmp/make.log"
}

none "make install" "$(run_make install)"
pc=$(find "$dest" -name libshrink.pc)
if [ -z "$pc" ]; then
	fail "libshrink.pc is installed"
	done_testing
fi
pass "libshrink.pc is installed"
libdir=$(cd "$(dirname "$pc")/.." && pwd)
includedir=$(dirname "$(find "$dest" -path '*/shrink/shrink.h' -printf '%h\n')")

(cd "$top_srcdir/include/shrink" && ls && echo version.h) | grep -v '\.in$' | sort -u \
	>"$tmp/headers"
same "the headers are all there" "$(cd "$includedir/shrink" && ls)" "$(cat "$tmp/headers")"

PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$dest
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR

# The same source is C and C++.
cat >"$tmp/consumer.c" <<'SOURCE'
#include <shrink/shrink.h>
#include <stdio.h>

static unsigned long objects = 100000;

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return objects;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n = sc->nr_to_scan < objects ? sc->nr_to_scan : objects;

	(void)s;
	objects -= n;
	return n;
}

int main(void)
{
	struct shrinker *s = shrinker_alloc(0, "consumer");
	unsigned long freed;

	if (!s)
		return 1;
	s->count_objects = count;
	s->scan_objects = scan;
	if (shrinker_register(s) || shrink_start(SHRINK_START_SIMULATED))
		return 2;
	freed = shrink_slab(SHRINK_GFP_ALL, SHRINK_NUMA_NO_NODE, shrink_memcg_root(), 4);
	shrinker_free(s);
	printf("%lu %lu\n", freed, objects);
	return shrink_stop() || freed + objects != 100000 || freed < 10000;
}
SOURCE
cp "$tmp/consumer.c" "$tmp/consumer.cc"

# try NAME COMPILER SOURCE FLAGS...: builds and runs
try()
{
	name=$1 compiler=$2 source=$3
	shift 3
	compiler="$compiler -Wall -Wextra -Wpedantic -Werror"
	if ! log=$($compiler -o "$tmp/consumer" "$source" "$@" 2>&1); then
		fail "$name" "$log"
	elif ! log=$(env -u LIBSHRINK_CONF LD_LIBRARY_PATH="$libdir" "$tmp/consumer" 2>&1); then
		fail "$name" "$log"
	else
		pass "$name"
	fi
}

flags()
{
	pkg-config --cflags "$@" libshrink
	pkg-config --libs "$@" libshrink
}

# The archive by name, what it needs as pkg-config says: else the linker prefers the
# shared library wherever there is one.
static_flags()
{
	flags --static | sed 's/-lshrink/-l:libshrink.a/'
}

sanitizer=$(sed -n 's/^SHRINK_SANITIZER_FLAGS = *//p' "$top_builddir/Makefile")
# shellcheck disable=SC2046,SC2086
{
	try "a C program, shared" "$CC -std=c99" "$tmp/consumer.c" $sanitizer $(flags)
	try "a C++ program, shared" "$CXX -std=c++11" "$tmp/consumer.cc" $sanitizer $(flags)
	if [ -f "$libdir/libshrink.a" ]; then
		try "a C program, static" "$CC -std=c99" "$tmp/consumer.c" $sanitizer \
			$(static_flags)
		none "it needs no shared libshrink" \
			"$(readelf -d "$tmp/consumer" | grep 'NEEDED.*libshrink')"
		try "a C++ program, static" "$CXX -std=c++20" "$tmp/consumer.cc" $sanitizer \
			$(static_flags)
	else
		skip "a C program, static" "no static library built"
	fi
	sed 's/shrink_stop()/shrink_no_such_call()/' "$tmp/consumer.c" >"$tmp/twin.c"
	if $CC -w -o "$tmp/twin" "$tmp/twin.c" $sanitizer $(flags) 2>/dev/null; then
		fail "broken twin: a call that is not there does not link"
	else
		pass "broken twin: a call that is not there does not link"
	fi
}

same "pkg-config knows the version" "$(pkg-config --modversion libshrink)" \
	"$(awk '/VERSION_(MAJOR|MINOR|PATCH) / { v = v s $3; s = "." } END { print v }' \
		"$includedir/shrink/version.h")"

pages=$(find "$dest" -path '*/man/*' -name '*shrink*' | wc -l)
if [ "$pages" -ge 50 ]; then pass "the manual is installed"; else
	fail "the manual is installed" "$pages pages"
fi

none "make uninstall" "$(run_make uninstall)"
none "uninstall leaves nothing" "$(find "$dest" ! -type d)"
done_testing

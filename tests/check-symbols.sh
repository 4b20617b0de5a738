#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The library's outside, as the linker sees it: the symbol map, the golden list, what
# is exported, what the headers declare and what the manual describes are one and the
# same; nothing else gets out; own symbols are not reached through the PLT; no
# constructors; every descriptor is close-on-exec.
. "$(dirname "$0")/tap.sh"
make_tmp
LC_ALL=C
export LC_ALL

so=$top_builddir/.libs/libshrink.so
ar=$top_builddir/.libs/libshrink.a
golden=$top_srcdir/tests/data/symbols.txt
sanitized=$(sed -n 's/^SHRINK_SANITIZER_FLAGS = *//p' "$top_builddir/Makefile")

# "VERSION symbol" of a version script
map_symbols()
{
	awk '{ gsub(/\/\*.*\*\//, "") }
	     /^[A-Z0-9_.]+ *\{/ { version = $1; sub(/\{/, "", version); part = "" }
	     /global:/ { part = "global"; next }
	     /local:/ { part = "local"; next }
	     part == "global" && /;/ { gsub(/[ \t;]/, ""); print version, $0 }' "$1" | sort
}

# "VERSION symbol" of a shared library
exported_symbols()
{
	nm -D --defined-only "$1" | awk '$2 != "A" { print $3 }' | tr -s '@' ' ' |
		awk '{ print $2, $1 }' | sort
}

# "function NAME" and "variable NAME" of the headers in a folder
declared()
{
	{
		for header in "$1"/shrink/*.h; do
			echo "#include <shrink/$(basename "$header")>"
		done
		echo '#include <shrink/version.h>'
	} | $CC -E -x c -std=gnu11 -I "$1" -I "$top_builddir/include" -I "$top_srcdir/include" - \
		>"$tmp/preprocessed"
	for root in "$1" "$top_builddir/include"; do
		awk -v root="$root/shrink/" -f "$top_srcdir/tests/declared.awk" "$tmp/preprocessed"
	done | sort -u
}

# lines only in the first, only in the second file of sorted lines
differences()
{
	comm -23 "$2" "$4" | sed "s/^/only in $1: /"
	comm -13 "$2" "$4" | sed "s/^/only in $3: /"
}

map_symbols "$top_srcdir/libshrink/libshrink.map" >"$tmp/map"
exported_symbols "$so" >"$tmp/exported"
sort "$golden" >"$tmp/golden"
declared "$top_srcdir/include" >"$tmp/declared"
cut -d' ' -f2 "$tmp/exported" | sort >"$tmp/names"
sed -n 's/^function //p' "$tmp/declared" | sort >"$tmp/functions"
ls "$top_srcdir/docs/man" | sed -n 's/\.3$//p' | sort >"$tmp/pages"

none "the map is what is exported" "$(differences map "$tmp/map" exported "$tmp/exported")"
none "the golden list is what is exported (new symbols go to its end)" \
	"$(differences golden "$tmp/golden" exported "$tmp/exported")"
none "the headers declare what is exported" \
	"$(differences headers "$tmp/functions" exported "$tmp/names")"
same "the one variable declared is the program's" "$(grep '^variable' "$tmp/declared")" \
	"variable shrink_conf"
same "and it is weak" "$(nm -D "$so" | awk '$NF == "shrink_conf" { print $(NF - 1) }')" "w"
none "every exported symbol has a page of section 3" "$(comm -23 "$tmp/names" "$tmp/pages")"

# A page that only points elsewhere must point to one that names it.
page_findings()
{
	while read -r page; do
		file=$1/$page.3
		target=$(sed -n 's/^\.so man3\///p' "$file")
		[ -z "$target" ] || file=$1/$target
		[ -f "$file" ] || { echo "$page.3: $target is missing"; continue; }
		sed -n '/^\.Sh NAME/,/^\.Sh /p' "$file" | grep -qx "\.Nm $page\( ,\)\?" ||
			echo "$page.3: $(basename "$file") does not name it"
		[ -n "$target" ] || ! grep -qx "$page" "$tmp/names" ||
			grep -q "^\.F[no] .*$page" "$file" || echo "$page.3: no synopsis"
	done
}
none "every page names its symbol" "$(page_findings "$top_srcdir/docs/man" <"$tmp/pages")"
none "every page is of a symbol, or of a contract" \
	"$(comm -13 "$tmp/names" "$tmp/pages" | grep -vx shrinker)"

# Released symbols never go away.
released=$(cd "$top_srcdir" && git tag --list 'v*' --sort=-v:refname 2>/dev/null | head -1)
removed()
{
	sort "$1" | comm -23 - "$2"
}
if [ -n "$released" ]; then
	git -C "$top_srcdir" show "$released:tests/data/symbols.txt" >"$tmp/released"
	none "no symbol of $released is gone" "$(removed "$tmp/released" "$tmp/golden")"
else
	skip "no released symbol is gone" "no release yet, or not a git checkout"
fi
{ cat "$golden"; echo "LIBSHRINK_0.1 shrink_gone"; } >"$tmp/released"
same "broken twin: a released symbol is gone" "$(removed "$tmp/released" "$tmp/golden")" \
	"LIBSHRINK_0.1 shrink_gone"

# What gets out must be ours by name, also out of the archive.
foreign()
{
	# _.stapsdt.base is the assembler's, where static probes are built in
	nm -g --defined-only "$@" 2>/dev/null |
		awk 'NF == 3 && $2 != "A" { sub(/@.*/, "", $3); print $3 }' |
		grep -v '^_\.stapsdt\.base$' | grep -vE '^(shrink|SHRINK)'
}
# Relocations that go through the PLT, or by a name that a program can pre-empt.
preemptible()
{
	readelf -rW "$1" | grep -E 'shrink[a-z_]*' | grep -v 'shrink_conf '
}
# Entries of the constructor tables beyond the compiler's frame_dummy.
constructors()
{
	readelf -SW "$1" | sed -n 's/^ *\[ *[0-9]*\] *//p' |
		awk '$1 == ".init_array" && $5 != "000008" { print $1, "of", $5, "bytes" }
		     $1 == ".ctors" || $1 == ".preinit_array" { print $1 }'
}

none "the shared library exports only shrink*" "$(foreign -D "$so")"
if [ -n "$sanitized" ]; then
	skip "the archive has no other globals" "sanitizer build"
	skip "own symbols are not reached through the PLT" "sanitizer build"
	skip "no constructors" "sanitizer build"
else
	if [ -f "$ar" ]; then none "the archive has no other globals" "$(foreign "$ar")"; else
		skip "the archive has no other globals" "no static library built"
	fi
	none "own symbols are not reached through the PLT" "$(preemptible "$so")"
	none "no constructors" "$(constructors "$so")"
fi
same "SONAME" "$(readelf -d "$so" | sed -n 's/.*Library soname: \[\(.*\)\]/\1/p')" libshrink.so.0
some "linked -z nodelete" "$(readelf -d "$so" | grep NODELETE)"

# Calls that open a descriptor, a statement each, without CLOEXEC.
open_calls='open(at|64)?|openat64|eventfd|epoll_create1|timerfd_create|inotify_init1|socket|accept4'
open_calls="$open_calls|memfd_create|pipe2|dup3|signalfd|perf_event_open|fopen"
never='creat|epoll_create|inotify_init|accept|pipe|dup|dup2|popen|mkstemp'
begin='(^|[^A-Za-z0-9_>.])'
descriptor_findings()
{
	find "$@" -name '*.c' | while read -r file; do
		$CC -fpreprocessed -dD -E -P -x c "$file" 2>/dev/null | tr '\n' ' ' |
			tr ';{}' '\n\n\n' | sed 's/"[^"]*"/""/g' |
			grep -E "$begin(($open_calls)|($never)) ?\(" |
			grep -vE "$begin($open_calls) ?\((.*CLOEXEC|struct )" |
			sed "s|^|$file: |"
	done
}
none "every descriptor is close-on-exec" "$(descriptor_findings "$top_srcdir/libshrink")"

# The broken twin: a library with each fault.
cat >"$tmp/fault.c" <<'FAULT'
#include <fcntl.h>
int shrink_version(void);
int helper(int x);
__attribute__((visibility("default"))) int shrink_version(void) { return 1; }
__attribute__((visibility("default"))) int helper(int x) { return x + shrink_version(); }
__attribute__((constructor)) static void start(void) { helper(open("/", O_RDONLY)); }
FAULT
cat >"$tmp/fault.map" <<'MAP'
LIBSHRINK_0.1 {
global:
	shrink_version;
	helper;
local:
	*;
};
MAP
$CC -shared -fPIC -O0 -o "$tmp/fault.so" "$tmp/fault.c" -Wl,--version-script="$tmp/fault.map"
$CC -c -o "$tmp/fault.o" "$tmp/fault.c"
same "broken twin: a foreign export" "$(foreign -D "$tmp/fault.so")" helper
same "broken twin: a foreign global" "$(foreign "$tmp/fault.o")" helper
some "broken twin: own symbol through the PLT" "$(preemptible "$tmp/fault.so")"
some "broken twin: a constructor" "$(constructors "$tmp/fault.so")"
mkdir "$tmp/src" && cp "$tmp/fault.c" "$tmp/src/fault.c"
some "broken twin: a descriptor not close-on-exec" "$(descriptor_findings "$tmp/src")"
exported_symbols "$tmp/fault.so" >"$tmp/twin"
same "broken twin: map and exports differ" \
	"$(differences map "$tmp/map" exported "$tmp/twin" | grep -c 'only in exported')" 1
echo shrink_version | sed 's/$/_x/' >"$tmp/twin"
mkdir "$tmp/man"
printf '.Sh NAME\n.Nm other\n.Sh SYNOPSIS\n' >"$tmp/man/shrink_version_x.3"
some "broken twin: a page that does not name its symbol" "$(page_findings "$tmp/man" <"$tmp/twin")"
mkdir -p "$tmp/include/shrink"
printf '%s\n' '#ifdef __GNUC__' '__attribute__((format(printf, 1, 2))) int shrink_a(const char *,
	...);' '#endif' 'static inline int shrink_b(void) { return 0; }' 'extern int shrink_c;' \
	'struct shrink_d { int (*e)(void); };' 'typedef int (*shrink_f)(int);' \
	'int shrink_g(void (*h)(void *arg), void *arg);' >"$tmp/include/shrink/a.h"
same "broken twin: declarations are found" "$(declared "$tmp/include" | grep -v shrink_version)" \
	"function shrink_a
function shrink_g
variable shrink_c"
done_testing

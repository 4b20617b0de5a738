#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# What the documents show is compiled, as C and without a warning, and run.
#
# In a page of the manual every literal block under EXAMPLES is preceded by a line
# ".\" example: run" (a program; it must exit with 0) or ".\" example: compile". In
# a document in Markdown every block marked "c" is a program that must exit with 0.
. "$(dirname "$0")/tap.sh"
make_tmp

# Writes the examples of a page to FOLDER/NAME.N.run.c or .compile.c
extract_man()
{
	awk -v base="$2/$(basename "$1")" '
		/^\.\\" example: / { kind = $3; next }
		/^\.Sh / { examples = /EXAMPLES/ }
		/^\.Bd -literal/ && examples {
			out = base "." ++n "." (kind ? kind : "unmarked") ".c"
			kind = ""
			next
		}
		/^\.Ed/ { out = "" }
		out { gsub(/\\e/, "\\"); gsub(/^\\&/, ""); print >out }' "$1"
}

extract_markdown()
{
	awk -v base="$2/$(basename "$1")" '
		/^```c$/ { out = base "." ++n ".run.c"; next }
		/^```/ { out = "" }
		out { print >out }' "$1"
}

sanitizer=$(sed -n 's/^SHRINK_SANITIZER_FLAGS = *//p' "$top_builddir/Makefile")
warnings="-std=c99 -Wall -Wextra -Wpedantic -Wconversion -Werror -D_POSIX_C_SOURCE=200809L"

# try FILE: prints what is wrong with it
try()
{
	case $1 in
	*.unmarked.c) echo "an example without a mark" ;;
	*.compile.c)
		# shellcheck disable=SC2086
		$CC $warnings -I "$top_srcdir/include" -I "$top_builddir/include" \
			-c -o "$tmp/example.o" "$1" 2>&1
		;;
	*.run.c)
		# shellcheck disable=SC2086
		$CC $warnings -I "$top_srcdir/include" -I "$top_builddir/include" $sanitizer \
			-o "$tmp/example" "$1" "$top_builddir/.libs/libshrink.so" -pthread \
			-Wl,-rpath,"$top_builddir/.libs" 2>&1 || return
		timeout 60 "$tmp/example" >"$tmp/output" 2>&1 || {
			echo "exit status $?:"
			cat "$tmp/output"
		}
		;;
	esac
}

mkdir "$tmp/examples" "$tmp/twin"
for page in "$top_srcdir"/docs/man/*.[0-9]; do
	extract_man "$page" "$tmp/examples"
done
for text in "$top_srcdir"/README.md "$top_srcdir"/docs/*.md; do
	extract_markdown "$text" "$tmp/examples"
done
for example in "$tmp"/examples/*.c; do
	none "$(basename "$example" .c)" "$(try "$example")"
done
some "README.md shows an example" "$(ls "$tmp"/examples/README.md.*.run.c)"

# Commands that the README names are there.
none "the commands in README.md are there" "$(
	grep -o '\(scripts\|examples\|tests\)/[a-z0-9/_.-]*[a-z0-9]' "$top_srcdir/README.md" |
		sort -u | while read -r file; do
		[ -e "$top_srcdir/$file" ] || echo "$file"
	done
)"

cat >"$tmp/twin/page.3" <<'PAGE'
.Sh EXAMPLES
.\" example: run
.Bd -literal
int main(void) { return 1; }
.Ed
.\" example: compile
.Bd -literal
int f(void) { return undeclared; }
.Ed
.Bd -literal
int unmarked;
.Ed
PAGE
extract_man "$tmp/twin/page.3" "$tmp/twin"
for example in "$tmp"/twin/*.c; do
	some "broken twin: $(basename "$example" .c)" "$(try "$example")"
done
done_testing

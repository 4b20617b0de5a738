#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Every public header alone, and twice, in every language standard we promise, with
# each compiler that is here, pedantic and without a warning; and every macro that
# the headers define has the library's prefix.
. "$(dirname "$0")/tap.sh"
make_tmp

# Not -Wshadow for C++: g++ counts a function named like its structure as hiding the
# constructor (as stat(2) does).
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wundef -Werror"
c_standards="c99 c11 c17"
cxx_standards="c++11 c++14 c++17 c++20"

# compile COMPILER LANGUAGE STANDARD FOLDER HEADER
compile()
{
	printf '#include <shrink/%s>\n#include <shrink/%s>\nint main(void) { return 0; }\n' \
		"$5" "$5" |
		"$1" -fsyntax-only -x "$2" -std="$3" $warnings -I "$4" \
			-I "$top_builddir/include" - 2>&1
}

have()
{
	command -v "$1" >/dev/null 2>&1
}

# all FOLDER: prints what any compiler says of any header in FOLDER/shrink
all()
{
	for compiler in gcc clang; do
		have $compiler || continue
		for standard in $c_standards; do
			for header in $headers; do
				compile $compiler c $standard "$1" "$header"
			done
		done
	done
	for compiler in g++ clang++; do
		have $compiler || continue
		for standard in $cxx_standards; do
			for header in $headers; do
				compile $compiler c++ $standard "$1" "$header"
			done
		done
	done
}

headers="$(cd "$top_srcdir/include/shrink" && ls ./*.h) ./version.h"
for compiler in gcc clang g++ clang++; do
	case $compiler in
	*++) language=c++ standards=$cxx_standards ;;
	*) language=c standards=$c_standards ;;
	esac
	for standard in $standards; do
		if ! have $compiler; then
			skip "$compiler -std=$standard" "no $compiler"
			continue
		fi
		none "$compiler -std=$standard" "$(for header in $headers; do
			compile $compiler $language $standard "$top_srcdir/include" "$header"
		done)"
	done
done

# <shrink/linux-compat.h> has the kernel's bare names on purpose.
foreign_macros()
{
	grep -n '^[ 	]*#[ 	]*define' "$@" | grep -v 'linux-compat\.h' |
		grep -vE 'define[ 	]+SHRINK(ER)?_'
}
none "macros have the prefix" "$(foreign_macros "$top_srcdir"/include/shrink/*.h)"

installed=$(sed -n 's|^\tinclude/shrink/\(.*\.h\).*|./\1|p' \
	"$top_srcdir/include/Makemodule.am" | sort)
present=$(cd "$top_srcdir/include/shrink" && ls ./*.h | sort)
same "every header is installed" "$installed" "$present"

# The broken twin: one header a fault.
mkdir -p "$tmp/shrink"
fault()
{
	printf '%s\n' "$2" >"$tmp/shrink/fault.h"
	headers=./fault.h
	some "broken twin: $1" "$(all "$tmp")"
}
fault "no include guard" 'struct shrink_twice { int a; };'
fault "not pedantic C99" 'static inline int shrink_f(void) { return ({ 1; }); }'
fault "not C++" 'int shrink_f(int class);'
fault "does not stand alone" 'size_t shrink_f(void);'
fault "a warning" 'static inline int shrink_f(int unused) { return 0; }'
echo '#define MIN(a, b) 0' >"$tmp/shrink/macro.h"
some "broken twin: a macro without prefix" "$(foreign_macros /dev/null "$tmp/shrink/macro.h")"
done_testing

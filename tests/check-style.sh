#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# How files look: licence line first and the right one for the folder, bounded files
# and lines, no blanks at line ends, no path of somebody's machine. Where
# clang-format is present its opinion is printed, as advice.
. "$(dirname "$0")/tap.sh"
make_tmp

# The files of the project below FOLDER, not what tools have made.
sources()
{
	(
		cd "$1" || exit
		find include kernel libshrink tests examples scripts docs tools m4 configure.ac \
			Makefile.am bootstrap README.md CONTRIBUTING.md -type f \
			! -path 'tests/data/*' ! -name 'libtool.m4' ! -name 'lt*.m4' \
			! -name '.keep' ! -path '*__pycache__*' ! -name '*.[oa]' ! -name '*.l[oa]' \
			! -path '*/.libs/*' ! -path '*/.deps/*' ! -name '.dirstamp' \
			! -name '*.log' ! -name '*.trs' 2>/dev/null | sort
	)
}

# What a file's first lines must say.
licence_of()
{
	case $1 in
	kernel/* | *.bpf.c) echo 'GPL-2.0' ;;
	examples/*) echo 'MIT' ;;
	*) echo 'LGPL-2.1-or-later OR BSD-2-Clause' ;;
	esac
}

# The licence line is the first, or the second behind "#!".
licence_findings()
{
	sources "$1" | grep -E '\.(c|cc|h|sh|py|awk|in|m4|[1-9])$|Makefile\.am$|bootstrap$' |
		while read -r file; do
		line=$(sed -n '1{/^#!/!p}; 2p' "$1/$file" | head -n 1)
		case $line in
		'.so man'*) ;; # a page that is nothing but a reference
		*"SPDX-License-Identifier: $(licence_of "$file")" | \
			*"SPDX-License-Identifier: $(licence_of "$file") */") ;;
		*) echo "$file: begins with: $line" ;;
		esac
	done
}

length_findings()
{
	sources "$1" | grep -E '\.([ch]|cc)$' | while read -r file; do
		lines=$(wc -l <"$1/$file")
		case $file in
		tests/*) most=700 ;; # a suite has a table of its tests besides
		*) most=450 ;;
		esac
		[ "$lines" -le $most ] || echo "$file: $lines lines, at most $most"
	done
}

line_findings()
{
	sources "$1" | grep -E '\.([ch]|cc)$' | while read -r file; do
		expand -t 8 "$1/$file" | awk -v f="$file" \
			'length($0) > 100 { print f ":" NR ": " length($0) " columns" }'
	done
}

blank_findings()
{
	sources "$1" | grep -vE '\.(svg|png)$' | while read -r file; do
		grep -q '[ 	]$' "$1/$file" && echo "$file: blanks at a line end"
		[ -z "$(tail -c 1 "$1/$file")" ] || echo "$file: no newline at the end"
	done | sort -u
}

path_findings()
{
	sources "$1" | grep -v 'tests/check-style\.sh' | while read -r file; do
		grep -nE '(^|[^a-z_])/(work|home|root)/|/tmp/wt' "$1/$file" | sed "s|^|$file:|"
	done
}

none "licence lines" "$(licence_findings "$top_srcdir")"
none "files of bounded length" "$(length_findings "$top_srcdir")"
none "lines of at most 100 columns" "$(line_findings "$top_srcdir")"
none "line ends" "$(blank_findings "$top_srcdir")"
none "no path of a machine" "$(path_findings "$top_srcdir")"

for licence in LGPL-2.1-or-later BSD-2-Clause MIT GPL-2.0; do
	if [ -s "$top_srcdir/LICENSES/$licence.txt" ]; then
		pass "LICENSES/$licence.txt"
	else
		fail "LICENSES/$licence.txt"
	fi
done

if command -v clang-format >/dev/null; then
	sources "$top_srcdir" | grep -E '\.[ch]$' >"$tmp/files"
	while read -r file; do
		clang-format --style=file "$top_srcdir/$file" | cmp -s - "$top_srcdir/$file" ||
			echo "$file"
	done <"$tmp/files" >"$tmp/differ"
	echo "# clang-format would write $(wc -l <"$tmp/differ") of" \
		"$(wc -l <"$tmp/files") files differently"
fi

# The broken twin: each fault once.
twin=$tmp/twin
mkdir -p "$twin/libshrink" "$twin/examples"
echo '/* no licence */' >"$twin/libshrink/none.c"
echo '// SPDX-License-Identifier: MIT' >"$twin/libshrink/wrong.c"
printf '#!/bin/sh\n# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause\n' \
	>"$twin/examples/wrong.sh"
yes '' | head -n 451 >"$twin/libshrink/long.c"
printf '\t%093d\n' 0 >"$twin/libshrink/wide.h"
printf 'a \nb' >"$twin/libshrink/ends.c"
echo 'see /home/me/x' >"$twin/libshrink/path.c"
found=$(licence_findings "$twin" | cut -d: -f1 | tr '\n' ' ')
same "broken twin: licences" "$found" "examples/wrong.sh libshrink/ends.c libshrink/long.c \
libshrink/none.c libshrink/path.c libshrink/wide.h libshrink/wrong.c "
same "broken twin: length" "$(length_findings "$twin" | cut -d: -f1)" libshrink/long.c
same "broken twin: width" "$(line_findings "$twin" | cut -d: -f1)" libshrink/wide.h
same "broken twin: ends" "$(blank_findings "$twin" | grep -c ends.c)" 2
same "broken twin: path" "$(path_findings "$twin" | cut -d: -f1)" libshrink/path.c
done_testing

# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# TAP for shell tests: source it, call the functions, end with `done_testing`.
# shellcheck shell=sh

tap_number=0
tap_failed=0
top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/.." && pwd)}
top_builddir=${top_builddir:-$(pwd)}
CC=${CC:-cc}
CXX=${CXX:-c++}

pass()
{
	tap_number=$((tap_number + 1))
	echo "ok $tap_number - $1"
}

# fail NAME [REASON...]: each reason may have several lines
fail()
{
	tap_number=$((tap_number + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_number - $1"
	shift
	for reason in "$@"; do
		printf '%s\n' "$reason" | sed 's/^/# /'
	done
}

skip()
{
	tap_number=$((tap_number + 1))
	echo "ok $tap_number - $1 # SKIP $2"
}

# none NAME TEXT: passes if the text, a list of findings, is empty
none()
{
	if [ -z "$2" ]; then pass "$1"; else fail "$1" "$2"; fi
}

# some NAME TEXT: for the broken twin of a check, which must find something
some()
{
	if [ -n "$2" ]; then pass "$1"; else fail "$1" "nothing was found"; fi
}

# same NAME ACTUAL EXPECTED
same()
{
	if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "is:" "$2" "expected:" "$3"; fi
}

# A folder of the test's own, gone when it ends.
make_tmp()
{
	tmp=$(mktemp -d) || exit 99
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 99' INT TERM HUP
}

done_testing()
{
	echo "1..$tap_number"
	[ "$tap_failed" -eq 0 ]
	exit
}

# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# shellcheck shell=sh disable=SC2034 # who reads this uses it
# What tests of broken twins share: a twin is a copy of a source of the library, changed
# by a sed script, linked before the archive with all of it. After tests/tap.sh.

make_var()
{
	sed -n "s/^$1 = //p" "$top_builddir/Makefile" | head -n 1
}

skip_all()
{
	echo "1..0 # SKIP $1"
	exit 0
}

# twin_copy SOURCE SED-SCRIPT TO: fails if the script changes nothing
twin_copy()
{
	sed "$2" "$1" >"$3"
	if [ -n "$2" ] && cmp -s "$1" "$3"; then
		echo "the script changes nothing in ${1##*/}"
		return 1
	fi
}

archive=$top_builddir/.libs/libshrink-all.a
twin_flags="-std=gnu11 -D_GNU_SOURCE -I$top_srcdir/include -I$top_builddir/include"
twin_flags="$twin_flags -I$top_srcdir -I$top_builddir -pthread"
twin_libs="$(make_var URCU_LIBS) $(make_var NUMA_LIBS) $(make_var CGROUP_LIBS) -ldl"
[ -f "$archive" ] || skip_all "no convenience archive in $top_builddir"

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Mutation check: see mutate.py. Only the calculator is compiled anew for each
# mutant; everything else comes from the build.
. "$(dirname "$0")/tap.sh"
python=${PYTHON3:-python3}
top=$top_srcdir
build=$top_builddir

skip_all()
{
	echo "1..0 # SKIP $1"
	exit 0
}

archive=$build/.libs/libshrink-all.a
"$python" -c '' 2>/dev/null || skip_all "no python3"
[ -f "$archive" ] || skip_all "no convenience archive in $build"
[ -f "$build/tests/test-arith.o" ] || skip_all "test programs are not built"

make_var()
{
	sed -n "s/^$1 = //p" "$build/Makefile" | head -n 1
}
# what they would find, the unmutated tests find there too
[ -z "$(make_var SHRINK_SANITIZER_FLAGS)" ] || skip_all "the plain build does it"
echo 1..1
flags="-std=gnu11 -O1 -D_GNU_SOURCE -I$top/include -I$build/include -I$top -I$build"
watch="-Wl,--wrap=shrink_arith_begin -Wl,--wrap=shrink_arith_end"
slice="$build/.libs/libslice.a {}/mutant.o $archive"
libs="$(make_var URCU_LIBS) $(make_var NUMA_LIBS) $(make_var CGROUP_LIBS) -ldl -pthread"
arith="$build/tests/test-arith.o $build/.libs/libharness.a {}/mutant.o $(make_var CUNIT_LIBS)"
vectors="$build/tests/run-vectors.o $slice"
slices="$build/tests/run-slices.o $slice"

exec "$python" "$top/tests/mutate.py" "$top/libshrink/core/arith.c" \
	"$CC $flags -c {}/mutant.c -o {}/mutant.o" \
	"$CC $flags $vectors $watch $libs -o {}/v && exec {}/v $top/tests/data/vectors.tsv" \
	"$CC $flags $arith -o {}/a && exec {}/a" \
	"$CC $flags $slices $watch $libs -o {}/s && exec {}/s $top/tests/data/kernel-slices.tsv"

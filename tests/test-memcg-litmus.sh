#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Charges in advance, taken back from threads that run: the broken twin without the
# membarrier must count wrongly, the library as it is must not.
. "$(dirname "$0")/tap.sh"
make_tmp
. "$top_srcdir/tests/twins.sh"
. "$top_srcdir/tests/litmus.sh"
[ -z "$(make_var SHRINK_SANITIZER_FLAGS)" ] || skip_all "sanitizers order memory themselves"
[ "$(getconf _NPROCESSORS_ONLN)" -gt 1 ] || skip_all "one processor"
barrier='syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);'

# build NAME SED-SCRIPT
build()
{
	twin_copy "$top_srcdir/libshrink/os/membarrier.c" "$2" "$tmp/$1.c" || return 1
	# shellcheck disable=SC2086
	$CC $twin_flags -O2 -o "$tmp/$1" "$top_srcdir/tests/memcg-litmus.c" "$tmp/$1.c" \
		"$archive" $twin_libs
}

litmus charge 1 "" membarrier "s/$barrier/;/"
done_testing

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Broken twins of the sources: that tests/test-system-calls, tests/test-watchers and
# tests/test-loop-systemd can fail. A copy of one source file of the library with something taken out of it is linked
# before the rest, and the program must notice.
. "$(dirname "$0")/tap.sh"
make_tmp
. "$top_srcdir/tests/twins.sh"
[ -f "$top_builddir/tests/os-double.o" ] || skip_all "test programs are not built"
[ -z "$(make_var SHRINK_SANITIZER_FLAGS)" ] || skip_all "the plain build does it"
wraps=$(grep -o -e '-Wl,--wrap=[a-z0-9_]*' "$top_srcdir/tests/sources.am")
libs="$top_builddir/.libs/libmachine.a $top_builddir/.libs/libfakes.a"
libs="$libs $top_builddir/.libs/libcache.a $top_builddir/.libs/libharness.a $archive"

# build PROGRAM FILE SED-SCRIPT
build()
{
	twin_copy "$top_srcdir/libshrink/$2" "$3" "$tmp/twin.c" >"$tmp/out" || return 1
	# shellcheck disable=SC2046,SC2086 # lists of words
	$CC $twin_flags -O1 -c "$tmp/twin.c" -o "$tmp/twin.o" >"$tmp/out" 2>&1 &&
		$CC -pthread $wraps "$top_builddir/tests/$1.o" "$top_builddir/tests/os-double.o" \
			"$tmp/twin.o" $libs $(make_var CUNIT_LIBS) $twin_libs -o "$tmp/twin" \
			>>"$tmp/out" 2>&1
}

# broken WHAT PROGRAM FILE SED-SCRIPT TEST
broken()
{
	if ! build "$2" "$3" "$4"; then
		fail "$1: $2 notices" "$(cat "$tmp/out")"
	elif timeout 100 "$tmp/twin" "$5" >"$tmp/out" 2>&1; then
		fail "$1: $2 notices" "the twin passes"
	else
		pass "$1: $2 notices"
	fi
}

for program in test-loop-systemd test-system-calls test-watchers; do
	if build $program os/watch.c "" && timeout 300 "$tmp/twin" >"$tmp/out" 2>&1; then
		pass "$program passes with an untouched copy"
	else
		fail "$program passes with an untouched copy" "$(grep -v '^ok' "$tmp/out")"
	fi
done
broken "a descriptor is left where it cannot be written to" test-system-calls os/watch.c \
	'/write_all(fd, kind, data, size)/,/return r;/s/shrink_os_close(fd);//' "PSI file"
broken "one is left where its file cannot be read" test-system-calls source/psi.c \
	'/psi.fd = r;/,/return shrink/s/shrink_os_close(psi.fd);//' v2
broken "an eventfd is left where it cannot be armed" test-system-calls source/vmpressure.c \
	'/if (r < 0) {/,/return/s/vmpressure_close(src);/src->nr_fds = 0;/' v1
broken "who has failed is asked again" test-system-calls source/sources.c \
	's/set_state(src, SHRINK_SOURCE_FAILED);//' v2
broken "a failure of waiting is taken for none" test-system-calls source/sources.c \
	's/return shrink_source_fail(src, r, "cannot be waited for: %s", strerror(-r));/return r;/' v2
broken "memory.events is new for ever" test-watchers source/events.c 's/seen\[index\] = counts;//' \
	memory.events
broken "a removed group is not looked after" test-watchers source/events.c \
	's/return events_ready(src, 0, 0, now, sig);/return 0;/' "without an event"
broken "a trigger's event is believed" test-watchers source/psi.c \
	's/if (!grows || !level ||/if (sig->hint = 1, !grows || !level ||/' "false first"
broken "a trigger that is gone stays" test-watchers source/psi.c \
	's/if (epoll_events & (EPOLLERR | EPOLLHUP)) {/if (0) {/' "trigger that is gone"
broken "the levels of psi_triggers are not kept apart" test-watchers source/psi.c \
	's/level = t->is.level;/level = SHRINK_LEVEL_CRITICAL;/' "psi_triggers"
broken "an eventfd of a removed group is pressure" test-watchers source/vmpressure.c \
	's/if (is_gone(src->cgroup))/if (0)/' vmpressure
broken "who stood back goes on standing back" test-watchers source/sources.c \
	's/__atomic_store_n(&src->muted, 0, __ATOMIC_RELAXED);//' "manager"
broken "who is not told of stolen events" test-loop-systemd source/monitor.c \
	's/!is_among(events, n, i))/0)/' "PSI file"
broken "who is told of them only if nothing else is ready" test-loop-systemd source/monitor.c \
	's/!is_among(events, n, i))/n <= 0)/' "PSI file"
broken "who was looked at is due for ever" test-loop-systemd source/manual.c \
	's/src->next_sample = UINT64_MAX;//' "PSI file"
broken "an echo is pressure" test-loop-systemd source/systemd.c \
	's/if (!is_echo(first, n))/if (1)/' FIFO
broken "a false first event is believed" test-loop-systemd source/systemd.c \
	's/return first \&\& .*;/return false;/' "PSI file"
broken "a trigger of the manager's that is gone stays" test-loop-systemd source/systemd.c \
	's/if (epoll_events & (EPOLLERR | EPOLLHUP))/if (0)/' "PSI file"
done_testing

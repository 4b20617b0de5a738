#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Tests that go wrong, for check-infra.sh; in a guest.
case $1 in
passes) printf 'ok 1 - one is one\n1..1\n' ;;
fails) printf 'not ok 1 - two is three\n1..1\n'; exit 1 ;;
status) printf 'ok 1 - all is well\n1..1\n'; exit 3 ;;
silent) ;;
unplanned) printf 'ok 1 - one\n' ;;
short) printf '1..3\nok 1 - one\n' ;;
warns) echo 'WARNING: CPU: 0 PID: 1 at somewhere' >/dev/kmsg; printf 'ok 1 - one\n1..1\n' ;;
hangs) printf '1..1\n'; sleep 1000 ;;
panics) printf 'ok 1 - one\n1..1\n'; echo c >/proc/sysrq-trigger; sleep 1000 ;;
leaves) printf 'ok 1 - one\n1..1\n'; /build/tests/guest/leave 16; sleep 1000 ;;
frozen) killall -STOP timeout; while :; do sleep 1000; done ;;
esac

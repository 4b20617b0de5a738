#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The systemd units of shrink-bridged, as systemd itself reads them; a broken twin of each
# must be noticed.
. "$(dirname "$0")/tap.sh"
make_tmp

command -v systemd-analyze >/dev/null || {
	echo "1..0 # SKIP no systemd-analyze"
	exit 0
}
program=$top_builddir/tools/bridged/shrink-bridged
bridged=$(dirname "$program")
mkdir -p "$tmp/man/man8" "$tmp/runtime"
cp "$top_srcdir/docs/man/shrink-bridged.8" "$tmp/man/man8/"
program=$(cd "$(dirname "$program")" && pwd)/shrink-bridged

# verify SED-SCRIPT: both units, with the program that was built in the place of the one
# that will be installed; fails where systemd has anything to say
verify()
{
	sed "s|^ExecStart=/[^ ]*/sbin/shrink-bridged\$|ExecStart=$program|; $1" \
		"$bridged/shrink-bridged.service" >"$tmp/shrink-bridged.service"
	sed "$1" "$top_srcdir/tools/bridged/shrink-bridged.socket" >"$tmp/shrink-bridged.socket"
	MANPATH=$tmp/man XDG_RUNTIME_DIR=$tmp/runtime timeout 60 systemd-analyze verify \
		"$tmp/shrink-bridged.service" "$tmp/shrink-bridged.socket" >"$tmp/out" 2>&1 &&
		[ ! -s "$tmp/out" ]
}

# broken WHAT SED-SCRIPT
broken()
{
	if verify "$2"; then
		fail "$1: noticed" "systemd says nothing"
	else
		pass "$1: noticed"
	fi
}

if verify ''; then
	pass "the units are as systemd wants them"
else
	fail "the units are as systemd wants them" "$(cat "$tmp/out")"
fi
broken "no such directive" 's/^NoNewPrivileges=/NoNewPrivilege=/'
broken "no such program" 's|^ExecStart=.*|ExecStart=/nowhere/shrink-bridged|'
broken "no such page" 's/shrink-bridged(8)/shrink-bridge(8)/'
broken "a socket at no place" 's/^Listen.*//'
done_testing

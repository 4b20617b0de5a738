#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The configuration as a program meets it: its own symbol, the environment, the
# order of precedence through the public calls, and setuid, where the environment
# is somebody else's.
. "$(dirname "$0")/tap.sh"
make_tmp

show()
{
	"$top_builddir/$program" "$@" 2>"$tmp/stderr"
}

env_show()
{
	LIBSHRINK_CONF=$conf
	export LIBSHRINK_CONF
	show "$@"
	unset LIBSHRINK_CONF
}

check_program()
{
	program=$1
	same "$program: the program's symbol is read" "$(show low_percent log)" "low_percent=11
log=6"
	conf=low_percent:22
	same "$program: the environment is stronger" "$(env_show low_percent high_bytes)" \
		"low_percent=22
high_bytes=11"
	same "$program: the API lies between them" \
		"$(env_show low_percent=33 high_bytes=33 low_percent high_bytes min_yield)" \
		"low_percent: -1
high_bytes: 0
low_percent=22
high_bytes=33
min_yield=11"
	conf='low_percent:999,nonsense:1,high_bytes:"22'
	same "$program: errors are counted, the weaker value stays" \
		"$(env_show errors low_percent high_bytes)" "errors=3
low_percent=11
high_bytes=11"
	same "$program: and said on stderr before start" "$(cut -c1-26 "$tmp/stderr")" \
		"$(printf 'libshrink: LIBSHRINK_CONF:\n%.0s' 1 2 3)"
	conf=off
	same "$program: the bare word off" "$(env_show off errors)" "off=true
errors=0"
}

check_program tests/conf-show
check_program tests/conf-show-static

# As nobody, in a folder that nobody may enter.
as_nobody()
{
	setpriv --reuid=65534 --regid=65534 --clear-groups -- \
		env LIBSHRINK_CONF=low_percent:22 "$tmp/show" secure low_percent 2>&1
}

setuid_tests()
{
	name="setuid: the environment is ignored"
	if [ "$(id -u)" -ne 0 ] || ! command -v setpriv >/dev/null; then
		skip "$name" "needs root and setpriv"
		return
	fi
	chmod 755 "$tmp"
	cp "$top_builddir/tests/conf-show-static" "$tmp/show"
	chown 0:0 "$tmp/show"
	chmod 755 "$tmp/show"
	if ! plain=$(as_nobody); then
		skip "$name" "nobody cannot run it: $plain"
		return
	fi
	same "broken twin: without setuid it is read" "$plain" "secure=0
low_percent=22"
	chmod u+s "$tmp/show"
	secure=$(as_nobody)
	case $secure in
	secure=0*) skip "$name" "the file system does not honour setuid" ;;
	*) same "$name" "$secure" "secure=1
low_percent=11" ;;
	esac
}
setuid_tests
done_testing

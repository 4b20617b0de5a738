# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# shellcheck shell=sh
# Litmus tests: what is kept loses nothing, the twin without its fence does. After
# tests/twins.sh, with build NAME SED-SCRIPT that makes $tmp/NAME.

# lost NAME SECONDS STOP-AT: how many it lost
lost()
{
	output=$(timeout 60 "$tmp/$1" "$2" "$3") || return 1
	echo "# $1: $output" >&2
	echo "${output##* }"
}

# litmus WHAT SECONDS KEEPS FENCE BREAKS: WHAT is never lost with KEEPS, in so many
# seconds, and is with BREAKS, which is without FENCE
litmus()
{
	if build right "$3"; then
		same "no $1 is ever lost" "$(lost right "$2" 1)" 0
	else
		fail "no $1 is ever lost" "does not build"
	fi
	what="broken twin: without the $4 one is lost"
	if ! build twin "$5"; then
		fail "$what" "does not build"
	elif [ "$(lost twin 6 3)" = 0 ]; then
		skip "$what" "this machine hides it"
	else
		pass "$what"
	fi
}

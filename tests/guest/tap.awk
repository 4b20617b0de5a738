# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# One test's part of what a guest has said, to TAP without numbers and plan. With -v
# prefix, wanted (the test's name). What is missing makes a failure, never a pass.

function result(ok, text)
{
	print (ok ? "ok - " : "not ok - ") prefix ": " text
	results++
	failures += !ok
}

# "ok 3 - text": a test's own numbers go; a skip stays what it is
function tap(line)
{
	own++
	failures += line ~ /^not ok/
	sub(/^(not )?ok *[0-9]* *-? */, "& ", line)
	match(line, /^(not )?ok/)
	status = substr(line, 1, RLENGTH)
	sub(/^(not )?ok *[0-9]* *-? */, "", line)
	print status " - " prefix ": " line
	results++
}

{ sub(/\r$/, "") }
$1 == "@begin" { inside = $2 == wanted; begun = begun || inside; next }
$1 == "@end" { if ($2 == wanted) { ended = 1; status_at_end = $3 } inside = 0; next }
!inside { next }
/^(not )?ok( |$)/ { tap($0); next }
/^1\.\.0/ {
	planned = 1
	plan = 0
	sub(/^1\.\.0 *#* *(SKIP)? */, "")
	print "ok - " prefix " # SKIP " $0
	results++
	next
}
/^1\.\.[0-9]+$/ { planned = 1; plan = substr($0, 4) + 0; next }
/^Bail out!/ { result(0, $0); next }
{ print "# " substr($0, 1 + 2 * (substr($0, 1, 2) == "# ")) }

END {
	if (!begun)
		result(0, "was never begun")
	else if (!ended)
		result(0, "the guest ended or hung amid it")
	else if (status_at_end == 137 || status_at_end == 143)
		result(0, "killed, or out of time")
	else {
		if (!planned)
			result(0, "no plan")
		else if (plan != own)
			result(0, own + 0 " results, " plan " planned")
		if (status_at_end == 98)
			result(0, "the kernel complained")
		else if (status_at_end && !failures)
			result(0, "ended with status " status_at_end)
	}
}

# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# bench.jsonl as a table. POSIX awk.

function value(key,    at, rest) {
	at = index($0, "\"" key "\":")
	if (!at)
		return "-"
	rest = substr($0, at + length(key) + 3)
	if (substr(rest, 1, 1) == "\"") {
		rest = substr(rest, 2)
		sub(/".*/, "", rest)
	} else {
		sub(/[,}].*/, "", rest)
	}
	return rest
}

BEGIN {
	format = "%-72s %10s %-12s %8s %10s %8s\n"
	printf format, "", "measured", "unit", "aim", "baseline", "ratio"
}

{
	aim = value("aim")
	printf format, value("what"), value("value"), value("unit"), \
		aim == "-" ? "-" : "<= " aim (value("met") == "true" ? "" : " !"), value("baseline"), value("ratio")
}

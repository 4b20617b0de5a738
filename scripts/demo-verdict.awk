# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# results.tsv (run, key, value) to a table, a verdict in one line, and the same
# as JSON in the file -v json=. Exit status 1 where libshrink did not win.

BEGIN {
	FS = "\t"
	split("libshrink off fixed", run, " ")
}

{
	v[$1, $2] = $3
}

function shown(key, r,    x) {
	x = v[r, key]
	if (x == "" || x == -1)
		return "-"
	if (key == "hit_rate")
		return sprintf("%.1f %%", x * 100)
	if (key == "bytes")
		return sprintf("%.0f MiB", x / 1048576)
	if (key == "max_usec" || key == "p99_usec")
		return sprintf("%.1f ms", x / 1000)
	return x
}

function row(label, key) {
	printf "%-34s %14s %14s %14s\n", label, shown(key, "libshrink"), shown(key, "off"), shown(key, "fixed")
}

function write_json(    i, k, n, keys, sep, comma, number) {
	n = split("oom_kills server_kills neighbour_kills limit_hits gets hits hit_rate bytes items " \
		"max_usec p50_usec p99_usec bad garbled lost refused unanswered freed returned usage", keys, " ")
	printf "{" >json
	for (i = 1; i <= 3; i++) {
		printf "%s\"%s\":{", sep, run[i] >json
		comma = ""
		for (k = 1; k <= n; k++) {
			number = v[run[i], keys[k]]
			printf "%s\"%s\":%s", comma, keys[k], number == "" ? -1 : number >json
			comma = ","
		}
		printf "}" >json
		sep = ","
	}
	printf ",\"won\":%s,\"verdict\":\"%s\"}\n", against == "" ? "true" : "false", words >json
}

function object(reason) {
	against = against (against == "" ? "" : "; ") reason
}

# What libshrink is for: nobody killed, no value harmed, and more hits than with
# the size that is safe without it.
function judge(    r) {
	r = "libshrink"
	if (v[r, "oom_kills"] > 0 || v[r, "server_kills"] > 0 || v[r, "neighbour_kills"] > 0)
		object("something was killed with libshrink")
	if (v[r, "bad"] + v[r, "garbled"] > 0)
		object("values were harmed")
	if (v[r, "hit_rate"] <= v["fixed", "hit_rate"])
		object("the fixed size had the better hit rate")
	if (budget + 0 && v[r, "limit_hits"] > 0)
		object("the budget was exceeded")
	if (against != "")
		return "libshrink did not win: " against
	return sprintf("libshrink won: %s, hit rate %s against %s of the safe fixed size%s", \
		budget + 0 ? "budget kept" : "no OOM kill", shown("hit_rate", r), shown("hit_rate", "fixed"), \
		v["off", "oom_kills"] > 0 ? ", and without it " v["off", "oom_kills"] " OOM kill" \
		(v["off", "oom_kills"] > 1 ? "s" : "") : "")
}

END {
	printf "\n%-34s %14s %14s %14s\n", "", "libshrink", "without", "fixed size"
	if (!(budget + 0)) {
		row("OOM kills", "oom_kills")
		row("  of the server", "server_kills")
		row("  of the neighbour", "neighbour_kills")
		row("times the limit was hit", "limit_hits")
	} else {
		row("looks that found it over budget", "limit_hits")
	}
	row("hit rate", "hit_rate")
	row("cache left at the end", "bytes")
	row("longest pause of a request", "max_usec")
	row("99 % of requests within", "p99_usec")
	row("requests cut off", "lost")
	row("values that failed their checksum", "bad")
	words = judge()
	print "\nverdict: " words
	write_json()
	exit against != ""
}

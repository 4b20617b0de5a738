# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# results.tsv (run, key, value) to a table, a verdict in one line, one for each of -v
# allocators="malloc jemalloc", and the same as JSON in the file -v json=. Exit status 1
# where libshrink, with its pool, did not win; what a heap does is no fault of its own.

BEGIN {
	FS = "\t"
	nr_runs = split("libshrink off fixed " allocators, run, " ")
	split("libshrink without fixed~size " allocators, title, " ")
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
	if (key == "bytes" || key == "returned")
		return sprintf("%.0f MiB", x / 1048576)
	if (key == "max_usec" || key == "p99_usec")
		return sprintf("%.1f ms", x / 1000)
	return x
}

function row(label, key,    i) {
	printf "%-34s", label
	for (i = 1; i <= nr_runs; i++)
		printf " %11s", shown(key, run[i])
	print ""
}

function head(    i) {
	printf "\n%-34s", ""
	for (i = 1; i <= nr_runs; i++) {
		sub(/~/, " ", title[i])
		printf " %11s", title[i]
	}
	print ""
}

function write_json(    i, k, n, keys, sep, comma, number) {
	n = split("oom_kills server_kills neighbour_kills limit_hits gets hits hit_rate bytes items " \
		"max_usec p50_usec p99_usec bad garbled lost refused unanswered freed returned usage", keys, " ")
	printf "{" >json
	for (i = 1; i <= nr_runs; i++) {
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
	printf ",\"verdicts\":{" >json
	sep = ""
	for (i = 4; i <= nr_runs; i++) {
		printf "%s\"%s\":\"%s\"", sep, run[i], heap[i] >json
		sep = ","
	}
	printf "},\"won\":%s,\"verdict\":\"%s\"}\n", against == "" ? "true" : "false", words >json
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

function percent(part, whole) {
	return whole > 0 ? sprintf("%.0f %%", part * 100 / whole) : "-"
}

# The same with values in a heap: does it hold, and what comes back of what is evicted?
function judge_heap(r) {
	if (v[r, "bad"] + v[r, "garbled"] > 0)
		return "lost: values were harmed"
	if (v[r, "oom_kills"] + v[r, "server_kills"] + v[r, "neighbour_kills"] > 0)
		return sprintf("lost: %d OOM kill%s, %s of what was evicted came back", \
			v[r, "oom_kills"], v[r, "oom_kills"] > 1 ? "s" : "", percent(v[r, "returned"], v[r, "freed"]))
	return sprintf("%s: not killed, hit rate %s, %s of what was evicted came back (pool: %s)", \
		v[r, "hit_rate"] > v["fixed", "hit_rate"] ? "held" : "no better than the fixed size", \
		shown("hit_rate", r), percent(v[r, "returned"], v[r, "freed"]), \
		percent(v["libshrink", "returned"], v["libshrink", "freed"]))
}

END {
	head()
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
	row("given back", "returned")
	row("values that failed their checksum", "bad")
	words = judge()
	print "\nverdict: " words
	for (i = 4; i <= nr_runs; i++) {
		heap[i] = judge_heap(run[i])
		print "with " run[i] ": " heap[i]
	}
	write_json()
	exit against != ""
}

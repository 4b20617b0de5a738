# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The demo's figures as an SVG: a panel for each run, usage, limit, cache and
# neighbour over time, and below each the hit rate. POSIX awk, no other program.
#
# usage: awk -f demo-plot.awk -v limit=BYTES -v budget=0|1 RUN.jsonl...

function value(key,    at, rest) {
	at = index($0, "\"" key "\":")
	if (!at)
		return -1
	rest = substr($0, at + length(key) + 3)
	sub(/[,}].*/, "", rest)
	gsub(/"/, "", rest)
	return rest
}

FNR == 1 {
	runs++
	name[runs] = FILENAME
	sub(/.*\//, "", name[runs])
	sub(/\.jsonl$/, "", name[runs])
	kills = 0
}

value("type") == "tick" || value("type") == "total" {
	n = ++points[runs]
	t[runs, n] = value("t") + 0
	usage[runs, n] = value("usage") + 0
	cache[runs, n] = value("bytes") + 0
	hits[runs, n] = value("type") == "tick" && value("phase") == "read" && value("gets") > 0 ? value("hit_rate") : -1
	if (value("type") == "tick" && value("phase") == "fill")
		fill_end[runs] = t[runs, n]
	if (value("type") == "tick" && n == 1)
		zero = value("nsec") / 1e9 - t[runs, n]
	if (value("oom_kills") + 0 > kills) {
		kills = value("oom_kills") + 0
		kill_t[runs, ++nr_kills[runs]] = t[runs, n]
	}
	if (t[runs, n] > t_max)
		t_max = t[runs, n]
	if (usage[runs, n] > y_max)
		y_max = usage[runs, n]
}

value("event") != -1 {
	n = ++hogs[runs]
	hog_t[runs, n] = value("nsec") / 1e9 - zero
	hog[runs, n] = value("bytes") + 0
	hog_event[runs, n] = value("event")
}

function px(seconds) {
	return sprintf("%.1f", left + (width - left - right) * seconds / t_max)
}

function py(bytes) {
	return sprintf("%.1f", top + height * (1 - bytes / y_max))
}

function text(x, y, anchor, class, words) {
	printf "<text x=\"%s\" y=\"%s\" text-anchor=\"%s\" class=\"%s\">%s</text>\n", x, y, anchor, class, words
}

function line(x1, y1, x2, y2, class) {
	printf "<line x1=\"%s\" y1=\"%s\" x2=\"%s\" y2=\"%s\" class=\"%s\"/>\n", x1, y1, x2, y2, class
}

# A polyline of one series; a point below zero is unknown and breaks it.
function curve(run, series, class,    i, v, path, pen) {
	for (i = 1; i <= points[run]; i++) {
		v = series == "usage" ? usage[run, i] : cache[run, i]
		if (v < 0) {
			pen = 0
			continue
		}
		path = path (pen ? " L" : " M") px(t[run, i]) " " py(v)
		pen = 1
	}
	printf "<path d=\"%s\" class=\"%s\"/>\n", path, class
}

function usage_area(run,    i, path) {
	path = "M" px(t[run, 1]) " " py(0)
	for (i = 1; i <= points[run]; i++)
		path = path " L" px(t[run, i]) " " py(usage[run, i] > 0 ? usage[run, i] : 0)
	printf "<path d=\"%s L%s %s Z\" class=\"area\"/>\n", path, px(t[run, points[run]]), py(0)
}

# Between two events the neighbour's memory grows in a line, but it is let go at
# once.
function hog_area(run,    i, path) {
	if (!hogs[run])
		return
	path = "M" px(hog_t[run, 1]) " " py(0)
	for (i = 1; i <= hogs[run]; i++) {
		if (hog_event[run, i] == "released")
			path = path " L" px(hog_t[run, i]) " " py(hog[run, i - 1])
		path = path " L" px(hog_t[run, i]) " " py(hog[run, i])
	}
	printf "<path d=\"%s L%s %s Z\" class=\"hog\"/>\n", path, px(hog_t[run, hogs[run]]), py(0)
	if (hogs[run] == 1)
		text(px(hog_t[run, 1]), py(0) - 6, "middle", "bad", "neighbour killed")
}

function hit_strip(run,    i, path, pen, y) {
	line(left, strip, width - right, strip, "grid")
	line(left, strip + strip_height, width - right, strip + strip_height, "axis")
	text(left - 8, strip + 4, "end", "tick", "100 %")
	text(left - 8, strip + strip_height + 4, "end", "tick", "0")
	text(14, strip + strip_height / 2, "start", "tick", "hits")
	for (i = 1; i <= points[run]; i++) {
		if (hits[run, i] < 0)
			continue
		y = sprintf("%.1f", strip + strip_height * (1 - hits[run, i]))
		path = path (pen ? " L" : " M") px(t[run, i]) " " y
		pen = 1
	}
	printf "<path d=\"%s\" class=\"hits\"/>\n", path
}

function axes(run,    mib, step) {
	step = y_max / 1048576 > 400 ? 128 : y_max / 1048576 > 200 ? 64 : 32
	for (mib = 0; mib * 1048576 <= y_max; mib += step) {
		line(left, py(mib * 1048576), width - right, py(mib * 1048576), mib ? "grid" : "axis")
		text(left - 8, py(mib * 1048576) + 4, "end", "tick", mib (mib ? "" : " MiB"))
	}
	line(left, py(limit), width - right, py(limit), "limit")
	text(width - right + 6, py(limit) + 4, "start", "bad", budget + 0 ? "budget" : "limit")
}

function seconds_axis(    s, step) {
	step = t_max > 12 ? 2 : t_max > 5 ? 1 : 0.5
	for (s = 0; s <= t_max; s += step)
		text(px(s), strip + strip_height + 18, "middle", "tick", s " s")
}

function title_of(run) {
	if (name[run] == "libshrink")
		return "with libshrink"
	if (name[run] == "off")
		return "without (LIBSHRINK_CONF=off)"
	return "without, small fixed size"
}

function panel(run,    i) {
	top = 64 + (run - 1) * (height + strip_height + 72)
	strip = top + height + 18
	text(left, top - 8, "start", "title", title_of(run))
	usage_area(run)
	hog_area(run)
	axes(run)
	curve(run, "usage", "usage")
	curve(run, "cache", "cache")
	for (i = 1; i <= nr_kills[run]; i++) {
		line(px(kill_t[run, i]), top, px(kill_t[run, i]), py(0), "kill")
		if (i == 1)
			text(px(kill_t[run, i]) + 4, top + 30, "start", "bad", "OOM kill")
	}
	if (fill_end[run] > 0) {
		line(px(fill_end[run]), top, px(fill_end[run]), strip + strip_height, "phase")
		text(px(fill_end[run]) + 4, py(0) - 6, "start", "tick", "fill ends")
	}
	hit_strip(run)
	seconds_axis()
}

function legend_item(x, class, words) {
	printf "<rect x=\"%d\" y=\"18\" width=\"18\" height=\"10\" class=\"%s\"/>\n", x, class
	text(x + 24, 27, "start", "tick", words)
	return x + 40 + 7 * length(words)
}

END {
	if (!runs || !points[1])
		exit 1
	width = 960; height = 190; strip_height = 44; left = 70; right = 56
	if (y_max < limit)
		y_max = limit
	y_max *= 1.06
	total = 64 + runs * (height + strip_height + 72)
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\">\n", width, total
	print "<style>.area{fill:#c9d8ea;stroke:none}.hog{fill:#f2a65a;fill-opacity:.75;stroke:#c8731a}" \
		".usage{fill:none;stroke:#5b7fa8;stroke-width:1.5}.cache{fill:none;stroke:#123f6e;stroke-width:2.2}" \
		".limit{stroke:#b3261e;stroke-width:1.5;stroke-dasharray:6 4}.kill{stroke:#b3261e;stroke-width:2}" \
		".hits{fill:none;stroke:#2e7d32;stroke-width:2}.grid{stroke:#e3e3e3}.axis{stroke:#666}" \
		".phase{stroke:#999;stroke-dasharray:2 3}.key-cache{fill:#123f6e}.key-hits{fill:#2e7d32}" \
		".title{font-size:15px;font-weight:bold;fill:#222}.tick{font-size:11px;fill:#444}" \
		".bad{font-size:11px;fill:#b3261e}</style>"
	printf "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", width, total
	x = legend_item(left, "area", budget + 0 ? "kvcached's memory" : "usage of the group")
	x = legend_item(x, "key-cache", "cache (values and keys)")
	x = legend_item(x, "hog", "neighbour")
	x = legend_item(x, "key-hits", "hit rate")
	for (run = 1; run <= runs; run++)
		panel(run)
	print "</svg>"
}

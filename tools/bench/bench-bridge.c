// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * bench-bridge FILE TEXT: from the kernel's own event to our caches. Runs inside a group;
 * writing TEXT to FILE (memory.force_empty or memory.reclaim of it) makes the kernel
 * reclaim the group. Between the tracepoint and the pass: two wake-ups. LIBSHRINK_CONF
 * chooses the means.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <shrink/shrink.h>

#include "tools/bench/bench.h"

#define TURNS	200
#define SAMPLES 4096

static double to_pass[SAMPLES], to_scan[SAMPLES];
static size_t nr;

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return 1 << 20;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	return sc->nr_to_scan;
}

static void press(const char *file, const char *text)
{
	FILE *f = fopen(file, "we");

	if (!f)
		bench_die(file, 1);
	fputs(text, f);
	fclose(f); /* that it could not take all is no matter */
}

/* The latest first; what was seen before is left. */
static uint64_t collect(uint64_t since)
{
	struct shrink_round rounds[64];
	int n = shrink_rounds(rounds, 64, sizeof(rounds[0]));
	uint64_t newest = since;

	for (int i = 0; i < n && nr < SAMPLES; i++) {
		if (strcmp(rounds[i].source, "bridge") || rounds[i].begin_nsec <= since)
			continue;
		if (rounds[i].begin_nsec > newest)
			newest = rounds[i].begin_nsec;
		if (!rounds[i].first_scan_nsec)
			continue;
		to_pass[nr] = (double)(rounds[i].begin_nsec - rounds[i].notice_nsec) / 1000;
		to_scan[nr++] = (double)(rounds[i].first_scan_nsec - rounds[i].notice_nsec) / 1000;
	}
	return newest;
}

static void report(const char *end, double *samples, double part, double aim)
{
	struct shrink_bridge_stats st;
	char what[128];

	shrink_bridge_stats(&st, sizeof(st));
	snprintf(what, sizeof(what), "bridge (%s): from the kernel's event to %s", st.means, end);
	bench_print(&(struct bench_figure){.bench = "bridge",
					   .what = what,
					   .unit = "usec",
					   .value = bench_percentile(samples, nr, part),
					   .aim = aim,
					   .samples = nr});
}

int main(int argc, char **argv)
{
	struct shrinker *s = shrinker_alloc(0, "bench");
	uint64_t since = 0;

	if (argc != 3 || !s)
		bench_die("usage: bench-bridge FILE TEXT", 22);
	s->count_objects = count;
	s->scan_objects = scan;
	shrink_conf_set("bridge", "trace");
	shrink_conf_set("usage", "off");
	if (shrinker_register(s) < 0 || shrink_start(SHRINK_START_STRICT) < 0)
		bench_die("the bridge does not start", 95);
	bench_sleep_nsec(NSEC / 10);
	for (int i = 0; i < TURNS; i++) {
		press(argv[1], argv[2]);
		bench_sleep_nsec(NSEC / 50);
		since = collect(since);
	}
	if (!nr)
		bench_die("the kernel has not reclaimed us, or the bridge is not live", 5);
	report("our pass, median", to_pass, 0.5, 1000);
	report("our pass, 99 %", to_pass, 0.99, 0);
	report("the first scan, median", to_scan, 0.5, 1000);
	shrink_stop();
	shrinker_free(s);
	return 0;
}

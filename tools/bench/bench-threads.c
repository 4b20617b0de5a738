// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * What libshrink's threads cost a running process, seen from outside: CPU time
 * and wake-ups of the threads named shrink-*, beside the process as a whole.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench.h"

struct cost {
	uint64_t cpu_nsec; /* of all threads */
	uint64_t own_nsec; /* of libshrink's */
	uint64_t wakeups;  /* of libshrink's: voluntary switches */
	unsigned int threads;
};

/* A whole small file of a thread; "" where it has gone. */
static void read_file(const char *pid, const char *tid, const char *name, char *text, size_t size)
{
	char path[128];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/task/%s/%s", pid, tid, name);
	f = fopen(path, "re");
	if (f) {
		n = fread(text, 1, size - 1, f);
		fclose(f);
	}
	text[n] = '\0';
}

static void add_thread(const char *pid, const char *tid, struct cost *cost)
{
	char text[4096];
	const char *at;
	uint64_t nsec;
	int own;

	read_file(pid, tid, "comm", text, sizeof(text));
	own = !strncmp(text, "shrink-", 7);
	read_file(pid, tid, "schedstat", text, sizeof(text));
	nsec = strtoull(text, NULL, 10);
	cost->cpu_nsec += nsec;
	if (!own)
		return;
	cost->own_nsec += nsec;
	cost->threads++;
	read_file(pid, tid, "status", text, sizeof(text));
	at = strstr(text, "\nvoluntary_ctxt_switches:");
	cost->wakeups += at ? strtoull(at + 25, NULL, 10) : 0;
}

static void look(const char *pid, struct cost *ret_cost)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	memset(ret_cost, 0, sizeof(*ret_cost));
	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	dir = opendir(path);
	if (!dir)
		bench_die(path, 2);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			add_thread(pid, entry->d_name, ret_cost);
	closedir(dir);
}

static void report(const char *state, const char *what, const char *unit, double value, double aim,
		   double baseline)
{
	char text[128];

	snprintf(text, sizeof(text), "%s, %s", state, what);
	bench_print(&(struct bench_figure){.bench = "threads",
					   .what = text,
					   .unit = unit,
					   .value = value,
					   .aim = aim,
					   .baseline = baseline});
}

int main(int argc, char **argv)
{
	struct cost before, after;
	uint64_t start, took;
	double aim, own, whole;

	if (argc != 5) {
		fprintf(stderr, "usage: bench-threads PID SECONDS STATE AIM-PERCENT\n");
		return 2;
	}
	aim = strtod(argv[4], NULL);
	start = bench_nsec();
	look(argv[1], &before);
	bench_sleep_nsec((uint64_t)(strtod(argv[2], NULL) * (double)NSEC));
	look(argv[1], &after);
	took = bench_nsec() - start;
	if (!after.threads) {
		fprintf(stderr, "bench-threads: process %s has no thread shrink-*\n", argv[1]);
		return 1;
	}
	own = 100.0 * (double)(after.own_nsec - before.own_nsec) / (double)took;
	whole = 100.0 * (double)(after.cpu_nsec - before.cpu_nsec) / (double)took;
	report(argv[3], "CPU of libshrink's threads (baseline: the whole server)", "% of a core",
	       own, aim, whole);
	report(argv[3], "wake-ups", "1/s",
	       (double)(after.wakeups - before.wakeups) * 1e9 / (double)took, 0, 0);
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * How long register and free take while another shrinker's scan sleeps 100 ms.
 * The baseline is the registry one would write by hand, whose walk holds a mutex
 * while it calls.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <shrink/shrink.h>

#include "tools/bench/bench.h"

#define SLEEP_NSEC (100ull * 1000 * 1000)
#define RUN_NSEC (3 * NSEC)
#define SAMPLES_MAX 100000
#define PAUSE_NSEC 20000

static _Atomic int done, scanning;
static pthread_mutex_t plain_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned long count_one(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return 1;
}

static unsigned long count_none(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return 0;
}

static unsigned long scan_sleepy(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	scanning = 1;
	bench_sleep_nsec(SLEEP_NSEC);
	return SHRINK_STOP;
}

static struct shrinker *make(unsigned long (*count)(struct shrinker *, struct shrink_control *),
			     const char *name)
{
	struct shrinker *s = shrinker_alloc(0, "%s", name);

	if (!s)
		bench_die("shrinker_alloc", 12);
	s->count_objects = count;
	s->scan_objects = scan_sleepy;
	return s;
}

static void *walk_library(void *arg)
{
	(void)arg;
	while (!done)
		shrink_slab(SHRINK_GFP_ALL, 0, NULL, 0);
	return NULL;
}

static void *walk_mutex(void *arg)
{
	(void)arg;
	while (!done) {
		pthread_mutex_lock(&plain_lock);
		scanning = 1;
		bench_sleep_nsec(SLEEP_NSEC);
		pthread_mutex_unlock(&plain_lock);
		bench_sleep_nsec(1000); /* or nobody else would ever get it */
	}
	return NULL;
}

/* Allocation is not part of what is timed: it is the program's, not the registry's. */
static double once_library(void)
{
	struct shrinker *s = make(count_none, "fleeting");
	uint64_t start = bench_nsec();

	if (shrinker_register(s) < 0)
		bench_die("shrinker_register", 22);
	shrinker_free(s);
	return (double)(bench_nsec() - start);
}

static double once_mutex(void)
{
	uint64_t start = bench_nsec();

	for (int i = 0; i < 2; i++) {
		pthread_mutex_lock(&plain_lock);
		pthread_mutex_unlock(&plain_lock);
	}
	return (double)(bench_nsec() - start);
}

static size_t collect(double (*once)(void), void *(*walker)(void *), double *samples)
{
	uint64_t end;
	pthread_t thread;
	size_t n = 0;

	done = scanning = 0;
	if (walker) {
		pthread_create(&thread, NULL, walker, NULL);
		while (!scanning)
			bench_sleep_nsec(1000000);
	}
	end = bench_nsec() + RUN_NSEC;
	while (n < SAMPLES_MAX && bench_nsec() < end) {
		samples[n++] = once();
		bench_sleep_nsec(PAUSE_NSEC);
	}
	done = 1;
	if (walker)
		pthread_join(thread, NULL);
	return n;
}

static void report(const char *what, double aim, double value, double baseline, size_t n)
{
	bench_print(&(struct bench_figure){.bench = "register",
					   .what = what,
					   .unit = "usec",
					   .value = value / 1000,
					   .aim = aim,
					   .baseline = baseline / 1000,
					   .samples = n});
}

int main(void)
{
	static double calm[SAMPLES_MAX], busy[SAMPLES_MAX], mutex[SAMPLES_MAX];
	struct shrinker *sleeper;
	size_t nr_calm, nr_busy, nr_mutex;
	int ret;

	shrink_conf_set("usage", "off");
	shrink_conf_set("psi", "off");
	shrink_conf_set("memavailable", "off");
	ret = shrink_start(0);
	if (ret < 0)
		bench_die("shrink_start", ret);
	nr_calm = collect(once_library, NULL, calm);
	sleeper = make(count_one, "sleepy");
	if (shrinker_register(sleeper) < 0)
		bench_die("shrinker_register", 22);
	nr_busy = collect(once_library, walk_library, busy);
	shrinker_free(sleeper);
	nr_mutex = collect(once_mutex, walk_mutex, mutex);
	report("register+free, nothing running, p50", 0, bench_percentile(calm, nr_calm, 0.5), 0,
	       nr_calm);
	report("register+free beside a sleeping scan, p50", 0, bench_percentile(busy, nr_busy, 0.5),
	       bench_percentile(mutex, nr_mutex, 0.5), nr_busy);
	report("register+free beside a sleeping scan, p99", 100,
	       bench_percentile(busy, nr_busy, 0.99), bench_percentile(mutex, nr_mutex, 0.99),
	       nr_busy);
	report("register+free beside a sleeping scan, max", 0, bench_percentile(busy, nr_busy, 1),
	       bench_percentile(mutex, nr_mutex, 1), nr_busy);
	shrink_stop();
	return 0;
}

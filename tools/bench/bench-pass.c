// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * What a pass costs for each shrinker beyond its callbacks: the time of
 * shrink_slab() over N shrinkers, less the same callbacks called in a plain loop.
 * The baseline is what one would write by hand: a list walked under a mutex, with
 * nothing but the same share computed for each cache.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <shrink/shrink.h>

#include "tools/bench/bench.h"

#define PRIORITY 12
/* At that priority the arithmetic makes exactly one batch of this. */
#define FULL_CACHE ((unsigned long)SHRINK_BATCH << (PRIORITY - 1))
#define ROUNDS 15
#define ROUND_NSEC (40ull * 1000 * 1000)

struct plain_cache {
	struct plain_cache *next;
	struct shrinker *s;
};

static struct plain_cache *plain_list;
static pthread_mutex_t plain_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned long count_none(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return 0;
}

static unsigned long count_full(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return FULL_CACHE;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	return sc->nr_to_scan;
}

static void ask(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long freeable = s->count_objects(s, sc);

	if (!freeable)
		return;
	sc->nr_to_scan = sc->nr_scanned = ((freeable >> PRIORITY) * 4) / (unsigned long)s->seeks;
	s->scan_objects(s, sc);
}

static void pass_library(void)
{
	shrink_slab(SHRINK_GFP_ALL, 0, NULL, PRIORITY);
}

static void pass_mutex(void)
{
	struct shrink_control sc = {.gfp_mask = SHRINK_GFP_ALL};

	pthread_mutex_lock(&plain_lock);
	for (struct plain_cache *c = plain_list; c; c = c->next)
		ask(c->s, &sc);
	pthread_mutex_unlock(&plain_lock);
}

/* The callbacks alone: no list, no lock, no arithmetic. */
static struct shrinker *only;
static unsigned int only_calls;

static void pass_callbacks(void)
{
	struct shrink_control sc = {.gfp_mask = SHRINK_GFP_ALL, .nr_to_scan = SHRINK_BATCH};

	for (unsigned int i = 0; i < only_calls; i++)
		if (only->count_objects(only, &sc))
			only->scan_objects(only, &sc);
}

/* Nanoseconds for each shrinker of one pass, the best of many rounds' means: what
 * disturbs only ever adds. */
static double time_pass(void (*pass)(void), unsigned int n)
{
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = bench_nsec(), now;
		unsigned int passes = 0;
		double each;

		do {
			for (int i = 0; i < 8; i++, passes++)
				pass();
			now = bench_nsec();
		} while (now - start < ROUND_NSEC);
		each = (double)(now - start) / passes / n;
		if (each < best)
			best = each;
	}
	return best;
}

static void add_cache(unsigned int i, int full)
{
	struct plain_cache *cache = calloc(1, sizeof(*cache));

	cache->s = shrinker_alloc(0, "bench-%u", i);
	if (!cache->s)
		bench_die("shrinker_alloc", 12);
	cache->s->count_objects = full ? count_full : count_none;
	cache->s->scan_objects = scan;
	if (shrinker_register(cache->s) < 0)
		bench_die("shrinker_register", 22);
	cache->next = plain_list;
	plain_list = cache;
}

static void drop_caches(void)
{
	while (plain_list) {
		struct plain_cache *next = plain_list->next;

		shrinker_free(plain_list->s);
		free(plain_list);
		plain_list = next;
	}
}

static void measure(unsigned int n, int full)
{
	double callbacks, library, mutex;
	char what[96];

	for (unsigned int i = 0; i < n; i++)
		add_cache(i, full);
	only = plain_list->s;
	only_calls = n;
	callbacks = time_pass(pass_callbacks, n);
	mutex = time_pass(pass_mutex, n);
	library = time_pass(pass_library, n);
	snprintf(what, sizeof(what), "%u shrinkers, %s, beyond the callbacks", n,
		 full ? "count and one scan" : "count only");
	bench_print(&(struct bench_figure){.bench = "pass",
					   .what = what,
					   .unit = "ns/shrinker",
					   .value = library - callbacks,
					   .aim = n > 1 ? 40 : 0,
					   .baseline = mutex - callbacks});
	drop_caches();
}

int main(void)
{
	static const unsigned int sizes[] = {1, 100, 10000};
	int ret;

	/* no source: nothing but this program starts a pass */
	shrink_conf_set("usage", "off");
	shrink_conf_set("psi", "off");
	shrink_conf_set("memavailable", "off");
	ret = shrink_start(0);
	if (ret < 0)
		bench_die("shrink_start", ret);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		measure(sizes[i], 0);
		measure(sizes[i], 1);
	}
	shrink_stop();
	return 0;
}

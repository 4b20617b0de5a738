// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Bytes that come back, or not, from a real heap: a budget for the process's own
 * RSS is exceeded by a cache of malloc'ed objects. Evicted in the order they were
 * allocated the pages go back after a trim; evicted at random nothing does, and
 * the engine must not empty the cache for it.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <shrink/shrink.h>

#include "tests/harness.h"

#define OBJECTS 131072UL
#define SIZE 1008UL
#define MB (1UL << 20)

static void *object[OBJECTS];
static _Atomic unsigned long first; /* objects before it are gone */

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return OBJECTS - first;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n = 0;

	(void)s;
	for (; n < sc->nr_to_scan && first < OBJECTS; n++) {
		unsigned long i = first++;

		free(object[i]);
		object[i] = NULL;
	}
	sc->nr_scanned = n;
	return n;
}

static void shuffle(void)
{
	uint64_t x = 88172645463325252ULL;

	for (unsigned long i = OBJECTS - 1; i; i--) {
		unsigned long j;
		void *t = object[i];

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		j = x % (i + 1);
		object[i] = object[j];
		object[j] = t;
	}
}

static uint64_t rss(void)
{
	unsigned long size, resident;
	FILE *f = fopen("/proc/self/statm", "r");
	int n = f ? fscanf(f, "%lu %lu", &size, &resident) : 0;

	if (f)
		fclose(f);
	return n == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static struct shrinker *fill(int random)
{
	struct shrinker *s = shrinker_alloc(0, "heap");

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	for (unsigned long i = 0; i < OBJECTS; i++) {
		object[i] = malloc(SIZE);
		CU_ASSERT_PTR_NOT_NULL_FATAL(object[i]);
		memset(object[i], 1, SIZE);
	}
	first = 0;
	if (random)
		shuffle();
	s->count_objects = count;
	s->scan_objects = scan;
	s->object_size = 1024;
	ASSERT_INT(shrinker_register(s), 0);
	return s;
}

static void empty(struct shrinker *s)
{
	shrinker_free(s);
	while (first < OBJECTS)
		free(object[first++]);
	malloc_trim(0);
}

/* Sets a budget so far below what we have, and waits for a round; its record. */
static struct shrink_round press(uint64_t bytes)
{
	struct shrink_stats before, now;
	struct shrink_round r;
	char text[32];

	memset(&r, 0, sizeof(r));
	shrink_stats(&before, sizeof(before));
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(rss() - bytes));
	ASSERT_INT(shrink_conf_set("rss_budget", text), 0);
	/* this is about bytes, and the machine may be busy */
	ASSERT_INT(shrink_conf_set("release_stall", "1000000"), 0);
	ASSERT_INT(shrink_start(0), 0);
	for (int i = 0; i < 6000; i++) {
		usleep(10000);
		shrink_stats(&now, sizeof(now));
		if (now.rounds > before.rounds)
			break;
	}
	usleep(50000);
	/* the oldest round since: the one that answered the crossing */
	ASSERT_INT(shrink_stop(), 0);
	shrink_stats(&now, sizeof(now));
	if (now.rounds > before.rounds) {
		struct shrink_round all[64];
		int n = shrink_rounds(all, (unsigned int)(now.rounds - before.rounds),
				      sizeof(all[0]));

		r = all[n - 1];
	}
	shrink_conf_set("rss_budget", "0");
	return r;
}

/* A sanitizer's own allocator keeps what is freed, and has no trim. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define HEAP_IS_GLIBC 0
#else
#define HEAP_IS_GLIBC 1
#endif

static void test_in_order(void)
{
	struct shrink_round r;
	struct shrinker *s;

	if (!HEAP_IS_GLIBC)
		SKIP("the sanitizer's allocator returns nothing");
	s = fill(0);
	r = press(32 * MB);
	CU_ASSERT_STRING_EQUAL(r.source, "rss");
	ASSERT_INT(r.end, SHRINK_ROUND_BALANCED);
	/* file pages count in the size we see, not in the budget's usage */
	CU_ASSERT(r.freed_bytes >= 24 * MB);
	CU_ASSERT(r.returned_bytes >= (int64_t)(r.freed_bytes * 8 / 10));
	empty(s);
}

static void test_scattered(void)
{
	struct shrinker *s = fill(1);
	struct shrink_round r = press(32 * MB);
	struct shrink_stats st;

	ASSERT_INT(r.end, SHRINK_ROUND_FRAGMENTED);
	CU_ASSERT(r.returned_bytes < (int64_t)(r.freed_bytes / 2));
	shrink_stats(&st, sizeof(st));
	CU_ASSERT(st.fragmented > 0);
	/* 32 of 128 MB were wanted; the guard ends it well before it is empty */
	CU_ASSERT(first < OBJECTS * 7 / 10);
	empty(s);
}

static uint64_t predicted, released, wanted;

static uint64_t predict(void *arg)
{
	(void)arg;
	return predicted;
}

static uint64_t release(void *arg, uint64_t want)
{
	(void)arg;
	wanted = want;
	released++;
	return predicted;
}

static void test_registered(void)
{
	struct shrinker *s;

	ASSERT_INT(shrink_release_register(NULL, predict, release, NULL), -EINVAL);
	ASSERT_INT(shrink_release_register("mine", predict, NULL, NULL), -EINVAL);
	ASSERT_INT(shrink_release_register("mine", predict, release, NULL), 0);
	s = fill(0);
	ASSERT_INT(shrink_start(0), 0);
	/* too little to come of it: not called */
	predicted = 1;
	CU_ASSERT(shrink_all_memory(8 * MB) >= 8 * MB);
	ASSERT_INT(released, 0);
	predicted = 64 * MB;
	CU_ASSERT(shrink_all_memory(8 * MB) >= 8 * MB);
	CU_ASSERT(released > 0);
	CU_ASSERT(wanted >= 4 * MB); /* what was freed is to be given back, met or not */
	ASSERT_INT(shrink_stop(), 0);
	empty(s);
	for (int i = 0; i < 7; i++)
		ASSERT_INT(shrink_release_register("more", predict, release, NULL), 0);
	ASSERT_INT(shrink_release_register("more", predict, release, NULL), -ENOSPC);
}

static const struct test tests[] = {
	{"in order: what is freed is returned", test_in_order},
	{"scattered: nothing returns, eviction stops", test_scattered},
	{"a hidden allocator is asked where it promises enough", test_registered},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "release", tests);
}

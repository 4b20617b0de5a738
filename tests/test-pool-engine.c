// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* A page-true pool and the engine together, through the public library alone. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <shrink/shrink.h>

#include "tests/harness.h"

#define PAGE	4096u
#define OBJECTS 16384u /* of 1 KiB: 4096 pages */
#define SIZE	1024u

static struct {
	struct shrink_pool *pool;
	void *objects[OBJECTS];
	enum shrink_evict verdict;
	unsigned int live, pended;
	int entered, hold; /* atomic: evict says it is in, and waits */
	int destroyed;
} cache;

static void nap(void)
{
	struct timespec ms = {0, 1000000};

	nanosleep(&ms, NULL);
}

static enum shrink_evict evict(void *arg, void *object, size_t size)
{
	unsigned int place = *(unsigned int *)object;

	(void)arg;
	(void)size;
	__atomic_store_n(&cache.entered, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&cache.hold, __ATOMIC_SEQ_CST))
		nap();
	if (place >= OBJECTS || cache.objects[place] != object)
		return SHRINK_BUSY;
	if (cache.verdict == SHRINK_EVICTED)
		cache.objects[place] = NULL;
	if (cache.verdict == SHRINK_EVICTED || cache.verdict == SHRINK_EVICT_PENDING)
		cache.live--;
	cache.pended += cache.verdict == SHRINK_EVICT_PENDING;
	return cache.verdict;
}

static void begin(void)
{
	struct shrink_pool_options o = {.evict = evict, .reserve = (size_t)1 << 30};

	memset(&cache, 0, sizeof(cache));
	CU_ASSERT_FATAL(shrink_start(SHRINK_START_SIMULATED) == 0);
	cache.pool = shrink_pool_create(&o, sizeof(o), "engine");
	CU_ASSERT_FATAL(cache.pool != NULL);
	for (unsigned int i = 0; i < OBJECTS; i++) {
		cache.objects[i] = shrink_pool_alloc(cache.pool, SIZE);
		CU_ASSERT_FATAL(cache.objects[i] != NULL);
		memset(cache.objects[i], 0x5a, SIZE);
		*(unsigned int *)cache.objects[i] = i;
	}
	cache.live = OBJECTS;
}

static void end(void)
{
	shrink_pool_destroy(cache.pool);
	CU_ASSERT(shrink_stop() == 0);
}

static struct shrinker_stats stats(void)
{
	struct shrinker_stats st;

	memset(&st, 0, sizeof(st));
	CU_ASSERT(!shrinker_stats(shrink_pool_shrinker(cache.pool), SHRINK_NUMA_NO_NODE, &st,
				  sizeof(st)));
	return st;
}

/* Bytes of this process in memory. */
static long long rss(void)
{
	long long size, resident = -1;
	FILE *f = fopen("/proc/self/statm", "re");

	CU_ASSERT_FATAL(f != NULL);
	CU_ASSERT(fscanf(f, "%lld %lld", &size, &resident) == 2);
	fclose(f);
	return resident * PAGE;
}

static void test_drop_all(void)
{
	long long before, fell;

	begin();
	before = rss();
	ASSERT_INT((long long)shrink_drop_all(), OBJECTS * SIZE / PAGE);
	fell = before - rss();
	ASSERT_INT(cache.live, 0);
	CU_ASSERT(fell > (long long)OBJECTS * SIZE * 9 / 10);
	ASSERT_INT((long long)stats().freed_bytes, OBJECTS * SIZE);
	ASSERT_INT((long long)stats().misuses, 0);
	end();
}

/* A goal in bytes is met, and not by much more. */
static void test_goal(void)
{
	const uint64_t goal = (uint64_t)OBJECTS * SIZE / 4;
	struct shrink_pool_stats st;
	uint64_t freed;

	begin();
	freed = shrink_all_memory(goal);
	CU_ASSERT(freed >= goal && freed < goal + goal / 8);
	CU_ASSERT_FATAL(!shrink_pool_stats(cache.pool, &st, sizeof(st)));
	ASSERT_INT((long long)st.returned_bytes, (long long)freed);
	CU_ASSERT(st.evicted_bytes <= st.returned_bytes);
	ASSERT_INT((long long)stats().misuses, 0);
	end();
}

static void test_keep(void)
{
	begin();
	ASSERT_INT(shrinker_set_keep(shrink_pool_shrinker(cache.pool), 1000), 0);
	shrink_drop_all();
	CU_ASSERT(cache.live >= 1000 * PAGE / SIZE && cache.live < 1300 * PAGE / SIZE);
	end();
}

/* Pending pages stand in the shrinker's account until their last user lets go. */
static void test_pending(void)
{
	begin();
	cache.verdict = SHRINK_EVICT_PENDING;
	ASSERT_INT((long long)shrink_drop_all(), 0);
	ASSERT_INT(cache.pended, OBJECTS);
	ASSERT_INT((long long)stats().pending_objects, OBJECTS * SIZE / PAGE);
	ASSERT_INT((long long)stats().pending_bytes, OBJECTS * SIZE);
	for (unsigned int i = 0; i < OBJECTS; i++)
		shrink_pool_free(cache.pool, cache.objects[i]);
	ASSERT_INT((long long)stats().pending_objects, 0);
	ASSERT_INT((long long)stats().pending_bytes, 0);
	ASSERT_INT((long long)stats().misuses, 0);
	end();
}

static void test_destroy_pending(void)
{
	struct shrink_stats st;

	begin();
	cache.verdict = SHRINK_EVICT_PENDING;
	shrink_drop_all();
	shrink_pool_destroy(cache.pool);
	cache.pool = NULL;
	CU_ASSERT(!shrink_stats(&st, sizeof(st)));
	ASSERT_INT((long long)st.pending_bytes, 0);
	end();
}

static void *reclaim(void *arg)
{
	(void)arg;
	shrink_slab(SHRINK_GFP_ALL, SHRINK_NUMA_NO_NODE, NULL, 0);
	return NULL;
}

static void *destroy(void *arg)
{
	(void)arg;
	shrink_pool_destroy(cache.pool);
	__atomic_store_n(&cache.destroyed, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* G1: destroy waits for the pool's own scan; after it no callback runs. */
static void test_destroy_waits(void)
{
	pthread_t reclaimer, helper;
	unsigned int live;

	begin();
	__atomic_store_n(&cache.hold, 1, __ATOMIC_SEQ_CST);
	CU_ASSERT_FATAL(!pthread_create(&reclaimer, NULL, reclaim, NULL));
	while (!__atomic_load_n(&cache.entered, __ATOMIC_SEQ_CST))
		nap();
	CU_ASSERT_FATAL(!pthread_create(&helper, NULL, destroy, NULL));
	for (int i = 0; i < 50; i++)
		nap();
	ASSERT_INT(__atomic_load_n(&cache.destroyed, __ATOMIC_SEQ_CST), 0);
	__atomic_store_n(&cache.hold, 0, __ATOMIC_SEQ_CST);
	pthread_join(helper, NULL);
	live = cache.live;
	pthread_join(reclaimer, NULL);
	ASSERT_INT(cache.live, live);
	cache.pool = NULL;
	end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"drop-all empties the pool, and the process shrinks", test_drop_all},
		{"a byte goal is met, hardly exceeded, and returned", test_goal},
		{"keep leaves its pages", test_keep},
		{"pending pages are completed", test_pending},
		{"destroy settles what is pending", test_destroy_pending},
		{"G1: destroy waits for its own scan", test_destroy_waits},
		{NULL, NULL},
	};

	return test_main(argc, argv, "pool-engine", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The page-true pool over time: random operations, and caches aged as real ones. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/pool-cache.h"

/* Every operation in random order; contents and account checked all along. */
static void test_random(void)
{
	uint64_t seed = 0x5eed1234abcdULL, live_bytes = 0, r;
	struct shrink_pool_stats st;
	struct pool_cache c;

	pool_cache_open(&c, 4000, 0);
	c.modulus = 4;
	for (unsigned int step = 0; step < 200000; step++) {
		unsigned int place = (unsigned int)(pool_cache_random(&seed) % c.nr);

		r = pool_cache_random(&seed);
		if (r % 400 == 0) {
			for (int i = 0; i < 4; i++)
				c.verdict[i] = r >> 40 & 1
						       ? SHRINK_EVICTED
						       : (enum shrink_evict)(r >> (10 + 2 * i) & 3);
			pool_cache_scan_pages(c.pool, r >> 20 & 255 ? r >> 20 & 255 : 1);
		} else if (r % 50 == 0 && c.nr_pending) {
			shrink_pool_free(c.pool, c.pending[--c.nr_pending]);
		} else if (c.objects[place] && r % 3) {
			shrink_pool_mark(c.pool, c.objects[place]);
		} else if (c.objects[place]) {
			pool_cache_drop(&c, place);
		} else {
			/* mostly small, some large */
			size_t size = 16 + (r >> 30) % ((size_t)64 << (r >> 50) % 12);

			CU_ASSERT_FATAL(pool_cache_put(&c, place, size) != NULL);
		}
		CU_ASSERT_FATAL(c.nr_pending < 4096);
	}
	while (c.nr_pending)
		shrink_pool_free(c.pool, c.pending[--c.nr_pending]);
	for (unsigned int i = 0; i < c.nr; i++)
		if (c.objects[i])
			live_bytes += shrink_pool_usable(c.pool, c.objects[i]);
	st = pool_cache_stats(c.pool);
	EQ(st.live_objects, c.live);
	EQ(st.live_bytes, live_bytes);
	EQ(st.bad_frees, 0);
	EQ(load_relaxed(&c.pool->pending_pages), 0);
	printf("# evicted %llu, busy %llu, referenced %llu, pending %llu\n",
	       (unsigned long long)st.evicted_objects, (unsigned long long)st.busy,
	       (unsigned long long)st.referenced, (unsigned long long)st.pending);
	CU_ASSERT(st.evicted_objects > 400 && st.referenced > 50 && st.busy > 50 &&
		  st.pending > 50);
	for (unsigned int i = 0; i < c.nr; i++)
		if (c.objects[i])
			pool_cache_drop(&c, i);
	st = pool_cache_stats(c.pool);
	EQ((st.live_objects + st.live_bytes), 0);
	pool_cache_scan_pages(c.pool, 1 << 20);
	EQ(pool_cache_stats(c.pool).slabs, 0);
	EQ(pool_cache_resident(c.pool), 0);
	pool_cache_close(&c);
}

/* Sizes as in a real cache, 64 B .. 4 KiB. */
static size_t mixed_size(uint64_t r)
{
	return ((size_t)64 << r % 6) + (r >> 8) % ((size_t)64 << r % 6);
}

/* Zipf ages: object i is used with probability ~ 1 / (rank + 1). */
#define ZIPF_OBJECTS 60000u

#define ZIPF_USES 240000u

static unsigned int zipf_rank(uint64_t r)
{
	double u = (double)(r >> 11) / 9007199254740992.0;

	/* the inverse of the harmonic distribution, near enough */
	return (unsigned int)(exp(u * log(ZIPF_OBJECTS))) - 1;
}

/* Uses objects as clients would. Of the different ones used, *ret_used, how many
 * were gone: each would be fetched once and live on. */
static double zipf_use(struct pool_cache *c, uint64_t *seed, unsigned int uses)
{
	unsigned char *seen = calloc(ZIPF_OBJECTS, 1);
	unsigned int used = 0, missed = 0;

	CU_ASSERT_FATAL(seen != NULL);
	for (unsigned int i = 0; i < uses; i++) {
		/* ranks are strewn over places by a fixed permutation */
		unsigned int place = (unsigned int)((uint64_t)zipf_rank(pool_cache_random(seed)) *
						    48271u % ZIPF_OBJECTS);

		if (c->marks)
			c->marks[place] = 1;
		else if (c->objects[place])
			shrink_fast_pool_mark(shrink_pool_fast(c->pool), c->objects[place]);
		used += !seen[place];
		missed += !seen[place] && !c->objects[place];
		seen[place] = 1;
	}
	free(seen);
	return (double)missed / used;
}

static void zipf_case(size_t fixed, int own_marks, double *ret_ratio, double *ret_gone,
		      double *ret_missed)
{
	struct shrink_pool_stats st;
	uint64_t seed = 0xfeedULL, goal;
	struct pool_cache c;

	pool_cache_open(&c, ZIPF_OBJECTS, 0);
	c.marks = own_marks ? calloc(ZIPF_OBJECTS, 1) : NULL;
	for (unsigned int i = 0; i < c.nr; i++)
		CU_ASSERT_FATAL(
			pool_cache_put(&c, i,
				       fixed ? fixed : mixed_size(pool_cache_random(&seed))) !=
			NULL);
	zipf_use(&c, &seed, ZIPF_USES);
	goal = pool_cache_stats(c.pool).live_bytes / 4;
	for (int i = 0; i < 2000 && pool_cache_stats(c.pool).returned_bytes < goal; i++) {
		pool_cache_scan_pages(c.pool, 128);
		zipf_use(&c, &seed, 100); /* life goes on */
	}
	st = pool_cache_stats(c.pool);
	CU_ASSERT(st.returned_bytes >= goal);
	*ret_ratio = (double)st.returned_bytes / (double)st.evicted_bytes;
	*ret_gone = 1 - (double)c.live / c.nr;
	*ret_missed = zipf_use(&c, &seed, ZIPF_USES / 4);
	printf("# zipf, %zu bytes: returned/evicted %.3f; gone: %.3f of the objects, %.3f of "
	       "those used next\n",
	       fixed, *ret_ratio, *ret_gone, *ret_missed);
	pool_cache_close(&c);
}

static void test_zipf(void)
{
	static const size_t sizes[] = {100, 300, 1000, 4000, 0};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		double ratio, gone, missed;

		zipf_case(sizes[i], 0, &ratio, &gone, &missed);
		CU_ASSERT(ratio >= 0.9);
		/* a blind choice misses as much as is gone; where a slab holds hundreds of
		 * objects of every age, no choice of slabs can do better */
		CU_ASSERT(sizes[i] < 1000 && sizes[i] ? missed < gone + 0.02
						      : missed < gone * 0.97);
	}
}

/* A cache that keeps its second chance to itself and answers REFERENCED: worse off,
 * but its evictions still return what they cost. */
static void test_zipf_own_marks(void)
{
	static const size_t sizes[] = {100, 1000, 4000, 0};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		double ratio, gone, missed;

		zipf_case(sizes[i], 1, &ratio, &gone, &missed);
		CU_ASSERT(ratio >= 0.9);
		CU_ASSERT(missed < gone + 0.02);
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"random operations against a model", test_random},
		{"Zipf ages: what is evicted is returned", test_zipf},
		{"Zipf ages, second chance by REFERENCED", test_zipf_own_marks},
		{NULL, NULL},
	};

	return test_main(argc, argv, "pool-aged", tests);
}

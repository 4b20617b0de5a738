// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Survivors that move, and room made for a new object. */
#include <errno.h>
#include <stdio.h>

#include "tests/pool-cache.h"

/* One object of four is used between looks, in every slab. */
static void use_some(struct pool_cache *c)
{
	for (unsigned int i = 0; i < c->nr; i += 4)
		if (c->objects[i])
			shrink_pool_mark(c->pool, c->objects[i]);
}

/* Hot objects in every slab: pages come back, and none of the hot is lost. */
static void test_survivors_move(void)
{
	struct shrink_pool_stats st;
	struct pool_cache c;
	unsigned int hot = 0;

	pool_cache_open_moving(&c, 16384, 0);
	pool_cache_fill(&c, 1024);
	for (int i = 0; i < 400 && c.live > c.nr / 2; i++) {
		use_some(&c);
		pool_cache_scan_pages(c.pool, 128);
	}
	st = pool_cache_stats(c.pool);
	for (unsigned int i = 0; i < c.nr; i += 4)
		hot += c.objects[i] != NULL;
	printf("# hot %u of %u, moved %llu, evicted %llu bytes, returned %llu\n", hot, c.nr / 4,
	       (unsigned long long)c.moved, (unsigned long long)st.evicted_bytes,
	       (unsigned long long)st.returned_bytes);
	CU_ASSERT(c.live <= c.nr / 2);
	CU_ASSERT(hot > c.nr / 4 * 95 / 100);
	CU_ASSERT(st.returned_bytes >= st.evicted_bytes * 9 / 10);
	EQ(st.moved_objects, c.moved);
	EQ(st.moved_bytes, c.moved * 1024);
	EQ(st.live_objects, c.live);
	EQ(pool_cache_resident(c.pool) * PAGE, st.live_bytes + st.free_bytes);
	for (unsigned int i = 0; i < c.nr; i++)
		CU_ASSERT(!c.objects[i] || pool_cache_intact(c.objects[i]));
	pool_cache_close(&c);
}

/* The same cache without a move callback loses the hot with the cold. */
static void test_without(void)
{
	struct pool_cache c;
	unsigned int hot = 0;

	pool_cache_open(&c, 16384, 0);
	pool_cache_fill(&c, 1024);
	for (int i = 0; i < 400 && c.live > c.nr / 2; i++) {
		use_some(&c);
		pool_cache_scan_pages(c.pool, 128);
	}
	for (unsigned int i = 0; i < c.nr; i += 4)
		hot += c.objects[i] != NULL;
	CU_ASSERT(hot < c.nr / 4 * 7 / 10);
	EQ(c.moved, 0);
	pool_cache_close(&c);
}

/* Who cannot be moved stays where it is; nothing is lost, and no place leaks. */
static void test_refusal(void)
{
	struct shrink_pool_stats st;
	struct pool_cache c;

	pool_cache_open_moving(&c, 4096, 0);
	pool_cache_fill(&c, 1024);
	c.modulus = 4;
	c.verdict[0] = SHRINK_BUSY; /* the used ones */
	for (int i = 0; i < 100; i++) {
		use_some(&c);
		pool_cache_scan_pages(c.pool, 128);
	}
	for (unsigned int i = 0; i < c.nr; i += 4)
		CU_ASSERT(c.objects[i] && pool_cache_intact(c.objects[i]));
	EQ(c.moved, 0);
	st = pool_cache_stats(c.pool);
	EQ(st.live_objects, c.live);
	c.verdict[0] = SHRINK_EVICTED;
	for (int i = 0; i < 100 && c.live; i++)
		pool_cache_scan_pages(c.pool, 1024);
	EQ(c.live, 0);
	pool_cache_scan_pages(c.pool, 4096);
	EQ(pool_cache_resident(c.pool), 0);
	pool_cache_close(&c);
}

/* A cache of fixed size: everything fits in turn, nothing exceeds it. */
static void fixed_size(void (*open)(struct pool_cache *, unsigned int, size_t))
{
	uint64_t seed = 0x1234567ULL;
	struct pool_cache c;

	open(&c, 20000, 4 * MIB);
	for (unsigned int i = 0; i < 40000; i++) {
		unsigned int place = i % c.nr;
		/* small ones, then large ones, then all */
		size_t size = i < 15000	  ? 100 + pool_cache_random(&seed) % 400
			      : i < 25000 ? 2000 + pool_cache_random(&seed) % 6000
					  : 16 + (pool_cache_random(&seed) & 65535);

		if (c.objects[place])
			pool_cache_drop(&c, place);
		while (!pool_cache_put(&c, place, size))
			CU_ASSERT_FATAL(shrink_pool_make_room(c.pool, size) == 0);
		if (i % 1000 == 0) {
			struct shrink_pool_stats st = pool_cache_stats(c.pool);

			CU_ASSERT(st.resident_bytes <= 4 * MIB);
			EQ(st.live_objects, c.live);
			CU_ASSERT(pool_cache_resident(c.pool) * PAGE <= 4 * MIB);
		}
	}
	for (unsigned int i = 0; i < c.nr; i++)
		CU_ASSERT(!c.objects[i] || pool_cache_intact(c.objects[i]));
	pool_cache_close(&c);
}

static void test_fixed_size(void)
{
	fixed_size(pool_cache_open);
	fixed_size(pool_cache_open_moving);
}

/* A new object of a full class takes over an emptied slab: its pages stay. */
static void test_room_keeps_pages(void)
{
	struct shrink_pool_stats before, after;
	struct pool_cache c;
	unsigned int n = 0;

	pool_cache_open(&c, 8192, 2 * MIB);
	while (pool_cache_put(&c, n, 1024))
		n++;
	before = pool_cache_stats(c.pool);
	EQ(shrink_pool_make_room(c.pool, 1024), 0);
	CU_ASSERT(pool_cache_put(&c, n, 1024) != NULL);
	after = pool_cache_stats(c.pool);
	CU_ASSERT(after.evicted_objects > before.evicted_objects);
	EQ(after.returned_bytes, before.returned_bytes);
	/* another class's has to give its pages up first */
	EQ(shrink_pool_make_room(c.pool, 200), 0);
	CU_ASSERT(pool_cache_put(&c, n + 1, 200) != NULL);
	CU_ASSERT(pool_cache_stats(c.pool).returned_bytes > after.returned_bytes);
	pool_cache_close(&c);
}

static void test_no_room(void)
{
	struct shrink_pool *pool = shrink_pool_create(NULL, 0, "allocator only");
	struct pool_cache c;
	unsigned int n = 0;

	CU_ASSERT_FATAL(pool != NULL);
	EQ(shrink_pool_make_room(pool, 100), -EINVAL);
	EQ(shrink_pool_make_room(NULL, 100), -EINVAL);
	shrink_pool_destroy(pool);
	pool_cache_open_moving(&c, 8192, 2 * MIB);
	EQ(shrink_pool_make_room(c.pool, 0), -EINVAL);
	EQ(shrink_pool_make_room(c.pool, 2 * MIB), -EINVAL);
	EQ(shrink_pool_make_room(c.pool, 1024), 0); /* there is */
	while (pool_cache_put(&c, n, 1024))
		n++;
	c.verdict[0] = SHRINK_BUSY;
	EQ(shrink_pool_make_room(c.pool, 1024), -EAGAIN);
	EQ(c.live, n);
	c.verdict[0] = SHRINK_EVICTED;
	EQ(shrink_pool_make_room(c.pool, 1024), 0);
	pool_cache_close(&c);
}

/* Every operation in random order, against the cache's own array. */
static void test_random(void)
{
	uint64_t seed = 0xabcdef12345ULL, live_bytes = 0, r;
	struct shrink_pool_stats st;
	struct pool_cache c;

	pool_cache_open_moving(&c, 3000, 6 * MIB);
	c.modulus = 4;
	for (unsigned int step = 0; step < 150000; step++) {
		unsigned int place = (unsigned int)(pool_cache_random(&seed) % c.nr);

		r = pool_cache_random(&seed);
		if (r % 400 == 0) {
			for (int i = 0; i < 4; i++)
				c.verdict[i] = r >> 40 & 1
						       ? SHRINK_EVICTED
						       : (enum shrink_evict)(r >> (10 + 2 * i) & 3);
			pool_cache_scan_pages(c.pool, 1 + (r >> 20 & 255));
		} else if (r % 50 == 0 && c.nr_pending) {
			shrink_pool_free(c.pool, c.pending[--c.nr_pending]);
		} else if (c.objects[place] && r % 3) {
			shrink_pool_mark(c.pool, c.objects[place]);
		} else if (c.objects[place]) {
			pool_cache_drop(&c, place);
		} else if (!pool_cache_put(&c, place,
					   16 + (r >> 30) % ((size_t)64 << (r >> 50) % 12))) {
			(void)!shrink_pool_make_room(c.pool, 1000);
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
	CU_ASSERT(c.moved > 100 && st.evicted_objects > 1000);
	pool_cache_close(&c);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"hot objects in every slab: pages return, the hot stay", test_survivors_move},
		{"without a move callback they go with the cold", test_without},
		{"who refuses stays, and nothing leaks", test_refusal},
		{"a cache of fixed size, whatever the sizes", test_fixed_size},
		{"an emptied slab is used again where its class wants it", test_room_keeps_pages},
		{"no room: -EAGAIN, and misuse", test_no_room},
		{"random operations against a model", test_random},
		{NULL, NULL},
	};

	return test_main(argc, argv, "pool-move", tests);
}

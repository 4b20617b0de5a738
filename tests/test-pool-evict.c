// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The page-true pool as a shrinker: verdicts, pending, budget, what goes first. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <libshrink/os/clock.h>

#include "tests/pool-cache.h"

static void test_evict_all(void)
{
	struct shrink_control sc = {0};
	struct shrink_pool_stats st;
	unsigned long freed;
	struct pool_cache c;

	pool_cache_open(&c, 4096, 0);
	pool_cache_fill(&c, 1024);
	EQ(pool_cache_count(c.pool), 1024);
	EQ(pool_cache_resident(c.pool), 1024);
	freed = pool_cache_scan(c.pool, &sc, 128);
	EQ(freed, 128);
	EQ(sc.nr_scanned, 128);
	EQ(sc.bytes_freed, 128 * PAGE);
	EQ(sc.nr_pending, 0);
	EQ(c.live, 4096 - 512);
	EQ(pool_cache_resident(c.pool), 1024 - 128);
	for (int i = 0; i < 1000 && c.live; i++)
		pool_cache_scan_pages(c.pool, 128);
	EQ(c.live, 0);
	st = pool_cache_stats(c.pool);
	EQ(pool_cache_resident(c.pool), 0);
	EQ(st.slabs, 0);
	EQ(st.live_objects, 0);
	EQ(st.evicted_objects, 4096);
	EQ(st.evicted_bytes, 4096 * 1024);
	EQ(st.returned_bytes, 4096 * 1024);
	EQ(pool_cache_count(c.pool), SHRINK_EMPTY);
	EQ(pool_cache_scan_pages(c.pool, 128), SHRINK_STOP);
	pool_cache_fill(&c, 1024); /* and the addresses are good again */
	pool_cache_close(&c);
}

static void test_budget(void)
{
	struct shrink_control sc = {.bytes_to_free = 64 << 10};
	struct pool_cache c;

	pool_cache_open(&c, 4096, 0);
	pool_cache_fill(&c, 1024);
	EQ(pool_cache_scan(c.pool, &sc, 512), 16);
	EQ(sc.nr_scanned, 16);
	sc = (struct shrink_control){.deadline_nsec = shrink_os_clock() - 1};
	EQ(pool_cache_scan(c.pool, &sc, 512), SHRINK_STOP); /* past its time: not here, not now */
	EQ(c.live, 4096 - 64);
	EQ(pool_cache_scan_pages(c.pool, 1), 4); /* a slab is the least that can go */
	pool_cache_close(&c);
}

static void test_busy(void)
{
	struct shrink_control sc = {0};
	struct pool_cache c;

	pool_cache_open(&c, 1024, 0);
	pool_cache_fill(&c, 1024);
	c.verdict[0] = SHRINK_BUSY;
	EQ(pool_cache_scan(c.pool, &sc, 64), SHRINK_STOP);
	EQ(c.live, 1024);
	CU_ASSERT(pool_cache_stats(c.pool).busy == c.asked && c.asked > 0);
	CU_ASSERT(c.asked <= 16); /* one object of each slab told enough */
	pool_cache_close(&c);
}

static void test_referenced(void)
{
	struct shrink_control sc = {0};
	struct pool_cache c;

	pool_cache_open(&c, 1024, 0);
	pool_cache_fill(&c, 1024);
	c.verdict[0] = SHRINK_REFERENCED;
	EQ(pool_cache_scan(c.pool, &sc, 64), 0);
	EQ(sc.nr_scanned, 64);
	EQ(c.live, 1024);
	CU_ASSERT(pool_cache_stats(c.pool).referenced == c.asked);
	c.verdict[0] = SHRINK_EVICTED;
	for (int i = 0; i < 20 && c.live; i++)
		pool_cache_scan_pages(c.pool, 64);
	EQ(c.live, 0);
	pool_cache_close(&c);
}

static void test_survivors(void)
{
	struct shrink_pool_stats st;
	struct pool_cache c;

	pool_cache_open(&c, 1024, 0);
	pool_cache_fill(&c, 1024);
	c.modulus = 4; /* every fourth is busy, late in its slab: 15, 11, 7, 3 */
	c.verdict[3] = SHRINK_BUSY;
	for (int i = 0; i < 50; i++)
		pool_cache_scan_pages(c.pool, 128);
	st = pool_cache_stats(c.pool);
	EQ(st.returned_bytes, 0); /* each slab has a survivor */
	EQ(st.live_objects, c.live);
	for (unsigned int i = 3; i < 1024; i += 4)
		CU_ASSERT(c.objects[i] != NULL && pool_cache_intact(c.objects[i]));
	CU_ASSERT_FATAL(c.live < 1024);
	/* back in use: new objects fill the holes, no new slab is made */
	for (unsigned int i = 0; i < 1024; i++)
		if (!c.objects[i])
			pool_cache_put(&c, i, 1024);
	EQ(pool_cache_stats(c.pool).slabs, st.slabs);
	pool_cache_close(&c);
}

static void test_pending(void)
{
	struct shrink_control sc = {0};
	struct shrink_pool_stats st;
	struct pool_cache c;

	pool_cache_open(&c, 256, 0); /* 16 slabs */
	pool_cache_fill(&c, 1024);
	c.modulus = 2;
	c.verdict[1] = SHRINK_EVICT_PENDING;
	EQ(pool_cache_scan(c.pool, &sc, 64), 0);
	EQ(sc.nr_pending, 64);
	EQ(sc.bytes_pending, 64 * PAGE);
	EQ(c.nr_pending, 128);
	EQ(pool_cache_count(c.pool), 0); /* all of it is on its way, none certain */
	EQ(pool_cache_resident(c.pool), 64);
	c.asked = 0;
	sc = (struct shrink_control){0};
	pool_cache_scan(c.pool, &sc, 64);
	EQ(sc.nr_pending, 0); /* nothing is counted twice */
	EQ(c.asked, 0);
	for (unsigned int i = 0; i < 128; i++) {
		CU_ASSERT(pool_cache_intact(c.pending[i]));
		shrink_pool_free(c.pool, c.pending[i]);
	}
	st = pool_cache_stats(c.pool);
	EQ(load_relaxed(&c.pool->pending_pages), 0);
	EQ(pool_cache_resident(c.pool), 0);
	EQ(st.returned_bytes, 64 * PAGE);
	EQ(st.pending, 128);
	EQ(st.live_objects + st.bad_frees, 0);
	pool_cache_close(&c);
}

/* Pending beside survivors: no page of theirs is on its way. */
static void test_pending_mixed(void)
{
	struct shrink_control sc = {0};
	struct pool_cache c;

	pool_cache_open(&c, 256, 0);
	pool_cache_fill(&c, 1024);
	c.modulus = 4;
	c.verdict[0] = c.verdict[1] = SHRINK_EVICT_PENDING;
	c.verdict[3] = SHRINK_BUSY;
	pool_cache_scan(c.pool, &sc, 64);
	EQ(sc.nr_pending, 0);
	EQ(load_relaxed(&c.pool->pending_pages), 0);
	c.verdict[3] = SHRINK_EVICTED;
	for (int i = 0; i < 20; i++) {
		pool_cache_scan(c.pool, &sc, 64);
		sc.nr_pending = 0;
	}
	EQ(c.live, 0);
	EQ(load_relaxed(&c.pool->pending_pages) * PAGE, pool_cache_stats(c.pool).slabs * 4 * PAGE);
	for (unsigned int i = 0; i < c.nr_pending; i++)
		shrink_pool_free(c.pool, c.pending[i]);
	EQ(load_relaxed(&c.pool->pending_pages), 0);
	EQ(pool_cache_stats(c.pool).live_objects, 0);
	pool_cache_close(&c);
}

static void test_destroy_pending(void)
{
	struct pool_cache c;

	pool_cache_open(&c, 64, 0);
	pool_cache_fill(&c, 1024);
	c.verdict[0] = SHRINK_EVICT_PENDING;
	pool_cache_scan_pages(c.pool, 64);
	CU_ASSERT(load_relaxed(&c.pool->pending_pages) > 0);
	pool_cache_close(&c);
}

/* Freed slabs go without anybody being asked. */
static void test_kept(void)
{
	struct shrink_pool_stats st;
	struct pool_cache c;

	pool_cache_open(&c, 4096, 0);
	pool_cache_fill(&c, 1024);
	for (unsigned int i = 0; i < c.nr; i++)
		pool_cache_drop(&c, i);
	st = pool_cache_stats(c.pool);
	/* most went back at once, a bounded rest is kept and counted; the last few objects
	 * are in a magazine, in up to two slabs besides the current one */
	CU_ASSERT(st.returned_bytes >= 3 * MIB && st.slabs > 0 && st.slabs <= 19);
	EQ(st.live_objects, 0);
	EQ(pool_cache_count(c.pool), st.slabs * 4);
	EQ(pool_cache_scan_pages(c.pool, 1024), st.slabs * 4);
	EQ(c.asked, 0);
	EQ(pool_cache_resident(c.pool), 0);
	EQ(load_relaxed(&c.pool->cached_pages), 0);
	pool_cache_close(&c);
}

/* Hot slabs are spared, cold ones go. */
static void test_marks(void)
{
	struct shrink_control sc = {0};
	unsigned int hot = 0;
	struct pool_cache c;

	pool_cache_open(&c, 8192, 0);
	pool_cache_fill(&c, 1024);
	for (unsigned int i = 0; i < c.nr; i++)
		shrink_pool_mark(c.pool, c.objects[i]);
	/* all hot: looked at, nothing taken */
	EQ(pool_cache_scan(c.pool, &sc, 2048), 0);
	EQ(sc.nr_scanned, 2048);
	EQ(c.live, 8192);
	/* a quarter is used again and again: every fourth slab */
	for (int tour = 0; tour < 60 && c.live > 4096; tour++) {
		for (unsigned int i = 0; i < c.nr; i++)
			if (i / 16 % 4 == 0 && c.objects[i])
				shrink_pool_mark(c.pool, c.objects[i]);
		pool_cache_scan_pages(c.pool, 128);
	}
	CU_ASSERT(c.live <= 4096);
	for (unsigned int i = 0; i < c.nr; i++)
		hot += i / 16 % 4 == 0 && c.objects[i];
	EQ(hot, 2048);
	/* and yet, once nobody uses them, they go like any other */
	for (int tour = 0; tour < 100 && c.live; tour++)
		pool_cache_scan_pages(c.pool, 1024);
	EQ(c.live, 0);
	pool_cache_close(&c);
}

/* A new object does not inherit its predecessor's mark. */
static void test_mark_is_fresh(void)
{
	struct pool_cache c;

	pool_cache_open(&c, 16, 0);
	pool_cache_fill(&c, 1024);
	for (unsigned int i = 0; i < 16; i++)
		shrink_pool_mark(c.pool, c.objects[i]);
	for (unsigned int i = 0; i < 16; i++)
		pool_cache_drop(&c, i);
	pool_cache_fill(&c, 1024);
	EQ(pool_cache_scan_pages(c.pool, 4), 4);
	pool_cache_close(&c);
}

/* Reclaim must not touch new memory (G6). */
static void test_no_faults(void)
{
	struct rusage before, after;
	struct pool_cache c;

	pool_cache_open(&c, 40000, 0);
	for (unsigned int i = 0; i < c.nr; i++)
		pool_cache_put(&c, i, i % 2 ? 64 : 1024);
	pool_cache_scan_pages(c.pool, 128); /* the code itself, and the stack */
	getrusage(RUSAGE_THREAD, &before);
	for (int i = 0; i < 40; i++)
		pool_cache_scan_pages(c.pool, 128);
	getrusage(RUSAGE_THREAD, &after);
	CU_ASSERT(c.live < 30000);
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	(void)before; /* their shadow memory faults */
#else
	EQ(after.ru_minflt - before.ru_minflt, 0);
#endif
	pool_cache_close(&c);
}

/* Slabs that are no neighbours: each a range of its own. */
static void thin_out(struct pool_cache *c)
{
	for (unsigned int i = 0; i < c->nr; i++)
		if (i / 16 % 2) /* objects of 1 KiB in slabs of 16 KiB */
			pool_cache_drop(c, i);
	pool_cache_settle(c->pool);
}

static void evict_scattered(struct pool_cache *c)
{
	struct shrink_pool_stats st;

	for (int i = 0; i < 1000 && c->live; i++)
		pool_cache_scan_pages(c->pool, 128);
	EQ(c->live, 0);
	st = pool_cache_stats(c->pool);
	EQ(st.evicted_bytes, 2048 * 1024);
	EQ(st.returned_bytes, 4096 * 1024);
	EQ(st.slabs, 0);
	EQ(pool_cache_resident(c->pool), 0);
}

static void test_scattered(void)
{
	struct pool_cache c;

	pool_cache_open(&c, 4096, 0);
	pool_cache_fill(&c, 1024);
	thin_out(&c);
	evict_scattered(&c);
	pool_cache_fill(&c, 1024);
	pool_cache_close(&c);
}

static int can_return_locked(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int can = !mlock(page, PAGE) && !madvise(page, PAGE, 24 /* MADV_DONTNEED_LOCKED */);

	munmap(page, PAGE);
	return can;
}

/* In the midst of what goes a range is locked: one call for all gets as far as that,
 * and what is left goes one by one. */
static void test_locked(void)
{
	struct pool_cache c;

	if (!can_return_locked())
		SKIP("locked memory cannot be returned here");
	pool_cache_open(&c, 4096, 0);
	pool_cache_fill(&c, 1024);
	ASSERT_INT(mlock(c.pool->data + MIB, 64 << 10), 0);
	thin_out(&c);
	evict_scattered(&c);
	pool_cache_close(&c);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"eviction gives every page back", test_evict_all},
		{"a scan keeps to its budget, goal and deadline", test_budget},
		{"all busy: STOP", test_busy},
		{"all referenced: 0, and another tour", test_referenced},
		{"a slab with survivors goes back to use", test_survivors},
		{"pending pages are counted once and completed", test_pending},
		{"pending beside survivors", test_pending_mixed},
		{"destroy with pending objects", test_destroy_pending},
		{"empty slabs are kept within bounds and go unasked", test_kept},
		{"marked slabs are spared while they are marked", test_marks},
		{"a new object is not marked", test_mark_is_fresh},
		{"slabs that are no neighbours go together", test_scattered},
		{"and one by one where some are locked", test_locked},
		{"G6: a scan touches no new memory", test_no_faults},
		{NULL, NULL},
	};

	return test_main(argc, argv, "pool-evict", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Goals in bytes: what is asked, what counts, when it ends (G8), what is pending. */
#include <errno.h>
#include <string.h>

#include "tests/cache.h"
#include "tests/harness.h"

#define KB 1024UL
#define MB (1024UL * KB)

static struct shrink_stats engine_stats(void)
{
	struct shrink_stats st = {0};

	ASSERT_INT(shrink_stats(&st, sizeof(st)), 0);
	return st;
}

static void new_sized(struct cache *c, const char *name, unsigned long objects, size_t size)
{
	CU_ASSERT_FATAL(cache_alloc(c, 0, name, objects) != NULL);
	c->s->object_size = size;
	ASSERT_INT(shrinker_register(c->s), 0);
}

static void stops_when_met(void)
{
	struct cache c;
	uint64_t freed;

	sim_begin();
	new_sized(&c, "met", 100000, 100);
	freed = shrink_all_memory(1000000);
	CU_ASSERT(freed >= 1000000 && freed <= 1000000 + 128 * 100);
	ASSERT_INT((long)freed, (long)atomic_load(&c.freed) * 100);
	ASSERT_INT(cache_deferred(&c, 0), 0); /* what is not needed is dropped */
	cache_end(&c);
	sim_end();
}

static void returns_less_when_there_is_no_more(void)
{
	struct cache c;

	sim_begin();
	new_sized(&c, "small", 5000, 100);
	ASSERT_INT((long)shrink_all_memory(MB), 500000);
	ASSERT_INT((long)shrink_all_memory(MB), 0);
	ASSERT_INT((long)shrink_all_memory(0), 0);
	cache_end(&c);
	sim_end();
}

static void shared_in_proportion(void)
{
	struct cache large, small;
	uint64_t freed;

	sim_begin();
	new_sized(&large, "large", 30000, 1000);
	new_sized(&small, "small", 10000, 1000);
	freed = shrink_all_memory(4000000);
	CU_ASSERT(freed >= 4000000 && freed <= 4000000 + 2 * 128 * 1000);
	CU_ASSERT(atomic_load(&large.freed) >= 3000 - 128 &&
		  atomic_load(&large.freed) <= 3000 + 256);
	CU_ASSERT(atomic_load(&small.freed) >= 1000 - 128 &&
		  atomic_load(&small.freed) <= 1000 + 256);
	cache_end(&large);
	cache_end(&small);
	sim_end();
}

static unsigned long scan_exact(struct cache *c, struct shrink_control *sc)
{
	unsigned long n = cache_scan(c, sc);

	CU_ASSERT(sc->bytes_to_free > 0);
	sc->bytes_freed = n * 5000;
	return n;
}

/* A goal smaller than a batch is met by one cache: not by the same each time. */
static void small_goals_go_around(void)
{
	struct cache c[3];
	uint64_t least = UINT64_MAX, most = 0;

	sim_begin();
	for (int i = 0; i < 3; i++)
		new_sized(&c[i], "equal", 1000000, 1000);
	for (int n = 0; n < 300; n++)
		CU_ASSERT(shrink_all_memory(1000) >= 1000);
	for (int i = 0; i < 3; i++) {
		uint64_t freed = atomic_load(&c[i].freed);

		least = freed < least ? freed : least;
		most = freed > most ? freed : most;
	}
	CU_ASSERT(least > 0 && most <= least + least / 10 + 128);
	/* a pass without a goal is the kernel's: all, in the order they came */
	for (int i = 0; i < 3; i++)
		atomic_store(&c[i].scans, 0);
	shrink_slab(SHRINK_GFP_ALL, SHRINK_NUMA_NO_NODE, NULL, 6);
	for (int i = 0; i < 3; i++)
		CU_ASSERT(atomic_load(&c[i].scans) > 0);
	/* who is next goes: then somebody else is */
	for (int i = 0; i < 3; i++) {
		CU_ASSERT(shrink_all_memory(1000) >= 1000);
		cache_end(&c[i]);
	}
	sim_end();
}

/* Nothing says what an object is worth until a scan does. */
static void exact_bytes_count(void)
{
	struct cache c;
	uint64_t freed;

	sim_begin();
	cache_new(&c, "exact", 100000);
	c.on_scan = scan_exact;
	freed = shrink_all_memory(2000000);
	CU_ASSERT(freed >= 2000000 && freed <= 2000000 + 128 * 5000);
	ASSERT_INT((long)freed, (long)atomic_load(&c.freed) * 5000);
	CU_ASSERT(cache_stats(&c).object_size > 2000); /* learned */
	cache_end(&c);
	sim_end();
}

/* ---- G8 */

static unsigned long scan_then_relief(struct cache *c, struct shrink_control *sc)
{
	unsigned long n = cache_scan(c, sc);

	shrink_sim_freed(n * 1000);
	if (atomic_load(&c->scans) == 3) { /* somebody else gives memory back */
		struct shrink_sim_state relief = {.limit = 100 * MB, .usage = 10 * MB};

		shrink_sim_set(&relief, sizeof(relief));
	}
	return n;
}

static void reread_between_batches(void)
{
	struct shrink_sim_state full = {.limit = 100 * MB, .usage = 100 * MB};
	struct cache c;

	sim_begin();
	new_sized(&c, "relief", 100000, 1000);
	c.on_scan = scan_then_relief;
	shrink_sim_set(&full, sizeof(full));
	shrink_sim_step(1000000);
	ASSERT_INT((long)atomic_load(&c.scans), 3);
	shrink_sim_step(1000000000);
	ASSERT_INT((long)atomic_load(&c.scans), 3);
	ASSERT_INT(cache_deferred(&c, 0), 0);
	cache_end(&c);
	sim_end();
}

/* ---- pending */

static unsigned long scan_all_pending(struct cache *c, struct shrink_control *sc)
{
	sc->nr_pending = cache_scan(c, sc);
	sc->bytes_pending = sc->nr_pending * 100;
	if (c->arg) /* the last user lets go before the scan returns */
		shrinker_complete(c->s, 0, sc->nr_pending, sc->bytes_pending);
	return 0;
}

static void pending_is_not_asked_twice(void)
{
	uint64_t completed;
	struct cache c;

	sim_begin();
	new_sized(&c, "pending", 100000, 100);
	c.on_scan = scan_all_pending;
	completed = engine_stats().completed_bytes;
	ASSERT_INT((long)shrink_all_memory(1000000), 0); /* none of it is free yet */
	CU_ASSERT(atomic_load(&c.asked) >= 10000 && atomic_load(&c.asked) <= 10000 + 128);
	ASSERT_INT((long)cache_stats(&c).pending_objects, (long)atomic_load(&c.asked));
	ASSERT_INT((long)cache_stats(&c).pending_bytes, (long)atomic_load(&c.asked) * 100);
	ASSERT_INT((long)engine_stats().pending_bytes, (long)atomic_load(&c.asked) * 100);
	ASSERT_INT((long)cache_stats(&c).misuses, 0); /* neither progress nor failure */
	ASSERT_INT(shrinker_complete(c.s, 0, atomic_load(&c.asked), atomic_load(&c.asked) * 100),
		   0);
	ASSERT_INT((long)cache_stats(&c).pending_objects, 0);
	ASSERT_INT((long)engine_stats().pending_bytes, 0);
	ASSERT_INT((long)(engine_stats().completed_bytes - completed),
		   (long)atomic_load(&c.asked) * 100);
	cache_end(&c);
	sim_end();
}

static void completion_overtakes_the_report(void)
{
	struct cache c;

	sim_begin();
	new_sized(&c, "overtakes", 10000, 100);
	c.on_scan = scan_all_pending;
	c.arg = &c;
	shrink_all_memory(100000);
	ASSERT_INT((long)cache_stats(&c).pending_objects, 0);
	ASSERT_INT((long)cache_stats(&c).pending_bytes, 0);
	ASSERT_INT((long)engine_stats().pending_bytes, 0);
	cache_end(&c);
	sim_end();
}

/* ---- direct reclaim */

static void direct_frees_at_least_a_cluster(void)
{
	struct cache c;
	int64_t freed;

	sim_begin();
	new_sized(&c, "direct", 100000, 100);
	freed = shrink_reclaim(1, SHRINK_GFP_ALL, 0);
	CU_ASSERT(freed >= 32 * 4096 && freed <= 32 * 65536 + 12800);
	ASSERT_INT(shrink_reclaim(1, 0x1000, 0), -EINVAL);
	cache_end(&c);
	sim_end();
}

static void direct_without_lock(void)
{
	struct cache locks, tries;
	int64_t freed;

	sim_begin();
	new_sized(&locks, "locks", 100000, 100);
	CU_ASSERT_FATAL(cache_alloc(&tries, SHRINKER_DIRECT, "tries", 2000) != NULL);
	tries.s->object_size = 100;
	ASSERT_INT(shrinker_register(tries.s), 0);
	atomic_store(&locks.objects, 100000);
	freed = shrink_reclaim(MB, SHRINK_GFP_NOLOCK, 0);
	CU_ASSERT(freed > 0 && freed <= 200000);
	ASSERT_INT((long)atomic_load(&locks.scans), 0);
	CU_ASSERT(atomic_load(&tries.scans) > 0);
	ASSERT_INT(tries.last.gfp_mask, SHRINK_GFP_NOLOCK);
	shrink_sim_step(1000000); /* the worker is given what was refused */
	CU_ASSERT(atomic_load(&locks.scans) > 0);
	ASSERT_INT(locks.last.gfp_mask, SHRINK_GFP_ALL);
	CU_ASSERT(atomic_load(&locks.freed) * 100 <= MB + 128 * 100);
	cache_end(&locks);
	cache_end(&tries);
	sim_end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"G8: a byte goal ends when it is met", stops_when_met},
		{"goal: less where the caches have no more", returns_less_when_there_is_no_more},
		{"goal: caches give in proportion", shared_in_proportion},
		{"goal: small ones are met by all in turn", small_goals_go_around},
		{"goal: bytes reported by scans count", exact_bytes_count},
		{"G8: usage is re-read between batches", reread_between_batches},
		{"pending: is not asked for twice, and completed later",
		 pending_is_not_asked_twice},
		{"pending: completion overtakes the report", completion_overtakes_the_report},
		{"direct: at least 32 pages", direct_frees_at_least_a_cluster},
		{"direct: without LOCK the rest is the worker's", direct_without_lock},
		{NULL, NULL},
	};

	return test_main(argc, argv, "goal", tests);
}

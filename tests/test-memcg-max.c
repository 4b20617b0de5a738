// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* What happens where a charge would go over max: reclaim, idle stocks, the worker,
 * failure (contract 4.5). On the virtual clock. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "tests/gcache.h"
#include "tests/group.h"
#include "tests/harness.h"

#define KB 1024ULL
#define MB (1024 * 1024ULL)
#define OBJECT 4096ULL

static void max_reclaims(void)
{
	struct shrink_memcg *a = group_new(NULL), *other = group_new(NULL);
	struct gcache g;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "max", OBJECT);
	ASSERT_INT(gcache_insert(&g, other, 0, 1000), 0);
	group_limit(a, SHRINK_MEMCG_LIMIT_MAX, 4 * MB);
	for (int i = 0; i < 3000; i++) {
		ASSERT_INT(gcache_insert(&g, a, 0, 1), 0);
		CU_ASSERT(shrink_memcg_usage(a) <= 4 * MB);
	}
	ASSERT_INT(group_exact(a), gcache_objects(&g, a) * (long)OBJECT);
	ASSERT_INT(gcache_objects(&g, other), 1000); /* its neighbour does not pay */
	CU_ASSERT(group_stats(a).events_max >= 3000 * OBJECT / (4 * MB) - 1);
	ASSERT_INT((long)group_stats(a).events_oom, 0);
	ASSERT_INT((long)group_stats(a).freed_bytes, (3000 - gcache_objects(&g, a)) * (long)OBJECT);
	CU_ASSERT(gcache_objects(&g, a) > 256); /* nor does it pay with all it has */
	gcache_end(&g);
	group_end(a);
	group_end(other);
	sim_end();
}

static struct {
	int calls;
	struct shrink_memcg *memcg;
	uint64_t bytes;
	void *arg;
} oom;

static void on_oom(void *arg, struct shrink_memcg *memcg, uint64_t bytes)
{
	oom.calls++;
	oom.arg = arg;
	oom.memcg = memcg;
	oom.bytes = bytes;
	/* no lock is held */
	CU_ASSERT(group_stats(memcg).events_oom > 0);
	ASSERT_INT(shrink_memcg_set_oom(memcg, on_oom, arg), 0);
}

static void max_fails(void)
{
	struct shrink_memcg *a = group_new(NULL), *b = group_new(a);
	struct gcache g;
	int x;

	sim_begin();
	memset(&oom, 0, sizeof(oom));
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "stubborn", OBJECT);
	ASSERT_INT(gcache_insert(&g, b, 0, 256), 0);
	g.c.on_scan = gcache_scan_nothing;
	ASSERT_INT(shrink_memcg_set_oom(a, on_oom, &x), 0);
	group_limit(a, SHRINK_MEMCG_LIMIT_MAX, 256 * OBJECT);
	ASSERT_INT(group_exact(b), 256 * OBJECT);
	ASSERT_INT(shrink_memcg_charge(b, 5000, SHRINK_GFP_ALL), -ENOMEM);
	ASSERT_INT(oom.calls, 1);
	CU_ASSERT(oom.memcg == a && oom.arg == &x && oom.bytes == 5000);
	ASSERT_INT((long)group_stats(a).events_max, 1);
	ASSERT_INT((long)group_stats(a).events_oom, 1);
	ASSERT_INT((long)group_stats(b).events_oom, 0); /* it is a that is full */
	ASSERT_INT(group_exact(a), 256 * OBJECT);
	ASSERT_INT(group_exact(b), 256 * OBJECT);
	/* 16 tries, all alike, that go down to priority 0 and scan there at least once */
	CU_ASSERT(atomic_load(&g.c.mine) > 0);
	ASSERT_INT((long)atomic_load(&g.c.mine) % 16, 0);
	ASSERT_INT(shrink_memcg_set_oom(a, NULL, NULL), 0);
	ASSERT_INT(shrink_memcg_charge(b, 5000, SHRINK_GFP_ALL), -ENOMEM);
	ASSERT_INT(oom.calls, 1);
	gcache_end(&g);
	group_end(b);
	group_end(a);
	sim_end();
}

/* An idle thread's stock is no reason to fail, nor to reclaim. */
static void *charge_a_little(void *arg)
{
	struct gcache *g = arg;

	ASSERT_INT(gcache_insert(g, atomic_load(&g->place[0].memcg), 0, 1), 0);
	atomic_store(&g->c.mine, 1);
	while (atomic_load(&g->c.mine) == 1)
		sleep_ms(1);
	return NULL;
}

static void stocks_come_back_first(void)
{
	struct shrink_memcg *a = group_new(NULL);
	struct gcache g;
	pthread_t t;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "idle", OBJECT);
	group_limit(a, SHRINK_MEMCG_LIMIT_MAX, 320 * KB);
	gcache_place(&g, a);
	CU_ASSERT_FATAL(!pthread_create(&t, NULL, charge_a_little, &g));
	CU_ASSERT_FATAL(wait_for(&g.c.mine, 1, 10000));
	CU_ASSERT(shrink_memcg_usage(a) == 256 * KB);
	ASSERT_INT(gcache_insert(&g, a, 0, 79), 0);
	ASSERT_INT(gcache_objects(&g, a), 80);
	ASSERT_INT((long)atomic_load(&g.c.scans), 0);
	atomic_store(&g.c.mine, 2);
	pthread_join(t, NULL);
	ASSERT_INT(group_exact(a), 320 * KB);
	gcache_end(&g);
	group_end(a);
	sim_end();
}

/* Without SHRINK_GFP_LOCK only DIRECT ones run in the charging thread; the worker
 * does the rest. */
static void others_are_handed_on(void)
{
	struct shrink_memcg *a = group_new(NULL);
	struct gcache locked, direct;

	sim_begin();
	gcache_new(&locked, SHRINKER_MEMCG_AWARE, "locked", OBJECT);
	gcache_new(&direct, SHRINKER_MEMCG_AWARE | SHRINKER_DIRECT, "direct", OBJECT);
	ASSERT_INT(gcache_insert(&locked, a, 0, 512), 0);
	group_limit(a, SHRINK_MEMCG_LIMIT_MAX, 512 * OBJECT);
	ASSERT_INT(group_exact(a), 512 * OBJECT);
	ASSERT_INT(shrink_memcg_charge(a, OBJECT, 0), -ENOMEM);
	ASSERT_INT((long)atomic_load(&locked.c.scans), 0);
	CU_ASSERT(shrink_sim_step(1) > 0); /* the worker's turn */
	CU_ASSERT(atomic_load(&locked.c.scans) > 0);
	ASSERT_INT(shrink_memcg_charge(a, OBJECT, 0), 0);
	shrink_memcg_uncharge(a, OBJECT);

	group_limit(a, SHRINK_MEMCG_LIMIT_MAX, 1024 * OBJECT);
	ASSERT_INT(gcache_insert(&direct, a, 0, 512), 0);
	atomic_store(&locked.c.scans, 0);
	while (gcache_objects(&locked, a) + gcache_objects(&direct, a) < 1024)
		ASSERT_INT(gcache_insert(&locked, a, 0, 1), 0);
	shrink_memcg_drain();
	ASSERT_INT(shrink_memcg_charge(a, OBJECT, SHRINK_GFP_IO), 0);
	CU_ASSERT(atomic_load(&direct.c.scans) > 0);
	ASSERT_INT((long)atomic_load(&locked.c.scans), 0);
	shrink_memcg_uncharge(a, OBJECT);
	gcache_end(&direct);
	gcache_end(&locked);
	group_end(a);
	sim_end();
}

/* The worker's goal outlives the group; and the process's goal is not confined. */
static void goals_hold_their_group(void)
{
	struct shrink_sim_state full = {.limit = 100 * MB, .usage = 99 * MB, .rss = 99 * MB};
	struct shrink_memcg *a = group_new(NULL);
	struct gcache g;
	struct cache plain;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "goal", OBJECT);
	ASSERT_INT(gcache_insert(&g, a, 0, 512), 0);
	group_limit(a, SHRINK_MEMCG_LIMIT_MAX, 512 * OBJECT);
	ASSERT_INT(group_exact(a), 512 * OBJECT);
	ASSERT_INT(shrink_memcg_charge(a, OBJECT, 0), -ENOMEM);
	gcache_move(&g, a, NULL);
	group_end(a);
	cache_new(&plain, "plain", 100000);
	plain.s->object_size = OBJECT;
	ASSERT_INT(shrink_sim_set(&full, sizeof(full)), 0);
	for (int i = 0; i < 3; i++)
		shrink_sim_step(1000000000);
	CU_ASSERT(atomic_load(&plain.scans) > 0);
	cache_end(&plain);
	gcache_end(&g);
	sim_end();
}

static unsigned long scan_charges(struct cache *c, struct shrink_control *sc)
{
	ASSERT_INT(shrink_memcg_charge(sc->memcg, 100 * MB, SHRINK_GFP_ALL), -ENOMEM);
	ASSERT_INT((long)shrink_memcg_reclaim(sc->memcg, 1, NULL), -EDEADLK);
	atomic_fetch_add(&c->mine, 1);
	return SHRINK_STOP;
}

static void charge_in_a_callback(void)
{
	struct shrink_memcg *a = group_new(NULL);
	struct gcache g;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "nested", OBJECT);
	group_limit(a, SHRINK_MEMCG_LIMIT_MAX, 50 * MB);
	ASSERT_INT(gcache_insert(&g, a, 0, 1000), 0);
	g.c.on_scan = scan_charges;
	shrink_slab(SHRINK_GFP_ALL, 0, a, 0);
	ASSERT_INT((long)atomic_load(&g.c.mine), 1);
	gcache_end(&g);
	group_end(a);
	sim_end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"max reclaims in the group that is full", max_reclaims},
		{"max: 16 tries, then -ENOMEM", max_fails},
		{"max: idle stocks come back first", stocks_come_back_first},
		{"max: what may not run here is handed on", others_are_handed_on},
		{"a goal handed on holds its group", goals_hold_their_group},
		{"a charge within a callback", charge_in_a_callback},
		{NULL, NULL},
	};

	return test_main(argc, argv, "memcg-max", tests);
}

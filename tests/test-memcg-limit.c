// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Limits of groups and what they set going: reclaim, delay, failure, protection
 * (contract 4.5, 4.6). On the virtual clock. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <poll.h>
#include <unistd.h>

#include <libshrink/core/memcg-account.h>
#include <libshrink/core/memcg-protect.h>
#include <libshrink/reclaim/memcg-throttle.h>

#include "tests/cg.h"
#include "tests/gcache.h"
#include "tests/harness.h"

#define KB 1024ULL
#define MB (1024 * KB)
#define OBJECT (4 * KB)

static struct shrink_memcg *group(struct shrink_memcg *parent)
{
	struct shrink_memcg *memcg = shrink_memcg_create(parent, "group");

	CU_ASSERT_FATAL(memcg != NULL);
	return memcg;
}

static void end(struct shrink_memcg *memcg)
{
	shrink_memcg_drain();
	ASSERT_INT((long)shrink_memcg_usage(memcg), 0);
	ASSERT_INT(shrink_memcg_destroy(memcg), 0);
}

static void limit(struct shrink_memcg *memcg, enum shrink_memcg_limit which, uint64_t bytes)
{
	ASSERT_INT(shrink_memcg_set_limit(memcg, which, bytes), 0);
	CU_ASSERT(shrink_memcg_get_limit(memcg, which) == bytes);
}

static struct shrink_memcg_stats stats(struct shrink_memcg *memcg)
{
	struct shrink_memcg_stats st = {0};

	ASSERT_INT(shrink_memcg_stats(memcg, &st, sizeof(st)), 0);
	return st;
}

static long exact(struct shrink_memcg *memcg)
{
	shrink_memcg_drain();
	return (long)shrink_memcg_usage(memcg);
}

static void arguments(void)
{
	struct shrink_memcg *a = group(NULL), *root = shrink_memcg_root();
	struct shrink_memcg_stats st;

	CU_ASSERT(shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_MAX) == SHRINK_MEMCG_MAX);
	CU_ASSERT(shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_HIGH) == SHRINK_MEMCG_MAX);
	CU_ASSERT(shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_SOFT) == SHRINK_MEMCG_MAX);
	ASSERT_INT((long)shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_MIN), 0);
	ASSERT_INT((long)shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_LOW), 0);
	ASSERT_INT((long)shrink_memcg_get_limit(root, SHRINK_MEMCG_LIMIT_MAX), 0);
	ASSERT_INT(shrink_memcg_set_limit(root, SHRINK_MEMCG_LIMIT_MAX, 1), -EINVAL);
	ASSERT_INT(shrink_memcg_set_limit(NULL, SHRINK_MEMCG_LIMIT_MAX, 1), -EINVAL);
	ASSERT_INT(shrink_memcg_set_limit(a, (enum shrink_memcg_limit)5, 1), -EINVAL);
	ASSERT_INT(shrink_memcg_set_oom(root, NULL, NULL), -EINVAL);
	ASSERT_INT(shrink_memcg_event_fd(root), -EINVAL);
	ASSERT_INT(shrink_memcg_bind(root, "/"), -EINVAL);
	ASSERT_INT(shrink_memcg_bind(a, "/proc"), -ENOENT);
	ASSERT_INT(shrink_memcg_stats(NULL, &st, sizeof(st)), -EINVAL);
	ASSERT_INT(shrink_memcg_stats(a, &st, 0), -EINVAL);
	ASSERT_INT(shrink_memcg_stats(root, &st, sizeof(st)), 0);
	ASSERT_INT(st.children, 1);
	ASSERT_INT((long)shrink_memcg_reclaim(NULL, 1, NULL), -EINVAL);
	ASSERT_INT((long)shrink_memcg_reclaim(a, 1, NULL), -ENOTCONN);
	ASSERT_INT((long)shrink_memcg_force_empty(a), -ENOTCONN);
	ASSERT_INT((long)shrink_memcg_soft_reclaim(1), -ENOTCONN);
	end(a);
}

/* ---- max */

static void max_reclaims(void)
{
	struct shrink_memcg *a = group(NULL), *other = group(NULL);
	struct gcache g;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "max", OBJECT);
	ASSERT_INT(gcache_insert(&g, other, 0, 1000), 0);
	limit(a, SHRINK_MEMCG_LIMIT_MAX, 4 * MB);
	for (int i = 0; i < 3000; i++) {
		ASSERT_INT(gcache_insert(&g, a, 0, 1), 0);
		CU_ASSERT(shrink_memcg_usage(a) <= 4 * MB);
	}
	ASSERT_INT(exact(a), gcache_objects(&g, a) * (long)OBJECT);
	ASSERT_INT(gcache_objects(&g, other), 1000); /* its neighbour does not pay */
	CU_ASSERT(stats(a).events_max >= 3000 * OBJECT / (4 * MB) - 1);
	ASSERT_INT((long)stats(a).events_oom, 0);
	ASSERT_INT((long)stats(a).freed_bytes, (3000 - gcache_objects(&g, a)) * (long)OBJECT);
	CU_ASSERT(gcache_objects(&g, a) > 256); /* nor does it pay with all it has */
	gcache_end(&g);
	end(a);
	end(other);
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
	CU_ASSERT(stats(memcg).events_oom > 0);
	ASSERT_INT(shrink_memcg_set_oom(memcg, on_oom, arg), 0);
}

static unsigned long scan_frees_nothing(struct cache *c, struct shrink_control *sc)
{
	(void)sc;
	atomic_fetch_add(&c->mine, 1);
	return 0;
}

static void max_fails(void)
{
	struct shrink_memcg *a = group(NULL), *b = group(a);
	struct gcache g;
	int x;

	sim_begin();
	memset(&oom, 0, sizeof(oom));
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "stubborn", OBJECT);
	ASSERT_INT(gcache_insert(&g, b, 0, 256), 0);
	g.c.on_scan = scan_frees_nothing;
	ASSERT_INT(shrink_memcg_set_oom(a, on_oom, &x), 0);
	limit(a, SHRINK_MEMCG_LIMIT_MAX, 256 * OBJECT);
	ASSERT_INT(exact(b), 256 * OBJECT);
	ASSERT_INT(shrink_memcg_charge(b, 5000, SHRINK_GFP_ALL), -ENOMEM);
	ASSERT_INT(oom.calls, 1);
	CU_ASSERT(oom.memcg == a && oom.arg == &x && oom.bytes == 5000);
	ASSERT_INT((long)stats(a).events_max, 1);
	ASSERT_INT((long)stats(a).events_oom, 1);
	ASSERT_INT((long)stats(b).events_oom, 0); /* it is a that is full */
	ASSERT_INT(exact(a), 256 * OBJECT);
	ASSERT_INT(exact(b), 256 * OBJECT);
	/* each of 16 tries goes down to priority 0 and scans there at least once */
	CU_ASSERT(atomic_load(&g.c.mine) >= 16);
	ASSERT_INT(shrink_memcg_set_oom(a, NULL, NULL), 0);
	ASSERT_INT(shrink_memcg_charge(b, 5000, SHRINK_GFP_ALL), -ENOMEM);
	ASSERT_INT(oom.calls, 1);
	gcache_end(&g);
	end(b);
	end(a);
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
	struct shrink_memcg *a = group(NULL);
	struct gcache g;
	pthread_t t;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "idle", OBJECT);
	limit(a, SHRINK_MEMCG_LIMIT_MAX, 320 * KB);
	gcache_place(&g, a);
	CU_ASSERT_FATAL(!pthread_create(&t, NULL, charge_a_little, &g));
	CU_ASSERT_FATAL(wait_for(&g.c.mine, 1, 10000));
	CU_ASSERT(shrink_memcg_usage(a) == 256 * KB);
	ASSERT_INT(gcache_insert(&g, a, 0, 79), 0);
	ASSERT_INT(gcache_objects(&g, a), 80);
	ASSERT_INT((long)atomic_load(&g.c.scans), 0);
	atomic_store(&g.c.mine, 2);
	pthread_join(t, NULL);
	ASSERT_INT(exact(a), 320 * KB);
	gcache_end(&g);
	end(a);
	sim_end();
}

/* Without SHRINK_GFP_LOCK only DIRECT ones run in the charging thread; the worker
 * does the rest. */
static void others_are_handed_on(void)
{
	struct shrink_memcg *a = group(NULL);
	struct gcache locked, direct;

	sim_begin();
	gcache_new(&locked, SHRINKER_MEMCG_AWARE, "locked", OBJECT);
	gcache_new(&direct, SHRINKER_MEMCG_AWARE | SHRINKER_DIRECT, "direct", OBJECT);
	ASSERT_INT(gcache_insert(&locked, a, 0, 512), 0);
	limit(a, SHRINK_MEMCG_LIMIT_MAX, 512 * OBJECT);
	ASSERT_INT(exact(a), 512 * OBJECT);
	ASSERT_INT(shrink_memcg_charge(a, OBJECT, 0), -ENOMEM);
	ASSERT_INT((long)atomic_load(&locked.c.scans), 0);
	CU_ASSERT(shrink_sim_step(1) > 0); /* the worker's turn */
	CU_ASSERT(atomic_load(&locked.c.scans) > 0);
	ASSERT_INT(shrink_memcg_charge(a, OBJECT, 0), 0);
	shrink_memcg_uncharge(a, OBJECT);

	limit(a, SHRINK_MEMCG_LIMIT_MAX, 1024 * OBJECT);
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
	end(a);
	sim_end();
}

/* The worker's goal outlives the group; and the process's goal is not confined. */
static void goals_hold_their_group(void)
{
	struct shrink_sim_state full = {.limit = 100 * MB, .usage = 99 * MB, .rss = 99 * MB};
	struct shrink_memcg *a = group(NULL);
	struct gcache g;
	struct cache plain;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "goal", OBJECT);
	ASSERT_INT(gcache_insert(&g, a, 0, 512), 0);
	limit(a, SHRINK_MEMCG_LIMIT_MAX, 512 * OBJECT);
	ASSERT_INT(exact(a), 512 * OBJECT);
	ASSERT_INT(shrink_memcg_charge(a, OBJECT, 0), -ENOMEM);
	gcache_move(&g, a, NULL);
	end(a);
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
	struct shrink_memcg *a = group(NULL);
	struct gcache g;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "nested", OBJECT);
	limit(a, SHRINK_MEMCG_LIMIT_MAX, 50 * MB);
	ASSERT_INT(gcache_insert(&g, a, 0, 1000), 0);
	g.c.on_scan = scan_charges;
	shrink_slab(SHRINK_GFP_ALL, 0, a, 0);
	ASSERT_INT((long)atomic_load(&g.c.mine), 1);
	gcache_end(&g);
	end(a);
	sim_end();
}

/* ---- high */

static void delay_table(void)
{
	static const struct {
		unsigned int percent, msec;
	} t[] = {{1, 0}, {2, 25}, {5, 159}, {10, 639}, {17, 1849}, {18, 2000}, {100, 2000}};
	uint64_t high = 100 * MB;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ASSERT_INT((long)shrink_throttle_usec(high + high * t[i].percent / 100, high, 64) /
				   1000,
			   t[i].msec);
	ASSERT_INT((long)shrink_throttle_usec(high, high, 64), 0);
	ASSERT_INT((long)shrink_throttle_usec(high * 11 / 10, high, 32) / 1000, 319);
	ASSERT_INT((long)shrink_throttle_usec(high * 11 / 10, high, 1), 0); /* 10 ms or less */
	ASSERT_INT((long)shrink_throttle_usec(1, 0, 64), 2000000);
	ASSERT_INT((long)shrink_throttle_usec(UINT64_MAX, 1, UINT64_MAX), 2000000);
}

static void high_delays(void)
{
	struct shrink_memcg *a = group(NULL), *b = group(a);
	uint64_t before;

	sim_begin();
	limit(a, SHRINK_MEMCG_LIMIT_HIGH, 100 * MB);
	ASSERT_INT((long)shrink_throttle(), 0);
	ASSERT_INT(shrink_memcg_charge(b, 100 * MB, SHRINK_GFP_ALL), 0);
	ASSERT_INT((long)shrink_throttle(), 0);
	for (int i = 0; i < 20; i++) { /* 5 MiB in batches; the last is paid for */
		shrink_throttle();
		ASSERT_INT(shrink_memcg_charge(b, 256 * KB, SHRINK_GFP_ALL), 0);
	}
	before = shrink_clock();
	ASSERT_INT((long)shrink_throttle() / 1000, 159);
	ASSERT_INT((long)((shrink_clock() - before) / 1000000), 159);
	ASSERT_INT((long)shrink_throttle(), 0); /* paid */
	ASSERT_INT((long)stats(a).events_high, 20);
	CU_ASSERT(stats(b).throttled_usec > 159000);
	/* who owes and whose group has gone owes no more, not to another of its id */
	ASSERT_INT(shrink_memcg_charge(b, 256 * KB, SHRINK_GFP_ALL), 0);
	shrink_memcg_uncharge(b, 100 * MB + 21 * 256 * KB);
	end(b);
	b = group(a);
	ASSERT_INT(shrink_memcg_charge(b, 120 * MB, SHRINK_GFP_ALL), 0);
	shrink_memcg_uncharge(b, 120 * MB);
	shrink_throttle();
	end(b);
	end(a);
	sim_end();
}

static void high_reclaims(void)
{
	struct shrink_memcg *a = group(NULL);
	struct gcache g;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "high", OBJECT);
	limit(a, SHRINK_MEMCG_LIMIT_HIGH, 4 * MB);
	for (int i = 0; i < 4096; i++)
		ASSERT_INT(gcache_insert(&g, a, 0, 1), 0);
	CU_ASSERT(exact(a) <= (long)(5 * MB)); /* kept about high, never failed */
	CU_ASSERT(stats(a).events_high > 0);
	ASSERT_INT((long)stats(a).events_max, 0);
	gcache_end(&g);
	end(a);
	sim_end();
}

static void limits_below_usage(void)
{
	struct shrink_memcg *a = group(NULL);
	struct gcache g;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "below", OBJECT);
	ASSERT_INT(gcache_insert(&g, a, 0, 4096), 0);
	limit(a, SHRINK_MEMCG_LIMIT_HIGH, 8 * MB);
	CU_ASSERT(shrink_memcg_usage(a) <= 8 * MB && shrink_memcg_usage(a) > 4 * MB);
	limit(a, SHRINK_MEMCG_LIMIT_MAX, 2 * MB);
	CU_ASSERT(shrink_memcg_usage(a) <= 2 * MB);
	g.c.on_scan = scan_frees_nothing;
	ASSERT_INT(shrink_memcg_set_limit(a, SHRINK_MEMCG_LIMIT_MAX, OBJECT), -EBUSY);
	CU_ASSERT(shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_MAX) == OBJECT);
	gcache_end(&g);
	end(a);
	sim_end();
}

/* ---- protection */

static uint64_t share(uint64_t usage, uint64_t setting, uint64_t parent_usage,
		      uint64_t parent_effective, uint64_t siblings)
{
	struct shrink_memcg_claims c = {usage, setting, parent_usage, parent_effective, siblings};

	return shrink_memcg_protection(&c);
}

static void protection_formula(void)
{
	/* no more than is used, nor than is set */
	ASSERT_INT((long)share(10, 30, 10, 10, 10), 10);
	ASSERT_INT((long)share(50, 30, 50, 30, 30), 30);
	ASSERT_INT((long)share(50, 30, 50, 0, 30), 0);
	/* siblings claim 30 + 90 of 60: in proportion to use under protection */
	ASSERT_INT((long)share(50, 30, 140, 60, 120), 15);
	ASSERT_INT((long)share(90, 100, 140, 60, 120), 45);
	/* they claim 30 + 10 of 100: the other 60 go to who uses more than he claims,
	 * 20 and 100 of the 160 - 40 that are used beyond claims */
	ASSERT_INT((long)share(50, 30, 160, 100, 40), 30 + 10);
	ASSERT_INT((long)share(110, 10, 160, 100, 40), 10 + 50);
	ASSERT_INT((long)share(0, 0, 160, 100, 40), 0);
	ASSERT_INT((long)share(40, 100, 40, 100, 40), 40); /* nobody uses more */
	ASSERT_INT((long)share(UINT64_MAX, 0, UINT64_MAX, UINT64_MAX, 0), -1);
}

static void min_and_low_protect(void)
{
	struct shrink_memcg *a = group(NULL), *b = group(NULL), *c = group(NULL);
	struct gcache g;
	uint64_t freed;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "protected", OBJECT);
	ASSERT_INT(gcache_insert(&g, a, 0, 1000), 0);
	ASSERT_INT(gcache_insert(&g, b, 0, 1000), 0);
	ASSERT_INT(gcache_insert(&g, c, 0, 1000), 0);
	limit(a, SHRINK_MEMCG_LIMIT_MIN, 8 * MB);
	limit(b, SHRINK_MEMCG_LIMIT_LOW, 8 * MB);
	shrink_memcg_drain();
	/* c pays alone, while it has anything */
	ASSERT_INT((long)shrink_all_memory(2 * MB), 2 * MB);
	ASSERT_INT(gcache_objects(&g, a), 1000);
	ASSERT_INT(gcache_objects(&g, b), 1000);
	ASSERT_INT(gcache_objects(&g, c), 1000 - 512);
	ASSERT_INT((long)shrink_all_memory(100 * MB), 488 * OBJECT);
	ASSERT_INT((long)stats(b).events_low, 0);
	/* nothing else is left: low gives way, min never */
	freed = shrink_all_memory(1 * MB);
	ASSERT_INT((long)freed, 1 * MB);
	ASSERT_INT(gcache_objects(&g, b), 1000 - 256);
	CU_ASSERT(stats(b).events_low > 0);
	while (shrink_all_memory(100 * MB))
		;
	ASSERT_INT(gcache_objects(&g, b), 0);
	ASSERT_INT(gcache_objects(&g, a), 1000);
	/* asked for itself, it is not protected from itself */
	ASSERT_INT((long)shrink_memcg_force_empty(a), 1000 * OBJECT);
	gcache_end(&g);
	end(a);
	end(b);
	end(c);
	sim_end();
}

/* A parent's protection is shared by what its children use of theirs. */
static void protection_in_proportion(void)
{
	struct shrink_memcg *p = group(NULL), *a = group(p), *b = group(p), *c = group(p);
	struct gcache g;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "shares", OBJECT);
	ASSERT_INT(gcache_insert(&g, a, 0, 1024), 0);
	ASSERT_INT(gcache_insert(&g, b, 0, 3072), 0);
	ASSERT_INT(gcache_insert(&g, c, 0, 1024), 0);
	shrink_memcg_drain();
	limit(p, SHRINK_MEMCG_LIMIT_MIN, 8 * MB);
	limit(a, SHRINK_MEMCG_LIMIT_MIN, 4 * MB);
	limit(b, SHRINK_MEMCG_LIMIT_MIN, 100 * MB); /* claims the 12 MiB it uses */
	CU_ASSERT(shrink_all_memory(1) > 0);
	ASSERT_INT((long)stats(p).emin, 8 * MB);
	ASSERT_INT((long)stats(a).emin, 2 * MB);
	ASSERT_INT((long)stats(b).emin, 6 * MB);
	ASSERT_INT((long)stats(c).emin, 0);
	/* at rest the sums are exact: a gives up its setting, b has all */
	limit(a, SHRINK_MEMCG_LIMIT_MIN, 0);
	gcache_remove(&g, b, 0, 3072);
	shrink_memcg_drain();
	ASSERT_INT((long)atomic_load(&p->account->children[0]), 0);
	gcache_move(&g, a, c);
	end(a);
	gcache_move(&g, c, NULL);
	gcache_move(&g, b, NULL);
	end(c);
	end(b);
	gcache_end(&g);
	end(p);
	sim_end();
}

/* ---- on request */

static void reclaim_by_steps(void)
{
	struct shrink_memcg *a = group(NULL), *b = group(a);
	uint64_t freed = 1;
	struct gcache g;
	int64_t r;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "steps", OBJECT);
	ASSERT_INT(gcache_insert(&g, a, 0, 1000), 0);
	ASSERT_INT(gcache_insert(&g, b, 0, 1000), 0);
	r = shrink_memcg_reclaim(a, 4 * MB, NULL);
	CU_ASSERT(r >= (int64_t)(4 * MB) && r < (int64_t)(5 * MB));
	/* of the group and those below, in proportion */
	CU_ASSERT(gcache_objects(&g, a) > 300 && gcache_objects(&g, b) > 300);
	ASSERT_INT((long)shrink_memcg_reclaim(a, 100 * MB, &freed), -EAGAIN);
	ASSERT_INT((long)freed, (long)(2000 * OBJECT) - (long)r);
	ASSERT_INT(exact(a), 0);
	ASSERT_INT((long)stats(a).freed_bytes, 2000 * OBJECT);
	ASSERT_INT((long)(stats(b).freed_bytes / OBJECT), 1000);
	gcache_end(&g);
	end(b);
	end(a);
	sim_end();
}

static void worst_offender_first(void)
{
	struct shrink_memcg *a = group(NULL), *b = group(NULL), *c = group(NULL);
	struct gcache g;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "soft", OBJECT);
	ASSERT_INT(gcache_insert(&g, a, 0, 2048), 0);
	ASSERT_INT(gcache_insert(&g, b, 0, 1024), 0);
	ASSERT_INT(gcache_insert(&g, c, 0, 4096), 0);
	limit(a, SHRINK_MEMCG_LIMIT_SOFT, 2 * MB); /* 6 MiB over */
	limit(b, SHRINK_MEMCG_LIMIT_SOFT, 2 * MB); /* 2 MiB over */
	shrink_memcg_drain();
	CU_ASSERT(shrink_memcg_soft_reclaim(1 * MB) >= (int64_t)(1 * MB));
	CU_ASSERT(gcache_objects(&g, a) <= 2048 - 256);
	ASSERT_INT(gcache_objects(&g, b), 1024);
	CU_ASSERT(shrink_memcg_soft_reclaim(100 * MB) > 0);
	CU_ASSERT(exact(a) <= (long)(2 * MB) && exact(a) > (long)(1 * MB));
	CU_ASSERT(exact(b) <= (long)(2 * MB) && exact(b) > (long)(1 * MB));
	ASSERT_INT(gcache_objects(&g, c), 4096);
	ASSERT_INT((long)shrink_memcg_soft_reclaim(MB), 0);
	gcache_end(&g);
	end(a);
	end(b);
	end(c);
	sim_end();
}

static int readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void events_notify(void)
{
	struct shrink_memcg *a = group(NULL), *b = group(a);
	uint64_t value;
	int fd;

	sim_begin();
	fd = shrink_memcg_event_fd(a);
	CU_ASSERT_FATAL(fd >= 0);
	ASSERT_INT(shrink_memcg_event_fd(a), fd);
	CU_ASSERT(!readable(fd));
	limit(b, SHRINK_MEMCG_LIMIT_MAX, MB);
	ASSERT_INT(shrink_memcg_charge(b, 2 * MB, SHRINK_GFP_ALL), -ENOMEM);
	CU_ASSERT(readable(fd));
	ASSERT_INT((long)read(fd, &value, sizeof(value)), 8);
	ASSERT_INT((long)stats(a).events_oom, 1); /* those below count */
	end(b);
	end(a);
	sim_end();
}

static void bound_to_the_kernels(void)
{
	struct shrink_memcg *a = group(NULL);
	const char *why;
	struct cg cg;

	why = cg_create_v1(&cg, "memcg-bind", 64 * MB);
	if (why) {
		ASSERT_INT(shrink_memcg_destroy(a), 0);
		SKIP("%s", why);
	}
	ASSERT_INT(shrink_memcg_bind(a, cg.dir), 0);
	ASSERT_INT((long)shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_MAX), 64 * MB);
	ASSERT_INT((long)shrink_memcg_usage(a), (long)cg_number(&cg, "memory.usage_in_bytes"));
	ASSERT_INT(shrink_memcg_charge(a, 65 * MB, SHRINK_GFP_ALL), -ENOMEM);
	ASSERT_INT(shrink_memcg_charge(a, 60 * MB, SHRINK_GFP_ALL), 0);
	limit(a, SHRINK_MEMCG_LIMIT_HIGH, 32 * MB); /* the kernel's usage is 0 */
	ASSERT_INT(shrink_memcg_bind(a, NULL), 0);
	ASSERT_INT(exact(a), 60 * MB);
	CU_ASSERT(shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_MAX) == SHRINK_MEMCG_MAX);
	for (int i = 0; i < 3; i++) {
		ASSERT_INT(shrink_memcg_bind(a, cg.dir), 0);
		ASSERT_INT(shrink_memcg_bind(a, NULL), 0);
	}
	ASSERT_INT(shrink_memcg_bind(a, cg.dir), 0);
	ASSERT_INT(shrink_memcg_bind(a, NULL), -ENOSPC);
	shrink_memcg_uncharge(a, 60 * MB);
	shrink_memcg_drain();
	ASSERT_INT(shrink_memcg_destroy(a), 0);
	cg_remove(&cg);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"arguments", arguments},
		{"max reclaims in the group that is full", max_reclaims},
		{"max: 16 tries, then -ENOMEM", max_fails},
		{"max: idle stocks come back first", stocks_come_back_first},
		{"max: what may not run here is handed on", others_are_handed_on},
		{"a goal handed on holds its group", goals_hold_their_group},
		{"a charge within a callback", charge_in_a_callback},
		{"4.5: the table of delays", delay_table},
		{"high: the delay is served at the safe point", high_delays},
		{"high reclaims", high_reclaims},
		{"a limit set below usage", limits_below_usage},
		{"protection: the formula", protection_formula},
		{"protection: min and low", min_and_low_protect},
		{"protection: in proportion to use", protection_in_proportion},
		{"reclaim by steps, -EAGAIN, force-empty", reclaim_by_steps},
		{"4.6: worst offender first", worst_offender_first},
		{"events notify", events_notify},
		{"bound to a group of the kernel", bound_to_the_kernels},
		{NULL, NULL},
	};

	return test_main(argc, argv, "memcg-limit", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* One pass over the shrinkers: who is called, for which node, with what; what is
 * deferred (G3); reclaim within reclaim (G5); drop-all. On four made-up nodes. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "tests/cache.h"
#include "tests/harness.h"

#define NODES 4

static unsigned long pass(int nid, int priority)
{
	return shrink_slab(SHRINK_GFP_ALL, nid, NULL, priority);
}

static void made_up_nodes(void)
{
	ASSERT_INT(shrink_nr_nodes(), NODES);
}

/* ---- nodes */

static unsigned long count_by_node(struct cache *c, struct shrink_control *sc)
{
	unsigned long *have = c->arg;

	CU_ASSERT(sc->memcg == shrink_memcg_root());
	return have[sc->nid];
}

static unsigned long scan_by_node(struct cache *c, struct shrink_control *sc)
{
	unsigned long *have = c->arg;
	unsigned long n = have[sc->nid] < sc->nr_to_scan ? have[sc->nid] : sc->nr_to_scan;

	have[sc->nid] -= n;
	return n;
}

static void aware_is_called_for_its_node(void)
{
	unsigned long have[NODES] = {1000, 2000, 4000, 0};
	struct cache c;

	sim_begin();
	cache_new_flags(&c, SHRINKER_NUMA_AWARE, "aware", 0);
	c.on_count = count_by_node;
	c.on_scan = scan_by_node;
	c.arg = have;
	ASSERT_INT((long)pass(1, 2), 1000 / 128 * 128); /* 2000 / 4 * 4 / 2 = 1000 */
	ASSERT_INT((long)have[0], 1000);
	ASSERT_INT((long)have[2], 4000);
	ASSERT_INT((long)atomic_load(&c.counts), 1);
	cache_end(&c);
	sim_end();
}

static void aware_defers_for_each_node(void)
{
	unsigned long have[NODES] = {4000, 8000, 16000, 0};
	struct cache c;

	sim_begin();
	cache_new_flags(&c, SHRINKER_NUMA_AWARE, "aware", 0);
	c.on_count = count_by_node;
	c.on_scan = scan_by_node;
	c.arg = have;
	pass(SHRINK_NUMA_NO_NODE, 9); /* 4000 >> 9 = 7, 15, 31; times two: less than a batch */
	ASSERT_INT((long)atomic_load(&c.counts), NODES);
	ASSERT_INT((long)atomic_load(&c.scans), 0);
	ASSERT_INT(cache_deferred(&c, 0), 14);
	ASSERT_INT(cache_deferred(&c, 1), 30);
	ASSERT_INT(cache_deferred(&c, 2), 62);
	ASSERT_INT(cache_deferred(&c, 3), 0);
	pass(2, 9);
	ASSERT_INT(cache_deferred(&c, 1), 30);
	ASSERT_INT(cache_deferred(&c, 2), 124);
	ASSERT_INT(cache_deferred(&c, SHRINK_NUMA_NO_NODE), 14 + 30 + 124);
	cache_end(&c);
	sim_end();
}

/* The kernel visits it once for each node. */
static void unaware_is_called_once(void)
{
	struct cache c;

	sim_begin();
	cache_new(&c, "unaware", 4000);
	pass(SHRINK_NUMA_NO_NODE, 9);
	ASSERT_INT((long)atomic_load(&c.counts), 1);
	ASSERT_INT(cache_deferred(&c, 0), 14);
	pass(3, 9); /* one slot, whatever the node */
	ASSERT_INT((long)atomic_load(&c.counts), 2);
	ASSERT_INT(cache_deferred(&c, 0), 28);
	ASSERT_INT((long)pass(NODES, 0), 0); /* no such node */
	ASSERT_INT((long)pass(-2, 0), 0);
	ASSERT_INT((long)atomic_load(&c.counts), 2);
	cache_end(&c);
	sim_end();
}

/* ---- priorities, setters, rules */

static void priority_is_clamped(void)
{
	struct cache c;

	sim_begin();
	cache_new(&c, "clamped", 100000);
	pass(0, 99); /* as 12: 100000 >> 12 = 24, 48 */
	ASSERT_INT(cache_deferred(&c, 0), 48);
	ASSERT_INT((long)atomic_load(&c.scans), 0);
	ASSERT_INT((long)pass(0, -5), 100000); /* as 0: all of it */
	cache_end(&c);
	sim_end();
}

static void setters_change_the_next_slice(void)
{
	struct cache c;

	sim_begin();
	cache_new(&c, "set", 1000000);
	ASSERT_INT(shrinker_set_batch(c.s, 100), 0);
	ASSERT_INT((long)pass(0, 12), 400); /* 488 */
	ASSERT_INT((long)c.last.nr_to_scan, 100);
	ASSERT_INT(shrinker_set_batch(c.s, 0), 0);
	ASSERT_INT(shrinker_set_seeks(c.s, 1), 0);
	atomic_store(&c.objects, 1000000);
	ASSERT_INT((long)pass(0, 12), 7 * 128); /* 976 */
	ASSERT_INT(shrinker_set_seeks(c.s, 0), 0);
	atomic_store(&c.objects, 1000);
	ASSERT_INT((long)pass(0, 12), 3 * 128); /* half of it */
	cache_end(&c);
	sim_end();
}

static void keep_is_never_asked_for(void)
{
	struct cache c;

	sim_begin();
	cache_alloc(&c, 0, "keep", 1000);
	c.s->keep = 400;
	ASSERT_INT(shrinker_register(c.s), 0);
	for (int i = 0; i < 20; i++)
		pass(0, i % 2); /* where the formula asks twice over */
	CU_ASSERT(atomic_load(&c.objects) >= 400);
	CU_ASSERT(atomic_load(&c.objects) < 600);
	ASSERT_INT(shrinker_set_keep(c.s, 1000000), 0);
	ASSERT_INT((long)pass(0, 0), 0);
	cache_end(&c);
	sim_end();
}

static void disabled_is_left_alone(void)
{
	struct cache c;

	sim_begin();
	cache_new(&c, "disabled", 1000);
	ASSERT_INT(shrinker_set_enabled(c.s, 0), 0);
	ASSERT_INT((long)pass(0, 0), 0);
	ASSERT_INT((long)atomic_load(&c.counts), 0);
	ASSERT_INT(shrinker_set_enabled(c.s, 1), 0);
	CU_ASSERT(pass(0, 0) > 0);
	cache_end(&c);
	sim_end();
}

static void rules_of_the_configuration(void)
{
	struct cache heavy, light, off;

	ASSERT_INT(shrink_conf_set("cache.w-light*.weight", "50"), 0);
	ASSERT_INT(shrink_conf_set("cache.w-off.enabled", "0"), 0);
	sim_begin();
	cache_new(&heavy, "w-heavy", 1000000);
	cache_new(&light, "w-light-1", 1000000);
	cache_new(&off, "w-off", 1000000);
	pass(0, 10);
	ASSERT_INT((long)atomic_load(&heavy.asked), 1952 / 128 * 128);
	ASSERT_INT((long)atomic_load(&light.asked), 976 / 128 * 128); /* half the pressure */
	ASSERT_INT((long)atomic_load(&off.counts), 0);
	ASSERT_INT(shrink_conf_set("cache.w-off.enabled", "1"), 0); /* at once */
	pass(0, 10);
	ASSERT_INT((long)atomic_load(&off.counts), 1);
	cache_end(&heavy);
	cache_end(&light);
	cache_end(&off);
	sim_end();
}

/* ---- G3 */

static unsigned long say_empty(struct cache *c, struct shrink_control *sc)
{
	(void)c;
	(void)sc;
	return SHRINK_EMPTY;
}

static unsigned long stop(struct cache *c, struct shrink_control *sc)
{
	(void)c;
	(void)sc;
	return SHRINK_STOP;
}

static void no_scan_of_nothing(void)
{
	struct cache zero, empty;

	sim_begin();
	cache_new(&zero, "zero", 100000);
	cache_new(&empty, "empty", 100000);
	zero.on_scan = empty.on_scan = stop;
	pass(0, 4); /* both defer 12500 */
	ASSERT_INT(cache_deferred(&zero, 0), 12500);
	atomic_store(&zero.objects, 0);
	empty.on_count = say_empty;
	atomic_store(&zero.scans, 0);
	atomic_store(&empty.scans, 0);
	for (int p = 12; p >= 0; p--)
		ASSERT_INT((long)pass(0, p), 0);
	ASSERT_INT((long)atomic_load(&zero.scans), 0);
	ASSERT_INT((long)atomic_load(&empty.scans), 0);
	ASSERT_INT(cache_deferred(&zero, 0), 12500); /* untouched */
	ASSERT_INT(cache_deferred(&empty, 0), 12500);
	cache_end(&zero);
	cache_end(&empty);
	sim_end();
}

static unsigned long big_constant(struct cache *c, struct shrink_control *sc)
{
	(void)c;
	(void)sc;
	return 1UL << 40;
}

static void *refuse_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20000; i++)
		pass(0, 12);
	return NULL;
}

/* Every pass is refused, so every delta must be in the counter in the end,
 * whoever had claimed the backlog meanwhile. */
static void deferred_is_conserved(void)
{
	pthread_t t[4];
	struct cache c;

	sim_begin();
	cache_new(&c, "conserve", 0);
	ASSERT_INT(shrinker_set_seeks(c.s, 64), 0); /* a delta of 2^24 */
	c.on_count = big_constant;
	c.on_scan = stop;
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, refuse_many, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	ASSERT_INT(cache_deferred(&c, 0), 4L * 20000 << 24);
	cache_end(&c);
	sim_end();
}

/* ---- G5 */

static unsigned long scan_reclaims(struct cache *c, struct shrink_control *sc)
{
	struct shrink_sim_state state = {.limit = UINT64_MAX};
	struct cache inner;

	if (atomic_fetch_add(&c->mine, 1))
		return cache_scan(c, sc);
	ASSERT_INT((long)pass(0, 0), 0);
	ASSERT_INT((long)shrink_slab_proportional(SHRINK_GFP_ALL, 0, NULL, 1000, 1), 0);
	ASSERT_INT((long)shrink_drop_all(), 0);
	ASSERT_INT((long)shrink_all_memory(1 << 20), 0);
	ASSERT_INT(shrink_reclaim(1 << 20, SHRINK_GFP_ALL, 0), -EDEADLK);
	ASSERT_INT(shrink_start(0), -EBUSY);
	ASSERT_INT(shrink_stop(), -EBUSY);
	ASSERT_INT(shrink_prepare(), -EBUSY);
	ASSERT_INT(shrink_sim_step(1), -EDEADLK);
	ASSERT_INT(shrink_sim_set(&state, sizeof(state)), 0);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_NORMAL, 0), 0);
	/* what it may do */
	cache_new(&inner, "inner", 10);
	ASSERT_INT(shrinker_set_seeks(c->s, 3), 0);
	ASSERT_INT(shrinker_set_name(c->s, "%s", "renamed-inside"), 0);
	cache_end(&inner);
	return cache_scan(c, sc);
}

static void nested_reclaim_is_a_no_op(void)
{
	struct shrink_owner *owner = shrink_owner_create();
	struct cache c, other;

	CU_ASSERT_FATAL(owner != NULL);
	sim_begin();
	cache_new(&c, "nested", 1000);
	cache_new(&other, "bystander", 1000);
	c.on_scan = scan_reclaims;
	pass(0, 2); /* 500: the bystander's share is untouched by the inner calls */
	ASSERT_INT((long)atomic_load(&other.counts), 1);
	ASSERT_INT((long)atomic_load(&other.scans), 3);
	cache_end(&c);
	cache_end(&other);
	sim_end();
	ASSERT_INT(shrink_owner_destroy(owner), 0);
}

static unsigned long scan_registers(struct cache *c, struct shrink_control *sc)
{
	if (c->arg) {
		cache_new(c->arg, "registered-inside", 1000);
		c->arg = NULL;
	}
	return cache_scan(c, sc);
}

static void register_in_a_callback(void)
{
	struct cache c, later;

	sim_begin();
	cache_new(&c, "registers", 1000);
	c.on_scan = scan_registers;
	c.arg = &later;
	pass(0, 2);
	CU_ASSERT_FATAL(c.arg == NULL);
	pass(0, 2);
	CU_ASSERT(atomic_load(&later.scans) > 0);
	cache_end(&later);
	cache_end(&c);
	sim_end();
}

/* ---- scopes */

static void scopes_deny(void)
{
	shrink_gfp_t outer, inner;
	struct cache c;

	sim_begin();
	cache_new(&c, "scope", 1UL << 30);
	pass(0, 12);
	ASSERT_INT(c.last.gfp_mask, SHRINK_GFP_ALL);
	outer = shrink_scope_save(SHRINK_GFP_LOCK);
	ASSERT_INT(outer, 0);
	pass(0, 12);
	ASSERT_INT(c.last.gfp_mask, SHRINK_GFP_IO | SHRINK_GFP_WAIT);
	inner = shrink_scope_save(SHRINK_GFP_IO);
	ASSERT_INT(inner, SHRINK_GFP_LOCK);
	pass(0, 12);
	ASSERT_INT(c.last.gfp_mask, SHRINK_GFP_WAIT);
	shrink_scope_restore(inner);
	pass(0, 12);
	ASSERT_INT(c.last.gfp_mask, SHRINK_GFP_IO | SHRINK_GFP_WAIT);
	shrink_scope_restore(outer);
	pass(0, 12);
	ASSERT_INT(c.last.gfp_mask, SHRINK_GFP_ALL);
	cache_end(&c);
	sim_end();
}

/* ---- drop-all (contract 4.7 and 2.7) */

static unsigned long count_one(struct cache *c, struct shrink_control *sc)
{
	(void)c;
	(void)sc;
	return 1;
}

/* One scan a round: one object at priority 0 is asked for in a single call. */
static unsigned long yield_next(struct cache *c, struct shrink_control *sc)
{
	const unsigned long *yields = c->arg;
	unsigned long round = atomic_load(&c->scans) - 1;

	(void)sc;
	return yields[1] ? yields[round < 2 ? round : 1] : yields[0];
}

static void check_rounds(unsigned long first, unsigned long second, long rounds)
{
	unsigned long yields[2] = {first, second};
	struct cache c;

	sim_begin();
	cache_new(&c, "refills", 0);
	c.on_count = count_one;
	c.on_scan = yield_next;
	c.arg = yields;
	shrink_drop_all();
	ASSERT_INT((long)atomic_load(&c.scans), rounds);
	cache_end(&c);
	sim_end();
}

static void drop_all_ends(void)
{
	check_rounds(1000, 0, 10);
	check_rounds(1000000, 0, 20);
	check_rounds(1000000000, 0, 30);
	check_rounds(2, 0, 2);
	check_rounds(0, 0, 1);
	check_rounds(10, 1, 2);
}

static void drop_all_empties(void)
{
	unsigned long have[NODES] = {1000, 2000, 4000, 7};
	struct cache plain, aware;

	sim_begin();
	cache_new(&plain, "plain", 12345);
	cache_new_flags(&aware, SHRINKER_NUMA_AWARE, "aware", 0);
	aware.on_count = count_by_node;
	aware.on_scan = scan_by_node;
	aware.arg = have;
	ASSERT_INT((long)shrink_drop_all(), 12345 + 7007);
	cache_end(&plain);
	cache_end(&aware);
	sim_end();
}

/* ---- the formula of kernels before 4.16, through the walk */

static void proportional_pass(void)
{
	struct cache c;

	sim_begin();
	cache_new(&c, "proportional", 50000);
	/* 4 * 100 / 2 * 50000 / 1000 = 10000 */
	ASSERT_INT((long)shrink_slab_proportional(SHRINK_GFP_ALL, 0, NULL, 100, 999),
		   10000 / 128 * 128);
	ASSERT_INT(cache_deferred(&c, 0), 10000 % 128);
	cache_end(&c);
	sim_end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"walk: as many nodes as the configuration says", made_up_nodes},
		{"walk: a NUMA-aware shrinker is called for the node asked",
		 aware_is_called_for_its_node},
		{"G3: a NUMA-aware shrinker defers for each node", aware_defers_for_each_node},
		{"walk: a NUMA-unaware shrinker is called once per pass", unaware_is_called_once},
		{"walk: priority is clamped", priority_is_clamped},
		{"walk: setters take effect with the next slice", setters_change_the_next_slice},
		{"walk: what is to be kept is never asked for", keep_is_never_asked_for},
		{"walk: a disabled shrinker is left alone", disabled_is_left_alone},
		{"walk: rules of the configuration", rules_of_the_configuration},
		{"G3: no scan after a count of 0 or EMPTY, deferred untouched", no_scan_of_nothing},
		{"G3: refused by four threads, nothing deferred is lost", deferred_is_conserved},
		{"G5: reclaim inside a callback is a no-op", nested_reclaim_is_a_no_op},
		{"G5: a callback registers a shrinker", register_in_a_callback},
		{"walk: scopes deny gfp bits and nest", scopes_deny},
		{"walk: drop-all ends with caches that refill", drop_all_ends},
		{"walk: drop-all empties every node", drop_all_empties},
		{"G2: proportional pass", proportional_pass},
		{NULL, NULL},
	};

	if (shrink_conf_set("nodes", "4") < 0)
		return 99;
	return test_main(argc, argv, "walk", tests);
}

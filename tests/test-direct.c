// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Reclaim in the caller's thread beside others that reclaim, on several nodes; and
 * proactive mode, which reclaims for nobody.
 */
#include <pthread.h>
#include <string.h>

#include <libshrink/core/core.h>
#include <libshrink/os/numa.h>
#include <libshrink/reclaim/proactive.h>

#include "tests/cache.h"
#include "tests/harness.h"

#define MB (1024UL * 1024)
#define SIZE 1000
#define MSEC 1000000ULL
#define SEC (1000 * MSEC)

static void add(struct cache *c, const char *name, unsigned long objects,
		unsigned long (*on_scan)(struct cache *, struct shrink_control *))
{
	CU_ASSERT_FATAL(cache_alloc(c, 0, name, objects) != NULL);
	c->s->object_size = SIZE;
	c->on_scan = on_scan;
	ASSERT_INT(shrinker_register(c->s), 0);
}

static uint64_t joined(void)
{
	struct shrink_stats st;

	shrink_stats(&st, sizeof(st));
	return st.joined;
}

/* ---- joining */

static __thread int is_caller;
static atomic_ulong by_caller;
static atomic_int gate_shut;

static unsigned long scan_waits_at_gate(struct cache *c, struct shrink_control *sc)
{
	if (is_caller)
		atomic_fetch_add(&by_caller, 1);
	while (atomic_load(&gate_shut) && !is_caller)
		sleep_ms(1);
	return cache_scan(c, sc);
}

/* The worker is in a scan, and has claimed what it was asked for. */
static void begin_with_a_busy_worker(struct cache *c)
{
	shrink_conf_set("overrun", "600000"); /* slow on purpose */
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	atomic_store(&gate_shut, 1);
	atomic_store(&by_caller, 0);
	add(c, "shared", 10000000, scan_waits_at_gate);
	is_caller = 1;
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, 64 * MB), 0);
	CU_ASSERT_FATAL(wait_for(&c->scans, 1, 20000));
}

static void end_with_a_busy_worker(struct cache *c)
{
	atomic_store(&gate_shut, 0);
	ASSERT_INT(shrink_stop(), 0);
	cache_end(c);
	is_caller = 0;
	shrink_conf_set("direct_wait", "100");
	shrink_conf_set("overrun", "200");
}

static void *open_gate(void *arg)
{
	(void)arg;
	while (!joined())
		sleep_ms(1);
	atomic_store(&gate_shut, 0);
	return NULL;
}

static void joins(void)
{
	struct cache c;
	pthread_t t;

	begin_with_a_busy_worker(&c);
	shrink_conf_set("direct_wait", "10000");
	CU_ASSERT_FATAL(pthread_create(&t, NULL, open_gate, NULL) == 0);
	CU_ASSERT(shrink_reclaim(MB, SHRINK_GFP_ALL, 0) >= (int64_t)MB);
	pthread_join(t, NULL);
	CU_ASSERT(joined() >= 1);
	ASSERT_INT((long)atomic_load(&by_caller), 0); /* all of it was the worker's */
	end_with_a_busy_worker(&c);
}

/* A callback hangs: after direct_wait, or its own time, the caller helps himself. */
static void waits_no_longer_than_it_must(void)
{
	struct cache c;

	begin_with_a_busy_worker(&c);
	shrink_conf_set("direct_wait", "5");
	CU_ASSERT(shrink_reclaim(MB, SHRINK_GFP_ALL, 0) >= (int64_t)MB);
	CU_ASSERT(atomic_load(&by_caller) > 0);
	atomic_store(&by_caller, 0);
	shrink_conf_set("direct_wait", "10000");
	/* without permission to wait: at once */
	CU_ASSERT(shrink_reclaim(MB, SHRINK_GFP_ALL & ~SHRINK_GFP_WAIT, 0) >= (int64_t)MB);
	CU_ASSERT(atomic_load(&by_caller) > 0);
	end_with_a_busy_worker(&c);
}

static void alone(void)
{
	uint64_t before = joined();
	struct cache c;

	sim_begin();
	add(&c, "c", 100000, NULL);
	CU_ASSERT(shrink_reclaim(1, SHRINK_GFP_ALL, 0) >= 32 * 4096);
	ASSERT_INT((long)(joined() - before), 0);
	cache_end(&c);
	sim_end();
}

/* ---- the own node first */

static unsigned long count_on_nodes(struct cache *c, struct shrink_control *sc)
{
	(void)sc;
	return atomic_load(&c->objects);
}

static atomic_ulong on_node[4];

static unsigned long scan_notes_node(struct cache *c, struct shrink_control *sc)
{
	atomic_fetch_add(&on_node[sc->nid], sc->nr_to_scan);
	return cache_scan(c, sc);
}

static void own_node_first(void)
{
	struct shrink_sim_node n = {.managed = 1000 * MB, .available = 900 * MB, .min = MB};
	int here, others;
	struct cache c;

	shrink_conf_set("nodes", "2");
	shrink_core_nodes_reset();
	shrink_sim_set_node(0, &n, sizeof(n));
	shrink_sim_set_node(1, &n, sizeof(n));
	sim_begin();
	here = shrink_os_numa_here() % 2;
	others = !here;
	CU_ASSERT_FATAL(cache_alloc(&c, SHRINKER_NUMA_AWARE, "aware", 1000000) != NULL);
	c.s->object_size = SIZE;
	c.on_count = count_on_nodes;
	c.on_scan = scan_notes_node;
	ASSERT_INT(shrinker_register(c.s), 0);
	CU_ASSERT(shrink_reclaim(MB, SHRINK_GFP_ALL, 0) >= (int64_t)MB);
	CU_ASSERT(atomic_load(&on_node[here]) > 0);
	ASSERT_INT((long)atomic_load(&on_node[others]), 0);
	cache_end(&c);
	sim_end();
	shrink_conf_set("nodes", "0");
	shrink_core_nodes_reset();
}

/* ---- proactive */

static void law(void)
{
	struct shrink_missed m = {.stall_target = 1000, .refaults_target = 100};

	ASSERT_INT((long)shrink_proactive_bytes(1000 * MB, &m), (long)(10 * MB));
	m.stall_usec = 500;
	ASSERT_INT((long)shrink_proactive_bytes(1000 * MB, &m), (long)(5 * MB));
	m.refaults = 75; /* the graver counts */
	ASSERT_INT((long)shrink_proactive_bytes(1000 * MB, &m), (long)(10 * MB / 4));
	m.stall_usec = 1000;
	ASSERT_INT((long)shrink_proactive_bytes(1000 * MB, &m), 0);
	m = (struct shrink_missed){.refaults = 1}; /* nothing is tolerated */
	ASSERT_INT((long)shrink_proactive_bytes(1000 * MB, &m), 0);
}

static unsigned long scan_gives_back(struct cache *c, struct shrink_control *sc)
{
	unsigned long n = cache_scan(c, sc);

	shrink_sim_freed(n * SIZE);
	return n;
}

static unsigned long scan_gives_nothing(struct cache *c, struct shrink_control *sc)
{
	(void)c;
	(void)sc;
	return 0;
}

static struct shrink_sim_state state = {.limit = 1000 * MB, .usage = 500 * MB, .rss = 500 * MB};

/* So many seconds, with so much stall in each; bytes freed. */
static unsigned long seconds(struct cache *c, int n, uint64_t stall_usec)
{
	unsigned long before = atomic_load(&c->freed);

	for (int i = 0; i < n; i++) {
		state.stall_usec += stall_usec;
		state.usage = state.rss = 500 * MB;
		shrink_sim_set(&state, sizeof(state));
		shrink_sim_step(SEC);
	}
	return (atomic_load(&c->freed) - before) * SIZE;
}

static void probes_gently(void)
{
	unsigned long calm, stalled;
	struct cache c;

	sim_begin();
	add(&c, "c", 400000, scan_gives_back);
	ASSERT_INT((long)seconds(&c, 60, 0), 0); /* off by default (G7) */
	ASSERT_INT(shrink_conf_set("proactive", "on"), 0);
	calm = seconds(&c, 60, 0);
	CU_ASSERT(calm > 8 * 5 * MB && calm < 11 * 6 * MB); /* 1 % in each 6 s */
	stalled = seconds(&c, 60, 1000); /* 6 ms in each, of 10 */
	CU_ASSERT(stalled > calm / 8 && stalled < calm * 6 / 10);
	CU_ASSERT(seconds(&c, 120, 10000) <= calm / 8); /* too much: no more */
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	ASSERT_INT(shrink_may_grow(), 1);
	cache_end(&c);
	sim_end();
	shrink_conf_set("proactive", "off");
}

/* Refaults stop it, and what it did for nothing delays no answer to pressure. */
static void refaults_stop_it(void)
{
	struct shrink_workingset *ws;
	unsigned long before;
	struct cache c;

	sim_begin();
	shrink_conf_set("proactive", "on");
	shrink_conf_set("proactive_refaults", "10");
	add(&c, "c", 400000, scan_gives_back);
	ws = shrink_workingset_create(NULL, 0, "ws");
	CU_ASSERT_FATAL(ws != NULL);
	seconds(&c, 13, 0);
	before = atomic_load(&c.freed);
	CU_ASSERT(before > 0);
	for (int i = 0; i < 60; i++) {
		for (uint64_t key = 1; key <= 10; key++) {
			uint64_t hash = key * 0x9e3779b97f4a7c15ULL;

			shrink_workingset_evict(ws, hash, 0, NULL, 0);
			shrink_workingset_refault(ws, hash, 1000);
		}
		seconds(&c, 1, 0);
	}
	CU_ASSERT(atomic_load(&c.freed) - before <= before);
	shrink_workingset_destroy(ws);
	/* so often that the last one was a moment ago */
	shrink_conf_set("proactive_period", "100");
	c.on_scan = scan_gives_nothing;
	seconds(&c, 150, 0);
	c.on_scan = scan_gives_back;
	state.usage = state.rss = 999 * MB;
	shrink_sim_set(&state, sizeof(state));
	before = atomic_load(&c.freed);
	shrink_sim_step(5 * MSEC);
	CU_ASSERT(atomic_load(&c.freed) > before);
	cache_end(&c);
	sim_end();
	shrink_conf_set("proactive", "off");
	shrink_conf_set("proactive_refaults", "1000");
	shrink_conf_set("proactive_period", "6000");
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"direct: joins who frees already", joins},
		{"direct: for a bounded time, and where it may wait", waits_no_longer_than_it_must},
		{"direct: alone, at least 32 pages", alone},
		{"direct: the own node first", own_node_first},
		{"proactive: the law", law},
		{"proactive: gently, less under stall, off by default", probes_gently},
		{"proactive: refaults stop it, pressure does not wait for it", refaults_stop_it},
		{NULL, NULL},
	};

	return test_main(argc, argv, "direct", tests);
}

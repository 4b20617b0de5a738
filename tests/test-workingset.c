// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Ghosts, distances, and the table as a shrinker. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <shrink/shrink.h>
#include <libshrink/core/core.h>
#include <libshrink/lru/distance.h>
#include <libshrink/lru/ghosts.h>
#include <libshrink/lru/workingset.h>
#include "tests/harness.h"
#include "tests/random.h"

static struct shrink_workingset *make(unsigned long ghosts)
{
	struct shrink_workingset_options o = {.ghosts = ghosts};
	struct shrink_workingset *ws = shrink_workingset_create(&o, sizeof(o), "test-ghosts");

	CU_ASSERT_PTR_NOT_NULL_FATAL(ws);
	return ws;
}

static struct shrink_workingset_stats stats_of(struct shrink_workingset *ws)
{
	struct shrink_workingset_stats st;

	ASSERT_INT(shrink_workingset_stats(ws, &st, sizeof(st)), 0);
	return st;
}

static uint64_t hash_of(uint64_t key)
{
	return shrink_workingset_hash(&key, sizeof(key));
}

static void test_shadow(void)
{
	struct random r = random_new();

	for (int i = 0; i < 10000; i++) {
		struct shrink_shadow in = {
			.clock = (uint32_t)random_next(&r),
			.group = (unsigned int)random_below(&r, 65536),
			.nid = (unsigned int)random_below(&r, 64),
			.active = random_next(&r) & 1,
			.aged = random_next(&r) & 1,
		}, out;

		CU_ASSERT_TRUE(shrink_shadow_unpack(shrink_shadow_pack(&in), &out));
		CU_ASSERT_TRUE(in.clock == out.clock && in.group == out.group &&
			       in.nid == out.nid && in.active == out.active && in.aged == out.aged);
	}
	struct shrink_shadow out;

	CU_ASSERT_FALSE(shrink_shadow_unpack(0, &out));
	CU_ASSERT_FALSE(shrink_shadow_unpack(UINT64_MAX, &out));
	ASSERT_INT(shrink_distance(5, UINT32_MAX - 4), 10);
}

/* contract section 6, each term alone */
static void test_room(void)
{
	struct shrink_distance_room in = {1, 20, 300, 4000, false, false};

	ASSERT_INT(shrink_distance_room(&in), 1);
	in.write_out = true;
	ASSERT_INT(shrink_distance_room(&in), 4301);
	in.dirty = true;
	ASSERT_INT(shrink_distance_room(&in), 321);
	in.write_out = false;
	ASSERT_INT(shrink_distance_room(&in), 21);
}

static void test_distance_rule(void)
{
	struct shrink_workingset *ws = make(10000);
	struct shrink_workingset_stats st;

	shrink_workingset_evict(ws, hash_of(1), 0, NULL, 0);
	for (uint64_t k = 100; k < 110; k++)
		shrink_workingset_evict(ws, hash_of(k), 0, NULL, 0);
	/* ten others have gone: with nine places it would not have survived */
	ASSERT_INT(shrink_workingset_refault(ws, hash_of(1), 9), SHRINK_REFAULT_FOUND);
	ASSERT_INT(shrink_workingset_refault(ws, hash_of(1), 9), 0);
	shrink_workingset_evict(ws, hash_of(1), 0, NULL, SHRINK_GHOST_ACTIVE);
	shrink_workingset_promoted(ws, 0, NULL, 10);
	ASSERT_INT(shrink_workingset_refault(ws, hash_of(1), 10),
		   SHRINK_REFAULT_FOUND | SHRINK_REFAULT_ACTIVATE | SHRINK_REFAULT_RESTORE);
	/* the activation itself has moved the clock by one */
	shrink_workingset_evict(ws, hash_of(2), 0, NULL, SHRINK_GHOST_AGED);
	ASSERT_INT(shrink_workingset_refault(ws, hash_of(2), 0),
		   SHRINK_REFAULT_FOUND | SHRINK_REFAULT_ACTIVATE | SHRINK_REFAULT_AGED);
	st = stats_of(ws);
	ASSERT_INT(st.evictions, 13);
	ASSERT_INT(st.refaults, 3);
	ASSERT_INT(st.activations, 2);
	ASSERT_INT(st.restores, 1);
	ASSERT_INT(st.aged, 1);
	ASSERT_INT(st.ghosts, 10);
	shrink_workingset_destroy(ws);
}

/* Nodes have clocks of their own; one that does not exist is the first. */
static void test_nodes(void)
{
	struct shrink_workingset *ws;

	ASSERT_INT(shrink_conf_set("nodes", "2"), 0);
	shrink_core_nodes_reset();
	ws = make(1000);
	shrink_workingset_evict(ws, hash_of(3), 1, NULL, 0);
	shrink_workingset_promoted(ws, 0, NULL, 1000);
	ASSERT_INT(shrink_workingset_refault(ws, hash_of(3), 0),
		   SHRINK_REFAULT_FOUND | SHRINK_REFAULT_ACTIVATE);
	shrink_workingset_evict(ws, hash_of(3), 5, NULL, 0);
	shrink_workingset_promoted(ws, 0, NULL, 1000);
	ASSERT_INT(shrink_workingset_refault(ws, hash_of(3), 999), SHRINK_REFAULT_FOUND);
	shrink_workingset_destroy(ws);
	ASSERT_INT(shrink_conf_set("nodes", "0"), 0);
	shrink_core_nodes_reset();
}

static void test_own_shadow(void)
{
	struct shrink_workingset *ws = make(1000);
	uint64_t shadow = shrink_workingset_shadow(ws, 0, NULL, SHRINK_GHOST_ACTIVE);

	shrink_workingset_promoted(ws, 0, NULL, 7);
	ASSERT_INT(shrink_workingset_refault_shadow(ws, shadow, 6),
		   SHRINK_REFAULT_FOUND | SHRINK_REFAULT_RESTORE);
	ASSERT_INT(shrink_workingset_refault_shadow(ws, shadow, 7),
		   SHRINK_REFAULT_FOUND | SHRINK_REFAULT_RESTORE | SHRINK_REFAULT_ACTIVATE);
	ASSERT_INT(shrink_workingset_refault_shadow(ws, 0, 7), 0);
	ASSERT_INT(stats_of(ws).ghosts, 0);
	shrink_workingset_destroy(ws);
}

/* A table of one part forgets in the order of eviction, and exactly then. */
static void test_bounded(void)
{
	struct shrink_workingset *ws = make(256);
	uint64_t capacity = stats_of(ws).capacity;

	for (uint64_t k = 0; k < 3 * capacity; k++)
		shrink_workingset_evict(ws, hash_of(k), 0, NULL, 0);
	ASSERT_INT(stats_of(ws).ghosts, capacity);
	ASSERT_INT(stats_of(ws).overwritten, 2 * capacity);
	for (uint64_t k = 0; k < 3 * capacity; k++)
		ASSERT_INT(shrink_workingset_refault(ws, hash_of(k), 0) != 0, k >= 2 * capacity);
	ASSERT_INT(stats_of(ws).ghosts, 0);
	shrink_workingset_evict(ws, hash_of(1), 0, NULL, 0);
	ASSERT_INT(shrink_workingset_forget(ws, hash_of(1)), 1);
	ASSERT_INT(shrink_workingset_forget(ws, hash_of(1)), 0);
	shrink_workingset_destroy(ws);
}

/* The ring against the plainest model there is: a list of (hash, shadow) in order. */
#define MODEL 4096
static void model_against_ring(uint64_t seed)
{
	static struct shrink_ghost ring[64];
	static uint32_t first[64], next[64];
	static uint64_t order[MODEL];
	struct random r = random_seeded(seed);
	struct shrink_ghosts g;
	uint64_t dropped;
	int n = 0;

	memset(ring, 0, sizeof(ring));
	memset(first, 0, sizeof(first));
	shrink_ghosts_init(&g, ring, 64, 8, first, next, 63);
	for (int step = 0; step < MODEL; step++) {
		uint64_t key = random_below(&r, 90) * 0x100000001ULL, what = random_below(&r, 100);
		int at = -1;

		for (int i = 0; i < n; i++)
			at = order[i] == key ? i : at;
		if (what < 30) {
			ASSERT_INT(shrink_ghosts_take(&g, key) != 0, at >= 0);
		} else if (what < 97) {
			shrink_ghosts_push(&g, key, (uint64_t)step + 1);
			/* it may have pushed one out early where dead ones took up room,
			 * never a young one: the model follows the oldest */
		} else {
			shrink_ghosts_cut(&g, (uint32_t)random_below(&r, 64), &dropped);
			shrink_ghosts_ready(&g);
		}
		if (at >= 0 && what < 97) {
			memmove(order + at, order + at + 1, (size_t)(n - at - 1) * sizeof(*order));
			n--;
		}
		if (what >= 30 && what < 97)
			order[n++] = key;
		if (n > (int)g.live) { /* the oldest went */
			memmove(order, order + n - (int)g.live, g.live * sizeof(*order));
			n = (int)g.live;
		}
		CU_ASSERT_FATAL(n == (int)g.live && g.live <= g.used && g.used <= g.size &&
				g.size <= g.ready && g.ready <= g.max);
	}
	for (int i = 0; i < n; i++)
		CU_ASSERT(shrink_ghosts_take(&g, order[i]) != 0);
	ASSERT_INT(g.live, 0);
}

static void test_ring_model(void)
{
	struct random r = random_new();

	for (int i = 0; i < 50; i++)
		model_against_ring(random_next(&r));
}

/* Zero seeks: half of what is beyond use at any priority; never what is of use. */
static void test_shrinker(void)
{
	struct shrink_workingset *ws = make(65536);
	struct shrinker *s = shrink_workingset_shrinker(ws);
	struct shrink_control sc = {0};
	struct shrink_workingset_stats st;

	ASSERT_INT(s->seeks, 0);
	for (uint64_t k = 0; k < 65536; k++)
		shrink_workingset_evict(ws, hash_of(k), 0, NULL, 0);
	ASSERT_INT(s->count_objects(s, &sc), 0); /* nobody has said what is of use */
	shrink_workingset_refault(ws, hash_of(1), 20000);
	CU_ASSERT(s->count_objects(s, &sc) > 20000);
	ASSERT_INT(shrink_start(SHRINK_START_SIMULATED), 0);
	CU_ASSERT(shrink_slab(SHRINK_GFP_ALL, SHRINK_NUMA_NO_NODE, NULL, 12) > 0);
	shrink_drop_all();
	ASSERT_INT(shrink_stop(), 0);
	st = stats_of(ws);
	CU_ASSERT(st.capacity < 40000);
	CU_ASSERT(st.capacity >= 20000);
	CU_ASSERT(st.given_up > 0);
	/* the youngest are there still */
	ASSERT_INT(shrink_workingset_refault(ws, hash_of(65535), 20000) & SHRINK_REFAULT_FOUND, 1);
	ASSERT_INT(shrink_workingset_refault(ws, hash_of(50000), 20000) & SHRINK_REFAULT_FOUND, 1);
	ASSERT_INT(shrink_workingset_refault(ws, hash_of(100), 20000), 0);
	/* with use it grows back, by misses, not by evictions */
	for (uint64_t k = 0; k < 400000; k++)
		shrink_workingset_evict(ws, hash_of(k), 0, NULL, 0);
	ASSERT_INT(stats_of(ws).capacity, st.capacity);
	for (uint64_t k = 0; k < 400000; k++) {
		shrink_workingset_evict(ws, hash_of(1000000 + k), 0, NULL, 0);
		shrink_workingset_refault(ws, hash_of(2000000 + k), 20000);
	}
	st = stats_of(ws);
	ASSERT_INT(st.capacity, st.capacity_max);
	shrink_workingset_destroy(ws);
}

static void test_cost(void)
{
	struct shrink_workingset *ws = make(1000);
	struct shrink_workingset_stats st;

	for (int i = 0; i < 100; i++)
		shrink_workingset_cost(ws, 8000);
	st = stats_of(ws);
	ASSERT_INT(st.costs, 100);
	ASSERT_INT(st.cost_nsec, 800000);
	ASSERT_INT(st.cost_nsec_avg, 8000);
	for (int i = 0; i < 100; i++)
		shrink_workingset_cost(ws, 80);
	st = stats_of(ws);
	CU_ASSERT(st.cost_nsec_avg < 200);
	shrink_workingset_destroy(ws);
}

static void test_errors(void)
{
	struct shrink_workingset_options o = {.ghosts = 1UL << 31};
	struct shrink_workingset *ws = make(10);

	errno = 0;
	CU_ASSERT_PTR_NULL(shrink_workingset_create(&o, sizeof(o), "x"));
	ASSERT_INT(errno, EINVAL);
	CU_ASSERT_PTR_NULL(shrink_workingset_create(NULL, 0, "%s", ""));
	ASSERT_INT(shrink_workingset_stats(ws, NULL, 8), -EINVAL);
	ASSERT_INT(shrink_workingset_evict(ws, 1, -1, NULL, 0), 0);
	ASSERT_INT(shrink_workingset_evict(ws, 1, 0, NULL, 4), 0);
	ASSERT_INT(shrink_workingset_refault(NULL, 1, 0), 0);
	shrink_workingset_destroy(ws);
	shrink_workingset_destroy(NULL);
}

static void *churn(void *arg)
{
	struct shrink_workingset *ws = arg;
	struct random r = random_seeded((uint64_t)(uintptr_t)&r);

	for (int i = 0; i < 30000; i++) {
		uint64_t h = hash_of(random_below(&r, 5000));

		if (random_next(&r) & 1)
			shrink_workingset_evict(ws, h, 0, NULL, 0);
		else
			shrink_workingset_refault(ws, h, 100);
		if (i % 4096 == 0) {
			struct shrinker *s = shrink_workingset_shrinker(ws);
			struct shrink_control sc = {.nr_to_scan = 512};

			if (s->count_objects(s, &sc))
				s->scan_objects(s, &sc);
		}
	}
	return NULL;
}

static void test_threads(void)
{
	struct shrink_workingset *ws = make(8192);
	struct shrink_workingset_stats st;
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, churn, ws);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	st = stats_of(ws);
	/* every ghost made has come back, was replaced, pushed out, given up or is here */
	CU_ASSERT(st.refaults + st.overwritten + st.given_up + st.ghosts <= st.evictions);
	CU_ASSERT(st.refaults > 0 && st.ghosts <= 5000);
	shrink_workingset_destroy(ws);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"a shadow keeps what it is told", test_shadow},
		{"room of each kind, section 6", test_room},
		{"inside the distance or not, to the one", test_distance_rule},
		{"nodes have clocks of their own", test_nodes},
		{"shadows kept by the cache", test_own_shadow},
		{"the table is bounded and forgets the oldest first", test_bounded},
		{"the ring against a model", test_ring_model},
		{"the table is a zero-seek shrinker, and grows back", test_shrinker},
		{"refault costs", test_cost},
		{"errors", test_errors},
		{"threads", test_threads},
		{NULL, NULL},
	};

	return test_main(argc, argv, "workingset", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Groups that come and go under reclaim, at random but the same each time. After
 * every step everything must still be there: objects, bytes, deferred work,
 * references, and a bit for every list that has something on it.
 */
#include <stdio.h>
#include <string.h>

#include <libshrink/core/memcg-account.h>

#include "tests/gcache.h"
#include "tests/harness.h"
#include "tests/random.h"

#define GROUPS 24
#define CACHES 6
#define STEPS 4000
#define SEEDS 6
#define OBJECT 1000

static struct random rnd;
static struct {
	struct shrink_memcg *memcg; /* NULL = none; [0] = the root */
	int parent, held;           /* references of the simulation's own */
	bool online;
} group[GROUPS];
static struct gcache cache[CACHES];
static bool present[CACHES];
static long objects[CACHES];  /* put in, not taken out by us; scans count theirs */
static long deferred;         /* all there must be, of all caches */
static int step;
static const char *doing;

#define EXPECT(actual, expected)                                                                   \
	do {                                                                                       \
		long is_ = (long)(actual), must_ = (long)(expected);                               \
		if (is_ != must_ && !wrong)                                                        \
			wrong = (snprintf(finding, sizeof(finding), "%s is %ld, not %ld", #actual, \
					  is_, must_), true);                                      \
	} while (0)
static char finding[256];
static bool wrong;

static int below(int n)
{
	return (int)random_below(&rnd, (uint64_t)n);
}

/* ---- deferred work is counted where the core asks its calculator */

void __real_shrink_arith_begin(struct shrink_slice *s, const struct shrink_arith_how *how,
			       long freeable, long claimed);
long __real_shrink_arith_end(const struct shrink_slice *s);
void __wrap_shrink_arith_begin(struct shrink_slice *s, const struct shrink_arith_how *how,
			       long freeable, long claimed);
long __wrap_shrink_arith_end(const struct shrink_slice *s);

void __wrap_shrink_arith_begin(struct shrink_slice *s, const struct shrink_arith_how *how,
			       long freeable, long claimed)
{
	deferred -= claimed;
	__real_shrink_arith_begin(s, how, freeable, claimed);
}

long __wrap_shrink_arith_end(const struct shrink_slice *s)
{
	long left = __real_shrink_arith_end(s);

	deferred += left;
	return left;
}

static long deferred_in(struct shrink_memcg *memcg, int id)
{
	long sum = 0;

	for (int nid = 0; nid < GCACHE_NODES; nid++) {
		struct shrink_memcg_unit *u = shrink_memcg_unit(memcg, nid, id);

		sum += u ? atomic_load(&u->deferred[id % SHRINK_MEMCG_UNIT]) : 0;
	}
	return sum;
}

static long deferred_of(int c)
{
	long sum = (long)cache_deferred(&cache[c].c, SHRINK_NUMA_NO_NODE);

	for (int g = 1; g < GROUPS; g++)
		if (group[g].memcg)
			sum += deferred_in(group[g].memcg, shrinker_id(cache[c].c.s));
	return sum;
}

/* ---- what must hold */

static long objects_below(int g)
{
	long sum = 0;

	for (int c = 0; c < CACHES; c++)
		if (present[c])
			sum += gcache_objects(&cache[c], group[g].memcg);
	for (int k = 1; k < GROUPS; k++)
		if (group[k].memcg && group[k].online && group[k].parent == g)
			sum += objects_below(k);
	return sum;
}

static int children_of(int g)
{
	int n = 0;

	for (int k = 1; k < GROUPS; k++)
		n += group[k].memcg && group[k].parent == g;
	return n;
}

static void check_bits(int g, int c)
{
	int id = shrinker_id(cache[c].c.s);
	struct gplace *place = gcache_place(&cache[c], group[g].memcg);

	for (int nid = 0; nid < GCACHE_NODES; nid++) {
		struct shrink_memcg_unit *u = shrink_memcg_unit(group[g].memcg, nid, id);

		if (atomic_load(&place->objects[nid])) {
			EXPECT(atomic_load(&u->map) >> (id % SHRINK_MEMCG_UNIT) & 1, 1);
			EXPECT(atomic_load(&group[g].memcg->units_used) & 1, 1);
		}
		EXPECT(atomic_load(&u->deferred[id % SHRINK_MEMCG_UNIT]) >= 0, 1);
	}
}

static void check(void)
{
	long sum = 0;

	shrink_memcg_drain();
	for (int c = 0; c < CACHES; c++) {
		long have = present[c] ? gcache_objects(&cache[c], NULL) : 0;

		for (int g = 1; present[c] && g < GROUPS; g++)
			if (group[g].online)
				have += gcache_objects(&cache[c], group[g].memcg);
		EXPECT(have, objects[c] - (long)atomic_load(&cache[c].c.freed));
		sum += present[c] ? deferred_of(c) : 0;
	}
	EXPECT(sum, deferred);
	for (int g = 1; g < GROUPS; g++) {
		if (!group[g].memcg)
			continue;
		EXPECT(atomic_load(&group[g].memcg->refs),
		       group[g].online + group[g].held + children_of(g));
		if (!group[g].online)
			continue;
		EXPECT(shrink_memcg_usage(group[g].memcg), objects_below(g) * OBJECT);
		for (int c = 0; c < CACHES; c++)
			if (present[c])
				check_bits(g, c);
	}
}

/* ---- what happens */

/* A group: one that is there, or the root. */
static int any_group(void)
{
	int g = below(GROUPS);

	return group[g].online ? g : 0;
}

static void create(void)
{
	int g = 1 + below(GROUPS - 1), parent = any_group();

	if (group[g].memcg)
		return;
	group[g].memcg = shrink_memcg_create(group[parent].memcg, "g%d", g);
	CU_ASSERT_FATAL(group[g].memcg != NULL);
	group[g].parent = parent;
	group[g].online = true;
}

/* Nobody knows it any more; then its parent, if that was offline already. */
static void forget(int g)
{
	while (g && group[g].memcg && !group[g].online && !group[g].held && !children_of(g)) {
		group[g].memcg = NULL;
		g = group[g].parent;
	}
}

/* Objects follow their group's end, or are lost where the parent has no room. */
static void move_up(int g)
{
	struct shrink_memcg *up = group[group[g].parent].memcg;

	for (int c = 0; c < CACHES; c++) {
		if (!present[c])
			continue;
		for (int nid = 0; nid < GCACHE_NODES; nid++) {
			unsigned long n = gcache_remove(&cache[c], group[g].memcg, nid, 1UL << 40);

			if (n && gcache_insert(&cache[c], up, nid, n) < 0)
				objects[c] -= (long)n;
		}
		atomic_store(&gcache_place(&cache[c], group[g].memcg)->memcg, NULL);
	}
}

static void destroy(void)
{
	int g = any_group();
	bool after = below(2);

	if (!g)
		return;
	for (int k = 1; k < GROUPS; k++)
		if (group[k].online && group[k].parent == g)
			return;
	shrink_memcg_get(group[g].memcg);
	if (!after)
		move_up(g);
	ASSERT_INT(shrink_memcg_destroy(group[g].memcg), 0);
	if (after)
		move_up(g);
	group[g].online = false;
	shrink_memcg_put(group[g].memcg);
	forget(g);
}

static void hold(void)
{
	int g = any_group();

	if (g && group[g].held < 3) {
		shrink_memcg_get(group[g].memcg);
		group[g].held++;
	}
}

static void let_go(void)
{
	int g = 1 + below(GROUPS - 1);

	if (!group[g].memcg || !group[g].held)
		return;
	group[g].held--;
	shrink_memcg_put(group[g].memcg);
	forget(g);
}

static int any_cache(void)
{
	int c = below(CACHES);

	return present[c] ? c : -1;
}

static int node_of(int c)
{
	return cache[c].c.s->flags & SHRINKER_NUMA_AWARE ? below(GCACHE_NODES) : 0;
}

static void insert(void)
{
	int c = any_cache(), g = any_group();
	unsigned long n = 1 + random_magnitude(&rnd, 14);

	/* counted before: the charge may reclaim in this very cache */
	if (c >= 0 && !gcache_insert(&cache[c], group[g].memcg, node_of(c), n))
		objects[c] += (long)n;
}

static void take_out(void)
{
	int c = any_cache();

	if (c >= 0)
		objects[c] -= (long)gcache_remove(&cache[c], group[any_group()].memcg, node_of(c),
						  random_magnitude(&rnd, 14));
}

static unsigned long moody_scan(struct cache *c, struct shrink_control *sc)
{
	struct gcache *g = c->arg;

	if (!below(4))
		return SHRINK_STOP;
	sc->nr_scanned = 1 + random_below(&rnd, sc->nr_to_scan);
	return gcache_remove(g, sc->memcg, sc->nid, sc->nr_scanned);
}

static void reborn(void)
{
	int c = below(CACHES);

	if (!present[c]) {
		gcache_new(&cache[c], SHRINKER_MEMCG_AWARE | (below(2) ? SHRINKER_NUMA_AWARE : 0) |
			   (below(2) ? SHRINKER_DIRECT : 0), "cache", OBJECT);
		if (below(2))
			cache[c].c.on_scan = moody_scan;
		cache[c].zero = below(2);
		present[c] = true;
		objects[c] = 0;
	} else if (!below(4)) {
		deferred -= deferred_of(c);
		gcache_end(&cache[c]);
		present[c] = false;
		objects[c] = (long)atomic_load(&cache[c].c.freed);
	}
}

static void pass(void)
{
	int nid = below(3) ? SHRINK_NUMA_NO_NODE : below(GCACHE_NODES);

	shrink_slab(SHRINK_GFP_ALL, nid, group[any_group()].memcg, below(13));
}

static void reclaim(void)
{
	struct shrink_memcg *memcg = group[any_group()].memcg;

	(void)shrink_memcg_reclaim(memcg ? memcg : shrink_memcg_root(),
				   random_magnitude(&rnd, 22), NULL);
}

static void limit(void)
{
	int g = any_group();
	uint64_t bytes = random_magnitude(&rnd, 26);
	enum shrink_memcg_limit which = (enum shrink_memcg_limit)below(5);

	if (which >= SHRINK_MEMCG_LIMIT_HIGH && below(2))
		bytes = SHRINK_MEMCG_MAX;
	if (g)
		(void)shrink_memcg_set_limit(group[g].memcg, which, bytes);
}

static void soft(void)
{
	(void)shrink_memcg_soft_reclaim(random_magnitude(&rnd, 22));
}

static void worker(void)
{
	shrink_sim_step(1000000);
}

static void drop(void)
{
	if (!below(8))
		shrink_drop_all();
}

static const struct {
	const char *name;
	void (*fn)(void);
	int weight;
} ops[] = {
	{"create", create, 6}, {"destroy", destroy, 4}, {"hold", hold, 2}, {"let go", let_go, 3},
	{"insert", insert, 20}, {"take out", take_out, 6}, {"cache", reborn, 4},
	{"pass", pass, 10}, {"reclaim", reclaim, 4}, {"limit", limit, 3}, {"soft", soft, 1},
	{"worker", worker, 1}, {"drop all", drop, 1},
};

static void one_step(void)
{
	int n = 0, i = 0;

	for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++)
		n += ops[k].weight;
	for (n = below(n); n >= ops[i].weight; i++)
		n -= ops[i].weight;
	doing = ops[i].name;
	ops[i].fn();
	check();
}

static void tidy_up(void)
{
	for (int c = 0; c < CACHES; c++)
		if (present[c])
			gcache_end(&cache[c]);
	for (bool any = true; any;) {
		any = false;
		for (int g = 1; g < GROUPS; g++)
			if (group[g].online && shrink_memcg_destroy(group[g].memcg) == 0) {
				group[g].online = false;
				any = true;
			}
	}
	for (int g = 1; g < GROUPS; g++)
		for (; group[g].memcg && group[g].held; group[g].held--)
			shrink_memcg_put(group[g].memcg);
	memset(group, 0, sizeof(group));
	memset(present, 0, sizeof(present));
	memset(objects, 0, sizeof(objects));
	for (int c = 0; c < CACHES; c++)
		atomic_store(&cache[c].c.freed, 0);
	deferred = 0;
	ASSERT_INT(shrink_memcg_count(), 0);
}

static void simulate(void)
{
	uint64_t seed = random_new().seed;

	for (int i = 0; i < SEEDS && !wrong; i++, seed++) {
		rnd = random_seeded(seed);
		sim_begin();
		for (step = 0; step < STEPS && !wrong; step++)
			one_step();
		if (wrong) {
			printf("# TEST_SEED=%llu, step %d, %s: %s\n", (unsigned long long)seed,
			       step, doing, finding);
			CU_FAIL("conservation");
		}
		tidy_up();
		sim_end();
	}
}

/* ---- the checks see what is missing: each kind of damage, done and undone, in every
 * state that a simulation passes through */

/* An online group and a cache with objects there, or 0. */
static int with_objects(int *ret_cache, int *ret_nid)
{
	for (int g = 1; g < GROUPS; g++)
		for (int c = 0; group[g].online && c < CACHES; c++)
			for (int nid = 0; present[c] && nid < GCACHE_NODES; nid++)
				if (atomic_load(&gcache_place(&cache[c], group[g].memcg)
							 ->objects[nid])) {
					*ret_cache = c;
					*ret_nid = nid;
					return g;
				}
	return 0;
}

static bool check_finds(const char *what)
{
	bool found;

	check();
	found = wrong && strstr(finding, what);
	wrong = false;
	return found;
}

static bool finds_a_wrong_byte(int g)
{
	_Atomic uint64_t *usage = &group[g].memcg->account->usage;
	bool found;

	atomic_fetch_add(usage, 1);
	found = check_finds("usage");
	atomic_fetch_sub(usage, 1);
	return found;
}

static bool finds_a_lost_bit(int g, int c, int nid)
{
	int id = shrinker_id(cache[c].c.s);
	struct shrink_memcg_unit *u = shrink_memcg_unit(group[g].memcg, nid, id);
	uint64_t bit = 1ULL << id % SHRINK_MEMCG_UNIT;
	bool found;

	atomic_fetch_and(&u->map, ~bit);
	found = check_finds("map");
	atomic_fetch_or(&u->map, bit);
	return found;
}

static bool finds_a_lost_summary(int g)
{
	bool found;

	atomic_fetch_and(&group[g].memcg->units_used, ~1ULL);
	found = check_finds("units_used");
	atomic_fetch_or(&group[g].memcg->units_used, 1);
	return found;
}

static bool finds_a_leaked_reference(int g)
{
	bool found;

	shrink_memcg_get(group[g].memcg);
	found = check_finds("refs");
	shrink_memcg_put(group[g].memcg);
	return found;
}

static bool finds_lost_work(int g, int c, int nid)
{
	int id = shrinker_id(cache[c].c.s);
	_Atomic long *left = &shrink_memcg_unit(group[g].memcg, nid, id)
				      ->deferred[id % SHRINK_MEMCG_UNIT];
	bool found;

	atomic_fetch_add(left, 1);
	found = check_finds("sum is");
	atomic_fetch_sub(left, 1);
	return found;
}

static bool finds_a_lost_object(int g, int c, int nid)
{
	atomic_long *n = &gcache_place(&cache[c], group[g].memcg)->objects[nid];
	bool found;

	atomic_fetch_sub(n, 1);
	found = check_finds("have is");
	atomic_fetch_add(n, 1);
	return found;
}

static void checks_can_fail(void)
{
	int done = 0, g, c, nid;

	rnd = random_seeded(1);
	sim_begin();
	for (int i = 0; i < 1000 && !wrong; i++) {
		one_step();
		g = i % 20 ? 0 : with_objects(&c, &nid);
		if (!g)
			continue;
		done++;
		CU_ASSERT(finds_a_wrong_byte(g));
		CU_ASSERT(finds_a_lost_bit(g, c, nid));
		CU_ASSERT(finds_a_lost_summary(g));
		CU_ASSERT(finds_a_leaked_reference(g));
		CU_ASSERT(finds_lost_work(g, c, nid));
		CU_ASSERT(finds_a_lost_object(g, c, nid));
	}
	CU_ASSERT(!wrong); /* as it was, without the damage */
	CU_ASSERT(done > 10);
	wrong = false;
	tidy_up();
	sim_end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"groups come and go under reclaim", simulate},
		{"the checks see what is missing", checks_can_fail},
		{NULL, NULL},
	};

	if (shrink_conf_set("nodes", "4") < 0)
		return 99;
	return test_main(argc, argv, "memcg-sim", tests);
}

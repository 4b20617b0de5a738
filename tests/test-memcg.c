// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The tree of groups, which shrinkers a pass calls for a group, and what becomes of
 * bits and deferred work (contract 3.1 to 3.8). On four made-up nodes. */
#include <errno.h>
#include <string.h>

#include <libshrink/core/memcg.h>
#include <libshrink/os/alloc.h>

#include "tests/gcache.h"
#include "tests/harness.h"

#define AWARE SHRINKER_MEMCG_AWARE
#define BOTH (SHRINKER_MEMCG_AWARE | SHRINKER_NUMA_AWARE)

static struct shrink_memcg *group(struct shrink_memcg *parent, const char *name)
{
	struct shrink_memcg *memcg = shrink_memcg_create(parent, "%s", name);

	CU_ASSERT_FATAL(memcg != NULL);
	return memcg;
}

static void end(struct shrink_memcg *memcg)
{
	ASSERT_INT(shrink_memcg_destroy(memcg), 0);
}

static unsigned long pass(struct shrink_memcg *memcg, int nid, int priority)
{
	return shrink_slab(SHRINK_GFP_ALL, nid, memcg, priority);
}

static int bit(struct shrink_memcg *memcg, int nid, const struct gcache *g)
{
	int id = shrinker_id(g->c.s);
	struct shrink_memcg_unit *u = shrink_memcg_unit(memcg, nid, id);

	return u && atomic_load(&u->map) >> (id % SHRINK_MEMCG_UNIT) & 1;
}

static long deferred(struct shrink_memcg *memcg, int nid, int id)
{
	struct shrink_memcg_unit *u = shrink_memcg_unit(memcg, nid, id);

	return u ? atomic_load(&u->deferred[id % SHRINK_MEMCG_UNIT]) : -1;
}

/* ---- life */

static void life(void)
{
	struct shrink_memcg *a = shrink_memcg_create(NULL, "tenant-%d", 7), *b;
	char name[32];
	int count = shrink_memcg_count();

	CU_ASSERT_FATAL(a != NULL);
	ASSERT_INT(shrink_memcg_name(a, name, sizeof(name)), 8);
	CU_ASSERT_STRING_EQUAL(name, "tenant-7");
	ASSERT_INT(shrink_memcg_name(a, name, 4), 8);
	CU_ASSERT_STRING_EQUAL(name, "ten");
	ASSERT_INT(shrink_memcg_name(NULL, name, 4), -EINVAL);
	CU_ASSERT(shrink_memcg_parent(a) == shrink_memcg_root());
	CU_ASSERT(shrink_memcg_parent(shrink_memcg_root()) == NULL);
	b = group(a, "child");
	ASSERT_INT(shrink_memcg_count(), count + 1);
	ASSERT_INT(shrink_memcg_offline(a), -EBUSY);
	ASSERT_INT(shrink_memcg_destroy(a), -EBUSY);
	ASSERT_INT(shrink_memcg_offline(b), 0);
	ASSERT_INT(shrink_memcg_offline(b), -EALREADY);
	ASSERT_INT(shrink_memcg_offline(a), 0);
	errno = 0;
	CU_ASSERT(shrink_memcg_create(b, "late") == NULL);
	ASSERT_INT(errno, ESTALE);
	errno = 0;
	CU_ASSERT(shrink_memcg_create(NULL, "%s", "") == NULL);
	ASSERT_INT(errno, EINVAL);
	ASSERT_INT(shrink_memcg_charge(b, 1, SHRINK_GFP_ALL), -ESTALE);
	end(b);
	end(a);
	ASSERT_INT(shrink_memcg_count(), count - 1);
	ASSERT_INT(shrink_memcg_offline(shrink_memcg_root()), -EINVAL);
	ASSERT_INT(shrink_memcg_offline(NULL), -EINVAL);
	ASSERT_INT(shrink_memcg_destroy(NULL), 0);
	shrink_memcg_put(NULL);
	CU_ASSERT(shrink_memcg_get(NULL) == NULL);
}

/* A child holds its parent: the line goes with its last reference, and all memory. */
static void parents_stay(void)
{
	struct shrink_memcg *a = group(NULL, "a"), *b = group(a, "b"), *c = group(b, "c");

	shrink_memcg_get(c);
	end(c);
	end(b);
	end(a); /* all three are alive still, by c */
	CU_ASSERT(shrink_memcg_parent(shrink_memcg_parent(c)) == a);
	ASSERT_INT(atomic_load(&a->refs), 1);
	ASSERT_INT(atomic_load(&b->refs), 1);
	shrink_memcg_put(c);
}

static void ids_are_used_again(void)
{
	struct shrink_memcg *a = group(NULL, "a"), *b = group(NULL, "b"), *found;
	int id = a->id;
	uint64_t serial = a->serial;

	shrink_memcg_get(a);
	end(a);
	CU_ASSERT(shrink_memcg_by_id(id) == NULL);
	found = group(NULL, "again");
	ASSERT_INT(found->id, id);
	CU_ASSERT(found->serial > serial);
	CU_ASSERT(shrink_memcg_by_id(id) == found);
	shrink_memcg_put(found);
	CU_ASSERT(shrink_memcg_by_id(0) == shrink_memcg_root());
	CU_ASSERT(shrink_memcg_by_id(-1) == NULL);
	CU_ASSERT(shrink_memcg_by_id(SHRINK_MEMCGS_MAX) == NULL);
	shrink_memcg_put(a);
	end(found);
	end(b);
}

static void lines_are_bounded(void)
{
	static struct shrink_memcg *line[SHRINK_MEMCG_DEPTH_MAX];

	for (int i = 0; i < SHRINK_MEMCG_DEPTH_MAX; i++)
		line[i] = group(i ? line[i - 1] : NULL, "deep");
	errno = 0;
	CU_ASSERT(shrink_memcg_create(line[SHRINK_MEMCG_DEPTH_MAX - 1], "deeper") == NULL);
	ASSERT_INT(errno, E2BIG);
	for (int i = SHRINK_MEMCG_DEPTH_MAX; i--;)
		end(line[i]);
}

/* ---- routing */

static void routing(void)
{
	struct shrink_memcg *a = group(NULL, "a"), *b = group(NULL, "b");
	struct gcache aware, other;
	struct cache plain;

	sim_begin();
	gcache_new(&aware, AWARE, "aware", 0);
	gcache_new(&other, AWARE, "other", 0);
	cache_new(&plain, "plain", 1000);
	ASSERT_INT(gcache_insert(&aware, a, 0, 1000), 0);
	ASSERT_INT(gcache_insert(&aware, NULL, 0, 500), 0);
	CU_ASSERT(bit(a, 0, &aware) && !bit(b, 0, &aware) && !bit(a, 0, &other));

	/* the root: all shrinkers, with the root's objects alone */
	pass(NULL, SHRINK_NUMA_NO_NODE, 12);
	ASSERT_INT((long)atomic_load(&aware.c.counts), 1);
	ASSERT_INT((long)atomic_load(&other.c.counts), 1);
	ASSERT_INT((long)atomic_load(&plain.counts), 1);
	ASSERT_INT((long)atomic_load(&aware.c.last_said), 500);

	/* a child: group-aware ones with a bit there */
	pass(a, SHRINK_NUMA_NO_NODE, 12);
	ASSERT_INT((long)atomic_load(&aware.c.counts), 2);
	ASSERT_INT((long)atomic_load(&aware.c.last_said), 1000);
	pass(b, SHRINK_NUMA_NO_NODE, 12);
	ASSERT_INT((long)atomic_load(&aware.c.counts), 2);
	ASSERT_INT((long)atomic_load(&other.c.counts), 1);
	ASSERT_INT((long)atomic_load(&plain.counts), 1);

	ASSERT_INT((long)pass(a, SHRINK_NUMA_NO_NODE, 0), 1000);
	CU_ASSERT(aware.c.last.memcg == a);
	ASSERT_INT(gcache_objects(&aware, NULL), 500);
	ASSERT_INT(shrinker_set_enabled(aware.c.s, 0), 0);
	ASSERT_INT((long)pass(a, SHRINK_NUMA_NO_NODE, 0), 0);
	ASSERT_INT(shrinker_set_enabled(aware.c.s, 1), 0);
	shrink_memcg_set_bit(a, 0, plain.s); /* knows no groups: nothing happens */
	pass(a, SHRINK_NUMA_NO_NODE, 0);
	ASSERT_INT((long)atomic_load(&plain.counts), 1);
	shrink_memcg_get(a);
	end(a);
	ASSERT_INT((long)pass(a, SHRINK_NUMA_NO_NODE, 0), 0); /* offline: nobody */
	shrink_memcg_put(a);
	cache_end(&plain);
	gcache_end(&other);
	gcache_end(&aware);
	end(b);
	sim_end();
}

static void nodes_of_a_group(void)
{
	struct shrink_memcg *a = group(NULL, "a");
	struct gcache numa, one;

	sim_begin();
	gcache_new(&numa, BOTH, "numa", 0);
	gcache_new(&one, AWARE, "one", 0);
	ASSERT_INT(gcache_insert(&numa, a, 1, 256), 0);
	ASSERT_INT(gcache_insert(&numa, a, 3, 512), 0);
	ASSERT_INT(gcache_insert(&one, a, 0, 4000), 0);
	shrink_memcg_set_bit(a, 2, one.c.s); /* one shard: its bit is at node 0 */
	CU_ASSERT(!bit(a, 0, &numa) && bit(a, 1, &numa) && !bit(a, 2, &numa) && bit(a, 3, &numa));
	CU_ASSERT(bit(a, 0, &one) && !bit(a, 2, &one));

	pass(a, 2, 9); /* none of numa's is there; the unaware is asked for any node */
	ASSERT_INT((long)atomic_load(&numa.c.counts), 0);
	ASSERT_INT((long)atomic_load(&one.c.counts), 1);
	ASSERT_INT(deferred(a, 0, shrinker_id(one.c.s)), 14);
	ASSERT_INT(deferred(a, 2, shrinker_id(one.c.s)), 0);
	pass(a, 0, 9);
	ASSERT_INT((long)atomic_load(&one.c.counts), 2);
	ASSERT_INT(deferred(a, 0, shrinker_id(one.c.s)), 28);
	ASSERT_INT((long)pass(a, 3, 1), 512 + 4000 / 128 * 128);
	ASSERT_INT((long)atomic_load(&numa.c.counts), 1);
	ASSERT_INT(gcache_objects(&numa, a), 256);
	pass(a, SHRINK_NUMA_NO_NODE, 12);
	ASSERT_INT((long)atomic_load(&numa.c.counts), 4); /* node 1, node 3 EMPTY, asked again */
	CU_ASSERT(!bit(a, 3, &numa));
	gcache_end(&one);
	gcache_end(&numa);
	end(a);
	sim_end();
}

/* ---- bits */

static void empty_clears(void)
{
	struct shrink_memcg *a = group(NULL, "a");
	struct gcache g;

	sim_begin();
	gcache_new(&g, AWARE, "empties", 0);
	ASSERT_INT(gcache_insert(&g, a, 0, 10), 0);
	ASSERT_INT((long)gcache_remove(&g, a, 0, 10), 10);
	g.zero = 1; /* 0 is "not now": asked again and again */
	for (int i = 1; i <= 3; i++) {
		pass(a, 0, 0);
		ASSERT_INT((long)atomic_load(&g.c.counts), i);
		CU_ASSERT(bit(a, 0, &g));
	}
	g.zero = 0;
	pass(a, 0, 0); /* asked, cleared, asked once more */
	ASSERT_INT((long)atomic_load(&g.c.counts), 5);
	CU_ASSERT(!bit(a, 0, &g));
	pass(a, 0, 0);
	ASSERT_INT((long)atomic_load(&g.c.counts), 5);
	ASSERT_INT(gcache_insert(&g, a, 0, 256), 0);
	ASSERT_INT((long)pass(a, 0, 1), 256);
	gcache_end(&g);
	end(a);
	sim_end();
}

/* The object comes between the two counts, and its inserter saw the bit still set. */
static unsigned long late_count(struct cache *c, struct shrink_control *sc)
{
	struct gcache *g = c->arg;
	unsigned long nth = atomic_fetch_add(&c->mine, 1);

	if (nth == 0)
		atomic_fetch_add(&gcache_place(g, sc->memcg)->objects[0], 256);
	return nth == 0 ? SHRINK_EMPTY : 256;
}

static void second_count_finds_it(void)
{
	struct shrink_memcg *a = group(NULL, "a");
	struct gcache g;

	sim_begin();
	gcache_new(&g, AWARE, "late", 0);
	shrink_memcg_set_bit(a, 0, g.c.s);
	g.c.on_count = late_count;
	ASSERT_INT((long)pass(a, 0, 1), 256);
	ASSERT_INT((long)atomic_load(&g.c.counts), 2);
	CU_ASSERT(bit(a, 0, &g));
	gcache_end(&g);
	end(a);
	sim_end();
}

/* Bits of who has gone are cleared, and a new one of the same id begins anew. */
static void absent_and_reborn(void)
{
	struct shrink_memcg *a = group(NULL, "a");
	struct gcache g;
	int id;

	sim_begin();
	gcache_new(&g, AWARE, "first", 0);
	id = shrinker_id(g.c.s);
	ASSERT_INT(gcache_insert(&g, a, 0, 4000), 0);
	pass(a, 0, 9);
	ASSERT_INT(deferred(a, 0, id), 14);
	gcache_end(&g);
	CU_ASSERT(atomic_load(&shrink_memcg_unit(a, 0, id)->map) != 0);
	pass(a, 0, 9);
	ASSERT_INT((long)atomic_load(&shrink_memcg_unit(a, 0, id)->map), 0);

	gcache_new(&g, AWARE, "second", 0);
	ASSERT_INT(shrinker_id(g.c.s), id);
	ASSERT_INT(deferred(a, 0, id), 0);
	shrink_memcg_set_bit(a, 0, g.c.s);
	gcache_end(&g);
	gcache_new(&g, AWARE, "third", 0); /* no pass in between */
	ASSERT_INT(shrinker_id(g.c.s), id);
	CU_ASSERT(!bit(a, 0, &g));
	gcache_end(&g);
	end(a);
	sim_end();
}

/* ---- deferred work */

static void deferred_by_group_and_node(void)
{
	struct shrink_memcg *a = group(NULL, "a"), *b = group(NULL, "b");
	struct gcache g;
	int id;

	sim_begin();
	gcache_new(&g, BOTH, "defers", 0);
	id = shrinker_id(g.c.s);
	ASSERT_INT(gcache_insert(&g, a, 0, 4000), 0);
	ASSERT_INT(gcache_insert(&g, a, 2, 8000), 0);
	ASSERT_INT(gcache_insert(&g, b, 2, 16000), 0);
	ASSERT_INT(gcache_insert(&g, NULL, 2, 4000), 0);
	pass(a, SHRINK_NUMA_NO_NODE, 9);
	pass(b, 2, 9);
	pass(NULL, 2, 9);
	ASSERT_INT(deferred(a, 0, id), 14);
	ASSERT_INT(deferred(a, 2, id), 30);
	ASSERT_INT(deferred(b, 2, id), 62);
	ASSERT_INT(deferred(b, 0, id), 0);
	ASSERT_INT(cache_deferred(&g.c, 2), 14); /* the root's is the shrinker's own */
	pass(b, 2, 9);
	ASSERT_INT(deferred(b, 2, id), 124);
	ASSERT_INT((long)pass(b, 2, 7), 128); /* 250, of which one batch */
	ASSERT_INT(deferred(b, 2, id), 124 + 250 - 128);
	ASSERT_INT(deferred(a, 2, id), 30);

	/* offline: to the parent, here the root */
	gcache_move(&g, b, NULL);
	end(b);
	ASSERT_INT(cache_deferred(&g.c, 2), 14 + 246);
	gcache_move(&g, a, NULL);
	end(a);
	ASSERT_INT(cache_deferred(&g.c, 0), 14);
	ASSERT_INT(cache_deferred(&g.c, 2), 14 + 246 + 30);
	gcache_end(&g);
	sim_end();
}

static void parent_takes_bits_and_work(void)
{
	struct shrink_memcg *a = group(NULL, "a"), *b = group(a, "b");
	struct gcache g;
	int id;

	sim_begin();
	gcache_new(&g, BOTH, "re-parented", 0);
	id = shrinker_id(g.c.s);
	ASSERT_INT(gcache_insert(&g, b, 1, 4000), 0);
	pass(b, 1, 9);
	CU_ASSERT(!bit(a, 1, &g));
	shrink_memcg_get(b);
	end(b);
	CU_ASSERT(bit(a, 1, &g) && !bit(a, 0, &g));
	ASSERT_INT(deferred(a, 1, id), 14);
	ASSERT_INT(deferred(b, 1, id), 0);
	/* late comers to the dead group are the parent's too */
	shrink_memcg_set_bit(b, 3, g.c.s);
	CU_ASSERT(bit(a, 3, &g));
	gcache_end(&g);
	shrink_memcg_put(b);
	end(a);
	sim_end();
}

/* The group goes offline while a scan runs in it: what that puts off afterwards. */
static unsigned long scan_ends_group(struct cache *c, struct shrink_control *sc)
{
	(void)c;
	ASSERT_INT(shrink_memcg_offline(sc->memcg), 0);
	return SHRINK_STOP;
}

static void offline_amid_a_slice(void)
{
	struct shrink_memcg *a = group(NULL, "a"), *b = group(a, "b");
	struct gcache g;

	sim_begin();
	gcache_new(&g, AWARE, "amid", 0);
	ASSERT_INT(gcache_insert(&g, b, 0, 1000), 0);
	g.c.on_scan = scan_ends_group;
	pass(b, 0, 2); /* 500 wanted, all of it put off */
	ASSERT_INT(deferred(b, 0, shrinker_id(g.c.s)), 0);
	ASSERT_INT(deferred(a, 0, shrinker_id(g.c.s)), 500);
	gcache_end(&g);
	end(b);
	end(a);
	sim_end();
}

/* ---- growth */

#define MANY 200

static void maps_grow(void)
{
	static struct gcache g[MANY];
	struct shrink_memcg *a = group(NULL, "a"), *late;

	sim_begin();
	gcache_new(&g[0], AWARE, "g", 0);
	ASSERT_INT(gcache_insert(&g[0], a, 0, 4000), 0);
	pass(a, 0, 9);
	for (int i = 1; i < MANY; i++)
		gcache_new(&g[i], AWARE, "g", 0);
	CU_ASSERT(shrinker_id(g[MANY - 1].c.s) >= 128);
	CU_ASSERT(bit(a, 0, &g[0]));
	ASSERT_INT(deferred(a, 0, shrinker_id(g[0].c.s)), 14);
	late = group(a, "late");
	for (int i = 0; i < MANY; i++) {
		ASSERT_INT(gcache_insert(&g[i], a, 0, 128), 0);
		ASSERT_INT(gcache_insert(&g[i], late, 0, 256), 0);
		CU_ASSERT(bit(a, 0, &g[i]) && bit(late, 0, &g[i]));
	}
	ASSERT_INT((long)pass(late, 0, 1), MANY * 256L);
	ASSERT_INT((long)pass(a, 0, 0), MANY * 128L + 4000);
	for (int i = 0; i < MANY; i++)
		gcache_end(&g[i]);
	end(late);
	end(a);
	sim_end();
}

/* More units than a group's summary of them has bits. */
static void ids_past_the_summary(void)
{
	static struct shrinker *filler[64 * 64];
	struct shrink_memcg *a = group(NULL, "a");
	struct gcache g, low;

	sim_begin();
	gcache_new(&low, AWARE, "low", 0);
	for (int i = 0; i < 64 * 64; i++) {
		filler[i] = shrinker_alloc(AWARE, "filler");
		CU_ASSERT_FATAL(filler[i] != NULL);
	}
	gcache_new(&g, AWARE, "past", 0);
	CU_ASSERT(shrinker_id(g.c.s) >= 64 * 64);
	ASSERT_INT(gcache_insert(&g, a, 0, 256), 0);
	ASSERT_INT((long)pass(a, 0, 1), 256);
	ASSERT_INT(gcache_insert(&g, a, 0, 256), 0);
	ASSERT_INT(gcache_insert(&low, a, 0, 256), 0);
	ASSERT_INT((long)shrink_drop_all(), 512);
	shrink_drop_all();
	ASSERT_INT((long)atomic_load(&a->units_used), 0); /* passes pass it by now */
	for (int i = 0; i < 64 * 64; i++)
		shrinker_free(filler[i]);
	gcache_end(&g);
	gcache_end(&low);
	end(a);
	sim_end();
}

static unsigned long called_with(struct cache *c, struct shrink_control *sc)
{
	(void)sc;
	atomic_fetch_add(&c->mine, 1);
	return 0;
}

static void drop_all_visits_all(void)
{
	struct shrink_memcg *a = group(NULL, "a"), *b = group(a, "b");
	struct gcache g;

	sim_begin();
	gcache_new(&g, BOTH, "dropped", 0);
	for (int nid = 0; nid < 4; nid++) {
		ASSERT_INT(gcache_insert(&g, a, nid, 128), 0);
		ASSERT_INT(gcache_insert(&g, b, nid, 256), 0);
		ASSERT_INT(gcache_insert(&g, NULL, nid, 384), 0);
	}
	ASSERT_INT((long)shrink_drop_all(), 4 * (128 + 256 + 384));
	g.c.on_count = called_with;
	CU_ASSERT(!bit(a, 0, &g)); /* a round more has found it empty */
	shrink_memcg_set_bit(a, 0, g.c.s);
	pass(a, 0, 0);
	ASSERT_INT((long)atomic_load(&g.c.mine), 1);
	gcache_end(&g);
	end(b);
	end(a);
	sim_end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"life", life},
		{"a child holds its parents", parents_stay},
		{"ids are used again", ids_are_used_again},
		{"a line of ancestors is bounded", lines_are_bounded},
		{"3.1: whom a pass calls", routing},
		{"3.3: nodes of a group", nodes_of_a_group},
		{"3.4: EMPTY clears the bit, 0 keeps it", empty_clears},
		{"3.5: the second count finds what came meanwhile", second_count_finds_it},
		{"3.4: ids that are gone and come again", absent_and_reborn},
		{"3.8: deferred for each group and node", deferred_by_group_and_node},
		{"3.7: the parent takes bits and work", parent_takes_bits_and_work},
		{"3.7: a group ends amid a slice", offline_amid_a_slice},
		{"3.6: maps grow", maps_grow},
		{"3.6: maps grow further", ids_past_the_summary},
		{"4.7: drop-all visits every group", drop_all_visits_all},
		{NULL, NULL},
	};

	if (shrink_conf_set("nodes", "4") < 0)
		return 99;
	return test_main(argc, argv, "memcg", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <limits.h>
#include <string.h>

#include "tests/gcache.h"
#include "tests/harness.h"

struct gplace *gcache_place(struct gcache *g, struct shrink_memcg *memcg)
{
	struct shrink_memcg *none;

	if (!memcg || memcg == shrink_memcg_root())
		return &g->root;
	for (int i = 0; i < GCACHE_GROUPS; i++)
		if (atomic_load(&g->place[i].memcg) == memcg)
			return &g->place[i];
	for (int i = 0; i < GCACHE_GROUPS; i++) {
		none = NULL;
		if (atomic_compare_exchange_strong(&g->place[i].memcg, &none, memcg))
			return &g->place[i];
	}
	CU_FAIL_FATAL("more groups than places");
	return NULL;
}

static unsigned long take(atomic_long *objects, unsigned long most)
{
	long have = atomic_load(objects), n;

	do {
		n = have < (long)most ? have : (long)most;
	} while (n && !atomic_compare_exchange_weak(objects, &have, have - n));
	return (unsigned long)n;
}

static unsigned long count(struct cache *c, struct shrink_control *sc)
{
	struct gcache *g = c->arg;
	unsigned long n = (unsigned long)atomic_load(&gcache_place(g, sc->memcg)->objects[sc->nid]);

	return n || g->zero ? n : SHRINK_EMPTY;
}

static unsigned long scan(struct cache *c, struct shrink_control *sc)
{
	struct gcache *g = c->arg;
	unsigned long n = take(&gcache_place(g, sc->memcg)->objects[sc->nid], sc->nr_to_scan);

	shrink_memcg_uncharge(sc->memcg, n * g->object_bytes);
	return n;
}

void gcache_new(struct gcache *g, unsigned int flags, const char *name, unsigned long object_bytes)
{
	memset(g, 0, sizeof(*g));
	CU_ASSERT_FATAL(cache_alloc(&g->c, flags, name, 0) != NULL);
	g->object_bytes = object_bytes;
	g->c.on_count = count;
	g->c.on_scan = scan;
	g->c.arg = g;
	g->c.s->object_size = object_bytes;
	CU_ASSERT_FATAL(shrinker_register(g->c.s) == 0);
}

void gcache_end(struct gcache *g)
{
	cache_end(&g->c);
	for (int i = 0; i < GCACHE_GROUPS; i++) {
		struct shrink_memcg *memcg = atomic_load(&g->place[i].memcg);

		for (int nid = 0; memcg && nid < GCACHE_NODES; nid++)
			gcache_remove(g, memcg, nid, LONG_MAX);
	}
}

int gcache_insert(struct gcache *g, struct shrink_memcg *memcg, int nid, unsigned long n)
{
	int r = shrink_memcg_charge(memcg ? memcg : shrink_memcg_root(), n * g->object_bytes,
				    SHRINK_GFP_ALL);

	if (r < 0)
		return r;
	if (!atomic_fetch_add(&gcache_place(g, memcg)->objects[nid], (long)n))
		shrink_memcg_set_bit(memcg, nid, g->c.s);
	return 0;
}

unsigned long gcache_remove(struct gcache *g, struct shrink_memcg *memcg, int nid, unsigned long n)
{
	n = take(&gcache_place(g, memcg)->objects[nid], n);
	if (n) /* a group that has ended has nothing, and must not be looked at */
		shrink_memcg_uncharge(memcg, n * g->object_bytes);
	return n;
}

long gcache_objects(struct gcache *g, struct shrink_memcg *memcg)
{
	long sum = 0;

	for (int nid = 0; nid < GCACHE_NODES; nid++)
		sum += atomic_load(&gcache_place(g, memcg)->objects[nid]);
	return sum;
}

unsigned long gcache_scan_nothing(struct cache *c, struct shrink_control *sc)
{
	(void)sc;
	atomic_fetch_add(&c->mine, 1);
	return 0;
}

void gcache_move(struct gcache *g, struct shrink_memcg *from, struct shrink_memcg *to)
{
	struct gplace *place = gcache_place(g, from);

	for (int nid = 0; nid < GCACHE_NODES; nid++) {
		unsigned long n = take(&place->objects[nid], LONG_MAX);

		shrink_memcg_uncharge(from, n * g->object_bytes);
		if (n)
			ASSERT_INT(gcache_insert(g, to, nid, n), 0);
	}
	atomic_store(&place->memcg, NULL);
}

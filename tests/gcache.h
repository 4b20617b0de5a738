/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* A cache with a count of objects for each group and node, which are charged to the
 * group. Keeps its bits itself, as a cache without list_lru does. */
#ifndef TESTS_GCACHE_H
#define TESTS_GCACHE_H

#include "tests/cache.h"

#define GCACHE_GROUPS 96
#define GCACHE_NODES 4

struct gplace {
	_Atomic(struct shrink_memcg *) memcg; /* NULL = free */
	atomic_long objects[GCACHE_NODES];
};

struct gcache {
	struct cache c;
	unsigned long object_bytes;  /* charged for each; 0 = none */
	int zero;                    /* says 0, not EMPTY, where there is nothing */
	struct gplace root;
	struct gplace place[GCACHE_GROUPS];
	atomic_ulong misrouted;      /* asked for what it has no place for is 0 objects */
};

void gcache_new(struct gcache *g, unsigned int flags, const char *name, unsigned long object_bytes);
/* The cache is freed first; then what is left in it, uncharged. */
void gcache_end(struct gcache *g);
struct gplace *gcache_place(struct gcache *g, struct shrink_memcg *memcg);
/* Charges and inserts @n objects; 0, or why not. */
int gcache_insert(struct gcache *g, struct shrink_memcg *memcg, int nid, unsigned long n);
unsigned long gcache_remove(struct gcache *g, struct shrink_memcg *memcg, int nid, unsigned long n);
long gcache_objects(struct gcache *g, struct shrink_memcg *memcg);
/* on_scan of a cache that gives nothing: counts in c->mine. */
unsigned long gcache_scan_nothing(struct cache *c, struct shrink_control *sc);
/* Before a group goes: what it has becomes @to's, charge and all. */
void gcache_move(struct gcache *g, struct shrink_memcg *from, struct shrink_memcg *to);

#endif /* TESTS_GCACHE_H */

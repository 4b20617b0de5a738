/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Caches to compare at equal resident memory, as policies of shrink-replay
 * (tools/replay/policy.h), whose create() is told how many bytes may be resident. All
 * but the first keep their objects in real memory; used() is what they say of it, and
 * the bench looks at what the kernel says.
 */
#ifndef BENCH_POOL_CACHES_H
#define BENCH_POOL_CACHES_H

#include "tools/replay/policy.h"

/* What giving up a part has done. */
struct shrunk {
	uint64_t evicted; /* bytes of objects */
};

struct cache {
	struct policy policy;
	/* Gives up objects, and memory, until @bytes fewer are resident or it cannot. */
	void (*shrink)(void *cache, uint64_t bytes, struct shrunk *ret);
};

/* Exact LRU by bytes without any overhead: the policy of shrink-replay. */
extern const struct cache cache_exact;
/* Exact LRU, each object malloc'ed. Its share of bytes is lowered whenever the process
 * is larger than it may be. */
extern const struct cache cache_malloc, cache_jemalloc;
/* LRU on an arena of its own: its order, or of the coldest those on the sparsest slabs. Only
 * where there is jemalloc. */
extern const struct cache cache_arena, cache_arena_sorted;
/* 0, or -errno: no jemalloc to be found. */
int cache_jemalloc_load(void);
/* Slab classes a quarter apart, pages never of one class for good: a page of the class
 * whose least recently used object is oldest goes to the one where it is youngest. */
extern const struct cache cache_slabs;
/* A log of segments: the oldest goes as a whole; or of the four oldest what was used
 * most often is merged into one. */
extern const struct cache cache_segments, cache_merged;
/* The library's pool: whole slabs, or survivors moved. */
extern struct cache cache_pool, cache_pool_move;
void cache_pool_init(void);

/* Anonymous memory of this process, bytes. */
uint64_t resident_now(void);
/* A table of zeros that is in memory already, so that it does not count later. */
void *table(size_t nr, size_t each);

#endif /* BENCH_POOL_CACHES_H */

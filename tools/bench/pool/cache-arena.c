// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * LRU on a jemalloc arena of its own, which is purged after each round: in LRU order, or,
 * of the coldest objects four times as many as have to go, those on the sparsest slabs.
 * The same cache in both, so that the difference is the order's: what it returns more,
 * and what it costs in hits.
 */
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>

#include "tools/bench/pool/caches.h"

#define ROUND	   64 /* part of the cache that goes at once: a 64th */
#define CANDIDATES 4  /* for each object that goes */

struct entry {
	struct entry *newer, *older;
	void *object;
	uint32_t size; /* 0 = not here */
};

struct arena_cache {
	struct shrink_arena *arena;
	struct entry *entries, ends; /* ends.older = newest */
	struct shrink_arena_candidate *candidates;
	uint64_t used, share, resident_high, resident_before, evicted;
	unsigned int puts;
	int sorted;
};

static void out(struct entry *e)
{
	e->newer->older = e->older;
	e->older->newer = e->newer;
}

static void in_front(struct arena_cache *c, struct entry *e)
{
	e->newer = &c->ends;
	e->older = c->ends.older;
	c->ends.older->newer = e;
	c->ends.older = e;
}

static void destroy(void *cache)
{
	struct arena_cache *c = cache;

	shrink_arena_destroy(c->arena);
	free(c->candidates);
	free(c->entries);
	free(c);
}

static void *create(const struct trace *t, uint64_t capacity, int sorted)
{
	struct arena_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->entries = table(t->keys.nr + 1, sizeof(*c->entries));
	c->candidates = table(t->keys.nr + 1, sizeof(*c->candidates));
	c->arena = shrink_arena_create(NULL, 0);
	c->ends.older = c->ends.newer = &c->ends;
	c->share = capacity;
	c->sorted = sorted;
	c->resident_high = capacity / 100 * 98;
	c->resident_before = resident_now();
	if (!c->arena || !c->entries || !c->candidates) {
		destroy(c);
		return NULL;
	}
	return c;
}

static void *create_lru(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, 0);
}

static void *create_sorted(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, 1);
}

/* Objects know their entry: the sort hands them back in another order. */
static struct entry **owner_of(void *object)
{
	return object;
}

static void evict(struct arena_cache *c, struct entry *e)
{
	out(e);
	shrink_arena_free(c->arena, e->object);
	c->used -= e->size;
	c->evicted += e->size;
	e->size = 0;
}

/* The coldest, of @bytes together. */
static size_t gather(struct arena_cache *c, uint64_t bytes)
{
	struct entry *e = c->ends.newer;
	uint64_t sum = 0;
	size_t n = 0;

	for (; e != &c->ends && sum < bytes; e = e->newer) {
		c->candidates[n++].object = e->object;
		sum += e->size;
	}
	return n;
}

/* Gives @bytes of objects up, and the pages that are free then. */
static void give_up(struct arena_cache *c, uint64_t bytes)
{
	uint64_t goal = c->used > bytes ? c->used - bytes : 0;
	size_t n = gather(c, c->sorted ? bytes * CANDIDATES : bytes);

	if (c->sorted)
		(void)shrink_arena_sort(c->arena, c->candidates, n);
	for (size_t i = 0; i < n && c->used > goal; i++)
		evict(c, *owner_of(c->candidates[i].object));
	shrink_arena_purge(c->arena);
}

static bool get(void *cache, uint32_t key)
{
	struct arena_cache *c = cache;
	struct entry *e = &c->entries[key];

	if (!e->size)
		return false;
	out(e);
	in_front(c, e);
	return true;
}

static uint64_t used(void *cache)
{
	struct arena_cache *c = cache;
	uint64_t now = resident_now();

	return now > c->resident_before ? now - c->resident_before : 0;
}

/* As cache-malloc.c does: each growth beyond what it may be is answered once. */
static void lower(struct arena_cache *c)
{
	uint64_t now = used(c), over;

	if (now <= c->resident_high)
		return;
	over = now - c->resident_high;
	c->resident_high = now;
	c->share -= over < c->share / 8 ? over : c->share / 8;
}

static void put(void *cache, uint32_t key, uint32_t size)
{
	struct arena_cache *c = cache;
	size_t full = size < sizeof(struct entry *) ? sizeof(struct entry *) : size;
	struct entry *e = &c->entries[key];

	if (++c->puts % 256 == 0)
		lower(c);
	if (c->used + size > c->share)
		give_up(c, c->used + size - c->share + c->share / ROUND);
	e->object = shrink_arena_alloc(c->arena, full);
	if (!e->object)
		abort();
	memset(e->object, (int)key, full);
	*owner_of(e->object) = e;
	e->size = size;
	c->used += size;
	in_front(c, e);
}

static void shrink(void *cache, uint64_t bytes, struct shrunk *ret)
{
	struct arena_cache *c = cache;
	uint64_t before = c->evicted;

	give_up(c, bytes);
	ret->evicted = c->evicted - before;
}

const struct cache cache_arena = {
	{"LRU on a jemalloc arena", create_lru, get, put, NULL, used, destroy},
	shrink,
};
const struct cache cache_arena_sorted = {
	{"LRU on a jemalloc arena, sparse slabs first", create_sorted, get, put, NULL, used,
	 destroy},
	shrink,
};

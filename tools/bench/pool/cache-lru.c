// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * One exact LRU, its objects nowhere at all, or from malloc, or from an arena of its own.
 * On malloc and on an arena what is resident is more than what is kept, and falls late:
 * the share of bytes is lowered whenever the process is larger than it may be.
 *
 * On an arena a round of a 64th of the cache goes at once and the arena is purged: in LRU
 * order, or, of the coldest objects four times as many as have to go, those on the
 * sparsest slabs. What that order returns more, and what it costs in hits, is the
 * difference of the two.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>

#include "tools/bench/pool/caches.h"

#define LOOK_EVERY 256 /* inserts between two looks at the process's memory */
#define ROUND	   64  /* part of the cache that goes at once from an arena */
#define CANDIDATES 4   /* for each object that goes, where they are sorted */

static void *(*je_malloc)(size_t);
static void (*je_free)(void *);
static int (*je_mallctl)(const char *, void *, size_t *, void *, size_t);

int cache_jemalloc_load(void)
{
	/* behind everything else, so that malloc stays glibc's; global, for the arenas */
	void *lib = dlopen("libjemalloc.so.2", RTLD_NOW | RTLD_GLOBAL);

	if (!lib)
		return -ENOENT;
	*(void **)&je_malloc = dlsym(lib, "malloc");
	*(void **)&je_free = dlsym(lib, "free");
	*(void **)&je_mallctl = dlsym(lib, "mallctl");
	return je_malloc && je_free && je_mallctl ? 0 : -ENOENT;
}

struct entry {
	struct entry *newer, *older;
	void *object;
	uint32_t size; /* 0 = not here */
};

struct lru;

/* Where objects lie. */
struct backend {
	void *(*alloc)(struct lru *c, size_t size); /* NULL: nowhere */
	void (*release)(struct lru *c, void *object);
	void (*trim)(struct lru *c);
	unsigned int round; /* part of the cache that goes at once; 0: what must */
	int has_arena, sorted;
};

struct lru {
	const struct backend *on;
	struct shrink_arena *arena;
	struct shrink_arena_candidate *candidates;
	struct entry *entries, ends; /* ends.older = newest */
	uint64_t used, share, resident_high, resident_before, evicted;
	unsigned int puts;
};

/* ---- where objects lie */

static void *alloc_glibc(struct lru *c, size_t size)
{
	(void)c;
	return malloc(size);
}

static void release_glibc(struct lru *c, void *object)
{
	(void)c;
	free(object);
}

static void trim_glibc(struct lru *c)
{
	(void)c;
	malloc_trim(0);
}

static void *alloc_jemalloc(struct lru *c, size_t size)
{
	(void)c;
	return je_malloc(size);
}

static void release_jemalloc(struct lru *c, void *object)
{
	(void)c;
	je_free(object);
}

static void trim_jemalloc(struct lru *c)
{
	(void)c;
	je_mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
}

static void *alloc_arena(struct lru *c, size_t size)
{
	return shrink_arena_alloc(c->arena, size);
}

static void release_arena(struct lru *c, void *object)
{
	shrink_arena_free(c->arena, object);
}

static void trim_arena(struct lru *c)
{
	shrink_arena_purge(c->arena);
}

static const struct backend nowhere = {.alloc = NULL};
static const struct backend on_glibc = {alloc_glibc, release_glibc, trim_glibc, 0, 0, 0};
static const struct backend on_jemalloc = {alloc_jemalloc, release_jemalloc, trim_jemalloc,
					   0, 0, 0};
static const struct backend on_arena = {alloc_arena, release_arena, trim_arena, ROUND, 1, 0};
static const struct backend on_arena_sorted = {alloc_arena, release_arena, trim_arena, ROUND,
					       1, 1};

/* ---- the list */

static void out(struct entry *e)
{
	e->newer->older = e->older;
	e->older->newer = e->newer;
}

static void in_front(struct lru *c, struct entry *e)
{
	e->newer = &c->ends;
	e->older = c->ends.older;
	c->ends.older->newer = e;
	c->ends.older = e;
}

static void evict(struct lru *c, struct entry *e)
{
	out(e);
	if (c->on->alloc)
		c->on->release(c, e->object);
	c->used -= e->size;
	c->evicted += e->size;
	e->size = 0;
}

/* Objects know their entry, as the sort hands them back in another order. */
static struct entry **owner_of(void *object)
{
	return object;
}

/* The coldest, of @bytes together. */
static size_t gather(struct lru *c, uint64_t bytes)
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

/* Of the coldest those on the sparsest slabs. */
static void evict_sparse(struct lru *c, uint64_t goal)
{
	size_t n = gather(c, (c->used - goal) * CANDIDATES);

	(void)shrink_arena_sort(c->arena, c->candidates, n);
	for (size_t i = 0; i < n && c->used > goal; i++)
		evict(c, *owner_of(c->candidates[i].object));
}

static void give_up(struct lru *c, uint64_t bytes)
{
	uint64_t goal = c->used > bytes ? c->used - bytes : 0;

	if (c->on->sorted)
		evict_sparse(c, goal);
	while (c->used > goal)
		evict(c, c->ends.newer);
}

/* ---- the cache */

static void destroy(void *cache)
{
	struct lru *c = cache;

	shrink_arena_destroy(c->arena);
	free(c->candidates);
	free(c->entries);
	free(c);
}

static void *create(const struct trace *t, uint64_t capacity, const struct backend *on)
{
	struct lru *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->on = on;
	c->entries = table(t->keys.nr + 1, sizeof(*c->entries));
	if (on->sorted)
		c->candidates = table(t->keys.nr + 1, sizeof(*c->candidates));
	if (on->has_arena)
		c->arena = shrink_arena_create(NULL, 0);
	if (!c->entries || (on->sorted && !c->candidates) || (on->has_arena && !c->arena)) {
		destroy(c);
		return NULL;
	}
	c->ends.older = c->ends.newer = &c->ends;
	c->share = capacity;
	c->resident_high = capacity / 100 * 98;
	c->resident_before = resident_now();
	return c;
}

static void *create_exact(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, &nowhere);
}

static void *create_glibc(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, &on_glibc);
}

static void *create_jemalloc(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, &on_jemalloc);
}

static void *create_arena(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, &on_arena);
}

static void *create_arena_sorted(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, &on_arena_sorted);
}

static bool get(void *cache, uint32_t key)
{
	struct lru *c = cache;
	struct entry *e = &c->entries[key];

	if (!e->size)
		return false;
	out(e);
	in_front(c, e);
	return true;
}

static uint64_t resident(const struct lru *c)
{
	uint64_t now = resident_now();

	return now > c->resident_before ? now - c->resident_before : 0;
}

/* The process has grown beyond what it may be: so much less is kept from now on. What
 * is resident does not fall for that, it only grows no further, so each growth is
 * answered once, and a little early. */
static void lower(struct lru *c)
{
	uint64_t now = resident(c), over;

	if (now <= c->resident_high)
		return;
	over = now - c->resident_high;
	c->resident_high = now;
	c->share -= over < c->share / 8 ? over : c->share / 8;
}

static void make_room(struct lru *c, uint64_t size)
{
	uint64_t over;

	if (c->on->alloc && ++c->puts % LOOK_EVERY == 0)
		lower(c);
	if (c->used + size <= c->share)
		return;
	over = c->used + size - c->share;
	give_up(c, over + (c->on->round ? c->share / c->on->round : 0));
	if (c->on->round)
		c->on->trim(c);
}

static void put(void *cache, uint32_t key, uint32_t size)
{
	struct lru *c = cache;
	struct entry *e = &c->entries[key];
	size_t full = size < sizeof(e) ? sizeof(e) : size;

	make_room(c, size);
	e->size = size;
	if (c->on->alloc) {
		e->object = c->on->alloc(c, full);
		if (!e->object)
			abort();
		memset(e->object, (int)key, full);
		*owner_of(e->object) = e;
	}
	c->used += size;
	in_front(c, e);
}

static uint64_t used(void *cache)
{
	struct lru *c = cache;

	return c->on->alloc ? resident(c) : c->used;
}

/* The allocator is told to hand back what it can. */
static void shrink(void *cache, uint64_t bytes, struct shrunk *ret)
{
	struct lru *c = cache;
	uint64_t before = c->evicted;

	give_up(c, bytes);
	if (c->on->trim)
		c->on->trim(c);
	ret->evicted = c->evicted - before;
}

const struct cache cache_exact = {
	{"exact LRU, no overhead", create_exact, get, put, NULL, used, destroy},
	shrink,
};
const struct cache cache_malloc = {
	{"LRU on malloc", create_glibc, get, put, NULL, used, destroy},
	shrink,
};
const struct cache cache_jemalloc = {
	{"LRU on jemalloc", create_jemalloc, get, put, NULL, used, destroy},
	shrink,
};
const struct cache cache_arena = {
	{"LRU on a jemalloc arena", create_arena, get, put, NULL, used, destroy},
	shrink,
};
const struct cache cache_arena_sorted = {
	{"LRU on a jemalloc arena, sparse slabs first", create_arena_sorted, get, put, NULL, used,
	 destroy},
	shrink,
};

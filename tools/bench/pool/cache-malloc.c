// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Exact LRU without overhead, and the same with each object malloc'ed. */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/pool/caches.h"

#define LOOK_EVERY 256 /* inserts between two looks at the process's memory */

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

struct lru {
	void *(*alloc)(size_t);
	void (*release)(void *);
	void (*trim)(void);
	struct entry *entries, ends; /* ends.older = newest */
	uint64_t used, share, resident_high, resident_before, evicted;
	unsigned int puts;
};

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

static void destroy(void *cache)
{
	struct lru *c = cache;

	free(c->entries);
	free(c);
}

static void *create(const struct trace *t, uint64_t capacity, struct lru with)
{
	struct lru *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	*c = with;
	c->entries = table(t->keys.nr + 1, sizeof(*c->entries));
	if (!c->entries) {
		destroy(c);
		return NULL;
	}
	c->ends.older = c->ends.newer = &c->ends;
	c->share = capacity;
	c->resident_high = capacity / 100 * 98;
	c->resident_before = resident_now();
	return c;
}

static void trim_glibc(void)
{
	malloc_trim(0);
}

static void trim_jemalloc(void)
{
	je_mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
}

static void *create_exact(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, (struct lru){.alloc = NULL});
}

static void *create_glibc(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity,
		      (struct lru){.alloc = malloc, .release = free, .trim = trim_glibc});
}

static void *create_jemalloc(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity,
		      (struct lru){.alloc = je_malloc, .release = je_free, .trim = trim_jemalloc});
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

static void evict(struct lru *c)
{
	struct entry *e = c->ends.newer;

	out(e);
	if (c->alloc)
		c->release(e->object);
	c->used -= e->size;
	c->evicted += e->size;
	e->size = 0;
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

static void put(void *cache, uint32_t key, uint32_t size)
{
	struct lru *c = cache;
	struct entry *e = &c->entries[key];

	if (c->alloc && ++c->puts % LOOK_EVERY == 0)
		lower(c);
	while (c->used + size > c->share && c->used)
		evict(c);
	e->size = size;
	if (c->alloc) {
		e->object = c->alloc(size);
		if (!e->object)
			abort();
		memset(e->object, (int)key, size);
	}
	c->used += size;
	in_front(c, e);
}

static uint64_t used(void *cache)
{
	struct lru *c = cache;

	return c->alloc ? resident(c) : c->used;
}

/* In LRU order; the allocator is told to hand back what it can. */
static void shrink(void *cache, uint64_t bytes, struct shrunk *ret)
{
	struct lru *c = cache;
	uint64_t before = c->evicted, goal = c->used > bytes ? c->used - bytes : 0;

	while (c->used > goal)
		evict(c);
	if (c->trim)
		c->trim();
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

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The library's pool as a cache that has a size of its own. */
#include <stdlib.h>
#include <string.h>

#include <shrink/fast.h>
#include <shrink/shrink.h>

#include "tools/bench/pool/caches.h"

struct object {
	uint32_t linked; /* key + 1; 0 = not linked (yet) */
	uint32_t size;
};

struct pool_cache {
	struct shrink_pool *pool;
	const struct shrink_fast_pool *fast;
	struct object **objects; /* by key */
};

static enum shrink_evict evict(void *arg, void *object, size_t size)
{
	struct pool_cache *c = arg;
	struct object *o = object;

	(void)size;
	if (!o->linked)
		return SHRINK_BUSY;
	c->objects[o->linked - 1] = NULL;
	return SHRINK_EVICTED;
}

static int move(void *arg, void *from, void *to, size_t size)
{
	struct pool_cache *c = arg;
	struct object *o = from;

	(void)size;
	if (!o->linked)
		return -1;
	memcpy(to, from, o->size < sizeof(*o) ? sizeof(*o) : o->size);
	c->objects[o->linked - 1] = to;
	return 0;
}

static void destroy(void *cache)
{
	struct pool_cache *c = cache;

	shrink_pool_destroy(c->pool);
	free(c->objects);
	free(c);
}

static void *create(const struct trace *t, uint64_t capacity,
		    int (*mover)(void *, void *, void *, size_t))
{
	struct pool_cache *c = calloc(1, sizeof(*c));
	struct shrink_pool_options o = {.evict = evict,
					.move = mover,
					.arg = c,
					.object_max = (size_t)4 << 20,
					.max_bytes = capacity};

	if (!c)
		return NULL;
	c->objects = table(t->keys.nr + 1, sizeof(*c->objects));
	c->pool = shrink_pool_create(&o, sizeof(o), "bench");
	c->fast = shrink_pool_fast(c->pool);
	if (!c->pool || !c->objects) {
		destroy(c);
		return NULL;
	}
	return c;
}

static void *create_plain(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, NULL);
}

static void *create_move(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, move);
}

static bool get(void *cache, uint32_t key)
{
	struct pool_cache *c = cache;
	struct object *o = c->objects[key];

	if (!o)
		return false;
	shrink_fast_pool_mark(c->fast, o);
	return true;
}

static void put(void *cache, uint32_t key, uint32_t size)
{
	struct pool_cache *c = cache;
	size_t full = size < sizeof(struct object) ? sizeof(struct object) : size;
	struct object *o;

	while (!(o = shrink_pool_alloc(c->pool, full)))
		if (shrink_pool_make_room(c->pool, full) < 0)
			return;
	memset(o + 1, (int)key, full - sizeof(*o));
	o->size = size;
	o->linked = key + 1;
	c->objects[key] = o;
}

static struct shrink_pool_stats stats(void *cache)
{
	struct shrink_pool_stats st = {0};

	shrink_pool_stats(((struct pool_cache *)cache)->pool, &st, sizeof(st));
	return st;
}

static uint64_t used(void *cache)
{
	return stats(cache).resident_bytes;
}

static void shrink(void *cache, uint64_t bytes, struct shrunk *ret)
{
	struct shrinker *s = shrink_pool_shrinker(((struct pool_cache *)cache)->pool);
	struct shrink_pool_stats before = stats(cache), now = before;
	int rounds = 0;

	while (now.returned_bytes - before.returned_bytes < bytes && rounds++ < 1 << 16) {
		struct shrink_control sc = {.gfp_mask = SHRINK_GFP_ALL,
					    .nr_to_scan = 128,
					    .nr_scanned = 128,
					    .bytes_to_free = bytes - (now.returned_bytes -
								      before.returned_bytes)};

		s->scan_objects(s, &sc);
		now = stats(cache);
	}
	ret->evicted = now.evicted_bytes - before.evicted_bytes;
}

const struct cache cache_pool = {
	{"pool", create_plain, get, put, NULL, used, destroy},
	shrink,
};
const struct cache cache_pool_move = {
	{"pool, survivors move", create_move, get, put, NULL, used, destroy},
	shrink,
};

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The library's pool as a cache that has a size of its own. Its size is what is resident,
 * rounding, holes and tables included, where the others count bytes of objects only. And
 * it is real memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <shrink/fast.h>
#include <shrink/shrink.h>

#include "tools/replay/policy.h"

#define LOOKS 1024 /* requests that one look at the account does for */

struct object {
	uint32_t linked; /* key + 1; 0 = not linked (yet) */
	uint32_t size;
};

struct pool_cache {
	struct shrink_pool *pool;
	const struct shrink_fast_pool *fast;
	struct object **objects; /* by key */
	uint64_t used;
	unsigned int since; /* requests since it was looked at */
};

bool policy_pool_fill;

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
	memcpy(to, from, policy_pool_fill && o->size > sizeof(*o) ? o->size : sizeof(*o));
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

static uint64_t memory(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

static void *create(const struct trace *t, uint64_t capacity,
		    int (*mover)(void *, void *, void *, size_t))
{
	struct pool_cache *c;
	struct shrink_pool_options o = {.evict = evict,
					.move = mover,
					.object_max = (size_t)4 << 20,
					.max_bytes = capacity};

	if (capacity > memory() / 4) {
		errno = EFBIG;
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	o.arg = c;
	c->objects = calloc(t->keys.nr + 1, sizeof(*c->objects));
	c->pool = shrink_pool_create(&o, sizeof(o), "replay");
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
	if (policy_pool_fill)
		memset(o + 1, (int)key, full - sizeof(*o));
	o->size = size;
	o->linked = key + 1;
	c->objects[key] = o;
}

struct shrink_pool *policy_pool_of(void *cache)
{
	return ((struct pool_cache *)cache)->pool;
}

static uint64_t used(void *cache)
{
	struct pool_cache *c = cache;
	struct shrink_pool_stats st;

	if (c->since++ % LOOKS == 0 && !shrink_pool_stats(c->pool, &st, sizeof(st)))
		c->used = st.resident_bytes;
	return c->used;
}

const struct policy policy_pool = {
	"pool", create_plain, get, put, NULL, used, destroy,
};
const struct policy policy_pool_move = {
	"pool+move", create_move, get, put, NULL, used, destroy,
};

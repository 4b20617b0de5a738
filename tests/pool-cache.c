// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/pool-cache.h"

static unsigned char pattern(uint32_t place)
{
	return (unsigned char)(place * 37 + 11);
}

int pool_cache_intact(const struct object *o)
{
	for (uint32_t i = 0; i < o->size - sizeof(*o); i++)
		if (o->fill[i] != pattern(o->place))
			return 0;
	return 1;
}

enum shrink_evict pool_cache_evict(void *arg, void *object, size_t size)
{
	struct pool_cache *c = arg;
	struct object *o = object;
	enum shrink_evict verdict = c->verdict[o->place % c->modulus];

	c->asked++;
	if (o->size > size || c->objects[o->place] != o || !pool_cache_intact(o))
		c->damaged++;
	if (c->marks && c->marks[o->place]) {
		c->marks[o->place] = 0;
		return SHRINK_REFERENCED;
	}
	if (verdict == SHRINK_EVICTED || verdict == SHRINK_EVICT_PENDING) {
		c->objects[o->place] = NULL;
		c->live--;
	}
	if (verdict == SHRINK_EVICT_PENDING)
		c->pending[c->nr_pending++ % 4096] = o;
	return verdict;
}

static int move(void *arg, void *from, void *to, size_t size)
{
	static const unsigned char zeros[SHRINK_POOL_HEAD];
	struct pool_cache *c = arg;
	struct object *o = from;

	if (o->size > size || c->objects[o->place] != o || !pool_cache_intact(o) ||
	    memcmp(to, zeros, sizeof(zeros)))
		c->damaged++;
	if (c->verdict[o->place % c->modulus] == SHRINK_BUSY)
		return -1;
	memcpy(to, from, o->size);
	c->objects[o->place] = to;
	c->moved++;
	return 0;
}

static void open_with(struct pool_cache *c, unsigned int nr, size_t max_bytes,
		      int (*mover)(void *, void *, void *, size_t))
{
	struct shrink_pool_options o = {.evict = pool_cache_evict,
					.move = mover,
					.arg = c,
					.reserve = 1024 * MIB,
					.max_bytes = max_bytes};

	memset(c, 0, sizeof(*c));
	c->nr = nr;
	c->modulus = 1;
	c->objects = calloc(nr, sizeof(*c->objects));
	c->pool = shrink_pool_create(&o, sizeof(o), "test");
	CU_ASSERT_FATAL(c->pool && c->objects);
}

void pool_cache_open(struct pool_cache *c, unsigned int nr, size_t max_bytes)
{
	open_with(c, nr, max_bytes, NULL);
}

void pool_cache_open_moving(struct pool_cache *c, unsigned int nr, size_t max_bytes)
{
	open_with(c, nr, max_bytes, move);
}

void pool_cache_close(struct pool_cache *c)
{
	EQ(c->damaged, 0);
	shrink_pool_destroy(c->pool);
	free(c->objects);
	free(c->marks);
}

struct object *pool_cache_put(struct pool_cache *c, unsigned int place, size_t size)
{
	struct object *o = shrink_pool_alloc(c->pool, size);

	if (!o)
		return NULL;
	o->place = place;
	o->size = (uint32_t)size;
	memset(o->fill, pattern(place), size - sizeof(*o));
	c->objects[place] = o;
	c->live++;
	return o;
}

void pool_cache_drop(struct pool_cache *c, unsigned int place)
{
	if (!pool_cache_intact(c->objects[place]))
		c->damaged++;
	shrink_pool_free(c->pool, c->objects[place]);
	c->objects[place] = NULL;
	c->live--;
}

void pool_cache_fill(struct pool_cache *c, size_t size)
{
	for (unsigned int i = 0; i < c->nr; i++)
		CU_ASSERT_FATAL(pool_cache_put(c, i, size) != NULL);
}

void pool_cache_settle(struct shrink_pool *pool)
{
	struct pool_magazines *set = shrink_pool_magazines_known(pool);

	if (set)
		shrink_pool_magazines_flush(set);
}

struct shrink_pool_stats pool_cache_stats(struct shrink_pool *pool)
{
	struct shrink_pool_stats stats;

	EQ(shrink_pool_stats(pool, &stats, sizeof(stats)), 0);
	return stats;
}

unsigned long pool_cache_count(struct shrink_pool *pool)
{
	struct shrink_control sc = {.gfp_mask = SHRINK_GFP_ALL};
	struct shrinker *s = shrink_pool_shrinker(pool);

	return s->count_objects(s, &sc);
}

unsigned long pool_cache_scan(struct shrink_pool *pool, struct shrink_control *sc,
			      unsigned long pages)
{
	struct shrinker *s = shrink_pool_shrinker(pool);

	sc->gfp_mask = SHRINK_GFP_ALL;
	sc->nr_to_scan = sc->nr_scanned = pages;
	return s->scan_objects(s, sc);
}

unsigned long pool_cache_scan_pages(struct shrink_pool *pool, unsigned long pages)
{
	struct shrink_control sc = {0};

	return pool_cache_scan(pool, &sc, pages);
}

uint64_t pool_cache_resident(struct shrink_pool *pool)
{
	size_t length = (size_t)load_relaxed(&pool->nr_extents) << EXTENT_SHIFT;
	unsigned char *map = malloc(length / PAGE + 1);
	uint64_t n = 0;

	CU_ASSERT_FATAL(map && (!length || !mincore(pool->data, length, map)));
	for (size_t i = 0; i < length / PAGE; i++)
		n += map[i] & 1;
	free(map);
	return n;
}

uint64_t pool_cache_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

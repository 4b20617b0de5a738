/* SPDX-License-Identifier: MIT */
/*
 * Items in malloc's heap, or in a jemalloc arena for each tenant: for those who stay with
 * malloc, and to see what that costs. Order of use, and eviction, are the ring's.
 *
 * A heap knows nothing of groups and of room: what it takes is charged here, and asked
 * for before. While growth is held items are replaced. Victims come in their own sizes:
 * what they have freed beyond what was needed is for the next that come, otherwise each
 * small item would cost a large one.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>

#include "examples/kvcached/density.h"
#include "examples/kvcached/lists.h"
#include "examples/kvcached/ring.h"
#include "examples/kvcached/store.h"

#define REPLACE_LOOKS 4096 /* items looked at for one that comes */

static int malloc_open(struct tenant *t, size_t ceiling)
{
	(void)ceiling; /* the group's max is */
	/* libshrink: what its scans free the release stage gives back, where the
	 * allocator's own figures say that it pays */
	return ring_open(t, false);
}

static int arena_open(struct tenant *t, size_t ceiling)
{
	int r = 0;

	(void)ceiling;
	t->arena = shrink_arena_create(NULL, 0);
	if (!t->arena)
		return -errno;
	if (!lists_on())
		r = density_open(t);
	return r ? r : ring_open(t, true);
}

static void heap_close(struct tenant *t)
{
	ring_close(t);
	density_close(t);
	shrink_arena_destroy(t->arena);
	t->arena = NULL;
}

static size_t malloc_usable(const struct tenant *t, const void *object)
{
	(void)t;
	return malloc_usable_size((void *)object);
}

static size_t arena_usable(const struct tenant *t, const void *object)
{
	return shrink_arena_usable(t->arena, object);
}

static size_t usable(const struct tenant *t, const void *object)
{
	return t->arena ? arena_usable(t, object) : malloc_usable(t, object);
}

static void add_credit(struct tenant *t, uint64_t bytes)
{
	__atomic_fetch_add(&t->credit, bytes, __ATOMIC_RELAXED);
}

static bool take_credit(struct tenant *t, size_t size)
{
	uint64_t credit = __atomic_load_n(&t->credit, __ATOMIC_RELAXED);

	while (credit >= size) {
		if (__atomic_compare_exchange_n(&t->credit, &credit, credit - size, 0,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/* libshrink: may the cache grow? A tenant that has less than its min may, whatever the
 * pressure: others pay. */
static bool may_grow(const struct tenant *t, size_t size)
{
	uint64_t usage, min;

	if (t->memcg) {
		usage = shrink_memcg_usage(t->memcg);
		min = shrink_memcg_get_limit(t->memcg, SHRINK_MEMCG_LIMIT_MIN);
		if (usage + size <= min)
			return true;
	}
	return shrink_room(t->shrinker) >= size;
}

static void release(struct tenant *t, void *object)
{
	if (t->arena)
		shrink_arena_free(t->arena, object);
	else
		free(object);
}

/* libshrink: over a limit the tenant's own items go, here and now; over the limit of
 * all, everybody's that is not protected. We hold no lock, so all is granted. */
static void *charge(struct tenant *t, void *object)
{
	size_t bytes = usable(t, object);

	if (t->memcg && shrink_memcg_charge(t->memcg, bytes, SHRINK_GFP_ALL) < 0) {
		release(t, object);
		return NULL;
	}
	__atomic_fetch_add(&t->objects, 1u, __ATOMIC_RELAXED);
	return object;
}

static void *heap_alloc(struct tenant *t, size_t size)
{
	void *object;

	if (!take_credit(t, size) && !may_grow(t, size))
		return NULL;
	object = t->arena ? shrink_arena_alloc(t->arena, size) : malloc(size);
	return object ? charge(t, object) : NULL;
}

/* libshrink: what is charged to the tenant's group is uncharged where it goes. */
static void heap_free(struct tenant *t, void *object)
{
	size_t bytes = usable(t, object);

	__atomic_fetch_sub(&t->objects, 1u, __ATOMIC_RELAXED);
	if (t->memcg)
		shrink_memcg_uncharge(t->memcg, bytes);
	release(t, object);
}

static bool heap_replace(struct tenant *t, size_t size, unsigned int tries)
{
	struct ring_work w = {.want = REPLACE_LOOKS, .want_bytes = size, .counter = &t->replaced};

	(void)tries;
	if (t->lists)
		w.bytes = lists_evict(t, size);
	else
		ring_evict(t, &w);
	add_credit(t, w.bytes);
	return w.bytes != 0;
}

static struct shrinker *heap_shrinker(const struct tenant *t)
{
	return t->shrinker;
}

static void heap_stats(const struct tenant *t, struct shrink_pool_stats *ret_stats)
{
	struct shrink_arena_stats arena;

	memset(ret_stats, 0, sizeof(*ret_stats));
	ret_stats->live_objects = __atomic_load_n(&t->objects, __ATOMIC_RELAXED);
	ret_stats->live_bytes = __atomic_load_n(&t->bytes, __ATOMIC_RELAXED);
	ret_stats->evicted_objects = __atomic_load_n(&t->evicted, __ATOMIC_RELAXED);
	ret_stats->evicted_bytes = __atomic_load_n(&t->evicted_bytes, __ATOMIC_RELAXED);
	if (!t->arena || shrink_arena_stats(t->arena, &arena, sizeof(arena)) < 0)
		return;
	ret_stats->resident_bytes = arena.active + arena.dirty + arena.muzzy;
	ret_stats->free_bytes = ret_stats->resident_bytes - ret_stats->live_bytes;
	ret_stats->returned_bytes = arena.purged;
}

static const char *malloc_missing(void)
{
	return NULL;
}

static const char *arena_missing(void)
{
	return shrink_arena_supported() < 0 ? "no jemalloc 5 in this process: start it with "
					      "LD_PRELOAD=libjemalloc.so.2"
					    : NULL;
}

const struct store store_malloc = {
	.name = "malloc",
	.missing = malloc_missing,
	.open = malloc_open,
	.close = heap_close,
	.alloc = heap_alloc,
	.free = heap_free,
	.replace = heap_replace,
	.usable = malloc_usable,
	.shrinker = heap_shrinker,
	.stats = heap_stats,
};

const struct store store_jemalloc = {
	.name = "jemalloc",
	.missing = arena_missing,
	.open = arena_open,
	.close = heap_close,
	.alloc = heap_alloc,
	.free = heap_free,
	.replace = heap_replace,
	.usable = arena_usable,
	.shrinker = heap_shrinker,
	.stats = heap_stats,
};

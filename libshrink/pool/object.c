// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Objects: alloc, free, mark. The magazine first, then the class's lock. */
#include <errno.h>

#include <libshrink/pool/guard.h>
#include <libshrink/pool/magazine.h>

unsigned int shrink_pool_pages_for(const struct shrink_pool *pool, unsigned int index, size_t size)
{
	size_t length = pool->classes[index].geo.length ? pool->classes[index].geo.length : size;

	return (unsigned int)((length + pool->page - 1) / pool->page);
}

static size_t alloc_locked(struct shrink_pool *pool, unsigned int index, unsigned int pages,
			   struct pool_slab *grown)
{
	struct pool_class *class = &pool->classes[index];
	struct pool_slab *slab = class->current;
	struct pool_magazines *set;
	size_t offset;

	if (grown)
		shrink_pool_slab_begin(pool, index, grown, pages);
	else if (!slab || load_relaxed(&slab->live) == class->geo.nr)
		grown = shrink_pool_slab_choose(pool, index, pages);
	if (!class->geo.size)
		return grown ? shrink_pool_take_large(pool, class, grown) : SIZE_MAX;
	offset = shrink_pool_take_place(pool, class);
	set = index < MAGAZINE_CLASSES ? shrink_pool_magazines_known(pool) : NULL;
	if (set && offset != SIZE_MAX)
		shrink_pool_magazine_fill(pool, set, index);
	return offset;
}

/* A slab of the class, charged; NULL with errno set. With no lock held: charging may
 * reclaim, which may scan this pool. */
static struct pool_slab *grow(struct shrink_pool *pool, unsigned int index, unsigned int pages)
{
	struct pool_slab *slab;
	int r = shrink_pool_charge(pool, (uint64_t)pages * pool->page);

	if (r < 0) {
		errno = -r;
		return NULL;
	}
	slab = shrink_pool_place_take(pool, &pool->classes[index].geo, pages);
	if (!slab) {
		shrink_pool_uncharge(pool, (uint64_t)pages * pool->page);
		errno = ENOMEM;
	}
	return slab;
}

static size_t alloc_slowly(struct shrink_pool *pool, unsigned int index, size_t size)
{
	unsigned int pages = shrink_pool_pages_for(pool, index, size);
	struct pool_slab *grown;
	size_t offset;

	pthread_mutex_lock(pool_class_lock(pool, index));
	offset = alloc_locked(pool, index, pages, NULL);
	pthread_mutex_unlock(pool_class_lock(pool, index));
	if (offset != SIZE_MAX)
		return offset;
	grown = grow(pool, index, pages);
	if (!grown)
		return SIZE_MAX;
	pthread_mutex_lock(pool_class_lock(pool, index));
	offset = alloc_locked(pool, index, pages, grown);
	pthread_mutex_unlock(pool_class_lock(pool, index));
	return offset;
}

static void begin_life(struct shrink_pool *pool, unsigned int index, size_t offset, size_t size)
{
	const struct shrink_class_geometry *g = &pool->classes[index].geo;
	unsigned char *object = pool->data + offset;
	size_t place = g->size;

	/* left by who lived here before */
	shrink_fast_test_clear(pool_mark_at(pool, offset));
	if (pool_class_moves(pool, g))
		store_relaxed(pool_age_at(pool, g, offset), SHRINK_AGE_BORN);
	if (__builtin_expect(!pool->watch, 1))
		return;
	if (!place)
		place = pool_slab_bytes(pool, pool_slab_at(pool, offset));
	shrink_pool_guard_born(pool, object, place, size);
}

void *shrink_pool_alloc(struct shrink_pool *pool, size_t size)
{
	struct pool_magazines *set;
	size_t offset = SIZE_MAX, place;
	unsigned int index;

	if (!pool || !size || size > pool->object_max) {
		errno = EINVAL;
		return NULL;
	}
	place = pool_place_bytes(pool, size);
	index = shrink_class_of(place, pool->page);
	if (index < MAGAZINE_CLASSES) {
		set = shrink_pool_magazines(pool);
		if (set)
			offset = shrink_pool_magazine_pop(pool, set, index);
	}
	if (offset == SIZE_MAX)
		offset = alloc_slowly(pool, index, place);
	if (offset == SIZE_MAX)
		return NULL;
	begin_life(pool, index, offset, size);
	return pool->data + offset;
}

void shrink_pool_mark(struct shrink_pool *pool, void *object)
{
	size_t offset = (size_t)((uintptr_t)object - (uintptr_t)pool->data);

	if (offset >> EXTENT_SHIFT < load_relaxed(&pool->nr_extents))
		shrink_fast_mark(pool_mark_at(pool, offset));
}

static void free_slowly(struct shrink_pool *pool, struct pool_slab *slab, uint32_t tag,
			size_t offset, const void *object)
{
	enum pool_aftermath after;

	pthread_mutex_lock(pool_class_lock(pool, tag >> 8));
	after = shrink_pool_free_locked(pool, slab, tag, offset);
	pthread_mutex_unlock(pool_class_lock(pool, tag >> 8));
	if (after == AFTER_MISUSE)
		shrink_pool_misuse(pool, object);
	else if (after != AFTER_NOTHING)
		shrink_pool_give_slab(pool, slab, after == AFTER_GIVE_PENDING);
}

void shrink_pool_free(struct shrink_pool *pool, void *object)
{
	struct pool_magazines *set;
	struct pool_slab *slab;
	uint32_t tag = 0;
	size_t offset;
	int done = -1;

	if (!pool || !object)
		return;
	/* Its head is written, and then an atomic exchange waits for that: what is missing
	 * from the cache is fetched while the slab is found */
	__builtin_prefetch(object, 1);
	slab = shrink_pool_find(pool, object, &offset);
	if (slab) /* pairs with evict.c, which counts what is pending before */
		tag = atomic_load_explicit(&slab->tag, memory_order_acquire);
	if ((tag & 0xff) == SLAB_FREE) {
		shrink_pool_misuse(pool, object);
		return;
	}
	if (!pool_guard_free(pool, slab, tag, offset, object))
		return;
	if ((tag & 0xff) == SLAB_ACTIVE && tag >> 8 < MAGAZINE_CLASSES) {
		set = shrink_pool_magazines(pool);
		if (set)
			done = shrink_pool_magazine_push(pool, set, slab, tag, offset);
	}
	if (done == AFTER_MISUSE)
		shrink_pool_misuse(pool, object);
	else if (done < 0)
		free_slowly(pool, slab, tag, offset, object);
}

size_t shrink_pool_usable(struct shrink_pool *pool, const void *object)
{
	struct pool_slab *slab;
	size_t offset, place;
	uint32_t tag;

	slab = pool && object ? shrink_pool_find(pool, object, &offset) : NULL;
	tag = slab ? load_relaxed(&slab->tag) : 0;
	if ((tag & 0xff) == SLAB_FREE)
		return 0;
	place = pool_object_size(pool, &pool->classes[tag >> 8], slab);
	return pool_guard_size(pool, object, place);
}

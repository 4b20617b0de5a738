// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Objects: alloc, free, mark. */
#include <errno.h>
#include <string.h>

#include <libshrink/base/log.h>
#include <libshrink/pool/slab.h>

static void *out_of_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

/* Makes @slab ACTIVE, empty, of this class, on no list. Bitmaps are touched here,
 * by the application's thread, so that no scan touches them first (G6). */
static void activate(struct shrink_pool *pool, unsigned int index, struct pool_slab *slab,
		     unsigned int pages)
{
	struct pool_places places = pool_places(pool, slab, pool->classes[index].geo.nr);

	for (unsigned int w = 0; w < places.words; w++) {
		store_relaxed(&places.alloc[w], 0);
		store_relaxed(&places.pending[w], 0);
	}
	shrink_list_init(&slab->link);
	slab->list = LIST_NONE;
	slab->fresh = 0;
	store_relaxed(&slab->live, 0);
	store_relaxed(&slab->nr_pending, 0);
	store_relaxed(&slab->pages, (uint16_t)pages);
	store_relaxed(&slab->heat, 0);
	store_relaxed(&slab->tag, pool_tag(index, SLAB_ACTIVE));
}

/* An empty slab of a class whose slabs differ in length: one that is kept is
 * taken where it fits with little to spare. */
static struct pool_slab *large_kept(struct shrink_pool *pool, struct pool_class *class,
				    unsigned int pages)
{
	struct pool_slab *slab;
	unsigned int have;

	if (shrink_list_empty(&class->empty))
		return NULL;
	slab = shrink_list_entry(class->empty.next, struct pool_slab, link);
	have = load_relaxed(&slab->pages);
	if (have < pages || have - pages > pages / 8)
		return NULL;
	shrink_pool_list_drop(pool, class, slab);
	return slab;
}

/* Objects are born in @slab from now on. */
static void choose(struct shrink_pool *pool, struct pool_class *class, struct pool_slab *slab)
{
	uint32_t pages = load_relaxed(&slab->pages);

	store_relaxed(&slab->stamp, add_relaxed(&pool->clock, pages) + pages);
	if (class->geo.size) /* a large one is full with the object it was made for */
		class->current = slab;
}

/* Gives the class a current slab with a free place. */
static struct pool_slab *refill(struct shrink_pool *pool, unsigned int index, unsigned int pages)
{
	struct pool_class *class = &pool->classes[index];
	struct pool_slab *slab;

	class->current = NULL; /* full: on no list until something in it is freed */
	slab = class->geo.size ? shrink_pool_list_densest(pool, class)
			       : large_kept(pool, class, pages);
	if (!slab) {
		slab = shrink_pool_place_take(pool, class->geo.stride, pages);
		if (!slab)
			return NULL;
		activate(pool, index, slab, pages);
	}
	choose(pool, class, slab);
	return slab;
}

/* The lowest free place of a slab that has one. */
static unsigned int take_place(struct shrink_pool *pool, struct pool_class *class,
			       struct pool_slab *slab)
{
	struct pool_places places = pool_places(pool, slab, class->geo.nr);
	unsigned int word = 0, bit;
	uint64_t taken;

	while ((taken = load_relaxed(&places.alloc[word])) == UINT64_MAX)
		word++;
	bit = (unsigned int)__builtin_ctzll(~taken);
	store_relaxed(&places.alloc[word], taken | UINT64_C(1) << bit);
	store_relaxed(&slab->live, (uint16_t)(load_relaxed(&slab->live) + 1));
	return word * 64 + bit;
}

/* The evict callback may meet an object that was not linked yet: what it reads
 * there must not be its predecessor. Bytes of a fresh place are zero already, and
 * stay untouched until the application touches them. */
static void zero_head(struct pool_slab *slab, unsigned int place, unsigned char *object)
{
	if (place < slab->fresh)
		memset(object, 0, SHRINK_POOL_HEAD);
	else
		slab->fresh = (uint16_t)(place + 1);
}

/* An object's offset in the pool; SIZE_MAX: no memory. Class lock held. */
static size_t alloc_locked(struct shrink_pool *pool, unsigned int index, unsigned int pages)
{
	struct pool_class *class = &pool->classes[index];
	struct pool_slab *slab = class->current;
	unsigned int place;
	size_t offset;

	if (!slab || load_relaxed(&slab->live) == class->geo.nr)
		slab = refill(pool, index, pages);
	if (!slab)
		return SIZE_MAX;
	place = take_place(pool, class, slab);
	class->live_objects++;
	class->live_bytes += pool_object_size(pool, class, slab);
	offset = pool_slab_offset(pool, slab) + (size_t)place * class->geo.size;
	zero_head(slab, place, pool->data + offset);
	return offset;
}

/* Pages of a new slab for an object of @size. */
static unsigned int pages_for(const struct shrink_pool *pool, const struct pool_class *class,
			      size_t size)
{
	size_t length = class->geo.length ? class->geo.length : size;

	return (unsigned int)((length + pool->page - 1) / pool->page);
}

void *shrink_pool_alloc(struct shrink_pool *pool, size_t size)
{
	unsigned int index, pages;
	size_t offset;

	if (!pool || !size || size > pool->object_max) {
		errno = EINVAL;
		return NULL;
	}
	index = shrink_class_of(size, pool->page);
	pages = pages_for(pool, &pool->classes[index], size);
	pthread_mutex_lock(pool_class_lock(pool, index));
	offset = alloc_locked(pool, index, pages);
	pthread_mutex_unlock(pool_class_lock(pool, index));
	if (offset == SIZE_MAX)
		return out_of_memory();
	/* left by who lived here before */
	shrink_fast_test_clear(pool_mark_at(pool, offset));
	return pool->data + offset;
}

void shrink_pool_mark(struct shrink_pool *pool, void *object)
{
	size_t offset = (size_t)((uintptr_t)object - (uintptr_t)pool->data);

	if (offset >> EXTENT_SHIFT < load_relaxed(&pool->nr_extents))
		shrink_fast_mark(pool_mark_at(pool, offset));
}

/* What is left to do for a freed object once the lock is dropped. */
enum aftermath { NOTHING, MISUSE, GIVE, GIVE_PENDING };

/* The slab has lost its last object. */
static enum aftermath emptied(struct shrink_pool *pool, struct pool_class *class,
			      struct pool_slab *slab, uint32_t tag)
{
	enum pool_slab_state state = tag & 0xff;

	if (state == SLAB_EVICTING || slab == class->current)
		return NOTHING; /* its scan, or the next allocation, will see */
	if (state == SLAB_ACTIVE && shrink_pool_cache_has_room(pool, load_relaxed(&slab->pages))) {
		shrink_pool_list_put(pool, class, slab);
		return NOTHING;
	}
	shrink_pool_list_drop(pool, class, slab);
	store_relaxed(&slab->tag, pool_tag(tag >> 8, SLAB_FREE));
	return state == SLAB_PENDING ? GIVE_PENDING : GIVE;
}

/* Is there an object that begins at @offset of the slab? Clears its bits. */
static int take_out(struct shrink_pool *pool, struct pool_class *class, struct pool_slab *slab,
		    size_t offset)
{
	struct pool_places places = pool_places(pool, slab, class->geo.nr);
	unsigned int place = shrink_class_index(&class->geo, offset), word = place / 64;
	uint64_t bit = UINT64_C(1) << place % 64, taken, pending;

	if (place >= class->geo.nr || (size_t)place * class->geo.size != offset)
		return 0;
	taken = load_relaxed(&places.alloc[word]);
	if (!(taken & bit))
		return 0;
	store_relaxed(&places.alloc[word], taken & ~bit);
	pending = load_relaxed(&places.pending[word]);
	if (pending & bit) {
		store_relaxed(&places.pending[word], pending & ~bit);
		store_relaxed(&slab->nr_pending, (uint16_t)(load_relaxed(&slab->nr_pending) - 1));
	}
	return 1;
}

/* A slab that was full has a free place, and none is at hand: it is the densest
 * there can be, and warm. Spares the lists where a full cache replaces objects. */
static int reuse_at_once(struct shrink_pool *pool, struct pool_class *class,
			 struct pool_slab *slab)
{
	unsigned int nr = class->geo.nr;

	if (load_relaxed(&slab->live) + 1u != nr || nr < QUARTERS ||
	    (class->current && load_relaxed(&class->current->live) != nr))
		return 0;
	choose(pool, class, slab);
	return 1;
}

static enum aftermath free_locked(struct shrink_pool *pool, struct pool_slab *slab, uint32_t tag,
				  size_t offset)
{
	struct pool_class *class = &pool->classes[tag >> 8];
	uint16_t live;

	/* A live object pins its slab's class: what changed under us was no object */
	if (load_relaxed(&slab->tag) >> 8 != tag >> 8)
		return MISUSE;
	tag = load_relaxed(&slab->tag);
	if ((tag & 0xff) == SLAB_FREE || !take_out(pool, class, slab, offset))
		return MISUSE;
	live = (uint16_t)(load_relaxed(&slab->live) - 1);
	store_relaxed(&slab->live, live);
	class->live_objects--;
	class->live_bytes -= pool_object_size(pool, class, slab);
	if (!live)
		return emptied(pool, class, slab, tag);
	if ((tag & 0xff) == SLAB_ACTIVE && !reuse_at_once(pool, class, slab))
		shrink_pool_list_put(pool, class, slab);
	return NOTHING;
}

void shrink_pool_misuse(struct shrink_pool *pool, const void *object)
{
	uint64_t n = add_relaxed(&pool->bad_frees, 1) + 1;

	if (!(n & (n - 1))) /* a broken program must not drown its log */
		shrink_err("pool %s: free of %p, which is no object of it or was freed before "
			   "(%llu so far)",
			   pool->name, object, (unsigned long long)n);
}

static void give(struct shrink_pool *pool, struct pool_slab *slab, int was_pending)
{
	uint64_t pages = load_relaxed(&slab->pages);
	struct pool_run run = {0};

	shrink_pool_run_add(pool, &run, slab);
	shrink_pool_run_flush(pool, &run);
	if (was_pending)
		shrink_pool_complete(pool, pages);
}

void shrink_pool_free(struct shrink_pool *pool, void *object)
{
	enum aftermath after = MISUSE;
	struct pool_slab *slab;
	size_t offset;
	uint32_t tag;

	if (!pool || !object)
		return;
	slab = shrink_pool_find(pool, object, &offset);
	tag = slab ? load_relaxed(&slab->tag) : 0;
	if ((tag & 0xff) != SLAB_FREE) {
		pthread_mutex_lock(pool_class_lock(pool, tag >> 8));
		after = free_locked(pool, slab, tag, offset);
		pthread_mutex_unlock(pool_class_lock(pool, tag >> 8));
	}
	if (after == MISUSE)
		shrink_pool_misuse(pool, object);
	else if (after != NOTHING)
		give(pool, slab, after == GIVE_PENDING);
}

size_t shrink_pool_usable(struct shrink_pool *pool, const void *object)
{
	struct pool_slab *slab;
	size_t offset;
	uint32_t tag;

	slab = pool && object ? shrink_pool_find(pool, object, &offset) : NULL;
	tag = slab ? load_relaxed(&slab->tag) : 0;
	return (tag & 0xff) == SLAB_FREE ? 0
					 : pool_object_size(pool, &pool->classes[tag >> 8], slab);
}

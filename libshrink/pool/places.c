// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Places in slabs, under the class lock: taken from the class's current slab, freed
 * wherever they lie. */
#include <libshrink/pool/guard.h>

/* Bitmaps are touched here, by the application's thread, so that no scan touches
 * them first (G6). Nothing is cached of a slab in no use. */
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
	store_relaxed(&slab->live, 0);
	store_relaxed(&slab->nr_pending, 0);
	store_relaxed(&slab->pages, (uint16_t)pages);
	store_relaxed(&slab->heat, pool->move ? SHRINK_AGE_BORN : 0);
	pool_guard_slab(pool, &pool->classes[index], slab);
	pool->classes[index].slabs++;
	pool->classes[index].pages += pages;
	atomic_store_explicit(&slab->tag, pool_tag(index, SLAB_ACTIVE), memory_order_release);
}

void shrink_pool_slab_end(struct pool_class *class, struct pool_slab *slab, unsigned int index)
{
	class->slabs--;
	class->pages -= load_relaxed(&slab->pages);
	store_relaxed(&slab->tag, pool_tag(index, SLAB_FREE));
}

/* An empty slab of a class whose slabs differ in length: one that is kept is
 * taken where it fits with little to spare. */
static struct pool_slab *large_kept(const struct pool_class *class, unsigned int pages)
{
	struct pool_slab *slab;
	unsigned int have;

	if (shrink_list_empty(&class->empty))
		return NULL;
	slab = shrink_list_entry(class->empty.next, struct pool_slab, link);
	have = load_relaxed(&slab->pages);
	return have < pages || have - pages > pages / 8 ? NULL : slab;
}

int shrink_pool_has_place(const struct pool_class *class, unsigned int pages)
{
	const struct pool_slab *slab = class->current;

	if (!class->geo.size)
		return large_kept(class, pages) != NULL;
	if (slab && load_relaxed(&slab->live) < class->geo.nr)
		return 1;
	for (unsigned int q = 0; q < QUARTERS; q++)
		if (!shrink_list_empty(&class->partial[q]))
			return 1;
	return !shrink_list_empty(&class->empty);
}

/* Objects are born in @slab from now on. */
static void choose(struct shrink_pool *pool, struct pool_class *class, struct pool_slab *slab)
{
	struct pool_slab *before = class->current;
	uint32_t pages = load_relaxed(&slab->pages);

	store_relaxed(&slab->stamp, add_relaxed(&pool->clock, pages) + pages);
	if (!class->geo.size)
		return; /* full with the object it was made for */
	class->current = slab;
	if (before && before != slab)
		shrink_pool_list_put(pool, class, before);
}

void shrink_pool_slab_begin(struct shrink_pool *pool, unsigned int index, struct pool_slab *slab,
			    unsigned int pages)
{
	activate(pool, index, slab, pages);
	choose(pool, &pool->classes[index], slab);
}

struct pool_slab *shrink_pool_slab_choose(struct shrink_pool *pool, unsigned int index,
					  unsigned int pages)
{
	struct pool_class *class = &pool->classes[index];
	struct pool_slab *slab;

	class->current = NULL; /* full: on no list until something in it is freed */
	if (class->geo.size) {
		slab = shrink_pool_list_densest(pool, class);
	} else {
		slab = large_kept(class, pages);
		if (slab)
			shrink_pool_list_drop(pool, class, slab);
	}
	if (slab)
		choose(pool, class, slab);
	return slab;
}

static void taken(struct pool_class *class, struct pool_slab *slab, uint64_t bytes)
{
	store_relaxed(&slab->live, (uint16_t)(load_relaxed(&slab->live) + 1));
	class->taken_objects++;
	class->taken_bytes += bytes;
}

static size_t take_in(struct shrink_pool *pool, struct pool_class *class, struct pool_slab *slab)
{
	struct pool_places places = pool_places(pool, slab, class->geo.nr);
	unsigned int word = 0, bit;
	uint64_t alloc;

	while ((alloc = load_relaxed(&places.alloc[word])) == UINT64_MAX)
		word++;
	bit = (unsigned int)__builtin_ctzll(~alloc);
	store_relaxed(&places.alloc[word], alloc | UINT64_C(1) << bit);
	taken(class, slab, class->geo.size);
	return pool_slab_offset(pool, slab) + (size_t)(word * 64 + bit) * class->geo.size;
}

size_t shrink_pool_take_place(struct shrink_pool *pool, struct pool_class *class)
{
	struct pool_slab *slab = class->current;

	if (!slab || load_relaxed(&slab->live) == class->geo.nr)
		return SIZE_MAX;
	return take_in(pool, class, slab);
}

unsigned int shrink_pool_take_shelter(struct shrink_pool *pool, struct pool_class *class,
				      unsigned int nr, size_t *ret)
{
	struct pool_slab *slab = class->shelter;
	unsigned int n = 0;

	while (slab && n < nr && load_relaxed(&slab->live) < class->geo.nr)
		ret[n++] = take_in(pool, class, slab);
	if (slab && load_relaxed(&slab->live) == class->geo.nr)
		class->shelter = NULL; /* full: on no list until something in it is freed */
	return n;
}

size_t shrink_pool_take_large(struct shrink_pool *pool, struct pool_class *class,
			      struct pool_slab *slab)
{
	store_relaxed(&slab->alloc, 1);
	taken(class, slab, pool_slab_bytes(pool, slab));
	return pool_slab_offset(pool, slab);
}

/* The slab has lost its last object. */
static enum pool_aftermath emptied(struct shrink_pool *pool, struct pool_class *class,
				   struct pool_slab *slab, uint32_t tag)
{
	enum pool_slab_state state = tag & 0xff;

	if (state == SLAB_EVICTING || slab == class->current || slab == class->shelter)
		return AFTER_NOTHING; /* its scan, or the next allocation, will see */
	if (state == SLAB_ACTIVE && shrink_pool_cache_has_room(pool, load_relaxed(&slab->pages))) {
		shrink_pool_list_put(pool, class, slab);
		return AFTER_NOTHING;
	}
	shrink_pool_list_drop(pool, class, slab);
	shrink_pool_slab_end(class, slab, tag >> 8);
	return state == SLAB_PENDING ? AFTER_GIVE_PENDING : AFTER_GIVE;
}

/* Is there a live object that begins at @offset of the slab? Clears its bits. */
static int take_out(struct shrink_pool *pool, struct pool_class *class, struct pool_slab *slab,
		    size_t offset)
{
	struct pool_places places = pool_places(pool, slab, class->geo.nr);
	unsigned int place = shrink_class_index(&class->geo, offset), word = place / 64;
	uint64_t bit = UINT64_C(1) << place % 64, alloc, pending;

	if (place >= class->geo.nr || (size_t)place * class->geo.size != offset)
		return 0;
	alloc = load_relaxed(&places.alloc[word]);
	if (!(alloc & bit) || load_relaxed(&places.cached[word]) & bit)
		return 0;
	pool_zero_head(pool->data + pool_slab_offset(pool, slab) + offset);
	store_relaxed(&places.alloc[word], alloc & ~bit);
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

enum pool_aftermath shrink_pool_free_locked(struct shrink_pool *pool, struct pool_slab *slab,
					    uint32_t tag, size_t offset)
{
	struct pool_class *class = &pool->classes[tag >> 8];
	uint16_t live;

	/* A live object pins its slab's class: what changed under us was no object */
	if (load_relaxed(&slab->tag) >> 8 != tag >> 8)
		return AFTER_MISUSE;
	tag = load_relaxed(&slab->tag);
	if ((tag & 0xff) == SLAB_FREE || !take_out(pool, class, slab, offset))
		return AFTER_MISUSE;
	live = (uint16_t)(load_relaxed(&slab->live) - 1);
	store_relaxed(&slab->live, live);
	class->taken_objects--;
	class->taken_bytes -= pool_object_size(pool, class, slab);
	if (!live)
		return emptied(pool, class, slab, tag);
	if ((tag & 0xff) == SLAB_ACTIVE && !reuse_at_once(pool, class, slab))
		shrink_pool_list_put(pool, class, slab);
	return AFTER_NOTHING;
}

void shrink_pool_give_slab(struct shrink_pool *pool, struct pool_slab *slab, int was_pending)
{
	uint64_t pages = load_relaxed(&slab->pages);
	struct pool_run run = {.nr = 0};

	shrink_pool_run_add(pool, &run, slab);
	shrink_pool_run_flush(pool, &run);
	if (was_pending)
		shrink_pool_complete(pool, pages);
}

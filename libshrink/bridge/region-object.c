// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Objects of a region: made, pinned, unpinned, ended. */
#include <errno.h>

#include <libshrink/bridge/region.h>
#include <libshrink/os/alloc.h>

/* A child's view is older than the region's: see region-fork.c. */
static bool is_object(struct shrink_region *r, struct region_object *o)
{
	if (!load_relaxed(&o->pages))
		return false;
	if (o->generation != r->generation)
		shrink_purge_adopt(r, o);
	return true;
}

struct region_object *shrink_purge_lock(struct shrink_region *r, const void *address)
{
	uintptr_t offset = (uintptr_t)address - (uintptr_t)(r ? r->data : NULL);
	struct region_object *o;

	if (!r || !address || offset % r->page || offset / r->page >= r->nr_pages)
		return NULL;
	o = &r->objects[offset / r->page];
	shrink_os_spin_lock(&o->lock);
	if (is_object(r, o))
		return o;
	region_unlock(o);
	return NULL;
}

bool shrink_purge_trylock(struct shrink_region *r, struct region_object *o)
{
	if (!shrink_os_spin_trylock(&o->lock))
		return false;
	if (is_object(r, o))
		return true;
	region_unlock(o);
	return false;
}

/* One past its last page. */
static uint32_t last_of(struct shrink_region *r, struct region_object *o)
{
	return region_first(r, o) + load_relaxed(&o->pages);
}

static void begin_object(struct shrink_region *r, struct region_object *o, uint32_t pages)
{
	shrink_os_spin_lock(&o->lock);
	o->pins = 1;
	o->forks = load_relaxed(&r->forks);
	o->generation = r->generation;
	o->changing = o->filling = o->own_used = false;
	shrink_list_init(&o->ranges);
	/* Whoever has just taken it out of the queue looks at it under the lock */
	shrink_list_init(&o->in_queue);
	o->place = REGION_NOWHERE;
	store_relaxed(&o->pages, pages);
	region_unlock(o);
}

void *shrink_region_alloc(struct shrink_region *r, size_t size)
{
	uint64_t pages;
	uint32_t first;

	if (!r || !size || size > (size_t)r->nr_pages * r->page) {
		errno = EINVAL;
		return NULL;
	}
	pages = (size + r->page - 1) / r->page;
	first = shrink_purge_pages_take(r, (uint32_t)pages);
	if (first == UINT32_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	begin_object(r, &r->objects[first], (uint32_t)pages);
	add_relaxed(&r->nr_objects, 1);
	add_relaxed(&r->allocated, pages);
	return region_at(r, first);
}

int shrink_region_free(struct shrink_region *r, void *object)
{
	struct region_object *o;
	struct shrink_list dead;
	uint32_t first, pages;

	if (!object)
		return 0;
	o = shrink_purge_lock(r, object);
	if (!o)
		return -EINVAL;
	first = region_first(r, o);
	pages = load_relaxed(&o->pages);
	shrink_list_init(&dead);
	shrink_purge_dequeue(r, o);
	shrink_purge_ranges_end(r, o, &dead);
	store_relaxed(&o->pages, 0);
	region_unlock(o);
	shrink_purge_ranges_free(&dead);
	sub_relaxed(&r->nr_objects, 1);
	sub_relaxed(&r->allocated, pages);
	shrink_purge_pages_give(r, first, pages);
	return 0;
}

size_t shrink_region_usable(struct shrink_region *r, const void *object)
{
	struct region_object *o = shrink_purge_lock(r, object);
	size_t size;

	if (!o)
		return 0;
	size = (size_t)load_relaxed(&o->pages) * r->page;
	region_unlock(o);
	return size;
}

/* The object's lock held: all of it is unpinned, and waits to be offered. True: with
 * it a batch is full. */
static bool let_go(struct shrink_region *r, struct region_object *o, struct shrink_list *dead)
{
	struct region_range *none = NULL;

	shrink_purge_ranges_unpin(r, o, region_first(r, o), last_of(r, o), &none, dead);
	return shrink_purge_enqueue(r, o, REGION_QUEUED);
}

int shrink_region_unpin(struct shrink_region *r, void *object)
{
	struct region_object *o = shrink_purge_lock(r, object);
	struct shrink_list dead;
	bool full = false;

	if (!o)
		return -EINVAL;
	if (!o->pins) {
		region_unlock(o);
		return -EALREADY;
	}
	shrink_list_init(&dead);
	if (!--o->pins)
		full = let_go(r, o, &dead);
	region_unlock(o);
	shrink_purge_ranges_free(&dead);
	if (full)
		shrink_purge_flush(r, false);
	return 0;
}

void shrink_region_flush(struct shrink_region *r)
{
	if (r)
		shrink_purge_flush(r, true);
}

/* Lock held. What a callback has written before it failed is no object. */
static void unfill(struct shrink_region *r, struct region_object *o)
{
	o->pins = 0;
	shrink_purge_ranges_lost(r, o);
}

/* Lock held on entry, not on return; the object is pinned once, and has no ranges. */
static int fill(struct shrink_region *r, struct region_object *o, void *object)
{
	int err;

	o->filling = true;
	region_unlock(o);
	err = r->reconstruct(r->arg, object, (size_t)load_relaxed(&o->pages) * r->page);
	/* Whoever waits has seen it filling under fill_lock, so it ends there too */
	pthread_mutex_lock(&r->fill_lock);
	shrink_os_spin_lock(&o->lock);
	if (err < 0)
		unfill(r, o);
	o->filling = false;
	region_unlock(o);
	pthread_cond_broadcast(&r->filled);
	pthread_mutex_unlock(&r->fill_lock);
	if (err < 0)
		return err;
	add_relaxed(&r->reconstructed, 1);
	return SHRINK_REGION_PURGED;
}

/* Locked, and nobody fills it. */
static struct region_object *lock_filled(struct shrink_region *r, void *object)
{
	struct region_object *o = shrink_purge_lock(r, object);

	if (!o || !o->filling)
		return o;
	region_unlock(o);
	pthread_mutex_lock(&r->fill_lock);
	while ((o = shrink_purge_lock(r, object)) && o->filling) {
		region_unlock(o);
		pthread_cond_wait(&r->filled, &r->fill_lock);
	}
	pthread_mutex_unlock(&r->fill_lock);
	return o;
}

int shrink_region_pin(struct shrink_region *r, void *object)
{
	struct region_object *o = lock_filled(r, object);
	struct region_range *none = NULL;
	struct shrink_list dead;
	bool purged;

	if (!o)
		return -EINVAL;
	if (o->pins == REGION_PINS_MAX) {
		region_unlock(o);
		return -EOVERFLOW;
	}
	shrink_list_init(&dead);
	purged = shrink_purge_ranges_pin(r, o, region_first(r, o), last_of(r, o), &none, &dead);
	o->pins++;
	/* A part that was purged of an object in use is for its user to make anew */
	if (purged && r->reconstruct && o->pins == 1) {
		shrink_purge_ranges_free(&dead);
		return fill(r, o, object);
	}
	region_unlock(o);
	shrink_purge_ranges_free(&dead);
	return purged ? SHRINK_REGION_PURGED : SHRINK_REGION_KEPT;
}

/* Pages of the region from bytes of the object; its lock held. */
static int pages_of(struct shrink_region *r, struct region_object *o, size_t offset, size_t len,
		    uint32_t *ret_begin, uint32_t *ret_end)
{
	size_t size = (size_t)load_relaxed(&o->pages) * r->page;

	if (offset % r->page || len % r->page || offset >= size || len > size - offset)
		return -EINVAL;
	if (!len)
		len = size - offset;
	*ret_begin = region_first(r, o) + (uint32_t)(offset / r->page);
	*ret_end = *ret_begin + (uint32_t)(len / r->page);
	return 0;
}

/* What pins and unpins of ranges have in common. */
static int change_range(struct shrink_region *r, void *object, size_t offset, size_t len, bool pin)
{
	struct region_range *spare = shrink_purge_range_new();
	struct region_object *o = spare ? lock_filled(r, object) : NULL;
	uint32_t begin, end;
	struct shrink_list dead;
	bool full = false;
	int err;

	if (!o) {
		shrink_os_free(spare);
		return spare ? -EINVAL : -ENOMEM;
	}
	shrink_list_init(&dead);
	err = pages_of(r, o, offset, len, &begin, &end);
	if (!err && o->pins > 1)
		err = -EBUSY;
	if (!err && pin) {
		err = shrink_purge_ranges_pin(r, o, begin, end, &spare, &dead)
			      ? SHRINK_REGION_PURGED
			      : SHRINK_REGION_KEPT;
	} else if (!err) {
		shrink_purge_ranges_unpin(r, o, begin, end, &spare, &dead);
		full = shrink_purge_enqueue(r, o, REGION_QUEUED);
	}
	region_unlock(o);
	shrink_os_free(spare);
	shrink_purge_ranges_free(&dead);
	if (full)
		shrink_purge_flush(r, false);
	return err;
}

int shrink_region_pin_range(struct shrink_region *r, void *object, size_t offset, size_t len)
{
	return change_range(r, object, offset, len, true);
}

int shrink_region_unpin_range(struct shrink_region *r, void *object, size_t offset, size_t len)
{
	return change_range(r, object, offset, len, false);
}

int shrink_region_pinned(struct shrink_region *r, void *object, size_t offset, size_t len)
{
	struct region_object *o = shrink_purge_lock(r, object);
	uint32_t begin, end;
	int err;

	if (!o)
		return -EINVAL;
	err = pages_of(r, o, offset, len, &begin, &end);
	if (!err)
		err = !shrink_purge_ranges_any(o, begin, end);
	region_unlock(o);
	return err;
}

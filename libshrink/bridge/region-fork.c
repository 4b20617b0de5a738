// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Regions across fork().
 *
 * The parent's pages and the child's are the same until one of them writes. What is
 * pinned the child keeps, as it keeps all its memory. What is not it has lost: it could
 * still be had, but only by copying, and a child that was forked to save memory on disk
 * or to exec has no use for a cache. So in the child each unpinned object is purged;
 * its pages are let go of when it is first looked at, not here, where there may be a
 * million of them. With SHRINK_REGION_WIPE_ON_FORK the kernel gives it no page at all.
 *
 * The parent writes no canary into a page that a child shares, for that would copy it:
 * see region-lazy.c.
 *
 * Threads other than the one that forked do not exist in the child. Where one of them
 * was amid a change of an object, that object is purged too.
 */
#include <libshrink/base/atfork.h>
#include <libshrink/bridge/region.h>
#include <libshrink/os/purge.h>

static pthread_mutex_t regions_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shrink_list regions = SHRINK_LIST_INIT(regions);

void shrink_purge_adopt(struct shrink_region *r, struct region_object *o)
{
	bool wiped = r->flags & SHRINK_REGION_WIPE_ON_FORK;

	o->generation = r->generation;
	o->place = REGION_NOWHERE; /* the lists are new */
	shrink_list_init(&o->in_queue);
	if (wiped || o->filling || o->changing)
		o->pins = 0;
	if (!o->pins || !shrink_list_empty(&o->ranges))
		shrink_purge_ranges_lost(r, o);
	o->filling = o->changing = false;
}

static void prepare(void)
{
	struct shrink_list *pos;

	pthread_mutex_lock(&regions_lock);
	shrink_list_for_each(pos, &regions)
	{
		struct shrink_region *r = shrink_list_entry(pos, struct shrink_region, in_regions);

		/* from the outermost in; objects' own are left alone, for their holders
		 * may be waiting for these */
		pthread_mutex_lock(&r->flush_lock);
		pthread_mutex_lock(&r->fill_lock);
		pthread_mutex_lock(&r->alloc_lock);
		shrink_os_spin_lock(&r->queue_lock);
		shrink_os_spin_lock(&r->lru_lock);
	}
}

static void unlock_all(struct shrink_region *r)
{
	shrink_os_spin_unlock(&r->lru_lock);
	shrink_os_spin_unlock(&r->queue_lock);
	pthread_mutex_unlock(&r->alloc_lock);
	pthread_mutex_unlock(&r->fill_lock);
	pthread_mutex_unlock(&r->flush_lock);
}

static void parent(void)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos, &regions)
	{
		struct shrink_region *r = shrink_list_entry(pos, struct shrink_region, in_regions);

		if (!(r->flags & SHRINK_REGION_WIPE_ON_FORK))
			add_relaxed(&r->forks, 1);
		unlock_all(r);
	}
	pthread_mutex_unlock(&regions_lock);
}

/* A lock that is held now is held by nobody. */
static void free_locks(struct shrink_region *r)
{
	for (uint32_t page = 0; page < r->nr_pages; page++) {
		if (!r->used[page / 64])
			page |= 63; /* none of this word */
		else if (r->used[page / 64] >> page % 64 & 1)
			shrink_os_spin_unlock(&r->objects[page].lock);
	}
}

static void child_one(struct shrink_region *r)
{
	r->generation++;
	shrink_list_init(&r->queue);
	shrink_list_init(&r->deferred);
	shrink_list_init(&r->lru);
	store_relaxed(&r->queued_pages, 0);
	store_relaxed(&r->nr_deferred, 0);
	store_relaxed(&r->unpinned, 0);
	store_relaxed(&r->offered, 0);
	store_relaxed(&r->lost, 0);
	store_relaxed(&r->forks, load_relaxed(&r->forks) + 1); /* the parent shares ours */
	free_locks(r);
	pthread_cond_init(&r->filled, NULL);
	unlock_all(r);
}

static void child(void)
{
	struct shrink_list *pos;

	shrink_os_shared_fork_child();
	shrink_list_for_each(pos, &regions)
		child_one(shrink_list_entry(pos, struct shrink_region, in_regions));
	pthread_mutex_unlock(&regions_lock);
}

int shrink_purge_enlist(struct shrink_region *r)
{
	static const struct shrink_fork_hooks hooks = {prepare, parent, child};
	int err = shrink_fork_register(SHRINK_FORK_REGION, &hooks);

	if (err < 0)
		return err;
	pthread_mutex_lock(&regions_lock);
	shrink_list_add_tail(&r->in_regions, &regions);
	pthread_mutex_unlock(&regions_lock);
	return 0;
}

void shrink_purge_delist(struct shrink_region *r)
{
	pthread_mutex_lock(&regions_lock);
	shrink_list_del(&r->in_regions);
	pthread_mutex_unlock(&regions_lock);
}

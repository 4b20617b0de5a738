// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * What waits to be offered. A pin takes nothing out of here: the flush finds that
 * there is nothing left to offer. So an object that is pinned and unpinned again and
 * again is queued once, and costs two changes of its own lock each time.
 */
#include <libshrink/bridge/region.h>

/* Queue lock held. */
static void leave(struct shrink_region *r, struct region_object *o)
{
	if (o->place == REGION_DEFERRED)
		sub_relaxed(&r->nr_deferred, 1);
	shrink_list_del(&o->in_queue);
	o->place = REGION_NOWHERE;
}

bool shrink_purge_enqueue(struct shrink_region *r, struct region_object *o, enum region_place place)
{
	bool full;

	shrink_os_spin_lock(&r->queue_lock);
	if (o->place == REGION_NOWHERE) {
		o->place = place;
		shrink_list_add_tail(&o->in_queue,
				     place == REGION_QUEUED ? &r->queue : &r->deferred);
		if (place == REGION_QUEUED)
			add_relaxed(&r->queued_pages, load_relaxed(&o->pages));
		else
			add_relaxed(&r->nr_deferred, 1);
	}
	full = load_relaxed(&r->queued_pages) >= r->batch;
	shrink_os_spin_unlock(&r->queue_lock);
	return full;
}

void shrink_purge_dequeue(struct shrink_region *r, struct region_object *o)
{
	shrink_os_spin_lock(&r->queue_lock);
	if (o->place != REGION_NOWHERE)
		leave(r, o);
	shrink_os_spin_unlock(&r->queue_lock);
}

int shrink_purge_queue_take(struct shrink_region *r, struct region_object **objects, int max)
{
	int nr = 0;

	shrink_os_spin_lock(&r->queue_lock);
	while (nr < max && !shrink_list_empty(&r->queue)) {
		objects[nr] = shrink_list_entry(r->queue.next, struct region_object, in_queue);
		leave(r, objects[nr++]);
	}
	if (shrink_list_empty(&r->queue))
		store_relaxed(&r->queued_pages, 0);
	shrink_os_spin_unlock(&r->queue_lock);
	return nr;
}

void shrink_purge_queue_requeue(struct shrink_region *r)
{
	struct shrink_list *pos;

	shrink_os_spin_lock(&r->queue_lock);
	shrink_list_for_each(pos, &r->deferred)
		shrink_list_entry(pos, struct region_object, in_queue)
			->place = REGION_QUEUED;
	shrink_list_splice_tail(&r->deferred, &r->queue);
	store_relaxed(&r->nr_deferred, 0);
	shrink_os_spin_unlock(&r->queue_lock);
}

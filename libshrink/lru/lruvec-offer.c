// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Objects that leave for another's reason than their place on the lists: their memory
 * is wanted. A page-true pool gives whole slabs back, whatever lies in them; what the
 * lists know of the objects - active or not, used or not - still decides which slabs
 * are worth it, and the ghosts tell of those that should not have gone.
 */
#include <errno.h>

#include <libshrink/lru/lruvec.h>
#include <libshrink/lru/workingset.h>

/* Promotions keep the lists in proportion, here as in the walk: otherwise offers would
 * fill the active list, and being there would soon say nothing. */
#define BALANCE 2

static void balance(struct shrink_lruvec *lv, struct lruvec_node *node, int kind)
{
	struct lruvec_walk w = {.lv = lv, .node = node};

	if (!shrink_lruvec_is_low(lv, node, kind))
		return;
	shrink_lruvec_shrink_active(&w, kind, BALANCE);
	shrink_lruvec_result_add(&node->total, &w.res);
}

/*
 * Its one chance: an object that was used since, or is active, stays once, and is
 * active from now on. Asked again without having been used it goes: the pool asks
 * twice where a slab's other objects have gone already, and would otherwise keep the
 * slab for it. Any walk that moves the object gives it a new chance (shrink_lruvec_put()
 * clears the flag).
 */
static bool has_chance(struct shrink_lruvec *lv, struct lruvec_node *node,
		       struct shrink_lruvec_item *item)
{
	int kind = lruvec_kind_of(item), list = lruvec_list_of(item);
	bool used = shrink_lruvec_was_used(item), unused = item->flags & LRUVEC_UNUSED;

	if (!used && (list == SHRINK_INACTIVE || item->flags & LRUVEC_OFFERED))
		return false;
	if (list == SHRINK_INACTIVE && !unused) {
		list = SHRINK_ACTIVE;
		node->total.activated++;
		shrink_lgroup_tick(node->group, node->nid, 1);
	}
	item->flags &= (unsigned char)~LRUVEC_UNUSED;
	shrink_lruvec_take(node, item);
	shrink_lruvec_put(node, item, kind, list, false);
	item->flags |= LRUVEC_OFFERED;
	balance(lv, node, kind);
	return true;
}

static void leave(struct shrink_lruvec *lv, struct lruvec_node *node,
		  struct shrink_lruvec_item *item)
{
	unsigned int flags = 0;

	if (lruvec_list_of(item) == SHRINK_ACTIVE || item->flags & LRUVEC_WORKINGSET)
		flags = SHRINK_GHOST_ACTIVE;
	shrink_lruvec_take(node, item);
	if (lv->ws)
		shrink_ws_evict(lv->ws, item->hash, node->nid, node->group, flags);
	shrink_lruvec_left(node);
	node->total.freed++;
}

int shrink_lruvec_offer(struct shrink_lruvec *lv, struct shrink_lruvec_item *item)
{
	struct lruvec_node *node = shrink_lruvec_lock_known(lv, item);
	int r = -ENOENT;

	if (!node)
		return -EINVAL;
	if (item->list) {
		node->total.scanned++;
		r = !has_chance(lv, node, item);
		if (r)
			leave(lv, node, item);
	}
	shrink_lruvec_unlock(node);
	return r;
}

/* In the place of the old one, with all its past. */
static void step_in(struct lruvec_list *l, struct shrink_lruvec_item *item,
		    struct shrink_lruvec_item *by)
{
	by->next = item->next;
	by->prev = item->prev;
	by->next->prev = by->prev->next = by;
	if (l->hand == item)
		l->hand = by;
	if (l->scout == item)
		l->scout = by;
	by->hash = item->hash;
	by->since = item->since;
	__atomic_store_n(&by->group, item->group, __ATOMIC_RELAXED);
	by->nid = item->nid;
	by->flags = item->flags & (unsigned char)~LRUVEC_RECLAIM;
	by->temperature = item->temperature;
	__atomic_store_n(&by->stamp, __atomic_load_n(&item->stamp, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&by->mark, __atomic_load_n(&item->mark, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
	by->list = item->list;
	item->next = item->prev = NULL;
	item->list = 0;
}

int shrink_lruvec_replace(struct shrink_lruvec *lv, struct shrink_lruvec_item *item,
			  struct shrink_lruvec_item *by)
{
	struct lruvec_node *node;
	int r = 0;

	if (!by)
		return -EINVAL;
	if (by->list)
		return -EEXIST;
	node = shrink_lruvec_lock_known(lv, item);
	if (!node)
		return -EINVAL;
	if (item->list)
		step_in(lruvec_list(node, lruvec_kind_of(item), lruvec_list_of(item)), item, by);
	else
		r = -ENOENT;
	shrink_lruvec_unlock(node);
	return r;
}

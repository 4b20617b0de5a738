// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The lists: linking, and the calls that move one object. */
#include <errno.h>

#include <shrink/fast.h>
#include <libshrink/lru/lruvec.h>
#include <libshrink/lru/workingset.h>

void shrink_lruvec_list_init(struct lruvec_list *l)
{
	l->head.next = l->head.prev = l->hand = l->scout = &l->head;
}

static void count(struct lruvec_node *node, int kind, int list, int by)
{
	atomic_store_explicit(&lruvec_list(node, kind, list)->nr,
			      lruvec_nr(node, kind, list) + (uint64_t)(int64_t)by,
			      memory_order_relaxed);
	node->untold[kind][list] += by;
}

void shrink_lruvec_put(struct lruvec_node *node, struct shrink_lruvec_item *item, int kind,
		       int list, bool old)
{
	struct lruvec_list *l = lruvec_list(node, kind, list);
	struct shrink_lruvec_item *before = old ? l->head.prev : &l->head;

	item->prev = before;
	item->next = before->next;
	before->next->prev = item;
	before->next = item;
	item->list = (unsigned char)(kind << 1 | list) + 1;
	item->flags &= (unsigned char)~(LRUVEC_OFFERED | LRUVEC_PASSED | LRUVEC_IDLE);
	if (list == SHRINK_ACTIVE)
		item->flags |= LRUVEC_WORKINGSET;
	count(node, kind, list, 1);
}

/* The label is ours from here on: whoever looks for the object while it is in hand
 * waits for our lock. */
static void relabel(struct lruvec_node *node, struct shrink_lruvec_item *item)
{
	shrink_lgroup_leave(shrink_lgroup_at(node->group->all, item->group));
	node->strangers--;
	__atomic_store_n(&item->group, (uint16_t)node->group->index, __ATOMIC_RELAXED);
}

void shrink_lruvec_take(struct lruvec_node *node, struct shrink_lruvec_item *item)
{
	int kind = lruvec_kind_of(item), list = lruvec_list_of(item);
	struct lruvec_list *l = lruvec_list(node, kind, list);

	if (item->group != node->group->index)
		relabel(node, item);
	if (l->hand == item)
		l->hand = item->prev;
	if (l->scout == item)
		l->scout = item->prev;
	item->prev->next = item->next;
	item->next->prev = item->prev;
	item->next = item->prev = NULL;
	item->list = 0;
	count(node, kind, list, -1);
}

bool shrink_lruvec_was_used(struct shrink_lruvec_item *item)
{
	bool used = shrink_fast_test_clear(&item->mark) || item->flags & LRUVEC_USED;

	item->flags &= (unsigned char)~LRUVEC_USED;
	return used;
}

uint64_t shrink_lruvec_objects(struct lruvec_node *node)
{
	return atomic_load_explicit(&node->nr, memory_order_acquire);
}

void shrink_lruvec_note_cost(struct lruvec_node *node, int kind, uint64_t units)
{
	shrink_balance_note(node->cost, kind, units, shrink_lruvec_objects(node));
}

struct lruvec_node *shrink_lruvec_lock_known(struct shrink_lruvec *lv,
					     struct shrink_lruvec_item *item)
{
	return lv && item && item->nid < lv->nr_nodes ? shrink_lruvec_lock_item(lv, item) : NULL;
}

int shrink_lruvec_del(struct shrink_lruvec *lv, struct shrink_lruvec_item *item)
{
	struct lruvec_node *node = shrink_lruvec_lock_known(lv, item);
	int was = 0;

	if (!node)
		return 0;
	if (item->list) {
		shrink_lruvec_take(node, item);
		shrink_lruvec_left(node);
		was = 1;
	}
	shrink_lruvec_unlock(node);
	return was;
}

/* Moves an object under the lock: @kind -1 = as it is. */
static int move(struct shrink_lruvec *lv, struct shrink_lruvec_item *item, int kind, int list,
		bool old)
{
	struct lruvec_node *node = shrink_lruvec_lock_known(lv, item);
	bool promoted = false;

	if (!node)
		return -EINVAL;
	if (!item->list) {
		shrink_lruvec_unlock(node);
		return -ENOENT;
	}
	kind = kind < 0 ? lruvec_kind_of(item) : kind;
	promoted = list == SHRINK_ACTIVE && lruvec_list_of(item) == SHRINK_INACTIVE;
	list = list < 0 ? lruvec_list_of(item) : list;
	shrink_lruvec_take(node, item);
	shrink_lruvec_put(node, item, kind, list, old);
	if (promoted)
		shrink_lgroup_tick(node->group, node->nid, 1);
	shrink_lruvec_unlock(node);
	return 0;
}

int shrink_lruvec_set_kind(struct shrink_lruvec *lv, struct shrink_lruvec_item *item,
			   enum shrink_lruvec_kind kind)
{
	return (int)kind >= 0 && (int)kind < SHRINK_KINDS ? move(lv, item, (int)kind, -1, false)
							  : -EINVAL;
}

int shrink_lruvec_activate(struct shrink_lruvec *lv, struct shrink_lruvec_item *item)
{
	return move(lv, item, -1, SHRINK_ACTIVE, false);
}

int shrink_lruvec_deactivate(struct shrink_lruvec *lv, struct shrink_lruvec_item *item)
{
	return move(lv, item, -1, SHRINK_INACTIVE, true);
}

int shrink_lruvec_written(struct shrink_lruvec *lv, struct shrink_lruvec_item *item,
			  enum shrink_lruvec_kind kind)
{
	bool good = (int)kind >= 0 && (int)kind < SHRINK_KINDS, next_to_go;
	struct lruvec_node *node = good ? shrink_lruvec_lock_known(lv, item) : NULL;
	int list;

	if (!node)
		return -EINVAL;
	if (!item->list) {
		shrink_lruvec_unlock(node);
		return -ENOENT;
	}
	list = lruvec_list_of(item);
	next_to_go = item->flags & LRUVEC_RECLAIM && list == SHRINK_INACTIVE;
	item->flags &= (unsigned char)~LRUVEC_RECLAIM;
	shrink_lruvec_note_cost(node, lruvec_kind_of(item), 1);
	shrink_lruvec_take(node, item);
	shrink_lruvec_put(node, item, (int)kind, list, next_to_go);
	shrink_lruvec_unlock(node);
	return 0;
}

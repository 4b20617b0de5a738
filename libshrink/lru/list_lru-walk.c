// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Walks, and what the callback may do in them.
 *
 * An object that was taken off has no next any more, so that shrink_lru_del() leaves
 * it alone whatever list of the disposer's it is on: private lists link through prev,
 * the last object to itself.
 */
#include <libshrink/lru/list_lru.h>

struct walk {
	struct shrink_memcg *memcg;
	shrink_lru_walk_fn fn;
	void *arg;
	unsigned long *left;
	unsigned long removed;
};

/*
 * From here to leave_callback() the ring is whole, and only calls below that say so
 * change it: should a fork not wait for the callback's end, the child may use the
 * list. The fences bind the compiler; fork() stops the world for the rest.
 */
static void enter_callback(struct shrink_lru_one *one)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&one->caller, &shrink_context, memory_order_relaxed);
	shrink_context.under_list++;
}

static void leave_callback(struct shrink_lru_one *one)
{
	shrink_context.under_list--;
	atomic_store_explicit(&one->caller, NULL, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

void shrink_lru_isolate(struct shrink_lru_one *one, struct shrink_lru_item *item)
{
	leave_callback(one);
	shrink_lru_unlink(item);
	item->next = item->prev = NULL;
	shrink_lru_set_nr(one, shrink_lru_nr(one) - 1);
	enter_callback(one);
}

void shrink_lru_isolate_move(struct shrink_lru_one *one, struct shrink_lru_item *item,
			     struct shrink_lru_head *to)
{
	shrink_lru_isolate(one, item);
	item->prev = item;
	if (to->first)
		to->last->prev = item;
	else
		to->first = item;
	to->last = item;
	to->nr++;
}

struct shrink_lru_item *shrink_lru_pop(struct shrink_lru_head *head)
{
	struct shrink_lru_item *item = head->first;

	if (!item)
		return NULL;
	head->first = item->prev == item ? NULL : item->prev;
	item->prev = NULL;
	head->nr--;
	return item;
}

void shrink_lru_unlock(struct shrink_lru_one *one)
{
	leave_callback(one);
	shrink_os_spin_unlock(&one->lock);
}

static void rotate(struct shrink_lru_one *one, struct shrink_lru_item *item)
{
	shrink_lru_unlink(item);
	shrink_lru_link_tail(one, item);
}

/* What is to be done after an object. */
enum step { NEXT, RESTART, END };

/* One question; lock held before, and after where the answer is NEXT. */
static enum step ask(struct walk *w, struct shrink_lru_one *one, struct shrink_lru_item *item)
{
	enum shrink_lru_status status;

	--*w->left;
	enter_callback(one);
	status = w->fn(item, one, w->arg);
	w->removed += status == SHRINK_LRU_REMOVED || status == SHRINK_LRU_REMOVED_RETRY;
	if (status == SHRINK_LRU_REMOVED_RETRY || status == SHRINK_LRU_RETRY)
		return RESTART;
	if (status == SHRINK_LRU_STOP)
		return END;
	leave_callback(one);
	if (status == SHRINK_LRU_ROTATE)
		rotate(one, item);
	return NEXT;
}

/* From the oldest to the youngest. Lock held before, never after. */
static enum step tour(struct walk *w, struct shrink_lru_one *one)
{
	struct shrink_lru_item *item = one->head.next, *next;
	enum step step = NEXT;

	for (; item != &one->head && *w->left; item = next) {
		next = item->next; /* the object may be gone after the question */
		step = ask(w, one, item);
		if (step != NEXT)
			return step;
	}
	shrink_os_spin_unlock(&one->lock);
	return END;
}

static void walk(struct shrink_lru *lru, int slot, struct walk *w)
{
	struct shrink_lru_one *one = shrink_lru_own(lru, w->memcg, slot);

	while (one && *w->left) {
		shrink_os_spin_lock(&one->lock);
		if (atomic_load_explicit(&one->memcg, memory_order_relaxed) != w->memcg) {
			shrink_os_spin_unlock(&one->lock); /* died meanwhile */
			return;
		}
		if (tour(w, one) == END)
			return;
	}
}

unsigned long shrink_lru_walk_one(struct shrink_lru *lru, int nid, struct shrink_memcg *memcg,
				  shrink_lru_walk_fn fn, void *arg, unsigned long *nr_to_walk)
{
	struct walk w = {.fn = fn, .arg = arg, .left = nr_to_walk};
	int slot = lru && fn && nr_to_walk ? shrink_lru_slot(lru, nid) : -EINVAL;

	if (slot < 0)
		return 0;
	w.memcg = shrink_lru_group(lru, memcg);
	walk(lru, slot, &w);
	return w.removed;
}

/* The group that owns list @slot of @block, if there is anything on it; referenced. */
static struct shrink_memcg *owner(struct shrink_lru_table *table, int id, int slot)
{
	struct shrink_lru_block *block =
		atomic_load_explicit(&table->block[id], memory_order_acquire);

	return block && shrink_lru_nr(&block->one[slot]) > 0 ? shrink_memcg_by_id(id) : NULL;
}

static void walk_groups(struct shrink_lru *lru, int slot, struct walk *w)
{
	struct shrink_lru_table *table = atomic_load_explicit(&lru->table, memory_order_acquire);

	for (int id = 1; table && id < table->nr && *w->left; id++) {
		w->memcg = owner(table, id, slot);
		if (!w->memcg)
			continue;
		walk(lru, slot, w);
		shrink_memcg_put(w->memcg);
	}
}

unsigned long shrink_lru_walk_node(struct shrink_lru *lru, int nid, shrink_lru_walk_fn fn,
				   void *arg, unsigned long *nr_to_walk)
{
	struct walk w = {.fn = fn, .arg = arg, .left = nr_to_walk};
	int slot = lru && fn && nr_to_walk ? shrink_lru_slot(lru, nid) : -EINVAL;

	if (slot < 0)
		return 0;
	w.memcg = shrink_memcg_root_group;
	walk(lru, slot, &w);
	walk_groups(lru, slot, &w);
	return w.removed;
}

unsigned long shrink_lru_walk(struct shrink_lru *lru, shrink_lru_walk_fn fn, void *arg,
			      unsigned long nr_to_walk)
{
	unsigned long removed = 0;

	for (int nid = 0; lru && nid < lru->nr_nodes; nid++)
		removed += shrink_lru_walk_node(lru, nid, fn, arg, &nr_to_walk);
	return removed;
}

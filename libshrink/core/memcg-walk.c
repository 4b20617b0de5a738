// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/core/memcg-walk.h>
#include <libshrink/os/numa.h>

/* Groups passed by under one hold of the lock. */
#define STEPS_MAX 256

static struct shrink_list walks = SHRINK_LIST_INIT(walks);
/* The root has no node[]. */
static struct shrink_memcg_iter root_iters[SHRINK_NODES_MAX];

static struct shrink_memcg_iter *iter_of(struct shrink_memcg *top, int nid)
{
	if (nid == SHRINK_NUMA_NO_NODE)
		return &top->iter;
	return top->parent ? &top->node[nid].iter : &root_iters[nid];
}

/* ---- the order; registry lock held */

static struct shrink_memcg *sibling(struct shrink_list *link)
{
	return shrink_list_entry(link, struct shrink_memcg, sibling);
}

/* The one after @memcg's last descendant. */
static struct shrink_memcg *after(struct shrink_memcg *top, struct shrink_memcg *memcg)
{
	for (; memcg != top; memcg = memcg->parent)
		if (memcg->sibling.next != &memcg->parent->children)
			return sibling(memcg->sibling.next);
	return NULL;
}

static struct shrink_memcg *next(struct shrink_memcg *top, struct shrink_memcg *memcg)
{
	if (!memcg)
		return top;
	if (!shrink_list_empty(&memcg->children))
		return sibling(memcg->children.next);
	return after(top, memcg);
}

/* Where there are thousands of groups each is new to the processor's cache, and a list
 * tells it nothing of where the one after the next lies. (It may be the list's head: a
 * prefetch of what is no group does no harm.) */
static void fetch_ahead(struct shrink_memcg *memcg)
{
	struct shrink_memcg *ahead;

	if (!memcg)
		return;
	ahead = sibling(memcg->sibling.next->next);
	__builtin_prefetch(ahead);
	__builtin_prefetch(&ahead->node[0]);
}

static struct shrink_memcg *before(struct shrink_memcg *top, struct shrink_memcg *memcg)
{
	if (memcg == top)
		return NULL;
	if (memcg->sibling.prev == &memcg->parent->children)
		return memcg->parent;
	memcg = sibling(memcg->sibling.prev);
	while (!shrink_list_empty(&memcg->children))
		memcg = sibling(memcg->children.prev);
	return memcg;
}

/* ---- positions; registry lock held */

static struct shrink_memcg_walk *walk_at(struct shrink_list *link)
{
	return shrink_list_entry(link, struct shrink_memcg_walk, link);
}

/* Every walk that shares the position is told when it is around. */
static struct shrink_memcg *advance(struct shrink_memcg *top, struct shrink_memcg_iter *iter)
{
	struct shrink_list *pos;

	iter->position = next(top, iter->position);
	fetch_ahead(iter->position);
	shrink_list_for_each(pos, &walks) {
		struct shrink_memcg_walk *w = walk_at(pos);

		if (w->iter == iter && w->end == iter->position)
			w->over = true;
	}
	return iter->position;
}

static void step_back(struct shrink_memcg_iter *iter, struct shrink_memcg *top,
		      struct shrink_memcg *memcg)
{
	if (iter->position == memcg)
		iter->position = before(top, memcg);
}

/* A walk that would have ended at @memcg ends one earlier, which may be where it is.
 * Where it stands at @memcg itself it has only just begun. */
static void end_earlier(struct shrink_memcg_walk *w, struct shrink_memcg *memcg)
{
	if (w->end != memcg)
		return;
	w->end = before(w->top, memcg);
	if (w->iter->position == w->end)
		w->over = true;
}

void shrink_memcg_walk_forget(struct shrink_memcg *memcg)
{
	struct shrink_memcg *top;
	struct shrink_list *pos;

	shrink_list_for_each(pos, &walks) end_earlier(walk_at(pos), memcg);
	shrink_list_for_each(pos, &walks)
		step_back(&walk_at(pos)->own, walk_at(pos)->top, memcg);
	for (top = memcg; top; top = top->parent) {
		step_back(&top->iter, top, memcg);
		for (int nid = 0; nid < shrink_core_nr_nodes(); nid++)
			step_back(iter_of(top, nid), top, memcg);
	}
}

/* ---- one walk */

static void join(struct shrink_memcg_walk *w)
{
	w->thread = &shrink_context;
	w->iter = w->partial ? iter_of(w->top, w->nid) : &w->own;
	w->end = w->iter->position;
	shrink_list_add_tail(&w->link, &walks);
}

static bool wanted(const struct shrink_memcg_walk *w, struct shrink_memcg *memcg)
{
	return memcg && (w->all || memcg == w->top || shrink_memcg_any_bit(memcg));
}

/* A partial walk takes one at a time: what it does not get to is for the next. False: it
 * is over, and off the list. That is decided here, as others may end it at any time that
 * the lock is not held. */
static bool refill(struct shrink_memcg_walk *w)
{
	int most = w->partial ? 1 : SHRINK_MEMCG_WALK;
	bool ended;

	w->nr = w->at = 0;
	shrink_registry_lock();
	if (!w->iter)
		join(w);
	for (int steps = 0; w->nr < most && !w->over && steps < STEPS_MAX; steps++) {
		struct shrink_memcg *memcg = advance(w->top, w->iter);

		if (wanted(w, memcg))
			w->batch[w->nr++] = shrink_memcg_get(memcg);
	}
	ended = w->over && !w->nr;
	if (ended)
		shrink_list_del(&w->link);
	shrink_registry_unlock();
	return !ended;
}

/* Forgotten first: if a fork ever catches us in between, the child leaks the group
 * rather than to put it twice. */
static void put_one(struct shrink_memcg **place)
{
	struct shrink_memcg *memcg = *place;

	*place = NULL;
	atomic_signal_fence(memory_order_seq_cst);
	shrink_memcg_put(memcg);
}

struct shrink_memcg *shrink_memcg_walk_next(struct shrink_memcg_walk *w)
{
	if (w->at)
		put_one(&w->batch[w->at - 1]);
	while (w->at == w->nr)
		if (!refill(w))
			return NULL;
	return w->batch[w->at++];
}

static void put_rest(struct shrink_memcg_walk *w)
{
	for (int i = 0; i < w->nr; i++)
		put_one(&w->batch[i]);
	w->nr = w->at = 0;
}

void shrink_memcg_walk_end(struct shrink_memcg_walk *w)
{
	if (!w->iter) /* not begun */
		return;
	shrink_registry_lock();
	shrink_list_del(&w->link);
	shrink_registry_unlock();
	put_rest(w);
}

/* Their stacks are still there as the fork found them. A walk around the fork is the
 * forking thread's own, and goes on. */
void shrink_memcg_walk_fork_child(void)
{
	struct shrink_list *pos, *tmp;

	shrink_list_for_each_safe(pos, tmp, &walks) {
		if (walk_at(pos)->thread == &shrink_context)
			continue;
		shrink_list_del(pos);
		put_rest(walk_at(pos));
	}
}

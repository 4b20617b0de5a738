// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Reclaim that the application asks for: a group and those below it, or all of them.
 *
 * Room is made in one group after the other, in each a 64th of its objects at a turn,
 * so that each gives in proportion to what it has, as in the kernel; where the last call
 * stopped the next goes on. A step at a priority visits each, the kernel's
 * shrink_node_memcgs().
 */
#include <errno.h>
#include <string.h>

#include <libshrink/core/core.h>
#include <libshrink/lru/lruvec.h>

#define TURN_SHIFT 6

/* What is asked for, and what has been done. */
struct request {
	struct shrink_lruvec *lv;
	struct shrink_lgroup *top; /* NULL: all */
	int nid;
	shrink_gfp_t gfp;
	uint64_t nr;               /* objects; 0 = no goal */
	struct shrink_lruvec_result res;
};

static uint64_t wanted(const struct request *r)
{
	return shrink_sub_u64(r->nr, r->res.freed + r->res.pending);
}

/* shrink_context.current is the callback that this thread is in: evict() asked by a
 * scan must not evict, since it holds a node's lock; nor evict() asked by ourselves. */
static int begin(struct request *r, struct shrink_lruvec *lv, struct shrink_memcg *memcg, int nid,
		 shrink_gfp_t gfp, uint64_t nr)
{
	if (!shrink_lruvec_good_node(lv, nid))
		return -EINVAL;
	if (shrink_context.under_list || shrink_context.current == shrinker_impl(lv->shrinker))
		return -EDEADLK;
	memset(r, 0, sizeof(*r));
	r->lv = lv;
	r->nid = shrink_lruvec_slot(lv, nid);
	r->gfp = gfp;
	r->nr = nr;
	if (memcg && !shrink_memcg_is_root(memcg) && lv->o.flags & SHRINK_LRUVEC_MEMCG) {
		r->top = shrink_lgroup_own(&lv->groups, memcg);
		return r->top ? 0 : -ESTALE;
	}
	return 0;
}

static long answer(const struct request *r, struct shrink_lruvec_result *ret, size_t size)
{
	if (ret && size) {
		memset(ret, 0, size);
		memcpy(ret, &r->res, size < sizeof(r->res) ? size : sizeof(r->res));
	}
	return (long)r->res.freed;
}

static void walk_done(struct request *r, struct lruvec_walk *w)
{
	shrink_lruvec_walk_done(w);
	shrink_lruvec_note_pending(w);
	shrink_lruvec_result_add(&r->res, &w->res);
}

/* The group whose turn it is, from where it was; *@ret_at: its index. NULL: none has
 * any. */
static struct lruvec_node *whose_turn(struct request *r, unsigned int *ret_at)
{
	struct lruvec_node *node;

	*ret_at = atomic_load_explicit(&r->lv->turn, memory_order_relaxed);
	node = shrink_lruvec_next(r->lv, ret_at, r->nid, r->top);
	if (!node) {
		*ret_at = 0;
		node = shrink_lruvec_next(r->lv, ret_at, r->nid, r->top);
	}
	return node;
}

static uint64_t turn_of(struct lruvec_node *node)
{
	return (shrink_lruvec_objects(node) >> TURN_SHIFT) + 1;
}

/* Up to a turn's worth. Objects looked at. */
static uint64_t evict_some(struct request *r, struct lruvec_node *node, unsigned int at)
{
	uint64_t turn = turn_of(node), n, done;
	struct lruvec_walk w;

	shrink_lruvec_walk_begin(&w, r->lv, node, r->gfp);
	/* a cache without groups has nobody to take turns with */
	w.goal = shrink_lruvec_groups(r->lv) == 1 ? wanted(r) : shrink_min_u64(wanted(r), turn);
	n = shrink_lruvec_walk_for(&w, w.goal);
	walk_done(r, &w);
	done = n + atomic_fetch_add_explicit(&node->turn, n, memory_order_relaxed);
	if (n && done < turn)
		at--; /* its turn goes on */
	else
		atomic_store_explicit(&node->turn, 0, memory_order_relaxed);
	atomic_store_explicit(&r->lv->turn, at + 1, memory_order_relaxed);
	return n;
}

/* Each object is looked at twice at most: once on an active list, once on an inactive
 * one. */
static void evict_all(struct request *r)
{
	uint64_t left = 1, n;
	unsigned int at, barren = 0;
	struct lruvec_node *node;

	for (at = 0; (node = shrink_lruvec_next(r->lv, &at, r->nid, r->top)); at++)
		left += 2 * shrink_lruvec_objects(node);
	while (left && wanted(r) && (node = whose_turn(r, &at))) {
		n = evict_some(r, node, at);
		left = shrink_sub_u64(left, n);
		barren = n ? 0 : barren + 1;
		if (barren > shrink_lruvec_groups(r->lv))
			break;
	}
}

long shrink_lruvec_evict_memcg(struct shrink_lruvec *lv, struct shrink_memcg *memcg, int nid,
			       shrink_gfp_t gfp, unsigned long nr,
			       struct shrink_lruvec_result *ret_result, size_t size)
{
	struct request r;
	int e = begin(&r, lv, memcg, nid, gfp, nr);

	if (e < 0)
		return e;
	evict_all(&r);
	return answer(&r, ret_result, size);
}

long shrink_lruvec_evict(struct shrink_lruvec *lv, int nid, shrink_gfp_t gfp, unsigned long nr,
			 struct shrink_lruvec_result *ret_result, size_t size)
{
	return shrink_lruvec_evict_memcg(lv, NULL, nid, gfp, nr, ret_result, size);
}

long shrink_lruvec_reclaim_memcg(struct shrink_lruvec *lv, struct shrink_memcg *memcg, int nid,
				 shrink_gfp_t gfp, int priority, unsigned long goal,
				 struct shrink_lruvec_result *ret_result, size_t size)
{
	struct lruvec_node *node;
	struct request r;
	int e = begin(&r, lv, memcg, nid, gfp, goal);

	if (e < 0)
		return e;
	priority = priority < 0 ? 0 : priority > SHRINK_DEF_PRIORITY ? SHRINK_DEF_PRIORITY
								     : priority;
	for (unsigned int at = 0; (node = shrink_lruvec_next(lv, &at, r.nid, r.top)); at++) {
		struct lruvec_walk w;

		shrink_lruvec_walk_begin(&w, lv, node, gfp);
		w.goal = wanted(&r);
		shrink_lruvec_walk_at(&w, priority);
		walk_done(&r, &w);
		if (goal && !wanted(&r))
			break;
	}
	return answer(&r, ret_result, size);
}

long shrink_lruvec_reclaim(struct shrink_lruvec *lv, int nid, shrink_gfp_t gfp, int priority,
			   unsigned long goal, struct shrink_lruvec_result *ret_result, size_t size)
{
	return shrink_lruvec_reclaim_memcg(lv, NULL, nid, gfp, priority, goal, ret_result, size);
}

/* Of all groups: waiting for one of them is waiting for the node. */
unsigned int shrink_lruvec_throttle(const struct shrink_lruvec *lv, int nid)
{
	return shrink_lruvec_good_node(lv, nid)
		? atomic_load_explicit(&lv->throttle[shrink_lruvec_slot(lv, nid)],
				       memory_order_relaxed)
		: 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* How much of which list: by budget (the shrinker's scan, a full cache) or by
 * priority (the kernel's step). */
#include <errno.h>
#include <string.h>

#include <libshrink/core/core.h>
#include <libshrink/lru/lruvec.h>
#include <libshrink/os/clock.h>

/* Splits in a row that give nothing: rounding takes two, an empty list all. */
#define DRY_MAX 4

static void begin(struct lruvec_walk *w, struct shrink_lruvec *lv, int nid, shrink_gfp_t gfp)
{
	memset(w, 0, sizeof(*w));
	w->lv = lv;
	w->node = &lv->nodes[nid];
	w->ask.gfp_mask = gfp;
	w->ask.nid = nid;
}

static int good_node(const struct shrink_lruvec *lv, int nid)
{
	return lv && nid >= 0 && (nid < lv->nr_nodes || lv->nr_nodes == 1);
}

static int index_of(const struct shrink_lruvec *lv, int nid)
{
	return lv->nr_nodes > 1 ? nid : 0;
}

/* Lock held. */
static void balance_in(struct lruvec_walk *w, int priority, struct shrink_balance_in *in)
{
	struct lruvec_node *node = w->node;

	memset(in, 0, sizeof(*in));
	for (int kind = 0; kind < SHRINK_KINDS; kind++) {
		for (int list = 0; list < SHRINK_LISTS; list++)
			in->size[kind][list] = lruvec_nr(node, kind, list);
		in->cost[kind] = node->cost[kind];
	}
	in->priority = priority;
	in->swappiness = atomic_load_explicit(&w->lv->swappiness, memory_order_relaxed);
	in->deactivates_clean = shrink_lruvec_is_low(w->lv, node, SHRINK_KIND_CLEAN);
}

/* The priority at which a pass would ask for so much. */
static int priority_of(uint64_t objects, uint64_t budget)
{
	int priority = 0;

	while (priority < SHRINK_DEF_PRIORITY && objects >> (priority + 1) >= budget)
		priority++;
	return priority;
}

/* The budget's parts; what one kind does not have the other gets. */
static void split(struct lruvec_walk *w, uint64_t budget, uint64_t part[SHRINK_KINDS])
{
	struct shrink_balance_in in;
	struct shrink_balance b;
	uint64_t has[SHRINK_KINDS];

	pthread_mutex_lock(&w->node->lock);
	balance_in(w, priority_of(shrink_lruvec_objects(w->node), budget), &in);
	shrink_balance(&in, &b);
	for (int kind = 0; kind < SHRINK_KINDS; kind++) {
		has[kind] = b.share[kind] ? in.size[kind][0] + in.size[kind][1] : 0;
		part[kind] = shrink_balance_part(budget, b.share[kind], b.denominator,
						 &w->node->carry[kind]);
	}
	pthread_mutex_unlock(&w->node->lock);
	for (int kind = 0; kind < SHRINK_KINDS; kind++) {
		if (part[kind] > has[kind]) {
			part[!kind] += part[kind] - has[kind];
			part[kind] = has[kind];
		}
	}
	part[0] = shrink_min_u64(part[0], has[0]);
}

static bool met(const struct lruvec_walk *w)
{
	return w->goal && w->res.freed + w->res.pending >= w->goal;
}

/* Objects looked at. */
static uint64_t walk_parts(struct lruvec_walk *w, uint64_t part[SHRINK_KINDS], uint64_t deadline)
{
	uint64_t looked = 0;
	bool more = true;

	while (more && !met(w) && (!deadline || shrink_os_clock() < deadline)) {
		more = false;
		for (int kind = 0; kind < SHRINK_KINDS && !met(w); kind++) {
			uint64_t n = part[kind] ? shrink_lruvec_chunk(w, kind, part[kind]) : 0;

			part[kind] = n ? shrink_sub_u64(part[kind], SHRINK_LRUVEC_CHUNK) : 0;
			looked += n;
			more |= part[kind] != 0;
		}
	}
	return looked;
}

unsigned long shrink_lruvec_count(struct shrink_lruvec *lv, struct shrink_control *sc)
{
	struct lruvec_node *node;
	uint64_t nr;

	if (!good_node(lv, sc->nid))
		return SHRINK_EMPTY;
	node = &lv->nodes[index_of(lv, sc->nid)];
	nr = shrink_lruvec_objects(node);
	if (!atomic_load_explicit(&lv->swappiness, memory_order_relaxed))
		nr = lruvec_nr(node, SHRINK_KIND_CLEAN, SHRINK_ACTIVE) +
		     lruvec_nr(node, SHRINK_KIND_CLEAN, SHRINK_INACTIVE);
	return nr ? (unsigned long)nr : SHRINK_EMPTY;
}

unsigned long shrink_lruvec_scan(struct shrink_lruvec *lv, struct shrink_control *sc)
{
	uint64_t part[SHRINK_KINDS];
	struct lruvec_walk w;

	if (!good_node(lv, sc->nid))
		return SHRINK_STOP;
	begin(&w, lv, index_of(lv, sc->nid), sc->gfp_mask);
	split(&w, sc->nr_to_scan, part);
	walk_parts(&w, part, sc->deadline_nsec);
	shrink_lruvec_walk_done(&w);
	/* where the inactive list is dry, active ones were looked at in its place */
	sc->nr_scanned = (unsigned long)(w.res.scanned ? w.res.scanned : w.res.active_scanned);
	sc->bytes_freed = w.res.bytes_freed;
	sc->nr_pending = (unsigned long)w.res.pending;
	sc->bytes_pending = w.res.bytes_pending;
	if (!sc->nr_scanned || (w.taken && w.res.locked == w.taken))
		return SHRINK_STOP;
	return (unsigned long)w.res.freed;
}

/* shrink_context.current is the callback that this thread is in: evict() asked by a
 * scan must not evict, since it holds a node's lock. */
static int may_walk(const struct shrink_lruvec *lv, int nid)
{
	if (!good_node(lv, nid))
		return -EINVAL;
	return shrink_context.current == shrinker_impl(lv->shrinker) ? -EDEADLK : 0;
}

static long answer(struct lruvec_walk *w, struct shrink_lruvec_result *ret_result, size_t size)
{
	shrink_lruvec_walk_done(w);
	shrink_lruvec_note_pending(w);
	if (ret_result && size) {
		memset(ret_result, 0, size);
		memcpy(ret_result, &w->res, size < sizeof(w->res) ? size : sizeof(w->res));
	}
	return (long)w->res.freed;
}

long shrink_lruvec_evict(struct shrink_lruvec *lv, int nid, shrink_gfp_t gfp, unsigned long nr,
			 struct shrink_lruvec_result *ret_result, size_t size)
{
	uint64_t left, n, part[SHRINK_KINDS];
	int r = may_walk(lv, nid), dry = 0;
	struct lruvec_walk w;

	if (r < 0)
		return r;
	begin(&w, lv, index_of(lv, nid), gfp);
	w.goal = nr;
	left = 2 * shrink_lruvec_objects(w.node) + 1;
	while (nr && left && !met(&w)) {
		uint64_t want = nr - (w.res.freed + w.res.pending);

		split(&w, want, part);
		n = walk_parts(&w, part, 0);
		/* less than one of each kind: the carry has grown, the next split gives */
		if (!n && ++dry > DRY_MAX)
			break;
		left = shrink_sub_u64(left, n);
	}
	return answer(&w, ret_result, size);
}

static void counts(struct lruvec_walk *w, int priority, uint64_t part[SHRINK_KINDS])
{
	uint64_t nr[SHRINK_KINDS][SHRINK_LISTS];
	struct shrink_balance_in in;

	pthread_mutex_lock(&w->node->lock);
	balance_in(w, priority, &in);
	pthread_mutex_unlock(&w->node->lock);
	shrink_balance_counts(&in, nr);
	/* the active list's part is looked at as far as deactivation needs it */
	for (int kind = 0; kind < SHRINK_KINDS; kind++)
		part[kind] = nr[kind][SHRINK_INACTIVE] ? nr[kind][SHRINK_INACTIVE]
						       : nr[kind][SHRINK_ACTIVE];
}

long shrink_lruvec_reclaim(struct shrink_lruvec *lv, int nid, shrink_gfp_t gfp, int priority,
			   unsigned long goal, struct shrink_lruvec_result *ret_result, size_t size)
{
	uint64_t part[SHRINK_KINDS];
	int r = may_walk(lv, nid);
	struct lruvec_walk w;

	if (r < 0)
		return r;
	begin(&w, lv, index_of(lv, nid), gfp);
	w.goal = goal;
	counts(&w, (int)shrink_clamp_u64((uint64_t)(priority < 0 ? 0 : priority), 0,
					 SHRINK_DEF_PRIORITY), part);
	walk_parts(&w, part, 0);
	return answer(&w, ret_result, size);
}

unsigned int shrink_lruvec_throttle(const struct shrink_lruvec *lv, int nid)
{
	if (!good_node(lv, nid))
		return 0;
	return atomic_load_explicit(&lv->nodes[index_of(lv, nid)].throttle, memory_order_relaxed);
}

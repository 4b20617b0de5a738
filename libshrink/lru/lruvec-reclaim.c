// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* How much of which list of one group: by budget (the shrinker's scan, a full cache) or
 * by priority (the kernel's step). */
#include <errno.h>
#include <string.h>

#include <libshrink/core/core.h>
#include <libshrink/lru/lruvec.h>
#include <libshrink/os/clock.h>

/* Splits in a row that give nothing: rounding takes two, an empty list all. */
#define DRY_MAX 4

void shrink_lruvec_walk_begin(struct lruvec_walk *w, struct shrink_lruvec *lv,
			      struct lruvec_node *node, shrink_gfp_t gfp)
{
	memset(w, 0, sizeof(*w));
	w->lv = lv;
	w->node = node;
	w->memcg = atomic_load_explicit(&node->memcg, memory_order_acquire);
	w->ask.gfp_mask = gfp;
	w->ask.nid = node->nid;
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

	part[0] = part[1] = 0;
	if (!shrink_lruvec_walk_lock(w))
		return;
	balance_in(w, priority_of(shrink_lruvec_objects(w->node), budget), &in);
	shrink_balance(&in, &b);
	for (int kind = 0; kind < SHRINK_KINDS; kind++) {
		has[kind] = b.share[kind] ? in.size[kind][0] + in.size[kind][1] : 0;
		part[kind] = shrink_balance_part(budget, b.share[kind], b.denominator,
						 &w->node->carry[kind]);
	}
	shrink_lruvec_unlock(w->node);
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

static struct lruvec_node *own(struct shrink_lruvec *lv, const struct shrink_control *sc)
{
	if (!shrink_lruvec_good_node(lv, sc->nid))
		return NULL;
	return shrink_lruvec_own(lv, sc->memcg, shrink_lruvec_slot(lv, sc->nid));
}

/* SHRINK_EMPTY clears the group's bit, so it is said of no objects at all only: those in
 * a walk's hand count, and those that must not be written out, too. */
unsigned long shrink_lruvec_count(struct shrink_lruvec *lv, struct shrink_control *sc)
{
	struct lruvec_node *node = own(lv, sc);
	uint64_t nr = node ? shrink_lruvec_objects(node) : 0;

	if (!nr)
		return SHRINK_EMPTY;
	if (!atomic_load_explicit(&lv->swappiness, memory_order_relaxed))
		nr = lruvec_nr(node, SHRINK_KIND_CLEAN, SHRINK_ACTIVE) +
		     lruvec_nr(node, SHRINK_KIND_CLEAN, SHRINK_INACTIVE);
	return (unsigned long)nr;
}

unsigned long shrink_lruvec_scan(struct shrink_lruvec *lv, struct shrink_control *sc)
{
	struct lruvec_node *node = own(lv, sc);
	uint64_t part[SHRINK_KINDS];
	struct lruvec_walk w;

	if (!node)
		return SHRINK_STOP;
	shrink_lruvec_walk_begin(&w, lv, node, sc->gfp_mask);
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

uint64_t shrink_lruvec_walk_for(struct lruvec_walk *w, uint64_t budget)
{
	uint64_t part[SHRINK_KINDS], n = 0;

	/* less than one of each kind: the carry has grown, the next split gives */
	for (int dry = 0; !n && !met(w) && dry <= DRY_MAX; dry++) {
		split(w, budget, part);
		n = walk_parts(w, part, 0);
	}
	return n;
}

static void counts(struct lruvec_walk *w, int priority, uint64_t part[SHRINK_KINDS])
{
	uint64_t nr[SHRINK_KINDS][SHRINK_LISTS];
	struct shrink_balance_in in;

	part[0] = part[1] = 0;
	if (!shrink_lruvec_walk_lock(w))
		return;
	balance_in(w, priority, &in);
	shrink_lruvec_unlock(w->node);
	shrink_balance_counts(&in, nr);
	/* the active list's part is looked at as far as deactivation needs it */
	for (int kind = 0; kind < SHRINK_KINDS; kind++)
		part[kind] = nr[kind][SHRINK_INACTIVE] ? nr[kind][SHRINK_INACTIVE]
						       : nr[kind][SHRINK_ACTIVE];
}

void shrink_lruvec_walk_at(struct lruvec_walk *w, int priority)
{
	uint64_t part[SHRINK_KINDS];

	counts(w, priority, part);
	walk_parts(w, part, 0);
}

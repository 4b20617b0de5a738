// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The walk: what happens to an object at the end of its list. */
#include <shrink/fast.h>
#include <libshrink/core/core.h>
#include <libshrink/lru/lruvec.h>
#include <libshrink/lru/workingset.h>

static void promote(struct lruvec_walk *w, struct shrink_lruvec_item *item, int kind)
{
	w->res.activated++;
	shrink_lgroup_tick(w->node->group, w->node->nid, 1);
	shrink_lruvec_put(w->node, item, kind, SHRINK_ACTIVE, false);
}

static void gone(struct lruvec_walk *w, struct shrink_lruvec_item *item, int list, bool pending)
{
	uint64_t bytes = w->ask.bytes ? w->ask.bytes : w->lv->o.object_size;
	unsigned int flags = w->ask.aged ? SHRINK_GHOST_AGED : 0;

	/* active now, or once: that it comes back will say that the cache thrashes */
	if (list == SHRINK_ACTIVE || item->flags & LRUVEC_WORKINGSET)
		flags |= SHRINK_GHOST_ACTIVE;
	if (w->lv->ws)
		shrink_ws_evict(w->lv->ws, item->hash, w->node->nid, w->node->group, flags);
	shrink_lruvec_left(w->node);
	if (pending) {
		w->res.pending++;
		w->res.bytes_pending += bytes;
		return;
	}
	w->res.freed++;
	w->res.bytes_freed += bytes;
	item->next = w->dispose;
	w->dispose = item;
}

/* In write-back: the first time round reclaim marks it, the second it has waited for
 * it in vain. */
static void in_writeback(struct lruvec_walk *w, struct shrink_lruvec_item *item)
{
	if (item->flags & LRUVEC_RECLAIM)
		w->res.immediate++;
	else
		w->res.writeback++;
	item->flags |= LRUVEC_RECLAIM;
}

static enum shrink_lruvec_outcome write_out(struct lruvec_walk *w, struct shrink_lruvec_item *item)
{
	struct shrink_lruvec *lv = w->lv;

	if (!lv->o.write_out || !(w->ask.gfp_mask & SHRINK_GFP_IO))
		return SHRINK_LRUVEC_IS_DIRTY;
	return lv->o.write_out(lv->o.arg, item, &w->ask);
}

static enum shrink_lruvec_outcome ask(struct lruvec_walk *w, struct shrink_lruvec_item *item)
{
	enum shrink_lruvec_outcome r;

	w->ask.bytes = 0;
	w->taken++;
	shrink_context.under_list++;
	r = w->lv->o.evict(w->lv->o.arg, item, &w->ask);
	if (r == SHRINK_LRUVEC_IS_DIRTY)
		r = write_out(w, item);
	shrink_context.under_list--;
	return r;
}

/* It stays: counted by reason. */
static void stays(struct lruvec_walk *w, struct shrink_lruvec_item *item,
		  enum shrink_lruvec_outcome why)
{
	if (why == SHRINK_LRUVEC_WRITEBACK) {
		in_writeback(w, item);
	} else if (why == SHRINK_LRUVEC_QUEUED) {
		item->flags |= LRUVEC_RECLAIM;
		w->res.queued++;
	} else if (why == SHRINK_LRUVEC_IS_DIRTY) {
		w->res.dirty++;
	} else {
		w->res.locked++;
	}
}

void shrink_lruvec_ask_one(struct lruvec_walk *w, struct shrink_lruvec_item *item, int kind,
			   int list)
{
	enum shrink_lruvec_outcome r = ask(w, item);

	if (r == SHRINK_LRUVEC_FREED || r == SHRINK_LRUVEC_PENDING) {
		gone(w, item, list, r == SHRINK_LRUVEC_PENDING);
	} else if (r == SHRINK_LRUVEC_ACTIVATE) {
		promote(w, item, kind);
	} else {
		stays(w, item, r);
		shrink_lruvec_put(w->node, item, kind, list, false);
	}
}

static void inactive_one(struct lruvec_walk *w, struct shrink_lruvec_item *item, int kind)
{
	w->res.scanned++;
	shrink_lruvec_take(w->node, item);
	if (!shrink_lruvec_was_used(item)) {
		shrink_lruvec_ask_one(w, item, kind, SHRINK_INACTIVE);
	} else if (item->flags & LRUVEC_UNUSED) {
		item->flags &= (unsigned char)~LRUVEC_UNUSED;
		w->res.kept_once++;
		shrink_lruvec_put(w->node, item, kind, SHRINK_INACTIVE, false);
	} else {
		promote(w, item, kind);
	}
}

/* The oldest of a stale active list: it goes unless it was used just now. */
static void stale_one(struct lruvec_walk *w, struct shrink_lruvec_item *item, int kind)
{
	bool used = shrink_fast_test_clear(&item->mark);

	w->res.scanned++;
	item->flags &= (unsigned char)~LRUVEC_USED;
	shrink_lruvec_take(w->node, item);
	if (used) {
		w->res.rotated++;
		shrink_pulse_note(&w->node->pulse[kind], SHRINK_ACTIVE, true,
				  lruvec_nr(w->node, kind, SHRINK_ACTIVE));
		shrink_lruvec_put(w->node, item, kind, SHRINK_ACTIVE, false);
		return;
	}
	w->res.stale++;
	shrink_lruvec_ask_one(w, item, kind, SHRINK_ACTIVE);
}

void shrink_lruvec_shrink_active(struct lruvec_walk *w, int kind, uint64_t nr)
{
	struct lruvec_list *l = lruvec_list(w->node, kind, SHRINK_ACTIVE);
	uint64_t rotated = 0;

	nr = shrink_min_u64(nr, lruvec_nr(w->node, kind, SHRINK_ACTIVE));
	for (uint64_t i = 0; i < nr; i++) {
		struct shrink_lruvec_item *item = l->head.prev;
		bool used = shrink_lruvec_was_used(item);

		shrink_lruvec_take(w->node, item);
		shrink_lruvec_put(w->node, item, kind, used ? SHRINK_ACTIVE : SHRINK_INACTIVE,
				  false);
		rotated += used;
	}
	w->res.active_scanned += nr;
	w->res.rotated += rotated;
	w->res.deactivated += nr - rotated;
	if (rotated)
		shrink_lruvec_note_cost(w->node, kind, rotated);
}

bool shrink_lruvec_is_low(struct shrink_lruvec *lv, struct lruvec_node *node, int kind)
{
	uint64_t inactive = lruvec_nr(node, kind, SHRINK_INACTIVE);
	uint64_t active = lruvec_nr(node, kind, SHRINK_ACTIVE);

	return shrink_inactive_is_low(inactive, active,
				      shrink_mul_div(inactive + active, lv->o.object_size, 1));
}

static bool met(const struct lruvec_walk *w)
{
	return w->goal && w->res.freed + w->res.pending >= w->goal;
}

/* One object: the next to be judged of those that may go, each once. False: there is
 * none. */
static bool next_one(struct lruvec_walk *w, int kind, uint64_t left[SHRINK_LISTS])
{
	struct lruvec_list *inactive = lruvec_list(w->node, kind, SHRINK_INACTIVE);
	struct shrink_lruvec_item *stale =
		left[SHRINK_ACTIVE] ? shrink_lruvec_stale(w->node, kind) : NULL;

	if (stale) {
		left[SHRINK_ACTIVE]--;
		stale_one(w, stale, kind);
		return true;
	}
	if (!left[SHRINK_INACTIVE])
		return false;
	left[SHRINK_INACTIVE]--;
	inactive_one(w, inactive->head.prev, kind);
	return true;
}

static void chunk(struct lruvec_walk *w, int kind, uint64_t nr)
{
	uint64_t gone = w->res.freed + w->res.pending, left[SHRINK_LISTS];

	if (shrink_lruvec_is_low(w->lv, w->node, kind) && !shrink_lruvec_stale(w->node, kind))
		shrink_lruvec_shrink_active(w, kind, nr);
	for (int list = 0; list < SHRINK_LISTS; list++)
		left[list] = lruvec_nr(w->node, kind, list);
	for (uint64_t i = 0; i < nr && !met(w) && next_one(w, kind, left); i++)
		;
	if (w->lv->ws)
		shrink_lruvec_scout(w->node, kind, w->res.freed + w->res.pending - gone);
}

uint64_t shrink_lruvec_chunk(struct lruvec_walk *w, int kind, uint64_t nr)
{
	uint64_t before = w->res.scanned + w->res.active_scanned;

	if (!shrink_lruvec_walk_lock(w))
		return 0;
	chunk(w, kind, shrink_min_u64(nr, SHRINK_LRUVEC_CHUNK));
	shrink_lruvec_unlock(w->node);
	shrink_lruvec_dispose(w);
	return w->res.scanned + w->res.active_scanned - before;
}

void shrink_lruvec_dispose(struct lruvec_walk *w)
{
	while (w->dispose) {
		struct shrink_lruvec_item *item = w->dispose;

		w->dispose = item->next;
		item->next = NULL;
		w->lv->o.free(w->lv->o.arg, item);
	}
}

void shrink_lruvec_note_pending(struct lruvec_walk *w)
{
	struct shrinker_impl *s = shrinker_impl(w->lv->shrinker);
	struct shrinker_node *slot = shrinker_slot(s, w->ask.nid);
	uint64_t bytes = w->res.bytes_pending;

	if (!w->res.pending)
		return;
	if (!bytes)
		bytes = shrink_mul_div(w->res.pending, shrinker_object_bytes(s), 1);
	atomic_fetch_add_explicit(&slot->pending_objects, (int64_t)w->res.pending,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&slot->pending_bytes, (int64_t)bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&shrink_core_stats.pending_bytes, (int64_t)bytes,
				  memory_order_relaxed);
}

void shrink_lruvec_result_add(struct shrink_lruvec_result *to,
			      const struct shrink_lruvec_result *from)
{
	to->scanned += from->scanned;
	to->freed += from->freed;
	to->bytes_freed += from->bytes_freed;
	to->pending += from->pending;
	to->bytes_pending += from->bytes_pending;
	to->activated += from->activated;
	to->kept_once += from->kept_once;
	to->locked += from->locked;
	to->writeback += from->writeback;
	to->dirty += from->dirty;
	to->queued += from->queued;
	to->immediate += from->immediate;
	to->active_scanned += from->active_scanned;
	to->rotated += from->rotated;
	to->deactivated += from->deactivated;
	to->stale += from->stale;
	to->throttle |= from->throttle;
}

void shrink_lruvec_walk_done(struct lruvec_walk *w)
{
	struct shrink_balance_seen seen = {
		.taken = w->taken,
		.dirty = w->res.dirty,
		.queued = w->res.queued,
		.writeback = w->res.writeback,
		.immediate = w->res.immediate,
	};

	w->res.throttle = shrink_balance_throttle(&seen);
	if (w->taken)
		atomic_store_explicit(&w->lv->throttle[w->node->nid], w->res.throttle,
				      memory_order_relaxed);
	/* where the group has ended its account is the root's, wherever it went */
	if (!shrink_lruvec_walk_lock(w)) {
		w->node = lruvec_at(w->lv, w->lv->groups.root, w->node->nid);
		pthread_mutex_lock(&w->node->lock);
	}
	shrink_lruvec_result_add(&w->node->total, &w->res);
	shrink_lruvec_unlock(w->node);
}

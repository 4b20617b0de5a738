// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The walk: what happens to an object at the end of its list. */
#include <shrink/fast.h>
#include <libshrink/core/core.h>
#include <libshrink/lru/lruvec.h>
#include <libshrink/lru/workingset.h>

static void clock_forward(struct lruvec_walk *w, unsigned int nid)
{
	if (w->lv->ws)
		shrink_workingset_promoted(w->lv->ws, (int)nid, 1);
}

static void promote(struct lruvec_walk *w, struct shrink_lruvec_item *item, int kind)
{
	w->res.activated++;
	clock_forward(w, item->nid);
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
		shrink_ws_evict(w->lv->ws, item->hash, item->nid, item->group, flags);
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
	r = w->lv->o.evict(w->lv->o.arg, item, &w->ask);
	return r == SHRINK_LRUVEC_IS_DIRTY ? write_out(w, item) : r;
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
	if (!shrink_fast_test_clear(&item->mark)) {
		shrink_lruvec_ask_one(w, item, kind, SHRINK_INACTIVE);
	} else if (item->flags & LRUVEC_UNUSED) {
		item->flags &= (unsigned char)~LRUVEC_UNUSED;
		w->res.kept_once++;
		shrink_lruvec_put(w->node, item, kind, SHRINK_INACTIVE, false);
	} else {
		promote(w, item, kind);
	}
}

void shrink_lruvec_shrink_active(struct lruvec_walk *w, int kind, uint64_t nr)
{
	struct lruvec_list *l = lruvec_list(w->node, kind, SHRINK_ACTIVE);
	uint64_t rotated = 0;

	nr = shrink_min_u64(nr, lruvec_nr(w->node, kind, SHRINK_ACTIVE));
	for (uint64_t i = 0; i < nr; i++) {
		struct shrink_lruvec_item *item = l->head.prev;
		bool used = shrink_fast_test_clear(&item->mark);

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

uint64_t shrink_lruvec_chunk(struct lruvec_walk *w, int kind, uint64_t nr)
{
	struct lruvec_list *l = lruvec_list(w->node, kind, SHRINK_INACTIVE);
	uint64_t before = w->res.scanned + w->res.active_scanned, n;

	nr = shrink_min_u64(nr, SHRINK_LRUVEC_CHUNK);
	pthread_mutex_lock(&w->node->lock);
	if (shrink_lruvec_is_low(w->lv, w->node, kind))
		shrink_lruvec_shrink_active(w, kind, nr);
	n = shrink_min_u64(nr, lruvec_nr(w->node, kind, SHRINK_INACTIVE));
	for (uint64_t i = 0; i < n && !met(w); i++)
		inactive_one(w, l->head.prev, kind);
	pthread_mutex_unlock(&w->node->lock);
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
		atomic_store_explicit(&w->node->throttle, w->res.throttle, memory_order_relaxed);
	pthread_mutex_lock(&w->node->lock);
	shrink_lruvec_result_add(&w->node->total, &w->res);
	pthread_mutex_unlock(&w->node->lock);
}

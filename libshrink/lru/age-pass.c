// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The pass: the hands, and what they find. */
#include <libshrink/lru/age.h>

static uint32_t tick_now(const struct shrink_age *age)
{
	return __atomic_load_n(&age->fast.stamp, __ATOMIC_RELAXED) >> SHRINK_FAST_AGE_SHIFT;
}

void shrink_age_added(struct shrink_age *age, struct shrink_lruvec_item *item, bool refaulted)
{
	uint32_t stamp = __atomic_load_n(&age->fast.stamp, __ATOMIC_RELAXED);

	__atomic_store_n(&item->stamp, stamp, __ATOMIC_RELAXED);
	item->since = stamp >> SHRINK_FAST_AGE_SHIFT;
	item->temperature = refaulted ? SHRINK_REFAULTED : SHRINK_WARM;
	if (refaulted) {
		pthread_mutex_lock(&age->stats_lock);
		age->stats.to_refaulted++;
		pthread_mutex_unlock(&age->stats_lock);
	}
}

static void count_change(struct shrink_age_stats *st, enum shrink_temperature to)
{
	st->to_hot += to == SHRINK_HOT;
	st->to_warm += to == SHRINK_WARM;
	st->to_cold += to == SHRINK_COLD;
	st->to_refaulted += to == SHRINK_REFAULTED;
}

/* Node lock held. */
static enum shrink_temperature look(struct shrink_age *age, struct shrink_lruvec_item *item,
				    struct shrink_age_stats *st)
{
	uint32_t stamp = __atomic_load_n(&item->stamp, __ATOMIC_RELAXED);
	struct shrink_temperature_in in = {
		.was = (enum shrink_temperature)item->temperature,
		.now = tick_now(age),
		.used = stamp >> SHRINK_FAST_AGE_SHIFT,
		.hits = stamp & ((1u << SHRINK_FAST_AGE_SHIFT) - 1),
		.since = item->since,
	};
	enum shrink_temperature is = shrink_temperature(&age->rules, &in);

	st->looked++;
	age->seen[is]++;
	if (is == SHRINK_REFAULTED && shrink_ticks(in.now, in.used) >= age->rules.cold_ticks &&
	    shrink_ticks(in.now, in.used) <= SHRINK_TICK_MASK / 2)
		st->immune++;
	if (is != in.was) {
		count_change(st, is);
		item->temperature = (unsigned char)is;
		item->since = in.now;
	}
	return is;
}

/* Node lock held: asks a cold one to go. */
static void ask_cold(struct shrink_age *age, struct lruvec_walk *w,
		     struct shrink_lruvec_item *item, struct shrink_age_stats *st)
{
	int kind = lruvec_kind_of(item), list = lruvec_list_of(item);

	if (w->res.freed + w->res.pending >= age->max_free) {
		st->limited++;
		return;
	}
	st->asked++;
	shrink_lruvec_take(w->node, item);
	shrink_lruvec_ask_one(w, item, kind, list);
}

/* Looks at up to @nr of a list, from its hand on. Takes and drops the lock. */
static uint64_t look_chunk(struct shrink_age *age, struct lruvec_walk *w, struct lruvec_list *l,
			   uint64_t nr, struct shrink_age_stats *st)
{
	uint64_t n = 0;

	if (!shrink_lruvec_walk_lock(w))
		return 0;
	if (l->hand == &l->head)
		l->hand = l->head.prev;
	while (n < nr && l->hand != &l->head) {
		struct shrink_lruvec_item *item = l->hand;

		l->hand = item->prev;
		n++;
		if (look(age, item, st) == SHRINK_COLD)
			ask_cold(age, w, item, st);
	}
	shrink_lruvec_unlock(w->node);
	shrink_lruvec_dispose(w);
	return n;
}

/* Each list's part of @nr is its part of the objects. */
static uint64_t look_lists(struct shrink_age *age, struct lruvec_walk *w, uint64_t nr,
			   struct shrink_age_stats *st)
{
	uint64_t all = shrink_lruvec_objects(w->node), looked = 0;

	for (int i = 0; i < SHRINK_KINDS * SHRINK_LISTS; i++) {
		struct lruvec_list *l = lruvec_list(w->node, i >> 1, i & 1);
		uint64_t has = lruvec_nr(w->node, i >> 1, i & 1);
		uint64_t part = shrink_min_u64(shrink_mul_div(nr, has, all) + 1, has);

		while (part) {
			uint64_t chunk = shrink_min_u64(part, SHRINK_LRUVEC_CHUNK);
			uint64_t n = look_chunk(age, w, l, chunk, st);

			looked += n;
			/* fewer: it is at the young end, and has come round */
			part = n < chunk ? 0 : part - n;
		}
	}
	return looked;
}

static void add_up(struct shrink_age *age, const struct lruvec_walk *w,
		   const struct shrink_age_stats *st)
{
	struct shrink_age_stats *to = &age->stats;

	pthread_mutex_lock(&age->stats_lock);
	to->looked += st->looked;
	to->to_hot += st->to_hot;
	to->to_warm += st->to_warm;
	to->to_cold += st->to_cold;
	to->to_refaulted += st->to_refaulted;
	to->asked += st->asked;
	to->immune += st->immune;
	to->limited += st->limited;
	to->freed += w->res.freed;
	to->bytes_freed += w->res.bytes_freed;
	to->pending += w->res.pending;
	to->in_use += w->res.activated;
	to->locked += w->res.locked;
	to->dirty += w->res.dirty;
	to->queued += w->res.queued;
	to->writeback += w->res.writeback;
	to->immediate += w->res.immediate;
	pthread_mutex_unlock(&age->stats_lock);
}

/* The group whose objects are looked at now: each in turn, as long as it takes to look
 * at as many as it had when its turn came. NULL: there are none anywhere. */
static struct lruvec_node *whose_turn(struct shrink_age *age, int nid)
{
	unsigned int *at = &age->tour[nid].at;
	struct lruvec_node *node;

	if (!age->tour[nid].left)
		++*at;
	node = shrink_lruvec_next(age->lv, at, nid, NULL);
	if (!node) {
		*at = 0;
		node = shrink_lruvec_next(age->lv, at, nid, NULL);
	}
	if (node && !age->tour[nid].left)
		age->tour[nid].left = shrink_lruvec_objects(node);
	return node;
}

/* Up to @nr of one group. Objects looked at. */
static uint64_t look_group(struct shrink_age *age, struct shrink_control *sc, int nid, uint64_t nr)
{
	struct lruvec_node *node = whose_turn(age, nid);
	struct shrink_age_stats st = {0};
	struct lruvec_walk w;
	uint64_t looked;

	if (!node)
		return 0;
	shrink_lruvec_walk_begin(&w, age->lv, node, sc->gfp_mask);
	w.ask.aged = 1;
	nr = shrink_min_u64(nr, age->tour[nid].left);
	looked = look_lists(age, &w, nr, &st);
	age->tour[nid].left = looked < nr ? 0 : age->tour[nid].left - nr;
	shrink_lruvec_walk_done(&w);
	shrink_lruvec_note_pending(&w);
	add_up(age, &w, &st);
	age->max_free = shrink_sub_u64(age->max_free, w.res.freed + w.res.pending);
	sc->bytes_freed += w.res.bytes_freed;
	sc->nr_scanned += (unsigned long)looked;
	age->freed_scan += w.res.freed;
	return looked;
}

unsigned long shrink_age_scan(struct shrinker *s, struct shrink_control *sc)
{
	struct shrink_age *age = s->private_data;
	unsigned int barren = 0;

	sc->nr_scanned = 0;
	age->freed_scan = 0;
	while (sc->nr_scanned < sc->nr_to_scan && barren <= shrink_lruvec_groups(age->lv)) {
		uint64_t n = look_group(age, sc, shrink_lruvec_slot(age->lv, sc->nid),
					sc->nr_to_scan - sc->nr_scanned);

		barren = n ? 0 : barren + 1;
	}
	age->toured += sc->nr_scanned;
	if (!sc->nr_scanned)
		sc->nr_scanned = sc->nr_to_scan;
	return (unsigned long)age->freed_scan;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/pool/magazine.h>

/* What the entry at @offset of a magazine of this class stands for. */
struct round {
	struct pool_slab *slab;
	_Atomic uint64_t *word; /* of cached */
	uint64_t bit;
	unsigned int place;
};

static inline struct round round_at(struct shrink_pool *pool, const struct shrink_class_geometry *g,
			     size_t offset)
{
	size_t within = offset & (((size_t)1 << g->stride) - 1);
	struct round r = {.slab = pool_slab_at(pool, offset - within)};

	r.place = shrink_class_index(g, within);
	r.word = &pool_places(pool, r.slab, g->nr).cached[r.place / 64];
	r.bit = UINT64_C(1) << r.place % 64;
	return r;
}

/* The bit that a stale entry stood for was set by somebody else, for a place of the
 * slab that is there now. It is ours, which pins the slab: free it as what it is. */
static void put_back(struct shrink_pool *pool, struct round *r)
{
	uint32_t tag = load_relaxed(&r->slab->tag);
	struct pool_class *class = &pool->classes[tag >> 8];
	enum pool_aftermath after;

	pthread_mutex_lock(pool_class_lock(pool, tag >> 8));
	after = shrink_pool_free_locked(pool, r->slab, tag, (size_t)r->place * class->geo.size);
	pthread_mutex_unlock(pool_class_lock(pool, tag >> 8));
	if (after == AFTER_GIVE || after == AFTER_GIVE_PENDING)
		shrink_pool_give_slab(pool, r->slab, after == AFTER_GIVE_PENDING);
}

/* Is the place that the entry stands for still there? Then it is the caller's. */
static int take(struct shrink_pool *pool, struct pool_magazines *set, unsigned int index,
		size_t offset)
{
	struct round r = round_at(pool, &pool->classes[index].geo, offset);
	unsigned int actual;
	uint64_t old;

	/* Pairs with the release of who set it: the place's last user is done */
	old = atomic_fetch_and_explicit(r.word, ~r.bit, memory_order_acquire);
	if (!(old & r.bit))
		return 0;
	actual = load_relaxed(&r.slab->tag) >> 8;
	store_relaxed(&set->held[actual], load_relaxed(&set->held[actual]) - 1);
	if (actual == index)
		return 1;
	put_back(pool, &r);
	return 0;
}

size_t shrink_pool_magazine_pop(struct shrink_pool *pool, struct pool_magazines *set,
				unsigned int index)
{
	struct pool_magazine *m = &set->magazine[index];

	while (m->nr) {
		size_t offset = m->rounds[--m->nr];

		if (take(pool, set, index, offset))
			return offset;
	}
	return SIZE_MAX;
}

/* Slabs that flush found empty, to be given once the lock is dropped. */
struct leaving {
	struct pool_slab *slab[MAGAZINE_ROUNDS];
	int was_pending[MAGAZINE_ROUNDS];
	unsigned int nr;
};

static void free_round(struct shrink_pool *pool, unsigned int index, size_t offset,
		       struct leaving *leaving)
{
	struct round r = round_at(pool, &pool->classes[index].geo, offset);
	uint32_t tag = load_relaxed(&r.slab->tag);
	enum pool_aftermath after;

	after = shrink_pool_free_locked(pool, r.slab, tag,
					(size_t)r.place * pool->classes[index].geo.size);
	if (after != AFTER_GIVE && after != AFTER_GIVE_PENDING)
		return;
	leaving->was_pending[leaving->nr] = after == AFTER_GIVE_PENDING;
	leaving->slab[leaving->nr++] = r.slab;
}

/* The @nr oldest go back to their slabs: taken first, as that may need another class's
 * lock, then all of them freed under one lock. */
static void flush(struct shrink_pool *pool, struct pool_magazines *set, unsigned int index,
		  unsigned int nr)
{
	struct pool_magazine *m = &set->magazine[index];
	size_t ours[MAGAZINE_ROUNDS];
	struct leaving leaving = {.nr = 0};
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr; i++)
		if (take(pool, set, index, m->rounds[i]))
			ours[n++] = m->rounds[i];
	m->nr -= nr;
	for (unsigned int i = 0; i < m->nr; i++)
		m->rounds[i] = m->rounds[i + nr];
	if (!n)
		return;
	pthread_mutex_lock(pool_class_lock(pool, index));
	for (unsigned int i = 0; i < n; i++)
		free_round(pool, index, ours[i], &leaving);
	pthread_mutex_unlock(pool_class_lock(pool, index));
	for (unsigned int i = 0; i < leaving.nr; i++)
		shrink_pool_give_slab(pool, leaving.slab[i], leaving.was_pending[i]);
}

int shrink_pool_magazine_push(struct shrink_pool *pool, struct pool_magazines *set,
			      struct pool_slab *slab, uint32_t tag, size_t offset)
{
	unsigned int index = tag >> 8;
	struct pool_magazine *m = &set->magazine[index];
	size_t at = pool_slab_offset(pool, slab) + offset;
	struct pool_class *class = &pool->classes[index];
	struct round r = round_at(pool, &class->geo, at);
	struct pool_places places = pool_places(pool, slab, class->geo.nr);

	__builtin_prefetch(r.word, 1); /* while alloc, on another line, is looked at */
	if (r.place >= class->geo.nr || (size_t)r.place * class->geo.size != offset ||
	    !(load_relaxed(&places.alloc[r.place / 64]) & r.bit) || load_relaxed(r.word) & r.bit)
		return AFTER_MISUSE;
	/* one that is pending is counted: under the lock. Written before the tag was */
	if (load_relaxed(&slab->nr_pending))
		return -1;
	if (m->nr == m->max)
		flush(pool, set, index, m->max / 2);
	pool_zero_head(pool->data + at);
	/* Release: what this thread did to the object is over when the bit is seen */
	if (atomic_fetch_or_explicit(r.word, r.bit, memory_order_release) & r.bit)
		return AFTER_MISUSE;
	store_relaxed(&set->held[index], load_relaxed(&set->held[index]) + 1);
	m->rounds[m->nr++] = at;
	return AFTER_NOTHING;
}

void shrink_pool_magazine_fill(struct shrink_pool *pool, struct pool_magazines *set,
			       unsigned int index)
{
	struct pool_magazine *m = &set->magazine[index];
	struct pool_class *class = &pool->classes[index];
	unsigned int n = 0;
	size_t offset;

	while (m->nr < m->max / 2) {
		struct round r;

		offset = shrink_pool_take_place(pool, class);
		if (offset == SIZE_MAX)
			break;
		r = round_at(pool, &class->geo, offset);
		atomic_fetch_or_explicit(r.word, r.bit, memory_order_release);
		m->rounds[m->nr++] = offset;
		n++;
	}
	/* the first taken goes out first: neighbours are born in order */
	for (unsigned int i = 0; i < n / 2; i++) {
		offset = m->rounds[m->nr - n + i];
		m->rounds[m->nr - n + i] = m->rounds[m->nr - 1 - i];
		m->rounds[m->nr - 1 - i] = offset;
	}
	store_relaxed(&set->held[index], load_relaxed(&set->held[index]) + n);
}

unsigned int shrink_pool_magazine_steal(struct shrink_pool *pool, struct pool_class *class,
					struct pool_slab *slab)
{
	struct pool_places places = pool_places(pool, slab, class->geo.nr);
	unsigned int n = 0;

	for (unsigned int w = 0; w < places.words; w++) {
		uint64_t got = load_relaxed(&places.cached[w]);

		if (!got)
			continue;
		got = atomic_exchange_explicit(&places.cached[w], 0, memory_order_acquire);
		store_relaxed(&places.alloc[w], load_relaxed(&places.alloc[w]) & ~got);
		n += (unsigned int)__builtin_popcountll(got);
	}
	store_relaxed(&slab->live, (uint16_t)(load_relaxed(&slab->live) - n));
	class->taken_objects -= n;
	class->taken_bytes -= (uint64_t)n * class->geo.size;
	class->cached -= n;
	return n;
}

void shrink_pool_magazines_flush(struct pool_magazines *set)
{
	for (unsigned int i = 0; i < MAGAZINE_CLASSES; i++)
		while (set->magazine[i].nr)
			flush(set->pool, set, i, set->magazine[i].nr);
}

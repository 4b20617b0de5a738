// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * One slab's eviction, with two lock rounds however many objects it has:
 *
 *   1  isolate: off the lists, EVICTING, so that no object is born in it; take back
 *      what magazines hold of it (magazine.h); note which objects live
 *   2  ask the application for each, without any lock, after what is worth it has
 *      moved (move.c). Its threads may free
 *      objects of the slab meanwhile; the places stay empty and the bytes mapped
 *   3  settle: clear the places of what was evicted, and see what is left
 *
 * An object may be freed between 1 and 2 and still be asked for: the callback
 * finds out under the application's own lock, as its contract says. An object
 * answered PENDING may be freed between 2 and 3: then it is simply gone.
 *
 * Pending is counted in pages, like everything the pool tells the engine: a slab
 * is pending once nothing but pending objects is left in it, and is completed
 * when the last of them is freed. So each page is reported once.
 */
#include <string.h>

#include <libshrink/pool/evict.h>
#include <libshrink/pool/guard.h>

/* Of eight objects asked, so many may answer REFERENCED, and two more at the
 * beginning, before the slab is left alone. Measured on Zipf ages with a second
 * chance of the cache's own: fewer, and slabs are given up half evicted (0.3 to 0.7
 * byte returned per byte evicted, against 0.95); more, and the chance is void. */
#define WARM_OF_8 5
#define WARM_FIRST 2

static int isolate(struct shrink_pool *pool, struct pool_round *r, uint32_t tag)
{
	struct pool_slab *slab = r->slab;
	struct pool_places places;
	int ours;

	pthread_mutex_lock(pool_class_lock(pool, tag >> 8));
	ours = load_relaxed(&slab->tag) == tag;
	if (ours) {
		shrink_pool_list_drop(pool, r->class, slab);
		store_relaxed(&slab->tag, pool_tag(tag >> 8, SLAB_EVICTING));
		shrink_pool_magazine_steal(pool, r->class, slab);
		places = pool_places(pool, slab, r->class->geo.nr);
		for (unsigned int w = 0; w < places.words; w++)
			r->asked[w] = load_relaxed(&places.alloc[w]) &
				      ~load_relaxed(&places.pending[w]);
		r->left = load_relaxed(&slab->live) - load_relaxed(&slab->nr_pending);
	}
	pthread_mutex_unlock(pool_class_lock(pool, tag >> 8));
	return ours;
}

/* One answer. Returns 0 when asking on is worth nothing: the slab would stay
 * anyway, and more would be lost by going on than was lost so far. */
static int hear(struct pool_round *r, struct pool_verdict *v, enum shrink_evict answer,
		unsigned int w, uint64_t bit)
{
	v->asked++;
	switch (answer) {
	case SHRINK_EVICTED:
		r->evicted[w] |= bit;
		v->evicted++;
		return 1;
	case SHRINK_EVICT_PENDING:
		r->pended[w] |= bit;
		v->pended++;
		return 1;
	case SHRINK_REFERENCED:
		r->referenced[w] |= bit;
		r->warm++;
		v->referenced++;
		return r->warm * 8 <= WARM_FIRST * 8 + v->asked * WARM_OF_8;
	default:
		v->busy++;
		return r->left <= v->evicted;
	}
}

static enum shrink_evict ask_one(struct shrink_pool *pool, unsigned char *object, size_t place)
{
	enum shrink_evict answer =
		pool->evict(pool->arg, object, pool_guard_size(pool, object, place));

	if (answer == SHRINK_EVICTED)
		pool_guard_end(pool, object, place, POOL_END_EVICTED);
	return answer;
}

/* The callback will look at their heads, which nobody has touched for long. */
static void fetch_heads(const unsigned char *start, size_t size, uint64_t bits)
{
	for (; bits; bits &= bits - 1)
		__builtin_prefetch(start + (size_t)__builtin_ctzll(bits) * size);
}

/* Asks for the objects in @which. Returns 0 when it gave up. */
static int ask(struct shrink_pool *pool, struct pool_round *r, struct pool_verdict *v,
	       const uint64_t *which)
{
	unsigned char *start = pool->data + pool_slab_offset(pool, r->slab);
	struct pool_places places = pool_places(pool, r->slab, r->class->geo.nr);
	size_t size = pool_object_size(pool, r->class, r->slab);

	for (unsigned int w = 0; w < places.words; w++) {
		fetch_heads(start + w * 64 * size, size, which[w]);
		for (uint64_t bits = which[w]; bits; bits &= bits - 1) {
			unsigned int place = w * 64 + (unsigned int)__builtin_ctzll(bits);
			uint64_t bit = bits & -bits;

			r->left -= r->left > 0;
			if (!(load_relaxed(&places.alloc[w]) & bit))
				continue; /* freed meanwhile */
			if (!hear(r, v, ask_one(pool, start + place * size, size), w, bit))
				return 0;
		}
	}
	return 1;
}

/* The others are gone: the second chance of these would cost the slab, so it is
 * over now. Where all were referenced they have their tour. */
static void ask_again(struct shrink_pool *pool, struct pool_round *r, struct pool_verdict *v)
{
	uint64_t again[BITS_WORDS];

	if (!r->warm || v->busy || !v->evicted)
		return;
	memcpy(again, r->referenced, sizeof(again));
	memset(r->referenced, 0, sizeof(r->referenced));
	r->left = r->warm;
	r->warm = 0;
	ask(pool, r, v, again);
}

/* The application has given us these, and freed them too: out of the magazines, where
 * they would be handed out once more. Class lock held. */
static unsigned int take_back(struct pool_class *class, _Atomic uint64_t *cached, uint64_t evicted)
{
	uint64_t bad = load_relaxed(cached) & evicted;

	if (bad)
		bad &= atomic_fetch_and_explicit(cached, ~bad, memory_order_acquire);
	class->cached -= __builtin_popcountll(bad);
	return (unsigned int)__builtin_popcountll(bad);
}

/* Clears evicted places, notes pending ones. Returns how many were not there:
 * the application freed what it had given to us. Class lock held. */
static unsigned int clear_places(struct shrink_pool *pool, struct pool_round *r)
{
	struct pool_places places = pool_places(pool, r->slab, r->class->geo.nr);
	unsigned int gone = 0, pended = 0, bad = 0;

	for (unsigned int w = 0; w < places.words; w++) {
		uint64_t alloc = load_relaxed(&places.alloc[w]), evicted = r->evicted[w] & alloc;
		uint64_t pend = r->pended[w] & alloc, moved = r->moved[w] & alloc;

		bad += (unsigned int)__builtin_popcountll(r->evicted[w] & ~alloc);
		bad += take_back(r->class, &places.cached[w], evicted | moved);
		gone += (unsigned int)__builtin_popcountll(evicted | moved);
		pended += (unsigned int)__builtin_popcountll(pend);
		store_relaxed(&places.alloc[w], alloc & ~(evicted | moved));
		store_relaxed(&places.pending[w], load_relaxed(&places.pending[w]) | pend);
	}
	store_relaxed(&r->slab->live, (uint16_t)(load_relaxed(&r->slab->live) - gone));
	store_relaxed(&r->slab->nr_pending,
		      (uint16_t)(load_relaxed(&r->slab->nr_pending) + pended));
	r->class->taken_objects -= gone;
	r->class->taken_bytes -= gone * pool_object_size(pool, r->class, r->slab);
	return bad;
}

/* The slab stays: new objects will be born where others were evicted. */
static void zero_heads(struct shrink_pool *pool, struct pool_round *r)
{
	struct pool_places places = pool_places(pool, r->slab, r->class->geo.nr);
	unsigned char *start = pool->data + pool_slab_offset(pool, r->slab);

	for (unsigned int w = 0; w < places.words; w++) {
		uint64_t bits = r->evicted[w] | r->moved[w];

		bits &= ~load_relaxed(&places.alloc[w]);
		for (; bits; bits &= bits - 1)
			pool_zero_head(start + (w * 64 + (size_t)__builtin_ctzll(bits)) *
						       r->class->geo.size);
	}
}

/* Back to use: for survivors, for newcomers, or, emptied, for the class that wants it.
 * Class lock held. */
static void reuse(struct shrink_pool *pool, struct pool_round *r, unsigned int index)
{
	zero_heads(pool, r);
	/* pairs with shrink_pool_free(), which reads nr_pending behind it */
	atomic_store_explicit(&r->slab->tag, pool_tag(index, SLAB_ACTIVE), memory_order_release);
	if (r->sheltered && !r->class->shelter)
		r->class->shelter = r->slab;
	else
		shrink_pool_list_put(pool, r->class, r->slab);
}

/* What becomes of the slab. Class lock held. */
static void dispose(struct shrink_pool *pool, struct pool_round *r, struct pool_verdict *v,
		    unsigned int index, unsigned int keep)
{
	struct pool_slab *slab = r->slab;
	unsigned int live = load_relaxed(&slab->live);

	if (!live && index != keep) {
		v->empty = 1;
		shrink_pool_slab_end(r->class, slab, index);
		return;
	}
	if (live && live == load_relaxed(&slab->nr_pending)) {
		v->pending = 1;
		add_relaxed(&pool->pending_pages, load_relaxed(&slab->pages));
		store_relaxed(&slab->tag, pool_tag(index, SLAB_PENDING));
	} else {
		reuse(pool, r, index);
	}
	if (v->busy || r->warm || r->sheltered)
		store_relaxed(&slab->heat, SHRINK_HEAT_REFUSED);
}

static void account(struct shrink_pool *pool, const struct pool_verdict *v, size_t size)
{
	add_relaxed(&pool->evicted_objects, v->evicted);
	add_relaxed(&pool->evicted_bytes, v->evicted * size);
	if (v->busy)
		add_relaxed(&pool->busy, v->busy);
	if (v->referenced)
		add_relaxed(&pool->referenced, v->referenced);
	if (v->pended)
		add_relaxed(&pool->pending, v->pended);
	if (v->moved) {
		add_relaxed(&pool->moved_objects, v->moved);
		add_relaxed(&pool->moved_bytes, v->moved * size);
	}
}

void shrink_pool_evict_slab(struct shrink_pool *pool, struct pool_slab *slab, unsigned int keep,
			    struct pool_verdict *ret_verdict)
{
	uint32_t tag = load_relaxed(&slab->tag);
	unsigned int index = tag >> 8, bad;
	struct pool_verdict v = {0};
	struct pool_round r = {.slab = slab, .class = &pool->classes[index]};

	*ret_verdict = v;
	if ((tag & 0xff) != SLAB_ACTIVE || !isolate(pool, &r, tag))
		return;
	v.pages = load_relaxed(&slab->pages);
	if (pool_class_moves(pool, &r.class->geo))
		shrink_pool_move_young(pool, &r, index, &v);
	if (ask(pool, &r, &v, r.asked))
		ask_again(pool, &r, &v);
	account(pool, &v, pool_object_size(pool, r.class, slab));
	pthread_mutex_lock(pool_class_lock(pool, index));
	bad = clear_places(pool, &r);
	dispose(pool, &r, &v, index, keep);
	pthread_mutex_unlock(pool_class_lock(pool, index));
	if (bad)
		shrink_pool_misuse_given(pool, pool->data + pool_slab_offset(pool, slab), bad);
	*ret_verdict = v;
}

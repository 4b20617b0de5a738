// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Survivors of a slab that goes move to a denser one: the role of page migration.
 *
 *   victim  [ c H c c H c c c ]      c cold: evicted     H worth keeping: moved
 *   shelter [ H H H H . . . . ] ◄──┘
 *
 * Where the class has no shelter with a free place, the victim is the next one: its
 * cold objects go, its hot ones stay, and survivors of further victims fill the holes.
 * So no memory is needed to free memory, and what was used together lies together
 * from then on: slabs of survivors are spared as a whole, slabs of newcomers go.
 *
 * Places in the shelter are taken before the application is asked, in one lock round,
 * and given back after where it refused. Meanwhile they are like objects not linked
 * yet: whoever else scans the shelter is answered BUSY.
 */
#include <libshrink/pool/evict.h>
#include <libshrink/pool/guard.h>

/* Worth a move: used since the last look, or young enough. @offset: of its start. */
static int is_young(const struct shrink_pool *pool, const struct shrink_class_geometry *g,
		    size_t offset, unsigned int scale, unsigned int keep_age)
{
	return load_relaxed((_Atomic unsigned char *)pool_mark_at(pool, offset)) ||
	       shrink_heat_scaled(load_relaxed(pool_age_at(pool, g, offset)), scale) >= keep_age;
}

/* Where half of the slab or more is holes, moving all of it gives pages back and costs no
 * hits: only what was not used in eight looks goes. */
static unsigned int keep_age(const struct shrink_pool *pool, const struct pool_round *r)
{
	return r->left * 2 <= r->class->geo.nr ? 1 : load_relaxed(&pool->keep_age);
}

/* Of the objects asked about, those worth keeping: bits in @ret; how many. */
static unsigned int choose_young(struct shrink_pool *pool, struct pool_round *r, uint64_t *ret)
{
	size_t start = pool_slab_offset(pool, r->slab);
	unsigned int n = 0, keep = keep_age(pool, r);
	unsigned int scale = pool_class_scale(pool, &r->class->geo);

	for (unsigned int w = 0; w < BITS_WORDS; w++) {
		ret[w] = 0;
		for (uint64_t bits = r->asked[w]; bits; bits &= bits - 1) {
			size_t place = w * 64 + (size_t)__builtin_ctzll(bits);

			if (is_young(pool, &r->class->geo, start + place * r->class->geo.size,
				     scale, keep))
				ret[w] |= bits & -bits;
		}
		n += (unsigned int)__builtin_popcountll(ret[w]);
	}
	return n;
}

/* The shelter's place was not needed after all. */
static void let_go(struct shrink_pool *pool, unsigned int index, size_t offset)
{
	size_t within;
	struct pool_slab *slab = shrink_pool_find(pool, pool->data + offset, &within);
	enum pool_aftermath after;

	pthread_mutex_lock(pool_class_lock(pool, index));
	after = shrink_pool_free_locked(pool, slab, pool_tag(index, SLAB_ACTIVE), within);
	pthread_mutex_unlock(pool_class_lock(pool, index));
	if (after == AFTER_GIVE || after == AFTER_GIVE_PENDING)
		shrink_pool_give_slab(pool, slab, after == AFTER_GIVE_PENDING);
}

static int move_one(struct shrink_pool *pool, const struct pool_round *r, size_t from, size_t to)
{
	const struct shrink_class_geometry *g = &r->class->geo;
	unsigned char *old = pool->data + from, *new = pool->data + to;
	size_t size = pool_guard_size(pool, old, g->size);
	int moved;

	shrink_fast_test_clear(pool_mark_at(pool, to));
	store_relaxed(pool_age_at(pool, g, to), load_relaxed(pool_age_at(pool, g, from)));
	pool_guard_born(pool, new, g->size, size);
	moved = !pool->move(pool->arg, old, new, size);
	/* where it refused it may have written there */
	pool_guard_end(pool, moved ? old : new, g->size, POOL_END_MOVED);
	if (!moved)
		pool_zero_head(new);
	return moved;
}

static unsigned int shelter_places(struct shrink_pool *pool, struct pool_round *r,
				   unsigned int index, unsigned int nr, size_t *ret)
{
	unsigned int n;

	pthread_mutex_lock(pool_class_lock(pool, index));
	n = shrink_pool_take_shelter(pool, r->class, nr, ret);
	pthread_mutex_unlock(pool_class_lock(pool, index));
	return n;
}

void shrink_pool_move_young(struct shrink_pool *pool, struct pool_round *r, unsigned int index,
			    struct pool_verdict *v)
{
	uint64_t young[BITS_WORDS];
	size_t to[SHRINK_CLASS_OBJECTS_MAX], start = pool_slab_offset(pool, r->slab);
	unsigned int nr = choose_young(pool, r, young), used = 0, have;

	if (!nr)
		return;
	have = shelter_places(pool, r, index, nr, to);
	for (unsigned int w = 0; w < BITS_WORDS; w++) {
		for (uint64_t bits = young[w]; bits; bits &= bits - 1) {
			size_t place = w * 64 + (size_t)__builtin_ctzll(bits);

			r->asked[w] &= ~(bits & -bits);
			r->left -= r->left > 0;
			if (used == have) {
				r->sheltered++;
			} else if (move_one(pool, r, start + place * r->class->geo.size,
					    to[used])) {
				r->moved[w] |= bits & -bits;
				used++;
				v->moved++;
			} else {
				v->busy++;
			}
		}
	}
	while (used < have)
		let_go(pool, index, to[used++]);
}

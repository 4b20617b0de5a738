// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The clock hand: walks the slabs in address order, so that neighbours go
 * together, and picks the cold ones. It reads without the class locks; whoever
 * takes a slab checks again under its lock.
 */
#include <libshrink/pool/slab.h>

/* A slab chosen for allocation within the last 1/16 of a cache's worth of pages
 * is still being filled. */
#define YOUNG_PART 16
#define WINDOW_MIN 1024 /* pages the heat map remembers at least */
#define KEEP_PERCENT 60 /* of the bytes met are older than what is worth a move */

static struct pool_slab *next_in_extent(struct shrink_pool *pool, const struct pool_extent *extent)
{
	unsigned int stride = load_relaxed(&extent->stride);
	uint32_t place = pool->hand_place;
	uint64_t used;

	while (stride && place < EXTENT_UNITS) {
		used = load_relaxed(&extent->used[place / 64]) >> place % 64;
		if (!used) {
			place = (place / 64 + 1) * 64;
			continue;
		}
		place += (uint32_t)__builtin_ctzll(used);
		if ((size_t)place << stride >= EXTENT_SIZE)
			break; /* was cut anew while we looked */
		pool->hand_place = place + 1;
		return pool_slab_at(pool, ((size_t)pool->hand_extent << EXTENT_SHIFT) +
						  ((size_t)place << stride));
	}
	return NULL;
}

static struct pool_slab *next_slab(struct shrink_pool *pool)
{
	uint32_t nr = atomic_load_explicit(&pool->nr_extents, memory_order_acquire);
	struct pool_slab *slab;

	for (uint32_t i = 0; i <= nr; i++) {
		if (pool->hand_extent >= nr) {
			pool->hand_extent = 0;
			pool->hand_place = 0;
		}
		slab = nr ? next_in_extent(pool, pool_extent(pool, pool->hand_extent)) : NULL;
		if (slab)
			return slab;
		pool->hand_extent++;
		pool->hand_place = 0;
	}
	return NULL;
}

/* Objects below 64 bytes share marks: then marks are counted, not objects. */
static unsigned int hot_shared(struct shrink_pool *pool, size_t offset, unsigned int marks)
{
	unsigned char *mark = pool_mark_at(pool, offset);
	unsigned int hot = 0;

	for (unsigned int i = 0; i < marks; i++)
		hot += (unsigned int)shrink_fast_test_clear(mark + i);
	return hot;
}

/* Taken places less those in magazines, which carry their predecessors' marks. */
static uint64_t live_bits(const struct pool_places *places, unsigned int w)
{
	return load_relaxed(&places->alloc[w]) & ~load_relaxed(&places->cached[w]);
}

static unsigned int live_objects(struct shrink_pool *pool, const struct shrink_class_geometry *g,
				 struct pool_slab *slab)
{
	struct pool_places places = pool_places(pool, slab, g->nr);
	unsigned int live = 0;

	for (unsigned int w = 0; w < places.words; w++)
		live += (unsigned int)__builtin_popcountll(live_bits(&places, w));
	return live;
}

/* @length: no mark beyond it is read, whatever the bits say: the slab may be given
 * up and cut anew while we look. */
static unsigned int hot_objects(struct shrink_pool *pool, const struct shrink_class_geometry *g,
				struct pool_slab *slab, size_t offset, size_t length)
{
	struct pool_places places = pool_places(pool, slab, g->nr);
	unsigned int hot = 0;

	for (unsigned int w = 0; w < places.words; w++) {
		for (uint64_t bits = live_bits(&places, w); bits; bits &= bits - 1) {
			size_t at = (w * 64 + (size_t)__builtin_ctzll(bits)) * g->size;

			if (at >= length)
				return hot;
			hot += (unsigned int)shrink_fast_test_clear(
				pool_mark_at(pool, offset + at));
		}
	}
	return hot;
}

/* Where objects can be moved: each by itself. The slab's heat is their mean age, as
 * young as they are hot; where nearly all are worth keeping it is spared. */
static unsigned int look_ages(struct shrink_pool *pool, const struct shrink_class_geometry *g,
			      struct pool_slab *slab, size_t offset, size_t length)
{
	struct pool_places places = pool_places(pool, slab, g->nr);
	uint64_t window = load_relaxed(&pool->resident_pages) * pool->page / 4;
	unsigned int sum = 0, young = 0, keep = load_relaxed(&pool->keep_age);
	unsigned int scale = pool_class_scale(pool, g);

	for (unsigned int w = 0; w < places.words; w++) {
		for (uint64_t bits = live_bits(&places, w); bits; bits &= bits - 1) {
			size_t at = (w * 64 + (size_t)__builtin_ctzll(bits)) * g->size;
			_Atomic unsigned char *age = pool_age_at(pool, g, offset + at);
			unsigned int a;

			if (at >= length)
				break;
			a = shrink_age_next(load_relaxed(age), shrink_fast_test_clear(pool_mark_at(
								       pool, offset + at)));
			store_relaxed(age, (unsigned char)a);
			sum += a;
			a = shrink_heat_scaled(a, scale);
			shrink_age_enter(&pool->age_map, a, g->size,
					 shrink_max_u64(window, WINDOW_MIN * pool->page));
			young += a >= keep;
		}
	}
	sum /= g->nr;
	return young * 8 > g->nr * 7u && sum <= SHRINK_HEAT_SPARED ? SHRINK_HEAT_SPARED + 1 : sum;
}

/* The slab's heat after this look. */
static unsigned int look(struct shrink_pool *pool, const struct shrink_class_geometry *g,
			 struct pool_slab *slab)
{
	size_t offset = pool_slab_offset(pool, slab);
	size_t length = shrink_min_u64((size_t)1 << g->stride,
				       EXTENT_SIZE - (offset & (EXTENT_SIZE - 1)));
	unsigned int heat = load_relaxed(&slab->heat), of = g->nr, hot;

	if (pool_class_moves(pool, g)) {
		heat = look_ages(pool, g, slab, offset, length);
	} else {
		if (g->size && g->size < 1u << MARK_SHIFT) {
			of = (unsigned int)(length >> MARK_SHIFT);
			hot = hot_shared(pool, offset, of);
		} else {
			hot = hot_objects(pool, g, slab, offset, length);
		}
		heat = pool->move ? shrink_heat_mean(heat, hot, of)
				  : shrink_heat_next(heat, hot, of);
	}
	store_relaxed(&slab->heat, (uint8_t)heat);
	return heat;
}

/* The mean size of what the hand meets, for scales. Old tours fade. */
static void note_size(struct shrink_pool *pool, uint64_t objects, uint64_t bytes, uint64_t window)
{
	pool->met_objects += objects;
	pool->met_bytes += bytes;
	if (!pool->met_objects)
		return;
	store_relaxed(&pool->mean_size, pool->met_bytes / pool->met_objects);
	if (pool->met_bytes > window) {
		pool->met_objects /= 2;
		pool->met_bytes /= 2;
	}
}

/* Is it one to evict? */
static int judge(struct shrink_pool *pool, struct pool_tour *tour, struct pool_slab *slab)
{
	uint64_t resident = load_relaxed(&pool->resident_pages), pages = load_relaxed(&slab->pages);
	uint32_t tag = load_relaxed(&slab->tag);
	uint32_t age = load_relaxed(&pool->clock) - load_relaxed(&slab->stamp);
	const struct shrink_class_geometry *g = &pool->classes[tag >> 8].geo;
	unsigned int heat, score, live;

	if ((tag & 0xff) != SLAB_ACTIVE)
		return 0;
	if (tour->second_lap)
		return load_relaxed(&slab->heat) <= SHRINK_HEAT_SPARED;
	heat = look(pool, g, slab);
	live = live_objects(pool, g, slab);
	note_size(pool, live, live * pool_object_size(pool, &pool->classes[tag >> 8], slab),
		  resident * pool->page);
	score = shrink_heat_score(shrink_heat_scaled(heat, pool_class_scale(pool, g)), live, g->nr,
				  age < resident / YOUNG_PART);
	shrink_heat_enter(&pool->heat_map, score, pages,
			  shrink_max_u64(resident / 4, WINDOW_MIN));
	tour->walked += pages;
	if (heat > SHRINK_HEAT_SPARED) {
		tour->spared += pages;
		return 0;
	}
	return shrink_heat_is_cold(&pool->heat_map, score);
}

/* One lap did not yield what is wanted: the next takes what is merely warm, by the
 * heat just found. */
static int lap_over(struct shrink_pool *pool, struct pool_tour *tour)
{
	if (tour->slabs_left)
		return 0;
	if (tour->second_lap)
		return 1;
	tour->second_lap = 1;
	tour->slabs_left = load_relaxed(&pool->nr_slabs);
	return 0;
}

void shrink_pool_gather(struct shrink_pool *pool, struct pool_tour *tour, uint64_t pages)
{
	uint64_t found = 0, spared = tour->spared;
	struct pool_slab *slab;

	tour->nr = 0;
	pthread_mutex_lock(&pool->hand_lock);
	if (pool->move)
		store_relaxed(&pool->keep_age,
			      shrink_age_percentile(&pool->age_map, KEEP_PERCENT));
	while (tour->nr < POOL_VICTIMS &&
	       found + (tour->unpaid ? 0 : tour->spared - spared) < pages &&
	       tour->walked < tour->walk_max && !lap_over(pool, tour)) {
		slab = next_slab(pool);
		if (!slab)
			break;
		tour->slabs_left -= tour->slabs_left > 0;
		if (!judge(pool, tour, slab))
			continue;
		found += load_relaxed(&slab->pages);
		tour->victims[tour->nr++] = slab;
	}
	pthread_mutex_unlock(&pool->hand_lock);
}

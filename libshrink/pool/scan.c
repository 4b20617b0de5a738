// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The pool as a shrinker: how much there is, and one scan. And as a cache that has a
 * size of its own: room for a new object at the cost of colder ones. */
#include <errno.h>
#include <limits.h>

#include <libshrink/core/memcg.h>
#include <libshrink/os/clock.h>
#include <libshrink/pool/guard.h>

/* Pages met per page asked for: the coldest quarter is taken, so four would do
 * where slabs are alike. The rest bounds a call that finds nothing. */
#define WALK_FACTOR 8
#define WALK_EXTRA 1024
/* Rounds of all slabs for one new object. Each halves their heat; nothing stays hot
 * through eight without being used. */
#define ROOM_LAPS 8
#define ROOM_STEP 1024 /* pages met for each look whether there is room */

/* What a scan call was asked for, and what it has done. */
struct work {
	struct shrink_pool *pool;
	struct shrink_control *sc;
	struct pool_tour tour;
	struct pool_run run;
	uint64_t looked;  /* pages whose objects were asked, or that had none */
	uint64_t emptied; /* pages of slabs on the way out */
	uint64_t pending; /* pages that wait for their last user */
	uint64_t asked, busy;
	uint64_t regrow; /* of what was returned, may be taken for the new object */
	unsigned int keep; /* class that wants a slab; SHRINK_CLASSES = none */
};

/* Asked for the group that the objects are charged to? That of one that has gone
 * offline is the nearest above it that has not. */
static int is_ours(const struct shrink_pool *pool, const struct shrink_memcg *memcg)
{
	const struct shrink_memcg *own = pool->memcg;

	while (!shrink_memcg_is_root(own) &&
	       !atomic_load_explicit(&own->online, memory_order_relaxed))
		own = own->parent;
	return shrink_memcg_is_root(own) ? shrink_memcg_is_root(memcg) : own == memcg;
}

unsigned long shrink_pool_count(struct shrinker *s, struct shrink_control *sc)
{
	struct shrink_pool *pool = s->private_data;
	uint64_t resident = load_relaxed(&pool->resident_pages);

	if ((pool->nid >= 0 && sc->nid != pool->nid) || !is_ours(pool, sc->memcg))
		return SHRINK_EMPTY;
	if (!resident)
		return pool->memcg ? 0 : SHRINK_EMPTY;
	return shrink_sub_u64(resident, load_relaxed(&pool->pending_pages));
}

/* A destroyed pool's scans end at once; the others are waited for. */
static int enter(struct shrink_pool *pool)
{
	int may;

	pthread_mutex_lock(&pool->hand_lock);
	may = !pool->dying;
	pool->scans += may ? 1 : 0;
	pthread_mutex_unlock(&pool->hand_lock);
	return may;
}

static void leave(struct shrink_pool *pool)
{
	pthread_mutex_lock(&pool->hand_lock);
	if (pool->scans) /* a child of fork() has set it to 0 */
		pool->scans--;
	if (!pool->scans && pool->dying)
		pthread_cond_broadcast(&pool->hand_idle);
	pthread_mutex_unlock(&pool->hand_lock);
}

static uint64_t charged(const struct work *w)
{
	return w->looked + w->tour.spared;
}

static int go_on(const struct work *w)
{
	const struct shrink_control *sc = w->sc;

	if (charged(w) >= sc->nr_to_scan)
		return 0;
	if (sc->bytes_to_free && w->emptied * w->pool->page >= sc->bytes_to_free)
		return 0;
	return !sc->deadline_nsec || shrink_os_clock() < sc->deadline_nsec;
}

/* An empty slab kept by a class, no longer on a list, its tag FREE. */
static struct pool_slab *take_kept(struct shrink_pool *pool, unsigned int index)
{
	struct pool_class *class = &pool->classes[index];
	struct pool_slab *slab = NULL;

	if (!load_relaxed(&class->nr_empty))
		return NULL;
	pthread_mutex_lock(pool_class_lock(pool, index));
	if (!shrink_list_empty(&class->empty)) {
		slab = shrink_list_entry(class->empty.next, struct pool_slab, link);
		shrink_pool_list_drop(pool, class, slab);
		shrink_pool_slab_end(class, slab, index);
	}
	pthread_mutex_unlock(pool_class_lock(pool, index));
	return slab;
}

static void leaves(struct work *w, struct pool_slab *slab)
{
	w->emptied += load_relaxed(&slab->pages);
	shrink_pool_run_add(w->pool, &w->run, slab);
}

/* What costs nobody anything goes first. */
static void give_kept(struct work *w)
{
	struct pool_slab *slab;

	for (unsigned int i = 0; i < SHRINK_CLASSES; i++) {
		if (!load_relaxed(&w->pool->cached_pages))
			return;
		while (go_on(w) && (slab = take_kept(w->pool, i))) {
			w->looked += load_relaxed(&slab->pages);
			leaves(w, slab);
		}
	}
}

static void evict(struct work *w, struct pool_slab *slab)
{
	struct pool_verdict v;

	shrink_pool_evict_slab(w->pool, slab, w->keep, &v);
	w->looked += v.pages;
	w->asked += v.asked + v.moved;
	w->busy += v.busy;
	if (v.pending)
		w->pending += v.pages;
	if (v.empty)
		leaves(w, slab);
}

static void evict_cold(struct work *w)
{
	while (go_on(w)) {
		shrink_pool_gather(w->pool, &w->tour, w->sc->nr_to_scan - charged(w));
		for (unsigned int i = 0; i < w->tour.nr && go_on(w); i++)
			evict(w, w->tour.victims[i]);
		if (!w->tour.nr)
			return;
	}
}

/* STOP: nothing here can be asked at all, or nobody could answer; 0: looked, and
 * all of it is in use. */
static unsigned long answer(const struct work *w)
{
	unsigned long freed = (unsigned long)(w->run.returned / w->pool->page);

	if (freed || w->pending)
		return freed;
	if (!w->looked && !w->tour.walked)
		return SHRINK_STOP;
	return w->asked && w->busy == w->asked && !w->tour.spared ? SHRINK_STOP : 0;
}

unsigned long shrink_pool_scan(struct shrinker *s, struct shrink_control *sc)
{
	struct shrink_pool *pool = s->private_data;
	struct work w = {.pool = pool, .sc = sc, .keep = SHRINK_CLASSES};

	if ((pool->nid >= 0 && sc->nid != pool->nid) || !is_ours(pool, sc->memcg) || !enter(pool))
		return SHRINK_STOP;
	w.tour.walk_max = sc->nr_to_scan > UINT64_MAX / 16
				  ? UINT64_MAX
				  : sc->nr_to_scan * WALK_FACTOR + WALK_EXTRA;
	w.tour.slabs_left = load_relaxed(&pool->nr_slabs);
	give_kept(&w);
	evict_cold(&w);
	shrink_pool_run_flush(pool, &w.run);

	/* Slabs met on the way to colder ones cost a glance: they are charged only
	 * where there is nothing else to show */
	sc->nr_scanned = (unsigned long)shrink_max_u64(charged(&w), w.tour.walked / WALK_FACTOR);
	sc->bytes_freed = w.run.returned;
	sc->nr_pending = (unsigned long)w.pending;
	sc->bytes_pending = w.pending * pool->page;
	leave(pool);
	return answer(&w);
}

/* Is there a place for a new object of the class without taking from anybody? */
static int has_place(struct shrink_pool *pool, unsigned int index, unsigned int pages)
{
	int has;

	pthread_mutex_lock(pool_class_lock(pool, index));
	has = shrink_pool_has_place(&pool->classes[index], pages);
	pthread_mutex_unlock(pool_class_lock(pool, index));
	return has || (shrink_pool_has_room(pool, (uint64_t)pages * pool->page) &&
		       shrink_pool_place_fits(pool, &pool->classes[index].geo, pages));
}

/* What this call gave back may be taken for the new object, also while growth is held. */
static void give_back(struct work *w)
{
	shrink_pool_run_flush(w->pool, &w->run);
	if (w->pool->flags & SHRINK_POOL_ROOM)
		add_relaxed(&w->pool->regrow_bytes, w->run.returned - w->regrow);
	w->regrow = w->run.returned;
}

/* One round of all slabs, in steps, so that nobody waits long for the hand. */
static int make_room(struct work *w, unsigned int index, unsigned int pages)
{
	while (!has_place(w->pool, index, pages)) {
		if (!w->tour.slabs_left && w->tour.second_lap)
			return -EAGAIN;
		w->tour.walk_max = w->tour.walked + ROOM_STEP;
		shrink_pool_gather(w->pool, &w->tour, pages);
		for (unsigned int i = 0; i < w->tour.nr; i++)
			evict(w, w->tour.victims[i]);
		give_back(w);
	}
	return 0;
}

int shrink_pool_make_room(struct shrink_pool *pool, size_t size)
{
	struct shrink_control sc = {.nr_to_scan = ULONG_MAX};
	struct work w = {.pool = pool, .sc = &sc};
	unsigned int index, pages;
	int r = -EAGAIN;

	if (!pool || !pool->evict || !size || size > pool->object_max)
		return -EINVAL;
	if (!enter(pool))
		return -ESHUTDOWN;
	size = pool_place_bytes(pool, size);
	index = shrink_class_of(size, pool->page);
	pages = shrink_pool_pages_for(pool, index, size);
	/* a large slab hardly ever fits another large object */
	w.keep = pool->classes[index].geo.size ? index : SHRINK_CLASSES;
	if (!has_place(pool, index, pages)) {
		give_kept(&w);
		give_back(&w);
	}
	for (int lap = 0; lap < ROOM_LAPS && r; lap++) {
		w.tour = (struct pool_tour){.slabs_left = load_relaxed(&pool->nr_slabs),
					    .unpaid = 1};
		r = make_room(&w, index, pages);
	}
	leave(pool);
	return r;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The region as a shrinker: what is unpinned goes, the longest unpinned first, and what
 * waits to be offered after all that was. Pages are charged, not ranges. Locks are only
 * tried, so that any thread may do it that runs out of memory.
 */
#include <libshrink/bridge/region.h>

/* Objects in use that one search steps over. */
#define BUSY_MAX 32

void shrink_purge_lru_add(struct shrink_region *r, struct region_range *range)
{
	shrink_os_spin_lock(&r->lru_lock);
	shrink_list_add_tail(&range->in_lru, &r->lru);
	shrink_os_spin_unlock(&r->lru_lock);
}

void shrink_purge_lru_del(struct shrink_region *r, struct region_range *range)
{
	shrink_os_spin_lock(&r->lru_lock);
	shrink_list_del(&range->in_lru);
	shrink_os_spin_unlock(&r->lru_lock);
}

unsigned long shrink_purge_count(struct shrinker *s, struct shrink_control *sc)
{
	struct shrink_region *r = s->private_data;
	uint64_t pages = load_relaxed(&r->unpinned);

	(void)sc;
	return pages ? (unsigned long)pages : SHRINK_EMPTY;
}

/* The longest unpinned whose object can be locked, which it is then. A range is on the
 * list as long as it exists, and goes off it under lru_lock: so it may be looked at. */
static struct region_range *oldest(struct shrink_region *r)
{
	struct shrink_list *pos;
	int busy = 0;

	shrink_os_spin_lock(&r->lru_lock);
	shrink_list_for_each(pos, &r->lru)
	{
		struct region_range *range = shrink_list_entry(pos, struct region_range, in_lru);

		if (shrink_purge_trylock(r, range->object)) {
			shrink_list_del(pos);
			shrink_os_spin_unlock(&r->lru_lock);
			return range;
		}
		if (++busy == BUSY_MAX)
			break;
	}
	shrink_os_spin_unlock(&r->lru_lock);
	return NULL;
}

/* The same of what waits. */
static struct region_object *oldest_queued(struct shrink_region *r)
{
	struct region_object *o = NULL;
	int nr = 0;

	while (nr++ < BUSY_MAX && shrink_purge_queue_take(r, &o, 1)) {
		if (shrink_purge_trylock(r, o))
			return o;
		shrink_purge_enqueue(r, o, REGION_QUEUED);
	}
	return NULL;
}

/* What was offered and is missing, the kernel has taken; what was not, nobody had
 * touched yet. */
static uint64_t drop(struct shrink_region *r, struct region_range *range, struct shrink_control *sc)
{
	uint64_t nr = range->end - range->begin, there;
	bool offered = !range->fresh;

	range->object->changing = true;
	shrink_purge_drop(r, range, &there);
	range->object->changing = false;
	there = shrink_min_u64(there, nr);
	add_relaxed(&r->by_us, there);
	if (offered)
		add_relaxed(&r->by_kernel, nr - there);
	sc->nr_scanned += nr;
	sc->bytes_freed += there * r->page;
	return there;
}

static void drop_object(struct shrink_region *r, struct region_object *o, struct shrink_control *sc,
			unsigned long *freed)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos, &o->ranges)
	{
		struct region_range *range = shrink_list_entry(pos, struct region_range, in_object);

		if (range->fresh)
			*freed += (unsigned long)drop(r, range, sc);
	}
}

/* One step; false: there is nothing to take. */
static bool take_next(struct shrink_region *r, struct shrink_control *sc, unsigned long *freed)
{
	struct region_range *range = oldest(r);
	struct region_object *o = range ? range->object : oldest_queued(r);

	if (!o)
		return false;
	if (range)
		*freed += (unsigned long)drop(r, range, sc);
	else
		drop_object(r, o, sc, freed);
	region_unlock(o);
	return true;
}

unsigned long shrink_purge_scan(struct shrinker *s, struct shrink_control *sc)
{
	struct shrink_region *r = s->private_data;
	unsigned long freed = 0, steps = 0;

	sc->nr_scanned = 0;
	while (sc->nr_scanned < sc->nr_to_scan && steps++ < sc->nr_to_scan)
		if (!take_next(r, sc, &freed))
			break;
	/* All that is unpinned is in somebody's hands right now */
	if (!sc->nr_scanned)
		return SHRINK_STOP;
	return freed;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The unpinned ranges of an object, with ashmem's rules (contract 9.1):
 *
 *  unpin [a, b)	what overlaps it becomes one with it, purged if any of them was
 *  pin [a, b)		of each range [s, e) it overlaps:
 *	a <= s, b >= e	the range goes
 *	a <= s, b < e	[b, e) is left
 *	a > s, b >= e	[s, a) is left
 *	a > s, b < e	[s, a) and [b, e) are left, as old, and purged if it was
 *
 * Ranges are disjoint, so that one which grows to cover another's pages meets no
 * third: one turn is enough.
 */
#include <libshrink/bridge/region.h>
#include <libshrink/os/alloc.h>

struct region_range *shrink_purge_range_new(void)
{
	struct region_range *range = shrink_os_alloc(sizeof(*range));

	if (!range)
		return NULL;
	shrink_list_init(&range->in_object);
	shrink_list_init(&range->in_lru);
	range->allocated = true;
	return range;
}

void shrink_purge_ranges_free(struct shrink_list *dead)
{
	while (!shrink_list_empty(dead)) {
		struct shrink_list *item = dead->next;

		shrink_list_del(item);
		shrink_os_free(shrink_list_entry(item, struct region_range, in_object));
	}
}

static struct region_range *range_of(struct shrink_list *item)
{
	return shrink_list_entry(item, struct region_range, in_object);
}

static struct region_range *take_one(struct region_object *o, struct region_range **spare)
{
	struct region_range *range = &o->own;

	if (o->own_used) {
		range = *spare;
		*spare = NULL;
	} else {
		o->own_used = true;
		shrink_list_init(&range->in_lru);
		range->allocated = false;
	}
	range->object = o;
	return range;
}

static void remove_range(struct shrink_region *r, struct region_range *range,
			 struct shrink_list *dead)
{
	shrink_purge_lru_del(r, range);
	shrink_list_del(&range->in_object);
	if (range->allocated)
		shrink_list_add_tail(&range->in_object, dead);
	else
		range->object->own_used = false;
}

static void insert(struct region_object *o, struct region_range *range)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos, &o->ranges) if (range_of(pos)->begin > range->begin) break;
	shrink_list_add_tail(&range->in_object, pos);
}

/* The part behind @begin becomes a range of its own, of the same age. */
static void split(struct shrink_region *r, struct region_object *o, struct region_range *range,
		  uint32_t begin, struct region_range **spare)
{
	struct region_range *rest = take_one(o, spare);

	rest->begin = begin;
	rest->end = range->end;
	rest->purged = range->purged;
	rest->fresh = range->fresh;
	shrink_list_add_tail(&rest->in_object, range->in_object.next);
	if (!rest->purged && !rest->fresh) {
		shrink_os_spin_lock(&r->lru_lock);
		shrink_list_add_tail(&rest->in_lru, range->in_lru.next);
		shrink_os_spin_unlock(&r->lru_lock);
	}
}

/* Pages the kernel took are those not there any more, and the one found out by
 * touching it; the others went with them. */
static void lose(struct shrink_region *r, struct region_range *range)
{
	uint64_t nr = range->end - range->begin, there, intact;

	shrink_purge_lru_del(r, range);
	shrink_purge_drop(r, range, &there);
	intact = shrink_min_u64(shrink_sub_u64(there, 1), nr - 1);
	add_relaxed(&r->by_kernel, nr - intact);
	add_relaxed(&r->collateral, intact);
}

/* Pages a .. b of @range are pinned. True: they were purged. */
static bool pin_one(struct shrink_region *r, struct region_object *o, struct region_range *range,
		    uint32_t a, uint32_t b, struct region_range **spare, struct shrink_list *dead)
{
	if (!range->purged) {
		if (range->fresh)
			add_relaxed(&r->cancelled, 1);
		if (shrink_purge_take_back(r, a, b))
			sub_relaxed(&r->unpinned, b - a);
		else
			lose(r, range);
	}
	if (b < range->end && a > range->begin)
		split(r, o, range, b, spare);
	if (range->purged)
		sub_relaxed(&r->lost, b - a);
	add_relaxed(range->purged ? &r->purged : &r->kept, 1);
	if (a == range->begin && b == range->end) {
		bool purged = range->purged;

		remove_range(r, range, dead);
		return purged;
	}
	if (a > range->begin)
		range->end = a;
	else
		range->begin = b;
	return range->purged;
}

bool shrink_purge_ranges_pin(struct shrink_region *r, struct region_object *o, uint32_t begin,
			     uint32_t end, struct region_range **spare, struct shrink_list *dead)
{
	struct shrink_list *pos, *next;
	bool purged = false;

	o->changing = true;
	shrink_list_for_each_safe(pos, next, &o->ranges)
	{
		struct region_range *range = range_of(pos);
		uint32_t a = range->begin > begin ? range->begin : begin;
		uint32_t b = range->end < end ? range->end : end;

		if (a < b)
			purged |= pin_one(r, o, range, a, b, spare, dead);
	}
	o->changing = false;
	return purged;
}

/* Puts @range into @into, which may be NULL. */
static struct region_range *absorb(struct shrink_region *r, struct region_range *into,
				   struct region_range *range, struct shrink_list *dead)
{
	shrink_purge_lru_del(r, range);
	sub_relaxed(range->purged ? &r->lost : &r->unpinned, range->end - range->begin);
	if (!into) {
		shrink_list_del(&range->in_object);
		return range;
	}
	if (range->begin < into->begin)
		into->begin = range->begin;
	if (range->end > into->end)
		into->end = range->end;
	into->purged |= range->purged;
	remove_range(r, range, dead);
	return into;
}

void shrink_purge_ranges_unpin(struct shrink_region *r, struct region_object *o, uint32_t begin,
			       uint32_t end, struct region_range **spare, struct shrink_list *dead)
{
	struct region_range *whole = NULL;
	struct shrink_list *pos, *next;
	uint64_t there;

	o->changing = true;
	shrink_list_for_each_safe(pos, next, &o->ranges) if (range_of(pos)->begin < end &&
							     range_of(pos)->end > begin) whole =
		absorb(r, whole, range_of(pos), dead);
	if (!whole) {
		whole = take_one(o, spare);
		whole->begin = begin;
		whole->end = end;
		whole->purged = false;
	}
	if (begin < whole->begin)
		whole->begin = begin;
	if (end > whole->end)
		whole->end = end;
	whole->fresh = !whole->purged;
	insert(o, whole);
	add_relaxed(&r->unpinned, whole->end - whole->begin);
	if (whole->purged) /* nothing of it can be kept any more */
		shrink_purge_drop(r, whole, &there);
	o->changing = false;
}

bool shrink_purge_ranges_any(struct region_object *o, uint32_t begin, uint32_t end)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos, &o->ranges) if (range_of(pos)->begin < end &&
						  range_of(pos)->end > begin) return true;
	return false;
}

void shrink_purge_ranges_forget(struct shrink_region *r, struct region_object *o,
				struct shrink_list *dead)
{
	while (!shrink_list_empty(&o->ranges)) {
		struct region_range *range = range_of(o->ranges.next);

		sub_relaxed(range->purged ? &r->lost : &r->unpinned, range->end - range->begin);
		remove_range(r, range, dead);
	}
}

void shrink_purge_ranges_end(struct shrink_region *r, struct region_object *o,
			     struct shrink_list *dead)
{
	uint32_t first = region_first(r, o), end = first + load_relaxed(&o->pages), lazy = 0;

	o->changing = true;
	shrink_purge_ranges_forget(r, o, dead);
	for (uint32_t page = first; page < end; page++) {
		lazy += r->lazy[page];
		r->lazy[page] = 0;
	}
	sub_relaxed(&r->offered, lazy);
	shrink_purge_clear(r, first, end);
	o->changing = false;
}

void shrink_purge_ranges_lost(struct shrink_region *r, struct region_object *o)
{
	uint32_t first = region_first(r, o), end = first + load_relaxed(&o->pages);

	shrink_purge_clear(r, first, end);
	for (uint32_t page = first; page < end; page++)
		r->lazy[page] = 0;
	shrink_list_init(&o->ranges);
	o->own_used = true;
	o->own = (struct region_range){.object = o, .begin = first, .end = end, .purged = true};
	shrink_list_init(&o->own.in_lru);
	shrink_list_add_tail(&o->own.in_object, &o->ranges);
	add_relaxed(&r->lost, end - first);
}

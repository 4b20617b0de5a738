// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Offering pages to the kernel and taking them back: the steps of region.h. */
#include <libshrink/bridge/region.h>
#include <libshrink/os/map.h>
#include <libshrink/os/purge.h>

#define BATCH_OBJECTS 64
/* Batches one unpin offers for others before it goes its way. */
#define TURNS_MAX 64

/* Never zero, and another for each page: what was moved is not taken for kept. */
static uint64_t canary(uint32_t page)
{
	return UINT64_C(0xc0a1fe5dea7bab1d) ^ (uint64_t)page << 1;
}

static uint64_t *word(struct shrink_region *r, uint32_t page)
{
	return (uint64_t *)(void *)region_at(r, page);
}

static bool exchange(struct shrink_region *r, uint32_t page)
{
	uint64_t seen = canary(page);

	if (__atomic_compare_exchange_n(word(r, page), &seen, r->saved[page], false,
					__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return true;
	if (seen)
		add_relaxed(&r->trespasses, 1);
	return false;
}

bool shrink_purge_take_back(struct shrink_region *r, uint32_t begin, uint32_t end)
{
	uint32_t page, back = 0;

	for (page = begin; page < end; page++) {
		if (!r->lazy[page])
			continue;
		if (!exchange(r, page))
			break;
		r->lazy[page] = 0;
		back++;
	}
	sub_relaxed(&r->offered, back);
	return page == end;
}

/* Should the pages not go, their bytes must: what is purged reads as zeros. */
void shrink_purge_clear(struct shrink_region *r, uint32_t begin, uint32_t end)
{
	size_t size = (size_t)(end - begin) * r->page;

	if (shrink_os_map_return(region_at(r, begin), size) < 0)
		__builtin_memset(region_at(r, begin), 0, size);
}

void shrink_purge_drop(struct shrink_region *r, struct region_range *range, uint64_t *ret_there)
{
	uint32_t nr = range->end - range->begin, lazy = 0;

	*ret_there = shrink_os_resident(region_at(r, range->begin), (size_t)nr * r->page);
	shrink_purge_clear(r, range->begin, range->end);
	for (uint32_t page = range->begin; page < range->end; page++) {
		lazy += r->lazy[page];
		r->lazy[page] = 0;
	}
	sub_relaxed(&r->offered, lazy);
	sub_relaxed(&r->unpinned, nr);
	add_relaxed(&r->lost, nr);
	range->purged = true;
	range->fresh = false;
}

/* Objects whose pages are offered together, locked. */
struct batch {
	struct region_object *objects[BATCH_OBJECTS];
	int nr_objects;
	struct iovec ranges[SHRINK_OS_OFFER_MAX];
	int nr_ranges;
};

/* Step 4. What the kernel refuses carries a canary all the same, and is taken back
 * like the rest; only that it never goes by itself. */
static void offer(struct shrink_region *r, struct batch *b)
{
	int err = b->nr_ranges ? shrink_os_offer(b->ranges, b->nr_ranges) : 0;

	if (err)
		store_relaxed(&r->offer_error, err);
	b->nr_ranges = 0;
}

/* Step 5, of one object. */
static void publish_one(struct shrink_region *r, struct region_object *o)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos, &o->ranges)
	{
		struct region_range *range = shrink_list_entry(pos, struct region_range, in_object);

		if (!range->fresh)
			continue;
		range->fresh = false;
		shrink_purge_lru_add(r, range);
	}
	o->changing = false;
	region_unlock(o);
}

static void publish(struct shrink_region *r, struct batch *b)
{
	for (int i = 0; i < b->nr_objects; i++)
		publish_one(r, b->objects[i]);
	b->nr_objects = 0;
}

static void add_page(struct shrink_region *r, struct batch *b, uint32_t page)
{
	struct iovec *last = b->nr_ranges ? &b->ranges[b->nr_ranges - 1] : NULL;
	char *at = region_at(r, page);

	if (last && (char *)last->iov_base + last->iov_len == at) {
		last->iov_len += r->page;
		return;
	}
	if (b->nr_ranges == SHRINK_OS_OFFER_MAX)
		offer(r, b);
	b->ranges[b->nr_ranges++] = (struct iovec){at, r->page};
}

/* Steps 2 and 3. */
static void mark(struct shrink_region *r, struct batch *b, struct region_range *range)
{
	uint32_t marked = 0;

	for (uint32_t page = range->begin; page < range->end; page++) {
		if (r->lazy[page])
			continue;
		r->saved[page] = __atomic_load_n(word(r, page), __ATOMIC_RELAXED);
		__atomic_store_n(word(r, page), canary(page), __ATOMIC_RELAXED);
		r->lazy[page] = 1;
		marked++;
		add_page(r, b, page);
	}
	add_relaxed(&r->offered, marked);
}

static bool any_fresh(struct region_object *o)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos,
			     &o->ranges) if (shrink_list_entry(pos, struct region_range, in_object)
						     ->fresh) return true;
	return false;
}

/* Writing to a page that a child shares would copy it. */
static bool shared(struct shrink_region *r, struct region_object *o)
{
	uint32_t forks = load_relaxed(&r->forks);

	if (o->forks == forks)
		return false;
	if (shrink_os_shared(region_at(r, region_first(r, o)),
			     (size_t)load_relaxed(&o->pages) * r->page))
		return true;
	o->forks = forks;
	return false;
}

/* Lock held, and kept where it is true. */
static bool wanted(struct shrink_region *r, struct region_object *o)
{
	if (!load_relaxed(&o->pages) || !any_fresh(o))
		return false;
	if (!shared(r, o))
		return true;
	shrink_purge_enqueue(r, o, REGION_DEFERRED);
	return false;
}

static void add_object(struct shrink_region *r, struct batch *b, struct region_object *o)
{
	struct shrink_list *pos;

	o->changing = true;
	shrink_list_for_each(pos, &o->ranges)
	{
		struct region_range *range = shrink_list_entry(pos, struct region_range, in_object);

		if (range->fresh)
			mark(r, b, range);
	}
	b->objects[b->nr_objects++] = o;
}

/* Each object once: only the queue's own lock lets one in, and it was taken out. */
static bool flush_batch(struct shrink_region *r)
{
	struct region_object *taken[BATCH_OBJECTS];
	int nr = shrink_purge_queue_take(r, taken, BATCH_OBJECTS);
	struct batch b;

	b.nr_objects = b.nr_ranges = 0;
	for (int i = 0; i < nr; i++) {
		shrink_os_spin_lock(&taken[i]->lock); /* step 1 */
		if (wanted(r, taken[i]))
			add_object(r, &b, taken[i]);
		else
			region_unlock(taken[i]);
	}
	if (b.nr_objects)
		add_relaxed(&r->flushes, 1);
	offer(r, &b);
	publish(r, &b);
	return nr == BATCH_OBJECTS;
}

/* Who finds another at it leaves it to him: he looks again when he is through. */
void shrink_purge_flush(struct shrink_region *r, bool all)
{
	if (all)
		pthread_mutex_lock(&r->flush_lock);
	else if (pthread_mutex_trylock(&r->flush_lock))
		return;
	if (all || (load_relaxed(&r->nr_deferred) && load_relaxed(&r->flushes) % 16 == 0))
		shrink_purge_queue_requeue(r);
	for (int turn = 0; all || turn < TURNS_MAX; turn++)
		if (!flush_batch(r) && (all || load_relaxed(&r->queued_pages) < r->batch))
			break;
	pthread_mutex_unlock(&r->flush_lock);
}

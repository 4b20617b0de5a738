/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/purge.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <shrink/region.h>
#include <shrink/shrink.h>

#include "examples/kvcached/ring.h"

#define SIZE_MOST ((size_t)1 << 40)
#define LOOKS	  4096 /* items looked at for one that comes */
#define TRIES	  16

static struct shrink_region *region;

/* libshrink: a value that was taken cannot be made again here. Said by this callback, and
 * not by what pin returns, because then all that pin it at once are told. */
static int cannot(void *arg, void *object, size_t size)
{
	(void)arg;
	(void)object;
	(void)size;
	return -ENOENT;
}

/* More values than fit the limit there is can never be in memory together. */
static size_t region_size(size_t ceiling)
{
	struct shrink_limits limits;
	size_t size = ceiling;

	if (!size && shrink_limits(&limits, sizeof(limits)) == 0 && limits.limit < SIZE_MOST)
		size = limits.limit;
	if (!size)
		size = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
	return size < SIZE_MOST ? size : SIZE_MOST;
}

int purge_open(size_t ceiling)
{
	struct shrink_region_options options;

	memset(&options, 0, sizeof(options));
	options.reconstruct = cannot;
	region = shrink_region_create(&options, sizeof(options), region_size(ceiling), "values");
	if (!region)
		return -errno;
	/* libshrink: the region could shed its oldest by itself; but their items would
	 * stay behind. The ring takes both, in the same order. */
	return shrinker_set_enabled(shrink_region_shrinker(region), 0);
}

void purge_close(void)
{
	shrink_region_destroy(region);
	region = NULL;
}

bool purge_on(void)
{
	return region != NULL;
}

/* libshrink: while growth is held, or the tenant has all it may, others go first. */
static bool make_room(struct tenant *t, size_t size)
{
	uint64_t limit = t->memcg ? shrink_memcg_room(t->memcg) : UINT64_MAX;
	struct ring_work w = {.want = LOOKS, .want_bytes = size, .counter = &t->replaced};

	if (limit >= size && shrink_room(t->shrinker) >= size)
		return true;
	ring_evict(t, &w);
	return w.bytes >= size;
}

/* Addresses are as scarce as memory: what the kernel has taken keeps its own until the
 * item goes, the oldest first. */
static void *take(struct tenant *t, size_t size)
{
	struct ring_work w = {.want = LOOKS, .counter = &t->replaced};
	void *value = shrink_region_alloc(region, size);

	for (int i = 0; !value && i < TRIES; i++) {
		unsigned long before = w.freed;

		w.want_bytes = w.bytes + size;
		w.looked = 0;
		ring_evict(t, &w);
		if (w.freed == before)
			break;
		value = shrink_region_alloc(region, size);
	}
	return value;
}

void *purge_alloc(struct tenant *t, size_t size)
{
	void *value = make_room(t, size) ? take(t, size) : NULL;

	if (value && t->memcg &&
	    shrink_memcg_charge(t->memcg, shrink_region_usable(region, value), SHRINK_GFP_ALL) <
		    0) {
		shrink_region_free(region, value);
		return NULL;
	}
	if (value)
		__atomic_fetch_add(&t->objects, 1u, __ATOMIC_RELAXED);
	return value;
}

void purge_free(struct tenant *t, void *value)
{
	__atomic_fetch_sub(&t->objects, 1u, __ATOMIC_RELAXED);
	if (t->memcg)
		shrink_memcg_uncharge(t->memcg, shrink_region_usable(region, value));
	shrink_region_free(region, value);
}

bool purge_hold(struct item *it)
{
	return !it->paged || shrink_region_pin(region, item_value(it)) >= 0;
}

void purge_release(struct item *it)
{
	if (it->paged)
		shrink_region_unpin(region, item_value(it));
}

size_t purge_left(struct item *it)
{
	return purge_hold(it) ? shrink_region_usable(region, item_value(it)) : 0;
}

int purge_stats(struct shrink_region_stats *ret_stats)
{
	return region ? shrink_region_stats(region, ret_stats, sizeof(*ret_stats)) : -ENOENT;
}

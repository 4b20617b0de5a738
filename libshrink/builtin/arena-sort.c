// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Which objects to evict so that pages come back: a page of small objects comes back when
 * the last of them goes, so candidates are taken slab by slab, those slabs first of which
 * nothing else would be left.
 */
#include <errno.h>

#include <libshrink/base/bits.h>
#include <libshrink/builtin/arena.h>

#define CHUNK 64 /* objects asked about at once */

/* order = what would be left of the slab (12 bits), the slab's coldest, the object. */
#define PLACE_BITS 26
#define LEFT_ALL   1000u

/* What jemalloc tells of an object's slab. */
struct utilization {
	size_t free, objects, bytes;
};

/* Candidates with neighbouring addresses that lie on one slab. */
struct cluster {
	size_t first, n;  /* in the array */
	uintptr_t begin;  /* address of its first */
	uint64_t coldest; /* place that its coldest had */
	struct utilization slab;
};

typedef uint64_t key_of(const struct shrink_arena_candidate *c);

static uint64_t by_address(const struct shrink_arena_candidate *c)
{
	return (uintptr_t)c->object;
}

static uint64_t by_order(const struct shrink_arena_candidate *c)
{
	return c->order;
}

static void sift(struct shrink_arena_candidate *heap, size_t at, size_t n, key_of *key)
{
	struct shrink_arena_candidate down = heap[at];

	for (size_t child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && key(&heap[child + 1]) > key(&heap[child]))
			child++;
		if (key(&heap[child]) <= key(&down))
			break;
		heap[at] = heap[child];
	}
	heap[at] = down;
}

/* Heapsort: in place, and never slow. qsort() may call malloc. */
static void sort(struct shrink_arena_candidate *c, size_t n, key_of *key)
{
	for (size_t i = n / 2; i-- > 0;)
		sift(c, i, n, key);
	for (size_t i = n; i-- > 1;) {
		struct shrink_arena_candidate most = c[0];

		c[0] = c[i];
		c[i] = most;
		sift(c, 0, i, key);
	}
}

/* Slabs begin at page boundaries; one of a page is told apart exactly, a larger one by
 * its length from the first candidate on. */
static bool same_slab(const struct je *je, const struct cluster *cluster,
		      const struct utilization *u, uintptr_t address)
{
	if (u->objects <= 1 || u->bytes != cluster->slab.bytes ||
	    u->objects != cluster->slab.objects)
		return false;
	if (u->bytes <= je->page)
		return address / je->page == cluster->begin / je->page;
	return u->free == cluster->slab.free && address - cluster->begin < u->bytes;
}

/* The candidates of a slab get their order: what would be left of it comes first. */
static void close_cluster(struct shrink_arena_candidate *c, const struct cluster *cluster)
{
	size_t live = shrink_sub_u64(cluster->slab.objects, cluster->slab.free), left;

	left = live > cluster->n ? live - cluster->n : 0;
	if (cluster->slab.objects)
		left = left * LEFT_ALL / cluster->slab.objects;
	for (size_t i = cluster->first; i < cluster->first + cluster->n; i++)
		c[i].order |= (uint64_t)left << (2 * PLACE_BITS) | cluster->coldest << PLACE_BITS;
}

static void take(const struct je *je, struct shrink_arena_candidate *c, size_t i,
		 const struct utilization *u, struct cluster *cluster)
{
	uintptr_t address = (uintptr_t)c[i].object;

	if (cluster->n && same_slab(je, cluster, u, address)) {
		cluster->n++;
		cluster->coldest = shrink_min_u64(cluster->coldest, c[i].order);
		return;
	}
	if (cluster->n)
		close_cluster(c, cluster);
	*cluster = (struct cluster){
		.first = i, .n = 1, .begin = address, .coldest = c[i].order, .slab = *u};
}

static int rank(const struct je *je, struct shrink_arena_candidate *c, size_t n)
{
	struct cluster cluster = {.n = 0};
	struct utilization u[CHUNK];
	void *object[CHUNK];

	for (size_t at = 0; at < n; at += CHUNK) {
		size_t some = n - at < CHUNK ? n - at : CHUNK, size = some * sizeof(u[0]);

		for (size_t i = 0; i < some; i++)
			object[i] = c[at + i].object;
		if (je->mallctl("experimental.utilization.batch_query", u, &size, object,
				some * sizeof(object[0])))
			return -ENOTSUP;
		for (size_t i = 0; i < some; i++)
			take(je, c, at + i, &u[i], &cluster);
	}
	if (cluster.n)
		close_cluster(c, &cluster);
	return 0;
}

int shrink_arena_sort(struct shrink_arena *arena, struct shrink_arena_candidate *candidates,
		      size_t n)
{
	int r;

	if (!arena || (n && !candidates) || n > SHRINK_ARENA_SORT_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		candidates[i].order = i;
	sort(candidates, n, by_address);
	r = rank(arena->je, candidates, n);
	sort(candidates, n, by_order); /* also where it failed: as they came */
	return r;
}

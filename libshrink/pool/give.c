// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Pages back to the system. Neighbours are one range, and ranges go together: a slab of
 * 16 KiB by itself costs more in entering the kernel and in telling other processors
 * than in pages.
 */
#include <libshrink/os/map.h>
#include <libshrink/pool/guard.h>

/* Enough for one call: what waits to be given back is still resident. */
#define RUN_PAGES 2048

static size_t stride_of(const struct shrink_pool *pool, size_t offset)
{
	uint32_t extent = (uint32_t)(offset >> EXTENT_SHIFT);

	return (size_t)1 << load_relaxed(&pool_extent(pool, extent)->stride);
}

/* The system refused (locked memory, before Linux 5.18): the pages are still there, and
 * new objects begin with zeros all the same. */
static void wipe(struct shrink_pool *pool, const struct pool_range *range)
{
	size_t stride = stride_of(pool, range->start);

	for (unsigned int i = 0; i < range->nr; i++) {
		size_t at = range->start + i * stride;

		shrink_pool_guard_zero(pool, at, pool_slab_bytes(pool, pool_slab_at(pool, at)));
	}
}

/* Up to the end of the last one's pages; what lies between was never touched. */
static size_t length_of(const struct shrink_pool *pool, const struct pool_range *range)
{
	size_t to_last = (range->nr - 1) * stride_of(pool, range->start);

	return to_last + pool_slab_bytes(pool, pool_slab_at(pool, range->start + to_last));
}

void shrink_pool_run_flush(struct shrink_pool *pool, struct pool_run *run)
{
	struct iovec parts[POOL_RANGES];
	uint64_t pages = 0;
	int done;

	for (unsigned int i = 0; i < run->nr; i++)
		parts[i] = (struct iovec){pool->data + run->ranges[i].start,
					  length_of(pool, &run->ranges[i])};
	done = shrink_os_map_return_many(parts, (int)run->nr);
	for (unsigned int i = 0; i < run->nr; i++) {
		const struct pool_range *range = &run->ranges[i];

		if ((int)i < done || !shrink_os_map_return(parts[i].iov_base, parts[i].iov_len))
			pages += range->pages;
		else
			wipe(pool, range);
		shrink_pool_place_give(pool, range->first, range->nr, range->pages);
	}
	run->returned += pages * pool->page;
	add_relaxed(&pool->returned_bytes, pages * pool->page);
	run->nr = 0;
	run->pages = 0;
}

/* Does the slab lie behind the range's last? One extent's slabs have one stride. */
static int follows(const struct shrink_pool *pool, const struct pool_range *range, size_t offset)
{
	return offset >> EXTENT_SHIFT == range->start >> EXTENT_SHIFT &&
	       offset == range->start + range->nr * stride_of(pool, offset);
}

void shrink_pool_run_add(struct shrink_pool *pool, struct pool_run *run, struct pool_slab *slab)
{
	size_t offset = pool_slab_offset(pool, slab);
	uint32_t pages = load_relaxed(&slab->pages);
	struct pool_range *range = run->nr ? &run->ranges[run->nr - 1] : NULL;

	pool_guard_gone(pool, offset, pool_slab_bytes(pool, slab));
	if (range && follows(pool, range, offset)) {
		range->nr++;
		range->pages += pages;
	} else {
		if (run->nr == POOL_RANGES)
			shrink_pool_run_flush(pool, run);
		run->ranges[run->nr++] = (struct pool_range){slab, offset, 1, pages};
	}
	run->pages += pages;
	if (run->pages >= RUN_PAGES)
		shrink_pool_run_flush(pool, run);
}

void shrink_pool_complete(struct shrink_pool *pool, uint64_t pages)
{
	sub_relaxed(&pool->pending_pages, pages);
	if (pool->shrinker)
		shrinker_complete(pool->shrinker, pool->nid < 0 ? 0 : pool->nid, pages,
				  pages * pool->page);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Pages back to the system: neighbours go with one call. */
#include <libshrink/os/map.h>
#include <libshrink/pool/guard.h>

/* The system refused (locked memory, before Linux 5.18): the pages are still there, and
 * new objects begin with zeros all the same. */
static void wipe(struct shrink_pool *pool, const struct pool_run *run)
{
	for (unsigned int i = 0; i < run->nr; i++) {
		size_t at = run->start + i * run->stride;

		shrink_pool_guard_zero(pool, at, pool_slab_bytes(pool, pool_slab_at(pool, at)));
	}
}

void shrink_pool_run_flush(struct shrink_pool *pool, struct pool_run *run)
{
	size_t length;

	if (!run->nr)
		return;
	/* up to the end of the last one's pages; what lies between was never touched */
	length = (run->nr - 1) * run->stride;
	length += pool_slab_bytes(pool, pool_slab_at(pool, run->start + length));
	if (!shrink_os_map_return(pool->data + run->start, length)) {
		run->returned += run->pages * pool->page;
		add_relaxed(&pool->returned_bytes, run->pages * pool->page);
	} else {
		wipe(pool, run);
	}
	shrink_pool_place_give(pool, run->first, run->nr, run->pages);
	run->nr = 0;
	run->pages = 0;
}

void shrink_pool_run_add(struct shrink_pool *pool, struct pool_run *run, struct pool_slab *slab)
{
	size_t offset = pool_slab_offset(pool, slab);
	uint32_t extent = (uint32_t)(offset >> EXTENT_SHIFT);

	/* one extent's slabs have one stride, so neighbours there are a stride apart */
	if (run->nr && (offset != run->start + run->nr * run->stride ||
			extent != run->start >> EXTENT_SHIFT))
		shrink_pool_run_flush(pool, run);
	if (!run->nr) {
		run->first = slab;
		run->start = offset;
		run->stride = (size_t)1 << load_relaxed(&pool_extent(pool, extent)->stride);
	}
	pool_guard_gone(pool, offset, pool_slab_bytes(pool, slab));
	run->nr++;
	run->pages += load_relaxed(&slab->pages);
}

void shrink_pool_complete(struct shrink_pool *pool, uint64_t pages)
{
	sub_relaxed(&pool->pending_pages, pages);
	if (pool->shrinker)
		shrinker_complete(pool->shrinker, pool->nid < 0 ? 0 : pool->nid, pages,
				  pages * pool->page);
}

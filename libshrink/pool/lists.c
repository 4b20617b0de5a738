// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * A class's slabs by fullness. Allocation fills the densest, so that the sparse
 * ones drain and go back.
 */
#include <libshrink/pool/slab.h>

/* Empty slabs kept mapped: 1/64 of what is resident, within these bounds. They
 * spare a page fault per page where a cache breathes in and out. */
#define CACHE_PAGES_MIN 64
#define CACHE_PAGES_MAX 4096

void shrink_pool_class_init(struct shrink_pool *pool, unsigned int index)
{
	struct pool_class *class = &pool->classes[index];

	if (pool->flags & SHRINK_POOL_HUGE)
		shrink_class_geometry_huge(index, pool->page, &class->geo);
	else
		shrink_class_geometry(index, pool->page, &class->geo);
	for (unsigned int q = 0; q < QUARTERS; q++)
		shrink_list_init(&class->partial[q]);
	shrink_list_init(&class->empty);
}

int shrink_pool_cache_has_room(struct shrink_pool *pool, unsigned int pages)
{
	uint64_t max = shrink_clamp_u64(load_relaxed(&pool->resident_pages) / 64, CACHE_PAGES_MIN,
					CACHE_PAGES_MAX);

	return load_relaxed(&pool->cached_pages) + pages <= max;
}

void shrink_pool_list_drop(struct shrink_pool *pool, struct pool_class *class,
			   struct pool_slab *slab)
{
	if (class->current == slab)
		class->current = NULL;
	if (class->shelter == slab)
		class->shelter = NULL;
	if (slab->list == LIST_NONE)
		return;
	shrink_list_del(&slab->link);
	if (slab->list < QUARTERS)
		class->nr_partial[slab->list]--;
	if (slab->list == LIST_EMPTY) {
		store_relaxed(&class->nr_empty, load_relaxed(&class->nr_empty) - 1);
		sub_relaxed(&pool->cached_pages, load_relaxed(&slab->pages));
	}
	slab->list = LIST_NONE;
}

void shrink_pool_list_put(struct shrink_pool *pool, struct pool_class *class,
			  struct pool_slab *slab)
{
	unsigned int live = load_relaxed(&slab->live), nr = class->geo.nr;
	uint8_t list = (uint8_t)(live == nr ? LIST_NONE : live ? live * QUARTERS / nr : LIST_EMPTY);

	if (slab->list == list || slab == class->current || slab == class->shelter)
		return;
	shrink_pool_list_drop(pool, class, slab);
	if (list == LIST_NONE)
		return;
	slab->list = list;
	if (list != LIST_EMPTY) {
		shrink_list_add_tail(&slab->link, &class->partial[list]);
		class->nr_partial[list]++;
		return;
	}
	shrink_list_add_tail(&slab->link, &class->empty);
	store_relaxed(&class->nr_empty, load_relaxed(&class->nr_empty) + 1);
	add_relaxed(&pool->cached_pages, load_relaxed(&slab->pages));
}

struct pool_slab *shrink_pool_list_densest(struct shrink_pool *pool, struct pool_class *class)
{
	struct shrink_list *list = &class->empty;
	struct pool_slab *slab;

	for (unsigned int q = QUARTERS; q-- > 0;) {
		if (!shrink_list_empty(&class->partial[q])) {
			list = &class->partial[q];
			break;
		}
	}
	if (shrink_list_empty(list))
		return NULL;
	slab = shrink_list_entry(list->next, struct pool_slab, link);
	shrink_pool_list_drop(pool, class, slab);
	return slab;
}

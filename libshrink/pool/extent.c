// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Extents of 4 MiB and the places for slabs in them. */
#include <errno.h>
#include <string.h>

#include <libshrink/core/growth.h>
#include <libshrink/os/map.h>
#include <libshrink/pool/slab.h>

/* Tables of an extent in use, counted in full though touched bit by bit; but for the
 * bitmaps, which only slabs of small objects have. */
#define TABLES_USED (TABLE_BITS + MARKS_SIZE)

static uint32_t places_of(unsigned int stride)
{
	return 1u << (EXTENT_SHIFT - stride);
}

/* Where extents for slabs of this class are listed. Huge slabs keep to themselves: what
 * else has 2 MiB of addresses need not be as long, and a huge page would be. */
static unsigned int list_for(const struct shrink_class_geometry *g)
{
	return shrink_class_is_huge(g) ? STRIDES : g->stride - UNIT_SHIFT;
}

static uint32_t extent_of(const struct shrink_pool *pool, const void *in_tables)
{
	return (uint32_t)((size_t)((const unsigned char *)in_tables - pool->tables) >> TABLE_SHIFT);
}

static int within_max(const struct shrink_pool *pool, uint64_t more)
{
	uint64_t resident = load_relaxed(&pool->resident_pages) * pool->page + pool->table_bytes;

	return !pool->max_bytes || shrink_add_u64(resident, more) <= pool->max_bytes;
}

/* Opens the next extent in line. */
static struct pool_extent *carve(struct shrink_pool *pool)
{
	uint32_t n = load_relaxed(&pool->nr_extents);
	struct pool_extent *extent;

	if (n == pool->max_extents ||
	    shrink_os_map_open(pool->data + ((size_t)n << EXTENT_SHIFT), EXTENT_SIZE) < 0 ||
	    shrink_os_map_open(pool->tables + ((size_t)n << TABLE_SHIFT), TABLE_SIZE) < 0 ||
	    shrink_os_map_open(pool->marks + n * MARKS_SIZE, MARKS_SIZE) < 0 ||
	    (pool->move && shrink_os_map_open(pool->ages + n * MARKS_SIZE, MARKS_SIZE) < 0))
		return NULL;
	extent = pool_extent(pool, n);
	shrink_list_init(&extent->link);
	pool->table_bytes += pool->page;
	/* pairs with find(): who sees the number may read the tables */
	atomic_store_explicit(&pool->nr_extents, n + 1, memory_order_release);
	return extent;
}

/* Which pages the kernel may put behind an extent, before the first is touched. Where it
 * has no huge ones, or nobody asks for them, this changes nothing. */
static void choose_pages(struct shrink_pool *pool, struct pool_extent *extent, uint32_t huge)
{
	if (extent->huge != huge)
		shrink_os_map_pages(pool->data +
					    ((size_t)extent_of(pool, extent) << EXTENT_SHIFT),
				    EXTENT_SIZE,
				    huge ? SHRINK_OS_PAGES_HUGE : SHRINK_OS_PAGES_SMALL);
	extent->huge = huge;
}

/* An extent for slabs of the class that has a free place. */
static struct pool_extent *extent_for(struct shrink_pool *pool,
				      const struct shrink_class_geometry *g, uint64_t bytes)
{
	struct shrink_list *list = &pool->extents_partial[list_for(g)];
	struct pool_extent *extent;

	if (!shrink_list_empty(list))
		return shrink_list_entry(list->next, struct pool_extent, link);
	if (!within_max(pool, bytes + TABLES_USED))
		return NULL;
	if (shrink_list_empty(&pool->extents_free)) {
		extent = carve(pool);
	} else {
		extent = shrink_list_entry(pool->extents_free.next, struct pool_extent, link);
		shrink_list_del(&extent->link);
	}
	if (!extent)
		return NULL;
	pool->table_bytes += TABLES_USED;
	choose_pages(pool, extent, (uint32_t)shrink_class_is_huge(g));
	store_relaxed(&extent->stride, g->stride);
	shrink_list_add_tail(&extent->link, list);
	return extent;
}

/* The lowest free place of an extent that has one. */
static uint32_t take_place(struct pool_extent *extent)
{
	uint32_t word = 0, bit;
	uint64_t used;

	while ((used = load_relaxed(&extent->used[word])) == UINT64_MAX)
		word++;
	bit = (uint32_t)__builtin_ctzll(~used);
	store_relaxed(&extent->used[word], used | UINT64_C(1) << bit);
	return word * 64 + bit;
}

/* Bit of the page that the byte at @offset of a table lies in. */
static uint32_t page_bit(const struct shrink_pool *pool, size_t offset, unsigned int first)
{
	return UINT32_C(1) << (first + (unsigned int)(offset / pool->page));
}

/* Bitmaps and ages come with the first slab that needs their page. extent_lock */
static void count_rare(struct shrink_pool *pool, struct pool_extent *extent,
		       struct pool_slab *slab, const struct shrink_class_geometry *g)
{
	size_t bits = (size_t)((unsigned char *)pool_slab_bits(pool, slab) - pool->tables);
	size_t ages = (pool_slab_offset(pool, slab) & (EXTENT_SIZE - 1)) >> MARK_SHIFT;
	uint32_t needed = 0;

	bits = (bits & (TABLE_SIZE - 1)) - TABLE_BITS;
	if (g->nr > 64)
		needed = page_bit(pool, bits, 0) |
			 page_bit(pool, bits + sizeof(struct pool_bits) - 1, 0);
	if (pool_class_moves(pool, g) && g->size < 2u << MARK_SHIFT)
		needed |= page_bit(pool, ages, (TABLE_EXTENT - TABLE_BITS) / 4096);
	needed &= ~extent->rare_pages;
	pool->table_bytes += (uint64_t)__builtin_popcount(needed) * pool->page;
	extent->rare_pages |= needed;
}

struct pool_slab *shrink_pool_place_take(struct shrink_pool *pool,
					 const struct shrink_class_geometry *g,
					 unsigned int pages)
{
	uint64_t bytes = (uint64_t)pages * pool->page;
	unsigned int stride = g->stride;
	struct pool_extent *extent = NULL;
	struct pool_slab *slab = NULL;
	size_t offset;

	shrink_growth(bytes);
	pthread_mutex_lock(&pool->extent_lock);
	if (within_max(pool, bytes))
		extent = extent_for(pool, g, bytes);
	if (extent) {
		offset = (size_t)extent_of(pool, extent) << EXTENT_SHIFT;
		offset += (size_t)take_place(extent) << stride;
		if (++extent->nr_used == places_of(stride))
			shrink_list_del(&extent->link);
		add_relaxed(&pool->resident_pages, pages);
		pool->nr_slabs++;
		slab = pool_slab_at(pool, offset);
		count_rare(pool, extent, slab, g);
	}
	pthread_mutex_unlock(&pool->extent_lock);
	return slab;
}

/* All its slabs have gone: its tables go too, but for the account. */
static void retire(struct shrink_pool *pool, struct pool_extent *extent)
{
	uint32_t n = extent_of(pool, extent);

	shrink_list_del(&extent->link);
	shrink_list_add_tail(&extent->link, &pool->extents_free);
	store_relaxed(&extent->stride, 0);
	pool->table_bytes -= TABLES_USED;
	pool->table_bytes -= (uint64_t)__builtin_popcount(extent->rare_pages) * pool->page;
	extent->rare_pages = 0;
	shrink_os_map_return(pool->tables + ((size_t)n << TABLE_SHIFT), TABLE_EXTENT);
	shrink_os_map_return(pool->marks + n * MARKS_SIZE, MARKS_SIZE);
	if (pool->move)
		shrink_os_map_return(pool->ages + n * MARKS_SIZE, MARKS_SIZE);
}

void shrink_pool_place_give(struct shrink_pool *pool, struct pool_slab *first, unsigned int nr,
			    uint64_t pages)
{
	struct pool_extent *extent = pool_extent(pool, extent_of(pool, first));
	unsigned int stride = load_relaxed(&extent->stride);
	size_t place = (pool_slab_offset(pool, first) & (EXTENT_SIZE - 1)) >> stride;

	pthread_mutex_lock(&pool->extent_lock);
	for (unsigned int i = 0; i < nr; i++, place++) {
		_Atomic uint64_t *word = &extent->used[place / 64];

		store_relaxed(word, load_relaxed(word) & ~(UINT64_C(1) << place % 64));
	}
	if (extent->nr_used == places_of(stride))
		shrink_list_add_tail(&extent->link,
				     &pool->extents_partial[extent->huge ? STRIDES
									 : stride - UNIT_SHIFT]);
	extent->nr_used -= nr;
	sub_relaxed(&pool->resident_pages, pages);
	pool->nr_slabs -= nr;
	if (!extent->nr_used)
		retire(pool, extent);
	pthread_mutex_unlock(&pool->extent_lock);
	shrink_pool_uncharge(pool, pages * pool->page);
}

struct pool_slab *shrink_pool_find(const struct shrink_pool *pool, const void *object,
				   size_t *ret_offset)
{
	size_t offset = (size_t)((uintptr_t)object - (uintptr_t)pool->data);
	size_t nr = atomic_load_explicit(&pool->nr_extents, memory_order_acquire);
	uint32_t stride;

	if (offset >> EXTENT_SHIFT >= nr)
		return NULL;
	stride = load_relaxed(&pool_extent(pool, (uint32_t)(offset >> EXTENT_SHIFT))->stride);
	if (!stride)
		return NULL;
	*ret_offset = offset & (((size_t)1 << stride) - 1);
	return pool_slab_at(pool, offset - *ret_offset);
}

int shrink_pool_place_fits(struct shrink_pool *pool, const struct shrink_class_geometry *g,
			   unsigned int pages)
{
	uint64_t bytes = (uint64_t)pages * pool->page;
	int fits, partial;

	pthread_mutex_lock(&pool->extent_lock);
	partial = !shrink_list_empty(&pool->extents_partial[list_for(g)]);
	fits = within_max(pool, bytes + (partial ? 0 : TABLES_USED)) &&
	       (partial || !shrink_list_empty(&pool->extents_free) ||
		load_relaxed(&pool->nr_extents) < pool->max_extents);
	pthread_mutex_unlock(&pool->extent_lock);
	return fits;
}

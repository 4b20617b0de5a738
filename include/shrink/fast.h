/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Hot-path inlines: one relaxed access each, frozen layout, no call into the
 * library. Look the page up once, after start, and keep the pointer.
 */
#ifndef SHRINK_FAST_H
#define SHRINK_FAST_H

#include <shrink/attr.h>

SHRINK_BEGIN_DECLS

/** What the hot path may read without a call. Layout frozen. */
struct shrink_fast {
	uint32_t may_grow; /**< 0 while growth is held off */
	uint32_t level;    /**< enum shrink_level */
};

/** The process's page; never NULL, valid for the life of the process. */
const struct shrink_fast *shrink_fast_page(void);

/** shrink_may_grow() without the call. */
static inline int shrink_fast_may_grow(const struct shrink_fast *page)
{
	return __atomic_load_n(&page->may_grow, __ATOMIC_RELAXED) != 0;
}

/** Marks an object referenced: a store only where it is not marked already, so
 *  that a hot object's line stays shared. @mark is a byte of the object's own;
 *  the cache's scan clears it with shrink_fast_test_clear(). */
static inline void shrink_fast_mark(unsigned char *mark)
{
	if (!__atomic_load_n(mark, __ATOMIC_RELAXED))
		__atomic_store_n(mark, (unsigned char)1, __ATOMIC_RELAXED);
}

/** The scan's half: was it marked since last asked? */
static inline int shrink_fast_test_clear(unsigned char *mark)
{
	if (!__atomic_load_n(mark, __ATOMIC_RELAXED))
		return 0;
	__atomic_store_n(mark, (unsigned char)0, __ATOMIC_RELAXED);
	return 1;
}

/** Where a page-true pool keeps its marks: shrink_pool_fast() in <shrink/pool.h>.
 *  Layout frozen. */
struct shrink_fast_pool {
	uintptr_t data;       /**< address of the first object */
	unsigned char *marks; /**< one byte per 2^SHRINK_FAST_POOL_SHIFT of data */
};
#define SHRINK_FAST_POOL_SHIFT 6

/** shrink_pool_mark() without the call. @object must be the start of an object of
 *  that pool, live or just freed. */
static inline void shrink_fast_pool_mark(const struct shrink_fast_pool *pool, const void *object)
{
	const uintptr_t at = (uintptr_t)object - pool->data;

	shrink_fast_mark(pool->marks + (at >> SHRINK_FAST_POOL_SHIFT));
}

/** The clock of an age, see shrink_age_fast() in <shrink/age.h>. Layout frozen. */
struct shrink_fast_age {
	uint32_t stamp; /**< ticks << SHRINK_FAST_AGE_SHIFT */
};
#define SHRINK_FAST_AGE_SHIFT 4

/** Stamps an object used, and counts up to 15 uses in a tick: a store only where the
 *  stamp changes. Two threads may lose each other's count, never the tick. */
static inline void shrink_fast_stamp(uint32_t *stamp, const struct shrink_fast_age *age)
{
	uint32_t now = __atomic_load_n(&age->stamp, __ATOMIC_RELAXED);
	uint32_t old = __atomic_load_n(stamp, __ATOMIC_RELAXED), used = old ^ now;

	if (used >> SHRINK_FAST_AGE_SHIFT)
		__atomic_store_n(stamp, now | 1u, __ATOMIC_RELAXED);
	else if (used < 15)
		__atomic_store_n(stamp, old + 1u, __ATOMIC_RELAXED);
}

SHRINK_END_DECLS

#endif /* SHRINK_FAST_H */

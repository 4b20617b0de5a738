/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Misuse found: objects of a guarded pool (SHRINK_POOL_DEBUG, or the tunable
 * pool_debug) carry a trailer, and what is in no use a pattern.
 *
 *   live   | size bytes, the application's | e5 e5 .. | LIVE, size |
 *   free   | 0 (head) | db db db ..                   | why, size  |
 *                                                       `-- 16 bytes, the place's last
 *
 *   e5 gone     somebody wrote beyond the object's end
 *   db gone     somebody wrote to an object that was freed, evicted or moved
 *   not LIVE    it is freed twice, or freed though evict() or move() gave it to us: the
 *               trailer's one exchange decides which of two frees is the first
 *
 * Under AddressSanitizer - found at run time, so the library itself may be built without -
 * places in no use are poisoned too, guarded or not, all but their heads: those a callback
 * may read that is asked about an object just freed.
 *
 * Guards are set and looked at where objects change hands: at the end of alloc, at the
 * beginning of free, and when a callback has answered. No lock is held there, since what
 * is found is logged. A place is one thread's own then, but for its trailer, which is
 * read by whoever must know its size: that is atomic.
 */
#ifndef SHRINK_POOL_GUARD_H
#define SHRINK_POOL_GUARD_H

#include <libshrink/pool/slab.h>

#define POOL_GUARD_BYTES 16 /* what a guarded object takes more */

/* Bits of shrink_pool.watch. */
#define POOL_WATCH_GUARD 1u
#define POOL_WATCH_ASAN	 2u

/* What becomes of an object. */
enum pool_end { POOL_END_FREED = 1, POOL_END_EVICTED, POOL_END_MOVED };

/* What is to be watched in a pool with these flags. */
unsigned int shrink_pool_watch(unsigned int flags);

/* The same for bodies of the inline functions below; only where watch is not 0. */
void shrink_pool_guard_born(struct shrink_pool *pool, unsigned char *object, size_t place,
			    size_t size);
void shrink_pool_guard_end(struct shrink_pool *pool, unsigned char *object, size_t place,
			   enum pool_end why);
int shrink_pool_guard_free(struct shrink_pool *pool, struct pool_slab *slab, uint32_t tag,
			   size_t offset, const void *object);
size_t shrink_pool_guard_size(const unsigned char *object, size_t place);
void shrink_pool_guard_slab(struct shrink_pool *pool, const struct pool_class *class,
			    struct pool_slab *slab);
void shrink_pool_guard_gone(struct shrink_pool *pool, size_t offset, size_t length);
/* Zeros in what is in no use: the system would not take it. */
void shrink_pool_guard_zero(struct shrink_pool *pool, size_t offset, size_t length);
void shrink_pool_guard_destroy(struct shrink_pool *pool);

/* An object of @size bytes begins to live in a place of @place bytes. */
static inline void pool_guard_born(struct shrink_pool *pool, unsigned char *object, size_t place,
				   size_t size)
{
	if (__builtin_expect(pool->watch, 0))
		shrink_pool_guard_born(pool, object, place, size);
}

/* It is ours again. */
static inline void pool_guard_end(struct shrink_pool *pool, unsigned char *object, size_t place,
				  enum pool_end why)
{
	if (__builtin_expect(pool->watch, 0))
		shrink_pool_guard_end(pool, object, place, why);
}

/* The application frees what begins @offset bytes into the slab. 0: it may not, and that
 * is reported. */
static inline int pool_guard_free(struct shrink_pool *pool, struct pool_slab *slab, uint32_t tag,
				  size_t offset, const void *object)
{
	return !__builtin_expect(pool->watch, 0) ||
	       shrink_pool_guard_free(pool, slab, tag, offset, object);
}

/* Bytes of an object that the application may use. */
static inline size_t pool_guard_size(const struct shrink_pool *pool, const unsigned char *object,
				     size_t place)
{
	return pool->watch & POOL_WATCH_GUARD ? shrink_pool_guard_size(object, place) : place;
}

/* A slab comes into use. Class lock held. */
static inline void pool_guard_slab(struct shrink_pool *pool, const struct pool_class *class,
				   struct pool_slab *slab)
{
	if (__builtin_expect(pool->watch, 0))
		shrink_pool_guard_slab(pool, class, slab);
}

/* Data of the pool that is in no use any more. */
static inline void pool_guard_gone(struct shrink_pool *pool, size_t offset, size_t length)
{
	if (__builtin_expect(pool->watch, 0))
		shrink_pool_guard_gone(pool, offset, length);
}

/* Bytes that an object of @size takes, before they are rounded to its class. */
static inline size_t pool_place_bytes(const struct shrink_pool *pool, size_t size)
{
	return size + (pool->watch & POOL_WATCH_GUARD ? POOL_GUARD_BYTES : 0);
}

/* A free of what is no live object is counted and reported: what it is, and what was
 * expected. No lock held. */
void shrink_pool_misuse(struct shrink_pool *pool, const void *object);
/* The same of @nr objects of a slab, freed after evict() or move() gave them to us. */
void shrink_pool_misuse_given(struct shrink_pool *pool, const void *slab, unsigned int nr);

#endif /* SHRINK_POOL_GUARD_H */

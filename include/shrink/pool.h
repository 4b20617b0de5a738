/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The page-true pool: objects kept so that giving them up gives pages back.
 *
 * Evicting malloc'ed objects in LRU order returns next to nothing, because each
 * page still holds a survivor. The pool is our counterpart of the kernel's slab:
 * size classes in slabs of whole pages, counted in pages, and it is a shrinker.
 * Its scan takes the coldest, sparsest slabs, asks the application to evict each
 * object in them, and gives whole slabs back with MADV_DONTNEED.
 *
 * A slab goes back whole or not at all. Which slabs go is decided by what
 * shrink_pool_mark() tells: those with few objects used since the last look, and
 * few objects at all. Every object of such a slab is asked for, marked or not. So
 * mark on each hit (shrink_fast_pool_mark() is inlined, no call), and answer
 * EVICTED wherever possible: an object that refuses keeps its neighbours' pages,
 * and what was evicted beside it returned nothing. A second chance of the cache's
 * own, answered as REFERENCED, works against the pool; marks are that chance.
 *
 * Units: the pool's shrinker counts pages, in count, scan, keep and pending. A
 * slab is pending once nothing but pending objects is left in it.
 *
 * Threads: every call is safe from any thread. The evict callback runs on the
 * thread that reclaims, with no pool lock held. In a forked child the pool works
 * on, with the objects it held.
 */
#ifndef SHRINK_POOL_H
#define SHRINK_POOL_H

#include <shrink/memcg.h>

SHRINK_BEGIN_DECLS

struct shrink_pool;
struct shrink_fast_pool;

/** What the application says of an object it was asked to evict. */
enum shrink_evict {
	/** unlinked, and its memory is the pool's from now on; the application
	 *  must not free it */
	SHRINK_EVICTED = 0,
	/** cannot be taken now (its lock is held, somebody uses it) */
	SHRINK_BUSY = 1,
	/** used since last asked: give it, and its slab, another tour; asked again
	 *  at once where others of the slab have gone already */
	SHRINK_REFERENCED = 2,
	/** unlinked; its last user will call shrink_pool_free() */
	SHRINK_EVICT_PENDING = 3
};

/** Bytes at the start of each new object that are zero. */
#define SHRINK_POOL_HEAD 16

/** In shrink_pool_options.flags: bind the pool's memory to node .nid; its shrinker
 *  is NUMA-aware then, and counts at that node only. */
#define SHRINK_POOL_BIND 0x1u
/** A slab is made only while shrink_room() permits: alloc fails with EAGAIN while growth
 *  is held, and shrink_pool_make_room() replaces instead of growing. */
#define SHRINK_POOL_ROOM 0x2u
/** The pool charges its slabs to .memcg, in whole pages, when it makes them, which may
 *  reclaim in alloc as shrink_memcg_charge() does with SHRINK_GFP_NOLOCK; the
 *  application charges nothing. Alloc fails with ENOMEM at the group's max, ESTALE
 *  where it is offline. */
#define SHRINK_POOL_CHARGE 0x4u
/** Objects are guarded, at 16 bytes and a look at each byte: writes beyond an object's
 *  end, writes after free, evict or move, and frees of what was freed, evicted or moved
 *  are found, reported with what was expected, and counted (bad_frees, damaged). The
 *  tunable pool_debug does it for all pools. Nothing aborts. The largest object is 16
 *  bytes below 4 MiB. AddressSanitizer, where it is in the process, finds reads too, with
 *  or without this flag. */
#define SHRINK_POOL_DEBUG 0x8u

/** Objects of more than 3.5 KiB, up to 32 KiB, lie in slabs of 2 MiB, one huge page each
 *  where the system has them: fewer misses of address translation, and as a slab goes
 *  back whole, no huge page is ever split, which would return nothing until the kernel
 *  gets round to it. The price: 64 to 512 objects go together, so cold ones are told from
 *  hot ones less well (give a move callback), and a new slab is zeroed as a whole.
 *  Everything else, and pools without the flag, never have huge pages. */
#define SHRINK_POOL_HUGE 0x10u

/** How to make a pool. Zero it, set what differs; fields are appended only. */
struct shrink_pool_options {
	/** Asked for each live object of a slab that is to go; must not block
	 *  (trylock), must not allocate from the pool. @object may be freed by
	 *  another thread at any moment until the application's own lock says
	 *  otherwise: the callback finds out under that lock whether it is still
	 *  linked, and answers BUSY if not. The bytes stay mapped and are nobody
	 *  else's meanwhile. Nor need it be linked yet: then its first
	 *  SHRINK_POOL_HEAD bytes are zero, or what the application has stored
	 *  there since. Keep there, atomically, what tells the callback that an
	 *  object is linked, and which lock to take.
	 *  @size is what shrink_pool_usable() says. NULL = the pool is no shrinker,
	 *  only an allocator. */
	enum shrink_evict (*evict)(void *arg, void *object, size_t size);
	void *arg;
	size_t object_max;  /**< largest object, bytes, up to 4 MiB; 0 = 1 MiB */
	int seeks;          /**< of the shrinker; 0 = SHRINK_DEFAULT_SEEKS */
	unsigned int flags; /**< SHRINK_POOL_* */
	int nid;            /**< node to bind to; read with SHRINK_POOL_BIND only */
	size_t reserve;     /**< address space reserved, bytes; 0 = 64 times the
			     *   machine's memory, at least 16 GiB, less where an
			     *   address limit forbids it. No memory is behind it. */
	size_t max_bytes;   /**< resident at most, tables included; alloc fails
			     *   beyond; 0 = no cap */
	/** The objects are this group's (<shrink/memcg.h>): the shrinker is
	 *  memcg-aware and asked for this group only, so that the group's max is
	 *  paid for with slabs of its own and its min and low protect them. The
	 *  application charges what it allocates, and uncharges in evict() and
	 *  before shrink_pool_free(). Referenced by the pool; NULL or the root:
	 *  nobody's in particular. */
	struct shrink_memcg *memcg;
	/** Asked for an object worth keeping, of 64 bytes or more, whose slab is to
	 *  go: copy it to @to, make everything that points to @from point to @to,
	 *  and return 0; @from is the pool's from then on. Anything else: it cannot
	 *  be moved now, stays, and keeps its slab. The same thread, locks and
	 *  races as evict(): trylock, and find out under the lock whether @from is
	 *  still linked. @to is an object like a new one. Cold objects of the slab
	 *  are evicted, so that pages come back without their hot neighbours being
	 *  lost. NULL: all of a slab goes. */
	int (*move)(void *arg, void *from, void *to, size_t size);
};

/**
 * shrink_pool_create() - a pool, registered as a shrinker
 * @options: NULL = all defaults; @size: its sizeof as the caller knows it
 * @fmt: printf-style name of its shrinker
 *
 * Return: the pool, or NULL with errno = EINVAL: unknown flag, no name, CHARGE
 * without a group, no such node, object_max over 4 MiB, or seeks negative; ENOMEM;
 * ENOTSUP: pages are larger than 16 KiB.
 */
SHRINK_NODISCARD SHRINK_PRINTF(3, 4)
struct shrink_pool *shrink_pool_create(const struct shrink_pool_options *options, size_t size,
				       const char *fmt, ...);

/** Unregisters, waits for the pool's own scans, unmaps everything. NULL is
 *  fine. No object may be used any more. Not from its own evict callback. */
void shrink_pool_destroy(struct shrink_pool *pool);

/** @size bytes, 16-byte aligned, unmarked, uninitialised but for the first
 *  SHRINK_POOL_HEAD bytes, which are zero (see the evict callback).
 *  NULL with errno = ENOMEM, or EINVAL: 0 or over object_max. Does not reclaim:
 *  ask shrink_room() or shrink_may_grow() first. What is kept in its place: up to
 *  128 bytes the next multiple of 16 (32 at least), up to 32 KiB the next eighth
 *  of a power of two, above whole pages. */
SHRINK_NODISCARD void *shrink_pool_alloc(struct shrink_pool *pool, size_t size);

/**
 * shrink_pool_make_room() - evict cold objects until one of @size would fit
 *
 * For caches that have a size of their own: where shrink_pool_alloc() fails because of
 * max_bytes, or must not be tried because growth is held, this takes from the coldest
 * slabs of any class, and of what it empties it keeps what the new object needs. Runs
 * evict() and move() in the calling thread, also before shrink_start(), since it is the
 * caller who asks. Another thread may be faster than the caller's next alloc: try again.
 *
 * Return: 0; -EAGAIN: nothing would go, all busy or referenced; -EINVAL: as alloc, or a
 * pool without evict(); -ESHUTDOWN: the pool is being destroyed.
 */
int shrink_pool_make_room(struct shrink_pool *pool, size_t size);

/** Gives an object back; NULL is fine. What is no object of the pool, or was freed
 *  before, is reported, counted (bad_frees) and left alone. */
void shrink_pool_free(struct shrink_pool *pool, void *object);

/** Bytes usable in the object, at least what was asked, and no more than that in a guarded
 *  pool (SHRINK_POOL_DEBUG); 0: no object of it. */
size_t shrink_pool_usable(struct shrink_pool *pool, const void *object);

/** Says that the object was used: at most one relaxed store, any thread, no lock.
 *  Objects below 64 bytes share a mark with their neighbour. Marking an object that
 *  was just evicted is harmless. */
void shrink_pool_mark(struct shrink_pool *pool, void *object);

/** For shrink_fast_pool_mark() in <shrink/fast.h>, which marks without a call.
 *  Valid as long as the pool. NULL for NULL. */
const struct shrink_fast_pool *shrink_pool_fast(const struct shrink_pool *pool);

/** The pool's shrinker, for setters and statistics; NULL if it has none. */
struct shrinker *shrink_pool_shrinker(struct shrink_pool *pool);

/** A pool's account. Fields are appended only. */
struct shrink_pool_stats {
	uint64_t live_objects;
	uint64_t live_bytes;     /**< asked for, of live objects, rounded to class */
	uint64_t resident_bytes; /**< whole slabs mapped, and the pool's own tables,
				  *   each counted in full though touched bit by bit */
	uint64_t free_bytes;     /**< in mapped slabs, unused */
	uint64_t evicted_objects;
	uint64_t evicted_bytes;
	uint64_t returned_bytes; /**< given back with MADV_DONTNEED */
	uint64_t busy;           /**< evict answers */
	uint64_t referenced;
	uint64_t pending;
	uint64_t slabs;          /**< mapped now */
	uint64_t bad_frees;      /**< of what was no object, or freed before */
	uint64_t moved_objects;  /**< survivors moved to denser slabs */
	uint64_t moved_bytes;
	uint64_t damaged;        /**< guarded objects found overwritten, see
				  *   SHRINK_POOL_DEBUG */
};

/** Return: 0; -EINVAL. */
int shrink_pool_stats(struct shrink_pool *pool, struct shrink_pool_stats *ret_stats, size_t size);

/** The same, added up over the pools bound to a node (SHRINK_NUMA_NO_NODE: all) and of a
 *  group, itself only (NULL: all; the root: pools of no group). Return: 0; -EINVAL. */
int shrink_pools_stats(int nid, const struct shrink_memcg *memcg,
		       struct shrink_pool_stats *ret_stats, size_t size);

/** A size class's account: where a pool is fragmented. Fields are appended only. */
struct shrink_pool_class_stats {
	uint64_t object_size;    /**< bytes of a place; 0 = whole pages for each object */
	uint64_t slabs;
	uint64_t resident_bytes; /**< of its slabs */
	uint64_t live_objects;
	uint64_t live_bytes;
	uint64_t dirty_bytes;    /**< resident, and no object's: free places, tails, what
				  *   magazines hold, empty slabs kept */
	uint64_t empty_slabs;
	uint64_t partial_slabs[4]; /**< filled below 1/4, 1/2, 3/4, all; the rest is full,
				    *   or in use for allocation or survivors */
};

/** @index: 0, 1, ... Return: 0; -EINVAL; -ENOENT: there are no more classes. */
int shrink_pool_class_stats(struct shrink_pool *pool, unsigned int index,
			    struct shrink_pool_class_stats *ret_stats, size_t size);

SHRINK_END_DECLS

#endif /* SHRINK_POOL_H */

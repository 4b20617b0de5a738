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
 * Threads: every call is safe from any thread. The evict callback runs on the
 * thread that reclaims, with no pool lock held.
 */
#ifndef SHRINK_POOL_H
#define SHRINK_POOL_H

#include <shrink/reclaim.h>

SHRINK_BEGIN_DECLS

struct shrink_pool;

/** What the application says of an object it was asked to evict. */
enum shrink_evict {
	/** unlinked, and its memory is the pool's from now on; the application
	 *  must not free it */
	SHRINK_EVICTED = 0,
	/** cannot be taken now (its lock is held, somebody uses it) */
	SHRINK_BUSY = 1,
	/** used since last asked: give it another tour */
	SHRINK_REFERENCED = 2,
	/** unlinked; its last user will call shrink_pool_free() */
	SHRINK_EVICT_PENDING = 3
};

/** How to make a pool. Zero it, set what differs; fields are appended only. */
struct shrink_pool_options {
	/** Asked for each live object of a slab that is to go; must not block
	 *  (trylock), must not allocate from the pool. @object may be freed by
	 *  another thread at any moment until the application's own lock says
	 *  otherwise: the callback finds out under that lock whether it is still
	 *  linked, and answers BUSY if not. The bytes stay mapped meanwhile.
	 *  NULL = the pool is no shrinker, only an allocator. */
	enum shrink_evict (*evict)(void *arg, void *object, size_t size);
	void *arg;
	size_t object_max; /**< largest object, bytes; 0 = 1 MiB */
	int seeks;         /**< of the shrinker; 0 = SHRINK_DEFAULT_SEEKS */
	int nid;           /**< node to bind to, or SHRINK_NUMA_NO_NODE */
	size_t reserve;    /**< address space reserved, bytes; 0 = 64 times the
			    *   limit of the process, at least 16 GiB */
	size_t max_bytes;  /**< resident at most; alloc fails beyond; 0 = no cap */
};

/**
 * shrink_pool_create() - a pool, registered as a shrinker
 * @options: NULL = all defaults; @size: its sizeof as the caller knows it
 * @fmt: printf-style name of its shrinker
 *
 * Return: the pool, or NULL with errno = EINVAL or ENOMEM.
 */
SHRINK_NODISCARD SHRINK_PRINTF(3, 4)
struct shrink_pool *shrink_pool_create(const struct shrink_pool_options *options, size_t size,
				       const char *fmt, ...);

/** Unregisters, waits for the pool's own scans, unmaps everything. NULL is
 *  fine. No object may be used any more. */
void shrink_pool_destroy(struct shrink_pool *pool);

/** @size bytes, 16-byte aligned, uninitialised, neither marked nor zeroed.
 *  NULL with errno = ENOMEM, or EINVAL: 0 or over object_max. Does not reclaim:
 *  ask shrink_room() or shrink_may_grow() first. */
SHRINK_NODISCARD void *shrink_pool_alloc(struct shrink_pool *pool, size_t size);

/** Gives an object back; NULL is fine. */
void shrink_pool_free(struct shrink_pool *pool, void *object);

/** Bytes usable in the object, at least what was asked. */
size_t shrink_pool_usable(struct shrink_pool *pool, const void *object);

/** Says that the object was used: one relaxed store, any thread. */
void shrink_pool_mark(struct shrink_pool *pool, void *object);

/** The pool's shrinker, for setters and statistics; NULL if it has none. */
struct shrinker *shrink_pool_shrinker(struct shrink_pool *pool);

/** A pool's account. Fields are appended only. */
struct shrink_pool_stats {
	uint64_t live_objects;
	uint64_t live_bytes;     /**< asked for, of live objects, rounded to class */
	uint64_t resident_bytes; /**< whole slabs mapped, and the pool's own tables */
	uint64_t free_bytes;     /**< in mapped slabs, unused */
	uint64_t evicted_objects;
	uint64_t evicted_bytes;
	uint64_t returned_bytes; /**< given back with MADV_DONTNEED */
	uint64_t busy;           /**< evict answers */
	uint64_t referenced;
	uint64_t pending;
	uint64_t slabs;          /**< mapped now */
};

/** Return: 0; -EINVAL. */
int shrink_pool_stats(struct shrink_pool *pool, struct shrink_pool_stats *ret_stats, size_t size);

SHRINK_END_DECLS

#endif /* SHRINK_POOL_H */

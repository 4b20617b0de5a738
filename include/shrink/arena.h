/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * jemalloc arenas: for those who stay with malloc.
 *
 * An arena of its own keeps a cache's objects apart from all others, so that what it
 * frees is its own pages: they can be counted, and purged without touching the rest of
 * the heap. It does not make evicting page-true by itself, as <shrink/pool.h> does: an
 * object given up in LRU order leaves its neighbours where they are. Evict the ones on
 * sparse slabs first: shrink_arena_sort().
 *
 * Needs jemalloc 5 in the process, linked or preloaded; nothing is forced on a program
 * that has none: everything here says ENOTSUP then.
 *
 * When an arena grows, the watermark is looked at before the new memory is touched, and
 * the monitor woken where it would be crossed. Nothing is reclaimed in there.
 *
 * Threads: every call is safe from any thread. Objects bypass jemalloc's thread caches:
 * a freed object is at once back in its slab, where it counts.
 */
#ifndef SHRINK_ARENA_H
#define SHRINK_ARENA_H

#include <shrink/memcg.h>
#include <shrink/reclaim.h>

SHRINK_BEGIN_DECLS

struct shrink_arena;

/** In shrink_arena_options.flags: memory of node .nid only. */
#define SHRINK_ARENA_BIND 0x1u

/** How to make an arena. Zero it, set what differs; fields are appended only. */
struct shrink_arena_options {
	unsigned int flags;         /**< SHRINK_ARENA_* */
	int nid;                    /**< node; read with SHRINK_ARENA_BIND only */
	struct shrink_memcg *memcg; /**< objects are charged to it, by their usable size;
				     *   the arena takes a reference. NULL = none */
};

/** Return: 0; -ENOTSUP: no jemalloc 5 in the process. */
int shrink_arena_supported(void);

/**
 * shrink_arena_create() - an arena of jemalloc's
 * @options: NULL = all defaults; @size: its sizeof as the caller knows it
 *
 * Return: the arena, or NULL with errno = ENOTSUP, as above; EINVAL: unknown flag, no such
 * node; ENOMEM; ENOSPC: jemalloc has no more arenas.
 */
SHRINK_NODISCARD
struct shrink_arena *shrink_arena_create(const struct shrink_arena_options *options, size_t size);

/** Gives all its memory back, with the objects that are still in it. NULL is fine. No
 *  other thread may use it any more. */
void shrink_arena_destroy(struct shrink_arena *arena);

/** @size bytes, aligned as malloc does. NULL with errno = ENOMEM: no memory, or the group's
 *  max is reached and what may be reclaimed by this thread was not enough; EINVAL: 0. */
SHRINK_NODISCARD void *shrink_arena_alloc(struct shrink_arena *arena, size_t size);

/** Gives an object of this arena back. NULL is fine. */
void shrink_arena_free(struct shrink_arena *arena, void *object);

/** Bytes usable in the object, at least what was asked. */
size_t shrink_arena_usable(const struct shrink_arena *arena, const void *object);

/** Gives the arena's free pages back to the system. To be called after a scan that freed
 *  into it; where jemalloc is the process's malloc the release stage does it for all arenas.
 *  Return: bytes given back, as jemalloc counts them. */
uint64_t shrink_arena_purge(struct shrink_arena *arena);

/** An arena's account, bytes. Fields are appended only. */
struct shrink_arena_stats {
	uint64_t allocated; /**< in objects */
	uint64_t active;    /**< in pages that hold at least one object */
	uint64_t dirty;     /**< in free pages that jemalloc keeps: what a purge gives back */
	uint64_t muzzy;     /**< in free pages the kernel may take by itself */
	uint64_t grown;     /**< taken from the system, ever */
	uint64_t purged;    /**< given back by shrink_arena_purge() */
};

/** Return: 0; -EINVAL; -ENOTSUP: this jemalloc is built without statistics. */
int shrink_arena_stats(struct shrink_arena *arena, struct shrink_arena_stats *ret_stats,
		       size_t size);

/** A live object that could go. */
struct shrink_arena_candidate {
	void *object;
	uint64_t order; /**< written by shrink_arena_sort() */
};

/** Most candidates that one shrink_arena_sort() takes. */
#define SHRINK_ARENA_SORT_MAX (1u << 26)

/**
 * shrink_arena_sort() - candidates for eviction, best first
 * @candidates: live objects of this arena, the coldest first; sorted in place
 * @n: how many
 *
 * Asks jemalloc how full each candidate's slab is. Best are those whose slab would be empty,
 * and its pages free, if all candidates on it went; then those whose slab would be emptiest.
 * The candidates of one slab stay together; slabs as good come in the order of their coldest
 * object.
 *
 * The more candidates, the more pages come back for as many evicted, and the more hits it
 * costs: where n is what has to go, nothing is gained; docs/memory.md has the figures. Which
 * objects share a slab is told from their addresses; jemalloc does not say. A slab that is
 * taken for its neighbour costs nothing but a worse place.
 *
 * The objects must not be freed meanwhile. Takes no memory; n log n.
 *
 * Return: 0; -EINVAL: too many; -ENOTSUP: this jemalloc cannot tell (before 5.2).
 */
int shrink_arena_sort(struct shrink_arena *arena, struct shrink_arena_candidate *candidates,
		      size_t n);

SHRINK_END_DECLS

#endif /* SHRINK_ARENA_H */

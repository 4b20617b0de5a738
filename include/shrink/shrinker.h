/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The shrinker contract: what a cache says of itself and what it is asked.
 *
 * A cache gives two callbacks. count_objects() answers "how much could you
 * free?", cheaply and without locks; scan_objects() is told to look at some
 * objects and frees those that are idle. Names, return values and arithmetic
 * are those of the Linux kernel's shrinkers, so that who knows one knows the
 * other. Everything else in libshrink exists to decide when to call them.
 *
 * Units: "objects" are whatever unit the cache counts in; one unit per
 * shrinker, the same in count, scan, nr_scanned, keep and pending. "Bytes" are
 * bytes of memory that go away with the objects.
 */
#ifndef SHRINK_SHRINKER_H
#define SHRINK_SHRINKER_H

#include <shrink/attr.h>

SHRINK_BEGIN_DECLS

/** What the context that reclaims permits a callback to do. */
typedef unsigned int shrink_gfp_t;

/** May take the application's own locks (the role of __GFP_FS). */
#define SHRINK_GFP_LOCK 0x1u
/** May write data back before dropping it (the role of __GFP_IO). */
#define SHRINK_GFP_IO 0x2u
/** May sleep (the role of __GFP_DIRECT_RECLAIM). */
#define SHRINK_GFP_WAIT 0x4u
/** All of the above: what the library's own threads grant (GFP_KERNEL). */
#define SHRINK_GFP_ALL (SHRINK_GFP_LOCK | SHRINK_GFP_IO | SHRINK_GFP_WAIT)
/** The default of application threads: no application lock is taken. */
#define SHRINK_GFP_NOLOCK (SHRINK_GFP_IO | SHRINK_GFP_WAIT)

/** scan: no progress is possible in this context; ends the slice, and the work
 *  left is deferred, not lost. */
#define SHRINK_STOP (~0UL)
/** count: there is certainly nothing to free. */
#define SHRINK_EMPTY (~0UL - 1)
/** Objects a scan is offered at once where shrinker.batch is 0. */
#define SHRINK_BATCH 128L
/** shrinker.seeks of an object of ordinary cost. */
#define SHRINK_DEFAULT_SEEKS 2
/** The mildest priority; a slice looks at freeable >> priority objects. */
#define SHRINK_DEF_PRIORITY 12
/** No node in particular: pressure that knows only the process. */
#define SHRINK_NUMA_NO_NODE (-1)

/* Flags of shrinker_alloc(). */
/** Counts and scans sc->nid only; has a deferred counter for each node. */
#define SHRINKER_NUMA_AWARE 0x01u
/** Counts and scans sc->memcg only: the root group, or one below it in which its bit
 *  is set, see <shrink/memcg.h>. */
#define SHRINKER_MEMCG_AWARE 0x02u
/** Its scan takes locks only by trylock: it may run in direct reclaim of any
 *  application thread, even where SHRINK_GFP_LOCK is denied. */
#define SHRINKER_DIRECT 0x04u
/** Its scan gives the pages back by itself (munmap, MADV_DONTNEED): what it
 *  frees is no reason to trim the allocator. */
#define SHRINKER_SELF_RELEASE 0x08u

struct shrink_memcg;
struct shrink_owner;

/**
 * struct shrink_control - one call's question and answer
 *
 * Allocated by the library; valid during the call only. Fields are appended,
 * never moved.
 */
struct shrink_control {
	/** in: what the context permits, SHRINK_GFP_* */
	shrink_gfp_t gfp_mask;
	/** in: memory node wanted; of meaning to NUMA-aware shrinkers only */
	int nid;
	/** in, scan: objects to look at, 1 or more; undefined in count */
	unsigned long nr_to_scan;
	/** in/out, scan: objects really looked at; set to nr_to_scan before the
	 *  call. This, not nr_to_scan, is charged against the budget. */
	unsigned long nr_scanned;
	/** in: the group asked; the root group means the whole process */
	struct shrink_memcg *memcg;

	/** in, scan: bytes still wanted of this shrinker, 0 = unknown */
	uint64_t bytes_to_free;
	/** in: CLOCK_MONOTONIC nanoseconds at which the caller stops, 0 = none */
	uint64_t deadline_nsec;
	/** out, scan: bytes freed by this call, 0 = unknown (object_size is
	 *  used then) */
	uint64_t bytes_freed;
	/** out, scan: objects unlinked that go once their last user lets go;
	 *  not to be returned as freed. See shrinker_complete(). */
	unsigned long nr_pending;
	/** out, scan: their bytes, 0 = unknown */
	uint64_t bytes_pending;
};

/**
 * struct shrinker - a cache that takes part in reclaim
 *
 * Allocated by shrinker_alloc() only; the public fields below come first and
 * are only ever appended to. Set them between shrinker_alloc() and
 * shrinker_register(); what may change later has a setter.
 *
 * Callbacks run on any of the library's threads, and, where an application
 * thread calls shrink_slab() or shrink_reclaim(), on that; several may run at
 * once for the same shrinker and node. No library lock is held meanwhile. A
 * callback may free its own shrinker, may register others, and may allocate;
 * reclaim it starts is a no-op that frees 0. A shrinker with an owner is
 * called on the owner's thread only.
 */
struct shrinker {
	/** Freeable objects at sc->nid; 0 = none now, SHRINK_EMPTY = certainly
	 *  none. Must be cheap, must not block. */
	unsigned long (*count_objects)(struct shrinker *s, struct shrink_control *sc);
	/** Look at sc->nr_to_scan objects, free what is idle, return how many
	 *  were freed, or SHRINK_STOP. Never called when count gave none. */
	unsigned long (*scan_objects)(struct shrinker *s, struct shrink_control *sc);
	/** objects offered to a scan at once; 0 = SHRINK_BATCH */
	long batch;
	/** cost to rebuild one object: higher = asked less; 0 = free to
	 *  rebuild, half of the cache goes at any priority */
	int seeks;
	/** SHRINKER_* as given to shrinker_alloc(); read only */
	unsigned int flags;
	/** the application's; never read by the library */
	void *private_data;
	/** typical bytes of an object; 0 = unknown, learned from what scans
	 *  report */
	size_t object_size;
	/** objects the library never asks for: subtracted from every count */
	unsigned long keep;
	/** single-threaded caches: the loop that runs their scans, see
	 *  <shrink/owner.h>; NULL = any thread */
	struct shrink_owner *owner;
};

/**
 * shrinker_alloc() - make a shrinker, not yet known to reclaim
 * @flags: SHRINKER_*
 * @fmt: printf-style name; "<name>-<id>" identifies it in statistics
 *
 * Everything is zeroed but seeks, which is SHRINK_DEFAULT_SEEKS. The result is
 * the caller's until shrinker_free(), which also undoes an allocation that was
 * never registered. May allocate and sleep; callable from callbacks.
 *
 * Return: the shrinker, or NULL with errno = EINVAL (unknown flag, no name) or
 * ENOMEM.
 */
SHRINK_NODISCARD SHRINK_PRINTF(2, 3)
struct shrinker *shrinker_alloc(unsigned int flags, const char *fmt, ...);

/**
 * shrinker_register() - let reclaim find the shrinker
 *
 * Passive until shrink_start(). Callbacks may run before this returns. Never
 * waits for anybody's callback. Callable from callbacks.
 *
 * Return: 0; -EINVAL: @s is NULL, a callback is missing (an owned shrinker
 * needs no count), batch or seeks is negative; -EALREADY: registered before;
 * -ESTALE: freed.
 */
SHRINK_NODISCARD int shrinker_register(struct shrinker *s);

/**
 * shrinker_free() - take the shrinker out and release it
 * @s: a shrinker, registered or not, or NULL
 *
 * Once this has returned no callback of @s runs or will run, so that its
 * private_data may be torn down. It waits for @s's own running callbacks and
 * for nothing else; the caller must hold no lock that they take. Called from
 * inside a callback of @s it is dead at once and completes when that callback
 * returns. Where two callbacks free each other's shrinkers, which no wait could
 * end, the second is reported and completes without waiting. Objects pending
 * must have been completed before.
 */
void shrinker_free(struct shrinker *s);

/**
 * shrinker_free_async() - shrinker_free() that does not wait
 * @done: called exactly once, with @s's private_data, when no callback runs or
 *        will run any more: from this call if none is running, else from the
 *        thread whose callback was the last; may be NULL
 *
 * Return: 0; -EINVAL: @s is NULL; -ESTALE: freed before (@done is not called).
 */
int shrinker_free_async(struct shrinker *s, void (*done)(void *private_data));

/**
 * shrinker_complete() - pending objects have become free
 * @nid: the node they were reported for (0 where not NUMA-aware)
 * @objects, @bytes: how much; @bytes as reported in bytes_pending
 *
 * Credits what a scan reported as nr_pending/bytes_pending. Any thread, any
 * context, also from callbacks; neither locks nor allocates. May overtake the
 * return of the scan that reports the objects.
 *
 * Return: 0; -EINVAL: @s is NULL or no such node.
 */
int shrinker_complete(struct shrinker *s, int nid, unsigned long objects, uint64_t bytes);

/* Setters: any thread, at any time, take effect with the next slice. Return 0;
 * -EINVAL: NULL, or a value out of range; -EPERM: LIBSHRINK_CONF has a rule for
 * this value of this cache, which stays in force (the value is kept, but has no
 * effect while the rule stands). */

/** Objects per scan call; 0 = SHRINK_BATCH. */
int shrinker_set_batch(struct shrinker *s, long batch);
/** Cost to rebuild, 0 or more. */
int shrinker_set_seeks(struct shrinker *s, int seeks);
/** Objects never asked for. */
int shrinker_set_keep(struct shrinker *s, unsigned long objects);
/** 0 = left alone by reclaim (count is not called either) until set again. */
int shrinker_set_enabled(struct shrinker *s, int enabled);
/** A new name; the id stays. Also -ENOMEM. */
SHRINK_PRINTF(2, 3)
int shrinker_set_name(struct shrinker *s, const char *fmt, ...);
/**
 * An owned shrinker's count at a node (0 where not NUMA-aware), published by
 * the owner whenever it changes enough to matter; stands in for count_objects().
 * @bytes: 0 = objects * object_size. Two relaxed stores.
 */
int shrinker_set_count(struct shrinker *s, int nid, unsigned long objects, uint64_t bytes);

/** The number that tells shrinkers of one name apart, or -EINVAL. */
int shrinker_id(const struct shrinker *s);
/** "<name>-<id>" into @buf, cut to @size; returns the full length, or -EINVAL. */
int shrinker_get_name(struct shrinker *s, char *buf, size_t size);

SHRINK_END_DECLS

#endif /* SHRINK_SHRINKER_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Memory groups: tenants inside one process.
 *
 * A tree below the root group, which is the process itself. A group has a usage,
 * charged by the application, and limits with the kernel's names and meaning: min
 * and low protect it from reclaim, high slows it down, max is the end. Shrinkers
 * marked SHRINKER_MEMCG_AWARE are called once for the root and once for each group
 * in which they have objects (see <shrink/list_lru.h>, which keeps the account of
 * that, or shrink_memcg_set_bit()).
 *
 * Usage is hierarchical: a charge counts in the group and in all its ancestors.
 * Bytes are what the application says; the library never looks.
 */
#ifndef SHRINK_MEMCG_H
#define SHRINK_MEMCG_H

#include <shrink/reclaim.h>

SHRINK_BEGIN_DECLS

/** No limit; the default of high, max and soft. */
#define SHRINK_MEMCG_MAX UINT64_MAX

/**
 * shrink_memcg_create() - a group below another
 * @parent: NULL = the root
 * @fmt: printf-style name, for statistics
 *
 * Allocates room for every shrinker's bit and deferred work. The result carries
 * the creator's reference, which shrink_memcg_destroy() drops.
 *
 * Return: the group, or NULL with errno = EINVAL (no name), ENOMEM, ENOSPC (65,535
 * groups exist), E2BIG (the parent has 255 ancestors already) or ESTALE (the parent
 * is offline).
 */
SHRINK_NODISCARD SHRINK_PRINTF(2, 3)
struct shrink_memcg *shrink_memcg_create(struct shrink_memcg *parent, const char *fmt, ...);

/** One more reference; NULL is fine. Returns @memcg. */
struct shrink_memcg *shrink_memcg_get(struct shrink_memcg *memcg);
/** One reference less; NULL is fine. The last frees the group. */
void shrink_memcg_put(struct shrink_memcg *memcg);

/**
 * shrink_memcg_offline() - take a group out of reclaim
 *
 * Its objects' lists, bits and deferred work become the parent's, which must also
 * be told of the children first: a group with children online is -EBUSY. What is
 * still charged stays charged to the ancestors until it is uncharged.
 *
 * Return: 0; -EINVAL: NULL or the root; -EBUSY: children; -EALREADY; -EDEADLK: from a
 * callback that holds the lock of an LRU list.
 */
int shrink_memcg_offline(struct shrink_memcg *memcg);

/** Takes it offline if need be, and drops the creator's reference. NULL is fine.
 *  Return: as shrink_memcg_offline(), but 0 for -EALREADY. */
int shrink_memcg_destroy(struct shrink_memcg *memcg);

/** Its name in @buf, cut to @size; the full length, or -EINVAL. */
int shrink_memcg_name(struct shrink_memcg *memcg, char *buf, size_t size);
/** Its parent, not referenced; NULL for the root. */
struct shrink_memcg *shrink_memcg_parent(struct shrink_memcg *memcg);

/** A group's limits, bytes. */
enum shrink_memcg_limit {
	SHRINK_MEMCG_LIMIT_MIN = 0,  /**< never reclaimed below; default 0 */
	SHRINK_MEMCG_LIMIT_LOW = 1,  /**< not below while others have more; 0 */
	SHRINK_MEMCG_LIMIT_HIGH = 2, /**< over it: reclaim, then delay */
	SHRINK_MEMCG_LIMIT_MAX = 3,  /**< over it: reclaim, then -ENOMEM */
	SHRINK_MEMCG_LIMIT_SOFT = 4  /**< worst offenders over it go first */
};

/**
 * shrink_memcg_set_limit() - change a limit
 *
 * Setting high or max below usage reclaims first, in the calling thread. max stays
 * set even where usage could not be brought below it.
 *
 * Return: 0; -EINVAL: NULL, no such limit, or the root (whose limits are those of
 * the process); -ESTALE: offline, nothing is set; -EBUSY: max is set, usage is still
 * above it.
 */
int shrink_memcg_set_limit(struct shrink_memcg *memcg, enum shrink_memcg_limit which,
			   uint64_t bytes);
/** The limit in force; bound groups read the kernel's. 0 for a bad argument. */
uint64_t shrink_memcg_get_limit(struct shrink_memcg *memcg, enum shrink_memcg_limit which);

/**
 * shrink_memcg_charge() - the group takes up so many bytes more
 * @gfp: what the caller permits; without SHRINK_GFP_LOCK only shrinkers marked
 *       SHRINKER_DIRECT run in this thread
 *
 * The fast path takes from a stock of the calling thread: a few ns, no locked
 * access. Over max it reclaims in this call, 16 tries, then calls the group's oom
 * callback. Over high it reclaims, and what delay is owed is served at
 * shrink_throttle().
 *
 * Return: 0: charged; -ENOMEM: not; -EINVAL: NULL or more than INT64_MAX; -ESTALE:
 * offline.
 */
SHRINK_NODISCARD int shrink_memcg_charge(struct shrink_memcg *memcg, uint64_t bytes,
					 shrink_gfp_t gfp);
/** Gives back what was charged; any thread. */
void shrink_memcg_uncharge(struct shrink_memcg *memcg, uint64_t bytes);

/** Bytes charged to the group and those below; threads' stocks are included until
 *  shrink_memcg_drain() has returned them. */
uint64_t shrink_memcg_usage(struct shrink_memcg *memcg);

/** Bytes that the group may grow now: what its and its ancestors' high and max leave,
 *  and no more than the process may grow; what it has less than its min it may
 *  always take. UINT64_MAX: nothing limits it; 0 for one that is offline. Any context. */
uint64_t shrink_memcg_room(struct shrink_memcg *memcg);
/** Takes back the stocks of all threads; afterwards usage is exact. */
void shrink_memcg_drain(void);

/**
 * shrink_throttle() - serve the delay that charging over high has earned
 *
 * For the safe point between two requests, where no lock is held. The delay grows
 * with the square of the excess, as the kernel's; at most 2 s.
 *
 * Return: microseconds slept; 0 = nothing was owed.
 */
uint64_t shrink_throttle(void);

/**
 * shrink_throttle_owed() - shrink_throttle() for an event loop, which must not sleep
 *
 * What shrink_throttle() would sleep; the thread owes nothing any more. The caller
 * delays whom it charged for, by that, with a timer, and serves others meanwhile.
 *
 * Return: microseconds, at most 2 s; 0 = nothing is owed.
 */
uint64_t shrink_throttle_owed(void);

/**
 * shrink_memcg_reclaim() - proactive reclaim of a group and those below
 *
 * In steps of a quarter of what remains, until done or 16 tries in a row freed
 * nothing. Runs in the calling thread with all of SHRINK_GFP_ALL.
 *
 * Return: bytes freed, @bytes or more; -EAGAIN: fell short, *@ret_freed says by how
 * much (may be NULL); -EINVAL; -ESTALE: offline; -EDEADLK: from a callback; -ENOTCONN:
 * not started.
 */
int64_t shrink_memcg_reclaim(struct shrink_memcg *memcg, uint64_t bytes, uint64_t *ret_freed);

/** Frees all that lets itself; bytes freed, or the errors above. */
int64_t shrink_memcg_force_empty(struct shrink_memcg *memcg);

/** Worst offenders over their soft limit first, each down to it, until @bytes are
 *  freed or no group is over. Bytes freed, or the errors above. */
int64_t shrink_memcg_soft_reclaim(uint64_t bytes);

/** Called when a charge has failed for good, on the charging thread, no lock held;
 *  NULL takes it back. Return: 0; -EINVAL: NULL or the root; -ESTALE: offline. */
int shrink_memcg_set_oom(struct shrink_memcg *memcg,
			 void (*oom)(void *arg, struct shrink_memcg *memcg, uint64_t bytes),
			 void *arg);

/** What has happened to a group and those below it. Fields are appended only. */
struct shrink_memcg_stats {
	uint64_t usage;
	uint64_t elow, emin;   /**< effective protection, as of the last walk */
	uint64_t events_low;   /**< reclaimed although below low */
	uint64_t events_high;  /**< went over high */
	uint64_t events_max;   /**< reached max */
	uint64_t events_oom;   /**< a charge failed */
	uint64_t freed_bytes;  /**< reclaimed from it */
	uint64_t throttled_usec;
	uint32_t online;
	uint32_t children;
};

/** Return: 0; -EINVAL. */
int shrink_memcg_stats(struct shrink_memcg *memcg, struct shrink_memcg_stats *ret_stats,
		       size_t size);

/** A descriptor that becomes readable when a counter of events changes; the
 *  library's, never close it. Made at the first call; -EMFILE and the like. */
int shrink_memcg_event_fd(struct shrink_memcg *memcg);

/**
 * shrink_memcg_bind() - usage and limits are those of a kernel's group
 * @dir: cgroup directory, v1 or v2, e.g. "/sys/fs/cgroup/memory/tenant"; NULL ends it
 *
 * Return: 0; -EINVAL; -ESTALE: offline; -ENOENT: no memory files there; -EMFILE;
 * -ENOSPC: bound and unbound more than four times.
 */
int shrink_memcg_bind(struct shrink_memcg *memcg, const char *dir);

/**
 * shrink_memcg_set_bit() - the shrinker has objects in this group, at this node
 *
 * For MEMCG_AWARE caches that keep their own lists: call it, after the object can
 * be found by count_objects(), whenever a list goes from empty to not empty. Any
 * context. A no-op for the root.
 */
void shrink_memcg_set_bit(struct shrink_memcg *memcg, int nid, const struct shrinker *s);

SHRINK_END_DECLS

#endif /* SHRINK_MEMCG_H */

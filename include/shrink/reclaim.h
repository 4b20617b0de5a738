/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Running it: start and stop, asking for reclaim, and what the process may
 * still take.
 */
#ifndef SHRINK_RECLAIM_H
#define SHRINK_RECLAIM_H

#include <shrink/shrinker.h>

SHRINK_BEGIN_DECLS

/* Flags of shrink_start(). */
/** No threads, no sources, virtual clock: reclaim runs inside shrink_sim_step()
 *  and the explicit calls. See <shrink/sim.h>. */
#define SHRINK_START_SIMULATED 0x1u
/** As strict:true in the configuration: a configuration error, or no source of
 *  pressure at all, makes shrink_start() fail. */
#define SHRINK_START_STRICT 0x2u
/** No threads: the application's event loop waits for shrink_get_fd() and calls
 *  shrink_dispatch(), which does what they would have done. */
#define SHRINK_START_LOOP 0x4u

/**
 * shrink_prepare() - do now what shrink_start() would have to open
 *
 * Reads the configuration, opens the files of all sources and looks up the
 * system's topology, so that the process may chroot, drop privileges and
 * install a seccomp filter before shrink_start(). Starts nothing. Optional,
 * repeatable, not from callbacks.
 *
 * Return: 0; the errors of shrink_start().
 */
SHRINK_NODISCARD int shrink_prepare(void);

/**
 * shrink_start() - begin to watch for pressure and to answer it
 * @flags: SHRINK_START_*
 *
 * Called once per process, by the program rather than by a library, after it
 * has daemonized and dropped its privileges, and again in a child after fork().
 * Starts the threads shrink-monitor, shrink-worker and shrink-standby, which
 * block all signals; with SHRINK_START_LOOP or SHRINK_START_SIMULATED none.
 * Shrinkers registered before and after take part.
 *
 * Return: 0; -EALREADY: it is started; -EEXIST: another copy of libshrink in
 * this process is (this copy stays passive); -EINVAL: unknown flag, two that
 * exclude each other, or strict
 * and the configuration has errors; -ENODEV: strict and no source works;
 * -ECANCELED: switched off by configuration ("off"), shrinkers stay passive;
 * -EBUSY: called from a callback, or a thread given up by shrink_stop() still
 * hangs in one; -EAGAIN, -ENOMEM, -EMFILE: threads, memory or descriptors ran
 * short, nothing was started.
 */
SHRINK_NODISCARD int shrink_start(unsigned int flags);

/**
 * shrink_stop() - back to passive
 *
 * Waits for the library's threads (a callback that never returns is given up
 * after the configured time, and reported). Shrinkers stay registered.
 * Not from callbacks.
 *
 * Return: 0; -EALREADY: not started; -EBUSY: called from a callback;
 * -ETIMEDOUT: a thread was given up.
 */
int shrink_stop(void);

/**
 * shrink_get_fd() - what an event loop waits for in loop mode
 *
 * Readable (POLLIN) while there is something for shrink_dispatch() to do: level
 * triggered, so that a loop which comes late, or a dispatch that ran out of its
 * budget, loses nothing. Stays the same from shrink_start() to shrink_stop(), and is
 * the library's: not to be read, not to be closed. It can be watched by poll, epoll
 * and whatever is built on them. Any context.
 *
 * Return: a descriptor; -ENOTCONN: not started with SHRINK_START_LOOP.
 */
int shrink_get_fd(void);

/**
 * shrink_dispatch() - loop mode: look for pressure and answer it, in this thread
 * @budget_usec: time limit of scans, looked at between batches; 0 = none
 *
 * Callbacks run in here. What the budget leaves over keeps shrink_get_fd()
 * readable. Calling it too often costs a few system calls, and is harmless. Any
 * thread, one at a time, with no lock held that callbacks take.
 *
 * Return: objects freed, 0 or more; -ENOTCONN: not started with
 * SHRINK_START_LOOP; -EBUSY: another thread is in it; -EDEADLK: called from a
 * callback.
 */
long shrink_dispatch(uint64_t budget_usec);

/** The root group: the process itself. Never NULL, never freed. */
struct shrink_memcg *shrink_memcg_root(void);

/** Number of memory nodes, 1 or more; ids are 0 .. n-1. */
int shrink_nr_nodes(void);

/**
 * shrink_slab() - one pass over all shrinkers, with the kernel's arithmetic
 * @gfp_mask: handed to the callbacks, less what the thread's scope denies
 * @nid: node, or SHRINK_NUMA_NO_NODE for all (NUMA-unaware shrinkers are called
 *       once, with the first)
 * @memcg: the root group; NULL means the same
 * @priority: 12 (mildest) .. 0 (everything); clamped
 *
 * The primitive below everything else, and the same formula as the kernel's,
 * bit for bit. Not for reacting to a failed allocation: that is
 * shrink_reclaim(). Any thread; a no-op from inside a callback and before
 * shrink_start().
 *
 * Return: objects freed.
 */
unsigned long shrink_slab(shrink_gfp_t gfp_mask, int nid, struct shrink_memcg *memcg,
			  int priority);

/**
 * shrink_slab_proportional() - the same with the formula of kernels before 4.16
 * @nr_scanned, @nr_eligible: press each cache by nr_scanned / (nr_eligible + 1)
 *
 * For callers that know how much of something of theirs they scanned.
 */
unsigned long shrink_slab_proportional(shrink_gfp_t gfp_mask, int nid,
				       struct shrink_memcg *memcg,
				       unsigned long nr_scanned,
				       unsigned long nr_eligible);

/**
 * shrink_drop_all() - empty the caches as far as they let themselves
 *
 * Priority 0 on every node, again while (freed >> round) > 1: the growing shift
 * ends it even where caches refill meanwhile. For administrators and tests.
 *
 * Return: objects freed in all rounds.
 */
unsigned long shrink_drop_all(void);

/**
 * shrink_all_memory() - free so many bytes, whatever the pressure
 * @bytes: goal
 *
 * A trim before fork, snapshot or checkpoint: descends 12..0 with all of
 * SHRINK_GFP_ALL in the calling thread until the goal is met, then the release
 * stage. The caller holds no lock that callbacks take.
 *
 * Return: bytes freed, less than @bytes if the caches had no more.
 */
uint64_t shrink_all_memory(uint64_t bytes);

/**
 * shrink_reclaim() - direct reclaim, for an allocation that failed
 * @bytes: what the allocation needs; at least 32 pages are reclaimed
 * @gfp: without SHRINK_GFP_LOCK only shrinkers marked SHRINKER_DIRECT run in
 *       this thread, the rest is handed to the worker; without SHRINK_GFP_WAIT
 *       it does not wait for others
 * @timeout_usec: time limit, looked at between batches; 0 = none
 *
 * Where others are freeing already, or memory is critical and the worker is about
 * to, it first waits for what they free, at most for the tunable direct_wait. On
 * machines with several memory nodes objects of the thread's own node go first.
 *
 * Return: bytes freed, by this call or by whom it waited for, 0 or more;
 * -EINVAL: unknown gfp bit; -ENOTCONN: not started; -EDEADLK: called from a
 * callback.
 */
int64_t shrink_reclaim(uint64_t bytes, shrink_gfp_t gfp, uint64_t timeout_usec);

/**
 * shrink_scope_save() - deny gfp bits for a stretch of the calling thread
 * @deny: SHRINK_GFP_* bits that reclaim started by this thread must not use
 *
 * The role of memalloc_nofs_save(). Scopes nest; each restore takes the value
 * its save returned.
 *
 * Return: the bits denied before.
 */
SHRINK_NODISCARD shrink_gfp_t shrink_scope_save(shrink_gfp_t deny);
/** Ends the scope whose save returned @saved. */
void shrink_scope_restore(shrink_gfp_t saved);

/** How hard memory is pressed. Compare as ranges: more may come between. */
enum shrink_level {
	SHRINK_LEVEL_NORMAL = 0,
	SHRINK_LEVEL_LOW = 100,
	SHRINK_LEVEL_MEDIUM = 200,
	SHRINK_LEVEL_CRITICAL = 300
};

/** The level now: a relaxed load. Any context. */
enum shrink_level shrink_level(void);

/**
 * shrink_level_fd() - an eventfd that is readable after each change of the level
 *
 * Made by the first call, kept over stop and start; the library's, not to be
 * closed. Reading it makes it unreadable; shrink_level() says what it is now.
 * After fork() a child calls again for one of its own. Any thread.
 *
 * Return: a descriptor; -EMFILE, -ENFILE, -ENOMEM.
 */
int shrink_level_fd(void);

/**
 * shrink_level_listen() - be told when the level changes
 * @changed: called with the level as it is then, which may have changed more than
 *           once since
 *
 * Called on the thread shrink-standby, in shrink_dispatch() or in
 * shrink_sim_step(), with no library lock held, one at a time; it may call
 * anything but shrink_start() and shrink_stop(). While a callback hangs it may
 * come late, where shrink_level_fd() does not. Any thread.
 *
 * Return: 0; -EINVAL: NULL; -EEXIST: listens already; -ENOSPC: the 8 places are
 * taken.
 */
SHRINK_NODISCARD int shrink_level_listen(void (*changed)(void *arg, enum shrink_level level),
					 void *arg);
/** No longer: once it returns @changed does not run, unless it was called from
 *  inside it. Return: 0; -ENOENT: it does not listen. */
int shrink_level_unlisten(void (*changed)(void *arg, enum shrink_level level), void *arg);

/**
 * shrink_pressure() - the application's own notice of pressure
 * @level: how hard; SHRINK_LEVEL_NORMAL takes an earlier notice back
 * @bytes: what should go, 0 = unknown
 *
 * Asynchronous: wakes the monitor and returns. A notice holds until taken back
 * or until the configured time has passed. Any thread, also from callbacks.
 *
 * Return: 0; -EINVAL: no such level; -ENOTCONN: not started.
 */
int shrink_pressure(enum shrink_level level, uint64_t bytes);

/** Where a limit comes from. */
enum shrink_limit_kind {
	SHRINK_LIMIT_NONE = 0,    /**< none found */
	SHRINK_LIMIT_MEMORY = 1,  /**< the machine's memory */
	SHRINK_LIMIT_CGROUP1 = 2, /**< memory.limit_in_bytes */
	SHRINK_LIMIT_CGROUP2 = 3, /**< memory.max or memory.high */
	SHRINK_LIMIT_RSS = 4,     /**< the configured budget of this process */
	SHRINK_LIMIT_SIMULATED = 5
};

/** The tightest limit on this process, in bytes. Fields are appended only. */
struct shrink_limits {
	uint64_t limit;          /**< UINT64_MAX = none known */
	uint64_t usage;          /**< charged against it now */
	uint64_t unreclaimable;  /**< usage less what the kernel takes by itself */
	uint64_t low_wmark;      /**< free headroom at which reclaim starts */
	uint64_t high_wmark;     /**< free headroom at which it stops */
	enum shrink_limit_kind kind;
	char path[256];          /**< the group's directory, cut, or "" */
};

/**
 * shrink_limits() - limit, usage and watermarks, for sizing a cache at start
 * @ret_limits: written on success
 * @size: sizeof(*ret_limits) as the caller knows it
 *
 * Reads the system afresh; also before shrink_start(). May open files then.
 *
 * Return: 0; -EINVAL: NULL or size 0; -ENODEV: nothing could be read.
 */
int shrink_limits(struct shrink_limits *ret_limits, size_t size);

/**
 * shrink_room() - bytes that this cache may grow now
 * @s: the cache; NULL = all together
 *
 * Of what is free above the high watermark the part of this cache: caches that
 * have asked in the last tenth of a second share it by their weights. What a
 * cache has less than its keep it may always grow. Otherwise 0 while growth is
 * held off; UINT64_MAX where no limit is known. After a hold, room grows by the
 * tunable regrow, in percent of the limit per second. Some relaxed loads; any
 * context.
 */
uint64_t shrink_room(const struct shrinker *s);

/** 1 if caches may grow, 0 while growth is held off. One relaxed load. */
int shrink_may_grow(void);

/**
 * shrink_release_register() - an allocator the library cannot see by itself
 * @name: for statistics; copied
 * @predict: bytes that release() would give back now; cheap, lock-free
 * @release: gives memory back, returns the bytes it believes it did; @want: what
 *           scans have freed, or the bytes still missing if these are more
 * @arg: handed to both
 *
 * Called in the release stage that follows scans, on the thread that reclaims,
 * with no library lock held. For the life of the process.
 *
 * Return: 0; -EINVAL: something is NULL; -ENOSPC: the 8 places are taken.
 */
SHRINK_NODISCARD int shrink_release_register(const char *name, uint64_t (*predict)(void *arg),
					     uint64_t (*release)(void *arg, uint64_t want),
					     void *arg);

SHRINK_END_DECLS

#endif /* SHRINK_RECLAIM_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Working set: was it a mistake to throw that object away?
 *
 * When an object is evicted a *ghost* stays behind: the key's hash and the reading of
 * its group's clock, which counts evictions and promotions. When the key is asked for
 * again the clock says how many others left meanwhile, the *refault distance*. An object
 * whose distance is no larger than what the cache protects would still be here had
 * the protected part been smaller by so much: it goes there at once, to compete
 * with what is protected now, instead of being thrown out a second time.
 *
 * Ghosts live in a table of fixed size. The table is a shrinker with seeks = 0: it
 * gives up, whole pages at a time, the oldest ghosts that are too old to ever be
 * inside the distance. <shrink/lruvec.h> uses one by itself; this is for caches
 * that keep their own lists.
 *
 * Units: distances are objects, costs nanoseconds. Threads: every call is safe from
 * any thread; none sleeps, none allocates but create and prepare. Locks: one per part
 * of the table, held for some tens of ns; they are innermost, so that the caller may
 * hold any lock of its own.
 */
#ifndef SHRINK_WORKINGSET_H
#define SHRINK_WORKINGSET_H

#include <shrink/memcg.h>

SHRINK_BEGIN_DECLS

struct shrink_workingset;

/** What refault says; bits. 0 = the key has no ghost. */
/** It was evicted from here, not so long ago that the table has forgotten. */
#define SHRINK_REFAULT_FOUND 0x1u
/** Inside the distance: admit it to the protected part. */
#define SHRINK_REFAULT_ACTIVATE 0x2u
/** It had been protected before it was evicted: the cache thrashes. */
#define SHRINK_REFAULT_RESTORE 0x4u
/** It was evicted for idleness, not for want of room (<shrink/age.h>). */
#define SHRINK_REFAULT_AGED 0x8u

/* Flags of evict. */
/** The object was protected (active). */
#define SHRINK_GHOST_ACTIVE 0x1u
/** It went because it was idle. */
#define SHRINK_GHOST_AGED 0x2u

/** Zero it, set what differs; fields are appended only. */
struct shrink_workingset_options {
	/** Ghosts kept at most; 0 = 65,536. Rounded up to whole pages of each part.
	 *  24 bytes each, all of it taken at creation. */
	unsigned long ghosts;
};

/**
 * shrink_workingset_create() - a ghost table, registered as a shrinker
 * @options: NULL = all defaults; @size: its sizeof as the caller knows it
 * @fmt: printf-style name of its shrinker
 *
 * Return: the table, the caller's until shrink_workingset_destroy(); NULL with
 * errno = EINVAL (no name, or more than 2^30 ghosts) or ENOMEM.
 */
SHRINK_NODISCARD SHRINK_PRINTF(3, 4)
struct shrink_workingset *
shrink_workingset_create(const struct shrink_workingset_options *options, size_t size,
			 const char *fmt, ...);
/** Waits for the table's own scans. NULL is fine. Not from a callback. */
void shrink_workingset_destroy(struct shrink_workingset *ws);

/** A 64-bit hash of a key, good enough for the table. The same in every process. */
uint64_t shrink_workingset_hash(const void *key, size_t size);

/**
 * shrink_workingset_evict() - an object goes: advance the clock, keep a ghost
 * @hash: of its key, all 64 bits in use; two keys of one hash are one key
 * @nid: memory node the object was on; one that does not exist counts as 0
 * @memcg: its group; NULL = the root. Not referenced
 * @flags: SHRINK_GHOST_*
 *
 * The oldest ghost makes room where there is none. Callable from scans.
 *
 * Return: the shadow, a number other than 0 that says all the ghost says; 0 for a
 * bad argument. Caches that have a place of their own for it use
 * shrink_workingset_shadow() instead.
 */
uint64_t shrink_workingset_evict(struct shrink_workingset *ws, uint64_t hash, int nid,
				 struct shrink_memcg *memcg, unsigned int flags);

/**
 * shrink_workingset_refault() - a miss: has the key been here, how long ago?
 * @room: objects that are protected, at the node the ghost was on, in its group and
 *        those below: the distance up to which the object should be admitted to them
 *
 * Takes the ghost out. For the insert after a miss, not for lookups. A refault
 * inside the distance is counted as activated, and the clock advances by one for it.
 *
 * Return: SHRINK_REFAULT_* bits.
 */
unsigned int shrink_workingset_refault(struct shrink_workingset *ws, uint64_t hash,
				       uint64_t room);

/** The same two for caches that keep the shadow themselves, in the slot that the
 *  object had; nothing is stored in the table. A shadow is good for 2^32 ticks of
 *  the clock. */
uint64_t shrink_workingset_shadow(struct shrink_workingset *ws, int nid,
				  struct shrink_memcg *memcg, unsigned int flags);
unsigned int shrink_workingset_refault_shadow(struct shrink_workingset *ws, uint64_t shadow,
					      uint64_t room);

/** The key was deleted: its ghost would tell of nothing. 1: it had one; 0. */
int shrink_workingset_forget(struct shrink_workingset *ws, uint64_t hash);

/** @nr objects of a group were promoted to the protected part for other reasons: its
 *  clock counts them too. */
void shrink_workingset_promoted(struct shrink_workingset *ws, int nid, struct shrink_memcg *memcg,
				unsigned long nr);

/**
 * shrink_workingset_prepare() - a clock for a group
 *
 * Each group and node has a clock, which counts what happens in the group and in those
 * below it. Without this call a group uses that of its nearest ancestor that has one.
 * Where it goes offline its ghosts are judged at its parent from then on. Allocates,
 * so not from scans.
 *
 * Return: 0; -ENOMEM; -ENOSPC: 65,535 groups have one; -ESTALE: offline; -EINVAL.
 */
int shrink_workingset_prepare(struct shrink_workingset *ws, struct shrink_memcg *memcg);

/** A refault has cost so much: the time from the miss to the object's return. Kept
 *  as a sum and as a moving average (an eighth of the new each time). */
void shrink_workingset_cost(struct shrink_workingset *ws, uint64_t nsec);

/** The table's shrinker, for setters and statistics; NULL for NULL. */
struct shrinker *shrink_workingset_shrinker(struct shrink_workingset *ws);

/** A table's account. Fields are appended only. */
struct shrink_workingset_stats {
	uint64_t evictions;     /**< ghosts made and shadows given */
	uint64_t refaults;      /**< keys that came back, whatever the distance */
	uint64_t activations;   /**< of these, inside the distance */
	uint64_t restores;      /**< of refaults: had been protected */
	uint64_t aged;          /**< of refaults: had been evicted for idleness */
	uint64_t overwritten;   /**< ghosts pushed out by younger ones */
	uint64_t given_up;      /**< ghosts dropped by the table's shrinker */
	uint64_t ghosts;        /**< now */
	uint64_t capacity;      /**< ghosts there is room for now */
	uint64_t capacity_max;  /**< at most */
	uint64_t costs;         /**< refaults whose cost was reported */
	uint64_t cost_nsec;     /**< their sum */
	uint64_t cost_nsec_avg; /**< moving average of one */
};

/** Return: 0; -EINVAL. */
int shrink_workingset_stats(struct shrink_workingset *ws,
			    struct shrink_workingset_stats *ret_stats, size_t size);

SHRINK_END_DECLS

#endif /* SHRINK_WORKINGSET_H */

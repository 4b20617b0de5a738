/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The two-list reclaimer: which objects go.
 *
 * At each node two lists, *active* (protected) and *inactive* (on probation), for
 * each of two kinds of object: CLEAN ones are just dropped (the kernel's page
 * cache), DIRTY ones must be written out before they go (the kernel's anonymous
 * memory). A new object begins on the inactive list. What the walk finds unmarked at
 * its end was used once, and goes; what it finds marked was used twice, and is
 * promoted. So a scan through many objects that are used once passes through the
 * inactive list and leaves the active one alone.
 *
 *	add ──► inactive ──► evict() ──► freed, ghost kept
 *	            │  ▲
 *	     marked │  │ unmarked, while inactive is the smaller one
 *	            ▼  │
 *	add ──────► active   (refault, <shrink/workingset.h>)
 *
 * A hit is shrink_fast_mark(&item->mark): at most one relaxed store, no lock, no
 * call, no list movement.
 *
 * The whole is one shrinker, aware of nodes and groups where asked: then each group has
 * lists, clock and balance of its own at each node, and is scanned by itself. The lists
 * of a group that goes offline become its parent's, and its ghosts are judged there.
 *
 * Locks: one per group and node. evict() and write_out() are called with it held: they
 * must not sleep, must take the application's locks by trying only, and must not call
 * this header's functions. Every other call takes it, so that the application may hold its
 * own locks over them. free() is called with no lock held.
 */
#ifndef SHRINK_LRUVEC_H
#define SHRINK_LRUVEC_H

#include <shrink/workingset.h>

SHRINK_BEGIN_DECLS

struct shrink_lruvec;

/** Kinds of object. */
enum shrink_lruvec_kind {
	SHRINK_LRUVEC_CLEAN = 0, /**< may be dropped as it is */
	SHRINK_LRUVEC_DIRTY = 1  /**< must be written out first */
};

/** Embedded in the object, zeroed before its first add. All but .mark is the
 *  library's while the object is on a list; only .mark and .stamp may be written by
 *  other threads. Layout frozen. */
struct shrink_lruvec_item {
	struct shrink_lruvec_item *next, *prev;
	uint64_t hash;             /**< of its key, see shrink_workingset_hash() */
	uint32_t stamp;            /**< shrink_fast_stamp(), where it ages */
	uint32_t since;            /**< tick of its last change of temperature */
	uint16_t group;            /**< whose lists it is on */
	unsigned char mark;        /**< shrink_fast_mark() on every hit */
	unsigned char nid;
	unsigned char list;        /**< 0 = on none */
	unsigned char flags;
	unsigned char temperature; /**< enum shrink_temperature */
	unsigned char reserved;
};

/** What became of an object that was asked. */
enum shrink_lruvec_outcome {
	/** unlinked from the cache; the library hands it to free() */
	SHRINK_LRUVEC_FREED = 0,
	/** unlinked; goes when its last user lets go: shrinker_complete() then */
	SHRINK_LRUVEC_PENDING = 1,
	/** in use, or worth keeping for other reasons: to the active list */
	SHRINK_LRUVEC_ACTIVATE = 2,
	/** its lock could not be had: stays */
	SHRINK_LRUVEC_LOCKED = 3,
	/** is being written out just now: stays until that is done */
	SHRINK_LRUVEC_WRITEBACK = 4,
	/** must be written out first: write_out() is asked if the mask permits */
	SHRINK_LRUVEC_IS_DIRTY = 5,
	/** write_out() only: it has begun, or waits in a queue of the cache's.
	 *  shrink_lruvec_written() says that it is done. */
	SHRINK_LRUVEC_QUEUED = 6
};

/** The question that goes with an object. Fields are appended only. */
struct shrink_lruvec_ask {
	shrink_gfp_t gfp_mask; /**< in: what the context permits */
	int nid;               /**< in: node of the list */
	unsigned int aged;     /**< in: 1 = because it is idle, not for want of room */
	uint64_t bytes;        /**< out: bytes that go with it; 0 = object_size */
};

/** In shrink_lruvec_options.flags. */
/** Lists, counts and scans per memory node. */
#define SHRINK_LRUVEC_NUMA 0x1u
/** evict() and write_out() take locks by trying only - as they must - and nothing else
 *  forbids them in any application thread: the shrinker is SHRINKER_DIRECT. */
#define SHRINK_LRUVEC_DIRECT 0x2u
/** No ghosts: objects that come back are as good as new. */
#define SHRINK_LRUVEC_NO_WORKINGSET 0x4u
/** Lists per group too: the shrinker is SHRINKER_MEMCG_AWARE. Else the group of every
 *  call is ignored. */
#define SHRINK_LRUVEC_MEMCG 0x8u

/** Swappiness where none was set. */
#define SHRINK_LRUVEC_SWAPPINESS 60
#define SHRINK_LRUVEC_SWAPPINESS_MAX 200

/** Zero it, set what differs; fields are appended only. */
struct shrink_lruvec_options {
	/** Asked for an object that is to go: under the application's own lock (tried)
	 *  is it idle, can it be unlinked? Must not free it. Required. */
	enum shrink_lruvec_outcome (*evict)(void *arg, struct shrink_lruvec_item *item,
					    struct shrink_lruvec_ask *ask);
	/** Begin to write a dirty object out; called only where ask->gfp_mask has
	 *  SHRINK_GFP_IO. Answers QUEUED, or why not: LOCKED, WRITEBACK, IS_DIRTY.
	 *  NULL = never. */
	enum shrink_lruvec_outcome (*write_out)(void *arg, struct shrink_lruvec_item *item,
						struct shrink_lruvec_ask *ask);
	/** Frees an object that evict() has unlinked; no lock held. Required. */
	void (*free)(void *arg, struct shrink_lruvec_item *item);
	void *arg;
	unsigned int flags;   /**< SHRINK_LRUVEC_* */
	int seeks;            /**< of the shrinker; 0 = SHRINK_DEFAULT_SEEKS */
	int swappiness;       /**< 1 .. 200; 0 = SHRINK_LRUVEC_SWAPPINESS */
	size_t object_size;   /**< typical bytes; 0 = unknown */
	unsigned long ghosts; /**< size of the ghost table; 0 = 65,536. As many as the
			       *   cache has objects is a good choice. */
};

/**
 * shrink_lruvec_create() - lists, ghosts and a registered shrinker
 * @options: evict and free are required; @size: its sizeof as the caller knows it
 * @fmt: printf-style name of the shrinker; the ghost table's adds "-ghosts"
 *
 * Return: the lruvec, the caller's until shrink_lruvec_destroy(); NULL with errno =
 * EINVAL (no name, a callback missing, unknown flag, value out of range) or ENOMEM.
 */
SHRINK_NODISCARD SHRINK_PRINTF(3, 4)
struct shrink_lruvec *shrink_lruvec_create(const struct shrink_lruvec_options *options,
					   size_t size, const char *fmt, ...);
/** Waits for scans. Objects still on lists are left to the application, unlinked by
 *  nobody. NULL is fine. Not from its own callbacks. */
void shrink_lruvec_destroy(struct shrink_lruvec *lv);

/**
 * shrink_lruvec_prepare() - make a group's lists before objects are added
 *
 * And those of its ancestors. Without it the first add to a group allocates them; where
 * that fails, and from the 65,536th group on, objects go to the lists of the nearest
 * ancestor that has some.
 *
 * Return: 0; -ENOMEM; -ENOSPC; -ESTALE: it is offline; -EINVAL: @lv is NULL.
 */
int shrink_lruvec_prepare(struct shrink_lruvec *lv, struct shrink_memcg *memcg);

/** For shrink_lruvec_add(): the add is not a use (read ahead, restored from disk).
 *  The first hit then is the first use. */
#define SHRINK_LRUVEC_ADD_UNUSED 0x1u
/** Straight to the active list. */
#define SHRINK_LRUVEC_ADD_ACTIVE 0x2u

/**
 * shrink_lruvec_add() - an object is in the cache
 * @item: on no list; @hash: of its key; @nid: 0 where not SHRINK_LRUVEC_NUMA
 * @memcg: its group, NULL = the root; referenced until this returns
 * @flags: SHRINK_LRUVEC_ADD_*
 *
 * Looks for the key's ghost; a refault inside the distance goes to the active list.
 * Where that has its share already, the newcomer competes with the oldest object
 * there, which keeps its place if it was used since last looked at, or the time before.
 * One in 32 of those beyond the distance may compete too, so that a loop that is larger
 * than the cache is hit at all, and nothing stays active for ever. evict() may be asked
 * for the object before this returns.
 *
 * Return: SHRINK_REFAULT_* bits, 0 = no ghost; -EINVAL: a bad argument; -EEXIST: it
 * is on a list already.
 */
int shrink_lruvec_add(struct shrink_lruvec *lv, struct shrink_lruvec_item *item, uint64_t hash,
		      enum shrink_lruvec_kind kind, int nid, struct shrink_memcg *memcg,
		      unsigned int flags);
/** The application takes an object out by itself; no ghost is left. 1: it was on a
 *  list; 0. The caller makes sure that evict() does not let it go meanwhile. */
int shrink_lruvec_del(struct shrink_lruvec *lv, struct shrink_lruvec_item *item);

/**
 * shrink_lruvec_offer() - the object's memory is wanted: may it go?
 *
 * For caches whose memory goes by other lines than the lists, such as a page-true pool
 * (<shrink/pool.h>): called from its evict callback, under the lock that keeps the
 * object, for whatever object lies in the slab. One that was used since, or is active,
 * stays once, and is active then; asked again without a use in between it goes. Where
 * it goes it is off its list, and its ghost is kept.
 *
 * Return: 1: it goes; 0: it stays this time (answer SHRINK_REFERENCED); -EINVAL;
 * -ENOENT: it is on no list.
 */
int shrink_lruvec_offer(struct shrink_lruvec *lv, struct shrink_lruvec_item *item);
/** Another object of the same key comes in its place: @by, on no list, takes the place,
 *  mark and past of @item, which is on no list then. Not a use, and no refault. 0;
 *  -EINVAL; -EEXIST: @by is on a list; -ENOENT: @item is on none. */
int shrink_lruvec_replace(struct shrink_lruvec *lv, struct shrink_lruvec_item *item,
			  struct shrink_lruvec_item *by);

/** The object has become dirty, or clean: moves to the same list of that kind. 0;
 *  -EINVAL; -ENOENT: it is on no list. */
int shrink_lruvec_set_kind(struct shrink_lruvec *lv, struct shrink_lruvec_item *item,
			   enum shrink_lruvec_kind kind);
/** What write_out() began is done: next to go, if it is not used meanwhile. Counts as
 *  cost of its kind. @kind: what it is now. 0; -EINVAL; -ENOENT. */
int shrink_lruvec_written(struct shrink_lruvec *lv, struct shrink_lruvec_item *item,
			  enum shrink_lruvec_kind kind);
/** Moves to the active, or to the end of the inactive list. 0; -EINVAL; -ENOENT. */
int shrink_lruvec_activate(struct shrink_lruvec *lv, struct shrink_lruvec_item *item);
int shrink_lruvec_deactivate(struct shrink_lruvec *lv, struct shrink_lruvec_item *item);

/** Why writers should wait: bits. */
/** All that the last walk saw was dirty, queued or in write-back. */
#define SHRINK_LRUVEC_THROTTLE_DIRTY 0x1u
/** All was in write-back. */
#define SHRINK_LRUVEC_THROTTLE_WRITEBACK 0x2u
/** Objects queued by reclaim came round again before they were written. */
#define SHRINK_LRUVEC_THROTTLE_IMMEDIATE 0x4u

/** What a walk has done. Fields are appended only. */
struct shrink_lruvec_result {
	uint64_t scanned;     /**< objects of inactive lists looked at */
	uint64_t freed;
	uint64_t bytes_freed;
	uint64_t pending;
	uint64_t bytes_pending;
	uint64_t activated;   /**< used twice, or so answered */
	uint64_t kept_once;   /**< added unused, used once since: another tour */
	uint64_t locked;
	uint64_t writeback;
	uint64_t dirty;       /**< not queued: not permitted, or not possible */
	uint64_t queued;      /**< write-out begun */
	uint64_t immediate;   /**< queued before, and still in write-back */
	uint64_t active_scanned; /**< objects of active lists looked at */
	uint64_t rotated;     /**< of these, used since: stayed active */
	uint64_t deactivated; /**< of these, moved to an inactive list */
	uint32_t throttle;    /**< SHRINK_LRUVEC_THROTTLE_* */
	uint64_t stale;       /**< active ones asked to go before inactive ones, since
			       *   the active list was out of use */
};

/**
 * shrink_lruvec_evict() - make room: let go of @nr objects at a node
 * @gfp: SHRINK_GFP_*; @ret_result: what happened, added up; may be NULL; @size: its
 *       sizeof
 *
 * For caches that have a size of their own. Of all groups, each in proportion to what it
 * has. Looks at every object twice at most. Runs evict() in the calling thread, also
 * before shrink_start(), since it is the caller who asks.
 *
 * Return: objects freed; -EINVAL; -EDEADLK: from evict(), write_out() or free().
 */
long shrink_lruvec_evict(struct shrink_lruvec *lv, int nid, shrink_gfp_t gfp, unsigned long nr,
			 struct shrink_lruvec_result *ret_result, size_t size);

/**
 * shrink_lruvec_reclaim() - one step of reclaim at a priority, as the kernel's
 * @priority: 12 (mildest: a 4096th of each list) .. 0 (all of it); clamped
 * @goal: objects after which it ends, 0 = none
 *
 * Scan counts per list from size >> priority and the balance of the kinds. Return and
 * context as shrink_lruvec_evict().
 */
long shrink_lruvec_reclaim(struct shrink_lruvec *lv, int nid, shrink_gfp_t gfp, int priority,
			   unsigned long goal, struct shrink_lruvec_result *ret_result,
			   size_t size);

/** The same two for a group and those below it. -ESTALE: it has no lists. */
long shrink_lruvec_evict_memcg(struct shrink_lruvec *lv, struct shrink_memcg *memcg, int nid,
			       shrink_gfp_t gfp, unsigned long nr,
			       struct shrink_lruvec_result *ret_result, size_t size);
long shrink_lruvec_reclaim_memcg(struct shrink_lruvec *lv, struct shrink_memcg *memcg, int nid,
				 shrink_gfp_t gfp, int priority, unsigned long goal,
				 struct shrink_lruvec_result *ret_result, size_t size);

/** How much rather dirty objects are scanned than clean ones: 0 = never, 100 = alike,
 *  200 = only. 0; -EINVAL. */
int shrink_lruvec_set_swappiness(struct shrink_lruvec *lv, int swappiness);
/** What reclaim of a kind has cost lately, in units of a write-out: the more, the less
 *  of that kind is scanned. Write-outs, rotations and restores are counted by the
 *  library itself. Halved whenever the sum exceeds a quarter of the lists. */
int shrink_lruvec_cost(struct shrink_lruvec *lv, int nid, enum shrink_lruvec_kind kind,
		       unsigned long units);
/** SHRINK_LRUVEC_THROTTLE_* of the last walk at a node: a relaxed load. */
unsigned int shrink_lruvec_throttle(const struct shrink_lruvec *lv, int nid);

/** The pair, for those who call it from a shrinker of their own. */
unsigned long shrink_lruvec_count(struct shrink_lruvec *lv, struct shrink_control *sc);
unsigned long shrink_lruvec_scan(struct shrink_lruvec *lv, struct shrink_control *sc);

/** Its shrinker and its ghost table, for setters, costs and statistics. NULL for
 *  NULL; no table with SHRINK_LRUVEC_NO_WORKINGSET. */
struct shrinker *shrink_lruvec_shrinker(struct shrink_lruvec *lv);
struct shrink_workingset *shrink_lruvec_workingset(struct shrink_lruvec *lv);

/** A node's account. Fields are appended only. */
struct shrink_lruvec_stats {
	uint64_t active_clean, inactive_clean; /**< objects now */
	uint64_t active_dirty, inactive_dirty;
	uint64_t refaults;             /**< adds that found a ghost */
	uint64_t refaults_activated;   /**< of these, straight to the active list */
	uint64_t refaults_refused;     /**< inside, but the oldest active was in use */
	uint64_t refaults_trial;       /**< beyond, kept active on trial */
	uint64_t cost_clean, cost_dirty; /**< recent */
	struct shrink_lruvec_result total;
};

/** @nid: a node, or SHRINK_NUMA_NO_NODE: all together. Return: 0; -EINVAL. */
int shrink_lruvec_stats(struct shrink_lruvec *lv, int nid, struct shrink_lruvec_stats *ret_stats,
			size_t size);

/** Of one group alone; @memcg NULL = the root. -ESTALE: it has no lists. */
int shrink_lruvec_stats_memcg(struct shrink_lruvec *lv, struct shrink_memcg *memcg, int nid,
			      struct shrink_lruvec_stats *ret_stats, size_t size);

SHRINK_END_DECLS

#endif /* SHRINK_LRUVEC_H */

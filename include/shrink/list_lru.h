/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * LRU lists per node and per group, with second chance: what a shrinker's count
 * and scan need, ready-made.
 *
 * A hit does not move anything: it marks the object (shrink_fast_mark(), one
 * relaxed store) and that is all. The walk starts at the oldest and asks the cache
 * about each; an object that was marked gets another tour (ROTATE).
 *
 * Lock rule: each (node, group) list has a lock. The callback runs with it held
 * and must not sleep; the cache's own lock of an object is normally taken before
 * the list's, so in the callback it may only be tried. What must not be done under
 * it: add, del, walk and prepare on the same lists, fork(), and touching any object
 * but the one asked about. Taking a group offline is refused there (-EDEADLK), since it
 * waits for the locks of lists; registering and freeing shrinkers is not. After
 * shrink_lru_unlock() all of it may be done.
 *
 * Any call from any thread. A group that is passed has to be referenced meanwhile;
 * it may be offline: its objects are its parent's then, at the old end of the list,
 * and are found through either group. In a forked child the lists work on.
 */
#ifndef SHRINK_LIST_LRU_H
#define SHRINK_LIST_LRU_H

#include <shrink/memcg.h>

SHRINK_BEGIN_DECLS

/** Embedded in the object. Zeroed before first use; the library's from add to del, or
 *  to the walk that takes it off. */
struct shrink_lru_item {
	struct shrink_lru_item *next, *prev;
};

struct shrink_lru;
/** The (node, group) list that a walk stands on; opaque. */
struct shrink_lru_one;
/** A private list, for objects taken off to be disposed of; zeroed = empty. Only
 *  shrink_lru_isolate_move() and shrink_lru_pop() touch it. An object there is the
 *  disposer's: del says 0, and add must wait until it was popped. */
struct shrink_lru_head {
	struct shrink_lru_item *first, *last;
	unsigned long nr;
};

/** What the callback did with an object. */
enum shrink_lru_status {
	/** took it off (shrink_lru_isolate*); lock held */
	SHRINK_LRU_REMOVED,
	/** took it off, and dropped the lock meanwhile: lock NOT held on return */
	SHRINK_LRU_REMOVED_RETRY,
	/** nothing, it is still hot: the walk moves it to the tail; lock held */
	SHRINK_LRU_ROTATE,
	/** cannot now (trylock failed): left where it is; lock held */
	SHRINK_LRU_SKIP,
	/** dropped the lock, object untouched: lock NOT held, the walk restarts */
	SHRINK_LRU_RETRY,
	/** wants to end: lock NOT held */
	SHRINK_LRU_STOP
};

typedef enum shrink_lru_status (*shrink_lru_walk_fn)(struct shrink_lru_item *item,
						     struct shrink_lru_one *list, void *arg);

/**
 * shrink_lru_create() - lists for a cache
 * @s: the shrinker they belong to, allocated but not yet registered; with
 *     SHRINKER_MEMCG_AWARE there is a list per group, with SHRINKER_NUMA_AWARE one
 *     per node. Without the flag the group, or the node, of every call is ignored.
 *     NULL = nodes, no groups.
 *
 * Return: the lists, or NULL with errno = ENOMEM, EBUSY (@s is registered).
 */
SHRINK_NODISCARD struct shrink_lru *shrink_lru_create(struct shrinker *s);
/** After the shrinker was freed, with nobody using them; all lists must be empty
 *  (it is reported if they are not). NULL is fine. */
void shrink_lru_destroy(struct shrink_lru *lru);

/**
 * shrink_lru_prepare() - make the group's list before objects are added to it
 *
 * Also for its ancestors. Without it the first add to a new group allocates; where
 * that fails the group uses the list of its nearest ancestor that has one, from then
 * on and for good, since objects must be found where they were put.
 *
 * Return: 0; -ENOMEM: try again; -EBUSY: it uses an ancestor's already; -ESTALE: it
 * is offline; -EINVAL: @lru is NULL.
 */
int shrink_lru_prepare(struct shrink_lru *lru, struct shrink_memcg *memcg);

/** At the tail (youngest). 1: added; 0: it is on a list already; -EINVAL: NULL, or no
 *  such node. Sets the group's bit on the step from 0 to 1. */
int shrink_lru_add(struct shrink_lru *lru, struct shrink_lru_item *item, int nid,
		   struct shrink_memcg *memcg);
/** 1: taken off; 0: it was on no list; -EINVAL. Node and group as in add. */
int shrink_lru_del(struct shrink_lru *lru, struct shrink_lru_item *item, int nid,
		   struct shrink_memcg *memcg);

/** Objects on the list of one group (NULL = the root) at a node, or of all groups. A
 *  relaxed read, and one for each group. 0 for a group that has no list of its own,
 *  and for bad arguments. */
unsigned long shrink_lru_count_one(struct shrink_lru *lru, int nid, struct shrink_memcg *memcg);
unsigned long shrink_lru_count_node(struct shrink_lru *lru, int nid);

/**
 * shrink_lru_walk_one() - ask about up to *@nr_to_walk objects, oldest first
 *
 * The budget is counted down before each call, so that RETRY cannot go on for ever.
 * Objects that were rotated are asked again where the budget is more than there are.
 *
 * Return: objects removed, whether freed or on a private list.
 */
unsigned long shrink_lru_walk_one(struct shrink_lru *lru, int nid, struct shrink_memcg *memcg,
				  shrink_lru_walk_fn fn, void *arg, unsigned long *nr_to_walk);
/** All groups of a node; all nodes. */
unsigned long shrink_lru_walk_node(struct shrink_lru *lru, int nid, shrink_lru_walk_fn fn,
				   void *arg, unsigned long *nr_to_walk);
unsigned long shrink_lru_walk(struct shrink_lru *lru, shrink_lru_walk_fn fn, void *arg,
			      unsigned long nr_to_walk);

/* In the callback only. */

/** Takes the object asked about off the list. */
void shrink_lru_isolate(struct shrink_lru_one *list, struct shrink_lru_item *item);
/** The same, onto a private list. */
void shrink_lru_isolate_move(struct shrink_lru_one *list, struct shrink_lru_item *item,
			     struct shrink_lru_head *to);
/** Drops the list's lock, before the statuses that say so. */
void shrink_lru_unlock(struct shrink_lru_one *list);
/** Takes the first off a private list; NULL: it is empty. */
struct shrink_lru_item *shrink_lru_pop(struct shrink_lru_head *head);

/* The canonical pair: count and scan of a shrinker that has its objects here. */

/** Objects for sc->nid and sc->memcg; SHRINK_EMPTY where there are none. */
unsigned long shrink_lru_count(struct shrink_lru *lru, struct shrink_control *sc);
/** Walks sc->nr_to_scan objects and sets sc->nr_scanned. Objects removed; SHRINK_STOP
 *  where there was none to look at, so that a list that ran dry is not asked on. */
unsigned long shrink_lru_scan(struct shrink_lru *lru, struct shrink_control *sc,
			      shrink_lru_walk_fn fn, void *arg);

SHRINK_END_DECLS

#endif /* SHRINK_LIST_LRU_H */

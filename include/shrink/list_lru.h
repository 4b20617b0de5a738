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
 * the list's, so in the callback it may only be tried.
 */
#ifndef SHRINK_LIST_LRU_H
#define SHRINK_LIST_LRU_H

#include <shrink/memcg.h>

SHRINK_BEGIN_DECLS

/** Embedded in the object. Zeroed or initialised before first use; the library's
 *  while the object is on a list. */
struct shrink_lru_item {
	struct shrink_lru_item *next, *prev;
};

struct shrink_lru;
/** The (node, group) list that a walk stands on; opaque. */
struct shrink_lru_one;
/** A private list, for objects taken off to be disposed of. */
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
 *     SHRINKER_MEMCG_AWARE there is a list per group. NULL = no groups.
 *
 * Return: the lists, or NULL with errno = ENOMEM, EBUSY (@s is registered).
 */
SHRINK_NODISCARD struct shrink_lru *shrink_lru_create(struct shrinker *s);
/** After the shrinker was freed; all lists must be empty. NULL is fine. */
void shrink_lru_destroy(struct shrink_lru *lru);

/**
 * shrink_lru_prepare() - make the group's list before objects are added to it
 *
 * Also for its ancestors. Without it the first add to a new group allocates, and
 * where that fails adds to the nearest ancestor that has a list.
 *
 * Return: 0; -ENOMEM; -EINVAL.
 */
int shrink_lru_prepare(struct shrink_lru *lru, struct shrink_memcg *memcg);

/** At the tail (youngest). 1: added; 0: it is on a list already; -EINVAL. Sets the
 *  group's bit on the step from 0 to 1. */
int shrink_lru_add(struct shrink_lru *lru, struct shrink_lru_item *item, int nid,
		   struct shrink_memcg *memcg);
/** 1: taken off; 0: it was on no list; -EINVAL. Node and group as in add. */
int shrink_lru_del(struct shrink_lru *lru, struct shrink_lru_item *item, int nid,
		   struct shrink_memcg *memcg);

/** Objects of one group (NULL = the root) at a node, or of all groups. */
unsigned long shrink_lru_count_one(struct shrink_lru *lru, int nid, struct shrink_memcg *memcg);
unsigned long shrink_lru_count_node(struct shrink_lru *lru, int nid);

/**
 * shrink_lru_walk_one() - ask about up to *@nr_to_walk objects, oldest first
 *
 * The budget is counted down before each call, so that RETRY cannot go on for ever.
 *
 * Return: objects removed.
 */
unsigned long shrink_lru_walk_one(struct shrink_lru *lru, int nid, struct shrink_memcg *memcg,
				  shrink_lru_walk_fn fn, void *arg, unsigned long *nr_to_walk);
/** All groups of a node; all nodes. */
unsigned long shrink_lru_walk_node(struct shrink_lru *lru, int nid, shrink_lru_walk_fn fn,
				   void *arg, unsigned long *nr_to_walk);
unsigned long shrink_lru_walk(struct shrink_lru *lru, shrink_lru_walk_fn fn, void *arg,
			      unsigned long nr_to_walk);

/* In the callback only. */

/** Takes the object off the list the walk stands on. */
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
/** Walks sc->nr_to_scan objects and sets sc->nr_scanned; objects removed. */
unsigned long shrink_lru_scan(struct shrink_lru *lru, struct shrink_control *sc,
			      shrink_lru_walk_fn fn, void *arg);

SHRINK_END_DECLS

#endif /* SHRINK_LIST_LRU_H */

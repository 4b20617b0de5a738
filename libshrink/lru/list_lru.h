/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The inside of LRU lists.
 *
 *	lru ─ table[group id] ─► block ─ one[node]: lock, ring of objects, count
 *	    └ root ─► block
 *
 * Which list an object is on is not written in the object: it follows from its
 * group, by climbing from the group to the nearest ancestor that has a live list
 * (shrink_lru_lock()). Most groups have their own and the climb ends at once. A
 * list becomes live and dies under its own lock and that of the list which the
 * climb reaches without it, so that who holds a list's lock and still climbs to it
 * holds the right one.
 *
 * Blocks are never freed before the lru is, only used again for another group. So
 * nobody needs a reference, or a read section, to lock a list that may be another's
 * by then: one.memcg, which changes under the lock alone, tells.
 *
 * Invariant: every online group on the way from a group through which objects were
 * added to the root has a live list, or is marked as a borrower, which never gets
 * one. So where the climb ends does not change under an object but by
 * re-parenting, which takes the object along.
 *
 * Locks, outermost first: [the core's registry lock] > all lrus > lru.life > one
 * list > the list of an ancestor. One list's lock is held while the application's
 * callback runs; nothing is waited for under it.
 */
#ifndef SHRINK_LRU_LIST_LRU_H
#define SHRINK_LRU_LIST_LRU_H

#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include <shrink/list_lru.h>
#include <libshrink/core/memcg.h>
#include <libshrink/os/spin.h>

#define SHRINK_LRU_DEAD LONG_MIN

struct shrink_lru_one {
	struct shrink_os_spin lock;
	bool forking;                 /* taken by the thread that forks */
	struct shrink_lru_item head;  /* ring: next is the oldest */
	/* Written under the lock, read by anybody. */
	_Atomic long nr_items;        /* SHRINK_LRU_DEAD: in no use */
	_Atomic(struct shrink_memcg *) memcg; /* whose it is; NULL: in no use */
	/* Stands for the thread whose callback runs under the lock while the ring is
	 * whole; else NULL. For fork. */
	_Atomic(const void *) caller;
} SHRINK_ALIGNED;

/* The lists of a group, one for each node. */
struct shrink_lru_block {
	struct shrink_lru_block *all;   /* next of all blocks of the lru */
	struct shrink_lru_block *spare; /* next in no use */
	struct shrink_lru_one one[];
};

/* By group id. Grown ones replace it; old ones stay until the lru goes, as somebody
 * may be reading them, and are smaller together than the newest. */
struct shrink_lru_table {
	struct shrink_lru_table *older;
	int nr;
	_Atomic(struct shrink_lru_block *) block[];
};

struct shrink_lru {
	int nr_nodes;
	int id;              /* of the shrinker; -1 = none */
	bool per_node;       /* false: one list whatever the node */
	bool per_group;
	struct shrink_lru_block *root;
	_Atomic(struct shrink_lru_table *) table;
	/* Borrowers: online groups, by id, that use an ancestor's list for good since
	 * there was no memory for their own. Written under life. */
	_Atomic uint64_t *borrowers;
	pthread_mutex_t life; /* lists come and go */
	struct shrink_lru_block *blocks, *spare; /* under it */
	struct shrink_list in_lrus;
};

/* The list's index of a node, or -EINVAL. */
static inline int shrink_lru_slot(const struct shrink_lru *lru, int nid)
{
	if (!lru->per_node)
		return 0;
	return nid >= 0 && nid < lru->nr_nodes ? nid : -EINVAL;
}

/* NULL, and any group where there are no lists per group, is the root. */
static inline struct shrink_memcg *shrink_lru_group(const struct shrink_lru *lru,
						    struct shrink_memcg *memcg)
{
	return lru->per_group && memcg ? memcg : shrink_memcg_root_group;
}

/* ---- list_lru-group.c: which list. @memcg from shrink_lru_group(). */
/* The group's own live list, or NULL. May be another's by the time it is locked. */
struct shrink_lru_one *shrink_lru_own(struct shrink_lru *lru, struct shrink_memcg *memcg,
				      int slot);
/* The list that objects of the group are on, locked. */
struct shrink_lru_one *shrink_lru_lock(struct shrink_lru *lru, struct shrink_memcg *memcg,
				       int slot);
/* Before an add: establishes the invariant above. May allocate; cannot fail. */
void shrink_lru_settle(struct shrink_lru *lru, struct shrink_memcg *memcg);
struct shrink_lru_block *shrink_lru_block_new(struct shrink_lru *lru);
void shrink_lru_groups_free(struct shrink_lru *lru);
/* The group's objects become its parent's. */
void shrink_lru_reparent(struct shrink_lru *lru, struct shrink_memcg *memcg);

/* ---- list_lru.c, list_lru-fork.c: all lrus */
int shrink_lru_enlist(struct shrink_lru *lru); /* 0, or -ENOMEM */
void shrink_lru_delist(struct shrink_lru *lru);

/* ---- the ring; lock held */
static inline void shrink_lru_link(struct shrink_lru_item *item, struct shrink_lru_item *prev,
				   struct shrink_lru_item *next)
{
	item->prev = prev;
	item->next = next;
	prev->next = item;
	next->prev = item;
}

static inline void shrink_lru_link_tail(struct shrink_lru_one *one, struct shrink_lru_item *item)
{
	shrink_lru_link(item, one->head.prev, &one->head);
}

/* The item's own links stay as they were. */
static inline void shrink_lru_unlink(struct shrink_lru_item *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
}

static inline long shrink_lru_nr(struct shrink_lru_one *one)
{
	return atomic_load_explicit(&one->nr_items, memory_order_relaxed);
}

/* Lock held. Release: who sees the count finds the list, see shrink_lru_add(). */
static inline void shrink_lru_set_nr(struct shrink_lru_one *one, long nr)
{
	atomic_store_explicit(&one->nr_items, nr, memory_order_release);
}

#endif /* SHRINK_LRU_LIST_LRU_H */

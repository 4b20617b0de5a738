/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Memory groups as the core sees them: a tree, and for each (group, node) a map of
 * the shrinkers that have objects there, with their deferred work, in units of 64
 * (contract 3.4 to 3.8).
 *
 *	group ─ node ─ units[] ─► unit { map: 64 bits, deferred[64] }
 *
 * A unit lives as long as its group. The array of unit pointers grows when ids do:
 * units are shared by the old and the new array, only the pointers are copied, so
 * that no bit set meanwhile is lost. Old arrays are kept until the group goes -
 * together they are smaller than the newest - and so need no grace period.
 *
 * Locks: the tree, the arrays and the hooks change under the registry lock. Bits,
 * deferred counters, usage and limits are atomics.
 */
#ifndef SHRINK_CORE_MEMCG_H
#define SHRINK_CORE_MEMCG_H

#include <shrink/memcg.h>
#include <libshrink/base/list.h>
#include <libshrink/core/core.h>

#define SHRINK_MEMCG_UNIT 64
#define SHRINK_MEMCGS_MAX 65536
/* Charges and protection go up the line of ancestors: it is to end. */
#define SHRINK_MEMCG_DEPTH_MAX 255

struct shrink_memcg_unit {
	_Atomic uint64_t map;
	_Atomic long deferred[SHRINK_MEMCG_UNIT];
} SHRINK_ALIGNED;

struct shrink_memcg_units {
	struct shrink_memcg_units *older; /* freed with the group */
	unsigned int nr;
	struct shrink_memcg_unit *unit[];
};

/* Where partial walks below a group go on: memcg-walk.h. Registry lock. */
struct shrink_memcg_iter {
	struct shrink_memcg *position;   /* not referenced; NULL: before the top */
};

struct shrink_memcg_node {
	_Atomic(struct shrink_memcg_units *) units;
	struct shrink_memcg_iter iter;
};

struct shrink_memcg {
	struct shrink_memcg *parent;     /* referenced; NULL: the root */
	_Atomic long refs;
	_Atomic int online;
	int id;                          /* 0 = the root; lowest that is free */
	/* Units (the 64th: and those after it) with a bit set at some node: all that a
	 * pass looks at where a group has nothing. Set after the bit. */
	_Atomic uint64_t units_used;
	/* under the registry lock */
	struct shrink_list children;     /* online ones */
	struct shrink_list sibling;
	unsigned int depth;              /* ancestors; 0 = the root */
	struct shrink_memcg_iter iter;   /* walks over all nodes; node[] has the others' */
	bool creator_ref;                /* shrink_memcg_destroy() has not been called */
	/* accounting: memcg-account.c and above */
	struct shrink_memcg_account *account; /* NULL: the root */
	uint64_t serial;                 /* never used again; 0 = the root */
	char name[64];
	struct shrink_memcg_node node[];
};

extern struct shrink_memcg *const shrink_memcg_root_group;

static inline bool shrink_memcg_is_root(const struct shrink_memcg *memcg)
{
	return !memcg || !memcg->parent;
}

/* It may go offline the next moment: for answers that nobody acts on. */
static inline bool shrink_memcg_is_online(const struct shrink_memcg *memcg)
{
	return atomic_load_explicit(&memcg->online, memory_order_relaxed);
}

/* A shrinker may have objects in it, at some node. Registry lock held. */
bool shrink_memcg_any_bit(struct shrink_memcg *memcg);
/* The online group of this id, referenced, or NULL. */
struct shrink_memcg *shrink_memcg_by_id(int id);
int shrink_memcg_count(void);

/* The unit that holds the bit of shrinker @id; NULL: the map has not grown so far. */
struct shrink_memcg_unit *shrink_memcg_unit(struct shrink_memcg *memcg, int nid, int id);
void shrink_memcg_set_bit_id(struct shrink_memcg *memcg, int nid, int id);
/* Registry lock held, from shrinker_alloc(): every group has room for @id, or
 * -ENOMEM. @id's counters everywhere are 0 and its bits clear. */
int shrink_memcg_make_room(int id);
void shrink_memcg_forget_id(int id); /* registry lock held */

/* Work put off by a visit of @s, which the caller holds, in this group; for a group
 * without a map it is the shrinker's own. What is put off there now. */
long shrink_memcg_defer(struct shrink_memcg *memcg, struct shrinker_impl *s, int nid, long objects);

/* Told when a group goes offline, before its bits and deferred work move to the
 * parent: lists are re-parented here. One group at a time, and the registry lock is
 * not held. A hook stays for good. */
struct shrink_memcg_hook {
	void (*offline)(struct shrink_memcg_hook *hook, struct shrink_memcg *memcg);
	struct shrink_list link;
};
void shrink_memcg_hook_add(struct shrink_memcg_hook *hook);
/* No group is amid going offline across a fork. */
void shrink_memcg_fork_prepare(void);
void shrink_memcg_fork_done(void);

#endif /* SHRINK_CORE_MEMCG_H */

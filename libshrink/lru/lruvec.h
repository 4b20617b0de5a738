/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * An lruvec's insides. A *node* here is what the kernel calls a lruvec: the lists of one
 * group at one memory node, with a lock that guards them, items' links, costs and
 * counters; sizes are also read without it.
 *
 *	lgroup (lru/lgroup.h) ─ payload: node[nid] ─ lists[kind][active]
 *
 * Which group's lists an object is on is said by its label, the lgroup's index, which is
 * written under the lock of the lists it is on. Where that group has ended its objects
 * are its parent's; they keep the label until they are moved next. Who wants an object's
 * node goes from the label up to the first group that is alive, locks, and looks again
 * (lruvec-group.c).
 *
 * Lock order: lgroups.life > node > that of an ancestor's > ghost table's part. Two nodes
 * are locked together only where a group ends, under life, and around fork().
 *
 * A walk takes the lock for CHUNK objects at a time. An object is unlinked before it
 * is asked, so that whatever evict() does with it the list stays whole; what is to go
 * is gathered on a list of the walk's own and freed when the lock is dropped.
 */
#ifndef SHRINK_LRU_LRUVEC_H
#define SHRINK_LRU_LRUVEC_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <shrink/lruvec.h>
#include <libshrink/base/bits.h>
#include <libshrink/lru/balance.h>
#include <libshrink/lru/lgroup.h>
#include <libshrink/lru/lruvec-fork.h>
#include <libshrink/lru/pulse.h>
#include <libshrink/os/numa.h>

#define SHRINK_LRUVEC_CHUNK 32

/* item->flags */
#define LRUVEC_UNUSED 0x1u     /* added, but not used yet */
#define LRUVEC_WORKINGSET 0x2u /* has been active */
#define LRUVEC_RECLAIM 0x4u    /* reclaim waits for its write-out */
#define LRUVEC_SPARED 0x8u     /* was in use when a newcomer last competed with it */
/* Since it came to this list: */
#define LRUVEC_USED 0x10u      /* a scout found it marked, and took the mark */
#define LRUVEC_PASSED 0x20u    /* a scout has come by */
#define LRUVEC_IDLE 0x40u      /* and found it unused the last time */
#define LRUVEC_OFFERED 0x80u   /* has had its chance: shrink_lruvec_offer() */

/* Circular, first = youngest. */
struct lruvec_list {
	struct shrink_lruvec_item head;
	struct shrink_lruvec_item *hand;  /* where ageing goes on; &head = at the end */
	struct shrink_lruvec_item *scout; /* the same of the scout */
	_Atomic uint64_t nr;
};

struct lruvec_node {
	pthread_mutex_t lock;
	struct shrink_lgroup *group;
	int nid;
	_Atomic(struct shrink_memcg *) memcg; /* whose; NULL: it has ended */
	_Atomic uint64_t nr;               /* objects, with those a walk has in hand */
	uint64_t strangers;                /* of these, labelled with a group that has ended */
	struct lruvec_list lists[SHRINK_KINDS][SHRINK_LISTS];
	/* On lists of groups below; and own changes those above were not told of yet. */
	_Atomic int64_t below[SHRINK_KINDS][SHRINK_LISTS];
	int64_t untold[SHRINK_KINDS][SHRINK_LISTS];
	struct shrink_pulse pulse[SHRINK_KINDS];
	uint64_t cost[SHRINK_KINDS];
	uint64_t carry[SHRINK_KINDS];      /* shrink_balance_part() */
	uint64_t far;                      /* refaults beyond the distance */
	uint64_t refaults, refaults_activated, refaults_refused, refaults_trial;
	struct shrink_lruvec_result total;
	_Atomic uint64_t turn;             /* looked at since shrink_lruvec_evict() came by */
} SHRINK_ALIGNED;

struct shrink_lruvec {
	struct shrink_lruvec_options o;
	struct shrinker *shrinker;
	struct shrink_workingset *ws;
	struct shrink_lruvec_fork fork;
	struct shrink_age *age;     /* set before objects are added */
	_Atomic unsigned int swappiness;
	int nr_nodes;
	_Atomic unsigned int throttle[SHRINK_NODES_MAX];
	_Atomic unsigned int turn;  /* index of the group shrink_lruvec_evict() is at */
	struct shrink_lgroups groups;
};

/* One walk of one group's lists at one node: what it may, what it has done, what it
 * will free. */
struct lruvec_walk {
	struct shrink_lruvec *lv;
	struct lruvec_node *node;
	struct shrink_memcg *memcg;         /* whose lists they were when it began */
	struct shrink_lruvec_ask ask;
	struct shrink_lruvec_result res;
	struct shrink_lruvec_item *dispose; /* linked by next */
	uint64_t taken;                     /* asked */
	uint64_t goal;                      /* stop when so many have gone; 0 = none */
};

/* ---- lruvec-group.c: whose lists, and their locks */
static inline struct lruvec_node *lruvec_at(struct shrink_lruvec *lv, struct shrink_lgroup *g,
					    int nid)
{
	return (struct lruvec_node *)shrink_lgroup_payload(&lv->groups, g) + nid;
}

/* The callbacks of the groups. */
void shrink_lruvec_group_begin(struct shrink_lgroups *all, struct shrink_lgroup *g,
			       struct shrink_memcg *memcg);
uint64_t shrink_lruvec_group_end(struct shrink_lgroups *all, struct shrink_lgroup *g,
				 struct shrink_lgroup *up);
/* NULL, and any group where there are no lists per group, is the root. */
struct shrink_memcg *shrink_lruvec_whose(const struct shrink_lruvec *lv,
					 struct shrink_memcg *memcg);
/* The group's own lists, or NULL. Who uses them takes the lock and looks whose they are. */
struct lruvec_node *shrink_lruvec_own(struct shrink_lruvec *lv, struct shrink_memcg *memcg,
				      int nid);
/* The lists that an object of the group is added to, locked. */
struct lruvec_node *shrink_lruvec_lock_for(struct shrink_lruvec *lv, struct shrink_memcg *memcg,
					   int nid);
/* The lists an object is on, locked; where it is on none, those it was on last. */
struct lruvec_node *shrink_lruvec_lock_item(struct shrink_lruvec *lv,
					    struct shrink_lruvec_item *item);
/* The same for the application's arguments: NULL, nothing locked, if they are bad. */
struct lruvec_node *shrink_lruvec_lock_known(struct shrink_lruvec *lv,
					     struct shrink_lruvec_item *item);
/* Takes the lock; false, not taken: the group has ended meanwhile. */
bool shrink_lruvec_walk_lock(struct lruvec_walk *w);
/* Tells those above what has changed. */
void shrink_lruvec_unlock(struct lruvec_node *node);
/* The next index from *@at on that has objects at @nid, in @top (NULL: anywhere) or
 * below; NULL: none up to the last. */
struct lruvec_node *shrink_lruvec_next(struct shrink_lruvec *lv, unsigned int *at, int nid,
				       struct shrink_lgroup *top);

/* ---- lruvec-list.c, lruvec-add.c; node lock held */
static inline struct lruvec_list *lruvec_list(struct lruvec_node *node, int kind, int list)
{
	return &node->lists[kind][list];
}

static inline uint64_t lruvec_nr(struct lruvec_node *node, int kind, int list)
{
	return atomic_load_explicit(&node->lists[kind][list].nr, memory_order_relaxed);
}

static inline int lruvec_kind_of(const struct shrink_lruvec_item *item)
{
	return (item->list - 1) >> 1;
}

static inline int lruvec_list_of(const struct shrink_lruvec_item *item)
{
	return (item->list - 1) & 1;
}

void shrink_lruvec_list_init(struct lruvec_list *l);
/* At the young end, or (@old) at the other. */
void shrink_lruvec_put(struct lruvec_node *node, struct shrink_lruvec_item *item, int kind,
		       int list, bool old);
void shrink_lruvec_take(struct lruvec_node *node, struct shrink_lruvec_item *item);
/* An object that was taken has left the cache. */
static inline void shrink_lruvec_left(struct lruvec_node *node)
{
	atomic_store_explicit(&node->nr,
			      atomic_load_explicit(&node->nr, memory_order_relaxed) - 1,
			      memory_order_release);
}
/* Was it used since last asked? */
bool shrink_lruvec_was_used(struct shrink_lruvec_item *item);
/* Objects of the group at the node; of all groups there; at all nodes. */
uint64_t shrink_lruvec_objects(struct lruvec_node *node);
uint64_t shrink_lruvec_node_objects(struct shrink_lruvec *lv, int nid);
uint64_t shrink_lruvec_all_objects(struct shrink_lruvec *lv);
void shrink_lruvec_note_cost(struct lruvec_node *node, int kind, uint64_t units);

/* ---- lruvec-scout.c, node lock held */
/* @gone objects were evicted: the scouts go on. */
void shrink_lruvec_scout(struct lruvec_node *node, int kind, uint64_t gone);
/* The oldest active object, if it is to go before inactive ones; or NULL. */
struct shrink_lruvec_item *shrink_lruvec_stale(struct lruvec_node *node, int kind);

/* ---- lruvec-walk.c */
/* Looks at up to @nr at the end of an active list, lock held. */
void shrink_lruvec_shrink_active(struct lruvec_walk *w, int kind, uint64_t nr);
/* Asks one object that is off the lists; puts it where the answer says. Lock held. */
void shrink_lruvec_ask_one(struct lruvec_walk *w, struct shrink_lruvec_item *item, int kind,
			   int list);
/* One chunk of a kind: keeps the inactive list large enough, then walks it. Takes and
 * drops the lock. Objects of either list looked at. */
uint64_t shrink_lruvec_chunk(struct lruvec_walk *w, int kind, uint64_t nr);
/* Frees what is to go; no lock held. */
void shrink_lruvec_dispose(struct lruvec_walk *w);
void shrink_lruvec_result_add(struct shrink_lruvec_result *to,
			      const struct shrink_lruvec_result *from);
/* Pending objects of a walk that is no scan of the lruvec's own shrinker are that
 * shrinker's all the same: shrinker_complete() will be told of it. */
void shrink_lruvec_note_pending(struct lruvec_walk *w);
/* Adds the walk's result to the node's. */
void shrink_lruvec_walk_done(struct lruvec_walk *w);

/* ---- lruvec-reclaim.c */
void shrink_lruvec_walk_begin(struct lruvec_walk *w, struct shrink_lruvec *lv,
			      struct lruvec_node *node, shrink_gfp_t gfp);
/* Looks at up to @budget objects, of each kind its share; at the kernel's counts for a
 * priority. Objects looked at. */
uint64_t shrink_lruvec_walk_for(struct lruvec_walk *w, uint64_t budget);
void shrink_lruvec_walk_at(struct lruvec_walk *w, int priority);

static inline bool shrink_lruvec_good_node(const struct shrink_lruvec *lv, int nid)
{
	return lv && nid >= 0 && (nid < lv->nr_nodes || lv->nr_nodes == 1);
}

static inline int shrink_lruvec_slot(const struct shrink_lruvec *lv, int nid)
{
	return lv->nr_nodes > 1 ? nid : 0;
}

static inline unsigned int shrink_lruvec_groups(struct shrink_lruvec *lv)
{
	return atomic_load_explicit(&lv->groups.nr, memory_order_acquire);
}

/* The inactive list is too small: active objects should be looked at. */
bool shrink_lruvec_is_low(struct shrink_lruvec *lv, struct lruvec_node *node, int kind);

#endif /* SHRINK_LRU_LRUVEC_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * An lruvec's insides. One lock per node guards its lists, items' links, costs and
 * counters; sizes are also read without it.
 *
 * Lock order: node > ghost table's part. No lock of one node is taken under another's
 * but around fork().
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
#include <libshrink/lru/lruvec-fork.h>

#define SHRINK_LRUVEC_CHUNK 32

/* item->flags */
#define LRUVEC_UNUSED 0x1u     /* added, but not used yet */
#define LRUVEC_WORKINGSET 0x2u /* has been active */
#define LRUVEC_RECLAIM 0x4u    /* reclaim waits for its write-out */
#define LRUVEC_SPARED 0x8u     /* was in use when a newcomer last competed with it */
#define LRUVEC_OFFERED 0x10u   /* has had its chance: shrink_lruvec_offer() */

/* Circular, first = youngest. */
struct lruvec_list {
	struct shrink_lruvec_item head;
	struct shrink_lruvec_item *hand; /* where ageing goes on; &head = at the end */
	_Atomic uint64_t nr;
};

struct lruvec_node {
	pthread_mutex_t lock;
	struct lruvec_list lists[SHRINK_KINDS][SHRINK_LISTS];
	uint64_t cost[SHRINK_KINDS];
	uint64_t carry[SHRINK_KINDS];      /* shrink_balance_part() */
	uint64_t far;                      /* refaults beyond the distance */
	uint64_t refaults, refaults_activated, refaults_refused, refaults_trial;
	struct shrink_lruvec_result total;
	_Atomic unsigned int throttle;
} SHRINK_ALIGNED;

struct shrink_lruvec {
	struct shrink_lruvec_options o;
	struct shrinker *shrinker;
	struct shrink_workingset *ws;
	struct shrink_lruvec_fork fork;
	struct shrink_age *age;     /* set before objects are added */
	_Atomic unsigned int swappiness;
	int nr_nodes;
	struct lruvec_node *nodes;
};

/* One walk at one node: what it may, what it has done, what it will free. */
struct lruvec_walk {
	struct shrink_lruvec *lv;
	struct lruvec_node *node;
	struct shrink_lruvec_ask ask;
	struct shrink_lruvec_result res;
	struct shrink_lruvec_item *dispose; /* linked by next */
	uint64_t taken;                     /* asked */
	uint64_t goal;                      /* stop when so many have gone; 0 = none */
};

/* ---- lruvec-list.c, node lock held */
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
uint64_t shrink_lruvec_objects(struct lruvec_node *node);
void shrink_lruvec_note_cost(struct lruvec_node *node, int kind, uint64_t units);

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

/* The inactive list is too small: active objects should be looked at. */
bool shrink_lruvec_is_low(struct shrink_lruvec *lv, struct lruvec_node *node, int kind);

#endif /* SHRINK_LRU_LRUVEC_H */

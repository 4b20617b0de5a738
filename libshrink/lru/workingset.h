/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The ghost table: parts by hash, each with a lock, a ring and an index
 * (lru/ghosts.h), and a clock for each group and node (lru/lgroup.h).
 *
 * Lock order: whatever the caller holds > a part's lock. Clocks and counters are
 * relaxed atomics: a distance that is off by the evictions of this very moment is
 * as good as the exact one.
 */
#ifndef SHRINK_LRU_WORKINGSET_H
#define SHRINK_LRU_WORKINGSET_H

#include <pthread.h>
#include <stdatomic.h>

#include <shrink/workingset.h>
#include <libshrink/base/bits.h>
#include <libshrink/lru/distance.h>
#include <libshrink/lru/ghosts.h>
#include <libshrink/lru/lgroup.h>
#include <libshrink/lru/lruvec-fork.h>

#define SHRINK_WS_PARTS_MAX 64

struct shrink_ws_part {
	pthread_mutex_t lock;
	struct shrink_ghosts ghosts;
} SHRINK_ALIGNED;

struct shrink_workingset {
	struct shrinker *shrinker;
	struct shrink_lruvec_fork fork;
	struct shrink_ws_part *parts;
	unsigned int nr_parts; /* a power of two */
	void *map;             /* the rings, one behind the other */
	size_t map_size;
	uint32_t *index;       /* first and next of all parts */
	_Atomic uint64_t room; /* largest told of late; UINT64_MAX = none yet */
	_Atomic uint64_t ready; /* slots of all parts */
	_Atomic uint64_t evictions, refaults, activations, restores, aged, given_up;
	_Atomic uint64_t costs, cost_nsec, cost_nsec_avg;
	struct shrink_lgroups *groups; /* clocks: an lruvec's, or its own */
	struct shrink_lgroups own;
};

/* workingset-life.c: the table as a shrinker */
unsigned long shrink_ws_count(struct shrinker *s, struct shrink_control *sc);
unsigned long shrink_ws_scan(struct shrinker *s, struct shrink_control *sc);

/* For an lruvec, whose groups it shares; NULL: its own. NULL with errno set. */
struct shrink_workingset *shrink_ws_create(unsigned long ghosts, const char *name,
					   struct shrink_lgroups *groups);

/* evict and refault for those who know the group. */
uint64_t shrink_ws_evict(struct shrink_workingset *ws, uint64_t hash, int nid,
			 struct shrink_lgroup *g, unsigned int flags);
/* What a ghost tells: of when, of whom. */
struct shrink_ws_seen {
	struct shrink_shadow shadow;
	struct shrink_lgroup *group; /* to be judged in; NULL: forgotten */
	uint32_t distance;
};
/* Takes the ghost of @hash out; false: there is none. */
bool shrink_ws_take(struct shrink_workingset *ws, uint64_t hash, struct shrink_ws_seen *ret);
/* SHRINK_REFAULT_* bits, counted; @room of the group to be judged in, @to: where the
 * object goes, whose clock counts it if it is promoted. */
/* Refaults of all working sets so far: what proactive mode goes by. */
extern _Atomic uint64_t shrink_ws_refaults;

unsigned int shrink_ws_judge(struct shrink_workingset *ws, const struct shrink_ws_seen *seen,
			     uint64_t room, struct shrink_lgroup *to, int nid);
/* What the table's shrinker goes by: @room is protected at a node. */
void shrink_ws_note_room(struct shrink_workingset *ws, uint64_t room);

#endif /* SHRINK_LRU_WORKINGSET_H */

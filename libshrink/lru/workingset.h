/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The ghost table: parts by hash, each with a lock, a ring and an index
 * (lru/ghosts.h), and the clocks.
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
#include <libshrink/lru/lruvec-fork.h>
#include <libshrink/lru/ghosts.h>
#include <libshrink/os/numa.h>

#define SHRINK_WS_PARTS_MAX 64

struct shrink_ws_part {
	pthread_mutex_t lock;
	struct shrink_ghosts ghosts;
} SHRINK_ALIGNED;

struct shrink_ws_clock {
	_Atomic uint32_t now;
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
	struct shrink_ws_clock clocks[SHRINK_NODES_MAX];
};

/* workingset-life.c: the table as a shrinker */
unsigned long shrink_ws_count(struct shrinker *s, struct shrink_control *sc);
unsigned long shrink_ws_scan(struct shrinker *s, struct shrink_control *sc);

/* evict and refault for those who know the group's id only. */
uint64_t shrink_ws_evict(struct shrink_workingset *ws, uint64_t hash, unsigned int nid,
			 unsigned int group, unsigned int flags);

#endif /* SHRINK_LRU_WORKINGSET_H */

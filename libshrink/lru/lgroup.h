/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Groups as a cache sees them: for each a clock per memory node, and room for what the
 * cache keeps there. Objects and shadows name one by its index, which outlives the
 * group: of one that has ended the index leads to its parent's.
 *
 *	index ─► lgroup ─ clock[node], payload
 *	            │ up
 *	            ▼
 *	         parent's lgroup ... ─► the root's, index 0
 *
 * The clock of a group and node (the kernel's nonresident_age, contract section 6)
 * counts evictions and promotions there and in all groups below. So when a group ends,
 * what has passed since an eviction in it is what had passed there until its end, and
 * what has passed at its parent since:
 *
 *	d = (died - E) + (R of the parent - up_died)
 *
 * An lgroup is never freed before its cache, only given to another group, once no
 * object carries its index and no other lgroup leads through it. So whoever has found
 * one may look at it. Whether a list set is alive is said by the set, under its lock.
 *
 * Locks: [groups going offline] > all caches > lgroups.life > those of the payload.
 */
#ifndef SHRINK_LRU_LGROUP_H
#define SHRINK_LRU_LGROUP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/list.h>
#include <libshrink/core/memcg.h>

#define SHRINK_LGROUPS_MAX 65536
#define SHRINK_LGROUP_CHUNK 256

/* Ended groups kept for the sake of shadows; then the oldest is used again. */
#define SHRINK_LGROUPS_ENDED 1024

struct shrink_lgroups;

struct shrink_lclock {
	_Atomic uint32_t now;
	_Atomic uint32_t born;          /* reading when this group came, if reused */
	_Atomic uint32_t died, up_died; /* own and parent's when it ended */
} SHRINK_ALIGNED;

struct shrink_lgroup {
	struct shrink_lgroups *all;
	unsigned int index;
	_Atomic(struct shrink_memcg *) memcg;   /* NULL: ended */
	_Atomic(struct shrink_lgroup *) up;     /* NULL: the root's */
	_Atomic uint64_t left;                  /* ended: objects that carry the index */
	_Atomic bool reused;                    /* was another group's */
	unsigned int through;                   /* lgroups whose up it is; life held */
	struct shrink_lgroup *next_ended;
	struct shrink_lclock clock[];           /* then the payload */
};

struct shrink_lgroup_chunk {
	_Atomic(struct shrink_lgroup *) at[SHRINK_LGROUP_CHUNK];
};

struct shrink_lgroups {
	int nr_nodes;
	size_t payload;                          /* bytes */
	/* A group comes: its payload is zeroed, or was another's; life held. */
	void (*begin)(struct shrink_lgroups *all, struct shrink_lgroup *g,
		      struct shrink_memcg *memcg);
	/* It has ended: what is there becomes up's. Objects that carry the index now. */
	uint64_t (*end)(struct shrink_lgroups *all, struct shrink_lgroup *g,
			struct shrink_lgroup *up);
	pthread_mutex_t life;
	struct shrink_lgroup *root;
	_Atomic(struct shrink_lgroup_chunk *) by_index[SHRINK_LGROUPS_MAX / SHRINK_LGROUP_CHUNK];
	_Atomic(struct shrink_lgroup_chunk *) by_id[SHRINK_MEMCGS_MAX / SHRINK_LGROUP_CHUNK];
	_Atomic unsigned int nr;                 /* indexes in use */
	/* life held */
	struct shrink_lgroup *ended, **ended_tail;
	unsigned int nr_ended;
	struct shrink_list in_all;
};

/* Zeroed but for nr_nodes, payload, begin and end. 0, or -ENOMEM. */
int shrink_lgroups_init(struct shrink_lgroups *all);
/* One that was only zeroed is fine. */
void shrink_lgroups_destroy(struct shrink_lgroups *all);

/* The group's own, or NULL; memcg NULL is the root. */
struct shrink_lgroup *shrink_lgroup_own(struct shrink_lgroups *all, struct shrink_memcg *memcg);
/* Its own or the nearest ancestor's. */
struct shrink_lgroup *shrink_lgroup_find(struct shrink_lgroups *all, struct shrink_memcg *memcg);
/* Makes its own, and those of its ancestors. 0; -ENOMEM; -ENOSPC; -ESTALE: offline. */
int shrink_lgroup_prepare(struct shrink_lgroups *all, struct shrink_memcg *memcg);
/* As find, having tried to prepare. */
struct shrink_lgroup *shrink_lgroup_make(struct shrink_lgroups *all, struct shrink_memcg *memcg);

/* An index beyond those in use gives the root's. */
struct shrink_lgroup *shrink_lgroup_at(struct shrink_lgroups *all, unsigned int index);

static inline void *shrink_lgroup_payload(const struct shrink_lgroups *all,
					  struct shrink_lgroup *g)
{
	return &g->clock[all->nr_nodes];
}

static inline struct shrink_lgroup *shrink_lgroup_up(struct shrink_lgroup *g)
{
	return atomic_load_explicit(&g->up, memory_order_acquire);
}

static inline bool shrink_lgroup_alive(struct shrink_lgroup *g)
{
	return atomic_load_explicit(&g->memcg, memory_order_acquire) != NULL;
}

/* An object that carries the index of an ended group is relabelled. */
static inline void shrink_lgroup_leave(struct shrink_lgroup *g)
{
	atomic_fetch_sub_explicit(&g->left, 1, memory_order_relaxed);
}

/* ---- the clock */
/* @by others have gone, or were promoted, there: counts in the group and all above. The
 * group's reading afterwards. */
uint32_t shrink_lgroup_tick(struct shrink_lgroup *g, int nid, uint32_t by);
/* What has passed since the reading @then in group @index; *@ret_group is the one it is
 * to be judged in. False: the group is forgotten. */
bool shrink_lgroup_distance(struct shrink_lgroups *all, unsigned int index, int nid, uint32_t then,
			    uint32_t *ret_distance, struct shrink_lgroup **ret_group);

#endif /* SHRINK_LRU_LGROUP_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Walking the tree of groups, parents first.
 *
 * A full walk visits the group it was started at and all below it. A partial walk
 * may end as soon as enough is freed (contract 4.1), and so must not begin at the
 * first group each time: those that come first would pay for all. It goes on where
 * the last one of the same top and node stopped, around the end to the beginning,
 * until it is back where it began. Partial walks of the same top and node that run at
 * once share the position: each takes the next group, so that no two press the same.
 *
 *	position ─► the group handed out last; NULL: the next one is the top
 *
 * Both are one loop: the position of a full walk is its own, and begins at NULL.
 *
 * A position holds no reference. It changes under the registry lock, and a group that
 * goes offline is taken out of every position it is in by setting that back to the
 * group before; ends of walks likewise. So a walk hands out every group that stays
 * exactly once - itself, or one that shares its position - whatever comes and goes.
 */
#ifndef SHRINK_CORE_MEMCG_WALK_H
#define SHRINK_CORE_MEMCG_WALK_H

#include <libshrink/core/memcg.h>

/* A full walk takes a handful of groups for each time the registry lock is taken. */
#define SHRINK_MEMCG_WALK 64

struct shrink_memcg_walk {
	struct shrink_memcg *top;        /* held by the caller */
	bool all;                        /* those without any bit, too */
	bool partial;
	int nid;                         /* partial: the position of this node, or of
					    SHRINK_NUMA_NO_NODE */
	/* the rest is the walk's own, 0 at first */
	struct shrink_list link;         /* on the list of walks; registry lock */
	const struct shrink_context *thread;
	struct shrink_memcg_iter own, *iter;
	struct shrink_memcg *end;        /* when the position is here again it is over */
	bool over;
	int nr, at;                      /* at: the next to return; those before are put */
	struct shrink_memcg *batch[SHRINK_MEMCG_WALK];
};

/* The next group to visit, referenced until the next call: @top, and those with a bit
 * set anywhere. NULL: the walk is over and holds nothing. No lock held on return. */
struct shrink_memcg *shrink_memcg_walk_next(struct shrink_memcg_walk *w);
/* Before the end of a walk: puts what is left. */
void shrink_memcg_walk_end(struct shrink_memcg_walk *w);

/* Registry lock held: @memcg, which has no children, leaves the tree. */
void shrink_memcg_walk_forget(struct shrink_memcg *memcg);
/* In the child of a fork: walks of threads that it does not have hold nothing. No
 * lock held; nobody else runs. */
void shrink_memcg_walk_fork_child(void);

#endif /* SHRINK_CORE_MEMCG_WALK_H */

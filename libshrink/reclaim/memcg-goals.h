/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Groups that wait for the worker: what charging threads were not permitted to do
 * themselves. Apart from the goal of the process, which must not be confined to a
 * group, nor press the others for it. All under the engine's lock.
 */
#ifndef SHRINK_RECLAIM_MEMCG_GOALS_H
#define SHRINK_RECLAIM_MEMCG_GOALS_H

#include <shrink/memcg.h>
#include <libshrink/reclaim/round.h>

/* So many groups at most; a further one is forgotten, since its threads, which are
 * at its limit still, will ask again. */
#define SHRINK_MEMCG_GOALS_MAX 16

/* Takes a reference on the group; the larger of two goals of the same. */
void shrink_memcg_goals_add(const struct shrink_goal *goal);
bool shrink_memcg_goals_any(void);
/* The oldest; its reference is the caller's to put. False: none. */
bool shrink_memcg_goals_take(struct shrink_goal *ret_goal);
void shrink_memcg_goals_clear(void);

#endif /* SHRINK_RECLAIM_MEMCG_GOALS_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Reclaim in the calling thread, for whoever starts it: see direct.c. */
#ifndef SHRINK_RECLAIM_DIRECT_H
#define SHRINK_RECLAIM_DIRECT_H

#include <libshrink/reclaim/round.h>

/* A goal of so many bytes with what this thread permits; timeout 0 = none. */
struct shrink_goal shrink_direct_goal(uint64_t bytes, shrink_gfp_t gfp, uint64_t timeout_usec);
/* Runs it; 0 while passive or inside a callback. What the thread may not do is
 * handed to the worker. Returns bytes freed. */
uint64_t shrink_direct_run(struct shrink_goal *goal);

#endif /* SHRINK_RECLAIM_DIRECT_H */

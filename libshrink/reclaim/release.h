/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The release stage: after scans, the allocator hands freed pages back.
 *
 * Which allocator is in the process is found at run time, by the object that owns
 * malloc; hidden ones register. glibc's malloc_trim() walks every arena under its
 * lock and stalls every malloc meanwhile - hundreds of ms on heaps of GBs, even
 * when it returns nothing - so nothing runs but where enough is predicted to come of
 * it, never twice for nothing, and only where the expected stall is within the
 * tunable release_stall. Prediction and stall are both learned from what came of
 * the stages before.
 */
#ifndef SHRINK_RECLAIM_RELEASE_H
#define SHRINK_RECLAIM_RELEASE_H

#include <stdint.h>

/* Looks which allocator there is; may allocate (dlsym). At start. */
void shrink_release_prepare(void);

/* @freed: bytes freed to the allocator since the last stage; @want: bytes still
 * missing. Returns 1 if anything was run. On the reclaiming thread. */
int shrink_release_run(uint64_t freed, uint64_t want);
/* How it went: @returned bytes came of @freed. Decides about the next time. */
void shrink_release_judge(uint64_t freed, uint64_t returned);

struct shrink_release_stats {
	uint64_t runs, usec_max, left_out_yield, left_out_stall;
};
struct shrink_release_stats shrink_release_stats(void);

#endif /* SHRINK_RECLAIM_RELEASE_H */

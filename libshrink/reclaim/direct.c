// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Reclaim in the caller's own thread: for a failed allocation, and on request. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <libshrink/os/clock.h>
#include <libshrink/os/mem.h>
#include <libshrink/reclaim/direct.h>
#include <libshrink/reclaim/engine.h>

/* No reclaim is worth its calls for less (contract section 4: the cluster). */
#define CLUSTER_PAGES 32

static _Atomic uint64_t direct_calls;

uint64_t shrink_direct_calls(void)
{
	return atomic_load_explicit(&direct_calls, memory_order_relaxed);
}

struct shrink_goal shrink_direct_goal(uint64_t bytes, shrink_gfp_t gfp, uint64_t timeout_usec)
{
	struct shrink_goal goal = {
		.bytes = bytes,
		.gfp_mask = gfp & ~shrink_context.deny,
		.notice = shrink_os_clock(),
		.level = shrink_level(),
		.source = "direct",
	};

	goal.direct_only = !(goal.gfp_mask & SHRINK_GFP_LOCK);
	if (timeout_usec)
		goal.deadline = shrink_add_u64(goal.notice, shrink_mul_div(timeout_usec, 1000, 1));
	return goal;
}

/* What this thread may not do, the worker may. */
static void hand_on(struct shrink_goal *goal, uint64_t freed, uint64_t refused)
{
	uint64_t left = shrink_sub_u64(goal->bytes, freed);

	if (!refused || !left)
		return;
	goal->bytes = shrink_min_u64(left, refused);
	goal->gfp_mask = SHRINK_GFP_ALL;
	goal->direct_only = false;
	goal->deadline = 0;
	shrink_engine_post(goal);
}

uint64_t shrink_direct_run(struct shrink_goal *goal)
{
	struct shrink_round rec;
	uint64_t freed, refused;

	if (!shrink_gate_enter())
		return 0;
	freed = shrink_round_run(goal, NULL, &rec, &refused);
	shrink_gate_exit();
	hand_on(goal, freed, refused);
	return freed;
}

int64_t shrink_reclaim(uint64_t bytes, shrink_gfp_t gfp, uint64_t timeout_usec)
{
	struct shrink_goal goal;

	if (gfp & ~SHRINK_GFP_ALL)
		return -EINVAL;
	if (shrink_context.depth)
		return -EDEADLK;
	if (!shrink_gate_is_open())
		return -ENOTCONN;
	atomic_fetch_add_explicit(&direct_calls, 1, memory_order_relaxed);
	goal = shrink_direct_goal(shrink_max_u64(bytes, CLUSTER_PAGES * shrink_os_page_size()), gfp,
			   timeout_usec);
	return (int64_t)shrink_min_u64(shrink_direct_run(&goal), INT64_MAX);
}

uint64_t shrink_all_memory(uint64_t bytes)
{
	struct shrink_goal goal = shrink_direct_goal(bytes, SHRINK_GFP_ALL, 0);

	memcpy(goal.source, "all", 4);
	return bytes ? shrink_direct_run(&goal) : 0;
}

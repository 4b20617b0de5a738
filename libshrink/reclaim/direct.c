// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Reclaim in the caller's own thread: for a failed allocation, and on request. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <libshrink/base/conf.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/mem.h>
#include <libshrink/os/numa.h>
#include <libshrink/reclaim/direct.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/nodes.h>

/* No reclaim is worth its calls for less (contract section 4: the cluster). */
#define CLUSTER_PAGES 32

/* A waiting thread looks again after so long. */
#define JOIN_LOOK_USEC 200
/* Where a pass over the own node begins (contract 4.4). */
#define LOCAL_PRIORITY 4

static _Atomic uint64_t direct_calls, joined;

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

static uint64_t run_round(struct shrink_goal *goal)
{
	struct shrink_round rec;
	uint64_t freed, refused;

	if (!shrink_gate_enter())
		return 0;
	freed = shrink_round_run(goal, NULL, &rec, &refused);
	shrink_gate_exit();
	if (!goal->on_node)
		hand_on(goal, freed, refused);
	return freed;
}

uint64_t shrink_direct_run(struct shrink_goal *goal)
{
	return run_round(goal);
}

uint64_t shrink_direct_joined(void)
{
	return atomic_load_explicit(&joined, memory_order_relaxed);
}

static uint64_t freed_by_all(void)
{
	return atomic_load_explicit(&shrink_core_stats.freed_bytes, memory_order_relaxed);
}

/* Somebody is freeing; or memory is nearly gone and the worker is about to, when
 * every thread that reclaims by itself would only be in its way. */
static bool others_free(void)
{
	return shrink_round_claimed() ||
	       (shrink_level() >= SHRINK_LEVEL_CRITICAL && shrink_engine_works());
}

/*
 * Joins the rounds under way: what they free need not be freed once more. For a
 * bounded time, after which the caller goes on by himself, for a callback may hang.
 * Sleeping in slices needs nothing of the thread that frees, and survives a fork.
 */
static uint64_t join(uint64_t bytes, uint64_t deadline)
{
	uint64_t end = shrink_os_clock() + SHRINK_TUN(direct_wait) * NSEC_PER_MSEC;
	uint64_t before, got = 0;

	if (deadline)
		end = shrink_min_u64(end, deadline);
	if (!others_free())
		return 0;
	atomic_fetch_add_explicit(&joined, 1, memory_order_relaxed);
	shrink_round_join(1);
	before = freed_by_all();
	while (got < bytes && others_free() && shrink_gate_is_open() && shrink_os_clock() < end) {
		shrink_os_sleep(JOIN_LOOK_USEC);
		got = freed_by_all() - before;
	}
	shrink_round_join(-1);
	return shrink_min_u64(got, bytes);
}

/* Objects of the node that the thread runs on, before those of others. */
static uint64_t run_local(const struct shrink_goal *whole)
{
	struct shrink_goal goal = *whole;

	if (shrink_nodes_served() < 2)
		return 0;
	goal.on_node = true;
	goal.nid = shrink_os_numa_here();
	goal.start = LOCAL_PRIORITY;
	if (goal.nid >= shrink_core_nr_nodes())
		return 0;
	return run_round(&goal);
}

int64_t shrink_reclaim(uint64_t bytes, shrink_gfp_t gfp, uint64_t timeout_usec)
{
	struct shrink_goal goal;
	uint64_t freed = 0;

	if (gfp & ~SHRINK_GFP_ALL)
		return -EINVAL;
	if (shrink_context.depth)
		return -EDEADLK;
	if (!shrink_gate_is_open())
		return -ENOTCONN;
	atomic_fetch_add_explicit(&direct_calls, 1, memory_order_relaxed);
	goal = shrink_direct_goal(shrink_max_u64(bytes, CLUSTER_PAGES * shrink_os_page_size()), gfp,
			   timeout_usec);
	bytes = goal.bytes;
	if (goal.gfp_mask & SHRINK_GFP_WAIT)
		freed = join(bytes, goal.deadline);
	if (freed < bytes) {
		goal.bytes = bytes - freed;
		freed += run_local(&goal);
	}
	if (freed < bytes) {
		goal.bytes = bytes - freed;
		freed += shrink_direct_run(&goal);
	}
	return (int64_t)shrink_min_u64(freed, INT64_MAX);
}

uint64_t shrink_all_memory(uint64_t bytes)
{
	struct shrink_goal goal = shrink_direct_goal(bytes, SHRINK_GFP_ALL, 0);

	memcpy(goal.source, "all", 4);
	return bytes ? shrink_direct_run(&goal) : 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/base/bits.h>
#include <libshrink/reclaim/memcg-goals.h>
#include <libshrink/reclaim/queue.h>

static bool pending, visit_pending;
static struct shrink_goal goal_of_process, visit;

/* Two goals that wait become one: the larger, the more urgent of each. */
static void merge(struct shrink_goal *into, const struct shrink_goal *from)
{
	into->bytes = shrink_max_u64(into->bytes, from->bytes);
	if (into->gauged && from->gauged && into->share)
		into->share = !from->share || from->share > into->share ? from->share
									: into->share;
	else if (from->gauged)
		into->share = from->share;
	into->gauged |= from->gauged;
	into->at_node &= from->at_node && into->nid == from->nid;
	into->probe &= from->probe;
	if (from->priority < into->priority)
		into->priority = from->priority;
	if (from->level > into->level)
		into->level = from->level;
}

void shrink_queue_add(const struct shrink_goal *goal)
{
	if (goal->memcg) {
		shrink_memcg_goals_add(goal);
		return;
	}
	if (goal->visit) {
		if (!visit_pending)
			visit = *goal;
		visit_pending = true;
		return;
	}
	if (pending)
		merge(&goal_of_process, goal);
	else
		goal_of_process = *goal;
	pending = true;
}

bool shrink_queue_any(void)
{
	return pending || visit_pending || shrink_memcg_goals_any();
}

bool shrink_queue_take(struct shrink_goal *ret_goal)
{
	if (visit_pending) {
		*ret_goal = visit;
		visit_pending = false;
		return true;
	}
	if (!pending)
		return shrink_memcg_goals_take(ret_goal);
	*ret_goal = goal_of_process;
	pending = false;
	return true;
}

void shrink_queue_clear(void)
{
	pending = visit_pending = false;
	shrink_memcg_goals_clear();
}

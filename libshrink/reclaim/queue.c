// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/reclaim/memcg-goals.h>
#include <libshrink/reclaim/queue.h>

static bool pending;
static struct shrink_goal goal_of_process;

void shrink_queue_add(const struct shrink_goal *goal)
{
	if (goal->memcg) {
		shrink_memcg_goals_add(goal);
		return;
	}
	if (pending)
		shrink_goal_merge(&goal_of_process, goal);
	else
		goal_of_process = *goal;
	pending = true;
}

bool shrink_queue_any(void)
{
	return pending || shrink_memcg_goals_any();
}

bool shrink_queue_take(struct shrink_goal *ret_goal)
{
	if (!pending)
		return shrink_memcg_goals_take(ret_goal);
	*ret_goal = goal_of_process;
	pending = false;
	return true;
}

void shrink_queue_clear(void)
{
	pending = false;
	shrink_memcg_goals_clear();
}

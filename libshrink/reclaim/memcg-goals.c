// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <string.h>

#include <libshrink/reclaim/memcg-goals.h>

static struct shrink_goal goals[SHRINK_MEMCG_GOALS_MAX];
static int nr;

void shrink_memcg_goals_add(const struct shrink_goal *goal)
{
	int i = 0;

	while (i < nr && goals[i].memcg != goal->memcg)
		i++;
	if (i == SHRINK_MEMCG_GOALS_MAX)
		return;
	if (i < nr) {
		goals[i].bytes = shrink_max_u64(goals[i].bytes, goal->bytes);
		return;
	}
	goals[nr] = *goal;
	shrink_memcg_get(goal->memcg);
	nr++;
}

bool shrink_memcg_goals_any(void)
{
	return nr;
}

bool shrink_memcg_goals_take(struct shrink_goal *ret_goal)
{
	if (!nr)
		return false;
	*ret_goal = goals[0];
	nr--;
	memmove(goals, goals + 1, (size_t)nr * sizeof(goals[0]));
	return true;
}

void shrink_memcg_goals_clear(void)
{
	while (nr)
		shrink_memcg_put(goals[--nr].memcg);
}

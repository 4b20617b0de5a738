// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Reclaim that is asked of a group: proactive, force-empty, soft limits. */
#include <errno.h>
#include <string.h>

#include <libshrink/core/memcg-walk.h>
#include <libshrink/os/mem.h>
#include <libshrink/reclaim/direct.h>
#include <libshrink/reclaim/memcg-reclaim.h>

#define CLUSTER_PAGES 32
/* As the kernel's soft limit reclaim: so many groups, then it is enough. */
#define SOFT_LOOPS 100
/* More than any group has, and still far from the end of the number's range. */
#define EVERYTHING (1ULL << 50)

uint64_t shrink_memcg_try_reclaim(struct shrink_memcg *memcg, uint64_t bytes, shrink_gfp_t gfp)
{
	struct shrink_goal goal = shrink_direct_goal(
		shrink_max_u64(bytes, CLUSTER_PAGES * shrink_os_page_size()), gfp, 0);

	goal.memcg = shrink_memcg_is_root(memcg) ? NULL : memcg;
	memcpy(goal.source, "memcg", 6);
	return shrink_direct_run(&goal);
}

bool shrink_memcg_reclaim_to(struct shrink_memcg *memcg, uint64_t limit)
{
	int tries = SHRINK_MEMCG_TRIES;
	uint64_t usage = shrink_memcg_usage_now(memcg);

	/* What threads hold in advance is no reason to press a cache */
	for (; usage > limit && tries; usage = shrink_memcg_usage_now(memcg)) {
		shrink_memcg_drain();
		usage = shrink_memcg_usage_now(memcg);
		if (usage > limit &&
		    !shrink_memcg_try_reclaim(memcg, usage - limit, SHRINK_GFP_ALL))
			tries--;
	}
	if (usage > limit)
		shrink_memcg_drain();
	return shrink_memcg_usage_now(memcg) <= limit;
}

static int may_reclaim(const struct shrink_memcg *memcg)
{
	if (!memcg)
		return -EINVAL;
	if (!shrink_memcg_is_online(memcg))
		return -ESTALE;
	if (shrink_context.depth)
		return -EDEADLK;
	return shrink_gate_is_open() ? 0 : -ENOTCONN;
}

int64_t shrink_memcg_reclaim(struct shrink_memcg *memcg, uint64_t bytes, uint64_t *ret_freed)
{
	int tries = SHRINK_MEMCG_TRIES, r = may_reclaim(memcg);
	uint64_t freed = 0, got;

	if (r < 0)
		return r;
	while (freed < bytes && tries && shrink_gate_is_open()) {
		got = shrink_memcg_try_reclaim(memcg, (bytes - freed) / 4, SHRINK_GFP_ALL);
		freed += got;
		tries = got ? SHRINK_MEMCG_TRIES : tries - 1;
	}
	if (ret_freed)
		*ret_freed = freed;
	return freed < bytes ? -EAGAIN : (int64_t)shrink_min_u64(freed, INT64_MAX);
}

int64_t shrink_memcg_force_empty(struct shrink_memcg *memcg)
{
	int tries = SHRINK_MEMCG_TRIES, r = may_reclaim(memcg);
	uint64_t freed = 0, got;

	if (r < 0)
		return r;
	shrink_memcg_drain();
	while (tries--) {
		got = shrink_memcg_try_reclaim(memcg, EVERYTHING, SHRINK_GFP_ALL);
		freed += got;
		if (!got)
			break;
	}
	return (int64_t)shrink_min_u64(freed, INT64_MAX);
}

static uint64_t excess(struct shrink_memcg *memcg)
{
	if (shrink_memcg_is_root(memcg))
		return 0;
	return shrink_sub_u64(shrink_memcg_usage_now(memcg),
			      shrink_memcg_limit_now(memcg, SHRINK_MEMCG_LIMIT_SOFT));
}

/* Referenced; NULL: nobody is over. */
static struct shrink_memcg *worst_offender(void)
{
	struct shrink_memcg_walk w = {.top = shrink_memcg_root_group, .all = true};
	struct shrink_memcg *m, *worst = NULL;
	uint64_t most = 0;

	while ((m = shrink_memcg_walk_next(&w))) {
		uint64_t over = excess(m);

		if (over <= most)
			continue;
		most = over;
		shrink_memcg_put(worst);
		worst = shrink_memcg_get(m);
	}
	return worst;
}

int64_t shrink_memcg_soft_reclaim(uint64_t bytes)
{
	int r = may_reclaim(shrink_memcg_root_group);
	uint64_t freed = 0;

	if (r < 0)
		return r;
	for (int i = 0; i < SOFT_LOOPS && freed < bytes; i++) {
		struct shrink_memcg *worst = worst_offender();
		uint64_t got;

		if (!worst)
			break;
		got = shrink_memcg_try_reclaim(worst, shrink_min_u64(excess(worst), bytes - freed),
					       SHRINK_GFP_ALL);
		shrink_memcg_put(worst);
		freed += got;
		if (!got) /* the worst gives nothing: the others are not to pay for it */
			break;
	}
	return (int64_t)shrink_min_u64(freed, INT64_MAX);
}

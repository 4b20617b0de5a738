// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/parse.h>
#include <libshrink/os/cgroup.h>
#include <libshrink/os/fd.h>

/* v1 has no word for "none": it shows LONG_MAX rounded down to whole pages, and
 * pages are of many sizes. No machine has this much. */
#define V1_NONE (1ULL << 62)

static int read_limit(int fd, uint64_t *ret_limit)
{
	uint64_t value;
	int r = fd < 0 ? -ENOENT : shrink_os_pread_u64(fd, &value);

	if (r < 0)
		return r;
	*ret_limit = value >= V1_NONE ? UINT64_MAX : value;
	return 0;
}

uint64_t shrink_os_cgroup_limit_at(int fd)
{
	uint64_t limit;

	return read_limit(fd, &limit) < 0 ? UINT64_MAX : limit;
}

/* Several threads may: each leaves what was true a moment ago. Groups are written to
 * only so; all else of them is as it was opened. */
static uint64_t limit_or_last(int fd, const uint64_t *last)
{
	uint64_t *remembered = (uint64_t *)(uintptr_t)last, limit;

	if (read_limit(fd, &limit) < 0)
		return __atomic_load_n(last, __ATOMIC_RELAXED);
	if (limit != __atomic_load_n(last, __ATOMIC_RELAXED))
		__atomic_store_n(remembered, limit, __ATOMIC_RELAXED);
	return limit;
}

static uint64_t max_of(const struct shrink_cgroup_level *level)
{
	return limit_or_last(level->limit_fd, &level->limit_last);
}

static uint64_t high_of(const struct shrink_cgroup_level *level)
{
	return limit_or_last(level->high_fd, &level->high_last);
}

uint64_t shrink_os_cgroup_level_limit(const struct shrink_cgroup_level *level)
{
	return shrink_min_u64(max_of(level), high_of(level));
}

uint64_t shrink_os_cgroup_reclaimable(const char *stat, int version)
{
	static const char *const names[2][4] = {
		{"total_inactive_file", "total_active_file", "total_dirty", "total_writeback"},
		{"inactive_file", "active_file", "file_dirty", "file_writeback"},
	};
	uint64_t v[4] = {0};

	for (int i = 0; i < 4; i++)
		shrink_parse_field(stat, names[version == 2][i], &v[i]);
	return shrink_sub_u64(shrink_add_u64(v[0], v[1]), shrink_add_u64(v[2], v[3]));
}

static uint64_t read_reclaimable(const struct shrink_cgroup_level *level, int version)
{
	char text[8192];

	if (level->stat_fd < 0 || shrink_os_pread(level->stat_fd, text, sizeof(text)) < 0)
		return 0; /* unknown: all of the usage may be ours to give */
	return shrink_os_cgroup_reclaimable(text, version);
}

uint64_t shrink_os_cgroup_level_reclaimable(const struct shrink_cgroup *cg, int level)
{
	return read_reclaimable(&cg->level[level], cg->version);
}

static uint64_t headroom(const struct shrink_cgroup_usage *u)
{
	return u->limit == UINT64_MAX ? UINT64_MAX
				      : shrink_sub_u64(u->limit, u->usage - u->reclaimable);
}

/* Tighter: less headroom; where two have none, the one further over. */
static int tighter(const struct shrink_cgroup_usage *a, const struct shrink_cgroup_usage *b)
{
	if (headroom(a) != headroom(b))
		return headroom(a) < headroom(b);
	return headroom(a) == 0 && a->usage - a->limit - a->reclaimable >
					   b->usage - b->limit - b->reclaimable;
}

/* *@hard: headroom to the nearest limit that kills. */
static int read_level(const struct shrink_cgroup *cg, int i, int exact, uint64_t *hard,
		      struct shrink_cgroup_usage *ret_here)
{
	const struct shrink_cgroup_level *level = &cg->level[i];
	struct shrink_cgroup_usage here = {.level = i, .kind = SHRINK_LIMIT_NONE};
	uint64_t limit;
	int r = shrink_os_pread_u64(level->usage_fd, &here.usage);

	if (r < 0)
		return r;
	limit = max_of(level);
	if (limit != UINT64_MAX)
		*hard = shrink_min_u64(*hard, shrink_sub_u64(limit, here.usage));
	here.limit = shrink_min_u64(limit, high_of(level));
	if (here.limit != UINT64_MAX) {
		here.kind = cg->version == 2 ? SHRINK_LIMIT_CGROUP2 : SHRINK_LIMIT_CGROUP1;
		if (exact)
			here.reclaimable = shrink_min_u64(read_reclaimable(level, cg->version),
							  here.usage);
	}
	*ret_here = here;
	return 0;
}

int shrink_os_cgroup_read(const struct shrink_cgroup *cg, int exact,
			  struct shrink_cgroup_usage *ret_usage)
{
	struct shrink_cgroup_usage best, here;
	uint64_t hard = UINT64_MAX;
	int any = 0, err = -ENODEV;

	for (int i = 0; i < cg->nr_levels; i++) {
		int r = read_level(cg, i, exact, &hard, &here);

		if (r < 0)
			err = r;
		else if (!any++ || tighter(&here, &best))
			best = here;
	}
	if (!any)
		return err;
	best.slack = hard == UINT64_MAX ? hard
			: shrink_sub_u64(hard, shrink_sub_u64(best.limit, best.usage));
	*ret_usage = best;
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/os/fd.h>
#include <libshrink/os/mem.h>
#include <libshrink/reclaim/wmark.h>
#include <libshrink/source/rest.h>

void shrink_rest_open(struct shrink_rest *rest)
{
	*rest = (struct shrink_rest){.fd = shrink_os_vmstat_open(), .since = UINT64_MAX};
}

void shrink_rest_close(struct shrink_rest *rest)
{
	shrink_os_close(rest->fd);
	rest->fd = -1;
}

void shrink_rest_look(struct shrink_rest *rest, uint64_t now)
{
	uint64_t sum;

	if (rest->fd < 0 || shrink_os_vmstat_reclaim(rest->fd, &sum) < 0) {
		rest->since = UINT64_MAX;
	} else if (rest->since == UINT64_MAX || sum != rest->seen) {
		rest->since = now;
		rest->seen = sum;
	}
}

/* Of the topmost group we see: a limit above it is met by all that is in there. */
static bool kernel_has_cache(const struct shrink_cgroup *cg)
{
	int top = cg->nr_levels - 1;
	uint64_t usage;

	if (top < 0 || shrink_os_pread_u64(cg->level[top].usage_fd, &usage) < 0)
		return true; /* not known: it may have */
	return shrink_os_cgroup_level_reclaimable(cg, top) >= shrink_wmark(usage, 0, 0, 0).high;
}

bool shrink_rest_by_limit(const struct shrink_rest *rest, uint64_t now, uint64_t window,
			  const struct shrink_cgroup *cg)
{
	return rest->since != UINT64_MAX && now - rest->since >= window && !kernel_has_cache(cg);
}

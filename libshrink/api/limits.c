// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Limits for sizing a cache: works before start, and before prepare too. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <shrink/reclaim.h>
#include <libshrink/api/conf.h>
#include <libshrink/api/start.h>
#include <libshrink/base/bits.h>
#include <libshrink/os/cgroup.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/mem.h>
#include <libshrink/base/conf.h>
#include <libshrink/reclaim/gauges.h>

static void from_headroom(struct shrink_limits *l, const struct shrink_headroom *h)
{
	*l = (struct shrink_limits){
		.limit = h->limit,
		.usage = h->usage,
		.unreclaimable = h->unreclaimable,
		.low_wmark = h->wmark.low,
		.high_wmark = h->wmark.high,
		.kind = h->kind,
	};
	snprintf(l->path, sizeof(l->path), "%s", h->path);
}

static void consider(struct shrink_limits *best, uint64_t limit, uint64_t usage,
		     uint64_t reclaimable, enum shrink_limit_kind kind, const char *path)
{
	struct shrink_wmark w = shrink_wmark(limit, 0, 0, 0);
	uint64_t used = shrink_sub_u64(usage, reclaimable);

	if (limit == UINT64_MAX || (best->kind != SHRINK_LIMIT_NONE &&
				    shrink_sub_u64(limit, used) >=
					    shrink_sub_u64(best->limit, best->unreclaimable)))
		return;
	*best = (struct shrink_limits){
		.limit = limit,
		.usage = usage,
		.unreclaimable = used,
		.low_wmark = w.low,
		.high_wmark = w.high,
		.kind = kind,
	};
	snprintf(best->path, sizeof(best->path), "%s", path);
}

static void read_group(struct shrink_limits *best)
{
	struct shrink_cgroup_usage u;
	struct shrink_cgroup cg;

	if (shrink_os_cgroup_open(&cg) < 0)
		return;
	if (!shrink_os_cgroup_read(&cg, 1, &u))
		consider(best, u.limit, u.usage, u.reclaimable, u.kind, cg.level[u.level].dir);
	shrink_os_cgroup_close(&cg);
}

static void read_machine(struct shrink_limits *best)
{
	int fd = shrink_os_meminfo_open();
	struct shrink_meminfo m;

	if (fd >= 0 && !shrink_os_meminfo_read(fd, &m))
		consider(best, m.total, shrink_sub_u64(m.total, m.available), 0,
			 SHRINK_LIMIT_MEMORY, "");
	shrink_os_close(fd);
}

static void read_budget(struct shrink_limits *best)
{
	uint64_t budget = SHRINK_TUN(rss_budget), rss;
	int fd;

	if (!budget)
		return;
	fd = shrink_os_rss_open();
	if (fd >= 0 && !shrink_os_rss_read(fd, &rss))
		consider(best, budget, rss, 0, SHRINK_LIMIT_RSS, "");
	shrink_os_close(fd);
}

int shrink_limits(struct shrink_limits *ret_limits, size_t size)
{
	struct shrink_limits l = {.limit = UINT64_MAX};

	if (!ret_limits || !size)
		return -EINVAL;
	shrink_conf_load();
	if (shrink_api_running()) {
		struct shrink_headroom h;

		shrink_gauges_read(true, &h);
		from_headroom(&l, &h);
	} else {
		shrink_os_set_sysroot(shrink_tunables.sysroot);
		read_group(&l);
		read_machine(&l);
		read_budget(&l);
	}
	if (l.kind == SHRINK_LIMIT_NONE)
		return -ENODEV;
	memset(ret_limits, 0, size);
	memcpy(ret_limits, &l, size < sizeof(l) ? size : sizeof(l));
	return 0;
}

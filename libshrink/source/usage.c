// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Usage against the tightest limit of our own group and its ancestors: a gauge, and
 * when to read it is the monitor's business. One chore: to find out, once, who else
 * measures himself against the same usage.
 */
#include <errno.h>
#include <stdatomic.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/source/source.h>

/* How often it is looked at whether the group is still there. */
#define LOOK_NSEC NSEC_PER_SEC

static _Atomic int gone; /* a read has found the group removed */

static int read_usage(struct shrink_gauge *gauge, int exact, struct shrink_gauge_reading *ret)
{
	const struct shrink_cgroup *cg = gauge->arg;
	struct shrink_cgroup_usage u;
	int r = shrink_os_cgroup_read(cg, exact, &u);

	if (r == -ENODEV)
		atomic_store_explicit(&gone, 1, memory_order_relaxed);
	if (r < 0)
		return r;
	*ret = (struct shrink_gauge_reading){
		.limit = u.limit,
		.usage = u.usage,
		.reclaimable = u.reclaimable,
		.kind = u.kind,
		.path = cg->level[u.level].dir,
	};
	return 0;
}

static struct shrink_gauge gauge = {.name = "usage", .read = read_usage};

static int open_usage(struct shrink_source *src)
{
	if (!SHRINK_TUN(usage))
		return shrink_source_fail(src, -ECANCELED, "usage:off");
	if (!src->cgroup->version)
		return shrink_source_fail(src, -ENOENT, "%s", src->cgroup->reason);
	atomic_store_explicit(&gone, 0, memory_order_relaxed);
	gauge.arg = (void *)(uintptr_t)src->cgroup;
	src->gauge = &gauge;
	src->chore_due = 1;
	return 0;
}

static int look_for_peers(struct shrink_source *src)
{
	int n = shrink_os_cgroup_peers(src->cgroup);

	if (n <= 0)
		return 0;
	shrink_source_fail(src, 0, "%d more in this group run libshrink: each answers all of its "
			   "pressure", n);
	shrink_warn("%d more processes of the memory group %s run libshrink: each answers all of "
		    "its pressure, so that too much is freed", n, src->cgroup->level[0].dir);
	return 0;
}

/* Threads that read the gauge cannot fail the source; the monitor can. */
static int look(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	(void)sig;
	if (atomic_load_explicit(&gone, memory_order_relaxed))
		return shrink_source_fail(src, -ENODEV, "the group was removed");
	src->next_sample = now + LOOK_NSEC;
	return 0;
}

static void close_usage(struct shrink_source *src)
{
	src->gauge = NULL;
}

const struct shrink_source_ops shrink_source_usage = {
	.name = "usage",
	.open = open_usage,
	.close = close_usage,
	.sample = look,
	.chore = look_for_peers,
};

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Usage against the tightest limit of our own group and its ancestors: a gauge, and
 * when to read it is the monitor's business. One chore, at start and every some
 * seconds: to find out who else answers what this gauge shows, and how much of it is
 * ours.
 *
 * That opens files. A filter of system calls that was installed after
 * shrink_prepare() need not permit it, and may kill whoever tries: so from then on
 * the last answer stands.
 */
#include <errno.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/mem.h>
#include <libshrink/reclaim/round.h>
#include <libshrink/source/share.h>
#include <libshrink/source/source.h>

/* Who forks its workers starts them all at once: looked for soon, then rarely. */
#define PERIOD_MIN_NSEC (NSEC_PER_SEC / 4)
#define PERIOD_MAX_NSEC (10 * NSEC_PER_SEC)
/* A look at thousands of threads takes its time: at most this part of a processor's. */
#define COST_FACTOR 1000

static struct {
	int status;      /* our own /proc/self/status, -1 = none */
	uint64_t filters;
	int looked;      /* the chore has run */
	int nr;          /* others, at the last look; -1 = never looked */
	uint64_t period;
	uint64_t cost;
} peers;

static int read_usage(struct shrink_gauge *gauge, int exact, struct shrink_gauge_reading *ret)
{
	const struct shrink_cgroup *cg = __atomic_load_n(&gauge->arg, __ATOMIC_ACQUIRE);
	struct shrink_cgroup_usage u;
	int r = shrink_os_cgroup_read(cg, exact, &u);

	if (r < 0)
		return r;
	*ret = (struct shrink_gauge_reading){
		.limit = u.limit,
		.usage = u.usage,
		.slack = u.slack,
		.reclaimable = u.reclaimable,
		.kind = u.kind,
		.path = cg->level[u.level].dir,
	};
	return 0;
}

static struct shrink_gauge gauge = {.name = "usage", .read = read_usage};

static int open_usage(struct shrink_source *src)
{
	peers.status = -1;
	peers.looked = 0;
	peers.nr = -1;
	peers.period = PERIOD_MIN_NSEC;
	shrink_share_set(SHRINK_SHARE_ALL, 0);
	if (!SHRINK_TUN(usage))
		return shrink_source_fail(src, -ECANCELED, "usage:off");
	if (!src->cgroup->version)
		return shrink_source_fail(src, -ENOENT, "%s", src->cgroup->reason);
	gauge.arg = (void *)(uintptr_t)src->cgroup;
	src->gauge = &gauge;
	if (!SHRINK_TUN(peers))
		return 0;
	peers.status = shrink_os_rss_open();
	peers.filters = shrink_os_filters_read(peers.status);
	src->chore_due = 1;
	return 0;
}

/* The group whose limit is tightest now; without any the topmost we see. */
static int binding_level(const struct shrink_cgroup *cg)
{
	struct shrink_cgroup_usage u;

	if (!shrink_os_cgroup_read(cg, 0, &u) && u.limit != UINT64_MAX)
		return u.level;
	return cg->nr_levels - 1;
}

static void say(struct shrink_source *src, uint32_t part, int n)
{
	if (n == peers.nr && n <= 0)
		return;
	if (n > 0)
		shrink_source_fail(src, 0, "%d more in this group run libshrink: %u.%u %% of its "
				   "pressure is ours", n, part * 100 / SHRINK_SHARE_ALL,
				   part * 1000 / SHRINK_SHARE_ALL % 10);
	else if (peers.nr > 0)
		shrink_source_fail(src, 0, "%s", src->cgroup->reason);
	if (n > 0 && peers.nr <= 0)
		shrink_info("%d more processes of the memory group run libshrink: its pressure "
			    "is shared", n);
}

static int look_for_peers(struct shrink_source *src)
{
	uint64_t begin = shrink_os_clock_thread(), own = 0, others = 0;
	int n = shrink_os_cgroup_peers(src->cgroup, binding_level(src->cgroup), &others);
	uint32_t part;

	peers.looked = 1;
	if (n >= 0) {
		if (peers.status >= 0)
			shrink_os_rss_read(peers.status, &own);
		part = shrink_share_of(own, others, n);
		shrink_share_set(part, n);
		say(src, part, n);
		peers.nr = n;
	}
	peers.cost = shrink_os_clock_thread() - begin;
	return 0;
}

/* Before a chore that opens files, and behind it. */
static int plan_chore(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	(void)sig;
	if (peers.looked) {
		peers.looked = 0;
		src->next_sample = now + shrink_max_u64(peers.period, peers.cost * COST_FACTOR);
		peers.period = shrink_min_u64(peers.period * 2, PERIOD_MAX_NSEC);
	} else if (shrink_os_filters_read(peers.status) != peers.filters) {
		src->next_sample = UINT64_MAX;
	} else {
		src->chore_due = 1;
	}
	return 0;
}

static void close_usage(struct shrink_source *src)
{
	shrink_os_close(peers.status);
	peers.status = -1;
	src->gauge = NULL;
	shrink_share_set(SHRINK_SHARE_ALL, 0);
}

/* Others may be reading: from now on they read the new group. */
static int moved(struct shrink_source *src)
{
	if (!src->cgroup->version)
		return shrink_source_fail(src, -ENODEV, "%s", src->cgroup->reason);
	__atomic_store_n(&gauge.arg, (void *)(uintptr_t)src->cgroup, __ATOMIC_RELEASE);
	shrink_source_fail(src, 0, "%s", src->cgroup->reason);
	/* who else is there? */
	shrink_share_set(SHRINK_SHARE_ALL, 0);
	peers.nr = -1;
	peers.looked = 0;
	peers.period = PERIOD_MIN_NSEC;
	src->next_sample = SHRINK_TUN(peers) ? 0 : UINT64_MAX;
	return 0;
}

const struct shrink_source_ops shrink_source_usage = {
	.moved = moved,
	.name = "usage",
	.open = open_usage,
	.watches_group = 1,
	.close = close_usage,
	.sample = plan_chore,
	.chore = look_for_peers,
};

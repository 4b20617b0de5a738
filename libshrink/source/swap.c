// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Swap. A cache that is being written to swap costs twice, and to free it then means to
 * read it back; so when memory of ours goes out there, it is time to shrink, and the less
 * room swap has left, the more so: when it is full the killer is next.
 *
 *	what goes out	VmSwap of this process, memory.swap.current of its group
 *	room left	SwapFree, memory.swap.max of the group and those above
 *
 *	growing		LOW		under a tenth left	MEDIUM
 *					under a fiftieth left	CRITICAL
 *
 * What has gone out since the last time is what is missing, so that much is asked for. The
 * gauges have their say as with any stall (see also rest.h). Swap of strangers is no
 * pressure (G7); where the machine's has little left, sampling is shortened.
 *
 * cgroup v1 can limit memory and swap together (memory.memsw): that is a limit like the
 * one of memory, and a gauge here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/os/cgroup-control.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/mem.h>
#include <libshrink/source/rest.h>
#include <libshrink/source/source.h>

#define PERIOD_MIN_NSEC (100 * NSEC_PER_MSEC)
#define PERIOD_MAX_NSEC (2 * NSEC_PER_SEC)
/* Less than this may be one page here and there that nobody touched for a week. */
#define STEP_BYTES (1ULL << 20)

struct level {
	int usage, limit; /* -1 = not there */
	int index;        /* in the group's table */
};

static struct {
	int meminfo, status;
	int nr;
	struct level level[SHRINK_CGROUP_LEVELS];
	uint64_t out; /* bytes of ours that were out at the last sample that counted */
	uint64_t period;
	struct shrink_rest rest; /* of the machine */
} swap = {.meminfo = -1, .status = -1, .rest.fd = -1};

static const struct {
	const char *usage, *limit;
} files[] = {
	{"memory.memsw.usage_in_bytes", "memory.memsw.limit_in_bytes"},
	{"memory.swap.current", "memory.swap.max"},
};

/* v1 has no word for "none": a number no machine has. */
static uint64_t limit_of(const struct level *l)
{
	uint64_t limit;

	if (l->limit < 0 || shrink_os_pread_u64(l->limit, &limit) < 0 || limit >= 1ULL << 62)
		return UINT64_MAX;
	return limit;
}

/* v1: memory and swap together, tightest of the groups. */
static int swap_read(struct shrink_gauge *gauge, int exact, struct shrink_gauge_reading *ret)
{
	const struct shrink_cgroup *cg = gauge->arg;
	uint64_t least = UINT64_MAX, usage;
	int best = -1, r;

	*ret = (struct shrink_gauge_reading){
		.limit = UINT64_MAX, .kind = SHRINK_LIMIT_CGROUP1, .path = ""};
	for (int i = 0; i < swap.nr; i++) {
		uint64_t limit = limit_of(&swap.level[i]);

		if (limit == UINT64_MAX)
			continue;
		r = shrink_os_pread_u64(swap.level[i].usage, &usage);
		if (r < 0)
			return r;
		if (best >= 0 && shrink_sub_u64(limit, usage) >= least)
			continue;
		best = swap.level[i].index;
		least = shrink_sub_u64(limit, usage);
		ret->limit = limit;
		ret->usage = usage;
	}
	if (best < 0)
		return 0;
	ret->path = cg->level[best].dir;
	if (exact)
		ret->reclaimable = shrink_min_u64(
			shrink_os_cgroup_level_reclaimable(cg, best), ret->usage);
	return 0;
}

static struct shrink_gauge swap_gauge = {
	.name = "swap",
	.read = swap_read,
};

static void swap_close(struct shrink_source *src)
{
	for (int i = 0; i < swap.nr; i++) {
		shrink_os_close(swap.level[i].usage);
		shrink_os_close(swap.level[i].limit);
	}
	swap.nr = 0;
	shrink_rest_close(&swap.rest);
	shrink_os_close(swap.meminfo);
	shrink_os_close(swap.status);
	swap.meminfo = swap.status = -1;
	src->gauge = NULL;
}

static void open_levels(const struct shrink_cgroup *cg)
{
	for (int i = 0; i < cg->nr_levels; i++) {
		struct level *l = &swap.level[swap.nr];

		l->index = i;
		l->usage = shrink_os_cgroup_file(&cg->level[i], files[cg->version - 1].usage);
		if (l->usage < 0)
			continue;
		l->limit = shrink_os_cgroup_file(&cg->level[i], files[cg->version - 1].limit);
		swap.nr++;
	}
}

/* Bytes of ours out there: the group's on v2, which may be more than we are. */
static uint64_t out_now(const struct shrink_cgroup *cg)
{
	uint64_t own = 0, group = 0;

	if (swap.status >= 0)
		shrink_os_swapped_read(swap.status, &own);
	if (cg->version == 2 && swap.nr && !swap.level[0].index)
		shrink_os_pread_u64(swap.level[0].usage, &group);
	return shrink_max_u64(own, group);
}

/* Parts in a thousand that are left: of the machine's swap, or of what a group may
 * have of it, whichever is less. */
static uint64_t room_left(const struct shrink_cgroup *cg, const struct shrink_meminfo *info)
{
	uint64_t room = info->swap_total
				? shrink_mul_div(info->swap_free, 1000, info->swap_total) : 0;

	for (int i = 0; cg->version == 2 && i < swap.nr; i++) {
		uint64_t limit = limit_of(&swap.level[i]), usage;

		if (limit == UINT64_MAX || shrink_os_pread_u64(swap.level[i].usage, &usage) < 0)
			continue;
		room = limit ? shrink_min_u64(room, shrink_mul_div(shrink_sub_u64(limit, usage),
								   1000, limit))
			     : 0;
	}
	return room;
}

static void press(uint64_t room, struct shrink_signal *sig)
{
	sig->recheck = 1;
	sig->stall = room < 20 ? SHRINK_LEVEL_CRITICAL
			       : room < 100 ? SHRINK_LEVEL_MEDIUM : SHRINK_LEVEL_LOW;
	sig->priority = sig->stall == SHRINK_LEVEL_CRITICAL ? 2
			: sig->stall == SHRINK_LEVEL_MEDIUM ? 6 : (int)SHRINK_TUN(priority);
}

static int swap_sample(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	struct shrink_meminfo info;
	uint64_t out, room;
	int r = shrink_os_meminfo_read(swap.meminfo, &info);

	if (r < 0)
		return shrink_source_fail(src, r, "/proc/meminfo: %s", strerror(-r));
	shrink_rest_look(&swap.rest, now);
	out = out_now(src->cgroup);
	room = room_left(src->cgroup, &info);
	swap.period = shrink_min_u64(swap.period * 2, PERIOD_MAX_NSEC);
	if (out >= shrink_add_u64(swap.out, STEP_BYTES)) {
		press(room, sig);
		sig->lacking = out - swap.out;
		sig->own = shrink_rest_by_limit(&swap.rest, now, swap.period / 2, src->cgroup);
		swap.out = out;
		swap.period = PERIOD_MIN_NSEC;
	} else if (out < swap.out) {
		swap.out = out; /* back in, or freed */
	}
	if (info.swap_total && room < 100 && !sig->stall)
		sig->hint = 1;
	src->next_sample = now + swap.period;
	return 0;
}

static int swap_open(struct shrink_source *src)
{
	struct shrink_meminfo info = {0};
	int r;

	swap.meminfo = swap.status = swap.rest.fd = -1;
	swap.nr = 0;
	src->nr_fds = 0;
	if (!SHRINK_TUN(swap))
		return shrink_source_fail(src, -ECANCELED, "switched off by configuration");
	r = swap.meminfo = shrink_os_meminfo_open();
	if (r >= 0)
		r = shrink_os_meminfo_read(swap.meminfo, &info);
	if (r < 0) {
		swap_close(src);
		return shrink_source_fail(src, r, "/proc/meminfo: %s", strerror(-r));
	}
	swap.status = shrink_os_rss_open();
	shrink_rest_open(&swap.rest);
	if (src->cgroup->version)
		open_levels(src->cgroup);
	if (src->cgroup->version == 1 && swap.nr) {
		swap_gauge.arg = (void *)(uintptr_t)src->cgroup;
		src->gauge = &swap_gauge;
	}
	swap.out = out_now(src->cgroup);
	swap.period = PERIOD_MIN_NSEC;
	src->next_sample = 0;
	return shrink_source_fail(src, 0, "%s", info.swap_total ? "" : "there is no swap now");
}

const struct shrink_source_ops shrink_source_swap = {
	.name = "swap",
	.open = swap_open,
	.watches_group = 1,
	.close = swap_close,
	.sample = swap_sample,
};

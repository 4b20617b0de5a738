// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/log.h>
#include <libshrink/core/rcu.h>
#include <libshrink/os/cgroup-moved.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/mem.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/gauges.h>
#include <libshrink/source/monitor.h>
#include <libshrink/source/renew.h>
#include <libshrink/source/simulated.h>
#include <libshrink/source/sources.h>

#define LOOK_NSEC      NSEC_PER_SEC
#define RETRY_MIN_NSEC NSEC_PER_SEC
#define RETRY_DOUBLED  6 /* times: up to 64 s */

enum phase {
	IDLE,  /* everything is the monitor's */
	ASKED, /* sources that are opening are the chore's */
	DONE   /* the monitor's again */
};

static _Atomic int phase;
/* the monitor's; the chore reads */
static bool moved, regroup;
static uint64_t given; /* a bit for each source that is the chore's */
static uint64_t look_at;
/* the monitor's alone */
static struct shrink_cgroup_where where = {.fd = -1};
static int status = -1;
static uint64_t filters;

static void reset(void)
{
	atomic_store(&phase, IDLE);
	moved = regroup = false;
	given = 0;
	look_at = 0;
}

void shrink_renew_open(void)
{
	reset();
	if (shrink_simulated())
		return;
	shrink_os_cgroup_where_open(&where);
	status = shrink_os_rss_open();
	filters = shrink_os_filters_read(status);
}

void shrink_renew_close(void)
{
	reset();
	shrink_os_cgroup_where_close(&where);
	shrink_os_close(status);
	status = -1;
}

void shrink_renew_forget(void)
{
	reset();
	where.fd = status = -1;
}

static bool is_given(size_t place)
{
	return given & 1ULL << place;
}

static void give(size_t place)
{
	given |= 1ULL << place;
	shrink_sources_give_out(shrink_sources_at(place));
}

/* ---- the chore: on the standby */

/* A gauge that others may be reading has been left out for a grace period by now. */
static void open_again(struct shrink_source *src)
{
	if (src->ops->moved && src->opened && src->was == SHRINK_SOURCE_LIVE)
		return; /* turned already */
	src->renewed = shrink_sources_reopen(src);
}

/* True: nothing has changed, as nothing could be found. */
static bool leave_group(void)
{
	if (!regroup || shrink_sources_group_open() >= 0 || moved)
		return false;
	shrink_sources_group_settle(false);
	regroup = false;
	return true;
}

static void run(void)
{
	bool left = leave_group();

	for (size_t i = 0; i < shrink_sources_nr(); i++) {
		struct shrink_source *src = shrink_sources_at(i);

		if (!is_given(i))
			continue;
		src->renewed = 0;
		if (regroup && src->ops->watches_group)
			src->cgroup = shrink_sources_group();
		if (left && src->ops->watches_group) {
			src->renewed = src->was == SHRINK_SOURCE_LIVE ? 0 : -ENODEV;
			continue;
		}
		if (src->ops->moved && src->opened && src->was == SHRINK_SOURCE_LIVE)
			src->renewed = src->ops->moved(src);
		else if (src->gauge)
			shrink_gauges_drop(src->gauge);
	}
	shrink_rcu_synchronize();
	for (size_t i = 0; i < shrink_sources_nr(); i++) {
		struct shrink_source *src = shrink_sources_at(i);

		if (is_given(i) && !(left && src->ops->watches_group))
			open_again(src);
	}
	if (regroup)
		shrink_sources_group_settle(true);
	atomic_store_explicit(&phase, DONE, memory_order_release);
	shrink_monitor_wake();
}

/* ---- the monitor */

static uint64_t back_off(const struct shrink_source *src)
{
	return RETRY_MIN_NSEC << shrink_min_u64(src->retries, RETRY_DOUBLED);
}

static void take_back(uint64_t now)
{
	for (size_t i = 0; i < shrink_sources_nr(); i++) {
		struct shrink_source *src = shrink_sources_at(i);

		if (!is_given(i))
			continue;
		if (shrink_sources_revive(src)) {
			src->retries = 0;
			continue;
		}
		src->retries++;
		src->retry_at = now + back_off(src);
	}
	if (moved && shrink_sources_group()->version)
		shrink_info("this process was moved: its memory group is %s now",
			    shrink_sources_group()->level[0].dir);
	else if (moved)
		shrink_warn("this process was moved, and its memory group cannot be found: %s",
			    shrink_sources_group()->reason);
	moved = regroup = false;
	given = 0;
	atomic_store_explicit(&phase, IDLE, memory_order_relaxed);
}

static bool may_come_back(const struct shrink_source *src)
{
	return src->state == SHRINK_SOURCE_FAILED ||
	       (src->state == SHRINK_SOURCE_UNSUPPORTED && src->ops == &shrink_source_usage);
}

/* Those whose time has come; one that watches the group brings all others with it. */
static bool mark_due(uint64_t now)
{
	bool any = moved;

	for (size_t i = 0; i < shrink_sources_nr(); i++) {
		struct shrink_source *src = shrink_sources_at(i);

		if (!may_come_back(src))
			continue;
		if (!src->retry_at)
			src->retry_at = now + back_off(src);
		if (now < src->retry_at)
			continue;
		any = true;
		regroup |= src->ops->watches_group != 0;
		give(i);
	}
	regroup |= moved;
	for (size_t i = 0; regroup && i < shrink_sources_nr(); i++) {
		struct shrink_source *src = shrink_sources_at(i);

		if (src->ops->watches_group && src->state != SHRINK_SOURCE_OFF && !is_given(i))
			give(i);
	}
	return any;
}

int shrink_renew_turn(uint64_t now)
{
	int p = atomic_load_explicit(&phase, memory_order_acquire);
	bool back = p == DONE;

	if (back)
		take_back(now);
	if (p == ASKED || shrink_simulated() || (now < look_at && !shrink_sources_group_lost()))
		return back;
	look_at = now + LOOK_NSEC;
	/* while a chore of a source runs it is not ours to give */
	if (shrink_sources_chores())
		return back;
	if (shrink_os_filters_read(status) != filters)
		return back;
	moved = shrink_os_cgroup_moved(&where) > 0;
	if (!mark_due(now))
		return back;
	atomic_store_explicit(&phase, ASKED, memory_order_release);
	shrink_engine_chore(run);
	return back;
}

uint64_t shrink_renew_next(void)
{
	return shrink_simulated() ||
	       atomic_load_explicit(&phase, memory_order_relaxed) == ASKED ? UINT64_MAX : look_at;
}

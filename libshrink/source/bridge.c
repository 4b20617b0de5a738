// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The kernel's own reclaim of us, answered in its own terms: it asks our group at node
 * n with priority p, so our caches are asked at node n with priority p, by one pass.
 * What they return the kernel need not take elsewhere.
 *
 * It is neither a gauge nor a stall, so the judge has no say: that the kernel reclaims
 * us is no question of whether there is room. Only what another round has done since is
 * not done again. The kernel's hints, which know no priority, make the monitor look at
 * the gauges at once.
 *
 * The priority comes from the shrinkers the kernel asks in our group; so one object of
 * one of them is always kept there (os/bait.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/bridge/bridge.h>
#include <libshrink/os/bait.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/source/source.h>

/* How often it is seen to that there is a bait, where nothing happens. */
#define BAIT_NSEC NSEC_PER_SEC
#define TOP_GROUP 1

/* The monitor's own. */
static struct {
	const struct shrink_bridge_ops *ops;
	struct shrink_signal *sig; /* of the turn */
} bridge;

/* Another round has asked all caches as hard since, and not in vain. */
static bool served(const struct follow_event *event)
{
	struct shrink_round last;

	if (shrink_rounds(&last, 1, sizeof(last)) < 1)
		return false;
	return last.begin_nsec >= event->nsec && last.priority_last <= event->priority &&
	       last.freed_bytes > 0;
}

static void ask(const struct follow_event *event)
{
	struct shrink_goal goal = {
		.priority = (int)shrink_min_u64((uint64_t)event->priority, SHRINK_DEF_PRIORITY),
		.gfp_mask = SHRINK_GFP_ALL,
		.at_node = event->nid >= 0,
		.nid = event->nid,
		.notice = event->nsec,
		.level = SHRINK_LEVEL_LOW,
		.source = "bridge",
	};

	if (served(event))
		return;
	shrink_engine_post(&goal);
}

static void on_event(void *arg, const struct follow_event *event)
{
	(void)arg;
	bridge.sig->hint = 1;
	if (event->kind == FOLLOW_HINT || event->priority < 0)
		bridge.sig->recheck = 1;
	else if (event->kind == FOLLOW_RECLAIM || SHRINK_TUN(bridge_drop_caches))
		ask(event);
}

static const char *own_dir(struct shrink_source *src)
{
	return src->cgroup->nr_levels ? src->cgroup->level[0].dir : NULL;
}

static void renew_bait(struct shrink_source *src)
{
	const char *dir = own_dir(src);

	if (dir)
		shrink_os_bait(dir);
}

static int take(struct shrink_source *src, struct shrink_signal *sig)
{
	int r;

	bridge.sig = sig;
	r = bridge.ops->take(on_event, NULL);
	if (r < 0)
		return shrink_source_fail(src, r, "%s: %s", bridge.ops->name, strerror(-r));
	renew_bait(src); /* who reclaims us may have taken it */
	if (bridge.ops->due && bridge.ops->due())
		__atomic_store_n(&src->chore_due, 1, __ATOMIC_RELEASE);
	return 0;
}

static int chore(struct shrink_source *src)
{
	int r = bridge.ops->chore ? bridge.ops->chore() : 0;

	return r < 0 ? shrink_source_fail(src, r, "%s: %s", bridge.ops->name, strerror(-r)) : 0;
}

static int ready(struct shrink_source *src, int index, uint32_t events, uint64_t now,
		 struct shrink_signal *sig)
{
	(void)index;
	(void)events;
	(void)now;
	return take(src, sig);
}

/* Also where nothing woke us: in loop mode somebody else may have taken the wake-up. */
static int sample(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	src->next_sample = now + BAIT_NSEC;
	return take(src, sig);
}

/* Our own group, its ancestors, and the top of the machine's, whether we see it or not. */
static int find_groups(struct shrink_source *src, uint64_t *groups)
{
	int nr = 0;

	groups[nr++] = TOP_GROUP;
	for (int i = 0; i < src->cgroup->nr_levels && nr < FOLLOW_GROUPS_MAX; i++)
		if (!shrink_os_group_id(src->cgroup->level[i].dir, &groups[nr]))
			nr++;
	return nr;
}

static int bridge_open(struct shrink_source *src)
{
	uint64_t groups[FOLLOW_GROUPS_MAX];
	struct shrink_bridge_who who = {
		.groups = groups,
		.nr = find_groups(src, groups),
		.procs = src->cgroup->unified[0] && src->cgroup->version == 2
				 ? src->cgroup->unified : own_dir(src),
	};
	char reason[sizeof(src->reason)];
	int r, mode = (int)SHRINK_TUN(bridge);

	if (mode == SHRINK_BRIDGE_OFF)
		return shrink_source_fail(src, -ECANCELED, "switched off by configuration");
	bridge.ops = shrink_bridge_open((enum shrink_bridge_mode)mode, &who, reason, sizeof(reason),
					&r);
	if (!bridge.ops)
		return shrink_source_fail(src, r, "%s", reason);
	if (*reason)
		shrink_source_fail(src, 0, "%s", reason);
	src->fd[0] = bridge.ops->fd();
	src->nr_fds = 1;
	src->next_sample = 0;
	return 0;
}

static void bridge_close(struct shrink_source *src)
{
	src->nr_fds = 0;
	if (bridge.ops)
		bridge.ops->close();
	bridge.ops = NULL;
}

const struct shrink_source_ops shrink_source_bridge = {
	.name = "bridge",
	.open = bridge_open,
	.close = bridge_close,
	.ready = ready,
	.sample = sample,
	.chore = chore,
};

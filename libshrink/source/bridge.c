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
 * one of them is always kept there (os/bait.h), and where there are several nodes one at
 * each: the standby goes there for it once a second.
 *
 * Where our caches are the kernel's own shrinkers (bridge:module) it asks each by itself:
 * what it asks for is done by the worker in a visit, which also counts what there is.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/bridge/bridge.h>
#include <libshrink/bridge/latency.h>
#include <libshrink/core/core.h>
#include <libshrink/os/bait.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/numa.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/source/bridge.h>
#include <libshrink/source/source.h>

/* How often it is seen to that there is a bait, where nothing happens. */
#define BAIT_NSEC NSEC_PER_SEC
#define TOP_GROUP 1

enum { EVENTS, CHANGED }; /* places of fd[] */

/* The monitor's own. */
static struct {
	const struct shrink_bridge_ops *ops;
	struct shrink_signal *sig; /* of the turn */
	int changed;		   /* caches have, since the last chore began */
	int due;		   /* a chore of the means itself */
	uint64_t baited_nsec;	   /* when baits were put out at all nodes */
	/* what is known of it, also to other threads; the first under the sources' lock */
	char reason[sizeof(((struct shrink_bridge_stats *)NULL)->reason)];
	char means[16];
	_Atomic uint64_t reclaims, drops, hints, folded, lost, asked, served;
	struct latency latency;
} bridge;

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void shrink_bridge_gather(struct shrink_bridge_stats *ret_stats)
{
	*ret_stats = (struct shrink_bridge_stats){
		.reclaims = get(&bridge.reclaims),
		.drops = get(&bridge.drops),
		.hints = get(&bridge.hints),
		.folded = get(&bridge.folded),
		.lost = get(&bridge.lost),
		.asked = get(&bridge.asked),
		.served = get(&bridge.served),
		.latency_median_nsec = shrink_latency_median(&bridge.latency),
		.latency_max_nsec = get(&bridge.latency.max_nsec),
	};
	shrink_source_lock();
	memcpy(ret_stats->means, bridge.means, sizeof(ret_stats->means));
	memcpy(ret_stats->reason, bridge.reason, sizeof(ret_stats->reason));
	shrink_source_unlock();
}

static void set_means(const char *means, const char *reason)
{
	shrink_source_lock();
	snprintf(bridge.means, sizeof(bridge.means), "%s", means);
	snprintf(bridge.reason, sizeof(bridge.reason), "%s", reason);
	shrink_source_unlock();
}

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

	if (served(event)) {
		add(&bridge.served, 1);
		return;
	}
	add(&bridge.asked, 1);
	shrink_engine_post(&goal);
}

static void account(const struct follow_event *event)
{
	uint64_t now = shrink_os_clock_real();

	add(event->kind == FOLLOW_RECLAIM ? &bridge.reclaims
	    : event->kind == FOLLOW_DROP  ? &bridge.drops
					  : &bridge.hints,
	    1);
	add(&bridge.folded, event->folded);
	atomic_store_explicit(&bridge.lost, event->lost, memory_order_relaxed);
	shrink_latency_add(&bridge.latency, shrink_sub_u64(now, event->nsec));
}

/* The machine's reclaim of a node that we may have no memory of. What is done to our
 * own group concerns us also there: a cpuset may have changed since. */
static bool elsewhere(const struct follow_event *event)
{
	return event->group == TOP_GROUP && event->nid >= 0 && !shrink_os_numa_allowed(event->nid);
}

static void on_event(void *arg, const struct follow_event *event)
{
	(void)arg;
	if (elsewhere(event))
		return;
	account(event);
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

/* Another descriptor than before, or none. */
static void watch(struct shrink_source *src)
{
	int fd = bridge.ops->fd();

	if (src->nr_fds && src->fd[EVENTS] == fd)
		return;
	src->fd[EVENTS] = fd;
	src->nr_fds = fd >= 0;
	src->fds_changed = 1;
}

static int take(struct shrink_source *src, struct shrink_signal *sig)
{
	int r;

	bridge.sig = sig;
	r = bridge.ops->take(on_event, NULL);
	if (r < 0)
		return shrink_source_fail(src, r, "%s: %s", bridge.ops->name, strerror(-r));
	sig->hint |= bridge.ops->serve && r;
	if (!bridge.ops->serve)
		renew_bait(src); /* who reclaims us may have taken it */
	watch(src);
	if (bridge.ops->due && bridge.ops->due()) {
		__atomic_store_n(&bridge.due, 1, __ATOMIC_RELEASE);
		__atomic_store_n(&src->chore_due, 1, __ATOMIC_RELEASE);
	}
	return r;
}

static void post_visit(uint64_t now)
{
	struct shrink_goal goal = {
		.visit = bridge.ops->serve,
		.priority = SHRINK_DEF_PRIORITY,
		.gfp_mask = SHRINK_GFP_ALL,
		.probe = true, /* the kernel knows how it goes on */
		.notice = now,
		.level = SHRINK_LEVEL_LOW,
		.source = "bridge",
	};

	shrink_engine_post(&goal);
}

/* Caches have come or gone: the kernel is told where that may take its time. */
static int ready_changed(struct shrink_source *src)
{
	shrink_os_drain(src->fd[CHANGED]);
	__atomic_store_n(&bridge.changed, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&src->chore_due, 1, __ATOMIC_RELEASE);
	return 0;
}

/* What could not be told is no failure: the others are served. */
static int sync_caches(struct shrink_source *src, const struct shrink_bridge_ops *ops)
{
	char reason[sizeof(src->reason) - 16];

	__atomic_store_n(&bridge.changed, 0, __ATOMIC_RELEASE);
	(void)ops->sync(reason, sizeof(reason));
	set_means(ops->name, reason);
	shrink_source_fail(src, 0, "%s%s%s", *reason ? ops->name : "", *reason ? ": " : "",
			   reason);
	return 0;
}

static int chore(struct shrink_source *src)
{
	const struct shrink_bridge_ops *ops = bridge.ops;
	int r = 0;

	if (!ops)
		return 0; /* it has failed meanwhile */
	if (ops->sync)
		return sync_caches(src, ops);
	/* the application's thread is not moved from node to node */
	if (own_dir(src) && shrink_core_nr_nodes() > 1 && shrink_engine_has_standby())
		shrink_os_bait_nodes(own_dir(src), shrink_core_nr_nodes());
	if (__atomic_exchange_n(&bridge.due, 0, __ATOMIC_ACQ_REL))
		r = ops->chore();
	return r < 0 ? shrink_source_fail(src, r, "%s: %s", ops->name, strerror(-r)) : 0;
}

static int ready(struct shrink_source *src, int index, uint32_t events, uint64_t now,
		 struct shrink_signal *sig)
{
	int r;

	(void)events;
	if (index == CHANGED)
		return ready_changed(src);
	r = take(src, sig);
	if (r > 0 && bridge.ops->serve)
		post_visit(now);
	return r;
}

/* At nodes where this thread is not, by one that may go there. */
static void want_baits(struct shrink_source *src, uint64_t now)
{
	if (shrink_core_nr_nodes() < 2 || shrink_sub_u64(now, bridge.baited_nsec) < BAIT_NSEC)
		return;
	bridge.baited_nsec = now; /* the chore makes us look again at once */
	__atomic_store_n(&src->chore_due, 1, __ATOMIC_RELEASE);
}

/* Also where nothing woke us: in loop mode somebody else may have taken the wake-up. */
static int sample(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	int r = take(src, sig);

	src->next_sample = now + BAIT_NSEC;
	if (r >= 0 && !bridge.ops->serve)
		want_baits(src, now);
	if (r < 0 || !bridge.ops->serve)
		return r;
	src->next_sample = now + SHRINK_TUN(bridge_count) * NSEC_PER_MSEC;
	/* amid a chore, which may have passed by it */
	if (__atomic_load_n(&bridge.changed, __ATOMIC_ACQUIRE))
		__atomic_store_n(&src->chore_due, 1, __ATOMIC_RELEASE);
	post_visit(now); /* for what was taken, and to count */
	return r;
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

static struct shrink_bridge_who find_who(struct shrink_source *src, uint64_t *groups)
{
	return (struct shrink_bridge_who){
		.groups = groups,
		.nr = find_groups(src, groups),
		.socket = shrink_tunables.bridge_socket,
		.procs = src->cgroup->unified[0] && src->cgroup->version == 2
				 ? src->cgroup->unified : own_dir(src),
	};
}

/* The same means in another group: what it took to open it may be forbidden by now. */
static int bridge_moved(struct shrink_source *src)
{
	uint64_t groups[FOLLOW_GROUPS_MAX];
	struct shrink_bridge_who who = find_who(src, groups);
	char reason[sizeof(bridge.reason)] = "";
	int r = bridge.ops->moved ? bridge.ops->moved(&who, reason, sizeof(reason)) : 0;

	src->next_sample = 0;
	return r < 0 ? shrink_source_fail(src, r, "%s: %s", bridge.ops->name, reason) : 0;
}

static int bridge_open(struct shrink_source *src)
{
	uint64_t groups[FOLLOW_GROUPS_MAX];
	struct shrink_bridge_who who = find_who(src, groups);
	char reason[sizeof(bridge.reason)];
	int r, mode = (int)SHRINK_TUN(bridge);

	if (mode == SHRINK_BRIDGE_OFF) {
		set_means("", "switched off by configuration");
		return shrink_source_fail(src, -ECANCELED, "switched off by configuration");
	}
	bridge.ops = shrink_bridge_open((enum shrink_bridge_mode)mode, &who, reason, sizeof(reason),
					&r);
	set_means(bridge.ops ? bridge.ops->name : "", reason);
	if (!bridge.ops)
		return shrink_source_fail(src, r, "%s", reason);
	if (*reason)
		shrink_source_fail(src, 0, "%s", reason);
	bridge.changed = bridge.due = 0;
	bridge.baited_nsec = 0;
	watch(src);
	if (bridge.ops->changed_fd)
		src->fd[src->nr_fds++] = bridge.ops->changed_fd();
	src->next_sample = 0;
	return 0;
}

static void bridge_close(struct shrink_source *src)
{
	src->nr_fds = 0;
	if (bridge.ops)
		bridge.ops->close();
	bridge.ops = NULL;
	set_means("", "not started");
}

const struct shrink_source_ops shrink_source_bridge = {
	.name = "bridge",
	.open = bridge_open,
	.close = bridge_close,
	.ready = ready,
	.sample = sample,
	.chore = chore,
	.watches_group = 1,
	.moved = bridge_moved,
};

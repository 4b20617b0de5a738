// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * A system made up by a test: limit, usage, page cache, stall. Gauge and stall
 * source in one, so that the engine above cannot tell it from a real one.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <shrink/sim.h>
#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/numa.h>
#include <libshrink/reclaim/node.h>
#include <libshrink/reclaim/proactive.h>
#include <libshrink/source/simulated.h>
#include <libshrink/source/source.h>

/* The kernel's default watermark_scale_factor. */
#define WMARK_SCALE 10

static _Atomic int enabled;
static _Atomic int changed; /* by the test, not by what was freed */
static _Atomic uint64_t limit = UINT64_MAX, usage, reclaimable, stall_usec, rss;

static struct {
	_Atomic uint64_t managed, available, min;
} nodes[SHRINK_NODES_MAX];

void shrink_simulated_enable(int on)
{
	atomic_store(&enabled, on);
	for (int nid = 0; !on && nid < SHRINK_NODES_MAX; nid++)
		atomic_store(&nodes[nid].managed, 0);
	if (!on)
		return;
	atomic_store(&limit, UINT64_MAX);
	atomic_store(&usage, 0);
	atomic_store(&reclaimable, 0);
	atomic_store(&stall_usec, 0);
	atomic_store(&rss, 0);
}

int shrink_simulated(void)
{
	return atomic_load_explicit(&enabled, memory_order_relaxed);
}

uint64_t shrink_simulated_rss(void)
{
	return atomic_load_explicit(&rss, memory_order_relaxed);
}

uint64_t shrink_clock(void)
{
	return shrink_os_clock();
}

int shrink_sim_set(const struct shrink_sim_state *state, size_t size)
{
	struct shrink_sim_state s = {.limit = UINT64_MAX};

	if (!state || !size)
		return -EINVAL;
	memcpy(&s, state, size < sizeof(s) ? size : sizeof(s));
	atomic_store(&limit, s.limit);
	atomic_store(&usage, s.usage);
	atomic_store(&reclaimable, s.reclaimable);
	atomic_store(&stall_usec, s.stall_usec);
	atomic_store(&rss, s.rss);
	atomic_store(&changed, 1);
	return 0;
}

static void take_off(_Atomic uint64_t *value, uint64_t bytes)
{
	uint64_t old = atomic_load(value);

	while (!atomic_compare_exchange_weak(value, &old, shrink_sub_u64(old, bytes)))
		;
}

void shrink_sim_freed(uint64_t bytes)
{
	take_off(&usage, bytes);
	take_off(&rss, bytes);
}

int shrink_sim_set_node(int nid, const struct shrink_sim_node *node, size_t size)
{
	struct shrink_sim_node n = {0};

	if (!node || !size || nid < 0 || nid >= SHRINK_NODES_MAX)
		return -EINVAL;
	memcpy(&n, node, size < sizeof(n) ? size : sizeof(n));
	atomic_store(&nodes[nid].min, n.min);
	atomic_store(&nodes[nid].available, n.available);
	atomic_store(&nodes[nid].managed, n.managed);
	return 0;
}

void shrink_sim_node_freed(int nid, uint64_t bytes)
{
	shrink_sim_freed(bytes);
	if (nid >= 0 && nid < SHRINK_NODES_MAX)
		atomic_fetch_add(&nodes[nid].available, bytes);
}

int shrink_simulated_node(int nid, struct shrink_node_reading *ret)
{
	uint64_t managed = atomic_load(&nodes[nid].managed);

	if (!managed)
		return -ENODEV;
	ret->managed = managed;
	ret->available = atomic_load(&nodes[nid].available);
	shrink_node_wmark(atomic_load(&nodes[nid].min), managed, WMARK_SCALE, 0, ret);
	return 0;
}

static int read_simulated(struct shrink_gauge *gauge, int exact, struct shrink_gauge_reading *ret)
{
	(void)gauge;
	*ret = (struct shrink_gauge_reading){
		.limit = atomic_load(&limit),
		.usage = atomic_load(&usage),
		.reclaimable = exact ? atomic_load(&reclaimable) : 0,
		.kind = SHRINK_LIMIT_SIMULATED,
		.path = "",
	};
	return 0;
}

static struct shrink_gauge gauge = {.name = "simulated", .read = read_simulated};

/* State between two samples; on the thread that samples. */
static uint64_t stall_seen, stall_since;
static struct shrink_source *self; /* while open */

static int open_simulated(struct shrink_source *src)
{
	if (!shrink_simulated())
		return shrink_source_fail(src, -ECANCELED, "not started simulated");
	src->gauge = &gauge;
	src->next_sample = 0;
	self = src;
	stall_seen = atomic_load(&stall_usec);
	stall_since = shrink_os_clock();
	return 0;
}

static void close_simulated(struct shrink_source *src)
{
	src->gauge = NULL;
	self = NULL;
}

void shrink_simulated_poke(void)
{
	if (self && atomic_load(&changed))
		self->next_sample = 0;
}

/* Stall within the configured share of a window, as the psi source judges it. */
static int sample(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	uint64_t total = atomic_load(&stall_usec), grown = shrink_sub_u64(total, stall_seen);
	uint64_t window = SHRINK_TUN(psi_window) * NSEC_PER_USEC;

	src->next_sample = now + 20 * NSEC_PER_MSEC; /* or when it is poked */
	sig->recheck = atomic_exchange(&changed, 0);
	shrink_proactive_stall(total);
	if (grown >= SHRINK_TUN(psi_stall)) {
		sig->stall = SHRINK_LEVEL_LOW;
		sig->priority = (int)SHRINK_TUN(priority);
	} else if (now - stall_since < window) {
		return 0;
	}
	stall_seen = total;
	stall_since = now;
	return 0;
}

const struct shrink_source_ops shrink_source_simulated = {
	.name = "simulated",
	.open = open_simulated,
	.close = close_simulated,
	.sample = sample,
};

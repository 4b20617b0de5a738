// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Gathers what the layers below have counted. */
#include <errno.h>
#include <string.h>

#include <shrink/stats.h>
#include <libshrink/api/start.h>
#include <libshrink/base/bits.h>
#include <libshrink/core/core.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/gauges.h>
#include <libshrink/reclaim/level.h>
#include <libshrink/reclaim/nodes.h>
#include <libshrink/reclaim/release.h>
#include <libshrink/source/monitor.h>
#include <libshrink/source/sources.h>

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Signed counters that concurrency may show below nothing for a moment. */
static uint64_t get_signed(const _Atomic int64_t *counter)
{
	int64_t v = atomic_load_explicit(counter, memory_order_relaxed);

	return v > 0 ? (uint64_t)v : 0;
}

int shrink_stats(struct shrink_stats *ret_stats, size_t size)
{
	struct shrink_monitor_stats monitor = shrink_monitor_stats();
	struct shrink_release_stats release = shrink_release_stats();
	struct shrink_engine_stats engine = shrink_engine_stats();
	struct shrink_round_stats round = shrink_round_stats();
	struct shrink_nodes_stats nodes = shrink_nodes_stats();
	struct shrink_outlook outlook = shrink_gauges_outlook();
	struct shrink_stats st = {
		.events = monitor.events,
		.samples = monitor.samples,
		.rounds = engine.rounds,
		.direct = engine.direct,
		.passes = get(&shrink_core_stats.passes),
		.requested_bytes = round.requested,
		.scanned_objects = get(&shrink_core_stats.scanned),
		.freed_objects = get(&shrink_core_stats.freed),
		.freed_bytes = get(&shrink_core_stats.freed_bytes),
		.pending_bytes = get_signed(&shrink_core_stats.pending_bytes),
		.completed_bytes = get(&shrink_core_stats.completed_bytes),
		.returned_bytes = round.returned,
		.fruitless = round.fruitless,
		.fragmented = round.fragmented,
		.releases = release.runs,
		.release_usec_max = release.usec_max,
		.overruns = engine.overruns + nodes.overruns,
		.misuses = get(&shrink_core_stats.misuses),
		.holdoffs = shrink_level_holdoffs(),
		.shrinkers = shrink_registry_count(),
		.limbo = shrink_registry_limbo(),
		.worst_slope = shrink_gauges_worst_slope(),
		.level = (uint32_t)shrink_level(),
		.running = shrink_gate_is_open(),
		.node_rounds = nodes.rounds,
		.joined = shrink_direct_joined(),
		.parked_nodes = nodes.parked,
		.slope = outlook.slope,
		.exhaustion_usec = outlook.exhaustion_usec,
	};

	if (!ret_stats || !size)
		return -EINVAL;
	memset(ret_stats, 0, size);
	memcpy(ret_stats, &st, size < sizeof(st) ? size : sizeof(st));
	return 0;
}

static void add_node(struct shrinker_stats *sum, const struct shrinker_node *node)
{
	long posted = atomic_load_explicit(&node->posted, memory_order_relaxed);

	sum->counts += get(&node->counts);
	sum->scans += get(&node->scans);
	sum->scanned_objects += get(&node->scanned);
	sum->freed_objects += get(&node->freed);
	sum->freed_bytes += get(&node->freed_bytes);
	sum->pending_objects += get_signed(&node->pending_objects);
	sum->pending_bytes += get_signed(&node->pending_bytes);
	sum->stops += get(&node->stops);
	sum->misuses += get(&node->misuses);
	sum->nr_deferred += atomic_load_explicit(&node->nr_deferred, memory_order_relaxed);
	sum->last_count += get(&node->last_count);
	sum->scan_usec += get(&node->scan_nsec) / NSEC_PER_USEC;
	sum->scan_usec_max = shrink_max_u64(sum->scan_usec_max,
					    get(&node->scan_nsec_max) / NSEC_PER_USEC);
	sum->posted_objects += posted > 0 ? (uint64_t)posted : 0;
}

int shrinker_stats(const struct shrinker *pub, int nid, struct shrinker_stats *ret_stats,
		   size_t size)
{
	struct shrinker_impl *s = shrinker_impl(pub);
	struct shrinker_stats sum = {0};

	if (!pub || !ret_stats || !size || nid < SHRINK_NUMA_NO_NODE ||
	    nid >= shrink_core_nr_nodes())
		return -EINVAL;
	sum.object_size = shrinker_object_bytes(s);
	sum.slow_scans = get(&s->slow);
	sum.idle_rounds = atomic_load_explicit(&s->idle, memory_order_relaxed);
	for (int i = 0; i < SHRINK_SCAN_HIST; i++)
		sum.scan_hist[i] = get(&s->scan_hist[i]);
	if (nid != SHRINK_NUMA_NO_NODE)
		add_node(&sum, shrinker_slot(s, nid));
	else
		for (int i = 0; i < s->nr_nodes; i++)
			add_node(&sum, &s->node[i]);
	memset(ret_stats, 0, size);
	memcpy(ret_stats, &sum, size < sizeof(sum) ? size : sizeof(sum));
	return 0;
}

int shrink_sources(struct shrink_source_info *ret_infos, unsigned int max, size_t size)
{
	if ((!ret_infos && max) || !size)
		return -EINVAL;
	return shrink_sources_list(ret_infos, max, size);
}

/* SPDX-License-Identifier: MIT */
/*
 * "stats shrink": what libshrink knows and has done, for people, for the demo's
 * table and for tests. Reads only; reclaim goes on meanwhile.
 */
#include <stdio.h>
#include <string.h>

#include <shrink/shrink.h>

#include "examples/kvcached/negative.h"
#include "examples/kvcached/purge.h"
#include "examples/kvcached/room.h"
#include "examples/kvcached/stats.h"
#include "examples/kvcached/store.h"
#include "examples/kvcached/totals.h"

typedef unsigned long long ull;

#define SOURCES_MAX 32

/* "STAT <name> <field of a structure>" */
#define FIELD(out, prefix, s, field) stats_line(out, prefix #field, "%llu", (ull)(s)->field)

static void limit_lines(struct evbuffer *out)
{
	struct shrink_limits limits;

	stats_line(out, "level", "%d", (int)shrink_level());
	stats_line(out, "may_grow", "%d", shrink_may_grow());
	if (shrink_limits(&limits, sizeof(limits)) < 0)
		return;
	FIELD(out, "", &limits, limit);
	FIELD(out, "", &limits, usage);
	FIELD(out, "", &limits, unreclaimable);
	FIELD(out, "", &limits, low_wmark);
	FIELD(out, "", &limits, high_wmark);
	stats_line(out, "limit_kind", "%d", (int)limits.kind);
	stats_line(out, "limit_path", "%s", limits.path);
}

static void engine_lines(struct evbuffer *out)
{
	struct shrink_stats stats;

	if (shrink_stats(&stats, sizeof(stats)) < 0)
		return;
	FIELD(out, "", &stats, running);
	FIELD(out, "", &stats, events);
	FIELD(out, "", &stats, samples);
	FIELD(out, "", &stats, rounds);
	FIELD(out, "", &stats, direct);
	FIELD(out, "", &stats, passes);
	FIELD(out, "", &stats, requested_bytes);
	FIELD(out, "", &stats, scanned_objects);
	FIELD(out, "", &stats, freed_objects);
	FIELD(out, "", &stats, freed_bytes);
	FIELD(out, "", &stats, pending_bytes);
	FIELD(out, "", &stats, completed_bytes);
	FIELD(out, "", &stats, returned_bytes);
	FIELD(out, "", &stats, fruitless);
	FIELD(out, "", &stats, fragmented);
	FIELD(out, "", &stats, releases);
	FIELD(out, "", &stats, release_usec_max);
	FIELD(out, "", &stats, overruns);
	FIELD(out, "", &stats, misuses);
	FIELD(out, "", &stats, holdoffs);
	FIELD(out, "", &stats, worst_slope);
}

/* Both caches, items tenant by tenant: cache:<which>:<counter>. */
static void cache_line(struct evbuffer *out, const char *which, const char *name, long long value)
{
	char full[64];

	snprintf(full, sizeof(full), "cache:%s:%s", which, name);
	stats_line(out, full, "%lld", value);
}

static void cache_lines(struct evbuffer *out, const char *which, struct shrinker *s)
{
	struct shrinker_stats stats;
	uint64_t room = shrink_room(s);

	if (!s || shrinker_stats(s, SHRINK_NUMA_NO_NODE, &stats, sizeof(stats)) < 0)
		return;
	cache_line(out, which, "seeks", s->seeks);
	cache_line(out, which, "object_size", (long long)stats.object_size);
	cache_line(out, which, "last_count", (long long)stats.last_count);
	cache_line(out, which, "counts", (long long)stats.counts);
	cache_line(out, which, "scans", (long long)stats.scans);
	cache_line(out, which, "scanned_objects", (long long)stats.scanned_objects);
	cache_line(out, which, "freed_objects", (long long)stats.freed_objects);
	cache_line(out, which, "freed_bytes", (long long)stats.freed_bytes);
	cache_line(out, which, "pending_objects", (long long)stats.pending_objects);
	cache_line(out, which, "pending_bytes", (long long)stats.pending_bytes);
	cache_line(out, which, "stops", (long long)stats.stops);
	cache_line(out, which, "nr_deferred", (long long)stats.nr_deferred);
	cache_line(out, which, "scan_usec_max", (long long)stats.scan_usec_max);
	cache_line(out, which, "room", room > INT64_MAX ? -1 : (long long)room);
}

static void pool_lines(struct evbuffer *out)
{
	struct shrink_pool_stats pool;
	struct room_totals room;

	pool_totals(&pool);
	room_totals(&room);
	FIELD(out, "pool:", &pool, live_objects);
	FIELD(out, "pool:", &pool, live_bytes);
	FIELD(out, "pool:", &pool, resident_bytes);
	FIELD(out, "pool:", &pool, free_bytes);
	FIELD(out, "pool:", &pool, evicted_objects);
	FIELD(out, "pool:", &pool, evicted_bytes);
	FIELD(out, "pool:", &pool, returned_bytes);
	FIELD(out, "pool:", &pool, busy);
	FIELD(out, "pool:", &pool, referenced);
	FIELD(out, "pool:", &pool, pending);
	FIELD(out, "pool:", &pool, slabs);
	FIELD(out, "pool:", &pool, moved_objects);
	FIELD(out, "pool:", &pool, moved_bytes);
	stats_line(out, "store:allocator", "%s", store()->name);
	FIELD(out, "store:", &room, evicted);
	FIELD(out, "store:", &room, evicted_bytes);
	FIELD(out, "store:", &room, replaced);
	FIELD(out, "store:", &room, refused);
	FIELD(out, "store:", &room, purged);
	stats_line(out, "store:direct", "%llu", (ull)room_direct());
}

/* Values the kernel may take by itself. */
static void region_lines(struct evbuffer *out)
{
	struct shrink_region_stats st;

	if (purge_stats(&st) < 0)
		return;
	FIELD(out, "region:", &st, size);
	FIELD(out, "region:", &st, objects);
	FIELD(out, "region:", &st, pinned_bytes);
	FIELD(out, "region:", &st, unpinned_bytes);
	FIELD(out, "region:", &st, offered_bytes);
	FIELD(out, "region:", &st, kept);
	FIELD(out, "region:", &st, purged);
	FIELD(out, "region:", &st, purged_by_kernel_bytes);
	FIELD(out, "region:", &st, trespasses);
}

/* source:<name> <state> <events> <reason> */
static void source_lines(struct evbuffer *out)
{
	struct shrink_source_info infos[SOURCES_MAX];
	int n = shrink_sources(infos, SOURCES_MAX, sizeof(infos[0]));

	for (int i = 0; i < n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "source:%.16s", infos[i].name);
		stats_line(out, name, "%s %llu %s", infos[i].state, (ull)infos[i].events,
			   infos[i].reason);
	}
}

static void round_lines(struct evbuffer *out)
{
	struct shrink_round round;

	if (shrink_rounds(&round, 1, sizeof(round)) < 1)
		return;
	stats_line(out, "round:source", "%s", round.source);
	stats_line(out, "round:end", "%u", round.end);
	stats_line(out, "round:priority", "%d %d", round.priority_first, round.priority_last);
	stats_line(out, "round:usec", "%llu", (ull)(round.end_nsec - round.begin_nsec) / 1000);
	stats_line(out, "round:returned_bytes", "%lld", (long long)round.returned_bytes);
	FIELD(out, "round:", &round, requested_bytes);
	FIELD(out, "round:", &round, freed_bytes);
	FIELD(out, "round:", &round, pending_bytes);
}

void stats_shrink(struct evbuffer *out)
{
	limit_lines(out);
	engine_lines(out);
	for (unsigned int i = 0; i < tenants_count(); i++) {
		struct tenant *t = tenant_at(i);

		cache_lines(out, tenants_on() ? t->name : "items", store()->shrinker(t));
	}
	cache_lines(out, "negative", negative_shrinker());
	pool_lines(out);
	region_lines(out);
	source_lines(out);
	round_lines(out);
}

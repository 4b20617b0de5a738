/* SPDX-License-Identifier: MIT */
/*
 * "stats tenants": STAT <tenant>:<what> <number>, and all:<what> for all together.
 * "usage" is what limits speak of: slabs of the tenant's pool, or places in a heap.
 * "resident" is what the store has from the system, with its tables.
 */
#include <stdio.h>
#include <string.h>

#include "examples/kvcached/stats.h"
#include "examples/kvcached/store.h"
#include "examples/kvcached/totals.h"

typedef unsigned long long ull;

static void line(struct evbuffer *out, const char *who, const char *what, uint64_t value)
{
	char name[TENANT_NAME_MAX + 32];

	snprintf(name, sizeof(name), "%s:%s", who, what);
	if (value == SHRINK_MEMCG_MAX)
		stats_line(out, name, "none");
	else
		stats_line(out, name, "%llu", (ull)value);
}

static void limit_lines(struct evbuffer *out, const char *who, struct shrink_memcg *memcg)
{
	line(out, who, "min", shrink_memcg_get_limit(memcg, SHRINK_MEMCG_LIMIT_MIN));
	line(out, who, "low", shrink_memcg_get_limit(memcg, SHRINK_MEMCG_LIMIT_LOW));
	line(out, who, "high", shrink_memcg_get_limit(memcg, SHRINK_MEMCG_LIMIT_HIGH));
	line(out, who, "max", shrink_memcg_get_limit(memcg, SHRINK_MEMCG_LIMIT_MAX));
}

static void event_lines(struct evbuffer *out, const char *who, struct shrink_memcg *memcg)
{
	struct shrink_memcg_stats st;

	if (shrink_memcg_stats(memcg, &st, sizeof(st)) < 0)
		return;
	line(out, who, "events_low", st.events_low);
	line(out, who, "events_high", st.events_high);
	line(out, who, "events_max", st.events_max);
	line(out, who, "events_oom", st.events_oom);
	line(out, who, "reclaimed_bytes", st.freed_bytes);
	line(out, who, "throttled_usec", st.throttled_usec);
}

static void item_lines(struct evbuffer *out, const char *who, const struct tenant *t)
{
	struct items_totals totals;

	items_totals(t, &totals);
	line(out, who, "items", totals.count);
	line(out, who, "hits", totals.hits);
	line(out, who, "misses", totals.misses);
	line(out, who, "sets", totals.sets);
}

/* libshrink: how often was it a mistake to let an item go? */
static void list_lines(struct evbuffer *out, const char *who, struct shrink_lruvec *lists)
{
	struct shrink_lruvec_stats st;

	if (shrink_lruvec_stats(lists, SHRINK_NUMA_NO_NODE, &st, sizeof(st)) < 0)
		return;
	line(out, who, "active", st.active_clean);
	line(out, who, "inactive", st.inactive_clean);
	line(out, who, "refaults", st.refaults);
	line(out, who, "refaults_activated", st.refaults_activated + st.refaults_trial);
}

static void counter_lines(struct evbuffer *out, const struct tenant *t)
{
	struct shrink_pool_stats pool;

	line(out, t->name, "evicted", __atomic_load_n(&t->evicted, __ATOMIC_RELAXED));
	line(out, t->name, "replaced", __atomic_load_n(&t->replaced, __ATOMIC_RELAXED));
	line(out, t->name, "refused", __atomic_load_n(&t->refused, __ATOMIC_RELAXED));
	line(out, t->name, "purged", __atomic_load_n(&t->purged, __ATOMIC_RELAXED));
	line(out, t->name, "throttled", __atomic_load_n(&t->throttled, __ATOMIC_RELAXED));
	store()->stats(t, &pool);
	line(out, t->name, "resident", pool.resident_bytes);
}

void stats_tenant(struct evbuffer *out, struct tenant *t)
{
	line(out, t->name, "usage", shrink_memcg_usage(t->memcg));
	limit_lines(out, t->name, t->memcg);
	item_lines(out, t->name, t);
	counter_lines(out, t);
	if (t->lists)
		list_lines(out, t->name, t->lists);
	event_lines(out, t->name, t->memcg);
}

void stats_tenants(struct evbuffer *out)
{
	struct shrink_pool_stats pool;
	unsigned int n = tenants_count();

	stats_line(out, "tenants", "%u", tenants_on() ? n : 0);
	if (!tenants_on())
		return;
	stats_line(out, "tenants_most", "%u", TENANTS_MAX);
	/* libshrink: threads hold some charge in advance; now they do not */
	shrink_memcg_drain();
	line(out, "all", "usage", shrink_memcg_usage(tenants_group()));
	limit_lines(out, "all", tenants_group());
	item_lines(out, "all", NULL);
	pool_totals(&pool);
	line(out, "all", "resident", pool.resident_bytes);
	for (unsigned int i = 0; i < n; i++)
		stats_tenant(out, tenant_at(i));
}

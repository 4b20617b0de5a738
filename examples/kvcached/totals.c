/* SPDX-License-Identifier: MIT */
/* Sums over shards and tenants, for statistics. */
#include "examples/kvcached/totals.h"

#include <string.h>

#include "examples/kvcached/store.h"

/* Adds up a tenant's shards. */
static void add_shards(const struct tenant *t, struct items_totals *sum)
{
	for (unsigned int i = 0; i < t->table.nr_shards; i++) {
		struct shard *s = table_shard(&t->table, i);

		pthread_mutex_lock(&s->lock);
		sum->count += s->count;
		sum->bytes += s->bytes;
		sum->buckets += s->nr_buckets;
		pthread_mutex_unlock(&s->lock);
		sum->hits += __atomic_load_n(&s->hits, __ATOMIC_RELAXED);
		sum->misses += __atomic_load_n(&s->misses, __ATOMIC_RELAXED);
		sum->sets += __atomic_load_n(&s->sets, __ATOMIC_RELAXED);
	}
}

void items_totals(const struct tenant *t, struct items_totals *ret_totals)
{
	memset(ret_totals, 0, sizeof(*ret_totals));
	for (unsigned int i = 0; i < tenants_count(); i++) {
		if (!t || t == tenant_at(i))
			add_shards(tenant_at(i), ret_totals);
	}
}

bool class_totals(unsigned int index, struct shrink_pool_class_stats *ret_stats)
{
	struct shrink_pool_class_stats one;

	memset(ret_stats, 0, sizeof(*ret_stats));
	for (unsigned int i = 0; i < tenants_count(); i++) {
		struct shrink_pool *pool = tenant_at(i)->pool;

		if (!pool || shrink_pool_class_stats(pool, index, &one, sizeof(one)) < 0)
			return false;
		ret_stats->object_size = one.object_size;
		ret_stats->slabs += one.slabs;
		ret_stats->resident_bytes += one.resident_bytes;
		ret_stats->live_objects += one.live_objects;
		ret_stats->live_bytes += one.live_bytes;
	}
	return true;
}

void room_totals(struct room_totals *ret_totals)
{
	memset(ret_totals, 0, sizeof(*ret_totals));
	for (unsigned int i = 0; i < tenants_count(); i++) {
		struct tenant *t = tenant_at(i);

		ret_totals->evicted += __atomic_load_n(&t->evicted, __ATOMIC_RELAXED);
		ret_totals->evicted_bytes +=
			__atomic_load_n(&t->evicted_bytes, __ATOMIC_RELAXED);
		ret_totals->replaced += __atomic_load_n(&t->replaced, __ATOMIC_RELAXED);
		ret_totals->purged += __atomic_load_n(&t->purged, __ATOMIC_RELAXED);
		ret_totals->refused += __atomic_load_n(&t->refused, __ATOMIC_RELAXED);
	}
}

static void add_pool(struct shrink_pool_stats *sum, const struct shrink_pool_stats *p)
{
	sum->live_objects += p->live_objects;
	sum->live_bytes += p->live_bytes;
	sum->resident_bytes += p->resident_bytes;
	sum->free_bytes += p->free_bytes;
	sum->evicted_objects += p->evicted_objects;
	sum->evicted_bytes += p->evicted_bytes;
	sum->returned_bytes += p->returned_bytes;
	sum->busy += p->busy;
	sum->referenced += p->referenced;
	sum->pending += p->pending;
	sum->slabs += p->slabs;
	sum->moved_objects += p->moved_objects;
	sum->moved_bytes += p->moved_bytes;
}

void pool_totals(struct shrink_pool_stats *ret_stats)
{
	struct shrink_pool_stats one;

	memset(ret_stats, 0, sizeof(*ret_stats));
	for (unsigned int i = 0; i < tenants_count(); i++) {
		store()->stats(tenant_at(i), &one);
		add_pool(ret_stats, &one);
	}
}

/* SPDX-License-Identifier: MIT */
/* Sums over shards and tenants, for statistics. Any thread; takes shard locks. */
#ifndef KVCACHED_TOTALS_H
#define KVCACHED_TOTALS_H

#include "examples/kvcached/tenant.h"

struct items_totals {
	uint64_t count;
	uint64_t bytes;
	uint64_t buckets;
	uint64_t hits, misses, sets;
};

/* Of a tenant, NULL = of all. */
void items_totals(const struct tenant *t, struct items_totals *ret_totals);
/* A size class of the pools, of all tenants; false: there are no more, or no pools. */
bool class_totals(unsigned int index, struct shrink_pool_class_stats *ret_stats);

/* What the tenants' counters say together. */
struct room_totals {
	uint64_t evicted, evicted_bytes, replaced, refused, purged;
};
void room_totals(struct room_totals *ret_totals);
/* The stores' accounts, added up. */
void pool_totals(struct shrink_pool_stats *ret_stats);

#endif /* KVCACHED_TOTALS_H */

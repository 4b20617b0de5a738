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
/* Items of one size class, of all tenants. */
uint64_t items_in_class(unsigned int cls);

/* What the tenants' counters say together. */
struct room_totals {
	uint64_t evicted, replaced, refused;
};
void room_totals(struct room_totals *ret_totals);
/* The pools' accounts, added up. */
void pool_totals(struct shrink_pool_stats *ret_stats);

#endif /* KVCACHED_TOTALS_H */

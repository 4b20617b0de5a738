/* SPDX-License-Identifier: MIT */
/*
 * The hash table, one a tenant: shards, each with a lock, buckets that grow, and, where
 * the store does not know the order of use, a ring of its items (ring.h). Functions that
 * take a shard want its lock held.
 *
 * Lock order: shard > stripe of the negative cache > lists > the store's own locks.
 * Reclaim takes shard locks by trylock only, so it may run under anything.
 */
#ifndef KVCACHED_TABLE_H
#define KVCACHED_TABLE_H

#include <pthread.h>

#include "examples/kvcached/item.h"

#define SHARDS_MAX 128u

/* A circle that the hand enters at the oldest end. */
struct ring {
	struct item *oldest;
	struct item *newest;
	size_t count;
};

struct shard {
	pthread_mutex_t lock;
	struct item **buckets;
	size_t nr_buckets; /* power of two */
	size_t count;
	uint64_t bytes;		     /* of items, as sent: header, key, value */
	uint64_t hits, misses, sets; /* atomic */
	struct ring ring;
} __attribute__((aligned(64)));

struct table {
	struct shard *shards;
	unsigned int nr_shards; /* power of two, up to SHARDS_MAX */
};

/* 0 or -ENOMEM; half made it may be given to table_fini(). */
int table_init(struct table *t, unsigned int nr_shards);
/* Nobody else may be running; hands each item left to @drop. */
void table_fini(struct table *t, void (*drop)(struct item *it));

uint32_t table_hash(const char *key, size_t nkey);
/* The shard that a hash belongs to; any number is one. */
static inline struct shard *table_shard(const struct table *t, uint32_t hash)
{
	return &t->shards[hash & (t->nr_shards - 1)];
}

struct item *shard_find(struct shard *s, uint32_t hash, const char *key, size_t nkey);
/* Is this very object linked here? Trusts nothing in it. */
bool shard_holds(const struct shard *s, uint32_t hash, const struct item *it);
void shard_link(struct shard *s, struct item *it);
void shard_unlink(struct shard *s, struct item *it);
/* Unlinks those whose key begins with @prefix followed by @then, or all where @prefix
 * is NULL, and hands them to @drop. */
void shard_drop(struct shard *s, const char *prefix, char then, void (*drop)(struct item *it));
/* @to, a copy, is linked where @it is, which is not any more. */
void shard_replace(struct shard *s, struct item *it, struct item *to);
/* On the ring: it is the newest again. */
void shard_renew(struct shard *s, struct item *it);

#endif /* KVCACHED_TABLE_H */

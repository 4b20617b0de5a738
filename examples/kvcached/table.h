/* SPDX-License-Identifier: MIT */
/*
 * The hash table: shards, each with a lock, buckets that grow, and one clock of
 * its items per size class. Functions that take a shard want its lock held.
 *
 * Lock order: shard > stripe of the negative cache > the pool's own locks.
 * Reclaim takes shard locks by trylock only, so it may run under anything.
 */
#ifndef KVCACHED_TABLE_H
#define KVCACHED_TABLE_H

#include <pthread.h>

#include "examples/kvcached/item.h"

#define SHARD_BITS 7
#define SHARDS	   (1u << SHARD_BITS)
#define CLASSES	   128

/* A circle that the hand enters at the oldest end. */
struct clock_list {
	struct item *oldest;
	struct item *newest;
	size_t count;
};

struct shard {
	pthread_mutex_t lock;
	struct item **buckets;
	size_t nr_buckets; /* power of two */
	size_t count;
	uint64_t bytes; /* of items, as sent: header, key, value */
	struct clock_list clocks[CLASSES];
} __attribute__((aligned(64)));

/* 0 or -ENOMEM. */
int table_init(void);
/* Nobody else may be running; hands each item left to @drop. */
void table_fini(void (*drop)(struct item *it));

uint32_t table_hash(const char *key, size_t nkey);
struct shard *table_shard(uint32_t hash);
struct shard *table_shard_at(unsigned int index);

struct item *shard_find(struct shard *s, uint32_t hash, const char *key, size_t nkey);
/* Is this very object linked here? Trusts nothing in it. */
bool shard_holds(const struct shard *s, uint32_t hash, const struct item *it);
void shard_link(struct shard *s, struct item *it);
void shard_unlink(struct shard *s, struct item *it);
/* The oldest of a class that was not used since the hand last passed and that
 * nobody uses now; NULL if @looks looks find none. Still linked. */
struct item *shard_victim(struct shard *s, unsigned int cls, unsigned int looks);

#endif /* KVCACHED_TABLE_H */

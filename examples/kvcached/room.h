/* SPDX-License-Identifier: MIT */
/*
 * Memory for an item that comes: from the store, or in the place of others.
 */
#ifndef KVCACHED_ROOM_H
#define KVCACHED_ROOM_H

#include "examples/kvcached/tenant.h"

/* Memory for an item that will be stored under @hash, with one reference, its tenant and
 * lengths set and its value pinned; NULL if there is none and nothing could be evicted.
 * May take shard locks and reclaim: the caller holds no lock. */
struct item *room_alloc(struct tenant *t, uint32_t hash, size_t nkey, size_t nbytes);

/* Drops a reference, and gives the memory back if it was the last. */
void room_put(struct item *it);

/* An item's place of so many bytes has become the store's without room_put(). */
void room_gone(struct tenant *t, size_t bytes);

/* Times that shrink_reclaim() was called. */
uint64_t room_direct(void);

#endif /* KVCACHED_ROOM_H */

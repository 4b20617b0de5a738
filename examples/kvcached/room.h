/* SPDX-License-Identifier: MIT */
/*
 * Where items live: the server's half of its contract with libshrink. Read room.c
 * first to learn what libshrink asks.
 */
#ifndef KVCACHED_ROOM_H
#define KVCACHED_ROOM_H

#include "examples/kvcached/tenant.h"

/* The tenant's pool; @ceiling: bytes it may keep, 0 = as libshrink and the tenant's
 * limits permit. 0 or -errno. */
int room_open(struct tenant *t, size_t ceiling);
/* No item may be left. */
void room_close(struct tenant *t);

/* Memory for an item that will be stored under @hash, with one reference and its
 * class and tenant set; NULL if there is none and nothing could be evicted. May take
 * shard locks and reclaim: the caller holds no lock. */
struct item *room_alloc(struct tenant *t, uint32_t hash, size_t size);

/* Drops a reference, and gives the memory back if it was the last. */
void room_put(struct item *it);

/* Times that shrink_reclaim() was called. */
uint64_t room_direct(void);

#endif /* KVCACHED_ROOM_H */

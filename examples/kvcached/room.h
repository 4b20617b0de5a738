/* SPDX-License-Identifier: MIT */
/*
 * Where items live and who has to go for a new one: the server's half of its
 * contract with libshrink. Read room.c first to learn what libshrink asks.
 */
#ifndef KVCACHED_ROOM_H
#define KVCACHED_ROOM_H

#include <shrink/pool.h>

#include "examples/kvcached/item.h"

/* Counters of this file; any thread reads them. */
struct room_counters {
	uint64_t evicted;  /* taken by reclaim */
	uint64_t replaced; /* made room for another item */
	uint64_t refused;  /* stores refused for want of memory */
	uint64_t direct;   /* times shrink_reclaim() was called */
};

/* @ceiling: bytes the pool may keep, 0 = as libshrink permits. 0 or -errno. */
int room_init(size_t ceiling);
/* No item may be left. */
void room_fini(void);

/* Memory for an item that will be stored under @hash, with one reference and
 * its class set; NULL if there is none and nothing could be evicted. May take
 * shard locks and reclaim: the caller holds no lock. */
struct item *room_alloc(uint32_t hash, size_t size);

/* Drops a reference, and gives the memory back if it was the last. */
void room_put(struct item *it);

struct shrink_pool *room_pool(void);
void room_counters(struct room_counters *ret_counters);
/* Bytes of an object of class @cls, 0 = there is no such class yet. */
size_t room_class_bytes(unsigned int cls);

#endif /* KVCACHED_ROOM_H */

/* SPDX-License-Identifier: MIT */
/* Who goes for a new item, where the cache may not grow: always one of the same
 * tenant's. Any thread; takes shard locks, so the caller holds none. */
#ifndef KVCACHED_VICTIM_H
#define KVCACHED_VICTIM_H

#include "examples/kvcached/tenant.h"

/* Makes room for an object of @size that will be stored under @hash, by whatever the
 * policy is. Bytes freed: less than @size where there was not enough to be had. */
size_t victims_for(struct tenant *t, uint32_t hash, size_t size);
/* Once more, after the pool had no place for it in spite of that, @tries times already:
 * in the end victims of the object's own size class, whose place it takes. Bytes. */
size_t victims_again(struct tenant *t, uint32_t hash, size_t size, unsigned int tries);

#endif /* KVCACHED_VICTIM_H */

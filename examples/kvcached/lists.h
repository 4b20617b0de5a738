/* SPDX-License-Identifier: MIT */
/*
 * Which item goes for another one: libshrink's two lists and working set, in the
 * place of the clock that table.h has. An item used twice is active, and a scan
 * through many that are used once leaves it alone; one that comes back soon after it
 * was thrown out is active at once.
 *
 * The lists decide who goes. Where memory is to come back from a pool it is the pool that
 * decides which slabs, and asks the lists about what lies in them: lists_offer().
 *
 * Without the policy every function here is a no-op.
 */
#ifndef KVCACHED_LISTS_H
#define KVCACHED_LISTS_H

#include "examples/kvcached/ring.h"

/* Before the first tenant: all items are on lists, or none. */
void lists_use(bool lruvec);
bool lists_on(void);

/* 0 or -errno. */
int lists_open(struct tenant *t);
void lists_close(struct tenant *t);

/* Under the shard lock, as the item is linked: after a miss, or in the place of
 * @old, which had its key. */
void lists_add(struct tenant *t, struct item *it);
void lists_replace(struct tenant *t, struct item *old, struct item *it);
/* Under the shard lock: it goes for a reason that has nothing to do with memory. */
void lists_del(struct tenant *t, struct item *it);

/* Under the shard lock, from the pool's evict callback, with the lists only: may it
 * go? If so it is off them. */
bool lists_offer(struct tenant *t, struct item *it);

/* Lets items go until @want bytes of their places are free; what that is. Takes shard
 * locks by trying; the caller holds none. */
size_t lists_evict(struct tenant *t, size_t want);
/* The same for reclaim, in the ring's place. */
void lists_scan(struct tenant *t, struct ring_work *w);

#endif /* KVCACHED_LISTS_H */

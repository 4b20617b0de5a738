/* SPDX-License-Identifier: MIT */
/*
 * The order of use where the store does not know it: each shard has its items on a ring,
 * and a hand that gives those a second chance that were used since it last passed. A
 * tenant's rings together are a shrinker, counted in items; with the policy lruvec the
 * lists take the rings' place.
 *
 * This is the ordinary way to shrink a cache of malloc'ed objects. What it frees lies
 * wherever it lies: docs/memory.md says what comes back of that.
 */
#ifndef KVCACHED_RING_H
#define KVCACHED_RING_H

#include "examples/kvcached/tenant.h"

/* What looking for cold items has come to. */
struct ring_work {
	unsigned long want;  /* items to look at, at most */
	uint64_t want_bytes; /* enough, 0 = unknown */
	unsigned long looked, freed;
	uint64_t bytes;	   /* freed: places, and what belongs to them */
	uint64_t *counter; /* of the tenant's, what goes is counted in */
};

/* Registers the tenant's shrinker; @self_release: its store gives pages back by itself.
 * 0 or -errno. */
int ring_open(struct tenant *t, bool self_release);
/* NULL-safe: once it returns no scan runs. */
void ring_close(struct tenant *t);

/* Takes cold items one by one until the work is done, by trying each shard. */
void ring_evict(struct tenant *t, struct ring_work *w);
/* Under the shard's lock: may this one go now? If so it is unlinked, and the caller's. */
bool ring_take(struct tenant *t, struct shard *s, struct item *it, struct ring_work *w);
/* With no lock: what was taken is freed. */
void ring_drop(struct tenant *t, struct item *it, struct ring_work *w);

#endif /* KVCACHED_RING_H */

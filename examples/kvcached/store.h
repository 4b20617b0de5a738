/* SPDX-License-Identifier: MIT */
/*
 * Where items' bytes lie: the one seam between the server and its allocator, chosen by
 * --allocator when it starts.
 *
 *	pool     a page-true pool for each tenant (store_pool.c): evicted is returned
 *	malloc   the process's malloc (store_heap.c): libshrink's release stage trims it
 *	jemalloc an arena of jemalloc's for each tenant (store_heap.c): items on sparse
 *	         slabs go first (density.c), and the arena is purged behind them
 *
 * A store is a shrinker, charges what it takes to the tenant's group, and says no while
 * libshrink holds growth: then something has to be replaced.
 */
#ifndef KVCACHED_STORE_H
#define KVCACHED_STORE_H

#include "examples/kvcached/tenant.h"

struct store {
	const char *name;
	/* It knows itself which objects are cold: items have no ring. */
	bool knows_order;
	/* Bytes that one more object may cost. */
	size_t step;
	/* Why it cannot be had in this process; NULL: it can. */
	const char *(*missing)(void);
	/* @ceiling: bytes it may keep, 0 = as libshrink and the tenant's limits permit.
	 * 0 or -errno. */
	int (*open)(struct tenant *t, size_t ceiling);
	/* No object may be left. NULL-safe, half-open too. */
	void (*close)(struct tenant *t);
	/* NULL: growth is held, a limit is reached, or there is no memory. Neither this
	 * nor replace() may be called with a lock held. */
	void *(*alloc)(struct tenant *t, size_t size);
	void (*free)(struct tenant *t, void *object);
	/* Lets colder items of the tenant's go, so that alloc() of so much is worth a
	 * try. @tries: how often it was tried in vain. False: nothing would go. */
	bool (*replace)(struct tenant *t, size_t size, unsigned int tries);
	size_t (*usable)(const struct tenant *t, const void *object);
	struct shrinker *(*shrinker)(const struct tenant *t);
	/* In the pool's terms; what a heap cannot tell is 0. */
	void (*stats)(const struct tenant *t, struct shrink_pool_stats *ret_stats);
};

extern const struct store store_pool, store_malloc, store_jemalloc;

/* By name; NULL. */
const struct store *store_find(const char *name);
/* After lists_use() and purge_open(), before the first tenant. */
void store_use(const struct store *chosen);
/* The one in use. */
const struct store *store(void);

#endif /* KVCACHED_STORE_H */

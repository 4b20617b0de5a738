/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * A cache of the simplest kind on a page-true pool: an array of objects that each
 * know their place, and are full of bytes that tell it. Scans are driven through
 * the shrinker's own callbacks, so that each test decides how much is asked for.
 */
#ifndef TESTS_POOL_CACHE_H
#define TESTS_POOL_CACHE_H

#include <libshrink/pool/magazine.h>

#include "tests/harness.h"

/* Sizes and counts of any integer type, both shown when they differ. */
#define EQ(actual, expected)                                                                       \
	test_assert_int((long long)(actual), (long long)(expected), #actual, __FILE__, __LINE__)

#define PAGE 4096u
#define MIB  ((size_t)1 << 20)

struct object {
	uint32_t place, size;
	unsigned char fill[];
};

struct pool_cache {
	struct shrink_pool *pool;
	struct object **objects;
	unsigned int nr, live;
	enum shrink_evict verdict[4]; /* by place modulo modulus */
	unsigned int modulus;
	unsigned char *marks; /* a second chance of the cache's own, if any */
	uint64_t asked, damaged, moved;
	struct object *pending[4096];
	unsigned int nr_pending;
};

/* @max_bytes: of the pool, 0 = none. */
void pool_cache_open(struct pool_cache *c, unsigned int nr, size_t max_bytes);
/* The same, and objects can be moved; where the verdict is BUSY they refuse. */
void pool_cache_open_moving(struct pool_cache *c, unsigned int nr, size_t max_bytes);
void pool_cache_close(struct pool_cache *c);
/* NULL where the pool has no memory. */
struct object *pool_cache_put(struct pool_cache *c, unsigned int place, size_t size);
void pool_cache_drop(struct pool_cache *c, unsigned int place);
void pool_cache_fill(struct pool_cache *c, size_t size);
/* The pool's callback: answers c->verdict, after a look at the bytes. */
enum shrink_evict pool_cache_evict(void *arg, void *object, size_t size);
int pool_cache_intact(const struct object *o);
/* What this thread's magazines hold goes back to the slabs. */
void pool_cache_settle(struct shrink_pool *pool);
struct shrink_pool_stats pool_cache_stats(struct shrink_pool *pool);
/* What the shrinker answers. */
unsigned long pool_cache_count(struct shrink_pool *pool);
/* @pages to look at; the rest of @sc is the test's. */
unsigned long pool_cache_scan(struct shrink_pool *pool, struct shrink_control *sc,
			      unsigned long pages);
unsigned long pool_cache_scan_pages(struct shrink_pool *pool, unsigned long pages);
/* Pages of the pool's data that are in memory, as the kernel sees it. */
uint64_t pool_cache_resident(struct shrink_pool *pool);

/* A number of a sequence that is the same in every run. */
uint64_t pool_cache_random(uint64_t *state);

#endif /* TESTS_POOL_CACHE_H */

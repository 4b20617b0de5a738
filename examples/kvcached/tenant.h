/* SPDX-License-Identifier: MIT */
/*
 * Tenants: a key's prefix says whose it is, and each tenant's memory is limited and
 * protected by itself. A tenant has all that a cache has - table, pool, lists - and a
 * memory group of libshrink's, so that its limit is paid for with its own items in
 * pages of its own.
 *
 *	root (the process: the kernel's limits)
 *	  └─ kvcached  max = -m                      the whole
 *	       ├─ default                            keys of nobody else's
 *	       ├─ acme      min, low, high, max      "acme:..."
 *	       └─ ...
 *
 * Without tenants there is the default one alone, in the root group. Tenants are
 * declared, on the command line or at run time, never made from a key: a client could
 * make as many as it likes. They stay until the server ends, so that a tenant that
 * was looked up may be used without a reference.
 */
#ifndef KVCACHED_TENANT_H
#define KVCACHED_TENANT_H

#include <stdbool.h>

#include <shrink/arena.h>
#include <shrink/memcg.h>
#include <shrink/pool.h>
#include <shrink/region.h>

#include "examples/kvcached/options.h"
#include "examples/kvcached/proto.h"
#include "examples/kvcached/table.h"

#define TENANTS_MAX	64 /* the default one included */
#define TENANT_NAME_MAX 32

struct tenant {
	char name[TENANT_NAME_MAX + 1];
	unsigned char index;
	struct table table;
	struct shrink_lruvec *lists; /* NULL: the policy is the clock */
	struct shrink_memcg *memcg;  /* NULL: the process's */
	/* the store's, see store.h: of the pool, or of a heap */
	struct shrink_pool *pool;
	const struct shrink_fast_pool *fast; /* the pool's marks */
	struct shrink_arena *arena;
	struct shrinker *shrinker;
	struct density *density;
	/* atomic from here on */
	uint64_t bytes;		/* of its items' places */
	uint64_t objects;	/* a heap's account: how many, */
	uint64_t credit;	/* what victims have freed beyond what was needed, */
	uint64_t dirty;		/* what was freed since the last purge */
	uint32_t hand;		/* of the rings: the shard to look at next */
	uint64_t evicted;	/* items taken by reclaim */
	uint64_t evicted_bytes; /* of their places */
	uint64_t replaced;	/* items that made room for another */
	uint64_t refused;	/* stores refused for want of memory */
	uint64_t purged;	/* values the kernel had taken when they were asked for */
	uint64_t throttled; /* requests after which the client had to wait */
};

/* The default tenant, and those of the options. 0 or -errno, after saying why. */
int tenants_init(const struct options *options);
/* With nobody else running. */
void tenants_fini(void);
/* Are there others than the default one, or may there be? */
bool tenants_on(void);

/* Whose key is it? Never NULL. */
struct tenant *tenant_of(struct span key);
/* 0 .. tenants_count() - 1; 0 is the default one. */
struct tenant *tenant_at(unsigned int index);
unsigned int tenants_count(void);
/* By name; NULL. */
struct tenant *tenant_find(struct span name);

/* A new one. What is stored under its prefix as the default tenant's is dropped: it
 * could not be found any more. 0; -EINVAL: no good name; -EEXIST; -ENOSPC: there are
 * TENANTS_MAX; -EPERM: tenants are off; -ENOMEM. */
int tenant_add(struct span name);

/* A limit's name: min, low, high, max; false if it is none. */
bool tenant_limit_named(struct span word, enum shrink_memcg_limit *ret_which);
/* Bytes, with k, m, g for 2^10, 2^20, 2^30, or "none" for no limit. */
bool tenant_parse_size(struct span word, uint64_t *ret_bytes);

/* Takes effect at once, by reclaim in this thread where need be. 0; -EBUSY: it is
 * set, usage is still above it; -ENOSPC: min of all together would exceed the
 * server's ceiling. */
int tenant_set_limit(struct tenant *t, enum shrink_memcg_limit which, uint64_t bytes);

/* All tenants together; NULL: the process. */
struct shrink_memcg *tenants_group(void);
/* What all may take up together; 0 = no such ceiling, or the pool alone sees to it. */
uint64_t tenants_ceiling(void);
/* Of the ceiling, in equal parts for all that have anything. */
uint64_t tenants_share(void);

#endif /* KVCACHED_TENANT_H */

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The library's pool, as shrink-replay has it; objects are written in full, as a server's
 * are. */
#include <stdlib.h>

#include <shrink/shrink.h>

#include "tools/bench/pool/caches.h"

static struct shrink_pool_stats stats(void *cache)
{
	struct shrink_pool_stats st = {0};

	shrink_pool_stats(policy_pool_of(cache), &st, sizeof(st));
	return st;
}

static void shrink(void *cache, uint64_t bytes, struct shrunk *ret)
{
	struct shrinker *s = shrink_pool_shrinker(policy_pool_of(cache));
	struct shrink_pool_stats before = stats(cache), now = before;
	int rounds = 0;

	while (now.returned_bytes - before.returned_bytes < bytes && rounds++ < 1 << 16) {
		struct shrink_control sc = {.gfp_mask = SHRINK_GFP_ALL,
					    .nr_to_scan = 128,
					    .nr_scanned = 128,
					    .bytes_to_free = bytes - (now.returned_bytes -
								      before.returned_bytes)};

		s->scan_objects(s, &sc);
		now = stats(cache);
	}
	ret->evicted = now.evicted_bytes - before.evicted_bytes;
}

struct cache cache_pool = {.shrink = shrink}, cache_pool_move = {.shrink = shrink};

void cache_pool_init(void)
{
	policy_pool_fill = true;
	cache_pool.policy = policy_pool;
	cache_pool_move.policy = policy_pool_move;
	cache_pool_move.policy.name = "pool, survivors move";
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Room: how much a cache may grow now.
 *
 * All of the room is what is free above the high watermark, and after a hold what the
 * ramp has let through (level.c). Told to each of n caches that grow at once it
 * would be taken n times before the next look, so it is divided: by weight, among
 * those that have asked lately. A cache that has not asked gets its part when it
 * does, and is counted from then on; who asks alone gets all.
 *
 * Two epochs are kept, the one that is filling and the one before, and the larger
 * sum counts: at the begin of an epoch nobody has asked in it yet.
 *
 * What a cache is to keep, and what a group is protected by, it may always take:
 * else a cold cache could never warm up beside full ones.
 */
#include <stdatomic.h>

#include <shrink/memcg.h>
#include <libshrink/base/bits.h>
#include <libshrink/core/core.h>
#include <libshrink/core/memcg-account.h>
#include <libshrink/reclaim/level.h>

#define EPOCH_NSEC (100 * NSEC_PER_MSEC)

static _Atomic uint64_t epoch = 1;
static _Atomic uint64_t asking;  /* weights that have asked in this epoch, */
static _Atomic uint64_t before;  /*	and in the one before */
static uint64_t epoch_since;     /* monitor only */

void shrink_room_turn(uint64_t now)
{
	if (now - epoch_since < EPOCH_NSEC)
		return;
	epoch_since = now;
	atomic_store_explicit(&before, atomic_exchange_explicit(&asking, 0, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_fetch_add_explicit(&epoch, 1, memory_order_relaxed);
}

/* Its weight among all that grow. Two threads that ask for one cache at once may
 * count it twice, which makes its share smaller for a tenth of a second. */
static uint64_t share_of(struct shrinker_impl *s, uint64_t room)
{
	uint64_t now = atomic_load_explicit(&epoch, memory_order_relaxed);
	uint64_t weight = shrink_max_u64(
		atomic_load_explicit(&s->weight, memory_order_relaxed), 1);
	uint64_t all;

	if (atomic_load_explicit(&s->asked_room, memory_order_relaxed) != now) {
		atomic_store_explicit(&s->asked_room, now, memory_order_relaxed);
		atomic_fetch_add_explicit(&asking, weight, memory_order_relaxed);
	}
	all = shrink_max_u64(atomic_load_explicit(&asking, memory_order_relaxed),
			     atomic_load_explicit(&before, memory_order_relaxed));
	return room == UINT64_MAX || all <= weight ? room : shrink_mul_div(room, weight, all);
}

static uint64_t objects_of(const struct shrinker_impl *s)
{
	uint64_t n = 0;

	for (int i = 0; i < s->nr_nodes; i++)
		n = shrink_add_u64(n, s->pub.owner ?
			atomic_load_explicit(&s->node[i].pub_objects, memory_order_relaxed) :
			atomic_load_explicit(&s->node[i].last_count, memory_order_relaxed));
	return n;
}

/* keep is per node and per group, as it is when reclaim spares it; for growing it
 * is what the cache has in all. */
static uint64_t below_keep(struct shrinker_impl *s)
{
	uint64_t keep = atomic_load_explicit(&s->keep, memory_order_relaxed);

	if (!keep)
		return 0;
	return shrink_mul_div(shrink_sub_u64(keep, objects_of(s)), shrinker_object_bytes(s), 1);
}

uint64_t shrink_room(const struct shrinker *pub)
{
	struct shrinker_impl *s = shrinker_impl(pub);

	if (!pub)
		return shrink_level_room();
	return shrink_max_u64(share_of(s, shrink_level_room()), below_keep(s));
}

static uint64_t below_limits(struct shrink_memcg *m)
{
	uint64_t limit = shrink_min_u64(shrink_memcg_limit_now(m, SHRINK_MEMCG_LIMIT_HIGH),
					shrink_memcg_limit_now(m, SHRINK_MEMCG_LIMIT_MAX));

	return limit == SHRINK_MEMCG_MAX ? UINT64_MAX :
		shrink_sub_u64(limit, shrink_memcg_usage_now(m));
}

uint64_t shrink_memcg_room(struct shrink_memcg *memcg)
{
	uint64_t room = UINT64_MAX, own;

	if (shrink_memcg_is_root(memcg))
		return shrink_level_room();
	if (!shrink_memcg_is_online(memcg))
		return 0;
	for (struct shrink_memcg *m = memcg; m->parent; m = m->parent)
		room = shrink_min_u64(room, below_limits(m));
	own = shrink_sub_u64(shrink_memcg_limit_now(memcg, SHRINK_MEMCG_LIMIT_MIN),
			     shrink_memcg_usage_now(memcg));
	return shrink_min_u64(room, shrink_max_u64(shrink_level_room(), own));
}

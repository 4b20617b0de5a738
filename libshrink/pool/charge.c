// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>

#include <libshrink/core/memcg-account.h>
#include <libshrink/pool/charge.h>
#include <libshrink/pool/slab.h>

static _Atomic(const struct shrink_pool_hooks *) hooks;

void shrink_pool_set_hooks(const struct shrink_pool_hooks *h)
{
	atomic_store_explicit(&hooks, h, memory_order_release);
}

static int charge(struct shrink_memcg *memcg, uint64_t bytes, const struct shrink_pool_hooks *h)
{
	struct shrink_memcg *over;

	if (!atomic_load_explicit(&memcg->online, memory_order_relaxed))
		return -ESTALE;
	/* the caller may hold its own locks */
	return h ? h->charge(memcg, bytes, SHRINK_GFP_NOLOCK)
		 : shrink_memcg_try_charge(memcg, bytes, &over);
}

/* What its group has less than its min is nobody else's: others pay (room.c). */
static int is_protected(const struct shrink_pool *pool, uint64_t bytes)
{
	return !shrink_memcg_is_root(pool->memcg) &&
	       shrink_add_u64(shrink_memcg_usage_now(pool->memcg), bytes) <=
		       shrink_memcg_limit_now(pool->memcg, SHRINK_MEMCG_LIMIT_MIN);
}

static int growth_is_held(struct shrink_pool *pool, uint64_t bytes)
{
	const struct shrink_pool_hooks *h = atomic_load_explicit(&hooks, memory_order_acquire);

	return pool->flags & SHRINK_POOL_ROOM && h && h->room(pool->shrinker) < bytes &&
	       !is_protected(pool, bytes);
}

/* While growth is held, what shrink_pool_make_room() has given back may be taken again:
 * a slab of one class makes room for one of another. */
static int take_regrow(struct shrink_pool *pool, uint64_t bytes)
{
	uint64_t seen = load_relaxed(&pool->regrow_bytes);

	while (seen >= bytes) {
		if (atomic_compare_exchange_weak_explicit(&pool->regrow_bytes, &seen, seen - bytes,
							  memory_order_relaxed,
							  memory_order_relaxed))
			return 1;
	}
	return 0;
}

static int is_charged(const struct shrink_pool *pool)
{
	return pool->flags & SHRINK_POOL_CHARGE && pool->memcg;
}

int shrink_pool_has_room(struct shrink_pool *pool, uint64_t bytes)
{
	struct shrink_memcg *m = is_charged(pool) ? pool->memcg : NULL;

	for (; !shrink_memcg_is_root(m); m = m->parent)
		if (shrink_add_u64(shrink_memcg_usage_now(m), bytes) >
		    shrink_memcg_limit_now(m, SHRINK_MEMCG_LIMIT_MAX))
			return 0;
	return !growth_is_held(pool, bytes) || load_relaxed(&pool->regrow_bytes) >= bytes;
}

int shrink_pool_charge(struct shrink_pool *pool, uint64_t bytes)
{
	const struct shrink_pool_hooks *h = atomic_load_explicit(&hooks, memory_order_acquire);

	if (!growth_is_held(pool, bytes))
		store_relaxed(&pool->regrow_bytes, 0); /* that hold is over */
	else if (!take_regrow(pool, bytes))
		return -EAGAIN;
	return is_charged(pool) ? charge(pool->memcg, bytes, h) : 0;
}

/* Straight back, past the threads' stocks: reclaim sees at once what it did. */
void shrink_pool_uncharge(struct shrink_pool *pool, uint64_t bytes)
{
	if (is_charged(pool) && bytes)
		shrink_memcg_do_uncharge(pool->memcg, bytes);
}

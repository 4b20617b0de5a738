// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/base/atfork.h>
#include <libshrink/pool/fork.h>
#include <libshrink/pool/magazine.h>

static pthread_mutex_t pools_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shrink_list pools = SHRINK_LIST_INIT(pools);

void shrink_pool_list_lock(void)
{
	pthread_mutex_lock(&pools_lock);
}

void shrink_pool_list_unlock(void)
{
	pthread_mutex_unlock(&pools_lock);
}

void shrink_pool_list_each(void (*fn)(struct shrink_pool *pool, void *arg), void *arg)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos, &pools)
		fn(shrink_list_entry(pos, struct shrink_pool, in_pools), arg);
}

static void lock_all(struct shrink_pool *pool)
{
	pthread_mutex_lock(&pool->hand_lock);
	for (unsigned int i = 0; i < CLASS_LOCKS; i++)
		pthread_mutex_lock(&pool->locks[i].mutex);
	pthread_mutex_lock(&pool->extent_lock);
}

static void unlock_all(struct shrink_pool *pool)
{
	pthread_mutex_unlock(&pool->extent_lock);
	for (unsigned int i = CLASS_LOCKS; i-- > 0;)
		pthread_mutex_unlock(&pool->locks[i].mutex);
	pthread_mutex_unlock(&pool->hand_lock);
}

static void prepare(void)
{
	struct shrink_list *pos;

	pthread_mutex_lock(&pools_lock);
	shrink_list_for_each(pos, &pools)
		lock_all(shrink_list_entry(pos, struct shrink_pool, in_pools));
}

static void parent(void)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos, &pools)
		unlock_all(shrink_list_entry(pos, struct shrink_pool, in_pools));
	pthread_mutex_unlock(&pools_lock);
}

/* What magazines of the parent's threads held of it is free. */
static void empty_magazines(struct shrink_pool *pool, struct pool_class *class,
			    struct pool_slab *slab)
{
	if (shrink_pool_magazine_steal(pool, class, slab))
		shrink_pool_list_put(pool, class, slab);
}

/* One slab that a thread we do not have was busy with: evicting it, or on the
 * way to give its pages back. */
static void adopt(struct shrink_pool *pool, struct pool_slab *slab)
{
	uint32_t tag = load_relaxed(&slab->tag);
	struct pool_class *class = &pool->classes[tag >> 8];
	struct pool_run run = {.nr = 0};

	if ((tag & 0xff) == SLAB_EVICTING) {
		store_relaxed(&slab->tag, pool_tag(tag >> 8, SLAB_ACTIVE));
		shrink_pool_magazine_steal(pool, class, slab);
		shrink_pool_list_put(pool, class, slab);
	} else if ((tag & 0xff) == SLAB_FREE) {
		shrink_pool_run_add(pool, &run, slab);
		shrink_pool_run_flush(pool, &run);
	} else if ((tag & 0xff) == SLAB_ACTIVE) {
		empty_magazines(pool, class, slab);
	}
}

static void adopt_all(struct shrink_pool *pool)
{
	for (uint32_t e = 0; e < load_relaxed(&pool->nr_extents); e++) {
		struct pool_extent *extent = pool_extent(pool, e);
		size_t offset = (size_t)e << EXTENT_SHIFT;

		for (uint32_t p = 0; p < EXTENT_UNITS; p++) {
			uint32_t stride = load_relaxed(&extent->stride);

			if (load_relaxed(&extent->used[p / 64]) & UINT64_C(1) << p % 64)
				adopt(pool, pool_slab_at(pool, offset + ((size_t)p << stride)));
		}
	}
}

static void child(void)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos, &pools) {
		struct shrink_pool *pool = shrink_list_entry(pos, struct shrink_pool, in_pools);

		unlock_all(pool);
		pool->scans = 0;
		/* Only this thread exists: no lock is needed to look around */
		adopt_all(pool);
		shrink_pool_magazines_fork(pool);
	}
	pthread_mutex_unlock(&pools_lock);
}

int shrink_pool_enlist(struct shrink_pool *pool)
{
	static const struct shrink_fork_hooks hooks = {prepare, parent, child};
	int r = shrink_fork_register(SHRINK_FORK_POOL, &hooks);

	if (r < 0)
		return r;
	pthread_mutex_lock(&pools_lock);
	shrink_list_add_tail(&pool->in_pools, &pools);
	pthread_mutex_unlock(&pools_lock);
	return 0;
}

void shrink_pool_delist(struct shrink_pool *pool)
{
	pthread_mutex_lock(&pools_lock);
	shrink_list_del(&pool->in_pools);
	pthread_mutex_unlock(&pools_lock);
}

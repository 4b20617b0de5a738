// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* A pool's account, its classes', and that of all pools of a node or a group. */
#include <errno.h>
#include <string.h>

#include <libshrink/pool/fork.h>
#include <libshrink/pool/magazine.h>

/* What is live of a class: taken, and in no magazine. fork.c's lock and the class lock. */
static void live_of(struct shrink_pool *pool, unsigned int index, uint64_t *ret_objects,
		    uint64_t *ret_bytes)
{
	const struct pool_class *class = &pool->classes[index];
	uint64_t cached = (uint64_t)shrink_pool_magazine_cached(pool, index);

	*ret_objects = shrink_sub_u64(class->taken_objects, cached);
	*ret_bytes = shrink_sub_u64(class->taken_bytes, cached * class->geo.size);
}

static void sum_classes(struct shrink_pool *pool, struct shrink_pool_stats *stats)
{
	for (unsigned int i = 0; i < SHRINK_CLASSES; i++) {
		uint64_t objects, bytes;

		pthread_mutex_lock(pool_class_lock(pool, i));
		live_of(pool, i, &objects, &bytes);
		pthread_mutex_unlock(pool_class_lock(pool, i));
		stats->live_objects += objects;
		stats->live_bytes += bytes;
	}
}

/* Adds the pool's account to @stats. fork.c's lock held. */
static void add(struct shrink_pool *pool, struct shrink_pool_stats *stats)
{
	uint64_t live = stats->live_bytes, slab_bytes;

	sum_classes(pool, stats);
	pthread_mutex_lock(&pool->extent_lock);
	slab_bytes = load_relaxed(&pool->resident_pages) * pool->page;
	stats->resident_bytes += slab_bytes + pool->table_bytes;
	stats->slabs += load_relaxed(&pool->nr_slabs);
	pthread_mutex_unlock(&pool->extent_lock);
	stats->free_bytes += shrink_sub_u64(slab_bytes, stats->live_bytes - live);
	stats->evicted_objects += load_relaxed(&pool->evicted_objects);
	stats->evicted_bytes += load_relaxed(&pool->evicted_bytes);
	stats->returned_bytes += load_relaxed(&pool->returned_bytes);
	stats->busy += load_relaxed(&pool->busy);
	stats->referenced += load_relaxed(&pool->referenced);
	stats->pending += load_relaxed(&pool->pending);
	stats->bad_frees += load_relaxed(&pool->bad_frees);
	stats->damaged += load_relaxed(&pool->damaged);
	stats->moved_objects += load_relaxed(&pool->moved_objects);
	stats->moved_bytes += load_relaxed(&pool->moved_bytes);
}

/* As much of it as the caller knows. */
static void hand_out(void *to, size_t size, const void *from, size_t have)
{
	memset(to, 0, size);
	memcpy(to, from, size < have ? size : have);
}

int shrink_pool_stats(struct shrink_pool *pool, struct shrink_pool_stats *ret_stats, size_t size)
{
	struct shrink_pool_stats stats = {0};

	if (!pool || !ret_stats || !size)
		return -EINVAL;
	shrink_pool_list_lock();
	add(pool, &stats);
	shrink_pool_list_unlock();
	hand_out(ret_stats, size, &stats, sizeof(stats));
	return 0;
}

struct selection {
	int nid;
	const struct shrink_memcg *memcg;
	struct shrink_pool_stats stats;
};

static void add_selected(struct shrink_pool *pool, void *arg)
{
	struct selection *s = arg;

	if ((s->nid == SHRINK_NUMA_NO_NODE || pool->nid == s->nid) &&
	    (!s->memcg || pool->memcg == (shrink_memcg_is_root(s->memcg) ? NULL : s->memcg)))
		add(pool, &s->stats);
}

int shrink_pools_stats(int nid, const struct shrink_memcg *memcg,
		       struct shrink_pool_stats *ret_stats, size_t size)
{
	struct selection s = {.nid = nid, .memcg = memcg};

	if (!ret_stats || !size || nid < SHRINK_NUMA_NO_NODE)
		return -EINVAL;
	shrink_pool_list_lock();
	shrink_pool_list_each(add_selected, &s);
	shrink_pool_list_unlock();
	hand_out(ret_stats, size, &s.stats, sizeof(s.stats));
	return 0;
}

int shrink_pool_class_stats(struct shrink_pool *pool, unsigned int index,
			    struct shrink_pool_class_stats *ret_stats, size_t size)
{
	struct shrink_pool_class_stats stats = {0};
	const struct pool_class *class;

	if (!pool || !ret_stats || !size)
		return -EINVAL;
	if (index >= SHRINK_CLASSES)
		return -ENOENT;
	class = &pool->classes[index];
	shrink_pool_list_lock();
	pthread_mutex_lock(pool_class_lock(pool, index));
	live_of(pool, index, &stats.live_objects, &stats.live_bytes);
	stats.object_size = class->geo.size;
	stats.slabs = class->slabs;
	stats.resident_bytes = class->pages * pool->page;
	stats.dirty_bytes = shrink_sub_u64(stats.resident_bytes, stats.live_bytes);
	stats.empty_slabs = load_relaxed(&class->nr_empty);
	for (unsigned int q = 0; q < QUARTERS; q++)
		stats.partial_slabs[q] = class->nr_partial[q];
	pthread_mutex_unlock(pool_class_lock(pool, index));
	shrink_pool_list_unlock();
	hand_out(ret_stats, size, &stats, sizeof(stats));
	return 0;
}

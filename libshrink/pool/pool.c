// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* A pool's life, and its account. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/log.h>
#include <libshrink/core/memcg.h>
#include <libshrink/os/alloc.h>
#include <libshrink/os/map.h>
#include <libshrink/os/mem.h>
#include <libshrink/os/numa.h>
#include <libshrink/pool/fork.h>
#include <libshrink/pool/guard.h>
#include <libshrink/pool/magazine.h>

#define OBJECT_MAX_DEFAULT ((size_t)1 << 20)
#define RESERVE_MIN ((uint64_t)16 << 30)
#define RESERVE_FACTOR 64 /* nine strides, each at its own peak, half empty */
#define RESERVE_MAX ((uint64_t)1 << 45)
#define RESERVE_SMALLEST ((uint64_t)64 << 20)
#define PAGE_MAX ((size_t)16 << 10) /* a unit must be whole pages */
#define FLAGS (SHRINK_POOL_BIND | SHRINK_POOL_ROOM | SHRINK_POOL_CHARGE | SHRINK_POOL_DEBUG | \
	       SHRINK_POOL_HUGE)

static int check(const struct shrink_pool_options *o)
{
	if (o->object_max > EXTENT_SIZE || o->seeks < 0 || o->flags & ~FLAGS)
		return -EINVAL;
	if (o->flags & SHRINK_POOL_CHARGE && shrink_memcg_is_root(o->memcg))
		return -EINVAL;
	if (o->flags & SHRINK_POOL_BIND && (o->nid < 0 || o->nid >= shrink_os_numa_nodes()))
		return -EINVAL;
	return shrink_os_page_size() > PAGE_MAX ? -ENOTSUP : 0;
}

/* What the caller knows of the options; the rest is zero. */
static void take_options(const struct shrink_pool_options *options, size_t size,
			 struct shrink_pool_options *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (options)
		memcpy(ret, options, size < sizeof(*ret) ? size : sizeof(*ret));
}

static uint64_t default_reserve(void)
{
	uint64_t ram = shrink_os_map_ram();

	return shrink_clamp_u64(ram * RESERVE_FACTOR, RESERVE_MIN, RESERVE_MAX);
}

static int reserve_exactly(struct shrink_pool *pool, uint64_t bytes)
{
	uint64_t extents = (bytes + EXTENT_SIZE - 1) >> EXTENT_SHIFT;

	/* headers are numbered in 32 bits, and addresses end at 47 */
	if (extents > UINT32_MAX >> 8)
		return -ENOMEM;
	pool->map_size = extents * (EXTENT_SIZE + TABLE_SIZE + 2 * MARKS_SIZE);
	if (pool->flags & SHRINK_POOL_HUGE)
		pool->map_size += SHRINK_CLASS_HUGE;
	/* which extents may have huge ones is told when they come into use */
	pool->map = shrink_os_map_reserve(pool->map_size, SHRINK_OS_PAGES_SMALL);
	if (!pool->map)
		return -ENOMEM;
	pool->data = pool->map;
	if (pool->flags & SHRINK_POOL_HUGE)
		pool->data += -(uintptr_t)pool->map & (SHRINK_CLASS_HUGE - 1);
	pool->tables = pool->data + extents * EXTENT_SIZE;
	pool->marks = pool->tables + extents * TABLE_SIZE;
	pool->ages = pool->marks + extents * MARKS_SIZE;
	pool->fast = (struct shrink_fast_pool){(uintptr_t)pool->data, pool->marks};
	pool->max_extents = (uint32_t)extents;
	return 0;
}

/* An address limit (RLIMIT_AS) may be far below what we would like. */
static int reserve(struct shrink_pool *pool, uint64_t wanted)
{
	uint64_t bytes = wanted ? wanted : default_reserve();
	int r = reserve_exactly(pool, bytes);

	while (r < 0 && !wanted && bytes / 2 >= RESERVE_SMALLEST) {
		bytes /= 2;
		r = reserve_exactly(pool, bytes);
	}
	return r;
}

static void bind_node(struct shrink_pool *pool)
{
	int r = shrink_os_map_bind(pool->map, pool->map_size, pool->nid);

	/* nodes made up by configuration, or no policies here: never fatal (G9) */
	if (r < 0)
		shrink_warn("pool %s: memory is not bound to node %d: %s", pool->name, pool->nid,
			    strerror(-r));
}

static void init_locks(struct shrink_pool *pool)
{
	for (unsigned int i = 0; i < CLASS_LOCKS; i++)
		pthread_mutex_init(&pool->locks[i].mutex, NULL);
	pthread_mutex_init(&pool->extent_lock, NULL);
	pthread_mutex_init(&pool->hand_lock, NULL);
	pthread_cond_init(&pool->hand_idle, NULL);
}

static void init_lists(struct shrink_pool *pool, unsigned int flags)
{
	static _Atomic uint64_t serials;

	pool->flags = flags;
	pool->serial = add_relaxed(&serials, 1) + 1;
	shrink_list_init(&pool->magazines);
	for (unsigned int i = 0; i < SHRINK_CLASSES; i++)
		shrink_pool_class_init(pool, i);
	for (unsigned int i = 0; i <= STRIDES; i++)
		shrink_list_init(&pool->extents_partial[i]);
	shrink_list_init(&pool->extents_free);
	shrink_list_init(&pool->in_pools);
}

static int add_shrinker(struct shrink_pool *pool, int seeks)
{
	unsigned int flags = SHRINKER_SELF_RELEASE | SHRINKER_DIRECT;
	struct shrinker *s;
	int r;

	if (pool->nid >= 0)
		flags |= SHRINKER_NUMA_AWARE;
	if (pool->memcg)
		flags |= SHRINKER_MEMCG_AWARE;
	s = shrinker_alloc(flags, "%s", pool->name);
	if (!s)
		return -errno;
	s->count_objects = shrink_pool_count;
	s->scan_objects = shrink_pool_scan;
	s->private_data = pool;
	s->object_size = pool->page;
	s->seeks = seeks ? seeks : SHRINK_DEFAULT_SEEKS;
	pool->shrinker = s;
	r = shrinker_register(s);
	/* Once and for all: count answers 0 for an empty pool of a group, never EMPTY,
	 * so that a slab more or less does not cost a look at the bit */
	if (!r && pool->memcg)
		shrink_memcg_set_bit(pool->memcg, pool->nid < 0 ? 0 : pool->nid, s);
	return r;
}

static int set_up(struct shrink_pool *pool, const struct shrink_pool_options *o)
{
	int r;

	pool->nid = o->flags & SHRINK_POOL_BIND ? o->nid : SHRINK_NUMA_NO_NODE;
	pool->watch = shrink_pool_watch(o->flags);
	pool->object_max = o->object_max ? o->object_max : OBJECT_MAX_DEFAULT;
	if (pool_place_bytes(pool, pool->object_max) > EXTENT_SIZE)
		pool->object_max = EXTENT_SIZE - POOL_GUARD_BYTES;
	pool->max_bytes = o->max_bytes;
	pool->evict = o->evict;
	pool->move = o->evict ? o->move : NULL;
	pool->arg = o->arg;
	if (!shrink_memcg_is_root(o->memcg))
		pool->memcg = shrink_memcg_get(o->memcg);
	r = reserve(pool, o->reserve);
	if (r < 0)
		return r;
	if (pool->nid >= 0)
		bind_node(pool);
	r = shrink_pool_enlist(pool);
	if (r < 0)
		return r;
	return pool->evict ? add_shrinker(pool, o->seeks) : 0;
}

/* Ends scans and settles what they reported as pending: nobody will free it. */
static void quiesce(struct shrink_pool *pool)
{
	uint64_t pending;

	pthread_mutex_lock(&pool->hand_lock);
	pool->dying = 1;
	while (pool->scans)
		pthread_cond_wait(&pool->hand_idle, &pool->hand_lock);
	pthread_mutex_unlock(&pool->hand_lock);
	pending = load_relaxed(&pool->pending_pages);
	if (pending)
		shrink_pool_complete(pool, pending);
}

void shrink_pool_destroy(struct shrink_pool *pool)
{
	if (!pool)
		return;
	quiesce(pool);
	shrinker_free(pool->shrinker);
	shrink_pool_magazines_drop(pool);
	shrink_pool_delist(pool);
	shrink_pool_uncharge(pool, load_relaxed(&pool->resident_pages) * pool->page);
	shrink_memcg_put(pool->memcg);
	shrink_pool_guard_destroy(pool);
	shrink_os_map_unreserve(pool->map, pool->map_size);
	pthread_cond_destroy(&pool->hand_idle);
	pthread_mutex_destroy(&pool->hand_lock);
	pthread_mutex_destroy(&pool->extent_lock);
	for (unsigned int i = 0; i < CLASS_LOCKS; i++)
		pthread_mutex_destroy(&pool->locks[i].mutex);
	shrink_os_free(pool);
}

struct shrink_pool *shrink_pool_create(const struct shrink_pool_options *options, size_t size,
				       const char *fmt, ...)
{
	struct shrink_pool_options o;
	struct shrink_pool *pool;
	va_list args;
	int r;

	take_options(options, size, &o);
	r = fmt && *fmt ? check(&o) : -EINVAL;
	pool = r < 0 ? NULL : shrink_os_alloc(sizeof(*pool));
	if (pool) {
		pool->page = shrink_os_page_size();
		init_locks(pool);
		init_lists(pool, o.flags);
		va_start(args, fmt);
		vsnprintf(pool->name, sizeof(pool->name), fmt, args);
		va_end(args);
		r = *pool->name ? set_up(pool, &o) : -EINVAL;
	} else if (!r) {
		r = -ENOMEM;
	}
	if (r < 0) {
		shrink_pool_destroy(pool);
		errno = -r;
		return NULL;
	}
	return pool;
}

const struct shrink_fast_pool *shrink_pool_fast(const struct shrink_pool *pool)
{
	return pool ? &pool->fast : NULL;
}

struct shrinker *shrink_pool_shrinker(struct shrink_pool *pool)
{
	return pool ? pool->shrinker : NULL;
}

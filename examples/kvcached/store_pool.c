/* SPDX-License-Identifier: MIT */
/*
 * Items in page-true pools, one a tenant. Evicted one by one from malloc's heap in LRU
 * order they would return about 1 % of their bytes to the system, because every page
 * keeps a survivor; the pool asks for the items of whole slabs, and moves those that are
 * in use to others.
 *
 * It knows from its own marks which items are cold, charges its slabs to the tenant's
 * group, and grows only while libshrink has room: so all that is left to do here is to
 * answer its two questions.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <shrink/shrink.h>

#include "examples/kvcached/clock.h"
#include "examples/kvcached/items.h"
#include "examples/kvcached/lists.h"
#include "examples/kvcached/purge.h"
#include "examples/kvcached/ring.h"
#include "examples/kvcached/room.h"
#include "examples/kvcached/store.h"

/* Addresses for each of several tenants, no memory: all must fit 47 bits together, and
 * whatever limit there is on addresses. */
#define RESERVE_FACTOR 8 /* times the machine's memory */
#define RESERVE_MAX    ((size_t)1 << 39)
#define RESERVE_MIN    ((size_t)1 << 28)

#define KEEP_BYTES ((size_t)256 << 10) /* a cache may always have so much */
#define LIST_TRIES 8
#define SHARED_MAX ((size_t)32 << 10) /* objects above have pages of their own, and leave none */

/* Set while this thread replaces: what goes then made room for another item. */
static __thread bool replacing;

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1u, __ATOMIC_RELAXED);
}

/*
 * libshrink: "may this object go?" Asked on a reclaiming thread for each object of a
 * slab the pool would like to give back. The pool knows which places are in use, not
 * what is in them: the object may be half filled, or freed a moment ago, so nothing in it
 * is believed until its shard, under its lock, knows the address. Never waits: who holds
 * a shard lock may be waiting for memory.
 */
static enum shrink_evict evict_locked(struct tenant *t, struct shard *s, uint32_t hash,
				      struct item *it, size_t size)
{
	if (!shard_holds(s, hash, it))
		return SHRINK_BUSY;
	/* libshrink: what counts of it is in the region, and the ring's to give */
	if (it->paged)
		return SHRINK_BUSY;
	if (!items_alive(it, clock_now()))
		lists_del(t, it);
	else if (t->lists && !lists_offer(t, it))
		return SHRINK_REFERENCED;
	shard_unlink(s, it);
	count(replacing ? &t->replaced : &t->evicted);
	if (!replacing)
		__atomic_fetch_add(&t->evicted_bytes, size, __ATOMIC_RELAXED);
	/* libshrink: a request still reads it, and will free it with room_put(). */
	if (!item_unref(it))
		return SHRINK_EVICT_PENDING;
	room_gone(t, size);
	return SHRINK_EVICTED;
}

static enum shrink_evict evict(void *arg, void *object, size_t size)
{
	struct tenant *t = arg;
	struct item *it = item_of_object(object);
	uint32_t hash = item_hash(it);
	struct shard *s = table_shard(&t->table, hash);
	enum shrink_evict answer;

	if (pthread_mutex_trylock(&s->lock))
		return SHRINK_BUSY;
	answer = evict_locked(t, s, hash, it, size);
	pthread_mutex_unlock(&s->lock);
	return answer;
}

/*
 * libshrink: "its slab goes, but it is used: may it live there?" The same doubts, and
 * nobody may hold a reference: a request's pointer would still point here.
 */
static int move_locked(struct tenant *t, struct shard *s, struct item *it, struct item *to)
{
	if (!shard_holds(s, item_hash(it), it) || !item_unused(it))
		return -EBUSY;
	memcpy(to, it, item_stored(it));
	shard_replace(s, it, to);
	lists_replace(t, it, to);
	return 0;
}

static int move(void *arg, void *from, void *to, size_t size)
{
	struct tenant *t = arg;
	struct item *it = item_of_object(from), *new = item_of_object(to);
	struct shard *s = table_shard(&t->table, item_hash(it));
	int r;

	(void)size;
	if (pthread_mutex_trylock(&s->lock))
		return -EBUSY;
	memset(to, 0, item_head);
	r = move_locked(t, s, it, new);
	pthread_mutex_unlock(&s->lock);
	return r;
}

static int open_pool(struct tenant *t, const struct shrink_pool_options *options, const char *name)
{
	int r;

	t->pool = shrink_pool_create(options, sizeof(*options), "%s", name);
	if (!t->pool)
		return -errno;
	if (purge_on() && (r = ring_open(t, true)) < 0)
		return r;
	t->fast = shrink_pool_fast(t->pool);
	/* libshrink: else one that is empty when growth is held could store nothing */
	return shrinker_set_keep(shrink_pool_shrinker(t->pool),
				 KEEP_BYTES / (size_t)sysconf(_SC_PAGESIZE));
}

static int open_one_of_many(struct tenant *t, struct shrink_pool_options *options)
{
	size_t ram = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
	int r;

	options->reserve = ram < RESERVE_MAX / RESERVE_FACTOR ? ram * RESERVE_FACTOR : RESERVE_MAX;
	do {
		r = open_pool(t, options, t->name);
		options->reserve /= 2;
	} while (r == -ENOMEM && options->reserve >= RESERVE_MIN);
	return r;
}

static int pool_open(struct tenant *t, size_t ceiling)
{
	struct shrink_pool_options options;

	memset(&options, 0, sizeof(options));
	options.evict = evict;
	options.move = move;
	options.arg = t;
	options.object_max = item_head + item_size(KEY_MAX, VALUE_MAX + 2);
	options.max_bytes = ceiling;
	options.nid = SHRINK_NUMA_NO_NODE;
	options.memcg = t->memcg;
	/* libshrink: it grows in whole slabs while there is room, and pays for them */
	options.flags = SHRINK_POOL_ROOM | (t->memcg ? SHRINK_POOL_CHARGE : 0);
	/* libshrink: an item comes from somewhere expensive; a remembered miss
	 * (negative.c) costs nothing. Seeks say so, and reclaim presses less. */
	options.seeks = 2 * SHRINK_DEFAULT_SEEKS;
	return t->memcg ? open_one_of_many(t, &options) : open_pool(t, &options, "items");
}

static void pool_close(struct tenant *t)
{
	ring_close(t);
	shrink_pool_destroy(t->pool);
	t->pool = NULL;
}

static void *pool_alloc(struct tenant *t, size_t size)
{
	return shrink_pool_alloc(t->pool, size);
}

static void pool_free(struct tenant *t, void *object)
{
	shrink_pool_free(t->pool, object);
}

/*
 * libshrink: instead of growing, the coldest slab's place. The policy lruvec knows better
 * who is cold, but nothing of slabs: the last on its lists goes, wherever it lies. In a
 * few tries one will lie where it is needed, and the others leave room for those to
 * come; only then the lists are passed over.
 */
static bool pool_replace(struct tenant *t, size_t size, unsigned int tries)
{
	bool done;

	if (t->lists && size <= SHARED_MAX && tries < LIST_TRIES && lists_evict(t, size))
		return true;
	replacing = true;
	done = shrink_pool_make_room(t->pool, size) == 0;
	replacing = false;
	return done;
}

static size_t pool_usable(const struct tenant *t, const void *object)
{
	return shrink_pool_usable(t->pool, object);
}

static struct shrinker *pool_shrinker(const struct tenant *t)
{
	return shrink_pool_shrinker(t->pool);
}

static void pool_stats(const struct tenant *t, struct shrink_pool_stats *ret_stats)
{
	if (shrink_pool_stats(t->pool, ret_stats, sizeof(*ret_stats)) < 0)
		memset(ret_stats, 0, sizeof(*ret_stats));
}

static const char *pool_missing(void)
{
	return NULL;
}

const struct store store_pool = {
	.name = "pool",
	.knows_order = true,
	.step = (size_t)256 << 10, /* the largest slab that objects share */
	.missing = pool_missing,
	.open = pool_open,
	.close = pool_close,
	.alloc = pool_alloc,
	.free = pool_free,
	.replace = pool_replace,
	.usable = pool_usable,
	.shrinker = pool_shrinker,
	.stats = pool_stats,
};

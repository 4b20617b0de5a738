/* SPDX-License-Identifier: MIT */
/*
 * Items are kept in a page-true pool. Evicted one by one from malloc's heap in
 * LRU order they would return about 1 % of their bytes to the system, because
 * every page keeps a survivor; the pool asks for the items of whole slabs.
 *
 * Its question is the evict callback. Beside that, a store asks whether there is
 * room, and replaces instead of growing while libshrink holds growth.
 */
#include "examples/kvcached/room.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <shrink/fast.h>
#include <shrink/shrink.h>

#include "examples/kvcached/clock.h"
#include "examples/kvcached/items.h"
#include "examples/kvcached/table.h"

#define RECLAIM_USEC 100000 /* the longest a store waits for memory */
#define LOOKS	     64	    /* of the clock's hand, for one victim */
#define TRIES	     16	    /* victims for one new item */

static struct shrink_pool *pool;
static struct shrinker *shrinker;
static struct room_counters counters;

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1u, __ATOMIC_RELAXED);
}

/*
 * libshrink: "may this object go?" Asked on a reclaiming thread for each object
 * of a slab the pool would like to give back. The pool knows which places are
 * in use, not what is in them: the object may be half filled, or freed a moment
 * ago, so nothing in it is believed until its shard, under its lock, knows the
 * address. Never waits: who holds a shard lock may be waiting for memory.
 */
static enum shrink_evict evict_locked(struct shard *s, uint32_t hash, struct item *it)
{
	if (!shard_holds(s, hash, it))
		return SHRINK_BUSY;
	if (items_alive(it, clock_now()) && shrink_fast_test_clear(&it->mark))
		return SHRINK_REFERENCED;
	shard_unlink(s, it);
	count(&counters.evicted);
	/* libshrink: a request still reads it, and will free it with room_put(). */
	return item_unref(it) ? SHRINK_EVICTED : SHRINK_EVICT_PENDING;
}

static enum shrink_evict evict(void *arg, void *object, size_t size)
{
	struct item *it = object;
	uint32_t hash = item_hash(it);
	struct shard *s = table_shard(hash);
	enum shrink_evict answer;

	(void)arg;
	(void)size;
	if (pthread_mutex_trylock(&s->lock))
		return SHRINK_BUSY;
	answer = evict_locked(s, hash, it);
	pthread_mutex_unlock(&s->lock);
	return answer;
}

int room_init(size_t ceiling)
{
	struct shrink_pool_options options;

	memset(&options, 0, sizeof(options));
	options.evict = evict;
	options.object_max = item_size(KEY_MAX, VALUE_MAX + 2);
	options.max_bytes = ceiling;
	options.nid = SHRINK_NUMA_NO_NODE;
	/* libshrink: an item comes from somewhere expensive; a remembered miss
	 * (negative.c) costs nothing. Seeks say so, and reclaim presses less. */
	options.seeks = 2 * SHRINK_DEFAULT_SEEKS;
	pool = shrink_pool_create(&options, sizeof(options), "items");
	if (!pool)
		return -errno;
	shrinker = shrink_pool_shrinker(pool);
	return 0;
}

void room_fini(void)
{
	shrink_pool_destroy(pool);
	pool = NULL;
}

void room_put(struct item *it)
{
	if (item_unref(it))
		shrink_pool_free(pool, it);
}

/*
 * Size classes are the pool's. It does not list them, so they are learned from
 * what it says an object can hold; there are few, and each is learned once. Where
 * an object has pages of its own there are as many sizes as pages: these are
 * taken together, up to the next power of two.
 */
#define SHARED_MAX ((size_t)32 << 10)

static size_t class_bytes[CLASSES];

size_t room_class_bytes(unsigned int cls)
{
	return cls < CLASSES ? __atomic_load_n(&class_bytes[cls], __ATOMIC_RELAXED) : 0;
}

static unsigned int class_of(size_t usable)
{
	size_t bytes = SHARED_MAX;
	unsigned int cls;

	if (usable <= SHARED_MAX)
		bytes = usable;
	while (bytes < usable)
		bytes *= 2;
	for (cls = 0; cls < CLASSES - 1; cls++) {
		size_t seen = 0;

		if (__atomic_compare_exchange_n(&class_bytes[cls], &seen, bytes, 0,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
		    seen == bytes)
			break;
	}
	return cls;
}

/* The class that an object of @size will probably be in; CLASSES if none of
 * that size has been seen. */
static unsigned int class_for(size_t size)
{
	unsigned int best = CLASSES;
	size_t bytes;

	for (unsigned int cls = 0; (bytes = room_class_bytes(cls)) != 0; cls++) {
		if (bytes >= size && (best == CLASSES || bytes < room_class_bytes(best)))
			best = cls;
	}
	return best;
}

/* Evicts one item of class @cls from the shard; the bytes of its place. */
static size_t replace_in(struct shard *s, unsigned int cls)
{
	struct item *it;
	size_t bytes = 0;

	pthread_mutex_lock(&s->lock);
	it = shard_victim(s, cls, LOOKS);
	if (it)
		shard_unlink(s, it);
	pthread_mutex_unlock(&s->lock);
	if (it) {
		bytes = shrink_pool_usable(pool, it);
		room_put(it);
		count(&counters.replaced);
	}
	return bytes;
}

/* Of the same class, whose place the new item then takes: first where the new
 * one will go, then anywhere. */
static size_t replace_same(uint32_t hash, size_t size)
{
	unsigned int cls = class_for(size);
	size_t freed = 0;

	for (unsigned int i = 0; cls < CLASSES && freed < size && i < SHARDS; i++)
		freed += replace_in(table_shard(hash + i), cls);
	return freed;
}

/* Items of any class until @want bytes are free in this shard. */
static size_t replace_any(struct shard *s, size_t want)
{
	size_t freed = 0;

	for (unsigned int cls = 0; room_class_bytes(cls) && freed < want; cls++) {
		size_t bytes = 1;

		while (bytes && freed < want) {
			bytes = replace_in(s, cls);
			freed += bytes;
		}
	}
	return freed;
}

/* As many bytes of other classes. Their places do not fit the new item, but the
 * pool's next scan finds those slabs sparse and gives them back. */
static size_t replace_other(uint32_t hash, size_t size)
{
	size_t freed = 0;

	for (unsigned int i = 0; freed < size && i < SHARDS; i++)
		freed += replace_any(table_shard(hash + i), size - freed);
	return freed;
}

static bool replace(uint32_t hash, size_t size)
{
	size_t freed = replace_same(hash, size);

	return freed >= size || freed + replace_other(hash, size - freed) >= size;
}

/* What to do when the pool has no memory: the ceiling is reached, or the system
 * has none left. */
static struct item *alloc_hard(uint32_t hash, size_t size)
{
	struct item *it = NULL;

	for (int i = 0; !it && i < TRIES && replace_same(hash, size); i++)
		it = shrink_pool_alloc(pool, size);
	if (!it) {
		/* libshrink: an allocation failed. Once, then it is final. We
		 * hold no lock, so all is granted. */
		count(&counters.direct);
		(void)shrink_reclaim(size, SHRINK_GFP_ALL, RECLAIM_USEC);
		it = shrink_pool_alloc(pool, size);
	}
	return it;
}

struct item *room_alloc(uint32_t hash, size_t size)
{
	struct item *it = NULL;

	/* libshrink: may the cache grow? If not, something has to go first. */
	if (shrink_room(shrinker) >= size || replace(hash, size)) {
		it = shrink_pool_alloc(pool, size);
		if (!it)
			it = alloc_hard(hash, size);
	}
	if (!it) {
		count(&counters.refused);
		return NULL;
	}
	item_set_hash(it, hash);
	it->cls = (unsigned char)class_of(shrink_pool_usable(pool, it));
	it->mark = 0;
	__atomic_store_n(&it->refs, 1u, __ATOMIC_RELAXED);
	return it;
}

struct shrink_pool *room_pool(void)
{
	return pool;
}

void room_counters(struct room_counters *ret_counters)
{
	ret_counters->evicted = __atomic_load_n(&counters.evicted, __ATOMIC_RELAXED);
	ret_counters->replaced = __atomic_load_n(&counters.replaced, __ATOMIC_RELAXED);
	ret_counters->refused = __atomic_load_n(&counters.refused, __ATOMIC_RELAXED);
	ret_counters->direct = __atomic_load_n(&counters.direct, __ATOMIC_RELAXED);
}

/* SPDX-License-Identifier: MIT */
/*
 * Items are kept in page-true pools, one a tenant. Evicted one by one from malloc's
 * heap in LRU order they would return about 1 % of their bytes to the system, because
 * every page keeps a survivor; the pool asks for the items of whole slabs.
 *
 * Its question is the evict callback. Beside that, a store asks whether there is
 * room, and replaces instead of growing while libshrink holds growth or the tenant
 * has all it may have; and what a tenant's items take up is charged to its group.
 */
#include "examples/kvcached/room.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <shrink/shrink.h>

#include "examples/kvcached/clock.h"
#include "examples/kvcached/items.h"
#include "examples/kvcached/lists.h"
#include "examples/kvcached/victim.h"

#define RECLAIM_USEC 100000 /* the longest a store waits for memory */
#define TRIES	     16	    /* victims for one new item */
/* Addresses for each of several tenants, no memory: all must fit 47 bits together, and
 * whatever limit there is on addresses. */
#define RESERVE_FACTOR 8 /* times the machine's memory */
#define RESERVE_MAX    ((size_t)1 << 39)
#define RESERVE_MIN    ((size_t)1 << 28)

static uint64_t nr_direct;

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1u, __ATOMIC_RELAXED);
}

/* libshrink: what is charged to the tenant's group is uncharged where it goes. */
static void uncharge(struct tenant *t, size_t bytes)
{
	__atomic_fetch_sub(&t->bytes, bytes, __ATOMIC_RELAXED);
	if (t->memcg)
		shrink_memcg_uncharge(t->memcg, bytes);
}

/* libshrink: over a limit the tenant's own items go, here and now; over the limit of
 * all, everybody's that is not protected. We hold no lock, so all is granted. */
static int charge(struct tenant *t, size_t bytes)
{
	int r = t->memcg ? shrink_memcg_charge(t->memcg, bytes, SHRINK_GFP_ALL) : 0;

	if (r == 0)
		__atomic_fetch_add(&t->bytes, bytes, __ATOMIC_RELAXED);
	return r;
}

/*
 * libshrink: "may this object go?" Asked on a reclaiming thread for each object
 * of a slab the pool would like to give back. The pool knows which places are
 * in use, not what is in them: the object may be half filled, or freed a moment
 * ago, so nothing in it is believed until its shard, under its lock, knows the
 * address. Never waits: who holds a shard lock may be waiting for memory.
 */
static enum shrink_evict evict_locked(struct tenant *t, struct shard *s, uint32_t hash,
				      struct item *it, size_t size)
{
	if (!shard_holds(s, hash, it))
		return SHRINK_BUSY;
	if (!items_alive(it, clock_now()))
		lists_del(t, it);
	else if (!lists_offer(t, it))
		return SHRINK_REFERENCED;
	shard_unlink(s, it);
	count(&t->evicted);
	/* libshrink: a request still reads it, and will free it with room_put(). */
	if (!item_unref(it))
		return SHRINK_EVICT_PENDING;
	uncharge(t, size);
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

static int open_pool(struct tenant *t, const struct shrink_pool_options *options, const char *name)
{
	t->pool = shrink_pool_create(options, sizeof(*options), "%s", name);
	return t->pool ? 0 : -errno;
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

int room_open(struct tenant *t, size_t ceiling)
{
	struct shrink_pool_options options;

	memset(&options, 0, sizeof(options));
	options.evict = evict;
	options.arg = t;
	options.object_max = item_head + item_size(KEY_MAX, VALUE_MAX + 2);
	options.max_bytes = ceiling;
	options.nid = SHRINK_NUMA_NO_NODE;
	options.memcg = t->memcg;
	/* libshrink: an item comes from somewhere expensive; a remembered miss
	 * (negative.c) costs nothing. Seeks say so, and reclaim presses less. */
	options.seeks = 2 * SHRINK_DEFAULT_SEEKS;
	return t->memcg ? open_one_of_many(t, &options) : open_pool(t, &options, "items");
}

void room_close(struct tenant *t)
{
	shrink_pool_destroy(t->pool);
	t->pool = NULL;
}

void room_put(struct item *it)
{
	struct tenant *t = tenant_at(it->tenant);

	if (!item_unref(it))
		return;
	uncharge(t, shrink_pool_usable(t->pool, item_object(it)));
	shrink_pool_free(t->pool, item_object(it));
}

/* Victims come in their own sizes. While growth is held, what they have freed beyond
 * what was needed is for the next that come: otherwise each small item would cost a
 * large one. (Under a limit of ours it shows as bytes that may be used again.) */
static void add_credit(struct tenant *t, int64_t bytes)
{
	if (bytes > 0)
		__atomic_fetch_add(&t->credit, (uint64_t)bytes, __ATOMIC_RELAXED);
}

static bool take_credit(struct tenant *t, size_t size)
{
	uint64_t credit = __atomic_load_n(&t->credit, __ATOMIC_RELAXED);

	while (credit >= size) {
		if (__atomic_compare_exchange_n(&t->credit, &credit, credit - size, 0,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

static bool make_room(struct tenant *t, uint32_t hash, size_t size, bool held)
{
	size_t freed;

	if (held && take_credit(t, size))
		return true;
	freed = victims_for(t, hash, size);
	if (held && freed > size)
		add_credit(t, (int64_t)(freed - size));
	return freed >= size;
}

/*
 * What to do when the pool has no memory: the ceiling is reached, or the system
 * has none left. Or the tenant may not grow and has nothing to give, because it has
 * hardly anything: then others pay, and it may.
 */
static void *alloc_hard(struct tenant *t, uint32_t hash, size_t size)
{
	void *object = NULL;

	for (unsigned int i = 0; !object && i < TRIES && victims_again(t, hash, size, i); i++)
		object = shrink_pool_alloc(t->pool, size);
	if (!object) {
		/* libshrink: an allocation failed. Once, then it is final. We
		 * hold no lock, so all is granted. */
		count(&nr_direct);
		add_credit(t, shrink_reclaim(size, SHRINK_GFP_ALL, RECLAIM_USEC));
		object = shrink_pool_alloc(t->pool, size);
	}
	return object;
}

/*
 * libshrink: may the cache grow? A tenant that has less than its min may, whatever
 * the pressure: others pay. One that would exceed its max has to let something of its
 * own go, and chooses better by itself, an item at a time, than the charge would,
 * which takes whole slabs. So it is at the ceiling of all, unless the tenant has less
 * than its share: then the charge takes from all of them, in proportion.
 */
enum growth { GROWTH_FREE, GROWTH_HELD, GROWTH_LIMITED };

static enum growth may_grow(struct tenant *t, size_t size)
{
	uint64_t bytes = __atomic_load_n(&t->bytes, __ATOMIC_RELAXED) + size;

	if (bytes > __atomic_load_n(&t->max, __ATOMIC_RELAXED))
		return GROWTH_LIMITED;
	if (bytes <= __atomic_load_n(&t->min, __ATOMIC_RELAXED))
		return GROWTH_FREE;
	if (tenants_ceiling() && tenants_bytes() + size > tenants_ceiling() &&
	    (!tenants_on() || bytes > tenants_share()))
		return GROWTH_LIMITED;
	return shrink_room(shrink_pool_shrinker(t->pool)) >= size ? GROWTH_FREE : GROWTH_HELD;
}

static void *alloc(struct tenant *t, uint32_t hash, size_t size)
{
	size_t place = class_round(size);
	enum growth growth = may_grow(t, place);
	void *object = NULL;

	if (growth == GROWTH_FREE || make_room(t, hash, place, growth == GROWTH_HELD))
		object = shrink_pool_alloc(t->pool, size);
	if (!object)
		object = alloc_hard(t, hash, size);
	if (object && charge(t, shrink_pool_usable(t->pool, object)) < 0) {
		shrink_pool_free(t->pool, object);
		object = NULL;
	}
	return object;
}

struct item *room_alloc(struct tenant *t, uint32_t hash, size_t size)
{
	void *object = alloc(t, hash, item_head + size);
	struct item *it;

	if (!object) {
		count(&t->refused);
		return NULL;
	}
	if (item_head)
		memset(object, 0, item_head); /* the lists', before its first add */
	it = item_of_object(object);
	item_set_hash(it, hash);
	it->cls = (unsigned char)class_of(shrink_pool_usable(t->pool, object));
	it->tenant = t->index;
	it->mark = 0;
	__atomic_store_n(&it->refs, 1u, __ATOMIC_RELAXED);
	return it;
}

uint64_t room_direct(void)
{
	return __atomic_load_n(&nr_direct, __ATOMIC_RELAXED);
}

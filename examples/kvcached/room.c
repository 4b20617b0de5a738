/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/room.h"

#include <string.h>

#include <shrink/shrink.h>

#include "examples/kvcached/purge.h"
#include "examples/kvcached/store.h"

#define RECLAIM_USEC 100000 /* the longest a store waits for memory */
#define TRIES	     24	    /* to replace, for one new item */
#define NEAR	     16	    /* a limit is near when so small a part of it is left */

static uint64_t nr_direct;

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1u, __ATOMIC_RELAXED);
}

/*
 * What the tenant would be charged with one more object. Lists let items go that lie
 * anywhere: were they to begin only where slabs are charged to the brim, they would do so
 * for ever, since that brings hardly a slab back. So they keep the items a little smaller,
 * and the slabs follow.
 */
static uint64_t would_take(const struct tenant *t, size_t size)
{
	uint64_t bytes = __atomic_load_n(&t->bytes, __ATOMIC_RELAXED) + size;

	if (t->lists)
		return bytes + bytes / NEAR;
	return shrink_memcg_usage(t->memcg) + size + store()->step;
}

/*
 * One that would exceed its max has to let something of its own go, and does it here,
 * where the policy says what, rather than in the charge. So it is at the ceiling of all,
 * unless the tenant has less than its share: then the charge takes from all of them, in
 * proportion.
 */
static bool is_full(const struct tenant *t, size_t size)
{
	uint64_t ceiling = tenants_ceiling(), usage;

	if (!t->memcg)
		return false;
	usage = would_take(t, size);
	if (usage > shrink_memcg_get_limit(t->memcg, SHRINK_MEMCG_LIMIT_MAX))
		return true;
	return ceiling && usage > tenants_share() &&
	       shrink_memcg_usage(tenants_group()) + size + store()->step >
		       ceiling - ceiling / NEAR;
}

/*
 * What to do when nothing can be replaced: the tenant may not grow and has nothing to
 * give, or the system has no memory left.
 */
static void *alloc_hard(struct tenant *t, size_t size)
{
	/* libshrink: an allocation failed. Once, then it is final. We hold no lock, so
	 * all is granted. */
	count(&nr_direct);
	(void)shrink_reclaim(size, SHRINK_GFP_ALL, RECLAIM_USEC);
	return store()->alloc(t, size);
}

static void *alloc(struct tenant *t, size_t size)
{
	void *object = NULL;

	if (!is_full(t, size))
		object = store()->alloc(t, size);
	for (unsigned int i = 0; !object && i < TRIES && store()->replace(t, size, i); i++)
		object = store()->alloc(t, size);
	return object ? object : alloc_hard(t, size);
}

static void place_value(struct item *it, char *value)
{
	it->paged = value != NULL;
	it->ringed = it->paged || (!tenant_at(it->tenant)->lists && !store()->knows_order);
	if (value)
		memcpy(it->data + it->nkey, &value, sizeof(value));
}

struct item *room_alloc(struct tenant *t, uint32_t hash, size_t nkey, size_t nbytes)
{
	char *value = purge_on() && nbytes >= PURGE_MIN ? purge_alloc(t, nbytes) : NULL;
	void *object = alloc(t, item_head + item_size(nkey, value ? sizeof(value) : nbytes));
	struct item *it;

	if (!object) {
		if (value)
			purge_free(t, value);
		count(&t->refused);
		return NULL;
	}
	if (item_head)
		memset(object, 0, item_head); /* the lists', before its first add */
	it = item_of_object(object);
	item_set_hash(it, hash);
	it->tenant = t->index;
	__atomic_fetch_add(&t->bytes, store()->usable(t, object), __ATOMIC_RELAXED);
	it->mark = 0;
	it->nkey = (unsigned char)nkey;
	it->nbytes = (uint32_t)nbytes;
	place_value(it, value);
	__atomic_store_n(&it->refs, 1u, __ATOMIC_RELAXED);
	return it;
}

void room_gone(struct tenant *t, size_t bytes)
{
	__atomic_fetch_sub(&t->bytes, bytes, __ATOMIC_RELAXED);
}

void room_put(struct item *it)
{
	struct tenant *t = tenant_at(it->tenant);

	if (!item_unref(it))
		return;
	if (it->paged)
		purge_free(t, item_value(it));
	room_gone(t, store()->usable(t, item_object(it)));
	store()->free(t, item_object(it));
}

uint64_t room_direct(void)
{
	return __atomic_load_n(&nr_direct, __ATOMIC_RELAXED);
}

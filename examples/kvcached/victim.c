/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/victim.h"

#include "examples/kvcached/lists.h"
#include "examples/kvcached/room.h"

#define LOOKS	   64 /* of the clock's hand, for one victim */
#define LIST_TRIES 8

/* Evicts one item of class @cls from the shard; the bytes of its place. */
static size_t replace_in(struct tenant *t, struct shard *s, unsigned int cls)
{
	struct item *it;
	size_t bytes = 0;

	pthread_mutex_lock(&s->lock);
	it = shard_victim(s, cls, LOOKS);
	if (it) {
		lists_let_go(t, it);
		shard_unlink(s, it);
	}
	pthread_mutex_unlock(&s->lock);
	if (it) {
		bytes = shrink_pool_usable(t->pool, item_object(it));
		room_put(it);
		__atomic_fetch_add(&t->replaced, 1u, __ATOMIC_RELAXED);
	}
	return bytes;
}

/* Of the same class, whose place the new item then takes: first where the new
 * one will go, then anywhere. */
static size_t victims_alike(struct tenant *t, uint32_t hash, size_t size)
{
	unsigned int cls = class_for(size);
	size_t freed = 0;

	for (unsigned int i = 0; cls < CLASSES && freed < size && i < t->table.nr_shards; i++)
		freed += replace_in(t, table_shard(&t->table, hash + i), cls);
	return freed;
}

/* The lists know nothing of classes: the last of all goes, wherever it lies. In a few
 * tries one will lie where it is needed, and the others leave room for those to come;
 * only then the lists are passed over. */
size_t victims_again(struct tenant *t, uint32_t hash, size_t size, unsigned int tries)
{
	size_t freed = t->lists && tries < LIST_TRIES ? lists_evict(t, size) : 0;

	return freed ? freed : victims_alike(t, hash, size);
}

/* Items of any class until @want bytes are free in this shard. */
static size_t replace_any(struct tenant *t, struct shard *s, size_t want)
{
	size_t freed = 0;

	for (unsigned int cls = 0; class_bytes(cls) && freed < want; cls++) {
		size_t bytes = 1;

		while (bytes && freed < want) {
			bytes = replace_in(t, s, cls);
			freed += bytes;
		}
	}
	return freed;
}

/* As many bytes of other classes. Their places do not fit the new item, but the
 * pool's next scan finds those slabs sparse and gives them back. */
static size_t replace_other(struct tenant *t, uint32_t hash, size_t size)
{
	size_t freed = 0;

	for (unsigned int i = 0; freed < size && i < t->table.nr_shards; i++)
		freed += replace_any(t, table_shard(&t->table, hash + i), size - freed);
	return freed;
}

size_t victims_for(struct tenant *t, uint32_t hash, size_t size)
{
	size_t freed = t->lists ? lists_evict(t, size) : victims_alike(t, hash, size);

	return freed >= size ? freed : freed + replace_other(t, hash, size - freed);
}

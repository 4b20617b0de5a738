// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The objects of the laboratory's cache. One lock, taken for one object at a time, so
 * that what a policy evicts never holds a request back for longer than that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>

#include "tests/lab/lab.h"
#include "tools/kvload/zipf.h"

/* The pool wants to find these 16 bytes zero until the object is linked. */
struct object {
	_Atomic uint64_t key; /* 0 = not linked */
	uint64_t check;
	uint64_t payload[];
};

static size_t last_word(const struct store *store)
{
	return (store->object_bytes - sizeof(struct object)) / sizeof(uint64_t) - 1;
}

int store_init(struct store *store, uint64_t nr_keys, size_t object_bytes, enum lab_order order)
{
	if (object_bytes < sizeof(struct object) + sizeof(uint64_t) || nr_keys >= UINT32_MAX)
		return -EINVAL;
	memset(store, 0, sizeof(*store));
	pthread_mutex_init(&store->lock, NULL);
	store->slot = calloc(nr_keys + 1, sizeof(*store->slot));
	store->queue = calloc(nr_keys + 1, sizeof(*store->queue));
	if (!store->slot || !store->queue)
		return -ENOMEM;
	/* touched now: the tables are no part of what comes and goes */
	memset(store->slot, 0, (nr_keys + 1) * sizeof(*store->slot));
	memset(store->queue, 0xff, (nr_keys + 1) * sizeof(*store->queue));
	store->nr_keys = nr_keys;
	store->object_bytes = object_bytes;
	store->order = order;
	store->seed = 1;
	return 0;
}

static void release(struct store *store, struct object *object)
{
	if (store->pool)
		shrink_pool_free(store->pool, object);
	else
		free(object);
}

void store_end(struct store *store)
{
	for (uint64_t key = 1; key <= store->nr_keys; key++)
		if (store->slot[key])
			release(store, store->slot[key]);
	free(store->slot);
	free(store->queue);
}

int store_get(struct store *store, uint64_t key)
{
	struct object *object;

	pthread_mutex_lock(&store->lock);
	object = store->slot[key];
	if (object) {
		if (object->key != key || object->check != rng_mix(key) ||
		    object->payload[last_word(store)] != ~rng_mix(key))
			atomic_fetch_add(&store->torn, 1);
		if (store->pool)
			shrink_pool_mark(store->pool, object);
	}
	pthread_mutex_unlock(&store->lock);
	return object != NULL;
}

static struct object *make(struct store *store, uint64_t key)
{
	struct object *object = store->pool ? shrink_pool_alloc(store->pool, store->object_bytes)
					    : malloc(store->object_bytes);

	if (!object)
		return NULL;
	memset(object->payload, (int)key, store->object_bytes - sizeof(*object));
	object->check = rng_mix(key);
	object->payload[last_word(store)] = ~rng_mix(key);
	return object;
}

int store_put(struct store *store, uint64_t key)
{
	struct object *object = make(store, key);

	if (!object)
		return -ENOMEM;
	pthread_mutex_lock(&store->lock);
	if (store->slot[key]) {
		pthread_mutex_unlock(&store->lock);
		release(store, object);
		return -EEXIST;
	}
	object->key = key;
	store->slot[key] = object;
	if (!store->pool)
		store->queue[(store->head + store->nr) % (store->nr_keys + 1)] = (uint32_t)key;
	store->nr++;
	atomic_fetch_add(&store->bytes, store->object_bytes);
	pthread_mutex_unlock(&store->lock);
	return 0;
}

/* Under the lock. */
static void unlink_object(struct store *store, struct object *object, bool pressed)
{
	uint64_t held, marked = store->marked, loss;

	if (pressed && !store->first_evict_nsec)
		store->first_evict_nsec = lab_nsec();
	store->slot[object->key] = NULL;
	object->key = 0;
	store->nr--;
	held = atomic_fetch_sub(&store->bytes, store->object_bytes) - store->object_bytes;
	if (pressed)
		atomic_fetch_add(&store->evicted_bytes, store->object_bytes);
	loss = marked > held ? marked - held : 0;
	if (loss > store->peak_loss)
		store->peak_loss = loss;
}

/* The pool takes what it likes, so the queue would not know: a random one it is. */
static struct object *any_object(struct store *store)
{
	for (int i = 0; i < 64; i++) {
		struct object *object;

		store->seed = rng_mix(store->seed + 1);
		object = store->slot[store->seed % store->nr_keys + 1];
		if (object)
			return object;
	}
	return NULL;
}

static struct object *next_victim(struct store *store)
{
	uint64_t size = store->nr_keys + 1, at = store->head;
	uint32_t key;

	if (!store->nr)
		return NULL;
	if (store->pool)
		return any_object(store);
	if (store->order == LAB_RANDOM) {
		store->seed = rng_mix(store->seed + 1);
		at = (store->head + store->seed % store->nr) % size;
	}
	/* the first takes the chosen one's place in the queue */
	key = store->queue[at];
	store->queue[at] = store->queue[store->head];
	store->head = (store->head + 1) % size;
	return store->slot[key];
}

uint64_t store_evict(struct store *store, uint64_t objects, bool pressed)
{
	uint64_t bytes = 0;

	for (; objects; objects--) {
		struct object *object;

		pthread_mutex_lock(&store->lock);
		object = next_victim(store);
		if (object)
			unlink_object(store, object, pressed);
		pthread_mutex_unlock(&store->lock);
		if (!object)
			break;
		release(store, object);
		bytes += store->object_bytes;
	}
	return bytes;
}

bool store_take(struct store *store, void *memory)
{
	struct object *object = memory;
	bool linked;

	if (pthread_mutex_trylock(&store->lock))
		return false;
	linked = object->key && store->slot[object->key] == object;
	if (linked)
		unlink_object(store, object, true);
	pthread_mutex_unlock(&store->lock);
	return linked;
}

void store_mark(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	store->marked = store->bytes;
	store->peak_loss = 0;
	store->first_evict_nsec = 0;
	pthread_mutex_unlock(&store->lock);
}

uint64_t store_objects(struct store *store)
{
	return store->bytes / store->object_bytes;
}

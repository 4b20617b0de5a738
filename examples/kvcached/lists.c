/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/lists.h"

#include <errno.h>
#include <string.h>

#include <shrink/shrink.h>

#include "examples/kvcached/room.h"
#include "examples/kvcached/store.h"

/* Ghosts are worth as many items as may be there; 24 bytes each. */
#define GHOSTS_ALONE (1ul << 18)
#define GHOSTS_EACH  (1ul << 16)
#define TRIES	     64 /* items for one that comes */

static bool in_use;
/* What goes on this thread is counted there. */
static __thread uint64_t *counter;

void lists_use(bool lruvec)
{
	in_use = lruvec;
}

bool lists_on(void)
{
	return in_use;
}

/*
 * libshrink: "may this object go?" The item is linked, since it is on the lists; but
 * who links or unlinks it holds its shard, so that is tried and never waited for.
 */
static enum shrink_lruvec_outcome evict(void *arg, struct shrink_lruvec_item *node,
					struct shrink_lruvec_ask *ask)
{
	struct tenant *t = arg;
	struct item *it = item_of_object(node);
	struct shard *s = table_shard(&t->table, item_hash(it));
	bool idle;

	if (pthread_mutex_trylock(&s->lock))
		return SHRINK_LRUVEC_LOCKED;
	idle = item_unused(it);
	if (idle) {
		ask->bytes = store()->usable(t, node);
		shard_unlink(s, it);
	}
	pthread_mutex_unlock(&s->lock);
	return idle ? SHRINK_LRUVEC_FREED : SHRINK_LRUVEC_ACTIVATE;
}

/* The table's reference, which was the last. */
static void free_item(void *arg, struct shrink_lruvec_item *node)
{
	(void)arg;
	__atomic_fetch_add(counter, 1u, __ATOMIC_RELAXED);
	room_put(item_of_object(node));
}

int lists_open(struct tenant *t)
{
	struct shrink_lruvec_options options;

	if (!in_use)
		return 0;
	memset(&options, 0, sizeof(options));
	options.evict = evict;
	options.free = free_item;
	options.arg = t;
	options.flags = SHRINK_LRUVEC_DIRECT;
	options.ghosts = t->memcg ? GHOSTS_EACH : GHOSTS_ALONE;
	t->lists = shrink_lruvec_create(&options, sizeof(options), "%s-lists", t->name);
	if (!t->lists)
		return -errno;
	/* libshrink: the store is a shrinker already. Counted twice they would be asked
	 * for twice. */
	return shrinker_set_enabled(shrink_lruvec_shrinker(t->lists), 0);
}

void lists_close(struct tenant *t)
{
	shrink_lruvec_destroy(t->lists);
	t->lists = NULL;
}

void lists_add(struct tenant *t, struct item *it)
{
	uint64_t hash;

	if (!t->lists)
		return;
	/* libshrink: was it here not long ago? Then it begins as active. */
	hash = shrink_workingset_hash(item_key(it), it->nkey);
	(void)shrink_lruvec_add(t->lists, item_node(it), hash, SHRINK_LRUVEC_CLEAN, 0, t->memcg, 0);
}

void lists_replace(struct tenant *t, struct item *old, struct item *it)
{
	if (t->lists && shrink_lruvec_replace(t->lists, item_node(old), item_node(it)) < 0)
		lists_add(t, it);
}

void lists_del(struct tenant *t, struct item *it)
{
	if (t->lists)
		shrink_lruvec_del(t->lists, item_node(it));
}

bool lists_offer(struct tenant *t, struct item *it)
{
	return shrink_lruvec_offer(t->lists, item_node(it)) != 0;
}

size_t lists_evict(struct tenant *t, size_t want)
{
	struct shrink_lruvec_result res;
	size_t freed = 0;

	counter = &t->replaced;
	for (int i = 0; i < TRIES && freed < want; i++) {
		if (shrink_lruvec_evict(t->lists, 0, SHRINK_GFP_ALL, 1, &res, sizeof(res)) <= 0)
			break;
		freed += res.bytes_freed;
	}
	return freed;
}

void lists_scan(struct tenant *t, struct ring_work *w)
{
	struct shrink_lruvec_result res;
	long freed;

	counter = w->counter;
	w->looked = w->want;
	freed = shrink_lruvec_evict(t->lists, 0, SHRINK_GFP_ALL, w->want, &res, sizeof(res));
	if (freed > 0) {
		w->freed += (unsigned long)freed;
		w->bytes += res.bytes_freed;
	}
}

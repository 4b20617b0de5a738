/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/ring.h"

#include <errno.h>
#include <pthread.h>

#include <shrink/fast.h>
#include <shrink/shrink.h>

#include "examples/kvcached/clock.h"
#include "examples/kvcached/density.h"
#include "examples/kvcached/items.h"
#include "examples/kvcached/lists.h"
#include "examples/kvcached/purge.h"
#include "examples/kvcached/room.h"
#include "examples/kvcached/store.h"

#define LOOKS 32 /* under one shard's lock: requests wait for it */
#define TURNS 2	 /* of all shards, in one call */
#define BATCH 1024

bool ring_take(struct tenant *t, struct shard *s, struct item *it, struct ring_work *w)
{
	w->looked++;
	if (!item_unused(it))
		return false;
	if (items_alive(it, clock_now()) && shrink_fast_test_clear(&it->mark))
		return false;
	lists_del(t, it);
	shard_unlink(s, it);
	return true;
}

void ring_drop(struct tenant *t, struct item *it, struct ring_work *w)
{
	w->bytes += it->paged ? purge_left(it) : store()->usable(t, item_object(it));
	w->freed++;
	__atomic_fetch_add(w->counter, 1u, __ATOMIC_RELAXED);
	room_put(it);
}

static bool go_on(const struct ring_work *w)
{
	return w->looked < w->want && (!w->want_bytes || w->bytes < w->want_bytes);
}

static void evict_in(struct tenant *t, struct shard *s, struct ring_work *w)
{
	struct item *gone[LOOKS];
	unsigned int n = 0;

	if (pthread_mutex_trylock(&s->lock))
		return;
	for (unsigned int i = 0; i < LOOKS && s->ring.oldest && w->looked < w->want; i++) {
		struct item *it = s->ring.oldest;

		if (ring_take(t, s, it, w))
			gone[n++] = it;
		else
			shard_renew(s, it);
	}
	pthread_mutex_unlock(&s->lock);
	/* free() may be slow, and no request need wait for it */
	while (n)
		ring_drop(t, gone[--n], w);
}

void ring_evict(struct tenant *t, struct ring_work *w)
{
	unsigned int shards = t->table.nr_shards * TURNS;

	for (unsigned int i = 0; i < shards && go_on(w); i++) {
		uint32_t hand = __atomic_fetch_add(&t->hand, 1u, __ATOMIC_RELAXED);

		evict_in(t, table_shard(&t->table, hand), w);
	}
}

static unsigned long count_items(struct shrinker *s, struct shrink_control *sc)
{
	const struct tenant *t = s->private_data;
	size_t n = __atomic_load_n(&t->objects, __ATOMIC_RELAXED);

	if (t->memcg)
		return sc->memcg == t->memcg ? n : 0;
	return n ? n : SHRINK_EMPTY;
}

/* libshrink: look at so many, free what is idle. The store may know which of the cold
 * ones to prefer. */
static unsigned long scan_items(struct shrinker *s, struct shrink_control *sc)
{
	struct tenant *t = s->private_data;
	struct ring_work w = {
		.want = sc->nr_to_scan, .want_bytes = sc->bytes_to_free, .counter = &t->evicted};

	if (t->lists)
		lists_scan(t, &w);
	else if (t->density)
		density_evict(t, &w);
	else
		ring_evict(t, &w);
	__atomic_fetch_add(&t->evicted_bytes, w.bytes, __ATOMIC_RELAXED);
	if (t->arena && w.bytes)
		density_purge(t, w.bytes);
	sc->nr_scanned = w.looked;
	sc->bytes_freed = w.bytes;
	return w.looked ? w.freed : SHRINK_STOP;
}

int ring_open(struct tenant *t, bool self_release)
{
	unsigned int flags = SHRINKER_DIRECT; /* libshrink: locks are tried only */
	int r;

	flags |= t->memcg ? SHRINKER_MEMCG_AWARE : 0;
	flags |= self_release ? SHRINKER_SELF_RELEASE : 0;
	t->shrinker = shrinker_alloc(flags, "%s%s", t->memcg ? t->name : "items",
				     purge_on() ? "-values" : "");
	if (!t->shrinker)
		return -errno;
	t->shrinker->count_objects = count_items;
	t->shrinker->scan_objects = scan_items;
	t->shrinker->private_data = t;
	t->shrinker->seeks = 2 * SHRINK_DEFAULT_SEEKS;
	t->shrinker->batch = BATCH;
	r = shrinker_register(t->shrinker);
	/* libshrink: ask for this group, always: the bit is never taken back */
	if (r == 0 && t->memcg)
		shrink_memcg_set_bit(t->memcg, 0, t->shrinker);
	return r;
}

void ring_close(struct tenant *t)
{
	shrinker_free(t->shrinker);
	t->shrinker = NULL;
}

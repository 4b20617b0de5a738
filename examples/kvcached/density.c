/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/density.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/fast.h>
#include <shrink/shrink.h>

#include "examples/kvcached/room.h"

/* Candidates for one sort: of the only tenant, and of each of several. More bring more
 * pages for as many evicted, and cost more hits. */
#define MOST_ALONE 8192u
#define MOST_EACH  2048u
#define PART	   4 /* of a shard's items the coldest quarter */

#define PURGE_BYTES (256u << 10) /* a purge walks all of jemalloc's statistics */

/* One that was cold when it was gathered. It may be freed any time since, so that its
 * hash is kept beside it: nothing in it may be read. */
struct density {
	pthread_mutex_t lock;
	unsigned int most, n, next;
	uint32_t *hash;
	struct shrink_arena_candidate candidate[];
};

int density_open(struct tenant *t)
{
	unsigned int most = tenants_on() ? MOST_EACH : MOST_ALONE;
	struct density *d;

	d = calloc(1, sizeof(*d) + most * (sizeof(d->candidate[0]) + sizeof(uint32_t)));
	if (!d)
		return -ENOMEM;
	pthread_mutex_init(&d->lock, NULL);
	d->most = most;
	d->hash = (uint32_t *)&d->candidate[most];
	/* libshrink: what a scan needs is there before it is short */
	memset(d->candidate, 1, most * (sizeof(d->candidate[0]) + sizeof(uint32_t)));
	t->density = d;
	return 0;
}

void density_close(struct tenant *t)
{
	if (t->density)
		pthread_mutex_destroy(&t->density->lock);
	free(t->density);
	t->density = NULL;
}

/* The coldest of a shard, with a reference each, so that they stay where they are. */
static void gather_in(struct density *d, struct shard *s, unsigned int most)
{
	unsigned int looks = (unsigned int)(s->ring.count / PART) + 1;
	struct item *it = s->ring.oldest;

	looks = looks < most ? looks : most;
	for (; it && looks && d->n < d->most; looks--) {
		struct item *newer = item_ring(it)->newer;

		if (shrink_fast_test_clear(&it->mark) || !item_unused(it)) {
			shard_renew(s, it);
		} else {
			item_ref(it);
			d->candidate[d->n++].object = item_object(it);
		}
		it = newer;
	}
}

/* The hashes in the order of the sort; then nothing is held any more. */
static void let_go(struct density *d)
{
	for (unsigned int i = 0; i < d->n; i++) {
		struct item *it = item_of_object(d->candidate[i].object);

		d->hash[i] = item_hash(it);
		room_put(it);
	}
}

static void gather(struct tenant *t, struct density *d)
{
	unsigned int each = d->most / t->table.nr_shards;

	d->n = d->next = 0;
	for (unsigned int i = 0; i < t->table.nr_shards; i++) {
		struct shard *s = table_shard(&t->table, i);

		if (pthread_mutex_trylock(&s->lock))
			continue;
		gather_in(d, s, each);
		pthread_mutex_unlock(&s->lock);
	}
	/* libshrink: the sparsest slabs first. Where jemalloc cannot tell: the coldest. */
	(void)shrink_arena_sort(t->arena, d->candidate, d->n);
	let_go(d);
}

/* Is what was gathered still here, and still cold? Only its address is believed. */
static void evict_one(struct tenant *t, struct density *d, unsigned int i, struct ring_work *w)
{
	struct shard *s = table_shard(&t->table, d->hash[i]);
	struct item *it = item_of_object(d->candidate[i].object);
	bool taken = false;

	if (pthread_mutex_trylock(&s->lock))
		return;
	if (shard_holds(s, d->hash[i], it))
		taken = ring_take(t, s, it, w);
	pthread_mutex_unlock(&s->lock);
	if (taken)
		ring_drop(t, it, w);
}

static void evict_gathered(struct tenant *t, struct density *d, struct ring_work *w)
{
	while (d->next < d->n && w->looked < w->want &&
	       (!w->want_bytes || w->bytes < w->want_bytes))
		evict_one(t, d, d->next++, w);
}

void density_evict(struct tenant *t, struct ring_work *w)
{
	struct density *d = t->density;

	/* somebody else is at it: as any cache would */
	if (pthread_mutex_trylock(&d->lock)) {
		ring_evict(t, w);
		return;
	}
	evict_gathered(t, d, w);
	if (d->next == d->n && w->looked < w->want) {
		gather(t, d);
		evict_gathered(t, d, w);
	}
	pthread_mutex_unlock(&d->lock);
}

void density_purge(struct tenant *t, uint64_t bytes)
{
	uint64_t dirty = __atomic_add_fetch(&t->dirty, bytes, __ATOMIC_RELAXED);

	if (dirty < PURGE_BYTES)
		return;
	__atomic_store_n(&t->dirty, 0u, __ATOMIC_RELAXED);
	/* libshrink: this arena's free pages, and no other's */
	(void)shrink_arena_purge(t->arena);
}

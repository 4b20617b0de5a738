/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 256u
#define SHARD_SHIFT   7 /* the bits below choose the shard, those above the bucket */

static int shard_init(struct shard *s)
{
	pthread_mutex_init(&s->lock, NULL);
	s->buckets = calloc(BUCKETS_FIRST, sizeof(struct item *));
	s->nr_buckets = s->buckets ? BUCKETS_FIRST : 0;
	return s->buckets ? 0 : -ENOMEM;
}

int table_init(struct table *t, unsigned int nr_shards)
{
	int r = 0;

	t->nr_shards = 0;
	t->shards = aligned_alloc(64, nr_shards * sizeof(*t->shards));
	if (!t->shards)
		return -ENOMEM;
	memset(t->shards, 0, nr_shards * sizeof(*t->shards));
	for (; t->nr_shards < nr_shards && r == 0; t->nr_shards++)
		r = shard_init(&t->shards[t->nr_shards]);
	return r;
}

static void shard_fini(struct shard *s, void (*drop)(struct item *it))
{
	for (size_t i = 0; i < s->nr_buckets; i++) {
		while (s->buckets[i]) {
			struct item *it = s->buckets[i];

			s->buckets[i] = it->next;
			drop(it);
		}
	}
	free(s->buckets);
	pthread_mutex_destroy(&s->lock);
}

void table_fini(struct table *t, void (*drop)(struct item *it))
{
	for (unsigned int i = 0; i < t->nr_shards; i++)
		shard_fini(&t->shards[i], drop);
	free(t->shards);
	t->shards = NULL;
	t->nr_shards = 0;
}

/* FNV-1a, with a last mix so that the low bits, which choose the shard, depend
 * on all of the key. */
uint32_t table_hash(const char *key, size_t nkey)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < nkey; i++)
		h = (h ^ (unsigned char)key[i]) * 0x100000001b3u;
	h ^= h >> 29;
	h *= 0x9e3779b97f4a7c15u;
	return (uint32_t)(h >> 32);
}

static struct item **bucket(const struct shard *s, uint32_t hash)
{
	return &s->buckets[(hash >> SHARD_SHIFT) & (s->nr_buckets - 1)];
}

struct item *shard_find(struct shard *s, uint32_t hash, const char *key, size_t nkey)
{
	struct item *it;

	for (it = *bucket(s, hash); it; it = it->next) {
		if (item_hash(it) == hash && it->nkey == nkey &&
		    memcmp(item_key(it), key, nkey) == 0)
			break;
	}
	return it;
}

bool shard_holds(const struct shard *s, uint32_t hash, const struct item *it)
{
	const struct item *p = *bucket(s, hash);

	while (p && p != it)
		p = p->next;
	return p != NULL;
}

static void ring_append(struct ring *r, struct item *it)
{
	struct ring_node *node = item_ring(it);

	node->older = r->newest;
	node->newer = NULL;
	if (r->newest)
		item_ring(r->newest)->newer = it;
	else
		r->oldest = it;
	r->newest = it;
	r->count++;
}

static void ring_remove(struct ring *r, struct item *it)
{
	struct ring_node *node = item_ring(it);

	if (node->older)
		item_ring(node->older)->newer = node->newer;
	else
		r->oldest = node->newer;
	if (node->newer)
		item_ring(node->newer)->older = node->older;
	else
		r->newest = node->older;
	r->count--;
}

/* Twice the buckets. Where there is no memory for them chains grow instead. */
static void shard_grow(struct shard *s)
{
	size_t nr_old = s->nr_buckets;
	struct item **old = s->buckets;
	struct item **grown = calloc(nr_old * 2, sizeof(struct item *));

	if (!grown)
		return;
	s->buckets = grown;
	s->nr_buckets = nr_old * 2;
	for (size_t i = 0; i < nr_old; i++) {
		struct item *it = old[i];

		while (it) {
			struct item *next = it->next;
			struct item **head = bucket(s, item_hash(it));

			it->next = *head;
			*head = it;
			it = next;
		}
	}
	free(old);
}

void shard_link(struct shard *s, struct item *it)
{
	struct item **head = bucket(s, item_hash(it));

	it->next = *head;
	*head = it;
	if (it->ringed)
		ring_append(&s->ring, it);
	s->bytes += item_size(it->nkey, it->nbytes);
	if (++s->count > s->nr_buckets)
		shard_grow(s);
}

static struct item **link_of(struct shard *s, const struct item *it)
{
	struct item **link = bucket(s, item_hash(it));

	while (*link != it)
		link = &(*link)->next;
	return link;
}

void shard_unlink(struct shard *s, struct item *it)
{
	*link_of(s, it) = it->next;
	if (it->ringed)
		ring_remove(&s->ring, it);
	s->bytes -= item_size(it->nkey, it->nbytes);
	s->count--;
}

static bool begins_with(const struct item *it, const char *prefix, char then)
{
	size_t n = prefix ? strlen(prefix) : 0;

	return !prefix || (it->nkey > n && memcmp(item_key(it), prefix, n) == 0 &&
			   item_key(it)[n] == then);
}

void shard_drop(struct shard *s, const char *prefix, char then, void (*drop)(struct item *it))
{
	for (size_t i = 0; i < s->nr_buckets; i++) {
		struct item *it = s->buckets[i], *next;

		for (; it; it = next) {
			next = it->next;
			if (begins_with(it, prefix, then)) {
				shard_unlink(s, it);
				drop(it);
			}
		}
	}
}

void shard_replace(struct shard *s, struct item *it, struct item *to)
{
	struct ring *r = &s->ring;
	struct ring_node *node;

	*link_of(s, it) = to;
	if (!it->ringed)
		return;
	node = item_ring(to);
	*node = *item_ring(it);
	*(node->older ? &item_ring(node->older)->newer : &r->oldest) = to;
	*(node->newer ? &item_ring(node->newer)->older : &r->newest) = to;
}

void shard_renew(struct shard *s, struct item *it)
{
	ring_remove(&s->ring, it);
	ring_append(&s->ring, it);
}

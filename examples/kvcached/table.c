/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/fast.h>

#define BUCKETS_FIRST 1024u

static struct shard shards[SHARDS];

static int shard_init(struct shard *s)
{
	s->buckets = calloc(BUCKETS_FIRST, sizeof(struct item *));
	if (!s->buckets)
		return -ENOMEM;
	s->nr_buckets = BUCKETS_FIRST;
	return -pthread_mutex_init(&s->lock, NULL);
}

int table_init(void)
{
	int r = 0;

	for (unsigned int i = 0; i < SHARDS && r == 0; i++)
		r = shard_init(&shards[i]);
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

void table_fini(void (*drop)(struct item *it))
{
	for (unsigned int i = 0; i < SHARDS; i++)
		shard_fini(&shards[i], drop);
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

struct shard *table_shard(uint32_t hash)
{
	return &shards[hash & (SHARDS - 1)];
}

struct shard *table_shard_at(unsigned int index)
{
	return &shards[index & (SHARDS - 1)];
}

static struct item **bucket(const struct shard *s, uint32_t hash)
{
	return &s->buckets[(hash >> SHARD_BITS) & (s->nr_buckets - 1)];
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

static void clock_append(struct clock_list *c, struct item *it)
{
	it->older = c->newest;
	it->newer = NULL;
	if (c->newest)
		c->newest->newer = it;
	else
		c->oldest = it;
	c->newest = it;
	c->count++;
}

static void clock_remove(struct clock_list *c, struct item *it)
{
	if (it->older)
		it->older->newer = it->newer;
	else
		c->oldest = it->newer;
	if (it->newer)
		it->newer->older = it->older;
	else
		c->newest = it->older;
	c->count--;
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
	clock_append(&s->clocks[it->cls], it);
	s->bytes += item_size(it->nkey, it->nbytes);
	if (++s->count > s->nr_buckets)
		shard_grow(s);
}

void shard_unlink(struct shard *s, struct item *it)
{
	struct item **link = bucket(s, item_hash(it));

	while (*link != it)
		link = &(*link)->next;
	*link = it->next;
	clock_remove(&s->clocks[it->cls], it);
	s->bytes -= item_size(it->nkey, it->nbytes);
	s->count--;
}

struct item *shard_victim(struct shard *s, unsigned int cls, unsigned int looks)
{
	struct clock_list *c = &s->clocks[cls];

	while (c->oldest && looks--) {
		struct item *it = c->oldest;

		if (!shrink_fast_test_clear(&it->mark) && item_unused(it))
			return it;
		clock_remove(c, it);
		clock_append(c, it);
	}
	return NULL;
}

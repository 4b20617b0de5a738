// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * A log-structured store: objects are appended to segments, which form a queue by age.
 * Room is made by the oldest segment as a whole, or by merging the four oldest into
 * one of what was used most often in them. A segment that is free is unmapped memory.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tools/bench/pool/caches.h"

#define MERGED 4
#define NONE   UINT32_MAX

struct object {
	uint32_t key, size; /* size: with this header, rounded up to 8 */
};

struct segment {
	uint32_t used;
	uint32_t next; /* younger, or free */
};

struct store {
	unsigned char *data;
	struct segment *segments;
	uint32_t nr, bytes; /* of a segment */
	uint32_t oldest, youngest, spare;
	uint64_t *where; /* by key: offset + 1; 0 = not here */
	uint8_t *uses;   /* by key */
	uint64_t evicted;
	bool merge;
};

static struct object *at(struct store *s, uint64_t offset)
{
	return (void *)(s->data + offset);
}

static void destroy(void *cache)
{
	struct store *s = cache;

	if (s->data)
		munmap(s->data, (size_t)s->nr * s->bytes);
	free(s->segments);
	free(s->where);
	free(s->uses);
	free(s);
}

/* 1024 segments, of 64 KiB at least: one must hold the largest object. */
static uint32_t segment_bytes(const struct trace *t, uint64_t capacity)
{
	uint32_t bytes = 64 << 10, largest = 0;

	for (size_t k = 0; k < t->keys.nr; k++)
		largest = t->key[k].size > largest ? t->key[k].size : largest;
	while (bytes < capacity / 1024 || bytes < 2 * largest)
		bytes *= 2;
	return bytes;
}

static void *create(const struct trace *t, uint64_t capacity, bool merge)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->bytes = segment_bytes(t, capacity);
	s->nr = (uint32_t)(capacity / s->bytes);
	s->merge = merge;
	s->segments = calloc(s->nr, sizeof(*s->segments));
	s->where = table(t->keys.nr + 1, sizeof(*s->where));
	s->uses = table(t->keys.nr + 1, sizeof(*s->uses));
	s->data = mmap(NULL, (size_t)s->nr * s->bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->data == MAP_FAILED)
		s->data = NULL;
	if (!s->segments || !s->where || !s->uses || !s->data || s->nr < 2 * MERGED) {
		destroy(s);
		return NULL;
	}
	(void)madvise(s->data, (size_t)s->nr * s->bytes, MADV_NOHUGEPAGE);
	for (uint32_t i = 0; i < s->nr; i++)
		s->segments[i].next = i + 1 < s->nr ? i + 1 : NONE;
	s->oldest = s->youngest = NONE;
	return s;
}

static void *create_fifo(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, false);
}

static void *create_merge(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, true);
}

/* Takes the oldest off the queue. */
static uint32_t pop(struct store *s)
{
	uint32_t i = s->oldest;

	s->oldest = s->segments[i].next;
	if (s->oldest == NONE)
		s->youngest = NONE;
	return i;
}

static void push_spare(struct store *s, uint32_t i)
{
	s->segments[i].used = 0;
	s->segments[i].next = s->spare;
	s->spare = i;
}

static void append(struct store *s, uint32_t i)
{
	s->segments[i].next = NONE;
	if (s->youngest == NONE)
		s->oldest = i;
	else
		s->segments[s->youngest].next = i;
	s->youngest = i;
}

/* Objects of a segment that are still what is meant by their key, one after the other;
 * @offset runs. NULL: the end. */
static struct object *next_live(struct store *s, uint32_t i, uint32_t *offset)
{
	while (*offset < s->segments[i].used) {
		uint64_t here = (uint64_t)i * s->bytes + *offset;
		struct object *o = at(s, here);

		*offset += o->size;
		if (s->where[o->key] == here + 1)
			return o;
	}
	return NULL;
}

static void drop(struct store *s, struct object *o)
{
	s->where[o->key] = 0;
	s->uses[o->key] = 0;
	s->evicted += o->size;
}

/* Keeps what was used @least times or more, as long as it fits behind @into's rest. */
static void merge_one(struct store *s, uint32_t from, uint32_t into, unsigned int least)
{
	struct object *o;
	uint32_t offset = 0;

	while ((o = next_live(s, from, &offset))) {
		uint64_t to = (uint64_t)into * s->bytes + s->segments[into].used;

		if (s->uses[o->key] < least || s->segments[into].used + o->size > s->bytes) {
			drop(s, o);
			continue;
		}
		memcpy(at(s, to), o, o->size);
		s->where[o->key] = to + 1;
		s->segments[into].used += o->size;
		s->uses[o->key] /= 2;
	}
}

/* The uses that about a segment's worth of the four have, or more. */
static unsigned int cut(struct store *s, const uint32_t *of)
{
	uint64_t bytes[256] = {0}, sum = 0;
	unsigned int least = 255;
	struct object *o;

	for (int i = 0; i < MERGED; i++)
		for (uint32_t offset = 0; (o = next_live(s, of[i], &offset));)
			bytes[s->uses[o->key]] += o->size;
	while (least > 1 && sum + bytes[least] <= s->bytes)
		sum += bytes[least--];
	return least;
}

static void make_room(struct store *s)
{
	uint32_t of[MERGED], into = s->spare, offset = 0;
	unsigned int least;
	struct object *o;

	if (!s->merge || into == NONE) {
		of[0] = pop(s);
		while ((o = next_live(s, of[0], &offset)))
			drop(s, o);
		push_spare(s, of[0]);
		return;
	}
	s->spare = s->segments[into].next;
	for (int i = 0; i < MERGED; i++)
		of[i] = pop(s);
	least = cut(s, of);
	for (int i = 0; i < MERGED; i++)
		merge_one(s, of[i], into, least);
	for (int i = 0; i < MERGED; i++)
		push_spare(s, of[i]);
	append(s, into);
}

static bool get(void *cache, uint32_t key)
{
	struct store *s = cache;

	if (!s->where[key])
		return false;
	if (s->uses[key] < 255)
		s->uses[key]++;
	return true;
}

static void put(void *cache, uint32_t key, uint32_t size)
{
	struct store *s = cache;
	uint32_t full = (uint32_t)((size + sizeof(struct object) + 7) & ~7u), i = s->youngest;
	struct object *o;

	if (i == NONE || s->segments[i].used + full > s->bytes) {
		/* merging needs one to write to */
		while (s->spare == NONE || (s->merge && s->segments[s->spare].next == NONE))
			make_room(s);
		i = s->spare;
		s->spare = s->segments[i].next;
		append(s, i);
	}
	o = at(s, (uint64_t)i * s->bytes + s->segments[i].used);
	o->key = key;
	o->size = full;
	memset(o + 1, (int)key, full - sizeof(*o));
	s->where[key] = (uint64_t)i * s->bytes + s->segments[i].used + 1;
	s->uses[key] = 0;
	s->segments[i].used += full;
}

static uint64_t used(void *cache)
{
	struct store *s = cache;
	uint64_t n = 0;

	for (uint32_t i = s->oldest; i != NONE; i = s->segments[i].next)
		n += s->bytes;
	return n;
}

static void shrink(void *cache, uint64_t bytes, struct shrunk *ret)
{
	struct store *s = cache;
	uint64_t before = s->evicted;

	for (uint64_t done = 0; done < bytes && s->oldest != s->youngest; done += s->bytes) {
		uint32_t i = s->oldest, offset = 0;
		struct object *o;

		while ((o = next_live(s, i, &offset)))
			drop(s, o);
		madvise(s->data + (size_t)i * s->bytes, s->bytes, MADV_DONTNEED);
		push_spare(s, pop(s));
	}
	ret->evicted = s->evicted - before;
}

const struct cache cache_segments = {
	{"segments, oldest goes", create_fifo, get, put, NULL, used, destroy},
	shrink,
};
const struct cache cache_merged = {
	{"segments, merged", create_merge, get, put, NULL, used, destroy},
	shrink,
};

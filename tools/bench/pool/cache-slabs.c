// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Slab classes with rebalancing, after memcached's model: pages are cut into chunks of
 * one class, each class has an LRU, and now and then the class whose least recently used
 * object is oldest gives a page to the one where it is youngest.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tools/bench/pool/caches.h"

#define CLASSES_MAX 64
#define GROWTH 1.25
#define SMALLEST 48
#define PERIOD 1000 /* evictions between two looks */
#define RATIO 0.8   /* of ages, from which on a page moves */

struct chunk {
	struct chunk *newer, *older; /* linked; else older = next free */
	uint32_t linked;             /* key + 1 */
	uint32_t used_at;
};

struct class {
	uint32_t chunk, per_page;
	struct chunk ends, *spare;
	uint32_t pages;
};

struct slabs {
	unsigned char *data;
	uint8_t *page_class; /* by page: class + 1; 0 = unused */
	uint32_t nr_pages, page, opened, classes;
	struct class class[CLASSES_MAX];
	struct chunk **where; /* by key */
	uint64_t evicted;
	uint32_t clock, evictions;
};

static void out(struct chunk *c)
{
	c->newer->older = c->older;
	c->older->newer = c->newer;
}

static void in_front(struct class *class, struct chunk *c)
{
	c->newer = &class->ends;
	c->older = class->ends.older;
	class->ends.older->newer = c;
	class->ends.older = c;
}

static void destroy(void *cache)
{
	struct slabs *s = cache;

	if (s->data)
		munmap(s->data, (size_t)s->nr_pages * s->page);
	free(s->page_class);
	free(s->where);
	free(s);
}

static void cut_classes(struct slabs *s)
{
	double size = SMALLEST + sizeof(struct chunk);

	while (s->classes < CLASSES_MAX - 1 && size <= s->page / 2) {
		struct class *c = &s->class[s->classes++];

		c->chunk = ((uint32_t)size + 7) & ~7u;
		c->per_page = s->page / c->chunk;
		size *= GROWTH;
	}
	s->class[s->classes].chunk = s->page;
	s->class[s->classes++].per_page = 1;
	for (uint32_t i = 0; i < s->classes; i++)
		s->class[i].ends.older = s->class[i].ends.newer = &s->class[i].ends;
}

static void *create(const struct trace *t, uint64_t capacity)
{
	struct slabs *s = calloc(1, sizeof(*s));
	uint32_t largest = 0;

	if (!s)
		return NULL;
	for (size_t k = 0; k < t->keys.nr; k++)
		largest = t->key[k].size > largest ? t->key[k].size : largest;
	s->page = 64 << 10;
	while (s->page < capacity / 1024 || s->page < largest + sizeof(struct chunk))
		s->page *= 2;
	s->nr_pages = (uint32_t)(capacity / s->page);
	s->page_class = calloc(s->nr_pages, 1);
	s->where = table(t->keys.nr + 1, sizeof(*s->where));
	s->data = mmap(NULL, (size_t)s->nr_pages * s->page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->data == MAP_FAILED)
		s->data = NULL;
	if (!s->page_class || !s->where || !s->data) {
		destroy(s);
		return NULL;
	}
	(void)madvise(s->data, (size_t)s->nr_pages * s->page, MADV_NOHUGEPAGE);
	cut_classes(s);
	return s;
}

static struct class *class_of(struct slabs *s, uint32_t size)
{
	uint32_t i = 0;

	while (i < s->classes - 1 && s->class[i].chunk < size + sizeof(struct chunk))
		i++;
	return &s->class[i];
}

static void give_page(struct slabs *s, uint32_t page, struct class *class)
{
	unsigned char *at = s->data + (size_t)page * s->page;

	s->page_class[page] = (uint8_t)(class - s->class + 1);
	class->pages++;
	for (uint32_t i = 0; i < class->per_page; i++, at += class->chunk) {
		struct chunk *c = (void *)at;

		c->linked = 0;
		c->older = class->spare;
		class->spare = c;
	}
}

static void evict(struct slabs *s, struct class *class, struct chunk *c)
{
	out(c);
	s->where[c->linked - 1] = NULL;
	s->evicted += class->chunk;
	c->linked = 0;
}

/* All chunks of the page leave: linked ones are evicted, spare ones unlinked. */
static void empty_page(struct slabs *s, uint32_t page, struct class *class)
{
	unsigned char *at = s->data + (size_t)page * s->page;
	struct chunk **p = &class->spare;

	for (uint32_t i = 0; i < class->per_page; i++) {
		struct chunk *c = (void *)(at + (size_t)i * class->chunk);

		if (c->linked)
			evict(s, class, c);
	}
	while (*p) {
		if ((unsigned char *)*p >= at && (unsigned char *)*p < at + s->page)
			*p = (*p)->older;
		else
			p = &(*p)->older;
	}
	class->pages--;
	s->page_class[page] = 0;
}

/* The page that the class's least recently used object lies in. */
static uint32_t tail_page(struct slabs *s, const struct class *class)
{
	return (uint32_t)(((unsigned char *)class->ends.newer - s->data) / s->page);
}

static void rebalance(struct slabs *s)
{
	struct class *oldest = NULL, *youngest = NULL;
	uint32_t age_oldest = 0, age_youngest = UINT32_MAX, page;

	for (uint32_t i = 0; i < s->classes; i++) {
		struct class *c = &s->class[i];
		uint32_t age;

		if (c->ends.newer == &c->ends || !c->pages)
			continue;
		age = s->clock - c->ends.newer->used_at;
		if (age > age_oldest && c->pages > 1)
			age_oldest = age, oldest = c;
		if (age < age_youngest)
			age_youngest = age, youngest = c;
	}
	if (!oldest || oldest == youngest || age_youngest > age_oldest * RATIO)
		return;
	page = tail_page(s, oldest);
	empty_page(s, page, oldest);
	give_page(s, page, youngest);
}

static bool get(void *cache, uint32_t key)
{
	struct slabs *s = cache;
	struct chunk *c = s->where[key];
	struct class *class;

	s->clock++;
	if (!c)
		return false;
	class = &s->class[s->page_class[((unsigned char *)c - s->data) / s->page] - 1];
	out(c);
	in_front(class, c);
	c->used_at = s->clock;
	return true;
}

/* Any page, for a class that has none. */
static void rob(struct slabs *s, struct class *class)
{
	struct class *most = s->class;
	uint32_t page = 0;

	for (uint32_t i = 0; i < s->classes; i++)
		if (s->class[i].pages > most->pages)
			most = &s->class[i];
	while (page < s->nr_pages && s->page_class[page] != most - s->class + 1)
		page++;
	empty_page(s, page, most);
	give_page(s, page, class);
}

static void put(void *cache, uint32_t key, uint32_t size)
{
	struct slabs *s = cache;
	struct class *class = class_of(s, size);
	struct chunk *c;

	if (!class->spare && s->opened < s->nr_pages)
		give_page(s, s->opened++, class);
	if (!class->spare && class->ends.newer == &class->ends)
		rob(s, class);
	if (!class->spare) {
		c = class->ends.newer;
		evict(s, class, c);
		c->older = class->spare;
		class->spare = c;
		if (++s->evictions % PERIOD == 0)
			rebalance(s);
		if (!class->spare)
			return;
	}
	c = class->spare;
	class->spare = c->older;
	c->linked = key + 1;
	c->used_at = s->clock;
	memset(c + 1, (int)key, size);
	in_front(class, c);
	s->where[key] = c;
}

static uint64_t used(void *cache)
{
	struct slabs *s = cache;
	uint64_t n = 0;

	for (uint32_t i = 0; i < s->nr_pages; i++)
		n += s->page_class[i] ? s->page : 0;
	return n;
}

/* Pages of whichever class has the oldest tail, each as a whole. */
static void shrink(void *cache, uint64_t bytes, struct shrunk *ret)
{
	struct slabs *s = cache;
	uint64_t before = s->evicted;

	for (uint64_t done = 0; done < bytes; done += s->page) {
		struct class *oldest = NULL;
		uint32_t page;

		for (uint32_t i = 0; i < s->classes; i++) {
			struct class *c = &s->class[i];

			if (c->ends.newer != &c->ends &&
			    (!oldest || c->ends.newer->used_at < oldest->ends.newer->used_at))
				oldest = c;
		}
		if (!oldest)
			break;
		page = tail_page(s, oldest);
		empty_page(s, page, oldest);
		madvise(s->data + (size_t)page * s->page, s->page, MADV_DONTNEED);
	}
	ret->evicted = s->evicted - before;
}

const struct cache cache_slabs = {
	{"slab classes, rebalanced", create, get, put, NULL, used, destroy},
	shrink,
};

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Exact LRU, and second chance (a mark on hit, another tour for what is marked). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/replay/policy.h"

struct entry {
	uint32_t newer, older; /* key + 1; 0 = none */
	uint32_t size;         /* 0 = not here */
	bool marked;
};

struct lru {
	struct entry *entries;
	uint32_t newest, oldest; /* key + 1 */
	uint64_t used, capacity;
	bool second_chance;
};

static struct entry *at(struct lru *c, uint32_t id)
{
	return &c->entries[id - 1];
}

static void unlink_entry(struct lru *c, uint32_t id)
{
	struct entry *e = at(c, id);

	if (e->newer)
		at(c, e->newer)->older = e->older;
	else
		c->newest = e->older;
	if (e->older)
		at(c, e->older)->newer = e->newer;
	else
		c->oldest = e->newer;
}

static void link_newest(struct lru *c, uint32_t id)
{
	struct entry *e = at(c, id);

	e->newer = 0;
	e->older = c->newest;
	if (c->newest)
		at(c, c->newest)->newer = id;
	else
		c->oldest = id;
	c->newest = id;
}

static void *create(const struct trace *t, uint64_t capacity, bool second_chance)
{
	struct lru *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->entries = calloc(t->keys.nr + 1, sizeof(*c->entries));
	c->capacity = capacity;
	c->second_chance = second_chance;
	if (!c->entries) {
		free(c);
		return NULL;
	}
	return c;
}

static void *create_lru(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, false);
}

static void *create_second_chance(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, true);
}

static bool get(void *cache, uint32_t key)
{
	struct lru *c = cache;

	if (!c->entries[key].size)
		return false;
	if (c->second_chance) {
		c->entries[key].marked = true;
	} else {
		unlink_entry(c, key + 1);
		link_newest(c, key + 1);
	}
	return true;
}

static void evict(struct lru *c)
{
	uint32_t id = c->oldest;
	struct entry *e = at(c, id);

	unlink_entry(c, id);
	if (e->marked) {
		e->marked = false;
		link_newest(c, id);
		return;
	}
	c->used -= e->size;
	e->size = 0;
}

static void put(void *cache, uint32_t key, uint32_t size)
{
	struct lru *c = cache;

	while (c->used + size > c->capacity)
		evict(c);
	c->entries[key].size = size;
	c->entries[key].marked = false;
	c->used += size;
	link_newest(c, key + 1);
}

static uint64_t used(void *cache)
{
	return ((struct lru *)cache)->used;
}

static void destroy(void *cache)
{
	struct lru *c = cache;

	free(c->entries);
	free(c);
}

const struct policy policy_lru = {
	"lru", create_lru, get, put, NULL, used, destroy,
};
const struct policy policy_second_chance = {
	"second-chance", create_second_chance, get, put, NULL, used, destroy,
};

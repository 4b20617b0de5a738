// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The library's lruvec, as a cache that has a size of its own. Tenants are groups. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>
#include <shrink/age.h>
#include "tools/replay/policy.h"

uint64_t policy_age_period_msec = 60000;

struct object {
	struct shrink_lruvec_item item;
	uint32_t size; /* 0 = not here */
};

struct cache {
	struct shrink_lruvec *lv;
	struct shrink_age *age; /* NULL: nothing ages */
	const struct trace *trace;
	struct object *objects;
	struct shrink_memcg **tenants; /* by number */
	uint64_t used, capacity;
};

static enum shrink_lruvec_outcome evict(void *arg, struct shrink_lruvec_item *item,
					struct shrink_lruvec_ask *ask)
{
	(void)arg;
	ask->bytes = ((struct object *)item)->size;
	return SHRINK_LRUVEC_FREED;
}

static void free_object(void *arg, struct shrink_lruvec_item *item)
{
	struct object *o = (struct object *)item;
	struct cache *c = arg;

	c->used -= o->size;
	o->size = 0;
}

static void destroy(void *cache)
{
	struct cache *c = cache;

	shrink_age_destroy(c->age);
	shrink_lruvec_destroy(c->lv);
	for (size_t i = 0; c->tenants && i < c->trace->tenants.nr; i++)
		shrink_memcg_destroy(c->tenants[i]);
	free(c->tenants);
	free(c->objects);
	free(c);
}

static int make_tenants(struct cache *c)
{
	size_t nr = c->trace->tenants.nr;

	c->tenants = calloc(nr + 1, sizeof(*c->tenants));
	for (size_t i = 0; c->tenants && i < nr; i++) {
		c->tenants[i] = shrink_memcg_create(NULL, "tenant%zu", i);
		if (!c->tenants[i])
			return -errno;
	}
	return c->tenants ? 0 : -ENOMEM;
}

static struct shrink_memcg *tenant_of(const struct cache *c, uint32_t key)
{
	uint32_t tenant = c->trace->key[key].tenant;

	return tenant ? c->tenants[tenant - 1] : NULL;
}

static struct cache *create(const struct trace *t, uint64_t capacity, unsigned int flags)
{
	struct shrink_lruvec_options o = {
		.evict = evict,
		.free = free_object,
		.flags = flags | (t->tenants.nr ? SHRINK_LRUVEC_MEMCG : 0),
		.object_size = t->keys.nr ? (size_t)(t->footprint / t->keys.nr) : 1,
	};
	struct cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	o.arg = c;
	o.ghosts = (unsigned long)(capacity / o.object_size) + 1024;
	c->trace = t;
	c->capacity = capacity;
	c->objects = calloc(t->keys.nr + 1, sizeof(*c->objects));
	c->lv = shrink_lruvec_create(&o, sizeof(o), "replay");
	if (!c->objects || !c->lv || make_tenants(c) < 0) {
		destroy(c);
		return NULL;
	}
	return c;
}

static void *create_plain(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, SHRINK_LRUVEC_NO_WORKINGSET);
}

static void *create_ws(const struct trace *t, uint64_t capacity)
{
	return create(t, capacity, 0);
}

/* Virtual time: the trace's. */
static void *create_age(const struct trace *t, uint64_t capacity)
{
	struct shrink_age_options o = {
		.flags = SHRINK_AGE_ON,
		.period_msec = policy_age_period_msec,
	};
	struct cache *c = create(t, capacity, 0);

	if (!c)
		return NULL;
	c->age = shrink_age_create(c->lv, &o, sizeof(o));
	if (!c->age) {
		destroy(c);
		return NULL;
	}
	return c;
}

static void pass(void *cache, uint64_t usec)
{
	(void)cache;
	shrink_sim_step(usec * 1000);
}

static bool get(void *cache, uint32_t key)
{
	struct cache *c = cache;
	struct object *o = &c->objects[key];

	if (!o->size)
		return false;
	shrink_fast_mark(&o->item.mark);
	if (c->age)
		shrink_fast_stamp(&o->item.stamp, shrink_age_fast(c->age));
	return true;
}

static void put(void *cache, uint32_t key, uint32_t size)
{
	struct cache *c = cache;
	struct object *o = &c->objects[key];

	while (c->used + size > c->capacity)
		if (shrink_lruvec_evict(c->lv, 0, SHRINK_GFP_ALL, 1, NULL, 0) <= 0)
			return;
	o->size = size;
	c->used += size;
	if (shrink_lruvec_add(c->lv, &o->item, c->trace->keys.hashes[key], SHRINK_LRUVEC_CLEAN, 0,
			      tenant_of(c, key), 0) < 0)
		abort();
}

static uint64_t used(void *cache)
{
	return ((struct cache *)cache)->used;
}

const struct policy policy_lruvec = {
	"lruvec", create_plain, get, put, NULL, used, destroy,
};
const struct policy policy_lruvec_ws = {
	"lruvec+ws", create_ws, get, put, NULL, used, destroy,
};
const struct policy policy_lruvec_age = {
	"lruvec+ws+age", create_age, get, put, pass, used, destroy,
};

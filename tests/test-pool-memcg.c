// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Pools of groups: each pays for its own limit with its own slabs, and is protected. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>

#include "tests/harness.h"

#define PAGE	4096u
#define MIB	((uint64_t)1 << 20)
#define SIZE	1024u
#define OBJECTS 8192u /* of 1 KiB: 8 MiB */

/* A tenant: a group, a pool of its own, and who is where. */
struct tenant {
	struct shrink_memcg *memcg;
	struct shrink_pool *pool;
	void *objects[OBJECTS];
	unsigned int live;
};

static struct tenant a, b;

static enum shrink_evict evict(void *arg, void *object, size_t size)
{
	struct tenant *t = arg;
	unsigned int place = *(unsigned int *)object;

	if (place >= OBJECTS || t->objects[place] != object)
		return SHRINK_BUSY;
	t->objects[place] = NULL;
	t->live--;
	shrink_memcg_uncharge(t->memcg, size);
	return SHRINK_EVICTED;
}

static void tenant_open(struct tenant *t, struct shrink_memcg *parent, const char *name)
{
	struct shrink_pool_options o = {.evict = evict, .arg = t, .reserve = (size_t)1 << 30};

	memset(t, 0, sizeof(*t));
	t->memcg = o.memcg = shrink_memcg_create(parent, "%s", name);
	CU_ASSERT_FATAL(t->memcg != NULL);
	t->pool = shrink_pool_create(&o, sizeof(o), "%s", name);
	CU_ASSERT_FATAL(t->pool != NULL);
}

static void tenant_close(struct tenant *t)
{
	for (unsigned int i = 0; i < OBJECTS; i++) {
		if (t->objects[i])
			shrink_memcg_uncharge(t->memcg, SIZE);
		shrink_pool_free(t->pool, t->objects[i]);
	}
	shrink_memcg_drain();
	ASSERT_INT((long long)shrink_memcg_usage(t->memcg), 0);
	shrink_pool_destroy(t->pool);
	ASSERT_INT(shrink_memcg_destroy(t->memcg), 0);
}

static int put(struct tenant *t, unsigned int place)
{
	int r = shrink_memcg_charge(t->memcg, SIZE, SHRINK_GFP_ALL);
	unsigned int *object = r < 0 ? NULL : shrink_pool_alloc(t->pool, SIZE);

	CU_ASSERT_FATAL(r < 0 || object != NULL);
	if (r < 0)
		return r;
	*object = place;
	t->objects[place] = object;
	t->live++;
	return 0;
}

static void fill(struct tenant *t, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		ASSERT_INT(put(t, i), 0);
	shrink_memcg_drain();
}

static uint64_t resident(struct tenant *t)
{
	struct shrink_pool_stats st;

	CU_ASSERT(!shrink_pool_stats(t->pool, &st, sizeof(st)));
	return st.live_bytes + st.free_bytes;
}

static void begin(struct shrink_memcg *parent)
{
	CU_ASSERT_FATAL(shrink_start(SHRINK_START_SIMULATED) == 0);
	tenant_open(&a, parent, "a");
	tenant_open(&b, parent, "b");
}

static void end(void)
{
	tenant_close(&a);
	tenant_close(&b);
	ASSERT_INT(shrink_stop(), 0);
}

/* Four times its max: its own go, in whole slabs; the neighbour's are not touched. */
static void max_is_paid_by_oneself(void)
{
	begin(NULL);
	ASSERT_INT(shrink_memcg_set_limit(a.memcg, SHRINK_MEMCG_LIMIT_MAX, 2 * MIB), 0);
	fill(&b, OBJECTS);
	fill(&a, OBJECTS);
	CU_ASSERT(shrink_memcg_usage(a.memcg) <= 2 * MIB);
	CU_ASSERT(a.live > 1024);
	CU_ASSERT(resident(&a) < 3 * MIB);
	ASSERT_INT(b.live, OBJECTS);
	ASSERT_INT((long long)shrink_memcg_usage(b.memcg), OBJECTS * SIZE);
	/* lowered beneath what is there: paid at once */
	ASSERT_INT(shrink_memcg_set_limit(b.memcg, SHRINK_MEMCG_LIMIT_MAX, MIB), 0);
	CU_ASSERT(shrink_memcg_usage(b.memcg) <= MIB && b.live > 0);
	CU_ASSERT(resident(&b) < 2 * MIB);
	end();
}

static void min_is_left_alone(void)
{
	begin(NULL);
	fill(&a, OBJECTS);
	fill(&b, OBJECTS);
	ASSERT_INT(shrink_memcg_set_limit(b.memcg, SHRINK_MEMCG_LIMIT_MIN, 8 * MIB), 0);
	CU_ASSERT(shrink_all_memory(64 * MIB) >= 8 * MIB * 9 / 10);
	ASSERT_INT(a.live, 0);
	ASSERT_INT(b.live, OBJECTS);
	/* the protection is what kept it */
	ASSERT_INT(shrink_memcg_set_limit(b.memcg, SHRINK_MEMCG_LIMIT_MIN, 0), 0);
	shrink_all_memory(4 * MIB);
	CU_ASSERT(b.live < OBJECTS);
	end();
}

static void low_yields_last(void)
{
	struct shrink_memcg_stats st;

	begin(NULL);
	fill(&a, OBJECTS);
	fill(&b, OBJECTS);
	ASSERT_INT(shrink_memcg_set_limit(b.memcg, SHRINK_MEMCG_LIMIT_LOW, 8 * MIB), 0);
	shrink_all_memory(6 * MIB);
	ASSERT_INT(b.live, OBJECTS);
	CU_ASSERT(a.live < OBJECTS / 2);
	shrink_all_memory(64 * MIB); /* all of a's */
	shrink_all_memory(2 * MIB);  /* nobody else has any */
	CU_ASSERT(b.live < OBJECTS);
	ASSERT_INT(shrink_memcg_stats(b.memcg, &st, sizeof(st)), 0);
	CU_ASSERT(st.events_low > 0);
	end();
}

/* The limit of both together is paid by both. */
static void parents_limit(void)
{
	struct shrink_memcg *both;

	CU_ASSERT_FATAL((both = shrink_memcg_create(NULL, "both")) != NULL);
	begin(both);
	fill(&a, OBJECTS);
	fill(&b, OBJECTS);
	ASSERT_INT((long long)shrink_memcg_usage(both),
		   (long long)(shrink_memcg_usage(a.memcg) + shrink_memcg_usage(b.memcg)));
	ASSERT_INT(shrink_memcg_set_limit(both, SHRINK_MEMCG_LIMIT_MAX, 8 * MIB), 0);
	CU_ASSERT(shrink_memcg_usage(both) <= 8 * MIB);
	CU_ASSERT(a.live > OBJECTS / 4 && b.live > OBJECTS / 4);
	end();
	ASSERT_INT(shrink_memcg_destroy(both), 0);
}

/* A group that ends leaves its pool to its parent: still part of reclaim. */
static void offline(void)
{
	struct shrink_memcg *above;

	CU_ASSERT_FATAL((above = shrink_memcg_create(NULL, "above")) != NULL);
	begin(above);
	fill(&a, OBJECTS);
	ASSERT_INT(shrink_memcg_offline(a.memcg), 0);
	CU_ASSERT(shrink_memcg_reclaim(above, MIB, NULL) >= (int64_t)MIB);
	CU_ASSERT(a.live < OBJECTS);
	end();
	ASSERT_INT(shrink_memcg_destroy(above), 0);
}

/* An empty pool that fills later is found, whatever passes came by meanwhile. */
static void empty_then_full(void)
{
	begin(NULL);
	for (int i = 0; i < 3; i++)
		shrink_drop_all();
	fill(&a, 1024);
	CU_ASSERT(shrink_memcg_reclaim(a.memcg, MIB / 2, NULL) >= (int64_t)MIB / 2);
	CU_ASSERT(a.live <= 512);
	end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"over its max a pool loses objects of its own", max_is_paid_by_oneself},
		{"min: left alone while there is anything else", min_is_left_alone},
		{"low: yields when nothing else is left", low_yields_last},
		{"a limit of two is paid by both", parents_limit},
		{"a group that ends leaves its pool to its parent", offline},
		{"an empty pool is found once it has something", empty_then_full},
		{NULL, NULL},
	};

	return test_main(argc, argv, "pool-memcg", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Whose memory a pool's is: classes, nodes, groups, and who permits growth. */
#include <errno.h>
#include <string.h>

#include <shrink/shrink.h>

#include "tests/harness.h"

#define PAGE 4096u
#define MIB  ((uint64_t)1 << 20)

static struct shrink_pool_stats stats(struct shrink_pool *pool)
{
	struct shrink_pool_stats st;

	CU_ASSERT(!shrink_pool_stats(pool, &st, sizeof(st)));
	return st;
}

static enum shrink_evict evict(void *arg, void *object, size_t size)
{
	(void)arg;
	(void)object;
	(void)size;
	return SHRINK_EVICTED;
}

static struct shrink_pool *make(struct shrink_memcg *memcg, unsigned int flags)
{
	struct shrink_pool_options o = {
		.evict = evict, .memcg = memcg, .flags = flags, .reserve = (size_t)1 << 30};
	struct shrink_pool *pool = shrink_pool_create(&o, sizeof(o), "account");

	CU_ASSERT_FATAL(pool != NULL);
	return pool;
}

/* What the classes say adds up to what the pool says, at every stage. */
static void add_up(struct shrink_pool *pool)
{
	struct shrink_pool_class_stats c, all = {0};
	struct shrink_pool_stats st = stats(pool);
	unsigned int i = 0;

	for (; !shrink_pool_class_stats(pool, i, &c, sizeof(c)); i++) {
		all.slabs += c.slabs;
		all.live_objects += c.live_objects;
		all.live_bytes += c.live_bytes;
		all.resident_bytes += c.resident_bytes;
		all.dirty_bytes += c.dirty_bytes;
		CU_ASSERT(c.dirty_bytes + c.live_bytes == c.resident_bytes);
		CU_ASSERT(c.empty_slabs + c.partial_slabs[0] + c.partial_slabs[1] +
				  c.partial_slabs[2] + c.partial_slabs[3] <=
			  c.slabs);
	}
	CU_ASSERT(i > 50);
	ASSERT_INT(shrink_pool_class_stats(pool, i, &c, sizeof(c)), -ENOENT);
	ASSERT_INT(all.slabs, st.slabs);
	ASSERT_INT(all.live_objects, st.live_objects);
	ASSERT_INT(all.live_bytes, st.live_bytes);
	ASSERT_INT(all.dirty_bytes, st.free_bytes);
	CU_ASSERT(all.resident_bytes <= st.resident_bytes);
}

static void classes_add_up(void)
{
	static void *objects[20000];
	struct shrink_pool_class_stats c;
	struct shrink_pool *pool = make(NULL, 0);
	uint64_t sparse = 0;

	for (unsigned int i = 0; i < 20000; i++) {
		objects[i] = shrink_pool_alloc(pool, 20 + i * 37 % 5000 + (i % 500 ? 0 : 100000));
		CU_ASSERT_FATAL(objects[i] != NULL);
	}
	add_up(pool);
	for (unsigned int i = 0; i < 20000; i++)
		if (i % 8)
			shrink_pool_free(pool, objects[i]);
	add_up(pool);
	for (unsigned int i = 0; !shrink_pool_class_stats(pool, i, &c, sizeof(c)); i++)
		sparse += c.partial_slabs[0];
	CU_ASSERT(sparse > 100); /* fragmented, and one can see where */
	shrink_all_memory(4 * MIB);
	add_up(pool);
	shrink_drop_all();
	add_up(pool);
	ASSERT_INT(shrink_pool_class_stats(NULL, 0, &c, sizeof(c)), -EINVAL);
	shrink_pool_destroy(pool);
}

static void pools_add_up(void)
{
	struct shrink_memcg *group = shrink_memcg_create(NULL, "group");
	struct shrink_pool *a = make(NULL, SHRINK_POOL_BIND), *b = make(group, 0);
	struct shrink_pool_stats st;

	CU_ASSERT(shrink_pool_alloc(a, 1000) && shrink_pool_alloc(b, 2000));
	CU_ASSERT(shrink_pool_alloc(b, 100) != NULL);
	CU_ASSERT(!shrink_pools_stats(SHRINK_NUMA_NO_NODE, NULL, &st, sizeof(st)));
	ASSERT_INT(st.live_objects, 3);
	ASSERT_INT(st.resident_bytes, stats(a).resident_bytes + stats(b).resident_bytes);
	CU_ASSERT(!shrink_pools_stats(0, NULL, &st, sizeof(st)));
	ASSERT_INT(st.live_objects, 1);
	CU_ASSERT(!shrink_pools_stats(SHRINK_NUMA_NO_NODE, group, &st, sizeof(st)));
	ASSERT_INT(st.live_objects, 2);
	CU_ASSERT(!shrink_pools_stats(SHRINK_NUMA_NO_NODE, shrink_memcg_root(), &st, sizeof(st)));
	ASSERT_INT(st.live_objects, 1);
	ASSERT_INT(shrink_pools_stats(-2, NULL, &st, sizeof(st)), -EINVAL);
	shrink_pool_destroy(a);
	shrink_pool_destroy(b);
	shrink_memcg_destroy(group);
}

/* The group is charged for pages, no more and no less, and its max holds. */
static void group_is_charged(void)
{
	struct shrink_memcg *group = shrink_memcg_create(NULL, "group");
	struct shrink_pool *pool = make(group, SHRINK_POOL_CHARGE);
	struct shrink_pool_stats st;
	void *last = NULL;

	for (int i = 0; i < 1000; i++)
		CU_ASSERT(shrink_pool_alloc(pool, 1024) != NULL);
	shrink_memcg_drain();
	st = stats(pool);
	ASSERT_INT(shrink_memcg_usage(group), st.live_bytes + st.free_bytes);
	ASSERT_INT(shrink_memcg_set_limit(group, SHRINK_MEMCG_LIMIT_MAX, 2 * MIB), 0);
	for (int i = 0; i < 10000; i++) { /* five times its max: reclaimed as it goes */
		last = shrink_pool_alloc(pool, 1024);
		CU_ASSERT_FATAL(last != NULL || errno == ENOMEM);
		if (!last)
			CU_ASSERT(shrink_pool_make_room(pool, 1024) == 0);
		CU_ASSERT(shrink_memcg_usage(group) <= 2 * MIB);
	}
	CU_ASSERT(stats(pool).evicted_objects > 5000);
	shrink_memcg_drain();
	st = stats(pool);
	ASSERT_INT(shrink_memcg_usage(group), st.live_bytes + st.free_bytes);
	shrink_memcg_force_empty(group);
	shrink_memcg_drain();
	st = stats(pool);
	ASSERT_INT(shrink_memcg_usage(group), st.live_bytes + st.free_bytes);
	CU_ASSERT(shrink_pool_alloc(pool, 5000) != NULL);
	ASSERT_INT(shrink_memcg_offline(group), 0);
	CU_ASSERT(!shrink_pool_alloc(pool, 20000) && errno == ESTALE);
	shrink_pool_destroy(pool);
	shrink_memcg_drain();
	ASSERT_INT(shrink_memcg_usage(group), 0);
	shrink_memcg_destroy(group);
}

/* Bytes of slabs, without tables. */
static uint64_t slabs(struct shrink_pool *pool)
{
	struct shrink_pool_stats st = stats(pool);

	return st.live_bytes + st.free_bytes;
}

/* Of a size that there is no slab of: some of the others go, not all, and it fits. */
static void another_size(struct shrink_pool *pool, size_t size)
{
	struct shrink_pool_stats before = stats(pool), after;

	CU_ASSERT(!shrink_pool_alloc(pool, size) && errno == EAGAIN);
	ASSERT_INT(shrink_pool_make_room(pool, size), 0);
	CU_ASSERT(shrink_pool_alloc(pool, size) != NULL);
	after = stats(pool);
	CU_ASSERT(slabs(pool) <= before.live_bytes + before.free_bytes);
	CU_ASSERT(after.live_bytes > before.live_bytes / 2);
	/* what went made room once */
	CU_ASSERT(!shrink_pool_alloc(pool, MIB) && errno == EAGAIN);
}

/* While growth is held no slab is made; what there is can be replaced. */
static void growth_is_held(void)
{
	struct shrink_sim_state tight = {.limit = 64 * MIB, .usage = 64 * MIB, .rss = 64 * MIB};
	struct shrink_sim_state roomy = {.limit = UINT64_MAX};
	struct shrink_pool *pool = make(NULL, SHRINK_POOL_ROOM), *free_pool = make(NULL, 0);
	uint64_t resident;

	for (int i = 0; i < 2000; i++)
		CU_ASSERT(shrink_pool_alloc(pool, 1024) != NULL);
	/* reclaim, which never ends here, leaves something to replace */
	shrinker_set_enabled(shrink_pool_shrinker(pool), 0);
	resident = slabs(pool);
	CU_ASSERT(!shrink_sim_set(&tight, sizeof(tight)));
	shrink_sim_step(1000000000);
	ASSERT_INT(shrink_room(shrink_pool_shrinker(pool)), 0);
	CU_ASSERT(!shrink_pool_alloc(pool, 30000) && errno == EAGAIN);
	CU_ASSERT(shrink_pool_alloc(free_pool, 30000) != NULL);
	another_size(pool, 30000);
	another_size(pool, 100000);
	for (int i = 0; i < 4000; i++) {
		void *o = shrink_pool_alloc(pool, 1024);

		if (!o && shrink_pool_make_room(pool, 1024) == 0)
			o = shrink_pool_alloc(pool, 1024);
		CU_ASSERT(o != NULL);
		CU_ASSERT(slabs(pool) <= resident);
	}
	CU_ASSERT(!shrink_sim_set(&roomy, sizeof(roomy)));
	for (int i = 0; i < 100 && !shrink_room(shrink_pool_shrinker(pool)); i++)
		shrink_sim_step(1000000000);
	CU_ASSERT(shrink_pool_alloc(pool, 30000) != NULL);
	shrink_pool_destroy(pool);
	shrink_pool_destroy(free_pool);
}

/* As many objects of 1 KiB as it lets itself be asked for. */
static void fill(struct shrink_pool *pool)
{
	for (int i = 0; i < 100000; i++)
		if (!shrink_pool_alloc(pool, 1024))
			break;
	ASSERT_INT(errno, EAGAIN);
}

/* Up to what it is protected by a group's pool grows while growth is held; beyond it
 * replaces. @min is what slabs come to, less a slab or a thread's stock of charges. */
static void grows_to(struct shrink_pool *pool, uint64_t min)
{
	uint64_t evicted = stats(pool).evicted_objects;

	ASSERT_INT(shrink_pool_make_room(pool, 1024), 0);
	CU_ASSERT(shrink_pool_alloc(pool, 1024) != NULL);
	ASSERT_INT(stats(pool).evicted_objects, evicted);
	fill(pool);
	CU_ASSERT(slabs(pool) <= min && slabs(pool) >= min - MIB / 2);
	ASSERT_INT(stats(pool).evicted_objects, evicted);
	ASSERT_INT(shrink_pool_make_room(pool, 1024), 0);
	CU_ASSERT(shrink_pool_alloc(pool, 1024) != NULL);
	CU_ASSERT(stats(pool).evicted_objects > evicted);
	CU_ASSERT(slabs(pool) <= min);
}

static void min_is_grown_to(void)
{
	struct shrink_sim_state tight = {.limit = 64 * MIB, .usage = 64 * MIB, .rss = 64 * MIB};
	struct shrink_memcg *group = shrink_memcg_create(NULL, "group");
	struct shrink_memcg *bare = shrink_memcg_create(NULL, "bare");
	struct shrink_pool *pool = make(group, SHRINK_POOL_ROOM | SHRINK_POOL_CHARGE);
	struct shrink_pool *other = make(bare, SHRINK_POOL_ROOM | SHRINK_POOL_CHARGE);

	shrinker_set_enabled(shrink_pool_shrinker(pool), 0);
	ASSERT_INT(shrink_memcg_set_limit(group, SHRINK_MEMCG_LIMIT_MIN, 4 * MIB), 0);
	CU_ASSERT(!shrink_sim_set(&tight, sizeof(tight)));
	shrink_sim_step(1000000000);
	ASSERT_INT(shrink_room(shrink_pool_shrinker(pool)), 0);
	CU_ASSERT(!shrink_pool_alloc(other, 1024) && errno == EAGAIN);
	grows_to(pool, 4 * MIB);
	ASSERT_INT(shrink_memcg_set_limit(group, SHRINK_MEMCG_LIMIT_MIN, 6 * MIB), 0);
	grows_to(pool, 6 * MIB);
	shrink_pool_destroy(pool);
	shrink_pool_destroy(other);
	shrink_memcg_destroy(group);
	shrink_memcg_destroy(bare);
}

static void in_simulation(void (*fn)(void))
{
	struct shrink_sim_state roomy = {.limit = UINT64_MAX};

	CU_ASSERT_FATAL(!shrink_start(SHRINK_START_SIMULATED));
	CU_ASSERT(!shrink_sim_set(&roomy, sizeof(roomy)));
	fn();
	CU_ASSERT(!shrink_stop());
}

static void test_classes(void)
{
	in_simulation(classes_add_up);
}

static void test_pools(void)
{
	in_simulation(pools_add_up);
}

static void test_group(void)
{
	in_simulation(group_is_charged);
}

static void test_room(void)
{
	in_simulation(growth_is_held);
}

static void test_min(void)
{
	in_simulation(min_is_grown_to);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"classes add up to the pool, and show what is sparse", test_classes},
		{"pools of a node, of a group, of none", test_pools},
		{"a group is charged for pages", test_group},
		{"no slab is made while growth is held", test_room},
		{"up to its group's min a pool grows all the same", test_min},
		{NULL, NULL},
	};

	return test_main(argc, argv, "pool-account", tests);
}

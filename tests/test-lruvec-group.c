// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* An lruvec's groups: whose lists, whose clock, and what becomes of them. */
#include <errno.h>
#include <string.h>

#include <libshrink/lru/lruvec.h>
#include <libshrink/lru/workingset.h>
#include <libshrink/os/alloc.h>
#include <shrink/shrink.h>

#include "tests/harness.h"

#define OBJECTS 4000

struct object {
	struct shrink_lruvec_item item;
	enum shrink_lruvec_outcome answer;
	int resident, owner;
};

static struct object objects[OBJECTS];
static struct shrink_lruvec *lv;

static enum shrink_lruvec_outcome evict(void *arg, struct shrink_lruvec_item *item,
					struct shrink_lruvec_ask *ask)
{
	struct object *o = (struct object *)item;

	(void)arg;
	(void)ask;
	CU_ASSERT(o->resident == 1);
	if (o->answer == SHRINK_LRUVEC_FREED)
		o->resident = 0;
	return o->answer;
}

static void free_object(void *arg, struct shrink_lruvec_item *item)
{
	(void)arg;
	(void)item;
}

static void begin_with(unsigned int flags)
{
	struct shrink_lruvec_options o = {
		.evict = evict, .free = free_object, .flags = flags, .object_size = 100,
		.ghosts = 2 * OBJECTS,
	};

	memset(objects, 0, sizeof(objects));
	lv = shrink_lruvec_create(&o, sizeof(o), "groups");
	CU_ASSERT_PTR_NOT_NULL_FATAL(lv);
}

static void begin(void)
{
	begin_with(SHRINK_LRUVEC_MEMCG);
}

static void end(void)
{
	shrink_lruvec_destroy(lv);
	ASSERT_INT(shrink_memcg_count(), 0);
}

static struct shrink_memcg *group(struct shrink_memcg *parent)
{
	struct shrink_memcg *memcg = shrink_memcg_create(parent, "group");

	CU_ASSERT_PTR_NOT_NULL_FATAL(memcg);
	return memcg;
}

static int add_flags(int i, struct shrink_memcg *memcg, unsigned int flags)
{
	int r;

	objects[i].resident = 1;
	r = shrink_lruvec_add(lv, &objects[i].item, shrink_workingset_hash(&i, sizeof(i)),
			      SHRINK_LRUVEC_CLEAN, 0, memcg, flags);
	CU_ASSERT(r >= 0);
	return r;
}

static int add(int i, struct shrink_memcg *memcg)
{
	return add_flags(i, memcg, 0);
}

static void add_range(int from, int to, struct shrink_memcg *memcg)
{
	for (int i = from; i < to; i++)
		add(i, memcg);
}

static int resident(int from, int to)
{
	int n = 0;

	for (int i = from; i < to; i++)
		n += objects[i].resident;
	return n;
}

static unsigned long count(struct shrink_memcg *memcg)
{
	struct shrink_control sc = {.memcg = memcg};

	return shrink_lruvec_count(lv, &sc);
}

static unsigned long scan(struct shrink_memcg *memcg, unsigned long nr)
{
	struct shrink_control sc = {
		.gfp_mask = SHRINK_GFP_ALL, .memcg = memcg, .nr_to_scan = nr, .nr_scanned = nr,
	};

	return shrink_lruvec_scan(lv, &sc);
}

static int bit(struct shrink_memcg *memcg)
{
	int id = shrinker_id(shrink_lruvec_shrinker(lv));
	struct shrink_memcg_unit *unit = shrink_memcg_unit(memcg, 0, id);

	return unit && atomic_load(&unit->map) & 1ULL << id % 64;
}

/* A scan of a group takes from that group alone; the root's too. */
static void test_scope(void)
{
	struct shrink_memcg *a, *b;

	begin();
	a = group(NULL);
	b = group(a);
	ASSERT_INT(count(a), SHRINK_EMPTY);
	ASSERT_INT(scan(a, 10), SHRINK_STOP);
	CU_ASSERT(!bit(a) && !bit(b));
	add_range(0, 100, NULL);
	add_range(100, 300, a);
	CU_ASSERT(bit(a) && !bit(b));
	add_range(300, 600, b);
	CU_ASSERT(bit(b));
	ASSERT_INT(count(NULL), 100);
	ASSERT_INT(count(a), 200);
	ASSERT_INT(count(b), 300);
	ASSERT_INT(scan(a, 150), 150);
	ASSERT_INT(scan(NULL, 10), 10);
	ASSERT_INT(resident(0, 100), 90);
	ASSERT_INT(resident(100, 300), 50);
	ASSERT_INT(resident(300, 600), 300);
	for (int i = 0; i < 600; i++)
		ASSERT_INT(shrink_lruvec_del(lv, &objects[i].item), objects[i].resident);
	ASSERT_INT(count(a), SHRINK_EMPTY);
	shrink_memcg_destroy(b);
	shrink_memcg_destroy(a);
	end();
}

/* Without the flag groups are none of its business. */
static void test_no_groups(void)
{
	struct shrink_memcg *a = group(NULL);

	begin_with(0);
	add_range(0, 10, a);
	ASSERT_INT(count(NULL), 10);
	ASSERT_INT(shrink_lruvec_prepare(lv, a), 0);
	CU_ASSERT(!bit(a));
	ASSERT_INT(shrink_lruvec_evict_memcg(lv, a, 0, SHRINK_GFP_ALL, 4, NULL, 0), 4);
	shrink_memcg_destroy(a);
	end();
}

/* Passes find groups by their bits; EMPTY clears them. */
static void test_passes(void)
{
	struct shrink_memcg *a, *b;

	begin();
	a = group(NULL);
	b = group(NULL);
	add_range(0, 500, a);
	add_range(500, 1000, b);
	ASSERT_INT(shrink_start(SHRINK_START_SIMULATED), 0);
	CU_ASSERT(shrink_slab(SHRINK_GFP_ALL, SHRINK_NUMA_NO_NODE, a, 0) >= 500);
	ASSERT_INT(resident(0, 500), 0);
	ASSERT_INT(resident(500, 1000), 500);
	CU_ASSERT(bit(a));
	ASSERT_INT(shrink_slab(SHRINK_GFP_ALL, SHRINK_NUMA_NO_NODE, a, 0), 0);
	CU_ASSERT(!bit(a) && bit(b));
	add(0, a);
	CU_ASSERT(bit(a));
	shrink_drop_all();
	ASSERT_INT(resident(0, OBJECTS), 0);
	ASSERT_INT(shrink_stop(), 0);
	shrink_memcg_destroy(a);
	shrink_memcg_destroy(b);
	end();
}

/* What an offline group had is its parent's, at the old end; so are bit and account. */
static void test_reparent(void)
{
	struct shrink_lruvec_stats st;
	struct shrink_memcg *a, *b;

	begin();
	a = group(NULL);
	b = group(a);
	add_range(100, 110, a);
	add_range(0, 10, b);
	add_flags(10, b, SHRINK_LRUVEC_ADD_ACTIVE);
	ASSERT_INT(scan(b, 2), 2);
	for (int i = 100; i < 110; i++)
		shrink_lruvec_del(lv, &objects[i].item);
	ASSERT_INT(shrink_start(SHRINK_START_SIMULATED), 0);
	shrink_slab(SHRINK_GFP_ALL, SHRINK_NUMA_NO_NODE, a, 12);
	ASSERT_INT(shrink_stop(), 0);
	CU_ASSERT(!bit(a));
	add_range(100, 110, a);
	ASSERT_INT(shrink_memcg_offline(b), 0);
	CU_ASSERT(bit(a));
	ASSERT_INT(count(b), SHRINK_EMPTY);
	ASSERT_INT(count(a), 19);
	ASSERT_INT(shrink_lruvec_stats_memcg(lv, a, 0, &st, sizeof(st)), 0);
	ASSERT_INT(st.active_clean, 1);
	ASSERT_INT(st.total.freed, 2);
	ASSERT_INT(shrink_lruvec_stats_memcg(lv, b, 0, &st, sizeof(st)), -ESTALE);
	/* the old end: they go first */
	ASSERT_INT(scan(a, 8), 8);
	ASSERT_INT(resident(0, 10), 0);
	ASSERT_INT(resident(100, 110), 10);
	/* through the old handle objects are the parent's, too */
	add(0, b);
	ASSERT_INT(count(a), 12);
	ASSERT_INT(shrink_lruvec_del(lv, &objects[10].item), 1);
	ASSERT_INT(shrink_lruvec_prepare(lv, b), -ESTALE);
	shrink_memcg_destroy(b);
	ASSERT_INT(shrink_memcg_destroy(a), 0);
	ASSERT_INT(count(NULL), 11);
	ASSERT_INT(scan(NULL, 100), 11);
	end();
}

/* A room of ten protected objects in @memcg. */
static void protect(int from, struct shrink_memcg *memcg)
{
	for (int i = from; i < from + 10; i++)
		add_flags(i, memcg, SHRINK_LRUVEC_ADD_ACTIVE);
}

/* Each group has its clock: what leaves others does not count in it. */
static void test_clocks(void)
{
	struct shrink_memcg *a, *b;

	begin();
	a = group(NULL);
	b = group(NULL);
	protect(0, a);
	protect(20, b);
	add_range(100, 120, a);
	add_range(200, 300, b);
	ASSERT_INT(scan(a, 1), 1);  /* 100 */
	ASSERT_INT(scan(b, 80), 80);
	ASSERT_INT(add(100, a), SHRINK_REFAULT_FOUND | SHRINK_REFAULT_ACTIVATE);
	/* twelve others of its own leave; eleven are protected now */
	ASSERT_INT(scan(a, 13), 13); /* 101 .. 113 */
	ASSERT_INT(add(101, a), SHRINK_REFAULT_FOUND);
	ASSERT_INT(add(113, a), SHRINK_REFAULT_FOUND | SHRINK_REFAULT_ACTIVATE);
	/* of another group's key: judged where it was evicted */
	ASSERT_INT(add(279, NULL), SHRINK_REFAULT_FOUND | SHRINK_REFAULT_ACTIVATE);
	ASSERT_INT(add(200, a), SHRINK_REFAULT_FOUND);
	shrink_memcg_destroy(a);
	shrink_memcg_destroy(b);
	end();
}

/* The clock and the room of a group are those of all below it: contract section 6. */
static void test_hierarchy(void)
{
	struct shrink_memcg *a, *b;
	struct shrink_lgroup *g;

	begin();
	a = group(NULL);
	b = group(a);
	add_range(100, 110, a);
	add_range(200, 240, b);
	g = shrink_lgroup_own(&lv->groups, a);
	scan(a, 1); /* 100 */
	ASSERT_INT(atomic_load(&g->clock[0].now), 1);
	scan(b, 5);
	ASSERT_INT(atomic_load(&g->clock[0].now), 6);
	ASSERT_INT(atomic_load(&lv->groups.root->clock[0].now), 6);
	/* five have left below, and nothing is protected */
	ASSERT_INT(add(100, a), SHRINK_REFAULT_FOUND);
	shrink_lruvec_del(lv, &objects[100].item);
	scan(a, 1); /* 101 */
	scan(b, 5);
	protect(0, b); /* below it, but it counts */
	ASSERT_INT(add(101, a), SHRINK_REFAULT_FOUND | SHRINK_REFAULT_ACTIVATE);
	shrink_memcg_destroy(b);
	shrink_memcg_destroy(a);
	end();
}

/* A ghost of a group that has ended is judged at its parent: what had passed before the
 * end, and what has passed at the parent since. */
static void test_dead_shadow(void)
{
	struct shrink_memcg *a, *b;

	begin();
	a = group(NULL);
	b = group(a);
	protect(0, a);
	protect(10, NULL);
	add_range(100, 150, b);
	add_range(200, 250, a);
	add_range(300, 350, NULL);
	scan(a, 7);
	scan(b, 4); /* 100 .. 103: E = 1 .. 4 of b */
	ASSERT_INT(shrink_memcg_destroy(b), 0);
	scan(NULL, 30); /* not below a: counts for nobody but the root */
	scan(a, 8);     /* the old ones of b, 104 .. 111 */
	/* 100: 3 + 8 > 10; 101: 2 + 8 */
	ASSERT_INT(add(100, a), SHRINK_REFAULT_FOUND);
	ASSERT_INT(add(101, a), SHRINK_REFAULT_FOUND | SHRINK_REFAULT_ACTIVATE);
	/* and on, when the parent ends too: all of it is the root's */
	ASSERT_INT(shrink_memcg_destroy(a), 0);
	ASSERT_INT(add(103, NULL), SHRINK_REFAULT_FOUND | SHRINK_REFAULT_ACTIVATE);
	end();
}

/* Room is made in every group in proportion to what it has; or in one and below. */
static void test_make_room(void)
{
	struct shrink_lruvec_result res;
	struct shrink_memcg *a, *b, *c;
	int left_b, left_c;

	begin();
	a = group(NULL);
	b = group(a);
	c = group(NULL);
	add_range(0, 1000, b);
	add_range(1000, 3000, c);
	for (int i = 0; i < 600; i++)
		ASSERT_INT(shrink_lruvec_evict(lv, 0, SHRINK_GFP_ALL, 1, NULL, 0), 1);
	left_b = resident(0, 1000);
	left_c = resident(1000, 3000);
	ASSERT_INT(left_b + left_c, 2400);
	CU_ASSERT(left_b > 760 && left_b < 840);
	CU_ASSERT(left_c > 1560 && left_c < 1640);
	ASSERT_INT(shrink_lruvec_evict_memcg(lv, a, 0, SHRINK_GFP_ALL, 100, &res, sizeof(res)),
		   100);
	ASSERT_INT(res.freed, 100);
	ASSERT_INT(resident(0, 1000), left_b - 100);
	ASSERT_INT(resident(1000, 3000), left_c);
	ASSERT_INT(shrink_lruvec_reclaim_memcg(lv, a, 0, SHRINK_GFP_ALL, 0, 0, NULL, 0),
		   left_b - 100);
	ASSERT_INT(shrink_lruvec_evict_memcg(lv, a, 0, SHRINK_GFP_ALL, 1, NULL, 0), 0);
	/* nobody lets go: it ends */
	for (int i = 1000; i < 3000; i++)
		objects[i].answer = SHRINK_LRUVEC_LOCKED;
	ASSERT_INT(shrink_lruvec_evict(lv, 0, SHRINK_GFP_ALL, 5, &res, sizeof(res)), 0);
	CU_ASSERT(res.locked >= (uint64_t)left_c && res.locked <= 2 * (uint64_t)left_c + 64);
	shrink_memcg_destroy(b);
	shrink_memcg_destroy(a);
	shrink_memcg_destroy(c);
	end();
}

/* Without memory the nearest ancestor's lists serve. */
static void test_no_memory(void)
{
	struct shrink_memcg *a, *b;

	begin();
	a = group(NULL);
	b = group(a);
	ASSERT_INT(shrink_lruvec_prepare(lv, a), 0);
	shrink_os_alloc_fail(1);
	ASSERT_INT(shrink_lruvec_prepare(lv, b), -ENOMEM);
	shrink_os_alloc_fail(1);
	add(0, b);
	shrink_os_alloc_fail(0);
	ASSERT_INT(count(a), 1);
	add(1, b); /* now there is */
	ASSERT_INT(count(b), 1);
	ASSERT_INT(shrink_lruvec_del(lv, &objects[0].item), 1);
	ASSERT_INT(shrink_lruvec_del(lv, &objects[1].item), 1);
	ASSERT_INT(shrink_lruvec_prepare(NULL, b), -EINVAL);
	shrink_memcg_destroy(b);
	shrink_memcg_destroy(a);
	end();
}

/* An lgroup is used again only when nothing leads to it, and its old shadows are
 * forgotten, not taken for the new group's. */
static void test_reuse(void)
{
	struct shrink_memcg *first, *m;
	unsigned int nr;

	begin();
	first = group(NULL);
	protect(0, first);
	add(100, first);
	add(101, first);
	scan(first, 1); /* 100 leaves a ghost */
	ASSERT_INT(shrink_memcg_destroy(first), 0);
	ASSERT_INT(count(NULL), 11);
	for (int i = 0; i < SHRINK_LGROUPS_ENDED + 50; i++) {
		m = group(NULL);
		ASSERT_INT(shrink_lruvec_prepare(lv, m), 0);
		shrink_memcg_destroy(m);
	}
	nr = shrink_lruvec_groups(lv);
	CU_ASSERT(nr <= SHRINK_LGROUPS_ENDED + 10);
	/* the first one's objects carry its label still */
	CU_ASSERT(!atomic_load(&shrink_lgroup_at(&lv->groups, objects[101].item.group)->reused));
	ASSERT_INT(shrink_lruvec_del(lv, &objects[101].item), 1);
	for (int i = 0; i < 10; i++)
		ASSERT_INT(shrink_lruvec_del(lv, &objects[i].item), 1);
	protect(20, NULL);
	for (int i = 0; i < 2 * SHRINK_LGROUPS_ENDED; i++) {
		m = group(NULL);
		ASSERT_INT(shrink_lruvec_prepare(lv, m), 0);
		shrink_memcg_destroy(m);
	}
	ASSERT_INT(shrink_lruvec_groups(lv), nr);
	CU_ASSERT(atomic_load(&shrink_lgroup_at(&lv->groups, 1)->reused));
	ASSERT_INT(add(100, NULL), SHRINK_REFAULT_FOUND);
	end();
}

/* Ageing goes through all groups. */
static void test_age(void)
{
	struct shrink_age_options o = {.flags = SHRINK_AGE_ON, .free_percent = 100};
	struct shrink_sim_state roomy = {.limit = UINT64_MAX};
	struct shrink_memcg *a, *b;
	struct shrink_age_stats st;
	struct shrink_age *age;

	begin();
	ASSERT_INT(shrink_start(SHRINK_START_SIMULATED), 0);
	ASSERT_INT(shrink_sim_set(&roomy, sizeof(roomy)), 0);
	age = shrink_age_create(lv, &o, sizeof(o));
	CU_ASSERT_PTR_NOT_NULL_FATAL(age);
	a = group(NULL);
	b = group(a);
	add_range(0, 1000, a);
	add_range(1000, 3000, b);
	add_range(3000, 3100, NULL);
	shrink_sim_step(4 * 60 * 1000000000ULL);
	ASSERT_INT(resident(0, 3100), 3100);
	ASSERT_INT(shrink_age_stats(age, &st, sizeof(st)), 0);
	CU_ASSERT(st.warm >= 3100 && st.warm < 3200); /* each about once a tour */
	CU_ASSERT(st.looked >= 3 * 3100 && st.looked < 5 * 3100);
	shrink_sim_step(6 * 60 * 1000000000ULL);
	ASSERT_INT(resident(0, 3100), 0);
	ASSERT_INT(shrink_age_stats(age, &st, sizeof(st)), 0);
	ASSERT_INT(st.freed, 3100);
	shrink_age_destroy(age);
	ASSERT_INT(shrink_stop(), 0);
	shrink_memcg_destroy(b);
	shrink_memcg_destroy(a);
	end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"a scan takes from its group alone", test_scope},
		{"without the flag groups are ignored", test_no_groups},
		{"3.4: passes find groups by their bits", test_passes},
		{"3.7: lists, bit and account become the parent's", test_reparent},
		{"section 6: each group has its clock", test_clocks},
		{"section 6: clocks and room count what is below", test_hierarchy},
		{"section 6: the ghost of a dead group", test_dead_shadow},
		{"room is made in proportion", test_make_room},
		{"without memory an ancestor's lists serve", test_no_memory},
		{"what a group had is used again, its ghosts are not", test_reuse},
		{"ageing goes through all groups", test_age},
		{NULL, NULL},
	};

	return test_main(argc, argv, "lruvec-group", tests);
}

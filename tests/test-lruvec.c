// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Which objects go: lists, walk, outcomes, balance. */
#include <errno.h>
#include <string.h>

#include <shrink/lruvec.h>
#include <shrink/shrink.h>
#include <libshrink/core/core.h>
#include <libshrink/os/alloc.h>
#include "tests/harness.h"

#define OBJECTS 4000

struct object {
	struct shrink_lruvec_item item;
	enum shrink_lruvec_outcome answer, write_answer;
	int resident, asked, written;
};

static struct object objects[OBJECTS];
static unsigned long freed, free_calls;

static enum shrink_lruvec_outcome evict(void *arg, struct shrink_lruvec_item *item,
					struct shrink_lruvec_ask *ask)
{
	struct object *o = (struct object *)item;

	(void)arg;
	CU_ASSERT(o->resident == 1);
	o->asked++;
	ask->bytes = 100;
	if (o->answer == SHRINK_LRUVEC_FREED || o->answer == SHRINK_LRUVEC_PENDING) {
		o->resident = 0;
		freed++;
	}
	return o->answer;
}

static enum shrink_lruvec_outcome write_out(void *arg, struct shrink_lruvec_item *item,
					    struct shrink_lruvec_ask *ask)
{
	struct object *o = (struct object *)item;

	(void)arg;
	CU_ASSERT(ask->gfp_mask & SHRINK_GFP_IO);
	o->written++;
	return o->write_answer;
}

static void free_object(void *arg, struct shrink_lruvec_item *item)
{
	(void)arg;
	CU_ASSERT(item->list == 0);
	free_calls++;
}

static struct shrink_lruvec *make_with(unsigned int flags, int swappiness)
{
	struct shrink_lruvec_options o = {
		.evict = evict,
		.write_out = write_out,
		.free = free_object,
		.flags = flags,
		.swappiness = swappiness,
		.object_size = 100,
		.ghosts = OBJECTS,
	};
	struct shrink_lruvec *lv = shrink_lruvec_create(&o, sizeof(o), "test-lruvec");

	CU_ASSERT_PTR_NOT_NULL_FATAL(lv);
	memset(objects, 0, sizeof(objects));
	freed = free_calls = 0;
	return lv;
}

static struct shrink_lruvec *make(void)
{
	return make_with(0, 0);
}

static int add_kind(struct shrink_lruvec *lv, int i, enum shrink_lruvec_kind kind,
		    unsigned int flags)
{
	int r;

	objects[i].resident = 1;
	r = shrink_lruvec_add(lv, &objects[i].item, shrink_workingset_hash(&i, sizeof(i)), kind, 0,
			      NULL, flags);
	CU_ASSERT(r >= 0);
	return r;
}

static int add(struct shrink_lruvec *lv, int i)
{
	return add_kind(lv, i, SHRINK_LRUVEC_CLEAN, 0);
}

static struct shrink_lruvec_stats stats_of(struct shrink_lruvec *lv)
{
	struct shrink_lruvec_stats st;

	ASSERT_INT(shrink_lruvec_stats(lv, SHRINK_NUMA_NO_NODE, &st, sizeof(st)), 0);
	return st;
}

static struct shrink_lruvec_result evict_n(struct shrink_lruvec *lv, unsigned long n,
					   shrink_gfp_t gfp)
{
	struct shrink_lruvec_result res;

	CU_ASSERT(shrink_lruvec_evict(lv, 0, gfp, n, &res, sizeof(res)) >= 0);
	return res;
}

static void mark(int i)
{
	shrink_fast_mark(&objects[i].item.mark);
}

/* Used once goes, used twice is promoted, a scan does not touch what is active. */
static void test_used_twice(void)
{
	struct shrink_lruvec *lv = make();
	struct shrink_lruvec_result res;
	int kept = 0;

	for (int i = 0; i < 100; i++)
		add(lv, i);
	for (int i = 0; i < 50; i++)
		mark(i);
	res = evict_n(lv, 10, SHRINK_GFP_ALL);
	ASSERT_INT(res.freed, 10);
	ASSERT_INT(res.bytes_freed, 1000);
	ASSERT_INT(res.activated, 50);
	ASSERT_INT(free_calls, 10);
	for (int i = 0; i < 50; i++)
		CU_ASSERT(objects[i].resident && !objects[i].asked);
	for (int i = 50; i < 60; i++)
		CU_ASSERT(!objects[i].resident);
	ASSERT_INT(stats_of(lv).active_clean, 50);
	/* a scan of many times the cache, one in one out */
	for (int i = 100; i < 1100; i++) {
		evict_n(lv, 1, SHRINK_GFP_ALL);
		add(lv, i);
	}
	/* 90 objects: the active list keeps its half */
	for (int i = 0; i < 50; i++)
		kept += objects[i].resident;
	ASSERT_INT(kept, 45);
	shrink_lruvec_destroy(lv);
}

static void test_unused(void)
{
	struct shrink_lruvec *lv = make();
	struct shrink_lruvec_result res;

	add_kind(lv, 0, SHRINK_LRUVEC_CLEAN, SHRINK_LRUVEC_ADD_UNUSED);
	add(lv, 1);
	mark(0);
	res = evict_n(lv, 1, SHRINK_GFP_ALL);
	ASSERT_INT(res.kept_once, 1);
	ASSERT_INT(res.activated, 0);
	CU_ASSERT(objects[0].resident && !objects[1].resident);
	add(lv, 2);
	mark(0); /* the second use */
	res = evict_n(lv, 1, SHRINK_GFP_ALL);
	ASSERT_INT(res.activated, 1);
	CU_ASSERT(!objects[2].resident);
	shrink_lruvec_destroy(lv);
}

/* The inactive list is kept large enough from the active one; what was used since
 * stays active. */
static void test_deactivation(void)
{
	struct shrink_lruvec *lv = make();
	struct shrink_lruvec_result res;

	for (int i = 0; i < 100; i++)
		add_kind(lv, i, SHRINK_LRUVEC_CLEAN, SHRINK_LRUVEC_ADD_ACTIVE);
	for (int i = 0; i < 10; i++)
		mark(i);
	res = evict_n(lv, 5, SHRINK_GFP_ALL);
	ASSERT_INT(res.freed, 5);
	ASSERT_INT(res.rotated, 10);
	CU_ASSERT(res.deactivated >= 5);
	for (int i = 0; i < 10; i++)
		CU_ASSERT(objects[i].resident);
	CU_ASSERT(!objects[10].resident);
	/* all of it can go in the end */
	res = evict_n(lv, 1000, SHRINK_GFP_ALL);
	ASSERT_INT(res.freed, 95);
	ASSERT_INT(evict_n(lv, 1, SHRINK_GFP_ALL).freed, 0);
	shrink_lruvec_destroy(lv);
}

static void test_refault(void)
{
	struct shrink_lruvec *lv = make();
	struct shrink_lruvec_stats st;

	for (int i = 0; i < 20; i++)
		add_kind(lv, i, SHRINK_LRUVEC_CLEAN, SHRINK_LRUVEC_ADD_ACTIVE);
	for (int i = 100; i < 200; i++)
		add(lv, i);
	evict_n(lv, 30, SHRINK_GFP_ALL); /* 100 .. 129 */
	/* 129 was the last: none since */
	ASSERT_INT(add(lv, 129), SHRINK_REFAULT_FOUND | SHRINK_REFAULT_ACTIVATE);
	ASSERT_INT(stats_of(lv).active_clean, 21);
	/* 29 others and the activation: more than is protected */
	ASSERT_INT(add(lv, 100), SHRINK_REFAULT_FOUND);
	st = stats_of(lv);
	ASSERT_INT(st.active_clean, 21);
	ASSERT_INT(st.refaults, 2);
	ASSERT_INT(st.refaults_activated, 1);
	shrink_lruvec_del(lv, &objects[129].item);
	ASSERT_INT(add(lv, 129), 0); /* deleted, not evicted: no ghost */
	shrink_lruvec_destroy(lv);
}

/* A loop through twice the cache is hit. LRU hits nothing; nor do lists alone. */
static double loop_hits(unsigned int flags)
{
	struct shrink_lruvec *lv = make_with(flags, 0);
	int resident = 0, hits = 0;

	for (int n = 0; n < 40 * 400; n++) {
		int i = n % 400;

		if (objects[i].resident) {
			hits++;
			mark(i);
			continue;
		}
		if (resident == 200)
			ASSERT_INT(evict_n(lv, 1, SHRINK_GFP_ALL).freed, 1);
		else
			resident++;
		add(lv, i);
	}
	shrink_lruvec_destroy(lv);
	return hits / (40.0 * 400);
}

static void test_loop(void)
{
	CU_ASSERT(loop_hits(SHRINK_LRUVEC_NO_WORKINGSET) == 0);
	CU_ASSERT(loop_hits(0) > 0.15);
}

static void test_outcomes(void)
{
	struct shrink_lruvec *lv = make();
	struct shrink_lruvec_result res;

	for (int i = 0; i < 6; i++)
		add_kind(lv, i, SHRINK_LRUVEC_DIRTY, 0);
	objects[0].answer = SHRINK_LRUVEC_ACTIVATE;
	objects[1].answer = SHRINK_LRUVEC_LOCKED;
	objects[2].answer = SHRINK_LRUVEC_WRITEBACK;
	objects[3].answer = SHRINK_LRUVEC_IS_DIRTY;
	objects[3].write_answer = SHRINK_LRUVEC_QUEUED;
	objects[4].answer = SHRINK_LRUVEC_IS_DIRTY;
	objects[4].write_answer = SHRINK_LRUVEC_IS_DIRTY;
	CU_ASSERT(shrink_lruvec_reclaim(lv, 0, SHRINK_GFP_ALL, 0, 0, &res, sizeof(res)) == 1);
	ASSERT_INT(res.freed, 1);
	ASSERT_INT(res.activated, 1);
	ASSERT_INT(res.locked, 1);
	ASSERT_INT(res.writeback, 1);
	ASSERT_INT(res.queued, 1);
	ASSERT_INT(res.dirty, 1);
	ASSERT_INT(res.throttle, 0);
	/* once more: what waits for its write-out is met again */
	objects[3].answer = SHRINK_LRUVEC_WRITEBACK;
	CU_ASSERT(shrink_lruvec_reclaim(lv, 0, SHRINK_GFP_ALL, 0, 0, &res, sizeof(res)) == 0);
	ASSERT_INT(res.immediate, 2);
	ASSERT_INT(res.throttle, SHRINK_LRUVEC_THROTTLE_IMMEDIATE);
	/* written: it is the next to go */
	objects[3].answer = SHRINK_LRUVEC_FREED;
	ASSERT_INT(shrink_lruvec_written(lv, &objects[3].item, SHRINK_LRUVEC_CLEAN), 0);
	evict_n(lv, 1, SHRINK_GFP_ALL);
	CU_ASSERT(!objects[3].resident);
	shrink_lruvec_destroy(lv);
}

/* Write-out only where the mask has SHRINK_GFP_IO; writers wait if all is dirty. */
static void test_write_out(void)
{
	struct shrink_lruvec *lv = make();
	struct shrink_lruvec_result res;

	for (int i = 0; i < 40; i++) {
		add_kind(lv, i, SHRINK_LRUVEC_DIRTY, 0);
		objects[i].answer = SHRINK_LRUVEC_IS_DIRTY;
		objects[i].write_answer = SHRINK_LRUVEC_QUEUED;
	}
	CU_ASSERT(shrink_lruvec_reclaim(lv, 0, SHRINK_GFP_LOCK, 0, 0, &res, sizeof(res)) == 0);
	ASSERT_INT(res.dirty, 40);
	ASSERT_INT(res.queued, 0);
	ASSERT_INT(objects[0].written, 0);
	ASSERT_INT(res.throttle, SHRINK_LRUVEC_THROTTLE_DIRTY);
	ASSERT_INT(shrink_lruvec_throttle(lv, 0), SHRINK_LRUVEC_THROTTLE_DIRTY);
	CU_ASSERT(shrink_lruvec_reclaim(lv, 0, SHRINK_GFP_ALL, 0, 0, &res, sizeof(res)) == 0);
	ASSERT_INT(res.queued, 40);
	for (int i = 0; i < 40; i++) {
		objects[i].answer = SHRINK_LRUVEC_FREED;
		shrink_lruvec_written(lv, &objects[i].item, SHRINK_LRUVEC_DIRTY);
	}
	CU_ASSERT(stats_of(lv).cost_dirty > 0);
	CU_ASSERT(shrink_lruvec_reclaim(lv, 0, SHRINK_GFP_ALL, 0, 0, &res, sizeof(res)) == 40);
	ASSERT_INT(shrink_lruvec_throttle(lv, 0), 0);
	shrink_lruvec_destroy(lv);
}

/* Both kinds in the cache, clean ones being deactivated: swappiness decides. */
static void dirty_part(int swappiness, unsigned long *dirty, unsigned long *clean)
{
	struct shrink_lruvec *lv = make_with(0, 100);

	ASSERT_INT(shrink_lruvec_set_swappiness(lv, swappiness), 0);
	for (int i = 0; i < 2000; i++)
		add_kind(lv, i, i & 1 ? SHRINK_LRUVEC_DIRTY : SHRINK_LRUVEC_CLEAN,
			 SHRINK_LRUVEC_ADD_ACTIVE);
	evict_n(lv, 300, SHRINK_GFP_ALL);
	*dirty = *clean = 0;
	for (int i = 0; i < 2000; i++)
		*(i & 1 ? dirty : clean) += !objects[i].resident;
	shrink_lruvec_destroy(lv);
}

static void test_swappiness(void)
{
	unsigned long dirty, clean;

	dirty_part(100, &dirty, &clean);
	ASSERT_INT(dirty + clean, 300);
	CU_ASSERT(dirty >= 100 && clean >= 100);
	dirty_part(20, &dirty, &clean);
	CU_ASSERT(dirty > 0 && dirty < 60);
	dirty_part(0, &dirty, &clean);
	ASSERT_INT(dirty, 0);
	dirty_part(200, &dirty, &clean);
	ASSERT_INT(clean, 0);
}

/* As a shrinker: counted, scanned in budgets, bytes reported, STOP when all is locked. */
static void test_shrinker(void)
{
	struct shrink_lruvec *lv = make();
	struct shrinker *s = shrink_lruvec_shrinker(lv);
	struct shrink_control sc = {
		.gfp_mask = SHRINK_GFP_ALL, .nr_to_scan = 128, .nr_scanned = 128,
	};
	struct shrinker_stats st;

	ASSERT_INT(s->count_objects(s, &sc), SHRINK_EMPTY);
	for (int i = 0; i < 1000; i++)
		add(lv, i);
	ASSERT_INT(s->count_objects(s, &sc), 1000);
	ASSERT_INT(s->scan_objects(s, &sc), 128);
	ASSERT_INT(sc.nr_scanned, 128);
	ASSERT_INT(sc.bytes_freed, 12800);
	for (int i = 0; i < 1000; i++)
		objects[i].answer = SHRINK_LRUVEC_LOCKED;
	ASSERT_INT(s->scan_objects(s, &sc), SHRINK_STOP);
	for (int i = 0; i < 1000; i++)
		objects[i].answer = SHRINK_LRUVEC_PENDING;
	ASSERT_INT(shrink_start(SHRINK_START_SIMULATED), 0);
	shrink_drop_all();
	ASSERT_INT(stats_of(lv).inactive_clean, 0);
	ASSERT_INT(shrinker_stats(s, 0, &st, sizeof(st)), 0);
	ASSERT_INT(st.pending_objects, 872);
	ASSERT_INT(shrinker_complete(s, 0, 872, 87200), 0);
	ASSERT_INT(shrink_stop(), 0);
	ASSERT_INT(free_calls, 128);
	shrink_lruvec_destroy(lv);
}

static void test_moves(void)
{
	struct shrink_lruvec *lv = make();
	struct shrink_lruvec_stats st;

	for (int i = 0; i < 4; i++)
		add(lv, i);
	ASSERT_INT(shrink_lruvec_activate(lv, &objects[0].item), 0);
	ASSERT_INT(shrink_lruvec_set_kind(lv, &objects[1].item, SHRINK_LRUVEC_DIRTY), 0);
	st = stats_of(lv);
	ASSERT_INT(st.active_clean, 1);
	ASSERT_INT(st.inactive_dirty, 1);
	ASSERT_INT(st.inactive_clean, 2);
	ASSERT_INT(shrink_lruvec_deactivate(lv, &objects[3].item), 0);
	evict_n(lv, 1, SHRINK_GFP_ALL);
	CU_ASSERT(!objects[3].resident);
	ASSERT_INT(shrink_lruvec_del(lv, &objects[0].item), 1);
	ASSERT_INT(shrink_lruvec_del(lv, &objects[0].item), 0);
	ASSERT_INT(shrink_lruvec_activate(lv, &objects[0].item), -ENOENT);
	ASSERT_INT(shrink_lruvec_written(lv, &objects[0].item, SHRINK_LRUVEC_CLEAN), -ENOENT);
	ASSERT_INT(shrink_lruvec_add(lv, &objects[1].item, 1, SHRINK_LRUVEC_CLEAN, 0, NULL, 0),
		   -EEXIST);
	ASSERT_INT(shrink_lruvec_add(lv, &objects[0].item, 1, SHRINK_LRUVEC_CLEAN, -1, NULL, 0),
		   -EINVAL);
	shrink_lruvec_destroy(lv);
}

/* Lists, counts and scans of each node alone. */
static void test_numa(void)
{
	struct shrink_lruvec *lv;
	struct shrink_control sc = {.gfp_mask = SHRINK_GFP_ALL, .nr_to_scan = 10, .nr_scanned = 10};
	struct shrink_lruvec_stats st;

	ASSERT_INT(shrink_conf_set("nodes", "2"), 0);
	shrink_core_nodes_reset();
	lv = make_with(SHRINK_LRUVEC_NUMA, 0);
	for (int i = 0; i < 100; i++) {
		objects[i].resident = 1;
		ASSERT_INT(shrink_lruvec_add(lv, &objects[i].item, (uint64_t)i + 1,
					     SHRINK_LRUVEC_CLEAN, i >= 30, NULL, 0), 0);
	}
	ASSERT_INT(shrink_lruvec_count(lv, &sc), 30);
	sc.nid = 1;
	ASSERT_INT(shrink_lruvec_count(lv, &sc), 70);
	ASSERT_INT(shrink_lruvec_scan(lv, &sc), 10);
	ASSERT_INT(shrink_lruvec_stats(lv, 0, &st, sizeof(st)), 0);
	ASSERT_INT(st.inactive_clean, 30);
	ASSERT_INT(stats_of(lv).inactive_clean, 90);
	sc.nid = 2;
	ASSERT_INT(shrink_lruvec_count(lv, &sc), SHRINK_EMPTY);
	ASSERT_INT(shrink_lruvec_evict(lv, 2, SHRINK_GFP_ALL, 1, NULL, 0), -EINVAL);
	ASSERT_INT(shrink_lruvec_add(lv, &objects[200].item, 1, SHRINK_LRUVEC_CLEAN, 2, NULL, 0),
		   -EINVAL);
	shrink_lruvec_destroy(lv);
	ASSERT_INT(shrink_conf_set("nodes", "0"), 0);
	shrink_core_nodes_reset();
}

/* Every allocation fails once: an error, nothing left behind. */
static void test_torture(void)
{
	struct shrink_lruvec_options o = {.evict = evict, .free = free_object, .ghosts = 100};
	struct shrink_lruvec *lv = NULL;
	struct shrink_age *age = NULL;
	unsigned long k;

	for (k = 1; k < 50 && !age; k++) {
		shrink_os_alloc_fail(k);
		errno = 0;
		lv = shrink_lruvec_create(&o, sizeof(o), "torture");
		age = lv ? shrink_age_create(lv, NULL, 0) : NULL;
		shrink_os_alloc_fail(0);
		if (age)
			break;
		ASSERT_INT(errno, ENOMEM);
		shrink_lruvec_destroy(lv);
	}
	CU_ASSERT(k > 5 && age);
	shrink_age_destroy(age);
	shrink_lruvec_destroy(lv);
}

static void test_errors(void)
{
	struct shrink_lruvec_options o = {.evict = evict};

	errno = 0;
	CU_ASSERT_PTR_NULL(shrink_lruvec_create(&o, sizeof(o), "x"));
	ASSERT_INT(errno, EINVAL);
	o.free = free_object;
	o.swappiness = 201;
	CU_ASSERT_PTR_NULL(shrink_lruvec_create(&o, sizeof(o), "x"));
	o.swappiness = 0;
	o.flags = 0x80;
	CU_ASSERT_PTR_NULL(shrink_lruvec_create(&o, sizeof(o), "x"));
	o.flags = 0;
	CU_ASSERT_PTR_NULL(shrink_lruvec_create(&o, sizeof(o), "%s", ""));
	ASSERT_INT(shrink_lruvec_evict(NULL, 0, 0, 1, NULL, 0), -EINVAL);
	shrink_lruvec_destroy(NULL);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"used once goes, used twice stays, scans pass by", test_used_twice},
		{"an add that is no use", test_unused},
		{"deactivation keeps the inactive list large enough", test_deactivation},
		{"refaults inside the distance go to the active list", test_refault},
		{"a loop larger than the cache is hit", test_loop},
		{"every outcome is counted", test_outcomes},
		{"write-out only with SHRINK_GFP_IO; all dirty throttles", test_write_out},
		{"swappiness 0 to 200", test_swappiness},
		{"G3: the whole is one shrinker", test_shrinker},
		{"moves", test_moves},
		{"errors", test_errors},
		{"nodes", test_numa},
		{"every allocation fails once", test_torture},
		{NULL, NULL},
	};

	return test_main(argc, argv, "lruvec", tests);
}

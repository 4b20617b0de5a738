// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* LRU lists: what each call promises, one by one. On four made-up nodes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libshrink/lru/list_lru.h>
#include <libshrink/os/alloc.h>
#include <shrink/shrink.h>

#include "tests/cache.h"
#include "tests/harness.h"

#define NODES 4
#define MANY  8

struct object {
	struct shrink_lru_item item;
	int asked;
};

static struct object objects[MANY];

static struct object *object_of(struct shrink_lru_item *item)
{
	return shrink_container_of(item, struct object, item);
}

static int index_of(struct shrink_lru_item *item)
{
	return (int)(object_of(item) - objects);
}

/* All objects on node 0 of the root, in order. */
static struct shrink_lru *filled(void)
{
	struct shrink_lru *lru = shrink_lru_create(NULL);

	CU_ASSERT_FATAL(lru != NULL);
	memset(objects, 0, sizeof(objects));
	for (int i = 0; i < MANY; i++)
		ASSERT_INT(shrink_lru_add(lru, &objects[i].item, 0, NULL), 1);
	return lru;
}

static void emptied(struct shrink_lru *lru)
{
	for (int i = 0; i < MANY; i++)
		shrink_lru_del(lru, &objects[i].item, 0, NULL);
	shrink_lru_destroy(lru);
}

/* ---- what a callback does, told per object */
struct script {
	enum shrink_lru_status answer[MANY];
	int then_rotate;  /* only the first time; then ROTATE */
	int order[64], calls;
	struct shrink_lru_head taken;
	struct shrink_lru *lru;
};

static enum shrink_lru_status play(struct shrink_lru_item *item, struct shrink_lru_one *list,
				   void *arg)
{
	struct script *s = arg;
	struct object *o = object_of(item);
	enum shrink_lru_status answer = s->answer[index_of(item)];

	if (s->calls < 64)
		s->order[s->calls] = index_of(item);
	s->calls++;
	if (o->asked++ && s->then_rotate)
		return SHRINK_LRU_ROTATE;
	switch (answer) {
	case SHRINK_LRU_REMOVED:
		shrink_lru_isolate(list, item);
		break;
	case SHRINK_LRU_REMOVED_RETRY:
		shrink_lru_isolate_move(list, item, &s->taken);
		shrink_lru_unlock(list);
		break;
	case SHRINK_LRU_RETRY:
	case SHRINK_LRU_STOP:
		shrink_lru_unlock(list);
		break;
	default:
		break;
	}
	return answer;
}

static void check_order(const struct script *s, const int *expected, int n)
{
	ASSERT_INT(s->calls, n);
	for (int i = 0; i < n; i++)
		ASSERT_INT(s->order[i], expected[i]);
}

static void set_all(struct script *s, enum shrink_lru_status answer)
{
	memset(s, 0, sizeof(*s));
	for (int i = 0; i < MANY; i++)
		s->answer[i] = answer;
}

static unsigned long run(struct shrink_lru *lru, struct script *s, unsigned long *budget)
{
	return shrink_lru_walk_one(lru, 0, NULL, play, s, budget);
}

/* ---- add, del, count */
static void add_and_del(void)
{
	struct shrink_lru *lru = filled();

	ASSERT_INT(shrink_lru_add(lru, &objects[3].item, 0, NULL), 0);
	ASSERT_INT(shrink_lru_count_one(lru, 0, NULL), MANY);
	ASSERT_INT(shrink_lru_del(lru, &objects[3].item, 0, NULL), 1);
	ASSERT_INT(shrink_lru_del(lru, &objects[3].item, 0, NULL), 0);
	ASSERT_INT(shrink_lru_count_one(lru, 0, NULL), MANY - 1);
	ASSERT_INT(shrink_lru_count_one(lru, 1, NULL), 0);
	ASSERT_INT(shrink_lru_count_node(lru, 0), MANY - 1);
	emptied(lru);
}

static void bad_arguments(void)
{
	struct shrink_lru *lru = filled();
	struct shrink_lru_item item = {NULL, NULL};
	unsigned long budget = 1;

	ASSERT_INT(shrink_lru_add(NULL, &item, 0, NULL), -EINVAL);
	ASSERT_INT(shrink_lru_add(lru, NULL, 0, NULL), -EINVAL);
	ASSERT_INT(shrink_lru_add(lru, &item, NODES, NULL), -EINVAL);
	ASSERT_INT(shrink_lru_add(lru, &item, -1, NULL), -EINVAL);
	ASSERT_INT(shrink_lru_del(lru, &item, NODES, NULL), -EINVAL);
	ASSERT_INT(shrink_lru_del(NULL, &item, 0, NULL), -EINVAL);
	ASSERT_INT(shrink_lru_prepare(NULL, NULL), -EINVAL);
	ASSERT_INT(shrink_lru_prepare(lru, NULL), 0);
	ASSERT_INT(shrink_lru_count_one(lru, NODES, NULL), 0);
	ASSERT_INT(shrink_lru_count_node(NULL, 0), 0);
	ASSERT_INT(shrink_lru_walk_one(lru, -1, NULL, play, NULL, &budget), 0);
	ASSERT_INT(shrink_lru_walk_one(lru, 0, NULL, NULL, NULL, &budget), 0);
	ASSERT_INT(shrink_lru_walk_one(NULL, 0, NULL, play, NULL, &budget), 0);
	ASSERT_INT(shrink_lru_walk(NULL, play, NULL, 1), 0);
	ASSERT_INT(budget, 1);
	shrink_lru_destroy(NULL);
	emptied(lru);
}

/* ---- verdicts */
static void removed(void)
{
	static const int expected[] = {0, 1, 2};
	struct shrink_lru *lru = filled();
	struct script s;
	unsigned long budget = 3;

	set_all(&s, SHRINK_LRU_REMOVED);
	ASSERT_INT(run(lru, &s, &budget), 3);
	ASSERT_INT(budget, 0);
	check_order(&s, expected, 3);
	ASSERT_INT(shrink_lru_count_one(lru, 0, NULL), MANY - 3);
	/* what was isolated can be put back, as the youngest */
	ASSERT_INT(shrink_lru_del(lru, &objects[0].item, 0, NULL), 0);
	ASSERT_INT(shrink_lru_add(lru, &objects[0].item, 0, NULL), 1);
	budget = MANY;
	set_all(&s, SHRINK_LRU_SKIP);
	ASSERT_INT(run(lru, &s, &budget), 0);
	ASSERT_INT(s.order[MANY - 3], 0);
	emptied(lru);
}

static void removed_retry(void)
{
	static const int expected[] = {0, 1, 2, 1, 3, 1, 4};
	struct shrink_lru *lru = filled();
	struct script s;
	unsigned long budget = 7;

	/* after each it starts from the oldest again: 1, which stays, is asked each time */
	set_all(&s, SHRINK_LRU_REMOVED_RETRY);
	s.answer[1] = SHRINK_LRU_SKIP;
	ASSERT_INT(run(lru, &s, &budget), 4);
	check_order(&s, expected, 7);
	ASSERT_INT(shrink_lru_count_one(lru, 0, NULL), MANY - 4);
	ASSERT_INT(s.taken.nr, 4);
	/* on the private list: del leaves them alone; popped in order */
	ASSERT_INT(shrink_lru_del(lru, &objects[0].item, 0, NULL), 0);
	CU_ASSERT(shrink_lru_pop(&s.taken) == &objects[0].item && !objects[0].item.prev);
	CU_ASSERT(shrink_lru_pop(&s.taken) == &objects[2].item);
	CU_ASSERT(shrink_lru_pop(&s.taken) == &objects[3].item);
	CU_ASSERT(shrink_lru_pop(&s.taken) == &objects[4].item);
	CU_ASSERT(shrink_lru_pop(&s.taken) == NULL && s.taken.nr == 0);
	emptied(lru);
}

static void rotated(void)
{
	static const int expected[] = {0, 1, 2, 3, 4, 5, 6, 7, 1, 3, 5, 7};
	struct shrink_lru *lru = filled();
	struct script s;
	unsigned long budget = MANY;

	set_all(&s, SHRINK_LRU_SKIP);
	for (int i = 0; i < MANY; i += 2)
		s.answer[i] = SHRINK_LRU_ROTATE;
	ASSERT_INT(run(lru, &s, &budget), 0);
	budget = 4;
	ASSERT_INT(run(lru, &s, &budget), 0);
	check_order(&s, expected, 12); /* the others are the oldest now */
	ASSERT_INT(shrink_lru_count_one(lru, 0, NULL), MANY);
	emptied(lru);
}

static void rotated_again(void)
{
	struct shrink_lru *lru = filled();
	struct script s;
	unsigned long budget = 3 * MANY - 1;

	/* a budget over the count asks again, as the kernel's walk does, and ends */
	set_all(&s, SHRINK_LRU_ROTATE);
	ASSERT_INT(run(lru, &s, &budget), 0);
	CU_ASSERT(s.calls >= MANY && s.calls <= 3 * MANY - 1);
	ASSERT_INT(shrink_lru_count_one(lru, 0, NULL), MANY);
	emptied(lru);
}

static void retry_storm(void)
{
	struct shrink_lru *lru = filled();
	struct script s;
	unsigned long budget = 1000;

	set_all(&s, SHRINK_LRU_RETRY);
	ASSERT_INT(run(lru, &s, &budget), 0);
	ASSERT_INT(s.calls, 1000);
	ASSERT_INT(budget, 0);
	ASSERT_INT(objects[0].asked, 1000);
	budget = 0;
	ASSERT_INT(run(lru, &s, &budget), 0);
	ASSERT_INT(s.calls, 1000);
	emptied(lru);
}

static void stopped(void)
{
	static const int expected[] = {0, 1, 2};
	struct shrink_lru *lru = filled();
	struct script s;
	unsigned long budget = 10;

	set_all(&s, SHRINK_LRU_REMOVED);
	s.answer[2] = SHRINK_LRU_STOP;
	ASSERT_INT(run(lru, &s, &budget), 2);
	check_order(&s, expected, 3);
	ASSERT_INT(budget, 7);
	emptied(lru);
}

/* With the lock dropped anything may be done to the lists. */
static enum shrink_lru_status meddle(struct shrink_lru_item *item, struct shrink_lru_one *list,
				     void *arg)
{
	struct shrink_lru *lru = arg;

	shrink_lru_unlock(list);
	CU_ASSERT(atomic_load(&list->caller) == NULL);
	ASSERT_INT(shrink_lru_del(lru, item, 0, NULL), 1);
	ASSERT_INT(shrink_lru_add(lru, item, 0, NULL), 1);
	return SHRINK_LRU_RETRY;
}

static void unlocked_in_callback(void)
{
	struct shrink_lru *lru = filled();
	unsigned long budget = 20;

	ASSERT_INT(shrink_lru_walk_node(lru, 0, meddle, lru, &budget), 0);
	ASSERT_INT(budget, 0);
	ASSERT_INT(shrink_lru_count_one(lru, 0, NULL), MANY);
	emptied(lru);
}

/* ---- nodes and what there are lists for */
static void nodes_apart(void)
{
	struct shrink_lru *lru = shrink_lru_create(NULL);
	struct script s;
	unsigned long budget = 100;

	memset(objects, 0, sizeof(objects));
	for (int i = 0; i < MANY; i++)
		ASSERT_INT(shrink_lru_add(lru, &objects[i].item, i % NODES, NULL), 1);
	ASSERT_INT(shrink_lru_count_one(lru, 3, NULL), 2);
	set_all(&s, SHRINK_LRU_REMOVED);
	ASSERT_INT(shrink_lru_walk_node(lru, 2, play, &s, &budget), 2);
	ASSERT_INT(shrink_lru_walk(lru, play, &s, 5), 5);
	ASSERT_INT(shrink_lru_walk(lru, play, &s, 5), 1);
	shrink_lru_destroy(lru);
}

static void unaware_of_nodes(void)
{
	struct shrinker *s = shrinker_alloc(0, "unaware");
	struct shrink_lru *lru = shrink_lru_create(s);

	memset(objects, 0, sizeof(objects));
	ASSERT_INT(shrink_lru_add(lru, &objects[0].item, 3, NULL), 1);
	ASSERT_INT(shrink_lru_add(lru, &objects[1].item, 99, NULL), 1);
	ASSERT_INT(shrink_lru_count_one(lru, SHRINK_NUMA_NO_NODE, NULL), 2);
	ASSERT_INT(shrink_lru_del(lru, &objects[1].item, 1, NULL), 1);
	ASSERT_INT(shrink_lru_del(lru, &objects[0].item, 0, NULL), 1);
	shrinker_free(s);
	shrink_lru_destroy(lru);
}

static void after_register(void)
{
	struct cache c;

	cache_new(&c, "late", 1);
	errno = 0;
	CU_ASSERT(shrink_lru_create(c.s) == NULL);
	ASSERT_INT(errno, EBUSY);
	cache_end(&c);
}

static void no_memory(void)
{
	struct shrinker *s = shrinker_alloc(SHRINKER_MEMCG_AWARE, "poor");
	struct shrink_lru *lru = NULL;
	unsigned long n;

	for (n = 1; n < 10 && !lru; n++) {
		shrink_os_alloc_fail(n);
		errno = 0;
		lru = shrink_lru_create(s);
		CU_ASSERT(lru || errno == ENOMEM);
	}
	shrink_os_alloc_fail(0);
	ASSERT_INT(n, 5); /* lru, root, borrowers; then it worked */
	shrink_lru_destroy(lru);
	shrinker_free(s);
}

static void destroyed_full(void)
{
	struct shrink_lru *lru = filled();

	log_begin();
	shrink_lru_destroy(lru);
	ASSERT_INT(log_count("8 objects were still"), 1);
	log_end();
}

/* ---- the canonical pair, asked by a real pass */
static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	return shrink_lru_count(s->private_data, sc);
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	struct script script;
	unsigned long freed;

	set_all(&script, SHRINK_LRU_REMOVED);
	script.answer[7] = SHRINK_LRU_SKIP;
	freed = shrink_lru_scan(s->private_data, sc, play, &script);
	return freed;
}

static void canonical_pair(void)
{
	struct shrinker *s = shrinker_alloc(0, "pair");
	struct shrink_lru *lru = shrink_lru_create(s);
	struct shrink_control sc = {.nr_to_scan = 100, .nr_scanned = 100};

	memset(objects, 0, sizeof(objects));
	s->count_objects = count;
	s->scan_objects = scan;
	s->private_data = lru;
	ASSERT_INT(shrinker_register(s), 0);
	CU_ASSERT(count(s, &sc) == SHRINK_EMPTY);
	CU_ASSERT(scan(s, &sc) == SHRINK_STOP);
	ASSERT_INT(sc.nr_scanned, 0);
	for (int i = 0; i < MANY; i++)
		shrink_lru_add(lru, &objects[i].item, 0, NULL);
	ASSERT_INT(count(s, &sc), MANY);
	sim_begin();
	ASSERT_INT(shrink_slab(SHRINK_GFP_ALL, 0, NULL, 0), MANY - 1);
	sim_end();
	ASSERT_INT(count(s, &sc), 1);
	ASSERT_INT(scan(s, &sc), 0);
	ASSERT_INT(sc.nr_scanned, 1);
	shrinker_free(s);
	shrink_lru_del(lru, &objects[7].item, 0, NULL);
	shrink_lru_destroy(lru);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"add, del and count", add_and_del},
		{"bad arguments", bad_arguments},
		{"REMOVED takes the oldest first", removed},
		{"REMOVED_RETRY starts again; private lists", removed_retry},
		{"ROTATE moves to the young end", rotated},
		{"ROTATE again where the budget is larger", rotated_again},
		{"RETRY is bounded by the budget", retry_storm},
		{"STOP ends the walk", stopped},
		{"with the lock dropped the lists may be changed", unlocked_in_callback},
		{"nodes have lists of their own", nodes_apart},
		{"not NUMA-aware: one list whatever the node", unaware_of_nodes},
		{"a registered shrinker is refused", after_register},
		{"create without memory", no_memory},
		{"objects left at the end are reported", destroyed_full},
		{"the canonical pair under a pass", canonical_pair},
		{NULL, NULL},
	};

	if (shrink_conf_set("nodes", "4") < 0)
		return 99;
	return test_main(argc, argv, "lru", tests);
}

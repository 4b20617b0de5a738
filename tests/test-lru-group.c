// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* LRU lists of groups: which list, re-parenting, too little memory, many groups. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <libshrink/lru/list_lru.h>
#include <libshrink/os/alloc.h>
#include <shrink/shrink.h>

#include "tests/cache.h"
#include "tests/harness.h"

#define MANY 10000

static struct shrinker *shrinker;
static struct shrink_lru *lru;
static struct shrink_lru_item items[8];

static void begin(void)
{
	memset(items, 0, sizeof(items));
	shrinker = shrinker_alloc(SHRINKER_MEMCG_AWARE | SHRINKER_NUMA_AWARE, "groups");
	lru = shrink_lru_create(shrinker);
	CU_ASSERT_FATAL(lru != NULL);
}

static void end(void)
{
	shrinker_free(shrinker);
	shrink_lru_destroy(lru);
	ASSERT_INT(shrink_memcg_count(), 0);
}

static struct shrink_memcg *group(struct shrink_memcg *parent)
{
	struct shrink_memcg *memcg = shrink_memcg_create(parent, "group");

	CU_ASSERT_FATAL(memcg != NULL);
	return memcg;
}

static int add(int i, struct shrink_memcg *memcg)
{
	return shrink_lru_add(lru, &items[i], 0, memcg);
}

static int del(int i, struct shrink_memcg *memcg)
{
	return shrink_lru_del(lru, &items[i], 0, memcg);
}

static unsigned long count(struct shrink_memcg *memcg)
{
	return shrink_lru_count_one(lru, 0, memcg);
}

static int bit(struct shrink_memcg *memcg)
{
	struct shrink_memcg_unit *unit = shrink_memcg_unit(memcg, 0, lru->id);

	return unit && atomic_load(&unit->map) & 1ULL << lru->id % 64;
}

static enum shrink_lru_status note(struct shrink_lru_item *item, struct shrink_lru_one *list,
				   void *arg)
{
	int **at = arg;

	(void)list;
	*(*at)++ = (int)(item - items);
	return SHRINK_LRU_SKIP;
}

static void check_order(struct shrink_memcg *memcg, const int *expected, int n)
{
	unsigned long budget = SHRINK_ARRAY_SIZE(items);
	int seen[SHRINK_ARRAY_SIZE(items)], *at = seen;

	shrink_lru_walk_one(lru, 0, memcg, note, &at, &budget);
	ASSERT_INT(at - seen, n);
	for (int i = 0; i < n && i < at - seen; i++)
		ASSERT_INT(seen[i], expected[i]);
}

/* ---- */
static void groups_apart(void)
{
	struct shrink_memcg *a, *b;

	begin();
	a = group(NULL);
	b = group(a);
	ASSERT_INT(shrink_lru_prepare(lru, b), 0);
	CU_ASSERT(shrink_lru_own(lru, a, 0) != NULL); /* ancestors too */
	CU_ASSERT(!bit(a) && !bit(b));
	ASSERT_INT(add(0, b), 1);
	ASSERT_INT(add(1, NULL), 1);
	ASSERT_INT(add(1, b), 0);
	CU_ASSERT(!bit(a) && bit(b));
	ASSERT_INT(count(a), 0);
	ASSERT_INT(count(b), 1);
	ASSERT_INT(count(NULL), 1);
	ASSERT_INT(shrink_lru_count_node(lru, 0), 2);
	ASSERT_INT(del(0, b), 1);
	ASSERT_INT(del(1, NULL), 1);
	CU_ASSERT(bit(b)); /* a hint: only a shrinker that says EMPTY takes it back */
	shrink_memcg_destroy(b);
	shrink_memcg_destroy(a);
	end();
}

static void reparented(void)
{
	static const int in_a[] = {2, 3, 0, 1}, in_root[] = {2, 3, 0, 1, 4};
	struct shrink_memcg *a, *b;

	begin();
	a = group(NULL);
	b = group(a);
	add(0, a);
	add(1, a);
	add(2, b);
	add(3, b);
	add(4, NULL);
	CU_ASSERT(bit(a));
	shrink_memcg_get(b);
	ASSERT_INT(shrink_memcg_destroy(b), 0);
	ASSERT_INT(count(b), 0);
	ASSERT_INT(count(a), 4);
	check_order(b, NULL, 0);
	check_order(a, in_a, 4); /* its objects are the oldest there */
	ASSERT_INT(shrink_lru_prepare(lru, b), -ESTALE);
	ASSERT_INT(del(3, b), 1); /* through the handle it was added by */
	ASSERT_INT(del(2, a), 1); /* or the one it is with */
	ASSERT_INT(add(2, b), 1);
	ASSERT_INT(count(a), 3 + 0);
	del(2, b);
	add(2, a);
	add(3, a);
	del(0, a);
	del(1, a);
	add(0, a);
	add(1, a);
	ASSERT_INT(shrink_memcg_destroy(a), 0);
	check_order(NULL, in_root, 5);
	for (int i = 0; i < 5; i++)
		ASSERT_INT(del(i, b), 1);
	shrink_memcg_put(b);
	end();
}

static void sets_parents_bit(void)
{
	struct shrink_memcg *a, *b, *c;

	begin();
	a = group(NULL);
	b = group(a);
	c = group(a);
	shrink_lru_prepare(lru, c);
	add(0, b);
	CU_ASSERT(!bit(a));
	shrink_memcg_destroy(c); /* empty: nothing to tell */
	CU_ASSERT(!bit(a));
	shrink_memcg_destroy(b);
	CU_ASSERT(bit(a));
	del(0, a);
	shrink_memcg_destroy(a);
	end();
}

static void same_id_again(void)
{
	struct shrink_memcg *old, *new;
	struct shrink_lru_one *list;

	begin();
	old = shrink_memcg_get(group(NULL));
	add(0, old);
	list = shrink_lru_own(lru, old, 0);
	shrink_memcg_destroy(old);
	ASSERT_INT(shrink_lru_nr(list), SHRINK_LRU_DEAD);
	new = group(NULL);
	ASSERT_INT(new->id, old->id);
	add(1, new);
	CU_ASSERT(shrink_lru_own(lru, new, 0) == list); /* its memory is used again */
	CU_ASSERT(shrink_lru_own(lru, old, 0) == NULL);
	ASSERT_INT(count(new), 1);
	ASSERT_INT(count(old), 0);
	ASSERT_INT(del(0, old), 1);
	ASSERT_INT(del(1, new), 1);
	shrink_memcg_put(old);
	shrink_memcg_destroy(new);
	end();
}

static void borrowing(void)
{
	struct shrink_memcg *a, *b, *c;

	begin();
	a = group(NULL);
	b = group(a);
	c = group(b);
	ASSERT_INT(shrink_lru_prepare(lru, a), 0);
	shrink_os_alloc_fail(1);
	ASSERT_INT(shrink_lru_prepare(lru, b), -ENOMEM);
	shrink_os_alloc_fail(1);
	ASSERT_INT(add(0, c), 1);
	shrink_os_alloc_fail(0);
	ASSERT_INT(count(a), 1);
	ASSERT_INT(shrink_lru_prepare(lru, b), -EBUSY); /* c's object would be lost */
	ASSERT_INT(shrink_lru_prepare(lru, c), -EBUSY);
	ASSERT_INT(add(1, c), 1);
	ASSERT_INT(add(2, b), 1);
	ASSERT_INT(count(a), 3);
	CU_ASSERT(bit(a) && !bit(b) && !bit(c));
	ASSERT_INT(del(0, c), 1);
	shrink_memcg_get(c);
	shrink_memcg_destroy(c);
	ASSERT_INT(del(1, c), 1);
	shrink_memcg_put(c);
	c = group(b); /* under the same id: not marked any more */
	ASSERT_INT(shrink_lru_prepare(lru, c), 0);
	ASSERT_INT(add(0, c), 1);
	ASSERT_INT(count(c), 1);
	shrink_memcg_destroy(c);
	ASSERT_INT(count(a), 2);
	ASSERT_INT(del(0, a), 1);
	ASSERT_INT(del(2, b), 1);
	shrink_memcg_destroy(b);
	shrink_memcg_destroy(a);
	end();
}

static enum shrink_lru_status go_offline(struct shrink_lru_item *item, struct shrink_lru_one *list,
					 void *arg)
{
	(void)item;
	shrink_lru_unlock(list);
	ASSERT_INT(shrink_memcg_offline(arg), 0);
	return SHRINK_LRU_RETRY;
}

static void offline_amid_a_walk(void)
{
	struct shrink_memcg *a;
	unsigned long budget = 5;

	begin();
	a = group(NULL);
	add(0, a);
	add(1, a);
	ASSERT_INT(shrink_lru_walk_one(lru, 0, a, go_offline, a, &budget), 0);
	ASSERT_INT(budget, 4); /* the list is dead: the walk ends */
	ASSERT_INT(count(NULL), 2);
	ASSERT_INT(del(0, a) + del(1, a), 2);
	shrink_memcg_destroy(a);
	end();
}

/* Its list is another group's by the time the walk looks again. */
static enum shrink_lru_status replace(struct shrink_lru_item *item, struct shrink_lru_one *list,
				      void *arg)
{
	struct shrink_memcg **groups = arg;

	(void)item;
	shrink_lru_unlock(list);
	ASSERT_INT(shrink_memcg_offline(groups[0]), 0);
	groups[1] = group(NULL);
	add(2, groups[1]);
	CU_ASSERT(shrink_lru_own(lru, groups[1], 0) == list);
	return SHRINK_LRU_RETRY;
}

static void replaced_amid_a_walk(void)
{
	struct shrink_memcg *groups[2];
	unsigned long budget = 5;

	begin();
	groups[0] = group(NULL);
	add(0, groups[0]);
	add(1, groups[0]);
	ASSERT_INT(shrink_lru_walk_one(lru, 0, groups[0], replace, groups, &budget), 0);
	ASSERT_INT(budget, 4); /* the new group's object was not asked about */
	ASSERT_INT(count(groups[1]), 1);
	ASSERT_INT(del(0, NULL) + del(1, NULL) + del(2, groups[1]), 3);
	shrink_memcg_destroy(groups[0]);
	shrink_memcg_destroy(groups[1]);
	end();
}

static void many_groups(void)
{
	static struct shrink_memcg *groups[MANY];
	static struct shrink_lru_item many[MANY];
	unsigned long removed = 0;

	begin();
	for (int i = 0; i < MANY; i++)
		groups[i] = group(i < 100 ? NULL : groups[i % 100]);
	for (int i = 0; i < MANY; i++)
		removed += shrink_lru_add(lru, &many[i], 0, groups[i]) == 1;
	ASSERT_INT(removed, MANY);
	ASSERT_INT(shrink_lru_count_node(lru, 0), MANY);
	for (int i = MANY - 1; i >= MANY / 2; i--)
		shrink_memcg_destroy(shrink_memcg_get(groups[i]));
	ASSERT_INT(count(groups[7]), 1 + MANY / 200);
	ASSERT_INT(shrink_lru_count_node(lru, 0), MANY);
	for (int i = 0; i < MANY; i++)
		removed -= shrink_lru_del(lru, &many[i], 0, groups[i]) == 1;
	ASSERT_INT(removed, 0);
	for (int i = MANY - 1; i >= 0; i--) {
		if (i < MANY / 2)
			shrink_memcg_destroy(groups[i]);
		else
			shrink_memcg_put(groups[i]);
	}
	end();
}

static unsigned long nothing(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return 0;
}

/* ---- a callback under the list's lock registers and frees, while groups go offline */
static int in_callback, go_on;

static enum shrink_lru_status registers(struct shrink_lru_item *item, struct shrink_lru_one *list,
					void *arg)
{
	struct shrinker *s;

	(void)item;
	(void)list;
	__atomic_store_n(&in_callback, 1, __ATOMIC_RELEASE);
	/* the other thread is on its way to this list's lock */
	while (!__atomic_load_n(&go_on, __ATOMIC_ACQUIRE))
		usleep(100);
	usleep(20000);
	s = shrinker_alloc(0, "from a callback");
	s->count_objects = nothing;
	s->scan_objects = nothing;
	CU_ASSERT(shrinker_register(s) == 0);
	shrinker_free(s);
	/* this would wait for the lock that is held here */
	CU_ASSERT(shrink_memcg_offline(arg) == -EDEADLK);
	CU_ASSERT(shrink_memcg_destroy(arg) == -EDEADLK);
	return SHRINK_LRU_SKIP;
}

static void *goes_offline(void *arg)
{
	while (!__atomic_load_n(&in_callback, __ATOMIC_ACQUIRE))
		usleep(100);
	__atomic_store_n(&go_on, 1, __ATOMIC_RELEASE);
	return (void *)(intptr_t)shrink_memcg_offline(arg);
}

static void registers_under_the_lock(void)
{
	struct shrink_memcg *memcg, *other;
	unsigned long budget = 1;
	void *r = &budget;
	pthread_t t;

	begin();
	memcg = group(NULL);
	other = group(NULL);
	add(0, memcg);
	pthread_create(&t, NULL, goes_offline, memcg);
	shrink_lru_walk_one(lru, 0, memcg, registers, other, &budget);
	pthread_join(t, &r);
	CU_ASSERT(!r);
	ASSERT_INT(count(NULL), 1);
	ASSERT_INT(del(0, NULL), 1);
	/* out of the callback it may */
	ASSERT_INT(shrink_memcg_destroy(other), 0);
	shrink_memcg_put(memcg);
	end();
}

/*
 * ---- a group goes offline while its list is being made
 *
 * Who makes it waits for the lock of the root's list at node 1, which a walk's callback
 * holds; the group is offline, but its lists are not re-parented, as a hook before that
 * waits; and somebody who sees it offline adds at node 0, to the root's list. If the
 * group got a list nevertheless, the object would be looked for there.
 */
static atomic_int hook_waits, hook_waiting, callback_waits;
static atomic_ulong callback_runs;

static void wait_in_hook(struct shrink_memcg_hook *hook, struct shrink_memcg *memcg)
{
	(void)hook;
	(void)memcg;
	atomic_store(&hook_waiting, 1);
	while (atomic_load(&hook_waits))
		usleep(100);
}

static struct shrink_memcg_hook first_hook = {.offline = wait_in_hook};

static enum shrink_lru_status holds_the_lock(struct shrink_lru_item *item,
					     struct shrink_lru_one *list, void *arg)
{
	(void)item;
	(void)list;
	(void)arg;
	atomic_fetch_add(&callback_runs, 1);
	while (atomic_load(&callback_waits))
		usleep(100);
	return SHRINK_LRU_SKIP;
}

static void *walks_the_root(void *arg)
{
	unsigned long budget = 1;

	shrink_lru_walk_one(lru, 1, NULL, holds_the_lock, arg, &budget);
	return NULL;
}

static void *adds_first(void *memcg)
{
	ASSERT_INT(shrink_lru_add(lru, &items[1], 1, memcg), 1);
	return NULL;
}

static void *takes_offline(void *memcg)
{
	ASSERT_INT(shrink_memcg_offline(memcg), 0);
	return NULL;
}

/* Its list is in the table before it is alive. */
static bool list_is_made(struct shrink_memcg *memcg)
{
	struct shrink_lru_table *table = atomic_load(&lru->table);

	return table && atomic_load(&table->block[memcg->id]);
}

static void offline_amid_the_making(void)
{
	struct shrink_memcg *a;
	pthread_t walker, adder, offliner;

	begin();
	a = group(NULL);
	ASSERT_INT(shrink_lru_add(lru, &items[0], 1, NULL), 1);
	atomic_store(&hook_waits, 1);
	atomic_store(&hook_waiting, 0);
	atomic_store(&callback_waits, 1);
	pthread_create(&walker, NULL, walks_the_root, NULL);
	CU_ASSERT(wait_for(&callback_runs, 1, 10000));
	pthread_create(&adder, NULL, adds_first, a);
	while (!list_is_made(a))
		usleep(100);
	pthread_create(&offliner, NULL, takes_offline, a);
	while (!atomic_load(&hook_waiting))
		usleep(100);
	ASSERT_INT(add(2, a), 1);
	ASSERT_INT(count(NULL), 1);
	atomic_store(&callback_waits, 0);
	pthread_join(adder, NULL);
	/* still before the lists are re-parented */
	ASSERT_INT(del(2, a), 1);
	ASSERT_INT(count(NULL), 0);
	ASSERT_INT(shrink_lru_count_node(lru, 1), 2);
	atomic_store(&hook_waits, 0);
	pthread_join(offliner, NULL);
	pthread_join(walker, NULL);
	ASSERT_INT(shrink_lru_count_one(lru, 1, NULL), 2);
	ASSERT_INT(shrink_lru_del(lru, &items[0], 1, NULL), 1);
	ASSERT_INT(shrink_lru_del(lru, &items[1], 1, a), 1);
	shrink_memcg_destroy(a);
	end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"each group has its list and its bit", groups_apart},
		{"objects of an offline group are its parent's", reparented},
		{"re-parenting sets the parent's bit", sets_parents_bit},
		{"an old handle and a new group of the same id", same_id_again},
		{"without memory an ancestor's list serves, for good", borrowing},
		{"a group goes offline amid a walk", offline_amid_a_walk},
		{"a group goes and another gets its list amid a walk", replaced_amid_a_walk},
		{"a callback registers while its group goes offline", registers_under_the_lock},
		{"a group goes offline while its list is made", offline_amid_the_making},
		{"10,000 groups", many_groups},
		{NULL, NULL},
	};

	if (shrink_conf_set("nodes", "2") < 0)
		return 99;
	shrink_memcg_hook_add(&first_hook); /* before the one that the first lru adds */
	return test_main(argc, argv, "lru-group", tests);
}

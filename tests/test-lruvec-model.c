// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Groups that come and go under an lruvec: against the plainest model there is (whose is
 * each object), after every step; and by threads at once, with the same books to be
 * balanced at the end. A failure prints the seed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libshrink/lru/lruvec.h>
#include <libshrink/lru/workingset.h>
#include <shrink/shrink.h>

#include "tests/harness.h"
#include "tests/random.h"

/* liburcu takes and releases locks around fork() in a way ThreadSanitizer takes for
 * misuse, which ends the child. */
#ifdef __SANITIZE_THREAD__
#define FORKS_BADLY 1
#else
#define FORKS_BADLY 0
#endif

#define OBJECTS 400
#define GROUPS 8
#define STEPS 4000

struct object {
	struct shrink_lruvec_item item;
	int resident; /* 1: in the cache; 2: with free() */
	int owner;    /* model: slot of its group; 0 = the root */
};

static struct object objects[OBJECTS];
static pthread_mutex_t locks[16];
static struct shrink_lruvec *lv;

/* Slot 0 is the root; parent of slot g is one of the slots below it. */
static struct {
	struct shrink_memcg *memcg; /* NULL: there is none now */
	int parent, children;
} groups[GROUPS];
static pthread_rwlock_t groups_lock = PTHREAD_RWLOCK_INITIALIZER;

static pthread_mutex_t *lock_of(struct object *o)
{
	return &locks[(o - objects) % 16];
}

static enum shrink_lruvec_outcome evict(void *arg, struct shrink_lruvec_item *item,
					struct shrink_lruvec_ask *ask)
{
	struct object *o = (struct object *)item;

	(void)arg;
	(void)ask;
	if (pthread_mutex_trylock(lock_of(o)))
		return SHRINK_LRUVEC_LOCKED;
	o->resident = 2;
	pthread_mutex_unlock(lock_of(o));
	return SHRINK_LRUVEC_FREED;
}

static void free_object(void *arg, struct shrink_lruvec_item *item)
{
	struct object *o = (struct object *)item;

	(void)arg;
	pthread_mutex_lock(lock_of(o));
	o->resident = 0;
	pthread_mutex_unlock(lock_of(o));
}

static void begin(void)
{
	struct shrink_lruvec_options o = {
		.evict = evict, .free = free_object, .ghosts = OBJECTS,
		.flags = SHRINK_LRUVEC_MEMCG,
	};

	memset(objects, 0, sizeof(objects));
	memset(groups, 0, sizeof(groups));
	for (int i = 0; i < 16; i++)
		pthread_mutex_init(&locks[i], NULL);
	lv = shrink_lruvec_create(&o, sizeof(o), "model");
	CU_ASSERT_PTR_NOT_NULL_FATAL(lv);
}

static void create_group(struct random *r)
{
	int g = 1 + (int)random_below(r, GROUPS - 1), p = (int)random_below(r, (uint64_t)g);

	if (groups[g].memcg || (p && !groups[p].memcg))
		return;
	groups[g].memcg = shrink_memcg_create(groups[p].memcg, "g%d", g);
	CU_ASSERT_PTR_NOT_NULL_FATAL(groups[g].memcg);
	groups[g].parent = p;
	groups[p].children++;
}

static void end_group(int g)
{
	if (!g || !groups[g].memcg || groups[g].children)
		return;
	ASSERT_INT(shrink_memcg_destroy(groups[g].memcg), 0);
	groups[g].memcg = NULL;
	groups[groups[g].parent].children--;
	for (int i = 0; i < OBJECTS; i++)
		if (objects[i].owner == g)
			objects[i].owner = groups[g].parent;
}

static unsigned long scan(struct shrink_memcg *memcg, unsigned long nr)
{
	struct shrink_control sc = {
		.gfp_mask = SHRINK_GFP_ALL, .memcg = memcg, .nr_to_scan = nr, .nr_scanned = nr,
	};

	return shrink_lruvec_scan(lv, &sc);
}

static enum shrink_lruvec_kind kind(struct random *r)
{
	return random_next(r) & 1 ? SHRINK_LRUVEC_DIRTY : SHRINK_LRUVEC_CLEAN;
}

/* With the object's lock held. */
static void touch_object(struct random *r, int i, int g)
{
	struct object *o = &objects[i];

	if (o->resident == 1 && random_below(r, 4) == 0) {
		if (shrink_lruvec_del(lv, &o->item))
			o->resident = 0;
	} else if (o->resident == 1 && random_below(r, 8) == 0) {
		shrink_lruvec_activate(lv, &o->item);
	} else if (o->resident == 1 && random_below(r, 8) == 0) {
		shrink_lruvec_set_kind(lv, &o->item, kind(r));
	} else if (o->resident == 1) {
		shrink_fast_mark(&o->item.mark);
	} else if (!o->resident) {
		o->resident = 1;
		o->owner = g;
		CU_ASSERT(shrink_lruvec_add(lv, &o->item, shrink_workingset_hash(&i, sizeof(i)),
					    kind(r), 0, groups[g].memcg, 0) >= 0);
	}
}

/* ---- the books */
static unsigned long on_lists(struct lruvec_node *node)
{
	unsigned long n = 0;

	for (int i = 0; i < SHRINK_KINDS * SHRINK_LISTS; i++) {
		struct lruvec_list *l = lruvec_list(node, i >> 1, i & 1);
		unsigned long here = 0;

		for (struct shrink_lruvec_item *it = l->head.next; it != &l->head; it = it->next)
			here += it->list == i + 1 && it->next->prev == it;
		CU_ASSERT(here == lruvec_nr(node, i >> 1, i & 1));
		n += here;
	}
	return n;
}

static int64_t own_and_below(struct lruvec_node *node)
{
	int64_t n = 0;

	for (int i = 0; i < SHRINK_KINDS * SHRINK_LISTS; i++)
		n += (int64_t)lruvec_nr(node, i >> 1, i & 1) +
		     atomic_load(&node->below[i >> 1][i & 1]);
	return n;
}

static unsigned long model_count(int g, bool tree)
{
	unsigned long n = 0;

	for (int i = 0; i < OBJECTS; i++) {
		int o = objects[i].owner;

		while (tree && o != g && o)
			o = groups[o].parent;
		n += objects[i].resident && o == g;
	}
	return n;
}

static bool has_bit(struct shrink_memcg *memcg)
{
	int id = shrinker_id(shrink_lruvec_shrinker(lv));
	struct shrink_memcg_unit *unit = shrink_memcg_unit(memcg, 0, id);

	return unit && atomic_load(&unit->map) & 1ULL << id % 64;
}

static void balance_books(void)
{
	for (int g = 0; g < GROUPS; g++) {
		struct lruvec_node *node;

		if (g && !groups[g].memcg)
			continue;
		node = shrink_lruvec_own(lv, groups[g].memcg, 0);
		if (!node) {
			CU_ASSERT(!model_count(g, false));
			continue;
		}
		CU_ASSERT(on_lists(node) == model_count(g, false));
		CU_ASSERT(shrink_lruvec_objects(node) == model_count(g, false));
		CU_ASSERT(own_and_below(node) == (int64_t)model_count(g, true));
		CU_ASSERT(!g || !model_count(g, false) || has_bit(groups[g].memcg));
		CU_ASSERT(node->strangers <= on_lists(node));
	}
}

static void end(void)
{
	for (int g = GROUPS - 1; g > 0; g--)
		end_group(g);
	balance_books();
	for (int i = 0; i < OBJECTS; i++)
		ASSERT_INT(shrink_lruvec_del(lv, &objects[i].item), objects[i].resident == 1);
	/* nothing leads to any group that has ended */
	for (unsigned int i = 0; i < shrink_lruvec_groups(lv); i++)
		ASSERT_INT(atomic_load(&shrink_lgroup_at(&lv->groups, i)->left), 0);
	ASSERT_INT(lruvec_at(lv, lv->groups.root, 0)->strangers, 0);
	shrink_lruvec_destroy(lv);
	ASSERT_INT(shrink_memcg_count(), 0);
}

static void step(struct random *r)
{
	uint64_t what = random_below(r, 100);
	int g = (int)random_below(r, GROUPS);

	g = g && !groups[g].memcg ? 0 : g;
	if (what < 4)
		create_group(r);
	else if (what < 7)
		end_group(g);
	else if (what < 15)
		scan(groups[g].memcg, 1 + random_below(r, 20));
	else if (what < 20)
		shrink_lruvec_evict(lv, 0, SHRINK_GFP_ALL, 1 + random_below(r, 4), NULL, 0);
	else if (what < 23)
		shrink_lruvec_evict_memcg(lv, groups[g].memcg, 0, SHRINK_GFP_ALL, 2, NULL, 0);
	else
		touch_object(r, (int)random_below(r, OBJECTS), g);
}

static void test_model(void)
{
	struct random r = random_new();
	unsigned int failed = CU_get_number_of_failures();

	begin();
	for (int n = 0; n < STEPS; n++) {
		step(&r);
		balance_books();
		if (CU_get_number_of_failures() != failed) {
			fprintf(stderr, "# TEST_SEED=%llu, step %d\n", (unsigned long long)r.seed,
				n);
			break;
		}
	}
	end();
}

/* The books are kept by what they count: a number that is off is noticed. */
static void test_twin(void)
{
	struct lruvec_node *root;

	begin();
	root = lruvec_at(lv, lv->groups.root, 0);
	atomic_fetch_add(&root->below[0][0], 1);
	CU_ASSERT(own_and_below(root) != (int64_t)model_count(0, true));
	atomic_fetch_sub(&root->below[0][0], 1);
	end();
}

/* ---- at once */
static void *work(void *arg)
{
	struct random r = random_seeded((uint64_t)(uintptr_t)arg * 7919 + 1);

	for (int n = 0; n < 8000; n++) {
		int i = (int)random_below(&r, OBJECTS), g = (int)random_below(&r, GROUPS);
		uint64_t what = random_below(&r, 100);

		pthread_rwlock_rdlock(&groups_lock);
		g = groups[g].memcg ? g : 0;
		if (what < 15) {
			scan(groups[g].memcg, 8);
		} else if (what < 25) {
			shrink_lruvec_evict(lv, 0, SHRINK_GFP_ALL, 1, NULL, 0);
		} else {
			pthread_mutex_lock(lock_of(&objects[i]));
			touch_object(&r, i, g);
			pthread_mutex_unlock(lock_of(&objects[i]));
		}
		pthread_rwlock_unlock(&groups_lock);
	}
	return NULL;
}

/* Comes and goes amid the others' calls: they hold references, not our lock. */
static void *churn(void *arg)
{
	struct random r = random_seeded(99);

	(void)arg;
	for (int n = 0; n < 600; n++) {
		struct shrink_memcg *m = shrink_memcg_create(NULL, "churn");
		struct shrink_memcg *child = shrink_memcg_create(m, "child");

		for (int k = 0; k < 8; k++) {
			struct object *o = &objects[random_below(&r, OBJECTS)];

			pthread_mutex_lock(lock_of(o));
			if (!o->resident) {
				o->resident = 1;
				shrink_lruvec_add(lv, &o->item, 7, SHRINK_LRUVEC_CLEAN, 0,
						  k & 1 ? m : child, 0);
			}
			pthread_mutex_unlock(lock_of(o));
		}
		shrink_memcg_destroy(child);
		shrink_memcg_destroy(m);
	}
	return NULL;
}

static void test_threads(void)
{
	struct random r = random_new();
	struct shrink_lruvec_stats st;
	unsigned long resident = 0;
	pthread_t t[4];

	begin();
	for (int n = 0; n < 200; n++)
		create_group(&r);
	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	pthread_create(&t[3], NULL, churn, NULL);
	for (int n = 0; n < 300; n++) {
		pthread_rwlock_wrlock(&groups_lock);
		if (n & 1)
			create_group(&r);
		else
			end_group(1 + (int)random_below(&r, GROUPS - 1));
		pthread_rwlock_unlock(&groups_lock);
		usleep(100);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	ASSERT_INT(shrink_lruvec_stats(lv, SHRINK_NUMA_NO_NODE, &st, sizeof(st)), 0);
	for (int i = 0; i < OBJECTS; i++)
		resident += objects[i].resident == 1;
	ASSERT_INT(st.active_clean + st.inactive_clean + st.active_dirty + st.inactive_dirty,
		   resident);
	CU_ASSERT(st.total.freed > 0);
	/* whose they are is not in the model: all is the root's in the end */
	for (int g = GROUPS - 1; g > 0; g--)
		end_group(g);
	for (int i = 0; i < OBJECTS; i++)
		objects[i].owner = 0;
	ASSERT_INT(own_and_below(lruvec_at(lv, lv->groups.root, 0)), resident);
	end();
}

/* G10: the child has the groups' lists, and works on with them. */
static void test_fork(void)
{
	int status = -1;
	pthread_t t;
	pid_t pid;

	if (FORKS_BADLY)
		SKIP("liburcu's fork handlers and ThreadSanitizer");
	begin();
	pthread_create(&t, NULL, churn, NULL);
	for (int n = 0; n < 20; n++) {
		usleep(500);
		pid = fork();
		if (!pid) {
			struct shrink_memcg *m = shrink_memcg_create(NULL, "child's");
			struct shrink_lruvec_item item = {0};
			int ok = shrink_lruvec_add(lv, &item, 1, SHRINK_LRUVEC_CLEAN, 0, m, 0) >= 0;

			ok &= !shrink_memcg_destroy(m) && shrink_lruvec_del(lv, &item) == 1;
			_exit(ok ? 0 : 1);
		}
		CU_ASSERT(pid > 0 && waitpid(pid, &status, 0) == pid);
		ASSERT_INT(status, 0);
	}
	pthread_join(t, NULL);
	end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"every step against the model", test_model},
		{"the books see what is off", test_twin},
		{"threads and groups that come and go", test_threads},
		{"G10: fork amid groups that come and go", test_fork},
		{NULL, NULL},
	};

	return test_main(argc, argv, "lruvec-model", tests);
}

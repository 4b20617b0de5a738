// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * LRU lists under threads: adders and deleters of the same objects, walkers with
 * every answer, passes, one who takes groups offline and makes new ones under the
 * same ids, and one who counts. At the end each object is where its own book says.
 * What it finds it finds best under ThreadSanitizer.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/lru/list_lru.h>
#include <libshrink/os/clock.h>
#include <shrink/shrink.h>

#include "tests/cache.h"
#include "tests/harness.h"
#include "tests/random.h"

#define NODES	 2
#define SLOTS	 6 /* groups that come and go */
#define ITEMS	 256u
#define USERS	 3
#define WALKERS	 2
#define RUN_NSEC (2500 * NSEC_PER_MSEC)
#define MAX_NSEC (20 * NSEC_PER_SEC) /* on a busy machine */

/* Who adds it or has taken it off holds a claim; on the list nobody does. */
struct object {
	struct shrink_lru_item item;
	struct shrink_memcg *memcg; /* added through; referenced; written with the claim */
	_Atomic int claimed;
	int nid;
	unsigned char mark;
};

static struct {
	struct shrinker *s;
	struct shrink_lru *lru;
	struct object objects[ITEMS];
	pthread_mutex_t slots_lock;
	struct shrink_memcg *slots[SLOTS];
	atomic_ulong added, deleted, walked, offlined, lost_race, stop, wrong;
} st;

static struct shrink_memcg *any_group(struct random *r)
{
	struct shrink_memcg *memcg;
	uint64_t slot = random_below(r, SLOTS + 1);

	if (slot == SLOTS)
		return shrink_memcg_get(shrink_memcg_root());
	pthread_mutex_lock(&st.slots_lock);
	memcg = shrink_memcg_get(st.slots[slot]);
	pthread_mutex_unlock(&st.slots_lock);
	return memcg;
}

static void off_list(struct object *o, atomic_ulong *counter)
{
	shrink_memcg_put(o->memcg);
	o->memcg = NULL;
	atomic_fetch_add(counter, 1);
	atomic_store(&o->claimed, 0);
}

/* A handle is kept as long as the object may be deleted through it, so a reader has
 * to have its own; the object's book is under a lock, as in a cache. */
static pthread_mutex_t books[ITEMS];

static void use(struct object *o, struct random *r)
{
	pthread_mutex_t *book = &books[o - st.objects];

	pthread_mutex_lock(book);
	if (!o->memcg) {
		o->memcg = any_group(r);
		o->nid = (int)random_below(r, NODES);
		atomic_store(&o->claimed, 1);
		if (shrink_lru_add(st.lru, &o->item, o->nid, o->memcg) != 1)
			atomic_fetch_add(&st.wrong, 1);
		atomic_fetch_add(&st.added, 1);
	} else if (random_below(r, 3)) {
		/* 0: a walker has it, and waits for the book */
		if (shrink_lru_del(st.lru, &o->item, o->nid, o->memcg))
			off_list(o, &st.deleted);
		else
			atomic_fetch_add(&st.lost_race, 1);
	} else {
		shrink_fast_mark(&o->mark);
	}
	pthread_mutex_unlock(book);
}

static void *user(void *arg)
{
	struct random r = random_seeded(1 + (uint64_t)(uintptr_t)arg);

	while (!atomic_load(&st.stop))
		use(&st.objects[random_below(&r, ITEMS)], &r);
	return NULL;
}

struct walk {
	struct random random;
	struct shrink_lru_head taken;
};

static enum shrink_lru_status answer(struct shrink_lru_item *item, struct shrink_lru_one *list,
				     void *arg)
{
	struct object *o = shrink_container_of(item, struct object, item);
	struct walk *w = arg;
	enum shrink_lru_status status;

	if (!atomic_load(&o->claimed)) /* on a list without having been added */
		atomic_fetch_add(&st.wrong, 1);
	if (shrink_fast_test_clear(&o->mark))
		return SHRINK_LRU_ROTATE;
	status = (enum shrink_lru_status)random_below(&w->random, SHRINK_LRU_STOP + 1);
	if (status <= SHRINK_LRU_REMOVED_RETRY)
		shrink_lru_isolate_move(list, item, &w->taken);
	if (status == SHRINK_LRU_REMOVED_RETRY || status >= SHRINK_LRU_RETRY)
		shrink_lru_unlock(list);
	return status;
}

static void dispose(struct shrink_lru_head *taken)
{
	struct shrink_lru_item *item;

	while ((item = shrink_lru_pop(taken))) {
		struct object *o = shrink_container_of(item, struct object, item);
		pthread_mutex_t *book = &books[o - st.objects];

		pthread_mutex_lock(book);
		off_list(o, &st.walked);
		pthread_mutex_unlock(book);
	}
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	return shrink_lru_count(st.lru, sc);
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	static _Atomic uint64_t seed;
	struct walk w = {.random = random_seeded(atomic_fetch_add(&seed, 1))};
	unsigned long freed = shrink_lru_scan(st.lru, sc, answer, &w);

	(void)s;
	if (w.taken.nr != (freed == SHRINK_STOP ? 0 : freed))
		atomic_fetch_add(&st.wrong, 1);
	dispose(&w.taken);
	return freed;
}

static void *walker(void *arg)
{
	struct walk w = {.random = random_seeded(77 + (uint64_t)(uintptr_t)arg)};

	while (!atomic_load(&st.stop)) {
		struct shrink_memcg *memcg = any_group(&w.random);
		unsigned long budget = 1 + random_below(&w.random, 16), removed;
		int nid = (int)random_below(&w.random, NODES);

		switch (random_below(&w.random, 3)) {
		case 0:
			shrink_slab(SHRINK_GFP_ALL, nid, memcg, (int)random_below(&w.random, 3));
			break;
		case 1:
			removed = shrink_lru_walk_one(st.lru, nid, memcg, answer, &w, &budget);
			atomic_fetch_add(&st.wrong, removed != w.taken.nr);
			break;
		default:
			removed = shrink_lru_walk_node(st.lru, nid, answer, &w, &budget);
			atomic_fetch_add(&st.wrong, removed != w.taken.nr);
		}
		dispose(&w.taken);
		shrink_memcg_put(memcg);
	}
	return NULL;
}

/* Below the root, or below another: only leaves go. */
static void *offliner(void *arg)
{
	struct random r = random_seeded(5);

	(void)arg;
	while (!atomic_load(&st.stop)) {
		uint64_t slot = random_below(&r, SLOTS);
		struct shrink_memcg *old = st.slots[slot], *new;

		/* nobody else writes the slots */
		if (shrink_memcg_offline(old) < 0)
			continue;
		new = shrink_memcg_create(slot ? st.slots[random_below(&r, slot)] : NULL, "stress");
		if (!new) /* that one is offline just now: it is our turn only, so it is not */
			atomic_fetch_add(&st.wrong, 1);
		pthread_mutex_lock(&st.slots_lock);
		st.slots[slot] = new;
		pthread_mutex_unlock(&st.slots_lock);
		shrink_memcg_destroy(old);
		atomic_fetch_add(&st.offlined, 1);
		sched_yield();
	}
	return NULL;
}

static void *counter(void *arg)
{
	(void)arg;
	while (!atomic_load(&st.stop)) {
		for (int nid = 0; nid < NODES; nid++)
			if (shrink_lru_count_node(st.lru, nid) > 2 * ITEMS)
				atomic_fetch_add(&st.wrong, 1);
		sched_yield();
	}
	return NULL;
}

/* So much of everything that it will have met. */
static bool enough(uint64_t nsec)
{
	return nsec > MAX_NSEC || (nsec > RUN_NSEC && st.added > 1000 && st.deleted > 100 &&
				   st.walked > 100 && st.offlined > 50);
}

static void run_threads(void)
{
	pthread_t threads[USERS + WALKERS + 2];
	uint64_t begun = shrink_os_clock_real();
	int n = 0;

	for (int i = 0; i < USERS; i++)
		pthread_create(&threads[n++], NULL, user, (void *)(uintptr_t)i);
	for (int i = 0; i < WALKERS; i++)
		pthread_create(&threads[n++], NULL, walker, (void *)(uintptr_t)i);
	pthread_create(&threads[n++], NULL, offliner, NULL);
	pthread_create(&threads[n++], NULL, counter, NULL);
	while (!enough(shrink_os_clock_real() - begun))
		sleep_ms(20);
	atomic_store(&st.stop, 1);
	while (n)
		pthread_join(threads[--n], NULL);
}

/* Objects on lists are those that are booked; all bits are there. */
static void check_account(void)
{
	unsigned long on = 0, sum = 0;

	for (unsigned int i = 0; i < ITEMS; i++) {
		struct object *o = &st.objects[i];

		CU_ASSERT((o->memcg != NULL) == (o->item.next != NULL));
		on += o->memcg != NULL;
	}
	for (int nid = 0; nid < NODES; nid++) {
		sum += shrink_lru_count_node(st.lru, nid);
		for (int g = 0; g < SLOTS; g++) {
			struct shrink_memcg_unit *unit =
				shrink_memcg_unit(st.slots[g], nid, st.lru->id);

			if (shrink_lru_count_one(st.lru, nid, st.slots[g]))
				CU_ASSERT((atomic_load(&unit->map) >> st.lru->id % 64 & 1) == 1);
		}
	}
	ASSERT_INT(sum, on);
	ASSERT_INT(st.added - st.deleted - st.walked, on);
	ASSERT_INT(st.wrong, 0);
	CU_ASSERT(enough(RUN_NSEC + 1));
	printf("# added %lu deleted %lu walked off %lu lost races %lu offline %lu\n", st.added,
	       st.deleted, st.walked, st.lost_race, st.offlined);
}

static void stress(void)
{
	for (unsigned int i = 0; i < ITEMS; i++)
		pthread_mutex_init(&books[i], NULL);
	pthread_mutex_init(&st.slots_lock, NULL);
	st.s = shrinker_alloc(SHRINKER_NUMA_AWARE | SHRINKER_MEMCG_AWARE, "stress");
	st.lru = shrink_lru_create(st.s);
	CU_ASSERT_FATAL(st.lru != NULL);
	st.s->count_objects = count;
	st.s->scan_objects = scan;
	ASSERT_INT(shrinker_register(st.s), 0);
	for (int g = 0; g < SLOTS; g++)
		st.slots[g] = shrink_memcg_create(g ? st.slots[g / 2] : NULL, "stress");
	sim_begin();
	run_threads();
	sim_end();
	check_account();
	for (unsigned int i = 0; i < ITEMS; i++) {
		struct object *o = &st.objects[i];

		if (o->memcg && shrink_lru_del(st.lru, &o->item, o->nid, o->memcg))
			off_list(o, &st.deleted);
	}
	for (int g = 0; shrink_memcg_count(); g = (g + 1) % SLOTS)
		if (!shrink_memcg_destroy(st.slots[g]))
			st.slots[g] = NULL;
	shrinker_free(st.s);
	log_begin();
	shrink_lru_destroy(st.lru);
	ASSERT_INT(log_count("still"), 0);
	log_end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"add, del, walk and offline from many threads", stress},
		{NULL, NULL},
	};

	if (shrink_conf_set("nodes", "2") < 0)
		return 99;
	return test_main(argc, argv, "lru-stress", tests);
}

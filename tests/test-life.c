// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* G1: when callbacks run and when they do not; what alloc, register and free
 * accept; ids and names. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "tests/cache.h"
#include "tests/harness.h"

static unsigned long pass(int priority)
{
	return shrink_slab(SHRINK_GFP_ALL, 0, NULL, priority);
}

static void passive_before_start(void)
{
	struct cache c;

	CU_ASSERT_FATAL(cache_alloc(&c, 0, "early", 1000) != NULL);
	atomic_store(&c.forbidden, 1);
	ASSERT_INT((long)pass(0), 0);
	ASSERT_INT(shrinker_register(c.s), 0);
	ASSERT_INT((long)pass(0), 0); /* registered, not started */
	ASSERT_INT((long)shrink_drop_all(), 0);
	ASSERT_INT((long)shrink_all_memory(1 << 20), 0);
	ASSERT_INT(shrink_reclaim(1 << 20, SHRINK_GFP_ALL, 0), -ENOTCONN);
	ASSERT_INT((long)atomic_load(&c.violations), 0);

	atomic_store(&c.forbidden, 0);
	sim_begin();
	CU_ASSERT(pass(0) > 0);
	sim_end();

	atomic_store(&c.forbidden, 1);
	ASSERT_INT((long)pass(0), 0); /* stopped */
	cache_end(&c);
}

static void passive_before_register(void)
{
	struct cache c;

	sim_begin();
	CU_ASSERT_FATAL(cache_alloc(&c, 0, "unregistered", 1000) != NULL);
	atomic_store(&c.forbidden, 1);
	ASSERT_INT((long)pass(0), 0);
	cache_end(&c); /* also undoes an alloc that was never registered */
	sim_end();
}

static void none_after_free(void)
{
	struct cache c, other;

	sim_begin();
	cache_new(&c, "freed", 1000);
	cache_new(&other, "other", 1000);
	CU_ASSERT(pass(0) > 0);
	cache_end(&c);
	pass(0);
	ASSERT_INT((long)atomic_load(&c.violations), 0);
	cache_end(&other);
	sim_end();
}

static unsigned long scan_frees_self(struct cache *c, struct shrink_control *sc)
{
	unsigned long n = cache_scan(c, sc);

	shrinker_free(c->s);
	atomic_store(&c->forbidden, 1); /* "dead at once" */
	return n;
}

/* A visit of many batches: the first one frees the shrinker. */
static void free_in_own_scan(void)
{
	struct cache c, after;

	sim_begin();
	cache_new(&c, "suicide", 100000);
	cache_new(&after, "after", 100000);
	c.on_scan = scan_frees_self;
	ASSERT_INT((long)pass(4), 128 + 12500 / 128 * 128);
	ASSERT_INT((long)atomic_load(&c.scans), 1);
	ASSERT_INT((long)atomic_load(&c.violations), 0);
	ASSERT_INT((long)atomic_load(&after.scans), 12500 / 128); /* the walk went on */
	pass(0);
	ASSERT_INT((long)atomic_load(&c.violations), 0);
	cache_end(&after);
	sim_end();
}

static unsigned long count_frees_self(struct cache *c, struct shrink_control *sc)
{
	(void)sc;
	shrinker_free(c->s);
	atomic_store(&c->forbidden, 1);
	return 100000;
}

static void free_in_own_count(void)
{
	struct cache c;

	sim_begin();
	cache_new(&c, "suicide-count", 100000);
	c.on_count = count_frees_self;
	ASSERT_INT((long)pass(0), 0);
	ASSERT_INT((long)atomic_load(&c.scans), 0);
	ASSERT_INT((long)atomic_load(&c.violations), 0);
	sim_end();
}

static unsigned long scan_frees_arg(struct cache *c, struct shrink_control *sc)
{
	if (c->arg) {
		cache_end(c->arg);
		c->arg = NULL;
	}
	return cache_scan(c, sc);
}

/* The victim stands before, right after, or further behind in the list. */
static void free_in_other_callback(void)
{
	for (int victim = 0; victim < 4; victim++) {
		struct cache c[4];
		int killer = victim == 1 ? 2 : 1;

		sim_begin();
		for (int i = 0; i < 4; i++)
			cache_new(&c[i], "row", 1000);
		c[killer].on_scan = scan_frees_arg;
		c[killer].arg = &c[victim];
		pass(0);
		pass(0);
		for (int i = 0; i < 4; i++) {
			ASSERT_INT((long)atomic_load(&c[i].violations), 0);
			if (i != victim) {
				CU_ASSERT(atomic_load(&c[i].scans) > 0);
				cache_end(&c[i]);
			}
		}
		sim_end();
	}
}

/* Two callbacks on two threads, each of which frees the other's shrinker. */
static pthread_barrier_t both_inside;
static atomic_ulong circle_done;

static unsigned long scan_frees_partner(struct cache *c, struct shrink_control *sc)
{
	struct cache *partner = c->arg;

	(void)sc;
	pthread_barrier_wait(&both_inside);
	shrinker_free(partner->s);
	return SHRINK_STOP;
}

static void *one_pass(void *arg)
{
	(void)arg;
	pass(0);
	atomic_fetch_add(&circle_done, 1);
	return NULL;
}

/* Each thread must end up in another callback: the first of the list is busy
 * with the first thread, whose scan waits, so the second one skips it. */
static unsigned long count_once(struct cache *c, struct shrink_control *sc)
{
	(void)sc;
	return atomic_fetch_add(&c->mine, 1) == 0 ? 1000 : 0;
}

static void free_in_a_circle(void)
{
	struct cache a, b;
	pthread_t t[2];

	log_begin();
	sim_begin();
	pthread_barrier_init(&both_inside, NULL, 2);
	cache_new(&a, "circle-a", 1000);
	cache_new(&b, "circle-b", 1000);
	a.arg = &b;
	b.arg = &a;
	a.on_count = b.on_count = count_once;
	a.on_scan = b.on_scan = scan_frees_partner;
	atomic_store(&circle_done, 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, one_pass, NULL);
	CU_ASSERT_FATAL(wait_for(&circle_done, 2, 5000));
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	ASSERT_INT(log_count("circle"), 1);
	atomic_store(&a.forbidden, 1);
	atomic_store(&b.forbidden, 1);
	pass(0);
	ASSERT_INT((long)(atomic_load(&a.violations) + atomic_load(&b.violations)), 0);
	pthread_barrier_destroy(&both_inside);
	sim_end();
	log_end();
}

/* A scan that waits until it is let go. */
static unsigned long scan_blocks(struct cache *c, struct shrink_control *sc)
{
	atomic_ulong *gate = c->arg;

	wait_for(gate, 1, 10000);
	return cache_scan(c, sc);
}

struct freer {
	struct cache *c;
	atomic_ulong returned;
	int inside_then;
};

static void *free_it(void *arg)
{
	struct freer *f = arg;

	shrinker_free(f->c->s);
	f->inside_then = atomic_load(&f->c->inside);
	atomic_store(&f->c->forbidden, 1);
	atomic_store(&f->returned, 1);
	return NULL;
}

static void free_waits_for_own_callback_only(void)
{
	struct cache busy, idle;
	struct freer f = {.c = &busy};
	atomic_ulong gate = 0;
	pthread_t walker, freer;

	sim_begin();
	cache_new(&idle, "idle", 10);
	cache_new(&busy, "busy", 100000);
	busy.on_scan = scan_blocks;
	busy.arg = &gate;
	pthread_create(&walker, NULL, one_pass, NULL);
	CU_ASSERT_FATAL(wait_for(&busy.scans, 1, 5000));
	cache_end(&idle); /* must not wait for the busy one */
	cache_new(&idle, "late", 10);
	pthread_create(&freer, NULL, free_it, &f);
	sleep_ms(50);
	ASSERT_INT((long)atomic_load(&f.returned), 0);
	atomic_store(&gate, 1);
	CU_ASSERT(wait_for(&f.returned, 1, 5000));
	ASSERT_INT(f.inside_then, 0);
	pthread_join(walker, NULL);
	pthread_join(freer, NULL);
	ASSERT_INT((long)atomic_load(&busy.violations), 0);
	/* the batches that were still to come are not worth waiting for */
	CU_ASSERT(atomic_load(&busy.scans) < 5);
	cache_end(&idle);
	sim_end();
}

static atomic_ulong done_calls;
static void *_Atomic done_arg;
static pthread_t done_thread;

static void done(void *arg)
{
	atomic_store(&done_arg, arg);
	done_thread = pthread_self();
	atomic_fetch_add(&done_calls, 1);
}

static void free_async_idle(void)
{
	struct cache c;

	sim_begin();
	cache_new(&c, "async", 10);
	atomic_store(&done_calls, 0);
	ASSERT_INT(shrinker_free_async(c.s, done), 0);
	ASSERT_INT((long)atomic_load(&done_calls), 1);
	CU_ASSERT(atomic_load(&done_arg) == &c);
	CU_ASSERT_FATAL(cache_alloc(&c, 0, "async", 10) != NULL);
	ASSERT_INT(shrinker_free_async(c.s, done), 0); /* never registered */
	ASSERT_INT((long)atomic_load(&done_calls), 2);
	ASSERT_INT(shrinker_free_async(NULL, done), -EINVAL);
	cache_new(&c, "async", 10);
	ASSERT_INT(shrinker_free_async(c.s, NULL), 0);
	ASSERT_INT((long)atomic_load(&done_calls), 2);
	sim_end();
}

static void free_async_busy(void)
{
	struct cache c;
	atomic_ulong gate = 0;
	pthread_t walker;

	sim_begin();
	cache_new(&c, "async-busy", 100000);
	c.on_scan = scan_blocks;
	c.arg = &gate;
	atomic_store(&done_calls, 0);
	pthread_create(&walker, NULL, one_pass, NULL);
	CU_ASSERT_FATAL(wait_for(&c.scans, 1, 5000));
	ASSERT_INT(shrinker_free_async(c.s, done), 0);
	ASSERT_INT(atomic_load(&c.inside), 1); /* has not waited */
	ASSERT_INT(shrinker_free_async(c.s, done), -ESTALE);
	sleep_ms(20);
	ASSERT_INT((long)atomic_load(&done_calls), 0);
	atomic_store(&gate, 1);
	CU_ASSERT(wait_for(&done_calls, 1, 5000));
	CU_ASSERT(pthread_equal(done_thread, walker));
	pthread_join(walker, NULL);
	ASSERT_INT((long)atomic_load(&done_calls), 1);
	ASSERT_INT(atomic_load(&c.inside), 0);
	sim_end();
}

static void refuses(void)
{
	struct cache c;
	struct shrinker *s;

	errno = 0;
	CU_ASSERT(shrinker_alloc(0x80000000u, "flag") == NULL);
	ASSERT_INT(errno, EINVAL);
	errno = 0;
	CU_ASSERT(shrinker_alloc(0, "%s", "") == NULL);
	ASSERT_INT(errno, EINVAL);
	shrinker_free(NULL);
	ASSERT_INT(shrinker_register(NULL), -EINVAL);

	s = cache_alloc(&c, 0, "bad", 1);
	CU_ASSERT_FATAL(s != NULL);
	ASSERT_INT(s->seeks, SHRINK_DEFAULT_SEEKS);
	ASSERT_INT(s->batch, 0);
	s->batch = -1;
	ASSERT_INT(shrinker_register(s), -EINVAL);
	s->batch = 0;
	s->seeks = -1;
	ASSERT_INT(shrinker_register(s), -EINVAL);
	s->seeks = 2;
	s->scan_objects = NULL;
	ASSERT_INT(shrinker_register(s), -EINVAL);
	shrinker_free(s);
	cache_alloc(&c, 0, "bad", 1);
	c.s->count_objects = NULL;
	ASSERT_INT(shrinker_register(c.s), -EINVAL);
	shrinker_free(c.s);
	cache_new(&c, "twice", 1);
	ASSERT_INT(shrinker_register(c.s), -EALREADY);
	ASSERT_INT(shrinker_set_batch(c.s, -1), -EINVAL);
	ASSERT_INT(shrinker_set_seeks(c.s, -1), -EINVAL);
	ASSERT_INT(shrinker_set_batch(NULL, 1), -EINVAL);
	ASSERT_INT(shrinker_set_count(c.s, 0, 1, 0), -EINVAL); /* has no owner */
	ASSERT_INT(shrinker_complete(NULL, 0, 1, 0), -EINVAL);
	ASSERT_INT(shrinker_complete(c.s, 999, 1, 0), -EINVAL);
	ASSERT_INT(shrinker_complete(c.s, -2, 1, 0), -EINVAL);
	cache_end(&c);
}

static void names_and_ids(void)
{
	struct cache c[3];
	char name[64];
	int first, middle;

	for (int i = 0; i < 3; i++)
		cache_new(&c[i], "dns-answers:east", 1);
	first = shrinker_id(c[0].s);
	ASSERT_INT(shrinker_id(c[1].s), first + 1);
	middle = shrinker_id(c[1].s);
	snprintf(name, sizeof(name), "dns-answers:east-%d", middle);
	{
		char is[64];

		ASSERT_INT(shrinker_get_name(c[1].s, is, sizeof(is)), (long)strlen(name));
		CU_ASSERT_STRING_EQUAL(is, name);
		ASSERT_INT(shrinker_set_name(c[1].s, "%s", "renamed"), 0);
		snprintf(name, sizeof(name), "renamed-%d", middle);
		ASSERT_INT(shrinker_get_name(c[1].s, is, 5), (long)strlen(name));
		CU_ASSERT_STRING_EQUAL(is, "rena");
		shrinker_get_name(c[1].s, is, sizeof(is));
		CU_ASSERT_STRING_EQUAL(is, name);
	}
	cache_end(&c[1]); /* no walk runs: its id is free at once, and the lowest */
	cache_new(&c[1], "again", 1);
	ASSERT_INT(shrinker_id(c[1].s), middle);
	ASSERT_INT(shrinker_id(NULL), -EINVAL);
	for (int i = 0; i < 3; i++)
		cache_end(&c[i]);
}

static void start_states(void)
{
	ASSERT_INT(shrink_stop(), -EALREADY);
	ASSERT_INT(shrink_start(0x40000000u), -EINVAL);
	ASSERT_INT(shrink_sim_step(1000), -ENOTCONN);
	sim_begin();
	ASSERT_INT(shrink_start(SHRINK_START_SIMULATED), -EALREADY);
	ASSERT_INT(shrink_start(0), -EALREADY);
	sim_end();
	ASSERT_INT(shrink_stop(), -EALREADY);
	sim_begin(); /* again */
	sim_end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"G1: no callback before start, none after stop", passive_before_start},
		{"G1: no callback before register", passive_before_register},
		{"G1: no callback after free", none_after_free},
		{"G1: freed from its own scan, it is not called again", free_in_own_scan},
		{"G1: freed from its own count, it is not scanned", free_in_own_count},
		{"G1: freed from another's callback", free_in_other_callback},
		{"G1: two callbacks free each other's shrinkers", free_in_a_circle},
		{"G1: free waits for its own callback and for nothing else",
		 free_waits_for_own_callback_only},
		{"G1: free_async, idle", free_async_idle},
		{"G1: free_async, while a callback runs", free_async_busy},
		{"life: what is refused", refuses},
		{"life: names and ids", names_and_ids},
		{"life: start and stop", start_states},
		{NULL, NULL},
	};

	return test_main(argc, argv, "life", tests);
}

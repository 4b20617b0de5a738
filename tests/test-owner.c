// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Owners: caches that only one thread may touch are asked by posted requests,
 * bounded, one at a time, and on that thread alone. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "tests/cache.h"
#include "tests/harness.h"

#define MSEC 1000000ULL
#define MB (1024UL * 1024)

/* The owner's thread: the one that runs the test. */
static pthread_t home;

static unsigned long scan_at_home(struct cache *c, struct shrink_control *sc)
{
	if (!pthread_equal(pthread_self(), home))
		atomic_fetch_add(&c->violations, 1);
	return cache_scan(c, sc);
}

/* An owned shrinker publishes its count; asking for it is a violation. */
static unsigned long count_is_forbidden(struct cache *c, struct shrink_control *sc)
{
	(void)sc;
	atomic_fetch_add(&c->violations, 1);
	return 0;
}

static void publish(struct cache *c)
{
	ASSERT_INT(shrinker_set_count(c->s, 0, atomic_load(&c->objects), 0), 0);
}

static void owned(struct cache *c, struct shrink_owner *owner, unsigned long objects)
{
	home = pthread_self();
	CU_ASSERT_FATAL(cache_alloc(c, 0, "owned", objects) != NULL);
	c->s->owner = owner;
	c->s->object_size = 100;
	c->on_scan = scan_at_home;
	c->on_count = count_is_forbidden;
	ASSERT_INT(shrinker_register(c->s), 0);
	publish(c);
}

static int readable(struct shrink_owner *owner)
{
	struct pollfd p = {.fd = shrink_owner_fd(owner), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static long posted(struct cache *c)
{
	return (long)cache_stats(c).posted_objects;
}

static unsigned long pass(int priority)
{
	return shrink_slab(SHRINK_GFP_ALL, 0, NULL, priority);
}

static struct shrink_owner *begin(struct cache *c, unsigned long objects)
{
	struct shrink_owner *owner;

	sim_begin();
	owner = shrink_owner_create();
	CU_ASSERT_FATAL(owner != NULL);
	owned(c, owner, objects);
	return owner;
}

static void end(struct cache *c, struct shrink_owner *owner)
{
	cache_end(c);
	ASSERT_INT(shrink_owner_destroy(owner), 0);
	sim_end();
}

static void asked_and_answered(void)
{
	struct shrink_owner *owner;
	struct cache c;

	owner = begin(&c, 100000);
	ASSERT_INT(readable(owner), 0);
	ASSERT_INT((long)pass(4), 0); /* 12500 asked, none freed yet */
	ASSERT_INT((long)atomic_load(&c.scans), 0);
	ASSERT_INT(posted(&c), 12500);
	ASSERT_INT(readable(owner), 1);
	ASSERT_INT(shrink_owner_run(owner, 0), 12500);
	ASSERT_INT((long)atomic_load(&c.objects), 100000 - 12500);
	CU_ASSERT(c.last.nr_to_scan <= 128);
	ASSERT_INT(posted(&c), 0);
	ASSERT_INT(readable(owner), 0);
	ASSERT_INT(shrink_owner_run(owner, 0), 0);
	ASSERT_INT(cache_deferred(&c, 0), 0);
	end(&c, owner);
}

static void one_request_outstanding(void)
{
	struct shrink_owner *owner;
	struct cache c;

	owner = begin(&c, 100000);
	pass(4);
	ASSERT_INT(posted(&c), 12500);
	for (int i = 0; i < 20; i++)
		pass(4);
	ASSERT_INT(posted(&c), 12500);
	CU_ASSERT(cache_deferred(&c, 0) > 0); /* the later passes' work */
	CU_ASSERT(cache_deferred(&c, 0) <= 2 * 100000);
	end(&c, owner);
}

/* A request never asks for more than there is, not even at priority 0. */
static void request_is_bounded(void)
{
	struct shrink_owner *owner;
	struct cache c;

	owner = begin(&c, 1000);
	pass(0);
	ASSERT_INT(posted(&c), 1000);
	ASSERT_INT(shrink_owner_run(owner, 0), 1000);
	publish(&c);
	pass(0);
	ASSERT_INT(posted(&c), 0);
	ASSERT_INT(readable(owner), 0);
	end(&c, owner);
}

/* A whole descent with a goal that cannot be met piles up nothing. */
static void descent_posts_once(void)
{
	struct shrink_owner *owner;
	struct cache c;

	owner = begin(&c, 100000);
	ASSERT_INT((long)shrink_all_memory(5000000), 0);
	CU_ASSERT(posted(&c) >= 50000 - 128);
	CU_ASSERT(posted(&c) <= 50000 + 128);
	shrink_all_memory(5000000);
	CU_ASSERT(posted(&c) <= 50000 + 128);
	CU_ASSERT(shrink_owner_run(owner, 0) >= 50000 - 128);
	end(&c, owner);
}

static void shrinkers_of_one_owner_join(void)
{
	struct shrink_owner *owner;
	struct cache a, b;

	owner = begin(&a, 100000);
	owned(&b, owner, 50000);
	pass(4);
	ASSERT_INT(posted(&a), 12500);
	ASSERT_INT(posted(&b), 6250);
	ASSERT_INT(shrink_owner_run(owner, 0), 18750);
	cache_end(&b);
	end(&a, owner);
}

static void expired_returns_to_deferred(void)
{
	struct shrink_sim_state state = {.limit = 100 * MB, .usage = 10 * MB};
	struct shrink_owner *owner;
	struct cache c;

	owner = begin(&c, 100000);
	shrink_sim_set(&state, sizeof(state));
	shrink_sim_step(MSEC);
	pass(4);
	ASSERT_INT(posted(&c), 12500);
	shrink_sim_step(50 * MSEC);
	ASSERT_INT(posted(&c), 12500); /* within its time */
	shrink_sim_step(1000 * MSEC);
	ASSERT_INT(posted(&c), 0);
	ASSERT_INT(cache_deferred(&c, 0), 12500);
	ASSERT_INT(readable(owner), 0);
	ASSERT_INT(shrink_owner_run(owner, 0), 0);
	pass(12); /* a new request may be posted */
	CU_ASSERT(posted(&c) > 0 || cache_deferred(&c, 0) > 12500);
	end(&c, owner);
}

static void dropped_at_normal(void)
{
	struct shrink_sim_state state = {.limit = 100 * MB, .usage = 100 * MB, .rss = 100 * MB};
	struct shrink_owner *owner;
	struct cache c;

	owner = begin(&c, 500000);
	shrink_sim_set(&state, sizeof(state));
	shrink_sim_step(10 * MSEC);
	CU_ASSERT(posted(&c) > 0);
	CU_ASSERT(posted(&c) * 100 <= (long)(8 * MB)); /* what is missing, no more */
	ASSERT_INT(readable(owner), 1);
	state.usage = state.rss = 10 * MB;
	shrink_sim_set(&state, sizeof(state));
	shrink_sim_step(10 * MSEC);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	ASSERT_INT(posted(&c), 0);
	ASSERT_INT(readable(owner), 0);
	ASSERT_INT(cache_deferred(&c, 0), 0); /* pressure no longer needs it */
	ASSERT_INT((long)atomic_load(&c.scans), 0);
	end(&c, owner);
}

/* What an owner owes is no reason to press the others harder. */
static void others_do_not_pay(void)
{
	struct shrink_owner *owner;
	struct cache c, other;

	owner = begin(&c, 100000);
	CU_ASSERT_FATAL(cache_alloc(&other, 0, "other", 100000) != NULL);
	other.s->object_size = 100;
	ASSERT_INT(shrinker_register(other.s), 0);
	shrink_all_memory(4000000); /* half of it each */
	CU_ASSERT(atomic_load(&other.freed) <= 20000 + 256);
	CU_ASSERT(posted(&c) <= 20000 + 256);
	cache_end(&other);
	end(&c, owner);
}

static unsigned long scan_stops(struct cache *c, struct shrink_control *sc)
{
	(void)sc;
	return atomic_load(&c->scans) > 10 ? SHRINK_STOP : cache_scan(c, sc);
}

static void stop_returns_to_deferred(void)
{
	struct shrink_owner *owner;
	struct cache c;

	owner = begin(&c, 100000);
	c.on_scan = scan_stops;
	pass(4);
	ASSERT_INT(shrink_owner_run(owner, 0), 10 * 128);
	ASSERT_INT(posted(&c), 0);
	ASSERT_INT(cache_deferred(&c, 0), 12500 - 10 * 128);
	ASSERT_INT(readable(owner), 0);
	end(&c, owner);
}

static unsigned long scan_frees_self(struct cache *c, struct shrink_control *sc)
{
	unsigned long n = cache_scan(c, sc);

	shrinker_free(c->s);
	atomic_store(&c->forbidden, 1);
	return n;
}

static void freed_while_posted(void)
{
	struct shrink_owner *owner;
	struct cache a, b;

	owner = begin(&a, 100000);
	owned(&b, owner, 100000);
	pass(4);
	ASSERT_INT(shrink_owner_destroy(owner), -EBUSY);
	cache_end(&a);
	b.on_scan = scan_frees_self;
	ASSERT_INT(shrink_owner_run(owner, 0), 128);
	ASSERT_INT((long)atomic_load(&a.scans), 0);
	ASSERT_INT((long)(atomic_load(&a.violations) + atomic_load(&b.violations)), 0);
	ASSERT_INT(readable(owner), 0);
	ASSERT_INT(shrink_owner_destroy(owner), 0);
	sim_end();
}

static unsigned long scan_runs_owner(struct cache *c, struct shrink_control *sc)
{
	ASSERT_INT(shrink_owner_run(c->arg, 0), -EDEADLK);
	return cache_scan(c, sc);
}

static void what_is_refused(void)
{
	struct shrink_owner *owner;
	struct cache c;

	ASSERT_INT(shrink_owner_run(NULL, 0), -EINVAL);
	ASSERT_INT(shrink_owner_fd(NULL), -EINVAL);
	ASSERT_INT(shrink_owner_destroy(NULL), 0);
	owner = begin(&c, 1000);
	c.on_scan = scan_runs_owner;
	c.arg = owner;
	pass(2);
	CU_ASSERT(shrink_owner_run(owner, 0) > 0);
	ASSERT_INT(shrinker_set_count(c.s, 1000, 1, 0), -EINVAL);
	ASSERT_INT(shrinker_set_count(c.s, -1, 1, 0), -EINVAL);
	end(&c, owner);
}

/* ---- real threads */

static unsigned long scan_slowly_at_home(struct cache *c, struct shrink_control *sc)
{
	sleep_ms(2);
	return scan_at_home(c, sc);
}

static void real_pressure_runs_at_home(void)
{
	struct shrink_owner *owner;
	uint64_t begun;
	long freed;
	struct cache c;

	CU_ASSERT_FATAL(shrink_start(0) == 0);
	owner = shrink_owner_create();
	CU_ASSERT_FATAL(owner != NULL);
	owned(&c, owner, 100000);
	c.on_scan = scan_slowly_at_home;
	ASSERT_INT(shrink_conf_set("owner_deadline", "60000"), 0);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, 5000000), 0);
	{
		struct pollfd p = {.fd = shrink_owner_fd(owner), .events = POLLIN};

		ASSERT_INT(poll(&p, 1, 5000), 1);
	}
	sleep_ms(50);
	ASSERT_INT((long)atomic_load(&c.scans), 0); /* nobody but us */
	begun = now_ms();
	freed = shrink_owner_run(owner, 20000); /* its time is limited */
	CU_ASSERT(now_ms() - begun < 30000);
	CU_ASSERT(freed > 0 && freed < 50000);
	CU_ASSERT(posted(&c) > 0);
	ASSERT_INT(readable(owner), 1); /* what is left over stays posted */
	c.on_scan = scan_at_home;
	CU_ASSERT(shrink_owner_run(owner, 0) > 0);
	ASSERT_INT(posted(&c), 0);
	cache_end(&c);
	ASSERT_INT(shrink_owner_destroy(owner), 0);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_NORMAL, 0), 0);
	ASSERT_INT(shrink_stop(), 0);
	ASSERT_INT(shrink_conf_set("owner_deadline", "100"), 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"owner: asked by a request, answered on its own thread", asked_and_answered},
		{"owner: one request outstanding", one_request_outstanding},
		{"owner: a request is no more than there is", request_is_bounded},
		{"owner: a descent does not pile up", descent_posts_once},
		{"owner: its shrinkers join one request", shrinkers_of_one_owner_join},
		{"owner: an expired request returns to deferred", expired_returns_to_deferred},
		{"owner: dropped when pressure is over", dropped_at_normal},
		{"owner: others do not pay for what it owes", others_do_not_pay},
		{"owner: STOP returns the rest to deferred", stop_returns_to_deferred},
		{"G1: an owned shrinker freed while asked, and in its scan", freed_while_posted},
		{"owner: what is refused", what_is_refused},
		{"owner: real pressure, nothing on a foreign thread, a budget",
		 real_pressure_runs_at_home},
		{NULL, NULL},
	};

	return test_main(argc, argv, "owner", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Two libraries with locks of their own that charge into each other's groups, each
 * with its lock held, cannot deadlock. How often a trylock fails in that race is
 * luck, so what each gets is asserted where the other's lock is free. */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "tests/gcache.h"
#include "tests/harness.h"

#define MB (1ULL << 20)
#define OBJECT 4096ULL
#define LIMIT (MB / 2) /* 128 objects */
#define TURNS 600

static struct shrink_memcg *group(void)
{
	struct shrink_memcg *memcg = shrink_memcg_create(NULL, "group");

	CU_ASSERT_FATAL(memcg != NULL);
	ASSERT_INT(shrink_memcg_set_limit(memcg, SHRINK_MEMCG_LIMIT_MAX, LIMIT), 0);
	return memcg;
}

static void end(struct shrink_memcg *memcg)
{
	shrink_memcg_drain();
	ASSERT_INT(shrink_memcg_usage(memcg), 0);
	ASSERT_INT(shrink_memcg_destroy(memcg), 0);
}

struct library {
	pthread_mutex_t lock;
	struct gcache cache;
	struct shrink_memcg *memcg;
	struct library *other;
	pthread_t thread;
	unsigned long charged, failed;
};

static unsigned long scan_locked(struct cache *c, struct shrink_control *sc)
{
	struct library *l = c->arg;
	unsigned long n;

	/* A promise of DIRECT: trylock. The other kind takes its lock, but then runs
	 * only where nobody holds one. */
	if (c->s->flags & SHRINKER_DIRECT) {
		if (pthread_mutex_trylock(&l->lock))
			return SHRINK_STOP;
	} else {
		pthread_mutex_lock(&l->lock);
	}
	n = gcache_remove(&l->cache, sc->memcg, 0, sc->nr_to_scan);
	pthread_mutex_unlock(&l->lock);
	return n;
}

static unsigned long count_locked(struct cache *c, struct shrink_control *sc)
{
	struct library *l = c->arg;
	long n = gcache_objects(&l->cache, sc->memcg);

	return n ? (unsigned long)n : SHRINK_EMPTY;
}

/* One object into the other's group, with one's own lock held. */
static bool use_once(struct library *me)
{
	struct library *you = me->other;
	bool charged;

	pthread_mutex_lock(&me->lock);
	charged = !shrink_memcg_charge(you->memcg, OBJECT, SHRINK_GFP_IO);
	if (charged &&
	    !atomic_fetch_add(&gcache_place(&you->cache, you->memcg)->objects[0], 1))
		shrink_memcg_set_bit(you->memcg, 0, you->cache.c.s);
	pthread_mutex_unlock(&me->lock);
	return charged;
}

static void *use_other(void *arg)
{
	struct library *me = arg;

	for (int i = 0; i < TURNS; i++) {
		if (use_once(me))
			me->charged++;
		else
			me->failed++;
	}
	return NULL;
}

/* Nobody holds the other's lock any more: reclaim must bring us twice beyond the
 * limit, at once where it runs here, else as soon as the worker has been there. */
static void use_alone(struct library *me)
{
	unsigned long n = 0;

	for (int fails = 0; n < 2 * LIMIT / OBJECT && fails < 60000;) {
		if (use_once(me)) {
			n++;
		} else {
			fails++;
			sleep_ms(1);
		}
	}
	CU_ASSERT(n == 2 * LIMIT / OBJECT);
}

static void no_deadlock(unsigned int flags)
{
	struct library l[2];

	memset(l, 0, sizeof(l));
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	for (int i = 0; i < 2; i++) {
		pthread_mutex_init(&l[i].lock, NULL);
		l[i].other = &l[!i];
		gcache_new(&l[i].cache, SHRINKER_MEMCG_AWARE | flags, "library", OBJECT);
		l[i].memcg = group();
		l[i].cache.c.on_scan = scan_locked;
		l[i].cache.c.on_count = count_locked;
		l[i].cache.c.arg = &l[i];
	}
	alarm(300); /* a deadlock ends the program */
	for (int i = 0; i < 2; i++)
		CU_ASSERT_FATAL(!pthread_create(&l[i].thread, NULL, use_other, &l[i]));
	for (int i = 0; i < 2; i++)
		pthread_join(l[i].thread, NULL);
	for (int i = 0; i < 2; i++) {
		ASSERT_INT((long)(l[i].charged + l[i].failed), TURNS);
		use_alone(&l[i]);
	}
	alarm(0);
	for (int i = 0; i < 2; i++)
		gcache_end(&l[i].cache);
	for (int i = 0; i < 2; i++)
		end(l[i].memcg);
	ASSERT_INT(shrink_stop(), 0);
}

static void no_deadlock_direct(void)
{
	no_deadlock(SHRINKER_DIRECT);
}

static void no_deadlock_handed_on(void)
{
	no_deadlock(0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"two libraries cannot deadlock: trylock", no_deadlock_direct},
		{"two libraries cannot deadlock: handed on", no_deadlock_handed_on},
		{NULL, NULL},
	};

	return test_main(argc, argv, "memcg-locks", tests);
}

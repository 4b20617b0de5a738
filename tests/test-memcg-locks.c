// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Two libraries with locks of their own that charge into each other's groups, each
 * with its lock held, cannot deadlock. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "tests/gcache.h"
#include "tests/harness.h"

#define MB (1ULL << 20)
#define OBJECT 4096ULL

static struct shrink_memcg *group(void)
{
	struct shrink_memcg *memcg = shrink_memcg_create(NULL, "group");

	CU_ASSERT_FATAL(memcg != NULL);
	ASSERT_INT(shrink_memcg_set_limit(memcg, SHRINK_MEMCG_LIMIT_MAX, 2 * MB), 0);
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

static void *use_other(void *arg)
{
	struct library *me = arg, *you = me->other;

	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&me->lock);
		if (shrink_memcg_charge(you->memcg, OBJECT, SHRINK_GFP_IO) < 0) {
			me->failed++;
		} else {
			me->charged++;
			if (!atomic_fetch_add(&gcache_place(&you->cache, you->memcg)->objects[0],
					      1))
				shrink_memcg_set_bit(you->memcg, 0, you->cache.c.s);
		}
		pthread_mutex_unlock(&me->lock);
	}
	return NULL;
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
	alarm(120); /* a deadlock ends the program */
	for (int i = 0; i < 2; i++)
		CU_ASSERT_FATAL(!pthread_create(&l[i].thread, NULL, use_other, &l[i]));
	for (int i = 0; i < 2; i++)
		pthread_join(l[i].thread, NULL);
	alarm(0);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT(l[i].charged > 512);
		ASSERT_INT((long)(l[i].charged + l[i].failed), 2000);
	}
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

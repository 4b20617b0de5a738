// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Magazines: objects that threads keep for their next alloc. Whatever they keep, the
 * account is exact, a scan gets it, misuse is found, and ends of threads, pools and
 * processes leave nothing behind.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pool-cache.h"

#define NR 64u

/* A thread that does as it is told, one thing at a time. */
struct hand {
	pthread_t thread;
	pthread_barrier_t turn;
	void (*fn)(void *arg);
	void *arg;
};

static void *hand_main(void *arg)
{
	struct hand *h = arg;

	for (;;) {
		pthread_barrier_wait(&h->turn);
		if (!h->fn)
			return NULL;
		h->fn(h->arg);
		pthread_barrier_wait(&h->turn);
	}
}

static void hand_start(struct hand *h)
{
	pthread_barrier_init(&h->turn, NULL, 2);
	CU_ASSERT_FATAL(!pthread_create(&h->thread, NULL, hand_main, h));
}

static void hand_do(struct hand *h, void (*fn)(void *arg), void *arg)
{
	h->fn = fn;
	h->arg = arg;
	pthread_barrier_wait(&h->turn);
	if (fn)
		pthread_barrier_wait(&h->turn);
}

static void hand_stop(struct hand *h)
{
	hand_do(h, NULL, NULL);
	pthread_join(h->thread, NULL);
	pthread_barrier_destroy(&h->turn);
}

static void drop_all(void *arg)
{
	struct pool_cache *c = arg;

	for (unsigned int i = 0; i < c->nr; i++)
		if (c->objects[i])
			pool_cache_drop(c, i);
}

static unsigned int rounds_of(struct pool_magazines *set)
{
	unsigned int n = 0;

	for (unsigned int i = 0; set && i < MAGAZINE_CLASSES; i++)
		n += set->magazine[i].nr;
	return n;
}

/* Freed by a thread that did not allocate: in its magazine, not live, not lost. */
static void test_other_thread(void)
{
	struct shrink_pool_stats st;
	struct pool_cache c;
	struct hand h;

	pool_cache_open(&c, NR, 0);
	hand_start(&h);
	pool_cache_fill(&c, 1024);
	hand_do(&h, drop_all, &c);
	st = pool_cache_stats(c.pool);
	EQ(st.live_objects + st.live_bytes, 0);
	CU_ASSERT(pool_cache_resident(c.pool) > 0);
	pool_cache_settle(c.pool);
	/* the other thread's magazine is full, and asleep; the pages go all the same */
	pool_cache_scan_pages(c.pool, 4096);
	EQ(pool_cache_resident(c.pool), 0);
	EQ(c.asked, 0);
	/* its entries are stale now: what it allocates is sound */
	for (unsigned int i = 0; i < NR; i++)
		CU_ASSERT(pool_cache_put(&c, i, 1024) != NULL);
	hand_do(&h, drop_all, &c);
	EQ(pool_cache_stats(c.pool).live_objects, 0);
	hand_stop(&h);
	pool_cache_close(&c);
}

static void test_thread_exit(void)
{
	struct pool_cache c;
	struct hand h;

	pool_cache_open(&c, NR, 0);
	pool_cache_fill(&c, 256);
	pool_cache_settle(c.pool);
	hand_start(&h);
	hand_do(&h, drop_all, &c);
	CU_ASSERT(!shrink_list_empty(&c.pool->magazines));
	EQ(c.pool->magazines.next->next != &c.pool->magazines, 1); /* ours and the thread's */
	hand_stop(&h);
	EQ(c.pool->magazines.next->next == &c.pool->magazines, 1);
	for (unsigned int i = 0; i < SHRINK_CLASSES; i++) {
		EQ(shrink_pool_magazine_cached(c.pool, i), 0);
		EQ(c.pool->classes[i].taken_objects, 0);
	}
	pool_cache_close(&c);
}

/* The pool goes while a thread has magazines of it, and another pool takes its place. */
static void test_pool_first(void)
{
	struct hand h;

	hand_start(&h);
	for (int i = 0; i < 20; i++) {
		struct pool_cache c;

		pool_cache_open(&c, NR, 0);
		pool_cache_fill(&c, 100);
		hand_do(&h, drop_all, &c);
		EQ(pool_cache_stats(c.pool).live_objects, 0);
		pool_cache_close(&c);
	}
	hand_stop(&h);
}

/* More pools than a thread has slots, in turn. */
static void test_many_pools(void)
{
	struct pool_cache c[3 * MAGAZINE_SLOTS];

	for (unsigned int k = 0; k < 3 * MAGAZINE_SLOTS; k++)
		pool_cache_open(&c[k], NR, 0);
	for (unsigned int i = 0; i < NR; i++)
		for (unsigned int k = 0; k < 3 * MAGAZINE_SLOTS; k++)
			CU_ASSERT(pool_cache_put(&c[k], i, 100 + k) != NULL);
	for (unsigned int i = 0; i < NR; i++)
		for (unsigned int k = 0; k < 3 * MAGAZINE_SLOTS; k++)
			pool_cache_drop(&c[k], i);
	for (unsigned int k = 0; k < 3 * MAGAZINE_SLOTS; k++) {
		EQ(pool_cache_stats(c[k].pool).live_objects, 0);
		EQ(pool_cache_stats(c[k].pool).bad_frees, 0);
		pool_cache_close(&c[k]);
	}
}

static struct {
	struct shrink_pool *pool;
	void *object;
} twice;

static void free_it(void *arg)
{
	(void)arg;
	shrink_pool_free(twice.pool, twice.object);
}

/* Wherever the object is by then. */
static void test_double_free(void)
{
	struct pool_cache c;
	struct hand h;

	pool_cache_open(&c, NR, 0);
	hand_start(&h);
	pool_cache_fill(&c, 1000);
	twice.pool = c.pool;
	twice.object = c.objects[5];
	pool_cache_drop(&c, 5);
	free_it(NULL); /* in our magazine */
	EQ(pool_cache_stats(c.pool).bad_frees, 1);
	hand_do(&h, free_it, NULL); /* in another thread's */
	EQ(pool_cache_stats(c.pool).bad_frees, 2);
	pool_cache_settle(c.pool);
	free_it(NULL); /* in its slab */
	EQ(pool_cache_stats(c.pool).bad_frees, 3);
	shrink_pool_free(c.pool, (char *)c.objects[6] + 16); /* inside one */
	EQ(pool_cache_stats(c.pool).bad_frees, 4);
	twice.object = c.objects[7];
	for (int i = 0; i < 100 && c.live; i++)
		pool_cache_scan_pages(c.pool, 256);
	free_it(NULL); /* evicted */
	EQ(pool_cache_stats(c.pool).bad_frees, 5);
	EQ(pool_cache_stats(c.pool).live_objects, 0);
	hand_stop(&h);
	pool_cache_close(&c);
}

/* A stale entry whose bit stands for another class's place by now. */
static void test_stale(void)
{
	struct pool_cache c;
	struct hand h;

	pool_cache_open(&c, NR, 0);
	hand_start(&h);
	for (unsigned int round = 0; round < 50; round++) {
		size_t size = round % 2 ? 1024 : 512;

		for (unsigned int i = 0; i < NR; i++)
			CU_ASSERT_FATAL(pool_cache_put(&c, i, size) != NULL);
		if (round % 3)
			hand_do(&h, drop_all, &c);
		else
			drop_all(&c);
		pool_cache_scan_pages(c.pool, 4096); /* takes all back: every entry is stale */
		EQ(pool_cache_stats(c.pool).live_objects, 0);
		EQ(pool_cache_resident(c.pool), 0);
	}
	EQ(pool_cache_stats(c.pool).bad_frees, 0);
	hand_stop(&h);
	pool_cache_close(&c);
}

/* The child has what the parent's other threads kept. liburcu takes and releases locks
 * around fork() in a way ThreadSanitizer takes for misuse, which ends the child. */
static void test_fork(void)
{
	struct pool_cache c;
	int status = -1, ok;
	struct hand h;
	pid_t pid;

#ifdef __SANITIZE_THREAD__
	SKIP("ThreadSanitizer ends the child over locks held across fork");
#endif
	pool_cache_open(&c, NR, 0);
	hand_start(&h);
	pool_cache_fill(&c, 1024);
	hand_do(&h, drop_all, &c);
	pid = fork();
	if (!pid) {
		struct pool_magazines *mine = shrink_pool_magazines_known(c.pool);

		ok = !rounds_of(mine) && pool_cache_stats(c.pool).live_objects == 0;
		ok = ok && pool_cache_scan_pages(c.pool, 4096) > 0 && !c.asked;
		ok = ok && pool_cache_resident(c.pool) == 0;
		for (unsigned int i = 0; i < NR; i++)
			ok = ok && pool_cache_put(&c, i, 700);
		drop_all(&c);
		_exit(ok && pool_cache_stats(c.pool).live_objects == 0 ? 0 : 1);
	}
	CU_ASSERT_FATAL(pid > 0 && waitpid(pid, &status, 0) == pid);
	EQ(status, 0);
	EQ(pool_cache_stats(c.pool).live_objects, 0);
	hand_stop(&h);
	pool_cache_close(&c);
}

/*
 * Few places, and threads that take and give them as fast as they can while another
 * takes them back. A place that two own is found by its bytes.
 */
#define HAMMERS 3
#define BEATS	60000u

static struct {
	struct shrink_pool *pool;
	_Atomic unsigned int shared, left;
} hammer;

static enum shrink_evict refuse(void *arg, void *object, size_t size)
{
	(void)arg;
	(void)object;
	(void)size;
	return SHRINK_BUSY;
}

static void *beat(void *arg)
{
	uint32_t mine = (uint32_t)(uintptr_t)arg;
	uint32_t *held[3] = {NULL};

	for (unsigned int i = 0; i < BEATS; i++) {
		uint32_t **p = &held[i % 3];

		if (*p) {
			if ((*p)[0] != mine || (*p)[7] != i - 3)
				add_relaxed(&hammer.shared, 1);
			shrink_pool_free(hammer.pool, *p);
		}
		*p = shrink_pool_alloc(hammer.pool, 32);
		(*p)[0] = mine;
		(*p)[7] = i;
	}
	for (int i = 0; i < 3; i++)
		shrink_pool_free(hammer.pool, held[i]);
	sub_relaxed(&hammer.left, 1);
	return NULL;
}

static void test_hammer(void)
{
	struct shrink_pool_options o = {.evict = refuse, .reserve = 64 * MIB};
	pthread_t threads[HAMMERS];

	memset(&hammer, 0, sizeof(hammer));
	hammer.pool = shrink_pool_create(&o, sizeof(o), "hammer");
	CU_ASSERT_FATAL(hammer.pool != NULL);
	hammer.left = HAMMERS;
	for (uintptr_t i = 0; i < HAMMERS; i++)
		CU_ASSERT_FATAL(!pthread_create(&threads[i], NULL, beat, (void *)(i + 1)));
	while (load_relaxed(&hammer.left))
		pool_cache_scan_pages(hammer.pool, 16);
	for (unsigned int i = 0; i < HAMMERS; i++)
		pthread_join(threads[i], NULL);
	EQ(hammer.shared, 0);
	EQ(pool_cache_stats(hammer.pool).live_objects, 0);
	EQ(pool_cache_stats(hammer.pool).bad_frees, 0);
	shrink_pool_destroy(hammer.pool);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"freed by another thread: not live, and a scan gets it", test_other_thread},
		{"a thread that ends leaves nothing in magazines", test_thread_exit},
		{"a pool goes before the thread that used it", test_pool_first},
		{"more pools than a thread has slots", test_many_pools},
		{"double frees are found wherever the object is", test_double_free},
		{"stale entries do no harm", test_stale},
		{"G10: the child of a fork has what other threads kept", test_fork},
		{"a place is never two threads'", test_hammer},
		{NULL, NULL},
	};

	return test_main(argc, argv, "pool-magazine", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The page-true pool as an allocator: objects, account, bounds, misuse, fork. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shrink/conf.h>

#include <libshrink/os/alloc.h>

#include "tests/pool-cache.h"

static void test_objects(void)
{
	struct pool_cache c;
	struct shrink_pool_stats st;
	uint64_t bytes = 0;

	pool_cache_open(&c, 3000, 0);
	EQ(pool_cache_count(c.pool), SHRINK_EMPTY);
	for (unsigned int i = 0; i < c.nr; i++) {
		struct object *o = pool_cache_put(&c, i, 16 + (size_t)i * 11);

		CU_ASSERT_FATAL(o != NULL);
		CU_ASSERT((uintptr_t)o % 16 == 0 && shrink_pool_usable(c.pool, o) >= o->size);
		bytes += shrink_pool_usable(c.pool, o);
	}
	st = pool_cache_stats(c.pool);
	EQ(st.live_objects, c.nr);
	EQ(st.live_bytes, bytes);
	CU_ASSERT(st.slabs > 0 && st.resident_bytes > st.live_bytes);
	for (unsigned int i = 0; i < c.nr; i++)
		pool_cache_drop(&c, (i * 1009u) % c.nr);
	st = pool_cache_stats(c.pool);
	EQ(st.live_objects, 0);
	EQ(st.live_bytes, 0);
	EQ(st.bad_frees, 0);
	EQ(st.evicted_objects, 0);
	pool_cache_close(&c);
}

/* Where a predecessor left its bytes, freed or evicted, a new object begins with
 * zeros all the same. */
static void test_zero_head(void)
{
	static const unsigned char zeros[SHRINK_POOL_HEAD];
	struct pool_cache c;
	unsigned int dirty = 0;

	pool_cache_open(&c, 2000, 0);
	for (int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < c.nr; i++) {
			size_t size = 16 + (size_t)i % 50 * 100 + (i % 100 ? 0 : 40000);
			void *p = shrink_pool_alloc(c.pool, size);

			CU_ASSERT_FATAL(p != NULL);
			dirty += memcmp(p, zeros, sizeof(zeros)) != 0;
			memset(p, 0xff, size);
			c.objects[i] = p;
		}
		for (unsigned int i = 0; i < c.nr; i++)
			shrink_pool_free(c.pool, c.objects[i]);
	}
	ASSERT_INT(dirty, 0);
	pool_cache_close(&c);
}

static void test_refusals(void)
{
	struct shrink_pool_options o = {.object_max = 5 * MIB};
	struct shrink_pool *pool;
	struct pool_cache c;

	CU_ASSERT(!shrink_pool_create(&o, sizeof(o), "x") && errno == EINVAL);
	o = (struct shrink_pool_options){.flags = 0x80};
	CU_ASSERT(!shrink_pool_create(&o, sizeof(o), "x") && errno == EINVAL);
	o = (struct shrink_pool_options){.flags = SHRINK_POOL_BIND, .nid = 64};
	CU_ASSERT(!shrink_pool_create(&o, sizeof(o), "x") && errno == EINVAL);
	o = (struct shrink_pool_options){.reserve = (size_t)1 << 62};
	CU_ASSERT(!shrink_pool_create(&o, sizeof(o), "x") && errno == ENOMEM);
	CU_ASSERT(!shrink_pool_create(NULL, 0, "%s", "") && errno == EINVAL);
	pool_cache_open(&c, 1, 0);
	CU_ASSERT(!shrink_pool_alloc(c.pool, 0) && errno == EINVAL);
	CU_ASSERT(!shrink_pool_alloc(c.pool, MIB + 1) && errno == EINVAL);
	CU_ASSERT(!shrink_pool_alloc(NULL, 1) && errno == EINVAL);
	EQ(shrink_pool_stats(NULL, NULL, 0), -EINVAL);
	shrink_pool_free(c.pool, NULL);
	shrink_pool_free(NULL, NULL);
	shrink_pool_destroy(NULL);
	CU_ASSERT(!shrink_pool_shrinker(NULL) && !shrink_pool_usable(c.pool, NULL));
	pool_cache_close(&c);
	pool = shrink_pool_create(NULL, 0, "allocator only");
	CU_ASSERT_FATAL(pool != NULL);
	CU_ASSERT(!shrink_pool_shrinker(pool));
	shrink_pool_free(pool, shrink_pool_alloc(pool, 100));
	shrink_pool_destroy(pool);
}

static void test_create_fails(void)
{
	struct shrink_pool_options o = {.evict = pool_cache_evict, .reserve = 16 * MIB};
	struct shrink_pool *pool = NULL;
	unsigned long k;

	for (k = 1; k < 100 && !pool; k++) {
		shrink_os_alloc_fail(k);
		pool = shrink_pool_create(&o, sizeof(o), "torture");
		shrink_os_alloc_fail(0);
		CU_ASSERT(pool || errno == ENOMEM);
	}
	CU_ASSERT(k > 2 && pool != NULL);
	shrink_pool_destroy(pool);
}

static void test_bounds(void)
{
	struct shrink_pool_options o = {.reserve = 8 * MIB};
	struct shrink_pool *pool;
	struct pool_cache c;
	unsigned int n = 0;

	pool_cache_open(&c, 100000, 2 * MIB);
	while (pool_cache_put(&c, n, 1024))
		n++;
	EQ(errno, ENOMEM);
	CU_ASSERT(n > 1500 && pool_cache_stats(c.pool).resident_bytes <= 2 * MIB);
	CU_ASSERT(!shrink_pool_alloc(c.pool, 512 << 10) && errno == ENOMEM);
	pool_cache_drop(&c, 0);
	CU_ASSERT(pool_cache_put(&c, 0, 1024) != NULL); /* its own place again */
	pool_cache_close(&c);

	pool = shrink_pool_create(&o, sizeof(o), "small");
	CU_ASSERT_FATAL(pool != NULL);
	for (n = 0; shrink_pool_alloc(pool, MIB); n++)
		;
	EQ(n, 8);
	EQ(errno, ENOMEM);
	shrink_pool_destroy(pool);
}

static void test_densest_first(void)
{
	struct pool_cache c;
	struct object *o;

	pool_cache_open(&c, 16 * 8 + 1, 0); /* 8 slabs of 16 objects, and a new one */
	pool_cache_fill(&c, 1024);
	for (unsigned int i = 0; i < 15; i++) /* slab 0 is left with one object */
		pool_cache_drop(&c, i);
	for (unsigned int i = 16; i < 18; i++) /* slab 1 with all but two */
		pool_cache_drop(&c, i);
	pool_cache_drop(&c, 128);
	pool_cache_settle(c.pool);
	for (unsigned int i = 0; i < 16; i++) { /* what is left of the new slab */
		o = pool_cache_put(&c, i < 15 ? i : 16, 1024);
		CU_ASSERT_FATAL(o != NULL);
	}
	o = pool_cache_put(&c, 17, 1024);
	CU_ASSERT(((uintptr_t)o ^ (uintptr_t)c.objects[18]) < 16384);
	pool_cache_close(&c);
}

static void test_large(void)
{
	struct shrink_pool_stats st;
	uint64_t pages = 0;
	struct pool_cache c;

	pool_cache_open(&c, 64, 0);
	for (unsigned int i = 0; i < c.nr; i++) {
		size_t size = 33000 + (size_t)i * 16000;

		CU_ASSERT_FATAL(pool_cache_put(&c, i, size) != NULL);
		EQ(shrink_pool_usable(c.pool, c.objects[i]), ((size + PAGE - 1) / PAGE * PAGE));
		pages += (size + PAGE - 1) / PAGE;
	}
	EQ(pool_cache_resident(c.pool), pages);
	st = pool_cache_stats(c.pool);
	EQ(st.live_bytes, pages * PAGE);
	EQ(st.free_bytes, 0);
	pool_cache_drop(&c, 63);
	CU_ASSERT(pool_cache_put(&c, 63, 1000000) != NULL);
	for (int i = 0; i < 100 && c.live; i++)
		pool_cache_scan_pages(c.pool, 256);
	EQ(c.live, 0);
	EQ(pool_cache_resident(c.pool), 0);
	pool_cache_close(&c);
}

static char last_line[512];

static unsigned int nr_lines;

static void note_line(void *arg, enum shrink_log_level level, const char *line)
{
	(void)arg;
	if (level > SHRINK_LOG_ERR)
		return;
	snprintf(last_line, sizeof(last_line), "%s", line);
	nr_lines++;
}

static void test_misuse(void)
{
	struct pool_cache c;
	struct object *o;
	int local;

	shrink_set_log(note_line, NULL);
	pool_cache_open(&c, 100, 0);
	pool_cache_fill(&c, 1000);
	o = c.objects[50];
	pool_cache_drop(&c, 50);
	shrink_pool_free(c.pool, o); /* twice */
	shrink_pool_free(c.pool, &local);
	shrink_pool_free(c.pool, c.objects[51]->fill);	    /* inside */
	shrink_pool_free(c.pool, c.pool->data + 512 * MIB); /* reserved, never used */
	shrink_pool_free(c.pool, c.pool->tables);
	CU_ASSERT(shrink_pool_usable(c.pool, &local) == 0);
	shrink_pool_mark(c.pool, &local);
	EQ(pool_cache_stats(c.pool).bad_frees, 5);
	EQ(pool_cache_stats(c.pool).live_objects, 99);
	EQ(nr_lines, 3); /* the 1st, 2nd and 4th */
	CU_ASSERT(strstr(last_line, "pool test") != NULL);
	for (unsigned int i = 0; i < 100; i++)
		CU_ASSERT(i == 50 || pool_cache_intact(c.objects[i]));
	shrink_set_log(NULL, NULL);
	pool_cache_close(&c);
}

/* liburcu takes and releases locks around fork() in a way ThreadSanitizer takes for
 * misuse, which ends the child. */
#ifdef __SANITIZE_THREAD__
#define FORKS_BADLY 1
#else
#define FORKS_BADLY 0
#endif

/* G10: the child's pool holds what the parent's did, and works. */
static void test_fork(void)
{
	struct pool_cache c;
	int status = -1, ok;
	pid_t pid;

	if (FORKS_BADLY)
		SKIP("ThreadSanitizer ends the child over locks held across fork");
	pool_cache_open(&c, 1024, 0);
	pool_cache_fill(&c, 1024);
	pid = fork();
	if (!pid) {
		pool_cache_scan_pages(c.pool, 128);
		ok = c.live == 512 && pool_cache_put(&c, 0, 5000) && !c.damaged;
		for (unsigned int i = 1; i < c.nr; i++)
			if (c.objects[i])
				pool_cache_drop(&c, i);
		_exit(ok && pool_cache_stats(c.pool).live_objects == 1 ? 0 : 1);
	}
	CU_ASSERT_FATAL(pid > 0 && waitpid(pid, &status, 0) == pid);
	EQ(status, 0);
	EQ(pool_cache_scan_pages(c.pool, 128), 128);
	EQ(c.live, 512);
	pool_cache_close(&c);
}

/* A thread of the parent was evicting at the time of fork: the child takes over. */
static void test_fork_evicting(void)
{
	struct pool_cache c;
	struct pool_slab *slab;
	int status = -1;
	size_t offset;
	pid_t pid;

	if (FORKS_BADLY)
		SKIP("ThreadSanitizer ends the child over locks held across fork");
	pool_cache_open(&c, 32, 0);
	pool_cache_fill(&c, 1024);
	slab = shrink_pool_find(c.pool, c.objects[0], &offset);
	CU_ASSERT_FATAL(slab != NULL);
	store_relaxed(&slab->tag, pool_tag(load_relaxed(&slab->tag) >> 8, SLAB_EVICTING));
	pid = fork();
	if (!pid) {
		for (int i = 0; i < 10 && c.live; i++)
			pool_cache_scan_pages(c.pool, 128);
		_exit(c.live != 0);
	}
	CU_ASSERT_FATAL(pid > 0 && waitpid(pid, &status, 0) == pid);
	EQ(status, 0);
	pool_cache_close(&c);
}

static void test_node(void)
{
	struct shrink_control sc = {.nid = 1, .nr_to_scan = 1};
	struct shrink_pool_options o = {.flags = SHRINK_POOL_BIND, .evict = pool_cache_evict};
	struct shrink_pool *pool;
	struct shrinker *s;

	pool = shrink_pool_create(&o, sizeof(o), "bound");
	CU_ASSERT_FATAL(pool != NULL);
	s = shrink_pool_shrinker(pool);
	CU_ASSERT(s->flags & SHRINKER_NUMA_AWARE);
	CU_ASSERT(shrink_pool_alloc(pool, 100) != NULL);
	EQ(s->count_objects(s, &sc), SHRINK_EMPTY);
	sc.nid = 0;
	CU_ASSERT(s->count_objects(s, &sc) > 0);
	shrink_pool_destroy(pool);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"objects of all sizes, account exact", test_objects},
		{"a new object begins with zeros", test_zero_head},
		{"each misuse has its errno", test_refusals},
		{"creation survives every failing allocation", test_create_fails},
		{"max_bytes and the reserve hold", test_bounds},
		{"allocation fills the densest slab", test_densest_first},
		{"large objects", test_large},
		{"double and foreign frees are reported, never fatal", test_misuse},
		{"G10: fork", test_fork},
		{"G10: fork amid an eviction", test_fork_evicting},
		{"bound to a node", test_node},
		{NULL, NULL},
	};

	return test_main(argc, argv, "pool", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * jemalloc arenas. Without jemalloc in the process all must say so; that looked at, the
 * program runs itself again with jemalloc preloaded.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <shrink/shrink.h>
#include <libshrink/builtin/arena.h>
#include <libshrink/core/growth.h>

#include "tests/harness.h"

#define MIB	(1ul << 20)
#define OBJECTS 16384ul
#define SIZE	1000ul
#define WITHOUT "SHRINK_TEST_ARENA_WITHOUT"
#define THREADS 4

static void *object[OBJECTS];

#define NEED_JEMALLOC()                                                                            \
	do {                                                                                       \
		if (shrink_arena_supported() < 0)                                                  \
			SKIP("libjemalloc.so.2 is not installed");                                 \
	} while (0)

static struct shrink_arena *filled(void)
{
	struct shrink_arena *arena = shrink_arena_create(NULL, 0);

	CU_ASSERT_FATAL(arena != NULL);
	for (unsigned long i = 0; i < OBJECTS; i++) {
		object[i] = shrink_arena_alloc(arena, SIZE);
		CU_ASSERT_FATAL(object[i] != NULL);
		memset(object[i], (int)i, SIZE);
	}
	return arena;
}

static struct shrink_arena_stats stats_of(struct shrink_arena *arena)
{
	struct shrink_arena_stats st;

	ASSERT_INT(shrink_arena_stats(arena, &st, sizeof(st)), 0);
	return st;
}

static void test_without(void)
{
	const char *said = getenv(WITHOUT);

	if (!said)
		SKIP("jemalloc was there from the beginning");
	CU_ASSERT_STRING_EQUAL(said, "ENOTSUP");
}

static void test_arguments(void)
{
	struct shrink_arena_options o = {.flags = 0x80};
	struct shrink_arena_candidate none;
	struct shrink_arena *arena;
	struct shrink_arena_stats st;

	NEED_JEMALLOC();
	CU_ASSERT(shrink_arena_create(&o, sizeof(o)) == NULL);
	ASSERT_INT(errno, EINVAL);
	o = (struct shrink_arena_options){.flags = SHRINK_ARENA_BIND, .nid = 9999};
	CU_ASSERT(shrink_arena_create(&o, sizeof(o)) == NULL);
	ASSERT_INT(errno, EINVAL);
	o.nid = -1;
	CU_ASSERT(shrink_arena_create(&o, sizeof(o)) == NULL);
	ASSERT_INT(errno, EINVAL);
	arena = shrink_arena_create(NULL, 0);
	CU_ASSERT_FATAL(arena != NULL);
	CU_ASSERT(shrink_arena_alloc(arena, 0) == NULL);
	ASSERT_INT(errno, EINVAL);
	CU_ASSERT(shrink_arena_alloc(arena, SIZE_MAX / 4) == NULL);
	ASSERT_INT(errno, ENOMEM);
	ASSERT_INT(shrink_arena_stats(NULL, &st, sizeof(st)), -EINVAL);
	ASSERT_INT(shrink_arena_stats(arena, NULL, sizeof(st)), -EINVAL);
	ASSERT_INT(shrink_arena_sort(arena, NULL, 1), -EINVAL);
	ASSERT_INT(shrink_arena_sort(arena, &none, SHRINK_ARENA_SORT_MAX + 1), -EINVAL);
	ASSERT_INT(shrink_arena_sort(arena, NULL, 0), 0);
	shrink_arena_free(arena, NULL);
	shrink_arena_destroy(arena);
	shrink_arena_destroy(NULL);
}

/* What is freed and purged are this arena's pages, and all of them. */
static void test_purge(void)
{
	struct shrink_arena *arena, *other;
	struct shrink_arena_stats st;
	uint64_t allocated, others;
	void *keep;

	NEED_JEMALLOC();
	other = shrink_arena_create(NULL, 0);
	CU_ASSERT_FATAL(other != NULL);
	keep = shrink_arena_alloc(other, 4 * MIB);
	CU_ASSERT_FATAL(keep != NULL);
	shrink_arena_free(other, keep);
	others = stats_of(other).dirty + stats_of(other).muzzy;

	arena = filled();
	allocated = stats_of(arena).allocated;
	CU_ASSERT(allocated >= OBJECTS * SIZE && allocated < OBJECTS * SIZE * 5 / 4);
	CU_ASSERT(stats_of(arena).grown >= stats_of(arena).active);
	CU_ASSERT(shrink_arena_usable(arena, object[0]) >= SIZE);
	for (unsigned long i = 0; i < OBJECTS; i++)
		shrink_arena_free(arena, object[i]);
	st = stats_of(arena);
	ASSERT_INT(st.allocated, 0);
	CU_ASSERT(st.dirty + st.muzzy >= allocated * 9 / 10);
	CU_ASSERT(shrink_arena_purge(arena) >= allocated * 9 / 10);
	st = stats_of(arena);
	ASSERT_INT(st.dirty + st.muzzy, 0);
	CU_ASSERT(st.purged >= allocated * 9 / 10);
	CU_ASSERT(stats_of(other).dirty + stats_of(other).muzzy >= others);
	shrink_arena_destroy(other);
	shrink_arena_destroy(arena);
}

/* Of a half with one object in ten left, and a half that is full, the thin half's go
 * first; among equals the order stays. */
static void test_sort(void)
{
	enum { SAMPLE = 400 };
	struct shrink_arena_candidate sample[2 * SAMPLE], before[2 * SAMPLE];
	struct shrink_arena *arena;
	unsigned long n = 0, at, thin_first = 0;

	NEED_JEMALLOC();
	arena = filled();
	for (at = 0; at < OBJECTS / 2; at++)
		if (at % 10)
			shrink_arena_free(arena, object[at]);
	/* full, thin, full, thin ...; from the inside of each half, clear of the edges */
	for (unsigned long i = 0; i < SAMPLE; i++) {
		sample[n++].object = object[OBJECTS / 2 + 1000 + i * 8];
		sample[n++].object = object[1000 + i * 10];
	}
	memcpy(before, sample, sizeof(before));
	ASSERT_INT(shrink_arena_sort(arena, sample, n), 0);
	for (unsigned long i = 0; i < SAMPLE; i++)
		for (unsigned long k = 0; k < SAMPLE; k++)
			thin_first += sample[i].object == before[2 * k + 1].object;
	ASSERT_INT(thin_first, SAMPLE);
	/* nothing lost, nothing twice */
	for (unsigned long i = 0; i < n; i++) {
		unsigned int found = 0;

		for (unsigned long k = 0; k < n; k++)
			found += sample[k].object == before[i].object;
		CU_ASSERT(found == 1);
	}
	/* the full ones, one on each slab, are equals */
	for (unsigned long i = 0; i < SAMPLE; i++)
		CU_ASSERT(sample[SAMPLE + i].object == before[2 * i].object);
	shrink_arena_destroy(arena);
}

/* The candidates of a slab come together, slabs that empty before all others: as many
 * evicted, many more pages. */
static void test_whole_slabs(void)
{
	static struct shrink_arena_candidate half[OBJECTS / 2];
	struct shrink_arena *arena;
	uint64_t before, lru, sorted;
	size_t n = 0;

	NEED_JEMALLOC();
	for (int way = 0; way < 2; way++) {
		arena = filled();
		n = 0;
		/* every other slab is a candidate in full, in an order without sense */
		for (unsigned long i = 0; i < OBJECTS / 2; i++) {
			unsigned long k = i * 40503 % (OBJECTS / 2);

			half[n++].object = object[k / 64 * 128 + k % 64];
		}
		if (way)
			ASSERT_INT(shrink_arena_sort(arena, half, n), 0);
		before = stats_of(arena).active;
		for (size_t i = 0; i < n / 4; i++)
			shrink_arena_free(arena, half[i].object);
		*(way ? &sorted : &lru) = before - stats_of(arena).active;
		shrink_arena_destroy(arena);
	}
	CU_ASSERT(sorted >= n / 4 * SIZE * 9 / 10);
	CU_ASSERT(lru < sorted / 2);
}

static void test_group(void)
{
	struct shrink_memcg *memcg;
	struct shrink_arena_options o = {0};
	struct shrink_arena *arena;
	void *a, *b;

	NEED_JEMALLOC();
	memcg = shrink_memcg_create(NULL, "arena");
	CU_ASSERT_FATAL(memcg != NULL);
	ASSERT_INT(shrink_memcg_set_limit(memcg, SHRINK_MEMCG_LIMIT_MAX, 3 * MIB), 0);
	o.memcg = memcg;
	arena = shrink_arena_create(&o, sizeof(o));
	CU_ASSERT_FATAL(arena != NULL);
	a = shrink_arena_alloc(arena, 2 * MIB);
	CU_ASSERT(a != NULL);
	b = shrink_arena_alloc(arena, 2 * MIB);
	CU_ASSERT(b == NULL);
	ASSERT_INT(errno, ENOMEM);
	shrink_memcg_drain();
	CU_ASSERT(shrink_memcg_usage(memcg) >= 2 * MIB);
	shrink_arena_free(arena, a);
	shrink_memcg_drain();
	ASSERT_INT(shrink_memcg_usage(memcg), 0);
	/* what is still there when the arena goes is uncharged with it */
	a = shrink_arena_alloc(arena, MIB);
	CU_ASSERT(a != NULL);
	shrink_arena_destroy(arena);
	shrink_memcg_drain();
	ASSERT_INT(shrink_memcg_usage(memcg), 0);
	ASSERT_INT(shrink_memcg_destroy(memcg), 0);
}

static void test_node(void)
{
	struct shrink_arena_options o = {.flags = SHRINK_ARENA_BIND, .nid = 0};
	unsigned long nodes[16] = {0};
	struct shrink_arena *arena;
	int mode = -1;
	char *p;

	NEED_JEMALLOC();
	arena = shrink_arena_create(&o, sizeof(o));
	if (!arena && errno == ENOTSUP)
		SKIP("no memory policies here");
	CU_ASSERT_FATAL(arena != NULL);
	p = shrink_arena_alloc(arena, MIB);
	CU_ASSERT_FATAL(p != NULL);
	memset(p, 1, MIB);
	if (syscall(SYS_get_mempolicy, &mode, nodes, sizeof(nodes) * 8, p, 2 /* F_ADDR */) == 0) {
		ASSERT_INT(mode, 2); /* MPOL_BIND */
		ASSERT_INT(nodes[0], 1);
	}
	shrink_arena_destroy(arena);
}

static struct shrink_arena *growing;
static int woken;
static uint64_t grown_when_woken;

static void wake(void)
{
	woken++;
	grown_when_woken = growing->grown;
}

static struct shrink_arena *shared;

/* Said before the memory is there, let alone touched; and only where it crosses. */
static void test_growth(void)
{
	uint64_t before;

	NEED_JEMALLOC();
	growing = shrink_arena_create(NULL, 0);
	CU_ASSERT_FATAL(growing != NULL);
	shrink_growth_on_crossing(wake);
	shrink_growth_publish(64 * MIB);
	CU_ASSERT(shrink_arena_alloc(growing, 16 * MIB) != NULL);
	ASSERT_INT(woken, 0);
	before = growing->grown;
	CU_ASSERT(before >= 16 * MIB);
	CU_ASSERT(shrink_arena_alloc(growing, 64 * MIB) != NULL);
	ASSERT_INT(woken, 1);
	ASSERT_INT(grown_when_woken, before);
	CU_ASSERT(growing->grown >= before + 64 * MIB);
	shrink_growth_on_crossing(NULL);
	shrink_arena_destroy(growing);
}

static void *churn(void *arg)
{
	unsigned int seed = (unsigned int)(size_t)arg;
	void *mine[256] = {NULL};

	for (int i = 0; i < 20000; i++) {
		unsigned int k;

		seed = seed * 1103515245 + 12345;
		k = seed >> 16 & 255;
		if (mine[k]) {
			if (*(unsigned char *)mine[k] != (unsigned char)k)
				return (void *)1;
			shrink_arena_free(shared, mine[k]);
			mine[k] = NULL;
		} else {
			mine[k] = shrink_arena_alloc(shared, 16 + (seed >> 8 & 4095));
			if (mine[k])
				memset(mine[k], (int)k, 16);
		}
		if (i % 4096 == 0)
			shrink_arena_purge(shared);
	}
	for (int k = 0; k < 256; k++)
		shrink_arena_free(shared, mine[k]);
	return NULL;
}

static void test_threads(void)
{
	pthread_t thread[THREADS];
	void *bad;

	NEED_JEMALLOC();
	shared = shrink_arena_create(NULL, 0);
	CU_ASSERT_FATAL(shared != NULL);
	for (size_t i = 0; i < THREADS; i++)
		CU_ASSERT_FATAL(!pthread_create(&thread[i], NULL, churn, (void *)(i + 1)));
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &bad);
		CU_ASSERT(bad == NULL);
	}
	ASSERT_INT(stats_of(shared).allocated, 0);
	shrink_arena_destroy(shared);
}

/* Says in the environment what it was like without, and comes back with. */
static void look_without(char **argv)
{
	int ok = shrink_arena_supported() == -ENOTSUP;

	errno = 0;
	ok &= shrink_arena_create(NULL, 0) == NULL && errno == ENOTSUP;
	setenv(WITHOUT, ok ? "ENOTSUP" : "something else", 1);
	setenv("LD_PRELOAD", "libjemalloc.so.2", 1);
	execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"without jemalloc all says so", test_without},
		{"bad arguments", test_arguments},
		{"a purge gives back this arena's pages, all of them", test_purge},
		{"sparse slabs first", test_sort},
		{"whole slabs first, and together", test_whole_slabs},
		{"objects are the group's", test_group},
		{"bound to a node", test_node},
		{"growth is announced before it is there", test_growth},
		{"many threads", test_threads},
		{NULL, NULL},
	};

	if (shrink_arena_supported() < 0 && !getenv(WITHOUT))
		look_without(argv);
	return test_main(argc, argv, "arena", tests);
}

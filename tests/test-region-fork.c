// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* G10, G11: regions across fork(). A child never takes a purge for data. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shrink/shrink.h>

#include "tests/harness.h"
#include "tests/random.h"

#define PAGE	4096u
#define BYTES	(16u * PAGE)
#define OBJECTS 24
#define ROUNDS	8
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static struct shrink_region *region;
static unsigned char *objects[OBJECTS];
static int stop;

/* Runs it in a forked process; its exit status. It may not hang: a minute is for ever. */
static int in_child(int (*child)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		alarm(60);
		_exit(child());
	}
	CU_ASSERT(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* In the child: the line that fails is the exit status. */
#define EXPECT(what)                                                                               \
	do {                                                                                       \
		if (!(what))                                                                       \
			return __LINE__ % 128 ? __LINE__ % 128 : 127;                              \
	} while (0)

static bool all(const unsigned char *p, unsigned char byte)
{
	for (size_t i = 0; i < BYTES; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static void begin(unsigned int flags)
{
	struct shrink_region_options o = {.flags = flags};

	region = shrink_region_create(&o, sizeof(o), OBJECTS * BYTES, "fork");
	CU_ASSERT_FATAL(region != NULL);
	for (int i = 0; i < OBJECTS; i++) {
		objects[i] = shrink_region_alloc(region, BYTES);
		CU_ASSERT_FATAL(objects[i] != NULL);
		memset(objects[i], i + 1, BYTES);
	}
}

static struct shrink_region_stats stats(void)
{
	struct shrink_region_stats st = {0};

	CU_ASSERT(!shrink_region_stats(region, &st, sizeof(st)));
	return st;
}

/* 0..7 are offered, 8..15 offered and then queued, the others pinned. */
static void let_some_go(void)
{
	for (int i = 0; i < 16; i++)
		ASSERT_INT(shrink_region_unpin(region, objects[i]), 0);
	shrink_region_flush(region);
	for (int i = 8; i < 16; i++) {
		ASSERT_INT(shrink_region_pin(region, objects[i]), SHRINK_REGION_KEPT);
		if (i >= 14)
			ASSERT_INT(shrink_region_unpin(region, objects[i]), 0);
	}
}

static int look_in_child(void)
{
	struct shrink_control sc = {.nr_to_scan = 1000};
	struct shrinker *s = shrink_region_shrinker(region);

	for (int i = 16; i < OBJECTS; i++)
		EXPECT(all(objects[i], (unsigned char)(i + 1)));
	for (int i = 0; i < 14; i++) {
		EXPECT(shrink_region_pin(region, objects[i]) ==
		       (i < 8 ? SHRINK_REGION_PURGED : SHRINK_REGION_KEPT));
		EXPECT(all(objects[i], i < 8 ? 0 : (unsigned char)(i + 1)));
	}
	/* it works on: what the child makes is the child's */
	memset(objects[0], 0x77, BYTES);
	EXPECT(!shrink_region_unpin(region, objects[0]));
	shrink_region_flush(region);
	EXPECT(shrink_region_pin(region, objects[0]) == SHRINK_REGION_KEPT);
	EXPECT(all(objects[0], 0x77));
	EXPECT(!shrink_region_unpin(region, objects[0]));
	EXPECT(s->count_objects(s, &sc) == BYTES / PAGE);
	EXPECT(s->scan_objects(s, &sc) == BYTES / PAGE);
	EXPECT(shrink_region_pin(region, objects[0]) == SHRINK_REGION_PURGED);
	EXPECT(!shrink_region_free(region, objects[15]));
	shrink_region_destroy(region);
	return 0;
}

static void test_child(void)
{
	begin(0);
	let_some_go();
	ASSERT_INT(in_child(look_in_child), 0);
	/* nothing of what the child did is to be seen here */
	for (int i = 0; i < 8; i++)
		ASSERT_INT(shrink_region_pin(region, objects[i]), SHRINK_REGION_KEPT);
	for (int i = 14; i < 16; i++)
		ASSERT_INT(shrink_region_pin(region, objects[i]), SHRINK_REGION_KEPT);
	for (int i = 0; i < OBJECTS; i++)
		CU_ASSERT(all(objects[i], (unsigned char)(i + 1)));
	shrink_region_destroy(region);
}

static int look_wiped(void)
{
	for (int i = 0; i < OBJECTS; i++) {
		EXPECT(all(objects[i], 0));
		EXPECT(shrink_region_unpin(region, objects[i]) == -EALREADY);
		EXPECT(shrink_region_pin(region, objects[i]) == SHRINK_REGION_PURGED);
	}
	return 0;
}

static void test_wiped(void)
{
	begin(SHRINK_REGION_WIPE_ON_FORK);
	let_some_go();
	ASSERT_INT(in_child(look_wiped), 0);
	for (int i = 16; i < OBJECTS; i++)
		CU_ASSERT(all(objects[i], (unsigned char)(i + 1)));
	shrink_region_destroy(region);
}

/* What a child shares is offered when it is gone, not before. */
static void test_deferred(void)
{
	int go[2], status;
	char byte;
	pid_t pid;

	begin(0);
	CU_ASSERT_FATAL(!pipe(go));
	pid = fork();
	if (!pid) {
		close(go[1]);
		_exit(read(go[0], &byte, 1) != 0);
	}
	for (int i = 0; i < 8; i++)
		ASSERT_INT(shrink_region_unpin(region, objects[i]), 0);
	/* what was made since is nobody else's */
	ASSERT_INT(shrink_region_free(region, objects[9]), 0);
	objects[9] = shrink_region_alloc(region, BYTES);
	CU_ASSERT_FATAL(objects[9] != NULL);
	memset(objects[9], 10, BYTES);
	ASSERT_INT(shrink_region_unpin(region, objects[9]), 0);
	shrink_region_flush(region);
	if (stats().offered_bytes == 9 * BYTES) {
		close(go[1]);
		waitpid(pid, &status, 0);
		shrink_region_destroy(region);
		SKIP("/proc/self/pagemap does not say what is shared");
	}
	ASSERT_INT(stats().deferred, 8);
	ASSERT_INT(stats().offered_bytes, BYTES);
	ASSERT_INT(shrink_region_pin(region, objects[0]), SHRINK_REGION_KEPT);
	close(go[1]);
	CU_ASSERT(waitpid(pid, &status, 0) == pid && status == 0);
	close(go[0]);
	shrink_region_flush(region);
	ASSERT_INT(stats().deferred, 0);
	ASSERT_INT(stats().offered_bytes, 8 * BYTES); /* but the one that was pinned again */
	for (int i = 1; i < 8; i++)
		ASSERT_INT(shrink_region_pin(region, objects[i]), SHRINK_REGION_KEPT);
	shrink_region_destroy(region);
}

/* Pins and unpins objects of its own without end. */
static void *churn(void *arg)
{
	int first = *(int *)arg;
	struct random random = random_seeded(random_new().seed + (uint64_t)first);

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int i = first + (int)random_below(&random, 8);
		int found = shrink_region_pin(region, objects[i]);

		if (found == SHRINK_REGION_PURGED)
			memset(objects[i], i + 1, BYTES);
		else if (found || !all(objects[i], (unsigned char)(i + 1)))
			abort();
		if (random_below(&random, 8) == 0)
			madvise(objects[i], BYTES, MADV_PAGEOUT);
		if (shrink_region_unpin(region, objects[i]))
			abort();
	}
	return arg;
}

/* At whatever moment the fork came: no lock is stuck, nothing is torn. */
static int look_amid(void)
{
	for (int i = 0; i < OBJECTS; i++) {
		int found = shrink_region_pin(region, objects[i]);
		unsigned char byte =
			i < 16 && found == SHRINK_REGION_PURGED ? 0 : (unsigned char)(i + 1);

		EXPECT(found == SHRINK_REGION_KEPT || found == SHRINK_REGION_PURGED);
		/* pinned by a thread that may have been filling it */
		EXPECT(all(objects[i], byte) || (i < 16 && found == SHRINK_REGION_KEPT));
	}
	return 0;
}

static void test_amid(void)
{
	static int firsts[] = {0, 8};
	pthread_t threads[2];

	begin(0);
	for (int i = 0; i < 16; i++)
		ASSERT_INT(shrink_region_unpin(region, objects[i]), 0);
	stop = 0;
	for (int i = 0; i < 2; i++)
		CU_ASSERT_FATAL(!pthread_create(&threads[i], NULL, churn, &firsts[i]));
	for (int i = 0; i < ROUNDS; i++)
		ASSERT_INT(in_child(look_amid), 0);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (int i = 16; i < OBJECTS; i++)
		CU_ASSERT(all(objects[i], (unsigned char)(i + 1)));
	shrink_region_destroy(region);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"G11: a child keeps what was pinned, and has lost the rest", test_child},
		{"G11: wiped on fork", test_wiped},
		{"region: pages a child shares are not offered", test_deferred},
		{"G10: fork amid pins and unpins", test_amid},
		{NULL, NULL},
	};

	return test_main(argc, argv, "region-fork", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * A forked child keeps what its parent frees: the parent's cache must not be emptied
 * for it, and goes on giving once the child has ended. Real memory in a group of our
 * own; pressed by moving the watermarks, so that nothing is ever near the limit.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shrink/shrink.h>

#include <libshrink/reclaim/cow.h>

#include "tests/cg.h"
#include "tests/harness.h"

#define MIB	    (1ul << 20)
#define ENTRY_BYTES (64 * 1024ul)
#define ENTRIES	    1792ul /* 112 MiB */
#define LIMIT	    (192 * MIB)

static unsigned char *memory;
static _Atomic unsigned long first; /* entries before it are gone */

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return ENTRIES - first;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n;

	(void)s;
	for (n = 0; n < sc->nr_to_scan && first < ENTRIES; n++)
		madvise(memory + first++ * ENTRY_BYTES, ENTRY_BYTES, MADV_DONTNEED);
	sc->bytes_freed = n * ENTRY_BYTES;
	return n;
}

static void set_mark(unsigned long mib)
{
	char text[32];

	snprintf(text, sizeof(text), "%luM", mib + 16);
	ASSERT_INT(shrink_conf_set("high_bytes", text), 0);
	snprintf(text, sizeof(text), "%luM", mib);
	ASSERT_INT(shrink_conf_set("low_bytes", text), 0);
}

/* Waits for a round that ended like this; how many there are of them. */
static int rounds_ended(enum shrink_round_end end, int want)
{
	struct shrink_round rounds[64];
	int found = 0;

	for (int i = 0; i < 1000 && found < want; i++) {
		int n = shrink_rounds(rounds, 64, sizeof(rounds[0]));

		found = 0;
		for (int k = 0; k < n; k++)
			found += rounds[k].end == (uint32_t)end;
		usleep(10000);
	}
	return found;
}

static void test_child_keeps_pages(void)
{
	struct cg group;
	const char *why = cg_create_limited(&group, "cow", LIMIT);
	unsigned long left;
	unsigned char *ballast;
	struct shrinker *s;
	pid_t child;

	if (why)
		SKIP("no group: %s", why);
	ASSERT_INT(cg_move(&group, 0), 0);
	memory = mmap(NULL, ENTRIES * ENTRY_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(memory != MAP_FAILED);
	madvise(memory, ENTRIES * ENTRY_BYTES, MADV_NOHUGEPAGE);
	memset(memory, 1, ENTRIES * ENTRY_BYTES);
	s = shrinker_alloc(SHRINKER_SELF_RELEASE, "cow");
	CU_ASSERT_FATAL(s != NULL);
	s->count_objects = count;
	s->scan_objects = scan;
	s->object_size = ENTRY_BYTES;
	ASSERT_INT(shrinker_register(s), 0);
	set_mark(16);
	ASSERT_INT(shrink_start(0), 0);

	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	/* less than 80 MiB are free: some 30 MiB are missing */
	set_mark(94);
	CU_ASSERT(rounds_ended(SHRINK_ROUND_SHARED, 1) >= 1);
	CU_ASSERT(first < ENTRIES);
	usleep(300000);
	left = ENTRIES - first;
	/* tried again, but more and more rarely: the cache is not emptied */
	CU_ASSERT(left > ENTRIES / 4);

	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	/* what it kept is free now; so as to press again */
	ballast = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(ballast != MAP_FAILED);
	memset(ballast, 1, 64 * MIB);
	CU_ASSERT(rounds_ended(SHRINK_ROUND_BALANCED, 1) >= 1);
	CU_ASSERT(ENTRIES - first < left);
	ASSERT_INT(shrink_stop(), 0);
	shrinker_free(s);
	munmap(memory, ENTRIES * ENTRY_BYTES);
	munmap(ballast, 64 * MIB);
	cg_remove(&group);
}

static void test_percent(void)
{
	ASSERT_INT(shrink_cow_percent("Rss: 100 kB\nShared_Dirty: 30 kB\nPrivate_Dirty: 10 kB\n"),
		   75);
	ASSERT_INT(shrink_cow_percent("Shared_Dirty: 0 kB\nPrivate_Dirty: 10 kB\n"), 0);
	ASSERT_INT(shrink_cow_percent("Shared_Dirty: 1 kB\nPrivate_Dirty: 0 kB\n"), 100);
	ASSERT_INT(shrink_cow_percent("Private_Dirty: 10 kB\n"), 0);
	ASSERT_INT(shrink_cow_percent(""), 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"what smaps_rollup tells", test_percent},
		{"a forked child keeps the pages: the cache is not emptied for it",
		 test_child_keeps_pages},
		{NULL, NULL},
	};

	return test_main(argc, argv, "cow", tests);
}

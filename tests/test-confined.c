// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * In places where little is left of the system: under another root, as nobody; and
 * started and stopped again and again, with nothing left over.
 */
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shrink/shrink.h>

#include "tests/child.h"
#include "tests/harness.h"

#define MIB	    (1ul << 20)
#define ENTRY_BYTES (64 * 1024ul)
#define ENTRIES	    512ul /* 32 MiB */
#define NOBODY	    65534

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

static struct shrinker *cache(void)
{
	struct shrinker *s = shrinker_alloc(SHRINKER_SELF_RELEASE, "confined");

	memory = mmap(NULL, ENTRIES * ENTRY_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!s || memory == MAP_FAILED)
		return NULL;
	memset(memory, 1, ENTRIES * ENTRY_BYTES);
	s->count_objects = count;
	s->scan_objects = scan;
	s->object_size = ENTRY_BYTES;
	return shrinker_register(s) < 0 ? NULL : s;
}

/* Prepared with the whole system in sight; started in an empty folder, as nobody. A
 * budget for its own memory is then passed: what tells is a file that was opened. */
static void in_chroot(const char *root)
{
	CHECK(cache() != NULL);
	CHECK(shrink_conf_set("rss_budget", "1G") == 0);
	CHECK(shrink_prepare() == 0);
	CHECK(chroot(root) == 0 && chdir("/") == 0);
	CHECK(access("/proc", F_OK) < 0);
	CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	CHECK(shrink_start(0) == 0);
	CHECK(shrink_conf_set("rss_budget", "16M") == 0);
	for (int i = 0; i < 6000 && first < ENTRIES / 4; i++)
		usleep(10000);
	CHECK(first >= ENTRIES / 4);
	CHECK(shrink_stop() == 0);
	_exit(0);
}

static void test_chroot(void)
{
	char root[] = "/tmp/shrink-root-XXXXXX";
	int status = -1;
	pid_t child;

	if (geteuid())
		SKIP("chroot needs root");
	CU_ASSERT_FATAL(mkdtemp(root) != NULL);
	chmod(root, 0755);
	child = fork();
	if (!child)
		in_chroot(root);
	waitpid(child, &status, 0);
	rmdir(root);
	ASSERT_INT(status, 0);
}

static int entries_of(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static void cycles(int n, unsigned int flags)
{
	int fds, threads;
	size_t heap;

	/* what is kept for the life of the process is made by the first */
	for (int i = 0; i < 2; i++) {
		ASSERT_INT(shrink_start(flags), 0);
		ASSERT_INT(shrink_stop(), 0);
	}
	fds = entries_of("/proc/self/fd");
	threads = entries_of("/proc/self/task");
	heap = mallinfo2().uordblks;
	for (int i = 0; i < n; i++) {
		int r = shrink_start(flags);

		if (r == 0)
			r = shrink_stop();
		if (r < 0) {
			ASSERT_INT(r, 0);
			return;
		}
	}
	ASSERT_INT(entries_of("/proc/self/fd"), fds);
	/* a joined thread is listed for a moment longer */
	for (int i = 0; i < 500 && entries_of("/proc/self/task") > threads; i++)
		usleep(10000);
	ASSERT_INT(entries_of("/proc/self/task"), threads);
	CU_ASSERT(mallinfo2().uordblks <= heap + 4096);
}

static void test_simulated(void)
{
	cycles(3000, SHRINK_START_SIMULATED);
}

static void test_threads(void)
{
	cycles(60, 0);
}

static void test_loop(void)
{
	cycles(60, SHRINK_START_LOOP);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"G13: prepared, then another root and nobody's rights", test_chroot},
		{"3000 times started and stopped, simulated: nothing left", test_simulated},
		{"60 times with threads: nothing left", test_threads},
		{"60 times in loop mode: nothing left", test_loop},
		{NULL, NULL},
	};

	return test_main(argc, argv, "confined", tests);
}

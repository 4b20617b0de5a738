// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Every allocation of the library fails once: a life from start to stop is lived
 * again and again, the k-th allocation of it failing, k = 1, 2, ... Each call
 * either works or says that memory ran short, and nothing stays behind.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libshrink/os/alloc.h>
#include <libshrink/os/fd.h>

#include "tests/cache.h"
#include "tests/harness.h"

#define MB (1024UL * 1024)
#define TURNS_MAX 500

static int unexpected; /* neither success nor want of memory */

static int ok(int r)
{
	if (r < 0 && r != -ENOMEM)
		unexpected = r;
	return r >= 0;
}

static int made(const void *p)
{
	if (!p && errno != ENOMEM)
		unexpected = -errno;
	return p != NULL;
}

static void live_shrinkers(void)
{
	struct shrink_owner *owner = shrink_owner_create();
	struct cache plain, aware, owned;
	char name[64];

	made(owner);
	if (made(cache_alloc(&plain, 0, "torture-plain", 100000))) {
		plain.s->object_size = 1000;
		ok(shrinker_register(plain.s));
		ok(shrinker_set_name(plain.s, "%s", "torture-renamed"));
		shrinker_get_name(plain.s, name, sizeof(name));
	}
	if (made(cache_alloc(&aware, SHRINKER_NUMA_AWARE, "torture-aware", 1000)))
		ok(shrinker_register(aware.s));
	if (owner && made(cache_alloc(&owned, 0, "torture-owned", 1000))) {
		owned.s->owner = owner;
		ok(shrinker_register(owned.s));
		ok(shrinker_set_count(owned.s, 0, 1000, 0));
	} else {
		owned.s = NULL;
	}
	shrink_slab(SHRINK_GFP_ALL, SHRINK_NUMA_NO_NODE, NULL, 2);
	shrink_all_memory(MB);
	if (owner)
		ok((int)shrink_owner_run(owner, 0));
	shrinker_free(plain.s);
	shrinker_free(aware.s);
	shrinker_free(owned.s);
	if (shrink_owner_destroy(owner))
		unexpected = -EBUSY;
}

static void life(unsigned int flags)
{
	struct shrink_limits limits;
	int r;

	ok(shrink_conf_set("cache.torture-*.weight", "80"));
	ok(shrink_conf_set("cache.other.keep", "10"));
	r = shrink_start(flags);
	ok(r);
	shrink_limits(&limits, sizeof(limits));
	live_shrinkers();
	if (!r && shrink_stop())
		unexpected = -EIO;
	r = shrink_stop();
	if (r != -EALREADY)
		unexpected = r;
}

static void torture(unsigned int flags)
{
	struct shrink_stats before = {0}, after = {0};
	unsigned int fds;
	unsigned long k, total = 0;

	log_begin();
	life(flags); /* what is made once and kept is made now */
	fds = shrink_os_fd_count();
	shrink_stats(&before, sizeof(before));
	for (k = 1; k < TURNS_MAX; k++) {
		unexpected = 0;
		shrink_os_alloc_fail(k);
		life(flags);
		total = shrink_os_alloc_fail(0);
		ASSERT_INT(unexpected, 0);
		ASSERT_INT(shrink_os_fd_count(), fds);
		if (total < k)
			break;
	}
	CU_ASSERT(k > 4 && k < TURNS_MAX); /* some did fail, and all of them */
	shrink_stats(&after, sizeof(after));
	ASSERT_INT((long)after.shrinkers, (long)before.shrinkers);
	ASSERT_INT((long)after.limbo, 0);
	printf("# %lu allocations failed in turn\n", k - 1);
	log_end();
}

static void simulated(void)
{
	torture(SHRINK_START_SIMULATED);
}

static void real(void)
{
	torture(0);
}

/* The very first life of a process makes what later ones find: it, too, may fail
 * anywhere. Each k in a process of its own. */
static void first_life(void)
{
	unsigned long k;

	for (k = 1; k < TURNS_MAX; k++) {
		int status = 0;
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (!pid) {
			shrink_set_log(NULL, NULL);
			shrink_os_alloc_fail(k);
			life(SHRINK_START_SIMULATED);
			if (shrink_os_alloc_fail(0) < k)
				_exit(unexpected ? 2 : 1);
			life(SHRINK_START_SIMULATED); /* and it recovers */
			_exit(unexpected ? 2 : 0);
		}
		CU_ASSERT_FATAL(waitpid(pid, &status, 0) == pid);
		CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		if (status)
			break;
	}
	CU_ASSERT(k > 4 && k < TURNS_MAX);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"torture: the first life of a process", first_life},
		{"torture: every allocation fails once, simulated", simulated},
		{"torture: every allocation fails once, real threads", real},
		{NULL, NULL},
	};

	return test_main(argc, argv, "torture", tests);
}

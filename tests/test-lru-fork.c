// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* LRU lists across fork(). A child's exit status says whether all was well there. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libshrink/lru/list_lru.h>
#include <shrink/shrink.h>

#include "tests/cache.h"
#include "tests/harness.h"

static struct shrinker *shrinker;
static struct shrink_lru *lru;
static struct shrink_lru_item items[3];

static struct shrink_memcg *begin(void)
{
	struct shrink_memcg *memcg;

	memset(items, 0, sizeof(items));
	shrinker = shrinker_alloc(SHRINKER_MEMCG_AWARE, "forked");
	lru = shrink_lru_create(shrinker);
	memcg = shrink_memcg_create(NULL, "group");
	CU_ASSERT_FATAL(lru && memcg);
	for (int i = 0; i < 2; i++)
		ASSERT_INT(shrink_lru_add(lru, &items[i], 0, memcg), 1);
	return memcg;
}

/* Everything there is works on what was there. */
static int works(struct shrink_memcg *memcg)
{
	alarm(20); /* a lock that nobody gives back */
	return shrink_lru_count_one(lru, 0, memcg) == 2 &&
	       shrink_lru_del(lru, &items[0], 0, memcg) == 1 &&
	       shrink_lru_add(lru, &items[0], 0, memcg) == 1 &&
	       shrink_lru_add(lru, &items[2], 0, memcg) == 1 && !shrink_memcg_destroy(memcg) &&
	       shrink_lru_count_one(lru, 0, NULL) == 3 &&
	       shrink_lru_del(lru, &items[2], 0, NULL) == 1;
}

static void end(struct shrink_memcg *memcg)
{
	CU_ASSERT(works(memcg));
	alarm(0);
	shrink_lru_del(lru, &items[0], 0, NULL);
	shrink_lru_del(lru, &items[1], 0, NULL);
	shrinker_free(shrinker);
	shrink_lru_destroy(lru);
}

static int status_of(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* liburcu takes and releases locks around fork() in a way ThreadSanitizer takes for
 * misuse, and ends the child. */
#ifdef __SANITIZE_THREAD__
#define SKIP_UNDER_TSAN() SKIP("ThreadSanitizer ends the child over locks held across fork")
#else
#define SKIP_UNDER_TSAN() ((void)0)
#endif

static void forked(void)
{
	struct shrink_memcg *memcg;
	pid_t pid;

	SKIP_UNDER_TSAN();
	memcg = begin();
	pid = fork();
	if (!pid)
		_exit(works(memcg) ? 0 : 1);
	ASSERT_INT(status_of(pid), 0);
	end(memcg);
}

static atomic_ulong asleep, go_on;

static enum shrink_lru_status sleeper(struct shrink_lru_item *item, struct shrink_lru_one *list,
				      void *arg)
{
	(void)item, (void)list, (void)arg;
	atomic_store(&asleep, 1);
	wait_for(&go_on, 1, 20000);
	return SHRINK_LRU_SKIP;
}

static void *sleep_in_walk(void *memcg)
{
	unsigned long budget = 1;

	shrink_lru_walk_one(lru, 0, memcg, sleeper, NULL, &budget);
	return NULL;
}

/* It must not sleep; but if it does, the child is not to suffer for it. */
static void forked_amid_a_callback(void)
{
	struct shrink_memcg *memcg;
	pthread_t thread;
	uint64_t start;
	pid_t pid;

	SKIP_UNDER_TSAN();
	memcg = begin();
	shrink_conf_set("fork_wait", "50");
	pthread_create(&thread, NULL, sleep_in_walk, memcg);
	wait_for(&asleep, 1, 10000);
	start = now_ms();
	pid = fork();
	if (!pid)
		_exit(works(memcg) ? 0 : 1);
	CU_ASSERT(now_ms() - start < 10000);
	ASSERT_INT(status_of(pid), 0);
	atomic_store(&go_on, 1);
	pthread_join(thread, NULL);
	shrink_conf_set("fork_wait", "1000");
	end(memcg);
}

static enum shrink_lru_status forker(struct shrink_lru_item *item, struct shrink_lru_one *list,
				     void *arg)
{
	pid_t *pid = arg;

	(void)item, (void)list;
	*pid = fork();
	return SHRINK_LRU_ROTATE;
}

static void forked_by_a_callback(void)
{
	struct shrink_memcg *memcg;
	unsigned long budget = 1;
	uint64_t start = now_ms();
	pid_t pid = -1;

	SKIP_UNDER_TSAN();
	memcg = begin();
	shrink_conf_set("fork_wait", "60000");
	shrink_lru_walk_one(lru, 0, memcg, forker, &pid, &budget);
	if (!pid)
		_exit(works(memcg) ? 0 : 1);
	CU_ASSERT(now_ms() - start < 30000); /* it does not wait for itself */
	shrink_conf_set("fork_wait", "1000");
	ASSERT_INT(status_of(pid), 0);
	end(memcg);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"G10: lists in a forked child", forked},
		{"G10: fork while a callback sleeps", forked_amid_a_callback},
		{"G10: fork from a callback", forked_by_a_callback},
		{NULL, NULL},
	};

	return test_main(argc, argv, "lru-fork", tests);
}

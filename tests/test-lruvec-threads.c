// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* An lruvec under threads, and across fork(). */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shrink/lruvec.h>
#include <shrink/shrink.h>
#include "tests/harness.h"
#include "tests/random.h"

/* liburcu takes and releases locks around fork() in a way ThreadSanitizer takes for
 * misuse, which ends the child. */
#ifdef __SANITIZE_THREAD__
#define FORKS_BADLY 1
#else
#define FORKS_BADLY 0
#endif

struct object {
	struct shrink_lruvec_item item;
	int resident;
};

static struct object objects[2000];

static struct shrink_lruvec_stats stats_of(struct shrink_lruvec *lv)
{
	struct shrink_lruvec_stats st;

	ASSERT_INT(shrink_lruvec_stats(lv, SHRINK_NUMA_NO_NODE, &st, sizeof(st)), 0);
	return st;
}

/* Threads of a sharded cache: each object under a lock of its own that evict() tries. */
static pthread_mutex_t object_locks[64];
static struct shrink_lruvec *shared;

static enum shrink_lruvec_outcome try_evict(void *arg, struct shrink_lruvec_item *item,
					    struct shrink_lruvec_ask *ask)
{
	struct object *o = (struct object *)item;
	pthread_mutex_t *l = &object_locks[(o - objects) % 64];

	(void)arg;
	(void)ask;
	if (pthread_mutex_trylock(l))
		return SHRINK_LRUVEC_LOCKED;
	o->resident = 2; /* until free(): the item is the library's */
	pthread_mutex_unlock(l);
	return SHRINK_LRUVEC_FREED;
}

static void really_free(void *arg, struct shrink_lruvec_item *item)
{
	struct object *o = (struct object *)item;
	pthread_mutex_t *l = &object_locks[(o - objects) % 64];

	(void)arg;
	pthread_mutex_lock(l);
	o->resident = 0;
	pthread_mutex_unlock(l);
}

static void *work(void *arg)
{
	struct random r = random_seeded((uint64_t)(uintptr_t)arg + 1);

	for (int n = 0; n < 20000; n++) {
		int i = (int)random_below(&r, 2000);
		pthread_mutex_t *l = &object_locks[i % 64];
		uint64_t what = random_below(&r, 100);

		pthread_mutex_lock(l);
		if (objects[i].resident == 1 && what < 10) {
			shrink_lruvec_del(shared, &objects[i].item);
			objects[i].resident = 0;
		} else if (objects[i].resident == 1) {
			shrink_fast_mark(&objects[i].item.mark);
		} else if (!objects[i].resident) {
			objects[i].resident = 1;
			if (shrink_lruvec_add(shared, &objects[i].item, (uint64_t)i * 77,
					      i & 1, 0, NULL, 0) < 0)
				abort();
		}
		pthread_mutex_unlock(l);
		if (what > 60)
			shrink_lruvec_evict(shared, 0, SHRINK_GFP_ALL, 1, NULL, 0);
	}
	return NULL;
}

static void test_threads(void)
{
	struct shrink_lruvec_options o = {.evict = try_evict, .free = really_free, .ghosts = 1000};
	struct shrink_lruvec_stats st;
	unsigned long resident = 0;
	pthread_t t[4];

	memset(objects, 0, sizeof(objects));
	for (int i = 0; i < 64; i++)
		pthread_mutex_init(&object_locks[i], NULL);
	shared = shrink_lruvec_create(&o, sizeof(o), "shared");
	CU_ASSERT_PTR_NOT_NULL_FATAL(shared);
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 2000; i++)
		resident += (unsigned long)objects[i].resident;
	st = stats_of(shared);
	ASSERT_INT(st.active_clean + st.inactive_clean + st.active_dirty + st.inactive_dirty,
		   resident);
	CU_ASSERT(st.total.freed > 0);
	shrink_lruvec_destroy(shared);
}

/* G10: the child works on with what the parent's lists held. */
static void test_fork(void)
{
	struct shrink_lruvec_options o = {.evict = try_evict, .free = really_free, .ghosts = 1000};
	struct shrink_lruvec *lv = shrink_lruvec_create(&o, sizeof(o), "forked");
	int status = -1;
	pid_t pid;

	CU_ASSERT_PTR_NOT_NULL_FATAL(lv);
	if (FORKS_BADLY)
		SKIP("liburcu's fork handlers and ThreadSanitizer");
	memset(objects, 0, sizeof(objects));
	for (uint64_t i = 0; i < 100; i++)
		CU_ASSERT(shrink_lruvec_add(lv, &objects[i].item, i * 77, SHRINK_LRUVEC_CLEAN, 0,
					    NULL, 0) == 0);
	pid = fork();
	if (!pid) {
		long n = shrink_lruvec_evict(lv, 0, SHRINK_GFP_ALL, 100, NULL, 0);

		_exit(n == 100 ? 0 : 1);
	}
	CU_ASSERT(pid > 0 && waitpid(pid, &status, 0) == pid);
	ASSERT_INT(status, 0);
	ASSERT_INT(stats_of(lv).inactive_clean, 100);
	shrink_lruvec_destroy(lv);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"threads: no object is lost", test_threads},
		{"G10: fork", test_fork},
		{NULL, NULL},
	};

	return test_main(argc, argv, "lruvec-threads", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* What a group has taken: exact at rest, whoever charged it, on which thread, and
 * whatever became of the thread. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libshrink/core/memcg-stock.h>
#include <libshrink/core/memcg.h>

#include "tests/gcache.h"
#include "tests/harness.h"
#include "tests/random.h"

#define KB 1024ULL
#define MB (1024 * KB)

static struct shrink_memcg *group(struct shrink_memcg *parent)
{
	struct shrink_memcg *memcg = shrink_memcg_create(parent, "group");

	CU_ASSERT_FATAL(memcg != NULL);
	return memcg;
}

static uint64_t exact(struct shrink_memcg *memcg)
{
	shrink_memcg_drain();
	return shrink_memcg_usage(memcg);
}

static int charge(struct shrink_memcg *memcg, uint64_t bytes)
{
	return shrink_memcg_charge(memcg, bytes, SHRINK_GFP_ALL);
}

static void arguments(void)
{
	struct shrink_memcg *a = group(NULL);

	ASSERT_INT(charge(NULL, 1), -EINVAL);
	ASSERT_INT(charge(a, 1ULL << 63), -EINVAL);
	ASSERT_INT(shrink_memcg_charge(a, 1, ~SHRINK_GFP_ALL), -EINVAL);
	ASSERT_INT(charge(a, 0), 0);
	ASSERT_INT(charge(shrink_memcg_root(), 1), 0);
	shrink_memcg_uncharge(shrink_memcg_root(), 1);
	shrink_memcg_uncharge(NULL, 1);
	ASSERT_INT((long)shrink_memcg_usage(shrink_memcg_root()), 0);
	ASSERT_INT((long)exact(a), 0);
	ASSERT_INT(shrink_memcg_destroy(a), 0);
}

static void counts_in_all_ancestors(void)
{
	struct shrink_memcg *a = group(NULL), *b = group(a), *c = group(b), *d = group(a);

	ASSERT_INT(charge(c, 1000), 0);
	ASSERT_INT(charge(d, 30), 0);
	ASSERT_INT(charge(a, 5), 0);
	ASSERT_INT((long)exact(c), 1000);
	ASSERT_INT((long)exact(b), 1000);
	ASSERT_INT((long)exact(d), 30);
	ASSERT_INT((long)exact(a), 1035);
	/* offline: still charged to those above */
	shrink_memcg_get(c);
	ASSERT_INT(shrink_memcg_destroy(c), 0);
	ASSERT_INT((long)exact(b), 1000);
	shrink_memcg_uncharge(c, 400);
	ASSERT_INT((long)shrink_memcg_usage(b), 600); /* at once: no stock holds a dead group */
	shrink_memcg_uncharge(c, 600);
	ASSERT_INT((long)shrink_memcg_usage(a), 35);
	shrink_memcg_put(c);
	shrink_memcg_uncharge(d, 30);
	shrink_memcg_uncharge(a, 5);
	ASSERT_INT((long)exact(a), 0);
	ASSERT_INT(shrink_memcg_destroy(d), 0);
	ASSERT_INT(shrink_memcg_destroy(b), 0);
	ASSERT_INT(shrink_memcg_destroy(a), 0);
}

/* In advance, but never by more than two batches; returned when another group takes
 * the place. */
static void stocks_are_bounded(void)
{
	struct shrink_memcg *g[16];

	for (int i = 0; i < 16; i++)
		g[i] = group(NULL);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 16; i++)
			ASSERT_INT(charge(g[i], 100), 0);
	for (int i = 0; i < 16; i++)
		CU_ASSERT(shrink_memcg_usage(g[i]) <= 300 + 2 * SHRINK_MEMCG_BATCH);
	shrink_memcg_uncharge(g[0], 300);
	ASSERT_INT(charge(g[0], 100 * MB), 0);
	shrink_memcg_uncharge(g[0], 100 * MB);
	CU_ASSERT(shrink_memcg_usage(g[0]) <= 2 * SHRINK_MEMCG_BATCH);
	ASSERT_INT((long)exact(g[0]), 0);
	for (int i = 1; i < 16; i++) {
		ASSERT_INT((long)exact(g[i]), 300);
		shrink_memcg_uncharge(g[i], 300);
		ASSERT_INT((long)exact(g[i]), 0);
		ASSERT_INT(atomic_load(&g[i]->refs), 1); /* no stock holds it */
	}
	for (int i = 0; i < 16; i++)
		ASSERT_INT(shrink_memcg_destroy(g[i]), 0);
}

static void more_than_was_charged(void)
{
	struct shrink_memcg *a = group(NULL);

	log_begin();
	ASSERT_INT(charge(a, 10 * MB), 0);
	shrink_memcg_uncharge(a, 20 * MB);
	ASSERT_INT((long)exact(a), 0);
	ASSERT_INT(charge(a, 10 * MB), 0);
	ASSERT_INT((long)exact(a), 10 * MB);
	shrink_memcg_uncharge(a, 30 * MB);
	shrink_memcg_drain();
	ASSERT_INT(log_count("uncharged more"), 1);
	log_end();
	ASSERT_INT(shrink_memcg_destroy(a), 0);
}

/* ---- threads */

#define THREADS 4
#define GROUPS 7 /* a binary tree */
#define TURNS 20000

struct charger {
	pthread_t thread;
	struct shrink_memcg **group;
	uint64_t seed;
	uint64_t holds[GROUPS];
};

static void *charge_at_random(void *arg)
{
	struct charger *c = arg;
	struct random r = random_seeded(c->seed);

	for (int i = 0; i < TURNS; i++) {
		int g = (int)random_below(&r, GROUPS);
		uint64_t bytes = random_magnitude(&r, i % 64 ? 12 : 20);

		if (random_below(&r, 2)) {
			if (!charge(c->group[g], bytes))
				c->holds[g] += bytes;
		} else {
			if (bytes > c->holds[g])
				bytes = c->holds[g];
			shrink_memcg_uncharge(c->group[g], bytes);
			c->holds[g] -= bytes;
		}
	}
	return NULL;
}

static atomic_int draining;

static void *drain(void *arg)
{
	(void)arg;
	while (atomic_load(&draining)) {
		shrink_memcg_drain();
		sleep_ms(1);
	}
	return NULL;
}

static void sum_is_right_at_rest(void)
{
	struct shrink_memcg *g[GROUPS];
	struct charger c[THREADS];
	uint64_t own[GROUPS] = {0};
	pthread_t drainer;

	for (int i = 0; i < GROUPS; i++) {
		g[i] = group(i ? g[(i - 1) / 2] : NULL);
		/* protection is told with every charge */
		ASSERT_INT(shrink_memcg_set_limit(g[i], SHRINK_MEMCG_LIMIT_LOW, 8 * MB), 0);
	}
	memset(c, 0, sizeof(c));
	atomic_store(&draining, 1);
	CU_ASSERT_FATAL(!pthread_create(&drainer, NULL, drain, NULL));
	for (int i = 0; i < THREADS; i++) {
		c[i].group = g;
		c[i].seed = random_new().seed + (uint64_t)i;
		CU_ASSERT_FATAL(!pthread_create(&c[i].thread, NULL, charge_at_random, &c[i]));
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(c[i].thread, NULL);
	atomic_store(&draining, 0);
	pthread_join(drainer, NULL);

	for (int i = GROUPS - 1; i >= 0; i--) {
		for (int t = 0; t < THREADS; t++)
			own[i] += c[t].holds[i];
		for (int k = 2 * i + 1; k <= 2 * i + 2 && k < GROUPS; k++)
			own[i] += own[k];
		ASSERT_INT((long)exact(g[i]), (long)own[i]);
	}
	for (int i = 0; i < GROUPS; i++)
		for (int t = 0; t < THREADS; t++)
			shrink_memcg_uncharge(g[i], c[t].holds[i]);
	for (int i = GROUPS - 1; i >= 0; i--) {
		ASSERT_INT((long)exact(g[i]), 0);
		ASSERT_INT(atomic_load(&g[i]->refs), i < GROUPS / 2 ? 3 : 1);
	}
	for (int i = GROUPS - 1; i >= 0; i--)
		ASSERT_INT(shrink_memcg_destroy(g[i]), 0);
}

/* ---- threads that end */

static struct shrink_memcg *victim;
static pthread_key_t late_key;

static void charge_late(void *arg)
{
	int *times = arg;

	ASSERT_INT(charge(victim, 100), 0);
	if (++*times < 3) /* after its stock has gone; a fourth time TSan has gone, too */
		pthread_setspecific(late_key, times);
}

static void *charge_and_end(void *arg)
{
	pthread_setspecific(late_key, arg);
	ASSERT_INT(charge(victim, 100), 0);
	return NULL;
}

static void thread_ends(void)
{
	int times = 0;
	pthread_t t;

	victim = group(NULL);
	CU_ASSERT_FATAL(!pthread_key_create(&late_key, charge_late));
	CU_ASSERT_FATAL(!pthread_create(&t, NULL, charge_and_end, &times));
	pthread_join(t, NULL);
	CU_ASSERT(times >= 1);
	/* without a drain: what it had in advance has come back as it ended */
	ASSERT_INT((long)shrink_memcg_usage(victim), 100 + 100 * times);
	ASSERT_INT(atomic_load(&victim->refs), 1);
	shrink_memcg_drain(); /* nothing of it is on the list */
	shrink_memcg_uncharge(victim, (uint64_t)(100 + 100 * times));
	pthread_key_delete(late_key);
	ASSERT_INT((long)exact(victim), 0);
	ASSERT_INT(shrink_memcg_destroy(victim), 0);
}

/* Groups end under the hands of threads that charge them. */
static struct shrink_memcg *shared;
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int over;

static void *charge_the_shared(void *arg)
{
	(void)arg;
	while (!atomic_load(&over)) {
		struct shrink_memcg *m;

		pthread_mutex_lock(&shared_lock);
		m = shrink_memcg_get(shared);
		pthread_mutex_unlock(&shared_lock);
		for (int i = 0; i < 10; i++)
			if (!charge(m, 1000))
				shrink_memcg_uncharge(m, 1000);
		shrink_memcg_put(m);
	}
	return NULL;
}

static void groups_end_meanwhile(void)
{
	struct shrink_memcg *top = group(NULL), *old, *next;
	pthread_t t[2];

	shared = group(top);
	atomic_store(&over, 0);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_FATAL(!pthread_create(&t[i], NULL, charge_the_shared, NULL));
	for (int i = 0; i < 500; i++) {
		next = group(top);
		pthread_mutex_lock(&shared_lock);
		old = shared;
		shared = next;
		pthread_mutex_unlock(&shared_lock);
		ASSERT_INT(shrink_memcg_destroy(old), 0);
	}
	atomic_store(&over, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	ASSERT_INT(shrink_memcg_destroy(shared), 0);
	/* no drain: dead groups have left nothing in stocks, not their memory either */
	ASSERT_INT((long)shrink_memcg_usage(top), 0);
	ASSERT_INT(atomic_load(&top->refs), 1);
	ASSERT_INT(shrink_memcg_destroy(top), 0);
}

/* ---- fork */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int step;
} turn = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void step(int to)
{
	pthread_mutex_lock(&turn.lock);
	turn.step = to;
	pthread_cond_broadcast(&turn.cond);
	pthread_mutex_unlock(&turn.lock);
}

static void wait_step(int at)
{
	pthread_mutex_lock(&turn.lock);
	while (turn.step < at)
		pthread_cond_wait(&turn.cond, &turn.lock);
	pthread_mutex_unlock(&turn.lock);
}

static void *hold_stock(void *arg)
{
	(void)arg;
	ASSERT_INT(charge(victim, 100), 0);
	step(1);
	wait_step(2);
	return NULL;
}

/* What is wrong in the child, as a number. */
static int in_child(void)
{
	int fd;

	if (shrink_memcg_usage(victim) > 200 + SHRINK_MEMCG_BATCH)
		return 1; /* the other thread's stock has not come back */
	if (exact(victim) != 200)
		return 2;
	if (charge(victim, 1000) || exact(victim) != 1200)
		return 3;
	fd = shrink_memcg_event_fd(victim);
	if (fd < 0 || write(fd, &(uint64_t){1}, 8) != 8)
		return 4; /* its own, open */
	if (shrink_memcg_destroy(victim))
		return 5;
	return 0;
}

static void fork_with_stocks(void)
{
	int status = -1;
	pthread_t t;
	pid_t pid;

	victim = group(NULL);
	CU_ASSERT(shrink_memcg_event_fd(victim) >= 0);
	CU_ASSERT_FATAL(!pthread_create(&t, NULL, hold_stock, NULL));
	wait_step(1);
	ASSERT_INT(charge(victim, 100), 0);
	pid = fork();
	if (!pid) {
		alarm(20);
		_exit(in_child());
	}
	CU_ASSERT_FATAL(waitpid(pid, &status, 0) == pid);
	ASSERT_INT(status, 0);
	step(2);
	pthread_join(t, NULL);
	ASSERT_INT((long)exact(victim), 200);
	shrink_memcg_uncharge(victim, 200);
	ASSERT_INT(shrink_memcg_destroy(victim), 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"arguments", arguments},
		{"a charge counts in all ancestors", counts_in_all_ancestors},
		{"stocks are bounded", stocks_are_bounded},
		{"uncharging more than was charged", more_than_was_charged},
		{"the sum is right at rest", sum_is_right_at_rest},
		{"a thread ends with a stock", thread_ends},
		{"groups end while threads charge them", groups_end_meanwhile},
		{"G10: fork with stocks", fork_with_stocks},
		{NULL, NULL},
	};

	return test_main(argc, argv, "memcg-charge", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Growth announced before it is touched: who crosses the watermark wakes, once. */
#include <pthread.h>
#include <stdatomic.h>

#include <libshrink/core/growth.h>

#include "tests/harness.h"

#define MIB	(1ULL << 20)
#define THREADS 4
#define STEPS	10000

static _Atomic int woken;

static void wake(void)
{
	woken++;
}

static void test_crossing(void)
{
	woken = 0;
	shrink_growth_on_crossing(wake);
	shrink_growth_publish(10 * MIB);
	shrink_growth(4 * MIB);
	shrink_growth(6 * MIB);
	ASSERT_INT(woken, 0); /* at the mark is not below it */
	shrink_growth(1);
	ASSERT_INT(woken, 1);
	shrink_growth(MIB);
	ASSERT_INT(woken, 1); /* whoever looks publishes anew */
	shrink_growth_publish(MIB);
	shrink_growth(2 * MIB);
	ASSERT_INT(woken, 2);
	shrink_growth_publish(0);
	shrink_growth(1);
	ASSERT_INT(woken, 3);
}

static void test_unknown(void)
{
	woken = 0;
	shrink_growth_on_crossing(wake);
	shrink_growth_publish(UINT64_MAX);
	for (int i = 0; i < 8; i++)
		shrink_growth(UINT64_MAX);
	ASSERT_INT(woken, 0);
	shrink_growth_publish(1);
	shrink_growth(UINT64_MAX); /* no overflow: it crosses */
	ASSERT_INT(woken, 1);
}

static void test_nobody(void)
{
	woken = 0;
	shrink_growth_on_crossing(wake);
	shrink_growth_publish(1);
	shrink_growth_on_crossing(NULL);
	shrink_growth(MIB);
	ASSERT_INT(woken, 0);
}

static void *grow(void *arg)
{
	(void)arg;
	for (int i = 0; i < STEPS; i++)
		shrink_growth(1);
	return NULL;
}

static void test_threads(void)
{
	pthread_t thread[THREADS];

	woken = 0;
	shrink_growth_on_crossing(wake);
	shrink_growth_publish(THREADS * STEPS / 2);
	for (int i = 0; i < THREADS; i++)
		CU_ASSERT_FATAL(!pthread_create(&thread[i], NULL, grow, NULL));
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	ASSERT_INT(woken, 1); /* of many that cross, one */
	shrink_growth_on_crossing(NULL);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"who crosses wakes, once", test_crossing},
		{"without a limit nobody is woken", test_unknown},
		{"nobody to wake", test_nobody},
		{"many at once: one wakes", test_threads},
		{NULL, NULL},
	};

	return test_main(argc, argv, "growth", tests);
}

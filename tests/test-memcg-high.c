// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* High: reclaim, and the delay that is served at the safe point (contract 4.5); limits
 * set below usage. On the virtual clock. */
#include <errno.h>

#include <libshrink/reclaim/memcg-throttle.h>

#include "tests/gcache.h"
#include "tests/group.h"
#include "tests/harness.h"

#define KB 1024ULL
#define MB (1024 * 1024ULL)
#define OBJECT 4096ULL

static void delay_table(void)
{
	static const struct {
		unsigned int percent, msec;
	} t[] = {{1, 0}, {2, 25}, {5, 159}, {10, 639}, {17, 1849}, {18, 2000}, {100, 2000}};
	uint64_t high = 100 * MB;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ASSERT_INT((long)shrink_throttle_usec(high + high * t[i].percent / 100, high, 64) /
				   1000,
			   t[i].msec);
	ASSERT_INT((long)shrink_throttle_usec(high, high, 64), 0);
	ASSERT_INT((long)shrink_throttle_usec(high * 11 / 10, high, 32) / 1000, 319);
	ASSERT_INT((long)shrink_throttle_usec(high * 11 / 10, high, 1), 0); /* 10 ms or less */
	ASSERT_INT((long)shrink_throttle_usec(1, 0, 64), 2000000);
	ASSERT_INT((long)shrink_throttle_usec(UINT64_MAX, 1, UINT64_MAX), 2000000);
}

static void high_delays(void)
{
	struct shrink_memcg *a = group_new(NULL), *b = group_new(a);
	uint64_t before;

	sim_begin();
	group_limit(a, SHRINK_MEMCG_LIMIT_HIGH, 100 * MB);
	ASSERT_INT((long)shrink_throttle(), 0);
	ASSERT_INT(shrink_memcg_charge(b, 100 * MB, SHRINK_GFP_ALL), 0);
	ASSERT_INT((long)shrink_throttle(), 0);
	for (int i = 0; i < 20; i++) { /* 5 MiB in batches; the last is paid for */
		shrink_throttle();
		ASSERT_INT(shrink_memcg_charge(b, 256 * KB, SHRINK_GFP_ALL), 0);
	}
	before = shrink_clock();
	ASSERT_INT((long)shrink_throttle() / 1000, 159);
	ASSERT_INT((long)((shrink_clock() - before) / 1000000), 159);
	ASSERT_INT((long)shrink_throttle(), 0); /* paid */
	ASSERT_INT((long)group_stats(a).events_high, 20);
	CU_ASSERT(group_stats(b).throttled_usec > 159000);
	/* an event loop takes what is owed, and does not sleep */
	ASSERT_INT(shrink_memcg_charge(b, 256 * KB, SHRINK_GFP_ALL), 0);
	before = shrink_clock();
	CU_ASSERT(shrink_throttle_owed() > 159000);
	ASSERT_INT((long)(shrink_clock() - before), 0);
	ASSERT_INT((long)shrink_throttle_owed(), 0);
	ASSERT_INT((long)shrink_throttle(), 0);
	CU_ASSERT(group_stats(b).throttled_usec > 2 * 159000);
	shrink_memcg_uncharge(b, 256 * KB);
	/* who owes and whose group has gone owes no more, not to another of its id */
	ASSERT_INT(shrink_memcg_charge(b, 256 * KB, SHRINK_GFP_ALL), 0);
	shrink_memcg_uncharge(b, 100 * MB + 21 * 256 * KB);
	group_end(b);
	b = group_new(a);
	ASSERT_INT(shrink_memcg_charge(b, 120 * MB, SHRINK_GFP_ALL), 0);
	shrink_memcg_uncharge(b, 120 * MB);
	shrink_throttle();
	group_end(b);
	group_end(a);
	sim_end();
}

static void high_reclaims(void)
{
	struct shrink_memcg *a = group_new(NULL);
	struct gcache g;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "high", OBJECT);
	group_limit(a, SHRINK_MEMCG_LIMIT_HIGH, 4 * MB);
	for (int i = 0; i < 4096; i++)
		ASSERT_INT(gcache_insert(&g, a, 0, 1), 0);
	CU_ASSERT(group_exact(a) <= (long)(5 * MB)); /* kept about high, never failed */
	CU_ASSERT(group_stats(a).events_high > 0);
	ASSERT_INT((long)group_stats(a).events_max, 0);
	gcache_end(&g);
	group_end(a);
	sim_end();
}

static void limits_below_usage(void)
{
	struct shrink_memcg *a = group_new(NULL);
	struct gcache g;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "below", OBJECT);
	ASSERT_INT(gcache_insert(&g, a, 0, 4096), 0);
	group_limit(a, SHRINK_MEMCG_LIMIT_HIGH, 8 * MB);
	CU_ASSERT(shrink_memcg_usage(a) <= 8 * MB && shrink_memcg_usage(a) > 4 * MB);
	group_limit(a, SHRINK_MEMCG_LIMIT_MAX, 2 * MB);
	CU_ASSERT(shrink_memcg_usage(a) <= 2 * MB);
	g.c.on_scan = gcache_scan_nothing;
	ASSERT_INT(shrink_memcg_set_limit(a, SHRINK_MEMCG_LIMIT_MAX, OBJECT), -EBUSY);
	CU_ASSERT(shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_MAX) == OBJECT);
	gcache_end(&g);
	group_end(a);
	sim_end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"4.5: the table of delays", delay_table},
		{"high: the delay is served at the safe point", high_delays},
		{"high reclaims", high_reclaims},
		{"a limit set below usage", limits_below_usage},
		{NULL, NULL},
	};

	return test_main(argc, argv, "memcg-high", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* How much of which list: numbers in, numbers out. */
#include <shrink/lruvec.h>
#include <libshrink/lru/balance.h>
#include "tests/harness.h"

static void test_balance(void)
{
	struct shrink_balance_in in = {
		.size = {{6000, 6000}, {6000, 6000}}, .priority = 2, .swappiness = 60,
		.deactivates_clean = true,
	};
	struct shrink_balance b;

	shrink_balance(&in, &b);
	ASSERT_INT(b.share[SHRINK_KIND_DIRTY] * 200, 60 * b.denominator);
	/* a kind that costs everything still has a third of its weight */
	in.cost[SHRINK_KIND_DIRTY] = 1000000;
	in.swappiness = 100;
	shrink_balance(&in, &b);
	CU_ASSERT(b.share[SHRINK_KIND_DIRTY] * 3 > b.denominator * 9 / 10);
	CU_ASSERT(b.share[SHRINK_KIND_DIRTY] * 3 < b.denominator * 11 / 10);
	in.swappiness = 0;
	shrink_balance(&in, &b);
	ASSERT_INT(b.share[SHRINK_KIND_DIRTY], 0);
	in.swappiness = 200;
	shrink_balance(&in, &b);
	ASSERT_INT(b.share[SHRINK_KIND_CLEAN], 0);
	in.swappiness = 100;
	in.deactivates_clean = false; /* plenty of clean inactive ones */
	shrink_balance(&in, &b);
	ASSERT_INT(b.share[SHRINK_KIND_DIRTY], 0);
	in.priority = 0;
	shrink_balance(&in, &b);
	CU_ASSERT_TRUE(b.equal);
	in.size[0][0] = in.size[0][1] = 0;
	shrink_balance(&in, &b);
	ASSERT_INT(b.share[SHRINK_KIND_CLEAN], 0);
}

static void test_counts(void)
{
	struct shrink_balance_in in = {
		.size = {{4096, 8192}, {8192, 4096}}, .priority = 12, .swappiness = 100,
		.deactivates_clean = true,
	};
	uint64_t nr[SHRINK_KINDS][SHRINK_LISTS];

	shrink_balance_counts(&in, nr);
	ASSERT_INT(nr[0][0], 0); /* half of one */
	ASSERT_INT(nr[0][1], 1);
	ASSERT_INT(nr[1][0], 1);
	in.priority = 2;
	shrink_balance_counts(&in, nr);
	ASSERT_INT(nr[0][0], 512);
	ASSERT_INT(nr[1][0], 1024);
	in.priority = 0;
	shrink_balance_counts(&in, nr);
	ASSERT_INT(nr[0][0] + nr[0][1] + nr[1][0] + nr[1][1], 24576);
}

static void test_ratio(void)
{
	ASSERT_INT(shrink_inactive_ratio(0), 1);
	ASSERT_INT(shrink_inactive_ratio((1ULL << 30) - 1), 1);
	ASSERT_INT(shrink_inactive_ratio(1ULL << 30), 3);
	ASSERT_INT(shrink_inactive_ratio(10ULL << 30), 10);
	ASSERT_INT(shrink_inactive_ratio(100ULL << 30), 31);
	ASSERT_INT(shrink_inactive_ratio(1ULL << 40), 101);
	ASSERT_INT(shrink_inactive_is_low(10, 10, 0), 0);
	ASSERT_INT(shrink_inactive_is_low(10, 11, 0), 1);
	ASSERT_INT(shrink_inactive_is_low(10, 30, 1ULL << 30), 0);
}

static void test_cost_decay(void)
{
	uint64_t cost[SHRINK_KINDS] = {0, 0}, carry = 0, sum = 0;

	shrink_balance_note(cost, 1, 100, 400);
	ASSERT_INT(cost[1], 100);
	shrink_balance_note(cost, 0, 100, 400);
	ASSERT_INT(cost[0], 50);
	ASSERT_INT(cost[1], 50);
	shrink_balance_note(cost, 0, UINT64_MAX, 0);
	ASSERT_INT(cost[0] + cost[1], 0);
	/* a third of one at a time comes to a third of all */
	for (int i = 0; i < 3000; i++)
		sum += shrink_balance_part(1, 1, 3, &carry);
	CU_ASSERT(sum >= 999 && sum <= 1000);
}

static void test_throttle(void)
{
	struct shrink_balance_seen seen = {.taken = 10, .dirty = 4, .queued = 3, .writeback = 2};

	ASSERT_INT(shrink_balance_throttle(&seen), 0);
	seen.writeback = 3;
	ASSERT_INT(shrink_balance_throttle(&seen), SHRINK_LRUVEC_THROTTLE_DIRTY);
	seen = (struct shrink_balance_seen){.taken = 5, .writeback = 4, .immediate = 1};
	ASSERT_INT(shrink_balance_throttle(&seen), SHRINK_LRUVEC_THROTTLE_DIRTY |
		   SHRINK_LRUVEC_THROTTLE_WRITEBACK | SHRINK_LRUVEC_THROTTLE_IMMEDIATE);
	seen = (struct shrink_balance_seen){0};
	ASSERT_INT(shrink_balance_throttle(&seen), 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"balance of the kinds", test_balance},
		{"scan counts by priority", test_counts},
		{"inactive ratio", test_ratio},
		{"costs decay, shares carry", test_cost_decay},
		{"when writers should wait", test_throttle},
		{NULL, NULL},
	};

	return test_main(argc, argv, "balance", tests);
}

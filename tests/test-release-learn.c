// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* What the release stage learns: never twice for nothing, never never again. */
#include <libshrink/reclaim/release-learn.h>

#include "tests/harness.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static struct shrink_release_learned fresh(void)
{
	struct shrink_release_learned l;

	shrink_release_learn_init(&l);
	return l;
}

static void test_promise(void)
{
	struct shrink_release_learned l = fresh();

	ASSERT_INT(shrink_release_expect(&l, 10 * MIB), 10 * MIB);
	CU_ASSERT(shrink_release_worth(&l, 5 * MIB, 10 * MIB, 50));
	CU_ASSERT(!shrink_release_worth(&l, 5 * MIB - 1, 10 * MIB, 50));
	/* half of what was promised came: half of it is expected half as much */
	shrink_release_learn_yield(&l, 8 * MIB, 0, true);
	ASSERT_INT(shrink_release_expect(&l, 8 * MIB), 4 * MIB);
	shrink_release_learn_yield(&l, 8 * MIB, 80 * MIB, true); /* others freed as well */
	ASSERT_INT(shrink_release_expect(&l, 8 * MIB), 6 * MIB);
}

/* Stages until the next release is tried; @bad of them are asked at most. */
static unsigned int stages_left_out(struct shrink_release_learned *l, unsigned int most)
{
	for (unsigned int n = 0; n < most; n++)
		if (shrink_release_worth(l, 8 * MIB, 8 * MIB, 50))
			return n;
	return most;
}

static void test_never_twice_for_nothing(void)
{
	struct shrink_release_learned l = fresh();

	for (unsigned int i = 0; i < 14; i++) {
		unsigned int expected = i ? 1u << (i - 1 < 10 ? i - 1 : 10) : 0;

		ASSERT_INT(stages_left_out(&l, 5000), expected);
		shrink_release_learn_yield(&l, 8 * MIB, 0, false);
	}
	/* once it was worth it all is as before */
	stages_left_out(&l, 5000);
	for (int i = 0; i < 8; i++)
		shrink_release_learn_yield(&l, 8 * MIB, 8 * MIB, true);
	ASSERT_INT(stages_left_out(&l, 1), 0);
	shrink_release_learn_yield(&l, 8 * MIB, 0, false);
	ASSERT_INT(stages_left_out(&l, 5000), 1);
}

/* A low yield is believed, but not for ever: each stage left out raises it. */
static void test_forgets(void)
{
	struct shrink_release_learned l = fresh();
	unsigned int n;

	for (int i = 0; i < 20; i++)
		shrink_release_learn_yield(&l, 8 * MIB, 0, true);
	ASSERT_INT(shrink_release_expect(&l, 8 * MIB), 0);
	n = stages_left_out(&l, 100);
	CU_ASSERT(n > 3);
	CU_ASSERT(n < 20);
}

static void test_stall(void)
{
	struct shrink_release_learned l = fresh();
	unsigned int n = 0;

	/* nothing is known: tried */
	CU_ASSERT(shrink_release_affordable(&l, 64 * GIB, 20000));
	shrink_release_learn_pace(&l, 2 * GIB, 200000);
	ASSERT_INT(l.usec_per_gib, 100000);
	CU_ASSERT(shrink_release_affordable(&l, GIB / 8, 20000));
	CU_ASSERT(!shrink_release_affordable(&l, GIB, 20000));
	while (!shrink_release_affordable(&l, GIB, 20000) && n < 100)
		n++;
	CU_ASSERT(n > 2 && n < 20);
	shrink_release_learn_pace(&l, 0, 5); /* nothing looked at: no division by it */
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"what is promised, and what is made of it", test_promise},
		{"never twice for nothing", test_never_twice_for_nothing},
		{"a bad yield is forgotten in the end", test_forgets},
		{"the stall is predicted, and forgotten in the end", test_stall},
		{NULL, NULL},
	};

	return test_main(argc, argv, "release-learn", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The pool's calculators: size classes and heat. */
#include <libshrink/pool/class.h>
#include <libshrink/pool/heat.h>

#include "tests/pool-cache.h"

static void check_class(unsigned int class)
{
	struct shrink_class_geometry g;

	shrink_class_geometry(class, PAGE, &g);
	CU_ASSERT(g.size % 16 == 0);
	CU_ASSERT(g.nr >= 1 && g.nr <= SHRINK_CLASS_OBJECTS_MAX);
	CU_ASSERT((size_t)g.nr * g.size <= g.length && g.length <= (size_t)1 << g.stride);
	CU_ASSERT(g.length % PAGE == 0 && g.length <= 256u << 10);
	/* the tail is a smaller part of the slab than 1/32 */
	CU_ASSERT((g.length - g.nr * g.size) * 32 < g.length);
	for (size_t offset = 0; offset < g.length; offset++)
		if (shrink_class_index(&g, offset) != offset / g.size) {
			CU_FAIL("index differs from the division");
			break;
		}
}

static void test_classes(void)
{
	struct shrink_class_geometry g;
	unsigned int wasteful = 0;

	for (unsigned int class = 0; class < SHRINK_CLASS_SMALL; class ++)
		check_class(class);
	for (size_t size = 1; size <= SHRINK_CLASS_SMALL_MAX; size++) {
		unsigned int class = shrink_class_of(size, PAGE);

		CU_ASSERT_FATAL(class < SHRINK_CLASS_SMALL);
		shrink_class_geometry(class, PAGE, &g);
		CU_ASSERT(g.size >= size);
		wasteful += size > 128 ? (g.size - size) * 8 >= g.size
				       : size > 16 && g.size - size > 15;
	}
	EQ(wasteful, 0);
}

static void test_large_classes(void)
{
	struct shrink_class_geometry g;

	for (size_t size = SHRINK_CLASS_SMALL_MAX + 1; size <= 4 * MIB; size += 509) {
		unsigned int class = shrink_class_of(size, PAGE);

		CU_ASSERT_FATAL(class >= SHRINK_CLASS_SMALL && class < SHRINK_CLASSES);
		shrink_class_geometry(class, PAGE, &g);
		CU_ASSERT(g.nr == 1 && g.size == 0 && ((size_t)1 << g.stride) >= size);
		CU_ASSERT(g.stride == 16 || ((size_t)1 << g.stride) < 2 * (size + PAGE));
	}
}

static void test_heat(void)
{
	struct shrink_heat_map map = {0};

	EQ(shrink_heat_next(0, 16, 16), SHRINK_HEAT_MAX);
	EQ(shrink_heat_next(SHRINK_HEAT_MAX, 0, 16), SHRINK_HEAT_MAX / 2);
	CU_ASSERT(shrink_heat_next(SHRINK_HEAT_MAX, 0, 16) <= SHRINK_HEAT_SPARED);
	CU_ASSERT(shrink_heat_score(0, 1, 16, 0) < shrink_heat_score(0, 16, 16, 0));
	CU_ASSERT(shrink_heat_score(0, 16, 16, 0) < shrink_heat_score(16, 16, 16, 0));
	CU_ASSERT(shrink_heat_score(0, 16, 16, 0) < shrink_heat_score(0, 16, 16, 1));
	EQ(shrink_heat_score(255, 16, 16, 1), SHRINK_SCORES - 1);
	CU_ASSERT(shrink_heat_is_cold(&map, SHRINK_SCORES - 1)); /* nothing known yet */
	for (unsigned int score = 0; score < 40; score++)
		shrink_heat_enter(&map, score, 10, 100000);
	CU_ASSERT(shrink_heat_is_cold(&map, 9) && !shrink_heat_is_cold(&map, 10));
	for (unsigned int i = 0; i < 1000; i++) /* the colder ones fade */
		shrink_heat_enter(&map, 50, 10, 100);
	CU_ASSERT(shrink_heat_is_cold(&map, 50));
}

static void test_ages(void)
{
	struct shrink_age_map map = {.total = 0};
	unsigned int age = SHRINK_AGE_BORN;

	for (int look = 0; look < 8; look++)
		age = shrink_age_next(age, 0);
	EQ(age, 0);
	CU_ASSERT(shrink_age_next(0, 1) > shrink_age_next(0xff, 0)); /* recency first */
	CU_ASSERT(shrink_age_next(0x80, 1) > shrink_age_next(0x40, 1)); /* then how often */
	EQ(shrink_age_percentile(&map, 60), 1);
	for (unsigned int i = 0; i < 100; i++)
		shrink_age_enter(&map, i, 10, 100000);
	EQ(shrink_age_percentile(&map, 60), 60);
	EQ(shrink_age_percentile(&map, 0), 1);
	for (unsigned int i = 0; i < 1000; i++) /* older looks fade */
		shrink_age_enter(&map, 200, 10, 500);
	EQ(shrink_age_percentile(&map, 60), 201);
	/* a quarter of the size is worth twice as much per byte; within bounds */
	EQ(shrink_heat_scale(1000, 1000), SHRINK_SCALE_ONE);
	EQ(shrink_heat_scale(1000, 250), SHRINK_SCALE_ONE * 2);
	EQ(shrink_heat_scale(1000, 4000), SHRINK_SCALE_ONE / 2);
	EQ(shrink_heat_scale(1 << 22, 32), SHRINK_SCALE_ONE * 4);
	EQ(shrink_heat_scale(32, 1 << 22), SHRINK_SCALE_ONE / 4);
	EQ(shrink_heat_scale(0, 100), SHRINK_SCALE_ONE); /* nothing known yet */
	EQ(shrink_heat_scaled(100, SHRINK_SCALE_ONE / 2), 50);
	EQ(shrink_heat_scaled(1, SHRINK_SCALE_ONE / 4), 1);
	EQ(shrink_heat_scaled(0, SHRINK_SCALE_ONE * 4), 0);
	EQ(shrink_heat_scaled(200, SHRINK_SCALE_ONE * 4), SHRINK_HEAT_MAX);
	EQ(shrink_heat_mean(SHRINK_AGE_BORN, 0, 16), SHRINK_AGE_BORN / 2);
	EQ(shrink_heat_mean(0, 16, 16), SHRINK_AGE_BORN);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"size classes waste little and are found without a division", test_classes},
		{"large classes", test_large_classes},
		{"heat ranks slabs", test_heat},
		{"ages tell objects apart", test_ages},
		{NULL, NULL},
	};

	return test_main(argc, argv, "pool-class", tests);
}

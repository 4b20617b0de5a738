// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Ranges as ashmem has them (contract 9.1): random pins and unpins of parts, with the
 * kernel and the region's own scan taking things between, beside a model that knows
 * nothing but the rules: a list of ranges, the youngest last.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>

#include "tests/harness.h"
#include "tests/purge.h"
#include "tests/random.h"

#define PAGE  4096u
#define PAGES 24
#define STEPS 20000

struct range {
	int begin, end;
	bool purged;
};

static struct model {
	struct range ranges[PAGES + 1]; /* by age */
	int nr;
	uint64_t written[PAGES]; /* what the page holds */
	bool gone[PAGES];	 /* taken, and nobody has found out */
} model;

static struct shrink_region *region;
static char *object;
static uint64_t version;
static unsigned int takings;

static void model_remove(int i)
{
	model.nr--;
	memmove(&model.ranges[i], &model.ranges[i + 1],
		(size_t)(model.nr - i) * sizeof(model.ranges[0]));
}

static void model_insert(int i, struct range range)
{
	memmove(&model.ranges[i + 1], &model.ranges[i],
		(size_t)(model.nr - i) * sizeof(model.ranges[0]));
	model.ranges[i] = range;
	model.nr++;
}

static void model_unpin(int a, int b)
{
	bool purged = false;

	for (int i = 0; i < model.nr; i++) {
		struct range r = model.ranges[i];

		if (r.begin >= b || r.end <= a)
			continue;
		a = r.begin < a ? r.begin : a;
		b = r.end > b ? r.end : b;
		purged |= r.purged;
		model_remove(i);
		i = -1; /* it has grown: from the start */
	}
	model_insert(model.nr, (struct range){a, b, purged});
}

static bool model_pin(int a, int b)
{
	bool purged = false;

	for (int i = 0; i < model.nr; i++) {
		struct range r = model.ranges[i];
		int first = r.begin > a ? r.begin : a, last = r.end < b ? r.end : b;

		if (first >= last)
			continue;
		for (int p = first; p < last; p++)
			r.purged |= model.gone[p];
		purged |= r.purged;
		for (int p = first; p < last; p++) {
			model.written[p] = r.purged ? 0 : model.written[p];
			model.gone[p] = false;
		}
		model_remove(i);
		if (r.end > b)
			model_insert(i, (struct range){b, r.end, r.purged});
		if (r.begin < a)
			model_insert(i, (struct range){r.begin, a, r.purged});
		i += (r.end > b) + (r.begin < a) - 1;
	}
	return purged;
}

static bool model_pinned(int a, int b)
{
	for (int i = 0; i < model.nr; i++)
		if (model.ranges[i].begin < b && model.ranges[i].end > a)
			return false;
	return true;
}

static uint64_t *word(int page, unsigned int place)
{
	return (uint64_t *)(void *)(object + (size_t)page * PAGE) + place;
}

/* Pinned pages hold what the model says, on both sides of the page. */
static bool contents_agree(void)
{
	for (int p = 0; p < PAGES; p++)
		if (model_pinned(p, p + 1) &&
		    (*word(p, 0) != model.written[p] || *word(p, PAGE / 8 - 1) != model.written[p]))
			return false;
	return true;
}

static void write_pinned(int a, int b)
{
	for (int p = a; p < b; p++)
		*word(p, 0) = *word(p, PAGE / 8 - 1) = model.written[p] = ++version;
}

/* The oldest range that is left goes. */
static void scan_one(void)
{
	struct shrinker *s = shrink_region_shrinker(region);
	struct shrink_control sc = {.nr_to_scan = 1, .nr_scanned = 1};
	int i;

	for (i = 0; i < model.nr && model.ranges[i].purged; i++)
		;
	if (i == model.nr) {
		CU_ASSERT(s->count_objects(s, &sc) == SHRINK_EMPTY);
		return;
	}
	model.ranges[i].purged = true;
	ASSERT_INT(s->scan_objects(s, &sc), model.ranges[i].end - model.ranges[i].begin);
}

/* The kernel takes one page. Who pins it finds out, and then all that is left of its
 * range is lost; who pins another part of the range before does not. */
static void kernel_takes(int page)
{
	for (int i = 0; i < model.nr; i++) {
		struct range *r = &model.ranges[i];

		if (r->begin > page || page >= r->end || r->purged)
			continue;
		purge_pages(object + (size_t)page * PAGE, 1);
		model.gone[page] = !purge_is_there(object + (size_t)page * PAGE);
		takings += model.gone[page];
	}
}

static void step(struct random *random, bool scans)
{
	int a = (int)random_below(random, PAGES);
	int b = a + 1 + (int)random_below(random, (uint64_t)(PAGES - a));
	size_t offset = (size_t)a * PAGE, len = (size_t)(b - a) * PAGE;
	uint64_t what = random_below(random, 16);

	if (what < 6) {
		model_unpin(a, b);
		ASSERT_INT(shrink_region_unpin_range(region, object, offset, len), 0);
		shrink_region_flush(region); /* so that all ages differ */
	} else if (what < 12) {
		bool purged = model_pin(a, b);

		ASSERT_INT(shrink_region_pin_range(region, object, offset, len), purged);
		CU_ASSERT(contents_agree());
		write_pinned(a, b);
	} else if (what < 14) {
		ASSERT_INT(shrink_region_pinned(region, object, offset, len), model_pinned(a, b));
	} else if (scans) {
		scan_one();
	} else {
		kernel_takes(a);
	}
}

static uint64_t unpurged_pages(void)
{
	uint64_t pages = 0;

	for (int i = 0; i < model.nr; i++)
		if (!model.ranges[i].purged)
			pages += (uint64_t)(model.ranges[i].end - model.ranges[i].begin);
	return pages;
}

static void run(bool scans)
{
	struct random random = random_new();
	struct shrink_region_stats st;

	memset(&model, 0, sizeof(model));
	region = shrink_region_create(NULL, 0, (size_t)PAGES * PAGE, "ranges");
	CU_ASSERT_FATAL(region != NULL);
	object = shrink_region_alloc(region, (size_t)PAGES * PAGE);
	CU_ASSERT_FATAL(object != NULL);
	write_pinned(0, PAGES);
	for (int i = 0; i < STEPS && !CU_get_number_of_failures(); i++) {
		step(&random, scans);
		CU_ASSERT(!shrink_region_stats(region, &st, sizeof(st)));
		/* what the kernel took, the region does not know of yet */
		if (scans)
			ASSERT_INT(st.unpinned_bytes, unpurged_pages() * PAGE);
		CU_ASSERT(st.offered_bytes <= st.unpinned_bytes);
	}
	if (CU_get_number_of_failures())
		printf("# seed %llu\n", (unsigned long long)random.seed);
	/* as a whole, it is asked and forgotten */
	ASSERT_INT(shrink_region_pin(region, object), model_pin(0, PAGES));
	CU_ASSERT(contents_agree());
	CU_ASSERT(!shrink_region_stats(region, &st, sizeof(st)));
	ASSERT_INT(st.pinned_bytes, PAGES * PAGE);
	ASSERT_INT(st.offered_bytes, 0);
	ASSERT_INT(st.trespasses, 0);
	shrink_region_destroy(region);
}

static void test_scans(void)
{
	run(true);
}

static void test_kernel(void)
{
	takings = 0;
	run(false);
	if (!takings)
		SKIP("the kernel takes no lazily freed pages here");
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"ranges: as ashmem's, with scans", test_scans},
		{"ranges: as ashmem's, with the kernel", test_kernel},
		{NULL, NULL},
	};

	purge_stay_here();
	return test_main(argc, argv, "region-ranges", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Regions: objects, ranges, the shrinker, one thing at a time. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>

#include "tests/harness.h"
#include "tests/purge.h"

#define MIB  ((size_t)1 << 20)
#define PAGE ((size_t)4096)

static struct shrink_region *region;

static void begin(const struct shrink_region_options *o, size_t size)
{
	region = shrink_region_create(o, o ? sizeof(*o) : 0, size, "test");
	CU_ASSERT_FATAL(region != NULL);
}

static void end(void)
{
	shrink_region_destroy(region);
	region = NULL;
}

static void fill(void *object, size_t size, unsigned int seed)
{
	unsigned char *p = object;

	for (size_t i = 0; i < size; i++)
		p[i] = (unsigned char)(seed + i * 7 + i / PAGE);
}

static bool intact(const void *object, size_t size, unsigned int seed)
{
	const unsigned char *p = object;

	for (size_t i = 0; i < size; i++)
		if (p[i] != (unsigned char)(seed + i * 7 + i / PAGE))
			return false;
	return true;
}

static bool zero(const void *object, size_t size)
{
	const unsigned char *p = object;

	for (size_t i = 0; i < size; i++)
		if (p[i])
			return false;
	return true;
}

static void *make(size_t size, unsigned int seed)
{
	void *o = shrink_region_alloc(region, size);

	CU_ASSERT_FATAL(o != NULL);
	CU_ASSERT(zero(o, size));
	fill(o, size, seed);
	return o;
}

static struct shrink_region_stats stats(void)
{
	struct shrink_region_stats st;

	memset(&st, 0xff, sizeof(st));
	CU_ASSERT(!shrink_region_stats(region, &st, sizeof(st)));
	return st;
}

static void test_arguments(void)
{
	struct shrink_region_options o = {.flags = 2};
	char *p;

	errno = 0;
	CU_ASSERT(!shrink_region_create(NULL, 0, 0, "none") && errno == EINVAL);
	errno = 0;
	CU_ASSERT(!shrink_region_create(&o, sizeof(o), MIB, "none") && errno == EINVAL);
	o = (struct shrink_region_options){.seeks = -1};
	CU_ASSERT(!shrink_region_create(&o, sizeof(o), MIB, "none") && errno == EINVAL);
	CU_ASSERT(!shrink_region_create(NULL, 0, MIB, "%s", "") && errno == EINVAL);
	shrink_region_destroy(NULL);
	begin(NULL, MIB + 1);
	ASSERT_INT(stats().size, MIB + PAGE);
	CU_ASSERT(!shrink_region_alloc(region, 0) && errno == EINVAL);
	CU_ASSERT(!shrink_region_alloc(region, 2 * MIB) && errno == EINVAL);
	p = make(3 * PAGE, 1);
	ASSERT_INT((long long)((uintptr_t)p % PAGE), 0);
	ASSERT_INT(shrink_region_usable(region, p), 3 * PAGE);
	ASSERT_INT(shrink_region_usable(region, p + PAGE), 0);
	ASSERT_INT(shrink_region_pin(region, p + 8), -EINVAL);
	ASSERT_INT(shrink_region_pin(region, p + PAGE), -EINVAL);
	ASSERT_INT(shrink_region_pin(region, &o), -EINVAL);
	ASSERT_INT(shrink_region_pin(region, NULL), -EINVAL);
	ASSERT_INT(shrink_region_pin(NULL, p), -EINVAL);
	ASSERT_INT(shrink_region_unpin(region, p), 0);
	ASSERT_INT(shrink_region_unpin(region, p), -EALREADY);
	ASSERT_INT(shrink_region_unpin_range(region, p, 1, PAGE), -EINVAL);
	ASSERT_INT(shrink_region_unpin_range(region, p, 0, 4 * PAGE), -EINVAL);
	ASSERT_INT(shrink_region_unpin_range(region, p, 3 * PAGE, 0), -EINVAL);
	ASSERT_INT(shrink_region_pin_range(region, p, PAGE, SIZE_MAX - PAGE + 1), -EINVAL);
	ASSERT_INT(shrink_region_free(region, p + PAGE), -EINVAL);
	ASSERT_INT(shrink_region_free(region, NULL), 0);
	ASSERT_INT(shrink_region_free(region, p), 0);
	ASSERT_INT(shrink_region_free(region, p), -EINVAL);
	ASSERT_INT(stats().objects, 0);
	end();
}

/* Full means ENOMEM; what is freed is found again, also where it lies in pieces. */
static void test_space(void)
{
	void *o[64];

	begin(NULL, 64 * PAGE);
	for (int i = 0; i < 64; i++)
		o[i] = make(PAGE, 1);
	CU_ASSERT(!shrink_region_alloc(region, PAGE) && errno == ENOMEM);
	for (int i = 1; i < 64; i += 2)
		ASSERT_INT(shrink_region_free(region, o[i]), 0);
	CU_ASSERT(!shrink_region_alloc(region, 2 * PAGE) && errno == ENOMEM);
	ASSERT_INT(shrink_region_free(region, o[20]), 0);
	CU_ASSERT_PTR_EQUAL(shrink_region_alloc(region, 3 * PAGE), o[19]);
	for (int i = 0; i < 64; i += 2)
		if (i != 20)
			CU_ASSERT(intact(o[i], PAGE, 1));
	end();
}

static void test_cancelled(void)
{
	void *o;

	begin(NULL, MIB);
	o = make(5 * PAGE, 9);
	for (int i = 0; i < 1000; i++) {
		ASSERT_INT(shrink_region_unpin(region, o), 0);
		ASSERT_INT(shrink_region_pin(region, o), SHRINK_REGION_KEPT);
	}
	CU_ASSERT(intact(o, 5 * PAGE, 9));
	ASSERT_INT(stats().cancelled, 1000);
	ASSERT_INT(stats().flushes, 0); /* nothing was ever offered */
	ASSERT_INT(stats().pinned_bytes, 5 * PAGE);
	end();
}

/* G11: offered and left alone, it is as it was. */
static void test_kept(void)
{
	void *o;

	begin(NULL, MIB);
	o = make(64 * PAGE, 3);
	ASSERT_INT(shrink_region_unpin(region, o), 0); /* fills the batch */
	ASSERT_INT(stats().offered_bytes, 64 * PAGE);
	ASSERT_INT(stats().unpinned_bytes, 64 * PAGE);
	ASSERT_INT(stats().pinned_bytes, 0);
	ASSERT_INT(shrink_region_pin(region, o), SHRINK_REGION_KEPT);
	CU_ASSERT(intact(o, 64 * PAGE, 3));
	ASSERT_INT(stats().offered_bytes, 0);
	/* taken back: the kernel leaves it alone */
	madvise(o, 64 * PAGE, MADV_PAGEOUT);
	CU_ASSERT(intact(o, 64 * PAGE, 3));
	end();
}

static void test_purged(void)
{
	char *o, *p;

	begin(NULL, MIB);
	o = make(64 * PAGE, 3);
	p = make(64 * PAGE, 4);
	ASSERT_INT(shrink_region_unpin(region, o), 0);
	ASSERT_INT(shrink_region_unpin(region, p), 0);
	if (!purge_pages(o + 10 * PAGE, 1)) {
		end();
		SKIP("the kernel takes no lazily freed pages here");
	}
	/* one page gone: the whole object is, and its neighbour is not */
	ASSERT_INT(shrink_region_pin(region, o), SHRINK_REGION_PURGED);
	CU_ASSERT(zero(o, 64 * PAGE));
	ASSERT_INT(shrink_region_pin(region, p), SHRINK_REGION_KEPT);
	CU_ASSERT(intact(p, 64 * PAGE, 4));
	ASSERT_INT(stats().purged_by_kernel_bytes, PAGE);
	ASSERT_INT(stats().collateral_bytes, 63 * PAGE);
	ASSERT_INT(stats().pinned_bytes, 128 * PAGE);
	/* and again, with what was written since */
	fill(o, 64 * PAGE, 5);
	ASSERT_INT(shrink_region_unpin(region, o), 0);
	ASSERT_INT(shrink_region_pin(region, o), SHRINK_REGION_KEPT);
	CU_ASSERT(intact(o, 64 * PAGE, 5));
	end();
}

/* Pins are counted: only the last unpin lets go. */
static void test_counted(void)
{
	void *o;

	begin(NULL, MIB);
	o = make(64 * PAGE, 3);
	ASSERT_INT(shrink_region_pin(region, o), SHRINK_REGION_KEPT);
	ASSERT_INT(shrink_region_unpin(region, o), 0);
	shrink_region_flush(region);
	madvise(o, 64 * PAGE, MADV_PAGEOUT);
	CU_ASSERT(intact(o, 64 * PAGE, 3));
	ASSERT_INT(shrink_region_unpin_range(region, o, 0, 0), 0);
	ASSERT_INT(shrink_region_pin(region, o), SHRINK_REGION_KEPT);
	ASSERT_INT(shrink_region_unpin_range(region, o, 0, 0), -EBUSY);
	ASSERT_INT(shrink_region_pinned(region, o, 0, 0), 1);
	end();
}

/* A first word that is zero, or the canary of another page, is data like any other. */
static void test_first_words(void)
{
	uint64_t *o, *p;

	begin(NULL, MIB);
	o = make(PAGE, 0);
	p = make(PAGE, 0);
	memset(o, 0, PAGE);
	memset(p, 0, PAGE);
	ASSERT_INT(shrink_region_unpin(region, o), 0);
	shrink_region_flush(region);
	CU_ASSERT(o[0] != 0); /* a look that is forbidden: the canary */
	p[0] = o[0];
	ASSERT_INT(shrink_region_unpin(region, p), 0);
	shrink_region_flush(region);
	CU_ASSERT(p[0] != 0 && p[0] != o[0]);
	ASSERT_INT(shrink_region_pin(region, p), SHRINK_REGION_KEPT);
	CU_ASSERT(p[0] == o[0]);
	ASSERT_INT(shrink_region_pin(region, o), SHRINK_REGION_KEPT);
	CU_ASSERT(o[0] == 0);
	/* writing to what is unpinned is found out where it hits the canary */
	ASSERT_INT(shrink_region_unpin(region, o), 0);
	shrink_region_flush(region);
	o[0] = 12;
	ASSERT_INT(shrink_region_pin(region, o), SHRINK_REGION_PURGED);
	ASSERT_INT(stats().trespasses, 1);
	CU_ASSERT(o[0] == 0);
	end();
}

static struct {
	int calls, err;
} remake;

static int reconstruct(void *arg, void *object, size_t size)
{
	CU_ASSERT_PTR_EQUAL(arg, &remake);
	remake.calls++;
	CU_ASSERT(zero(object, size));
	fill(object, size, 8);
	return remake.err;
}

static void test_reconstruct(void)
{
	struct shrink_region_options o = {.reconstruct = reconstruct, .arg = &remake};
	void *p;

	begin(&o, MIB);
	p = make(2 * PAGE, 3);
	ASSERT_INT(shrink_region_unpin(region, p), 0);
	ASSERT_INT(shrink_region_pin(region, p), SHRINK_REGION_KEPT);
	ASSERT_INT(remake.calls, 0);
	ASSERT_INT(shrink_region_unpin(region, p), 0);
	ASSERT_INT(shrink_start(SHRINK_START_SIMULATED), 0);
	ASSERT_INT(shrink_drop_all(), 2);
	ASSERT_INT(shrink_stop(), 0);
	remake.err = -EIO;
	ASSERT_INT(shrink_region_pin(region, p), -EIO);
	ASSERT_INT(shrink_region_unpin(region, p), -EALREADY);
	ASSERT_INT(stats().unpinned_bytes, 0); /* purged still: there is nothing to take */
	remake.err = 0;
	/* what it had written before it failed is no object */
	ASSERT_INT(shrink_region_pin(region, p), SHRINK_REGION_PURGED);
	CU_ASSERT(intact(p, 2 * PAGE, 8));
	ASSERT_INT(remake.calls, 2);
	ASSERT_INT(stats().reconstructed, 1);
	end();
}

/* The longest unpinned goes first, pages are charged, and what is pinned stays. */
static void test_scan(void)
{
	struct shrink_control sc = {.gfp_mask = SHRINK_GFP_ALL};
	struct shrinker *s;
	void *o[8];

	begin(NULL, MIB);
	s = shrink_region_shrinker(region);
	CU_ASSERT_FATAL(s != NULL);
	CU_ASSERT(s->count_objects(s, &sc) == SHRINK_EMPTY);
	for (int i = 0; i < 8; i++)
		o[i] = make(4 * PAGE, (unsigned int)i);
	for (int i = 0; i < 7; i++)
		ASSERT_INT(shrink_region_unpin(region, o[(i + 3) % 8]), 0);
	ASSERT_INT(s->count_objects(s, &sc), 28);
	sc.nr_to_scan = sc.nr_scanned = 8;
	ASSERT_INT(s->scan_objects(s, &sc), 8); /* 3 and 4, queued, not yet offered */
	ASSERT_INT(sc.nr_scanned, 8);
	shrink_region_flush(region);
	ASSERT_INT(shrink_region_pin(region, o[5]), SHRINK_REGION_KEPT);
	sc.nr_to_scan = sc.nr_scanned = 5; /* 6 whole, then 7 whole */
	sc.bytes_freed = 0;
	ASSERT_INT(s->scan_objects(s, &sc), 8);
	ASSERT_INT(sc.nr_scanned, 8);
	ASSERT_INT(sc.bytes_freed, 8 * PAGE);
	for (int i = 0; i < 8; i++) {
		bool gone = i == 3 || i == 4 || i == 6 || i == 7;

		ASSERT_INT(i == 2 || i == 5 ? 0 : shrink_region_pin(region, o[i]), gone);
		CU_ASSERT(gone ? zero(o[i], 4 * PAGE) : intact(o[i], 4 * PAGE, (unsigned int)i));
	}
	CU_ASSERT(s->count_objects(s, &sc) == SHRINK_EMPTY);
	ASSERT_INT(stats().purged_by_us_bytes, 16 * PAGE);
	ASSERT_INT(stats().purged_by_kernel_bytes, 0);
	end();
}

/* What the kernel has taken already is not freed again by a scan. */
static void test_scan_honest(void)
{
	struct shrink_control sc = {.gfp_mask = SHRINK_GFP_ALL, .nr_to_scan = 64};
	struct shrinker *s;
	char *o;

	begin(NULL, MIB);
	s = shrink_region_shrinker(region);
	o = make(64 * PAGE, 1);
	ASSERT_INT(shrink_region_unpin(region, o), 0);
	if (!purge_pages(o, 16)) {
		end();
		SKIP("the kernel takes no lazily freed pages here");
	}
	ASSERT_INT(s->scan_objects(s, &sc), 48);
	ASSERT_INT(stats().purged_by_us_bytes, 48 * PAGE);
	ASSERT_INT(stats().purged_by_kernel_bytes, 16 * PAGE);
	ASSERT_INT(shrink_region_pin(region, o), SHRINK_REGION_PURGED);
	end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"region: arguments", test_arguments},
		{"region: space", test_space},
		{"region: a pin cancels an unpin", test_cancelled},
		{"G11: what was not taken is as it was", test_kept},
		{"G11: one page taken is the object lost", test_purged},
		{"G11: a pinned object is left alone", test_counted},
		{"G11: first words of any value", test_first_words},
		{"region: reconstruct", test_reconstruct},
		{"region: scan takes the longest unpinned", test_scan},
		{"region: scan counts what was there", test_scan_honest},
		{NULL, NULL},
	};

	purge_stay_here();
	return test_main(argc, argv, "region", tests);
}

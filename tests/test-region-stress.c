// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * G11 under fire: threads pin, look at every page, write and unpin, while another makes
 * the kernel take what it may (MADV_PAGEOUT, again and again) and a third scans. An
 * object reported KEPT must be what was written last, on each of its pages; one
 * reported PURGED must be zero.
 *
 * Ranges of 512 pages: in small ones a broken protocol survives by luck. REGION_PINS
 * sets how many pins there are in all; TEST_SEED what they are. With REGION_LIGHT=1 a pin
 * costs a tenth, for ten million of them (make check-long): objects are smaller, the large
 * ones come more rarely, and the kernel is given a rest between two takings, for most of
 * the time was the faults of what it had taken.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <shrink/shrink.h>

#include "tests/harness.h"
#include "tests/random.h"

#define PAGE	     4096u
#define THREADS	     3
#define LARGE	     4			/* objects of a thread: 512 pages */
#define SMALL	     60			/* 1 to 16 pages */
#define SIZE	     ((size_t)40 << 20) /* holds all objects at their largest */
#define PINS_DEFAULT 60000
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

struct object {
	uint64_t *data;
	uint32_t pages;
	uint64_t version; /* written last; 0: never */
};

static struct {
	struct shrink_region *region;
	void *base; /* its first page */
	struct object objects[THREADS][LARGE + SMALL];
	uint64_t pins, torn, lost_pins, kept, purged, errors;
	int stop;
	bool light;
} world;

static void add(uint64_t *counter, uint64_t v)
{
	__atomic_fetch_add(counter, v, __ATOMIC_RELAXED);
}

static uint64_t get(uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* The words of a page that are looked at: the one that carries the canary, its
 * neighbour, one amid, the last. */
static const unsigned int places[] = {0, 1, 200, PAGE / 8 - 1};

static uint64_t stamp(const struct object *o, uint32_t page, unsigned int place, uint64_t version)
{
	uint64_t x = (uint64_t)(uintptr_t)o ^ (uint64_t)page << 32 ^ place;

	x = (x ^ version * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
	return x ^ x >> 31;
}

static void write_all(struct object *o, uint64_t version)
{
	for (uint32_t page = 0; page < o->pages; page++)
		for (unsigned int i = 0; i < 4; i++)
			o->data[page * (PAGE / 8) + places[i]] = stamp(o, page, places[i], version);
	o->version = version;
}

/* Pages that are not as version says; 0 = zero. */
static uint64_t damaged(struct object *o, uint64_t version)
{
	uint64_t bad = 0;

	for (uint32_t page = 0; page < o->pages; page++) {
		bool ok = true;

		for (unsigned int i = 0; i < 4; i++)
			ok &= o->data[page * (PAGE / 8) + places[i]] ==
			      (version ? stamp(o, page, places[i], version) : 0);
		bad += !ok;
	}
	return bad;
}

static void use(struct object *o, struct random *random)
{
	int found = shrink_region_pin(world.region, o->data);
	uint64_t bad;

	if (found < 0) {
		add(&world.errors, 1);
		return;
	}
	bad = damaged(o, found == SHRINK_REGION_KEPT ? o->version : 0);
	add(&world.torn, bad);
	add(&world.lost_pins, bad != 0);
	add(found == SHRINK_REGION_KEPT ? &world.kept : &world.purged, 1);
	/* mostly read; what is only read must survive as well as what is written */
	if (found == SHRINK_REGION_PURGED || bad || random_below(random, 4) == 0)
		write_all(o, o->version + 1);
	if (shrink_region_unpin(world.region, o->data) < 0)
		add(&world.errors, 1);
}

static void make(struct object *o, uint32_t pages)
{
	o->pages = pages;
	o->data = shrink_region_alloc(world.region, (size_t)pages * PAGE);
	if (!o->data) {
		add(&world.errors, 1);
		return;
	}
	write_all(o, 1);
	if (shrink_region_unpin(world.region, o->data) < 0)
		add(&world.errors, 1);
}

static void *work(void *arg)
{
	struct object *mine = arg;
	uint64_t first = (uint64_t)(mine - world.objects[0]);
	struct random random = random_seeded(random_new().seed + first);
	uint64_t small_pages = world.light ? 3 : 16, large_every = world.light ? 1024 : 64;

	for (int i = 0; i < LARGE + SMALL; i++)
		make(&mine[i], i < LARGE ? 512 : 1 + (uint32_t)random_below(&random, small_pages));
	while (!__atomic_load_n(&world.stop, __ATOMIC_RELAXED) && !get(&world.errors)) {
		/* large ones so often that as many of their pages are pinned as of others */
		bool large = random_below(&random, large_every) == 0;
		uint64_t i =
			large ? random_below(&random, LARGE) : LARGE + random_below(&random, SMALL);

		use(&mine[i], &random);
		add(&world.pins, 1);
		if (!large && random_below(&random, 512) == 0) {
			shrink_region_free(world.region, mine[i].data);
			make(&mine[i], 1 + (uint32_t)random_below(&random, small_pages));
		}
	}
	return NULL;
}

static void nap(long msec)
{
	nanosleep(&(struct timespec){0, msec * 1000000}, NULL);
}

/* The kernel's part, on all there is. */
static void *press(void *arg)
{
	while (!__atomic_load_n(&world.stop, __ATOMIC_RELAXED)) {
		madvise(world.base, SIZE, MADV_PAGEOUT);
		if (world.light)
			nap(1);
	}
	return arg;
}

static void *scan(void *arg)
{
	struct shrinker *s = shrink_region_shrinker(world.region);

	while (!__atomic_load_n(&world.stop, __ATOMIC_RELAXED)) {
		struct shrink_control sc = {
			.gfp_mask = SHRINK_GFP_ALL, .nr_to_scan = 16, .nr_scanned = 16};

		if (s->count_objects(s, &sc) != SHRINK_EMPTY)
			s->scan_objects(s, &sc);
		nap(5);
	}
	return arg;
}

static uint64_t pins_wanted(void)
{
	const char *text = getenv("REGION_PINS");

	return text ? strtoull(text, NULL, 10) : PINS_DEFAULT;
}

static void test_stress(void)
{
	pthread_t threads[THREADS + 2];
	struct shrink_region_stats st;
	uint64_t wanted = pins_wanted();

	memset(&world, 0, sizeof(world));
	world.light = getenv("REGION_LIGHT") != NULL;
	world.region = shrink_region_create(NULL, 0, SIZE, "stress");
	CU_ASSERT_FATAL(world.region != NULL);
	world.base = shrink_region_alloc(world.region, PAGE);
	CU_ASSERT_FATAL(world.base != NULL);
	for (int i = 0; i < THREADS; i++)
		CU_ASSERT_FATAL(!pthread_create(&threads[i], NULL, work, world.objects[i]));
	CU_ASSERT_FATAL(!pthread_create(&threads[THREADS], NULL, press, NULL));
	CU_ASSERT_FATAL(!pthread_create(&threads[THREADS + 1], NULL, scan, NULL));
	while (get(&world.pins) < wanted && !get(&world.errors) && !get(&world.torn))
		nap(5);
	__atomic_store_n(&world.stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS + 2; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT(!shrink_region_stats(world.region, &st, sizeof(st)));
	printf("# seed %llu: %llu pins, %llu kept (%llu before they were offered), %llu purged; "
	       "the kernel took %llu MiB, we %llu MiB\n",
	       (unsigned long long)random_new().seed, (unsigned long long)world.pins,
	       (unsigned long long)world.kept, (unsigned long long)st.cancelled,
	       (unsigned long long)world.purged,
	       (unsigned long long)(st.purged_by_kernel_bytes >> 20),
	       (unsigned long long)(st.purged_by_us_bytes >> 20));
	ASSERT_INT(world.errors, 0);
	ASSERT_INT(world.torn, 0);
	ASSERT_INT(st.trespasses, 0);
	/* both happened, or nothing was tested */
	CU_ASSERT(world.kept > 0 && world.purged > 0);
	CU_ASSERT(st.purged_by_kernel_bytes > 0);
	CU_ASSERT(st.offered_bytes <= st.unpinned_bytes);
	shrink_region_destroy(world.region);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"G11: never torn while the kernel takes pages", test_stress},
		{NULL, NULL},
	};

	return test_main(argc, argv, "region-stress", tests);
}

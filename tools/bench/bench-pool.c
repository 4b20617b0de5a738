// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The page-true pool: what an object costs, beside malloc, and how fast a scan with
 * a trivial callback gives memory back. In CPU time of the thread, so that a busy
 * machine does not count.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <shrink/fast.h>
#include <shrink/shrink.h>

#include "tools/bench/bench.h"

#define BYTES  ((size_t)256 << 20)
#define ROUNDS (1u << 21)

static struct shrink_pool *pool;
static void **objects;
static size_t nr;
static uint64_t state = 88172645463325252ull;

static size_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % nr;
}

static double cpu_nsec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static enum shrink_evict evict(void *arg, void *object, size_t size)
{
	(void)arg;
	(void)object;
	(void)size;
	return SHRINK_EVICTED;
}

static void report(const char *what, const char *unit, double value, double baseline)
{
	bench_print(&(struct bench_figure){
		.bench = "pool", .what = what, .unit = unit, .value = value, .baseline = baseline});
}

static void *from_pool(size_t size)
{
	return shrink_pool_alloc(pool, size);
}

static void to_pool(void *object)
{
	shrink_pool_free(pool, object);
}

static void fill(void *(*alloc)(size_t), size_t size)
{
	for (size_t i = 0; i < nr; i++) {
		objects[i] = alloc(size);
		if (!objects[i])
			bench_die("out of memory", 12);
		memset(objects[i], 1, size);
	}
}

/* Nanoseconds of free + alloc of a random one among all. */
static double pairs(void *(*alloc)(size_t), void (*release)(void *), size_t size)
{
	double start = cpu_nsec();

	for (unsigned int i = 0; i < ROUNDS; i++) {
		size_t k = any();

		release(objects[k]);
		objects[k] = alloc(size);
	}
	return (cpu_nsec() - start) / ROUNDS;
}

static double marks(size_t among)
{
	const struct shrink_fast_pool *fast = shrink_pool_fast(pool);
	double start = cpu_nsec();

	for (unsigned int i = 0; i < ROUNDS; i++)
		shrink_fast_pool_mark(fast, objects[any() % among]);
	return (cpu_nsec() - start) / ROUNDS;
}

/* GB/s at which scans of 128 pages give everything back. */
static double release_all(void)
{
	struct shrinker *s = shrink_pool_shrinker(pool);
	double start = cpu_nsec();
	uint64_t bytes = 0;

	for (;;) {
		struct shrink_control sc = {
			.gfp_mask = SHRINK_GFP_ALL, .nr_to_scan = 128, .nr_scanned = 128};

		if (s->count_objects(s, &sc) == SHRINK_EMPTY)
			break;
		s->scan_objects(s, &sc);
		bytes += sc.bytes_freed;
	}
	return (double)bytes / (cpu_nsec() - start);
}

static double malloc_pairs(size_t size)
{
	double nsec;

	fill(malloc, size);
	nsec = pairs(malloc, free, size);
	for (size_t i = 0; i < nr; i++)
		free(objects[i]);
	return nsec;
}

static void one_size(size_t size, const char *const names[4])
{
	double baseline;

	nr = BYTES / size;
	baseline = malloc_pairs(size);
	fill(from_pool, size);
	report(names[0], "cpu nsec", pairs(from_pool, to_pool, size), baseline);
	report(names[1], "cpu nsec", marks(nr), 0);
	report(names[2], "cpu nsec", marks(64), 0);
	report(names[3], "GB/cpu s", release_all(), 0);
}

int main(void)
{
	static const char *const small[] = {"pool, 64 B: free+alloc at random, beside malloc",
					    "pool, 64 B: mark at random",
					    "pool, 64 B: mark a hot one", "pool, 64 B: given back"};
	static const char *const middle[] = {
		"pool, 1 KiB: free+alloc at random, beside malloc", "pool, 1 KiB: mark at random",
		"pool, 1 KiB: mark a hot one", "pool, 1 KiB: given back"};
	static const char *const large[] = {
		"pool, 16 KiB: free+alloc at random, beside malloc", "pool, 16 KiB: mark at random",
		"pool, 16 KiB: mark a hot one", "pool, 16 KiB: given back"};
	struct shrink_pool_options o = {.evict = evict};

	pool = shrink_pool_create(&o, sizeof(o), "bench");
	objects = malloc(BYTES / 64 * sizeof(*objects));
	if (!pool || !objects)
		bench_die("out of memory", 12);
	one_size(64, small);
	one_size(1024, middle);
	one_size(16384, large);
	shrink_pool_destroy(pool);
	free(objects);
	return 0;
}

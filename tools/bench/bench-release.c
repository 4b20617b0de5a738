// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * A quarter of a cache given up, its objects aged in random order: how much of what was
 * evicted comes back, and how fast, from a pool and from malloc with a trim. The cache
 * is a table that each object knows its place in, as evicting from it costs a look at the
 * object. In CPU time of the thread; what is resident is the kernel's word.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <shrink/fast.h>
#include <shrink/shrink.h>

#include "tools/bench/bench.h"

#define BYTES ((size_t)256 << 20)

struct object {
	uint32_t linked; /* place + 1; 0 = not linked */
	uint32_t size;
};

struct result {
	double rate; /* GB/s */
	double returned_evicted;
};

static struct shrink_pool *pool;
static struct object **table;
static uint32_t *order; /* places, the least recently used first */
static size_t nr;
static uint64_t state;

static size_t below(size_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n;
}

static double cpu_nsec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static uint64_t resident(void)
{
	unsigned long long size, pages = 0, shared = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%llu %llu %llu", &size, &pages, &shared) != 3)
		pages = shared = 0;
	if (f)
		fclose(f);
	return (pages - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static enum shrink_evict evict(void *arg, void *object, size_t size)
{
	struct object *o = object;

	(void)arg;
	(void)size;
	if (!o->linked)
		return SHRINK_BUSY;
	table[o->linked - 1] = NULL;
	return SHRINK_EVICTED;
}

static void put(size_t place, size_t size, int in_pool)
{
	struct object *o = in_pool ? shrink_pool_alloc(pool, size) : malloc(size);

	if (!o)
		bench_die("out of memory", 12);
	memset(o + 1, 1, size - sizeof(*o));
	o->size = (uint32_t)size;
	o->linked = (uint32_t)place + 1;
	table[place] = o;
}

/* Every object is replaced twice over, in random order, and use has no order either. */
static void age(size_t size, int in_pool)
{
	const struct shrink_fast_pool *fast = shrink_pool_fast(pool);

	state = 88172645463325252ull;
	for (size_t i = 0; i < nr; i++) {
		put(i, size, in_pool);
		order[i] = (uint32_t)i;
	}
	for (size_t i = 0; i < nr * 2; i++) {
		size_t k = below(nr);

		if (in_pool)
			shrink_pool_free(pool, table[k]);
		else
			free(table[k]);
		put(k, size, in_pool);
	}
	for (size_t i = nr; i > 1; i--) {
		size_t k = below(i);
		uint32_t at = order[k];

		order[k] = order[i - 1];
		order[i - 1] = at;
	}
	for (size_t i = nr / 2; in_pool && i < nr; i++) /* the younger half was used lately */
		shrink_fast_pool_mark(fast, table[order[i]]);
}

static struct result result(uint64_t full, uint64_t evicted, double nsec)
{
	uint64_t now = resident(), back = full > now ? full - now : 0;

	return (struct result){.rate = (double)back / nsec,
			       .returned_evicted = (double)back / (double)evicted};
}

static struct result from_malloc(size_t size)
{
	uint64_t full = resident(), evicted = 0;
	double start = cpu_nsec();

	for (size_t i = 0; i < nr / 4; i++) {
		evicted += malloc_usable_size(table[order[i]]);
		free(table[order[i]]);
		table[order[i]] = NULL;
	}
	malloc_trim(0);
	(void)size;
	return result(full, evicted, cpu_nsec() - start);
}

static struct result from_pool(size_t size)
{
	struct shrinker *s = shrink_pool_shrinker(pool);
	uint64_t full = resident(), want = nr / 4 * size, back = 0;
	struct shrink_pool_stats st;
	double start = cpu_nsec(), nsec;

	for (int i = 0; i < 1 << 16 && back < want; i++) {
		struct shrink_control sc = {.gfp_mask = SHRINK_GFP_ALL,
					    .nr_to_scan = 128,
					    .nr_scanned = 128,
					    .bytes_to_free = want - back};

		s->scan_objects(s, &sc);
		back += sc.bytes_freed;
	}
	nsec = cpu_nsec() - start;
	shrink_pool_stats(pool, &st, sizeof(st));
	return result(full, st.evicted_bytes, nsec);
}

static void report(size_t size, const char *what, const char *unit, double value, double baseline)
{
	char text[128];

	snprintf(text, sizeof(text), "a quarter of objects of %zu B aged in random order: %s", size,
		 what);
	bench_print(&(struct bench_figure){.bench = "release",
					   .what = text,
					   .unit = unit,
					   .value = value,
					   .baseline = baseline});
}

static void one_size(size_t size)
{
	struct shrink_pool_options o = {.evict = evict};
	struct result with_malloc, with_pool;

	nr = BYTES / size;
	age(size, 0);
	with_malloc = from_malloc(size);
	for (size_t i = 0; i < nr; i++)
		free(table[i]);
	malloc_trim(0);
	pool = shrink_pool_create(&o, sizeof(o), "bench");
	if (!pool)
		bench_die("no pool", 12);
	age(size, 1);
	with_pool = from_pool(size);
	shrink_pool_destroy(pool);
	pool = NULL;
	report(size, "returned", "GB/cpu s", with_pool.rate, with_malloc.rate);
	report(size, "returned per byte evicted", "", with_pool.returned_evicted,
	       with_malloc.returned_evicted);
}

int main(void)
{
	table = calloc(BYTES / 100, sizeof(*table));
	order = calloc(BYTES / 100, sizeof(*order));
	if (!table || !order)
		bench_die("out of memory", 12);
	one_size(100);
	one_size(1024);
	one_size(4096);
	free(table);
	free(order);
	return 0;
}

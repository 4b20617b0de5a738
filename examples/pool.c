/* SPDX-License-Identifier: MIT */
/*
 * A cache that gives up a quarter of itself, kept in malloc's heap and kept in a pool:
 * how much of it does the system get back? One line for each size of objects,
 *
 *	object size, % returned by malloc, % returned by the pool
 *
 * of the bytes evicted. The cache is a table of pointers; what is used is marked, and
 * what was not used lately is evicted first, so that survivors lie everywhere.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <shrink/fast.h>
#include <shrink/shrink.h>

#define BYTES ((size_t)48 << 20)
#define HOT   4 /* one object of so many is used all the time */

struct object {
	uint32_t linked; /* place + 1; 0 = not in the table */
	unsigned char fill[];
};

static struct shrink_pool *pool; /* NULL: malloc's turn */
static struct object **table;
static size_t nr, size;
static size_t evicted; /* bytes */

static size_t resident(void)
{
	unsigned long pages = 0, shared = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%*u %lu %lu", &pages, &shared) != 2)
		pages = shared = 0;
	if (f)
		fclose(f);
	return (pages - shared) * (size_t)sysconf(_SC_PAGESIZE);
}

static int is_hot(size_t place)
{
	return place * 2654435761u % 65536 < 65536 / HOT;
}

/* libshrink: "may this object go?" Unlinked, and the memory is the pool's. */
static enum shrink_evict evict(void *arg, void *object, size_t usable)
{
	struct object *o = object;

	(void)arg;
	(void)usable;
	if (!o->linked)
		return SHRINK_BUSY;
	table[o->linked - 1] = NULL;
	evicted += size;
	return SHRINK_EVICTED;
}

/* libshrink: "this one is in use, but its slab should go: may it lie elsewhere?" */
static int move(void *arg, void *from, void *to, size_t usable)
{
	struct object *o = from;

	(void)arg;
	(void)usable;
	if (!o->linked)
		return -1;
	memcpy(to, from, size);
	table[o->linked - 1] = to;
	return 0;
}

static void fill(void)
{
	for (size_t i = 0; i < nr; i++) {
		struct object *o = pool ? shrink_pool_alloc(pool, size) : malloc(size);

		if (!o) {
			fputs("out of memory\n", stderr);
			exit(1);
		}
		memset(o->fill, 1, size - sizeof(*o));
		o->linked = (uint32_t)i + 1;
		table[i] = o;
	}
}

/* Cold objects in an order that has nothing to do with where they lie. */
static void evict_from_heap(size_t goal)
{
	for (size_t i = 0, place = 0; i < nr && evicted < goal; i++) {
		place = (place + 7919) % nr;
		if (is_hot(place) || !table[place])
			continue;
		free(table[place]);
		table[place] = NULL;
		evicted += size;
	}
	malloc_trim(0);
}

/* Hits mark; reclaim asks the pool for pages, as it does under pressure. */
static void evict_from_pool(size_t goal)
{
	for (int i = 0; i < 1000 && evicted < goal; i++) {
		for (size_t place = 0; place < nr; place++)
			if (is_hot(place) && table[place])
				shrink_fast_pool_mark(shrink_pool_fast(pool), table[place]);
		shrink_all_memory(goal / 16);
	}
}

static double percent_returned(void)
{
	size_t before, after;

	evicted = 0;
	fill();
	before = resident();
	if (pool)
		evict_from_pool(BYTES / 4);
	else
		evict_from_heap(BYTES / 4);
	after = resident();
	for (size_t i = 0; i < nr; i++) {
		if (pool)
			shrink_pool_free(pool, table[i]);
		else
			free(table[i]);
	}
	return evicted && before > after ? 100.0 * (double)(before - after) / (double)evicted : 0;
}

int main(void)
{
	static const size_t sizes[] = {100, 300, 1000, 4000};
	struct shrink_pool_options options;

	/* libshrink: simulated, so that nothing but we starts reclaim here */
	if (shrink_start(SHRINK_START_SIMULATED) < 0)
		return 1;
	memset(&options, 0, sizeof(options));
	options.evict = evict;
	options.move = move;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		double heap;

		size = sizes[i];
		nr = BYTES / size;
		table = calloc(nr, sizeof(*table));
		if (!table)
			return 1;
		heap = percent_returned();
		pool = shrink_pool_create(&options, sizeof(options), "objects");
		if (!pool)
			return 1;
		printf("%zu, %.0f, %.0f\n", size, heap, percent_returned());
		shrink_pool_destroy(pool);
		pool = NULL;
		free(table);
	}
	return 0;
}

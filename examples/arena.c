/* SPDX-License-Identifier: MIT */
/*
 * arena: a cache that stays with malloc, but gives pages back. Its objects live in a
 * jemalloc arena of their own; scan takes more of the coldest than it has to evict, and
 * evicts those on the sparsest slabs.
 *
 *	LD_PRELOAD=libjemalloc.so.2 ./arena
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>

#define OBJECTS 65536ul
#define SIZE	((size_t)1000)

static struct shrink_arena *arena;
static struct shrink_arena_candidate
	coldest[OBJECTS]; /* in the order in which they were used, oldest first */
static unsigned long first, candidates;
static bool sorted;

/* Use is random, so an object's age says nothing about where it lies. */
static void fill(void)
{
	for (unsigned long i = 0; i < OBJECTS; i++) {
		coldest[i].object = shrink_arena_alloc(arena, SIZE);
		if (!coldest[i].object)
			exit(1);
		memset(coldest[i].object, 1, SIZE);
	}
	srandom(1);
	for (unsigned long i = OBJECTS - 1; i; i--) {
		unsigned long k = (unsigned long)random() % (i + 1);
		struct shrink_arena_candidate swap = coldest[i];

		coldest[i] = coldest[k];
		coldest[k] = swap;
	}
	first = 0;
	sorted = false;
}

static unsigned long cache_count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return first < OBJECTS ? OBJECTS - first : SHRINK_EMPTY;
}

/* A real cache would sort some of its coldest now and then, this one does it once. */
static unsigned long cache_scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long freed = 0;

	(void)s;
	if (!sorted)
		shrink_arena_sort(arena, coldest, candidates);
	sorted = true;
	for (; freed < sc->nr_to_scan && first < OBJECTS; freed++)
		shrink_arena_free(arena, coldest[first++].object);
	return freed;
}

/* A quarter of the cache goes; how much of that came back as pages? */
static int quarter(unsigned long among)
{
	struct shrinker *s = shrinker_alloc(SHRINKER_DIRECT, "arena");
	struct shrink_arena_stats before, after;
	uint64_t evicted, returned;

	if (!s)
		return 1;
	arena = shrink_arena_create(NULL, 0);
	if (!arena)
		return 1;
	candidates = among;
	s->count_objects = cache_count;
	s->scan_objects = cache_scan;
	s->object_size = 1024;
	s->batch = 64;
	if (shrinker_register(s) < 0)
		return 1;
	fill();
	shrink_arena_stats(arena, &before, sizeof(before));
	while (first < OBJECTS / 4 && shrink_all_memory(1 << 20))
		;
	shrink_arena_purge(arena);
	evicted = first * SIZE;
	shrink_arena_stats(arena, &after, sizeof(after));
	returned = before.active - after.active;
	printf("of the %3lu %% coldest: %3.0f %% of what was evicted came back\n",
	       among * 100 / OBJECTS, 100.0 * (double)returned / (double)evicted);
	shrinker_free(s);
	shrink_arena_destroy(arena);
	return 0;
}

int main(void)
{
	if (shrink_arena_supported() < 0) {
		printf("no jemalloc 5 here: LD_PRELOAD=libjemalloc.so.2 ./arena\n");
		return 0;
	}
	if (shrink_start(0) < 0)
		return 1;
	for (unsigned long quarters = 1; quarters <= 4; quarters++)
		if (quarter(OBJECTS / 4 * quarters))
			return 1;
	return shrink_stop() < 0;
}

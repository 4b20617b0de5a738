/* SPDX-License-Identifier: MIT */
/*
 * What the loop-*.c examples have in common: a cache that only the loop touches, so that
 * it needs no lock, and no thread of the library's.
 */
#include <stdio.h>
#include <stdlib.h>

#include <shrink/shrink.h>

#include "examples/loop.h"

#define ENTRY_BYTES 4096
#define ENTRIES	    5000
#define ASKED	    (2 << 20)
#define BUDGET_USEC 2000 /* of scanning at a stretch; clients wait meanwhile */

static void *entries[ENTRIES];
static unsigned long nr_entries;
static long freed;

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return nr_entries;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n = 0;

	(void)s;
	for (; n < sc->nr_to_scan && nr_entries; n++)
		free(entries[--nr_entries]);
	return n;
}

static struct shrinker *make_cache(void)
{
	struct shrinker *s = shrinker_alloc(0, "loop");

	while (s && nr_entries < ENTRIES && (entries[nr_entries] = malloc(ENTRY_BYTES)))
		nr_entries++;
	if (!s)
		return NULL;
	s->count_objects = count;
	s->scan_objects = scan;
	s->object_size = ENTRY_BYTES;
	if (shrinker_register(s) == 0)
		return s;
	shrinker_free(s);
	return NULL;
}

bool serve(void)
{
	freed += shrink_dispatch(BUDGET_USEC);
	return freed >= ASKED / ENTRY_BYTES;
}

int main(void)
{
	struct shrinker *s = make_cache();

	if (!s || shrink_start(SHRINK_START_LOOP) < 0)
		return 1;
	/* What real pressure would do, without waiting for it. */
	shrink_pressure(SHRINK_LEVEL_MEDIUM, ASKED);
	if (run_loop(shrink_get_fd()) < 0)
		return 1;
	shrink_stop();
	shrinker_free(s);
	printf("freed %ld in the loop, left %lu\n", freed, nr_entries);
	while (nr_entries)
		free(entries[--nr_entries]);
	return freed >= ASKED / ENTRY_BYTES ? 0 : 1;
}

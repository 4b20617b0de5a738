/* SPDX-License-Identifier: MIT */
/*
 * workingset: a cache of a fixed number of objects on two lists. A scan through keys
 * that are used once leaves the hot ones alone, and a loop larger than the cache is
 * hit, where an LRU would miss every time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>

#define KEYS 3000u
#define CAPACITY 1000u

struct entry {
	struct shrink_lruvec_item item; /* first, so that an item is its entry */
	unsigned int key;
	char value[200];
};

static struct entry *table[KEYS]; /* a real cache would have a hash table, and a lock */
static unsigned int nr_entries;

/* May it go? It can always, here: unlink it. A cache with threads tries the entry's
 * lock and answers SHRINK_LRUVEC_LOCKED if that is taken. */
static enum shrink_lruvec_outcome evict(void *arg, struct shrink_lruvec_item *item,
					struct shrink_lruvec_ask *ask)
{
	struct entry *e = (struct entry *)item;

	(void)arg;
	(void)ask;
	table[e->key] = NULL;
	nr_entries--;
	return SHRINK_LRUVEC_FREED;
}

static void free_entry(void *arg, struct shrink_lruvec_item *item)
{
	(void)arg;
	free(item);
}

/* 1: a hit. 0: a miss, and it is there now. */
static int cache_get(struct shrink_lruvec *lv, unsigned int key)
{
	struct entry *e = table[key];

	if (e) {
		shrink_fast_mark(&e->item.mark); /* all there is to a hit */
		return 1;
	}
	if (nr_entries == CAPACITY)
		shrink_lruvec_evict(lv, 0, SHRINK_GFP_ALL, 1, NULL, 0);
	e = calloc(1, sizeof(*e));
	if (!e)
		return 0;
	e->key = key;
	snprintf(e->value, sizeof(e->value), "value of %u", key);
	table[key] = e;
	nr_entries++;
	/* looks for the key's ghost: was it here not long ago? */
	if (shrink_lruvec_add(lv, &e->item, shrink_workingset_hash(&key, sizeof(key)),
			      SHRINK_LRUVEC_CLEAN, 0, NULL, 0) < 0)
		abort();
	return 0;
}

/* Goes through keys first .. last so many times; percent of hits on the last. */
static unsigned int loop(struct shrink_lruvec *lv, unsigned int first, unsigned int last,
			 unsigned int times)
{
	unsigned int hits = 0;

	for (unsigned int n = 0; n < times; n++) {
		hits = 0;
		for (unsigned int key = first; key < last; key++)
			hits += (unsigned int)cache_get(lv, key);
	}
	return hits * 100 / (last - first);
}

int main(void)
{
	struct shrink_lruvec_options options = {
		.evict = evict,
		.free = free_entry,
		.object_size = sizeof(struct entry),
		.ghosts = 2 * CAPACITY,
	};
	struct shrink_lruvec *lv = shrink_lruvec_create(&options, sizeof(options), "workingset");
	struct shrink_lruvec_stats stats;
	unsigned int hot, cycle;

	if (!lv || shrink_start(0) < 0) /* under real pressure it shrinks besides */
		return 1;
	loop(lv, 0, 400, 3);                  /* 400 hot keys, used more than once */
	loop(lv, 1000, KEYS, 1);              /* a scan, of twice the cache */
	hot = loop(lv, 0, 400, 1);
	cycle = loop(lv, 1000, 2250, 40);     /* a loop larger than the cache by a quarter */
	if (shrink_lruvec_stats(lv, SHRINK_NUMA_NO_NODE, &stats, sizeof(stats)) < 0)
		return 1;
	printf("hot keys after a scan: %u%% hit\n", hot);
	printf("a loop larger than the cache: %u%% hit, %llu refaults\n", cycle,
	       (unsigned long long)stats.refaults);
	shrink_stop();
	shrink_lruvec_destroy(lv);
	for (unsigned int key = 0; key < KEYS; key++)
		free(table[key]);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * hello-shrinker: the least a cache needs. Two callbacks say how much could go
 * and let some of it go; the library decides when, and how much of whose.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>

#define ENTRY_BYTES ((size_t)16 * 1024)
#define ENTRIES	    1000

struct entry {
	struct entry *next;
	char value[ENTRY_BYTES - sizeof(struct entry *)];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *oldest, *newest;
static unsigned long nr_entries; /* atomic, so that count needs no lock */

static int cache_add(const char *text)
{
	struct entry *e = malloc(sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->next = NULL;
	memset(e->value, 0, sizeof(e->value)); /* a real cache's value would fill it */
	snprintf(e->value, sizeof(e->value), "%s", text);
	pthread_mutex_lock(&lock);
	if (newest)
		newest->next = e;
	else
		oldest = e;
	newest = e;
	__atomic_fetch_add(&nr_entries, 1ul, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock);
	return 0;
}

static struct entry *take_oldest(void)
{
	struct entry *e = oldest;

	if (!e)
		return NULL;
	oldest = e->next;
	if (!oldest)
		newest = NULL;
	__atomic_fetch_sub(&nr_entries, 1ul, __ATOMIC_RELAXED);
	return e;
}

/* How many objects could be freed? Cheap, and never waits. */
static unsigned long cache_count(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n = __atomic_load_n(&nr_entries, __ATOMIC_RELAXED);

	(void)s;
	(void)sc;
	return n ? n : SHRINK_EMPTY;
}

/* Look at sc->nr_to_scan objects and free them; say how many went. Where the
 * lock is taken no progress is possible now: SHRINK_STOP, and it is made up
 * for later. */
static unsigned long cache_scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long freed = 0;
	struct entry *e;

	(void)s;
	if (pthread_mutex_trylock(&lock))
		return SHRINK_STOP;
	while (freed < sc->nr_to_scan && (e = take_oldest())) {
		free(e);
		freed++;
	}
	pthread_mutex_unlock(&lock);
	return freed;
}

int main(void)
{
	struct shrinker *s = shrinker_alloc(SHRINKER_DIRECT, "hello");
	uint64_t freed;
	int r;

	if (!s)
		return 1;
	s->count_objects = cache_count;
	s->scan_objects = cache_scan;
	s->object_size = ENTRY_BYTES;
	r = shrinker_register(s);
	if (r == 0)
		r = shrink_start(0); /* from now on real pressure is answered */
	for (int i = 0; r == 0 && i < ENTRIES; i++)
		r = cache_add("hello");
	if (r < 0) {
		fprintf(stderr, "hello-shrinker: %s\n", strerror(-r));
		return 1;
	}
	printf("cached %lu\n", nr_entries);
	/* Pressure does not come at command: ask for 4 MiB as a trim would. */
	freed = shrink_all_memory(4 << 20);
	printf("freed %llu bytes, left %lu\n", (unsigned long long)freed, cache_count(s, NULL));
	shrink_stop();
	shrinker_free(s); /* after this no callback runs: the cache may go */
	for (struct entry *e; (e = take_oldest());)
		free(e);
	return freed >= (4 << 20) ? 0 : 1;
}

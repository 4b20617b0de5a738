/* SPDX-License-Identifier: MIT */
/*
 * lru-cache: second chance ready-made. A hit marks the object and moves nothing; the walk
 * starts at the oldest and lets those go that were not marked since it last came by.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <shrink/shrink.h>

enum { BUCKETS = 4096, KEYS = 20000, HOT = 1000, BYTES = 1024 };

struct object {
	struct shrink_lru_item item; /* first: their addresses are one */
	struct object *next;
	unsigned int key;
	unsigned char mark;
	char value[BYTES - 40];
};

static struct object *buckets[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the table */
static struct shrink_lru *lru;

static int cache_hit(unsigned int key)
{
	struct object *o;

	pthread_mutex_lock(&lock);
	for (o = buckets[key % BUCKETS]; o && o->key != key; o = o->next)
		;
	if (o)
		shrink_fast_mark(&o->mark); /* all there is to do: at most one store */
	pthread_mutex_unlock(&lock);
	return o != NULL;
}

static int cache_add(unsigned int key)
{
	struct object *o = calloc(1, sizeof(*o));

	if (!o)
		return 0;
	o->key = key;
	pthread_mutex_lock(&lock);
	o->next = buckets[key % BUCKETS];
	buckets[key % BUCKETS] = o;
	shrink_lru_add(lru, &o->item, 0, NULL);
	pthread_mutex_unlock(&lock);
	return 1;
}

static void unlink_object(struct object *o)
{
	struct object **link = &buckets[o->key % BUCKETS];

	for (; *link != o; link = &(*link)->next)
		;
	*link = o->next;
}

/* The list's lock is held, and the table's comes before it: so it is only tried. */
static enum shrink_lru_status ask(struct shrink_lru_item *item, struct shrink_lru_one *list,
				  void *dispose)
{
	struct object *o = (struct object *)item;

	if (shrink_fast_test_clear(&o->mark))
		return SHRINK_LRU_ROTATE;
	if (pthread_mutex_trylock(&lock))
		return SHRINK_LRU_SKIP;
	unlink_object(o);
	shrink_lru_isolate_move(list, item, dispose);
	pthread_mutex_unlock(&lock);
	return SHRINK_LRU_REMOVED;
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	return shrink_lru_count(s->private_data, sc);
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	struct shrink_lru_head dispose = {NULL, NULL, 0};
	struct shrink_lru_item *item; /* unlinked under locks, freed after them */
	unsigned long freed = shrink_lru_scan(s->private_data, sc, ask, &dispose);

	while ((item = shrink_lru_pop(&dispose)) != NULL)
		free(item);
	return freed;
}

int main(void)
{
	struct shrinker *s = shrinker_alloc(SHRINKER_DIRECT, "lru-cache");
	unsigned int left = 0;

	if (!s || !(lru = shrink_lru_create(s)))
		return 1;
	s->count_objects = count, s->scan_objects = scan;
	s->private_data = lru, s->object_size = BYTES;
	if (shrinker_register(s) || shrink_start(0))
		return 1;
	for (unsigned int key = 0; key < KEYS && cache_add(key); key++)
		cache_hit(key % HOT); /* the first keys are the oldest, and hot */
	printf("freed %lu", shrink_slab(SHRINK_GFP_ALL, SHRINK_NUMA_NO_NODE, NULL, 2));
	for (unsigned int key = 0; key < HOT; key++)
		left += (unsigned int)cache_hit(key);
	printf(", hot ones left %u of %u\n", left, (unsigned int)HOT);
	while (shrink_drop_all())
		; /* all that is left */
	shrink_stop();
	shrinker_free(s);
	shrink_lru_destroy(lru);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * sharded-hash: a concurrent table. Scans take a shard's lock only if it is free;
 * what is in use is unlinked now, reported as pending, credited by its last user.
 */
#include <pthread.h>
#include <shrink/shrink.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHARDS = 1024, KEYS = 20000, BYTES = 1024 };
struct object {
	struct object *next;
	unsigned int key, refs; /* refs: atomic; being linked is one */
	unsigned char mark, pending;
	char value[BYTES - 24];
};
static struct shard { pthread_mutex_t lock; struct object *head; } shards[SHARDS];
static unsigned long nr_linked, hand; /* hand: the shard to scan next; atomic */
static struct shrinker *shrinker;

/* The last user frees it; if a scan reported it as pending, it is free now. */
static void object_put(struct object *o)
{
	if (!o || __atomic_sub_fetch(&o->refs, 1u, __ATOMIC_ACQ_REL))
		return;
	if (o->pending)
		shrinker_complete(shrinker, 0, 1, BYTES);
	free(o);
}

static struct object *table_get(unsigned int key)
{
	struct shard *sh = &shards[key % SHARDS];
	struct object *o;

	pthread_mutex_lock(&sh->lock);
	o = sh->head;
	while (o && o->key != key)
		o = o->next;
	if (o)
		__atomic_fetch_add(&o->refs, 1u, __ATOMIC_RELAXED), shrink_fast_mark(&o->mark);
	pthread_mutex_unlock(&sh->lock);
	return o;
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	return (void)s, (void)sc, __atomic_load_n(&nr_linked, __ATOMIC_RELAXED);
}

/* Unlinks what was not used since last asked; @link is a chain whose lock we hold. */
static unsigned long scan_chain(struct object **link, struct shrink_control *sc)
{
	unsigned long freed = 0;

	for (struct object *o; (o = *link); sc->nr_scanned++) {
		if (shrink_fast_test_clear(&o->mark)) {
			link = &o->next;
			continue;
		}
		*link = o->next;
		__atomic_fetch_sub(&nr_linked, 1ul, __ATOMIC_RELAXED);
		o->pending = __atomic_load_n(&o->refs, __ATOMIC_ACQUIRE) > 1;
		sc->nr_pending += o->pending;
		freed += !o->pending;
		object_put(o); /* may complete it before we report it: that is fine */
	}
	return freed;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long wanted = sc->nr_to_scan, freed = 0;

	sc->nr_scanned = 0;
	for (unsigned int i = 0; s && i < SHARDS && sc->nr_scanned < wanted; i++) {
		struct shard *sh = &shards[__atomic_fetch_add(&hand, 1, __ATOMIC_RELAXED) % SHARDS];

		if (pthread_mutex_trylock(&sh->lock))
			continue; /* its holder may be waiting for memory */
		freed += scan_chain(&sh->head, sc);
		pthread_mutex_unlock(&sh->lock);
	}
	return sc->nr_scanned ? freed : SHRINK_STOP;
}

static void *user(void *arg)
{
	for (unsigned int i = 0; i < 2000000; i++)
		object_put(table_get(i * 69069 % KEYS));
	return arg;
}

int main(void)
{
	struct object *o, *mine;
	pthread_t t;

	for (unsigned int key = 0; key < KEYS && (o = malloc(sizeof(*o))); key++, nr_linked++) {
		*o = (struct object){.next = shards[key % SHARDS].head, .key = key, .refs = 1};
		shards[key % SHARDS].head = o;
	}
	mine = table_get(7);
	if (!mine || !(shrinker = shrinker_alloc(SHRINKER_DIRECT, "table")))
		return 1;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->object_size = BYTES; /* bytes that scan and pending come to */
	if (shrinker_register(shrinker) || shrink_start(0) || pthread_create(&t, NULL, user, NULL))
		return 1;
	for (int i = 0; count(NULL, NULL) && i < 1000; i++)
		printf("freed %lu\n", shrink_drop_all());
	pthread_join(t, NULL);
	object_put(mine); /* was pending until now */
	shrink_stop();
	shrinker_free(shrinker);
	return nr_linked != 0;
}

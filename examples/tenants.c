/* SPDX-License-Identifier: MIT */
/*
 * Tenants: one cache, its memory limited and protected for each tenant by itself.
 * "small" may have 1 MiB and pays for its own growth; "gold" is protected, so that
 * under pressure the others pay.
 */
#include <pthread.h>
#include <shrink/shrink.h>
#include <stdio.h>
#include <stdlib.h>

#define TENANTS 3
#define ENTRY 4096

struct entry {
	struct entry *next; /* and the rest of ENTRY bytes */
};

struct tenant {
	const char *name;
	struct shrink_memcg *memcg;
	struct entry *entries;
	unsigned long count;
};

static struct tenant tenants[TENANTS] = {{.name = "small"}, {.name = "gold"}, {.name = "guest"}};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shrinker *shrinker;

static struct tenant *tenant_of(const struct shrink_memcg *memcg)
{
	int i = 0;

	while (i < TENANTS && tenants[i].memcg != memcg)
		i++;
	return i < TENANTS ? &tenants[i] : NULL; /* the root: nothing is kept there */
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	struct tenant *t = tenant_of(sc->memcg);
	unsigned long n;

	(void)s;
	pthread_mutex_lock(&lock);
	n = t ? t->count : 0;
	pthread_mutex_unlock(&lock);
	return n ? n : SHRINK_EMPTY; /* EMPTY: do not ask again until a bit is set */
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	struct tenant *t = tenant_of(sc->memcg);
	unsigned long freed = 0;

	(void)s;
	pthread_mutex_lock(&lock);
	for (; t && t->entries && freed < sc->nr_to_scan; freed++) {
		struct entry *e = t->entries;

		t->entries = e->next;
		t->count--;
		free(e);
	}
	pthread_mutex_unlock(&lock);
	if (t)
		shrink_memcg_uncharge(t->memcg, freed * ENTRY);
	return freed;
}

/* Charged first, no lock held: over its max the tenant's own entries go. */
static int put(struct tenant *t)
{
	struct entry *e = malloc(ENTRY);
	int first;

	if (!e || shrink_memcg_charge(t->memcg, ENTRY, SHRINK_GFP_ALL) < 0)
		return free(e), -1;
	pthread_mutex_lock(&lock);
	e->next = t->entries;
	t->entries = e;
	first = !t->count++;
	pthread_mutex_unlock(&lock);
	if (first) /* from empty to not empty: reclaim may come here */
		shrink_memcg_set_bit(t->memcg, 0, shrinker);
	return 0;
}

int main(void)
{
	shrinker = shrinker_alloc(SHRINKER_MEMCG_AWARE, "tenants");
	if (!shrinker)
		return 1;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->object_size = ENTRY;
	/* simulated: nothing but this presses; a server starts with 0 */
	if (shrinker_register(shrinker) < 0 || shrink_start(SHRINK_START_SIMULATED) < 0)
		return 1;
	for (int i = 0; i < TENANTS; i++) {
		tenants[i].memcg = shrink_memcg_create(NULL, "%s", tenants[i].name);
		if (!tenants[i].memcg)
			return 1;
	}
	shrink_memcg_set_limit(tenants[0].memcg, SHRINK_MEMCG_LIMIT_MAX, 1 << 20);
	shrink_memcg_set_limit(tenants[1].memcg, SHRINK_MEMCG_LIMIT_LOW, 4 << 20);
	for (int i = 0; i < 700; i++)
		for (int t = 0; t < TENANTS; t++)
			if (put(&tenants[t]) < 0)
				return 1;
	shrink_all_memory(2 << 20); /* as pressure would */
	printf("pressed: small %lu KiB, gold %lu KiB, guest %lu KiB\n", tenants[0].count * 4,
	       tenants[1].count * 4, tenants[2].count * 4);
	shrink_memcg_force_empty(shrink_memcg_root());
	shrinker_free(shrinker);
	for (int i = 0; i < TENANTS; i++)
		shrink_memcg_destroy(tenants[i].memcg);
	return shrink_stop() < 0;
}

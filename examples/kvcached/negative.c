/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/negative.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/fast.h>
#include <shrink/shrink.h>

#define SLOT_BITS 16
#define SLOTS	  (1u << SLOT_BITS)
#define STRIPES	  64u

struct entry {
	uint32_t hash;
	unsigned char mark;
	unsigned char nkey;
	char key[];
};

/* One entry a slot; a newcomer takes the place. A tag of 0 is an empty slot:
 * that one look is all that a key pays that was never missed. */
static uint32_t tags[SLOTS];
static struct entry *entries[SLOTS]; /* under the slot's stripe */
static pthread_mutex_t stripes[STRIPES];
static size_t nr_entries;
static uint32_t hand; /* where the next scan goes on */
static struct shrinker *shrinker;
static const struct shrink_fast *fast;

static uint32_t slot_of(uint32_t hash)
{
	return (hash * 0x9e3779b1u) >> (32 - SLOT_BITS);
}

static uint32_t tag_of(uint32_t hash)
{
	return hash ? hash : 1;
}

static bool tag_is(uint32_t slot, uint32_t hash)
{
	return __atomic_load_n(&tags[slot], __ATOMIC_RELAXED) == tag_of(hash);
}

static pthread_mutex_t *stripe_of(uint32_t slot)
{
	return &stripes[slot % STRIPES];
}

/* Under the stripe. */
static bool entry_is(const struct entry *e, const char *key, size_t nkey)
{
	return e && e->nkey == nkey && memcmp(e->key, key, nkey) == 0;
}

/* Under the stripe: empties the slot, returns what was in it. */
static struct entry *slot_take(uint32_t slot)
{
	struct entry *e = entries[slot];

	if (!e)
		return NULL;
	entries[slot] = NULL;
	__atomic_store_n(&tags[slot], 0u, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&nr_entries, 1u, __ATOMIC_RELAXED);
	return e;
}

bool negative_has(uint32_t hash, const char *key, size_t nkey)
{
	uint32_t slot = slot_of(hash);
	bool known;

	if (!tag_is(slot, hash))
		return false;
	pthread_mutex_lock(stripe_of(slot));
	known = entry_is(entries[slot], key, nkey);
	if (known)
		shrink_fast_mark(&entries[slot]->mark);
	pthread_mutex_unlock(stripe_of(slot));
	return known;
}

void negative_add(uint32_t hash, const char *key, size_t nkey)
{
	uint32_t slot = slot_of(hash);
	struct entry *e, *old;

	/* libshrink: do not grow while memory is pressed. */
	if (!shrink_fast_may_grow(fast))
		return;
	e = malloc(sizeof(*e) + nkey);
	if (!e)
		return;
	e->hash = hash;
	e->mark = 0;
	e->nkey = (unsigned char)nkey;
	memcpy(e->key, key, nkey);
	pthread_mutex_lock(stripe_of(slot));
	old = slot_take(slot);
	entries[slot] = e;
	__atomic_store_n(&tags[slot], tag_of(hash), __ATOMIC_RELAXED);
	__atomic_fetch_add(&nr_entries, 1u, __ATOMIC_RELAXED);
	pthread_mutex_unlock(stripe_of(slot));
	free(old);
}

void negative_forget(uint32_t hash, const char *key, size_t nkey)
{
	uint32_t slot = slot_of(hash);
	struct entry *e = NULL;

	if (!tag_is(slot, hash))
		return;
	pthread_mutex_lock(stripe_of(slot));
	if (entry_is(entries[slot], key, nkey))
		e = slot_take(slot);
	pthread_mutex_unlock(stripe_of(slot));
	free(e);
}

/* libshrink: how many could go? One load, no lock. */
static unsigned long count_entries(struct shrinker *s, struct shrink_control *sc)
{
	size_t n = __atomic_load_n(&nr_entries, __ATOMIC_RELAXED);

	(void)s;
	(void)sc;
	return n ? n : SHRINK_EMPTY;
}

/* Looks at one slot; bytes freed. An entry used since last asked stays. */
static size_t scan_slot(uint32_t slot, unsigned long *nr_scanned)
{
	struct entry *e = NULL;
	size_t bytes;

	if (pthread_mutex_trylock(stripe_of(slot)))
		return 0;
	if (entries[slot]) {
		++*nr_scanned;
		if (!shrink_fast_test_clear(&entries[slot]->mark))
			e = slot_take(slot);
	}
	pthread_mutex_unlock(stripe_of(slot));
	bytes = malloc_usable_size(e);
	free(e);
	return bytes;
}

/* libshrink: look at nr_to_scan of them, free what is idle, say how many and how
 * many bytes. SHRINK_STOP: a whole turn found nothing it could look at. */
static unsigned long scan_entries(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long freed = 0, scanned = 0;

	(void)s;
	for (uint32_t i = 0; i < SLOTS && scanned < sc->nr_to_scan; i++) {
		uint32_t slot = __atomic_fetch_add(&hand, 1u, __ATOMIC_RELAXED) % SLOTS;
		size_t bytes = scan_slot(slot, &scanned);

		sc->bytes_freed += bytes;
		freed += bytes != 0;
	}
	sc->nr_scanned = scanned;
	return scanned ? freed : SHRINK_STOP;
}

int negative_init(void)
{
	fast = shrink_fast_page();
	for (unsigned int i = 0; i < STRIPES; i++)
		pthread_mutex_init(&stripes[i], NULL);
	/* libshrink: DIRECT, because the scan takes its locks by trylock only. */
	shrinker = shrinker_alloc(SHRINKER_DIRECT, "negative");
	if (!shrinker)
		return -errno;
	shrinker->count_objects = count_entries;
	shrinker->scan_objects = scan_entries;
	shrinker->seeks = SHRINK_DEFAULT_SEEKS / 2; /* cheap to rebuild: takes more */
	shrinker->object_size = 48;
	return shrinker_register(shrinker);
}

void negative_fini(void)
{
	shrinker_free(shrinker); /* libshrink: no scan runs after this */
	shrinker = NULL;
	for (uint32_t i = 0; i < SLOTS; i++)
		free(slot_take(i));
}

struct shrinker *negative_shrinker(void)
{
	return shrinker;
}

size_t negative_count(void)
{
	return __atomic_load_n(&nr_entries, __ATOMIC_RELAXED);
}

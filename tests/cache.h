/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * A cache that only counts: objects without memory, callbacks that keep book of
 * themselves and look for breaches of the contract while they run.
 */
#ifndef TESTS_CACHE_H
#define TESTS_CACHE_H

#include <stdatomic.h>
#include <stdint.h>

#include <shrink/shrink.h>

struct cache {
	struct shrinker *s;
	atomic_ulong objects;
	/* instead of what the cache does by itself, if set */
	unsigned long (*on_count)(struct cache *c, struct shrink_control *sc);
	unsigned long (*on_scan)(struct cache *c, struct shrink_control *sc);
	void *arg;

	atomic_ulong counts, scans, asked, freed;
	atomic_ulong mine;       /* of the test, any use */
	atomic_int inside;       /* callbacks running now */
	atomic_int forbidden;    /* no callback may run: set by the test */
	atomic_ulong violations; /* callbacks that ran all the same, scans of 0, ... */
	atomic_ulong last_said;  /* by count */
	struct shrink_control last; /* of the latest scan; single-threaded tests */
};

/* Allocated, not registered; NULL if that fails, which no test expects. */
struct shrinker *cache_alloc(struct cache *c, unsigned int flags, const char *name,
			     unsigned long objects);
/* The same and registered; fails the test if it cannot. */
void cache_new(struct cache *c, const char *name, unsigned long objects);
void cache_new_flags(struct cache *c, unsigned int flags, const char *name, unsigned long objects);
/* Frees the shrinker; callbacks from here on are violations. */
void cache_end(struct cache *c);
/* What the cache does by itself: frees up to nr_to_scan. */
unsigned long cache_scan(struct cache *c, struct shrink_control *sc);
int64_t cache_deferred(const struct cache *c, int nid);
struct shrinker_stats cache_stats(const struct cache *c);

/* Simulated start and stop around a test. */
void sim_begin(void);
void sim_end(void);

/* Everything the library says from here on, one line after another. */
void log_begin(void);
unsigned int log_count(const char *part); /* lines that contain it */
void log_end(void);

void sleep_ms(unsigned int ms);
uint64_t now_ms(void);
/* Waits until the counter is at least @least; 0 after @ms, but not before a minute. */
int wait_for(atomic_ulong *counter, unsigned long least, unsigned int ms);

#endif /* TESTS_CACHE_H */

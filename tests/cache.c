// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "tests/cache.h"
#include "tests/harness.h"

static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;

static void enter(struct cache *c)
{
	atomic_fetch_add(&c->inside, 1);
	if (atomic_load(&c->forbidden))
		atomic_fetch_add(&c->violations, 1);
}

static void leave(struct cache *c)
{
	atomic_fetch_sub(&c->inside, 1);
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	struct cache *c = s->private_data;
	unsigned long n;

	enter(c);
	atomic_fetch_add(&c->counts, 1);
	n = c->on_count ? c->on_count(c, sc) : atomic_load(&c->objects);
	atomic_store(&c->last_said, n);
	leave(c);
	return n;
}

unsigned long cache_scan(struct cache *c, struct shrink_control *sc)
{
	unsigned long have = atomic_load(&c->objects), n;

	do {
		n = have < sc->nr_to_scan ? have : sc->nr_to_scan;
	} while (!atomic_compare_exchange_weak(&c->objects, &have, have - n));
	return n;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	struct cache *c = s->private_data;
	unsigned long n;

	enter(c);
	if (!sc->nr_to_scan || sc->nr_scanned != sc->nr_to_scan)
		atomic_fetch_add(&c->violations, 1);
	atomic_fetch_add(&c->scans, 1);
	atomic_fetch_add(&c->asked, sc->nr_to_scan);
	pthread_mutex_lock(&last_lock);
	c->last = *sc;
	pthread_mutex_unlock(&last_lock);
	n = c->on_scan ? c->on_scan(c, sc) : cache_scan(c, sc);
	if (n != SHRINK_STOP)
		atomic_fetch_add(&c->freed, n);
	leave(c);
	return n;
}

struct shrinker *cache_alloc(struct cache *c, unsigned int flags, const char *name,
			     unsigned long objects)
{
	memset(c, 0, sizeof(*c));
	c->s = shrinker_alloc(flags, "%s", name);
	if (!c->s)
		return NULL;
	atomic_store(&c->objects, objects);
	c->s->count_objects = count;
	c->s->scan_objects = scan;
	c->s->private_data = c;
	return c->s;
}

void cache_new_flags(struct cache *c, unsigned int flags, const char *name, unsigned long objects)
{
	CU_ASSERT_FATAL(cache_alloc(c, flags, name, objects) != NULL);
	CU_ASSERT_FATAL(shrinker_register(c->s) == 0);
}

void cache_new(struct cache *c, const char *name, unsigned long objects)
{
	cache_new_flags(c, 0, name, objects);
}

void cache_end(struct cache *c)
{
	shrinker_free(c->s);
	atomic_store(&c->forbidden, 1);
	c->s = NULL;
	ASSERT_INT((long)atomic_load(&c->violations), 0);
}

struct shrinker_stats cache_stats(const struct cache *c)
{
	struct shrinker_stats st = {0};

	ASSERT_INT(shrinker_stats(c->s, SHRINK_NUMA_NO_NODE, &st, sizeof(st)), 0);
	return st;
}

int64_t cache_deferred(const struct cache *c, int nid)
{
	struct shrinker_stats st = {0};

	ASSERT_INT(shrinker_stats(c->s, nid, &st, sizeof(st)), 0);
	return st.nr_deferred;
}

void sim_begin(void)
{
	CU_ASSERT_FATAL(shrink_start(SHRINK_START_SIMULATED) == 0);
}

void sim_end(void)
{
	ASSERT_INT(shrink_stop(), 0);
}

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[65536];
static size_t log_used;

static void take_line(void *arg, enum shrink_log_level level, const char *line)
{
	size_t len = strlen(line);

	(void)arg;
	(void)level;
	pthread_mutex_lock(&log_lock);
	if (log_used + len + 2 < sizeof(log_text)) {
		memcpy(log_text + log_used, line, len);
		log_used += len;
		log_text[log_used++] = '\n';
		log_text[log_used] = '\0';
	}
	pthread_mutex_unlock(&log_lock);
}

void log_begin(void)
{
	log_used = 0;
	log_text[0] = '\0';
	shrink_set_log(take_line, NULL);
}

void log_end(void)
{
	shrink_set_log(NULL, NULL);
}

unsigned int log_count(const char *part)
{
	unsigned int n = 0;

	pthread_mutex_lock(&log_lock);
	for (char *line = log_text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		n += strstr(line, part) != NULL;
		*end = '\n';
	}
	pthread_mutex_unlock(&log_lock);
	return n;
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void sleep_ms(unsigned int ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&ts, NULL);
}

/* Whoever waits means to get it, and the machine may be busy. */
#define PATIENCE_MS 60000

int wait_for(atomic_ulong *counter, unsigned long least, unsigned int ms)
{
	uint64_t end = now_ms() + (ms < PATIENCE_MS ? PATIENCE_MS : ms);

	while (atomic_load(counter) < least) {
		if (now_ms() > end)
			return 0;
		sleep_ms(1);
	}
	return 1;
}

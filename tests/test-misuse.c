// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* G12: callbacks that misbehave are bounded, counted and reported once each. */
#include <limits.h>

#include "tests/cache.h"
#include "tests/harness.h"

static struct shrink_stats engine_stats(void)
{
	struct shrink_stats st = {0};

	ASSERT_INT(shrink_stats(&st, sizeof(st)), 0);
	return st;
}

static unsigned long pass(int priority)
{
	return shrink_slab(SHRINK_GFP_ALL, 0, NULL, priority);
}

/* Runs three passes over a cache that misbehaves in each visit, beside one that
 * does not: @misuses of them are counted, one line names the cache. */
static void check(struct cache *c, unsigned long misuses, const char *line)
{
	uint64_t before = engine_stats().misuses;
	struct cache good;
	char name[64];

	cache_new(&good, "good", 100000);
	for (int i = 0; i < 3; i++)
		pass(4);
	ASSERT_INT((long)cache_stats(c).misuses, (long)misuses);
	ASSERT_INT((long)(engine_stats().misuses - before), (long)misuses);
	ASSERT_INT((long)cache_stats(&good).misuses, 0);
	ASSERT_INT(log_count(line), 1);
	shrinker_get_name(c->s, name, sizeof(name));
	ASSERT_INT(log_count(name), 1);
	CU_ASSERT(atomic_load(&good.scans) >= 200); /* nobody else suffers */
	cache_end(&good);
}

static unsigned long count_answer(struct cache *c, struct shrink_control *sc)
{
	(void)sc;
	return *(unsigned long *)c->arg;
}

static void bad_count(void)
{
	unsigned long answers[] = {SHRINK_STOP, (unsigned long)-5, (unsigned long)LONG_MAX + 1};

	for (int i = 0; i < 3; i++) {
		struct cache c;

		log_begin();
		sim_begin();
		cache_new(&c, "bad-count", 0);
		c.on_count = count_answer;
		c.arg = &answers[i];
		check(&c, 3, "count_objects returned");
		ASSERT_INT((long)atomic_load(&c.scans), 0);
		ASSERT_INT(cache_deferred(&c, 0), 0); /* not poisoned, as the kernel's is */
		cache_end(&c);
		sim_end();
		log_end();
	}
}

static unsigned long scan_still(struct cache *c, struct shrink_control *sc)
{
	(void)c;
	sc->nr_scanned = 0;
	return 0;
}

/* The kernel would loop for ever. */
static void zero_progress(void)
{
	struct cache c;

	log_begin();
	sim_begin();
	cache_new(&c, "still", 10000);
	c.on_scan = scan_still;
	check(&c, 3 * (1250 / 128), "freed nothing and set nr_scanned to 0");
	CU_ASSERT(atomic_load(&c.scans) <= 32);
	cache_end(&c);
	sim_end();
	log_end();
}

static unsigned long scan_endless(struct cache *c, struct shrink_control *sc)
{
	(void)c;
	sc->nr_scanned = 0;
	return 1;
}

static void endless_progress(void)
{
	struct cache c;

	ASSERT_INT(shrink_conf_set("zero_scans", "50"), 0);
	log_begin();
	sim_begin();
	cache_new(&c, "endless", 10000);
	c.on_scan = scan_endless;
	check(&c, 3, "keeps setting nr_scanned to 0");
	ASSERT_INT((long)atomic_load(&c.scans), 3 * 50);
	ASSERT_INT(cache_deferred(&c, 0), 3 * 1250); /* ended as with STOP */
	cache_end(&c);
	sim_end();
	log_end();
	ASSERT_INT(shrink_conf_set("zero_scans", "1024"), 0);
}

static unsigned long scan_answer(struct cache *c, struct shrink_control *sc)
{
	(void)sc;
	return *(unsigned long *)c->arg;
}

static void bad_freed(void)
{
	unsigned long answers[] = {SHRINK_EMPTY, (unsigned long)-5};

	for (int i = 0; i < 2; i++) {
		uint64_t freed;
		struct cache c;

		log_begin();
		sim_begin();
		freed = engine_stats().freed_objects;
		cache_new(&c, "bad-freed", 1000);
		c.on_scan = scan_answer;
		c.arg = &answers[i];
		ASSERT_INT((long)pass(3), 0); /* 250: one batch */
		ASSERT_INT((long)engine_stats().freed_objects, (long)freed);
		ASSERT_INT((long)cache_stats(&c).misuses, 1);
		ASSERT_INT(log_count("scan_objects returned"), 1);
		cache_end(&c);
		sim_end();
		log_end();
	}
}

static void more_than_there_was(void)
{
	unsigned long lots = LONG_MAX;
	uint64_t before;
	struct cache c;

	log_begin();
	sim_begin();
	before = engine_stats().misuses;
	cache_new(&c, "boaster", 100000);
	c.on_scan = scan_answer;
	c.arg = &lots;
	c.s->object_size = 4096;
	pass(4); /* 12500: 97 calls */
	CU_ASSERT(cache_stats(&c).misuses > 0);
	CU_ASSERT(engine_stats().misuses > before);
	ASSERT_INT(log_count("freed more than"), 1);
	cache_end(&c);
	/* a goal in bytes is not fooled into wrapping numbers */
	cache_new(&c, "boaster", 100000);
	c.on_scan = scan_answer;
	c.arg = &lots;
	c.s->object_size = 4096;
	CU_ASSERT(shrink_all_memory(1 << 20) >= 1 << 20);
	ASSERT_INT((long)atomic_load(&c.scans), 1);
	cache_end(&c);
	sim_end();
	log_end();
}

/* More than nr_scanned is legal, and so is a little more than was counted. */
static unsigned long scan_plus_three(struct cache *c, struct shrink_control *sc)
{
	(void)c;
	return sc->nr_to_scan + 3;
}

static void a_few_more_are_legal(void)
{
	struct cache c;

	sim_begin();
	cache_new(&c, "three-more", 10000);
	c.on_scan = scan_plus_three;
	ASSERT_INT((long)pass(4), 1250 / 128 * 131);
	ASSERT_INT((long)cache_stats(&c).misuses, 0);
	cache_end(&c);
	sim_end();
}

static unsigned long scan_overscans(struct cache *c, struct shrink_control *sc)
{
	(void)c;
	sc->nr_scanned = ~0UL;
	return 1;
}

static void absurd_nr_scanned(void)
{
	struct cache c;

	log_begin();
	sim_begin();
	cache_new(&c, "overscans", 10000);
	c.on_scan = scan_overscans;
	check(&c, 3 * (1250 / 128), "nr_scanned to a negative number");
	CU_ASSERT(cache_deferred(&c, 0) >= 0 && cache_deferred(&c, 0) <= 20000);
	cache_end(&c);
	sim_end();
	log_end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"G12: a count that is negative or STOP is taken as 0", bad_count},
		{"G12: zero progress with nr_scanned 0 ends", zero_progress},
		{"G12: nr_scanned 0 for ever ends", endless_progress},
		{"G12: a scan that returns a negative number frees 0", bad_freed},
		{"G12: freed more than there was", more_than_there_was},
		{"G12: a few more than asked are no misuse", a_few_more_are_legal},
		{"G12: an absurd nr_scanned ends", absurd_nr_scanned},
		{NULL, NULL},
	};

	return test_main(argc, argv, "misuse", tests);
}

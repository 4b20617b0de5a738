// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Never too much: what is freed beyond the need stays under a tenth of it, or one
 * batch. In virtual time, under seeds: a neighbour takes at full speed beside a cache,
 *
 *	- where the limit is known, and stall comes on top of what usage says
 *	- where the limit is hidden, and stall is all there is; also such stall as goes on
 *	  when it is over, as with whoever sleeps for having exceeded memory.high
 *
 * TEST_SEED_ONLY runs that seed alone; a failure prints its own.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>
#include <libshrink/base/bits.h>
#include <libshrink/source/pace.h>

#include "tests/harness.h"
#include "tests/random.h"

#define MB    (1ULL << 20)
#define SIZE  4096ULL
#define BATCH (128 * SIZE)
#define STEP  (5 * NSEC_PER_MSEC)
#define TIME_MAX (120 * NSEC_PER_SEC)
#define SEEDS 60

static struct {
	struct random rnd;
	uint64_t objects, freed; /* the cache: objects, bytes */
	uint64_t hog, wants, rate;
	uint64_t limit;          /* true one */
	int hidden;              /* gauges do not know it */
	uint64_t nap, asleep;    /* who had to wait sleeps so long, nsec */
	uint64_t stall;
} w;

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return w.objects;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n = sc->nr_to_scan < w.objects ? sc->nr_to_scan : w.objects;

	(void)s;
	w.objects -= n;
	w.freed += n * SIZE;
	shrink_sim_freed(n * SIZE);
	return n;
}

static uint64_t usage(void)
{
	return w.objects * SIZE + w.hog;
}

/* One step of the neighbour's life: it takes, or has to wait. */
static void neighbour(void)
{
	uint64_t take = shrink_min_u64(w.rate * (STEP / 1000) / 1000000, w.wants - w.hog);
	uint64_t room = shrink_sub_u64(w.limit, usage());

	if (w.asleep) {
		w.asleep = shrink_sub_u64(w.asleep, STEP);
		w.stall += STEP / 1000;
		return;
	}
	w.hog += shrink_min_u64(take, room);
	if (take <= room)
		return;
	w.stall += STEP / 1000;
	w.asleep = w.nap;
}

static void tell(void)
{
	struct shrink_sim_state st = {
		.limit = w.hidden ? UINT64_MAX : w.limit,
		.usage = usage(),
		.stall_usec = w.stall,
		.rss = w.objects * SIZE,
	};

	shrink_sim_set(&st, sizeof(st));
}

/* The neighbour gets it all, in bounded time; and a while after that. */
static int run(void)
{
	int after = 400;

	for (uint64_t t = 0; t < TIME_MAX && after; t += STEP) {
		neighbour();
		tell();
		shrink_sim_step(STEP);
		after -= w.hog == w.wants && !w.asleep;
	}
	return !after;
}

static struct shrinker *begin(uint64_t seed, int hidden)
{
	struct shrinker *s = shrinker_alloc(0, "c");

	CU_ASSERT_FATAL(s != NULL);
	memset(&w, 0, sizeof(w));
	w.rnd = random_seeded(seed);
	w.hidden = hidden;
	w.limit = (128 + random_below(&w.rnd, 4096)) * MB;
	w.objects = (w.limit / 100 * (50 + random_below(&w.rnd, 30))) / SIZE;
	w.hog = w.limit / 20;
	/* over by something between a fiftieth of the cache and three quarters of it */
	w.wants = w.limit - w.objects * SIZE +
		  w.objects * SIZE / 100 * (2 + random_below(&w.rnd, 73));
	s->count_objects = count;
	s->scan_objects = scan;
	s->object_size = SIZE;
	ASSERT_INT(shrinker_register(s), 0);
	CU_ASSERT_FATAL(shrink_start(SHRINK_START_SIMULATED) == 0);
	return s;
}

static void end(struct shrinker *s)
{
	ASSERT_INT(shrink_stop(), 0);
	shrinker_free(s);
}

static int too_much(uint64_t need, uint64_t seed)
{
	if (w.freed <= need + shrink_max_u64(need / 10, BATCH))
		return 0;
	printf("# seed %" PRIu64 ": freed %" PRIu64 " KiB for a need of %" PRIu64 "\n", seed,
	       w.freed >> 10, need >> 10);
	return 1;
}

static int known(uint64_t seed)
{
	struct shrinker *s = begin(seed, 0);
	uint64_t before = w.objects * SIZE;
	struct shrink_limits l = {0};
	int bad;

	w.rate = (100 + random_below(&w.rnd, 4000)) * MB;
	w.nap = random_below(&w.rnd, 4) * 100 * NSEC_PER_MSEC;
	bad = !run();
	ASSERT_INT(shrink_limits(&l, sizeof(l)), 0);
	bad |= too_much(before + w.wants + l.high_wmark - w.limit, seed);
	end(s);
	return bad;
}

static int hidden(uint64_t seed)
{
	struct shrinker *s = begin(seed, 1);
	uint64_t before = w.objects * SIZE;
	int bad;

	w.rate = (20 + random_below(&w.rnd, 2000)) * MB;
	w.nap = random_below(&w.rnd, 3) * 150 * NSEC_PER_MSEC;
	bad = !run();
	if (bad)
		printf("# seed %" PRIu64 ": has %" PRIu64 " of %" PRIu64 "\n", seed, w.hog >> 20,
		       w.wants >> 20);
	bad |= too_much(before + w.wants - w.limit, seed);
	end(s);
	return bad;
}

/* Usage rests between the marks, and somebody stalls all the time, over whatever. */
static int between(uint64_t seed)
{
	struct shrinker *s = begin(seed, 0);
	struct shrink_limits l = {0};
	uint64_t missing;
	int bad;

	tell();
	shrink_sim_step(STEP);
	ASSERT_INT(shrink_limits(&l, sizeof(l)), 0);
	missing = random_below(&w.rnd, l.high_wmark - l.low_wmark);
	w.hog = w.limit - w.objects * SIZE - l.high_wmark + missing;
	/* as it is from the beginning: a jump would be growth, and raise the marks */
	ASSERT_INT(shrink_stop(), 0);
	CU_ASSERT_FATAL(shrink_start(SHRINK_START_SIMULATED) == 0);
	for (int i = 0; i < 600; i++) {
		w.stall += STEP / 1000;
		tell();
		shrink_sim_step(STEP);
	}
	bad = w.freed < missing;
	if (bad)
		printf("# seed %" PRIu64 ": %" PRIu64 " of %" PRIu64 "\n", seed, w.freed, missing);
	bad |= too_much(missing, seed);
	end(s);
	return bad;
}

static void seeds(int (*one)(uint64_t seed))
{
	const char *only = getenv("TEST_SEED_ONLY");
	int failed = 0;

	shrink_conf_set("log", "0");
	if (only)
		failed = one(strtoull(only, NULL, 0));
	for (uint64_t seed = 1; !only && seed <= SEEDS && failed < 5; seed++)
		failed += one(seed);
	ASSERT_INT(failed, 0);
}

static void limit_is_known(void)
{
	seeds(known);
}

static void stall_between_the_marks(void)
{
	seeds(between);
}

static void limit_is_hidden(void)
{
	shrink_conf_set("psi_stall", "20000"); /* each of its samples may tell */
	seeds(hidden);
	shrink_conf_set("psi_stall", "100000");
}

/* ---- the calculator */

#define SEC NSEC_PER_SEC

static void pace(void)
{
	struct shrink_pace p = {0};
	uint64_t bytes = 1;
	int priority = -1;

	/* nothing comes of it: one priority harder, down to everything */
	for (int i = 12; i >= -2; i--) {
		CU_ASSERT(shrink_pace_step(&p, SEC, 12, 7, 0, &bytes, &priority));
		ASSERT_INT(bytes, 0);
		ASSERT_INT(priority, i > 0 ? i : 0);
	}
	/* a graver signal begins further down, and later goes on from there */
	p = (struct shrink_pace){0};
	CU_ASSERT(shrink_pace_step(&p, SEC, 12, 7, 0, &bytes, &priority));
	CU_ASSERT(shrink_pace_step(&p, SEC, 6, 7, 0, &bytes, &priority));
	ASSERT_INT(priority, 6);
	CU_ASSERT(shrink_pace_step(&p, SEC, 12, 7, 0, &bytes, &priority));
	ASSERT_INT(priority, 5);
	/* a tenth of all that was freed since */
	CU_ASSERT(shrink_pace_step(&p, SEC, 12, 7 + 40 * MB, 0, &bytes, &priority));
	ASSERT_INT(bytes, 4 * MB);
	CU_ASSERT(shrink_pace_step(&p, SEC, 12, 7 + 44 * MB, 0, &bytes, &priority));
	ASSERT_INT(bytes, 44 * MB / 10);
	CU_ASSERT(shrink_pace_step(&p, SEC, 12, 7 + 44 * MB, 0, &bytes, &priority));
	/* another stall, after a while */
	CU_ASSERT(shrink_pace_step(&p, 7 * SEC, 10, 7 + 44 * MB, 0, &bytes, &priority));
	ASSERT_INT(bytes, 0);
	ASSERT_INT(priority, 10);
}

static void pace_waits(void)
{
	struct shrink_pace p = {0};
	uint64_t bytes;
	int priority;

	CU_ASSERT(shrink_pace_step(&p, SEC, 12, 0, 100 * MB, &bytes, &priority));
	/* 10 were given, and nobody has taken them */
	CU_ASSERT(!shrink_pace_step(&p, SEC + 1, 12, 10 * MB, 90 * MB, &bytes, &priority));
	CU_ASSERT(!shrink_pace_step(&p, SEC + 2, 12, 10 * MB, 94 * MB, &bytes, &priority));
	CU_ASSERT(shrink_pace_step(&p, SEC + 3, 12, 10 * MB, 95 * MB, &bytes, &priority));
	ASSERT_INT(bytes, MB);
	/* for as long as somebody may sleep */
	CU_ASSERT(!shrink_pace_step(&p, 2 * SEC, 12, 11 * MB, 94 * MB, &bytes, &priority));
	CU_ASSERT(shrink_pace_step(&p, 3 * SEC + 3, 12, 11 * MB, 94 * MB, &bytes, &priority));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"stall beside a known limit: under a tenth too much", limit_is_known},
		{"stall between the marks: up to high, and no further", stall_between_the_marks},
		{"stall alone: under a tenth too much", limit_is_hidden},
		{"pace: a pass, then a tenth more each time", pace},
		{"pace: what was given is taken first", pace_waits},
		{NULL, NULL},
	};

	return test_main(argc, argv, "overshoot", tests);
}

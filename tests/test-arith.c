// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* G2: the arithmetic, beyond the vectors: invariants over random inputs, a second
 * implementation, the ends of the number range, sequences with carried state. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <shrink/shrinker.h>
#include <libshrink/core/arith.h>

#include "tests/arith-model.h"
#include "tests/harness.h"
#include "tests/random.h"

static struct shrink_arith_how how_of(int variant, int priority, int seeks, long batch)
{
	return (struct shrink_arith_how){.variant = variant ? SHRINK_ARITH_5_0 : SHRINK_ARITH_5_13,
					 .priority = priority,
					 .seeks = seeks,
					 .batch = batch};
}

/* Runs a whole slice whose calls look at what they are asked for, at most @max
 * calls; returns how many were made. */
static long run_whole(struct shrink_slice *sl, long max)
{
	unsigned long n;
	long calls = 0;

	while (calls < max && (n = shrink_arith_next(sl))) {
		shrink_arith_charge(sl, n);
		calls++;
	}
	return calls;
}

struct input {
	int old, priority, seeks;
	long batch, freeable, deferred;
};

/* Numbers of every magnitude, not only large ones. */
static struct input random_input(struct random *r)
{
	return (struct input){
		.old = (int)random_below(r, 2),
		.priority = (int)random_below(r, 13),
		.seeks = random_below(r, 8) ? (int)random_below(r, 20)
					    : (int)random_magnitude(r, 31),
		.batch = random_below(r, 2) ? 0 : (long)random_magnitude(r, 20),
		.freeable = (long)random_magnitude(r, 40) + 1,
		.deferred = (long)random_magnitude(r, 42),
	};
}

/* Contract 2.3. One message with everything needed to run it again. */
static void check_invariants(const struct input *in, uint64_t seed)
{
	struct shrink_arith_how how = how_of(in->old, in->priority, in->seeks, in->batch);
	long b = in->batch ? in->batch : SHRINK_BATCH, f = in->freeable, least = b < f ? b : f;
	struct shrink_slice sl;
	long total, calls = 0, next;
	int good;

	shrink_arith_begin(&sl, &how, f, in->deferred);
	total = sl.total_scan;
	good = total >= 0 && total <= 2 * f;
	good = good && (shrink_arith_next(&sl) != 0) == (total >= least);
	for (unsigned long n; good && calls < 3000 && (n = shrink_arith_next(&sl)); calls++) {
		good = n >= 1 && n <= (unsigned long)b;
		shrink_arith_charge(&sl, n);
	}
	good = good && calls <= total / least + 2;
	next = shrink_arith_end(&sl);
	good = good && next >= 0 && (in->old || next <= 2 * f);
	if (!good)
		printf("# seed %llu: variant %d priority %d seeks %d batch %ld freeable %ld "
		       "deferred %ld: total %ld calls %ld next %ld\n", (unsigned long long)seed,
		       in->old, in->priority, in->seeks, in->batch, f, in->deferred, total, calls,
		       next);
	CU_ASSERT(good);
}

static void invariants(void)
{
	struct random r = random_new();
	struct input in;

	for (int i = 0; i < 200000; i++) {
		in = random_input(&r);
		check_invariants(&in, r.seed);
	}
}

/* Backlog can only shrink by what was looked at, or by the cap. */
static void conserved(void)
{
	struct random r = random_new();

	for (int i = 0; i < 100000; i++) {
		struct input in = random_input(&r);
		struct shrink_arith_how how = how_of(0, in.priority, in.seeks, in.batch);
		struct shrink_slice sl;
		wide owed;

		shrink_arith_begin(&sl, &how, in.freeable, in.deferred);
		run_whole(&sl, (long)random_below(&r, 50));
		owed = (wide)in.deferred + (wide)sl.delta - sl.scanned;
		owed = owed < 0 ? 0 : owed > 2 * (wide)in.freeable ? 2 * (wide)in.freeable : owed;
		ASSERT_INT(shrink_arith_end(&sl), (long)owed);
	}
}

static void check_model(int old, int p, int s, int64_t f, int64_t nr, int64_t looked)
{
	struct shrink_arith_how how = how_of(old, p, s, 0);
	struct model m = model_begin(old, f, p, s, nr);
	struct shrink_slice sl;

	shrink_arith_begin(&sl, &how, f, nr);
	ASSERT_INT((long long)sl.delta, (long long)m.delta);
	ASSERT_INT(sl.total_scan, m.total);
	shrink_arith_charge(&sl, (unsigned long)looked);
	ASSERT_INT(sl.total_scan, model_cut((wide)m.total - looked));
	ASSERT_INT(shrink_arith_end(&sl), model_end(&m, old, f, nr, looked));
}

static void against_model(void)
{
	struct random r = random_new();

	printf("# seed %llu\n", (unsigned long long)r.seed);
	for (int i = 0; i < 200000; i++) {
		struct input in = random_input(&r);
		int64_t nr = random_below(&r, 4) ? in.deferred : -in.deferred;

		check_model(in.old, in.priority, in.seeks, in.freeable, nr,
			    (int64_t)random_magnitude(&r, 30));
	}
}

/* Where sums wrap: equal to a two's-complement machine, and, which the sanitizer
 * build sees, without the overflow that C leaves undefined. */
static void extremes(void)
{
	static const int64_t f[] = {1, 2, 127, 128, 129, 1LL << 31, 1LL << 61, (1LL << 62) - 1,
				    1LL << 62, INT64_MAX - 1, INT64_MAX};
	static const int64_t nr[] = {INT64_MIN, INT64_MIN + 1, -(1LL << 62), -4096, -1, 0, 1,
				     (1LL << 62), INT64_MAX - 1, INT64_MAX};
	static const int64_t looked[] = {0, 1, 128, INT64_MAX, INT64_MIN, -1};
	static const int seeks[] = {0, 1, 2, 3, 4, 5, INT_MAX};

	for (size_t i = 0; i < sizeof(f) / sizeof(f[0]); i++)
		for (size_t j = 0; j < sizeof(nr) / sizeof(nr[0]); j++)
			for (size_t k = 0; k < sizeof(looked) / sizeof(looked[0]); k++)
				for (size_t s = 0; s < sizeof(seeks) / sizeof(seeks[0]); s++)
					for (int p = 0; p <= 12; p++)
						for (int old = 0; old < 2; old++)
							check_model(old, p, seeks[s], f[i], nr[j],
								    looked[k]);
}

static void negative_backlog(void)
{
	struct shrink_arith_how how = how_of(1, 12, 2, 0);
	struct shrink_slice sl;

	shrink_arith_begin(&sl, &how, 1000, -5000);
	ASSERT_INT(sl.negative, 1);
	ASSERT_INT(sl.total_scan, 500); /* the whole cache, then the light-pressure clamp */
	ASSERT_INT(shrink_arith_end(&sl), 0);
	shrink_arith_begin(&sl, &how, 1000000, -400);
	ASSERT_INT(sl.negative, 0);
	ASSERT_INT(sl.total_scan, 88);
	how = how_of(0, 12, 2, 0);
	shrink_arith_begin(&sl, &how, 1000000, -1);
	ASSERT_INT(sl.negative, 0);
	ASSERT_INT(sl.total_scan, 487); /* -1 >> 12 is -1 */
	ASSERT_INT(shrink_arith_end(&sl), 487);
}

/* What a visit does not owe after all: its own share, never the backlog. */
static void forgone_share(void)
{
	for (int old = 0; old < 2; old++) {
		struct shrink_arith_how how = how_of(old, 4, 2, 0);
		struct shrink_slice sl;

		shrink_arith_begin(&sl, &how, 10000, 700);
		ASSERT_INT((long)sl.delta, 1250);
		shrink_arith_charge(&sl, 256);
		ASSERT_INT(shrink_arith_end(&sl), 700 + 1250 - 256);
		shrink_arith_forgo(&sl);
		ASSERT_INT(shrink_arith_end(&sl), 700 - 256);
		shrink_arith_charge(&sl, 512);
		ASSERT_INT(shrink_arith_end(&sl), 0);
	}
}

static void default_batch(void)
{
	struct shrink_arith_how how = how_of(0, 0, 2, 0);
	struct shrink_slice sl;

	shrink_arith_begin(&sl, &how, 1000, 0);
	ASSERT_INT((long)shrink_arith_next(&sl), 128);
	how.batch = 1;
	shrink_arith_begin(&sl, &how, 1000, 0);
	ASSERT_INT((long)shrink_arith_next(&sl), 1);
}

/* (4 * scanned / seeks) * freeable / (eligible + 1), then as linux-5.0. */
static void proportional(void)
{
	static const struct {
		unsigned long scanned, eligible;
		int seeks;
		long freeable, deferred;
		unsigned long delta;
		long total, put_off; /* with nothing looked at */
	} rows[] = {
		{32, 1000, 2, 5000, 0, 319, 319, 319},
		{32, 999, 2, 5000, 0, 320, 320, 320},
		{0, 1000, 2, 5000, 77, 0, 77, 77},
		{1, 0, 2, 10, 0, 20, 20, 20},
		{1000, 1000, 1, 5000, 0, 19980, 10000, 19980},
		{1000, 1000, 3, 5000, 0, 6658, 6658, 6658},
		{3, 1000, 8, 5000, 0, 4, 4, 4},
		{1, 1000, 8, 5000, 0, 0, 0, 0},
		{32, 1000, 0, 5001, 0, 2500, 2500, 2500},
		{32, 1000, 2, 5000, 9000, 319, 2500, 9319}, /* light: half the cache */
		{32, ULONG_MAX, 2, 5000, 0, 0, 0, 0},
		{1, 1000000, 2, 3000000, 0, 5, 5, 5},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct shrink_arith_how how = {.variant = SHRINK_ARITH_PROPORTIONAL,
					       .priority = 12,
					       .seeks = rows[i].seeks,
					       .nr_scanned = rows[i].scanned,
					       .nr_eligible = rows[i].eligible};
		struct shrink_slice sl;

		shrink_arith_begin(&sl, &how, rows[i].freeable, rows[i].deferred);
		ASSERT_INT((long long)sl.delta, (long long)rows[i].delta);
		ASSERT_INT(sl.total_scan, rows[i].total);
		ASSERT_INT(shrink_arith_end(&sl), rows[i].put_off);
	}
}

/* Contract 2.6, "smallest cache that gets scanned at all in one slice". */
static void check_smallest(int p, int seeks, long batch, int saturated, long expected)
{
	struct shrink_arith_how how = how_of(0, p, seeks, batch);
	struct shrink_slice sl;
	long f;

	for (f = 1; f <= expected; f++) {
		shrink_arith_begin(&sl, &how, f, saturated ? 2 * f : 0);
		if (shrink_arith_next(&sl))
			break;
	}
	ASSERT_INT(f, expected);
}

static void smallest_cache(void)
{
	static const long table[13][6] = {
		{1, 1, 1, 1, 256, 256},
		{2, 1, 2, 2, 512, 256},
		{256, 4, 2048, 4, 1024, 256},
		{512, 256, 4096, 256, 2048, 256},
		{1024, 512, 8192, 512, 4096, 256},
		{2048, 1024, 16384, 1024, 8192, 256},
		{4096, 2048, 32768, 2048, 16384, 256},
		{8192, 4096, 65536, 4096, 32768, 256},
		{16384, 8192, 131072, 8192, 65536, 256},
		{32768, 16384, 262144, 16384, 131072, 256},
		{65536, 32768, 524288, 32768, 262144, 256},
		{131072, 65536, 1048576, 65536, 524288, 256},
		{262144, 131072, 2097152, 131072, 1048576, 256},
	};

	for (int p = 0; p <= 12; p++) {
		check_smallest(p, 2, 0, 0, table[p][0]);
		check_smallest(p, 2, 0, 1, table[p][1]);
		check_smallest(p, 2, 1024, 0, table[p][2]);
		check_smallest(p, 1, 0, 0, table[p][3]);
		check_smallest(p, 8, 0, 0, table[p][4]);
		check_smallest(p, 0, 0, 0, table[p][5]);
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"G2: invariants of a slice hold for random inputs", invariants},
		{"G3: backlog shrinks only by what was looked at, or by its cap", conserved},
		{"G2: equal to a second implementation in 128 bits", against_model},
		{"G2: ends of the number range wrap as two's complement", extremes},
		{"G2: negative backlog", negative_backlog},
		{"G3: a share that is forgone is not put off", forgone_share},
		{"G2: batch 0 is 128", default_batch},
		{"G2: proportional form of kernels before 4.16", proportional},
		{"G2: smallest cache that gets scanned", smallest_cache},
		{NULL, NULL},
	};

	return test_main(argc, argv, "arith", tests);
}

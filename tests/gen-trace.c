// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * gen-trace KIND [REQUESTS]: writes a trace for shrink-replay, the same each time
 * (TEST_SEED in the environment makes another).
 *
 *	zipf	popularity falls as 1 / rank
 *	scan	the same, and every so often a scan through keys used once
 *	loop	the same keys in the same order again and again
 *	phase	zipf whose popular keys change altogether, a few times
 *	sizes	zipf, sizes from 64 bytes to 16 KiB
 *	idle	phase with pauses: half of the keys are never used again
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/random.h"

#define KEYS 10000
#define LOOP_KEYS 2000
#define SCAN_EVERY 4000
#define SCAN_LENGTH 4000
#define PHASES 5

static double cumulative[KEYS];

static void zipf_init(void)
{
	double sum = 0;

	for (int i = 0; i < KEYS; i++)
		cumulative[i] = sum += 1.0 / (i + 1);
	for (int i = 0; i < KEYS; i++)
		cumulative[i] /= sum;
}

static int zipf(struct random *r)
{
	double u = (double)(random_next(r) >> 11) / 9007199254740992.0;
	int lo = 0, hi = KEYS - 1;

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (cumulative[mid] < u)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void line(double seconds, const char *kind, long key, long size)
{
	printf("%.3f,%s%ld,%ld\n", seconds, kind, key, size);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "";
	long n = argc > 2 ? atol(argv[2]) : 100000, scanned = 0;
	struct random r = random_new();

	zipf_init();
	for (long i = 0; i < n; i++) {
		double t = (double)i / 100;

		if (!strcmp(kind, "zipf")) {
			line(t, "k", zipf(&r), 1000);
		} else if (!strcmp(kind, "scan")) {
			if (i % (SCAN_EVERY + SCAN_LENGTH) < SCAN_EVERY)
				line(t, "k", zipf(&r), 1000);
			else
				line(t, "once", scanned++, 1000);
		} else if (!strcmp(kind, "loop")) {
			line(t, "k", i % LOOP_KEYS, 1000);
		} else if (!strcmp(kind, "phase")) {
			line(t, "k", zipf(&r) + i * PHASES / n * KEYS, 1000);
		} else if (!strcmp(kind, "sizes")) {
			long k = zipf(&r);

			line(t, "k", k, 64L << (k * 7 % 9));
		} else if (!strcmp(kind, "idle")) {
			long phase = i * PHASES / n;

			line(t + (double)phase * 3600, "k", zipf(&r) + phase * KEYS, 1000);
		} else {
			fprintf(stderr, "gen-trace: no kind '%s'\n", kind);
			return 2;
		}
	}
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/bench/bench.h"

uint64_t bench_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC + (uint64_t)now.tv_nsec;
}

void bench_sleep_nsec(uint64_t nsec)
{
	struct timespec nap = {.tv_sec = (time_t)(nsec / NSEC), .tv_nsec = (long)(nsec % NSEC)};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double bench_percentile(double *samples, size_t n, double part)
{
	size_t i = (size_t)((double)n * part);

	if (!n)
		return 0;
	qsort(samples, n, sizeof(*samples), compare);
	return samples[i < n ? i : n - 1];
}

void bench_print(const struct bench_figure *figure)
{
	printf("{\"bench\":\"%s\",\"what\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"", figure->bench,
	       figure->what, figure->value, figure->unit);
	if (figure->aim > 0)
		printf(",\"aim\":%g,\"met\":%s", figure->aim,
		       figure->value <= figure->aim ? "true" : "false");
	if (figure->baseline > 0)
		printf(",\"baseline\":%.4g,\"ratio\":%.3g", figure->baseline,
		       figure->value / figure->baseline);
	if (figure->samples)
		printf(",\"samples\":%zu", figure->samples);
	puts("}");
	fflush(stdout);
}

void bench_die(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * What the benchmarks share: a clock, percentiles, and one flat JSON object a
 * line per figure. Nothing is asserted; a figure stands beside its aim and, where
 * there is one, beside a baseline taken in the same run.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

#define NSEC 1000000000ull

uint64_t bench_nsec(void);
void bench_sleep_nsec(uint64_t nsec);
/* Sorts @samples; the value below which @part (0..1) of them lie. */
double bench_percentile(double *samples, size_t n, double part);

struct bench_figure {
	const char *bench;  /* which program */
	const char *what;   /* which figure */
	const char *unit;
	double value;
	double aim;         /* at most; 0 = none */
	double baseline;    /* of the same run and unit; 0 = none */
	size_t samples;     /* 0 = not a statistic */
};

void bench_print(const struct bench_figure *figure);
/* A line for people on stderr, and the end. */
void bench_die(const char *what, int error) __attribute__((noreturn));

#endif /* BENCH_BENCH_H */

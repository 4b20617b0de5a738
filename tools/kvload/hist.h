/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * A histogram of durations: 32 buckets per power of two (at most 3 % off), any
 * number of threads add, one reads. The greatest value is kept exactly.
 */
#ifndef KVLOAD_HIST_H
#define KVLOAD_HIST_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#define HIST_SUB_BITS 5
#define HIST_BUCKETS ((64 - HIST_SUB_BITS + 1) << HIST_SUB_BITS)

struct hist {
	_Atomic uint64_t count[HIST_BUCKETS];
	_Atomic uint64_t max;
};

/* A reader's copy, for differences and percentiles. */
struct hist_copy {
	uint64_t count[HIST_BUCKETS];
	uint64_t total;
};

void hist_add(struct hist *hist, uint64_t value);
/* The greatest value since the last call; 0 = none. */
uint64_t hist_take_max(struct hist *hist);
/* Adds what @hist holds to @copy. */
void hist_sum(struct hist_copy *copy, const struct hist *hist);
/* What has come since: @now less @before. */
void hist_since(struct hist_copy *ret_copy, const struct hist_copy *now,
		const struct hist_copy *before);
/* The upper edge of the bucket in which @part (0..1) of all values lie below. */
uint64_t hist_percentile(const struct hist_copy *copy, double part);

/* The whole distribution in the text form of HdrHistogram, which its plotter reads:
 * value / @unit, part of all values up to it, how many these are. */
void hist_write(const struct hist_copy *copy, double unit, FILE *f);

#endif /* KVLOAD_HIST_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Random numbers of the load: a small generator, and exact Zipf ranks.
 *
 * Rank k of n comes with probability proportional to 1 / k^s. The sampler is
 * rejection-inversion (Hoermann and Derflinger 1996): the histogram of k^-s is
 * covered by the area under x^-s, whose inverse is known in closed form. No
 * table, any s >= 0 (0 = uniform, 1 included), on average under 1.1 tries.
 */
#ifndef KVLOAD_ZIPF_H
#define KVLOAD_ZIPF_H

#include <stdint.h>

struct rng {
	uint64_t state;
};

void rng_seed(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
/* [0, 1) with 53 bits */
double rng_unit(struct rng *rng);
/* A good one-to-one scramble of 64 bits. */
uint64_t rng_mix(uint64_t x);

struct zipf {
	uint64_t n;
	double s;
	double area_first; /* H(1.5) - 1: where the area of rank 1 begins */
	double area_last;  /* H(n + 0.5) */
	double shortcut;   /* nearer to a rank than this: accepted at once */
};

void zipf_init(struct zipf *zipf, uint64_t n, double s);
/* 1 .. n */
uint64_t zipf_next(const struct zipf *zipf, struct rng *rng);

#endif /* KVLOAD_ZIPF_H */

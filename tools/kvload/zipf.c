// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <math.h>

#include "tools/kvload/zipf.h"

uint64_t rng_mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	return x;
}

void rng_seed(struct rng *rng, uint64_t seed)
{
	rng->state = rng_mix(seed + 0x9e3779b97f4a7c15u);
}

uint64_t rng_next(struct rng *rng)
{
	rng->state += 0x9e3779b97f4a7c15u;
	return rng_mix(rng->state);
}

double rng_unit(struct rng *rng)
{
	return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

/* expm1(t) / t and log1p(t) / t, continuous at 0: what makes s = 1 no special
 * case below. */
static double expm1_over(double t)
{
	return fabs(t) > 1e-8 ? expm1(t) / t : 1 + t / 2;
}

static double log1p_over(double t)
{
	return fabs(t) > 1e-8 ? log1p(t) / t : 1 - t / 2;
}

static double density(double s, double x)
{
	return exp(-s * log(x));
}

/* The integral of x^-s from 1 to x. */
static double area(double s, double x)
{
	double l = log(x);

	return expm1_over((1 - s) * l) * l;
}

static double area_inverse(double s, double y)
{
	double t = y * (1 - s);

	if (t < -1) /* rounding only */
		t = -1;
	return exp(log1p_over(t) * y);
}

void zipf_init(struct zipf *zipf, uint64_t n, double s)
{
	zipf->n = n;
	zipf->s = s;
	zipf->area_first = area(s, 1.5) - 1;
	zipf->area_last = area(s, (double)n + 0.5);
	zipf->shortcut = 2 - area_inverse(s, area(s, 2.5) - density(s, 2));
}

uint64_t zipf_next(const struct zipf *zipf, struct rng *rng)
{
	for (;;) {
		double y = zipf->area_last + rng_unit(rng) * (zipf->area_first - zipf->area_last);
		double x = area_inverse(zipf->s, y);
		double k = floor(x + 0.5);

		if (k < 1)
			k = 1;
		else if (k > (double)zipf->n)
			k = (double)zipf->n;
		if (k - x <= zipf->shortcut || y >= area(zipf->s, k + 0.5) - density(zipf->s, k))
			return (uint64_t)k;
	}
}

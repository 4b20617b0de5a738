/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Seeded randomness: TEST_SEED in the environment, else a fixed seed, so that
 * every run is the same run. A failing test prints the seed.
 */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <stdint.h>
#include <stdlib.h>

struct random {
	uint64_t seed, state;
};

/* splitmix64 */
static inline uint64_t random_next(struct random *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline struct random random_seeded(uint64_t seed)
{
	return (struct random){.seed = seed, .state = seed};
}

static inline struct random random_new(void)
{
	const char *text = getenv("TEST_SEED");

	return random_seeded(text ? strtoull(text, NULL, 0) : 20210505);
}

static inline uint64_t random_below(struct random *r, uint64_t n)
{
	return random_next(r) % n;
}

/* Any number of up to @bits bits, small ones as often as large ones. */
static inline uint64_t random_magnitude(struct random *r, unsigned int bits)
{
	unsigned int b = (unsigned int)random_below(r, bits + 1);

	return b ? random_next(r) >> (64 - b) : 0;
}

#endif /* TESTS_RANDOM_H */

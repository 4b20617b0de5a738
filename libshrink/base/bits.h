/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Small change: sizes, bounds, alignment. */
#ifndef SHRINK_BASE_BITS_H
#define SHRINK_BASE_BITS_H

#include <stddef.h>
#include <stdint.h>

#define shrink_container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define SHRINK_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define SHRINK_CACHELINE 64
#define SHRINK_ALIGNED __attribute__((aligned(SHRINK_CACHELINE)))

#define NSEC_PER_USEC 1000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_SEC 1000000000ULL

static inline uint64_t shrink_min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t shrink_max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t shrink_clamp_u64(uint64_t v, uint64_t lo, uint64_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* a - b, or 0: sizes never go below nothing */
static inline uint64_t shrink_sub_u64(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* a + b, or the largest number: a sum of limits must not wrap to a small one */
static inline uint64_t shrink_add_u64(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

/* v * num / den without overflow, rounded down; den 0 gives 0 */
static inline uint64_t shrink_mul_div(uint64_t v, uint64_t num, uint64_t den)
{
	if (!den)
		return 0;
	__extension__ unsigned __int128 r = (unsigned __int128)v * num / den;

	return r > UINT64_MAX ? UINT64_MAX : (uint64_t)r;
}

#endif /* SHRINK_BASE_BITS_H */

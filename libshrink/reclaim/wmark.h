/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Watermarks of free headroom: a calculator. Numbers in, numbers out.
 *
 * headroom = limit - unreclaimable usage. Below low reclaim starts, above high it
 * stops. What low has to buy is time: between the crossing and the first page
 * returned the process goes on allocating, at worst at the steepest slope ever
 * seen; and on a busy machine our own threads come late. So
 *
 *	ramp = slope * (horizon + late) - slack			at most limit / 8
 *	base = low_percent of limit
 *	low  = max(base, ramp)
 *	high = low + low / 2
 *
 * and for small limits, where two percent is nothing against a neighbour that has
 * not been seen to grow yet, base is at least 8 MiB, at most limit / 20. Slack is what
 * lies between a limit that only slows down (memory.high) and the next that kills:
 * so much may grow before we are there for the price of a delay, and a cache should not
 * pay for it.
 */
#ifndef SHRINK_RECLAIM_WMARK_H
#define SHRINK_RECLAIM_WMARK_H

#include <stdint.h>

struct shrink_wmark {
	uint64_t low, high; /* bytes of headroom; low < high <= limit */
};

/* @ramp in bytes. Tunables low_percent, low_bytes and high_bytes come in as arguments of
 * the pure form. */
struct shrink_wmark shrink_wmark_compute(uint64_t limit, uint64_t ramp, uint64_t low_percent,
					 uint64_t low_bytes, uint64_t high_bytes);
/* The same with the tunables in force; @slope in bytes per second; @late: how late our
 * threads have come, usec; @slack: 0 where the limit kills. */
struct shrink_wmark shrink_wmark(uint64_t limit, uint64_t slope, uint64_t late, uint64_t slack);

#endif /* SHRINK_RECLAIM_WMARK_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Watermarks of free headroom: a calculator. Numbers in, numbers out.
 *
 * headroom = limit - unreclaimable usage. Below low reclaim starts, above high it
 * stops. What low has to buy is time: between the crossing and the first page
 * returned the process goes on allocating, at worst at the steepest slope ever
 * seen; and on a busy machine our own threads come late. So
 *
 *	low  = max(low_percent of limit, slope * (horizon + late))	at most limit / 8
 *	high = low + low / 2
 *
 * and for small limits, where two percent is nothing against a neighbour that has
 * not been seen to grow yet, at least 8 MiB, at most limit / 20.
 */
#ifndef SHRINK_RECLAIM_WMARK_H
#define SHRINK_RECLAIM_WMARK_H

#include <stdint.h>

struct shrink_wmark {
	uint64_t low, high; /* bytes of headroom; low < high <= limit */
};

/* @slope in bytes per second. Tunables low_percent, low_bytes, high_bytes and
 * slope_horizon come in as arguments of the pure form. */
struct shrink_wmark shrink_wmark_compute(uint64_t limit, uint64_t slope, uint64_t low_percent,
					 uint64_t low_bytes, uint64_t high_bytes,
					 uint64_t horizon_usec);
/* The same with the tunables in force; @late: how late our threads have come, usec. */
struct shrink_wmark shrink_wmark(uint64_t limit, uint64_t slope, uint64_t late);

#endif /* SHRINK_RECLAIM_WMARK_H */

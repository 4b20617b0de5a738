/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The fixed ladder of usage thresholds: a calculator.
 *
 * Arming a threshold costs milliseconds, so the rungs cannot follow the usage;
 * they have to lie where something is decided. Below the limit by
 *
 *	16 low, 8 low, 4 low, 2 low	the monitor learns the slope in time
 *	high, low			reclaim ends, reclaim begins
 *	low / 2, low / 4		it does not get better
 *
 * with the watermarks of a slope of 0: the steepest one seen only raises low, and
 * the rungs above are there for that.
 */
#ifndef SHRINK_SOURCE_LADDER_H
#define SHRINK_SOURCE_LADDER_H

#include <stdint.h>

#include <libshrink/reclaim/wmark.h>

#define SHRINK_LADDER_RUNGS 8

/* Thresholds in bytes of usage, rising and distinct. Returns how many: on a small
 * limit the lowest fall away. */
int shrink_ladder(uint64_t limit, struct shrink_wmark wmark,
		  uint64_t ret_rungs[SHRINK_LADDER_RUNGS]);

#endif /* SHRINK_SOURCE_LADDER_H */

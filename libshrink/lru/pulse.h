/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Which of two lists is in use: a pure calculator.
 *
 * Problem. When what is popular changes, the active list is full of what was popular
 * before. Inactive objects leave first, so the new ones press each other out while the
 * old ones stay, and each that comes back costs a miss. The kernel deactivates while
 * refaults are seen (prepare_scan_control), that is after the damage.
 *
 * Observation. A scan and a change of phase both leave the active list unused; but in a
 * scan nobody uses the inactive objects either, after a change everybody does.
 *
 * Therefore scouts go round both lists at the same pace, and note how many of the
 * objects they pass were used since they passed before. The active list is *stale*
 * where its objects are used less than a quarter as often as inactive ones: then its
 * idle objects go first. Scans, where nothing is used, leave it alone.
 *
 *	rate(active) < rate(inactive) / 4
 *
 * A rate is a moving average over a part of the list, so that it tells of late. Below
 * one in 200 the inactive list is not in use either.
 */
#ifndef SHRINK_LRU_PULSE_H
#define SHRINK_LRU_PULSE_H

#include <stdbool.h>
#include <stdint.h>

#include <libshrink/lru/balance.h>

/* Rounds that scouts make while as many objects as the inactive list has are evicted:
 * three, so that a change is seen before the first of the new objects is at its end. */
#define SHRINK_PULSE_PACE 3

struct shrink_pulse {
	uint32_t seen[SHRINK_LISTS]; /* objects, counted as far as it matters */
	int64_t rate[SHRINK_LISTS];  /* of these used, in 2^32 parts */
	uint64_t owed; /* looks at each list, of SHRINK_PULSE_PACE for each eviction */
};

/* A scout came by for at least the second time; @objects of the list. */
void shrink_pulse_note(struct shrink_pulse *p, int list, bool used, uint64_t objects);
bool shrink_pulse_stale(const struct shrink_pulse *p);

#endif /* SHRINK_LRU_PULSE_H */

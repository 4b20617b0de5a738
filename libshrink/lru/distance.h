/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Refault distance (contract section 6): a pure calculator.
 *
 * The clock of a node counts evictions and promotions, each of which moves every
 * object of the inactive list one place towards its end. An object that left at E
 * and is back at R would have survived with d = R - E more places. It deserves one
 * of the protected places if its whole reuse distance fits in memory:
 *
 *	inactive + d <= inactive + protected	that is	d <= protected
 *
 * Shadow, from the low end: 32 bits clock, 16 group, 6 node, 1 was active, 1 went
 * for idleness, 1 always set (so that no shadow is 0).
 */
#ifndef SHRINK_LRU_DISTANCE_H
#define SHRINK_LRU_DISTANCE_H

#include <stdbool.h>
#include <stdint.h>

#define SHRINK_SHADOW_CLOCK_BITS 32

struct shrink_shadow {
	uint32_t clock;
	unsigned int group, nid;
	bool active, aged;
};

uint64_t shrink_shadow_pack(const struct shrink_shadow *s);
/* False: 0, or a number that is no shadow. */
bool shrink_shadow_unpack(uint64_t packed, struct shrink_shadow *ret);

/* (R - E) mod 2^32: right also across a wrap of the clock. */
uint32_t shrink_distance(uint32_t now, uint32_t then);
/* The same for a clock that was read for the last time at @end: an eviction that came
 * just after that reading has nothing behind it. */
uint32_t shrink_distance_until(uint32_t end, uint32_t then);

/* Objects that are protected from an object of the kind that comes back. */
struct shrink_distance_room {
	uint64_t active_clean, inactive_clean;
	uint64_t active_dirty, inactive_dirty;
	bool dirty;     /* the object that comes back is dirty-backed */
	bool write_out; /* dirty ones can be written out at all (swappiness > 0) */
};

/* active_clean [+ inactive_clean if dirty] [+ active_dirty + (inactive_dirty if
 * clean), where dirty ones can go]. */
uint64_t shrink_distance_room(const struct shrink_distance_room *in);

#endif /* SHRINK_LRU_DISTANCE_H */

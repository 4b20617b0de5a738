/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Which slabs are worth giving up. A pure calculator.
 *
 * A slab goes back whole or not at all, so not objects are ranked but slabs: by
 * what evicting all of it would cost per page returned.
 *
 *   heat   share of its places whose object was used since the last look, or half
 *          of the heat it had then, whichever is more: a tour without use halves it
 *   score  0 .. 63: a share of heat, a share of fullness (a sparse slab costs few
 *          evictions), and a supplement for slabs still being filled
 *
 * The clock hand meets slabs in address order and cannot sort them. Instead it
 * keeps a fading histogram of the scores it met, and takes those that belong to
 * the coldest quarter. So a small request finds colder slabs than the next ones in
 * line, at the price of looking at four, which is cheap beside evicting one.
 */
#ifndef SHRINK_POOL_HEAT_H
#define SHRINK_POOL_HEAT_H

#include <stdint.h>

#define SHRINK_HEAT_MAX 255
/* Hotter than this, a slab is passed over as referenced. */
#define SHRINK_HEAT_SPARED 127
/* Given to a slab that an object refused to leave. */
#define SHRINK_HEAT_REFUSED 192
#define SHRINK_SCORES 64

struct shrink_heat_map {
	uint64_t pages[SHRINK_SCORES];
	uint64_t total;
};

/* @hot of @places were used since the last look. */
unsigned int shrink_heat_next(unsigned int heat, unsigned int hot, unsigned int places);

/* @young: allocated from a short while ago. */
unsigned int shrink_heat_score(unsigned int heat, unsigned int live, unsigned int places,
			       int young);

/* Enters a slab met; halves everything once a @window of pages was met, so that
 * old tours fade. */
void shrink_heat_enter(struct shrink_heat_map *map, unsigned int score, uint64_t pages,
		       uint64_t window);

/* Does a slab of this score belong to the coldest quarter of those met? */
int shrink_heat_is_cold(const struct shrink_heat_map *map, unsigned int score);

#endif /* SHRINK_POOL_HEAT_H */

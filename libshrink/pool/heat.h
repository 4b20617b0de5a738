/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Which slabs are worth giving up. A pure calculator.
 *
 * A slab goes back whole or not at all, so not objects are ranked but slabs: by
 * what evicting all of it would cost per page returned.
 *
 *   heat   share of its places whose object was used since the last look, or half
 *          of the heat it had then, whichever is more: a tour without use halves it
 *   scale  an object costs its seeks whatever its size, so a page of small ones is worth
 *          more than a page of large ones as warm: the root of the mean size of all over
 *          its own. The root, because who is asked for many bytes again pays for these
 *          too; so hit ratio and byte hit ratio share what there is to gain
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

/*
 * Where objects can be moved they are told apart one by one: an object's age is a byte
 * that is shifted right at each look, with a one on the left if it was used since the
 * last. So it tells how recently and how often, of the last eight looks. The hand keeps
 * a fading histogram of ages too: objects as young as the youngest part of all bytes
 * are worth a move when their slab goes.
 */
#define SHRINK_AGES 256
#define SHRINK_AGE_BORN 0x80 /* as if used just now */

struct shrink_age_map {
	uint64_t bytes[SHRINK_AGES];
	uint64_t total;
};

static inline unsigned int shrink_age_next(unsigned int age, int used)
{
	return age >> 1 | (used ? 0x80u : 0u);
}

/* As shrink_heat_enter(). */
void shrink_age_enter(struct shrink_age_map *map, unsigned int age, uint64_t bytes,
		      uint64_t window);
/* The age that @percent of the bytes met are older than; 1 at least, as what was not
 * used in eight looks is not worth a move. */
unsigned int shrink_age_percentile(const struct shrink_age_map *map, unsigned int percent);

/* In 1/SHRINK_SCALE_ONE, a quarter to four times: what an object of @size is worth, per
 * byte, where the mean of all is @mean. */
#define SHRINK_SCALE_ONE 16u
unsigned int shrink_heat_scale(uint64_t mean, uint64_t size);
/* A heat or an age by that scale; 0 only if it is 0. */
static inline unsigned int shrink_heat_scaled(unsigned int heat, unsigned int scale)
{
	unsigned int scaled = (heat * scale + SHRINK_SCALE_ONE - 1) / SHRINK_SCALE_ONE;

	return scaled < SHRINK_HEAT_MAX ? scaled : SHRINK_HEAT_MAX;
}

/* @hot of @places were used since the last look. */
unsigned int shrink_heat_next(unsigned int heat, unsigned int hot, unsigned int places);

/* The same as the mean of ages, for slabs of a pool that moves whose own objects cannot
 * be told apart. */
unsigned int shrink_heat_mean(unsigned int heat, unsigned int hot, unsigned int places);

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

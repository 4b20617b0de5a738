/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Temperatures (contract section 11): a pure calculator.
 *
 *	warm	hits in a tick > hot_hits		hot
 *	hot	idle >= hot_ticks			warm
 *	warm	idle and since >= cold_ticks		cold
 *	cold	used since it became cold		refaulted
 *	refaulted	since >= immune_ticks		warm
 *
 * idle = now - tick of the last use; since = now - tick of the last change. All modulo
 * 2^28, the width of a stamp's tick.
 */
#ifndef SHRINK_LRU_TEMPERATURE_H
#define SHRINK_LRU_TEMPERATURE_H

#include <stdint.h>

#include <shrink/age.h>

#define SHRINK_TICK_MASK 0x0fffffffu

struct shrink_temperature_rules {
	unsigned int cold_ticks, hot_hits, hot_ticks, immune_ticks;
};

struct shrink_temperature_in {
	enum shrink_temperature was;
	uint32_t now;   /* tick */
	uint32_t used;  /* tick of the last use */
	uint32_t hits;  /* in that tick */
	uint32_t since; /* tick of the last change */
};

static inline uint32_t shrink_ticks(uint32_t now, uint32_t then)
{
	return (now - then) & SHRINK_TICK_MASK;
}

enum shrink_temperature shrink_temperature(const struct shrink_temperature_rules *rules,
					   const struct shrink_temperature_in *in);

/* Objects to look at in this step, so that a tour of @objects takes a tick of @steps
 * steps; one at least. */
uint64_t shrink_age_share(uint64_t objects, unsigned int steps);

#endif /* SHRINK_LRU_TEMPERATURE_H */

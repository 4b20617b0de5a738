/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Proactive mode, off by default: with memory to spare, a little is asked of the
 * caches again and again, so that what nobody misses goes before it is needed. What
 * says that somebody does miss it is stall of the own group, and refaults: objects
 * that were evicted and come back. Senpai's control law, as a calculator:
 *
 *	miss  = max(stall / stall wanted, refaults / refaults wanted)	last period
 *	bytes = usage * 1 % * (1 - miss)				none if miss >= 1
 *
 * and a period over the target doubles the next, up to PROACTIVE_SLOWEST of them.
 */
#ifndef SHRINK_RECLAIM_PROACTIVE_H
#define SHRINK_RECLAIM_PROACTIVE_H

#include <stdint.h>

#define SHRINK_PROACTIVE_SLOWEST 16

/* What was missed in a period, and what is tolerated. */
struct shrink_missed {
	uint64_t stall_usec, stall_target;
	uint64_t refaults, refaults_target;
};

/* Bytes to ask for; 0: too much was missed. Pure. */
uint64_t shrink_proactive_bytes(uint64_t usage, const struct shrink_missed *missed);

/* Sources: the stall of the own group so far. */
void shrink_proactive_stall(uint64_t total_usec);

/* Monitor, at NORMAL: bytes to ask for now, 0 = nothing yet. */
uint64_t shrink_proactive_turn(uint64_t now, uint64_t usage);
void shrink_proactive_reset(void);

#endif /* SHRINK_RECLAIM_PROACTIVE_H */

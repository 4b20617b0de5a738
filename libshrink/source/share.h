/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Several processes of one memory group answer one shortage: how much of it is
 * ours, and when it is our turn again. Calculators.
 *
 * Each sees the same need and takes the part that it has of what all of them keep
 * resident. If all act on one look, that adds up to the need; if they act one after
 * the other, each takes its part of what is left. It goes wrong in between: who is
 * done first sees what the others have claimed but not yet returned, and would take
 * it on himself. So who has done his part waits, for as long as that took him
 * times the number of the others (on a busy machine that is long, as it should be),
 * give or take a quarter, so that they fall out of step.
 *
 * Nobody is relied upon. A need that does not fall while we wait doubles our part
 * each time, up to all of it; one that grows is answered at once, and near the limit
 * there is no waiting.
 */
#ifndef SHRINK_SOURCE_SHARE_H
#define SHRINK_SOURCE_SHARE_H

#include <stdbool.h>
#include <stdint.h>

/* Our part in 1/SHRINK_SHARE_ALL, from what we and @nr others keep resident. At least
 * a quarter of an equal part: caches may be all that somebody small has. */
uint32_t shrink_share_of(uint64_t own, uint64_t others, int nr);

/* Turns within one shortage; zeroed where there is none. */
struct shrink_turns {
	uint64_t need;        /* bytes, at our last turn; 0 = none yet */
	uint64_t begin;       /* clock, of that turn */
	uint64_t wait_until;
	unsigned int doubled;
	bool running;         /* its end has not been seen yet */
};

/* May we go, and with what part? To be asked only while no round of ours runs. @part
 * as above for @nr others; @critical: no waiting; @random: any number. */
bool shrink_share_turn(struct shrink_turns *turns, uint64_t now, uint64_t need, bool critical,
		       uint32_t part, int nr, uint64_t random, uint32_t *ret_share);

/* What the usage source has found out, for the judge. Any thread. */
void shrink_share_set(uint32_t part, int nr);
uint32_t shrink_share_get(int *ret_nr);

#endif /* SHRINK_SOURCE_SHARE_H */

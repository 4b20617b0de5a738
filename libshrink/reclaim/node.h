/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * One memory node under its watermarks: what kswapd decides, as a calculator
 * (contract 4.2). Numbers in, numbers out.
 *
 *	available <= low	pressed, until above high
 *	pressed			a round, priority 12 to 1
 *	16 rounds for nothing	parked: one probe a second while pressed
 *	progress, or a count that was 0 and is not		un-parked
 *	balanced		a short sleep of 100 ms, then a long one
 */
#ifndef SHRINK_RECLAIM_NODE_H
#define SHRINK_RECLAIM_NODE_H

#include <stdbool.h>
#include <stdint.h>

#define SHRINK_NODE_FAILURES 16
#define SHRINK_NODE_SHORT_NSEC (100ULL * 1000000)
#define SHRINK_NODE_PROBE_NSEC (1000ULL * 1000000)

/* All in bytes. managed 0: there is no memory. */
struct shrink_node_reading {
	uint64_t managed, available, low, high;
};

struct shrink_node {
	bool pressed, parked;
	unsigned int failures; /* rounds for nothing in a row */
	uint64_t not_before;   /* clock: the next round or probe */
	uint64_t short_until;  /* balanced since a moment */
	uint64_t yield;        /* what could be freed at the last round */
};

/* The kernel's watermarks of a zone, pages or bytes: @scale is
 * watermark_scale_factor, @boost adds to all. */
void shrink_node_wmark(uint64_t min, uint64_t managed, uint64_t scale, uint64_t boost,
		       struct shrink_node_reading *ret);

/* True: run a round now. Else *@ret_wake is when to look again; periods in nsec. */
bool shrink_node_next(struct shrink_node *n, const struct shrink_node_reading *r, uint64_t now,
		      uint64_t period_min, uint64_t period_max, uint64_t *ret_wake);
/* A round has ended: bytes it got, bytes there were to get. */
void shrink_node_learn(struct shrink_node *n, uint64_t freed, uint64_t yield, uint64_t now,
		       uint64_t period_min);

#endif /* SHRINK_RECLAIM_NODE_H */

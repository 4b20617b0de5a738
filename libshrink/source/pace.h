/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * How much to ask for while stall is all that is known. A calculator.
 *
 * Nobody says how much is missing, so it is found out in steps. The first is what a
 * pass at the signal's priority gets, one priority harder until it gets anything; each
 * further one is a tenth of all that was freed since the stall began. The end of the
 * stall is seen between two steps, so a tenth, or the smallest step there is, is
 * also the most that is freed beyond the need. Doubling would be faster, and
 * free up to twice the need: 80 steps lead from a two-thousandth of a cache to
 * all of it.
 *
 * It cannot be had faster by stall alone. All that a step teaches is whether it was enough,
 * since who sleeps does not say how much more it wants, and total= grows the same
 * meanwhile. Then, for never more than a tenth too much, no step may be larger than a
 * tenth of what the need is known to exceed, which is what was freed before: n steps reach
 * 1.1^n times the first one at best, and these are of that size. Each takes as long as who
 * stalls sleeps. What knows more is faster: a limit, or what went out to swap.
 *
 * Whoever has exceeded memory.high sleeps for up to 2 s though there is room again, and
 * PSI counts that as stall. So where usage can be read, the next step waits until
 * somebody has taken what the last one gave; but no longer than such a sleep, for
 * it may be a group beside ours that takes it.
 */
#ifndef SHRINK_SOURCE_PACE_H
#define SHRINK_SOURCE_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* One stall that goes on; zeroed at start. */
struct shrink_pace {
	uint64_t last;     /* clock, of the last signal; 0 = none yet */
	uint64_t step;     /* clock, of the last step, */
	uint64_t freed;    /*	the counter then, */
	uint64_t usage;    /*	and usage; 0 = not known */
	uint64_t begin;    /* the counter when the stall began */
	int priority;      /* of the last pass */
};

/* A signal of stall that asks for @priority. @freed: a counter of bytes freed by
 * anybody; @usage: of the group, 0 = not known. False: what was done last has not shown
 * yet. Else *@ret_bytes is wanted, or where that is 0 a pass at *@ret_priority. */
bool shrink_pace_step(struct shrink_pace *pace, uint64_t now, int priority, uint64_t freed,
		      uint64_t usage, uint64_t *ret_bytes, int *ret_priority);

#endif /* SHRINK_SOURCE_PACE_H */

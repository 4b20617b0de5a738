/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * What the release stage has learned of its allocator: how much of what was promised
 * comes back, and how long that takes. Numbers in, numbers out.
 */
#ifndef SHRINK_RECLAIM_RELEASE_LEARN_H
#define SHRINK_RECLAIM_RELEASE_LEARN_H

#include <stdbool.h>
#include <stdint.h>

#define SHRINK_RELEASE_YIELD_ALL 256u

struct shrink_release_learned {
	uint32_t yield;	       /* of what was promised, in 1/256: a moving average */
	uint64_t usec_per_gib; /* of what a release has to look at */
	uint32_t bad;	       /* releases in a row that were not worth it */
	uint64_t skip;	       /* stages to leave out */
	bool due;	       /* they are over: try once, whatever is believed */
};

void shrink_release_learn_init(struct shrink_release_learned *learned);

/* Of @promise bytes, what probably comes back. */
uint64_t shrink_release_expect(const struct shrink_release_learned *learned, uint64_t promise);

/* Is a release of @promise worth it after @freed bytes, of which @min_percent should
 * come back? A stage left out is forgotten a little: what was true of a heap then need
 * not be now. */
bool shrink_release_worth(struct shrink_release_learned *learned, uint64_t promise, uint64_t freed,
			  uint64_t min_percent);

/* Will looking at @walks bytes probably stall for at most @usec? */
bool shrink_release_affordable(struct shrink_release_learned *learned, uint64_t walks,
			       uint64_t usec);

/* A release has looked at @walks bytes and taken @usec. */
void shrink_release_learn_pace(struct shrink_release_learned *learned, uint64_t walks,
			       uint64_t usec);
/* Of @promise bytes @returned came back; @good: it was worth it. After each bad one in a
 * row twice as many stages are left out as before. */
void shrink_release_learn_yield(struct shrink_release_learned *learned, uint64_t promise,
				uint64_t returned, bool good);

#endif /* SHRINK_RECLAIM_RELEASE_LEARN_H */

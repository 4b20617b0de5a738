/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * How much of which list to look at: pure calculators, numbers in, numbers out.
 */
#ifndef SHRINK_LRU_BALANCE_H
#define SHRINK_LRU_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

/* Index of a kind, as enum shrink_lruvec_kind; of a list. */
enum { SHRINK_KIND_CLEAN, SHRINK_KIND_DIRTY, SHRINK_KINDS };
enum { SHRINK_INACTIVE, SHRINK_ACTIVE, SHRINK_LISTS };

struct shrink_balance_in {
	uint64_t size[SHRINK_KINDS][SHRINK_LISTS];
	uint64_t cost[SHRINK_KINDS];
	int priority;                  /* 0 .. 12; 1 where the caller has a budget */
	unsigned int swappiness;       /* 0 .. 200 */
	bool deactivates_clean;        /* the active clean list is being scanned too */
};

struct shrink_balance {
	uint64_t share[SHRINK_KINDS];  /* of denominator; sums to it */
	uint64_t denominator;          /* never 0 */
	bool equal;                    /* both lists in full: shares do not apply */
};

/*
 * Contract 4.1, as get_scan_count since 5.9. With c the recent cost of a kind and
 * C = c(clean) + c(dirty), so that no kind's weight falls below a third:
 *
 *	weight(dirty) = swappiness         * (3C + 1) / (C + c(dirty) + 1)
 *	weight(clean) = (200 - swappiness) * (3C + 1) / (C + c(clean) + 1)
 *
 * First come: swappiness 0 or no dirty objects = clean only; no clean ones = dirty
 * only; priority 0 = both in full; a clean inactive list that is large at this
 * priority while the active one is left alone = clean only (cheap and plenty).
 */
void shrink_balance(const struct shrink_balance_in *in, struct shrink_balance *ret);

/* Objects to scan of each list: (size >> priority) * share / denominator. */
void shrink_balance_counts(const struct shrink_balance_in *in,
			   uint64_t ret_nr[SHRINK_KINDS][SHRINK_LISTS]);

/* The active list may be so many times the inactive one: sqrt(10 * GiB), 1 below a
 * GiB. 1 GiB: 3, 10 GiB: 10, 100 GiB: 31, 1 TiB: 101. */
uint64_t shrink_inactive_ratio(uint64_t bytes);
/* inactive * ratio < active. */
bool shrink_inactive_is_low(uint64_t inactive, uint64_t active, uint64_t bytes);

/* Adds to a kind's cost, and halves both while their sum exceeds a quarter of the
 * @objects on the lists: what was long ago counts little. */
void shrink_balance_note(uint64_t cost[SHRINK_KINDS], int kind, uint64_t units, uint64_t objects);

/* Which share of @budget a kind gets, exactly over time: what rounding leaves over is
 * carried to the next call in 65,536ths. */
uint64_t shrink_balance_part(uint64_t budget, uint64_t share, uint64_t denominator,
			     uint64_t *carry);

/* Outcomes of a walk, and why writers should wait: SHRINK_LRUVEC_THROTTLE_* bits. */
struct shrink_balance_seen {
	uint64_t taken; /* asked, whatever they said */
	uint64_t dirty, queued, writeback, immediate;
};
unsigned int shrink_balance_throttle(const struct shrink_balance_seen *seen);

#endif /* SHRINK_LRU_BALANCE_H */

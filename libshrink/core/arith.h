/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The arithmetic of one slice: a pure calculator, no clock, lock or callback.
 *
 * A slice is one visit of one shrinker at one node. From what the cache could
 * free, the priority and the work put off earlier it makes a number of objects to
 * look at, hands that out in batches, and says what is put off again:
 *
 *	shrink_arith_begin(&sl, how, freeable, deferred);
 *	while ((n = shrink_arith_next(&sl)))
 *		shrink_arith_charge(&sl, nr_scanned);
 *	put_off(shrink_arith_end(&sl));
 *
 * Formulas: contract/kernel-contract.md section 2.1 (linux-5.13, kernels since
 * v5.13), 2.2 (linux-5.0, kernels 4.16 to 5.12) and 2.2 side history
 * (proportional, before 4.16). Equal to the kernel's bit for bit, including the
 * order of shift, multiplication and division, and two's-complement wrap where
 * the kernel's own would wrap.
 */
#ifndef SHRINK_CORE_ARITH_H
#define SHRINK_CORE_ARITH_H

#include <stdint.h>

/* In the order of the words of the tunable `arith`; the last is not a word. */
enum shrink_arith_variant {
	SHRINK_ARITH_5_13 = 0,
	SHRINK_ARITH_5_0 = 1,
	SHRINK_ARITH_PROPORTIONAL = 2
};

/* How hard, by which rule. */
struct shrink_arith_how {
	enum shrink_arith_variant variant;
	int priority;              /* 0 .. 12; not PROPORTIONAL */
	int seeks;
	long batch;                /* 0 = SHRINK_BATCH */
	unsigned long nr_scanned;  /* PROPORTIONAL: pressure is */
	unsigned long nr_eligible; /*	nr_scanned / (nr_eligible + 1) */
};

struct shrink_slice {
	long freeable;      /* objects, as counted; > 0 */
	long deferred;      /* claimed from earlier visits */
	long batch;
	uint64_t delta;     /* this visit's own share */
	long total_scan;    /* still to look at */
	long scanned;       /* looked at so far */
	long next_deferred; /* 5.0: what would be put off had nothing been scanned */
	enum shrink_arith_variant variant;
	int negative;       /* 5.0: the sum was negative, which the kernel logs */
};

/* This visit's own share, before any backlog. */
uint64_t shrink_arith_delta(const struct shrink_arith_how *how, long freeable);

void shrink_arith_begin(struct shrink_slice *sl, const struct shrink_arith_how *how, long freeable,
			long deferred);

/* Objects to offer next; 0 = the slice is done. */
unsigned long shrink_arith_next(const struct shrink_slice *sl);

/* A scan has looked at so many (as the callback says, not as it was offered). */
void shrink_arith_charge(struct shrink_slice *sl, unsigned long nr_scanned);

/* This visit's own share is not owed after all: only the backlog it claimed, less
 * what was scanned, goes back. */
void shrink_arith_forgo(struct shrink_slice *sl);

/* What to add to the deferred counter. */
long shrink_arith_end(const struct shrink_slice *sl);

#endif /* SHRINK_CORE_ARITH_H */

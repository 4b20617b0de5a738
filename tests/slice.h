/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * One slice of one shrinker through the real core: a registered shrinker whose
 * callbacks are scripted, deferred work put into its slot by the core's own
 * add, and the numbers the core used handed back.
 */
#ifndef TESTS_SLICE_H
#define TESTS_SLICE_H

#include <stddef.h>
#include <stdint.h>

struct slice;

/* Answers one scan call that is asked for @n; sets *@charged (n before) and
 * returns what scan_objects() returns. */
typedef unsigned long (*slice_scan_fn)(struct slice *sl, unsigned long n, unsigned long *charged);

struct slice_call {
	unsigned long n, times;
};

struct slice {
	/* in */
	unsigned long count; /* what count_objects() answers, as it is */
	int priority;
	int seeks;
	long batch;
	int64_t deferred_before;
	int variant; /* 0 linux-5.13, 1 linux-5.0 */
	int64_t between; /* another thread defers this between the scans and the
			  * slice's own putting off */
	slice_scan_fn scan;
	void *arg;

	/* out */
	int computed; /* 0: count ended it, no arithmetic was done */
	uint64_t delta;
	int64_t total_scan, total_left;
	int64_t scanned;
	unsigned long freed; /* as the slice returns it */
	int64_t deferred_after;
	unsigned long nr_calls;
	struct slice_call *calls; /* equal ones in a row are one entry */
	size_t nr_runs, room;

	/* internal */
	struct shrinker *s;
};

/* Runs it; sl->calls is the caller's until slice_release(). 0, or -1: the core
 * could not be set up. */
int slice_run(struct slice *sl);
void slice_release(struct slice *sl);
/* From inside scan: what another thread that was refused would defer now. */
void slice_defer(struct slice *sl, int64_t objects);

#endif /* TESTS_SLICE_H */

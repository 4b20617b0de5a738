/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Slices of the kernel's shrinkers, put together from what its tracepoints tell: the start
 * and the end of each, of many tasks at once.
 *
 * The seeks of a shrinker are in neither. But each slice narrows them down, since its delta
 * is (freeable >> priority) * 4 / seeks, in whole numbers; and a shrinker has the same in
 * all its slices. So its rows are held back until one value is left, or so many are held
 * that it does not matter any more: then the default is taken if it may be, else the least.
 * A slice that contradicts those before it begins the shrinker anew (another one may have
 * got its place). One that no seeks explain is told all the same, with the default: the
 * check of the rows is to fail, not to miss it.
 *
 * Numbers in, rows out; nothing here calls the kernel.
 */
#ifndef TOOLS_RECORD_SLICES_H
#define TOOLS_RECORD_SLICES_H

#include <stdint.h>

#define SLICES_TASKS	1024 /* in a slice at once */
#define SLICES_SHRINKERS 4096
#define SLICES_HELD	64   /* rows of one shrinker */

struct slice_start {
	uint64_t shrinker;
	int64_t deferred, freeable, delta, total, priority;
};

struct slice_end {
	uint64_t shrinker;
	int64_t deferred; /* as at its start: so that it is its end */
	int64_t after, left, freed;
};

struct slice_row {
	struct slice_start start;
	struct slice_end end;
};

struct slices;
typedef void (*slices_fn)(void *arg, const struct slice_row *row, int64_t seeks);

/* NULL: no memory. @fn gets the rows. */
struct slices *slices_new(slices_fn fn, void *arg);
void slices_free(struct slices *s);
void slices_started(struct slices *s, uint32_t tid, const struct slice_start *start);
void slices_ended(struct slices *s, uint32_t tid, const struct slice_end *end);
/* Records are missing: no start that is known now has its end for sure. */
void slices_lost(struct slices *s);
/* All rows that are held. */
void slices_flush(struct slices *s);

/* The seeks that explain a slice: *@ret_lo to *@ret_hi, none if it is greater; *@ret_zero:
 * 0 is another. */
void slices_seeks(const struct slice_start *start, int64_t *ret_lo, int64_t *ret_hi,
		  int *ret_zero);

#endif /* TOOLS_RECORD_SLICES_H */

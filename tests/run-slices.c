// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * run-slices FILE: slices of work recorded from a live kernel (its tracepoints
 * mm_shrink_slab_start and _end), in the format of tests/data/kernel-slices.tsv,
 * replayed through the real core.
 *
 * priority seeks deferred_before freeable
 *	-> delta total_scan total_left deferred_after freed
 *
 * A recording says neither the batch nor what each scan answered; total_scan -
 * total_left is what was looked at. So a row stands if some honest history of
 * calls leads there. The histories, likeliest first, each with the batches that
 * kernel caches use (128 by default, 1024 of filesystems, 4096 of graphics
 * drivers) and then with other round ones:
 *   plain     every call looks at what it is asked for, the loop ends by itself
 *   stopped   the same, until a call answers STOP
 *   adjusted  a call reports that it looked at less or more than asked
 * The core then computes all the other columns by itself.
 *
 * deferred_after above what the core leaves means that another thread deferred
 * meanwhile: the row is run again with that surplus added to the slot from
 * inside the scan. Below is a failure.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <shrink/shrinker.h>

#include "tests/slice.h"
#include "tests/tsv.h"

enum { PRIORITY, SEEKS, BEFORE, FREEABLE, DELTA, TOTAL, LEFT, AFTER, FREED, NR_FIELDS };

/* A replay makes no more calls than this where a larger batch explains it too. */
#define CALLS_MAX (1 << 20)

struct row {
	int64_t priority, seeks, before, freeable, total, left, after, freed;
	uint64_t delta;
};

enum history { PLAIN, STOPPED, ADJUSTED };

/* How a row is replayed. */
struct replay {
	enum history history;
	int64_t batch;
	const struct row *row;
	unsigned long calls;
	int64_t looked;  /* at so far */
	int64_t freed;   /* so far */
	int64_t surplus; /* still to be deferred by another thread */
};

static const int64_t usual[] = {128, 1024, 4096};
static const int64_t round_ones[] = {2048, 512, 256, 64, 32, 16, 8, 4, 2, 1};
#define NR(array) (sizeof(array) / sizeof((array)[0]))

static int64_t looked_at(const struct row *r)
{
	return r->total - r->left;
}

/* Does the loop make another call with this much left? */
static int goes_on(const struct row *r, int64_t batch, int64_t left)
{
	return left >= batch || left >= r->freeable;
}

static int plain_fits(const struct row *r, int64_t batch)
{
	int64_t rest = r->total < 0 ? r->total : r->total % batch;

	if (rest >= r->freeable) /* a last call for all of the cache */
		rest = 0;
	return rest == r->left && looked_at(r) / batch <= CALLS_MAX &&
	       (r->freed == 0 || r->left != r->total);
}

static int stopped_fits(const struct row *r, int64_t batch)
{
	int64_t looked = looked_at(r);

	return looked % batch == 0 && looked / batch <= CALLS_MAX && goes_on(r, batch, r->left) &&
	       (r->freed == 0 || looked > 0);
}

static int try_batches(const struct row *r, struct replay *re, const int64_t *batches, size_t nr)
{
	for (size_t i = 0; i < 2 * nr; i++) {
		re->batch = batches[i % nr];
		re->history = i < nr ? PLAIN : STOPPED;
		if (i < nr ? plain_fits(r, re->batch) : stopped_fits(r, re->batch))
			return 1;
	}
	return 0;
}

static int try_large(const struct row *r, struct replay *re)
{
	for (int64_t batch = 8192; batch < 1LL << 62; batch *= 2)
		if (try_batches(r, re, &batch, 1))
			return 1;
	return 0;
}

/* Finds a history for the row; 0, or why there can be none. */
static const char *explain(const struct row *r, struct replay *re)
{
	*re = (struct replay){.row = r};
	if (looked_at(r) < 0)
		return "total_left above total_scan: no scan gives work back";
	if (try_batches(r, re, usual, NR(usual)) ||
	    try_batches(r, re, round_ones, NR(round_ones)) || try_large(r, re))
		return NULL;
	if (r->total <= 0)
		return "freed or looked at something with nothing to scan";
	re->history = ADJUSTED;
	for (re->batch = 128; re->batch * CALLS_MAX < r->total; re->batch *= 2)
		;
	if (re->batch > r->total)
		re->batch = r->total;
	return NULL;
}

/* What this call looks at of the @n it is asked for, in an adjusted history:
 * all that is left to look at, if it fits or if no further call would come. */
static int64_t adjusted(const struct replay *re, int64_t n)
{
	int64_t todo = looked_at(re->row) - re->looked;
	int64_t next = re->row->total - re->looked - n;

	return todo <= n || !goes_on(re->row, re->batch, next) ? todo : n;
}

/* The row's freed, spread over the calls in proportion to what they look at. */
static unsigned long freed_by_now(struct replay *re)
{
	int64_t all = looked_at(re->row), now;

	if (all <= 0)
		now = re->row->freed;
	else
		now = (int64_t)((__extension__(__int128)re->row->freed) * re->looked / all);
	all = now - re->freed;
	re->freed = now;
	return (unsigned long)all;
}

static unsigned long scan(struct slice *sl, unsigned long n, unsigned long *charged)
{
	struct replay *re = sl->arg;
	int finished = re->looked == looked_at(re->row);

	if (re->surplus)
		slice_defer(sl, re->surplus);
	re->surplus = 0;
	if (re->history != PLAIN && finished && re->freed == re->row->freed)
		return SHRINK_STOP;
	if (re->calls++ > 2 * CALLS_MAX) /* the core does not do what the row says */
		return SHRINK_STOP;
	if (re->history == ADJUSTED)
		*charged = (unsigned long)adjusted(re, (int64_t)n);
	re->looked += (int64_t)*charged;
	return freed_by_now(re);
}

static int makes_calls(const struct row *r, const struct replay *re)
{
	return re->history != PLAIN || looked_at(r);
}

static int replay(struct slice *sl, const struct row *r, struct replay *re)
{
	re->calls = 0;
	re->looked = 0;
	re->freed = 0;
	*sl = (struct slice){
		.count = (unsigned long)r->freeable,
		.priority = (int)r->priority,
		.seeks = (int)r->seeks,
		.batch = re->batch,
		.deferred_before = r->before,
		.scan = scan,
		.arg = re,
	};
	if (!makes_calls(r, re)) { /* no scan to defer from: between it and the end */
		sl->between = re->surplus;
		re->surplus = 0;
	}
	return slice_run(sl);
}

/* A call during which another thread can defer, where the history has none: one
 * that is refused changes nothing else. */
static void make_room_for_add(const struct row *r, struct replay *re)
{
	if (makes_calls(r, re) || r->total <= 0)
		return;
	re->history = STOPPED;
	re->batch = r->total < 128 ? r->total : 128;
}

static int same(const struct slice *sl, const struct row *r)
{
	return sl->computed && sl->delta == r->delta && sl->total_scan == r->total &&
	       sl->total_left == r->left && sl->deferred_after == r->after &&
	       sl->freed == (unsigned long)r->freed;
}

static void report(struct tsv *t, const struct slice *sl, const struct row *r,
		   const struct replay *re)
{
	static const char *const names[] = {"plain", "stopped", "adjusted"};

	tsv_fail(t, "priority %" PRId64 " seeks %" PRId64 " deferred_before %" PRId64
		 " freeable %" PRId64 " differs (batch %" PRId64 ", %s)", r->priority, r->seeks,
		 r->before, r->freeable, re->batch, names[re->history]);
	printf("  expected: delta %" PRIu64 " total_scan %" PRId64 " total_left %" PRId64
	       " deferred_after %" PRId64 " freed %" PRId64 "\n", r->delta, r->total, r->left,
	       r->after, r->freed);
	if (!sl->computed)
		printf("  actual:   count ended the slice\n");
	else
		printf("  actual:   delta %" PRIu64 " total_scan %" PRId64 " total_left %" PRId64
		       " deferred_after %" PRId64 " freed %lu\n", sl->delta, sl->total_scan,
		       sl->total_left, sl->deferred_after, sl->freed);
}

/* 0, or the name of the column that cannot be read. */
static const char *parse_row(struct tsv *t, struct row *r)
{
	const struct {
		const char *name;
		int column;
		int64_t *ret, lo, hi;
	} columns[] = {
		{"priority (0..12)", PRIORITY, &r->priority, 0, 12},
		{"seeks (0..2^31-1)", SEEKS, &r->seeks, 0, INT_MAX},
		{"deferred_before", BEFORE, &r->before, INT64_MIN, INT64_MAX},
		{"freeable (1..)", FREEABLE, &r->freeable, 1, INT64_MAX},
		{"total_scan", TOTAL, &r->total, INT64_MIN, INT64_MAX},
		{"total_left", LEFT, &r->left, INT64_MIN, INT64_MAX},
		{"deferred_after", AFTER, &r->after, INT64_MIN, INT64_MAX},
		{"freed", FREED, &r->freed, 0, INT64_MAX},
	};

	if (t->nr != NR_FIELDS)
		return "not 9 columns";
	for (size_t i = 0; i < NR(columns); i++)
		if (tsv_int(t->field[columns[i].column], columns[i].lo, columns[i].hi,
			    columns[i].ret) < 0)
			return columns[i].name;
	if (tsv_bits(t->field[DELTA], &r->delta) < 0)
		return "delta";
	return r->left < 0 && r->total > INT64_MAX + r->left ? "total_left" : NULL;
}

/* How the rows that passed were explained. */
struct tally {
	unsigned long adds, history[3];
};

static void run_row(struct tsv *t, struct tally *tally)
{
	struct slice sl;
	struct replay re;
	struct row r;
	const char *bad = parse_row(t, &r);

	if (bad) {
		tsv_fail(t, "malformed: %s", bad);
		return;
	}
	bad = explain(&r, &re);
	if (bad) {
		tsv_fail(t, "impossible: %s", bad);
		return;
	}
	if (replay(&sl, &r, &re) < 0) {
		tsv_fail(t, "the core could not be set up");
		return;
	}
	if (sl.computed && sl.deferred_after < r.after) {
		uint64_t surplus = (uint64_t)r.after - (uint64_t)sl.deferred_after;

		slice_release(&sl);
		make_room_for_add(&r, &re);
		re.surplus = (int64_t)surplus;
		if (replay(&sl, &r, &re) < 0) {
			tsv_fail(t, "the core could not be set up");
			return;
		}
		tally->adds += (unsigned long)same(&sl, &r);
	}
	if (same(&sl, &r)) {
		t->passed++;
		tally->history[re.history]++;
	} else {
		report(t, &sl, &r, &re);
	}
	slice_release(&sl);
}

int main(int argc, char **argv)
{
	struct tally tally = {0};
	struct tsv t;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: run-slices FILE\n");
		return 2;
	}
	r = tsv_open(&t, argv[1]);
	if (r < 0) {
		fprintf(stderr, "run-slices: %s: %s\n", argv[1], strerror(-r));
		return 2;
	}
	while (tsv_next(&t))
		run_row(&t, &tally);
	printf("%lu rows with a concurrent add\n", tally.adds);
	printf("%lu plain, %lu stopped, %lu adjusted\n", tally.history[PLAIN],
	       tally.history[STOPPED], tally.history[ADJUSTED]);
	return tsv_close(&t);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * run-vectors FILE: every row of a file in the format of tests/data/vectors.tsv
 * through the real core, each column compared.
 *
 * id count priority seeks batch deferred_before scan variant
 *	-> delta total_scan calls freed scanned deferred_after
 *
 * scan, with n the objects asked for:
 *   all         frees n                  none        frees 0
 *   half        frees n/2                short       frees n, looked at n/2
 *   over        frees n, looked at 2n    stop:K      STOP on call K, else all
 *   drain:N     N objects exist, then 0  drainstop:N the same, then STOP
 *   stop        as stop:1
 * each with +defer:M, by which another thread defers M during the first call.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrinker.h>

#include "tests/slice.h"
#include "tests/tsv.h"

enum { ID, COUNT, PRIORITY, SEEKS, BATCH, BEFORE, SCAN, VARIANT, DELTA, TOTAL, CALLS, FREED,
       SCANNED, AFTER, NR_FIELDS };

struct behaviour {
	const char *name;
	int takes_number; /* 0 no, 1 yes */
	unsigned long (*answer)(struct behaviour *b, unsigned long n, unsigned long *charged);
	/* per row */
	unsigned long number, seen;
	int64_t defer;
};

static unsigned long all(struct behaviour *b, unsigned long n, unsigned long *charged)
{
	(void)b;
	(void)charged;
	return n;
}

static unsigned long none(struct behaviour *b, unsigned long n, unsigned long *charged)
{
	(void)b;
	(void)n;
	(void)charged;
	return 0;
}

static unsigned long half(struct behaviour *b, unsigned long n, unsigned long *charged)
{
	(void)b;
	(void)charged;
	return n / 2;
}

static unsigned long look_at_half(struct behaviour *b, unsigned long n, unsigned long *charged)
{
	(void)b;
	*charged = n / 2;
	return n;
}

static unsigned long look_at_double(struct behaviour *b, unsigned long n, unsigned long *charged)
{
	(void)b;
	*charged = 2 * n;
	return n;
}

static unsigned long stop_on(struct behaviour *b, unsigned long n, unsigned long *charged)
{
	(void)charged;
	return ++b->seen == b->number ? SHRINK_STOP : n;
}

static unsigned long drain(struct behaviour *b, unsigned long n, unsigned long *charged)
{
	unsigned long freed = n < b->number ? n : b->number;

	(void)charged;
	b->number -= freed;
	return freed;
}

static unsigned long drain_then_stop(struct behaviour *b, unsigned long n, unsigned long *charged)
{
	return b->number ? drain(b, n, charged) : SHRINK_STOP;
}

static const struct behaviour behaviours[] = {
	{.name = "all", .answer = all},
	{.name = "none", .answer = none},
	{.name = "half", .answer = half},
	{.name = "short", .answer = look_at_half},
	{.name = "over", .answer = look_at_double},
	{.name = "stop", .takes_number = 1, .number = 1, .answer = stop_on},
	{.name = "drain", .takes_number = 1, .answer = drain},
	{.name = "drainstop", .takes_number = 1, .answer = drain_then_stop},
};

static unsigned long scan(struct slice *sl, unsigned long n, unsigned long *charged)
{
	struct behaviour *b = sl->arg;

	if (b->defer)
		slice_defer(sl, b->defer);
	b->defer = 0;
	return b->answer(b, n, charged);
}

static int parse_number(struct behaviour *b, const char *number)
{
	int64_t value;

	if (!number) /* "stop" alone has one to begin with, "drain" has not */
		return b->takes_number && !b->number ? -1 : 0;
	if (!b->takes_number || tsv_int(number, 0, INT64_MAX, &value) < 0)
		return -1;
	b->number = (unsigned long)value;
	return 0;
}

/* "name[:number][+defer:number]"; cuts @text. */
static int parse_behaviour(char *text, struct behaviour *ret)
{
	char *defer = strstr(text, "+defer:"), *number;
	struct behaviour b = {0};

	if (defer)
		*defer = '\0';
	number = strchr(text, ':');
	if (number)
		*number++ = '\0';
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++)
		if (!strcmp(text, behaviours[i].name))
			b = behaviours[i];
	if (!b.name || parse_number(&b, number) < 0)
		return -1;
	if (defer && tsv_int(defer + strlen("+defer:"), INT64_MIN, INT64_MAX, &b.defer) < 0)
		return -1;
	*ret = b;
	return 0;
}

/* EMPTY and STOP by name; a negative number by its bits, as a callback would. */
static int parse_objects(const char *text, unsigned long *ret)
{
	uint64_t value;

	if (!strcmp(text, "EMPTY"))
		value = SHRINK_EMPTY;
	else if (!strcmp(text, "STOP"))
		value = SHRINK_STOP;
	else if (tsv_bits(text, &value) < 0)
		return -1;
	*ret = (unsigned long)value;
	return 0;
}

static int parse_variant(const char *text, int *ret)
{
	if (strcmp(text, "linux-5.13") && strcmp(text, "linux-5.0"))
		return -1;
	*ret = !strcmp(text, "linux-5.0");
	return 0;
}

/* What the row expects; "-" in delta and total_scan: count ended the slice. */
struct expected {
	int computed;
	uint64_t delta, total_scan, scanned, after;
	unsigned long freed;
};

static int parse_expected(char **field, struct expected *e)
{
	*e = (struct expected){.computed = strcmp(field[DELTA], "-") != 0};
	if (e->computed != (strcmp(field[TOTAL], "-") != 0))
		return -1;
	if (e->computed && (tsv_bits(field[DELTA], &e->delta) < 0 ||
			    tsv_bits(field[TOTAL], &e->total_scan) < 0))
		return -1;
	if (strcmp(field[SCANNED], "-") && tsv_bits(field[SCANNED], &e->scanned) < 0)
		return -1;
	return parse_objects(field[FREED], &e->freed) < 0 || tsv_bits(field[AFTER], &e->after) < 0
		       ? -1
		       : 0;
}

/* 0, or the name of the column that cannot be read. */
static const char *parse_row(struct tsv *t, struct slice *sl, struct behaviour *b,
			     struct expected *e)
{
	int64_t priority, seeks, batch;

	if (t->nr != NR_FIELDS)
		return "not 14 columns";
	if (parse_objects(t->field[COUNT], &sl->count) < 0)
		return "count";
	if (tsv_int(t->field[PRIORITY], 0, SHRINK_DEF_PRIORITY, &priority) < 0)
		return "priority (0..12)";
	if (tsv_int(t->field[SEEKS], 0, INT_MAX, &seeks) < 0)
		return "seeks (0..2^31-1)";
	if (tsv_int(t->field[BATCH], 0, LONG_MAX, &batch) < 0)
		return "batch (0..)";
	if (tsv_int(t->field[BEFORE], INT64_MIN, INT64_MAX, &sl->deferred_before) < 0)
		return "deferred_before";
	if (parse_behaviour(t->field[SCAN], b) < 0)
		return "scan";
	if (parse_variant(t->field[VARIANT], &sl->variant) < 0)
		return "variant (linux-5.13, linux-5.0)";
	if (parse_expected(t->field, e) < 0)
		return "delta, total_scan, freed, scanned or deferred_after";
	sl->priority = (int)priority;
	sl->seeks = (int)seeks;
	sl->batch = batch;
	return NULL;
}

/* One "AxB" or "B" of the calls column; advances *p beyond its comma. */
static int parse_call(char **p, unsigned long *ret_times, unsigned long *ret_n)
{
	char *word = strsep(p, ","), *n = strchr(word, 'x');
	int64_t times = 1, value;

	if (n)
		*n++ = '\0';
	if (n && tsv_int(word, 1, INT64_MAX, &times) < 0)
		return -1;
	if (tsv_int(n ? n : word, 1, INT64_MAX, &value) < 0)
		return -1;
	*ret_times = (unsigned long)times;
	*ret_n = (unsigned long)value;
	return 0;
}

/* 1: the calls made are those of @text ("-" = none); 0: they differ; -1: @text
 * cannot be read. Equal neighbours in @text count as one run. Cuts @text. */
static int calls_equal(const struct slice *sl, char *text)
{
	unsigned long times, n, left = 0;
	size_t run = 0;
	int equal = 1;

	if (!strcmp(text, "-"))
		return sl->nr_runs == 0;
	while (text) {
		if (parse_call(&text, &times, &n) < 0)
			return -1;
		if (!left && run < sl->nr_runs)
			left = sl->calls[run++].times;
		if (!run || sl->calls[run - 1].n != n || left < times)
			equal = 0;
		left = left < times ? 0 : left - times;
	}
	return equal && !left && run == sl->nr_runs;
}

static void print_calls(const struct slice *sl)
{
	if (!sl->nr_runs)
		putchar('-');
	for (size_t i = 0; i < sl->nr_runs; i++) {
		const struct slice_call *c = &sl->calls[i];

		printf("%s", i ? "," : "");
		if (c->times > 1)
			printf("%lux", c->times);
		printf("%lu", c->n);
	}
}

static int differs(const struct slice *sl, const struct expected *e, int calls)
{
	if (calls != 1 || sl->computed != e->computed || sl->freed != e->freed ||
	    (uint64_t)sl->scanned != e->scanned || (uint64_t)sl->deferred_after != e->after)
		return 1;
	return e->computed && (sl->delta != e->delta || (uint64_t)sl->total_scan != e->total_scan);
}

static void print_objects(unsigned long n)
{
	if (n == SHRINK_EMPTY)
		printf("EMPTY");
	else
		printf("%lu", n);
}

static void report(struct tsv *t, const struct slice *sl, const struct expected *e,
		   const char *calls)
{
	tsv_fail(t, "%s %s differs", t->field[ID], t->field[VARIANT]);
	printf("  expected: ");
	if (e->computed)
		printf("delta %" PRIu64 " total_scan %" PRId64, e->delta, (int64_t)e->total_scan);
	else
		printf("delta - total_scan -");
	printf(" calls %s freed ", calls);
	print_objects(e->freed);
	printf(" scanned %" PRId64 " deferred_after %" PRId64 "\n  actual:   ", (int64_t)e->scanned,
	       (int64_t)e->after);
	if (sl->computed)
		printf("delta %" PRIu64 " total_scan %" PRId64, sl->delta, sl->total_scan);
	else
		printf("delta - total_scan -");
	printf(" calls ");
	print_calls(sl);
	printf(" freed ");
	print_objects(sl->freed);
	printf(" scanned %" PRId64 " deferred_after %" PRId64 "\n", sl->scanned,
	       sl->deferred_after);
}

static void run_row(struct tsv *t)
{
	struct slice sl = {.scan = scan};
	struct behaviour b;
	struct expected e;
	const char *bad = parse_row(t, &sl, &b, &e);
	char *calls;
	int equal;

	if (bad) {
		tsv_fail(t, "malformed: %s", bad);
		return;
	}
	sl.arg = &b;
	if (slice_run(&sl) < 0) {
		tsv_fail(t, "%s: the core could not be set up", t->field[ID]);
		return;
	}
	calls = strdup(t->field[CALLS]);
	equal = calls ? calls_equal(&sl, t->field[CALLS]) : 0;
	if (equal < 0)
		tsv_fail(t, "malformed: calls");
	else if (differs(&sl, &e, equal))
		report(t, &sl, &e, calls ? calls : "?");
	else
		t->passed++;
	free(calls);
	slice_release(&sl);
}

int main(int argc, char **argv)
{
	struct tsv t;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: run-vectors FILE\n");
		return 2;
	}
	r = tsv_open(&t, argv[1]);
	if (r < 0) {
		fprintf(stderr, "run-vectors: %s: %s\n", argv[1], strerror(-r));
		return 2;
	}
	while (tsv_next(&t))
		run_row(&t);
	return tsv_close(&t);
}

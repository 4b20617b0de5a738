// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * shrink-record: slices of the running kernel's shrinkers to standard output, in the
 * format of tests/data/kernel-slices.tsv. Where fields lie is parsed from tracefs.
 *
 * Records of one processor come in order, those of several do not: a slice may begin on
 * one and end on another. So in each turn only what is older than the turn before is
 * taken, the oldest first.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/bridge/perf-ring.h>
#include <libshrink/bridge/trace-format.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/mem.h>
#include <libshrink/os/perf.h>
#include <libshrink/os/tracefs.h>

#include "tools/number.h"
#include "tools/record/slices.h"

#define RING_BYTES   (1024 * 1024)
#define TURN_USEC    50000
#define FORMAT_BYTES 4096
#define FIELDS_MAX   10

enum { START, END, POINTS };
enum { TYPE, SHRINKER, DEFERRED, FREEABLE, DELTA, TOTAL, PRIORITY };
enum { AFTER = FREEABLE, LEFT, FREED };

static const char *const names[POINTS] = {"mm_shrink_slab_start", "mm_shrink_slab_end"};
static const char *const wanted[POINTS][FIELDS_MAX] = {
	{"common_type", "shr", "nr_objects_to_shrink", "cache_items", "delta", "total_scan",
	 "priority"},
	{"common_type", "shr", "unused_scan", "new_scan", "total_scan", "retval"},
};

struct cpu {
	struct perf_ring ring;
	struct perf_record record;
	int has;
	int fd[POINTS];
};

static struct {
	uint64_t id[POINTS];
	struct shrink_trace_field field[POINTS][FIELDS_MAX];
	struct cpu *cpus;
	int nr_cpus;
	uint32_t pid; /* 0: everybody's */
	uint64_t lost, rows;
	struct slices *slices;
} rec;

static volatile sig_atomic_t quit;

static void on_signal(int sig)
{
	(void)sig;
	quit = 1;
}

static int fail(const char *what, int err)
{
	fprintf(stderr, "shrink-record: %s: %s\n", what, strerror(-err));
	if (err == -EACCES || err == -EPERM)
		fprintf(stderr, "shrink-record: it needs root, or CAP_PERFMON and a tracefs that "
				"may be read\n");
	return 1;
}

static int read_format(int tracefs, int point)
{
	char path[96], text[FORMAT_BYTES];
	ssize_t n;
	int r;

	snprintf(path, sizeof(path), "events/vmscan/%s/format", names[point]);
	n = shrink_os_tracefs_read(tracefs, path, text, sizeof(text));
	r = n < 0 ? (int)n : shrink_trace_id(text, &rec.id[point]);
	if (r < 0)
		return fail(path, r);
	for (int i = 0; wanted[point][i]; i++) {
		r = shrink_trace_find(text, wanted[point][i], &rec.field[point][i]);
		if (r < 0) {
			fprintf(stderr, "shrink-record: this kernel's %s has no field %s\n",
				names[point], wanted[point][i]);
			return 1;
		}
	}
	return 0;
}

static int read_formats(void)
{
	int tracefs = shrink_os_tracefs_open(), r = 0;

	if (tracefs < 0)
		return fail("no tracefs; mount -t tracefs tracefs /sys/kernel/tracing", tracefs);
	for (int i = 0; i < POINTS && !r; i++)
		r = read_format(tracefs, i);
	shrink_os_close(tracefs);
	return r;
}

static int open_cpu(struct cpu *cpu, int number)
{
	void *map;
	int r;

	for (int i = 0; i < POINTS; i++) {
		r = shrink_os_perf_open(rec.id[i], number);
		if (r == -ENODEV && !i)
			return 0; /* it is off */
		if (r < 0)
			return r;
		cpu->fd[i] = r;
	}
	map = shrink_os_perf_map(cpu->fd[START], RING_BYTES);
	if (!map)
		return -errno;
	shrink_perf_ring_init(&cpu->ring, map, shrink_os_page_size(), RING_BYTES);
	return shrink_os_perf_join(cpu->fd[END], cpu->fd[START]);
}

static int open_all(void)
{
	int r = 0;

	rec.nr_cpus = shrink_os_cpus();
	rec.cpus = calloc((size_t)rec.nr_cpus, sizeof(*rec.cpus));
	if (!rec.cpus)
		return fail("rings", -ENOMEM);
	for (int i = 0; i < rec.nr_cpus; i++)
		rec.cpus[i].fd[START] = rec.cpus[i].fd[END] = -1;
	for (int i = 0; i < rec.nr_cpus && !r; i++)
		r = open_cpu(&rec.cpus[i], i);
	for (int p = END; p >= START; p--)
		for (int i = 0; i < rec.nr_cpus && !r; i++)
			if (rec.cpus[i].fd[p] >= 0)
				r = shrink_os_perf_enable(rec.cpus[i].fd[p]);
	return r < 0 ? fail("perf_event_open", r) : 0;
}

static int64_t value(const struct perf_record *r, int point, int field)
{
	int64_t v = 0;

	(void)shrink_trace_value(&rec.field[point][field], r->fields, r->size, &v);
	return v;
}

static void take_start(const struct perf_record *r)
{
	slices_started(rec.slices, r->tid, &(struct slice_start){
		.shrinker = (uint64_t)value(r, START, SHRINKER),
		.deferred = value(r, START, DEFERRED),
		.freeable = value(r, START, FREEABLE),
		.delta = value(r, START, DELTA),
		.total = value(r, START, TOTAL),
		.priority = value(r, START, PRIORITY),
	});
}

static void take_end(const struct perf_record *r)
{
	slices_ended(rec.slices, r->tid, &(struct slice_end){
		.shrinker = (uint64_t)value(r, END, SHRINKER),
		.deferred = value(r, END, DEFERRED),
		.after = value(r, END, AFTER),
		.left = value(r, END, LEFT),
		.freed = value(r, END, FREED),
	});
}

static void take(const struct perf_record *r)
{
	uint64_t type;

	if (!r->fields) {
		rec.lost += r->lost;
		if (r->lost)
			slices_lost(rec.slices);
		return;
	}
	if (rec.pid && r->pid != rec.pid)
		return;
	type = (uint64_t)value(r, START, TYPE);
	if (type == rec.id[START])
		take_start(r);
	else if (type == rec.id[END])
		take_end(r);
}

static struct cpu *oldest(uint64_t before)
{
	struct cpu *first = NULL;

	for (int i = 0; i < rec.nr_cpus; i++) {
		struct cpu *c = &rec.cpus[i];

		if (!c->ring.map)
			continue;
		if (!c->has)
			c->has = shrink_perf_ring_peek(&c->ring, &c->record);
		if (c->has && c->record.nsec < before &&
		    (!first || c->record.nsec < first->record.nsec))
			first = c;
	}
	return first;
}

static void turn(uint64_t before)
{
	struct cpu *c;

	for (int i = 0; i < rec.nr_cpus; i++)
		if (rec.cpus[i].ring.map)
			shrink_perf_ring_snapshot(&rec.cpus[i].ring);
	while ((c = oldest(before))) {
		take(&c->record);
		shrink_perf_ring_skip(&c->ring, &c->record);
		c->has = 0;
	}
	for (int i = 0; i < rec.nr_cpus; i++)
		if (rec.cpus[i].ring.map)
			shrink_perf_ring_release(&rec.cpus[i].ring);
}

static void print_row(void *arg, const struct slice_row *r, int64_t seeks)
{
	(void)arg;
	rec.rows++;
	printf("%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRIu64 "\t%" PRId64
	       "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\n",
	       r->start.priority, seeks, r->start.deferred, r->start.freeable,
	       (uint64_t)r->start.delta, r->start.total, r->end.left, r->end.after, r->end.freed);
}

static int record(uint64_t seconds)
{
	uint64_t begin = shrink_os_clock_real(), last = 0, now;

	rec.slices = slices_new(print_row, NULL);
	if (!rec.slices)
		return fail("slices", -ENOMEM);
	printf("# priority\tseeks\tdeferred_before\tfreeable\tdelta\ttotal_scan\ttotal_left\t"
	       "deferred_after\tfreed\n");
	fflush(stdout); /* whoever waits for us to be ready sees it */
	do {
		shrink_os_sleep(TURN_USEC);
		now = shrink_os_clock_real();
		turn(last);
		last = now;
		if (fflush(stdout) == EOF)
			return fail("standard output", -errno);
	} while (!quit && (!seconds || now - begin < seconds * NSEC_PER_SEC));
	turn(UINT64_MAX);
	slices_flush(rec.slices);
	slices_free(rec.slices);
	if (rec.lost)
		fprintf(stderr, "shrink-record: %" PRIu64 " records lost; the rows are whole\n",
			rec.lost);
	fprintf(stderr, "shrink-record: %" PRIu64 " slices\n", rec.rows);
	return fflush(stdout) == EOF ? fail("standard output", -errno) : 0;
}

static int usage(FILE *f, int status)
{
	fputs("usage: shrink-record [-p PID] [-s SECONDS]\n"
	      "  -p, --pid PID          only slices made by this process\n"
	      "  -s, --seconds SECONDS  for so long; else until interrupted\n", f);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{"pid", required_argument, NULL, 'p'},
		{"seconds", required_argument, NULL, 's'},
		{0},
	};
	struct sigaction act = {.sa_handler = on_signal};
	uint64_t seconds = 0, pid = 0;
	int c;

	while ((c = getopt_long(argc, argv, "hp:s:", options, NULL)) >= 0) {
		if (c == 'h')
			return usage(stdout, 0);
		if ((c != 'p' || !number_parse(optarg, 10, 1, INT32_MAX, &pid)) &&
		    (c != 's' || !number_parse(optarg, 10, 1, 1000000000, &seconds)))
			return usage(stderr, 2);
	}
	if (optind < argc)
		return usage(stderr, 2);
	rec.pid = (uint32_t)pid;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	return read_formats() || open_all() || record(seconds);
}

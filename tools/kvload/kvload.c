// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * kvload - loads a memcached server, checks every value, and says once a tick
 * how it fares. One flat JSON object a line; bytes, microseconds, -1 = unknown.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/kvload/load.h"
#include "tools/kvload/watch.h"
#include "tools/number.h"

#define NSEC 1000000000ull

struct options {
	struct load_options load;
	struct watch_options watch;
	double seconds;      /* of reading */
	double fill_seconds; /* the fill at most */
	uint64_t tick_msec;
	const char *histogram; /* file for the distribution of pauses, or NULL */
};

/* What the last tick saw, for differences. */
struct seen {
	uint64_t gets, hits, scans, requests;
	int64_t psi_some_usec;
	struct hist_copy pause;
	uint64_t pause_max;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = sig;
}

static const char usage_text[] =
	"usage: kvload [options]\n"
	"  -s, --server ADDR:PORT  default 127.0.0.1:11211\n"
	"  -t, --threads N         default 2\n"
	"  -c, --connections N     of all threads, default 16\n"
	"  -k, --keys N            default 100000\n"
	"  -f, --fill N            keys set first, default all; 0 = none\n"
	"  -F, --fill-seconds S    the fill at most, default 60\n"
	"  -S, --seconds S         of reading, default 10\n"
	"  -n, --reads N           reads at most\n"
	"  -r, --rate N            reads a second, default 0 = as fast as it goes\n"
	"  -o, --open-loop N       N reads a second come whatever becomes of those before\n"
	"                          (Poisson arrivals); pauses count from when each was due\n"
	"  -L, --scan PERCENT      of the reads ask for keys nobody asks for again;\n"
	"                          hit_rate is that of the others\n"
	"  -a, --prefix TEXT       before each key, e.g. a tenant's \"acme:\"\n"
	"  -z, --exponent X        of the Zipf law, default 0.99\n"
	"  -m, --min-size BYTES    smallest value, default 64\n"
	"  -M, --max-size BYTES    largest value, default 65536\n"
	"  -x, --seed N            same seed, same questions; default 1\n"
	"  -i, --tick MSEC         default 1000\n"
	"  -g, --group DIR         memory group to report\n"
	"  -p, --psi FILE          pressure file to report\n"
	"  -P, --rss-of PID        report its RSS as usage, without a group\n"
	"  -B, --budget BYTES      ... and this as limit\n"
	"  -H, --histogram FILE    write the distribution of pauses at the end, as\n"
	"                          HdrHistogram's plotter reads it (values in ms)\n"
	"  -h, --help\n";

static const struct option long_options[] = {
	{"server", 1, NULL, 's'},    {"threads", 1, NULL, 't'},      {"connections", 1, NULL, 'c'},
	{"keys", 1, NULL, 'k'},      {"fill", 1, NULL, 'f'},         {"fill-seconds", 1, NULL, 'F'},
	{"seconds", 1, NULL, 'S'},   {"reads", 1, NULL, 'n'},        {"rate", 1, NULL, 'r'},
	{"exponent", 1, NULL, 'z'},  {"min-size", 1, NULL, 'm'},     {"max-size", 1, NULL, 'M'},
	{"seed", 1, NULL, 'x'},      {"tick", 1, NULL, 'i'},         {"group", 1, NULL, 'g'},
	{"psi", 1, NULL, 'p'},       {"rss-of", 1, NULL, 'P'},       {"budget", 1, NULL, 'B'},
	{"open-loop", 1, NULL, 'o'}, {"scan", 1, NULL, 'L'},         {"prefix", 1, NULL, 'a'},
	{"histogram", 1, NULL, 'H'}, {"help", 0, NULL, 'h'},         {NULL, 0, NULL, 0},
};

static void bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "kvload: %s: %s\n", what, value);
	exit(2);
}

static uint64_t number(const char *text, uint64_t min, uint64_t max)
{
	uint64_t value = 0;

	if (!number_parse(text, 10, min, max, &value))
		bad_usage("not a number, or out of range", text);
	return value;
}

static double real(const char *text, double max)
{
	char *end;
	double value = strtod(text, &end);

	if (*end || end == text || !(value >= 0 && value <= max))
		bad_usage("not a number, or out of range", text);
	return value;
}

static void parse_server(const char *text, struct sockaddr_in *ret_server)
{
	char address[64];
	const char *colon = strrchr(text, ':');

	if (!colon || (size_t)(colon - text) >= sizeof(address))
		bad_usage("not ADDR:PORT", text);
	memcpy(address, text, (size_t)(colon - text));
	address[colon - text] = '\0';
	ret_server->sin_family = AF_INET;
	ret_server->sin_port = htons((uint16_t)number(colon + 1, 1, 65535));
	if (inet_pton(AF_INET, address, &ret_server->sin_addr) != 1)
		bad_usage("not an IPv4 address", address);
}

/* Of letters that a key may have, and short enough for one. */
static const char *parse_prefix(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			bad_usage("not for a key", text);
	if (n > PREFIX_MAX)
		bad_usage("prefix too long", text);
	return text;
}

static void parse_one(struct options *o, int option, const char *arg)
{
	switch (option) {
	case 's': parse_server(arg, &o->load.server); break;
	case 't': o->load.threads = (unsigned int)number(arg, 1, 64); break;
	case 'c': o->load.conns = (unsigned int)number(arg, 1, 1024); break;
	case 'k': o->load.keys = number(arg, 1, 1000000000); break;
	case 'f': o->load.fill = number(arg, 0, 1000000000); break;
	case 'F': o->fill_seconds = real(arg, 86400); break;
	case 'S': o->seconds = real(arg, 86400); break;
	case 'n': o->load.reads_max = number(arg, 1, UINT64_MAX); break;
	case 'r': o->load.rate = number(arg, 0, 100000000); break;
	case 'o': o->load.open_rate = number(arg, 1, 100000000); break;
	case 'L': o->load.scan = (unsigned int)number(arg, 0, 99); break;
	case 'a': o->load.prefix = parse_prefix(arg); break;
	case 'H': o->histogram = arg; break;
	case 'z': o->load.exponent = real(arg, 10); break;
	case 'm': o->load.range.min = (uint32_t)number(arg, VALUE_MIN, VALUE_MAX); break;
	case 'M': o->load.range.max = (uint32_t)number(arg, VALUE_MIN, VALUE_MAX); break;
	case 'x': o->load.seed = number(arg, 0, UINT64_MAX); break;
	case 'i': o->tick_msec = number(arg, 10, 60000); break;
	case 'g': o->watch.group = arg; break;
	case 'p': o->watch.psi = arg; break;
	case 'P': o->watch.rss_of = (pid_t)number(arg, 1, INT32_MAX); break;
	case 'B': o->watch.budget = (int64_t)number(arg, 0, INT64_MAX); break;
	case 'h': fputs(usage_text, stdout); exit(0);
	default: fputs(usage_text, stderr); exit(2);
	}
}

static void parse_options(int argc, char **argv, struct options *o)
{
	int option;

	while ((option = getopt_long(argc, argv, "s:t:c:k:f:F:S:n:r:o:L:a:z:m:M:x:i:g:p:P:B:H:h",
				     long_options, NULL)) != -1)
		parse_one(o, option, optarg);
	if (optind < argc)
		bad_usage("unknown argument", argv[optind]);
	if (o->load.rate && o->load.open_rate)
		bad_usage("either --rate or --open-loop", "--rate");
	if (o->load.range.min > o->load.range.max)
		bad_usage("smallest value above the largest", "--min-size");
	if (o->load.fill > o->load.keys)
		o->load.fill = o->load.keys;
	if (o->load.threads > o->load.conns)
		o->load.threads = o->load.conns;
	o->watch.server = o->load.server;
}

/* Of two counters read one after the other: never over 1. */
static double part_of(uint64_t part, uint64_t whole)
{
	return part < whole ? (double)part / (double)whole : whole > 0;
}

static void print_figures(const struct watch_figures *f)
{
	printf(",\"items\":%" PRId64 ",\"bytes\":%" PRId64 ",\"freed\":%" PRId64
	       ",\"returned\":%" PRId64 ",\"level\":%" PRId64 ",\"usage\":%" PRId64
	       ",\"limit\":%" PRId64 ",\"limit_hits\":%" PRId64 ",\"oom_kills\":%" PRId64,
	       f->items, f->bytes, f->freed, f->returned, f->level, f->usage, f->limit,
	       f->limit_hits, f->oom_kills);
}

static void print_pause(const struct hist_copy *pause, uint64_t max_nsec)
{
	printf(",\"samples\":%" PRIu64 ",\"p50_usec\":%.1f,\"p99_usec\":%.1f,\"p999_usec\":%.1f"
	       ",\"p9999_usec\":%.1f,\"max_usec\":%.1f",
	       pause->total, (double)hist_percentile(pause, 0.50) / 1e3,
	       (double)hist_percentile(pause, 0.99) / 1e3,
	       (double)hist_percentile(pause, 0.999) / 1e3,
	       (double)hist_percentile(pause, 0.9999) / 1e3, (double)max_nsec / 1e3);
}

static const char *phase_name(const struct load *load)
{
	return load->phase == LOAD_FILL ? "fill" : "read";
}

static void print_tick(struct load *load, struct watch *watch, struct seen *seen, double t)
{
	struct load_counters *counters = &load->counters;
	uint64_t gets = counters->gets, hits = counters->hits, scans = counters->scans;
	uint64_t requests = gets + counters->sets, max = hist_take_max(&counters->pause_nsec);
	static struct hist_copy now, since;
	struct watch_figures figures;

	watch_read(watch, &figures);
	memset(&now, 0, sizeof(now));
	hist_sum(&now, &counters->pause_nsec);
	hist_since(&since, &now, &seen->pause);
	if (max > seen->pause_max)
		seen->pause_max = max;
	printf("{\"type\":\"tick\",\"t\":%.3f,\"nsec\":%" PRIu64
	       ",\"phase\":\"%s\",\"requests\":%" PRIu64 ",\"gets\":%" PRIu64 ",\"hits\":%" PRIu64
	       ",\"hit_rate\":%.4f,\"bad\":%" PRIu64 ",\"filled\":%" PRIu64,
	       t, now_nsec(), phase_name(load), requests - seen->requests, gets - seen->gets,
	       hits - seen->hits,
	       part_of(hits - seen->hits, gets - seen->gets - (scans - seen->scans)),
	       (uint64_t)counters->bad, (uint64_t)load->fill_done);
	print_pause(&since, max);
	printf(",\"psi_usec\":%" PRId64,
	       seen->psi_some_usec < 0 || figures.psi_some_usec < 0
		       ? -1
		       : figures.psi_some_usec - seen->psi_some_usec);
	print_figures(&figures);
	puts("}");
	seen->gets = gets;
	seen->hits = hits;
	seen->scans = scans;
	seen->requests = requests;
	seen->psi_some_usec = figures.psi_some_usec;
	seen->pause = now;
}

/* 0, or a negative errno after saying so. */
static int write_histogram(const char *path, const struct hist_copy *pause)
{
	FILE *f = path ? fopen(path, "we") : NULL;

	if (!path)
		return 0;
	if (f)
		hist_write(pause, 1e6, f);
	if (f && !ferror(f) && !fclose(f))
		return 0;
	fprintf(stderr, "kvload: %s: %s\n", path, strerror(errno));
	return -EIO;
}

static int print_total(struct load *load, struct watch *watch, struct seen *seen,
		       const struct options *o, double t)
{
	struct load_counters *c = &load->counters;
	uint64_t max = hist_take_max(&c->pause_nsec);
	static struct hist_copy all;
	struct watch_figures figures;

	watch_read(watch, &figures);
	memset(&all, 0, sizeof(all));
	hist_sum(&all, &c->pause_nsec);
	printf("{\"type\":\"total\",\"t\":%.3f,\"gets\":%" PRIu64 ",\"hits\":%" PRIu64
	       ",\"hit_rate\":%.4f,\"scans\":%" PRIu64 ",\"late\":%" PRIu64
	       ",\"sets\":%" PRIu64 ",\"stored\":%" PRIu64 ",\"filled\":%" PRIu64
	       ",\"refused\":%" PRIu64 ",\"bad\":%" PRIu64 ",\"garbled\":%" PRIu64
	       ",\"lost\":%" PRIu64 ",\"unanswered\":%" PRIu64 ",\"checked_bytes\":%" PRIu64,
	       t, (uint64_t)c->gets, (uint64_t)c->hits, part_of(c->hits, c->gets - c->scans),
	       (uint64_t)c->scans, (uint64_t)c->late,
	       (uint64_t)c->sets, (uint64_t)c->stored, (uint64_t)load->fill_done,
	       (uint64_t)c->refused, (uint64_t)c->bad, (uint64_t)c->garbled, (uint64_t)c->lost,
	       (uint64_t)c->unanswered, (uint64_t)c->value_bytes);
	print_pause(&all, max > seen->pause_max ? max : seen->pause_max);
	print_figures(&figures);
	puts("}");
	return write_histogram(o->histogram, &all);
}

/* Fill, then read, until time, count or a signal ends it. Ticks are counted from
 * the start, so that a late one does not move the next. */
static void control(struct load *load, struct watch *watch, const struct options *o,
		    struct seen *seen, uint64_t start)
{
	uint64_t fill_end = start + (uint64_t)(o->fill_seconds * (double)NSEC);
	uint64_t read_end = 0, next_tick = start;

	while (!interrupted) {
		uint64_t now = now_nsec();
		struct timespec nap = {.tv_nsec = 5000000};

		if (load->phase == LOAD_FILL &&
		    (load->fill_done >= o->load.fill || now >= fill_end))
			load->phase = LOAD_READ;
		if (load->phase == LOAD_READ && !read_end)
			read_end = now + (uint64_t)(o->seconds * (double)NSEC);
		if (now >= next_tick) {
			print_tick(load, watch, seen, (double)(now - start) / (double)NSEC);
			next_tick += o->tick_msec * 1000000 *
				     (1 + (now - next_tick) / (o->tick_msec * 1000000));
		}
		if (read_end && (now >= read_end ||
				 (o->load.reads_max && load->reads >= o->load.reads_max)))
			break;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	}
}

int main(int argc, char **argv)
{
	static struct load load;
	static struct seen seen = {.psi_some_usec = -1};
	struct options o = {
		.load = {.threads = 2, .conns = 16, .keys = 100000, .fill = UINT64_MAX,
			 .exponent = 0.99, .seed = 1, .range = {.min = 64, .max = 65536}},
		.watch = {.budget = -1},
		.seconds = 10,
		.fill_seconds = 60,
		.tick_msec = 1000,
	};
	struct sigaction action = {.sa_handler = on_signal};
	struct watch watch;
	uint64_t start;
	int ret;

	parse_server("127.0.0.1:11211", &o.load.server);
	parse_options(argc, argv, &o);
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	watch_init(&watch, &o.watch);
	start = now_nsec();
	ret = load_start(&load, &o.load);
	if (ret < 0) {
		fprintf(stderr, "kvload: %s\n", strerror(-ret));
		return 1;
	}
	control(&load, &watch, &o, &seen, start);
	load_stop(&load);
	ret = print_total(&load, &watch, &seen, &o, (double)(now_nsec() - start) / (double)NSEC);
	watch_close(&watch);
	if (ret < 0)
		return 1;
	return load.counters.bad || load.counters.garbled ? 3 : 0;
}

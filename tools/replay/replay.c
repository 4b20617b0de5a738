// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * shrink-replay: which policy would have served this trace best? Runs it through each
 * at several sizes and prints hit and byte-hit ratios, and the bytes that the cache
 * occupied on average (what ageing saves).
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>
#include "tools/replay/policy.h"

#define SIZES_MAX 32
#define LADDER "1%,2%,5%,10%,20%,50%,80%"

static const struct policy *const policies[] = {
	&policy_lru, &policy_second_chance, &policy_lruvec, &policy_lruvec_ws, &policy_lruvec_age,
	&policy_pool, &policy_pool_move,
};
#define POLICIES (sizeof(policies) / sizeof(policies[0]))

struct options {
	const char *file, *sizes;
	const char *only; /* policies, comma-separated; NULL = all */
	int json;
};

struct score {
	uint64_t hits, bytes_hit;
	double used_mean;
};

static int usage(FILE *to, int status)
{
	fputs("usage: shrink-replay [-j] [-o POLICY[,POLICY]...] [-s SIZE[,SIZE]...] [-p SECONDS]\n"
		    "                     FILE\n"
		    "Runs a trace (CSV: time,key,size[,tenant]; - = standard input) through LRU,\n"
		    "second chance, lruvec, lruvec with working set, and with ageing; and pools\n"
		    "of that much resident memory: whole slabs, and survivors that move.\n"
		    "  -o  only these: lru, second-chance, lruvec, lruvec+ws, lruvec+ws+age,\n"
		    "      pool, pool+move\n"
		    "  -s  cache sizes: bytes (K, M, G) or percent of the footprint;\n"
		    "      default " LADDER "\n"
		    "  -p  period of the ageing clock, seconds; default 60\n"
		    "  -j  JSON\n", to);
	return status;
}

/* "10%" or "64M"; 0 = neither. */
static uint64_t parse_size(const char *text, uint64_t footprint)
{
	double v, unit = 1;
	char *end;

	v = strtod(text, &end);
	if (end == text || !(v > 0) || v > 1e15)
		return 0;
	if (*end == '%')
		unit = (double)footprint / 100, end++;
	else if (*end == 'K')
		unit = 1024, end++;
	else if (*end == 'M')
		unit = 1024.0 * 1024, end++;
	else if (*end == 'G')
		unit = 1024.0 * 1024 * 1024, end++;
	if (*end)
		return 0;
	return v * unit < 1 ? 1 : (uint64_t)(v * unit);
}

static int parse_sizes(const char *text, uint64_t footprint, uint64_t sizes[SIZES_MAX],
		       size_t *ret_nr)
{
	char *copy = strdup(text), *at = copy, *one;
	int r = copy ? 0 : -ENOMEM;

	for (*ret_nr = 0; r == 0 && (one = strsep(&at, ",")); (*ret_nr)++) {
		if (*ret_nr == SIZES_MAX) {
			fprintf(stderr, "shrink-replay: more than %d sizes\n", SIZES_MAX);
			r = -E2BIG;
		} else if (!(sizes[*ret_nr] = parse_size(one, footprint))) {
			fprintf(stderr, "shrink-replay: '%s' is no size: expected e.g. 64M or "
				"10%%\n", one);
			r = -EINVAL;
		}
	}
	free(copy);
	return r;
}

/* Is @name one of the comma-separated @list? */
static int listed(const char *name, const char *list)
{
	size_t n = strlen(name);

	for (; list; list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL)
		if (!strncmp(list, name, n) && (!list[n] || list[n] == ','))
			return 1;
	return 0;
}

static int known(const char *list)
{
	char *copy = strdup(list), *at = copy, *one;
	int good = copy != NULL;

	while (good && (one = strsep(&at, ","))) {
		good = 0;
		for (size_t p = 0; p < POLICIES; p++)
			good |= !strcmp(one, policies[p]->name);
		if (!good)
			fprintf(stderr, "shrink-replay: no policy '%s'\n", one);
	}
	free(copy);
	return good;
}

static int run(const struct policy *p, const struct trace *t, uint64_t capacity, struct score *ret)
{
	void *cache = p->create(t, capacity);
	uint64_t last = t->requests[0].usec;
	double used = 0;

	memset(ret, 0, sizeof(*ret));
	if (!cache)
		return errno == EFBIG ? -EFBIG : -ENOMEM;
	for (size_t i = 0; i < t->nr; i++) {
		const struct request *r = &t->requests[i];

		if (p->pass && r->usec > last)
			p->pass(cache, r->usec - last);
		used += (double)p->used(cache) * (double)(r->usec - last);
		last = r->usec;
		if (p->get(cache, r->key)) {
			ret->hits++;
			ret->bytes_hit += r->size;
		} else if (r->size <= capacity) {
			p->put(cache, r->key, r->size);
		}
	}
	if (last > t->requests[0].usec)
		ret->used_mean = used / (double)(last - t->requests[0].usec);
	p->destroy(cache);
	return 0;
}

static void print_table(const struct trace *t, uint64_t capacity, const struct policy *p,
			const struct score *s)
{
	printf("%12" PRIu64 " %6.2f%% %-14s %8.4f %8.4f %12.0f\n", capacity,
	       100.0 * (double)capacity / (double)t->footprint, p->name,
	       (double)s->hits / (double)t->nr, (double)s->bytes_hit / (double)t->bytes,
	       s->used_mean);
}

static void print_json(const struct trace *t, uint64_t capacity, const struct policy *p,
		       const struct score *s, int first)
{
	printf("%s\n    {\"size\": %" PRIu64 ", \"percent\": %.3f, \"policy\": \"%s\", "
	       "\"hit_ratio\": %.6f, \"byte_hit_ratio\": %.6f, \"used_mean\": %.0f}",
	       first ? "" : ",", capacity, 100.0 * (double)capacity / (double)t->footprint, p->name,
	       (double)s->hits / (double)t->nr, (double)s->bytes_hit / (double)t->bytes,
	       s->used_mean);
}

static void print_head(const struct trace *t, int json)
{
	if (json)
		printf("{\"requests\": %zu, \"keys\": %zu, \"tenants\": %zu, "
		       "\"footprint\": %" PRIu64 ", \"bad_lines\": %" PRIu64
		       ",\n  \"results\": [", t->nr, t->keys.nr, t->tenants.nr, t->footprint,
		       t->bad_lines);
	else
		printf("%zu requests, %zu keys, footprint %" PRIu64 " bytes, %" PRIu64
		       " bad lines\n%12s %7s %-14s %8s %8s %12s\n", t->nr, t->keys.nr, t->footprint,
		       t->bad_lines, "size", "", "policy", "hits", "bytes", "used (mean)");
}

/* One policy at one size: 0; 1: it was left out; -ENOMEM. */
static int one(const struct trace *t, uint64_t size, const struct policy *p,
	       const struct options *o, int first)
{
	struct score s;
	int r;

	if (o->only && !listed(p->name, o->only))
		return 1;
	r = run(p, t, size, &s);
	if (r == -EFBIG)
		fprintf(stderr, "shrink-replay: %s is left out at %" PRIu64 " bytes: it would take "
			"that much memory\n", p->name, size);
	else if (r == 0 && o->json)
		print_json(t, size, p, &s, first);
	else if (r == 0)
		print_table(t, size, p, &s);
	return r == -EFBIG ? 1 : r;
}

static int replay(const struct trace *t, const struct options *o)
{
	uint64_t sizes[SIZES_MAX];
	int first = 1;
	size_t nr;
	int r;

	if (parse_sizes(o->sizes, t->footprint, sizes, &nr) < 0)
		return 2;
	print_head(t, o->json);
	for (size_t i = 0; i < nr; i++) {
		for (size_t p = 0; p < POLICIES; p++) {
			r = one(t, sizes[i], policies[p], o, first);
			if (r < 0) {
				fprintf(stderr, "shrink-replay: out of memory\n");
				return 1;
			}
			first &= r != 0;
		}
	}
	if (o->json)
		printf("\n  ]}\n");
	return 0;
}

/* No threads, no sources, and the clock is the trace's. */
static int start(void)
{
	struct shrink_sim_state roomy = {.limit = UINT64_MAX};
	int r = shrink_start(SHRINK_START_SIMULATED);

	if (r == 0)
		r = shrink_sim_set(&roomy, sizeof(roomy));
	if (r < 0)
		fprintf(stderr, "shrink-replay: libshrink does not start: %s\n", strerror(-r));
	return r;
}

static int with_file(const struct options *o)
{
	FILE *f = strcmp(o->file, "-") ? fopen(o->file, "re") : stdin;
	struct trace t;
	int r;

	if (!f) {
		fprintf(stderr, "shrink-replay: %s: %s\n", o->file, strerror(errno));
		return 1;
	}
	r = trace_read(&t, f, o->file);
	if (f != stdin)
		fclose(f);
	if (t.bad_lines)
		fprintf(stderr, "shrink-replay: %" PRIu64 " bad lines skipped\n", t.bad_lines);
	if (r == -EBADMSG)
		fprintf(stderr, "shrink-replay: %s is compressed: unpack it to standard input, "
			"e.g. zcat FILE | shrink-replay -\n", o->file);
	else if (r < 0)
		fprintf(stderr, "shrink-replay: %s: %s\n", o->file, strerror(-r));
	else if (!t.nr)
		fprintf(stderr, "shrink-replay: %s: no requests\n", o->file);
	r = r < 0 || !t.nr || start() < 0 ? 1 : replay(&t, o);
	trace_free(&t);
	return r;
}

int main(int argc, char **argv)
{
	struct options o = {.sizes = LADDER};
	double seconds;
	int c;

	while ((c = getopt(argc, argv, "hjo:p:s:")) != -1) {
		if (c == 'h')
			return usage(stdout, 0);
		if (c == 'j')
			o.json = 1;
		else if (c == 's')
			o.sizes = optarg;
		else if (c == 'o' && known(optarg))
			o.only = optarg;
		else if (c == 'p' && (seconds = atof(optarg)) >= 0.001 && seconds <= 86400)
			policy_age_period_msec = (uint64_t)(seconds * 1000);
		else
			return usage(stderr, 2);
	}
	if (optind + 1 != argc)
		return usage(stderr, 2);
	o.file = argv[optind];
	return with_file(&o);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The pool beside others, as caches of equal resident memory: hit ratio, cost and pause
 * of a request, and what comes back when a quarter is given up. Each runs in a process
 * of its own, so that nobody's heap is another's; what is resident is the kernel's word.
 *
 *	bench-pool-caches [-c WORD] [-m MIB] [-n REQUESTS] [TRACE.csv ...]
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shrink/arena.h>

#include "tools/bench/bench.h"
#include "tools/bench/pool/caches.h"
#include "tools/bench/pool/loads.h"

#define REQUESTS ((size_t)3000000)
#define KEYS 400000u
#define WARM 3 /* the first third is not counted */

struct outcome {
	double hits, bytes_hit;  /* ratios */
	double nsec_put, p999, longest; /* of a request that missed; CPU usec but the first */
	double resident;         /* most, of what it may be */
	double returned_evicted; /* bytes per byte */
	double release;          /* GB/s of CPU time */
};

uint64_t resident_now(void)
{
	unsigned long long size, resident = 0, shared = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%llu %llu %llu", &size, &resident, &shared) != 3)
		resident = shared = 0;
	if (f)
		fclose(f);
	return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void *table(size_t nr, size_t each)
{
	size_t size = (nr * each + 4095) / 4096 * 4096;
	unsigned char *t = aligned_alloc(4096, size);

	if (!t)
		return NULL;
	memset(t, 0, size);
	for (size_t i = 0; i < size; i += 4096)
		((volatile unsigned char *)t)[i] = 0;
	return t;
}

static double cpu_nsec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Puts, timed one in 16 so that the clock does not count. */
struct pauses {
	double *samples, sum;
	size_t nr;
};

static void miss(const struct cache *c, void *cache, const struct request *r, struct pauses *p,
		 int timed)
{
	double start;

	if (!timed) {
		c->policy.put(cache, r->key, r->size);
		return;
	}
	start = cpu_nsec();
	c->policy.put(cache, r->key, r->size);
	p->samples[p->nr] = cpu_nsec() - start;
	p->sum += p->samples[p->nr++];
}

static void run_trace(const struct cache *c, void *cache, const struct trace *t,
		      uint64_t before, uint64_t capacity, struct outcome *out)
{
	struct pauses p = {.samples = calloc(t->nr / 16 + 1, sizeof(double))};
	uint64_t hits = 0, bytes = 0, bytes_hit = 0, most = 0, counted = 0;

	for (size_t i = 0; p.samples && i < t->nr; i++) {
		const struct request *r = &t->requests[i];
		bool hit = c->policy.get(cache, r->key), counts = i >= t->nr / WARM;

		if (!hit && r->size <= capacity / 16)
			miss(c, cache, r, &p, counts && i % 16 == 0);
		hits += counts && hit;
		bytes_hit += counts && hit ? r->size : 0;
		counted += counts;
		bytes += counts ? r->size : 0;
		if (counts && i % 65536 == 0 && resident_now() - before > most)
			most = resident_now() - before;
	}
	out->hits = (double)hits / (double)counted;
	out->bytes_hit = (double)bytes_hit / (double)bytes;
	out->resident = (double)most / (double)capacity;
	out->nsec_put = p.nr ? p.sum / (double)p.nr : 0;
	out->p999 = bench_percentile(p.samples, p.nr, 0.999) / 1e3;
	out->longest = bench_percentile(p.samples, p.nr, 1) / 1e3;
	free(p.samples);
}

static struct outcome run(const struct cache *c, const struct trace *t, uint64_t capacity)
{
	void *cache = c->policy.create(t, capacity);
	struct shrunk shrunk = {0};
	struct outcome out = {0};
	uint64_t before, full;
	double start;

	if (!cache)
		bench_die(c->policy.name, errno ? errno : ENOMEM);
	before = resident_now();
	run_trace(c, cache, t, before, capacity, &out);
	full = resident_now();
	start = cpu_nsec();
	c->shrink(cache, capacity / 4, &shrunk);
	out.release = (double)(full - resident_now()) / (cpu_nsec() - start);
	if (shrunk.evicted)
		out.returned_evicted = (double)(full - resident_now()) / (double)shrunk.evicted;
	c->policy.destroy(cache);
	return out;
}

/* In a child, which says what came of it through a pipe. */
static struct outcome run_apart(const struct cache *c, const struct trace *t, uint64_t capacity)
{
	struct outcome out = {0};
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		bench_die("pipe", errno);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		out = run(c, t, capacity);
		_exit(write(ends[1], &out, sizeof(out)) == sizeof(out) ? 0 : 1);
	}
	close(ends[1]);
	if (pid < 0 || read(ends[0], &out, sizeof(out)) != sizeof(out))
		bench_die(c->policy.name, EIO);
	close(ends[0]);
	waitpid(pid, NULL, 0);
	return out;
}

static void figure(const char *load, const struct cache *c, const char *what, const char *unit,
		   double value, double baseline)
{
	char text[160];

	snprintf(text, sizeof(text), "%s, %s: %s", load, c->policy.name, what);
	bench_print(&(struct bench_figure){.bench = "pool-caches",
					   .what = text,
					   .unit = unit,
					   .value = value,
					   .baseline = baseline});
}

static const char *only; /* caches whose name has it; NULL = all */

static int is_left_out(const struct cache *c, int jemalloc)
{
	if (c == &cache_exact)
		return 0; /* the baseline */
	if (only && !strstr(c->policy.name, only))
		return 1;
	if (c == &cache_arena || c == &cache_arena_sorted)
		return shrink_arena_supported() < 0;
	return c == &cache_jemalloc && !jemalloc;
}

static void one_load(const char *load, const struct trace *t, uint64_t capacity, int jemalloc)
{
	const struct cache *const caches[] = {
		&cache_exact,	 &cache_malloc, &cache_jemalloc, &cache_slabs,
		&cache_arena,	 &cache_arena_sorted,
		&cache_segments, &cache_merged, &cache_pool,	 &cache_pool_move,
	};
	double exact = 0;
	for (size_t i = 0; i < sizeof(caches) / sizeof(*caches); i++) {
		const struct cache *c = caches[i];
		struct outcome out;

		if (is_left_out(c, jemalloc))
			continue;
		out = run_apart(c, t, capacity);
		if (!i)
			exact = out.hits;
		figure(load, c, "hit ratio", "", out.hits, exact);
		figure(load, c, "byte hit ratio", "", out.bytes_hit, 0);
		if (!i)
			continue; /* has no memory */
		figure(load, c, "resident, of what it may", "", out.resident, 0);
		figure(load, c, "insert", "cpu nsec", out.nsec_put, 0);
		figure(load, c, "insert, p99.9", "cpu usec", out.p999, 0);
		figure(load, c, "insert, longest", "cpu usec", out.longest, 0);
		figure(load, c, "returned per byte evicted", "", out.returned_evicted, 0);
		figure(load, c, "returned", "GB/cpu s", out.release, 0);
	}
}

static void made_up(uint64_t capacity, size_t requests, int jemalloc)
{
	for (int load = 0; load < LOADS; load++) {
		struct trace t;

		if (load_make(&t, (enum load)load, requests, KEYS) < 0)
			bench_die("load", ENOMEM);
		one_load(load_names[load], &t, capacity, jemalloc);
		trace_free(&t);
	}
}

static void from_file(const char *name, uint64_t capacity, int jemalloc)
{
	FILE *f = fopen(name, "re");
	struct trace t;

	if (!f)
		bench_die(name, errno);
	if (trace_read(&t, f, name) < 0 || !t.nr)
		bench_die(name, EINVAL);
	fclose(f);
	one_load(name, &t, capacity, jemalloc);
	trace_free(&t);
}

static int usage(void)
{
	fputs("usage: bench-pool-caches [-c WORD] [-m MIB] [-n REQUESTS] [TRACE.csv ...]\n"
	      "Caches of MIB resident megabytes, 16 or more, under loads made up, or under\n"
	      "traces as shrink-replay(1) reads them. -c: only caches whose name has WORD.\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	size_t requests = REQUESTS;
	uint64_t mib = 64;
	int jemalloc, c;

	while ((c = getopt(argc, argv, "c:m:n:")) != -1) {
		if (c == 'c')
			only = optarg;
		else if (c == 'm' && atoi(optarg) >= 16)
			mib = (uint64_t)atoi(optarg);
		else if (c == 'n' && atoi(optarg) >= 1000)
			requests = (size_t)atoi(optarg);
		else
			return usage();
	}
	cache_pool_init();
	jemalloc = cache_jemalloc_load() == 0;
	if (!jemalloc) /* dlopen() has no room for its thread-local data, or there is none */
		fputs("jemalloc is left out: GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384 "
		      "helps where it is installed\n",
		      stderr);
	if (optind == argc)
		made_up(mib << 20, requests, jemalloc);
	for (; optind < argc; optind++)
		from_file(argv[optind], mib << 20, jemalloc);
	return 0;
}

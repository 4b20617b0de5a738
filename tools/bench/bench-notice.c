// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * From crossing to the first scan, in a real memory group with a real neighbour.
 *
 * Run inside a limited group. The cache keeps usage a little below the watermark;
 * kvhog, a process of its own, takes memory at full speed, reads the group's usage
 * after every 64 KiB and notes when it reached the watermark; our scan notes when
 * it was first called. Both clocks are CLOCK_MONOTONIC, so the difference is what
 * a cache's owner would call the notice. Negative: the library saw it before the
 * neighbour's own look.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shrink/shrink.h>

#include "tools/bench/bench.h"

#define BLOCK (256u * 1024)
#define BLOCKS_MAX 4096
#define MIB (1ull << 20)
#define LOW (32 * MIB)
#define GAP (48 * MIB)     /* usage begins so far below the watermark */
#define TAKE (64 * MIB)    /* GAP, and half of LOW beyond the watermark */
#define TRIALS_MAX 200
#define CALM_NSEC (5 * NSEC)

/* The cache: blocks in a stack, the newest goes first. */
static void *block[BLOCKS_MAX];
static unsigned int nr_blocks;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t first_scan_nsec;

static unsigned long count_blocks(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return __atomic_load_n(&nr_blocks, __ATOMIC_RELAXED);
}

static unsigned long scan_blocks(struct shrinker *s, struct shrink_control *sc)
{
	uint64_t never = 0;
	unsigned long freed = 0;

	(void)s;
	atomic_compare_exchange_strong(&first_scan_nsec, &never, bench_nsec());
	pthread_mutex_lock(&lock);
	while (nr_blocks && freed < sc->nr_to_scan) {
		__atomic_store_n(&nr_blocks, nr_blocks - 1, __ATOMIC_RELAXED);
		munmap(block[nr_blocks], BLOCK);
		freed++;
	}
	pthread_mutex_unlock(&lock);
	sc->bytes_freed = freed * BLOCK;
	return freed;
}

static void grow_to(uint64_t usage)
{
	struct shrink_limits limits;

	while (!shrink_limits(&limits, sizeof(limits)) && limits.usage + BLOCK <= usage &&
	       nr_blocks < BLOCKS_MAX) {
		void *p = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		if (p == MAP_FAILED)
			bench_die("mmap", errno);
		memset(p, 1, BLOCK);
		pthread_mutex_lock(&lock);
		block[nr_blocks] = p;
		__atomic_store_n(&nr_blocks, nr_blocks + 1, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&lock);
	}
}

/* Until nothing is pressed any more and growth is allowed again. */
static void wait_calm(void)
{
	uint64_t end = bench_nsec() + CALM_NSEC;

	do
		bench_sleep_nsec(NSEC / 50);
	while ((shrink_level() != SHRINK_LEVEL_NORMAL || !shrink_may_grow()) && bench_nsec() < end);
}

/* The neighbour's "cross" line; 0 = none. */
static uint64_t run_hog(const char *path, const char *usage_file, uint64_t cross)
{
	char command[4096], line[512];
	uint64_t nsec = 0;
	FILE *hog;

	snprintf(command, sizeof(command), "exec '%s' -b %llu -H 20 -u '%s' -x %" PRIu64, path,
		 (unsigned long long)TAKE, usage_file, cross);
	hog = popen(command, "re");
	if (!hog)
		bench_die(path, errno);
	while (fgets(line, sizeof(line), hog))
		sscanf(line, "{\"event\":\"cross\",\"nsec\":%" SCNu64, &nsec);
	pclose(hog);
	return nsec;
}

static int trial(const char *hog, const struct shrink_limits *limits, double *ret_usec)
{
	char usage_file[512];
	uint64_t cross;

	snprintf(usage_file, sizeof(usage_file), "%s/%s", limits->path,
		 limits->kind == SHRINK_LIMIT_CGROUP1 ? "memory.usage_in_bytes" : "memory.current");
	wait_calm();
	grow_to(limits->limit - LOW - GAP);
	wait_calm();
	first_scan_nsec = 0;
	cross = run_hog(hog, usage_file, limits->limit - LOW);
	if (!cross || !first_scan_nsec)
		return -ENODATA;
	*ret_usec = ((double)first_scan_nsec - (double)cross) / 1000;
	return 0;
}

static void report(const char *mode, const char *what, const char *unit, double value, double aim,
		   size_t n)
{
	char text[128];

	snprintf(text, sizeof(text), "crossing to first scan, %s, %s", mode, what);
	bench_print(&(struct bench_figure){.bench = "notice",
					   .what = text,
					   .unit = unit,
					   .value = value,
					   .aim = aim,
					   .samples = n});
}

static struct shrinker *start(void)
{
	struct shrinker *s = shrinker_alloc(SHRINKER_SELF_RELEASE, "blocks");
	int ret;

	if (!s)
		bench_die("shrinker_alloc", errno);
	s->count_objects = count_blocks;
	s->scan_objects = scan_blocks;
	s->object_size = BLOCK;
	s->batch = 16;
	ret = shrinker_register(s);
	/* a fixed watermark, so that both sides mean the same crossing */
	shrink_conf_set("low_bytes", "32M");
	shrink_conf_set("high_bytes", "40M");
	if (!ret)
		ret = shrink_start(0);
	if (ret < 0)
		bench_die("shrink_start", ret);
	return s;
}

int main(int argc, char **argv)
{
	static double usec[TRIALS_MAX];
	struct shrink_limits limits;
	size_t n = 0, trials;
	struct shrinker *s;
	double aim;

	if (argc != 5) {
		fprintf(stderr,
			"usage: bench-notice KVHOG TRIALS MODE AIM-USEC (in a limited group)\n");
		return 2;
	}
	trials = strtoul(argv[2], NULL, 10);
	aim = strtod(argv[4], NULL);
	s = start();
	if (shrink_limits(&limits, sizeof(limits)) < 0 || limits.limit > (1ull << 34) ||
	    (limits.kind != SHRINK_LIMIT_CGROUP1 && limits.kind != SHRINK_LIMIT_CGROUP2)) {
		fprintf(stderr, "bench-notice: not in a limited memory group\n");
		return 2;
	}
	for (size_t i = 0; i < trials && i < TRIALS_MAX; i++)
		if (!trial(argv[1], &limits, &usec[n]))
			n++;
	if (n) {
		report(argv[3], "p50", "usec", bench_percentile(usec, n, 0.5), aim, n);
		report(argv[3], "p99", "usec", bench_percentile(usec, n, 0.99), 0, n);
		report(argv[3], "max", "usec", bench_percentile(usec, n, 1), 0, n);
	}
	report(argv[3], "trials without a scan", "", (double)(trials - n), 0, trials);
	shrink_stop();
	shrinker_free(s);
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The pressure laboratory: many short runs of a cache beside a neighbour in one memory
 * group without swap, one flat JSON object a run on standard output.
 *
 *	lab [--repeat N] PLAN...	plans: smoke, policies, shape, bursts,
 *				patterns, release, latency
 *	lab --one POLICY ALLOC ORDER OBJECT HEADROOM BURST RAMP [LIMIT]
 *
 * A plan is a product of what may vary; figures are only ever compared within one call.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lab/run.h"
#include "tools/number.h"

#define LIMIT_MIB 256
#define END	  UINT_MAX
#define JEMALLOC  "libjemalloc.so.2"

/* Lists end with NULL or END. */
struct plan {
	const char *name;
	const char *const *policies, *const *allocs, *const *orders, *const *patterns;
	const unsigned int *objects, *headrooms, *bursts, *ramps;
	unsigned int rate, seconds;
};

#define WORDS(...)   ((const char *const[]){__VA_ARGS__, NULL})
#define NUMBERS(...) ((const unsigned int[]){__VA_ARGS__, END})
#define RAMP	     WORDS("ramp")
#define ALL_POLICIES                                                                               \
	WORDS("none", "fixed", "cachelib", "midas", "bcachefs", "systemd", "mariadb", "eve",       \
	      "libshrink")

static const struct plan plans[] = {
	/* can it be done at all: seconds, in the tests */
	{"smoke", WORDS("none", "libshrink"), WORDS("malloc"), WORDS("fifo"), RAMP, NUMBERS(1024),
	 NUMBERS(64), NUMBERS(96), NUMBERS(50), 2000, 0},
	/* every policy where it is easiest: the map of each */
	{"policies", ALL_POLICIES, WORDS("malloc"), WORDS("fifo"), RAMP, NUMBERS(1024),
	 NUMBERS(8, 16, 32, 64), NUMBERS(96), NUMBERS(25, 100, 500, 0), 10000, 0},
	/* what turns it around: allocator, order, size */
	{"shape", WORDS("libshrink"), WORDS("malloc", "jemalloc", "pool"), WORDS("fifo", "random"),
	 RAMP, NUMBERS(100, 1024, 4096), NUMBERS(16, 32, 64), NUMBERS(96), NUMBERS(100, 500, 0),
	 10000, 0},
	/* how fast memory goes back, which the maps are judged by */
	{"release", WORDS("libshrink"), WORDS("malloc", "jemalloc", "pool"),
	 WORDS("fifo", "random"), RAMP, NUMBERS(100, 1024, 4096), NUMBERS(32), NUMBERS(0),
	 NUMBERS(0), 10000, 0},
	/* how large a neighbour */
	{"bursts", WORDS("libshrink"), WORDS("pool"), WORDS("fifo"), RAMP, NUMBERS(1024),
	 NUMBERS(8, 16, 32), NUMBERS(32, 64, 128, 192), NUMBERS(500, 0), 10000, 0},
	/* other neighbours: in steps, again and again, and with page cache only */
	{"patterns", WORDS("libshrink"), WORDS("malloc", "pool"), WORDS("fifo"),
	 WORDS("steps:8", "saw:4", "churn"), NUMBERS(1024), NUMBERS(32), NUMBERS(96), NUMBERS(500),
	 10000, 0},
	/* a million requests with reclaim all the time, and a pair without any */
	{"latency", WORDS("libshrink"), WORDS("malloc", "jemalloc", "pool"), WORDS("fifo"),
	 WORDS("saw:16"), NUMBERS(1024), NUMBERS(32), NUMBERS(1, 96), NUMBERS(200), 100000, 11},
};
#define NR_PLANS (sizeof(plans) / sizeof(plans[0]))

static unsigned int runs, cannot;

static void print_number(const char *name, double value)
{
	if (isnan(value))
		printf(",\"%s\":null", name);
	else
		printf(",\"%s\":%.4g", name, value);
}

static void print(const char *plan, const struct run_spec *spec, const struct run_result *result)
{
	const char *pattern = spec->pattern ? spec->pattern : "ramp";

	printf("{\"plan\":\"%s\",\"policy\":\"%s\",\"alloc\":\"%s\",\"order\":\"%s\","
	       "\"pattern\":\"%.*s\",\"object\":%u,\"limit\":%u,\"headroom\":%u,"
	       "\"burst\":%u,\"ramp\":%u,\"rate\":%u",
	       plan, spec->policy, spec->alloc, spec->order, (int)strcspn(pattern, "/"), pattern,
	       spec->object, spec->limit, spec->headroom, spec->burst, spec->ramp, spec->rate);
	if (!result->able) {
		printf(",\"unable\":\"%s\"}\n", result->why);
		return;
	}
	printf(",\"oom_kills\":%llu,\"requests\":%llu,\"cache_died\":%s,\"hog_died\":%s,"
	       "\"torn\":%llu",
	       (unsigned long long)result->oom_kills, (unsigned long long)result->requests,
	       result->cache_died ? "true" : "false", result->hog_died ? "true" : "false",
	       (unsigned long long)result->torn);
	print_number("notice_usec", result->notice_usec);
	print_number("need_mib", result->need_mib);
	print_number("freed_mib", result->freed_mib);
	print_number("overshoot", result->overshoot);
	print_number("stall_usec", result->stall_usec);
	print_number("p50_usec", result->p50_usec);
	print_number("p99_usec", result->p99_usec);
	print_number("p999_usec", result->p999_usec);
	print_number("max_usec", result->max_usec);
	print_number("hit_after", result->hit_after);
	print_number("cpu_percent", result->cpu_percent);
	print_number("hog_seconds", result->hog_seconds);
	print_number("hog_rate", result->hog_rate);
	print_number("released_mib", result->released_mib);
	print_number("evicted_mib", result->evicted_mib);
	print_number("release_usec", result->release_usec);
	puts("}");
	fflush(stdout);
}

static void run(const struct run_paths *paths, const char *plan, const struct run_spec *spec)
{
	struct run_result result;
	const char *why;

	if (run_one(paths, spec, &result, &why) < 0) {
		fprintf(stderr, "lab: no run: %s\n", why);
		exit(77);
	}
	runs++;
	cannot += !result.able;
	print(plan, spec, &result);
}

static void run_numbers(const struct run_paths *paths, const struct plan *plan,
			struct run_spec spec)
{
	for (const unsigned int *o = plan->objects; *o != END; o++)
		for (const unsigned int *h = plan->headrooms; *h != END; h++)
			for (const unsigned int *b = plan->bursts; *b != END; b++)
				for (const unsigned int *r = plan->ramps; *r != END; r++) {
					spec.object = *o;
					spec.headroom = *h;
					spec.burst = *b;
					spec.ramp = *r;
					run(paths, plan->name, &spec);
				}
}

/* A file for page cache, where this program was started: not a tmpfs, whose pages would
 * be memory that presses. */
static const char *pattern_of(const char *name)
{
	static char churn[PATH_MAX + 64];
	char cwd[PATH_MAX];

	if (strcmp(name, "churn"))
		return name;
	if (!getcwd(cwd, sizeof(cwd)))
		return "churn:/var/tmp/lab-churn";
	snprintf(churn, sizeof(churn), "churn:%s/lab-churn.%d", cwd, (int)getpid());
	return churn;
}

static void run_patterns(const struct run_paths *paths, const struct plan *plan,
			 struct run_spec spec)
{
	for (const char *const *p = plan->patterns; *p; p++) {
		spec.pattern = pattern_of(*p);
		run_numbers(paths, plan, spec);
	}
}

/* A pool chooses by itself. */
static void run_orders(const struct run_paths *paths, const struct plan *plan, struct run_spec spec)
{
	if (!strcmp(spec.alloc, "pool")) {
		spec.order = "own";
		run_patterns(paths, plan, spec);
		return;
	}
	for (const char *const *o = plan->orders; *o; o++) {
		spec.order = *o;
		run_patterns(paths, plan, spec);
	}
}

static void run_plan(const struct run_paths *paths, const struct plan *plan)
{
	struct run_spec spec = {.limit = LIMIT_MIB, .rate = plan->rate, .seconds = plan->seconds};

	for (const char *const *p = plan->policies; *p; p++)
		for (const char *const *a = plan->allocs; *a; a++) {
			spec.policy = *p;
			spec.alloc = *a;
			run_orders(paths, plan, spec);
		}
}

static const struct plan *plan_named(const char *name)
{
	for (size_t i = 0; i < NR_PLANS; i++)
		if (!strcmp(plans[i].name, name))
			return &plans[i];
	fprintf(stderr, "lab: no such plan: %s\n", name);
	exit(2);
}

static unsigned int number(const char *text)
{
	uint64_t value = 0;

	if (!number_parse(text, 10, 0, END - 1, &value)) {
		fprintf(stderr, "lab: not a number: %s\n", text);
		exit(2);
	}
	return (unsigned int)value;
}

static void one(const struct run_paths *paths, int argc, char **argv)
{
	struct run_spec spec = {.limit = LIMIT_MIB, .rate = 10000};

	if (argc < 7 || argc > 8) {
		fprintf(stderr, "usage: lab --one POLICY malloc|jemalloc|pool fifo|random OBJECT "
				"HEADROOM-MIB BURST-MIB RAMP-MB/S [LIMIT-MIB]\n");
		exit(2);
	}
	spec.policy = argv[0];
	spec.alloc = argv[1];
	spec.order = argv[2];
	spec.object = number(argv[3]);
	spec.headroom = number(argv[4]);
	spec.burst = number(argv[5]);
	spec.ramp = number(argv[6]);
	if (argc == 8)
		spec.limit = number(argv[7]);
	run(paths, "one", &spec);
}

/* The cache's program lies beside this one, the neighbour's in tools/. */
static void find_paths(struct run_paths *paths)
{
	static char cache[PATH_MAX + 32], hog[PATH_MAX + 64];
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *dir;

	self[n > 0 ? n : 0] = '\0';
	dir = dirname(self);
	snprintf(cache, sizeof(cache), "%s/lab-cache", dir);
	snprintf(hog, sizeof(hog), "%s/../../tools/kvload/kvhog", dir);
	paths->cache = cache;
	paths->hog = access(hog, X_OK) ? "kvhog" : hog;
	paths->jemalloc = JEMALLOC;
}

int main(int argc, char **argv)
{
	struct run_paths paths;
	unsigned int repeat = 1;
	int at = 1;

	signal(SIGPIPE, SIG_IGN);
	find_paths(&paths);
	if (argc > 1 && !strcmp(argv[1], "--one")) {
		one(&paths, argc - 2, argv + 2);
		return 0;
	}
	if (argc > 2 && !strcmp(argv[1], "--repeat")) {
		repeat = number(argv[2]);
		at = 3;
	}
	if (at >= argc) {
		fprintf(stderr, "usage: lab [--repeat N] PLAN...\n");
		return 2;
	}
	for (; at < argc; at++)
		for (unsigned int i = 0; i < repeat; i++)
			run_plan(&paths, plan_named(argv[at]));
	fprintf(stderr, "lab: %u runs, %u of them not possible here\n", runs, cannot);
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * One cache server of the laboratory: fills its group up to the headroom, says "ready",
 * serves until "x" comes on standard input, serves 300 ms more, and reports. "r" makes it
 * give a quarter of the limit back and say how long that took. What the kernel kills
 * instead says nothing: that is a result too.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <shrink/pool.h>

#include "tests/lab/lab.h"
#include "tools/kvload/hist.h"
#include "tools/number.h"

#define SETTLE_NSEC (LAB_NSEC / 5)
#define AFTER_NSEC  (LAB_NSEC * 3 / 10)

static const struct lab_policy *const policies[] = {
	&lab_policy_none,    &lab_policy_fixed,	   &lab_policy_cachelib,
	&lab_policy_midas,   &lab_policy_bcachefs, &lab_policy_systemd,
	&lab_policy_mariadb, &lab_policy_eve,	   &lab_policy_libshrink,
};
#define NR_POLICIES (sizeof(policies) / sizeof(policies[0]))

static const struct option long_options[] = {
	{"policy", 1, NULL, 'p'}, {"group", 1, NULL, 'g'},    {"psi", 1, NULL, 'i'},
	{"limit", 1, NULL, 'l'},  {"headroom", 1, NULL, 'H'}, {"gap", 1, NULL, 'G'},
	{"object", 1, NULL, 'o'}, {"order", 1, NULL, 'O'},    {"pool", 0, NULL, 'P'},
	{"rate", 1, NULL, 'r'},	  {"tick", 1, NULL, 't'},     {"list", 0, NULL, 'L'},
	{NULL, 0, NULL, 0},
};

struct options {
	uint64_t gap, rate;
	size_t object;
	enum lab_order order;
	bool pool;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "lab-cache: %s: %s\n", what, why);
	exit(2);
}

static uint64_t number(const char *text)
{
	uint64_t value = 0;

	if (!number_parse(text, 10, 0, UINT64_MAX, &value))
		die("not a number", text);
	return value;
}

static const struct lab_policy *policy_named(const char *name)
{
	for (size_t i = 0; i < NR_POLICIES; i++)
		if (!strcmp(policies[i]->name, name))
			return policies[i];
	die("no such policy", name);
	return NULL;
}

static void list(void)
{
	for (size_t i = 0; i < NR_POLICIES; i++)
		printf("%-10s %s\n", policies[i]->name, policies[i]->summary);
	exit(0);
}

static void parse(int argc, char **argv, struct lab *lab, struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'p':
			lab->policy = policy_named(optarg);
			break;
		case 'g':
			lab->group = optarg;
			break;
		case 'i':
			lab->psi = optarg;
			break;
		case 'l':
			lab->limit = number(optarg);
			break;
		case 'H':
			lab->headroom = number(optarg);
			break;
		case 'G':
			o->gap = number(optarg);
			break;
		case 'o':
			o->object = number(optarg);
			break;
		case 'O':
			o->order = strcmp(optarg, "random") ? LAB_FIFO : LAB_RANDOM;
			break;
		case 'P':
			o->pool = true;
			break;
		case 'r':
			o->rate = number(optarg);
			break;
		case 't':
			lab->tick_nsec = number(optarg) * 1000000;
			break;
		case 'L':
			list();
			break;
		default:
			die("see the source for", "options");
		}
	}
	if (!lab->policy || !lab->group || !lab->limit || optind < argc || !o->rate)
		die("wants at least", "--policy --group --limit");
	if (lab->headroom + o->gap >= lab->limit)
		die("headroom and gap", "leave nothing to fill");
	if (o->pool && !lab->policy->make_pool)
		die(lab->policy->name, "cannot use the pool");
}

static int open_usage(const char *group)
{
	static const char *const names[] = {"memory.usage_in_bytes", "memory.current"};
	char path[4352];

	for (int i = 0; i < 2; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s", group, names[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	}
	die(group, "no usage file");
	return -1;
}

/* Objects until usage has come up to @target; in an order that has nothing to do with
 * how popular they are. */
static void fill(struct lab *lab, uint64_t target)
{
	struct store *store = &lab->store;
	const uint64_t stride = 2654435761u; /* prime, beyond any number of keys */

	for (uint64_t i = 0; i < store->nr_keys; i++) {
		if (i % 64 == 0 && lab_usage(lab) >= target)
			break;
		if (store_put(store, i * stride % store->nr_keys + 1) == -ENOMEM)
			break;
	}
	lab->cap = store->bytes;
}

static void set_up(struct lab *lab, const struct options *o)
{
	uint64_t target = lab->limit - lab->headroom - o->gap;
	const char *why = "?";
	int r;

	lab->usage_fd = open_usage(lab->group);
	r = store_init(&lab->store, lab->limit / o->object * 5 / 4, o->object, o->order);
	if (r == 0 && o->pool)
		r = lab->policy->make_pool(lab);
	if (r < 0)
		die("store", strerror(-r));
	if (lab->policy->cap_percent)
		target = target * lab->policy->cap_percent / 100;
	fill(lab, target);
	r = lab->policy->start(lab, &why);
	if (r < 0) {
		printf("{\"event\":\"unable\",\"why\":\"%s: %s\"}\n", why, strerror(-r));
		exit(3);
	}
}

static uint64_t cpu_usec(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* How fast memory goes back to the kernel where nobody disturbs: what a policy can do at
 * the most. */
static void measure_release(struct lab *lab)
{
	uint64_t before = lab_usage(lab), evicted = lab->store.evicted_bytes, start = lab_nsec();
	uint64_t usec, after;

	if (lab->policy->shrink)
		lab->policy->shrink(lab, lab->limit / 4);
	usec = (lab_nsec() - start) / 1000;
	after = lab_usage(lab);
	printf("{\"event\":\"release\",\"returned\":%" PRIu64 ",\"evicted\":%" PRIu64
	       ",\"usec\":%" PRIu64 "}\n",
	       before > after ? before - after : 0, lab->store.evicted_bytes - evicted, usec);
}

/* Until told to end, or nobody is there who could. */
static void obey(struct lab *lab)
{
	char byte;
	ssize_t n;

	do {
		n = read(STDIN_FILENO, &byte, 1);
		if (n == 1 && byte == 'r')
			measure_release(lab);
	} while (n == 1 ? byte != 'x' : n < 0 && errno == EINTR);
}

static void serve(struct lab *lab, struct requests *requests)
{
	struct hist_copy copy = {.total = 0};
	uint64_t cpu, hits, done, before = lab->store.bytes, start;

	lab_sleep_nsec(SETTLE_NSEC);
	store_mark(&lab->store);
	cpu = cpu_usec();
	start = lab_nsec();
	requests_start(requests);
	printf("{\"event\":\"ready\",\"usage\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n",
	       lab_usage(lab), before);
	obey(lab);
	hits = requests->hits;
	done = requests->done;
	lab_sleep_nsec(AFTER_NSEC);
	hits = requests->hits - hits;
	done = requests->done - done;
	requests_stop(requests);
	hist_sum(&copy, requests->hist);
	printf("{\"event\":\"report\",\"first_evict_nsec\":%" PRIu64 ",\"before\":%" PRIu64
	       ",\"after\":%" PRIu64 ",\"peak_loss\":%" PRIu64 ",\"evicted\":%" PRIu64
	       ",\"decisions\":%" PRIu64 ",\"requests\":%" PRIu64
	       ",\"p50_usec\":%.1f,\"p99_usec\":%.1f,\"p999_usec\":%.1f,\"max_usec\":%.1f"
	       ",\"hit_after\":%.4f,\"cpu_usec\":%" PRIu64 ",\"wall_usec\":%" PRIu64
	       ",\"torn\":%" PRIu64 "}\n",
	       lab->store.first_evict_nsec, before, (uint64_t)lab->store.bytes,
	       (uint64_t)lab->store.peak_loss, (uint64_t)lab->store.evicted_bytes,
	       (uint64_t)lab->decisions, (uint64_t)requests->done,
	       (double)hist_percentile(&copy, 0.5) / 1000,
	       (double)hist_percentile(&copy, 0.99) / 1000,
	       (double)hist_percentile(&copy, 0.999) / 1000,
	       (double)hist_take_max(requests->hist) / 1000, done ? (double)hits / (double)done : 0,
	       cpu_usec() - cpu, (lab_nsec() - start) / 1000, (uint64_t)lab->store.torn);
}

int main(int argc, char **argv)
{
	static struct hist hist;
	static struct lab lab = {
		.headroom = 32 * LAB_MIB, .tick_nsec = LAB_NSEC, .fd = -1, .efd = -1};
	struct options o = {.gap = 8 * LAB_MIB, .rate = 10000, .object = 1024};
	struct requests requests = {.lab = &lab, .zipf = 0.99, .hist = &hist};

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv, &lab, &o);
	requests.rate = o.rate;
	set_up(&lab, &o);
	serve(&lab, &requests);
	if (lab.policy->stop)
		lab.policy->stop(&lab);
	if (lab.store.pool)
		shrink_pool_destroy(lab.store.pool);
	else
		store_end(&lab.store);
	return lab.store.torn ? 1 : 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The whole way, on real memory: a process in a group of its own with a limit, a
 * cache, and nothing but the public interface. Each scenario is a child process,
 * so that an OOM kill is a failed test and nothing worse.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shrink/shrink.h>

#include "tests/cg.h"
#include "tests/child.h"
#include "tests/harness.h"

#define MIB (1024ULL * 1024)
#define MSEC 1000000ULL
#define ENTRY_BYTES (64ULL * 1024)
#define SLOTS 8192ULL
#define LIMIT (128 * MIB)
/* The low watermark of this limit, 2.5 MiB, is 25 ms of growth at this pace: what
 * it takes two threads to be scheduled, one after the other, while the other
 * processor builds and tests. MiB per second; a slower machine says PRESSURE_PACE. */
#define PACE 100

static struct cg group;

/* A ring of entries in one mapping, the oldest given up first. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char *ring;
static _Atomic uint64_t head, tail;
static struct shrinker *shrinker;

static uint64_t now_nsec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void nap(uint64_t nsec)
{
	nanosleep(&(struct timespec){.tv_sec = (time_t)(nsec / 1000000000),
				     .tv_nsec = (long)(nsec % 1000000000)}, NULL);
}

static unsigned char *entry(uint64_t i)
{
	return ring + i % SLOTS * ENTRY_BYTES;
}

static unsigned long cache_count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return (unsigned long)(head - tail);
}

static unsigned long cache_scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n = 0;

	(void)s;
	pthread_mutex_lock(&lock);
	for (; n < sc->nr_to_scan && tail < head; n++)
		madvise(entry(tail++), ENTRY_BYTES, MADV_DONTNEED);
	pthread_mutex_unlock(&lock);
	sc->bytes_freed = n * ENTRY_BYTES;
	return n;
}

static void cache_add(void)
{
	memset(entry(head), (int)(head % 251) + 1, ENTRY_BYTES);
	head++;
}

static uint64_t cache_bytes(void)
{
	return (head - tail) * ENTRY_BYTES;
}

/* What was not given up is as it was written. */
static int cache_intact(void)
{
	for (uint64_t i = tail; i < head; i++)
		for (uint64_t k = 0; k < ENTRY_BYTES; k += 4096)
			if (entry(i)[k] != (unsigned char)(i % 251 + 1))
				return 0;
	return 1;
}

/* Adds @bytes at @mib_per_sec at most: time lost to a busy machine is not made up
 * for, since that would be a burst at the speed of memory. */
static void cache_fill(uint64_t bytes, uint64_t mib_per_sec)
{
	uint64_t per_entry = ENTRY_BYTES * 1000000000 / (mib_per_sec * MIB);
	uint64_t due = now_nsec();

	for (uint64_t n = 0; n < bytes / ENTRY_BYTES; n++) {
		uint64_t now = now_nsec();

		if (now < due)
			nap(due - now);
		else
			due = now;
		due += per_entry;
		cache_add();
	}
}

static uint64_t pace(void)
{
	const char *text = getenv("PRESSURE_PACE");
	uint64_t mib_per_sec = text ? strtoull(text, NULL, 10) : 0;

	return mib_per_sec ? mib_per_sec : PACE;
}

static void cache_start(void)
{
	ring = mmap(NULL, SLOTS * ENTRY_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(ring != MAP_FAILED);
	CHECK(!madvise(ring, SLOTS * ENTRY_BYTES, MADV_NOHUGEPAGE));
	shrinker = shrinker_alloc(SHRINKER_SELF_RELEASE, "ring");
	CHECK(shrinker);
	shrinker->count_objects = cache_count;
	shrinker->scan_objects = cache_scan;
	shrinker->object_size = ENTRY_BYTES;
	shrinker->batch = 16;
	CHECK(!shrinker_register(shrinker));
	CHECK(!shrink_start(0));
}

static void cache_stop(void)
{
	CHECK(!shrink_stop());
	shrinker_free(shrinker);
	CHECK(cache_intact());
}

static struct shrink_stats stats(void)
{
	struct shrink_stats st;

	CHECK(!shrink_stats(&st, sizeof(st)));
	return st;
}

static uint64_t headroom(void)
{
	return cg_limit(&group) - cg_usage(&group);
}

static void enter_group(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0 && write(fd, "1000", 4) == 4);
	close(fd);
	CHECK(!cg_move(&group, 0));
}

static void show_rounds(const struct shrink_stats *st)
{
	printf("# %llu rounds, %llu MiB freed, %llu MiB returned\n", (unsigned long long)st->rounds,
	       (unsigned long long)(st->freed_bytes / MIB),
	       (unsigned long long)(st->returned_bytes / MIB));
	fflush(stdout);
}

/* Each record tells a story in the right order. */
static void check_rounds(void)
{
	struct shrink_round rounds[64];
	int n = shrink_rounds(rounds, 64, sizeof(rounds[0]));
	uint64_t worst = 0;

	CHECK(n > 0);
	for (int i = 0; i < n; i++) {
		const struct shrink_round *r = &rounds[i];

		CHECK(r->notice_nsec && r->notice_nsec <= r->begin_nsec);
		CHECK(r->begin_nsec <= r->end_nsec);
		if (!r->first_scan_nsec)
			continue;
		CHECK(r->first_scan_nsec >= r->begin_nsec && r->first_scan_nsec <= r->end_nsec);
		CHECK(r->freed_bytes <= r->scanned_objects * ENTRY_BYTES);
		if (r->first_scan_nsec - r->notice_nsec > worst)
			worst = r->first_scan_nsec - r->notice_nsec;
	}
	printf("# last %d rounds: notice to first scan at worst %llu usec\n", n,
	       (unsigned long long)(worst / 1000));
}

/* What was freed came back. A round says by how much RSS fell meanwhile, and meanwhile
 * the cache grew, by its pace at most. */
static void check_returned(void)
{
	struct shrink_round rounds[64];
	int n = shrink_rounds(rounds, 64, sizeof(rounds[0]));
	uint64_t freed = 0, grown = 0;
	int64_t returned = 0;

	for (int i = 0; i < n; i++) {
		uint64_t usec = (rounds[i].end_nsec - rounds[i].begin_nsec) / 1000;

		freed += rounds[i].freed_bytes;
		returned += rounds[i].returned_bytes;
		grown += usec * pace() * MIB / 1000000 + ENTRY_BYTES;
	}
	printf("# of %llu KiB freed in %d rounds %lld came back, beside %llu that grew at most\n",
	       (unsigned long long)freed / 1024, n, (long long)returned / 1024,
	       (unsigned long long)grown / 1024);
	CHECK(returned + (int64_t)grown >= (int64_t)(freed / 10 * 8));
}

/* Four times the limit goes through a cache that keeps its objects. */
static void overfill(void)
{
	struct shrink_stats st;

	enter_group();
	cache_start();
	cache_fill(4 * LIMIT, pace());
	nap(300 * MSEC);
	st = stats();
	show_rounds(&st);
	CHECK(st.rounds > 0 && st.freed_bytes >= 2 * LIMIT);
	check_returned();
	CHECK(headroom() >= LIMIT / 50); /* low */
	CHECK(cache_bytes() >= LIMIT / 2); /* and not for the price of all of it */
	CHECK(st.misuses == 0 && st.overruns == 0);
	CHECK(cg_limit_hits(&group) == 0); /* the limit was not even touched */
	check_rounds();
	cache_stop();
}

/* As full as a cache may be however busy the machine is: high is at most 3/16 of
 * the limit, and a little is the program's own. */
#define FULL (LIMIT - LIMIT * 3 / 16 - 3 * MIB)

/* G7: page cache comes and goes beside the cache; the kernel manages that. */
static void stream(void)
{
	static char buf[1 << 20];
	char name[] = "/var/tmp/shrink-stream-XXXXXX";
	struct shrink_stats st;
	uint64_t before, got = 0;
	int fd = mkstemp(name);

	CHECK(fd >= 0);
	unlink(name);
	CHECK(!ftruncate(fd, (off_t)(4 * LIMIT))); /* holes are cached like data */
	enter_group();
	cache_start();
	cache_fill(FULL, 400);
	nap(300 * MSEC);
	before = cache_bytes();
	CHECK(before == FULL);
	for (ssize_t n; (n = read(fd, buf, sizeof(buf))) > 0; got += (uint64_t)n)
		;
	CHECK(got == 4 * LIMIT);
	/* it did go through this group, up to its limit */
	CHECK(cg_limit_hits(&group) > 0);
	nap(700 * MSEC);
	st = stats();
	show_rounds(&st);
	CHECK(st.freed_objects == 0 && st.rounds == 0);
	CHECK(cache_bytes() == before);
	CHECK(shrink_level() == SHRINK_LEVEL_NORMAL);
	CHECK(shrink_may_grow());
	cache_stop();
	close(fd);
}

/* The operator takes the limit down to a little above what is used. */
static void lower_limit(void)
{
	uint32_t kind = group.version == 1 ? SHRINK_LIMIT_CGROUP1 : SHRINK_LIMIT_CGROUP2;
	struct shrink_limits limits;
	struct shrink_stats st;
	uint64_t limit;

	enter_group();
	cache_start();
	cache_fill(80 * MIB, 400);
	nap(200 * MSEC);
	CHECK(stats().freed_objects == 0);
	limit = (cg_usage(&group) + MIB) & ~4095ULL;
	CHECK(!cg_set_limit(&group, limit));
	/* the round may have freed enough and not be over yet */
	for (int i = 0; i < 100 && (headroom() < limit / 50 || !stats().rounds); i++)
		nap(20 * MSEC);
	st = stats();
	show_rounds(&st);
	CHECK(st.freed_bytes > 0 && headroom() >= limit / 50);
	CHECK(cache_bytes() >= 64 * MIB);
	CHECK(!shrink_limits(&limits, sizeof(limits)) && limits.limit == limit);
	CHECK(limits.kind == kind && !strcmp(limits.path, group.dir));

	/* and on from there: the new edge holds as the old one did */
	cache_fill(LIMIT, pace() / 2);
	nap(300 * MSEC);
	CHECK(headroom() >= limit / 50);
	cache_stop();
}

/* A budget needs neither groups nor privileges. */
static void rss_budget(void)
{
	struct shrink_limits limits;
	struct shrink_stats st;

	CHECK(!shrink_conf_set("rss_budget", "64M"));
	cache_start();
	cache_fill(256 * MIB, pace());
	nap(300 * MSEC);
	CHECK(!shrink_limits(&limits, sizeof(limits)));
	st = stats();
	show_rounds(&st);
	CHECK(limits.kind == SHRINK_LIMIT_RSS && limits.limit == 64 * MIB);
	CHECK(limits.usage <= 64 * MIB - limits.low_wmark);
	CHECK(st.freed_bytes >= 128 * MIB && cache_bytes() >= 32 * MIB);
	check_rounds();
	cache_stop();
}

static void take_line(void *arg, enum shrink_log_level level, const char *line)
{
	if (level == SHRINK_LOG_INFO && strstr(line, "processes of the memory group"))
		atomic_store((_Atomic int *)arg, 1);
}

static int usage_reason(char *reason, size_t size)
{
	struct shrink_source_info infos[16];
	int n = shrink_sources(infos, 16, sizeof(infos[0]));

	for (int i = 0; i < n; i++)
		if (!strcmp(infos[i].name, "usage")) {
			snprintf(reason, size, "%s", infos[i].reason);
			return !strcmp(infos[i].state, "live");
		}
	return 0;
}

static void wait_until_started(pid_t pid)
{
	char command[128];

	snprintf(command, sizeof(command), "grep -qsx shrink-monitor /proc/%d/task/*/comm",
		 (int)pid);
	for (int i = 0; i < 250 && system(command); i++)
		nap(20 * MSEC);
}

/* Another process in the group answers the same pressure: it is divided. */
static void second_process(void)
{
	const char *builddir = getenv("top_builddir");
	static _Atomic int noted;
	char path[512], reason[160] = "";
	char *const argv[] = {path, NULL};
	pid_t pid;

	snprintf(path, sizeof(path), "%s/tests/peer", builddir ? builddir : ".");
	pid = cg_spawn(&group, argv);
	CHECK(pid > 0);
	wait_until_started(pid);
	enter_group();
	shrink_set_log(take_line, &noted);
	cache_start();
	for (int i = 0; i < 500 && !(noted && strstr(reason, "1 more")); i++) {
		nap(20 * MSEC);
		CHECK(usage_reason(reason, sizeof(reason)));
	}
	CHECK(strstr(reason, "1 more in this group"));
	CHECK(noted);
	cache_stop();
	cg_remove(&group);
}

/* Runs @scenario in a child. */
static int run(void (*scenario)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		scenario();
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("# child: killed by signal %d\n", WTERMSIG(status));
	return status;
}

static void run_in_group(void (*scenario)(void))
{
	const char *why = cg_create_limited(&group, "pressure", LIMIT);

	if (why)
		SKIP("no child group: %s", why);
	ASSERT_INT(run(scenario), 0);
	cg_remove(&group);
}

static void test_overfill(void)
{
	run_in_group(overfill);
}

static void test_stream(void)
{
	run_in_group(stream);
}

static void test_lower_limit(void)
{
	run_in_group(lower_limit);
}

static void test_second_process(void)
{
	run_in_group(second_process);
}

static void test_rss_budget(void)
{
	ASSERT_INT(run(rss_budget), 0);
}

static const struct test tests[] = {
	{"pressure: four times the limit, no OOM", test_overfill},
	{"G7: page cache streamed beside a full cache", test_stream},
	{"pressure: the limit is lowered", test_lower_limit},
	{"pressure: a second process is reported", test_second_process},
	{"pressure: an RSS budget", test_rss_budget},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "pressure", tests);
}

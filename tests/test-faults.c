// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Monitor, sources and engine as a whole on the kernel's files, in virtual time, and each
 * of these files may fail in every way: missing, forbidden, an error of reading, empty,
 * garbage, cut off, a number that no machine has. Schedules are drawn from a seed; in
 * the meantime usage and limits change and the process is moved. Whatever happens:
 *
 *	F1	while nothing is broken, nothing is freed with half of every limit free
 *	F2	once all works again, a shortage is over within a minute: none is missed
 *	F3	no busy loop: looks, rounds and openings are bounded by time
 *	F4	no descriptor is lost
 *
 * TEST_SEED_ONLY runs that seed alone; SIM_SEEDS says how many from 1 on. A failure prints
 * the seed and the step. tests/broken-twins.sh breaks each of these once.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <shrink/shrink.h>
#include <libshrink/base/bits.h>
#include <libshrink/core/core.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/gauges.h>
#include <libshrink/reclaim/level.h>
#include <libshrink/source/judge.h>
#include <libshrink/source/monitor.h>

#include "tests/fakeroot.h"
#include "tests/harness.h"
#include "tests/random.h"

#define MB   (1ULL << 20)
#define MSEC NSEC_PER_MSEC
#define SIZE 4096ULL
#define MOVE_SEEN (1100 * MSEC)

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SEEDS 20
#else
#define SEEDS 200
#endif

enum fault { WELL, MISSING, FORBIDDEN, EMPTY, GARBAGE, CUT, HUGE_NUMBER, FAULTS };

enum file {
	SELF_CGROUP, MOUNTINFO, STATUS, MEMINFO, ZONEINFO, CURRENT, MAX, HIGH, STAT, EVENTS,
	PRESSURE, PROCS, GROUP_EVENTS, FILES
};

static const char *const names[FILES] = {
	"/proc/self/cgroup", "/proc/self/mountinfo", "/proc/self/status", "/proc/meminfo",
	"/proc/zoneinfo", "memory.current", "memory.max", "memory.high", "memory.stat",
	"memory.events", "memory.pressure", "cgroup.procs", "cgroup.events",
};

static const char *const groups[] = {"/a", "/b"};

static struct {
	struct random rnd;
	uint64_t seed;
	int step;
	const char *failure;
	int group;
	uint64_t objects, others[2], files[2], limit[2], high[2];
	uint64_t stall, moved;
	enum fault fault[FILES];
	int broken;    /* something is, or was a moment ago */
	struct shrinker *s;
} w;

static void fail(const char *what)
{
	if (w.failure)
		return;
	w.failure = what;
	printf("# seed %" PRIu64 ", step %d: %s\n", w.seed, w.step, what);
}

/* What a disk's files cannot: be waited for, and take a trigger without keeping it. */
int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	int r = (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);

	return r < 0 && errno == EPERM ? 0 : r;
}

ssize_t write(int fd, const void *data, size_t size)
{
	if (size > 5 && (!memcmp(data, "some ", 5) || !memcmp(data, "full ", 5)))
		return (ssize_t)size;
	return syscall(SYS_write, fd, data, size);
}

static uint64_t draw(uint64_t n)
{
	return random_below(&w.rnd, n);
}

/* ---- the files */

static uint64_t needed(int g)
{
	return w.others[g] + (g == w.group ? w.objects * SIZE : 0);
}

static uint64_t tightest(int g)
{
	return shrink_min_u64(w.limit[g], w.high[g]);
}

static uint64_t cache_of(int g)
{
	return shrink_min_u64(w.files[g], shrink_sub_u64(tightest(g), needed(g)));
}

static void print_limit(char *text, size_t size, uint64_t limit)
{
	if (limit == UINT64_MAX)
		snprintf(text, size, "max\n");
	else
		snprintf(text, size, "%" PRIu64 "\n", limit);
}

static void compose(enum file f, int g, char *text, size_t size)
{
	switch (f) {
	case SELF_CGROUP: snprintf(text, size, "0::%s\n", groups[w.group]); break;
	case MOUNTINFO:
		snprintf(text, size, "41 31 0:38 / /u rw - cgroup2 cgroup2 rw\n");
		break;
	case STATUS:
		snprintf(text, size, "Name:\tx\nRssAnon:\t%" PRIu64 " kB\nRssShmem:\t0 kB\n"
			 "VmSwap:\t0 kB\nSeccomp:\t0\nSeccomp_filters:\t0\n",
			 (uint64_t)(w.objects * SIZE >> 10) + 5000);
		break;
	case MEMINFO:
		snprintf(text, size, "MemTotal: 67108864 kB\nMemFree: 33554432 kB\n"
			 "MemAvailable: 50331648 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
		break;
	case ZONEINFO:
		snprintf(text, size, "Node 0, zone   Normal\n  pages free     8388608\n"
			 "        min      1000\n        low      1250\n        high     1500\n"
			 "        managed  16777216\n        protection: (0, 0)\n");
		break;
	case CURRENT: snprintf(text, size, "%" PRIu64 "\n", needed(g) + cache_of(g)); break;
	case MAX: print_limit(text, size, w.limit[g]); break;
	case HIGH: print_limit(text, size, w.high[g]); break;
	case STAT:
		snprintf(text, size, "anon %" PRIu64 "\nfile %" PRIu64 "\ninactive_file %" PRIu64
			 "\nactive_file 0\nfile_dirty 0\nfile_writeback 0\n", needed(g),
			 cache_of(g), cache_of(g));
		break;
	case EVENTS:
		snprintf(text, size, "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
		break;
	case PRESSURE:
		snprintf(text, size, "some avg10=0.00 avg60=0.00 avg300=0.00 total=%" PRIu64 "\n"
			 "full avg10=0.00 avg60=0.00 avg300=0.00 total=%" PRIu64 "\n", w.stall,
			 w.stall / 2);
		break;
	default: snprintf(text, size, "1\n"); break;
	}
}

static const char *path_of(enum file f, int g)
{
	static char path[128];

	if (f < CURRENT)
		snprintf(path, sizeof(path), "%s", names[f]);
	else
		snprintf(path, sizeof(path), "/u%s/%s", groups[g], names[f]);
	return path;
}

/* Content that is written in place is what an open descriptor reads, too. What cannot be
 * opened can still be read by whoever has it open: as in the kernel. */
static void put(enum file f, int g)
{
	enum fault fault = w.fault[f];
	char text[1024];

	compose(f, g, text, sizeof(text));
	if (fault == MISSING) {
		remove(fakeroot_path(path_of(f, g)));
		return;
	}
	chmod(fakeroot_path(path_of(f, g)), 0644);
	if (fault == EMPTY)
		text[0] = '\0';
	else if (fault == GARBAGE)
		snprintf(text, sizeof(text), "\x01\xff none of \t this %%n\n\n-1\n");
	else if (fault == CUT)
		text[strlen(text) / 2] = '\0';
	else if (fault == HUGE_NUMBER)
		snprintf(text, sizeof(text), "some total=99999999999999999999999\nMemTotal: "
			 "99999999999999999999999 kB\n99999999999999999999999\n");
	fakeroot_file(path_of(f, g), "%s", text);
	if (fault == FORBIDDEN)
		chmod(fakeroot_path(path_of(f, g)), 0);
}

static void put_all(void)
{
	for (int f = 0; f < FILES; f++)
		for (int g = 0; g < (f < CURRENT ? 1 : 2); g++)
			put((enum file)f, g);
}

static void put_usage(void)
{
	for (int g = 0; g < 2; g++) {
		put(CURRENT, g);
		put(STAT, g);
	}
}

/* ---- the cache */

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return w.objects;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n = sc->nr_to_scan < w.objects ? sc->nr_to_scan : w.objects;

	(void)s;
	/* the group before presses until it is seen that we have left it */
	if (!w.broken && shrink_os_clock() - w.moved > MOVE_SEEN &&
	    needed(w.group) < tightest(w.group) / 2)
		fail("F1: freed while half of the limit was free");
	w.objects -= n;
	put(CURRENT, w.group);
	put(STAT, w.group); /* files may take what was freed */
	return n;
}

/* ---- time: as api/sim.c, but with all sources there are */

static uint64_t turns, rounds;

static uint64_t settle(void)
{
	uint64_t next = 0;

	for (int i = 0; i < 64; i++) {
		next = shrink_monitor_turn();
		shrink_engine_run_chore();
		turns++;
		if (!shrink_engine_busy())
			break;
		shrink_engine_run_pending(0);
		rounds++;
	}
	return next;
}

static void step(uint64_t nsec)
{
	uint64_t end = shrink_os_clock() + nsec, next;

	w.step++;
	turns = rounds = 0;
	shrink_monitor_wake();
	next = settle();
	while (shrink_os_clock() < end) {
		uint64_t now = shrink_os_clock();

		shrink_os_clock_advance(shrink_clamp_u64(next, now + MSEC / 1000, end) - now);
		next = settle();
	}
	if (turns > 200 + nsec / MSEC * 2 + 2 * rounds)
		fail("F3: the monitor does not rest");
	if (rounds > 100 + nsec / MSEC)
		fail("F3: rounds without end");
	if (shrink_os_fd_count() > 200)
		fail("F4: descriptors are lost");
}

/* ---- what happens */

static void disturb(void)
{
	int g = (int)draw(2);

	switch (draw(10)) {
	case 0: w.others[g] = draw(1000) * MB; break;
	case 1: w.files[g] = draw(2000) * MB; break;
	case 2: w.limit[g] = (256 + draw(2048)) * MB; break;
	case 3: w.high[g] = draw(2) ? UINT64_MAX : (256 + draw(2048)) * MB; break;
	case 4:
		w.group = !w.group;
		w.moved = shrink_os_clock();
		break;
	case 5: w.stall += draw(400000); break;
	default:
		w.fault[draw(FILES)] = (enum fault)(1 + draw(FAULTS - 1));
		w.broken = 1;
	}
}

static void heal(void)
{
	memset(w.fault, 0, sizeof(w.fault));
	put_all();
}

static void check(void)
{
	heal();
	step(66 * 1000 * MSEC); /* the longest back-off */
	w.broken = 0;
	put_all();
	step(3000 * MSEC);
	if (needed(w.group) > tightest(w.group) && w.objects > 1000)
		fail("F2: a shortage was missed");
	/* and at rest with room nothing goes */
	w.others[0] = w.others[1] = 0;
	w.limit[0] = w.limit[1] = 4 * w.objects * SIZE + 2048 * MB;
	w.high[0] = w.high[1] = UINT64_MAX;
	put_all();
	step(3000 * MSEC);
	if (shrink_level() != SHRINK_LEVEL_NORMAL)
		fail("F1: pressed at rest");
}

static void begin(uint64_t seed)
{
	memset(&w, 0, sizeof(w));
	w.rnd = random_seeded(seed);
	w.seed = seed;
	w.objects = (100 + draw(400)) * MB / SIZE;
	for (int g = 0; g < 2; g++) {
		w.limit[g] = 1024 * MB;
		w.high[g] = UINT64_MAX;
	}
	/* half of them find something broken when they start */
	for (uint64_t n = draw(2) * draw(4); n; n--)
		w.fault[draw(FILES)] = (enum fault)(1 + draw(FAULTS - 1)), w.broken = 1;
	put_all();
	shrink_os_clock_simulate(1);
	CU_ASSERT_FATAL(shrink_monitor_open() >= 0);
	shrink_judge_reset();
	shrink_engine_reset(NULL);
	shrink_gate_open();
}

static int run(uint64_t seed)
{
	begin(seed);
	for (uint64_t n = 2 + draw(8); n && !w.failure; n--) {
		disturb();
		put_all();
		step((1 + draw(10)) * (draw(2) ? 5 : 200) * MSEC);
		put_usage();
	}
	check();
	shrink_gate_close(0);
	shrink_engine_reset(NULL);
	shrink_monitor_close();
	shrink_level_reset();
	shrink_os_clock_simulate(0);
	if (shrink_os_fd_count())
		fail("F4: descriptors are left");
	return w.failure != NULL;
}

static void seeds(void)
{
	const char *one = getenv("TEST_SEED_ONLY"), *text = getenv("SIM_SEEDS");
	uint64_t n = text ? strtoull(text, NULL, 0) : SEEDS, failed = 0;
	struct shrinker *s = shrinker_alloc(SHRINKER_SELF_RELEASE, "c");

	CU_ASSERT_FATAL(s != NULL);
	s->count_objects = count;
	s->scan_objects = scan;
	s->object_size = SIZE;
	ASSERT_INT(shrinker_register(s), 0);
	shrink_conf_set("log", "0");
	shrink_conf_set("peers", "off");
	/* files of a disk are waited for each time they are cut to nothing */
	if (!access("/dev/shm", W_OK))
		setenv("TMPDIR", "/dev/shm", 1);
	fakeroot_begin();
	if (one)
		failed = (uint64_t)run(strtoull(one, NULL, 0));
	for (uint64_t seed = 1; !one && seed <= n && failed < 5; seed++)
		failed += (uint64_t)run(seed);
	fakeroot_end();
	shrinker_free(s);
	ASSERT_INT(failed, 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"whichever file fails, and how: no shortage missed, none made up", seeds},
		{NULL, NULL},
	};

	return test_main(argc, argv, "faults", tests);
}

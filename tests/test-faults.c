// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Monitor, sources, engine and nodes' workers as a whole on the kernel's files, in virtual
 * time, and each of these files may fail in every way (faulty.h), on v1 and v2. Schedules
 * are drawn from a seed; in the meantime usage and limits change and the process is
 * moved. Whatever happens:
 *
 *	F1	while no file lies, and usage can be read, nothing is freed with half of every
 *		limit free
 *	F2	a shortage is over within two seconds as long as the files that show it
 *		can be read, whatever else is broken; and once all works again, all
 *		shortages are within a minute: none is missed
 *	F3	no busy loop: looks, rounds and openings are bounded by time
 *	F4	no descriptor is lost
 *
 * What cannot be promised: F1 where memory.stat cannot be read, since then nobody knows
 * what is page cache; F2 for a limit whose file was hidden when the group was found, which
 * is as if it had none.
 *
 * TEST_SEED_ONLY runs that seed alone; SIM_SEEDS says how many from 1 on. A failure prints
 * the seed and the step. tests/broken-twins.sh breaks each of these once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>
#include <libshrink/base/bits.h>
#include <libshrink/core/core.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/gauges.h>
#include <libshrink/reclaim/level.h>
#include <libshrink/reclaim/nodes.h>
#include <libshrink/source/judge.h>
#include <libshrink/source/monitor.h>
#include <libshrink/source/sources.h>

#include "tests/faulty.h"
#include "tests/harness.h"
#include "tests/random.h"

#define MB   (1ULL << 20)
#define MSEC NSEC_PER_MSEC
#define SIZE 4096ULL
#define MOVE_SEEN (1100 * MSEC)
#define NOTICED   (2000 * MSEC)
#define NODES     2
/* of zoneinfo below: high - low of a node, and what it keeps */
#define NODE_STEP    (250 * SIZE)
#define NODE_RESERVE (1500 * SIZE)

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SEEDS 20
#else
#define SEEDS 200
#endif

static struct {
	struct random rnd;
	uint64_t seed;
	int step, version, group;
	const char *failure;
	uint64_t objects[NODES], available[NODES]; /* of each memory node */
	uint64_t others[GROUPS], files[GROUPS], limit[GROUPS], high[GROUPS];
	uint64_t stall, swapped, moved;
	uint64_t changed; /* clock, since when nothing but the library does anything */
	bool broken;      /* something is, or was a moment ago */
	bool lied;        /* some file has, or could not be known: see honest() */
	int nodes;        /* that are served */
	struct shrinker *s;
} w;

static void fail(const char *what)
{
	if (w.failure)
		return;
	w.failure = what;
	printf("# seed %" PRIu64 ", step %d, v%d: %s\n", w.seed, w.step, w.version, what);
	for (int f = 0; f < FILES; f++)
		if (faulty[f] || faulty_given_up[f])
			printf("#\t%s: fault %d%s\n", faulty_name((enum file)f), (int)faulty[f],
			       faulty_given_up[f] ? ", not opened" : "");
}

static uint64_t draw(uint64_t n)
{
	return random_below(&w.rnd, n);
}

/* ---- the files */

static uint64_t objects(void)
{
	return w.objects[0] + w.objects[1];
}

static uint64_t needed(int g)
{
	return w.others[g] + (g == w.group ? objects() * SIZE : 0);
}

static uint64_t tightest(int g)
{
	return shrink_min_u64(w.limit[g], w.high[g]);
}

static uint64_t cache_of(int g)
{
	return shrink_min_u64(w.files[g], shrink_sub_u64(tightest(g), needed(g)));
}

static void constant(char *text, size_t size, const char *content)
{
	memcpy(text, content, shrink_min_u64(size, strlen(content) + 1));
}

static void number(char *text, size_t size, uint64_t value)
{
	snprintf(text, size, "%" PRIu64 "\n", value);
}

static void limit(char *text, size_t size, uint64_t value)
{
	if (value == UINT64_MAX)
		snprintf(text, size, "max\n");
	else
		number(text, size, value);
}

static void stat_text(const char *total, int g, char *text, size_t size)
{
	snprintf(text, size, "%sanon %" PRIu64 "\n%sfile %" PRIu64 "\n%sinactive_file %" PRIu64
		 "\n%sactive_file 0\n%s 0\n%s 0\n", total, needed(g), total, cache_of(g), total,
		 cache_of(g), total, *total ? "total_dirty" : "file_dirty",
		 *total ? "total_writeback" : "file_writeback");
}

#define ZONE(nid)                                                                                  \
	"Node " nid ", zone   Normal\n  pages free     4194304\n        min      1000\n"           \
	"        low      1250\n        high     1500\n        managed  8388608\n"                 \
	"        protection: (0, 0)\n"

static void node(int nid, char *text, size_t size)
{
	snprintf(text, size, "Node %d MemTotal: 33554432 kB\nNode %d MemFree: %" PRIu64 " kB\n"
		 "Node %d Active(file): 0 kB\n", nid, nid,
		 (uint64_t)(w.available[nid] + NODE_RESERVE) >> 10, nid);
}

static void compose_machine(enum file f, char *text, size_t size)
{
	switch (f) {
	case SELF_CGROUP:
		snprintf(text, size, "%s%s%s0::%s\n", w.version == 1 ? "4:memory:" : "",
			 w.version == 1 ? faulty_group[w.group] : "", w.version == 1 ? "\n" : "",
			 faulty_group[w.group]);
		break;
	case MOUNTINFO:
		snprintf(text, size, "35 31 0:32 / /m rw - %s\n"
			 "41 31 0:38 / /u rw - cgroup2 cgroup2 rw\n",
			 w.version == 1 ? "cgroup cgroup rw,memory" : "tmpfs tmpfs rw");
		break;
	case STATUS:
		snprintf(text, size, "Name:\tx\nRssAnon:\t%" PRIu64 " kB\nRssShmem:\t0 kB\n"
			 "VmSwap:\t%" PRIu64 " kB\nSeccomp:\t0\nSeccomp_filters:\t0\n",
			 (uint64_t)(objects() * SIZE >> 10) + 5000, w.swapped >> 10);
		break;
	case MEMINFO:
		constant(text, size, "MemTotal: 67108864 kB\nMemFree: 33554432 kB\n"
			 "MemAvailable: 50331648 kB\nSwapTotal: 8388608 kB\n"
			 "SwapFree: 4194304 kB\n");
		break;
	case VMSTAT:
		constant(text, size, "nr_free_pages 1\npgscan_kswapd 7\nallocstall_normal 3\n");
		break;
	case ZONEINFO: constant(text, size, ZONE("0") ZONE("1")); break;
	default: node((int)f - NODE0, text, size); break;
	}
}

static void compose(enum file f, int g, char *text, size_t size)
{
	switch (f) {
	case USAGE1: case CURRENT: case MEMSW_USAGE:
		number(text, size, needed(g) + cache_of(g));
		break;
	case LIMIT1: case MAX: limit(text, size, w.limit[g]); break;
	case HIGH: limit(text, size, w.high[g]); break;
	case MEMSW_LIMIT: snprintf(text, size, "9223372036854771712\n"); break;
	case STAT: stat_text("", g, text, size); break;
	case STAT1: stat_text("total_", g, text, size); break;
	case EVENTS:
		snprintf(text, size, "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
		break;
	case OOM1:
		snprintf(text, size, "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
		break;
	case PRESSURE:
		snprintf(text, size, "some avg10=0.00 avg60=0.00 avg300=0.00 total=%" PRIu64 "\n"
			 "full avg10=0.00 avg60=0.00 avg300=0.00 total=%" PRIu64 "\n", w.stall,
			 w.stall / 2);
		break;
	case SWAP_CURRENT: number(text, size, w.swapped); break;
	case SWAP_MAX: limit(text, size, UINT64_MAX); break;
	case PROCS: case PROCS1: case GROUP_EVENTS: number(text, size, 1); break;
	case CONTROL: case LEVEL1: break;
	default: compose_machine(f, text, size); break;
	}
}

/* ---- what can be promised while something is broken */

static bool is_lying(enum file f)
{
	return faulty[f] >= FIRST_LIE;
}

static bool is_readable(enum file f)
{
	return faulty[f] < FIRST_READ && !faulty_given_up[f];
}

static enum file stat_file(void)
{
	return w.version == 1 ? STAT1 : STAT;
}

/* No file has told a lie, and which usage is page cache was known all the time. */
static bool honest(void)
{
	for (int f = 0; w.broken && f < FILES; f++)
		w.lied |= is_lying((enum file)f);
	w.lied |= w.broken && !is_readable(stat_file());
	return !w.lied && !faulty_given_up[stat_file()];
}

static bool is_watched(int g)
{
	const struct shrink_cgroup *cg = shrink_sources_group();
	const char *slash = cg->nr_levels ? strrchr(cg->level[0].dir, '/') : NULL;

	return slash && !strcmp(slash, faulty_group[g]);
}

/* The library says that it watches the group we are in, and what it reads is so. */
static bool shows_usage(void)
{
	if (!shrink_sources_live(&shrink_source_usage) || !is_watched(w.group) ||
	    !is_readable(stat_file()))
		return false;
	if (w.version == 1)
		return is_readable(USAGE1) && is_readable(LIMIT1);
	return is_readable(CURRENT) && is_readable(MAX) && is_readable(HIGH);
}

static bool shows_node(int nid)
{
	return w.nodes == NODES && is_readable(NODE0 + (enum file)nid) && !is_lying(ZONEINFO);
}

static bool group_is_short(void)
{
	return needed(w.group) > tightest(w.group) && objects() > 1000;
}

static bool node_is_short(int nid)
{
	return w.available[nid] < NODE_STEP && w.objects[nid] > 1000;
}

static void look_for_missed(void)
{
	if (shrink_os_clock() - w.changed < NOTICED)
		return;
	if (group_is_short() && shows_usage())
		fail("F2: a shortage of the group is missed though its usage can be read");
	for (int nid = 0; nid < NODES; nid++)
		if (node_is_short(nid) && shows_node(nid))
			fail("F2: a shortage of a node is missed though it can be read");
}

/* ---- the cache */

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	return w.objects[sc->nid];
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	uint64_t *there = &w.objects[sc->nid];
	unsigned long n = sc->nr_to_scan < *there ? sc->nr_to_scan : *there;

	(void)s;
	/* the group before presses until it is seen that we have left it */
	if (honest() && shows_usage() && shrink_os_clock() - w.moved > MOVE_SEEN &&
	    needed(w.group) < tightest(w.group) / 2 && w.available[sc->nid] > 2 * NODE_STEP)
		fail("F1: freed while half of the limit was free");
	*there -= n;
	w.available[sc->nid] += n * SIZE;
	return n;
}

/* ---- time: as api/sim.c, but with all sources there are */

static uint64_t turns, rounds;

static uint64_t settle(void)
{
	uint64_t next = 0, wake;

	for (int i = 0; i < 64; i++) {
		shrink_nodes_turn(&wake);
		next = shrink_min_u64(shrink_monitor_turn(), wake);
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
	look_for_missed();
}

/* ---- what happens */

static void change_something(void)
{
	int g = (int)draw(2);

	w.changed = shrink_os_clock();
	switch (draw(8)) {
	case 0: w.others[g] = draw(1000) * MB; break;
	case 1: w.files[g] = draw(2000) * MB; break;
	case 2: w.limit[g] = (256 + draw(2048)) * MB; break;
	case 3:
		w.high[g] = draw(2) || w.version == 1 ? UINT64_MAX : (256 + draw(2048)) * MB;
		break;
	case 4:
		w.group = !w.group;
		w.moved = shrink_os_clock();
		break;
	case 5: w.stall += draw(400000); break;
	case 6: w.swapped += draw(20) * MB; break;
	default: w.available[g] = draw(500) * SIZE;
	}
}

static void break_something(void)
{
	faulty[faulty_draw()] = (enum fault)(1 + draw(FAULTS - 1));
	w.broken = true;
}

static void some_time(void)
{
	step((1 + draw(10)) * (draw(2) ? 5 : 300) * MSEC);
}

/* All works again: what was missed is made up for, and from then on there is no excuse. */
static void heal(void)
{
	memset(faulty, 0, sizeof(faulty));
	w.changed = shrink_os_clock() + 66000 * MSEC; /* the longest back-off */
	step(66000 * MSEC);
	w.broken = w.lied = false;
	w.changed = shrink_os_clock();
	step(3000 * MSEC);
	if (!shrink_sources_live(&shrink_source_usage) || !is_watched(w.group))
		fail("F2: usage has not come back");
	for (int i = 0; i < 3 && !w.failure; i++) {
		change_something();
		step(3500 * MSEC);
	}
}

static void check(void)
{
	heal();
	/* and at rest with room nothing goes */
	w.others[0] = w.others[1] = 0;
	w.limit[0] = w.limit[1] = 4 * objects() * SIZE + 2048 * MB;
	w.high[0] = w.high[1] = UINT64_MAX;
	w.changed = shrink_os_clock();
	step(3000 * MSEC);
	if (shrink_level() != SHRINK_LEVEL_NORMAL)
		fail("F1: pressed at rest");
}

static void begin(uint64_t seed)
{
	memset(&w, 0, sizeof(w));
	w.rnd = random_seeded(seed);
	w.seed = seed;
	w.version = draw(3) ? 2 : 1;
	faulty_begin(seed, w.version, compose);
	for (int i = 0; i < 2; i++) {
		w.objects[i] = (50 + draw(200)) * MB / SIZE;
		w.available[i] = 8192 * MB;
		w.limit[i] = 1024 * MB;
		w.high[i] = UINT64_MAX;
	}
	/* half of them find something broken when they start */
	for (uint64_t n = draw(2) * draw(4); n; n--)
		break_something();
	faulty[EVENTFD] = WELL; /* we need one ourselves */
	shrink_os_clock_simulate(1);
	CU_ASSERT_FATAL(shrink_monitor_open() >= 0);
	w.nodes = shrink_nodes_open(NULL);
	shrink_judge_reset();
	shrink_engine_reset(NULL);
	shrink_gate_open();
}

static int run(uint64_t seed)
{
	begin(seed);
	for (uint64_t n = 2 + draw(8); n && !w.failure; n--) {
		if (draw(2))
			break_something();
		else
			change_something();
		some_time();
	}
	if (!w.failure)
		check();
	shrink_gate_close(0);
	shrink_engine_reset(NULL);
	shrink_nodes_close();
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
	struct shrinker *s;

	shrink_conf_set("log", "0");
	shrink_conf_set("peers", "off");
	shrink_conf_set("nodes", "2");
	shrink_conf_set("sample_min", "5000"); /* more of virtual time in less of ours */
	s = shrinker_alloc(SHRINKER_SELF_RELEASE | SHRINKER_NUMA_AWARE, "c");
	CU_ASSERT_FATAL(s != NULL);
	s->count_objects = count;
	s->scan_objects = scan;
	s->object_size = SIZE;
	ASSERT_INT(shrinker_register(s), 0);
	if (one)
		failed = (uint64_t)run(strtoull(one, NULL, 0));
	for (uint64_t seed = 1; !one && seed <= n && failed < 5; seed++)
		failed += (uint64_t)run(seed);
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

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Monitor and engine as a whole, in virtual time, under schedules drawn from a seed:
 * neighbours that grow, limits that change or go, gauges that fail, stall, notices
 * of the application, caches that are pinned, locked, slow, fragmented or lie, and
 * memory nodes. Whatever the schedule:
 *
 *	S1	nothing is freed at level NORMAL, nor while half of the limit is free
 *	S2	once things work again, a shortage is over within seconds: none missed
 *	S3	no node stays parked or short while its cache has something
 *	S4	no busy loop: rounds and samples are bounded by time and events
 *	S5	the hold of growth ends
 *	S6	a neighbour that grows at a bearable rate never meets the limit
 *
 * TEST_SEED_ONLY runs that seed alone; SIM_SEEDS says how many from 1 on. A failure prints
 * the seed and the step. tests/broken-twins.sh breaks each of these once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>
#include <libshrink/core/core.h>
#include <libshrink/os/clock.h>
#include <libshrink/reclaim/gauges.h>

#include "tests/harness.h"
#include "tests/random.h"

#define MB (1ULL << 20)
#define MSEC 1000000ULL
#define SEC (1000 * MSEC)
#define CACHES 3
#define NODES 2
#define SIZE 4096

/* A sanitizer takes ten times as long and has nothing to say about schedules. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SEEDS 100
#else
#define SEEDS 2000
#endif

struct cache {
	struct shrinker *s;
	uint64_t objects[NODES]; /* an unaware one has all on the first */
	int aware, pinned, locked, lies, leaks;
	uint64_t slow; /* msec a scan takes */
};

static struct {
	struct random rnd;
	struct cache cache[CACHES];
	uint64_t limit, others, files; /* neighbour and page cache, bytes */
	uint64_t rate, since;          /* the neighbour grows so much a second */
	uint64_t other_of[NODES];      /* of the node's memory, by others */
	uint64_t node_size;
	uint64_t stall;
	int gauge_fails, gauge_missing;
	int asked;                     /* by an explicit call, a notice or stall */
	int watched;                   /* S6: the limit must not be met */
	uint64_t seed;
	int step;
	const char *failure;
} w;

static void fail(const char *what)
{
	if (w.failure)
		return;
	w.failure = what;
	printf("# seed %" PRIu64 ", step %d: %s\n", w.seed, w.step, what);
}

static uint64_t draw(uint64_t n)
{
	return random_below(&w.rnd, n);
}

static uint64_t neighbour(void)
{
	return w.others + w.rate * ((shrink_clock() - w.since) / 1000) / 1000000;
}

static uint64_t cached(void)
{
	uint64_t n = 0;

	for (int i = 0; i < CACHES; i++)
		for (int nid = 0; nid < NODES; nid++)
			n += w.cache[i].objects[nid];
	return n * SIZE;
}

static uint64_t own_usage(void)
{
	return neighbour() + cached();
}

static uint64_t headroom(void)
{
	return w.limit > own_usage() ? w.limit - own_usage() : 0;
}

static int read_gauge(struct shrink_gauge *gauge, int exact, struct shrink_gauge_reading *ret)
{
	uint64_t files = w.files;

	(void)gauge;
	if (w.gauge_fails && !draw(2))
		return -EIO;
	if (w.watched && own_usage() > w.limit)
		fail("S6: the limit was met");
	if (own_usage() + files > w.limit) /* the kernel takes what it can */
		files = headroom();
	*ret = (struct shrink_gauge_reading){
		.limit = w.gauge_missing ? UINT64_MAX : w.limit,
		.usage = own_usage() + files,
		.reclaimable = exact ? files : 0,
		.kind = SHRINK_LIMIT_SIMULATED,
		.path = "",
	};
	return 0;
}

static struct shrink_gauge gauge = {.name = "world", .read = read_gauge};

static uint64_t available(int nid)
{
	uint64_t used = w.other_of[nid];

	for (int i = 0; i < CACHES; i++)
		used += w.cache[i].aware ? w.cache[i].objects[nid] * SIZE : 0;
	return w.node_size > used ? w.node_size - used : 0;
}

static uint64_t node_min(void)
{
	return w.node_size / 100;
}

static void tell_nodes(void)
{
	for (int nid = 0; nid < NODES; nid++) {
		struct shrink_sim_node n = {
			.managed = w.node_size, .available = available(nid), .min = node_min()};

		shrink_sim_set_node(nid, &n, sizeof(n));
	}
}

static int node_is_short(void)
{
	for (int nid = 0; nid < NODES; nid++)
		if (available(nid) < node_min() * 2)
			return 1;
	return 0;
}

static void tell(void)
{
	struct shrink_sim_state st = {
		.limit = UINT64_MAX, .stall_usec = w.stall, .rss = cached() + 64 * MB};

	shrink_sim_set(&st, sizeof(st));
	tell_nodes();
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	struct cache *c = s->private_data;

	if (c->lies == 1)
		return (unsigned long)-5;
	return c->objects[c->aware ? sc->nid : 0] * (c->lies == 2 ? 3 : 1);
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	struct cache *c = s->private_data;
	int nid = c->aware ? sc->nid : 0;
	unsigned long n = sc->nr_to_scan < c->objects[nid] ? sc->nr_to_scan : c->objects[nid];

	if (!w.asked && shrink_level() == SHRINK_LEVEL_NORMAL && !node_is_short())
		fail("S1: freed at level NORMAL");
	if (!w.asked && !w.gauge_missing && headroom() > w.limit / 2 && !node_is_short())
		fail("S1: freed while half of the limit was free");
	if (c->slow)
		shrink_os_clock_advance(c->slow * MSEC);
	if (c->locked)
		return SHRINK_STOP;
	if (c->pinned)
		return 0;
	if (c->lies == 3)
		sc->nr_scanned = 0;
	c->objects[nid] -= n;
	if (c->leaks) /* freed to a heap that keeps it: others, for the limit */
		w.others += n * SIZE;
	else
		shrink_sim_freed(n * SIZE);
	tell_nodes();
	return n;
}

static void fill(struct cache *c, uint64_t bytes)
{
	for (int nid = 0; nid < (c->aware ? NODES : 1); nid++)
		c->objects[nid] += bytes / SIZE / (c->aware ? NODES : 1);
}

static void stop_growing(void)
{
	w.others = neighbour();
	w.since = shrink_clock();
	w.rate = 0;
}

static void disturb_cache(struct cache *c)
{
	switch (draw(8)) {
	case 0: c->pinned = !c->pinned; break;
	case 1: c->locked = !c->locked; break;
	case 2: c->slow = draw(300); break;
	case 3: c->lies = (int)draw(4); break;
	case 4: c->leaks = !c->leaks; break;
	case 5: shrinker_set_enabled(c->s, (int)draw(2)); break;
	case 6: shrinker_set_keep(c->s, draw(1000)); break;
	default: fill(c, draw(w.limit / 8)); break;
	}
}

static void disturb(void)
{
	stop_growing();
	switch (draw(14)) {
	case 0: w.others = draw(w.limit); break;
	case 1: w.rate = draw(4096) * MB; break;
	case 2: w.files = draw(w.limit); break;
	case 3: w.limit = (256 + draw(4096)) * MB; break;
	case 4: w.gauge_fails = !w.gauge_fails; break;
	case 5: w.gauge_missing = !w.gauge_missing; break;
	case 6: w.stall += draw(2000000); w.asked = 1; break;
	case 7:
		w.asked = 1;
		CU_ASSERT(!shrink_pressure((enum shrink_level)(draw(4) * 100),
					   draw(2) * draw(64) * MB));
		break;
	case 8:
		w.asked = 1;
		CU_ASSERT(shrink_reclaim(draw(16) * MB, draw(2) ? SHRINK_GFP_ALL : 0,
					 draw(5000)) >= 0);
		break;
	case 9: w.other_of[draw(NODES)] = draw(w.node_size + 1); break;
	default: disturb_cache(&w.cache[draw(CACHES)]); break;
	}
}

static uint64_t draw_time(void)
{
	static const uint64_t scale[] = {MSEC / 10, MSEC, 10 * MSEC, 50 * MSEC, 600 * MSEC};

	return (1 + draw(10)) * scale[draw(5)] / 4;
}

/* S4. A slow scan moves the clock by itself, so time is what has passed. */
static void step(uint64_t nsec)
{
	uint64_t begin = shrink_clock(), msec, rounds;
	struct shrink_stats a, b;

	w.step++;
	tell();
	shrink_stats(&a, sizeof(a));
	shrink_sim_step(nsec);
	shrink_stats(&b, sizeof(b));
	msec = (shrink_clock() - begin) / MSEC;
	rounds = b.rounds - a.rounds + b.node_rounds - a.node_rounds;
	if (rounds > 64 + msec)
		fail("S4: rounds without end");
	if (b.fruitless - a.fruitless > 2 * (16 + 2 * (msec / 1000 + 2)))
		fail("S4: fruitless rounds are not spaced out");
	if (b.samples - a.samples > 64 + 2 * msec + 2 * rounds)
		fail("S4: samples without end");
	if (shrink_level() == SHRINK_LEVEL_NORMAL && nsec > SEC)
		w.asked = 0;
}

/* What was broken works again, and nothing changes any more. */
static void heal(void)
{
	stop_growing();
	w.gauge_fails = w.gauge_missing = 0;
	for (int i = 0; i < CACHES; i++) {
		struct cache *c = &w.cache[i];

		c->pinned = c->locked = c->lies = c->leaks = 0;
		c->slow = 0;
		shrinker_set_enabled(c->s, 1);
		shrinker_set_keep(c->s, 0);
	}
	/* the past is over: notices, stall and what rounds had to say to it */
	shrink_pressure(SHRINK_LEVEL_NORMAL, 0);
}

static void check_quiet(void)
{
	struct shrink_limits l = {0};

	w.asked = 1; /* what a schedule has asked for may still come */
	step(2500 * MSEC);
	if (shrink_limits(&l, sizeof(l)) < 0)
		fail("S2: the limit is not seen");
	else if (headroom() < l.low_wmark && cached() > MB)
		fail("S2: a shortage was missed");
	for (int nid = 0; nid < NODES; nid++)
		if (available(nid) < node_min() && w.cache[0].objects[nid] > 128)
			fail("S3: a node is stuck");
}

/* Nothing presses: all that was held is let go, and nothing is freed. */
static void check_normal(void)
{
	uint64_t before;

	w.others = 0;
	for (int nid = 0; nid < NODES; nid++)
		w.other_of[nid] = 0;
	w.limit = 16 * cached() + 4096 * MB;
	w.node_size = 4 * cached() + 1024 * MB;
	step(1200 * MSEC);
	w.asked = 0;
	before = cached();
	step(800 * MSEC);
	if (!shrink_may_grow() || shrink_level() != SHRINK_LEVEL_NORMAL)
		fail("S5: the hold does not end");
	if (cached() != before)
		fail("S1: freed at rest");
}

/* Nothing can be had on a node for long; then it can. */
static void check_parked(void)
{
	struct shrink_stats st;

	fill(&w.cache[0], 128 * MB);
	w.limit = 16 * cached() + 4096 * MB;
	w.node_size = 2 * cached() + 1024 * MB;
	w.other_of[0] = w.node_size - w.cache[0].objects[0] * SIZE;
	w.cache[0].pinned = 1;
	w.asked = 1;
	step(12 * SEC);
	shrink_stats(&st, sizeof(st));
	if (st.parked_nodes != 1)
		fail("S4: a node that gives nothing is not parked");
	w.cache[0].pinned = 0;
	step(2500 * MSEC);
	shrink_stats(&st, sizeof(st));
	if (st.parked_nodes || available(0) < node_min())
		fail("S3: a node stays parked");
	w.other_of[0] = 0;
}

/* 60 MB/s, from half of the limit far past it. */
static void check_growth(void)
{
	w.limit = 2048 * MB;
	w.files = 0;
	for (int i = 0; i < CACHES; i++)
		memset(w.cache[i].objects, 0, sizeof(w.cache[i].objects));
	fill(&w.cache[2], 900 * MB);
	w.others = 700 * MB;
	w.asked = 1;
	step(SEC);
	w.watched = 1;
	w.since = shrink_clock();
	w.rate = 60 * MB;
	step(15 * SEC);
	w.watched = 0;
	stop_growing();
}

static void begin(uint64_t seed)
{
	memset(&w, 0, sizeof(w));
	w.rnd = random_seeded(seed);
	w.seed = seed;
	w.limit = 1024 * MB;
	w.node_size = 1024 * MB;
	tell_nodes();
	CU_ASSERT_FATAL(shrink_start(SHRINK_START_SIMULATED) == 0);
	w.since = shrink_clock();
	CU_ASSERT_FATAL(shrink_gauges_add(&gauge) == 0);
	for (int i = 0; i < CACHES; i++) {
		struct cache *c = &w.cache[i];

		c->aware = !i;
		c->s = shrinker_alloc(c->aware ? SHRINKER_NUMA_AWARE : 0, "c%d", i);
		CU_ASSERT_FATAL(c->s != NULL);
		c->s->count_objects = count;
		c->s->scan_objects = scan;
		c->s->private_data = c;
		c->s->object_size = SIZE;
		CU_ASSERT_FATAL(shrinker_register(c->s) == 0);
		fill(c, draw(400) * MB);
	}
}

static int run(uint64_t seed)
{
	begin(seed);
	for (int phase = 0; phase < 2 && !w.failure; phase++) {
		for (uint64_t n = 4 + draw(12); n; n--) {
			disturb();
			step(draw_time());
		}
		heal();
		check_quiet();
	}
	check_normal();
	if (!(seed % 32))
		check_parked();
	if (!(seed % 32))
		check_growth();
	CU_ASSERT(shrink_stop() == 0);
	for (int i = 0; i < CACHES; i++)
		shrinker_free(w.cache[i].s);
	return w.failure != NULL;
}

static void seeds(void)
{
	const char *one = getenv("TEST_SEED_ONLY"), *text = getenv("SIM_SEEDS");
	uint64_t n = text ? strtoull(text, NULL, 0) : SEEDS, failed = 0;

	shrink_conf_set("nodes", "2");
	shrink_conf_set("log", "0");
	shrink_conf_set("pressure_hold", "300");
	shrink_core_nodes_reset();
	if (one)
		failed = (uint64_t)run(strtoull(one, NULL, 0));
	for (uint64_t seed = 1; !one && seed <= n && failed < 10; seed++)
		failed += (uint64_t)run(seed);
	ASSERT_INT(failed, 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"no schedule leads to a stuck node, a missed shortage or a busy loop", seeds},
		{NULL, NULL},
	};

	return test_main(argc, argv, "simulation", tests);
}

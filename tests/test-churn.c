// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * An hour, in virtual time, of a neighbour that reads files and nothing else: usage stands
 * at the limit, or wanders below it, and all that is over is page cache, which the kernel
 * takes by itself. Nothing may be freed, and looking must stay cheap. The same hour with
 * pages that the kernel cannot take is the proof that the test looks at something.
 *
 * And a neighbour that comes out of nothing at 2 GiB/s, where nothing but usage tells: the
 * first scan is before it has reached the limit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <shrink/shrink.h>
#include <libshrink/os/clock.h>
#include <libshrink/reclaim/gauges.h>

#include "tests/harness.h"
#include "tests/random.h"

#define MB   (1ULL << 20)
#define MSEC 1000000ULL
#define HOUR (3600 * 1000 * MSEC)
#define SIZE 4096

static struct {
	struct random rnd;
	uint64_t limit, server, files; /* bytes; the server's own beside the cache */
	uint64_t objects, scans;
	int takeable;
	uint64_t hog_at, room; /* nsec, 0 = never; left when it was first answered */
} w;

#define HOG_RATE (2048 * MB)

static uint64_t held(void)
{
	uint64_t now = shrink_clock(), hog = 0;

	if (w.hog_at && now > w.hog_at)
		hog = (uint64_t)((double)(now - w.hog_at) / 1e9 * HOG_RATE);
	return w.server + w.objects * SIZE + hog;
}

static int read_gauge(struct shrink_gauge *gauge, int exact, struct shrink_gauge_reading *ret)
{
	uint64_t room = w.limit - (held() < w.limit ? held() : w.limit);
	uint64_t files = w.files < room ? w.files : room;

	(void)gauge;
	*ret = (struct shrink_gauge_reading){
		.limit = w.limit,
		.usage = held() + files,
		.reclaimable = exact && w.takeable ? files : 0,
		.kind = SHRINK_LIMIT_SIMULATED,
		.path = "",
	};
	return 0;
}

static struct shrink_gauge gauge = {.name = "files", .read = read_gauge};

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
	if (!w.scans++)
		w.room = w.limit - (held() < w.limit ? held() : w.limit);
	w.objects -= n;
	return n;
}

/* A file is read in, dropped, or the next one begun. A little stall comes with it: who
 * reads waits for the kernel now and then, 2 ms in a second at most (the laboratory's
 * churn: 20 ms in 2 s, spread over several readers). */
static void churn(uint64_t *stall)
{
	struct shrink_sim_state st = {.limit = UINT64_MAX, .rss = held()};

	switch (random_below(&w.rnd, 4)) {
	case 0: w.files = random_below(&w.rnd, w.limit); break;
	case 1: w.files = 2 * w.limit; break; /* as much as there is room for */
	case 2: w.files += random_below(&w.rnd, 64 * MB); break;
	default: break;
	}
	*stall += random_below(&w.rnd, 400);
	st.stall_usec = *stall;
	shrink_sim_set(&st, sizeof(st));
}

static struct shrinker *begin(uint64_t seed)
{
	struct shrinker *s = shrinker_alloc(0, "files");

	memset(&w, 0, sizeof(w));
	w.rnd = random_seeded(seed);
	w.limit = 1024 * MB;
	w.server = 256 * MB;
	w.objects = 512 * MB / SIZE;
	CU_ASSERT_FATAL(s != NULL);
	s->count_objects = count;
	s->scan_objects = scan;
	s->object_size = SIZE;
	CU_ASSERT_FATAL(shrinker_register(s) == 0);
	CU_ASSERT_FATAL(shrink_start(SHRINK_START_SIMULATED) == 0);
	CU_ASSERT_FATAL(shrink_gauges_add(&gauge) == 0);
	return s;
}

static void hour(int takeable, struct shrink_stats *ret)
{
	struct shrinker *s = begin(42);
	uint64_t stall = 0, end;

	w.takeable = takeable;
	for (end = shrink_clock() + HOUR; shrink_clock() < end;) {
		churn(&stall);
		shrink_sim_step((20 + random_below(&w.rnd, 180)) * MSEC);
	}
	CU_ASSERT(shrink_stats(ret, sizeof(*ret)) == 0);
	CU_ASSERT(shrink_stop() == 0);
	shrinker_free(s);
}

static void nothing_goes(void)
{
	struct shrink_stats st = {0};

	hour(1, &st);
	ASSERT_INT(w.scans, 0);
	ASSERT_INT(w.objects, 512 * MB / SIZE);
	/* the shortest period is 2 ms, and the edge is never far: still no more than one
	 * look each 2 ms, and most of the time far fewer */
	CU_ASSERT(st.samples > 1000);
	CU_ASSERT(st.samples < 3600 * 500);
}

static void it_would_be_seen(void)
{
	struct shrink_stats st = {0};

	hour(0, &st);
	CU_ASSERT(w.scans > 0);
	CU_ASSERT(w.objects < 512 * MB / SIZE);
}

static void sudden_neighbour(void)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct shrinker *s = begin(seed);
		struct shrink_sim_state st = {.limit = UINT64_MAX};

		w.objects = (100 + random_below(&w.rnd, 600)) * MB / SIZE;
		shrink_sim_set(&st, sizeof(st));
		shrink_sim_step((1000 + random_below(&w.rnd, 5000)) * MSEC);
		ASSERT_INT(w.scans, 0);
		w.hog_at = shrink_clock();
		shrink_sim_step(1000 * MSEC);
		if (!w.scans || !w.room)
			printf("# seed %" PRIu64 ": %" PRIu64 " scans\n", seed, w.scans);
		CU_ASSERT(w.scans && w.room);
		CU_ASSERT(shrink_stop() == 0);
		shrinker_free(s);
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"an hour of page cache coming and going frees nothing", nothing_goes},
		{"an hour of memory that stays does", it_would_be_seen},
		{"a sudden neighbour is answered before the limit", sudden_neighbour},
		{NULL, NULL},
	};

	shrink_conf_set("log", "0");
	return test_main(argc, argv, "churn", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Pressure from end to end on a made-up system: when caches are asked, when they
 * are left alone (G7), when it ends. Virtual time, one thread. */
#include <errno.h>
#include <string.h>

#include "tests/cache.h"
#include "tests/harness.h"

#define MB (1024UL * 1024)
#define LIMIT (100 * MB)
#define SIZE 1000
#define MSEC 1000000ULL
#define SEC (1000 * MSEC)

static unsigned long scan_gives_back(struct cache *c, struct shrink_control *sc)
{
	unsigned long n = cache_scan(c, sc);

	shrink_sim_freed(n * SIZE);
	return n;
}

static void begin(struct cache *c, unsigned long objects)
{
	sim_begin();
	CU_ASSERT_FATAL(cache_alloc(c, 0, "sim", objects) != NULL);
	c->s->object_size = SIZE;
	c->on_scan = scan_gives_back;
	ASSERT_INT(shrinker_register(c->s), 0);
}

static void end(struct cache *c)
{
	cache_end(c);
	sim_end();
}

static void set(uint64_t limit, uint64_t usage, uint64_t reclaimable)
{
	struct shrink_sim_state s = {.limit = limit, .usage = usage, .reclaimable = reclaimable,
				     .rss = usage - reclaimable};

	ASSERT_INT(shrink_sim_set(&s, sizeof(s)), 0);
}

static struct shrink_limits limits(void)
{
	struct shrink_limits l = {0};

	ASSERT_INT(shrink_limits(&l, sizeof(l)), 0);
	return l;
}

static void nothing_at_normal(void)
{
	struct cache c;

	begin(&c, 50000);
	set(LIMIT, LIMIT / 2, 0);
	for (int i = 0; i < 100; i++)
		ASSERT_INT(shrink_sim_step(SEC), 0);
	ASSERT_INT((long)atomic_load(&c.counts), 0); /* not even asked */
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	ASSERT_INT(shrink_may_grow(), 1);
	end(&c);
}

static void frees_until_high(void)
{
	struct shrink_limits l;
	struct cache c;

	begin(&c, 50000);
	set(LIMIT, LIMIT - MB, 0);
	CU_ASSERT(shrink_sim_step(MSEC) > 0);
	l = limits();
	ASSERT_INT(l.kind, SHRINK_LIMIT_SIMULATED);
	ASSERT_INT((long)l.limit, (long)LIMIT);
	CU_ASSERT(l.limit - l.usage >= l.high_wmark);
	CU_ASSERT(l.limit - l.usage <= l.high_wmark + 2 * 128 * SIZE); /* no more than needed */
	ASSERT_INT(shrink_may_grow(), 0); /* held for a while */
	ASSERT_INT((long)shrink_room(NULL), 0);
	ASSERT_INT(shrink_sim_step(10 * SEC), 0);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	ASSERT_INT(shrink_may_grow(), 1);
	CU_ASSERT(shrink_room(NULL) < LIMIT);
	end(&c);
}

static enum shrink_level worst;

static unsigned long scan_notes_level(struct cache *c, struct shrink_control *sc)
{
	if (shrink_level() > worst)
		worst = shrink_level();
	return scan_gives_back(c, sc);
}

static enum shrink_level level_at(uint64_t usage)
{
	struct cache c;

	begin(&c, 50000);
	c.on_scan = scan_notes_level;
	worst = SHRINK_LEVEL_NORMAL;
	set(LIMIT, usage, 0);
	shrink_sim_step(MSEC);
	end(&c);
	return worst;
}

static void levels(void)
{
	uint64_t low = LIMIT / 20; /* more than 2 %: the limit is small */

	ASSERT_INT(level_at(LIMIT - low - MB / 2), SHRINK_LEVEL_NORMAL);
	ASSERT_INT(level_at(LIMIT - low + MB / 2), SHRINK_LEVEL_LOW);
	ASSERT_INT(level_at(LIMIT - low / 4), SHRINK_LEVEL_MEDIUM);
	ASSERT_INT(level_at(LIMIT), SHRINK_LEVEL_CRITICAL);
}

/* Four times the limit through the page cache: the kernel takes it by itself. */
static void page_cache_is_not_ours(void)
{
	struct cache c;
	uint64_t own = LIMIT / 2;

	begin(&c, 50000);
	for (uint64_t streamed = 0; streamed < 4 * LIMIT; streamed += 2 * MB) {
		uint64_t cached = streamed < LIMIT - own ? streamed : LIMIT - own;

		set(LIMIT, own + cached, cached);
		ASSERT_INT(shrink_sim_step(2 * MSEC), 0);
	}
	ASSERT_INT((long)atomic_load(&c.scans), 0);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	end(&c);
}

static void no_limit_no_reclaim(void)
{
	struct cache c;

	begin(&c, 50000);
	set(UINT64_MAX, 1000 * LIMIT, 0);
	ASSERT_INT(shrink_sim_step(10 * SEC), 0);
	ASSERT_INT((long)atomic_load(&c.counts), 0);
	CU_ASSERT(shrink_room(NULL) == UINT64_MAX);
	end(&c);
}

/* A neighbour that keeps taking what is freed, in small steps. */
static void holds_the_watermark(void)
{
	struct shrink_limits l;
	struct cache c;

	begin(&c, 80000);
	set(LIMIT, LIMIT / 2, 0);
	shrink_sim_step(MSEC);
	for (int i = 0; i < 500; i++) {
		l = limits();
		set(LIMIT, l.usage + MB / 5, 0);
		shrink_sim_step(5 * MSEC);
		CU_ASSERT(limits().usage < LIMIT); /* never hit */
	}
	CU_ASSERT(atomic_load(&c.freed) > 40000);
	end(&c);
}

static void notice_of_the_application(void)
{
	struct cache c;

	begin(&c, 50000);
	set(LIMIT, LIMIT / 2, 0);
	ASSERT_INT(shrink_pressure((enum shrink_level)7, 0), -EINVAL);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_MEDIUM, 3 * MB), 0);
	ASSERT_INT((long)atomic_load(&c.counts), 0); /* asynchronous */
	shrink_sim_step(MSEC);
	CU_ASSERT(atomic_load(&c.freed) * SIZE >= 3 * MB);
	CU_ASSERT(atomic_load(&c.freed) * SIZE <= 3 * MB + 2 * 128 * SIZE);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_MEDIUM);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_NORMAL, 0), 0);
	shrink_sim_step(MSEC);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, 0), 0);
	shrink_sim_step(MSEC);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_LOW);
	shrink_sim_step(20 * SEC); /* not taken back: it expires */
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	end(&c);
}

/* Only stall is known: gentle first, harder while it goes on, nothing once over. */
static void stall_alone(void)
{
	struct shrink_sim_state s = {.limit = UINT64_MAX};
	unsigned long first, later;
	struct cache c;

	begin(&c, 1000000);
	shrink_sim_set(&s, sizeof(s));
	shrink_sim_step(5 * SEC);
	for (int i = 0; i < 3; i++) {
		s.stall_usec += 300000;
		shrink_sim_set(&s, sizeof(s));
		shrink_sim_step(SEC);
	}
	first = atomic_load(&c.freed);
	for (int i = 0; i < 6; i++) {
		s.stall_usec += 300000;
		shrink_sim_set(&s, sizeof(s));
		shrink_sim_step(SEC);
	}
	later = atomic_load(&c.freed);
	CU_ASSERT(first > 0 && first < 200000);
	CU_ASSERT(later > 2 * first);
	shrink_sim_step(60 * SEC);
	ASSERT_INT((long)atomic_load(&c.freed), (long)later);
	end(&c);
}

static unsigned long scan_frees_none(struct cache *c, struct shrink_control *sc)
{
	(void)c;
	(void)sc;
	return 0;
}

/* Nothing can be freed, and usage stays at the limit: rounds become rare. */
static void fruitless_rounds_back_off(void)
{
	struct shrink_stats before = {0}, after = {0};
	struct cache c;

	begin(&c, 50000);
	c.on_scan = scan_frees_none;
	set(LIMIT, LIMIT, 0);
	shrink_sim_step(30 * SEC);
	shrink_stats(&before, sizeof(before));
	shrink_sim_step(30 * SEC);
	shrink_stats(&after, sizeof(after));
	CU_ASSERT(after.rounds - before.rounds >= 10); /* parked, not dead */
	CU_ASSERT(after.rounds - before.rounds <= 40);
	/* progress ends it at once */
	c.on_scan = scan_gives_back;
	shrink_sim_step(2 * SEC);
	CU_ASSERT(limits().usage < LIMIT - MB);
	end(&c);
}

static void the_record_of_a_round(void)
{
	struct shrink_round r[4];
	struct cache c;
	int n;

	begin(&c, 50000);
	set(LIMIT, LIMIT - MB, 0);
	shrink_sim_step(MSEC);
	n = shrink_rounds(r, 4, sizeof(r[0]));
	CU_ASSERT_FATAL(n >= 1);
	CU_ASSERT(r[0].requested_bytes > 0 && r[0].requested_bytes < 10 * MB);
	ASSERT_INT((long)r[0].freed_objects, (long)atomic_load(&c.freed));
	ASSERT_INT((long)r[0].freed_bytes, (long)atomic_load(&c.freed) * SIZE);
	CU_ASSERT(r[0].scanned_objects >= r[0].freed_objects);
	ASSERT_INT(r[0].returned_bytes, (long)r[0].freed_bytes);
	ASSERT_INT(r[0].end, SHRINK_ROUND_BALANCED);
	CU_ASSERT(r[0].notice_nsec <= r[0].begin_nsec);
	CU_ASSERT(r[0].begin_nsec <= r[0].first_scan_nsec);
	CU_ASSERT(r[0].first_scan_nsec <= r[0].end_nsec);
	CU_ASSERT_STRING_EQUAL(r[0].source, "simulated");
	end(&c);
}

/* Freed to the allocator, which gives nothing back: the round ends, the cache is
 * not emptied for it, and growth is held so that the heap is reused. */
static void fragmentation_guard(void)
{
	struct shrink_round r[4];
	struct shrink_stats st = {0};
	struct cache c;

	begin(&c, 60000);
	c.on_scan = NULL; /* frees, but usage stays */
	set(LIMIT, LIMIT, 0);
	shrink_sim_step(MSEC);
	CU_ASSERT_FATAL(shrink_rounds(r, 4, sizeof(r[0])) >= 1);
	ASSERT_INT(r[0].end, SHRINK_ROUND_FRAGMENTED);
	shrink_stats(&st, sizeof(st));
	CU_ASSERT(st.fragmented > 0);
	ASSERT_INT(shrink_may_grow(), 0);
	CU_ASSERT(atomic_load(&c.objects) > 30000);
	/* the heap has grown dense: what is freed comes back, and the guard lets go */
	c.on_scan = scan_gives_back;
	for (int i = 0; i < 600 && shrink_level() != SHRINK_LEVEL_NORMAL; i++)
		shrink_sim_step(SEC);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	CU_ASSERT_FATAL(shrink_rounds(r, 4, sizeof(r[0])) >= 1);
	ASSERT_INT(r[0].end, SHRINK_ROUND_BALANCED);
	CU_ASSERT(r[0].returned_bytes > 0);
	CU_ASSERT(atomic_load(&c.objects) > 10000);
	for (int i = 0; i < 60 && !shrink_may_grow(); i++)
		shrink_sim_step(SEC);
	ASSERT_INT(shrink_may_grow(), 1);
	end(&c);
}

static void what_is_refused(void)
{
	struct shrink_sim_state s = {0};
	struct shrink_stats st;
	struct shrinker_stats sst;
	struct cache c;

	begin(&c, 1);
	ASSERT_INT(shrink_sim_set(NULL, sizeof(s)), -EINVAL);
	ASSERT_INT(shrink_sim_set(&s, 0), -EINVAL);
	ASSERT_INT(shrink_stats(NULL, sizeof(st)), -EINVAL);
	ASSERT_INT(shrink_stats(&st, 0), -EINVAL);
	ASSERT_INT(shrinker_stats(NULL, 0, &sst, sizeof(sst)), -EINVAL);
	ASSERT_INT(shrinker_stats(c.s, 64, &sst, sizeof(sst)), -EINVAL);
	ASSERT_INT(shrinker_stats(c.s, 0, &sst, 0), -EINVAL);
	ASSERT_INT(shrink_limits(NULL, 8), -EINVAL);
	end(&c);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, 0), -ENOTCONN);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"G7: nothing is asked in level NORMAL", nothing_at_normal},
		{"sim: below low it frees until high, and no more", frees_until_high},
		{"sim: levels", levels},
		{"G7: page cache the kernel can take is no pressure", page_cache_is_not_ours},
		{"G7: no limit, no reclaim", no_limit_no_reclaim},
		{"sim: a growing neighbour never meets the limit", holds_the_watermark},
		{"sim: the application's own notice", notice_of_the_application},
		{"sim: stall alone presses gently, then harder", stall_alone},
		{"sim: fruitless rounds back off", fruitless_rounds_back_off},
		{"sim: the record of a round", the_record_of_a_round},
		{"sim: the fragmentation guard", fragmentation_guard},
		{"sim: what is refused", what_is_refused},
		{NULL, NULL},
	};

	return test_main(argc, argv, "sim", tests);
}

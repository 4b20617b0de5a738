// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The engine's judgement, in virtual time: watermarks, levels, where a descent
 * starts, how a goal is shared out, what is dropped and what deferred, when it
 * gives up, and what it does about memory that does not come back.
 */
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>
#include <libshrink/base/conf.h>
#include <libshrink/core/core.h>
#include <libshrink/reclaim/level.h>
#include <libshrink/reclaim/wmark.h>

#include "tests/harness.h"

#define MB (1ULL << 20)

/* A made-up cache: so many objects of a size, freed as told. */
struct cache {
	struct shrinker *s;
	unsigned long objects, scans, freed;
	size_t size;
	unsigned int returned_percent; /* of what is freed, how much leaves usage */
	int stop;                      /* answer SHRINK_STOP */
	int hot;                       /* look, free nothing */
};

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)sc;
	return ((struct cache *)s->private_data)->objects;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	struct cache *c = s->private_data;
	unsigned long n = sc->nr_to_scan < c->objects ? sc->nr_to_scan : c->objects;

	c->scans++;
	if (c->stop)
		return SHRINK_STOP;
	if (c->hot)
		return 0;
	c->objects -= n;
	c->freed += n;
	shrink_sim_freed(n * c->size * c->returned_percent / 100);
	return n;
}

static void add_cache(struct cache *c, const char *name, unsigned long objects, size_t size)
{
	memset(c, 0, sizeof(*c));
	c->objects = objects;
	c->size = size;
	c->returned_percent = 100;
	c->s = shrinker_alloc(0, "%s", name);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c->s);
	c->s->count_objects = count;
	c->s->scan_objects = scan;
	c->s->private_data = c;
	c->s->object_size = size;
	ASSERT_INT(shrinker_register(c->s), 0);
}

static void begin(void)
{
	CU_ASSERT_EQUAL_FATAL(shrink_start(SHRINK_START_SIMULATED), 0);
}

static void set_usage(uint64_t limit, uint64_t usage, uint64_t reclaimable)
{
	struct shrink_sim_state st = {
		.limit = limit, .usage = usage, .reclaimable = reclaimable, .rss = usage};

	ASSERT_INT(shrink_sim_set(&st, sizeof(st)), 0);
}

static struct shrink_round last_round(void)
{
	struct shrink_round r;

	memset(&r, 0, sizeof(r));
	ASSERT_INT(shrink_rounds(&r, 1, sizeof(r)), 1);
	return r;
}

static void end(struct cache *a, struct cache *b)
{
	ASSERT_INT(shrink_stop(), 0);
	shrinker_free(a->s);
	if (b)
		shrinker_free(b->s);
}

static void test_wmark(void)
{
	struct shrink_wmark w = shrink_wmark_compute(1000 * MB, 0, 2, 0, 0);

	ASSERT_INT(w.low, 20 * MB);
	ASSERT_INT(w.high, 30 * MB + 1);
	/* steep growth raises low */
	w = shrink_wmark_compute(1000 * MB, 40 * MB, 2, 0, 0);
	ASSERT_INT(w.low, 40 * MB);
	/* however steep, never more than an eighth */
	w = shrink_wmark_compute(1000 * MB, 1ULL << 50, 2, 0, 0);
	ASSERT_INT(w.low, 125 * MB);
	/* small: 8 MiB rather than 2 percent, a twentieth at most */
	ASSERT_INT(shrink_wmark_compute(200 * MB, 0, 2, 0, 0).low, 8 * MB);
	ASSERT_INT(shrink_wmark_compute(MB, 0, 2, 0, 0).low, MB / 20);
	/* given: taken, within reason */
	w = shrink_wmark_compute(1000 * MB, 0, 2, 7 * MB, 9 * MB);
	ASSERT_INT(w.low, 7 * MB);
	ASSERT_INT(w.high, 9 * MB);
	w = shrink_wmark_compute(10 * MB, 0, 2, 100 * MB, 0);
	CU_ASSERT(w.low <= 5 * MB && w.high <= 10 * MB && w.low < w.high);
	/* 4 GB/s for 10 ms; of a limit that only slows down, what goes beyond the next */
	ASSERT_INT(shrink_wmark(1000 * MB, 4000 * MB, 0, 0).low, 40 * MB);
	ASSERT_INT(shrink_wmark(1000 * MB, 4000 * MB, 0, 15 * MB).low, 25 * MB);
	ASSERT_INT(shrink_wmark(1000 * MB, 4000 * MB, 0, UINT64_MAX).low, 20 * MB);
}

static void test_levels(void)
{
	struct shrink_headroom h = {
		.known = true, .limit = 1000, .wmark = {.low = 80, .high = 120}};
	static const struct {
		uint64_t free;
		int before, after;
	} row[] = {
		{500, SHRINK_LEVEL_NORMAL, SHRINK_LEVEL_NORMAL},
		{80, SHRINK_LEVEL_NORMAL, SHRINK_LEVEL_NORMAL},
		{79, SHRINK_LEVEL_NORMAL, SHRINK_LEVEL_LOW},
		{100, SHRINK_LEVEL_LOW, SHRINK_LEVEL_LOW}, /* not above high yet */
		{120, SHRINK_LEVEL_LOW, SHRINK_LEVEL_NORMAL},
		{39, SHRINK_LEVEL_LOW, SHRINK_LEVEL_MEDIUM},
		{9, SHRINK_LEVEL_NORMAL, SHRINK_LEVEL_CRITICAL},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		h.free = row[i].free;
		h.need = h.free < h.wmark.high ? h.wmark.high - h.free : 0;
		ASSERT_INT(shrink_level_of(&h, (enum shrink_level)row[i].before), row[i].after);
	}
	h.known = false;
	ASSERT_INT(shrink_level_of(&h, SHRINK_LEVEL_LOW), SHRINK_LEVEL_NORMAL);
}

static void test_balanced(void)
{
	struct shrink_round r;
	struct cache c;

	add_cache(&c, "c", 100000, 4096);
	begin();
	set_usage(1000 * MB, 990 * MB, 0);
	shrink_sim_step(1000000);
	r = last_round();
	ASSERT_INT(r.end, SHRINK_ROUND_BALANCED);
	ASSERT_INT(r.requested_bytes, 20 * MB + 1);
	CU_ASSERT(r.freed_bytes >= 20 * MB && r.freed_bytes <= 21 * MB);
	ASSERT_INT(r.returned_bytes, (long long)r.freed_bytes);
	ASSERT_INT(shrink_may_grow(), 0);
	ASSERT_INT(shrink_room(c.s), 0);
	shrink_sim_step(600 * 1000000ULL);
	ASSERT_INT(shrink_may_grow(), 1);
	end(&c, NULL);
}

/* G7: above high once page cache is left out; not a call, not an object. */
static void test_page_cache(void)
{
	struct shrinker_stats st;
	struct cache c;

	add_cache(&c, "c", 100000, 4096);
	begin();
	set_usage(1000 * MB, 999 * MB, 500 * MB);
	shrink_sim_step(5000 * 1000000ULL);
	ASSERT_INT(c.freed, 0);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	shrinker_stats(c.s, 0, &st, sizeof(st));
	ASSERT_INT(st.scans, 0);
	end(&c, NULL);
}

/* Two caches give in proportion to what the arithmetic would take of them. */
static void test_shares(void)
{
	struct cache a, b;
	double ratio;

	add_cache(&a, "a", 300000, 1000);
	add_cache(&b, "b", 100000, 1000);
	begin();
	set_usage(1000 * MB, 990 * MB, 0);
	shrink_sim_step(1000000);
	CU_ASSERT_FATAL(b.freed > 0);
	ratio = (double)a.freed / (double)b.freed;
	CU_ASSERT(ratio > 2.8 && ratio < 3.2);
	end(&a, &b);
}

/* Twice the cost to rebuild, half of the share. */
static void test_seeks(void)
{
	struct cache a, b;
	double ratio;

	add_cache(&a, "a", 200000, 1000);
	add_cache(&b, "b", 200000, 1000);
	shrinker_set_seeks(b.s, 4);
	begin();
	set_usage(1000 * MB, 990 * MB, 0);
	shrink_sim_step(1000000);
	CU_ASSERT_FATAL(b.freed > 0);
	ratio = (double)a.freed / (double)b.freed;
	CU_ASSERT(ratio > 1.9 && ratio < 2.1);
	end(&a, &b);
}

/* A met goal leaves no debts behind; an unmet one defers as the kernel does. */
static void test_dropped(void)
{
	struct shrinker_stats st;
	struct cache c;

	add_cache(&c, "c", 100000, 4096);
	begin();
	ASSERT_INT(shrink_all_memory(10 * MB), 10 * MB);
	shrinker_stats(c.s, 0, &st, sizeof(st));
	ASSERT_INT(st.nr_deferred, 0);
	c.stop = 1;
	ASSERT_INT(shrink_all_memory(10 * MB), 0);
	shrinker_stats(c.s, 0, &st, sizeof(st));
	CU_ASSERT(st.nr_deferred > 0);
	/* one event, many priorities: its share once, not at each */
	CU_ASSERT(st.nr_deferred <= (long)(c.objects * 2));
	CU_ASSERT((uint64_t)st.nr_deferred * 4096 <= 11 * MB);
	end(&c, NULL);
}

static void test_gives_up(void)
{
	struct shrink_stats before, after;
	struct shrink_round r;
	struct cache c;

	add_cache(&c, "c", 100000, 4096);
	c.hot = 1;
	begin();
	shrink_stats(&before, sizeof(before));
	set_usage(1000 * MB, 990 * MB, 0);
	shrink_sim_step(1000000);
	r = last_round();
	ASSERT_INT(r.end, SHRINK_ROUND_FRUITLESS);
	ASSERT_INT(r.priority_last, 0);
	/* parked: after 16 in a row about one try a second */
	shrink_sim_step(20 * 1000000000ULL);
	shrink_stats(&after, sizeof(after));
	CU_ASSERT(after.fruitless - before.fruitless >= 16);
	CU_ASSERT(after.fruitless - before.fruitless <= 16 + 21);
	/* progress un-parks at once */
	c.hot = 0;
	shrink_sim_step(1100 * 1000000ULL);
	ASSERT_INT(last_round().end, SHRINK_ROUND_BALANCED);
	end(&c, NULL);
}

/* Freed, but nothing comes back: evict no further, hold growth, and say so. */
static void test_fragmented(void)
{
	unsigned long first;
	struct cache c;

	add_cache(&c, "c", 100000, 4096);
	c.returned_percent = 2;
	begin();
	set_usage(1000 * MB, 990 * MB, 0);
	shrink_sim_step(1000000);
	ASSERT_INT(last_round().end, SHRINK_ROUND_FRAGMENTED);
	ASSERT_INT(shrink_may_grow(), 0);
	first = c.freed;
	CU_ASSERT(first * 4096 <= 21 * MB);
	shrink_sim_step(100 * 1000000ULL);
	ASSERT_INT(c.freed, first); /* backs off */
	end(&c, NULL);
}

/* It frees for ever and nothing changes: twice its size, then the round ends. */
static void test_endless(void)
{
	struct cache c;

	add_cache(&c, "c", 1000, 1000);
	c.returned_percent = 0;
	begin();
	set_usage(1000 * MB, 990 * MB, 0);
	shrink_sim_step(1000000);
	CU_ASSERT(c.freed <= 3000);
	end(&c, NULL);
}

static void test_stall_with_room(void)
{
	struct shrink_sim_state st = {.limit = 1000 * MB, .usage = 500 * MB};
	struct cache c;

	add_cache(&c, "c", 100000, 4096);
	begin();
	shrink_sim_set(&st, sizeof(st));
	shrink_sim_step(10 * 1000000ULL);
	st.stall_usec = 900000;
	shrink_sim_set(&st, sizeof(st));
	shrink_sim_step(100 * 1000000ULL);
	ASSERT_INT(c.freed, 0);
	end(&c, NULL);
}

/* No limit known: stall is all there is, gently first, more as it goes on. */
static void test_stall_alone(void)
{
	struct shrink_sim_state st = {.limit = UINT64_MAX, .usage = 500 * MB};
	struct shrink_round first;
	struct cache c;

	add_cache(&c, "c", 1000000, 4096);
	begin();
	shrink_sim_set(&st, sizeof(st));
	shrink_sim_step(10 * 1000000ULL);
	for (int i = 0; i < 2; i++) {
		st.stall_usec += 900000;
		shrink_sim_set(&st, sizeof(st));
		shrink_sim_step(1000 * 1000000ULL);
		if (!i)
			first = last_round();
	}
	ASSERT_INT(first.priority_first, 12);
	ASSERT_INT(first.requested_bytes, 0);
	ASSERT_INT(last_round().requested_bytes, first.freed_bytes / 10);
	CU_ASSERT(c.freed > 0);
	end(&c, NULL);
}

static void test_manual(void)
{
	struct cache c;

	add_cache(&c, "c", 100000, 4096);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, 0), -ENOTCONN);
	begin();
	ASSERT_INT(shrink_pressure((enum shrink_level)7, 0), -EINVAL);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_MEDIUM, 8 * MB), 0);
	shrink_sim_step(1000000);
	CU_ASSERT(c.freed * 4096 >= 8 * MB && c.freed * 4096 <= 9 * MB);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_MEDIUM);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_NORMAL, 0), 0);
	shrink_sim_step(1000000);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	/* not taken back: expires */
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, MB), 0);
	shrink_sim_step(SHRINK_TUN(pressure_hold) * 1000000ULL + 1000000);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	end(&c, NULL);
}

/* Growth after a hold is a ramp, not a jump. */
static void test_regrow(void)
{
	struct cache c;
	uint64_t room;

	add_cache(&c, "c", 100000, 4096);
	begin();
	set_usage(1000 * MB, 990 * MB, 0);
	shrink_sim_step(1000000);
	set_usage(1000 * MB, 200 * MB, 0);
	shrink_sim_step(600 * 1000000ULL);
	room = shrink_room(c.s);
	CU_ASSERT(room < 20 * MB);
	shrink_sim_step(2000 * 1000000ULL);
	room = shrink_room(c.s);
	CU_ASSERT(room > 100 * MB && room < 300 * MB);
	end(&c, NULL);
}

/* 100 MB/s with 400 MB free: four seconds. */
static void test_outlook(void)
{
	struct shrink_stats st;
	struct cache c;

	add_cache(&c, "c", 1000, 4096);
	begin();
	shrink_stats(&st, sizeof(st));
	CU_ASSERT(!st.slope && st.exhaustion_usec == UINT64_MAX);
	for (uint64_t i = 0; i <= 10; i++) {
		set_usage(1000 * MB, 500 * MB + i * 10 * MB, 0);
		shrink_sim_step(100 * 1000000ULL);
	}
	shrink_stats(&st, sizeof(st));
	CU_ASSERT(st.slope >= 90 * MB && st.slope <= 220 * MB);
	CU_ASSERT(st.exhaustion_usec >= 400 * MB * 1000000 / st.slope - 1000 &&
		  st.exhaustion_usec <= 400 * MB * 1000000 / st.slope + 1000);
	/* it has stopped: that is seen by and by */
	shrink_sim_step(60 * 1000000000ULL);
	shrink_stats(&st, sizeof(st));
	CU_ASSERT(st.slope < MB && st.exhaustion_usec > 400 * 1000000ULL);
	end(&c, NULL);
}

static const struct test tests[] = {
	{"watermarks", test_wmark},
	{"levels have hysteresis", test_levels},
	{"a round ends when usage is balanced, and growth is held", test_balanced},
	{"G7: page cache the kernel can take frees nothing", test_page_cache},
	{"a goal is shared in proportion to size", test_shares},
	{"a goal is shared by cost to rebuild", test_seeks},
	{"what a met goal does not need is dropped, STOP adds once per event", test_dropped},
	{"fruitless rounds back off and park", test_gives_up},
	{"freed but not returned: stops evicting", test_fragmented},
	{"G12: freeing for ever to no effect ends", test_endless},
	{"G7: stall while there is room frees nothing", test_stall_with_room},
	{"stall without a limit: gently, then harder", test_stall_alone},
	{"the application's own notice", test_manual},
	{"growth after a hold is a ramp", test_regrow},
	{"how steeply usage grows, and how long it will last", test_outlook},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "engine", tests);
}

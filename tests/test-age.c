// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Idle ageing, in virtual time. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <shrink/age.h>
#include <shrink/shrink.h>
#include <libshrink/lru/temperature.h>
#include "tests/harness.h"

#define OBJECTS 1000
#define MINUTE (60ULL * 1000000000)

struct object {
	struct shrink_lruvec_item item;
	enum shrink_lruvec_outcome answer;
	int resident;
};

static struct object objects[OBJECTS];
static struct shrink_lruvec *lv;
static struct shrink_age *age;

static enum shrink_lruvec_outcome evict(void *arg, struct shrink_lruvec_item *item,
					struct shrink_lruvec_ask *ask)
{
	struct object *o = (struct object *)item;

	(void)arg;
	CU_ASSERT(ask->aged == 1);
	if (o->answer == SHRINK_LRUVEC_FREED)
		__atomic_store_n(&o->resident, 0, __ATOMIC_RELAXED);
	return o->answer;
}

static void free_object(void *arg, struct shrink_lruvec_item *item)
{
	(void)arg;
	(void)item;
}

static void begin(const struct shrink_age_options *options)
{
	struct shrink_lruvec_options o = {
		.evict = evict, .free = free_object, .object_size = 100, .ghosts = OBJECTS,
	};

	memset(objects, 0, sizeof(objects));
	lv = shrink_lruvec_create(&o, sizeof(o), "aged");
	CU_ASSERT_PTR_NOT_NULL_FATAL(lv);
	age = shrink_age_create(lv, options, sizeof(*options));
	CU_ASSERT_PTR_NOT_NULL_FATAL(age);
}

static void end(void)
{
	shrink_age_destroy(age);
	shrink_lruvec_destroy(lv);
}

static void sim_begin(const struct shrink_age_options *options)
{
	struct shrink_sim_state roomy = {.limit = UINT64_MAX};

	ASSERT_INT(shrink_start(SHRINK_START_SIMULATED), 0);
	ASSERT_INT(shrink_sim_set(&roomy, sizeof(roomy)), 0);
	begin(options);
}

static void sim_end(void)
{
	end();
	ASSERT_INT(shrink_stop(), 0);
}

static int add(int i)
{
	objects[i].resident = 1;
	return shrink_lruvec_add(lv, &objects[i].item, shrink_workingset_hash(&i, sizeof(i)),
				 SHRINK_LRUVEC_CLEAN, 0, NULL, 0);
}

static void hit(int i)
{
	shrink_fast_stamp(&objects[i].item.stamp, shrink_age_fast(age));
}

static int resident(int from, int to)
{
	int n = 0;

	for (int i = from; i < to; i++)
		n += __atomic_load_n(&objects[i].resident, __ATOMIC_RELAXED) != 0;
	return n;
}

static struct shrink_age_stats stats_of(void)
{
	struct shrink_age_stats st;

	ASSERT_INT(shrink_age_stats(age, &st, sizeof(st)), 0);
	return st;
}

/* contract section 11: every transition, at its edge and one before */
static void test_transitions(void)
{
	static const struct shrink_temperature_rules rules = {5, 8, 5, 20};
	static const struct {
		struct shrink_temperature_in in;
		enum shrink_temperature is;
	} cases[] = {
		{{SHRINK_WARM, 100, 100, 8, 90}, SHRINK_WARM},
		{{SHRINK_WARM, 100, 100, 9, 90}, SHRINK_HOT},
		{{SHRINK_WARM, 100, 99, 9, 90}, SHRINK_HOT},
		{{SHRINK_WARM, 100, 98, 15, 90}, SHRINK_WARM},
		{{SHRINK_WARM, 100, 96, 1, 90}, SHRINK_WARM},
		{{SHRINK_WARM, 100, 95, 1, 90}, SHRINK_COLD},
		{{SHRINK_HOT, 100, 96, 15, 90}, SHRINK_HOT},
		{{SHRINK_HOT, 100, 95, 15, 90}, SHRINK_WARM},
		{{SHRINK_COLD, 100, 90, 1, 95}, SHRINK_COLD},
		{{SHRINK_COLD, 100, 96, 1, 95}, SHRINK_REFAULTED},
		{{SHRINK_REFAULTED, 100, 81, 1, 81}, SHRINK_REFAULTED},
		{{SHRINK_REFAULTED, 100, 80, 1, 80}, SHRINK_WARM},
		/* across the wrap of the tick, and a stamp from just ahead */
		{{SHRINK_WARM, 2, SHRINK_TICK_MASK - 2, 1, SHRINK_TICK_MASK - 2}, SHRINK_COLD},
		{{SHRINK_WARM, 1, SHRINK_TICK_MASK - 1, 1, SHRINK_TICK_MASK - 1}, SHRINK_WARM},
		/* warm only for a while, though idle for long: it was hot */
		{{SHRINK_WARM, 100, 90, 15, 96}, SHRINK_WARM},
		{{SHRINK_WARM, 100, 90, 15, 95}, SHRINK_COLD},
		{{SHRINK_WARM, 100, 101, 1, 90}, SHRINK_WARM},
		{{SHRINK_COLD, 100, 101, 1, 100}, SHRINK_REFAULTED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ASSERT_INT(shrink_temperature(&rules, &cases[i].in), cases[i].is);
}

static void test_stamp(void)
{
	struct shrink_fast_age clock = {7u << SHRINK_FAST_AGE_SHIFT};
	uint32_t stamp = 0;

	shrink_fast_stamp(&stamp, &clock);
	ASSERT_INT(stamp, 7 << 4 | 1);
	for (int i = 0; i < 100; i++)
		shrink_fast_stamp(&stamp, &clock);
	ASSERT_INT(stamp, 7 << 4 | 15);
	clock.stamp = 8u << SHRINK_FAST_AGE_SHIFT;
	shrink_fast_stamp(&stamp, &clock);
	ASSERT_INT(stamp, 8 << 4 | 1);
}

/* What is idle goes after five minutes and not before; what is used stays. */
static void test_idle_goes(void)
{
	struct shrink_age_options o = {.flags = SHRINK_AGE_ON, .free_percent = 100};
	struct shrink_age_stats st;

	sim_begin(&o);
	for (int i = 0; i < OBJECTS; i++)
		ASSERT_INT(add(i), 0);
	for (int minute = 0; minute < 4; minute++) {
		shrink_sim_step(MINUTE);
		for (int i = 0; i < 100; i++)
			hit(i);
	}
	ASSERT_INT(resident(0, OBJECTS), OBJECTS);
	for (int minute = 0; minute < 4; minute++) {
		shrink_sim_step(MINUTE);
		for (int i = 0; i < 100; i++)
			hit(i);
	}
	ASSERT_INT(resident(0, 100), 100);
	ASSERT_INT(resident(100, OBJECTS), 0);
	st = stats_of();
	ASSERT_INT(st.freed, 900);
	ASSERT_INT(st.bytes_freed, 90000);
	ASSERT_INT(st.to_cold, 900);
	ASSERT_INT(st.warm, 100);
	CU_ASSERT(st.passes >= 6 && st.passes <= 9);
	ASSERT_INT(shrink_age_tick(age), 8);
	sim_end();
}

/* G7: off unless asked for; on by configuration at any time. */
static void test_off_by_default(void)
{
	struct shrink_age_options o = {.free_percent = 100};

	sim_begin(&o);
	for (int i = 0; i < OBJECTS; i++)
		add(i);
	shrink_sim_step(60 * MINUTE);
	ASSERT_INT(resident(0, OBJECTS), OBJECTS);
	ASSERT_INT(stats_of().looked, 0);
	ASSERT_INT(shrink_conf_set("age", "on"), 0);
	ASSERT_INT(shrink_conf_set("age_period", "1000"), 0);
	shrink_sim_step(MINUTE);
	ASSERT_INT(resident(0, OBJECTS), 0);
	ASSERT_INT(shrink_conf_set("age", "off"), 0);
	ASSERT_INT(shrink_conf_set("age_period", "60000"), 0);
	sim_end();
}

static void test_hot(void)
{
	struct shrink_age_options o = {.flags = SHRINK_AGE_ON, .free_percent = 100};

	sim_begin(&o);
	for (int i = 0; i < 10; i++)
		add(i);
	for (int n = 0; n < 9; n++)
		hit(0);
	shrink_sim_step(MINUTE);
	ASSERT_INT(stats_of().to_hot, 1);
	/* five to cool down, five to grow cold */
	shrink_sim_step(5 * MINUTE + MINUTE / 2);
	ASSERT_INT(resident(0, 10), 1);
	shrink_sim_step(5 * MINUTE);
	ASSERT_INT(resident(0, 10), 0);
	ASSERT_INT(stats_of().to_warm, 1);
	sim_end();
}

/* Back soon after: immune for twenty. */
static void test_refaulted(void)
{
	struct shrink_age_options o = {.flags = SHRINK_AGE_ON, .free_percent = 100};

	sim_begin(&o);
	add(0);
	shrink_sim_step(7 * MINUTE);
	ASSERT_INT(resident(0, 1), 0);
	CU_ASSERT((unsigned int)add(0) & SHRINK_REFAULT_AGED);
	shrink_sim_step(18 * MINUTE);
	ASSERT_INT(resident(0, 1), 1);
	CU_ASSERT(stats_of().immune > 0);
	shrink_sim_step(9 * MINUTE); /* the immunity ends, and five ticks more */
	ASSERT_INT(resident(0, 1), 0);
	sim_end();
}

/* One that could not go, and is used again, is refaulted too; each reason is counted. */
static void test_reasons(void)
{
	struct shrink_age_options o = {.flags = SHRINK_AGE_ON, .free_percent = 100};
	struct shrink_age_stats st;

	sim_begin(&o);
	for (int i = 0; i < 5; i++)
		add(i);
	objects[0].answer = SHRINK_LRUVEC_LOCKED;
	objects[1].answer = SHRINK_LRUVEC_IS_DIRTY;
	objects[2].answer = SHRINK_LRUVEC_WRITEBACK;
	objects[3].answer = SHRINK_LRUVEC_ACTIVATE;
	shrink_sim_step(8 * MINUTE);
	st = stats_of();
	ASSERT_INT(st.freed, 1);
	ASSERT_INT(st.cold, 4);
	CU_ASSERT(st.locked >= 2 && st.dirty >= 2 && st.in_use >= 2);
	ASSERT_INT(st.writeback, 1);
	CU_ASSERT(st.immediate >= 1);
	ASSERT_INT(st.asked, st.freed + st.locked + st.dirty + st.in_use + st.writeback +
			     st.immediate);
	hit(0);
	shrink_sim_step(2 * MINUTE);
	ASSERT_INT(stats_of().to_refaulted, 1);
	sim_end();
}

/* Not all at once: a share of the objects a tick. */
static void test_rate(void)
{
	struct shrink_age_options o = {.flags = SHRINK_AGE_ON, .free_percent = 5};

	sim_begin(&o);
	for (int i = 0; i < OBJECTS; i++)
		add(i);
	shrink_sim_step(5 * MINUTE + MINUTE / 2);
	CU_ASSERT(resident(0, OBJECTS) >= 940);
	shrink_sim_step(2 * MINUTE);
	CU_ASSERT(resident(0, OBJECTS) >= 800 && resident(0, OBJECTS) < 940);
	CU_ASSERT(stats_of().limited > 0);
	shrink_sim_step(200 * MINUTE);
	ASSERT_INT(resident(0, OBJECTS), 0);
	sim_end();
}

static void test_run(void)
{
	struct shrink_age_options o = {.cold_ticks = 2};

	begin(&o);
	ASSERT_INT(shrink_age_run(age, 0), -ENOTCONN);
	ASSERT_INT(shrink_age_run(NULL, 0), -EINVAL);
	end();
	sim_begin(&o);
	for (int i = 0; i < OBJECTS; i++)
		add(i);
	ASSERT_INT(shrink_age_run(age, 0), 0);
	shrink_sim_step(3 * MINUTE);
	ASSERT_INT(resident(0, OBJECTS), OBJECTS); /* off, but may be run */
	ASSERT_INT(shrink_age_run(age, 10), 10);
	ASSERT_INT(shrink_age_run(age, 0), OBJECTS - 10);
	sim_end();
}

static void test_errors(void)
{
	struct shrink_age_options o = {.hot_hits = 15};

	begin(&(struct shrink_age_options){0});
	errno = 0;
	CU_ASSERT_PTR_NULL(shrink_age_create(lv, NULL, 0));
	ASSERT_INT(errno, EBUSY);
	end();
	lv = NULL;
	CU_ASSERT_PTR_NULL(shrink_age_create(NULL, NULL, 0));
	ASSERT_INT(errno, EINVAL);
	{
		struct shrink_lruvec_options lo = {.evict = evict, .free = free_object};

		lv = shrink_lruvec_create(&lo, sizeof(lo), "aged");
	}
	CU_ASSERT_PTR_NULL(shrink_age_create(lv, &o, sizeof(o)));
	ASSERT_INT(errno, EINVAL);
	shrink_lruvec_destroy(lv);
	shrink_age_destroy(NULL);
}

/* The library's own worker, in real time, while others hit, add and make room. */
static int done;
static uint64_t longest_pause; /* msec; joined before it is read */

static void *hits(void *arg)
{
	uint64_t last = shrink_clock() / 1000000, now;

	(void)arg;
	longest_pause = 0;
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		now = shrink_clock() / 1000000;
		if (now - last > longest_pause)
			longest_pause = now - last;
		last = now;
		for (int i = 0; i < 100; i++) {
			hit(i);
			shrink_fast_mark(&objects[i].item.mark);
		}
		usleep(200);
	}
	return NULL;
}

static void test_worker(void)
{
	struct shrink_age_options o = {
		.flags = SHRINK_AGE_ON, .period_msec = 20, .free_percent = 100, .cold_ticks = 20,
	};
	pthread_t t;
	int kept;

	begin(&o);
	for (int i = 0; i < OBJECTS; i++)
		add(i);
	ASSERT_INT(shrink_start(0), 0);
	__atomic_store_n(&done, 0, __ATOMIC_RELAXED);
	pthread_create(&t, NULL, hits, NULL);
	for (int n = 0; n < 1000 && resident(100, OBJECTS); n++)
		usleep(20000);
	ASSERT_INT(resident(100, OBJECTS), 0);
	kept = resident(0, 100);
	__atomic_store_n(&done, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	/* on a machine that did not let it hit them for so long they were idle indeed */
	CU_ASSERT(kept == 100 || longest_pause > 200);
	end(); /* while the worker runs */
	ASSERT_INT(shrink_stop(), 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"section 11: transitions", test_transitions},
		{"stamps: a store only where they change", test_stamp},
		{"what is idle goes, what is used stays", test_idle_goes},
		{"G7: off by default, on by configuration", test_off_by_default},
		{"hot objects take longer", test_hot},
		{"refaulted ones are immune", test_refaulted},
		{"every reason is counted", test_reasons},
		{"its own low rate", test_rate},
		{"run by the caller", test_run},
		{"errors", test_errors},
		{"run by the worker", test_worker},
		{NULL, NULL},
	};

	return test_main(argc, argv, "age", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * What two lists, a working set and ageing cost an object: coming and leaving, a hit, an
 * eviction with all it takes (walk, ghost, scouts), a refault, a stamp, a look of the
 * ageing pass. The baseline is the LRU that is written by hand, a list under a mutex.
 * CPU time; of many rounds the best.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <shrink/age.h>
#include <shrink/shrink.h>

#include "tools/bench/bench.h"

#define OBJECTS 65536
#define ROUNDS 20

struct object {
	struct shrink_lruvec_item item;
	char payload[64]; /* as far apart as in a cache */
};

static struct object objects[2 * OBJECTS];
static struct shrink_lruvec *lv;
static struct shrink_age *age;
static pthread_mutex_t plain_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shrink_lruvec_item plain = {.next = &plain, .prev = &plain};

static enum shrink_lruvec_outcome evict(void *arg, struct shrink_lruvec_item *item,
					struct shrink_lruvec_ask *ask)
{
	(void)arg;
	(void)item;
	(void)ask;
	return SHRINK_LRUVEC_FREED;
}

static void free_object(void *arg, struct shrink_lruvec_item *item)
{
	(void)arg;
	(void)item;
}

static void make(unsigned int flags)
{
	struct shrink_lruvec_options o = {
		.evict = evict, .free = free_object, .flags = flags, .ghosts = OBJECTS,
		.object_size = sizeof(struct object),
	};

	memset(objects, 0, sizeof(objects));
	lv = shrink_lruvec_create(&o, sizeof(o), "bench");
	if (!lv)
		bench_die("lruvec", errno);
}

static void add(int i)
{
	shrink_lruvec_add(lv, &objects[i].item, shrink_workingset_hash(&i, sizeof(i)),
			  SHRINK_LRUVEC_CLEAN, 0, NULL, 0);
}

static double cpu_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Each object in a row: the time of one. */
static double each(void (*fn)(int i), int from, int to)
{
	double before = cpu_nsec();

	for (int i = from; i < to; i++)
		fn(i);
	return (cpu_nsec() - before) / (to - from);
}

/* ---- by hand */
static void plain_add(int i)
{
	struct shrink_lruvec_item *item = &objects[i].item;

	pthread_mutex_lock(&plain_lock);
	item->prev = &plain;
	item->next = plain.next;
	plain.next->prev = item;
	plain.next = item;
	pthread_mutex_unlock(&plain_lock);
}

static void plain_evict(int i)
{
	struct shrink_lruvec_item *item;

	(void)i;
	pthread_mutex_lock(&plain_lock);
	item = plain.prev;
	item->prev->next = item->next;
	item->next->prev = item->prev;
	pthread_mutex_unlock(&plain_lock);
	evict(NULL, item, NULL);
}

/* ---- with the library */
static void del(int i)
{
	shrink_lruvec_del(lv, &objects[i].item);
}

static void hit(int i)
{
	shrink_fast_mark(&objects[i].item.mark);
}

static void stamp(int i)
{
	shrink_fast_stamp(&objects[i].item.stamp, shrink_age_fast(age));
}

static void evict_one(int i)
{
	(void)i;
	shrink_lruvec_evict(lv, 0, SHRINK_GFP_ALL, 1, NULL, 0);
}

static void evict_batch(int i)
{
	if (i % 128 == 0)
		shrink_lruvec_evict(lv, 0, SHRINK_GFP_ALL, 128, NULL, 0);
}

static void print(const char *what, double *samples, double *baseline, double aim)
{
	bench_print(&(struct bench_figure){
		.bench = "lruvec", .what = what, .unit = "ns", .aim = aim,
		.value = bench_percentile(samples, ROUNDS, 0),
		.baseline = baseline ? bench_percentile(baseline, ROUNDS, 0) : 0,
		.samples = ROUNDS,
	});
}

enum { ADD, DEL, HIT, EVICT_ONE, EVICT_BATCH, REFAULT, PLAIN_ADD, PLAIN_EVICT, FIGURES };

static void round_of(double t[FIGURES], unsigned int flags)
{
	make(flags);
	t[ADD] = each(add, 0, OBJECTS);
	t[HIT] = each(hit, 0, OBJECTS);
	t[DEL] = each(del, 0, OBJECTS);
	for (int i = 0; i < OBJECTS; i++)
		add(i);
	t[EVICT_ONE] = each(evict_one, 0, OBJECTS / 2);
	t[EVICT_BATCH] = each(evict_batch, 0, OBJECTS / 2);
	t[REFAULT] = each(add, 0, OBJECTS); /* all of them have a ghost */
	shrink_lruvec_destroy(lv);
	memset(objects, 0, sizeof(objects));
	t[PLAIN_ADD] = each(plain_add, 0, OBJECTS);
	t[PLAIN_EVICT] = each(plain_evict, 0, OBJECTS);
}

static void lists(const char *name, unsigned int flags)
{
	static const struct {
		const char *what;
		int figure, baseline;
		double aim;
	} lines[] = {
		{"add", ADD, PLAIN_ADD, 0},
		{"delete", DEL, PLAIN_EVICT, 0},
		{"hit, the object from memory", HIT, -1, 0}, /* by itself: bench-lru */
		{"evict one", EVICT_ONE, PLAIN_EVICT, 0},
		{"evict, 128 at once", EVICT_BATCH, PLAIN_EVICT, 0},
		{"add what was evicted", REFAULT, PLAIN_ADD, 0},
	};
	static double t[ROUNDS][FIGURES];
	double mine[ROUNDS], theirs[ROUNDS];
	char what[64];

	for (int r = 0; r < ROUNDS; r++)
		round_of(t[r], flags);
	for (size_t l = 0; l < sizeof(lines) / sizeof(lines[0]); l++) {
		for (int r = 0; r < ROUNDS; r++) {
			mine[r] = t[r][lines[l].figure];
			theirs[r] = lines[l].baseline < 0 ? 0 : t[r][lines[l].baseline];
		}
		snprintf(what, sizeof(what), "%s%s", lines[l].what, name);
		print(what, mine, lines[l].baseline < 0 ? NULL : theirs, lines[l].aim);
	}
}

static void ageing(void)
{
	struct shrink_age_options o = {.cold_ticks = 1000, .period_msec = 1000};
	double stamped[ROUNDS], marked[ROUNDS], looked[ROUNDS], before;

	make(0);
	age = shrink_age_create(lv, &o, sizeof(o));
	if (!age || shrink_start(SHRINK_START_SIMULATED) < 0)
		bench_die("age", errno);
	for (int i = 0; i < OBJECTS; i++)
		add(i);
	for (int r = 0; r < ROUNDS; r++) {
		marked[r] = each(hit, 0, OBJECTS);
		stamped[r] = each(stamp, 0, OBJECTS);
		before = cpu_nsec();
		shrink_age_run(age, 0);
		looked[r] = (cpu_nsec() - before) / OBJECTS;
	}
	print("stamp (baseline: mark)", stamped, marked, 0);
	print("ageing looks at an object", looked, NULL, 0);
	shrink_stop();
	shrink_age_destroy(age);
	shrink_lruvec_destroy(lv);
}

int main(void)
{
	lists("", 0);
	lists(", without working set", SHRINK_LRUVEC_NO_WORKINGSET);
	ageing();
	return 0;
}

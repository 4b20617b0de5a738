// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * What keeping an object on an LRU list costs: adding and deleting it, and a hit. The
 * baseline is the list that is written by hand: one mutex, a hit moves the object to
 * the young end. CPU time, so that other work on the machine does not count; but real
 * time, which is less steady, where two threads meet on one list, since waiting counts
 * there. Of many rounds the best for one thread, the median for two.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include <shrink/list_lru.h>
#include <shrink/shrink.h>

#include "tools/bench/bench.h"

#define OBJECTS 256
#define TIMES	400   /* each object in a round */
#define ROUNDS	60
#define THREADS 2

struct object {
	struct shrink_lru_item item;
	unsigned char mark;
};

static struct shrink_lru *lru;
static struct shrink_memcg *groups[THREADS];
static pthread_mutex_t plain_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shrink_lru_item plain = {&plain, &plain};

static struct work {
	void (*fn)(struct work *w, struct object *objects);
	struct shrink_memcg *memcg;
	clockid_t clock;
	double nsec; /* an object */
	pthread_barrier_t *start;
} work[THREADS];

/* ---- by hand */
static void plain_link(struct shrink_lru_item *item)
{
	item->prev = plain.prev;
	item->next = &plain;
	plain.prev->next = item;
	plain.prev = item;
}

static void plain_unlink(struct shrink_lru_item *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
}

static void plain_add_del(struct work *w, struct object *objects)
{
	(void)w;
	for (struct object *o = objects; o < objects + OBJECTS; o++) {
		pthread_mutex_lock(&plain_lock);
		plain_link(&o->item);
		pthread_mutex_unlock(&plain_lock);
		pthread_mutex_lock(&plain_lock);
		plain_unlink(&o->item);
		pthread_mutex_unlock(&plain_lock);
	}
}

static void plain_hit(struct work *w, struct object *objects)
{
	(void)w;
	for (struct object *o = objects; o < objects + OBJECTS; o++) {
		pthread_mutex_lock(&plain_lock);
		plain_unlink(&o->item);
		plain_link(&o->item);
		pthread_mutex_unlock(&plain_lock);
	}
}

/* ---- with the library */
static void add_del(struct work *w, struct object *objects)
{
	for (struct object *o = objects; o < objects + OBJECTS; o++) {
		shrink_lru_add(lru, &o->item, 0, w->memcg);
		shrink_lru_del(lru, &o->item, 0, w->memcg);
	}
}

/* Each of them for itself: what a compiler makes of many at once is not asked. */
#define ONE_BY_ONE() __asm__ volatile("" ::: "memory")

static void hit(struct work *w, struct object *objects)
{
	(void)w;
	for (struct object *o = objects; o < objects + OBJECTS; o++) {
		shrink_fast_mark(&o->mark);
		ONE_BY_ONE();
	}
}

static void first_hit(struct work *w, struct object *objects)
{
	(void)w;
	for (struct object *o = objects; o < objects + OBJECTS; o++) {
		o->mark = 0;
		ONE_BY_ONE();
		shrink_fast_mark(&o->mark);
		ONE_BY_ONE();
	}
}

static double now_nsec(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The baseline of hits has its objects on the list. */
static void plain_all(const struct work *w, struct object *objects,
		      void (*fn)(struct shrink_lru_item *item))
{
	for (int i = 0; w->fn == plain_hit && i < OBJECTS; i++) {
		pthread_mutex_lock(&plain_lock);
		fn(&objects[i].item);
		pthread_mutex_unlock(&plain_lock);
	}
}

static void *run(void *arg)
{
	struct object objects[OBJECTS] = {{{NULL, NULL}, 0}};
	struct work *w = arg;
	double before;

	plain_all(w, objects, plain_link);
	pthread_barrier_wait(w->start);
	before = now_nsec(w->clock);
	for (int t = 0; t < TIMES; t++)
		w->fn(w, objects);
	w->nsec = (now_nsec(w->clock) - before) / (TIMES * OBJECTS);
	plain_all(w, objects, plain_unlink);
	return NULL;
}

static clockid_t clock_for(unsigned int threads, int meet)
{
	return threads > 1 && meet ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
}

/* Threads' mean time for an object, in one round. */
static double once(void (*fn)(struct work *, struct object *), unsigned int threads, int apart,
		   clockid_t clock)
{
	pthread_barrier_t start;
	pthread_t thread[THREADS];
	double sum = 0;
	int r;

	pthread_barrier_init(&start, NULL, threads);
	for (unsigned int i = 0; i < threads; i++) {
		work[i] = (struct work){.fn = fn, .start = &start, .clock = clock};
		work[i].memcg = apart ? groups[i] : NULL;
		r = pthread_create(&thread[i], NULL, run, &work[i]);
		if (r)
			bench_die("thread", r);
	}
	for (unsigned int i = 0; i < threads; i++) {
		pthread_join(thread[i], NULL);
		sum += work[i].nsec;
	}
	pthread_barrier_destroy(&start);
	return sum / threads;
}

/* Ours and the baseline in turns. */
static void compare(const char *what, double aim, unsigned int threads, int apart,
		    void (*fn)(struct work *, struct object *),
		    void (*baseline)(struct work *, struct object *))
{
	double ours[ROUNDS], theirs[ROUNDS], part = threads == 1 ? 0 : 0.5;

	for (int i = 0; i < ROUNDS; i++) {
		ours[i] = once(fn, threads, apart, clock_for(threads, !apart));
		theirs[i] = once(baseline, threads, 0, clock_for(threads, 1));
	}
	bench_print(&(struct bench_figure){.bench = "lru",
					   .what = what,
					   .unit = "ns",
					   .value = bench_percentile(ours, ROUNDS, part),
					   .aim = aim,
					   .baseline = bench_percentile(theirs, ROUNDS, part),
					   .samples = ROUNDS});
}

int main(void)
{
	struct shrinker *s = shrinker_alloc(SHRINKER_MEMCG_AWARE, "bench-lru");
	/* each is the neighbour that a thread's adds and deletes write to: on lines apart,
	 * as objects of two tenants are */
	static struct {
		struct shrink_lru_item item;
		char apart[256 - sizeof(struct shrink_lru_item)];
	} resident[THREADS];

	lru = s ? shrink_lru_create(s) : NULL;
	if (!lru)
		bench_die("lru", ENOMEM);
	for (int i = 0; i < THREADS; i++) {
		groups[i] = shrink_memcg_create(NULL, "bench%d", i);
		if (!groups[i] || shrink_lru_prepare(lru, groups[i]) < 0)
			bench_die("group", ENOMEM);
	}
	compare("add and delete", 60, 1, 0, add_del, plain_add_del);
	compare("add and delete, first of its group", 60, 1, 1, add_del, plain_add_del);
	for (int i = 0; i < THREADS; i++)
		shrink_lru_add(lru, &resident[i].item, 0, groups[i]);
	compare("add and delete, in a group", 60, 1, 1, add_del, plain_add_del);
	compare("add and delete, two threads, one list", 0, 2, 0, add_del, plain_add_del);
	compare("add and delete, two threads, a group each", 60, 2, 1, add_del, plain_add_del);
	compare("hit (baseline: moves to the young end)", 2, 1, 0, hit, plain_hit);
	compare("first hit, with the store that unmarks", 2, 1, 0, first_hit, plain_hit);
	compare("hit, two threads", 2, 2, 1, hit, plain_hit);
	for (int i = 0; i < THREADS; i++) {
		shrink_lru_del(lru, &resident[i].item, 0, groups[i]);
		shrink_memcg_destroy(groups[i]);
	}
	shrinker_free(s);
	shrink_lru_destroy(lru);
	return 0;
}

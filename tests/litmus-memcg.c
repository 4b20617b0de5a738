// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The race between a set bit and SHRINK_EMPTY (contract 3.5), again and again: one
 * thread inserts an object while the other is told that there is none.
 *
 *	litmus-memcg TRIES SECONDS	prints: lost N of M
 *
 * Afterwards the object is there, so its bit must be set.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libshrink/core/memcg.h>

#include "tests/random.h"

static struct shrinker *shrinker;
static struct shrink_memcg *memcg;
static _Alignas(64) atomic_ulong objects;
static _Alignas(64) atomic_ulong go;
static _Alignas(64) atomic_ulong done;
static unsigned long turn, asked;
static struct random rnd;

/* The object itself, somewhere in memory: written before it is counted, from cold,
 * as an insertion does. This is what keeps the count in the store buffer. */
#define COLD_BYTES (64UL << 20)
static char *cold;

static void write_object(struct random *r)
{
	for (int i = 0; i < 8; i++)
		((volatile char *)cold)[random_below(r, COLD_BYTES)] = 1;
}

static void dawdle(unsigned long loops)
{
	for (volatile unsigned long i = 0; i < loops; i++)
		;
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n = atomic_load_explicit(&objects, memory_order_relaxed);

	(void)s;
	(void)sc;
	if (!asked++) {
		atomic_store_explicit(&go, turn, memory_order_release);
		dawdle(random_below(&rnd, 200));
	}
	return n ? n : SHRINK_EMPTY;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return SHRINK_STOP;
}

static void *insert(void *arg)
{
	struct random r = random_seeded(7);

	(void)arg;
	for (unsigned long i = 1;; i++) {
		unsigned long now;

		while ((now = atomic_load_explicit(&go, memory_order_acquire)) < i)
			;
		if (now == ~0UL)
			return NULL;
		write_object(&r);
		/* as an insertion under a lock ends: with a plain store */
		atomic_store_explicit(&objects, 1, memory_order_release);
		shrink_memcg_set_bit(memcg, 0, shrinker);
		atomic_store_explicit(&done, i, memory_order_release);
	}
}

static int lost(void)
{
	int id = shrinker_id(shrinker);

	return !(atomic_load(&shrink_memcg_unit(memcg, 0, id)->map) >> (id % SHRINK_MEMCG_UNIT) & 1);
}

static unsigned long one_turn(void)
{
	atomic_store(&objects, 0);
	shrink_memcg_set_bit(memcg, 0, shrinker);
	turn++;
	asked = 0;
	shrink_slab(SHRINK_GFP_ALL, 0, memcg, 12);
	while (atomic_load_explicit(&done, memory_order_acquire) < turn)
		;
	return (unsigned long)lost();
}

int main(int argc, char **argv)
{
	unsigned long tries = argc > 1 ? strtoul(argv[1], NULL, 0) : 100000, bad = 0;
	time_t end = time(NULL) + (argc > 2 ? atoi(argv[2]) : 10);
	pthread_t thread;

	rnd = random_new();
	cold = malloc(COLD_BYTES);
	if (!cold)
		return 1;
	memset(cold, 0, COLD_BYTES);
	if (shrink_start(SHRINK_START_SIMULATED) < 0)
		return 1;
	shrinker = shrinker_alloc(SHRINKER_MEMCG_AWARE, "litmus");
	memcg = shrink_memcg_create(NULL, "litmus");
	if (!shrinker || !memcg)
		return 1;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	if (shrinker_register(shrinker) < 0 || pthread_create(&thread, NULL, insert, NULL))
		return 1;
	while (turn < tries && (turn % 1024 || time(NULL) < end))
		bad += one_turn();
	atomic_store(&go, ~0UL);
	pthread_join(thread, NULL);
	printf("lost %lu of %lu\n", bad, turn);
	shrinker_free(shrinker);
	free(cold);
	if (shrink_memcg_destroy(memcg) < 0 || shrink_stop() < 0)
		return 1;
	return 0;
}

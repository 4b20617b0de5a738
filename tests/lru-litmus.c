// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The set/clear protocol on this machine: one thread adds the first object of a group
 * while another passes over the group, whose bit is set and whose list is empty. Each
 * round ends with the object there; without its bit it is lost to reclaim.
 *
 *	lru-litmus SECONDS STOP-AT		prints rounds and objects lost
 *
 * Built by test-lru-litmus.sh with copies of the library's sources, in which
 * litmus_widen() stands before the object becomes countable: stores to lines that
 * are in no cache hold back all that follow.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <libshrink/lru/list_lru.h>
#include <libshrink/os/clock.h>
#include <shrink/shrink.h>

#define LINES 8

static struct {
	unsigned char byte[64];
} lines[LINES] SHRINK_ALIGNED;

static struct shrinker *shrinker;
static struct shrink_lru *lru;
static struct shrink_memcg *memcg;
static struct shrink_lru_item item;
static _Atomic unsigned long round_begun, round_ready, round_ended;
static _Atomic unsigned int delay;
static _Atomic int stop;

void litmus_widen(void);

void litmus_widen(void)
{
	for (int i = 0; i < LINES; i++)
		*(volatile unsigned char *)lines[i].byte = (unsigned char)i;
}

/* By the thread that will not widen: out of the caches, or at least the other's. */
static void chill(void)
{
	for (int i = 0; i < LINES; i++) {
		*(volatile unsigned char *)lines[i].byte = 0xff;
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_clflush(lines[i].byte);
#endif
	}
}

static void wait_for(_Atomic unsigned long *counter, unsigned long value)
{
	for (int spins = 0; atomic_load_explicit(counter, memory_order_acquire) != value; spins++)
		if (spins > 2000 && !atomic_load(&stop))
			sched_yield();
		else if (atomic_load(&stop))
			return;
}

static void *inserter(void *arg)
{
	for (unsigned long round = 1; !atomic_load(&stop); round++) {
		wait_for(&round_begun, round);
		atomic_store(&round_ready, round);
		for (unsigned int i = atomic_load(&delay); i; i--)
			__asm__ volatile("" ::: "memory");
		shrink_lru_add(lru, &item, 0, memcg);
		atomic_store(&round_ended, round);
	}
	return arg;
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	return shrink_lru_count(lru, sc);
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	(void)s, (void)sc;
	return SHRINK_STOP;
}

/* 1: the object is there and its bit is not. */
static int one_round(unsigned long round)
{
	struct shrink_memcg_unit *unit = shrink_memcg_unit(memcg, 0, lru->id);
	uint64_t bit = UINT64_C(1) << lru->id % 64;
	int r;

	shrink_memcg_set_bit(memcg, 0, shrinker);
	chill();
	atomic_store(&delay, (unsigned int)(round * 7 % 500));
	atomic_store(&round_begun, round);
	wait_for(&round_ready, round);
	shrink_slab(SHRINK_GFP_ALL, 0, memcg, SHRINK_DEF_PRIORITY);
	wait_for(&round_ended, round);
	r = shrink_lru_count_one(lru, 0, memcg) && !(atomic_load(&unit->map) & bit);
	shrink_lru_del(lru, &item, 0, memcg);
	return r;
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, end;
	unsigned long stop_at = argc > 2 ? strtoul(argv[2], NULL, 10) : 1, lost = 0, round = 0;
	pthread_t thread;

	shrinker = shrinker_alloc(SHRINKER_MEMCG_AWARE, "litmus");
	lru = shrink_lru_create(shrinker);
	memcg = shrink_memcg_create(NULL, "litmus");
	if (!shrinker || !lru || !memcg || shrink_lru_prepare(lru, memcg))
		return 99;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	if (shrinker_register(shrinker) || shrink_start(SHRINK_START_SIMULATED) ||
	    pthread_create(&thread, NULL, inserter, NULL))
		return 99;
	end = shrink_os_clock_real() + seconds * NSEC_PER_SEC;
	while (lost < stop_at && shrink_os_clock_real() < end)
		lost += (unsigned long)one_round(++round);
	atomic_store(&stop, 1);
	pthread_join(thread, NULL);
	shrink_stop();
	shrinker_free(shrinker);
	shrink_lru_del(lru, &item, 0, memcg);
	shrink_memcg_destroy(memcg);
	shrink_lru_destroy(lru);
	printf("rounds %lu lost %lu\n", round, lost);
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The membarrier by which stocks are taken from running threads, on this machine: one
 * thread charges a little from its stock while another drains it. What has been charged
 * must be what is counted, round by round; a stock that both have used counts too little.
 *
 *	memcg-litmus SECONDS STOP-AT		prints rounds and charges lost
 *
 * Built by test-memcg-litmus.sh, with and without the barrier. Before the charge the owner
 * stores to lines that are in no cache, which holds back all stores that follow, "busy"
 * among them.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <libshrink/base/bits.h>
#include <libshrink/core/memcg-stock.h>
#include <libshrink/core/memcg.h>
#include <libshrink/os/clock.h>

#define LINES 8
#define BYTES 64

static struct {
	unsigned char byte[64];
} lines[LINES] SHRINK_ALIGNED;

static struct shrink_memcg *memcg;
static _Atomic unsigned long round_begun, round_ready, round_ended;
static _Atomic unsigned int delay;
static _Atomic int stop;

static void widen(void)
{
	for (int i = 0; i < LINES; i++)
		*(volatile unsigned char *)lines[i].byte = (unsigned char)i;
}

/* By the other thread: out of the caches, or at least the owner's. */
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
	for (int spins = 0; atomic_load_explicit(counter, memory_order_acquire) != value &&
			    !atomic_load(&stop); spins++)
		if (spins > 2000)
			sched_yield();
}

static void charge(void)
{
	if (shrink_memcg_charge(memcg, BYTES, SHRINK_GFP_ALL))
		abort();
}

static void *owner(void *arg)
{
	for (unsigned long round = 1; !atomic_load(&stop); round++) {
		wait_for(&round_begun, round);
		if (atomic_load(&stop))
			break;
		charge(); /* which fills the stock */
		atomic_store(&round_ready, round);
		for (unsigned int i = atomic_load_explicit(&delay, memory_order_relaxed); i; i--)
			__asm__ volatile("" ::: "memory");
		widen();
		charge();
		atomic_store(&round_ended, round);
	}
	return arg;
}

/* What is counted while nobody charges. */
static uint64_t exact(void)
{
	shrink_memcg_stock_drain();
	return shrink_memcg_usage(memcg);
}

/* 1: less is counted than was charged. */
static unsigned long one_round(unsigned long round)
{
	uint64_t before = exact();

	chill();
	atomic_store(&delay, (unsigned int)(round * 7 % 300));
	atomic_store(&round_begun, round);
	wait_for(&round_ready, round);
	for (unsigned int i = (unsigned int)(round * 13 % 200); i; i--)
		__asm__ volatile("" ::: "memory");
	shrink_memcg_stock_drain();
	wait_for(&round_ended, round);
	return exact() != before + 2 * BYTES;
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, end;
	unsigned long stop_at = argc > 2 ? strtoul(argv[2], NULL, 10) : 1, lost = 0, round = 0;
	pthread_t thread;

	memcg = shrink_memcg_create(NULL, "litmus");
	if (!memcg || pthread_create(&thread, NULL, owner, NULL))
		return 99;
	end = shrink_os_clock_real() + seconds * NSEC_PER_SEC;
	while (lost < stop_at && shrink_os_clock_real() < end)
		lost += one_round(++round);
	atomic_store(&stop, 1);
	pthread_join(thread, NULL);
	shrink_memcg_uncharge(memcg, exact());
	shrink_memcg_destroy(memcg);
	printf("rounds %lu lost %lu\n", round, lost);
	return 0;
}

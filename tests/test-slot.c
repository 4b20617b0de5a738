// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The module's kernel/slot.c, with the kernel's scans on several threads and a process that
 * takes and answers on another: nothing wanted is lost, nothing is wanted twice, and what
 * was freed is told once. tests/test-slot-twins.sh breaks it.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/shrink_bridge.h"
#include "tests/harness.h"

#define SCANNERS 3
#define SCANS	 300000
#define AHEAD	 (1u << 20) /* what may be outstanding: less than the page claims */

static struct bridge_session session;
static struct bridge_cache cache;
static u64 claim = SHRINK_BRIDGE_COUNT_MAX;
static struct bridge_slot *const slot = &cache.slot[0];
static int scanning;

static int wake(void)
{
	return 0; /* who reads looks at session.ready */
}

static void set_up(void)
{
	memset(&session, 0, sizeof(session));
	memset(&cache, 0, sizeof(cache));
	session.wait.wake = wake;
	cache.session = &session;
	pthread_mutex_init(&cache.lock.mutex, NULL);
	for (int i = 0; i < SHRINK_BRIDGE_NODES; i++)
		cache.slot[i].claim = &claim;
}

struct sums {
	u64 wanted, told, taken, requests;
};

static void *scanner(void *arg)
{
	struct sums *sums = arg;

	for (int i = 0; i < SCANS; i++) {
		u64 n = 1 + (u64)i % 128;

		if (bridge_slot_outstanding(slot) + SCANNERS * 128 > AHEAD) {
			sched_yield();
			continue;
		}
		sums->told += bridge_slot_post(&cache, slot, n);
		sums->wanted += n;
	}
	return NULL;
}

/* One request, answered with all of it. */
static void serve(struct sums *sums)
{
	u64 seq = ++session.seq, objects = 0;
	bool taken;

	pthread_mutex_lock(&cache.lock.mutex);
	taken = bridge_slot_take(&cache, slot, seq, &objects);
	pthread_mutex_unlock(&cache.lock.mutex);
	if (!taken)
		return;
	sums->taken += objects;
	sums->requests++;
	pthread_mutex_lock(&cache.lock.mutex);
	bridge_slot_answer(&cache, slot, seq, objects);
	pthread_mutex_unlock(&cache.lock.mutex);
}

static void *reader(void *arg)
{
	while (__atomic_load_n(&scanning, __ATOMIC_ACQUIRE) || atomic_read(&session.ready))
		if (atomic_read(&session.ready))
			serve(arg);
	return NULL;
}

static void test_at_once(void)
{
	struct sums sums[SCANNERS + 1] = {0}, all = {0};
	struct shrink_bridge_cache_stats stats = {0};
	pthread_t threads[SCANNERS + 1];

	set_up();
	scanning = 1;
	for (int i = 0; i < SCANNERS; i++)
		CU_ASSERT_FATAL(!pthread_create(&threads[i], NULL, scanner, &sums[i]));
	CU_ASSERT_FATAL(!pthread_create(&threads[SCANNERS], NULL, reader, &sums[SCANNERS]));
	for (int i = 0; i < SCANNERS; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&scanning, 0, __ATOMIC_RELEASE);
	pthread_join(threads[SCANNERS], NULL);
	for (int i = 0; i <= SCANNERS; i++) {
		all.wanted += sums[i].wanted;
		all.told += sums[i].told;
		all.taken += sums[i].taken;
		all.requests += sums[i].requests;
	}
	CU_ASSERT(all.requests > 1);
	ASSERT_INT(all.taken, all.wanted);
	ASSERT_INT(bridge_slot_outstanding(slot), 0);
	bridge_slot_stats(&cache, &stats);
	ASSERT_INT(stats.scanned, all.wanted);
	ASSERT_INT(stats.posted, all.taken);
	ASSERT_INT(stats.freed, all.told);
	ASSERT_INT(stats.freed + stats.owed, all.taken);
}

/* A request is for no more than there is when it is taken; one that could not be handed
 * over is whole again; a number is good once. */
static void test_marks(void)
{
	u64 objects = 0;

	set_up();
	claim = 100;
	ASSERT_INT(bridge_slot_post(&cache, slot, 70), 0);
	ASSERT_INT(bridge_slot_post(&cache, slot, 70), 0);
	ASSERT_INT(bridge_slot_outstanding(slot), 140);
	CU_ASSERT(bridge_slot_take(&cache, slot, 1, &objects));
	ASSERT_INT(objects, 100);
	CU_ASSERT(!bridge_slot_take(&cache, slot, 2, &objects));
	bridge_slot_untake(&cache, slot, 9);
	CU_ASSERT(!bridge_slot_take(&cache, slot, 2, &objects));
	bridge_slot_untake(&cache, slot, 1);
	CU_ASSERT(bridge_slot_take(&cache, slot, 3, &objects));
	ASSERT_INT(objects, 100);
	ASSERT_INT(bridge_slot_post(&cache, slot, 5), 0);
	ASSERT_INT(atomic_read(&session.ready), 0);
	ASSERT_INT(bridge_slot_answer(&cache, slot, 1, 10), -ESTALE);
	ASSERT_INT(bridge_slot_answer(&cache, slot, 3, 1000), 0);
	ASSERT_INT(bridge_slot_answer(&cache, slot, 3, 10), -ESTALE);
	ASSERT_INT(bridge_slot_outstanding(slot), 5);
	ASSERT_INT(atomic_read(&session.ready), 1);
	claim = 0;
	CU_ASSERT(!bridge_slot_take(&cache, slot, 4, &objects));
	ASSERT_INT(bridge_slot_outstanding(slot), 0);
	ASSERT_INT(atomic_read(&session.ready), 0);
	ASSERT_INT(bridge_slot_post(&cache, slot, 1), 100);
	ASSERT_INT(bridge_slot_post(&cache, slot, 1), 0);
	claim = SHRINK_BRIDGE_COUNT_MAX;
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"module: a slot's marks", test_marks},
		{"module: a slot, all at once", test_at_once},
		{0},
	};

	return test_main(argc, argv, "slot", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The pool under threads: a small cache with locks and references as a server has
 * them, workers that use it, reclaimers that scan it, and one who only looks.
 * Every object's bytes are checked whenever it is met, the account at the end.
 * What it finds it finds best under ThreadSanitizer and AddressSanitizer.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <libshrink/os/clock.h>
#include <libshrink/pool/slab.h>

#include "tests/harness.h"

#define SLOTS	 4096u
#define SHARDS	 16u
#define WORKERS	 3
#define SCANNERS 2
#define HELD	 4 /* references a worker keeps */
#define RUN_NSEC (1000 * NSEC_PER_MSEC)

/* The head is what the evict callback reads before it knows anything: place + 1
 * while linked, else 0. It lies in the bytes the pool hands out zeroed. */
struct object {
	_Atomic uint32_t head;
	uint32_t refs; /* shard lock */
	uint32_t unlinked;
	uint32_t size;
	unsigned char fill[];
};

static struct cache {
	struct shrink_pool *pool;
	pthread_mutex_t locks[SHARDS];
	struct object *slots[SLOTS];
	atomic_uint damaged, evicted, pended, moved, stop;
} cache;

static pthread_mutex_t *lock_of(uint32_t place)
{
	return &cache.locks[place % SHARDS];
}

static unsigned char fill_of(uint32_t place)
{
	return (unsigned char)(place * 31 + 7);
}

static void check(const struct object *o, uint32_t place)
{
	for (uint32_t i = 0; i < o->size - sizeof(*o); i++) {
		if (o->fill[i] != fill_of(place)) {
			atomic_fetch_add(&cache.damaged, 1);
			return;
		}
	}
}

/* Shard lock held. Returns 1 if the caller frees it. */
static int unlink_slot(uint32_t place)
{
	struct object *o = cache.slots[place];

	check(o, place);
	atomic_store(&o->head, 0);
	cache.slots[place] = NULL;
	o->unlinked = 1;
	return !o->refs;
}

static enum shrink_evict evict(void *arg, void *object, size_t size)
{
	enum shrink_evict answer = SHRINK_BUSY;
	struct object *o = object;
	uint32_t head = atomic_load(&o->head), place = head - 1;

	(void)arg;
	if (!head)
		return SHRINK_BUSY;
	if (place >= SLOTS) {
		atomic_fetch_add(&cache.damaged, 1);
		return SHRINK_BUSY;
	}
	if (pthread_mutex_trylock(lock_of(place)))
		return SHRINK_BUSY;
	if (cache.slots[place] == o) {
		if (o->size > size)
			atomic_fetch_add(&cache.damaged, 1);
		if (place % 61 == 0)
			answer = SHRINK_REFERENCED;
		else
			answer = unlink_slot(place) ? SHRINK_EVICTED : SHRINK_EVICT_PENDING;
	}
	pthread_mutex_unlock(lock_of(place));
	atomic_fetch_add(&cache.evicted, answer == SHRINK_EVICTED);
	atomic_fetch_add(&cache.pended, answer == SHRINK_EVICT_PENDING);
	return answer;
}

/* Nobody may hold it: who does knows its address. */
static int move(void *arg, void *from, void *to, size_t size)
{
	uint32_t place = atomic_load(&((struct object *)from)->head) - 1;
	struct object *o = from, *copy = to;
	int moved = 0;

	(void)arg;
	(void)size;
	if (place >= SLOTS || pthread_mutex_trylock(lock_of(place)))
		return -1;
	if (cache.slots[place] == o && !o->refs) {
		check(o, place);
		copy->refs = copy->unlinked = 0;
		copy->size = o->size;
		memcpy(copy->fill, o->fill, o->size - sizeof(*o));
		cache.slots[place] = copy;
		atomic_store(&copy->head, place + 1);
		atomic_store(&o->head, 0);
		moved = 1;
	}
	pthread_mutex_unlock(lock_of(place));
	atomic_fetch_add(&cache.moved, moved);
	return !moved;
}

static void put(uint32_t place, size_t size)
{
	struct object *o = shrink_pool_alloc(cache.pool, sizeof(*o) + size), *old;

	if (!o && shrink_pool_make_room(cache.pool, sizeof(*o) + size) == 0)
		o = shrink_pool_alloc(cache.pool, sizeof(*o) + size);
	if (!o)
		return;
	o->refs = 0;
	o->unlinked = 0;
	o->size = (uint32_t)(sizeof(*o) + size);
	memset(o->fill, fill_of(place), size);
	pthread_mutex_lock(lock_of(place));
	old = cache.slots[place];
	if (old && !unlink_slot(place))
		old = NULL; /* its last reader frees it */
	cache.slots[place] = o;
	atomic_store(&o->head, place + 1);
	pthread_mutex_unlock(lock_of(place));
	shrink_pool_free(cache.pool, old);
}

static void drop(uint32_t place)
{
	struct object *o;

	pthread_mutex_lock(lock_of(place));
	o = cache.slots[place];
	if (o && !unlink_slot(place))
		o = NULL;
	pthread_mutex_unlock(lock_of(place));
	shrink_pool_free(cache.pool, o);
}

struct held {
	struct object *object;
	uint32_t place;
};

static void let_go(struct held *h)
{
	int last;

	if (!h->object)
		return;
	pthread_mutex_lock(lock_of(h->place));
	check(h->object, h->place); /* evicted perhaps, but intact as long as held */
	last = !--h->object->refs && h->object->unlinked;
	pthread_mutex_unlock(lock_of(h->place));
	if (last)
		shrink_pool_free(cache.pool, h->object);
	h->object = NULL;
}

static void get(uint32_t place, struct held *h)
{
	let_go(h);
	pthread_mutex_lock(lock_of(place));
	if (cache.slots[place]) {
		h->object = cache.slots[place];
		h->place = place;
		h->object->refs++;
		shrink_pool_mark(cache.pool, h->object);
	}
	pthread_mutex_unlock(lock_of(place));
}

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void *worker(void *arg)
{
	uint64_t state = 0x9e3779b97f4a7c15ULL * (1 + (uint64_t)(uintptr_t)arg);
	struct held held[HELD] = {{NULL, 0}};

	while (!atomic_load(&cache.stop)) {
		uint64_t r = next(&state);
		uint32_t place = (uint32_t)(r >> 20) % SLOTS;

		if (r % 16 < 6)
			put(place, (r >> 40) % ((size_t)32 << (r >> 8) % 11));
		else if (r % 16 < 8)
			drop(place);
		else
			get(place, &held[r >> 10 & (HELD - 1)]);
	}
	for (int i = 0; i < HELD; i++)
		let_go(&held[i]);
	return NULL;
}

static void *scanner(void *arg)
{
	struct shrinker *s = shrink_pool_shrinker(cache.pool);
	uint64_t state = 77 + (uint64_t)(uintptr_t)arg;

	while (!atomic_load(&cache.stop)) {
		struct shrink_control sc = {.gfp_mask = SHRINK_GFP_ALL};
		unsigned long count = s->count_objects(s, &sc), freed;

		sc.nr_to_scan = sc.nr_scanned = 1 + next(&state) % 256;
		freed = s->scan_objects(s, &sc);
		if (freed != SHRINK_STOP && freed * 4096 != sc.bytes_freed)
			atomic_fetch_add(&cache.damaged, 1);
		if (count == SHRINK_EMPTY)
			sched_yield();
	}
	return NULL;
}

static void *looker(void *arg)
{
	struct shrink_pool_stats st;

	(void)arg;
	while (!atomic_load(&cache.stop)) {
		if (shrink_pool_stats(cache.pool, &st, sizeof(st)) < 0 || st.bad_frees)
			atomic_fetch_add(&cache.damaged, 1);
		sched_yield();
	}
	return NULL;
}

static void run_threads(void)
{
	pthread_t threads[WORKERS + SCANNERS + 1];
	uint64_t end = shrink_os_clock_real() + RUN_NSEC;
	int n = 0;

	for (int i = 0; i < WORKERS; i++)
		pthread_create(&threads[n++], NULL, worker, (void *)(uintptr_t)i);
	for (int i = 0; i < SCANNERS; i++)
		pthread_create(&threads[n++], NULL, scanner, (void *)(uintptr_t)i);
	pthread_create(&threads[n++], NULL, looker, NULL);
	while (shrink_os_clock_real() < end) {
		struct timespec nap = {0, 20000000};

		nanosleep(&nap, NULL);
	}
	atomic_store(&cache.stop, 1);
	while (n)
		pthread_join(threads[--n], NULL);
}

static void check_account(void)
{
	struct shrink_pool_stats st;
	uint64_t live = 0, bytes = 0;

	for (uint32_t i = 0; i < SLOTS; i++) {
		if (!cache.slots[i])
			continue;
		live++;
		bytes += shrink_pool_usable(cache.pool, cache.slots[i]);
		check(cache.slots[i], i);
	}
	CU_ASSERT_FATAL(!shrink_pool_stats(cache.pool, &st, sizeof(st)));
	CU_ASSERT(st.live_objects == live && st.live_bytes == bytes);
	CU_ASSERT(st.evicted_objects == cache.evicted && st.pending == cache.pended);
	CU_ASSERT(st.bad_frees == 0 && load_relaxed(&cache.pool->pending_pages) == 0);
	CU_ASSERT(cache.damaged == 0 && st.moved_objects == cache.moved);
	CU_ASSERT(cache.evicted > 100 && st.returned_bytes > 0);
}

static void stress(size_t max_bytes, int (*mover)(void *, void *, void *, size_t))
{
	struct shrink_pool_options o = {.evict = evict,
					.move = mover,
					.max_bytes = max_bytes,
					.reserve = (size_t)1 << 30};
	struct shrink_control sc = {.nr_to_scan = 1 << 20};
	struct shrink_pool_stats st;
	struct shrinker *s;

	memset(&cache, 0, sizeof(cache));
	for (unsigned int i = 0; i < SHARDS; i++)
		pthread_mutex_init(&cache.locks[i], NULL);
	cache.pool = shrink_pool_create(&o, sizeof(o), "stress");
	CU_ASSERT_FATAL(cache.pool != NULL);
	run_threads();
	check_account();
	for (uint32_t i = 0; i < SLOTS; i++)
		drop(i);
	s = shrink_pool_shrinker(cache.pool);
	s->scan_objects(s, &sc);
	CU_ASSERT(!shrink_pool_stats(cache.pool, &st, sizeof(st)));
	CU_ASSERT(st.live_objects == 0 && st.slabs == 0);
	shrink_pool_destroy(cache.pool);
}

static void test_stress(void)
{
	stress(0, NULL);
}

/* Over its size all the time, so that workers make room while scanners scan. */
static void test_stress_moving(void)
{
	stress((size_t)8 << 20, move);
	CU_ASSERT(cache.moved > 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"alloc, free, mark and scan from many threads", test_stress},
		{"the same, survivors move, workers make room", test_stress_moving},
		{NULL, NULL},
	};

	return test_main(argc, argv, "pool-stress", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Everything at once: threads that register, free, set and complete, threads that
 * reclaim, the library's own workers, an owner, and forks. Bounded in time
 * (STRESS_MSEC), seeded (TEST_SEED); who runs when is the scheduler's.
 *
 * What it looks for: a callback of a cache whose free has returned (its memory is
 * poisoned and given back at once), a done function called twice or never, and
 * whatever a sanitizer sees. tests/broken-twins.sh takes a reference or a wait out
 * of a copy of the core and expects this program to fail.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cache.h"
#include "tests/harness.h"
#include "tests/random.h"

#define ALIVE 0x616c697665ULL
#define DEAD 0xdeaddeaddeadULL
#define MORTALS_MAX 1000
#define PER_THREAD 24
#define REGISTRARS 2
#define WALKERS 2
/* A sanitizer's own locks may be held by another thread at a fork: a child that
 * frees memory hangs in it. There the forks are left to test-fork. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define FORKS 0
#else
#define FORKS !getenv("STRESS_NO_FORKS")
#endif

struct item {
	_Atomic uint64_t magic;
	struct shrinker *s;
	atomic_long objects;
	atomic_ulong scans;
	unsigned long lives; /* scans until it frees itself; 0 = the registrar does */
};

static atomic_int quit;
static atomic_ulong wrong, registered, freed, done_calls, async_calls, scans_made, forks;

static void expect_alive(struct item *it)
{
	if (atomic_load(&it->magic) != ALIVE)
		atomic_fetch_add(&wrong, 1);
}

static void bury(struct item *it)
{
	if (atomic_exchange(&it->magic, DEAD) != ALIVE)
		atomic_fetch_add(&wrong, 1);
	memset(&it->objects, 0xdd, sizeof(it->objects));
	free(it);
	atomic_fetch_add(&freed, 1);
}

static void done(void *arg)
{
	atomic_fetch_add(&done_calls, 1);
	bury(arg);
}

static void free_async(struct item *it)
{
	atomic_fetch_add(&async_calls, 1);
	if (shrinker_free_async(it->s, done))
		atomic_fetch_add(&wrong, 1);
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	struct item *it = s->private_data;

	(void)sc;
	expect_alive(it);
	return (unsigned long)atomic_load(&it->objects);
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	struct item *it = s->private_data;
	unsigned long nth = atomic_fetch_add(&it->scans, 1) + 1, n = sc->nr_to_scan;

	expect_alive(it);
	atomic_fetch_add_explicit(&scans_made, 1, memory_order_relaxed);
	switch (nth % 16) {
	case 3:
		sched_yield();
		break;
	case 5:
		sc->nr_pending = n;
		shrinker_complete(s, 0, n, 0);
		return 0;
	case 7:
		return SHRINK_STOP;
	default:
		break;
	}
	expect_alive(it);
	if (it->lives && nth == it->lives)
		free_async(it); /* @it may be gone once this callback has returned */
	return n;
}

static struct item *new_item(struct random *r, unsigned long lives, struct shrink_owner *owner)
{
	struct item *it = calloc(1, sizeof(*it));

	if (!it)
		abort();
	it->s = shrinker_alloc(random_below(r, 2) ? SHRINKER_NUMA_AWARE : 0, "stress-%d",
			       (int)random_below(r, 100));
	if (!it->s) {
		struct shrink_stats st = {0};

		shrink_stats(&st, sizeof(st));
		printf("# no shrinker: %s; %llu registered, %llu in limbo\n", strerror(errno),
		       (unsigned long long)st.shrinkers, (unsigned long long)st.limbo);
		fflush(stdout);
		abort();
	}
	it->lives = lives;
	atomic_store(&it->magic, ALIVE);
	atomic_store(&it->objects, (long)random_below(r, 3000));
	if (lives)
		atomic_store(&it->objects, 100000);
	it->s->count_objects = count;
	it->s->scan_objects = scan;
	it->s->private_data = it;
	it->s->owner = owner;
	it->s->batch = (long)random_below(r, 3) * 64;
	if (shrinker_register(it->s))
		atomic_fetch_add(&wrong, 1);
	atomic_fetch_add(&registered, 1);
	return it;
}

static void end_item(struct item *it, int async)
{
	if (async) {
		free_async(it);
	} else {
		shrinker_free(it->s);
		bury(it);
	}
}

static void touch(struct random *r, struct item *it)
{
	struct shrinker_stats st;
	char name[64];

	switch (random_below(r, 8)) {
	case 0:
		shrinker_set_seeks(it->s, (int)random_below(r, 4));
		break;
	case 1:
		shrinker_set_batch(it->s, (long)random_below(r, 200));
		break;
	case 2:
		shrinker_set_enabled(it->s, random_below(r, 8) != 0);
		break;
	case 3:
		shrinker_set_keep(it->s, random_below(r, 100));
		break;
	case 4:
		shrinker_set_name(it->s, "renamed-%d", (int)random_below(r, 100));
		break;
	case 5:
		shrinker_get_name(it->s, name, sizeof(name));
		break;
	case 6:
		shrinker_stats(it->s, SHRINK_NUMA_NO_NODE, &st, sizeof(st));
		break;
	default:
		atomic_store(&it->objects, (long)random_below(r, 3000));
		break;
	}
}

static void *registrar(void *arg)
{
	struct random r = random_seeded(random_new().seed + (uint64_t)(uintptr_t)arg);
	struct item *items[PER_THREAD] = {NULL};

	while (!atomic_load(&quit)) {
		struct item **slot = &items[random_below(&r, PER_THREAD)];

		if (!*slot)
			*slot = new_item(&r, 0, NULL);
		else if (random_below(&r, 3))
			touch(&r, *slot);
		else {
			end_item(*slot, random_below(&r, 3) == 0);
			*slot = NULL;
		}
		/* no more than can be scanned: who walks through many sees each seldom */
		if (!random_below(&r, 50) &&
		    atomic_load(&registered) - atomic_load(&freed) < MORTALS_MAX)
			new_item(&r, 1 + random_below(&r, 4), NULL); /* frees itself */
	}
	for (int i = 0; i < PER_THREAD; i++)
		if (items[i])
			end_item(items[i], 0);
	return NULL;
}

static void *walker(void *arg)
{
	struct random r = random_seeded(random_new().seed + 1000 + (uint64_t)(uintptr_t)arg);

	while (!atomic_load(&quit)) {
		switch (random_below(&r, 16)) {
		case 0:
			shrink_all_memory(random_below(&r, 1 << 20));
			break;
		case 1:
			shrink_reclaim(random_below(&r, 1 << 20), SHRINK_GFP_NOLOCK, 1000);
			break;
		case 2:
			shrink_pressure(SHRINK_LEVEL_LOW, 1 + random_below(&r, 1 << 22));
			break;
		default:
			shrink_slab(SHRINK_GFP_ALL, SHRINK_NUMA_NO_NODE, NULL,
				    (int)random_below(&r, 13));
			break;
		}
	}
	return NULL;
}

static void *owner_loop(void *arg)
{
	struct random r = random_seeded(random_new().seed + 2000);

	(void)arg;
	while (!atomic_load(&quit)) {
		struct shrink_owner *owner = shrink_owner_create();
		struct item *a, *b;

		if (!owner)
			abort();
		a = new_item(&r, 0, owner);
		b = new_item(&r, 0, owner);
		for (int i = 0; i < 20 && !atomic_load(&quit); i++) {
			struct pollfd p = {.fd = shrink_owner_fd(owner), .events = POLLIN};

			shrinker_set_count(a->s, 0, 5000, 0);
			shrinker_set_count(b->s, 0, random_below(&r, 5000), 0);
			if (poll(&p, 1, 1) == 1)
				shrink_owner_run(owner, 200);
		}
		end_item(a, 0);
		end_item(b, 0);
		if (shrink_owner_destroy(owner))
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

static int stress_child(void)
{
	struct random r = random_seeded((uint64_t)getpid());
	struct item *it = new_item(&r, 0, NULL);

	shrink_slab(SHRINK_GFP_ALL, 0, NULL, 0);
	end_item(it, 0);
	return 0;
}

static void *forker(void *arg)
{
	(void)arg;
	while (!atomic_load(&quit)) {
		int status = -1;
		pid_t pid = fork();

		if (!pid)
			_exit(stress_child());
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			atomic_fetch_add(&wrong, 1);
		atomic_fetch_add(&forks, 1);
		sleep_ms(30);
	}
	return NULL;
}

/* Those that free themselves do so when they are scanned: at the latest now. */
static void end_suicides(void)
{
	for (int i = 0; i < 200 && atomic_load(&registered) != atomic_load(&freed); i++) {
		shrink_drop_all();
		sleep_ms(5);
	}
}

static bool enough_happened(void)
{
	return atomic_load(&scans_made) > 1000 && (!FORKS || atomic_load(&forks) > 3);
}

static void run(unsigned int ms)
{
	pthread_t t[REGISTRARS + WALKERS + 2];
	struct shrink_stats st = {0};
	int n = 0;

	printf("# seed %llu, %u ms\n", (unsigned long long)random_new().seed, ms);
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	for (uintptr_t i = 0; i < REGISTRARS; i++)
		pthread_create(&t[n++], NULL, registrar, (void *)i);
	for (uintptr_t i = 0; i < WALKERS; i++)
		pthread_create(&t[n++], NULL, walker, (void *)i);
	pthread_create(&t[n++], NULL, owner_loop, NULL);
	if (FORKS)
		pthread_create(&t[n++], NULL, forker, NULL);
	/* for as long as was said, and on a busy machine until something has happened */
	for (uint64_t end = now_ms() + ms;
	     (now_ms() < end || (!enough_happened() && now_ms() < end + 60000)) &&
	     !atomic_load(&wrong);)
		sleep_ms(10);
	atomic_store(&quit, 1);
	while (n)
		pthread_join(t[--n], NULL);
	end_suicides();
	ASSERT_INT((long)atomic_load(&wrong), 0);
	ASSERT_INT((long)atomic_load(&freed), (long)atomic_load(&registered));
	ASSERT_INT((long)atomic_load(&done_calls), (long)atomic_load(&async_calls));
	CU_ASSERT(enough_happened());
	ASSERT_INT(shrink_stop(), 0);
	ASSERT_INT(shrink_stats(&st, sizeof(st)), 0);
	ASSERT_INT((long)st.shrinkers, 0);
	ASSERT_INT((long)st.limbo, 0);
	printf("# %lu registrations, %lu scans, %lu forks\n", atomic_load(&registered),
	       atomic_load(&scans_made), atomic_load(&forks));
}

static void everything_at_once(void)
{
	const char *ms = getenv("STRESS_MSEC");

	run(ms ? (unsigned int)strtoul(ms, NULL, 10) : 3000);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"G1: register, free, set, complete, reclaim, own and fork at once",
		 everything_at_once},
		{NULL, NULL},
	};

	return test_main(argc, argv, "stress", tests);
}

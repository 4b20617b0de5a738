// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * What caches are told, and what is asked of whom: changes of level, room and how it
 * is divided, caches that give nothing, scans that take long.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <shrink/memcg.h>

#include "tests/cache.h"
#include "tests/harness.h"

#define MB (1024UL * 1024)
#define LIMIT (1000 * MB)
#define SIZE 1000
#define MSEC 1000000ULL
#define SEC (1000 * MSEC)

static unsigned long scan_gives_back(struct cache *c, struct shrink_control *sc)
{
	unsigned long n = cache_scan(c, sc);

	shrink_sim_freed(n * SIZE);
	return n;
}

static unsigned long scan_gives_nothing(struct cache *c, struct shrink_control *sc)
{
	(void)c;
	(void)sc;
	return 0;
}

static void add(struct cache *c, const char *name, unsigned long objects)
{
	CU_ASSERT_FATAL(cache_alloc(c, 0, name, objects) != NULL);
	c->s->object_size = SIZE;
	c->on_scan = scan_gives_back;
	ASSERT_INT(shrinker_register(c->s), 0);
}

static void set(uint64_t usage)
{
	struct shrink_sim_state s = {.limit = LIMIT, .usage = usage, .rss = usage};

	ASSERT_INT(shrink_sim_set(&s, sizeof(s)), 0);
	shrink_sim_step(2 * MSEC);
}

/* ---- levels */

static struct {
	int calls;
	enum shrink_level last;
	int unlisten;
} heard;

static void on_level(void *arg, enum shrink_level level)
{
	heard.calls++;
	heard.last = level;
	if (heard.unlisten)
		ASSERT_INT(shrink_level_unlisten(on_level, arg), 0);
}

static int fd_ready(void)
{
	struct pollfd p = {.fd = shrink_level_fd(), .events = POLLIN};
	uint64_t n;

	if (poll(&p, 1, 0) != 1)
		return 0;
	return read(p.fd, &n, sizeof(n)) == sizeof(n);
}

static void levels_are_told(void)
{
	memset(&heard, 0, sizeof(heard));
	ASSERT_INT(shrink_level_listen(NULL, NULL), -EINVAL);
	ASSERT_INT(shrink_level_listen(on_level, &heard), 0);
	ASSERT_INT(shrink_level_listen(on_level, &heard), -EEXIST);
	CU_ASSERT(shrink_level_fd() >= 0);
	sim_begin();
	fd_ready();
	set(LIMIT / 2);
	ASSERT_INT(heard.calls, 0);
	ASSERT_INT(fd_ready(), 0);
	set(LIMIT); /* nothing registered: it stays so */
	ASSERT_INT(heard.calls, 1);
	ASSERT_INT(heard.last, SHRINK_LEVEL_CRITICAL);
	ASSERT_INT(fd_ready(), 1);
	set(LIMIT);
	ASSERT_INT(heard.calls, 1); /* no change */
	set(LIMIT / 2);
	ASSERT_INT(heard.calls, 2);
	ASSERT_INT(heard.last, SHRINK_LEVEL_NORMAL);
	set(LIMIT);
	sim_end();
	ASSERT_INT(heard.last, SHRINK_LEVEL_NORMAL); /* stopped */
	heard.unlisten = 1; /* from inside */
	sim_begin();
	set(LIMIT);
	ASSERT_INT(heard.last, SHRINK_LEVEL_CRITICAL);
	sim_end();
	ASSERT_INT(heard.last, SHRINK_LEVEL_CRITICAL);
	ASSERT_INT(shrink_level_unlisten(on_level, &heard), -ENOENT);
}

static void places_are_bounded(void)
{
	int args[9];

	for (int i = 0; i < 8; i++)
		ASSERT_INT(shrink_level_listen(on_level, &args[i]), 0);
	ASSERT_INT(shrink_level_listen(on_level, &args[8]), -ENOSPC);
	for (int i = 0; i < 8; i++)
		ASSERT_INT(shrink_level_unlisten(on_level, &args[i]), 0);
}

/* Just across a boundary and back does not change it. */
static void level_sticks(void)
{
	struct shrink_limits l;
	uint64_t low;

	sim_begin();
	set(LIMIT / 2);
	ASSERT_INT(shrink_limits(&l, sizeof(l)), 0);
	set(LIMIT); /* critical, and low as the step has taught it */
	ASSERT_INT(shrink_limits(&l, sizeof(l)), 0);
	low = l.low_wmark;
	set(LIMIT - low / 6);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_CRITICAL);
	set(LIMIT - low * 3 / 8);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_MEDIUM);
	set(LIMIT - low * 5 / 8);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_MEDIUM);
	set(LIMIT - low * 7 / 8);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_LOW);
	set(LIMIT - low * 5 / 8);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_LOW);
	sim_end();
}

/* On the threads: a listener that hangs delays neither the eventfd nor reclaim. */
static atomic_ulong told;
static atomic_int let_go;

static void on_level_waits(void *arg, enum shrink_level level)
{
	(void)arg;
	(void)level;
	atomic_fetch_add(&told, 1);
	while (!atomic_load(&let_go))
		sleep_ms(1);
}

static void *unlisten(void *arg)
{
	ASSERT_INT(shrink_level_unlisten(on_level_waits, NULL), 0);
	atomic_store((atomic_int *)arg, 1);
	return NULL;
}

static void listener_hangs(void)
{
	atomic_int gone = 0;
	struct cache c;
	pthread_t t;

	atomic_store(&told, 0);
	atomic_store(&let_go, 0);
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	add(&c, "c", 1000000);
	c.on_scan = NULL;
	ASSERT_INT(shrink_level_listen(on_level_waits, NULL), 0);
	while (fd_ready())
		;
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_CRITICAL, MB), 0);
	CU_ASSERT(wait_for(&told, 1, 20000));
	ASSERT_INT(fd_ready(), 1);
	CU_ASSERT(wait_for(&c.scans, 1, 20000));
	CU_ASSERT_FATAL(pthread_create(&t, NULL, unlisten, &gone) == 0);
	sleep_ms(20);
	ASSERT_INT(atomic_load(&gone), 0); /* waits for it */
	atomic_store(&let_go, 1);
	pthread_join(t, NULL);
	ASSERT_INT(atomic_load(&gone), 1);
	ASSERT_INT(shrink_stop(), 0);
	cache_end(&c);
}

/* ---- room */

static void room_is_shared(void)
{
	struct cache a, b;
	uint64_t all;

	sim_begin();
	add(&a, "a", 1000);
	add(&b, "b", 1000);
	set(LIMIT / 2);
	shrink_sim_step(SEC);
	all = shrink_room(NULL);
	CU_ASSERT(all > LIMIT / 4);
	CU_ASSERT(shrink_room(a.s) == all); /* alone */
	CU_ASSERT(shrink_room(b.s) == all / 2);
	CU_ASSERT(shrink_room(a.s) == all / 2);
	shrink_sim_step(120 * MSEC);
	set(LIMIT / 2);
	CU_ASSERT(shrink_room(a.s) == all / 2); /* in a new epoch: as in the last */
	shrink_sim_step(SEC);
	shrink_room(a.s);
	shrink_sim_step(SEC);
	CU_ASSERT(shrink_room(a.s) == all); /* b has not asked for long */
	/* by weight */
	ASSERT_INT(shrink_conf_set("cache.b*.weight", "300"), 0);
	shrink_room(b.s);
	CU_ASSERT(shrink_room(a.s) == all / 4);
	CU_ASSERT(shrink_room(b.s) == all * 3 / 4);
	cache_end(&a);
	cache_end(&b);
	sim_end();
}

/* Held: a cold cache may grow to its keep, and no further. */
static void cold_may_grow(void)
{
	struct cache cold, full;

	sim_begin();
	add(&cold, "cold", 100);
	add(&full, "full", 100000);
	shrinker_set_keep(cold.s, 500);
	set(LIMIT);
	ASSERT_INT(shrink_may_grow(), 0);
	ASSERT_INT((long)shrink_room(full.s), 0);
	ASSERT_INT((long)shrink_room(cold.s), 400 * SIZE);
	ASSERT_INT((long)atomic_load(&cold.freed), 0);
	cache_end(&cold);
	cache_end(&full);
	sim_end();
}

/* The hold ends, whatever was asked meanwhile, and what follows is a ramp. */
static void hold_ends(void)
{
	struct cache c;
	uint64_t before = 0, room;

	sim_begin();
	add(&c, "c", 500000);
	set(LIMIT);
	set(LIMIT / 2);
	shrink_sim_step(SEC);
	ASSERT_INT(shrink_may_grow(), 1);
	for (int i = 2; i < 7; i++) { /* 10 % of the limit in a second, i of them at most */
		shrink_sim_step(SEC);
		room = shrink_room(c.s);
		CU_ASSERT(room > before && room <= (uint64_t)i * (LIMIT / 10) + MB);
		before = room;
	}
	cache_end(&c);
	sim_end();
}

static void room_of_a_group(void)
{
	struct shrink_memcg *outer, *inner;

	sim_begin();
	outer = shrink_memcg_create(NULL, "outer");
	inner = shrink_memcg_create(outer, "inner");
	CU_ASSERT_FATAL(outer && inner);
	set(LIMIT / 2);
	CU_ASSERT(shrink_memcg_room(inner) == shrink_room(NULL));
	CU_ASSERT(shrink_memcg_room(NULL) == shrink_room(NULL));
	shrink_memcg_set_limit(outer, SHRINK_MEMCG_LIMIT_HIGH, 10 * MB);
	shrink_memcg_set_limit(inner, SHRINK_MEMCG_LIMIT_MAX, 20 * MB);
	shrink_memcg_set_limit(inner, SHRINK_MEMCG_LIMIT_MIN, 4 * MB);
	ASSERT_INT(shrink_memcg_charge(inner, 3 * MB, SHRINK_GFP_ALL), 0);
	shrink_memcg_drain();
	ASSERT_INT((long)shrink_memcg_room(inner), 7 * MB);
	set(LIMIT); /* held: what it has less than its min */
	ASSERT_INT((long)shrink_memcg_room(inner), MB);
	ASSERT_INT((long)shrink_memcg_room(outer), 0);
	shrink_memcg_uncharge(inner, 3 * MB);
	shrink_memcg_destroy(inner);
	shrink_memcg_destroy(outer);
	sim_end();
}

/* ---- fairness */

/* One round of so many bytes. */
static void round_of(uint64_t bytes)
{
	CU_ASSERT(shrink_all_memory(bytes) >= bytes);
}

static void gives_nothing(void)
{
	struct cache giver, miser;
	unsigned long scans, others;

	sim_begin();
	add(&giver, "giver", 1000000);
	add(&miser, "miser", 1000000);
	miser.on_scan = scan_gives_nothing;
	for (int i = 0; i < 40; i++)
		round_of(MB);
	scans = atomic_load(&miser.scans);
	others = atomic_load(&giver.scans);
	for (int i = 0; i < 64; i++)
		round_of(MB);
	scans = atomic_load(&miser.scans) - scans;
	others = atomic_load(&giver.scans) - others;
	CU_ASSERT(scans > 0 && scans < others / 4); /* less often, not never */
	CU_ASSERT(cache_stats(&miser).idle_rounds > 2);
	/* the first object ends it */
	miser.on_scan = scan_gives_back;
	for (int i = 0; i < 16; i++)
		round_of(MB);
	CU_ASSERT(atomic_load(&miser.freed) > 0);
	ASSERT_INT((long)cache_stats(&miser).idle_rounds, 0);
	scans = atomic_load(&miser.scans);
	round_of(MB);
	CU_ASSERT(atomic_load(&miser.scans) > scans);
	cache_end(&giver);
	cache_end(&miser);
	sim_end();
}

/* It is asked at once where the others have not enough, or gave less than thought. */
static void asked_when_needed(void)
{
	struct cache giver, miser;

	for (int lies = 0; lies < 2; lies++) {
		sim_begin();
		add(&giver, "giver", 1000000);
		add(&miser, "miser", 1000000);
		miser.on_scan = scan_gives_nothing;
		for (int i = 0; i < 60; i++)
			round_of(MB);
		CU_ASSERT_FATAL(cache_stats(&miser).idle_rounds > 2);
		miser.on_scan = scan_gives_back;
		if (lies)
			giver.on_scan = scan_gives_nothing;
		else
			atomic_store(&giver.objects, 10);
		round_of(10 * MB);
		CU_ASSERT(atomic_load(&miser.freed) * SIZE >= 9 * MB);
		cache_end(&giver);
		cache_end(&miser);
		sim_end();
	}
}

static unsigned long scan_takes_its_time(struct cache *c, struct shrink_control *sc)
{
	sleep_ms(3);
	return scan_gives_back(c, sc);
}

static void slow_scans(void)
{
	struct shrinker_stats st;
	uint64_t scans = 0;
	struct cache c;

	sim_begin();
	add(&c, "tortoise", 100000);
	c.on_scan = scan_takes_its_time;
	ASSERT_INT(shrink_conf_set("scan_budget", "1000"), 0);
	log_begin();
	for (int i = 0; i < 2; i++)
		round_of(SIZE * 10);
	ASSERT_INT(log_count("tortoise"), 0);
	for (int i = 0; i < 5; i++)
		round_of(SIZE * 10);
	log_end();
	ASSERT_INT(log_count("tortoise"), 1);
	st = cache_stats(&c);
	ASSERT_INT((long)st.slow_scans, (long)st.scans);
	for (int i = 0; i < SHRINK_SCAN_HIST; i++)
		scans += st.scan_hist[i];
	ASSERT_INT((long)scans, (long)st.scans);
	ASSERT_INT((long)(st.scan_hist[0] + st.scan_hist[1] + st.scan_hist[2]), 0);
	shrink_conf_set("scan_budget", "50000");
	cache_end(&c);
	sim_end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"levels: changes are told, by function and by eventfd", levels_are_told},
		{"levels: eight places", places_are_bounded},
		{"levels: a level sticks near its boundary", level_sticks},
		{"G4: a listener that hangs delays nobody", listener_hangs},
		{"room: divided by weight among those that ask", room_is_shared},
		{"room: a cache below its keep may always grow", cold_may_grow},
		{"room: the hold ends, and room comes back as a ramp", hold_ends},
		{"room: of a group", room_of_a_group},
		{"fair: a cache that gives nothing is asked less often", gives_nothing},
		{"fair: and at once where it is needed", asked_when_needed},
		{"fair: slow scans are counted, and said once", slow_scans},
		{NULL, NULL},
	};

	return test_main(argc, argv, "room", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * bridge:module against a twin of the kernel's side: which caches the kernel has, what it
 * counts, what becomes of what it asks for. In guests the same is asked of the kernel
 * itself: tests/guest/mirror.sh.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libshrink/bridge/bridge.h>

#include "tests/cache.h"
#include "tests/child.h"
#include "tests/harness.h"
#include "tests/module-twin.h"

#define WAIT_MSEC 60000

/* Waits, for a minute at most. */
#define AWAIT(what)                                                                                \
	do {                                                                                       \
		uint64_t end_ = now_ms() + WAIT_MSEC;                                              \
		bool is_ = (what);                                                                 \
		for (; !is_ && now_ms() < end_; is_ = (what))                                      \
			sleep_ms(1);                                                               \
		CU_ASSERT(is_ && #what);                                                           \
	} while (0)

static struct shrink_source_info bridge_info(void)
{
	struct shrink_source_info infos[24];
	int n = shrink_sources(infos, 24, sizeof(infos[0]));

	for (int i = 0; i < n; i++)
		if (!strcmp(infos[i].name, "bridge"))
			return infos[i];
	CU_FAIL("no source of that name");
	return infos[0];
}

/* Nothing but the bridge asks. */
static void configure(const char *mode)
{
	static const char *const off[] = {
		"usage", "thresholds", "events", "psi", "systemd", "vmpressure",
		"oom", "memavailable", "zones", "swap", "node_workers",
	};

	for (size_t i = 0; i < sizeof(off) / sizeof(*off); i++)
		ASSERT_INT(shrink_conf_set(off[i], "off"), 0);
	ASSERT_INT(shrink_conf_set("bridge", mode), 0);
	ASSERT_INT(shrink_conf_set("bridge_count", "5"), 0);
	ASSERT_INT(shrink_conf_set("log", "3"), 0);
}

static void begin(void)
{
	configure("module");
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	CU_ASSERT_STRING_EQUAL(bridge_info().state, "live");
}

static void end(void)
{
	ASSERT_INT(shrink_stop(), 0);
	CU_ASSERT(!twin_is_open());
	ASSERT_INT(twin_refused(), 0);
}

/* The kernel's index of a cache, once it has it. */
static int index_of(struct cache *c, struct shrink_bridge_register *reg)
{
	char name[160];
	int index = -1;

	ASSERT_INT(shrinker_get_name(c->s, name, sizeof(name)) > 0, 1);
	AWAIT((index = twin_find(name, reg)) >= 0);
	return index;
}

static void test_comes_and_goes(void)
{
	struct shrink_bridge_register reg;
	struct cache before, after;
	int i, k;

	CU_ASSERT_FATAL(cache_alloc(&before, SHRINKER_NUMA_AWARE, "a name/with all", 3000) != NULL);
	before.s->seeks = 8;
	before.s->batch = 1024;
	ASSERT_INT(shrinker_register(before.s), 0);
	begin();
	cache_new(&after, "after", 500);
	i = twin_find("a_name_with_all-0", &reg);
	CU_ASSERT(i >= 0); /* at once: start returns with what there was */
	ASSERT_INT(reg.seeks, 8);
	ASSERT_INT(reg.batch, 1024);
	ASSERT_INT(reg.flags, SHRINK_BRIDGE_NUMA | SHRINK_BRIDGE_GROUP);
	k = index_of(&after, &reg);
	ASSERT_INT(reg.seeks, SHRINK_DEFAULT_SEEKS);
	ASSERT_INT(reg.batch, 0);
	ASSERT_INT(reg.flags, SHRINK_BRIDGE_GROUP);
	AWAIT(twin_count(i, 0) == 3000 && twin_count(i, 1) == 3000 && twin_count(k, 0) == 500);
	ASSERT_INT(twin_page(k, 1), 0);
	atomic_store(&after.objects, 700);
	AWAIT(twin_count(k, 0) == 700);
	/* changed: another shrinker */
	ASSERT_INT(shrinker_set_seeks(after.s, 3000), 0);
	ASSERT_INT(shrinker_set_batch(after.s, 7), 0);
	AWAIT((k = index_of(&after, &reg)) >= 0 && reg.seeks == 1024 && reg.batch == 64);
	AWAIT(twin_count(k, 0) == 700);
	/* switched off: there, but nothing in it */
	ASSERT_INT(shrinker_set_enabled(after.s, 0), 0);
	AWAIT(twin_count(k, 0) == 0);
	ASSERT_INT(shrinker_set_enabled(after.s, 1), 0);
	ASSERT_INT(shrinker_set_keep(after.s, 600), 0);
	AWAIT(twin_count(k, 0) == 100);
	/* gone: at once as far as the kernel counts, and soon altogether */
	cache_end(&after);
	ASSERT_INT(twin_page(k, 0), 0);
	AWAIT(twin_registered() == 1);
	end();
	cache_end(&before);
}

static struct cache *watched;
static atomic_ulong too_many;

/* What the kernel would count now is there. */
static void page_is_true(const struct twin_answer *result)
{
	if (result->claimed > atomic_load(&watched->objects))
		atomic_fetch_add(&too_many, 1);
}

static unsigned long scan_at_1(struct cache *c, struct shrink_control *sc)
{
	if (sc->nid != 1)
		atomic_fetch_add(&c->violations, 1);
	return cache_scan(c, sc);
}

static void test_requests(void)
{
	struct shrink_round round;
	struct cache c;
	int i;

	begin();
	cache_new_flags(&c, SHRINKER_NUMA_AWARE, "asked", 10000);
	c.on_scan = scan_at_1;
	watched = &c;
	i = index_of(&c, NULL);
	AWAIT(twin_count(i, 1) == 10000);
	twin_set_on_answer(page_is_true);
	ASSERT_INT(twin_scan(i, 1, 1000), 0); /* nothing freed yet */
	AWAIT(!twin_outstanding());
	twin_set_on_answer(NULL);
	ASSERT_INT(atomic_load(&too_many), 0);
	ASSERT_INT(atomic_load(&c.asked), 1000);
	ASSERT_INT(atomic_load(&c.scans), 8); /* in batches of 128, to the last part */
	ASSERT_INT(twin_count(i, 1), 9000);
	ASSERT_INT(twin_scan(i, 1, 0), 1000); /* and now the kernel hears of it */
	ASSERT_INT(twin_scan(i, 1, 0), 0);
	ASSERT_INT(cache_stats(&c).freed_objects, 1000);
	AWAIT(shrink_rounds(&round, 1, sizeof(round)) == 1);
	CU_ASSERT_STRING_EQUAL(round.source, "bridge");
	ASSERT_INT(round.freed_objects, 1000);
	ASSERT_INT(round.scanned_objects, 1000);
	ASSERT_INT(round.priority_first, -1);
	CU_ASSERT(round.begin_nsec >= round.notice_nsec);
	AWAIT(bridge_info().events >= 1);
	cache_end(&c);
	end();
}

static unsigned long stop_soon(struct cache *c, struct shrink_control *sc)
{
	return atomic_load(&c->scans) > 3 ? SHRINK_STOP : cache_scan(c, sc);
}

/* A request ends with what came of it: SHRINK_STOP, a cache that has shrunk meanwhile, one
 * that is to keep what it has, one that has gone. */
static void test_partial(void)
{
	struct cache c;
	int i;

	begin();
	cache_new(&c, "stops", 5000);
	i = index_of(&c, NULL);
	AWAIT(twin_count(i, 0) == 5000);
	c.on_scan = stop_soon;
	twin_scan(i, 0, 5000);
	AWAIT(!twin_outstanding());
	ASSERT_INT(twin_scan(i, 0, 0), 3 * 128);
	ASSERT_INT(twin_count(i, 0), 5000 - 3 * 128);
	c.on_scan = NULL;
	atomic_store(&c.objects, 100); /* the page may still say more */
	twin_scan(i, 0, 4000);
	AWAIT(!twin_outstanding());
	CU_ASSERT(twin_scan(i, 0, 0) <= 100);
	ASSERT_INT(atomic_load(&c.violations), 0);
	atomic_store(&c.objects, 2000);
	AWAIT(twin_count(i, 0) == 2000);
	ASSERT_INT(shrinker_set_keep(c.s, 1900), 0);
	twin_scan(i, 0, 2000);
	AWAIT(!twin_outstanding());
	CU_ASSERT(atomic_load(&c.objects) >= 1900);
	cache_end(&c);
	AWAIT(!twin_registered());
	end();
}

/* Kernel and application at once: whatever was freed for the kernel it hears of, once. */
static atomic_int quit;

static void *kernel(void *arg)
{
	atomic_ulong *told = arg;

	for (int n = 0; !atomic_load(&quit); n++) {
		atomic_fetch_add(told, twin_slab(0, n % 13));
		atomic_fetch_add(told, twin_slab(1, n % 13));
		if (n % 16 == 0)
			sleep_ms(1);
	}
	return NULL;
}

static void *application(void *arg)
{
	struct cache *caches = arg;

	for (int n = 0; !atomic_load(&quit); n++) {
		atomic_fetch_add(&caches[n % 3].objects, 100);
		if (n % 8 == 0)
			sleep_ms(1);
	}
	return NULL;
}

static void test_nothing_lost(void)
{
	struct cache caches[3], passing;
	unsigned long freed = 0;
	atomic_ulong told = 0;
	pthread_t threads[2];

	atomic_store(&quit, 0);
	begin();
	for (int i = 0; i < 3; i++)
		cache_new_flags(&caches[i], i ? SHRINKER_NUMA_AWARE : 0, "crowd", 1000);
	CU_ASSERT_FATAL(!pthread_create(&threads[0], NULL, kernel, &told));
	CU_ASSERT_FATAL(!pthread_create(&threads[1], NULL, application, caches));
	for (int i = 0; i < 50; i++) { /* others come and go at the same indices */
		cache_new(&passing, "passing", 1000);
		sleep_ms((unsigned int)i % 8);
		cache_end(&passing);
	}
	AWAIT(atomic_load(&told) > 20000);
	atomic_store(&quit, 1);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	AWAIT(!twin_outstanding() && twin_registered() == 3);
	for (int i = 0; i < 3; i++) {
		int index = index_of(&caches[i], NULL);

		atomic_fetch_add(&told, twin_scan(index, 0, 0) + twin_scan(index, 1, 0));
		freed += atomic_load(&caches[i].freed);
	}
	/* what passed by was told, too, unless its cache was gone by then */
	CU_ASSERT(atomic_load(&told) >= freed);
	ASSERT_INT(shrink_stop(), 0);
	for (int i = 0; i < 3; i++)
		cache_end(&caches[i]);
}

static atomic_ulong hang_begun, hang_till;

static unsigned long scan_hangs(struct cache *c, struct shrink_control *sc)
{
	atomic_store(&hang_begun, 1);
	wait_for(&hang_till, 1, WAIT_MSEC);
	return cache_scan(c, sc);
}

/* G4: one that hangs delays no other's requests, and answers its own when it is back. */
static void test_stuck(void)
{
	struct cache stuck, other;
	int i, k;

	ASSERT_INT(shrink_conf_set("overrun", "5"), 0);
	begin();
	cache_new(&stuck, "stuck", 1000);
	cache_new(&other, "other", 1000);
	stuck.on_scan = scan_hangs;
	i = index_of(&stuck, NULL);
	k = index_of(&other, NULL);
	AWAIT(twin_count(i, 0) == 1000 && twin_count(k, 0) == 1000);
	twin_scan(i, 0, 100);
	CU_ASSERT(wait_for(&hang_begun, 1, WAIT_MSEC));
	twin_scan(k, 0, 300);
	AWAIT(twin_scan(k, 0, 0) == 300);
	AWAIT(twin_page(i, 0) == 0); /* nothing more is asked of it */
	ASSERT_INT(twin_outstanding(), 100);
	atomic_store(&hang_till, 1);
	AWAIT(twin_scan(i, 0, 0) == 100);
	AWAIT(twin_page(i, 0) == 900);
	ASSERT_INT(shrink_conf_set("overrun", "200"), 0);
	end();
	cache_end(&stuck);
	cache_end(&other);
}

static unsigned long scan_at_home(struct cache *c, struct shrink_control *sc)
{
	if (!pthread_equal(pthread_self(), *(pthread_t *)c->arg))
		atomic_fetch_add(&c->violations, 1);
	return cache_scan(c, sc);
}

/* An owner's cache is asked on its thread; the answer is what it has done. */
static void test_owner(void)
{
	struct shrink_owner *owner = shrink_owner_create();
	pthread_t home = pthread_self();
	struct cache c;
	int i;

	ASSERT_INT(shrink_conf_set("owner_deadline", "60000"), 0);
	begin();
	CU_ASSERT_FATAL(cache_alloc(&c, 0, "owned", 1000) != NULL);
	c.s->owner = owner;
	c.on_scan = scan_at_home;
	c.arg = &home;
	ASSERT_INT(shrinker_register(c.s), 0);
	ASSERT_INT(shrinker_set_count(c.s, 0, 1000, 0), 0);
	i = index_of(&c, NULL);
	AWAIT(twin_count(i, 0) == 1000);
	twin_scan(i, 0, 300);
	AWAIT(cache_stats(&c).posted_objects == 300);
	ASSERT_INT(atomic_load(&c.scans), 0);
	ASSERT_INT(twin_outstanding(), 300);
	while (shrink_owner_run(owner, 0) > 0)
		;
	ASSERT_INT(shrinker_set_count(c.s, 0, atomic_load(&c.objects), 0), 0);
	AWAIT(!twin_outstanding());
	ASSERT_INT(twin_scan(i, 0, 0), 300);
	AWAIT(twin_count(i, 0) == 700);
	end();
	cache_end(&c);
	ASSERT_INT(shrink_owner_destroy(owner), 0);
	ASSERT_INT(shrink_conf_set("owner_deadline", "100"), 0);
}

static struct shrink_memcg *tenants[2];

/* 0 of the root's, 900 and 300 of the tenants'. */
static atomic_ulong of_tenant[2];

static atomic_ulong *tenant_of(struct shrink_control *sc)
{
	return sc->memcg == tenants[0]	 ? &of_tenant[0]
	       : sc->memcg == tenants[1] ? &of_tenant[1]
					 : NULL;
}

static unsigned long count_tenant(struct cache *c, struct shrink_control *sc)
{
	atomic_ulong *n = tenant_of(sc);

	(void)c;
	return n ? atomic_load(n) : 0;
}

static unsigned long scan_tenant(struct cache *c, struct shrink_control *sc)
{
	atomic_ulong *n = tenant_of(sc);

	if (!n || sc->nr_to_scan > atomic_load(n)) {
		atomic_fetch_add(&c->violations, 1);
		return 0;
	}
	atomic_fetch_sub(n, sc->nr_to_scan);
	return sc->nr_to_scan;
}

/* The process is one to the kernel; its tenants give in proportion to what they have. */
static void test_tenants(void)
{
	struct cache c;
	int i;

	begin();
	for (int t = 0; t < 2; t++)
		CU_ASSERT_FATAL((tenants[t] = shrink_memcg_create(NULL, "t%d", t)) != NULL);
	atomic_store(&of_tenant[0], 900);
	atomic_store(&of_tenant[1], 300);
	CU_ASSERT_FATAL(cache_alloc(&c, SHRINKER_MEMCG_AWARE, "shared", 0) != NULL);
	c.on_count = count_tenant;
	c.on_scan = scan_tenant;
	ASSERT_INT(shrinker_register(c.s), 0);
	for (int t = 0; t < 2; t++)
		shrink_memcg_set_bit(tenants[t], 0, c.s);
	i = index_of(&c, NULL);
	AWAIT(twin_count(i, 0) == 1200);
	twin_scan(i, 0, 400);
	AWAIT(!twin_outstanding());
	ASSERT_INT(atomic_load(&of_tenant[0]), 600);
	ASSERT_INT(atomic_load(&of_tenant[1]), 200);
	ASSERT_INT(twin_scan(i, 0, 0), 400);
	end();
	cache_end(&c);
	for (int t = 0; t < 2; t++)
		ASSERT_INT(shrink_memcg_destroy(tenants[t]), 0);
}

/* ---- fork */

static int child_starts(struct cache *c)
{
	char name[160];
	int i;

	atomic_store(&c->objects, 400);
	EXPECT(shrink_start(0) == 0);
	EXPECT(!strcmp(bridge_info().state, "live"));
	shrinker_get_name(c->s, name, sizeof(name));
	i = twin_find(name, NULL);
	EXPECT(i >= 0);
	for (int n = 0; n < WAIT_MSEC && twin_count(i, 0) != 400; n++)
		sleep_ms(1);
	EXPECT(twin_count(i, 0) == 400);
	twin_scan(i, 0, 100);
	for (int n = 0; n < WAIT_MSEC && twin_outstanding(); n++)
		sleep_ms(1);
	EXPECT(twin_scan(i, 0, 0) == 100);
	EXPECT(shrink_stop() == 0);
	shrinker_free(c->s);
	return 0;
}

/* Neither a change nor a free may touch the parent's pages. */
static int child_changes(struct cache *c)
{
	struct cache own;

	cache_new(&own, "the child's", 10);
	EXPECT(shrinker_set_seeks(c->s, 4) == 0);
	shrinker_free(own.s);
	return child_starts(c);
}

static int status_of(pid_t pid)
{
	int status = -1;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void is_served(int i, struct cache *c)
{
	unsigned long before = atomic_load(&c->freed);

	(void)twin_scan(i, 0, 0);
	twin_scan(i, 0, 50);
	AWAIT(twin_scan(i, 0, 0) == 50);
	ASSERT_INT(atomic_load(&c->freed), before + 50);
}

static void test_fork(void)
{
	struct cache c;
	pid_t pid;
	int i;

	SKIP_TSAN();
	begin();
	cache_new(&c, "forks", 10000);
	i = index_of(&c, NULL);
	AWAIT(twin_count(i, 0) == 10000);
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(child_changes(&c));
	is_served(i, &c);
	ASSERT_INT(status_of(pid), 0);
	is_served(i, &c);
	end();
	cache_end(&c);
}

static atomic_long forked;

/* The child's only thread is the worker, which waits for work for ever: long after it has
 * come back into the library this ends the process, if it has not crashed. */
static void *end_child(void *arg)
{
	(void)arg;
	sleep_ms(300);
	_exit(0);
}

/* The child comes back into the library, in a session that is not its own. */
static unsigned long scan_forks(struct cache *c, struct shrink_control *sc)
{
	pid_t pid;

	if (atomic_load(&forked))
		return cache_scan(c, sc);
	fflush(stdout);
	pid = fork();
	atomic_store(&forked, pid);
	if (!pid && pthread_create(&(pthread_t){0}, NULL, end_child, NULL))
		_exit(99);
	return cache_scan(c, sc);
}

static void test_fork_inside(void)
{
	struct cache c;
	int i;

	SKIP_TSAN();
	begin();
	cache_new(&c, "forks", 10000);
	c.on_scan = scan_forks;
	i = index_of(&c, NULL);
	AWAIT(twin_count(i, 0) == 10000);
	twin_scan(i, 0, 200);
	AWAIT(twin_scan(i, 0, 0) == 200);
	ASSERT_INT(status_of((pid_t)atomic_load(&forked)), 0);
	is_served(i, &c);
	end();
	cache_end(&c);
}

/* ---- the ladder */

static void test_refused(void)
{
	static const struct {
		int err;
		const char *part;
	} cases[] = {
		{-ENOENT, "module: no /dev/shrink: the module shrink_bridge is not loaded"},
		{-EPROTO, "module: /dev/shrink is of another version"},
		{-EACCES, "module: /dev/shrink: Permission denied"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		twin_set_open(cases[i].err);
		configure("module");
		ASSERT_INT(shrink_start(0), 0);
		CU_ASSERT_STRING_EQUAL(bridge_info().state, "unsupported");
		CU_ASSERT_STRING_EQUAL(bridge_info().reason, cases[i].part);
		ASSERT_INT(shrink_stop(), 0);
		/* the next one is tried, and either it is live or its reason is there, too */
		configure("auto");
		ASSERT_INT(shrink_start(0), 0);
		CU_ASSERT(!strncmp(bridge_info().reason, cases[i].part, strlen(cases[i].part)));
		CU_ASSERT(!strcmp(bridge_info().state, "live") ||
			  strstr(bridge_info().reason, "; trace: "));
		ASSERT_INT(shrink_stop(), 0);
	}
	twin_set_open(0);
	configure("auto");
	ASSERT_INT(shrink_start(0), 0);
	CU_ASSERT(twin_is_open());
	end();
}

static void test_limits(void)
{
	struct cache caches[70];
	unsigned int before = twin_registrations();

	for (int i = 0; i < 70; i++)
		cache_new(&caches[i], "many", 10);
	begin();
	ASSERT_INT(twin_registered(), SHRINK_BRIDGE_CACHES);
	CU_ASSERT_STRING_EQUAL(bridge_info().reason,
			       "module: 6 of 70 caches not mirrored: No space left on device");
	for (int i = 0; i < 10; i++)
		cache_end(&caches[i]);
	AWAIT(twin_registered() == 60 && !*bridge_info().reason);
	/* none twice: those that were there stay */
	ASSERT_INT(twin_registrations() - before, 70);
	end();
	twin_set_quota(5);
	begin();
	ASSERT_INT(twin_registered(), 5);
	CU_ASSERT_STRING_EQUAL(bridge_info().reason,
			       "module: 55 of 60 caches not mirrored: Disk quota exceeded");
	end();
	twin_set_quota(256);
	for (int i = 10; i < 70; i++)
		cache_end(&caches[i]);
}

static bool nowhere(int nid)
{
	(void)nid;
	return false;
}

/* Where no node can be bound, better all of the machine's reclaim than none. */
static void test_unbound(void)
{
	struct shrink_bridge_register reg;
	struct cache c;
	int i;

	twin_set_bindable(nowhere);
	begin();
	cache_new(&c, "unbound", 100);
	i = index_of(&c, &reg);
	ASSERT_INT(reg.flags, 0);
	AWAIT(twin_count(i, 0) == 100);
	/* and is not registered again and again for it */
	ASSERT_INT(shrinker_set_keep(c.s, 10), 0);
	AWAIT(twin_count(i, 0) == 90);
	ASSERT_INT(index_of(&c, &reg), i);
	end();
	cache_end(&c);
	twin_set_bindable(NULL);
}

static void test_again(void)
{
	struct cache c;
	int i;

	cache_new(&c, "again", 100000);
	for (int n = 0; n < 5; n++) {
		begin();
		i = (int)twin_registrations();
		shrink_bridge_module.moved(NULL, NULL, 0); /* the kernel has it anew */
		AWAIT(twin_registrations() == (unsigned int)i + 1 && twin_registered() == 1);
		i = index_of(&c, NULL);
		AWAIT(twin_count(i, 0) > 0);
		is_served(i, &c);
		twin_scan(i, 0, 10000); /* may be under way when it stops */
		end();
	}
	cache_end(&c);
}

/* No thread of ours: requests are served where the application's loop dispatches. */
static void test_loop(void)
{
	struct cache c;
	int i;

	configure("module");
	cache_new(&c, "looped", 1000);
	CU_ASSERT_FATAL(shrink_start(SHRINK_START_LOOP) == 0);
	i = index_of(&c, NULL);
	AWAIT(shrink_dispatch(0) >= 0 && twin_count(i, 0) == 1000);
	twin_scan(i, 0, 200);
	ASSERT_INT(atomic_load(&c.scans), 0);
	AWAIT(shrink_dispatch(1000) >= 0 && !twin_outstanding());
	ASSERT_INT(twin_scan(i, 0, 0), 200);
	end();
	cache_end(&c);
}

static const struct test tests[] = {
	{"module: caches are the kernel's as long as they are ours", test_comes_and_goes},
	{"module: what the kernel asks for is done at that node, and told", test_requests},
	{"module: a request ends with what came of it", test_partial},
	{"module: nothing is lost, kernel and application at once", test_nothing_lost},
	{"G4: a stuck callback delays no other cache's requests", test_stuck},
	{"module: an owner's cache is asked on its thread", test_owner},
	{"module: tenants give in proportion", test_tenants},
	{"G10: a forked child leaves the parent's session alone", test_fork},
	{"G10: so does one forked inside a callback", test_fork_inside},
	{"G9: no module, another version, no permission: the next, with the reason", test_refused},
	{"module: limits of session and user", test_limits},
	{"module: a cache that cannot be bound", test_unbound},
	{"module: stop and start, and another group", test_again},
	{"module: in the application's loop", test_loop},
	{0},
};

int main(int argc, char **argv)
{
	shrink_conf_set("nodes", "2"); /* before the first shrinker */
	return test_main(argc, argv, "module", tests);
}

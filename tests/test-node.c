// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Workers of memory nodes: when a node is pressed, when it is parked and un-parked,
 * what is asked of whom - as a calculator, in virtual time with made-up nodes, and
 * on threads with files that stand for two nodes.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libshrink/core/core.h>
#include <libshrink/reclaim/node.h>

#include "tests/cache.h"
#include "tests/fakeroot.h"
#include "tests/harness.h"

#define MB (1024UL * 1024)
#define SIZE 1000
#define MSEC 1000000ULL
#define SEC (1000 * MSEC)

/* ---- the calculator */

static void watermarks(void)
{
	struct shrink_node_reading r = {0};

	/* a quarter of min is more than a thousandth of what there is */
	shrink_node_wmark(4000, 1000000, 10, 0, &r);
	ASSERT_INT(r.low, 5000);
	ASSERT_INT(r.high, 6000);
	/* the other way round, and boosted */
	shrink_node_wmark(4000, 10000000, 10, 0, &r);
	ASSERT_INT(r.low, 14000);
	ASSERT_INT(r.high, 24000);
	shrink_node_wmark(4000, 10000000, 10, 500, &r);
	ASSERT_INT(r.low, 14500);
	ASSERT_INT(r.high, 24500);
}

static void parks_and_unparks(void)
{
	struct shrink_node_reading r = {.managed = 1000, .available = 10, .low = 20, .high = 30};
	struct shrink_node n = {0};
	uint64_t now = SEC, wake, first;
	int rounds = 0;

	for (; !n.parked && rounds < 100; rounds++) {
		while (!shrink_node_next(&n, &r, now, MSEC, SEC, &wake)) {
			CU_ASSERT_FATAL(wake > now); /* no busy loop */
			now = wake;
		}
		shrink_node_learn(&n, 0, 1000, now, MSEC);
		if (!rounds) /* 1000 there, and none before: that is news */
			ASSERT_INT(n.failures, 0);
	}
	ASSERT_INT(rounds, SHRINK_NODE_FAILURES + 1);
	/* one probe a second, no more */
	first = now;
	for (int i = 0; i < 5; i++) {
		CU_ASSERT(!shrink_node_next(&n, &r, now, MSEC, SEC, &wake));
		now = wake;
		CU_ASSERT(shrink_node_next(&n, &r, now, MSEC, SEC, &wake));
		shrink_node_learn(&n, 0, i < 4 ? 1000 : 0, now, MSEC);
		CU_ASSERT(n.parked);
	}
	ASSERT_INT((now - first) / SEC, 5);
	/* what was 0 has risen */
	shrink_node_learn(&n, 0, 1, now, MSEC);
	CU_ASSERT(!n.parked && !n.failures);
	/* and progress */
	for (int i = 0; i < 20; i++)
		shrink_node_learn(&n, 0, 1, now, MSEC);
	CU_ASSERT(n.parked);
	shrink_node_learn(&n, 1, 1, now, MSEC);
	CU_ASSERT(!n.parked);
}

static void sleeps(void)
{
	struct shrink_node_reading r = {.managed = 1UL << 40, .available = 10, .low = 20,
					.high = 30};
	struct shrink_node n = {0};
	uint64_t wake;

	CU_ASSERT(shrink_node_next(&n, &r, SEC, MSEC, 500 * MSEC, &wake));
	r.available = 25; /* above low, not yet above high: goes on */
	CU_ASSERT(shrink_node_next(&n, &r, SEC, MSEC, 500 * MSEC, &wake));
	r.available = 1UL << 39;
	CU_ASSERT(!shrink_node_next(&n, &r, SEC, MSEC, 500 * MSEC, &wake));
	ASSERT_INT(wake - SEC, SHRINK_NODE_SHORT_NSEC); /* short first */
	CU_ASSERT(!shrink_node_next(&n, &r, wake, MSEC, 500 * MSEC, &wake));
	ASSERT_INT(wake - SEC, SHRINK_NODE_SHORT_NSEC + 500 * MSEC);
	r.managed = 0; /* without memory there is nothing to do, ever */
	r.available = 0;
	CU_ASSERT(!shrink_node_next(&n, &r, SEC, MSEC, 500 * MSEC, &wake));
}

/* ---- in virtual time */

#define NODES 3

struct ncache {
	struct shrinker *s;
	unsigned long objects[NODES], scans[NODES], freed[NODES];
	int pinned, lowest;
};

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	return ((struct ncache *)s->private_data)->objects[sc->nid];
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	struct ncache *c = s->private_data;
	unsigned long n = sc->nr_to_scan;

	c->scans[sc->nid]++;
	if (c->pinned)
		return 0;
	if (n > c->objects[sc->nid])
		n = c->objects[sc->nid];
	c->objects[sc->nid] -= n;
	c->freed[sc->nid] += n;
	shrink_sim_node_freed(sc->nid, n * SIZE);
	return n;
}

static void add(struct ncache *c, unsigned int flags, unsigned long each)
{
	memset(c, 0, sizeof(*c));
	for (int nid = 0; nid < NODES; nid++)
		c->objects[nid] = each;
	c->s = shrinker_alloc(flags, "n");
	CU_ASSERT_FATAL(c->s != NULL);
	c->s->count_objects = count;
	c->s->scan_objects = scan;
	c->s->private_data = c;
	c->s->object_size = SIZE;
	ASSERT_INT(shrinker_register(c->s), 0);
}

static void set_node(int nid, uint64_t available)
{
	struct shrink_sim_node n = {.managed = 1000 * MB, .available = available, .min = 8 * MB};

	ASSERT_INT(shrink_sim_set_node(nid, &n, sizeof(n)), 0);
}

/* Node 2 has no memory. */
static void begin(struct ncache *c)
{
	ASSERT_INT(shrink_conf_set("nodes", "3"), 0);
	shrink_core_nodes_reset();
	set_node(0, 500 * MB);
	set_node(1, 500 * MB);
	sim_begin();
	add(c, SHRINKER_NUMA_AWARE, 100000);
	shrink_sim_step(SEC);
}

static void end(struct ncache *c)
{
	sim_end();
	shrinker_free(c->s);
	shrink_conf_set("nodes", "0");
	shrink_core_nodes_reset();
}

static void only_that_node(void)
{
	struct shrink_round r = {0};
	struct ncache c, unaware;

	begin(&c);
	add(&unaware, 0, 100000);
	set_node(1, 2 * MB);
	shrink_sim_step(10 * MSEC);
	CU_ASSERT(c.freed[1] * SIZE >= 9 * MB); /* high is 12 MB */
	CU_ASSERT(c.freed[1] * SIZE <= 11 * MB);
	ASSERT_INT(c.freed[0] + c.freed[2] + c.scans[0] + c.scans[2], 0);
	ASSERT_INT(unaware.scans[0] + unaware.scans[1], 0);
	ASSERT_INT(shrink_rounds(&r, 1, sizeof(r)), 1);
	CU_ASSERT_STRING_EQUAL(r.source, "node1");
	ASSERT_INT(r.end, SHRINK_ROUND_BALANCED);
	CU_ASSERT(r.priority_last >= 1);
	shrink_sim_step(10 * SEC); /* balanced: no more */
	CU_ASSERT(c.freed[1] * SIZE <= 11 * MB);
	shrinker_free(unaware.s);
	end(&c);
}

static void parks_in_time(void)
{
	struct shrink_stats before, after;
	struct ncache c;

	begin(&c);
	c.pinned = 1;
	shrink_stats(&before, sizeof(before));
	set_node(1, 2 * MB);
	shrink_sim_step(20 * SEC);
	shrink_stats(&after, sizeof(after));
	ASSERT_INT(after.parked_nodes, 1);
	CU_ASSERT(after.node_rounds - before.node_rounds >= SHRINK_NODE_FAILURES);
	shrink_stats(&before, sizeof(before));
	shrink_sim_step(20 * SEC);
	shrink_stats(&after, sizeof(after));
	CU_ASSERT(after.node_rounds - before.node_rounds >= 18); /* not dead */
	CU_ASSERT(after.node_rounds - before.node_rounds <= 21);
	ASSERT_INT(c.freed[0], 0);
	c.pinned = 0;
	shrink_sim_step(2 * SEC);
	shrink_stats(&after, sizeof(after));
	ASSERT_INT(after.parked_nodes, 0);
	CU_ASSERT(c.freed[1] * SIZE >= 9 * MB);
	end(&c);
}

/* Priority 1 is the last: half of each cache is out of reach of one round. */
static void never_everything_at_once(void)
{
	struct shrink_round r[64];
	struct ncache c;
	int n;

	begin(&c);
	c.objects[1] = 4096; /* 4 MB, and 10 are wanted */
	set_node(1, 2 * MB);
	shrink_sim_step(MSEC);
	n = shrink_rounds(r, 64, sizeof(r[0]));
	for (int i = 0; i < n; i++)
		CU_ASSERT(strncmp(r[i].source, "node", 4) || r[i].priority_last >= 1);
	end(&c);
}

static void one_node_has_none(void)
{
	struct shrink_stats st;
	struct ncache c;

	ASSERT_INT(shrink_conf_set("nodes", "3"), 0);
	shrink_core_nodes_reset();
	set_node(0, 2 * MB); /* the only one with memory: it is the machine */
	sim_begin();
	add(&c, SHRINKER_NUMA_AWARE, 100000);
	shrink_stats(&st, sizeof(st));
	shrink_sim_step(SEC);
	ASSERT_INT(c.scans[0], 0);
	end(&c);
}

/* ---- on threads */

static void write_nodes(unsigned long free1)
{
	fakeroot_file("/sys/devices/system/node/node0/meminfo",
		      "Node 0 MemTotal: 400000 kB\nNode 0 MemFree: 200000 kB\n"
		      "Node 0 Active(file): 0 kB\nNode 0 Inactive(file): 0 kB\n");
	fakeroot_file("/sys/devices/system/node/node1/meminfo",
		      "Node 1 MemTotal: 400000 kB\nNode 1 MemFree: %lu kB\n"
		      "Node 1 Active(file): 0 kB\nNode 1 Inactive(file): 0 kB\n", free1);
	fakeroot_file("/proc/zoneinfo",
		      "Node 0, zone   Normal\n  pages free     50000\n        min      1000\n"
		      "        low      1250\n        high     1500\n        managed  100000\n"
		      "        protection: (0, 0)\n"
		      "Node 1, zone   Normal\n  pages free     %lu\n        min      1000\n"
		      "        low      1250\n        high     1500\n        managed  100000\n"
		      "        protection: (0, 0)\n", free1 / 4);
}

static atomic_ulong scans_of[NODES];

static unsigned long scan_by_node(struct cache *c, struct shrink_control *sc)
{
	char name[16] = "", wanted[16];

	pthread_getname_np(pthread_self(), name, sizeof(name));
	snprintf(wanted, sizeof(wanted), "shrink-node%d", sc->nid);
	if (strcmp(name, wanted))
		atomic_fetch_add(&c->violations, 1);
	atomic_fetch_add(&scans_of[sc->nid], 1);
	return cache_scan(c, sc);
}

static int threads_of_nodes(void)
{
	DIR *dir = opendir("/proc/self/task");
	int n = 0;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		char path[300], name[16] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "r");
		if (f && fgets(name, sizeof(name), f) && !strncmp(name, "shrink-node", 11))
			n++;
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return n;
}

static void on_threads(void)
{
	struct cache c;

	fakeroot_begin();
	write_nodes(200000);
	shrink_conf_set("sysroot", fakeroot_path(""));
	shrink_conf_set("nodes", "3");
	shrink_core_nodes_reset();
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	ASSERT_INT(threads_of_nodes(), 2); /* the third has no memory */
	CU_ASSERT_FATAL(cache_alloc(&c, SHRINKER_NUMA_AWARE, "aware", 100000000) != NULL);
	c.s->object_size = SIZE;
	c.on_scan = scan_by_node;
	ASSERT_INT(shrinker_register(c.s), 0);
	write_nodes(100);
	CU_ASSERT(wait_for(&scans_of[1], 1, 20000));
	write_nodes(200000);
	ASSERT_INT((long)atomic_load(&scans_of[0]), 0);
	ASSERT_INT((long)atomic_load(&scans_of[2]), 0);
	ASSERT_INT(shrink_stop(), 0);
	/* who joins a thread is told before the kernel has taken it off the list */
	for (int i = 0; i < 1000 && threads_of_nodes(); i++)
		sleep_ms(10);
	ASSERT_INT(threads_of_nodes(), 0);
	cache_end(&c);
	shrink_conf_set("nodes", "0");
	shrink_conf_set("sysroot", "");
	shrink_core_nodes_reset();
	fakeroot_end();
}

/* What is freed shows in the node's free pages at once, and batch by batch it is looked
 * whether it is enough. */
static unsigned long scan_to_free(struct cache *c, struct shrink_control *sc)
{
	unsigned long n = cache_scan(c, sc);

	write_nodes(100 + (atomic_load(&c->freed) * SIZE >> 10));
	return n;
}

static void no_more_than_the_mark(void)
{
	/* two steps over the high mark, 1500 pages, less what is free */
	unsigned long need = (1500 + 2 * 250) * 4096UL - 100 * 1024;
	struct cache c;

	fakeroot_begin();
	write_nodes(100);
	shrink_conf_set("sysroot", fakeroot_path(""));
	shrink_conf_set("nodes", "2");
	shrink_core_nodes_reset();
	CU_ASSERT_FATAL(cache_alloc(&c, SHRINKER_NUMA_AWARE, "marks", 1000000) != NULL);
	c.s->object_size = SIZE;
	c.on_scan = scan_to_free;
	ASSERT_INT(shrinker_register(c.s), 0);
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	CU_ASSERT(wait_for(&c.freed, need / SIZE, 20000));
	sleep_ms(50); /* and no more than that */
	ASSERT_INT(shrink_stop(), 0);
	CU_ASSERT(atomic_load(&c.freed) * SIZE <= need + need / 10);
	cache_end(&c);
	shrink_conf_set("nodes", "0");
	shrink_conf_set("sysroot", "");
	shrink_core_nodes_reset();
	fakeroot_end();
}

/* ---- G4: a node's worker is stuck in a callback */

static atomic_int let_go;
static atomic_ulong held, by_other, by_own;

static unsigned long scan_hangs(struct cache *c, struct shrink_control *sc)
{
	(void)c;
	(void)sc;
	atomic_store(&held, 1);
	while (!atomic_load(&let_go))
		sleep_ms(1);
	return SHRINK_STOP;
}

static unsigned long scan_says_who(struct cache *c, struct shrink_control *sc)
{
	char name[16] = "";

	(void)c;
	pthread_getname_np(pthread_self(), name, sizeof(name));
	if (atomic_load(&held))
		atomic_fetch_add(strcmp(name, "shrink-node1") ? &by_other : &by_own, 1);
	return sc->nr_to_scan;
}

static void stuck_worker(void)
{
	struct cache hangs, goes;
	struct shrink_stats before, after;

	fakeroot_begin();
	write_nodes(200000);
	shrink_conf_set("sysroot", fakeroot_path(""));
	shrink_conf_set("nodes", "2");
	shrink_conf_set("overrun", "50");
	shrink_core_nodes_reset();
	shrink_stats(&before, sizeof(before));
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	CU_ASSERT_FATAL(cache_alloc(&hangs, SHRINKER_NUMA_AWARE, "hangs", 100000000) != NULL);
	CU_ASSERT_FATAL(cache_alloc(&goes, SHRINKER_NUMA_AWARE, "goes", 100000000) != NULL);
	hangs.s->object_size = goes.s->object_size = SIZE;
	hangs.on_scan = scan_hangs;
	goes.on_scan = scan_says_who;
	ASSERT_INT(shrinker_register(hangs.s), 0);
	write_nodes(100);
	CU_ASSERT(wait_for(&held, 1, 20000));
	ASSERT_INT(shrinker_register(goes.s), 0);
	CU_ASSERT(wait_for(&by_other, 1, 20000)); /* node 0's worker has come to help */
	ASSERT_INT((long)atomic_load(&by_own), 0);
	shrink_stats(&after, sizeof(after));
	CU_ASSERT(after.overruns > before.overruns);
	atomic_store(&let_go, 1);
	CU_ASSERT(wait_for(&by_own, 1, 20000)); /* and has given its node back */
	ASSERT_INT(shrink_stop(), 0);
	ASSERT_INT(threads_of_nodes(), 0);
	cache_end(&hangs);
	cache_end(&goes);
	shrink_conf_set("overrun", "200");
	shrink_conf_set("nodes", "0");
	shrink_conf_set("sysroot", "");
	shrink_core_nodes_reset();
	fakeroot_end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"node: the kernel's watermarks", watermarks},
		{"node: parks after 16 rounds for nothing, and comes back", parks_and_unparks},
		{"node: short and long sleep, hysteresis", sleeps},
		{"node: pressure is answered there only", only_that_node},
		{"node: a parked node is probed once a second", parks_in_time},
		{"node: priority is 12 to 1", never_everything_at_once},
		{"node: one with memory needs no worker", one_node_has_none},
		{"node: a thread for each that has memory", on_threads},
		{"node: no more than to the mark", no_more_than_the_mark},
		{"G4: a stuck worker's node is served by another", stuck_worker},
		{NULL, NULL},
	};

	return test_main(argc, argv, "node", tests);
}

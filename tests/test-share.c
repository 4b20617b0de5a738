// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Several processes, one shortage. The arithmetic of parts and turns; a simulation of
 * processes that are slow to return what they free; and eight of them for real.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shrink/shrink.h>

#include <libshrink/base/bits.h>
#include <libshrink/reclaim/round.h>
#include <libshrink/source/share.h>

#include "tests/cg.h"
#include "tests/harness.h"
#include "tests/random.h"

#define MIB (1024ULL * 1024)
#define MS NSEC_PER_MSEC
#define ALL SHRINK_SHARE_ALL

static void test_parts(void)
{
	uint64_t sum = 0;

	ASSERT_INT(shrink_share_of(100, 0, 0), ALL);
	ASSERT_INT(shrink_share_of(0, 0, -1), ALL);
	ASSERT_INT(shrink_share_of(UINT64_MAX, UINT64_MAX, 1), ALL); /* the sum is capped */
	ASSERT_INT(shrink_share_of(100, 100, 1), ALL / 2 + 1);
	ASSERT_INT(shrink_share_of(30, 70, 3), ALL * 30 / 100 + 1);
	/* nearly nothing of our own: still a quarter of an equal part */
	ASSERT_INT(shrink_share_of(0, 1000, 7), ALL / 4 / 8);
	ASSERT_INT(shrink_share_of(0, 0, 1), ALL / 4 / 2);
	ASSERT_INT(shrink_share_of(0, 1000, 100000), 1);
	/* all parts together are all of it, and hardly more */
	for (uint64_t i = 1; i <= 8; i++)
		sum += shrink_share_of(i * 100, 3600 - i * 100, 7);
	CU_ASSERT(sum >= ALL && sum <= ALL + 8);
}

static void test_turns(void)
{
	struct shrink_turns t = {0};
	uint32_t share = 0;

	/* alone: always, and all */
	CU_ASSERT(shrink_share_turn(&t, 5, 100, false, ALL, 0, 1, &share) && share == ALL);
	CU_ASSERT(shrink_share_turn(&t, 6, 90, false, ALL, 0, 1, &share) && share == ALL);

	t = (struct shrink_turns){0};
	CU_ASSERT(shrink_share_turn(&t, 10 * MS, 800, false, 128, 7, 0, &share));
	ASSERT_INT(share, 128);
	/* it took 4 ms: 28 ms for the seven others, less a quarter at the least */
	CU_ASSERT(!shrink_share_turn(&t, 14 * MS, 700, false, 128, 7, 0, &share));
	CU_ASSERT(!shrink_share_turn(&t, 34 * MS, 700, false, 128, 7, 0, &share));
	CU_ASSERT(shrink_share_turn(&t, 35 * MS, 500, false, 128, 7, 0, &share));
	ASSERT_INT(share, 128); /* others have worked: the need has fallen */
	CU_ASSERT(!shrink_share_turn(&t, 36 * MS, 480, false, 128, 7, 0, &share));
	CU_ASSERT(shrink_share_turn(&t, 90 * MS, 480, false, 128, 7, 0, &share));
	ASSERT_INT(share, 256); /* nobody else did: twice our part */
	CU_ASSERT(!shrink_share_turn(&t, 91 * MS, 480, false, 128, 7, 0, &share));
	CU_ASSERT(shrink_share_turn(&t, 92 * MS, 480, true, 128, 7, 0, &share)); /* critical */
	ASSERT_INT(share, 512);
	CU_ASSERT(shrink_share_turn(&t, 93 * MS, 900, false, 128, 7, 0, &share)); /* worse */
	ASSERT_INT(share, 128);
	for (uint64_t ms = 200; ms < 4000; ms += 400) {
		CU_ASSERT(!shrink_share_turn(&t, ms * MS, 900, false, 128, 7, 0, &share));
		CU_ASSERT(shrink_share_turn(&t, (ms + 200) * MS, 900, false, 128, 7, 0, &share));
	}
	ASSERT_INT(share, ALL); /* at last it is all ours, and no more than that */
	/* a wait is never longer than this, whatever a round took */
	CU_ASSERT(!shrink_share_turn(&t, 9000 * MS, 900, false, 128, 7, UINT64_MAX, &share));
	CU_ASSERT(shrink_share_turn(&t, 9126 * MS, 900, false, 128, 7, 0, &share));
}

#define PROCS 8

/* Processes that take turns on a common need. What one frees comes back only after a
 * while (an allocator's trim on a busy machine), and the others do not see it before. */
struct proc {
	struct shrink_turns turns;
	uint64_t coming, comes_at; /* bytes freed, not yet returned */
};

static uint64_t simulate(struct random *rnd, bool shared, unsigned int dead)
{
	struct proc procs[PROCS] = {0};
	const uint64_t need0 = 1 << 20;
	uint64_t returned = 0, freed = 0, now = 1;

	for (; returned < need0 && now < 20000 * MS; now += MS / 4) {
		struct proc *p = &procs[random_below(rnd, PROCS)];
		uint64_t need;
		uint32_t share;

		for (int i = 0; i < PROCS; i++)
			if (procs[i].coming && now >= procs[i].comes_at) {
				returned += procs[i].coming;
				procs[i].coming = 0;
			}
		need = shrink_sub_u64(need0, returned);
		if (!need || p->coming || p < procs + dead)
			continue;
		if (!shrink_share_turn(&p->turns, now, need, false, shared ? ALL / PROCS + 1 : ALL,
				       shared ? PROCS - 1 : 0, random_next(rnd), &share))
			continue;
		p->coming = need * share / ALL + 1;
		freed += p->coming;
		p->comes_at = now + (1 + random_below(rnd, 20)) * MS;
	}
	CU_ASSERT(returned >= need0);
	return freed * 100 / need0;
}

static void test_simulated(void)
{
	struct random rnd = random_new();
	uint64_t worst = 0, twin = UINT64_MAX;

	for (int i = 0; i < 500; i++)
		worst = shrink_max_u64(worst, simulate(&rnd, true, 0));
	/* The whole need by each that sees it */
	for (int i = 0; i < 100; i++)
		twin = shrink_min_u64(twin, simulate(&rnd, false, 0));
	printf("# freed of what was needed: shared at most %llu %%, each for himself at least "
	       "%llu %%\n", (unsigned long long)worst, (unsigned long long)twin);
	CU_ASSERT(worst <= 120);
	CU_ASSERT(twin > 150); /* the broken twin */
	/* some do nothing, and even all but one: the rest get there all the same */
	for (unsigned int dead = 1; dead < PROCS; dead++)
		simulate(&rnd, true, dead);
}

/* The real thing: eight caches in one group, each a ring of entries in one mapping. */
#define ENTRY (64ULL * 1024)
#define CACHE (32 * MIB)
#define LIMIT (512 * MIB)
#define LOW "48M"
#define HIGH (64 * MIB)

struct cell {
	_Atomic uint64_t dropped;
	_Atomic int ready; /* percent of the pressure that it answers, as it says */
};

static struct cell *cells;
static struct cg group;
static unsigned char *ring;
static _Atomic unsigned long head;

static unsigned long ring_count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return CACHE / ENTRY - head;
}

static unsigned long ring_scan(struct shrinker *s, struct shrink_control *sc)
{
	struct cell *cell = s->private_data;
	unsigned long n = 0;

	while (n < sc->nr_to_scan && head < CACHE / ENTRY) {
		madvise(ring + head++ * ENTRY, ENTRY, MADV_DONTNEED);
		n++;
	}
	atomic_fetch_add(&cell->dropped, n * ENTRY);
	sc->bytes_freed = n * ENTRY;
	return n;
}

static void say_part(struct cell *cell)
{
	struct shrink_source_info infos[32];
	int n = shrink_sources(infos, 32, sizeof(infos[0])), others = 0, percent = 0;

	for (int i = 0; i < n; i++)
		if (!strcmp(infos[i].name, "usage") &&
		    sscanf(infos[i].reason, "%d more in this group run libshrink: %d", &others,
			   &percent) == 2 && others == PROCS - 1)
			atomic_store(&cell->ready, percent);
}

static void be_cache(struct cell *cell)
{
	struct shrinker *s;

	ring = mmap(NULL, CACHE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ring == MAP_FAILED || madvise(ring, CACHE, MADV_NOHUGEPAGE))
		_exit(1);
	memset(ring, 1, CACHE);
	s = shrinker_alloc(SHRINKER_SELF_RELEASE, "ring");
	if (!s)
		_exit(1);
	s->count_objects = ring_count;
	s->scan_objects = ring_scan;
	s->private_data = cell;
	s->object_size = ENTRY;
	shrink_conf_set("low_bytes", LOW);
	shrink_conf_set("high_bytes", "64M");
	shrink_conf_set("memavailable", "off");
	shrink_conf_set("zones", "off");
	if (shrinker_register(s) < 0 || shrink_start(0) < 0)
		_exit(1);
	alarm(120);
	for (;;) {
		usleep(20000);
		say_part(cell);
	}
}

/* Until all know of all; false: not in time. */
static bool all_ready(void)
{
	for (int i = 0; i < 1500; i++) {
		int ready = 0;

		for (int k = 0; k < PROCS; k++)
			ready += atomic_load(&cells[k].ready) != 0;
		if (ready == PROCS)
			return true;
		usleep(20000);
	}
	return false;
}

static uint64_t dropped(void)
{
	uint64_t sum = 0;

	for (int k = 0; k < PROCS; k++)
		sum += atomic_load(&cells[k].dropped);
	return sum;
}

/* Balanced, and nobody has dropped anything for half a second. */
static bool settled(void)
{
	uint64_t before = dropped();
	int quiet = 0;

	for (int i = 0; i < 3000 && quiet < 50; i++) {
		usleep(10000);
		quiet = dropped() == before ? quiet + 1 : 0;
		before = dropped();
		if (LIMIT - cg_usage(&group) < 48 * MIB)
			quiet = 0;
	}
	return quiet == 50;
}

static void press(void)
{
	char path[512], bytes[32];
	char *const argv[] = {path, (char *)"anon", bytes, (char *)"60000", NULL};
	const char *builddir = getenv("top_builddir");
	uint64_t free_now = LIMIT - cg_usage(&group), total, over, needed;

	snprintf(path, sizeof(path), "%s/tests/eater", builddir ? builddir : ".");
	/* 12 MiB would be left */
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)(free_now - 12 * MIB));
	CU_ASSERT(cg_spawn(&group, argv) > 0);
	for (int i = 0; i < 3000 && !dropped(); i++)
		usleep(10000);
	CU_ASSERT(settled());
	total = dropped();
	over = shrink_sub_u64(LIMIT - cg_usage(&group), HIGH);
	needed = shrink_sub_u64(total, over);
	printf("# %llu KiB dropped, %llu KiB needed; by each, KiB:",
	       (unsigned long long)total / 1024, (unsigned long long)needed / 1024);
	for (int k = 0; k < PROCS; k++)
		printf(" %llu", (unsigned long long)atomic_load(&cells[k].dropped) / 1024);
	printf("\n");
	CU_ASSERT(needed > 30 * MIB);
	CU_ASSERT(total * 10 <= needed * 12);
	ASSERT_INT((long long)cg_limit_hits(&group), 0);
}

static void test_eight(void)
{
	const char *why = cg_create_limited(&group, "share", LIMIT);
	pid_t pids[PROCS];

	if (why)
		SKIP("no child group: %s", why);
	cells = mmap(NULL, PROCS * sizeof(*cells), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int k = 0; k < PROCS; k++) {
		pids[k] = fork();
		if (!pids[k]) {
			if (cg_move(&group, 0) < 0)
				_exit(1);
			be_cache(&cells[k]);
		}
	}
	if (all_ready()) {
		for (int k = 0; k < PROCS; k++)
			CU_ASSERT(atomic_load(&cells[k].ready) >= 9 &&
				  atomic_load(&cells[k].ready) <= 16);
		press();
	} else {
		CU_FAIL("they did not find each other");
	}
	for (int k = 0; k < PROCS; k++) {
		CU_ASSERT(!waitpid(pids[k], NULL, WNOHANG)); /* still there */
		kill(pids[k], SIGKILL);
		waitpid(pids[k], NULL, 0);
	}
	cg_remove(&group);
	munmap(cells, PROCS * sizeof(*cells));
}

static const struct test tests[] = {
	{"parts", test_parts},
	{"turns", test_turns},
	{"slow returns, simulated, and the broken twin", test_simulated},
	{"eight processes free at most 1.2 times what is needed", test_eight},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "share", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Every allocation of the groups' paths fails once: a life of groups - made, limited,
 * charged, bound, grown by new shrinkers, ended with their objects becoming the
 * parent's - is lived again and again, the k-th allocation failing, k = 1, 2, ...
 * Each call works or says that memory ran short. Nothing is lost: what was put in
 * comes out by reclaim. Nothing is leaked: memory, descriptors, groups, references.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libshrink/core/memcg.h>
#include <libshrink/os/alloc.h>
#include <libshrink/os/fd.h>

#include "tests/cache.h"
#include "tests/harness.h"

#define GROUPS 4
#define FILLERS 130 /* two units more */
#define OBJECT 4096
#define TURNS_MAX 3000

/* ---- what is allocated and not given back */

static long live;

void *__real_shrink_os_alloc(size_t size);
char *__real_shrink_os_strdup(const char *text);
void __real_shrink_os_free(void *p);
void *__wrap_shrink_os_alloc(size_t size);
char *__wrap_shrink_os_strdup(const char *text);
void __wrap_shrink_os_free(void *p);

void *__wrap_shrink_os_alloc(size_t size)
{
	void *p = __real_shrink_os_alloc(size);

	live += p != NULL;
	return p;
}

char *__wrap_shrink_os_strdup(const char *text)
{
	char *p = __real_shrink_os_strdup(text);

	live += p != NULL;
	return p;
}

void __wrap_shrink_os_free(void *p)
{
	live -= p != NULL;
	__real_shrink_os_free(p);
}

/* ---- a life */

static int unexpected; /* neither success nor want of memory; a line for the first */
#define EXPECT(what)                                                                               \
	do {                                                                                       \
		if (!(what) && !unexpected)                                                        \
			unexpected = __LINE__;                                                     \
	} while (0)

static struct shrink_memcg *group[GROUPS]; /* each below the one before; NULL = none */
static unsigned long objects[GROUPS];
static char dir[64];

static bool ok(int r)
{
	EXPECT(r >= 0 || r == -ENOMEM);
	return r >= 0;
}

static int index_of(const struct shrink_memcg *memcg)
{
	for (int i = 0; i < GROUPS; i++)
		if (group[i] && group[i] == memcg)
			return i;
	return -1;
}

static unsigned long count(struct cache *c, struct shrink_control *sc)
{
	int i = index_of(sc->memcg);

	(void)c;
	return i >= 0 && objects[i] ? objects[i] : SHRINK_EMPTY;
}

static unsigned long scan(struct cache *c, struct shrink_control *sc)
{
	int i = index_of(sc->memcg);
	unsigned long n;

	(void)c;
	if (i < 0)
		return SHRINK_STOP;
	n = objects[i] < sc->nr_to_scan ? objects[i] : sc->nr_to_scan;
	objects[i] -= n;
	shrink_memcg_uncharge(group[i], n * OBJECT);
	return n;
}

static void make_groups(void)
{
	for (int i = 0; i < GROUPS; i++) {
		if (i && !group[i - 1])
			break;
		group[i] = shrink_memcg_create(i ? group[i - 1] : NULL, "torture-%d", i);
		EXPECT(group[i] || errno == ENOMEM);
		if (!group[i])
			continue;
		ok(shrink_memcg_set_limit(group[i], SHRINK_MEMCG_LIMIT_LOW, 100 * OBJECT));
		ok(shrink_memcg_set_limit(group[i], SHRINK_MEMCG_LIMIT_MAX, 4000 * OBJECT));
		ok(shrink_memcg_set_oom(group[i], NULL, NULL));
		ok(shrink_memcg_event_fd(group[i]));
		ok(shrink_memcg_bind(group[i], dir));
		ok(shrink_memcg_bind(group[i], NULL));
	}
}

static void put_in(int i, const struct shrinker *s, unsigned long n)
{
	if (!group[i] || !s || !ok(shrink_memcg_charge(group[i], n * OBJECT, SHRINK_GFP_ALL)))
		return;
	objects[i] += n;
	shrink_memcg_set_bit(group[i], 0, s);
}

/* All that was put in comes out: bits are where the objects are. */
static void takes_all_out(int i)
{
	unsigned long had = objects[i];

	if (had)
		EXPECT(shrink_slab(SHRINK_GFP_ALL, 0, group[i], 0) == had && !objects[i]);
}

/* Objects become the parent's, as a cache would move them; then its end. */
static void end_group(int i)
{
	if (!group[i])
		return;
	if (i) {
		objects[i - 1] += objects[i];
		EXPECT(!shrink_memcg_charge(group[i - 1], objects[i] * OBJECT, SHRINK_GFP_ALL));
		shrink_memcg_uncharge(group[i], objects[i] * OBJECT);
		objects[i] = 0;
	}
	EXPECT(atomic_load(&group[i]->refs) >= 1);
	EXPECT(shrink_memcg_destroy(group[i]) == 0);
	group[i] = NULL;
}

static void life(void)
{
	static struct shrinker *filler[FILLERS];
	struct cache c;
	bool there;

	make_groups();
	there = cache_alloc(&c, SHRINKER_MEMCG_AWARE, "torture", 0) != NULL;
	c.on_count = count;
	c.on_scan = scan;
	there = there && ok(shrinker_register(c.s));
	for (int i = 0; there && i < GROUPS; i++)
		put_in(i, c.s, 256);
	for (int i = 0; i < FILLERS; i++) { /* maps grow under what is in them */
		filler[i] = shrinker_alloc(SHRINKER_MEMCG_AWARE, "torture-filler");
		EXPECT(filler[i] || errno == ENOMEM);
	}
	takes_all_out(1);
	put_in(1, c.s, 256);
	if (group[3])
		shrink_slab(SHRINK_GFP_ALL, 0, group[3], 6); /* puts something off */
	end_group(3);
	takes_all_out(2); /* its own, and those of the one that ended */
	end_group(2);
	end_group(1);
	if (group[0])
		EXPECT(shrink_memcg_force_empty(group[0]) >= 0 && !objects[0]);
	shrink_memcg_drain();
	if (group[0])
		EXPECT(shrink_memcg_usage(group[0]) == 0);
	end_group(0);
	for (int i = 0; i < FILLERS; i++)
		shrinker_free(filler[i]);
	shrinker_free(c.s);
	EXPECT(shrink_memcg_count() == 0);
}

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	CU_ASSERT_FATAL(f != NULL);
	fputs(text, f);
	fclose(f);
}

static const char *const files[] = {"memory.current", "memory.max"};

/* A directory to bind to. */
static void make_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/memcg-torture-XXXXXX");
	CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
	write_file(files[0], "0\n");
	write_file(files[1], "max\n");
}

static void remove_dir(void)
{
	char path[128];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

/* What a process has after its first life, in which the k-th allocation failed, and a
 * second one; shared with the parent. */
static struct result {
	int unexpected;
	unsigned long made; /* allocations of the first life */
	long live;
	unsigned int fds;
} *result;

static void first_life_apart(unsigned long k)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (shrink_start(SHRINK_START_SIMULATED) < 0)
			_exit(1);
		shrink_os_alloc_fail(k);
		life();
		result->made = shrink_os_alloc_fail(0);
		life(); /* it has recovered, and has made what is kept */
		result->unexpected = unexpected;
		result->live = live;
		result->fds = shrink_os_fd_count();
		_exit(0);
	}
	CU_ASSERT_FATAL(waitpid(pid, &status, 0) == pid);
	ASSERT_INT(status, 0);
	ASSERT_INT(result->unexpected, 0); /* else: the line */
}

/* Maps grow in the first life of a process only. Each k in one of its own. */
static void growth(void)
{
	struct result good;
	unsigned long k;

	result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(result != MAP_FAILED);
	make_dir();
	first_life_apart(0);
	good = *result;
	for (k = 1; k < TURNS_MAX && k <= good.made; k++) {
		first_life_apart(k);
		ASSERT_INT(result->live, good.live);
		ASSERT_INT(result->fds, good.fds);
		if (result->unexpected || result->live != good.live)
			break;
	}
	CU_ASSERT(good.made > GROUPS * 2 * 3); /* two units each at two nodes, and arrays */
	CU_ASSERT(k == good.made + 1);
	printf("# %lu allocations failed in turn\n", k - 1);
	munmap(result, sizeof(*result));
	remove_dir();
}

static void each_allocation(void)
{
	long live_before;
	unsigned int fds;
	unsigned long k, total;

	make_dir();
	sim_begin();
	life(); /* what is made once and kept is made now */
	ASSERT_INT(unexpected, 0);
	live_before = live;
	fds = shrink_os_fd_count();
	for (k = 1; k < TURNS_MAX; k++) {
		unexpected = 0;
		shrink_os_alloc_fail(k);
		life();
		total = shrink_os_alloc_fail(0);
		ASSERT_INT(unexpected, 0); /* else: the line */
		ASSERT_INT(live, live_before);
		ASSERT_INT(shrink_os_fd_count(), fds);
		if (total < k || unexpected || live != live_before)
			break;
	}
	CU_ASSERT(k > 100 && k < TURNS_MAX); /* many did fail, and all of them */
	printf("# %lu allocations failed in turn\n", k - 1);
	sim_end();
	remove_dir();
}

/* The count of what is live sees a leak. */
static void leaks_are_seen(void)
{
	long before = live;
	struct shrink_memcg *memcg = shrink_memcg_create(NULL, "leak");

	CU_ASSERT_FATAL(memcg != NULL);
	shrink_memcg_get(memcg);
	ASSERT_INT(shrink_memcg_destroy(memcg), 0);
	CU_ASSERT(live > before);
	shrink_memcg_put(memcg);
	ASSERT_INT(live, before);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"torture: maps that grow", growth},
		{"torture: every allocation of the groups' paths fails once", each_allocation},
		{"torture: leaks are seen", leaks_are_seen},
		{NULL, NULL},
	};

	if (shrink_conf_set("nodes", "2") < 0)
		return 99;
	return test_main(argc, argv, "memcg-torture", tests);
}

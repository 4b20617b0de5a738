// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Reclaim of groups on request (contract 4.5, 4.6), their events, and groups bound to
 * the kernel's. On the virtual clock. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cg.h"
#include "tests/gcache.h"
#include "tests/group.h"
#include "tests/harness.h"

#define KB 1024ULL
#define MB (1024 * 1024ULL)
#define OBJECT 4096ULL

static void arguments(void)
{
	struct shrink_memcg *a = group_new(NULL), *root = shrink_memcg_root();
	struct shrink_memcg_stats st;

	CU_ASSERT(shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_MAX) == SHRINK_MEMCG_MAX);
	CU_ASSERT(shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_HIGH) == SHRINK_MEMCG_MAX);
	CU_ASSERT(shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_SOFT) == SHRINK_MEMCG_MAX);
	ASSERT_INT((long)shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_MIN), 0);
	ASSERT_INT((long)shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_LOW), 0);
	ASSERT_INT((long)shrink_memcg_get_limit(root, SHRINK_MEMCG_LIMIT_MAX), 0);
	ASSERT_INT(shrink_memcg_set_limit(root, SHRINK_MEMCG_LIMIT_MAX, 1), -EINVAL);
	ASSERT_INT(shrink_memcg_set_limit(NULL, SHRINK_MEMCG_LIMIT_MAX, 1), -EINVAL);
	ASSERT_INT(shrink_memcg_set_limit(a, (enum shrink_memcg_limit)5, 1), -EINVAL);
	ASSERT_INT(shrink_memcg_set_oom(root, NULL, NULL), -EINVAL);
	ASSERT_INT(shrink_memcg_event_fd(root), -EINVAL);
	ASSERT_INT(shrink_memcg_bind(root, "/"), -EINVAL);
	ASSERT_INT(shrink_memcg_bind(a, "/proc"), -ENOENT);
	ASSERT_INT(shrink_memcg_stats(NULL, &st, sizeof(st)), -EINVAL);
	ASSERT_INT(shrink_memcg_stats(a, &st, 0), -EINVAL);
	ASSERT_INT(shrink_memcg_stats(root, &st, sizeof(st)), 0);
	ASSERT_INT(st.children, 1);
	ASSERT_INT((long)shrink_memcg_reclaim(NULL, 1, NULL), -EINVAL);
	ASSERT_INT((long)shrink_memcg_reclaim(a, 1, NULL), -ENOTCONN);
	ASSERT_INT((long)shrink_memcg_force_empty(a), -ENOTCONN);
	ASSERT_INT((long)shrink_memcg_soft_reclaim(1), -ENOTCONN);
	group_end(a);
}


static void reclaim_by_steps(void)
{
	struct shrink_memcg *a = group_new(NULL), *b = group_new(a);
	uint64_t freed = 1;
	struct gcache g;
	int64_t r;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "steps", OBJECT);
	ASSERT_INT(gcache_insert(&g, a, 0, 1000), 0);
	ASSERT_INT(gcache_insert(&g, b, 0, 1000), 0);
	r = shrink_memcg_reclaim(a, 4 * MB, NULL);
	CU_ASSERT(r >= (int64_t)(4 * MB) && r < (int64_t)(5 * MB));
	/* of the group and those below, in proportion */
	CU_ASSERT(gcache_objects(&g, a) > 300 && gcache_objects(&g, b) > 300);
	ASSERT_INT((long)shrink_memcg_reclaim(a, 100 * MB, &freed), -EAGAIN);
	ASSERT_INT((long)freed, (long)(2000 * OBJECT) - (long)r);
	ASSERT_INT(group_exact(a), 0);
	ASSERT_INT((long)group_stats(a).freed_bytes, 2000 * OBJECT);
	ASSERT_INT((long)(group_stats(b).freed_bytes / OBJECT), 1000);
	gcache_end(&g);
	group_end(b);
	group_end(a);
	sim_end();
}

/* Each step asks for a quarter of what remains, 32 pages at the least, and gets it. */
static void steps_are_quarters(void)
{
	struct shrink_memcg *a = group_new(NULL);
	uint64_t left = 16 * MB, steps = 0, begun;
	struct shrink_round r[64];
	struct gcache g;
	int n;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "quarters", OBJECT);
	ASSERT_INT(shrinker_set_batch(g.c.s, 1), 0);
	ASSERT_INT(gcache_insert(&g, a, 0, 100000), 0);
	shrink_sim_step(1000000000000); /* other tests' rounds were before */
	begun = shrink_clock();
	CU_ASSERT(shrink_memcg_reclaim(a, left, NULL) >= (int64_t)left);
	n = shrink_rounds(r, 64, sizeof(r[0]));
	CU_ASSERT(n > 0 && n <= 64);
	for (int i = n - 1; i >= 0; i--) { /* newest first */
		if (r[i].begin_nsec < begun)
			continue;
		steps++;
		CU_ASSERT(r[i].requested_bytes == (left / 4 > 128 * KB ? left / 4 : 128 * KB));
		CU_ASSERT(r[i].freed_bytes >= r[i].requested_bytes);
		left = r[i].freed_bytes < left ? left - r[i].freed_bytes : 0;
	}
	CU_ASSERT(steps > 10);
	ASSERT_INT((long)left, 0);
	/* nothing comes: 16 tries, all alike */
	g.c.on_scan = gcache_scan_nothing;
	ASSERT_INT((long)shrink_memcg_reclaim(a, MB, NULL), -EAGAIN);
	CU_ASSERT(atomic_load(&g.c.mine) > 0);
	ASSERT_INT((long)atomic_load(&g.c.mine) % 16, 0);
	gcache_end(&g);
	group_end(a);
	sim_end();
}

static void worst_offender_first(void)
{
	struct shrink_memcg *a = group_new(NULL), *b = group_new(NULL), *c = group_new(NULL);
	struct gcache g;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "soft", OBJECT);
	ASSERT_INT(gcache_insert(&g, a, 0, 2048), 0);
	ASSERT_INT(gcache_insert(&g, b, 0, 1024), 0);
	ASSERT_INT(gcache_insert(&g, c, 0, 4096), 0);
	group_limit(a, SHRINK_MEMCG_LIMIT_SOFT, 2 * MB); /* 6 MiB over */
	group_limit(b, SHRINK_MEMCG_LIMIT_SOFT, 2 * MB); /* 2 MiB over */
	shrink_memcg_drain();
	CU_ASSERT(shrink_memcg_soft_reclaim(1 * MB) >= (int64_t)(1 * MB));
	CU_ASSERT(gcache_objects(&g, a) <= 2048 - 256);
	ASSERT_INT(gcache_objects(&g, b), 1024);
	CU_ASSERT(shrink_memcg_soft_reclaim(100 * MB) > 0);
	CU_ASSERT(group_exact(a) <= (long)(2 * MB) && group_exact(a) > (long)(1 * MB));
	CU_ASSERT(group_exact(b) <= (long)(2 * MB) && group_exact(b) > (long)(1 * MB));
	ASSERT_INT(gcache_objects(&g, c), 4096);
	ASSERT_INT((long)shrink_memcg_soft_reclaim(MB), 0);
	gcache_end(&g);
	group_end(a);
	group_end(b);
	group_end(c);
	sim_end();
}

static int readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void events_notify(void)
{
	struct shrink_memcg *a = group_new(NULL), *b = group_new(a);
	uint64_t value;
	int fd;

	sim_begin();
	fd = shrink_memcg_event_fd(a);
	CU_ASSERT_FATAL(fd >= 0);
	ASSERT_INT(shrink_memcg_event_fd(a), fd);
	CU_ASSERT(!readable(fd));
	group_limit(b, SHRINK_MEMCG_LIMIT_MAX, MB);
	ASSERT_INT(shrink_memcg_charge(b, 2 * MB, SHRINK_GFP_ALL), -ENOMEM);
	CU_ASSERT(readable(fd));
	ASSERT_INT((long)read(fd, &value, sizeof(value)), 8);
	ASSERT_INT((long)group_stats(a).events_oom, 1); /* those below count */
	group_end(b);
	group_end(a);
	sim_end();
}

static void bound_to_the_kernels(void)
{
	struct shrink_memcg *a = group_new(NULL);
	const char *why;
	struct cg cg;

	why = cg_create_v1(&cg, "memcg-bind", 64 * MB);
	if (why) {
		ASSERT_INT(shrink_memcg_destroy(a), 0);
		SKIP("%s", why);
	}
	ASSERT_INT(shrink_memcg_bind(a, cg.dir), 0);
	ASSERT_INT((long)shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_MAX), 64 * MB);
	ASSERT_INT((long)shrink_memcg_usage(a), (long)cg_number(&cg, "memory.usage_in_bytes"));
	ASSERT_INT(shrink_memcg_charge(a, 65 * MB, SHRINK_GFP_ALL), -ENOMEM);
	ASSERT_INT(shrink_memcg_charge(a, 60 * MB, SHRINK_GFP_ALL), 0);
	group_limit(a, SHRINK_MEMCG_LIMIT_HIGH, 32 * MB); /* the kernel's usage is 0 */
	ASSERT_INT(shrink_memcg_bind(a, NULL), 0);
	ASSERT_INT(group_exact(a), 60 * MB);
	CU_ASSERT(shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_MAX) == SHRINK_MEMCG_MAX);
	for (int i = 0; i < 3; i++) {
		ASSERT_INT(shrink_memcg_bind(a, cg.dir), 0);
		ASSERT_INT(shrink_memcg_bind(a, NULL), 0);
	}
	ASSERT_INT(shrink_memcg_bind(a, cg.dir), 0);
	ASSERT_INT(shrink_memcg_bind(a, NULL), -ENOSPC);
	shrink_memcg_uncharge(a, 60 * MB);
	shrink_memcg_drain();
	ASSERT_INT(shrink_memcg_destroy(a), 0);
	cg_remove(&cg);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	CU_ASSERT_FATAL(f != NULL);
	fputs(text, f);
	fclose(f);
}

/* Files as cgroup v2 has them; a kernel's own are in the guests' tests. */
static void bound_to_v2(void)
{
	static const char *const files[] = {"memory.current", "memory.max", "memory.high"};
	char dir[] = "/tmp/memcg-bind-XXXXXX", path[256];
	struct shrink_memcg *a = group_new(NULL);
	struct gcache g;

	CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
	write_file(dir, "memory.current", "1000000\n");
	write_file(dir, "memory.max", "max\n");
	write_file(dir, "memory.high", "max\n");
	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "bound", OBJECT);
	ASSERT_INT(shrink_memcg_bind(a, dir), 0);
	ASSERT_INT((long)shrink_memcg_usage(a), 1000000);
	CU_ASSERT(shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_MAX) == SHRINK_MEMCG_MAX);
	CU_ASSERT(shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_HIGH) == SHRINK_MEMCG_MAX);
	/* limits change at run time; the tighter of the kernel's and ours counts */
	write_file(dir, "memory.max", "8388608\n");
	write_file(dir, "memory.high", "4194304\n");
	ASSERT_INT((long)shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_MAX), 8 * MB);
	ASSERT_INT((long)shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_HIGH), 4 * MB);
	/* over its high, below its max: granted, and counted */
	ASSERT_INT(shrink_memcg_charge(a, 5 * MB, SHRINK_GFP_ALL), 0);
	write_file(dir, "memory.current", "5242880\n");
	ASSERT_INT(shrink_memcg_charge(a, 1 * MB, SHRINK_GFP_ALL), 0);
	CU_ASSERT(group_stats(a).events_high > 0);
	shrink_memcg_uncharge(a, 6 * MB);
	shrink_memcg_drain();
	write_file(dir, "memory.current", "1000000\n");
	ASSERT_INT(shrink_memcg_set_limit(a, SHRINK_MEMCG_LIMIT_MAX, 2 * MB), 0);
	ASSERT_INT((long)shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_MAX), 2 * MB);
	ASSERT_INT(shrink_memcg_charge(a, 3 * MB, SHRINK_GFP_ALL), -ENOMEM);
	ASSERT_INT(shrink_memcg_charge(a, MB / 2, SHRINK_GFP_ALL), 0);
	/* the kernel says that it is full, whatever has been charged here */
	write_file(dir, "memory.current", "2097152\n");
	ASSERT_INT(shrink_memcg_charge(a, MB / 2, SHRINK_GFP_ALL), -ENOMEM);
	shrink_memcg_uncharge(a, MB / 2);
	ASSERT_INT(shrink_memcg_bind(a, NULL), 0);
	gcache_end(&g);
	group_end(a);
	sim_end();
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

/* shrink_memcg_create(3), "Groups that are offline". */
static void offline(void)
{
	struct shrink_memcg *p = group_new(NULL), *a = group_new(p), *found;
	struct gcache g;
	char name[16];
	int fd;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "offline", OBJECT);
	group_limit(a, SHRINK_MEMCG_LIMIT_LOW, MB);
	group_limit(a, SHRINK_MEMCG_LIMIT_MAX, 4 * MB);
	ASSERT_INT(shrink_memcg_charge(a, MB, SHRINK_GFP_ALL), 0);
	shrink_memcg_get(a);
	ASSERT_INT(shrink_memcg_offline(a), 0);

	found = shrink_memcg_create(a, "below");
	ASSERT_INT(errno, ESTALE);
	CU_ASSERT(found == NULL);
	ASSERT_INT(shrink_memcg_charge(a, 1, SHRINK_GFP_ALL), -ESTALE);
	ASSERT_INT((long)shrink_memcg_reclaim(a, 1, NULL), -ESTALE);
	ASSERT_INT((long)shrink_memcg_force_empty(a), -ESTALE);
	for (int which = 0; which <= SHRINK_MEMCG_LIMIT_SOFT; which++)
		ASSERT_INT(shrink_memcg_set_limit(a, (enum shrink_memcg_limit)which, 1), -ESTALE);
	ASSERT_INT(shrink_memcg_bind(a, "/"), -ESTALE);
	ASSERT_INT(shrink_memcg_bind(a, NULL), 0);
	ASSERT_INT(shrink_memcg_set_oom(a, (void (*)(void *, struct shrink_memcg *, uint64_t))abort,
					NULL), -ESTALE);
	ASSERT_INT(shrink_memcg_set_oom(a, NULL, NULL), 0);

	ASSERT_INT((long)shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_LOW), 0);
	ASSERT_INT((long)shrink_memcg_get_limit(a, SHRINK_MEMCG_LIMIT_MAX), 4 * MB);
	ASSERT_INT((long)shrink_memcg_room(a), 0);
	ASSERT_INT(group_exact(a), MB);
	ASSERT_INT(group_exact(p), MB);
	shrink_memcg_uncharge(a, MB);
	ASSERT_INT((long)shrink_memcg_usage(p), 0);
	ASSERT_INT((long)group_stats(a).online, 0);
	ASSERT_INT(shrink_memcg_name(a, name, sizeof(name)), 5);
	CU_ASSERT(shrink_memcg_parent(a) == p);
	fd = shrink_memcg_event_fd(a);
	CU_ASSERT(fd >= 0 && !readable(fd));
	atomic_store(&gcache_place(&g, p)->objects[0], 256);
	shrink_memcg_set_bit(a, 0, g.c.s);
	ASSERT_INT((long)shrink_slab(SHRINK_GFP_ALL, 0, a, 1), 0);
	ASSERT_INT((long)shrink_slab(SHRINK_GFP_ALL, 0, p, 1), 256);
	ASSERT_INT((long)shrink_memcg_soft_reclaim(1), 0);
	ASSERT_INT(shrink_memcg_offline(a), -EALREADY);
	ASSERT_INT(shrink_memcg_destroy(a), 0);
	ASSERT_INT(shrink_memcg_destroy(a), -EALREADY);
	shrink_memcg_put(a);
	gcache_end(&g);
	shrink_memcg_drain();
	ASSERT_INT(shrink_memcg_destroy(p), 0);
	sim_end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"arguments", arguments},
		{"reclaim by steps, -EAGAIN, force-empty", reclaim_by_steps},
		{"4.5: steps are a quarter of what remains", steps_are_quarters},
		{"4.6: worst offender first", worst_offender_first},
		{"events notify", events_notify},
		{"bound to a group of the kernel", bound_to_the_kernels},
		{"bound to files of cgroup v2", bound_to_v2},
		{"what works on a group that is offline", offline},
		{NULL, NULL},
	};

	return test_main(argc, argv, "memcg-limit", tests);
}

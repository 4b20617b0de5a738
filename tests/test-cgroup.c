// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The own memory group, on made-up systems. The real one: test-cgroup-native.c */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libshrink/os/cgroup-find.h>
#include <libshrink/os/cgroup.h>
#include <libshrink/os/fd.h>

#include "tests/fakeroot.h"
#include "tests/harness.h"

#define MIB (1024ULL * 1024)
#define V1_NONE 0x7ffffffffffff000ULL

static struct shrink_cgroup cg;

static void v1_group(const char *dir, uint64_t limit, uint64_t usage)
{
	char path[8192];

	snprintf(path, sizeof(path), "%s/memory.limit_in_bytes", dir);
	fakeroot_file(path, "%llu\n", (unsigned long long)limit);
	snprintf(path, sizeof(path), "%s/memory.usage_in_bytes", dir);
	fakeroot_file(path, "%llu\n", (unsigned long long)usage);
}

static void v2_group(const char *dir, const char *max, const char *high, uint64_t usage)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/memory.max", dir);
	fakeroot_file(path, "%s\n", max);
	snprintf(path, sizeof(path), "%s/memory.high", dir);
	fakeroot_file(path, "%s\n", high);
	snprintf(path, sizeof(path), "%s/memory.current", dir);
	fakeroot_file(path, "%llu\n", (unsigned long long)usage);
}

/* The tightest level: its folder and limit. */
static void expect(const char *dir, uint64_t limit, enum shrink_limit_kind kind)
{
	struct shrink_cgroup_usage u = {.level = -1};

	ASSERT_INT(shrink_os_cgroup_read(&cg, 0, &u), 0);
	CU_ASSERT_EQUAL(u.limit, limit);
	ASSERT_INT(u.kind, kind);
	if (u.level >= 0)
		CU_ASSERT_STRING_EQUAL(cg.level[u.level].dir, dir);
}

static void end(void)
{
	shrink_os_cgroup_close(&cg);
	ASSERT_INT(shrink_os_fd_count(), 0);
	fakeroot_end();
}

static void test_below(void)
{
	static const struct {
		const char *root, *path, *rel;
		int result;
		unsigned int hidden;
	} table[] = {
		{"/", "/", "", 0, 0},
		{"/", "/a/b", "/a/b", 0, 0},
		{"/a", "/a/b", "/b", 0, 0},
		{"/a/b", "/a/b", "", 0, 0},
		{"/a", "/ab", NULL, -ENOENT, 0},
		{"/a/b", "/a", NULL, -ENOENT, 0},
		{"/..", "/", "", 0, 1},
		{"/../..", "/b", "/b", 0, 2},
		{"/../..", "/../x", "/x", 0, 1},
		{"/../x", "/../x/y", "/y", 0, 0},
		{"/../x", "/", NULL, -ENOENT, 0},
		{"/", "/../x", NULL, -ENOENT, 0},
		{"/..a", "/..a/b", "/b", 0, 0},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char rel[SHRINK_CGROUP_PATH] = "";
		unsigned int hidden = 0;

		ASSERT_INT(shrink_os_cgroup_below(table[i].root, table[i].path, rel, &hidden),
			   table[i].result);
		ASSERT_INT(hidden, table[i].hidden);
		if (!table[i].result)
			CU_ASSERT_STRING_EQUAL(rel, table[i].rel);
	}
}

static void test_unescape(void)
{
	char text[] = "/a\\040b\\134c\\011\\09\\";

	shrink_os_cgroup_unescape(text);
	CU_ASSERT_STRING_EQUAL(text, "/a b\\c\t\\09\\");
}

static void test_v1(void)
{
	struct shrink_cgroup_usage u;

	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "9:cpu,cpuacct:/other\n4:memory:/box/own\n");
	fakeroot_file(
		"/proc/self/mountinfo",
		"30 23 0:29 / /c/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
		"35 23 0:32 / /c/mem rw,relatime shared:1 master:2 - cgroup cgroup rw,memory\n");
	v1_group("/c/mem", V1_NONE, 900 * MIB);
	v1_group("/c/mem/box", 100 * MIB, 60 * MIB);
	v1_group("/c/mem/box/own", V1_NONE, 50 * MIB);
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	ASSERT_INT(cg.version, 1);
	ASSERT_INT(cg.nr_levels, 3);
	CU_ASSERT_STRING_EQUAL(cg.level[0].dir, "/c/mem/box/own");
	CU_ASSERT_STRING_EQUAL(cg.unified, "");
	expect("/c/mem/box", 100 * MIB, SHRINK_LIMIT_CGROUP1);

	/* limits come and go while we look */
	v1_group("/c/mem/box/own", 55 * MIB, 50 * MIB);
	expect("/c/mem/box/own", 55 * MIB, SHRINK_LIMIT_CGROUP1);
	v1_group("/c/mem/box", 61 * MIB, 60 * MIB);
	expect("/c/mem/box", 61 * MIB, SHRINK_LIMIT_CGROUP1);
	v1_group("/c/mem/box", 0x7fffffffffff0000ULL, 60 * MIB); /* 64 KiB pages */
	v1_group("/c/mem/box/own", V1_NONE, 50 * MIB);
	expect("/c/mem/box/own", UINT64_MAX, SHRINK_LIMIT_NONE);
	ASSERT_INT(shrink_os_cgroup_read(&cg, 0, &u), 0);
	CU_ASSERT_EQUAL(u.usage, 50 * MIB);
	end();
}

static void test_v2(void)
{
	struct shrink_cgroup_usage u;

	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "0::/system.slice/x.service\n");
	fakeroot_file("/proc/self/mountinfo",
		      "31 23 0:28 / /c rw - cgroup2 cgroup2 rw,nsdelegate\n");
	fakeroot_file("/c/cgroup.controllers", "cpu memory\n"); /* the top has no limits */
	v2_group("/c/system.slice", "max", "max", 70 * MIB);
	v2_group("/c/system.slice/x.service", "104857600", "83886080", 64 * MIB);
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	ASSERT_INT(cg.version, 2);
	ASSERT_INT(cg.nr_levels, 2);
	CU_ASSERT_STRING_EQUAL(cg.unified, "/c/system.slice/x.service");
	expect("/c/system.slice/x.service", 80 * MIB, SHRINK_LIMIT_CGROUP2); /* high is tighter */
	ASSERT_INT(shrink_os_cgroup_read(&cg, 0, &u), 0);
	CU_ASSERT_EQUAL(u.slack, 20 * MIB); /* and slows down only */
	v2_group("/c/system.slice", "90177536", "max", 70 * MIB); /* 86 MiB: what kills first */
	ASSERT_INT(shrink_os_cgroup_read(&cg, 0, &u), 0);
	CU_ASSERT_EQUAL(u.slack, 0);
	v2_group("/c/system.slice", "max", "max", 70 * MIB);
	v2_group("/c/system.slice/x.service", "73400320", "83886080", 64 * MIB);
	expect("/c/system.slice/x.service", 70 * MIB, SHRINK_LIMIT_CGROUP2);
	v2_group("/c/system.slice", "max", "71303168", 67 * MIB);
	expect("/c/system.slice", 68 * MIB, SHRINK_LIMIT_CGROUP2);
	end();
}

/* The parent does not hand the memory controller down: its own files count. */
static void test_v2_not_delegated(void)
{
	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "0::/svc/worker\n");
	fakeroot_file("/proc/self/mountinfo", "31 23 0:28 / /c rw - cgroup2 cgroup2 rw\n");
	v2_group("/c/svc", "104857600", "max", 1 * MIB);
	fakeroot_file("/c/svc/worker/cgroup.procs", "1\n");
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	ASSERT_INT(cg.nr_levels, 1);
	CU_ASSERT_STRING_EQUAL(cg.unified, "/c/svc/worker");
	expect("/c/svc", 100 * MIB, SHRINK_LIMIT_CGROUP2);
	end();
}

static void test_hybrid(void)
{
	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "4:memory:/a\n1:name=systemd:/\n0::/a\n");
	fakeroot_file("/proc/self/mountinfo",
		      "35 31 0:32 / /c/memory rw - cgroup cgroup rw,memory\n"
		      "40 31 0:37 / /c/systemd rw - cgroup cgroup rw,name=systemd\n"
		      "41 31 0:38 / /c/unified rw - cgroup2 cgroup2 rw\n");
	v1_group("/c/memory", V1_NONE, 9 * MIB);
	v1_group("/c/memory/a", 8 * MIB, 1 * MIB);
	fakeroot_file("/c/unified/a/memory.pressure", "\n");
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	ASSERT_INT(cg.version, 1);
	CU_ASSERT_STRING_EQUAL(cg.unified, "/c/unified/a");
	expect("/c/memory/a", 8 * MIB, SHRINK_LIMIT_CGROUP1);
	end();
}

/* A namespace of its own: both files say "/", the mount point is our group. */
static void test_namespaced(void)
{
	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "0::/\n");
	fakeroot_file("/proc/self/mountinfo", "31 23 0:28 / /c ro - cgroup2 cgroup ro\n");
	v2_group("/c", "33554432", "max", 1 * MIB);
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	ASSERT_INT(cg.nr_levels, 1);
	CU_ASSERT_STRING_EQUAL(cg.unified, "/c");
	expect("/c", 32 * MIB, SHRINK_LIMIT_CGROUP2);
	end();
}

/* Mounted before the namespace was made: names above us are not shown, and only
 * the lists of processes tell which folder we are. */
static void test_hidden(void)
{
	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "4:memory:/job\n");
	fakeroot_file("/proc/self/mountinfo",
		      "35 31 0:32 /../.. /c rw - cgroup cgroup rw,memory\n");
	v1_group("/c", V1_NONE, 100 * MIB);
	v1_group("/c/pods", 64 * MIB, 9 * MIB);
	v1_group("/c/pods/other/job", 4 * MIB, 1 * MIB);
	v1_group("/c/pods/ours", V1_NONE, 8 * MIB);
	v1_group("/c/pods/ours/job", 32 * MIB, 2 * MIB);
	fakeroot_file("/c/pods/other/job/cgroup.procs", "%d\n", (int)getpid() + 1);
	fakeroot_file("/c/pods/ours/job/cgroup.procs", "1\n%d\n", (int)getpid());
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	ASSERT_INT(cg.nr_levels, 4);
	expect("/c/pods/ours/job", 32 * MIB, SHRINK_LIMIT_CGROUP1);
	shrink_os_cgroup_close(&cg);

	/* nobody lists us: at least what is above holds for us */
	fakeroot_file("/c/pods/ours/job/cgroup.procs", "1\n");
	v1_group("/c", 128 * MIB, 100 * MIB);
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	ASSERT_INT(cg.nr_levels, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(cg.reason, "hidden"));
	expect("/c", 128 * MIB, SHRINK_LIMIT_CGROUP1);
	end();
}

static void test_bind_mounts(void)
{
	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "4:memory:/docker/x/y\n");
	fakeroot_file("/proc/self/mountinfo",
		      "35 31 0:32 /elsewhere /c/else rw - cgroup cgroup rw,memory\n"
		      "36 31 0:32 /docker/x /c/sub ro - cgroup cgroup rw,memory\n");
	v1_group("/c/else", 1 * MIB, 1 * MIB);
	v1_group("/c/sub", 20 * MIB, 1 * MIB);
	v1_group("/c/sub/y", V1_NONE, 1 * MIB);
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	ASSERT_INT(cg.nr_levels, 2);
	expect("/c/sub", 20 * MIB, SHRINK_LIMIT_CGROUP1);
	shrink_os_cgroup_close(&cg);

	/* a second mount of the whole tree shows more of what is above us; one that
	 * was mounted over shows nothing */
	fakeroot_file("/proc/self/mountinfo",
		      "36 31 0:32 /docker/x /c/sub rw - cgroup cgroup rw,memory\n"
		      "37 31 0:32 / /c/my\\040tree rw - cgroup cgroup rw,memory\n"
		      "38 31 0:32 / /c/covered rw - cgroup cgroup rw,memory\n");
	v1_group("/c/my tree", V1_NONE, 99 * MIB);
	v1_group("/c/my tree/docker", 10 * MIB, 3 * MIB);
	v1_group("/c/my tree/docker/x", 20 * MIB, 1 * MIB);
	v1_group("/c/my tree/docker/x/y", V1_NONE, 1 * MIB);
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	ASSERT_INT(cg.nr_levels, 4);
	expect("/c/my tree/docker", 10 * MIB, SHRINK_LIMIT_CGROUP1);
	shrink_os_cgroup_close(&cg);

	fakeroot_file("/proc/self/mountinfo",
		      "35 31 0:32 /elsewhere /c/else rw - cgroup cgroup rw,memory\n");
	ASSERT_INT(shrink_os_cgroup_open(&cg), -ENODEV);
	CU_ASSERT_PTR_NOT_NULL(strstr(cg.reason, "not mounted here"));
	end();
}

/* Kernels before 5.11: a flat v1 tree, where an ancestor's limit is not ours. */
static void test_flat_v1(void)
{
	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "4:memory:/a/b/c\n");
	fakeroot_file("/proc/self/mountinfo", "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n");
	v1_group("/m", V1_NONE, 9 * MIB);
	v1_group("/m/a", 2 * MIB, 2 * MIB);
	v1_group("/m/a/b", 64 * MIB, 2 * MIB);
	v1_group("/m/a/b/c", V1_NONE, 2 * MIB);
	fakeroot_file("/m/a/memory.use_hierarchy", "0\n");
	fakeroot_file("/m/a/b/memory.use_hierarchy", "1\n");
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	ASSERT_INT(cg.nr_levels, 2);
	expect("/m/a/b", 64 * MIB, SHRINK_LIMIT_CGROUP1);
	end();
}

static void test_missing(void)
{
	struct shrink_cgroup_usage u;

	fakeroot_begin();
	ASSERT_INT(shrink_os_cgroup_open(&cg), -ENODEV);
	CU_ASSERT(cg.reason[0] != '\0');
	fakeroot_file("/proc/self/cgroup", "4:memory:/a\n");
	ASSERT_INT(shrink_os_cgroup_open(&cg), -ENODEV);
	CU_ASSERT(cg.reason[0] != '\0');
	fakeroot_file("/proc/self/mountinfo", "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n");
	ASSERT_INT(shrink_os_cgroup_open(&cg), -ENODEV);
	CU_ASSERT(cg.reason[0] != '\0');
	fakeroot_file("/proc/self/cgroup", "0::/\n");
	fakeroot_file("/proc/self/mountinfo", "35 31 0:32 / /m rw - cgroup2 none rw\n");
	fakeroot_file("/m/cgroup.procs", "1\n");
	ASSERT_INT(shrink_os_cgroup_open(&cg), -ENODEV);
	CU_ASSERT_PTR_NOT_NULL(strstr(cg.reason, "no memory controller"));

	/* usage alone is enough to be opened, and no limit is no limit */
	fakeroot_file("/m/memory.current", "4096\n");
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	expect("/m", UINT64_MAX, SHRINK_LIMIT_NONE);
	ASSERT_INT(shrink_os_cgroup_read(&cg, 1, &u), 0);
	CU_ASSERT_EQUAL(u.usage, 4096);
	CU_ASSERT_EQUAL(u.reclaimable, 0);
	end();
}

/* A limit that cannot be read for a moment is what it was, not none. */
static void test_unreadable_limit(void)
{
	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "0::/g\n");
	fakeroot_file("/proc/self/mountinfo", "31 23 0:28 / /c rw - cgroup2 cgroup2 rw\n");
	v2_group("/c/g", "1048576", "max", 4096);
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	expect("/c/g", MIB, SHRINK_LIMIT_CGROUP2);
	fakeroot_file("/c/g/memory.max", "many\n");
	expect("/c/g", MIB, SHRINK_LIMIT_CGROUP2);
	fakeroot_file("/c/g/memory.max", "2097152\n");
	expect("/c/g", 2 * MIB, SHRINK_LIMIT_CGROUP2);
	fakeroot_file("/c/g/memory.max", "max\n");
	expect("/c/g", UINT64_MAX, SHRINK_LIMIT_NONE);
	end();
}

static void test_garbage(void)
{
	static char noise[20000];
	struct shrink_cgroup_usage u = {.usage = 77};
	unsigned int seed = 1;

	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "\n::\n4:memory\n4:memory:relative\n:memory\n0::/g\n");
	fakeroot_file("/proc/self/mountinfo", " - \n - cgroup2\n31 - cgroup2 a b\n"
		      "31 23 0:28 / /c rw - cgroup2 cgroup2 rw");
	v2_group("/c/g", "many", "", 5);
	fakeroot_file("/c/g/memory.current", "lots\n");
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	ASSERT_INT(shrink_os_cgroup_read(&cg, 1, &u), -EINVAL);
	CU_ASSERT_EQUAL(u.usage, 77); /* written on success only */
	shrink_os_cgroup_close(&cg);

	for (int round = 0; round < 300; round++) {
		static const char alphabet[] = "0:/ .-\n\\cgroup2memory,-\n:0";
		unsigned long size = (unsigned long)round * 64 + 1;

		for (unsigned long i = 0; i < size; i++) {
			seed = seed * 1103515245u + 12345u;
			noise[i] = round % 2 ? (char)(seed >> 16)
					     : alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		fakeroot_bytes(round % 3 ? "/proc/self/mountinfo" : "/proc/self/cgroup", noise,
			       size);
		if (!shrink_os_cgroup_open(&cg))
			shrink_os_cgroup_close(&cg);
	}
	end();
}

/* Forty levels: the limit at the very top is found, of those without one some are
 * left out, and it is said. */
static void test_deep(void)
{
	char own[512] = "", dir[600];

	fakeroot_begin();
	fakeroot_file("/proc/self/mountinfo", "31 23 0:28 / /c rw - cgroup cgroup rw,memory\n");
	v1_group("/c", V1_NONE, 40 * MIB);
	for (int i = 0; i < 40; i++) {
		snprintf(own + strlen(own), sizeof(own) - strlen(own), "/level%d", i);
		snprintf(dir, sizeof(dir), "/c%s", own);
		v1_group(dir, i ? V1_NONE : 64 * MIB, 30 * MIB);
	}
	fakeroot_file("/proc/self/cgroup", "4:memory:%s\n", own);
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	ASSERT_INT(cg.nr_levels, SHRINK_CGROUP_LEVELS);
	CU_ASSERT_STRING_EQUAL(cg.level[0].dir, dir);
	CU_ASSERT_PTR_NOT_NULL(strstr(cg.reason, "not watched"));
	expect("/c/level0", 64 * MIB, SHRINK_LIMIT_CGROUP1);
	end();

	/* a path longer than any table entry is refused, not cut to somebody else's */
	fakeroot_begin();
	fakeroot_file("/proc/self/mountinfo", "31 23 0:28 / /c rw - cgroup cgroup rw,memory\n");
	fakeroot_file("/proc/self/cgroup", "4:memory:/%02000d\n", 7);
	v1_group("/c", 1 * MIB, 1 * MIB);
	ASSERT_INT(shrink_os_cgroup_open(&cg), -ENODEV);
	end();
}

static void test_reclaimable(void)
{
	CU_ASSERT_EQUAL(shrink_os_cgroup_reclaimable("cache 9\ninactive_file 5\n"
						     "total_inactive_file 1000\n"
						     "total_active_file 500\ntotal_dirty 100\n"
						     "total_writeback 50\n", 1), 1350);
	CU_ASSERT_EQUAL(shrink_os_cgroup_reclaimable("anon 1\nfile 2\nfile_dirty 30\n"
						     "file_writeback 3\ninactive_file 100\n"
						     "active_file 10\n", 2), 77);
	CU_ASSERT_EQUAL(shrink_os_cgroup_reclaimable("inactive_file 1\nfile_dirty 2\n", 2), 0);
	CU_ASSERT_EQUAL(shrink_os_cgroup_reclaimable("", 2), 0);
}

/* By raw usage the ancestor is tightest; without the page cache in it, we are. */
static void test_strangers_cache(void)
{
	struct shrink_cgroup_usage u;

	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "4:memory:/a/b\n");
	fakeroot_file("/proc/self/mountinfo", "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n");
	v1_group("/m", V1_NONE, 990 * MIB);
	v1_group("/m/a", 1000 * MIB, 990 * MIB);
	fakeroot_file("/m/a/memory.stat", "total_inactive_file %llu\n", 900 * MIB);
	v1_group("/m/a/b", 64 * MIB, 50 * MIB);
	fakeroot_file("/m/a/b/memory.stat", "total_inactive_file 4096\ntotal_active_file 4096\n");
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	expect("/m/a", 1000 * MIB, SHRINK_LIMIT_CGROUP1);
	ASSERT_INT(shrink_os_cgroup_read(&cg, 1, &u), 0);
	CU_ASSERT_EQUAL(u.limit, 64 * MIB);
	CU_ASSERT_EQUAL(u.reclaimable, 8192);
	end();
}

static void test_peers(void)
{
	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "4:memory:/a\n");
	fakeroot_file("/proc/self/mountinfo", "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n");
	v1_group("/m/a", V1_NONE, 1);
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	ASSERT_INT(shrink_os_cgroup_peers(&cg, 0, NULL), -ENOENT);
	fakeroot_file("/m/a/cgroup.procs", "0\n901\n%d\n902\n903\ngarbage\n", (int)getpid());
	fakeroot_file("/proc/901/task/901/comm", "server\n");
	fakeroot_file("/proc/901/task/905/comm", "shrink-monitor\n");
	fakeroot_file("/proc/902/task/902/comm", "shrink-worker\n");
	fakeroot_file("/proc/903/comm", "shrink-monitor\n");
	fakeroot_file("/proc/904/task/904/comm", "shrink-monitor\n"); /* elsewhere */
	ASSERT_INT(shrink_os_cgroup_peers(&cg, 0, NULL), 1);
	end();
}

static const struct test tests[] = {
	{"groups: mount root against own path", test_below},
	{"groups: octal escapes", test_unescape},
	{"groups: v1, limits re-read", test_v1},
	{"groups: v2, max and high", test_v2},
	{"groups: v2 controller not handed down", test_v2_not_delegated},
	{"groups: hybrid", test_hybrid},
	{"groups: namespace", test_namespaced},
	{"groups: names hidden by a namespace", test_hidden},
	{"groups: bind mounts", test_bind_mounts},
	{"groups: v1 without hierarchy", test_flat_v1},
	{"G9: groups: missing files", test_missing},
	{"G9: groups: a limit that cannot be read", test_unreadable_limit},
	{"G9: groups: garbage", test_garbage},
	{"groups: very deep trees", test_deep},
	{"G7: what the kernel takes by itself", test_reclaimable},
	{"G7: strangers' page cache hides nothing", test_strangers_cache},
	{"groups: other processes with libshrink", test_peers},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "cgroup", tests);
}

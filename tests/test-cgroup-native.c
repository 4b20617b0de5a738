// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The own memory group on the running system, also under real namespaces and bind
 * mounts. The made-up systems: test-cgroup.c */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libshrink/os/cgroup-opinion.h>
#include <libshrink/os/cgroup.h>
#include <libshrink/os/fd.h>

#include "tests/cg.h"
#include "tests/child.h"
#include "tests/harness.h"

#define MIB (1024ULL * 1024)
#define CHILD_SKIPS 77

static struct shrink_cgroup cg;
static struct cg group;

/* Namespaces and moves are for good: each such test has a process of its own. */
static int in_child(void (*fn)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		fn();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int read_once(int exact, struct shrink_cgroup_usage *u)
{
	int r = shrink_os_cgroup_open(&cg);

	if (!r)
		r = shrink_os_cgroup_read(&cg, exact, u);
	return r;
}

static void test_own(void)
{
	struct shrink_cgroup_usage u;
	int out, saved = dup(STDOUT_FILENO);
	char text[64], name[] = "/tmp/shrink-out-XXXXXX";

	/* neither libcgroup nor we may write to the program's output */
	out = mkstemp(name);
	unlink(name);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	int r = read_once(1, &u);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	ASSERT_INT(pread(out, text, sizeof(text), 0), 0);
	close(out);
	if (r == -ENODEV)
		SKIP("%s", cg.reason);
	ASSERT_INT(r, 0);
	CU_ASSERT(u.usage > 0);
	shrink_os_cgroup_close(&cg);
	ASSERT_INT(shrink_os_fd_count(), 0);
}

static void limit_in_child(void)
{
	struct shrink_cgroup_usage u;

	CHECK(!cg_move(&group, 0));
	CHECK(!read_once(0, &u));
	CHECK(!strcmp(cg.level[0].dir, group.dir));
	CHECK(u.level == 0 && u.limit == 64 * MIB);
	CHECK(u.kind == (group.version == 1 ? SHRINK_LIMIT_CGROUP1 : SHRINK_LIMIT_CGROUP2));
	CHECK(!cg_set_limit(&group, 32 * MIB));
	CHECK(!shrink_os_cgroup_read(&cg, 1, &u) && u.limit == 32 * MIB);
	CHECK(u.reclaimable <= u.usage);
	CHECK(!cg_set_limit(&group, 96 * MIB));
	CHECK(!shrink_os_cgroup_read(&cg, 0, &u) && u.limit != 32 * MIB);

	/* we leave and the group goes: its files are dead, the ancestors' are not, but
	 * that the top of cgroup2 has none */
	cg_remove(&group);
	CHECK(access(cg.level[0].dir, F_OK) < 0);
	CHECK(cg.nr_levels == 1 || (!shrink_os_cgroup_read(&cg, 0, &u) && u.level > 0));
	cg.nr_levels = 1;
	CHECK(shrink_os_cgroup_read(&cg, 0, &u) == -ENODEV);
}

static void test_limit(void)
{
	const char *why = cg_create_limited(&group, "limit", 64 * MIB);

	if (why)
		SKIP("no child group: %s", why);
	ASSERT_INT(in_child(limit_in_child), 0);
	cg_remove(&group);
}

/* The mounts are older than the namespace: own path "/", mount root "/../..". */
static void namespace_in_child(void)
{
	struct shrink_cgroup_usage u;

	CHECK(!cg_move(&group, 0));
	if (unshare(CLONE_NEWCGROUP) < 0)
		_exit(CHILD_SKIPS);
	CHECK(!read_once(0, &u));
	CHECK(!strcmp(cg.level[0].dir, group.dir));
	CHECK(u.level == 0 && u.limit == 64 * MIB);
	CHECK(cg.nr_levels > 1 || group.version == 2);
}

/* A process that moves leaves its charges where they are: something new is needed
 * for there to be any usage. */
static void use_some_memory(void)
{
	static char some[1 << 20];

	memset(some, 1, sizeof(some));
}

/* The group alone is bound, read-only, over the place of the whole tree. */
static void bind_in_child(void)
{
	char mount_point[sizeof(cg.level[0].dir)];
	struct shrink_cgroup_usage u;

	CHECK(!cg_move(&group, 0));
	use_some_memory();
	CHECK(!read_once(0, &u));
	strcpy(mount_point, cg.level[cg.nr_levels - 1].dir);
	shrink_os_cgroup_close(&cg);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(CHILD_SKIPS);
	CHECK(!mount(group.dir, mount_point, NULL, MS_BIND, NULL));
	CHECK(!mount(NULL, mount_point, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	CHECK(!read_once(1, &u));
	CHECK(!strcmp(cg.level[0].dir, mount_point) && cg.nr_levels == 1);
	CHECK(u.limit == 64 * MIB && u.usage > 0);
	/* it is wrong here, and is not believed */
	CHECK(shrink_os_cgroup_second_opinion(&cg) != 0);
}

static void with_group(void (*fn)(void), const char *what)
{
	const char *why = cg_create_limited(&group, "where", 64 * MIB);
	int r;

	if (why)
		SKIP("no child group: %s", why);
	r = in_child(fn);
	cg_remove(&group);
	if (r == CHILD_SKIPS)
		SKIP("%s not permitted here", what);
	ASSERT_INT(r, 0);
}

static void test_namespace(void)
{
	with_group(namespace_in_child, "cgroup namespace");
}

static void test_bind(void)
{
	with_group(bind_in_child, "mount namespace");
}

/* Of peers and strangers that come into our group, as many as are peers. */
static int wait_for_peers(int expected)
{
	int n = -1;

	for (int i = 0; i < 250 && n != expected; i++) {
		usleep(20000);
		n = shrink_os_cgroup_peers(&cg, 0, NULL);
	}
	return n;
}

static pid_t spawn_built(const char *program)
{
	const char *builddir = getenv("top_builddir");
	char path[512];
	char *const argv[] = {path, NULL};

	snprintf(path, sizeof(path), "%s/%s", builddir ? builddir : ".", program);
	return cg_spawn(&group, argv);
}

static void peers_in_child(void)
{
	char *const sleeper[] = {(char *)"/bin/sleep", (char *)"20", NULL};

	CHECK(!cg_move(&group, 0));
	CHECK(!shrink_os_cgroup_open(&cg));
	CHECK(shrink_os_cgroup_peers(&cg, 0, NULL) == 0); /* not we ourselves */
	CHECK(cg_spawn(&group, sleeper) > 0);
	usleep(100000);
	CHECK(shrink_os_cgroup_peers(&cg, 0, NULL) == 0);
	CHECK(spawn_built("tests/peer") > 0);
	CHECK(wait_for_peers(1) == 1);
	CHECK(spawn_built("tests/peer-static") > 0);
	CHECK(wait_for_peers(2) == 2);
	cg_remove(&group);
}

static void test_peers(void)
{
	with_group(peers_in_child, "a group of our own");
}

static const struct test tests[] = {
	{"groups: our own, silently", test_own},
	{"groups: a real limit that changes, a group that goes", test_limit},
	{"groups: a real namespace", test_namespace},
	{"groups: a real read-only bind mount", test_bind},
	{"groups: real processes with libshrink", test_peers},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "cgroup-native", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Sources do not stay as they were: a process that is moved finds its new group, and
 * what has failed is tried again. The monitor turn by turn, on made-up files and in
 * virtual time; then on threads, moved while others read, and between groups of the
 * running system.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shrink/conf.h>
#include <shrink/shrink.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/gauges.h>
#include <libshrink/source/judge.h>
#include <libshrink/source/monitor.h>
#include <libshrink/source/sources.h>

#include "tests/cache.h"
#include "tests/cg.h"
#include "tests/child.h"
#include "tests/fakeroot.h"
#include "tests/harness.h"

#define MIB (1024ULL * 1024)

static void move_to(const char *group)
{
	fakeroot_file("/proc/self/cgroup", "0::%s\n", group);
}

static void make_group(const char *group, uint64_t limit)
{
	char path[128];

	snprintf(path, sizeof(path), "/u%s/memory.current", group);
	fakeroot_file(path, "%llu\n", 10 * MIB);
	snprintf(path, sizeof(path), "/u%s/memory.max", group);
	fakeroot_file(path, "%llu\n", (unsigned long long)limit);
	snprintf(path, sizeof(path), "/u%s/memory.stat", group);
	fakeroot_file(path, "inactive_file 0\nactive_file 0\nfile_dirty 0\nfile_writeback 0\n");
}

static void made_up_system(void)
{
	fakeroot_begin();
	move_to("/a");
	fakeroot_file("/proc/self/mountinfo", "41 31 0:38 / /u rw - cgroup2 cgroup2 rw\n");
	fakeroot_file("/proc/self/status", "RssAnon:\t 5 kB\nRssShmem:\t 0 kB\n"
		      "Seccomp:\t0\nSeccomp_filters:\t0\n");
	fakeroot_file("/proc/meminfo", "MemTotal: 1048576 kB\nMemAvailable: 524288 kB\n");
	make_group("/a", 100 * MIB);
	make_group("/b", 200 * MIB);
	shrink_conf_set("peers", "off");
}

static void begin(void)
{
	made_up_system();
	shrink_os_clock_simulate(1);
	CU_ASSERT(shrink_monitor_open() > 0);
	shrink_judge_reset();
	shrink_engine_reset(NULL);
	shrink_monitor_turn();
}

static void end(void)
{
	shrink_monitor_close();
	ASSERT_INT(shrink_os_fd_count(), 0);
	shrink_os_clock_simulate(0);
	fakeroot_end();
}

/* What the monitor and the standby do within @msec. */
static void pass(uint64_t msec)
{
	for (uint64_t t = 0; t < msec; t += 100) {
		shrink_os_clock_advance(100 * NSEC_PER_MSEC);
		shrink_monitor_turn();
		shrink_engine_run_chore();
		shrink_monitor_turn();
	}
}

static struct shrink_source *source(const char *name)
{
	for (size_t i = 0; i < shrink_sources_nr(); i++)
		if (!strcmp(shrink_sources_at(i)->ops->name, name))
			return shrink_sources_at(i);
	return NULL;
}

static int is(const char *name, enum shrink_source_state state)
{
	return source(name)->state == state;
}

static void expect(const char *gauge, uint64_t limit, const char *path)
{
	struct shrink_headroom h;

	shrink_gauges_read(true, &h);
	CU_ASSERT_STRING_EQUAL(h.name, gauge);
	ASSERT_INT(h.limit, limit);
	CU_ASSERT_STRING_EQUAL(h.path, path);
}

static void test_moved(void)
{
	unsigned int fds;

	begin();
	expect("usage", 100 * MIB, "/u/a");
	fds = shrink_os_fd_count();
	for (int i = 0; i < 20; i++) {
		move_to("/b");
		pass(1200);
		expect("usage", 200 * MIB, "/u/b");
		CU_ASSERT(is("usage", SHRINK_SOURCE_LIVE));
		move_to("/a");
		pass(1200);
		expect("usage", 100 * MIB, "/u/a");
	}
	ASSERT_INT(shrink_os_fd_count(), fds);
	end();
}

/* PSI, events and all that watch the group are those of the new one. */
static void test_all_of_it(void)
{
	begin();
	CU_ASSERT(is("psi", SHRINK_SOURCE_UNSUPPORTED));
	CU_ASSERT(is("events", SHRINK_SOURCE_UNSUPPORTED));
	fakeroot_file("/u/b/cgroup.events", "populated 1\n");
	fakeroot_file("/u/b/memory.pressure", "some avg10=0.00 total=0\n");
	move_to("/b");
	pass(1200);
	/* a plain file cannot be waited for; that it was found is what counts */
	CU_ASSERT(!is("psi", SHRINK_SOURCE_UNSUPPORTED));
	expect("usage", 200 * MIB, "/u/b");
	end();
}

static void test_lost(void)
{
	begin();
	move_to("/nowhere"); /* nothing there is mounted */
	pass(1200);
	CU_ASSERT(is("usage", SHRINK_SOURCE_FAILED));
	expect("memavailable", 1024 * MIB, "");
	make_group("/nowhere", 77 * MIB);
	pass(5000);
	expect("usage", 77 * MIB, "/u/nowhere");
	end();
}

/* An error of reading is had by putting a folder in a descriptor's place. */
static void break_fd(int fd)
{
	int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CU_ASSERT(folder >= 0 && dup3(folder, fd, O_CLOEXEC) == fd);
	close(folder);
}

static void test_retried(void)
{
	uint64_t before;

	begin();
	break_fd(source("usage")->cgroup->level[0].usage_fd);
	shrink_monitor_wake();
	shrink_monitor_turn();
	CU_ASSERT(is("usage", SHRINK_SOURCE_FAILED));
	expect("memavailable", 1024 * MIB, "");
	pass(2500);
	CU_ASSERT(is("usage", SHRINK_SOURCE_LIVE));
	expect("usage", 100 * MIB, "/u/a");

	/* what stays broken is tried less and less often */
	fakeroot_remove("/u/a/memory.current");
	break_fd(source("usage")->cgroup->level[0].usage_fd);
	shrink_monitor_wake();
	shrink_monitor_turn();
	pass(20000);
	CU_ASSERT(is("usage", SHRINK_SOURCE_FAILED));
	CU_ASSERT(source("usage")->retries >= 3 && source("usage")->retries <= 5);
	before = source("usage")->retries;
	pass(60000);
	CU_ASSERT(source("usage")->retries - before <= 2);
	make_group("/a", 100 * MIB);
	pass(66000);
	expect("usage", 100 * MIB, "/u/a");
	end();
}

static void test_memavailable(void)
{
	begin();
	fakeroot_file("/proc/meminfo", "%s", "nothing\n");
	shrink_monitor_wake();
	shrink_monitor_turn();
	CU_ASSERT(is("memavailable", SHRINK_SOURCE_FAILED));
	fakeroot_file("/proc/meminfo", "MemTotal: 1048576 kB\nMemAvailable: 5 kB\n");
	pass(2500);
	CU_ASSERT(is("memavailable", SHRINK_SOURCE_LIVE));
	expect("memavailable", 1024 * MIB, ""); /* it is the tightest now */
	end();
}

/* G13: who is locked in opens nothing. */
static void test_filter(void)
{
	begin();
	fakeroot_file("/proc/self/status", "RssAnon:\t 5 kB\nRssShmem:\t 0 kB\n"
		      "Seccomp:\t2\nSeccomp_filters:\t1\n");
	move_to("/b");
	pass(5000);
	expect("usage", 100 * MIB, "/u/a");
	end();
}

/* ---- on threads */

static _Atomic int over;

static void *reads(void *arg)
{
	struct shrink_limits l;

	(void)arg;
	while (!over) {
		struct shrink_headroom h;

		shrink_gauges_read(true, &h);
		if (h.known && h.limit != 100 * MIB && h.limit != 200 * MIB &&
		    h.limit != 1024 * MIB)
			CU_FAIL("a limit that is nobody's");
		shrink_limits(&l, sizeof(l));
	}
	return NULL;
}

static uint64_t limit_now(void)
{
	struct shrink_limits l = {0};

	return shrink_limits(&l, sizeof(l)) < 0 ? 0 : l.limit;
}

static void test_threads(void)
{
	pthread_t thread[2];

	made_up_system();
	shrink_conf_set("sysroot", fakeroot_path(""));
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_FATAL(!pthread_create(&thread[i], NULL, reads, NULL));
	for (int i = 0; i < 2; i++) {
		uint64_t limit = i % 2 ? 100 * MIB : 200 * MIB, until = now_ms() + 30000;

		move_to(i % 2 ? "/a" : "/b");
		while (limit_now() != limit && now_ms() < until)
			sleep_ms(5);
		ASSERT_INT(limit_now(), limit);
	}
	over = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	ASSERT_INT(shrink_stop(), 0);
	shrink_conf_set("sysroot", "");
	fakeroot_end();
}

/* ---- on the running system */

static struct cg from, to;

/* Usage, its limit and whose it is, within a time that no machine needs. */
static int finds(const struct cg *group, uint64_t limit)
{
	uint64_t until = now_ms() + 60000;
	struct shrink_headroom h;

	do {
		shrink_gauges_read(false, &h);
		if (h.limit == limit && !strcmp(h.path, group->dir))
			return 1;
		sleep_ms(5);
	} while (now_ms() < until);
	printf("# child: %s has %llu of %llu\n", h.path, (unsigned long long)h.usage,
	       (unsigned long long)h.limit);
	return 0;
}

static void moved_in_child(void)
{
	struct shrink_source_info infos[32];
	int n;

	CHECK(!cg_move(&from, 0));
	CHECK(!shrink_start(0));
	CHECK(finds(&from, 64 * MIB));
	CHECK(!cg_move(&to, 0));
	CHECK(finds(&to, 96 * MIB));
	/* its limit at run time, too, and the group before may go */
	CHECK(!cg_set_limit(&to, 80 * MIB));
	CHECK(finds(&to, 80 * MIB));
	cg_remove(&from);
	CHECK(!cg_set_limit(&to, 72 * MIB));
	CHECK(finds(&to, 72 * MIB));
	n = shrink_sources(infos, 32, sizeof(infos[0]));
	for (int i = 0; i < n; i++)
		CHECK(strcmp(infos[i].state, "failed"));
	CHECK(!shrink_stop());
	_exit(0);
}

static void test_native(void)
{
	const char *why;
	int status = -1;
	pid_t pid;

	SKIP_TSAN();
	why = cg_create_v1(&from, "from", 64 * MIB);
	if (!why)
		why = cg_create_v1(&to, "to", 96 * MIB);
	if (why) {
		cg_remove(&from);
		SKIP("no child groups of cgroup v1: %s", why);
	}
	shrink_conf_set("peers", "off");
	fflush(stdout);
	pid = fork();
	if (!pid)
		moved_in_child();
	waitpid(pid, &status, 0);
	CU_ASSERT(WIFEXITED(status));
	ASSERT_INT(WEXITSTATUS(status), 0);
	cg_remove(&from);
	cg_remove(&to);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"moved: the new group's limit counts, nothing leaks", test_moved},
		{"moved: all that watch the group", test_all_of_it},
		{"moved to where nothing can be seen, and found later", test_lost},
		{"G9: what has failed is tried again, less and less often", test_retried},
		{"G9: the machine's memory is back", test_memavailable},
		{"G13: behind a filter nothing is opened", test_filter},
		{"moved while others read", test_threads},
		{"moved on the running system", test_native},
		{NULL, NULL},
	};

	return test_main(argc, argv, "renew", tests);
}

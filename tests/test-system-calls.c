// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * G9: every system call that sources and monitor make fails once, one after the other,
 * and once for good from there on, on made-up machines with all sources there can be.
 * Whatever fails: no descriptor is left behind, nobody aborts or hangs, who is not live
 * says why, a source complains at most once, and the next start knows nothing of it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <shrink/conf.h>
#include <shrink/shrink.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/fd.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/source/judge.h>
#include <libshrink/source/monitor.h>
#include <libshrink/source/sources.h>

#include "tests/fakeroot.h"
#include "tests/harness.h"
#include "tests/machine.h"
#include "tests/os-double.h"

/* "some 100000 1000000" and a NUL */
#define TRIGGER "c29tZSAxMDAwMDAgMTAwMDAwMAA="

static unsigned int warnings;

static void take_line(void *arg, enum shrink_log_level level, const char *line)
{
	(void)arg;
	(void)line;
	warnings += level <= SHRINK_LOG_WARNING;
}

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Everything in order again, as the kernel's files would be. */
static void files(int version)
{
	machine_stalled(0, 0);
	if (version == 2)
		fakeroot_file("/u/own/memory.events", "low 0\nhigh 0\nmax 1\noom 0\n");
}

/* What a monitor lives through: each source is due and each descriptor ready. */
static void life(int version)
{
	if (shrink_monitor_open() < 0)
		return;
	shrink_judge_reset();
	files(version);
	shrink_monitor_wake();
	shrink_monitor_turn();
	for (size_t i = 0; i < shrink_sources_nr(); i++) {
		struct shrink_source *src = shrink_sources_at(i);
		uint64_t one = 1;

		src->next_sample = src->ops->sample ? 0 : UINT64_MAX;
		for (int k = 0; k < src->nr_fds; k++) {
			if (src->epoll[k] & EPOLLPRI)
				os_signal(src->fd[k], EPOLLPRI);
			else if (src->ops != &shrink_source_systemd)
				(void)!write(src->fd[k], &one, sizeof(one));
		}
	}
	shrink_monitor_turn();
	shrink_engine_run_chore();
	machine_look();
}

/* All of them, as they stand; "!" where one is out of order and does not say why. */
static void states(char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < shrink_sources_nr(); i++) {
		const struct shrink_source *src = shrink_sources_at(i);

		if (n < size)
			n += (size_t)snprintf(out + n, size - n, "%s:%d%s ", src->ops->name,
					      (int)src->state,
					      src->state == SHRINK_SOURCE_LIVE || src->reason[0]
						      ? "" : "!");
	}
}

/* One life with the @nth call failing; returns the calls made. */
static unsigned long with_fault(int version, unsigned long nth, bool for_good,
				unsigned int warnings_max)
{
	int before = open_files();
	unsigned long made;
	char all[512] = "";

	warnings = 0;
	os_fail_nth(nth, for_good);
	life(version);
	states(all, sizeof(all));
	if (strchr(all, '!') || warnings > warnings_max) {
		printf("# call %lu (%s%s): %u warnings; %s\n", nth, os_failed(),
		       for_good ? ", for good" : "", warnings, all);
		CU_FAIL("a fault that is not taken well");
	}
	shrink_monitor_close();
	made = os_fail_nth(0, false);
	if (shrink_os_fd_count() || open_files() != before || os_waited_for()) {
		printf("# call %lu: %u descriptors are left, %d open, %d before\n", nth,
		       shrink_os_fd_count(), open_files(), before);
		CU_FAIL("a leak");
	}
	return made;
}

/* All faults, one by one. Each source may complain once, and the manager's variables
 * once more. */
static void all_faults(int version)
{
	char as_it_was[512], now[512];
	unsigned long calls;

	shrink_set_log(take_line, NULL);
	os_double_reset();
	calls = with_fault(version, 0, false, 0);
	states(as_it_was, sizeof(as_it_was));
	CU_ASSERT(calls > 30);
	for (unsigned long nth = 1; nth <= calls; nth++) {
		with_fault(version, nth, false, 1);
		files(version);
	}
	for (unsigned long nth = 1; nth <= calls; nth += 1 + nth / 16) {
		with_fault(version, nth, true, (unsigned int)shrink_sources_nr());
		files(version);
	}
	/* and nothing of all that stays */
	ASSERT_INT(with_fault(version, 0, false, 0), calls);
	states(now, sizeof(now));
	CU_ASSERT_STRING_EQUAL(now, as_it_was);
	shrink_set_log(NULL, NULL);
}

static void test_v1(void)
{
	machine_begin(1);
	shrink_conf_set("rss_budget", "1G");
	shrink_conf_set("vmpressure", "low");
	all_faults(1);
	shrink_conf_set("vmpressure", "medium");
	shrink_conf_set("rss_budget", "0");
	machine_end();
}

static void test_v2(void)
{
	machine_begin(2);
	all_faults(2);
	machine_end();
}

static void watched(const char *path, const char *data)
{
	setenv("MEMORY_PRESSURE_WATCH", path, 1);
	if (data)
		setenv("MEMORY_PRESSURE_WRITE", data, 1);
	all_faults(2);
	unsetenv("MEMORY_PRESSURE_WATCH");
	unsetenv("MEMORY_PRESSURE_WRITE");
	machine_end();
}

static void test_systemd_file(void)
{
	machine_begin(2);
	watched("/u/own/memory.pressure", TRIGGER);
	machine_begin(2);
	watched("/u/own/memory.pressure", NULL);
}

static void test_systemd_fifo(void)
{
	machine_begin(2);
	fakeroot_fifo("/run/pressure");
	watched("/run/pressure", TRIGGER);
}

/* Its other end is never accepted: so many connections may wait. */
static void test_systemd_socket(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	machine_begin(2);
	CU_ASSERT((size_t)snprintf(at.sun_path, sizeof(at.sun_path), "%s",
				   fakeroot_path("/pressure")) < sizeof(at.sun_path));
	CU_ASSERT(!bind(fd, (struct sockaddr *)&at, sizeof(at)) && !listen(fd, 4096));
	watched("/pressure", TRIGGER);
	close(fd);
}

static const struct test tests[] = {
	{"v1: all sources", test_v1},
	{"v2: all sources", test_v2},
	{"the manager's PSI file", test_systemd_file},
	{"the manager's FIFO", test_systemd_fifo},
	{"the manager's socket", test_systemd_socket},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "system calls that fail", tests);
}

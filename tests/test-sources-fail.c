// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * G9: the moment a source fails the next takes over, and shrink_sources() says which and
 * why. The monitor itself, turn by turn, on a made-up system whose files are taken from
 * under it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <shrink/conf.h>
#include <shrink/shrink.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/reclaim/gauges.h>
#include <libshrink/source/judge.h>
#include <libshrink/source/monitor.h>
#include <libshrink/source/sources.h>

#include "tests/fakeroot.h"
#include "tests/harness.h"
#include "tests/machine.h"

static void system_v2(void)
{
	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "0::/own\n");
	fakeroot_file("/proc/self/mountinfo", "41 31 0:38 / /u rw - cgroup2 cgroup2 rw\n");
	fakeroot_file("/u/own/memory.current", "%llu\n", 10 * MIB);
	fakeroot_file("/u/own/memory.max", "%llu\n", 100 * MIB);
	fakeroot_file("/u/own/cgroup.procs", "%s", "");
	fakeroot_file("/proc/meminfo", "MemTotal: 1048576 kB\nMemAvailable: 524288 kB\n");
	fakeroot_file("/proc/self/status", "RssAnon:\t 5 kB\nRssShmem:\t 0 kB\n");
	fakeroot_file("/proc/zoneinfo", "Node 0, zone Normal\n pages free 50000\n high 9\n"
		      " managed 262144\n");
	shrink_conf_set("peers", "off");
}

/* Files taken away do not fail where they are open; an error of reading is had by
 * putting a folder in a descriptor's place. */
static void break_fd(int fd)
{
	int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CU_ASSERT(folder >= 0 && dup3(folder, fd, O_CLOEXEC) == fd);
	close(folder);
}

static void test_all_listed(void)
{
	static const char *const names[] = {
		"usage", "thresholds", "events", "bridge", "systemd", "psi", "vmpressure",
		"oom", "memavailable", "zones", "swap", "rss", "manual", "simulated"};

	system_v2();
	machine_open();
	ASSERT_INT(shrink_sources_nr(), SHRINK_ARRAY_SIZE(names));
	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(names); i++)
		CU_ASSERT_STRING_EQUAL(shrink_sources_at(i)->ops->name, names[i]);
	CU_ASSERT(machine_says("usage", "live", ""));
	CU_ASSERT(machine_says("thresholds", "unsupported", "v1"));
	CU_ASSERT(machine_says("events", "unsupported", "memory.events"));
	CU_ASSERT(machine_says("systemd", "unsupported", "MEMORY_PRESSURE_WATCH"));
	CU_ASSERT(machine_says("psi", "unsupported", "PSI"));
	CU_ASSERT(machine_says("vmpressure", "unsupported", "v1"));
	CU_ASSERT(machine_says("oom", "unsupported", "v1"));
	CU_ASSERT(machine_says("memavailable", "live", ""));
	CU_ASSERT(machine_says("zones", "live", "memavailable"));
	CU_ASSERT(machine_says("rss", "off", "rss_budget"));
	CU_ASSERT(machine_says("simulated", "off", ""));
	machine_end();
}

/* usage -> memavailable -> zones, each at the very turn that sees the failure. */
static void test_gauges(void)
{
	system_v2();
	machine_open();
	machine_look();
	CU_ASSERT_STRING_EQUAL(machine_believes(), "usage");
	CU_ASSERT(machine_says("usage", "live", ""));
	break_fd(machine_source("usage")->cgroup->level[0].usage_fd);
	machine_look();
	CU_ASSERT(machine_says("usage", "failed", "cannot be read"));
	CU_ASSERT_STRING_EQUAL(machine_believes(), "memavailable");
	CU_ASSERT(machine_says("zones", "live", "takes precedence"));

	fakeroot_file("/proc/meminfo", "%s", "nothing\n");
	machine_look();
	CU_ASSERT(machine_says("memavailable", "failed", "cannot be read"));
	CU_ASSERT_STRING_EQUAL(machine_believes(), "zones");
	CU_ASSERT(machine_says("zones", "live", "in place of memavailable"));

	fakeroot_file("/proc/zoneinfo", "%s", "nothing\n");
	machine_look();
	CU_ASSERT(machine_says("zones", "failed", ""));
	CU_ASSERT_STRING_EQUAL(machine_believes(), "");
	CU_ASSERT(machine_says("manual", "live", "")); /* and nobody has crashed */
	machine_look();
	machine_end();
}

static void test_systemd_to_psi(void)
{
	int peer;

	system_v2();
	fakeroot_file("/u/own/cgroup.events", "populated 1\n");
	fakeroot_file("/u/own/memory.pressure", "some avg10=0.00 total=0\n");
	fakeroot_fifo("/run/pressure");
	setenv("MEMORY_PRESSURE_WATCH", "/run/pressure", 1);
	machine_open();
	CU_ASSERT(machine_says("systemd", "live", "/run/pressure"));
	CU_ASSERT(machine_says("psi", "live", "systemd takes precedence"));
	ASSERT_INT(machine_source("psi")->nr_fds, 0); /* no triggers of ours beside the manager's */
	machine_look();
	peer = open(fakeroot_path("/run/pressure"), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_INT(write(peer, "x", 1), 1);
	shrink_monitor_turn();
	ASSERT_INT(machine_source("systemd")->events, 1);
	break_fd(machine_source("systemd")->fd[0]);
	ASSERT_INT(machine_source("systemd")->ops->ready(machine_source("systemd"), 0, 1, 1,
						 &(struct shrink_signal){0}), -EISDIR);
	CU_ASSERT(!shrink_sources_settle(machine_source("systemd"), -EISDIR));
	CU_ASSERT(machine_says("systemd", "failed", ""));
	CU_ASSERT(machine_says("psi", "live", "in place of systemd"));
	ASSERT_INT(machine_source("psi")->muted, 0);
	close(peer);
	machine_end();

	/* a bad value leaves it to psi from the beginning */
	system_v2();
	fakeroot_file("/u/own/cgroup.events", "populated 1\n");
	fakeroot_file("/u/own/memory.pressure", "some avg10=0.00 total=0\n");
	setenv("MEMORY_PRESSURE_WATCH", "not/absolute", 1);
	shrink_monitor_open();
	CU_ASSERT(machine_says("systemd", "unsupported", "not an absolute"));
	ASSERT_INT(machine_source("psi")->muted, 0);
	machine_end();

	/* and /dev/null to nobody */
	system_v2();
	fakeroot_file("/u/own/cgroup.events", "populated 1\n");
	fakeroot_file("/u/own/memory.pressure", "some avg10=0.00 total=0\n");
	setenv("MEMORY_PRESSURE_WATCH", "/dev/null", 1);
	shrink_monitor_open();
	CU_ASSERT(machine_says("systemd", "off", "MEMORY_PRESSURE_WATCH"));
	CU_ASSERT(machine_says("psi", "off", "MEMORY_PRESSURE_WATCH"));
	CU_ASSERT(machine_says("vmpressure", "off", "MEMORY_PRESSURE_WATCH"));
	CU_ASSERT(machine_says("usage", "live", "")); /* a limit is a limit all the same */
	unsetenv("MEMORY_PRESSURE_WATCH");
	machine_end();
}

/* A sampled one that fails while others go on; what is left is still judged. */
static void test_sampled(void)
{
	system_v2();
	machine_open();
	CU_ASSERT(machine_says("swap", "live", "no swap"));
	fakeroot_file("/proc/meminfo", "%s", "nothing\n");
	machine_source("swap")->next_sample = 0;
	machine_look();
	CU_ASSERT(machine_says("swap", "failed", "meminfo"));
	CU_ASSERT(machine_says("usage", "live", ""));
	CU_ASSERT_STRING_EQUAL(machine_believes(), "usage");
	/* it is not asked again */
	CU_ASSERT(machine_source("swap")->next_sample == UINT64_MAX);
	machine_end();
}

/* Read-only files, files that are missing: less is known, nothing breaks. */
static void test_missing_files(void)
{
	struct shrink_headroom h;

	system_v2();
	fakeroot_remove("/u/own/memory.max");
	machine_open();
	machine_look();
	CU_ASSERT(machine_says("usage", "live", ""));
	CU_ASSERT_STRING_EQUAL(machine_believes(), "memavailable"); /* no limit is known here */
	machine_end();

	/* the limit changes under way, and goes and comes */
	system_v2();
	machine_open();
	machine_look();
	shrink_gauges_read(false, &h);
	ASSERT_INT(h.limit, 100 * MIB);
	fakeroot_file("/u/own/memory.max", "%llu\n", 12 * MIB);
	machine_look();
	shrink_gauges_read(false, &h);
	ASSERT_INT(h.limit, 12 * MIB);
	fakeroot_file("/u/own/memory.max", "max\n");
	machine_look();
	CU_ASSERT_STRING_EQUAL(machine_believes(), "memavailable");
	CU_ASSERT(machine_says("usage", "live", ""));
	machine_end();
}

static const struct test tests[] = {
	{"G9: each is listed, with its reason", test_all_listed},
	{"G9: gauges take over from one another", test_gauges},
	{"G9: the service manager's, then our own", test_systemd_to_psi},
	{"G9: a sampled one fails", test_sampled},
	{"G9: missing files, limits that change", test_missing_files},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "sources-fail", tests);
}

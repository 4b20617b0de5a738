// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stdio.h>
#include <string.h>

#include <shrink/conf.h>
#include <shrink/shrink.h>

#include <libshrink/os/fd.h>
#include <libshrink/reclaim/gauges.h>
#include <libshrink/source/judge.h>
#include <libshrink/source/monitor.h>
#include <libshrink/source/sources.h>

#include "tests/fakeroot.h"
#include "tests/harness.h"
#include "tests/machine.h"

static void group1(void)
{
	fakeroot_file("/proc/self/cgroup", "4:memory:/own\n0::/own\n");
	fakeroot_file("/proc/self/mountinfo", "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n"
		      "41 31 0:38 / /u rw - cgroup2 cgroup2 rw\n");
	fakeroot_file("/m/own/memory.usage_in_bytes", "%llu\n", 10 * MIB);
	fakeroot_file("/m/own/memory.limit_in_bytes", "%llu\n", 100 * MIB);
	fakeroot_file("/m/own/memory.memsw.usage_in_bytes", "%llu\n", 10 * MIB);
	fakeroot_file("/m/own/memory.memsw.limit_in_bytes", "%llu\n", 200 * MIB);
	fakeroot_file("/m/own/memory.stat", "total_inactive_file 4096\n");
	fakeroot_file("/m/own/memory.pressure_level", "%s", "");
	fakeroot_file("/m/own/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
	fakeroot_file("/m/own/cgroup.event_control", "%s", "");
	fakeroot_file("/m/own/cgroup.procs", "%s", "");
}

static void group2(void)
{
	fakeroot_file("/proc/self/cgroup", "0::/own\n");
	fakeroot_file("/proc/self/mountinfo", "41 31 0:38 / /u rw - cgroup2 cgroup2 rw\n");
	fakeroot_file("/u/own/memory.current", "%llu\n", 10 * MIB);
	fakeroot_file("/u/own/memory.max", "%llu\n", 100 * MIB);
	fakeroot_file("/u/own/memory.high", "max\n");
	fakeroot_file("/u/own/memory.stat", "inactive_file 4096\n");
	fakeroot_file("/u/own/memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
	fakeroot_file("/u/own/memory.swap.current", "0\n");
	fakeroot_file("/u/own/memory.swap.max", "max\n");
	fakeroot_file("/u/own/cgroup.procs", "%s", "");
}

void machine_begin(int version)
{
	fakeroot_begin();
	if (version == 1)
		group1();
	else
		group2();
	fakeroot_file("/u/own/cgroup.events", "populated 1\n");
	machine_stalled(0, 0);
	fakeroot_file("/proc/meminfo", "MemTotal: 1048576 kB\nMemAvailable: 524288 kB\n"
		      "SwapTotal: 1048576 kB\nSwapFree: 1048576 kB\n");
	fakeroot_file("/proc/self/status", "RssAnon:\t 5 kB\nRssShmem:\t 0 kB\nVmSwap:\t 0 kB\n");
	fakeroot_file("/proc/zoneinfo", "Node 0, zone Normal\n pages free 50000\n high 9\n"
		      " managed 262144\n");
	shrink_conf_set("peers", "off");
}

void machine_stalled(unsigned long long some_usec, unsigned long long full_usec)
{
	fakeroot_file("/u/own/memory.pressure",
		      "some avg10=0.00 avg60=0.00 avg300=0.00 total=%llu\n"
		      "full avg10=0.00 avg60=0.00 avg300=0.00 total=%llu\n",
		      some_usec, full_usec);
}

void machine_open(void)
{
	CU_ASSERT(shrink_monitor_open() > 0);
	shrink_judge_reset();
}

void machine_turn(void)
{
	shrink_monitor_turn();
}

void machine_look(void)
{
	shrink_monitor_wake();
	shrink_monitor_turn();
}

void machine_leave(void)
{
	shrink_monitor_close();
	fakeroot_end();
}

void machine_end(void)
{
	machine_leave();
	ASSERT_INT(shrink_os_fd_count(), 0);
}

struct shrink_source *machine_source(const char *name)
{
	for (size_t i = 0; i < shrink_sources_nr(); i++)
		if (!strcmp(shrink_sources_at(i)->ops->name, name))
			return shrink_sources_at(i);
	return NULL;
}

int machine_says(const char *name, const char *state, const char *why)
{
	struct shrink_source_info infos[32];
	int n = shrink_sources(infos, 32, sizeof(infos[0]));

	for (int i = 0; i < n; i++) {
		if (strcmp(infos[i].name, name))
			continue;
		if (!strcmp(infos[i].state, state) && strstr(infos[i].reason, why))
			return 1;
		printf("# %s is %s: %s\n", name, infos[i].state, infos[i].reason);
		return 0;
	}
	return 0;
}

const char *machine_believes(void)
{
	struct shrink_headroom h;

	shrink_gauges_read(true, &h);
	return h.name;
}

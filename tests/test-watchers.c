// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * What wakes the monitor - PSI triggers, memory.events, vmpressure, oom_control, the
 * service manager - from the kernel's event to the signal, on a made-up machine whose
 * files can be waited for; and what goes on the moment one of them fails (G9).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <shrink/conf.h>
#include <shrink/shrink.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/fd.h>
#include <libshrink/source/sources.h>

#include "tests/fakeroot.h"
#include "tests/harness.h"
#include "tests/machine.h"
#include "tests/os-double.h"

static unsigned int warnings;
static char last_warning[512];

static void take_line(void *arg, enum shrink_log_level level, const char *line)
{
	(void)arg;
	if (level > SHRINK_LOG_WARNING)
		return;
	warnings++;
	snprintf(last_warning, sizeof(last_warning), "%s", line);
}

static void begin(int version)
{
	os_double_reset();
	machine_begin(version);
	warnings = 0;
	last_warning[0] = '\0';
	shrink_set_log(take_line, NULL);
}

static void end(void)
{
	machine_end();
	ASSERT_INT(os_waited_for(), 0);
	shrink_set_log(NULL, NULL);
}

static uint64_t events_of(const char *name)
{
	return machine_source(name)->events;
}

/* Lets the kernel signal descriptor @i of a source, and the monitor take it: signals. */
static uint64_t signalled(const char *name, int i, uint32_t events)
{
	uint64_t before = events_of(name);

	os_signal(machine_source(name)->fd[i], events);
	machine_turn();
	return events_of(name) - before;
}

/* A live source of which nothing more is heard, and one warning in its own words. */
static void failed(const char *name, const char *why)
{
	CU_ASSERT(machine_says(name, "failed", why));
	ASSERT_INT(warnings, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(last_warning, name));
	ASSERT_INT(machine_source(name)->nr_fds, 0);
	machine_look();
	machine_look();
	ASSERT_INT(warnings, 1);
}

static void test_memory_events(void)
{
	begin(2);
	machine_open();
	CU_ASSERT(machine_says("events", "live", ""));
	machine_turn();
	ASSERT_INT(signalled("events", 0, EPOLLPRI | EPOLLERR), 0); /* nothing has changed */
	fakeroot_file("/u/own/memory.events", "low 0\nhigh 0\nmax 1\noom 0\noom_kill 0\n");
	ASSERT_INT(signalled("events", 0, EPOLLPRI | EPOLLERR), 1);
	ASSERT_INT(signalled("events", 0, EPOLLPRI | EPOLLERR), 0);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL); /* there is room (G7) */
	fakeroot_file("/u/own/memory.current", "%llu\n", 99 * MIB + MIB / 2);
	fakeroot_file("/u/own/memory.events", "low 0\nhigh 0\nmax 1\noom 1\noom_kill 0\n");
	ASSERT_INT(signalled("events", 0, EPOLLPRI | EPOLLERR), 1);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_CRITICAL);

	/* the group is removed */
	os_fail_reads(machine_source("events")->fd[0], ENODEV);
	signalled("events", 0, EPOLLPRI | EPOLLERR);
	failed("events", "removed");
	CU_ASSERT(machine_says("usage", "live", ""));
	CU_ASSERT_STRING_EQUAL(machine_believes(), "usage");
	end();
}

/* A removed group wakes nobody: it is looked after. */
static void test_events_looked_after(void)
{
	begin(2);
	machine_open();
	machine_turn();
	os_fail_reads(machine_source("events")->fd[0], ENODEV);
	machine_source("events")->next_sample = 0;
	machine_turn();
	failed("events", "removed");
	CU_ASSERT(machine_says("psi", "live", ""));
	end();
}

/* Its first event counts for nothing where total= has hardly moved; the trigger's level
 * is said by what total= has grown. */
static void test_psi_false_event(void)
{
	begin(2);
	machine_stalled(7000000, 0);
	machine_open();
	machine_turn();
	ASSERT_INT(machine_source("psi")->nr_fds, 3);
	machine_stalled(7000040, 0);
	for (int i = 0; i < 3; i++)
		ASSERT_INT(signalled("psi", i, EPOLLPRI), 0);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	machine_stalled(7400000, 0);
	ASSERT_INT(signalled("psi", 0, EPOLLPRI), 1);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL); /* there is room (G7) */
	CU_ASSERT(machine_says("psi", "live", ""));
	end();
}

/* EPOLLERR is for ever: total= is sampled from then on, and nothing spins. */
static void test_psi_trigger_gone(void)
{
	begin(2);
	machine_open();
	machine_turn();
	signalled("psi", 1, EPOLLPRI | EPOLLERR);
	CU_ASSERT(machine_says("psi", "live", "sampled"));
	ASSERT_INT(machine_source("psi")->nr_fds, 0);
	ASSERT_INT(os_waited_for(), 1); /* memory.events */
	machine_stalled(500000, 0);
	machine_source("psi")->next_sample = 0;
	machine_turn();
	ASSERT_INT(events_of("psi"), 1);
	ASSERT_INT(warnings, 0);

	/* cgroup.pressure is set to 0, which hides the file */
	os_fail_open("memory.pressure", ENOENT);
	machine_end();
	begin(2);
	os_fail_open("memory.pressure", ENOENT);
	machine_open();
	CU_ASSERT(machine_says("psi", "unsupported", "no PSI here"));
	CU_ASSERT(machine_says("usage", "live", ""));
	ASSERT_INT(warnings, 0); /* it is nobody's fault */
	end();
}

/* The v2 twin of a kernel started with psi=0, where opening or reading says so. */
static void test_psi_off_at_boot(void)
{
	begin(2);
	os_fail_open("memory.pressure", EOPNOTSUPP);
	fakeroot_file("/proc/pressure/memory", "some total=0\n");
	machine_open();
	/* the machine's is asked next, and shortens sampling at most */
	CU_ASSERT(machine_says("psi", "live", "the machine's"));
	ASSERT_INT(machine_source("psi")->nr_fds, 0);
	machine_end();

	begin(2);
	fakeroot_remove("/u/own/memory.pressure");
	fakeroot_file("/proc/pressure/memory", "some total=0\n");
	os_fail_open("pressure/memory", EOPNOTSUPP);
	machine_open();
	CU_ASSERT(machine_says("psi", "unsupported", "psi=0"));
	CU_ASSERT(machine_says("events", "live", ""));
	ASSERT_INT(warnings, 0);
	end();
}

/* Hidden or removed while it is watched: total= cannot be read any more. */
static void test_psi_hidden_later(void)
{
	char list[] = "some 100000 1000000 low";

	begin(1);
	shrink_conf_set("psi_triggers", list);
	machine_open();
	machine_turn();
	ASSERT_INT(machine_source("psi")->nr_fds, 1);
	/* its file for reading is the one opened just before the trigger's */
	os_fail_reads(machine_source("psi")->fd[0] - 1, ENODEV);
	signalled("psi", 0, EPOLLPRI | EPOLLERR);
	failed("psi", "hides its PSI");
	CU_ASSERT(machine_says("vmpressure", "live", ""));
	shrink_conf_set("psi_triggers", "");
	end();
}

static void level_is(const char *list, uint64_t some, uint64_t full, enum shrink_level level)
{
	begin(2);
	ASSERT_INT(shrink_conf_set("psi_triggers", list), 0);
	fakeroot_file("/u/own/memory.current", "%llu\n", 98 * MIB + MIB / 2);
	machine_open();
	machine_turn();
	machine_stalled(some, full);
	signalled("psi", 0, EPOLLPRI);
	CU_ASSERT(shrink_level() >= level);
	CU_ASSERT(level == SHRINK_LEVEL_CRITICAL ||
		  shrink_level() < SHRINK_LEVEL_CRITICAL);
	ASSERT_INT(warnings, 0);
	shrink_conf_set("psi_triggers", "");
	end();
}

/* Each threshold of the list means its level. */
static void test_psi_triggers(void)
{
	static const char list[] = "some 50000 1000000 low; some 80000 2000000 medium;"
				   "full 90000 1000000 critical";

	level_is(list, 60000, 0, SHRINK_LEVEL_LOW);
	level_is(list, 85000, 0, SHRINK_LEVEL_MEDIUM);
	level_is(list, 95000, 95000, SHRINK_LEVEL_CRITICAL);
	level_is("full 10 1000000 critical", 95000, 0, SHRINK_LEVEL_NORMAL);
	level_is("full 10 1000000 critical", 95000, 11, SHRINK_LEVEL_CRITICAL);
}

/* A list that is none: said once, and the default thresholds watch. */
static void test_psi_triggers_bad(void)
{
	static const char *const lists[] = {"some 1 2", "some 5 3 low", "all 1 2 low",
					    "some 1 2 low;some 1 2 low;some 1 2 low;some 1 2 low;"
					    "some 1 2 low;some 1 2 low;some 1 2 low;some 1 2 low;"
					    "some 1 2 low"};

	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(lists); i++) {
		begin(2);
		ASSERT_INT(shrink_conf_set("psi_triggers", lists[i]), 0);
		machine_open();
		machine_look();
		ASSERT_INT(warnings, 1);
		CU_ASSERT_PTR_NOT_NULL(strstr(last_warning, "psi_triggers"));
		CU_ASSERT_EQUAL(!!strstr(last_warning, "more than 8"), i == 3);
		CU_ASSERT(machine_says("psi", "live", ""));
		ASSERT_INT(machine_source("psi")->nr_fds, 3);
		shrink_conf_set("psi_triggers", "");
		end();
	}
}

static void notify(const char *name, int i)
{
	uint64_t one = 1;

	ASSERT_INT(write(machine_source(name)->fd[i], &one, sizeof(one)), sizeof(one));
	machine_turn();
}

static void test_vmpressure(void)
{
	begin(1);
	machine_open();
	machine_turn();
	CU_ASSERT(machine_says("vmpressure", "live", ""));
	notify("vmpressure", 0);
	ASSERT_INT(events_of("vmpressure"), 1);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL); /* there is room (G7) */

	/* the end of the group signals its eventfds, too */
	os_fail_reads(machine_source("usage")->cgroup->level[0].usage_fd, ENODEV);
	notify("vmpressure", 0);
	CU_ASSERT(machine_says("vmpressure", "failed", "removed"));
	/* the gauge has gone with it; what is left of the machine is believed */
	machine_look();
	CU_ASSERT(machine_says("usage", "failed", "removed"));
	CU_ASSERT_STRING_EQUAL(machine_believes(), "swap");
	CU_ASSERT(machine_says("memavailable", "live", ""));
	end();
}

static void test_oom(void)
{
	begin(1);
	machine_open();
	machine_turn();
	CU_ASSERT(machine_says("oom", "live", ""));
	fakeroot_file("/m/own/memory.usage_in_bytes", "%llu\n", 99 * MIB + MIB / 2);
	fakeroot_file("/m/own/memory.oom_control", "oom_kill_disable 1\nunder_oom 1\n");
	notify("oom", 0);
	ASSERT_INT(events_of("oom"), 1);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_CRITICAL);
	CU_ASSERT(machine_source("oom")->next_sample != UINT64_MAX); /* while somebody waits */
	end();

	begin(1);
	machine_open();
	machine_turn();
	/* the eventfd is armed with the number of memory.oom_control's descriptor */
	os_fail_reads(machine_source("oom")->fd[0] - 1, ENODEV);
	notify("oom", 0);
	failed("oom", "removed");
	CU_ASSERT(machine_says("vmpressure", "live", ""));
	CU_ASSERT(machine_says("usage", "live", ""));
	end();
}

/* The manager's PSI file: its first event is checked, and with it gone our own measure
 * of stall counts again. */
static void test_systemd_file(void)
{
	begin(2);
	setenv("MEMORY_PRESSURE_WATCH", "/run/pressure", 1);
	setenv("MEMORY_PRESSURE_WRITE", "c29tZSAxMDAwMDAgMTAwMDAwMAA=", 1);
	fakeroot_file("/run/pressure", "some total=5000000\n");
	machine_open();
	CU_ASSERT(machine_says("systemd", "live", "/run/pressure"));
	CU_ASSERT(machine_says("psi", "live", "systemd takes precedence"));
	machine_turn();
	fakeroot_file("/run/pressure", "some total=5000900\n");
	signalled("systemd", 0, EPOLLPRI);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	signalled("systemd", 0, EPOLLPRI | EPOLLERR);
	failed("systemd", "gone");
	CU_ASSERT(machine_says("psi", "live", "in place of systemd"));
	ASSERT_INT(machine_source("psi")->muted, 0);
	unsetenv("MEMORY_PRESSURE_WATCH");
	unsetenv("MEMORY_PRESSURE_WRITE");
	end();
}

static const struct test tests[] = {
	{"G9: memory.events, until the group is removed", test_memory_events},
	{"G9: a removed group is noticed without an event", test_events_looked_after},
	{"PSI: a false first event", test_psi_false_event},
	{"G9: PSI: a trigger that is gone", test_psi_trigger_gone},
	{"G9: PSI: switched off at boot", test_psi_off_at_boot},
	{"G9: PSI: hidden while it is watched", test_psi_hidden_later},
	{"PSI: psi_triggers", test_psi_triggers},
	{"PSI: psi_triggers that are none", test_psi_triggers_bad},
	{"G9: vmpressure, until the group is removed", test_vmpressure},
	{"G9: oom_control, until the group is removed", test_oom},
	{"G9: the manager's PSI file", test_systemd_file},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "watchers", tests);
}

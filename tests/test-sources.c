// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Sources of pressure, driven by hand as the monitor would, on made-up systems. The
 * running one: test-sources-native.c */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <shrink/conf.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/fd.h>
#include <libshrink/source/ladder.h>
#include <libshrink/source/source.h>
#include <libshrink/source/stall.h>

#include "tests/fakeroot.h"
#include "tests/harness.h"

#define MIB (1024ULL * 1024)
#define MS NSEC_PER_MSEC
#define V1_NONE 0x7ffffffffffff000ULL

static struct shrink_cgroup cg;
static struct shrink_source src;

static void group(const char *name, uint64_t limit)
{
	char path[256];

	snprintf(path, sizeof(path), "/m%s/memory.limit_in_bytes", name);
	fakeroot_file(path, "%llu\n", (unsigned long long)limit);
	snprintf(path, sizeof(path), "/m%s/memory.usage_in_bytes", name);
	fakeroot_file(path, "4096\n");
	snprintf(path, sizeof(path), "/m%s/cgroup.event_control", name);
	fakeroot_file(path, "%s", "");
}

static void stalled(const char *file, uint64_t some, uint64_t full)
{
	fakeroot_file(file, "some avg10=0.00 avg60=0.00 avg300=0.00 total=%llu\n"
		      "full avg10=0.00 avg60=0.00 avg300=0.00 total=%llu\n",
		      (unsigned long long)some, (unsigned long long)full);
}

#define OWN "/u/own/memory.pressure"

static void begin_v1(void)
{
	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "4:memory:/a/own\n0::/own\n");
	fakeroot_file("/proc/self/mountinfo", "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n"
		      "41 31 0:38 / /u rw - cgroup2 cgroup2 rw\n");
	fakeroot_file("/u/own/cgroup.events", "populated 1\n");
	fakeroot_file("/u/own/memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	group("", V1_NONE);
	group("/a", 1024 * MIB);
	group("/a/own", 128 * MIB);
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
}

static void begin_v2(void)
{
	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "0::/a/own\n");
	fakeroot_file("/proc/self/mountinfo", "41 31 0:38 / /u rw - cgroup2 cgroup2 rw\n");
	fakeroot_file("/u/a/memory.current", "1\n");
	fakeroot_file("/u/a/own/memory.current", "1\n");
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
}

static int open_source(const struct shrink_source_ops *ops)
{
	memset(&src, 0, sizeof(src));
	src.ops = ops;
	src.cgroup = &cg;
	return ops->open(&src);
}

static void end(void)
{
	src.ops->close(&src);
	shrink_os_cgroup_close(&cg);
	ASSERT_INT(shrink_os_fd_count(), 0);
	fakeroot_end();
}

static struct shrink_signal ready(int index, uint32_t events, uint64_t now)
{
	struct shrink_signal sig = {0};

	ASSERT_INT(src.ops->ready(&src, index, events, now, &sig), 0);
	return sig;
}

static struct shrink_signal sample(uint64_t now)
{
	struct shrink_signal sig = {0};

	ASSERT_INT(src.ops->sample(&src, now, &sig), 0);
	return sig;
}

static void test_off(void)
{
	static const struct shrink_source_ops *const all[] = {
		&shrink_source_thresholds, &shrink_source_events, &shrink_source_psi,
		&shrink_source_memavailable};

	begin_v1();
	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(all); i++) {
		ASSERT_INT(shrink_conf_set(all[i]->name, "off"), 0);
		ASSERT_INT(open_source(all[i]), -ECANCELED);
		CU_ASSERT(src.reason[0] != '\0');
		ASSERT_INT(shrink_conf_set(all[i]->name, "on"), 0);
	}
	ASSERT_INT(open_source(&shrink_source_rss), -ECANCELED);
	end();
}

static void test_ladder(void)
{
	uint64_t rungs[SHRINK_LADDER_RUNGS];

	for (uint64_t limit = 4096; limit < 1ULL << 45; limit += limit / 3 + 4096) {
		struct shrink_wmark w = shrink_wmark(limit, 0, 0, 0);
		int n = shrink_ladder(limit, w, rungs), low = 0;

		CU_ASSERT(n <= SHRINK_LADDER_RUNGS);
		for (int i = 0; i < n; i++) {
			CU_ASSERT(rungs[i] > (i ? rungs[i - 1] : 0) && rungs[i] < limit);
			low |= rungs[i] == limit - w.low;
		}
		CU_ASSERT(low || limit < 64 * 4096);
	}
	/* a high watermark set far up does not hide the rungs that lie below it */
	ASSERT_INT(shrink_ladder(1000 * MIB, (struct shrink_wmark){10 * MIB, 500 * MIB}, rungs), 7);
	CU_ASSERT_EQUAL(rungs[0], 840 * MIB);
}

/* What was written to a group's event_control, read back: descriptor, descriptor of
 * the usage file, threshold, for each rung. */
static int armed(const char *name, int fd, uint64_t *ret_last)
{
	char path[256], text[4096];
	int n = 0, used, efd, ufd;
	unsigned long long rung;
	FILE *f;
	size_t len;

	snprintf(path, sizeof(path), "/m%s/cgroup.event_control", name);
	f = fopen(fakeroot_path(path), "r");
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	for (char *p = text; sscanf(p, "%d %d %llu%n", &efd, &ufd, &rung, &used) == 3; p += used)
		n += efd == fd;
	*ret_last = len ? rung : 0;
	return n;
}

static void test_thresholds(void)
{
	int old;

	begin_v1();
	group("/a/own", V1_NONE); /* only the ancestor has a limit */
	ASSERT_INT(open_source(&shrink_source_thresholds), 0);
	ASSERT_INT(src.nr_fds, 1);
	ASSERT_INT(sample(0).recheck, 0);
	ASSERT_INT(src.chore_due, 0);

	/* now we get one of our own */
	group("/a/own", 128 * MIB);
	ASSERT_INT(sample(1000 * MS).recheck, 0);
	ASSERT_INT(src.chore_due, 1);
	old = src.fd[0];
	ASSERT_INT(src.ops->chore(&src), 0);
	ASSERT_INT(src.nr_fds, 1); /* the monitor still has the old ones */
	src.chore_due = src.fds_changed = 0;
	ASSERT_INT(sample(1001 * MS).recheck, 1);
	ASSERT_INT(src.fds_changed, 1);
	ASSERT_INT(src.nr_fds, 2);
	ASSERT_INT(src.fd[1], old); /* what has not changed stays armed */
	ASSERT_INT(sample(2001 * MS).recheck, 0);
	ASSERT_INT(src.chore_due, 0);

	/* events wake a check, nothing else, and are made unready */
	ASSERT_INT(ready(0, EPOLLIN, 3000 * MS).recheck, 0);
	shrink_os_notify(src.fd[0]);
	ASSERT_INT(ready(0, EPOLLIN, 3000 * MS).recheck, 1);
	ASSERT_INT(ready(0, EPOLLIN, 3000 * MS).recheck, 0);
	shrink_os_notify(src.fd[1]);
	ASSERT_INT(ready(1, EPOLLIN, 3000 * MS).stall, 0);

	/* the limit goes: its ladder does */
	group("/a/own", V1_NONE);
	sample(4000 * MS);
	ASSERT_INT(src.chore_due, 1);
	ASSERT_INT(src.ops->chore(&src), 0);
	src.chore_due = 0;
	sample(4000 * MS);
	ASSERT_INT(src.nr_fds, 1);
	ASSERT_INT(src.fd[0], old);
	end();
}

static void test_threshold_rungs(void)
{
	uint64_t last;

	begin_v1();
	ASSERT_INT(open_source(&shrink_source_thresholds), 0);
	ASSERT_INT(src.nr_fds, 2);
	ASSERT_INT(armed("/a/own", src.fd[0], &last), SHRINK_LADDER_RUNGS);
	CU_ASSERT_EQUAL(last, 128 * MIB - shrink_wmark(128 * MIB, 0, 0, 0).low / 4);
	ASSERT_INT(armed("/a", src.fd[1], &last), SHRINK_LADDER_RUNGS);
	CU_ASSERT_EQUAL(last, 1024 * MIB - shrink_wmark(1024 * MIB, 0, 0, 0).low / 4);
	ASSERT_INT(armed("", src.fd[0], &last), 0); /* no limit at the top */
	end();
}

static void test_thresholds_unsupported(void)
{
	begin_v2();
	ASSERT_INT(open_source(&shrink_source_thresholds), -EOPNOTSUPP);
	CU_ASSERT(src.reason[0] != '\0');
	end();
	begin_v1();
	fakeroot_remove("/m/a/own/cgroup.event_control");
	ASSERT_INT(open_source(&shrink_source_thresholds), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(src.reason, "event_control"));
	end();
}

/* After fork the numbers of the parent's descriptors may be anybody's. */
static void test_reopen(void)
{
	static const struct shrink_source_ops *const all[] = {
		&shrink_source_thresholds, &shrink_source_psi, &shrink_source_memavailable};
	int foreign[16];

	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(all); i++) {
		begin_v1();
		fakeroot_file("/proc/meminfo", "MemTotal: 9 kB\nMemAvailable: 4 kB\n");
		ASSERT_INT(open_source(all[i]), 0);
		shrink_os_fd_fork_child();
		for (int k = 0; k < 16; k++)
			foreign[k] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
		stalled(OWN, 0, 0); /* here a trigger has overwritten it */
		ASSERT_INT(open_source(all[i]), 0);
		src.ops->close(&src);
		src.ops->close(&src); /* once more does no harm */
		for (int k = 0; k < 16; k++) {
			CU_ASSERT(fcntl(foreign[k], F_GETFD) >= 0);
			close(foreign[k]);
		}
		end();
	}
}

static void test_events(void)
{
	struct shrink_signal sig = {0};

	begin_v1();
	ASSERT_INT(open_source(&shrink_source_events), -EOPNOTSUPP);
	end();

	begin_v2();
	ASSERT_INT(open_source(&shrink_source_events), -ENOENT);
	fakeroot_file("/u/a/memory.events", "low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\n");
	fakeroot_file("/u/a/own/memory.events", "max 77\n");
	fakeroot_file("/u/a/own/memory.events.local", "low 0\nhigh 1\nmax 0\nnew_key 3\noom 0\n");
	ASSERT_INT(open_source(&shrink_source_events), 0);
	ASSERT_INT(src.nr_fds, 2);
	ASSERT_INT(src.epoll[0], EPOLLPRI);
	ASSERT_INT(ready(0, EPOLLPRI | EPOLLERR, 0).recheck, 0); /* nothing new */

	fakeroot_file("/u/a/own/memory.events", "max 78\n"); /* not the one that counts */
	ASSERT_INT(ready(0, EPOLLPRI | EPOLLERR, 0).recheck, 0);
	fakeroot_file("/u/a/own/memory.events.local", "low 9\nhigh 1\nmax 2\nnew_key 9\noom 0\n");
	sig = ready(0, EPOLLPRI | EPOLLERR, 0);
	ASSERT_INT(sig.recheck, 1);
	ASSERT_INT(sig.stall, 0); /* the kernel may have helped itself */
	ASSERT_INT(ready(0, EPOLLPRI | EPOLLERR, 0).recheck, 0);
	fakeroot_file("/u/a/memory.events", "low 0\nhigh 0\nmax 5\noom 2\noom_kill 1\n");
	sig = ready(1, EPOLLPRI | EPOLLERR, 0);
	ASSERT_INT(sig.recheck, 1);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_CRITICAL);

	/* a file that cannot be read any more ends the source, in words */
	CU_ASSERT(dup2(open("/", O_RDONLY | O_DIRECTORY), src.fd[0]) >= 0);
	ASSERT_INT(src.ops->ready(&src, 0, EPOLLPRI | EPOLLERR, 0, &sig), -EISDIR);
	CU_ASSERT(src.reason[0] != '\0');
	end();
}

/* The example of contract section 7.3: (time, stall) -> growth, window 1000. */
static void test_stall_window(void)
{
	static const uint64_t table[][3] = {
		{100, 0, 0},	  {200, 50, 50},    {500, 80, 80},    {900, 120, 120},
		{1001, 160, 160}, {1100, 160, 144}, {1500, 200, 120}, {2002, 260, 100},
	};
	struct shrink_stall stall;

	shrink_stall_begin(&stall, 0, 0);
	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(table); i++)
		ASSERT_INT((long long)shrink_stall_growth(&stall, table[i][0], table[i][1], 1000),
			   (long long)table[i][2]);
}

static void test_stall_parse(void)
{
	uint64_t some = 7, full = 7;

	ASSERT_INT(shrink_stall_parse("some avg10=1.00 total=123\nfull avg10=0.00 total=45\n",
				      &some, &full),
		   0);
	ASSERT_INT((long long)some, 123);
	ASSERT_INT((long long)full, 45);
	ASSERT_INT(shrink_stall_parse("some avg10=1.00 total=6\n", &some, &full), 0);
	ASSERT_INT((long long)full, 0);
	ASSERT_INT(shrink_stall_parse("", &some, &full), -EINVAL);
	ASSERT_INT(shrink_stall_parse("some avg10=0\nfull total=3\n", &some, &full), -EINVAL);
	ASSERT_INT((long long)some, 6);
}

static void test_psi(void)
{
	struct shrink_signal sig;

	begin_v1();
	ASSERT_INT(open_source(&shrink_source_psi), 0);
	ASSERT_INT(src.nr_fds, 3); /* a plain file takes any trigger */
	stalled(OWN, 5000000, 4000000);
	sig = sample(0); /* what was before is nobody's fault */
	ASSERT_INT(sig.stall, 0);
	ASSERT_INT((long long)src.next_sample, 500 * (long long)MS);

	/* the first event of an unprivileged trigger may be false */
	stalled(OWN, 5000100, 4000000);
	sig = ready(0, EPOLLPRI, 200 * MS);
	ASSERT_INT(sig.stall, 0);
	CU_ASSERT(src.next_sample < 300 * MS); /* but it is watched closely */

	stalled(OWN, 5100000, 4000000); /* 100 ms within 1 s */
	sig = sample(250 * MS);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_LOW);
	ASSERT_INT(sig.priority, 12);
	sig = sample(700 * MS); /* no more of it: no signal */
	ASSERT_INT(sig.stall, 0);
	stalled(OWN, 5200000, 4000000);
	sig = sample(750 * MS);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_MEDIUM);
	ASSERT_INT(sig.priority, 10);
	stalled(OWN, 5210000, 4000000);
	ASSERT_INT(sample(760 * MS).stall, 0); /* not twice for one stall */
	stalled(OWN, 5600000, 4400000);
	sig = sample(1100 * MS);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_CRITICAL);
	ASSERT_INT(sig.priority, 6);

	/* quiet again: looked at less and less */
	for (uint64_t t = 1200; t < 9000; t += 500)
		ASSERT_INT(sample(t * MS).stall, 0);
	ASSERT_INT((long long)(src.next_sample % (500 * MS)), 200 * (long long)MS);
	end();
}

static void test_psi_trigger_lost(void)
{
	struct shrink_signal sig;

	begin_v1();
	ASSERT_INT(open_source(&shrink_source_psi), 0);
	stalled(OWN, 0, 0);
	sample(0);
	src.fds_changed = 0;
	ready(0, EPOLLPRI | EPOLLERR, 10 * MS);
	ASSERT_INT(src.nr_fds, 0);
	ASSERT_INT(src.fds_changed, 1);
	CU_ASSERT(src.reason[0] != '\0');
	stalled(OWN, 300000, 0);
	sig = sample(500 * MS);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_MEDIUM);
	end();
}

/* Strangers' stall shortens sampling and frees nothing. */
static void test_psi_machine(void)
{
	struct shrink_signal sig;

	begin_v1();
	stalled("/proc/pressure/memory", 0, 0);
	fakeroot_remove("/u/own/cgroup.events"); /* we are in the topmost group */
	ASSERT_INT(open_source(&shrink_source_psi), 0);
	ASSERT_INT(src.nr_fds, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(src.reason, "machine"));
	sample(0);
	stalled("/proc/pressure/memory", 900000, 900000);
	sig = sample(500 * MS);
	ASSERT_INT(sig.stall, 0);
	ASSERT_INT(sig.recheck, 0);
	ASSERT_INT(sig.hint, 1);
	end();

	begin_v1();
	fakeroot_remove(OWN);
	ASSERT_INT(open_source(&shrink_source_psi), -ENOENT);
	CU_ASSERT(src.reason[0] != '\0');
	fakeroot_file("/proc/pressure/memory", "%s", "gibberish\n");
	ASSERT_INT(open_source(&shrink_source_psi), -EINVAL);
	end();
}

static void test_memavailable(void)
{
	struct shrink_gauge_reading r = {0};

	begin_v1();
	ASSERT_INT(open_source(&shrink_source_memavailable), -ENOENT);
	fakeroot_file("/proc/meminfo", "MemTotal: 1000 kB\nMemFree: 1 kB\n");
	ASSERT_INT(open_source(&shrink_source_memavailable), -EINVAL);
	fakeroot_file("/proc/meminfo",
		      "MemTotal:     1000 kB\nMemFree: 1 kB\nMemAvailable: 300 kB\n");
	ASSERT_INT(open_source(&shrink_source_memavailable), 0);
	ASSERT_INT(src.gauge->read(src.gauge, 1, &r), 0);
	ASSERT_INT((long long)r.limit, 1000 * 1024);
	ASSERT_INT((long long)r.usage, 700 * 1024);
	ASSERT_INT((long long)r.reclaimable, 0);
	ASSERT_INT(r.kind, SHRINK_LIMIT_MEMORY);
	end();
	CU_ASSERT_PTR_NULL(src.gauge);
}

static void test_rss(void)
{
	struct shrink_gauge_reading r = {0};

	begin_v1();
	fakeroot_file("/proc/self/status", "Name:\tx\nVmRSS:\t 90 kB\nRssAnon:\t 50 kB\n"
		      "RssFile:\t 30 kB\nRssShmem:\t 10 kB\n");
	ASSERT_INT(shrink_conf_set("rss_budget", "1M"), 0);
	ASSERT_INT(open_source(&shrink_source_rss), 0);
	ASSERT_INT(src.gauge->read(src.gauge, 0, &r), 0);
	ASSERT_INT((long long)r.limit, 1 << 20);
	ASSERT_INT((long long)r.usage, 60 * 1024);
	ASSERT_INT(r.kind, SHRINK_LIMIT_RSS);
	ASSERT_INT(shrink_conf_set("rss_budget", "0"), 0);
	ASSERT_INT(src.gauge->read(src.gauge, 0, &r), 0);
	CU_ASSERT_EQUAL(r.limit, UINT64_MAX);
	end();
}

static const struct test tests[] = {
	{"G9: sources switched off say so", test_off},
	{"thresholds: the ladder", test_ladder},
	{"thresholds: follow limits that come and go", test_thresholds},
	{"thresholds: rungs armed", test_threshold_rungs},
	{"G9: thresholds where there are none", test_thresholds_unsupported},
	{"G10: reopened in a forked child", test_reopen},
	{"events: hits wake, OOM presses", test_events},
	{"psi: sliding window as the kernel's", test_stall_window},
	{"psi: text", test_stall_parse},
	{"psi: own stall by total=", test_psi},
	{"G9: psi: a lost trigger leaves sampling", test_psi_trigger_lost},
	{"G7: psi: strangers' stall", test_psi_machine},
	{"memavailable", test_memavailable},
	{"rss budget", test_rss},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "sources", tests);
}

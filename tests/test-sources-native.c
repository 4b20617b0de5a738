// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Sources of pressure against the running kernel, in child groups of our own. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shrink/conf.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/source/source.h>

#include "tests/cg.h"
#include "tests/harness.h"

#define MIB (1024ULL * 1024)

static struct shrink_cgroup cg;
static struct shrink_source src;
static struct cg group, limited;
static char eater[512];

static int open_source(const struct shrink_source_ops *ops)
{
	memset(&src, 0, sizeof(src));
	src.ops = ops;
	src.cgroup = &cg;
	return ops->open(&src);
}

/* Waits for a descriptor of the source; its index or -1. */
static int wait_ready(int timeout_msec, uint32_t *ret_events)
{
	struct pollfd fds[SHRINK_SOURCE_FDS];

	for (int i = 0; i < src.nr_fds; i++)
		fds[i] = (struct pollfd){src.fd[i], src.epoll[i] ? (short)src.epoll[i] : POLLIN, 0};
	if (poll(fds, (nfds_t)src.nr_fds, timeout_msec) <= 0)
		return -1;
	for (int i = 0; i < src.nr_fds; i++)
		if (fds[i].revents) {
			*ret_events = (uint32_t)fds[i].revents;
			return i;
		}
	return -1;
}

/* Takes all events there are within @msec; how many asked for a check. */
static int rechecks(int msec)
{
	uint32_t events;
	int n = 0, index;

	while ((index = wait_ready(msec, &events)) >= 0) {
		struct shrink_signal sig = {0};

		ASSERT_INT(src.ops->ready(&src, index, events, shrink_os_clock(), &sig), 0);
		n += sig.recheck;
	}
	return n;
}

static pid_t eat(uint64_t bytes, const char *msec)
{
	char text[32];
	char *const argv[] = {eater, (char *)"anon", text, (char *)(uintptr_t)msec, NULL};

	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	return cg_spawn(&group, argv);
}

/* We are in the group while it is looked for, and out of it before it fills. */
static int open_inside(void)
{
	struct cg parent = group;
	int r;

	*strrchr(parent.dir, '/') = '\0';
	if (cg_move(&group, 0) < 0)
		return -errno;
	r = shrink_os_cgroup_open(&cg);
	if (cg_move(&parent, 0) < 0)
		return -errno;
	return r;
}

static void test_thresholds(void)
{
	const char *why = cg_create_v1(&group, "thresholds", 64 * MIB);
	struct shrink_signal sig = {0};

	if (why)
		SKIP("no v1 child group: %s", why);
	ASSERT_INT(open_inside(), 0);
	ASSERT_INT(open_source(&shrink_source_thresholds), 0);
	CU_ASSERT(src.nr_fds >= 1);
	rechecks(50); /* we ourselves may have crossed something */
	CU_ASSERT(eat(60 * MIB, "300") > 0);
	/* past the rungs on the way up, and on the way down again */
	CU_ASSERT(rechecks(1000) >= 2);

	/* a new limit, armed off the monitor, in service at the next sample */
	ASSERT_INT(cg_write(&group, "memory.limit_in_bytes", "33554432"), 0);
	ASSERT_INT(src.ops->sample(&src, shrink_os_clock(), &sig), 0);
	ASSERT_INT(src.chore_due, 1);
	ASSERT_INT(src.ops->chore(&src), 0);
	src.chore_due = 0;
	ASSERT_INT(src.ops->sample(&src, shrink_os_clock(), &sig), 0);
	ASSERT_INT(sig.recheck, 1);
	rechecks(50);
	CU_ASSERT(eat(29 * MIB, "300") > 0); /* below every rung of the old ladder */
	CU_ASSERT(rechecks(1000) >= 1);
	ASSERT_INT((long long)cg_number(&group, "memory.failcnt"), 0);

	src.ops->close(&src);
	shrink_os_cgroup_close(&cg);
	ASSERT_INT(shrink_os_fd_count(), 0);
	cg_remove(&group);
}

/* Where its rungs are is the kernel's truth too: what arming one costs. */
static void test_arming_time(void)
{
	const char *why = cg_create_v1(&group, "arming", 64 * MIB);
	uint64_t begin;

	if (why)
		SKIP("no v1 child group: %s", why);
	ASSERT_INT(open_inside(), 0);
	begin = shrink_os_clock_real();
	ASSERT_INT(open_source(&shrink_source_thresholds), 0);
	printf("# armed %d ladders in %llu usec\n", src.nr_fds,
	       (unsigned long long)(shrink_os_clock_real() - begin) / 1000);
	CU_ASSERT(shrink_os_clock_real() - begin < 2 * NSEC_PER_SEC);
	src.ops->close(&src);
	shrink_os_cgroup_close(&cg);
	cg_remove(&group);
}

/* Without CAP_SYS_RESOURCE only windows of whole 2 s are taken. */
static void test_psi(void)
{
	const char *why = cg_create_v2(&group, "psi");
	struct shrink_signal sig = {0};
	uint32_t events = 0;
	uint64_t begin;

	if (why)
		SKIP("no v2 child group: %s", why);
	if (open_inside() < 0 || strcmp(cg.unified, group.dir)) {
		shrink_os_cgroup_close(&cg);
		cg_remove(&group);
		SKIP("own v2 group is not visible");
	}
	if (open_source(&shrink_source_psi) < 0 || strstr(src.reason, "machine")) {
		shrink_os_cgroup_close(&cg);
		cg_remove(&group);
		SKIP("no PSI in a child group: %s", src.reason);
	}
	printf("# triggers: %d %s\n", src.nr_fds, src.reason);
	ASSERT_INT(src.ops->sample(&src, shrink_os_clock(), &sig), 0);
	ASSERT_INT(sig.stall, 0);
	CU_ASSERT(src.next_sample < UINT64_MAX);
	/* an idle group: no event, and above all no endless readiness */
	begin = shrink_os_clock_real();
	ASSERT_INT(wait_ready(300, &events), -1);
	CU_ASSERT(shrink_os_clock_real() - begin > 250 * NSEC_PER_MSEC || !src.nr_fds);

	/* the group goes: the trigger says so for ever, unless it is let go */
	ASSERT_INT(rmdir(group.dir), 0);
	if (src.nr_fds) {
		int index = wait_ready(1000, &events);

		CU_ASSERT(index >= 0 && (events & EPOLLERR));
		ASSERT_INT(src.ops->ready(&src, 0, events, shrink_os_clock(), &sig), -ENODEV);
		ASSERT_INT(src.nr_fds, 0);
	} else {
		ASSERT_INT(src.ops->sample(&src, shrink_os_clock(), &sig), -ENODEV);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(src.reason, "removed"));
	src.ops->close(&src);
	shrink_os_cgroup_close(&cg);
	ASSERT_INT(shrink_os_fd_count(), 0);
	group.dir[0] = '\0';
}

static int make_file(const char *path, unsigned int mib)
{
	static char block[MIB];
	FILE *f = fopen(path, "we");
	int r = f ? 0 : -1;

	for (unsigned int i = 0; !r && i < mib; i++)
		r = fwrite(block, 1, sizeof(block), f) == sizeof(block) ? 0 : -1;
	if (f && fclose(f))
		r = -1;
	return r;
}

/* As the monitor would, until the source reports stall or @msec have passed. */
static struct shrink_signal drive_until_stall(uint64_t msec)
{
	uint64_t end = shrink_os_clock_real() + msec * NSEC_PER_MSEC, now;
	struct shrink_signal sig = {0};
	uint32_t events;

	while (!sig.stall && (now = shrink_os_clock_real()) < end) {
		uint64_t wait = shrink_sub_u64(src.next_sample, now) / NSEC_PER_MSEC + 1;
		int index = wait_ready((int)shrink_min_u64(wait, 1000), &events);

		now = shrink_os_clock_real();
		if (index >= 0) {
			ASSERT_INT(src.ops->ready(&src, index, events, now, &sig), 0);
		} else if (now >= src.next_sample) {
			ASSERT_INT(src.ops->sample(&src, now, &sig), 0);
		}
	}
	return sig;
}

/* A group that reads more than it may keep stalls, and is seen to. */
static void test_psi_stall(void)
{
	const char *why = cg_create_v1(&limited, "stall", 16 * MIB);
	struct shrink_signal sig = {0};
	char file[600];

	if (!why)
		why = cg_create_v2(&group, "stall");
	if (!why && (open_inside() < 0 || strcmp(cg.unified, group.dir)))
		why = "own v2 group is not visible";
	shrink_conf_set("psi_stall", "20000");
	if (!why && (open_source(&shrink_source_psi) < 0 || strstr(src.reason, "machine")))
		why = "no PSI in a child group";
	snprintf(file, sizeof(file), "%s.data", eater);
	if (!why && make_file(file, 64) < 0)
		why = "no room for a file";
	if (!why) {
		char *const argv[] = {eater, (char *)"read", file, (char *)"4000", NULL};

		ASSERT_INT(drive_until_stall(300).stall, 0); /* nobody there, no stall */
		CU_ASSERT(cg_move(&limited, cg_spawn(&group, argv)) == 0);
		sig = drive_until_stall(4000);
		CU_ASSERT(sig.stall >= SHRINK_LEVEL_LOW);
		CU_ASSERT(sig.priority > 0 && sig.priority <= 12);
		src.ops->close(&src);
	}
	unlink(file);
	shrink_conf_set("psi_stall", "100000");
	cg_remove(&group);
	cg_remove(&limited);
	shrink_os_cgroup_close(&cg);
	ASSERT_INT(shrink_os_fd_count(), 0);
	if (why)
		SKIP("%s", why);
}

/* The machine's own numbers, as the kernel writes them today. */
static void test_gauges(void)
{
	struct shrink_gauge_reading r = {0};

	if (open_source(&shrink_source_memavailable) < 0)
		SKIP("%s", src.reason);
	ASSERT_INT(src.gauge->read(src.gauge, 1, &r), 0);
	CU_ASSERT(r.limit > 16 * MIB && r.usage < r.limit);
	src.ops->close(&src);

	ASSERT_INT(shrink_conf_set("rss_budget", "1G"), 0);
	ASSERT_INT(open_source(&shrink_source_rss), 0);
	ASSERT_INT(src.gauge->read(src.gauge, 1, &r), 0);
	uint64_t before = r.usage;
	volatile char *p = malloc(32 * MIB);

	for (size_t i = 0; p && i < 32 * MIB; i += 4096)
		p[i] = 1;
	ASSERT_INT(src.gauge->read(src.gauge, 1, &r), 0);
	CU_ASSERT(p && r.usage >= before + 31 * MIB);
	free((void *)(uintptr_t)p);
	src.ops->close(&src);
	ASSERT_INT(shrink_os_fd_count(), 0);
}

static const struct test tests[] = {
	{"thresholds: fire, also after the limit has changed", test_thresholds},
	{"thresholds: time to arm", test_arming_time},
	{"psi: triggers of a group, and its end", test_psi},
	{"psi: a real stall", test_psi_stall},
	{"memavailable and rss: real numbers", test_gauges},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	const char *builddir = getenv("top_builddir");

	snprintf(eater, sizeof(eater), "%s/tests/eater", builddir ? builddir : ".");
	return test_main(argc, argv, "sources-native", tests);
}

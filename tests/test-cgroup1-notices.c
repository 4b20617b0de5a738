// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* cgroup v1: memory.pressure_level and memory.oom_control, on made-up groups and on
 * real ones. */
#include <errno.h>
#include <fcntl.h>
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
#include "tests/fakeroot.h"
#include "tests/harness.h"

#define MIB (1024ULL * 1024)
#define MS NSEC_PER_MSEC

static struct shrink_cgroup cg;
static struct shrink_source src;

static void group(const char *name, unsigned long long limit)
{
	char path[256];

	snprintf(path, sizeof(path), "/m%s/memory.limit_in_bytes", name);
	fakeroot_file(path, "%llu\n", limit);
	snprintf(path, sizeof(path), "/m%s/memory.usage_in_bytes", name);
	fakeroot_file(path, "4096\n");
	snprintf(path, sizeof(path), "/m%s/memory.pressure_level", name);
	fakeroot_file(path, "%s", "");
	snprintf(path, sizeof(path), "/m%s/memory.oom_control", name);
	fakeroot_file(path, "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n");
	/* a FIFO keeps what was written, line by line, whoever opens it */
	snprintf(path, sizeof(path), "/m%s/cgroup.event_control", name);
	fakeroot_fifo(path);
}

static int control[3]; /* our ends of the FIFOs */

static void begin(void)
{
	static const char *const names[] = {"", "/a", "/a/own"};
	char path[256];

	fakeroot_begin();
	fakeroot_file("/proc/self/cgroup", "4:memory:/a/own\n");
	fakeroot_file("/proc/self/mountinfo", "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n");
	group("", 0x7ffffffffffff000ULL);
	group("/a", 1024 * MIB);
	group("/a/own", 128 * MIB);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/m%s/cgroup.event_control", names[i]);
		control[i] = open(fakeroot_path(path), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	}
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
	for (int i = 0; i < 3; i++)
		close(control[i]);
	fakeroot_end();
}

/* What was armed at group @i since the last call, "fd args" of each with the file's
 * descriptor left out. */
static const char *armed(int i)
{
	static char out[512];
	char text[1024] = "";
	ssize_t n = read(control[i], text, sizeof(text) - 1);

	out[0] = '\0';
	for (char *line = strtok(n > 0 ? text : NULL, "\n"); line; line = strtok(NULL, "\n")) {
		int fd, file, used = 0;

		if (sscanf(line, "%d %d %n", &fd, &file, &used) < 2)
			return "unreadable";
		sprintf(out + strlen(out), "%d %s\n", fd, line + used);
	}
	return out;
}

static const char *expected(const char *const words[], int nr)
{
	static char out[512];

	out[0] = '\0';
	for (int i = 0; i < nr; i++)
		sprintf(out + strlen(out), "%d %s\n", src.fd[i], words[i]);
	return out;
}

static struct shrink_signal notice(int index, uint64_t now)
{
	struct shrink_signal sig = {0};

	shrink_os_notify(src.fd[index]);
	ASSERT_INT(src.ops->ready(&src, index, EPOLLIN, now, &sig), 0);
	ASSERT_INT(shrink_os_drain(src.fd[index]), 0); /* made unready */
	return sig;
}

/* At our own group and at those above that have a limit, in itself each. */
static void test_arming(void)
{
	static const char *const local[] = {"critical,local", "medium,local", "low,local"};
	static const char *const below[] = {"critical,hierarchy"};

	begin();
	ASSERT_INT(open_source(&shrink_source_vmpressure), 0);
	ASSERT_INT(src.nr_fds, 2); /* low is not listened to */
	CU_ASSERT_STRING_EQUAL(armed(2), expected(local, 2));
	CU_ASSERT_STRING_EQUAL(armed(1), expected(local, 2));
	CU_ASSERT_STRING_EQUAL(armed(0), "");
	src.ops->close(&src);
	ASSERT_INT(shrink_conf_set("vmpressure", "low"), 0);
	ASSERT_INT(open_source(&shrink_source_vmpressure), 0);
	CU_ASSERT_STRING_EQUAL(armed(2), expected(local, 3));
	src.ops->close(&src);
	ASSERT_INT(shrink_conf_set("vmpressure", "critical"), 0);
	ASSERT_INT(shrink_conf_set("vmpressure_mode", "hierarchy"), 0);
	armed(1);
	ASSERT_INT(open_source(&shrink_source_vmpressure), 0);
	CU_ASSERT_STRING_EQUAL(armed(2), expected(below, 1));
	CU_ASSERT_STRING_EQUAL(armed(1), expected(local, 1)); /* never strangers' */
	src.ops->close(&src);
	ASSERT_INT(shrink_conf_set("vmpressure", "off"), 0);
	ASSERT_INT(open_source(&shrink_source_vmpressure), -ECANCELED);
	ASSERT_INT(shrink_conf_set("vmpressure", "medium"), 0);
	ASSERT_INT(shrink_conf_set("vmpressure_mode", "local"), 0);
	end();
}

static void test_levels(void)
{
	struct shrink_signal sig = {0};

	begin();
	ASSERT_INT(shrink_conf_set("vmpressure", "low"), 0);
	ASSERT_INT(open_source(&shrink_source_vmpressure), 0);
	sig = notice(2, 10 * MS);
	ASSERT_INT(sig.stall, 0); /* low: page cache may do it */
	ASSERT_INT(sig.recheck, 1);
	sig = notice(1, 10 * MS);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_MEDIUM);
	ASSERT_INT(sig.priority, 6);
	sig = notice(1, 50 * MS);
	ASSERT_INT(sig.stall, 0); /* the same stall */
	sig = notice(0, 51 * MS);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_CRITICAL); /* but graver now */
	ASSERT_INT(sig.priority, 2);
	ASSERT_INT(notice(0, 52 * MS).stall, 0);
	ASSERT_INT(notice(1, 200 * MS).stall, SHRINK_LEVEL_MEDIUM);
	sig = (struct shrink_signal){0};
	ASSERT_INT(src.ops->ready(&src, 0, EPOLLIN, 900 * MS, &sig), 0);
	ASSERT_INT(sig.stall, 0); /* woken for nothing */
	ASSERT_INT(shrink_conf_set("vmpressure", "medium"), 0);
	end();
}

static void test_unsupported(void)
{
	begin();
	fakeroot_remove("/m/a/own/memory.pressure_level");
	ASSERT_INT(open_source(&shrink_source_vmpressure), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(src.reason, "pressure_level"));
	fakeroot_remove("/m/a/own/memory.oom_control");
	ASSERT_INT(open_source(&shrink_source_oom), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(src.reason, "oom_control"));
	ASSERT_INT(shrink_conf_set("oom", "off"), 0);
	ASSERT_INT(open_source(&shrink_source_oom), -ECANCELED);
	ASSERT_INT(shrink_conf_set("oom", "on"), 0);
	cg.version = 2;
	ASSERT_INT(open_source(&shrink_source_oom), -EOPNOTSUPP);
	ASSERT_INT(open_source(&shrink_source_vmpressure), -EOPNOTSUPP);
	end();
}

static void test_oom(void)
{
	static const char *const words[] = {""};
	struct shrink_signal sig;

	begin();
	ASSERT_INT(open_source(&shrink_source_oom), 0);
	CU_ASSERT_STRING_EQUAL(armed(2), expected(words, 1));
	CU_ASSERT(src.next_sample == UINT64_MAX);
	sig = notice(0, 10 * MS);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_CRITICAL);
	ASSERT_INT(sig.priority, 2);
	CU_ASSERT(src.next_sample == UINT64_MAX);

	/* the killer is off, and somebody waits: until that is over */
	fakeroot_file("/m/a/own/memory.oom_control", "oom_kill_disable 1\nunder_oom 1\n");
	sig = notice(0, 20 * MS);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_CRITICAL);
	ASSERT_INT(src.next_sample, 30 * MS);
	sig = (struct shrink_signal){0};
	ASSERT_INT(src.ops->sample(&src, 30 * MS, &sig), 0);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_CRITICAL);
	fakeroot_file("/m/a/own/memory.oom_control", "oom_kill_disable 1\nunder_oom 0\n");
	sig = (struct shrink_signal){0};
	ASSERT_INT(src.ops->sample(&src, 40 * MS, &sig), 0);
	ASSERT_INT(sig.stall, 0);
	CU_ASSERT(src.next_sample == UINT64_MAX);
	end();
}

/* A real group that runs into its limit: the kernel says critical, and kills. */
static struct cg real;

static int wait_for_stall(int msec)
{
	struct pollfd fds[SHRINK_SOURCE_FDS];

	for (int i = 0; i < src.nr_fds; i++)
		fds[i] = (struct pollfd){src.fd[i], POLLIN, 0};
	for (int n = 0; n < 50 && poll(fds, (nfds_t)src.nr_fds, msec) > 0; n++)
		for (int i = 0; i < src.nr_fds; i++) {
			struct shrink_signal sig = {0};

			if (!fds[i].revents)
				continue;
			ASSERT_INT(src.ops->ready(&src, i, EPOLLIN, shrink_os_clock(), &sig), 0);
			if (sig.stall >= SHRINK_LEVEL_CRITICAL)
				return 1;
		}
	return 0;
}

static void native(const struct shrink_source_ops *ops)
{
	const char *why = cg_create_v1(&real, "notices", 16 * MIB);
	const char *builddir = getenv("top_builddir");
	struct shrink_signal sig = {0};
	struct cg parent = real;
	char path[512];
	char *const argv[] = {path, (char *)"anon", (char *)"67108864", (char *)"100", NULL};

	if (why)
		SKIP("no v1 child group: %s", why);
	snprintf(path, sizeof(path), "%s/tests/eater", builddir ? builddir : ".");
	*strrchr(parent.dir, '/') = '\0';
	ASSERT_INT(cg_move(&real, 0), 0);
	ASSERT_INT(shrink_os_cgroup_open(&cg), 0);
	ASSERT_INT(cg_move(&parent, 0), 0);
	ASSERT_INT(open_source(ops), 0);
	CU_ASSERT(cg_spawn(&real, argv) > 0);
	CU_ASSERT(wait_for_stall(20000));
	/* the end of the group signals too, and is not taken for pressure */
	cg_remove(&real);
	for (int i = 0; i < src.nr_fds; i++)
		shrink_os_notify(src.fd[i]);
	ASSERT_INT(src.ops->ready(&src, 0, EPOLLIN, shrink_os_clock(), &sig), -ENODEV);
	CU_ASSERT_PTR_NOT_NULL(strstr(src.reason, "removed"));
	src.ops->close(&src);
	shrink_os_cgroup_close(&cg);
	ASSERT_INT(shrink_os_fd_count(), 0);
}

static void test_native_pressure(void)
{
	native(&shrink_source_vmpressure);
}

static void test_native_oom(void)
{
	native(&shrink_source_oom);
}

static const struct test tests[] = {
	{"vmpressure: what is armed where", test_arming},
	{"vmpressure: levels", test_levels},
	{"G9: neither is there", test_unsupported},
	{"oom: a signal, and a wait", test_oom},
	{"vmpressure: a real limit", test_native_pressure},
	{"oom: a real one", test_native_oom},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "cgroup1-notices", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* What a process may do with the library running: exit in the middle of a callback,
 * change its user, lock itself in (G13). Each in a process of its own. */
#include <dirent.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cache.h"
#include "tests/child.h"
#include "tests/harness.h"
#include "tests/tasks.h"

#define MB (1024UL * 1024)

/* Runs @child in a process of its own, which ends by exit(); its status. */
static int apart(int (*child)(void))
{
	int status = -1;
	uint64_t end;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		exit(child());
	for (end = now_ms() + 90000; now_ms() < end; sleep_ms(2))
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

/* ---- exit */

static struct cache live[3];
static char *live_memory;

/* Uses memory that the program gives back when it exits. */
static unsigned long scan_uses_memory(struct cache *c, struct shrink_control *sc)
{
	for (int i = 0; i < 1000; i++)
		((volatile char *)live_memory)[i]++;
	atomic_store(&c->objects, 1000000);
	return sc->nr_to_scan;
}

static void give_memory_back(void)
{
	memset(live_memory, 0xee, 1000);
}

static int start_live(unsigned long (*scan)(struct cache *, struct shrink_control *))
{
	live_memory = calloc(1, 1000);
	EXPECT(live_memory && !atexit(give_memory_back));
	EXPECT(shrink_start(0) == 0);
	for (int i = 0; i < 3; i++) {
		EXPECT(cache_alloc(&live[i], 0, "live", 1000000) != NULL);
		live[i].s->object_size = 1000;
		live[i].on_scan = scan;
		EXPECT(shrinker_register(live[i].s) == 0);
	}
	EXPECT(shrink_pressure(SHRINK_LEVEL_LOW, 10000 * MB) == 0);
	EXPECT(wait_for(&live[0].scans, 1, 5000));
	return 0;
}

static int exit_with_live_callbacks(void)
{
	return start_live(scan_uses_memory);
}

static unsigned long scan_exits(struct cache *c, struct shrink_control *sc)
{
	if (atomic_load(&c->scans) == 3)
		exit(0);
	return sc->nr_to_scan;
}

static int exit_from_a_callback(void)
{
	if (start_live(scan_exits))
		return 1;
	sleep_ms(10000);
	return 1;
}

static unsigned long scan_never_returns(struct cache *c, struct shrink_control *sc)
{
	(void)sc;
	while (c)
		sleep_ms(1000);
	return 0;
}

static int exit_with_a_stuck_callback(void)
{
	return start_live(scan_never_returns);
}

static void exits(void)
{
	for (int i = 0; i < 10; i++)
		ASSERT_INT(apart(exit_with_live_callbacks), 0);
	ASSERT_INT(apart(exit_from_a_callback), 0);
	ASSERT_INT(apart(exit_with_a_stuck_callback), 0);
}

/* ---- user */

static int all_tasks_have_uid(unsigned int uid)
{
	DIR *dir = opendir("/proc/self/task");
	int others = 0, n = 0;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		char path[300], line[128];
		unsigned int real;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		while (fgets(line, sizeof(line), f))
			if (sscanf(line, "Uid: %u", &real) == 1) {
				n++;
				others += real != uid;
			}
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return n >= 4 && !others;
}

/* The C library changes the user of all threads by a signal of its own, which even
 * threads that block all signals must take. */
static int changes_user(void)
{
	if (start_live(scan_uses_memory))
		return 1;
	EXPECT(setgid(65534) == 0 && setuid(65534) == 0);
	EXPECT(all_tasks_have_uid(65534));
	atomic_store(&live[0].scans, 0);
	EXPECT(shrink_pressure(SHRINK_LEVEL_LOW, MB) == 0);
	EXPECT(wait_for(&live[0].scans, 1, 5000));
	EXPECT(shrink_stop() == 0);
	EXPECT(shrink_start(0) == 0); /* with less privilege: other sources, never fatal (G9) */
	atomic_store(&live[0].scans, 0);
	EXPECT(shrink_pressure(SHRINK_LEVEL_LOW, MB) == 0);
	EXPECT(wait_for(&live[0].scans, 1, 5000));
	EXPECT(shrink_stop() == 0);
	return 0;
}

static void user(void)
{
	if (geteuid())
		SKIP("not root");
	ASSERT_INT(apart(changes_user), 0);
}

/* ---- seccomp */

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
/* All that the library's threads, and shrink_pressure(), ask of the kernel once it
 * is started. Memory calls are those of its release stage. */
static const int allowed[] = {
	SYS_futex,      SYS_read,          SYS_pread64,      SYS_write,
	SYS_epoll_wait, SYS_epoll_pwait,   SYS_epoll_pwait2, SYS_clock_gettime,
	SYS_madvise,    SYS_membarrier,    SYS_sched_yield,  SYS_rt_sigprocmask,
	SYS_exit,       SYS_exit_group,
	/* the test's own: its sleeps, printf and allocations */
	SYS_clock_nanosleep, SYS_nanosleep, SYS_brk, SYS_mmap, SYS_munmap, SYS_newfstatat,
};

static int lock_in(void)
{
	enum { N = sizeof(allowed) / sizeof(allowed[0]) };
	struct sock_filter code[N + 3];
	struct sock_fprog program = {.len = N + 3, .filter = code};

	code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					       offsetof(struct seccomp_data, nr));
	for (unsigned int i = 0; i < N; i++)
		code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							   (unsigned int)allowed[i],
							   (unsigned char)(N - i), 0);
	code[N + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[N + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
			    &program);
}

static int rounds_locked_in(void)
{
	struct cache passing;

	EXPECT(shrink_prepare() == 0);
	if (start_live(NULL))
		return 1;
	EXPECT(tasks_settle(3)); /* sources have armed what they arm */
	if (lock_in())
		_exit(77);
	for (int i = 0; i < 5; i++) {
		atomic_store(&live[0].scans, 0);
		atomic_store(&live[0].objects, 1000000);
		EXPECT(shrink_pressure(SHRINK_LEVEL_MEDIUM, MB) == 0);
		EXPECT(wait_for(&live[0].scans, 1, 5000));
		EXPECT(cache_alloc(&passing, 0, "passing", 1) != NULL);
		EXPECT(shrinker_register(passing.s) == 0);
		shrinker_free(passing.s);
		sleep_ms(600); /* beyond the longest sampling period */
	}
	_exit(0);
}

static void seccomp(void)
{
	int status = apart(rounds_locked_in);

	if (status == 77)
		SKIP("no seccomp filters here");
	ASSERT_INT(status, 0);
}
#else
static void seccomp(void)
{
	SKIP("a list for x86-64 without a sanitizer");
}
#endif

/* ---- chroot */

static char empty[] = "/tmp/shrink-chroot-XXXXXX";

/* In an empty folder nothing can be opened any more; what prepare opened is enough. */
static int lives_in_a_chroot(void)
{
	struct shrink_source_info before[32], after[32];
	int n, m;

	EXPECT(shrink_prepare() == 0);
	n = shrink_sources(before, 32, sizeof(before[0]));
	EXPECT(chdir(empty) == 0);
	if (chroot("."))
		_exit(77);
	EXPECT(access("/proc/self", F_OK) < 0);
	if (start_live(NULL))
		return 1;
	m = shrink_sources(after, 32, sizeof(after[0]));
	EXPECT(n == m);
	for (int i = 0; i < n; i++)
		EXPECT(!strcmp(before[i].state, after[i].state));
	for (int i = 0; i < 3; i++) {
		atomic_store(&live[0].scans, 0);
		atomic_store(&live[0].objects, 1000000);
		EXPECT(shrink_pressure(SHRINK_LEVEL_MEDIUM, MB) == 0);
		EXPECT(wait_for(&live[0].scans, 1, 5000));
	}
	EXPECT(shrink_stop() == 0);
	_exit(0); /* what looks for leaks at exit would look into /proc */
}

static void in_chroot(void)
{
	int status;

	CU_ASSERT_FATAL(mkdtemp(empty) != NULL);
	status = apart(lives_in_a_chroot);
	rmdir(empty);
	if (status == 77)
		SKIP("may not chroot here");
	ASSERT_INT(status, 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"exit: with callbacks running, from one, with one stuck", exits},
		{"G9: setuid with the library running, and started again after it", user},
		{"G13: prepare, chroot, start", in_chroot},
		{"G13: a short list of system calls suffices after start", seccomp},
		{NULL, NULL},
	};

	return test_main(argc, argv, "process", tests);
}

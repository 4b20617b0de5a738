// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * What only purgeable memory can do: the owner is stopped, no thread of it runs, no
 * callback could; its group is pressed, and the memory comes back. The same with
 * pinned memory, as its broken twin, ends with the OOM killer.
 *
 * The owner is this program executed again: "owner FD-IN FD-OUT keep|let-go".
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shrink/shrink.h>

#include "tests/cg.h"
#include "tests/harness.h"

#define MIB	((uint64_t)1 << 20)
#define LIMIT	(64 * MIB)
#define OBJECT	((size_t)64 << 10)
#define OBJECTS 640u /* 40 MiB */

static struct cg group;
static char eater[512], self[512];

/* What the owner found, once it went on. */
struct account {
	unsigned int kept, purged, torn;
};

static bool is_all(const unsigned char *p, unsigned char byte)
{
	for (size_t i = 0; i < OBJECT; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static int owner(int in, int out, bool let_go)
{
	struct shrink_region *r = shrink_region_create(NULL, 0, OBJECTS * OBJECT, "owner");
	struct account account = {0};
	unsigned char *objects[OBJECTS];
	char byte = 0;

	for (unsigned int i = 0; i < OBJECTS; i++) {
		objects[i] = r ? shrink_region_alloc(r, OBJECT) : NULL;
		if (!objects[i])
			return 3;
		memset(objects[i], (int)(i % 255 + 1), OBJECT);
		if (let_go && shrink_region_unpin(r, objects[i]) < 0)
			return 4;
	}
	shrink_region_flush(r);
	if (write(out, &byte, 1) != 1 || read(in, &byte, 1) != 1)
		return 5;
	for (unsigned int i = 0; i < OBJECTS; i++) {
		int found = shrink_region_pin(r, objects[i]);
		bool purged = found == SHRINK_REGION_PURGED;

		account.kept += found == SHRINK_REGION_KEPT;
		account.purged += purged;
		account.torn += !is_all(objects[i], purged ? 0 : (unsigned char)(i % 255 + 1));
	}
	return write(out, &account, sizeof(account)) == sizeof(account) ? 0 : 6;
}

static pid_t spawn_owner(int in, int out, const char *how)
{
	char fd_in[16], fd_out[16];
	char *const argv[] = {self, (char *)"owner", fd_in, fd_out, (char *)(uintptr_t)how, NULL};

	snprintf(fd_in, sizeof(fd_in), "%d", in);
	snprintf(fd_out, sizeof(fd_out), "%d", out);
	return cg_spawn(&group, argv);
}

/* Eats 48 of the 64 MiB beside the stopped owner: its wait status. */
static int press(void)
{
	char bytes[32];
	char *const argv[] = {eater, (char *)"anon", bytes, (char *)"1", NULL};
	int status = -1;
	pid_t pid;

	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)(48 * MIB));
	pid = cg_spawn(&group, argv);
	CU_ASSERT_FATAL(pid > 0);
	CU_ASSERT(waitpid(pid, &status, 0) == pid);
	return status;
}

struct run {
	pid_t owner;
	int in[2], out[2];
};

/* NULL, or why it cannot be done here. */
static const char *begin(struct run *run, const char *how)
{
	const char *why = cg_create_limited(&group, "purge", LIMIT);
	int status;
	char byte;

	if (why)
		return why;
	CU_ASSERT_FATAL(!pipe(run->in) && !pipe(run->out));
	run->owner = spawn_owner(run->in[0], run->out[1], how);
	close(run->out[1]);
	CU_ASSERT_FATAL(run->owner > 0);
	CU_ASSERT_FATAL(read(run->out[0], &byte, 1) == 1);
	CU_ASSERT_FATAL(!kill(run->owner, SIGSTOP));
	CU_ASSERT_FATAL(waitpid(run->owner, &status, WUNTRACED) == run->owner);
	CU_ASSERT_FATAL(WIFSTOPPED(status));
	return NULL;
}

static void end(struct run *run)
{
	close(run->in[0]);
	close(run->in[1]);
	close(run->out[0]);
	cg_remove(&group);
}

static void test_stopped(void)
{
	struct account account = {0};
	struct run run;
	const char *why = begin(&run, "let-go");
	uint64_t before;

	if (why)
		SKIP("no child group: %s", why);
	before = cg_usage(&group);
	CU_ASSERT(before > 40 * MIB);
	ASSERT_INT(press(), 0); /* 88 MiB in 64, and nobody was killed */
	ASSERT_INT((long long)cg_oom_kills(&group), 0);
	CU_ASSERT(cg_usage(&group) < before - 20 * MIB);
	CU_ASSERT(!kill(run.owner, SIGCONT));
	CU_ASSERT(write(run.in[1], "", 1) == 1);
	CU_ASSERT(read(run.out[0], &account, sizeof(account)) == sizeof(account));
	printf("# %u kept, %u purged\n", account.kept, account.purged);
	ASSERT_INT(account.torn, 0);
	ASSERT_INT(account.kept + account.purged, OBJECTS);
	CU_ASSERT(account.purged > 0);
	end(&run);
}

static void test_twin(void)
{
	struct run run;
	const char *why = begin(&run, "keep");

	if (why)
		SKIP("no child group: %s", why);
	press();
	CU_ASSERT(cg_oom_kills(&group) > 0);
	end(&run);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"region: the kernel takes from a stopped process", test_stopped},
		{"broken twin: pinned, it ends with the OOM killer", test_twin},
		{NULL, NULL},
	};
	const char *builddir = getenv("top_builddir");

	if (argc == 5 && !strcmp(argv[1], "owner"))
		return owner(atoi(argv[2]), atoi(argv[3]), !strcmp(argv[4], "let-go"));
	snprintf(eater, sizeof(eater), "%s/tests/eater", builddir ? builddir : ".");
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 99;
	return test_main(argc, argv, "region-native", tests);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * shrink-record: what becomes of starts and ends, whole, crossed, lost; and the tool
 * itself on this kernel, at slices of this test's own group, which run-slices checks.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cg.h"
#include "tests/harness.h"
#include "tools/record/slices.h"

#define MAX 256

static struct {
	int nr;
	struct slice_row row[MAX];
	int64_t seeks[MAX];
} got;

static void keep(void *arg, const struct slice_row *row, int64_t seeks)
{
	(void)arg;
	if (got.nr == MAX)
		return;
	got.row[got.nr] = *row;
	got.seeks[got.nr++] = seeks;
}

static struct slices *begin(void)
{
	struct slices *s = slices_new(keep, NULL);

	got.nr = 0;
	CU_ASSERT_FATAL(s != NULL);
	return s;
}

static struct slice_start start_of(uint64_t shrinker, int64_t freeable, int priority, int64_t seeks)
{
	uint64_t all = ((uint64_t)freeable >> priority) * 4;
	int64_t delta = seeks ? (int64_t)(all / (uint64_t)seeks) : freeable / 2;

	return (struct slice_start){
		.shrinker = shrinker,
		.freeable = freeable,
		.delta = delta,
		.total = delta,
		.priority = priority,
	};
}

static void slice(struct slices *s, uint32_t tid, uint64_t shrinker, int64_t freeable, int priority,
		  int64_t seeks)
{
	struct slice_start st = start_of(shrinker, freeable, priority, seeks);

	slices_started(s, tid, &st);
	slices_ended(s, tid, &(struct slice_end){.shrinker = shrinker, .freed = freeable});
}

static void test_seeks(void)
{
	static const int64_t all[] = {0, 1, 2, 3, 4, 7, 8, 100, 1024};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct slices *s = begin();

		slice(s, 1, 64, 5, 12, all[i]); /* says next to nothing */
		slice(s, 1, 64, 70000, 9, all[i]);
		slice(s, 1, 64, 1000003, 3, all[i]);
		slice(s, 1, 64, 1000003, 0, all[i]);
		slices_flush(s);
		ASSERT_INT(got.nr, 4);
		for (int k = 0; k < got.nr; k++)
			ASSERT_INT(got.seeks[k], all[i]);
		slices_free(s);
	}
}

/* Every value that explains a slice is in what is said of it, and no other. */
static void test_bounds(void)
{
	for (int64_t freeable = 1; freeable < 400; freeable += 7)
		for (int priority = 0; priority < 13; priority += 3)
			for (int64_t seeks = 1; seeks < 40; seeks++) {
				struct slice_start st = start_of(1, freeable, priority, seeks);
				int64_t lo, hi;
				int zero;

				slices_seeks(&st, &lo, &hi, &zero);
				for (int64_t n = 1; n < 60; n++) {
					int same = start_of(1, freeable, priority, n).delta ==
						   st.delta;

					CU_ASSERT(same == (lo <= n && n <= hi));
				}
				ASSERT_INT(zero, st.delta == freeable / 2);
			}
}

static void test_pairs(void)
{
	struct slice_start a = start_of(64, 100000, 3, 2), b = start_of(128, 200000, 3, 8);
	struct slices *s = begin();

	slices_ended(s, 5, &(struct slice_end){.shrinker = 64}); /* began before us */
	slices_started(s, 1, &a);
	slices_started(s, 1 + SLICES_TASKS, &b); /* at the same place of the table */
	slices_ended(s, 1, &(struct slice_end){.shrinker = 64, .freed = 11});
	slices_ended(s, 1 + SLICES_TASKS, &(struct slice_end){.shrinker = 128, .freed = 22});
	slices_started(s, 2, &a);
	slices_ended(s, 2, &(struct slice_end){.shrinker = 128}); /* not its end */
	slices_started(s, 3, &a);
	slices_lost(s);
	slices_ended(s, 3, &(struct slice_end){.shrinker = 64}); /* of which start? */
	slices_flush(s);
	ASSERT_INT(got.nr, 2);
	ASSERT_INT(got.row[0].end.freed, 11);
	ASSERT_INT(got.seeks[0], 2);
	ASSERT_INT(got.row[1].end.freed, 22);
	ASSERT_INT(got.seeks[1], 8);
	slices_free(s);
}

/* Another shrinker at the same address; one that no seeks explain; more than are held. */
static void test_contradictions(void)
{
	struct slice_start odd = start_of(64, 100000, 0, 1);
	struct slices *s = begin();

	slice(s, 1, 64, 100000, 2, 4);
	slice(s, 1, 64, 100000, 2, 1);
	slices_flush(s);
	ASSERT_INT(got.nr, 2);
	ASSERT_INT(got.seeks[0], 4);
	ASSERT_INT(got.seeks[1], 1);
	odd.delta = odd.delta / 2 + 7;
	slices_started(s, 1, &odd);
	slices_ended(s, 1, &(struct slice_end){.shrinker = 64});
	slices_flush(s);
	ASSERT_INT(got.nr, 3);
	ASSERT_INT(got.seeks[2], 2);
	got.nr = 0;
	for (int i = 0; i < SLICES_HELD; i++)
		slice(s, 1, 192, 3, 12, 16);
	ASSERT_INT(got.nr, SLICES_HELD);
	ASSERT_INT(got.seeks[0], 2); /* anything would do */
	slices_free(s);
}

/* ---- the tool */

static const char *build_dir(void)
{
	return getenv("top_builddir") ? getenv("top_builddir") : ".";
}

static pid_t run(const char *file, int *ret_out)
{
	char tool[PATH_MAX], pid[16];
	int out[2];
	pid_t child;

	snprintf(tool, sizeof(tool), "%s/tools/record/shrink-record", build_dir());
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	CU_ASSERT_FATAL(!pipe(out));
	fflush(stdout);
	child = fork();
	if (!child) {
		dup2(out[1], 1);
		freopen(file, "we", stderr);
		alarm(300);
		execl(tool, tool, "-p", pid, NULL);
		_exit(127);
	}
	close(out[1]);
	*ret_out = out[0];
	return child;
}

static void press(const struct cg *group)
{
	char path[PATH_MAX + 32];
	struct stat st;

	CU_ASSERT(cg_move(group, 0) == 0);
	for (int i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "%s/none-%d", group->dir, i);
		(void)lstat(path, &st);
	}
	(void)cg_write(group, "memory.force_empty", "0");
}

static void test_native(void)
{
	char line[512], file[] = "/tmp/libshrink-record.XXXXXX", err[64], command[PATH_MAX];
	int out, fd = mkstemp(file), rows = 0, status;
	const char *why;
	struct cg group;
	FILE *in, *to;
	pid_t pid;

	CU_ASSERT_FATAL(fd >= 0);
	snprintf(err, sizeof(err), "%s.err", file);
	why = cg_create_v1(&group, "record", 0);
	if (why)
		SKIP("no group to press: %s", why);
	pid = run(err, &out);
	in = fdopen(out, "re");
	if (!fgets(line, sizeof(line), in)) {
		waitpid(pid, &status, 0);
		cg_remove(&group);
		if (WEXITSTATUS(status) == 1)
			SKIP("shrink-record may not listen here");
		if (WEXITSTATUS(status) == 127)
			SKIP("shrink-record is not built here");
		CU_FAIL("shrink-record says nothing");
		return;
	}
	press(&group);
	usleep(300000);
	kill(pid, SIGINT);
	to = fdopen(fd, "we");
	do {
		fputs(line, to);
		rows++;
	} while (fgets(line, sizeof(line), in));
	fclose(to);
	fclose(in);
	CU_ASSERT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status));
	printf("# %d slices\n", rows - 1);
	CU_ASSERT(rows > 2);
	snprintf(command, sizeof(command), "%s/tests/run-slices %s | sed 's/^/# /'; "
		 "%s/tests/run-slices %s >/dev/null", build_dir(), file, build_dir(), file);
	fflush(stdout);
	ASSERT_INT(system(command), 0);
	cg_remove(&group);
	unlink(file);
	unlink(err);
}

static const struct test tests[] = {
	{"record: seeks follow from slices", test_seeks},
	{"record: what explains a slice, exactly", test_bounds},
	{"record: starts and ends of tasks at once, and lost", test_pairs},
	{"record: contradictions", test_contradictions},
	{"G2: slices of this kernel, recorded now, are the library's", test_native},
	{0},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "record", tests);
}

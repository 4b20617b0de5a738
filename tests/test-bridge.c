// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The bridge on the running kernel: our group is reclaimed, and our caches are asked at
 * the priorities the kernel's own trace has; a group beside ours is, and they are not.
 * Moments do not matter here; tools/bench/bench-bridge measures them.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shrink/shrink.h>

#include "tests/cg.h"
#include "tests/harness.h"
#include "tests/slab-trace.h"

#define OBJECTS	  (1ul << 24)
#define ROUNDS	  64
#define WAIT_MSEC 60000

static struct cg ours, beside;
static struct shrinker *shrinker;
static unsigned long scanned; /* atomic */

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return OBJECTS;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	__atomic_fetch_add(&scanned, sc->nr_to_scan, __ATOMIC_RELAXED);
	return sc->nr_to_scan;
}

static uint64_t now_nsec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int nr_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static struct shrink_source_info bridge_info(void)
{
	struct shrink_source_info infos[24];
	int n = shrink_sources(infos, 24, sizeof(infos[0]));

	for (int i = 0; i < n; i++)
		if (!strcmp(infos[i].name, "bridge"))
			return infos[i];
	CU_FAIL("no source of that name");
	return infos[0];
}

/* Only the bridge: nothing else may ask the caches. */
static void configure(const char *mode)
{
	static const char *const off[] = {"usage", "thresholds", "events", "psi", "memavailable"};

	for (size_t i = 0; i < sizeof(off) / sizeof(*off); i++)
		ASSERT_INT(shrink_conf_set(off[i], "off"), 0);
	ASSERT_INT(shrink_conf_set("bridge", mode), 0);
	ASSERT_INT(shrink_conf_set("log", "3"), 0);
}

/* Names that do not exist, looked up inside the group: dentries charged to it. */
static void leave_dentries(const struct cg *group)
{
	char path[4300];
	struct stat st;

	for (int i = 0; i < 2000; i++) {
		snprintf(path, sizeof(path), "%s/none-%d", group->dir, i);
		(void)lstat(path, &st);
	}
}

struct presser {
	pid_t pid;
	int go[2], done[2];
};

/* Inside the group, once it may: has it reclaimed, at all priorities. Then it stays: of
 * who has gone nobody can say what group it was of. */
static int press_inside(const struct cg *group, int go, int done)
{
	char byte;

	if (read(go, &byte, 1) != 1)
		return 1;
	if (cg_move(group, 0) < 0)
		return 2;
	leave_dentries(group);
	/* it is in use, so that this ends with EBUSY, or not; the reclaim is what counts */
	(void)cg_write(group, "memory.force_empty", "0");
	return write(done, "", 1) == 1 && !read(go, &byte, 1) ? 0 : 3;
}

/* A process of its own: who is reclaimed may be taken from who does it. */
static void press_begin(struct presser *p, const struct cg *group)
{
	CU_ASSERT_FATAL(!pipe(p->go) && !pipe(p->done));
	fflush(stdout);
	p->pid = fork();
	if (!p->pid) {
		close(p->go[1]);
		close(p->done[0]);
		_exit(press_inside(group, p->go[0], p->done[1]));
	}
	CU_ASSERT_FATAL(p->pid > 0);
	close(p->go[0]);
	close(p->done[1]);
}

static void press_go(struct presser *p)
{
	char byte;

	CU_ASSERT(write(p->go[1], "", 1) == 1);
	CU_ASSERT(read(p->done[0], &byte, 1) == 1);
}

static void press_end(struct presser *p)
{
	int status = -1;

	close(p->go[1]);
	close(p->done[0]);
	CU_ASSERT(waitpid(p->pid, &status, 0) == p->pid);
	ASSERT_INT(status, 0);
}

static int bridge_rounds(struct shrink_round *rounds, uint64_t since)
{
	struct shrink_round all[ROUNDS];
	int n = shrink_rounds(all, ROUNDS, sizeof(all[0])), kept = 0;

	for (int i = 0; i < n; i++)
		if (!strcmp(all[i].source, "bridge") && all[i].notice_nsec >= since)
			rounds[kept++] = all[i];
	return kept;
}

/* Until there is one. How hard a descent gets before the group has nothing left is the
 * kernel's business. */
static int await_rounds(struct shrink_round *rounds, uint64_t since)
{
	for (int msec = 0; msec < WAIT_MSEC; msec += 2) {
		int n = bridge_rounds(rounds, since);

		if (n)
			return n;
		nanosleep(&(struct timespec){0, 2000000}, NULL);
	}
	printf("# bridge: %s, %s, %llu events; %d passes\n", bridge_info().state,
	       bridge_info().reason, (unsigned long long)bridge_info().events,
	       bridge_rounds(rounds, 0));
	return 0;
}

/* Until a moment without another one: those are looked at that there are. */
static void await_ended(void)
{
	struct shrink_round rounds[ROUNDS];
	int n = -1;

	while (n != bridge_rounds(rounds, 0) && n < ROUNDS) {
		n = bridge_rounds(rounds, 0);
		nanosleep(&(struct timespec){0, 20000000}, NULL);
	}
}

static void end(void)
{
	shrink_stop();
	shrinker_free(shrinker);
	shrinker = NULL;
	cg_remove(&ours);
	cg_remove(&beside);
}

/* NULL, or why it cannot be shown here. */
static const char *begin(const char *mode)
{
	static char reason[200];
	const char *why = cg_create_v1(&ours, "bridge", 0);

	if (!why)
		why = cg_create_v1(&beside, "beside", 0);
	if (why)
		return why;
	CU_ASSERT_FATAL(cg_move(&ours, 0) == 0);
	configure(mode);
	shrinker = shrinker_alloc(0, "bridged");
	CU_ASSERT_FATAL(shrinker != NULL);
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	CU_ASSERT_FATAL(!shrinker_register(shrinker) && !shrink_start(0));
	if (!strcmp(bridge_info().state, "live"))
		return NULL;
	snprintf(reason, sizeof(reason), "%s", bridge_info().reason);
	return reason;
}

static void priorities(const char *mode)
{
	struct shrink_round rounds[ROUNDS];
	struct slab_trace trace;
	unsigned int seen[13];
	const char *why = begin(mode);
	uint64_t since = now_nsec();
	struct shrink_bridge_stats st;
	struct presser presser;
	bool traced;
	int n;

	if (why) {
		end();
		SKIP("no bridge here: %s", why);
	}
	press_begin(&presser, &ours);
	traced = slab_trace_begin(&trace, presser.pid);
	press_go(&presser);
	CU_ASSERT(await_rounds(rounds, since) > 0);
	press_end(&presser);
	await_ended(); /* what was asked for */
	n = bridge_rounds(rounds, since);
	CU_ASSERT(__atomic_load_n(&scanned, __ATOMIC_RELAXED) > 0);
	if (traced) {
		CU_ASSERT(slab_trace_read(&trace, seen) > 0);
		for (int i = 0; i < n; i++)
			CU_ASSERT(seen[rounds[i].priority_first] > 0);
		slab_trace_end(&trace);
	}
	for (int i = 0; i < n; i++) {
		CU_ASSERT(rounds[i].begin_nsec >= rounds[i].notice_nsec);
		/* one pass at the kernel's priority, not a descent of our own */
		ASSERT_INT(rounds[i].priority_last, rounds[i].priority_first);
		CU_ASSERT(rounds[i].freed_objects > 0);
	}
	CU_ASSERT(!shrink_bridge_stats(&st, sizeof(st)));
	CU_ASSERT_STRING_EQUAL(st.means, mode);
	CU_ASSERT(st.asked >= (uint64_t)n && st.reclaims >= st.asked && st.latency_max_nsec > 0);
	CU_ASSERT(st.latency_median_nsec > 0 && st.latency_median_nsec <= st.latency_max_nsec);
	shrink_stop(); /* the last of them has ended */
	printf("# %s: %d passes, %s\n", mode, n,
	       traced ? "as the kernel's trace has them" : "no tracefs to compare with");
	end();
}

static void test_priorities_bpf(void)
{
	priorities("bpf");
}

static void test_priorities_perf(void)
{
	priorities("perf");
}

/* Ours is pressed after the one beside it: once that has arrived, the other would have. */
static void pressed_beside(const char *mode)
{
	struct shrink_round rounds[ROUNDS];
	struct slab_trace trace;
	unsigned int seen[13];
	const char *why = begin(mode);
	uint64_t start = now_nsec(), since;
	struct presser presser;

	if (why) {
		end();
		SKIP("no bridge here: %s", why);
	}
	press_begin(&presser, &beside);
	if (slab_trace_begin(&trace, presser.pid)) {
		press_go(&presser);
		CU_ASSERT(slab_trace_read(&trace, seen) > 0); /* the kernel did ask */
		slab_trace_end(&trace);
	} else {
		press_go(&presser);
	}
	press_end(&presser);
	since = now_nsec();
	press_begin(&presser, &ours);
	press_go(&presser);
	CU_ASSERT(await_rounds(rounds, since) > 0);
	press_end(&presser);
	ASSERT_INT(bridge_rounds(rounds, start), bridge_rounds(rounds, since));
	end();
}

static void test_beside_bpf(void)
{
	pressed_beside("bpf");
}

static void test_beside_perf(void)
{
	pressed_beside("perf");
}

/* Moved to another group, it is that one's reclaim that is ours. */
static void moved(const char *mode)
{
	struct shrink_round rounds[ROUNDS];
	const char *why = begin(mode);
	struct presser presser;
	uint64_t since;
	int n = 0;

	if (why) {
		end();
		SKIP("no bridge here: %s", why);
	}
	CU_ASSERT_FATAL(!cg_move(&beside, 0));
	since = now_nsec();
	/* it is noticed within a second or so */
	for (int i = 0; i < 600 && !n; i++) {
		press_begin(&presser, &beside);
		press_go(&presser);
		nanosleep(&(struct timespec){0, 100000000}, NULL);
		n = bridge_rounds(rounds, since);
		press_end(&presser);
	}
	CU_ASSERT(n > 0);
	CU_ASSERT_STRING_EQUAL(bridge_info().state, "live");
	end();
}

static void test_moved_bpf(void)
{
	moved("bpf");
}

static void test_moved_perf(void)
{
	moved("perf");
}

/* G9: without the privilege the others go on, and it is said why this one does not. */
static int unprivileged(void)
{
	static const char *const rungs[] = {"module: ", "bpf: ", "helper: ", "perf: "};
	struct shrink_source_info info;
	struct shrink_bridge_stats st;

	configure("auto");
	shrink_conf_set("memavailable", "on");
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		return 77;
	if (shrink_start(0))
		return 1;
	info = bridge_info();
	if (strcmp(info.state, "unsupported") || shrink_bridge_stats(&st, sizeof(st)) ||
	    st.means[0])
		return 2;
	for (int i = 0; i < 4; i++)
		if (!strstr(st.reason, rungs[i]))
			return 4;
	return shrink_stop() ? 3 : 0;
}

static void test_unprivileged(void)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(unprivileged());
	CU_ASSERT(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		SKIP("cannot become somebody without privileges");
	ASSERT_INT(WEXITSTATUS(status), 0);
}

/* Nothing is left behind, however often it is started; and it is off unless asked for. */
static void test_again(void)
{
	static const char *const modes[] = {"bpf", "perf", "trace"};
	int before;

	configure("off");
	ASSERT_INT(shrink_start(0), 0);
	CU_ASSERT_STRING_EQUAL(bridge_info().state, "off");
	ASSERT_INT(shrink_stop(), 0);
	ASSERT_INT(shrink_bridge_select((enum shrink_bridge_mode)7), -EINVAL);
	ASSERT_INT(shrink_bridge_select((enum shrink_bridge_mode)-1), -EINVAL);
	ASSERT_INT(shrink_bridge_stats(NULL, 1), -EINVAL);
	ASSERT_INT(shrink_conf_set("bridge_socket", "/nowhere/socket"), 0);
	ASSERT_INT(shrink_bridge_select(SHRINK_BRIDGE_HELPER), 0);
	ASSERT_INT(shrink_start(0), 0);
	CU_ASSERT_STRING_EQUAL(bridge_info().state, "unsupported");
	CU_ASSERT(strstr(bridge_info().reason, "helper: /nowhere/socket: ") != NULL);
	ASSERT_INT(shrink_stop(), 0);
	for (size_t mode = 0; mode < sizeof(modes) / sizeof(*modes); mode++) {
		configure(modes[mode]);
		ASSERT_INT(shrink_start(0), 0);
		ASSERT_INT(shrink_stop(), 0);
		before = nr_fds();
		for (int i = 0; i < 3; i++) {
			ASSERT_INT(shrink_start(0), 0);
			ASSERT_INT(shrink_stop(), 0);
		}
		ASSERT_INT(nr_fds(), before);
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"bridge, bpf: asked at the kernel's priorities", test_priorities_bpf},
		{"bridge, perf: asked at the kernel's priorities", test_priorities_perf},
		{"G7, bpf: a group beside ours is none of our business", test_beside_bpf},
		{"G7, perf: a group beside ours is none of our business", test_beside_perf},
		{"bridge, bpf: a process is moved", test_moved_bpf},
		{"bridge, perf: a process is moved", test_moved_perf},
		{"G9: without privilege", test_unprivileged},
		{"bridge: off, on, and nothing left", test_again},
		{NULL, NULL},
	};

	return test_main(argc, argv, "bridge", tests);
}

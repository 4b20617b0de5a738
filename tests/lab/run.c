// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/cg.h"
#include "tests/lab/run.h"

#define MIB	   (1024.0 * 1024.0)
#define READY_SEC  60
#define END_SEC	   30
#define HOLD_MSEC  200u
#define CHURN_MSEC 2000u

struct child {
	pid_t pid;
	FILE *out;
	int in;
	int status;
};

struct group {
	struct cg memory, psi;
	char psi_file[4352];
	bool v2;
};

static double now_sec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The pressure file that sees the group: its own in a v2 hierarchy, whether that has the
 * memory controller or not; else the machine's. */
static void find_psi(struct group *group)
{
	const char *dir = group->v2 ? group->memory.dir : group->psi.dir;

	snprintf(group->psi_file, sizeof(group->psi_file), "%s/memory.pressure", dir);
	if (!*dir || access(group->psi_file, R_OK) < 0)
		snprintf(group->psi_file, sizeof(group->psi_file), "/proc/pressure/memory");
}

static const char *make_group(struct group *group, unsigned int limit_mib)
{
	uint64_t limit = (uint64_t)limit_mib << 20;
	const char *why = cg_create_v1(&group->memory, "lab", limit);

	group->v2 = false;
	group->psi.dir[0] = '\0';
	if (!why) {
		cg_write(&group->memory, "memory.swappiness", "0");
		cg_create_v2(&group->psi, "lab");
	} else {
		why = cg_create_v2_limited(&group->memory, "lab", limit);
		group->v2 = true;
	}
	if (!why)
		find_psi(group);
	return why;
}

static void remove_group(struct group *group)
{
	cg_remove(&group->memory);
	cg_remove(&group->psi);
}

/* After a word in a file of lines; @fallback if it is not there. */
static double number_after(const char *path, const char *word, double fallback)
{
	char line[512];
	double value = fallback;
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f)) {
		char *at = strstr(line, word);

		if (at) {
			value = strtod(at + strlen(word), NULL);
			break;
		}
	}
	if (f)
		fclose(f);
	return value;
}

static double stalled(const struct group *group)
{
	return number_after(group->psi_file, "total=", 0);
}

static uint64_t oom_kills(const struct group *group)
{
	char path[4352];

	snprintf(path, sizeof(path), "%s/%s", group->memory.dir,
		 group->v2 ? "memory.events" : "memory.oom_control");
	return (uint64_t)number_after(path, "oom_kill ", 0);
}

static void exec_child(const struct group *group, char *const argv[], const char *preload, int in,
		       int out, const char *score)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, score, strlen(score)) < 0)
		_exit(96);
	if (cg_move(&group->memory, 0) < 0)
		_exit(98);
	if (group->psi.dir[0])
		cg_move(&group->psi, 0);
	if (preload)
		setenv("LD_PRELOAD", preload, 1);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	execv(argv[0], argv);
	_exit(97);
}

static int spawn(struct child *child, const struct group *group, char *const argv[],
		 const char *preload, const char *score)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0) {
		close(in[0]);
		close(in[1]);
		return -errno;
	}
	child->pid = fork();
	if (!child->pid)
		exec_child(group, argv, preload, in[0], out[1], score);
	close(in[0]);
	close(out[1]);
	child->in = in[1];
	child->out = fdopen(out[0], "r");
	return child->pid < 0 ? -errno : 0;
}

/* A line, or false where it ended, died, or took too long. */
static bool next_line(struct child *child, char *line, int size, double end)
{
	struct pollfd pollfd = {.fd = fileno(child->out), .events = POLLIN};
	int wait = (int)((end - now_sec()) * 1000);

	return wait > 0 && poll(&pollfd, 1, wait) > 0 && fgets(line, size, child->out);
}

/* The end of a child; true if it ended by itself and well. */
static bool reap(struct child *child, double end)
{
	if (child->in >= 0)
		close(child->in);
	while (waitpid(child->pid, &child->status, WNOHANG) == 0) {
		if (now_sec() > end) {
			kill(child->pid, SIGKILL);
			waitpid(child->pid, &child->status, 0);
			break;
		}
		usleep(2000);
	}
	fclose(child->out);
	return WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0;
}

static double field(const char *line, const char *name)
{
	char key[64];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(line, key);
	return at ? strtod(at + strlen(key), NULL) : NAN;
}

static int start_cache(struct child *cache, const struct run_paths *paths,
		       const struct run_spec *spec, const struct group *group)
{
	char limit[32], headroom[32], object[32], rate[32], order[16], policy[32];
	char *argv[24];
	int n = 0;

	snprintf(limit, sizeof(limit), "%llu", (unsigned long long)spec->limit << 20);
	snprintf(headroom, sizeof(headroom), "%llu", (unsigned long long)spec->headroom << 20);
	snprintf(object, sizeof(object), "%u", spec->object);
	snprintf(order, sizeof(order), "%s", spec->order);
	snprintf(policy, sizeof(policy), "%s", spec->policy);
	argv[n++] = (char *)paths->cache;
	argv[n++] = "--policy";
	argv[n++] = policy;
	argv[n++] = "--group";
	argv[n++] = (char *)group->memory.dir;
	argv[n++] = "--psi";
	argv[n++] = (char *)group->psi_file;
	argv[n++] = "--limit";
	argv[n++] = limit;
	argv[n++] = "--headroom";
	argv[n++] = headroom;
	argv[n++] = "--object";
	argv[n++] = object;
	argv[n++] = "--order";
	argv[n++] = order;
	snprintf(rate, sizeof(rate), "%u", spec->rate);
	argv[n++] = "--rate";
	argv[n++] = rate;
	if (!strcmp(spec->alloc, "pool"))
		argv[n++] = "--pool";
	argv[n] = NULL;
	return spawn(cache, group, argv, strcmp(spec->alloc, "jemalloc") ? NULL : paths->jemalloc,
		     "0");
}

static bool is_churn(const struct run_spec *spec)
{
	return spec->pattern && !strncmp(spec->pattern, "churn:", 6);
}

static int start_hog(struct child *hog, const struct run_paths *paths, const struct run_spec *spec,
		     const struct group *group)
{
	char bytes[32], rate[32], usage[4352], cross[32], pattern[4096], hold[16];
	char *argv[] = {(char *)paths->hog,
			"-b",
			bytes,
			"-r",
			rate,
			"-u",
			usage,
			"-x",
			cross,
			"-H",
			hold,
			"-p",
			pattern,
			NULL};

	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)spec->burst << 20);
	snprintf(rate, sizeof(rate), "%llu", (unsigned long long)spec->ramp * 1000000);
	snprintf(usage, sizeof(usage), "%s/%s", group->memory.dir,
		 group->v2 ? "memory.current" : "memory.usage_in_bytes");
	snprintf(pattern, sizeof(pattern), "%s", spec->pattern ? spec->pattern : "ramp");
	snprintf(hold, sizeof(hold), "%u", is_churn(spec) ? CHURN_MSEC : HOLD_MSEC);
	snprintf(cross, sizeof(cross), "%llu",
		 (unsigned long long)(spec->limit - spec->headroom) << 20);
	return spawn(hog, group, argv, NULL, "1000");
}

static void read_report(struct run_result *result, const char *line, double cross_nsec)
{
	double first = field(line, "first_evict_nsec");

	result->freed_mib = field(line, "peak_loss") / MIB;
	result->notice_usec = first > 0 && cross_nsec > 0 ? (first - cross_nsec) / 1e3 : NAN;
	result->p50_usec = field(line, "p50_usec");
	result->p99_usec = field(line, "p99_usec");
	result->p999_usec = field(line, "p999_usec");
	result->max_usec = field(line, "max_usec");
	result->hit_after = field(line, "hit_after");
	result->cpu_percent = 100 * field(line, "cpu_usec") / field(line, "wall_usec");
	result->requests = (uint64_t)field(line, "requests");
	result->torn = (uint64_t)field(line, "torn");
	if (result->need_mib > 0)
		result->overshoot = (result->freed_mib - result->need_mib) / result->need_mib;
}

/* The neighbour's turn; returns when it crossed, or NaN. */
static double run_hog(struct child *hog, struct run_result *result)
{
	double cross = NAN, end = now_sec() + END_SEC, begin = now_sec();
	char line[1024];

	while (next_line(hog, line, sizeof(line), end))
		if (strstr(line, "\"cross\""))
			cross = field(line, "nsec");
		else if (strstr(line, "\"full\""))
			result->hog_rate = field(line, "mbytes_per_sec");
	result->hog_died = !reap(hog, end);
	result->hog_seconds = now_sec() - begin;
	return cross;
}

static void release(struct child *cache, struct run_result *result)
{
	char line[1024];

	if (write(cache->in, "r", 1) != 1 ||
	    !next_line(cache, line, sizeof(line), now_sec() + END_SEC))
		return;
	result->released_mib = field(line, "returned") / MIB;
	result->evicted_mib = field(line, "evicted") / MIB;
	result->release_usec = field(line, "usec");
}

/* Returns false where it could not be started. */
static bool disturb(const struct run_paths *paths, const struct run_spec *spec,
		    const struct group *group, struct run_result *result, double *ret_cross)
{
	double stall = stalled(group);
	struct child hog;

	if (start_hog(&hog, paths, spec, group) < 0)
		return false;
	*ret_cross = run_hog(&hog, result);
	result->stall_usec = stalled(group) - stall;
	return true;
}

static void meet(const struct run_paths *paths, const struct run_spec *spec, struct group *group,
		 struct child *cache, struct run_result *result)
{
	double usage, cross = NAN, ready;
	char line[1024];

	if (!next_line(cache, line, sizeof(line), now_sec() + READY_SEC) ||
	    !strstr(line, "\"ready\"")) {
		result->able = false;
		if (sscanf(line, "{\"event\":\"unable\",\"why\":\"%159[^\"]", result->why) != 1)
			snprintf(result->why, sizeof(result->why), "the cache did not get ready");
		reap(cache, now_sec() + END_SEC);
		return;
	}
	ready = now_sec();
	usage = field(line, "usage") / MIB;
	result->need_mib =
		usage + (is_churn(spec) ? 0 : spec->burst) - (spec->limit - spec->headroom);
	if (!spec->burst) {
		release(cache, result);
	} else if (!disturb(paths, spec, group, result, &cross)) {
		result->able = false;
		snprintf(result->why, sizeof(result->why), "the neighbour did not start");
		reap(cache, 0);
		return;
	}
	while (now_sec() < ready + spec->seconds)
		usleep(10000);
	if (write(cache->in, "x", 1) == 1 &&
	    next_line(cache, line, sizeof(line), now_sec() + END_SEC))
		read_report(result, line, cross);
	result->cache_died = !reap(cache, now_sec() + END_SEC);
	result->oom_kills = oom_kills(group);
}

int run_one(const struct run_paths *paths, const struct run_spec *spec,
	    struct run_result *ret_result, const char **ret_why)
{
	struct run_result result = {.able = true,
				    .notice_usec = NAN,
				    .overshoot = NAN,
				    .hit_after = NAN,
				    .max_usec = NAN,
				    .p999_usec = NAN,
				    .hog_rate = NAN,
				    .released_mib = NAN,
				    .evicted_mib = NAN,
				    .release_usec = NAN};
	struct group group;
	struct child cache;
	int r;

	*ret_why = make_group(&group, spec->limit);
	if (*ret_why)
		return -ENOTSUP;
	r = start_cache(&cache, paths, spec, &group);
	if (r < 0)
		*ret_why = "the cache could not be started";
	else
		meet(paths, spec, &group, &cache, &result);
	remove_group(&group);
	if (r == 0)
		*ret_result = result;
	return r;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cg.h"

#define SPAWNED_MAX 16

static pid_t spawned[SPAWNED_MAX];

/* The group of this process, from lines such as "4:memory:/a". */
static int own_path(const char *list, char *ret_path, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[4096];
	int found = 0;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *begin = strchr(line, ':'), *end = begin ? strchr(begin + 1, ':') : NULL;

		line[strcspn(line, "\n")] = '\0';
		if (!end)
			continue;
		*end = '\0';
		if (strcmp(begin + 1, list))
			continue;
		snprintf(ret_path, size, "%s", strcmp(end + 1, "/") ? end + 1 : "");
		found = 1;
	}
	if (f)
		fclose(f);
	return found ? 0 : -1;
}

/* Where the whole hierarchy is mounted: @type, and @option among its options. */
static int mount_of(const char *type, const char *option, char *ret_mount, size_t size)
{
	FILE *f = fopen("/proc/self/mounts", "re");
	char line[8192], mount[1024], fs[64], options[2048];
	int found = 0;

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %1023s %63s %2047s", mount, fs, options) != 3)
			continue;
		if (strcmp(fs, type) || (option && !strstr(options, option)))
			continue;
		snprintf(ret_mount, size, "%s", mount);
		found = 1;
	}
	if (f)
		fclose(f);
	return found ? 0 : -1;
}

int cg_write(const struct cg *cg, const char *file, const char *text)
{
	char path[4200];
	int fd, r;

	snprintf(path, sizeof(path), "%s/%s", cg->dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	r = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
	close(fd);
	return r;
}

uint64_t cg_number(const struct cg *cg, const char *file)
{
	unsigned long long value = UINT64_MAX;
	char path[4200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", cg->dir, file);
	f = fopen(path, "re");
	if (!f)
		return UINT64_MAX;
	if (fscanf(f, "%llu", &value) != 1)
		value = UINT64_MAX;
	fclose(f);
	return value;
}

static const char *create(struct cg *cg, const char *name, const char *type, const char *option,
			  const char *list)
{
	char mount[1024], path[2048];

	if (own_path(list, path, sizeof(path)) < 0 ||
	    mount_of(type, option, mount, sizeof(mount)) < 0)
		return "no such hierarchy";
	cg->version = option ? 1 : 2;
	snprintf(cg->dir, sizeof(cg->dir), "%s%s/shrink-%s-%d", mount, path, name, (int)getpid());
	if (mkdir(cg->dir, 0755) < 0) {
		const char *why = strerror(errno);

		cg->dir[0] = '\0';
		return why;
	}
	return NULL;
}

const char *cg_create_v1(struct cg *cg, const char *name, uint64_t limit)
{
	const char *why = create(cg, name, "cgroup", "memory", "memory");
	char text[32];

	if (why || !limit)
		return why;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)limit);
	if (cg_write(cg, "memory.limit_in_bytes", text) < 0 ||
	    cg_number(cg, "memory.limit_in_bytes") != limit) {
		cg_remove(cg);
		return "the limit cannot be set";
	}
	return NULL;
}

const char *cg_create_v2(struct cg *cg, const char *name)
{
	return create(cg, name, "cgroup2", NULL, "");
}

const char *cg_create_v2_limited(struct cg *cg, const char *name, uint64_t limit)
{
	const char *why = create(cg, name, "cgroup2", NULL, "");
	char text[32];

	if (why)
		return why;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)limit);
	cg_write(cg, "memory.swap.max", "0");
	if (cg_write(cg, "memory.max", text) < 0 || cg_number(cg, "memory.max") != limit) {
		cg_remove(cg);
		return "no memory.max: the memory controller is not in this hierarchy";
	}
	return NULL;
}

const char *cg_create_limited(struct cg *cg, const char *name, uint64_t limit)
{
	const char *why = cg_create_v1(cg, name, limit);

	if (why && cg_create_v2_limited(cg, name, limit))
		return why;
	return NULL;
}

int cg_set_limit(const struct cg *cg, uint64_t limit)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)limit);
	return cg_write(cg, cg->version == 1 ? "memory.limit_in_bytes" : "memory.max", text);
}

uint64_t cg_limit(const struct cg *cg)
{
	return cg_number(cg, cg->version == 1 ? "memory.limit_in_bytes" : "memory.max");
}

uint64_t cg_usage(const struct cg *cg)
{
	return cg_number(cg, cg->version == 1 ? "memory.usage_in_bytes" : "memory.current");
}

/* The number behind @key, in a file of lines of both. */
static uint64_t keyed(const struct cg *cg, const char *file, const char *key)
{
	char path[4200], word[64];
	unsigned long long value;
	uint64_t found = UINT64_MAX;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", cg->dir, file);
	f = fopen(path, "re");
	while (f && fscanf(f, "%63s %llu", word, &value) == 2)
		if (!strcmp(word, key))
			found = value;
	if (f)
		fclose(f);
	return found;
}

uint64_t cg_limit_hits(const struct cg *cg)
{
	return cg->version == 1 ? cg_number(cg, "memory.failcnt")
				: keyed(cg, "memory.events", "max");
}

uint64_t cg_oom_kills(const struct cg *cg)
{
	return keyed(cg, cg->version == 1 ? "memory.oom_control" : "memory.events", "oom_kill");
}

int cg_move(const struct cg *cg, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return cg_write(cg, "cgroup.procs", text);
}

static void kill_spawned(void)
{
	for (int i = 0; i < SPAWNED_MAX; i++) {
		if (spawned[i] <= 0)
			continue;
		if (!waitpid(spawned[i], NULL, WNOHANG)) {
			kill(spawned[i], SIGKILL);
			waitpid(spawned[i], NULL, 0);
		}
		spawned[i] = 0;
	}
}

/* What the spawned ones or a failed test have left inside. */
static void kill_inside(const struct cg *cg)
{
	char path[4200];
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cg->dir);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		if (pid > 0 && pid != (int)getpid())
			kill(pid, SIGKILL);
	if (f)
		fclose(f);
}

void cg_remove(struct cg *cg)
{
	struct cg parent = *cg;

	if (!cg->dir[0])
		return;
	kill_spawned();
	*strrchr(parent.dir, '/') = '\0';
	cg_move(&parent, 0);
	kill_inside(cg);
	/* a killed process leaves the group a moment after it is reaped */
	for (int i = 0; i < 100 && rmdir(cg->dir) < 0 && errno == EBUSY; i++)
		usleep(20000);
	cg->dir[0] = '\0';
}

static void exec_inside(const struct cg *cg, char *const argv[])
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "1000", 4) != 4 || cg_move(cg, 0) < 0)
		_exit(98);
	execv(argv[0], argv);
	_exit(97);
}

pid_t cg_spawn(const struct cg *cg, char *const argv[])
{
	pid_t pid = fork();

	if (!pid)
		exec_inside(cg, argv);
	for (int i = 0; pid > 0 && i < SPAWNED_MAX; i++)
		if (!spawned[i]) {
			spawned[i] = pid;
			break;
		}
	return pid;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * By /proc/PID/cgroup, read through a descriptor of /proc/PID: once the process has ended
 * all reads fail, whoever has its number then. On v2 a group without the memory controller
 * is counted by the nearest one above it that has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/bridged/whose.h"

static struct {
	char dir[PATH_MAX]; /* of the whole hierarchy */
	int version;
} mount;

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ',') && (!p[len] || p[len] == ','))
			return true;
	return false;
}

/* id parent major:minor root mount-point options [tag]... - type source options */
static void consider(char *line)
{
	char root[PATH_MAX], dir[PATH_MAX], type[32], options[PATH_MAX];
	char *separator = strstr(line, " - ");
	int version;

	if (!separator || sscanf(line, "%*s %*s %*s %4095s %4095s", root, dir) != 2 ||
	    sscanf(separator + 3, "%31s %*s %4095s", type, options) != 2 || strcmp(root, "/"))
		return;
	if (!strcmp(type, "cgroup") && has_word(options, "memory"))
		version = 1;
	else if (!strcmp(type, "cgroup2"))
		version = 2;
	else
		return;
	/* where the controller is on v1, the v2 hierarchy has it not */
	if (mount.version == 1)
		return;
	snprintf(mount.dir, sizeof(mount.dir), "%s", dir);
	mount.version = version;
}

int whose_init(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	static char line[4 * PATH_MAX];

	while (f && fgets(line, sizeof(line), f))
		consider(line);
	if (f)
		fclose(f);
	return mount.version ? 0 : -ENODEV;
}

int whose_open(pid_t pid, uid_t uid)
{
	char path[32];
	struct stat st;
	int fd, err;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	/* a process that may not be dumped has its folder owned by root */
	if (!fstat(fd, &st) && (st.st_uid == uid || !st.st_uid))
		return fd;
	err = -ESRCH;
	close(fd);
	return err;
}

/* The line of the memory controller, or v2's: its path. */
static int path_of(char *text, char *ret_path, size_t size)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = '\0';
		list++;
		if (mount.version == 1 ? !has_word(list, "memory")
				       : *list || strncmp(line, "0:", 2))
			continue;
		/* "/..": outside of what we see */
		if (!strncmp(path, "/..", 3) || strlen(path) >= size)
			return -ENODEV;
		strcpy(ret_path, strcmp(path, "/") ? path : "");
		return 0;
	}
	return -ENODEV;
}

static int read_path(int proc, char *ret_path, size_t size)
{
	char text[16384];
	int fd = openat(proc, "cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n <= 0)
		return n ? (int)n : -ESRCH;
	text[n] = '\0';
	return path_of(text, ret_path, size);
}

/* The nearest that the controller counts, up to the whole hierarchy. */
static int id_of(char *path, uint64_t *ret_group)
{
	char full[2 * PATH_MAX + 32];
	struct stat st;

	for (;;) {
		char *last = strrchr(path, '/');

		snprintf(full, sizeof(full), "%s%s/memory.%s", mount.dir, path,
			 mount.version == 1 ? "usage_in_bytes" : "current");
		if (!last || !access(full, F_OK))
			break;
		*last = '\0';
	}
	snprintf(full, sizeof(full), "%s%s", mount.dir, path);
	if (stat(full, &st) < 0)
		return -errno;
	*ret_group = st.st_ino;
	return 0;
}

/* Moved between the two looks, or its group removed: not known at this moment. */
int whose_group(int proc, uint64_t *ret_group)
{
	char path[PATH_MAX], again[PATH_MAX], up[PATH_MAX];
	uint64_t group = 0;
	int r = read_path(proc, path, sizeof(path));

	if (r < 0)
		return r;
	strcpy(up, path);
	r = id_of(up, &group);
	if (r < 0)
		return r;
	r = read_path(proc, again, sizeof(again));
	if (r < 0)
		return r;
	if (strcmp(path, again))
		return -EAGAIN;
	*ret_group = group;
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Other processes of our group in which libshrink runs: they answer the same
 * shortage, and the work has to be divided.
 *
 * A process is known by the name of its monitor's thread. That is true of linked,
 * loaded and static copies alike and not of those that only map the library, may
 * be read of anybody's processes, and holds up nobody as reading maps would.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/parse.h>
#include <libshrink/os/cgroup.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/lines.h>
#include <libshrink/os/mem.h>

#define MONITOR_NAME "shrink-monitor"
/* The group may be that of a whole machine. */
#define THREADS_MAX 16384
#define GROUPS_MAX 1024
#define DEPTH_MAX 8

struct search {
	int threads, groups, peers;
	uint64_t rss;
};

static int is_monitor(void *arg, char *line)
{
	(void)arg;
	return !strcmp(line, MONITOR_NAME);
}

static int has_monitor(struct search *s, const char *tasks)
{
	char path[4352];
	struct dirent *entry;
	int found = 0;
	DIR *d;

	if (shrink_os_path(path, sizeof(path), tasks) < 0)
		return 0;
	d = opendir(path);
	while (d && !found && s->threads < THREADS_MAX && (entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		s->threads++;
		snprintf(path, sizeof(path), "%s/%s/comm", tasks, entry->d_name);
		found = shrink_os_lines(path, is_monitor, NULL) == 1;
	}
	if (d)
		closedir(d);
	return found;
}

static uint64_t rss_of(uint64_t pid)
{
	uint64_t rss = 0;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%llu/status", (unsigned long long)pid);
	fd = shrink_os_open(path, O_RDONLY);
	if (fd >= 0)
		shrink_os_rss_read(fd, &rss);
	shrink_os_close(fd);
	return rss;
}

static int look_at(void *arg, char *line)
{
	struct search *s = arg;
	const char *p = line;
	char tasks[64];
	uint64_t pid;

	if (shrink_parse_u64(&p, &pid) < 0 || !pid || pid == (uint64_t)getpid())
		return 0; /* 0: outside of our namespace */
	snprintf(tasks, sizeof(tasks), "/proc/%llu/task", (unsigned long long)pid);
	if (has_monitor(s, tasks)) {
		s->peers++;
		s->rss = shrink_add_u64(s->rss, rss_of(pid));
	}
	return s->threads >= THREADS_MAX;
}

/* The processes of the group at @dir and of those below. @dir has room for more and
 * comes back as it was. */
static int look_below(struct search *s, char *dir, size_t size, int depth)
{
	char full[4352];
	size_t len = strlen(dir);
	struct dirent *entry;
	DIR *d;
	int r;

	s->groups++;
	snprintf(dir + len, size - len, "/cgroup.procs");
	r = shrink_os_lines(dir, look_at, s);
	dir[len] = '\0';
	if (depth == DEPTH_MAX || shrink_os_path(full, sizeof(full), dir) < 0)
		return r;
	d = opendir(full);
	while (d && s->groups < GROUPS_MAX && s->threads < THREADS_MAX && (entry = readdir(d))) {
		if (entry->d_name[0] == '.' || entry->d_type != DT_DIR ||
		    len + strlen(entry->d_name) + 32 > size)
			continue;
		snprintf(dir + len, size - len, "/%s", entry->d_name);
		look_below(s, dir, size, depth + 1);
		dir[len] = '\0';
	}
	if (d)
		closedir(d);
	return r;
}

int shrink_os_cgroup_peers(const struct shrink_cgroup *cg, int level, uint64_t *ret_rss)
{
	char dir[2 * SHRINK_CGROUP_PATH];
	struct search s = {0};
	int r;

	if (!cg->version || level >= cg->nr_levels)
		return -ENODEV;
	/* v2 lists processes in the group itself, also where the memory controller
	 * is that of an ancestor */
	snprintf(dir, sizeof(dir), "%s", cg->version == 2 && !level && cg->unified[0]
						  ? cg->unified : cg->level[level].dir);
	r = look_below(&s, dir, sizeof(dir), 0);
	if (r < 0)
		return r;
	if (ret_rss)
		*ret_rss = s.rss;
	return s.peers;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Other processes of our group in which libshrink runs. Each would answer the
 * group's pressure as if it were alone, and together they free several times what
 * is missing; until they share the work, the least is to say so.
 *
 * A process is known by the name of its monitor's thread. That is true of linked,
 * loaded and static copies alike and not of those that only map the library, may
 * be read of anybody's processes, and holds up nobody as reading maps would.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libshrink/base/parse.h>
#include <libshrink/os/cgroup.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/lines.h>

#define MONITOR_NAME "shrink-monitor"
/* The group may be that of a whole machine. */
#define THREADS_MAX 16384

struct search {
	int threads, peers;
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

static int look_at(void *arg, char *line)
{
	struct search *s = arg;
	const char *p = line;
	char tasks[64];
	uint64_t pid;

	if (shrink_parse_u64(&p, &pid) < 0 || !pid || pid == (uint64_t)getpid())
		return 0; /* 0: outside of our namespace */
	snprintf(tasks, sizeof(tasks), "/proc/%llu/task", (unsigned long long)pid);
	s->peers += has_monitor(s, tasks);
	return s->threads >= THREADS_MAX;
}

int shrink_os_cgroup_peers(const struct shrink_cgroup *cg)
{
	/* v2 lists processes in the group itself, also where the memory controller
	 * is that of an ancestor */
	const char *dir = cg->version == 2 && cg->unified[0] ? cg->unified : cg->level[0].dir;
	char path[SHRINK_CGROUP_PATH + 32];
	struct search s = {0};
	int r;

	if (!cg->version)
		return -ENODEV;
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	r = shrink_os_lines(path, look_at, &s);
	return r < 0 ? r : s.peers;
}

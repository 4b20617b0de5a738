// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include <libshrink/os/bait.h>
#include <libshrink/os/cgroup.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/numa.h>

static void look_up(const char *dir, const char *name)
{
	char path[SHRINK_CGROUP_PATH + 32], full[SHRINK_CGROUP_PATH + 288];
	int saved_errno = errno;
	struct stat st;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) < sizeof(path) &&
	    !shrink_os_path(full, sizeof(full), path))
		(void)lstat(full, &st);
	errno = saved_errno;
}

void shrink_os_bait(const char *dir)
{
	look_up(dir, "libshrink.bait");
}

void shrink_os_bait_nodes(const char *dir, int nr_nodes)
{
	char name[32];
	cpu_set_t before;

	/* who could not be put back is not moved */
	if (sched_getaffinity(0, sizeof(before), &before) < 0)
		return;
	for (int nid = 0; nid < nr_nodes; nid++) {
		if (shrink_os_numa_run_on(nid) < 0)
			continue;
		snprintf(name, sizeof(name), "libshrink.bait%d", nid);
		look_up(dir, name);
	}
	(void)sched_setaffinity(0, sizeof(before), &before);
}

int shrink_os_group_id(const char *dir, uint64_t *ret_id)
{
	char full[SHRINK_CGROUP_PATH + 288];
	int r = shrink_os_path(full, sizeof(full), dir);
	struct stat st;

	if (r < 0)
		return r;
	if (stat(full, &st) < 0)
		return -errno;
	*ret_id = st.st_ino;
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include <libshrink/os/bait.h>
#include <libshrink/os/cgroup.h>
#include <libshrink/os/fd.h>

void shrink_os_bait(const char *dir)
{
	char path[SHRINK_CGROUP_PATH + 32], full[SHRINK_CGROUP_PATH + 288];
	int saved_errno = errno;
	struct stat st;

	if ((size_t)snprintf(path, sizeof(path), "%s/libshrink.bait", dir) < sizeof(path) &&
	    !shrink_os_path(full, sizeof(full), path))
		(void)lstat(full, &st);
	errno = saved_errno;
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

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <fcntl.h>
#include <stdio.h>

#include <libshrink/os/cgroup-control.h>
#include <libshrink/os/fd.h>

static int open_in(const struct shrink_cgroup_level *level, const char *name, int flags)
{
	char path[SHRINK_CGROUP_PATH + 64];

	snprintf(path, sizeof(path), "%s/%s", level->dir, name);
	return shrink_os_open(path, flags);
}

int shrink_os_cgroup_file(const struct shrink_cgroup_level *level, const char *name)
{
	return open_in(level, name, O_RDONLY);
}

int shrink_os_cgroup_control(const struct shrink_cgroup_level *level)
{
	return open_in(level, "cgroup.event_control", O_WRONLY);
}

int shrink_os_cgroup_arm(int control, int eventfd, int file, const char *args)
{
	char text[128];
	int len = snprintf(text, sizeof(text), "%d %d %s\n", eventfd, file, args);

	return shrink_os_write(control, text, (size_t)len);
}

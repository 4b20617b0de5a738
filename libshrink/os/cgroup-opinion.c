// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef HAVE_CGROUP
#include <libcgroup.h>
#endif

#include <libshrink/base/log.h>
#include <libshrink/os/cgroup-opinion.h>
#include <libshrink/os/fd.h>

#ifdef HAVE_CGROUP

/* libcgroup writes to stdout unless it is given somewhere else to write. */
static void swallow(void *arg, int level, const char *fmt, va_list args)
{
	char line[256];

	(void)arg;
	(void)level;
	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	shrink_debug("libcgroup: %s", line);
}

/* Where libcgroup believes our memory group to be. */
static int ask(char *dir, size_t size)
{
	char *mount = NULL, *path = NULL;
	int r = -ENODATA;

	/* The program's own logger, if it has set one already, cannot be asked for
	 * and is replaced; that is the price of the silence of all others. */
	cgroup_set_logger(swallow, CGROUP_LOG_ERROR, NULL);
	if (!cgroup_init() && !cgroup_get_subsys_mount_point("memory", &mount) &&
	    !cgroup_get_current_controller_path(getpid(), "memory", &path))
		r = (size_t)snprintf(dir, size, "%s/%s", mount, path + (*path == '/')) < size
			    ? 0
			    : -ENAMETOOLONG;
	cgroup_set_default_logger(CGROUP_LOG_ERROR);
	free(mount);
	free(path);
	return r;
}

#else

static int ask(char *dir, size_t size)
{
	(void)dir;
	(void)size;
	return -ENODATA;
}

#endif

int shrink_os_cgroup_second_opinion(const struct shrink_cgroup *cg)
{
	char root[8], dir[2 * SHRINK_CGROUP_PATH];
	struct stat theirs, ours;

	/* It knows only the real root */
	if (shrink_os_path(root, sizeof(root), "") < 0 || root[0] || ask(dir, sizeof(dir)) < 0)
		return -ENODATA;
	/* Two names of one folder (bind mounts) are agreement */
	if (!stat(dir, &theirs) && !stat(cg->level[0].dir, &ours) &&
	    theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino)
		return 0;
	shrink_debug("libcgroup says the memory group is %s, /proc says %s: /proc decides", dir,
		     cg->level[0].dir);
	return 1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Where the own group is mounted: the arithmetic of /proc/self/cgroup against
 * /proc/self/mountinfo, apart from the files it is for.
 *
 * Both show paths relative to the root of the reader's cgroup namespace, and
 * "/.." for each step above it. A mount shows the subtree below its root field,
 * so the group P is visible through a mount of root R where R leads to P:
 *
 *	R           P              own group is at
 *	/           /a/b           mount/a/b
 *	/a          /a/b           mount/b          bind mount, container
 *	/           /              mount            own cgroup namespace
 *	/..         /b             mount/?/b        mounted before the namespace was
 *	/c          /a/b           not here
 */
#ifndef SHRINK_OS_CGROUP_FIND_H
#define SHRINK_OS_CGROUP_FIND_H

#include <libshrink/os/cgroup.h>

/* One hierarchy as this process sees it. */
struct shrink_cgroup_place {
	int found;                      /* a mount of it shows our group or an ancestor */
	int own;                        /* rel is our own group, not an ancestor */
	char mount[SHRINK_CGROUP_PATH]; /* mount point, below the sysroot */
	char rel[SHRINK_CGROUP_PATH];   /* group below it: "", "/a/b" */
};

struct shrink_cgroup_places {
	int memory_on_v1;               /* /proc/self/cgroup names the v1 controller */
	struct shrink_cgroup_place v1;  /* the hierarchy of the v1 memory controller */
	struct shrink_cgroup_place v2;
};

/* Reads both files. 0, or the negative errno of reading them. */
int shrink_os_cgroup_find(struct shrink_cgroup_places *ret_places);

/* The table above. Steps whose name only the file system knows come back in
 * *ret_hidden, to go between the mount point and @rel. -ENOENT: not here;
 * -ENAMETOOLONG. @rel has SHRINK_CGROUP_PATH bytes. Pure. */
int shrink_os_cgroup_below(const char *root, const char *path, char *rel, unsigned int *ret_hidden);

/* A line of /proc/self/cgroup, "4:memory:/a/b" of v1, "0::/a/b" of v2: the version of
 * the hierarchy whose group *@ret_path names, of v1 only the memory controller's; 0: it
 * says nothing to us, or the path is too long. The line is cut up. Pure. */
int shrink_os_cgroup_line(char *line, const char **ret_path);

/* A line of mountinfo, "id parent major:minor root mount-point options [tag]... - type
 * source options": the version likewise, escapes undone; 0: something else is mounted
 * there. The line is cut up. Pure. */
int shrink_os_mount_line(char *line, const char **ret_root, const char **ret_mount);

/* Undoes the octal escapes of mountinfo (\040) in place. Pure. */
void shrink_os_cgroup_unescape(char *text);

#endif /* SHRINK_OS_CGROUP_FIND_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Being seen by the kernel's reclaim. It asks a group's shrinkers only if one of them
 * has an object there; a process of nothing but anonymous memory has none, and its
 * reclaim would leave no trace. Looking up a name that does not exist leaves one:
 * a negative dentry, charged to who looked.
 */
#ifndef SHRINK_OS_BAIT_H
#define SHRINK_OS_BAIT_H

#include <stdint.h>

/* Sees to it that there is one in @dir, a folder of the cgroup file system. A
 * microsecond where there is; never allocates in user space. */
void shrink_os_bait(const char *dir);

/* Sees to it that there is one at each node below @nr_nodes that has processors: this thread
 * goes there, for a dentry lies where it was looked up, and is back where it was afterwards.
 * Each has a name of its own. */
void shrink_os_bait_nodes(const char *dir, int nr_nodes);

/* Number by which the kernel knows the group of @dir: its inode. 0, or a negative
 * errno. */
int shrink_os_group_id(const char *dir, uint64_t *ret_id);

#endif /* SHRINK_OS_BAIT_H */

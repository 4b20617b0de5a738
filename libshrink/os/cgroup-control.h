/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* cgroup v1: eventfds that the kernel signals, armed through cgroup.event_control. */
#ifndef SHRINK_OS_CGROUP_CONTROL_H
#define SHRINK_OS_CGROUP_CONTROL_H

#include <libshrink/os/cgroup.h>

/* A file of the group, for reading; a descriptor or a negative errno. */
int shrink_os_cgroup_file(const struct shrink_cgroup_level *level, const char *name);
/* Its cgroup.event_control, for arming: a descriptor or a negative errno. Kept open it
 * arms later too, after a chroot or behind a filter. */
int shrink_os_cgroup_control(const struct shrink_cgroup_level *level);
/* Has the kernel signal @eventfd for what @file tells; @args as the file wants them, ""
 * for none. Takes milliseconds for usage. 0 or a negative errno. */
int shrink_os_cgroup_arm(int control, int eventfd, int file, const char *args);

#endif /* SHRINK_OS_CGROUP_CONTROL_H */

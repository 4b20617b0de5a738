/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Which memory group a process is in, as the kernel numbers it. */
#ifndef TOOLS_BRIDGED_WHOSE_H
#define TOOLS_BRIDGED_WHOSE_H

#include <stdint.h>
#include <sys/types.h>

/* Finds where the memory controller's hierarchy is mounted. 0, or a negative errno:
 * -ENODEV: nowhere, as a whole. */
int whose_init(void);

/* A process by its folder in /proc: whoever gets its number later is not it. A
 * descriptor, or a negative errno: -ESRCH: it has ended, or is another user's than @uid. */
int whose_open(pid_t pid, uid_t uid);

/* The kernfs id of its memory group: 0, or a negative errno. -ESRCH: it has ended. */
int whose_group(int proc, uint64_t *ret_group);

#endif /* TOOLS_BRIDGED_WHOSE_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Whether this process has been moved to another group: /proc/self/cgroup, kept open. */
#ifndef SHRINK_OS_CGROUP_MOVED_H
#define SHRINK_OS_CGROUP_MOVED_H

#include <stdint.h>

struct shrink_cgroup_where {
	int fd;       /* -1: cannot be told */
	uint64_t sum; /* of the text when it was last looked at */
};

void shrink_os_cgroup_where_open(struct shrink_cgroup_where *where);
void shrink_os_cgroup_where_close(struct shrink_cgroup_where *where);
/* 1: it says something else than the last time, 0: the same; a negative errno. Some 10
 * usec; neither allocates nor opens. */
int shrink_os_cgroup_moved(struct shrink_cgroup_where *where);

#endif /* SHRINK_OS_CGROUP_MOVED_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
#ifndef SHRINK_OS_CGROUP_OPINION_H
#define SHRINK_OS_CGROUP_OPINION_H

#include <libshrink/os/cgroup.h>

/* Asks libcgroup, where built in, which group is ours, and has the file system
 * judge its answer. Agreement: 0. Disagreement: 1, with a debug line; @cg stands
 * as it is. Not asked or no answer: -ENODATA. At start only. */
int shrink_os_cgroup_second_opinion(const struct shrink_cgroup *cg);

#endif /* SHRINK_OS_CGROUP_OPINION_H */

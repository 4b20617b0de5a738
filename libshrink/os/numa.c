// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include "config.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef HAVE_NUMA
#include <numa.h>
#endif

#include <libshrink/base/conf.h>
#include <libshrink/os/numa.h>

/* Ids may have gaps; what is wanted is an array that every id fits into. */
static int system_nodes(void)
{
#ifdef HAVE_NUMA
	if (numa_available() >= 0)
		return numa_max_node() + 1;
#endif
	return 1;
}

int shrink_os_numa_nodes(void)
{
	int nodes = (int)SHRINK_TUN(nodes);

	if (nodes <= 0)
		nodes = system_nodes();
	if (nodes < 1)
		return 1;
	return nodes > SHRINK_NODES_MAX ? SHRINK_NODES_MAX : nodes;
}

int shrink_os_numa_run_on(int nid)
{
#ifdef HAVE_NUMA
	if (numa_available() < 0 || nid > numa_max_node())
		return -EINVAL;
	return numa_run_on_node(nid) < 0 ? -errno : 0;
#else
	(void)nid;
	return -ENOSYS;
#endif
}

/* More than any kernel is built for: with less room than it wants the call fails. */
#define NODES_MOST 4096
#define WORD_BITS  (8 * sizeof(unsigned long))

int shrink_os_numa_allowed(int nid)
{
	unsigned long mask[NODES_MOST / WORD_BITS] = {0};
	int saved = errno;

	if (nid < 0 || nid >= NODES_MOST ||
	    syscall(SYS_get_mempolicy, NULL, mask, (unsigned long)NODES_MOST, NULL,
		    (unsigned long)MPOL_F_MEMS_ALLOWED) < 0) {
		errno = saved;
		return 1;
	}
	return mask[(size_t)nid / WORD_BITS] >> (size_t)nid % WORD_BITS & 1;
}

int shrink_os_numa_here(void)
{
	unsigned int cpu, node;

	if (getcpu(&cpu, &node) < 0 || node >= SHRINK_NODES_MAX)
		return 0;
	return (int)node;
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include "config.h"

#include <errno.h>
#include <sched.h>

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

int shrink_os_numa_here(void)
{
	unsigned int cpu, node;

	if (getcpu(&cpu, &node) < 0 || node >= SHRINK_NODES_MAX)
		return 0;
	return (int)node;
}

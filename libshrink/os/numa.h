/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Memory nodes, through libnuma where built in. */
#ifndef SHRINK_OS_NUMA_H
#define SHRINK_OS_NUMA_H

#define SHRINK_NODES_MAX 64

/* Number of node ids possible (highest + 1), 1 .. SHRINK_NODES_MAX; the tunable
 * `nodes` overrides. Asked once by the registry; allocates. */
int shrink_os_numa_nodes(void);

/* The calling thread runs on the processors of that node: 0, or why it runs where it
 * did (-EINVAL: none there, or a cpuset has none of them; -ENOSYS: no libnuma). */
int shrink_os_numa_run_on(int nid);

/* Whether this process may have memory of node @nid now, as its cpuset has it: 1 or 0; 1
 * also where that cannot be asked. No file is opened. */
int shrink_os_numa_allowed(int nid);

/* The node this thread runs on now, as far as the library counts them. */
int shrink_os_numa_here(void);

#endif /* SHRINK_OS_NUMA_H */

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/core/core.h>
#include <libshrink/os/numa.h>

static _Atomic int nr_nodes; /* 0 = not asked yet */

int shrink_core_nr_nodes(void)
{
	int n = atomic_load_explicit(&nr_nodes, memory_order_relaxed);

	if (!n) {
		n = shrink_os_numa_nodes(); /* twice by two threads: the same answer */
		atomic_store_explicit(&nr_nodes, n, memory_order_relaxed);
	}
	return n;
}

void shrink_core_nodes_reset(void)
{
	atomic_store_explicit(&nr_nodes, 0, memory_order_relaxed);
}

int shrink_nr_nodes(void)
{
	return shrink_core_nr_nodes();
}

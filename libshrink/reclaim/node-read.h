/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* How much there is on a memory node, and when that is little: from the kernel's files,
 * or from whoever simulates them. */
#ifndef SHRINK_RECLAIM_NODE_READ_H
#define SHRINK_RECLAIM_NODE_READ_H

#include <stdbool.h>

#include <libshrink/reclaim/node.h>

/* Opens what is read. 0, or a negative errno. */
int shrink_node_read_open(int (*simulated)(int nid, struct shrink_node_reading *ret));
bool shrink_node_read_simulated(void);
void shrink_node_read_close(void);
/* Any thread; neither allocates nor opens; some 20 usec, and now and then what
 * /proc/zoneinfo takes. Negative errno. */
int shrink_node_read(int nid, struct shrink_node_reading *ret);

/* Around fork(); forget: in the child, where descriptors are closed already. */
void shrink_node_read_lock(void);
void shrink_node_read_unlock(void);
void shrink_node_read_forget(void);

#endif /* SHRINK_RECLAIM_NODE_READ_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Copy-on-write: a forked child that still maps our pages keeps them charged. What we
 * free leaves our RSS, but not the group: evicting more would empty the caches for
 * nothing, until the child ends, executes or writes. Worse, freeing writes to pages
 * (an allocator's headers), and each first write copies one.
 */
#ifndef SHRINK_RECLAIM_COW_H
#define SHRINK_RECLAIM_COW_H

#include <stdbool.h>
#include <stdint.h>

/* Opens what tells, for the life of the process; without it nobody is ever blamed.
 * Looks whether there was a fork before us. At start. */
void shrink_cow_prepare(void);
/* The process has forked: from now on it may share its pages. In the parent; in the child,
 * which shares all of its parent's, and whose descriptor is gone. */
void shrink_cow_forked(void);
void shrink_cow_fork_child(void);

/* Is most of what this process has in memory shared with forked children, so that
 * freeing returns less than half? Only asked after a round returned too little: a look
 * costs the kernel a walk of our page tables, milliseconds per GB. */
bool shrink_cow_shared(void);

/* The look as a calculator: text of smaps_rollup. How much of what is the process's own
 * memory is shared, in percent; 0 where it cannot be told. */
unsigned int shrink_cow_percent(const char *smaps);

#endif /* SHRINK_RECLAIM_COW_H */

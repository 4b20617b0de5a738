/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Pools across fork(): called from the library's one set of atfork handlers,
 * after running callbacks were waited for. The child's pools hold what the
 * parent's held and work on.
 */
#ifndef SHRINK_POOL_FORK_H
#define SHRINK_POOL_FORK_H

struct shrink_pool;

/* Takes every lock of every pool; no pool lock may be held. */
void shrink_pool_fork_prepare(void);
void shrink_pool_fork_parent(void);
/* Also puts slabs back into use that a thread of the parent was evicting, should
 * the wait have timed out. */
void shrink_pool_fork_child(void);

/* The list of pools that the handlers go through. */
void shrink_pool_enlist(struct shrink_pool *pool);
void shrink_pool_delist(struct shrink_pool *pool);

#endif /* SHRINK_POOL_FORK_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Pools across fork(): all their locks are taken before it, after running
 * callbacks were waited for. The child's pools hold what the parent's held and
 * work on; slabs that a thread of the parent was evicting, should the wait have
 * timed out, are put back into use.
 */
#ifndef SHRINK_POOL_FORK_H
#define SHRINK_POOL_FORK_H

struct shrink_pool;

/* Has @pool taken care of in every fork() until it is delisted. 0, or -ENOMEM. */
int shrink_pool_enlist(struct shrink_pool *pool);
/* A pool that is not listed is fine. */
void shrink_pool_delist(struct shrink_pool *pool);

/* The lock of the list of pools, and of the lists of threads' magazines. Outermost of
 * the pools' locks. */
void shrink_pool_list_lock(void);
void shrink_pool_list_unlock(void);
/* All pools, under that lock. */
void shrink_pool_list_each(void (*fn)(struct shrink_pool *pool, void *arg), void *arg);

#endif /* SHRINK_POOL_FORK_H */

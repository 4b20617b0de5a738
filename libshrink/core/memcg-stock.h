/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Charged in advance: each thread keeps stocks of a few groups, so that the fast path
 * of a charge is a comparison and a subtraction of its own memory.
 *
 * Who wants the stocks back (a group is at its max, or goes offline) must take them
 * from threads that run. The owner's side has no locked access and no fence:
 *
 *	owner				drainer (under the stocks' lock)
 *	busy = 1			wanted = 1
 *	compiler barrier		membarrier: a fence in every thread
 *	wanted? leave it alone		wait while busy
 *	use the stock			take the stock
 *	compiler barrier		wanted = 0
 *	busy = 0
 *
 * After the membarrier an owner has either shown its busy to the drainer, who waits
 * for the few instructions it has left, or it will see wanted. Where the kernel has
 * no membarrier there are no stocks: every charge goes up the tree.
 */
#ifndef SHRINK_CORE_MEMCG_STOCK_H
#define SHRINK_CORE_MEMCG_STOCK_H

#include <stdbool.h>
#include <stdint.h>

struct shrink_memcg;

/* 64 pages' worth: what a thread takes in advance. */
#define SHRINK_MEMCG_BATCH (64ULL * 4096)

/* Takes @bytes from this thread's stock of @memcg; false: it has not so many. */
bool shrink_memcg_stock_take(struct shrink_memcg *memcg, uint64_t bytes);
/* Puts @bytes, charged already, into this thread's stock; another group's in the same
 * place goes back first, and what is over two batches too. Those of a group that is
 * offline go straight back, so that no stock holds it. */
void shrink_memcg_stock_put(struct shrink_memcg *memcg, uint64_t bytes);
/* Returns the stocks of all threads. Not from the fast paths. */
void shrink_memcg_stock_drain(void);

void shrink_memcg_stock_fork_prepare(void);
void shrink_memcg_stock_fork_parent(void);
void shrink_memcg_stock_fork_child(void);

#endif /* SHRINK_CORE_MEMCG_STOCK_H */

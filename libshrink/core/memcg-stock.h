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

#include <stdatomic.h>

#include <libshrink/core/memcg.h>

/* 64 pages' worth: what a thread takes in advance. */
#define SHRINK_MEMCG_BATCH (64ULL * 4096)

/* A worker serves one tenant after the other: each has a place, found by its id. */
#define SHRINK_MEMCG_SLOTS 4

struct shrink_memcg_slot {
	_Atomic(struct shrink_memcg *) memcg; /* referenced while it is here */
	_Atomic uint64_t bytes;
};

struct shrink_memcg_stock {
	_Atomic int busy;
	_Atomic int wanted;
	struct shrink_memcg_slot slot[SHRINK_MEMCG_SLOTS];
	bool listed, left;       /* owner only */
	struct shrink_list link; /* under the lock */
};

extern __thread struct shrink_memcg_stock shrink_memcg_stock
	__attribute__((tls_model("initial-exec")));

static inline struct shrink_memcg_slot *shrink_memcg_slot_of(const struct shrink_memcg *memcg)
{
	return &shrink_memcg_stock.slot[(unsigned int)memcg->id % SHRINK_MEMCG_SLOTS];
}

/* Acquire: where the drainer has taken wanted back, what it took is seen as gone. */
static inline bool shrink_memcg_stock_begin(void)
{
	atomic_store_explicit(&shrink_memcg_stock.busy, 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	return !atomic_load_explicit(&shrink_memcg_stock.wanted, memory_order_acquire);
}

static inline void shrink_memcg_stock_end(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	/* Release: what we did with the stock is seen by who waits for busy == 0 */
	atomic_store_explicit(&shrink_memcg_stock.busy, 0, memory_order_release);
}

/* Takes @bytes from this thread's stock of @memcg; false: it has not so many. */
static inline bool shrink_memcg_stock_take(struct shrink_memcg *memcg, uint64_t bytes)
{
	struct shrink_memcg_slot *slot = shrink_memcg_slot_of(memcg);
	bool taken = false;

	if (shrink_memcg_stock_begin() &&
	    atomic_load_explicit(&slot->memcg, memory_order_relaxed) == memcg) {
		uint64_t have = atomic_load_explicit(&slot->bytes, memory_order_relaxed);

		taken = have >= bytes;
		if (taken)
			atomic_store_explicit(&slot->bytes, have - bytes, memory_order_relaxed);
	}
	shrink_memcg_stock_end();
	return taken;
}

/* Puts them into it; false: they do not fit, or the group is offline - which is asked
 * inside: after a drain's membarrier it is seen. */
static inline bool shrink_memcg_stock_add(struct shrink_memcg *memcg, uint64_t bytes)
{
	struct shrink_memcg_slot *slot = shrink_memcg_slot_of(memcg);
	bool fits = false;

	if (shrink_memcg_stock_begin() &&
	    atomic_load_explicit(&slot->memcg, memory_order_relaxed) == memcg) {
		uint64_t have = atomic_load_explicit(&slot->bytes, memory_order_relaxed);

		fits = bytes <= 2 * SHRINK_MEMCG_BATCH - have &&
		       atomic_load_explicit(&memcg->online, memory_order_relaxed);
		if (fits)
			atomic_store_explicit(&slot->bytes, have + bytes, memory_order_relaxed);
	}
	shrink_memcg_stock_end();
	return fits;
}

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

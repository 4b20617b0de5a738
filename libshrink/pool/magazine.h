/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Magazines: each thread keeps, for each pool and class, a few places that were freed
 * or taken in advance, so that alloc and free touch no lock.
 *
 * A place in a magazine is taken in its slab's alloc bitmap, and has its bit set in
 * cached. That bit is the place: whoever clears it, by an atomic exchange, owns the
 * place, and a magazine's entry is only a hint where a bit may be. So a scan that wants
 * a slab takes the bits back without asking any thread, and the thread finds out when it
 * comes to the entry. That is safe at any moment, because a slab never goes as long as a
 * place is taken in alloc, and alloc changes under the class lock only:
 *
 *	alloc, cached	the place belongs to
 *	0      0	the slab
 *	1      0	the application; or whoever has just cleared cached
 *	1      1	a magazine: none of its owner's hands is on it
 *
 * A free that comes while a scan evicts the slab may put the place into a magazine even
 * so: then the slab stays for that one, until the next scan. Nothing worse happens.
 *
 * An entry may outlive its slab: its bit was taken, the slab went, the addresses came
 * back as a slab of another class, and another thread has set a bit in the same word.
 * Bits of slabs in no use are all clear, so whoever takes a bit by a stale entry has
 * taken a real place, only not the one he meant: he sees the slab's class, which his
 * place pins, and frees it as what it is. The other one's entry is stale then.
 *
 * How many bits are set is known per class as a sum: each thread counts those it set
 * less those it took (held), scans count what they took (pool_class.cached).
 *
 * A set of magazines belongs to one thread and one pool. It is found through eight
 * slots of the thread, by the pool's serial number, which is never used again: a
 * slot of a pool that has gone is never followed. The lists are under fork.c's lock.
 */
#ifndef SHRINK_POOL_MAGAZINE_H
#define SHRINK_POOL_MAGAZINE_H

#include <libshrink/pool/slab.h>

/* Classes up to 8 KiB: 55 of them. */
#define MAGAZINE_CLASSES 55
#define MAGAZINE_ROUNDS 32           /* places of a class, at most */
#define MAGAZINE_BYTES ((size_t)16 << 10) /* of a class, at most; two in any case */
#define MAGAZINE_SLOTS 8

struct pool_magazine {
	uint32_t nr, max;
	uint64_t *rounds; /* offsets in the pool, the last freed at the end */
};

struct pool_magazines {
	struct shrink_list in_pool, in_thread; /* fork.c's lock */
	struct shrink_pool *pool;
	const void *owner;                     /* its thread's struct pool_thread */
	struct pool_magazine magazine[MAGAZINE_CLASSES];
	_Atomic int64_t held[MAGAZINE_CLASSES]; /* written by the owner */
	uint64_t rounds[];
};

struct pool_thread {
	struct {
		uint64_t serial;
		struct pool_magazines *set;
	} slot[MAGAZINE_SLOTS];
	struct shrink_list sets; /* fork.c's lock */
	int listed, left;
};

extern __thread struct pool_thread shrink_pool_thread __attribute__((tls_model("initial-exec")));

/* The calling thread's set for the pool, made if need be; NULL: it has none (no
 * memory, or the thread is ending). */
struct pool_magazines *shrink_pool_magazines_find(struct shrink_pool *pool);

static inline struct pool_magazines *shrink_pool_magazines(struct shrink_pool *pool)
{
	unsigned int i = pool->serial % MAGAZINE_SLOTS;

	if (shrink_pool_thread.slot[i].serial == pool->serial)
		return shrink_pool_thread.slot[i].set;
	return shrink_pool_magazines_find(pool);
}

/* The set if the thread has one at hand. For where a class lock is held. */
static inline struct pool_magazines *shrink_pool_magazines_known(const struct shrink_pool *pool)
{
	unsigned int i = pool->serial % MAGAZINE_SLOTS;

	return shrink_pool_thread.slot[i].serial == pool->serial ? shrink_pool_thread.slot[i].set
								 : NULL;
}

/* A place for an object of class @index; SIZE_MAX: the magazine is empty. */
size_t shrink_pool_magazine_pop(struct shrink_pool *pool, struct pool_magazines *set,
				unsigned int index);
/* Frees the object that begins @offset bytes into the slab, whose @tag is ACTIVE.
 * AFTER_MISUSE: it was freed before. -1: not here, do it under the lock. */
int shrink_pool_magazine_push(struct shrink_pool *pool, struct pool_magazines *set,
			      struct pool_slab *slab, uint32_t tag, size_t offset);
/* Fills half of the magazine from the class's current slab. Class lock held. */
void shrink_pool_magazine_fill(struct shrink_pool *pool, struct pool_magazines *set,
			       unsigned int index);

/* Takes back what magazines hold of the slab; how many places, whose bits in alloc are
 * clear then. The caller has made sure that none is put there any more. Class lock
 * held. */
unsigned int shrink_pool_magazine_steal(struct shrink_pool *pool, struct pool_class *class,
					struct pool_slab *slab);
/* Places of the class in all magazines. Exact where nobody is at work. fork.c's lock
 * and the class lock held. */
int64_t shrink_pool_magazine_cached(struct shrink_pool *pool, unsigned int index);

/* Empties all magazines of the set, which is the calling thread's. */
void shrink_pool_magazines_flush(struct pool_magazines *set);
/* The pool goes: its sets too. No lock held. */
void shrink_pool_magazines_drop(struct shrink_pool *pool);
/* In the child of a fork, fork.c's lock held: all magazines are empty, and those of
 * threads that are gone go. What they held is taken back slab by slab, before. */
void shrink_pool_magazines_fork(struct shrink_pool *pool);

#endif /* SHRINK_POOL_MAGAZINE_H */

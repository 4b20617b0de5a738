/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * One part of a ghost table: a ring of ghosts in the order of their eviction, and an
 * index by hash. Not locked: the table's part has a lock.
 *
 *	ring:  [tail .. head) modulo size, oldest at tail; dead ones have shadow 0
 *	index: first[hash & mask] -> slot -> next[slot] -> ...
 *
 * Because the ring is in time order, the oldest ghosts share pages, and giving them
 * up gives whole pages back: the ring is laid out anew in fewer pages. It grows back
 * page by page, when it has come round to its end, and only by pages that were
 * touched before (ghosts_ready), since an eviction must not touch fresh memory (G6).
 */
#ifndef SHRINK_LRU_GHOSTS_H
#define SHRINK_LRU_GHOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shrink_ghost {
	uint64_t hash;
	uint64_t shadow; /* 0 = dead */
};

struct shrink_ghosts {
	struct shrink_ghost *ring;
	uint32_t *first;         /* slot + 1; 0 = none */
	uint32_t *next;          /* slot + 1 */
	uint32_t mask;           /* of first */
	uint32_t size, max;      /* slots of the ring now, at most */
	uint32_t ready;          /* slots whose pages are touched, size .. max */
	uint32_t tail, used;     /* oldest slot; slots between it and the head */
	uint32_t live;
	uint32_t page_slots;
	bool wants;              /* pushed ghosts out while smaller than it may be */
	uint64_t overwritten;
};

/* The ring's bytes are the caller's, zeroed and touched; max slots, a multiple of
 * page_slots; first has mask + 1 entries, next has max. */
void shrink_ghosts_init(struct shrink_ghosts *g, struct shrink_ghost *ring, uint32_t max,
			uint32_t page_slots, uint32_t *first, uint32_t *next, uint32_t mask);

/* Puts a ghost at the head; one of the same hash is replaced. */
void shrink_ghosts_push(struct shrink_ghosts *g, uint64_t hash, uint64_t shadow);
/* Takes the ghost of @hash out; its shadow, or 0. */
uint64_t shrink_ghosts_take(struct shrink_ghosts *g, uint64_t hash);

/* Keeps the youngest in @slots (rounded up to pages, one at least). Returns the slots
 * that were given up; their pages, from ring + size on, are the caller's to return. */
uint32_t shrink_ghosts_cut(struct shrink_ghosts *g, uint32_t slots, uint64_t *ret_dropped);
/* Makes the next page ready if one is wanted: touches memory. */
void shrink_ghosts_ready(struct shrink_ghosts *g);

#endif /* SHRINK_LRU_GHOSTS_H */

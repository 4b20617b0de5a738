/* SPDX-License-Identifier: MIT */
/*
 * One cached value. Immutable once linked, but for the fields named below: a
 * reader that holds a reference never sees it change, so that a value can be
 * written to a socket straight from here, however long the client takes.
 *
 * References: one for being linked, one for each request that uses it. The
 * memory goes back to the store with the last of them.
 */
#ifndef KVCACHED_ITEM_H
#define KVCACHED_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <shrink/lruvec.h>

struct item {
	struct item *next; /* in its bucket; shard lock */
	uint64_t cas;	   /* shard lock */
	/* Read by the evict callback of an object it knows nothing of yet, hence
	 * only through item_hash()/item_set_hash(). */
	uint32_t hash;
	uint32_t refs;	  /* atomic */
	uint32_t expires; /* seconds, 0 = never; shard lock */
	uint32_t stored;  /* second of linking; shard lock */
	uint32_t flags;
	uint32_t nbytes; /* of the value and its \r\n */
	unsigned char nkey;
	unsigned char tenant; /* whose it is, see tenant.h */
	unsigned char mark;   /* on the ring: used since the hand last passed */
	bool ringed;	      /* on its shard's ring, see ring.h */
	bool paged;	      /* the value is elsewhere, see purge.h */
	char data[];	      /* key, value, \r\n; or key, address of these */
};

/* An item's place in the order of use, where its shard has a ring. Shard lock. */
struct ring_node {
	struct item *older, *newer;
};

/*
 * What else knows the items' order has its own bytes in front of each: the lists of the
 * policy lruvec, or the ring. With the pool and the clock it is 0: the pool itself knows
 * what is cold. The store knows objects, we know items. Set once, before the first.
 */
extern size_t item_head;

static inline void *item_object(struct item *it)
{
	return (char *)it - item_head;
}

static inline struct item *item_of_object(void *object)
{
	return (struct item *)((char *)object + item_head);
}

/* With the lists only. */
static inline struct shrink_lruvec_item *item_node(struct item *it)
{
	return item_object(it);
}

/* With the ring only. */
static inline struct ring_node *item_ring(struct item *it)
{
	return item_object(it);
}

static inline size_t item_size(size_t nkey, size_t nbytes)
{
	return offsetof(struct item, data) + nkey + nbytes;
}

static inline const char *item_key(const struct item *it)
{
	return it->data;
}

static inline char *item_value(struct item *it)
{
	char *value = it->data + it->nkey;

	if (it->paged)
		memcpy(&value, it->data + it->nkey, sizeof(value));
	return value;
}

/* What is in its place. */
static inline size_t item_stored(const struct item *it)
{
	return item_size(it->nkey, it->paged ? sizeof(char *) : it->nbytes);
}

static inline uint32_t item_hash(const struct item *it)
{
	return __atomic_load_n(&it->hash, __ATOMIC_RELAXED);
}

static inline void item_set_hash(struct item *it, uint32_t hash)
{
	__atomic_store_n(&it->hash, hash, __ATOMIC_RELAXED);
}

/* The caller holds the shard lock or a reference. */
static inline void item_ref(struct item *it)
{
	__atomic_fetch_add(&it->refs, 1u, __ATOMIC_RELAXED);
}

/* Drops a reference; true if it was the last. Release and acquire: what every
 * user did to the item comes before what the last one does with its memory. */
static inline bool item_unref(struct item *it)
{
	return __atomic_sub_fetch(&it->refs, 1u, __ATOMIC_ACQ_REL) == 0;
}

/* Under the shard lock: nobody but the table uses it, and nobody can begin to. */
static inline bool item_unused(const struct item *it)
{
	return __atomic_load_n(&it->refs, __ATOMIC_ACQUIRE) == 1;
}

#endif /* KVCACHED_ITEM_H */

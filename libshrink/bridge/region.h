/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Inside a region: how memory that the kernel may take at any moment is used without
 * ever being torn.
 *
 * The kernel drops a page that was offered with MADV_FREE unless it was written since.
 * It tells nobody. So each page that is offered carries a canary in its first word,
 * whose own value is kept beside the region; and taking the page back is one
 * compare-and-swap from the canary to that value. If the page is gone, it reads as
 * zero and the exchange fails. If it is there, the exchange is a write, after which it
 * stays. There is nothing between looking and writing in which it could go.
 *
 * That holds under six conditions, and the steps below are referred to by number:
 *
 *  (1) the object's lock is taken;
 *  (2) the first word of each page is saved,
 *  (3) the canary, which is never zero, is written in its place; then
 *  (4) MADV_FREE is called, and has returned: while it is under way it cleans pages one
 *      by one, also one that was taken back and written a moment ago;
 *  (5) only then the range is published as offered, and the lock released;
 *  (6) a pin, under the same lock, begins with the exchange, on each page; the first
 *      that fails loses the range, all of which is dropped.
 *
 * And: a page belongs to one object only; no huge pages, of which the kernel may take
 * a part late or never; and pages that a forked child shares are not offered, for
 * writing the canary would copy each.
 *
 * States of a page, and what changes them:
 *
 *	pinned -- unpin --> fresh -- flush (1-5) --> offered -- the kernel --> gone
 *	fresh, offered  --- pin: KEPT (6) ---> pinned
 *	fresh, offered  --- scan ------------> purged
 *	gone, and what shares its range --- pin (6) or scan ---> purged
 *	purged          --- pin: PURGED -----> pinned, zero
 *
 * Locks, from the outermost in: flush (one batch at a time; it is the only place that
 * holds several objects' locks, and objects are in one batch only), object, then either
 * queue or lru. Whoever holds one of the last two only tries an object's.
 */
#ifndef SHRINK_BRIDGE_REGION_H
#define SHRINK_BRIDGE_REGION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <shrink/region.h>

#include <libshrink/base/list.h>
#include <libshrink/os/spin.h>

#define REGION_SIZE_MAX	     ((uint64_t)1 << 40)
#define REGION_BATCH_DEFAULT 64
#define REGION_BATCH_MAX     65536
#define REGION_PINS_MAX	     INT32_MAX

struct region_object;

/* Pages begin .. end - 1 of an object, unpinned together. Under the object's lock. */
struct region_range {
	struct shrink_list in_object; /* ascending, disjoint */
	struct shrink_list in_lru;    /* of offered ones; under lru_lock */
	struct region_object *object;
	uint32_t begin, end; /* pages of the region */
	bool purged;	     /* gone; no page of it is there */
	bool fresh;	     /* not all of it is offered yet */
	bool allocated;	     /* not the object's own */
};

enum region_place {
	REGION_NOWHERE,
	REGION_QUEUED,	 /* to be offered with others */
	REGION_DEFERRED, /* to be looked at again: a child shared it */
};

/* The head of an object, in a table by its first page: never freed, so that who holds
 * a stale pointer may look. */
struct region_object {
	struct shrink_os_spin lock;
	_Atomic uint32_t pages; /* 0: no object begins here */
	uint32_t pins;
	uint32_t forks;	     /* region's when its pages were last ours alone */
	uint32_t generation; /* region's when its state was last true */
	bool changing;	     /* ranges or pages are amid a change (fork) */
	bool filling;	     /* reconstruct runs */
	bool own_used;
	struct region_range own; /* most objects never have another */
	struct shrink_list ranges;
	struct shrink_list in_queue; /* with place, under queue_lock */
	enum region_place place;
};

struct shrink_region {
	char *data;
	size_t page; /* bytes of a page */
	uint32_t nr_pages;
	unsigned int flags;
	unsigned int batch;
	int (*reconstruct)(void *arg, void *object, size_t size);
	void *arg;
	struct shrinker *shrinker;
	char name[64];

	char *tables; /* mapped: the three below */
	size_t tables_size;
	struct region_object *objects; /* by first page */
	uint64_t *saved;	       /* step 2, by page */
	uint8_t *lazy;		       /* the page carries a canary, by page */

	pthread_mutex_t alloc_lock;
	uint64_t *used; /* bit by page; under alloc_lock */
	uint32_t next_fit;

	pthread_mutex_t flush_lock;
	SHRINK_ALIGNED struct shrink_os_spin queue_lock;
	struct shrink_list queue, deferred;
	_Atomic uint32_t queued_pages;
	SHRINK_ALIGNED struct shrink_os_spin lru_lock;
	struct shrink_list lru; /* the longest unpinned first */

	pthread_mutex_t fill_lock;
	pthread_cond_t filled;

	_Atomic uint32_t forks; /* since then pages may be shared */
	uint32_t generation;	/* fork children since; constant while threads run */
	struct shrink_list in_regions;

	_Atomic uint64_t nr_objects;
	/* pages; what is allocated is pinned, unpinned (offered or not) or lost */
	_Atomic uint64_t allocated, unpinned, offered, lost;
	_Atomic uint64_t kept, purged, cancelled, by_kernel, by_us, collateral;
	_Atomic uint64_t reconstructed, flushes, nr_deferred, trespasses;
	_Atomic int offer_error;
};

#define load_relaxed(p)	    atomic_load_explicit(p, memory_order_relaxed)
#define store_relaxed(p, v) atomic_store_explicit(p, v, memory_order_relaxed)
#define add_relaxed(p, v)   atomic_fetch_add_explicit(p, v, memory_order_relaxed)
#define sub_relaxed(p, v)   atomic_fetch_sub_explicit(p, v, memory_order_relaxed)

static inline uint32_t region_first(const struct shrink_region *r, const struct region_object *o)
{
	return (uint32_t)(o - r->objects);
}

static inline char *region_at(const struct shrink_region *r, uint32_t page)
{
	return r->data + (size_t)page * r->page;
}

/* region-pages.c: runs of free pages. The first page, or UINT32_MAX. */
uint32_t shrink_purge_pages_take(struct shrink_region *r, uint32_t nr);
void shrink_purge_pages_give(struct shrink_region *r, uint32_t first, uint32_t nr);

/* region-lazy.c: the protocol. All under the object's lock. */
/* Step 6 for pages begin .. end - 1: false if one of them was taken. */
bool shrink_purge_take_back(struct shrink_region *r, uint32_t begin, uint32_t end);
/* Gives the range's pages up: it is purged. @ret_there: how many there still were. */
void shrink_purge_drop(struct shrink_region *r, struct region_range *range, uint64_t *ret_there);
/* Pages begin .. end - 1 read as zeros from now on. */
void shrink_purge_clear(struct shrink_region *r, uint32_t begin, uint32_t end);
/* Not under it: offers what is queued. @all: what was deferred, too. */
void shrink_purge_flush(struct shrink_region *r, bool all);

/* region-range.c: the unpinned ranges of an object, under its lock. @spare: one range
 * more, allocated, or *spare = NULL where none can be needed; it is NULL if used.
 * @dead: ranges to be freed once the lock is released. */
bool shrink_purge_ranges_pin(struct shrink_region *r, struct region_object *o, uint32_t begin,
			     uint32_t end, struct region_range **spare, struct shrink_list *dead);
void shrink_purge_ranges_unpin(struct shrink_region *r, struct region_object *o, uint32_t begin,
			       uint32_t end, struct region_range **spare, struct shrink_list *dead);
bool shrink_purge_ranges_any(struct region_object *o, uint32_t begin, uint32_t end);
/* No ranges any more; pages are left alone. */
void shrink_purge_ranges_forget(struct shrink_region *r, struct region_object *o,
				struct shrink_list *dead);
/* The object ends: no ranges, no pages. */
void shrink_purge_ranges_end(struct shrink_region *r, struct region_object *o,
			     struct shrink_list *dead);
/* All of it is one range, purged, whatever it was. No list is touched but its own. */
void shrink_purge_ranges_lost(struct shrink_region *r, struct region_object *o);
struct region_range *shrink_purge_range_new(void);
void shrink_purge_ranges_free(struct shrink_list *dead);

/* region-object.c */
/* The object at that address, locked; NULL if there is none. */
struct region_object *shrink_purge_lock(struct shrink_region *r, const void *address);
bool shrink_purge_trylock(struct shrink_region *r, struct region_object *o);
/* Undoes either. */
static inline void region_unlock(struct region_object *o)
{
	shrink_os_spin_unlock(&o->lock);
}

/* region-scan.c */
unsigned long shrink_purge_count(struct shrinker *s, struct shrink_control *sc);
unsigned long shrink_purge_scan(struct shrinker *s, struct shrink_control *sc);
void shrink_purge_lru_add(struct shrink_region *r, struct region_range *range);
void shrink_purge_lru_del(struct shrink_region *r, struct region_range *range);

/* region-queue.c: what waits to be offered. */
/* Under the object's lock; true: a batch is full. */
bool shrink_purge_enqueue(struct shrink_region *r, struct region_object *o,
			  enum region_place place);
void shrink_purge_dequeue(struct shrink_region *r, struct region_object *o);
/* Up to @max of the oldest; theirs is no place any more. */
int shrink_purge_queue_take(struct shrink_region *r, struct region_object **objects, int max);
void shrink_purge_queue_requeue(struct shrink_region *r); /* what was deferred */

/* region-fork.c */
/* After a fork, in the child, an object is brought up to date when first locked. */
void shrink_purge_adopt(struct shrink_region *r, struct region_object *o);
int shrink_purge_enlist(struct shrink_region *r);
void shrink_purge_delist(struct shrink_region *r);

#endif /* SHRINK_BRIDGE_REGION_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The pool's inside: where things lie, who may touch them, in which order locks
 * are taken.
 *
 *   data   | extent 0, 4 MiB | extent 1 | ...       objects, nothing else
 *   tables | 128 KiB         | 128 KiB  | ...       one block per extent:
 *            0    slab headers, 64 bytes per 16 KiB of data
 *            16K  bitmaps of slabs with more than 64 objects, 192 bytes per 16 KiB
 *            64K  the extent's own account
 *   marks  | 64 KiB          | 64 KiB   | ...       one byte per 64 bytes of data
 *            of an object that can be moved, 128 bytes or more, the next one is its age
 *   ages   | 64 KiB          | 64 KiB   | ...       the same, of objects below 128 bytes
 *
 * All of it is one reserved range. Extents are opened in order of address; an
 * extent is cut into slabs of one stride as long as it is in use. Nothing of a
 * slab lies in its own pages, so giving it back gives back all of them; and what
 * an address belongs to is found with shifts alone.
 *
 * A slab's state, in its tag:
 *
 *   FREE ──► ACTIVE ──┬─► FREE       its last object was freed
 *                     └─► EVICTING ──┬─► FREE      all were evicted
 *                                    ├─► ACTIVE    some refused
 *                                    └─► PENDING ──► FREE   its last user let go
 *
 * While EVICTING or PENDING it is on no list: no object is born there. FREE is
 * set before its pages go, and its place in the extent is given up after, so that
 * no new owner can lose data to a late MADV_DONTNEED.
 *
 * Locks, outer first:
 *   fork.c's list lock > pool.hand_lock > class lock > pool.extent_lock
 * A class lock guards the lists and counts of its classes, and of their slabs
 * tag, bitmaps and counts. Fields marked atomic are written under it and read
 * without by the hand, which only guesses, and checks again under the lock.
 * No lock is held across a callback, a log line, or the return of pages.
 */
#ifndef SHRINK_POOL_SLAB_H
#define SHRINK_POOL_SLAB_H

#include <pthread.h>
#include <stdatomic.h>

#include <shrink/fast.h>
#include <shrink/pool.h>

#include <libshrink/base/list.h>
#include <libshrink/core/memcg.h>
#include <libshrink/pool/class.h>
#include <libshrink/pool/heat.h>

#define UNIT_SHIFT SHRINK_CLASS_STRIDE_MIN
#define EXTENT_SHIFT SHRINK_CLASS_STRIDE_MAX
#define EXTENT_SIZE ((size_t)1 << EXTENT_SHIFT)
#define EXTENT_UNITS (1u << (EXTENT_SHIFT - UNIT_SHIFT))
#define STRIDES (EXTENT_SHIFT - UNIT_SHIFT + 1)
#define TABLE_SHIFT 17
#define TABLE_SIZE ((size_t)1 << TABLE_SHIFT)
#define TABLE_BITS ((size_t)16 << 10)
#define TABLE_EXTENT ((size_t)64 << 10)
#define MARK_SHIFT SHRINK_FAST_POOL_SHIFT
#define MARKS_SIZE (EXTENT_SIZE >> MARK_SHIFT) /* of one extent */
#define BITS_WORDS (SHRINK_CLASS_OBJECTS_MAX / 64)
#define CLASS_LOCKS 16 /* few, because fork takes them all */
#define QUARTERS 4

enum pool_slab_state { SLAB_FREE, SLAB_ACTIVE, SLAB_EVICTING, SLAB_PENDING };
enum pool_slab_list { LIST_NONE = QUARTERS, LIST_EMPTY };

/* One header, at the slab's first unit. Class lock, but for cached. */
struct pool_slab {
	struct shrink_list link;
	_Atomic uint64_t alloc;   /* taken places, where there are at most 64 */
	_Atomic uint64_t pending; /* of those, unlinked but in use */
	_Atomic uint64_t cached;  /* of those, freed, in a magazine: magazine.h */
	_Atomic uint32_t tag;     /* class << 8 | state */
	_Atomic uint32_t stamp;   /* pool.clock when last chosen for allocation */
	_Atomic uint16_t live;
	_Atomic uint16_t nr_pending;
	_Atomic uint16_t pages;   /* resident when in use */
	uint8_t list;             /* quarter of fullness, or LIST_* */
	_Atomic uint8_t heat;     /* the hand's */
} SHRINK_ALIGNED;

/* More than 64 objects: all bitmaps, at the slab's first unit. */
struct pool_bits {
	_Atomic uint64_t alloc[BITS_WORDS];
	_Atomic uint64_t pending[BITS_WORDS];
	_Atomic uint64_t cached[BITS_WORDS];
};

/* 4 MiB of data. extent_lock; the atomic ones are read without. */
struct pool_extent {
	struct shrink_list link; /* with free places: of its stride; else none */
	_Atomic uint64_t used[EXTENT_UNITS / 64]; /* places taken */
	_Atomic uint32_t stride; /* log2; 0 = in no use */
	uint32_t nr_used;
	uint32_t huge;           /* its pages may be; of its index in extents_partial */
	uint32_t rare_pages;     /* of the bitmaps' 12 pages and the ages' 16 those in use */
};

struct pool_class {
	struct shrink_class_geometry geo;
	struct pool_slab *current; /* allocated from; on no list */
	struct pool_slab *shelter; /* survivors are moved there; on no list */
	struct shrink_list partial[QUARTERS];
	struct shrink_list empty;  /* mapped, without objects: the bounded cache */
	_Atomic uint32_t nr_empty;
	uint64_t taken_objects;    /* live, or in a magazine */
	uint64_t taken_bytes;
	int64_t cached;            /* in magazines, but for what threads' sets count */
	uint64_t slabs, pages;     /* in use */
	uint64_t nr_partial[QUARTERS];
} SHRINK_ALIGNED;

struct pool_lock {
	pthread_mutex_t mutex;
} SHRINK_ALIGNED;

struct shrink_pool {
	/* constant after creation */
	struct shrink_fast_pool fast; /* data and marks, for inlined marking */
	unsigned char *data;
	unsigned char *tables;
	unsigned char *marks;
	unsigned char *ages;
	unsigned char *map; /* all of it; data begins within, at a huge page */
	size_t map_size;
	size_t page;
	uint32_t max_extents;
	int nid; /* SHRINK_NUMA_NO_NODE = not bound */
	unsigned int flags;
	unsigned int watch; /* guard.h */
	struct shrink_memcg *memcg; /* referenced; NULL = the root */
	size_t object_max;
	uint64_t max_bytes;
	enum shrink_evict (*evict)(void *arg, void *object, size_t size);
	int (*move)(void *arg, void *from, void *to, size_t size);
	void *arg;
	struct shrinker *shrinker;
	char name[64];
	uint64_t serial;             /* never used again in this process */
	struct shrink_list in_pools; /* fork.c's lock, as is the next */
	struct shrink_list magazines;

	_Atomic uint32_t nr_extents; /* opened; only grows. extent_lock */
	_Atomic uint32_t clock;      /* pages chosen for allocation so far */
	struct pool_lock locks[CLASS_LOCKS];
	struct pool_class classes[SHRINK_CLASSES];

	pthread_mutex_t extent_lock SHRINK_ALIGNED;
	struct shrink_list extents_free;
	struct shrink_list extents_partial[STRIDES + 1]; /* last: of huge slabs */
	uint64_t table_bytes;
	_Atomic uint64_t nr_slabs;
	_Atomic uint64_t resident_pages; /* of slabs */
	_Atomic uint64_t regrow_bytes; /* given back for a new object, may be taken again */

	pthread_mutex_t hand_lock SHRINK_ALIGNED;
	pthread_cond_t hand_idle;
	unsigned int scans; /* running */
	int dying;
	uint32_t hand_extent, hand_place;
	struct shrink_heat_map heat_map;
	struct shrink_age_map age_map;
	_Atomic uint32_t keep_age; /* as old or younger, scaled: worth a move */
	uint64_t met_objects, met_bytes; /* fading sums, for the mean size */
	_Atomic uint64_t mean_size;

	/* accounts, added to once per slab or misuse */
	_Atomic uint64_t cached_pages SHRINK_ALIGNED; /* of slabs in the empty lists */
	_Atomic uint64_t pending_pages;               /* reported, not completed */
	_Atomic uint64_t evicted_objects, evicted_bytes, returned_bytes;
	_Atomic uint64_t busy, referenced, pending, bad_frees;
	_Atomic uint64_t moved_objects, moved_bytes, damaged;
};

#define load_relaxed(p) atomic_load_explicit(p, memory_order_relaxed)
#define store_relaxed(p, v) atomic_store_explicit(p, v, memory_order_relaxed)
#define add_relaxed(p, v) atomic_fetch_add_explicit(p, v, memory_order_relaxed)
#define sub_relaxed(p, v) atomic_fetch_sub_explicit(p, v, memory_order_relaxed)

static inline uint32_t pool_tag(unsigned int class, enum pool_slab_state state)
{
	return class << 8 | state;
}

static inline pthread_mutex_t *pool_class_lock(struct shrink_pool *pool, unsigned int class)
{
	return &pool->locks[class % CLASS_LOCKS].mutex;
}

static inline struct pool_extent *pool_extent(const struct shrink_pool *pool, uint32_t extent)
{
	return (void *)(pool->tables + ((size_t)extent << TABLE_SHIFT) + TABLE_EXTENT);
}

/* The header that covers byte @offset of the pool, if a slab begins there. */
static inline struct pool_slab *pool_slab_at(const struct shrink_pool *pool, size_t offset)
{
	size_t extent = offset >> EXTENT_SHIFT, unit = offset >> UNIT_SHIFT & (EXTENT_UNITS - 1);

	return (void *)(pool->tables + (extent << TABLE_SHIFT) + unit * sizeof(struct pool_slab));
}

/* Back from header to its offset in the pool's data. */
static inline size_t pool_slab_offset(const struct shrink_pool *pool, const struct pool_slab *slab)
{
	size_t at = (size_t)((const unsigned char *)slab - pool->tables);

	return (at >> TABLE_SHIFT << EXTENT_SHIFT) +
	       (at & (TABLE_SIZE - 1)) / sizeof(*slab) * ((size_t)1 << UNIT_SHIFT);
}

static inline struct pool_bits *pool_slab_bits(const struct shrink_pool *pool,
					       const struct pool_slab *slab)
{
	size_t at = (size_t)((const unsigned char *)slab - pool->tables);

	return (void *)(pool->tables + (at & ~(TABLE_SIZE - 1)) + TABLE_BITS +
			(at & (TABLE_SIZE - 1)) / sizeof(*slab) * sizeof(struct pool_bits));
}

static inline unsigned char *pool_mark_at(const struct shrink_pool *pool, size_t offset)
{
	return pool->marks + (offset >> MARK_SHIFT);
}

/* From 128 bytes on beside the mark: the next byte's 64 bytes of data are the object's
 * too, all of them, so no other object's mark or age is there. */
static inline _Atomic unsigned char *pool_age_at(const struct shrink_pool *pool,
						 const struct shrink_class_geometry *g,
						 size_t offset)
{
	if (g->size >= 2u << MARK_SHIFT)
		return (void *)(pool_mark_at(pool, offset) + 1);
	return (void *)(pool->ages + (offset >> MARK_SHIFT));
}

/* Are objects of the class told apart by age, and moved? */
static inline int pool_class_moves(const struct shrink_pool *pool,
				   const struct shrink_class_geometry *g)
{
	return pool->move && g->size >= 1u << MARK_SHIFT;
}

/* What objects of the class are worth by their size: heat.h. */
static inline unsigned int pool_class_scale(const struct shrink_pool *pool,
					    const struct shrink_class_geometry *g)
{
	return shrink_heat_scale(load_relaxed(&pool->mean_size),
				 g->size ? g->size : (uint64_t)1 << g->stride);
}

/* A slab's taken and pending places, wherever they are kept; 64 per word. */
struct pool_places {
	_Atomic uint64_t *alloc, *pending, *cached;
	unsigned int words;
};

static inline struct pool_places pool_places(const struct shrink_pool *pool,
					     struct pool_slab *slab, unsigned int nr)
{
	struct pool_bits *bits;

	if (nr <= 64)
		return (struct pool_places){&slab->alloc, &slab->pending, &slab->cached, 1};
	bits = pool_slab_bits(pool, slab);
	return (struct pool_places){bits->alloc, bits->pending, bits->cached, (nr + 63) / 64};
}

static inline uint64_t pool_slab_bytes(const struct shrink_pool *pool, struct pool_slab *slab)
{
	return (uint64_t)load_relaxed(&slab->pages) * pool->page;
}

/* What the evict callback may find in a free place: nothing that says "linked". Stored
 * when an object ends, so that it is so already when the next one is born. */
static inline void pool_zero_head(unsigned char *object)
{
	_Atomic uint64_t *head = (void *)object;

	store_relaxed(&head[0], 0);
	store_relaxed(&head[1], 0);
}

/* Bytes of an object of the slab. */
static inline size_t pool_object_size(const struct shrink_pool *pool,
				      const struct pool_class *class, struct pool_slab *slab)
{
	return class->geo.size ? class->geo.size : pool_slab_bytes(pool, slab);
}

/* extent.c: places for slabs. */

/* A free place for a slab of @pages of this class; NULL: no addresses left, over
 * max_bytes, or the system refuses. Any class lock may be held. */
struct pool_slab *shrink_pool_place_take(struct shrink_pool *pool,
					 const struct shrink_class_geometry *g,
					 unsigned int pages);
/* Would one be found within max_bytes, as far as one can tell beforehand? */
int shrink_pool_place_fits(struct shrink_pool *pool, const struct shrink_class_geometry *g,
			   unsigned int pages);
/* charge.c: may the pool grow so much, as far as room and its group are concerned? 0, and
 * it is charged; or -EAGAIN, -ENOMEM, -ESTALE. No lock held: charging may reclaim. */
int shrink_pool_charge(struct shrink_pool *pool, uint64_t bytes);
/* Does it look so, without doing it? */
int shrink_pool_has_room(struct shrink_pool *pool, uint64_t bytes);
void shrink_pool_uncharge(struct shrink_pool *pool, uint64_t bytes);

/* Gives up @nr places of one extent from @first on, together @pages, whose pages
 * have gone. */
void shrink_pool_place_give(struct shrink_pool *pool, struct pool_slab *first, unsigned int nr,
			    uint64_t pages);
/* The slab that @object lies in, and how far from its start; NULL: none. */
struct pool_slab *shrink_pool_find(const struct shrink_pool *pool, const void *object,
				   size_t *ret_offset);

/* lists.c: a class's slabs, sorted by fullness. Class lock held. */

void shrink_pool_class_init(struct shrink_pool *pool, unsigned int index);
/* Puts an ACTIVE slab where it belongs by its fullness. */
void shrink_pool_list_put(struct shrink_pool *pool, struct pool_class *class,
			  struct pool_slab *slab);
/* Takes it off its list, or from being the current one. */
void shrink_pool_list_drop(struct shrink_pool *pool, struct pool_class *class,
			   struct pool_slab *slab);
/* The slab to allocate from next, the densest first; NULL: none is at hand. */
struct pool_slab *shrink_pool_list_densest(struct shrink_pool *pool, struct pool_class *class);
/* May an empty slab of so many pages stay mapped? */
int shrink_pool_cache_has_room(struct shrink_pool *pool, unsigned int pages);

/* places.c: places in slabs. Class lock held, but where said. */

/* Puts a place just taken from extent.c to use, as the class's current slab. */
void shrink_pool_slab_begin(struct shrink_pool *pool, unsigned int index, struct pool_slab *slab,
			    unsigned int pages);
/* Up to @nr places for survivors, in the class's shelter; their offsets in @ret. */
unsigned int shrink_pool_take_shelter(struct shrink_pool *pool, struct pool_class *class,
				      unsigned int nr, size_t *ret);
/* Gives the class another current slab, the densest at hand; for large objects an
 * empty one of about @pages. NULL: there is none. */
struct pool_slab *shrink_pool_slab_choose(struct shrink_pool *pool, unsigned int index,
					  unsigned int pages);
/* Would an object find a place in the slabs that the class has? @pages: as above. */
int shrink_pool_has_place(const struct pool_class *class, unsigned int pages);
/* A place of the current slab: its offset in the pool; SIZE_MAX: it has none. */
size_t shrink_pool_take_place(struct shrink_pool *pool, struct pool_class *class);
/* The same for the one object of a slab of its own. */
size_t shrink_pool_take_large(struct shrink_pool *pool, struct pool_class *class,
			      struct pool_slab *slab);

/* The slab's tag becomes FREE: nothing of it is anybody's, its pages may go. */
void shrink_pool_slab_end(struct pool_class *class, struct pool_slab *slab, unsigned int index);

/* What is left to do for a freed object once the class lock is dropped. */
enum pool_aftermath { AFTER_NOTHING, AFTER_MISUSE, AFTER_GIVE, AFTER_GIVE_PENDING };

/* Frees the object @offset bytes into the slab, whose class is that of @tag. */
enum pool_aftermath shrink_pool_free_locked(struct shrink_pool *pool, struct pool_slab *slab,
					    uint32_t tag, size_t offset);
/* The slab became FREE so. No lock held. */
void shrink_pool_give_slab(struct shrink_pool *pool, struct pool_slab *slab, int was_pending);

/* object.c */

/* Pages of a slab for an object of @size, of class @index. */
unsigned int shrink_pool_pages_for(const struct shrink_pool *pool, unsigned int index, size_t size);

/* give.c: pages back to the system. */

#define POOL_RANGES 32

/* Slabs side by side, a stride apart, all of one extent. */
struct pool_range {
	struct pool_slab *first;
	size_t start;       /* its offset */
	uint32_t nr, pages; /* resident */
};

/* Slabs that go back with one call. Set nr, pages and returned to 0 to begin. */
struct pool_run {
	unsigned int nr;
	uint64_t pages;    /* of all ranges */
	uint64_t returned; /* bytes given back by all flushes so far */
	struct pool_range ranges[POOL_RANGES];
};

/* Adds a slab whose tag has just become FREE; gives back what is there where that is
 * enough for one call. No lock held. */
void shrink_pool_run_add(struct shrink_pool *pool, struct pool_run *run, struct pool_slab *slab);
void shrink_pool_run_flush(struct shrink_pool *pool, struct pool_run *run);
/* Pages that a scan reported as pending have gone. */
void shrink_pool_complete(struct shrink_pool *pool, uint64_t pages);

/* scan.c: the shrinker's two callbacks. */
unsigned long shrink_pool_count(struct shrinker *s, struct shrink_control *sc);
unsigned long shrink_pool_scan(struct shrinker *s, struct shrink_control *sc);

/* hand.c: the clock hand. */

#define POOL_VICTIMS 32

/* What one scan call has done so far. */
struct pool_tour {
	uint64_t walk_max;  /* pages to meet at most */
	uint64_t walked;    /* pages met */
	uint64_t spared;    /* of those, passed over as hot */
	uint64_t slabs_left; /* until the lap ends */
	int second_lap;
	int unpaid;          /* what is spared is not charged to what is asked for */
	unsigned int nr;
	struct pool_slab *victims[POOL_VICTIMS];
};

/* Walks on and fills tour->victims with cold slabs of about @pages. */
void shrink_pool_gather(struct shrink_pool *pool, struct pool_tour *tour, uint64_t pages);

/* evict.c: one slab. */

struct pool_verdict {
	unsigned int asked, evicted, pended, busy, referenced, moved;
	uint64_t pages;  /* of the slab looked at; 0 = it was gone */
	int empty;       /* its tag is FREE: pages may go */
	int pending;     /* waits for users of its last objects */
};

/* @keep: class that wants a slab: one of it that was emptied stays, for new objects;
 * SHRINK_CLASSES: none does. */
void shrink_pool_evict_slab(struct shrink_pool *pool, struct pool_slab *slab, unsigned int keep,
			    struct pool_verdict *ret_verdict);

#endif /* SHRINK_POOL_SLAB_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's parts, from the inside out:
 *
 *	slot.c    one node of one cache: what is wanted of it, what it has given
 *	cache.c   a cache: the kernel's shrinker, the page it is counted from
 *	user.c    how many caches a user may have
 *	device.c  /dev/shrink
 *
 * Locks, outermost first: a session's admin mutex, under which shrinkers come and go, which
 * may wait for reclaim; its mutex, for requests and results, which do not; its table lock; a
 * cache's lock. Shrinker callbacks take none, but that of a cache when they are the first
 * to want something of it since a request was taken; it is held for a few instructions
 * and never across anything that sleeps: reclaim waits for nobody in user space, nor for
 * somebody who registers. Nothing is copied from or to user space under
 * any of them, since mmap() comes with the address space locked and takes the table lock.
 */
#ifndef SHRINK_BRIDGE_H
#define SHRINK_BRIDGE_H

#include <linux/list_lru.h>
#include <linux/mm.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>

#include <shrink/bridge-abi.h>

/* One node of a cache; slot.c has the drawing. The lock is the cache's. */
struct bridge_slot {
	atomic64_t asked;   /* objects wanted, ever; any number of scans at once */
	atomic64_t seen;    /* of these, made requests of; lock */
	atomic64_t done;    /* of these, ended; lock */
	atomic64_t freed;   /* told by results, the kernel has not heard of it */
	const u64 *claim;   /* in the shared page */
	u64 taken;	    /* in the request that is out; 0 = none is; lock */
	u64 seq;	    /* of that request; lock */
	bool readable;	    /* counted in the session's; lock */
};

struct bridge_token {
	struct list_head link; /* on the cache's list_lru */
};

struct bridge_session;

struct bridge_calls { /* of the kernel's; each processor has its own */
	u64 counts;
	u64 scans;
};

struct bridge_cache {
	struct bridge_session *session;
	u32 index;
	u32 flags;
	struct page *page; /* shared with the process: anything may be in it at any time */
	const struct shrink_bridge_page *shared;
	spinlock_t lock;
	struct bridge_slot slot[SHRINK_BRIDGE_NODES];
	u64 posted; /* objects in requests, ever; lock */
	u64 told;   /* objects in results, ever; lock */
	struct bridge_calls __percpu *calls;
	/* SHRINK_BRIDGE_GROUP: what makes the kernel ask this shrinker for a group is an
	 * object on a list_lru that is charged to it; one a node */
	struct list_lru lru;
	struct bridge_token *token[SHRINK_BRIDGE_NODES];
#ifdef SHRINKER_ALLOCATED
	struct shrinker *shrinker;
#else
	struct shrinker shrinker;
#endif
	/* Which slot a pass over the kernel's node asks. NULL, for all of them, until all of
	 * this may be looked at, and when the owner has gone: nobody is asked. */
	struct bridge_slot *by_node[];
};

struct bridge_user {
	struct list_head link;
	kuid_t uid;
	unsigned int sessions;
	unsigned int caches;
};

struct bridge_session {
	struct pid *owner;
	struct bridge_user *user;
	struct mutex admin;    /* register, unregister, bind: one caller at a time */
	struct mutex mutex;    /* read, write */
	spinlock_t table_lock; /* cache[] against mmap */
	struct bridge_cache *cache[SHRINK_BRIDGE_CACHES];
	wait_queue_head_t wait;
	atomic_t ready; /* slots with something to read */
	u64 seq;	/* of the last request; mutex */
	bool dead;	/* the owner has exited; table_lock */
};

/* slot.c; the cache's lock is held, but for what is inline and first(). */
bool bridge_slot_take(struct bridge_cache *c, struct bridge_slot *slot, u64 seq, u64 *ret);
void bridge_slot_untake(struct bridge_cache *c, struct bridge_slot *slot, u64 seq);
int bridge_slot_answer(struct bridge_cache *c, struct bridge_slot *slot, u64 seq, u64 freed);
void bridge_slot_stats(const struct bridge_cache *c, struct shrink_bridge_cache_stats *stats);
void bridge_slot_first(struct bridge_cache *c, struct bridge_slot *slot);

/* One load: the value may be another at the next. */
static inline u64 bridge_slot_claimed(const struct bridge_slot *slot)
{
	return min(READ_ONCE(*slot->claim), SHRINK_BRIDGE_COUNT_MAX);
}

/* Wanted and not done; done is read first, since it never overtakes. */
static inline u64 bridge_slot_outstanding(const struct bridge_slot *slot)
{
	u64 done = atomic64_read_acquire(&slot->done);

	return atomic64_read(&slot->asked) - done;
}

/* What the kernel is told: the freed that it has not heard of. */
static inline u64 bridge_slot_post(struct bridge_cache *c, struct bridge_slot *slot, u64 wanted)
{
	u64 before = atomic64_fetch_add(wanted, &slot->asked);

	if (before == atomic64_read(&slot->seen))
		bridge_slot_first(c, slot);
	return atomic64_read(&slot->freed) ? atomic64_xchg(&slot->freed, 0) : 0;
}

/* cache.c */
int bridge_cache_init(void);
void bridge_cache_exit(void);
struct bridge_cache *bridge_cache_create(struct bridge_session *s,
					 const struct shrink_bridge_register *reg, u32 index);
void bridge_cache_destroy(struct bridge_cache *c);
int bridge_cache_bind(struct bridge_cache *c, u32 *ret_nid);
void bridge_cache_silence(struct bridge_cache *c); /* it is asked nothing any more */
void bridge_cache_stats(struct bridge_cache *c, struct shrink_bridge_cache_stats *ret);

/* user.c */
struct bridge_user *bridge_user_get(kuid_t uid);
void bridge_user_put(struct bridge_user *user);
int bridge_user_charge(struct bridge_user *user);
void bridge_user_uncharge(struct bridge_user *user);

#endif /* SHRINK_BRIDGE_H */

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
 * cache's lock. Shrinker callbacks take the cache's lock only, which is held for a few
 * instructions and never across anything that sleeps: reclaim waits for nobody in user
 * space, nor for somebody who registers. Nothing is copied from or to user space under
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

/* One node of a cache. Under the cache's lock. */
struct bridge_slot {
	u64 posted; /* wanted, in no request yet */
	u64 taken;  /* in the request that is out; 0 = none is */
	u64 seq;    /* of that request */
	u64 freed;  /* told by results, the kernel has not heard of it */
};

struct bridge_token {
	struct list_head link; /* on the cache's list_lru */
};

struct bridge_session;

struct bridge_cache {
	struct bridge_session *session;
	u32 index;
	u32 flags;
	struct page *page; /* shared with the process: anything may be in it at any time */
	const struct shrink_bridge_page *shared;
	bool ready; /* release/acquire: callbacks may look at all of this */
	spinlock_t lock;
	struct bridge_slot slot[SHRINK_BRIDGE_NODES];
	struct shrink_bridge_cache_stats stats;
	/* SHRINK_BRIDGE_GROUP: what makes the kernel ask this shrinker for a group is an
	 * object on a list_lru that is charged to it; one a node */
	struct list_lru lru;
	struct bridge_token *token[SHRINK_BRIDGE_NODES];
#ifdef SHRINKER_ALLOCATED
	struct shrinker *shrinker;
#else
	struct shrinker shrinker;
#endif
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
	bool dead;	/* the owner has exited */
};

/* slot.c; the cache's lock is held. post() returns what the kernel is told. */
u64 bridge_slot_outstanding(const struct bridge_slot *slot);
u64 bridge_slot_post(struct bridge_cache *c, struct bridge_slot *slot, u64 count, u64 wanted);
bool bridge_slot_take(struct bridge_cache *c, struct bridge_slot *slot, u64 seq, u64 *ret);
void bridge_slot_untake(struct bridge_cache *c, struct bridge_slot *slot, u64 seq);
int bridge_slot_answer(struct bridge_cache *c, struct bridge_slot *slot, u64 seq, u64 freed);

/* cache.c */
int bridge_cache_init(void);
void bridge_cache_exit(void);
struct bridge_cache *bridge_cache_create(struct bridge_session *s,
					 const struct shrink_bridge_register *reg, u32 index);
void bridge_cache_destroy(struct bridge_cache *c);
int bridge_cache_bind(struct bridge_cache *c, u32 *ret_nid);

/* user.c */
struct bridge_user *bridge_user_get(kuid_t uid);
void bridge_user_put(struct bridge_user *user);
int bridge_user_charge(struct bridge_user *user);
void bridge_user_uncharge(struct bridge_user *user);

#endif /* SHRINK_BRIDGE_H */

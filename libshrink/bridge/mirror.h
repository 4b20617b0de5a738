/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Our caches as shrinkers of the kernel, by way of /dev/shrink (<shrink/bridge-abi.h>).
 *
 *	kernel                              libshrink
 *	count  ◄── page ◄───────────────┐
 *	scan ──► request ──► take()     │   monitor: keeps it with its cache and node
 *	                        └──► serve()  worker: scans, counts again, answers
 *	scan ◄── result ◄───────────────┘
 *	                         sync()     standby: caches that have come, gone or changed
 *
 * Counts. The kernel looks at the page whenever it counts, and nobody is told. What it
 * finds was counted by serve(): a cache's node after each request for it, all caches
 * whenever requests were served, and each bridge_count at the latest. Staleness costs
 * this: too large a count, and the kernel asks for more than there is, and the answer says
 * so; too small a one, and for so long we are asked for less than our share. After a
 * request the page is written before the answer is, since the kernel takes what is asked
 * for off what it counts: otherwise what has just gone would be asked for again.
 *
 * Requests. The kernel has at most one out for a node of a cache, so each has its place
 * here, and nothing is queued or allocated. It is answered once, with its number, however
 * it ends: the shrinker has gone (0), it says SHRINK_STOP (what was freed until then), its
 * owner has done it or let it expire. One that came for an index which meanwhile belongs
 * to another cache is answered 0.
 *
 *	NONE --take--> ASKED --serve--> SERVING ------------> NONE
 *	                 ^                | an owner's cache    ^
 *	                 +-- he is busy --+--> POSTED ----------+
 *
 * A session is the process's that opened it. A forked child has neither descriptor nor
 * pages, and forgets them without a touch; its own shrink_start() opens another one.
 *
 * The lock is innermost, held for copies, the write of an answer and that of an eventfd,
 * never during a callback or a call that may wait. Whether what a thread comes back to is
 * still what it left, it sees by `epoch` (the session) and `since` (the cache).
 */
#ifndef SHRINK_BRIDGE_MIRROR_H
#define SHRINK_BRIDGE_MIRROR_H

#include <pthread.h>

#include <shrink/bridge-abi.h>
#include <libshrink/core/core.h>

enum mirror_state { MIRROR_NONE, MIRROR_ASKED, MIRROR_SERVING, MIRROR_POSTED };

struct mirror_place { /* one node of one cache */
	uint64_t seq;
	uint64_t objects;
	uint64_t before; /* POSTED: what the owner had freed by then */
	enum mirror_state state;
};

struct mirror_cache {
	struct shrinker_impl *s; /* may be held while it stands here; NULL: has gone */
	uint64_t since;          /* which registration; 0 = the kernel has none */
	struct shrink_bridge_page *page;
	struct shrink_bridge_register reg; /* as the kernel has it */
	uint64_t moves;          /* bound to the group that we were in then */
	struct mirror_place *place;        /* nr_nodes of them */
};

struct shrink_mirror {
	pthread_mutex_t lock;
	uint64_t epoch;        /* counts sessions and forks */
	uint64_t registered;   /* counts registrations; the last one's `since` */
	uint64_t moves;        /* counts the times that we came into another group */
	int fd, changed_fd;    /* -1: none */
	int nr_nodes;
	_Atomic uint64_t counted_nsec; /* when all were counted last; 0: they are to be */
	struct mirror_place *places;
	struct mirror_cache cache[SHRINK_BRIDGE_CACHES];
};
extern struct shrink_mirror shrink_mirror;

/* ---- mirror.c: the session, and what comes from the kernel */
/* 0, or a negative errno with the reason; then there is nothing to close. */
int shrink_mirror_open(char *reason, size_t size);
void shrink_mirror_close(void);
/* Takes what requests there are. How many, or a negative errno. Monitor. */
int shrink_mirror_take(void);
/* Lock held: the kernel finds so many from now on. */
void shrink_mirror_publish(struct mirror_cache *c, int nid, unsigned long objects);
/* No lock held. */
void shrink_mirror_answer(unsigned int index, int nid, uint64_t seq, uint64_t freed);

/* ---- mirror-sync.c: the caches. Any thread that may wait. 0, or a negative errno: not
 * all could be mirrored, @reason says which and why. */
int shrink_mirror_sync(char *reason, size_t size);
/* Wakes whoever is to call it. */
void shrink_mirror_changed(void);
/* The process is in another group: all are registered anew by the next sync, since the
 * kernel's are bound to the old one. */
void shrink_mirror_moved(void);
/* The kernel has it no more; nobody else syncs. */
void shrink_mirror_drop(struct mirror_cache *c);
void shrink_mirror_sync_fork_child(void);

/* ---- mirror-serve.c: on the worker, inside the gate */
void shrink_mirror_serve(struct shrink_pass *pass);

#endif /* SHRINK_BRIDGE_MIRROR_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The core's own view of a shrinker.
 *
 * Life (contract section 1.4). The numbers are referred to in registry.c:
 *
 *	A  allocated	refs 0, not on the list
 *	R  registering	on the list, refs 0: walks pass it by
 *	L  live		refs >= 1: walks may call it
 *	D  draining	the first reference is dropped; callbacks inside finish
 *	X  dead		refs 0 again, off the list; memory waits for readers
 *
 * One reference is the registration's, one each walk's that is inside it. Whoever
 * drops the last one takes it off the list (D -> X). A shrinker that a walk holds
 * is on the list, so the walk can go on from it.
 *
 * Lock order: registry lock > owner lock. Neither is held while a callback, the
 * application's log or done function runs, nor while waiting for anything but the
 * registry's condition.
 */
#ifndef SHRINK_CORE_CORE_H
#define SHRINK_CORE_CORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <shrink/owner.h>
#include <shrink/reclaim.h>
#include <shrink/stats.h>
#include <libshrink/base/bits.h>
#include <libshrink/base/list.h>
#include <libshrink/core/arith.h>

#define SHRINK_NAME_MAX 128

enum shrinker_state { SHRINKER_A, SHRINKER_R, SHRINKER_L, SHRINKER_D, SHRINKER_X };

/* One shrinker at one node: deferred work and what it has done. Written by every
 * thread that reclaims there, so each has lines of its own. */
struct shrinker_node {
	_Atomic long nr_deferred;        /* exchanged and added to, never stored */
	_Atomic uint64_t stop_event;     /* last event answered SHRINK_STOP */
	_Atomic uint64_t last_count;
	_Atomic uint64_t counts;         /* may lose a tick under concurrency */
	/* the owner's side: published count, and what is asked and unanswered */
	_Atomic unsigned long pub_objects;
	_Atomic uint64_t pub_bytes;
	_Atomic long posted;
	/* unlinked, not free yet; signed, since completion may overtake report */
	_Atomic int64_t pending_objects;
	_Atomic int64_t pending_bytes;
	_Atomic uint64_t scans, scanned, freed, freed_bytes, stops, misuses;
	_Atomic uint64_t scan_nsec, scan_nsec_max;
} SHRINK_ALIGNED;

struct shrinker_impl {
	struct shrinker pub;             /* first: the application's pointer */

	/* What walks read, copied from pub at registration, changed by setters. */
	_Atomic(struct shrinker_impl *) next;
	_Atomic long refs;
	_Atomic int enabled;
	_Atomic int seeks;
	_Atomic long batch;
	_Atomic unsigned long keep;
	_Atomic unsigned long weight;    /* percent */
	_Atomic int stuck;               /* a callback overran its worker (G4) */
	_Atomic int dying;               /* freed: no further callback of a visit (G1) */
	_Atomic uint64_t object_learned; /* bytes, from reports; 0 = nothing yet */
	_Atomic unsigned int reported;   /* misuses said already, SHRINK_MISUSE_* */
	_Atomic uint64_t asked_room;     /* epoch in which it last asked (reclaim/room.c) */
	/* rounds that got nothing of it: asked less often (core/idle.c) */
	_Atomic unsigned int idle, skip;
	_Atomic uint64_t idle_event, skip_event;
	/* how long scans took, by powers of ten, and how many were too long */
	_Atomic uint64_t scan_hist[SHRINK_SCAN_HIST];
	_Atomic uint64_t slow;

	/* Under the registry lock. */
	struct shrinker_impl *prev;
	enum shrinker_state state;
	int id;
	char name[SHRINK_NAME_MAX];
	unsigned int env;                /* SHRINK_RULE_* that setters cannot change */
	int base_seeks;                  /* as the application wants them, */
	unsigned long base_keep;	 /*	under whatever rules say */
	int base_enabled;
	bool async;                      /* D: nobody waits; finish on last put */
	bool waited;                     /* D: somebody waits in shrinker_free() */
	void (*done)(void *private_data);
	struct shrinker_impl *limbo;     /* next in limbo */
	struct shrink_list owner_link;   /* on the owner's list */

	int nr_nodes;                    /* 1 unless NUMA-aware */
	struct shrinker_node node[];
};

static inline struct shrinker_impl *shrinker_impl(const struct shrinker *s)
{
	return (struct shrinker_impl *)(uintptr_t)s;
}

static inline bool shrinker_dying(struct shrinker_impl *s)
{
	return atomic_load_explicit(&s->dying, memory_order_relaxed);
}

/* The slot of a node: unaware shrinkers have one. */
static inline struct shrinker_node *shrinker_slot(struct shrinker_impl *s, int nid)
{
	return &s->node[s->nr_nodes > 1 && nid < s->nr_nodes ? nid : 0];
}

/* The node where an unaware shrinker has its bit and its work: its only one. */
static inline int shrinker_nid(const struct shrinker_impl *s, int nid)
{
	return s->pub.flags & SHRINKER_NUMA_AWARE ? nid : 0;
}

/* Bytes of one object, given or learned or guessed; never 0. */
uint64_t shrinker_object_bytes(struct shrinker_impl *s);

/* ---- registry.c: the list */
struct shrinker_impl *shrink_registry_first(void);
/* Steps from @s, which the caller holds, to the next it can hold; puts @s. */
struct shrinker_impl *shrink_registry_next(struct shrinker_impl *s);
void shrinker_put(struct shrinker_impl *s);
bool shrinker_try_get(struct shrinker_impl *s);
unsigned long shrink_registry_count(void);
unsigned long shrink_registry_limbo(void);
/* Frees what no walk can see any more; @wait: after a grace period, else only
 * where no walk runs. Not from callbacks. */
void shrink_registry_drain(bool wait);
/* Called with no lock held, on the thread that frees, when limbo is filling. */
void shrink_registry_on_limbo(void (*crowded)(void));
/* Whoever mirrors shrinkers elsewhere is told, with none of the core's locks held:
 * changed(NULL): one was registered, or set otherwise; changed(s): its last callback has
 * returned, and its memory will go. It may wait for nothing but a lock of its own. NULL:
 * nobody is told; a call may be under way still. */
void shrink_registry_on_change(void (*changed)(struct shrinker_impl *gone));
void shrink_registry_changed(struct shrinker_impl *gone);
/* Applies the configuration's per-cache rules to every shrinker. */
void shrink_registry_apply_rules(void);
void shrink_registry_fork_prepare(void);
void shrink_registry_fork_parent(void);
void shrink_registry_fork_child(void);
void shrink_registry_lock(void);
void shrink_registry_unlock(void);

void shrink_life_fork_prepare(void);
void shrink_life_fork_parent(void);
void shrink_life_fork_child(void);

/* The shrinker of an id, wherever it is in its life: referenced, or NULL with
 * *@ret_absent saying whether there is none at all (true) or it just cannot be
 * held (false). */
struct shrinker_impl *shrinker_get_by_id(int id, bool *ret_absent);
struct shrinker_impl *shrinker_by_id_locked(int id); /* registry lock held */

/* ---- context.c: what this thread is in */
struct shrink_context {
	struct shrinker_impl *current;   /* callback running on this thread */
	unsigned int depth;              /* inside reclaim: nested is a no-op */
	unsigned int under_list;         /* in a callback that holds an LRU list's lock */
	shrink_gfp_t deny;               /* scopes */
};
extern __thread struct shrink_context shrink_context
	__attribute__((tls_model("initial-exec")));

/* ---- gate.c: walks, start and stop, fork */
/* Begins a walk: false while shrinkers are passive or inside a callback. */
bool shrink_gate_enter(void);
/* The same for an owner's run and others that must also work in between. */
void shrink_gate_exit(void);
/* A look at the list that calls nobody back, also while the gate is shut. False: amid a
 * fork, try later; waiting is not for those who hold what fork's handlers take. */
bool shrink_gate_count_in(void);
void shrink_gate_count_out(void);
/* Between two shrinkers: waits while a fork is under way; false = the process
 * has become another, or passive: end the walk. @generation from enter. */
bool shrink_gate_pass(unsigned int generation);
/* Between two batches: false = stopped meanwhile, or the child of a fork made
 * inside the callback. Does not wait. */
bool shrink_gate_goes_on(unsigned int generation);
unsigned int shrink_gate_generation(void);
void shrink_gate_open(void);            /* shrinkers become active */
/* Passive from now on; waits up to @usec for walks to end; false = some go on. */
bool shrink_gate_close(uint64_t usec);
bool shrink_gate_is_open(void);
bool shrink_gate_quiet(void);           /* no walk is running */
void shrink_gate_fork_prepare(void);
void shrink_gate_fork_parent(void);
void shrink_gate_fork_child(void);

/* ---- fork.c: the core's part of fork(), armed with the first shrinker */
int shrink_core_fork_arm(void);

/* ---- nodes.c */
int shrink_core_nr_nodes(void);
void shrink_core_nodes_reset(void);     /* tests: ask the tunable again */

/* ---- slice.c, callback.c: one visit, and the calls it makes */
/* Says on which callback a worker is, for whoever looks whether it is stuck. */
struct shrink_ticker {
	_Atomic uint64_t ticks;                   /* callbacks begun and ended */
	_Atomic(struct shrinker_impl *) current;  /* NULL between callbacks */
	_Atomic int lost;                         /* another goes on: give up the pass */
	_Atomic uint64_t claimed;                 /* bytes the round has taken on */
};

/* Gives the worker up that is in a callback of @s: its pass ends when that
 * returns, and @s is left out until then. Inside the gate, so that @s stays.
 * False: the callback has just ended, nothing is changed. */
bool shrink_ticker_lose(struct shrink_ticker *t, struct shrinker_impl *s);

/* One pass, or a descent of them: how hard, for how much, and what came of it. */
struct shrink_pass {
	shrink_gfp_t gfp_mask;
	struct shrink_memcg *memcg;      /* asked now */
	struct shrink_memcg *top;        /* shrink_walk_tree(): it and all below it */
	/* a group under protection: left out of this pass */
	bool (*spare)(struct shrink_pass *pass, struct shrink_memcg *memcg);
	int nid;
	struct shrink_arith_how how;     /* seeks and batch filled in per shrinker */
	bool direct_only;                /* scan only SHRINKER_DIRECT; others STOP */
	uint64_t event;                  /* one notice; 0 = raw pass: pure arithmetic */
	uint64_t id;                     /* this pass; owners take one each */
	bool planning;                   /* counts only, to see what it would yield */
	bool raw;                        /* shrink_slab() itself: scans are not timed */
	bool aware_only;                 /* for one node: shrinkers that know nodes */
	bool ask_all;                    /* also those that gave nothing lately */
	bool left_out;                   /* some of these were not asked */
	/* byte goal: 0 = none, arithmetic untouched */
	uint64_t goal;                   /* bytes wanted of this pass */
	uint64_t yield;                  /* bytes the plan predicts at this priority */
	uint64_t deadline;               /* clock, 0 = none */
	/* asked after every batch; true ends the pass */
	bool (*enough)(struct shrink_pass *pass);
	void *arg;
	struct shrink_ticker *ticker;
	unsigned int generation;
	/* out, added up over passes */
	bool stopped;                    /* by enough(), deadline or loss of the ticker */
	bool met;                        /* because it was enough: drop what is unscanned */
	uint64_t asked_bytes;            /* offered to scans, this pass */
	uint64_t first_scan;             /* clock; 0 = none yet */
	uint64_t scanned, freed, freed_bytes, self_bytes;
	uint64_t pending_bytes, posted_bytes;
	uint64_t refused_bytes;          /* left out for want of SHRINK_GFP_LOCK */
	struct {                         /* of these, in the totals already */
		uint64_t scanned, freed, freed_bytes;
	} told;
};

#define SHRINK_MISUSE_COUNT 1u    /* count over LONG_MAX */
#define SHRINK_MISUSE_FREED 2u    /* freed over LONG_MAX */
#define SHRINK_MISUSE_STILL 4u    /* nothing freed, nothing looked at */
#define SHRINK_MISUSE_ENDLESS 8u  /* nr_scanned 0 for ever */
#define SHRINK_MISUSE_MORE 16u    /* freed more than it counted */
#define SHRINK_MISUSE_SCANNED 32u /* nr_scanned over LONG_MAX */
#define SHRINK_REPORTED_SLOW 64u  /* no misuse, but said once as well */

/* Counts it, and reports it the first time. */
void shrink_misuse(struct shrinker_impl *s, struct shrinker_node *slot, unsigned int kind);

/* One visit: count, scan in batches, defer. Objects freed, or SHRINK_EMPTY. The
 * caller holds a reference and is inside the gate. */
unsigned long shrink_do_slice(struct shrink_pass *pass, struct shrinker_impl *s, int nid);
/* What count says less keep, weighted and bounded: 0, SHRINK_EMPTY or objects. */
unsigned long shrink_slice_count(struct shrink_pass *pass, struct shrinker_impl *s, int nid);
/* Adds what the pass has done since last time to the totals: once per pass, since
 * every locked access is a good part of what a visit costs. */
void shrink_pass_tell(struct shrink_pass *pass);
/* One scan call with its bounds, times and counters; used by owners too. Returns
 * objects freed or SHRINK_STOP. */
unsigned long shrink_slice_scan(struct shrink_pass *pass, struct shrinker_impl *s,
				struct shrink_control *sc);

/* ---- walk.c */
/* One group, pass->memcg, at pass->nid (or all nodes): all shrinkers for the root,
 * those with a bit set for another. Inside the gate. Objects freed. */
unsigned long shrink_walk(struct shrink_pass *pass);
/* The same for pass->top and every group below it. */
unsigned long shrink_walk_tree(struct shrink_pass *pass);
/* Bytes that a pass over the tree would get at each priority 0..12, by counting
 * once. */
void shrink_walk_plan(struct shrink_pass *pass, uint64_t yields[SHRINK_DEF_PRIORITY + 1]);
uint64_t shrink_pass_new_id(void);

/* ---- idle.c: caches that give nothing are asked less often */
/* Not in this round. */
bool shrink_idle_skips(struct shrink_pass *pass, struct shrinker_impl *s);
/* A visit with a byte goal has scanned, and so many bytes came of it. */
void shrink_idle_learn(const struct shrink_pass *pass, struct shrinker_impl *s, uint64_t bytes);

/* ---- owner.c */
/* Posts @n objects to the owner; false: it has a request outstanding. */
bool shrink_owner_post(struct shrinker_impl *s, int nid, unsigned long n,
		       const struct shrink_pass *pass);
void shrink_owner_attach(struct shrinker_impl *s);  /* registry lock held */
void shrink_owner_detach(struct shrinker_impl *s);  /* registry lock held */
/* Pressure is over: takes all requests back. @drop: unanswered work is forgotten,
 * else only what is past its deadline, which returns to deferred. */
void shrink_owner_expire(uint64_t now, bool drop);
/* Requests are waiting and within their deadline. */
bool shrink_owner_outstanding(uint64_t now);
void shrink_owner_fork_child(void);

/* engine-wide counters that the core adds to */
struct shrink_core_stats {
	_Atomic uint64_t passes, scanned, freed, freed_bytes, completed_bytes, misuses;
	_Atomic uint64_t self_bytes; /* of freed_bytes: returned by the caches themselves */
	_Atomic int64_t pending_bytes;
};
extern struct shrink_core_stats shrink_core_stats;

#endif /* SHRINK_CORE_CORE_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * What a group has taken, may take, and has been through. Counters only: who
 * reclaims and who waits is decided above (libshrink/reclaim/memcg*.c).
 *
 * A charge goes up the tree, adding to each ancestor and undone where one is over
 * max, so that at rest a group's usage is its own charges and its children's sum.
 */
#ifndef SHRINK_CORE_MEMCG_ACCOUNT_H
#define SHRINK_CORE_MEMCG_ACCOUNT_H

#include <libshrink/core/memcg.h>
#include <libshrink/os/cgroup.h>

enum shrink_memcg_event { SHRINK_MEMCG_LOW, SHRINK_MEMCG_HIGH, SHRINK_MEMCG_MAXED, SHRINK_MEMCG_OOM,
			  SHRINK_MEMCG_EVENTS };

struct shrink_memcg_account {
	_Atomic uint64_t usage;           /* own and below, threads' stocks included */
	_Atomic uint64_t limit[5];        /* enum shrink_memcg_limit */
	_Atomic uint64_t events[SHRINK_MEMCG_EVENTS];
	_Atomic int event_fd;             /* -1: nobody asked */
	_Atomic uint64_t freed_bytes, throttled_usec;
	/* Protection, [0] min and [1] low: own claim as last told to the parent, the sum
	 * of the children's; what the last walk made of it, for statistics. */
	_Atomic uint64_t told[2], children[2], effective[2];
	_Atomic(struct shrink_cgroup_level *) bound;
	struct shrink_cgroup_level *unbound[4]; /* earlier ones: readers may be in them */
	_Atomic unsigned int forks;       /* when event_fd and bound were opened */
	/* under the registry lock: the two belong together */
	void (*oom)(void *arg, struct shrink_memcg *memcg, uint64_t bytes);
	void *oom_arg;
};

int shrink_memcg_account_alloc(struct shrink_memcg *memcg);
void shrink_memcg_account_free(struct shrink_memcg *memcg);
/* Replaces what the group is bound to; NULL = nothing. -ENOSPC: too often. */
int shrink_memcg_account_bind(struct shrink_memcg_account *a, struct shrink_cgroup_level *level);
/* The level it is bound to, or NULL. */
struct shrink_cgroup_level *shrink_memcg_bound(struct shrink_memcg *memcg);
/* Its descriptor of events, made if need be; or a negative errno. */
int shrink_memcg_account_event_fd(struct shrink_memcg_account *a);
void shrink_memcg_account_fork_child(void);
/* No charge is held by a stock any more, and it protects nothing. */
void shrink_memcg_account_offline(struct shrink_memcg *memcg);

/* Adds to the group and all above; on failure nothing is added, and *@ret_over is
 * the group (not referenced: an ancestor of @memcg) whose max is in the way. */
int shrink_memcg_try_charge(struct shrink_memcg *memcg, uint64_t bytes,
			    struct shrink_memcg **ret_over);
/* More than is charged is the caller's mistake: usage stays at 0, and it is said
 * once, by whoever comes by here with no lock held. */
void shrink_memcg_tell_underflow(void);
void shrink_memcg_do_uncharge(struct shrink_memcg *memcg, uint64_t bytes);

/* Counts in the group and all above, and makes their descriptors readable. */
void shrink_memcg_count_event(struct shrink_memcg *memcg, enum shrink_memcg_event event);

/* Reclaimed from the group, and so from all above. */
void shrink_memcg_count_freed(struct shrink_memcg *memcg, uint64_t bytes);

/* Usage and limit, the kernel's where the group is bound. */
uint64_t shrink_memcg_usage_now(struct shrink_memcg *memcg);
uint64_t shrink_memcg_limit_now(struct shrink_memcg *memcg, enum shrink_memcg_limit which);

#endif /* SHRINK_CORE_MEMCG_ACCOUNT_H */

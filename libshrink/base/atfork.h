/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * What has to be done around fork(), by whom, in which order.
 *
 * Each module registers its part when it is first used; prepare() runs in the
 * order below, parent() and child() backwards. So callbacks are waited for before
 * any lock is taken, and locks are taken from the outermost in.
 */
#ifndef SHRINK_BASE_ATFORK_H
#define SHRINK_BASE_ATFORK_H

enum shrink_fork_order {
	SHRINK_FORK_API,      /* start and stop */
	SHRINK_FORK_GATE,     /* waits for running callbacks, bounded */
	SHRINK_FORK_MONITOR,
	SHRINK_FORK_ENGINE,
	SHRINK_FORK_NODES,    /* workers of memory nodes */
	SHRINK_FORK_RECORD,
	SHRINK_FORK_LEVEL,    /* who is told of levels */
	SHRINK_FORK_POOL,
	SHRINK_FORK_REGION,   /* purgeable memory */
	SHRINK_FORK_OFFLINE,  /* groups going offline: takes lists' locks */
	SHRINK_FORK_LRUVEC,
	SHRINK_FORK_LRU,      /* waits, bounded, for callbacks under a list's lock */
	SHRINK_FORK_BRIDGE,   /* caches mirrored in the kernel */
	SHRINK_FORK_REGISTRY, /* list, limbo, owners */
	SHRINK_FORK_STOCK,    /* threads' charges in advance */
	SHRINK_FORK_LIFE,     /* ids */
	SHRINK_FORK_CONF,
	SHRINK_FORK_FD,       /* child: closes what is ours, before all others */
	SHRINK_FORK_LOG,
	SHRINK_FORK_ORDERS
};

struct shrink_fork_hooks {
	void (*prepare)(void); /* any may be NULL */
	void (*parent)(void);
	void (*child)(void);
};

/* Idempotent. Allocates inside the C library the first time: 0, or -ENOMEM. */
int shrink_fork_register(enum shrink_fork_order order, const struct shrink_fork_hooks *hooks);

#endif /* SHRINK_BASE_ATFORK_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Working sets, lruvecs and ages across fork(): their locks are taken before it, after
 * running callbacks were waited for, the outer kind first. The child's work on with
 * what the parent's held.
 */
#ifndef SHRINK_LRUVEC_FORK_H
#define SHRINK_LRUVEC_FORK_H

#include <libshrink/base/list.h>

/* In the order in which the locks are taken. */
enum shrink_lruvec_fork_rank {
	SHRINK_LRUVEC_FORK_AGES,
	SHRINK_LRUVEC_FORK_GROUPS,
	SHRINK_LRUVEC_FORK_LRUVEC,
	SHRINK_LRUVEC_FORK_WORKINGSET,
	SHRINK_LRUVEC_FORK_RANKS
};

/* Embedded in what has locks. */
struct shrink_lruvec_fork {
	void (*lock)(struct shrink_lruvec_fork *self);
	void (*unlock)(struct shrink_lruvec_fork *self);
	void (*child)(struct shrink_lruvec_fork *self); /* NULL: unlock, also there */
	struct shrink_list link;
};

/* Has it taken care of in every fork() until it is delisted. 0, or -ENOMEM. */
int shrink_lruvec_enlist(enum shrink_lruvec_fork_rank rank, struct shrink_lruvec_fork *self);
/* One that was never listed (zeroed) is fine. */
void shrink_lruvec_delist(struct shrink_lruvec_fork *self);

#endif /* SHRINK_LRUVEC_FORK_H */

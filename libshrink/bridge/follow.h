/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* What the programs in the kernel tell the library: the only words they share. */
#ifndef SHRINK_BRIDGE_FOLLOW_H
#define SHRINK_BRIDGE_FOLLOW_H

enum follow_kind {
	FOLLOW_RECLAIM = 1, /* a group's shrinkers are asked: group, node, priority */
	FOLLOW_DROP = 2,    /* the same, by drop_caches */
	FOLLOW_HINT = 3,    /* reclaim has begun: by a task of ours, or by kswapd */
};

struct follow_event {
	unsigned long long nsec;  /* CLOCK_MONOTONIC */
	unsigned long long group; /* kernfs id: inode of the group's folder; 1 = the top */
	int nid;		  /* -1 = none */
	int priority;		  /* 12 mildest; -1 = not known */
	unsigned int kind;
	unsigned int folded; /* earlier ones of this group, node and millisecond that
			      * were not told */
	unsigned long long lost; /* all that there was no room for until now */
};

/* Groups that concern us: our own, its ancestors, the top. */
#define FOLLOW_GROUPS_MAX 64
/* Places for what was told last, by group and node. */
#define FOLLOW_TOLD_MAX	  1024
#define FOLLOW_RING_BYTES (64 * 1024)

#endif /* SHRINK_BRIDGE_FOLLOW_H */

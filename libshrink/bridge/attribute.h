/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Who is being reclaimed, from records that do not say it. A slice's record has node and
 * priority, but no group; so it is taken from who does it, and in what:
 *
 *	between                                 the slices of that task concern
 *	memcg_reclaim_begin .. end              the task's own group: us, if it is one of ours
 *	direct_reclaim, node_reclaim .. end     the whole machine, so us
 *	kswapd_wake .. kswapd_sleep             the whole machine, at that node
 *	nothing, at priority 0                  drop_caches: the whole machine
 *	nothing, at another                     its begin was missed: us, if it is ours
 *
 * So a task of ours that makes another group be reclaimed is taken for us, and a stranger
 * that makes ours be (a write to our memory.reclaim, a limit hit in a group beside, below
 * a common one) is not noticed. Programs in the kernel (follow.bpf.c) know better; this
 * is for where they cannot be loaded.
 *
 * Nothing here calls the kernel: records in, events out.
 */
#ifndef SHRINK_BRIDGE_ATTRIBUTE_H
#define SHRINK_BRIDGE_ATTRIBUTE_H

#include <stdbool.h>
#include <stdint.h>

#include <libshrink/bridge/follow.h>
#include <libshrink/bridge/members.h>

enum attribute_kind {
	ATTRIBUTE_SLAB,
	ATTRIBUTE_MEMCG_BEGIN,
	ATTRIBUTE_ALL_BEGIN, /* direct and node reclaim */
	ATTRIBUTE_KSWAPD_WAKE,
	ATTRIBUTE_END, /* of any of these */
	ATTRIBUTE_LOST,
};

struct attribute_record {
	uint64_t nsec;
	enum attribute_kind kind;
	uint32_t pid, tid;
	int nid, priority;
	uint64_t lost; /* of ATTRIBUTE_LOST */
};

/* Tasks in reclaim at one time; a place is lost to whom comes later. */
#define ATTRIBUTE_TASKS	   1024
#define ATTRIBUTE_NODES	   64
#define ATTRIBUTE_DEFERRED 16

struct attribute {
	uint64_t group; /* ours, as the events shall have it */
	/* is that process in our group? */
	enum members_answer (*ours)(void *arg, uint32_t pid);
	void *arg;
	struct {
		uint32_t tid;
		unsigned char in; /* 0 = in nothing */
	} tasks[ATTRIBUTE_TASKS];
	/* slices of those of whom it is not known yet, each the hardest of its process and
	 * node; pid 0 = free */
	struct attribute_record deferred[ATTRIBUTE_DEFERRED];
	struct {
		uint64_t msec;
		int priority;
		unsigned int folded;
	} told[2][ATTRIBUTE_NODES + 1];
	uint64_t lost;	      /* records, in all */
	uint64_t doubt_until; /* ends may have been lost: priority 0 is no proof */
};

/* True: it concerns us and is the first, or of lower priority than those before it, of
 * its group, node and millisecond; then *@ret_event is written. */
bool shrink_attribute(struct attribute *a, const struct attribute_record *record,
		      struct follow_event *ret_event);
/* The same of one of those deferred, of whom it is known by @now; false: of none. */
bool shrink_attribute_deferred(struct attribute *a, uint64_t now, struct follow_event *ret_event);

#endif /* SHRINK_BRIDGE_ATTRIBUTE_H */

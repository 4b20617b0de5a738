/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * A round: one goal, answered. Priority descent, caps, release stage, re-reading
 * after every batch, and the record requested -> scanned -> freed -> pending ->
 * returned of what came of it.
 *
 * With a byte goal the round counts all caches once and starts at the mildest
 * priority whose predicted yield covers the goal. The priority falls only when
 * caches freed less than they were asked. Where just stall is known a round is
 * one pass at the goal's priority; whoever posted it decides whether to press on.
 */
#ifndef SHRINK_RECLAIM_ROUND_H
#define SHRINK_RECLAIM_ROUND_H

#include <stdbool.h>

#include <shrink/stats.h>
#include <libshrink/core/core.h>

#define SHRINK_SHARE_ALL 1024

struct shrink_goal {
	uint64_t bytes;      /* wanted whatever the gauges say; 0 = see gauged */
	bool gauged;         /* until the gauges are balanced */
	uint32_t share;      /* of what the gauges say, in 1/SHRINK_SHARE_ALL: the others
			      * of our memory group answer the rest; 0 = all of it */
	int priority;        /* with neither: one pass at this priority */
	shrink_gfp_t gfp_mask;
	bool direct_only;    /* in an application's thread, without LOCK */
	uint64_t deadline;   /* clock; 0 = none */
	struct shrink_memcg *memcg; /* this group and those below; NULL = the root */
	bool at_node;        /* all caches are asked, NUMA-aware ones at node .nid */
	uint64_t notice;     /* when the cause was seen */
	/* in place of a walk over all caches: the kernel's requests to single ones. Goals of
	 * this kind do not merge with others */
	void (*visit)(struct shrink_pass *pass);
	bool probe;          /* proactive: what comes of it says nothing of pressure */
	int start;           /* a local pass: priority to begin at, at most; 0 = any */
	/* one memory node: its need in place of the gauges', and never all of a cache */
	bool on_node;
	int nid;
	int floor;           /* lowest priority */
	uint64_t (*need)(const struct shrink_goal *goal, uint64_t *ret_used);
	uint64_t *ret_yield; /* gets what there is to get at priority 0; or NULL */
	enum shrink_level level;
	char source[16];
};

/* Runs it on the calling thread, inside the gate. @ticker: NULL, or the worker's.
 * The record is also kept for shrink_rounds() where anything was done. Returns
 * bytes freed; *@ret_refused gets the bytes left out for want of LOCK. */
uint64_t shrink_round_run(const struct shrink_goal *goal, struct shrink_ticker *ticker,
			  struct shrink_round *ret_round, uint64_t *ret_refused);

/* This process's RssAnon + RssShmem: what "returned" is measured by. Set while no
 * round runs; NULL = unknown. */
void shrink_round_set_rss(uint64_t (*rss)(void));

/* Bytes goals under way: one reclaimer does not ask for what another already does. */
uint64_t shrink_round_claimed(void);
/* 1: the caller waits for what rounds free, so they tell it batch by batch; -1: no
 * longer. */
void shrink_round_join(int joins);
/* The round of this worker is stuck: what it has claimed is anybody's again. */
void shrink_round_unclaim(struct shrink_ticker *ticker);

struct shrink_round_stats {
	uint64_t requested, returned, fruitless, fragmented;
};
struct shrink_round_stats shrink_round_stats(void);
/* Bytes returned so far; goes up only. */
uint64_t shrink_round_returned(void);

#endif /* SHRINK_RECLAIM_ROUND_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Inside a round: round.c decides - priorities, passes, its end - by what round-measure.c
 * finds: what is still missing, and what of that which was freed has come back.
 */
#ifndef SHRINK_RECLAIM_ROUND_PRIV_H
#define SHRINK_RECLAIM_ROUND_PRIV_H

#include <libshrink/reclaim/round.h>

/* A round in the making. */
struct round {
	const struct shrink_goal *goal;
	struct shrink_pass pass;
	struct shrink_round *rec;
	uint64_t yields[SHRINK_DEF_PRIORITY + 1];
	uint64_t rss_begin;
	uint64_t usage_begin;   /* of the tightest gauge; 0 = none */
	/* when the release stage last ran: */
	uint64_t heap_mark;     /* bytes freed to the allocator by then */
	uint64_t self_mark;     /* bytes caches had returned by themselves */
	uint64_t usage_mark;    /* of the tightest gauge */
	uint64_t share;         /* bytes that are ours to free of what the gauges want */
	_Atomic uint64_t own_claim;
	bool override_low;      /* nothing else is left: low protects no more */
	bool spared_low;        /* some group was left out for its low */
};

/* What is still missing, now, less what comes without asking again. @exact: see
 * shrink_gauges_read(). */
uint64_t shrink_round_missing(const struct round *r, bool exact);
/* This process's, as set; 0 = unknown. */
uint64_t shrink_round_rss(void);
/* How much of what was freed has come back, in percent; 100 where nobody can tell. */
uint64_t shrink_round_yield_percent(const struct round *r);
/* It left us and stayed with forked children. */
bool shrink_round_kept_by_children(const struct round *r);
/* From here on what usage falls by is news. */
void shrink_round_set_marks(struct round *r);
/* Makes the allocator hand back what the last pass freed to it. */
void shrink_round_release(struct round *r);

#endif /* SHRINK_RECLAIM_ROUND_PRIV_H */

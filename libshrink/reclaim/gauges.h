/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * All gauges together: how much headroom the tightest has, how much should go,
 * and how steeply usage has been seen to grow.
 *
 * The goal is *unreclaimable* usage: what the kernel takes by itself (clean page
 * cache, lazily freed memory) is no reason to evict. It is dear to read, so it is
 * read only where raw usage is past the mark, and remembered for the cheap
 * readings between two batches.
 */
#ifndef SHRINK_RECLAIM_GAUGES_H
#define SHRINK_RECLAIM_GAUGES_H

#include <stdbool.h>

#include <libshrink/reclaim/gauge.h>
#include <libshrink/reclaim/wmark.h>

#define SHRINK_GAUGES_MAX 8

/* What the gauge says that is closest to its low watermark. */
struct shrink_headroom {
	bool known;            /* some gauge has a limit, */
	bool limited;          /*	and be it not the tightest, one that is a group's */
	uint64_t limit, usage; /* without any, usage is that of a gauge that has none, or 0 */
	uint64_t unreclaimable;
	uint64_t reclaimable;
	uint64_t free;         /* limit - unreclaimable */
	uint64_t need;         /* bytes to get free above high; 0 = balanced */
	struct shrink_wmark wmark;
	enum shrink_limit_kind kind;
	const char *path;
	const char *name;
};

/* Not concurrently with reading: before threads start, after they end. */
void shrink_gauges_reset(void);
/* -ENOSPC; one that was dropped keeps its place, and is left out until it is renewed. */
int shrink_gauges_add(struct shrink_gauge *gauge);
/* The negative errno with which it could not be read, and how often in a row; 0 = it
 * could, the last time. */
int shrink_gauges_error(const struct shrink_gauge *gauge, unsigned int *ret_times);
/* Its source has failed: left out from now on. Any thread; who reads it just now does so
 * inside a read section of core/rcu.h. */
void shrink_gauges_drop(struct shrink_gauge *gauge);
/* Monitor: it measures something else from now on, or measures again. */
void shrink_gauges_renew(struct shrink_gauge *gauge);

/* Reads all. @exact: also what is reclaimable, where it matters. Any thread. */
void shrink_gauges_read(bool exact, struct shrink_headroom *ret);

/* Monitor only: a sample of growth. @freed: bytes returned since the last one, which
 * growth has had to make up for; @watched: the kernel tells of usage that comes near
 * the mark. Returns usec until usage should be looked at again: half the time the worst
 * slope takes to the watermark, and unless @watched not more than a sudden one takes. */
uint64_t shrink_gauges_sample(uint64_t now, uint64_t returned, bool watched,
			      struct shrink_headroom *ret);
uint64_t shrink_gauges_worst_slope(void);

/* Growth now, and how long what is free will last, of the tightest at the last sample. */
struct shrink_outlook {
	uint64_t slope;           /* bytes per second */
	uint64_t exhaustion_usec; /* UINT64_MAX: for ever */
};
struct shrink_outlook shrink_gauges_outlook(void);

/* One of our threads came so much later than it should have: for the monitor a
 * timer, for a worker the first scan after the notice. The worst is remembered and
 * fades; watermarks allow for it. Any thread. */
void shrink_gauges_late(uint64_t nsec);

#endif /* SHRINK_RECLAIM_GAUGES_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * A gauge is a number with a limit: it says how much headroom there is, and so,
 * after each batch, whether it was enough. Sources provide gauges; the engine
 * reads them from its own threads.
 */
#ifndef SHRINK_RECLAIM_GAUGE_H
#define SHRINK_RECLAIM_GAUGE_H

#include <shrink/reclaim.h>

struct shrink_gauge_reading {
	uint64_t limit;       /* UINT64_MAX = none now: the gauge says nothing */
	uint64_t usage;
	uint64_t slack;       /* from there to a limit that kills, 0 = this one does;
			       * UINT64_MAX = none does */
	uint64_t reclaimable; /* of usage: what the kernel takes by itself; exact only */
	enum shrink_limit_kind kind;
	const char *path;     /* "" or the group; lives as long as the gauge */
};

struct shrink_gauge {
	const char *name;
	/* Reads now; several threads at once; neither locks, allocates nor blocks
	 * beyond a pread. @exact also fills reclaimable (dearer: tens of usec).
	 * 0, or a negative errno: the gauge has failed and is left out. */
	int (*read)(struct shrink_gauge *gauge, int exact, struct shrink_gauge_reading *ret);
	void *arg;
};

#endif /* SHRINK_RECLAIM_GAUGE_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The monitor: one thread, one epoll, all sources. It notices, judges, tells the
 * caches whether they may grow, and posts goals to the engine. It never runs a
 * callback, never allocates and never waits for anybody.
 *
 * What makes it post:
 *
 *	headroom below low (unreclaimable usage)	reclaim until above high
 *	stall of our own group, headroom below high	the same, at once
 *	stall, and no limit is known			one pass, then small steps (pace.h);
 *							or what swap has measured
 *	stall by a limit of our group's (rest.h),	the same
 *		and no group's is known
 *	the application asks				its bytes, or one pass
 *
 * Stall alone, where a gauge says that there is room, frees nothing: then the
 * kernel is busy with page cache it can take by itself (G7).
 */
#ifndef SHRINK_SOURCE_MONITOR_H
#define SHRINK_SOURCE_MONITOR_H

#include <shrink/stats.h>

/* Opens all sources, allocating and taking its time. Returns the number live, or
 * a negative errno. Repeatable: an open monitor stays as it is. */
int shrink_monitor_open(void);
void shrink_monitor_close(void);
/* Thread shrink-monitor; 0 or a negative errno. */
int shrink_monitor_start(void);
void shrink_monitor_stop(void);

/* One turn in the calling thread: what is due now (simulation). Returns the clock at
 * which the next is due. */
uint64_t shrink_monitor_turn(void);
/* Where an outer loop waits for the monitor's epoll: watches @fd too, and returns the
 * epoll. The turn after it was found ready. */
int shrink_monitor_attach(int fd);
uint64_t shrink_monitor_turn_polled(void);
/* Look at the gauges soon. Any thread. */
void shrink_monitor_wake(void);

struct shrink_monitor_stats {
	uint64_t events, samples;
};
struct shrink_monitor_stats shrink_monitor_stats(void);

/* Around fork(): in the child after its descriptors were closed. */
void shrink_monitor_fork_prepare(void);
void shrink_monitor_fork_parent(void);
void shrink_monitor_fork_child(void);

#endif /* SHRINK_SOURCE_MONITOR_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Levels, growth hold-off and room: what caches are told, as opposed to asked.
 *
 *	level	  free headroom		growth
 *	NORMAL	  above high again	allowed, at a bounded rate after a hold
 *	LOW	  was below low		held
 *	MEDIUM	  below low / 2		held
 *	CRITICAL  below low / 8		held
 *
 * Hysteresis is the gap between low and high: what has once been below low is
 * NORMAL again only above high; out of MEDIUM it takes three quarters of low, out of
 * CRITICAL a quarter. A hold outlives the pressure by the tunable
 * `holdoff`, so that caches do not refill what was just given back.
 */
#ifndef SHRINK_RECLAIM_LEVEL_H
#define SHRINK_RECLAIM_LEVEL_H

#include <libshrink/reclaim/gauges.h>

/* The level that headroom alone gives, coming from @before. Pure. */
enum shrink_level shrink_level_of(const struct shrink_headroom *h, enum shrink_level before);

/* Monitor: publishes level, hold and room. @level: the highest any source gives. */
void shrink_level_publish(uint64_t now, enum shrink_level level, const struct shrink_headroom *h);
/* A round found that freed memory does not return: hold growth, so that the freed
 * heap is used again before it grows. */
void shrink_level_hold(uint64_t now);
/* When the published state changes by time alone; UINT64_MAX = never. */
uint64_t shrink_level_next(void);
uint64_t shrink_level_holdoffs(void);
/* Back to NORMAL with unlimited room: stopped. */
void shrink_level_reset(void);

/* Room of all caches together; 0 while growth is held. A relaxed load or two. */
uint64_t shrink_level_room(void);

/* ---- level-listen.c: those who want to be told */
void shrink_level_changed(void);     /* the published level is another now */
void shrink_level_tell(void);        /* runs those who are to be told */
void shrink_level_fork_prepare(void);
void shrink_level_fork_parent(void);
void shrink_level_fork_child(void);

/* ---- room.c: who gets how much of the room */
void shrink_room_turn(uint64_t now); /* monitor, at each look */

#endif /* SHRINK_RECLAIM_LEVEL_H */

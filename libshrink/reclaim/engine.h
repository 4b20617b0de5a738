/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Who runs the rounds: a worker, and a standby that takes over when a callback
 * does not come back (G4). They are the same loop; which of the two leads is a
 * token. The leader runs goals; the other drains limbo, does the sources' slow
 * chores, and waits. The monitor watches the leader's ticker and hands the token
 * over; the old leader finds that out when its callback returns, ends its pass and
 * is the standby from then on.
 *
 * Locks: the engine lock guards the token, the pending goal and the threads'
 * flags. It is held for moments only, never over a round.
 */
#ifndef SHRINK_RECLAIM_ENGINE_H
#define SHRINK_RECLAIM_ENGINE_H

#include <libshrink/reclaim/round.h>

/* Threads shrink-worker and shrink-standby. 0 or a negative errno, nothing left. */
int shrink_engine_start(void);
/* Ends them; -ETIMEDOUT: one hung in a callback for @usec and was given up. */
int shrink_engine_stop(uint64_t usec);
/* A thread given up earlier still hangs. */
bool shrink_engine_hangs(void);

/* Adds to the goal that waits to be run: the larger, the more urgent of each. Any
 * thread; neither allocates nor blocks for long. */
void shrink_engine_post(const struct shrink_goal *goal);
/* Without threads (simulation, the application's loop): no goal waits, nothing is
 * backed off, @posted is called after each post, with no lock held. */
void shrink_engine_reset(void (*posted)(void));
/* Runs a goal that waits in the calling thread, until @deadline (0 = its own).
 * Objects freed. */
uint64_t shrink_engine_run_pending(uint64_t deadline);
/* The standby's work, here. */
void shrink_engine_run_chore(void);
bool shrink_engine_busy(void);
bool shrink_engine_works(void); /* a thread of ours is at it, or about to be */

/* Monitor, on every turn: is the leader stuck? @now on the real clock. */
void shrink_engine_watch(uint64_t now);
/* Work for the standby: called with no lock held, may block for a while. */
void shrink_engine_chore(void (*chore)(void));
/* Is there a thread of ours for them? In loop mode the application's does them. */
bool shrink_engine_has_standby(void);
/* Wakes the standby if limbo or a chore waits. */
void shrink_engine_poke(void);

void shrink_engine_on_done(void (*done)(void)); /* after each round: wake the monitor */
struct shrink_engine_stats {
	uint64_t rounds, direct, overruns;
};
struct shrink_engine_stats shrink_engine_stats(void);
uint64_t shrink_direct_calls(void); /* direct.c */
uint64_t shrink_direct_joined(void);

void shrink_engine_fork_prepare(void);
void shrink_engine_fork_parent(void);
void shrink_engine_fork_child(void);

#endif /* SHRINK_RECLAIM_ENGINE_H */

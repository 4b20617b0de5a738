/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Testing a shrinker without root and without pressure.
 *
 * After shrink_start(SHRINK_START_SIMULATED) there are no threads, the clock is
 * virtual and usage and limit are what the test says. shrink_sim_step() advances
 * the clock and does, in the calling thread, exactly what monitor and worker
 * would have done: the same engine, deterministically.
 */
#ifndef SHRINK_SIM_H
#define SHRINK_SIM_H

#include <shrink/reclaim.h>

SHRINK_BEGIN_DECLS

/** What the simulated system says. */
struct shrink_sim_state {
	uint64_t limit;        /**< bytes; UINT64_MAX = none */
	uint64_t usage;        /**< bytes charged */
	uint64_t reclaimable;  /**< of usage: clean page cache and lazily freed */
	uint64_t stall_usec;   /**< PSI some, total= */
	uint64_t rss;          /**< RssAnon + RssShmem of this process */
};

/**
 * shrink_sim_set() - replace the simulated state; seen at the next step or
 * re-read. Callable from callbacks: a scan that lowers usage by what it freed
 * behaves as real memory does.
 *
 * Return: 0; -EINVAL: NULL or size 0.
 */
int shrink_sim_set(const struct shrink_sim_state *state, size_t size);

/** Takes @bytes off usage and rss: what a scan's free() would have done. */
void shrink_sim_freed(uint64_t bytes);

/** One memory node of the simulated system. */
struct shrink_sim_node {
	uint64_t managed;   /**< bytes the node has; 0 = no such node */
	uint64_t available; /**< bytes that could be had there */
	uint64_t min;       /**< its min watermark; low and high follow by the kernel's
			     *   formula */
};

/**
 * shrink_sim_set_node() - the state of memory node @nid
 *
 * Nodes are served where two or more are set before shrink_start(), and
 * the tunable nodes is as many. What is set before a simulated start is kept by it.
 *
 * Return: 0; -EINVAL: no such node, NULL or size 0.
 */
int shrink_sim_set_node(int nid, const struct shrink_sim_node *node, size_t size);

/** shrink_sim_freed(), and @bytes more are available on node @nid. */
void shrink_sim_node_freed(int nid, uint64_t bytes);

/**
 * shrink_sim_step() - let @nsec of virtual time pass and answer what is due
 *
 * Return: objects freed by the rounds it ran; -ENOTCONN: not started simulated;
 * -EDEADLK: called from a callback.
 */
long shrink_sim_step(uint64_t nsec);

/** The clock the library goes by, nanoseconds: virtual in simulation. */
uint64_t shrink_clock(void);

SHRINK_END_DECLS

#endif /* SHRINK_SIM_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * All memory nodes: a worker for each where there are two or more with memory and
 * their watermarks can be read, else none (goals without a node are the engine's).
 *
 * A node's round asks only NUMA-aware shrinkers, and these for that node: freeing
 * what may lie anywhere would empty caches without helping the node.
 */
#ifndef SHRINK_RECLAIM_NODES_H
#define SHRINK_RECLAIM_NODES_H

#include <libshrink/reclaim/node.h>
#include <libshrink/reclaim/round.h>

/* Opens what is read; @simulated: in place of the system's, or NULL. At prepare.
 * Nodes served: 0, or 2 and more. */
int shrink_nodes_open(int (*simulated)(int nid, struct shrink_node_reading *ret));
void shrink_nodes_close(void);
int shrink_nodes_served(void);

/* Threads shrink-node0 ...; 0 or a negative errno, nothing left. */
int shrink_nodes_start(void);
/* As shrink_engine_stop(). */
int shrink_nodes_stop(uint64_t usec);
bool shrink_nodes_hang(void);
/* Monitor: is a worker stuck in a callback? Then another node's serves its node, until
 * it is back (G4). @now on the real clock. True: one is in a callback, look again soon. */
bool shrink_nodes_watch(uint64_t now);
/* What is due now, in the calling thread (simulation, loop). Objects freed; *@ret_next
 * is when the next is due. */
uint64_t shrink_nodes_turn(uint64_t *ret_next);

struct shrink_nodes_stats {
	uint64_t rounds, parked, overruns;
};
struct shrink_nodes_stats shrink_nodes_stats(void);

void shrink_nodes_fork_prepare(void);
void shrink_nodes_fork_parent(void);
void shrink_nodes_fork_child(void);

#endif /* SHRINK_RECLAIM_NODES_H */

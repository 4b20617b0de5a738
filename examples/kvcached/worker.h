/* SPDX-License-Identifier: MIT */
/*
 * Worker threads, each with an event loop of its own and the connections it was
 * handed. A connection never changes its thread, so nothing of it is locked.
 */
#ifndef KVCACHED_WORKER_H
#define KVCACHED_WORKER_H

#include <event2/event.h>

#include "examples/kvcached/threadstats.h"

struct conn;
struct worker;

/* Starts @n threads. 0 or -errno. */
int workers_start(unsigned int n);
/* Closes all connections and waits for the threads. */
void workers_stop(void);
/* Hands a connected socket over, to one thread after the other. */
void workers_give(int fd);

/* For connections, on their own thread. */
struct event_base *worker_base(struct worker *w);
struct thread_stats *worker_stats(struct worker *w);
/* The head of the list of the thread's connections. */
struct conn **worker_conns(struct worker *w);
/* One less. */
void workers_closed(void);

void workers_sum(struct thread_stats *ret_sum);
void workers_reset(void);
void workers_connections(uint64_t *ret_current, uint64_t *ret_total);

#endif /* KVCACHED_WORKER_H */

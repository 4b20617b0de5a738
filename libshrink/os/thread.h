/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Threads of the library: named, all signals blocked, and free of the affinity
 * and real-time policy that the creating thread may have (G13).
 */
#ifndef SHRINK_OS_THREAD_H
#define SHRINK_OS_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdint.h>

/* @name at most 15 characters. 0, or a negative errno. */
int shrink_os_thread_create(pthread_t *ret_thread, const char *name, void *(*fn)(void *),
			    void *arg);

/* Touches the stack that rounds will use, so that reclaim has no page fault (G6). */
void shrink_os_thread_warm_stack(void);

/* Asks, for the calling thread, for short time slices: it gets no more of the
 * processor, but gets it sooner after a wake-up, which on a busy machine is the
 * difference between giving memory back and being killed. Needs no privilege;
 * Linux 6.12, without effect on older ones. */
void shrink_os_thread_be_prompt(void);

/* The calling thread's signal mask: for putting it back behind code that changes it. */
void shrink_os_sigmask_get(sigset_t *ret_mask);
void shrink_os_sigmask_set(const sigset_t *mask);

/* Condition variables on CLOCK_MONOTONIC. */
int shrink_os_cond_init(pthread_cond_t *cond);
/* Waits until signalled or @usec have passed; UINT64_MAX = no limit. */
void shrink_os_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t usec);

#endif /* SHRINK_OS_THREAD_H */

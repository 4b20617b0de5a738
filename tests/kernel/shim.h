/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * As much of a kernel as kernel/slot.c needs, so that the twin of the module keeps its
 * requests with the module's own code.
 */
#ifndef TESTS_KERNEL_SHIM_H
#define TESTS_KERNEL_SHIM_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef uint32_t u32;
typedef unsigned long long u64;
typedef struct {
	uid_t val;
} kuid_t;
typedef struct {
	pthread_mutex_t mutex;
} spinlock_t;
typedef struct {
	int counter;
} atomic_t;
typedef struct {
	u64 counter;
} atomic64_t;
typedef struct {
	int (*wake)(void);
} wait_queue_head_t;

struct list_head {
	struct list_head *next, *prev;
};
struct list_lru {
	int unused;
};
struct mutex {
	int unused;
};
struct page;
struct pid;
struct shrinker;
#define SHRINKER_ALLOCATED 1

#define min(a, b)                  ((a) < (b) ? (a) : (b))
#define atomic_inc(v)              __atomic_fetch_add(&(v)->counter, 1, __ATOMIC_SEQ_CST)
#define atomic_dec(v)              __atomic_fetch_sub(&(v)->counter, 1, __ATOMIC_SEQ_CST)
#define atomic_read(v)             __atomic_load_n(&(v)->counter, __ATOMIC_SEQ_CST)
#define atomic64_fetch_add(n, v)   __atomic_fetch_add(&(v)->counter, n, __ATOMIC_SEQ_CST)
#define atomic64_add(n, v)         ((void)atomic64_fetch_add(n, v))
#define atomic64_read(v)           __atomic_load_n(&(v)->counter, __ATOMIC_RELAXED)
#define atomic64_read_acquire(v)   __atomic_load_n(&(v)->counter, __ATOMIC_ACQUIRE)
#define atomic64_set(v, n)         __atomic_store_n(&(v)->counter, n, __ATOMIC_RELAXED)
#define atomic64_xchg(v, n)        __atomic_exchange_n(&(v)->counter, n, __ATOMIC_SEQ_CST)
#define READ_ONCE(x)               __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define smp_mb()                   atomic_thread_fence(memory_order_seq_cst)
#define spin_lock(l)               pthread_mutex_lock(&(l)->mutex)
#define spin_unlock(l)             pthread_mutex_unlock(&(l)->mutex)
#define __percpu
#define wake_up_interruptible(wait) ((void)(wait)->wake())

#endif /* TESTS_KERNEL_SHIM_H */

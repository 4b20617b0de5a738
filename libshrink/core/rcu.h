/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Read sections and grace periods: userspace-rcu's "bulletproof" flavour, which
 * registers threads by itself, so that any application thread may reclaim.
 *
 * The list links are C11 atomics of our own rather than urcu's list macros: these
 * ThreadSanitizer understands. What it cannot see is that a grace period orders
 * all earlier read sections before what follows; the annotations tell it.
 */
#ifndef SHRINK_CORE_RCU_H
#define SHRINK_CORE_RCU_H

#include <pthread.h>
#include <urcu/urcu-bp.h>

#include <libshrink/os/thread.h>

#if defined(__SANITIZE_THREAD__)
#define SHRINK_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHRINK_TSAN 1
#endif
#endif

#ifdef SHRINK_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
extern char shrink_rcu_tsan_grace;
#define SHRINK_RCU_RELEASE() __tsan_release(&shrink_rcu_tsan_grace)
#define SHRINK_RCU_ACQUIRE() __tsan_acquire(&shrink_rcu_tsan_grace)
#else
#define SHRINK_RCU_RELEASE() ((void)0)
#define SHRINK_RCU_ACQUIRE() ((void)0)
#endif

static inline void shrink_rcu_read_lock(void)
{
	urcu_bp_read_lock();
}

static inline void shrink_rcu_read_unlock(void)
{
	SHRINK_RCU_RELEASE();
	urcu_bp_read_unlock();
}

/* Waits for all read sections begun before; about 10 ms when readers are busy. */
static inline void shrink_rcu_synchronize(void)
{
	urcu_bp_synchronize_rcu();
	SHRINK_RCU_ACQUIRE();
}

/*
 * In the child of fork(): readers of the parent's other threads are ghosts, for
 * which a grace period would wait for ever. They may be another library's. Its
 * urcu_bp_before_fork() may or may not have been called, by whom we cannot know,
 * and twice would deadlock; so only this half is called: it drops the ghosts and
 * unlocks what nobody else in this process can hold. Where the other user calls
 * it too, the second time finds nothing to do. It also sets the signal mask to
 * what the first half had saved, which is undone here. ThreadSanitizer would call
 * the unlock a bug; what it builds has its readers' ghosts.
 */
static inline void shrink_rcu_fork_child(void)
{
#ifndef SHRINK_TSAN
	sigset_t mask;

	shrink_os_sigmask_get(&mask);
	urcu_bp_after_fork_child();
	shrink_os_sigmask_set(&mask);
#endif
}

#endif /* SHRINK_CORE_RCU_H */

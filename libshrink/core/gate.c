// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The gate that every walk over the shrinkers passes.
 *
 * It answers three questions with one word: are shrinkers active at all (G1:
 * no callback before shrink_start()), is a fork under way (G10: it waits until
 * no callback runs, so that the child inherits none of the application's locks
 * from us), and is this still the process that the walk began in.
 *
 *	state = generation << 2 | FORKING | OPEN
 *
 * Entering and forking are a store-load race, decided by sequential consistency:
 *
 *	walk				fork, close
 *	walks += 1			state |= FORKING (or &= ~OPEN)
 *	read state			read walks
 *
 * Whichever comes second in the total order sees the other: either the walk backs
 * out, or the fork waits for it. Between two shrinkers a walk looks at the state
 * once, relaxed; it pauses there as if it had not yet begun, holding a reference
 * on its position and nothing else.
 */
#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/core/core.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/thread.h>

#define OPEN 1u
#define FORKING 2u
#define GENERATION 4u

static _Atomic unsigned int state;
static _Atomic unsigned long walks; /* running, not paused */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_cond = PTHREAD_COND_INITIALIZER;
/* Held from prepare to parent or child: forks one at a time. */
static pthread_mutex_t fork_lock = PTHREAD_MUTEX_INITIALIZER;

static void leave(void)
{
	atomic_fetch_sub(&walks, 1);
	if ((atomic_load(&state) & (OPEN | FORKING)) == OPEN)
		return;
	pthread_mutex_lock(&gate_lock);
	pthread_cond_broadcast(&gate_cond);
	pthread_mutex_unlock(&gate_lock);
}

static void wait_fork_over(void)
{
	pthread_mutex_lock(&gate_lock);
	while (atomic_load(&state) & FORKING)
		pthread_cond_wait(&gate_cond, &gate_lock);
	pthread_mutex_unlock(&gate_lock);
}

/* Counts us in, or says why not: the gate is shut. */
static bool come_in(void)
{
	for (;;) {
		unsigned int now;

		atomic_fetch_add(&walks, 1);
		now = atomic_load(&state);
		if ((now & (OPEN | FORKING)) == OPEN)
			return true;
		leave();
		if (!(now & OPEN))
			return false;
		wait_fork_over();
	}
}

bool shrink_gate_enter(void)
{
	if (shrink_context.depth || !(atomic_load_explicit(&state, memory_order_relaxed) & OPEN))
		return false;
	if (!come_in())
		return false;
	shrink_context.depth = 1;
	return true;
}

void shrink_gate_exit(void)
{
	shrink_context.depth = 0;
	leave();
}

bool shrink_gate_count_in(void)
{
	atomic_fetch_add(&walks, 1);
	if (!(atomic_load(&state) & FORKING))
		return true;
	leave();
	return false;
}

void shrink_gate_count_out(void)
{
	leave();
}

unsigned int shrink_gate_generation(void)
{
	return atomic_load_explicit(&state, memory_order_relaxed) & ~(OPEN | FORKING);
}

bool shrink_gate_pass(unsigned int generation)
{
	unsigned int now = atomic_load_explicit(&state, memory_order_relaxed);

	if (now == (generation | OPEN))
		return true;
	if (!(now & FORKING) || (now & ~(OPEN | FORKING)) != generation)
		return false;
	leave();
	wait_fork_over();
	/* Shut meanwhile: count in all the same, the exit will count out */
	atomic_fetch_add(&walks, 1);
	return atomic_load(&state) == (generation | OPEN);
}

bool shrink_gate_goes_on(unsigned int generation)
{
	return (atomic_load_explicit(&state, memory_order_relaxed) & ~FORKING) ==
	       (generation | OPEN);
}

void shrink_gate_open(void)
{
	atomic_fetch_or(&state, OPEN);
}

bool shrink_gate_is_open(void)
{
	return atomic_load_explicit(&state, memory_order_relaxed) & OPEN;
}

bool shrink_gate_quiet(void)
{
	return atomic_load(&walks) == 0;
}

/* Until no walk runs but the caller's own; false when time is up. */
static bool wait_quiet(uint64_t usec)
{
	unsigned long own = shrink_context.depth ? 1 : 0;
	uint64_t end = shrink_add_u64(shrink_os_clock_real(), usec * NSEC_PER_USEC);
	bool quiet;

	pthread_mutex_lock(&gate_lock);
	while (!(quiet = atomic_load(&walks) <= own) && shrink_os_clock_real() < end)
		shrink_os_cond_wait(&gate_cond, &gate_lock, 1000);
	pthread_mutex_unlock(&gate_lock);
	return quiet;
}

bool shrink_gate_close(uint64_t usec)
{
	atomic_fetch_and(&state, ~OPEN);
	return wait_quiet(usec);
}

void shrink_gate_fork_prepare(void)
{
	pthread_mutex_lock(&fork_lock);
	atomic_fetch_or(&state, FORKING);
	wait_quiet(SHRINK_TUN(fork_wait) * 1000);
	pthread_mutex_lock(&gate_lock); /* so that the child finds it free */
}

void shrink_gate_fork_parent(void)
{
	atomic_fetch_and(&state, ~FORKING);
	pthread_cond_broadcast(&gate_cond);
	pthread_mutex_unlock(&gate_lock);
	pthread_mutex_unlock(&fork_lock);
}

/* The child has one thread, and maybe it forked from inside a callback: then that
 * walk is the only one, and the new generation ends it. Passive until started.
 * Nobody waits on the condition here, whatever the parent's memory says. */
void shrink_gate_fork_child(void)
{
	atomic_store(&walks, shrink_context.depth ? 1 : 0);
	atomic_store(&state, shrink_gate_generation() + GENERATION);
	pthread_cond_init(&gate_cond, NULL);
	pthread_mutex_unlock(&gate_lock);
	pthread_mutex_unlock(&fork_lock);
}

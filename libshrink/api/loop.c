// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Loop mode: no thread of ours. The application's event loop waits for one
 * descriptor more and calls shrink_dispatch() when it is readable; there monitor
 * and worker do their turns, one after the other.
 *
 * The descriptor is the monitor's epoll itself: readable when any source is, when
 * the timer says that it is time to look, or when somebody has left work. It stays
 * readable until dispatch has seen to it. What a budget leaves over is left as a
 * wake-up in the monitor's eventfd.
 *
 * One thread dispatches at a time, and who does has set `dispatching`. It is no
 * lock: callbacks run under it, and these may fork, and stop must not wait for them
 * for ever. In the child it is set only if the thread that forked had set it.
 */
#include <errno.h>
#include <stdatomic.h>

#include <shrink/reclaim.h>
#include <libshrink/api/loop.h>
#include <libshrink/base/bits.h>
#include <libshrink/core/core.h>
#include <libshrink/lru/age.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/timer.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/nodes.h>
#include <libshrink/source/judge.h>
#include <libshrink/source/monitor.h>

/* Turns in one call without a budget: a round ends, the monitor looks, posts the
 * next. What is left then waits for the next call, so that no call is for ever. */
#define TURNS_MAX 64
#define STOP_LOOK_USEC 200

static _Atomic int looping;
static _Atomic int loop_fd = -1;
static _Atomic int dispatching;
static __thread bool inside __attribute__((tls_model("initial-exec")));
/* who dispatches: */
static int timer_fd = -1;
static uint64_t deadline; /* clock; 0 = none */

static bool budget_is_over(void)
{
	return (deadline && shrink_os_clock() >= deadline) ||
	       !atomic_load_explicit(&looping, memory_order_relaxed);
}

/* Runs what waits; false: nothing did. */
static bool run_round(uint64_t *freed)
{
	if (!shrink_engine_busy())
		return false;
	*freed += shrink_engine_run_pending(deadline);
	if (atomic_load(&looping))
		shrink_monitor_wake(); /* what came of it? */
	return true;
}

static long dispatch(void)
{
	uint64_t freed = 0, next = shrink_monitor_turn_polled(), nodes = UINT64_MAX;
	bool more = true;

	for (int i = 0; more && i < TURNS_MAX; i++) {
		shrink_engine_run_chore();
		more = run_round(&freed);
		freed += shrink_nodes_turn(&nodes);
		freed += shrink_age_turn(NULL, budget_is_over);
		if (budget_is_over())
			break;
		if (more)
			next = shrink_monitor_turn();
	}
	if (atomic_load(&looping))
		shrink_os_timer_set(timer_fd, shrink_min_u64(shrink_min_u64(next, nodes),
							     shrink_age_next()));
	shrink_registry_drain(false);
	return (long)shrink_min_u64(freed, INT64_MAX);
}

int shrink_get_fd(void)
{
	int fd = atomic_load_explicit(&loop_fd, memory_order_relaxed);

	return fd < 0 ? -ENOTCONN : fd;
}

long shrink_dispatch(uint64_t budget_usec)
{
	long r;

	if (shrink_context.depth || inside)
		return -EDEADLK;
	if (!atomic_load(&looping))
		return -ENOTCONN;
	if (atomic_exchange(&dispatching, 1))
		return -EBUSY;
	if (!atomic_load(&looping)) { /* stopped meanwhile */
		atomic_store(&dispatching, 0);
		return -ENOTCONN;
	}
	inside = true;
	deadline = !budget_usec ? 0 :
		shrink_add_u64(shrink_os_clock(), shrink_mul_div(budget_usec, NSEC_PER_USEC, 1));
	r = dispatch();
	inside = false;
	atomic_store(&dispatching, 0);
	return r;
}

int shrink_loop_start(void)
{
	int r = shrink_os_timer();

	if (r < 0)
		return r;
	timer_fd = r;
	r = shrink_monitor_attach(timer_fd);
	if (r < 0) {
		shrink_os_close(timer_fd);
		timer_fd = -1;
		return r;
	}
	atomic_store(&loop_fd, r);
	shrink_judge_reset();
	shrink_engine_reset(shrink_monitor_wake);
	shrink_age_on_change(shrink_monitor_wake);
	/* Here is where things may take their time: thresholds are armed now */
	shrink_monitor_turn();
	shrink_engine_run_chore();
	shrink_monitor_wake();
	shrink_gate_open();
	atomic_store(&looping, 1);
	return 0;
}

int shrink_loop_stop(uint64_t usec)
{
	uint64_t begin = shrink_os_clock_real();

	atomic_store(&looping, 0);
	atomic_store(&loop_fd, -1);
	while (atomic_exchange(&dispatching, 1)) {
		if ((shrink_os_clock_real() - begin) / NSEC_PER_USEC >= usec)
			return -ETIMEDOUT;
		shrink_os_sleep(STOP_LOOK_USEC);
	}
	shrink_engine_reset(NULL);
	shrink_os_close(timer_fd);
	timer_fd = -1;
	atomic_store(&dispatching, 0);
	return 0;
}

bool shrink_loop_hangs(void)
{
	return !atomic_load(&looping) && atomic_load(&dispatching);
}

bool shrink_loop_inside(void)
{
	return inside;
}

void shrink_loop_fork_child(void)
{
	atomic_store(&looping, 0);
	atomic_store(&loop_fd, -1);
	atomic_store(&dispatching, inside);
	timer_fd = -1;
}

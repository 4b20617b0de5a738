// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/clock.h>

static _Atomic uint64_t virtual_now; /* 0 = the real clock */

static uint64_t read_clock(clockid_t which)
{
	struct timespec ts;

	clock_gettime(which, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t shrink_os_clock_real(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t shrink_os_clock_thread(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t shrink_os_clock(void)
{
	uint64_t now = atomic_load_explicit(&virtual_now, memory_order_relaxed);

	return now ? now : shrink_os_clock_real();
}

void shrink_os_clock_simulate(int on)
{
	atomic_store_explicit(&virtual_now, on ? shrink_os_clock_real() : 0, memory_order_relaxed);
}

void shrink_os_clock_advance(uint64_t nsec)
{
	if (atomic_load_explicit(&virtual_now, memory_order_relaxed))
		atomic_fetch_add_explicit(&virtual_now, nsec, memory_order_relaxed);
}

void shrink_os_sleep(uint64_t usec)
{
	struct timespec left = {.tv_sec = (time_t)(usec / 1000000),
				.tv_nsec = (long)(usec % 1000000 * NSEC_PER_USEC)};

	if (atomic_load_explicit(&virtual_now, memory_order_relaxed)) {
		shrink_os_clock_advance(usec * NSEC_PER_USEC);
		return;
	}
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

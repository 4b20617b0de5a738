// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <urcu/arch.h>

#include <libshrink/os/spin.h>

#define SPINS 64
#define NAP_NSEC 50000

void shrink_os_spin_nap(struct shrink_os_spin *lock)
{
	struct timespec nap = {.tv_nsec = NAP_NSEC};
	int saved = errno;

	/* Nobody wakes it: a sleep that does not begin if the lock is free already */
	syscall(SYS_futex, &lock->held, FUTEX_WAIT_PRIVATE, 1, &nap, NULL, 0);
	errno = saved;
}

void shrink_os_spin_wait(struct shrink_os_spin *lock)
{
	for (;;) {
		for (int i = 0; i < SPINS; i++) {
			if (!atomic_load_explicit(&lock->held, memory_order_relaxed) &&
			    shrink_os_spin_trylock(lock))
				return;
			caa_cpu_relax();
		}
		shrink_os_spin_nap(lock);
	}
}

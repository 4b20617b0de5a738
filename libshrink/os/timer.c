// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <sys/timerfd.h>
#include <time.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/timer.h>

int shrink_os_timer(void)
{
	return shrink_os_fd_own(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
}

void shrink_os_timer_set(int fd, uint64_t when)
{
	struct itimerspec spec = {0};

	if (when == 0)
		when = 1; /* 0 would disarm it; the past is now */
	if (when != UINT64_MAX) {
		spec.it_value.tv_sec = (time_t)(when / NSEC_PER_SEC);
		spec.it_value.tv_nsec = (long)(when % NSEC_PER_SEC);
	}
	timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

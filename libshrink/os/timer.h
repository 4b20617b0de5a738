/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* A timer that can be waited for like a file: the application's own loop has no
 * other way to be called when it is time. */
#ifndef SHRINK_OS_TIMER_H
#define SHRINK_OS_TIMER_H

#include <stdint.h>

/* A descriptor, or a negative errno. Closed by shrink_os_close(), drained by
 * shrink_os_drain(). */
int shrink_os_timer(void);
/* Readable from @when on shrink_os_clock() on; UINT64_MAX = never. */
void shrink_os_timer_set(int fd, uint64_t when);

#endif /* SHRINK_OS_TIMER_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* The clock the library goes by: CLOCK_MONOTONIC, or a virtual one that only
 * tests move. */
#ifndef SHRINK_OS_CLOCK_H
#define SHRINK_OS_CLOCK_H

#include <stdint.h>

/* Nanoseconds. Any context, no system call on the vDSO path. */
uint64_t shrink_os_clock(void);
/* Real nanoseconds even in simulation: for measuring code, not for policy. */
uint64_t shrink_os_clock_real(void);
/* What the calling thread has had of a processor: what it costs, however many others
 * want one. A system call. */
uint64_t shrink_os_clock_thread(void);
/* 1: from now on virtual, beginning at the real time; 0: real again. */
void shrink_os_clock_simulate(int on);
/* Sleeps so long; in simulation the virtual clock moves instead. */
void shrink_os_sleep(uint64_t usec);
/* Moves the virtual clock. */
void shrink_os_clock_advance(uint64_t nsec);

#endif /* SHRINK_OS_CLOCK_H */

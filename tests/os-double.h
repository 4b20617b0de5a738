/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Between the library and the kernel: system calls that fail when a test says so, and
 * files that can be waited for as the kernel's are, which plain files on disk cannot, and
 * that do not say from then on what was written to them.
 * For programs linked with $(OS_DOUBLE), by which the linker puts this in front.
 */
#ifndef TESTS_OS_DOUBLE_H
#define TESTS_OS_DOUBLE_H

#include <stdbool.h>
#include <stdint.h>

/* The @nth call from now fails with what it may fail with, 0 = none; with @for_good, all
 * from there on do. Returns how many were made since it was called last. */
unsigned long os_fail_nth(unsigned long nth, bool for_good);
/* The name of the call that has failed last; "". */
const char *os_failed(void);

/* Reads of @fd fail with @err from now on; 0 = they work again. One at a time. */
void os_fail_reads(int fd, int err);
/* Opening a path that ends in @tail fails with @err; NULL = none does. One at a time. */
void os_fail_open(const char *tail, int err);

/* Whoever waits for the plain file open as @fd is woken once, with these events: EPOLLPRI
 * | EPOLLERR as kernfs does for an ordinary change, EPOLLPRI for a PSI trigger. */
void os_signal(int fd, uint32_t events);
/* Plain files that are waited for now. */
int os_waited_for(void);

/* All as it was in the beginning. */
void os_double_reset(void);

#endif /* TESTS_OS_DOUBLE_H */

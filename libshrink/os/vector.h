/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * madvise() of many ranges with one call: one entry into the kernel and, what costs more,
 * one flush of address translations, for which every processor that runs a thread of ours
 * is interrupted. Of Linux 6.13 for one's own process, without a descriptor from 6.14 on.
 */
#ifndef SHRINK_OS_VECTOR_H
#define SHRINK_OS_VECTOR_H

#include <stddef.h>
#include <sys/uio.h>

/* Asks the kernel once whether it can, so that a system call filter that comes later
 * finds us decided. Any thread, any number of times. */
void shrink_os_vector_probe(void);

/* Advises ranges, from the first on. Returns how many were done, in whole; the caller does
 * the others one by one, and may do one again. 0 where the kernel cannot. Keeps errno. */
int shrink_os_vector(const struct iovec *ranges, int nr, int advice);

#endif /* SHRINK_OS_VECTOR_H */

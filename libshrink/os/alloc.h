/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Memory for the library's own bookkeeping: registration, start and configuration
 * only, never between an event and the scans it causes (G6). All of it comes
 * through here, so that the torture test can fail each allocation in turn.
 */
#ifndef SHRINK_OS_ALLOC_H
#define SHRINK_OS_ALLOC_H

#include <stddef.h>

/* Zeroed and cache-line aligned; NULL with errno = ENOMEM. */
void *shrink_os_alloc(size_t size);
char *shrink_os_strdup(const char *text);
void shrink_os_free(void *p);

/* Test: let the @nth allocation from now fail (1 = the next), 0 = none. Returns
 * how many were made since the last call. */
unsigned long shrink_os_alloc_fail(unsigned long nth);

#endif /* SHRINK_OS_ALLOC_H */

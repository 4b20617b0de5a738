/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Pages the kernel may take by itself: offered to it, found missing, and found to be
 * shared with a forked child. All of it on private anonymous memory of our own.
 */
#ifndef SHRINK_OS_PURGE_H
#define SHRINK_OS_PURGE_H

#include <stddef.h>
#include <sys/uio.h>

/* Ranges offered in one call. */
#define SHRINK_OS_OFFER_MAX 64

/*
 * Whole pages that the kernel may drop whenever it wants memory, until they are next
 * written; one that was dropped reads as zeros. Once this has returned, and not before,
 * the offer stands. One system call for all ranges where the kernel can (6.14), for
 * each range one elsewhere. 0; -EINVAL: locked memory, or a kernel before 4.5; -ENOMEM.
 * What failed is ordinary memory as before.
 */
int shrink_os_offer(const struct iovec *ranges, int nr);

/* Pages of the range that are there; all of them where the kernel does not say. */
size_t shrink_os_resident(void *addr, size_t size);

/* Children of fork() find zeros in the range, and share no page of it. 0; -EINVAL:
 * before 4.14. */
int shrink_os_wipe_on_fork(void *addr, size_t size);

/* 1: some page there is mapped by another process too, a forked child; 0: none, or
 * nobody can say. */
int shrink_os_shared(void *addr, size_t size);
/* In the child: what was kept open was the parent's. */
void shrink_os_shared_fork_child(void);

#endif /* SHRINK_OS_PURGE_H */

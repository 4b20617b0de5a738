/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Address space and the pages in it. A range is reserved once, opened bit by bit
 * as it comes into use, and its pages are given back without giving up the
 * addresses. Nothing here allocates from the heap.
 */
#ifndef SHRINK_OS_MAP_H
#define SHRINK_OS_MAP_H

#include <stddef.h>
#include <sys/uio.h>

/* Whole pages the kernel may use behind a range's back. */
enum shrink_os_pages {
	SHRINK_OS_PAGES_SMALL, /* never huge: a page given back is given back at once */
	SHRINK_OS_PAGES_HUGE,  /* huge where possible: fast to touch, slow to give back */
};

/* @size bytes of addresses, page-aligned, without access, memory or commit
 * charge, also where overcommit is strict. NULL with errno = ENOMEM. */
void *shrink_os_map_reserve(size_t size, enum shrink_os_pages pages);
/* Another choice for a part; only a wish. */
void shrink_os_map_pages(void *addr, size_t size, enum shrink_os_pages pages);
/* Gives addresses and pages up. NULL is fine. */
void shrink_os_map_unreserve(void *addr, size_t size);

/* Makes a part readable and writable; pages come with the first touch. 0;
 * -ENOMEM: over the commit limit or too many mappings. */
int shrink_os_map_open(void *addr, size_t size);

/* Gives the pages of an open part back; it reads as zeros from then on. Works on
 * locked memory where the kernel can (5.18). 0, or a negative errno: the pages
 * are still there. Any context but a signal handler. */
int shrink_os_map_return(void *addr, size_t size);

/* The same for many, all at once where the kernel can: how many, from the first on, are
 * done. The caller gives the others back one by one, and hears what the matter is. */
int shrink_os_map_return_many(const struct iovec *ranges, int nr);

/* Pages of the range will come from memory node @nid only. 0; -EINVAL: no such
 * node; -ENOTSUP: libnuma is not built in, or the kernel has no policies. */
int shrink_os_map_bind(void *addr, size_t size, int nid);

/* Bytes of memory in the machine; 0 = unknown. */
size_t shrink_os_map_ram(void);

#endif /* SHRINK_OS_MAP_H */

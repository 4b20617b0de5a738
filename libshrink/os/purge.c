// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libshrink/os/fd.h>
#include <libshrink/os/mem.h>
#include <libshrink/os/purge.h>
#include <libshrink/os/vector.h>

#define VEC_PAGES	512
#define ENTRY_PRESENT	(UINT64_C(1) << 63)
#define ENTRY_EXCLUSIVE (UINT64_C(1) << 56)

static _Atomic int pagemap_fd = -1;

int shrink_os_offer(const struct iovec *ranges, int nr)
{
	int saved_errno = errno, r = 0;

	for (int i = shrink_os_vector(ranges, nr, MADV_FREE); i < nr; i++)
		if (madvise(ranges[i].iov_base, ranges[i].iov_len, MADV_FREE) < 0 && !r)
			r = -errno;
	errno = saved_errno;
	return r;
}

size_t shrink_os_resident(void *addr, size_t size)
{
	size_t page = shrink_os_page_size(), pages = size / page, there = 0;
	unsigned char vec[VEC_PAGES];
	int saved_errno = errno;

	for (size_t at = 0; at < pages; at += VEC_PAGES) {
		size_t n = pages - at < VEC_PAGES ? pages - at : VEC_PAGES;

		if (mincore((char *)addr + at * page, n * page, vec) < 0) {
			there += n;
			continue;
		}
		for (size_t i = 0; i < n; i++)
			there += vec[i] & 1;
	}
	errno = saved_errno;
	return there;
}

int shrink_os_wipe_on_fork(void *addr, size_t size)
{
	return madvise(addr, size, MADV_WIPEONFORK) < 0 ? -errno : 0;
}

/* Open once, by whoever comes first. */
static int open_pagemap(void)
{
	int fd = atomic_load(&pagemap_fd), none = -1;

	if (fd >= 0)
		return fd;
	fd = shrink_os_open("/proc/self/pagemap", O_RDONLY);
	if (fd < 0 || atomic_compare_exchange_strong(&pagemap_fd, &none, fd))
		return fd;
	shrink_os_close(fd);
	return none;
}

int shrink_os_shared(void *addr, size_t size)
{
	size_t page = shrink_os_page_size(), first = (uintptr_t)addr / page, pages = size / page;
	uint64_t entries[VEC_PAGES];
	int saved_errno = errno, fd = open_pagemap(), shared = 0;

	for (size_t at = 0; at < pages && fd >= 0 && !shared; at += VEC_PAGES) {
		size_t n = pages - at < VEC_PAGES ? pages - at : VEC_PAGES;
		ssize_t got = pread(fd, entries, n * sizeof(*entries),
				    (off_t)((first + at) * sizeof(*entries)));

		for (ssize_t i = 0; i < got / (ssize_t)sizeof(*entries); i++)
			shared |= (entries[i] & (ENTRY_PRESENT | ENTRY_EXCLUSIVE)) == ENTRY_PRESENT;
	}
	errno = saved_errno;
	return shared;
}

void shrink_os_shared_fork_child(void)
{
	atomic_store(&pagemap_fd, -1);
}

// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include "config.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef HAVE_NUMA
#include <numa.h>
#include <numaif.h>
#endif

#include <libshrink/os/map.h>
#include <libshrink/os/vector.h>

/* Newer than the C library's headers. */
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

void shrink_os_map_pages(void *addr, size_t size, enum shrink_os_pages pages)
{
	int saved_errno = errno;

	/* A kernel without huge pages refuses both, and needs neither */
	(void)madvise(addr, size,
		      pages == SHRINK_OS_PAGES_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	errno = saved_errno;
}

void *shrink_os_map_reserve(size_t size, enum shrink_os_pages pages)
{
	void *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	shrink_os_map_pages(p, size, pages);
	shrink_os_vector_probe();
	return p;
}

void shrink_os_map_unreserve(void *addr, size_t size)
{
	if (addr)
		munmap(addr, size);
}

int shrink_os_map_open(void *addr, size_t size)
{
	return mprotect(addr, size, PROT_READ | PROT_WRITE) < 0 ? -errno : 0;
}

int shrink_os_map_return(void *addr, size_t size)
{
	int saved_errno = errno, r = 0;

	if (madvise(addr, size, MADV_DONTNEED) < 0 &&
	    (errno != EINVAL || madvise(addr, size, MADV_DONTNEED_LOCKED) < 0))
		r = -errno;
	errno = saved_errno;
	return r;
}

int shrink_os_map_return_many(const struct iovec *ranges, int nr)
{
	return shrink_os_vector(ranges, nr, MADV_DONTNEED);
}

#ifdef HAVE_NUMA
int shrink_os_map_bind(void *addr, size_t size, int nid)
{
	struct bitmask *nodes;
	int r = 0;

	if (numa_available() < 0)
		return -ENOTSUP;
	if (nid < 0 || nid > numa_max_node() ||
	    !numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned int)nid))
		return -EINVAL;
	nodes = numa_allocate_nodemask();
	if (!nodes)
		return -ENOMEM;
	numa_bitmask_setbit(nodes, (unsigned int)nid);
	if (mbind(addr, size, MPOL_BIND, nodes->maskp, nodes->size + 1, 0) < 0)
		r = errno == ENOSYS || errno == EPERM ? -ENOTSUP : -errno;
	numa_free_nodemask(nodes);
	return r;
}
#else
int shrink_os_map_bind(void *addr, size_t size, int nid)
{
	(void)addr;
	(void)size;
	(void)nid;
	return -ENOTSUP;
}
#endif

size_t shrink_os_map_ram(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : 0;
}

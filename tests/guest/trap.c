// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * To be preloaded into a program with libshrink: counts what the library's threads ask
 * of the system that may cost memory. Four numbers of 8 bytes in the file that
 * GUEST_TRAP names, for whoever looks from outside, where looking is not charged to the
 * program's group: allocations, mappings, openings, reads.
 *
 * With GUEST_TRAP_TWIN a read by such a thread is preceded by an allocation that it
 * touches: the broken twin, a library that reads its files into fresh memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TWIN_BYTES (16UL << 10)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

enum { ALLOCS, MAPS, OPENS, READS, COUNTS };

static _Atomic uint64_t *counts;
static int twin;

static int is_ours(void)
{
	char name[16] = "";

	prctl(PR_GET_NAME, name);
	/* the standby has chores that allocate: it waits for none of what reclaim is */
	return !strncmp(name, "shrink-", 7) && strcmp(name, "shrink-standby") != 0;
}

static void trap(int which)
{
	if (counts && is_ours())
		atomic_fetch_add(&counts[which], 1);
}

__attribute__((constructor)) static void open_counts(void)
{
	const char *path = getenv("GUEST_TRAP");
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)
		      : -1;
	void *p;

	if (fd < 0 || ftruncate(fd, 4096) < 0)
		_exit(96);
	p = (void *)syscall(SYS_mmap, NULL, 4096UL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0UL);
	if (p == MAP_FAILED)
		_exit(96);
	memset(p, 0, COUNTS * sizeof(*counts));
	close(fd);
	counts = p;
	twin = getenv("GUEST_TRAP_TWIN") != NULL;
}

void *malloc(size_t size)
{
	trap(ALLOCS);
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	trap(ALLOCS);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	trap(ALLOCS);
	return __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	trap(ALLOCS);
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **p, size_t alignment, size_t size)
{
	trap(ALLOCS);
	*p = __libc_memalign(alignment, size);
	return *p ? 0 : ENOMEM;
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	trap(MAPS);
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

static int open_at(int dir, const char *path, int flags, va_list args)
{
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;

	trap(OPENS);
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = open_at(AT_FDCWD, path, flags, args);
	va_end(args);
	return fd;
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = open_at(dir, path, flags, args);
	va_end(args);
	return fd;
}

ssize_t pread(int fd, void *buf, size_t size, off_t offset)
{
	void *fresh = NULL;

	trap(READS);
	if (twin && is_ours())
		fresh = malloc(TWIN_BYTES);
	if (fresh) /* and never given back */
		memset(fresh, 1, TWIN_BYTES);
	return syscall(SYS_pread64, fd, buf, size, offset);
}

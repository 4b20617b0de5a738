// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libshrink/os/vector.h>

/* Newer than the C library's headers. */
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#define PIDFD_SELF (-10000) /* the thread, whose memory is the process's */

enum { UNKNOWN, WORKS, REFUSED };

static _Atomic int state;

static long advise(const struct iovec *ranges, int nr, int advice)
{
	return syscall(SYS_process_madvise, PIDFD_SELF, ranges, nr, advice, 0);
}

/* No range at all: what is checked is whether there is such a call, knows the process
 * without a descriptor, and takes advice that was once for madvise() only. */
void shrink_os_vector_probe(void)
{
	int saved_errno = errno;
	struct iovec none = {0};

	if (atomic_load_explicit(&state, memory_order_relaxed) == UNKNOWN)
		atomic_store_explicit(&state, advise(&none, 0, MADV_DONTNEED) ? REFUSED : WORKS,
				      memory_order_relaxed);
	errno = saved_errno;
}

int shrink_os_vector(const struct iovec *ranges, int nr, int advice)
{
	int saved_errno = errno, n = 0;
	long bytes;

	shrink_os_vector_probe();
	if (nr < 2 || atomic_load_explicit(&state, memory_order_relaxed) != WORKS)
		return 0;
	bytes = advise(ranges, nr, advice);
	/* ranges may be unfit by themselves, or a signal come; anything else is for good */
	if (bytes < 0 && errno != EINTR && errno != EAGAIN && errno != EINVAL && errno != ENOMEM)
		atomic_store_explicit(&state, REFUSED, memory_order_relaxed);
	while (n < nr && bytes >= (long)ranges[n].iov_len)
		bytes -= (long)ranges[n++].iov_len;
	errno = saved_errno;
	return n;
}
